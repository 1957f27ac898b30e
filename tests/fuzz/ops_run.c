/* ops_run.c - one operation of fuzz_ops.c's input, and the failures that it arms. */
#include <errno.h>

#include "fuzz/fuzz_ops.h"

/* ---- failures ---- */

void ops_disarm(struct world *w)
{
    heap_arm(0, 0);
    sim_fail_at(w->sim, 0, 0, SIM_ONCE);
    w->fail_at = 0;
    fault_arm(w->faults, ALL_CALLS, 0, F_EIO, 0);
    for (int i = 0; i < PLAY_HANDLES; i++)
        if (w->p.procs[i])
            proc_limit(w->p.procs[i], 0);
    w->armed = 0;
}

int ops_hit(const struct world *w)
{
    return heap_hits() || fault_hits(w->faults) || (w->fail_at && sim_ops(w->sim) >= w->fail_at);
}

int ops_killed(const struct world *w)
{
    struct proc_counts n;
    if (w->armed != KILL || w->victim < 0)
        return w->armed == KILL;
    proc_counts(w->p.procs[w->victim], &n);
    return n.calls > w->kill_at;
}

static void arm_kill(struct world *w, uint64_t calls)
{
    struct proc_counts n;
    w->victim = ops_in_use(w);
    proc_counts(w->p.procs[w->victim], &n);
    proc_limit(w->p.procs[w->victim], calls);
    w->kill_at = n.calls + calls;
}

static void arm_failure(struct world *w, enum op what, const uint8_t *op)
{
    if (w->again || w->armed || w->spent)
        return;
    uint64_t n = 1 + op[1];
    w->armed = what;
    if (what == KILL && ops_in_use(w) >= 0)
        arm_kill(w, n);
    else if (what == FAIL_DISK) { /* a failed sync has lost what it should have kept */
        w->fail_at = sim_ops(w->sim) + n;
        sim_fail_at(w->sim, w->fail_at, op[2] & 1 ? -ENOSPC : -EIO, op[2] >> 7 ? SIM_FOREVER : SIM_ONCE);
    } else if (what == FAIL)
        fault_arm(w->faults, ALL_CALLS, n, (enum fault_kind)(op[2] % FAULTS), op[2] >> 7);
    else if (what == FAIL_HEAP)
        heap_arm(n, op[2] >> 7);
}

/* ---- operations ---- */

void ops_die(struct world *w)
{
    int i = ops_in_use(w);
    if (i < 0 || w->p.rc)
        return;
    w->noisy = 1;
    ops_release_snapshots(w);
    play_die(&w->p, i);
    if (w->armed == KILL && w->victim == i)
        w->armed = 0;
    int alone = !ops_any_open(w);
    ops_need_handle(w);
    if (alone && !w->p.rc) /* recovery makes it durable */
        w->p.state.loose = 0;
}

static uint64_t folder(const struct world *w, unsigned b)
{
    unsigned n = w->names.made < FOLDERS ? w->names.made : FOLDERS;
    return b % 4 < 2 || !n ? INBOX : w->names.folders[b / 4 % n];
}

static const char *uids(unsigned b)
{
    static const char *const sets[] = {"1", "2", "1:3", "2,4:6", "1:1000", "3:5,7", "4", "6:20"};
    return sets[b % 8];
}

static void made_folder(struct world *w)
{
    if (!w->p.rc)
        w->names.folders[w->names.made++ % FOLDERS] = w->p.folder;
}

static void set_property(struct world *w, const uint8_t *op)
{
    struct play *p = &w->p;
    uint64_t f = folder(w, op[2]);
    switch (op[1] % 6) {
    case 0: play_special(p, f, 1u << op[3] % 8); break;
    case 1: play_subscribe(p, op[3] & 2 ? "a\0b" : "INBOX", op[3] & 2 ? 4 : 6, op[3] & 1); break;
    case 2: play_annotate(p, f, op[3] & 1 ? "/shared/comment" : "/private/x", (size_t)(op[3] >> 1) * 7); break;
    case 3: play_uidvalidity(p, f, 1000u + op[3]); break;
    default: play_recent(p, f); break;
    }
}

static void append(struct world *w, enum op what, const uint8_t *op)
{
    static const char *const words[] = {NULL, "$Forwarded", "work", "Work"};
    struct play_mail mail = {.body = (size_t)op[2] * (op[2] < 240 ? 9 : 150), .mime = what == APPEND_MIME};
    if (++w->names.adds > ADDS_MAX)
        return;
    if (what == APPEND_WITH) {
        mail.flags = op[3] & 31;
        mail.keyword = words[op[3] >> 5 & 3];
        mail.second = op[3] >> 7 ? folder(w, op[2]) : 0;
    }
    play_add(&w->p, folder(w, op[1]), &mail);
}

static void harm_index(struct world *w, const uint8_t *op)
{
    static const uint8_t junk[512] = {0x5a, 1, 2, 3};
    const cubby_vfs *v = sim_vfs(w->sim); /* not the failing one */
    cubby_file *f;
    ops_close_all(w);
    if (w->p.rc)
        return;
    w->noisy = 1;
    if (op[1] & 1)
        v->unlink(v->ctx, PLAY_STORE "/index");
    else if (v->open(v->ctx, PLAY_STORE "/index", CUBBY_OPEN_WRITE, &f) == 0) {
        w->harmed = 1;
        v->pwrite(v->ctx, f, junk, sizeof junk, (op[2] % 32) * 4096u + (op[3] % 8) * 512u);
        v->close(v->ctx, f);
    }
    if (op[1] & 2 || !(op[1] & 1)) /* a page that no open looks at is found by who reads it, and that is an error */
        play_repair(&w->p);
    w->harmed &= w->p.rc != 0;
    play_open(&w->p, 0, 0);
}

/* What is no part of a transaction. */
static void do_store_op(struct world *w, enum op what, const uint8_t *op)
{
    struct play *p = &w->p;
    int i;
    if (p->txn)
        play_txn_commit(p);
    switch (what) {
    case CHECKPOINT: play_checkpoint(p); break;
    case SYNC: play_sync(p); break;
    case REOPEN:
    case REBUILD:
        ops_close_all(w);
        play_open(p, 0, what == REBUILD ? CUBBY_REBUILD : 0);
        break;
    case OPEN_SECOND:
        if (!p->stores[1 + op[1] % 2])
            play_open(p, 1 + op[1] % 2, op[1] % 2 ? CUBBY_READ_ONLY : 0);
        ops_need_handle(w);
        break;
    case USE:
        i = op[1] % PLAY_HANDLES;
        if (p->stores[i] && !cubby_is_read_only(p->stores[i]))
            play_use(p, i);
        break;
    case CLOSE:
        ops_close(w, ops_in_use(w));
        ops_need_handle(w);
        break;
    case HOLD:
        play_release(p, op[1] % PLAY_SNAPS);
        play_hold(p, op[1] % PLAY_SNAPS);
        break;
    case HELD:
        if (p->snaps[op[1] % PLAY_SNAPS])
            play_held(p, op[1] % PLAY_SNAPS);
        break;
    case RELEASE: play_release(p, op[1] % PLAY_SNAPS); break;
    case LOOK: play_look(p); break;
    case CHECK: play_fsck(p); break;
    case HARM_INDEX: harm_index(w, op); break;
    default: play_repair(p); break;
    }
}

static void run_op(struct world *w, enum op what, const uint8_t *op)
{
    static const char *const names[] = {"Archive", "b", "INBOX", "c d"};
    static const char *const words[] = {"one", "ONE", "$two", "three"};
    struct play *p = &w->p;
    switch (what) {
    case APPEND:
    case APPEND_MIME:
    case APPEND_WITH: append(w, what, op); break;
    case FLAG:
    case FLAG_LAZY:
        if (p->txn && what == FLAG_LAZY)
            play_txn_commit(p);
        play_flag(p, folder(w, op[1]), uids(op[2]), op[2] / 8 % 3, op[3] & 31, NULL, what == FLAG_LAZY ? CUBBY_LAZY : 0);
        break;
    case KEYWORD: play_flag(p, folder(w, op[1]), uids(op[2]), op[2] / 8 % 3, 0, words[op[3] % 4], 0); break;
    case EXPUNGE: play_expunge(p, folder(w, op[1]), uids(op[2]), op[3] & 1); break;
    case COPY: play_copy(p, folder(w, op[1]), uids(op[2]), folder(w, op[3])); break;
    case MOVE: play_move(p, folder(w, op[1]), uids(op[2]), folder(w, op[3])); break;
    case FOLDER_CREATE:
        play_folder_create(p, op[1] & 4 ? folder(w, op[1]) : CUBBY_ROOT, names[op[2] % 4]);
        made_folder(w);
        break;
    case FOLDER_RENAME: play_folder_rename(p, folder(w, op[1]), op[2] & 4 ? folder(w, op[2]) : CUBBY_ROOT, names[op[2] % 4]); break;
    case FOLDER_DELETE: play_folder_delete(p, folder(w, op[1])); break;
    case PROPERTY: set_property(w, op); break;
    case TXN:
        if (!p->txn)
            play_txn_begin(p, 0);
        else if (op[1] % 4)
            play_txn_commit(p);
        else
            play_txn_abort(p);
        break;
    case DIE: ops_die(w); break;
    case CUT:
        if (!w->again)
            ops_arm_cut(w, w->sim, op);
        break;
    case KILL:
    case FAIL:
    case FAIL_HEAP:
    case FAIL_DISK: arm_failure(w, what, op); break;
    default: do_store_op(w, what, op); break;
    }
}

void ops_do(struct world *w, const uint8_t *op)
{
    enum op what = (enum op)(op[0] % OPS);
    ops_tell("%u(%u %u %u) ", what, op[1], op[2], op[3]);
    run_op(w, what, op);
    if (w->p.rc && ops_is_refusal(w->p.rc) && (w->again || !ops_hit(w))) { /* nothing was done */
        w->p.rc = 0;
        ops_tell("[no] ");
    }
}
