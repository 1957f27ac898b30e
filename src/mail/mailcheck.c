#include "mail/mailcheck.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/key.h"
#include "mail/folder_row.h"
#include "mail/reader.h"
#include "mail/scan.h"
#include "mail/uidset.h"
#include "mail/walk.h"

/* Bytes of messages read through one snapshot: a long check must not hold one. */
#define SNAPSHOT_BYTES (64u << 20)

struct check {
    struct cubby__store *store;
    unsigned flags;
    cubby_finding_fn fn;
    void *arg;
    cubby_check_result *result;
    cubby_error *err;
    cubby_progress_fn progress;
    void *progress_arg;
    const struct cubby__suspects *suspects;
    uint8_t *room;        /* for a piece of a suspect segment */
    uint64_t read, first; /* messages read; how many there were in the result before */
    int lost;             /* why no more folders could be found, or 0; told at the end */
    cubby_error lost_err;
};

static int cancelled(struct check *c)
{
    return cubby__fail(c->err, CUBBY_ECANCEL, NULL, CUBBY__NO_OFFSET, "the check was cancelled");
}

static int report(struct check *c, const cubby_finding *f)
{
    c->result->findings++;
    return c->fn(c->arg, f) ? cancelled(c) : 0;
}

/* Damage is a finding, and the check goes on; anything else that fails ends it. */
static int report_damage(struct check *c, int rc, const char *code, uint64_t folder, uint32_t uid)
{
    if (rc != CUBBY_ECORRUPT && rc != CUBBY_EIO)
        return rc;
    const cubby_error e = *c->err; /* report uses it */
    const cubby_finding f = {code, CUBBY_ERROR, e.path, e.offset, folder, uid, e.message};
    return report(c, &f);
}

/* ---- counters ---------------------------------------------------------------------------------------------------------------------- */

/* What the rows of a folder add up to. */
struct sums {
    uint64_t messages, unseen, deleted, bytes, deleted_bytes, modseq, uid;
};

static int add_up(struct cubby__view *view, uint64_t folder, struct sums *t)
{
    struct cubby__scan *scan;
    const cubby_row *row;
    memset(t, 0, sizeof *t);
    int rc = cubby__scan_open(view, folder, NULL, &scan);
    if (rc)
        return rc;
    while (!(rc = cubby__scan_next(scan, &row))) {
        t->messages++;
        t->unseen += !(row->flags & CUBBY_SEEN);
        t->deleted += (row->flags & CUBBY_DELETED) != 0;
        t->bytes += row->size;
        t->deleted_bytes += row->flags & CUBBY_DELETED ? row->size : 0;
        t->modseq = row->modseq > t->modseq ? row->modseq : t->modseq;
        t->uid = row->uid;
    }
    cubby__scan_close(&scan);
    return rc == CUBBY_DONE ? 0 : rc;
}

static int differ(struct check *c, uint64_t folder, const char *what, uint64_t says, uint64_t is)
{
    char detail[160];
    snprintf(detail, sizeof detail, "%s: the folder says %llu, its messages say %llu", what, (unsigned long long)says, (unsigned long long)is);
    const cubby_finding f = {"FOLDER_COUNTERS", CUBBY_ERROR, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, folder, 0, detail};
    return report(c, &f);
}

static int compare(struct check *c, uint64_t folder, const struct cubby__folder_row *row, const struct sums *t)
{
    const struct {
        const char *what;
        uint64_t says, is;
        int at_least; /* the folder may say more */
    } pairs[] = {
        {"messages", row->messages, t->messages, 0},
        {"unseen", row->unseen, t->unseen, 0},
        {"deleted", row->deleted, t->deleted, 0},
        {"bytes", row->bytes, t->bytes, 0},
        {"bytes deleted", row->deleted_bytes, t->deleted_bytes, 0},
        {"highest modseq", row->highestmodseq, t->modseq, 1},
        {"uidnext", row->uidnext, t->uid ? t->uid + 1 : 0, 1},
    };
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i].says != pairs[i].is && !(pairs[i].at_least && pairs[i].says > pairs[i].is))
            rc = differ(c, folder, pairs[i].what, pairs[i].says, pairs[i].is);
    return rc;
}

static int check_counters(struct check *c, struct cubby__view *view, uint64_t folder)
{
    uint8_t value[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    struct sums t;
    int rc = cubby__folder_row_need(view, folder, value, &row);
    if (!rc)
        rc = add_up(view, folder, &t);
    if (rc)
        return rc;
    c->result->messages += t.messages;
    return compare(c, folder, &row, &t);
}

/* ---- messages ---------------------------------------------------------------------------------------------------------------------- */

/* Reads one message; *size is what it took. */
static int check_message(struct check *c, struct cubby__view *view, uint64_t folder, uint32_t uid, uint64_t *size)
{
    struct cubby__msgreader r;
    const char *code = "MESSAGE_UNREADABLE";
    int rc = cubby__msgreader_open(&r, view, folder, uid);
    *size = 0;
    if (!rc) {
        *size = r.fetch.object.size;
        rc = cubby__msgreader_verify(&r);
        if (!rc) {
            const cubby_part *parts;
            size_t count;
            rc = cubby__msgreader_parts(&r, &parts, &count);
        } else if (r.mismatch) {
            code = "MESSAGE_HASH";
        }
        cubby__msgreader_close(&r);
    }
    return report_damage(c, rc, code, folder, uid);
}

static int told(struct check *c)
{
    return c->progress && c->progress(c->progress_arg, ++c->read, c->result->messages - c->first) ? cancelled(c) : 0;
}

/* The messages from uid *next on, as many as one snapshot may take. *next: where to go on; DONE: that was the last. */
static int check_some(struct check *c, uint64_t folder, uint64_t *next)
{
    struct cubby__range range = {(uint32_t)*next, CUBBY__UID_MAX};
    const cubby_uidset uids = {&range, 1, 1};
    cubby_scan_options o = CUBBY_SCAN_INIT;
    o.uids = &uids;
    struct cubby__view view;
    struct cubby__scan *scan = NULL;
    const cubby_row *row;
    uint64_t bytes = 0, size;
    int rc = cubby__view_begin(c->store, &view, c->err);
    if (rc)
        return rc;
    rc = cubby__scan_open(&view, folder, &o, &scan);
    while (!rc && bytes < SNAPSHOT_BYTES && !(rc = cubby__scan_next(scan, &row))) {
        *next = row->uid + 1ull;
        rc = check_message(c, &view, folder, row->uid, &size);
        bytes += size;
        rc = rc ? rc : told(c);
    }
    cubby__scan_close(&scan);
    cubby__view_end(&view);
    if (!rc && *next > CUBBY__UID_MAX)
        rc = CUBBY_DONE;
    return rc == CUBBY_ENOENT ? CUBBY_DONE : rc; /* deleted meanwhile */
}

/* The same of suspects: are they all there? Most are in other segments, and cost one short read. */
static int look_at_some(struct check *c, uint64_t folder, struct cubby__batch *b)
{
    struct cubby__message_row row;
    struct cubby__fetch f;
    struct cubby__view view;
    int rc = cubby__view_begin(c->store, &view, c->err);
    if (rc)
        return rc;
    rc = cubby__batch_read(b, &view, folder, NULL, CUBBY__UID_MAX);
    cubby__fetch_init(&f, &view);
    for (size_t i = 0; i < b->count && !rc; i++) {
        rc = cubby__batch_row(b, i, &view, folder, &row);
        if (!rc)
            rc = report_damage(c, cubby__fetch_whole(&f, row.object, &row.place, c->suspects, c->room), "MESSAGE_UNREADABLE", folder, b->uid[i]);
        rc = rc ? rc : told(c);
    }
    cubby__fetch_release(&f);
    cubby__view_end(&view);
    return rc;
}

static int check_messages(struct check *c, uint64_t folder)
{
    struct cubby__batch b = {.next = 0};
    uint64_t next = 1;
    int rc = 0;
    while (!rc)
        rc = c->flags & CUBBY_CHECK_FULL ? check_some(c, folder, &next) : look_at_some(c, folder, &b);
    cubby__batch_release(&b);
    return rc == CUBBY_DONE ? 0 : report_damage(c, rc, "FOLDER_UNREADABLE", folder, 0);
}

/* ---- folders ----------------------------------------------------------------------------------------------------------------------- */

/* The first folder row with an id above *id; dead ones are passed over. DONE: none. */
static int next_folder(struct cubby__view *view, uint64_t *id)
{
    struct cubby__cursor cur;
    struct cubby__folder_row row;
    uint8_t key[CUBBY__TREE_KEY_MAX];
    size_t n = cubby__key_folder(key, *id + 1);
    cubby__view_cursor(view, &cur);
    int rc = cubby__cursor_seek(&cur, key, n);
    for (; !rc; rc = cubby__cursor_next(&cur)) {
        struct cubby__slice k = cubby__cursor_key(&cur), v = cubby__cursor_value(&cur);
        if (k.p[0] != CUBBY__KS_FOLDER || !cubby__keynum_get(k.p + 1, k.n - 1, id)) {
            rc = CUBBY_DONE;
            break;
        }
        if (cubby__folder_row_decode(v.p, v.n, &row) || !row.dead)
            break; /* a broken row is a folder too: its check says so */
    }
    cubby__cursor_release(&cur);
    return rc;
}

/* What next_folder gave; where the index is damaged nothing behind can be found: DONE, and why is told at the end. */
static int find_no_more(struct check *c, int rc)
{
    if (rc != CUBBY_ECORRUPT && rc != CUBBY_EIO)
        return rc;
    c->lost = rc;
    c->lost_err = *c->err;
    return CUBBY_DONE;
}

/* The counters of the next folder behind *id. */
static int check_folder(struct check *c, uint64_t *id)
{
    struct cubby__view view;
    int rc = cubby__view_begin(c->store, &view, c->err);
    if (rc)
        return rc;
    rc = next_folder(&view, id);
    rc = find_no_more(c, rc);
    if (!rc)
        rc = report_damage(c, check_counters(c, &view, *id), "FOLDER_UNREADABLE", *id, 0);
    cubby__view_end(&view);
    return rc;
}

static int check_all_messages(struct check *c)
{
    struct cubby__view view;
    uint64_t id = 0;
    for (;;) {
        int rc = cubby__view_begin(c->store, &view, c->err);
        if (rc)
            return rc;
        rc = next_folder(&view, &id);
        cubby__view_end(&view);
        if (!rc)
            rc = check_messages(c, id);
        else
            rc = find_no_more(c, rc);
        if (rc)
            return rc;
    }
}

int cubby__mail_check_told(struct cubby__store *s, unsigned flags, const struct cubby__suspects *suspects, cubby_finding_fn fn, void *arg,
                           cubby_progress_fn progress, void *progress_arg, cubby_check_result *result, cubby_error *err)
{
    struct check c = {.store = s, .flags = flags, .fn = fn, .arg = arg, .result = result, .err = err, .progress = progress, .progress_arg = progress_arg,
                      .first = result->messages, .suspects = suspects};
    uint64_t id = 0;
    int rc = 0, look = suspects && !(flags & CUBBY_CHECK_FULL);
    if (look && !(c.room = cubby__malloc(CUBBY__PIECE_MAX)))
        return cubby__fail_mem(err);
    while (!(rc = check_folder(&c, &id)))
        ;
    if (rc == CUBBY_DONE && (look || flags & CUBBY_CHECK_FULL))
        rc = check_all_messages(&c);
    cubby__free(c.room);
    if (rc == CUBBY_DONE && c.lost) {
        *err = c.lost_err;
        rc = report_damage(&c, c.lost, "FOLDER_UNREADABLE", 0, 0);
    }
    return rc == CUBBY_DONE ? 0 : rc;
}

int cubby__mail_check(struct cubby__store *s, unsigned flags, cubby_finding_fn fn, void *arg, cubby_check_result *result, cubby_error *err)
{
    return cubby__mail_check_told(s, flags, NULL, fn, arg, NULL, NULL, result, err);
}
