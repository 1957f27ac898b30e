/* Folders, messages and the reader for imports, on small stores. */
#include "archive/pst/store.h"

#include "archive/reader.h"
#include "pst_build.h"

static struct build b;

static void setup(uint32_t password, size_t messages)
{
    build_begin(&b);
    cli.quiet = 1;
    build_store(&b, password, messages);
    for (size_t i = 0; i < messages; i++) {
        char subject[40];
        snprintf(subject, sizeof subject, "Letter %zu", i);
        build_message(&b, i, subject);
    }
}

/* What a reader says, as text: F path, M subject, X for a failed one. */
static char *read_all(const struct reader_options *o)
{
    static char out[4000];
    struct reader *r = NULL;
    struct reader_item item;
    out[0] = 0;
    build_write(&b, BUILD_SIZE);
    if (reader_pst.open(build_path(), o, &r) != 0) {
        snprintf(out, sizeof out, "! %s", r->error);
        reader_close(&r);
        return out;
    }
    int rc;
    while (memset(&item, 0, sizeof item), (rc = reader_pst.next(r, &item)) == 0) {
        size_t at = strlen(out), n;
        const uint8_t *p;
        if (item.kind == READER_FOLDER)
            snprintf(out + at, sizeof out - at, "F %s\n", item.folder);
        else if (item.kind == READER_FAILED)
            snprintf(out + at, sizeof out - at, "X %s\n", item.reason);
        char text[4000] = "";
        size_t len = 0;
        while (item.kind == READER_MESSAGE && reader_pst.read(r, &p, &n) == 0) {
            ck_assert_uint_lt(len + n, sizeof text);
            memcpy(text + len, p, n);
            len += n;
            text[len] = 0;
        }
        char *subject = strstr(text, "Subject: ");
        if (item.kind == READER_MESSAGE)
            snprintf(out + at, sizeof out - at, "M%s %.*s\n", item.flags.system & CUBBY_SEEN ? "s" : "", subject ? (int)strcspn(subject + 9,
                     "\r\n") : 1,
                     subject ? subject + 9 : "?");
        reader_item_release(&item);
    }
    ck_assert_int_eq(rc, 1);
    reader_close(&r);
    return out;
}

static const struct reader_options plain = {0};

START_TEST(reads_a_store)
{
    setup(0, 3);
    build_end(&b);
    ck_assert_str_eq(read_all(&plain), "F Letters\nM Letter 0\nMs Letter 1\nM Letter 2\n");
    build_release(&b);
}
END_TEST

START_TEST(passwords)
{
    struct reader_options o = {0};
    setup(0xF93BA110, 1);
    build_end(&b);
    ck_assert_str_eq(read_all(&o), "! a password is set: give it with --password");
    o.password = "Test";
    ck_assert_str_eq(read_all(&o), "! the password is wrong");
    o.password = "test";
    ck_assert_str_eq(read_all(&o), "F Letters\nM Letter 0\n");
    build_release(&b);
    /* in the code page of the machine that set it: e with an acute accent is one byte there */
    setup(pst_crc(0, "caf\xe9", 4), 1);
    build_end(&b);
    o.password = "caf\xc3\xa9";
    ck_assert_str_eq(read_all(&o), "F Letters\nM Letter 0\n");
    build_release(&b);
}
END_TEST

/* Changes the entry of a node in its leaf. */
static uint8_t *node_entry(uint32_t nid, uint64_t *page)
{
    for (uint64_t ib = PST_AMAP_AT; ib < BUILD_SIZE; ib += PST_PAGE_SIZE)
        if (b.p[ib + 496] == PST_PAGE_NBT && b.p[ib + 497] == PST_PAGE_NBT && b.p[ib + 491] == 0)
            for (int i = 0; i < b.p[ib + 488]; i++)
                if (pst_get32(b.p + ib + 32 * i) == nid) {
                    *page = ib;
                    return b.p + ib + 32 * i;
                }
    ck_abort_msg("node 0x%x", nid);
    return NULL;
}

/* A folder's table that is gone, or something else: its messages are found by their parent. Here one that the table does not list, too. */
START_TEST(broken_contents_table)
{
    for (int variant = 0; variant < 3; variant++) {
        uint64_t page;
        setup(0, 3);
        build_message(&b, 5, "Not listed");
        build_end(&b);
        uint8_t *e = node_entry(BUILD_FOLDER + 12, &page);
        if (variant == 0)
            pst_put64(e + 8, 0x7770);
        else if (variant == 1)
            memcpy(e + 8, node_entry(PST_NID_STORE, &page) + 8, 8);
        else
            pst_put64(e, BUILD_FOLDER + 14);
        node_entry((uint32_t)pst_get64(e), &page);
        build_fix_page(&b, page);
        ck_assert_str_eq(read_all(&plain), "F Letters\nM Letter 0\nMs Letter 1\nM Letter 2\nMs Not listed\n");
        build_release(&b);
    }
}
END_TEST

START_TEST(broken_folder_table)
{
    uint64_t page;
    setup(0, 1);
    build_end(&b);
    uint8_t *e = node_entry(BUILD_TOP + 11, &page);
    pst_put64(e + 8, 0x7770);
    build_fix_page(&b, page);
    ck_assert_str_eq(read_all(&plain), "F Letters\nM Letter 0\n");
    build_release(&b);
}
END_TEST

START_TEST(message_that_is_not_there)
{
    uint64_t page;
    setup(0, 2);
    build_end(&b);
    uint8_t *e = node_entry(BUILD_MESSAGE, &page);
    pst_put64(e + 8, 0x7770);
    build_fix_page(&b, page);
    ck_assert_str_eq(read_all(&plain), "F Letters\nX node 0x200024: block 0x7770 is not in the file\nMs Letter 1\n");
    build_release(&b);
}
END_TEST

/* A checksum that is wrong where a message lies is told with that message, which is read all the same. */
START_TEST(damage_within_a_message)
{
    struct reader *r = NULL;
    struct reader_item item;
    const uint8_t *p;
    size_t n;
    int notes = 0;
    setup(0, 2);
    build_end(&b);
    for (size_t i = 0; i < b.node_count; i++)
        for (size_t j = 0; j < b.block_count; j++)
            if (b.nodes[i].nid == BUILD_MESSAGE + 32 && b.blocks[j].bid == b.nodes[i].data)
                b.p[b.blocks[j].ib + b.blocks[j].extent - 12] ^= 1;
    build_write(&b, BUILD_SIZE);
    ck_assert_int_eq(reader_pst.open(build_path(), &plain, &r), 0);
    while (memset(&item, 0, sizeof item), reader_pst.next(r, &item) == 0) {
        while (item.kind == READER_MESSAGE && reader_pst.read(r, &p, &n) == 0)
            continue;
        if (r->note) {
            ck_assert_uint_eq(item.number, 2);
            ck_assert_ptr_nonnull(strstr(r->note, "the checksum is wrong"));
            notes++;
        }
        free(r->note);
        r->note = NULL;
        reader_item_release(&item);
    }
    ck_assert_int_eq(notes, 1);
    reader_close(&r);
    build_release(&b);
}
END_TEST

/* What no table lists is brought on request; but not what Outlook keeps outside of the user's folders. */
START_TEST(recovers)
{
    const struct reader_options recover = {.recover = 1};
    const struct build_prop props[] = {{0x001A, PST_PT_STRING, 0, "IPM.Note", 0}, {0x0037, PST_PT_STRING, 0, "Of no folder", 0}};
    setup(0, 1);
    build_message(&b, 5, "Not listed");
    build_node(&b, BUILD_MESSAGE + 32 * 6, build_pc(&b, props, 2), 0, 0x9992);
    build_node(&b, BUILD_MESSAGE + 32 * 7, build_pc(&b, props, 2), 0, PST_NID_ROOT);
    build_end(&b);
    ck_assert_str_eq(read_all(&plain), "F Letters\nM Letter 0\n");
    ck_assert_str_eq(read_all(&recover), "F Letters\nM Letter 0\nF Recovered\nMs Not listed\nM Of no folder\n");
    build_release(&b);
    setup(0, 1);
    build_end(&b);
    ck_assert_str_eq(read_all(&recover), "F Letters\nM Letter 0\n");
    build_release(&b);
}
END_TEST

/* The top is no folder, unless it holds messages. And a folder that is in itself is walked once. */
START_TEST(odd_trees)
{
    const uint32_t children[] = {BUILD_TOP, BUILD_FOLDER}, message = BUILD_MESSAGE, flags = 1;
    char key[16] = "a store's key..", entry[24] = {0};
    memcpy(entry + 4, key, 16);
    pst_put32((uint8_t *)entry + 20, BUILD_TOP);
    const struct build_prop props[] = {{0x0FF9, PST_PT_BINARY, 0, key, 16}, {0x35E0, PST_PT_BINARY, 0, entry, 24}};
    build_begin(&b);
    cli.quiet = 1;
    build_node(&b, PST_NID_STORE, build_pc(&b, props, 2), 0, 0);
    build_names(&b);
    build_folder(&b, BUILD_TOP, BUILD_TOP, "All/of it", children, 2, &message, &flags, 1);
    build_folder(&b, BUILD_FOLDER, BUILD_TOP, "50% Inbox", children, 2, NULL, NULL, 0);
    build_message(&b, 0, "At the top");
    build_end(&b);
    ck_assert_str_eq(read_all(&plain), "F All%2Fof it\nM At the top\nF 50%25 Inbox\n");
    build_release(&b);
}
END_TEST

/* ---- objects ------------------------------------------------------------------------------------------------------------------------------- */

static struct pst *p;
static struct pst_store store;

static struct mapi_object *open_message(uint64_t pc, uint64_t sub)
{
    struct pst_node node;
    struct mapi_object *o;
    build_node(&b, BUILD_MESSAGE, pc, sub, 0);
    build_end(&b);
    build_write(&b, BUILD_SIZE);
    ck_assert_int_eq(pst_open(build_path(), NULL, NULL, &p), 0);
    pst_store_open(p, &store);
    ck_assert_int_eq(pst_find_node(p, BUILD_MESSAGE, &node), 1);
    ck_assert_int_eq(pst_message_open(&store, &node, &o), 0);
    return o;
}

static void close_message(struct mapi_object **o)
{
    mapi_close(o);
    pst_store_close(&store);
    pst_close(&p);
    build_release(&b);
}

START_TEST(multi_values)
{
    static const uint8_t strings[] = {2, 0, 0, 0, 12, 0, 0, 0, 16, 0, 0, 0, 'a', 0, 'b', 0, 'c', 0}, lie[] = {200, 0, 0, 0, 8, 0, 0, 0};
    static const uint8_t outside[] = {2, 0, 0, 0, 12, 0, 0, 0, 200, 0, 0, 0, 'a', 0}, numbers[] = {1, 0, 0, 0, 2, 0, 0, 0, 9};
    const struct build_prop props[] = {{0x1111, PST_PT_MULTI | PST_PT_STRING, 0, (const char *)strings, sizeof strings},
                                       {0x2222, PST_PT_MULTI | PST_PT_STRING, 0, (const char *)lie, sizeof lie},
                                       {0x3333, PST_PT_MULTI | PST_PT_STRING, 0, (const char *)outside, sizeof outside},
                                       {0x4444, PST_PT_MULTI | PST_PT_INT32, 0, (const char *)numbers, sizeof numbers},
                                       {0x5555, PST_PT_MULTI | PST_PT_STRING, 0, NULL, 0}};
    struct mapi_prop x, e;
    struct text t = {0};
    build_begin(&b);
    struct mapi_object *o = open_message(build_pc(&b, props, 5), 0);
    ck_assert_int_eq(mapi_find(o, 0x1111, &x), 1);
    ck_assert_uint_eq(x.count, 2);
    ck_assert_int_eq(o->ops->element(o, &x, 0, &e), 1);
    ck_assert_int_eq(mapi_text_of(o, &e, 100, &t), 1);
    ck_assert_str_eq(t.data, "ab");
    ck_assert_int_eq(o->ops->element(o, &x, 1, &e), 1);
    ck_assert_int_eq(mapi_text_of(o, &e, 100, &t), 1);
    ck_assert_str_eq(t.data, "abc");
    ck_assert_int_eq(o->ops->element(o, &x, 2, &e), -1);
    ck_assert_int_eq(mapi_find(o, 0x2222, &x), -1);
    ck_assert_uint_eq(x.id, 0x2222);
    ck_assert_int_eq(mapi_find(o, 0x3333, &x), 1);
    ck_assert_int_eq(o->ops->element(o, &x, 0, &e), -1);
    ck_assert_int_eq(o->ops->element(o, &x, 1, &e), -1);
    ck_assert_int_eq(mapi_find(o, 0x4444, &x), 1);
    ck_assert_uint_eq(x.count, 2);
    ck_assert_int_eq(o->ops->element(o, &x, 1, &e), 1);
    ck_assert_int_eq((int)mapi_int_of(&e, 0), 2);
    ck_assert_int_eq(mapi_find(o, 0x5555, &x), 1);
    ck_assert_uint_eq(x.count, 0);
    text_release(&t);
    close_message(&o);
}
END_TEST

/* An attachment whose message is the one it is attached to: seen, not followed. */
START_TEST(message_in_itself)
{
    const struct build_prop props[] = {{0x0037, PST_PT_STRING, 0, "A ring", 0}};
    uint8_t object[8] = {0};
    struct build_node subs[2] = {{PST_NID_ATTACHMENTS, 0, 0, 0}, {0x8025, 0, 0, 0}}, inner = {BUILD_MESSAGE, 0, 0, 0};
    const uint32_t id = 0x8025;
    struct mapi_object *o, *a, *m;
    build_begin(&b);
    uint64_t pc = build_pc(&b, props, 1);
    pst_put32(object, BUILD_MESSAGE);
    const struct build_prop attachment[] = {{0x3701, PST_PT_OBJECT, 0, (const char *)object, 8}, {0x3705, PST_PT_INT32, 5, NULL, 0}};
    subs[0].data = build_table(&b, &id, 1, 0, NULL);
    subs[1].data = build_pc(&b, attachment, 2);
    inner.data = pc;
    subs[1].sub = build_subnodes(&b, &inner, 1);
    o = open_message(pc, build_subnodes(&b, subs, 2));
    ck_assert_int_eq((int)o->ops->recipients(o), 0);
    ck_assert_int_eq((int)o->ops->attachments(o), 1);
    ck_assert_int_eq(o->ops->attachment(o, 1, &a), -1);
    ck_assert_int_eq(o->ops->attachment(o, 0, &a), 0);
    ck_assert_int_eq(a->ops->embedded(a, &m), -1);
    ck_assert_ptr_null(m);
    ck_assert_str_eq(a->ops->error(a), "node 0x8025: a message that holds itself");
    mapi_close(&a);
    close_message(&o);
}
END_TEST

/* Without a table that can be read, attachments are found among the subnodes. */
START_TEST(attachments_without_table)
{
    const struct build_prop props[] = {{0x3704, PST_PT_STRING, 0, "a.txt", 0}};
    for (int variant = 0; variant < 2; variant++) {
        struct build_node subs[3] = {{PST_NID_ATTACHMENTS, 0, 0, 0}, {0x8025, 0, 0, 0}, {0x803F, 0, 0, 0}};
        struct mapi_object *o, *a;
        struct text t = {0};
        build_begin(&b);
        subs[0].data = variant ? build_block(&b, "no table", 8, 0) : 0;
        subs[1].data = build_pc(&b, props, 1);
        subs[2].data = build_block(&b, "a value", 7, 0);
        o = open_message(build_pc(&b, props, 1), build_subnodes(&b, subs + !variant, variant ? 3 : 2));
        ck_assert_int_eq((int)o->ops->attachments(o), 1);
        ck_assert_int_eq(o->ops->attachment(o, 0, &a), 0);
        ck_assert_int_eq(mapi_text(a, 0x3704, 100, &t), 1);
        ck_assert_str_eq(t.data, "a.txt");
        text_release(&t);
        mapi_close(&a);
        close_message(&o);
    }
}
END_TEST

UNIT_MAIN("tools/pst_store", reads_a_store, passwords, broken_contents_table, broken_folder_table, message_that_is_not_there,
          damage_within_a_message, recovers, odd_trees, multi_values, message_in_itself, attachments_without_table)
