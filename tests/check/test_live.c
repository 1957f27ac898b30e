/* test_live.c - a check beside others who write all the while: it finds nothing that is not so, finds what is, and where it cannot know says that it
 * does not. The others write whenever it does a certain thing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/broken.h"
#include "unit/fault_vfs.h"

static int failures;

static void result(int good, const char *name, const char *why, long n)
{
    printf("%s - %s%s%s", good ? "ok" : "not ok", name, good ? "\n" : ": ", good ? "" : why);
    if (!good)
        printf(" (%ld)\n", n);
    failures += !good;
}

struct others {
    struct bed *b;
    cubby_store *writer; /* NULL: they open the store for each message, and close it */
    const char *when; /* "progress", or when a folder with this in its path is listed */
    int writes, most;
};

static void write_one(void *arg, enum fault_op op, const char *path)
{
    struct others *o = arg;
    if ((op != FAULT_LIST && op != FAULT_OPS) || !strstr(path, o->when) || o->writes == o->most)
        return;
    o->writes++;
    cubby_store *s = o->writer ? o->writer : bed_open(o->b);
    bed_append(o->b, s, "INBOX", 100);
    free(o->b->mail[--o->b->count].p);
    if (!o->writer)
        MUST(cubby_close(&s));
}

/* Between what the check reads and what it compares it with: a rebuild says how far it has come. */
static int write_at_progress(void *arg, uint64_t done, uint64_t total)
{
    if (total && done == total)
        write_one(arg, FAULT_OPS, "progress");
    return 0;
}

static struct findings check_beside(struct others *o, int *rc)
{
    struct fault f;
    struct findings x = {0};
    cubby_options options = bed_options(o->b);
    fault_init(&f, options.vfs);
    f.hook = write_one;
    f.hook_arg = o;
    options.vfs = &f.vfs;
    options.progress = write_at_progress;
    options.progress_arg = o;
    *rc = cubby_check(STORE, &options, CUBBY_CHECK_FULL, bed_finding, &x, NULL, NULL);
    return x;
}

/* damage: what is wrong all the same. */
static void one(const struct bed *sound, const char *name, int attached, const char *when, int most, const char *note, const char *damage)
{
    struct bed b;
    struct others o = {.b = &b, .when = when, .most = most};
    int rc;
    bed_copy(sound, &b);
    if (damage)
        bed_flip(&b, seg_path(2), 3000);
    if (attached)
        o.writer = bed_open(&b);
    struct findings x = check_beside(&o, &rc);
    int noted = note ? has_code(&x, note) : x.notes == 0, found = damage ? has_code(&x, damage) : x.count == 0;
    result(rc == 0 && noted && found && o.writes, name, x.codes, rc);
    if (o.writer)
        MUST(cubby_close(&o.writer));
    x = bed_check(&b, CUBBY_CHECK_FULL, &rc); /* when they have gone */
    found = damage ? has_code(&x, damage) : x.count == 0;
    result(rc == 0 && found && !has_code(&x, "INDEX_BUSY") && !has_code(&x, "CHECK_DISTURBED"), name, x.codes, rc);
    bed_free(&b);
}

/* ---- a visit that changes neither the size of a file nor the checkpoint ---- */

struct visit {
    struct bed *b;
    cubby_options o;
    int wait; /* so many reads of the log are made before it */
};

static void add_some(struct bed *b, const cubby_options *o, int n)
{
    cubby_store *s;
    MUST(cubby_open(STORE, o, &s, NULL));
    for (int i = 0; i < n; i++) {
        bed_append(b, s, "INBOX", 15000);
        free(b->mail[--b->count].p);
    }
    MUST(cubby_close(&s));
}

static void visit(void *arg, enum fault_op op, const char *path)
{
    struct visit *v = arg;
    if (op == FAULT_PREAD && strstr(path, ".seg") && v->wait-- == 0)
        add_some(v->b, &v->o, 12);
}

static uint64_t log_size(struct bed *b)
{
    size_t n;
    free(bed_read(b, seg_path(1), &n));
    return n;
}

/* What is read before it are the zeros ahead of the log, and what is read behind them is what it has written: that looks like damage. */
static void visits(void)
{
    struct bed made = {.disk = sim_new(9)}, b;
    cubby_options o = bed_options(&made);
    int rc = 0, same = 0, reads = 0;
    struct findings x = {0};
    o.segment_bytes = 8 << 20;
    o.checkpoint_bytes = 8 << 20;
    MUST(cubby_create(STORE, &o, NULL));
    add_some(&made, &o, 80);
    for (struct visit v = {.wait = -1}; v.wait < 0 && rc == 0 && !x.count; reads++) { /* at each read, until there are no more */
        struct fault f;
        bed_copy(&made, &b);
        v = (struct visit){.b = &b, .o = o, .wait = reads};
        v.o.vfs = sim_vfs(b.disk);
        fault_init(&f, v.o.vfs);
        f.hook = visit;
        f.hook_arg = &v;
        cubby_options options = o;
        options.vfs = &f.vfs;
        uint64_t size = log_size(&b);
        rc = cubby_check(STORE, &options, CUBBY_CHECK_FULL, bed_finding, &x, NULL, NULL);
        same += v.wait < 0 && log_size(&b) == size;
        bed_free(&b);
    }
    result(rc == 0 && x.count == 0 && same > 5, "a visit within the zeros ahead of the log", x.codes, same);
    bed_free(&made);
}

/* ---- the segment that is being written to ---- */

static int count_one(void *arg, const cubby_finding *f)
{
    (void)f;
    ++*(int *)arg;
    return 0;
}

static int repair(struct bed *b, int *done)
{
    cubby_options o = bed_options(b);
    cubby_repair_result r = {0};
    *done = 0;
    int rc = cubby_repair(STORE, &o, 0, NULL, count_one, done, &r, NULL);
    return rc ? rc : r.left ? CUBBY_ECORRUPT : 0;
}

/* Its header is destroyed, and whoever has it open writes on: a check says so, a repair that the store must be closed first, and does nothing; then nothing
 * is lost. */
static void header_destroyed(const char *name, int messages, uint32_t checkpoint_bytes)
{
    struct bed b = {.disk = sim_new(11)};
    char why[200] = "";
    cubby_options o = bed_options(&b);
    cubby_store *s;
    int rc, done;
    o.checkpoint_bytes = checkpoint_bytes;
    MUST(cubby_create(STORE, &o, NULL));
    MUST(cubby_open(STORE, &o, &s, NULL));
    for (int i = 0; i < messages; i++)
        bed_append(&b, s, "INBOX", 300);
    bed_zero(&b, seg_path(bed_segments(&b)), 0, 1024);
    bed_append(&b, s, "INBOX", 300);
    struct findings x = bed_check(&b, 0, &rc);
    result(rc == 0 && has_code(&x, "SEGMENT_HEADER"), name, x.codes, rc);
    rc = repair(&b, &done);
    result(rc == CUBBY_EBUSY && done == 0, name, "a repair beside the writer", rc);
    bed_append(&b, s, "INBOX", 300);
    MUST(cubby_close(&s));
    rc = repair(&b, &done);
    result(rc == 0 && done > 0, name, "a repair of the closed store", rc);
    done = bed_compare(&b, why);
    result(done == b.count && !*why, name, "messages that are left", done);
    bed_free(&b);
}

int main(void)
{
    visits();
    header_destroyed("the header of the only segment is destroyed", 5, 6000);
    header_destroyed("the header of the last segment is destroyed", 60, 6000);
    header_destroyed("the header of a segment that no checkpoint knows is destroyed", 60, 1 << 20);
    struct bed sound;
    bed_make(&sound);
    one(&sound, "a writer that never rests", 1, "progress", 100, "INDEX_BUSY", NULL);
    one(&sound, "a writer that rests soon", 1, "progress", 3, NULL, NULL);
    one(&sound, "writers that come and go without end", 0, "segments", 100, "CHECK_DISTURBED", NULL);
    one(&sound, "a writer that came and went", 0, "segments", 1, NULL, NULL);
    one(&sound, "damage beside a writer that never rests", 1, "progress", 100, NULL, "FRAME_DAMAGED");
    one(&sound, "damage beside writers that come and go", 0, "segments", 2, NULL, "FRAME_DAMAGED");
    bed_free(&sound);
    return failures != 0;
}
