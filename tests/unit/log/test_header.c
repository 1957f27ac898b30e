#include "log/header.h"

#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "unit/fault_vfs.h"
#include "unit/log/log_util.h"

#define FILE_PATH "/s/segments/00000009.seg"

static struct cubby__seg_header full_header(struct bed *b, size_t defs)
{
    struct cubby__seg_header h = bed_header(b, 9, 0x9999);
    h.pred = 8;
    h.pred_nonce = 0x8888;
    h.pred_end = 4096;
    h.last_commit = 100;
    h.last_chain = 101;
    h.proven = 5000;
    h.proven_commit = 102;
    h.floors = (struct cubby__floors){1, 2, 3, 4, 5, 6, 7, 8};
    for (size_t i = 0; i < defs; i++)
        cubby__buf_byte(&h.defs, (uint8_t)(i * 7 + 1));
    return h;
}

/* Writes the header to a file of its own; its size. */
static size_t put(struct bed *b, struct cubby__seg_header *h)
{
    struct cubby__buf out = CUBBY__BUF_INIT;
    cubby_file *f;
    MUST(cubby__seg_header_encode(h, &out));
    ck_assert_uint_eq(out.len, cubby__seg_header_size(h->defs.len));
    b->vfs->unlink(b->vfs->ctx, FILE_PATH);
    MUST(b->vfs->open(b->vfs->ctx, FILE_PATH, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &f));
    MUST(b->vfs->pwrite(b->vfs->ctx, f, out.data, out.len, 0));
    b->vfs->close(b->vfs->ctx, f);
    size_t n = out.len;
    cubby__buf_release(&out);
    return n;
}

static int get(struct bed *b, struct cubby__seg_header *h)
{
    cubby_file *f;
    MUST(b->vfs->open(b->vfs->ctx, FILE_PATH, CUBBY_OPEN_READ, &f));
    int rc = cubby__seg_header_read(b->vfs, f, FILE_PATH, h, &b->err);
    b->vfs->close(b->vfs->ctx, f);
    return rc;
}

static void same(const struct cubby__seg_header *a, const struct cubby__seg_header *b)
{
    ck_assert(a->number == b->number && a->kind == b->kind && a->nonce == b->nonce);
    ck_assert(a->pred == b->pred && a->pred_nonce == b->pred_nonce && a->pred_end == b->pred_end);
    ck_assert(a->last_commit == b->last_commit && a->last_chain == b->last_chain && a->created_ns == b->created_ns);
    ck_assert(a->proven == b->proven && a->proven_commit == b->proven_commit && a->frames == b->frames);
    ck_assert_mem_eq(&a->floors, &b->floors, sizeof a->floors);
    ck_assert_mem_eq(a->ident.uuid, b->ident.uuid, 16);
    ck_assert_uint_eq(a->ident.salt, b->ident.salt);
    ck_assert_uint_eq(a->defs.len, b->defs.len);
    if (a->defs.len)
        ck_assert_mem_eq(a->defs.data, b->defs.data, a->defs.len);
}

START_TEST(round_trip)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    static const size_t sizes[] = {0, 1, 247, 248, 249, 760, 761, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct cubby__seg_header h = full_header(b, sizes[i]), out;
        size_t n = put(b, &h);
        ck_assert_uint_eq(n % 1024, 0);
        MUST(get(b, &out));
        same(&h, &out);
        ck_assert_int_eq(out.damaged_copies, 0);
        cubby__seg_header_release(&h);
        cubby__seg_header_release(&out);
    }
    bed_end(b);
}
END_TEST

START_TEST(floors)
{
    struct cubby__floors f = {UINT64_MAX, 1, 2, 3, 4, 5, 6, 7}, out;
    uint8_t b[64];
    cubby__floors_encode(&f, b);
    cubby__floors_decode(b, &out);
    ck_assert_mem_eq(&f, &out, sizeof f);
}
END_TEST

/* Any flip in one copy leaves the other; the same in both leaves nothing. */
START_TEST(every_flipped_bit)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    struct cubby__seg_header h = full_header(b, 30), out;
    size_t n = put(b, &h) / 2;
    for (size_t off = 0; off < n; off++) {
        uint8_t mask = (uint8_t)(1 << off % 8);
        for (int bit = 0; bit < 8; bit++) {
            if (off >= 300 && bit != (int)(off % 8)) /* behind the fields one bit a byte will do */
                continue;
            mask = (uint8_t)(1 << bit);
            bed_flip(b, FILE_PATH, off, mask);
            MUST(get(b, &out));
            same(&h, &out);
            ck_assert_msg(out.damaged_copies == 1, "a flip at %zu is not noticed", off);
            cubby__seg_header_release(&out);
            bed_flip(b, FILE_PATH, n + off, mask);
            int rc = get(b, &out);
            ck_assert_msg(rc == CUBBY_ECORRUPT, "flips at %zu in both copies: %d", off, rc);
            ck_assert_str_eq(b->err.path, FILE_PATH);
            bed_flip(b, FILE_PATH, off, mask);
            bed_flip(b, FILE_PATH, n + off, mask);
        }
    }
    cubby__seg_header_release(&h);
    bed_end(b);
}
END_TEST

START_TEST(a_damaged_second_copy_is_noticed)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    struct cubby__seg_header h = full_header(b, 300), out;
    size_t n = put(b, &h) / 2;
    for (size_t off = n; off < 2 * n; off += 5) {
        bed_flip(b, FILE_PATH, off, 0x20);
        MUST(get(b, &out));
        same(&h, &out);
        ck_assert_msg(out.damaged_copies == 1, "a flip at %zu is not noticed", off);
        cubby__seg_header_release(&out);
        bed_flip(b, FILE_PATH, off, 0x20);
    }
    cubby__seg_header_release(&h);
    bed_end(b);
}
END_TEST

START_TEST(truncated)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    struct cubby__seg_header h = full_header(b, 30), out;
    size_t n = put(b, &h);
    for (size_t size = n - 1;; size = size > 8 ? size - 8 : 0) {
        bed_truncate(b, FILE_PATH, size);
        int rc = get(b, &out);
        if (size >= n / 2) {
            ck_assert_int_eq(rc, 0);
            ck_assert_int_eq(out.damaged_copies, 1);
            cubby__seg_header_release(&out);
        } else {
            ck_assert_int_eq(rc, CUBBY_ECORRUPT);
        }
        if (!size)
            break;
    }
    cubby__seg_header_release(&h);
    bed_end(b);
}
END_TEST

static void seal(uint8_t *p, size_t size)
{
    uint64_t first = cubby__hash64(p, CUBBY__SEG_CHECKSUM_OFF, 0);
    cubby__put64(p + CUBBY__SEG_CHECKSUM_OFF, cubby__hash64(p + CUBBY__SEG_HEADER_FIXED, size - CUBBY__SEG_HEADER_FIXED, first));
}

/* Fields that make no sense under a checksum that fits. */
START_TEST(hostile_fields)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    struct cubby__seg_header h = full_header(b, 30), out;
    size_t n = put(b, &h) / 2;
    static const struct {
        size_t off;
        uint32_t value;
    } bad[] = {{CUBBY__SEG_DEFS_LEN_OFF, 249},      {CUBBY__SEG_DEFS_LEN_OFF, UINT32_MAX}, {CUBBY__SEG_RETIRED_COUNT_OFF, 28},
               {CUBBY__SEG_RETIRED_COUNT_OFF, UINT32_MAX}, {CUBBY__SEG_RETIRED_COUNT_OFF, 0x20000000}, {CUBBY__SEG_KIND_OFF, 0},
               {CUBBY__SEG_KIND_OFF, CUBBY__SEG_PACKED}, {CUBBY__SEG_HEADER_LEN_OFF, 0}, {CUBBY__SEG_HEADER_LEN_OFF, 513},
               {CUBBY__SEG_HEADER_LEN_OFF, 1024}, {CUBBY__SEG_HEADER_LEN_OFF, UINT32_MAX}, {CUBBY__SEG_HEADER_LEN_OFF, CUBBY__SEG_HEADER_MAX + 512},
               {CUBBY__SEG_COPY_OFF, 1}, {CUBBY__SEG_COPY_OFF, 2}};
    ck_assert_uint_eq(n, 512);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t copy[512], changed[512];
        bed_read(b, FILE_PATH, 0, copy, n);
        memcpy(changed, copy, n);
        cubby__put32(changed + bad[i].off, bad[i].value);
        seal(changed, n);
        bed_write(b, FILE_PATH, 0, changed, n);
        bed_flip(b, FILE_PATH, n, 1); /* no second copy to fall back to */
        int rc = get(b, &out);
        ck_assert_msg(rc == CUBBY_ECORRUPT, "case %zu: %d", i, rc);
        bed_flip(b, FILE_PATH, n, 1);
        bed_write(b, FILE_PATH, 0, copy, n);
    }
    uint8_t copy[512];
    bed_read(b, FILE_PATH, 0, copy, n);
    cubby__put32(copy + CUBBY__SEG_ID_OFF + CUBBY__ID_VERSION_OFF, 2);
    cubby__put64(copy + CUBBY__SEG_ID_OFF + CUBBY__ID_CHECKSUM_OFF, cubby__hash64(copy + CUBBY__SEG_ID_OFF, CUBBY__ID_CHECKSUM_OFF, 0));
    seal(copy, n);
    bed_write(b, FILE_PATH, 0, copy, n);
    ck_assert_int_eq(get(b, &out), CUBBY_EVERSION);
    cubby__seg_header_release(&h);
    bed_end(b);
}
END_TEST

static int get_of(struct bed *b, const struct cubby__ident *store, uint32_t number, struct cubby__seg_header *h)
{
    cubby_file *f;
    MUST(b->vfs->open(b->vfs->ctx, FILE_PATH, CUBBY_OPEN_READ, &f));
    int rc = cubby__seg_header_read_of(b->vfs, f, FILE_PATH, store, number, h, &b->err);
    b->vfs->close(b->vfs->ctx, f);
    return rc;
}

/* A write that went to the wrong file left another segment's header, or another store's, where one copy was: the other copy counts. */
START_TEST(a_misdirected_copy_is_a_damaged_one)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    struct cubby__seg_header h = full_header(b, 30), out;
    uint8_t own[1024], alien[1024];
    struct cubby__ident id = b->ident;
    ck_assert_uint_eq(put(b, &h), sizeof own);
    bed_read(b, FILE_PATH, 0, own, sizeof own);
    for (int kind = 0; kind < 2; kind++) {
        if (kind)
            b->ident.uuid[3] ^= 1;
        struct cubby__seg_header other = full_header(b, 30);
        other.number = kind ? 9 : 8;
        put(b, &other);
        bed_read(b, FILE_PATH, 0, alien, sizeof alien);
        for (size_t off = 0; off < sizeof own; off += 512) {
            bed_write(b, FILE_PATH, 0, own, sizeof own);
            bed_write(b, FILE_PATH, off, alien + off, 512);
            MUST(get_of(b, &id, 9, &out));
            same(&h, &out);
            ck_assert_int_eq(out.damaged_copies, 1);
            cubby__seg_header_release(&out);
        }
        bed_write(b, FILE_PATH, 0, alien, sizeof alien);
        ck_assert_int_eq(get_of(b, &id, 9, &out), CUBBY_ECORRUPT);
        cubby__seg_header_release(&other);
    }
    cubby__seg_header_release(&h);
    bed_end(b);
}
END_TEST

/* A bad sector costs the copy that it is in; want of memory says nothing of any copy. */
START_TEST(a_copy_that_cannot_be_read)
{
    struct bed bed, *b = &bed;
    struct fault x;
    cubby_file *f;
    bed_begin(b);
    struct cubby__seg_header h = full_header(b, 30), out;
    put(b, &h);
    fault_init(&x, b->vfs);
    MUST(x.vfs.open(&x, FILE_PATH, CUBBY_OPEN_READ, &f));
    for (int call = 0; call < 4; call++) { /* two reads a copy */
        fault_set(&x, FAULT_PREAD, FILE_PATH, call, -EIO, 0);
        MUST(cubby__seg_header_read(&x.vfs, f, FILE_PATH, &out, &b->err));
        same(&h, &out);
        ck_assert_int_eq(x.hits, 1);
        ck_assert_int_eq(out.damaged_copies, 1);
        cubby__seg_header_release(&out);
        fault_set(&x, FAULT_PREAD, FILE_PATH, call, -ENOMEM, 0);
        ck_assert_int_eq(cubby__seg_header_read(&x.vfs, f, FILE_PATH, &out, &b->err), CUBBY_ENOMEM);
        cubby__seg_header_release(&out);
    }
    fault_set(&x, FAULT_PREAD, FILE_PATH, 0, -EIO, 1);
    ck_assert_int_eq(cubby__seg_header_read(&x.vfs, f, FILE_PATH, &out, &b->err), CUBBY_EIO);
    x.vfs.close(&x, f);
    cubby__seg_header_release(&h);
    bed_end(b);
}
END_TEST

START_TEST(definitions_too_long)
{
    struct bed bed, *b = &bed;
    struct cubby__buf out = CUBBY__BUF_INIT;
    bed_begin(b);
    struct cubby__seg_header h = bed_header(b, 1, 1);
    ck_assert_ptr_nonnull(cubby__buf_extend(&h.defs, CUBBY__SEG_HEADER_MAX));
    memset(h.defs.data, 1, h.defs.len);
    ck_assert_int_eq(cubby__seg_header_encode(&h, &out), CUBBY_ELIMIT);
    h.defs.len = CUBBY__SEG_HEADER_MAX - CUBBY__SEG_HEADER_FIXED;
    ck_assert_int_eq(cubby__seg_header_encode(&h, &out), 0);
    ck_assert_uint_eq(out.len, 2 * (size_t)CUBBY__SEG_HEADER_MAX);
    cubby__buf_release(&out);
    cubby__seg_header_release(&h);
    bed_end(b);
}
END_TEST

/* The first copy is damaged and the second cannot be read now: that is no damaged header, which others would go on without. */
START_TEST(unreadable_second_copy)
{
    static const int codes[][2] = {{-EIO, CUBBY_EIO}, {-ENOMEM, CUBBY_ENOMEM}};
    struct bed bed, *b = &bed;
    struct fault x;
    cubby_file *f;
    bed_begin(b);
    struct cubby__seg_header h = full_header(b, 40), out;
    put(b, &h);
    fault_init(&x, b->vfs);
    MUST(x.vfs.open(x.vfs.ctx, FILE_PATH, CUBBY_OPEN_WRITE, &f));
    MUST(x.vfs.pwrite(x.vfs.ctx, f, "x", 1, 40));
    int reads = x.calls[FAULT_PREAD], needed;
    MUST(cubby__seg_header_read(&x.vfs, f, FILE_PATH, &out, &b->err));
    cubby__seg_header_release(&out);
    needed = x.calls[FAULT_PREAD] - reads;
    ck_assert_int_ge(needed, 4);
    for (int call = 2; call < needed; call++) /* the first two are of the first copy */
        for (int i = 0; i < 2; i++) {
            fault_set(&x, FAULT_PREAD, FILE_PATH, call, codes[i][0], 0);
            ck_assert_int_eq(cubby__seg_header_read(&x.vfs, f, FILE_PATH, &out, &b->err), codes[i][1]);
            ck_assert_int_eq(b->err.code, codes[i][1]);
        }
    x.vfs.close(x.vfs.ctx, f);
    cubby__seg_header_release(&h);
    bed_end(b);
}
END_TEST

/* A second copy of a version to come: beside a sound first one it is a damaged copy; behind a damaged one nothing that can be used. */
START_TEST(a_second_copy_of_another_version)
{
    struct bed bed, *b = &bed;
    uint8_t copy[512];
    bed_begin(b);
    struct cubby__seg_header h = full_header(b, 30), out;
    ck_assert_uint_eq(put(b, &h), 2 * sizeof copy);
    bed_read(b, FILE_PATH, sizeof copy, copy, sizeof copy);
    cubby__put32(copy + CUBBY__SEG_ID_OFF + CUBBY__ID_VERSION_OFF, 2);
    cubby__put64(copy + CUBBY__SEG_ID_OFF + CUBBY__ID_CHECKSUM_OFF, cubby__hash64(copy + CUBBY__SEG_ID_OFF, CUBBY__ID_CHECKSUM_OFF, 0));
    seal(copy, sizeof copy);
    bed_write(b, FILE_PATH, sizeof copy, copy, sizeof copy);
    MUST(get(b, &out));
    same(&h, &out);
    ck_assert_int_eq(out.damaged_copies, 1);
    cubby__seg_header_release(&out);
    bed_flip(b, FILE_PATH, 40, 1);
    ck_assert_int_eq(get(b, &out), CUBBY_ECORRUPT);
    ck_assert_uint_eq(b->err.offset, 0);
    cubby__seg_header_release(&h);
    bed_end(b);
}
END_TEST

/* The second copy is looked for as far as one may be, and no further. */
START_TEST(no_second_copy)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    struct cubby__seg_header h = full_header(b, 30), out;
    put(b, &h);
    bed_flip(b, FILE_PATH, 0, 1);
    bed_flip(b, FILE_PATH, 512, 1);
    bed_truncate(b, FILE_PATH, CUBBY__SEG_HEADER_MAX + 4096);
    ck_assert_int_eq(get(b, &out), CUBBY_ECORRUPT);
    cubby__seg_header_release(&h);
    bed_end(b);
}
END_TEST

/* A header may be asked to reach further than it needs to: in whole steps, and not beyond what is read. */
START_TEST(more_room_than_needed)
{
    static const struct { uint32_t ask, copy; } t[] = {{512, 512}, {513, 1024}, {1024, 1024}, {3000, 3072}, {CUBBY__SEG_HEADER_MAX, CUBBY__SEG_HEADER_MAX}};
    struct bed bed, *b = &bed;
    struct cubby__buf head = CUBBY__BUF_INIT;
    bed_begin(b);
    struct cubby__seg_header h = full_header(b, 30), out;
    put(b, &h); /* the file */
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        h.copy_min = t[i].ask;
        head.len = 0;
        MUST(cubby__seg_header_encode(&h, &head));
        ck_assert_uint_eq(head.len, 2 * (size_t)t[i].copy);
        ck_assert_uint_eq(h.frames, head.len);
        bed_write(b, FILE_PATH, 0, head.data, head.len);
        bed_flip(b, FILE_PATH, i % 2 ? 0 : t[i].copy, 1); /* each copy is where it is looked for */
        MUST(get(b, &out));
        same(&h, &out);
        ck_assert_int_eq(out.damaged_copies, 1);
        cubby__seg_header_release(&out);
    }
    h.copy_min = CUBBY__SEG_HEADER_MAX + 1;
    ck_assert_int_eq(cubby__seg_header_encode(&h, &head), CUBBY_ELIMIT);
    cubby__buf_release(&head);
    cubby__seg_header_release(&h);
    bed_end(b);
}
END_TEST

UNIT_MAIN("log/header", round_trip, floors, every_flipped_bit, a_damaged_second_copy_is_noticed, truncated, hostile_fields,
          a_misdirected_copy_is_a_damaged_one, a_copy_that_cannot_be_read, definitions_too_long, unreadable_second_copy, a_second_copy_of_another_version,
          no_second_copy, more_room_than_needed)
