/* store_util.h - a store in memory whose records are rows of a table: what the layers above put there is none of the store's business.
 *
 * ANNOTATION  op, key length, key, value   puts (op 0) or deletes (op 1) a row; its value also says commit and place
 * FLAGS       key length, key, value       the same, and may be lazy
 * MARK        u64                          a counter that merges by maximum, defined in segment headers
 * PIECE                                    a row with its place */
#ifndef CUBBY_TESTS_STORE_UTIL_H
#define CUBBY_TESTS_STORE_UTIL_H

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/key.h"
#include "log/segname.h"
#include "os/vfs_mem.h"
#include "store/internal.h"
#include "unit/files.h"
#include "unit/fault_vfs.h"
#include "unit/unit.h"

/* ---- handlers ---- */

static const uint8_t mark_key[1] = {CUBBY__KS_QUOTA};

struct kv_row {
    uint64_t commit;
    struct cubby__place place;
    const uint8_t *value;
    size_t len;
};

static inline int kv_decode(const uint8_t *p, size_t n, struct kv_row *r)
{
    if (n < 24)
        return CUBBY_ECORRUPT;
    r->commit = cubby__get64(p);
    r->place = (struct cubby__place){cubby__get32(p + 8), cubby__get32(p + 12), cubby__get64(p + 16)};
    r->value = p + 24;
    r->len = n - 24;
    return 0;
}

static inline int kv_apply_mark(struct cubby__txn *t, const struct cubby__record *rec)
{
    uint8_t now[CUBBY__TREE_VALUE_MAX];
    size_t n;
    if (rec->len != 8)
        return CUBBY_ECORRUPT;
    int rc = cubby__view_get(cubby__txn_view(t), mark_key, 1, now, &n);
    if (rc < 0 || (rc == 0 && cubby__get64(now) >= cubby__get64(rec->payload)))
        return rc;
    return cubby__txn_put(t, mark_key, 1, rec->payload, 8);
}

static inline int kv_apply_row(struct cubby__txn *t, const struct cubby__record *rec)
{
    uint8_t key[64], row[CUBBY__TREE_VALUE_MAX];
    size_t n, skip = rec->type == CUBBY__REC_ANNOTATION, key_len;
    struct kv_row old;
    if (rec->len < skip + 1 || rec->len < skip + 1 + rec->payload[skip] || (key_len = rec->payload[skip]) > 60 || (skip && rec->payload[0] > 1))
        return CUBBY_ECORRUPT;
    key[0] = CUBBY__KS_ANNOTATION;
    memcpy(key + 1, rec->payload + skip + 1, key_len++);
    int rc = cubby__view_get(cubby__txn_view(t), key, key_len, row, &n);
    if (rc == 0 && (rc = kv_decode(row, n, &old)) == 0)
        rc = cubby__txn_account(t, old.place.seg, -(int64_t)old.place.len, 0);
    if (rc < 0)
        return rc;
    if (skip && rec->payload[0] == 1) {
        rc = cubby__txn_del(t, key, key_len);
        return rc == CUBBY_DONE ? 0 : rc;
    }
    n = rec->len - skip - key_len;
    cubby__put64(row, rec->commit);
    cubby__put32(row + 8, rec->place.seg);
    cubby__put32(row + 12, rec->place.len);
    cubby__put64(row + 16, rec->place.off);
    size_t keep = n > 200 ? 200 : n; /* a long value is looked up in the log */
    memcpy(row + 24, rec->payload + skip + key_len, keep);
    rc = cubby__txn_account(t, rec->place.seg, rec->place.len, 0);
    return rc ? rc : cubby__txn_put(t, key, key_len, row, 24 + keep);
}

static inline int kv_apply_piece(struct cubby__txn *t, const struct cubby__record *rec)
{
    uint8_t key[16] = {CUBBY__KS_PIECE}, row[24];
    struct cubby__floors *f = cubby__txn_floors(t);
    cubby__put64(row, rec->commit);
    cubby__put32(row + 8, rec->place.seg);
    cubby__put32(row + 12, rec->place.len);
    cubby__put64(row + 16, rec->place.off);
    if (rec->piece.id > f->piece)
        f->piece = rec->piece.id;
    return cubby__txn_put(t, key, 1 + cubby__keynum_put(key + 1, rec->piece.id), row, sizeof row);
}

static inline int kv_apply(struct cubby__txn *t, const struct cubby__record *rec)
{
    switch (rec->type) {
    case CUBBY__REC_ANNOTATION:
    case CUBBY__REC_FLAGS: return kv_apply_row(t, rec);
    case CUBBY__REC_MARK: return kv_apply_mark(t, rec);
    case CUBBY__REC_PIECE: return kv_apply_piece(t, rec);
    case CUBBY__REC_EXPUNGE: cubby__txn_misplaced(t, rec, "this table knows no expunges"); return 0;
    default: return CUBBY_DONE;
    }
}

static inline int kv_define(struct cubby__view *view, struct cubby__buf *defs)
{
    uint8_t now[CUBBY__TREE_VALUE_MAX];
    size_t n;
    int rc = cubby__view_get(view, mark_key, 1, now, &n);
    if (rc == 0)
        cubby__define(defs, CUBBY__REC_MARK, view->commit, now, n);
    return rc < 0 ? rc : 0;
}

static inline int kv_mark(struct cubby__txn *t, uint64_t v)
{
    uint8_t b[8];
    cubby__put64(b, v);
    return cubby__txn_log(t, CUBBY__REC_MARK, 0, b, 8);
}

static inline int kv_create(struct cubby__txn *t)
{
    return kv_mark(t, 1);
}

static inline int kv_damage(struct cubby__txn *t, uint64_t records)
{
    uint8_t now[CUBBY__TREE_VALUE_MAX] = {0};
    size_t n;
    int rc = cubby__view_get(cubby__txn_view(t), mark_key, 1, now, &n);
    if (rc < 0)
        return rc;
    cubby__put64(now, cubby__get64(now) + records);
    return cubby__txn_put(t, mark_key, 1, now, 8);
}

/* The end of a row. */
static inline int kv_shrinks(uint8_t type, const void *payload, size_t len)
{
    return type == CUBBY__REC_ANNOTATION && len && *(const uint8_t *)payload == 1;
}

static const struct cubby__handlers kv_handlers = {.apply = kv_apply, .define = kv_define, .create = kv_create, .damage = kv_damage, .shrinks = kv_shrinks};

/* ---- the bed ---- */

struct bed {
    struct cubby__memfs *fs;
    const cubby_vfs *vfs; /* without faults */
    struct fault fault;
    cubby_options o;
    struct cubby__store *s;
    cubby_error err;
    int notices;
    char notice[4096]; /* all of them */
};

#define MUST(x)                                                                                    \
    do {                                                                                           \
        int must_rc = (x);                                                                         \
        ck_assert_msg(must_rc == 0, "%s: %d %s %s", #x, must_rc, b->err.path, b->err.message);     \
    } while (0)
/* A refusal with its detail. */
#define REFUSES(x, code_)                                                                          \
    do {                                                                                           \
        memset(&b->err, 0, sizeof b->err);                                                         \
        int refused_rc = (x);                                                                      \
        ck_assert_msg(refused_rc == (code_), "%s: %d %s", #x, refused_rc, b->err.message);         \
        ck_assert_int_eq(b->err.code, (code_));                                                    \
        ck_assert_str_ne(b->err.message, "");                                                      \
    } while (0)

static inline void bed_notice(void *arg, const char *line)
{
    struct bed *b = arg;
    size_t n = strlen(b->notice);
    b->notices++;
    snprintf(b->notice + n, sizeof b->notice - n, "%s\n", line);
}

static inline void bed_quiet(struct bed *b)
{
    b->notices = 0;
    b->notice[0] = '\0';
}

static inline void bed_init(struct bed *b)
{
    memset(b, 0, sizeof *b);
    b->fs = cubby__memfs_new();
    cubby__memfs_deterministic(b->fs, 7);
    b->vfs = cubby__memfs_vfs(b->fs);
    fault_init(&b->fault, b->vfs);
    b->o = (cubby_options)CUBBY_OPTIONS_INIT;
    b->o.vfs = &b->fault.vfs;
    b->o.notice = bed_notice;
    b->o.notice_arg = b;
}

static inline int bed_try_open(struct bed *b, unsigned flags)
{
    cubby_options o = b->o;
    o.flags = flags;
    memset(&b->err, 0, sizeof b->err);
    return cubby__store_open("/s", &o, &kv_handlers, &b->s, &b->err);
}

static inline void bed_open(struct bed *b)
{
    MUST(bed_try_open(b, 0));
}

static inline void bed_close(struct bed *b)
{
    MUST(cubby__store_close(&b->s, &b->err));
}

static inline void bed_begin_with(struct bed *b, uint64_t segment_bytes, uint32_t checkpoint_bytes)
{
    bed_init(b);
    b->o.segment_bytes = segment_bytes;
    b->o.checkpoint_bytes = checkpoint_bytes;
    MUST(cubby__store_create("/s", &b->o, &kv_handlers, &b->err));
    bed_open(b);
}

static inline void bed_begin(struct bed *b)
{
    bed_begin_with(b, 0, 0);
}

static inline void bed_end(struct bed *b)
{
    if (b->s)
        bed_close(b);
    cubby__memfs_free(&b->fs);
}

/* ---- rows ---- */

static inline int kv_put(struct cubby__txn *t, const char *key, const void *value, size_t n)
{
    struct cubby__buf r = CUBBY__BUF_INIT;
    cubby__buf_byte(&r, 0);
    cubby__buf_byte(&r, (uint8_t)strlen(key));
    cubby__buf_add(&r, key, strlen(key));
    cubby__buf_add(&r, value, n);
    int rc = r.failed ? CUBBY_ENOMEM : cubby__txn_log(t, CUBBY__REC_ANNOTATION, 0, r.data, r.len);
    cubby__buf_release(&r);
    return rc;
}

static inline int kv_put_lazy(struct cubby__txn *t, const char *key, const char *value)
{
    uint8_t r[200];
    size_t n = strlen(key);
    r[0] = (uint8_t)n;
    memcpy(r + 1, key, n);
    memcpy(r + 1 + n, value, strlen(value));
    return cubby__txn_log(t, CUBBY__REC_FLAGS, 0, r, 1 + n + strlen(value));
}

static inline int kv_del(struct cubby__txn *t, const char *key)
{
    uint8_t r[64] = {1, (uint8_t)strlen(key)};
    memcpy(r + 2, key, strlen(key));
    return cubby__txn_log(t, CUBBY__REC_ANNOTATION, 0, r, 2 + strlen(key));
}

static inline int kv_get(const struct cubby__view *v, const char *name, uint8_t *buf, struct kv_row *r)
{
    uint8_t key[64] = {CUBBY__KS_ANNOTATION};
    size_t n;
    memcpy(key + 1, name, strlen(name));
    int rc = cubby__view_get(v, key, 1 + strlen(name), buf, &n);
    return rc ? rc : kv_decode(buf, n, r);
}

/* One commit of one row; what begin or commit returns. */
static inline int kv_store_in(struct cubby__store *s, const char *key, const char *value, unsigned flags, uint64_t *modseq, cubby_error *err)
{
    struct cubby__txn *t;
    int rc = cubby__txn_begin(s, flags, &t, err);
    if (rc)
        return rc;
    rc = flags & CUBBY_LAZY ? kv_put_lazy(t, key, value) : kv_put(t, key, value, strlen(value));
    if (rc) {
        cubby__txn_abort(&t);
        return rc;
    }
    return cubby__txn_commit(&t, modseq);
}

static inline int kv_store(struct bed *b, const char *key, const char *value)
{
    return kv_store_in(b->s, key, value, 0, NULL, &b->err);
}

/* "k0007" = "value 7 ..." */
static inline void kv_store_many(struct bed *b, int from, int to, size_t len)
{
    char key[16], *value = cubby__malloc(len + 1);
    for (int i = from; i < to; i++) {
        memset(value, 'a' + i % 26, len);
        value[len] = '\0';
        snprintf(key, sizeof key, "k%04d", i);
        MUST(kv_store(b, key, value));
    }
    cubby__free(value);
}

/* The value of a row, "" if there is none. */
static inline const char *kv_look_in(struct cubby__store *s, const char *key)
{
    static char value[256];
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__view v;
    struct kv_row r;
    cubby_error err;
    if (cubby__view_begin(s, &v, &err) != 0)
        return "view_begin fails";
    int rc = kv_get(&v, key, buf, &r);
    snprintf(value, sizeof value, "%.*s", rc == 0 ? (int)r.len : 0, rc == 0 ? (const char *)r.value : "");
    cubby__view_end(&v);
    return rc < 0 ? "view_get fails" : value;
}

static inline const char *kv_look(struct bed *b, const char *key)
{
    return kv_look_in(b->s, key);
}

static inline uint64_t kv_counter(struct bed *b)
{
    uint8_t now[CUBBY__TREE_VALUE_MAX];
    struct cubby__view v;
    size_t n;
    MUST(cubby__view_begin(b->s, &v, &b->err));
    MUST(cubby__view_get(&v, mark_key, 1, now, &n));
    cubby__view_end(&v);
    return cubby__get64(now);
}

/* Every row of a view, keys and values, in order. */
static inline struct cubby__buf kv_dump_view(const struct cubby__view *v)
{
    static const uint8_t zero[1] = {0};
    struct cubby__buf d = CUBBY__BUF_INIT;
    struct cubby__cursor c;
    cubby__view_cursor(v, &c);
    int rc = cubby__cursor_seek(&c, zero, 1);
    for (; rc == 0; rc = cubby__cursor_next(&c)) {
        struct cubby__slice k = cubby__cursor_key(&c), val = cubby__cursor_value(&c);
        cubby__buf_varint(&d, k.n);
        cubby__buf_add(&d, k.p, k.n);
        cubby__buf_varint(&d, val.n);
        cubby__buf_add(&d, val.p, val.n);
    }
    ck_assert_int_eq(rc, CUBBY_DONE);
    cubby__cursor_release(&c);
    return d;
}

static inline struct cubby__buf kv_dump_of(struct cubby__store *s)
{
    struct cubby__view v;
    cubby_error err;
    ck_assert_int_eq(cubby__view_begin(s, &v, &err), 0);
    struct cubby__buf d = kv_dump_view(&v);
    cubby__view_end(&v);
    return d;
}

static inline struct cubby__buf kv_dump(struct bed *b)
{
    return kv_dump_of(b->s);
}

/* Compares and releases both. */
static inline void same_rows(struct cubby__buf a, struct cubby__buf b)
{
    ck_assert_uint_eq(a.len, b.len);
    ck_assert_mem_eq(a.data, b.data, a.len);
    cubby__buf_release(&a);
    cubby__buf_release(&b);
}

/* One row of len bytes. */
static inline int kv_store_long(struct bed *b, const char *key, size_t len)
{
    char *value = cubby__malloc(len + 1);
    memset(value, 'v', len);
    value[len] = '\0';
    int rc = kv_store(b, key, value);
    cubby__free(value);
    return rc;
}

/* ---- files ---- */

static inline int bed_exists(struct bed *b, const char *path)
{
    cubby_vfs_stat st;
    return b->vfs->stat(b->vfs->ctx, path, &st) == 0;
}

static inline uint64_t bed_size(struct bed *b, const char *path)
{
    cubby_vfs_stat st = {0};
    MUST(b->vfs->stat(b->vfs->ctx, path, &st));
    return st.size;
}

static inline void bed_write(struct bed *b, const char *path, uint64_t off, const void *p, size_t n)
{
    file_write(b->vfs, path, off, p, n);
}

static inline void bed_read(struct bed *b, const char *path, uint64_t off, void *p, size_t n)
{
    file_read(b->vfs, path, off, p, n);
}

static inline void bed_truncate(struct bed *b, const char *path, uint64_t size)
{
    file_truncate(b->vfs, path, size);
}

static inline void bed_flip(struct bed *b, const char *path, uint64_t off, uint8_t mask)
{
    file_flip(b->vfs, path, off, mask);
}

static inline void bed_unlink(struct bed *b, const char *path)
{
    MUST(b->vfs->unlink(b->vfs->ctx, path));
}

static inline const char *seg_path(uint32_t n)
{
    static char path[2][64];
    static int i;
    i = !i;
    snprintf(path[i], sizeof path[i], "/s/segments/%08u.seg", n);
    return path[i];
}

/* The highest segment, all from 1 on being there. */
static inline uint32_t bed_last_segment(struct bed *b)
{
    uint32_t n = 1;
    while (bed_exists(b, seg_path(n + 1)))
        n++;
    return n;
}

struct bed_copying {
    struct bed *from, *to;
    const char *dir;
};

static inline void bed_copy_file(struct bed *from, struct bed *to, const char *path)
{
    uint64_t size = bed_size(from, path);
    uint8_t *p = cubby__malloc((size_t)size + 1);
    if (size)
        bed_read(from, path, 0, p, (size_t)size);
    to->vfs->unlink(to->vfs->ctx, path);
    bed_write(to, path, 0, p, (size_t)size);
    cubby__free(p);
}

static inline int bed_copy_one(void *arg, const char *name)
{
    struct bed_copying *c = arg;
    char path[256];
    cubby_vfs_stat st;
    struct bed *b = c->to;
    snprintf(path, sizeof path, "%s/%s", c->dir, name);
    MUST(c->from->vfs->stat(c->from->vfs->ctx, path, &st));
    if (!st.is_dir) {
        bed_copy_file(c->from, c->to, path);
        return 0;
    }
    struct bed_copying deeper = {c->from, c->to, path};
    MUST(b->vfs->mkdir(b->vfs->ctx, path));
    return c->from->vfs->list(c->from->vfs->ctx, path, bed_copy_one, &deeper);
}

/* The files as they are now, as a process that dies now would leave them; opened by nobody. */
static inline void bed_copy(struct bed *from, struct bed *to)
{
    struct bed_copying c = {from, to, "/s"};
    struct bed *b = to;
    bed_init(to);
    to->o.segment_bytes = from->o.segment_bytes;
    to->o.checkpoint_bytes = from->o.checkpoint_bytes;
    MUST(to->vfs->mkdir(to->vfs->ctx, "/s"));
    MUST(from->vfs->list(from->vfs->ctx, "/s", bed_copy_one, &c));
}

/* ---- checking ---- */

struct findings {
    int n, notes;
    char codes[1024]; /* each with a space behind it */
};

static inline int on_finding(void *arg, const cubby_finding *f)
{
    struct findings *x = arg;
    size_t n = strlen(x->codes);
    x->n += f->severity != CUBBY_NOTE;
    x->notes += f->severity == CUBBY_NOTE;
    ck_assert_str_ne(f->detail, "");
    snprintf(x->codes + n, sizeof x->codes - n, "%s ", f->code);
    return 0;
}

static inline struct findings bed_check(struct bed *b)
{
    struct findings x = {0};
    cubby_check_result r = {0};
    struct cubby__store *s;
    cubby_options o = b->o;
    o.flags = CUBBY_READ_ONLY;
    MUST(cubby__store_open("/s", &o, &kv_handlers, &s, &b->err));
    MUST(cubby__store_check(s, NULL, on_finding, &x, &r, &b->err));
    MUST(cubby__store_close(&s, &b->err));
    ck_assert_uint_eq(r.findings, (uint64_t)x.n);
    return x;
}

static inline void bed_clean(struct bed *b)
{
    struct findings x = bed_check(b);
    ck_assert_msg(x.n == 0, "the check finds %s", x.codes);
}

/* The live tree is what the segments alone give. */
static inline void bed_rebuild_is_equal(struct bed *b)
{
    struct cubby__store *fresh;
    cubby_options o = b->o;
    o.flags = CUBBY_READ_ONLY | CUBBY_REBUILD;
    MUST(cubby__store_open("/s", &o, &kv_handlers, &fresh, &b->err));
    same_rows(kv_dump(b), kv_dump_of(fresh));
    MUST(cubby__store_close(&fresh, &b->err));
}

#endif
