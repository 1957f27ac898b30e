/* meta.c - the two meta slots: checkpoint number s stands in slot s % 2, and the higher one that verifies counts. A new file has a label in the first
 * slot, with number 0: it says which file this is, and is no checkpoint. */
#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "tree/pager.h"

enum slot_state { SLOT_EMPTY, SLOT_BAD, SLOT_VERSION, SLOT_LABEL, SLOT_GOOD };

static void decode(const uint8_t *s, struct cubby__meta *m)
{
    m->nonce = cubby__get64(s + CUBBY__META_NONCE_OFF);
    m->seq = cubby__get64(s + CUBBY__META_SEQ_OFF);
    m->commit = cubby__get64(s + CUBBY__META_COMMIT_OFF);
    m->chain = cubby__get64(s + CUBBY__META_CHAIN_OFF);
    m->seg = cubby__get32(s + CUBBY__META_SEG_OFF);
    m->seg_nonce = cubby__get64(s + CUBBY__META_SEG_NONCE_OFF);
    m->seg_end = cubby__get64(s + CUBBY__META_SEG_END_OFF);
    m->pages = cubby__get64(s + CUBBY__META_PAGES_OFF);
    m->ceiling = cubby__get64(s + CUBBY__META_CEILING_OFF);
    m->root.page = cubby__get64(s + CUBBY__META_ROOT_OFF);
    m->root.sum = cubby__get64(s + CUBBY__META_ROOT_SUM_OFF);
    m->root.level = cubby__get32(s + CUBBY__META_LEVEL_OFF);
    m->root.commit = m->commit;
}

static void encode(const struct cubby__pager *p, const struct cubby__meta *m, uint8_t *s)
{
    memcpy(s + CUBBY__META_MAGIC_OFF, CUBBY__META_MAGIC, 8);
    cubby__put32(s + CUBBY__META_VERSION_OFF, CUBBY__FORMAT_VERSION);
    cubby__put32(s + CUBBY__META_LEVEL_OFF, m->root.level);
    memcpy(s + CUBBY__META_UUID_OFF, p->uuid, sizeof p->uuid);
    cubby__put64(s + CUBBY__META_NONCE_OFF, m->nonce);
    cubby__put64(s + CUBBY__META_SEQ_OFF, m->seq);
    cubby__put64(s + CUBBY__META_COMMIT_OFF, m->commit);
    cubby__put64(s + CUBBY__META_CHAIN_OFF, m->chain);
    cubby__put32(s + CUBBY__META_SEG_OFF, m->seg);
    cubby__put64(s + CUBBY__META_SEG_NONCE_OFF, m->seg_nonce);
    cubby__put64(s + CUBBY__META_SEG_END_OFF, m->seg_end);
    cubby__put64(s + CUBBY__META_ROOT_OFF, m->root.page);
    cubby__put64(s + CUBBY__META_ROOT_SUM_OFF, m->root.sum);
    cubby__put64(s + CUBBY__META_PAGES_OFF, m->pages);
    cubby__put64(s + CUBBY__META_CEILING_OFF, m->ceiling);
    cubby__put64(s + CUBBY__META_CHECKSUM_OFF, cubby__hash64(s, CUBBY__META_CHECKSUM_OFF, p->salt));
}

/* What a meta slot says must make sense: reading and writing rely on it. */
static int sensible(const struct cubby__meta *m)
{
    const struct cubby__root *r = &m->root;
    if (m->pages < CUBBY__META_SLOTS || m->commit > CUBBY__NUMBER_MAX || m->ceiling > CUBBY__NUMBER_MAX)
        return 0;
    if (r->page == 0)
        return r->sum == 0 && r->level == 0;
    return r->page >= CUBBY__META_SLOTS && r->page < m->pages && r->sum != 0 && r->level < CUBBY__TREE_DEPTH_MAX;
}

static enum slot_state check_slot(const struct cubby__pager *p, const uint8_t *s, unsigned slot, struct cubby__meta *out)
{
    if (cubby__all_zero(s, CUBBY__META_SIZE))
        return SLOT_EMPTY;
    if (memcmp(s + CUBBY__META_MAGIC_OFF, CUBBY__META_MAGIC, 8) != 0)
        return SLOT_BAD;
    if (cubby__get64(s + CUBBY__META_CHECKSUM_OFF) != cubby__hash64(s, CUBBY__META_CHECKSUM_OFF, p->salt))
        return SLOT_BAD;
    if (cubby__get32(s + CUBBY__META_VERSION_OFF) != CUBBY__FORMAT_VERSION)
        return SLOT_VERSION;
    decode(s, out);
    if (memcmp(s + CUBBY__META_UUID_OFF, p->uuid, sizeof p->uuid) != 0 || out->seq % CUBBY__META_SLOTS != slot || !sensible(out))
        return SLOT_BAD;
    return out->seq ? SLOT_GOOD : SLOT_LABEL;
}

void cubby__meta_label(const struct cubby__pager *p, uint8_t *page)
{
    struct cubby__meta m = {.nonce = p->nonce, .pages = CUBBY__META_SLOTS};
    encode(p, &m, page);
}

/* Bytes behind the end of the file are zero. */
static int read_slot(struct cubby__pager *p, unsigned slot, uint8_t *s, cubby_error *err)
{
    memset(s, 0, CUBBY__META_SIZE);
    uint64_t offset = (uint64_t)slot * CUBBY__PAGE_SIZE;
    int64_t n = p->vfs->pread(p->vfs->ctx, p->file, s, CUBBY__META_SIZE, offset);
    return n >= 0 ? 0 : cubby__fail_io(err, (int)n, p->path, offset, "read");
}

/* Pages behind the end of the file hold nothing; a forged number of them must not decide how much memory is taken. */
static int bound_pages(struct cubby__pager *p, struct cubby__meta *m, cubby_error *err)
{
    cubby_vfs_stat st;
    int rc = cubby__pager_fstat(p, &st, err);
    if (rc != 0)
        return rc;
    uint64_t held = (st.size + CUBBY__PAGE_SIZE - 1) / CUBBY__PAGE_SIZE;
    if (m->pages > held)
        m->pages = held > CUBBY__META_SLOTS ? held : CUBBY__META_SLOTS;
    return 0;
}

/* Readers look at it without a lock: in an index that is in use it is already the same, and is not written again. */
static void set_nonce(struct cubby__pager *p, uint64_t nonce)
{
    if (p->nonce != nonce)
        p->nonce = nonce;
}

int cubby__meta_read(struct cubby__pager *p, struct cubby__meta *out, cubby_error *err)
{
    struct cubby__meta best = {0}, other = {0};
    uint64_t label = 0;
    int seen[SLOT_GOOD + 1] = {0};
    for (unsigned slot = 0; p->file && slot < CUBBY__META_SLOTS; slot++) {
        uint8_t s[CUBBY__META_SIZE];
        struct cubby__meta m = {0};
        int rc = read_slot(p, slot, s, err);
        if (rc != 0)
            return rc;
        enum slot_state state = check_slot(p, s, slot, &m);
        if (state == SLOT_GOOD && (!seen[SLOT_GOOD] || m.seq > best.seq)) {
            other = best;
            best = m;
        } else if (state == SLOT_GOOD) {
            other = m;
        } else if (state == SLOT_LABEL) {
            label = m.nonce;
        }
        seen[state]++;
    }
    if (seen[SLOT_VERSION])
        return cubby__fail(err, CUBBY_EVERSION, p->path, 0, "an index of another format version");
    if (!seen[SLOT_GOOD] && seen[SLOT_BAD])
        return cubby__fail(err, CUBBY_ECORRUPT, p->path, 0, "no meta slot of the index verifies");
    if (!seen[SLOT_GOOD]) {
        *out = (struct cubby__meta){.nonce = label};
        set_nonce(p, seen[SLOT_LABEL] ? label : p->nonce);
        return CUBBY_DONE;
    }
    int rc = bound_pages(p, &best, err);
    if (rc != 0)
        return rc;
    set_nonce(p, best.nonce);
    if (atomic_load_explicit(&p->alloc.pages, memory_order_relaxed) < best.pages)
        atomic_store_explicit(&p->alloc.pages, best.pages, memory_order_relaxed);
    *out = best;
    out->bad_slots = seen[SLOT_BAD];
    if (other.nonce == best.nonce)
        out->older = other.root;
    return 0;
}

int cubby__pager_sync(struct cubby__pager *p, cubby_error *err)
{
    int rc = p->vfs->sync(p->vfs->ctx, p->file);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, p->path, CUBBY__NO_OFFSET, "sync");
}

int cubby__meta_write(struct cubby__pager *p, const struct cubby__meta *meta, cubby_error *err)
{
    uint8_t page[CUBBY__PAGE_SIZE] = {0};
    struct cubby__meta m = *meta;
    m.root.commit = m.commit;
    if (!p->writable || !sensible(&m))
        return cubby__fail(err, CUBBY_EINVAL, p->path, CUBBY__NO_OFFSET, "not a checkpoint that can be written");
    encode(p, &m, page);
    int rc = cubby__pager_sync(p, err); /* the pages before the slot that names them */
    if (rc != 0)
        return rc;
    uint64_t offset = m.seq % CUBBY__META_SLOTS * CUBBY__PAGE_SIZE;
    rc = p->vfs->pwrite(p->vfs->ctx, p->file, page, sizeof page, offset);
    if (rc != 0)
        return cubby__fail_io(err, rc, p->path, offset, "write");
    return cubby__pager_sync(p, err); /* the slot before the pages of the checkpoint before it are used again */
}
