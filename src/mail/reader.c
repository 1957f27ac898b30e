#include "mail/reader.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "mail/folder_row.h"
#include "mail/row.h"
#include "mail/walk.h"

/* Says in the detail which message it was. */
static int blame(struct cubby__msgreader *r, int rc)
{
    cubby_error *err = r->fetch.view->err;
    if (rc != CUBBY_ECORRUPT || !err)
        return rc;
    size_t n = strlen(err->message);
    snprintf(err->message + n, sizeof err->message - n, " (folder %llu uid %u)", (unsigned long long)r->folder, r->uid);
    return rc;
}

static int find_row(struct cubby__view *view, uint64_t folder, uint32_t uid, struct cubby__message_row *row)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row f;
    int rc = cubby__folder_row_need(view, folder, buf, &f);
    return rc ? rc : cubby__message_row_get(view, folder, uid, row);
}

int cubby__msgreader_open(struct cubby__msgreader *r, struct cubby__view *view, uint64_t folder, uint32_t uid)
{
    struct cubby__message_row row;
    int rc = find_row(view, folder, uid, &row);
    if (rc)
        return rc;
    memset(r, 0, sizeof *r);
    cubby__fetch_init(&r->fetch, view);
    r->folder = folder;
    r->uid = uid;
    rc = blame(r, cubby__fetch_object(&r->fetch, row.object, &row.place));
    if (rc)
        cubby__msgreader_close(r);
    return rc;
}

void cubby__msgreader_close(struct cubby__msgreader *r)
{
    cubby__fetch_release(&r->fetch);
    cubby__free(r->refs);
    cubby__free(r->ends);
    cubby__free(r->cache);
    r->refs = NULL;
    r->ends = NULL;
    r->cache = NULL;
    r->cached = 0;
}

static int map_pieces(struct cubby__msgreader *r)
{
    const struct cubby__object *o = &r->fetch.object;
    if (r->refs)
        return 0;
    struct cubby__piece_ref *refs = cubby__malloc(o->piece_count * sizeof *refs);
    uint64_t *ends = cubby__malloc(o->piece_count * sizeof *ends);
    if (!refs || !ends) {
        cubby__free(refs);
        cubby__free(ends);
        return cubby__fail_mem(r->fetch.view->err);
    }
    uint64_t end = o->stored_header;
    size_t pos = 0;
    for (size_t i = 0; cubby__object_piece(o, &pos, &refs[i]); i++)
        ends[i] = end += refs[i].orig_len;
    r->refs = refs;
    r->ends = ends;
    return 0;
}

/* The piece that holds the byte at offset, which lies behind the header and before the end. */
static size_t piece_at(const struct cubby__msgreader *r, uint64_t offset)
{
    size_t low = 0, high = r->fetch.object.piece_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (r->ends[mid] <= offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int load_piece(struct cubby__msgreader *r, size_t i)
{
    if (r->cached == i + 1)
        return 0;
    if (!r->cache && !(r->cache = cubby__malloc(CUBBY__PIECE_MAX)))
        return cubby__fail_mem(r->fetch.view->err);
    r->cached = 0;
    int rc = cubby__fetch_piece(&r->fetch, &r->refs[i], CUBBY__PIECE_BODY, r->cache);
    if (!rc)
        r->cached = i + 1;
    return rc;
}

static int read_header(struct cubby__msgreader *r, uint64_t offset, uint8_t *buf, size_t n, size_t *got)
{
    const uint8_t *header;
    size_t len;
    if (offset >= r->fetch.object.stored_header)
        return 0;
    int rc = cubby__fetch_header(&r->fetch, &header, &len);
    if (rc)
        return rc;
    *got = len - offset < n ? (size_t)(len - offset) : n;
    memcpy(buf, header + offset, *got);
    return 0;
}

/* Bytes of piece i from offset on. A whole piece goes straight to the caller. */
static int read_piece(struct cubby__msgreader *r, size_t i, uint64_t offset, uint8_t *buf, size_t n, size_t *took)
{
    const struct cubby__piece_ref *ref = &r->refs[i];
    size_t skip = (size_t)(offset - (r->ends[i] - ref->orig_len));
    *took = ref->orig_len - skip < n ? ref->orig_len - skip : n;
    if (*took == ref->orig_len && r->cached != i + 1)
        return cubby__fetch_piece(&r->fetch, ref, CUBBY__PIECE_BODY, buf);
    int rc = load_piece(r, i);
    if (!rc)
        memcpy(buf, r->cache + skip, *took);
    return rc;
}

static int read_range(struct cubby__msgreader *r, uint64_t offset, uint8_t *buf, size_t n, size_t *got)
{
    int rc = read_header(r, offset, buf, n, got);
    if (rc || *got == n)
        return rc;
    rc = map_pieces(r);
    for (size_t i = rc ? 0 : piece_at(r, offset + *got); !rc && *got < n; i++) {
        size_t took;
        rc = read_piece(r, i, offset + *got, buf + *got, n - *got, &took);
        if (!rc)
            *got += took;
    }
    return rc;
}

int cubby__msgreader_read(struct cubby__msgreader *r, uint64_t offset, void *buf, size_t n, size_t *got)
{
    uint64_t size = r->fetch.object.size;
    *got = 0;
    if (!n || offset >= size)
        return 0;
    return blame(r, read_range(r, offset, buf, size - offset < n ? (size_t)(size - offset) : n, got));
}

static int hash_all(struct cubby__msgreader *r, struct cubby__hasher *h)
{
    const uint8_t *header;
    size_t len;
    int rc = cubby__fetch_header(&r->fetch, &header, &len);
    if (rc)
        return rc;
    cubby__hasher_add(h, header, len);
    rc = map_pieces(r);
    for (size_t i = 0; !rc && i < r->fetch.object.piece_count; i++)
        if (!(rc = load_piece(r, i)))
            cubby__hasher_add(h, r->cache, r->refs[i].orig_len);
    return rc;
}

int cubby__msgreader_verify(struct cubby__msgreader *r)
{
    struct cubby__hasher *h = cubby__hasher_new();
    if (!h)
        return cubby__fail_mem(r->fetch.view->err);
    int rc = hash_all(r, h);
    struct cubby__hash128 sum = cubby__hasher_end(h);
    cubby__hasher_free(&h);
    r->mismatch = !rc && memcmp(sum.b, r->fetch.object.hash, sizeof sum.b);
    if (r->mismatch)
        rc = cubby__fetch_corrupt(r->fetch.view, &r->fetch.place, "the bytes are not those that came in: object", r->fetch.object.id);
    return blame(r, rc);
}

int cubby__msgreader_parts(struct cubby__msgreader *r, const cubby_part **parts, size_t *count)
{
    return blame(r, cubby__fetch_parts(&r->fetch, parts, count));
}
