/* msg_fixture.h - a store in memory, messages into it and out of it again. */
#ifndef CUBBY_TESTS_MSG_FIXTURE_H
#define CUBBY_TESTS_MSG_FIXTURE_H

#include <string.h>

#include "mail/apply.h"
#include "mail/entry.h"
#include "mail/folder.h"
#include "mail/incoming.h"
#include "mail/reader.h"
#include "os/vfs_mem.h"
#include "store/store.h"
#include "unit/files.h"
#include "unit/unit.h"

struct fixture {
    struct cubby__memfs *fs;
    cubby_options o;
    struct cubby__store *s;
    struct cubby__incoming *in;
    cubby_error err;
    uint64_t inbox, token;
};

#define must(x)                                                                      \
    do {                                                                             \
        int must_rc = (x);                                                           \
        ck_assert_msg(must_rc == 0, "%s: %d %s", #x, must_rc, f->err.message);       \
    } while (0)

static inline void fixture_open(struct fixture *f)
{
    must(cubby__store_open("/s", &f->o, &cubby__mail_handlers, &f->s, &f->err));
    must(cubby__incoming_new(f->s, &f->in, &f->err));
}

static inline void fixture_begin(struct fixture *f)
{
    struct cubby__view view;
    struct cubby__folder inbox;
    memset(f, 0, sizeof *f);
    f->fs = cubby__memfs_new();
    f->o = (cubby_options)CUBBY_OPTIONS_INIT;
    f->o.vfs = cubby__memfs_vfs(f->fs);
    must(cubby__store_create("/s", &f->o, &cubby__mail_handlers, &f->err));
    fixture_open(f);
    must(cubby__view_begin(f->s, &view, &f->err));
    must(cubby__folder_find(&view, CUBBY_ROOT, "INBOX", 5, &inbox));
    f->inbox = inbox.f.id;
    cubby__view_end(&view);
}

static inline void fixture_close(struct fixture *f)
{
    cubby__incoming_free(&f->in);
    must(cubby__store_close(&f->s, &f->err));
}

static inline void fixture_end(struct fixture *f)
{
    fixture_close(f);
    cubby__memfs_free(&f->fs);
}

/* Into f->in, `chunk` bytes at a time (0: all at once). */
static inline void fixture_feed(struct fixture *f, const void *data, size_t n, size_t chunk)
{
    const uint8_t *p = data;
    cubby__incoming_reset(f->in);
    for (size_t at = 0; at < n; at += chunk ? chunk : n)
        must(cubby__incoming_write(f->in, p + at, chunk && chunk < n - at ? chunk : n - at, &f->err));
    must(cubby__incoming_finish(f->in, &f->err));
}

/* The message in f->in into the folder of a running transaction. */
static inline uint32_t fixture_put(struct fixture *f, struct cubby__txn *txn, const cubby_add_options *o)
{
    uint64_t object;
    uint32_t uid;
    must(cubby__entry_check(txn, f->inbox, o));
    must(cubby__incoming_log(f->in, txn, f->token, &object));
    must(cubby__entry_add(txn, f->inbox, object, o, &uid));
    return uid;
}

static inline uint32_t fixture_add(struct fixture *f, const void *data, size_t n, const cubby_add_options *o)
{
    struct cubby__txn *txn;
    fixture_feed(f, data, n, 0);
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    f->token++;
    uint32_t uid = fixture_put(f, txn, o);
    must(cubby__txn_commit(&txn, NULL));
    return uid;
}

/* Changes one byte of a file at rest. */
static inline void fixture_damage(struct fixture *f, const char *path, uint64_t off)
{
    file_flip(f->o.vfs, path, off, 0x40);
}

#endif
