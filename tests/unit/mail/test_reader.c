#include "mail/reader.h"

#include <stdio.h>

#include "unit/mail/msg_fixture.h"
#include "unit/mail/nasty.h"

struct open_message {
    struct fixture f;
    struct cubby__view view;
    struct cubby__msgreader r;
};

static void begin(struct open_message *m, const void *p, size_t n)
{
    struct fixture *f = &m->f;
    fixture_begin(f);
    uint32_t uid = fixture_add(f, p, n, NULL);
    must(cubby__view_begin(f->s, &m->view, &f->err));
    must(cubby__msgreader_open(&m->r, &m->view, f->inbox, uid));
    ck_assert_uint_eq(m->r.fetch.object.size, n);
}

static void end(struct open_message *m)
{
    cubby__msgreader_close(&m->r);
    cubby__view_end(&m->view);
    fixture_end(&m->f);
}

static void check_range(struct open_message *m, const uint8_t *p, size_t n, size_t off, size_t len)
{
    struct fixture *f = &m->f;
    uint8_t *buf = malloc(len ? len : 1); /* its own, so that a sanitizer sees every step outside */
    size_t got, want = off >= n ? 0 : len < n - off ? len : n - off;
    must(cubby__msgreader_read(&m->r, off, buf, len, &got));
    ck_assert_uint_eq(got, want);
    if (want)
        ck_assert_mem_eq(buf, p + off, want);
    free(buf);
}

START_TEST(every_range)
{
    for (size_t i = 0; i < NASTY_SMALL; i++) {
        struct open_message m;
        const uint8_t *p = (const uint8_t *)nasty_small[i].bytes;
        size_t n = nasty_small[i].len;
        begin(&m, p, n);
        for (size_t off = 0; off <= n + 1; off++)
            for (size_t len = 0; len <= n + 1; len++)
                check_range(&m, p, n, off, len);
        ck_assert_int_eq(cubby__msgreader_verify(&m.r), 0);
        end(&m);
    }
}
END_TEST

/* All ranges between the borders, one byte more or less, and some others. */
START_TEST(ranges_of_large_ones)
{
    for (int i = 0; i < NASTY_LARGE; i++) {
        struct open_message m;
        struct cubby__buf b = nasty_large(i);
        begin(&m, b.data, b.len);
        uint64_t stored = m.r.fetch.object.stored_header;
        size_t edges[64], count = 0;
        for (uint64_t e = 0; e <= b.len && count < 60; e = e ? e + CUBBY__PIECE_MAX : stored ? stored : CUBBY__PIECE_MAX)
            for (int d = -1; d <= 1; d++)
                edges[count++] = (size_t)((int64_t)e + d < 0 ? 0 : (int64_t)e + d);
        edges[count++] = b.len;
        for (size_t x = 0; x < count; x++)
            for (size_t y = 0; y < count; y += 1 + (x & 1))
                if (edges[y] >= edges[x])
                    check_range(&m, b.data, b.len, edges[x], edges[y] - edges[x]);
        for (int k = 0; k < 300; k++)
            check_range(&m, b.data, b.len, (nasty_byte() << 16 | nasty_byte() << 8 | nasty_byte()) % (b.len + 1), nasty_byte() << (k % 12));
        ck_assert_int_eq(cubby__msgreader_verify(&m.r), 0);
        end(&m);
        cubby__buf_release(&b);
    }
}
END_TEST

static uint64_t body_reads(struct fixture *f)
{
    cubby_stat stat = {0};
    must(cubby__store_get_stat(f->s, &stat, &f->err));
    return stat.body_reads;
}

START_TEST(reads_only_what_it_needs)
{
    struct open_message m;
    struct cubby__buf b = nasty_large(7); /* seven pieces */
    begin(&m, b.data, b.len);
    uint64_t before = body_reads(&m.f), stored = m.r.fetch.object.stored_header;
    check_range(&m, b.data, b.len, 0, stored);
    ck_assert_uint_eq(body_reads(&m.f) - before, 0);
    check_range(&m, b.data, b.len, stored + 3 * CUBBY__PIECE_MAX + 5, 100);
    check_range(&m, b.data, b.len, stored + 3 * CUBBY__PIECE_MAX + 105, 1000); /* the same piece: kept */
    ck_assert_uint_eq(body_reads(&m.f) - before, 1);
    check_range(&m, b.data, b.len, stored + 4 * CUBBY__PIECE_MAX - 1, 2);
    ck_assert_uint_eq(body_reads(&m.f) - before, 2);
    end(&m);
    cubby__buf_release(&b);
}
END_TEST

START_TEST(what_is_not_there)
{
    struct fixture fx, *f = &fx;
    struct cubby__view view;
    struct cubby__msgreader r;
    fixture_begin(f);
    uint32_t uid = fixture_add(f, "x", 1, NULL);
    must(cubby__view_begin(f->s, &view, &f->err));
    ck_assert_int_eq(cubby__msgreader_open(&r, &view, f->inbox, uid + 1), CUBBY_DONE);
    ck_assert_int_eq(cubby__msgreader_open(&r, &view, f->inbox + 99, uid), CUBBY_ENOENT);
    cubby__view_end(&view);
    fixture_end(f);
}
END_TEST

/* The place of body piece i. */
static struct cubby__place place_of(struct open_message *m, size_t i)
{
    struct fixture *f = &m->f;
    struct cubby__piece_ref ref;
    struct cubby__piece_row row;
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t pos = 0, len;
    for (size_t k = 0; k <= i; k++)
        ck_assert_int_eq(cubby__object_piece(&m->r.fetch.object, &pos, &ref), 1);
    must(cubby__view_get(&m->view, key, cubby__key_piece(key, ref.id), value, &len));
    must(cubby__piece_row_decode(value, len, &row));
    return row.place;
}

START_TEST(damage_is_named_and_bounded)
{
    struct open_message m;
    struct cubby__buf b = nasty_large(7);
    char path[80], name[64];
    begin(&m, b.data, b.len);
    struct cubby__place place = place_of(&m, 2);
    snprintf(name, sizeof name, "segments/%08u.seg", place.seg);
    snprintf(path, sizeof path, "/s/%s", name);
    fixture_damage(&m.f, path, place.off + CUBBY__PIECE_FRAME_SIZE + place.len / 2);
    size_t got, good = m.r.fetch.object.stored_header + 2 * CUBBY__PIECE_MAX;
    uint8_t *buf = malloc(b.len);
    ck_assert_int_eq(cubby__msgreader_read(&m.r, 0, buf, b.len, &got), CUBBY_ECORRUPT);
    ck_assert_uint_eq(got, good);
    ck_assert_mem_eq(buf, b.data, good);
    ck_assert_str_eq(m.f.err.path, name);
    ck_assert_uint_eq(m.f.err.offset, place.off);
    ck_assert_ptr_nonnull(strstr(m.f.err.message, "uid 1)"));
    check_range(&m, b.data, b.len, good + CUBBY__PIECE_MAX, 1000); /* what lies behind is good */
    ck_assert_int_eq(cubby__msgreader_verify(&m.r), CUBBY_ECORRUPT);
    ck_assert_int_eq(m.r.mismatch, 0);
    free(buf);
    end(&m);
    cubby__buf_release(&b);
}
END_TEST

START_TEST(wrong_hash_is_found)
{
    struct open_message m;
    begin(&m, "Subject: x\n\nbody\n", 17);
    m.r.fetch.object.hash[3] ^= 1;
    ck_assert_int_eq(cubby__msgreader_verify(&m.r), CUBBY_ECORRUPT);
    ck_assert_int_eq(m.r.mismatch, 1);
    end(&m);
}
END_TEST

START_TEST(parts)
{
    static const char text[] = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: text/html\n\ntwo\n--b--\n";
    struct open_message m;
    struct fixture *f = &m.f;
    const cubby_part *p;
    size_t count;
    begin(&m, text, sizeof text - 1);
    must(cubby__msgreader_parts(&m.r, &p, &count));
    ck_assert_uint_eq(count, 3);
    ck_assert_uint_eq(p[0].kind, CUBBY_PART_MULTIPART);
    ck_assert_mem_eq(text + p[2].body_offset, "two", 3);
    ck_assert_mem_eq(p[2].fields, "Content-Type: text/html", 23);
    end(&m);
}
END_TEST

UNIT_MAIN("mail/reader", every_range, ranges_of_large_ones, reads_only_what_it_needs, what_is_not_there, damage_is_named_and_bounded,
          wrong_hash_is_found, parts)
