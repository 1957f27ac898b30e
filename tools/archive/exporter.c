#include "archive/exporter.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "archive/digest.h"
#include "cli.h"
#include "json.h"

#define WHOLE_BYTES (1u << 20) /* up to here a message is read whole and verified before its first byte is written */
#define PAGE_MS     10000      /* a long export pages through fresh snapshots */

struct exporter {
    cubby_store *store;
    const struct export_options *o;
    struct export_totals *t;
    struct writer *writer;
    const struct writer_folder *folder;
    cubby_snapshot *snap;
    int64_t snap_ms;
    uint8_t *buf; /* WHOLE_BYTES */
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

/* What a writer says: 0, or WRITTEN_NOT with e->rc or a message told as failed. */
enum { WRITTEN_NOT = 1 };

static int written(struct exporter *e, uint32_t uid, int rc)
{
    if (rc == CLI_OK)
        return 0;
    if (rc == WRITER_REFUSED) {
        tell_failure(e, uid, e->writer->reason);
    } else {
        e->t->failed++;
        e->rc = rc;
    }
    return WRITTEN_NOT;
}

/* The message's bytes, chunk after chunk; the first `have` are in e->buf. 0, WRITTEN_NOT or an error code. */
static int write_bytes(struct exporter *e, uint32_t uid, cubby_reader *r, size_t have, uint64_t size)
{
    const struct writer_format *f = e->writer->format;
    size_t got = have;
    for (uint64_t at = 0; at < size || have == 0;) {
        int rc = got ? written(e, uid, f->write(e->writer, e->buf, got)) : 0;
        at += got;
        if (rc || at >= size)
            return rc;
        rc = cubby_reader_read(r, at, e->buf, WHOLE_BYTES, &got);
        if (rc < 0)
            return rc;
        if (got == 0)
            return CUBBY_ECORRUPT;
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

/* Its state as the writer gets it. Keyword names are borrowed until the next row. */
static int describe(struct exporter *e, const cubby_row *row, cubby_reader *r, struct writer_message *m)
{
    const char *const *names;
    size_t count, system = (size_t)__builtin_popcount(row->flags & CUBBY_FLAGS_ALL);
    uint64_t size = cubby_reader_size(r);
    *m = (struct writer_message){.uid = row->uid, .flags = row->flags, .date = row->internaldate, .zone = row->internaldate_zone, .size = size,
                                 .rfc822_size = row->size, .hash = cubby_reader_hash(r), .head = e->buf, .reader = r,
                                 .head_len = size < WHOLE_BYTES ? (size_t)size : WHOLE_BYTES};
    int code = read_ends(e, r, size, m->head_len, m->tail, &m->tail_len);
    if (code == 0)
        code = cli_row_flags(e->snap, row->flags, row->keywords, row->keyword_count, &names, &count);
    if (code != 0)
        return code;
    m->keywords = names + system;
    m->keyword_count = count - system;
    return 0;
}

/* 0, WRITTEN_NOT or an error of the store. */
static int write_message(struct exporter *e, const cubby_row *row, cubby_reader *r)
{
    struct writer_message m;
    const struct writer_format *f = e->writer->format;
    int code = describe(e, row, r, &m);
    if (code != 0)
        return code;
    code = written(e, m.uid, f->begin(e->writer, &m));
    if (code == 0)
        code = write_bytes(e, m.uid, r, m.head_len, m.size);
    if (code == 0)
        code = written(e, m.uid, f->end(e->writer));
    if (code != 0 && e->rc == CLI_OK && (e->rc = f->cancel(e->writer)) != CLI_OK && code == CUBBY_ESTALE)
        code = CUBBY_EIO;
    return code;
}

/* 0, or CUBBY_ESTALE: once more, with another snapshot. */
static int export_message(struct exporter *e, const cubby_row *row)
{
    cubby_reader *r = NULL;
    int code = cubby_reader_open(e->snap, e->folder->id, row->uid, &r);
    if (code == CUBBY_DONE)
        code = CUBBY_ENOENT;
    if (code == 0)
        code = write_message(e, row, r);
    if (code == 0) {
        e->t->exported++;
        e->t->bytes += cubby_reader_size(r);
        e->bytes_done += row->size;
    }
    cubby_reader_close(&r);
    return code == 0 || code == WRITTEN_NOT ? 0 : failed_read(e, row->uid, code);
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

/* 0, CUBBY_DONE or an error: whether the folder is there still. If somebody has deleted it, what it held is mail no more. */
static int look(struct exporter *e)
{
    cubby_folder f;
    int rc = refresh(e);
    if (rc == 0)
        rc = cubby_folder_get(e->snap, e->folder->id, &f);
    if (rc == CUBBY_DONE)
        cli_note("%s: was deleted while the export ran", e->folder->path);
    return rc;
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
    int rc = look(e);
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

/* An export that ends early leaves no unfinished file behind: what it wrote there is not exported. If it was stopped, that is no failure. */
static void take_back(struct exporter *e)
{
    const struct writer *w = e->writer;
    uint64_t messages = w->format->single_file ? e->t->exported : w->open_messages;
    e->t->exported -= messages;
    e->t->bytes -= w->format->single_file ? e->t->bytes : w->open_bytes;
    if (e->rc == CLI_OK || e->rc == CLI_INTERRUPTED) {
        e->t->expected -= messages;
        e->t->discarded = messages;
    } else {
        e->t->failed += messages;
    }
}

int export_run(cubby_store *store, struct writer *w, const struct writer_folder *folders, size_t count, const struct export_options *o,
               struct export_totals *totals)
{
    struct exporter e = {.store = store, .o = o, .t = totals, .writer = w};
    *totals = (struct export_totals){0};
    e.buf = cli_malloc(WHOLE_BYTES);
    for (size_t i = 0; i < count; i++)
        e.bytes_all += folders[i].bytes;
    cli_bar_begin(&e.bar, "exporting", CLI_BYTES);
    for (size_t i = 0; i < count && e.rc == CLI_OK && !cli_interrupted; i++) {
        e.folder = &folders[i];
        if (look(&e) == CUBBY_DONE)
            continue;
        e.rc = w->format->folder(w, e.folder); /* an error of the store comes again below */
        if (e.rc == CLI_OK)
            export_messages(&e);
    }
    int ended = e.rc == CLI_OK && !cli_interrupted;
    if (ended)
        e.rc = w->format->finish(w);
    cli_bar_clear(&e.bar);
    if (!ended || e.rc != CLI_OK)
        take_back(&e);
    cubby_snapshot_end(&e.snap);
    free(e.buf);
    if (e.rc != CLI_OK)
        return e.rc;
    return !ended ? CLI_INTERRUPTED : totals->failed ? CLI_NEGATIVE : CLI_OK;
}
