/* changes.c - cubby_changes_...: what is new, changed or gone in a folder since a modseq. */
#include "mail/changes.h"

#include "api/api.h"
#include "base/alloc.h"

struct cubby_changes {
    cubby_snapshot *snap;
    struct cubby__changes walk;
};

int cubby_changes_open(cubby_snapshot *snap, uint64_t folder, uint64_t since, cubby_changes **out)
{
    if (!cubby__api_readable(snap) || !out)
        return cubby__api_invalid(snap ? snap->store : NULL, "no snapshot, or nowhere to put the changes");
    cubby_changes *c = cubby__malloc(sizeof *c);
    if (!c)
        return cubby__api_nomem(snap->store);
    c->snap = snap;
    int rc = cubby__changes_open(snap->view, folder, since, &c->walk);
    if (rc) {
        cubby__free(c);
        return cubby__api_end(snap->store, snap->view->err, rc);
    }
    *out = c;
    return 0;
}

int cubby_changes_next(cubby_changes *c, cubby_change *out)
{
    if (!c || !cubby__api_readable(c->snap) || !out)
        return cubby__api_invalid(c ? c->snap->store : NULL, "no changes, or nowhere to put one");
    int rc = cubby__changes_next(&c->walk, out);
    return rc < 0 ? cubby__api_end(c->snap->store, c->snap->view->err, rc) : rc;
}

void cubby_changes_close(cubby_changes **c)
{
    if (!c || !*c)
        return;
    cubby__changes_close(&(*c)->walk);
    cubby__free(*c);
    *c = NULL;
}
