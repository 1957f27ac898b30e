/* check.c - fsck, read-only: every segment frame by frame, every page of the index, and the index against one built anew.
 *
 * The index proves nothing about the segments and the segments everything about the index: so the segments come first. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "log/segname.h"
#include "store/internal.h"

struct check {
    struct cubby__store *s;
    cubby_finding_fn fn;
    void *arg;
    cubby_check_result *result;
    cubby_error *err;
    uint64_t evidence; /* the index says that the log was synced up to this commit */
    int stopped;
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
    if (c->fn && c->fn(c->arg, &f) != 0) {
        c->stopped = 1;
        return cubby__fail(c->err, CUBBY_ECANCEL, file, off, "the check was stopped");
    }
    return 0;
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

static int check_frames(struct check *c, uint32_t seg, const struct cubby__seg_header *h, uint64_t limit, int last)
{
    struct cubby__segscan scan;
    char name[512];
    const char *file = cubby__log_name(c->s->log, seg, name);
    int rc = cubby__segscan_open(&scan, c->s->log, seg, h->nonce, c->s->ident.salt, h->frames, limit, h->last_commit, h->last_chain, c->err);
    scan.pieces = 1;
    scan.durable = last && c->evidence > h->proven_commit ? c->evidence : h->proven_commit;
    while (rc == 0) {
        rc = cubby__segscan_next(&scan);
        if (rc == 0)
            continue;
        uint64_t at = scan.pos, nonzero = UINT64_MAX;
        int zeros = rc == CUBBY_DONE;
        if (rc != CUBBY_DONE && rc != CUBBY_ECORRUPT)
            break;
        rc = cubby__segscan_nonzero(&scan, at, &nonzero);
        if (rc != 0 || (zeros && nonzero == UINT64_MAX)) {
            if (rc == 0 && !last && at < scan.limit && limit != UINT64_MAX)
                rc = tell(c, "SEGMENT_SHORT", CUBBY_ERROR, file, at, "frames end here, its successor says that they reach %llu", (unsigned long long)limit);
            break;
        }
        uint64_t before = scan.last_commit, durable = scan.durable;
        rc = cubby__segscan_resync(&scan);
        if (last && rc == CUBBY_DONE && durable <= before) {
            rc = tell(c, "TAIL_TORN", CUBBY_NOTE, file, at, "an unfinished commit of up to %llu bytes behind the last one: the next writer drops it",
                      (unsigned long long)(scan.limit - at));
            break;
        }
        uint64_t to = rc == 0 ? scan.pos : scan.limit;
        int rc2 = tell(c, "FRAME_DAMAGED", CUBBY_ERROR, file, at, "%llu bytes are no sound frames of commit %llu", (unsigned long long)(to - at),
                       (unsigned long long)before + 1);
        if (rc2 != 0 || rc != 0) {
            rc = rc2 != 0 ? rc2 : rc == CUBBY_DONE ? 0 : rc;
            break;
        }
    }
    if (rc == 0 && last && c->evidence > scan.last_commit)
        rc = tell(c, "LOG_SHORT", CUBBY_ERROR, file, scan.pos, "the log ends with commit %llu, and the index says that %llu had been synced",
                  (unsigned long long)scan.last_commit, (unsigned long long)c->evidence);
    if (rc == 0 && last && scan.durable < scan.last_commit)
        rc = tell(c, "TAIL_UNPROVEN", CUBBY_NOTE, file, scan.pos, "commits %llu to %llu are whole, but nothing in the files says that they were synced: the next writer copies them",
                  (unsigned long long)scan.durable + 1, (unsigned long long)scan.last_commit);
    cubby__segscan_close(&scan);
    return rc;
}

static int check_segment(struct check *c, const uint32_t *numbers, size_t i, size_t count)
{
    struct cubby__seg_header h, next;
    char name[512];
    uint64_t limit = UINT64_MAX, size;
    const char *file = cubby__log_name(c->s->log, numbers[i], name);
    if (i > 0 && numbers[i] != numbers[i - 1] + 1) {
        int rc = tell(c, "SEGMENT_MISSING", CUBBY_ERROR, CUBBY__DIR_SEGMENTS, CUBBY__NO_OFFSET, "segments %u to %u are not there", numbers[i - 1] + 1, numbers[i] - 1);
        if (rc != 0)
            return rc;
    }
    int rc = cubby__log_header(c->s->log, numbers[i], &h, c->err);
    if (rc == CUBBY_ECORRUPT || rc == CUBBY_EVERSION)
        return tell(c, "SEGMENT_HEADER", CUBBY_ERROR, file, c->err->offset, "%s", c->err->message);
    if (rc != 0)
        return rc;
    if (h.damaged_copies)
        rc = tell(c, "SEGMENT_HEADER_COPY", CUBBY_WARNING, file, 0, "one of the two copies of the header is damaged");
    if (rc == 0 && i + 1 < count && cubby__log_header(c->s->log, numbers[i + 1], &next, NULL) == 0) {
        if (next.pred == numbers[i] && next.pred_nonce == h.nonce)
            limit = next.pred_end;
        cubby__seg_header_release(&next);
    }
    if (rc == 0)
        rc = cubby__log_size(c->s->log, numbers[i], &size, c->err);
    if (rc == 0 && limit != UINT64_MAX && size < limit)
        rc = tell(c, "SEGMENT_TRUNCATED", CUBBY_ERROR, file, size, "the file ends here, its successor says that it reaches %llu", (unsigned long long)limit);
    if (rc == 0)
        rc = check_frames(c, numbers[i], &h, limit, i + 1 == count);
    cubby__seg_header_release(&h);
    return rc;
}

static int check_segments(struct check *c)
{
    uint32_t *numbers;
    size_t count;
    int rc = cubby__log_list(c->s->log, &numbers, &count, c->err);
    if (rc != 0)
        return rc;
    if (count == 0)
        rc = tell(c, "SEGMENT_MISSING", CUBBY_ERROR, CUBBY__DIR_SEGMENTS, CUBBY__NO_OFFSET, "there are no segments");
    else if (numbers[0] != 1)
        rc = tell(c, "SEGMENT_MISSING", CUBBY_ERROR, CUBBY__DIR_SEGMENTS, CUBBY__NO_OFFSET, "segments 1 to %u are not there", numbers[0] - 1);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = check_segment(c, numbers, i, count);
    cubby__free(numbers);
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
    struct cubby__pager_config config = {.vfs = c->s->vfs, .salt = c->s->ident.salt, .cache_bytes = 1 << 20};
    memcpy(config.uuid, c->s->ident.uuid, 16);
    char *path = cubby__path_join(c->s->path, CUBBY__FILE_INDEX);
    if (!path)
        return cubby__fail_mem(c->err);
    config.path = path;
    int rc = cubby__pager_open(&config, p, c->err);
    cubby__free(path);
    return rc;
}

/* Read before the segments are: a writer that goes on meanwhile only adds to them. */
static void read_evidence(struct check *c)
{
    struct cubby__pager *p;
    struct cubby__meta meta;
    if (open_index(c, &p) != 0)
        return;
    if (cubby__meta_read(p, &meta, c->err) == 0)
        c->evidence = meta.commit;
    cubby__pager_close(&p);
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
        if (rc == CUBBY_ECORRUPT && *usable)
            rc = tell(c, "INDEX_PAGE", CUBBY_ERROR, CUBBY__FILE_INDEX, c->err->offset, "%s", c->err->message);
        if (rc > 0)
            rc = c->stopped ? CUBBY_ECANCEL : 0;
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
    return tell(c, "INDEX_MISMATCH", CUBBY_ERROR, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "the row with key %s %s", text, how);
}

static int compare_keys(const struct cubby__slice *a, const struct cubby__slice *b)
{
    int d = memcmp(a->p, b->p, a->n < b->n ? a->n : b->n);
    return d ? d : (a->n > b->n) - (a->n < b->n);
}

/* Row by row: the index as readers see it (a) and as the segments say that it must be (b). Stops after 100 differences. */
static int compare_trees(struct check *c, struct cubby__view *a, struct cubby__view *b)
{
    static const uint8_t zero[1] = {0};
    struct cubby__cursor ca, cb;
    cubby__view_cursor(a, &ca);
    cubby__view_cursor(b, &cb);
    int ra = cubby__cursor_seek(&ca, zero, 1), rb = cubby__cursor_seek(&cb, zero, 1), rc = 0;
    for (int found = 0; (ra == 0 || rb == 0) && ra >= 0 && rb >= 0 && rc == 0 && found < 100;) {
        struct cubby__slice ka = {0}, kb = {0};
        if (ra == 0)
            ka = cubby__cursor_key(&ca);
        if (rb == 0)
            kb = cubby__cursor_key(&cb);
        int d = ra ? 1 : rb ? -1 : compare_keys(&ka, &kb);
        if (d < 0) {
            rc = differ(c, &ka, "should not be there");
        } else if (d > 0) {
            rc = differ(c, &kb, "is missing");
        } else {
            struct cubby__slice va = cubby__cursor_value(&ca), vb = cubby__cursor_value(&cb);
            if (va.n == vb.n && memcmp(va.p, vb.p, va.n) == 0)
                found--;
            else
                rc = differ(c, &ka, "is not what the segments say");
        }
        found++;
        if (d <= 0)
            ra = cubby__cursor_next(&ca);
        if (d >= 0)
            rb = cubby__cursor_next(&cb);
    }
    cubby__cursor_release(&ca);
    cubby__cursor_release(&cb);
    return rc != 0 ? rc : ra < 0 ? ra : rb < 0 ? rb : 0;
}

static int compare_index(struct check *c)
{
    cubby_options o = c->s->o;
    struct cubby__store *fresh;
    struct cubby__view a = {0}, b = {0};
    o.flags = CUBBY_READ_ONLY | CUBBY_REBUILD;
    o.notice = NULL;
    int rc = cubby__store_open(c->s->path, &o, c->s->handlers, &fresh, c->err);
    if (rc != 0)
        return rc;
    rc = cubby__view_begin(c->s, &a, c->err);
    if (rc == 0)
        rc = cubby__view_begin(fresh, &b, c->err);
    if (rc == 0 && a.commit == b.commit)
        rc = compare_trees(c, &a, &b);
    else if (rc == 0)
        rc = tell(c, "INDEX_BUSY", CUBBY_NOTE, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "somebody is writing: the index was not compared with the segments");
    if (b.link)
        cubby__view_end(&b);
    if (a.link)
        cubby__view_end(&a);
    cubby__store_close(&fresh, NULL);
    return rc;
}

int cubby__store_check(const char *path, const cubby_options *o, const struct cubby__handlers *h, cubby_finding_fn fn, void *arg,
                       cubby_check_result *result, cubby_error *err)
{
    cubby_options options = CUBBY_OPTIONS_INIT;
    cubby_error local;
    struct check c = {.fn = fn, .arg = arg, .result = result, .err = err ? err : &local};
    int usable = 0;
    if (o)
        options = *o;
    options.flags = CUBBY_READ_ONLY;
    options.notice = NULL;
    int rc = cubby__store_open(path, &options, h, &c.s, c.err);
    if (rc != 0)
        return rc;
    read_evidence(&c);
    rc = check_identity(&c);
    if (rc == 0)
        rc = check_segments(&c);
    if (rc == 0)
        rc = check_index_now(&c, &usable);
    if (rc == 0 && usable && result->findings == 0)
        rc = compare_index(&c);
    cubby__store_close(&c.s, NULL);
    return rc;
}
