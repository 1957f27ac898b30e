/* api_fixture.h - a store in memory behind the public interface. */
#ifndef CUBBY_TESTS_API_FIXTURE_H
#define CUBBY_TESTS_API_FIXTURE_H

#include <string.h>

#include "cubby.h"
#include "os/vfs_mem.h"
#include "unit/unit.h"

struct fixture {
    struct cubby__memfs *fs;
    cubby_options o;
    cubby_store *s;
    uint64_t inbox;
};

static inline const char *fixture_why(struct fixture *f)
{
    static cubby_error err;
    cubby_last_error(f->s, &err);
    return err.message;
}

#define must(x)                                                                 \
    do {                                                                        \
        int must_rc = (x);                                                      \
        ck_assert_msg(must_rc == 0, "%s: %d %s", #x, must_rc, fixture_why(f));  \
    } while (0)

/* A refusal: the code, and a detail that says why. */
#define refuses(x, code_)                                \
    do {                                                 \
        cubby_error refused;                             \
        ck_assert_int_eq((x), (code_));                  \
        cubby_last_error(f->s, &refused);                \
        ck_assert_int_eq(refused.code, (code_));         \
        ck_assert_str_ne(refused.message, "");           \
    } while (0)

static inline void fixture_begin(struct fixture *f)
{
    cubby_error err = {0};
    cubby_snapshot *snap;
    cubby_folder inbox;
    memset(f, 0, sizeof *f);
    f->fs = cubby__memfs_new();
    f->o = (cubby_options)CUBBY_OPTIONS_INIT;
    f->o.vfs = cubby__memfs_vfs(f->fs);
    ck_assert_msg(cubby_create("/s", &f->o, &err) == 0, "%s", err.message);
    ck_assert_msg(cubby_open("/s", &f->o, &f->s, &err) == 0, "%s", err.message);
    must(cubby_snapshot_begin(f->s, &snap));
    must(cubby_folder_find(snap, CUBBY_ROOT, "inbox", 5, &inbox));
    f->inbox = inbox.id;
    cubby_snapshot_end(&snap);
}

static inline void fixture_end(struct fixture *f)
{
    must(cubby_close(&f->s));
    cubby__memfs_free(&f->fs);
}

static inline cubby_message *fixture_message(struct fixture *f, const char *text)
{
    cubby_message *m;
    must(cubby_message_new(f->s, &m));
    must(cubby_message_write(m, text, strlen(text)));
    must(cubby_message_finish(m));
    return m;
}

static inline uint32_t fixture_add(struct fixture *f, const char *text, const cubby_add_options *o)
{
    cubby_message *m = fixture_message(f, text);
    cubby_txn *txn;
    uint32_t uid;
    must(cubby_txn_begin(f->s, 0, &txn));
    must(cubby_add(txn, f->inbox, m, o, &uid));
    must(cubby_txn_commit(&txn, NULL));
    cubby_message_free(&m);
    ck_assert_ptr_null(m);
    return uid;
}

#endif
