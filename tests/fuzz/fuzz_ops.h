/* fuzz_ops.h - the world of fuzz_ops.c: what operations there are, what is known of a run; what ops_world.c and ops_run.c do with it. */
#ifndef CUBBY_TESTS_FUZZ_OPS_H
#define CUBBY_TESTS_FUZZ_OPS_H

#include "crash/scenario.h"
#include "crash/sim_disk.h"
#include "fault/fault_table.h"
#include "fuzz/fuzz.h"

enum { OPS_MAX = 32, ADDS_MAX = 40, FOLDERS = 8, OP = 4 };

enum op {
    APPEND, APPEND_MIME, APPEND_WITH, FLAG, FLAG_LAZY, KEYWORD, EXPUNGE, COPY, MOVE, FOLDER_CREATE, FOLDER_RENAME, FOLDER_DELETE, PROPERTY, TXN, CHECKPOINT, SYNC,
    REOPEN, OPEN_SECOND, USE, CLOSE, DIE, HOLD, HELD, RELEASE, LOOK, CHECK, REBUILD, HARM_INDEX, REPAIR, CUT, KILL, FAIL, FAIL_HEAP, FAIL_DISK,
    OPS
};

/* What operations can name: ids of folders that were made at some time. */
struct names {
    uint64_t folders[FOLDERS];
    unsigned made, adds;
    int steps;
};

struct world {
    struct input in;
    struct scenario sc;
    struct play p;
    struct oracle *oracle;       /* of this epoch */
    struct sim *sim, *start;     /* start: as the epoch found it, if something fails later */
    struct input start_in;
    struct play_state start_state;
    struct names names, start_names;
    struct fault_table *faults;
    int ops, again;              /* again: nothing is armed */
    int armed, spent;            /* spent: this epoch did not go as without failures, and cannot be played again */
    int victim;                  /* the handle whose process is to be killed when it has made so many calls; -1: it was, closing */
    uint64_t kill_at;
    uint64_t fail_at;            /* that operation of the disk fails; 0: none */
    int index_lost;              /* a check removed it */
    int noisy;                   /* a disk failed: the index may be found damaged from then on, for one that was replaced may come back; what is not synced may be there in part */
    uint64_t cut_at;
    unsigned cut_how;
    struct sim *image;           /* what the power cut left */
    struct play_state image_state;
    int harmed, image_harmed;    /* the index has bytes that were never written to it, and no repair has seen to that */
};

/* ---- ops_world.c ---- */

void ops_story_begins(void);
const char *ops_story(void);
void ops_tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void ops_wrong(const struct world *w, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));

void ops_release_snapshots(struct world *w);
void ops_close(struct world *w, int i);
void ops_close_all(struct world *w);
int ops_any_open(const struct world *w);
int ops_in_use(const struct world *w); /* -1: none */
void ops_need_handle(struct world *w); /* a handle that can write is in use */

void ops_arm_cut(struct world *w, struct sim *s, const uint8_t *op);
void ops_take_image(struct world *w, struct sim *s, unsigned how); /* one of the disks that a power cut may leave now */
void ops_on_disk(void *arg, struct sim *s, const struct sim_op *op); /* sim_on_op: the power cut that is armed */

int ops_is_honest(int rc);
int ops_is_refusal(int rc);

/* ---- ops_run.c ---- */

void ops_do(struct world *w, const uint8_t *op);
void ops_die(struct world *w); /* kill -9, also within a transaction; others take over, or the next to open */
void ops_disarm(struct world *w);
int ops_hit(const struct world *w); /* what was armed has failed */
int ops_killed(const struct world *w); /* the process that was to be killed asked for more than it was granted */

#endif
