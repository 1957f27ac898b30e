/* test_check.c - every store of the table: a check finds what is wrong, a repair puts it right, the next check is clean, and messages that were not hit are
 * equal to the byte. Then damage at random (CHECK_SEEDS: how many stores; CHECK_SEED: the first). With --codes: the codes of the table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/broken.h"

static int failures;

static void result(int ok, const struct breakage *x, const char *fmt, const char *a, long b, long c)
{
    char why[2200];
    snprintf(why, sizeof why, fmt, a, b, c);
    printf("%s - %s: %s%s%s\n", ok ? "ok" : "not ok", x->code, x->how, ok ? "" : ": ", ok ? "" : why);
    failures += !ok;
}

static int ignore(void *arg, const cubby_finding *f)
{
    (void)arg;
    if (getenv("CHECK_VERBOSE"))
        printf("#  %s %s %s\n", f->code, f->file, f->detail);
    return 0;
}

/* It is in use again: a message more, and sound still. */
static int usable(struct bed *b)
{
    int rc, count = b->count;
    cubby_store *s = bed_open(b);
    bed_append(b, s, "INBOX", 200);
    free(b->mail[b->count - 1].p);
    b->count = count;
    MUST(cubby_close(&s));
    struct findings x = bed_check(b, CUBBY_CHECK_FULL, &rc);
    return rc == 0 && x.count == 0;
}

/* Clients that knew the store before are not misled. */
static void ask_clients(struct bed *b, char why[200])
{
    cubby_store *s = bed_open(b);
    for (int i = 0; i < 2 && !*why; i++)
        client_follow(&b->clients[i], s, why);
    MUST(cubby_close(&s));
}

static void check_note(struct bed *b, const struct breakage *x)
{
    int rc;
    struct findings first = bed_check(b, x->flags, &rc);
    if (rc || first.count || !has_code(&first, x->code)) {
        result(0, x, "findings:%s, %ld problems, code %ld", first.codes, first.count, rc);
        return;
    }
    int works = usable(b);
    struct findings then = bed_check(b, CUBBY_CHECK_FULL, &rc);
    result(works && (strcmp(x->code, "INDEX_META_SLOT") == 0 || !has_code(&then, x->code)), x, "afterwards:%s, %ld, code %ld", then.codes, then.count, rc);
}

static void check_one(struct bed *b, const struct breakage *x, int whole, uint64_t state, uint32_t uidvalidity)
{
    cubby_options o = bed_options(b);
    cubby_repair_result r;
    cubby_error err = {0};
    char why[200] = "";
    int rc;
    struct findings first = bed_check(b, x->flags, &rc);
    if (rc || !first.count || !has_code(&first, x->code)) {
        result(0, x, "findings:%s, %ld problems, code %ld", first.codes, first.count, rc);
        return;
    }
    rc = cubby_repair(STORE, &o, x->flags, ignore, ignore, NULL, &r, &err);
    if (rc || r.left || !r.fixed) {
        result(0, x, "repair: %s, left %ld, code %ld", rc ? err.message : "", (long)r.left, rc);
        return;
    }
    struct findings then = bed_check(b, CUBBY_CHECK_FULL, &rc);
    if (rc || then.count) {
        result(0, x, "after the repair:%s, %ld, code %ld", then.codes, then.count, rc);
        return;
    }
    int left = bed_compare(b, why);
    if (!*why)
        ask_clients(b, why);
    if (*why || left != whole - x->lost) { /* fewer lost: then the table has to say so */
        result(0, x, "%s, %ld messages of %ld are not as they were", why, whole - left, whole);
        return;
    }
    if (x->exact == 2 && bed_uidvalidity(b, "INBOX") <= uidvalidity) {
        result(0, x, "%sclients are not told: the uidvalidity is %ld, and was %ld", "", bed_uidvalidity(b, "INBOX"), uidvalidity);
        return;
    }
    if (x->exact == 1 && bed_state(b) != state) {
        result(0, x, "%suids, flags, folders or uidvalidities are not what they were", "", 0, 0);
        return;
    }
    result(usable(b), x, "not usable afterwards%s", "", 0, 0);
}

/* A store without findings is not touched. */
static void check_sound(struct bed *sound)
{
    static const struct breakage none = {.code = "nothing", .how = "a sound store is left alone"};
    struct bed b;
    bed_copy(sound, &b);
    cubby_options o = bed_options(&b);
    cubby_repair_result r;
    uint64_t ops = sim_ops(b.disk);
    int rc = cubby_repair(STORE, &o, CUBBY_CHECK_FULL, NULL, NULL, NULL, &r, NULL);
    result(rc == 0 && !r.findings && r.messages && sim_ops(b.disk) == ops, &none, "%s%ld findings, code %ld", "", (long)r.findings, rc);
    bed_free(&b);
}

/* ---- damage at random ---- */

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
    return *x;
}

/* A segment under the name of another, and that one under its name, or anywhere. */
static void rename_at_random(struct bed *b, uint64_t *x)
{
    const cubby_vfs *v = sim_vfs(b->disk);
    char one[64], other[64];
    uint32_t n = bed_segments(b) + 1;
    snprintf(one, sizeof one, "%s", seg_path(1 + (uint32_t)(next_random(x) % n)));
    snprintf(other, sizeof other, "%s", seg_path(1 + (uint32_t)(next_random(x) % n)));
    v->rename(v->ctx, one, STORE "/x");
    v->rename(v->ctx, other, one);
    v->rename(v->ctx, STORE "/x", next_random(x) % 4 ? other : seg_path(n + 1));
}

/* Sound bytes in another's place. */
static void misplace_at_random(struct bed *b, const char *path, uint64_t off, uint64_t *x)
{
    size_t n;
    uint8_t *p = bed_read(b, seg_path(1 + (uint32_t)(next_random(x) % (bed_segments(b) + 1))), &n);
    uint64_t from = n ? next_random(x) % n & ~(uint64_t)511 : 0, len = n - from < 4096 ? n - from : 4096;
    if (p)
        bed_write(b, path, off & ~(uint64_t)511, p + from, len);
    free(p);
}

/* 1: the end of the log may be gone. */
static int hurt_at_random(struct bed *b, uint64_t *x)
{
    char path[64];
    size_t n;
    uint64_t what = next_random(x) % 14, file = next_random(x) % (bed_segments(b) + 3);
    snprintf(path, sizeof path, "%s", file == 0 ? STORE "/cubby.id" : file == 1 ? STORE "/index" : seg_path((uint32_t)file - 1));
    uint8_t *p = bed_read(b, path, &n);
    free(p);
    if (!p || !n)
        return 0;
    int last = file == bed_segments(b) + 1;
    uint64_t off = next_random(x) % n, len = next_random(x) % 3000;
    if (what == 13)
        rename_at_random(b, x);
    else if (what == 12)
        misplace_at_random(b, path, off, x);
    else if (what == 0)
        bed_unlink(b, path);
    else if (what == 1)
        bed_truncate(b, path, off);
    else if (what < 5)
        bed_zero(b, path, off, len < n - off ? len : n - off);
    else
        bed_flip(b, path, off);
    return last && what < 5;
}

/* Nothing is left that says of the end of the log that it had been synced: then it counts as never acknowledged, and its numbers as never seen. */
enum { TAIL = 1, INDEX = 2 };

static int note_tail(void *arg, const cubby_finding *f)
{
    *(int *)arg |= (strncmp(f->code, "TAIL_", 5) == 0 ? TAIL : 0) | (strncmp(f->code, "INDEX_", 6) == 0 ? INDEX : 0);
    return ignore(NULL, f);
}

static int random_one(struct bed *sound, uint64_t seed)
{
    struct bed b;
    cubby_error err = {0};
    cubby_repair_result r;
    char why[200] = "";
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
    int check_rc = 0, told = 0, cut = 0;
    bed_copy(sound, &b);
    cubby_options o = bed_options(&b);
    for (uint64_t i = 1 + next_random(&x) % 6; i > 0; i--)
        cut |= hurt_at_random(&b, &x);
    int rc = cubby_repair(STORE, &o, CUBBY_CHECK_FULL, note_tail, ignore, &told, &r, &err);
    struct findings f = bed_check(&b, CUBBY_CHECK_FULL, &check_rc);
    int unproven = told & TAIL || (told & INDEX && cut), bad = rc || check_rc || f.count || r.left;
    if (!bad) {
        bed_compare(&b, why);
        if (!*why && !unproven)
            ask_clients(&b, why);
        bad = *why || !usable(&b);
    }
    if (bad)
        printf("# seed %llu: repair %d (%s: %s), left %lld, then%s %s\n", (unsigned long long)seed, rc, err.path, err.message, (long long)r.left, f.codes, why);
    bed_free(&b);
    return bad;
}

static void check_random(struct bed *sound)
{
    const char *count = getenv("CHECK_SEEDS"), *first = getenv("CHECK_SEED");
    unsigned long n = count ? strtoul(count, NULL, 10) : 150, from = first ? strtoul(first, NULL, 10) : 1, bad = 0;
    for (unsigned long i = 0; i < n; i++)
        bad += (unsigned long)random_one(sound, from + i);
    printf("%s - random damage: %lu stores repaired, %lu not\n", bad ? "not ok" : "ok", n - bad, bad);
    failures += bad != 0;
}

int main(int argc, char **argv)
{
    struct bed sound;
    char why[200] = "";
    if (argc > 1 && strcmp(argv[1], "--codes") == 0) {
        for (size_t i = 0; i < breakage_count; i++)
            puts(breakages[i].code);
        return 0;
    }
    bed_make(&sound);
    int whole = bed_compare(&sound, why);
    uint64_t state = bed_state(&sound);
    uint32_t uidvalidity = bed_uidvalidity(&sound, "INBOX");
    check_sound(&sound);
    for (size_t i = 0; i < breakage_count; i++) {
        struct bed b;
        if (argc > 1 && !strstr(breakages[i].how, argv[1]) && !strstr(breakages[i].code, argv[1]))
            continue;
        if (getenv("CHECK_VERBOSE"))
            printf("# ==== %s: %s\n", breakages[i].code, breakages[i].how);
        bed_copy(&sound, &b);
        breakages[i].hurt(&b);
        if (breakages[i].note)
            check_note(&b, &breakages[i]);
        else
            check_one(&b, &breakages[i], whole, state, uidvalidity);
        fflush(stdout);
        bed_free(&b);
    }
    if (argc == 1)
        check_random(&sound);
    bed_free(&sound);
    return failures != 0;
}
