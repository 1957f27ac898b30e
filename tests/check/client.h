/* client.h - a client that has read the whole store and later asks only for what has changed since (QRESYNC): a repair must not leave it with
 * something else than there is. */
#ifndef CUBBY_TESTS_CHECK_CLIENT_H
#define CUBBY_TESTS_CHECK_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "cubby.h"

enum { CLIENT_FOLDERS = 32, CLIENT_MAILS = 600 };

struct client_folder {
    uint64_t id, modseq, uidnext;
    uint32_t uidvalidity;
};

struct client_mail {
    uint64_t folder, flags; /* flags: a hash, keywords by name */
    uint32_t uid;
};

struct client {
    struct client_folder folder[CLIENT_FOLDERS];
    struct client_mail mail[CLIENT_MAILS]; /* by folder and uid */
    size_t folders, mails;
};

void client_read(struct client *c, cubby_store *s);
/* Asks for the changes since then. What it holds must then be what is there, of every folder whose uidvalidity it knows; no number that it has seen has been
 * given again or taken back. Else why says what is wrong. */
void client_follow(const struct client *c, cubby_store *s, char why[200]);

#endif
