/* scenario_proc.h - a process, as far as a store can tell: a table of cubby_vfs.h over another one, that counts and can die. */
#ifndef CUBBY_TESTS_SCENARIO_PROC_H
#define CUBBY_TESTS_SCENARIO_PROC_H

#include <stddef.h>
#include <stdint.h>

#include "cubby_vfs.h"

struct proc;

struct proc_counts {
    size_t open;            /* files and maps that are open now */
    uint64_t calls;         /* that can fail */
    char touched[280];      /* the first write, truncate or change of a name of anything but the index: "write /store/x", or "" */
    char unlinked[256];     /* the first file of segments/ that was removed, renamed or made shorter, or "" */
};

struct proc *proc_new(const cubby_vfs *inner); /* never NULL: test code ends the program without memory */
const cubby_vfs *proc_vfs(struct proc *p);
void proc_counts(const struct proc *p, struct proc_counts *out);
/* More calls than this fail with -EIO: work that does not end is found. 0: no bound. */
void proc_limit(struct proc *p, uint64_t calls);

/* kill -9: its files are closed and its locks gone now, every call fails with -EIO. The caller then unwinds what the process had in memory,
 * which shared memory does not notice, and ends it with proc_free. */
void proc_kill(struct proc *p);
/* What is still open is closed. */
void proc_free(struct proc **p);

#endif
