#include "archive/digest.h"
#include "archive/mapi/mapi.h"
#include "archive/mapi/from_mime.h"
#include "archive/pst/check.h"
#include "archive/pst/folders.h"
#include "archive/pst/own.h"
#include "archive/pst/store.h"
#include "archive/pst/write.h"
#include "pst_write_util.h"

/* ---- from messages to a file ------------------------------------------------------------------------------------------------------------ */

struct given {
    const char *folder;
    const char *text;
    size_t len; /* 0: strlen */
    uint32_t flags;
    const char *const *keywords;
    size_t keyword_count;
    uint32_t special_use;
};

struct source {
    char path[300];
    cubby_store *store;
    cubby_snapshot *snap;
};

static void remove_tree(const char *path)
{
    char command[400];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    ck_assert_int_eq(system(command), 0);
}

static void source_begin(struct source *s)
{
    cubby_error err;
    snprintf(s->path, sizeof s->path, "%s", scratch_pst("source"));
    remove_tree(s->path);
    ck_assert_int_eq(cubby_create(s->path, NULL, &err), 0);
    ck_assert_int_eq(cubby_open(s->path, NULL, &s->store, &err), 0);
    s->snap = NULL;
}

/* The uid in the folder INBOX of the store: a message is there for its structure. */
static uint32_t source_add(struct source *s, const struct given *g)
{
    cubby_message *m = NULL;
    cubby_txn *txn = NULL;
    cubby_folder f;
    cubby_add_options o = CUBBY_ADD_INIT;
    uint32_t uid = 0;
    ck_assert_int_eq(cubby_message_new(s->store, &m), 0);
    ck_assert_int_eq(cubby_message_write(m, g->text, g->len ? g->len : strlen(g->text)), 0);
    ck_assert_int_eq(cubby_message_finish(m), 0);
    ck_assert_int_eq(cubby_txn_begin(s->store, 0, &txn), 0);
    ck_assert_int_eq(cubby_folder_find(cubby_txn_snapshot(txn), CUBBY_ROOT, "INBOX", 5, &f), 0);
    ck_assert_int_eq(cubby_add(txn, f.id, m, &o, &uid), 0);
    ck_assert_int_eq(cubby_txn_commit(&txn, NULL), 0);
    cubby_message_free(&m);
    cubby_snapshot_end(&s->snap);
    ck_assert_int_eq(cubby_snapshot_begin(s->store, &s->snap), 0);
    return uid;
}

static void source_end(struct source *s)
{
    cubby_snapshot_end(&s->snap);
    cubby_close(&s->store);
    remove_tree(s->path);
}

enum { WHOLE, IN_WINDOWS, CANCELLED_FIRST };

static void put(struct source *s, struct writer *w, const struct given *g, int how)
{
    cubby_reader *r = NULL;
    cubby_folder f;
    uint32_t uid = source_add(s, g);
    ck_assert_int_eq(cubby_folder_find(s->snap, CUBBY_ROOT, "INBOX", 5, &f), 0);
    ck_assert_int_eq(cubby_reader_open(s->snap, f.id, uid, &r), 0);
    size_t n = (size_t)cubby_reader_size(r);
    struct writer_message m = {.uid = uid + 100, .flags = g->flags, .keywords = g->keywords, .keyword_count = g->keyword_count, .date = 1609550952,
                               .zone = -90, .size = n, .rfc822_size = n, .hash = cubby_reader_hash(r), .head = (const uint8_t *)g->text,
                               .head_len = how == IN_WINDOWS ? 0 : n, .reader = r};
    if (how == CANCELLED_FIRST) {
        ck_assert_int_eq(w->format->begin(w, &m), CLI_OK);
        ck_assert_int_eq(w->format->write(w, g->text, n), CLI_OK);
        ck_assert_int_eq(w->format->cancel(w), CLI_OK);
    }
    ck_assert_int_eq(w->format->begin(w, &m), CLI_OK);
    for (size_t at = 0; at < n; at += 50000)
        ck_assert_int_eq(w->format->write(w, g->text + at, n - at < 50000 ? n - at : 50000), CLI_OK);
    ck_assert_int_eq(w->format->end(w), CLI_OK);
    cubby_reader_close(&r);
}

static void make(const char *path, const struct given *g, size_t count, int how, int verbatim)
{
    struct writer_options o = {.dest = path, .one_file = 1, .force = 1, .password = "secret", .verbatim = verbatim};
    struct writer *w = NULL;
    struct source s;
    source_begin(&s);
    ck_assert_int_eq(writer_pst.open(&o, &w), CLI_OK);
    for (size_t i = 0; i < count; i++) {
        struct writer_folder f = {.path = g[i].folder, .special_use = g[i].special_use};
        ck_assert_int_eq(writer_pst.check(w, &f), CLI_OK);
    }
    for (size_t i = 0; i < count; i++) {
        struct writer_folder f = {.path = g[i].folder, .special_use = g[i].special_use};
        if (i == 0 || strcmp(g[i].folder, g[i - 1].folder) != 0)
            ck_assert_int_eq(writer_pst.folder(w, &f), CLI_OK);
        if (g[i].text)
            put(&s, w, &g[i], how);
    }
    ck_assert_int_eq(access(path, F_OK), -1); /* it comes when it is whole */
    ck_assert_int_eq(writer_pst.finish(w), CLI_OK);
    ck_assert_uint_eq(w->files, 1);
    writer_close(&w);
    source_end(&s);
}

/* ---- and back ------------------------------------------------------------------------------------------------------------------------------ */

static void on_finding(void *arg, int severity, uint64_t offset, const char *text)
{
    (void)arg;
    (void)severity;
    fprintf(stderr, "# at %llu: %s\n", (unsigned long long)offset, text);
}

struct result {
    int problems;
    struct pst *p;
    struct pst_store store;
    struct pst_checked checked;
};

static void look(const char *path, struct result *r)
{
    char error[256];
    uint64_t offset;
    *r = (struct result){0};
    ck_assert_int_eq(pst_check(path, on_finding, NULL, NULL, &r->checked, error, &offset), 0);
    ck_assert_uint_eq(r->checked.errors, 0);
    ck_assert_uint_eq(r->checked.warnings, 0);
    ck_assert_int_eq(pst_open(path, on_problem, &r->problems, &r->p), 0);
    pst_store_open(r->p, &r->store);
}

static void result_end(struct result *r, const char *path)
{
    ck_assert_int_eq(r->problems, 0);
    pst_store_close(&r->store);
    pst_close(&r->p);
    unlink(path);
}

/* A folder below another by name; 0: none. */
static uint32_t child(struct result *r, uint32_t parent, const char *name)
{
    struct pst_ids ids = {0};
    uint32_t found = 0;
    pst_folder_children(&r->store, parent, &ids);
    for (size_t i = 0; i < ids.count; i++) {
        struct text t = {0};
        pst_folder_name(&r->store, ids.ids[i], &t);
        if (strcmp(t.data, name) == 0)
            found = ids.ids[i];
        text_release(&t);
    }
    pst_ids_free(&ids);
    return found;
}

/* The i-th message of a folder. */
static struct mapi_object *message(struct result *r, uint32_t folder, int i)
{
    struct pst_listing l;
    struct pst_bits *seen = calloc(1, sizeof *seen);
    struct pst_node node;
    struct mapi_object *o = NULL;
    pst_listing_begin(&l, &r->store, folder, PST_NT_MESSAGE, seen);
    while (pst_listing_next(&l, &node) == 1)
        if (i-- == 0)
            ck_assert_int_eq(pst_message_open(&r->store, &node, &o), 0);
    pst_listing_end(&l);
    pst_bits_free(seen);
    free(seen);
    return o;
}

static void is_text(struct mapi_object *o, uint16_t id, const char *want)
{
    struct text t = {0};
    int rc = mapi_text(o, id, 1 << 20, &t);
    ck_assert_msg(want ? rc == 1 && strcmp(t.data ? t.data : "", want) == 0 : rc == 0, "property %04x: %d \"%s\"", id, rc, t.data ? t.data : "");
    text_release(&t);
}

static void is_bytes(struct mapi_object *o, uint16_t id, const void *want, size_t n)
{
    struct text t = {0};
    ck_assert_int_eq(mapi_bytes(o, id, 64 << 20, &t), 1);
    ck_assert_uint_eq(t.len, n);
    ck_assert_int_eq(memcmp(t.data, want, n), 0);
    text_release(&t);
}

/* ---- tests ------------------------------------------------------------------------------------------------------------------------------------ */

#define MIXED                                                                                                                                        \
    "From: =?utf-8?Q?J=C3=BCrgen?= <j@example.org>\r\nSender: list@example.org\r\nTo: \"B, A\" <a@example.org>, c@example.org\r\n"                      \
    "Cc: d@example.org (Dee)\r\nSubject: Re: =?iso-8859-1?Q?Gr=FC=DFe?=\r\nDate: Sat, 2 Jan 2021 01:29:12 +0100\r\nMessage-ID: <1@x>\r\n"               \
    "In-Reply-To: <0@x>\r\nReferences: <00@x>\r\n <0@x>\r\nX-Priority: 1 (Highest)\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n"          \
    "Content-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n"                          \
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=\r\n=C3=9Fe\r\n--a\r\n"                     \
    "Content-Type: text/html; charset=iso-8859-1\r\n\r\n<img src=\"cid:pic@x\">\xe4\r\n--a--\r\n--r\r\nContent-Type: image/png; name=p.png\r\n"         \
    "Content-ID: <pic@x>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n--r--\r\n--m\r\nContent-Type: message/rfc822\r\n\r\n"                   \
    "Subject: inner\r\nFrom: i@example.org\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nhello\r\n--i\r\n"                             \
    "Content-Disposition: attachment; filename*=utf-8''%C3%A4.bin\r\nContent-Type: application/octet-stream\r\n\r\ndata\r\n--i--\r\n\r\n--m--\r\n"

static void check_mixed(struct mapi_object *o)
{
    struct mapi_object *a, *inner, *deep;
    is_text(o, MAPI_P_SUBJECT, "\x01\x05Re: Gr\xc3\xbc\xc3\x9f" "e");
    is_text(o, MAPI_P_SUBJECT_PREFIX, "Re: ");
    is_text(o, MAPI_P_CONVERSATION_TOPIC, "Gr\xc3\xbc\xc3\x9f" "e");
    is_text(o, MAPI_P_MESSAGE_CLASS, "IPM.Note");
    is_text(o, MAPI_P_REPRESENTING_NAME, "J\xc3\xbcrgen");
    is_text(o, MAPI_P_REPRESENTING_SMTP, "j@example.org");
    is_text(o, MAPI_P_SENDER_SMTP, "list@example.org");
    is_text(o, MAPI_P_DISPLAY_TO, "B, A; c@example.org");
    is_text(o, MAPI_P_DISPLAY_CC, "Dee");
    is_text(o, MAPI_P_DISPLAY_BCC, "");
    is_text(o, MAPI_P_INTERNET_MESSAGE_ID, "<1@x>");
    is_text(o, MAPI_P_IN_REPLY_TO, "<0@x>");
    is_text(o, MAPI_P_INTERNET_REFERENCES, "<00@x> <0@x>");
    is_text(o, MAPI_P_BODY, "Gr\xc3\xbc\xc3\x9f" "e");
    is_bytes(o, MAPI_P_HTML, "<img src=\"cid:pic@x\">\xe4", 22);
    ck_assert_int_eq(mapi_int(o, MAPI_P_INTERNET_CODEPAGE, 0), 28591);
    ck_assert_int_eq(mapi_int(o, MAPI_P_NATIVE_BODY, 0), 3);
    ck_assert_int_eq(mapi_int(o, MAPI_P_IMPORTANCE, 0), 2);
    ck_assert_int_eq(mapi_int(o, MAPI_P_MESSAGE_FLAGS, 0), MAPI_FLAG_READ | MAPI_FLAG_HASATTACH);
    ck_assert_int_eq(mapi_int(o, MAPI_P_FLAG_STATUS, 0), 2);
    ck_assert_int_eq(mapi_int(o, MAPI_P_LAST_VERB, 0), MAPI_VERB_REPLY);
    int64_t when;
    ck_assert_int_eq(mapi_time(o, MAPI_P_CLIENT_SUBMIT_TIME, &when), 1);
    ck_assert_int_eq(when, 1609547352);
    ck_assert_int_eq(mapi_time(o, MAPI_P_DELIVERY_TIME, &when), 1);
    ck_assert_int_eq(when, 1609550952);
    ck_assert_int_eq(o->ops->recipients(o), 3);
    ck_assert_int_eq(o->ops->recipient(o, 2, &a), 0);
    ck_assert_int_eq(mapi_int(a, MAPI_P_RECIPIENT_TYPE, 0), 2);
    is_text(a, MAPI_P_DISPLAY_NAME, "Dee");
    is_text(a, MAPI_P_SMTP_ADDRESS, "d@example.org");
    mapi_close(&a);
    ck_assert_int_eq(o->ops->attachments(o), 2);
    ck_assert_int_eq(o->ops->attachment(o, 0, &a), 0);
    is_bytes(a, MAPI_P_ATTACH_DATA, "\x89PNG", 4);
    is_text(a, MAPI_P_ATTACH_LONG_FILENAME, "p.png");
    is_text(a, MAPI_P_ATTACH_EXTENSION, ".png");
    is_text(a, MAPI_P_ATTACH_CONTENT_ID, "pic@x");
    is_text(a, MAPI_P_ATTACH_MIME_TAG, "image/png");
    ck_assert_int_eq(mapi_int(a, MAPI_P_ATTACH_FLAGS, 0), MAPI_ATTACH_IN_HTML);
    ck_assert_int_eq(mapi_int(a, MAPI_P_ATTACHMENT_HIDDEN, 0), 1);
    ck_assert_int_eq(mapi_int(a, MAPI_P_RENDERING_POSITION, 0), -1); /* Outlook's repair program wants it */
    mapi_close(&a);
    ck_assert_int_eq(o->ops->attachment(o, 1, &a), 0);
    ck_assert_int_eq(mapi_int(a, MAPI_P_ATTACH_METHOD, 0), MAPI_ATTACH_EMBEDDED);
    is_text(a, MAPI_P_DISPLAY_NAME, "inner");
    ck_assert_int_eq(a->ops->embedded(a, &inner), 0);
    is_text(inner, MAPI_P_SUBJECT, "\x01\x01inner");
    is_text(inner, MAPI_P_BODY, "hello");
    ck_assert_int_eq(inner->ops->attachments(inner), 1);
    ck_assert_int_eq(inner->ops->attachment(inner, 0, &deep), 0);
    is_text(deep, MAPI_P_ATTACH_LONG_FILENAME, "\xc3\xa4.bin");
    is_bytes(deep, MAPI_P_ATTACH_DATA, "data", 4);
    mapi_close(&deep);
    mapi_close(&inner);
    mapi_close(&a);
}

static void check_own(struct mapi_object *o, const char *original)
{
    struct mapi_prop p;
    struct text t = {0};
    ck_assert_int_eq(mapi_find_named(o, mapi_set_cubby, 0, MAPI_NAME_ORIGINAL, &p), 1);
    ck_assert_int_eq(mapi_bytes_of(o, &p, 1 << 20, &t), 1);
    ck_assert_str_eq(t.data, original);
    text_clear(&t);
    uint8_t hash[16];
    digest_of(original, strlen(original), hash);
    ck_assert_int_eq(mapi_find_named(o, mapi_set_cubby, 0, MAPI_NAME_ORIGINAL_HASH, &p), 1);
    ck_assert_int_eq(mapi_bytes_of(o, &p, 100, &t), 1);
    ck_assert_uint_eq(t.len, 16);
    ck_assert_int_eq(memcmp(t.data, hash, 16), 0);
    ck_assert_int_eq(mapi_find_named(o, mapi_set_cubby, 0, PST_OWN_UID, &p), 1);
    ck_assert_int_eq(mapi_int_of(&p, 0), 101);
    ck_assert_int_eq(mapi_find_named(o, mapi_set_cubby, 0, PST_OWN_DATE, &p), 1);
    ck_assert_int_eq(mapi_int_of(&p, 0), 1609550952);
    ck_assert_int_eq(mapi_find_named(o, mapi_set_cubby, 0, PST_OWN_ZONE, &p), 1);
    ck_assert_int_eq(mapi_int_of(&p, 0), -90);
    ck_assert_int_eq(mapi_find_named(o, mapi_set_cubby, 0, PST_OWN_KEYWORDS, &p), 1);
    ck_assert_uint_eq(p.count, 3);
    ck_assert_int_eq(mapi_find_named(o, mapi_set_public_strings, 0, MAPI_NAME_KEYWORDS, &p), 1);
    ck_assert_uint_eq(p.count, 2); /* what begins with $ is no category */
    text_release(&t);
}

START_TEST(one_message)
{
    static const char *const keywords[] = {"red", "$Label1", "Work"};
    const struct given g = {.folder = "INBOX", .text = MIXED, .flags = CUBBY_SEEN | CUBBY_FLAGGED | CUBBY_ANSWERED, .keywords = keywords, .keyword_count = 3};
    for (int how = WHOLE; how <= CANCELLED_FIRST; how++)
        for (int verbatim = 0; verbatim <= 1; verbatim++) {
            const char *path = scratch_pst("one");
            struct result r;
            struct mapi_prop p;
            make(path, &g, 1, how, verbatim);
            look(path, &r);
            ck_assert_uint_eq(r.checked.messages, 1);
            ck_assert_int_eq(r.checked.password, 1);
            ck_assert_int_eq(pst_store_password(&r.store, "secret"), 1);
            ck_assert_int_eq(pst_store_password(&r.store, "Secret"), 0);
            struct mapi_object *o = message(&r, child(&r, r.store.top, "Inbox"), 0);
            check_mixed(o);
            if (verbatim)
                ck_assert_int_eq(mapi_find_named(o, mapi_set_cubby, 0, MAPI_NAME_ORIGINAL, &p), 0);
            else
                check_own(o, MIXED);
            mapi_close(&o);
            result_end(&r, path);
        }
}
END_TEST

START_TEST(folders)
{
    static const char mail[] = "Subject: x\n\ny\n";
    static const struct given g[] = {
        {.folder = "A/b%2Fc/d", .text = mail},
        {.folder = "INBOX", .text = mail, .flags = CUBBY_SEEN},
        {.folder = "INBOX", .text = mail},
        {.folder = "INBOX/sub"},
        {.folder = "Bin", .text = mail, .special_use = CUBBY_USE_TRASH},
        {.folder = "Bin/old", .text = mail},
        {.folder = "Inbox2"},
        {.folder = "Sent", .text = mail, .special_use = CUBBY_USE_SENT},
        {.folder = "Drafts", .text = mail, .flags = CUBBY_DRAFT, .special_use = CUBBY_USE_DRAFTS},
        {.folder = "Spam", .special_use = CUBBY_USE_JUNK},
        {.folder = "deleted items", .text = mail},
        {.folder = "case"},
        {.folder = "Case"},
    };
    const char *path = scratch_pst("folders");
    struct result r;
    make(path, g, sizeof g / sizeof *g, WHOLE, 0);
    look(path, &r);
    uint32_t top = r.store.top, a = child(&r, top, "A"), bin = child(&r, top, "Deleted Items");
    ck_assert_uint_ne(child(&r, child(&r, a, "b/c"), "d"), 0);
    ck_assert_uint_eq(bin, 0x8062);
    ck_assert_uint_ne(child(&r, bin, "old"), 0);
    ck_assert_uint_eq(child(&r, top, "Bin"), 0);
    ck_assert_uint_ne(child(&r, child(&r, top, "Inbox"), "sub"), 0);
    ck_assert_uint_ne(child(&r, top, "deleted items (2)"), 0);
    ck_assert_uint_ne(child(&r, top, "case"), 0);
    ck_assert_uint_ne(child(&r, top, "Case (2)"), 0);
    ck_assert_uint_eq(r.store.sent, child(&r, top, "Sent"));
    ck_assert_uint_eq(r.store.deleted, bin);
    ck_assert_uint_eq(r.store.drafts, child(&r, top, "Drafts"));
    ck_assert_uint_eq(r.store.junk, child(&r, top, "Spam"));
    struct pst_node node;
    struct pst_pc pc;
    ck_assert_int_eq(pst_find_node(r.p, child(&r, top, "Inbox"), &node), 1);
    ck_assert_int_eq(pst_pc_open(r.p, &node, &pc), 0);
    ck_assert_int_eq(pst_pc_int(&pc, MAPI_P_CONTENT_COUNT, -1), 2);
    ck_assert_int_eq(pst_pc_int(&pc, MAPI_P_CONTENT_UNREAD, -1), 1);
    ck_assert_int_eq(pst_pc_int(&pc, MAPI_P_SUBFOLDERS, -1), 1);
    pst_pc_close(&pc);
    struct mapi_object *draft = message(&r, child(&r, top, "Drafts"), 0);
    ck_assert_int_eq(mapi_int(draft, MAPI_P_MESSAGE_FLAGS, 0), MAPI_FLAG_UNSENT);
    mapi_close(&draft);
    result_end(&r, path);
}
END_TEST

/* Deleted Items is in every file. Where the store had none, the file says so; a file without own properties cannot. */
START_TEST(added_folder)
{
    static const struct given without[] = {{.folder = "A"}, {.folder = "INBOX"}};
    static const struct given with[] = {{.folder = "Deleted Items"}, {.folder = "INBOX"}};
    static const struct given below[] = {{.folder = "Deleted Items/x"}, {.folder = "INBOX"}};
    static const struct {
        const struct given *g;
        int verbatim, passed_over;
        unsigned folders;
    } expected[] = {{without, 0, 1, 2}, {without, 1, 0, 3}, {with, 0, 0, 2}, {below, 0, 1, 3}}; /* "Deleted Items (2)", which is what the store has, and x in it */
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const char *path = scratch_pst("added");
        const struct pst_folder *f;
        unsigned n = 0, passed_over = 0;
        struct result r;
        make(path, expected[i].g, 2, WHOLE, expected[i].verbatim);
        look(path, &r);
        struct pst_folders *all = pst_folders_new(&r.store);
        while (pst_folders_next(all, &f) == 1) {
            if (f->nid != r.store.top && f->only_if_used) {
                ck_assert_str_eq(f->path, "Deleted Items");
                passed_over++;
            }
            n += !f->only_if_used;
        }
        pst_folders_free(&all);
        ck_assert_uint_eq(passed_over, (unsigned)expected[i].passed_over);
        ck_assert_uint_eq(n, expected[i].folders);
        result_end(&r, path);
    }
}
END_TEST

/* A folder whose table is full goes on in another. */
START_TEST(full_folders)
{
    enum { N = 100 };
    struct given g[N];
    for (int i = 0; i < N; i++)
        g[i] = (struct given){.folder = "X", .text = "Subject: a subject that takes some space in the table of its folder, as subjects do\n\n"};
    const char *path = scratch_pst("full");
    struct result r;
    pst_write_limits.folder_blocks = 3;
    make(path, g, N, WHOLE, 0);
    pst_write_limits.folder_blocks = 60000;
    look(path, &r);
    ck_assert_uint_eq(r.checked.messages, N);
    ck_assert_uint_ne(child(&r, r.store.top, "X"), 0);
    ck_assert_uint_ne(child(&r, r.store.top, "X (2)"), 0);
    result_end(&r, path);
}
END_TEST

static char *big_message(size_t body, size_t *n)
{
    char *p = malloc(body + 1000);
    int at = sprintf(p, "Subject: big\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: application/x\n\n");
    for (size_t i = 0; i < body; i++)
        p[(size_t)at + i] = i % 77 == 76 ? '\n' : (char)('a' + pattern(i) % 26);
    *n = (size_t)at + body + (size_t)sprintf(p + (size_t)at + body, "\n--b--\n");
    return p;
}

START_TEST(big)
{
    size_t n;
    char *text = big_message(11 << 20, &n); /* more than a list of blocks, and than a window */
    const struct given g = {.folder = "INBOX", .text = text, .len = n};
    for (int how = IN_WINDOWS; how <= CANCELLED_FIRST; how++) {
        const char *path = scratch_pst("big");
        struct result r;
        struct mapi_object *a;
        make(path, &g, 1, how, 0);
        look(path, &r);
        struct mapi_object *o = message(&r, child(&r, r.store.top, "Inbox"), 0);
        ck_assert_int_eq(o->ops->attachments(o), 1);
        ck_assert_int_eq(o->ops->attachment(o, 0, &a), 0);
        is_bytes(a, MAPI_P_ATTACH_DATA, strstr(text, "/x\n\n") + 4, 11 << 20);
        mapi_close(&a);
        mapi_close(&o);
        result_end(&r, path);
    }
    free(text);
}
END_TEST

/* Subject, body, HTML and number of attachments of odd messages. */
START_TEST(odd_messages)
{
    static const struct {
        const char *text, *class_name, *subject, *body, *html;
        int attachments;
    } t[] = {
        {"", "IPM.Note", "", NULL, NULL, 0},
        {"\n", "IPM.Note", "", NULL, NULL, 0},
        {"no header at all", "IPM.Note", "", NULL, NULL, 0},
        {"Subject: a\n\nb\nc", "IPM.Note", "\x01\x01" "a", "b\r\nc", NULL, 0},
        {"Subject: Fwd: a\n\n", "IPM.Note", "\x01\x06" "Fwd: a", NULL, NULL, 0},
        {"Content-Type: text/html\n\n<b>", "IPM.Note", "", NULL, "<b>", 0},
        {"Content-Type: multipart/mixed; boundary=none\n\nno boundary\n", "IPM.Note", "", "no boundary\r\n", NULL, 0},
        {"Content-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw==\n", "IPM.Note", "", NULL, NULL, 1},
        {"Content-Type: text/plain\nContent-Disposition: attachment\n\nx", "IPM.Note", "", NULL, NULL, 1},
        {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b\nContent-Type: text/html\n\nthree\n--b--\n", "IPM.Note", "", "one",
         NULL, 2},
        {"Content-Type: multipart/signed; boundary=b; protocol=\"application/pkcs7-signature\"\n\n--b\n\none\n--b\n"
         "Content-Type: application/pkcs7-signature\n\nx\n--b--\n", "IPM.Note.SMIME.MultipartSigned", "", "one", NULL, 1},
        {"Content-Type: multipart/signed; boundary=b; protocol=\"application/pgp-signature\"\n\n--b\n\none\n--b\n"
         "Content-Type: application/pgp-signature\n\nx\n--b--\n", "IPM.Note", "", "one", NULL, 1},
        {"Content-Type: application/pkcs7-mime; name=smime.p7m\n\nx", "IPM.Note.SMIME", "", NULL, NULL, 1},
        {"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeAo=\n--b--\n",
         "IPM.Note", "", NULL, NULL, 1},
    };
    enum { N = sizeof t / sizeof *t };
    struct given g[N];
    for (int i = 0; i < N; i++)
        g[i] = (struct given){.folder = "INBOX", .text = t[i].text};
    const char *path = scratch_pst("odd");
    struct result r;
    make(path, g, N, WHOLE, 0);
    look(path, &r);
    ck_assert_uint_eq(r.checked.messages, N);
    for (int i = 0; i < N; i++) {
        struct mapi_object *o = message(&r, child(&r, r.store.top, "Inbox"), i);
        struct text html = {0};
        is_text(o, MAPI_P_MESSAGE_CLASS, t[i].class_name);
        is_text(o, MAPI_P_SUBJECT, t[i].subject);
        if (t[i].body || mapi_text(o, MAPI_P_BODY, 10, &html) == 1)
            is_text(o, MAPI_P_BODY, t[i].body ? t[i].body : "");
        text_clear(&html);
        ck_assert_int_eq(mapi_bytes(o, MAPI_P_HTML, 100, &html), t[i].html != NULL);
        ck_assert(!t[i].html || strcmp(html.data, t[i].html) == 0);
        int64_t n = o->ops->attachments(o);
        ck_assert_msg(n == t[i].attachments, "message %d: %d attachments", i, (int)n);
        text_release(&html);
        mapi_close(&o);
    }
    result_end(&r, path);
}
END_TEST

/* Messages in messages, deeper than they are taken apart. */
START_TEST(depth)
{
    struct text t = {0};
    for (int i = 0; i < 60; i++)
        text_add(&t, "Subject: x\nContent-Type: message/rfc822\n\n", 41);
    text_add(&t, "Subject: y\n\nend\n", 16);
    const struct given g = {.folder = "INBOX", .text = t.data};
    const char *path = scratch_pst("depth");
    struct result r;
    make(path, &g, 1, WHOLE, 0);
    look(path, &r);
    ck_assert_uint_eq(r.checked.messages, 1);
    ck_assert_uint_eq(r.checked.embedded, 32);
    result_end(&r, path);
    text_release(&t);
}
END_TEST

/* Nothing at all: still a file that Outlook can open. */
START_TEST(empty)
{
    const struct given g = {.folder = "INBOX"};
    const char *path = scratch_pst("empty");
    struct result r;
    make(path, &g, 1, WHOLE, 0);
    look(path, &r);
    ck_assert_uint_eq(r.checked.messages, 0);
    ck_assert_uint_eq(r.checked.bytes, 0x42400);
    result_end(&r, path);
}
END_TEST

UNIT_MAIN("tools/pst_write_store", one_message, folders, added_folder, full_folders, big, odd_messages, depth, empty)
