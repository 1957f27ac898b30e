/* fuzz_records.c - any bytes as the payload of a record: refused, or decoded and encoded again without change; and a list of such records put to the
 * handlers over a store in memory, whose rows and counters must agree afterwards. At last frames of its segment are replaced by a DAMAGE record, which only a
 * replay reads: the store opens, without and with an index to the same rows, and takes another record. */
#include "base/alloc.h"
#include "base/hash.h"
#include "fuzz/fuzz.h"
#include "log/log.h"
#include "log/segscan.h"
#include "mail/annotation.h"
#include "mail/apply.h"
#include "mail/mailcheck.h"
#include "mail/object.h"
#include "mail/records.h"
#include "os/vfs_mem.h"
#include "store/store.h"

static void must_encode(const struct cubby__buf *b, const uint8_t *p, size_t n)
{
    must(!b->failed && b->len == n && (!n || !memcmp(b->data, p, n)));
}

/* Numbers may be written longer than needed, so decoding what was encoded has to give the same, not encoding what was decoded. */
static void decode_again(uint8_t type, const uint8_t *p, size_t n)
{
    struct cubby__buf a = CUBBY__BUF_INIT, b = CUBBY__BUF_INIT;
    static struct cubby__keywords k;
    struct cubby__folder_rec folder;
    struct cubby__mark_rec mark;
    struct cubby__entry_rec entry;
    struct cubby__keyword_rec keyword;
    struct cubby__subscription_rec sub;
    struct cubby__annotation_rec annotation;
    struct cubby__object object;
    struct cubby__piece_ref ref;
    struct cubby__reader ranges;
    uint64_t folder_id, principal;
    int64_t time;
    size_t pos = 0;
#define TWICE(name, decode, encode)            \
    if (decode == 0) {                         \
        struct cubby__buf *out = &a;           \
        encode;                                \
        p = a.data, n = a.len;                 \
        must(decode == 0);                     \
        out = &b;                              \
        encode;                                \
        must_encode(&b, a.data, a.len);        \
    }
    switch (type) {
    case CUBBY__REC_FOLDER: TWICE(folder, cubby__folder_decode(p, n, &folder), cubby__folder_encode(&folder, out)); break;
    case CUBBY__REC_MARK: TWICE(mark, cubby__mark_decode(p, n, &mark), cubby__mark_encode(&mark, out)); break;
    case CUBBY__REC_ENTRY: TWICE(entry, cubby__entry_decode(p, n, &entry, &k), cubby__entry_encode(&entry, &k, out)); break;
    case CUBBY__REC_KEYWORD: TWICE(keyword, cubby__keyword_decode(p, n, &keyword), cubby__keyword_encode(&keyword, out)); break;
    case CUBBY__REC_SUBSCRIPTION: TWICE(sub, cubby__subscription_decode(p, n, &sub), cubby__subscription_encode(&sub, out)); break;
    case CUBBY__REC_ANNOTATION: TWICE(annotation, cubby__annotation_decode(p, n, &annotation), cubby__annotation_encode(&annotation, out)); break;
    case CUBBY__REC_OBJECT:
        if (cubby__object_decode(p, n, &object) == 0) {
            uint64_t bytes = object.stored_header, count = 0;
            while (cubby__object_piece(&object, &pos, &ref))
                bytes += ref.orig_len, count++;
            must(count == object.piece_count && bytes == object.size);
        }
        break;
    case CUBBY__REC_FLAGS:
        if (cubby__flags_decode(p, n, &folder_id, &principal, &ranges) == 0)
            cubby__flags_valid(ranges);
        break;
    case CUBBY__REC_EXPUNGE: cubby__expunge_decode(p, n, &folder_id, &time, &ranges); break;
    default: break;
    }
#undef TWICE
    cubby__buf_release(&a);
    cubby__buf_release(&b);
}

static void decode_rows(const uint8_t *p, size_t n)
{
    static struct cubby__message_row m;
    struct cubby__object_row o;
    struct cubby__piece_row pc;
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    if (cubby__message_row_decode(p, n, &m) == 0)
        must(cubby__message_row_encode(&m, buf) <= sizeof buf);
    if (cubby__object_row_decode(p, n, &o) == 0)
        must(cubby__object_row_encode(&o, buf) <= sizeof buf);
    if (cubby__piece_row_decode(p, n, &pc) == 0)
        must(cubby__piece_row_encode(&pc, buf) <= sizeof buf);
}

/* ---- the handlers ---- */

enum { TAKE_UIDVALIDITY = 200 }; /* not a record: the call */
enum { FRAMES = 2000 };

struct world {
    struct cubby__memfs *fs;
    cubby_options o;
    struct cubby__store *s;
    cubby_error err;
};

static void world_open(struct world *w, unsigned flags)
{
    w->o.flags = flags;
    must(cubby__store_open("/s", &w->o, &cubby__mail_handlers, &w->s, &w->err) == 0);
}

/* One record in a transaction of its own, as a caller without sense might log it. What the handler refuses never happened. */
static void log_one(struct world *w, uint8_t type, struct input payload)
{
    struct cubby__txn *txn;
    int rc;
    must(cubby__txn_begin(w->s, 0, &txn, &w->err) == 0);
    uint8_t *copy = exact_copy(payload.p, payload.n);
    decode_again(type, copy, payload.n);
    if (type == CUBBY__REC_PIECE) {
        struct input piece = {copy, payload.n};
        struct cubby__piece head = {.id = take(&piece, 2), .orig_len = (uint32_t)take(&piece, 2), .codec = CUBBY__CODEC_STORED};
        const struct cubby__content content = {.mem = piece.p, .len = (uint32_t)piece.n};
        rc = cubby__txn_log_piece(txn, &head, &content);
    } else {
        rc = cubby__txn_log(txn, type, 0, copy, payload.n);
    }
    free(copy);
    must(rc == 0 || rc == CUBBY_ECORRUPT || rc == CUBBY_ELIMIT || rc == CUBBY_EINVAL);
    if (rc == 0)
        must(cubby__txn_commit(&txn, NULL) == 0);
    else
        cubby__txn_abort(&txn);
}

/* What a caller may do at any time: some folder takes over a number. */
static void take_over(struct world *w, uint64_t folder, uint32_t uidvalidity)
{
    struct cubby__txn *txn;
    must(cubby__txn_begin(w->s, 0, &txn, &w->err) == 0);
    int rc = cubby__folder_take_uidvalidity(txn, folder, uidvalidity);
    must(rc == 0 || rc == CUBBY_ENOENT || rc == CUBBY_ECONFLICT || rc == CUBBY_EINVAL);
    if (rc == 0)
        must(cubby__txn_commit(&txn, NULL) == 0);
    else
        cubby__txn_abort(&txn);
}

static uint64_t hash_of_rows(struct world *w)
{
    static const uint8_t first[1] = {CUBBY__KS_FOLDER};
    struct cubby__view view;
    struct cubby__cursor c;
    uint64_t h = 0;
    must(cubby__view_begin(w->s, &view, &w->err) == 0);
    cubby__view_cursor(&view, &c);
    int rc = cubby__cursor_seek(&c, first, 1);
    for (; rc == 0; rc = cubby__cursor_next(&c)) {
        struct cubby__slice k = cubby__cursor_key(&c), v = cubby__cursor_value(&c);
        h = cubby__hash64(k.p, k.n, h);
        h = cubby__hash64(v.p, v.n, h);
    }
    must(rc == CUBBY_DONE);
    cubby__cursor_release(&c);
    cubby__view_end(&view);
    return h;
}

/* Records that nobody wrote may lead nowhere; what the index counts must be right all the same. */
static int counters_are_right(void *arg, const cubby_finding *f)
{
    (void)arg;
    must(strcmp(f->code, "FOLDER_COUNTERS") != 0);
    return 0;
}

/* ---- damage ---- */

/* Frames of the log that a DAMAGE takes the place of. */
struct hole {
    size_t first, count; /* count 0: there is none */
    struct input payload;
};

struct segment {
    uint8_t *p;
    size_t n, offs[FRAMES], count; /* of frames; the last is where the next one would be */
    struct cubby__seed seed;
};

static void *read_file(const cubby_vfs *v, const char *path, size_t *n)
{
    cubby_file *f;
    cubby_vfs_stat st;
    must(v->open(v->ctx, path, CUBBY_OPEN_READ, &f) == 0 && v->fstat(v->ctx, f, &st) == 0);
    void *p = malloc(st.size + 1);
    must(p && v->pread(v->ctx, f, p, st.size, 0) == (int64_t)st.size);
    v->close(v->ctx, f);
    *n = st.size;
    return p;
}

static void read_segment(struct world *w, const char *path, struct segment *s)
{
    struct cubby__ident ident;
    struct cubby__log *log;
    struct cubby__seg_header h;
    struct cubby__frame f;
    size_t n;
    void *id = read_file(w->o.vfs, "/s/cubby.id", &n);
    must(cubby__ident_decode(id, &ident, "cubby.id", 0, &w->err) == 0 && cubby__log_new(w->o.vfs, "/s", &ident, 0, &log, &w->err) == 0);
    must(cubby__log_header(log, 1, &h, &w->err) == 0);
    s->seed = (struct cubby__seed){ident.salt, h.nonce};
    s->p = read_file(w->o.vfs, path, &s->n);
    s->count = 0;
    for (size_t at = h.frames; s->count < FRAMES; at += cubby__frame_size(f.type, f.len)) {
        s->offs[s->count] = at;
        if (cubby__frame_decode(s->p + at, s->n - at, &s->seed, at, &f) != 0)
            break;
        s->count++;
    }
    cubby__seg_header_release(&h);
    cubby__log_free(&log);
    free(id);
}

static void cover(struct world *w, const struct hole *hole)
{
    static struct segment s;
    const char *path = "/s/segments/00000001.seg";
    struct cubby__framer f = {0};
    struct cubby__frame lost;
    cubby_file *file;
    uint64_t off;
    read_segment(w, path, &s);
    if (s.count < 2 || s.count == FRAMES) {
        free(s.p);
        return;
    }
    size_t from = hole->first % (s.count - 1), to = from + 1 + hole->count % (s.count - from);
    size_t len = s.offs[to] - s.offs[from] - CUBBY__FRAME_SIZE;
    uint8_t *payload = calloc(len + 1, 1);
    must(payload && cubby__frame_decode(s.p + s.offs[from], s.n - s.offs[from], &s.seed, s.offs[from], &lost) == 0);
    if (hole->payload.n)
        memcpy(payload, hole->payload.p, hole->payload.n < len ? hole->payload.n : len);
    cubby__framer_init(&f, &s.seed, s.offs[from], lost.commit);
    must(cubby__framer_add(&f, CUBBY__REC_DAMAGE, 0, payload, (uint32_t)len, NULL, &off) == 0 && off == s.offs[from]);
    must(w->o.vfs->open(w->o.vfs->ctx, path, CUBBY_OPEN_WRITE, &file) == 0 && w->o.vfs->pwrite(w->o.vfs->ctx, file, f.buf.data, f.buf.len, off) == 0);
    w->o.vfs->close(w->o.vfs->ctx, file);
    cubby__framer_release(&f);
    free(payload);
    free(s.p);
}

static int any_finding(void *arg, const cubby_finding *f)
{
    must(f->code && f->file && f->detail);
    return ++*(int *)arg > 200;
}

static void live_with(struct world *w, const struct hole *hole)
{
    cubby_check_result result = {0};
    int findings = 0;
    cover(w, hole);
    world_open(w, CUBBY_REBUILD);
    uint64_t rows = hash_of_rows(w);
    must(cubby__mail_check(w->s, 0, counters_are_right, NULL, &result, &w->err) == 0);
    must(cubby__store_close(&w->s, &w->err) == 0);
    world_open(w, 0);
    must(hash_of_rows(w) == rows);
    log_one(w, CUBBY__REC_SUBSCRIPTION, (struct input){(const uint8_t *)"\1a", 3});
    must(cubby__store_close(&w->s, &w->err) == 0);
    int rc = cubby_check("/s", &w->o, 0, any_finding, &findings, &result, &w->err);
    must(rc == 0 || rc == CUBBY_ECANCEL);
}

static struct hole take_hole(struct input *in)
{
    struct hole hole = {.first = take(in, 1), .count = 1 + take(in, 1)};
    hole.payload = take_bytes(in, take(in, 1));
    return hole;
}

static void apply_all(struct input in)
{
    struct world w = {.fs = cubby__memfs_new(), .o = CUBBY_OPTIONS_INIT};
    cubby_check_result result = {0};
    struct hole hole = {0};
    cubby__memfs_deterministic(w.fs, 1);
    w.o.vfs = cubby__memfs_vfs(w.fs);
    must(cubby__store_create("/s", &w.o, &cubby__mail_handlers, &w.err) == 0);
    world_open(&w, 0);
    while (in.n) {
        uint8_t type = (uint8_t)take(&in, 1);
        if ((type >= CUBBY__REC_STORE && type <= CUBBY__REC_SUBSCRIPTION) || type == CUBBY__REC_ANNOTATION)
            log_one(&w, type, take_bytes(&in, take(&in, 2) & 0x7fff));
        else if (type == TAKE_UIDVALIDITY)
            take_over(&w, take(&in, 1), (uint32_t)take(&in, 4));
        else if (type == CUBBY__REC_DAMAGE)
            hole = take_hole(&in);
    }
    uint64_t live = hash_of_rows(&w);
    must(cubby__mail_check(w.s, 0, counters_are_right, NULL, &result, &w.err) == 0);
    must(cubby__store_close(&w.s, &w.err) == 0);
    world_open(&w, CUBBY_REBUILD);
    must(hash_of_rows(&w) == live);
    must(cubby__store_close(&w.s, &w.err) == 0);
    if (hole.count)
        live_with(&w, &hole);
    cubby__memfs_free(&w.fs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    decode_rows(data, n);
    apply_all((struct input){data, n});
    return 0;
}
