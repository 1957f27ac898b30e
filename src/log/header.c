#include "log/header.h"

#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"

void cubby__floors_encode(const struct cubby__floors *f, uint8_t out[64])
{
    const uint64_t v[8] = {f->commit, f->object, f->piece, f->folder, f->keyword, f->uidvalidity, f->thread, f->reserved};
    for (int i = 0; i < 8; i++)
        cubby__put64(out + 8 * i, v[i]);
}

void cubby__floors_decode(const uint8_t *p, struct cubby__floors *out)
{
    uint64_t v[8];
    for (int i = 0; i < 8; i++)
        v[i] = cubby__get64(p + 8 * i);
    *out = (struct cubby__floors){v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]};
}

int cubby__floors_fit(const struct cubby__floors *f)
{
    const uint64_t v[] = {f->commit, f->object, f->piece, f->folder, f->keyword, f->uidvalidity, f->thread};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++)
        if (v[i] > CUBBY__NUMBER_MAX)
            return 0;
    return 1;
}

void cubby__seg_header_release(struct cubby__seg_header *h)
{
    cubby__buf_release(&h->defs);
}

static size_t copy_size(size_t defs_len)
{
    size_t n = CUBBY__SEG_HEADER_FIXED + defs_len;
    return (n + CUBBY__SEG_HEADER_ALIGN - 1) & ~(size_t)(CUBBY__SEG_HEADER_ALIGN - 1);
}

uint64_t cubby__seg_header_size(size_t defs_len)
{
    return 2 * (uint64_t)copy_size(defs_len);
}

/* Of the whole copy but the 8 bytes of the checksum itself. */
static uint64_t copy_sum(const uint8_t *p, size_t size)
{
    uint64_t first = cubby__hash64(p, CUBBY__SEG_CHECKSUM_OFF, 0);
    return cubby__hash64(p + CUBBY__SEG_HEADER_FIXED, size - CUBBY__SEG_HEADER_FIXED, first);
}

static void encode_copy(const struct cubby__seg_header *h, uint8_t *p, size_t size, uint32_t copy)
{
    memset(p, 0, size);
    memcpy(p + CUBBY__SEG_MAGIC_OFF, CUBBY__SEG_MAGIC, 8);
    cubby__put32(p + CUBBY__SEG_HEADER_LEN_OFF, (uint32_t)size);
    cubby__put32(p + CUBBY__SEG_COPY_OFF, copy);
    cubby__ident_encode(&h->ident, p + CUBBY__SEG_ID_OFF);
    cubby__put32(p + CUBBY__SEG_NUMBER_OFF, h->number);
    cubby__put32(p + CUBBY__SEG_KIND_OFF, h->kind);
    cubby__put64(p + CUBBY__SEG_NONCE_OFF, h->nonce);
    cubby__put32(p + CUBBY__SEG_PRED_OFF, h->pred);
    cubby__put64(p + CUBBY__SEG_PRED_NONCE_OFF, h->pred_nonce);
    cubby__put64(p + CUBBY__SEG_PRED_END_OFF, h->pred_end);
    cubby__put64(p + CUBBY__SEG_LAST_COMMIT_OFF, h->last_commit);
    cubby__put64(p + CUBBY__SEG_LAST_CHAIN_OFF, h->last_chain);
    cubby__put64(p + CUBBY__SEG_PROVEN_OFF, h->proven);
    cubby__put64(p + CUBBY__SEG_PROVEN_COMMIT_OFF, h->proven_commit);
    cubby__floors_encode(&h->floors, p + CUBBY__SEG_FLOORS_OFF);
    cubby__put64(p + CUBBY__SEG_CREATED_OFF, (uint64_t)h->created_ns);
    cubby__put32(p + CUBBY__SEG_DEFS_LEN_OFF, (uint32_t)h->defs.len);
    if (h->defs.len)
        memcpy(p + CUBBY__SEG_HEADER_FIXED, h->defs.data, h->defs.len);
    cubby__put64(p + CUBBY__SEG_CHECKSUM_OFF, copy_sum(p, size));
}

static int numbers_fit(const struct cubby__seg_header *h)
{
    return h->last_commit <= CUBBY__NUMBER_MAX && h->proven_commit <= CUBBY__NUMBER_MAX && cubby__floors_fit(&h->floors);
}

int cubby__seg_header_encode(struct cubby__seg_header *h, struct cubby__buf *out)
{
    size_t size = copy_size(h->defs.len);
    if (size < h->copy_min)
        size = (h->copy_min + CUBBY__SEG_HEADER_ALIGN - 1) & ~(size_t)(CUBBY__SEG_HEADER_ALIGN - 1);
    if (size > CUBBY__SEG_HEADER_MAX || !numbers_fit(h))
        return CUBBY_ELIMIT;
    uint8_t *p = cubby__buf_extend(out, 2 * size);
    if (!p)
        return CUBBY_ENOMEM;
    encode_copy(h, p, size, 0);
    encode_copy(h, p + size, size, 1);
    h->frames = 2 * (uint64_t)size;
    return 0;
}

/* What a header must be, beside being sound: a copy that another store or segment left here is none of this one. */
struct expected {
    const struct cubby__ident *store; /* NULL: any */
    uint32_t number;
};

static int check_expected(const struct expected *want, const struct cubby__seg_header *h, const char *path, uint64_t off, cubby_error *err)
{
    if (!want->store)
        return 0;
    if (memcmp(h->ident.uuid, want->store->uuid, sizeof h->ident.uuid) != 0)
        return cubby__fail(err, CUBBY_ECORRUPT, path, off + CUBBY__SEG_ID_OFF, "this segment belongs to another store");
    if (h->number != want->number)
        return cubby__fail(err, CUBBY_ECORRUPT, path, off + CUBBY__SEG_NUMBER_OFF, "this is segment %u under another's name", h->number);
    return 0;
}

/* p holds `size` bytes that claim to be a copy of that size. */
static int decode_copy(const uint8_t *p, size_t size, struct cubby__seg_header *h, const char *path, uint64_t off, cubby_error *err)
{
    if (cubby__get64(p + CUBBY__SEG_CHECKSUM_OFF) != copy_sum(p, size))
        return cubby__fail(err, CUBBY_ECORRUPT, path, off, "the segment header does not match its checksum");
    int rc = cubby__ident_decode(p + CUBBY__SEG_ID_OFF, &h->ident, path, off + CUBBY__SEG_ID_OFF, err);
    if (rc != 0)
        return rc;
    h->number = cubby__get32(p + CUBBY__SEG_NUMBER_OFF);
    h->kind = cubby__get32(p + CUBBY__SEG_KIND_OFF);
    h->nonce = cubby__get64(p + CUBBY__SEG_NONCE_OFF);
    h->pred = cubby__get32(p + CUBBY__SEG_PRED_OFF);
    h->pred_nonce = cubby__get64(p + CUBBY__SEG_PRED_NONCE_OFF);
    h->pred_end = cubby__get64(p + CUBBY__SEG_PRED_END_OFF) & ~(uint64_t)(CUBBY__FRAME_ALIGN - 1); /* that of a file that was cut is anywhere: no frame ends there */
    h->last_commit = cubby__get64(p + CUBBY__SEG_LAST_COMMIT_OFF);
    h->last_chain = cubby__get64(p + CUBBY__SEG_LAST_CHAIN_OFF);
    h->proven = cubby__get64(p + CUBBY__SEG_PROVEN_OFF);
    h->proven_commit = cubby__get64(p + CUBBY__SEG_PROVEN_COMMIT_OFF);
    cubby__floors_decode(p + CUBBY__SEG_FLOORS_OFF, &h->floors);
    h->created_ns = (int64_t)cubby__get64(p + CUBBY__SEG_CREATED_OFF);
    uint32_t retired = cubby__get32(p + CUBBY__SEG_RETIRED_COUNT_OFF), defs = cubby__get32(p + CUBBY__SEG_DEFS_LEN_OFF);
    if (h->kind != CUBBY__SEG_LOG || retired > size / 8 || defs > size || CUBBY__SEG_HEADER_FIXED + (size_t)retired * 8 + defs > size)
        return cubby__fail(err, CUBBY_ECORRUPT, path, off, "the segment header's lengths do not fit into it");
    if (!numbers_fit(h))
        return cubby__fail(err, CUBBY_ECORRUPT, path, off, "the segment header says numbers above 2^63 - 1");
    cubby__buf_clear(&h->defs);
    cubby__buf_add(&h->defs, p + CUBBY__SEG_HEADER_FIXED + (size_t)retired * 8, defs);
    h->frames = 2 * (uint64_t)size;
    return h->defs.failed ? cubby__fail_mem(err) : 0;
}

/* A copy that should begin at off; copy says which one it must be. */
static int read_copy(const cubby_vfs *vfs, cubby_file *f, const char *path, uint64_t off, uint32_t copy, const struct expected *want,
                     struct cubby__seg_header *h, cubby_error *err)
{
    uint8_t fixed[CUBBY__SEG_HEADER_FIXED];
    int64_t got = vfs->pread(vfs->ctx, f, fixed, sizeof fixed, off);
    if (got < 0)
        return cubby__fail_io(err, (int)got, path, off, "reading the segment header");
    uint32_t size = got == (int64_t)sizeof fixed ? cubby__get32(fixed + CUBBY__SEG_HEADER_LEN_OFF) : 0;
    if (got < (int64_t)sizeof fixed || memcmp(fixed, CUBBY__SEG_MAGIC, 8) != 0 || size < sizeof fixed || size > CUBBY__SEG_HEADER_MAX ||
        size % CUBBY__SEG_HEADER_ALIGN || cubby__get32(fixed + CUBBY__SEG_COPY_OFF) != copy || (copy == 1 && off != size))
        return cubby__fail(err, CUBBY_ECORRUPT, path, off, "no segment header here");
    uint8_t *p = cubby__malloc(size);
    if (!p)
        return cubby__fail_mem(err);
    got = vfs->pread(vfs->ctx, f, p, size, off);
    int rc = got < 0 ? cubby__fail_io(err, (int)got, path, off, "reading the segment header")
             : got < (int64_t)size ? cubby__fail(err, CUBBY_ECORRUPT, path, off, "the segment header is cut off")
                                   : decode_copy(p, size, h, path, off, err);
    cubby__free(p);
    return rc == 0 ? check_expected(want, h, path, off, err) : rc;
}

/* Bytes that do not verify, or a bad sector: the other copy is there for that. Anything else says nothing of the copy. */
static int may_be_one_copy(int rc)
{
    return rc == CUBBY_ECORRUPT || rc == CUBBY_EIO;
}

static int read_header(const cubby_vfs *vfs, cubby_file *f, const char *path, const struct expected *want, struct cubby__seg_header *out, cubby_error *err)
{
    memset(out, 0, sizeof *out);
    int rc = read_copy(vfs, f, path, 0, 0, want, out, err);
    if (rc == 0) {
        struct cubby__seg_header second = {0};
        rc = read_copy(vfs, f, path, out->frames / 2, 1, want, &second, err);
        cubby__seg_header_release(&second);
        out->damaged_copies = rc != 0;
        if (rc == 0 || may_be_one_copy(rc) || rc == CUBBY_EVERSION)
            return 0;
        goto fail;
    }
    out->damaged_copies = 1;
    if (!may_be_one_copy(rc))
        goto fail;
    /* The first copy's length is gone with it: look for the second in steps of a sector. */
    for (uint64_t off = CUBBY__SEG_HEADER_ALIGN; off <= CUBBY__SEG_HEADER_MAX; off += CUBBY__SEG_HEADER_ALIGN) {
        uint8_t magic[16];
        int64_t got = vfs->pread(vfs->ctx, f, magic, sizeof magic, off);
        if (got < 0) { /* what cannot be read is not damaged */
            rc = cubby__fail_io(err, (int)got, path, off, "reading the segment header");
            break;
        }
        if (got < (int64_t)sizeof magic)
            break;
        if (memcmp(magic, CUBBY__SEG_MAGIC, 8) != 0)
            continue;
        int second = read_copy(vfs, f, path, off, 1, want, out, NULL);
        if (second == 0)
            return 0;
        if (second != CUBBY_ECORRUPT && second != CUBBY_EVERSION) {
            rc = cubby__fail(err, second, path, off, "the second copy of the segment header could not be read");
            break;
        }
    }
fail:
    cubby__seg_header_release(out);
    return rc;
}

int cubby__seg_header_read(const cubby_vfs *vfs, cubby_file *f, const char *path, struct cubby__seg_header *out, cubby_error *err)
{
    const struct expected any = {NULL, 0};
    return read_header(vfs, f, path, &any, out, err);
}

int cubby__seg_header_read_of(const cubby_vfs *vfs, cubby_file *f, const char *path, const struct cubby__ident *store, uint32_t number,
                              struct cubby__seg_header *out, cubby_error *err)
{
    const struct expected want = {store, number};
    return read_header(vfs, f, path, &want, out, err);
}

int cubby__seg_header_names(const struct cubby__seg_header *h, const struct cubby__seg_end *before)
{
    if (!before->number || h->pred != before->number || before->commit == before->began)
        return 1;
    if (h->pred_nonce != before->nonce)
        return 0;
    return !h->last_chain || before->unsure || (h->last_commit == before->commit && h->last_chain == before->chain);
}
