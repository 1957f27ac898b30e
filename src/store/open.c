/* open.c - making, opening and closing a store. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/error.h"
#include "log/segname.h"
#include "os/fork.h"
#include "os/fs.h"
#include "store/internal.h"

/* ---- the struct ---- */

static void free_store(struct cubby__store *s)
{
    if (!s)
        return;
    if (s->shared || s->id_file)
        cubby__detach(s);
    cubby__pager_close(&s->pager);
    cubby__old_pagers_close(s);
    cubby__log_free(&s->log);
    cubby__node_free(s->spare_node);
    cubby__buf_release(&s->scratch);
    if (!cubby__is_child(s)) { /* there another thread may have held them */
        pthread_mutex_destroy(&s->w);
        pthread_mutex_destroy(&s->g);
        pthread_mutex_destroy(&s->v);
        pthread_cond_destroy(&s->done);
    }
    cubby__free(s->path);
    cubby__free(s);
}

static int new_store(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__store **out, cubby_error *err)
{
    struct cubby__store *s = cubby__calloc(1, sizeof *s);
    if (!s)
        return cubby__fail_mem(err);
    if (o)
        s->o = *o;
    s->vfs = s->o.vfs ? s->o.vfs : cubby_vfs_posix();
    s->handlers = h;
    s->slot = -1;
    s->generation = cubby__fork_generation();
    s->queue_tail = &s->queue;
    pthread_mutex_init(&s->w, NULL);
    pthread_mutex_init(&s->g, NULL);
    pthread_mutex_init(&s->v, NULL);
    pthread_cond_init(&s->done, NULL);
    s->path = cubby__strdup(path);
    int rc = s->path ? s->vfs->random(s->vfs->ctx, &s->token, sizeof s->token) : -ENOMEM;
    s->token |= 1; /* 0 is nobody */
    if (rc != 0) {
        free_store(s);
        return cubby__fail_io(err, rc, path, CUBBY__NO_OFFSET, "opening the store");
    }
    *out = s;
    return 0;
}

/* ---- create ---- */

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

struct cleanup {
    struct cubby__store *s;
    const char *dir, *keep;
};

static int unlink_one(void *arg, const char *name)
{
    struct cleanup *c = arg;
    char *dir = cubby__path_join(c->s->path, c->dir), *path = dir ? cubby__path_join(dir, name) : NULL;
    int old_index = strcmp(c->keep, CUBBY__FILE_RESERVE) == 0 && strcmp(name, CUBBY__FILE_OLD_INDEX) == 0; /* still wanted by a rebuild */
    if (path && strcmp(name, c->keep) != 0 && !old_index)
        c->s->vfs->unlink(c->s->vfs->ctx, path);
    cubby__free(dir);
    cubby__free(path);
    return 0;
}

/* Removes every file of a folder of the store but `keep`. */
static void empty_dir(struct cubby__store *s, const char *name, const char *keep)
{
    struct cleanup c = {s, name, keep};
    char *dir = cubby__path_join(s->path, name);
    if (dir)
        s->vfs->list(s->vfs->ctx, dir, unlink_one, &c);
    cubby__free(dir);
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
    empty_dir(s, CUBBY__DIR_SEGMENTS, "");
    empty_dir(s, CUBBY__DIR_TMP, CUBBY__FILE_ID);
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
    uint8_t page[CUBBY__ID_FILE_SIZE] = {0};
    for (int i = 0; i < CUBBY__ID_COPIES; i++)
        cubby__ident_encode(&s->ident, page + i * CUBBY__PAGE_SIZE);
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
    int rc = new_store(path, o, h, &s, err);
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
    free_store(s);
    return rc;
}

/* ---- open ---- */

static int read_id(struct cubby__store *s, const char *path, cubby_error *err)
{
    uint8_t b[CUBBY__ID_SIZE];
    int rc = 0;
    for (int i = 0; i < CUBBY__ID_COPIES; i++) {
        uint64_t off = (uint64_t)i * CUBBY__PAGE_SIZE;
        int64_t got = s->vfs->pread(s->vfs->ctx, s->id_file, b, sizeof b, off);
        if (got < 0)
            return cubby__fail_io(err, (int)got, path, off, "reading the store's identity");
        if (got < (int64_t)sizeof b)
            memset(b + got, 0, sizeof b - (size_t)got);
        cubby_error second;
        int rc2 = cubby__ident_decode(b, &s->ident, path, off, i ? &second : err);
        if (rc2 == 0)
            return 0;
        if (i == 0)
            rc = rc2;
        if (rc2 == CUBBY_EVERSION) {
            if (i && err)
                *err = second;
            return rc2;
        }
        if (rc2 == CUBBY_ECORRUPT) /* one damaged copy of an identity is still one */
            rc = rc2;
    }
    return rc;
}

static int open_id(struct cubby__store *s, cubby_error *err)
{
    cubby_vfs_stat st;
    char *path = cubby__path_join(s->path, CUBBY__FILE_ID);
    if (!path)
        return cubby__fail_mem(err);
    int rc = s->vfs->open(s->vfs->ctx, path, CUBBY_OPEN_WRITE, &s->id_file);
    if (rc == -EACCES || rc == -EPERM || rc == -EROFS) {
        s->read_only = 1;
        rc = s->vfs->open(s->vfs->ctx, path, CUBBY_OPEN_READ, &s->id_file);
    }
    if (rc == -EINVAL)
        rc = cubby__fail(err, CUBBY_ENOTSTORE, path, CUBBY__NO_OFFSET, "not a cubby store: %s is not a regular file", CUBBY__FILE_ID);
    else if (rc == -ENOENT && s->vfs->stat(s->vfs->ctx, s->path, &st) == 0)
        rc = cubby__fail(err, CUBBY_ENOTSTORE, s->path, CUBBY__NO_OFFSET, "not a cubby store: it has no file %s", CUBBY__FILE_ID);
    else if (rc != 0)
        rc = cubby__fail_io(err, rc, rc == -ENOENT || rc == -ENOTDIR ? s->path : path, CUBBY__NO_OFFSET, "opening the store");
    else if ((rc = read_id(s, path, err)) == 0 && s->vfs->fstat(s->vfs->ctx, s->id_file, &st) == 0 && st.size < CUBBY__ID_FILE_SIZE)
        rc = cubby__fail(err, CUBBY_ECORRUPT, path, st.size, "the file ends after %llu bytes, %d are expected", (unsigned long long)st.size,
                         CUBBY__ID_FILE_SIZE);
    cubby__free(path);
    return rc;
}

static int refuse_network(struct cubby__store *s, cubby_error *err)
{
    if (s->o.flags & CUBBY_ON_NETWORK || s->vfs != cubby_vfs_posix() || !cubby__fs_is_network(s->path))
        return 0;
    return cubby__fail(err, CUBBY_EINVAL, s->path, CUBBY__NO_OFFSET, "the store is on a network file system, whose locks and caches it cannot rely on");
}

static int follow(struct cubby__store *s, cubby_error *err)
{
    struct cubby__published p;
    cubby__read_published(s, &p);
    pthread_mutex_lock(&s->v);
    int rc = cubby__index_follow(s, p.index_nonce, err);
    pthread_mutex_unlock(&s->v);
    return rc;
}

/* Another handle has the store open: its published state is ours. */
static int join(struct cubby__store *s, cubby_error *err)
{
    int rc = follow(s, err);
    if (!cubby__index_lost(rc))
        return rc;
    rc = cubby__writer_lock(s, err);
    if (rc != 0)
        return rc;
    rc = follow(s, err); /* it was only being built anew? */
    if (cubby__index_lost(rc)) { /* deleted or damaged under the others: build a new one, as the writer */
        s->o.flags |= CUBBY_REBUILD;
        rc = cubby__index_open(s, err);
        cubby__shared_set(s, CUBBY__SHARED_OWNER_OFF, 0);
    }
    cubby__writer_unlock(s);
    return rc;
}

static int open_alone(struct cubby__store *s, cubby_error *err)
{
    s->read_only = 1;
    s->shared = cubby__calloc(1, CUBBY__PAGE_SIZE);
    return s->shared ? cubby__index_open(s, err) : cubby__fail_mem(err);
}

/* Beside others it is a reader like any: it writes its slot of the shared page and nothing else. */
static int open_read_only(struct cubby__store *s, int may_attach, cubby_error *err)
{
    int rc = !may_attach || s->o.flags & CUBBY_REBUILD ? CUBBY_DONE : cubby__attach_beside(s, err);
    if (rc == CUBBY_DONE)
        return open_alone(s, err);
    if (rc == 0)
        rc = follow(s, err);
    if (!cubby__index_lost(rc))
        return rc;
    cubby__leave_beside(s);
    return open_alone(s, err);
}

static int open_attached(struct cubby__store *s, cubby_error *err)
{
    int first;
    int rc = cubby__attach(s, &first, err);
    if (rc != 0)
        return rc;
    if (!first) {
        if (!(s->o.flags & CUBBY_REBUILD))
            return join(s, err);
        rc = cubby__writer_lock(s, err);
        if (rc == 0) {
            rc = cubby__index_open(s, err);
            cubby__shared_set(s, CUBBY__SHARED_OWNER_OFF, 0);
            cubby__writer_unlock(s);
        }
        return rc;
    }
    empty_dir(s, CUBBY__DIR_TMP, CUBBY__FILE_RESERVE);
    rc = cubby__index_open(s, err);
    return rc == 0 ? cubby__attach_ready(s, err) : rc;
}

int cubby__store_open(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__store **out, cubby_error *err)
{
    struct cubby__store *s;
    cubby_error local;
    if (!err)
        err = &local;
    int rc = new_store(path, o, h, &s, err);
    if (rc != 0)
        return rc;
    rc = open_id(s, err);
    int may_attach = !s->read_only;
    if (rc == 0)
        rc = refuse_network(s, err);
    if (s->o.flags & CUBBY_READ_ONLY || s->ident.rocompat)
        s->read_only = 1;
    if (rc == 0)
        rc = cubby__log_new(s->vfs, s->path, &s->ident, !s->read_only, &s->log, err);
    if (rc == 0)
        rc = s->read_only ? open_read_only(s, may_attach, err) : open_attached(s, err);
    if (rc == CUBBY_ENOSPC && !s->read_only) { /* no room to recover or rebuild: the mail can be read all the same */
        cubby_options again = s->o;
        again.flags |= CUBBY_READ_ONLY;
        cubby__notice(s, "no space left to recover the store: it is open read-only");
        free_store(s);
        rc = cubby__store_open(path, &again, h, out, err);
        if (rc == 0)
            (*out)->no_space = 1;
        return rc;
    }
    if (rc != 0) {
        free_store(s);
        return rc;
    }
    s->capacity = cubby__live_bytes(s) / CUBBY__SEG_LIVE_SHARE;
    *out = s;
    return 0;
}

/* What a repair begins with: files, and nothing that must be right to be opened. Attached to nothing; it ends with cubby__store_close. */
int cubby__store_open_bare(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__store **out, cubby_error *err)
{
    struct cubby__store *s;
    int rc = new_store(path, o, h, &s, err);
    if (rc != 0)
        return rc;
    rc = open_id(s, err);
    if (s->read_only)
        s->o.flags |= CUBBY_READ_ONLY; /* not permitted otherwise */
    s->read_only = 1;
    if (rc == 0)
        rc = refuse_network(s, err);
    if (rc == 0)
        rc = cubby__log_new(s->vfs, s->path, &s->ident, 0, &s->log, err);
    if (rc != 0)
        free_store(s);
    else
        *out = s;
    return rc;
}

int cubby__store_read_only(const struct cubby__store *s)
{
    return s->read_only;
}

/* ---- sync, checkpoint, close ---- */

int cubby__store_sync(struct cubby__store *s, cubby_error *err)
{
    if (s->read_only)
        return 0;
    struct cubby__published p;
    int child = cubby__refuse_child(s, err);
    if (child != 0)
        return child;
    cubby__read_published(s, &p);
    if (p.durable >= p.commit)
        return 0;
    int rc = cubby__quiesce(s, err);
    if (rc == 0)
        cubby__resume(s);
    return rc;
}

int cubby__store_checkpoint(struct cubby__store *s, cubby_error *err)
{
    if (s->read_only)
        return cubby__fail(err, CUBBY_EACCES, s->path, CUBBY__NO_OFFSET, "the store is open read-only");
    int rc = cubby__quiesce(s, err);
    if (rc != 0)
        return rc;
    rc = cubby__checkpoint_now(s, err);
    cubby__resume(s);
    return rc;
}

/* Leaves the log so that the next open finds it proven: what this handle synced, it vouches for. */
static int stop_cleanly(struct cubby__store *s, cubby_error *err)
{
    int mine = cubby__shared_get(s, CUBBY__SHARED_OWNER_OFF) == s->token; /* else somebody wrote after us */
    if (s->latched || !(mine || cubby__pager_damaged(s->pager)))
        return 0;
    int rc = cubby__quiesce(s, err);
    if (rc != 0)
        return rc;
    if (s->pending.replay_bytes >= (s->o.checkpoint_bytes ? s->o.checkpoint_bytes : CUBBY__CHECKPOINT_CLOSE))
        cubby__checkpoint_now(s, err); /* its failure costs the next open time, nothing else */
    rc = cubby__append_proof(s, err);
    cubby__resume(s);
    return rc;
}

int cubby__store_close(struct cubby__store **sp, cubby_error *err)
{
    struct cubby__store *s = *sp;
    if (!s)
        return 0;
    int rc = s->read_only || cubby__is_child(s) ? 0 : stop_cleanly(s, err);
    free_store(s);
    *sp = NULL;
    return rc;
}
