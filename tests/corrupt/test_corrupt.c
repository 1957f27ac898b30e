/* test_corrupt.c - a small store, damaged in every way that one change can do it; what must hold stands in judge.c.
 *
 * The store is of two kinds, as a kill leaves it and as a clean stop leaves it, each with its index and without. Every way to damage one of the
 * four has a number (damage.h).
 *
 * usage: test_corrupt [-s SEED] [-n COUNT]          a sample of about COUNT (CUBBY_SEED; 16000)
 *        test_corrupt -a bytes|bits [-p K/N]        all of them, with one bit of each byte flipped, or every bit; the Kth of N shares
 *                     [-r FILE]                     ... going on where FILE says that the last run ended
 *                     [-R EVERY]                 every so many of them are also repaired (32; 0: none), and all of a kind of which there are few
 *        test_corrupt -o SCENE:KIND:NUMBER          one, verbosely
 * CUBBY_CORRUPT=bytes or bits in the environment is -a. */
#include "corrupt/damage.h"
#include "corrupt/judge.h"
#include "corrupt/sample.h"
#include "model/common.h"
#include "sweep.h"

enum { SCENES = 4, CHUNK = 4096, HANG_S = 60, FEW = 100 };

static const char *const scene_names[SCENES] = {"killed", "stopped", "killed-no-index", "stopped-no-index"};

static struct sample sample, other;
static struct image images[SCENES];
static struct map maps[SCENES];
static struct scene scenes[SCENES];
static struct verdict sound[SCENES];
static enum damage_kind left_out = D_BIT;
static uint64_t repair_every = 32, repaired;

struct tally {
    uint64_t tried, same, found, noted, quiet, refused;
};
static struct tally tallies[SCENES][DAMAGES];
static struct tally by_region[REGIONS]; /* of flips */

/* ---- one ---- */

static void note(struct tally *t, enum due told, const struct verdict *v)
{
    t->tried++;
    t->found += told == FOUND;
    t->noted += told == NOTED;
    t->quiet += told == SILENT_OK;
    t->refused += v->refused > 0;
}

static enum region region_of(int scene, const struct image *im)
{
    for (int i = 0; i < im->count; i++)
        for (size_t k = 0; im->f[i].p != images[scene].f[i].p && k < im->f[i].n; k++)
            if (im->f[i].p[k] != images[scene].f[i].p[k])
                return (enum region)maps[scene].region[i][k];
    return R_BEHIND;
}

static void one(int scene, enum damage_kind kind, uint64_t n, int verbose)
{
    struct bench b = {&sample.content, &sample.history, &maps[scene], &sound[scene], verbose};
    struct damage d;
    struct rest rest;
    struct verdict v;
    struct tally *t = &tallies[scene][kind];
    snprintf(sweep_now, sizeof sweep_now, "%s:%s:%" PRIu64, scene_names[scene], damage_names[kind], n);
    damage_make(&scenes[scene], kind, n, &d);
    if (d.same) {
        t->tried++;
        t->same++;
        return damage_drop(&d);
    }
    char what[400];
    snprintf(what, sizeof what, "%s: %s", sweep_now, d.what);
    map_compare(&maps[scene], &d.im, &rest);
    int flip = kind == D_FLIP || kind == D_BIT;
    if (flip && rest.slot_changed)
        rest.due = NOTED;
    judge(&b, &d.im, &rest, what, &v);
    int other_id = kind == D_FOREIGN && rest.id_changed; /* sound, and says that every segment is another store's: whose it is, no repair can know */
    int few = damage_count(&scenes[scene], kind) <= FEW;
    if (repair_every && !other_id && (verbose || few || n % repair_every == 0)) {
        judge_repair(&b, &d.im, &rest, what);
        repaired++;
    }
    note(t, what_is_told(&b, &v), &v);
    if (flip)
        note(&by_region[region_of(scene, &d.im)], what_is_told(&b, &v), &v);
    damage_drop(&d);
}

/* ---- many ---- */

static uint64_t count_of(int scene, int kind)
{
    return (enum damage_kind)kind == left_out ? 0 : damage_count(&scenes[scene], (enum damage_kind)kind);
}

static uint64_t total(void)
{
    uint64_t n = 0;
    for (int s = 0; s < SCENES; s++)
        for (int k = 0; k < DAMAGES; k++)
            n += count_of(s, k);
    return n;
}

static void by_number(uint64_t n)
{
    for (int s = 0; s < SCENES; s++)
        for (int k = 0; k < DAMAGES; k++) {
            uint64_t here = count_of(s, k);
            if (n < here)
                return one(s, (enum damage_kind)k, n, 0);
            n -= here;
        }
}

/* Every kind in every scene gets its share, and those of which there are few are all tried. */
static void some(uint64_t seed, uint64_t count)
{
    uint64_t each = count / (SCENES * DAMAGES);
    for (int s = 0; s < SCENES; s++)
        for (int k = 0; k < DAMAGES; k++) {
            uint64_t here = count_of(s, k), want = k == D_FLIP ? each * 4 : k == D_CUT || k == D_BLOCK ? each * 2 : each / 2;
            alarm(HANG_S * 10);
            if (here <= want)
                for (uint64_t n = 0; n < here; n++)
                    one(s, (enum damage_kind)k, n, 0);
            else
                for (uint64_t n = 0; n < want; n++) /* one of each stretch of here / want */
                    one(s, (enum damage_kind)k, (n * here + below(&seed, here)) / want, 0);
        }
}

static void all(uint64_t k, uint64_t of, const char *progress)
{
    uint64_t n = total(), from = n * (k - 1) / of, to = n * k / of, at = sweep_progress(progress);
    for (at = at > from && at < to ? at : from; at < to; at++) {
        if (at % CHUNK == 0) {
            sweep_came_to(progress, at);
            alarm(HANG_S);
        }
        by_number(at);
    }
    sweep_came_to(progress, to);
}

/* ---- the report ---- */

static void report(double start)
{
    uint64_t tried = 0;
    for (int s = 0; s < SCENES; s++)
        for (int k = 0; k < DAMAGES; k++) {
            const struct tally *t = &tallies[s][k];
            uint64_t there = damage_count(&scenes[s], (enum damage_kind)k);
            tried += t->tried - t->same;
            if (t->tried)
                printf("ok - corrupt/%s/%s: %" PRIu64 " of %" PRIu64 ": %" PRIu64 " found, %" PRIu64 " noted, %" PRIu64 " unnoticed, %" PRIu64
                       " no change; %" PRIu64 " not opened\n",
                       scene_names[s], damage_names[k], t->tried, there, t->found, t->noted, t->quiet, t->same, t->refused);
        }
    for (int r = 0; r < REGIONS; r++)
        if (by_region[r].tried)
            printf("# flips in %-38s %7" PRIu64 ": %7" PRIu64 " found, %6" PRIu64 " noted, %7" PRIu64 " unnoticed\n", region_kinds[r].name, by_region[r].tried,
                   by_region[r].found, by_region[r].noted, by_region[r].quiet);
    double s = seconds() - start;
    printf("# %" PRIu64 " damaged stores in %.1f s: %.0f a second; %" PRIu64 " of them repaired\n", tried, s, (double)tried / (s > 0 ? s : 1e-9), repaired);
}

/* ---- starting ---- */

static void make_scenes(void)
{
    sample_make(1, &sample);
    sample_make(2, &other);
    size_t bytes = 0;
    for (int i = 0; i < SCENES; i++) {
        images[i] = image_copy(i % 2 ? &sample.stopped : &sample.killed, i < 2 ? NULL : "index");
        map_make(&images[i], &sample.content, &maps[i]);
        scenes[i] = (struct scene){&images[i], sample.earlier, i % 2 ? &other.stopped : &other.killed};
        struct bench b = {&sample.content, &sample.history, &maps[i], NULL, 0};
        struct rest rest;
        map_compare(&maps[i], &images[i], &rest);
        judge(&b, &images[i], &rest, "nothing damaged", &sound[i]);
        if (sound[i].findings + sound[i].differ + sound[i].refused)
            die("corrupt: the store is not sound to begin with: %s", sound[i].codes);
    }
    for (int i = 0; i < images[0].count; i++)
        bytes += images[0].f[i].n;
    printf("ok - corrupt: a store of %d messages in %d files, %zu bytes, %zu bits, is sound\n", sample.content.count, images[0].count, bytes, bytes * 8);
}

static int again(const char *id)
{
    for (int s = 0; s < SCENES; s++)
        for (int k = 0; k < DAMAGES; k++) {
            char head[64];
            int n = snprintf(head, sizeof head, "%s:%s:", scene_names[s], damage_names[k]);
            if (strncmp(id, head, (size_t)n) == 0) {
                one(s, (enum damage_kind)k, strtoull(id + n, NULL, 10), 1);
                printf("ok - corrupt: %s\n", id);
                return 0;
            }
        }
    return 2;
}

static void drop_all(void)
{
    for (int i = 0; i < SCENES; i++) {
        map_drop(&maps[i]);
        image_drop(&images[i]);
    }
    sample_drop(&sample);
    sample_drop(&other);
}

int main(int argc, char **argv)
{
    const char *seed = getenv("CUBBY_SEED"), *every = getenv("CUBBY_CORRUPT"), *progress = NULL, *only = NULL;
    uint64_t k = 1, of = 1, count = SANITIZED ? 3000 : 16000;
    for (int c; (c = getopt(argc, argv, "s:n:a:p:r:R:o:")) != -1;)
        switch (c) {
        case 's': seed = optarg; break;
        case 'n': count = strtoull(optarg, NULL, 10); break;
        case 'a': every = optarg; break;
        case 'p':
            if (sweep_share(optarg, &k, &of) != 0)
                return 2;
            break;
        case 'r': progress = optarg; break;
        case 'R': repair_every = strtoull(optarg, NULL, 10); break;
        case 'o': only = optarg; break;
        default: return 2;
        }
    sweep_begin("corrupt", "test_corrupt");
    if (every && strcmp(every, "bits") == 0)
        left_out = D_FLIP;
    make_scenes();
    if (only)
        return again(only);
    double start = seconds();
    uint64_t s = seed ? strtoull(seed, NULL, 10) : 1;
    if (every && *every)
        all(k, of, progress);
    else {
        printf("# seed %" PRIu64 "\n", s);
        some(s, count);
    }
    report(start);
    drop_all();
    return 0;
}
