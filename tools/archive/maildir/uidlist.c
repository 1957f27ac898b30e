#include "archive/maildir/uidlist.h"

#include <stdlib.h>
#include <string.h>

#include "archive/maildir/names.h"
#include "archive/sidefile.h"
#include "cli.h"

static uint32_t to_uid(const char *p, char **end)
{
    unsigned long long v = strtoull(p, end, 10);
    return *end > p && *p != '-' && v > 0 && v <= UINT32_MAX ? (uint32_t)v : 0;
}

/* "3 V1275660208 N25022 G..." or "1 1275660208 25022" */
static int read_header(char *line, struct uidlist *out)
{
    char *p = line, *end;
    long version = strtol(p, &p, 10);
    if (version != 1 && version != 3)
        return 0;
    for (char *word = strtok_r(p, " ", &end); word; word = strtok_r(NULL, " ", &end)) {
        char *rest, *number = version == 3 ? word + 1 : word;
        if (*word == 'V' || (version == 1 && !out->uidvalidity))
            out->uidvalidity = to_uid(number, &rest);
        else if (*word == 'N' || version == 1)
            out->uidnext = strtoull(number, NULL, 10);
    }
    return out->uidvalidity != 0;
}

/* "UID [FIELDS] :FILE" or "UID FILE"; cuts the line. 0: it is none. */
static uint32_t read_entry(char *line, char **base)
{
    char *p;
    uint32_t uid = to_uid(line, &p);
    if (!uid || *p != ' ')
        return 0;
    char *colon = strstr(p, " :"), *name = colon ? colon + 2 : p + 1;
    if (!*name || strchr(name, '/'))
        return 0;
    name[maildir_base(name)] = 0;
    *base = name;
    return uid;
}

struct reading {
    struct uidlist *head;
    uidlist_fn fn;
    void *arg;
    int begun;
};

static int take_line(void *arg, char *line)
{
    struct reading *r = arg;
    char *base;
    if (!r->begun)
        return !(r->begun = read_header(line, r->head));
    uint32_t uid = read_entry(line, &base);
    if (uid)
        r->fn(r->arg, base, uid);
    return 0;
}

int uidlist_each(const char *path, struct uidlist *head, uidlist_fn fn, void *arg)
{
    struct reading r = {head, fn, arg, 0};
    *head = (struct uidlist){0};
    return sidefile_read(path, take_line, &r);
}

static void add(void *arg, const char *base, uint32_t uid)
{
    struct uidlist *l = arg;
    if ((l->count & (l->count - 1)) == 0)
        l->entries = cli_realloc(l->entries, (l->count ? l->count * 2 : 1) * sizeof *l->entries);
    l->entries[l->count++] = (struct uidlist_entry){cli_strdup(base), uid};
}

static int by_base(const void *a, const void *b)
{
    return strcmp(((const struct uidlist_entry *)a)->base, ((const struct uidlist_entry *)b)->base);
}

int uidlist_read(const char *path, struct uidlist *out)
{
    int e = uidlist_each(path, out, add, out);
    if (out->count)
        qsort(out->entries, out->count, sizeof *out->entries, by_base);
    return e;
}

uint32_t uidlist_find(const struct uidlist *l, const char *name, size_t base_len)
{
    char base[256];
    if (base_len >= sizeof base || !l->count)
        return 0;
    memcpy(base, name, base_len);
    base[base_len] = 0;
    const struct uidlist_entry key = {base, 0}, *e = bsearch(&key, l->entries, l->count, sizeof key, by_base);
    return e ? e->uid : 0;
}

void uidlist_release(struct uidlist *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->entries[i].base);
    free(l->entries);
    *l = (struct uidlist){0};
}
