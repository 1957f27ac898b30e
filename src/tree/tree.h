/* tree.h - the copy-on-write B+tree of one index file: what the layers above may call.
 *
 * A pager is one open index file: a bounded cache of verified pages, the pages written by transactions and not yet flushed, and
 * the page allocator. A root names one version of the tree. Readers walk any root whose pages have been flushed, from any thread, with
 * no lock but the cache's. Everything under "writing" and "allocating" belongs to the one thread that holds the store's writer mutex.
 *
 * Keys are 1 to CUBBY__TREE_KEY_MAX bytes and compare as bytes (a prefix sorts first); values are 0 to CUBBY__TREE_VALUE_MAX. */
#ifndef CUBBY_TREE_TREE_H
#define CUBBY_TREE_TREE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cubby.h"
#include "format/format.h"

struct cubby__pager;

/* A reader's claim on a version: as long as it holds, no page of it is overwritten. lost() is asked after a page was fetched and before it is used;
 * failed: it could not be read, or did not verify. Non-zero: the claim is lost, so what was read does not count, and what did not verify is no
 * damage: it may have been overwritten rightly. */
struct cubby__lease {
    int (*lost)(const struct cubby__lease *lease, int failed);
};

struct cubby__root {
    uint64_t page;   /* 0: the empty tree */
    uint64_t sum;    /* of that page; 0 while the page is not flushed */
    uint64_t commit; /* that made this version */
    uint32_t level;  /* of that page */
    const struct cubby__lease *lease; /* NULL: it cannot be lost */
};

/* A checkpoint: one meta slot. */
struct cubby__meta {
    uint64_t nonce, seq, commit, chain;
    uint32_t seg;
    uint64_t seg_nonce, seg_end;
    uint64_t pages;
    uint64_t ceiling;
    struct cubby__root root;
    int bad_slots; /* read: slots that hold something that does not verify */
    struct cubby__root older; /* read: what the other slot names, if it verifies; else no page. Its pages may have been overwritten */
};

struct cubby__pager_config {
    const cubby_vfs *vfs;
    const char *path;    /* copied. NULL: no file, all pages stay in memory (never flushed) */
    int writable;        /* 0: pages of transactions stay in memory */
    int create;          /* make the file, empty, with nonce; an existing one is unlinked first, not truncated: readers may have it open */
    uint64_t nonce;      /* of the file to create */
    uint64_t salt;
    uint8_t uuid[16];
    size_t cache_bytes;
};

/* Owner: the caller. ENOENT: no such file. */
int cubby__pager_open(const struct cubby__pager_config *config, struct cubby__pager **out, cubby_error *err);
void cubby__pager_close(struct cubby__pager **p);
uint64_t cubby__pager_nonce(const struct cubby__pager *p);
/* The file's identity, to find out whether `path` still names it. */
int cubby__pager_fstat(struct cubby__pager *p, cubby_vfs_stat *out, cubby_error *err);

struct cubby__pager_stat {
    uint64_t pages;         /* in use or free, meta slots included */
    uint64_t free_pages;    /* known free or waiting to become so; 0 before cubby__pager_load_live */
    uint64_t pages_written; /* so far */
    uint64_t dirty_pages;   /* of transactions, not flushed */
    uint64_t cache_pages;
};
void cubby__pager_get_stat(struct cubby__pager *p, struct cubby__pager_stat *out);

/* How many free pages wait only for readers to end. Those that a walk found, which have to be read to know, are looked at only if with them there may
 * be `enough`. Under the writer mutex, after cubby__pager_protect. */
size_t cubby__pager_held_by_readers(struct cubby__pager *p, size_t enough);

/* Looks whether the file still has a name: one that was removed counts as damaged. */
void cubby__pager_look(struct cubby__pager *p);

/* 1 once a page that anybody asked for did not verify: the index is to be replaced. */
int cubby__pager_damaged(const struct cubby__pager *p);

/* ---- meta slots ---- */

/* The newest slot that verifies and belongs to this store. CUBBY_DONE: none (a fresh file; out->nonce is that of its label, 0: it has none).
 * ECORRUPT: slots are there and none verifies. EVERSION. Sets the pager's nonce. */
int cubby__meta_read(struct cubby__pager *p, struct cubby__meta *out, cubby_error *err);
/* Checkpoint, in this order: the caller has synced the log and flushed meta->root; here: 1 sync the pages; 2 write slot seq % 2;
 * 3 sync. Only then may pages of the checkpoint before it be used again (cubby__pager_protect). */
int cubby__meta_write(struct cubby__pager *p, const struct cubby__meta *meta, cubby_error *err);
/* Makes durable what is in the file: for a slot whose writer may have died before its second sync. */
int cubby__pager_sync(struct cubby__pager *p, cubby_error *err);

/* Copies a version of `from`, which lies in the first `pages` pages of its file, to `to`, a new file, page by page to the same places. The copy is
 * read again: a page of it that does not verify makes `from` damaged (ECORRUPT). */
int cubby__pager_copy(struct cubby__pager *from, const struct cubby__root *root, uint64_t pages, struct cubby__pager *to, cubby_error *err);

/* ---- reading ---- */

struct cubby__slice {
    const uint8_t *p;
    size_t n;
};

static inline int cubby__key_cmp(struct cubby__slice a, struct cubby__slice b)
{
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* The value of a key: copied to buf (CUBBY__TREE_VALUE_MAX bytes), its length to *len. CUBBY_DONE: no such key. A page that does not verify:
 * ECORRUPT with path and offset, or ESTALE if the root's lease is lost. root->sum 0 reads unflushed pages: only under the writer mutex. */
int cubby__tree_get(struct cubby__pager *p, const struct cubby__root *root, const void *key, size_t key_len, uint8_t *buf, size_t *len,
                    cubby_error *err);

/* A cursor stands on a key or at an end. Stack or heap; ended with cubby__cursor_release. It holds references to at most one page a level.
 * Over unflushed pages it must be released before the next put, del or flush. */
struct cubby__cursor {
    struct cubby__pager *pager;
    struct cubby__root root;
    int depth;   /* levels held: 0 none */
    int valid;   /* stands on a key */
    cubby_error *err;
    struct {
        struct cubby__page *page; /* a reference */
        const uint8_t *data;
        uint16_t index, count;
    } level[CUBBY__TREE_DEPTH_MAX]; /* 0: root */
};

void cubby__cursor_init(struct cubby__cursor *c, struct cubby__pager *p, const struct cubby__root *root, cubby_error *err);
void cubby__cursor_release(struct cubby__cursor *c);
/* To the first key >= key (seek) or the last key <= key (seek_back). 0, or CUBBY_DONE if there is none. */
int cubby__cursor_seek(struct cubby__cursor *c, const void *key, size_t key_len);
int cubby__cursor_seek_back(struct cubby__cursor *c, const void *key, size_t key_len);
/* 0, or CUBBY_DONE at the end (the cursor is then not valid). */
int cubby__cursor_next(struct cubby__cursor *c);
int cubby__cursor_prev(struct cubby__cursor *c);
/* Of the key that it stands on; borrowed until it moves or is released. O(1): made for tight loops. */
struct cubby__slice cubby__cursor_key(const struct cubby__cursor *c);
struct cubby__slice cubby__cursor_value(const struct cubby__cursor *c);

/* ---- writing ---- */

/* One at a time. Starts from *base (flushed, or what the last cubby__tree_commit gave); pages it makes carry `commit` as birth, which must be
 * above base->commit (EINVAL). After an error of put or del (not CUBBY_DONE, not EINVAL) the transaction can only be aborted. */
int cubby__tree_begin(struct cubby__pager *p, const struct cubby__root *base, uint64_t commit, cubby_error *err);
/* The tree as the running transaction has it, for cubby__tree_get and cursors. */
struct cubby__root cubby__tree_now(const struct cubby__pager *p);
int cubby__tree_put(struct cubby__pager *p, const void *key, size_t key_len, const void *value, size_t value_len, cubby_error *err);
/* CUBBY_DONE: no such key. */
int cubby__tree_del(struct cubby__pager *p, const void *key, size_t key_len, cubby_error *err);
/* Ends the transaction; *out is the new version, its pages still unflushed. Cannot fail. */
void cubby__tree_commit(struct cubby__pager *p, struct cubby__root *out);
/* Forgets everything since cubby__tree_begin, and only that. */
void cubby__tree_abort(struct cubby__pager *p);

/* Computes the checksums of all unflushed pages that *root reaches, writes them (unsynced, neighbours together) and moves them to the cache; fills
 * in root->sum. Not inside a transaction, except that a rebuild (cubby__tree_spill) may. Without a writable file: only the checksums are
 * computed and the pages stay in memory for good, so that readers can walk the root. */
int cubby__pager_flush(struct cubby__pager *p, struct cubby__root *root, cubby_error *err);
/* Forgets every unflushed page: the committed transactions that are not flushed have failed. Not inside a transaction. The pages' numbers are free
 * again, and what those commits gave up lives on. (Commits that were flushed and failed later: cubby__pager_load_live.) */
void cubby__pager_discard(struct cubby__pager *p);
/* Makes sure that the disk has room for all pages that there are and `extra` more: ENOSPC comes here or not at all. */
int cubby__pager_room(struct cubby__pager *p, uint64_t extra, cubby_error *err);
/* Inside a long transaction: if more than max_dirty pages are unflushed, write them now so that memory stays bounded. The pages are then
 * copied on the next change like any others. Does nothing without a writable file. */
int cubby__tree_spill(struct cubby__pager *p, size_t max_dirty, cubby_error *err);

/* ---- allocating ---- */

/* A page is overwritten only if no version that somebody may read or that a durable checkpoint names reaches it. The store says which
 * versions those are; a page with lifetime [birth, death) is free once none of them lies in it. */

/* Learns which pages are free by walking the branch pages of the current version and of the checkpoints: called before the first write, and when
 * another process wrote in between. `now` is the newest commit of the roots (at most 8). When a page died is not written anywhere: it counts as dead
 * from the first version that was walked, made after its birth, and does not reach it. So the more versions are walked, the sooner pages are used
 * again. file_pages: what cubby__pager_stat.pages must at least be (from the published state). */
int cubby__pager_load_live(struct cubby__pager *p, const struct cubby__root *roots, size_t count, uint64_t now, uint64_t file_pages, cubby_error *err);
/* The same with one more version, of which pages may have been overwritten already. *whole: 1 if all its branch pages verify; else it did not count. */
int cubby__pager_load_live_and(struct cubby__pager *p, const struct cubby__root *roots, size_t count, const struct cubby__root *perhaps, int *whole,
                               uint64_t now, uint64_t file_pages, cubby_error *err);
/* The versions in use: commits of the published root and of the checkpoints one by one, and every version from oldest_reader on (a reader's
 * slot tells only the oldest of its snapshots). Called before a transaction; until the next call pages are reused by these: a page with lifetime
 * [birth, death) is free if death <= oldest_reader and none of the commits lies in it. The pager copies the list. */
int cubby__pager_protect(struct cubby__pager *p, const uint64_t *commits, size_t count, uint64_t oldest_reader, cubby_error *err);

/* ---- checking ---- */

typedef int (*cubby__page_fn)(void *arg, uint64_t page, uint32_t level, const char *problem /* NULL: sound */);
/* Walks every page of a root: checksum, number, level, birth, key order and bounds against the parent, cell bounds. Calls fn for every
 * page; a non-zero return ends the walk. */
int cubby__tree_check(struct cubby__pager *p, const struct cubby__root *root, cubby__page_fn fn, void *arg, cubby_error *err);
/* 1: a page of it does not verify. */
int cubby__tree_is_damaged(struct cubby__pager *p, const struct cubby__root *root, cubby_error *err);

#endif
