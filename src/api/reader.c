/* reader.c - cubby_reader_...: the bytes of one message. */
#include "mail/reader.h"

#include "api/api.h"
#include "base/alloc.h"

struct cubby_reader {
    cubby_snapshot *snap;
    struct cubby__msgreader body;
};

static int usable(const cubby_reader *r)
{
    return r && cubby__api_readable(r->snap);
}

static int end(cubby_reader *r, int rc)
{
    return cubby__api_end(r->snap->store, r->snap->view->err, rc);
}

int cubby_reader_open(cubby_snapshot *snap, uint64_t folder, uint32_t uid, cubby_reader **out)
{
    if (!cubby__api_readable(snap) || !out)
        return cubby__api_invalid(snap ? snap->store : NULL, "no snapshot, or nowhere to put the reader");
    cubby_reader *r = cubby__malloc(sizeof *r);
    if (!r)
        return cubby__api_nomem(snap->store);
    r->snap = snap;
    int rc = cubby__msgreader_open(&r->body, snap->view, folder, uid);
    if (rc) {
        cubby__free(r);
        return cubby__api_end(snap->store, snap->view->err, rc);
    }
    *out = r;
    return 0;
}

uint64_t cubby_reader_size(const cubby_reader *r)
{
    return r ? r->body.fetch.object.size : 0;
}

const uint8_t *cubby_reader_hash(const cubby_reader *r)
{
    return r ? r->body.fetch.object.hash : NULL;
}

const cubby_part *cubby_reader_parts(const cubby_reader *r, size_t *count)
{
    const cubby_part *parts;
    size_t n;
    if (count)
        *count = 0;
    /* Made at the first call: what the caller sees of the reader does not change. */
    if (!usable(r) || !count || end((cubby_reader *)r, cubby__msgreader_parts(&((cubby_reader *)r)->body, &parts, &n)))
        return NULL;
    *count = n;
    return parts;
}

int cubby_reader_read(cubby_reader *r, uint64_t offset, void *buf, size_t n, size_t *got)
{
    if (!usable(r) || !got || (!buf && n))
        return cubby__api_invalid(r ? r->snap->store : NULL, "no reader, or nowhere to put the bytes");
    return end(r, cubby__msgreader_read(&r->body, offset, buf, n, got));
}

int cubby_reader_verify(cubby_reader *r)
{
    return usable(r) ? end(r, cubby__msgreader_verify(&r->body)) : CUBBY_EINVAL;
}

void cubby_reader_close(cubby_reader **r)
{
    if (!r || !*r)
        return;
    cubby__msgreader_close(&(*r)->body);
    cubby__free(*r);
    *r = NULL;
}
