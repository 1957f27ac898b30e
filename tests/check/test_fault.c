/* test_fault.c - every store of the table is checked and repaired while a call of the system or an allocation fails, while whoever is told of things, or asked
 * whether to go on, says stop, and while somebody removes the store.
 *
 * After each: the error is of the class of what failed, or what was said is true; nothing is left open or allocated; and the next repair ends clean, with nothing
 * lost that the damage itself had not taken.
 *
 * Calls from the same place, by the same way through the library, fail in the same way: each such way fails once, in the first store that has it. That is done
 * for every second one of them; CHECK_FAULT=ways: for all; CHECK_FAULT=all: all calls in all stores. CHECK_VERBOSE=1: every failure is printed. An argument: only
 * stores of whose code or description it is a part. */
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/broken.h"
#include "fault/fault_table.h"

enum kind { CALL, HEAP, STOP, PROGRESS, REMOVED, KINDS };
static const char *const kind_names[KINDS] = {"calls", "allocations", "findings", "questions", "looks at cubby.id"};

struct run {
    const struct breakage *x;
    struct bed *broken;
    int whole, full;
    enum kind kind;
    uint64_t n, seen; /* the nth fails; so many came so far */
    enum fault_kind fault;
    struct sim *disk; /* REMOVED: where */
    unsigned long tried, bad;
    char why[400];
};

/* ---- ways through the library ---- */

/* One of so many ways is taken. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SHARE = 8 };
#elif defined(CUBBY_TESTS_COVERAGE_H)
enum { SHARE = 1 };
#else
enum { SHARE = 2 };
#endif
enum { DEPTH = 10, WAYS = 1 << 16 };

struct point {
    uint64_t n;
    char call[12];
};

static uint64_t ways[WAYS], way_count;
static struct point *points;
static size_t point_count, point_cap;
static uint64_t share = SHARE;

static uint64_t way_here(enum kind kind)
{
    void *at[DEPTH + 4];
    int n = backtrace(at, DEPTH + 4);
    uint64_t h = 0xcbf29ce484222325u + kind;
    for (int i = 1; i < n; i++)
        h = (h ^ (uint64_t)(uintptr_t)at[i]) * 0x100000001b3u;
    return h | 1;
}

static int is_new(uint64_t way)
{
    size_t i = way % WAYS;
    while (ways[i] && ways[i] != way)
        i = (i + 1) % WAYS;
    if (ways[i] || way_count > WAYS / 2)
        return 0;
    ways[i] = way;
    return way_count++ % share == 0;
}

static void add_point(uint64_t n, const char *call)
{
    if (point_count == point_cap) {
        point_cap = point_cap ? 2 * point_cap : 1024;
        points = realloc(points, point_cap * sizeof *points);
        if (!points)
            abort();
    }
    points[point_count].n = n;
    snprintf(points[point_count++].call, sizeof points->call, "%s", call);
}

/* ---- one run ---- */

static struct run *current;
static int looking; /* for points */

/* One more of this kind. Is it the one? */
static int one_more(enum kind kind, const char *call)
{
    struct run *r = current;
    if (!r || r->kind != kind)
        return 0;
    r->seen++;
    if (looking && (is_new(way_here(kind)) || r->full))
        add_point(r->seen, call);
    return r->seen == r->n;
}

static void watch(const char *call, const char *path)
{
    if (strcmp(call, "heap") == 0) {
        one_more(HEAP, call);
        return;
    }
    one_more(CALL, call);
    if (strcmp(call, "fstat") == 0 && strstr(path, "cubby.id") && one_more(REMOVED, call)) {
        const cubby_vfs *v = sim_vfs(current->disk);
        v->unlink(v->ctx, STORE "/cubby.id");
    }
}

static int told(void *arg, const cubby_finding *f)
{
    (void)arg;
    return one_more(STOP, f->code);
}

static int asked(void *arg, uint64_t done, uint64_t total)
{
    (void)arg;
    (void)done;
    (void)total;
    return one_more(PROGRESS, "");
}

struct outcome {
    int rc;
    cubby_repair_result result;
    cubby_error err;
};

/* Notes are only checked. */
static void go(struct run *r, struct bed *b, struct fault_table *t, struct outcome *o)
{
    cubby_options options = bed_options(b);
    options.vfs = fault_table_vfs(t);
    options.progress = asked;
    memset(o, 0, sizeof *o);
    r->seen = 0;
    r->disk = b->disk;
    current = r;
    fault_watch = watch;
    if (r->x->note)
        o->rc = cubby_check(STORE, &options, r->x->flags, told, NULL, NULL, &o->err);
    else
        o->rc = cubby_repair(STORE, &options, r->x->flags, told, told, NULL, &o->result, &o->err);
    fault_watch = NULL;
    current = NULL;
}

static void bad(struct run *r, const char *what, const char *detail, long n)
{
    char why[400];
    snprintf(why, sizeof why, "%llu of the %s%s%s: %s: %.200s (%ld)", (unsigned long long)r->n, kind_names[r->kind], r->kind == CALL ? ", " : "",
             r->kind == CALL ? fault_names[r->fault].name : "", what, detail, n);
    if (!r->bad++)
        snprintf(r->why, sizeof r->why, "%s", why);
    if (getenv("CHECK_VERBOSE"))
        printf("# bad: %s\n", why);
}

static int class_fits(const struct run *r, int rc)
{
    if (rc == CUBBY_EUNKNOWN || rc == CUBBY_ELATCHED)
        return r->kind == CALL || r->kind == HEAP || r->kind == REMOVED;
    switch (r->kind) {
    case STOP:
    case PROGRESS: return rc == CUBBY_ECANCEL;
    case HEAP: return rc == CUBBY_ENOMEM;
    case REMOVED: return rc == CUBBY_ESTALE || rc == CUBBY_ENOTSTORE;
    default: break;
    }
    switch (r->fault) {
    case F_ENOSPC: return rc == CUBBY_ENOSPC || rc == CUBBY_EACCES; /* EACCES: opened read-only for want of space */
    case F_EACCES: return rc == CUBBY_EACCES;
    case F_EAGAIN: return rc == CUBBY_EBUSY || rc == CUBBY_EIO;
    default: return rc == CUBBY_EIO;
    }
}

static int quiet(void *arg, const cubby_finding *f)
{
    (void)arg;
    (void)f;
    return 0;
}

/* What is left: another repair ends clean, and nothing is lost that the damage had not taken. */
static void judge_left(struct run *r, struct bed *b, const char *what)
{
    cubby_options options = bed_options(b);
    cubby_repair_result result;
    cubby_error err = {0};
    char why[200] = "";
    int rc = cubby_repair(STORE, &options, r->x->flags, quiet, quiet, NULL, &result, &err), check_rc = 0;
    if (r->kind == REMOVED && rc == CUBBY_ENOTSTORE && !bed_segments(b)) /* nothing says any more that it was one */
        return;
    if (rc || result.left) {
        bad(r, what, err.message, rc ? rc : (long)result.left);
        return;
    }
    struct findings f = bed_check(b, CUBBY_CHECK_FULL, &check_rc);
    if (check_rc || f.count) {
        bad(r, what, f.codes, check_rc ? check_rc : f.count);
        return;
    }
    int left = bed_compare(b, why);
    if (*why || left < r->whole - r->x->lost)
        bad(r, what, *why ? why : "messages are lost", left);
}

static void judge(struct run *r, struct bed *b, const struct outcome *o, const char *what)
{
    if (o->rc && !class_fits(r, o->rc))
        bad(r, what, o->err.message, o->rc);
    if (o->rc && (o->err.code != o->rc || !*o->err.message))
        bad(r, what, "the error says nothing", o->rc);
    if (sim_open_files(b->disk))
        bad(r, what, "files are left open", (long)sim_open_files(b->disk));
    if (o->rc == 0 && !o->result.left && !r->x->note && r->kind != REMOVED) {
        int rc;
        struct findings f = bed_check(b, r->x->flags, &rc);
        if (rc || f.count)
            bad(r, what, "it said that nothing is wrong any more", f.count);
    }
    judge_left(r, b, what);
}

static void fail_at(struct run *r, uint64_t n, enum fault_kind fault, int forever)
{
    struct bed b;
    struct outcome o;
    uint64_t live = heap_live();
    bed_copy(r->broken, &b);
    struct fault_table *t = fault_table_new(sim_vfs(b.disk));
    r->n = n;
    r->fault = fault;
    r->tried++;
    if (r->kind == CALL)
        fault_arm(t, ALL_CALLS, n, fault, forever);
    else if (r->kind == HEAP)
        heap_arm(n, forever);
    go(r, &b, t, &o);
    fault_disarm(t);
    heap_disarm();
    judge(r, &b, &o, r->kind == CALL ? fault_what(t) : "");
    bed_free(&b); /* the disk lives in the same memory */
    if (heap_live() != live)
        bad(r, r->kind == CALL ? fault_what(t) : "", "memory is left allocated", (long)(heap_live() - live));
    fault_table_free(&t);
}

/* ---- all of them ---- */

/* Which of its calls, allocations and so on are to fail. */
static void find_points(struct run *r, enum kind kind)
{
    struct bed b;
    struct outcome o;
    bed_copy(r->broken, &b);
    struct fault_table *t = fault_table_new(sim_vfs(b.disk));
    r->kind = kind;
    r->n = point_count = 0;
    looking = 1;
    go(r, &b, t, &o);
    looking = 0;
    fault_table_free(&t);
    bed_free(&b);
}

static int is_one_of(const char *call, const char *calls)
{
    const char *at = strstr(calls, call);
    return at && (at == calls || at[-1] == ' ') && (at[strlen(call)] == ' ' || !at[strlen(call)]);
}

static void fail_point(struct run *r, const struct point *p)
{
    fail_at(r, p->n, F_EIO, 0);
    if (r->kind != CALL)
        return;
    if (is_one_of(p->call, "open create lock_dir mkdir"))
        fail_at(r, p->n, F_EACCES, 0);
    if (is_one_of(p->call, "write allocate mkdir create"))
        fail_at(r, p->n, F_ENOSPC, 0);
    if (is_one_of(p->call, "lock lock_dir"))
        fail_at(r, p->n, F_EAGAIN, 1);
    if (r->full)
        fail_at(r, p->n, F_DONE, 0);
}

static void all_kinds(struct run *r)
{
    for (enum kind kind = CALL; kind < KINDS; kind++) {
        find_points(r, kind);
        for (size_t i = 0; i < point_count; i++)
            fail_point(r, &points[i]);
    }
}

int main(int argc, char **argv)
{
    struct bed sound;
    char why[200] = "";
    unsigned long failures = 0, tried = 0;
    const char *env = getenv("CHECK_FAULT");
    int full = env && strcmp(env, "all") == 0;
    if (env && strcmp(env, "ways") == 0)
        share = 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    heap_install();
    bed_make(&sound);
    int whole = bed_compare(&sound, why);
    for (size_t i = 0; i < breakage_count; i++) {
        const struct breakage *x = &breakages[i];
        struct bed broken;
        if (argc > 1 && !strstr(x->how, argv[1]) && !strstr(x->code, argv[1]))
            continue;
        bed_copy(&sound, &broken);
        x->hurt(&broken);
        struct run r = {.x = x, .broken = &broken, .whole = whole, .full = full};
        all_kinds(&r);
        printf("%s - %s, %s: %lu things failed in turn%s%s\n", r.bad ? "not ok" : "ok", x->code, x->how, r.tried, r.bad ? ": " : "", r.why);
        if (r.bad)
            printf("# %lu of them bad\n", r.bad);
        failures += r.bad != 0;
        tried += r.tried;
        bed_free(&broken);
    }
    printf("# %lu in all\n", tried);
    bed_free(&sound);
    free(points);
    return failures != 0;
}
