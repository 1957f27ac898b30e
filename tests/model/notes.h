/* notes.h - writers that may end at any moment, and what must be there afterwards.
 *
 * Writers note what they are about to do, and that it was acknowledged, in memory that outlives them. After their end the parent applies the notes to
 * what it knew; of each writer at most one note has no acknowledgement, and that one may count or not. For one test program: it has state. */
#ifndef CUBBY_TESTS_NOTES_H
#define CUBBY_TESTS_NOTES_H

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "model/common.h"

enum { NOTES = 1 << 16, ADDS = 3, ROWS = 4096, LIVE = 60 };

enum kind { ADD = 1, FLAG, EXPUNGE, COPY };

struct note {
    enum kind kind;
    uint32_t count; /* of an ADD */
    int lazy;
    uint64_t number, seed[ADDS];
    uint32_t first, last, flags;
    atomic_int acknowledged; /* -1: the commit changed nothing */
    int before_cut;          /* the same, when the power was about to go */
    uint64_t begun_at, ended_at; /* by clock_of_notes, if there is one */
};

/* Shared with the children. */
struct board {
    atomic_uint count;
    atomic_int reads; /* of readers, for the record */
    struct note note[NOTES];
};

struct row {
    uint64_t seed, modseq, created;
    uint32_t uid, flags;
};

struct state {
    uint64_t number, uidnext;
    size_t count;
    struct row row[ROWS];
};

static struct board *board;
static char store_dir[800], index_file[820];
static struct state known;
static uint64_t base_seed, rng, kills, inbox;
static uint64_t under_way, compared; /* for the record: commits without an answer, whose writer was killed; messages that were read and are what came in */
static struct mail mail;
static uint64_t (*clock_of_notes)(void);
static int power_cut; /* not a kill: lazy commits that no sync followed may be gone */

/* Where the store is; and the board. */
static void begin_notes(const char *base)
{
    snprintf(store_dir, sizeof store_dir, "%s/store", base);
    snprintf(index_file, sizeof index_file, "%s/index", store_dir);
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(board != MAP_FAILED, "mmap: %s", strerror(errno));
}

static void create(void)
{
    cubby_snapshot *snap;
    cubby_folder f;
    cubby_options o = CUBBY_OPTIONS_INIT;
    o.flags = CUBBY_CREATE;
    cubby_store *s = open_store(store_dir, &o);
    MUST(s, cubby_snapshot_begin(s, &snap));
    MUST(s, cubby_folder_find(snap, CUBBY_ROOT, "INBOX", 5, &f));
    inbox = f.id;
    known = (struct state){.number = cubby_snapshot_modseq(snap), .uidnext = 1};
    cubby_snapshot_end(&snap);
    close_store(&s);
}

/* ---- a writer ---- */

struct writer {
    cubby_store *s;
    cubby_message *message;
    uint64_t rng;
};

static struct note *new_note(enum kind kind)
{
    unsigned i = atomic_load(&board->count);
    CHECK(i < NOTES, "too many notes");
    struct note *n = &board->note[i];
    memset(n, 0, sizeof *n);
    n->kind = kind;
    n->begun_at = clock_of_notes ? clock_of_notes() : 0;
    return n;
}

static void add_messages(struct writer *w, cubby_txn *txn, struct note *n)
{
    cubby_add_options o = CUBBY_ADD_INIT;
    uint32_t uid;
    o.flags = n->flags = (uint32_t)below(&w->rng, 32);
    for (uint32_t i = 0; i < n->count; i++) {
        cubby_message_reset(w->message);
        make_mail(n->seed[i], 0, &mail);
        MUST(w->s, cubby_message_write(w->message, mail.data, mail.len));
        MUST(w->s, cubby_message_finish(w->message));
        MUST(w->s, cubby_add(txn, inbox, w->message, &o, &uid));
        n->first = i ? n->first : uid;
    }
}

static enum kind choose(struct writer *w, const cubby_folder *f)
{
    uint64_t d = below(&w->rng, 20);
    if (f->messages > LIVE)
        return EXPUNGE;
    return d < 9 ? ADD : d < 15 ? FLAG : d < 17 ? COPY : EXPUNGE;
}

/* Inside a transaction, so that the numbers are those that will count. The note is complete before it is on the board. */
static void one_commit(struct writer *w)
{
    cubby_txn *txn;
    cubby_folder f;
    cubby_uidset *set;
    uint64_t modseq, lazy = below(&w->rng, 4) == 0;
    MUST(w->s, cubby_txn_begin(w->s, lazy ? CUBBY_LAZY : 0, &txn));
    MUST(w->s, cubby_folder_get(cubby_txn_snapshot(txn), inbox, &f));
    struct note *n = new_note(lazy ? FLAG : choose(w, &f));
    n->number = cubby_txn_modseq(txn);
    n->lazy = (int)lazy;
    n->flags = (uint32_t)below(&w->rng, 32);
    n->count = 1 + (uint32_t)below(&w->rng, ADDS);
    for (int i = 0; i < ADDS; i++)
        n->seed[i] = next_random(&w->rng);
    n->last = (uint32_t)f.uidnext;
    n->first = n->last - (uint32_t)below(&w->rng, n->last < 80 ? n->last : 80);
    n->last = n->kind == EXPUNGE && f.messages <= LIVE ? n->first + (uint32_t)below(&w->rng, 4) : n->kind == COPY ? n->first + 1 : n->last;
    n->first = n->kind == EXPUNGE && f.messages > LIVE ? 1 : n->first;
    MUST(w->s, cubby_uidset_new(&set));
    MUST(w->s, cubby_uidset_add(set, n->first, n->last));
    if (n->kind == ADD)
        add_messages(w, txn, n);
    else if (n->kind == FLAG)
        MUST(w->s, cubby_flag(txn, inbox, set, CUBBY_FLAGS_REPLACE, n->flags, NULL, 0, NULL));
    else if (n->kind == COPY)
        MUST(w->s, cubby_copy(txn, inbox, set, inbox, NULL, NULL));
    else
        MUST(w->s, cubby_expunge(txn, inbox, set, 0, NULL));
    cubby_uidset_free(&set);
    atomic_fetch_add(&board->count, 1);
    MUST(w->s, cubby_txn_commit(&txn, &modseq));
    CHECK(modseq <= n->number, "commit %" PRIu64 " says that it is %" PRIu64, n->number, modseq);
    n->ended_at = clock_of_notes ? clock_of_notes() : 0;
    atomic_store(&n->acknowledged, modseq == n->number ? 1 : -1);
}

/* ---- processes ---- */

static pid_t start(void (*what)(uint64_t), uint64_t seed)
{
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* none outlives a test that fails */
        what(seed);
    }
    return pid;
}

/* ---- what must be there ---- */

static void apply_add(struct state *st, const struct note *n)
{
    for (uint32_t i = 0; i < n->count; i++) {
        CHECK(st->count < ROWS, "too many rows");
        st->row[st->count++] = (struct row){n->seed[i], n->number, n->number, (uint32_t)st->uidnext++, n->flags};
    }
}

static void apply_rest(struct state *st, const struct note *n)
{
    size_t kept = 0, before = st->count;
    for (size_t i = 0; i < before; i++) {
        struct row r = st->row[i];
        int in = r.uid >= n->first && r.uid <= n->last;
        if (in && n->kind == FLAG && r.flags != n->flags) {
            r.flags = n->flags;
            r.modseq = n->number;
        }
        if (in && n->kind == COPY)
            st->row[st->count++] = (struct row){r.seed, n->number, n->number, (uint32_t)st->uidnext++, r.flags};
        if (!in || n->kind != EXPUNGE)
            st->row[kept++] = r;
    }
    if (n->kind == EXPUNGE)
        st->count = kept;
}

/* 0: these notes cannot all be true. */
static int apply(struct state *st, const struct note *const *notes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct note *n = notes[i];
        if (n->number <= st->number || (n->kind == ADD && n->first != st->uidnext))
            return 0;
        st->number = n->number;
        if (n->kind == ADD)
            apply_add(st, n);
        else
            apply_rest(st, n);
    }
    return 1;
}

static void read_state(cubby_store *s, struct state *st)
{
    cubby_snapshot *snap;
    cubby_folder f;
    cubby_scan *scan;
    const cubby_row *row;
    MUST(s, cubby_snapshot_begin(s, &snap));
    MUST(s, cubby_folder_get(snap, inbox, &f));
    MUST(s, cubby_scan_open(snap, inbox, NULL, &scan));
    st->number = cubby_snapshot_modseq(snap);
    st->uidnext = f.uidnext;
    st->count = 0;
    while (cubby_scan_next(scan, &row) == 0 && st->count < ROWS)
        st->row[st->count++] = (struct row){0, row->modseq, row->created_modseq, row->uid, row->flags};
    CHECK(f.messages == st->count, "%zu rows, the folder says %" PRIu64, st->count, f.messages);
    cubby_scan_close(&scan);
    cubby_snapshot_end(&snap);
}

static int same(const struct state *want, const struct state *got)
{
    if (want->number != got->number || want->uidnext != got->uidnext || want->count != got->count)
        return 0;
    for (size_t i = 0; i < got->count; i++) {
        const struct row *a = &want->row[i], *b = &got->row[i];
        if (a->uid != b->uid || a->flags != b->flags || a->modseq != b->modseq || a->created != b->created)
            return 0;
    }
    return 1;
}

/* 0, or the first uid that is another message. */
static uint32_t other_content(cubby_store *s, const struct state *st)
{
    static char buf[1 << 20];
    cubby_snapshot *snap;
    cubby_reader *reader;
    size_t got;
    uint32_t uid = 0;
    MUST(s, cubby_snapshot_begin(s, &snap));
    for (size_t i = 0; i < st->count && !uid; i++) {
        make_mail(st->row[i].seed, 0, &mail);
        MUST(s, cubby_reader_open(snap, inbox, st->row[i].uid, &reader));
        MUST(s, cubby_reader_verify(reader));
        MUST(s, cubby_reader_read(reader, 0, buf, sizeof buf, &got));
        if (got != mail.len || (got && memcmp(buf, mail.data, got) != 0))
            uid = st->row[i].uid;
        compared++;
        cubby_reader_close(&reader);
    }
    cubby_snapshot_end(&snap);
    return uid;
}

static int note_order(const void *a, const void *b)
{
    const struct note *x = *(const struct note *const *)a, *y = *(const struct note *const *)b;
    return x->number != y->number ? (x->number > y->number) - (x->number < y->number) : (x > y) - (x < y);
}

/* Is its outcome known? After a power cut only if it was acknowledged before, and not lazily with no sync behind it. */
static int is_settled(const struct note *n, uint64_t durable)
{
    if (power_cut)
        return n->before_cut == -1 || (n->before_cut == 1 && n->number <= durable);
    return atomic_load(&n->acknowledged) != 0;
}

static uint64_t last_durable(void)
{
    uint64_t last = 0;
    for (unsigned i = atomic_load(&board->count); i-- > 0;) {
        const struct note *n = &board->note[i];
        if (!n->lazy && (power_cut ? n->before_cut : atomic_load(&n->acknowledged)) == 1 && n->number > last)
            last = n->number;
    }
    return last;
}

/* Tries all ways in which the notes without acknowledgement may have gone. Leaves what is there in `known`. */
static void must_follow(cubby_store *s, const char *mode)
{
    static const struct note *all[NOTES], *some[NOTES];
    static struct state got, want;
    size_t count = 0, open_count = 0;
    uint32_t uid = 0;
    unsigned on_board = atomic_load(&board->count);
    uint64_t durable = last_durable();
    for (unsigned i = 0; i < on_board; i++)
        if (atomic_load(&board->note[i].acknowledged) >= 0) {
            all[count++] = &board->note[i];
            open_count += !is_settled(&board->note[i], durable);
        }
    qsort(all, count, sizeof *all, note_order);
    CHECK(power_cut || open_count < 6, "seed %" PRIu64 ", %s: %zu notes without an answer", base_seed, mode, open_count);
    read_state(s, &got);
    /* Of one writer that lost its power only the first so many of them can be there; of several that were killed, any. */
    size_t ways = power_cut ? open_count + 1 : (size_t)1 << open_count;
    for (size_t way = 0; way < ways; way++) {
        size_t n = 0, seen = 0;
        for (size_t i = 0; i < count; i++) {
            int open = !is_settled(all[i], durable), in = !open || (power_cut ? seen < way : way >> seen & 1);
            seen += (size_t)open;
            if (in)
                some[n++] = all[i];
        }
        want = known;
        if (!apply(&want, some, n) || !same(&want, &got) || (uid = other_content(s, &want)) != 0)
            continue; /* two that were killed may have been about to do much the same */
        known = want;
        under_way += open_count;
        atomic_store(&board->count, 0);
        return;
    }
    CHECK(!uid, "seed %" PRIu64 ", %s: uid %u is not what was stored", base_seed, mode, uid);
    uint64_t last = count ? all[count - 1]->number : 0;
    die("seed %" PRIu64 ", %s, after %" PRIu64 " kills: the store has %zu messages, uidnext %" PRIu64 ", modseq %" PRIu64 ", which is not what %zu notes"
        " up to %" PRIu64 " (%zu open) make of %zu messages, uidnext %" PRIu64 ", modseq %" PRIu64 "; it is in %s",
        base_seed, mode, kills, got.count, got.uidnext, got.number, count, last, open_count, known.count, known.uidnext, known.number, store_dir);
}

#endif
