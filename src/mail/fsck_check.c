/* fsck_check.c - the read-only check: the store, what its records say, the messages. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/key.h"
#include "base/range.h"
#include "mail/apply.h"
#include "mail/folder_row.h"
#include "mail/fsck.h"
#include "mail/mailcheck.h"
#include "mail/orphan.h"
#include "mail/spy.h"
#include "mail/walk.h"
#include "store/repair.h"

enum {
    TRIES = 6,     /* looks at a store that others keep writing to */
    HELD_MAX = 256 /* findings held back until it is known that nobody did; with more, the store is damaged anyway */
};

struct held {
    char *code, *file, *detail;
    cubby_finding f;
};

struct run {
    cubby_finding_fn fn;
    void *arg;
    cubby_check_result *result;
    cubby_error *err;
    struct cubby__spy spy;
    struct cubby__orphans orphans;
    struct cubby__range *hurt; /* segments */
    size_t hurt_count, hurt_cap;
    struct held held[HELD_MAX];
    size_t held_count;
    int holding;
};

/* ---- findings, held back ---- */

static void drop_held(struct run *r)
{
    for (size_t i = 0; i < r->held_count; i++) {
        cubby__free(r->held[i].code);
        cubby__free(r->held[i].file);
        cubby__free(r->held[i].detail);
    }
    r->held_count = 0;
}

static int tell_held(struct run *r)
{
    int stop = 0;
    for (size_t i = 0; i < r->held_count && !stop; i++)
        stop = r->fn(r->arg, &r->held[i].f);
    drop_held(r);
    return stop;
}

static int hold(struct run *r, const cubby_finding *f)
{
    struct held *h = &r->held[r->held_count];
    *h = (struct held){cubby__strdup(f->code), cubby__strdup(f->file), cubby__strdup(f->detail), *f};
    h->f.code = h->code;
    h->f.file = h->file;
    h->f.detail = h->detail;
    r->held_count++;
    if (h->code && h->file && h->detail)
        return 0;
    r->held_count--;
    cubby__free(h->code);
    cubby__free(h->file);
    cubby__free(h->detail);
    return CUBBY_ENOMEM;
}

static int found(void *arg, const cubby_finding *f)
{
    struct run *r = arg;
    if (r->holding && r->held_count < HELD_MAX && hold(r, f) == 0)
        return 0; /* without memory they are told as they come */
    r->holding = 0;
    return tell_held(r) || r->fn(r->arg, f);
}

static int report(struct run *r, const char *code, const char *file, uint64_t off, uint64_t folder, uint32_t uid, const char *detail)
{
    const cubby_finding f = {code, CUBBY_ERROR, file, off, folder, uid, detail};
    r->result->findings++;
    return found(r, &f) ? cubby__fail(r->err, CUBBY_ECANCEL, NULL, CUBBY__NO_OFFSET, "the check was cancelled") : 0;
}

/* ---- what the records say, in a state built anew ---- */

static int check_broken(struct run *r)
{
    char file[CUBBY__SEGNAME_MAX], detail[96];
    int rc = 0;
    for (size_t i = 0; i < r->spy.broken_count && !rc; i++) {
        const struct cubby__misfit *m = &r->spy.broken[i];
        cubby__segname(m->place.seg, file);
        snprintf(detail, sizeof detail, "a record of type %u verifies and breaks its format: it is left out", m->type);
        rc = report(r, "RECORD_BROKEN", file, m->place.off, 0, 0, detail);
    }
    return rc;
}

static int report_entry(struct run *r, const struct cubby__lost_entry *e)
{
    char file[CUBBY__SEGNAME_MAX], detail[96];
    cubby__segname(e->place.seg, file);
    snprintf(detail, sizeof detail, "the message of this uid (object %llu) is lost", (unsigned long long)e->object);
    return report(r, "ENTRY_ORPHAN", file, e->place.off, e->folder, e->uid, detail);
}

static int check_entries(struct run *r, struct cubby__view *view)
{
    struct cubby__tombs tombs = {0};
    int rc = 0;
    cubby__spy_sort(&r->spy);
    for (size_t i = 0; i < r->spy.entry_count && rc >= 0; i++)
        if ((rc = cubby__spy_still_lost(view, &tombs, &r->spy.entries[i])) == CUBBY_OK)
            rc = report_entry(r, &r->spy.entries[i]);
    cubby__tombs_release(&tombs);
    return rc < 0 ? rc : 0;
}

static int check_orphans(struct run *r, struct cubby__view *view)
{
    char file[CUBBY__SEGNAME_MAX], detail[96];
    size_t pos = 0, first;
    int rc = cubby__orphans_settle(&r->orphans, view);
    while (!rc && cubby__orphans_next(&r->orphans, &pos, &first)) {
        const struct cubby__orphan *o = &r->orphans.at[first];
        cubby__segname(o->place.seg, file);
        if (o->type == CUBBY__REC_OBJECT)
            snprintf(detail, sizeof detail, "message %llu is in no folder: its entry was lost", (unsigned long long)o->id);
        else
            snprintf(detail, sizeof detail, "%zu pieces belong to no message: its record was lost", pos - first);
        rc = report(r, o->type == CUBBY__REC_OBJECT ? "OBJECT_ORPHAN" : "PIECE_ORPHAN", file, o->place.off, 0, 0, detail);
    }
    return rc;
}

static int check_folder(struct run *r, uint64_t id, const struct cubby__folder_row *row)
{
    if (row->dead)
        return 0;
    if (!row->commit)
        return report(r, "FOLDER_LOST", "", CUBBY__NO_OFFSET, id, 0, "its record was lost: name, place and uidvalidity are made up");
    if (row->displaced || row->parent != row->rec.parent)
        return report(r, "FOLDER_DISPLACED", "", CUBBY__NO_OFFSET, id, 0, row->displaced ? "another folder has its name" : "its parent is not there");
    return 0;
}

static int check_folders(struct run *r, struct cubby__view *view)
{
    static const uint8_t first = CUBBY__KS_FOLDER;
    struct cubby__folder_row row;
    struct cubby__cursor c;
    uint64_t id;
    cubby__view_cursor(view, &c);
    int rc = cubby__cursor_seek(&c, &first, 1);
    for (; !rc; rc = cubby__cursor_next(&c)) {
        struct cubby__slice k = cubby__cursor_key(&c), v = cubby__cursor_value(&c);
        if (k.p[0] != CUBBY__KS_FOLDER)
            break;
        if (cubby__keynum_get(k.p + 1, k.n - 1, &id) && !cubby__folder_row_decode(v.p, v.n, &row) && (rc = check_folder(r, id, &row)) != 0)
            break;
    }
    cubby__cursor_release(&c);
    return rc == CUBBY_DONE ? 0 : rc;
}

static int rebuilt(void *arg, struct cubby__store *fresh)
{
    struct run *r = arg;
    struct cubby__view view;
    int rc = cubby__view_begin(fresh, &view, r->err);
    if (rc)
        return rc;
    rc = check_broken(r);
    if (!rc)
        rc = check_entries(r, &view);
    if (!rc)
        rc = check_orphans(r, &view);
    if (!rc)
        rc = check_folders(r, &view);
    cubby__view_end(&view);
    return rc;
}

static void rebuild_begins(void *arg)
{
    cubby__spy_forget(&((struct run *)arg)->spy);
}

static int fragment(void *arg, const struct cubby__record *rec)
{
    struct run *r = arg;
    return cubby__orphans_add(&r->orphans, rec) ? cubby__fail_mem(r->err) : 0;
}

/* ---- what the index knew ---- */

/* A folder of the checkpoint, and what is there now. */
struct asked {
    struct cubby__view *checkpoint, *now;
    struct cubby__tombs *tombs;
    const struct cubby__folder_row *row;
    uint64_t id;
    int gone; /* nothing knows the folder any more */
};

/* OK: nothing but the index knows of it: it is not there, was not expunged, and is not told already. */
static int is_lost(const struct run *r, const struct asked *f, uint32_t uid)
{
    const struct cubby__lost_entry e = {.folder = f->id, .uid = uid};
    if (cubby__spy_has(&r->spy, f->id, uid))
        return CUBBY_DONE;
    return f->gone ? CUBBY_OK : cubby__spy_still_lost(f->now, f->tombs, &e);
}

static int tell_lost(struct run *r, const struct asked *f, const struct cubby__message_row *row, uint32_t uid)
{
    char file[CUBBY__SEGNAME_MAX], detail[400] = "the index knows this message, and no segment holds it any more";
    size_t n = strlen(detail);
    if (f->gone)
        snprintf(detail + n, sizeof detail - n, ", nor its folder, which was called %.*s", (int)f->row->rec.name_len, f->row->rec.name);
    cubby__segname(row->place.seg, file);
    return report(r, "MESSAGE_LOST", file, row->place.off, f->id, uid, detail);
}

static int ask_for_messages(struct run *r, const struct asked *f)
{
    struct cubby__message_row row;
    struct cubby__walk w;
    int rc;
    cubby__walk_open(&w, f->checkpoint, f->id, NULL, 1, CUBBY__UID_MAX);
    while (!(rc = cubby__walk_next(&w))) {
        if (cubby__walk_row(f->checkpoint, w.value, f->id, w.uid, &row)) /* an index that says nonsense says nothing here */
            continue;
        if (!(rc = is_lost(r, f, w.uid)))
            rc = tell_lost(r, f, &row, w.uid);
        if (rc < 0)
            break;
    }
    cubby__walk_close(&w);
    return rc < 0 ? rc : CUBBY_OK;
}

/* DONE: it was deleted since then. */
static int find_folder_now(struct asked *f)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    int rc = cubby__folder_row_get(f->now, f->id, buf, &row);
    f->gone = rc == CUBBY_DONE;
    return rc < 0 ? rc : !f->gone && row.dead ? CUBBY_DONE : CUBBY_OK;
}

static int known(void *arg, struct cubby__view *checkpoint)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct run *r = arg;
    struct cubby__folder_row row;
    struct cubby__tombs tombs = {0};
    struct cubby__view now;
    struct asked f = {.checkpoint = checkpoint, .now = &now, .tombs = &tombs, .row = &row};
    int rc = cubby__view_begin(checkpoint->store, &now, r->err);
    if (rc)
        return rc;
    while (!(rc = cubby__folder_row_next(checkpoint, &f.id, buf, &row))) {
        if (!row.dead && !(rc = find_folder_now(&f)))
            rc = ask_for_messages(r, &f);
        if (rc < 0)
            break;
    }
    cubby__tombs_release(&tombs);
    cubby__view_end(&now);
    return rc < 0 && rc != CUBBY_ECORRUPT ? rc : CUBBY_OK; /* as above */
}

/* ---- segments that something is wrong with ---- */

static int hurt(void *arg, uint32_t first, uint32_t last)
{
    struct run *r = arg;
    if (r->hurt_count && r->hurt[r->hurt_count - 1].last >= last)
        return 0;
    struct cubby__range *p = cubby__grow(r->hurt, r->hurt_count, &r->hurt_cap, sizeof *p);
    if (!p)
        return cubby__fail_mem(r->err);
    r->hurt = p;
    r->hurt[r->hurt_count++] = (struct cubby__range){first, last};
    return 0;
}

static int is_hurt(const void *arg, uint32_t seg)
{
    const struct run *r = arg;
    return cubby__range_has(r->hurt, r->hurt_count, seg);
}

/* ---- the run ---- */

static int check_store(struct run *r, struct cubby__store *s, const cubby_options *o, unsigned flags)
{
    const struct cubby__check_hooks hooks = {&r->spy.h, rebuild_begins, fragment, hurt, rebuilt, known, r};
    const struct cubby__suspects suspects = {is_hurt, r};
    int rc = cubby__store_check(s, &hooks, found, r, r->result, r->err);
    if (rc)
        return rc;
    return cubby__mail_check_told(s, flags, r->hurt_count ? &suspects : NULL, found, r, o->progress, o->progress_arg, r->result, r->err);
}

/* What a look has seen. DISTURBED: others wrote meanwhile, and nothing was protected from them. UNKNOWN: perhaps they did. */
enum seen { UNKNOWN, UNDISTURBED, DISTURBED };

static int look(struct run *r, const char *path, const cubby_options *o, unsigned flags, enum seen *seen)
{
    struct cubby__witness before, after;
    struct cubby__store *s;
    *seen = UNKNOWN;
    int rc = cubby__witness_before(path, o, &cubby__mail_handlers, &before, r->err);
    if (!rc)
        rc = cubby__store_open(path, o, &cubby__mail_handlers, &s, r->err);
    if (rc)
        return rc == CUBBY_ECORRUPT ? cubby__store_check_closed(path, o, &cubby__mail_handlers, found, r, r->result, r->err) : rc;
    rc = check_store(r, s, o, flags);
    if (rc != CUBBY_ECANCEL && rc != CUBBY_ENOMEM && !cubby__witness(s, &after, rc ? NULL : r->err))
        *seen = cubby__witness_same(&before, &after) ? UNDISTURBED : DISTURBED;
    cubby__store_close(&s, NULL);
    return rc;
}

static int disturbed(struct run *r)
{
    const cubby_finding f = {"CHECK_DISTURBED", CUBBY_NOTE, "", CUBBY__NO_OFFSET, 0, 0,
                             "others opened, wrote and closed the store all the while: nothing can be said"};
    drop_held(r);
    return r->fn(r->arg, &f) ? cubby__fail(r->err, CUBBY_ECANCEL, NULL, CUBBY__NO_OFFSET, "the check was cancelled") : 0;
}

/* What was found before something failed is told, too. */
static int end_look(struct run *r, int rc, enum seen seen)
{
    int stop = rc == 0 || seen == UNDISTURBED ? tell_held(r) : 0;
    return rc || !stop ? rc : cubby__fail(r->err, CUBBY_ECANCEL, NULL, CUBBY__NO_OFFSET, "the check was cancelled");
}

static int check_until_quiet(struct run *r, const char *path, const cubby_options *o, unsigned flags)
{
    for (int i = 1;; i++) {
        enum seen seen;
        memset(r->result, 0, sizeof *r->result);
        r->holding = 1;
        r->hurt_count = 0;
        cubby__orphans_forget(&r->orphans);
        int rc = look(r, path, o, flags, &seen);
        if (seen != DISTURBED || !r->holding)
            return end_look(r, rc, seen);
        if (i == TRIES) {
            r->result->findings = 0;
            return rc && rc != CUBBY_ECORRUPT ? rc : disturbed(r);
        }
        drop_held(r);
    }
}

int cubby__fsck_check(const char *path, const cubby_options *o, unsigned flags, cubby_finding_fn fn, void *arg, cubby_check_result *result,
                      cubby_error *err)
{
    cubby_options options = *o;
    enum cubby__ident_state ident;
    struct run *r = cubby__calloc(1, sizeof *r);
    if (!r)
        return cubby__fail_mem(err);
    *r = (struct run){.fn = fn, .arg = arg, .result = result, .err = err};
    cubby__spy_init(&r->spy);
    options.flags = (options.flags & CUBBY_ON_NETWORK) | CUBBY_READ_ONLY;
    options.notice = NULL;
    int rc = cubby__ident_state(options.vfs ? options.vfs : cubby_vfs_posix(), path, &ident, err);
    if (!rc && ident == CUBBY__IDENT_LOST)
        rc = report(r, "ID_LOST", CUBBY__FILE_ID, CUBBY__NO_OFFSET, 0, 0,
                    "missing or destroyed: the store cannot be opened; a repair makes it again from the segments");
    else if (!rc && ident == CUBBY__IDENT_FOREIGN)
        rc = report(r, "ID_FOREIGN", CUBBY__FILE_ID, CUBBY__NO_OFFSET, 0, 0,
                    "another store's: all segments that can be read name another one; a repair makes it again from them");
    else if (!rc || rc == CUBBY_ENOTSTORE) /* to open it says more: there is no such directory, perhaps */
        rc = check_until_quiet(r, path, &options, flags);
    drop_held(r);
    cubby__spy_release(&r->spy);
    cubby__orphans_release(&r->orphans);
    cubby__free(r->hurt);
    cubby__free(r);
    return rc;
}
