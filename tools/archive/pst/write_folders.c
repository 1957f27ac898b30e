#include "archive/pst/write_folders.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"

enum { FIRST_FOLDER = 0x404, FOLDERS_MAX = 64000 };
enum { IPM, FINDER, DELETED, FIXED };

struct folder {
    struct pstw_folder f;
    char *name, *raw, *path; /* raw: its name in the store */
    size_t parent, first, last, next; /* places in the list; 0: none (only IPM is 0) */
    int has_contents;
};

struct pstw_folders {
    struct pstw_context *c;
    int own;
    struct pstw_templates templates;
    struct folder *list;
    size_t count;
    size_t now; /* the folder at hand; 0: none */
    struct pstw_table *contents;
    char *deleted_path; /* of the folder that is Deleted Items; NULL: none */
    int deleted_special;
};

/* ---- the list ---------------------------------------------------------------------------------------------------------------------------- */

static size_t add(struct pstw_folders *l, size_t parent, uint32_t nid, const char *name, const char *raw)
{
    if ((l->count & (l->count - 1)) == 0)
        l->list = cli_realloc(l->list, (l->count ? l->count * 2 : 1) * sizeof *l->list);
    size_t at = l->count++;
    struct folder *f = &l->list[at];
    *f = (struct folder){.parent = parent, .name = cli_strdup(name), .raw = raw ? cli_strdup(raw) : NULL};
    f->f.nid = nid;
    f->f.parent = at == IPM || at == FINDER ? PST_NID_ROOT : l->list[parent].f.nid;
    if (at == IPM || at == FINDER)
        return at;
    struct folder *p = &l->list[parent];
    if (p->last)
        l->list[p->last].next = at;
    else
        p->first = at;
    p->last = at;
    return at;
}

/* Names of siblings differ for people who do not see case. */
static int name_is_free(const struct pstw_folders *l, size_t parent, const char *name)
{
    for (size_t i = l->list[parent].first; i; i = l->list[i].next)
        if (strcasecmp(l->list[i].name, name) == 0)
            return 0;
    return 1;
}

static char *free_name(const struct pstw_folders *l, size_t parent, const char *wanted)
{
    char *name = cli_strdup(wanted);
    for (unsigned n = 2; !name_is_free(l, parent, name); n++) {
        free(name);
        name = cli_printf("%s (%u)", wanted, n);
    }
    return name;
}

static size_t find(const struct pstw_folders *l, size_t parent, const char *raw)
{
    for (size_t i = l->list[parent].first; i; i = l->list[i].next)
        if (l->list[i].raw && strcmp(l->list[i].raw, raw) == 0)
            return i;
    return 0;
}

/* What Outlook calls it. */
static const char *shown_name(size_t parent, const char *raw)
{
    return parent == IPM && strcmp(raw, "INBOX") == 0 ? "Inbox" : raw;
}

static size_t make(struct pstw_folders *l, size_t parent, const char *raw, const char *path)
{
    if (l->deleted_path && strcmp(path, l->deleted_path) == 0 && !l->list[DELETED].raw) {
        l->list[DELETED].raw = cli_strdup(raw);
        return DELETED;
    }
    if (l->count >= FOLDERS_MAX)
        return 0;
    char *name = free_name(l, parent, shown_name(parent, raw));
    size_t at = add(l, parent, PST_NID(FIRST_FOLDER + l->count - FIXED, PST_NT_FOLDER), name, raw);
    free(name);
    return at;
}

struct pstw_folders *pstw_folders_new(struct pstw_context *c, int own_properties)
{
    struct pstw_folders *l = cli_malloc(sizeof *l);
    *l = (struct pstw_folders){.c = c, .own = own_properties};
    pstw_write_templates(c->w, &l->templates);
    add(l, IPM, PSTW_IPM, "Top of Outlook data file", NULL);
    add(l, IPM, PSTW_FINDER, "Search Root", NULL);
    add(l, IPM, PSTW_DELETED, "Deleted Items", NULL);
    return l;
}

void pstw_folders_free(struct pstw_folders **handle)
{
    struct pstw_folders *l = *handle;
    struct pstw_node node;
    if (!l)
        return;
    if (l->contents)
        pstw_table_end(&l->contents, &node);
    for (size_t i = 0; i < l->count; i++) {
        free(l->list[i].name);
        free(l->list[i].raw);
        free(l->list[i].path);
    }
    free(l->list);
    free(l->deleted_path);
    free(l);
    *handle = NULL;
}

void pstw_folders_plan(struct pstw_folders *l, const char *path, uint32_t special_use)
{
    int special = (special_use & CUBBY_USE_TRASH) != 0;
    if (strchr(path, '/') || (!special && strcasecmp(path, "Deleted Items") != 0) || (l->deleted_path && special <= l->deleted_special))
        return;
    free(l->deleted_path);
    l->deleted_path = cli_strdup(path);
    l->deleted_special = special;
}

/* ---- one after the other ----------------------------------------------------------------------------------------------------------------- */

static void end_contents(struct pstw_folders *l)
{
    if (!l->contents)
        return;
    pstw_write_folder_table(l->c, &l->templates, l->list[l->now].f.nid, PSTW_CONTENTS, &l->contents);
    l->list[l->now].has_contents = 1;
}

int pstw_folders_begin(struct pstw_folders *l, const char *path, uint32_t special_use)
{
    char name[256];
    size_t len, at = IPM;
    const char *rest = path;
    end_contents(l);
    while (cli_path_next(&rest, name, &len) == 0) {
        size_t below = find(l, at, name);
        char *so_far = cli_printf("%.*s", (int)(rest - path - (rest > path && rest[-1] == '/')), path);
        if (!below && (below = make(l, at, name, so_far)) != 0 && !l->list[below].path)
            l->list[below].path = cli_strdup(so_far);
        free(so_far);
        if (!below)
            return -1;
        at = below;
    }
    if (l->list[at].has_contents && (at = make(l, l->list[at].parent, name, "")) == 0)
        return -1;
    struct folder *f = &l->list[at];
    if (!f->path)
        f->path = cli_strdup(path);
    f->f.special_use = special_use;
    l->now = at;
    return 0;
}

static int go_on(struct pstw_folders *l)
{
    struct folder *f = &l->list[l->now];
    char *name = cli_strdup(f->raw), *path = cli_strdup(f->path);
    uint32_t use = f->f.special_use;
    size_t parent = f->parent;
    end_contents(l);
    size_t at = make(l, parent, name, "");
    if (at) {
        l->list[at].path = path;
        l->list[at].f.special_use = use;
        l->now = at;
    } else {
        free(path);
    }
    free(name);
    return at ? 0 : -1;
}

int pstw_folders_message(struct pstw_folders *l, struct pstw_message **m, int unread, size_t block_limit)
{
    if (l->contents && pstw_table_blocks(l->contents) >= block_limit && go_on(l) != 0)
        return -1;
    if (!l->contents)
        l->contents = pstw_folder_table(l->c->w, PSTW_CONTENTS);
    struct folder *f = &l->list[l->now];
    pstw_message_end(m, PST_NID(l->c->next_message, PST_NT_MESSAGE), f->f.nid, l->contents);
    l->c->next_message++;
    f->f.count++;
    f->f.unread += unread != 0;
    return 0;
}

/* ---- the end ------------------------------------------------------------------------------------------------------------------------------ */

static struct pstw_folder shown(const struct pstw_folders *l, size_t i)
{
    struct pstw_folder f = l->list[i].f;
    f.name = l->list[i].name;
    f.path = l->own ? l->list[i].path : NULL;
    f.subfolders = l->list[i].first != 0;
    return f;
}

/* The first folder at the top with that use. */
static uint32_t with_use(const struct pstw_folders *l, uint32_t use)
{
    for (size_t i = l->list[IPM].first; i; i = l->list[i].next)
        if (l->list[i].f.special_use & use)
            return l->list[i].f.nid;
    return 0;
}

static void write_one(struct pstw_folders *l, const struct pstw_folder *f, struct pstw_table **hierarchy, int has_contents)
{
    pstw_write_folder(l->c, f);
    pstw_write_folder_table(l->c, &l->templates, f->nid, PSTW_HIERARCHY, hierarchy);
    if (!has_contents)
        pstw_write_folder_table(l->c, &l->templates, f->nid, PSTW_CONTENTS, NULL);
    pstw_write_folder_table(l->c, &l->templates, f->nid, PSTW_FAI, NULL);
}

static void write_folder(struct pstw_folders *l, size_t i, uint32_t drafts, uint32_t junk)
{
    struct pstw_folder f = shown(l, i);
    struct pstw_table *t = f.subfolders ? pstw_folder_table(l->c->w, PSTW_HIERARCHY) : NULL;
    for (size_t child = l->list[i].first; child; child = l->list[child].next) {
        struct pstw_folder below = shown(l, child);
        pstw_folder_row(l->c, t, &below);
    }
    if (l->list[i].parent == IPM && strcmp(f.name, "Inbox") == 0) {
        f.drafts = drafts;
        f.junk = junk;
    }
    write_one(l, &f, &t, l->list[i].has_contents);
}

static void write_root(struct pstw_folders *l, uint32_t drafts, uint32_t junk)
{
    static const struct pstw_folder spam = {.nid = PSTW_SPAM_SEARCH, .name = "SPAM Search Folder 2"};
    struct pstw_folder root = {.nid = PST_NID_ROOT, .parent = PST_NID_ROOT, .name = "", .subfolders = 1, .drafts = drafts, .junk = junk};
    struct pstw_table *t = pstw_folder_table(l->c->w, PSTW_HIERARCHY);
    struct pstw_folder ipm = shown(l, IPM), finder = shown(l, FINDER);
    pstw_folder_row(l->c, t, &spam);
    pstw_folder_row(l->c, t, &ipm);
    pstw_folder_row(l->c, t, &finder);
    write_one(l, &root, &t, 0);
}

void pstw_folders_end(struct pstw_folders *l, struct pstw_store *store, uint32_t *next)
{
    uint32_t drafts = with_use(l, CUBBY_USE_DRAFTS), junk = with_use(l, CUBBY_USE_JUNK);
    end_contents(l);
    for (size_t i = 0; i < l->count; i++)
        write_folder(l, i, drafts, junk);
    write_root(l, drafts, junk);
    store->sent = with_use(l, CUBBY_USE_SENT);
    *next = (uint32_t)(FIRST_FOLDER + l->count - FIXED);
}
