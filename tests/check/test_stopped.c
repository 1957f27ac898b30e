/* test_stopped.c - a repair that an operator stops and starts again, each time a step later, on the same store: in the end it is what it would have been. */
#include <stdio.h>
#include <string.h>

#include "check/broken.h"

static int failures;

struct patience {
    unsigned long left, calls;
};

static int one_step_more(void *arg, uint64_t done, uint64_t total)
{
    struct patience *p = arg;
    (void)done;
    (void)total;
    p->calls++;
    return p->left-- == 0;
}

static int ignore(void *arg, const cubby_finding *f)
{
    (void)arg;
    (void)f;
    return 0;
}

static int repair(struct bed *b, const struct breakage *x, unsigned long steps, cubby_repair_result *r)
{
    struct patience p = {.left = steps};
    cubby_options o = bed_options(b);
    o.progress = one_step_more;
    o.progress_arg = &p;
    return cubby_repair(STORE, &o, x->flags, ignore, ignore, NULL, r, NULL);
}

static void one(const struct bed *sound, const struct breakage *x, int whole)
{
    struct bed b;
    cubby_repair_result r;
    char why[200] = "";
    unsigned long stops = 0;
    int rc, check_rc;
    bed_copy(sound, &b);
    x->hurt(&b);
    while ((rc = repair(&b, x, stops, &r)) == CUBBY_ECANCEL && stops < 1000)
        stops++;
    struct findings then = bed_check(&b, CUBBY_CHECK_FULL, &check_rc);
    if (rc || r.left || check_rc || then.count) {
        snprintf(why, sizeof why, "repair %d, check %d, left:%.150s", rc, check_rc, then.codes);
    } else {
        if (bed_compare(&b, why) != whole - x->lost && !*why)
            snprintf(why, sizeof why, "not those messages are left that one repair leaves");
        cubby_store *s = bed_open(&b);
        for (int i = 0; i < 2 && !*why; i++)
            client_follow(&b.clients[i], s, why);
        MUST(cubby_close(&s));
    }
    printf("%s - %s: %s, stopped %lu times%s%s\n", *why ? "not ok" : "ok", x->code, x->how, stops, *why ? ": " : "", why);
    failures += *why != 0;
    bed_free(&b);
}

/* A check can be stopped at every segment and every message, and has written nothing. */
static void check_stopped(struct bed *b)
{
    cubby_options o = bed_options(b);
    cubby_check_result r;
    struct patience p;
    uint64_t ops = sim_ops(b->disk);
    unsigned long stops = 0;
    int rc;
    o.progress = one_step_more;
    o.progress_arg = &p;
    do {
        p = (struct patience){.left = stops++};
        rc = cubby_check(STORE, &o, CUBBY_CHECK_FULL, ignore, NULL, &r, NULL);
    } while (rc == CUBBY_ECANCEL && p.calls == stops && stops < 1000);
    int good = rc == 0 && r.messages && stops > r.messages + bed_segments(b) && sim_ops(b->disk) == ops;
    printf("%s - a check, stopped %lu times%s\n", good ? "ok" : "not ok", stops - 1, good ? "" : ": it does not end well, or too soon");
    failures += !good;
}

int main(int argc, char **argv)
{
    struct bed sound;
    char why[200] = "";
    bed_make(&sound);
    int whole = bed_compare(&sound, why);
    check_stopped(&sound);
    for (size_t i = 0; i < breakage_count; i++)
        if (!breakages[i].note && (argc == 1 || strstr(breakages[i].how, argv[1])))
            one(&sound, &breakages[i], whole);
    bed_free(&sound);
    return failures != 0;
}
