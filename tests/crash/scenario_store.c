/* scenario_store.c - scenarios about the store itself: making and opening, checkpoints, segments, recovery, several processes. */
#include <string.h>

#include "crash/scenario_list.h"

void scenario_no_store(struct play *p)
{
    (void)p;
}

void scenario_create(struct play *p)
{
    play_create(p);
    play_open(p, 0, 0);
    play_append(p, INBOX, 40);
}

void scenario_open_create(struct play *p)
{
    play_open(p, 0, CUBBY_CREATE);
    play_append(p, INBOX, 40);
    play_close(p, 0);
    play_open(p, 0, CUBBY_CREATE);
    play_append(p, INBOX, 40);
}

void scenario_checkpoint(struct play *p)
{
    for (int i = 0; i < 4; i++) {
        play_append(p, INBOX, 120);
        play_checkpoint(p);
    }
    play_flag(p, INBOX, "2:4", CUBBY_FLAGS_ADD, CUBBY_ANSWERED, NULL, 0);
    play_checkpoint(p);
    play_expunge(p, INBOX, "1", 0);
    play_checkpoint(p);
    play_checkpoint(p);
}

/* Checkpoints by themselves, every few hundred bytes: pages are used again and again. */
void scenario_checkpoint_often(struct play *p)
{
    for (int i = 0; i < 8; i++) {
        play_append(p, INBOX, 30);
        play_flag(p, INBOX, "1:1000", i % 2 ? CUBBY_FLAGS_REMOVE : CUBBY_FLAGS_ADD, CUBBY_FLAGGED, NULL, i % 4 == 3 ? CUBBY_LAZY : 0);
    }
}

/* Lazy commits, then a checkpoint: it must not be ahead of the log. */
void scenario_checkpoint_lazy(struct play *p)
{
    for (int i = 0; i < 3; i++) {
        play_flag(p, INBOX, "1:1000", CUBBY_FLAGS_ADD, 1u << i, NULL, CUBBY_LAZY);
        play_flag(p, INBOX, "1:2", CUBBY_FLAGS_REMOVE, 1u << i, NULL, CUBBY_LAZY);
        play_checkpoint(p);
    }
    play_append(p, INBOX, 30);
}

/* Enough rows for branch pages. */
void scenario_pages(struct play *p)
{
    for (int k = 0; k < 3; k++) {
        play_txn_begin(p, 0);
        for (int i = 0; i < 12; i++)
            play_append(p, INBOX, 10);
        play_txn_commit(p);
        play_checkpoint(p);
    }
    play_expunge(p, INBOX, "1:20", 0);
    play_checkpoint(p);
    play_append(p, INBOX, 10);
}

/* Segments of a few kilobytes: several rolls, each between commits that must survive. */
void scenario_roll(struct play *p)
{
    for (int i = 0; i < 9; i++)
        play_append(p, INBOX, 700);
    play_flag(p, INBOX, "1:9", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, 0);
    play_expunge(p, INBOX, "1:2", 0);
}

/* The batch does not fit where the last commit ended. */
void scenario_roll_batch(struct play *p)
{
    for (int k = 0; k < 3; k++) {
        play_append(p, INBOX, 300);
        play_txn_begin(p, 0);
        for (int i = 0; i < 6; i++)
            play_append(p, INBOX, 400);
        play_txn_commit(p);
    }
}

/* Lazy commits at the end of the old segment: synced before the new one has its name. */
void scenario_roll_lazy(struct play *p)
{
    for (int i = 0; i < 4; i++) {
        play_append(p, INBOX, 600);
        play_flag(p, INBOX, "1:1000", i % 2 ? CUBBY_FLAGS_REMOVE : CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, CUBBY_LAZY);
        play_flag(p, INBOX, "1:1000", i % 2 ? CUBBY_FLAGS_REMOVE : CUBBY_FLAGS_ADD, CUBBY_DRAFT, NULL, CUBBY_LAZY);
    }
}

/* The old segment ends with what a clean stop appended, unsynced. */
void scenario_roll_reopened(struct play *p)
{
    for (int i = 0; i < 7; i++) {
        play_append(p, INBOX, 700);
        play_reopen(p);
    }
}

void scenario_reopen(struct play *p)
{
    for (int i = 0; i < 3; i++) {
        play_append(p, INBOX, 90);
        play_reopen(p);
    }
    play_flag(p, INBOX, "1", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, CUBBY_LAZY);
    play_reopen(p);
    play_reopen(p); /* nothing was done */
    play_append(p, INBOX, 90);
}

/* Recovery itself, again and again: from durable commits, lazy ones, in small segments. */
void scenario_recover(struct play *p)
{
    for (int i = 0; i < 3; i++) {
        play_append(p, INBOX, 150);
        play_die(p, 0);
        play_open(p, 0, 0);
        play_look(p);
    }
    play_append(p, INBOX, 60);
}

void scenario_recover_lazy(struct play *p)
{
    for (int i = 0; i < 3; i++) {
        play_flag(p, INBOX, "1:2", CUBBY_FLAGS_ADD, 1u << i, NULL, CUBBY_LAZY);
        play_flag(p, INBOX, "3", CUBBY_FLAGS_ADD, 1u << i, NULL, CUBBY_LAZY);
        play_die(p, 0);
        play_open(p, 0, 0); /* a kill takes nothing, and recovery makes it durable */
        p->state.loose = p->rc ? p->state.loose : 0;
        play_look(p);
    }
    play_append(p, INBOX, 60);
}

/* Dead before anything but the log was written, and opened without an index. */
void scenario_rebuild(struct play *p)
{
    play_append(p, INBOX, 100);
    play_die(p, 0);
    play_open(p, 0, CUBBY_REBUILD);
    play_look(p);
    play_append(p, INBOX, 100);
    play_close(p, 0);
    play_open(p, 0, CUBBY_REBUILD);
    play_look(p);
    play_expunge(p, INBOX, "1", 0);
}

static void index_write(struct play *p, uint64_t off, size_t n)
{
    static const uint8_t junk[4096] = {0x5a, 1, 2, 3};
    cubby_file *f;
    if (p->rc)
        return;
    int rc = p->vfs->open(p->vfs->ctx, PLAY_STORE "/index", CUBBY_OPEN_WRITE, &f);
    if (rc == 0) {
        rc = p->vfs->pwrite(p->vfs->ctx, f, junk, n, off);
        p->vfs->close(p->vfs->ctx, f);
    }
    play_failed(p, rc, "damaging the index");
}

void scenario_index_lost(struct play *p)
{
    play_append(p, INBOX, 100);
    play_close(p, 0);
    if (!p->rc)
        play_failed(p, p->vfs->unlink(p->vfs->ctx, PLAY_STORE "/index"), "removing the index");
    play_open(p, 0, 0);
    play_look(p);
    play_append(p, INBOX, 100);
}

void scenario_index_damaged(struct play *p)
{
    play_checkpoint(p);
    play_append(p, INBOX, 100);
    play_close(p, 0);
    index_write(p, 0, 4096);
    play_open(p, 0, 0);
    play_look(p);
    play_append(p, INBOX, 100);
    play_close(p, 0);
    index_write(p, 8192, 64);
    index_write(p, 12288, 64);
    play_open(p, 0, 0);
    play_look(p);
    play_flag(p, INBOX, "1", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, 0);
}

/* One process dies, the other has had the store open all the time and goes on. */
void scenario_takeover(struct play *p)
{
    play_open(p, 1, 0);
    play_use(p, 0);
    play_append(p, INBOX, 120);
    play_flag(p, INBOX, "1", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, CUBBY_LAZY);
    play_flag(p, INBOX, "2", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, CUBBY_LAZY);
    play_die(p, 0);
    play_use(p, 1);
    play_look(p);
    play_append(p, INBOX, 90);
    play_open(p, 0, 0);
    play_look(p);
    play_die(p, 1);
    play_use(p, 0);
    play_append(p, INBOX, 90);
}

/* ... it dies within a transaction, holding the writer lock. */
void scenario_takeover_within(struct play *p)
{
    play_open(p, 1, 0);
    play_use(p, 0);
    play_append(p, INBOX, 120);
    play_txn_begin(p, 0);
    play_append(p, INBOX, 300);
    play_expunge(p, INBOX, "1", 0);
    play_die(p, 0);
    play_use(p, 1);
    play_look(p);
    play_append(p, INBOX, 90);
    play_look(p);
}

void scenario_two_writers(struct play *p)
{
    play_open(p, 1, 0);
    for (int i = 0; i < 6; i++) {
        play_use(p, i & 1);
        play_look(p);
        play_append(p, INBOX, (size_t)(80 + i * 60));
        if (i == 3)
            play_checkpoint(p);
    }
    play_flag(p, INBOX, "1:4", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, CUBBY_LAZY);
    play_use(p, 0);
    play_flag(p, INBOX, "2", CUBBY_FLAGS_REMOVE, CUBBY_SEEN, NULL, CUBBY_LAZY);
    play_close(p, 1);
    play_append(p, INBOX, 40);
}

/* A reader that only reads, with a snapshot of its own, beside a writer that rolls and checkpoints. */
void scenario_reader(struct play *p)
{
    play_open(p, 1, CUBBY_READ_ONLY);
    play_hold(p, 0);
    for (int i = 0; i < 4; i++) {
        play_use(p, 0);
        play_append(p, INBOX, 900);
        play_expunge(p, INBOX, i % 2 ? "1" : "2", 0);
        if (i % 2)
            play_checkpoint(p);
        play_use(p, 1);
        play_look(p);
        play_held(p, 0);
    }
    play_release(p, 0);
    play_close(p, 1);
    play_use(p, 0);
    play_append(p, INBOX, 40);
}

/* A snapshot keeps its pages over checkpoints that would like to use them again. */
void scenario_snapshot_held(struct play *p)
{
    play_hold(p, 0);
    for (int i = 0; i < 5; i++) {
        play_flag(p, INBOX, "1:1000", i % 2 ? CUBBY_FLAGS_REMOVE : CUBBY_FLAGS_ADD, CUBBY_FLAGGED, NULL, 0);
        play_checkpoint(p);
        play_held(p, 0);
        if (i == 2)
            play_hold(p, 1);
    }
    play_release(p, 0);
    play_append(p, INBOX, 40);
    play_checkpoint(p);
    play_held(p, 1);
    play_release(p, 1);
    play_append(p, INBOX, 40);
    play_checkpoint(p);
}

/* Checked while a writer is at work, which neither notices. */
void scenario_fsck_beside(struct play *p)
{
    play_fsck(p);
    play_append(p, INBOX, 200);
    play_fsck(p);
    play_checkpoint(p);
    play_flag(p, INBOX, "1", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, CUBBY_LAZY);
    play_fsck(p);
    play_append(p, INBOX, 200);
    play_close(p, 0);
    play_fsck(p);
}

/* All kinds of steps in segments and checkpoints of the smallest size. */
void scenario_small(struct play *p)
{
    for (int i = 0; i < 6; i++)
        play_append(p, INBOX, 700);
    play_flag(p, INBOX, "1:6", CUBBY_FLAGS_ADD, CUBBY_SEEN, "small", 0);
    play_copy(p, INBOX, "2", p->folder);
    play_expunge(p, INBOX, "1:2", 0);
    play_reopen(p);
    play_move(p, INBOX, "3", p->folder);
    play_append(p, INBOX, 700);
}

/* A sound store is left alone; one with a damaged or missing index gets another. Nothing that can be seen changes. */
void scenario_repair(struct play *p)
{
    play_append(p, INBOX, 100);
    play_close(p, 0);
    play_repair(p);
    index_write(p, 8192, 64);
    play_repair(p);
    play_open(p, 0, 0);
    play_look(p);
    play_append(p, INBOX, 100);
    play_repair(p); /* beside a writer */
    play_look(p);
    play_flag(p, INBOX, "1", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, 0);
}
