/* api.h - the insides of the public handles, and how their errors get to cubby_last_error. */
#ifndef CUBBY_API_API_H
#define CUBBY_API_API_H

#include <pthread.h>
#include <stdint.h>

#include "cubby.h"
#include "mail/annotation.h"
#include "mail/folder.h"
#include "mail/incoming.h"
#include "mail/keyword.h"
#include "mail/scan.h"
#include "mail/subscription.h"
#include "store/store.h"

struct cubby_store {
    struct cubby__store *s;
    pthread_mutex_t mutex; /* of the following */
    cubby_error last;
    uint64_t txns; /* begun so far: their tokens */
};

struct cubby_snapshot {
    cubby_store *store;
    struct cubby__view *view; /* &own, or a transaction's; view->err has the detail of failures */
    struct cubby__view own;
    cubby_error err;
    struct cubby__folder folder; /* of the last folder call */
    char path[CUBBY__SUBSCRIPTION_MAX + 1];
    char entry[CUBBY__ANNOTATION_ENTRY_MAX + 1];    /* of the last annotation call */
    uint8_t annotation[CUBBY__TREE_VALUE_MAX];
    char **keyword;              /* names given so far, by number; NULL before the first */
    struct cubby__scan *row;     /* of cubby_row_get */
};

struct cubby_message {
    cubby_store *store;
    struct cubby__incoming *in;
};

#define CUBBY__WANT_ALL ((unsigned)(CUBBY_WANT_OBJECT | CUBBY_WANT_LIST | CUBBY_WANT_HEADER | CUBBY_WANT_PARTS))

/* 0 in a forked child, whose parent opened the store, too: it may not touch it, nor any of its locks, which another thread may have held. */
int cubby__api_usable(const cubby_store *store);
int cubby__api_readable(const cubby_snapshot *snap);

/* Records a failed call's detail as the store's last error; passes 0 and DONE through. Returns rc. In a child it records nothing. */
int cubby__api_end(cubby_store *store, const cubby_error *err, int rc);
/* EINVAL, recorded if there is a store. */
int cubby__api_invalid(cubby_store *store, const char *what);
int cubby__api_nomem(cubby_store *store);

/* What a snapshot holds beside its view. */
void cubby__api_snapshot_release(cubby_snapshot *snap);

#endif
