/* scenario_steps.c - steps that are transactions, or look at a store, or mend it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "crash/scenario.h"
#include "crash/scenario_calls.h"

static int ok(struct play *p, int rc, const char *step)
{
    play_failed(p, rc, step);
    return p->rc == 0;
}

/* ---- transactions ---- */

static void learn(struct play *p, uint64_t modseq)
{
    cubby_snapshot *snap;
    cubby_folder f;
    if (modseq > p->state.modseq)
        p->state.modseq = modseq;
    int rc = cubby_snapshot_begin(p->store, &snap);
    if (rc != 0)
        return; /* the commit was acknowledged all the same */
    if (cubby_folder_get(snap, INBOX, &f) == 0 && f.uidnext > p->state.uidnext)
        p->state.uidnext = f.uidnext;
    cubby_snapshot_end(&snap);
}

static int begin(struct play *p, unsigned flags, cubby_txn **t)
{
    *t = NULL;
    if (p->rc)
        return 0;
    if (p->txn) {
        *t = p->txn;
        return 1;
    }
    p->txn_lazy = (flags & CUBBY_LAZY) != 0;
    return ok(p, cubby_txn_begin(p->store, flags, t), "begin");
}

static void commit(struct play *p, cubby_txn **t)
{
    uint64_t modseq = 0;
    p->state.under_way = 1;
    int rc = cubby_txn_commit(t, &modseq);
    if (rc != CUBBY_EUNKNOWN)
        p->state.under_way = 0;
    if (!ok(p, rc, "commit"))
        return;
    p->state.commits++;
    if (p->txn_lazy || modseq <= p->state.modseq) /* nothing to sync: it says nothing of the lazy ones before it */
        p->state.loose += p->state.loose || p->txn_lazy;
    else
        p->state.loose = 0;
    learn(p, modseq);
    play_record(p);
}

/* Ends a step that was given rc: alone it is a commit, else a part of the transaction. */
static void end(struct play *p, cubby_txn **t, int rc, const char *step)
{
    if (!*t)
        return;
    ok(p, rc, step);
    if (*t == p->txn)
        return;
    if (p->rc)
        cubby_txn_abort(t);
    else
        commit(p, t);
}

void play_txn_begin(struct play *p, unsigned flags)
{
    cubby_txn *t;
    if (begin(p, flags, &t))
        p->txn = t;
}

void play_txn_commit(struct play *p)
{
    cubby_txn *t = p->txn;
    if (p->rc)
        return;
    p->txn = NULL;
    commit(p, &t);
}

void play_txn_abort(struct play *p)
{
    cubby_txn_abort(&p->txn);
}

/* ---- messages ---- */

/* Byte i of a body: text that compresses; or does not, so that a commit fills whole sectors; or that of an attachment. */
static char letter(const struct play *p, const struct play_mail *mail, size_t i)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint64_t key[] = {p->seed, (uint64_t)p->steps, i};
    if (mail->mime)
        return digits[(i * i + i / 7) % 64];
    return mail->body > 500 && mail->body < 10000 ? digits[cubby__hash64(key, sizeof key, 0) % 64] : "abcdefghij klm\nopq"[(i * 7 + (size_t)p->steps * 13 + i / 19) % 18];
}

/* The bytes of the message of a step. Owner: the caller. */
static char *make_mail(const struct play *p, const struct play_mail *mail, size_t *len)
{
    uint64_t key[] = {p->seed, (uint64_t)p->steps};
    size_t body = mail->body + (mail->mime ? 0 : cubby__hash64(key, sizeof key, 0) % 64); /* other sectors with every seed */
    char *b = malloc(body * 2 + 1000);
    if (!b)
        abort();
    size_t n = (size_t)sprintf(b, "From: a@example.org\nSubject: number %d\nReceived: from here\nDate: Wed, 2 Jan 2019 03:04:05 +0000\n", p->steps);
    if (mail->mime)
        n += (size_t)sprintf(b + n, "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"=_b\"\n\n--=_b\nContent-Type: text/plain\n\ntext %d\n--=_b\n"
                             "Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n", p->steps);
    b[n++] = '\n';
    for (size_t i = 0; i < body; i++) {
        b[n++] = letter(p, mail, i);
        if (mail->mime && i % 76 == 75)
            b[n++] = '\n';
    }
    if (mail->mime)
        n += (size_t)sprintf(b + n, "\n--=_b--\n");
    *len = n;
    return b;
}

static int stream_in(struct play *p, const struct play_mail *mail, cubby_message **m)
{
    size_t len;
    char *b = make_mail(p, mail, &len);
    *m = NULL;
    int rc = cubby_message_new(p->store, m);
    for (size_t at = 0; rc == 0 && at < len; at += 50000)
        rc = cubby_message_write(*m, b + at, len - at < 50000 ? len - at : 50000);
    if (rc == 0)
        rc = cubby_message_finish(*m);
    if (rc == 0) {
        struct cubby__hash128 h = cubby__hash128(b, len);
        if (memcmp(h.b, cubby_message_hash(*m), sizeof h.b) != 0 || cubby_message_size(*m) != len)
            play_wrong(p, "the message took in other bytes than it was given");
    }
    free(b);
    return rc;
}

void play_add(struct play *p, uint64_t folder, const struct play_mail *mail)
{
    const char *keywords[] = {mail->keyword, mail->keyword2};
    cubby_add_options o = CUBBY_ADD_INIT;
    cubby_message *m = NULL;
    cubby_txn *t;
    uint32_t uid;
    if (p->rc)
        return;
    p->steps++;
    o.flags = mail->flags;
    o.uid = mail->uid;
    o.keywords = keywords;
    o.keyword_count = (mail->keyword != NULL) + (size_t)(mail->keyword2 != NULL);
    o.has_date = 1;
    o.internaldate = 1700000000 + p->steps;
    int rc = stream_in(p, mail, &m);
    if (ok(p, rc, "message") && begin(p, 0, &t)) {
        rc = cubby_add(t, folder, m, &o, &uid);
        if (rc == 0 && mail->second) {
            o.uid = 0;
            rc = cubby_add(t, mail->second, m, &o, &uid);
        }
        end(p, &t, rc, "add");
    }
    cubby_message_free(&m);
}

void play_append(struct play *p, uint64_t folder, size_t body)
{
    play_add(p, folder, &(struct play_mail){.body = body});
}

static int uids_of(struct play *p, const char *text, cubby_uidset **set)
{
    *set = NULL;
    return !p->rc && ok(p, cubby_uidset_parse(text, 1000, set), "uidset");
}

void play_flag(struct play *p, uint64_t folder, const char *uids, int how, uint32_t flags, const char *keyword, unsigned lazy)
{
    cubby_uidset *set, *changed = NULL;
    cubby_txn *t;
    if (uids_of(p, uids, &set) && begin(p, lazy, &t))
        end(p, &t, cubby_flag(t, folder, set, how, flags, &keyword, keyword ? 1 : 0, &changed), "flag");
    cubby_uidset_free(&set);
    cubby_uidset_free(&changed);
}

void play_expunge(struct play *p, uint64_t folder, const char *uids, int only_deleted)
{
    cubby_uidset *set, *gone = NULL;
    cubby_txn *t;
    if (uids_of(p, uids, &set) && begin(p, 0, &t))
        end(p, &t, cubby_expunge(t, folder, set, only_deleted, &gone), "expunge");
    cubby_uidset_free(&set);
    cubby_uidset_free(&gone);
}

void play_copy(struct play *p, uint64_t folder, const char *uids, uint64_t to)
{
    cubby_uidset *set, *from = NULL, *there = NULL;
    cubby_txn *t;
    if (uids_of(p, uids, &set) && begin(p, 0, &t))
        end(p, &t, cubby_copy(t, folder, set, to, &from, &there), "copy");
    cubby_uidset_free(&set);
    cubby_uidset_free(&from);
    cubby_uidset_free(&there);
}

void play_move(struct play *p, uint64_t folder, const char *uids, uint64_t to)
{
    cubby_uidset *set, *from = NULL, *there = NULL;
    cubby_txn *t;
    if (uids_of(p, uids, &set) && begin(p, 0, &t))
        end(p, &t, cubby_move(t, folder, set, to, &from, &there), "move");
    cubby_uidset_free(&set);
    cubby_uidset_free(&from);
    cubby_uidset_free(&there);
}

void play_recent(struct play *p, uint64_t folder)
{
    cubby_txn *t;
    uint32_t first;
    if (begin(p, 0, &t))
        end(p, &t, cubby_recent_claim(t, folder, &first), "recent_claim");
}

/* ---- folders ---- */

void play_folder_create(struct play *p, uint64_t parent, const char *name)
{
    cubby_txn *t;
    if (begin(p, 0, &t))
        end(p, &t, cubby_folder_create(t, parent, name, strlen(name), &p->folder), "folder_create");
}

void play_folder_rename(struct play *p, uint64_t id, uint64_t parent, const char *name)
{
    cubby_txn *t;
    if (begin(p, 0, &t))
        end(p, &t, cubby_folder_rename(t, id, parent, name, strlen(name)), "folder_rename");
}

void play_folder_delete(struct play *p, uint64_t id)
{
    cubby_txn *t;
    if (begin(p, 0, &t))
        end(p, &t, cubby_folder_delete(t, id), "folder_delete");
}

void play_special(struct play *p, uint64_t id, uint32_t use)
{
    cubby_txn *t;
    if (begin(p, 0, &t))
        end(p, &t, cubby_folder_set_special(t, id, use), "folder_set_special");
}

void play_subscribe(struct play *p, const char *path, size_t len, int on)
{
    cubby_txn *t;
    if (begin(p, 0, &t))
        end(p, &t, cubby_subscribe(t, path, len, on), "subscribe");
}

void play_annotate(struct play *p, uint64_t folder, const char *entry, size_t len)
{
    char value[CUBBY_ANNOTATION_MAX];
    cubby_txn *t;
    memset(value, 'a' + (int)(len % 26), sizeof value);
    if (begin(p, 0, &t))
        end(p, &t, cubby_annotation_set(t, folder, entry, len ? value : NULL, len), "annotation_set");
}

void play_uidvalidity(struct play *p, uint64_t folder, uint32_t uidvalidity)
{
    cubby_txn *t;
    if (begin(p, 0, &t))
        end(p, &t, cubby_folder_set_uidvalidity(t, folder, uidvalidity), "folder_set_uidvalidity");
}

/* ---- readers ---- */

void play_hold(struct play *p, int i)
{
    if (!p->rc && ok(p, cubby_snapshot_begin(p->store, &p->snaps[i]), "snapshot"))
        ok(p, dump_snapshot(p->snaps[i], &p->snap_dumps[i]), "dump of a snapshot");
}

void play_held(struct play *p, int i)
{
    struct dump now = {0};
    char why[512];
    if (!p->rc && ok(p, dump_snapshot(p->snaps[i], &now), "dump of a snapshot") && !dump_same(&p->snap_dumps[i], &now)) {
        dump_difference(&p->snap_dumps[i], &now, why, sizeof why);
        play_wrong(p, "I12: a snapshot changed: %s", why);
    }
    dump_free(&now);
}

void play_release(struct play *p, int i)
{
    cubby_snapshot_end(&p->snaps[i]);
    dump_free(&p->snap_dumps[i]);
}

void play_look(struct play *p)
{
    struct dump now = {0};
    char why[512];
    const struct oracle *o = p->oracle ? p->oracle : p->recording;
    if (!p->rc && ok(p, dump_store(p->store, &now), "dump") && !dump_same(&o->after[p->state.commits], &now)) {
        dump_difference(&o->after[p->state.commits], &now, why, sizeof why);
        play_wrong(p, "I12: not the state behind commit %d: %s", p->state.commits, why);
    }
    dump_free(&now);
}

static int on_finding(void *arg, const cubby_finding *f)
{
    if (f->severity != CUBBY_NOTE)
        play_wrong(arg, "I5: the check finds %s %s@%lld: %s", f->code, f->file, (long long)f->offset, f->detail);
    return 0;
}

void play_fsck(struct play *p)
{
    cubby_options o;
    cubby_check_result r;
    struct proc_counts n;
    if (p->rc)
        return;
    struct proc *proc = proc_new(p->vfs);
    play_options(p, proc_vfs(proc), &o);
    ok(p, cubby_check(PLAY_STORE, &o, CUBBY_CHECK_FULL, on_finding, p, &r, &p->error), "check");
    proc_counts(proc, &n);
    if (n.touched[0] || n.open)
        play_wrong(p, n.open ? "I10: the check leaves something open%s" : "the check changes the store: %s", n.touched);
    proc_free(&proc);
}

void play_repair(struct play *p)
{
    cubby_options o;
    cubby_repair_result r = {0};
    struct proc_counts n;
    if (p->rc)
        return;
    struct proc *proc = proc_new(p->vfs);
    play_options(p, proc_vfs(proc), &o);
    if (ok(p, cubby_repair(PLAY_STORE, &o, 0, NULL, NULL, NULL, &r, &p->error), "repair") && r.left)
        play_wrong(p, "a repair leaves %llu of %llu problems", (unsigned long long)r.left, (unsigned long long)r.findings);
    proc_counts(proc, &n);
    if (n.open)
        play_wrong(p, "I10: the repair leaves something open");
    proc_free(&proc);
}
