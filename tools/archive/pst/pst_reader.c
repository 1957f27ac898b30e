/* PST and OST files as an archive (reader.h). */
#include <stdlib.h>
#include <string.h>

#include "archive/mapi/to_mime.h"
#include "archive/pst/folders.h"
#include "archive/pst/own.h"
#include "archive/reader.h"

enum { CHUNK = 65536, PROBLEMS_MAX = 100, NOTE_LINES = 20, DAMAGE_MAX = 1000 };

struct pst_reader {
    struct reader base;
    char *path;
    struct pst *p;
    struct pst_store store;
    int opened; /* the store */
    struct pst_folders *folders;
    struct pst_listing list;
    int listing;
    int recovering;       /* 1: messages that no folder lists; 2: their folder was given */
    int held;             /* the top, which is a folder only if there is a message in it: `next_item` waits */
    struct pst_node next_item;
    int next_rc;
    struct pst_bits seen; /* messages */
    uint64_t number, problems;
    int in_message;       /* what is told belongs to this one */
    struct text damage;   /* of it */
    uint64_t at; /* the furthest place of a message: for progress */
    struct mapi_object *message;
    struct to_mime *mime;
    uint8_t buf[CHUNK];
};

static struct pst_reader *self(struct reader *r)
{
    return (struct pst_reader *)r;
}

/* What is wrong with the file, but can be done without. */
static void on_problem(void *arg, int severity, uint64_t offset, const char *text)
{
    struct pst_reader *r = arg;
    (void)severity;
    if (r->in_message) {
        char at[64];
        int n = snprintf(at, sizeof at, "%sat byte %llu: ", r->damage.len ? "; " : "", (unsigned long long)offset);
        if (r->damage.len < DAMAGE_MAX) {
            text_add(&r->damage, at, (size_t)n);
            text_add(&r->damage, text, strlen(text));
        }
        return;
    }
    if (++r->problems <= PROBLEMS_MAX)
        cli_note("%s: at byte %llu: %s", r->path, (unsigned long long)offset, text);
    else if (r->problems == PROBLEMS_MAX + 1)
        cli_note("%s: there is more damage; `cubby check-archive` names all of it", r->path);
}

static int fail(struct pst_reader *r, const char *what)
{
    return reader_fail(&r->base, "%s%s", what, pst_error(r->p));
}

static int check_password(struct pst_reader *r)
{
    if (pst_store_password(&r->store, NULL))
        return 0;
    const char *password = reader_password(r->base.options, r->path);
    if (!password)
        return reader_fail(&r->base, "a password is set: give it with --password");
    return pst_store_password(&r->store, password) ? 0 : reader_fail(&r->base, "the password is wrong");
}

static int open_store(const char *path, const struct reader_options *o, int quiet, struct reader **out)
{
    struct pst_reader *r = cli_malloc(sizeof *r);
    memset(r, 0, sizeof *r);
    r->base.format = &reader_pst;
    r->base.options = o;
    r->path = cli_strdup(path);
    *out = &r->base;
    if (pst_open(path, quiet ? NULL : on_problem, r, &r->p) < 0)
        return fail(r, "");
    pst_mend(r->p);
    pst_store_open(r->p, &r->store);
    r->opened = 1;
    return 0;
}

static int pst_reader_open(const char *path, const struct reader_options *o, struct reader **out)
{
    if (open_store(path, o, 0, out) < 0)
        return -1;
    struct pst_reader *r = self(*out);
    if (check_password(r) < 0)
        return -1;
    r->folders = pst_folders_new(&r->store);
    return 0;
}

/* ---- messages ------------------------------------------------------------------------------------------------------------------------ */

static void end_message(struct pst_reader *r)
{
    to_mime_close(&r->mime);
    mapi_close(&r->message);
    r->in_message = 0;
    text_clear(&r->damage);
}

/* One line of what the message lost, and of what is wrong where it lies. */
static char *losses_of(const struct pst_reader *r)
{
    struct text t = {0};
    const char *line;
    if (r->damage.len)
        text_add(&t, r->damage.data, r->damage.len);
    for (size_t i = 0; (line = to_mime_loss(r->mime, i)) != NULL && i < NOTE_LINES; i++) {
        if (t.len)
            text_add(&t, "; ", 2);
        text_add(&t, line, strlen(line));
    }
    return t.data;
}

static int64_t own_int(struct mapi_object *o, const char *name, int64_t otherwise)
{
    struct mapi_prop prop;
    return mapi_find_named(o, mapi_set_cubby, 0, name, &prop) == 1 ? mapi_int_of(&prop, otherwise) : otherwise;
}

static void own_keywords(struct mapi_object *o, struct cli_flags *out)
{
    struct mapi_prop all, one;
    if (mapi_find_named(o, mapi_set_cubby, 0, PST_OWN_KEYWORDS, &all) != 1)
        return;
    for (uint32_t i = 0; i < all.count; i++) {
        struct text t = {0};
        if (o->ops->element(o, &all, i, &one) == 1 && mapi_text_of(o, &one, 4096, &t) == 1 && t.len)
            cli_flag_add(out, t.data, t.len);
        text_release(&t);
    }
}

/* What an export of this program kept counts, but for the flags that people change in Outlook. 1: this is no message of the user's. */
static int take_state(struct mapi_object *o, struct reader_item *out)
{
    const uint32_t theirs = CUBBY_SEEN | CUBBY_ANSWERED | CUBBY_FLAGGED | CUBBY_DRAFT;
    struct mapi_state state;
    mapi_state_of(o, &state);
    int64_t own = own_int(o, PST_OWN_FLAGS, -1), date = own_int(o, PST_OWN_DATE, INT64_MIN);
    out->has_flags = 1;
    out->flags.system = state.flags.system;
    if (own >= 0) {
        out->flags.system = (state.flags.system & theirs) | ((uint32_t)own & ~theirs);
        own_keywords(o, &out->flags);
    } else {
        out->flags = state.flags;
        state.flags = (struct cli_flags)CLI_FLAGS_INIT;
    }
    out->has_date = state.has_date;
    out->date = state.date;
    if (date != INT64_MIN) {
        int64_t zone = own_int(o, PST_OWN_ZONE, 0);
        out->has_date = 1;
        out->date = date;
        out->has_zone = zone >= -24 * 60 && zone <= 24 * 60;
        out->zone = (int16_t)(out->has_zone ? zone : 0);
    }
    int64_t uid = own_int(o, PST_OWN_UID, 0);
    out->uid = uid > 0 && uid <= UINT32_MAX ? (uint32_t)uid : 0;
    int associated = state.associated;
    mapi_state_release(&state);
    return associated;
}

/* Progress goes by the places of the messages, which are about in order. */
static uint64_t place_of(struct pst_reader *r, const struct pst_node *node)
{
    struct pst_place at;
    if (pst_find_block(r->p, node->data, &at) != 1)
        return 0;
    r->at = at.ib > r->at && at.ib < r->p->size ? at.ib : r->at;
    return at.ib;
}

/* 0, or 1: this one is none. */
static int give_message(struct pst_reader *r, int rc, const struct pst_node *node, struct reader_item *out)
{
    out->kind = READER_MESSAGE;
    if (rc == 1) {
        out->offset = place_of(r, node);
        r->in_message = 1;
        rc = pst_message_open(&r->store, node, &r->message);
    }
    if (rc < 0) {
        out->kind = READER_FAILED;
        out->number = ++r->number;
        out->reason = cli_printf("node 0x%x: %s", node->nid, pst_error(r->p));
        end_message(r);
        return 0;
    }
    if (take_state(r->message, out)) { /* Outlook's own, though its node says otherwise */
        end_message(r);
        reader_item_release(out);
        return 1;
    }
    out->number = ++r->number;
    out->again = 1;
    out->token[0] = node->nid;
    r->mime = to_mime_open(r->message);
    return 0;
}

/* 0, or 1: this one is none. */
static int give_folder(struct pst_reader *r, const struct pst_folder *f, struct reader_item *out)
{
    pst_listing_begin(&r->list, &r->store, f->nid, PST_NT_MESSAGE, &r->seen);
    r->listing = 1;
    if (f->only_if_used) {
        r->next_rc = pst_listing_next(&r->list, &r->next_item);
        r->held = r->next_rc != 0;
        if (!r->held)
            return 1;
    }
    out->kind = READER_FOLDER;
    out->folder = cli_strdup(f->path);
    out->original = f->original ? cli_strdup(f->original) : NULL;
    out->special_use = f->special_use;
    return 0;
}

static int next_node(struct pst_reader *r, struct pst_node *node)
{
    if (!r->held)
        return pst_listing_next(&r->list, node);
    r->held = 0;
    *node = r->next_item;
    return r->next_rc;
}

/* Of a folder of the user's, or of one that is gone; what is elsewhere, Outlook keeps for itself. */
static int is_lost(struct pst_reader *r, const struct pst_node *node)
{
    struct pst_node folder;
    return pst_folders_given(r->folders, node->parent) || pst_find_node(r->p, node->parent, &folder) != 1;
}

static int next_lost(struct pst_reader *r, struct reader_item *out)
{
    struct pst_node node;
    int rc;
    if (!r->recovering) {
        r->recovering = r->listing = 1;
        pst_listing_begin(&r->list, &r->store, 0, PST_NT_MESSAGE, &r->seen);
    }
    while ((rc = next_node(r, &node)) != 0) {
        if (rc == 1 && !is_lost(r, &node))
            continue;
        if (r->recovering == 1) { /* one moment: first its folder */
            r->recovering = 2;
            r->held = 1;
            r->next_item = node;
            r->next_rc = rc;
            out->kind = READER_FOLDER;
            out->folder = cli_strdup("Recovered");
            return 0;
        }
        if (give_message(r, rc, &node, out) == 0)
            return 0;
    }
    return 1;
}

/* The end: 1, or -1 if there may have been more messages that nothing names any more. */
static int at_end(struct pst_reader *r, struct reader_item *out)
{
    if (!*r->p->missing)
        return 1;
    out->offset = r->p->missing_at;
    return reader_fail(&r->base, "messages may be missing: %s", r->p->missing);
}

static int next_item(struct reader *base, struct reader_item *out)
{
    struct pst_reader *r = self(base);
    const struct pst_folder *folder;
    struct pst_node node;
    int rc;
    end_message(r);
    if (r->recovering)
        return next_lost(r, out);
    do {
        if (r->listing) {
            while ((rc = next_node(r, &node)) != 0)
                if (give_message(r, rc, &node, out) == 0)
                    return 0;
            pst_listing_end(&r->list);
            r->listing = 0;
        }
        if (pst_folders_next(r->folders, &folder) != 1)
            return base->options && base->options->recover ? next_lost(r, out) : 1;
    } while (give_folder(r, folder, out) != 0);
    return 0;
}

static int pst_reader_next(struct reader *base, struct reader_item *out)
{
    int rc = next_item(base, out);
    return rc == 1 ? at_end(self(base), out) : rc;
}

static int pst_reader_open_at(const char *path, const struct reader_options *o, const struct reader_item *item, struct reader **out)
{
    struct pst_node node;
    if (open_store(path, o, 1, out) < 0)
        return -1;
    struct pst_reader *r = self(*out);
    if (pst_find_node(r->p, (uint32_t)item->token[0], &node) != 1 || pst_message_open(&r->store, &node, &r->message) < 0)
        return fail(r, "the message is not there any more: ");
    r->mime = to_mime_open(r->message);
    return 0;
}

static int pst_reader_read(struct reader *base, const uint8_t **p, size_t *n)
{
    struct pst_reader *r = self(base);
    *p = r->buf;
    *n = r->mime ? to_mime_read(r->mime, r->buf, sizeof r->buf) : 0;
    if (*n)
        return 0;
    if (r->mime) {
        free(base->note);
        base->note = losses_of(r);
    }
    end_message(r);
    return 1;
}

static uint64_t pst_reader_taken(const struct reader *base)
{
    return ((const struct pst_reader *)base)->at;
}

static void pst_reader_close(struct reader *base)
{
    struct pst_reader *r = self(base);
    end_message(r);
    if (r->listing)
        pst_listing_end(&r->list);
    pst_folders_free(&r->folders);
    pst_bits_free(&r->seen);
    text_release(&r->damage);
    if (r->opened)
        pst_store_close(&r->store);
    pst_close(&r->p);
    free(r->path);
    free(r);
}

const struct reader_format reader_pst = {
    "pst", pst_reader_open, pst_reader_open_at, pst_reader_next, pst_reader_read, pst_reader_taken, pst_reader_close};
