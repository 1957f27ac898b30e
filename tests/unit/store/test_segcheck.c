#include "store/segcheck.h"

#include "unit/store/segment_util.h"

/* A store of several segments, open. */
static void made(struct bed *b)
{
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
}

/* What one walk tells, and where it is to end. */
struct walked {
    char codes[1000];
    const char *stop;
    int fragments, stop_fragments;
    uint64_t evidence;
    int (*progress)(void *arg, uint64_t done, uint64_t total);
    void *progress_arg;
};

static int note(void *arg, const struct cubby__segproblem *p)
{
    struct walked *w = arg;
    size_t n = strlen(w->codes);
    ck_assert_str_ne(p->detail, "");
    snprintf(w->codes + n, sizeof w->codes - n, "%s ", p->code);
    return w->stop && strcmp(w->stop, p->code) == 0 ? CUBBY_ECANCEL : 0;
}

static int fragment(void *arg, const struct cubby__record *rec)
{
    struct walked *w = arg;
    w->fragments += rec->type != 0;
    return w->stop_fragments ? CUBBY_ECANCEL : 0;
}

static int walk_in(struct bed *b, struct cubby__store *s, struct walked *w)
{
    struct cubby__segcheck c = {.s = s, .err = &b->err, .evidence = w->evidence, .problem = note, .fragment = fragment, .arg = w};
    memset(w->codes, 0, sizeof w->codes);
    return cubby__segcheck(&c);
}

/* As of a store that cannot be opened: by nobody who shares anything with its writers. */
static int walk(struct bed *b, struct walked *w)
{
    struct cubby__store *s;
    cubby_options o = b->o;
    o.progress = w->progress;
    o.progress_arg = w->progress_arg;
    MUST(cubby__store_open_bare("/s", &o, &kv_handlers, &s, &b->err));
    int rc = walk_in(b, s, w);
    cubby__store_close(&s, NULL);
    return rc;
}

static void tells(struct bed *b, const char *codes)
{
    struct walked w = {.stop = NULL};
    MUST(walk(b, &w));
    ck_assert_str_eq(w.codes, codes);
}

static void hurt(struct bed *b, int kind)
{
    struct places p;
    uint64_t size = bed_size(b, seg_path(2)), last = bed_size(b, seg_path(bed_last_segment(b)));
    switch (kind) {
    case 0: bed_unlink(b, seg_path(2)); break;
    case 1: bed_truncate(b, seg_path(2), size - 200); break;
    case 2: bed_zero(b, seg_path(2), size - 224, 224); break;
    case 3: bed_flip(b, seg_path(2), 2048, 1); break;
    case 4: bed_write(b, seg_path(bed_last_segment(b)), last + 16, "half a commit", 13); break;
    case 5: bed_flip(b, seg_path(2), 200, 1); break;
    case 6: bed_zero(b, seg_path(2), 0, 1024); break;
    default:
        frames_of(b, bed_last_segment(b), &p);
        for (p.n--; p.type[p.n] != CUBBY__REC_ANNOTATION; p.n--)
            continue;
        bed_truncate(b, seg_path(bed_last_segment(b)), p.at[p.n].off);
        break;
    }
}

/* Whoever is told may say that it is enough, whatever it is. */
START_TEST(stopped_anywhere)
{
    static const char *const codes[] = {"SEGMENT_MISSING", "SEGMENT_TRUNCATED", "SEGMENT_SHORT", "FRAME_DAMAGED", "TAIL_TORN", "SEGMENT_HEADER_COPY", "SEGMENT_HEADER",
                                        "LOG_SHORT"};
    struct bed bed, copy, *b = &bed;
    made(b);
    uint64_t commit = b->s->pending.commit;
    bed_close(b);
    for (int i = 0; i < (int)(sizeof codes / sizeof *codes); i++) {
        struct walked w = {.evidence = commit};
        bed_copy(&bed, b = &copy);
        hurt(b, i);
        MUST(walk(b, &w));
        ck_assert_msg(strstr(w.codes, codes[i]), "%s: %s", codes[i], w.codes);
        w.stop = codes[i];
        ck_assert_int_eq(walk(b, &w), CUBBY_ECANCEL);
        size_t n = strlen(w.codes), m = strlen(codes[i]);
        ck_assert_msg(n > m && strncmp(w.codes + n - m - 1, codes[i], m) == 0, "%s: %s", codes[i], w.codes); /* the last one told */
        bed_end(b);
        b = &bed;
    }
    bed_end(b);
}
END_TEST

/* Records that a torn commit has left are passed on, until whoever takes them has enough. */
START_TEST(fragments)
{
    struct bed bed, *b = &bed;
    struct walked w = {.stop = NULL};
    struct places p;
    made(b);
    bed_close(b);
    frames_of(b, 2, &p);
    size_t i = 0;
    while (p.type[i] != CUBBY__REC_COMMIT)
        i++;
    bed_flip(b, seg_path(2), p.at[i].off + CUBBY__FRAME_SIZE, 1);
    MUST(walk(b, &w));
    ck_assert_int_ge(w.fragments, (int)i);
    w.stop_fragments = 1;
    w.fragments = 0;
    ck_assert_int_eq(walk(b, &w), CUBBY_ECANCEL);
    ck_assert_int_eq(w.fragments, 1);
    bed_end(b);
}
END_TEST

/* A segment that a later version wrote says nothing that this one may believe, and neither does it about the one before. */
START_TEST(another_version)
{
    struct bed bed, *b = &bed;
    made(b);
    bed_close(b);
    struct cubby__seg_header h = header_of(b, 2);
    h.ident.incompat = 0x8000;
    write_header(b, seg_path(2), &h);
    cubby__seg_header_release(&h);
    tells(b, "SEGMENT_HEADER ");
    bed_end(b);
}
END_TEST

/* A successor may name an end that lies within the header: a file that had been cut there. Nothing behind that counts. */
START_TEST(an_end_before_the_frames)
{
    struct bed bed, *b = &bed;
    made(b);
    bed_close(b);
    struct cubby__seg_header h = header_of(b, 3);
    h.pred_end = 13;
    write_header(b, seg_path(3), &h);
    bed_flip(b, seg_path(2), 2048, 1);
    tells(b, "");
    h.pred_nonce++; /* of another segment: it says nothing of this one */
    write_header(b, seg_path(3), &h);
    cubby__seg_header_release(&h);
    struct walked w = {.stop = NULL};
    MUST(walk(b, &w));
    ck_assert_ptr_nonnull(strstr(w.codes, "FRAME_DAMAGED"));
    bed_end(b);
}
END_TEST

struct rolling {
    struct bed *b;
    uint32_t last;
    int how; /* 1: the new segment is gone again, 2: its header is damaged, 3: it follows another, 4: it cannot be read */
};

/* Before the last segment is looked at, it is no longer the last. */
static int roll_now(void *arg, uint64_t done, uint64_t total)
{
    struct rolling *x = arg;
    struct bed *b = x->b;
    if (done + 1 != total || bed_last_segment(b) != x->last)
        return 0;
    for (int i = 100; bed_last_segment(b) == x->last; i++)
        kv_store_many(b, i, i + 1, 100);
    if (x->how == 1) {
        bed_unlink(b, seg_path(x->last + 1));
    } else if (x->how == 2) {
        bed_zero(b, seg_path(x->last + 1), 0, 1024);
    } else if (x->how == 3) {
        struct cubby__seg_header h = header_of(b, x->last + 1);
        h.pred--;
        write_header(b, seg_path(x->last + 1), &h);
        cubby__seg_header_release(&h);
    } else if (x->how == 4) {
        char name[16];
        snprintf(name, sizeof name, "%08u", x->last + 1);
        fault_set(&b->fault, FAULT_OPEN, name, 0, -EIO, 1);
    }
    return 0;
}

/* The mark that a roll leaves says that there was more: there is, in a segment that has come since. */
START_TEST(rolled_meanwhile)
{
    for (int how = 0; how < 5; how++) {
        struct bed bed, *b = &bed;
        made(b);
        struct rolling x = {b, bed_last_segment(b), how};
        struct walked w = {.progress = roll_now, .progress_arg = &x};
        int rc = walk(b, &w);
        b->fault.rc = 0;
        ck_assert_int_eq(rc, how == 4 ? CUBBY_EIO : 0);
        if (how < 4)
            ck_assert_str_eq(w.codes, how ? "LOG_SHORT " : "");
        cubby__store_close(&b->s, NULL);
        bed_end(b);
    }
}
END_TEST

/* What a repair put behind segments that are lost says how far the log had come: that is known, and not told again. */
START_TEST(behind_a_stand_in)
{
    struct bed bed, *b = &bed;
    struct cubby__repairs t = {.fn = NULL};
    struct walked w = {.stop = NULL};
    made(b);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    w.evidence = b->s->pending.commit;
    bed_close(b);
    for (uint32_t n = bed_last_segment(b); n; n--)
        bed_unlink(b, seg_path(n));
    MUST(cubby__repair_openable("/s", &b->o, &kv_handlers, &t, &b->err));
    MUST(walk(b, &w));
    ck_assert_str_eq(w.codes, "SEGMENT_MISSING LOG_SHORT "); /* the one is its DAMAGE */
    w.evidence += 1 << 22; /* and more than was left for the commits that the index had not seen */
    MUST(walk(b, &w));
    ck_assert_str_eq(w.codes, "SEGMENT_MISSING LOG_SHORT LOG_SHORT ");
    bed_end(b);
}
END_TEST

static int never(void *arg, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    return ++*(int *)arg == 2;
}

START_TEST(stopped_between_segments)
{
    struct bed bed, *b = &bed;
    int asked = 0;
    struct walked w = {.progress = never, .progress_arg = &asked};
    made(b);
    bed_close(b);
    REFUSES(walk(b, &w), CUBBY_ECANCEL);
    ck_assert_int_eq(asked, 2);
    bed_end(b);
}
END_TEST

/* With others writing: what is not published is not there yet, and what took the name of the last segment is not what they write to. */
START_TEST(beside_a_writer)
{
    struct bed bed, *b = &bed;
    struct walked w = {.stop = NULL};
    made(b);
    uint32_t last = bed_last_segment(b);
    bed_write(b, seg_path(last + 1), 0, "a segment that is being made", 28);
    MUST(walk_in(b, b->s, &w));
    ck_assert_str_eq(w.codes, "");
    bed_unlink(b, seg_path(last + 1));
    bed_write(b, seg_path(last), b->s->pending.seg_off + 8, "a commit that is being written", 30);
    MUST(walk_in(b, b->s, &w));
    ck_assert_str_eq(w.codes, "");
    struct cubby__seg_header h = header_of(b, last);
    h.nonce++;
    write_header(b, seg_path(last), &h);
    cubby__seg_header_release(&h);
    MUST(walk_in(b, b->s, &w));
    ck_assert_str_ne(w.codes, "");
    for (uint32_t n = last; n; n--)
        bed_unlink(b, seg_path(n));
    bed_write(b, seg_path(last + 1), 0, "a segment that is being made", 28);
    MUST(walk_in(b, b->s, &w)); /* is all that is left */
    ck_assert_str_eq(w.codes, "SEGMENT_MISSING ");
    cubby__store_close(&b->s, NULL);
    bed_end(b);
}
END_TEST

START_TEST(no_segments)
{
    struct bed bed, *b = &bed;
    struct walked w = {.stop = NULL};
    made(b);
    bed_close(b);
    fault_set(&b->fault, FAULT_LIST, "segments", 0, -EIO, 0);
    REFUSES(walk(b, &w), CUBBY_EIO);
    MUST(b->vfs->rename(b->vfs->ctx, "/s/segments", "/s/elsewhere"));
    tells(b, "SEGMENT_MISSING ");
    bed_end(b);
}
END_TEST

/* What cannot be read is not damaged, wherever it lies: frames longer than what is read at once, and what lies around damage. */
static void each_fails(struct bed *b, enum fault_op op, const char *code)
{
    struct walked w = {.stop = NULL};
    MUST(walk(b, &w));
    ck_assert_msg(strstr(w.codes, code) != NULL, "%s", w.codes);
    struct walked all = w;
    int failed = 0;
    for (;; failed++) {
        fault_set(&b->fault, op, "segments", failed, -EIO, 0);
        int rc = walk(b, &w);
        if (!b->fault.hits)
            break;
        ck_assert_msg(rc == CUBBY_EIO || rc == 0, "read %d: %d", failed, rc);
        if (rc == 0 && !strstr(w.codes, "SEGMENT_HEADER_COPY")) /* one copy of a header is enough to know where the one before ends */
            ck_assert_str_eq(w.codes, all.codes);
    }
    b->fault.rc = 0;
    ck_assert_int_gt(failed, op == FAULT_PREAD ? 10 : 1);
}

/* Rows of one commit, longer than what is read at once. */
static void store_together(struct bed *b, int count)
{
    enum { LONG = 300 << 10 };
    struct cubby__txn *t;
    uint8_t *value = cubby__calloc(1, LONG);
    memset(value, 'v', LONG);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    for (int i = 0; i < count; i++)
        MUST(kv_put(t, "long", value, LONG));
    MUST(cubby__txn_commit(&t, NULL));
    cubby__free(value);
}

/* The first frame of the last commit but `back`. */
static uint64_t commit_at(const struct places *p, size_t back)
{
    size_t i = p->n, ends = 0;
    while (i > 0 && (ends += p->type[i - 1] == CUBBY__REC_COMMIT) < back + 2)
        i--;
    return p->at[i].off;
}

START_TEST(reads_that_fail)
{
    struct bed bed, copy, *b = &bed;
    struct places p;
    bed_begin_with(b, 3 << 20, 0);
    kv_store_many(b, 0, 6, 700 << 10);
    store_together(b, 5);
    bed_copy(b, &copy); /* as a killed process leaves it: with a torn tail */
    frames_of(&copy, bed_last_segment(&copy), &p);
    bed_flip(&copy, seg_path(bed_last_segment(&copy)), commit_at(&p, 0) + 4, 1);
    each_fails(&copy, FAULT_PREAD, "TAIL_TORN");
    each_fails(&copy, FAULT_FSTAT, "TAIL_TORN");
    bed_end(&copy);
    bed_close(b);
    frames_of(b, 1, &p);
    bed_flip(b, seg_path(1), p.at[4].off + 500000, 1);
    bed_zero(b, seg_path(2), bed_size(b, seg_path(2)) - (600 << 10), 500 << 10);
    each_fails(b, FAULT_PREAD, "FRAME_DAMAGED");
    bed_end(b);
}
END_TEST

/* Frames at the end of the log whose contents are bad, and one that is sound behind them, a PROOF or one that proves nothing: what is ahead is looked for once. */
static void many_bad_frames(int type, const char *codes)
{
    enum { N = 300 << 10, SIZE = CUBBY__FRAME_SIZE + 8 };
    struct bed bed, *b = &bed;
    struct walked w = {.stop = NULL};
    struct places at;
    bed_begin_with(b, 0, 1 << 30);
    kv_store_many(b, 0, 3, 100);
    bed_close(b);
    frames_of(b, 1, &at);
    struct cubby__seg_header h = header_of(b, 1);
    struct cubby__seed seed = {h.ident.salt, h.nonce};
    uint8_t *p = cubby__calloc(N / SIZE, SIZE), sound[8] = {0};
    for (size_t i = 0; i < N / SIZE; i++) {
        struct cubby__frame f = {.type = CUBBY__REC_ANNOTATION, .len = 8, .commit = 1000, .paysum = 1};
        if (i == N / SIZE - 1) {
            f.type = (uint8_t)type;
            f.paysum = cubby__payload_sum(sound, 8, &seed, at.end + i * SIZE, f.commit);
        }
        cubby__frame_encode(&f, &seed, at.end + i * SIZE, p + i * SIZE);
    }
    bed_write(b, seg_path(1), at.end, p, (uint64_t)N / SIZE * SIZE);
    int before = b->fault.calls[FAULT_PREAD];
    MUST(walk(b, &w));
    ck_assert_msg(strncmp(w.codes, codes, strlen(codes)) == 0, "%s", w.codes);
    ck_assert_int_lt(b->fault.calls[FAULT_PREAD] - before, 100);
    cubby__free(p);
    cubby__seg_header_release(&h);
    bed_end(b);
}

START_TEST(many_bad_frames_before_a_sound_one)
{
    many_bad_frames(CUBBY__REC_PROOF, "FRAME_DAMAGED FRAME_DAMAGED ");
    many_bad_frames(CUBBY__REC_ANNOTATION, "TAIL_TORN ");
}
END_TEST

/* A power cut may leave the end of a commit without its beginning. That is damage only if something proves that it was synced: the next commit, or the index. */
START_TEST(torn_before_sound_frames)
{
    struct bed bed, copy, *b = &bed;
    struct places at;
    bed_begin_with(b, 0, 1 << 30);
    kv_store_many(b, 0, 3, 100);
    uint64_t commit = b->s->pending.commit;
    bed_copy(&bed, b = &copy); /* as a killed process leaves it */
    frames_of(b, 1, &at);
    bed_flip(b, seg_path(1), commit_at(&at, 0) + 4, 1);
    struct walked w = {.evidence = 0};
    MUST(walk(b, &w));
    ck_assert_str_eq(w.codes, "TAIL_TORN ");
    w.evidence = commit - 1;
    MUST(walk(b, &w));
    ck_assert_str_eq(w.codes, "TAIL_TORN ");
    w.evidence = commit;
    MUST(walk(b, &w));
    ck_assert_msg(strstr(w.codes, "FRAME_DAMAGED") && !strstr(w.codes, "TAIL_TORN"), "%s", w.codes);
    bed_flip(b, seg_path(1), commit_at(&at, 1) + 4, 1); /* which the last one proves */
    w.evidence = 0;
    MUST(walk(b, &w));
    ck_assert_msg(strncmp(w.codes, "FRAME_DAMAGED ", 14) == 0, "%s", w.codes);
    bed_end(b);
    bed_end(&bed);
}
END_TEST

/* What is published was written whole, synced or not: there nothing is torn. */
START_TEST(not_torn_beside_a_writer)
{
    struct bed bed, *b = &bed;
    struct places at;
    struct walked w = {.stop = NULL};
    bed_begin_with(b, 0, 1 << 30);
    kv_store_many(b, 0, 3, 100);
    for (int i = 0; i < 5; i++)
        MUST(kv_store_in(b->s, "lazy", "0123456789", CUBBY_LAZY, NULL, &b->err));
    frames_of(b, 1, &at);
    bed_flip(b, seg_path(1), commit_at(&at, 1) + 4, 1);
    MUST(walk_in(b, b->s, &w));
    ck_assert_msg(strncmp(w.codes, "FRAME_DAMAGED ", 14) == 0 && !strstr(w.codes, "TAIL_TORN"), "%s", w.codes);
    cubby__store_close(&b->s, NULL);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/segcheck", many_bad_frames_before_a_sound_one, torn_before_sound_frames, not_torn_beside_a_writer, stopped_anywhere, fragments, another_version, an_end_before_the_frames, rolled_meanwhile, behind_a_stand_in,
          stopped_between_segments, beside_a_writer, no_segments,
          reads_that_fail)
