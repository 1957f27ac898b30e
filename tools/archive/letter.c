#include "archive/letter.h"

#include <string.h>

#include "archive/digest.h"
#include "archive/field.h"
#include "archive/state.h"

/* The date stands behind the last ';' of Received. */
static int received_date(const struct field *f, struct letter *out)
{
    const char *semi = memrchr(f->value, ';', f->value_len);
    return semi && cubby_date_parse(semi + 1, (size_t)(f->value + f->value_len - semi) - 1, &out->date, &out->zone) == 0;
}

static int header_date(const char *head, size_t n, struct letter *out)
{
    struct field f;
    if (field_find(head, n, "Received", &f) && received_date(&f, out))
        return 1;
    return field_find(head, n, "Date", &f) && cubby_date_parse(f.value, f.value_len, &out->date, &out->zone) == 0;
}

void letter_state(const char *head, size_t n, struct reader_item *item, struct block *block, int labels, struct letter *out)
{
    if (block) {
        out->restored = 1;
        out->has_date = 1;
        out->date = block->date;
        out->zone = block->zone;
        out->uid = block->uid;
        out->flags = block->flags;
        block->flags = (struct cli_flags)CLI_FLAGS_INIT;
        return;
    }
    out->uid = item->uid;
    out->flags = item->flags;
    item->flags = (struct cli_flags)CLI_FLAGS_INIT;
    if (!item->has_flags)
        state_of_header(head, n, &out->flags);
    labels_of_header(head, n, labels, &out->flags, &out->labels);
    if (item->has_date) {
        out->has_date = 1;
        out->date = item->date;
        out->zone = item->zone;
    } else {
        out->has_date = header_date(head, n, out);
    }
}

/* Takes the block off if what is behind it is what it was written for. */
static int without_block(const uint8_t *raw, size_t n, struct block *b, struct letter *out)
{
    const uint8_t *p = raw + b->len;
    size_t left = n - b->len, cut = (size_t)b->added;
    if (left < cut || (cut && memcmp(p + left - cut, cut == 2 ? "\r\n" : "\n", cut) != 0))
        return 0;
    digest_of(p, left - cut, out->hash);
    if (memcmp(out->hash, b->hash, sizeof b->hash) != 0)
        return 0;
    out->p = p;
    out->n = left - cut;
    return 1;
}

void letter_decode(const uint8_t *raw, size_t n, struct reader_item *item, int labels, struct letter *out)
{
    struct block b;
    *out = (struct letter){.p = raw, .n = n};
    int has = block_parse((const char *)raw, n, &b);
    if (has && without_block(raw, n, &b, out)) {
        letter_state(NULL, 0, item, &b, labels, out);
        return;
    }
    if (has)
        cli_flags_release(&b.flags);
    digest_of(raw, n, out->hash);
    letter_state((const char *)raw, n, item, NULL, labels, out);
}

void letter_release(struct letter *l)
{
    cli_flags_release(&l->flags);
    labels_release(&l->labels);
}
