/* test_corrupt.c - a small store, damaged in every way that one change of a file can: a bit flipped, a tail cut off, a file gone, swapped or old.
 *
 * What must hold each time: nothing crashes or hangs; whatever message is served is the one that came in, to the byte; what is not served is an
 * error; and when anything is missing or different, the check finds something. A flip that nothing finds lies in bytes that hold nothing.
 *
 * usage: test_corrupt [-k STEP]   (every STEP-th byte is flipped; 0, the default: as many as take a few seconds) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "cubby.h"
#include "log/frame.h"
#include "os/vfs_mem.h"
#include "tree/tree.h"

#define STORE "/s"

enum { FILES = 12, MESSAGES = 40 };

/* ---- a store as bytes ---- */

struct file {
    char name[40]; /* below the store */
    uint8_t *p;
    size_t n;
};

struct image {
    struct file f[FILES];
    int count;
};

static void *need(void *p)
{
    if (!p)
        abort();
    return p;
}

static void bad(const char *what, int rc)
{
    printf("not ok - crash/corrupt: %s: %d\n", what, rc);
    exit(1);
}

static void must(int rc, const char *what)
{
    if (rc != 0)
        bad(what, rc);
}

static void load(const cubby_vfs *v, struct image *im, const char *name)
{
    char path[80];
    cubby_file *f;
    cubby_vfs_stat st;
    snprintf(path, sizeof path, STORE "/%s", name);
    if (v->open(v->ctx, path, CUBBY_OPEN_READ, &f) != 0)
        return;
    must(v->fstat(v->ctx, f, &st), "fstat");
    struct file *to = &im->f[im->count++];
    snprintf(to->name, sizeof to->name, "%s", name);
    to->n = (size_t)st.size;
    to->p = need(malloc(to->n + 1));
    if (v->pread(v->ctx, f, to->p, to->n, 0) != (int64_t)to->n)
        bad("reading a file back", 0);
    v->close(v->ctx, f);
}

static struct image take(const cubby_vfs *v)
{
    struct image im = {.count = 0};
    char name[40];
    load(v, &im, "cubby.id");
    load(v, &im, "index");
    for (int i = 1; i < 9; i++) {
        snprintf(name, sizeof name, "segments/%08d.seg", i);
        load(v, &im, name);
    }
    return im;
}

static struct file *find(struct image *im, const char *name)
{
    for (int i = 0; i < im->count; i++)
        if (strcmp(im->f[i].name, name) == 0)
            return &im->f[i];
    return NULL;
}

static void drop(struct image *im)
{
    for (int i = 0; i < im->count; i++)
        free(im->f[i].p);
    im->count = 0;
}

static void put_file(const cubby_vfs *v, const struct file *f)
{
    char path[80];
    cubby_file *to;
    snprintf(path, sizeof path, STORE "/%s", f->name);
    must(v->open(v->ctx, path, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &to), "making a file");
    must(v->pwrite(v->ctx, to, f->p, f->n, 0), "writing a file");
    v->close(v->ctx, to);
}

/* The image on a disk of its own; without: a file to leave out. */
static struct cubby__memfs *disk(const struct image *im, const char *without)
{
    struct cubby__memfs *fs = need(cubby__memfs_new());
    const cubby_vfs *v = cubby__memfs_vfs(fs);
    cubby__memfs_deterministic(fs, 99);
    must(v->mkdir(v->ctx, STORE), "mkdir");
    must(v->mkdir(v->ctx, STORE "/segments"), "mkdir");
    must(v->mkdir(v->ctx, STORE "/tmp"), "mkdir");
    for (int i = 0; i < im->count; i++)
        if (!without || strcmp(im->f[i].name, without) != 0)
            put_file(v, &im->f[i]);
    return fs;
}

/* ---- what is in it ---- */

struct message {
    uint64_t folder;
    uint32_t uid, flags;
    uint8_t *p;
    size_t n;
    char keywords[32];
};

struct content {
    struct message m[MESSAGES];
    int count;
    uint64_t folders; /* a hash over what the folders say */
    int unreadable;   /* messages that are errors */
    int errors;       /* anything else that fails */
};

static void forget(struct content *c)
{
    for (int i = 0; i < c->count; i++)
        free(c->m[i].p);
    memset(c, 0, sizeof *c);
}

/* A read that fails is an error of the store; anything but these is a bug. */
static void allowed(int rc, const char *what)
{
    if (rc != CUBBY_ECORRUPT && rc != CUBBY_ENOENT)
        bad(what, rc);
}

static void read_message(cubby_snapshot *snap, uint64_t folder, const cubby_row *row, struct content *c)
{
    if (c->count == MESSAGES)
        bad("more messages than there ever were", 0);
    struct message *m = &c->m[c->count++];
    cubby_reader *r = NULL;
    size_t got = 0;
    memset(m, 0, sizeof *m);
    m->folder = folder;
    m->uid = row->uid;
    m->flags = row->flags;
    for (size_t i = 0, n = 0; i < row->keyword_count; i++)
        n += (size_t)snprintf(m->keywords + n, sizeof m->keywords - n, "%u ", row->keywords[i]);
    int rc = cubby_reader_open(snap, folder, row->uid, &r);
    if (rc == 0) {
        m->n = (size_t)cubby_reader_size(r);
        if (m->n > 1 << 20)
            bad("a message of a size that none had", 0);
        m->p = need(malloc(m->n + 1));
        rc = cubby_reader_read(r, 0, m->p, m->n, &got);
        if (rc == 0 && got != m->n)
            bad("a short read without an error", (int)got);
    }
    if (rc != 0) {
        allowed(rc, "reading a message");
        free(m->p);
        m->p = NULL;
        c->unreadable++;
    }
    cubby_reader_close(&r);
}

static void read_folder(cubby_snapshot *snap, const cubby_folder *f, struct content *c)
{
    cubby_scan_options o = CUBBY_SCAN_INIT;
    cubby_scan *scan = NULL;
    const cubby_row *row;
    char line[400];
    int n = snprintf(line, sizeof line, "%llu %llu %.*s %u %llu %llu", (unsigned long long)f->id, (unsigned long long)f->parent, (int)f->name_len, f->name,
                     f->uidvalidity, (unsigned long long)f->messages, (unsigned long long)f->unseen);
    c->folders = cubby__hash64(line, (size_t)n, c->folders);
    o.want = CUBBY_WANT_OBJECT | CUBBY_WANT_LIST | CUBBY_WANT_HEADER | CUBBY_WANT_PARTS;
    int rc = cubby_scan_open(snap, f->id, &o, &scan);
    while (rc == 0 && (rc = cubby_scan_next(scan, &row)) == 0)
        read_message(snap, f->id, row, c);
    cubby_scan_close(&scan);
    if (rc != CUBBY_DONE) {
        allowed(rc, "scanning a folder");
        c->errors++;
    }
    cubby_changes *ch = NULL;
    cubby_change change;
    rc = cubby_changes_open(snap, f->id, 0, &ch);
    while (rc == 0)
        rc = cubby_changes_next(ch, &change);
    cubby_changes_close(&ch);
    if (rc != CUBBY_DONE) {
        allowed(rc, "listing changes");
        c->errors++;
    }
}

static void read_all(cubby_store *s, struct content *c)
{
    cubby_snapshot *snap;
    cubby_folder f;
    char name[256] = "";
    size_t len = 0;
    int rc = cubby_snapshot_begin(s, &snap), folders = 0;
    if (rc != 0)
        bad("beginning a snapshot", rc);
    while ((rc = cubby_folder_next(snap, CUBBY_ROOT, name, len, &f)) == 0) {
        if (++folders > 20)
            bad("folders without end", folders);
        memcpy(name, f.name, len = f.name_len);
        read_folder(snap, &f, c);
    }
    if (rc != CUBBY_DONE) {
        allowed(rc, "listing folders");
        c->errors++;
    }
    cubby_snapshot_end(&snap);
}

/* Messages that are not there, or not readable, or whose flags differ. Other bytes than those that came in are the end. */
static int differences(const struct content *want, const struct content *is, const char *what)
{
    int n = 0, met = 0;
    for (int i = 0; i < want->count; i++) {
        const struct message *a = &want->m[i], *b = NULL;
        for (int k = 0; k < is->count && !b; k++)
            if (is->m[k].folder == a->folder && is->m[k].uid == a->uid)
                b = &is->m[k];
        met += b != NULL;
        if (b && b->p && (b->n != a->n || memcmp(a->p, b->p, a->n) != 0)) {
            printf("not ok - crash/corrupt: %s: message %u of folder %llu is served with wrong bytes\n", what, a->uid, (unsigned long long)a->folder);
            exit(1);
        }
        n += !b || !b->p || a->flags != b->flags || strcmp(a->keywords, b->keywords) != 0;
    }
    n += is->count - met; /* ones that were expunged, or never there */
    return n + is->errors + (want->folders != is->folders);
}

/* ---- one damaged store ---- */

struct verdict {
    int opened, check_rc, findings, notes, notices, differ;
    char codes[200], message[300];
};

static int on_finding(void *arg, const cubby_finding *f)
{
    struct verdict *v = arg;
    size_t n = strlen(v->codes);
    v->findings += f->severity != CUBBY_NOTE;
    v->notes += f->severity == CUBBY_NOTE;
    snprintf(v->codes + n, sizeof v->codes - n, "%s@%llx ", f->code, (unsigned long long)f->offset);
    return 0;
}

static void on_notice(void *arg, const char *line)
{
    (void)line;
    ((struct verdict *)arg)->notices++;
}

static void check(const cubby_vfs *vfs, struct verdict *v)
{
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_check_result r = {0};
    cubby_error e = {0};
    o.vfs = vfs;
    v->check_rc = cubby_check(STORE, &o, CUBBY_CHECK_FULL, on_finding, v, &r, &e);
    if (v->check_rc != 0 && (e.code != v->check_rc || !*e.message))
        bad("the check fails and does not say why", v->check_rc);
}

static void open_and_read(const cubby_vfs *vfs, unsigned flags, const struct content *want, struct verdict *v, const char *what)
{
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_store *s = NULL;
    cubby_error e = {0};
    struct content is = {.count = 0};
    o.vfs = vfs;
    o.flags = flags;
    o.segment_bytes = 8192;
    o.notice = on_notice;
    o.notice_arg = v;
    int rc = cubby_open(STORE, &o, &s, &e);
    v->opened = rc == 0;
    if (rc != 0) {
        if (e.code != rc || !*e.message)
            bad("an open fails and does not say why", rc);
        snprintf(v->message, sizeof v->message, "%d %s", rc, e.message);
        return;
    }
    read_all(s, &is);
    v->differ = differences(want, &is, what);
    cubby_close(&s);
    forget(&is);
}

/* Checks, reads without writing, reads as a writer, reads once more. */
static struct verdict judge(const struct image *im, const char *without, const struct content *want, const char *what)
{
    struct cubby__memfs *fs = disk(im, without);
    const cubby_vfs *vfs = cubby__memfs_vfs(fs);
    struct verdict v = {0}, ro = {0}, rw = {0}, again = {0};
    check(vfs, &v);
    open_and_read(vfs, CUBBY_READ_ONLY, want, &ro, what);
    open_and_read(vfs, 0, want, &rw, what);
    open_and_read(vfs, 0, want, &again, what);
    v.opened = ro.opened && rw.opened && again.opened;
    v.differ = ro.differ + rw.differ + again.differ;
    v.notices = rw.notices;
    snprintf(v.message, sizeof v.message, "%s", rw.message);
    if ((v.differ || !rw.opened) && !v.findings && v.check_rc == 0) {
        printf("not ok - crash/corrupt: %s: %d differences (%d %d %d; opened %d %d), and the check finds nothing (%s)\n", what, v.differ, ro.differ, rw.differ,
               again.differ, rw.opened, again.opened, v.codes);
        exit(1);
    }
    cubby__memfs_free(&fs);
    return v;
}

/* ---- the store ---- */

static size_t letter(char *b, int i, size_t body)
{
    size_t n = (size_t)sprintf(b, "Received: from there by here\r\nFrom: a%d@example.org\r\nTo: b@example.org\r\nSubject: number %d\r\n"
                                  "Message-ID: <%d@example.org>\r\nDate: Mon, 1 Jan 2024 00:00:0%d +0000\r\nX-Other: something\r\n\r\n",
                               i, i, i, i % 10);
    uint32_t x = (uint32_t)i + 1;
    for (size_t k = 0; k < body; k++)
        b[n + k] = k % 64 == 63 ? '\n' : (char)('!' + ((x = x * 1103515245 + 12345) >> 16) % 90);
    return n + body;
}

static void append(cubby_store *s, const char *folder, int i, size_t body)
{
    static char b[40000];
    cubby_message *m;
    cubby_txn *t;
    cubby_folder f;
    uint32_t uid;
    const char *keyword = "$Label1";
    cubby_add_options o = CUBBY_ADD_INIT;
    o.flags = (uint32_t)i % 3 ? CUBBY_SEEN : CUBBY_FLAGGED;
    o.keywords = &keyword;
    o.keyword_count = i % 4 == 0;
    o.has_date = 1;
    o.internaldate = 1700000000 + i;
    size_t n = letter(b, i, body);
    must(cubby_message_new(s, &m), "message");
    must(cubby_message_write(m, b, n), "message");
    must(cubby_message_finish(m), "message");
    must(cubby_txn_begin(s, 0, &t), "begin");
    must(cubby_folder_find(cubby_txn_snapshot(t), CUBBY_ROOT, folder, strlen(folder), &f), "folder");
    must(cubby_add(t, f.id, m, &o, &uid), "add");
    must(cubby_txn_commit(&t, NULL), "commit");
    cubby_message_free(&m);
}

static void change(cubby_store *s, const char *uids, int expunge, uint64_t copy_to)
{
    cubby_txn *t;
    cubby_uidset *set;
    must(cubby_uidset_parse(uids, 1000, &set), "uids");
    must(cubby_txn_begin(s, 0, &t), "begin");
    if (expunge)
        must(cubby_expunge(t, 1, set, 0, NULL), "expunge");
    else if (copy_to)
        must(cubby_copy(t, 1, set, copy_to, NULL, NULL), "copy");
    else
        must(cubby_flag(t, 1, set, CUBBY_FLAGS_ADD, CUBBY_ANSWERED, NULL, 0, NULL), "flag");
    must(cubby_txn_commit(&t, NULL), "commit");
    cubby_uidset_free(&set);
}

/* *now: the finished store; *early: at an earlier checkpoint; *sealed: *now with a checkpoint behind its last commit; *want: its content. */
static void make(uint64_t seed, struct image *now, struct image *early, struct image *sealed, struct content *want)
{
    struct cubby__memfs *fs = need(cubby__memfs_new());
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_store *s;
    cubby_txn *t;
    uint64_t archive;
    cubby__memfs_deterministic(fs, seed);
    o.vfs = cubby__memfs_vfs(fs);
    o.segment_bytes = 8192;
    must(cubby_create(STORE, &o, NULL), "create");
    must(cubby_open(STORE, &o, &s, NULL), "open");
    for (int i = 0; i < 8; i++)
        append(s, "INBOX", i, (size_t)(100 + i * 90));
    must(cubby_txn_begin(s, 0, &t), "begin");
    must(cubby_folder_create(t, CUBBY_ROOT, "Archive", 7, &archive), "folder");
    must(cubby_subscribe(t, "Archive\0", 8, 1), "subscribe");
    must(cubby_txn_commit(&t, NULL), "commit");
    append(s, "Archive", 8, 5000);
    append(s, "Archive", 9, 20);
    must(cubby_checkpoint(s), "checkpoint");
    *early = take(o.vfs);
    change(s, "1:4", 0, 0);
    change(s, "2:3", 1, 0);
    change(s, "5", 0, archive);
    append(s, "INBOX", 10, 300);
    must(cubby_checkpoint(s), "checkpoint");
    append(s, "INBOX", 11, 200);
    read_all(s, want);
    must(cubby_close(&s), "close");
    *now = take(o.vfs);
    must(cubby_open(STORE, &o, &s, NULL), "open");
    must(cubby_checkpoint(s), "checkpoint");
    must(cubby_close(&s), "close");
    *sealed = take(o.vfs);
    cubby__memfs_free(&fs);
}

/* ---- which bytes hold something ---- */

/* A frame's header and payload, not its padding; the headers of a segment. */
static uint8_t *used_of_segment(const struct file *f, uint64_t salt)
{
    uint8_t *used = need(calloc(1, f->n));
    size_t frames = 2 * (size_t)cubby__get32(f->p + CUBBY__SEG_HEADER_LEN_OFF);
    struct cubby__seed seed = {salt, cubby__get64(f->p + CUBBY__SEG_NONCE_OFF)};
    struct cubby__frame frame;
    memset(used, 1, frames);
    for (size_t off = frames; off < f->n && cubby__frame_decode(f->p + off, f->n - off, &seed, off, &frame) == 0;
         off += (size_t)cubby__frame_size(frame.type, frame.len))
        memset(used + off, frame.type == CUBBY__REC_PROOF ? 2 : 1, cubby__frame_header_size(frame.type) + frame.len); /* without a PROOF nothing is lost */
    return used;
}

struct pages {
    uint8_t *used;
};

static int on_page(void *arg, uint64_t page, uint32_t level, const char *problem)
{
    struct pages *p = arg;
    (void)level;
    if (problem)
        bad("the index is not sound to begin with", (int)page);
    memset(p->used + page * CUBBY__PAGE_SIZE, 1, CUBBY__PAGE_SIZE);
    return 0;
}

/* The newer meta slot and every page that it reaches. */
static uint8_t *used_of_index(const struct image *im, const struct file *f, const uint8_t *id)
{
    struct pages p = {need(calloc(1, f->n))};
    struct cubby__memfs *fs = disk(im, NULL);
    struct cubby__pager_config c = {.vfs = cubby__memfs_vfs(fs), .path = STORE "/index", .salt = cubby__get64(id + CUBBY__ID_SALT_OFF), .cache_bytes = 1 << 20};
    struct cubby__pager *pager;
    struct cubby__meta meta;
    memcpy(c.uuid, id + CUBBY__ID_UUID_OFF, 16);
    must(cubby__pager_open(&c, &pager, NULL), "opening the index");
    must(cubby__meta_read(pager, &meta, NULL), "reading its meta slots");
    memset(p.used + meta.seq % 2 * CUBBY__PAGE_SIZE, 2, CUBBY__META_SIZE); /* the other slot steps in: that is only noted */
    must(cubby__tree_check(pager, &meta.root, on_page, &p, NULL), "walking the index");
    cubby__pager_close(&pager);
    cubby__memfs_free(&fs);
    return p.used;
}

static uint8_t *used_of_id(const struct file *f)
{
    uint8_t *used = need(calloc(1, f->n));
    for (size_t i = 0; i < CUBBY__ID_COPIES; i++)
        memset(used + i * CUBBY__PAGE_SIZE, 1, CUBBY__ID_SIZE);
    return used;
}

/* ---- the tests ---- */

static struct image base, early, sealed, other;
static struct content base_content, other_content;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void flips(const char *without, size_t step)
{
    for (int i = 0; i < base.count; i++) {
        struct file *f = &base.f[i];
        if (without && strncmp(f->name, "segments", 8) != 0)
            continue;
        const uint8_t *id = find(&base, "cubby.id")->p;
        uint8_t *used = f->name[0] == 's' ? used_of_segment(f, cubby__get64(id + CUBBY__ID_SALT_OFF)) : f->name[0] == 'i' ? used_of_index(&base, f, id) : used_of_id(f);
        unsigned n = 0, found = 0, told = 0, refused = 0, quiet = 0, idle = 0;
        for (size_t off = (without ? step / 2 : 0); off < f->n; off += used[off] ? step : step * 7) {
            char what[100];
            snprintf(what, sizeof what, "bit %zu of byte %zu of %s flipped%s", off % 8, off, f->name, without ? ", no index" : "");
            f->p[off] ^= (uint8_t)(1 << off % 8);
            struct verdict v = judge(&base, without, &base_content, what);
            f->p[off] ^= (uint8_t)(1 << off % 8);
            n++;
            refused += !v.opened;
            found += v.findings > 0 || v.check_rc != 0;
            told += v.findings == 0 && v.check_rc == 0 && v.notes + v.notices > 0;
            if (v.findings + v.notes + v.notices == 0 && v.check_rc == 0) {
                quiet++;
                if (used[off]) {
                    printf("not ok - crash/corrupt: %s: nothing notices, though the byte is in use\n", what);
                    exit(1);
                }
            } else if (used[off] == 1 && v.findings == 0 && v.check_rc == 0 && !without) {
                printf("not ok - crash/corrupt: %s: a byte in use, and the check finds nothing (%s)\n", what, v.codes);
                exit(1);
            }
            idle += !used[off];
        }
        free(used);
        printf("ok - crash/corrupt: %s%s: %u flips, %u found by the check, %u only noted, %u not opened, %u unnoticed of %u in bytes that hold nothing\n",
               f->name, without ? " (no index)" : "", n, found, told, refused, quiet, idle);
    }
}

/* The end of the log is missed only if something vouches for it: the checkpoint of `sealed`. */
static void truncations(void)
{
    for (int i = 0; i < sealed.count; i++) {
        struct file *f = &sealed.f[i];
        size_t n = f->n, step = n / 120 + 1, tried = 0, found = 0, refused = 0;
        for (size_t size = 0; size < n; size += step, tried++) {
            char what[100];
            snprintf(what, sizeof what, "%s cut to %zu bytes", f->name, size);
            f->n = size;
            struct verdict v = judge(&sealed, NULL, &base_content, what);
            found += v.findings > 0 || v.check_rc != 0;
            refused += !v.opened;
        }
        f->n = n;
        printf("ok - crash/corrupt: %s cut off: %zu lengths, %zu found by the check, %zu not opened\n", f->name, tried, found, refused);
    }
}

static void garbage_at_the_end(void)
{
    for (int i = 0; i < base.count; i++) {
        struct file *f = &base.f[i];
        struct file keep = *f;
        f->p = need(malloc(f->n + 600));
        memcpy(f->p, keep.p, f->n);
        memset(f->p + f->n, 0xa7, 600);
        unsigned tried = 0;
        for (size_t more = 1; more <= 600; more += 37, tried++) {
            char what[100];
            snprintf(what, sizeof what, "%zu bytes more in %s", more, f->name);
            f->n = keep.n + more;
            struct verdict v = judge(&base, NULL, &base_content, what);
            if (!v.opened || v.differ)
                bad(what, v.differ);
        }
        free(f->p);
        *f = keep;
        printf("ok - crash/corrupt: garbage behind %s: %u lengths, nothing lost\n", f->name, tried);
    }
}

static void missing_files(void)
{
    for (int i = 0; i < sealed.count; i++) {
        char what[100], name[40];
        snprintf(name, sizeof name, "%s", sealed.f[i].name);
        snprintf(what, sizeof what, "%s missing", name);
        struct verdict v = judge(&sealed, name, &base_content, what);
        if (strcmp(name, "index") == 0 && (v.differ || !v.opened || v.findings))
            bad("a missing index is no loss", v.differ);
        if (name[0] == 's' && v.findings == 0)
            bad(what, 0);
        printf("ok - crash/corrupt: %s: %s%s%s\n", what, v.codes, v.opened ? "" : "not opened: ", v.message);
    }
}

/* The contents of a file of `im` under the name of one of the store's. */
static struct verdict replaced(const char *name, const struct file *by, const char *what)
{
    struct file *f = find(&base, name), keep = *f;
    f->p = by->p;
    f->n = by->n;
    struct verdict v = judge(&base, NULL, &base_content, what);
    *f = keep;
    printf("ok - crash/corrupt: %s: %s%s%s\n", what, v.codes, v.opened ? "" : "not opened: ", v.message);
    return v;
}

static void replacements(void)
{
    char a[40], b[40], what[120];
    for (int i = 1; find(&base, (snprintf(a, sizeof a, "segments/%08d.seg", i), a)); i++) {
        for (int k = 1; find(&base, (snprintf(b, sizeof b, "segments/%08d.seg", k), b)); k++) {
            if (i == k)
                continue;
            snprintf(what, sizeof what, "segment %d is a copy of segment %d", i, k);
            if (replaced(a, find(&base, b), what).findings == 0)
                bad(what, 0);
        }
        if (find(&other, a)) {
            snprintf(what, sizeof what, "segment %d is of another store", i);
            if (replaced(a, find(&other, a), what).findings == 0)
                bad(what, 0);
        }
        if (find(&early, a)) {
            snprintf(what, sizeof what, "segment %d is an older copy", i);
            replaced(a, find(&early, a), what);
        }
    }
    struct verdict v = replaced("index", find(&other, "index"), "the index is of another store");
    if (v.differ || !v.opened || !v.findings)
        bad("the index of another store", v.differ);
    v = replaced("index", find(&early, "index"), "the index is an older copy");
    if (v.differ || !v.opened)
        bad("an older copy of the index", v.differ);
    v = replaced("cubby.id", find(&other, "cubby.id"), "cubby.id is of another store");
    if (v.opened && !v.findings)
        bad("the identity of another store", v.differ);
}

/* ---- what else may stand where a store should be: on a real disk ---- */

static int opens_as(const char *path, unsigned flags)
{
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_error e = {0};
    cubby_store *s = NULL;
    o.flags = flags;
    int rc = cubby_open(path, &o, &s, &e);
    if (rc == 0)
        cubby_close(&s);
    else if (e.code != rc || !*e.message)
        bad("an open fails and does not say why", rc);
    cubby_check_result r;
    int rc2 = cubby_check(path, NULL, 0, NULL, NULL, &r, &e);
    if (rc2 != rc)
        bad("open and check do not agree", rc2);
    return rc;
}

static void expect(const char *path, unsigned flags, int want, const char *what)
{
    int rc = opens_as(path, flags);
    if (rc != want) {
        printf("not ok - crash/corrupt: %s: %d, not %d\n", what, rc, want);
        exit(1);
    }
    printf("ok - crash/corrupt: %s: %s\n", what, cubby_strerror(rc));
}

static void strange_places(void)
{
    const char *tmp = getenv("TEST_TMP");
    char dir[200], path[240], id[280];
    snprintf(dir, sizeof dir, "%s/corrupt.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir))
        bad("mkdtemp", 0);
    expect("", 0, CUBBY_EINVAL, "no path");
    snprintf(path, sizeof path, "%s/nothing", dir);
    expect(path, 0, CUBBY_ENOENT, "nothing there");
    expect(dir, 0, CUBBY_ENOTSTORE, "an empty directory");
    snprintf(path, sizeof path, "%s/fifo", dir);
    snprintf(id, sizeof id, "%s/cubby.id", path);
    if (mkdir(path, 0700) != 0 || mkfifo(id, 0600) != 0)
        bad("mkfifo", 0);
    alarm(20); /* it must not wait for a writer */
    int rc = opens_as(path, 0), rc2 = opens_as(path, CUBBY_READ_ONLY);
    if (rc >= 0 || rc2 >= 0)
        bad("a FIFO named cubby.id is opened", rc);
    alarm(0);
    printf("ok - crash/corrupt: a FIFO named cubby.id: %s\n", cubby_strerror(rc));
    unlink(id);
    if (symlink("/etc/hostname", id) != 0)
        bad("symlink", 0);
    rc = opens_as(path, 0);
    if (rc >= 0)
        bad("a symbolic link named cubby.id is followed", rc);
    printf("ok - crash/corrupt: a symbolic link named cubby.id: %s\n", cubby_strerror(rc));
    unlink(id);
    if (mkdir(id, 0700) != 0)
        bad("mkdir", 0);
    rc = opens_as(path, 0);
    if (rc >= 0)
        bad("a directory named cubby.id is opened", rc);
    printf("ok - crash/corrupt: a directory named cubby.id: %s\n", cubby_strerror(rc));
    rmdir(id);
    rmdir(path);
    snprintf(path, sizeof path, "%s/file", dir);
    FILE *f = fopen(path, "w");
    if (!f || fclose(f) != 0)
        bad("making a file", 0);
    rc = opens_as(path, 0);
    if (rc != CUBBY_ENOENT && rc != CUBBY_ENOTSTORE)
        bad("a file instead of a directory", rc);
    printf("ok - crash/corrupt: a file instead of a directory: %s\n", cubby_strerror(rc));
    unlink(path);
    if (geteuid() == 0) {
        printf("skip - crash/corrupt: a directory without permission: root may do everything\n");
    } else {
        snprintf(path, sizeof path, "%s/locked", dir);
        must(cubby_create(path, NULL, NULL), "create");
        chmod(path, 0);
        expect(path, 0, CUBBY_EACCES, "a directory without permission");
        chmod(path, 0700);
        char command[300];
        snprintf(command, sizeof command, "rm -rf '%s'", path);
        if (system(command) != 0)
            bad("rm", 0);
    }
    rmdir(dir);
}

int main(int argc, char **argv)
{
    size_t step = 0, bytes = 0;
    for (int c; (c = getopt(argc, argv, "k:")) != -1;)
        if (c == 'k')
            step = (size_t)strtoul(optarg, NULL, 10);
    struct image unused[2];
    setvbuf(stdout, NULL, _IOLBF, 0);
    make(1, &base, &early, &sealed, &base_content);
    make(2, &other, &unused[0], &unused[1], &other_content);
    drop(&unused[0]);
    drop(&unused[1]);
    double start = seconds();
    for (int i = 0; i < 40; i++) {
        struct verdict v = judge(i % 2 ? &sealed : &base, NULL, &base_content, "nothing damaged");
        if (v.findings + v.notes + v.notices + v.differ || !v.opened)
            bad("the store is not sound to begin with", v.findings);
    }
    for (int i = 0; i < base.count; i++)
        bytes += base.f[i].n;
    if (!step) /* some ten seconds */
        step = (size_t)((seconds() - start) / 40 * (double)bytes * 1.3 / 10) + 1;
    step |= 1;
    printf("ok - crash/corrupt: a store of %d messages in %d files, %zu bytes, is sound; every %zuth byte will be flipped\n", base_content.count, base.count,
           bytes, step);
    flips(NULL, step);
    flips("index", step * 3 | 1);
    truncations();
    garbage_at_the_end();
    missing_files();
    replacements();
    strange_places();
    drop(&base);
    drop(&early);
    drop(&sealed);
    drop(&other);
    forget(&base_content);
    forget(&other_content);
    return 0;
}
