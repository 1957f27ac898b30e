/* fault_table.h - a table of cubby_vfs.h over another one, in which one call, or all from one on, go wrong in a given way; and an allocator that does
 * the same. What the table below allocates is not counted and never fails. */
#ifndef CUBBY_TESTS_FAULT_TABLE_H
#define CUBBY_TESTS_FAULT_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "cubby_vfs.h"

enum fault_kind {
    F_EIO, F_ENOSPC,
    F_HALF, /* a write or read does half of it, then EIO; other calls: EIO */
    F_DONE, /* the call does what it should, and says EIO: writes, syncs and changes of names; others: EIO */
    F_EDQUOT, F_EINTR, F_EAGAIN, F_EMFILE, F_ENOMEM, F_EACCES,
    FAULTS
};

struct fault_name {
    const char *name;
    int neg_errno;
};
extern const struct fault_name fault_names[FAULTS];

/* What the counter looks at. */
enum fault_calls { ALL_CALLS, SYNC_CALLS };

struct fault_table;

/* Called for every call that is counted, before it goes its way, if a test sets it. An allocation: "heap" "". */
extern void (*fault_watch)(const char *call, const char *path);

struct fault_table *fault_table_new(const cubby_vfs *under);
void fault_table_free(struct fault_table **t);
const cubby_vfs *fault_table_vfs(struct fault_table *t);
/* From now on call number n (from 1) goes wrong, or with forever all from there on. n 0: none, but they are counted. */
void fault_arm(struct fault_table *t, enum fault_calls which, uint64_t n, enum fault_kind kind, int forever);
void fault_disarm(struct fault_table *t);
/* A sync that is to fail is handed down all the same, behind a call of fn, which makes the disk below lose what a failed sync loses: else a later sync would
 * vouch for it. NULL: it is not. */
void fault_before_sync(struct fault_table *t, void (*fn)(void *arg, int neg_errno), void *arg);
uint64_t fault_hits(const struct fault_table *t);  /* since it was armed last */
uint64_t fault_calls(const struct fault_table *t); /* counted since then */
const char *fault_what(const struct fault_table *t); /* the first call that went wrong: "write /store/index" */

/* ---- memory ---- */

void heap_install(void);
void heap_arm(uint64_t n, int forever); /* n 0: none fails, but they are counted */
void heap_disarm(void);
uint64_t heap_hits(void);
uint64_t heap_calls(void);
uint64_t heap_live(void); /* allocations that were not freed, of all there ever were */
void heap_pause(int on);  /* nests: what is done between is not counted and does not fail */

#endif
