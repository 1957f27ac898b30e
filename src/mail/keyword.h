/* keyword.h - keywords: numbers for names. */
#ifndef CUBBY_MAIL_KEYWORD_H
#define CUBBY_MAIL_KEYWORD_H

#include <stddef.h>
#include <stdint.h>

#include "mail/row.h"
#include "store/store.h"

/* out has CUBBY__KEYWORD_LEN_MAX + 1 bytes. DONE: unknown. */
int cubby__keyword_name(struct cubby__view *view, uint16_t id, char *out);
/* DONE: no such keyword. */
int cubby__keyword_find(struct cubby__view *view, const char *name, uint16_t *out);
/* 1 if the bytes are an atom of RFC 9051 and 1 to 255 long. */
int cubby__keyword_valid(const char *name, size_t len);

/* Names to sorted numbers. EINVAL: a name is none. Unknown ones are left out; how many there are, spelled in
 * whatever way, is in *unknown (may be NULL), at most one more than a store can have. Nothing is changed. */
int cubby__keywords_resolve(struct cubby__view *view, const char *const *names, size_t count, struct cubby__keywords *out, size_t *unknown);
/* The same, and asks whether the store has room for the unknown ones: ELIMIT. */
int cubby__keywords_check(struct cubby__txn *txn, const char *const *names, size_t count, struct cubby__keywords *out, size_t *unknown);
/* The same, and makes them. */
int cubby__keywords_make(struct cubby__txn *txn, const char *const *names, size_t count, struct cubby__keywords *out);

size_t cubby__key_keyword(uint8_t *buf, uint16_t id);
size_t cubby__key_keyword_name(uint8_t *buf, const char *name, size_t len); /* folded */

#endif
