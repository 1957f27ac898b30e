/* misc.c - what belongs to no handle, and the error record that all handles share. */
#include <string.h>

#include "api/api.h"
#include "base/error.h"
#include "mail/name.h"
#include "mime/header.h"

#define TEXT2(x) #x
#define TEXT(x)  TEXT2(x)

const char *cubby_version(void)
{
    return TEXT(CUBBY_VERSION_MAJOR) "." TEXT(CUBBY_VERSION_MINOR) "." TEXT(CUBBY_VERSION_PATCH);
}

const char *cubby_strerror(int code)
{
    static const char *const text[] = {
        "success",
        "input/output error",
        "the store is damaged here",
        "no such store, folder or message",
        "exists already",
        "invalid argument",
        "limit exceeded",
        "the store is busy",
        "the snapshot is too old",
        "no space left",
        "out of memory",
        "not permitted",
        "not a cubby store",
        "unsupported store version",
        "a write or sync of the log has just failed",
        "the outcome of the commit is unknown",
        "the folder has subfolders",
        "cancelled",
        "conflict with the present state",
    };
    if (code == CUBBY_DONE)
        return "nothing more";
    return code <= 0 && code > -(int)(sizeof text / sizeof *text) ? text[-code] : "unknown error";
}

int cubby__api_usable(const cubby_store *store)
{
    return store && !cubby__is_child(store->s);
}

int cubby__api_readable(const cubby_snapshot *snap)
{
    return snap && cubby__api_usable(snap->store);
}

int cubby__api_end(cubby_store *store, const cubby_error *err, int rc)
{
    if (rc >= 0 || !cubby__api_usable(store))
        return rc;
    pthread_mutex_lock(&store->mutex);
    if (err && err->code == rc)
        store->last = *err;
    else
        cubby__fail(&store->last, rc, NULL, CUBBY__NO_OFFSET, "%s", cubby_strerror(rc));
    pthread_mutex_unlock(&store->mutex);
    return rc;
}

int cubby__api_invalid(cubby_store *store, const char *what)
{
    cubby_error err;
    return cubby__api_end(store, &err, cubby__fail(&err, CUBBY_EINVAL, NULL, CUBBY__NO_OFFSET, "%s", what));
}

int cubby__api_nomem(cubby_store *store)
{
    cubby_error err;
    return cubby__api_end(store, &err, cubby__fail_mem(&err));
}

int cubby_header_next(const char *header, size_t header_len, size_t *pos, const char **name, size_t *name_len, const char **value, size_t *value_len)
{
    struct cubby__field f;
    if (!pos || !name || !name_len || !value || !value_len)
        return CUBBY_EINVAL;
    if (!header)
        return header_len ? CUBBY_EINVAL : CUBBY_DONE;
    do {
        if (!cubby__field_next((const uint8_t *)header, header_len, pos, &f))
            return CUBBY_DONE;
    } while (!f.name_len);
    size_t end = f.end;
    if (end > f.value && header[end - 1] == '\n')
        end -= end - 1 > f.value && header[end - 2] == '\r' ? 2 : 1;
    *name = header + f.start;
    *name_len = f.name_len;
    *value = header + f.value;
    *value_len = end - f.value;
    return 0;
}

int cubby_is_list_field(const char *name, size_t name_len)
{
    return name ? cubby__is_list_field(name, name_len) : 0;
}

int cubby_folder_name(uint64_t parent, const char *name, size_t name_len, char *out, size_t *out_len)
{
    struct cubby__name made;
    int rc = out && out_len ? cubby__name_make(parent, name, name_len, &made) : CUBBY_EINVAL;
    if (out_len)
        *out_len = rc == 0 ? made.len : 0;
    if (rc == 0)
        memcpy(out, made.bytes, made.len + 1);
    return rc;
}

int cubby_date_parse(const char *text, size_t len, int64_t *seconds, int16_t *zone_minutes)
{
    int64_t when;
    int16_t zone;
    if (!text || cubby__date_parse(text, len, &when, &zone))
        return CUBBY_EINVAL;
    if (seconds)
        *seconds = when;
    if (zone_minutes)
        *zone_minutes = zone;
    return 0;
}
