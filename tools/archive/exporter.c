#include "archive/exporter.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "archive/block.h"
#include "archive/digest.h"
#include "archive/mbox.h"
#include "archive/outfile.h"
#include "cli.h"
#include "json.h"

#define WHOLE_BYTES (1u << 20) /* up to here a message is read whole and verified before its first byte is written */
#define PAGE_MS     10000      /* a long export pages through fresh snapshots */

struct exporter {
    cubby_store *store;
    const struct export_options *o;
    struct export_totals *t;
    const struct export_folder *folder;
    cubby_snapshot *snap;
    int64_t snap_ms;
    struct outfile out;
    struct mbox_writer writer;
    uint8_t *buf; /* WHOLE_BYTES */
    struct text block;
    struct cli_bar bar;
    uint64_t bytes_done, bytes_all;
    int rc;       /* exit code that ends the export */
};

static void tell_failure(struct exporter *e, uint32_t uid, const char *reason)
{
    e->t->failed++;
    cli_bar_clear(&e->bar);
    if (!cli.json) {
        cli_error("%s: message with uid %" PRIu32 ": %s", e->folder->path, uid, reason);
        return;
    }
    json_begin("failed");
    json_str("folder", e->folder->path);
    json_uint("uid", uid);
    json_str("reason", reason);
    json_end();
}

/* A message that could not be read. Damage and bad sectors cost that message; other errors end the export. */
static int failed_read(struct exporter *e, uint32_t uid, int code)
{
    cubby_error err;
    char reason[700];
    if (code == CUBBY_ESTALE)
        return code;
    if (code != CUBBY_ECORRUPT && code != CUBBY_EIO && code != CUBBY_ENOENT) {
        e->rc = cli_store_error(e->store, code);
        e->t->failed++;
        return 0;
    }
    cubby_last_error(e->store, &err);
    if (err.code == code && err.path[0])
        snprintf(reason, sizeof reason, "%s (%s at byte %" PRIu64 ")", err.message[0] ? err.message : cubby_strerror(code), err.path,
                 err.offset == UINT64_MAX ? 0 : err.offset);
    else
        snprintf(reason, sizeof reason, "%s", err.code == code && err.message[0] ? err.message : cubby_strerror(code));
    tell_failure(e, uid, reason);
    return 0;
}

static int failed_write(struct exporter *e)
{
    e->t->failed++;
    e->rc = cli_interrupted == SIGPIPE ? CLI_INTERRUPTED : cli_system_error(e->folder->file);
    return 0;
}

/* ---- one message --------------------------------------------------------------------------------------------------------------------- */

/* Reads it whole and compares its hash. */
static int read_small(struct exporter *e, cubby_reader *r, size_t size)
{
    uint8_t hash[16];
    size_t got = 0;
    int code = cubby_reader_read(r, 0, e->buf, size, &got);
    if (code < 0)
        return code;
    digest_of(e->buf, got, hash);
    return got == size && memcmp(hash, cubby_reader_hash(r), 16) == 0 ? 0 : CUBBY_ECORRUPT;
}

static int format_block(struct exporter *e, const cubby_row *row, const uint8_t *hash, int ends_open, int crlf)
{
    const char *const *names;
    size_t count, system = (size_t)__builtin_popcount(row->flags & CUBBY_FLAGS_ALL);
    struct block b = {.uid = row->uid, .date = row->internaldate, .zone = row->internaldate_zone, .flags = {row->flags, NULL, 0}};
    int code = cli_row_flags(e->snap, row->flags, row->keywords, row->keyword_count, &names, &count);
    if (code != 0)
        return code;
    memcpy(b.hash, hash, sizeof b.hash);
    b.added = !ends_open ? BLOCK_ADDED_NONE : crlf ? BLOCK_ADDED_CRLF : BLOCK_ADDED_LF;
    text_clear(&e->block);
    block_format(&e->block, &b, names + system, count - system, crlf);
    return 0;
}

/* The rest of a big message, chunk after chunk. 1: it could not be written. */
static int write_rest(struct exporter *e, cubby_reader *r, uint64_t at, uint64_t size)
{
    while (at < size) {
        size_t got = 0;
        int code = cubby_reader_read(r, at, e->buf, WHOLE_BYTES, &got);
        if (code < 0)
            return code;
        if (got == 0)
            return CUBBY_ECORRUPT;
        if (mbox_write(&e->writer, e->buf, got) != 0)
            return 1;
        at += got;
    }
    return 0;
}

/* Reads the first bytes into e->buf, and the last two, when all of the message is known to be sound. */
static int read_ends(struct exporter *e, cubby_reader *r, uint64_t size, size_t head, uint8_t tail[2], size_t *tail_len)
{
    size_t got = 0;
    *tail_len = size < 2 ? (size_t)size : 2;
    int code = size <= WHOLE_BYTES ? read_small(e, r, head) : cubby_reader_verify(r);
    if (code == 0 && size > WHOLE_BYTES)
        code = cubby_reader_read(r, 0, e->buf, head, &got);
    return code == 0 ? cubby_reader_read(r, size - *tail_len, tail, *tail_len, &got) : code;
}

/* 0, an error of the store, or 1: of the file. */
static int write_message(struct exporter *e, const cubby_row *row, cubby_reader *r)
{
    uint64_t size = cubby_reader_size(r);
    size_t head = size < WHOLE_BYTES ? (size_t)size : WHOLE_BYTES, tail_len;
    uint8_t tail[2] = {0, 0};
    int code = read_ends(e, r, size, head, tail, &tail_len);
    int crlf = mbox_message_is_crlf(e->buf, head, tail, tail_len), ends_open = tail_len && tail[tail_len - 1] != '\n';
    if (code == 0 && !e->o->verbatim)
        code = format_block(e, row, cubby_reader_hash(r), ends_open, crlf);
    if (code != 0)
        return code;
    if (mbox_write_begin(&e->writer, e->buf, head, crlf, row->internaldate) != 0 ||
        (!e->o->verbatim && mbox_write(&e->writer, e->block.data, e->block.len) != 0) || mbox_write(&e->writer, e->buf, head) != 0)
        return 1;
    code = write_rest(e, r, head, size);
    return code == 0 && mbox_write_end(&e->writer) != 0 ? 1 : code;
}

/* 0, or CUBBY_ESTALE: once more, with another snapshot. */
static int export_message(struct exporter *e, const cubby_row *row)
{
    cubby_reader *r = NULL;
    uint64_t start = outfile_tell(&e->out), added = e->writer.line_ends_added;
    int code = cubby_reader_open(e->snap, e->folder->id, row->uid, &r);
    if (code == CUBBY_DONE)
        code = CUBBY_ENOENT;
    if (code == 0)
        code = write_message(e, row, r);
    if (code != 0) {
        cubby_reader_close(&r);
        e->writer.line_ends_added = added;
        if (code == 1)
            return failed_write(e);
        if (outfile_cut(&e->out, start) != 0) {
            cli_error("standard output ends in the middle of a message that could not be read to its end");
            e->rc = CLI_FAIL;
            code = code == CUBBY_ESTALE ? CUBBY_EIO : code;
        }
        return failed_read(e, row->uid, code);
    }
    e->t->exported++;
    e->t->bytes += cubby_reader_size(r);
    e->bytes_done += row->size;
    cubby_reader_close(&r);
    return 0;
}

/* ---- one folder ---------------------------------------------------------------------------------------------------------------------- */

static int refresh(struct exporter *e)
{
    if (e->snap && cli_now_ms() - e->snap_ms < PAGE_MS)
        return 0;
    cubby_snapshot_end(&e->snap);
    e->snap_ms = cli_now_ms();
    return cubby_snapshot_begin(e->store, &e->snap);
}

/* The uids from `first` on that are asked for. */
static int page_uids(const struct exporter *e, const cubby_uidset *asked, uint64_t first, cubby_uidset **out)
{
    uint64_t end = e->folder->uidnext;
    int rc = cubby_uidset_new(out);
    if (rc != 0 || first >= end)
        return rc;
    if (!asked)
        return cubby_uidset_add(*out, (uint32_t)first, (uint32_t)(end - 1));
    for (size_t i = 0; rc == 0 && i < cubby_uidset_ranges(asked); i++) {
        uint32_t from, to;
        cubby_uidset_range(asked, i, &from, &to);
        if (to >= first && from < end)
            rc = cubby_uidset_add(*out, from < first ? (uint32_t)first : from, to >= end ? (uint32_t)(end - 1) : to);
    }
    return rc;
}

static int is_wanted(const struct export_options *o, const cubby_row *row)
{
    return (!o->has_since || row->internaldate >= o->since) && (!o->has_before || row->internaldate < o->before);
}

static int page_ends(const struct exporter *e)
{
    return e->rc != CLI_OK || cli_interrupted || cli_now_ms() - e->snap_ms >= PAGE_MS;
}

/* Messages from *next on, as long as the snapshot is fresh. CUBBY_DONE: all are done; 0: go on with another. */
static int export_page(struct exporter *e, const cubby_uidset *asked, uint64_t *next)
{
    cubby_scan_options so = CUBBY_SCAN_INIT;
    cubby_uidset *uids = NULL;
    cubby_scan *scan = NULL;
    const cubby_row *row;
    int rc = refresh(e);
    if (rc == 0)
        rc = page_uids(e, asked, *next, &uids);
    so.uids = uids;
    if (rc == 0)
        rc = cubby_uidset_count(uids) ? cubby_scan_open(e->snap, e->folder->id, &so, &scan) : CUBBY_DONE;
    while (rc == 0 && !page_ends(e) && (rc = cubby_scan_next(scan, &row)) == 0) {
        if (is_wanted(e->o, row)) {
            e->t->expected++;
            rc = export_message(e, row);
            e->t->expected -= rc == CUBBY_ESTALE; /* it comes again */
        }
        if (rc == 0)
            *next = (uint64_t)row->uid + 1;
        cli_bar_update(&e->bar, e->bytes_done, e->bytes_all);
    }
    cubby_scan_close(&scan);
    cubby_uidset_free(&uids);
    return rc;
}

static void export_messages(struct exporter *e)
{
    cubby_uidset *asked = NULL;
    uint64_t next = 1;
    int rc = 0, stale = 0;
    if (e->o->uids) {
        if ((rc = refresh(e)) == 0)
            e->rc = cli_uids(e->store, e->snap, e->folder->id, e->o->uids, &asked);
    }
    while (rc == 0 && e->rc == CLI_OK && !cli_interrupted) {
        rc = export_page(e, asked, &next);
        if (rc == CUBBY_ESTALE && ++stale < 1000) {
            cubby_snapshot_end(&e->snap);
            rc = 0;
        }
    }
    if (rc < 0)
        e->rc = cli_store_error(e->store, rc);
    cubby_uidset_free(&asked);
}

static void export_folder(struct exporter *e, const char *base)
{
    int to_file = strcmp(e->folder->file, "-") != 0;
    e->rc = to_file && base ? outfile_make_parents(base, e->folder->file) : CLI_OK;
    if (e->rc == CLI_OK)
        e->rc = outfile_open(&e->out, e->folder->file);
    if (e->rc != CLI_OK)
        return;
    mbox_writer_init(&e->writer, outfile_write, &e->out);
    export_messages(e);
    if (e->rc == CLI_OK && !cli_interrupted)
        e->rc = outfile_commit(&e->out, e->o->force);
    if (e->rc == CLI_OK && !cli_interrupted)
        e->t->files++;
    e->t->line_ends_added += e->writer.line_ends_added;
    outfile_release(&e->out);
}

int export_run(cubby_store *store, const char *base, const struct export_folder *folders, size_t count, const struct export_options *o,
               struct export_totals *totals)
{
    struct exporter e = {.store = store, .o = o, .t = totals, .out = OUTFILE_INIT};
    *totals = (struct export_totals){0};
    e.buf = cli_malloc(WHOLE_BYTES);
    for (size_t i = 0; i < count; i++)
        e.bytes_all += folders[i].bytes;
    cli_bar_begin(&e.bar, "exporting", CLI_BYTES);
    for (size_t i = 0; i < count && e.rc == CLI_OK && !cli_interrupted; i++) {
        e.folder = &folders[i];
        export_folder(&e, base);
    }
    cli_bar_clear(&e.bar);
    cubby_snapshot_end(&e.snap);
    text_release(&e.block);
    free(e.buf);
    if (e.rc != CLI_OK)
        return e.rc;
    return cli_interrupted ? CLI_INTERRUPTED : totals->failed ? CLI_NEGATIVE : CLI_OK;
}
