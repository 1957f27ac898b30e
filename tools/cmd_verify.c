/* Compares an archive with a store, message by message. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "archive/archive.h"
#include "archive/dedupe.h"
#include "archive/digest.h"
#include "archive/field.h"
#include "archive/importer.h"
#include "archive/mbox.h"
#include "archive/pipeline.h"
#include "json.h"
#include "text.h"

enum { OPT_FORMAT = 1, OPT_MBOX, OPT_INTO, OPT_NO_SUBFOLDERS, OPT_DUPS_SCOPE, OPT_PASSWORD, OPT_PASSWORD_FILE };
enum { VIEW_MS = 10000 };

static const struct option options[] = {
    {"format", required_argument, NULL, OPT_FORMAT}, {"mbox", required_argument, NULL, OPT_MBOX},
    {"into", required_argument, NULL, OPT_INTO},     {"no-subfolders", no_argument, NULL, OPT_NO_SUBFOLDERS},
    {"dups-scope", required_argument, NULL, OPT_DUPS_SCOPE},
    {"password", required_argument, NULL, OPT_PASSWORD}, {"password-file", required_argument, NULL, OPT_PASSWORD_FILE},
    {NULL, 0, NULL, 0},
};

static const char *const scope_names[] = {"folder", "store", NULL};

struct verifier {
    const struct tree *tree;
    cubby_store *store;
    cubby_snapshot *snap;
    int64_t snap_ms;
    struct pipeline *pipe;
    struct dedupe *bytes;  /* messages by their bytes */
    struct dedupe *ids;    /* by the digest of their Message-ID; made when the first is missing */
    uint64_t ids_of;       /* folder that is in ids, 0: none */
    int any_folder;
    uint64_t folder;       /* of the current messages; 0: there is none */
    uint64_t same, missing, different, failed, refused, folders;
    uint64_t other_flags, other_date; /* of the same: the archive says another state than the store */
    struct cli_bar bar;
    int rc;
};

static int refresh(struct verifier *v)
{
    if (v->snap && cli_now_ms() - v->snap_ms < VIEW_MS)
        return 0;
    cubby_snapshot_end(&v->snap);
    v->snap_ms = cli_now_ms();
    return cubby_snapshot_begin(v->store, &v->snap);
}

static void tell(struct verifier *v, const char *event, const struct job *job, const char *text, uint32_t uid)
{
    const char *source = job_source(job), *folder = job->target->folder;
    cli_bar_clear(&v->bar);
    if (cli.json) {
        json_begin(event);
        json_str("source", source);
        json_uint("offset", job->item.offset);
        json_uint("item", job->item.number);
        json_str("folder", folder);
        if (uid)
            json_uint("uid", uid);
        json_end();
        return;
    }
    struct text name = {0}; /* safe for a terminal: it may be anything */
    text_safe(&name, source, strlen(source));
    if (job->item.name)
        printf("%s: %s in %s", name.data, text, folder);
    else
        printf("%s: message %" PRIu64 " at byte %" PRIu64 ": %s in %s", name.data, job->item.number, job->item.offset, text, folder);
    if (uid)
        printf(", uid %" PRIu32, uid);
    printf("\n");
    text_release(&name);
}

/* ---- messages with the same Message-ID --------------------------------------------------------------------------------------------- */

/* The digest of a header's Message-ID; 0 if it has none. */
static int message_id(const char *header, size_t len, uint8_t out[16])
{
    struct field f;
    if (!field_find(header, len, "Message-ID", &f))
        return 0;
    const char *p = memchr(f.value, '<', f.value_len), *end = f.value + f.value_len;
    const char *stop = p ? memchr(p, '>', (size_t)(end - p)) : NULL;
    if (!stop)
        return 0;
    digest_of(p, (size_t)(stop - p), out);
    return 1;
}

static int learn_ids(struct verifier *v)
{
    cubby_scan_options o = CUBBY_SCAN_INIT;
    cubby_scan *scan = NULL;
    const cubby_row *row;
    uint8_t digest[16];
    o.want = CUBBY_WANT_LIST;
    int rc = cubby_scan_open(v->snap, v->folder, &o, &scan);
    while (rc == 0 && (rc = cubby_scan_next(scan, &row)) == 0)
        if (row->damage == 0 && message_id(row->list_header, row->list_header_len, digest))
            dedupe_add(v->ids, digest, v->folder, row->uid);
    cubby_scan_close(&scan);
    return rc == CUBBY_DONE || rc == CUBBY_ENOENT ? 0 : rc; /* ENOENT: the folder was deleted meanwhile */
}

/* The uid of a message with the same Message-ID in the folder; 0: none. */
static uint32_t namesake(struct verifier *v, const struct job *job)
{
    uint8_t digest[16];
    const char *head = (const char *)job->raw + job->skip;
    if (!v->folder || job->skip > job->raw_len || !message_id(head, job->raw_len - job->skip, digest))
        return 0;
    if (!v->ids || v->ids_of != v->folder) {
        dedupe_free(&v->ids);
        v->ids = dedupe_new(0);
        v->ids_of = v->folder;
        int code = learn_ids(v);
        if (code < 0) {
            v->rc = cli_store_error(v->store, code);
            return 0;
        }
    }
    return dedupe_uid(v->ids, digest, v->folder);
}

/* ---- the comparison ---------------------------------------------------------------------------------------------------------------- */

/* Finds a folder and learns its messages. 0 or an error code. */
static int find_folder(struct verifier *v, const char *path)
{
    cubby_folder f;
    int code = refresh(v);
    v->folder = 0;
    v->folders++;
    if (code == 0)
        code = cli_path_find(v->snap, path, &f);
    if (code == 0)
        v->folder = f.id;
    if (code < 0 && code != CUBBY_EINVAL)
        return code;
    return v->folder || v->any_folder ? dedupe_learn(v->bytes, v->snap, v->folder) : 0;
}

static int same_flags(struct verifier *v, const cubby_row *row, const struct cli_flags *f)
{
    const char *const *names;
    size_t count, system = (size_t)__builtin_popcount(row->flags & CUBBY_FLAGS_ALL), i = 0;
    if (row->flags != f->system || row->keyword_count != f->keyword_count ||
        cli_row_flags(v->snap, row->flags, row->keywords, row->keyword_count, &names, &count) != 0)
        return 0;
    while (i < f->keyword_count && strcasecmp(names[system + i], f->keywords[i]) == 0)
        i++;
    return i == f->keyword_count;
}

/* Flags change when mail is read, so another state is no fault; but it is worth telling. Only what the archive states counts. */
static int compare_state(struct verifier *v, const struct job *job, const struct dedupe_hit *hit)
{
    const cubby_row *row;
    const struct letter *l = &job->letter;
    int rc = hit->uid ? cubby_row_get(v->snap, hit->folder, hit->uid, 0, &row) : CUBBY_DONE;
    if (rc != 0)
        return rc == CUBBY_DONE ? 0 : rc;
    v->other_flags += (l->restored || job->item.has_flags) && !same_flags(v, row, &l->flags);
    v->other_date += l->has_date && (l->restored || job->item.has_date) && row->internaldate != l->date;
    return 0;
}

static int compare(struct verifier *v, const struct job *job)
{
    struct dedupe_hit hit = {0};
    int code = refresh(v), found = 0;
    if (code == 0 && (v->folder || v->any_folder))
        found = dedupe_find(v->bytes, v->snap, v->folder, job, &hit);
    if (code < 0 || found < 0)
        return code < 0 ? code : found;
    if (found) {
        code = compare_state(v, job, &hit);
        v->same += code == 0;
        return code;
    }
    uint32_t uid = namesake(v, job);
    if (uid || hit.damaged) {
        v->different++;
        tell(v, "different", job, hit.damaged ? "its copy is damaged" : "other bytes under the same Message-ID", uid);
    } else {
        v->missing++;
        tell(v, "missing", job, "missing", 0);
    }
    return 0;
}

static void take(struct verifier *v, const struct job *job)
{
    int code = 0, tries = 0;
    if (job->kind == JOB_FAILED) {
        v->failed++;
        v->refused += job->item.number == 0 && job->item.offset == 0;
        cli_bar_clear(&v->bar);
        import_tell("failed", job, job->reason);
        return;
    }
    do {
        code = job->kind == JOB_FOLDER ? find_folder(v, job->target->folder) : compare(v, job);
        if (code == CUBBY_ESTALE)
            cubby_snapshot_end(&v->snap);
    } while (code == CUBBY_ESTALE && ++tries < 1000);
    if (code < 0)
        v->rc = cli_store_error(v->store, code);
}

static void run(struct verifier *v, const struct reader_options *o)
{
    struct job *job;
    int got;
    v->pipe = pipeline_start(&(struct pipeline_options){.tree = v->tree, .reader = *o});
    while (v->rc == CLI_OK && !cli_interrupted && (got = pipeline_next(v->pipe, 200, &job)) != 1) {
        if (got == 0) {
            take(v, job);
            pipeline_release(v->pipe, job);
        }
        cli_bar_update(&v->bar, pipeline_taken(v->pipe), v->tree->bytes);
    }
    pipeline_stop(&v->pipe);
}

static void print_total(const struct verifier *v, double seconds)
{
    if (cli.json) {
        json_begin("total");
        json_uint("same", v->same);
        json_uint("missing", v->missing);
        json_uint("different", v->different);
        json_uint("expected", v->same + v->missing + v->different + v->failed);
        json_uint("failed", v->failed);
        json_uint("other_flags", v->other_flags);
        json_uint("other_date", v->other_date);
        json_double("seconds", seconds);
        json_end();
    } else if (!cli.quiet) {
        printf("%" PRIu64 " same, %" PRIu64 " missing, %" PRIu64 " different", v->same, v->missing, v->different);
        if (v->failed)
            printf(", %" PRIu64 " could not be read", v->failed);
        if (v->other_flags)
            printf("; of the same, %" PRIu64 " with other flags", v->other_flags);
        if (v->other_date)
            printf("%s%" PRIu64 " with another date", v->other_flags ? ", " : "; of the same, ", v->other_date);
        printf("\n");
    }
}

static int verify(const char *path, const struct tree *tree, const struct reader_options *o, int any_folder)
{
    struct verifier v = {.tree = tree, .any_folder = any_folder};
    int64_t began = cli_now_ms();
    if (archive_none_there(tree))
        return CLI_FAIL;
    int rc = cli_open(path, 0, &v.store);
    if (rc != CLI_OK)
        return rc;
    v.bytes = dedupe_new(any_folder);
    cli_bar_begin(&v.bar, "comparing", CLI_BYTES);
    run(&v, o);
    cli_bar_clear(&v.bar);
    dedupe_free(&v.bytes);
    dedupe_free(&v.ids);
    cubby_snapshot_end(&v.snap);
    rc = cli_close(&v.store, NULL, v.rc);
    print_total(&v, (double)(cli_now_ms() - began) / 1000);
    if (rc != CLI_OK)
        return rc;
    if (cli_interrupted)
        return CLI_INTERRUPTED;
    if (v.failed && v.refused == tree->count)
        return CLI_FAIL;
    return v.missing || v.different || v.failed ? CLI_NEGATIVE : CLI_OK;
}

int cmd_verify(int argc, char **argv)
{
    struct tree tree = TREE_INIT;
    struct tree_options where = {0};
    struct reader_options how = {.may_ask = 1};
    int any_folder = 0;
    for (int o; (o = cli_option(argc, argv, "", options)) != -1;) {
        if (o == OPT_FORMAT)
            where.format = archive_format(optarg);
        else if (o == OPT_MBOX)
            how.dialect = cli_choice("--mbox", optarg, mbox_dialect_names);
        else if (o == OPT_INTO)
            where.into = optarg;
        else if (o == OPT_NO_SUBFOLDERS)
            where.no_subfolders = 1;
        else if (o == OPT_DUPS_SCOPE)
            any_folder = cli_choice("--dups-scope", optarg, scope_names);
        else if (o == OPT_PASSWORD)
            how.password = optarg;
        else if (o == OPT_PASSWORD_FILE)
            how.password = archive_password_file(optarg);
    }
    char **args = cli_arguments(argc, argv, 2, -1);
    if (where.into)
        archive_check_folder("--into", where.into);
    tree_scan(&tree, args + 1, (size_t)(argv + argc - args) - 1, &where);
    int rc = verify(args[0], &tree, &how, any_folder);
    tree_release(&tree);
    return rc;
}
