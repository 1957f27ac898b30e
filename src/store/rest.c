/* rest.c - bringing the store to rest: for a sync on request, a checkpoint, a clean stop. */
#include "base/bytes.h"
#include "base/error.h"
#include "store/commit.h"

int cubby__quiesce(struct cubby__store *s, cubby_error *err)
{
    int child = cubby__refuse_child(s, err);
    if (child != 0)
        return child;
    cubby__lead_in_turn(s);
    pthread_mutex_lock(&s->w);
    int rc = cubby__enter(s, err);
    if (rc != 0) {
        pthread_mutex_unlock(&s->w);
        cubby__lead_done(s);
        return rc;
    }
    rc = cubby__still_here(s, err); /* others may have the log now */
    if (rc == 0)
        rc = cubby__current_state(s, err);
    if (rc == 0)
        rc = cubby__replace_damaged(s, err);
    if (rc == 0)
        rc = cubby__settle(s, err);
    if (rc != 0)
        cubby__resume(s);
    return rc;
}

void cubby__resume(struct cubby__store *s)
{
    pthread_mutex_unlock(&s->w);
    cubby__leave(s);
    cubby__lead_done(s);
}

int cubby__checkpoint_now(struct cubby__store *s, cubby_error *err)
{
    cubby__renew_if_due(s);
    int rc = cubby__index_checkpoint(s, &s->pending, 1, err);
    if (rc == 0 && (rc = cubby__page_ready(s, err)) == 0)
        cubby__publish(s, &s->pending);
    return rc;
}

/* Unsynced: it says what the last successful sync covered, and if it is lost the next open only has more to do. */
int cubby__append_proof(struct cubby__store *s, cubby_error *err)
{
    struct cubby__published *p = &s->pending;
    uint8_t payload[CUBBY__PROOF_LEN];
    uint64_t off;
    if (s->own_synced.commit < p->commit || (p->vouched >= p->commit && !p->ceiling))
        return 0;
    struct cubby__framer f = {0};
    struct cubby__seed seed = {s->ident.salt, p->seg_nonce};
    cubby__framer_init(&f, &seed, p->seg_off, p->commit);
    cubby__put64(payload + CUBBY__PROOF_CHAIN_OFF, p->chain);
    int rc = cubby__framer_add(&f, CUBBY__REC_PROOF, 0, payload, sizeof payload, NULL, &off) ? cubby__fail_mem(err) : 0;
    if (rc == 0)
        rc = cubby__log_write(s->log, (uint32_t)p->seg, f.buf.data, f.buf.len, p->seg_off, err);
    if (rc == 0) {
        p->seg_off = cubby__framer_end(&f);
        p->vouched = p->commit;
        p->ceiling = 0; /* nothing lazy is left: the next who wants to be must announce it anew */
        cubby__publish(s, p);
    } else {
        cubby__latch(s);
    }
    cubby__framer_release(&f);
    return rc;
}
