#include "archive/dedupe.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define CHUNK (256u << 10)

/* Sixteen bytes a message: half of the hash is enough to find candidates. */
struct entry {
    uint64_t hash;
    uint32_t folder; /* index + 1; 0: no entry */
    uint32_t uid;
};

struct known_folder {
    uint64_t id;
    uint64_t seen; /* uids below are in the table */
};

struct dedupe {
    pthread_mutex_t lock;
    int any_folder;
    struct entry *table;
    size_t count, size; /* size: a power of two */
    struct known_folder *folders;
    size_t folder_count;
    uint8_t *ours, *theirs; /* CHUNK bytes each */
};

struct dedupe *dedupe_new(int any_folder)
{
    struct dedupe *d = cli_malloc(sizeof *d);
    memset(d, 0, sizeof *d);
    pthread_mutex_init(&d->lock, NULL);
    d->any_folder = any_folder;
    d->size = 1024;
    d->table = cli_malloc(d->size * sizeof *d->table);
    memset(d->table, 0, d->size * sizeof *d->table);
    d->theirs = cli_malloc(CHUNK);
    d->ours = cli_malloc(CHUNK);
    return d;
}

void dedupe_free(struct dedupe **d)
{
    if (!*d)
        return;
    pthread_mutex_destroy(&(*d)->lock);
    free((*d)->table);
    free((*d)->folders);
    free((*d)->ours);
    free((*d)->theirs);
    free(*d);
    *d = NULL;
}

/* ---- the table ----------------------------------------------------------------------------------------------------------------------- */

static uint32_t folder_index(struct dedupe *d, uint64_t id)
{
    size_t i = d->folder_count;
    while (i > 0 && d->folders[i - 1].id != id) /* the last one is asked for most */
        i--;
    if (i == 0) {
        d->folders = cli_realloc(d->folders, (d->folder_count + 1) * sizeof *d->folders);
        d->folders[d->folder_count++] = (struct known_folder){id, 1};
        i = d->folder_count;
    }
    return (uint32_t)i;
}

static uint64_t half(const uint8_t hash[16])
{
    uint64_t h;
    memcpy(&h, hash, sizeof h);
    return h;
}

static void insert(struct dedupe *d, struct entry e)
{
    size_t i = e.hash & (d->size - 1);
    while (d->table[i].folder)
        i = (i + 1) & (d->size - 1);
    d->table[i] = e;
}

static void put(struct dedupe *d, struct entry e)
{
    if (d->count + d->count / 4 >= d->size) {
        struct entry *old = d->table;
        size_t n = d->size;
        d->size *= 2;
        d->table = cli_malloc(d->size * sizeof *d->table);
        memset(d->table, 0, d->size * sizeof *d->table);
        for (size_t i = 0; i < n; i++)
            if (old[i].folder)
                insert(d, old[i]);
        free(old);
    }
    insert(d, e);
    d->count++;
}

void dedupe_add(struct dedupe *d, const uint8_t hash[16], uint64_t folder, uint32_t uid)
{
    pthread_mutex_lock(&d->lock);
    uint32_t index = folder_index(d, folder);
    put(d, (struct entry){half(hash), index, uid});
    if (uid >= d->folders[index - 1].seen)
        d->folders[index - 1].seen = (uint64_t)uid + 1;
    pthread_mutex_unlock(&d->lock);
}

/* The next entry with this hash from slot *at on; 0 at the end. */
static int next_entry(const struct dedupe *d, uint64_t hash, uint64_t folder, size_t *at, struct entry *out)
{
    for (; d->table[*at & (d->size - 1)].folder; ++*at) {
        const struct entry *e = &d->table[*at & (d->size - 1)];
        if (e->hash != hash || (!d->any_folder && d->folders[e->folder - 1].id != folder))
            continue;
        *out = *e;
        ++*at;
        return 1;
    }
    return 0;
}

uint32_t dedupe_uid(struct dedupe *d, const uint8_t hash[16], uint64_t folder)
{
    struct entry e;
    size_t at = half(hash) & (d->size - 1);
    return next_entry(d, half(hash), folder, &at, &e) ? e.uid : 0;
}

int dedupe_maybe(struct dedupe *d, const uint8_t hash[16], uint64_t folder)
{
    struct entry e;
    pthread_mutex_lock(&d->lock);
    size_t at = half(hash) & (d->size - 1);
    int found = next_entry(d, half(hash), folder, &at, &e);
    pthread_mutex_unlock(&d->lock);
    return found;
}

/* ---- learning ------------------------------------------------------------------------------------------------------------------------ */

static int learn_rows(struct dedupe *d, cubby_snapshot *snap, uint64_t folder, uint32_t first)
{
    cubby_scan_options o = CUBBY_SCAN_INIT;
    cubby_uidset *uids = NULL;
    cubby_scan *scan = NULL;
    const cubby_row *row;
    int rc = cubby_uidset_new(&uids);
    if (rc == 0)
        rc = cubby_uidset_add(uids, first, UINT32_MAX);
    o.want = CUBBY_WANT_OBJECT;
    o.uids = uids;
    if (rc == 0)
        rc = cubby_scan_open(snap, folder, &o, &scan);
    while (rc == 0 && (rc = cubby_scan_next(scan, &row)) == 0)
        if (row->damage == 0)
            dedupe_add(d, row->hash, folder, row->uid);
    cubby_scan_close(&scan);
    cubby_uidset_free(&uids);
    return rc == CUBBY_DONE ? 0 : rc;
}

static int learn_folder(struct dedupe *d, cubby_snapshot *snap, uint64_t id)
{
    cubby_folder f;
    int rc = cubby_folder_get(snap, id, &f);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    pthread_mutex_lock(&d->lock);
    uint32_t index = folder_index(d, id);
    uint64_t seen = d->folders[index - 1].seen;
    pthread_mutex_unlock(&d->lock);
    rc = f.messages && seen < f.uidnext ? learn_rows(d, snap, id, (uint32_t)seen) : 0;
    if (rc < 0)
        return rc; /* what was learned stays: the next call goes on behind it */
    pthread_mutex_lock(&d->lock);
    if (d->folders[index - 1].seen < f.uidnext)
        d->folders[index - 1].seen = f.uidnext;
    pthread_mutex_unlock(&d->lock);
    return 0;
}

struct learning {
    struct dedupe *d;
    cubby_snapshot *snap;
};

static int learn_next(void *arg, const char *path, int depth, const cubby_folder *folder)
{
    struct learning *l = arg;
    (void)path;
    (void)depth;
    return learn_folder(l->d, l->snap, folder->id);
}

int dedupe_learn(struct dedupe *d, cubby_snapshot *snap, uint64_t folder)
{
    struct learning l = {d, snap};
    return d->any_folder ? cli_walk(snap, CUBBY_ROOT, learn_next, &l) : learn_folder(d, snap, folder);
}

/* ---- comparing ------------------------------------------------------------------------------------------------------------------------ */

/* A stored message that is compared with bytes as they come. */
struct comparison {
    struct dedupe *d;
    cubby_reader *reader;
    uint64_t offset;
    int code; /* of a read that failed */
};

static int compare_more(struct comparison *c, const uint8_t *p, size_t n)
{
    while (n) {
        size_t step = n < CHUNK ? n : CHUNK, got = 0;
        c->code = cubby_reader_read(c->reader, c->offset, c->d->theirs, step, &got);
        if (c->code < 0 || got != step || memcmp(p, c->d->theirs, step) != 0)
            return 0;
        c->offset += step;
        p += step;
        n -= step;
    }
    return 1;
}

/* Fills a buffer with the next bytes of a message, without the first *skip: chunks can be short. */
struct refill {
    struct reader *from;
    const uint8_t *p; /* rest of a chunk */
    size_t n, skip;
};

static size_t refill(struct refill *r, uint8_t *buf, size_t want)
{
    size_t have = 0;
    while (have < want && (r->n || r->from->format->read(r->from, &r->p, &r->n) == 0)) {
        size_t over = r->skip < r->n ? r->skip : r->n;
        r->skip -= over;
        r->p += over;
        r->n -= over;
        size_t step = r->n < want - have ? r->n : want - have;
        memcpy(buf + have, r->p, step);
        r->p += step;
        r->n -= step;
        have += step;
    }
    return have;
}

/* The message is too big to be kept: once more from its archive. What comes behind its length was added by an export. */
static int compare_again(struct comparison *c, const struct job *job)
{
    struct refill r = {.skip = job->skip};
    int equal = job->file->format->open_at && job->file->format->open_at(job->file->path, job->options, &job->item, &r.from) == 0;
    while (equal && c->offset < job->letter.n) {
        uint64_t left = job->letter.n - c->offset;
        size_t want = left < CHUNK ? (size_t)left : CHUNK;
        equal = refill(&r, c->d->ours, want) == want && compare_more(c, c->d->ours, want);
    }
    reader_close(&r.from);
    return equal;
}

static int compare(struct dedupe *d, cubby_reader *r, const struct job *job, struct dedupe_hit *hit, int *code)
{
    struct comparison c = {d, r, 0, 0};
    if (cubby_reader_size(r) != job->letter.n || memcmp(cubby_reader_hash(r), job->letter.hash, 16) != 0)
        return 0;
    int equal;
    hit->unproven = !job->letter.p && !(job->item.again && job->file->format->open_at) && job->letter.n > 0;
    if (job->letter.p)
        equal = compare_more(&c, job->letter.p, job->letter.n);
    else
        equal = hit->unproven || compare_again(&c, job);
    *code = c.code < 0 && c.code != CUBBY_ECORRUPT ? c.code : 0;
    hit->damaged |= c.code == CUBBY_ECORRUPT;
    return equal;
}

int dedupe_find(struct dedupe *d, cubby_snapshot *snap, uint64_t folder, const struct job *job, struct dedupe_hit *hit)
{
    struct entry e;
    uint64_t hash = half(job->letter.hash);
    *hit = (struct dedupe_hit){0};
    for (size_t at = hash & (d->size - 1); next_entry(d, hash, folder, &at, &e);) {
        cubby_reader *r = NULL;
        int code = 0, equal = e.uid == 0;
        uint64_t id = d->folders[e.folder - 1].id;
        int rc = e.uid ? cubby_reader_open(snap, id, e.uid, &r) : 0;
        if (rc == CUBBY_ENOENT) /* its folder was deleted meanwhile */
            continue;
        if (rc == CUBBY_ECORRUPT)
            hit->damaged = 1;
        else if (rc < 0)
            return rc;
        if (r)
            equal = compare(d, r, job, hit, &code);
        cubby_reader_close(&r);
        if (code < 0)
            return code;
        if (equal) {
            hit->folder = id;
            hit->uid = e.uid;
            return 1;
        }
    }
    return 0;
}
