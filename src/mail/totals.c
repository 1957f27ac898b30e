#include "mail/totals.h"

#include "base/error.h"
#include "mail/row.h"

static int add(struct cubby__view *view, struct cubby__slice value, uint64_t *objects, uint64_t *bytes)
{
    struct cubby__object_row row;
    if (cubby__object_row_decode(value.p, value.n, &row))
        return cubby__fail(view->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "the row of an object breaks its format");
    if (row.refs) {
        *objects += 1;
        *bytes += row.original;
    }
    return 0;
}

int cubby__object_totals(struct cubby__view *view, uint64_t *objects, uint64_t *original_bytes)
{
    static const uint8_t prefix = CUBBY__KS_OBJECT;
    struct cubby__cursor c;
    *objects = *original_bytes = 0;
    cubby__view_cursor(view, &c);
    int rc = cubby__cursor_seek(&c, &prefix, 1);
    while (!rc && cubby__cursor_key(&c).p[0] == prefix) {
        rc = add(view, cubby__cursor_value(&c), objects, original_bytes);
        if (!rc)
            rc = cubby__cursor_next(&c);
    }
    cubby__cursor_release(&c);
    return rc < 0 ? rc : 0;
}
