#include "archive/goal.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"

struct goal *goals_get(struct goals *g, const char *path)
{
    if (g->last < g->count && strcmp(g->list[g->last]->path, path) == 0)
        return g->list[g->last];
    for (g->last = 0; g->last < g->count; g->last++)
        if (strcmp(g->list[g->last]->path, path) == 0)
            return g->list[g->last];
    g->list = cli_realloc(g->list, (g->count + 1) * sizeof *g->list);
    struct goal *new = cli_malloc(sizeof *new);
    *new = (struct goal){.path = cli_strdup(path)};
    g->list[g->count++] = new;
    return new;
}

uint64_t goals_unmade_id(struct goals *g)
{
    return UINT64_MAX - ++g->unmade;
}

void goals_release(struct goals *g)
{
    for (size_t i = 0; i < g->count; i++) {
        free(g->list[i]->path);
        free(g->list[i]);
    }
    free(g->list);
    *g = (struct goals){0};
}

/* ---- making -------------------------------------------------------------------------------------------------------------------------- */

static int annotate(cubby_txn *txn, const struct tree *tree, const char *path, uint64_t id)
{
    size_t len;
    char *original = places_original(tree->places, path, &len);
    int rc = original ? cubby_annotation_set(txn, id, GOAL_ORIGINAL_NAME, original, len < CUBBY_ANNOTATION_MAX ? len : CUBBY_ANNOTATION_MAX) : 0;
    free(original);
    return rc;
}

/* INBOX is in every store: while nothing came to it and nobody gave it a use or an annotation, it is as good as new. */
static int is_fresh_inbox(cubby_snapshot *snap, const char *path, const cubby_folder *f)
{
    const char *entry;
    const void *value;
    size_t len;
    return strcasecmp(path, "INBOX") == 0 && f->uidnext == 1 && !f->special_use &&
           cubby_annotation_next(snap, f->id, NULL, &entry, &value, &len) == CUBBY_DONE;
}

/* The folder of one path whose parent is there. *new: it was made. */
static int make_one(cubby_txn *txn, const struct tree *tree, const char *path, uint64_t *id, int *new)
{
    cubby_folder f;
    int rc = cli_path_find(cubby_txn_snapshot(txn), path, &f);
    *new = rc == CUBBY_DONE;
    if (rc == 0)
        *id = f.id;
    if (rc < 0 || (rc == 0 && !is_fresh_inbox(cubby_txn_snapshot(txn), path, &f)))
        return rc;
    if (*new)
        rc = cli_path_make(txn, path, id);
    if (rc == 0 && *new)
        rc = annotate(txn, tree, path, *id);
    return rc == 0 ? keepsakes_restore(&tree->kept, txn, path, *id) : rc;
}

/* A number that this store gave before, or a folder that has messages, is no error: clients then see a folder that is new to them. */
static int take_uidvalidity(cubby_txn *txn, const char *path, uint64_t id, uint32_t uidvalidity)
{
    int rc = uidvalidity ? cubby_folder_set_uidvalidity(txn, id, uidvalidity) : 0;
    if (rc != CUBBY_ECONFLICT && rc != CUBBY_EINVAL)
        return rc;
    cli_note("%s: has a uidvalidity of its own, not %u: clients will load it anew", path, (unsigned)uidvalidity);
    return 0;
}

int goal_make(cubby_txn *txn, const struct tree *tree, int keep_uids, struct goal *g)
{
    char *path = cli_strdup(g->path);
    int rc = 0, new = 0;
    for (char *slash = strchr(path, '/'); rc == 0 && slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        rc = make_one(txn, tree, path, &g->id, &new);
        if (rc == 0 && new && keep_uids) /* it may hold no mail of its own, and be no goal */
            rc = take_uidvalidity(txn, path, g->id, keepsakes_uidvalidity(&tree->kept, path));
        *slash = '/';
    }
    if (rc == 0)
        rc = make_one(txn, tree, path, &g->id, &new);
    if (rc == 0 && new && g->special_use)
        rc = cubby_folder_set_special(txn, g->id, g->special_use);
    if (!g->uidvalidity)
        g->uidvalidity = keepsakes_uidvalidity(&tree->kept, g->path);
    if (rc == 0 && keep_uids)
        rc = take_uidvalidity(txn, path, g->id, g->uidvalidity);
    free(path);
    return rc;
}
