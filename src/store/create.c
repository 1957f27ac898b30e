/* create.c - making a store: everything else before cubby.id, without which there is none (FORMAT.md 8, "Create"). */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "log/segmake.h"
#include "log/segname.h"
#include "store/internal.h"

static int make_ident(struct cubby__store *s, cubby_error *err)
{
    struct cubby__ident *id = &s->ident;
    int rc = s->vfs->random(s->vfs->ctx, id->uuid, sizeof id->uuid);
    if (rc == 0)
        rc = s->vfs->random(s->vfs->ctx, id->account, sizeof id->account);
    if (rc == 0)
        rc = s->vfs->random(s->vfs->ctx, &id->salt, sizeof id->salt);
    if (rc != 0)
        return cubby__fail_io(err, rc, s->path, CUBBY__NO_OFFSET, "getting random bytes");
    id->uuid[6] = (uint8_t)((id->uuid[6] & 0x0f) | 0x40); /* RFC 9562, version 4 */
    id->uuid[8] = (uint8_t)((id->uuid[8] & 0x3f) | 0x80);
    id->created_ns = s->vfs->now_ns(s->vfs->ctx);
    return 0;
}

static int foreign_name(void *arg, const char *name)
{
    static const char *const ours[] = {CUBBY__FILE_INDEX, CUBBY__DIR_SEGMENTS, CUBBY__DIR_TMP, CUBBY__DIR_QUARANTINE};
    (void)arg;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strcmp(name, ours[i]) == 0)
            return 0;
    return strcmp(name, CUBBY__FILE_ID) == 0 ? 2 : 1;
}

static int unlink_in(struct cubby__store *s, const char *name)
{
    char *path = cubby__path_join(s->path, name);
    if (path)
        s->vfs->unlink(s->vfs->ctx, path);
    cubby__free(path);
    return path ? 0 : CUBBY_ENOMEM;
}

static int make_dir(struct cubby__store *s, const char *name, cubby_error *err)
{
    char *path = *name ? cubby__path_join(s->path, name) : cubby__strdup(s->path);
    if (!path)
        return cubby__fail_mem(err);
    int rc = s->vfs->mkdir(s->vfs->ctx, path);
    if (rc != 0 && rc != -EEXIST)
        rc = cubby__fail_io(err, rc, path, CUBBY__NO_OFFSET, "making the directory");
    else
        rc = 0;
    cubby__free(path);
    return rc;
}

struct mail_look {
    struct cubby__store *s;
    cubby_error *err;
    int mail; /* some was found */
    int rc;   /* it is not known */
};

/* The frames of the first segment: is there a commit behind the one that makes a store? */
static int look_for_second_commit(struct mail_look *x, cubby_file *f, const char *path)
{
    struct cubby__store *s = x->s;
    struct cubby__seg_header h;
    struct cubby__frame frame = {0};
    uint8_t b[CUBBY__CREATE_MAX];
    int rc = cubby__seg_header_read(s->vfs, f, path, &h, x->err);
    if (rc != 0)
        return rc == CUBBY_ECORRUPT ? 0 : rc; /* cut off while it was made; a damaged one of a store is followed by others, or larger */
    struct cubby__seed seed = {h.ident.salt, h.nonce};
    int64_t got = s->vfs->pread(s->vfs->ctx, f, b, sizeof b, 0);
    if (got < 0)
        rc = cubby__fail_io(x->err, (int)got, path, 0, "reading the segment");
    for (uint64_t off = h.frames; (int64_t)off < got; off += cubby__frame_size(frame.type, frame.len))
        if (cubby__frame_decode(b + off, (size_t)((uint64_t)got - off), &seed, off, &frame) != 0 || frame.commit > 1)
            break;
    cubby__seg_header_release(&h);
    x->mail |= frame.commit > 1;
    return rc;
}

/* An interrupted creation leaves at most the first segment, with one commit in it. Anything more was mail. */
static int is_mail(void *arg, const char *name)
{
    struct mail_look *x = arg;
    const cubby_vfs *vfs = x->s->vfs;
    cubby_file *f;
    cubby_vfs_stat st;
    uint32_t number = cubby__segname_parse(name);
    x->mail = number > 1;
    if (number != 1)
        return x->mail;
    char *path = cubby__path_segment(x->s->path, 1);
    int rc = path ? vfs->open(vfs->ctx, path, CUBBY_OPEN_READ, &f) : -ENOMEM;
    if (rc == 0) {
        rc = vfs->fstat(vfs->ctx, f, &st);
        if (rc != 0)
            x->rc = cubby__fail_io(x->err, rc, path, CUBBY__NO_OFFSET, "looking at the segment");
        else if (st.size > CUBBY__CREATE_MAX)
            x->mail = 1;
        else
            x->rc = look_for_second_commit(x, f, path);
        vfs->close(vfs->ctx, f);
    } else {
        x->rc = cubby__fail_io(x->err, rc, path ? path : x->s->path, CUBBY__NO_OFFSET, "opening the segment");
    }
    cubby__free(path);
    return x->mail || x->rc;
}

/* What cannot be read is not taken for nothing: what is nothing is removed. */
static int has_mail(struct cubby__store *s, int *mail, cubby_error *err)
{
    struct mail_look x = {s, err, 0, 0};
    char *dir = cubby__path_join(s->path, CUBBY__DIR_SEGMENTS);
    *mail = 0;
    if (!dir)
        return cubby__fail_mem(err);
    int rc = s->vfs->list(s->vfs->ctx, dir, is_mail, &x);
    if (rc < 0 && rc != -ENOENT && rc != -ENOTDIR)
        x.rc = cubby__fail_io(err, rc, dir, CUBBY__NO_OFFSET, "listing the segments");
    cubby__free(dir);
    *mail = x.mail;
    return x.rc;
}

static int may_create(struct cubby__store *s, cubby_error *err)
{
    int mail, rc = has_mail(s, &mail, err); /* looked for first: whoever makes the store now, names it before there is any */
    if (rc != 0)
        return rc;
    rc = s->vfs->list(s->vfs->ctx, s->path, foreign_name, NULL);
    if (rc == 2)
        return cubby__fail(err, CUBBY_EEXIST, s->path, CUBBY__NO_OFFSET, "there is a store already");
    if (rc == 1)
        return cubby__fail(err, CUBBY_EINVAL, s->path, CUBBY__NO_OFFSET, "the directory is not empty and not a store");
    if (rc != 0)
        return cubby__fail_io(err, rc, s->path, CUBBY__NO_OFFSET, "listing the directory");
    if (mail)
        return cubby__fail(err, CUBBY_ENOTSTORE, s->path, CUBBY__NO_OFFSET, "this was a store: it has segments, but its %s is missing; nothing was touched",
                           CUBBY__FILE_ID);
    return 0;
}

/* Of several that make a store at once one goes on: whoever has the lock on tmp/cubby.id, which it will rename. The others then find the store made. */
static int lock_id(struct cubby__store *s, cubby_file **id, cubby_error *err)
{
    const cubby_vfs *vfs = s->vfs;
    int64_t end = vfs->ticks_ms(vfs->ctx) + 10000;
    char *tmp = cubby__path_join(s->path, CUBBY__DIR_TMP "/" CUBBY__FILE_ID);
    int rc = tmp ? vfs->open(vfs->ctx, tmp, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, id) : -ENOMEM;
    while (rc == 0 && (rc = vfs->lock(vfs->ctx, *id, CUBBY__LOCK_CREATE, 1, CUBBY_LOCK_EXCLUSIVE)) == -EAGAIN && vfs->ticks_ms(vfs->ctx) < end) {
        vfs->sleep_ms(vfs->ctx, 1);
        rc = 0;
    }
    cubby__free(tmp);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, s->path, CUBBY__NO_OFFSET, "making the store's identity");
}

/* The directory, empty but for the remains of an interrupted attempt, which are removed. */
static int prepare_dir(struct cubby__store *s, cubby_file **id, cubby_error *err)
{
    int rc = make_dir(s, "", err);
    if (rc == 0)
        rc = may_create(s, err);
    if (rc == 0)
        rc = make_dir(s, CUBBY__DIR_TMP, err);
    if (rc == 0)
        rc = lock_id(s, id, err);
    if (rc == 0)
        rc = may_create(s, err); /* still, now that nobody else does */
    if (rc != 0)
        return rc;
    cubby__empty_dir(s, CUBBY__DIR_SEGMENTS, (const char *const[]){NULL});
    cubby__empty_dir(s, CUBBY__DIR_TMP, (const char *const[]){CUBBY__FILE_ID, NULL});
    unlink_in(s, CUBBY__FILE_INDEX);
    return make_dir(s, CUBBY__DIR_SEGMENTS, err);
}

static int dirsync(struct cubby__store *s, const char *path, cubby_error *err)
{
    int rc = s->vfs->dirsync(s->vfs->ctx, path);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, path, CUBBY__NO_OFFSET, "syncing the directory");
}

/* The directory that the store's own entry is in: a store that vanishes with it was never made. */
static int sync_parent(struct cubby__store *s, cubby_error *err)
{
    char *parent = cubby__strdup(s->path);
    if (!parent)
        return cubby__fail_mem(err);
    size_t n = strlen(parent);
    while (n > 1 && parent[n - 1] == '/')
        n--;
    while (n > 0 && parent[n - 1] != '/')
        n--;
    while (n > 1 && parent[n - 1] == '/')
        n--;
    parent[n] = '\0';
    int rc = dirsync(s, n ? parent : ".", err);
    cubby__free(parent);
    return rc;
}

/* cubby.id comes last, complete, by rename, after everything else is on stable storage: without it there is no store. */
static int write_id(struct cubby__store *s, cubby_file *f, cubby_error *err)
{
    uint8_t page[CUBBY__ID_FILE_SIZE];
    cubby__ident_encode_file(&s->ident, page);
    char *tmp = cubby__path_join(s->path, CUBBY__DIR_TMP "/" CUBBY__FILE_ID), *path = cubby__path_join(s->path, CUBBY__FILE_ID);
    int rc = tmp && path ? 0 : cubby__fail_mem(err);
    if (rc != 0)
        goto out;
    rc = s->vfs->pwrite(s->vfs->ctx, f, page, sizeof page, 0);
    if (rc == 0)
        rc = s->vfs->sync(s->vfs->ctx, f);
    if (rc != 0) {
        rc = cubby__fail_io(err, rc, tmp, CUBBY__NO_OFFSET, "making the store's identity");
        goto out;
    }
    rc = sync_parent(s, err);
    if (rc == 0)
        rc = dirsync(s, s->path, err); /* segments/ and index are there before it is */
    if (rc == 0 && (rc = s->vfs->rename(s->vfs->ctx, tmp, path)) != 0)
        rc = cubby__fail_io(err, rc, path, CUBBY__NO_OFFSET, "making the store's identity");
    if (rc == 0)
        rc = dirsync(s, s->path, err);
out:
    cubby__free(tmp);
    cubby__free(path);
    return rc;
}

static int first_segment(struct cubby__store *s, cubby_error *err)
{
    struct cubby__seg_header h = {.ident = s->ident, .kind = CUBBY__SEG_LOG, .number = 1, .created_ns = s->ident.created_ns};
    struct cubby__seg_maker *m;
    int named;
    int rc = s->vfs->random(s->vfs->ctx, &h.nonce, sizeof h.nonce);
    rc = rc != 0 ? cubby__fail_io(err, rc, s->path, CUBBY__NO_OFFSET, "getting random bytes") : cubby__seg_make_begin(s->log, &h, &m, err);
    if (rc == 0)
        rc = cubby__seg_make_end(&m, 0, &named, err);
    cubby__seg_header_release(&h);
    return rc;
}

/* The first commit: who the account is, and INBOX. Nobody else can see the store yet, so the ordinary way serves, with a shared page of its own. */
static int first_commit(struct cubby__store *s, cubby_error *err)
{
    struct cubby__txn *txn;
    uint8_t store_record[16];
    s->shared = cubby__calloc(1, CUBBY__PAGE_SIZE);
    if (!s->shared)
        return cubby__fail_mem(err);
    s->have_lock = s->users = 1;
    s->o.flags |= CUBBY_REBUILD;
    int rc = cubby__index_open(s, err);
    if (rc == 0)
        rc = cubby__txn_begin(s, 0, &txn, err);
    if (rc != 0)
        return rc;
    memcpy(store_record, s->ident.account, 16);
    rc = cubby__txn_log(txn, CUBBY__REC_STORE, 0, store_record, sizeof store_record);
    if (rc == 0)
        rc = s->handlers->create(txn);
    if (rc != 0) {
        cubby__txn_abort(&txn);
        return rc;
    }
    rc = cubby__txn_commit(&txn, NULL);
    return rc == 0 ? cubby__store_checkpoint(s, err) : rc;
}

int cubby__store_create(const char *path, const cubby_options *o, const struct cubby__handlers *h, cubby_error *err)
{
    struct cubby__store *s;
    cubby_file *id = NULL;
    int rc = cubby__store_new(path, o, h, &s, err);
    if (rc != 0)
        return rc;
    rc = prepare_dir(s, &id, err);
    if (rc == 0)
        rc = make_ident(s, err);
    if (rc == 0)
        rc = cubby__log_new(s->vfs, s->path, &s->ident, 1, &s->log, err);
    if (rc == 0)
        rc = first_segment(s, err);
    if (rc == 0)
        rc = first_commit(s, err);
    if (rc == 0)
        rc = write_id(s, id, err);
    if (id)
        s->vfs->close(s->vfs->ctx, id); /* and with it the lock */
    cubby__store_free(s);
    return rc;
}
