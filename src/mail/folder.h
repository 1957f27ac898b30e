/* folder.h - folders: their rows in the index, and the operations on them. */
#ifndef CUBBY_MAIL_FOLDER_H
#define CUBBY_MAIL_FOLDER_H

#include <stddef.h>
#include <stdint.h>

#include "cubby.h"
#include "mail/records.h"
#include "store/store.h"

#define CUBBY__INBOX "INBOX"
/* A name as shown: one that another folder holds already gets "~" and the id behind it (only after damage). */
#define CUBBY__FOLDER_NAME_MAX (CUBBY__NAME_MAX + 21)

/* A folder as the API gives it, with room for its name. */
struct cubby__folder {
    cubby_folder f; /* f.name points into name */
    char name[CUBBY__FOLDER_NAME_MAX + 1];
};

/* CUBBY_DONE: none, or deleted. */
int cubby__folder_get(struct cubby__view *view, uint64_t id, struct cubby__folder *out);
int cubby__folder_find(struct cubby__view *view, uint64_t parent, const char *name, size_t name_len, struct cubby__folder *out);
/* The child of parent whose name comes first behind `after` in byte order (after_len 0: the first of all). CUBBY_DONE at the end. */
int cubby__folder_next(struct cubby__view *view, uint64_t parent, const char *after, size_t after_len, struct cubby__folder *out);
/* Sums over all live folders: for cubby_store_stat. */
int cubby__folder_totals(struct cubby__view *view, uint64_t *folders, uint64_t *messages);

/* Operations: as the functions of cubby.h say. */
int cubby__folder_create(struct cubby__txn *txn, uint64_t parent, const char *name, size_t name_len, uint64_t *id);
/* At the top, for a repair, which cannot do without: when all uidvalidities are used up it has the last one. */
int cubby__folder_create_anyway(struct cubby__txn *txn, const char *name, size_t name_len, uint64_t *id);
int cubby__folder_rename(struct cubby__txn *txn, uint64_t id, uint64_t new_parent, const char *name, size_t name_len);
int cubby__folder_delete(struct cubby__txn *txn, uint64_t id);
int cubby__folder_set_special(struct cubby__txn *txn, uint64_t id, uint32_t special_use);
/* As it is told: see cubby__folder_take_uidvalidity. */
int cubby__folder_set_uidvalidity(struct cubby__txn *txn, uint64_t id, uint32_t uidvalidity);
/* Later than the clock, if that can be right, and than any given before. Above 2^32 - 1: all are used up. */
uint64_t cubby__next_uidvalidity(struct cubby__txn *txn);
int cubby__recent_claim(struct cubby__txn *txn, uint64_t id, uint32_t *first);

#endif
