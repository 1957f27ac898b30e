#include "corrupt/content.h"

#include "base/hash.h"
#include "corrupt/image.h"
#include "model/common.h"

/* A read that fails is an error of the store; anything but these is a bug. */
static void allowed(int rc, const char *call, const char *what)
{
    if (rc != CUBBY_ECORRUPT && rc != CUBBY_ENOENT)
        die("corrupt: %s: %s: %d (%s)", what, call, rc, cubby_strerror(rc));
}

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
    return cubby__hash64(p, n, h);
}

static uint64_t about(const cubby_row *r)
{
    const int64_t numbers[] = {r->internaldate, r->internaldate_zone, r->save_date, r->sent_date, (int64_t)r->size, (int64_t)r->object, (int64_t)r->original_size,
                               (int64_t)r->header_len, r->eol, r->traits, (int64_t)r->part_count};
    uint64_t h = mix(1, numbers, sizeof numbers);
    h = mix(mix(mix(h, r->hash, 16), r->list_header, r->list_header_len), r->header, r->header_bytes_len);
    for (size_t i = 0; i < r->part_count; i++) {
        const cubby_part *p = &r->parts[i];
        const uint64_t part[] = {p->parent, p->depth, p->kind, p->encoding, p->header_offset, p->header_len, p->body_offset, p->body_len, p->body_lines, p->fields_len};
        h = mix(h, part, sizeof part);
        if (p->fields_len)
            h = mix(h, p->fields, p->fields_len);
    }
    return h;
}

static void read_message(cubby_snapshot *snap, const cubby_folder *f, const cubby_row *row, struct content *c, const char *what)
{
    if (c->count == MESSAGES)
        die("corrupt: %s: more messages than there ever were", what);
    struct message *m = &c->m[c->count++];
    cubby_reader *r = NULL;
    size_t got = 0;
    *m = (struct message){.folder = f->id, .uid = row->uid, .uidvalidity = f->uidvalidity, .damage = row->damage};
    const uint64_t changing[] = {row->flags, row->modseq, row->created_modseq};
    m->flags = mix(mix(1, changing, sizeof changing), row->keywords, row->keyword_count * sizeof *row->keywords);
    if (row->damage)
        allowed(row->damage, "scanning a message", what);
    else
        m->about = about(row);
    int rc = cubby_reader_open(snap, f->id, row->uid, &r);
    if (rc == 0) {
        m->n = (size_t)cubby_reader_size(r);
        if (m->n > 1 << 20)
            die("corrupt: %s: a message of a size that none had", what);
        m->p = need(malloc(m->n + 1));
        rc = cubby_reader_read(r, 0, m->p, m->n, &got);
        if (rc == 0 && got != m->n)
            die("corrupt: %s: a short read without an error", what);
    }
    cubby_reader_close(&r);
    if (rc == 0)
        return;
    allowed(rc, "reading a message", what);
    free(m->p);
    m->p = NULL;
}

static void read_changes(cubby_snapshot *snap, uint64_t folder, struct content *c, const char *what)
{
    cubby_changes *ch = NULL;
    cubby_change change;
    int rc = cubby_changes_open(snap, folder, 0, &ch);
    while (rc == 0 && (rc = cubby_changes_next(ch, &change)) == 0) {
        const uint64_t words[] = {(uint64_t)change.kind, change.uid, change.uid_last, change.modseq, change.created_modseq, change.flags};
        c->state = mix(c->state, words, sizeof words);
    }
    cubby_changes_close(&ch);
    if (rc == CUBBY_DONE)
        return;
    allowed(rc, "listing changes", what);
    c->errors++;
}

static void read_folder(cubby_snapshot *snap, const cubby_folder *f, struct content *c, const char *what)
{
    cubby_scan_options o = CUBBY_SCAN_INIT;
    cubby_scan *scan = NULL;
    const cubby_row *row;
    const uint64_t words[] = {f->id, f->parent, f->special_use, f->uidvalidity, f->uidnext, f->recent_uid, f->highestmodseq, f->messages, f->unseen, f->deleted, f->bytes};
    c->state = mix(mix(c->state, words, sizeof words), f->name, f->name_len);
    if (f->id == 1)
        c->uidnext = f->uidnext;
    o.want = CUBBY_WANT_OBJECT | CUBBY_WANT_LIST | CUBBY_WANT_HEADER | CUBBY_WANT_PARTS;
    int rc = cubby_scan_open(snap, f->id, &o, &scan);
    while (rc == 0 && (rc = cubby_scan_next(scan, &row)) == 0)
        read_message(snap, f, row, c, what);
    cubby_scan_close(&scan);
    if (rc != CUBBY_DONE) {
        allowed(rc, "scanning a folder", what);
        c->errors++;
    }
    read_changes(snap, f->id, c, what);
}

static void read_below(cubby_snapshot *snap, uint64_t parent, int depth, struct content *c, const char *what)
{
    cubby_folder f;
    char name[256] = "";
    size_t len = 0;
    int rc, folders = 0;
    while ((rc = cubby_folder_next(snap, parent, name, len, &f)) == 0) {
        if (++folders > 20 || depth > 6)
            die("corrupt: %s: folders without end", what);
        memcpy(name, f.name, len = f.name_len);
        read_folder(snap, &f, c, what);
        read_below(snap, f.id, depth + 1, c, what);
    }
    if (rc != CUBBY_DONE) {
        allowed(rc, "listing folders", what);
        c->errors++;
    }
}

static void read_names(cubby_snapshot *snap, struct content *c, const char *what)
{
    char after[600];
    const char *p;
    size_t n = 0;
    int rc = 0;
    for (uint16_t i = 1; i <= 4 && rc >= 0; i++)
        if ((rc = cubby_keyword_name(snap, i, &p)) == 0)
            c->state = mix(c->state + i, p, strlen(p));
    while (rc >= 0 && (rc = cubby_subscription_next(snap, after, n, &p, &n)) == 0) {
        memcpy(after, p, n < sizeof after ? n : sizeof after);
        c->state = mix(c->state, p, n);
    }
    if (rc != CUBBY_DONE) {
        allowed(rc, "listing keywords or subscriptions", what);
        c->errors++;
    }
}

void content_read(cubby_store *s, struct content *out, const char *what)
{
    cubby_snapshot *snap;
    out->count = out->errors = 0;
    out->state = out->uidnext = out->modseq = 0;
    int rc = cubby_snapshot_begin(s, &snap);
    if (rc != 0)
        die("corrupt: %s: beginning a snapshot: %d", what, rc);
    out->modseq = cubby_snapshot_modseq(snap);
    read_below(snap, CUBBY_ROOT, 0, out, what);
    read_names(snap, out, what);
    cubby_snapshot_end(&snap);
}

void content_drop(struct content *c)
{
    for (int i = 0; i < c->count; i++)
        free(c->m[i].p);
    c->count = 0;
}

struct message *content_find(const struct content *c, uint64_t folder, uint32_t uid)
{
    for (int i = 0; i < c->count; i++)
        if (c->m[i].uid == uid && c->m[i].folder == folder)
            return (struct message *)&c->m[i];
    return NULL;
}

void content_remember(struct content *history, const struct content *c)
{
    for (int i = 0; i < c->count; i++) {
        if (content_find(history, c->m[i].folder, c->m[i].uid))
            continue;
        if (history->count == MESSAGES)
            die("corrupt: too many messages");
        struct message *m = &history->m[history->count++];
        *m = c->m[i];
        m->p = need(malloc(m->n + 1));
        memcpy(m->p, c->m[i].p, m->n);
    }
}

static int is_folder_of(const struct content *history, uint64_t folder)
{
    int i = 0;
    while (i < history->count && history->m[i].folder != folder)
        i++;
    return i < history->count;
}

void content_compare(const struct content *is, const struct content *history, int salvaged, const char *what)
{
    for (int i = 0; i < is->count; i++) {
        const struct message *m = &is->m[i], *was = content_find(history, m->folder, m->uid);
        if (!was && salvaged && !is_folder_of(history, m->folder))
            continue;
        if (!was)
            die("corrupt: %s: uid %u of folder %" PRIu64 " never was", what, m->uid, m->folder);
        if (m->p && (m->n != was->n || memcmp(m->p, was->p, m->n) != 0))
            die("corrupt: %s: uid %u of folder %" PRIu64 " is served with wrong bytes", what, m->uid, m->folder);
        if (!m->damage && m->about != was->about)
            die("corrupt: %s: a scan says something wrong of uid %u of folder %" PRIu64, what, m->uid, m->folder);
    }
}

int content_differ(const struct content *want, const struct content *is, const struct content *history, const char *what)
{
    int met = 0, n = is->errors + (want->state != is->state);
    content_compare(is, history, 0, what);
    for (int i = 0; i < is->count; i++) {
        const struct message *m = &is->m[i], *now = content_find(want, m->folder, m->uid);
        met += now != NULL;
        n += !now || !m->p || m->damage || m->flags != now->flags || m->uidvalidity != now->uidvalidity;
    }
    return n + (want->count - met);
}
