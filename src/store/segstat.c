/* segstat.c - the segment keyspace: bytes of messages in each segment, kept exact by the record handlers. */
#include "base/error.h"
#include "base/key.h"
#include "base/varint.h"
#include "store/segstat.h"

static size_t key_of(uint8_t *key, uint32_t seg)
{
    key[0] = CUBBY__KS_SEGMENT;
    return 1 + cubby__keynum_put(key + 1, seg);
}

int cubby__segstat_decode(const uint8_t *p, size_t n, struct cubby__segstat *out)
{
    struct cubby__reader r = cubby__reader(p, n);
    out->live = cubby__read_varint(&r);
    out->retained = cubby__read_varint(&r);
    return r.bad ? CUBBY_ECORRUPT : 0;
}

int cubby__txn_account(struct cubby__txn *txn, uint32_t seg, int64_t live, int64_t retained)
{
    uint8_t key[16], value[CUBBY__TREE_VALUE_MAX];
    size_t key_len = key_of(key, seg), len;
    struct cubby__segstat st = {0};
    int rc = cubby__view_get(&txn->view, key, key_len, value, &len);
    if (rc < 0)
        return rc;
    if (rc == 0 && cubby__segstat_decode(value, len, &st) != 0)
        return cubby__fail(txn->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "the row of segment %u cannot be read", seg);
    st.live += (uint64_t)live;
    st.retained += (uint64_t)retained;
    len = cubby__varint_put(value, st.live);
    len += cubby__varint_put(value + len, st.retained);
    return cubby__txn_put(txn, key, key_len, value, len);
}

uint64_t cubby__live_bytes(struct cubby__store *s)
{
    static const uint8_t first[1] = {CUBBY__KS_SEGMENT};
    struct cubby__root root = cubby__published_root(&s->pending);
    struct cubby__cursor c;
    uint64_t live = 0;
    cubby__cursor_init(&c, s->pager, &root, NULL);
    for (int rc = cubby__cursor_seek(&c, first, 1); rc == 0; rc = cubby__cursor_next(&c)) {
        struct cubby__slice key = cubby__cursor_key(&c), value = cubby__cursor_value(&c);
        struct cubby__segstat st;
        if (key.p[0] != CUBBY__KS_SEGMENT)
            break;
        if (cubby__segstat_decode(value.p, value.n, &st) == 0)
            live += st.live;
    }
    cubby__cursor_release(&c);
    return live;
}
