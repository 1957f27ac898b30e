/* test_renew.c - one sync of the index fails, and the writer goes on: to a copy of it, and to the checkpoints of that. The power is cut behind every operation,
 * or the process is killed there: what was acknowledged is there, the store takes more, and a check finds nothing.
 *
 * usage: test_renew [-n STATES]   -n: disks looked at behind each operation (CUBBY_RENEW, 10) */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash/sim_disk.h"
#include "cubby.h"

enum { MAILS = 24, EVERY = 7, SEED = 5 };

struct run {
    struct sim *sim;
    struct sim_seen *seen;
    uint64_t syncs[200]; /* of the index, by number of the operation */
    size_t sync_count;
    uint64_t fails; /* the one that does; 0: none */
    uint32_t acked, copies;
    unsigned states_max;
    uint64_t states;
};

static void __attribute__((noreturn)) wrong(const struct run *r, const char *id, const char *what, int rc)
{
    printf("not ok - renew: sync %" PRIu64 ", operation %" PRIu64 ", %s, %u acknowledged: %s (%d)\n", r->fails, sim_ops(r->sim), id, r->acked, what, rc);
    exit(1);
}

static cubby_options options(struct sim *sim)
{
    cubby_options o = CUBBY_OPTIONS_INIT;
    o.vfs = sim_vfs(sim);
    o.checkpoint_bytes = 1500;
    o.segment_bytes = 8192;
    return o;
}

static int append(cubby_store *s, uint32_t uid)
{
    char text[400];
    cubby_message *m = NULL;
    cubby_txn *t = NULL;
    cubby_add_options o = CUBBY_ADD_INIT;
    int n = snprintf(text, sizeof text, "From: a@example.org\nSubject: number %u\n\n%0200u\n", uid, uid);
    o.uid = uid;
    int rc = cubby_message_new(s, &m);
    if (rc == 0)
        rc = cubby_message_write(m, text, (size_t)n);
    if (rc == 0)
        rc = cubby_message_finish(m);
    if (rc == 0)
        rc = cubby_txn_begin(s, 0, &t);
    if (rc == 0)
        rc = cubby_add(t, 1, m, &o, &uid);
    if (rc == 0)
        rc = cubby_txn_commit(&t, NULL);
    cubby_txn_abort(&t);
    cubby_message_free(&m);
    return rc;
}

static int is_there(cubby_store *s, uint32_t uid)
{
    char text[400], want[32];
    cubby_snapshot *snap = NULL;
    cubby_reader *reader = NULL;
    size_t n = 0;
    int rc = cubby_snapshot_begin(s, &snap);
    if (rc == 0)
        rc = cubby_reader_open(snap, 1, uid, &reader);
    if (rc == 0)
        rc = cubby_reader_read(reader, 0, text, sizeof text - 1, &n);
    cubby_reader_close(&reader);
    cubby_snapshot_end(&snap);
    text[n] = '\0';
    snprintf(want, sizeof want, "Subject: number %u\n", uid);
    return rc == 0 ? strstr(text, want) ? 1 : CUBBY_ECORRUPT : rc == CUBBY_DONE ? 0 : rc;
}

static int on_finding(void *arg, const cubby_finding *f)
{
    if (f->severity != CUBBY_NOTE)
        snprintf(arg, 200, "the check finds %s: %.150s", f->code, f->detail);
    return 0;
}

/* Both slots of the old file lead to whole pages (X7 in index.c), and all of the new one is on the disk before it has the name. */
static void on_notice(void *arg, const char *line)
{
    if (strstr(line, "index") && (strstr(line, "damage") || strstr(line, "cannot be used")))
        snprintf(arg, 200, "%.190s", line);
}

/* A process that comes now. */
static void look(struct run *r, struct sim *disk, const char *id)
{
    char found[200] = "";
    cubby_store *s;
    cubby_error e;
    cubby_check_result result;
    cubby_options o = options(disk);
    o.notice = on_notice;
    o.notice_arg = found;
    int rc = cubby_open("/store", &o, &s, &e);
    if (rc != 0)
        wrong(r, id, e.message, rc);
    if (found[0])
        wrong(r, id, found, 0);
    for (uint32_t u = 1; u <= r->acked; u++)
        if ((rc = is_there(s, u)) != 1)
            wrong(r, id, "an acknowledged message is not there", rc);
    int more = is_there(s, r->acked + 1);
    if (more < 0 || is_there(s, r->acked + 2) != 0)
        wrong(r, id, "what is there was never written", more);
    if ((rc = append(s, r->acked + 2)) != 0)
        wrong(r, id, "no more mail", rc);
    if ((rc = cubby_close(&s)) != 0)
        wrong(r, id, "close", rc);
    if (r->states++ % EVERY)
        return;
    rc = cubby_check("/store", &o, CUBBY_CHECK_FULL, on_finding, found, &result, &e);
    if (rc != 0 || found[0])
        wrong(r, id, found, rc);
}

static int on_state(void *arg, struct sim *image, const char *id)
{
    look(arg, image, id);
    return 0;
}

static void on_op(void *arg, struct sim *sim, const struct sim_op *op)
{
    struct run *r = arg;
    if (!r->fails) {
        if (strcmp(op->kind, "sync") == 0 && strcmp(op->path, "/store/index") == 0 && r->sync_count < sizeof r->syncs / sizeof *r->syncs)
            r->syncs[r->sync_count++] = op->n;
        return;
    }
    r->copies += op->rc == 0 && strcmp(op->kind, "rename") == 0 && strcmp(op->path, "/store/tmp/new-index") == 0;
    if (op->n < r->fails)
        return;
    struct sim_states_options o = {.max_states = r->states_max, .seed = op->n, .seen = r->seen, .salt = r->acked};
    sim_states(sim, &o, on_state, r);
    struct sim *killed = sim_copy(sim);
    look(r, killed, "killed");
    sim_free(&killed);
}

/* copies: of the index that must be made, at least. */
static void play(struct run *r, uint64_t fails, uint32_t copies)
{
    cubby_store *s;
    cubby_error e;
    r->sim = sim_new(SEED);
    r->seen = sim_seen_new();
    r->fails = fails;
    r->acked = r->copies = 0;
    cubby_options o = options(r->sim);
    int rc = cubby_create("/store", &o, &e);
    if (rc == 0)
        rc = cubby_open("/store", &o, &s, &e);
    if (rc != 0)
        wrong(r, "at first", e.message, rc);
    sim_on_op(r->sim, on_op, r);
    if (fails)
        sim_fail_at(r->sim, fails, -EIO, SIM_ONCE);
    for (uint32_t u = 1; u <= MAILS; u++) {
        if ((rc = append(s, u)) != 0)
            wrong(r, "alive", "append", rc);
        r->acked = u;
    }
    rc = cubby_close(&s);
    if (rc != 0)
        wrong(r, "alive", "close", rc);
    sim_on_op(r->sim, NULL, NULL);
    if (fails && (r->copies < copies || r->copies > 1))
        wrong(r, "alive", "copies", (int)r->copies);
    sim_seen_free(&r->seen);
    sim_free(&r->sim);
}

int main(int argc, char **argv)
{
    static struct run r;
    const char *env = getenv("CUBBY_RENEW");
    r.states_max = env ? (unsigned)atoi(env) : 10;
    for (int c; (c = getopt(argc, argv, "n:")) != -1;)
        if (c == 'n')
            r.states_max = (unsigned)atoi(optarg);
    play(&r, 0, 0);
    uint64_t syncs[200];
    memcpy(syncs, r.syncs, sizeof syncs);
    size_t n = r.sync_count;
    for (size_t i = 0; i < n; i++) /* so late that none may be due any more behind the second half */
        play(&r, syncs[i], i < n / 2);
    printf("ok - renew: %zu syncs of the index failed, each once; %" PRIu64 " disks looked at\n", n, r.states);
    return n < 2;
}
