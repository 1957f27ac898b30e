/* state_fixture.h - a store in memory, small messages in it, and a picture of all that the index knows of mail. */
#ifndef CUBBY_TESTS_STATE_FIXTURE_H
#define CUBBY_TESTS_STATE_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "mail/apply.h"
#include "mail/changes.h"
#include "mail/entry.h"
#include "mail/flags.h"
#include "mail/folder.h"
#include "mail/folder_row.h"
#include "mail/incoming.h"
#include "mail/keyword.h"
#include "mail/subscription.h"
#include "mail/walk.h"
#include "os/vfs_mem.h"
#include "store/store.h"
#include "unit/files.h"
#include "unit/unit.h"

struct state {
    struct cubby__memfs *fs;
    cubby_options o;
    struct cubby__store *s;
    struct cubby__incoming *in;
    struct cubby__txn *txn;
    struct cubby__view view;
    cubby_error err;
    uint64_t token;
    int notices;
};

#define MUST(x)                                                                     \
    do {                                                                            \
        int must_rc = (x);                                                          \
        ck_assert_msg(must_rc == 0, "%s: %d %s", #x, must_rc, st->err.message);     \
    } while (0)
#define RETURNS(x, code) ck_assert_int_eq((x), (code))

static inline void state_notice(void *arg, const char *line)
{
    (void)line;
    ((struct state *)arg)->notices++;
}

static inline void state_begin(struct state *st)
{
    memset(st, 0, sizeof *st);
    st->fs = cubby__memfs_new();
    cubby__memfs_deterministic(st->fs, 1);
    st->o = (cubby_options)CUBBY_OPTIONS_INIT;
    st->o.vfs = cubby__memfs_vfs(st->fs);
    st->o.notice = state_notice;
    st->o.notice_arg = st;
    MUST(cubby__store_create("/s", &st->o, &cubby__mail_handlers, &st->err));
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    MUST(cubby__incoming_new(st->s, &st->in, &st->err));
}

static inline void state_reopen(struct state *st, unsigned flags)
{
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    st->o.flags = flags;
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    st->o.flags = 0;
    MUST(cubby__incoming_new(st->s, &st->in, &st->err));
}

static inline void state_end(struct state *st)
{
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    cubby__memfs_free(&st->fs);
}

/* The state as the segments alone say it; the caller closes it. */
static inline struct cubby__store *state_of_segments(struct state *st)
{
    struct cubby__store *fresh;
    cubby_options o = st->o;
    o.flags = CUBBY_READ_ONLY | CUBBY_REBUILD;
    MUST(cubby__store_open("/s", &o, &cubby__mail_handlers, &fresh, &st->err));
    return fresh;
}

static inline struct cubby__txn *begin(struct state *st)
{
    MUST(cubby__txn_begin(st->s, 0, &st->txn, &st->err));
    st->token++;
    return st->txn;
}

static inline uint64_t commit(struct state *st)
{
    uint64_t modseq;
    MUST(cubby__txn_commit(&st->txn, &modseq));
    return modseq;
}

static inline struct cubby__view *look(struct state *st)
{
    MUST(cubby__view_begin(st->s, &st->view, &st->err));
    return &st->view;
}

static inline void unlook(struct state *st)
{
    cubby__view_end(&st->view);
}

/* A message whose size is told by n into the running transaction. */
static inline uint64_t log_object(struct state *st, unsigned n)
{
    char text[200];
    uint64_t object;
    int len = snprintf(text, sizeof text, "Subject: %u\r\n\r\n%.*s\r\n", n, (int)(n % 90),
                       "..........................................................................................");
    cubby__incoming_reset(st->in);
    MUST(cubby__incoming_write(st->in, text, (size_t)len, &st->err));
    MUST(cubby__incoming_finish(st->in, &st->err));
    st->token++;
    MUST(cubby__incoming_log(st->in, st->txn, st->token, &object));
    return object;
}

static inline uint32_t add(struct state *st, uint64_t folder, const cubby_add_options *o)
{
    uint32_t uid;
    MUST(cubby__entry_add(st->txn, folder, log_object(st, (unsigned)st->token), o, &uid));
    return uid;
}

/* count messages to a folder, in one commit. */
static inline uint64_t fill(struct state *st, uint64_t folder, int count)
{
    begin(st);
    for (int i = 0; i < count; i++)
        add(st, folder, NULL);
    return commit(st);
}

static inline cubby_uidset *uids(const char *text)
{
    cubby_uidset *set;
    ck_assert_int_eq(cubby_uidset_parse(text, UINT32_MAX, &set), 0);
    return set;
}

/* Takes the set away and compares it with text. */
static inline void is_set(cubby_uidset *set, const char *text)
{
    char *s;
    ck_assert_ptr_nonnull(set);
    ck_assert_int_eq(cubby_uidset_format(set, &s), 0);
    ck_assert_str_eq(s, text);
    cubby_string_free(&s);
    cubby_uidset_free(&set);
}

static inline cubby_folder folder_of(struct state *st, uint64_t id)
{
    static struct cubby__folder f; /* the name is in it */
    MUST(cubby__folder_get(look(st), id, &f));
    unlook(st);
    return f.f;
}

/* The row of a message; DONE if there is none. */
static inline int row_of(struct state *st, uint64_t folder, uint32_t uid, struct cubby__message_row *row)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t n;
    int rc = cubby__view_get(look(st), key, cubby__key_message(key, folder, uid), value, &n);
    unlook(st);
    return rc ? rc : cubby__message_row_decode(value, n, row);
}

/* Every key and value but those of the store itself, as bytes: what a rebuild must give again. */
static inline void picture(struct cubby__view *view, struct cubby__buf *out)
{
    static const uint8_t first = CUBBY__KS_FOLDER;
    struct cubby__cursor c;
    cubby__buf_clear(out);
    cubby__view_cursor(view, &c);
    int rc = cubby__cursor_seek(&c, &first, 1);
    for (; !rc; rc = cubby__cursor_next(&c)) {
        struct cubby__slice k = cubby__cursor_key(&c), v = cubby__cursor_value(&c);
        cubby__buf_varint(out, k.n);
        cubby__buf_add(out, k.p, k.n);
        cubby__buf_varint(out, v.n);
        cubby__buf_add(out, v.p, v.n);
    }
    ck_assert_int_eq(rc, CUBBY_DONE);
    cubby__cursor_release(&c);
}

/* What was built live is what a rebuild from the segments gives. */
static inline void same_after_rebuild(struct state *st)
{
    struct cubby__buf live = CUBBY__BUF_INIT, rebuilt = CUBBY__BUF_INIT;
    picture(look(st), &live);
    unlook(st);
    state_reopen(st, CUBBY_REBUILD);
    picture(look(st), &rebuilt);
    unlook(st);
    ck_assert_uint_eq(live.len, rebuilt.len);
    ck_assert_int_eq(memcmp(live.data, rebuilt.data, live.len), 0);
    cubby__buf_release(&live);
    cubby__buf_release(&rebuilt);
}

#endif
