#include "archive/maildir/uidlist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/maildir/names.h"
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

/* "UID [FIELDS] :FILE" or "UID FILE" */
static void read_line(char *line, struct uidlist *out)
{
    char *p;
    uint32_t uid = to_uid(line, &p);
    if (!uid || *p != ' ')
        return;
    char *colon = strstr(p, " :"), *name = colon ? colon + 2 : p + 1;
    if (!*name || strchr(name, '/'))
        return;
    if ((out->count & (out->count - 1)) == 0)
        out->entries = cli_realloc(out->entries, (out->count ? out->count * 2 : 1) * sizeof *out->entries);
    name[maildir_base(name)] = 0;
    out->entries[out->count++] = (struct uidlist_entry){cli_strdup(name), uid};
}

static int by_base(const void *a, const void *b)
{
    return strcmp(((const struct uidlist_entry *)a)->base, ((const struct uidlist_entry *)b)->base);
}

void uidlist_read(const char *path, struct uidlist *out)
{
    char *line = NULL;
    size_t cap = 0;
    *out = (struct uidlist){0};
    FILE *f = fopen(path, "re");
    for (int first = 1, good = 1; f && good && getline(&line, &cap, f) > 0; first = 0) {
        line[strcspn(line, "\n")] = 0;
        if (first)
            good = read_header(line, out);
        else
            read_line(line, out);
    }
    free(line);
    if (f)
        fclose(f);
    if (out->count)
        qsort(out->entries, out->count, sizeof *out->entries, by_base);
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
