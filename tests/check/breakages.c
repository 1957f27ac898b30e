/* breakages.c - a way to break a store for every code of fsck. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/key.h"
#include "check/broken.h"
#include "mail/apply.h"
#include "mail/entry.h"
#include "mail/folder_row.h"
#include "mail/incoming.h"
#include "store/store.h"

#define INDEX STORE "/index"
#define ID    STORE "/cubby.id"

/* ---- files ---- */

static void id_copy_0(struct bed *b) { bed_flip(b, ID, 30); }
static void id_copy_1(struct bed *b) { bed_flip(b, ID, 4096 + 30); }
static void id_missing(struct bed *b) { bed_unlink(b, ID); }
static void id_short(struct bed *b) { bed_truncate(b, ID, 5000); }
static void id_destroyed(struct bed *b)
{
    bed_flip(b, ID, 30);
    bed_flip(b, ID, 4096 + 30);
}
static void id_foreign(struct bed *b)
{
    struct bed other = {.disk = sim_new(8)};
    cubby_options o = bed_options(&other);
    size_t n;
    MUST(cubby_create(STORE, &o, NULL));
    uint8_t *p = bed_read(&other, ID, &n);
    bed_write(b, ID, 0, p, n);
    free(p);
    bed_free(&other);
}
static void id_foreign_and_header(struct bed *b)
{
    id_foreign(b);
    bed_flip(b, seg_path(2), 200);
    bed_zero(b, seg_path(2), 0, 4096);
}
static void segment_missing(struct bed *b) { bed_unlink(b, seg_path(2)); }
static void first_missing(struct bed *b) { bed_unlink(b, seg_path(1)); }
static void last_missing(struct bed *b) { bed_unlink(b, seg_path(bed_segments(b))); }
static void all_missing(struct bed *b)
{
    for (uint32_t n = bed_segments(b); n; n--)
        bed_unlink(b, seg_path(n));
}
static void all_and_index_missing(struct bed *b)
{
    all_missing(b);
    bed_unlink(b, INDEX);
}
/* ... and somebody has tried to open the store since then. */
static void all_missing_and_tried(struct bed *b)
{
    cubby_options o = bed_options(b);
    cubby_store *s = NULL;
    all_missing(b);
    MUST(cubby_open(STORE, &o, &s, NULL) < 0 ? 0 : -1);
    MUST(cubby_close(&s));
}
static void all_but_one(struct bed *b)
{
    uint32_t n = bed_segments(b);
    for (uint32_t i = 1; i <= n; i++)
        if (i != 3)
            bed_unlink(b, seg_path(i));
    bed_unlink(b, INDEX);
}
static void all_but_one_and_id(struct bed *b)
{
    all_but_one(b);
    bed_unlink(b, ID);
}
static void header_gone(struct bed *b) { bed_zero(b, seg_path(2), 0, (size_t)bed_frame(b, CUBBY__REC_COMMIT, 1).frames); }
static void wipe_header(struct bed *b, uint32_t seg)
{
    size_t n;
    uint8_t *p = bed_read(b, seg_path(seg), &n);
    bed_flip(b, seg_path(seg), 300);
    bed_zero(b, seg_path(seg), p[8] + 256u * p[9], 8);
    bed_zero(b, seg_path(seg), 0, 16);
    free(p);
}
/* ... and the frames behind it. */
static void begin_gone(struct bed *b, uint32_t seg, size_t n)
{
    bed_zero(b, seg_path(seg), 0, n);
}
static void first_block_gone(struct bed *b) { begin_gone(b, 3, 4096); }
static void first_block_gone_only(struct bed *b)
{
    first_block_gone(b);
    bed_unlink(b, INDEX);
}
static void first_blocks_gone(struct bed *b) { begin_gone(b, bed_segments(b), 3072); }
static void very_first_block_gone(struct bed *b) { begin_gone(b, 1, 4096); }
static void header_unreadable(struct bed *b) { wipe_header(b, 3); }
static void first_header(struct bed *b) { wipe_header(b, 1); }
static void last_header(struct bed *b) { wipe_header(b, bed_segments(b)); }
static void last_header_no_index(struct bed *b)
{
    wipe_header(b, bed_segments(b));
    bed_unlink(b, INDEX);
}
static void all_headers(struct bed *b)
{
    for (uint32_t n = bed_segments(b); n; n--)
        wipe_header(b, n);
}
static void two_headers(struct bed *b)
{
    wipe_header(b, 2);
    wipe_header(b, 3);
}
static void segment_emptied(struct bed *b) { bed_truncate(b, seg_path(2), 0); }
static void copy_0(struct bed *b) { bed_flip(b, seg_path(2), 200); }
static void copy_of_last(struct bed *b) { bed_flip(b, seg_path(bed_segments(b)), 200); }
static void rename_segment(struct bed *b, uint32_t from, uint32_t to)
{
    const cubby_vfs *v = sim_vfs(b->disk);
    char path[64];
    snprintf(path, sizeof path, "%s", seg_path(from));
    MUST(v->rename(v->ctx, path, seg_path(to)));
    MUST(v->dirsync(v->ctx, STORE "/segments"));
}
static void swapped(struct bed *b)
{
    rename_segment(b, 2, 90);
    rename_segment(b, 4, 2);
    rename_segment(b, 90, 4);
}
static void rotated(struct bed *b)
{
    rename_segment(b, 1, 90);
    rename_segment(b, 2, 1);
    rename_segment(b, 3, 2);
    rename_segment(b, 90, 3);
}
static void misnamed(struct bed *b) { rename_segment(b, 2, bed_segments(b) + 3); }
static void last_misnamed(struct bed *b)
{
    uint32_t n = bed_segments(b);
    rename_segment(b, n, n + 1);
}
static void far_away(struct bed *b)
{
    static const char junk[100] = "no segment";
    bed_write(b, seg_path(CUBBY__SEG_STRAY_FROM), 0, junk, sizeof junk);
}
static void truncated(struct bed *b)
{
    size_t n;
    free(bed_read(b, seg_path(2), &n));
    bed_truncate(b, seg_path(2), n - 1001);
}
static void shortened(struct bed *b)
{
    size_t n;
    free(bed_read(b, seg_path(2), &n));
    bed_zero(b, seg_path(2), n - 800, 800);
}
static void hole(struct bed *b) { bed_zero(b, seg_path(2), 4096, 1024); }
static void last_cut(struct bed *b)
{
    struct spot s = bed_frame(b, CUBBY__REC_ENTRY, -3);
    bed_truncate(b, seg_path(s.seg), s.off);
}

/* ---- frames ---- */

static void hurt(struct bed *b, uint8_t type, int nth)
{
    struct spot s = bed_frame(b, type, nth);
    bed_hurt_payload(b, &s);
}
static void hurt_piece(struct bed *b) { hurt(b, CUBBY__REC_PIECE, 21); }
static void hurt_last_piece(struct bed *b) { hurt(b, CUBBY__REC_PIECE, -1); }
static void hurt_flags(struct bed *b) { hurt(b, CUBBY__REC_FLAGS, 2); }
static void hurt_expunge(struct bed *b) { hurt(b, CUBBY__REC_EXPUNGE, 1); }
static void hurt_commit(struct bed *b) { hurt(b, CUBBY__REC_COMMIT, 12); }
static void hurt_last_commit(struct bed *b) { hurt(b, CUBBY__REC_COMMIT, -1); }
static void hurt_object(struct bed *b) { hurt(b, CUBBY__REC_OBJECT, 9); }
static void hurt_entry(struct bed *b) { hurt(b, CUBBY__REC_ENTRY, 9); }
static void hurt_late_folder(struct bed *b) { hurt(b, CUBBY__REC_FOLDER, -4); }
static void hurt_rename(struct bed *b) { hurt(b, CUBBY__REC_FOLDER, -2); }
static void without_index(struct bed *b, uint8_t type, int nth)
{
    hurt(b, type, nth);
    bed_unlink(b, INDEX);
}
static void hurt_expunge_only(struct bed *b) { without_index(b, CUBBY__REC_EXPUNGE, 1); }
static void hurt_flags_only(struct bed *b) { without_index(b, CUBBY__REC_FLAGS, 2); }
static void hurt_entry_only(struct bed *b) { without_index(b, CUBBY__REC_ENTRY, 9); }
static void hurt_folder_only(struct bed *b) { without_index(b, CUBBY__REC_FOLDER, -4); }
static void hurt_keyword_only(struct bed *b) { without_index(b, CUBBY__REC_KEYWORD, -1); }
static void hurt_second_flags(struct bed *b) { without_index(b, CUBBY__REC_FLAGS, -2); }
static void missing_only(struct bed *b)
{
    segment_missing(b);
    bed_unlink(b, INDEX);
}
static void hurt_piece_header(struct bed *b)
{
    struct spot s = bed_frame(b, CUBBY__REC_PIECE, 10);
    bed_hurt_header(b, &s);
}
static void hurt_entry_and_next(struct bed *b)
{
    struct spot s = bed_frame(b, CUBBY__REC_ENTRY, 8), c = bed_frame(b, CUBBY__REC_COMMIT, 10);
    bed_hurt_header(b, &s);
    bed_hurt_header(b, &c);
}

/* ---- the index ---- */

static void index_meta(struct bed *b)
{
    bed_flip(b, INDEX, 50);
    bed_flip(b, INDEX, 4096 + 50);
}
static void index_slot(struct bed *b)
{
    size_t n;
    uint8_t *p = bed_read(b, INDEX, &n);
    uint64_t seq0 = 0, seq1 = 0;
    memcpy(&seq0, p + CUBBY__META_SEQ_OFF, 8);
    memcpy(&seq1, p + 4096 + CUBBY__META_SEQ_OFF, 8);
    bed_flip(b, INDEX, (seq0 < seq1 ? 0 : 4096) + 50); /* the older one */
    free(p);
}
static void index_missing(struct bed *b) { bed_unlink(b, INDEX); }
static void index_page(struct bed *b)
{
    size_t n;
    uint8_t *p = bed_read(b, INDEX, &n);
    uint64_t slot = memcmp(p + CUBBY__META_SEQ_OFF, p + 4096 + CUBBY__META_SEQ_OFF, 1) > 0 ? 0 : 4096, root = 0;
    memcpy(&root, p + slot + CUBBY__META_ROOT_OFF, 8);
    bed_flip(b, INDEX, root * 4096 + 100);
    free(p);
}

/* The last commit that the index knows is damaged, and all that stood behind it is gone: what that was nobody can say. The index knows all else, a piece, too. */
static void end_behind(struct bed *b, uint64_t before_end)
{
    struct spot s = bed_frame(b, CUBBY__REC_PIECE, 21);
    size_t n;
    uint8_t *p = bed_read(b, INDEX, &n);
    const uint8_t *slot = p + (memcmp(p + CUBBY__META_SEQ_OFF, p + 4096 + CUBBY__META_SEQ_OFF, 1) > 0 ? 0 : 4096);
    uint32_t seg = 0;
    uint64_t end = 0;
    memcpy(&seg, slot + CUBBY__META_SEG_OFF, 4);
    memcpy(&end, slot + CUBBY__META_SEG_END_OFF, 8);
    bed_flip(b, seg_path(seg), end - before_end);
    bed_zero(b, seg_path(seg), end, 64);
    bed_truncate(b, seg_path(seg), end + 64);
    bed_hurt_payload(b, &s);
    free(p);
}

static void end_behind_checkpoint(struct bed *b) { end_behind(b, 40); }
/* ... in a way that leaves the chain of that commit as the index has it; and flags are lost elsewhere, which the index knows. */
static void end_behind_chain(struct bed *b)
{
    end_behind(b, 3);
    hurt_flags(b);
}

/* ---- what only this library could have written ---- */

static int blind(struct cubby__txn *txn, const struct cubby__record *rec)
{
    (void)txn;
    (void)rec;
    return 0;
}

static struct cubby__store *open_inside(struct bed *b, const struct cubby__handlers *h)
{
    cubby_options o = bed_options(b);
    struct cubby__store *s;
    MUST(cubby__store_open(STORE, &o, h, &s, NULL));
    return s;
}

static void log_and_close(struct cubby__store *s, struct cubby__txn *txn, uint8_t type, const void *p, size_t n)
{
    MUST(cubby__txn_log(txn, type, 0, p, n));
    MUST(cubby__txn_commit(&txn, NULL));
    MUST(cubby__store_checkpoint(s, NULL));
    MUST(cubby__store_close(&s, NULL));
}

static void broken_record(struct bed *b)
{
    static const uint8_t junk[20] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct cubby__handlers h = cubby__mail_handlers;
    struct cubby__txn *txn;
    h.apply = blind;
    struct cubby__store *s = open_inside(b, &h);
    MUST(cubby__txn_begin(s, 0, &txn, NULL));
    log_and_close(s, txn, CUBBY__REC_KEYWORD, junk, sizeof junk);
}

/* A wrong row under a right checksum. */
static void spoil_folder(struct bed *b, int unreadable)
{
    static const uint8_t off[] = {0, 'x', 0};
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    struct cubby__txn *txn;
    struct cubby__store *s = open_inside(b, &cubby__mail_handlers);
    MUST(cubby__txn_begin(s, 0, &txn, NULL));
    MUST(cubby__folder_row_get(cubby__txn_view(txn), 2, value, &row));
    row.unseen++;
    if (unreadable)
        MUST(cubby__txn_put(txn, key, cubby__key_folder(key, 2), "junk", 4));
    else
        MUST(cubby__folder_row_put(txn, 2, &row));
    log_and_close(s, txn, CUBBY__REC_SUBSCRIPTION, off, sizeof off);
}
static void counters(struct bed *b) { spoil_folder(b, 0); }
static void folder_unreadable(struct bed *b) { spoil_folder(b, 1); }

static void stray_row(struct bed *b)
{
    static const uint8_t off[] = {0, 'x', 0}, key[] = {CUBBY__KS_PIECE, 3, 9, 9, 9};
    struct cubby__txn *txn;
    struct cubby__store *s = open_inside(b, &cubby__mail_handlers);
    MUST(cubby__txn_begin(s, 0, &txn, NULL));
    MUST(cubby__txn_put(txn, key, sizeof key, "\1\2\3\4\5", 5));
    log_and_close(s, txn, CUBBY__REC_SUBSCRIPTION, off, sizeof off);
}

static void wrong_hash(struct bed *b)
{
    static const char text[] = "Subject: not what came in\n\nbody\n";
    struct cubby__incoming *in;
    struct cubby__txn *txn;
    uint64_t object;
    struct cubby__store *s = open_inside(b, &cubby__mail_handlers);
    MUST(cubby__incoming_new(s, &in, NULL));
    MUST(cubby__incoming_write(in, text, sizeof text - 1, NULL));
    MUST(cubby__incoming_finish(in, NULL));
    ((struct cubby__object *)(uintptr_t)cubby__incoming_object(in))->hash[0] ^= 1;
    MUST(cubby__txn_begin(s, 0, &txn, NULL));
    MUST(cubby__incoming_log(in, txn, 1, &object));
    MUST(cubby__entry_add(txn, 1, object, NULL, NULL));
    MUST(cubby__txn_commit(&txn, NULL));
    cubby__incoming_free(&in);
    MUST(cubby__store_close(&s, NULL));
}

/* ---- stops that were not clean ---- */

static void unproven(struct bed *b)
{
    cubby_store *s = bed_open(b);
    cubby_txn *txn;
    MUST(cubby_txn_begin(s, 0, &txn));
    MUST(cubby_subscribe(txn, "x\0", 2, 1));
    MUST(cubby_txn_commit(&txn, NULL));
    struct sim *after = sim_copy(b->disk);
    MUST(cubby_close(&s));
    sim_free(&b->disk);
    b->disk = after;
}
static void torn(struct bed *b)
{
    size_t n;
    free(bed_read(b, seg_path(bed_segments(b)), &n));
    bed_write(b, seg_path(bed_segments(b)), n, "half a commit, or less", 22);
}

/* The messages of the sound store that are not expunged. */
enum { MAIL_ALL = 70 };

const struct breakage breakages[] = {
    {"ID_COPY", "the first copy of the identity", id_copy_0, 0, 0, 0, 1, 0},
    {"ID_COPY", "the second copy of the identity", id_copy_1, 0, 0, 0, 1, 0},
    {"ID_LOST", "cubby.id is missing", id_missing, 0, 0, 0, 1, 0},
    {"ID_LOST", "cubby.id is cut", id_short, 0, 0, 0, 1, 0},
    {"ID_LOST", "both copies of the identity", id_destroyed, 0, 0, 0, 1, 0},
    {"ID_FOREIGN", "cubby.id of another store", id_foreign, 0, 0, 0, 1, 0},
    {"ID_FOREIGN", "cubby.id of another store, and a header of zeros", id_foreign_and_header, 0, 2, 0, 0, 0},
    {"SEGMENT_MISSING", "a segment in the middle", segment_missing, 0, 12, 0, 0, 0},
    {"SEGMENT_MISSING", "the first segment", first_missing, 0, 8, 0, 0, 0},
    {"SEGMENT_MISSING", "all segments", all_missing, 0, MAIL_ALL, 0, 0, 0},
    {"SEGMENT_MISSING", "all segments, and a try to open the store", all_missing_and_tried, 0, MAIL_ALL, 0, 0, 0},
    {"SEGMENT_MISSING", "all segments and the index", all_and_index_missing, 0, MAIL_ALL, 0, 0, 0},
    {"SEGMENT_MISSING", "all segments but one, and the index", all_but_one, 0, 58, 0, 0, 0},
    {"ID_LOST", "cubby.id, the index and all segments but one", all_but_one_and_id, 0, 58, 0, 0, 0},
    {"LOG_SHORT", "the last segment", last_missing, 0, 5, 0, 0, 0},
    {"LOG_SHORT", "the last segment is cut", last_cut, 0, 3, 0, 0, 0},
    {"LOG_SHORT", "the last checkpoint's commit and all behind it", end_behind_checkpoint, 0, 3, 0, 2, 0},
    {"LOG_SHORT", "the last checkpoint's commit but its chain, and all behind it", end_behind_chain, 0, 3, 0, 2, 0},
    {"SEGMENT_HEADER", "a header of zeros", header_gone, 0, 0, 0, 1, 0},
    {"SEGMENT_HEADER", "the first block of a segment", first_block_gone, 0, 4, 0, 0, 0},
    {"SEGMENT_HEADER", "the first block of a segment, and no index", first_block_gone_only, 0, 4, 0, 2, 0},
    {"SEGMENT_HEADER", "the beginning of the last segment", first_blocks_gone, 0, 2, 0, 0, 0},
    {"SEGMENT_HEADER", "the first block of the first segment", very_first_block_gone, 0, 3, 0, 0, 0},
    {"SEGMENT_HEADER", "both copies of a header", header_unreadable, 0, 0, 0, 1, 0},
    {"SEGMENT_HEADER", "the first header", first_header, 0, 0, 0, 1, 0},
    {"SEGMENT_HEADER", "the last header", last_header, 0, 0, 0, 1, 0},
    {"SEGMENT_HEADER", "the last header, and no index", last_header_no_index, 0, 0, 0, 0, 5},
    {"SEGMENT_HEADER", "all headers", all_headers, 0, 65, 0, 0, 0},
    {"SEGMENT_HEADER", "two headers in a row", two_headers, 0, 12, 0, 0, 0},
    {"SEGMENT_HEADER", "an empty segment file", segment_emptied, 0, 12, 0, 0, 0},
    {"SEGMENT_HEADER", "two segments under each other's names", swapped, 0, 0, 0, 1, 0},
    {"SEGMENT_HEADER", "three segments that have changed names", rotated, 0, 0, 0, 1, 0},
    {"SEGMENT_MISSING", "a segment under a later name", misnamed, 0, 0, 0, 1, 0},
    {"SEGMENT_HEADER", "the last segment under a later name", last_misnamed, 0, 0, 0, 1, 0},
    {"SEGMENT_STRAY", "a file far behind the last segment", far_away, 0, 0, 0, 1, 0},
    {"SEGMENT_HEADER_COPY", "one copy of a header", copy_0, 0, 0, 0, 1, 0},
    {"SEGMENT_HEADER_COPY", "one copy of the last header", copy_of_last, 0, 0, 0, 1, 0},
    {"SEGMENT_TRUNCATED", "a segment that is cut", truncated, 0, 1, 0, 0, 0},
    {"SEGMENT_SHORT", "a segment that ends in zeros", shortened, 0, 1, 0, 0, 0},
    {"FRAME_DAMAGED", "a hole", hole, 0, 1, 0, 0, 0},
    {"FRAME_DAMAGED", "a piece", hurt_piece, 0, 1, 0, 0, 0},
    {"FRAME_DAMAGED", "the last piece", hurt_last_piece, 0, 1, 0, 0, 0},
    {"FRAME_DAMAGED", "a piece's header", hurt_piece_header, 0, 0, 0, 0, 0},
    {"FRAME_DAMAGED", "flags", hurt_flags, 0, 0, 0, 1, 0},
    {"FRAME_DAMAGED", "an expunge", hurt_expunge, 0, 0, 0, 1, 0},
    {"FRAME_DAMAGED", "the end of a commit", hurt_commit, 0, 0, 0, 1, 0},
    {"FRAME_DAMAGED", "the end of the last commit", hurt_last_commit, 0, 0, 0, 0, 0},
    {"FRAME_DAMAGED", "two commits", hurt_entry_and_next, 0, 0, 0, 0, 0},
    {"MESSAGE_UNREADABLE", "a piece", hurt_piece, 0, 1, CUBBY_CHECK_FULL, 0, 0},
    {"MESSAGE_UNREADABLE", "a piece, without a look at all", hurt_piece, 0, 1, 0, 0, 0},
    {"MESSAGE_UNREADABLE", "a segment that is cut, without a look at all", truncated, 0, 1, 0, 0, 0},
    {"MESSAGE_UNREADABLE", "a segment in the middle, without a look at all", segment_missing, 0, 12, 0, 0, 0},
    {"MESSAGE_UNREADABLE", "a header that no one knows, without a look at all", two_headers, 0, 12, 0, 0, 0},
    {"MESSAGE_LOST", "the last segment", last_missing, 0, 5, 0, 0, 0},
    {"MESSAGE_LOST", "the last segment is cut", last_cut, 0, 3, 0, 0, 0},
    {"ENTRY_ORPHAN", "an object", hurt_object, 0, 1, 0, 0, 0},
    {"PIECE_ORPHAN", "an object", hurt_object, 0, 1, 0, 0, 0},
    {"OBJECT_ORPHAN", "an entry", hurt_entry, 0, 0, 0, 1, 0},
    {"FOLDER_LOST", "a folder's record", hurt_late_folder, 0, 0, 0, 1, 0},
    {"FOLDER_DISPLACED", "a rename", hurt_rename, 0, 1, 0, 0, 0},
    {"FRAME_DAMAGED", "an expunge, and no index", hurt_expunge_only, 0, 0, 0, 2, 0},
    {"FRAME_DAMAGED", "flags, and no index", hurt_flags_only, 0, 0, 0, 0, 0},
    {"FRAME_DAMAGED", "later flags, and no index", hurt_second_flags, 0, 0, 0, 0, 0},
    {"FRAME_DAMAGED", "a keyword, and no index", hurt_keyword_only, 0, 0, 0, 0, 0},
    {"OBJECT_ORPHAN", "an entry, and no index", hurt_entry_only, 0, 1, 0, 0, 0},
    {"FOLDER_LOST", "a folder's record, and no index", hurt_folder_only, 0, 2, 0, 2, 0},
    {"SEGMENT_MISSING", "a segment in the middle, and no index", missing_only, 0, 12, 0, 2, 0},
    {"RECORD_BROKEN", "a record that means nothing", broken_record, 0, 0, 0, 1, 0},
    {"INDEX_META", "both checkpoints", index_meta, 0, 0, 0, 1, 0},
    {"INDEX_META_SLOT", "one checkpoint", index_slot, 1, 0, 0, 0, 0},
    {"INDEX_MISSING", "no index", index_missing, 1, 0, 0, 0, 0},
    {"INDEX_PAGE", "the root page", index_page, 0, 0, 0, 1, 0},
    {"INDEX_MISMATCH", "a row too many", stray_row, 0, 0, 0, 1, 0},
    {"INDEX_MISMATCH", "a wrong counter", counters, 0, 0, 0, 1, 0},
    {"FOLDER_COUNTERS", "a wrong counter", counters, 0, 0, 0, 1, 0},
    {"FOLDER_UNREADABLE", "a row that means nothing", folder_unreadable, 0, 0, 0, 1, 0},
    {"MESSAGE_HASH", "a wrong hash", wrong_hash, 0, 0, CUBBY_CHECK_FULL, 0, 0},
    {"TAIL_UNPROVEN", "a process that died", unproven, 1, 0, 0, 0, 0},
    {"TAIL_TORN", "half a commit", torn, 1, 0, 0, 0, 0},
};
const size_t breakage_count = sizeof breakages / sizeof *breakages;
