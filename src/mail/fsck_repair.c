/* fsck_repair.c - the repair of what a check finds (store/repair.h, P1 to P5; P6 is in FORMAT.md 9.1 and resync.h).
 *
 * Order: 1 cubby.id; 2 segments enough to open the store; 3 headers of segments; 4 what a sound index knows is logged again, then it is built anew; 5 what
 * can be saved goes to lost+found, and what clients must hear of is logged, in ordinary transactions; 6 the damaged segments are replaced; 7 the index is built
 * anew once more. Every step may be repeated: after a crash the next run finds less to do. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/key.h"
#include "mail/apply.h"
#include "mail/folder.h"
#include "mail/folder_row.h"
#include "mail/fsck.h"
#include "mail/lostfound.h"
#include "mail/reader.h"
#include "mail/relog.h"
#include "mail/resync.h"
#include "mail/walk.h"

struct repair {
    const char *path;
    cubby_options o;
    unsigned flags;
    struct cubby__repairs told;
    cubby_error *err;
    struct cubby__spy spy;
    struct cubby__orphans orphans;
    struct cubby__store *s;
    struct cubby__plan *plan;
    int rehearsed;       /* the plan but for what a new index finds: r->spy.broken */
    int nothing_unknown; /* the index knew all that was lost, but for what stood behind the end of the log */
};

static int knew_all(const struct repair *r)
{
    uint64_t through;
    return r->nothing_unknown && !(cubby__plan_losses(r->plan, &through) & CUBBY__LOST_END);
}

/* A long step asks, between its transactions, whether it may go on. */
static int may_go_on(struct repair *r, uint64_t done, uint64_t total)
{
    if (!r->o.progress || r->o.progress(r->o.progress_arg, done, total) == 0)
        return CUBBY_OK;
    return cubby__fail(r->err, CUBBY_ECANCEL, r->path, CUBBY__NO_OFFSET, "the repair was stopped");
}

/* ---- folders ---- */

/* The folder as it is, with a record that says so. */
static int log_folder(struct cubby__txn *txn, struct cubby__folder_row *row, int new_uidvalidity)
{
    char name[CUBBY__FOLDER_NAME_MAX + 1];
    struct cubby__buf b = CUBBY__BUF_INIT;
    struct cubby__folder_rec rec = row->rec;
    rec.created = cubby__folder_created(row);
    rec.parent = row->parent;
    rec.name = name;
    rec.name_len = cubby__folder_shown_name(row, name);
    if (rec.name_len > CUBBY__NAME_MAX) { /* its name and the number behind it are too long for a record: it stays displaced */
        if (!new_uidvalidity)
            return CUBBY_OK;
        rec.name = row->rec.name;
        rec.name_len = row->rec.name_len;
    }
    if (new_uidvalidity) {
        uint64_t next = cubby__next_uidvalidity(txn);
        rec.uidvalidity = next > UINT32_MAX ? UINT32_MAX : (uint32_t)next;
    }
    cubby__folder_encode(&rec, &b);
    int rc = b.failed ? cubby__fail_mem(cubby__txn_err(txn)) : cubby__txn_log(txn, CUBBY__REC_FOLDER, 0, b.data, b.len);
    cubby__buf_release(&b);
    return rc;
}

/* All folders in one transaction: those that were there when something may have been lost that their clients have heard of get a new uidvalidity, and those
 * that stand on made-up ground get a record. */
static int repair_folders(struct repair *r)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    struct cubby__txn *txn;
    uint64_t through, id = 0, raised = 0, settled = 0;
    int lost = cubby__plan_losses(r->plan, &through) & CUBBY__LOST_ANY && !knew_all(r);
    int rc = cubby__txn_begin(r->s, 0, &txn, r->err);
    if (rc)
        return rc;
    uint64_t number = cubby__txn_number(txn);
    while (!rc && !(rc = cubby__folder_row_next(cubby__txn_view(txn), &id, buf, &row))) {
        int raise = lost && cubby__folder_created(&row) <= through && cubby__folder_created(&row) != number;
        int settle = !row.commit || row.displaced || row.parent != row.rec.parent;
        if (row.dead || !(raise || settle))
            continue;
        rc = log_folder(txn, &row, raise);
        raised += (uint64_t)raise;
        settled += (uint64_t)settle;
    }
    if (rc == CUBBY_DONE)
        rc = cubby__mail_handlers.create(txn);
    if (rc) {
        cubby__txn_abort(&txn);
        return rc;
    }
    rc = cubby__txn_commit(&txn, NULL);
    if (!rc && raised)
        rc = cubby__repair_tell(&r->told, r->err, "UIDVALIDITY_RAISED", "", CUBBY__NO_OFFSET,
                                "%llu folders have a new uidvalidity: a change that their clients have seen may be lost", (unsigned long long)raised);
    if (!rc && settled)
        rc = cubby__repair_tell(&r->told, r->err, "FOLDER_SETTLED", "", CUBBY__NO_OFFSET, "%llu folders have a record again", (unsigned long long)settled);
    return rc;
}

/* ---- messages ---- */

static int plan_has(const void *plan, uint32_t seg)
{
    return cubby__plan_has(plan, seg);
}

static int read_message(struct cubby__view *view, uint64_t folder, uint32_t uid)
{
    struct cubby__msgreader m;
    const cubby_part *parts;
    size_t count;
    int rc = cubby__msgreader_open(&m, view, folder, uid);
    if (rc)
        return rc;
    rc = cubby__msgreader_verify(&m);
    if (!rc)
        rc = cubby__msgreader_parts(&m, &parts, &count);
    cubby__msgreader_close(&m);
    return rc;
}

/* Which of the next messages cannot be read? They are kept in the batch. DONE: there are no more. */
static int find_unreadable(struct repair *r, uint64_t folder, struct cubby__batch *b, uint8_t *room)
{
    struct cubby__message_row row;
    struct cubby__fetch f;
    struct cubby__view view;
    const struct cubby__suspects damaged = {plan_has, r->plan};
    size_t kept = 0;
    int rc = cubby__view_begin(r->s, &view, r->err);
    if (rc)
        return rc;
    rc = cubby__batch_read(b, &view, folder, NULL, CUBBY__UID_MAX);
    cubby__fetch_init(&f, &view);
    for (size_t i = 0; i < b->count && !rc; i++) {
        rc = cubby__batch_row(b, i, &view, folder, &row);
        if (!rc) /* the rows of a new index decode */
            rc = r->flags & CUBBY_CHECK_FULL ? read_message(&view, folder, b->uid[i]) : cubby__fetch_whole(&f, row.object, &row.place, &damaged, room);
        if (cubby__lost_for_good(&view, rc)) {
            b->uid[kept++] = b->uid[i];
            rc = 0;
        }
    }
    if (rc != CUBBY_DONE)
        b->count = kept;
    cubby__fetch_release(&f);
    cubby__view_end(&view);
    return rc;
}

static int repair_folder(struct repair *r, struct cubby__lostfound *lf, uint64_t folder, uint8_t *room)
{
    struct cubby__batch b = {.next = 0};
    int rc;
    while (!(rc = find_unreadable(r, folder, &b, room))) {
        for (size_t i = 0; i < b.count && !rc; i++)
            rc = cubby__lost_message(lf, folder, b.uid[i]);
        if (rc || (rc = may_go_on(r, 0, 0)) != 0)
            break;
    }
    cubby__batch_release(&b);
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

static int next_folder(struct repair *r, uint64_t *id, struct cubby__folder_row *row, uint8_t *buf)
{
    struct cubby__view view;
    int rc = cubby__view_begin(r->s, &view, r->err);
    if (rc)
        return rc;
    rc = cubby__folder_row_next(&view, id, buf, row);
    cubby__view_end(&view);
    return rc;
}

static int repair_messages(struct repair *r, struct cubby__lostfound *lf)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX], *room = cubby__malloc(CUBBY__PIECE_MAX);
    struct cubby__folder_row row;
    uint64_t id = 0;
    int rc = room ? 0 : cubby__fail_mem(r->err);
    while (!rc && !(rc = next_folder(r, &id, &row, buf)))
        if (!row.dead)
            rc = repair_folder(r, lf, id, room);
    cubby__free(room);
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

static int settle_orphans(struct repair *r)
{
    struct cubby__view view;
    int rc = cubby__view_begin(r->s, &view, r->err);
    if (rc)
        return rc;
    rc = cubby__orphans_settle(&r->orphans, &view);
    cubby__view_end(&view);
    return rc;
}

/* ---- clients ---- */

/* What has happened to folders that keep their uidvalidity. */
struct informed {
    uint64_t uids, flags;
};

/* What the index knew has been logged again, but for messages that had come and gone: of these it knew the tombstones, and the segments do not any more. */
static int inform_folder(struct repair *r, uint64_t id, int was_there, const struct cubby__unnamed *unnamed, struct informed *sum)
{
    uint64_t through, ranges, count, flags_through = 0;
    unsigned lost = cubby__plan_losses(r->plan, &through);
    int rc = CUBBY_OK;
    if (was_there && lost & (CUBBY__LOST_ENTRY | CUBBY__LOST_ANY) && !(rc = cubby__resync_uids(r->s, id, &ranges, r->err)))
        sum->uids += ranges;
    if (was_there && lost & CUBBY__LOST_FLAGS && !knew_all(r))
        flags_through = through;
    if (!rc && !(rc = cubby__resync_flags(r->s, id, flags_through, unnamed, &count, r->err)))
        sum->flags += count;
    return rc;
}

static int tell_informed(struct repair *r, const struct informed *sum)
{
    int rc = CUBBY_OK;
    if (sum->uids)
        rc = cubby__repair_tell(&r->told, r->err, "UIDS_EXPUNGED", "", CUBBY__NO_OFFSET,
                                "%llu stretches of uids that lost records may have given are expunged, for clients may hold them",
                                (unsigned long long)sum->uids);
    if (!rc && sum->flags)
        rc = cubby__repair_tell(&r->told, r->err, "FLAGS_REPEATED", "", CUBBY__NO_OFFSET,
                                "the flags of %llu messages have a new modseq, for clients may hold others", (unsigned long long)sum->flags);
    return rc;
}

static int inform_clients(struct repair *r)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__unnamed unnamed;
    struct cubby__folder_row row;
    struct informed sum = {0};
    uint64_t through, id = 0;
    unsigned lost = cubby__plan_losses(r->plan, &through);
    int raised = lost & CUBBY__LOST_ANY && !knew_all(r);
    int rc = lost ? cubby__unnamed_keywords(r->s, &unnamed, r->err) : CUBBY_DONE;
    while (!rc && !(rc = next_folder(r, &id, &row, buf))) {
        int was_there = !row.dead && cubby__folder_created(&row) <= through;
        if (!row.dead && !(raised && was_there && row.rec.uidvalidity != UINT32_MAX)) /* which may be the one that it had */
            rc = inform_folder(r, id, was_there, &unnamed, &sum);
        rc = rc ? rc : may_go_on(r, 0, 0);
    }
    return rc == CUBBY_DONE ? tell_informed(r, &sum) : rc;
}

/* ---- all that can be saved ---- */

static int save_orphans(struct repair *r, struct cubby__lostfound *lf)
{
    const struct cubby__orphans *all = &r->orphans;
    size_t pos = 0, first;
    int rc = CUBBY_OK;
    while (!rc && cubby__orphans_next(all, &pos, &first)) {
        if (all->at[first].type == CUBBY__REC_PIECE) {
            rc = cubby__lost_pieces(lf, all, first, &pos);
            rc = rc ? rc : may_go_on(r, pos, all->count);
            continue;
        }
        while (pos < all->count && all->at[pos].type == CUBBY__REC_OBJECT && pos - first < CUBBY__LOST_BATCH)
            pos++;
        rc = cubby__lost_objects(lf, &all->at[first], pos - first);
        rc = rc ? rc : may_go_on(r, pos, all->count);
    }
    return rc;
}

static int expunge_lost(struct repair *r, struct cubby__lostfound *lf)
{
    struct cubby__lost_entry some[CUBBY__LOST_BATCH];
    int rc = CUBBY_OK;
    cubby__spy_sort(&r->spy);
    size_t count = r->spy.entry_count; /* the list may grow while records are logged */
    for (size_t i = 0, n; i < count && !rc; i += n) {
        n = count - i < CUBBY__LOST_BATCH ? count - i : CUBBY__LOST_BATCH;
        memcpy(some, r->spy.entries + i, n * sizeof *some);
        rc = cubby__lost_uids(lf, some, n);
        rc = rc ? rc : may_go_on(r, i + n, count);
    }
    return rc;
}

/* P4 */
static int salvage(struct repair *r)
{
    struct cubby__lostfound lf = {.store = r->s, .told = &r->told, .err = r->err};
    int rc = repair_folders(r);
    if (!rc)
        rc = settle_orphans(r);
    if (!rc)
        rc = save_orphans(r, &lf);
    if (!rc)
        rc = expunge_lost(r, &lf);
    if (!rc && (r->flags & CUBBY_CHECK_FULL || !cubby__plan_empty(r->plan)))
        rc = repair_messages(r, &lf);
    cubby__lostfound_release(&lf);
    return rc ? rc : inform_clients(r);
}

/* ---- the store ---- */

static int fragment(void *arg, const struct cubby__record *rec)
{
    struct repair *r = arg;
    return cubby__orphans_add(&r->orphans, rec) ? cubby__fail_mem(r->err) : 0;
}

/* An index that is thrown away must not come back with a power cut: it fits the segments still, and says what they do not say. */
static int forget_index(struct repair *r)
{
    const cubby_vfs *vfs = r->o.vfs ? r->o.vfs : cubby_vfs_posix();
    int rc = vfs->dirsync(vfs->ctx, r->path);
    return rc ? cubby__fail_io(r->err, rc, r->path, CUBBY__NO_OFFSET, "syncing the directory") : CUBBY_OK;
}

static int open_anew(struct repair *r)
{
    cubby_options o = r->o;
    o.flags |= CUBBY_REBUILD;
    cubby__spy_forget(&r->spy);
    int rc = cubby__store_open(r->path, &o, &r->spy.h, &r->s, r->err);
    if (!rc && cubby__store_read_only(r->s)) {
        cubby__store_close(&r->s, NULL);
        rc = cubby__fail(r->err, CUBBY_EACCES, r->path, CUBBY__NO_OFFSET, "the store may not be written to");
    }
    if (!rc && (rc = forget_index(r)) != 0)
        cubby__store_close(&r->s, NULL);
    return rc;
}

static int close_it(struct repair *r, int rc)
{
    cubby__plan_free(&r->plan);
    int closed = cubby__store_close(&r->s, rc ? NULL : r->err);
    return rc ? rc : closed;
}

static int plan(struct repair *r)
{
    cubby__plan_free(&r->plan);
    cubby__orphans_forget(&r->orphans);
    return cubby__plan_make(r->s, r->spy.broken, r->spy.broken_count, fragment, r, &r->plan, r->err);
}

/* Without room for a recovery, what the index knows cannot be asked now, and it is not to be thrown away for that. DONE: it never can. */
static int why_read_only(struct repair *r)
{
    struct cubby__txn *none;
    return cubby__txn_begin(r->s, 0, &none, r->err) == CUBBY_ENOSPC ? CUBBY_ENOSPC : CUBBY_DONE;
}

/* Headers come first: what is readable again need not be known by the index. *damaged: what is left is. */
static int open_and_mend(struct repair *r, int *damaged)
{
    int rc = CUBBY_OK;
    *damaged = 0;
    for (int i = 0; i < 4 && !rc; i++) {
        rc = cubby__store_open(r->path, &r->o, &cubby__mail_handlers, &r->s, r->err);
        if (rc)
            return rc;
        rc = cubby__store_read_only(r->s) ? why_read_only(r) : plan(r);
        if (!rc) {
            *damaged = !cubby__plan_empty(r->plan);
            rc = cubby__plan_mend_headers(r->s, r->plan, &r->told, r->err);
        }
        if (rc == CUBBY_DONE)
            return CUBBY_OK;
        rc = close_it(r, rc);
    }
    return rc;
}

/* A sound index that was built before the damage knows what the damaged segments said: that is logged again, and then nothing of it is lost. One that
 * has followed the log over damage since knows of messages still. */
static int ask_index(struct repair *r)
{
    struct cubby__store *fresh;
    uint64_t records = 0, known = 0;
    int damaged, whole = 0;
    int rc = open_and_mend(r, &damaged);
    if (!rc && r->s && damaged) {
        rc = cubby__plan_rehearse(r->s, r->plan, r->err);
        r->rehearsed = !rc;
    }
    if (!rc && r->s && damaged)
        whole = cubby__index_is_whole(r->s, &known, r->err);
    if (whole < 0)
        rc = whole;
    if (!rc && whole > 0) {
        cubby_options o = r->o;
        o.flags |= CUBBY_READ_ONLY | CUBBY_REBUILD;
        rc = cubby__store_open(r->path, &o, &cubby__mail_handlers, &fresh, r->err);
        if (!rc) {
            rc = (whole == CUBBY__INDEX_WHOLE ? cubby__relog : cubby__relog_entries)(r->s, fresh, known, &records, r->err);
            cubby__store_close(&fresh, NULL);
        }
        r->nothing_unknown = !rc && whole == CUBBY__INDEX_WHOLE;
        if (!rc) /* unless it has been replaced meanwhile, and what was asked knew no more than the segments */
            whole = cubby__index_is_whole(r->s, &known, r->err);
        if (!rc && whole < 0)
            rc = whole;
        r->nothing_unknown &= whole == CUBBY__INDEX_WHOLE;
        if (rc == CUBBY_ECORRUPT || rc == CUBBY_ESTALE) /* then the segments alone must do */
            rc = 0;
    }
    if (r->s)
        rc = close_it(r, rc);
    if (!rc && records)
        rc = cubby__repair_tell(&r->told, r->err, "RELOGGED", "", CUBBY__NO_OFFSET, "%llu records that damaged segments had lost were known to the index",
                                (unsigned long long)records);
    return rc;
}

/* Once with the headers as they are; if some could be made again, once more. DONE: that is to be done. */
static int repair_open_store(struct repair *r, int *replaced)
{
    int rc = plan(r);
    if (!rc)
        rc = cubby__plan_mend_headers(r->s, r->plan, &r->told, r->err);
    if (!rc)
        return CUBBY_DONE;
    if (rc == CUBBY_DONE)
        rc = r->rehearsed && !r->spy.broken_count ? CUBBY_OK : cubby__plan_rehearse(r->s, r->plan, r->err);
    if (!rc)
        rc = salvage(r);
    *replaced = !rc && !cubby__plan_empty(r->plan);
    return rc ? rc : cubby__plan_apply(r->s, r->plan, &r->told, r->err);
}

static int repair_ident(struct repair *r, enum cubby__ident_state *was)
{
    int rc = cubby__ident_repair(r->o.vfs ? r->o.vfs : cubby_vfs_posix(), r->path, was, r->err);
    if (!rc && *was != CUBBY__IDENT_SOUND)
        rc = cubby__repair_tell(&r->told, r->err, "ID_MADE", CUBBY__FILE_ID, CUBBY__NO_OFFSET,
                                *was == CUBBY__IDENT_COPY   ? "the damaged copy was written from the other"
                                : *was == CUBBY__IDENT_LOST ? "made again from a segment"
                                                            : "made again from a segment; that of the other store is in " CUBBY__DIR_QUARANTINE);
    return rc;
}

static int repair_rest(struct repair *r)
{
    int replaced = 0, again = 1;
    int rc = cubby__repair_openable(r->path, &r->o, &cubby__mail_handlers, &r->told, r->err);
    if (!rc)
        rc = ask_index(r);
    for (int i = 0; i < 4 && !rc && again; i++) { /* a header that is made again may let another be */
        rc = open_anew(r);
        if (rc)
            return rc;
        rc = repair_open_store(r, &replaced);
        again = rc == CUBBY_DONE;
        rc = close_it(r, again ? 0 : rc);
    }
    if (!rc && replaced)
        rc = open_anew(r);
    if (!rc && r->s)
        rc = close_it(r, 0);
    return rc ? rc : cubby__repair_tell(&r->told, r->err, "INDEX_BUILT", CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "built anew from the segments");
}

/* ---- check, repair, check ---- */

static int silent(void *arg, const cubby_finding *f)
{
    (void)arg;
    (void)f;
    return 0;
}

/* Passes findings on, and sees whether the check could say anything at all, and whether there is anything that a repair is not to touch. */
struct listener {
    cubby_finding_fn fn;
    void *arg;
    int disturbed, branched;
};

static int listen_to(void *arg, const cubby_finding *f)
{
    struct listener *l = arg;
    l->disturbed |= strcmp(f->code, "CHECK_DISTURBED") == 0;
    l->branched |= strcmp(f->code, "SEGMENT_BRANCH") == 0;
    return l->fn(l->arg, f);
}

/* cubby.id comes first: without it nothing else can be looked at, and often nothing else is wrong. Then the names of segments, in the same way. */
static int repair_all(struct repair *r, struct listener *l, cubby_check_result *found)
{
    enum cubby__ident_state was;
    cubby_check_result rest = {.findings = 1};
    int rc = repair_ident(r, &was);
    uint64_t told = r->told.count;
    if (!rc)
        rc = cubby__repair_names(r->path, &r->o, &cubby__mail_handlers, &r->told, r->err);
    int unseen = was == CUBBY__IDENT_LOST || was == CUBBY__IDENT_FOREIGN || r->told.count != told;
    if (!rc && (unseen || was != CUBBY__IDENT_SOUND))
        rc = cubby__fsck_check(r->path, &r->o, r->flags, unseen ? listen_to : silent, l, &rest, r->err);
    if (!rc && unseen)
        found->findings += rest.findings;
    if (!rc && l->branched) /* the same numbers mean other mail in each copy: whatever is done for the one is wrong for the other */
        return cubby__repair_tell(&r->told, r->err, "NOT_DONE", CUBBY__DIR_SEGMENTS, CUBBY__NO_OFFSET,
                                  "segments of two copies of this store are mixed: nothing is changed before those of one copy are moved away");
    return rc || !rest.findings ? rc : repair_rest(r);
}

int cubby__fsck_repair(const char *path, const cubby_options *o, unsigned flags, cubby_finding_fn fn, cubby_finding_fn done, void *arg,
                       cubby_repair_result *result, cubby_error *err)
{
    struct repair r = {.path = path, .o = *o, .flags = flags, .told = {.fn = done, .arg = arg}, .err = err};
    struct listener first = {.fn = fn, .arg = arg}, second = {.fn = fn, .arg = arg};
    cubby_check_result before = {0}, after = {0};
    int rc = cubby__fsck_check(path, o, flags, listen_to, &first, &before, err);
    if (!rc && before.findings) {
        cubby__spy_init(&r.spy);
        rc = repair_all(&r, &first, &before);
        cubby__spy_release(&r.spy);
        cubby__orphans_release(&r.orphans);
        if (!rc)
            rc = cubby__fsck_check(path, o, flags, listen_to, &second, &after, err);
    }
    result->findings = before.findings;
    result->left = rc || second.disturbed ? before.findings : after.findings;
    result->fixed = before.findings > result->left ? before.findings - result->left : 0;
    result->messages = before.findings && !rc ? after.messages : before.messages;
    return rc;
}
