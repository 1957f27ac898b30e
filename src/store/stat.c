/* stat.c - figures about a store that are not counted per folder. */
#include <string.h>

#include "base/alloc.h"
#include "store/internal.h"
#include "store/segstat.h"
#include "store/stray.h"

static int add_segments(struct cubby__store *s, const struct cubby__published *p, cubby_stat *out, cubby_error *err)
{
    uint32_t *numbers;
    size_t count;
    int rc = cubby__segments(s, &numbers, &count, NULL, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        uint64_t size = p->seg_off;
        if (numbers[i] != p->seg)
            rc = cubby__log_size(s->log, numbers[i], &size, err);
        out->segment_bytes += size;
    }
    out->segments = rc == 0 ? count : 0;
    cubby__free(numbers);
    return rc;
}

static int add_rows(struct cubby__store *s, cubby_stat *out, cubby_error *err)
{
    static const uint8_t first[1] = {CUBBY__KS_SEGMENT};
    struct cubby__view view;
    struct cubby__cursor c;
    int rc = cubby__view_begin(s, &view, err);
    if (rc != 0)
        return rc;
    cubby__view_cursor(&view, &c);
    for (rc = cubby__cursor_seek(&c, first, 1); rc == 0; rc = cubby__cursor_next(&c)) {
        struct cubby__slice key = cubby__cursor_key(&c), value = cubby__cursor_value(&c);
        struct cubby__segstat st;
        if (key.p[0] != CUBBY__KS_SEGMENT)
            break;
        if (cubby__segstat_decode(value.p, value.n, &st) == 0) {
            out->live_bytes += st.live;
            out->retained_bytes += st.retained;
        }
    }
    cubby__cursor_release(&c);
    cubby__view_end(&view);
    return rc < 0 ? rc : 0;
}

int cubby__store_get_stat(struct cubby__store *s, cubby_stat *out, cubby_error *err)
{
    struct cubby__published p;
    struct cubby__pager_stat ps;
    memset(out, 0, sizeof *out);
    int child = cubby__refuse_child(s, err);
    if (child != 0)
        return child;
    int rc = cubby__still_here(s, err);
    if (rc == 0)
        rc = cubby__keep_up(s, err);
    if (rc != 0)
        return rc;
    memcpy(out->uuid, s->ident.uuid, sizeof out->uuid);
    pthread_mutex_lock(&s->v);
    cubby__read_published(s, &p);
    cubby__pager_get_stat(s->pager, &ps);
    pthread_mutex_unlock(&s->v);
    out->index_bytes = ps.pages * CUBBY__PAGE_SIZE;
    out->index_free_bytes = ps.free_pages * CUBBY__PAGE_SIZE;
    out->pages_written = ps.pages_written;
    out->last_commit = p.commit;
    out->checkpoint_commit = p.checkpoint_commit;
    out->syncs = atomic_load(&s->syncs);
    out->body_reads = atomic_load(&s->body_reads);
    rc = add_segments(s, &p, out, err);
    if (rc == 0)
        rc = add_rows(s, out, err);
    /* What is neither of a message in a folder nor of a retained one: records of state, headers, damage. */
    uint64_t kept = out->live_bytes + out->retained_bytes;
    out->dead_bytes = out->segment_bytes > kept ? out->segment_bytes - kept : 0;
    return rc;
}
