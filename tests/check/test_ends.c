/* test_ends.c - what may stand at the end of a segment without being a commit: a PROOF, with which nothing is lost, and a CUT, which says that the end
 * of the log was lost before. A check, a repair, a replay and a rebuild must come to the same of each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/broken.h"
#include "format/format.h"
#include "log/frame.h"
#include "log/header.h"

#define INDEX STORE "/index"

enum { SIZE = CUBBY__FRAME_SIZE + CUBBY__PROOF_LEN /* of a PROOF; of a CUT, too */ };

static int failures;

static void result(int good, const char *name, const char *how, const char *why, long n)
{
    printf("%s - %s: %s", good ? "ok" : "not ok", name, how);
    if (!good)
        printf(": %s (%ld)", why, n);
    putchar('\n');
    failures += !good;
}

static uint64_t accepted_end(struct bed *b, uint32_t seg)
{
    const cubby_vfs *v = sim_vfs(b->disk);
    struct cubby__seg_header next;
    cubby_file *f;
    MUST(v->open(v->ctx, seg_path(seg + 1), CUBBY_OPEN_READ, &f));
    MUST(cubby__seg_header_read(v, f, seg_path(seg + 1), &next, NULL));
    v->close(v->ctx, f);
    uint64_t end = next.pred_end;
    cubby__seg_header_release(&next);
    return end;
}

/* The messages from this one on are its own. */
static void free_copy(struct bed *b, int from)
{
    for (int i = from; i < b->count; i++)
        free(b->mail[i].p);
    bed_free(b);
}

static void append(struct bed *b, cubby_store *s, size_t size)
{
    bed_append(b, s, "INBOX", size);
}

/* ---- ways to lose bytes ---- */

static void flip_first(struct bed *b, uint32_t seg, uint64_t off) { bed_flip(b, seg_path(seg), off + 9); }
static void flip_last(struct bed *b, uint32_t seg, uint64_t off) { bed_flip(b, seg_path(seg), off + 33); }
static void zero(struct bed *b, uint32_t seg, uint64_t off) { bed_zero(b, seg_path(seg), off, SIZE); }
static void cut(struct bed *b, uint32_t seg, uint64_t off) { bed_truncate(b, seg_path(seg), off); }
static void cut_within(struct bed *b, uint32_t seg, uint64_t off) { bed_truncate(b, seg_path(seg), off + 20); }

static const struct {
    const char *how;
    void (*hurt)(struct bed *b, uint32_t seg, uint64_t off);
    int cuts;
} ways[] = {{"its header", flip_first, 0}, {"its content", flip_last, 0}, {"zeros", zero, 0}, {"cut off", cut, 1}, {"cut within", cut_within, 1}};
enum { WAYS = sizeof ways / sizeof *ways };

/* ---- a PROOF ---- */

/* A process for each message: so a PROOF is the last thing in the segment that makes way for another. */
static uint32_t make_proof(struct bed *b)
{
    uint32_t seg = bed_segments(b);
    while (bed_segments(b) == seg) {
        cubby_store *s = bed_open(b);
        append(b, s, 2000);
        MUST(cubby_close(&s));
    }
    return seg;
}

static void lose_proof(const struct bed *made, uint32_t seg, int way, int index)
{
    struct bed b;
    cubby_repair_result r;
    int rc;
    char name[64];
    snprintf(name, sizeof name, "a PROOF is lost%s", index ? "" : ", and the index");
    bed_copy(made, &b);
    cubby_options o = bed_options(&b);
    uint64_t state = bed_state(&b), off = accepted_end(&b, seg) - SIZE;
    size_t n;
    uint8_t *p = bed_read(&b, seg_path(seg), &n);
    MUST(p && p[off + 4] == CUBBY__REC_PROOF ? 0 : -1);
    free(p);
    ways[way].hurt(&b, seg, off);
    if (!index)
        bed_unlink(&b, INDEX);
    struct findings first = bed_check(&b, CUBBY_CHECK_FULL, &rc);
    result(rc == 0 && first.count == 0, name, ways[way].how, first.codes, rc);
    bed_flip(&b, STORE "/cubby.id", 30); /* something to repair */
    rc = cubby_repair(STORE, &o, 0, NULL, NULL, NULL, &r, NULL);
    result(rc == 0 && r.left == 0 && bed_state(&b) == state, name, ways[way].how, "a repair changes something", rc);
    bed_free(&b);
}

/* ---- a CUT ---- */

enum behind { NOTHING, A_MESSAGE, A_SEGMENT };
static const char *const behind_name[] = {"", ", and not the message behind it", ", and not what other folders got behind it"};

struct cut_bed {
    struct bed b;
    uint32_t seg;      /* begins with the CUT */
    uint64_t off;
    uint32_t given;    /* the highest uid of INBOX that anybody has seen */
    enum behind behind;
    uint32_t uidvalidity;
    uint8_t *index;    /* as it was before the end of the log was lost */
    size_t index_len;
};

/* The last segment is lost, and only the mark that it left in the one before tells. Then somebody opens the store. */
static void make_cut(const struct bed *sound, struct cut_bed *c, enum behind behind)
{
    memset(c, 0, sizeof *c);
    c->behind = behind;
    bed_copy(sound, &c->b);
    struct bed *b = &c->b;
    cubby_options o = bed_options(b);
    cubby_store *s;
    uint32_t last = bed_segments(b);
    o.checkpoint_bytes = 1 << 20;
    c->uidvalidity = bed_uidvalidity(b, "INBOX");
    MUST(cubby_open(STORE, &o, &s, NULL));
    while (bed_segments(b) == last)
        append(b, s, 500);
    for (int i = 0; i < 8; i++)
        append(b, s, 50);
    c->given = b->mail[b->count - 1].uid;
    struct sim *stopped = sim_copy(b->disk);
    MUST(cubby_close(&s));
    sim_free(&b->disk);
    b->disk = stopped;
    c->index = bed_read(b, INDEX, &c->index_len);
    bed_unlink(b, seg_path(last + 1));
    s = bed_open(b);
    while (behind == A_SEGMENT && bed_segments(b) == last + 2) /* whose name had been given is not given again */
        bed_append(b, s, "Late", 500);
    if (behind == A_MESSAGE) {
        append(b, s, 100);
        stopped = sim_copy(b->disk); /* nothing vouches for it */
    }
    MUST(cubby_close(&s));
    if (behind == A_MESSAGE) {
        sim_free(&b->disk);
        b->disk = stopped;
    }
    struct spot cut_frame = bed_frame(b, CUBBY__REC_DAMAGE, -1);
    c->seg = cut_frame.seg;
    c->off = cut_frame.off;
    MUST(c->seg == last + 2 && c->off == cut_frame.frames ? 0 : -1);
}

static void put_back_index(struct bed *b, const struct cut_bed *c)
{
    bed_truncate(b, INDEX, 0);
    bed_write(b, INDEX, 0, c->index, c->index_len);
}

/* No uid is given again, and the message behind the CUT stays. */
static void goes_on(struct bed *b, const struct cut_bed *c, int whole, char why[200])
{
    cubby_store *s = bed_open(b);
    append(b, s, 10);
    uint32_t uid = b->mail[b->count - 1].uid;
    MUST(cubby_close(&s));
    int left = bed_compare(b, why);
    if (!*why && uid <= c->given)
        snprintf(why, 200, "uid %u is given, and %u was", uid, c->given);
    if (!*why && left != whole + 1)
        snprintf(why, 200, "%d messages of %d", left, whole + 1);
}

static void is_repaired(struct bed *b, const struct cut_bed *c, char why[200])
{
    cubby_options o = bed_options(b);
    cubby_repair_result r;
    int rc;
    MUST(cubby_repair(STORE, &o, 0, NULL, NULL, NULL, &r, NULL));
    struct findings after = bed_check(b, CUBBY_CHECK_FULL, &rc);
    if (!r.findings || r.left || rc || after.count)
        snprintf(why, 200, "%d found, %d left, then%.100s", (int)r.findings, (int)r.left, after.codes);
    if (!*why && bed_uidvalidity(b, "INBOX") <= c->uidvalidity)
        snprintf(why, 200, "clients are not told");
}

static void lose_cut(const struct cut_bed *c, int way, int index, int opened, int whole)
{
    struct bed b;
    char name[128], why[200] = "";
    int rc;
    snprintf(name, sizeof name, "a CUT is lost%s%s%s", behind_name[c->behind], index ? ", with an old index" : "",
             opened ? ", and the store is used" : "");
    bed_copy(&c->b, &b);
    ways[way].hurt(&b, c->seg, c->off);
    if (index)
        put_back_index(&b, c);
    else
        bed_unlink(&b, INDEX);
    struct findings first = bed_check(&b, 0, &rc);
    if (rc || !first.count)
        snprintf(why, sizeof why, "not found:%.100s", first.codes);
    if (!*why && opened)
        goes_on(&b, c, whole, why);
    if (!*why)
        is_repaired(&b, c, why);
    result(!*why, name, ways[way].how, why, rc);
    free_copy(&b, c->b.count);
}

static void lose_cuts(const struct bed *sound, enum behind behind)
{
    struct cut_bed c;
    char why[200] = "";
    make_cut(sound, &c, behind);
    int whole = bed_compare(&c.b, why);
    for (int way = 0; way < WAYS; way++)
        for (int i = 0; i < 4; i++)
            if (behind == NOTHING || !ways[way].cuts)
                lose_cut(&c, way, i & 1, i & 2, whole);
    free(c.index);
    free_copy(&c.b, sound->count);
}

/* ---- a file that is cut anywhere ---- */

static void note(void *arg, const char *line)
{
    snprintf(arg, 200, "%s", line);
}

/* What is proven is lost from the middle of a frame on: repaired once, no rebuild meets damage again. */
static void cut_at(const struct bed *sound, int behind)
{
    struct bed b;
    cubby_repair_result r;
    cubby_store *s;
    char how[40], why[200] = "";
    snprintf(how, sizeof how, "%d bytes behind a frame", behind);
    bed_copy(sound, &b);
    cubby_options o = bed_options(&b);
    struct spot at = bed_frame(&b, CUBBY__REC_ENTRY, -3);
    bed_truncate(&b, seg_path(at.seg), at.off + (uint64_t)behind);
    s = bed_open(&b);
    MUST(cubby_close(&s));
    MUST(cubby_repair(STORE, &o, 0, NULL, NULL, NULL, &r, NULL));
    bed_unlink(&b, INDEX);
    o.notice = note;
    o.notice_arg = why;
    MUST(cubby_open(STORE, &o, &s, NULL));
    MUST(cubby_close(&s));
    result(r.fixed && !r.left && !*why, "the end of the log is cut off", how, why, (long)r.left);
    free_copy(&b, sound->count);
}

int main(void)
{
    struct bed sound, proof;
    bed_make(&sound);
    bed_copy(&sound, &proof);
    uint32_t seg = make_proof(&proof);
    for (int way = 0; way < WAYS; way++)
        for (int index = 0; index < 2; index++)
            lose_proof(&proof, seg, way, index);
    free_copy(&proof, sound.count);
    lose_cuts(&sound, NOTHING);
    lose_cuts(&sound, A_MESSAGE);
    lose_cuts(&sound, A_SEGMENT);
    for (int behind = 0; behind < 48; behind += behind < 32 ? 3 : 1)
        cut_at(&sound, behind);
    bed_free(&sound);
    return failures != 0;
}
