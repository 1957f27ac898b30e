#include "base/bytes.h"
#include "base/hash.h"
#include "unit/store/segment_util.h"

enum { ROWS = 150 };

static int unsound(void *arg, uint64_t page, uint32_t level, const char *problem)
{
    (void)arg;
    (void)page;
    (void)level;
    return problem != NULL;
}

static void made(struct bed *b)
{
    bed_begin_with(b, 8192, 4000);
    kv_store_many(b, 0, ROWS, 100);
}

static void all_rows(struct bed *b)
{
    char key[16];
    for (int i = 0; i < ROWS; i++) {
        snprintf(key, sizeof key, "k%04d", i);
        ck_assert_msg(strlen(kv_look(b, key)) == 100, "%s", key);
    }
}

START_TEST(rebuilt_is_equal)
{
    struct bed bed, *b = &bed;
    made(b);
    struct cubby__buf want = kv_dump(b);
    bed_rebuild_is_equal(b);
    bed_close(b);
    bed_unlink(b, "/s/index");
    bed_open(b);
    ck_assert_int_eq(b->notices, 0); /* that there is none is no news */
    same_rows(kv_dump(b), want);
    want = kv_dump(b);
    bed_close(b);
    MUST(bed_try_open(b, CUBBY_REBUILD));
    same_rows(kv_dump(b), want);
    bed_clean(b);
    bed_close(b);
    bed_open(b);
    all_rows(b);
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* What stands where the index should be. */
START_TEST(an_index_that_is_none)
{
    struct bed bed, other, *b = &bed;
    made(b);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    struct cubby__published end;
    cubby__read_published(b->s, &end);
    uint64_t size = end.file_pages * CUBBY__PAGE_SIZE; /* behind it there is room for more */
    bed_close(b);
    struct bed *live = b;
    b = &other;
    bed_init(b);
    cubby__memfs_deterministic(b->fs, 8); /* another uuid */
    MUST(cubby__store_create("/s", &b->o, &kv_handlers, &b->err));
    bed_open(b);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    bed_close(b);
    for (int kind = 0; kind < 9; kind++) {
        struct bed hurt;
        uint8_t junk[4096];
        b = &hurt;
        bed_copy(live, b);
        memset(junk, 0x5a, sizeof junk);
        switch (kind) {
        case 0: bed_truncate(b, "/s/index", 0); break;
        case 1: bed_truncate(b, "/s/index", 100); break;
        case 2: bed_truncate(b, "/s/index", 8192); break;
        case 3: bed_truncate(b, "/s/index", size - 1); break;
        case 4: bed_truncate(b, "/s/index", size / 2); break;
        case 5: bed_unlink(b, "/s/index"); bed_copy_file(&other, b, "/s/index"); break; /* of another store */
        case 6: bed_write(b, "/s/index", 0, junk, sizeof junk); bed_write(b, "/s/index", 4096, junk, sizeof junk); break;
        case 7: bed_write(b, "/s/index", size, junk, sizeof junk); break; /* more behind it: harmless */
        default: bed_truncate(b, "/s/index", 4096); bed_truncate(b, "/s/index", size); break;
        }
        struct findings x = bed_check(b);
        ck_assert_msg(x.n > 0 || kind == 0 || kind == 7, "kind %d: %s", kind, x.codes); /* an empty file is none */
        MUST(bed_try_open(b, CUBBY_READ_ONLY));
        bed_close(b);
        bed_open(b);
        if (!b->notices && x.n) { /* a page that no open needs: its rows are errors until the index is made anew */
            bed_close(b);
            MUST(bed_try_open(b, CUBBY_REBUILD));
        }
        all_rows(b);
        MUST(kv_store(b, "more", "x"));
        bed_rebuild_is_equal(b);
        bed_close(b);
        bed_open(b);
        all_rows(b);
        bed_clean(b);
        bed_end(b);
    }
    b = &other;
    bed_end(b);
    b = live;
    bed_end(b);
}
END_TEST

/* Both slots say, under right checksums, that the log ends there, with that commit if `chain` is given; the store is closed. */
static void point_slots(struct bed *b, uint64_t end, uint64_t commit, const uint64_t *chain)
{
    uint8_t slot[CUBBY__META_CHECKSUM_OFF + 8];
    struct cubby__seg_header h = header_of(b, 1);
    for (uint64_t at = 0; at <= CUBBY__PAGE_SIZE; at += CUBBY__PAGE_SIZE) {
        bed_read(b, "/s/index", at, slot, sizeof slot);
        cubby__put64(slot + CUBBY__META_SEG_END_OFF, end);
        if (chain) {
            cubby__put64(slot + CUBBY__META_COMMIT_OFF, commit);
            cubby__put64(slot + CUBBY__META_CHAIN_OFF, *chain);
        }
        cubby__put64(slot + CUBBY__META_CHECKSUM_OFF, cubby__hash64(slot, CUBBY__META_CHECKSUM_OFF, h.ident.salt));
        bed_write(b, "/s/index", at, slot, sizeof slot);
    }
    cubby__seg_header_release(&h);
}

static void point_slots_to(struct bed *b, uint64_t end)
{
    point_slots(b, end, 0, NULL);
}

/* Where no file ends: such a slot fits no log, and the index is built anew. */
START_TEST(a_slot_that_points_behind_all_files)
{
    static const uint64_t ends[] = {(uint64_t)1 << 62, INT64_MAX & ~(uint64_t)7, (uint64_t)INT64_MAX + 1, UINT64_MAX & ~(uint64_t)7};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct bed bed, *b = &bed;
        made(b);
        MUST(cubby__store_checkpoint(b->s, &b->err));
        bed_close(b);
        point_slots_to(b, ends[i]);
        bed_check(b);
        bed_open(b);
        ck_assert_msg(strstr(b->notice, "does not belong to these segments") != NULL, "%s", b->notice);
        all_rows(b);
        bed_rebuild_is_equal(b);
        bed_end(b);
    }
}
END_TEST

/* A slot ends where a CUT would, if that were the first frame of the segment: what stands there is another frame, or none, or cannot be read. */
START_TEST(a_slot_behind_a_cut_that_is_none)
{
    enum { ANOTHER, NONE, UNREADABLE };
    for (int what = ANOTHER; what <= UNREADABLE; what++) {
        struct bed bed, *b = &bed;
        char segment[40];
        int rc, failed, after = 0;
        made(b);
        MUST(cubby__store_checkpoint(b->s, &b->err));
        strcpy(segment, seg_path(bed_last_segment(b))); /* which the slots name */
        bed_close(b);
        struct cubby__seg_header h = header_of(b, bed_last_segment(b));
        point_slots_to(b, h.frames + CUBBY__FRAME_SIZE + CUBBY__CUT_LEN);
        if (what == NONE)
            bed_flip(b, segment, h.frames, 1);
        cubby__seg_header_release(&h);
        do { /* each read of the segment in turn */
            fault_set(&b->fault, FAULT_PREAD, segment, after++, what == UNREADABLE ? -EIO : 0, 0);
            b->fault.hits = 0;
            rc = bed_try_open(b, CUBBY_READ_ONLY);
            failed = b->fault.hits > 0;
            b->fault.rc = 0;
            ck_assert_msg(rc == 0 || (failed && rc == CUBBY_EIO), "read %d: %d %s", after, rc, b->err.message);
            if (rc == 0)
                bed_close(b);
        } while (failed);
        ck_assert(what != UNREADABLE || after > 3);
        bed_open(b);
        if (what == ANOTHER)
            all_rows(b);
        bed_end(b);
    }
}
END_TEST

/* A slot says that the checkpoint stands behind the CUT with which a segment begins, and that is so only if nothing else stands there: not another DAMAGE,
 * not one of another length, not half of one. */
START_TEST(a_first_frame_that_is_a_cut_or_looks_like_one)
{
    enum { CUT, ANOTHER_KIND, ANOTHER_LENGTH, SHORT };
    for (int what = CUT; what <= SHORT; what++) {
        struct bed bed, *b = &bed;
        uint8_t p[CUBBY__FRAME_SIZE + CUBBY__CUT_LEN] = {0}, *payload = p + CUBBY__FRAME_SIZE;
        bed_begin_with(b, 8192, 0);
        kv_store_many(b, 0, ROWS, 100);
        MUST(cubby__store_checkpoint(b->s, &b->err));
        uint32_t last = bed_last_segment(b);
        bed_close(b);
        struct cubby__seg_header h = header_of(b, last);
        struct cubby__seed seed = {h.ident.salt, h.nonce};
        struct cubby__frame f = {.type = CUBBY__REC_DAMAGE, .len = what == ANOTHER_LENGTH ? CUBBY__CUT_LEN - 1 : CUBBY__CUT_LEN, .commit = h.last_commit + 1};
        ck_assert_uint_gt(h.last_commit, 1);
        payload[0] = what == ANOTHER_KIND ? CUBBY__DAMAGE_SEGMENT : CUBBY__DAMAGE_CUT;
        f.paysum = cubby__payload_sum(payload, f.len, &seed, h.frames, f.commit);
        cubby__frame_encode(&f, &seed, h.frames, p);
        bed_write(b, seg_path(last), h.frames, p, sizeof p);
        if (what == SHORT)
            bed_truncate(b, seg_path(last), h.frames + CUBBY__FRAME_SIZE);
        point_slots(b, h.frames + sizeof p, h.last_commit, &h.last_chain);
        cubby__seg_header_release(&h);
        bed_open(b);
        const char *refused = strstr(b->notice, "does not belong to these segments");
        ck_assert_msg((what == CUT) == (refused == NULL), "%d: %s", what, b->notice);
        ck_assert_str_ne(kv_look(b, "k0000"), "");
        bed_end(b);
    }
}
END_TEST

/* A slot that ends where a sound frame of the log would, were it a COMMIT; but it is of another commit than the slot says, or it is none. */
START_TEST(a_slot_that_ends_with_another_frame)
{
    struct bed bed, *b = &bed;
    struct places frames;
    size_t commits = 0, others = 0;
    made(b);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    bed_close(b);
    frames_of(b, bed_last_segment(b), &frames);
    for (size_t i = 0; i < frames.n; i++) {
        struct bed hurt;
        int same = frames.commit[i] == frames.commit[frames.n - 1], is_commit = frames.type[i] == CUBBY__REC_COMMIT;
        if (same == is_commit)
            continue;
        bed_copy(&bed, b = &hurt);
        point_slots_to(b, frames.at[i].off + CUBBY__FRAME_SIZE + CUBBY__COMMIT_LEN);
        bed_open(b);
        ck_assert_msg(strstr(b->notice, "does not belong to these segments") != NULL, "%s", b->notice);
        all_rows(b);
        bed_rebuild_is_equal(b);
        bed_end(b);
        b = &bed;
        commits += (size_t)is_commit;
        others += (size_t)same;
    }
    ck_assert(commits > 1 && others > 0);
    bed_end(b);
}
END_TEST

/* X1: where the checkpoint ends there is a sound frame of its commit, with its chain, that is shorter than a COMMIT or a PROOF: it is neither. */
START_TEST(a_last_frame_that_is_too_short)
{
    for (int proof = 0; proof < 2; proof++) {
        struct bed bed, died, *b = &bed;
        struct places last;
        uint8_t p[CUBBY__FRAME_SIZE + CUBBY__COMMIT_LEN], *payload = p + CUBBY__FRAME_SIZE;
        bed_begin(b);
        kv_store_many(b, 0, ROWS, 100);
        if (proof) {
            bed_close(b);
            bed_open(b); /* its checkpoint is behind the PROOF */
        }
        MUST(cubby__store_checkpoint(b->s, &b->err));
        bed_copy(&bed, b = &died);
        bed_end(&bed);
        frames_of(b, 1, &last);
        struct cubby__seg_header h = header_of(b, 1);
        struct cubby__seed seed = {h.ident.salt, h.nonce};
        size_t i = last.n - 1;
        uint64_t off = last.at[i].off;
        ck_assert_int_eq(last.type[i], proof ? CUBBY__REC_PROOF : CUBBY__REC_COMMIT);
        bed_read(b, seg_path(1), off, p, CUBBY__FRAME_SIZE + last.at[i].len);
        struct cubby__frame f = {.type = last.type[i], .len = last.at[i].len - 1, .commit = last.commit[i]};
        f.paysum = cubby__payload_sum(payload, f.len, &seed, off, f.commit);
        cubby__frame_encode(&f, &seed, off, p);
        bed_write(b, seg_path(1), off, p, CUBBY__FRAME_SIZE);
        cubby__seg_header_release(&h);
        bed_open(b);
        ck_assert_msg(strstr(b->notice, "does not belong to these segments") != NULL, "%d: %s", proof, b->notice);
        for (int k = 0; k < ROWS - 1; k++) {
            char key[16];
            snprintf(key, sizeof key, "k%04d", k);
            ck_assert_uint_eq(strlen(kv_look(b, key)), 100);
        }
        bed_rebuild_is_equal(b);
        bed_end(b);
    }
}
END_TEST

/* An older copy of the index: what it lacks is replayed, or it is not used. */
START_TEST(older_copies)
{
    struct bed bed, *b = &bed;
    made(b);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    for (int kind = 0; kind < 4; kind++) {
        uint64_t size = bed_size(b, "/s/index");
        uint8_t *old = cubby__malloc(size);
        bed_read(b, "/s/index", 0, old, size);
        kv_store_many(b, kind * 10, kind * 10 + 60, 100); /* overwrites rows, makes segments */
        if (kind & 1)
            MUST(cubby__store_checkpoint(b->s, &b->err));
        struct cubby__buf want = kv_dump(b);
        bed_close(b);
        uint32_t segments = bed_last_segment(b);
        bed_unlink(b, "/s/index");
        bed_write(b, "/s/index", 0, old, size);
        cubby__free(old);
        bed_open(b);
        if (bed_last_segment(b) == segments)
            same_rows(kv_dump(b), want);
        else /* only the lost checkpoint vouched for the last commits: they have moved */
            cubby__buf_release(&want);
        all_rows(b);
        bed_rebuild_is_equal(b);
        bed_clean(b);
    }
    all_rows(b);
    bed_end(b);
}
END_TEST

/* Every page of the index damaged in turn: it is noticed where it matters, and the rows are right in any case. */
START_TEST(every_page)
{
    struct bed bed, *b = &bed;
    unsigned harmless = 0, noticed = 0, later = 0;
    made(b);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    bed_close(b);
    struct bed *live = b;
    uint64_t size = bed_size(b, "/s/index");
    for (uint64_t page = 0; page < size; page += 4096) {
        struct bed hurt;
        b = &hurt;
        bed_copy(live, b);
        bed_flip(b, "/s/index", page + 40 + page / 4096 % 50, 4);
        struct findings x = bed_check(b);
        bed_open(b);
        if (b->notices) {
            noticed++;
            all_rows(b);
        } else {
            /* found out when it is read: then it is an error and never a wrong row */
            int wrong = 0;
            char key[16];
            for (int i = 0; i < ROWS; i++) {
                snprintf(key, sizeof key, "k%04d", i);
                const char *is = kv_look(b, key);
                if (strcmp(is, "view_get fails") == 0)
                    wrong++;
                else
                    ck_assert_uint_eq(strlen(is), 100);
            }
            if (wrong) {
                later++;
                ck_assert_int_gt(x.n, 0);
            } else {
                harmless++;
            }
        }
        bed_close(b);
        MUST(bed_try_open(b, CUBBY_REBUILD));
        all_rows(b);
        bed_rebuild_is_equal(b);
        bed_clean(b);
        bed_end(b);
    }
    printf("# %llu index pages damaged in turn: %u noticed on opening, %u on reading, %u not in use\n", (unsigned long long)size / 4096, noticed, later,
           harmless);
    fflush(stdout);
    ck_assert_uint_gt(later + noticed, 0);
    b = live;
    bed_end(b);
}
END_TEST

START_TEST(checkpoints_shorten_the_replay)
{
    struct bed bed, *b = &bed;
    bed_begin_with(b, 0, 1 << 30);
    kv_store_many(b, 0, 50, 100);
    struct cubby__published p;
    cubby__read_published(b->s, &p);
    ck_assert_uint_gt(p.replay_bytes, 5000);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    cubby__read_published(b->s, &p);
    ck_assert_uint_eq(p.replay_bytes, 0);
    ck_assert_uint_eq(p.checkpoint_commit, p.commit);
    uint64_t seq = p.checkpoint_seq;
    MUST(cubby__store_checkpoint(b->s, &b->err)); /* nothing new: still right */
    bed_close(b);
    bed_open(b);
    cubby__read_published(b->s, &p);
    ck_assert_uint_eq(p.replay_bytes, 0);
    ck_assert_uint_ge(p.checkpoint_seq, seq);
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* The file vanishes while it is open. */
START_TEST(deleted_while_open)
{
    struct bed bed, *b = &bed;
    struct cubby__store *second;
    made(b);
    bed_unlink(b, "/s/index");
    all_rows(b);
    MUST(kv_store(b, "more", "1"));
    /* another handle builds a new one; both go on */
    MUST(cubby__store_open("/s", &b->o, &kv_handlers, &second, &b->err));
    ck_assert_str_eq(kv_look_in(second, "more"), "1");
    for (int i = 0; i < 5; i++) {
        char value[2] = {(char)('a' + i), 0};
        MUST(kv_store_in(i & 1 ? b->s : second, "more", value, 0, NULL, &b->err));
        ck_assert_str_eq(kv_look_in(second, "more"), value);
        ck_assert_str_eq(kv_look(b, "more"), value);
    }
    same_rows(kv_dump(b), kv_dump_of(second));
    bed_rebuild_is_equal(b);
    MUST(cubby__store_close(&second, &b->err));
    bed_close(b);
    bed_open(b);
    all_rows(b);
    ck_assert_str_eq(kv_look(b, "more"), "e");
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* A snapshot goes on reading the index that was replaced under it. */
START_TEST(replaced_under_a_snapshot)
{
    struct bed bed, *b = &bed;
    struct cubby__view v;
    made(b);
    MUST(cubby__view_begin(b->s, &v, &b->err));
    struct cubby__buf want = kv_dump_view(&v);
    for (int i = 0; i < 12; i++) { /* more often than old ones are kept for */
        struct cubby__store *second;
        cubby_options o = b->o;
        o.flags = CUBBY_REBUILD;
        MUST(cubby__store_open("/s", &o, &kv_handlers, &second, &b->err));
        MUST(kv_store_in(second, "k0000", "changed", 0, NULL, &b->err));
        MUST(cubby__store_close(&second, &b->err));
        ck_assert_str_eq(kv_look(b, "k0000"), "changed");
        MUST(kv_store(b, "k0001", "changed too"));
    }
    struct cubby__buf now = kv_dump_view(&v);
    same_rows(now, want);
    cubby__view_end(&v);
    bed_rebuild_is_equal(b);
    bed_clean(b);
    bed_end(b);
}
END_TEST

START_TEST(live_bytes)
{
    struct bed bed, *b = &bed;
    made(b);
    uint64_t live = cubby__live_bytes(b->s);
    ck_assert_uint_ge(live, ROWS * 100);
    struct cubby__txn *t;
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    for (int i = 0; i < ROWS; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%04d", i);
        MUST(kv_del(t, key));
    }
    MUST(cubby__txn_commit(&t, NULL));
    ck_assert_uint_eq(cubby__live_bytes(b->s), 0);
    cubby_stat st;
    MUST(cubby__store_get_stat(b->s, &st, &b->err));
    ck_assert_uint_eq(st.live_bytes, 0);
    ck_assert_uint_eq(st.dead_bytes, st.segment_bytes);
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

/* An index is built of the files that are there, not of those that were open before somebody brought back a good copy: what others could not build again
 * would be of no use. */
START_TEST(a_rebuild_beside_a_segment_that_came_back)
{
    struct bed bed, other, *b = &bed;
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
    bed_copy(b, &other);
    uint64_t size = bed_size(b, seg_path(2));
    for (uint64_t off = 1600; off < size; off += 100)
        bed_flip(b, seg_path(2), off, 0x55);
    ck_assert_str_ne(kv_look(b, "k0079"), "");
    bed_copy_file(&other, b, seg_path(2)); /* another file under that name */
    bed_end(&other);
    bed_unlink(b, "/s/index");
    MUST(kv_store(b, "goes", "on"));
    for (int i = 0; i < 80; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%04d", i);
        ck_assert_str_ne(kv_look(b, key), "");
    }
    ck_assert_uint_lt(b->s->floors.piece, 1000);
    bed_rebuild_is_equal(b);
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* What the checkpoint proves to have been synced is not there. */
static void end_is_lost(struct bed *b)
{
    bed_begin(b);
    kv_store_many(b, 0, 20, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    uint64_t end = b->s->pending.seg_off;
    bed_close(b);
    bed_truncate(b, seg_path(1), end - 200);
}

/* X6: a rebuild that fails leaves what the index proved. */
START_TEST(an_interrupted_rebuild)
{
    struct bed bed, *b = &bed;
    end_is_lost(b);
    for (int i = 0; i < 2; i++) {
        fault_set(&b->fault, FAULT_PWRITE, "/s/index", i, -EIO, 1);
        ck_assert_int_eq(bed_try_open(b, i ? 0 : CUBBY_REBUILD), CUBBY_EIO);
        b->fault.rc = 0;
    }
    bed_open(b);
    ck_assert_int_eq(bed_exists(b, "/s/tmp/old-index"), 0);
    MUST(kv_store(b, "goes", "on"));
    bed_rebuild_is_equal(b);
    bed_close(b);
    struct findings x = bed_check(b);
    ck_assert_ptr_nonnull(strstr(x.codes, "LOG_SHORT "));
    bed_end(b);
}
END_TEST

/* The checkpoint of a recovery that found the end of the log lost stands behind its CUT: no open after that builds another index, whatever is written. */
START_TEST(a_checkpoint_behind_a_cut)
{
    struct bed bed, *b = &bed;
    end_is_lost(b);
    bed_open(b);
    ck_assert_ptr_nonnull(strstr(b->notice, "damage"));
    for (int i = 0; i < 3; i++) {
        bed_close(b);
        bed_quiet(b);
        bed_open(b);
        ck_assert_str_eq(b->notice, "");
        if (i == 1)
            MUST(kv_store(b, "goes", "on"));
    }
    ck_assert_str_eq(kv_look(b, "goes"), "on");
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

/* On a disk that has no room for both. */
START_TEST(a_rebuild_without_room_for_two)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 200, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    bed_close(b);
    bed_flip(b, "/s/index", 20, 1);
    bed_flip(b, "/s/index", 4096 + 20, 1);
    fault_full(&b->fault, 0);
    bed_open(b);
    ck_assert_int_eq(cubby__store_read_only(b->s), 0);
    ck_assert_str_ne(kv_look(b, "k0199"), "");
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

static int found_aside(void *arg, const char *name)
{
    *(int *)arg += strncmp(name, "index-", 6) == 0;
    return 0;
}

START_TEST(an_index_that_is_a_directory)
{
    struct bed bed, *b = &bed;
    int aside = 0;
    bed_begin(b);
    kv_store_many(b, 0, 20, 100);
    bed_close(b);
    bed_unlink(b, "/s/index");
    MUST(b->vfs->mkdir(b->vfs->ctx, "/s/index"));
    bed_write(b, "/s/index/mine", 0, "x", 1);
    MUST(bed_try_open(b, CUBBY_READ_ONLY));
    ck_assert_str_ne(kv_look(b, "k0019"), "");
    bed_close(b);
    bed_open(b);
    ck_assert_str_ne(kv_look(b, "k0019"), "");
    MUST(b->vfs->list(b->vfs->ctx, "/s/quarantine", found_aside, &aside));
    ck_assert_int_eq(aside, 1);
    bed_quiet(b);
    bed_close(b);
    bed_open(b);
    ck_assert_str_eq(b->notice, "");
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* Whatever keeps it from being moved is the error, and it stays. */
START_TEST(a_directory_that_stays)
{
    static const enum fault_op ops[] = {FAULT_MKDIR, FAULT_RENAME};
    for (int i = 0; i < 2; i++) {
        struct bed bed, *b = &bed;
        bed_begin(b);
        kv_store_many(b, 0, 20, 100);
        bed_close(b);
        bed_unlink(b, "/s/index");
        MUST(b->vfs->mkdir(b->vfs->ctx, "/s/index"));
        bed_write(b, "/s/index/mine", 0, "x", 1);
        fault_set(&b->fault, ops[i], "quarantine", 0, -EACCES, 0);
        REFUSES(bed_try_open(b, 0), CUBBY_EACCES);
        ck_assert_ptr_nonnull(strstr(b->err.message, "moving it to quarantine"));
        ck_assert(bed_exists(b, "/s/index/mine"));
        bed_open(b);
        ck_assert_str_ne(kv_look(b, "k0019"), "");
        bed_clean(b);
        bed_end(b);
    }
}
END_TEST

/* Somebody has changed its mode or its owner. */
START_TEST(an_index_without_permission)
{
    for (int reads = 0; reads < 2; reads++) {
        struct bed bed, *b = &bed;
        made(b);
        bed_close(b);
        fault_set(&b->fault, FAULT_OPEN, "/s/index", 0, -EACCES, 0);
        MUST(bed_try_open(b, reads ? CUBBY_READ_ONLY : 0));
        ck_assert_int_eq(b->fault.hits, 1);
        ck_assert_ptr_nonnull(strstr(b->notice, "must not be opened"));
        all_rows(b);
        bed_quiet(b);
        bed_close(b);
        bed_open(b);
        ck_assert_str_eq(b->notice, "");
        MUST(kv_store(b, "goes", "on"));
        ck_assert_int_eq(bed_exists(b, "/s/tmp/old-index"), 0);
        bed_clean(b);
        bed_close(b);
        fault_set(&b->fault, FAULT_OPEN, "/s/index", 0, -EACCES, 1); /* nor can another be made */
        REFUSES(bed_try_open(b, 0), CUBBY_EACCES);
        b->fault.rc = 0;
        bed_open(b);
        ck_assert_str_eq(kv_look(b, "goes"), "on");
        bed_clean(b);
        bed_end(b);
    }
}
END_TEST

/* A writer notices, and the next to come find an index again. */
START_TEST(an_index_deleted_or_replaced_while_open)
{
    for (int how = 0; how < 2; how++) {
        struct bed bed, old, *b = &bed;
        bed_begin(b);
        kv_store_many(b, 0, 20, 100);
        MUST(cubby__store_checkpoint(b->s, &b->err));
        bed_copy(b, &old);
        kv_store_many(b, 20, 40, 100);
        MUST(cubby__store_checkpoint(b->s, &b->err));
        if (how == 0)
            bed_unlink(b, "/s/index");
        else
            bed_copy_file(&old, b, "/s/index"); /* under the same name */
        ck_assert_str_ne(kv_look(b, "k0039"), "");
        MUST(kv_store(b, "k0040", "x"));
        ck_assert_int_eq(bed_exists(b, "/s/index"), 1);
        struct cubby__store *second;
        MUST(cubby__store_open("/s", &b->o, &kv_handlers, &second, &b->err));
        ck_assert_uint_eq(cubby__pager_nonce(second->pager), cubby__pager_nonce(b->s->pager));
        ck_assert_str_eq(kv_look_in(second, "k0040"), "x");
        MUST(cubby__store_close(&second, &b->err));
        bed_rebuild_is_equal(b);
        bed_clean(b);
        bed_end(b);
        b = &old;
        bed_end(b);
    }
}
END_TEST

/* A handle that reads alone asks after a page that does not verify: has another index come, or is this one damaged? */
START_TEST(another_index_has_the_name)
{
    struct bed bed, *b = &bed;
    static const char zeros[2 * CUBBY__PAGE_SIZE];
    made(b);
    uint64_t nonce = cubby__pager_nonce(b->s->pager);
    ck_assert_int_eq(cubby__index_replaced(b->s, nonce), 0);
    ck_assert_int_eq(cubby__index_replaced(b->s, nonce + 1), 1);
    bed_write(b, "/s/index", 0, zeros, sizeof zeros);
    ck_assert_int_eq(cubby__index_replaced(b->s, nonce), 1);
    bed_unlink(b, "/s/index");
    ck_assert_int_eq(cubby__index_replaced(b->s, nonce), 1);
    bed_end(b);
}
END_TEST

/* What those who are attached know to be synced is no tail. */
START_TEST(a_rebuild_beside_others)
{
    struct bed bed, *b = &bed;
    struct cubby__store *second;
    cubby_options o;
    bed_begin(b);
    kv_store_many(b, 0, 20, 100);
    o = b->o;
    o.flags = CUBBY_REBUILD;
    MUST(cubby__store_open("/s", &o, &kv_handlers, &second, &b->err));
    ck_assert_uint_eq(bed_last_segment(b), 1);
    MUST(kv_store(b, "k0020", "x"));
    ck_assert_str_eq(kv_look_in(second, "k0020"), "x");
    MUST(cubby__store_close(&second, &b->err));
    bed_clean(b);
    bed_end(b);
}
END_TEST

static int allocations_left; /* before the one that fails */

static void *scarce_malloc(size_t n)
{
    return allocations_left-- != 0 ? malloc(n) : NULL;
}

static void *scarce_realloc(void *p, size_t n)
{
    return allocations_left-- != 0 ? realloc(p, n) : NULL;
}

/* The log has lost its end, and the index that is to be built anew is all that proves it. Without the memory to read it nothing is said to be well. */
START_TEST(an_index_that_is_read_for_the_last_time)
{
    const cubby_allocator scarce = {scarce_malloc, scarce_realloc, free};
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 20, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    uint64_t end = b->s->pending.seg_off;
    bed_close(b);
    bed_truncate(b, seg_path(1), end - 500);
    for (int n = 0, hit = 1; hit; n++) {
        bed_quiet(b);
        cubby_set_allocator(&scarce);
        allocations_left = n;
        int rc = bed_try_open(b, CUBBY_REBUILD | CUBBY_READ_ONLY);
        hit = allocations_left < 0;
        cubby_set_allocator(NULL);
        ck_assert_int_eq(rc, rc ? CUBBY_ENOMEM : 0);
        if (rc == 0) {
            ck_assert_ptr_nonnull(strstr(b->notice, "had been synced"));
            bed_close(b);
        }
    }
    bed_quiet(b);
    fault_set(&b->fault, FAULT_PREAD, "/index", 0, -EIO, 1);
    MUST(bed_try_open(b, CUBBY_REBUILD | CUBBY_READ_ONLY));
    ck_assert_ptr_nonnull(strstr(b->notice, "index cannot be read"));
    bed_end(b);
}
END_TEST

/* The number of the newest checkpoint, which is whole; what the other slot names, too, if it matters. */
static uint64_t whole_slots(struct bed *b, int both)
{
    struct cubby__pager_config c = {.vfs = b->vfs, .path = "/s/index", .salt = b->s->ident.salt};
    struct cubby__pager *p;
    struct cubby__meta m;
    memcpy(c.uuid, b->s->ident.uuid, 16);
    MUST(cubby__pager_open(&c, &p, &b->err));
    MUST(cubby__meta_read(p, &m, &b->err));
    MUST(cubby__tree_check(p, &m.root, unsound, NULL, &b->err));
    if (both)
        MUST(cubby__tree_check(p, &m.older, unsound, NULL, &b->err));
    cubby__pager_close(&p);
    return m.seq;
}

static void many_commits(struct bed *b, struct cubby__store *s)
{
    char key[16];
    for (int i = 0; i < 60; i++) {
        snprintf(key, sizeof key, "k%04d", i * 7 % ROWS);
        MUST(kv_store_in(s, key, "changed", 0, NULL, &b->err));
    }
}

static void next_generation(struct bed *b)
{
    bed_close(b);
    bed_open(b);
    many_commits(b, b->s);
}

/* X7: the slot of a checkpoint whose sync failed can be read, and may or may not be on the disk. Its pages were used again. */
START_TEST(the_slot_of_a_failed_checkpoint)
{
    struct bed bed, cut, *b = &bed;
    struct cubby__store *second;
    bed_begin_with(b, 0, 1u << 30);
    kv_store_many(b, 0, ROWS, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    many_commits(b, b->s);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    kv_store_many(b, ROWS, ROWS + 20, 100);
    uint64_t seq = whole_slots(b, 0);
    fault_set(&b->fault, FAULT_SYNC, "/index", 1, -EIO, 0);
    ck_assert_int_eq(cubby__store_checkpoint(b->s, &b->err), CUBBY_EIO);
    many_commits(b, b->s);
    ck_assert_uint_eq(whole_slots(b, 1), seq + 1);
    bed_clean(b);

    MUST(cubby__store_open("/s", &b->o, &kv_handlers, &second, &b->err)); /* in a takeover */
    many_commits(b, second);
    MUST(cubby__store_checkpoint(second, &b->err)); /* which cannot vouch for what the sync has lost */
    many_commits(b, second);
    many_commits(b, b->s);
    ck_assert_uint_eq(whole_slots(b, 1), seq + 1);
    MUST(cubby__store_close(&second, &b->err));

    next_generation(b);
    ck_assert_uint_eq(whole_slots(b, 1), seq + 1);
    bed_copy(b, &cut);
    bed_write(&cut, "/s/index", (seq + 1) % 2 * 4096, (uint8_t[4096]){0}, 4096); /* it was not */
    bed_open(&cut);
    ck_assert_int_eq(cut.notices, 0);
    ck_assert_uint_eq(whole_slots(&cut, 0), seq);
    bed_rebuild_is_equal(&cut);
    ck_assert_str_eq(kv_look(&cut, "k0007"), "changed");
    bed_clean(&cut);
    bed_end(&cut);

    bed_quiet(b);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    many_commits(b, b->s);
    next_generation(b);
    ck_assert_uint_ge(whole_slots(b, 0), seq + 2);
    ck_assert_int_eq(b->notices, 0);
    bed_rebuild_is_equal(b);
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* The new file has nothing to do with the sync that failed. */
START_TEST(a_new_index_after_a_failed_checkpoint)
{
    struct bed bed, *b = &bed;
    made(b);
    fault_set(&b->fault, FAULT_SYNC, "/index", 1, -EIO, 0);
    ck_assert_int_eq(cubby__store_checkpoint(b->s, &b->err), CUBBY_EIO);
    bed_unlink(b, "/s/index");
    MUST(kv_store(b, "more", "1"));
    MUST(cubby__store_checkpoint(b->s, &b->err));
    ck_assert_uint_eq(b->s->pending.checkpoint_commit, b->s->pending.commit);
    bed_quiet(b);
    bed_close(b);
    bed_open(b);
    ck_assert_int_eq(b->notices, 0);
    bed_clean(b);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/index", a_slot_that_points_behind_all_files, a_slot_behind_a_cut_that_is_none, a_first_frame_that_is_a_cut_or_looks_like_one,
          a_slot_that_ends_with_another_frame, an_index_without_permission, the_slot_of_a_failed_checkpoint, a_new_index_after_a_failed_checkpoint,
          an_index_that_is_read_for_the_last_time, a_rebuild_beside_a_segment_that_came_back, an_interrupted_rebuild, a_checkpoint_behind_a_cut, a_rebuild_without_room_for_two, an_index_that_is_a_directory,
          a_directory_that_stays, an_index_deleted_or_replaced_while_open, another_index_has_the_name, a_rebuild_beside_others, rebuilt_is_equal,
          an_index_that_is_none, a_last_frame_that_is_too_short, older_copies, every_page, checkpoints_shorten_the_replay, deleted_while_open,
          replaced_under_a_snapshot, live_bytes)
