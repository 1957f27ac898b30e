#include "log/log.h"

#include <errno.h>

#include "log/segname.h"
#include "unit/fault_vfs.h"
#include "unit/heap.h"
#include "unit/log/log_util.h"

static int read_at(struct bed *b, uint32_t seg, uint64_t off, uint32_t len, uint8_t type)
{
    struct cubby__buf buf = CUBBY__BUF_INIT;
    struct cubby__place place = {seg, len, off};
    const uint8_t *payload;
    struct cubby__piece piece;
    memset(&b->err, 0, sizeof b->err);
    int rc = cubby__log_read(b->log, &place, type, &buf, &payload, &piece, &b->err);
    cubby__buf_release(&buf);
    if (rc != 0)
        ck_assert_int_eq(b->err.code, rc);
    return rc;
}

START_TEST(read_frames)
{
    struct bed bed, *b = &bed;
    struct cubby__buf buf = CUBBY__BUF_INIT;
    const uint8_t *payload;
    struct cubby__piece piece;
    bed_begin(b);
    bed_commit(b, 2, 30, 777, 0);
    struct cubby__place place = {1, 30, b->start[1]};
    MUST(cubby__log_read(b->log, &place, CUBBY__REC_OBJECT, &buf, &payload, NULL, &b->err));
    ck_assert(payload[0] == 2 && payload[29] == 2);
    uint64_t at = b->start[1] + 2 * cubby__frame_size(CUBBY__REC_OBJECT, 30);
    place = (struct cubby__place){1, 777, at};
    MUST(cubby__log_read(b->log, &place, CUBBY__REC_PIECE, &buf, &payload, &piece, &b->err));
    ck_assert(payload[0] == 101 && payload[776] == 101 && piece.id == 1 && piece.orig_len == 777 && piece.kind == CUBBY__PIECE_BODY);
    cubby__buf_release(&buf);
    bed_end(b);
}
END_TEST

/* Whatever the index says of a place: either this frame or an error that names file and offset. */
START_TEST(places_that_are_none)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    bed_commit(b, 2, 30, 777, 0);
    uint64_t at = b->start[1];
    ck_assert_int_eq(read_at(b, 1, at, 30, CUBBY__REC_OBJECT), 0);
    ck_assert_int_eq(read_at(b, 1, at, 29, CUBBY__REC_OBJECT), CUBBY_ECORRUPT);
    ck_assert_int_eq(read_at(b, 1, at, 31, CUBBY__REC_OBJECT), CUBBY_ECORRUPT);
    ck_assert_int_eq(read_at(b, 1, at, 0, CUBBY__REC_OBJECT), CUBBY_ECORRUPT);
    ck_assert_int_eq(read_at(b, 1, at, 30, CUBBY__REC_ENTRY), CUBBY_ECORRUPT);
    ck_assert_int_eq(read_at(b, 1, at, 30, CUBBY__REC_PIECE), CUBBY_ECORRUPT);
    ck_assert_str_eq(b->err.path, "segments/00000001.seg");
    ck_assert_uint_eq(b->err.offset, at);
    ck_assert_int_eq(read_at(b, 1, at, CUBBY__FRAME_LEN_MAX + 1, CUBBY__REC_OBJECT), CUBBY_ECORRUPT);
    ck_assert_int_eq(read_at(b, 1, at, UINT32_MAX, CUBBY__REC_OBJECT), CUBBY_ECORRUPT);
    for (uint64_t off = at - 64; off < at + 64; off++)
        ck_assert_int_eq(read_at(b, 1, off, 30, CUBBY__REC_OBJECT), off == at ? 0 : CUBBY_ECORRUPT);
    ck_assert_int_eq(read_at(b, 1, b->end, 30, CUBBY__REC_OBJECT), CUBBY_ECORRUPT);
    static const uint64_t far[] = {(uint64_t)1 << 60, INT64_MAX & ~(uint64_t)7, (INT64_MAX & ~(uint64_t)7) - 64, (uint64_t)INT64_MAX + 1, UINT64_MAX & ~(uint64_t)7};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++)
        ck_assert_int_eq(read_at(b, 1, far[i], 30, CUBBY__REC_OBJECT), CUBBY_ECORRUPT);
    ck_assert_int_eq(read_at(b, 1, 0, 30, CUBBY__REC_OBJECT), CUBBY_ECORRUPT);
    ck_assert_int_eq(read_at(b, 2, at, 30, CUBBY__REC_OBJECT), CUBBY_ECORRUPT); /* a segment that is gone costs its messages */
    ck_assert_ptr_nonnull(strstr(b->err.path, "segments/00000002.seg"));
    ck_assert_int_eq(read_at(b, 0, at, 30, CUBBY__REC_OBJECT), CUBBY_ECORRUPT);
    bed_end(b);
}
END_TEST

START_TEST(every_flip_is_noticed)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    bed_commit(b, 1, 30, 40, 0);
    uint64_t piece = b->start[1] + cubby__frame_size(CUBBY__REC_OBJECT, 30);
    for (uint64_t off = b->start[1]; off < piece + CUBBY__PIECE_FRAME_SIZE + 40; off++) {
        for (int bit = 0; bit < 8; bit++) {
            bed_flip(b, SEGMENT, off, (uint8_t)(1 << bit));
            int in_record = off < b->start[1] + 32 + 30, in_piece = off >= piece;
            ck_assert_int_eq(read_at(b, 1, b->start[1], 30, CUBBY__REC_OBJECT), in_record ? CUBBY_ECORRUPT : 0);
            ck_assert_int_eq(read_at(b, 1, piece, 40, CUBBY__REC_PIECE), in_piece ? CUBBY_ECORRUPT : 0);
            bed_flip(b, SEGMENT, off, (uint8_t)(1 << bit));
        }
    }
    bed_end(b);
}
END_TEST

START_TEST(pread_size_list)
{
    struct bed bed, *b = &bed;
    uint8_t bytes[64];
    size_t got;
    uint64_t size, frames;
    uint32_t *numbers;
    size_t count;
    cubby_file *f;
    bed_begin(b);
    bed_commit(b, 1, 30, 0, 0);
    MUST(cubby__log_size(b->log, 1, &size, &b->err));
    ck_assert_uint_eq(size, b->end);
    MUST(cubby__log_pread(b->log, 1, bytes, sizeof bytes, size - 10, &got, &b->err));
    ck_assert_uint_eq(got, 10);
    MUST(cubby__log_pread(b->log, 1, bytes, sizeof bytes, size + 10, &got, &b->err));
    ck_assert_uint_eq(got, 0);
    static const uint64_t far[] = {(uint64_t)1 << 60, INT64_MAX - 8, (uint64_t)INT64_MAX + 1, UINT64_MAX - 8}; /* a file system may refuse to read there */
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        got = 1;
        MUST(cubby__log_pread(b->log, 1, bytes, sizeof bytes, far[i], &got, &b->err));
        ck_assert_uint_eq(got, 0);
    }
    ck_assert_int_eq(cubby__log_size(b->log, 5, &size, &b->err), CUBBY_ENOENT);
    ck_assert_int_eq(cubby__log_pread(b->log, 5, bytes, 1, 0, &got, &b->err), CUBBY_ENOENT);
    static const uint32_t order[] = {7, 3, 99999999, 2};
    for (int i = 0; i < 4; i++)
        MUST(bed_make(b, order[i], order[i], NULL, 0, &frames));
    static const char *const others[] = {"/s/segments/note.txt", "/s/segments/00000000.seg", "/s/segments/5.seg"};
    for (int i = 0; i < 3; i++) {
        MUST(b->vfs->open(b->vfs->ctx, others[i], CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &f));
        b->vfs->close(b->vfs->ctx, f);
    }
    MUST(cubby__log_list(b->log, &numbers, &count, &b->err));
    ck_assert_uint_eq(count, 5);
    ck_assert(numbers[0] == 1 && numbers[1] == 2 && numbers[2] == 3 && numbers[3] == 7 && numbers[4] == 99999999);
    cubby__free(numbers);
    bed_end(b);
}
END_TEST

/* Callers free what they got, whatever the outcome: garbage of the stack was freed once. */
/* Where the zeros written ahead begin, wherever that is in the blocks that are read. */
START_TEST(what_is_written)
{
    static const uint8_t some[20000] = {0};
    struct bed bed, *b = &bed;
    uint64_t size, end;
    bed_begin(b);
    bed_commit(b, 1, 30, 0, 0);
    uint64_t written = b->end;
    MUST(cubby__log_written(b->log, 1, 0, &end, &size, &b->err));
    ck_assert_uint_eq(size, written);
    ck_assert_uint_le(end, written);
    ck_assert_uint_gt(end, written - 8); /* a frame may end in zeros */
    uint64_t last = end;
    for (size_t n = 1; n < sizeof some; n += 997) {
        MUST(cubby__log_write(b->log, 1, some, n, written, &b->err));
        MUST(cubby__log_written(b->log, 1, 0, &end, &size, &b->err));
        ck_assert_uint_eq(size, written + n);
        ck_assert_uint_eq(end, last);
        MUST(cubby__log_written(b->log, 1, written + n / 2, &end, &size, &b->err));
        ck_assert_uint_eq(end, written + n / 2);
    }
    ck_assert_int_eq(cubby__log_written(b->log, 5, 0, &end, &size, &b->err), CUBBY_ENOENT);
    bed_end(b);
}
END_TEST

START_TEST(a_failed_listing_gives_nothing)
{
    struct bed bed, *b = &bed;
    uint32_t some[1], *numbers = some;
    size_t count = 7;
    bed_begin(b);
    MUST(b->vfs->rename(b->vfs->ctx, "/s/segments", "/s/elsewhere"));
    ck_assert_int_eq(cubby__log_list(b->log, &numbers, &count, &b->err), CUBBY_ENOENT);
    ck_assert(numbers == NULL && count == 0);
    bed_end(b);
}
END_TEST

/* The same store, with no segment open. */
static void log_again(struct bed *b, const struct cubby__ident *ident)
{
    cubby__log_free(&b->log);
    MUST(cubby__log_new(b->vfs, "/s", ident, 1, &b->log, &b->err));
}

START_TEST(headers_must_belong)
{
    struct bed bed, *b = &bed;
    struct cubby__seg_header h;
    uint64_t frames, size;
    bed_begin(b);
    struct cubby__ident ident = b->ident;
    MUST(cubby__log_header(b->log, 1, &h, &b->err));
    ck_assert(h.number == 1 && h.nonce == b->seed.nonce && h.frames == b->frames && h.proven == b->frames);
    cubby__seg_header_release(&h);
    ck_assert_int_eq(cubby__log_header(b->log, 2, &h, &b->err), CUBBY_ENOENT);
    /* under another's name */
    MUST(bed_make(b, 3, 3, NULL, 0, &frames));
    MUST(b->vfs->rename(b->vfs->ctx, "/s/segments/00000003.seg", "/s/segments/00000002.seg"));
    log_again(b, &ident);
    ck_assert_int_eq(cubby__log_header(b->log, 2, &h, &b->err), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__log_size(b->log, 2, &size, &b->err), CUBBY_ECORRUPT);
    ck_assert_str_ne(b->err.message, "");
    /* of another store */
    b->ident.uuid[0] ^= 1;
    MUST(bed_make(b, 4, 4, NULL, 0, &frames));
    log_again(b, &ident);
    ck_assert_int_eq(cubby__log_header(b->log, 4, &h, &b->err), CUBBY_ECORRUPT);
    ck_assert_int_eq(read_at(b, 4, frames, 10, CUBBY__REC_OBJECT), CUBBY_ECORRUPT);
    bed_end(b);
}
END_TEST

static int exists(struct bed *b, const char *path)
{
    cubby_vfs_stat st;
    return b->vfs->stat(b->vfs->ctx, path, &st) == 0;
}

START_TEST(making_a_segment)
{
    struct bed bed, *b = &bed;
    struct cubby__seg_maker *m;
    int named = 0;
    bed_begin(b);
    struct cubby__seg_header h = bed_header(b, 2, 22), out;
    cubby__buf_add(&h.defs, "definitions", 11);
    MUST(cubby__seg_make_begin(b->log, &h, &m, &b->err));
    ck_assert(exists(b, "/s/tmp/00000002.seg") && !exists(b, "/s/segments/00000002.seg"));
    MUST(cubby__seg_make_add(m, "12345678", 8, &b->err));
    MUST(cubby__seg_make_add(m, "abcdefgh", 8, &b->err));
    MUST(cubby__seg_make_end(&m, 33, &named, &b->err));
    ck_assert_ptr_null(m);
    ck_assert_int_eq(named, 1);
    ck_assert(!exists(b, "/s/tmp/00000002.seg") && exists(b, "/s/segments/00000002.seg"));
    MUST(cubby__log_header(b->log, 2, &out, &b->err));
    ck_assert(out.proven == h.frames + 16 && out.proven_commit == 33 && out.defs.len == 11);
    uint8_t bytes[16];
    bed_read(b, "/s/segments/00000002.seg", out.frames, bytes, 16);
    ck_assert_mem_eq(bytes, "12345678abcdefgh", 16);
    cubby__seg_header_release(&out);

    h.number = 3;
    MUST(cubby__seg_make_begin(b->log, &h, &m, &b->err));
    cubby__seg_make_abort(&m);
    ck_assert_ptr_null(m);
    cubby__seg_make_abort(&m);
    ck_assert(!exists(b, "/s/tmp/00000003.seg") && !exists(b, "/s/segments/00000003.seg"));
    /* what an interrupted attempt left does not matter */
    cubby_file *f;
    MUST(b->vfs->open(b->vfs->ctx, "/s/tmp/00000003.seg", CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &f));
    MUST(b->vfs->pwrite(b->vfs->ctx, f, "leftover", 8, 5000));
    b->vfs->close(b->vfs->ctx, f);
    MUST(cubby__seg_make_begin(b->log, &h, &m, &b->err));
    MUST(cubby__seg_make_end(&m, 0, &named, &b->err));
    uint64_t size;
    MUST(cubby__log_size(b->log, 3, &size, &b->err));
    ck_assert_uint_eq(size, h.frames);
    cubby__seg_header_release(&h);
    bed_end(b);
}
END_TEST

/* Each call of the making fails once; *named is 1 from the rename on. */
START_TEST(making_fails)
{
    static const struct {
        enum fault_op op;
        const char *on;
        int after, code, named;
    } cases[] = {{FAULT_OPEN, "/s/tmp/", 0, CUBBY_EACCES, 0},   {FAULT_PWRITE, "/s/tmp/", 0, CUBBY_ENOSPC, 0},
                 {FAULT_PWRITE, "/s/tmp/", 1, CUBBY_EIO, 0},    {FAULT_SYNC, "/s/tmp/", 0, CUBBY_EIO, 0},
                 {FAULT_RENAME, "segments", 0, CUBBY_ENOSPC, 0}, {FAULT_DIRSYNC, "segments", 0, CUBBY_EIO, 1}};
    static const int errnos[] = {-EACCES, -ENOSPC, -EIO, -EIO, -ENOSPC, -EIO};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bed bed, *b = &bed;
        struct fault x;
        struct cubby__seg_maker *m = NULL;
        int named = 7;
        bed_begin(b);
        fault_init(&x, b->vfs);
        cubby__log_free(&b->log);
        MUST(cubby__log_new(&x.vfs, "/s", &b->ident, 1, &b->log, &b->err));
        struct cubby__seg_header h = bed_header(b, 2, 22);
        fault_set(&x, cases[i].op, cases[i].on, cases[i].after, errnos[i], 0);
        int rc = cubby__seg_make_begin(b->log, &h, &m, &b->err);
        if (rc != 0)
            named = 0;
        else if ((rc = cubby__seg_make_add(m, "12345678", 8, &b->err)) != 0)
            cubby__seg_make_abort(&m), named = 0;
        else
            rc = cubby__seg_make_end(&m, 1, &named, &b->err);
        ck_assert_int_eq(x.hits, 1);
        ck_assert_msg(rc == cases[i].code, "case %zu: %d", i, rc);
        ck_assert_int_eq(b->err.sys_errno, -errnos[i]);
        ck_assert_int_eq(named, cases[i].named);
        ck_assert_int_eq(exists(b, "/s/segments/00000002.seg"), cases[i].named);
        ck_assert(!exists(b, "/s/tmp/00000002.seg"));
        ck_assert_ptr_null(m);
        cubby__seg_header_release(&h);
        bed_end(b);
    }
}
END_TEST

START_TEST(append_sync_trim)
{
    struct bed bed, *b = &bed;
    struct fault x;
    uint64_t size;
    bed_begin(b);
    fault_init(&x, b->vfs);
    cubby__log_free(&b->log);
    MUST(cubby__log_new(&x.vfs, "/s", &b->ident, 1, &b->log, &b->err));
    bed_commit(b, 1, 10, 0, 0);
    MUST(cubby__log_sync(b->log, 1, &b->err));
    bed_truncate(b, SEGMENT, b->end + 5000);
    cubby__log_trim(b->log, 1, b->end);
    MUST(cubby__log_size(b->log, 1, &size, &b->err));
    ck_assert_uint_eq(size, b->end);
    fault_set(&x, FAULT_SYNC, "00000001", 0, -EIO, 0);
    ck_assert_int_eq(cubby__log_sync(b->log, 1, &b->err), CUBBY_EIO);
    fault_set(&x, FAULT_PWRITE, "00000001", 0, -ENOSPC, 0);
    ck_assert_int_eq(cubby__log_write(b->log, 1, "x", 1, b->end, &b->err), CUBBY_ENOSPC);
    ck_assert_uint_eq(b->err.offset, b->end);
    fault_set(&x, FAULT_TRUNCATE, "00000001", 0, -EIO, 0);
    cubby__log_trim(b->log, 1, b->end); /* nobody is told */
    ck_assert_int_eq(x.hits, 1);
    ck_assert_int_eq(cubby__log_sync(b->log, 9, &b->err), CUBBY_ENOENT);
    ck_assert_int_eq(cubby__log_write(b->log, 9, "x", 1, 0, &b->err), CUBBY_ENOENT);
    cubby__log_trim(b->log, 9, 0);
    bed_end(b);
}
END_TEST

/* More segments than files are kept open. */
START_TEST(many_segments)
{
    struct bed bed, *b = &bed;
    uint64_t frames, size;
    bed_begin(b);
    for (uint32_t i = 2; i <= 300; i++)
        MUST(bed_make(b, i, i, "12345678", 8, &frames));
    for (int round = 0; round < 3; round++)
        for (uint32_t i = 1; i <= 300; i += 1 + (uint32_t)round * 7) {
            MUST(cubby__log_size(b->log, i, &size, &b->err));
            ck_assert_uint_eq(size, i == 1 ? frames : frames + 8);
        }
    bed_end(b);
}
END_TEST

static void count_opens(void *arg, enum fault_op op, const char *path)
{
    int *opens = arg;
    if (op == FAULT_OPEN)
        opens[strstr(path, "00000200") != NULL]++;
}

/* Whatever else is read: the descriptor that was open when the last segment was written to is the one that hears of it if that never comes to the disk. */
START_TEST(the_last_one_stays_open)
{
    struct bed bed, *b = &bed;
    struct fault x;
    uint64_t frames, size;
    int opens[2] = {0, 0};
    bed_begin(b);
    fault_init(&x, b->vfs);
    cubby__log_free(&b->log);
    MUST(cubby__log_new(&x.vfs, "/s", &b->ident, 1, &b->log, &b->err));
    for (uint32_t i = 2; i <= 200; i++)
        MUST(bed_make(b, i, i, NULL, 0, &frames));
    x.hook = count_opens;
    x.hook_arg = opens;
    for (int synced = 0; synced < 2; synced++) {
        MUST(cubby__log_write(b->log, 200, "12345678", 8, frames, &b->err));
        if (synced)
            MUST(cubby__log_sync(b->log, 200, &b->err));
        for (uint32_t i = 1; i < 200; i++)
            MUST(cubby__log_size(b->log, i, &size, &b->err));
        fault_set(&x, FAULT_OPEN, "00000200", 0, -EMFILE, 0); /* nor is a descriptor needed that nobody has left */
        MUST(cubby__log_sync(b->log, 200, &b->err));
        ck_assert(x.hits == 0 && opens[1] == 0 && opens[0] >= 199 - 128); /* others are closed, and opened again */
    }
    x.rc = 0;
    MUST(bed_make(b, 201, 201, NULL, 0, &frames)); /* the last one now: it stays, the other does not */
    for (uint32_t i = 1; i < 200; i++)
        MUST(cubby__log_size(b->log, i, &size, &b->err));
    MUST(cubby__log_size(b->log, 200, &size, &b->err));
    ck_assert_int_eq(opens[1], 1);
    bed_end(b);
}
END_TEST

/* While one is read, another one is, and so on: no file is closed that somebody uses, so for once there are more. */
static struct {
    struct bed *bed;
    uint32_t depth, deepest;
    int reads, failed;
} nested;

static void read_another(void *arg, enum fault_op op, const char *path)
{
    uint8_t bytes[8];
    size_t got;
    (void)arg;
    (void)path;
    if (op != FAULT_PREAD || nested.depth == nested.deepest || ++nested.reads <= 4) /* those of the header, while nobody else comes in */
        return;
    nested.reads = 0;
    uint32_t seg = ++nested.depth;
    struct cubby_error err;
    nested.failed |= cubby__log_pread(nested.bed->log, seg, bytes, sizeof bytes, 0, &got, &err) != 0 || got != sizeof bytes ||
                     memcmp(bytes, CUBBY__SEG_MAGIC, 8) != 0;
}

START_TEST(more_at_once_than_are_kept_open)
{
    struct bed bed, *b = &bed;
    struct fault x;
    uint64_t frames, size;
    uint8_t bytes[8];
    size_t got;
    bed_begin(b);
    for (uint32_t i = 2; i <= 200; i++)
        MUST(bed_make(b, i, i, "12345678", 8, &frames));
    fault_init(&x, b->vfs);
    cubby__log_free(&b->log);
    MUST(cubby__log_new(&x.vfs, "/s", &b->ident, 0, &b->log, &b->err));
    nested.bed = b;
    nested.depth = 0;
    nested.deepest = 199;
    nested.reads = nested.failed = 0;
    x.hook = read_another;
    MUST(cubby__log_pread(b->log, 200, bytes, sizeof bytes, 0, &got, &b->err));
    x.hook = NULL;
    ck_assert_uint_eq(nested.depth, nested.deepest);
    ck_assert_int_eq(nested.failed, 0);
    for (uint32_t i = 1; i <= 200; i++)
        MUST(cubby__log_size(b->log, i, &size, &b->err));
    bed_end(b);
}
END_TEST

/* A good copy is brought back while the file that it replaces is open. */
static void bring_back(struct bed *b, const uint8_t *p, size_t n)
{
    bed_write(b, "/s/good", 0, p, n);
    MUST(b->vfs->rename(b->vfs->ctx, "/s/good", SEGMENT));
}

START_TEST(a_file_in_the_place_of_another)
{
    struct bed bed, *b = &bed;
    uint8_t good[4096];
    bed_begin(b);
    bed_commit(b, 1, 30, 0, 0);
    size_t n = (size_t)b->end;
    ck_assert_uint_le(n, sizeof good);
    bed_read(b, SEGMENT, 0, good, n);
    bed_flip(b, SEGMENT, b->start[1] + 40, 1);
    ck_assert_int_eq(read_at(b, 1, b->start[1], 30, CUBBY__REC_OBJECT), CUBBY_ECORRUPT);
    bring_back(b, good, n);
    MUST(read_at(b, 1, b->start[1], 30, CUBBY__REC_OBJECT));
    bed_flip(b, SEGMENT, b->start[1] + 40, 1);
    ck_assert_int_eq(read_at(b, 1, b->start[1], 30, CUBBY__REC_OBJECT), CUBBY_ECORRUPT); /* the same file: it is what it is */
    bed_end(b);
}
END_TEST

/* ... and while it is read: that read goes on with the file that it has, the next one opens the other. */
static void forget_it(void *arg, enum fault_op op, const char *path)
{
    struct bed *b = arg;
    (void)path;
    if (op == FAULT_PREAD && nested.depth++ == 0) {
        uint64_t size;
        cubby__log_forget(b->log);
        cubby__log_forget(b->log);
        MUST(cubby__log_size(b->log, 1, &size, &b->err)); /* of the other file */
    }
}

START_TEST(forgotten_while_it_is_read)
{
    struct bed bed, *b = &bed;
    struct fault x;
    uint8_t first[8], bytes[4096];
    size_t got;
    uint64_t size;
    bed_begin(b);
    bed_commit(b, 1, 30, 0, 0);
    size_t n = (size_t)b->end;
    bed_read(b, SEGMENT, 0, bytes, n);
    fault_init(&x, b->vfs);
    cubby__log_free(&b->log);
    MUST(cubby__log_new(&x.vfs, "/s", &b->ident, 0, &b->log, &b->err));
    MUST(cubby__log_size(b->log, 1, &size, &b->err)); /* it is open now */
    nested.depth = 0;
    x.hook = forget_it;
    x.hook_arg = b;
    bring_back(b, bytes, n - 8);
    MUST(cubby__log_pread(b->log, 1, first, sizeof first, n - 8, &got, &b->err));
    ck_assert_uint_eq(got, 8);
    MUST(cubby__log_size(b->log, 1, &size, &b->err));
    ck_assert_uint_eq(size, n - 8);
    ck_assert_int_eq(x.calls[FAULT_OPEN], 2);
    bed_end(b);
}
END_TEST

/* tmp/ is not there, and no allocation is certain. */
START_TEST(making_without_memory)
{
    struct bed bed, *b = &bed;
    uint64_t frames;
    heap_install();
    bed_begin(b);
    for (int after = 0, hits = 1, n = 0; hits; after++) {
        char gone[32];
        snprintf(gone, sizeof gone, "/s/gone%d", n++);
        MUST(b->vfs->rename(b->vfs->ctx, "/s/tmp", gone));
        heap_fail(after, 0);
        int rc = bed_make(b, 2 + (uint32_t)after, 22, "12345678", 8, &frames);
        hits = heap_works();
        ck_assert_msg(rc == 0 || (hits && rc == CUBBY_ENOMEM), "%d: %d %s %s", after, rc, b->err.path, b->err.message);
        b->vfs->mkdir(b->vfs->ctx, "/s/tmp");
    }
    bed_end(b);
}
END_TEST

/* There is no room for tmp/: that is what is told. Somebody else makes it at the same moment: that is no failure. */
START_TEST(no_tmp)
{
    struct bed bed, *b = &bed;
    struct fault x;
    uint64_t frames;
    bed_begin(b);
    fault_init(&x, b->vfs);
    cubby__log_free(&b->log);
    MUST(cubby__log_new(&x.vfs, "/s", &b->ident, 1, &b->log, &b->err));
    MUST(b->vfs->rename(b->vfs->ctx, "/s/tmp", "/s/gone"));
    fault_set(&x, FAULT_MKDIR, "tmp", 0, -ENOSPC, 0);
    ck_assert_int_eq(bed_make(b, 2, 22, NULL, 0, &frames), CUBBY_ENOSPC);
    MUST(b->vfs->mkdir(b->vfs->ctx, "/s/tmp"));
    fault_set(&x, FAULT_OPEN, "tmp", 0, -ENOENT, 0);
    MUST(bed_make(b, 2, 22, NULL, 0, &frames));
    bed_end(b);
}
END_TEST

/* A leftover that cannot be removed: that is said, and not that there is one. */
START_TEST(a_leftover_that_stays)
{
    struct bed bed, *b = &bed;
    uint64_t frames;
    bed_begin(b);
    b->vfs->mkdir(b->vfs->ctx, "/s/tmp");
    MUST(b->vfs->mkdir(b->vfs->ctx, "/s/tmp/00000002.seg")); /* which unlink does not take away */
    ck_assert_int_eq(bed_make(b, 2, 22, NULL, 0, &frames), CUBBY_EIO);
    bed_end(b);
}
END_TEST

/* There is one again each time, whether the one before it made way or there was none: that is told as it is. */
START_TEST(a_leftover_that_comes_back)
{
    struct bed bed, *b = &bed;
    struct fault x;
    uint64_t frames;
    bed_begin(b);
    fault_init(&x, b->vfs);
    cubby__log_free(&b->log);
    MUST(cubby__log_new(&x.vfs, "/s", &b->ident, 1, &b->log, &b->err));
    b->vfs->mkdir(b->vfs->ctx, "/s/tmp");
    for (int left = 0; left < 2; left++) {
        cubby_file *f;
        if (left) {
            MUST(b->vfs->open(b->vfs->ctx, "/s/tmp/00000002.seg", CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &f));
            b->vfs->close(b->vfs->ctx, f);
        }
        fault_set(&x, FAULT_OPEN, "tmp/00000002", 0, -EEXIST, 0);
        ck_assert_int_eq(bed_make(b, 2, 22, NULL, 0, &frames), CUBBY_EEXIST);
    }
    x.rc = 0;
    MUST(bed_make(b, 2, 22, NULL, 0, &frames));
    bed_end(b);
}
END_TEST

/* A segment that cannot be opened now is not one that is missing or damaged; somebody listens or not. */
START_TEST(a_segment_that_cannot_be_opened)
{
    struct bed bed, *b = &bed;
    struct fault x;
    struct cubby__buf buf = CUBBY__BUF_INIT;
    const uint8_t *payload;
    bed_begin(b);
    bed_commit(b, 1, 10, 0, 0);
    fault_init(&x, b->vfs);
    cubby__log_free(&b->log);
    MUST(cubby__log_new(&x.vfs, "/s", &b->ident, 0, &b->log, &b->err));
    struct cubby__place place = {1, 10, b->frames};
    fault_set(&x, FAULT_OPEN, "00000001", 0, -EACCES, 0);
    ck_assert_int_eq(read_at(b, 1, b->frames, 10, CUBBY__REC_OBJECT), CUBBY_EACCES);
    fault_set(&x, FAULT_OPEN, "00000001", 0, -EACCES, 0);
    ck_assert_int_eq(cubby__log_read(b->log, &place, CUBBY__REC_OBJECT, &buf, &payload, NULL, NULL), CUBBY_EACCES);
    MUST(cubby__log_read(b->log, &place, CUBBY__REC_OBJECT, &buf, &payload, NULL, NULL));
    cubby__buf_release(&buf);
    bed_end(b);
}
END_TEST

/* A spare that is used again is emptied first, or not used. */
START_TEST(spares_and_room)
{
    static const struct { enum fault_op op; const char *on; int after; } cases[] = {{FAULT_RENAME, "tmp", 0}, {FAULT_OPEN, "tmp", 0}, {FAULT_FSTAT, "tmp", 0},
                                                                                     {FAULT_PWRITE, "tmp", 0}, {FAULT_PWRITE, "tmp", 1}};
    struct bed bed, *b = &bed;
    struct fault x;
    struct cubby__seg_maker *m;
    cubby_file *f;
    uint64_t size;
    int named;
    bed_begin(b);
    fault_init(&x, b->vfs);
    cubby__log_free(&b->log);
    MUST(cubby__log_new(&x.vfs, "/s", &b->ident, 1, &b->log, &b->err));
    struct cubby__seg_header h = bed_header(b, 2, 22);
    for (size_t i = 0; i <= sizeof cases / sizeof *cases; i++) {
        int fails = i < sizeof cases / sizeof *cases;
        MUST(b->vfs->open(b->vfs->ctx, "/s/spare", CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &f));
        MUST(b->vfs->pwrite(b->vfs->ctx, f, "of old", 6, 20000));
        b->vfs->close(b->vfs->ctx, f);
        if (fails)
            fault_set(&x, cases[i].op, cases[i].on, cases[i].after, -EIO, 0);
        ck_assert_int_eq(cubby__seg_make_reuse(b->log, &h, "/s/spare", &size, &m, &b->err), fails ? CUBBY_EIO : 0);
        ck_assert_int_eq(exists(b, "/s/segments/00000002.seg"), 0);
    }
    ck_assert_uint_eq(size, 20006);
    fault_set(&x, FAULT_PWRITE, "tmp", 1, -ENOSPC, 0);
    ck_assert_int_eq(cubby__seg_make_pad(m, 40000, &b->err), CUBBY_ENOSPC);
    MUST(cubby__seg_make_pad(m, 40000, &b->err));
    MUST(cubby__seg_make_end(&m, 0, &named, &b->err));
    char old[6];
    bed_read(b, "/s/segments/00000002.seg", 20000, old, sizeof old);
    ck_assert_mem_eq(old, "\0\0\0\0\0\0", 6);
    ck_assert_int_eq(cubby__log_allocate(b->log, 9, 0, 100, &b->err), CUBBY_ENOENT);
    fault_set(&x, FAULT_ALLOCATE, "00000002", 0, -EOPNOTSUPP, 0);
    ck_assert_int_eq(cubby__log_allocate(b->log, 2, 0, 100, &b->err), CUBBY_DONE);
    fault_set(&x, FAULT_ALLOCATE, "00000002", 0, -ENOSPC, 0);
    ck_assert_int_eq(cubby__log_allocate(b->log, 2, 0, 100, &b->err), CUBBY_ENOSPC);
    MUST(cubby__log_allocate(b->log, 2, 0, 100, &b->err));
    x.vfs.allocate = NULL;
    ck_assert_int_eq(cubby__log_allocate(b->log, 2, 0, 100, &b->err), CUBBY_DONE);
    cubby__seg_header_release(&h);
    bed_end(b);
}
END_TEST

START_TEST(names)
{
    struct bed bed, *b = &bed;
    char buf[512];
    bed_begin(b);
    ck_assert_str_eq(cubby__segname(12, buf), "segments/00000012.seg");
    bed_end(b);
}
END_TEST

UNIT_MAIN("log/log", read_frames, places_that_are_none, every_flip_is_noticed, pread_size_list, what_is_written, a_failed_listing_gives_nothing,
          headers_must_belong, making_a_segment, making_fails,
          append_sync_trim, many_segments, the_last_one_stays_open, more_at_once_than_are_kept_open, a_file_in_the_place_of_another, forgotten_while_it_is_read, making_without_memory, no_tmp, a_leftover_that_stays,
          a_leftover_that_comes_back, a_segment_that_cannot_be_opened, spares_and_room, names)
