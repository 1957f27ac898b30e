#include "mail/fetch.h"

#include "mail/row.h"
#include "unit/mail/msg_fixture.h"

static const char text[] = "Received: by x\nSubject: a subject that is long enough for the dictionary\nFrom: somebody@example.org\n"
                           "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\none\n--b\n\ntwo\n--b--\n";

static struct cubby__place place_of(struct fixture *f, struct cubby__view *view, uint64_t object)
{
    struct cubby__object_row row;
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t len;
    must(cubby__view_get(view, key, cubby__key_object(key, object), value, &len));
    must(cubby__object_row_decode(value, len, &row));
    return row.place;
}

/* A transaction with the message in it; *object is its id. */
static struct cubby__txn *begin(struct fixture *f, uint64_t *object)
{
    struct cubby__txn *txn;
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    fixture_feed(f, text, sizeof text - 1, 0);
    must(cubby__incoming_log(f->in, txn, ++f->token, object));
    return txn;
}

START_TEST(gives_header_and_parts)
{
    struct fixture fx, *f = &fx;
    struct cubby__fetch x;
    uint64_t object;
    const uint8_t *p;
    const cubby_part *parts;
    size_t n;
    fixture_begin(f);
    struct cubby__txn *txn = begin(f, &object);
    struct cubby__view *view = cubby__txn_view(txn);
    struct cubby__place place = place_of(f, view, object);
    cubby__fetch_init(&x, view);
    must(cubby__fetch_object(&x, object, &place));
    must(cubby__fetch_header(&x, &p, &n));
    ck_assert_uint_eq(n, (size_t)(strstr(text, "\n\n") + 2 - text));
    ck_assert_mem_eq(p, text, n);
    must(cubby__fetch_list(&x, &p, &n));
    ck_assert_mem_eq(p, strchr(text, '\n') + 1, n);
    must(cubby__fetch_parts(&x, &parts, &n));
    ck_assert_uint_eq(n, 3);
    ck_assert_int_eq(cubby__fetch_object(&x, object + 1, &place), CUBBY_ECORRUPT); /* it is not that one */
    place.off += 8;
    ck_assert_int_eq(cubby__fetch_object(&x, object, &place), CUBBY_ECORRUPT);
    cubby__fetch_release(&x);
    cubby__txn_abort(&txn);
    fixture_end(f);
}
END_TEST

START_TEST(a_piece_is_the_one_meant)
{
    struct fixture fx, *f = &fx;
    struct cubby__fetch x;
    uint64_t object;
    uint8_t out[sizeof text];
    struct cubby__piece_ref ref;
    size_t pos = 0;
    fixture_begin(f);
    struct cubby__txn *txn = begin(f, &object);
    struct cubby__view *view = cubby__txn_view(txn);
    struct cubby__place place = place_of(f, view, object);
    cubby__fetch_init(&x, view);
    must(cubby__fetch_object(&x, object, &place));
    ck_assert_int_eq(cubby__object_piece(&x.object, &pos, &ref), 1);
    must(cubby__fetch_piece(&x, &ref, CUBBY__PIECE_BODY, out));
    ck_assert_mem_eq(out, text + x.object.stored_header, ref.orig_len);
    ck_assert_int_eq(cubby__fetch_piece(&x, &ref, CUBBY__PIECE_REST, out), CUBBY_ECORRUPT);
    ref.orig_len--;
    ck_assert_int_eq(cubby__fetch_piece(&x, &ref, CUBBY__PIECE_BODY, out), CUBBY_ECORRUPT);
    ref.orig_len++, ref.id += 5;
    ck_assert_int_eq(cubby__fetch_piece(&x, &ref, CUBBY__PIECE_BODY, out), CUBBY_ECORRUPT);
    cubby__fetch_release(&x);
    cubby__txn_abort(&txn);
    fixture_end(f);
}
END_TEST

/* Whatever an OBJECT says whose checksums are right: ECORRUPT at worst. */
static void try_all(struct cubby__fetch *x, uint64_t id, const struct cubby__place *place)
{
    const uint8_t *p;
    const cubby_part *parts;
    size_t n, pos = 0;
    uint8_t *out = malloc(CUBBY__PIECE_MAX);
    struct cubby__piece_ref ref;
    int rc = cubby__fetch_object(x, id, place);
    ck_assert(rc == 0 || rc == CUBBY_ECORRUPT);
    if (!rc) {
        rc = cubby__fetch_list(x, &p, &n);
        ck_assert(rc == 0 || rc == CUBBY_ECORRUPT);
        rc = cubby__fetch_header(x, &p, &n);
        ck_assert(rc == 0 || rc == CUBBY_ECORRUPT);
        rc = cubby__fetch_parts(x, &parts, &n);
        ck_assert(rc == 0 || rc == CUBBY_ECORRUPT);
        for (int i = 0; i < 3 && cubby__object_piece(&x->object, &pos, &ref); i++) {
            rc = cubby__fetch_piece(x, &ref, CUBBY__PIECE_BODY, out);
            ck_assert(rc == 0 || rc == CUBBY_ECORRUPT);
        }
    }
    free(out);
}

START_TEST(hostile_objects)
{
    struct fixture fx, *f = &fx;
    uint64_t object, seed = 3;
    const uint8_t *payload;
    struct cubby__buf frame = CUBBY__BUF_INIT;
    int tried = 0;
    fixture_begin(f);
    struct cubby__txn *txn = begin(f, &object);
    struct cubby__place place = place_of(f, cubby__txn_view(txn), object);
    must(cubby__view_read(cubby__txn_view(txn), &place, CUBBY__REC_OBJECT, &frame, &payload, NULL));
    cubby__txn_abort(&txn);
    for (int i = 0; i < 5000; i++) {
        uint8_t bad[1024];
        struct cubby__fetch x;
        memcpy(bad, payload, place.len);
        txn = begin(f, &object); /* with the pieces that it names */
        for (int k = 0; k <= i % 4; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bad[1 + (seed >> 33) % (place.len - 1)] = (uint8_t)(seed >> 24);
        }
        bad[0] = (uint8_t)++object; /* another one, beside the sound one */
        /* The handler may refuse it; then there is nothing to read, and the transaction is spoiled. */
        if (!cubby__txn_log(txn, CUBBY__REC_OBJECT, 0, bad, place.len)) {
            struct cubby__place at = place_of(f, cubby__txn_view(txn), object);
            cubby__fetch_init(&x, cubby__txn_view(txn));
            try_all(&x, object, &at);
            cubby__fetch_release(&x);
            tried++;
        }
        cubby__txn_abort(&txn);
    }
    ck_assert_int_gt(tried, 1000);
    cubby__buf_release(&frame);
    fixture_end(f);
}
END_TEST

UNIT_MAIN("mail/fetch", gives_header_and_parts, a_piece_is_the_one_meant, hostile_objects)
