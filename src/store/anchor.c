/* anchor.c - two versions of the index that are kept for whoever takes over as writer (FORMAT.md 7.3).
 *
 * A handle that takes over does not know when pages died: it finds out by walking versions (tree/live.c). From the newest one alone it learns only that
 * a page is dead by now; so the page has to wait for the readers of every version before, and if another handle takes over while they read, for all
 * over again. So two versions are kept. The newer one stays until no reader is older; then it becomes the older one, and the version that is
 * published then is the newer. Whatever died before one of them was made is known, by everybody, to have died before it.
 *
 * They stand in the shared page, written with the writer lock held. The nonce of the index is written last and taken away first: a writer that dies in
 * between leaves no anchors. */
#include "store/internal.h"

enum { WORDS = 3, LEVEL_SHIFT = 56 };

static size_t word_of(int anchor, int i)
{
    return CUBBY__SHARED_ANCHORS_OFF + 8 * (size_t)(1 + WORDS * anchor + i);
}

size_t cubby__anchors(const struct cubby__store *s, struct cubby__root out[CUBBY__ANCHORS])
{
    if (cubby__shared_get(s, CUBBY__SHARED_ANCHORS_OFF) != cubby__pager_nonce(s->pager))
        return 0;
    for (int i = 0; i < CUBBY__ANCHORS; i++) {
        uint64_t page = cubby__shared_get(s, word_of(i, 1));
        out[i] = (struct cubby__root){.page = page & ((1ull << LEVEL_SHIFT) - 1), .sum = cubby__shared_get(s, word_of(i, 2)),
                                      .commit = cubby__shared_get(s, word_of(i, 0)), .level = (uint32_t)(page >> LEVEL_SHIFT)};
    }
    return CUBBY__ANCHORS;
}

static void store(struct cubby__store *s, const struct cubby__root a[CUBBY__ANCHORS])
{
    cubby__shared_set(s, CUBBY__SHARED_ANCHORS_OFF, 0);
    for (int i = 0; i < CUBBY__ANCHORS; i++) {
        cubby__shared_set(s, word_of(i, 0), a[i].commit);
        cubby__shared_set(s, word_of(i, 1), a[i].page | (uint64_t)a[i].level << LEVEL_SHIFT);
        cubby__shared_set(s, word_of(i, 2), a[i].sum);
    }
    cubby__shared_set(s, CUBBY__SHARED_ANCHORS_OFF, cubby__pager_nonce(s->pager));
}

void cubby__anchors_move(struct cubby__store *s, const struct cubby__published *p, uint64_t oldest_reader)
{
    struct cubby__root a[CUBBY__ANCHORS], now = cubby__published_root(p);
    size_t n = p->index_nonce == cubby__pager_nonce(s->pager) ? cubby__anchors(s, a) : 0;
    if (n && (oldest_reader < a[1].commit || a[0].commit == now.commit))
        return;
    a[0] = n && oldest_reader < p->commit ? a[1] : now; /* without old readers nothing is kept that is not in use anyway */
    a[1] = now;
    store(s, a);
}
