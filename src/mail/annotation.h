/* annotation.h - named values of folders (RFC 5464); folder 0 holds those of the store, which are the engine's own. */
#ifndef CUBBY_MAIL_ANNOTATION_H
#define CUBBY_MAIL_ANNOTATION_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "cubby.h"
#include "store/store.h"

/* An entry's name is the end of an index key, and short enough to be told in one byte with what is before it. */
#define CUBBY__ANNOTATION_ENTRY_MAX 200

struct cubby__annotation_rec {
    uint64_t folder;
    const char *entry; /* in lower case */
    size_t entry_len;
    int set;           /* 0: the annotation is removed, and there is no value */
    const uint8_t *value;
    size_t value_len;
};

void cubby__annotation_encode(const struct cubby__annotation_rec *r, struct cubby__buf *out);
int cubby__annotation_decode(const uint8_t *p, size_t n, struct cubby__annotation_rec *r);

/* One annotation, its value copied to buf (CUBBY__TREE_VALUE_MAX bytes). DONE: there is none; EINVAL: not an entry's name. */
int cubby__annotation_get(struct cubby__view *view, uint64_t folder, const char *entry, uint8_t *buf, const uint8_t **value, size_t *len);
/* The first one behind `after`: its name to entry (CUBBY__ANNOTATION_ENTRY_MAX + 1 bytes). DONE at the end. */
int cubby__annotation_next(struct cubby__view *view, uint64_t folder, const char *after, char *entry, uint8_t *buf, const uint8_t **value, size_t *len);
/* value NULL: removes it. ENOENT: no such folder. */
int cubby__annotation_set(struct cubby__txn *txn, uint64_t folder, const char *entry, const void *value, size_t len);

/* Called before INBOX gets another FOLDER record: the one of the first commit says what the first uidvalidity of the store was. */
int cubby__remember_first_uidvalidity(struct cubby__txn *txn);
/* cubby_folder_set_uidvalidity. */
int cubby__folder_take_uidvalidity(struct cubby__txn *txn, uint64_t id, uint32_t uidvalidity);

#endif
