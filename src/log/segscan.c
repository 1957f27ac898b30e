#include "log/segscan.h"

#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/error.h"

enum { WINDOW = 128 << 10 };

int cubby__segscan_open(struct cubby__segscan *s, struct cubby__log *log, uint32_t seg, uint64_t nonce, uint64_t salt, uint64_t pos, uint64_t limit,
                        uint64_t last_commit, uint64_t last_chain, cubby_error *err)
{
    memset(s, 0, sizeof *s);
    s->log = log;
    s->seg = seg;
    s->seed = (struct cubby__seed){salt, nonce};
    s->pos = s->begin = pos;
    s->last_commit = last_commit;
    s->last_chain = last_chain;
    s->err = err;
    uint64_t size = 0;
    int rc = cubby__log_size(log, seg, &size, err);
    s->limit = limit < size ? limit : size;
    return rc;
}

void cubby__segscan_close(struct cubby__segscan *s)
{
    cubby__buf_release(&s->win);
    cubby__buf_release(&s->headers);
    cubby__buf_release(&s->arena);
    cubby__free(s->records);
    s->records = NULL;
}

/* Makes [off, off + n) part of the window, as far as the limit allows; *avail bytes from off are there. */
static int need(struct cubby__segscan *s, uint64_t off, size_t n, const uint8_t **p, size_t *avail)
{
    uint64_t left = off < s->limit ? s->limit - off : 0;
    if (n > left)
        n = (size_t)left;
    if (off < s->win_off || off + n > s->win_off + s->win.len) {
        size_t want = n > WINDOW ? n : WINDOW, got = 0;
        if (want > left)
            want = (size_t)left;
        cubby__buf_clear(&s->win);
        uint8_t *to = cubby__buf_extend(&s->win, want);
        if (!to)
            return cubby__fail_mem(s->err);
        s->win_off = off;
        int rc = cubby__log_pread(s->log, s->seg, to, want, off, &got, s->err);
        s->win.len = rc == 0 ? got : 0;
        if (rc != 0)
            return rc;
    }
    uint64_t in = s->win_off + s->win.len - off;
    *p = s->win.data + (off - s->win_off);
    *avail = in < left ? (size_t)in : (size_t)left;
    return 0;
}

/* The header at off: 0, CUBBY_DONE (zeros), CUBBY_ECORRUPT. *p: what is in the file from there on. */
static int header_at(struct cubby__segscan *s, uint64_t off, struct cubby__frame *f, const uint8_t **p)
{
    size_t avail;
    int rc = need(s, off, CUBBY__PIECE_FRAME_SIZE, p, &avail);
    if (rc == 0)
        rc = cubby__frame_decode(*p, avail, &s->seed, off, f);
    if (rc == 0 && cubby__frame_size(f->type, f->len) > s->limit - off)
        rc = CUBBY_ECORRUPT; /* begins before the limit, would end behind it: s->pos never passes the limit */
    return rc;
}

/* ... and its content: 0, CUBBY_ECORRUPT. */
static int content_at(struct cubby__segscan *s, uint64_t off, const struct cubby__frame *f, const uint8_t **p)
{
    size_t head = cubby__frame_header_size(f->type), avail;
    int rc = need(s, off, head + f->len, p, &avail);
    if (rc == 0 && (avail < head + f->len || cubby__payload_sum(*p + head, f->len, &s->seed, off, f->commit) != f->paysum))
        rc = CUBBY_ECORRUPT;
    return rc;
}

/* Both; but not the content of a piece, if nobody asked for that. */
static int frame_at(struct cubby__segscan *s, uint64_t off, struct cubby__frame *f, const uint8_t **header)
{
    int rc = header_at(s, off, f, header);
    return rc != 0 || (f->type == CUBBY__REC_PIECE && !s->pieces) ? rc : content_at(s, off, f, header);
}

static int gather(struct cubby__segscan *s, const struct cubby__frame *f, const uint8_t *header)
{
    struct cubby__gathered *r = cubby__grow(s->records, s->count, &s->cap, sizeof *r);
    if (!r)
        return cubby__fail_mem(s->err);
    s->records = r;
    r += s->count;
    size_t head = cubby__frame_header_size(f->type);
    *r = (struct cubby__gathered){.type = f->type, .flags = f->flags, .commit = f->commit, .payload = s->arena.len, .piece = f->piece};
    r->place = (struct cubby__place){s->seg, f->len, s->pos};
    cubby__buf_reserve(&s->arena, 1); /* that of an empty record is somewhere, too */
    if (f->type != CUBBY__REC_PIECE)
        cubby__buf_add(&s->arena, header + head, f->len);
    cubby__buf_add(&s->headers, header, head);
    if (s->arena.failed || s->headers.failed)
        return cubby__fail_mem(s->err);
    s->count++;
    return 0;
}

static void forget(struct cubby__segscan *s)
{
    s->count = 0;
    cubby__buf_clear(&s->arena);
    cubby__buf_clear(&s->headers);
    s->begin = s->pos;
}

/* The COMMIT frame at s->pos closes what is gathered, if it is what it says. */
static int close_commit(struct cubby__segscan *s, const struct cubby__frame *f, const uint8_t *payload)
{
    struct cubby__commit c;
    if (cubby__commit_decode(payload, f->len, &c) != 0 || c.durable_through >= f->commit)
        return CUBBY_ECORRUPT;
    cubby__raise(&s->durable, c.durable_through); /* true whatever became of the commit itself */
    cubby__raise(&s->ceiling, c.ceiling);
    if (f->commit <= s->last_commit)
        return CUBBY_ECORRUPT;
    if (!s->adopt) {
        if (c.prev != s->last_commit || c.bytes != s->pos - s->begin || c.chain != cubby__chain(s->last_chain, &s->headers, &s->seed))
            return CUBBY_ECORRUPT;
        for (size_t i = 0; i < s->count; i++)
            if (s->records[i].commit != f->commit)
                return CUBBY_ECORRUPT;
    }
    s->adopt = 0;
    s->head = c;
    s->last_commit = f->commit;
    s->last_chain = c.chain;
    return 0;
}

int cubby__segscan_next(struct cubby__segscan *s)
{
    forget(s);
    for (;;) {
        struct cubby__frame f;
        const uint8_t *header;
        if (s->pos >= s->limit)
            return s->count ? CUBBY_ECORRUPT : CUBBY_DONE;
        int rc = frame_at(s, s->pos, &f, &header);
        if (rc == CUBBY_DONE)
            return s->count ? CUBBY_ECORRUPT : CUBBY_DONE;
        if (rc != 0)
            return rc;
        uint64_t next = s->pos + cubby__frame_size(f.type, f.len);
        if (f.type == CUBBY__REC_PROOF) {
            if (s->count || f.len != CUBBY__PROOF_LEN)
                return CUBBY_ECORRUPT;
            cubby__raise(&s->durable, f.commit);
            s->ceiling = 0; /* whoever stops cleanly leaves nothing lazy behind */
            s->proof_commit = f.commit;
            s->proof_chain = cubby__get64(header + CUBBY__FRAME_SIZE + CUBBY__PROOF_CHAIN_OFF);
            s->pos = s->begin = s->proof_end = next;
            continue;
        }
        if (f.type == CUBBY__REC_DAMAGE) { /* a repair put it where bytes were lost: what is around it stands alone */
            if ((rc = gather(s, &f, header)) == 0) {
                s->pos = next;
                s->adopt = 1;
                if (f.len && header[CUBBY__FRAME_SIZE] == CUBBY__DAMAGE_REST)
                    s->rest_end = next;
            }
            return rc;
        }
        if (f.type == CUBBY__REC_COMMIT) {
            rc = close_commit(s, &f, header + CUBBY__FRAME_SIZE);
            if (rc == 0)
                s->pos = next;
            return rc;
        }
        if ((rc = gather(s, &f, header)) != 0)
            return rc;
        s->pos = next;
    }
}

/* 0: a frame stands at off, its content looked at, a piece's too: a header alone might be what is left of one. CUBBY_DONE, CUBBY_ECORRUPT: none does. *size: to
 * where to look next, behind all that its header claims. */
static int look_at(struct cubby__segscan *s, uint64_t off, uint64_t *size)
{
    struct cubby__frame f;
    const uint8_t *p;
    int rc = header_at(s, off, &f, &p);
    *size = rc == 0 ? cubby__frame_size(f.type, f.len) : CUBBY__FRAME_ALIGN;
    return rc == 0 ? content_at(s, off, &f, &p) : rc;
}

/* What stands within a frame is its content: frames verify where they were written and nowhere else. To look for one there would be of use to nobody, and a
 * forged log could make it take for ever: each header may claim all that follows. */
int cubby__segscan_resync(struct cubby__segscan *s)
{
    uint64_t off = s->pos, size;
    int rc = CUBBY_DONE;
    for (; off + CUBBY__FRAME_SIZE <= s->limit; off = (off + size) & ~(uint64_t)(CUBBY__FRAME_ALIGN - 1)) {
        rc = look_at(s, off, &size);
        if (rc == 0 && off == s->pos)
            rc = CUBBY_ECORRUPT; /* sound, but out of place */
        if (rc != CUBBY_DONE && rc != CUBBY_ECORRUPT)
            break;
        rc = CUBBY_DONE;
    }
    if (rc == 0) {
        s->pos = off;
        s->adopt = 1;
    }
    forget(s);
    return rc;
}

int cubby__segscan_skip(struct cubby__segscan *s, uint8_t *type)
{
    struct cubby__frame f;
    const uint8_t *p;
    *type = 0;
    int rc = header_at(s, s->pos, &f, &p);
    if (rc == CUBBY_ECORRUPT)
        return CUBBY_DONE;
    if (rc == 0)
        rc = content_at(s, s->pos, &f, &p);
    if (rc != CUBBY_ECORRUPT) /* sound, but out of place */
        return rc < 0 ? rc : CUBBY_DONE;
    *type = f.type;
    s->pos += cubby__frame_size(f.type, f.len);
    s->adopt = 1;
    forget(s);
    return 0;
}

int cubby__segscan_follows(struct cubby__log *log, uint64_t salt, const struct cubby__seg_header *h, const struct cubby__seg_end *before, cubby_error *err)
{
    struct cubby__segscan s;
    if (cubby__seg_header_names(h, before))
        return CUBBY__FOLLOWS;
    int rc = cubby__segscan_open(&s, log, h->number, h->nonce, salt, h->frames, UINT64_MAX, before->commit, before->chain, err);
    if (rc == 0)
        rc = cubby__segscan_next(&s);
    int follows = rc == CUBBY_DONE || (rc == 0 && !s.adopt);
    cubby__segscan_close(&s);
    return rc < 0 && rc != CUBBY_ECORRUPT ? rc : follows ? CUBBY__FOLLOWS_UNNAMED : CUBBY__APART;
}

int cubby__segscan_lacks_proof(const struct cubby__segscan *s, const struct cubby__seg_header *h, uint64_t end)
{
    return !s->count && s->pos >= h->proven && s->pos < end && end - s->pos == cubby__frame_size(CUBBY__REC_PROOF, CUBBY__PROOF_LEN);
}

int cubby__segscan_no_room(const struct cubby__segscan *s, uint64_t end)
{
    return end != UINT64_MAX && s->pos <= end && end - s->pos < CUBBY__FRAME_SIZE;
}

int cubby__segscan_at_rest(const struct cubby__segscan *s)
{
    return s->pos == s->rest_end && s->pos == s->limit;
}

int cubby__segscan_nonzero(struct cubby__segscan *s, uint64_t from, uint64_t *off)
{
    *off = UINT64_MAX;
    while (from < s->limit) {
        const uint8_t *p;
        size_t avail;
        int rc = need(s, from, 4096, &p, &avail);
        if (rc != 0)
            return rc;
        if (!avail)
            break;
        if (p[0] || memcmp(p, p + 1, avail - 1) != 0) { /* not all zero */
            while (!*p)
                p++, from++;
            *off = from;
            return 0;
        }
        from += avail;
    }
    return 0;
}
