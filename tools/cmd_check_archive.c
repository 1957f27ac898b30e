/* Checks an archive by itself, without a store. */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "archive/mbox.h"
#include "archive/pst/check_report.h"
#include "archive/source.h"
#include "json.h"
#include "text.h"

enum { OPT_FORMAT = 1, OPT_MBOX };

static const struct option options[] = {
    {"format", required_argument, NULL, OPT_FORMAT}, {"mbox", required_argument, NULL, OPT_MBOX}, {NULL, 0, NULL, 0}};

static const char *const formats[] = {"auto", "mbox", "pst", NULL};
enum { FORMAT_AUTO, FORMAT_MBOX, FORMAT_PST };

struct checked {
    uint64_t bytes; /* of the messages */
    uint64_t largest;
    uint64_t dated; /* messages whose postmark has a date */
    char reason[320]; /* "": it was read to its end */
    uint64_t offset;
    int opened;
};

struct totals {
    uint64_t files, messages, bytes, problems, refused;
};

static void fail(struct checked *c, uint64_t offset, const char *reason)
{
    c->offset = offset;
    snprintf(c->reason, sizeof c->reason, "%s", reason);
}

static void read_messages(struct mbox *m, struct source *s, struct checked *c, struct cli_bar *bar)
{
    struct mbox_item item;
    const uint8_t *p;
    size_t n;
    int rc = 0;
    while (!cli_interrupted && (rc = mbox_next(m, &item)) == 0) {
        uint64_t size = 0;
        while ((rc = mbox_read(m, &p, &n)) == 0)
            size += n;
        if (rc < 0)
            break;
        c->bytes += size;
        c->largest = size > c->largest ? size : c->largest;
        c->dated += (unsigned)item.has_date;
        cli_bar_update(bar, source_taken(s), source_size(s));
    }
    if (!cli_interrupted && rc < 0)
        fail(c, mbox_offset(m), mbox_error(m));
}

static void print_json(const char *path, const struct mbox *m, const struct source *s, const struct checked *c)
{
    const struct mbox_counts *k = mbox_counts(m);
    json_begin("file");
    json_str("source", path);
    json_str("format", "mbox");
    json_str("dialect", mbox_dialect_names[mbox_dialect(m)]);
    json_str("line_ends", mbox_is_crlf(m) ? "crlf" : "lf");
    json_str("compression", *source_compression(s) ? source_compression(s) : NULL);
    json_uint("messages", k->messages);
    json_uint("bytes", c->bytes);
    json_uint("largest", c->largest);
    json_uint("without_date", k->messages - c->dated);
    json_uint("loose_postmarks", k->loose);
    json_uint("without_empty_line", k->glued);
    json_uint("quoted_lines", k->quoted);
    json_uint("unquoted_lines", k->bare);
    json_uint("by_content_length", k->by_length);
    json_end();
}

static void print_text(const char *path, const struct mbox *m, const struct source *s, const struct checked *c)
{
    const struct mbox_counts *k = mbox_counts(m);
    char size[24], largest[24];
    struct text name = {0}; /* safe for a terminal */
    text_safe(&name, path, strlen(path));
    printf("%s: mbox%s%s, dialect %s, %s line ends, %" PRIu64 " messages, %s", name.data, *source_compression(s) ? " in " : "",
           source_compression(s), mbox_dialect_names[mbox_dialect(m)], mbox_is_crlf(m) ? "CRLF" : "LF", k->messages,
           text_size(c->bytes, size, sizeof size));
    if (k->messages)
        printf(" (the largest %s)", text_size(c->largest, largest, sizeof largest));
    printf("\n");
    text_release(&name);
    if (k->loose || k->messages > c->dated)
        printf("  %" PRIu64 " postmarks of an unusual form, %" PRIu64 " without a date\n", k->loose, k->messages - c->dated);
    if (k->glued)
        printf("  %" PRIu64 " postmarks without an empty line before them\n", k->glued);
    if (k->quoted || k->bare)
        printf("  %" PRIu64 " lines quoted with '>', %" PRIu64 " lines that begin `From ' and are no postmarks\n", k->quoted, k->bare);
    if (k->by_length)
        printf("  %" PRIu64 " messages whose Content-Length leads to the next one\n", k->by_length);
}

static void print_problem(const char *path, const struct checked *c)
{
    if (cli.json) {
        json_begin("failed");
        json_str("source", path);
        json_uint("offset", c->offset);
        json_str("reason", c->reason);
        json_end();
    } else {
        cli_error("%s: at byte %" PRIu64 ": %s", path, c->offset, c->reason);
    }
}

static void check_file(const char *path, int dialect, struct totals *t)
{
    struct checked c = {0};
    struct cli_bar bar;
    struct mbox *m = NULL;
    struct source *s = source_open(path);
    int why = errno; /* the progress bar may change it */
    cli_bar_begin(&bar, "checking", CLI_BYTES);
    t->files++;
    if (!s) {
        fail(&c, 0, strerror(why));
    } else {
        c.opened = mbox_open(s, dialect, &m) >= 0;
        if (c.opened)
            read_messages(m, s, &c, &bar);
        else
            fail(&c, 0, mbox_error(m));
    }
    cli_bar_clear(&bar);
    if (c.opened) {
        (cli.json ? print_json : print_text)(path, m, s, &c);
        t->messages += mbox_counts(m)->messages;
        t->bytes += c.bytes;
    }
    if (c.reason[0]) {
        print_problem(path, &c);
        t->problems++;
        t->refused += !c.opened;
    }
    mbox_close(&m);
    source_close(&s);
}

static void check_pst(const char *path, struct totals *t)
{
    uint64_t messages, bytes;
    int rc = pst_check_report(path, &messages, &bytes);
    t->files++;
    t->messages += messages;
    t->bytes += bytes;
    t->problems += rc != CLI_OK;
    t->refused += rc == CLI_FAIL;
}

int cmd_check_archive(int argc, char **argv)
{
    const char *format = "auto";
    struct totals t = {0};
    int dialect = MBOX_AUTO;
    for (int o; (o = cli_option(argc, argv, "", options)) != -1;) {
        if (o == OPT_FORMAT)
            format = optarg;
        else if (o == OPT_MBOX)
            dialect = cli_choice("--mbox", optarg, mbox_dialect_names);
    }
    char **files = cli_arguments(argc, argv, 1, -1);
    int kind = cli_choice("--format", format, formats);
    for (; files < argv + argc && !cli_interrupted; files++) {
        if (kind == FORMAT_PST || (kind == FORMAT_AUTO && pst_is_one(*files)))
            check_pst(*files, &t);
        else
            check_file(*files, dialect, &t);
    }
    if (cli.json) {
        json_begin("total");
        json_uint("files", t.files);
        json_uint("messages", t.messages);
        json_uint("bytes", t.bytes);
        json_uint("problems", t.problems);
        json_end();
    }
    if (cli_interrupted)
        return CLI_INTERRUPTED;
    return t.refused ? CLI_FAIL : t.problems ? CLI_LEFT : CLI_OK;
}
