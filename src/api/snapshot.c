/* snapshot.c - snapshots, and what is asked of them by name or number: folders, subscriptions, annotations, keywords, single rows. */
#include <string.h>

#include "api/api.h"
#include "base/alloc.h"

_Static_assert(CUBBY_FOLDER_NAME_MAX == CUBBY__FOLDER_NAME_MAX, "the header says how long a name can be");

static int end(cubby_snapshot *snap, int rc)
{
    return cubby__api_end(snap->store, snap->view->err, rc);
}

static int invalid(cubby_snapshot *snap, const char *what)
{
    return cubby__api_invalid(snap ? snap->store : NULL, what);
}

int cubby_snapshot_begin(cubby_store *store, cubby_snapshot **out)
{
    if (!cubby__api_usable(store) || !out)
        return cubby__api_invalid(store, "no store, or nowhere to put the snapshot");
    cubby_snapshot *snap = cubby__calloc(1, sizeof *snap);
    if (!snap)
        return cubby__api_nomem(store);
    snap->store = store;
    snap->view = &snap->own;
    int rc = cubby__view_begin(store->s, &snap->own, &snap->err);
    if (rc) {
        cubby__api_end(store, &snap->err, rc);
        cubby__free(snap);
        return rc;
    }
    *out = snap;
    return 0;
}

void cubby__api_snapshot_release(cubby_snapshot *snap)
{
    cubby__scan_close(&snap->row);
    for (size_t i = 0; snap->keyword && i <= CUBBY__KEYWORDS_MAX; i++)
        cubby__free(snap->keyword[i]);
    cubby__free(snap->keyword);
    snap->keyword = NULL;
}

void cubby_snapshot_end(cubby_snapshot **snap)
{
    if (!snap || !*snap)
        return;
    cubby_snapshot *s = *snap;
    *snap = NULL;
    if (s->view != &s->own) /* a transaction's: it ends with that */
        return;
    cubby__api_snapshot_release(s);
    cubby__view_end(&s->own);
    cubby__free(s);
}

uint64_t cubby_snapshot_modseq(const cubby_snapshot *snap)
{
    return snap ? cubby__view_modseq(snap->view) : 0;
}

/* ---- folders ---- */

/* `after` may be the name given last: the new one goes there only now. */
static int give_folder(cubby_snapshot *snap, int rc, const struct cubby__folder *f, cubby_folder *out)
{
    if (rc)
        return end(snap, rc);
    snap->folder = *f;
    *out = f->f;
    out->name = snap->folder.name;
    return 0;
}

int cubby_folder_get(cubby_snapshot *snap, uint64_t id, cubby_folder *out)
{
    struct cubby__folder f;
    if (!cubby__api_readable(snap) || !out)
        return invalid(snap, "no snapshot, or nowhere to put the folder");
    return give_folder(snap, cubby__folder_get(snap->view, id, &f), &f, out);
}

int cubby_folder_find(cubby_snapshot *snap, uint64_t parent, const char *name, size_t name_len, cubby_folder *out)
{
    struct cubby__folder f;
    if (!cubby__api_readable(snap) || !name || !out)
        return invalid(snap, "no snapshot, no name, or nowhere to put the folder");
    return give_folder(snap, cubby__folder_find(snap->view, parent, name, name_len, &f), &f, out);
}

int cubby_folder_next(cubby_snapshot *snap, uint64_t parent, const char *after, size_t after_len, cubby_folder *out)
{
    struct cubby__folder f;
    if (!cubby__api_readable(snap) || (!after && after_len) || !out)
        return invalid(snap, "no snapshot, no name, or nowhere to put the folder");
    return give_folder(snap, cubby__folder_next(snap->view, parent, after, after_len, &f), &f, out);
}

int cubby_subscription_next(cubby_snapshot *snap, const char *after, size_t after_len, const char **path, size_t *path_len)
{
    char next[CUBBY__SUBSCRIPTION_MAX + 1];
    size_t len;
    if (!cubby__api_readable(snap) || (!after && after_len) || !path || !path_len)
        return invalid(snap, "no snapshot, no path, or nowhere to put it");
    int rc = cubby__subscription_next(snap->view, after, after_len, next, &len);
    if (rc)
        return end(snap, rc);
    memcpy(snap->path, next, len);
    snap->path[len] = 0;
    *path = snap->path;
    *path_len = len;
    return 0;
}

/* ---- annotations ---- */

int cubby_annotation_get(cubby_snapshot *snap, uint64_t folder, const char *entry, const void **value, size_t *len)
{
    const uint8_t *found = NULL;
    size_t n = 0;
    if (!cubby__api_readable(snap) || !folder || !entry || !value || !len)
        return invalid(snap, "no snapshot, no folder, no name, or nowhere to put the value");
    int rc = cubby__annotation_get(snap->view, folder, entry, snap->annotation, &found, &n);
    if (rc)
        return end(snap, rc);
    *value = found;
    *len = n;
    return 0;
}

int cubby_annotation_next(cubby_snapshot *snap, uint64_t folder, const char *after, const char **entry, const void **value, size_t *len)
{
    char next[CUBBY__ANNOTATION_ENTRY_MAX + 1];
    const uint8_t *found = NULL;
    size_t n = 0;
    if (!cubby__api_readable(snap) || !folder || !entry || !value || !len)
        return invalid(snap, "no snapshot, no folder, or nowhere to put the annotation");
    int rc = cubby__annotation_next(snap->view, folder, after, next, snap->annotation, &found, &n);
    if (rc)
        return end(snap, rc);
    memcpy(snap->entry, next, sizeof next);
    *entry = snap->entry;
    *value = found;
    *len = n;
    return 0;
}

/* ---- keywords ---- */

int cubby_keyword_name(cubby_snapshot *snap, uint16_t id, const char **out)
{
    char name[CUBBY__KEYWORD_LEN_MAX + 1];
    if (!cubby__api_readable(snap) || !out)
        return invalid(snap, "no snapshot, or nowhere to put the name");
    if (id > CUBBY__KEYWORDS_MAX)
        return CUBBY_DONE;
    if (!snap->keyword && !(snap->keyword = cubby__calloc(CUBBY__KEYWORDS_MAX + 1, sizeof *snap->keyword)))
        return cubby__api_nomem(snap->store);
    if (!snap->keyword[id]) {
        int rc = cubby__keyword_name(snap->view, id, name);
        if (rc)
            return end(snap, rc);
        if (!(snap->keyword[id] = cubby__strdup(name)))
            return cubby__api_nomem(snap->store);
    }
    *out = snap->keyword[id];
    return 0;
}

int cubby_keyword_find(cubby_snapshot *snap, const char *name, uint16_t *out)
{
    if (!cubby__api_readable(snap) || !name || !out)
        return invalid(snap, "no snapshot, no keyword, or nowhere to put its number");
    return end(snap, cubby__keyword_find(snap->view, name, out));
}

/* ---- rows ---- */

int cubby_row_get(cubby_snapshot *snap, uint64_t folder, uint32_t uid, unsigned want, const cubby_row **out)
{
    if (!cubby__api_readable(snap) || !out)
        return invalid(snap, "no snapshot, or nowhere to put the row");
    if (want & ~CUBBY__WANT_ALL)
        return invalid(snap, "unknown bits in `want`");
    int rc = cubby__scan_row(snap->view, folder, uid, want, &snap->row, out);
    if (!rc && (*out)->damage)
        end(snap, (*out)->damage); /* its detail can be asked for too */
    return end(snap, rc);
}
