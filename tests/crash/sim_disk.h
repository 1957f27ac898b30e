/* sim_disk.h - a simulated disk: a cubby_vfs that remembers what a power cut may leave of it.
 *
 * What is on the disk for good is the durable part; everything done since is pending, operation by operation:
 *  - a write or truncate becomes durable with sync() of that file, and with nothing else;
 *  - a directory entry (create, mkdir, rename, unlink) becomes durable with dirsync() of its directory, a rename with that of its
 *    target; a rename is atomic. A file that is synced while its entry is pending may vanish whole;
 *  - a crash keeps any subset of what is pending. A write in flight is torn in sectors of 512 bytes, each with the old bytes, the new
 *    ones, new ones up to some byte, zeros or garbage, but never harms bytes that it did not write. The size is one of those that the
 *    file has had since its last sync, or between;
 *  - a failed sync loses its writes: they stay readable, may or may not be on disk, and no later sync makes them durable unless they
 *    are written again;
 *  - memory from map() is shared by all opens and is never on disk unless written with pwrite (but see map_writeback).
 *
 * Everything follows from the seed: clock, random bytes, torn sectors. Operations are numbered from 1; only those that can change the
 * disk count: write, truncate, sync, create, mkdir, rename, unlink, dirsync. A crash test runs its workload once with a hook
 * (sim_on_op) that looks at the states possible after every operation (sim_states) and opens a store on each. Calls may come from
 * several threads; a hook runs inside the operation, with all others waiting. Test code: out of memory ends the program.
 */
#ifndef CUBBY_TESTS_SIM_DISK_H
#define CUBBY_TESTS_SIM_DISK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cubby_vfs.h"

struct sim;

struct sim *sim_new(uint64_t seed); /* an empty root directory, durable */
void sim_free(struct sim **s);      /* whatever is still open is closed */
const cubby_vfs *sim_vfs(struct sim *s);

/* ---- counting and failing ---- */

uint64_t sim_ops(const struct sim *s);     /* mutating operations so far, failed ones too */
uint64_t sim_calls(const struct sim *s);   /* all calls that can fail, reads and locks too */
size_t sim_open_files(const struct sim *s); /* what is open or mapped now: a leak check */
uint64_t sim_bytes(const struct sim *s);   /* sum of the sizes of all files that have a name or are open */

enum sim_fail { SIM_ONCE, SIM_FOREVER };

/* Mutating operation number n (sim_ops + 1 is the next) and, with SIM_FOREVER, all after it fail with this negative errno. A failing write writes a
 * prefix, a failing sync loses what it should have kept, others do nothing. n 0: no more failures. */
void sim_fail_at(struct sim *s, uint64_t n, int neg_errno, enum sim_fail mode);
/* The same for any call, counted by sim_calls. */
void sim_fail_call(struct sim *s, uint64_t n, int neg_errno, enum sim_fail mode);
/* Only bytes so much of room: a write that would make the files larger in sum fails with -ENOSPC after what fits. UINT64_MAX: no bound. */
void sim_space(struct sim *s, uint64_t bytes);
/* From operation n on the power is off: every call fails with -EIO and changes nothing, so that the engine under test unwinds. */
void sim_crash_at(struct sim *s, uint64_t n);

/* ---- crashing ---- */

/* The process dies: its files, locks and maps are gone, what it wrote is there (and as pending as it was). Handles of the dead process may
 * only be closed. Also ends sim_fail_... and sim_crash_at. */
void sim_kill(struct sim *s);
/* What a new process would find if the old one died now: a copy of the disk with all that is pending, without opens and locks. */
struct sim *sim_copy(struct sim *s);

struct sim_op {
    uint64_t n;       /* its number */
    const char *kind; /* "write", "sync", ... */
    const char *path; /* as the caller gave it; for a rename the source */
    int rc;           /* what it returned */
};

/* Called after every mutating operation, failed ones too, until the power is off. NULL: no more. */
typedef void (*sim_op_fn)(void *arg, struct sim *s, const struct sim_op *op);
void sim_on_op(struct sim *s, sim_op_fn fn, void *arg);

/* A set of states seen before, to visit each only once. */
struct sim_seen;
struct sim_seen *sim_seen_new(void);
void sim_seen_free(struct sim_seen **seen);

struct sim_states_options {
    unsigned max_states;   /* 0: 64. At least 2 */
    uint64_t seed;         /* of the random subsets */
    struct sim_seen *seen; /* skip what is in it, add what is visited; NULL: skip only what is equal within this call */
    uint64_t salt;         /* part of a state's identity in `seen`: what the caller's check depends on beside the disk. With the number of
                            * acknowledged commits here, a disk without the last one is new, and wrong, once that is acknowledged */
    int map_writeback;     /* 1: mapped memory may have reached the disk, in whole or in part */
    uint64_t tried, distinct; /* added to */
};

/* image: a disk as a power cut may leave it now, all durable; lives until the callback returns. id: what it was made of, for sim_state.
 * A non-zero return ends the enumeration and is returned. */
typedef int (*sim_state_fn)(void *arg, struct sim *image, const char *id);

/* In this order, as far as max_states goes: nothing pending, all, every subset if there are few; else prefixes, all but one, only one, and random
 * subsets with torn writes, where entries survive in order (a journal) or in any subset. */
int sim_states(struct sim *s, struct sim_states_options *options, sim_state_fn fn, void *arg);
/* One of them again: "none", "all", "prefix:3", "without:0", "only:2", "mask:1f", "rand:9e3779b9". NULL: no such state. Owner: the caller. */
struct sim *sim_state(struct sim *s, const char *id, const struct sim_states_options *options);

/* One line for each pending operation, with its number in prefix:, without: and only:. */
void sim_print_pending(struct sim *s, FILE *to);

#endif
