#include "mail/changes.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/key.h"
#include "mail/folder_row.h"

/* First byte of a value: the system flags of a message with CUBBY__HAS_KEYWORDS, or one of the others. */
#define VANISHED    0x40
#define FOLDER      0x80
#define FOLDER_GONE 0x81

size_t cubby__change_message(uint8_t *buf, const struct cubby__message_row *row)
{
    buf[0] = (uint8_t)(row->flags | (row->keywords.count ? CUBBY__HAS_KEYWORDS : 0));
    size_t n = 1 + cubby__varint_put(buf + 1, row->modseq - row->created);
    return row->keywords.count ? n + cubby__keywords_put(&row->keywords, buf + n) : n;
}

size_t cubby__change_vanished(uint8_t *buf, uint32_t first, uint32_t last)
{
    buf[0] = VANISHED;
    return 1 + cubby__varint_put(buf + 1, last - first);
}

size_t cubby__change_folder(uint8_t *buf, uint64_t modseq, uint64_t created, int deleted)
{
    buf[0] = deleted ? FOLDER_GONE : FOLDER;
    return deleted ? 1 : 1 + cubby__varint_put(buf + 1, modseq - created);
}

int cubby__change_decode(const uint8_t *p, size_t n, uint64_t modseq, uint32_t first, struct cubby__keywords *k, cubby_change *out)
{
    struct cubby__reader r = cubby__reader(p, n);
    const uint8_t *head = cubby__read_bytes(&r, 1);
    if (!head)
        return CUBBY_ECORRUPT;
    memset(out, 0, sizeof *out);
    out->uid = out->uid_last = first;
    out->modseq = modseq;
    out->exact = 1;
    k->count = 0;
    if (*head == VANISHED) {
        out->kind = CUBBY_CHANGE_VANISHED;
        out->uid_last = first + (uint32_t)cubby__read_max(&r, CUBBY__UID_MAX - first);
        return !cubby__read_complete(&r) || !first ? CUBBY_ECORRUPT : CUBBY_OK;
    }
    if (*head & ~(CUBBY_FLAGS_ALL | CUBBY__HAS_KEYWORDS))
        return CUBBY_ECORRUPT;
    out->kind = CUBBY_CHANGE_NEW;
    out->flags = *head & CUBBY_FLAGS_ALL;
    out->created_modseq = modseq - cubby__read_max(&r, modseq);
    if (*head & CUBBY__HAS_KEYWORDS)
        cubby__keywords_read(&r, k);
    out->keywords = k->id;
    out->keyword_count = k->count;
    return cubby__read_complete(&r) ? CUBBY_OK : CUBBY_ECORRUPT;
}

int cubby__changes_open(struct cubby__view *view, uint64_t folder, uint64_t since, struct cubby__changes *c)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    int rc = cubby__folder_row_need(view, folder, buf, &row);
    if (rc)
        return rc;
    c->prefix[0] = CUBBY__KS_CHANGE;
    c->prefix_len = 1 + cubby__keynum_put(c->prefix + 1, folder);
    c->since = since;
    c->exact = since >= row.tombstone_floor;
    c->started = since >= row.highestmodseq ? -1 : 0; /* nothing to look for */
    cubby__view_cursor(view, &c->cursor);
    return CUBBY_OK;
}

/* To the first change behind since, or the next one. */
static int advance(struct cubby__changes *c)
{
    uint8_t key[sizeof c->prefix + CUBBY__KEYNUM_MAX];
    if (c->started < 0)
        return CUBBY_DONE;
    if (c->started)
        return cubby__cursor_next(&c->cursor);
    c->started = 1;
    memcpy(key, c->prefix, c->prefix_len);
    return cubby__cursor_seek(&c->cursor, key, c->prefix_len + cubby__keynum_put(key + c->prefix_len, c->since + 1));
}

int cubby__changes_next(struct cubby__changes *c, cubby_change *out)
{
    uint64_t modseq;
    int rc = advance(c);
    if (rc)
        return rc;
    struct cubby__slice k = cubby__cursor_key(&c->cursor), v = cubby__cursor_value(&c->cursor);
    if (k.n < c->prefix_len || memcmp(k.p, c->prefix, c->prefix_len) != 0) {
        c->started = -1;
        return CUBBY_DONE;
    }
    size_t n = cubby__keynum_get(k.p + c->prefix_len, k.n - c->prefix_len, &modseq);
    if (!n || k.n != c->prefix_len + n + 4 ||
        cubby__change_decode(v.p, v.n, modseq, cubby__get32be(k.p + c->prefix_len + n), &c->keywords, out))
        return cubby__fail(c->cursor.err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "a change row breaks its format");
    if (out->kind == CUBBY_CHANGE_VANISHED)
        out->exact = c->exact;
    else
        out->kind = out->created_modseq > c->since ? CUBBY_CHANGE_NEW : CUBBY_CHANGE_FLAGS;
    return CUBBY_OK;
}

void cubby__changes_close(struct cubby__changes *c)
{
    cubby__cursor_release(&c->cursor);
}
