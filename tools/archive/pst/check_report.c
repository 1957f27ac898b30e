#include "archive/pst/check_report.h"

#include <inttypes.h>
#include <string.h>

#include "archive/pst/check.h"
#include "archive/source.h"
#include "json.h"

/* Of each severity so many are printed; all are counted. */
enum { PRINTED_MAX = 1000 };

struct report {
    const char *path;
    struct cli_bar bar;
    uint64_t printed[2];
};

static const char *const encodings[] = {"none", "compressible", "high"};

int pst_is_one(const char *path)
{
    char head[4];
    struct source *s = source_open(path);
    int yes = s && source_seekable(s) && source_peek(s, 0, head, sizeof head) == (int64_t)sizeof head && memcmp(head, "!BDN", 4) == 0;
    source_close(&s);
    return yes;
}

static void print_problem(const char *path, int severity, uint64_t offset, const char *text)
{
    if (cli.json) {
        json_begin(severity == PST_CHECK_ERROR ? "failed" : "warning");
        json_str("source", path);
        json_uint("offset", offset);
        json_str("reason", text);
        json_end();
    } else if (severity == PST_CHECK_ERROR) {
        cli_error("%s: at byte %" PRIu64 ": %s", path, offset, text);
    } else {
        cli_note("%s: at byte %" PRIu64 ": %s (harmless)", path, offset, text);
    }
}

static void on_problem(void *arg, int severity, uint64_t offset, const char *text)
{
    struct report *r = arg;
    if (++r->printed[severity == PST_CHECK_ERROR] <= PRINTED_MAX)
        print_problem(r->path, severity, offset, text);
}

static int on_progress(void *arg, uint64_t done, uint64_t total)
{
    struct report *r = arg;
    cli_bar_update(&r->bar, done, total);
    return cli_interrupted != 0;
}

static void print_json(const char *path, const struct pst_checked *k)
{
    json_begin("file");
    json_str("source", path);
    json_str("format", "pst");
    json_str("kind", k->format);
    json_uint("version", k->version);
    json_str("encoding", encodings[k->crypt]);
    json_bool("password", k->password);
    json_uint("bytes", k->bytes);
    json_uint("free", k->free);
    json_uint("pages", k->pages);
    json_uint("blocks", k->blocks);
    json_uint("nodes", k->nodes);
    json_uint("folders", k->folders);
    json_uint("messages", k->messages);
    json_uint("associated", k->associated);
    json_uint("attachments", k->attachments);
    json_uint("embedded", k->embedded);
    json_uint("errors", k->errors);
    json_uint("warnings", k->warnings);
    json_end();
}

static void print_text(const char *path, const struct pst_checked *k)
{
    char size[24], room[24];
    printf("%s: pst, %s (version %u), encoding %s%s, %s, %s of it free\n", path, k->format, k->version, encodings[k->crypt],
           k->password ? ", a password is set" : "", text_size(k->bytes, size, sizeof size), text_size(k->free, room, sizeof room));
    printf("  %" PRIu64 " folders, %" PRIu64 " messages, %" PRIu64 " attachments, %" PRIu64
           " messages within messages, %" PRIu64 " items of Outlook's own\n",
           k->folders, k->messages, k->attachments, k->embedded, k->associated);
    printf("  %" PRIu64 " pages, %" PRIu64 " blocks, %" PRIu64 " nodes: %" PRIu64 " errors, %" PRIu64 " warnings\n", k->pages, k->blocks,
           k->nodes, k->errors,
           k->warnings);
}

int pst_check_report(const char *path, uint64_t *messages, uint64_t *bytes)
{
    struct report r = {.path = path};
    struct pst_checked k;
    char error[256];
    uint64_t offset;
    cli_bar_begin(&r.bar, "checking", CLI_ITEMS);
    int rc = pst_check(path, on_problem, on_progress, &r, &k, error, &offset);
    cli_bar_clear(&r.bar);
    *messages = k.messages;
    *bytes = 0;
    if (rc < 0) {
        print_problem(path, PST_CHECK_ERROR, offset, error);
        return CLI_FAIL;
    }
    *bytes = k.bytes;
    if (rc == 0) {
        if (!cli.json && (r.printed[0] > PRINTED_MAX || r.printed[1] > PRINTED_MAX))
            cli_note("%s: the first %d errors and warnings are shown", path, PRINTED_MAX);
        (cli.json ? print_json : print_text)(path, &k);
    }
    return k.errors ? CLI_LEFT : CLI_OK;
}
