#include "archive/importer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "archive/dedupe.h"
#include "archive/goal.h"
#include "cli.h"
#include "json.h"

#define BATCH_BYTES    (8u << 20)
#define BATCH_MESSAGES 1000
#define BATCH_MS       300
#define GAP_EVERY_MS   400   /* so often the lock is left alone for GAP_MS, longer than others pause between looks at it: they wait no longer */
#define GAP_MS         10
#define VIEW_MS        10000 /* a dry run takes a fresh snapshot so often */

struct importer {
    const struct import_options *o;
    const struct tree *tree;
    struct import_totals *t;
    cubby_store *store;
    struct pipeline *pipe;
    struct dedupe *dedupe; /* NULL: duplicates are added */
    cubby_txn *txn;
    cubby_snapshot *view; /* of a dry run */
    int64_t began_ms;     /* of txn or view */
    uint64_t begun;       /* number of that txn or view */
    int64_t gap_ms;       /* when others could last deliver */
    struct import_totals batch; /* what the running transaction will add to the totals */
    int lost_keywords; /* the message in hand did */
    struct goals goals;
    struct cli_bar bar;
    int rc; /* exit code that ends the run */
};

void import_tell(const char *event, const struct job *job, const char *reason)
{
    const char *source = job_source(job);
    uint64_t item = job->item.number, offset = job->item.offset;
    if (cli.json) {
        json_begin(event);
        json_str("source", source);
        json_uint("offset", offset);
        json_uint("item", item);
        json_str("folder", job->target ? job->target->folder : job->file->folder);
        json_str("reason", reason);
        json_end();
    } else if (job->item.name) {
        cli_error("%s: %s", source, reason);
    } else if (item) {
        cli_error("%s: message %" PRIu64 " at byte %" PRIu64 ": %s", source, item, offset, reason);
    } else {
        cli_error("%s: at byte %" PRIu64 ": %s", source, offset, reason);
    }
}

static void fail_item(struct importer *im, const struct job *job, const char *reason)
{
    im->t->failed++;
    cli_bar_clear(&im->bar);
    import_tell("failed", job, reason);
}

/* ---- transactions ----------------------------------------------------------------------------------------------------------------- */

/* What was added counts only now. A commit that fails makes it failed. */
static void commit(struct importer *im)
{
    if (!im->txn)
        return;
    int rc = cli_commit(im->store, &im->txn, NULL);
    if (rc == CLI_OK) {
        im->t->imported += im->batch.imported;
        im->t->bytes += im->batch.bytes;
        im->t->restored += im->batch.restored;
        im->t->incomplete += im->batch.incomplete;
        im->t->renumbered += im->batch.renumbered;
        im->t->copies += im->batch.copies;
    } else {
        im->t->failed += im->batch.imported;
        im->rc = rc;
    }
    im->batch = (struct import_totals){0};
}

static void spoil(struct importer *im, int code)
{
    im->rc = cli_store_error(im->store, code);
    if (im->rc < CLI_FAIL)
        im->rc = CLI_FAIL;
    cubby_txn_abort(&im->txn);
    im->t->failed += im->batch.imported;
    im->batch = (struct import_totals){0};
}

static int learn(struct importer *im, cubby_snapshot *snap, uint64_t folder)
{
    return im->dedupe && (folder || im->o->any_folder) ? dedupe_learn(im->dedupe, snap, folder) : 0;
}

static cubby_snapshot *present(struct importer *im)
{
    return im->txn ? cubby_txn_snapshot(im->txn) : im->view;
}

/* Begins a transaction (a dry run: a view) unless there is one. With any_folder it learns what others brought meanwhile. 0, or im->rc is set. */
static int begin(struct importer *im)
{
    if (im->txn || im->view || !im->store)
        return 0;
    im->rc = im->o->dry_run ? cli_snapshot(im->store, &im->view) : cli_begin(im->store, 0, &im->txn);
    im->began_ms = cli_now_ms();
    im->begun++;
    int code = im->rc == CLI_OK ? learn(im, present(im), 0) : 0;
    if (code < 0)
        spoil(im, code);
    return im->rc;
}

/* What others brought into the folder before this transaction began: each folder once in each, and before anything of ours is added to it, because
 * what is below the uids that we give is never looked at again. 0, or im->rc is set. */
static int learn_goal(struct importer *im, struct goal *g)
{
    if (!present(im) || im->o->any_folder || g->learned == im->begun)
        return 0;
    int code = learn(im, present(im), g->id);
    if (code < 0)
        spoil(im, code);
    else
        g->learned = im->begun;
    return im->rc;
}

static void end_batch_if_due(struct importer *im)
{
    int64_t age = cli_now_ms() - im->began_ms;
    if (im->view && age >= VIEW_MS)
        cubby_snapshot_end(&im->view);
    if (!im->txn || (im->batch.bytes < BATCH_BYTES && im->batch.imported < BATCH_MESSAGES && age < BATCH_MS))
        return;
    commit(im);
    if (cli_now_ms() - im->gap_ms < GAP_EVERY_MS)
        return;
    nanosleep(&(struct timespec){0, GAP_MS * 1000000L}, NULL);
    im->gap_ms = cli_now_ms();
}

/* ---- folders ------------------------------------------------------------------------------------------------------------------------ */

/* Learns a folder that holds messages already without the writer lock: that may take a while. Its id, 0: there is none yet. */
static uint64_t learn_existing(struct importer *im, const char *path)
{
    cubby_folder f;
    uint64_t id = 0;
    int code = 0, tries = 0;
    if (!im->dedupe || !im->store)
        return 0;
    do {
        cubby_snapshot *snap = NULL;
        if ((im->rc = cli_snapshot(im->store, &snap)) != CLI_OK)
            return 0;
        code = cli_path_find(snap, path, &f);
        if (code == 0) {
            if (f.messages && im->txn)
                commit(im);
            id = f.id;
        }
        if (code >= 0)
            code = learn(im, snap, id);
        cubby_snapshot_end(&snap);
    } while (code == CUBBY_ESTALE && ++tries < 1000 && im->rc == CLI_OK);
    if (code < 0 && code != CUBBY_EINVAL && im->rc == CLI_OK)
        im->rc = cli_store_error(im->store, code);
    return id;
}

/* Makes the folder in the running transaction. */
static void make_folder(struct importer *im, struct goal *g)
{
    int code = goal_make(im->txn, im->tree, im->o->keep_uids, g);
    if (code == CUBBY_EINVAL || code == CUBBY_ELIMIT)
        cli_error("cannot make the folder '%s': %s", g->path, cubby_strerror(code));
    else if (code < 0)
        spoil(im, code);
    g->code = code < 0 ? code : 0;
}

/* The folder of this path, found or made once; NULL: im->rc is set. */
static struct goal *goal_at(struct importer *im, const char *path, const struct target *target)
{
    struct goal *g = goals_get(&im->goals, path);
    if (g->id || g->code)
        return g;
    if (target) {
        g->special_use = target->special_use;
        g->uidvalidity = target->uidvalidity;
    }
    uint64_t found = learn_existing(im, path);
    if (im->rc != CLI_OK || begin(im) != 0)
        return NULL;
    if (im->txn)
        make_folder(im, g);
    else
        g->id = found ? found : goals_unmade_id(&im->goals); /* a dry run: a folder that would be made */
    return im->rc == CLI_OK ? g : NULL;
}

static void begin_folder(struct importer *im, struct target *target)
{
    struct goal *g = goal_at(im, target->folder, target);
    if (!g)
        return;
    im->t->folders += !g->counted;
    g->counted = 1;
    target->id = g->id;
}

/* ---- messages ----------------------------------------------------------------------------------------------------------------------- */

static int known(void *arg, const struct job *job)
{
    struct importer *im = arg;
    uint64_t folder = job->target->id;
    return im->dedupe && folder && !job->letter.labels.count && dedupe_maybe(im->dedupe, job->letter.hash, folder);
}

static const char *const *keywords_of(const struct job *job)
{
    return (const char *const *)job->letter.flags.keywords;
}

/* A message's keywords, those that the store has before those that it must make room for. */
struct ranked {
    const char **list;
    size_t known, count;
};

static int rank(cubby_snapshot *snap, const struct job *job, struct ranked *out)
{
    size_t n = job->letter.flags.keyword_count, end = n;
    *out = (struct ranked){cli_malloc((n + 1) * sizeof *out->list), 0, n};
    for (size_t i = 0; i < n; i++) {
        uint16_t id;
        int rc = cubby_keyword_find(snap, keywords_of(job)[i], &id);
        if (rc < 0)
            return rc;
        out->list[rc == 0 ? out->known++ : --end] = keywords_of(job)[i];
    }
    return 0;
}

/* Gives a message the unknown ones, as long as the store takes them. 0 or an error code. */
static int add_unknown(struct importer *im, uint64_t folder, const cubby_uidset *uids, const struct ranked *r)
{
    int rc = 0;
    for (size_t i = r->count; rc == 0 && i-- > r->known;) { /* they stand in reverse */
        cubby_uidset *changed = NULL;
        rc = cubby_flag(im->txn, folder, uids, CUBBY_FLAGS_ADD, 0, &r->list[i], 1, &changed);
        cubby_uidset_free(&changed);
    }
    return rc == CUBBY_ELIMIT ? 0 : rc;
}

/* Some of the keywords are beyond what the store holds: the others. 0 or an error code. */
static int flag_some(struct importer *im, const struct job *job, const struct dedupe_hit *hit, const cubby_uidset *uids, cubby_uidset **changed)
{
    struct ranked r;
    int rc = rank(present(im), job, &r);
    im->lost_keywords = 1;
    if (rc == 0)
        rc = cubby_flag(im->txn, hit->folder, uids, CUBBY_FLAGS_ADD, job->letter.flags.system, r.list, r.known, changed);
    if (rc == 0)
        rc = add_unknown(im, hit->folder, uids, &r);
    free(r.list);
    return rc;
}

static void merge(struct importer *im, const struct job *job, const struct dedupe_hit *hit)
{
    cubby_uidset *uids = NULL, *changed = NULL;
    const struct cli_flags *f = &job->letter.flags;
    if (!im->txn || (!f->system && !f->keyword_count))
        return;
    int rc = cubby_uidset_new(&uids);
    if (rc == 0)
        rc = cubby_uidset_add(uids, hit->uid, hit->uid);
    if (rc == 0)
        rc = cubby_flag(im->txn, hit->folder, uids, CUBBY_FLAGS_ADD, f->system, keywords_of(job), f->keyword_count, &changed);
    if (rc == CUBBY_ELIMIT)
        rc = flag_some(im, job, hit, uids, &changed);
    im->lost_keywords |= f->left_out;
    if (rc < 0)
        spoil(im, rc);
    else
        im->t->merged += changed && cubby_uidset_count(changed) > 0;
    cubby_uidset_free(&uids);
    cubby_uidset_free(&changed);
}

/* 1: it is there already and was dealt with. */
static int is_duplicate(struct importer *im, const struct job *job, uint64_t folder)
{
    struct dedupe_hit hit;
    if (!im->dedupe)
        return 0;
    int found = dedupe_find(im->dedupe, present(im), folder, job, &hit);
    if (found < 0) {
        spoil(im, found);
        return 1;
    }
    if (hit.damaged)
        cli_note("%s: message %" PRIu64 " at byte %" PRIu64 ": the copy in the store is damaged%s", job_source(job), job->item.number,
                 job->item.offset, found ? "" : "; imported anew");
    if (!found)
        return 0;
    if (hit.unproven && cli.verbose)
        cli_note("%s: message %" PRIu64 " at byte %" PRIu64 ": taken for a duplicate by hash and size; its bytes cannot be read again",
                 job_source(job), job->item.number, job->item.offset);
    if (im->o->dups == DUPS_MERGE)
        merge(im, job, &hit);
    return 1;
}

/* Some of the keywords are beyond what the store holds: adds the message with the others. */
static int add_with_some(struct importer *im, struct job *job, uint64_t folder, cubby_add_options *a, uint32_t *uid)
{
    cubby_uidset *uids = NULL;
    struct ranked r;
    int code = rank(present(im), job, &r);
    im->lost_keywords = 1;
    a->keywords = r.list;
    a->keyword_count = r.known;
    if (code == 0)
        code = cubby_add(im->txn, folder, job->message, a, uid);
    if (code == 0)
        code = cubby_uidset_new(&uids);
    if (code == 0)
        code = cubby_uidset_add(uids, *uid, *uid);
    if (code == 0)
        code = add_unknown(im, folder, uids, &r);
    cubby_uidset_free(&uids);
    free(r.list);
    return code;
}

/* Adds the message, without what the store cannot take of its state. */
static int add_entry(struct importer *im, struct job *job, uint64_t folder, cubby_add_options *a, uint32_t *uid)
{
    int code = cubby_add(im->txn, folder, job->message, a, uid);
    if (code == CUBBY_EINVAL && a->uid) { /* it is below uidnext: given already */
        im->batch.renumbered++;
        a->uid = 0;
        code = cubby_add(im->txn, folder, job->message, a, uid);
    }
    return code == CUBBY_ELIMIT && a->keyword_count ? add_with_some(im, job, folder, a, uid) : code;
}

/* 0, an error that costs the message, or im->rc is set. */
static int add_to(struct importer *im, struct job *job, uint64_t folder)
{
    const struct letter *l = &job->letter;
    cubby_add_options a = CUBBY_ADD_INIT;
    uint32_t uid = 0;
    a.flags = l->flags.system;
    a.keywords = keywords_of(job);
    a.keyword_count = l->flags.keyword_count;
    a.internaldate = l->date;
    a.internaldate_zone = l->zone;
    a.has_date = l->has_date;
    a.uid = im->o->keep_uids && !l->labels.count ? l->uid : 0;
    int code = job->fed ? 0 : pipeline_feed(im->store, job);
    if (code == 0)
        code = add_entry(im, job, folder, &a, &uid);
    if (code == 0 && im->dedupe)
        dedupe_add(im->dedupe, l->hash, folder, uid);
    if (code < 0 && code != CUBBY_ELIMIT && code != CUBBY_EINVAL)
        spoil(im, code);
    return code;
}

static void added(struct importer *im, const struct job *job)
{
    im->batch.imported++;
    im->batch.bytes += job->letter.n;
    im->batch.restored += (unsigned)job->letter.restored;
    im->batch.incomplete += job->note != NULL;
    if (!job->note)
        return;
    cli_bar_clear(&im->bar);
    import_tell("incomplete", job, job->note);
}

/* 1: added, 0: it was there, or an error code (im->rc may be set). */
static int put_in(struct importer *im, struct job *job, struct goal *g)
{
    if (begin(im) != 0 || learn_goal(im, g) != 0)
        return CUBBY_EIO;
    if (!im->o->any_folder && is_duplicate(im, job, g->id))
        return 0;
    if (im->txn) {
        int code = add_to(im, job, g->id);
        return code < 0 ? code : 1;
    }
    if (im->dedupe)
        dedupe_add(im->dedupe, job->letter.hash, g->id, 0);
    return 1;
}

/* Where the scope is the store: is it anywhere? Asked before it is put into the first of its folders, which would answer for the others. */
static int is_anywhere(struct importer *im, const struct job *job)
{
    return im->o->any_folder && begin(im) == 0 && is_duplicate(im, job, 0);
}

/* The folders that a message goes to: those of its labels, else the archive's. */
static size_t goal_count(const struct job *job)
{
    return job->letter.labels.count ? job->letter.labels.count : 1;
}

static struct goal *goal_of(struct importer *im, const struct job *job, size_t i)
{
    const char *label = job->letter.labels.count ? job->letter.labels.folders[i] : NULL;
    if (!label)
        return goal_at(im, job->target->folder, job->target);
    char *path = im->o->into ? cli_printf("%s/%s", im->o->into, label) : cli_strdup(label);
    struct goal *g = goal_at(im, path, NULL);
    free(path);
    return g;
}

static int is_among(const uint64_t *ids, size_t count, uint64_t id)
{
    size_t i = 0;
    while (i < count && ids[i] != id)
        i++;
    return i < count;
}

/* Puts the message into each of its folders. Returns into how many; *wrong: why not into one of them. */
static int put_in_all(struct importer *im, struct job *job, const char **wrong)
{
    uint64_t given[LABELS_MAX];
    size_t givens = 0;
    int put = 0;
    for (size_t i = 0; i < goal_count(job) && im->rc == CLI_OK; i++) {
        struct goal *g = goal_of(im, job, i);
        if (g && !g->code && is_among(given, givens, g->id)) /* labels can differ that are one folder */
            continue;
        int got = !g || g->code ? CUBBY_ENOENT : put_in(im, job, g);
        if (g)
            given[givens++] = g->id;
        put += got > 0;
        if (got < 0)
            *wrong = g && g->code ? "its folder could not be made" : cubby_strerror(got);
    }
    return put;
}

static void take_message(struct importer *im, struct job *job)
{
    const char *wrong = NULL;
    im->t->expected++;
    im->lost_keywords = 0;
    if (job->code < 0) {
        im->t->failed++;
        job->error.code = job->code;
        im->rc = cli_report(&job->error);
        im->rc = im->rc < CLI_FAIL ? CLI_FAIL : im->rc;
        return;
    }
    int put = is_anywhere(im, job) ? 0 : put_in_all(im, job, &wrong);
    im->t->without_keywords += im->lost_keywords || (put && job->letter.flags.left_out);
    if (put && job->letter.labels.left_out)
        cli_note("%s: message %" PRIu64 " at byte %" PRIu64 ": has more than %d labels; the others are left out", job_source(job), job->item.number,
                 job->item.offset, LABELS_MAX);
    if (im->rc != CLI_OK) {
        im->t->failed++;
        return;
    }
    if (wrong)
        fail_item(im, job, wrong);
    else if (!put)
        im->t->skipped++;
    else if (im->txn)
        added(im, job);
    else
        im->t->imported++, im->t->bytes += job->letter.n;
    im->batch.copies += !wrong && put > 1 ? (uint64_t)put - 1 : 0;
}

static void take(struct importer *im, struct job *job)
{
    if (job->kind == JOB_FOLDER) {
        begin_folder(im, job->target);
    } else if (job->kind == JOB_MESSAGE) {
        take_message(im, job);
    } else {
        im->t->expected++;
        im->t->refused += job->item.number == 0 && job->item.offset == 0;
        fail_item(im, job, job->reason);
    }
}

/* ---- the run ------------------------------------------------------------------------------------------------------------------------- */

static void run(struct importer *im)
{
    struct job *job;
    int got;
    while (im->rc == CLI_OK && !cli_interrupted && (got = pipeline_next(im->pipe, 200, &job)) != 1) {
        if (got == 0) {
            take(im, job);
            pipeline_release(im->pipe, job);
        }
        end_batch_if_due(im);
        cli_bar_update(&im->bar, pipeline_taken(im->pipe), im->tree->bytes);
    }
    int rc = im->rc;
    commit(im); /* what is in hand is kept, whatever ended the run */
    if (rc != CLI_OK)
        im->rc = rc;
}

int import_run(cubby_store *store, const struct tree *tree, const struct import_options *o, struct import_totals *totals)
{
    struct importer im = {.o = o, .tree = tree, .t = totals, .store = store, .gap_ms = cli_now_ms()};
    *totals = (struct import_totals){0};
    if (o->dups != DUPS_ADD)
        im.dedupe = dedupe_new(o->any_folder);
    cli_bar_begin(&im.bar, o->dry_run ? "reading" : "importing", CLI_BYTES);
    im.pipe = pipeline_start(&(struct pipeline_options){
        .store = o->dry_run ? NULL : store, .tree = tree, .reader = o->reader, .labels = o->labels, .known = known, .arg = &im});
    run(&im);
    cli_bar_clear(&im.bar);
    cubby_snapshot_end(&im.view);
    pipeline_stop(&im.pipe);
    dedupe_free(&im.dedupe);
    goals_release(&im.goals);
    if (im.rc != CLI_OK)
        return im.rc;
    if (cli_interrupted)
        return CLI_INTERRUPTED;
    if (totals->failed)
        return totals->refused == tree->count ? CLI_FAIL : CLI_NEGATIVE;
    return CLI_OK;
}
