/* Files with bytes changed at random and every checksum put right again: reading and checking come to an end, whatever they hold.
 *
 * test_pst_mutate [FILE [SEED [COUNT]]]: with another file than the small store made here. CUBBY_PST_MUTANTS: how many.
 * CK_DEFAULT_TIMEOUT=0: as long as it takes. */
#include "archive/pst/check.h"
#include "archive/reader.h"
#include "pst_build.h"

#include <time.h>

static uint64_t state;

static uint32_t next(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

struct piece {
    uint64_t ib, bid;
    uint32_t len, extent;
    int page;
};

static struct {
    uint8_t *whole, *now; /* as it was; changed */
    size_t size;
    struct pst *p;
    struct piece *pieces;
    size_t count, cap;
} f;

static void add(struct piece x)
{
    if (f.count == f.cap) {
        f.cap = f.cap ? 2 * f.cap : 256;
        f.pieces = realloc(f.pieces, f.cap * sizeof *f.pieces);
    }
    f.pieces[f.count++] = x;
}

static void collect(const char *path)
{
    struct pst_walk w;
    struct pst_place at;
    const uint8_t *entry;
    FILE *in = fopen(path, "rb");
    ck_assert_ptr_nonnull(in);
    fseek(in, 0, SEEK_END);
    f.size = (size_t)ftell(in);
    rewind(in);
    f.whole = malloc(f.size);
    f.now = malloc(f.size);
    ck_assert_uint_eq(fread(f.whole, 1, f.size, in), f.size);
    fclose(in);
    ck_assert_int_eq(pst_open(path, NULL, NULL, &f.p), 0);
    const struct pst_shape *s = f.p->shape;
    pst_walk_begin(&w, f.p, PST_PAGE_BBT, 0);
    while (pst_walk_next(&w, &entry) == 1) {
        pst_place_of(f.p, entry, &at);
        add((struct piece){at.ib, at.bid, at.stored, pst_block_extent(f.p, at.stored), 0});
    }
    for (uint64_t ib = 0; ib + s->page <= f.size; ib += PST_PAGE_SIZE) {
        const uint8_t *t = f.whole + ib + s->body;
        uint64_t bid = s->id == 4 ? pst_get32(t + 4) : pst_get64(t + 8);
        if (t[0] == t[1] && (t[0] == PST_PAGE_BBT || t[0] == PST_PAGE_NBT) && pst_get16(t + 2) == pst_signature(ib, bid))
            for (int often = 0; often < 10; often++)
                add((struct piece){ib, bid, s->body, s->page, 1});
    }
}

static void change(uint8_t *p, size_t n)
{
    for (unsigned k = 1 + next() % 4; n && k; k--) {
        size_t i = next() % n, j = next() % n, len = next() % 16;
        switch (next() % 7) {
        case 0:
            p[i] = (uint8_t)next();
            break;
        case 1:
            p[i] ^= (uint8_t)(1u << next() % 8);
            break;
        case 2:
            p[i] = 0xFF;
            break;
        case 3:
            p[i] = 0;
            break;
        case 4:
            p[i] = (uint8_t)(p[i] + (next() & 1 ? 1 : -1));
            break;
        case 5:
            if (i + 4 <= n)
                pst_put32(p + i, next() & 1 ? 0xFFFFFFFF : next() % 70000);
            break;
        default:
            if (i + len <= n && j + len <= n)
                memmove(p + i, p + j, len);
        }
    }
}

static void mutate_piece(const struct piece *x)
{
    int decoded = !x->page && !(x->bid & PST_BID_INTERNAL), ansi = f.p->shape->kind == PST_ANSI;
    uint8_t *p = f.now + x->ib, *t = p + (x->page ? f.p->shape->body : x->extent - f.p->shape->trailer);
    if (decoded)
        pst_decode((int)f.p->header.crypt, x->bid, p, x->len);
    size_t part = next() & 1 && x->len > 64 ? 64 : x->len; /* heads and tails say most */
    change(part < x->len && next() & 1 ? p + x->len - part : p, part);
    if (decoded)
        pst_encode((int)f.p->header.crypt, x->bid, p, x->len);
    if (next() % 20)
        pst_put32(t + (ansi ? 8 : 4), pst_crc(0, p, x->len));
}

static size_t mutate(uint64_t seed)
{
    state = seed * 2654435761u + 17;
    memcpy(f.now, f.whole, f.size);
    for (unsigned k = 1 + next() % 3; k; k--) {
        if (next() % 50 == 0) {
            change(f.now + 8, 516);
            pst_put32(f.now + 4, pst_crc(0, f.now + 8, PST_CRC_PARTIAL));
            pst_put32(f.now + 524, pst_crc(0, f.now + 8, PST_CRC_FULL));
        } else if (f.count) {
            mutate_piece(&f.pieces[next() % f.count]);
        }
    }
    return next() % 40 ? f.size : next() % f.size;
}

static uint64_t read_all(const char *path)
{
    struct reader_options o = {.password = "test"};
    struct reader *r = NULL;
    struct reader_item item;
    const uint8_t *p;
    size_t n;
    uint64_t bytes = 0;
    if (reader_pst.open(path, &o, &r) == 0) {
        while (memset(&item, 0, sizeof item), reader_pst.next(r, &item) == 0) {
            while (item.kind == READER_MESSAGE && reader_pst.read(r, &p, &n) == 0)
                bytes += n;
            reader_item_release(&item);
        }
    }
    reader_close(&r);
    return bytes;
}

static void ignore(void *arg, int severity, uint64_t offset, const char *text)
{
    (void)arg;
    (void)severity;
    (void)offset;
    (void)text;
}

static void run(const char *path, uint64_t first, uint64_t count)
{
    char error[256], scratch[300];
    uint64_t offset, most = 0;
    snprintf(scratch, sizeof scratch, "%s.mutant", build_path());
    cli.quiet = 1;
    collect(path);
    for (uint64_t seed = first; seed < first + count; seed++) {
        struct pst_checked k;
        size_t n = mutate(seed);
        FILE *out = fopen(scratch, "wb");
        ck_assert_ptr_nonnull(out);
        ck_assert_uint_eq(fwrite(f.now, 1, n, out), n);
        fclose(out);
        time_t start = time(NULL);
        uint64_t bytes = read_all(scratch);
        pst_check(scratch, ignore, NULL, NULL, &k, error, &offset);
        most = bytes > most ? bytes : most;
        ck_assert_msg(time(NULL) - start < 20, "seed %llu takes too long", (unsigned long long)seed);
    }
    ck_assert_uint_lt(most, 64 * (uint64_t)f.size);
    unlink(scratch);
    pst_close(&f.p);
    free(f.whole);
    free(f.now);
    free(f.pieces);
    memset(&f, 0, sizeof f);
}

START_TEST(mutants)
{
    static struct build b;
    static const uint8_t strings[] = {2, 0, 0, 0, 12, 0, 0, 0, 16, 0, 0, 0, 'a', 0, 'b', 0, 'c', 0};
    const char *many = getenv("CUBBY_PST_MUTANTS");
    for (int crypt = PST_CRYPT_NONE; crypt <= PST_CRYPT_CYCLIC; crypt++) {
        uint8_t object[8] = {0x44, 0, 0x20, 0, 0, 1};
        const uint32_t id = 0x8025;
        struct build_node subs[3] = {{PST_NID_ATTACHMENTS, 0, 0, 0}, {PST_NID_RECIPIENTS, 0, 0, 0}, {0x8025, 0, 0, 0}},
                                     inner = {BUILD_MESSAGE + 32, 0, 0, 0};
        const struct build_prop props[] = {{0x001A, PST_PT_STRING, 0, "IPM.Note", 0},
                                           {0x0037, PST_PT_STRING, 0, "\1\1A subject", 0},
                                           {0x1000, PST_PT_STRING, 0, "A body of some words", 0},
                                           {0x8001, PST_PT_MULTI | PST_PT_STRING, 0, (const char *)strings, sizeof strings}};
        const struct build_prop attachment[] = {{0x3701, PST_PT_OBJECT, 0, (const char *)object, 8}, {0x3705, PST_PT_INT32, 5, NULL, 0}};
        build_begin(&b);
        b.crypt = crypt;
        build_store(&b, 0, 2);
        build_message(&b, 1, "Another");
        inner.data = build_pc(&b, props, 4);
        subs[0].data = build_table(&b, &id, 1, 0, NULL);
        subs[1].data = build_table(&b, &id, 1, 0x0C150003, &id);
        subs[2].data = build_pc(&b, attachment, 2);
        subs[2].sub = build_subnodes(&b, &inner, 1);
        build_node(&b, BUILD_MESSAGE, build_pc(&b, props, 4), build_subnodes(&b, subs, 3), BUILD_FOLDER);
        build_end(&b);
        build_write(&b, BUILD_SIZE);
        run(build_path(), 1, many ? strtoull(many, NULL, 10) : 150);
        build_release(&b);
    }
}
END_TEST

static char **given;
static int given_count;

START_TEST(given_file)
{
    run(given[1], given_count > 2 ? strtoull(given[2], NULL, 10) : 1, given_count > 3 ? strtoull(given[3], NULL, 10) : 1000);
}
END_TEST

int main(int argc, char **argv)
{
    const TTest *const test = argc < 2 ? mutants : given_file;
    given = argv;
    given_count = argc;
    return unit_run("tools/pst_mutate", &test, 1);
}
