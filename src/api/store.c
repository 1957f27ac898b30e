/* store.c - a store as a whole: creating, opening, closing, figures, check and repair. */

#include "api/api.h"
#include "base/alloc.h"
#include "base/error.h"
#include "mail/apply.h"
#include "mail/fsck.h"
#include "mail/totals.h"

#define OPEN_FLAGS (CUBBY_READ_ONLY | CUBBY_CREATE | CUBBY_REBUILD | CUBBY_ON_NETWORK)

static int invalid(cubby_error *err, const char *what)
{
    cubby__fail(err, CUBBY_EINVAL, NULL, CUBBY__NO_OFFSET, "%s", what);
    return CUBBY_EINVAL;
}

/* Copies the options, or their defaults, to *o. */
static int check_open(const char *path, const cubby_options *options, cubby_options *o, cubby_error *err)
{
    *o = (cubby_options)CUBBY_OPTIONS_INIT;
    if (!path || !*path)
        return invalid(err, "no path");
    if (options)
        *o = *options;
    if (o->version != CUBBY_OPTIONS_VERSION)
        return invalid(err, "unknown version of cubby_options");
    if (o->flags & ~(unsigned)OPEN_FLAGS)
        return invalid(err, "unknown flags in cubby_options");
    if (o->flags & CUBBY_READ_ONLY && o->flags & CUBBY_CREATE)
        return invalid(err, "CUBBY_READ_ONLY and CUBBY_CREATE exclude each other");
    return 0;
}

int cubby_create(const char *path, const cubby_options *options, cubby_error *err)
{
    cubby_options o;
    int rc = check_open(path, options, &o, err);
    o.flags &= ~(unsigned)OPEN_FLAGS;
    return rc ? rc : cubby__store_create(path, &o, &cubby__mail_handlers, err);
}

static int open_or_create(const char *path, cubby_options *o, struct cubby__store **out, cubby_error *err)
{
    int create = o->flags & CUBBY_CREATE;
    o->flags &= ~(unsigned)CUBBY_CREATE;
    int rc = cubby__store_open(path, o, &cubby__mail_handlers, out, err);
    if ((rc != CUBBY_ENOENT && rc != CUBBY_ENOTSTORE) || !create) /* ENOTSTORE: nothing there yet, or somebody is making it */
        return rc;
    rc = cubby__store_create(path, o, &cubby__mail_handlers, err);
    if (rc && rc != CUBBY_EEXIST) /* somebody else may have been faster */
        return rc;
    return cubby__store_open(path, o, &cubby__mail_handlers, out, err);
}

int cubby_open(const char *path, const cubby_options *options, cubby_store **out, cubby_error *err)
{
    cubby_options o;
    int rc = check_open(path, options, &o, err);
    if (!rc && !out)
        rc = invalid(err, "nowhere to put the store");
    if (rc)
        return rc;
    cubby_store *store = cubby__calloc(1, sizeof *store);
    if (!store)
        return cubby__fail_mem(err);
    rc = open_or_create(path, &o, &store->s, err);
    if (rc) {
        cubby__free(store);
        return rc;
    }
    pthread_mutex_init(&store->mutex, NULL);
    store->last.offset = CUBBY__NO_OFFSET;
    *out = store;
    return 0;
}

int cubby_close(cubby_store **store)
{
    if (!store || !*store)
        return 0;
    if (cubby__is_child((*store)->s)) {
        cubby_atfork_child(store);
        return CUBBY_EINVAL;
    }
    cubby_error err;
    int rc = cubby__store_close(&(*store)->s, &err);
    pthread_mutex_destroy(&(*store)->mutex);
    cubby__free(*store);
    *store = NULL;
    return rc;
}

void cubby_atfork_child(cubby_store **store)
{
    if (!store || !*store || !cubby__is_child((*store)->s))
        return;
    cubby__store_close(&(*store)->s, NULL);
    cubby__free(*store);
    *store = NULL;
}

int cubby_is_read_only(const cubby_store *store)
{
    return store ? cubby__store_read_only(store->s) : 1;
}

void cubby_last_error(cubby_store *store, cubby_error *out)
{
    if (!store || !out)
        return;
    if (!cubby__api_usable(store)) {
        cubby__fail(out, CUBBY_EINVAL, NULL, CUBBY__NO_OFFSET, "this handle was opened before a fork");
        return;
    }
    pthread_mutex_lock(&store->mutex);
    *out = store->last;
    pthread_mutex_unlock(&store->mutex);
}

int cubby_sync(cubby_store *store)
{
    cubby_error err = {0};
    return cubby__api_usable(store) ? cubby__api_end(store, &err, cubby__store_sync(store->s, &err)) : CUBBY_EINVAL;
}

int cubby_checkpoint(cubby_store *store)
{
    cubby_error err = {0};
    return cubby__api_usable(store) ? cubby__api_end(store, &err, cubby__store_checkpoint(store->s, &err)) : CUBBY_EINVAL;
}

static int count(struct cubby__store *s, cubby_stat *out, cubby_error *err)
{
    struct cubby__view view;
    int rc = cubby__view_begin(s, &view, err);
    if (rc)
        return rc;
    rc = cubby__folder_totals(&view, &out->folders, &out->messages);
    if (!rc)
        rc = cubby__object_totals(&view, &out->objects, &out->original_bytes);
    cubby__view_end(&view);
    return rc;
}

int cubby_store_stat(cubby_store *store, cubby_stat *out)
{
    if (!cubby__api_usable(store) || !out)
        return cubby__api_invalid(store, "no store, or nowhere to put its figures");
    cubby_error err = {0};
    cubby_stat stat = {0};
    int rc = cubby__store_get_stat(store->s, &stat, &err);
    if (!rc)
        rc = count(store->s, &stat, &err);
    if (!rc)
        *out = stat;
    return cubby__api_end(store, &err, rc);
}

static int ignore(void *arg, const cubby_finding *f)
{
    (void)arg;
    (void)f;
    return 0;
}

static int check_fsck(const char *path, const cubby_options *options, unsigned flags, cubby_options *o, cubby_error *err)
{
    int rc = check_open(path, options, o, err);
    if (!rc && flags & ~(unsigned)CUBBY_CHECK_FULL)
        rc = invalid(err, "unknown flags of a check");
    o->flags &= CUBBY_ON_NETWORK; /* it says nothing about who may write */
    return rc;
}

int cubby_check(const char *path, const cubby_options *options, unsigned flags, cubby_finding_fn fn, void *arg, cubby_check_result *result,
                cubby_error *err)
{
    cubby_options o;
    cubby_error unused = {0};
    cubby_check_result r = {0};
    if (!err)
        err = &unused;
    int rc = check_fsck(path, options, flags, &o, err);
    if (!rc)
        rc = cubby__fsck_check(path, &o, flags, fn ? fn : ignore, arg, &r, err);
    if (result)
        *result = r;
    return rc;
}

int cubby_repair(const char *path, const cubby_options *options, unsigned flags, cubby_finding_fn found, cubby_finding_fn done, void *arg,
                 cubby_repair_result *result, cubby_error *err)
{
    cubby_options o;
    cubby_error unused = {0};
    cubby_repair_result r = {0};
    if (!err)
        err = &unused;
    int rc = check_fsck(path, options, flags, &o, err);
    if (!rc)
        rc = cubby__fsck_repair(path, &o, flags, found ? found : ignore, done ? done : ignore, arg, &r, err);
    if (result)
        *result = r;
    return rc;
}
