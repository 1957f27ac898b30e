/* fuzz_store.c - the files of a store, changed in any way: opening, reading, checking, repairing and writing it ends, with the right bytes or with an error.
 *
 * The input is a list of changes to a small store that is always the same: bytes written over, a file cut, emptied, removed, or copied over another. The first
 * byte says whether all checksums are put right afterwards, so that decoders are reached. With them left as they were, a message that is
 * served is one that came in, in its folder and under its uid, and a repair leaves no damage and loses none of them; with forged ones nothing may crash, hang or take memory without bound. */
#include <errno.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "cubby.h"
#include "fuzz/fuzz.h"
#include "fuzz/fuzz_index.h"
#include "log/log.h"
#include "log/segscan.h"
#include "os/vfs_mem.h"

enum { FILES = 16, MESSAGES = 24, PAGE = CUBBY__PAGE_SIZE, FRAMES = 4096, FOLDERS = 3, PLACES = 64 };

struct file {
    char path[48];
    uint8_t *p;
    size_t n;
};

struct image {
    struct file f[FILES];
    int count;
};

struct frame_at {
    int file;
    size_t off;
};

static struct image base;
static struct frame_at frames[FRAMES];
static size_t frame_count;
static uint8_t hashes[MESSAGES + 1][16]; /* of all messages that can be there; the last is write_some's */
static struct cubby__ident ident;

/* Where each of them was, ever. */
static struct {
    uint64_t folder;
    uint32_t uid;
    int message;
} places[PLACES];
static size_t place_count;
static struct {
    uint64_t id;
    uint32_t uidvalidity;
} folders[FOLDERS];

/* ---- the store that is always the same ---- */

static int list_one(void *arg, const char *name)
{
    struct image *im = arg;
    must(im->count < FILES);
    snprintf(im->f[im->count++].path, sizeof im->f[0].path, "/s/segments/%s", name);
    return 0;
}

static void load(const cubby_vfs *v, struct image *im)
{
    snprintf(im->f[im->count++].path, sizeof im->f[0].path, "/s/cubby.id");
    snprintf(im->f[im->count++].path, sizeof im->f[0].path, "/s/index");
    must(v->list(v->ctx, "/s/segments", list_one, im) == 0);
    for (int i = 0; i < im->count; i++) {
        cubby_file *f;
        cubby_vfs_stat st;
        must(v->open(v->ctx, im->f[i].path, CUBBY_OPEN_READ, &f) == 0 && v->fstat(v->ctx, f, &st) == 0);
        im->f[i].n = st.size;
        im->f[i].p = malloc(st.size + 1);
        must(v->pread(v->ctx, f, im->f[i].p, st.size, 0) == (int64_t)st.size);
        v->close(v->ctx, f);
    }
}

static void note_place(uint64_t folder, uint32_t uid, int message)
{
    must(place_count < PLACES);
    places[place_count].folder = folder;
    places[place_count].uid = uid;
    places[place_count++].message = message;
}

static uint32_t message_at(uint64_t folder, uint32_t uid)
{
    for (size_t i = 0; i < place_count; i++)
        if (places[i].folder == folder && places[i].uid == uid)
            return 1u << places[i].message;
    return 0;
}

static void add_message(cubby_store *s, uint64_t folder, int n)
{
    static const char *const keywords[] = {"$Forwarded", "Work"};
    cubby_add_options o = CUBBY_ADD_INIT;
    cubby_message *m;
    cubby_txn *txn;
    char text[6000];
    int len = snprintf(text, sizeof text,
                       "From: a%d@example.org\r\nTo: b@example.org\r\nSubject: number %d\r\nDate: Sat, 2 Jan 2021 01:29:12 +0100\r\nReceived: by x; %d\r\n"
                       "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext %d\r\n--b\r\nContent-Type: text/html\r\n\r\n",
                       n, n, n, n);
    for (int i = 0; i < n * 60; i++)
        text[len++] = (char)(i % 61 == 60 ? '\n' : 'a' + (i * n) % 26);
    len += snprintf(text + len, sizeof text - (size_t)len, "\r\n--b--\r\n");
    must(cubby_message_new(s, &m) == 0 && cubby_message_write(m, text, (size_t)len) == 0 && cubby_message_finish(m) == 0);
    memcpy(hashes[n], cubby_message_hash(m), 16);
    o.flags = (uint32_t)n % 32;
    o.keywords = keywords;
    o.keyword_count = (size_t)n % 3;
    uint32_t uid;
    must(cubby_txn_begin(s, 0, &txn) == 0 && cubby_add(txn, folder, m, &o, &uid) == 0 && cubby_txn_commit(&txn, NULL) == 0);
    cubby_message_free(&m);
    note_place(folder, uid, n);
}

/* The uids of copies come in the order of those of the originals. */
static void change_some(cubby_store *s, uint64_t a, uint64_t b)
{
    static const uint32_t uids[] = {1, 2, 3, 7};
    cubby_uidset *set;
    cubby_txn *txn;
    must(cubby_uidset_parse("1:3,7", 20, &set) == 0 && cubby_txn_begin(s, 0, &txn) == 0);
    must(cubby_flag(txn, a, set, CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, 0, NULL) == 0 && cubby_copy(txn, a, set, b, NULL, NULL) == 0);
    must(cubby_expunge(txn, a, set, 0, NULL) == 0 && cubby_subscribe(txn, "a\0b", 4, 1) == 0 && cubby_txn_commit(&txn, NULL) == 0);
    cubby_uidset_free(&set);
    for (uint32_t i = 0; i < 4; i++)
        note_place(b, 1 + i, __builtin_ctz(message_at(a, uids[i])));
}

static void note_folders(cubby_store *s, const uint64_t ids[FOLDERS])
{
    cubby_snapshot *snap;
    cubby_folder f;
    must(cubby_snapshot_begin(s, &snap) == 0);
    for (int i = 0; i < FOLDERS; i++) {
        must(cubby_folder_get(snap, ids[i], &f) == 0);
        folders[i].id = ids[i];
        folders[i].uidvalidity = f.uidvalidity;
    }
    cubby_snapshot_end(&snap);
}

static void find_frames(const cubby_vfs *v)
{
    struct cubby__log *log;
    cubby_error err;
    must(cubby__ident_decode(base.f[0].p, &ident, "cubby.id", 0, &err) == 0 && cubby__log_new(v, "/s", &ident, 0, &log, &err) == 0);
    for (int i = 2; i < base.count; i++) {
        struct cubby__seg_header h;
        const struct file *f = &base.f[i];
        must(cubby__log_header(log, (uint32_t)(i - 1), &h, &err) == 0);
        const struct cubby__seed seed = {ident.salt, h.nonce};
        struct cubby__frame fr;
        for (size_t at = h.frames; at + 32 <= f->n && cubby__frame_decode(f->p + at, f->n - at, &seed, at, &fr) == 0; at += cubby__frame_size(fr.type, fr.len)) {
            must(frame_count < FRAMES);
            frames[frame_count++] = (struct frame_at){i, at};
        }
        cubby__seg_header_release(&h);
    }
    cubby__log_free(&log);
    must(frame_count > 100);
}

static void prepare(void)
{
    struct cubby__memfs *fs = cubby__memfs_new();
    const cubby_vfs *v = cubby__memfs_vfs(fs);
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_store *s;
    cubby_txn *txn;
    uint64_t a, b;
    cubby__memfs_deterministic(fs, 1);
    o.vfs = v;
    o.segment_bytes = 20000;
    must(cubby_create("/s", &o, NULL) == 0 && cubby_open("/s", &o, &s, NULL) == 0 && cubby_txn_begin(s, 0, &txn) == 0);
    must(cubby_folder_create(txn, 0, "a", 1, &a) == 0 && cubby_folder_create(txn, a, "b", 1, &b) == 0 && cubby_txn_commit(&txn, NULL) == 0);
    for (int i = 0; i < MESSAGES; i++) {
        add_message(s, i % 3 ? a : 1, i);
        if (i == 16) {
            change_some(s, a, b);
            must(cubby_checkpoint(s) == 0);
        }
    }
    note_folders(s, (const uint64_t[FOLDERS]){1, a, b});
    load(v, &base); /* while it is open: with an unproven tail */
    must(cubby_close(&s) == 0);
    find_frames(v);
    cubby__memfs_free(&fs);
}

/* ---- changes ---- */

static void resize(struct file *f, size_t n)
{
    f->p = realloc(f->p, n + 1);
    must(f->p != NULL);
    if (n > f->n)
        memset(f->p + f->n, 0, n - f->n);
    f->n = n;
}

static void change(struct image *im, struct input *in)
{
    struct file *f = &im->f[take(in, 1) % (unsigned)im->count];
    unsigned what = (unsigned)take(in, 1);
    size_t at = (size_t)take(in, 3);
    struct input bytes;
    if (what & 0x80 && f->n) /* into a frame or a page, near its start */
        at = f - im->f < 2 ? at % (f->n / PAGE + 1) * PAGE + (at >> 8) % 64 : frames[at % frame_count].off + (at >> 12) % 72;
    switch (what % 8) {
    case 0: resize(f, at % (f->n + 1)); break;
    case 1: resize(f, f->n + at % 9000); break;
    case 2: f->path[0] = '\0'; break;
    case 3: { /* another file's bytes */
        const struct file *g = &im->f[at % (unsigned)im->count];
        if (g == f)
            break;
        resize(f, g->n);
        memcpy(f->p, g->p, g->n);
        break;
    }
    default:
        bytes = take_bytes(in, 1 + what / 8 % 16);
        if (at < f->n)
            memcpy(f->p + at, bytes.p, bytes.n < f->n - at ? bytes.n : f->n - at);
    }
}

/* ---- checksums put right ---- */

static void fix_id(uint8_t *p)
{
    cubby__put64(p + CUBBY__ID_CHECKSUM_OFF, cubby__hash64(p, CUBBY__ID_CHECKSUM_OFF, 0));
}

static void fix_header(uint8_t *p, size_t n)
{
    size_t len = n >= CUBBY__SEG_HEADER_FIXED ? cubby__get32(p + CUBBY__SEG_HEADER_LEN_OFF) : 0;
    for (int copy = 0; copy < 2 && len >= CUBBY__SEG_HEADER_FIXED && (copy + 1) * len <= n; copy++) {
        uint8_t *q = p + copy * len, *whole = exact_copy(q, len);
        fix_id(q + CUBBY__SEG_ID_OFF);
        memcpy(whole, q, len);
        memmove(whole + CUBBY__SEG_CHECKSUM_OFF, whole + CUBBY__SEG_CHECKSUM_OFF + 8, len - CUBBY__SEG_CHECKSUM_OFF - 8);
        cubby__put64(q + CUBBY__SEG_CHECKSUM_OFF, cubby__hash64(whole, len - 8, 0));
        free(whole);
    }
}

/* Frames where they were; what they say now. */
static void fix_frames(struct image *im, int file)
{
    struct file *f = &im->f[file];
    uint64_t chain = 0;
    struct cubby__buf headers = CUBBY__BUF_INIT;
    if (f->n < CUBBY__SEG_HEADER_FIXED)
        return;
    const struct cubby__seed seed = {ident.salt, cubby__get64(f->p + CUBBY__SEG_NONCE_OFF)};
    chain = cubby__get64(f->p + CUBBY__SEG_LAST_CHAIN_OFF);
    for (size_t i = 0; i < frame_count; i++) {
        size_t at = frames[i].off, head;
        if (frames[i].file != file || at + CUBBY__PIECE_FRAME_SIZE > f->n)
            continue;
        uint8_t *p = f->p + at;
        struct cubby__frame fr = {p[CUBBY__FRAME_TYPE_OFF], p[CUBBY__FRAME_FLAGS_OFF], cubby__get32(p), cubby__get64(p + CUBBY__FRAME_COMMIT_OFF), 0, {0}};
        head = cubby__frame_header_size(fr.type);
        if (head + (uint64_t)fr.len > f->n - at)
            continue;
        if (head > CUBBY__FRAME_SIZE) {
            fr.piece = (struct cubby__piece){cubby__get64(p + CUBBY__PIECE_ID_OFF), cubby__get32(p + CUBBY__PIECE_ORIG_LEN_OFF), p[CUBBY__PIECE_CODEC_OFF],
                                             p[CUBBY__PIECE_KIND_OFF], {0}};
            memcpy(fr.piece.hash, p + CUBBY__PIECE_HASH_OFF, 16);
        }
        if (fr.type == CUBBY__REC_COMMIT && fr.len == CUBBY__COMMIT_LEN) {
            chain = cubby__chain(chain, &headers, &seed);
            cubby__put64(p + head + CUBBY__COMMIT_CHAIN_OFF, chain);
            cubby__buf_clear(&headers);
        }
        fr.paysum = cubby__payload_sum(p + head, fr.len, &seed, at, fr.commit);
        cubby__frame_encode(&fr, &seed, at, p);
        if (fr.type != CUBBY__REC_COMMIT && fr.type != CUBBY__REC_PROOF)
            cubby__buf_add(&headers, p, head);
    }
    cubby__buf_release(&headers);
}

static void fix(struct image *im)
{
    for (size_t i = 0; i < CUBBY__ID_COPIES && (i + 1) * PAGE <= im->f[0].n; i++)
        fix_id(im->f[0].p + i * PAGE);
    fix_index(im->f[1].p, im->f[1].n, ident.salt);
    for (int i = 2; i < im->count; i++) {
        fix_header(im->f[i].p, im->f[i].n);
        fix_frames(im, i);
    }
}

/* ---- what a store must bear ---- */

static int forged;
static uint32_t served; /* bit n: message n, whole */

/* Uids of this folder mean what they meant: no repair has given it a new uidvalidity. */
static int is_as_it_was(const cubby_folder *f)
{
    for (int i = 0; i < FOLDERS; i++)
        if (folders[i].id == f->id)
            return folders[i].uidvalidity == f->uidvalidity;
    return 0;
}

/* saved: one that a repair may have made */
static void read_message(cubby_snapshot *snap, const cubby_folder *f, uint32_t uid)
{
    int saved = f->name_len == 10 && memcmp(f->name, "lost+found", 10) == 0;
    cubby_reader *r;
    uint8_t buf[1024];
    size_t got;
    if (cubby_reader_open(snap, f->id, uid, &r) != 0)
        return;
    uint64_t size = cubby_reader_size(r);
    uint32_t which = 0;
    for (int i = 0; i <= MESSAGES; i++)
        which |= (uint32_t)!memcmp(hashes[i], cubby_reader_hash(r), 16) << i;
    if (cubby_reader_verify(r) == 0) {
        must(forged || which || saved);
        must(forged || !is_as_it_was(f) || which & (message_at(f->id, uid) | 1u << MESSAGES));
        served |= which;
    }
    for (uint64_t at = 0; at < size && at < 20000 && cubby_reader_read(r, at, buf, sizeof buf, &got) == 0 && got; at += got)
        ;
    cubby_reader_close(&r);
}

static void read_folder(cubby_snapshot *snap, const cubby_folder *f)
{
    cubby_scan_options o = CUBBY_SCAN_INIT;
    cubby_scan *scan;
    const cubby_row *row;
    cubby_changes *changes;
    cubby_change change;
    o.want = CUBBY_WANT_OBJECT | CUBBY_WANT_LIST | CUBBY_WANT_HEADER | CUBBY_WANT_PARTS;
    uint32_t uids[64];
    int n = 0;
    if (cubby_scan_open(snap, f->id, &o, &scan) == 0) {
        for (int i = 0; i < 2000 && cubby_scan_next(scan, &row) == 0; i++)
            if (n < 64)
                uids[n++] = row->uid;
        cubby_scan_close(&scan);
    }
    while (n > 0)
        read_message(snap, f, uids[--n]);
    if (cubby_changes_open(snap, f->id, 3, &changes) == 0) {
        for (int i = 0; i < 2000 && cubby_changes_next(changes, &change) == 0; i++)
            ;
        cubby_changes_close(&changes);
    }
}

static void read_tree(cubby_snapshot *snap, uint64_t parent, int depth)
{
    cubby_folder f;
    char after[256] = "";
    size_t len = 0;
    for (int i = 0; i < 50 && depth < 8 && cubby_folder_next(snap, parent, after, len, &f) == 0; i++) {
        must(f.name_len <= 255);
        memcpy(after, f.name, len = f.name_len);
        cubby_folder copy = f;
        read_folder(snap, &copy);
        read_tree(snap, copy.id, depth + 1);
    }
}

static void write_some(cubby_store *s)
{
    cubby_message *m;
    cubby_txn *txn;
    cubby_uidset *set;
    uint32_t uid = 0;
    if (cubby_message_new(s, &m) != 0)
        return;
    must(cubby_message_write(m, "Subject: new\r\n\r\nx\r\n", 19) == 0 && cubby_message_finish(m) == 0);
    memcpy(hashes[MESSAGES], cubby_message_hash(m), 16);
    if (cubby_txn_begin(s, 0, &txn) == 0) {
        if (cubby_add(txn, 1, m, NULL, &uid) == 0 && cubby_uidset_parse("1:*", uid, &set) == 0) {
            cubby_flag(txn, 1, set, CUBBY_FLAGS_ADD, CUBBY_FLAGGED, NULL, 0, NULL);
            cubby_expunge(txn, 1, set, 1, NULL);
            cubby_uidset_free(&set);
        }
        cubby_txn_commit(&txn, NULL);
    }
    cubby_message_free(&m);
}

static void use(const cubby_options *o, int writes)
{
    cubby_store *s;
    cubby_snapshot *snap;
    cubby_stat st;
    if (cubby_open("/s", o, &s, NULL) != 0)
        return;
    for (int round = 0; round <= writes; round++) {
        if (cubby_snapshot_begin(s, &snap) == 0) {
            read_tree(snap, 0, 0);
            cubby_snapshot_end(&snap);
        }
        if (round < writes)
            write_some(s);
    }
    cubby_store_stat(s, &st);
    cubby_close(&s);
}

static int ignore(void *arg, const cubby_finding *f)
{
    must(f->code && f->detail && f->file);
    return ++*(int *)arg > 500;
}

/* ---- a repair, on a disk of no more than ROOM bytes a file: a header may say that a segment was longer than any disk ---- */

enum { ROOM = 16 << 20 };

static const cubby_vfs *endless;

static int bounded_pwrite(void *ctx, cubby_file *f, const void *buf, size_t n, uint64_t off)
{
    return off + n > ROOM ? -ENOSPC : endless->pwrite(ctx, f, buf, n, off);
}

static uint32_t look(const cubby_options *like)
{
    cubby_options o = *like;
    o.flags = CUBBY_READ_ONLY;
    served = 0;
    use(&o, 0);
    return served;
}

static void repair(const cubby_options *like)
{
    uint32_t before = look(like);
    cubby_vfs v = *like->vfs;
    cubby_options o = *like;
    cubby_repair_result first, again;
    int findings = 0;
    endless = like->vfs;
    v.pwrite = bounded_pwrite;
    o.vfs = &v;
    o.flags = 0;
    int rc = cubby_repair("/s", &o, CUBBY_CHECK_FULL, ignore, ignore, &findings, &first, NULL);
    if (rc != 0 || first.left)
        must(forged || rc == CUBBY_ENOTSTORE || rc == CUBBY_ECORRUPT || rc == CUBBY_EVERSION || rc == CUBBY_ECANCEL);
    else
        must(cubby_repair("/s", &o, CUBBY_CHECK_FULL, ignore, ignore, &findings, &again, NULL) == CUBBY_ECANCEL || again.findings == 0);
    if (rc == 0 && !forged)
        must((before & ~look(like)) == 0);
}

static void live(struct image *im, unsigned how)
{
    struct cubby__memfs *fs = cubby__memfs_new();
    const cubby_vfs *v = cubby__memfs_vfs(fs);
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_check_result result;
    int findings = 0;
    cubby__memfs_deterministic(fs, 2);
    o.vfs = v;
    o.cache_bytes = 1 << 20;
    must(v->mkdir(v->ctx, "/s") == 0 && v->mkdir(v->ctx, "/s/segments") == 0);
    for (int i = 0; i < im->count; i++) {
        cubby_file *f;
        if (!im->f[i].path[0])
            continue;
        must(v->open(v->ctx, im->f[i].path, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &f) == 0 && v->pwrite(v->ctx, f, im->f[i].p, im->f[i].n, 0) == 0);
        v->close(v->ctx, f);
    }
    if (how & 1)
        cubby_check("/s", &o, CUBBY_CHECK_FULL, ignore, &findings, &result, NULL);
    if (how & 8)
        repair(&o);
    o.flags = how & 2 ? CUBBY_READ_ONLY : how & 4 ? CUBBY_REBUILD : 0;
    use(&o, how & 2 ? 0 : 1);
    findings = 0;
    cubby_check("/s", &o, CUBBY_CHECK_FULL, ignore, &findings, &result, NULL);
    cubby__memfs_free(&fs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct image im;
    struct input in = {data, n};
    if (!base.count)
        prepare();
    im.count = base.count;
    for (int i = 0; i < base.count; i++) {
        im.f[i] = base.f[i];
        im.f[i].p = exact_copy(base.f[i].p, base.f[i].n);
    }
    unsigned how = (unsigned)take(&in, 1);
    forged = how >> 7;
    for (int i = 0; i < 64 && in.n >= 5; i++)
        change(&im, &in);
    if (forged)
        fix(&im);
    live(&im, how);
    for (int i = 0; i < im.count; i++)
        free(im.f[i].p);
    return 0;
}
