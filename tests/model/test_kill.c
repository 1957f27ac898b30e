/* test_kill.c - writers that are killed at any moment. What was acknowledged is there, to the byte; what was not is there whole or not at all; no uid and
 * no modseq is given twice; the index adds nothing that the segments do not say.
 *
 * test_kill [SEED [SECONDS]], or CUBBY_SEED. What it did is added to the totals of a soak. */
#include "model/notes.h"
#include "soak.h"

static const char *dir;

/* A sync takes its time, so that many are killed with a commit written and not yet published. */
static int slow_sync(void *ctx, cubby_file *f)
{
    usleep(150);
    return cubby_vfs_posix()->sync(ctx, f);
}

static void small_options(cubby_options *o, uint64_t *r)
{
    static cubby_vfs slow;
    *o = (cubby_options)CUBBY_OPTIONS_INIT;
    slow = *cubby_vfs_posix();
    slow.sync = slow_sync;
    o->vfs = below(r, 2) ? &slow : NULL;
    o->segment_bytes = below(r, 2) ? 8192 : 0;
    o->checkpoint_bytes = below(r, 2) ? 2048 : 0;
    o->cache_bytes = 65536;
}

static void __attribute__((noreturn)) write_until_killed(uint64_t seed)
{
    struct writer w = {.rng = seed};
    cubby_options o;
    small_options(&o, &w.rng);
    for (;;) {
        w.s = open_store(store_dir, &o);
        MUST(w.s, cubby_message_new(w.s, &w.message));
        for (uint64_t i = 200 + below(&w.rng, 400); i; i--)
            one_commit(&w);
        cubby_message_free(&w.message);
        close_store(&w.s);
    }
}

/* ---- a reader: every snapshot agrees with itself, and none is older than the one before ---- */

static uint64_t read_once(cubby_store *s, uint64_t *r)
{
    cubby_snapshot *snap;
    cubby_folder f;
    cubby_scan *scan;
    const cubby_row *row;
    uint64_t messages = 0, bytes = 0, highest = 0;
    int rc;
    MUST(s, cubby_snapshot_begin(s, &snap));
    MUST(s, cubby_folder_get(snap, inbox, &f));
    MUST(s, cubby_scan_open(snap, inbox, NULL, &scan));
    while ((rc = cubby_scan_next(scan, &row)) == 0) {
        messages++;
        bytes += row->size;
        highest = row->modseq > highest ? row->modseq : highest;
        if (below(r, 16) == 0) {
            cubby_reader *reader;
            MUST(s, cubby_reader_open(snap, inbox, row->uid, &reader));
            MUST(s, cubby_reader_verify(reader));
            cubby_reader_close(&reader);
        }
    }
    if (rc != CUBBY_DONE)
        die_call(__FILE__, __LINE__, "cubby_scan_next", rc, s);
    CHECK(messages == f.messages && bytes == f.bytes && highest <= f.highestmodseq, "a reader's snapshot does not agree with itself");
    uint64_t modseq = cubby_snapshot_modseq(snap);
    CHECK(f.highestmodseq <= modseq, "highestmodseq %" PRIu64 " is above the snapshot's %" PRIu64, f.highestmodseq, modseq);
    cubby_scan_close(&scan);
    cubby_snapshot_end(&snap);
    return modseq;
}

static void __attribute__((noreturn)) read_until_killed(uint64_t seed)
{
    cubby_options o;
    uint64_t r = seed, last = 0;
    small_options(&o, &r);
    cubby_store *s = open_store(store_dir, &o);
    for (;;) {
        uint64_t now = read_once(s, &r);
        CHECK(now >= last, "a reader sees %" PRIu64 " after %" PRIu64, now, last);
        last = now;
        atomic_fetch_add(&board->reads, 1);
        usleep(200);
    }
}

static void kill_child(pid_t pid)
{
    int status;
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "seed %" PRIu64 ": a child ended with status %d", base_seed, status);
    kills++;
}

static void check_closed(const char *mode)
{
    static struct text before, after;
    cubby_options o;
    small_options(&o, &rng);
    cubby_store *s = open_store(store_dir, &o);
    must_follow(s, mode);
    if (below(&rng, 8) == 0) {
        dump_store(s, &before);
        close_store(&s);
        CHECK(unlink(index_file) == 0, "there is no index");
        s = open_store(store_dir, &o);
        dump_store(s, &after);
        must_equal(&before, &after, "without the index");
    }
    close_store(&s);
    if (below(&rng, 16) == 0)
        check_store(store_dir, 0, mode);
}

/* ---- rounds ---- */

static void wait_a_moment(void)
{
    static const useconds_t spans[] = {100, 1000, 6000};
    usleep((useconds_t)below(&rng, spans[below(&rng, 3)]) + (SANITIZED ? 3000 : 300));
}

static void one_writer(void)
{
    pid_t w = start(write_until_killed, next_random(&rng));
    wait_a_moment();
    kill_child(w);
    check_closed("one writer");
}

/* Recovery while somebody is attached: a writer takes over from one that was killed, and at last the parent does. */
static void with_reader(void)
{
    pid_t r = start(read_until_killed, next_random(&rng));
    for (int i = 1 + (int)below(&rng, 4); i; i--) {
        pid_t w = start(write_until_killed, next_random(&rng));
        wait_a_moment();
        kill_child(w);
    }
    struct writer me = {.rng = next_random(&rng)};
    cubby_options o;
    small_options(&o, &rng);
    me.s = open_store(store_dir, &o);
    MUST(me.s, cubby_message_new(me.s, &me.message));
    one_commit(&me);
    must_follow(me.s, "with a reader");
    cubby_message_free(&me.message);
    close_store(&me.s);
    kill_child(r);
    check_closed("with a reader, closed");
}

static void two_writers(void)
{
    pid_t a = start(write_until_killed, next_random(&rng)), b = start(write_until_killed, next_random(&rng));
    wait_a_moment();
    kill_child(a);
    wait_a_moment();
    kill_child(b);
    check_closed("two writers");
}

/* A new store now and then: with many segments a round takes long. */
static void renew(void)
{
    check_store(store_dir, CUBBY_CHECK_FULL, "before a new store");
    remove_tree(store_dir);
    create();
}

static void rounds(const char *name, void (*round)(void), double until)
{
    uint64_t before = kills;
    int n = 0;
    for (; seconds() < until; n++) {
        round();
        if (n % 30 == 29)
            renew();
    }
    renew();
    CHECK(kills > before, "%s: nobody was killed", name);
    printf("ok - %s: %" PRIu64 " kills in %d rounds\n", name, kills - before, n);
    fflush(stdout);
}

static void report(void)
{
    struct soak soak;
    uint64_t reads = (uint64_t)atomic_load(&board->reads);
    printf("# %" PRIu64 " of %" PRIu64 " kills hit a commit under way; %" PRIu64 " messages compared; %" PRIu64 " snapshots read beside\n", under_way, kills, compared,
           reads);
    if (!soak_begin(&soak, "kill"))
        return;
    *soak_total(&soak, "kills") += kills;
    *soak_total(&soak, "kills_within_commits") += under_way;
    *soak_total(&soak, "verified_reads") += compared;
    *soak_total(&soak, "snapshots") += reads;
    CHECK(soak_save(&soak) == 0, "cannot write %s", soak.path);
}

int main(int argc, char **argv)
{
    const char *env = getenv("CUBBY_SEED");
    base_seed = rng = argc > 1 ? strtoull(argv[1], NULL, 0) : env ? strtoull(env, NULL, 0) : 1;
    double span = argc > 2 ? atof(argv[2]) : 4, now = seconds();
    dir = scratch_dir("kill");
    printf("# seed %" PRIu64 ", %.0f s; again with: test_kill %" PRIu64 " %.0f (the moments differ)\n", base_seed, span, base_seed, span);
    begin_notes(dir);
    create();
    rounds("one writer killed", one_writer, now + span / 3);
    rounds("writers killed beside a reader", with_reader, now + span * 2 / 3);
    rounds("two writers killed", two_writers, now + span);
    report();
    remove_tree(dir);
    return 0;
}
