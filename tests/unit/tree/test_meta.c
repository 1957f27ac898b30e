#include "unit/tree/tree_util.h"

static struct cubby__meta meta(uint64_t seq)
{
    return (struct cubby__meta){.nonce = 77, .seq = seq, .commit = 100 + seq, .chain = 3, .seg = 4, .seg_nonce = 5, .seg_end = 6, .pages = 50,
                                .ceiling = 8, .root = {.page = 9, .sum = 10, .level = 2}};
}

/* A new file says which one it is, and has no checkpoint; a damaged slot beside that is damage. */
START_TEST(a_label)
{
    struct disk d;
    struct cubby__meta m;
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    cubby__pager_close(&p);
    struct cubby__pager_config config = disk_config(&d, 0);
    config.nonce = 0;
    ck_assert_int_eq(cubby__pager_open(&config, &p, NULL), 0);
    ck_assert_int_eq(cubby__meta_read(p, &m, NULL), CUBBY_DONE);
    ck_assert_uint_eq(m.nonce, 77);
    ck_assert_uint_eq(m.commit, 0);
    ck_assert_uint_eq(cubby__pager_nonce(p), 77);
    disk_poke(&d, CUBBY__PAGE_SIZE, "junk", 4);
    ck_assert_int_eq(cubby__meta_read(p, &m, NULL), CUBBY_ECORRUPT);
    m = meta(1);
    ck_assert_int_eq(cubby__meta_write(p, &m, NULL), 0);
    ck_assert_int_eq(cubby__meta_read(p, &m, NULL), 0); /* the label stands in the other slot */
    ck_assert_uint_eq(m.seq, 1);
    ck_assert_int_eq(m.bad_slots, 0);
    ck_assert_uint_eq(m.older.page, 0);
    disk_poke(&d, 0, (uint8_t[2 * CUBBY__PAGE_SIZE]){0}, 2 * CUBBY__PAGE_SIZE);
    ck_assert_int_eq(cubby__meta_read(p, &m, NULL), CUBBY_DONE); /* a file of before */
    ck_assert_uint_eq(m.nonce, 0);
    ck_assert_uint_eq(cubby__pager_nonce(p), 77);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

static void write_meta(struct cubby__pager *p, uint64_t seq)
{
    struct cubby__meta m = meta(seq);
    ck_assert_int_eq(cubby__meta_write(p, &m, NULL), 0);
}

static int read_meta(struct disk *d, struct cubby__meta *m)
{
    struct cubby__pager *p = disk_pager(d, 0);
    int rc = cubby__meta_read(p, m, NULL);
    cubby__pager_close(&p);
    return rc;
}

START_TEST(round_trip)
{
    struct disk d;
    struct cubby__meta m = {0};
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    write_meta(p, 7);
    cubby__pager_close(&p);
    disk_poke(&d, 50 * CUBBY__PAGE_SIZE - 1, "", 1);
    ck_assert_int_eq(read_meta(&d, &m), 0);
    ck_assert(m.nonce == 77 && m.seq == 7 && m.commit == 107 && m.chain == 3 && m.seg == 4 && m.seg_nonce == 5 && m.seg_end == 6);
    ck_assert(m.pages == 50 && m.ceiling == 8);
    ck_assert(m.root.page == 9 && m.root.sum == 10 && m.root.level == 2 && m.root.commit == 107);
    disk_release(&d);
}
END_TEST

/* A forged number of pages made the pager ask for gigabytes. */
START_TEST(pages_behind_the_file)
{
    struct disk d;
    struct cubby__meta m = {0};
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    write_meta(p, 7);
    ck_assert_int_eq(cubby__meta_read(p, &m, NULL), 0);
    ck_assert(m.pages == CUBBY__META_SLOTS && m.root.page == 9);
    cubby__pager_close(&p);
    disk_poke(&d, 20 * CUBBY__PAGE_SIZE, "", 1); /* a part of a page counts */
    ck_assert_int_eq(read_meta(&d, &m), 0);
    ck_assert_uint_eq(m.pages, 21);
    disk_release(&d);
}
END_TEST

START_TEST(the_newer_one_counts)
{
    struct disk d;
    struct cubby__meta m;
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    for (uint64_t seq = 1; seq < 6; seq++) {
        write_meta(p, seq);
        ck_assert_int_eq(read_meta(&d, &m), 0);
        ck_assert_uint_eq(m.seq, seq);
        ck_assert_int_eq(m.older.page != 0, seq > 1);
        ck_assert_uint_eq(m.older.commit, seq > 1 ? m.commit - 1 : 0);
    }
    disk_flip(&d, 4096 + 50, 1); /* slot 1 holds 5 */
    ck_assert_int_eq(read_meta(&d, &m), 0);
    ck_assert_uint_eq(m.seq, 4);
    ck_assert_uint_eq(m.older.page, 0);
    disk_flip(&d, 50, 1);
    ck_assert_int_eq(read_meta(&d, &m), CUBBY_ECORRUPT);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

START_TEST(every_flipped_byte_is_found)
{
    struct disk d;
    struct cubby__meta m;
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    write_meta(p, 2);
    for (uint64_t off = 0; off < CUBBY__META_SIZE; off++) {
        disk_flip(&d, off, 0x10);
        ck_assert_int_eq(read_meta(&d, &m), CUBBY_ECORRUPT);
        disk_flip(&d, off, 0x10);
    }
    disk_flip(&d, CUBBY__META_SIZE, 1); /* unused */
    ck_assert_int_eq(read_meta(&d, &m), 0);
    for (uint64_t size = CUBBY__META_SIZE - 1; size > 0; size--) {
        disk_truncate(&d, size);
        ck_assert_int_eq(read_meta(&d, &m), CUBBY_ECORRUPT);
    }
    disk_truncate(&d, 0);
    ck_assert_int_eq(read_meta(&d, &m), CUBBY_DONE);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

/* A slot that verifies and must not be believed. */
static int read_forged(unsigned off, unsigned width, uint64_t value)
{
    struct disk d;
    struct cubby__meta m;
    uint8_t s[CUBBY__META_SIZE];
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    write_meta(p, 2);
    cubby__pager_close(&p);
    disk_peek(&d, 0, s, sizeof s);
    if (width == 4)
        cubby__put32(s + off, (uint32_t)value);
    else
        cubby__put64(s + off, value);
    cubby__put64(s + CUBBY__META_CHECKSUM_OFF, cubby__hash64(s, CUBBY__META_CHECKSUM_OFF, SALT));
    disk_poke(&d, 0, s, sizeof s);
    int rc = read_meta(&d, &m);
    disk_release(&d);
    return rc;
}

START_TEST(forged_slots)
{
    ck_assert_int_eq(read_forged(CUBBY__META_CHAIN_OFF, 8, 1), 0); /* the forging itself works */
    ck_assert_int_eq(read_forged(CUBBY__META_VERSION_OFF, 4, 2), CUBBY_EVERSION);
    ck_assert_int_eq(read_forged(CUBBY__META_UUID_OFF, 8, 1), CUBBY_ECORRUPT);
    ck_assert_int_eq(read_forged(CUBBY__META_SEQ_OFF, 8, 3), CUBBY_ECORRUPT); /* in the wrong slot */
    ck_assert_int_eq(read_forged(CUBBY__META_COMMIT_OFF, 8, CUBBY__NUMBER_MAX), 0);
    ck_assert_int_eq(read_forged(CUBBY__META_COMMIT_OFF, 8, CUBBY__NUMBER_MAX + 1ull), CUBBY_ECORRUPT);
    ck_assert_int_eq(read_forged(CUBBY__META_CEILING_OFF, 8, CUBBY__NUMBER_MAX + 1ull), CUBBY_ECORRUPT);
    ck_assert_int_eq(read_forged(CUBBY__META_ROOT_OFF, 8, 1), CUBBY_ECORRUPT);
    ck_assert_int_eq(read_forged(CUBBY__META_ROOT_OFF, 8, 50), CUBBY_ECORRUPT); /* behind the pages in use */
    ck_assert_int_eq(read_forged(CUBBY__META_ROOT_OFF, 8, 0), CUBBY_ECORRUPT);  /* empty, and yet with a level */
    ck_assert_int_eq(read_forged(CUBBY__META_ROOT_SUM_OFF, 8, 0), CUBBY_ECORRUPT);
    ck_assert_int_eq(read_forged(CUBBY__META_LEVEL_OFF, 4, CUBBY__TREE_DEPTH_MAX), CUBBY_ECORRUPT);
    ck_assert_int_eq(read_forged(CUBBY__META_PAGES_OFF, 8, 1), CUBBY_ECORRUPT);
}
END_TEST

START_TEST(order_of_a_checkpoint)
{
    struct disk d;
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    struct cubby__meta m = meta(2), old;
    write_meta(p, 1);
    d.syncs = d.writes = 0;
    ck_assert_int_eq(cubby__meta_write(p, &m, NULL), 0);
    ck_assert_int_eq(d.syncs, 2);
    ck_assert_int_eq(d.writes, 1);
    m = meta(3);
    d.syncs_left = 0; /* the pages did not get there: the slot must not be written */
    ck_assert_int_eq(cubby__meta_write(p, &m, NULL), CUBBY_EIO);
    ck_assert_int_eq(d.writes, 1);
    ck_assert_int_eq(read_meta(&d, &old), 0);
    ck_assert_uint_eq(old.seq, 2);
    d.syncs_left = 1;
    ck_assert_int_eq(cubby__meta_write(p, &m, NULL), CUBBY_EIO); /* the slot may or may not have got there */
    d.syncs_left = -1;
    d.writes_left = 0;
    ck_assert_int_eq(cubby__meta_write(p, &m, NULL), CUBBY_ENOSPC);
    d.writes_left = -1;
    d.reads_left = 1;
    ck_assert_int_eq(read_meta(&d, &old), CUBBY_EIO);
    d.reads_left = -1;
    m.root.sum = 0; /* not flushed */
    ck_assert_int_eq(cubby__meta_write(p, &m, NULL), CUBBY_EINVAL);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

UNIT_MAIN("tree/meta", a_label, round_trip, pages_behind_the_file, the_newer_one_counts, every_flipped_byte_is_found, forged_slots, order_of_a_checkpoint)
