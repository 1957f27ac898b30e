/* Two handles write in turn and make checkpoints, a third one holds snapshots across all of it: none of their pages is used again before it lets them go. */
#include "store/commit.h"
#include "unit/store/store_util.h"

enum { ROWS = 1500, ROUNDS = 60 };

static unsigned state;
static unsigned below(unsigned n)
{
    state = state * 1103515245 + 12345;
    return (state >> 8) % n;
}

/* One commit that changes some rows in a row. */
static void change(struct bed *b, struct cubby__store *s, unsigned most)
{
    struct cubby__txn *t;
    char key[16], value[64];
    unsigned from = below(ROWS), to = from + 1 + below(most);
    MUST(cubby__txn_begin(s, 0, &t, &b->err));
    for (unsigned i = from; i < to && i < ROWS; i++) {
        snprintf(key, sizeof key, "k%04u", i);
        int n = snprintf(value, sizeof value, "%u %u", i, below(1000000));
        MUST(kv_put(t, key, value, (size_t)n));
    }
    MUST(cubby__txn_commit(&t, NULL));
}

static void changes(struct bed *b, struct cubby__store *s, unsigned count, unsigned most)
{
    while (count--)
        change(b, s, most);
}

static void round_of(struct bed *b, struct cubby__store *const writers[2], struct cubby__store *reader)
{
    struct cubby__view first, v;
    struct cubby__store *one = writers[below(2)], *other = one == writers[0] ? writers[1] : writers[0];
    MUST(cubby__view_begin(reader, &first, &b->err));
    changes(b, one, below(6), 60);
    MUST(cubby__store_checkpoint(one, &b->err));
    change(b, one, 100);
    MUST(cubby__view_begin(reader, &v, &b->err));
    struct cubby__buf before = kv_dump_view(&v);
    changes(b, one, 1 + below(5), 800);
    MUST(cubby__store_checkpoint(one, &b->err));
    changes(b, one, below(12), 300);
    cubby__view_end(&first);
    changes(b, one, 2 + below(8), 100);
    changes(b, other, 1 + below(8), 900);
    same_rows(kv_dump_view(&v), before);
    cubby__view_end(&v);
}

START_TEST(across_checkpoints_and_turns)
{
    struct bed bed, *b = &bed;
    struct cubby__store *second, *reader;
    bed_init(b);
    b->o.checkpoint_bytes = 1u << 30;
    b->o.snapshot_max_ms = UINT32_MAX;
    b->o.cache_bytes = 1; /* what is read comes from the file */
    MUST(cubby__store_create("/s", &b->o, &kv_handlers, &b->err));
    bed_open(b);
    MUST(cubby__store_open("/s", &b->o, &kv_handlers, &second, &b->err));
    MUST(cubby__store_open("/s", &b->o, &kv_handlers, &reader, &b->err));
    kv_store_many(b, 0, ROWS, 20);
    struct cubby__store *const writers[2] = {b->s, second};
    state = 1;
    for (int i = 0; i < ROUNDS; i++)
        round_of(b, writers, reader);
    MUST(cubby__store_close(&second, &b->err));
    MUST(cubby__store_close(&reader, &b->err));
    bed_clean(b);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/older", across_checkpoints_and_turns)
