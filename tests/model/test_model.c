/* test_model.c - random operations on a store and on a model of it; both must agree about everything, always: in transactions, after commits and
 * aborts, in old snapshots, and after the store was closed, rebuilt, or opened by several at once.
 *
 * test_model [SEED [TRANSACTIONS]], or CUBBY_SEED: one run. Without: a few fixed ones. */
#include "model/model.h"

struct run {
    const char *dir;
    char index[600];
    uint64_t rng, seed;
    struct model *m;
    cubby_store *s[2]; /* one store, opened once or twice */
    cubby_snapshot *old; /* held for a while, */
    struct model *old_model; /* and what it must go on showing */
    int old_of;
    struct text before, after;
    struct mail mail;
    int64_t from;
};

/* What a transaction is about. */
struct work {
    struct run *r;
    cubby_store *s;
    cubby_txn *txn;
    cubby_message *message; /* a finished one, if there is one */
    uint64_t seed;
    int big;
    size_t object; /* SIZE_MAX: not in this transaction yet */
    uint64_t number;
    int lazy, logged;
};

static uint64_t dice(struct run *r, uint64_t n)
{
    return below(&r->rng, n);
}

static void want_rc(struct work *w, const char *what, int rc, int want)
{
    if (rc != want) {
        cubby_error e = {0};
        cubby_last_error(w->s, &e);
        die("seed %" PRIu64 ": %s: %d (%s), it should be %d; %s %s", w->r->seed, what, rc, cubby_strerror(rc), want, e.message, e.path);
    }
}

/* ---- choosing ---- */

static struct folder *any_folder(struct run *r)
{
    for (;;) {
        struct folder *f = &r->m->folders[dice(r, r->m->count)];
        if (!f->dead)
            return f;
    }
}

static cubby_uidset *any_uids(struct run *r, const struct folder *f)
{
    cubby_uidset *set;
    MUST(NULL, cubby_uidset_new(&set));
    if (dice(r, 10) == 0)
        MUST(NULL, cubby_uidset_add(set, 1, UINT32_MAX));
    for (uint64_t i = dice(r, 4); i; i--) {
        uint32_t first = any_uid(&r->rng, f), last = first + (uint32_t)dice(r, dice(r, 2) ? 20 : 2);
        MUST(NULL, cubby_uidset_add(set, first, last < first ? first : last));
    }
    return set;
}

static size_t any_keywords(struct run *r, const char *names[], int which[], int spelling[])
{
    size_t n = 0;
    if (dice(r, 2))
        return 0;
    for (int k = 0; k < MODEL_KEYWORDS; k++) {
        if (dice(r, MODEL_KEYWORDS) >= 2)
            continue;
        which[n] = k;
        spelling[n] = (int)dice(r, 2);
        names[n] = model_keywords[2 * k + spelling[n]];
        n++;
    }
    return n;
}

static uint64_t bits_of(struct model *m, const int which[], const int spelling[], size_t n, int make)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < n; i++) {
        bits |= (uint64_t)1 << which[i];
        if (make && !m->keyword_made[which[i]])
            m->keyword_made[which[i]] = 1 + spelling[i];
    }
    return bits;
}

/* A set that a call gave must be this one. */
static void want_set(struct work *w, const char *what, cubby_uidset **got, const cubby_uidset *want)
{
    char *a, *b;
    MUST(w->s, cubby_uidset_format(*got, &a));
    MUST(w->s, cubby_uidset_format(want, &b));
    CHECK(strcmp(a, b) == 0, "seed %" PRIu64 ": %s gives '%s', it should be '%s'", w->r->seed, what, a, b);
    cubby_string_free(&a);
    cubby_string_free(&b);
    cubby_uidset_free(got);
}

/* ---- folders ---- */

/* As it is given, and as it is kept (NFC). */
static const struct {
    const char *given, *kept;
} names[] = {{"a", NULL}, {"b", NULL}, {"x/y", NULL}, {"A\xcc\x88rger", "\xc3\x84rger"}, {"\xc3\x84rger", NULL}, {"inbox", "INBOX"}, {"archive 2019", NULL},
             {"a\x01", ""}, {"", ""}, {"\xff", ""}};

static const char *kept_name(size_t i, uint64_t parent)
{
    return !names[i].kept || (parent && strcmp(names[i].kept, "INBOX") == 0) ? names[i].given : names[i].kept;
}

static void do_create(struct work *w)
{
    struct run *r = w->r;
    struct model *m = r->m;
    uint64_t parent = dice(r, 2) ? any_folder(r)->id : dice(r, 10) ? CUBBY_ROOT : 99999, id = 0, highest = 0;
    size_t i = dice(r, sizeof names / sizeof *names);
    const char *name = kept_name(i, parent);
    int want = w->lazy || !*name ? CUBBY_EINVAL : parent && !model_folder(m, parent) ? CUBBY_ENOENT : model_child(m, parent, name, strlen(name)) ? CUBBY_EEXIST : 0;
    want_rc(w, "folder_create", cubby_folder_create(w->txn, parent, names[i].given, strlen(names[i].given), &id), want);
    if (want)
        return;
    cubby_folder got;
    MUST(w->s, cubby_folder_get(cubby_txn_snapshot(w->txn), id, &got));
    for (size_t k = 0; k < m->count; k++) {
        highest = m->folders[k].id > highest ? m->folders[k].id : highest;
        CHECK(m->folders[k].uidvalidity < got.uidvalidity, "seed %" PRIu64 ": uidvalidity %u is not above all others", r->seed, got.uidvalidity);
    }
    CHECK(id > highest, "seed %" PRIu64 ": folder id %" PRIu64 " was there before", r->seed, id);
    struct folder *f = model_add_folder(m);
    f->id = id;
    f->parent = parent;
    f->name_len = strlen(name);
    memcpy(f->name, name, f->name_len);
    f->uidvalidity = got.uidvalidity;
    f->highest = f->props = f->created = w->number;
    w->logged = 1;
}

static int is_below(struct model *m, uint64_t id, uint64_t top)
{
    for (; id; id = model_folder(m, id)->parent)
        if (id == top)
            return 1;
    return 0;
}

static void do_rename(struct work *w)
{
    struct run *r = w->r;
    struct folder *f = any_folder(r), *other;
    uint64_t parent = dice(r, 2) ? any_folder(r)->id : dice(r, 2) ? CUBBY_ROOT : f->parent;
    size_t i = dice(r, sizeof names / sizeof *names);
    const char *name = kept_name(i, parent);
    int inbox = !f->parent && strcmp(f->name, "INBOX") == 0, want = 0;
    if (w->lazy || inbox || !*name || is_below(r->m, parent, f->id))
        want = CUBBY_EINVAL;
    else if ((other = model_child(r->m, parent, name, strlen(name))) && other != f)
        want = CUBBY_EEXIST;
    want_rc(w, "folder_rename", cubby_folder_rename(w->txn, f->id, parent, names[i].given, strlen(names[i].given)), want);
    if (want || (f->parent == parent && f->name_len == strlen(name) && memcmp(f->name, name, f->name_len) == 0))
        return;
    f->parent = parent;
    f->name_len = strlen(name);
    memcpy(f->name, name, f->name_len + 1);
    f->props = w->number;
    w->logged = 1;
}

static void do_delete(struct work *w)
{
    struct run *r = w->r;
    struct folder *f = any_folder(r);
    int want = w->lazy || (!f->parent && strcmp(f->name, "INBOX") == 0) ? CUBBY_EINVAL : 0;
    for (size_t i = 0; i < r->m->count && !want; i++)
        if (!r->m->folders[i].dead && r->m->folders[i].parent == f->id)
            want = CUBBY_EHASCHILD;
    want_rc(w, "folder_delete", cubby_folder_delete(w->txn, f->id), want);
    if (want)
        return;
    f->dead = 1;
    w->logged = 1;
}

static void do_special(struct work *w)
{
    struct folder *f = any_folder(w->r);
    uint32_t special = dice(w->r, 2) ? 0 : (uint32_t)dice(w->r, 256);
    want_rc(w, "set_special", cubby_folder_set_special(w->txn, f->id, special), w->lazy ? CUBBY_EINVAL : 0);
    if (w->lazy || f->special == special)
        return;
    f->special = special;
    f->props = w->number;
    w->logged = 1;
}

static void do_subscribe(struct work *w)
{
    size_t i = dice(w->r, MODEL_SUBSCRIPTIONS);
    int on = (int)dice(w->r, 2);
    want_rc(w, "subscribe", cubby_subscribe(w->txn, model_paths[i].path, model_paths[i].len, on), w->lazy ? CUBBY_EINVAL : 0);
    if (w->lazy || w->r->m->subscribed[i] == on)
        return;
    w->r->m->subscribed[i] = on;
    w->logged = 1;
}

static void do_recent(struct work *w)
{
    struct folder *f = any_folder(w->r);
    uint32_t first = 0;
    want_rc(w, "recent_claim", cubby_recent_claim(w->txn, f->id, &first), 0);
    uint64_t claimed = f->recent > UINT32_MAX ? UINT32_MAX : f->recent;
    CHECK(first == claimed, "seed %" PRIu64 ": recent_claim gives %u, it should be %" PRIu64, w->r->seed, first, claimed);
    w->logged |= f->recent < f->uidnext;
    f->recent = f->uidnext;
}

/* ---- messages ---- */

static struct row *new_row(struct work *w, struct folder *f, uint32_t uid)
{
    struct row *row = model_add_row(f);
    row->uid = uid;
    row->modseq = row->created = f->highest = w->number;
    row->saved = INT64_MIN;
    f->uidnext = uid + 1ull;
    w->logged = 1;
    return row;
}

/* Within one transaction all that is added of one message is one object. */
static size_t object_of(struct work *w)
{
    struct model *m = w->r->m;
    if (w->object != SIZE_MAX)
        return w->object;
    w->object = model_add_object(m);
    struct object *o = &m->objects[w->object];
    make_mail(w->seed, w->big, &w->r->mail);
    o->seed = w->seed;
    o->big = w->big;
    memcpy(o->hash, cubby_message_hash(w->message), 16);
    o->size = w->r->mail.len;
    o->crlf_size = w->r->mail.crlf_size;
    o->has_date = w->r->mail.has_date;
    o->date = w->r->mail.date;
    return w->object;
}

static void do_add(struct work *w)
{
    struct run *r = w->r;
    struct folder *f = any_folder(r);
    const char *kw[MODEL_KEYWORDS];
    int which[MODEL_KEYWORDS], spelling[MODEL_KEYWORDS], want = w->lazy ? CUBBY_EINVAL : 0;
    cubby_add_options o = CUBBY_ADD_INIT;
    uint32_t uid = 0;
    if (!w->message)
        return;
    o.flags = dice(r, 2) ? 0 : (uint32_t)dice(r, 32);
    o.keywords = kw;
    o.keyword_count = any_keywords(r, kw, which, spelling);
    o.has_date = (int)dice(r, 2);
    o.internaldate = (int64_t)dice(r, 2000000000) - 100000000;
    o.internaldate_zone = (int16_t)((int)dice(r, 2879) - 1439);
    if (dice(r, 12) == 0) {
        o.uid = dice(r, 20) == 0 ? UINT32_MAX : (uint32_t)(f->uidnext + dice(r, 4));
        o.uid -= o.uid > 2 && dice(r, 2) ? 2 : 0;
        if (o.uid && o.uid < f->uidnext)
            want = CUBBY_EINVAL;
    }
    if (!want && f->uidnext > UINT32_MAX)
        want = CUBBY_ELIMIT;
    want_rc(w, "add", cubby_add(w->txn, f->id, w->message, &o, &uid), want);
    if (want)
        return;
    CHECK(uid == (o.uid ? o.uid : f->uidnext), "seed %" PRIu64 ": add gives uid %u", r->seed, uid);
    struct row *row = new_row(w, f, uid);
    row->flags = o.flags;
    row->keywords = bits_of(r->m, which, spelling, o.keyword_count, 1);
    row->date = o.has_date ? o.internaldate : INT64_MIN;
    row->zone = o.has_date ? o.internaldate_zone : 0;
    row->object = object_of(w);
}

static void do_flag(struct work *w)
{
    struct run *r = w->r;
    struct folder *f = any_folder(r);
    const char *kw[MODEL_KEYWORDS];
    int which[MODEL_KEYWORDS], spelling[MODEL_KEYWORDS], how = (int)dice(r, 3), any = 0;
    size_t n = any_keywords(r, kw, which, spelling);
    uint32_t flags = dice(r, 4) ? (uint32_t)(1u << dice(r, 5)) : (uint32_t)dice(r, 32);
    cubby_uidset *uids = any_uids(r, f), *changed = NULL, *expected;
    MUST(w->s, cubby_uidset_new(&expected));
    for (size_t i = 0; i < f->count; i++)
        any |= !f->rows[i].gone && cubby_uidset_has(uids, f->rows[i].uid);
    uint64_t bits = bits_of(r->m, which, spelling, n, any && how != CUBBY_FLAGS_REMOVE);
    for (size_t i = 0; i < f->count; i++) {
        struct row *row = &f->rows[i];
        if (row->gone || !cubby_uidset_has(uids, row->uid))
            continue;
        uint32_t now = how == CUBBY_FLAGS_ADD ? row->flags | flags : how == CUBBY_FLAGS_REMOVE ? row->flags & ~flags : flags;
        uint64_t words = how == CUBBY_FLAGS_ADD ? row->keywords | bits : how == CUBBY_FLAGS_REMOVE ? row->keywords & ~bits : bits;
        if (now == row->flags && words == row->keywords)
            continue;
        row->flags = now;
        row->keywords = words;
        row->modseq = f->highest = w->number;
        w->logged = 1;
        MUST(w->s, cubby_uidset_add(expected, row->uid, row->uid));
    }
    want_rc(w, "flag", cubby_flag(w->txn, f->id, uids, how, flags, kw, n, &changed), 0);
    want_set(w, "flag", &changed, expected);
    cubby_uidset_free(&expected);
    cubby_uidset_free(&uids);
}

static void do_copy(struct work *w, int move)
{
    struct run *r = w->r;
    struct folder *f = any_folder(r), *to = dice(r, 4) ? any_folder(r) : f;
    cubby_uidset *uids = any_uids(r, f), *a = NULL, *b = NULL, *from_want, *to_want;
    uint64_t count = 0;
    for (size_t i = 0; i < f->count; i++)
        count += !f->rows[i].gone && cubby_uidset_has(uids, f->rows[i].uid);
    int want = w->lazy ? CUBBY_EINVAL : count > (1ull << 32) - to->uidnext ? CUBBY_ELIMIT : 0;
    want_rc(w, "copy", (move ? cubby_move : cubby_copy)(w->txn, f->id, uids, to->id, &a, &b), want);
    MUST(w->s, cubby_uidset_new(&from_want));
    MUST(w->s, cubby_uidset_new(&to_want));
    for (size_t i = 0, n = f->count; i < n && !want; i++) {
        struct row row = f->rows[i];
        if (row.gone || !cubby_uidset_has(uids, row.uid))
            continue;
        struct row *copy = new_row(w, to, (uint32_t)to->uidnext);
        copy->flags = row.flags;
        copy->keywords = row.keywords;
        copy->date = row.date;
        copy->zone = row.zone;
        copy->object = row.object;
        MUST(w->s, cubby_uidset_add(from_want, row.uid, row.uid));
        MUST(w->s, cubby_uidset_add(to_want, copy->uid, copy->uid));
        if (move)
            f->rows[i].gone = f->highest = w->number;
    }
    if (!want) {
        want_set(w, "copy: from", &a, from_want);
        want_set(w, "copy: to", &b, to_want);
    }
    cubby_uidset_free(&from_want);
    cubby_uidset_free(&to_want);
    cubby_uidset_free(&uids);
}

static void do_expunge(struct work *w)
{
    struct run *r = w->r;
    struct folder *f = any_folder(r);
    cubby_uidset *uids = any_uids(r, f), *gone = NULL, *expected;
    int only = (int)dice(r, 2), want = w->lazy ? CUBBY_EINVAL : 0;
    want_rc(w, "expunge", cubby_expunge(w->txn, f->id, uids, only, &gone), want);
    MUST(w->s, cubby_uidset_new(&expected));
    for (size_t i = 0; i < f->count && !want; i++) {
        struct row *row = &f->rows[i];
        if (row->gone || !cubby_uidset_has(uids, row->uid) || (only && !(row->flags & CUBBY_DELETED)))
            continue;
        row->gone = f->highest = w->number;
        w->logged = 1;
        MUST(w->s, cubby_uidset_add(expected, row->uid, row->uid));
    }
    if (!want)
        want_set(w, "expunge", &gone, expected);
    cubby_uidset_free(&expected);
    cubby_uidset_free(&uids);
}

static void do_one(struct work *w)
{
    static void (*const rare[])(struct work *) = {do_create, do_rename, do_delete, do_special, do_subscribe, do_recent, do_create};
    uint64_t n = dice(w->r, 20);
    if (n < 3)
        rare[dice(w->r, sizeof rare / sizeof *rare)](w);
    else if (n < 11)
        do_add(w);
    else if (n < 15)
        do_flag(w);
    else if (n < 18)
        do_copy(w, n == 17);
    else
        do_expunge(w);
}

/* ---- transactions ---- */

static void compare(struct run *r, cubby_store *s, cubby_snapshot *snap, struct model *m, const char *when, int thorough)
{
    char text[100];
    snprintf(text, sizeof text, "seed %" PRIu64 ", modseq %" PRIu64 ", %s", r->seed, m->modseq, when);
    struct compare c = {m, s, snap, &r->rng, text, r->from};
    compare_all(&c, thorough);
}

static void compare_now(struct run *r, cubby_store *s, const char *when, int thorough)
{
    cubby_snapshot *snap;
    MUST(s, cubby_snapshot_begin(s, &snap));
    CHECK(cubby_snapshot_modseq(snap) == r->m->modseq, "seed %" PRIu64 ", %s: the snapshot's modseq is %" PRIu64 ", not %" PRIu64, r->seed, when,
          cubby_snapshot_modseq(snap), r->m->modseq);
    compare(r, s, snap, r->m, when, thorough);
    cubby_snapshot_end(&snap);
}

static void write_message(struct run *r, struct work *w)
{
    w->seed = next_random(&r->rng);
    w->big = dice(r, 40) == 0;
    make_mail(w->seed, w->big, &r->mail);
    MUST(w->s, cubby_message_new(w->s, &w->message));
    for (size_t at = 0, n; at < r->mail.len; at += n) {
        n = 1 + dice(r, dice(r, 2) ? 5000 : 200000);
        n = n < r->mail.len - at ? n : r->mail.len - at;
        MUST(w->s, cubby_message_write(w->message, r->mail.data + at, n));
    }
    MUST(w->s, cubby_message_finish(w->message));
    CHECK(cubby_message_size(w->message) == r->mail.len, "seed %" PRIu64 ": message_size", r->seed);
}

static void transaction(struct run *r)
{
    int which = r->s[1] ? (int)dice(r, 2) : 0, abort = dice(r, 8) == 0;
    struct work w = {.r = r, .s = r->s[which], .object = SIZE_MAX, .lazy = dice(r, 6) == 0};
    uint64_t modseq = 0;
    if (dice(r, 4))
        write_message(r, &w);
    for (int again = w.message ? (int)dice(r, 2) : 0; again >= 0; again--) { /* the same message in another transaction */
        struct model *before = model_clone(r->m);
        w.object = SIZE_MAX;
        w.logged = 0;
        MUST(w.s, cubby_txn_begin(w.s, w.lazy ? CUBBY_LAZY : 0, &w.txn));
        w.number = cubby_txn_modseq(w.txn);
        CHECK(w.number > r->m->modseq, "seed %" PRIu64 ": modseq %" PRIu64 " after %" PRIu64, r->seed, w.number, r->m->modseq);
        r->m->modseq = w.number;
        for (uint64_t i = dice(r, dice(r, 4) ? 3 : 12); i; i--)
            do_one(&w);
        if (dice(r, 6) == 0)
            compare(r, w.s, cubby_txn_snapshot(w.txn), r->m, "in the transaction", 0);
        if (abort) {
            cubby_txn_abort(&w.txn);
            model_free(&r->m);
            r->m = before;
            continue;
        }
        MUST(w.s, cubby_txn_commit(&w.txn, &modseq));
        if (!w.logged)
            r->m->modseq = before->modseq;
        CHECK(modseq == r->m->modseq, "seed %" PRIu64 ": commit says %" PRIu64 ", it should be %" PRIu64, r->seed, modseq, r->m->modseq);
        model_free(&before);
    }
    cubby_message_free(&w.message);
    compare_now(r, r->s[r->s[1] ? dice(r, 2) : 0], "after a transaction", 0);
}

/* ---- opening again ---- */

static void random_options(struct run *r, cubby_options *o)
{
    static const uint64_t segments[] = {8192, 8192, 32768, 0};
    static const uint32_t checkpoints[] = {2048, 16384, 0}, caches[] = {65536, 0};
    *o = (cubby_options)CUBBY_OPTIONS_INIT;
    o->segment_bytes = segments[dice(r, 4)];
    o->checkpoint_bytes = checkpoints[dice(r, 3)];
    o->cache_bytes = caches[dice(r, 2)];
}

static void drop_old(struct run *r)
{
    if (r->old)
        compare(r, r->s[r->old_of], r->old, r->old_model, "in an old snapshot", 0);
    cubby_snapshot_end(&r->old);
    model_free(&r->old_model);
}

static void reopen(struct run *r)
{
    cubby_options o;
    uint64_t how = dice(r, 4);
    drop_old(r);
    dump_store(r->s[0], &r->before);
    close_store(&r->s[dice(r, 2)]);
    close_store(&r->s[0]);
    close_store(&r->s[1]);
    random_options(r, &o);
    if (dice(r, 3) == 0)
        check_store(r->dir, dice(r, 2) ? CUBBY_CHECK_FULL : 0, "closed");
    if (how == 1 && unlink(r->index) != 0)
        die("there is no index");
    if (how == 1 && dice(r, 3) == 0)
        check_store(r->dir, 0, "closed, without an index");
    if (how == 2)
        o.flags = CUBBY_REBUILD;
    r->s[0] = open_store(r->dir, &o);
    dump_store(r->s[0], &r->after);
    static const char *const hows[] = {"opened again", "opened without an index", "rebuilt", "opened again"};
    must_equal(&r->before, &r->after, hows[how]);
    compare_now(r, r->s[0], hows[how], dice(r, 4) == 0);
}

/* Another handle, which may or may not write. */
static void second_handle(struct run *r)
{
    cubby_options o;
    if (r->s[1]) {
        if (r->old_of == 1)
            drop_old(r);
        close_store(&r->s[1]);
        return;
    }
    random_options(r, &o);
    uint64_t how = dice(r, 8);
    if (how == 0 && unlink(r->index) != 0)
        die("there is no index");
    if (how == 1)
        o.flags = CUBBY_REBUILD;
    r->s[1] = open_store(r->dir, &o);
    compare_now(r, r->s[1], how == 0 ? "a second handle without index" : how == 1 ? "a second handle that rebuilt" : "a second handle", 0);
    compare_now(r, r->s[0], "the first handle, with a second", 0);
}

static void read_only_handle(struct run *r)
{
    cubby_options o;
    random_options(r, &o);
    o.flags = CUBBY_READ_ONLY;
    dump_store(r->s[0], &r->before);
    cubby_store *s = open_store(r->dir, &o);
    CHECK(cubby_is_read_only(s), "a read-only handle says that it is none");
    dump_store(s, &r->after);
    must_equal(&r->before, &r->after, "read-only");
    cubby_txn *txn;
    int rc = cubby_txn_begin(s, 0, &txn);
    CHECK(rc == CUBBY_EACCES, "a transaction on a read-only handle: %d", rc);
    compare_now(r, s, "a read-only handle", 0);
    close_store(&s);
}

static void compare_stat(struct run *r)
{
    cubby_stat st;
    uint64_t folders = 0, messages = 0;
    MUST(r->s[0], cubby_store_stat(r->s[0], &st));
    for (size_t i = 0; i < r->m->count; i++) {
        struct folder *f = &r->m->folders[i];
        folders += !f->dead;
        for (size_t k = 0; k < f->count && !f->dead; k++)
            messages += !f->rows[k].gone;
    }
    CHECK(st.folders == folders && st.messages == messages && st.last_commit == r->m->modseq,
          "seed %" PRIu64 ": stat says %" PRIu64 " folders, %" PRIu64 " messages, commit %" PRIu64 ", not %" PRIu64 ", %" PRIu64 ", %" PRIu64, r->seed,
          st.folders, st.messages, st.last_commit, folders, messages, r->m->modseq);
}

static void in_between(struct run *r)
{
    switch (dice(r, 24)) {
    case 0:
    case 1:
        reopen(r);
        break;
    case 2:
        second_handle(r);
        break;
    case 3:
        read_only_handle(r);
        break;
    case 4:
        drop_old(r);
        r->old_of = r->s[1] ? (int)dice(r, 2) : 0;
        MUST(r->s[r->old_of], cubby_snapshot_begin(r->s[r->old_of], &r->old));
        r->old_model = model_clone(r->m);
        break;
    case 5:
        if (r->old)
            compare(r, r->s[r->old_of], r->old, r->old_model, "in an old snapshot", 0);
        break;
    case 6:
        MUST(r->s[0], dice(r, 2) ? cubby_sync(r->s[0]) : cubby_checkpoint(r->s[0]));
        break;
    case 7:
        compare_stat(r);
        if (dice(r, 2))
            check_store(r->dir, dice(r, 2) ? CUBBY_CHECK_FULL : 0, "open");
        break;
    default:
        break;
    }
}

/* ---- a run ---- */

static void start(struct run *r)
{
    cubby_options o;
    cubby_snapshot *snap;
    cubby_folder inbox;
    random_options(r, &o);
    o.flags = CUBBY_CREATE;
    r->s[0] = open_store(r->dir, &o);
    MUST(r->s[0], cubby_snapshot_begin(r->s[0], &snap));
    MUST(r->s[0], cubby_folder_find(snap, CUBBY_ROOT, "iNBOX", 5, &inbox));
    struct folder *f = model_add_folder(r->m);
    f->id = inbox.id;
    f->uidvalidity = inbox.uidvalidity;
    f->highest = f->props = f->created = r->m->modseq = cubby_snapshot_modseq(snap);
    f->name_len = 5;
    memcpy(f->name, "INBOX", 6);
    cubby_snapshot_end(&snap);
    compare_now(r, r->s[0], "new", 1);
}

static void run(uint64_t seed, uint64_t transactions, const char *dir)
{
    struct run r = {.dir = dir, .rng = seed, .seed = seed, .from = (int64_t)time(NULL)};
    double began = seconds();
    printf("# seed %" PRIu64 ", %" PRIu64 " transactions; again with: test_model %" PRIu64 " %" PRIu64 "\n", seed, transactions, seed, transactions);
    fflush(stdout);
    remove_tree(dir);
    snprintf(r.index, sizeof r.index, "%s/index", dir);
    r.m = need(calloc(1, sizeof *r.m));
    start(&r);
    for (uint64_t i = 0; i < transactions; i++) {
        transaction(&r);
        in_between(&r);
    }
    reopen(&r);
    compare_now(&r, r.s[0], "at the end", 1);
    drop_old(&r);
    close_store(&r.s[1]);
    close_store(&r.s[0]);
    check_store(dir, CUBBY_CHECK_FULL, "at the end");
    printf("ok - model, seed %" PRIu64 " (%zu folders, %zu objects, modseq %" PRIu64 ", %.1f s)\n", seed, r.m->count, r.m->object_count, r.m->modseq,
           seconds() - began);
    model_free(&r.m);
    text_free(&r.before);
    text_free(&r.after);
    free(r.mail.data);
}

int main(int argc, char **argv)
{
    const char *env = getenv("CUBBY_SEED"), *dir = scratch_dir("model");
    if (argc > 1 || env) {
        run(strtoull(argc > 1 ? argv[1] : env, NULL, 0), argc > 2 ? strtoull(argv[2], NULL, 0) : 400, dir);
    } else {
        for (uint64_t seed = 1; seed <= 4; seed++)
            run(seed, SANITIZED ? 60 : 250, dir);
    }
    remove_tree(dir);
    return 0;
}
