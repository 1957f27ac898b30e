#include "store/repair.h"

#include "unit/heap.h"
#include "unit/store/segment_util.h"

static int told(void *arg, const cubby_finding *f)
{
    size_t n = strlen(arg);
    snprintf((char *)arg + n, 500 - n, "%s ", f->file);
    return 0;
}

static int names(struct bed *b, char files[500])
{
    struct cubby__repairs t = {.fn = told, .arg = files};
    *files = '\0';
    return cubby__repair_names("/s", &b->o, &kv_handlers, &t, &b->err);
}

static void gives(struct bed *b, const char *want)
{
    char files[500];
    MUST(names(b, files));
    ck_assert_str_eq(files, want);
}

static void made(struct bed *b)
{
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
    bed_close(b);
    ck_assert_uint_gt(bed_last_segment(b), 4);
}

static void move(struct bed *b, const char *from, const char *to)
{
    char a[64], c[64];
    snprintf(a, sizeof a, "/s/segments/%s", from);
    snprintf(c, sizeof c, "/s/segments/%s", to);
    MUST(b->vfs->rename(b->vfs->ctx, a, c));
}

static void is_whole(struct bed *b)
{
    bed_open(b);
    for (int i = 0; i < 80; i += 13) {
        char key[16];
        snprintf(key, sizeof key, "k%04d", i);
        ck_assert_str_ne(kv_look(b, key), "");
    }
    bed_clean(b);
}

static void copy_segment(struct bed *b, const char *from, const char *to)
{
    uint64_t n;
    uint8_t *p = file_bytes(b, from, &n);
    bed_write(b, to, 0, p, n);
    free(p);
}

START_TEST(sound)
{
    struct bed bed, *b = &bed;
    char files[500];
    made(b);
    gives(b, "");
    MUST(b->vfs->rename(b->vfs->ctx, "/s/segments", "/s/elsewhere"));
    gives(b, ""); /* what is not there has no wrong name */
    bed_write(b, "/s/segments", 0, "a file", 6);
    gives(b, "");
    bed_end(b);
    made(b);
    bed_open(b); /* somebody has it open: what they have open must keep its name */
    struct cubby__store *s = b->s;
    copy_segment(b, "/s/segments/00000001.seg", "/s/segments/00000091.seg"); /* no name is owed to this one */
    gives(b, "");
    move(b, "00000002.seg", "00000090.seg");
    REFUSES(names(b, files), CUBBY_EBUSY);
    cubby__store_close(&s, NULL);
    b->s = NULL;
    gives(b, "segments/00000002.seg ");
    bed_unlink(b, "/s/segments/00000091.seg");
    move(b, "00000002.seg", "00000090.seg");
    b->o.flags |= CUBBY_READ_ONLY;
    gives(b, "");
    b->o.flags = 0;
    fault_set(&b->fault, FAULT_LOCK, "cubby.id", 0, -EIO, 0);
    REFUSES(names(b, files), CUBBY_EIO);
    bed_end(b);
}
END_TEST

/* In a ring, and one far away. */
START_TEST(each_its_own)
{
    struct bed bed, *b = &bed;
    made(b);
    move(b, "00000001.seg", "00000091.seg");
    move(b, "00000002.seg", "00000001.seg");
    move(b, "00000003.seg", "00000002.seg");
    move(b, "00000091.seg", "00000003.seg");
    move(b, "00000004.seg", "00000092.seg");
    char files[500];
    MUST(names(b, files));
    for (int n = 1; n <= 4; n++) {
        char name[64];
        snprintf(name, sizeof name, "segments/%08d.seg ", n);
        ck_assert_msg(strstr(files, name), "%s is not among %s", name, files);
    }
    gives(b, "");
    is_whole(b);
    bed_end(b);
}
END_TEST

/* A name that is in use stays in use, whatever has it; and what is not ours, or cannot be read, stays where it is. */
START_TEST(what_stays)
{
    struct bed bed, *b = &bed;
    char files[500];
    made(b);
    copy_segment(b, "/s/segments/00000002.seg", "/s/segments/00000050.seg"); /* beside the right one */
    gives(b, "");
    bed_zero(b, seg_path(2), 0, 1024); /* which has lost its header: its frames may be better than a copy's */
    gives(b, "");
    bed_unlink(b, seg_path(2));
    copy_segment(b, "/s/segments/00000050.seg", "/s/segments/00000060.seg"); /* two say that they are it: one is taken */
    MUST(names(b, files));
    ck_assert_str_eq(files, "segments/00000002.seg ");
    gives(b, "");
    struct cubby__seg_header h = header_of(b, 3);
    h.ident.uuid[0] ^= 1; /* of another store */
    write_header(b, seg_path(3), &h);
    cubby__seg_header_release(&h);
    move(b, "00000003.seg", "00000070.seg");
    gives(b, "");
    bed_write(b, "/s/segments/00000071.seg", 0, "not a segment at all", 20);
    MUST(b->vfs->mkdir(b->vfs->ctx, "/s/segments/00000072.seg"));
    bed_write(b, "/s/segments/00000002.other", 0, "nor this", 8);
    h = header_of(b, 4);
    h.ident.incompat = 0x8000; /* of a later version */
    write_header(b, seg_path(4), &h);
    cubby__seg_header_release(&h);
    for (int i = 0; i < 40; i++) {
        char path[64];
        snprintf(path, sizeof path, "/s/segments/%08d.seg", 100 + i);
        bed_write(b, path, 0, "many", 4);
    }
    gives(b, "");
    bed_end(b);
}
END_TEST

/* Of two that say the same number the longer one is it, in whatever order they are found. */
START_TEST(the_longest)
{
    static const char *const away[] = {"/s/segments/00000090.seg", "/s/segments/00000091.seg"};
    for (int i = 0; i < 2; i++) {
        struct bed bed, *b = &bed;
        cubby_file *f;
        made(b);
        uint64_t size = bed_size(b, seg_path(3));
        copy_segment(b, seg_path(3), away[0]);
        copy_segment(b, seg_path(3), away[1]);
        MUST(b->vfs->open(b->vfs->ctx, away[!i], CUBBY_OPEN_WRITE, &f));
        MUST(b->vfs->truncate(b->vfs->ctx, f, size / 2));
        b->vfs->close(b->vfs->ctx, f);
        bed_unlink(b, seg_path(3));
        gives(b, "segments/00000003.seg ");
        ck_assert_uint_eq(bed_size(b, seg_path(3)), size);
        bed_unlink(b, away[!i]);
        is_whole(b);
        bed_end(b);
    }
}
END_TEST

/* Two stand under each other's names, and of one there is the half besides: for that nobody steps aside. */
START_TEST(half_of_one_in_a_ring)
{
    for (int first = 0; first < 2; first++) {
        struct bed bed, *b = &bed;
        char files[500];
        made(b);
        uint64_t size = bed_size(b, seg_path(3));
        for (uint32_t n = 2; n < 4; n++) {
            copy_segment(b, seg_path(n), n == 2 ? "/s/two" : "/s/three");
            bed_unlink(b, seg_path(n));
        }
        for (int i = 0; i < 2; i++)
            if (i == first) {
                copy_segment(b, "/s/three", "/s/segments/00000090.seg");
                bed_truncate(b, "/s/segments/00000090.seg", size / 2);
            } else {
                copy_segment(b, "/s/two", seg_path(3));
                copy_segment(b, "/s/three", seg_path(2));
            }
        MUST(names(b, files));
        ck_assert_uint_eq(strlen(files), 2 * strlen("segments/00000002.seg "));
        ck_assert_uint_eq(bed_size(b, seg_path(3)), size);
        ck_assert_uint_eq(bed_size(b, "/s/segments/00000090.seg"), size / 2);
        bed_unlink(b, "/s/segments/00000090.seg");
        is_whole(b);
        bed_end(b);
    }
}
END_TEST

/* A header that says a number far beyond all that are there gets no name by it: none after it would have one. */
START_TEST(a_number_out_of_reach)
{
    static const uint32_t said[] = {99999999, 1000000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        struct bed bed, *b = &bed;
        made(b);
        struct cubby__seg_header h = header_of(b, 1);
        copy_segment(b, seg_path(1), "/s/segments/00000040.seg");
        h.number = said[i];
        write_header(b, "/s/segments/00000040.seg", &h);
        cubby__seg_header_release(&h);
        gives(b, "");
        ck_assert(bed_exists(b, "/s/segments/00000040.seg"));
        bed_unlink(b, "/s/segments/00000040.seg");
        is_whole(b);
        bed_end(b);
    }
}
END_TEST

static void takes_the_name(void *arg, enum fault_op op, const char *path)
{
    struct bed *b = arg;
    if (op != FAULT_STAT || !strstr(path, "segments/000000") || bed_exists(b, path))
        return;
    bed_write(b, path, 0, "not a segment", 13);
    b->fault.hook = NULL;
}

/* The name to step aside to is taken at that moment: whoever has it keeps it, and the other one of the ring steps aside. */
START_TEST(a_name_that_is_taken_meanwhile)
{
    struct bed bed, *b = &bed;
    char files[500];
    made(b);
    uint32_t last = bed_last_segment(b);
    move(b, "00000002.seg", "00000091.seg");
    move(b, "00000004.seg", "00000002.seg");
    move(b, "00000091.seg", "00000004.seg");
    b->fault.hook = takes_the_name;
    b->fault.hook_arg = b;
    MUST(names(b, files));
    ck_assert_ptr_null(b->fault.hook);
    ck_assert_uint_eq(strlen(files), 2 * strlen("segments/00000002.seg "));
    ck_assert_uint_eq(bed_size(b, seg_path(last + 1)), 13);
    bed_unlink(b, seg_path(last + 1));
    is_whole(b);
    bed_end(b);
}
END_TEST

/* Strays stand in the way of two, and have no name of their own to go to. */
START_TEST(strays_in_the_way)
{
    struct bed bed, *b = &bed;
    char files[500];
    made(b);
    move(b, "00000002.seg", "00000092.seg");
    move(b, "00000003.seg", "00000093.seg");
    copy_segment(b, seg_path(1), seg_path(2));
    copy_segment(b, seg_path(1), seg_path(3));
    MUST(names(b, files));
    ck_assert_ptr_nonnull(strstr(files, "segments/00000002.seg"));
    ck_assert_ptr_nonnull(strstr(files, "segments/00000003.seg"));
    for (uint32_t n = 1; n < 4; n++) {
        struct cubby__seg_header h = header_of(b, n);
        ck_assert_uint_eq(h.number, n);
        cubby__seg_header_release(&h);
    }
    bed_end(b);
}
END_TEST

/* There is no number behind all others: the last ones that are free will do. */
START_TEST(the_last_number_is_in_use)
{
    struct bed bed, *b = &bed;
    made(b);
    bed_write(b, "/s/segments/99999998.seg", 0, "junk", 4);
    bed_write(b, "/s/segments/99999999.seg", 0, "junk", 4);
    move(b, "00000003.seg", "x");
    move(b, "00000002.seg", "00000003.seg");
    move(b, "x", "00000002.seg");
    gives(b, "segments/00000002.seg segments/00000003.seg ");
    bed_unlink(b, "/s/segments/99999998.seg");
    bed_unlink(b, "/s/segments/99999999.seg");
    is_whole(b);
    bed_end(b);
}
END_TEST

/* A crash between two of the renames, then somebody writes: he takes no name that is another's, and the next repair goes on. */
START_TEST(written_to_in_between)
{
    for (int n = 0, hits = 1; hits; n++) {
        struct bed bed, *b = &bed;
        char files[500];
        made(b);
        int last = (int)bed_last_segment(b);
        char a[32], c[32];
        snprintf(a, sizeof a, "%08d.seg", last - 1);
        snprintf(c, sizeof c, "%08d.seg", last);
        move(b, a, "00000090.seg");
        move(b, c, a);
        move(b, "00000090.seg", c);
        fault_set(&b->fault, FAULT_RENAME, "segments", n, -EIO, 1);
        names(b, files);
        hits = b->fault.hits;
        b->fault.rc = 0;
        bed_open(b);
        MUST(kv_store(b, "new", "x"));
        bed_close(b);
        MUST(names(b, files));
        MUST(bed_try_open(b, CUBBY_REBUILD));
        for (int i = 0; i < 80; i++) {
            char key[16];
            snprintf(key, sizeof key, "k%04d", i);
            ck_assert_str_ne(kv_look(b, key), "");
        }
        ck_assert_str_eq(kv_look(b, "new"), "x");
        bed_end(b);
    }
}
END_TEST

/* What has the name of a segment and is no file is kept, if a segment is to have the name, and only then. */
START_TEST(no_file_has_the_name)
{
    struct bed bed, *b = &bed;
    char files[500];
    made(b);
    move(b, "00000002.seg", "00000009.seg");
    MUST(b->vfs->mkdir(b->vfs->ctx, seg_path(2)));
    MUST(b->vfs->mkdir(b->vfs->ctx, seg_path(7)));
    struct findings x = bed_check(b);
    ck_assert_ptr_nonnull(strstr(x.codes, "SEGMENT_HEADER"));
    bed_open(b); /* as after a crash, behind what has the last name; who has it open may need the names as they are */
    REFUSES(names(b, files), CUBBY_EBUSY);
    ck_assert(!bed_exists(b, "/s/quarantine/00000002.seg"));
    bed_close(b);
    for (int i = 0; i < 2; i++) {
        fault_set(&b->fault, FAULT_RENAME, i ? "segments/00000002.seg" : "quarantine", 0, -EACCES, 0);
        REFUSES(names(b, files), CUBBY_EACCES);
    }
    gives(b, "segments/00000002.seg ");
    ck_assert(bed_exists(b, "/s/quarantine/00000002.seg") && !bed_exists(b, "/s/quarantine/00000007.seg") && bed_exists(b, seg_path(7)));
    bed_open(b);
    ck_assert_str_ne(kv_look(b, "k0079"), "");
    bed_end(b);
}
END_TEST

/* Whatever fails, nothing is gone, and the next one goes on. */
START_TEST(failing)
{
    static const enum fault_op ops[] = {FAULT_RENAME, FAULT_DIRSYNC, FAULT_STAT, FAULT_OPEN, FAULT_PREAD, FAULT_FSTAT, FAULT_LIST};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        for (int n = 0;; n++) {
            struct bed bed, *b = &bed;
            char files[500];
            made(b);
            move(b, "00000002.seg", "00000091.seg");
            move(b, "00000004.seg", "00000002.seg");
            move(b, "00000091.seg", "00000004.seg");
            move(b, "00000003.seg", "00000009.seg");
            MUST(b->vfs->mkdir(b->vfs->ctx, seg_path(3)));
            fault_set(&b->fault, ops[i], "segments", n, -EIO, 0);
            int rc = names(b, files), hits = b->fault.hits;
            b->fault.rc = 0;
            int enough = rc == 0 && (ops[i] == FAULT_PREAD || ops[i] == FAULT_FSTAT); /* of a header one copy is; and without a rival no length is needed */
            ck_assert_msg(hits ? rc == CUBBY_EIO || enough : rc == 0, "%zu %d: %d", i, n, rc);
            MUST(names(b, files));
            is_whole(b);
            bed_end(b);
            if (!hits)
                break;
        }
}
END_TEST

START_TEST(without_memory)
{
    heap_install();
    for (int n = 0;; n++) {
        struct bed bed, *b = &bed;
        struct cubby__repairs t = {.fn = NULL};
        made(b);
        move(b, "00000002.seg", "00000009.seg");
        MUST(b->vfs->mkdir(b->vfs->ctx, seg_path(2)));
        heap_fail(n, 0);
        int rc = cubby__repair_names("/s", &b->o, &kv_handlers, &t, &b->err), hits = heap_works();
        ck_assert_int_eq(rc, hits ? CUBBY_ENOMEM : 0);
        bed_end(b);
        if (!hits)
            break;
    }
}
END_TEST

UNIT_MAIN("store/repair_names", sound, each_its_own, what_stays, the_longest, half_of_one_in_a_ring, a_number_out_of_reach,
          a_name_that_is_taken_meanwhile, strays_in_the_way, the_last_number_is_in_use, written_to_in_between, no_file_has_the_name, failing,
          without_memory)
