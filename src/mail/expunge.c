#include "mail/expunge.h"

#include "base/error.h"

static int flush(struct cubby__expunge_writer *w)
{
    int rc = cubby__txn_log_buf(w->txn, CUBBY__REC_EXPUNGE, &w->record);
    w->state.last = 0;
    return rc;
}

int cubby__expunge_add(struct cubby__expunge_writer *w, uint32_t first, uint32_t last)
{
    if (!w->record.len)
        cubby__expunge_head(w->folder, cubby__txn_now(w->txn), &w->record);
    cubby__range_put(&w->state, first, last, &w->record);
    if (w->record.failed)
        return cubby__fail_mem(cubby__txn_err(w->txn));
    return w->record.len < CUBBY__RECORD_SPLIT ? CUBBY_OK : flush(w);
}

int cubby__expunge_end(struct cubby__expunge_writer *w, int rc)
{
    if (!rc && w->record.len)
        return flush(w);
    cubby__buf_release(&w->record);
    return rc;
}
