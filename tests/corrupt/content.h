/* content.h - what a store says when everything is read, and what two such answers have to do with each other. */
#ifndef CUBBY_TESTS_CORRUPT_CONTENT_H
#define CUBBY_TESTS_CORRUPT_CONTENT_H

#include <stddef.h>
#include <stdint.h>

#include "cubby.h"

enum { MESSAGES = 64 };

struct message {
    uint64_t folder;
    uint32_t uid, uidvalidity;
    uint64_t flags; /* a hash: of all that may change */
    uint64_t about; /* a hash: of what a scan says of it and may never change, header and structure included */
    int damage;     /* the scan could not read it */
    uint8_t *p;     /* NULL: unreadable */
    size_t n;
};

struct content {
    struct message m[MESSAGES];
    int count;
    uint64_t state; /* a hash: of folders, keywords, subscriptions, changes */
    uint64_t uidnext; /* of INBOX */
    uint64_t modseq;  /* of the store */
    int errors;     /* calls that fail, those for messages not counted */
};

void content_read(cubby_store *s, struct content *out, const char *what);
void content_drop(struct content *c);
/* Adds those that are not in it. */
void content_remember(struct content *history, const struct content *c);
struct message *content_find(const struct content *c, uint64_t folder, uint32_t uid);
/* A message with other bytes than it had ends the test, and one that never was; with `salvaged` not if it is in a folder that never was. */
void content_compare(const struct content *is, const struct content *history, int salvaged, const char *what);
/* The same, and how many things differ. */
int content_differ(const struct content *want, const struct content *is, const struct content *history, const char *what);

#endif
