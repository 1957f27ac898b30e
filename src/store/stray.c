/* stray.c - what somebody left in segments/ under a number far behind all others. If it counted, the log would go on behind it, with a gap that no repair
 * can fill, or could not go on at all. A segment of this store is not passed over, whatever its name, unless its own is in use: for nobody may
 * take its number. */
#include "store/stray.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "log/segname.h"

int cubby__segment_in(struct cubby__store *s, const char *path, uint32_t *number, uint64_t *size, cubby_error *err)
{
    struct cubby__seg_header h;
    cubby_vfs_stat st = {0};
    cubby_file *f;
    *number = 0;
    *size = 0;
    int rc = s->vfs->open(s->vfs->ctx, path, CUBBY_OPEN_READ, &f);
    if (rc != 0)
        return rc == -EINVAL ? 0 : cubby__fail_io(err, rc, path, CUBBY__NO_OFFSET, "opening the segment");
    rc = cubby__seg_header_read(s->vfs, f, path, &h, err);
    if (rc == 0 && s->vfs->fstat(s->vfs->ctx, f, &st) == 0)
        *size = st.size;
    s->vfs->close(s->vfs->ctx, f);
    if (rc != 0)
        return rc == CUBBY_ECORRUPT ? 0 : rc;
    if (memcmp(h.ident.uuid, s->ident.uuid, sizeof h.ident.uuid) == 0)
        *number = h.number;
    cubby__seg_header_release(&h);
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

int cubby__is_stranger(struct cubby__store *s, uint32_t seg, cubby_error *err)
{
    cubby_vfs_stat st = {0};
    char name[CUBBY__SEGNAME_MAX], *path = cubby__path_segment(s->path, seg);
    int rc = path ? s->vfs->stat(s->vfs->ctx, path, &st) : -ENOMEM;
    cubby__free(path);
    if (rc != 0)
        return rc == -ENOENT ? 0 : cubby__fail_io(err, rc, cubby__segname(seg, name), CUBBY__NO_OFFSET, "looking at the file");
    return st.is_dir != 0;
}

/* What the file of this number says; 0: nothing. EVERSION: it is of a later version. */
static int says(struct cubby__store *s, uint32_t name, uint32_t *number, cubby_error *err)
{
    uint64_t size;
    char *path = cubby__path_segment(s->path, name);
    *number = 0;
    int rc = path ? cubby__segment_in(s, path, number, &size, err) : cubby__fail_mem(err);
    cubby__free(path);
    return rc == CUBBY_ENOENT ? 0 : rc;
}

/* The same, and what the file says that has the number in its name: 0 if none has. A later version's says nothing here. */
static int both_say(struct cubby__store *s, const uint32_t *numbers, size_t count, uint32_t name, uint32_t *number, int *is_there, uint32_t *theirs,
                    cubby_error *err)
{
    int rc = says(s, name, number, err);
    *theirs = 0;
    *is_there = rc == 0 && bsearch(number, numbers, count, sizeof *number, by_number) != NULL;
    if (*is_there)
        rc = says(s, *number, theirs, err);
    if (*is_there && rc == 0 && !*theirs && (rc = cubby__is_stranger(s, *number, err)) > 0)
        *is_there = rc = 0;
    return rc;
}

/* 1: no segment of this store, or one more of a number that is there. */
static int is_stray(struct cubby__store *s, const uint32_t *numbers, size_t count, uint32_t name, cubby_error *err)
{
    uint32_t number, theirs;
    int is_there, rc = both_say(s, numbers, count, name, &number, &is_there, &theirs, err);
    if (rc != 0)
        return rc == CUBBY_EVERSION ? 0 : rc;
    return !number || (number != name && is_there && (!theirs || theirs == number));
}

int cubby__is_misnamed(struct cubby__store *s, const uint32_t *numbers, size_t count, uint32_t name, cubby_error *err)
{
    uint32_t number, theirs;
    int is_there, rc = both_say(s, numbers, count, name, &number, &is_there, &theirs, err);
    if (rc != 0)
        return rc == CUBBY_EVERSION ? 0 : rc;
    return number && number != name && (!is_there || (theirs && theirs != number));
}

/* A number that no log reaches, so that a log never comes near what was passed over; and not the only one there is. */
static int is_far(const uint32_t *numbers, size_t i)
{
    return i && numbers[i] >= CUBBY__SEG_STRAY_FROM && numbers[i] - numbers[i - 1] > CUBBY__SEG_GAP_MAX;
}

int cubby__segments(struct cubby__store *s, uint32_t **numbers, size_t *count, size_t *strays, cubby_error *err)
{
    int rc = cubby__log_list(s->log, numbers, count, err);
    const size_t all = *count;
    size_t first = 0; /* mostly nothing is far from what is before it, and no header is read */
    while (first < all && !is_far(*numbers, first))
        first++;
    for (size_t i = all; rc == 0 && i-- > first;) {
        if ((rc = is_stray(s, *numbers, all, (*numbers)[i], err)) != 1)
            break;
        rc = 0;
        if (is_far(*numbers, i))
            *count = i;
    }
    if (strays)
        *strays = all - *count;
    if (rc != 0) {
        cubby__free(*numbers);
        *numbers = NULL;
        *count = 0;
    }
    return rc;
}
