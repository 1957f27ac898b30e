/* What a forked child asks of the handles of its parent: all of it is refused, at once, and nothing of it reaches the parent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/api.h"
#include "store/internal.h"
#include "unit/unit.h"

enum { LARGE = 1 << 20 }; /* more of a message than stays in memory */

struct family {
    char dir[64], store[96];
    cubby_store *s;
    cubby_snapshot *snap;
    cubby_txn *txn;
    cubby_scan *scan;
    cubby_changes *changes;
    cubby_reader *reader;
    cubby_message *done, *half;
    cubby_uidset *set;
    uint8_t *bytes;
    uint64_t inbox;
};

#define MUST(x) ck_assert_int_eq((x), 0)

static void begin(struct family *f)
{
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_folder inbox;
    uint32_t seed = 1;
    memset(f, 0, sizeof *f);
    strcpy(f->dir, "/tmp/cubby-fork.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(f->dir));
    snprintf(f->store, sizeof f->store, "%s/s", f->dir);
    o.flags = CUBBY_CREATE;
    MUST(cubby_open(f->store, &o, &f->s, NULL));
    MUST(cubby_snapshot_begin(f->s, &f->snap));
    MUST(cubby_folder_find(f->snap, CUBBY_ROOT, "INBOX", 5, &inbox));
    f->inbox = inbox.id;
    cubby_snapshot_end(&f->snap);
    f->bytes = malloc(LARGE);
    ck_assert_ptr_nonnull(f->bytes);
    for (size_t i = 0; i < LARGE; i++)
        f->bytes[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
    memcpy(f->bytes, "Subject: x\n\n", 12);
    MUST(cubby_uidset_new(&f->set));
    MUST(cubby_uidset_add(f->set, 1, 1));
}

static void fill(struct family *f)
{
    MUST(cubby_message_new(f->s, &f->done));
    MUST(cubby_message_write(f->done, f->bytes, 1000));
    MUST(cubby_message_finish(f->done));
    MUST(cubby_message_new(f->s, &f->half));
    MUST(cubby_message_write(f->half, f->bytes, LARGE / 2));
    MUST(cubby_txn_begin(f->s, 0, &f->txn));
    MUST(cubby_add(f->txn, f->inbox, f->done, NULL, NULL));
    MUST(cubby_txn_commit(&f->txn, NULL));
    MUST(cubby_snapshot_begin(f->s, &f->snap));
    MUST(cubby_scan_open(f->snap, f->inbox, NULL, &f->scan));
    MUST(cubby_changes_open(f->snap, f->inbox, 0, &f->changes));
    MUST(cubby_reader_open(f->snap, f->inbox, 1, &f->reader));
}

static void end(struct family *f)
{
    char command[128];
    cubby_scan_close(&f->scan);
    cubby_changes_close(&f->changes);
    cubby_reader_close(&f->reader);
    cubby_snapshot_end(&f->snap);
    cubby_message_free(&f->done);
    cubby_message_free(&f->half);
    cubby_uidset_free(&f->set);
    MUST(cubby_close(&f->s));
    free(f->bytes);
    snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    MUST(system(command));
}

/* ---- in the child ---- */

static int wrong; /* the line of the first call that was not refused */

#define REFUSED(x)                       \
    do {                                 \
        if ((x) != CUBBY_EINVAL && !wrong) \
            wrong = __LINE__;            \
    } while (0)
#define NEVER(x) REFUSED((x) ? 0 : CUBBY_EINVAL)

static void ask_the_store(struct family *f)
{
    cubby_snapshot *snap = NULL;
    cubby_txn *txn = NULL;
    cubby_message *m = NULL;
    cubby_stat stat;
    cubby_error err;
    REFUSED(cubby_snapshot_begin(f->s, &snap));
    REFUSED(cubby_txn_begin(f->s, 0, &txn));
    REFUSED(cubby_txn_begin(f->s, 999, &txn));
    REFUSED(cubby_message_new(f->s, &m));
    REFUSED(cubby_store_stat(f->s, &stat));
    REFUSED(cubby_store_stat(f->s, NULL));
    REFUSED(cubby_sync(f->s));
    REFUSED(cubby_checkpoint(f->s));
    NEVER(snap || txn || m);
    cubby_last_error(f->s, &err);
    REFUSED(err.code);
    NEVER(!*err.message);
}

static void ask_a_snapshot(struct family *f, cubby_snapshot *snap)
{
    cubby_folder folder;
    const cubby_row *row;
    const char *text;
    const void *value;
    cubby_scan *scan;
    cubby_changes *changes;
    cubby_reader *reader;
    uint16_t number;
    size_t len;
    REFUSED(cubby_folder_get(snap, f->inbox, &folder));
    REFUSED(cubby_folder_find(snap, CUBBY_ROOT, "INBOX", 5, &folder));
    REFUSED(cubby_folder_next(snap, CUBBY_ROOT, NULL, 0, &folder));
    REFUSED(cubby_subscription_next(snap, NULL, 0, &text, &len));
    REFUSED(cubby_annotation_get(snap, f->inbox, "/a", &value, &len));
    REFUSED(cubby_annotation_next(snap, f->inbox, NULL, &text, &value, &len));
    REFUSED(cubby_keyword_name(snap, 1, &text));
    REFUSED(cubby_keyword_find(snap, "x", &number));
    REFUSED(cubby_row_get(snap, f->inbox, 1, 0, &row));
    REFUSED(cubby_scan_open(snap, f->inbox, NULL, &scan));
    REFUSED(cubby_changes_open(snap, f->inbox, 0, &changes));
    REFUSED(cubby_reader_open(snap, f->inbox, 1, &reader));
}

static void ask_what_reads(struct family *f)
{
    const cubby_row *row;
    cubby_change change;
    char byte;
    size_t n;
    REFUSED(cubby_scan_next(f->scan, &row));
    REFUSED(cubby_changes_next(f->changes, &change));
    REFUSED(cubby_reader_read(f->reader, 0, &byte, 1, &n));
    REFUSED(cubby_reader_verify(f->reader));
    NEVER(cubby_reader_parts(f->reader, &n));
}

static void change(struct family *f)
{
    const uint64_t inbox = f->inbox;
    uint64_t id;
    uint32_t uid;
    REFUSED(cubby_folder_create(f->txn, CUBBY_ROOT, "child", 5, &id));
    REFUSED(cubby_folder_rename(f->txn, inbox, CUBBY_ROOT, "y", 1));
    REFUSED(cubby_folder_delete(f->txn, inbox));
    REFUSED(cubby_folder_set_special(f->txn, inbox, CUBBY_USE_ALL));
    REFUSED(cubby_folder_set_uidvalidity(f->txn, inbox, 7));
    REFUSED(cubby_annotation_set(f->txn, inbox, "/a", "x", 1));
    REFUSED(cubby_subscribe(f->txn, "x", 2, 1));
    REFUSED(cubby_add(f->txn, inbox, f->done, NULL, &uid));
    REFUSED(cubby_flag(f->txn, inbox, f->set, CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, 0, NULL));
    REFUSED(cubby_copy(f->txn, inbox, f->set, inbox, NULL, NULL));
    REFUSED(cubby_move(f->txn, inbox, f->set, inbox, NULL, NULL));
    REFUSED(cubby_expunge(f->txn, inbox, f->set, 0, NULL));
    REFUSED(cubby_recent_claim(f->txn, inbox, &uid));
}

/* Then lets go of everything, or of the store alone. */
static void child(struct family *f, int how)
{
    alarm(20); /* it waits for no lock */
    ask_the_store(f);
    ask_a_snapshot(f, f->snap);
    ask_what_reads(f);
    REFUSED(cubby_message_write(f->half, f->bytes, LARGE / 4));
    REFUSED(cubby_message_finish(f->half));
    if (f->txn) {
        ask_a_snapshot(f, cubby_txn_snapshot(f->txn));
        change(f);
    }
    if (how > 0) {
        cubby_scan_close(&f->scan);
        cubby_changes_close(&f->changes);
        cubby_reader_close(&f->reader);
        cubby_snapshot_end(&f->snap);
        cubby_message_free(&f->done);
        cubby_message_free(&f->half);
        if (f->txn && how == 1)
            cubby_txn_abort(&f->txn);
        else if (f->txn)
            REFUSED(cubby_txn_commit(&f->txn, NULL));
    }
    if (how < 2)
        cubby_atfork_child(&f->s);
    else
        REFUSED(cubby_close(&f->s));
    NEVER(f->s);
    if (wrong)
        fprintf(stderr, "not refused: line %d\n", wrong);
    _exit(wrong != 0);
}

/* ---- in the parent ---- */

static void run_child(struct family *f, int how)
{
    int status;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        child(f, how);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

static void reads_on(struct family *f)
{
    const cubby_row *row;
    cubby_change change;
    MUST(cubby_scan_next(f->scan, &row));
    MUST(cubby_changes_next(f->changes, &change));
    MUST(cubby_reader_verify(f->reader));
}

/* The message that the child would have written to is what the parent wrote. */
static void add_large(struct family *f)
{
    cubby_snapshot *snap;
    cubby_reader *r;
    uint32_t uid;
    size_t n;
    uint8_t *back = malloc(LARGE);
    ck_assert_ptr_nonnull(back);
    MUST(cubby_message_write(f->half, f->bytes + LARGE / 2, LARGE / 2));
    run_child(f, 0);
    MUST(cubby_message_finish(f->half));
    run_child(f, 1);
    MUST(cubby_add(f->txn, f->inbox, f->half, NULL, &uid));
    run_child(f, 1);
    MUST(cubby_txn_commit(&f->txn, NULL));
    MUST(cubby_snapshot_begin(f->s, &snap));
    MUST(cubby_reader_open(snap, f->inbox, uid, &r));
    MUST(cubby_reader_read(r, 0, back, LARGE, &n));
    ck_assert_uint_eq(n, LARGE);
    ck_assert_int_eq(memcmp(back, f->bytes, LARGE), 0);
    MUST(cubby_reader_verify(r));
    cubby_reader_close(&r);
    cubby_snapshot_end(&snap);
    free(back);
}

START_TEST(all_is_refused)
{
    struct family family, *f = &family;
    begin(f);
    fill(f);
    for (int how = 0; how < 3; how++)
        run_child(f, how);
    MUST(cubby_txn_begin(f->s, 0, &f->txn));
    for (int how = 0; how < 3; how++)
        run_child(f, how);
    add_large(f);
    reads_on(f);
    end(f);
}
END_TEST

/* Other threads of the parent are in the middle of something: recording an error, beginning a snapshot, sharing a sync. */
START_TEST(no_lock_is_waited_for)
{
    struct family family, *f = &family;
    begin(f);
    fill(f);
    for (int how = 0; how < 6; how++) {
        if (how == 3)
            MUST(cubby_txn_begin(f->s, 0, &f->txn));
        pthread_mutex_t *locks[] = {&f->s->mutex, &f->s->s->g, &f->s->s->v};
        for (size_t i = 0; i < sizeof locks / sizeof *locks; i++)
            pthread_mutex_lock(locks[i]);
        run_child(f, how % 3);
        for (size_t i = 0; i < sizeof locks / sizeof *locks; i++)
            pthread_mutex_unlock(locks[i]);
    }
    MUST(cubby_txn_commit(&f->txn, NULL));
    reads_on(f);
    end(f);
}
END_TEST

UNIT_MAIN("api/fork", all_is_refused, no_lock_is_waited_for)
