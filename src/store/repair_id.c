/* repair_id.c - cubby.id: every segment header repeats the identity, so that it can be made again from any one of them. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "log/segname.h"
#include "store/internal.h"
#include "store/repair_file.h"

/* What is there of cubby.id. */
struct id_file {
    struct cubby__ident ident; /* of the first good copy */
    int good[CUBBY__ID_COPIES], any_good, is_short;
    int foreign; /* another store's: then ident is what the segments say */
};

static int read_copies(const cubby_vfs *vfs, cubby_file *f, struct id_file *out, cubby_error *err)
{
    cubby_vfs_stat st;
    int rc = vfs->fstat(vfs->ctx, f, &st);
    if (rc != 0)
        return cubby__fail_io(err, rc, CUBBY__FILE_ID, CUBBY__NO_OFFSET, "looking at the store's identity");
    out->is_short = st.size < CUBBY__ID_FILE_SIZE;
    for (int i = 0; i < CUBBY__ID_COPIES; i++) {
        uint8_t b[CUBBY__ID_SIZE];
        struct cubby__ident id;
        uint64_t off = (uint64_t)i * CUBBY__PAGE_SIZE;
        int64_t got = vfs->pread(vfs->ctx, f, b, sizeof b, off);
        if (got < 0)
            return cubby__fail_io(err, (int)got, CUBBY__FILE_ID, off, "reading the store's identity");
        rc = got < (int64_t)sizeof b ? CUBBY_ECORRUPT : cubby__ident_decode(b, &id, CUBBY__FILE_ID, off, err);
        if (rc == CUBBY_EVERSION)
            return rc;
        if (rc == 0 && out->any_good && memcmp(&id.uuid, out->ident.uuid, sizeof id.uuid) != 0)
            rc = CUBBY_ECORRUPT; /* the first one counts */
        out->good[i] = rc == 0;
        if (rc == 0 && !out->any_good) {
            out->ident = id;
            out->any_good = 1;
        }
    }
    return 0;
}

/* ---- from the segments ---- */

struct candidate {
    struct cubby__ident ident;
    uint64_t votes;
};

enum { STORES_MAX = 32 }; /* whose segments lie here; of more than that nobody asks */

struct search {
    const cubby_vfs *vfs;
    const char *dir;
    struct candidate of[STORES_MAX];
    size_t count;
    const uint8_t *uuid; /* of cubby.id; NULL: that says nothing */
    uint64_t votes, unreadable;
    int own; /* a segment has that uuid */
    int rc;
    cubby_error *err;
};

/* A vote: a segment that strayed in from another store must not decide. */
static void vote(struct search *x, const struct cubby__ident *id)
{
    size_t i = 0;
    x->votes++;
    x->own |= x->uuid && memcmp(id->uuid, x->uuid, sizeof id->uuid) == 0;
    while (i < x->count && memcmp(id->uuid, x->of[i].ident.uuid, sizeof id->uuid) != 0)
        i++;
    if (i == STORES_MAX)
        return;
    if (i == x->count)
        x->of[x->count++].ident = *id;
    x->of[i].votes++;
}

/* Whom more segments name than any other store; NULL: nobody. */
static const struct candidate *leader(const struct search *x)
{
    const struct candidate *first = NULL;
    uint64_t second = 0;
    for (size_t i = 0; i < x->count; i++) {
        if (!first || x->of[i].votes > first->votes) {
            second = first ? first->votes : 0;
            first = &x->of[i];
        } else if (x->of[i].votes > second) {
            second = x->of[i].votes;
        }
    }
    return first && first->votes > second ? first : NULL;
}

static int look_at(void *arg, const char *name)
{
    struct search *x = arg;
    struct cubby__seg_header h;
    cubby_file *f;
    uint32_t number = cubby__segname_parse(name);
    if (!number)
        return 0;
    char *path = cubby__path_segment(x->dir, number);
    int rc = path ? x->vfs->open(x->vfs->ctx, path, CUBBY_OPEN_READ, &f) : -ENOMEM;
    if (rc == 0) {
        rc = cubby__seg_header_read(x->vfs, f, path, &h, x->err);
        if (rc == 0) {
            if (h.number == number)
                vote(x, &h.ident);
            cubby__seg_header_release(&h);
        } else if (rc == CUBBY_ECORRUPT || rc == CUBBY_ENOTSTORE) {
            x->unreadable++;
        } else {
            x->rc = rc;
        }
        x->vfs->close(x->vfs->ctx, f);
    } else if (rc == -EINVAL) { /* no regular file */
        x->unreadable++;
    } else if (rc != -ENOENT) {
        x->rc = cubby__fail_io(x->err, rc, x->dir, CUBBY__NO_OFFSET, "opening a segment");
    }
    cubby__free(path);
    return x->rc ? x->rc : x->own;
}

/* Asks the segments, until one says what cubby.id says. */
static int ask_segments(struct search *x)
{
    char *path = cubby__path_join(x->dir, CUBBY__DIR_SEGMENTS);
    if (!path)
        return cubby__fail_mem(x->err);
    int rc = x->vfs->list(x->vfs->ctx, path, look_at, x);
    cubby__free(path);
    if (x->rc != 0 || x->own)
        return x->rc;
    return rc == 0 || rc == -ENOENT || rc == -ENOTDIR ? 0 : cubby__fail_io(x->err, rc, x->dir, CUBBY__NO_OFFSET, "listing the segments");
}

static int from_segments(const cubby_vfs *vfs, const char *dir, struct cubby__ident *out, cubby_error *err)
{
    struct search x = {.vfs = vfs, .dir = dir, .err = err};
    int rc = ask_segments(&x);
    if (rc != 0)
        return rc;
    const struct candidate *most = leader(&x);
    if (!most && x.count)
        return cubby__fail(err, CUBBY_ECORRUPT, CUBBY__DIR_SEGMENTS, CUBBY__NO_OFFSET,
                           "as many segments are of one store as of another, and %s does not say whose they should be; move away those that do not belong here",
                           CUBBY__FILE_ID);
    if (!most)
        return cubby__fail(err, CUBBY_ENOTSTORE, dir, CUBBY__NO_OFFSET, "not a cubby store: neither %s nor a segment says what it is", CUBBY__FILE_ID);
    *out = most->ident;
    return 0;
}

/* cubby.id is sound, and of another store: the segments that can be read, which are most, agree on one that it is not. Without its salt no frame of
 * theirs verifies. */
static int is_foreign(const cubby_vfs *vfs, const char *dir, struct id_file *id, cubby_error *err)
{
    struct search x = {.vfs = vfs, .dir = dir, .uuid = id->ident.uuid, .err = err};
    int rc = ask_segments(&x);
    if (rc != 0)
        return rc;
    id->foreign = x.votes > x.unreadable && !x.own && x.count == 1;
    if (id->foreign)
        id->ident = x.of[0].ident;
    return 0;
}

/* ---- writing ---- */

/* One copy is good: the other is written from it, and until that is synced the good one serves. */
static int mend_copy(const cubby_vfs *vfs, cubby_file *f, const struct id_file *id, cubby_error *err)
{
    uint8_t page[CUBBY__ID_FILE_SIZE];
    cubby__ident_encode_file(&id->ident, page);
    int bad = id->good[0] ? 1 : 0;
    uint64_t off = (uint64_t)bad * CUBBY__PAGE_SIZE;
    int rc = vfs->pwrite(vfs->ctx, f, page + off, CUBBY__PAGE_SIZE, off);
    if (rc == 0)
        rc = vfs->sync(vfs->ctx, f);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, CUBBY__FILE_ID, off, "mending the store's identity");
}

/* A new file under another name, synced, then renamed: at every moment there is the old one or the new one. */
static int make_file(const cubby_vfs *vfs, const char *dir, const struct cubby__ident *id, cubby_error *err)
{
    uint8_t page[CUBBY__ID_FILE_SIZE];
    cubby_file *f = NULL;
    char *folder = cubby__path_join(dir, CUBBY__DIR_TMP), *tmp = cubby__path_join(dir, CUBBY__DIR_TMP "/" CUBBY__FILE_ID);
    char *path = cubby__path_join(dir, CUBBY__FILE_ID);
    int rc = folder && tmp && path ? 0 : -ENOMEM;
    cubby__ident_encode_file(id, page);
    if (rc == 0) {
        vfs->mkdir(vfs->ctx, folder);
        rc = vfs->open(vfs->ctx, tmp, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &f);
    }
    if (rc == 0)
        rc = vfs->pwrite(vfs->ctx, f, page, sizeof page, 0);
    if (rc == 0)
        rc = vfs->sync(vfs->ctx, f);
    if (f)
        vfs->close(vfs->ctx, f);
    if (rc == 0)
        rc = vfs->rename(vfs->ctx, tmp, path);
    if (rc == 0)
        rc = vfs->dirsync(vfs->ctx, dir);
    cubby__free(folder);
    cubby__free(tmp);
    cubby__free(path);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, dir, CUBBY__NO_OFFSET, "making the store's identity");
}

static int keep_bytes(const cubby_vfs *vfs, cubby_file *old, const char *tmp, const char *name)
{
    uint8_t page[CUBBY__ID_FILE_SIZE];
    cubby_file *f = NULL;
    int64_t got = vfs->pread(vfs->ctx, old, page, sizeof page, 0);
    int rc = got < 0 ? (int)got : vfs->open(vfs->ctx, tmp, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &f);
    if (rc == 0)
        rc = vfs->truncate(vfs->ctx, f, 0);
    if (rc == 0)
        rc = vfs->pwrite(vfs->ctx, f, page, (size_t)got, 0);
    if (rc == 0)
        rc = vfs->sync(vfs->ctx, f);
    if (f)
        vfs->close(vfs->ctx, f);
    return rc == 0 ? vfs->rename(vfs->ctx, tmp, name) : rc;
}

/* What is replaced is kept, under a name that is free (repair.h, P1). */
static int keep_file(const cubby_vfs *vfs, const char *dir, cubby_file *old, cubby_error *err)
{
    char *quarantine = cubby__path_join(dir, CUBBY__DIR_QUARANTINE), *temps = cubby__path_join(dir, CUBBY__DIR_TMP);
    char *tmp = cubby__path_join(dir, CUBBY__DIR_TMP "/quarantine"), *name = NULL;
    int rc = quarantine && temps && tmp ? 0 : -ENOMEM;
    if (rc == 0) {
        vfs->mkdir(vfs->ctx, temps);
        rc = vfs->mkdir(vfs->ctx, quarantine);
    }
    if (rc == 0 || rc == -EEXIST)
        rc = cubby__quarantine_name(vfs, dir, CUBBY__FILE_ID, &name);
    if (rc == 0)
        rc = keep_bytes(vfs, old, tmp, name);
    if (rc == 0)
        rc = vfs->dirsync(vfs->ctx, quarantine);
    if (rc == 0)
        rc = vfs->dirsync(vfs->ctx, dir);
    cubby__free(quarantine);
    cubby__free(temps);
    cubby__free(tmp);
    cubby__free(name);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, CUBBY__DIR_QUARANTINE, CUBBY__NO_OFFSET, "keeping the store's old identity");
}

/* ---- all of it ---- */

static int open_file(const cubby_vfs *vfs, const char *dir, unsigned flags, cubby_file **f, cubby_error *err)
{
    char *path = cubby__path_join(dir, CUBBY__FILE_ID);
    int rc = path ? vfs->open(vfs->ctx, path, flags, f) : -ENOMEM;
    cubby__free(path);
    if (rc == -EINVAL)
        return cubby__fail(err, CUBBY_ENOTSTORE, dir, CUBBY__NO_OFFSET, "%s is not a regular file; move it away, and a repair makes it anew from the segments",
                           CUBBY__FILE_ID);
    return rc == 0 || rc == -ENOENT ? rc : cubby__fail_io(err, rc, dir, CUBBY__NO_OFFSET, "opening the store");
}

static int find_out(const cubby_vfs *vfs, const char *dir, unsigned flags, cubby_file **f, struct id_file *id, cubby_error *err)
{
    memset(id, 0, sizeof *id);
    *f = NULL;
    int rc = open_file(vfs, dir, flags, f, err);
    if (rc == 0)
        rc = read_copies(vfs, *f, id, err);
    else if (rc == -ENOENT)
        rc = 0;
    return rc || !id->any_good || id->is_short ? rc : is_foreign(vfs, dir, id, err);
}

int cubby__ident_state(const cubby_vfs *vfs, const char *dir, enum cubby__ident_state *out, cubby_error *err)
{
    struct id_file id;
    struct cubby__ident ident;
    cubby_file *f;
    *out = CUBBY__IDENT_SOUND;
    int rc = find_out(vfs, dir, CUBBY_OPEN_READ, &f, &id, err);
    if (rc == 0 && (!id.any_good || id.is_short)) {
        *out = CUBBY__IDENT_LOST;
        rc = id.any_good ? 0 : from_segments(vfs, dir, &ident, err);
    } else if (rc == 0 && id.foreign) {
        *out = CUBBY__IDENT_FOREIGN;
    } else if (rc == 0 && !(id.good[0] && id.good[1])) {
        *out = CUBBY__IDENT_COPY;
    }
    if (f)
        vfs->close(vfs->ctx, f);
    return rc;
}

static int in_use(const char *dir, cubby_error *err)
{
    return cubby__fail(err, CUBBY_EBUSY, dir, CUBBY__NO_OFFSET, "the store is open in another process, and must be closed for this repair: its %s is to be replaced",
                       CUBBY__FILE_ID);
}

/* Whoever has the old file open holds locks on it, and would not meet those who open the new one: neither on the file, which may have lost its name, nor on
 * the directory. */
static int replace_file(const cubby_vfs *vfs, const char *dir, cubby_file *old, const struct cubby__ident *id, cubby_error *err)
{
    cubby_file *lock = NULL;
    if (old && vfs->lock_test(vfs->ctx, old, CUBBY__LOCK_ATTACH, 1) == 1)
        return in_use(dir, err);
    int rc = vfs->lock_dir ? vfs->lock_dir(vfs->ctx, dir, CUBBY_LOCK_EXCLUSIVE, &lock) : 0;
    if (rc == -EAGAIN)
        return in_use(dir, err);
    rc = rc != 0 && rc != -EOPNOTSUPP ? cubby__fail_io(err, rc, dir, CUBBY__NO_OFFSET, "locking the directory") : old ? keep_file(vfs, dir, old, err) : 0;
    if (rc == 0)
        rc = make_file(vfs, dir, id, err);
    if (lock)
        vfs->close(vfs->ctx, lock);
    return rc;
}

int cubby__ident_repair(const cubby_vfs *vfs, const char *dir, enum cubby__ident_state *was, cubby_error *err)
{
    struct id_file id;
    cubby_file *f;
    *was = CUBBY__IDENT_SOUND;
    int rc = find_out(vfs, dir, CUBBY_OPEN_WRITE, &f, &id, err);
    int lost = !id.any_good || id.is_short;
    if (rc == 0 && !id.any_good)
        rc = from_segments(vfs, dir, &id.ident, err);
    if (rc == 0 && (lost || id.foreign)) {
        *was = id.foreign ? CUBBY__IDENT_FOREIGN : CUBBY__IDENT_LOST;
        rc = replace_file(vfs, dir, f, &id.ident, err);
    } else if (rc == 0 && !(id.good[0] && id.good[1])) {
        *was = CUBBY__IDENT_COPY;
        rc = mend_copy(vfs, f, &id, err);
    }
    if (f)
        vfs->close(vfs->ctx, f);
    return rc;
}
