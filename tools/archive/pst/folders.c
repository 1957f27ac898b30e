#include "archive/pst/folders.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "archive/mapi/codepage.h"
#include "archive/pst/own.h"

/* A path deeper than this is cut off: nobody's mail lies there, and paths would grow without end. */
enum { FOLDER_DEPTH_MAX = 64, OWN_PATH_MAX = 8192 };

/* A path that many folders have above them: kept once. */
struct shared {
    size_t users;
    char path[];
};

struct pending {
    uint32_t nid;
    int depth;
    struct shared *parent;
};

struct pst_folders {
    struct pst_store *s;
    struct pst_bits seen;
    struct pending *stack;
    size_t count, cap;
    struct pst_folder now;
    int some_own; /* one that was given has own properties */
};

static struct shared *share(const char *path)
{
    size_t n = strlen(path) + 1;
    struct shared *s = cli_malloc(sizeof *s + n);
    s->users = 1;
    memcpy(s->path, path, n);
    return s;
}

static void let_go(struct shared *s)
{
    if (--s->users == 0)
        free(s);
}

static void push(struct pst_folders *f, uint32_t nid, int depth, struct shared *parent)
{
    if (f->count == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 32;
        f->stack = cli_realloc(f->stack, f->cap * sizeof *f->stack);
    }
    f->stack[f->count++] = (struct pending){nid, depth, parent};
    parent->users++;
}

struct pst_folders *pst_folders_new(struct pst_store *s)
{
    struct pst_folders *f = cli_malloc(sizeof *f);
    memset(f, 0, sizeof *f);
    f->s = s;
    struct shared *none = share("");
    push(f, s->top, 0, none);
    let_go(none);
    return f;
}

static void forget(struct pst_folder *now)
{
    free(now->path);
    free(now->original);
    *now = (struct pst_folder){0};
}

void pst_folders_free(struct pst_folders **handle)
{
    struct pst_folders *f = *handle;
    if (!f)
        return;
    while (f->count)
        let_go(f->stack[--f->count].parent);
    free(f->stack);
    pst_bits_free(&f->seen);
    forget(&f->now);
    free(f);
    *handle = NULL;
}

int pst_folders_given(const struct pst_folders *f, uint32_t nid)
{
    return PST_NID_TYPE(nid) == PST_NT_FOLDER && pst_bits_get(&f->seen, PST_NID_INDEX(nid));
}

/* ---- names --------------------------------------------------------------------------------------------------------------------------- */

/* What special folders are called where the store does not say which they are. */
static uint32_t use_by_name(const char *name)
{
    static const struct {
        const char *name;
        uint32_t use;
    } known[] = {{"Sent Items", CUBBY_USE_SENT}, {"Deleted Items", CUBBY_USE_TRASH}, {"Drafts", CUBBY_USE_DRAFTS}, {"Junk E-mail", CUBBY_USE_JUNK},
                 {"Junk Email", CUBBY_USE_JUNK}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(known[i].name, name) == 0)
            return known[i].use;
    return 0;
}

static uint32_t use_of(const struct pst_store *s, uint32_t nid, int depth, const char *name)
{
    if (nid == s->sent)
        return CUBBY_USE_SENT;
    if (nid == s->deleted)
        return CUBBY_USE_TRASH;
    if (nid == s->drafts)
        return CUBBY_USE_DRAFTS;
    if (nid == s->junk)
        return CUBBY_USE_JUNK;
    uint32_t use = depth == 1 ? use_by_name(name) : 0;
    int other = (use == CUBBY_USE_SENT && s->sent) || (use == CUBBY_USE_TRASH && s->deleted) || (use == CUBBY_USE_DRAFTS && s->drafts) ||
                (use == CUBBY_USE_JUNK && s->junk);
    return other ? 0 : use;
}

/* Is the folder still called what the export called it: a component of a path, perhaps with a number behind? */
static int same_name(const char *component, const char *shown)
{
    char name[256];
    size_t len;
    if (cli_path_next(&component, name, &len) != 0 || strncasecmp(name, shown, len) != 0)
        return 0;
    const char *rest = shown + len;
    if (!*rest)
        return 1;
    if (strncmp(rest, " (", 2) != 0 || !isdigit((unsigned char)rest[2]))
        return 0;
    rest += 2 + strspn(rest + 2, "0123456789");
    return strcmp(rest, ")") == 0;
}

/* The path that an export of this program kept, unless the folder was moved or renamed since. */
static int own_path(const struct pst_folders *f, const char *parent, const char *shown, const char *own)
{
    const char *slash = strrchr(own, '/');
    size_t above = slash ? (size_t)(slash - own) : 0;
    if (!*own || (slash && !slash[1]))
        return 0;
    if (f->now.nid == f->s->deleted) /* the trash, wherever it was */
        return 1;
    return strlen(parent) == above && strncmp(parent, own, above) == 0 && same_name(slash ? slash + 1 : own, shown);
}

static void read_own(struct pst_folders *f, uint32_t nid, struct text *path, int64_t *use)
{
    struct mapi_object *o;
    struct mapi_prop prop;
    struct pst_node node;
    *use = -1;
    if (pst_find_node(f->s->p, nid, &node) != 1 || pst_message_open(f->s, &node, &o) < 0)
        return;
    if (mapi_find_named(o, mapi_set_cubby, 0, PST_OWN_FOLDER, &prop) == 1)
        mapi_text_of(o, &prop, OWN_PATH_MAX, path);
    if (mapi_find_named(o, mapi_set_cubby, 0, PST_OWN_USE, &prop) == 1)
        *use = mapi_int_of(&prop, -1);
    mapi_close(&o);
}

/* Deleted Items has to be in every file: an export of this program adds it where the store has no such folder, and its own properties on all
 * others. */
static int is_added(struct pst_folders *f)
{
    int others = f->some_own;
    for (size_t i = 0; i < f->count && !others; i++) {
        struct text own = {0};
        int64_t use;
        read_own(f, f->stack[i].nid, &own, &use);
        others = own.len != 0;
        text_release(&own);
    }
    return others;
}

static char *make_path(const char *parent, const char *name, size_t len)
{
    char *one = cli_path_escape(name, len);
    char *path = *parent ? cli_printf("%s/%s", parent, one) : cli_strdup(one);
    free(one);
    return path;
}

/* 1: it has own properties. */
static int describe(struct pst_folders *f, const struct pending *x)
{
    struct text name = {0}, own = {0};
    int64_t use;
    pst_folder_name(f->s, x->nid, &name);
    read_own(f, f->now.nid, &own, &use);
    f->now.special_use = use >= 0 ? (uint32_t)use : use_of(f->s, x->nid, x->depth, name.data);
    int inbox = x->nid == f->s->inbox || (!f->s->inbox && x->depth == 1 && strcasecmp(name.data, "Inbox") == 0);
    if (own.len && own_path(f, x->parent->path, name.data, own.data)) {
        f->now.path = cli_strdup(own.data);
    } else if (inbox) {
        f->now.path = cli_strdup("INBOX");
        f->now.original = strcasecmp(name.data, "INBOX") == 0 ? NULL : cli_strdup(name.data);
    } else {
        f->now.path = make_path(x->parent->path, name.data, name.len);
    }
    int has_own = own.len || use >= 0;
    text_release(&name);
    text_release(&own);
    return has_own;
}

int pst_folders_next(struct pst_folders *f, const struct pst_folder **out)
{
    struct pst_ids children = {0};
    forget(&f->now);
    *out = NULL;
    while (f->count) {
        struct pending x = f->stack[--f->count];
        if (pst_bits_set(&f->seen, PST_NID_INDEX(x.nid))) { /* also if a folder is in itself */
            let_go(x.parent);
            continue;
        }
        f->now.nid = x.nid;
        int own = describe(f, &x);
        f->some_own |= own;
        let_go(x.parent);
        if (x.depth < FOLDER_DEPTH_MAX)
            pst_folder_children(f->s, x.nid, &children);
        f->now.only_if_used = !x.depth || (x.nid == f->s->deleted && !own && !children.count && is_added(f));
        struct shared *path = share(x.depth ? f->now.path : "");
        for (size_t i = children.count; i--;)
            if (x.depth || (children.ids[i] != f->s->search && children.ids[i] != PST_NID_ROOT))
                push(f, children.ids[i], x.depth + 1, path);
        let_go(path);
        pst_ids_free(&children);
        *out = &f->now;
        return 1;
    }
    return 0;
}
