#include "archive/importer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "archive/dedupe.h"
#include "archive/pipeline.h"
#include "cli.h"
#include "json.h"

#define BATCH_BYTES    (8u << 20)
#define BATCH_MESSAGES 1000
#define BATCH_MS       1000
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
    struct import_totals batch; /* what the running transaction will add to the totals */
    _Atomic uint64_t *folders; /* id by file; 0: not known yet. Workers look too */
    int folder_code;           /* why the current file's folder could not be made */
    struct cli_bar bar;
    int rc; /* exit code that ends the run */
};

void import_tell_failure(const struct tree_file *file, uint64_t offset, uint64_t item, const char *reason)
{
    if (cli.json) {
        json_begin("failed");
        json_str("source", file->path);
        json_uint("offset", offset);
        json_uint("item", item);
        json_str("folder", file->folder);
        json_str("reason", reason);
        json_end();
    } else if (item) {
        cli_error("%s: message %" PRIu64 " at byte %" PRIu64 ": %s", file->path, item, offset, reason);
    } else {
        cli_error("%s: at byte %" PRIu64 ": %s", file->path, offset, reason);
    }
}

static void fail_item(struct importer *im, const struct job *job, const char *reason)
{
    im->t->failed++;
    cli_bar_clear(&im->bar);
    import_tell_failure(&im->tree->files[job->file], job->item.offset, job->item.number, reason);
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

static int learn(struct importer *im, cubby_snapshot *snap, size_t file)
{
    uint64_t folder = im->folders[file];
    return im->dedupe && (folder || im->o->any_folder) ? dedupe_learn(im->dedupe, snap, folder) : 0;
}

/* Begins a transaction (a dry run: a view) unless there is one. 0, or im->rc is set. */
static int begin(struct importer *im, size_t file)
{
    if (im->txn || im->view || !im->store)
        return 0;
    im->rc = im->o->dry_run ? cli_snapshot(im->store, &im->view) : cli_begin(im->store, 0, &im->txn);
    im->began_ms = cli_now_ms();
    if (im->rc != CLI_OK)
        return im->rc;
    int code = learn(im, im->txn ? cubby_txn_snapshot(im->txn) : im->view, file); /* what others brought meanwhile */
    if (code < 0)
        spoil(im, code);
    return im->rc;
}

static cubby_snapshot *present(struct importer *im)
{
    return im->txn ? cubby_txn_snapshot(im->txn) : im->view;
}

static void end_batch_if_due(struct importer *im)
{
    int64_t age = cli_now_ms() - im->began_ms;
    if (im->view && age >= VIEW_MS)
        cubby_snapshot_end(&im->view);
    if (im->txn && (im->batch.bytes >= BATCH_BYTES || im->batch.imported >= BATCH_MESSAGES || age >= BATCH_MS))
        commit(im);
}

/* ---- files -------------------------------------------------------------------------------------------------------------------------- */

/* Learns a folder that holds messages already without the writer lock: that may take a while. */
static void learn_existing(struct importer *im, size_t file)
{
    cubby_folder f;
    int code = 0, tries = 0;
    if (!im->dedupe || !im->store)
        return;
    do {
        cubby_snapshot *snap = NULL;
        if ((im->rc = cli_snapshot(im->store, &snap)) != CLI_OK)
            return;
        code = cli_path_find(snap, im->tree->files[file].folder, &f);
        if (code == 0) {
            if (f.messages && im->txn)
                commit(im);
            im->folders[file] = f.id;
        }
        if (code >= 0)
            code = learn(im, snap, file);
        cubby_snapshot_end(&snap);
    } while (code == CUBBY_ESTALE && ++tries < 1000 && im->rc == CLI_OK);
    if (code < 0 && code != CUBBY_EINVAL && im->rc == CLI_OK)
        im->rc = cli_store_error(im->store, code);
}

static int seen_before(const struct importer *im, size_t file)
{
    for (size_t i = 0; i < file; i++)
        if (im->folders[i] && strcmp(im->tree->files[i].folder, im->tree->files[file].folder) == 0) /* 0: it could not be read */
            return 1;
    return 0;
}

/* A folder that was not there when this file began may have been made, and filled, by somebody else before the lock was ours. */
static void enter_folder(struct importer *im, size_t file, uint64_t id)
{
    int unknown = im->folders[file] != id, code;
    im->folders[file] = id;
    if (unknown && (code = learn(im, present(im), file)) < 0)
        spoil(im, code);
}

static void begin_file(struct importer *im, size_t file)
{
    const struct tree_file *f = &im->tree->files[file];
    uint64_t id = 0;
    im->folder_code = 0;
    im->t->folders += !seen_before(im, file);
    learn_existing(im, file);
    if (im->rc != CLI_OK || begin(im, file) != 0)
        return;
    if (!im->txn) {
        if (!im->folders[file])
            im->folders[file] = UINT64_MAX - file; /* a dry run: a folder that would be made */
        return;
    }
    im->folder_code = cli_path_make(im->txn, f->folder, &id);
    if (im->folder_code == 0)
        enter_folder(im, file, id);
    else if (im->folder_code != CUBBY_EINVAL && im->folder_code != CUBBY_ELIMIT)
        spoil(im, im->folder_code);
    else
        cli_error("%s: cannot make the folder '%s': %s", f->path, f->folder, cubby_strerror(im->folder_code));
}

/* ---- messages ----------------------------------------------------------------------------------------------------------------------- */

static int known(void *arg, const struct job *job)
{
    struct importer *im = arg;
    uint64_t folder = im->folders[job->file];
    return im->dedupe && folder && dedupe_maybe(im->dedupe, job->letter.hash, folder);
}

static const char *const *keywords_of(const struct job *job)
{
    return (const char *const *)job->letter.flags.keywords;
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
    if (rc == CUBBY_ELIMIT) {
        im->t->without_keywords++;
        rc = cubby_flag(im->txn, hit->folder, uids, CUBBY_FLAGS_ADD, f->system, NULL, 0, &changed);
    }
    if (rc < 0)
        spoil(im, rc);
    else
        im->t->merged += changed && cubby_uidset_count(changed) > 0;
    cubby_uidset_free(&uids);
    cubby_uidset_free(&changed);
}

/* 1: it is there already and was dealt with. */
static int is_duplicate(struct importer *im, const struct job *job)
{
    struct dedupe_hit hit;
    const struct tree_file *file = &im->tree->files[job->file];
    if (!im->dedupe)
        return 0;
    int found = dedupe_find(im->dedupe, present(im), im->folders[job->file], job, file, &hit);
    if (found < 0) {
        spoil(im, found);
        return 1;
    }
    if (hit.damaged)
        cli_note("%s: message %" PRIu64 " at byte %" PRIu64 ": the copy in the store is damaged%s", file->path, job->item.number,
                 job->item.offset, found ? "" : "; imported anew");
    if (!found)
        return 0;
    if (hit.unproven && cli.verbose)
        cli_note("%s: message %" PRIu64 " at byte %" PRIu64 ": taken for a duplicate by hash and size; its bytes cannot be read again",
                 file->path, job->item.number, job->item.offset);
    im->t->skipped++;
    if (im->o->dups == DUPS_MERGE)
        merge(im, job, &hit);
    return 1;
}

static void add_message(struct importer *im, struct job *job)
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
    int code = job->fed ? 0 : pipeline_feed(im->store, job);
    if (code == 0)
        code = cubby_add(im->txn, im->folders[job->file], job->message, &a, &uid);
    if (code == CUBBY_ELIMIT && a.keyword_count) {
        a.keyword_count = 0;
        im->t->without_keywords++;
        code = cubby_add(im->txn, im->folders[job->file], job->message, &a, &uid);
    }
    if (code == CUBBY_ELIMIT || code == CUBBY_EINVAL) {
        fail_item(im, job, cubby_strerror(code));
    } else if (code < 0) {
        im->t->failed++;
        spoil(im, code);
    } else {
        im->batch.imported++;
        im->batch.bytes += l->n;
        im->batch.restored += (unsigned)l->restored;
        if (im->dedupe)
            dedupe_add(im->dedupe, l->hash, im->folders[job->file], uid);
    }
}

static void take_message(struct importer *im, struct job *job)
{
    im->t->expected++;
    if (im->folder_code) {
        fail_item(im, job, "its folder could not be made");
        return;
    }
    if (job->code < 0) {
        im->t->failed++;
        job->error.code = job->code;
        im->rc = cli_report(&job->error);
        im->rc = im->rc < CLI_FAIL ? CLI_FAIL : im->rc;
        return;
    }
    if (begin(im, job->file) != 0) {
        im->t->failed++;
        return;
    }
    if (is_duplicate(im, job))
        return;
    if (im->txn) {
        add_message(im, job);
        return;
    }
    im->t->imported++;
    im->t->bytes += job->letter.n;
    if (im->dedupe)
        dedupe_add(im->dedupe, job->letter.hash, im->folders[job->file], 0);
}

static void take(struct importer *im, struct job *job)
{
    if (job->kind == JOB_FILE) {
        begin_file(im, job->file);
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
    struct importer im = {.o = o, .tree = tree, .t = totals, .store = store};
    *totals = (struct import_totals){0};
    im.folders = cli_malloc((tree->count + 1) * sizeof *im.folders);
    for (size_t i = 0; i < tree->count; i++)
        im.folders[i] = 0;
    if (o->dups != DUPS_ADD)
        im.dedupe = dedupe_new(o->any_folder);
    cli_bar_begin(&im.bar, o->dry_run ? "reading" : "importing", CLI_BYTES);
    im.pipe = pipeline_start(&(struct pipeline_options){
        .store = o->dry_run ? NULL : store, .tree = tree, .dialect = o->dialect, .known = known, .arg = &im});
    run(&im);
    cli_bar_clear(&im.bar);
    cubby_snapshot_end(&im.view);
    pipeline_stop(&im.pipe);
    dedupe_free(&im.dedupe);
    free(im.folders);
    if (im.rc != CLI_OK)
        return im.rc;
    if (cli_interrupted)
        return CLI_INTERRUPTED;
    if (totals->failed)
        return totals->refused == tree->count ? CLI_FAIL : CLI_NEGATIVE;
    return CLI_OK;
}
