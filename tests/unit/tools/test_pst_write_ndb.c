#include "archive/pst/write_btree.h"
#include "pst_write_util.h"

#include "archive/pst/bytes.h"

START_TEST(heads)
{
    static const struct {
        uint64_t n;
        size_t head;
    } t[] = {{0, 1024}, {1, 512}, {7, 512}, {8, 1024}, {120, 1024}, {128, 1536}, {129, 512}, {136, 1024}, {624, 1536}, {8192, 1536}, {8200, 1024},
             {39936, 1536}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        ck_assert_uint_eq(pstw_interval_head(t[i].n), t[i].head);
}
END_TEST

START_TEST(spools)
{
    enum { N = 200000 };
    struct spool s;
    uint64_t r, got[300];
    spool_init(&s, sizeof r);
    int failed = 0;
    for (r = 0; r < N; r++)
        failed |= spool_add(&s, scratch_pst("spool"), &r);
    ck_assert_int_eq(failed, 0);
    static const uint64_t cuts[] = {N, N - 5, 170001, 65536, 65535, 100, 0};
    for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
        ck_assert_int_eq(spool_cut(&s, cuts[c]), 0);
        ck_assert_uint_eq(s.count, cuts[c]);
        for (uint64_t at = 0; at < cuts[c]; at += 300) {
            int64_t n = spool_read(&s, at, got, 300);
            ck_assert_int_eq(n, (int64_t)(cuts[c] - at < 300 ? cuts[c] - at : 300));
            for (int64_t i = 0; i < n; i++)
                if (got[i] != at + (uint64_t)i)
                    ck_abort_msg("record %llu", (unsigned long long)at + (unsigned long long)i);
        }
        ck_assert_int_eq(spool_read(&s, cuts[c], got, 1), 0);
        for (r = cuts[c]; r < cuts[c] + 40000 && c % 2; r++) /* it goes on where it was cut */
            failed |= spool_add(&s, scratch_pst("spool"), &r);
        ck_assert_int_eq(failed, 0);
    }
    spool_free(&s);
}
END_TEST

/* ---- B-trees ---------------------------------------------------------------------------------------------------------------------------- */

struct pages {
    uint8_t (*page)[512];
    size_t count;
};

static uint64_t keep_page(void *arg, int type, uint8_t *page, uint64_t *bid)
{
    struct pages *p = arg;
    ck_assert_int_eq(type, PST_PAGE_BBT);
    p->page = realloc(p->page, (p->count + 1) * 512);
    memcpy(p->page[p->count], page, 512);
    *bid = 1000 + p->count;
    return p->count++ * 512;
}

/* Entries below a page, which are the keys from *next on. */
static void walk(const struct pages *p, uint64_t offset, int level, uint64_t *next)
{
    const uint8_t *page = p->page[offset / 512];
    ck_assert_int_eq(page[491], level);
    ck_assert_int_eq(page[489], 20);
    ck_assert_int_eq(page[490], 24);
    ck_assert_int_ge(page[488], 1);
    for (int i = 0; i < page[488]; i++) {
        const uint8_t *e = page + 24 * i;
        if (pst_get64(e) != 3 + *next * 7)
            ck_abort_msg("entry %llu", (unsigned long long)*next);
        if (level == 0)
            ++*next;
        else
            walk(p, pst_get64(e + 16), level - 1, next);
    }
}

START_TEST(trees)
{
    static const struct {
        uint64_t n;
        int levels;
    } t[] = {{1, 0}, {20, 0}, {21, 1}, {400, 1}, {401, 2}, {8000, 2}, {8001, 3}, {30000, 3}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct pages p = {0};
        struct btree_root root;
        struct btree *b = btree_new(PST_PAGE_BBT, 24, keep_page, &p);
        uint8_t entry[24] = {0};
        uint64_t next = 0;
        for (uint64_t k = 0; k < t[i].n; k++) {
            pst_put64(entry, 3 + k * 7);
            btree_add(b, 3 + k * 7, entry);
        }
        btree_finish(&b, &root);
        ck_assert_ptr_null(b);
        walk(&p, root.offset, t[i].levels, &next);
        ck_assert_uint_eq(next, t[i].n);
        ck_assert_uint_eq(root.bid, 1000 + root.offset / 512);
        free(p.page);
    }
}
END_TEST

/* ---- blocks ------------------------------------------------------------------------------------------------------------------------------ */

static size_t block_size(uint64_t k)
{
    return k % 7 == 0 ? PST_BLOCK_MAX : 1 + (size_t)(k * 769 % PST_BLOCK_MAX);
}

static uint64_t put_block(struct made *m, uint64_t k)
{
    uint8_t data[PST_BLOCK_MAX];
    for (size_t i = 0; i < block_size(k); i++)
        data[i] = pattern(k * 10000 + i);
    return pstw_block(m->w, data, block_size(k), 0);
}

static void check_block(struct made *m, uint64_t bid, uint64_t k)
{
    struct pst_block *b;
    ck_assert_int_eq(pst_block_get(m->p, bid, &b), 0);
    ck_assert_uint_eq(b->len, block_size(k));
    for (size_t i = 0; i < b->len; i++)
        if (b->data[i] != pattern(k * 10000 + i))
            ck_abort_msg("block %llu, byte %zu", (unsigned long long)k, i);
    pst_block_put(m->p, &b);
}

START_TEST(blocks)
{
    enum { N = 300 }; /* a few intervals */
    for (int crypt = PST_CRYPT_NONE; crypt <= PST_CRYPT_CYCLIC; crypt++) {
        struct made m;
        uint64_t bids[N];
        made_begin(&m, scratch_pst("blocks"), crypt);
        for (uint64_t k = 0; k < N; k++)
            bids[k] = put_block(&m, k);
        pstw_share(m.w, bids[5], 3);
        for (uint32_t k = 0; k < N; k++)
            pstw_node(m.w, PST_NID(N - k, k % 2 ? PST_NT_FOLDER : PST_NT_INTERNAL), bids[k], 0, 0x122);
        for (uint32_t k = 0; k < N; k++)
            pstw_node(m.w, PST_NID(1000 + k, PST_NT_MESSAGE), bids[k], 0, 0x122);
        made_end(&m);
        for (uint32_t k = 0; k < N; k++) {
            check_block(&m, bids[k], k);
            ck_assert_uint_eq(made_node(&m, PST_NID(1000 + k, PST_NT_MESSAGE)).data, bids[k]);
            ck_assert_uint_eq(made_node(&m, PST_NID(N - k, k % 2 ? PST_NT_FOLDER : PST_NT_INTERNAL)).data, bids[k]);
        }
        struct pst_place place;
        ck_assert_int_eq(pst_find_block(m.p, bids[5], &place), 1);
        ck_assert_uint_eq(place.refs, 5);
        ck_assert_int_eq(pst_find_block(m.p, bids[6], &place), 1);
        ck_assert_uint_eq(place.refs, 2);
        ck_assert_uint_eq(m.p->header.eof, m.p->size);
        ck_assert_uint_eq((m.p->size - PST_AMAP_AT) % PST_AMAP_SPAN, 0);
        made_close(&m);
    }
}
END_TEST

/* What is taken back leaves no trace: the files are equal to the byte, whether it filled a part of an interval or several. */
START_TEST(rollbacks)
{
    static const uint64_t lost[] = {1, 10, 100, 400};
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
        struct made a, b;
        size_t n, n2;
        made_begin(&a, scratch_pst("plain"), PST_CRYPT_PERMUTE);
        made_begin(&b, scratch_pst("back"), PST_CRYPT_PERMUTE);
        for (uint64_t k = 0; k < 200; k++) {
            if (k == 50 || k == 51 || k == 150) {
                pstw_mark(b.w);
                for (uint64_t j = 0; j < lost[i]; j++)
                    pstw_node(b.w, PST_NID(7000 + j, PST_NT_MESSAGE), put_block(&b, 1000 + j), 0, 0x122);
                pstw_rollback(b.w);
            }
            uint64_t bid = put_block(&a, k);
            ck_assert_uint_eq(put_block(&b, k), bid);
            pstw_node(a.w, PST_NID(1000 + k, PST_NT_MESSAGE), bid, 0, 0x122);
            pstw_node(b.w, PST_NID(1000 + k, PST_NT_MESSAGE), bid, 0, 0x122);
        }
        made_end(&a);
        made_end(&b);
        uint8_t *p = read_file(a.path, &n), *q = read_file(b.path, &n2);
        ck_assert_uint_eq(n, n2);
        ck_assert_int_eq(memcmp(p, q, n), 0);
        free(p);
        free(q);
        made_close(&a);
        made_close(&b);
    }
}
END_TEST

/* The disk is full: the first failure sticks, nothing hangs, nothing is left. */
START_TEST(full_disk)
{
    struct made m;
    uint32_t next[32] = {0};
    made_begin(&m, scratch_pst("full"), PST_CRYPT_NONE);
    close(m.out.fd);
    m.out.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(m.out.fd, 0);
    for (uint64_t k = 0; k < 500; k++)
        pstw_node(m.w, PST_NID(1000 + k, PST_NT_MESSAGE), put_block(&m, k), 0, 0x122);
    ck_assert_int_ne(pstw_finish(m.w, next), 0);
    ck_assert_int_ne(pstw_failed(m.w), 0);
    pstw_free(&m.w);
    outfile_release(&m.out);
    ck_assert_int_ne(access(m.path, F_OK), 0);
}
END_TEST

/* A file beyond the first FPMap, at 2.08 GB; only if CUBBY_BIG is set. */
START_TEST(all_maps)
{
    static const struct {
        uint64_t at;
        int type;
    } pages[] = {{0x4400, 0x84}, {0x4600, 0x83}, {0x4400 + 128 * 0x3e000ull + 0x400, 0x82}, {0x4400 + 624 * 0x3e000ull + 0x400, 0x82},
                 {0x7c004800, 0x85}, {0x7c004600, 0x83}};
    enum { N = 8200 * 30 };
    static const uint8_t data[PST_BLOCK_MAX];
    struct made m;
    uint64_t last = 0;
    if (!getenv("CUBBY_BIG"))
        return;
    made_begin(&m, scratch_pst("maps"), PST_CRYPT_NONE);
    for (int k = 0; k < N; k++)
        last = pstw_block(m.w, data, sizeof data, 0);
    pstw_node(m.w, 0x21, last, 0, 0);
    made_end(&m);
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        struct pst_page page;
        struct pst_ref ref = {pages[i].at, pages[i].at};
        ck_assert_int_eq(pst_page_read(m.p, ref, pages[i].type, &page), 0);
    }
    struct pst_block *b;
    ck_assert_int_eq(pst_block_get(m.p, last, &b), 0);
    pst_block_put(m.p, &b);
    made_close(&m);
}
END_TEST

UNIT_MAIN("tools/pst_write_ndb", all_maps, heads, spools, trees, blocks, rollbacks, full_disk)
