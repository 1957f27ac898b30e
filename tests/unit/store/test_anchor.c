/* Writers that take over from one another beside readers that never all pause: pages are used again all the same, and no reader sees it (anchor.c). */
#include "unit/store/store_util.h"

enum { ROWS = 400, WRITERS = 3, READERS = 6, COMMITS = 1500 };

struct reader {
    struct cubby__view view;
    struct cubby__buf want;
};

struct scene {
    struct bed bed;
    struct cubby__store *writer[WRITERS], *beside;
    struct reader reader[READERS];
    uint64_t rng;
};

static uint64_t next(struct scene *c, uint64_t n)
{
    c->rng = c->rng * 6364136223846793005u + 1442695040888963407u;
    return (c->rng >> 33) % n;
}

static struct cubby__store *another(struct bed *b, unsigned flags)
{
    struct cubby__store *s;
    cubby_options o = b->o;
    o.flags = flags;
    o.cache_bytes = 1; /* the file is read */
    MUST(cubby__store_open("/s", &o, &kv_handlers, &s, &b->err));
    return s;
}

static void begin_reader(struct scene *c, struct reader *r)
{
    struct bed *b = &c->bed;
    MUST(cubby__view_begin(c->beside, &r->view, &b->err));
    r->want = kv_dump_view(&r->view);
}

static void end_reader(struct reader *r)
{
    same_rows(r->want, kv_dump_view(&r->view));
    cubby__view_end(&r->view);
}

static void scene_begin(struct scene *c, uint32_t checkpoint_bytes)
{
    struct bed *b = &c->bed;
    memset(c, 0, sizeof *c);
    c->rng = checkpoint_bytes + 1;
    bed_begin_with(b, 64 << 20, checkpoint_bytes);
    kv_store_many(b, 0, ROWS, 100);
    for (int i = 1; i < WRITERS; i++)
        c->writer[i] = another(b, 0);
    c->writer[0] = b->s;
    c->beside = another(b, CUBBY_READ_ONLY);
    ck_assert_int_ge(c->beside->slot, 0);
    for (int i = 0; i < READERS; i++)
        begin_reader(c, &c->reader[i]);
}

static void one_commit(struct scene *c, struct cubby__store *s)
{
    char key[16], value[40];
    snprintf(key, sizeof key, "k%04d", (int)next(c, ROWS));
    snprintf(value, sizeof value, "%llu", (unsigned long long)c->rng);
    struct bed *b = &c->bed;
    MUST(kv_store_in(s, key, value, 0, NULL, &b->err));
}

/* One reader ends and begins anew: there are always some that are older than the last commits. */
static void next_reader(struct scene *c, int i)
{
    end_reader(&c->reader[i % READERS]);
    begin_reader(c, &c->reader[i % READERS]);
}

static void scene_end(struct scene *c)
{
    struct bed *b = &c->bed;
    for (int i = 0; i < READERS; i++)
        end_reader(&c->reader[i]);
    MUST(cubby__store_close(&c->beside, &b->err));
    for (int i = 1; i < WRITERS; i++)
        MUST(cubby__store_close(&c->writer[i], &b->err));
    ck_assert_str_eq(b->notice, "");
    ck_assert_int_eq(cubby__pager_damaged(b->s->pager), 0);
    bed_rebuild_is_equal(b);
    bed_clean(b);
    bed_end(b);
}

static uint64_t index_pages(struct scene *c)
{
    return bed_size(&c->bed, "/s/index") / CUBBY__PAGE_SIZE;
}

START_TEST(takeovers_beside_readers)
{
    static const uint32_t checkpoints[] = {0, 3000, 100000};
    for (int n = 0; n < 3; n++) {
        struct scene c;
        scene_begin(&c, checkpoints[n]);
        uint64_t before = index_pages(&c);
        for (int i = 0; i < COMMITS; i++) {
            one_commit(&c, c.writer[i % WRITERS]);
            next_reader(&c, i);
        }
        ck_assert_uint_lt(index_pages(&c), 4 * before + 50); /* some 5,000 without anchors */
        scene_end(&c);
    }
}
END_TEST

/* One reader that stays holds what died since, and gives it back. */
START_TEST(a_reader_that_stays)
{
    struct scene c;
    struct reader old;
    scene_begin(&c, 3000);
    begin_reader(&c, &old);
    for (int i = 0; i < 300; i++) {
        one_commit(&c, c.writer[next(&c, WRITERS)]);
        next_reader(&c, i);
    }
    end_reader(&old);
    uint64_t held = index_pages(&c);
    for (int i = 0; i < COMMITS; i++) {
        one_commit(&c, c.writer[next(&c, WRITERS)]);
        next_reader(&c, i);
    }
    ck_assert_uint_lt(index_pages(&c), held + 20);
    scene_end(&c);
}
END_TEST

/* Bursts, readers that come and go as they like, and a writer that dies while it moves the anchors. */
START_TEST(anchors_that_are_lost)
{
    struct scene c;
    scene_begin(&c, 3000);
    for (int i = 0; i < COMMITS; i++) {
        struct cubby__store *s = c.writer[next(&c, WRITERS)];
        for (uint64_t n = next(&c, 6); n; n--)
            one_commit(&c, s);
        for (uint64_t n = next(&c, 3); n; n--)
            next_reader(&c, (int)next(&c, READERS));
        if (next(&c, 50) == 0)
            cubby__shared_set(s, CUBBY__SHARED_ANCHORS_OFF, 0);
    }
    struct cubby__root a[CUBBY__ANCHORS];
    one_commit(&c, c.writer[0]);
    ck_assert_uint_eq(cubby__anchors(c.writer[0], a), 2);
    ck_assert_uint_le(a[0].commit, a[1].commit);
    scene_end(&c);
}
END_TEST

/* With nobody reading nothing is kept for others: the anchors are what is published. */
START_TEST(without_readers)
{
    struct scene c;
    struct cubby__root a[CUBBY__ANCHORS];
    scene_begin(&c, 0);
    for (int i = 0; i < READERS; i++)
        end_reader(&c.reader[i]);
    for (int i = 0; i < 10; i++) {
        one_commit(&c, c.writer[0]);
        ck_assert_uint_eq(cubby__anchors(c.writer[1], a), 2);
        ck_assert_uint_eq(a[0].commit, c.writer[0]->pending.commit - 1);
        ck_assert_uint_eq(a[1].commit, a[0].commit);
    }
    for (int i = 0; i < READERS; i++)
        begin_reader(&c, &c.reader[i]);
    scene_end(&c);
}
END_TEST

UNIT_MAIN("store/anchor", takeovers_beside_readers, a_reader_that_stays, anchors_that_are_lost, without_readers)
