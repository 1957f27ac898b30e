/* model.h - what a store must hold, the simple way: arrays in memory, and the comparison of all of it with a snapshot. */
#ifndef CUBBY_TESTS_MODEL_MODEL_H
#define CUBBY_TESTS_MODEL_MODEL_H

#include "model/common.h"

enum { MODEL_KEYWORDS = 12, MODEL_SUBSCRIPTIONS = 5 };

/* Pairs differ in case only: they are the same keyword. */
static const char *const model_keywords[2 * MODEL_KEYWORDS] = {
    "$Forwarded", "$FORWARDED", "$Junk", "$junk", "work",  "Work", "a",    "A",    "Z",    "z",     "$MDNSent", "$mdnsent",
    "later",      "LATER",      "x-1",   "X-1",   "k+k",   "K+K",  "!'#&", "!'#&", "seen", "Seen", "NonJunk",  "nonjunk",
};

static const struct {
    const char *path;
    size_t len;
} model_paths[MODEL_SUBSCRIPTIONS] = {{"INBOX", 6}, {"a\0b", 4}, {"a\0b\0c", 6}, {"not there", 10}, {"\xc3\x84rger\0x/y", 11}};

struct object {
    uint64_t id; /* 0: not seen yet */
    uint64_t seed;
    int big;
    uint8_t hash[16];
    uint64_t size, crlf_size;
    int64_t date;
    int has_date;
};

struct row {
    uint32_t uid, flags;
    uint64_t keywords; /* a bit each */
    uint64_t modseq, created, gone; /* gone: modseq of the expunge, or 0 */
    int64_t date, saved; /* INT64_MIN: not seen yet */
    int zone;
    size_t object;
};

struct folder {
    uint64_t id, parent;
    int dead;
    char name[256];
    size_t name_len;
    uint32_t special, uidvalidity;
    uint64_t uidnext, recent, highest, props, created;
    struct row *rows; /* by uid, the expunged ones too */
    size_t count, cap;
};

struct model {
    uint64_t modseq; /* of the last commit */
    struct folder *folders;
    size_t count, cap;
    struct object *objects;
    size_t object_count, object_cap;
    uint16_t keyword_id[MODEL_KEYWORDS]; /* 0: not seen yet */
    int keyword_made[MODEL_KEYWORDS];    /* 1 + which spelling */
    int subscribed[MODEL_SUBSCRIPTIONS];
};

/* ---- copies ---- */

static inline void *copy_of(const void *p, size_t n)
{
    void *q = need(malloc(n ? n : 1));
    if (n)
        memcpy(q, p, n);
    return q;
}

static inline struct model *model_clone(const struct model *m)
{
    struct model *c = copy_of(m, sizeof *m);
    c->folders = copy_of(m->folders, m->count * sizeof *m->folders);
    c->objects = copy_of(m->objects, m->object_count * sizeof *m->objects);
    c->cap = m->count;
    c->object_cap = m->object_count;
    for (size_t i = 0; i < m->count; i++) {
        c->folders[i].rows = copy_of(m->folders[i].rows, m->folders[i].count * sizeof *m->folders[i].rows);
        c->folders[i].cap = m->folders[i].count;
    }
    return c;
}

static inline void model_free(struct model **m)
{
    if (!*m)
        return;
    for (size_t i = 0; i < (*m)->count; i++)
        free((*m)->folders[i].rows);
    free((*m)->folders);
    free((*m)->objects);
    free(*m);
    *m = NULL;
}

/* ---- looking and adding ---- */

static inline struct folder *model_folder(struct model *m, uint64_t id)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->folders[i].id == id && !m->folders[i].dead)
            return &m->folders[i];
    return NULL;
}

static inline struct folder *model_child(struct model *m, uint64_t parent, const char *name, size_t len)
{
    for (size_t i = 0; i < m->count; i++) {
        struct folder *f = &m->folders[i];
        if (!f->dead && f->parent == parent && f->name_len == len && memcmp(f->name, name, len) == 0)
            return f;
    }
    return NULL;
}

static inline struct folder *model_add_folder(struct model *m)
{
    if (m->count == m->cap) {
        m->cap = m->cap * 2 + 8;
        m->folders = need(realloc(m->folders, m->cap * sizeof *m->folders));
    }
    struct folder *f = &m->folders[m->count++];
    *f = (struct folder){.uidnext = 1, .recent = 1};
    return f;
}

static inline size_t model_add_object(struct model *m)
{
    if (m->object_count == m->object_cap) {
        m->object_cap = m->object_cap * 2 + 64;
        m->objects = need(realloc(m->objects, m->object_cap * sizeof *m->objects));
    }
    m->objects[m->object_count] = (struct object){0};
    return m->object_count++;
}

static inline struct row *model_add_row(struct folder *f)
{
    if (f->count == f->cap) {
        f->cap = f->cap * 2 + 16;
        f->rows = need(realloc(f->rows, f->cap * sizeof *f->rows));
    }
    return memset(&f->rows[f->count++], 0, sizeof *f->rows);
}

static inline struct row *model_row(struct folder *f, uint32_t uid)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->rows[i].uid == uid)
            return f->rows[i].gone ? NULL : &f->rows[i];
    return NULL;
}

/* One that is there or was, mostly. */
static inline uint32_t any_uid(uint64_t *rng, const struct folder *f)
{
    if (f->count && below(rng, 8))
        return f->rows[below(rng, f->count)].uid;
    return (uint32_t)(1 + below(rng, f->uidnext < UINT32_MAX ? f->uidnext + 2 : UINT32_MAX));
}

/* ---- comparing ---- */

struct compare {
    struct model *m;
    cubby_store *s;
    cubby_snapshot *snap;
    uint64_t *rng;
    const char *when;
    int64_t from; /* wall clock at the start of the run */
};

#define SAME(c, got, want, ...)                                                                                                                      \
    do {                                                                                                                                             \
        if ((uint64_t)(got) != (uint64_t)(want)) {                                                                                                   \
            printf("# " __VA_ARGS__);                                                                                                                \
            die("%s: %s is %" PRIu64 ", it should be %" PRIu64, (c)->when, #got, (uint64_t)(got), (uint64_t)(want));                                 \
        }                                                                                                                                            \
    } while (0)

static inline uint64_t keyword_bits(struct compare *c, const uint16_t *id, size_t n)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < n; i++) {
        int k = 0;
        CHECK(i == 0 || id[i] > id[i - 1], "%s: keywords are not in order", c->when);
        while (k < MODEL_KEYWORDS && c->m->keyword_id[k] != id[i])
            k++;
        CHECK(k < MODEL_KEYWORDS, "%s: keyword %u is none of ours", c->when, id[i]);
        bits |= (uint64_t)1 << k;
    }
    return bits;
}

static inline void compare_keywords(struct compare *c)
{
    struct model *m = c->m;
    for (int k = 0; k < MODEL_KEYWORDS; k++) {
        uint16_t id = 0;
        const char *name = "";
        int rc = cubby_keyword_find(c->snap, model_keywords[2 * k + (int)below(c->rng, 2)], &id);
        CHECK(rc == (m->keyword_made[k] ? 0 : CUBBY_DONE), "%s: keyword_find %s: %d", c->when, model_keywords[2 * k], rc);
        if (rc)
            continue;
        if (!m->keyword_id[k])
            m->keyword_id[k] = id;
        SAME(c, id, m->keyword_id[k], "keyword %s\n", model_keywords[2 * k]);
        MUST(c->s, cubby_keyword_name(c->snap, id, &name));
        const char *want = model_keywords[2 * k + m->keyword_made[k] - 1];
        CHECK(strcmp(name, want) == 0, "%s: keyword %u is %s, not %s", c->when, id, name, want);
    }
}

static inline void compare_subscriptions(struct compare *c)
{
    char after[64];
    const char *path;
    size_t len = 0;
    int seen[MODEL_SUBSCRIPTIONS] = {0}, rc;
    while ((rc = cubby_subscription_next(c->snap, after, len, &path, &len)) == 0) {
        int i = 0;
        memcpy(after, path, len < sizeof after ? len : sizeof after);
        while (i < MODEL_SUBSCRIPTIONS && (model_paths[i].len != len || memcmp(model_paths[i].path, after, len) != 0))
            i++;
        CHECK(i < MODEL_SUBSCRIPTIONS, "%s: a subscription that is none of ours", c->when);
        seen[i]++;
    }
    CHECK(rc == CUBBY_DONE, "%s: subscription_next: %d", c->when, rc);
    for (int i = 0; i < MODEL_SUBSCRIPTIONS; i++)
        SAME(c, seen[i], c->m->subscribed[i], "subscription %d\n", i);
}

static inline void compare_row(struct compare *c, const struct folder *f, struct row *r, const cubby_row *got, unsigned want)
{
    struct object *o = &c->m->objects[r->object];
#define AT "folder %" PRIu64 " uid %u\n", f->id, r->uid
    SAME(c, got->uid, r->uid, AT);
    SAME(c, got->flags, r->flags, AT);
    SAME(c, keyword_bits(c, got->keywords, got->keyword_count), r->keywords, AT);
    SAME(c, got->modseq, r->modseq, AT);
    SAME(c, got->created_modseq, r->created, AT);
    if (r->saved == INT64_MIN) {
        CHECK(got->save_date >= c->from && got->save_date <= (int64_t)time(NULL) + 1, "%s: save date %" PRId64, c->when, got->save_date);
        r->saved = got->save_date;
    }
    SAME(c, got->save_date, r->saved, AT);
    if (r->date == INT64_MIN)
        r->date = r->saved;
    SAME(c, got->internaldate, r->date, AT);
    SAME(c, got->internaldate_zone, r->zone, AT);
    SAME(c, got->sent_date, o->has_date ? o->date : r->date, AT);
    SAME(c, got->size, o->crlf_size, AT);
    if (!o->id)
        o->id = got->object;
    SAME(c, got->object, o->id, AT);
    SAME(c, got->damage, 0, AT);
    if (!(want & CUBBY_WANT_OBJECT))
        return;
    SAME(c, got->original_size, o->size, AT);
    if (want & CUBBY_WANT_HEADER && !o->big) {
        static struct mail mail;
        make_mail(o->seed, 0, &mail);
        SAME(c, got->header_bytes_len, got->header_len, AT);
        CHECK(got->header_len <= mail.len && (!got->header_len || memcmp(got->header, mail.data, got->header_len) == 0),
              "%s: the header of folder %" PRIu64 " uid %u is not what came in", c->when, f->id, r->uid);
    }
    if (want & CUBBY_WANT_PARTS)
        SAME(c, got->parts[0].header_len + got->parts[0].body_len, o->size, AT);
    CHECK(memcmp(got->hash, o->hash, 16) == 0, "%s: hash of folder %" PRIu64 " uid %u", c->when, f->id, r->uid);
#undef AT
}

static inline void compare_content(struct compare *c, const struct folder *f, const struct row *r)
{
    const struct object *o = &c->m->objects[r->object];
    static char buf[70000];
    static struct mail mail;
    cubby_reader *reader;
    size_t got;
    make_mail(o->seed, o->big, &mail);
    MUST(c->s, cubby_reader_open(c->snap, f->id, r->uid, &reader));
    CHECK(cubby_reader_size(reader) == mail.len, "%s: folder %" PRIu64 " uid %u has %" PRIu64 " bytes, not %zu", c->when, f->id, r->uid,
          cubby_reader_size(reader), mail.len);
    for (int i = 0; i < 3; i++) {
        size_t off = below(c->rng, mail.len + 2), n = below(c->rng, sizeof buf), left = off < mail.len ? mail.len - off : 0;
        MUST(c->s, cubby_reader_read(reader, off, buf, n, &got));
        CHECK(got == (n < left ? n : left) && (!got || memcmp(buf, mail.data + off, got) == 0),
              "%s: folder %" PRIu64 " uid %u: bytes %zu+%zu are not what came in (%zu read)", c->when, f->id, r->uid, off, n, got);
    }
    MUST(c->s, cubby_reader_verify(reader));
    cubby_reader_close(&reader);
}

/* A scan with all kinds of conditions. */
static inline void compare_scan(struct compare *c, struct folder *f, const cubby_scan_options *o)
{
    cubby_scan *scan;
    const cubby_row *row;
    uint64_t left = o->limit ? o->limit : UINT64_MAX;
    MUST(c->s, cubby_scan_open(c->snap, f->id, o, &scan));
    for (size_t i = 0; i < f->count && left; i++) {
        struct row *r = &f->rows[o->reverse ? f->count - 1 - i : i];
        if (r->gone || r->modseq <= o->since || (r->flags & o->flags_set) != o->flags_set || r->flags & o->flags_clear ||
            (o->uids && !cubby_uidset_has(o->uids, r->uid)))
            continue;
        left--;
        int rc = cubby_scan_next(scan, &row);
        if (rc == CUBBY_DONE)
            die("%s: the scan of folder %" PRIu64 " ends before uid %u", c->when, f->id, r->uid);
        MUST(c->s, rc);
        CHECK(row->uid == r->uid, "%s: the scan of folder %" PRIu64 " has uid %u where %u should be", c->when, f->id, row->uid, r->uid);
        compare_row(c, f, r, row, o->want);
    }
    int rc = cubby_scan_next(scan, &row);
    CHECK(rc == CUBBY_DONE, "%s: the scan of folder %" PRIu64 " does not end: %d", c->when, f->id, rc);
    cubby_scan_close(&scan);
}

static inline void compare_random_scan(struct compare *c, struct folder *f)
{
    cubby_scan_options o = CUBBY_SCAN_INIT;
    cubby_uidset *set = NULL;
    o.want = (unsigned)below(c->rng, 16);
    o.reverse = (int)below(c->rng, 2);
    o.limit = below(c->rng, 3) ? 0 : 1 + below(c->rng, 5);
    o.since = below(c->rng, 2) ? below(c->rng, c->m->modseq + 2) : 0;
    o.flags_set = (uint32_t)(next_random(c->rng) & next_random(c->rng) & next_random(c->rng)) & CUBBY_FLAGS_ALL;
    o.flags_clear = (uint32_t)(next_random(c->rng) & next_random(c->rng) & next_random(c->rng)) & CUBBY_FLAGS_ALL;
    if (below(c->rng, 2)) {
        MUST(c->s, cubby_uidset_new(&set));
        for (uint64_t i = below(c->rng, 4); i; i--) {
            uint32_t first = any_uid(c->rng, f), last = first + (uint32_t)below(c->rng, 12);
            MUST(c->s, cubby_uidset_add(set, first, last < first ? first : last));
        }
    }
    o.uids = set;
    compare_scan(c, f, &o);
    cubby_uidset_free(&set);
}

/* Exactly what is new, changed and gone since then, in order. */
static inline void compare_changes(struct compare *c, struct folder *f, uint64_t since)
{
    cubby_changes *ch;
    cubby_change x;
    uint64_t last = since;
    size_t expected = 0, got = 0;
    int rc;
    for (size_t i = 0; i < f->count; i++)
        expected += (f->rows[i].gone ? f->rows[i].gone : f->rows[i].modseq) > since;
    MUST(c->s, cubby_changes_open(c->snap, f->id, since, &ch));
    while ((rc = cubby_changes_next(ch, &x)) == 0) {
        CHECK(x.modseq >= last && x.modseq > since, "%s: changes of folder %" PRIu64 " are not in order", c->when, f->id);
        last = x.modseq;
        for (uint64_t uid64 = x.uid; uid64 <= x.uid_last; uid64++, got++) {
            uint32_t uid = (uint32_t)uid64;
            struct row *r = NULL;
            for (size_t i = 0; i < f->count; i++)
                if (f->rows[i].uid == uid)
                    r = &f->rows[i];
            CHECK(r, "%s: a change of uid %u of folder %" PRIu64 ", which never was", c->when, uid, f->id);
            int kind = r->gone ? CUBBY_CHANGE_VANISHED : r->created > since ? CUBBY_CHANGE_NEW : CUBBY_CHANGE_FLAGS;
            SAME(c, x.kind, kind, "changes of folder %" PRIu64 " since %" PRIu64 ", uid %u\n", f->id, since, uid);
            SAME(c, x.modseq, r->gone ? r->gone : r->modseq, "changes of folder %" PRIu64 ", uid %u\n", f->id, uid);
            SAME(c, x.created_modseq, r->gone ? 0 : r->created, "changes of folder %" PRIu64 ", uid %u\n", f->id, uid);
            SAME(c, x.flags, r->gone ? 0 : r->flags, "changes of folder %" PRIu64 ", uid %u\n", f->id, uid);
            SAME(c, keyword_bits(c, x.keywords, x.keyword_count), r->gone ? 0 : r->keywords, "changes, uid %u\n", uid);
            SAME(c, x.exact, 1, "changes of folder %" PRIu64 "\n", f->id);
        }
    }
    CHECK(rc == CUBBY_DONE, "%s: changes_next: %d", c->when, rc);
    SAME(c, got, expected, "changes of folder %" PRIu64 " since %" PRIu64 "\n", f->id, since);
    cubby_changes_close(&ch);
}

static inline void compare_counters(struct compare *c, const struct folder *f, const cubby_folder *got)
{
    uint64_t messages = 0, unseen = 0, deleted = 0, bytes = 0, deleted_bytes = 0;
    for (size_t i = 0; i < f->count; i++) {
        const struct row *r = &f->rows[i];
        uint64_t size = c->m->objects[r->object].crlf_size;
        if (r->gone)
            continue;
        messages++;
        bytes += size;
        unseen += !(r->flags & CUBBY_SEEN);
        deleted += (r->flags & CUBBY_DELETED) != 0;
        deleted_bytes += r->flags & CUBBY_DELETED ? size : 0;
    }
#define AT "folder %" PRIu64 "\n", f->id
    SAME(c, got->messages, messages, AT);
    SAME(c, got->unseen, unseen, AT);
    SAME(c, got->deleted, deleted, AT);
    SAME(c, got->bytes, bytes, AT);
    SAME(c, got->deleted_bytes, deleted_bytes, AT);
    SAME(c, got->parent, f->parent, AT);
    SAME(c, got->special_use, f->special, AT);
    SAME(c, got->uidvalidity, f->uidvalidity, AT);
    SAME(c, got->uidnext, f->uidnext, AT);
    SAME(c, got->recent_uid, f->recent > UINT32_MAX ? UINT32_MAX : f->recent, AT);
    SAME(c, got->highestmodseq, f->highest, AT);
    SAME(c, got->props_modseq, f->props, AT);
    SAME(c, got->created_modseq, f->created, AT);
    SAME(c, got->tombstone_floor, 0, AT);
#undef AT
}

static inline void compare_folder(struct compare *c, struct folder *f, int thorough)
{
    cubby_scan_options all = CUBBY_SCAN_INIT;
    cubby_folder got;
    const cubby_row *row;
    MUST(c->s, cubby_folder_get(c->snap, f->id, &got));
    CHECK(got.name_len == f->name_len && memcmp(got.name, f->name, f->name_len) == 0, "%s: folder %" PRIu64 " has another name", c->when, f->id);
    compare_counters(c, f, &got);
    all.want = CUBBY_WANT_OBJECT;
    compare_scan(c, f, &all);
    compare_random_scan(c, f);
    compare_changes(c, f, below(c->rng, 4) ? below(c->rng, c->m->modseq + 2) : 0);
    uint32_t uid = any_uid(c->rng, f);
    struct row *r = model_row(f, uid);
    int rc = cubby_row_get(c->snap, f->id, uid, CUBBY_WANT_OBJECT, &row);
    CHECK(rc == (r ? 0 : CUBBY_DONE), "%s: row_get of uid %u of folder %" PRIu64 ": %d", c->when, uid, f->id, rc);
    if (r)
        compare_row(c, f, r, row, CUBBY_WANT_OBJECT);
    for (size_t i = 0; i < f->count; i++)
        if (!f->rows[i].gone && (thorough || below(c->rng, 8) == 0) && (!c->m->objects[f->rows[i].object].big || below(c->rng, 4) == 0))
            compare_content(c, f, &f->rows[i]);
}

static inline void compare_all(struct compare *c, int thorough)
{
    struct ids ids = {0};
    size_t live = 0;
    compare_keywords(c);
    compare_subscriptions(c);
    for (size_t i = 0; i < c->m->count; i++) {
        struct folder *f = &c->m->folders[i];
        cubby_folder got;
        if (f->dead) {
            int rc = cubby_folder_get(c->snap, f->id, &got);
            CHECK(rc == CUBBY_DONE, "%s: folder_get of the deleted folder %" PRIu64 ": %d", c->when, f->id, rc);
            continue;
        }
        live++;
        compare_folder(c, f, thorough);
        MUST(c->s, cubby_folder_find(c->snap, f->parent, f->name, f->name_len, &got));
        SAME(c, got.id, f->id, "folder_find\n");
    }
    collect_folders(c->s, c->snap, CUBBY_ROOT, &ids);
    SAME(c, ids.count, live, "folders in the tree\n");
    free(ids.id);
}

#endif
