/* alloc.h - which page number comes next. Belongs to the writer; `pages` and `free_pages` may be read by anyone.
 *
 * A page with lifetime [birth, death) was part of the versions birth to death - 1. It may be overwritten once no version in use lies in it.
 *  unsettled  lifetimes ended by commits that are not flushed yet: forgotten if those fail, for then the pages live on
 *  fresh      lifetimes not looked at since they came or since what held them ended
 *  blocked    lifetimes held by a version in use, one list for each such version: looked at again only when that version ends
 *  read       lifetimes held by readers, a heap by death: looked at again when the oldest reader has got there
 *  unread     pages of which a walk knows no more than what it found; their birth is read when numbers are wanted, for they may be many.
 *             Neighbours that no version reaches are one span, with how many they are in place of a death: a file may be long and hold little
 *  ready      numbers that may be taken now
 * Every step that runs out of memory forgets a number at worst: it stays unused until the next cubby__pager_load_live. */
#ifndef CUBBY_TREE_ALLOC_H
#define CUBBY_TREE_ALLOC_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* In place of a birth: none of the versions that cubby__pager_load_live walked reaches the page, so none of them holds it. */
#define CUBBY__BIRTH_UNREACHED 0
#define CUBBY__BIRTH_UNKNOWN UINT64_MAX /* it cannot be read */

struct cubby__span {
    uint64_t page, birth, death;
};

struct cubby__spans {
    struct cubby__span *at;
    size_t len, cap;
};

struct cubby__commits { /* ascending */
    uint64_t *at;
    size_t len, cap;
};

struct cubby__blocked {
    uint64_t commit;
    struct cubby__spans spans;
};

struct cubby__page_alloc {
    _Atomic uint64_t pages;      /* the file's, meta slots included: the next new number */
    _Atomic uint64_t free_pages; /* in any of the lists */
    uint64_t *ready;             /* a stack */
    size_t ready_len, ready_cap;
    struct cubby__spans unsettled, fresh, read, unread;
    uint64_t unread_pages;
    uint64_t (*birth)(void *arg, uint64_t page); /* what the page itself says; NULL: nobody knows */
    void *birth_arg;
    struct cubby__blocked *blocked;
    size_t blocked_len, blocked_cap;
    struct cubby__commits in_use;    /* of the last protect */
    struct cubby__commits walked;    /* versions that load_live walked */
    struct cubby__commits strangers; /* in use, and not walked */
    uint64_t oldest_reader;          /* every version from here on may have readers */
    int protecting;                  /* 0: nobody said yet what is in use, so nothing is reused */
};

void cubby__alloc_init(struct cubby__page_alloc *a, uint64_t pages);
void cubby__alloc_release(struct cubby__page_alloc *a);
/* Forgets all that is known to be free. walked: commits of the versions whose pages the caller has found. */
int cubby__alloc_reset(struct cubby__page_alloc *a, uint64_t pages, const uint64_t *walked, size_t count);

uint64_t cubby__alloc_take(struct cubby__page_alloc *a);
/* A page that the newest of the walked versions does not reach. reached: the last walked version that does, next: the walked version after that, by
 * which it had died. Both 0: none reaches it; then it had died by the first version walked after its birth, which the page itself tells. */
void cubby__alloc_found(struct cubby__page_alloc *a, uint64_t page, uint64_t reached, uint64_t next);
/* Reads the birth of all pages that were found. */
void cubby__alloc_read_all(struct cubby__page_alloc *a);
/* A number that no version ever named. */
void cubby__alloc_give(struct cubby__page_alloc *a, uint64_t page);
/* A lifetime that has ended, for good. */
void cubby__alloc_retire(struct cubby__page_alloc *a, struct cubby__span span);
/* The same, if cubby__alloc_settle and not cubby__alloc_revive comes next. */
void cubby__alloc_retire_unsettled(struct cubby__page_alloc *a, struct cubby__span span);
void cubby__alloc_settle(struct cubby__page_alloc *a);
void cubby__alloc_revive(struct cubby__page_alloc *a);
/* In use: the versions listed, and all from oldest_reader on. */
int cubby__alloc_protect(struct cubby__page_alloc *a, const uint64_t *commits, size_t count, uint64_t oldest_reader);

#endif
