/* test_repair_votes.c - what the segments say of a lost cubby.id, and who may replace it (store/repair_id.c). */
#include "base/hash.h"
#include "store/repair.h"
#include "unit/store/segment_util.h"

static void made(struct bed *b)
{
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
    bed_close(b);
}

static int state_of(struct bed *b, enum cubby__ident_state *state)
{
    return cubby__ident_state(&b->fault.vfs, "/s", state, &b->err);
}

static int repair(struct bed *b)
{
    enum cubby__ident_state was;
    return cubby__ident_repair(&b->fault.vfs, "/s", &was, &b->err);
}

static void is_sound(struct bed *b)
{
    enum cubby__ident_state state;
    MUST(state_of(b, &state));
    ck_assert_int_eq(state, CUBBY__IDENT_SOUND);
}

/* A header of another store, under this name. */
static void stray_of(struct bed *b, uint32_t seg, uint8_t store)
{
    struct cubby__seg_header h = header_of(b, 1);
    memset(h.ident.uuid, store, sizeof h.ident.uuid);
    h.number = seg;
    write_header(b, seg_path(seg), &h);
    cubby__seg_header_release(&h);
}

static void stray(struct bed *b, uint32_t seg)
{
    stray_of(b, seg, 0x5a);
}

/* Segments that strayed in do not decide, wherever they are in the order; nor one that has another's name, nor files that are none. */
START_TEST(the_most_segments_decide)
{
    struct bed bed, *b = &bed;
    uint64_t n;
    made(b);
    uint8_t *before = file_bytes(b, "/s/cubby.id", &n);
    uint32_t last = bed_last_segment(b);
    ck_assert_uint_ge(last, 4);
    stray(b, last + 1);
    stray(b, 1);
    stray(b, last + 2);
    MUST(b->vfs->rename(b->vfs->ctx, seg_path(last + 2), seg_path(last + 7)));
    bed_write(b, "/s/segments/notes.txt", 0, "x", 1);
    bed_unlink(b, "/s/cubby.id");
    MUST(repair(b));
    uint8_t *after = file_bytes(b, "/s/cubby.id", &n);
    ck_assert_uint_eq(n, CUBBY__ID_FILE_SIZE);
    ck_assert_mem_eq(before, after, 2 * CUBBY__PAGE_SIZE);
    free(before);
    free(after);
    bed_end(b);
}
END_TEST

/* Its own are more than those of any other store, but fewer than those of all others together. Where two have as many, nobody knows. */
START_TEST(strays_of_many_stores)
{
    struct bed bed, *b = &bed;
    uint8_t own[16], now[16];
    made(b);
    uint32_t last = bed_last_segment(b), next = last;
    bed_read(b, "/s/cubby.id", CUBBY__ID_UUID_OFF, own, sizeof own);
    for (uint8_t store = 1; store <= 3; store++)
        for (uint32_t i = 1; i < last; i++)
            stray_of(b, ++next, store);
    bed_unlink(b, "/s/cubby.id");
    MUST(repair(b));
    bed_read(b, "/s/cubby.id", CUBBY__ID_UUID_OFF, now, sizeof now);
    ck_assert_mem_eq(own, now, sizeof own);
    bed_unlink(b, "/s/cubby.id");
    stray_of(b, ++next, 2);
    REFUSES(repair(b), CUBBY_ECORRUPT);
    ck_assert_ptr_nonnull(strstr(b->err.message, "as many"));
    ck_assert(!bed_exists(b, "/s/cubby.id"));
    for (uint8_t store = 4; store < 100; store++)
        stray_of(b, ++next, store);
    stray_of(b, ++next, 2);
    MUST(repair(b));
    bed_read(b, "/s/cubby.id", CUBBY__ID_UUID_OFF, now, sizeof now);
    ck_assert_uint_eq(now[0], 2);
    bed_end(b);
}
END_TEST

/* A header whose checksum is right, and in which there is no identity at all, has no vote. */
START_TEST(a_segment_without_identity)
{
    struct bed bed, *b = &bed;
    made(b);
    struct cubby__seg_header h = header_of(b, 2);
    size_t size = (size_t)h.frames / 2;
    uint8_t *p = malloc(size);
    for (uint64_t off = 0; off < h.frames; off += size) {
        bed_read(b, seg_path(2), off, p, size);
        memset(p + CUBBY__SEG_ID_OFF, 0, 8);
        uint64_t first = cubby__hash64(p, CUBBY__SEG_CHECKSUM_OFF, 0);
        cubby__put64(p + CUBBY__SEG_CHECKSUM_OFF, cubby__hash64(p + CUBBY__SEG_HEADER_FIXED, size - CUBBY__SEG_HEADER_FIXED, first));
        bed_write(b, seg_path(2), off, p, size);
    }
    free(p);
    cubby__seg_header_release(&h);
    bed_unlink(b, "/s/cubby.id");
    MUST(repair(b));
    is_sound(b);
    bed_end(b);
}
END_TEST

/* Two identities in one file: the first one counts. */
START_TEST(copies_that_differ)
{
    struct bed bed, *b = &bed;
    enum cubby__ident_state state;
    uint8_t page[CUBBY__ID_SIZE];
    struct cubby__ident other;
    made(b);
    bed_read(b, "/s/cubby.id", 0, page, sizeof page);
    MUST(cubby__ident_decode(page, &other, "", 0, &b->err));
    memset(other.uuid, 0x5a, sizeof other.uuid);
    cubby__ident_encode(&other, page);
    bed_write(b, "/s/cubby.id", CUBBY__PAGE_SIZE, page, sizeof page);
    MUST(state_of(b, &state));
    ck_assert_int_eq(state, CUBBY__IDENT_COPY);
    MUST(repair(b));
    is_sound(b);
    bed_open(b);
    bed_end(b);
}
END_TEST

/* What a later version wrote is not damaged, and not replaced: neither cubby.id nor what a segment says. */
START_TEST(another_version)
{
    struct bed bed, *b = &bed;
    uint8_t page[CUBBY__ID_SIZE];
    struct cubby__ident later;
    enum cubby__ident_state state;
    made(b);
    bed_read(b, "/s/cubby.id", 0, page, sizeof page);
    MUST(cubby__ident_decode(page, &later, "", 0, &b->err));
    later.incompat = 0x8000;
    cubby__ident_encode(&later, page);
    bed_write(b, "/s/cubby.id", 0, page, sizeof page);
    REFUSES(state_of(b, &state), CUBBY_EVERSION);
    REFUSES(repair(b), CUBBY_EVERSION);
    bed_unlink(b, "/s/cubby.id");
    struct cubby__seg_header h = header_of(b, 2);
    h.ident.incompat = 0x8000;
    write_header(b, seg_path(2), &h);
    cubby__seg_header_release(&h);
    REFUSES(repair(b), CUBBY_EVERSION);
    ck_assert(!bed_exists(b, "/s/cubby.id"));
    bed_end(b);
}
END_TEST

START_TEST(no_segments_at_all)
{
    struct bed bed, *b = &bed;
    made(b);
    bed_unlink(b, "/s/cubby.id");
    MUST(b->vfs->rename(b->vfs->ctx, "/s/segments", "/s/elsewhere"));
    REFUSES(repair(b), CUBBY_ENOTSTORE);
    bed_write(b, "/s/segments", 0, "a file", 6);
    REFUSES(repair(b), CUBBY_ENOTSTORE);
    bed_end(b);
}
END_TEST

static int no_directory_locks(void *ctx, const char *path, int kind, cubby_file **out)
{
    (void)ctx;
    (void)path;
    (void)kind;
    (void)out;
    return -EOPNOTSUPP;
}

/* Where directories cannot be locked, that is done without; where they are locked by somebody, nothing is replaced. */
START_TEST(locks_on_the_directory)
{
    struct bed bed, *b = &bed;
    cubby_file *lock;
    made(b);
    bed_unlink(b, "/s/cubby.id");
    MUST(b->vfs->lock_dir(b->vfs->ctx, "/s", CUBBY_LOCK_SHARED, &lock));
    REFUSES(repair(b), CUBBY_EBUSY);
    ck_assert(!bed_exists(b, "/s/cubby.id"));
    b->fault.vfs.lock_dir = NULL;
    MUST(repair(b));
    bed_truncate(b, "/s/cubby.id", 100);
    b->fault.vfs.lock_dir = no_directory_locks;
    MUST(repair(b));
    is_sound(b);
    b->vfs->close(b->vfs->ctx, lock);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/repair_votes", the_most_segments_decide, strays_of_many_stores, a_segment_without_identity, copies_that_differ, another_version,
          no_segments_at_all, locks_on_the_directory)
