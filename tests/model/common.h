/* common.h - for the programs over the public interface: result lines, random numbers, errors with their detail, made-up messages, and the whole
 * logical state of a store as text. */
#ifndef CUBBY_TESTS_MODEL_COMMON_H
#define CUBBY_TESTS_MODEL_COMMON_H

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "cubby.h"

#ifdef __SANITIZE_THREAD__
enum { SANITIZED = 1 };
#elif defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

/* ---- results ---- */

static inline void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fflush(stdout);
    printf("not ok - %s\n", text);
    fflush(stdout);
    _exit(1);
}

/* A failed call of the library, with what the store says about it. */
static inline void __attribute__((noreturn)) die_call(const char *file, int line, const char *call, int rc, cubby_store *s)
{
    cubby_error e = {0};
    cubby_last_error(s, &e);
    die("%s:%d: %s: %d (%s): %s at %s@%" PRId64, file, line, call, rc, cubby_strerror(rc), e.message, e.path, (int64_t)e.offset);
}

#define MUST(store, call)                                                                                                                            \
    do {                                                                                                                                             \
        int must_ = (call);                                                                                                                          \
        if (must_ != 0)                                                                                                                              \
            die_call(__FILE__, __LINE__, #call, must_, store);                                                                                       \
    } while (0)

#define CHECK(cond, ...)                                                                                                                             \
    do {                                                                                                                                             \
        if (!(cond))                                                                                                                                 \
            die(__VA_ARGS__);                                                                                                                        \
    } while (0)

/* A command of the shell: what system() returns. */
static inline int __attribute__((format(printf, 1, 2))) run_shell(const char *fmt, ...)
{
    char cmd[3000];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(cmd, sizeof cmd, fmt, ap);
    va_end(ap);
    return system(cmd);
}

static inline void *need(void *p)
{
    if (!p)
        die("out of memory");
    return p;
}

static inline double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- random numbers (splitmix64) ---- */

static inline uint64_t next_random(uint64_t *s)
{
    uint64_t z = (*s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t below(uint64_t *s, uint64_t n)
{
    return n ? next_random(s) % n : 0;
}

/* ---- directories ---- */

static inline void remove_tree(const char *path)
{
    char cmd[1100];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", path);
    if (system(cmd) != 0)
        die("cannot remove %s", path);
}

/* In memory if there is such a place, with room: these tests are about kills and races, not about power cuts. */
static inline const char *scratch_dir(const char *name)
{
    static char dir[512];
    const char *base = getenv("TEST_TMP"), *given = getenv("CUBBY_SCRATCH"); /* for who wants to clean up behind a failure */
    struct statvfs st;
    if (given)
        base = given;
    else if (statvfs("/dev/shm", &st) == 0 && access("/dev/shm", W_OK) == 0 && (uint64_t)st.f_bavail * st.f_frsize >= 512u << 20)
        base = "/dev/shm";
    snprintf(dir, sizeof dir, "%s/cubby-%s-%ld", base ? base : "/tmp", name, (long)getpid());
    remove_tree(dir);
    if (mkdir(dir, 0700) != 0)
        die("cannot make %s: %s", dir, strerror(errno));
    return dir;
}

/* ---- text ---- */

struct text {
    char *data;
    size_t len, cap;
};

static inline void __attribute__((format(printf, 2, 3))) put(struct text *t, const char *fmt, ...)
{
    for (;;) {
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(t->data ? t->data + t->len : NULL, t->cap - t->len, fmt, ap);
        va_end(ap);
        if (n >= 0 && (size_t)n < t->cap - t->len) {
            t->len += (size_t)n;
            return;
        }
        t->cap = t->cap * 2 + (size_t)n + 4096;
        t->data = need(realloc(t->data, t->cap));
    }
}

static inline void text_free(struct text *t)
{
    free(t->data);
    *t = (struct text){0};
}

/* The first line that differs, for a message. */
static inline void must_equal(const struct text *a, const struct text *b, const char *what)
{
    if (a->len == b->len && memcmp(a->data, b->data, a->len) == 0)
        return;
    size_t i = 0, start = 0;
    for (; i < a->len && i < b->len && a->data[i] == b->data[i]; i++)
        if (a->data[i] == '\n')
            start = i + 1;
    int n = (int)strcspn(a->data + start, "\n"), m = start <= b->len ? (int)strcspn(b->data + start, "\n") : 0;
    die("%s: the dumps differ; before '%.*s', after '%.*s'", what, n, a->data + start, m, b->data + start);
}

/* ---- the state of a store as text ---- */

struct ids {
    uint64_t *id;
    size_t count, cap;
};

static inline int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static inline void collect_folders(cubby_store *s, cubby_snapshot *snap, uint64_t parent, struct ids *out)
{
    char after[256] = "";
    size_t len = 0;
    cubby_folder f;
    int rc;
    while ((rc = cubby_folder_next(snap, parent, after, len, &f)) == 0) {
        len = f.name_len;
        memcpy(after, f.name, len);
        if (out->count == out->cap) {
            out->cap = out->cap * 2 + 16;
            out->id = need(realloc(out->id, out->cap * sizeof *out->id));
        }
        out->id[out->count++] = f.id;
        collect_folders(s, snap, f.id, out);
    }
    if (rc != CUBBY_DONE)
        die_call(__FILE__, __LINE__, "cubby_folder_next", rc, s);
}

static inline void put_bytes(struct text *t, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(t, p[i] > ' ' && p[i] < 0x7f && p[i] != '\\' ? "%c" : "\\x%02x", (unsigned char)p[i]);
}

static inline void put_keywords(struct text *t, const uint16_t *k, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(t, "%c%u", i ? ',' : '[', k[i]);
    put(t, n ? "]" : "[]");
}

static inline void put_row(struct text *t, const cubby_row *r)
{
    put(t, " row %u flags %u ", r->uid, r->flags);
    put_keywords(t, r->keywords, r->keyword_count);
    put(t, " modseq %" PRIu64 " created %" PRIu64 " date %" PRId64 " %d saved %" PRId64 " sent %" PRId64 " size %" PRIu64 " object %" PRIu64,
        r->modseq, r->created_modseq, r->internaldate, r->internaldate_zone, r->save_date, r->sent_date, r->size, r->object);
    put(t, " original %" PRIu64 " header %" PRIu64 " eol %d traits %d damage %d hash ", r->original_size, r->header_len, r->eol, r->traits, r->damage);
    for (int i = 0; i < 16; i++)
        put(t, "%02x", r->hash[i]);
    put(t, "\n");
}

static inline void dump_rows(cubby_store *s, cubby_snapshot *snap, uint64_t folder, struct text *t)
{
    cubby_scan_options o = CUBBY_SCAN_INIT;
    cubby_scan *scan;
    const cubby_row *row;
    int rc;
    o.want = CUBBY_WANT_OBJECT;
    MUST(s, cubby_scan_open(snap, folder, &o, &scan));
    while ((rc = cubby_scan_next(scan, &row)) == 0)
        put_row(t, row);
    if (rc != CUBBY_DONE)
        die_call(__FILE__, __LINE__, "cubby_scan_next", rc, s);
    cubby_scan_close(&scan);
}

/* All changes; what vanished with one modseq is one set, for how it is cut into ranges is not state. */
static inline void put_vanished(struct text *t, uint64_t modseq, cubby_uidset **set)
{
    char *uids;
    if (*set && cubby_uidset_format(*set, &uids) == 0) {
        put(t, " vanished %s modseq %" PRIu64 "\n", uids, modseq);
        cubby_string_free(&uids);
    }
    cubby_uidset_free(set);
}

static inline void dump_changes(cubby_store *s, cubby_snapshot *snap, uint64_t folder, struct text *t)
{
    cubby_changes *c;
    cubby_change ch;
    cubby_uidset *gone = NULL;
    uint64_t modseq = 0;
    int rc;
    MUST(s, cubby_changes_open(snap, folder, 0, &c));
    while ((rc = cubby_changes_next(c, &ch)) == 0) {
        CHECK(ch.modseq >= modseq, "changes of folder %" PRIu64 " are not in order", folder);
        if (ch.modseq != modseq)
            put_vanished(t, modseq, &gone);
        modseq = ch.modseq;
        if (ch.kind == CUBBY_CHANGE_VANISHED) {
            if (!gone)
                MUST(s, cubby_uidset_new(&gone));
            MUST(s, cubby_uidset_add(gone, ch.uid, ch.uid_last));
            continue;
        }
        put(t, " change %d uid %u modseq %" PRIu64 " created %" PRIu64 " flags %u ", ch.kind, ch.uid, ch.modseq, ch.created_modseq, ch.flags);
        put_keywords(t, ch.keywords, ch.keyword_count);
        put(t, "\n");
    }
    if (rc != CUBBY_DONE)
        die_call(__FILE__, __LINE__, "cubby_changes_next", rc, s);
    put_vanished(t, modseq, &gone);
    cubby_changes_close(&c);
}

static inline void dump_folder(cubby_store *s, cubby_snapshot *snap, uint64_t id, struct text *t)
{
    cubby_folder f;
    MUST(s, cubby_folder_get(snap, id, &f));
    put(t, "folder %" PRIu64 " parent %" PRIu64 " name ", f.id, f.parent);
    put_bytes(t, f.name, f.name_len);
    put(t, " special %u uidvalidity %u uidnext %" PRIu64 " recent %u highest %" PRIu64 " props %" PRIu64 " created %" PRIu64, f.special_use,
        f.uidvalidity, f.uidnext, f.recent_uid, f.highestmodseq, f.props_modseq, f.created_modseq);
    put(t, " messages %" PRIu64 " unseen %" PRIu64 " deleted %" PRIu64 " bytes %" PRIu64 " %" PRIu64 " floor %" PRIu64 "\n", f.messages, f.unseen,
        f.deleted, f.bytes, f.deleted_bytes, f.tombstone_floor);
    dump_rows(s, snap, id, t);
    dump_changes(s, snap, id, t);
}

static inline void dump_snapshot(cubby_store *s, cubby_snapshot *snap, struct text *t)
{
    struct ids ids = {0};
    char after[2048];
    const char *path;
    size_t len = 0;
    int rc;
    t->len = 0;
    put(t, "modseq %" PRIu64 "\n", cubby_snapshot_modseq(snap));
    collect_folders(s, snap, CUBBY_ROOT, &ids);
    qsort(ids.id, ids.count, sizeof *ids.id, by_value);
    for (size_t i = 0; i < ids.count; i++)
        dump_folder(s, snap, ids.id[i], t);
    free(ids.id);
    for (uint16_t i = 1; i <= 1024; i++) {
        const char *name;
        rc = cubby_keyword_name(snap, i, &name);
        if (rc == 0)
            put(t, "keyword %u %s\n", i, name);
        else if (rc != CUBBY_DONE)
            die_call(__FILE__, __LINE__, "cubby_keyword_name", rc, s);
    }
    while ((rc = cubby_subscription_next(snap, after, len, &path, &len)) == 0) {
        CHECK(len <= sizeof after, "a subscription of %zu bytes", len);
        memcpy(after, path, len);
        put(t, "subscribed ");
        put_bytes(t, after, len);
        put(t, "\n");
    }
    if (rc != CUBBY_DONE)
        die_call(__FILE__, __LINE__, "cubby_subscription_next", rc, s);
}

static inline void dump_store(cubby_store *s, struct text *t)
{
    cubby_snapshot *snap;
    MUST(s, cubby_snapshot_begin(s, &snap));
    dump_snapshot(s, snap, t);
    cubby_snapshot_end(&snap);
}

/* ---- checking ---- */

static inline int show_finding(void *arg, const cubby_finding *f)
{
    (void)arg;
    if (f->severity != CUBBY_NOTE)
        printf("# finding %s %s@%" PRId64 " folder %" PRIu64 " uid %u: %s\n", f->code, f->file, (int64_t)f->offset, f->folder, f->uid, f->detail);
    return 0;
}

static inline uint64_t check_store(const char *path, unsigned flags, const char *when)
{
    cubby_check_result r = {0};
    cubby_error e = {0};
    int rc = cubby_check(path, NULL, flags, show_finding, NULL, &r, &e);
    CHECK(rc == 0, "%s: cubby_check: %d (%s): %s %s", when, rc, cubby_strerror(rc), e.path, e.message);
    CHECK(r.findings == 0, "%s: cubby_check has %" PRIu64 " findings", when, r.findings);
    return r.messages;
}

static inline cubby_store *open_store(const char *path, const cubby_options *o)
{
    cubby_store *s = NULL;
    cubby_error e = {0};
    int rc = cubby_open(path, o, &s, &e);
    CHECK(rc == 0, "cubby_open: %d (%s): %s %s@%" PRId64, rc, cubby_strerror(rc), e.message, e.path, (int64_t)e.offset);
    return s;
}

static inline void close_store(cubby_store **s)
{
    int rc = cubby_close(s);
    CHECK(rc == 0, "cubby_close: %d (%s)", rc, cubby_strerror(rc));
}

/* The index of a store that nobody has open says what the segments say. */
static inline void same_after_rebuild(const char *path, const char *when)
{
    struct text before = {0}, after = {0};
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_store *s = open_store(path, &o);
    dump_store(s, &before);
    close_store(&s);
    o.flags = CUBBY_REBUILD;
    s = open_store(path, &o);
    dump_store(s, &after);
    close_store(&s);
    must_equal(&before, &after, when);
    text_free(&before);
    text_free(&after);
}

/* ---- made-up messages ---- */

struct mail {
    char *data;
    size_t len, cap;
    uint64_t crlf_size;
    int64_t date; /* of the Date field */
    int has_date;
};

static inline void mail_add(struct mail *m, const void *p, size_t n)
{
    if (m->len + n > m->cap) {
        m->cap = (m->len + n) * 2;
        m->data = need(realloc(m->data, m->cap));
    }
    memcpy(m->data + m->len, p, n);
    m->len += n;
}

static inline void mail_text(struct mail *m, const char *text, const char *eol)
{
    for (; *text; text++)
        if (*text == '\n')
            mail_add(m, eol, strlen(eol));
        else
            mail_add(m, text, 1);
}

static inline void mail_words(struct mail *m, uint64_t *rng, size_t n, const char *eol)
{
    static const char *const words[] = {"pigeon", "letter", "the", "of", "a", "morning", "reply", "ledger", "stamp", "and", "coast", "N\xc3\xbcrnberg"};
    for (size_t end = m->len + n, line = 0; m->len < end;) {
        const char *w = words[below(rng, sizeof words / sizeof *words)];
        mail_add(m, w, strlen(w));
        line += strlen(w) + 1;
        if (line > 60) {
            mail_add(m, eol, strlen(eol));
            line = 0;
        } else {
            mail_add(m, " ", 1);
        }
    }
    mail_add(m, eol, strlen(eol));
}

static inline void mail_base64(struct mail *m, uint64_t *rng, size_t lines, const char *eol)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char line[76];
    for (size_t i = 0; i < lines; i++) {
        for (size_t j = 0; j < sizeof line; j++)
            line[j] = digits[i % 3 ? next_random(rng) & 63 : j & 63];
        mail_add(m, line, sizeof line);
        mail_add(m, eol, strlen(eol));
    }
}

static inline void mail_header(struct mail *m, uint64_t *rng, const char *eol)
{
    char text[600];
    unsigned hour = (unsigned)below(rng, 24);
    m->has_date = below(rng, 5) != 0;
    m->date = 1546398245 - 3 * 3600 + (int64_t)hour * 3600; /* 2019-01-02 */
    snprintf(text, sizeof text, "Received: from mx%" PRIu64 ".example.net by mail.example.org; Wed, 2 Jan 2019 03:04:05 +0000\nFrom: Jane Roe <jane@example.org>\n"
             "To: =?utf-8?q?J=C3=B6rg?= <j%" PRIu64 "@example.com>\nSubject: letter %" PRIu64 "\n folded on\nMessage-ID: <%" PRIx64 "@example.org>\n",
             below(rng, 9), below(rng, 99), below(rng, 1000), next_random(rng));
    mail_text(m, text, eol);
    if (m->has_date) {
        snprintf(text, sizeof text, "Date: Wed, 2 Jan 2019 %02u:04:05 +0000\n", hour);
        mail_text(m, text, eol);
    }
}

static inline void mail_multipart(struct mail *m, uint64_t *rng, size_t size, const char *eol)
{
    mail_text(m, "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"=_b\"\n\npreamble\n--=_b\nContent-Type: text/plain; charset=utf-8\n\n", eol);
    mail_words(m, rng, size / 3, eol);
    mail_text(m, "--=_b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n", eol);
    mail_base64(m, rng, size / 78 + 1, eol);
    mail_text(m, "--=_b--\n", eol);
}

static inline uint64_t crlf_size_of(const char *p, size_t n)
{
    uint64_t size = n;
    for (size_t i = 0; i < n; i++)
        size += p[i] == '\n' && (i == 0 || p[i - 1] != '\r');
    return size;
}

/* The message that belongs to a seed. `big` may make it larger than one piece, than memory keeps, than a segment. */
static inline void make_mail(uint64_t seed, int big, struct mail *m)
{
    static const char *const eols[] = {"\r\n", "\n"};
    static const size_t sizes[] = {200, 900, 3000, 9000, 150000, 1300000};
    uint64_t rng = seed;
    const char *eol = eols[below(&rng, 3) == 0];
    size_t size = sizes[below(&rng, big ? 6 : 4)];
    m->len = 0;
    m->has_date = 0;
    size += below(&rng, size);
    switch (below(&rng, 12)) {
    case 0:
        break; /* empty */
    case 1:
        mail_add(m, &"x\n\r\0"[below(&rng, 4)], 1);
        break;
    case 2: /* no mail at all */
        for (size_t i = 0; i < size; i += 8) {
            uint64_t r = next_random(&rng);
            mail_add(m, &r, 8);
        }
        break;
    case 3: /* a header without a body, and without its last line end */
        mail_header(m, &rng, eol);
        m->len -= m->has_date ? 1 : 0;
        break;
    case 4:
    case 5:
    case 6:
        mail_header(m, &rng, eol);
        mail_multipart(m, &rng, size, eol);
        break;
    default:
        mail_header(m, &rng, eol);
        mail_text(m, "\n", eol);
        mail_words(m, &rng, size, below(&rng, 8) ? eol : "\n");
    }
    m->crlf_size = crlf_size_of(m->data, m->len);
}

#endif
