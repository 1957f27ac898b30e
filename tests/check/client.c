#include "check/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/broken.h"

static uint64_t hash_flags(cubby_snapshot *snap, uint32_t flags, const uint16_t *keywords, size_t count)
{
    uint64_t h = flags + 1, sum = 0;
    for (size_t i = 0; i < count; i++) { /* in any order */
        const char *name = "";
        uint64_t x = 0xcbf29ce484222325u;
        MUST(cubby_keyword_name(snap, keywords[i], &name));
        while (*name)
            x = (x ^ (uint8_t)*name++) * 0x100000001b3u;
        sum += x;
    }
    return h ^ sum;
}

static void put(struct client *c, uint64_t folder, uint32_t uid, uint64_t flags)
{
    size_t i = 0;
    while (i < c->mails && (c->mail[i].folder < folder || (c->mail[i].folder == folder && c->mail[i].uid < uid)))
        i++;
    if (i == c->mails || c->mail[i].folder != folder || c->mail[i].uid != uid) {
        if (c->mails == CLIENT_MAILS)
            abort();
        memmove(&c->mail[i + 1], &c->mail[i], (c->mails++ - i) * sizeof *c->mail);
    }
    c->mail[i] = (struct client_mail){folder, flags, uid};
}

static void drop(struct client *c, uint64_t folder, uint32_t first, uint32_t last)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->mails; i++)
        if (c->mail[i].folder != folder || c->mail[i].uid < first || c->mail[i].uid > last)
            c->mail[kept++] = c->mail[i];
    c->mails = kept;
}

static void read_folder(struct client *c, cubby_snapshot *snap, const cubby_folder *f)
{
    cubby_scan *scan;
    const cubby_row *row;
    if (c->folders == CLIENT_FOLDERS)
        abort();
    c->folder[c->folders++] = (struct client_folder){f->id, f->highestmodseq, f->uidnext, f->uidvalidity};
    MUST(cubby_scan_open(snap, f->id, NULL, &scan));
    while (cubby_scan_next(scan, &row) == 0)
        put(c, f->id, row->uid, hash_flags(snap, row->flags, row->keywords, row->keyword_count));
    cubby_scan_close(&scan);
}

void client_read(struct client *c, cubby_store *s)
{
    cubby_snapshot *snap;
    cubby_folder f;
    memset(c, 0, sizeof *c);
    MUST(cubby_snapshot_begin(s, &snap));
    for (uint64_t id = 1; id < 8 * CLIENT_FOLDERS; id++)
        if (cubby_folder_get(snap, id, &f) == 0)
            read_folder(c, snap, &f);
    cubby_snapshot_end(&snap);
}

static void ask(struct client *c, cubby_snapshot *snap, uint64_t folder, uint64_t since)
{
    cubby_changes *changes;
    cubby_change x;
    MUST(cubby_changes_open(snap, folder, since, &changes));
    while (cubby_changes_next(changes, &x) == 0)
        if (x.kind == CUBBY_CHANGE_VANISHED)
            drop(c, folder, x.uid, x.uid_last);
        else
            put(c, folder, x.uid, hash_flags(snap, x.flags, x.keywords, x.keyword_count));
    cubby_changes_close(&changes);
}

/* The first mail of the folder that one has and the other has not, or not so. */
static void compare(const struct client *has, const struct client *is, uint64_t folder, char why[200])
{
    size_t i = 0, k = 0;
    for (;; i++, k++) {
        while (i < has->mails && has->mail[i].folder != folder)
            i++;
        while (k < is->mails && is->mail[k].folder != folder)
            k++;
        uint32_t a = i < has->mails ? has->mail[i].uid : UINT32_MAX, b = k < is->mails ? is->mail[k].uid : UINT32_MAX;
        if (a == UINT32_MAX && b == UINT32_MAX)
            return;
        if (a != b)
            snprintf(why, 200, "folder %llu: a client %s uid %u", (unsigned long long)folder, a < b ? "keeps" : "does not hear of", a < b ? a : b);
        else if (has->mail[i].flags != is->mail[k].flags)
            snprintf(why, 200, "folder %llu: a client has other flags of uid %u", (unsigned long long)folder, a);
        if (*why)
            return;
    }
}

static void look_at(const struct client *c, const struct client_folder *x, const struct client *now, cubby_snapshot *snap, char why[200])
{
    struct client *copy;
    for (size_t i = 0; i < now->folders && !*why; i++) {
        const struct client_folder *y = &now->folder[i];
        if (x->uidvalidity != y->uidvalidity)
            continue;
        if (x->id != y->id)
            snprintf(why, 200, "folder %llu has the uidvalidity of folder %llu", (unsigned long long)y->id, (unsigned long long)x->id);
        else if (y->uidnext < x->uidnext)
            snprintf(why, 200, "folder %llu: uidnext %llu, was %llu", (unsigned long long)x->id, (unsigned long long)y->uidnext, (unsigned long long)x->uidnext);
        else if (y->modseq < x->modseq)
            snprintf(why, 200, "folder %llu: highest modseq %llu, was %llu", (unsigned long long)x->id, (unsigned long long)y->modseq,
                     (unsigned long long)x->modseq);
        if (*why)
            return;
        copy = malloc(sizeof *copy);
        *copy = *c;
        ask(copy, snap, x->id, x->modseq);
        compare(copy, now, x->id, why);
        free(copy);
    }
}

void client_follow(const struct client *c, cubby_store *s, char why[200])
{
    struct client *now = malloc(sizeof *now);
    cubby_snapshot *snap;
    client_read(now, s);
    MUST(cubby_snapshot_begin(s, &snap));
    for (size_t i = 0; i < c->folders && !*why; i++)
        look_at(c, &c->folder[i], now, snap, why);
    cubby_snapshot_end(&snap);
    free(now);
}
