/* Prints a message to the byte. What fits into VERIFY_MAX is read and verified before its first byte goes out; of what is longer,
 * every piece is verified as it is read, the whole at the end, and a non-zero exit says that the output is not complete. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "section.h"

enum { VERIFY_MAX = 1 << 20, CHUNK = 256 << 10 };
enum { EOL_AS_IT_IS, EOL_CRLF, EOL_LF };
enum { OPT_PART = 1, OPT_HEADER, OPT_CRLF, OPT_LF };

struct request {
    const char *part;
    int header, eol;
    uint32_t uid;
};

/* ---- line ends -------------------------------------------------------------------------------------------------------------------- */

/* Writes with other line ends; *cr: the chunk before ended with CR (held back if the wish is LF). */
static void write_crlf(const char *p, size_t n, int *cr)
{
    for (size_t i = 0; i < n;) {
        const char *lf = memchr(p + i, '\n', n - i);
        size_t end = lf ? (size_t)(lf - p) : n;
        fwrite(p + i, 1, end - i, stdout);
        if (end > 0)
            *cr = p[end - 1] == '\r';
        if (lf)
            fputs(*cr ? "\n" : "\r\n", stdout);
        if (lf)
            *cr = 0;
        i = end + (lf != NULL);
    }
}

static void write_lf(const char *p, size_t n, int *cr)
{
    for (size_t i = 0; i < n;) {
        if (*cr && p[i] != '\n')
            putchar('\r');
        *cr = 0;
        const char *mark = memchr(p + i, '\r', n - i);
        size_t end = mark ? (size_t)(mark - p) : n;
        fwrite(p + i, 1, end - i, stdout);
        *cr = mark != NULL;
        i = end + (mark != NULL);
    }
}

static void write_out(const char *p, size_t n, int eol, int *cr)
{
    if (eol == EOL_CRLF)
        write_crlf(p, n, cr);
    else if (eol == EOL_LF)
        write_lf(p, n, cr);
    else
        fwrite(p, 1, n, stdout);
}

/* ---- reading ------------------------------------------------------------------------------------------------------------------------ */

static int read_all(cubby_reader *r, uint64_t offset, char *buf, size_t n)
{
    size_t got;
    int e = cubby_reader_read(r, offset, buf, n, &got);
    return e != 0 ? e : got == n ? 0 : CUBBY_ECORRUPT;
}

/* Bytes offset..offset+len of the message. *begun: something went out. */
static int copy_range(cubby_reader *r, uint64_t offset, uint64_t len, int eol, int *begun)
{
    size_t chunk = len <= VERIFY_MAX ? (size_t)len : CHUNK;
    int whole = cubby_reader_size(r) <= VERIFY_MAX;
    int e = whole ? cubby_reader_verify(r) : 0, cr = 0;
    char *buf = cli_malloc(chunk);
    for (uint64_t done = 0; e == 0 && done < len && !cli_interrupted;) {
        size_t n = len - done < chunk ? (size_t)(len - done) : chunk;
        e = read_all(r, offset + done, buf, n);
        if (e != 0)
            break;
        write_out(buf, n, eol, &cr);
        *begun = 1;
        done += n;
    }
    if (eol == EOL_LF && cr)
        putchar('\r');
    free(buf);
    if (e == 0 && !cli_interrupted && len > VERIFY_MAX && len == cubby_reader_size(r))
        e = cubby_reader_verify(r);
    return e;
}

/* What of the message is wanted; 0 if there is no such part. */
static int find_range(cubby_reader *r, const struct request *q, uint64_t *offset, uint64_t *len)
{
    size_t count;
    const cubby_part *parts = cubby_reader_parts(r, &count);
    *offset = 0;
    *len = cubby_reader_size(r);
    if (!q->part && !q->header)
        return 1;
    long i = q->part ? section_find(parts, count, q->part) : 0;
    if (i < 0 || !parts || count == 0)
        return 0;
    *offset = q->header ? parts[i].header_offset : parts[i].body_offset;
    *len = q->header ? parts[i].header_len : parts[i].body_len;
    return 1;
}

static int print_message(cubby_store *store, cubby_snapshot *snap, const char *path, const struct request *q)
{
    cubby_folder folder;
    cubby_reader *reader = NULL;
    uint64_t offset, len;
    int begun = 0;
    int rc = cli_folder(store, snap, path, &folder);
    if (rc != CLI_OK)
        return rc;
    int r = cubby_reader_open(snap, folder.id, q->uid, &reader);
    if (r == CUBBY_DONE) {
        cli_error("%s: there is no message with uid %" PRIu32, path, q->uid);
        return CLI_NEGATIVE;
    }
    if (r == 0 && !find_range(reader, q, &offset, &len)) {
        cli_error("%s: uid %" PRIu32 ": there is no part %s", path, q->uid, q->part ? q->part : "");
        cubby_reader_close(&reader);
        return CLI_NEGATIVE;
    }
    if (r == 0)
        r = copy_range(reader, offset, len, q->eol, &begun);
    cubby_reader_close(&reader);
    if (r == 0)
        return cli_interrupted ? CLI_INTERRUPTED : CLI_OK;
    cli_error("%s: uid %" PRIu32 ": %s", path, q->uid, begun ? "the output is NOT complete or not right" : "nothing was printed");
    rc = cli_store_error(store, r);
    return rc == CLI_USAGE || rc == CLI_NEGATIVE ? CLI_FAIL : rc;
}

static void parse_option(struct request *q, int o)
{
    switch (o) {
    case OPT_PART:
        q->part = optarg;
        break;
    case OPT_HEADER:
        q->header = 1;
        break;
    default:
        if (q->eol != EOL_AS_IT_IS && q->eol != (o == OPT_CRLF ? EOL_CRLF : EOL_LF))
            cli_usage_error("only one of --crlf and --lf");
        q->eol = o == OPT_CRLF ? EOL_CRLF : EOL_LF;
    }
}

int cmd_cat(int argc, char **argv)
{
    static const struct option own[] = {
        {"part", required_argument, NULL, OPT_PART}, {"header", no_argument, NULL, OPT_HEADER}, {"crlf", no_argument, NULL, OPT_CRLF},
        {"lf", no_argument, NULL, OPT_LF},           {0},
    };
    struct request q = {0};
    cubby_store *store = NULL;
    cubby_snapshot *snap = NULL;
    for (int o; (o = cli_option(argc, argv, "", own)) != -1;)
        parse_option(&q, o);
    char **args = cli_arguments(argc, argv, 3, 3);
    q.uid = (uint32_t)cli_number("UID", args[2], UINT32_MAX);
    if (q.part && (!*q.part || q.part[strspn(q.part, "0123456789.")]))
        cli_usage_error("--part: '%s' is not a part number (such as 1 or 2.1)", q.part);
    int rc = cli_open_view(args[0], &store, &snap);
    if (rc != CLI_OK)
        return rc;
    rc = print_message(store, snap, args[1], &q);
    return cli_close(&store, &snap, rc);
}
