#include "mail/scan.h"

#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/key.h"
#include "mail/fetch.h"
#include "mail/folder_row.h"
#include "mail/row.h"
#include "mail/row_scan.h"
#include "mail/uidset.h"

/* A wanted uid that is at most so far away is reached by steps, not by a search from the root. */
#define STEP_MAX 16

struct cubby__scan {
    struct cubby__view *view;
    struct cubby__cursor cursor;
    cubby_scan_options o;
    uint8_t key[1 + CUBBY__KEYNUM_MAX + 4];
    size_t prefix_len;
    int started;
    int ended;       /* 0, DONE, or the failure that every later call returns */
    size_t range;    /* of o.uids: the one that is being walked */
    uint64_t left;   /* rows still to give */
    cubby_row row;
    struct cubby__keywords keywords;
    struct cubby__place place;
    struct cubby__fetch fetch;
};

/* NULL: out of memory, which is in the view's detail. */
static struct cubby__scan *new_scan(struct cubby__view *view, uint64_t folder)
{
    struct cubby__scan *s = cubby__calloc(1, sizeof *s);
    if (!s) {
        cubby__fail_mem(view->err);
        return NULL;
    }
    s->view = view;
    s->prefix_len = cubby__key_message(s->key, folder, 0) - 4;
    cubby__fetch_init(&s->fetch, view);
    cubby__view_cursor(view, &s->cursor);
    return s;
}

static int need_folder(struct cubby__view *view, uint64_t folder)
{
    uint8_t value[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    return cubby__folder_row_need(view, folder, value, &row);
}

int cubby__scan_open(struct cubby__view *view, uint64_t folder, const cubby_scan_options *options, struct cubby__scan **out)
{
    int rc = need_folder(view, folder);
    if (rc)
        return rc;
    struct cubby__scan *s = new_scan(view, folder);
    if (!s)
        return CUBBY_ENOMEM;
    if (options)
        s->o = *options;
    s->left = s->o.limit ? s->o.limit : UINT64_MAX;
    s->ended = s->o.uids && !s->o.uids->count ? CUBBY_DONE : 0;
    s->range = s->o.uids && s->o.reverse ? s->o.uids->count - 1 : 0;
    *out = s;
    return 0;
}

void cubby__scan_close(struct cubby__scan **s)
{
    if (!*s)
        return;
    cubby__cursor_release(&(*s)->cursor);
    cubby__fetch_release(&(*s)->fetch);
    cubby__free(*s);
    *s = NULL;
}

/* ---- walking ----------------------------------------------------------------------------------------------------------------------- */

static int seek(struct cubby__scan *s, uint32_t uid)
{
    cubby__put32be(s->key + s->prefix_len, uid);
    return s->o.reverse ? cubby__cursor_seek_back(&s->cursor, s->key, s->prefix_len + 4) : cubby__cursor_seek(&s->cursor, s->key, s->prefix_len + 4);
}

static int step(struct cubby__scan *s)
{
    return s->o.reverse ? cubby__cursor_prev(&s->cursor) : cubby__cursor_next(&s->cursor);
}

static int start(struct cubby__scan *s)
{
    s->started = 1;
    if (!s->o.uids)
        return seek(s, s->o.reverse ? UINT32_MAX : 0);
    const struct cubby__range *r = &s->o.uids->range[s->range];
    return seek(s, s->o.reverse ? r->last : r->first);
}

/* The uid of the row that the cursor stands on; DONE behind the folder's last. */
static int here(const struct cubby__scan *s, uint32_t *uid)
{
    struct cubby__slice key = cubby__cursor_key(&s->cursor);
    if (key.n != s->prefix_len + 4 || memcmp(key.p, s->key, s->prefix_len))
        return CUBBY_DONE;
    *uid = cubby__get32be(key.p + s->prefix_len);
    return 0;
}

/* The wanted uid nearest to `uid` in the direction of the walk; DONE if there is none. */
static int wanted(struct cubby__scan *s, uint32_t uid, uint32_t *target)
{
    const struct cubby__range *r = s->o.uids->range;
    if (s->o.reverse) {
        while (r[s->range].first > uid)
            if (!s->range--)
                return CUBBY_DONE;
        *target = r[s->range].last < uid ? r[s->range].last : uid;
        return 0;
    }
    while (r[s->range].last < uid)
        if (++s->range == s->o.uids->count)
            return CUBBY_DONE;
    *target = r[s->range].first > uid ? r[s->range].first : uid;
    return 0;
}

/* To the next row whose uid is wanted. */
static int advance(struct cubby__scan *s)
{
    int rc = s->started ? step(s) : start(s);
    while (!rc) {
        uint32_t target;
        rc = here(s, &s->row.uid);
        if (rc || !s->o.uids)
            return rc;
        rc = wanted(s, s->row.uid, &target);
        if (rc || target == s->row.uid)
            return rc;
        uint32_t distance = target > s->row.uid ? target - s->row.uid : s->row.uid - target;
        rc = distance <= STEP_MAX ? step(s) : seek(s, target);
    }
    return rc;
}

/* ---- rows -------------------------------------------------------------------------------------------------------------------------- */

static int decode(struct cubby__scan *s, struct cubby__slice value)
{
    if (!cubby__message_row_scan(value.p, value.n, &s->row, &s->keywords, &s->place))
        return 0;
    return cubby__fail(s->view->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "the row of uid %u breaks its format", s->row.uid);
}

static void clear_extras(cubby_row *row)
{
    row->list_header = row->header = NULL;
    row->parts = NULL;
    row->list_header_len = row->header_bytes_len = row->part_count = 0;
    memset(row->hash, 0, sizeof row->hash);
    row->original_size = row->header_len = 0;
    row->eol = row->traits = 0;
    row->damage = 0;
}

static int fetch_extras(struct cubby__scan *s, unsigned want)
{
    cubby_row *row = &s->row;
    const struct cubby__object *o = &s->fetch.object;
    int rc = cubby__fetch_object(&s->fetch, row->object, &s->place);
    if (rc)
        return rc;
    memcpy(row->hash, o->hash, sizeof row->hash);
    row->original_size = o->size;
    row->header_len = o->header_len;
    row->eol = o->eol;
    row->traits = o->traits | (o->stored_header < o->header_len ? CUBBY_HAS_LONG_HEADER : 0);
    const uint8_t *p;
    if (want & CUBBY_WANT_LIST && !(rc = cubby__fetch_list(&s->fetch, &p, &row->list_header_len)))
        row->list_header = (const char *)p;
    if (!rc && want & CUBBY_WANT_PARTS)
        rc = cubby__fetch_parts(&s->fetch, &row->parts, &row->part_count);
    if (!rc && want & CUBBY_WANT_HEADER && !(rc = cubby__fetch_header(&s->fetch, &p, &row->header_bytes_len)))
        row->header = (const char *)p;
    return rc;
}

/* Damage costs this row's extras, not the scan; being out of memory or revoked ends the call. */
static int add_extras(struct cubby__scan *s, unsigned want)
{
    clear_extras(&s->row);
    int rc = fetch_extras(s, want);
    if (rc != CUBBY_ECORRUPT && rc != CUBBY_EIO)
        return rc;
    s->row.damage = rc;
    return 0;
}

int cubby__scan_next(struct cubby__scan *s, const cubby_row **out)
{
    if (s->ended || !s->left)
        return s->ended ? s->ended : CUBBY_DONE;
    for (;;) {
        int rc = advance(s);
        if (rc)
            return s->ended = rc;
        struct cubby__slice value = cubby__cursor_value(&s->cursor);
        if (value.n && ((value.p[0] & s->o.flags_set) != s->o.flags_set || value.p[0] & s->o.flags_clear))
            continue;
        rc = decode(s, value);
        if (!rc && s->row.modseq <= s->o.since && s->o.since)
            continue;
        if (!rc && s->o.want)
            rc = add_extras(s, s->o.want);
        if (rc)
            return rc;
        s->left--;
        *out = &s->row;
        return 0;
    }
}

int cubby__scan_row(struct cubby__view *view, uint64_t folder, uint32_t uid, unsigned want, struct cubby__scan **state, const cubby_row **out)
{
    uint8_t value[CUBBY__TREE_VALUE_MAX];
    size_t len;
    int rc = need_folder(view, folder);
    if (rc)
        return rc;
    struct cubby__scan *s = *state ? *state : new_scan(view, folder);
    if (!s)
        return CUBBY_ENOMEM;
    *state = s;
    rc = cubby__view_get(view, s->key, cubby__key_message(s->key, folder, uid), value, &len);
    if (rc)
        return rc;
    s->row.uid = uid;
    rc = decode(s, (struct cubby__slice){value, len});
    clear_extras(&s->row);
    if (!rc && want)
        rc = add_extras(s, want);
    if (!rc)
        *out = &s->row;
    return rc;
}
