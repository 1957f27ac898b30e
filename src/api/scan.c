/* scan.c - cubby_scan_...: the rows of a folder. */
#include "api/api.h"
#include "base/alloc.h"

struct cubby_scan {
    cubby_snapshot *snap;
    struct cubby__scan *scan;
};

static int check(cubby_snapshot *snap, const cubby_scan_options *o)
{
    if (!o)
        return 0;
    if (o->version != CUBBY_SCAN_VERSION)
        return cubby__api_invalid(snap->store, "unknown version of cubby_scan_options");
    if (o->want & ~CUBBY__WANT_ALL)
        return cubby__api_invalid(snap->store, "unknown bits in `want`");
    if ((o->flags_set | o->flags_clear) & ~CUBBY_FLAGS_ALL)
        return cubby__api_invalid(snap->store, "unknown system flags");
    return 0;
}

int cubby_scan_open(cubby_snapshot *snap, uint64_t folder, const cubby_scan_options *options, cubby_scan **out)
{
    if (!cubby__api_readable(snap) || !out)
        return cubby__api_invalid(snap ? snap->store : NULL, "no snapshot, or nowhere to put the scan");
    int rc = check(snap, options);
    if (rc)
        return rc;
    cubby_scan *scan = cubby__calloc(1, sizeof *scan);
    if (!scan)
        return cubby__api_nomem(snap->store);
    scan->snap = snap;
    rc = cubby__scan_open(snap->view, folder, options, &scan->scan);
    if (rc) {
        cubby__free(scan);
        return cubby__api_end(snap->store, snap->view->err, rc);
    }
    *out = scan;
    return 0;
}

int cubby_scan_next(cubby_scan *scan, const cubby_row **out)
{
    if (!scan || !cubby__api_readable(scan->snap) || !out)
        return cubby__api_invalid(scan ? scan->snap->store : NULL, "no scan, or nowhere to put the row");
    int rc = cubby__scan_next(scan->scan, out);
    if (rc < 0 || (!rc && (*out)->damage)) /* the detail of damage can be asked for too */
        cubby__api_end(scan->snap->store, scan->snap->view->err, rc ? rc : (*out)->damage);
    return rc;
}

void cubby_scan_close(cubby_scan **scan)
{
    if (!scan || !*scan)
        return;
    cubby__scan_close(&(*scan)->scan);
    cubby__free(*scan);
    *scan = NULL;
}
