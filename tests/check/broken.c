/* broken.c - the sound store, its files, and how what is left of it is judged. */
#include "check/broken.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "log/frame.h"
#include "log/header.h"
#include "log/segname.h"

void must(int rc, const char *what, const char *file, int line)
{
    if (rc >= 0)
        return;
    printf("not ok - %s:%d: %s: %s\n", file, line, what, cubby_strerror(rc));
    fflush(stdout);
    abort();
}

/* ---- making ---- */

cubby_options bed_options(struct bed *b)
{
    cubby_options o = CUBBY_OPTIONS_INIT;
    o.vfs = sim_vfs(b->disk);
    o.segment_bytes = 12000;
    o.checkpoint_bytes = 6000;
    o.lock_timeout_ms = 200;
    return o;
}

cubby_store *bed_open(struct bed *b)
{
    cubby_options o = bed_options(b);
    cubby_store *s = NULL;
    cubby_error err;
    int rc = cubby_open(STORE, &o, &s, &err);
    if (rc)
        printf("# %s: %s\n", err.path, err.message);
    MUST(rc);
    return s;
}

static uint64_t folder_id(cubby_snapshot *snap, const char *name)
{
    cubby_folder f;
    int rc = cubby_folder_find(snap, CUBBY_ROOT, name, strlen(name), &f);
    MUST(rc);
    return rc ? 0 : f.id;
}

static uint64_t need_folder(cubby_txn *txn, const char *name)
{
    uint64_t id = folder_id(cubby_txn_snapshot(txn), name);
    if (!id)
        MUST(cubby_folder_create(txn, CUBBY_ROOT, name, strlen(name), &id));
    return id;
}

uint32_t bed_append(struct bed *b, cubby_store *s, const char *folder, size_t size)
{
    struct mail *m = &b->mail[b->count];
    cubby_message *msg;
    cubby_txn *txn;
    if (b->count == MAIL_MAX)
        abort();
    memset(m, 0, sizeof *m);
    snprintf(m->folder, sizeof m->folder, "%s", folder);
    m->p = malloc(size + 400);
    m->n = (size_t)sprintf((char *)m->p, "From: someone%d@example.org\nReceived: by host%d.example.org\nSubject: number %d\nX-Other: %d\n\n", b->count, b->count,
                           b->count, b->count * 7);
    uint64_t x = (uint64_t)b->count * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < size; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        m->p[m->n++] = i % 60 == 59 ? '\n' : (uint8_t)(' ' + 1 + x % 90);
    }
    MUST(cubby_message_new(s, &msg));
    MUST(cubby_message_write(msg, m->p, m->n));
    MUST(cubby_message_finish(msg));
    MUST(cubby_txn_begin(s, 0, &txn));
    MUST(cubby_add(txn, need_folder(txn, folder), msg, NULL, &m->uid));
    MUST(cubby_txn_commit(&txn, NULL));
    cubby_message_free(&msg);
    b->count++;
    return m->uid;
}

static void flag(cubby_store *s, const char *folder, uint32_t uid, const char *keyword)
{
    cubby_uidset *set;
    cubby_txn *txn;
    MUST(cubby_uidset_new(&set));
    MUST(cubby_uidset_add(set, uid, uid));
    MUST(cubby_txn_begin(s, 0, &txn));
    MUST(cubby_flag(txn, need_folder(txn, folder), set, CUBBY_FLAGS_ADD, CUBBY_SEEN, &keyword, keyword ? 1 : 0, NULL));
    MUST(cubby_txn_commit(&txn, NULL));
    cubby_uidset_free(&set);
}

static void expunge(struct bed *b, cubby_store *s, const char *folder, uint32_t uid)
{
    cubby_uidset *set;
    cubby_txn *txn;
    MUST(cubby_uidset_new(&set));
    MUST(cubby_uidset_add(set, uid, uid));
    MUST(cubby_txn_begin(s, 0, &txn));
    MUST(cubby_expunge(txn, need_folder(txn, folder), set, 0, NULL));
    MUST(cubby_txn_commit(&txn, NULL));
    cubby_uidset_free(&set);
    for (int i = 0; i < b->count; i++)
        if (strcmp(b->mail[i].folder, folder) == 0 && b->mail[i].uid == uid)
            b->mail[i].gone = 1;
}

/* Several segments; the last one has a bit of everything, for what it defines no header repeats. */
void bed_make(struct bed *b)
{
    memset(b, 0, sizeof *b);
    b->disk = sim_new(7);
    cubby_options o = bed_options(b);
    MUST(cubby_create(STORE, &o, NULL));
    cubby_store *s = bed_open(b);
    static const char *const folders[] = {"INBOX", "Work", "Lists"};
    for (int i = 0; i < 60; i++) {
        bed_append(b, s, folders[i % 3], i % 10 == 3 ? 3000 : 300 + (size_t)i);
        if (i % 7 == 6)
            flag(s, "INBOX", 1 + (uint32_t)i / 10, i % 14 == 6 ? "$Forwarded" : NULL);
        if (i % 20 == 19)
            expunge(b, s, "Work", 1 + (uint32_t)i / 20);
        if (i == 30)
            client_read(&b->clients[0], s);
    }
    MUST(cubby_close(&s));
    s = bed_open(b); /* a new process, in whose last segment ... */
    for (uint32_t n = bed_segments(b); bed_segments(b) == n;)
        bed_append(b, s, "INBOX", 900);
    bed_append(b, s, "Late", 500); /* ... a folder is made */
    bed_append(b, s, "Late", 400);
    flag(s, "INBOX", 2, "Late");
    expunge(b, s, "Lists", 2);
    cubby_txn *txn;
    uint64_t id;
    MUST(cubby_txn_begin(s, 0, &txn));
    MUST(cubby_folder_create(txn, CUBBY_ROOT, "Name", 4, &id));
    MUST(cubby_txn_commit(&txn, NULL));
    MUST(cubby_txn_begin(s, 0, &txn));
    MUST(cubby_folder_rename(txn, id, CUBBY_ROOT, "Other", 5));
    MUST(cubby_txn_commit(&txn, NULL));
    bed_append(b, s, "Name", 300);
    bed_append(b, s, "INBOX", 300);
    client_read(&b->clients[1], s);
    MUST(cubby_close(&s));
}

void bed_copy(const struct bed *from, struct bed *to)
{
    *to = *from;
    to->keep_mail = 1;
    to->disk = sim_copy(from->disk);
}

void bed_free(struct bed *b)
{
    sim_free(&b->disk);
    for (int i = 0; !b->keep_mail && i < b->count; i++)
        free(b->mail[i].p);
}

/* ---- files ---- */

static cubby_file *open_file(struct bed *b, const char *path, unsigned flags)
{
    const cubby_vfs *v = sim_vfs(b->disk);
    cubby_file *f;
    return v->open(v->ctx, path, flags, &f) ? NULL : f;
}

uint8_t *bed_read(struct bed *b, const char *path, size_t *n)
{
    const cubby_vfs *v = sim_vfs(b->disk);
    cubby_file *f = open_file(b, path, CUBBY_OPEN_READ);
    cubby_vfs_stat st;
    *n = 0;
    if (!f)
        return NULL;
    MUST(v->fstat(v->ctx, f, &st));
    uint8_t *p = malloc(st.size + 1);
    *n = (size_t)v->pread(v->ctx, f, p, st.size, 0);
    v->close(v->ctx, f);
    return p;
}

void bed_write(struct bed *b, const char *path, uint64_t off, const void *p, size_t n)
{
    const cubby_vfs *v = sim_vfs(b->disk);
    cubby_file *f = open_file(b, path, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE);
    MUST(f ? v->pwrite(v->ctx, f, p, n, off) : -1);
    MUST(v->sync(v->ctx, f));
    v->close(v->ctx, f);
}

void bed_flip(struct bed *b, const char *path, uint64_t off)
{
    size_t n;
    uint8_t *p = bed_read(b, path, &n);
    uint8_t x = p && off < n ? (uint8_t)(p[off] ^ 0x10) : 0x10;
    bed_write(b, path, off, &x, 1);
    free(p);
}

void bed_zero(struct bed *b, const char *path, uint64_t off, size_t n)
{
    uint8_t *zeros = calloc(1, n + 1);
    bed_write(b, path, off, zeros, n);
    free(zeros);
}

void bed_truncate(struct bed *b, const char *path, uint64_t size)
{
    const cubby_vfs *v = sim_vfs(b->disk);
    cubby_file *f = open_file(b, path, CUBBY_OPEN_WRITE);
    MUST(f ? v->truncate(v->ctx, f, size) : -1);
    MUST(v->sync(v->ctx, f));
    v->close(v->ctx, f);
}

void bed_unlink(struct bed *b, const char *path)
{
    const cubby_vfs *v = sim_vfs(b->disk);
    MUST(v->unlink(v->ctx, path));
}

const char *seg_path(uint32_t number)
{
    static char path[64];
    snprintf(path, sizeof path, STORE "/segments/%08u.seg", number);
    return path;
}

static int is_there(struct bed *b, uint32_t seg)
{
    const cubby_vfs *v = sim_vfs(b->disk);
    cubby_vfs_stat st;
    return v->stat(v->ctx, seg_path(seg), &st) == 0;
}

/* One may be missing before the last, whose name was given when it had gone. */
uint32_t bed_segments(struct bed *b)
{
    uint32_t n = 0;
    while (is_there(b, n + 1) || (n && is_there(b, n + 2)))
        n++;
    return n;
}

/* ---- frames ---- */

/* Calls fn for every frame of a segment. */
static void each_frame(struct bed *b, uint32_t seg, void (*fn)(void *arg, const struct spot *s), void *arg)
{
    const cubby_vfs *v = sim_vfs(b->disk);
    struct cubby__seg_header h;
    struct cubby__frame f;
    if (!is_there(b, seg))
        return;
    cubby_file *file = open_file(b, seg_path(seg), CUBBY_OPEN_READ);
    MUST(file ? cubby__seg_header_read(v, file, seg_path(seg), &h, NULL) : -1);
    v->close(v->ctx, file);
    size_t n;
    uint8_t *p = bed_read(b, seg_path(seg), &n);
    struct cubby__seed seed = {h.ident.salt, h.nonce};
    for (uint64_t off = h.frames; off < n && cubby__frame_decode(p + off, n - (size_t)off, &seed, off, &f) == 0; off += cubby__frame_size(f.type, f.len)) {
        struct spot s = {seg, off, f.commit, f.len, f.type, f.piece.kind, h.frames};
        fn(arg, &s);
    }
    free(p);
    cubby__seg_header_release(&h);
}

struct search {
    uint8_t type;
    int want, seen;
    struct spot found;
};

static void look(void *arg, const struct spot *s)
{
    struct search *x = arg;
    if (s->type == x->type && (x->want < 0 || x->seen < x->want)) {
        x->seen++;
        x->found = *s;
    }
}

struct spot bed_frame(struct bed *b, uint8_t type, int nth)
{
    struct search all = {.type = type, .want = -1};
    for (uint32_t seg = 1; seg <= bed_segments(b); seg++)
        each_frame(b, seg, look, &all);
    int want = nth > 0 ? nth : all.seen + 1 + nth;
    struct search one = {.type = type, .want = want};
    for (uint32_t seg = 1; seg <= bed_segments(b); seg++)
        each_frame(b, seg, look, &one);
    if (want < 1 || one.seen != want) {
        printf("not ok - no frame %d of type %u\n", nth, type);
        abort();
    }
    return one.found;
}

void bed_hurt_payload(struct bed *b, const struct spot *s)
{
    bed_flip(b, seg_path(s->seg), s->off + cubby__frame_header_size(s->type) + s->len / 2);
}

void bed_hurt_header(struct bed *b, const struct spot *s)
{
    bed_flip(b, seg_path(s->seg), s->off + 9);
}

/* ---- judging ---- */

int bed_finding(void *arg, const cubby_finding *f)
{
    struct findings *x = arg;
    size_t n = strlen(x->codes);
    if (f->severity == CUBBY_NOTE)
        x->notes++;
    else
        x->count++;
    if (n + strlen(f->code) + 3 < sizeof x->codes)
        snprintf(x->codes + n, sizeof x->codes - n, "%s%s ", n ? "" : " ", f->code);
    if (getenv("CHECK_VERBOSE"))
        printf("# %s %s@%lld: %s\n", f->code, f->file ? f->file : "", (long long)f->offset, f->detail);
    return 0;
}

int has_code(const struct findings *f, const char *code)
{
    char word[64];
    snprintf(word, sizeof word, " %s ", code);
    return strstr(f->codes, word) != NULL;
}

struct findings bed_check(struct bed *b, unsigned flags, int *rc)
{
    struct findings x = {0};
    cubby_options o = bed_options(b);
    cubby_error err = {0};
    *rc = cubby_check(STORE, &o, flags, bed_finding, &x, NULL, &err);
    if (*rc)
        printf("# check: %s: %s (%s)\n", err.path, err.message, cubby_strerror(*rc));
    return x;
}

static int same(cubby_snapshot *snap, uint64_t folder, const struct mail *m, char why[200])
{
    uint8_t *p = malloc(m->n + 1);
    cubby_reader *r;
    size_t got = 0;
    int rc = cubby_reader_open(snap, folder, m->uid, &r), ok = 0;
    if (rc == 0) {
        rc = cubby_reader_read(r, 0, p, m->n + 1, &got);
        ok = rc == 0 && got == m->n && memcmp(p, m->p, m->n) == 0;
        if (rc == 0 && !ok)
            snprintf(why, 200, "%s/%u: other bytes than it had", m->folder, m->uid);
        cubby_reader_close(&r);
    }
    free(p);
    return ok;
}

static void mix(uint64_t *h, const void *p, size_t n)
{
    const uint8_t *b = p;
    for (size_t i = 0; i < n; i++)
        *h = (*h ^ b[i]) * 0x100000001b3u;
}

static void mix_row(uint64_t *h, cubby_snapshot *snap, const cubby_row *row)
{
    mix(h, &row->uid, sizeof row->uid);
    mix(h, &row->flags, sizeof row->flags);
    for (size_t i = 0; i < row->keyword_count; i++) {
        const char *name = "";
        MUST(cubby_keyword_name(snap, row->keywords[i], &name));
        mix(h, name, strlen(name));
    }
}

uint32_t bed_uidvalidity(struct bed *b, const char *folder)
{
    cubby_store *s = bed_open(b);
    cubby_snapshot *snap;
    cubby_folder f = {0};
    MUST(cubby_snapshot_begin(s, &snap));
    MUST(cubby_folder_find(snap, CUBBY_ROOT, folder, strlen(folder), &f));
    cubby_snapshot_end(&snap);
    MUST(cubby_close(&s));
    return f.uidvalidity;
}

uint64_t bed_state(struct bed *b)
{
    cubby_store *s = bed_open(b);
    cubby_snapshot *snap;
    cubby_folder f;
    char after[300] = "";
    uint64_t h = 0xcbf29ce484222325u;
    MUST(cubby_snapshot_begin(s, &snap));
    while (cubby_folder_next(snap, CUBBY_ROOT, after, strlen(after), &f) == 0) {
        cubby_scan *scan;
        const cubby_row *row;
        snprintf(after, sizeof after, "%s", f.name);
        if (strcmp(after, "lost+found") == 0)
            continue;
        mix(&h, after, strlen(after));
        mix(&h, &f.uidvalidity, sizeof f.uidvalidity);
        MUST(cubby_scan_open(snap, f.id, NULL, &scan));
        while (cubby_scan_next(scan, &row) == 0)
            mix_row(&h, snap, row);
        cubby_scan_close(&scan);
    }
    cubby_snapshot_end(&snap);
    MUST(cubby_close(&s));
    return h;
}

int bed_compare(struct bed *b, char why[200])
{
    cubby_store *s = bed_open(b);
    cubby_snapshot *snap;
    int same_ones = 0;
    MUST(cubby_snapshot_begin(s, &snap));
    for (int i = 0; i < b->count; i++) {
        uint64_t id = folder_id(snap, b->mail[i].folder);
        if (id && !b->mail[i].gone)
            same_ones += same(snap, id, &b->mail[i], why);
    }
    cubby_snapshot_end(&snap);
    MUST(cubby_close(&s));
    return same_ones;
}
