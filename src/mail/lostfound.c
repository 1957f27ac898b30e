#include "mail/lostfound.h"

#include <stdio.h>
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

enum { TOKEN = 1 }; /* the token of the one transaction that each incoming message is logged in */

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

/* It is there from an earlier run, which was interrupted before the damage was covered. */
static int is_there(struct cubby__view *view, uint64_t folder, const uint8_t hash[16], int *found)
{
    cubby_scan_options o = CUBBY_SCAN_INIT;
    struct cubby__scan *scan;
    const cubby_row *row;
    *found = 0;
    o.want = CUBBY_WANT_OBJECT;
    int rc = cubby__scan_open(view, folder, &o, &scan);
    if (rc)
        return rc;
    while (!*found && !(rc = cubby__scan_next(scan, &row)))
        *found = !row->damage && memcmp(row->hash, hash, 16) == 0;
    cubby__scan_close(&scan);
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

static int need_folder(struct cubby__txn *txn, uint64_t *id)
{
    int rc = cubby__name_get(cubby__txn_view(txn), CUBBY_ROOT, CUBBY__LOST_FOUND, sizeof CUBBY__LOST_FOUND - 1, id);
    return rc == CUBBY_DONE ? cubby__folder_create(txn, CUBBY_ROOT, CUBBY__LOST_FOUND, sizeof CUBBY__LOST_FOUND - 1, id) : rc;
}

static int expunge(struct cubby__txn *txn, uint64_t folder, uint32_t uid)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    struct cubby__ranges s = {0};
    uint8_t bytes[2 * CUBBY__VARINT_MAX];
    cubby__expunge_head(folder, cubby__txn_now(txn), &b);
    cubby__buf_add(&b, bytes, cubby__range_put(&s, uid, uid, bytes));
    int rc = b.failed ? cubby__fail_mem(cubby__txn_err(txn)) : cubby__txn_log(txn, CUBBY__REC_EXPUNGE, 0, b.data, b.len);
    cubby__buf_release(&b);
    return rc;
}

/* One transaction: the new message is there and the old one is not, or neither has happened. folder 0: there is no old one. */
static int commit(struct making *m, struct cubby__lostfound *lf, const struct cubby__message_row *row, uint64_t folder, uint32_t uid, uint32_t *now)
{
    cubby_add_options o = CUBBY_ADD_INIT;
    struct cubby__txn *txn;
    uint64_t id, object;
    int known = 0;
    int rc = cubby__incoming_finish(m->in, lf->err);
    if (!rc)
        rc = cubby__txn_begin(lf->store, 0, &txn, lf->err);
    if (rc)
        return rc;
    if (row) {
        o.flags = row->flags & CUBBY_FLAGS_ALL;
        o.has_date = 1;
        o.internaldate = row->internaldate;
        o.internaldate_zone = row->zone;
    }
    rc = need_folder(txn, &id);
    if (!rc)
        rc = is_there(cubby__txn_view(txn), id, cubby__incoming_object(m->in)->hash, &known);
    *now = 0;
    if (!rc && !known)
        rc = cubby__incoming_log(m->in, txn, TOKEN, &object);
    if (!rc && !known)
        rc = cubby__entry_add(txn, id, object, &o, now);
    if (!rc && folder)
        rc = expunge(txn, folder, uid);
    if (!rc)
        return cubby__txn_commit(&txn, NULL);
    cubby__txn_abort(&txn);
    return rc;
}

/* ---- the four kinds ---- */

int cubby__lost_object(struct cubby__lostfound *lf, const struct cubby__orphan *o)
{
    struct cubby__txn *txn;
    uint64_t id;
    uint32_t uid = 0;
    int rc = cubby__txn_begin(lf->store, 0, &txn, lf->err);
    if (rc)
        return rc;
    rc = need_folder(txn, &id);
    if (!rc)
        rc = cubby__entry_add(txn, id, o->id, NULL, &uid);
    if (rc) {
        cubby__txn_abort(&txn);
        return rc;
    }
    rc = cubby__txn_commit(&txn, NULL);
    return rc ? rc : cubby__repair_tell(lf->told, lf->err, "MESSAGE_SAVED", "", CUBBY__NO_OFFSET, "message %llu, whose entry was lost, is uid %u of %s",
                                        (unsigned long long)o->id, uid, CUBBY__LOST_FOUND);
}

int cubby__lost_pieces(struct cubby__lostfound *lf, const struct cubby__orphan *pieces, size_t count)
{
    struct making m;
    char line[256];
    uint32_t uid = 0;
    int rc = begin(&m, lf);
    snprintf(line, sizeof line, "Subject: [what was left of a message]\nX-Cubby-Salvage: the record that named its parts was lost (commit %llu)\n%s",
             (unsigned long long)pieces->commit, pieces->kind == CUBBY__PIECE_REST ? "" : "\n");
    if (!rc)
        rc = write_text(&m, lf, line);
    for (size_t i = 0; i < count && !rc; i++)
        rc = write_piece(&m, lf, &(struct cubby__piece_ref){pieces[i].id, pieces[i].orig_len, 0}, pieces[i].kind);
    if (!rc)
        rc = commit(&m, lf, NULL, 0, 0, &uid);
    if (!rc)
        rc = cubby__repair_tell(lf->told, lf->err, "MESSAGE_SAVED", "", CUBBY__NO_OFFSET, "%llu bytes of a message without record are in %s",
                                (unsigned long long)m.saved, CUBBY__LOST_FOUND);
    end(&m);
    return rc;
}

static int find_row(struct making *m, struct cubby__lostfound *lf, uint64_t folder, uint32_t uid, struct cubby__message_row *row)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t len;
    int rc = cubby__view_get(&m->view, key, cubby__key_message(key, folder, uid), value, &len);
    if (!rc && cubby__message_row_decode(value, len, row))
        rc = cubby__fail(lf->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "the row of a message breaks its format");
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
        rc = find_row(&m, lf, folder, uid, &row);
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
                                (unsigned long long)m.saved, (unsigned long long)m.lost, now, CUBBY__LOST_FOUND);
    end(&m);
    return rc == CUBBY_DONE ? CUBBY_OK : rc; /* expunged meanwhile */
}

int cubby__lost_uid(struct cubby__lostfound *lf, const struct cubby__lost_entry *e)
{
    struct cubby__txn *txn;
    int rc = cubby__txn_begin(lf->store, 0, &txn, lf->err);
    if (rc)
        return rc;
    rc = cubby__spy_still_lost(cubby__txn_view(txn), e);
    if (!rc)
        rc = expunge(txn, e->folder, e->uid);
    if (rc) {
        cubby__txn_abort(&txn);
        return rc == CUBBY_DONE ? CUBBY_OK : rc;
    }
    rc = cubby__txn_commit(&txn, NULL);
    return rc ? rc : cubby__repair_tell(lf->told, lf->err, "MESSAGE_GONE", "", CUBBY__NO_OFFSET, "uid %u of folder %llu is expunged: its message was lost",
                                        e->uid, (unsigned long long)e->folder);
}
