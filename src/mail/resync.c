#include "mail/resync.h"

#include <string.h>

#include "base/error.h"
#include "mail/expunge.h"
#include "mail/folder_row.h"
#include "mail/keyword.h"
#include "mail/tomb.h"
#include "mail/walk.h"

enum { BATCHES_A_STEP = 64 }; /* messages whose flags are logged in one transaction, in batches */

/* ---- uids that no EXPUNGE explains ---- */

struct expunging {
    struct cubby__expunge_writer w;
    uint64_t ranges;
    struct cubby__tombs tombs;
};

/* Of uids that are not there, those that no tombstone has. */
static int expunge_gap(struct expunging *x, uint64_t from, uint64_t last)
{
    const struct cubby__tombs *t = &x->tombs;
    int rc = CUBBY_OK;
    for (size_t i = cubby__tombs_seek(t, from); from <= last && !rc; i++) {
        uint64_t until = i < t->count && t->at[i].first <= last ? t->at[i].first : last + 1;
        if (from < until) {
            rc = cubby__expunge_add(&x->w, (uint32_t)from, (uint32_t)(until - 1));
            x->ranges++;
        }
        from = until <= last ? t->at[i].last + 1ull : until;
    }
    return rc;
}

static int expunge_gaps(struct expunging *x, uint64_t uidnext)
{
    struct cubby__batch b = {.next = 0};
    uint64_t from = 1;
    int rc;
    while (!(rc = cubby__batch_read(&b, cubby__txn_view(x->w.txn), x->w.folder, NULL, CUBBY__UID_MAX)))
        for (size_t i = 0; i < b.count; from = b.uid[i++] + 1ull)
            if (b.uid[i] > from && (rc = expunge_gap(x, from, b.uid[i] - 1)) != 0)
                goto out;
    if (rc == CUBBY_DONE && from < uidnext)
        rc = expunge_gap(x, from, uidnext - 1);
out:
    cubby__batch_release(&b);
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

int cubby__resync_uids(struct cubby__store *s, uint64_t folder, uint64_t *ranges, cubby_error *err)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct expunging x = {.w = {.folder = folder}};
    struct cubby__folder_row row;
    *ranges = 0;
    int rc = cubby__txn_begin(s, 0, &x.w.txn, err);
    if (rc)
        return rc;
    rc = cubby__folder_row_get(cubby__txn_view(x.w.txn), folder, buf, &row);
    if (!rc && row.dead)
        rc = CUBBY_DONE;
    if (!rc)
        rc = cubby__tombs_of(&x.tombs, cubby__txn_view(x.w.txn), folder);
    if (!rc)
        rc = expunge_gaps(&x, row.uidnext);
    rc = cubby__expunge_end(&x.w, rc);
    cubby__tombs_release(&x.tombs);
    if (rc || !x.ranges) {
        cubby__txn_abort(&x.w.txn);
        return rc == CUBBY_DONE ? CUBBY_OK : rc;
    }
    *ranges = x.ranges;
    return cubby__txn_commit(&x.w.txn, NULL);
}

/* ---- flags ---- */

int cubby__unnamed_keywords(struct cubby__store *s, struct cubby__unnamed *out, cubby_error *err)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    struct cubby__txn *txn;
    size_t len;
    memset(out, 0, sizeof *out);
    int rc = cubby__txn_begin(s, 0, &txn, err);
    if (rc)
        return rc;
    uint64_t given = cubby__txn_floors(txn)->keyword;
    for (uint16_t id = 1; id <= given && id <= CUBBY__KEYWORDS_MAX && rc >= 0; id++) {
        rc = cubby__view_get(cubby__txn_view(txn), key, cubby__key_keyword(key, id), value, &len);
        if (rc == CUBBY_DONE) {
            out->bit[id / 8] |= (uint8_t)(1u << id % 8);
            out->any = 1;
        }
    }
    cubby__txn_abort(&txn);
    return rc < 0 ? rc : CUBBY_OK;
}

static int has_unnamed(const struct cubby__keywords *k, const struct cubby__unnamed *unnamed)
{
    for (size_t i = 0; i < k->count; i++)
        if (unnamed->bit[k->id[i] / 8] & 1u << k->id[i] % 8)
            return 1;
    return 0;
}

struct run {
    struct cubby__message_row row; /* whose flags it has */
    uint32_t first, last;          /* uids; first 0: there is none */
};

static void add_run(struct run *run, struct cubby__buf *record)
{
    if (run->first)
        cubby__flags_run_put(run->row.flags, &run->row.keywords, run->first, run->last, record);
    run->first = 0;
}

/* One record for the messages of a batch: neighbours with the same flags are one run. */
static int log_batch(struct cubby__txn *txn, uint64_t folder, const struct cubby__batch *b, uint64_t through,
                     const struct cubby__unnamed *unnamed, uint64_t *count)
{
    struct cubby__buf record = CUBBY__BUF_INIT;
    struct cubby__message_row row;
    struct run run = {.first = 0};
    uint64_t before = *count;
    int rc = CUBBY_OK;
    cubby__flags_head(folder, &record);
    for (size_t i = 0; i < b->count && !rc; i++) {
        rc = cubby__batch_row(b, i, cubby__txn_view(txn), folder, &row);
        if (rc || (row.modseq > through && !has_unnamed(&row.keywords, unnamed)))
            continue;
        if (!run.first || b->uid[i] != run.last + 1 || !cubby__same_flags(&row, &run.row)) {
            add_run(&run, &record);
            run = (struct run){row, b->uid[i], b->uid[i]};
        }
        run.last = b->uid[i];
        ++*count;
    }
    add_run(&run, &record);
    if (!rc && record.failed)
        rc = cubby__fail_mem(cubby__txn_err(txn));
    if (!rc && *count > before)
        rc = cubby__txn_log(txn, CUBBY__REC_FLAGS, 0, record.data, record.len);
    cubby__buf_release(&record);
    return rc;
}

int cubby__resync_flags(struct cubby__store *s, uint64_t folder, uint64_t through, const struct cubby__unnamed *unnamed, uint64_t *count, cubby_error *err)
{
    struct cubby__batch b = {.next = 0};
    struct cubby__txn *txn;
    int rc = through || unnamed->any ? CUBBY_OK : CUBBY_DONE;
    *count = 0;
    while (!rc) {
        int done = CUBBY_OK;
        if ((rc = cubby__txn_begin(s, 0, &txn, err)) != 0)
            break;
        for (int i = 0; i < BATCHES_A_STEP && !done; i++) {
            done = cubby__batch_read(&b, cubby__txn_view(txn), folder, NULL, CUBBY__UID_MAX);
            if (!done)
                done = log_batch(txn, folder, &b, through, unnamed, count);
        }
        if (done < 0)
            cubby__txn_abort(&txn);
        rc = done < 0 ? done : cubby__txn_commit(&txn, NULL);
        rc = rc ? rc : done;
    }
    cubby__batch_release(&b);
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}
