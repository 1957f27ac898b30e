#include "mail/uidset.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

int cubby_uidset_new(cubby_uidset **out)
{
    if (!out)
        return CUBBY_EINVAL;
    cubby_uidset *set = cubby__calloc(1, sizeof *set);
    if (!set)
        return CUBBY_ENOMEM;
    *out = set;
    return CUBBY_OK;
}

void cubby_uidset_free(cubby_uidset **set)
{
    if (!set || !*set)
        return;
    cubby__free((*set)->range);
    cubby__free(*set);
    *set = NULL;
}

void cubby_string_free(char **s)
{
    if (!s)
        return;
    cubby__free(*s);
    *s = NULL;
}

size_t cubby__uidset_seek(const struct cubby_uidset *set, uint32_t uid)
{
    return cubby__range_seek(set->range, set->count, uid);
}

static int insert(cubby_uidset *set, size_t at, uint32_t first, uint32_t last)
{
    struct cubby__range *range = cubby__grow(set->range, set->count, &set->cap, sizeof *range);
    if (!range)
        return CUBBY_ENOMEM;
    set->range = range;
    memmove(set->range + at + 1, set->range + at, (set->count - at) * sizeof *set->range);
    set->range[at] = (struct cubby__range){first, last};
    set->count++;
    return CUBBY_OK;
}

int cubby_uidset_add(cubby_uidset *set, uint32_t first, uint32_t last)
{
    if (!set || !first || last < first)
        return CUBBY_EINVAL;
    size_t n = set->count;
    if (!n || set->range[n - 1].last < first - 1)
        return insert(set, n, first, last);
    /* [at, end) are the ranges that touch the new one */
    size_t at = cubby__uidset_seek(set, first - 1), end = at;
    while (end < n && set->range[end].first <= (last < UINT32_MAX ? last + 1 : last))
        end++;
    if (at == end)
        return insert(set, at, first, last);
    struct cubby__range *r = &set->range[at];
    uint32_t high = set->range[end - 1].last;
    r->first = r->first < first ? r->first : first;
    r->last = high > last ? high : last;
    memmove(r + 1, set->range + end, (n - end) * sizeof *r);
    set->count -= end - at - 1;
    return CUBBY_OK;
}

int cubby_uidset_has(const cubby_uidset *set, uint32_t uid)
{
    return set && cubby__range_has(set->range, set->count, uid);
}

uint64_t cubby_uidset_count(const cubby_uidset *set)
{
    uint64_t n = 0;
    for (size_t i = 0; set && i < set->count; i++)
        n += 1ull + set->range[i].last - set->range[i].first;
    return n;
}

size_t cubby_uidset_ranges(const cubby_uidset *set)
{
    return set ? set->count : 0;
}

void cubby_uidset_range(const cubby_uidset *set, size_t i, uint32_t *first, uint32_t *last)
{
    int there = set && i < set->count;
    if (first)
        *first = there ? set->range[i].first : 0;
    if (last)
        *last = there ? set->range[i].last : 0;
}

/* ---- text ---- */

/* A number without leading zero, or `*`. */
static int parse_uid(const char **text, uint32_t max, uint32_t *uid)
{
    const char *p = *text;
    uint64_t v = 0;
    if (*p == '*') {
        *uid = max;
        *text = p + 1;
        return CUBBY_OK;
    }
    if (*p < '1' || *p > '9')
        return CUBBY_EINVAL;
    for (; *p >= '0' && *p <= '9'; p++) {
        v = 10 * v + (uint64_t)(*p - '0');
        if (v > UINT32_MAX)
            return CUBBY_EINVAL;
    }
    *uid = (uint32_t)v;
    *text = p;
    return CUBBY_OK;
}

static int parse_range(const char **text, uint32_t max, struct cubby__range *r)
{
    int rc = parse_uid(text, max, &r->first);
    if (rc)
        return rc;
    r->last = r->first;
    if (**text == ':') {
        ++*text;
        rc = parse_uid(text, max, &r->last);
    }
    if (r->first > r->last)
        *r = (struct cubby__range){r->last, r->first};
    return rc;
}

static int by_first(const void *a, const void *b)
{
    const struct cubby__range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

/* Sorts and joins: one addition after the other would be quadratic for a hostile order. */
static void tidy(cubby_uidset *set)
{
    size_t n = 0;
    qsort(set->range, set->count, sizeof *set->range, by_first);
    for (size_t i = 0; i < set->count; i++) {
        struct cubby__range r = set->range[i];
        struct cubby__range *before = n ? &set->range[n - 1] : NULL;
        if (before && (before->last == UINT32_MAX || r.first <= before->last + 1))
            before->last = r.last > before->last ? r.last : before->last;
        else
            set->range[n++] = r;
    }
    set->count = n;
}

static int parse(const char *text, uint32_t max, cubby_uidset *set)
{
    int sorted = 1;
    for (;;) {
        struct cubby__range r;
        int rc = parse_range(&text, max, &r);
        if (rc)
            return rc;
        if (!r.first) /* `*` of an empty folder: nothing */
            r.first = 1;
        if (r.last && set->count && r.first <= (uint64_t)set->range[set->count - 1].last + 1)
            sorted = 0;
        if (r.last && (rc = insert(set, set->count, r.first, r.last)))
            return rc;
        if (!*text)
            break;
        if (*text++ != ',')
            return CUBBY_EINVAL;
    }
    if (!sorted)
        tidy(set);
    return CUBBY_OK;
}

int cubby_uidset_parse(const char *text, uint32_t max, cubby_uidset **out)
{
    cubby_uidset *set;
    int rc = text && out ? cubby_uidset_new(&set) : CUBBY_EINVAL;
    if (rc)
        return rc;
    rc = parse(text, max, set);
    if (rc)
        cubby_uidset_free(&set);
    else
        *out = set;
    return rc;
}

static char *put_number(char *p, uint32_t v)
{
    char digits[10];
    int n = 0;
    do
        digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    while (n)
        *p++ = digits[--n];
    return p;
}

int cubby_uidset_format(const cubby_uidset *set, char **out)
{
    if (!set || !out)
        return CUBBY_EINVAL;
    char *text = cubby__malloc(set->count * (2 * 10 + 2) + 1), *p = text;
    if (!text)
        return CUBBY_ENOMEM;
    for (size_t i = 0; i < set->count; i++) {
        if (i)
            *p++ = ',';
        p = put_number(p, set->range[i].first);
        if (set->range[i].last == set->range[i].first)
            continue;
        *p++ = ':';
        p = put_number(p, set->range[i].last);
    }
    *p = 0;
    *out = text;
    return CUBBY_OK;
}
