/* check.c - fsck, read-only: every segment frame by frame, every page of the index, and the index against one built anew.
 *
 * The index proves nothing about the segments and the segments everything about the index: so the segments come first. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "log/segname.h"
#include "store/segcheck.h"
#include "store/stray.h"

struct check {
    struct cubby__store *s;
    const struct cubby__check_hooks *hooks;
    cubby_finding_fn fn;
    void *arg;
    cubby_check_result *result;
    cubby_error *err;
    uint64_t evidence; /* the index says that the log was synced up to this commit */
    int misnamed;       /* segments are not where they belong */
    size_t readable;    /* segments whose header is */
    uint64_t differing; /* the rows that were not the same in the last comparison */
};

static int __attribute__((format(printf, 6, 7))) tell(struct check *c, const char *code, int severity, const char *file, uint64_t off, const char *fmt, ...)
{
    char detail[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    cubby_finding f = {.code = code, .severity = severity, .file = file, .offset = off, .detail = detail};
    c->result->findings += severity != CUBBY_NOTE;
    return c->fn && c->fn(c->arg, &f) != 0 ? cubby__fail(c->err, CUBBY_ECANCEL, file, off, "the check was stopped") : 0;
}

/* ---- cubby.id ---- */

/* One copy is enough to open the store; nothing but a finding says that the other is gone. */
static int check_identity(struct check *c)
{
    struct cubby__store *s = c->s;
    int rc = 0;
    for (int i = 0; i < CUBBY__ID_COPIES && rc == 0; i++) {
        uint8_t b[CUBBY__ID_SIZE];
        struct cubby__ident id;
        uint64_t off = (uint64_t)i * CUBBY__PAGE_SIZE;
        int64_t got = s->vfs->pread(s->vfs->ctx, s->id_file, b, sizeof b, off);
        if (got < 0)
            return cubby__fail_io(c->err, (int)got, CUBBY__FILE_ID, off, "reading the store's identity");
        if (got < (int64_t)sizeof b || cubby__ident_decode(b, &id, CUBBY__FILE_ID, off, c->err) != 0 || memcmp(id.uuid, s->ident.uuid, 16) != 0)
            rc = tell(c, "ID_COPY", CUBBY_WARNING, CUBBY__FILE_ID, off, "one of the two copies of the identity is damaged");
    }
    return rc;
}

/* ---- segments ---- */

static int tell_segment(void *arg, const struct cubby__segproblem *p)
{
    struct check *c = arg;
    char name[CUBBY__SEGNAME_MAX];
    int hurt = p->kind == CUBBY__SEG_MISSING || p->kind == CUBBY__SEG_HEADER || p->kind == CUBBY__SEG_HOLE;
    int rc = hurt && c->hooks && c->hooks->hurt ? c->hooks->hurt(c->hooks->arg, p->first, p->seg) : 0;
    if (rc != 0)
        return rc;
    const char *file = p->seg ? cubby__segname(p->kind == CUBBY__SEG_MISSING ? p->first : p->seg, name) : CUBBY__DIR_SEGMENTS;
    return tell(c, p->code, p->severity, file, p->from, "%s", p->detail);
}

static int pass_on(void *arg, const struct cubby__record *rec)
{
    struct check *c = arg;
    return c->hooks && c->hooks->fragment ? c->hooks->fragment(c->hooks->arg, rec) : 0;
}

static int check_segments(struct check *c)
{
    struct cubby__segcheck walk = {.s = c->s, .err = c->err, .evidence = c->evidence, .problem = tell_segment, .fragment = pass_on, .arg = c};
    int rc = cubby__segcheck(&walk);
    c->misnamed = walk.misnamed;
    c->readable = walk.readable;
    return rc;
}

/* ---- the index ---- */

static int page_problem(void *arg, uint64_t page, uint32_t level, const char *problem)
{
    (void)level;
    return problem ? tell(arg, "INDEX_PAGE", CUBBY_ERROR, CUBBY__FILE_INDEX, page * CUBBY__PAGE_SIZE, "%s", problem) : 0;
}

static int open_index(struct check *c, struct cubby__pager **p)
{
    struct cubby__pager_config config = cubby__index_config(c->s);
    config.cache_bytes = 1 << 20; /* each page is read once */
    char *path = cubby__path_join(c->s->path, CUBBY__FILE_INDEX);
    if (!path)
        return cubby__fail_mem(c->err);
    config.path = path;
    int rc = cubby__pager_open(&config, p, c->err);
    cubby__free(path);
    return rc;
}

/* Read before the segments are: a writer that goes on meanwhile only adds to them. */
static int read_evidence(struct check *c)
{
    struct cubby__pager *p;
    struct cubby__meta meta;
    int rc = 0;
    if (open_index(c, &p) != 0)
        return 0;
    if (cubby__meta_read(p, &meta, c->err) == 0)
        rc = cubby__index_proves(c->s, p, &meta, &c->evidence, c->err);
    cubby__pager_close(&p);
    return rc;
}

/* The file as it lies there: its slots and every page that the checkpoint reaches. *usable: it can be compared with a rebuilt one. */
static int check_index_file(struct check *c, int *usable)
{
    struct cubby__pager *p;
    struct cubby__meta meta;
    *usable = 0;
    int rc = open_index(c, &p);
    if (rc == CUBBY_ENOENT)
        return tell(c, "INDEX_MISSING", CUBBY_NOTE, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "there is no index: the next open builds it");
    if (rc == CUBBY_ECORRUPT) /* a directory, a link */
        return tell(c, "INDEX_META", CUBBY_ERROR, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "%s: the next open puts it into %s and builds a new one", c->err->message,
                    CUBBY__DIR_QUARANTINE);
    if (rc != 0)
        return rc;
    uint64_t before = c->result->findings;
    rc = cubby__meta_read(p, &meta, c->err);
    if (rc == CUBBY_DONE) { /* like one that is missing */
        rc = tell(c, "INDEX_MISSING", CUBBY_NOTE, CUBBY__FILE_INDEX, 0, "it holds no checkpoint: it is being built now, or the next open builds a new one");
    } else if (rc == CUBBY_ECORRUPT || rc == CUBBY_EVERSION) {
        rc = tell(c, "INDEX_META", CUBBY_ERROR, CUBBY__FILE_INDEX, 0, "%s: the next open builds a new one", c->err->message);
    } else if (rc == 0) {
        if (meta.bad_slots) /* what a power cut in a checkpoint leaves looks the same */
            rc = tell(c, "INDEX_META_SLOT", CUBBY_NOTE, CUBBY__FILE_INDEX, 0, "one of the two checkpoints does not verify: the other one is used");
        if (rc == 0)
            rc = cubby__tree_check(p, &meta.root, page_problem, c, c->err);
        *usable = c->result->findings == before;
    }
    cubby__pager_close(&p);
    return rc;
}

/* ... while nobody overwrites what its checkpoint reaches. */
static int check_index_now(struct check *c, int *usable)
{
    struct cubby__view all;
    int rc = cubby__view_begin_all(c->s, &all, c->err);
    if (rc == 0) {
        rc = check_index_file(c, usable);
        cubby__view_end(&all);
    }
    return rc;
}

/* It may not fit the segments any more, and know what they have lost all the same. */
static int ask_checkpoint(struct check *c)
{
    struct cubby__view all, view = {.store = c->s, .err = c->err};
    struct cubby__meta meta;
    int rc = cubby__view_begin_all(c->s, &all, c->err);
    if (rc != 0)
        return rc;
    rc = open_index(c, &view.pager);
    if (rc == 0)
        rc = cubby__meta_read(view.pager, &meta, c->err);
    if (rc == 0) {
        view.root = meta.root;
        view.commit = meta.commit;
        rc = c->hooks->known(c->hooks->arg, &view);
    }
    cubby__pager_close(&view.pager);
    cubby__view_end(&all);
    return rc == CUBBY_DONE || rc == CUBBY_ENOENT ? 0 : rc; /* it was replaced meanwhile */
}

static void hex(const struct cubby__slice *k, char *out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < k->n && n + 3 < room; i++)
        n += (size_t)snprintf(out + n, room - n, "%02x", k->p[i]);
}

static int differ(struct check *c, const struct cubby__slice *key, const char *how)
{
    char text[129] = "";
    hex(key, text, sizeof text);
    c->differing = cubby__hash64(key->p, key->n, c->differing);
    return tell(c, "INDEX_MISMATCH", CUBBY_ERROR, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "the row with key %s %s", text, how);
}

static int same_value(struct cubby__cursor *a, struct cubby__cursor *b)
{
    struct cubby__slice va = cubby__cursor_value(a), vb = cubby__cursor_value(b);
    return va.n == vb.n && memcmp(va.p, vb.p, va.n) == 0;
}

/* Row by row: the index as readers see it (a) and as the segments say that it must be (b). Stops after 100 differences. */
static int compare_trees(struct check *c, struct cubby__view *a, struct cubby__view *b)
{
    static const uint8_t zero[1] = {0};
    struct cubby__cursor ca, cb;
    cubby__view_cursor(a, &ca);
    cubby__view_cursor(b, &cb);
    int ra = cubby__cursor_seek(&ca, zero, 1), rb = cubby__cursor_seek(&cb, zero, 1), rc = 0;
    int found = 0;
    while ((ra == 0 || rb == 0) && ra >= 0 && rb >= 0 && rc == 0 && found < 100) {
        struct cubby__slice ka = {0}, kb = {0};
        if (ra == 0)
            ka = cubby__cursor_key(&ca);
        if (rb == 0)
            kb = cubby__cursor_key(&cb);
        int d = ra ? 1 : rb ? -1 : cubby__key_cmp(ka, kb);
        const char *how = d < 0 ? "should not be there" : d > 0 ? "is missing" : same_value(&ca, &cb) ? NULL : "is not what the segments say";
        if (how) {
            rc = differ(c, d > 0 ? &kb : &ka, how);
            found++;
        }
        if (d <= 0)
            ra = cubby__cursor_next(&ca);
        if (d >= 0)
            rb = cubby__cursor_next(&cb);
    }
    cubby__cursor_release(&ca);
    cubby__cursor_release(&cb);
    return rc != 0 ? rc : ra < 0 ? ra : rb < 0 ? rb : 0;
}

/* Are they the same? Tells only what is `sure`: with others writing, what differs each time, or while nobody published anything since `seen`. Else
 * *busy: half of what somebody just wrote was compared, or not even that. */
static int compare_once(struct check *c, struct cubby__store *fresh, uint64_t seen, int *busy)
{
    struct cubby__view a = {0}, b = {0};
    struct cubby_check_result before = *c->result;
    cubby_finding_fn fn = c->fn;
    uint64_t last = c->differing, differences = 0;
    int rc = cubby__view_begin(c->s, &a, c->err);
    if (rc == 0)
        rc = cubby__view_begin(fresh, &b, c->err);
    *busy = rc == 0 && a.commit != b.commit;
    if (rc == 0 && !*busy) {
        c->fn = NULL;
        c->differing = 0;
        rc = compare_trees(c, &a, &b);
        c->fn = fn;
        differences = c->result->findings - before.findings;
        *c->result = before;
    }
    if (rc == 0 && differences) {
        int sure = !c->s->shared_mapped || cubby__current(c->s) == seen || c->differing == last;
        *busy = !sure;
        rc = sure ? compare_trees(c, &a, &b) : 0;
    }
    if (b.link)
        cubby__view_end(&b);
    if (a.link)
        cubby__view_end(&a);
    return rc;
}

/* Would it take much more memory than the caches that the caller grants? */
static int is_large(struct check *c)
{
    cubby_vfs_stat st = {0};
    char *path = cubby__path_join(c->s->path, CUBBY__FILE_INDEX);
    int rc = path ? c->s->vfs->stat(c->s->vfs->ctx, path, &st) : -1;
    cubby__free(path);
    return rc == 0 && st.size / 2 > c->s->o.cache_bytes;
}

static int build_fresh(struct check *c, struct cubby__store **fresh)
{
    const struct cubby__check_hooks *hooks = c->hooks;
    cubby_options o = c->s->o;
    o.flags = (o.flags & CUBBY_ON_NETWORK) | CUBBY_READ_ONLY | CUBBY_REBUILD | (is_large(c) ? CUBBY__SCRATCH_INDEX : 0);
    o.notice = NULL;
    if (hooks && hooks->begin)
        hooks->begin(hooks->arg);
    return cubby__store_open(c->s->path, &o, hooks && hooks->spy ? hooks->spy : c->s->handlers, fresh, c->err);
}

/* What the segments say, built anew in memory: beside the index, if that can be compared, and for whoever wants to look at it. */
static int check_against_segments(struct check *c, int compare)
{
    enum { TRIES = 5 };
    struct cubby__store *fresh;
    for (int i = 1;; i++) {
        int busy = 0;
        uint64_t seen = c->s->shared_mapped ? cubby__current(c->s) : 0;
        int rc = build_fresh(c, &fresh);
        if (rc != 0) /* of no segment nothing can be built: whoever has the last one open goes on, and each of them has been told of */
            return rc == CUBBY_ECORRUPT && !c->readable ? 0 : rc;
        if (compare)
            rc = compare_once(c, fresh, seen, &busy);
        int again = rc == 0 && busy && i < TRIES && c->s->shared_mapped;
        if (rc == 0 && !again && !cubby__numbers_left(&fresh->floors))
            rc = tell(c, "NUMBERS_USED_UP", CUBBY_NOTE, CUBBY__DIR_SEGMENTS, CUBBY__NO_OFFSET, "a number near 2^63 stands there, which counting does not reach: "
                      "the store takes no change any more");
        if (rc == 0 && !again && c->hooks && c->hooks->rebuilt)
            rc = c->hooks->rebuilt(c->hooks->arg, fresh);
        cubby__store_close(&fresh, NULL);
        if (rc == 0 && busy && !again)
            rc = tell(c, "INDEX_BUSY", CUBBY_NOTE, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "somebody is writing: the index was not compared with the segments");
        if (!again)
            return rc;
    }
}

int cubby__store_check(struct cubby__store *s, const struct cubby__check_hooks *hooks, cubby_finding_fn fn, void *arg, cubby_check_result *result,
                       cubby_error *err)
{
    cubby_error local;
    struct check c = {.s = s, .hooks = hooks, .fn = fn, .arg = arg, .result = result, .err = err ? err : &local};
    uint64_t before = result->findings;
    int usable = 0;
    s->o.flags |= CUBBY__AS_OPENED; /* it is of one state */
    int rc = read_evidence(&c);
    if (rc == 0)
        rc = check_identity(&c);
    if (rc == 0)
        rc = check_segments(&c);
    int sound = result->findings == before;
    if (rc == 0)
        rc = check_index_now(&c, &usable);
    if (rc == 0 && !c.misnamed)
        rc = check_against_segments(&c, usable && sound);
    if (rc == 0 && !c.misnamed && usable && !sound && hooks && hooks->known)
        rc = ask_checkpoint(&c);
    return rc;
}

int cubby__store_check_closed(const char *path, const cubby_options *o, const struct cubby__handlers *h, cubby_finding_fn fn, void *arg,
                              cubby_check_result *result, cubby_error *err)
{
    struct check c = {.fn = fn, .arg = arg, .result = result, .err = err};
    int rc = cubby__store_open_bare(path, o, h, &c.s, err);
    if (rc != 0)
        return rc;
    rc = check_identity(&c);
    if (rc == 0)
        rc = check_segments(&c);
    cubby__store_close(&c.s, NULL);
    return rc;
}

/* ---- was anybody else there? ---- */

int cubby__witness(struct cubby__store *s, struct cubby__witness *w, cubby_error *err)
{
    cubby_error unused;
    struct check c = {.s = s, .err = &unused};
    struct cubby__pager *p;
    struct cubby__meta meta;
    uint32_t *numbers;
    uint64_t size;
    size_t count;
    memset(w, 0, sizeof *w);
    w->protected = s->shared_mapped; /* and looked at with care */
    if (w->protected)
        return 0;
    w->others = cubby__others_are_here(s);
    if (open_index(&c, &p) == 0) {
        if (cubby__meta_read(p, &meta, &unused) == 0) {
            w->seq = meta.seq;
            w->nonce = meta.nonce;
        }
        cubby__pager_close(&p);
    }
    int rc = cubby__segments(s, &numbers, &count, NULL, err);
    if (rc != 0)
        return rc == CUBBY_ENOENT ? 0 : rc;
    w->count = count;
    if (count) /* a commit moves this; where zeros are ahead, the size of the file stays the same. What cannot be read is the same each time */
        cubby__log_written(s->log, numbers[count - 1], 0, &w->end, &size, &unused);
    cubby__free(numbers);
    return 0;
}

int cubby__witness_before(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__witness *w, cubby_error *err)
{
    struct cubby__store *s;
    memset(w, 0, sizeof *w);
    int rc = cubby__store_open_bare(path, o, h, &s, err);
    if (rc != 0)
        return rc;
    rc = cubby__witness(s, w, err);
    cubby__store_close(&s, NULL);
    return rc;
}

int cubby__witness_same(const struct cubby__witness *a, const struct cubby__witness *b)
{
    return b->protected || (!b->others && a->seq == b->seq && a->nonce == b->nonce && a->count == b->count && a->end == b->end);
}
