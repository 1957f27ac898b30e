#include "corrupt/sample.h"

#include "model/common.h"

struct maker {
    cubby_store *s;
    cubby_options o;
    struct sample *out;
    int letters;
};

enum body { TEXT, NOISE, PARTS, TWO_PIECES };

static size_t letter(char *b, int i, enum body kind, size_t body)
{
    size_t n = (size_t)sprintf(b, "Received: from there by here\r\nFrom: a%d@example.org\r\nTo: b@example.org\r\nSubject: number %d\r\n"
                                  "Message-ID: <%d@example.org>\r\nDate: Mon, 1 Jan 2024 00:00:0%d +0000\r\nX-Other: something\r\n",
                               i, i, i, i % 10);
    if (kind == PARTS)
        return n + (size_t)sprintf(b + n, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\nContent-Type: text/plain\r\n\r\nh\xc3\xa9llo\r\n"
                                          "--b%d\r\nContent-Type: application/x; name=y\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwQFBgc=\r\n--b%d--\r\n",
                                   i, i, i, i);
    n += (size_t)sprintf(b + n, "\r\n");
    uint64_t x = (uint64_t)i + 1;
    for (size_t k = 0; k < body; k++)
        b[n + k] = k % 64 == 63 ? '\n' : kind == NOISE ? (char)('!' + next_random(&x) % 90) : "lorem ipsum dolor"[k % 17];
    return n + body;
}

static void commit(struct maker *k, cubby_txn **t)
{
    MUST(k->s, cubby_txn_commit(t, NULL));
    struct content now = {.count = 0};
    content_read(k->s, &now, "making the store");
    content_remember(&k->out->history, &now);
    content_drop(&now);
}

static void append(struct maker *k, uint64_t folder, enum body kind, size_t body)
{
    static char b[150000];
    const char *keyword = "$Label1";
    cubby_message *m;
    cubby_txn *t;
    uint32_t uid;
    cubby_add_options o = CUBBY_ADD_INIT;
    int i = k->letters++;
    o.flags = (uint32_t)i % 3 ? CUBBY_SEEN : CUBBY_FLAGGED;
    o.keywords = &keyword;
    o.keyword_count = i % 4 == 1;
    o.has_date = 1;
    o.internaldate = 1700000000 + i;
    size_t n = i == 3 ? 0 : letter(b, i, kind, body); /* number 3 is empty */
    MUST(k->s, cubby_message_new(k->s, &m));
    MUST(k->s, cubby_message_write(m, b, n));
    MUST(k->s, cubby_message_finish(m));
    MUST(k->s, cubby_txn_begin(k->s, 0, &t));
    MUST(k->s, cubby_add(t, folder, m, &o, &uid));
    commit(k, &t);
    cubby_message_free(&m);
}

enum change { FLAG, LAZILY, EXPUNGE, COPY, MOVE };

static void change(struct maker *k, enum change what, const char *uids, uint64_t to)
{
    const char *keyword = "$Forwarded";
    cubby_txn *t;
    cubby_uidset *set;
    MUST(k->s, cubby_uidset_parse(uids, 1000, &set));
    MUST(k->s, cubby_txn_begin(k->s, what == LAZILY ? CUBBY_LAZY : 0, &t));
    if (what == EXPUNGE)
        MUST(k->s, cubby_expunge(t, 1, set, 0, NULL));
    else if (what == COPY)
        MUST(k->s, cubby_copy(t, 1, set, to, NULL, NULL));
    else if (what == MOVE)
        MUST(k->s, cubby_move(t, 1, set, to, NULL, NULL));
    else
        MUST(k->s, cubby_flag(t, 1, set, CUBBY_FLAGS_ADD, (uint32_t)to, &keyword, what == FLAG, NULL));
    commit(k, &t);
    cubby_uidset_free(&set);
}

/* FOLDER, SUBSCRIPTION, MARK; one folder is renamed, one deleted. */
static uint64_t folders(struct maker *k)
{
    cubby_txn *t;
    uint64_t archive, child, gone;
    uint32_t first;
    MUST(k->s, cubby_txn_begin(k->s, 0, &t));
    MUST(k->s, cubby_folder_create(t, CUBBY_ROOT, "Archive", 7, &archive));
    MUST(k->s, cubby_folder_create(t, archive, "2024", 4, &child));
    MUST(k->s, cubby_folder_create(t, CUBBY_ROOT, "Gone", 4, &gone));
    MUST(k->s, cubby_folder_set_special(t, archive, CUBBY_USE_ARCHIVE));
    MUST(k->s, cubby_subscribe(t, "Archive\0", 8, 1));
    commit(k, &t);
    append(k, gone, TEXT, 30);
    MUST(k->s, cubby_txn_begin(k->s, 0, &t));
    MUST(k->s, cubby_folder_rename(t, child, archive, "2025", 4));
    MUST(k->s, cubby_folder_delete(t, gone));
    MUST(k->s, cubby_recent_claim(t, 1, &first));
    commit(k, &t);
    append(k, child, TEXT, 200);
    return archive;
}

static void reopen(struct maker *k)
{
    MUST(k->s, cubby_close(&k->s));
    MUST(NULL, cubby_open(STORE, &k->o, &k->s, NULL));
}

static void fill(struct maker *k)
{
    for (int i = 0; i < 6; i++)
        append(k, 1, i == 1 ? PARTS : i == 2 ? NOISE : TEXT, i == 2 ? 900 : (size_t)(100 + i * 90));
    uint64_t archive = folders(k);
    k->out->earlier[0] = image_take(k->o.vfs);
    reopen(k); /* a PROOF */
    append(k, archive, TWO_PIECES, 131072 + 3000);
    change(k, FLAG, "1:4", CUBBY_ANSWERED);
    change(k, EXPUNGE, "2:3", 0);
    MUST(k->s, cubby_checkpoint(k->s));
    k->out->earlier[1] = image_take(k->o.vfs);
    change(k, COPY, "5", archive);
    change(k, MOVE, "4", archive);
    append(k, 1, NOISE, 700);
    append(k, archive, TEXT, 0);
    reopen(k);
    append(k, 1, NOISE, 1800);
    MUST(k->s, cubby_checkpoint(k->s));
    append(k, 1, PARTS, 0);
    append(k, archive, TEXT, 500);
    change(k, LAZILY, "1", CUBBY_FLAGGED); /* announces a ceiling */
    append(k, 1, TEXT, 60);
    change(k, LAZILY, "5:9", CUBBY_FLAGGED);
    change(k, LAZILY, "1:9", CUBBY_DRAFT);
}

void sample_make(uint64_t seed, struct sample *out)
{
    struct cubby__memfs *fs = need(cubby__memfs_new());
    struct maker k = {.o = CUBBY_OPTIONS_INIT, .out = out};
    memset(out, 0, sizeof *out);
    cubby__memfs_deterministic(fs, seed);
    k.o.vfs = cubby__memfs_vfs(fs);
    k.o.segment_bytes = SAMPLE_SEGMENT_BYTES;
    MUST(NULL, cubby_create(STORE, &k.o, NULL));
    MUST(NULL, cubby_open(STORE, &k.o, &k.s, NULL));
    fill(&k);
    content_read(k.s, &out->content, "making the store");
    out->killed = image_take(k.o.vfs);
    MUST(k.s, cubby_checkpoint(k.s));
    MUST(k.s, cubby_close(&k.s));
    out->stopped = image_take(k.o.vfs);
    cubby__memfs_free(&fs);
}

void sample_drop(struct sample *s)
{
    image_drop(&s->killed);
    image_drop(&s->stopped);
    for (int i = 0; i < EARLIER; i++)
        image_drop(&s->earlier[i]);
    content_drop(&s->content);
    content_drop(&s->history);
}
