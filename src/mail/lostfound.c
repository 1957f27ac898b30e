#include "mail/lostfound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "mail/entry.h"
#include "mail/fetch.h"
#include "mail/folder.h"
#include "mail/folder_row.h"
#include "mail/incoming.h"
#include "mail/records.h"
#include "mail/scan.h"
#include "mail/walk.h"

enum {
    TOKEN = 1, /* of the transaction that an incoming message is logged in */
    HASH_LEN = 16,
    SHORT = 64 << 10 /* bytes of a message that shares a transaction with others */
};

int cubby__lost_for_good(const struct cubby__view *view, int rc)
{
    return rc == CUBBY_ENOENT || rc == CUBBY_DONE || (rc == CUBBY_ECORRUPT && !cubby__pager_damaged(view->pager));
}

/* ---- the message that is made ---- */

struct making {
    struct cubby__incoming *in;
    struct cubby__fetch fetch;
    struct cubby__view view;
    uint8_t *piece;
    uint64_t saved, lost;
};

static int begin(struct making *m, struct cubby__lostfound *lf)
{
    memset(m, 0, sizeof *m);
    m->piece = cubby__malloc(CUBBY__PIECE_MAX);
    int rc = m->piece ? cubby__incoming_new(lf->store, &m->in, lf->err) : cubby__fail_mem(lf->err);
    if (!rc)
        rc = cubby__view_begin(lf->store, &m->view, lf->err);
    if (!rc)
        cubby__fetch_init(&m->fetch, &m->view);
    return rc;
}

static void end(struct making *m)
{
    if (m->view.link) {
        cubby__fetch_release(&m->fetch);
        cubby__view_end(&m->view);
    }
    cubby__incoming_free(&m->in);
    cubby__free(m->piece);
}

static int write_text(struct making *m, struct cubby__lostfound *lf, const char *text)
{
    return cubby__incoming_write(m->in, text, strlen(text), lf->err);
}

/* The content of a piece, or a line that says what is missing. */
static int write_piece(struct making *m, struct cubby__lostfound *lf, const struct cubby__piece_ref *ref, uint8_t kind)
{
    char line[96];
    int rc = ref->orig_len <= CUBBY__PIECE_MAX ? cubby__fetch_piece(&m->fetch, ref, kind, m->piece) : CUBBY_ECORRUPT;
    if (!rc) {
        m->saved += ref->orig_len;
        return cubby__incoming_write(m->in, m->piece, ref->orig_len, lf->err);
    }
    if (!cubby__lost_for_good(&m->view, rc))
        return rc;
    m->lost += ref->orig_len;
    snprintf(line, sizeof line, "\n[%u bytes of this message were lost here]\n", (unsigned)ref->orig_len);
    return write_text(m, lf, line);
}

/* The header as it was, or the list fields of it, or nothing; and then the empty line. */
static int write_header(struct making *m, struct cubby__lostfound *lf)
{
    const uint8_t *p;
    size_t n;
    int whole = 1;
    int rc = cubby__fetch_header(&m->fetch, &p, &n);
    if (cubby__lost_for_good(&m->view, rc)) {
        whole = 0;
        rc = cubby__fetch_list(&m->fetch, &p, &n);
        m->lost += m->fetch.object.stored_header - (rc ? 0 : n);
    }
    if (cubby__lost_for_good(&m->view, rc))
        rc = n = 0;
    if (!rc && n)
        rc = cubby__incoming_write(m->in, p, n, lf->err);
    m->saved += rc ? 0 : n;
    return rc || whole ? rc : write_text(m, lf, "\n");
}

static int write_message(struct making *m, struct cubby__lostfound *lf, const struct cubby__message_row *row)
{
    struct cubby__piece_ref ref;
    int rc = cubby__fetch_object(&m->fetch, row->object, &row->place);
    if (cubby__lost_for_good(&m->view, rc)) {
        m->lost += row->size;
        return write_text(m, lf, "Subject: [a message that was lost]\n\n");
    }
    if (!rc)
        rc = write_header(m, lf);
    for (size_t pos = 0; !rc && cubby__object_piece(&m->fetch.object, &pos, &ref);)
        rc = write_piece(m, lf, &ref, CUBBY__PIECE_BODY);
    return rc;
}

/* ---- into the folder ---- */

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, HASH_LEN);
}

static int add_hash(struct cubby__buf *b, const cubby_row *row)
{
    if (!row->damage)
        cubby__buf_add(b, row->hash, HASH_LEN);
    return b->failed ? CUBBY_ENOMEM : CUBBY_OK;
}

/* lost+found, lost+found_2 and so on: i counts from 1. DONE: there is none of that name. */
static int nth_folder(struct cubby__view *view, int i, char name[CUBBY__LOST_NAME], uint64_t *id)
{
    snprintf(name, CUBBY__LOST_NAME, i == 1 ? CUBBY__LOST_FOUND : CUBBY__LOST_FOUND "_%d", i);
    return cubby__name_get(view, CUBBY_ROOT, name, strlen(name), id);
}

static int add_hashes(struct cubby__lostfound *lf, struct cubby__view *view, uint64_t folder, struct cubby__buf *b)
{
    cubby_scan_options o = CUBBY_SCAN_INIT;
    struct cubby__scan *scan;
    const cubby_row *row;
    o.want = CUBBY_WANT_OBJECT;
    int rc = cubby__scan_open(view, folder, &o, &scan);
    if (rc)
        return rc;
    while (!(rc = cubby__scan_next(scan, &row)))
        if (add_hash(b, row)) {
            rc = cubby__fail_mem(lf->err);
            break;
        }
    cubby__scan_close(&scan);
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

/* What earlier runs have put there: read once, for what this one adds is not looked for. */
static int read_seen(struct cubby__lostfound *lf, struct cubby__view *view)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    char name[CUBBY__LOST_NAME];
    uint64_t folder;
    int rc = CUBBY_OK;
    for (int i = 1; i <= CUBBY__LOST_FOLDERS && !rc; i++) {
        rc = nth_folder(view, i, name, &folder);
        rc = rc == CUBBY_DONE ? CUBBY_OK : rc ? rc : add_hashes(lf, view, folder, &b);
    }
    if (rc) {
        cubby__buf_release(&b);
        return rc;
    }
    lf->seen = b.data;
    lf->seen_count = b.len / HASH_LEN;
    lf->seen_read = 1;
    if (lf->seen_count)
        qsort(lf->seen, lf->seen_count, HASH_LEN, compare_hashes);
    return CUBBY_OK;
}

/* It is there from an earlier run, which was interrupted before the damage was covered. */
static int is_there(struct cubby__lostfound *lf, struct cubby__view *view, const uint8_t hash[HASH_LEN], int *found)
{
    int rc = lf->seen_read ? CUBBY_OK : read_seen(lf, view);
    *found = !rc && lf->seen_count && bsearch(hash, lf->seen, lf->seen_count, HASH_LEN, compare_hashes);
    return rc;
}

void cubby__lostfound_release(struct cubby__lostfound *lf)
{
    cubby__free(lf->seen);
    lf->seen = NULL;
    lf->seen_count = 0;
    lf->seen_read = 0;
    cubby__tombs_release(&lf->tombs);
}

/* Once in a transaction: one with uids for as many messages as that may hold. */
static int need_folder(struct cubby__lostfound *lf, struct cubby__txn *txn, uint64_t *id)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    for (int i = 1; i <= CUBBY__LOST_FOLDERS; i++) {
        int rc = nth_folder(cubby__txn_view(txn), i, lf->name, id);
        if (rc == CUBBY_DONE)
            return cubby__folder_create_anyway(txn, lf->name, strlen(lf->name), id);
        if (!rc)
            rc = cubby__folder_row_need(cubby__txn_view(txn), *id, buf, &row);
        if (rc || row.uidnext + CUBBY__LOST_BATCH <= CUBBY__UID_MAX + 1ull)
            return rc;
    }
    return cubby__fail(lf->err, CUBBY_ELIMIT, NULL, CUBBY__NO_OFFSET, "the uids of %s and of %d folders like it are used up", CUBBY__LOST_FOUND,
                       CUBBY__LOST_FOLDERS - 1);
}

static int expunge(struct cubby__txn *txn, uint64_t folder, uint32_t uid)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__expunge_encode(folder, cubby__txn_now(txn), uid, &b);
    return cubby__txn_log_buf(txn, CUBBY__REC_EXPUNGE, &b);
}

/* The message that was made, unless it is there. *now: its uid, or 0. */
static int put(struct making *m, struct cubby__lostfound *lf, struct cubby__txn *txn, uint64_t id, uint64_t token, const cubby_add_options *o, uint32_t *now)
{
    uint64_t object;
    int known = 0;
    *now = 0;
    int rc = is_there(lf, cubby__txn_view(txn), cubby__incoming_object(m->in)->hash, &known);
    if (!rc && !known)
        rc = cubby__incoming_log(m->in, txn, token, &object);
    if (!rc && !known)
        rc = cubby__entry_add(txn, id, object, o, now);
    return rc;
}

/* One transaction: the new message is there and the old one is not, or neither has happened. */
static int commit(struct making *m, struct cubby__lostfound *lf, const struct cubby__message_row *row, uint64_t folder, uint32_t uid, uint32_t *now)
{
    cubby_add_options o = CUBBY_ADD_INIT;
    struct cubby__txn *txn;
    uint64_t id;
    int rc = cubby__incoming_finish(m->in, lf->err);
    if (!rc)
        rc = cubby__txn_begin(lf->store, 0, &txn, lf->err);
    if (rc)
        return rc;
    o.flags = row->flags & CUBBY_FLAGS_ALL;
    o.has_date = 1;
    o.internaldate = row->internaldate;
    o.internaldate_zone = row->zone;
    rc = need_folder(lf, txn, &id);
    if (!rc)
        rc = put(m, lf, txn, id, TOKEN, &o, now);
    if (!rc)
        rc = expunge(txn, folder, uid);
    if (!rc)
        return cubby__txn_commit(&txn, NULL);
    cubby__txn_abort(&txn);
    return rc;
}

/* ---- the four kinds ---- */

int cubby__lost_objects(struct cubby__lostfound *lf, const struct cubby__orphan *o, size_t count)
{
    struct cubby__txn *txn;
    uint64_t id;
    uint32_t uid[CUBBY__LOST_BATCH] = {0};
    if (count > CUBBY__LOST_BATCH)
        count = CUBBY__LOST_BATCH;
    int rc = cubby__txn_begin(lf->store, 0, &txn, lf->err);
    if (rc)
        return rc;
    rc = need_folder(lf, txn, &id);
    for (size_t i = 0; i < count && !rc; i++)
        rc = cubby__entry_add(txn, id, o[i].id, NULL, &uid[i]);
    if (rc) {
        cubby__txn_abort(&txn);
        return rc;
    }
    rc = cubby__txn_commit(&txn, NULL);
    for (size_t i = 0; i < count && !rc; i++)
        rc = cubby__repair_tell(lf->told, lf->err, "MESSAGE_SAVED", "", CUBBY__NO_OFFSET, "message %llu, whose entry was lost, is uid %u of %s",
                                (unsigned long long)o[i].id, uid[i], lf->name);
    return rc;
}

static int write_pieces(struct making *m, struct cubby__lostfound *lf, const struct cubby__orphan *pieces, size_t count)
{
    char line[256];
    cubby__incoming_reset(m->in);
    snprintf(line, sizeof line, "Subject: [what was left of a message]\nX-Cubby-Salvage: the record that named its parts was lost (commit %llu)\n%s",
             (unsigned long long)pieces->commit, pieces->kind == CUBBY__PIECE_REST ? "" : "\n");
    int rc = write_text(m, lf, line);
    for (size_t i = 0; i < count && !rc; i++)
        rc = write_piece(m, lf, &(struct cubby__piece_ref){pieces[i].id, pieces[i].orig_len, 0}, pieces[i].kind);
    return rc ? rc : cubby__incoming_finish(m->in, lf->err);
}

/* To the pieces behind *pos, if they make a message that is short enough to be written while the writer lock is held. */
static int next_short(const struct cubby__orphans *all, size_t *first, size_t *pos)
{
    uint64_t bytes = 0;
    size_t end = *pos;
    if (!cubby__orphans_next(all, &end, first) || all->at[*first].type != CUBBY__REC_PIECE)
        return 0;
    for (size_t i = *first; i < end; i++)
        bytes += all->at[i].orig_len;
    if (bytes > SHORT)
        return 0;
    *pos = end;
    return 1;
}

static int put_pieces(struct making *m, struct cubby__lostfound *lf, const struct cubby__orphans *all, size_t *pos, uint64_t saved[], size_t *count)
{
    struct cubby__txn *txn;
    size_t first;
    uint64_t id;
    uint32_t uid;
    *count = 0;
    int rc = cubby__txn_begin(lf->store, 0, &txn, lf->err);
    if (rc)
        return rc;
    rc = need_folder(lf, txn, &id);
    while (!rc) { /* m holds a message */
        rc = put(m, lf, txn, id, TOKEN + *count, NULL, &uid);
        saved[(*count)++] = m->saved;
        m->saved = 0;
        if (rc || *count == CUBBY__LOST_BATCH || !next_short(all, &first, pos))
            break;
        rc = write_pieces(m, lf, &all->at[first], *pos - first);
    }
    if (rc)
        cubby__txn_abort(&txn);
    return rc ? rc : cubby__txn_commit(&txn, NULL);
}

int cubby__lost_pieces(struct cubby__lostfound *lf, const struct cubby__orphans *all, size_t first, size_t *pos)
{
    struct making m;
    uint64_t saved[CUBBY__LOST_BATCH];
    size_t count = 0;
    int rc = begin(&m, lf);
    if (!rc)
        rc = write_pieces(&m, lf, &all->at[first], *pos - first);
    if (!rc)
        rc = put_pieces(&m, lf, all, pos, saved, &count);
    for (size_t i = 0; i < count && !rc; i++)
        rc = cubby__repair_tell(lf->told, lf->err, "MESSAGE_SAVED", "", CUBBY__NO_OFFSET, "%llu bytes of a message without record are in %s",
                                (unsigned long long)saved[i], lf->name);
    end(&m);
    return rc;
}

int cubby__lost_message(struct cubby__lostfound *lf, uint64_t folder, uint32_t uid)
{
    struct making m;
    struct cubby__message_row row;
    char line[128];
    uint32_t now = 0;
    int rc = begin(&m, lf);
    if (!rc)
        rc = cubby__message_row_get(&m.view, folder, uid, &row);
    snprintf(line, sizeof line, "X-Cubby-Salvage: what could be read of uid %u in folder %llu\n", uid, (unsigned long long)folder);
    if (!rc)
        rc = write_text(&m, lf, line);
    if (!rc)
        rc = write_message(&m, lf, &row);
    if (!rc)
        rc = commit(&m, lf, &row, folder, uid, &now);
    if (!rc)
        rc = cubby__repair_tell(lf->told, lf->err, "MESSAGE_SAVED", "", CUBBY__NO_OFFSET,
                                "uid %u of folder %llu: %llu bytes could be read, %llu were lost; it is uid %u of %s", uid, (unsigned long long)folder,
                                (unsigned long long)m.saved, (unsigned long long)m.lost, now, lf->name);
    end(&m);
    return rc == CUBBY_DONE ? CUBBY_OK : rc; /* expunged meanwhile */
}

int cubby__lost_uids(struct cubby__lostfound *lf, const struct cubby__lost_entry *e, size_t count)
{
    struct cubby__txn *txn;
    uint8_t gone[CUBBY__LOST_BATCH] = {0};
    size_t expunged = 0;
    if (count > CUBBY__LOST_BATCH)
        count = CUBBY__LOST_BATCH;
    int rc = cubby__txn_begin(lf->store, 0, &txn, lf->err);
    if (rc)
        return rc;
    for (size_t i = 0; i < count && rc >= 0; i++) {
        rc = cubby__spy_still_lost(cubby__txn_view(txn), &lf->tombs, &e[i]);
        gone[i] = rc == CUBBY_OK;
        expunged += gone[i];
        if (gone[i])
            rc = expunge(txn, e[i].folder, e[i].uid);
    }
    if (rc < 0 || !expunged) {
        cubby__txn_abort(&txn);
        return rc < 0 ? rc : CUBBY_OK;
    }
    rc = cubby__txn_commit(&txn, NULL);
    for (size_t i = 0; i < count && !rc; i++)
        if (gone[i])
            rc = cubby__repair_tell(lf->told, lf->err, "MESSAGE_GONE", "", CUBBY__NO_OFFSET, "uid %u of folder %llu is expunged: its message was lost",
                                    e[i].uid, (unsigned long long)e[i].folder);
    return rc;
}
