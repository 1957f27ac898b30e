/* repair_open.c - a store that cannot be opened as it is: no header of a segment can be read, or only the index knows of the last one. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "log/segname.h"
#include "store/repair.h"
#include "store/recover.h"
#include "store/repair_file.h"
#include "store/stray.h"

enum { UIDVALIDITY_MORE = 1 << 16 }; /* folders that may have been made since then, or in less seconds than there were of them */

struct last_words {
    struct cubby__meta meta; /* commit 0: the index says nothing */
    struct cubby__floors floors;
};

/* What this file says, if it goes further than what is known already; a number that either of two knows was given. One that is missing or damaged says
 * nothing; one that cannot be looked at now may still be all that knows how the log went on. */
static int read_file(struct cubby__store *s, const char *name, struct last_words *w, cubby_error *err)
{
    struct cubby__pager_config config = {.vfs = s->vfs, .salt = s->ident.salt, .cache_bytes = 1 << 20};
    struct last_words here = {.meta.commit = 0};
    memcpy(config.uuid, s->ident.uuid, 16);
    char *path = cubby__path_join(s->path, name);
    config.path = path;
    int rc = path ? cubby__pager_open(&config, &s->pager, err) : cubby__fail_mem(err);
    if (rc == 0) {
        rc = cubby__meta_read(s->pager, &here.meta, err);
        if (rc == 0)
            rc = cubby__floors_load(s, &here.meta.root, &here.floors, err);
        cubby__pager_close(&s->pager);
    }
    cubby__free(path);
    if (rc == 0 && cubby__numbers_left(&here.floors)) /* else they are forged */
        cubby__raise_floors(&w->floors, &here.floors);
    if (rc == 0 && here.meta.commit > w->meta.commit)
        w->meta = here.meta;
    return rc == CUBBY_DONE || rc == CUBBY_ENOENT || rc == CUBBY_ECORRUPT || rc == CUBBY_EVERSION ? 0 : rc;
}

/* Whoever has tried to open the store since then has moved the index away, for it did not fit. */
static int read_index(struct cubby__store *s, struct last_words *w, cubby_error *err)
{
    memset(w, 0, sizeof *w);
    int rc = read_file(s, CUBBY__FILE_INDEX, w, err);
    return rc ? rc : read_file(s, CUBBY__DIR_TMP "/" CUBBY__FILE_OLD_INDEX, w, err);
}

/* Those who had the store open last have left its nonce in the page that they shared. Nothing vouches for the page, but the frames do for the nonce:
 * with another none of them verifies. CUBBY_DONE: it is not known there. */
static int mend_as_published(struct cubby__store *s, uint32_t last, const struct last_words *w, struct cubby__repairs *t, cubby_error *err)
{
    static const uint64_t states[] = {CUBBY__SHARED_STATE0_OFF, CUBBY__SHARED_STATE1_OFF};
    int rc = CUBBY_DONE;
    for (int i = 0; i < 2 && rc == CUBBY_DONE; i++) {
        struct cubby__published p;
        int64_t got = s->vfs->pread(s->vfs->ctx, s->id_file, &p, sizeof p, CUBBY__SHARED_OFFSET + states[i]);
        if (got < 0)
            return cubby__fail_io(err, (int)got, CUBBY__FILE_ID, CUBBY__SHARED_OFFSET, "reading the shared page");
        if (got == (int64_t)sizeof p && p.seg == last)
            rc = cubby__mend_header(s, last, p.seg_nonce, &w->floors, w->meta.commit, t, err);
    }
    return rc;
}

/* The last segment's header can be made again only now, while there is an index, or a page, that knows its nonce. */
static int mend_last(struct cubby__store *s, uint32_t last, struct cubby__repairs *t, cubby_error *err)
{
    struct cubby__seg_header h;
    struct last_words w;
    int rc = cubby__log_header(s->log, last, &h, err);
    if (rc == 0)
        cubby__seg_header_release(&h);
    if (rc != CUBBY_ECORRUPT)
        return rc;
    rc = read_index(s, &w, err);
    if (rc == 0)
        rc = w.meta.commit && w.meta.seg == last ? cubby__mend_header(s, last, w.meta.seg_nonce, &w.floors, w.meta.commit, t, err) : CUBBY_DONE;
    if (rc == CUBBY_DONE)
        rc = mend_as_published(s, last, &w, t, err);
    return rc == CUBBY_ECORRUPT || rc == CUBBY_DONE ? 0 : rc;
}

/* 0: the header of some segment can be read. CUBBY_DONE: all are damaged, or there are none. What cannot be looked at is neither. */
static int any_header(struct cubby__store *s, const uint32_t *numbers, size_t count, cubby_error *err)
{
    struct cubby__seg_header h;
    for (size_t i = count; i-- > 0;) {
        int rc = cubby__log_header(s->log, numbers[i], &h, err);
        if (rc == 0)
            cubby__seg_header_release(&h);
        if (rc != CUBBY_ECORRUPT)
            return rc;
    }
    return CUBBY_DONE;
}

/* The log is gone: what it gave behind the checkpoint nobody knows, so numbers go on far above. Without an index nobody knows any. */
static void pass_over_lost(struct cubby__store *s, struct last_words *w)
{
    const uint64_t more = w->meta.commit ? cubby__records_in(CUBBY__SEG_CAPACITY_MAX) : (uint64_t)1 << 40;
    struct cubby__floors *f = &w->floors;
    uint64_t now = (uint64_t)s->vfs->now_ns(s->vfs->ctx) / 1000000000u;
    cubby__raise(&f->commit, w->meta.commit);
    f->commit += more;
    f->object += more;
    f->piece += more;
    f->folder += more;
    f->thread += more;
    cubby__raise(&f->uidvalidity, now < CUBBY__UIDVALIDITY_LAST ? now : CUBBY__UIDVALIDITY_LAST);
    f->uidvalidity += f->uidvalidity < CUBBY__UIDVALIDITY_LAST ? UIDVALIDITY_MORE : 0;
}

static int make_segments_dir(struct cubby__store *s, cubby_error *err)
{
    char *dir = cubby__path_join(s->path, CUBBY__DIR_SEGMENTS);
    int rc = dir ? s->vfs->mkdir(s->vfs->ctx, dir) : -ENOMEM;
    if (rc == 0)
        rc = s->vfs->dirsync(s->vfs->ctx, s->path);
    cubby__free(dir);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, CUBBY__DIR_SEGMENTS, CUBBY__NO_OFFSET, "making the directory");
}

static int make_openable(struct cubby__store *s, struct cubby__repairs *t, cubby_error *err)
{
    uint32_t *numbers;
    size_t count;
    char name[CUBBY__SEGNAME_MAX];
    struct last_words w;
    int rc = cubby__segments(s, &numbers, &count, NULL, err);
    if (rc == CUBBY_ENOENT)
        rc = make_segments_dir(s, err);
    if (rc == 0 && count)
        rc = mend_last(s, numbers[count - 1], t, err);
    if (rc == 0)
        rc = any_header(s, numbers, count, err);
    if (rc == CUBBY_DONE && (rc = read_index(s, &w, err)) == 0) {
        uint32_t next = count ? numbers[count - 1] + 1 : 1;
        if (w.meta.commit && w.meta.seg >= next)
            next = w.meta.seg + 1;
        pass_over_lost(s, &w);
        rc = cubby__stand_in(s, next, CUBBY__DAMAGE_CUT, &w.floors, err);
        if (rc == 0)
            rc = cubby__repair_tell(t, err, "STAND_IN", cubby__segname(next, name), CUBBY__NO_OFFSET,
                                    "no segment can be read: an empty one begins the log anew");
    }
    cubby__free(numbers);
    return rc;
}

/* The page says what those published who were attached last; after a power cut, some time before. While somebody holds the lock, and for whoever gets
 * it next, that is not to pass for what is: who has believed it already sees by SHARED_CURRENT that it must look again (alone.c, A3). Where the file
 * has another name the page also tells whose store it was (shared.c, S6): there it stays. */
static int disbelieve_page(struct cubby__store *s, cubby_error *err)
{
    const uint64_t not_ready = 0, current = s->token << 1;
    cubby_vfs_stat st;
    int rc = s->vfs->fstat(s->vfs->ctx, s->id_file, &st);
    if (rc == 0 && st.links < 2) {
        rc = s->vfs->pwrite(s->vfs->ctx, s->id_file, &not_ready, sizeof not_ready, CUBBY__SHARED_OFFSET + CUBBY__SHARED_READY_OFF);
        if (rc == 0)
            rc = s->vfs->pwrite(s->vfs->ctx, s->id_file, &current, sizeof current, CUBBY__SHARED_OFFSET + CUBBY__SHARED_CURRENT_OFF);
    }
    return rc == 0 ? 0 : cubby__fail_io(err, rc, CUBBY__FILE_ID, CUBBY__SHARED_OFFSET, "writing to the shared page");
}

int cubby__repair_lock(struct cubby__store *s, int *in_use, cubby_error *err)
{
    int rc = s->vfs->lock(s->vfs->ctx, s->id_file, CUBBY__LOCK_ATTACH, 1, CUBBY_LOCK_EXCLUSIVE);
    *in_use = rc == -EAGAIN;
    if (rc != 0 && !*in_use)
        return cubby__fail_io(err, rc, CUBBY__FILE_ID, CUBBY__NO_OFFSET, "locking the store");
    if (*in_use)
        return 0;
    rc = disbelieve_page(s, err);
    return rc == 0 ? cubby__writer_lock(s, 0, err) : rc;
}

/* If somebody is attached, the store can be opened. */
static int alone(struct cubby__store *s, struct cubby__repairs *t, cubby_error *err)
{
    int in_use, rc = cubby__repair_lock(s, &in_use, err);
    return rc == 0 && !in_use ? make_openable(s, t, err) : rc;
}

/* Known before anything is saved: a repair that fails at its last step saves it again the next time. */
static int look_at_quarantine(struct cubby__store *s, cubby_error *err)
{
    cubby_vfs_stat st = {.is_dir = 1};
    char *path = cubby__path_join(s->path, CUBBY__DIR_QUARANTINE);
    int rc = path ? s->vfs->stat(s->vfs->ctx, path, &st) : -ENOMEM;
    if (rc != 0 && rc != -ENOENT)
        rc = cubby__fail_io(err, rc, CUBBY__DIR_QUARANTINE, CUBBY__NO_OFFSET, "looking at the directory");
    else if (rc == 0 && !st.is_dir)
        rc = cubby__fail(err, CUBBY_ECORRUPT, path, CUBBY__NO_OFFSET, "this is not a directory, and damaged segments are kept there; move it away, and "
                         "repair the store again");
    else
        rc = 0;
    cubby__free(path);
    return rc;
}

/* Under the writer lock: who gives segments their names back sets some aside under such numbers. */
static int move_strays(struct cubby__store *s, struct cubby__repairs *t, cubby_error *err)
{
    uint32_t *numbers;
    size_t count, strays;
    int rc = cubby__segments(s, &numbers, &count, &strays, err);
    if (rc == 0 && strays && (rc = cubby__writer_lock(s, 0, err)) == 0) {
        cubby__free(numbers);
        rc = cubby__segments(s, &numbers, &count, &strays, err);
    }
    for (size_t i = 0; i < strays && rc == 0; i++)
        rc = cubby__move_to_quarantine(s, numbers[count + i], t, err);
    cubby__free(numbers);
    return rc == CUBBY_ENOENT ? 0 : rc;
}

int cubby__repair_openable(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__repairs *t, cubby_error *err)
{
    struct cubby__store *s;
    int rc = cubby__store_open_bare(path, o, h, &s, err);
    if (rc != 0)
        return rc;
    if (s->o.flags & CUBBY_READ_ONLY)
        rc = cubby__fail(err, CUBBY_EACCES, path, CUBBY__NO_OFFSET, "the store may not be written to");
    else if ((rc = look_at_quarantine(s, err)) == 0 && (rc = move_strays(s, t, err)) == 0)
        rc = alone(s, t, err);
    cubby__store_close(&s, NULL); /* and the locks */
    return rc;
}
