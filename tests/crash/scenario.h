/* scenario.h - what stores live through: the one list of scenarios that the tests of power cuts, kills, failing calls and failing memory share,
 * and the one function that says what must hold afterwards.
 *
 * A scenario is steps over the public interface. Its first run, on a sound disk, is recorded: the oracle holds the state behind every commit. In
 * any later run, which may be cut off or made to fail anywhere, struct play knows what was acknowledged, and play_check compares.
 *
 *     struct oracle *o = oracle_record(scenario, seed);              // on a simulated disk of its own
 *     struct play p;
 *     play_begin(&p, scenario, o, vfs, seed);
 *     play_setup(&p);                                                // what the scenario finds: nothing fails here
 *     ...arm faults...
 *     play_run(&p);                                                  // p.rc: the first step that failed, p.step its name
 *     play_end(&p);                                                  // closes all handles, as a program would
 *     if (p.wrong[0] || play_check(&p, vfs, CHECK_FULL, why, sizeof why) != 0) ...
 *
 * Every step does nothing once p->rc is set, frees what it had, and leaves p->state as the caller of the library knows it: what was acknowledged is
 * there, what was not may be there only while it is under way or its outcome is unknown. */
#ifndef CUBBY_TESTS_SCENARIO_H
#define CUBBY_TESTS_SCENARIO_H

#include <stddef.h>
#include <stdint.h>

#include "crash/scenario_proc.h"
#include "cubby.h"

#define PLAY_STORE "/store"

enum { PLAY_COMMITS_MAX = 120, PLAY_HANDLES = 3, PLAY_SNAPS = 2 };

struct play;

struct scenario {
    const char *name;
    void (*setup)(struct play *p); /* NULL: an empty store, open as handle 0 */
    void (*run)(struct play *p);
    uint64_t segment_bytes;        /* options of all handles; 0: the defaults */
    uint32_t checkpoint_bytes;
    unsigned share;                /* how many states a power cut test looks at, in hundredths of what it is asked for; 0: 100 */
    int damages;                   /* 1: it spoils the index itself, so that a notice of damage is in order */
};

/* All of them; *count entries. Static. */
const struct scenario *scenario_table(size_t *count);
const struct scenario *scenario_find(const char *name); /* NULL: none */

/* ---- the state of a store as text ---- */

struct dump {
    char *text; /* NUL-terminated; NULL before the first dump_store */
    size_t len, cap;
};

/* The whole logical state: folders with counters, messages with every byte read and hashed, changes, keywords, subscriptions. A failing call is returned. */
int dump_store(cubby_store *s, struct dump *d);
int dump_snapshot(cubby_snapshot *snap, struct dump *d);
void dump_free(struct dump *d);
/* The same but for save dates, which a clock that failing calls moved may change. */
int dump_same(const struct dump *a, const struct dump *b);
/* The first line that differs, for a message: "expected '...', found '...'". */
void dump_difference(const struct dump *expected, const struct dump *found, char *out, size_t size);

/* ---- what is known ---- */

struct oracle {
    struct dump after[PLAY_COMMITS_MAX]; /* by number of commits that were acknowledged; 0: of the empty store */
    int commits;
};

/* Plays the scenario on a simulated disk. NULL: it fails; why says how. Owner: the caller. */
struct oracle *oracle_record(const struct scenario *sc, uint64_t seed, char *why, size_t size);
void oracle_free(struct oracle **o);

enum { MADE_NOT = 0, MADE_PERHAPS = 1, MADE = 2 };

/* What the caller of the library was told. */
struct play_state {
    int made;              /* the store */
    int commits;           /* acknowledged */
    int loose;             /* of these the last ones, lazy, that a power cut may take; a kill may not */
    int under_way;         /* 1: one more commit may be there: it is being made, or its outcome is unknown */
    uint64_t uidnext;      /* of INBOX, the highest seen */
    uint64_t modseq;       /* the highest seen, of lazy commits too */
};

struct play {
    const struct scenario *scenario;
    const struct oracle *oracle; /* NULL: this run is being recorded */
    struct oracle *recording;
    const cubby_vfs *vfs;
    uint64_t seed;
    struct play_state state;
    int rc;                      /* of the first step that failed */
    const char *step;            /* its name */
    cubby_error error;
    char wrong[1024];            /* what must not be was seen; "" if nothing */
    struct proc *procs[PLAY_HANDLES];
    cubby_store *stores[PLAY_HANDLES];
    cubby_store *store;          /* of stores, which the steps use */
    cubby_snapshot *snaps[PLAY_SNAPS];
    struct dump snap_dumps[PLAY_SNAPS];
    cubby_txn *txn;              /* between txn_begin and txn_commit */
    int txn_lazy, steps;
    uint64_t folder;             /* that play_folder_create made last */
};

void play_begin(struct play *p, const struct scenario *sc, const struct oracle *o, const cubby_vfs *vfs, uint64_t seed);
void play_setup(struct play *p);
void play_run(struct play *p);
void play_end(struct play *p); /* the state stays: for play_check */
void play_options(const struct play *p, const cubby_vfs *vfs, cubby_options *o);

/* ---- what must hold ---- */

enum {
    CHECK_STATE = 1,  /* I1 I2 I3 I4 I8 I10: opens, holds what was acknowledged and nothing that never was */
    CHECK_AGAIN = 2,  /* I7: a second open writes nothing but the index */
    CHECK_FSCK = 4,   /* I5: cubby_check finds nothing */
    CHECK_INDEX = 8,  /* I6: without the index file all is the same */
    CHECK_WRITE = 16, /* I9: one more message and folder, with a uid, modseq and uidvalidity that nobody has seen, still there in the next open; tmp/ is empty */
    CHECK_FULL = 31,
    CHECK_KILLED = 32, /* no power cut, only dead processes: lazy commits are there too */
    CHECK_LEFT = 128,  /* I5, and nothing else, of a disk as it was left, before anybody has recovered it: nothing changes */
    CHECK_QUIET = 64   /* I13: no disk ever failed, so nothing may be taken for damaged, not even the index */
};

/* Opens the store below vfs, as the first process after whatever happened, and checks. 0, or -1 with the invariant and the reason in why. */
int play_check(const struct play *p, const cubby_vfs *vfs, unsigned what, char *why, size_t size);
/* What an open store shows, though calls may fail: 0: it is a state that may be there; 1: it is not, see why; negative: it could not be read. */
int play_known(const struct play *p, cubby_store *s, unsigned what, char *why, size_t size);

/* ---- steps ---- */

#define INBOX 1u

/* Handles are processes: each has locks of its own, and dies alone. Handle i must be free; it becomes the one in use. */
void play_create(struct play *p);
void play_open(struct play *p, int i, unsigned flags);
void play_use(struct play *p, int i);
void play_close(struct play *p, int i);
void play_die(struct play *p, int i); /* kill -9, wherever it is, also within a transaction */
void play_reopen(struct play *p);     /* handle 0 */
void play_sync(struct play *p);
void play_checkpoint(struct play *p);

/* Steps that change something are a transaction of their own, unless they stand between these two. */
void play_txn_begin(struct play *p, unsigned flags);
void play_txn_commit(struct play *p);
void play_txn_abort(struct play *p);

struct play_mail {
    size_t body;                 /* bytes */
    int mime;                    /* 1: with an attachment in base64 */
    uint32_t flags, uid;         /* uid 0: the next */
    const char *keyword, *keyword2;
    uint64_t second;             /* also into this folder; 0: none */
};

void play_add(struct play *p, uint64_t folder, const struct play_mail *mail);
void play_append(struct play *p, uint64_t folder, size_t body);
void play_flag(struct play *p, uint64_t folder, const char *uids, int how, uint32_t flags, const char *keyword, unsigned lazy);
void play_expunge(struct play *p, uint64_t folder, const char *uids, int only_deleted);
void play_copy(struct play *p, uint64_t folder, const char *uids, uint64_t to);
void play_move(struct play *p, uint64_t folder, const char *uids, uint64_t to);
void play_recent(struct play *p, uint64_t folder);
void play_folder_create(struct play *p, uint64_t parent, const char *name); /* its id: p->folder */
void play_folder_rename(struct play *p, uint64_t id, uint64_t parent, const char *name);
void play_folder_delete(struct play *p, uint64_t id);
void play_special(struct play *p, uint64_t id, uint32_t use);
void play_subscribe(struct play *p, const char *path, size_t len, int on);
void play_annotate(struct play *p, uint64_t folder, const char *entry, size_t len); /* len bytes of something; 0: removes it */
void play_uidvalidity(struct play *p, uint64_t folder, uint32_t uidvalidity);

/* A snapshot, and what it showed; later it must still show that. */
void play_hold(struct play *p, int i);
void play_held(struct play *p, int i);    /* looks again */
void play_release(struct play *p, int i);
/* The handle in use shows the state behind the last commit. */
void play_look(struct play *p);
/* cubby_check beside whoever has the store open: nothing may be found. */
void play_fsck(struct play *p);
/* cubby_repair: what it found is put right. */
void play_repair(struct play *p);

/* Something went wrong in a step: kept if it is the first. */
void play_failed(struct play *p, int rc, const char *step);
/* The state of the store in use is that behind the commits so far: kept, if this run is recorded. */
void play_record(struct play *p);
void __attribute__((format(printf, 2, 3))) play_wrong(struct play *p, const char *fmt, ...);

/* ---- which calls a run made ---- */

/* The functions of cubby.h that change a store and were called since the last reset: a text of their names, each followed by a space. */
const char *play_calls(void);
void play_calls_reset(void);

#endif
