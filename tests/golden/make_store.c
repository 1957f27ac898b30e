/* make_store.c - makes the stores of a golden archive: DIR/clean, stopped as it should be, and DIR/torn, which was left in the middle of a commit;
 * their messages in DIR/mail, and DIR/list, which says where each of them is: "store folder uid file". Clock and random numbers are fixed, so that
 * the same format gives the same bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cubby.h"

static uint64_t state = 42;
static int64_t clock_ns = 1700000000000000000; /* 2023-11-14T22:13:20Z */

static int fixed_random(void *ctx, void *buf, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)buf)[i] = (uint8_t)(state >> 56);
    }
    return 0;
}

static int64_t fixed_now(void *ctx)
{
    (void)ctx;
    return clock_ns += 1000000000;
}

static void fail(const char *what, int rc)
{
    fprintf(stderr, "make_store: %s: %d (%s)\n", what, rc, cubby_strerror(rc));
    exit(1);
}

#define MUST(call)                                                                                                                                   \
    do {                                                                                                                                             \
        int rc_ = (call);                                                                                                                            \
        if (rc_ != 0)                                                                                                                                \
            fail(#call, rc_);                                                                                                                        \
    } while (0)

/* ---- messages ---- */

#define FROM "From: Jane Roe <jane@example.org>\r\nTo: =?utf-8?q?J=C3=B6rg?= <joerg@example.net>\r\nDate: Wed, 2 Jan 2019 03:04:05 +0100\r\n"

static const char plain[] = "Received: from mx.example.net by mail.example.org; Wed, 2 Jan 2019 03:04:06 +0100\r\n" FROM
                            "Subject: plain\r\nMessage-ID: <1@example.org>\r\n\r\nHello,\r\n\r\na letter.\r\n";
static const char parts[] = FROM "Subject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n\tboundary=\"=_outer\"\r\n\r\npreamble\r\n"
                                 "--=_outer\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nZ\xc3\xbcrich\r\n--=_outer\r\nContent-Type: message/rfc822\r\n\r\n"
                                 "Subject: inner\r\n\r\ninner body\r\n--=_outer\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n";
static const char unix_lines[] = "From: j@example.org\nSubject: folded\n on two lines\nX-Rest: 1\n\nonly LF\n.\nFrom here\nno end of line";
static const char odd[] = "no header at all\r\nbare \r CR, and a NUL: \0, and 8 bit: \xe4\xf6\xfc\r\n";

struct bytes {
    char *p;
    size_t n;
};

static void add(struct bytes *b, const char *p, size_t n)
{
    b->p = realloc(b->p, b->n + n);
    if (!b->p)
        exit(1);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

/* Base64 of canonical form, and text that fills more than one piece. */
static void attachment(struct bytes *b)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char line[78];
    for (int i = 0; i < 60; i++) {
        for (int j = 0; j < 76; j++)
            line[j] = digits[(i * 31 + j * j * 7) & 63];
        memcpy(line + 76, "\r\n", 2);
        add(b, line, sizeof line);
    }
    add(b, "AAECAw==\r\n--=_outer--\r\n", 23);
}

static void make_mail(int which, struct bytes *b)
{
    b->n = 0;
    switch (which) {
    case 0:
        add(b, plain, sizeof plain - 1);
        break;
    case 1:
        add(b, parts, sizeof parts - 1);
        attachment(b);
        break;
    case 2:
        add(b, unix_lines, sizeof unix_lines - 1);
        break;
    case 3:
        add(b, odd, sizeof odd - 1);
        break;
    case 4:
        break; /* nothing */
    default:
        add(b, plain, sizeof plain - 1);
        for (int i = 0; i < 6000; i++) {
            char line[64];
            add(b, line, (size_t)snprintf(line, sizeof line, "%d: the %d. line of a long letter\r\n", which, i));
        }
    }
}

/* ---- stores ---- */

static FILE *list;
static const char *store_name;

static void put(cubby_store *s, cubby_txn *txn, uint64_t folder, const char *path, int which, uint32_t flags, const char *keyword)
{
    struct bytes b = {0};
    cubby_message *m;
    uint32_t uid;
    cubby_add_options o = CUBBY_ADD_INIT;
    o.flags = flags;
    o.keywords = &keyword;
    o.keyword_count = keyword != NULL;
    o.has_date = 1;
    o.internaldate = 1546394645 + which * 86400;
    o.internaldate_zone = (int16_t)(which * 60);
    make_mail(which, &b);
    MUST(cubby_message_new(s, &m));
    MUST(cubby_message_write(m, b.p ? b.p : "", b.n));
    MUST(cubby_message_finish(m));
    MUST(cubby_add(txn, folder, m, &o, &uid));
    cubby_message_free(&m);
    free(b.p);
    if (list)
        fprintf(list, "%s %s %u %d.eml\n", store_name, path, uid, which);
}

static cubby_uidset *uids(const char *text)
{
    cubby_uidset *set;
    MUST(cubby_uidset_parse(text, UINT32_MAX, &set));
    return set;
}

static void folders(cubby_store *s, uint64_t id[3])
{
    cubby_txn *txn;
    uint64_t gone;
    MUST(cubby_txn_begin(s, 0, &txn));
    MUST(cubby_folder_create(txn, CUBBY_ROOT, "Archive", 7, &id[0]));
    MUST(cubby_folder_create(txn, id[0], "Z\xc3\xbcrich", 7, &id[1]));
    MUST(cubby_folder_create(txn, CUBBY_ROOT, "Sent", 4, &id[2]));
    MUST(cubby_folder_create(txn, CUBBY_ROOT, "gone", 4, &gone));
    MUST(cubby_folder_set_special(txn, id[2], CUBBY_USE_SENT));
    MUST(cubby_subscribe(txn, "INBOX", 6, 1));
    MUST(cubby_subscribe(txn, "Archive\0not there", 18, 1));
    put(s, txn, gone, "", 0, 0, NULL);
    MUST(cubby_txn_commit(&txn, NULL));
    MUST(cubby_txn_begin(s, 0, &txn));
    MUST(cubby_folder_delete(txn, gone));
    MUST(cubby_folder_rename(txn, id[2], CUBBY_ROOT, "Outbox", 6));
    MUST(cubby_txn_commit(&txn, NULL));
}

static void fill(cubby_store *s)
{
    static const char *const keywords[] = {"$Forwarded", NULL, "work", NULL, NULL, "$forwarded", "later"};
    uint64_t id[3];
    uint32_t first;
    cubby_txn *txn;
    cubby_uidset *set;
    FILE *all = list;
    list = NULL;
    folders(s, id);
    list = all;
    for (int i = 0; i < 7; i++) {
        MUST(cubby_txn_begin(s, 0, &txn));
        put(s, txn, 1, "INBOX", i, (uint32_t)i * 5 & CUBBY_FLAGS_ALL, keywords[i]);
        if (i % 3 == 0)
            put(s, txn, id[1], "Archive/Z\xc3\xbcrich", i, CUBBY_SEEN, NULL);
        MUST(cubby_txn_commit(&txn, NULL));
    }
    list = NULL; /* copies, and what will be expunged */
    MUST(cubby_txn_begin(s, 0, &txn));
    for (int i = 0; i < 5; i++)
        put(s, txn, 1, "INBOX", 0, 0, NULL);
    MUST(cubby_copy(txn, 1, set = uids("1:3"), id[2], NULL, NULL));
    cubby_uidset_free(&set);
    MUST(cubby_move(txn, 1, set = uids("12"), id[0], NULL, NULL));
    cubby_uidset_free(&set);
    MUST(cubby_txn_commit(&txn, NULL));
    MUST(cubby_txn_begin(s, CUBBY_LAZY, &txn));
    MUST(cubby_flag(txn, 1, set = uids("1,3,9:10"), CUBBY_FLAGS_ADD, CUBBY_SEEN | CUBBY_DELETED, NULL, 0, NULL));
    MUST(cubby_txn_commit(&txn, NULL));
    cubby_uidset_free(&set);
    MUST(cubby_txn_begin(s, 0, &txn));
    MUST(cubby_expunge(txn, 1, set = uids("8:*"), 1, NULL));
    MUST(cubby_flag(txn, 1, set, CUBBY_FLAGS_REPLACE, CUBBY_DRAFT, NULL, 0, NULL));
    MUST(cubby_recent_claim(txn, 1, &first));
    MUST(cubby_txn_commit(&txn, NULL));
    cubby_uidset_free(&set);
    list = all;
}

static cubby_store *open_store(const char *path)
{
    static cubby_vfs vfs;
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_error e;
    cubby_store *s;
    vfs = *cubby_vfs_posix();
    vfs.random = fixed_random;
    vfs.now_ns = fixed_now;
    o.vfs = &vfs;
    o.flags = CUBBY_CREATE;
    o.segment_bytes = 8192;
    o.checkpoint_bytes = 4096;
    int rc = cubby_open(path, &o, &s, &e);
    if (rc)
        fail(e.message, rc);
    return s;
}

static void one_more(cubby_store *s, int which)
{
    cubby_txn *txn;
    MUST(cubby_txn_begin(s, 0, &txn));
    put(s, txn, 1, "INBOX", which, CUBBY_FLAGGED, "last");
    MUST(cubby_txn_commit(&txn, NULL));
}

/* The process that made it was killed; of its last commit the end never came to the disk. */
static void tear(const char *store)
{
    char path[1200], last[1200] = "";
    long end = 0;
    for (int i = 1;; i++) {
        snprintf(path, sizeof path, "%s/segments/%08d.seg", store, i);
        if (access(path, F_OK) != 0)
            break;
        memcpy(last, path, sizeof last);
    }
    FILE *f = fopen(last, "r+b");
    if (!f)
        fail(last, 0);
    for (int c, at = 0; (c = getc(f)) != EOF; at++)
        if (c)
            end = at + 1;
    fseek(f, end - 40, SEEK_SET);
    for (int i = 0; i < 40; i++)
        putc(0, f);
    fclose(f);
}

static void leave_torn(const char *path)
{
    pid_t pid = fork();
    if (pid == 0) {
        cubby_store *s = open_store(path);
        fill(s);
        one_more(s, 0);
        FILE *all = list;
        list = NULL;
        one_more(s, 2); /* this one is lost */
        fflush(all);
        _exit(0);
    }
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        exit(1);
    tear(path);
}

static void write_mail(const char *dir)
{
    struct bytes b = {0};
    char path[1200];
    snprintf(path, sizeof path, "%s/mail", dir);
    mkdir(path, 0755);
    for (int i = 0; i < 7; i++) {
        make_mail(i, &b);
        snprintf(path, sizeof path, "%s/mail/%d.eml", dir, i);
        FILE *f = fopen(path, "wb");
        if (!f || fwrite(b.p ? b.p : "", 1, b.n, f) != b.n || fclose(f) != 0)
            fail(path, 0);
    }
    free(b.p);
}

int main(int argc, char **argv)
{
    char path[1200];
    if (argc != 2)
        return 16;
    write_mail(argv[1]);
    snprintf(path, sizeof path, "%s/list", argv[1]);
    list = fopen(path, "w");
    if (!list)
        fail(path, 0);
    snprintf(path, sizeof path, "%s/clean", argv[1]);
    store_name = "clean";
    cubby_store *s = open_store(path);
    fill(s);
    MUST(cubby_close(&s));
    fflush(list);
    snprintf(path, sizeof path, "%s/torn", argv[1]);
    store_name = "torn";
    leave_torn(path);
    return fclose(list) == 0 ? 0 : 1;
}
