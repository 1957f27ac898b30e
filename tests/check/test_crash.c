/* test_crash.c - a repair that is cut off at any operation, by a dying process or by power, or in which an operation fails: the next repair ends clean, and nothing
 * is lost that the damage itself had not taken. A repair that has returned has happened. CHECK_FULL=1: every operation and more states of the disk; by default a
 * sample of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/broken.h"

struct run {
    const struct breakage *x;
    int more; /* the power was cut, or the disk full */
    struct bed *broken;
    int whole;
    uint64_t op;
    unsigned long tried, bad;
    char why[400];
};

static int quiet(void *arg, const cubby_finding *f)
{
    (void)arg;
    (void)f;
    return 0;
}

static int repair(struct bed *b, const struct breakage *x, cubby_repair_result *r, cubby_error *err)
{
    cubby_options o = bed_options(b);
    memset(err, 0, sizeof *err);
    return cubby_repair(STORE, &o, x->flags, quiet, quiet, NULL, r, err);
}

static void bad(struct run *r, const char *id, const char *what, long n)
{
    if (!r->bad++)
        snprintf(r->why, sizeof r->why, "operation %llu, state %s: %.200s (%ld)", (unsigned long long)r->op, id, what, n);
}

/* One disk as the crash may have left it. */
static int judge(void *arg, struct sim *image, const char *id)
{
    struct run *r = arg;
    struct bed b = *r->broken;
    cubby_repair_result result;
    cubby_error err;
    char why[200] = "";
    int rc;
    b.keep_mail = 1;
    b.disk = image;
    r->tried++;
    rc = repair(&b, r->x, &result, &err);
    if (rc || result.left) {
        struct findings left = bed_check(&b, r->x->flags, &rc);
        bad(r, id, *err.message ? err.message : left.codes, rc ? rc : (long)result.left);
        return 0;
    }
    struct findings f = bed_check(&b, CUBBY_CHECK_FULL, &rc);
    if (rc || f.count) {
        bad(r, id, f.codes, rc);
        return 0;
    }
    int left = bed_compare(&b, why);
    if (*why || left < r->whole - r->x->lost - (r->more ? r->x->more : 0))
        bad(r, id, *why ? why : "messages are lost", left);
    return 0;
}

/* A repair that has returned has happened: no disk that a power cut may leave now has findings, and none has lost more. */
static int judge_finished(void *arg, struct sim *image, const char *id)
{
    struct run *r = arg;
    struct bed b = *r->broken;
    int rc;
    b.keep_mail = 1;
    b.disk = image;
    r->tried++;
    struct findings f = bed_check(&b, CUBBY_CHECK_FULL, &rc);
    if (rc || f.count) {
        bad(r, id, rc ? "no check" : f.codes, rc ? rc : f.count);
        return 0;
    }
    char why[200] = "";
    int left = bed_compare(&b, why);
    if (*why || left > r->whole - r->x->lost || left < r->whole - r->x->lost - r->x->more)
        bad(r, id, *why ? why : "messages are lost, or more are there than the table says", left);
    return 0;
}

static void finish(struct run *r, int full)
{
    struct bed b;
    cubby_repair_result result;
    cubby_error err;
    bed_copy(r->broken, &b);
    struct sim *settled = NULL;
    struct sim_states_options all = {.max_states = 2}, so = {.max_states = full ? 64 : 24};
    settled = sim_state(b.disk, "all", &all); /* the damage itself is on the disk for good */
    sim_free(&b.disk);
    b.disk = settled;
    r->op = 0;
    repair(&b, r->x, &result, &err);
    sim_kill(b.disk);
    sim_states(b.disk, &so, judge_finished, r);
    bed_free(&b);
}

static void crash_at(struct run *r, uint64_t n, int full)
{
    struct bed b;
    cubby_repair_result result;
    cubby_error err;
    bed_copy(r->broken, &b);
    r->op = n;
    sim_crash_at(b.disk, sim_ops(b.disk) + n);
    repair(&b, r->x, &result, &err);
    sim_kill(b.disk);
    struct sim *died = sim_copy(b.disk); /* the process died, the machine did not */
    judge(r, died, "alive");
    sim_free(&died);
    struct sim_states_options so = {.max_states = full ? 16 : 3, .seed = n};
    r->more = 1;
    sim_states(b.disk, &so, judge, r);
    r->more = 0;
    bed_free(&b);
}

/* One operation fails, once or from then on: what the repair says is true, and the next one ends clean. */
static void fail_at(struct run *r, uint64_t n)
{
    struct bed b;
    cubby_repair_result result;
    cubby_error err;
    bed_copy(r->broken, &b);
    r->op = n;
    sim_fail_at(b.disk, sim_ops(b.disk) + n, n % 3 ? -EIO : -ENOSPC, n % 2 ? SIM_ONCE : SIM_FOREVER);
    int rc = repair(&b, r->x, &result, &err);
    sim_fail_at(b.disk, 0, 0, SIM_ONCE);
    int check_rc;
    struct findings f = bed_check(&b, r->x->flags, &check_rc);
    if (rc == 0 && !result.left && (check_rc || f.count))
        bad(r, "failed once", "it said that all was fixed", f.count);
    if (sim_open_files(b.disk))
        bad(r, "failed once", "files are left open", (long)sim_open_files(b.disk));
    struct sim *died = sim_copy(b.disk);
    r->more = n % 3 == 0;
    judge(r, died, "failed");
    r->more = 0;
    sim_free(&died);
    bed_free(&b);
}

static uint64_t count_ops(struct bed *broken, const struct breakage *x)
{
    struct bed b;
    cubby_repair_result result;
    cubby_error err;
    bed_copy(broken, &b);
    uint64_t before = sim_ops(b.disk);
    repair(&b, x, &result, &err);
    uint64_t n = sim_ops(b.disk) - before;
    bed_free(&b);
    return n;
}

int main(int argc, char **argv)
{
    struct bed sound;
    char why[200] = "";
    unsigned long failures = 0, tried = 0;
    int full = getenv("CHECK_FULL") != NULL;
    bed_make(&sound);
    int whole = bed_compare(&sound, why);
    for (size_t i = 0; i < breakage_count; i++) {
        const struct breakage *x = &breakages[i];
        struct bed broken;
        if (x->note || (argc > 1 && !strstr(x->how, argv[1]) && !strstr(x->code, argv[1])))
            continue;
        bed_copy(&sound, &broken);
        x->hurt(&broken);
        struct run r = {.x = x, .broken = &broken, .whole = whole};
        uint64_t ops = count_ops(&broken, x);
        for (uint64_t n = full ? 1 : 1 + i % 9; n <= ops; n += full ? 1 : 9)
            crash_at(&r, n, full), fail_at(&r, n);
        finish(&r, full);
        printf("%s - %s, %s: cut off within %llu operations, %lu states%s%s\n", r.bad ? "not ok" : "ok", x->code, x->how, (unsigned long long)ops, r.tried,
               r.bad ? ": " : "", r.why);
        if (r.bad)
            printf("# %lu of them bad\n", r.bad);
        fflush(stdout);
        failures += r.bad != 0;
        tried += r.tried;
        bed_free(&broken);
    }
    printf("# %lu states\n", tried);
    bed_free(&sound);
    return failures != 0;
}
