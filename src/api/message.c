/* message.c - cubby_message_...: a message on its way in. */
#include "api/api.h"
#include "base/alloc.h"

static int usable(const cubby_message *m)
{
    return m && cubby__api_usable(m->store);
}

int cubby_message_new(cubby_store *store, cubby_message **out)
{
    cubby_error err = {0};
    if (!cubby__api_usable(store) || !out)
        return cubby__api_invalid(store, "no store, or nowhere to put the message");
    cubby_message *m = cubby__malloc(sizeof *m);
    if (!m)
        return cubby__api_nomem(store);
    m->store = store;
    int rc = cubby__incoming_new(store->s, &m->in, &err);
    if (rc) {
        cubby__free(m);
        return cubby__api_end(store, &err, rc);
    }
    *out = m;
    return 0;
}

int cubby_message_write(cubby_message *m, const void *data, size_t n)
{
    cubby_error err = {0};
    if (!usable(m) || (!data && n)) /* the spool of a forked child is its parent's */
        return cubby__api_invalid(m ? m->store : NULL, "no message, or no bytes");
    return cubby__api_end(m->store, &err, cubby__incoming_write(m->in, data, n, &err));
}

int cubby_message_finish(cubby_message *m)
{
    cubby_error err = {0};
    return usable(m) ? cubby__api_end(m->store, &err, cubby__incoming_finish(m->in, &err)) : CUBBY_EINVAL;
}

static int finished(const cubby_message *m)
{
    return m && cubby__incoming_finished(m->in);
}

uint64_t cubby_message_size(const cubby_message *m)
{
    return finished(m) ? cubby__incoming_object(m->in)->size : 0;
}

const uint8_t *cubby_message_hash(const cubby_message *m)
{
    return finished(m) ? cubby__incoming_object(m->in)->hash : NULL;
}

const char *cubby_message_list_header(const cubby_message *m, size_t *len)
{
    if (len)
        *len = 0;
    return finished(m) && len ? (const char *)cubby__incoming_list(m->in, len) : NULL;
}

void cubby_message_reset(cubby_message *m)
{
    if (m)
        cubby__incoming_reset(m->in);
}

void cubby_message_free(cubby_message **m)
{
    if (!m || !*m)
        return;
    cubby__incoming_free(&(*m)->in);
    cubby__free(*m);
    *m = NULL;
}
