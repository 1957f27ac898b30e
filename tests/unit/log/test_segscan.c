#include "log/segscan.h"

#include <errno.h>
#include <time.h>

#include "base/bytes.h"
#include "unit/fault_vfs.h"
#include "unit/log/log_util.h"

static void start(struct bed *b, struct cubby__segscan *s, uint64_t limit)
{
    MUST(cubby__segscan_open(s, b->log, 1, b->seed.nonce, b->seed.salt, b->frames, limit, 0, 0, &b->err));
}

/* Every gathered record is what bed_frame wrote for its commit. */
static void records_are_right(const struct cubby__segscan *s)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct cubby__gathered *g = &s->records[i];
        const uint8_t *p = s->arena.data + g->payload;
        ck_assert_uint_eq(g->place.seg, 1);
        if (g->type == CUBBY__REC_PIECE) {
            ck_assert_uint_eq(g->piece.id, g->commit);
            continue;
        }
        ck_assert_int_eq(g->type, CUBBY__REC_OBJECT);
        ck_assert(g->place.len == 0 || (p[0] > g->commit && p[0] < g->commit + 20 && p[g->place.len - 1] == p[0]));
    }
}

START_TEST(whole)
{
    struct bed bed, *b = &bed;
    struct cubby__segscan s;
    bed_begin(b);
    for (int i = 0; i < 5; i++)
        bed_commit(b, i, (uint32_t)i * 100, i % 2 ? 1000 : 0, (uint64_t)i);
    uint8_t zeros[5000] = {0};
    bed_write(b, SEGMENT, b->end, zeros, sizeof zeros);
    start(b, &s, UINT64_MAX);
    for (uint64_t n = 1; n <= 5; n++) {
        ck_assert_int_eq(cubby__segscan_next(&s), 0);
        ck_assert_uint_eq(s.last_commit, n);
        ck_assert_uint_eq(s.begin, b->start[n]);
        ck_assert_uint_eq(s.pos, b->start[n + 1]);
        ck_assert_uint_eq(s.count, n - 1 + (n % 2 == 0));
        ck_assert_uint_eq(s.durable, n - 1);
        ck_assert_uint_eq(s.head.prev, n - 1);
        ck_assert_uint_eq(s.ceiling, 9);
        records_are_right(&s);
    }
    ck_assert_uint_eq(s.last_chain, b->chain);
    uint64_t off = 1;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(cubby__segscan_next(&s), CUBBY_DONE);
        ck_assert_uint_eq(s.pos, b->end);
        ck_assert_uint_eq(s.count, 0);
    }
    MUST(cubby__segscan_nonzero(&s, s.pos, &off));
    ck_assert_uint_eq(off, UINT64_MAX);
    ck_assert_int_eq(cubby__segscan_resync(&s), CUBBY_DONE);
    cubby__segscan_close(&s);
    bed_end(b);
}
END_TEST

START_TEST(nothing_there)
{
    struct bed bed, *b = &bed;
    struct cubby__segscan s;
    uint64_t off = 0;
    bed_begin(b);
    start(b, &s, UINT64_MAX);
    ck_assert_int_eq(cubby__segscan_next(&s), CUBBY_DONE);
    MUST(cubby__segscan_nonzero(&s, s.pos, &off));
    ck_assert_uint_eq(off, UINT64_MAX);
    cubby__segscan_close(&s);
    ck_assert_int_eq(cubby__segscan_open(&s, b->log, 2, 1, 1, 0, 1, 0, 0, &b->err), CUBBY_ENOENT);
    cubby__segscan_close(&s);
    bed_end(b);
}
END_TEST

/* A record may say nothing, as a DAMAGE of the least size does: whoever takes it gets an address all the same. */
START_TEST(an_empty_record)
{
    struct bed bed, *b = &bed;
    struct cubby__segscan s;
    bed_begin(b);
    bed_commit(b, 1, 0, 0, 0);
    start(b, &s, UINT64_MAX);
    ck_assert_int_eq(cubby__segscan_next(&s), 0);
    ck_assert(s.count == 1 && s.records[0].place.len == 0 && s.arena.data);
    cubby__segscan_close(&s);
    bed_end(b);
}
END_TEST

/* The last commit, cut off after each byte. */
START_TEST(torn_last_commit)
{
    struct bed bed, *b = &bed;
    struct cubby__segscan s;
    bed_begin(b);
    bed_commit(b, 1, 20, 0, 0);
    bed_commit(b, 2, 33, 50, 0);
    uint64_t end = b->end;
    for (uint64_t size = end; size-- > b->start[2];) {
        bed_truncate(b, SEGMENT, size);
        for (int zeros = 0; zeros < 2; zeros++) {
            if (zeros)
                bed_truncate(b, SEGMENT, end + 100);
            start(b, &s, UINT64_MAX);
            s.pieces = (int)(size & 1);
            ck_assert_int_eq(cubby__segscan_next(&s), 0);
            ck_assert_uint_eq(s.last_commit, 1);
            int rc = cubby__segscan_next(&s);
            ck_assert_msg(rc == (size == b->start[2] ? CUBBY_DONE : CUBBY_ECORRUPT), "cut at %llu: %d", (unsigned long long)size, rc);
            ck_assert_uint_eq(s.last_commit, 1);
            ck_assert(s.pos <= (zeros ? end : size));
            records_are_right(&s);
            ck_assert_int_eq(cubby__segscan_resync(&s), CUBBY_DONE);
            cubby__segscan_close(&s);
        }
    }
    bed_end(b);
}
END_TEST

/* Runs to the end as recovery does; the numbers of the commits met, as bits. *lost: bytes passed over. */
static unsigned walk(struct bed *b, int pieces, int *bad, unsigned *first_good)
{
    struct cubby__segscan s;
    unsigned seen = 0;
    *bad = 0;
    *first_good = 0;
    start(b, &s, UINT64_MAX);
    s.pieces = pieces;
    for (;;) {
        int rc = cubby__segscan_next(&s);
        records_are_right(&s);
        if (rc == 0) {
            ck_assert_uint_eq(seen >> s.last_commit, 0); /* ascending */
            seen |= 1u << s.last_commit;
            *first_good += !*bad;
            continue;
        }
        if (rc == CUBBY_DONE) {
            uint64_t off;
            MUST(cubby__segscan_nonzero(&s, s.pos, &off));
            if (off == UINT64_MAX)
                break;
        } else {
            ck_assert_int_eq(rc, CUBBY_ECORRUPT);
        }
        ++*bad;
        uint64_t at = s.pos;
        rc = cubby__segscan_resync(&s);
        if (rc == CUBBY_DONE)
            break;
        ck_assert_int_eq(rc, 0);
        ck_assert(s.pos > at && s.pos % CUBBY__FRAME_ALIGN == 0 && s.count == 0);
    }
    cubby__segscan_close(&s);
    return seen;
}

static int is_padding(struct bed *b, uint64_t off)
{
    (void)b;
    uint8_t c;
    bed_read(b, SEGMENT, off, &c, 1);
    return c == 0;
}

/* Each byte of the middle commit flipped: the commits around it are met, nothing false is. */
START_TEST(a_flip_in_the_middle)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    for (int i = 0; i < 5; i++)
        bed_commit(b, 2, 21, 35, 0); /* padded */
    unsigned unnoticed = 0;
    for (uint64_t off = b->start[3]; off < b->start[4]; off++) {
        int bad, zero = is_padding(b, off);
        unsigned good;
        bed_flip(b, SEGMENT, off, 0x40);
        unsigned seen = walk(b, 1, &bad, &good);
        ck_assert_msg((seen & 0x36) == 0x36, "a flip at %llu loses %x", (unsigned long long)(off - b->start[3]), seen);
        if (!bad) {
            ck_assert_msg(zero, "a flip at %llu is not noticed", (unsigned long long)off);
            ck_assert_uint_eq(good, 5);
            unnoticed++;
        } else {
            ck_assert_uint_eq(good, 2);
        }
        bed_flip(b, SEGMENT, off, 0x40);
    }
    ck_assert_uint_eq(unnoticed, 2 * 3 + 5); /* the padding of 21 and 35 bytes */
    bed_end(b);
}
END_TEST

START_TEST(holes_of_zeros)
{
    struct bed bed, *b = &bed;
    static const uint8_t zeros[600];
    bed_begin(b);
    for (int i = 0; i < 4; i++)
        bed_commit(b, 3, 60, 0, 0);
    uint8_t saved[600];
    for (uint64_t off = b->start[2]; off < b->start[3]; off += 8) {
        for (size_t n = 8; n <= 512; n *= 4) {
            int bad;
            unsigned good;
            bed_read(b, SEGMENT, off, saved, n);
            if (memcmp(saved, zeros, n) == 0)
                continue;
            bed_write(b, SEGMENT, off, zeros, n);
            unsigned seen = walk(b, 0, &bad, &good);
            ck_assert_int_ge(bad, 1);
            ck_assert_uint_eq(good, 1);
            ck_assert(seen & 1u << 1);
            ck_assert_msg(seen & 1u << 4, "a hole of %zu at %llu hides the last commit", n, (unsigned long long)off);
            bed_write(b, SEGMENT, off, saved, n);
        }
    }
    bed_end(b);
}
END_TEST

START_TEST(proofs)
{
    struct bed bed, *b = &bed;
    struct cubby__segscan s;
    bed_begin(b);
    bed_commit(b, 1, 10, 0, 0);
    bed_commit(b, 1, 10, 0, 0);
    bed_proof(b);
    uint64_t chain = b->chain, proof_end = b->end;
    bed_commit(b, 1, 10, 0, 0);
    start(b, &s, UINT64_MAX);
    ck_assert_int_eq(cubby__segscan_next(&s), 0);
    ck_assert_int_eq(cubby__segscan_next(&s), 0);
    ck_assert_uint_eq(s.durable, 0);
    ck_assert_int_eq(cubby__segscan_next(&s), 0); /* chained over the PROOF */
    ck_assert_uint_eq(s.last_commit, 3);
    ck_assert_uint_eq(s.begin, proof_end);
    ck_assert_uint_eq(s.durable, 2);
    ck_assert(s.proof_commit == 2 && s.proof_chain == chain && s.proof_end == proof_end);
    ck_assert_int_eq(cubby__segscan_next(&s), CUBBY_DONE);
    cubby__segscan_close(&s);
    bed_proof(b); /* at the end */
    start(b, &s, UINT64_MAX);
    while (cubby__segscan_next(&s) == 0)
        ;
    ck_assert_uint_eq(s.durable, 3);
    ck_assert_uint_eq(s.pos, b->end);
    cubby__segscan_close(&s);
    bed_end(b);
}
END_TEST

/* A frame by itself at the end of the log. */
static void lone_frame(struct bed *b, uint8_t type, uint64_t commit, const void *p, uint32_t n)
{
    struct cubby__framer f = {0};
    uint64_t off;
    cubby__framer_init(&f, &b->seed, b->end, commit);
    MUST(cubby__framer_add(&f, type, 0, p, n, NULL, &off));
    MUST(cubby__log_write(b->log, 1, f.buf.data, f.buf.len, b->end, &b->err));
    b->end = cubby__framer_end(&f);
    cubby__framer_release(&f);
}

START_TEST(misplaced_and_malformed_frames)
{
    static const uint8_t zeros[100];
    for (int i = 0; i < 6; i++) {
        struct bed bed, *b = &bed;
        struct cubby__segscan s;
        bed_begin(b);
        bed_commit(b, 1, 10, 0, 0);
        switch (i) {
        case 0: /* a PROOF within a commit */
            lone_frame(b, CUBBY__REC_OBJECT, 2, "x", 1);
            lone_frame(b, CUBBY__REC_PROOF, 1, zeros, CUBBY__PROOF_LEN);
            break;
        case 1: lone_frame(b, CUBBY__REC_PROOF, 1, zeros, CUBBY__PROOF_LEN - 1); break;
        case 2: lone_frame(b, CUBBY__REC_PROOF, 1, zeros, 0); break;
        case 3: lone_frame(b, CUBBY__REC_COMMIT, 2, zeros, CUBBY__COMMIT_LEN - 1); break;
        case 4: lone_frame(b, CUBBY__REC_COMMIT, 2, zeros, 0); break;
        default: lone_frame(b, CUBBY__REC_COMMIT, 2, zeros, CUBBY__COMMIT_LEN); break; /* prev 0, chain 0 */
        }
        start(b, &s, UINT64_MAX);
        ck_assert_int_eq(cubby__segscan_next(&s), 0);
        ck_assert_int_eq(cubby__segscan_next(&s), CUBBY_ECORRUPT);
        ck_assert_uint_eq(s.last_commit, 1);
        ck_assert_uint_eq(s.durable, 0);
        cubby__segscan_close(&s);
        bed_end(b);
    }
}
END_TEST

/* Sound frames that are not what comes next. */
START_TEST(commits_out_of_chain)
{
    for (int i = 0; i < 6; i++) {
        struct bed bed, *b = &bed;
        struct cubby__segscan s;
        struct cubby__framer f = {0};
        struct cubby__commit c = {0};
        uint64_t off;
        bed_begin(b);
        bed_commit(b, 1, 10, 0, 0);
        cubby__framer_init(&f, &b->seed, b->end, 2);
        if (i == 5)
            f.commit = 1; /* the number of the one before */
        MUST(cubby__framer_add(&f, CUBBY__REC_OBJECT, 0, "0123", 4, NULL, &off));
        if (i == 4) { /* a record of another commit */
            f.commit = 3;
            MUST(cubby__framer_add(&f, CUBBY__REC_OBJECT, 0, "4567", 4, NULL, &off));
            f.commit = 2;
        }
        c.prev = i == 1 ? 0 : 1;
        if (i == 2)
            f.base -= 8; /* the commit claims to be longer */
        MUST(cubby__framer_commit(&f, &c, i == 3 ? b->chain + 1 : b->chain));
        if (i == 2) { /* sealed by hand: the framer does not lie */
            struct cubby__frame frame = {.type = CUBBY__REC_COMMIT, .len = CUBBY__COMMIT_LEN, .commit = 2};
            uint8_t *p = f.buf.data + f.buf.len - CUBBY__FRAME_SIZE - CUBBY__COMMIT_LEN;
            uint64_t at = b->end + f.buf.len - CUBBY__FRAME_SIZE - CUBBY__COMMIT_LEN;
            c.bytes += 8;
            cubby__commit_encode(&c, p + CUBBY__FRAME_SIZE);
            frame.paysum = cubby__payload_sum(p + CUBBY__FRAME_SIZE, CUBBY__COMMIT_LEN, &b->seed, at, 2);
            cubby__frame_encode(&frame, &b->seed, at, p);
        }
        MUST(cubby__log_write(b->log, 1, f.buf.data, f.buf.len, b->end, &b->err));
        cubby__framer_release(&f);
        start(b, &s, UINT64_MAX);
        ck_assert_int_eq(cubby__segscan_next(&s), 0);
        int rc = cubby__segscan_next(&s);
        ck_assert_msg(rc == (i == 0 ? 0 : CUBBY_ECORRUPT), "case %d: %d", i, rc);
        ck_assert_uint_eq(s.last_commit, i == 0 ? 2 : 1);
        cubby__segscan_close(&s);
        bed_end(b);
    }
}
END_TEST

/* A commit that does not verify still tells what had been synced before it. */
START_TEST(durable_of_a_broken_commit_counts)
{
    struct bed bed, *b = &bed;
    struct cubby__segscan s;
    bed_begin(b);
    bed_commit(b, 1, 10, 0, 0);
    bed_commit(b, 1, 10, 0, 0);
    bed_commit(b, 2, 10, 0, 2);
    bed_flip(b, SEGMENT, b->start[3] + 4, 1); /* its first record */
    start(b, &s, UINT64_MAX);
    while (cubby__segscan_next(&s) == 0)
        ;
    ck_assert_uint_eq(s.durable, 0);
    ck_assert_int_eq(cubby__segscan_resync(&s), 0);
    ck_assert_int_eq(cubby__segscan_next(&s), 0); /* adopted, without what was lost */
    ck_assert_uint_eq(s.last_commit, 3);
    ck_assert_uint_eq(s.count, 1);
    ck_assert_uint_eq(s.durable, 2);
    ck_assert_int_eq(s.adopt, 0);
    cubby__segscan_close(&s);
    bed_end(b);
}
END_TEST

START_TEST(pieces_read_or_skipped)
{
    struct bed bed, *b = &bed;
    struct cubby__segscan s;
    bed_begin(b);
    bed_commit(b, 1, 10, 5000, 0);
    bed_commit(b, 1, 10, 5000, 0);
    uint64_t payload = b->start[2] + cubby__frame_size(CUBBY__REC_OBJECT, 10) + CUBBY__PIECE_FRAME_SIZE;
    for (uint64_t off = payload; off < payload + 5000; off += 499) {
        bed_flip(b, SEGMENT, off, 2);
        start(b, &s, UINT64_MAX);
        while (cubby__segscan_next(&s) == 0)
            ;
        ck_assert_uint_eq(s.last_commit, 2); /* a rebuild does not look at content */
        cubby__segscan_close(&s);
        start(b, &s, UINT64_MAX);
        s.pieces = 1;
        ck_assert_int_eq(cubby__segscan_next(&s), 0);
        ck_assert_int_eq(cubby__segscan_next(&s), CUBBY_ECORRUPT);
        ck_assert_uint_eq(s.pos, payload - CUBBY__PIECE_FRAME_SIZE);
        ck_assert_uint_eq(s.count, 1); /* the record before it */
        cubby__segscan_close(&s);
        bed_flip(b, SEGMENT, off, 2);
    }
    bed_end(b);
}
END_TEST

/* Resync takes no piece on the word of its header. */
START_TEST(resync_verifies_payloads)
{
    struct bed bed, *b = &bed;
    struct cubby__segscan s;
    bed_begin(b);
    bed_commit(b, 1, 10, 500, 0);
    bed_flip(b, SEGMENT, b->start[1], 1);
    bed_flip(b, SEGMENT, b->start[1] + cubby__frame_size(CUBBY__REC_OBJECT, 10) + CUBBY__PIECE_FRAME_SIZE + 3, 1);
    start(b, &s, UINT64_MAX);
    ck_assert_int_eq(cubby__segscan_next(&s), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__segscan_resync(&s), 0);
    ck_assert_uint_eq(s.pos, b->end - CUBBY__FRAME_SIZE - CUBBY__COMMIT_LEN); /* the COMMIT */
    ck_assert_int_eq(s.pieces, 0);
    cubby__segscan_close(&s);
    bed_end(b);
}
END_TEST

/* The frame of this type and n bytes of content, as of commit 2, for offset `at`; its content is behind p already. bad: it is not what the header says. */
static void forge(struct bed *b, uint8_t *p, uint64_t at, uint8_t type, uint32_t n, int bad)
{
    struct cubby__frame f = {.type = type, .len = n, .commit = 2};
    f.paysum = cubby__payload_sum(p + CUBBY__FRAME_SIZE, n, &b->seed, at, 2) ^ (uint64_t)bad;
    cubby__frame_encode(&f, &b->seed, at, p);
}

/* What looks like a frame within another was never written as one: only who knows the nonce can make it, and he does not gain by it. */
START_TEST(no_frame_within_another)
{
    enum { INNER = 2 * CUBBY__FRAME_SIZE, OUTER = INNER + 3 * CUBBY__FRAME_SIZE };
    for (int bad = 0; bad < 2; bad++) { /* sound, but no COMMIT is so long: or its content is bad */
        struct bed bed, *b = &bed;
        struct cubby__segscan s;
        uint8_t p[OUTER + CUBBY__FRAME_SIZE] = {0};
        bed_begin(b);
        bed_commit(b, 1, 10, 0, 0);
        forge(b, p + INNER, b->end + INNER, CUBBY__REC_OBJECT, 16, 0);
        forge(b, p, b->end, bad ? CUBBY__REC_OBJECT : CUBBY__REC_COMMIT, OUTER - CUBBY__FRAME_SIZE, bad);
        forge(b, p + OUTER, b->end + OUTER, CUBBY__REC_OBJECT, 0, 0);
        bed_write(b, SEGMENT, b->end, p, sizeof p);
        start(b, &s, UINT64_MAX);
        ck_assert_int_eq(cubby__segscan_next(&s), 0);
        ck_assert_int_eq(cubby__segscan_next(&s), CUBBY_ECORRUPT);
        ck_assert_uint_eq(s.pos, b->end);
        ck_assert_int_eq(cubby__segscan_resync(&s), 0);
        ck_assert_uint_eq(s.pos, b->end + OUTER);
        s.pos = b->end + INNER; /* by itself it is one */
        ck_assert_int_eq(cubby__segscan_next(&s), CUBBY_ECORRUPT);
        ck_assert_int_eq((int)s.count, 1);
        cubby__segscan_close(&s);
        bed_end(b);
    }
}
END_TEST

/* Processor time to the end of a scan over what stands behind the first commit. */
static clock_t time_of(struct bed *b, const uint8_t *p, size_t n)
{
    struct cubby__segscan s;
    int rc = 0;
    bed_write(b, SEGMENT, b->end, p, n);
    clock_t begin = clock();
    start(b, &s, UINT64_MAX);
    while (rc == 0 || rc == CUBBY_ECORRUPT)
        rc = rc == 0 ? cubby__segscan_next(&s) : cubby__segscan_resync(&s);
    ck_assert_int_eq(rc, CUBBY_DONE);
    cubby__segscan_close(&s);
    return clock() - begin;
}

/* Headers each of which claims all that follows, one behind the other, or a sound frame behind each: to read them takes hardly longer than so many bytes of no
 * frame at all. */
START_TEST(headers_that_claim_the_rest)
{
    enum { N = 1 << 20 };
    struct bed bed, *b = &bed;
    uint8_t *p = cubby__malloc(N);
    bed_begin(b);
    bed_commit(b, 1, 10, 0, 0);
    memset(p, 1, N); /* might be headers */
    clock_t rubbish = time_of(b, p, N);
    for (size_t step = CUBBY__FRAME_SIZE; step <= 2 * CUBBY__FRAME_SIZE; step += CUBBY__FRAME_SIZE) {
        for (size_t i = 0; i < N; i += step) {
            forge(b, p + i, b->end + i, CUBBY__REC_OBJECT, 0, 0);
            struct cubby__frame f = {.type = CUBBY__REC_OBJECT, .len = (uint32_t)(N - i - CUBBY__FRAME_SIZE), .commit = 2, .paysum = 1};
            cubby__frame_encode(&f, &b->seed, b->end + i, p + i);
            if (step > CUBBY__FRAME_SIZE)
                forge(b, p + i + CUBBY__FRAME_SIZE, b->end + i + CUBBY__FRAME_SIZE, CUBBY__REC_OBJECT, 0, 0);
        }
        clock_t forged = time_of(b, p, N);
        ck_assert_msg(forged < 8 * rubbish + CLOCKS_PER_SEC / 50, "%ld us, rubbish %ld us", (long)forged, (long)rubbish);
    }
    cubby__free(p);
    bed_end(b);
}
END_TEST

/* A DAMAGE stands over what was lost: what is around it is yielded, and no chain leads over it. */
START_TEST(damage_covered)
{
    struct bed bed, *b = &bed;
    struct cubby__segscan s;
    uint8_t payload[200] = {CUBBY__DAMAGE_STRETCH, 5};
    bed_begin(b);
    bed_commit(b, 1, 10, 0, 0);
    bed_commit(b, 3, 10, 0, 0);
    bed_commit(b, 1, 10, 0, 0);
    uint64_t first = cubby__frame_size(CUBBY__REC_OBJECT, 10), end = b->end;
    b->end = b->start[2] + first; /* over the second of three records */
    lone_frame(b, CUBBY__REC_DAMAGE, 1, payload, (uint32_t)(first - CUBBY__FRAME_SIZE));
    b->end = end;
    start(b, &s, UINT64_MAX);
    ck_assert_int_eq(cubby__segscan_next(&s), 0);
    ck_assert_int_eq(cubby__segscan_next(&s), 0);
    ck_assert_uint_eq(s.count, 2);
    ck_assert_int_eq(s.records[1].type, CUBBY__REC_DAMAGE);
    ck_assert_uint_eq(s.last_commit, 1); /* that of the commit before */
    ck_assert_int_eq(cubby__segscan_next(&s), 0);
    ck_assert_uint_eq(s.last_commit, 2);
    ck_assert_uint_eq(s.count, 1); /* the third record */
    ck_assert_int_eq(cubby__segscan_next(&s), 0);
    ck_assert_uint_eq(s.last_commit, 3);
    ck_assert_int_eq(cubby__segscan_next(&s), CUBBY_DONE);
    cubby__segscan_close(&s);
    bed_end(b);
}
END_TEST

/* Only the content of a frame is damaged: its header says where the next one is, and what it was. */
START_TEST(content_skipped)
{
    struct bed bed, *b = &bed;
    struct cubby__segscan s;
    uint8_t type;
    bed_begin(b);
    bed_commit(b, 2, 10, 500, 0);
    uint64_t second = b->start[1] + cubby__frame_size(CUBBY__REC_OBJECT, 10);
    bed_flip(b, SEGMENT, second + CUBBY__FRAME_SIZE + 4, 1);
    start(b, &s, UINT64_MAX);
    ck_assert_int_eq(cubby__segscan_next(&s), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__segscan_skip(&s, &type), 0);
    ck_assert_int_eq(type, CUBBY__REC_OBJECT);
    ck_assert_uint_eq(s.pos, second + cubby__frame_size(CUBBY__REC_OBJECT, 10));
    ck_assert_int_eq(cubby__segscan_next(&s), 0);
    ck_assert_uint_eq(s.last_commit, 1);
    cubby__segscan_close(&s);
    bed_flip(b, SEGMENT, second + 9, 1); /* its header, too */
    start(b, &s, UINT64_MAX);
    ck_assert_int_eq(cubby__segscan_next(&s), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__segscan_skip(&s, &type), CUBBY_DONE);
    ck_assert_int_eq(type, 0);
    cubby__segscan_close(&s);
    bed_end(b);
}
END_TEST

START_TEST(frames_longer_than_the_window)
{
    struct bed bed, *b = &bed;
    static const uint32_t sizes[] = {(128 << 10) - 33, (128 << 10) - 32, (128 << 10) - 31, 300000, 1 << 20};
    bed_begin(b);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        bed_commit(b, 2, sizes[i], i % 2 ? 380000 : 0, 0);
    for (int pieces = 0; pieces < 2; pieces++) {
        int bad;
        unsigned good;
        ck_assert_uint_eq(walk(b, pieces, &bad, &good), 0x3e);
        ck_assert_int_eq(bad, 0);
    }
    bed_flip(b, SEGMENT, b->start[4] + 250000, 8);
    int bad;
    unsigned good;
    ck_assert_uint_eq(walk(b, 0, &bad, &good), 0x3e); /* the second record of 4 was met */
    ck_assert_int_eq(bad, 1);
    bed_end(b);
}
END_TEST

START_TEST(limits)
{
    struct bed bed, *b = &bed;
    struct cubby__segscan s;
    bed_begin(b);
    bed_commit(b, 2, 30, 70, 0);
    bed_commit(b, 2, 30, 70, 0);
    for (uint64_t limit = b->frames; limit <= b->end + 16; limit++) {
        unsigned n = 0;
        int rc;
        start(b, &s, limit);
        s.pieces = (int)(limit & 1);
        while ((rc = cubby__segscan_next(&s)) == 0)
            n++;
        ck_assert_uint_eq(n, limit >= b->start[3] ? 2 : limit >= b->start[2] ? 1 : 0);
        ck_assert(s.pos <= (limit < b->end ? limit : b->end));
        int at_commit = limit >= b->end || limit == b->start[1] || limit == b->start[2];
        ck_assert_msg(rc == (at_commit ? CUBBY_DONE : CUBBY_ECORRUPT), "limit %llu: %d", (unsigned long long)limit, rc);
        ck_assert_int_eq(cubby__segscan_resync(&s), CUBBY_DONE);
        cubby__segscan_close(&s);
    }
    bed_end(b);
}
END_TEST

/* A copy of a commit further on, and the remains of a segment that was in the same blocks before. */
START_TEST(stale_bytes_are_no_frames)
{
    struct bed bed, *b = &bed;
    uint8_t copy[4096];
    bed_begin(b);
    bed_commit(b, 2, 30, 70, 0);
    size_t n = (size_t)(b->end - b->start[1]);
    bed_read(b, SEGMENT, b->start[1], copy, n);
    bed_write(b, SEGMENT, b->end, copy, n);
    struct cubby__framer f;
    struct cubby__seed own = b->seed;
    b->seed.nonce++;
    b->end += n;
    b->commit = 1;
    bed_frame(b, &f, 2, 1, 40, 0, 0);
    MUST(cubby__log_write(b->log, 1, f.buf.data, f.buf.len, b->end, &b->err));
    cubby__framer_release(&f);
    b->seed = own;
    int bad;
    unsigned good;
    ck_assert_uint_eq(walk(b, 0, &bad, &good), 2);
    ck_assert_int_eq(bad, 1);
    bed_end(b);
}
END_TEST

START_TEST(nonzero)
{
    struct bed bed, *b = &bed;
    struct cubby__segscan s;
    uint64_t off;
    bed_begin(b);
    bed_truncate(b, SEGMENT, 300000);
    start(b, &s, UINT64_MAX);
    MUST(cubby__segscan_nonzero(&s, b->frames, &off));
    ck_assert_uint_eq(off, UINT64_MAX);
    cubby__segscan_close(&s);
    static const uint64_t at[] = {299999, 262144, 131072, 4096, 1024};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        bed_flip(b, SEGMENT, at[i], 1);
        start(b, &s, UINT64_MAX);
        MUST(cubby__segscan_nonzero(&s, b->frames, &off));
        ck_assert_uint_eq(off, at[i]);
        MUST(cubby__segscan_nonzero(&s, at[i] + 1, &off));
        ck_assert_uint_eq(off, i ? at[i - 1] : UINT64_MAX);
        cubby__segscan_close(&s);
        start(b, &s, at[i]); /* the limit hides it */
        MUST(cubby__segscan_nonzero(&s, b->frames, &off));
        ck_assert_uint_eq(off, UINT64_MAX);
        cubby__segscan_close(&s);
    }
    bed_end(b);
}
END_TEST

/* A read that fails is neither the end nor damage. */
START_TEST(read_errors)
{
    struct bed bed, *b = &bed;
    struct fault x;
    struct cubby__segscan s;
    uint64_t off;
    bed_begin(b);
    bed_commit(b, 1, 200000, 0, 0);
    bed_commit(b, 1, 200000, 0, 0);
    fault_init(&x, b->vfs);
    cubby__log_free(&b->log);
    MUST(cubby__log_new(&x.vfs, "/s", &b->ident, 0, &b->log, &b->err));
    start(b, &s, UINT64_MAX);
    ck_assert_int_eq(cubby__segscan_next(&s), 0);
    fault_set(&x, FAULT_PREAD, "00000001", 0, -EIO, 1);
    ck_assert_int_eq(cubby__segscan_next(&s), CUBBY_EIO);
    ck_assert_int_eq(b->err.sys_errno, EIO);
    ck_assert_int_eq(cubby__segscan_resync(&s), CUBBY_EIO);
    ck_assert_int_eq(cubby__segscan_nonzero(&s, s.pos + 150000, &off), CUBBY_EIO);
    x.rc = 0;
    ck_assert_int_eq(cubby__segscan_next(&s), 0);
    ck_assert_uint_eq(s.last_commit, 2);
    cubby__segscan_close(&s);
    bed_end(b);
}
END_TEST

/* The file is shorter than it was when the scan began: what is gone is no frame, and no zeros that could be cut off. */
START_TEST(a_file_that_shrinks)
{
    struct bed bed, *b = &bed;
    struct cubby__segscan s;
    uint64_t off;
    bed_begin(b);
    bed_commit(b, 1, 300000, 0, 0);
    start(b, &s, UINT64_MAX);
    bed_truncate(b, SEGMENT, b->frames + 100000);
    ck_assert_int_eq(cubby__segscan_next(&s), CUBBY_ECORRUPT);
    ck_assert_uint_eq(s.pos, b->frames);
    bed_truncate(b, SEGMENT, b->frames);
    MUST(cubby__segscan_nonzero(&s, b->frames + 200000, &off));
    ck_assert_uint_eq(off, UINT64_MAX);
    cubby__segscan_close(&s);
    bed_end(b);
}
END_TEST

/* Of the content that is skipped, too: nothing is passed over that cannot be read now. */
START_TEST(read_errors_of_what_is_skipped)
{
    struct bed bed, *b = &bed;
    struct fault x;
    struct cubby__segscan s;
    uint8_t type;
    bed_begin(b);
    bed_commit(b, 1, 200000, 0, 0); /* so long that it is read twice */
    bed_flip(b, SEGMENT, b->frames + CUBBY__FRAME_SIZE + 4, 1);
    fault_init(&x, b->vfs);
    cubby__log_free(&b->log);
    MUST(cubby__log_new(&x.vfs, "/s", &b->ident, 0, &b->log, &b->err));
    for (int after = 0; after < 2; after++) {
        start(b, &s, UINT64_MAX);
        fault_set(&x, FAULT_PREAD, "00000001", after, -EIO, 0);
        ck_assert_int_eq(cubby__segscan_skip(&s, &type), CUBBY_EIO);
        ck_assert(x.hits == 1 && s.pos == b->frames && type == 0);
        ck_assert_int_eq(cubby__segscan_skip(&s, &type), 0);
        ck_assert_uint_eq(s.pos, b->frames + cubby__frame_size(CUBBY__REC_OBJECT, 200000));
        cubby__segscan_close(&s);
    }
    start(b, &s, UINT64_MAX);
    bed_truncate(b, SEGMENT, b->frames + 8);
    ck_assert_int_eq(cubby__segscan_skip(&s, &type), CUBBY_DONE);
    ck_assert(s.pos == b->frames && type == 0);
    cubby__segscan_close(&s);
    bed_end(b);
}
END_TEST

UNIT_MAIN("log/segscan", whole, nothing_there, an_empty_record, torn_last_commit, a_flip_in_the_middle, holes_of_zeros, proofs,
          misplaced_and_malformed_frames, commits_out_of_chain, durable_of_a_broken_commit_counts, pieces_read_or_skipped, resync_verifies_payloads,
          no_frame_within_another, headers_that_claim_the_rest,
          damage_covered, content_skipped, frames_longer_than_the_window, limits, stale_bytes_are_no_frames, nonzero, read_errors,
          a_file_that_shrinks, read_errors_of_what_is_skipped)
