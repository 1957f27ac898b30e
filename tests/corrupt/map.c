#include "corrupt/map.h"

#include "base/bytes.h"
#include "log/frame.h"
#include "mail/object.h"
#include "mail/records.h"
#include "model/common.h"
#include "tree/tree.h"

const struct region_kind region_kinds[REGIONS] = {
    [R_IDENTITY] = {"identity, both copies", FOUND},
    [R_ID_REST] = {"behind the identity", SILENT_OK},
    [R_SHARED] = {"shared page", SILENT_OK},
    [R_HEADER] = {"segment headers, both copies", FOUND},
    [R_FRAME] = {"frames", FOUND},
    [R_TAIL] = {"frames of commits that nothing proves", NOTED},
    [R_PROOF] = {"PROOF frames", NOTED},
    [R_PADDING] = {"padding of frames", SILENT_OK},
    [R_AHEAD] = {"zeros ahead", SILENT_OK},
    [R_META] = {"the checkpoint's slot", NOTED},
    [R_META_OLD] = {"the older checkpoint's slot", SILENT_OK},
    [R_META_REST] = {"behind the slots", SILENT_OK},
    [R_PAGE] = {"index pages of the checkpoint", FOUND},
    [R_FREE] = {"index pages that it does not reach", SILENT_OK},
    [R_BEHIND] = {"behind the accepted end", SILENT_OK},
};

enum { HEADER = 0 }; /* no frame has this type */

/* ---- segments ---- */

static void note_frame(struct map *m, struct frame f)
{
    struct cubby__commit c;
    if (m->frame_count == FRAMES)
        die("corrupt: too many frames");
    if (f.type == CUBBY__REC_PROOF)
        f.proves = f.commit;
    if (f.type == CUBBY__REC_COMMIT && cubby__commit_decode(f.payload, f.len, &c) == 0)
        f.proves = c.durable_through;
    cubby__raise(&m->proven, f.proves);
    m->frames[m->frame_count++] = f;
}

/* Either copy tells what the header tells. */
static void note_headers(struct map *m, int file, size_t len)
{
    const uint8_t *p = m->im->f[file].p;
    struct frame f = {.file = file, .type = HEADER, .proves = cubby__get64(p + CUBBY__SEG_PROVEN_COMMIT_OFF)};
    cubby__raise(&f.proves, cubby__get64(p + CUBBY__SEG_LAST_COMMIT_OFF));
    for (f.off = 0; f.off < 2 * len; f.off += len) {
        f.end = f.off + len;
        note_frame(m, f);
    }
}

static void read_segment(struct map *m, int file, uint64_t salt)
{
    const struct file *f = &m->im->f[file];
    const uint8_t *p = f->p;
    uint8_t *region = m->region[file];
    size_t off = 2 * (size_t)cubby__get32(p + CUBBY__SEG_HEADER_LEN_OFF), end = f->n;
    if (file + 1 < m->im->count) /* the accepted end */
        end = (size_t)cubby__get64(m->im->f[file + 1].p + CUBBY__SEG_PRED_END_OFF);
    struct cubby__seed seed = {salt, cubby__get64(p + CUBBY__SEG_NONCE_OFF)};
    struct cubby__frame h;
    memset(region, end < f->n ? R_BEHIND : R_AHEAD, f->n);
    memset(region, R_HEADER, off);
    note_headers(m, file, off / 2);
    for (; off < end && cubby__frame_decode(p + off, end - off, &seed, off, &h) == 0; off += (size_t)cubby__frame_size(h.type, h.len)) {
        size_t head = cubby__frame_header_size(h.type);
        struct frame frame = {file, off, off + head + h.len, h.type, h.commit, p + off + head, h.len, h.type == CUBBY__REC_PIECE ? h.piece.id : 0, 0};
        memset(region + off, R_PADDING, (size_t)cubby__frame_size(h.type, h.len));
        memset(region + off, h.type == CUBBY__REC_PROOF ? R_PROOF : R_FRAME, head + h.len);
        note_frame(m, frame);
    }
    for (; off < end; off++)
        if (p[off])
            die("corrupt: %s: no frame at %zu", f->name, off);
}

/* ---- messages ---- */

static void needs(struct map *m, int i, const struct frame *f)
{
    if (m->need_count[i] == RANGES)
        die("corrupt: a message of too many frames");
    m->needs[i][m->need_count[i]++] = (struct range){f->file, f->off, f->end};
}

static void needs_object(struct map *m, int i, uint64_t id)
{
    struct cubby__object o = {0};
    const struct frame *of = NULL;
    for (int k = 0; k < m->frame_count && !of; k++)
        if (m->frames[k].type == CUBBY__REC_OBJECT && cubby__object_decode(m->frames[k].payload, m->frames[k].len, &o) == 0 && o.id == id)
            of = &m->frames[k];
    if (!of)
        die("corrupt: object %" PRIu64 " is in no segment", id);
    needs(m, i, of);
    for (int k = 0; k < m->frame_count; k++) {
        struct cubby__piece_ref ref;
        int named = m->frames[k].piece && m->frames[k].piece == o.rest_piece;
        for (size_t pos = 0; m->frames[k].piece && cubby__object_piece(&o, &pos, &ref);)
            named |= ref.id == m->frames[k].piece;
        if (named)
            needs(m, i, &m->frames[k]);
    }
}

static void needs_of_message(struct map *m, int i, const struct message *msg)
{
    for (int k = 0; k < m->frame_count; k++) {
        struct cubby__entry_rec e;
        struct cubby__keywords kw;
        const struct frame *f = &m->frames[k];
        if (f->type != CUBBY__REC_ENTRY || cubby__entry_decode(f->payload, f->len, &e, &kw) != 0 || e.folder != msg->folder || e.uid != msg->uid)
            continue;
        needs(m, i, f);
        needs_object(m, i, e.object);
        m->commit[i] = f->commit;
        return;
    }
    die("corrupt: uid %u of folder %" PRIu64 " has no entry in the segments", msg->uid, msg->folder);
}

/* ---- the index ---- */

static int on_page(void *arg, uint64_t page, uint32_t level, const char *problem)
{
    uint8_t *region = arg;
    (void)level;
    if (problem)
        die("corrupt: the index is not sound to begin with: page %" PRIu64 ": %s", page, problem);
    memset(region + page * CUBBY__PAGE_SIZE, R_PAGE, CUBBY__PAGE_SIZE);
    return 0;
}

static void read_index(struct map *m, int file, const uint8_t *id)
{
    struct cubby__memfs *fs = image_disk(m->im);
    struct cubby__pager_config c = {.vfs = cubby__memfs_vfs(fs), .path = STORE "/index", .salt = cubby__get64(id + CUBBY__ID_SALT_OFF), .cache_bytes = 1 << 20};
    struct cubby__pager *pager;
    struct cubby__meta meta;
    uint8_t *region = m->region[file];
    memcpy(c.uuid, id + CUBBY__ID_UUID_OFF, 16);
    memset(region, R_FREE, m->im->f[file].n);
    memset(region, R_META_REST, CUBBY__META_SLOTS * CUBBY__PAGE_SIZE);
    MUST(NULL, cubby__pager_open(&c, &pager, NULL));
    MUST(NULL, cubby__meta_read(pager, &meta, NULL));
    memset(region + meta.seq % 2 * CUBBY__PAGE_SIZE, R_META, CUBBY__META_SIZE);
    memset(region + (meta.seq + 1) % 2 * CUBBY__PAGE_SIZE, R_META_OLD, CUBBY__META_SIZE);
    MUST(NULL, cubby__tree_check(pager, &meta.root, on_page, region, NULL));
    m->checkpoint = meta.commit;
    m->slot = meta.seq % 2 * CUBBY__PAGE_SIZE;
    cubby__raise(&m->proven, m->checkpoint);
    cubby__pager_close(&pager);
    cubby__memfs_free(&fs);
}

/* ---- all ---- */

/* The tail: every frame behind the last proven commit. */
static void mark_tail(struct map *m)
{
    for (int k = 0; k < m->frame_count; k++)
        if (m->frames[k].commit > m->proven)
            memset(m->region[m->frames[k].file] + m->frames[k].off, R_TAIL, m->frames[k].end - m->frames[k].off);
}

static void must_hold_all(const struct map *m)
{
    static const uint8_t types[] = {CUBBY__REC_COMMIT, CUBBY__REC_PROOF, CUBBY__REC_STORE, CUBBY__REC_FOLDER, CUBBY__REC_MARK, CUBBY__REC_OBJECT, CUBBY__REC_PIECE,
                                    CUBBY__REC_ENTRY, CUBBY__REC_FLAGS, CUBBY__REC_EXPUNGE, CUBBY__REC_KEYWORD, CUBBY__REC_SUBSCRIPTION};
    for (size_t i = 0; i < sizeof types; i++) {
        int k = 0;
        while (k < m->frame_count && m->frames[k].type != types[i])
            k++;
        if (k == m->frame_count)
            die("corrupt: the store holds no record of type %d", types[i]);
    }
}

void map_make(const struct image *im, const struct content *c, struct map *out)
{
    const uint8_t *id = image_find(im, "cubby.id")->p;
    memset(out, 0, sizeof *out);
    out->im = im;
    for (int i = 0; i < im->count; i++) {
        out->region[i] = need(malloc(im->f[i].n));
        if (segment_number(&im->f[i]))
            read_segment(out, i, cubby__get64(id + CUBBY__ID_SALT_OFF));
        else if (strcmp(im->f[i].name, "index") == 0)
            read_index(out, i, id);
        else {
            memset(out->region[i], R_ID_REST, im->f[i].n);
            memset(out->region[i] + CUBBY__ID_COPIES * CUBBY__PAGE_SIZE, R_SHARED, CUBBY__PAGE_SIZE);
            for (size_t k = 0; k < CUBBY__ID_COPIES; k++)
                memset(out->region[i] + k * CUBBY__PAGE_SIZE, R_IDENTITY, CUBBY__ID_SIZE);
        }
    }
    must_hold_all(out);
    mark_tail(out);
    for (int i = 0; i < c->count; i++)
        needs_of_message(out, i, &c->m[i]);
}

void map_drop(struct map *m)
{
    for (int i = 0; m->im && i < m->im->count; i++)
        free(m->region[i]);
}

/* ---- what is left ---- */

/* A frame's padding must be there, and may be anything. */
static int intact(const struct map *m, const struct image *im, int file, size_t from, size_t to)
{
    const struct file *was = &m->im->f[file], *is = &im->f[file];
    return is->p == was->p || (is->p && ((to + 7) & ~(size_t)7) <= is->n && memcmp(was->p + from, is->p + from, to - from) == 0);
}

static int blank_behind(const struct map *m, const struct image *im, const struct frame *f)
{
    const struct file *is = &im->f[f->file];
    for (int i = f->file + 1; i < m->im->count; i++)
        if (im->f[i].p)
            return 0;
    for (size_t at = f->off; is->p && at < is->n; at++)
        if (is->p[at])
            return 0;
    return 1;
}

static void compare_frames(const struct map *m, const struct image *im, struct rest *out)
{
    uint64_t headers = 0;
    const struct frame *first = NULL;
    for (int k = 0; k < m->frame_count; k++) {
        const struct frame *f = &m->frames[k];
        if (intact(m, im, f->file, f->off, f->end)) {
            cubby__raise(&out->vouched, f->proves);
            headers |= (uint64_t)(f->type == HEADER) << f->file;
        } else if (f->type != HEADER && f->type != CUBBY__REC_PROOF) {
            first = first ? first : f;
            cubby__raise(&out->highest, f->commit);
        }
    }
    out->lowest = first ? first->commit : UINT64_MAX;
    out->blank = first && blank_behind(m, im, first);
    out->headers = __builtin_popcountll(headers);
    for (int i = 0; i < MESSAGES; i++) {
        out->healthy[i] = m->need_count[i] > 0 && (m->commit[i] <= out->vouched || m->commit[i] < out->lowest);
        for (int k = 0; k < m->need_count[i]; k++) {
            const struct range *r = &m->needs[i][k];
            out->healthy[i] &= headers >> r->file & 1 && intact(m, im, r->file, r->from, r->to);
        }
    }
}

/* By region. A file that is gone, cut or grown counts with what it held; frames that nothing vouches for any more are a torn tail. */
static enum due due_of(const struct map *m, const struct image *im, int file, const struct rest *rest)
{
    const struct file *was = &m->im->f[file], *is = &im->f[file];
    enum due due = SILENT_OK;
    if (segment_number(was) && rest->lowest > rest->vouched && rest->lowest != UINT64_MAX && !is->p)
        return rest->blank ? SILENT_OK : NOTED;
    for (size_t i = 0; i < was->n; i++) {
        if (is->p && i < is->n && is->p[i] == was->p[i])
            continue;
        enum region r = m->region[file][i];
        enum due d = region_kinds[r].due;
        if ((r == R_FRAME || r == R_TAIL || r == R_PROOF) && rest->lowest > rest->vouched)
            d = rest->blank || rest->lowest == UINT64_MAX ? SILENT_OK : NOTED;
        due = d > due ? d : due;
    }
    return due;
}

void map_compare(const struct map *m, const struct image *im, struct rest *out)
{
    memset(out, 0, sizeof *out);
    for (int i = 0; i < m->im->count; i++) {
        int changed = im->f[i].p != m->im->f[i].p;
        int segment = segment_number(&m->im->f[i]) != 0, index = strcmp(m->im->f[i].name, "index") == 0;
        out->log_changed |= changed && segment;
        out->index_changed |= changed && index;
        out->id_changed |= changed && !segment && !index;
        if (!index)
            continue;
        out->slot_changed = !intact(m, im, i, m->slot, m->slot + CUBBY__META_SIZE);
        out->vouched = out->slot_changed ? 0 : m->checkpoint;
    }
    compare_frames(m, im, out);
    for (int i = 0; i < m->im->count; i++) {
        int older = out->slot_changed && strcmp(m->im->f[i].name, "index") == 0; /* whose pages are not looked at */
        enum due due = im->f[i].p == m->im->f[i].p || older ? SILENT_OK : due_of(m, im, i, out);
        out->due = due > out->due ? due : out->due;
    }
}
