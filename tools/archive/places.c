#include "archive/places.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "archive/names.h"
#include "cli.h"
#include "text.h"

#define FOLDER_NAME_MAX 255

struct place {
    struct place *next_raw, *next_path; /* of the same bucket */
    char *above;                        /* path of the folder that it is in */
    char *raw;                          /* as the archive calls it */
    size_t raw_len;
    char *original; /* see places_set_original */
    size_t original_len;
    char *path;
    int changed; /* the path does not say what raw does */
};

enum { BUCKETS = 4096 };

struct places {
    pthread_mutex_t lock;
    struct place *by_raw[BUCKETS], *by_path[BUCKETS];
};

struct places *places_new(void)
{
    struct places *p = cli_malloc(sizeof *p);
    memset(p, 0, sizeof *p);
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void places_free(struct places **pp)
{
    if (!*pp)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct place *at = (*pp)->by_path[i], *next; at; at = next) {
            next = at->next_path;
            free(at->above);
            free(at->raw);
            free(at->original);
            free(at->path);
            free(at);
        }
    pthread_mutex_destroy(&(*pp)->lock);
    free(*pp);
    *pp = NULL;
}

static char *copy(const char *p, size_t n)
{
    char *out = cli_malloc(n + 1);
    memcpy(out, p, n);
    out[n] = 0;
    return out;
}

static size_t bucket(const char *a, const char *b, size_t b_len)
{
    return (size_t)(XXH3_64bits_withSeed(b, b_len, XXH3_64bits(a, strlen(a))) % BUCKETS);
}

static struct place *find_path(const struct places *p, const char *path)
{
    struct place *at = p->by_path[bucket(path, "", 0)];
    while (at && strcmp(at->path, path) != 0)
        at = at->next_path;
    return at;
}

static struct place *find_raw(const struct places *p, const char *parent, const char *name, size_t len)
{
    struct place *at = p->by_raw[bucket(parent, name, len)];
    while (at && (at->raw_len != len || memcmp(at->raw, name, len) != 0 || strcmp(at->above, parent) != 0))
        at = at->next_raw;
    return at;
}

/* The cleaned name with a number behind it, cut so that both fit. */
static char *path_of(const char *parent, const struct text *clean, int number)
{
    char suffix[24] = "";
    size_t len = clean->len;
    if (number > 1)
        snprintf(suffix, sizeof suffix, " (%d)", number);
    while (len + strlen(suffix) > FOLDER_NAME_MAX) /* not within a character */
        for (len--; len && ((unsigned char)clean->data[len] & 0xc0) == 0x80; len--)
            ;
    struct text name = {0};
    text_add(&name, clean->data, len);
    text_add(&name, suffix, strlen(suffix));
    char *escaped = cli_path_escape(name.data, name.len), *path = cli_printf("%s%s%s", parent, *parent ? "/" : "", escaped);
    free(escaped);
    text_release(&name);
    return path;
}

static const struct place *add(struct places *p, const char *parent, const char *name, size_t len)
{
    struct text clean = {0};
    struct place *at = cli_malloc(sizeof *at);
    *at = (struct place){.above = cli_strdup(parent), .raw_len = len, .raw = copy(name, len)};
    at->changed = names_clean(name, len, &clean);
    at->path = path_of(parent, &clean, 1);
    for (int number = 2; find_path(p, at->path); number++) {
        free(at->path);
        at->path = path_of(parent, &clean, number);
        at->changed = 1;
    }
    text_release(&clean);
    size_t raw = bucket(parent, name, len), path = bucket(at->path, "", 0);
    at->next_raw = p->by_raw[raw];
    p->by_raw[raw] = at;
    at->next_path = p->by_path[path];
    p->by_path[path] = at;
    return at;
}

const char *places_below(struct places *p, const char *parent, const char *name, size_t len)
{
    if (!*parent && len == 5 && strncasecmp(name, "INBOX", 5) == 0)
        name = "INBOX";
    pthread_mutex_lock(&p->lock);
    const struct place *at = find_raw(p, parent, name, len);
    if (!at)
        at = add(p, parent, name, len);
    pthread_mutex_unlock(&p->lock);
    return at->path;
}

/* %2F and %25 of a component; any other '%' stands for itself. */
static void unescape(const char *p, size_t n, struct text *out)
{
    for (size_t i = 0; i < n; i++) {
        int slash = n - i >= 3 && strncasecmp(p + i, "%2F", 3) == 0, percent = n - i >= 3 && memcmp(p + i, "%25", 3) == 0;
        text_byte(out, slash ? '/' : p[i]);
        i += slash || percent ? 2 : 0;
    }
}

const char *places_path(struct places *p, const char *parent, const char *path)
{
    struct text name = {0};
    while (*path) {
        const char *slash = strchrnul(path, '/');
        text_clear(&name);
        unescape(path, (size_t)(slash - path), &name);
        parent = places_below(p, parent, name.data ? name.data : "", name.len);
        path = *slash ? slash + 1 : slash;
    }
    text_release(&name);
    return parent;
}

void places_set_original(struct places *p, const char *folder, const char *name, size_t len)
{
    pthread_mutex_lock(&p->lock);
    struct place *at = find_path(p, folder);
    if (at) {
        free(at->original);
        at->original = copy(name, len);
        at->original_len = len;
    }
    pthread_mutex_unlock(&p->lock);
}

char *places_original(struct places *p, const char *folder, size_t *len)
{
    char *out = NULL;
    pthread_mutex_lock(&p->lock);
    const struct place *at = find_path(p, folder);
    *len = !at ? 0 : at->original ? at->original_len : at->changed ? at->raw_len : 0;
    if (at && (at->original || at->changed))
        out = copy(at->original ? at->original : at->raw, *len);
    pthread_mutex_unlock(&p->lock);
    return out;
}
