/* judge.c - what must hold of any damaged store:
 *
 *  1 nothing crashes, hangs, or fails without saying why
 *  2 what is served is what came in, to the byte: headers, structure and dates of a scan, and the message itself
 *  3 a message of which no byte has changed is served
 *  4 what has changed is reported, or lies where nothing is; and whatever reads differently is reported
 *  5 after damage that is known, no uid and no modseq is given that was given before
 *
 * "Reported" is a finding of the check; a note is enough where a power cut leaves the same. */
#include "corrupt/judge.h"

#include "corrupt/sample.h"
#include "model/common.h"

static int on_finding(void *arg, const cubby_finding *f)
{
    struct verdict *v = arg;
    size_t n = strlen(v->codes);
    v->findings += f->severity != CUBBY_NOTE;
    v->notes += f->severity == CUBBY_NOTE;
    snprintf(v->codes + n, sizeof v->codes - n, "%s@%" PRIx64 " ", f->code, f->offset);
    return 0;
}

struct told {
    int *count, verbose;
};

static void on_notice(void *arg, const char *line)
{
    struct told *t = arg;
    ++*t->count;
    if (t->verbose)
        printf("# notice: %s\n", line);
}

static void check(const cubby_vfs *vfs, struct verdict *v, const char *what)
{
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_check_result r = {0};
    cubby_error e = {0};
    o.vfs = vfs;
    v->check_rc = cubby_check(STORE, &o, CUBBY_CHECK_FULL, on_finding, v, &r, &e);
    if (v->check_rc != 0 && (e.code != v->check_rc || !*e.message))
        die("corrupt: %s: the check fails and does not say why: %d", what, v->check_rc);
    if (v->check_rc != 0 && v->check_rc != CUBBY_ENOTSTORE && v->check_rc != CUBBY_ECORRUPT && v->check_rc != CUBBY_EVERSION)
        die("corrupt: %s: nothing of the system has failed, and the check says so: %d %s", what, v->check_rc, e.message);
}

/* Rule 1. Only these refuse: no sound identity, no segment with a sound header. */
static void may_refuse(const struct rest *rest, int rc, const cubby_error *e, const char *what)
{
    if (e->code != rc || !*e->message)
        die("corrupt: %s: an open fails and does not say why: %d", what, rc);
    if (!rest->id_changed && rest->headers)
        die("corrupt: %s: not opened: %d %s@%" PRIu64 " %s", what, rc, e->path, e->offset, e->message);
}

static void must_serve_healthy(const struct bench *b, const struct content *is, const struct rest *rest, const char *how, const char *what)
{
    for (int i = 0; i < b->content->count; i++) {
        const struct message *want = &b->content->m[i], *m;
        if (!rest->healthy[i])
            continue;
        m = content_find(is, want->folder, want->uid);
        if (!m || !m->p || m->damage)
            die("corrupt: %s: uid %u of folder %" PRIu64 " is undamaged, and %s %s", what, want->uid, want->folder, how,
                m ? "cannot be read" : "is not there");
    }
}

/* Rule 5. The commit may fail for what is damaged, but not give a number again. */
static void one_more(const struct bench *b, cubby_store *s, const char *what)
{
    static const char text[] = "Subject: one more\n\nx\n";
    cubby_message *m = NULL;
    cubby_txn *t = NULL;
    cubby_add_options o = CUBBY_ADD_INIT;
    uint32_t uid = 0;
    uint64_t modseq = 0;
    MUST(s, cubby_message_new(s, &m));
    MUST(s, cubby_message_write(m, text, sizeof text - 1));
    MUST(s, cubby_message_finish(m));
    int rc = cubby_txn_begin(s, 0, &t), added;
    if (rc == 0) {
        rc = added = cubby_add(t, 1, m, &o, &uid);
        if (added == 0)
            rc = cubby_txn_commit(&t, &modseq);
        else
            cubby_txn_abort(&t);
    }
    cubby_message_free(&m);
    if (rc != 0 && rc != CUBBY_ECORRUPT && rc != CUBBY_ENOENT)
        die("corrupt: %s: one more message: %d", what, rc);
    if (rc == 0 && uid < b->content->uidnext)
        die("corrupt: %s: uid %u is given again", what, uid);
    if (rc == 0 && modseq <= b->content->modseq)
        die("corrupt: %s: modseq %" PRIu64 " is given again", what, modseq);
}

/* last: what is left is what later opens see: an index that was found to be damaged has been built anew. */
static void open_and_read(const struct bench *b, const cubby_vfs *vfs, unsigned flags, int last, const struct rest *rest, struct verdict *v, const char *what)
{
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_store *s = NULL;
    cubby_error e = {0};
    struct content is;
    o.vfs = vfs;
    o.flags = flags;
    o.segment_bytes = SAMPLE_SEGMENT_BYTES;
    o.notice = on_notice;
    struct told told = {&v->notices, b->verbose};
    o.notice_arg = &told;
    int rc = cubby_open(STORE, &o, &s, &e);
    if (rc != 0) {
        v->refused++;
        may_refuse(rest, rc, &e, what);
        snprintf(v->message, sizeof v->message, "%d %s", rc, e.message);
        return;
    }
    content_read(s, &is, what);
    if (b->verbose)
        printf("# %s: %d messages, modseq %" PRIu64 ", uidnext %" PRIu64 "\n", flags & CUBBY_READ_ONLY ? "read-only" : last ? "again" : "recovered", is.count,
               is.modseq, is.uidnext);
    v->differ += content_differ(b->content, &is, b->history, what);
    if (last || !rest->index_changed)
        must_serve_healthy(b, &is, rest, flags & CUBBY_READ_ONLY ? "read-only it" : last ? "behind a recovery it" : "it", what);
    content_drop(&is);
    if (last && rest->highest <= rest->vouched)
        one_more(b, s, what);
    rc = cubby_close(&s);
    if (rc != 0 && rc != CUBBY_ECORRUPT && rc != CUBBY_ENOENT)
        die("corrupt: %s: close: %d", what, rc);
}

enum due what_is_told(const struct bench *b, const struct verdict *v)
{
    if (v->findings > 0 || v->check_rc != 0)
        return FOUND;
    return !b->sound || v->notices != b->sound->notices || strcmp(v->codes, b->sound->codes) != 0 ? NOTED : SILENT_OK;
}

static void must_report(const struct bench *b, const struct rest *rest, const struct verdict *v, const char *what)
{
    enum due told = what_is_told(b, v);
    int found = told == FOUND, noted = told >= NOTED;
    int torn = rest->lowest > rest->vouched && rest->lowest != UINT64_MAX;
    if (rest->due == FOUND && !found)
        die("corrupt: %s: the check finds nothing (%s)", what, v->codes);
    if (rest->due == NOTED && !noted)
        die("corrupt: %s: nothing is told", what);
    if ((v->differ || v->refused) && !found && !(torn && (noted || rest->blank)))
        die("corrupt: %s: %d things differ and %d opens fail, and the check finds nothing (%s)", what, v->differ, v->refused, v->codes);
}

void judge(const struct bench *b, const struct image *im, const struct rest *rest, const char *what, struct verdict *out)
{
    struct cubby__memfs *fs = image_disk(im);
    const cubby_vfs *vfs = cubby__memfs_vfs(fs);
    *out = (struct verdict){0};
    check(vfs, out, what);
    open_and_read(b, vfs, CUBBY_READ_ONLY, 0, rest, out, what);
    open_and_read(b, vfs, 0, 0, rest, out, what);
    open_and_read(b, vfs, 0, 1, rest, out, what);
    if (b->verbose)
        printf("# %s: %s; %d findings, %d notes, %d notices, %d refused %s, %d differences; lowest %" PRId64 " vouched %" PRIu64 " due %d\n", what, out->codes,
               out->findings, out->notes, out->notices, out->refused, out->message, out->differ, (int64_t)rest->lowest, rest->vouched, rest->due);
    must_report(b, rest, out, what);
    cubby__memfs_free(&fs);
}

static void repair(const struct bench *b, const cubby_vfs *vfs, struct verdict *v, cubby_repair_result *r, const char *what)
{
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_error e = {0};
    o.vfs = vfs;
    o.segment_bytes = SAMPLE_SEGMENT_BYTES;
    int rc = cubby_repair(STORE, &o, CUBBY_CHECK_FULL, on_finding, NULL, v, r, &e);
    if (b->verbose)
        printf("# repair: %d; %" PRIu64 " findings, %" PRIu64 " left; %s\n", rc, r->findings, r->left, v->codes);
    if (rc != 0)
        die("corrupt: %s: the repair fails: %d %s@%" PRIu64 " %s", what, rc, e.path, e.offset, e.message);
}

void judge_repair(const struct bench *b, const struct image *im, const struct rest *rest, const char *what)
{
    struct cubby__memfs *fs = image_disk(im);
    const cubby_vfs *vfs = cubby__memfs_vfs(fs);
    struct verdict first = {0}, second = {0};
    cubby_repair_result r = {0}, again = {0};
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_error e = {0};
    cubby_store *s = NULL;
    struct content is;
    repair(b, vfs, &first, &r, what);
    repair(b, vfs, &second, &again, what);
    if (r.left || again.findings)
        die("corrupt: %s: %" PRIu64 " of %" PRIu64 " problems are left by the repair, the second run finds %" PRIu64 ": %s", what, r.left, r.findings, again.findings,
            second.codes);
    o.vfs = vfs;
    int rc = cubby_open(STORE, &o, &s, &e);
    if (rc != 0)
        die("corrupt: %s: not opened behind the repair: %d %s %s", what, rc, e.path, e.message);
    content_read(s, &is, what);
    content_compare(&is, b->history, 1, what);
    must_serve_healthy(b, &is, rest, "behind the repair it", what);
    content_drop(&is);
    cubby_close(&s);
    cubby__memfs_free(&fs);
}
