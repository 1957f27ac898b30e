/* last_words.c - what an index says that is thrown away: how far the log had been synced (recover.h, R2), and which numbers had been given (R5).
 *
 * L1  Nothing of it is taken for a fact about messages: the segments say what there is. Its numbers only raise others, and only where the end of the log
 *     is lost.
 * L2  What of it cannot be read says nothing, and keeps nobody from building another index. */
#include "base/alloc.h"
#include "base/error.h"
#include "store/index.h"
#include "store/recover.h"

enum { CACHE = 1 << 18 }; /* a few rows are read, once */

/* 1: the segment that it was written for is not in the log any more. Of one whose header cannot be read nobody knows. */
static int has_lost_its_segment(struct cubby__store *s, const struct cubby__meta *m, cubby_error *err)
{
    struct cubby__seg_header h;
    int rc = cubby__log_header(s->log, m->seg, &h, err);
    if (rc != 0)
        return rc == CUBBY_ENOENT ? 1 : rc == CUBBY_ECORRUPT || rc == CUBBY_EVERSION ? 0 : rc;
    rc = h.nonce != m->seg_nonce;
    cubby__seg_header_release(&h);
    return rc;
}

/* Floors from which nobody could count on are forged. */
static int load_floors(struct cubby__pager *p, const struct cubby__meta *m, struct cubby__floors *f, cubby_error *err)
{
    int rc = cubby__floors_of(p, &m->root, f, err);
    if (rc != 0 || !cubby__numbers_left(f))
        *f = (struct cubby__floors){0};
    if (f->uidvalidity > CUBBY__UIDVALIDITY_LAST)
        f->uidvalidity = CUBBY__UIDVALIDITY_LAST;
    f->keyword = 0; /* there are few of them, and no client sees their numbers */
    return rc;
}

/* The floor of commits may be above the last commit without any loss (index.c, X4); but if the segment is gone, it was given there. */
static int synced_through(struct cubby__store *s, const struct cubby__meta *m, const struct cubby__floors *f, uint64_t *commit, cubby_error *err)
{
    int rc = f->commit > m->commit ? has_lost_its_segment(s, m, err) : 0;
    cubby__raise(commit, rc > 0 ? f->commit : m->commit);
    return rc < 0 ? rc : 0;
}

/* What it says of numbers, as far as it can be read. */
static int take(struct cubby__store *s, struct cubby__pager *p, const struct cubby__meta *m, struct cubby__last_words *w, cubby_error *why, cubby_error *err)
{
    struct cubby__floors f;
    struct cubby__view view = {.store = s, .pager = p, .root = m->root, .commit = m->commit, .err = why};
    int rc = load_floors(p, m, &f, why);
    cubby__raise_floors(&w->floors, &f);
    cubby__raise(&w->seq, m->seq + 1);
    if (rc == 0 && s->handlers->outlive)
        rc = s->handlers->outlive(&view, &w->defs);
    if (rc == CUBBY_ENOMEM || w->defs.failed)
        return cubby__fail_mem(err);
    if (rc == CUBBY_EIO)
        cubby__notice(s, "the old index cannot be read (%s): which numbers it knew is not known", why->message);
    return synced_through(s, m, &f, &w->commit, err);
}

int cubby__last_words(struct cubby__store *s, const char *name, struct cubby__last_words *w, cubby_error *err)
{
    struct cubby__pager_config c = cubby__index_config(s);
    struct cubby__pager *p;
    struct cubby__meta m;
    cubby_error why;
    char *path = cubby__path_join(s->path, name);
    c.path = path;
    c.cache_bytes = CACHE;
    int rc = path ? cubby__pager_open(&c, &p, &why) : CUBBY_ENOMEM, failed = 0;
    if (rc == 0) {
        rc = cubby__meta_read(p, &m, &why);
        if (rc == 0)
            failed = take(s, p, &m, w, &why, err);
        cubby__pager_close(&p);
    }
    cubby__free(path);
    if (rc == CUBBY_EIO || rc == CUBBY_EACCES)
        cubby__notice(s, "%s cannot be read (%s): what it proves to have been synced is not known", name, why.message);
    return rc == CUBBY_ENOMEM ? cubby__fail_mem(err) : failed;
}

int cubby__index_proves(struct cubby__store *s, struct cubby__pager *p, const struct cubby__meta *m, uint64_t *commit, cubby_error *err)
{
    struct cubby__floors f;
    cubby_error unused;
    *commit = 0;
    load_floors(p, m, &f, &unused);
    return synced_through(s, m, &f, commit, err);
}
