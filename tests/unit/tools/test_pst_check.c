/* The check of PST files: a sound file has nothing, and each thing that is broken is named. */
#include "archive/pst/check.h"

#include "pst_build.h"

static struct build b;
static struct pst_checked k;
static char said[8192]; /* "E text\n" and "W text\n" */

static void on_problem(void *arg, int severity, uint64_t offset, const char *text)
{
    size_t n = strlen(said);
    (void)arg;
    (void)offset;
    snprintf(said + n, sizeof said - n, "%c %s\n", severity == PST_CHECK_ERROR ? 'E' : 'W', text);
}

static int check(size_t n)
{
    char error[256];
    uint64_t offset;
    said[0] = 0;
    build_write(&b, n);
    return pst_check(build_path(), on_problem, NULL, NULL, &k, error, &offset);
}

static void make(void)
{
    build_begin(&b);
    build_store(&b, 0, 3);
    for (size_t i = 0; i < 3; i++)
        build_message(&b, i, "A letter");
    build_end(&b);
}

START_TEST(sound)
{
    make();
    ck_assert_int_eq(check(BUILD_SIZE), 0);
    ck_assert_str_eq(said, "");
    ck_assert_uint_eq(k.errors + k.warnings, 0);
    ck_assert_uint_eq(k.folders, 3);
    ck_assert_uint_eq(k.messages, 3);
    ck_assert_uint_eq(k.blocks, b.block_count);
    ck_assert_uint_eq(k.nodes, b.node_count);
    build_release(&b);
}
END_TEST

/* ---- breakages ------------------------------------------------------------------------------------------------------------------------------ */

/* The entry of a block or a node, with its page. */
static uint8_t *entry_of(int type, uint64_t key, uint64_t *page)
{
    unsigned size = type == PST_PAGE_NBT ? 32 : 24;
    for (uint64_t ib = PST_AMAP_AT; ib < BUILD_SIZE; ib += PST_PAGE_SIZE)
        if (b.p[ib + 496] == type && b.p[ib + 497] == type && b.p[ib + 491] == 0)
            for (unsigned i = 0; i < b.p[ib + 488]; i++)
                if (pst_get64(b.p + ib + size * i) == key) {
                    *page = ib;
                    return b.p + ib + size * i;
                }
    ck_abort_msg("no entry 0x%llx", (unsigned long long)key);
    return NULL;
}

static struct build_block *block_of_node(uint32_t nid)
{
    for (size_t i = 0; i < b.node_count; i++)
        for (size_t j = 0; j < b.block_count; j++)
            if (b.nodes[i].nid == nid && b.blocks[j].bid == b.nodes[i].data)
                return &b.blocks[j];
    ck_abort_msg("node 0x%x", nid);
    return NULL;
}

static uint8_t *open_block(struct build_block *x)
{
    pst_decode(b.crypt, x->bid, b.p + x->ib, x->len);
    return b.p + x->ib;
}

static void close_block(struct build_block *x)
{
    pst_encode(b.crypt, x->bid, b.p + x->ib, x->len);
    build_seal_block(&b, x);
}

/* The value of a property of a node: its 4 bytes in the leaf. */
static void set_value(uint32_t nid, uint16_t id, uint32_t value)
{
    struct build_block *x = block_of_node(nid);
    uint8_t *h = open_block(x), *leaf = h + pst_get16(h + pst_get16(h) + 6);
    while (pst_get16(leaf) != id)
        leaf += 8;
    pst_put32(leaf + 4, value);
    close_block(x);
}

static void header_sum(void)
{
    b.p[5] ^= 1;
}
static void header_second_sum(void)
{
    b.p[525] ^= 1;
}
static void header_eof(void)
{
    pst_put64(b.p + 184, 5);
    build_seal_header(&b);
}
static void header_map(void)
{
    pst_put64(b.p + 192, 5);
    build_seal_header(&b);
}
static void header_free(void)
{
    pst_put64(b.p + 200, 64);
    build_seal_header(&b);
}
static void header_next_block(void)
{
    pst_put64(b.p + 516, 8);
    build_seal_header(&b);
}
static void header_next_page(void)
{
    pst_put64(b.p + 32, 1);
    build_seal_header(&b);
}
static void header_nid(void)
{
    pst_put32(b.p + 44 + 4 * 4, 0x10001);
    build_seal_header(&b);
}
static void page_sum(void)
{
    b.p[b.nbt + 495] ^= 1;
}
static void page_signature(void)
{
    b.p[b.nbt + 498] ^= 1;
}
static void page_id(void)
{
    pst_put64(b.p + b.nbt + 504, 0x99);
    pst_put16(b.p + b.nbt + 498, pst_signature(b.nbt, 0x99));
}
static void page_order(void)
{
    uint64_t page;
    uint8_t *e = entry_of(PST_PAGE_NBT, PST_NID_NAMES, &page), copy[32];
    memcpy(copy, e, 32);
    memcpy(e, e + 32, 32);
    memcpy(e + 32, copy, 32);
    build_fix_page(&b, page);
}
static void page_first_key(void)
{
    pst_put64(b.p + b.nbt + 24, pst_get64(b.p + b.nbt + 24) - 1);
    build_fix_page(&b, b.nbt);
}
static void page_size(void)
{
    b.p[b.nbt + 490] = 32;
    b.p[b.nbt + 489] = 200;
    build_fix_page(&b, b.nbt);
}
static void block_sum(void)
{
    b.p[b.blocks[3].ib] ^= 1;
}
static void block_signature(void)
{
    b.p[b.blocks[3].ib + b.blocks[3].extent - 14] ^= 1;
}
static void block_length(void)
{
    b.p[b.blocks[3].ib + b.blocks[3].extent - 16] ^= 1;
}
static void block_id(void)
{
    b.p[b.blocks[3].ib + b.blocks[3].extent - 8] ^= 8;
}
static void block_padding(void)
{
    b.p[b.blocks[2].ib + b.blocks[2].extent - 17] = 1;
}
static void block_refs(void)
{
    uint64_t page;
    pst_put16(entry_of(PST_PAGE_BBT, b.blocks[3].bid, &page) + 18, 3);
    build_fix_page(&b, page);
}
static void block_twice(void)
{
    uint64_t page;
    uint8_t *e = entry_of(PST_PAGE_BBT, b.blocks[3].bid, &page);
    pst_put64(e + 8, b.blocks[2].ib);
    build_fix_page(&b, page);
}
static void block_gone(void)
{
    uint64_t page;
    uint8_t *e = entry_of(PST_PAGE_NBT, PST_NID_NAMES, &page);
    pst_put64(e + 8, 0x7770);
    build_fix_page(&b, page);
}
static void map_bit(void)
{
    b.p[PST_AMAP_AT + 10] ^= 0x10;
    build_fix_page(&b, PST_AMAP_AT);
}
static void map_bit_too_many(void)
{
    b.p[PST_AMAP_AT + 490] |= 1;
    build_fix_page(&b, PST_AMAP_AT);
    pst_put64(b.p + 200, pst_get64(b.p + 200) - 64);
    build_seal_header(&b);
}
static void map_page(void)
{
    b.p[PST_AMAP_AT + 512 + 496] = 0;
}
static void heap_map(void)
{
    struct build_block *x = block_of_node(BUILD_TOP);
    uint8_t *h = open_block(x);
    h[pst_get16(h) + 5]++;
    close_block(x);
}
static void table_row(void)
{
    struct build_block *x = block_of_node(BUILD_FOLDER + 12);
    uint8_t *h = open_block(x), *rows = h + pst_get16(h + pst_get16(h) + 4 + 2 * 3);
    rows[0] ^= 0x20;
    close_block(x);
}
static void table_index(void)
{
    struct build_block *x = block_of_node(BUILD_FOLDER + 12);
    uint8_t *h = open_block(x), *index = h + pst_get16(h + pst_get16(h) + 4 + 2 * 2);
    pst_put32(index + 4, 77);
    close_block(x);
}
static void property_lost(void)
{
    set_value(BUILD_MESSAGE, 0x0037, 0x1FE0);
}
static void folder_count(void)
{
    set_value(BUILD_FOLDER, 0x3602, 4);
}
static void folder_unread(void)
{
    set_value(BUILD_FOLDER, 0x3603, 0);
}
static void folder_children(void)
{
    set_value(BUILD_FOLDER, 0x360A, 1);
}
static void message_flags(void)
{
    set_value(BUILD_MESSAGE, 0x0E07, 1);
}
static void entry_id(void)
{
    struct build_block *x = block_of_node(PST_NID_STORE);
    uint8_t *h = open_block(x), *e = h + pst_get16(h + pst_get16(h) + 4 + 2 * 3);
    pst_put32(e + 20, 0x9992);
    close_block(x);
}
static void folder_table(void)
{
    uint64_t page;
    pst_put64(entry_of(PST_PAGE_NBT, BUILD_FOLDER + 13, &page), BUILD_FOLDER + 14);
    build_fix_page(&b, page);
}
static void message_parent(void)
{
    uint64_t page;
    pst_put32(entry_of(PST_PAGE_NBT, BUILD_MESSAGE, &page) + 24, BUILD_TOP);
    build_fix_page(&b, page);
}
static void message_unlisted(void)
{
    uint64_t page;
    pst_put64(entry_of(PST_PAGE_NBT, BUILD_MESSAGE + 64, &page), BUILD_MESSAGE + 96);
    build_fix_page(&b, page);
}

static const struct {
    void (*brk)(void);
    const char *says;
} breakages[] = {
    {header_sum, "E the header's first checksum is wrong\n"},
    {header_second_sum, "E the header's second checksum is wrong\n"},
    {header_eof, "E the header says the file has 5 bytes, it has 271360\n"},
    {header_map, "E the header says the last allocation map is at 5, it is at 17408\n"},
    {header_free, "E the header says 64 bytes are free, the allocation maps say"},
    {header_next_block, "E block id 0x8 is not below the header's next one (0x8)\n"},
    {header_next_page, "is not below the header's next one (0x1)\n"},
    {header_nid, "E node 0x200044 is above the last one of its type that the header knows (0x200024)\n"},
    {page_sum, "E page of type 0x81: the checksum is wrong\n"},
    {page_signature, "E page of type 0x81: the signature is wrong\n"},
    {page_id, "was expected, page 0x99 is there\n"},
    {page_order, "E keys of the B-tree do not ascend: 0x61 after 0x122\n"},
    {page_first_key, "E B-tree page begins with key"},
    {page_size, "E B-tree page with entries of 32 bytes, not 24\n"},
    {block_sum, "E block 0x10: the checksum is wrong\n"},
    {block_signature, "E block 0x10: the signature is wrong\n"},
    {block_length, "E block 0x10: its end says"},
    {block_id, "E block 0x10: block 0x10 was expected, block 0x18 is there\n"},
    {block_padding, "W block 0xc: the bytes behind it are not zero\n"},
    {block_refs, "E block 0x10: the B-tree counts 3 references, there are 2\n"},
    {block_twice, "E block 0x10 lies where something else lies, too\n"},
    {block_gone, "E node 0x61 refers to block 0x7770, which is not there\n"},
    {map_bit, "E 64 bytes are in use, but free in the allocation map\n"},
    {map_bit_too_many, "W 64 bytes are taken in the allocation map, but nothing is there\n"},
    {map_page, "E map at 17920: no page of type 0x83"},
    {heap_map, "E heap 0x8022, block 0: item 0 is at"},
    {table_row, "E table 0x804e: row 0 has the id 0x200004, its index says 0x200024\n"},
    {table_index, "E table 0x804e, row 0x200024: table 0x804e: it has fewer rows than its index says\n"},
    {property_lost, "E node 0x200024: property 0x0037001f: node 0x200024 has no heap item 0x1fe0\n"},
    {folder_count, "E folder 0x8042 says it has 4 messages, its table has 3\n"},
    {folder_unread, "E folder 0x8042 says it has 0 unread messages, its table has 2\n"},
    {folder_children, "W folder 0x8042 says it has subfolders, its table has 0\n"},
    {message_flags, "E node 0x200024: property 0x0e070003 is 1, its row in table 0x804e says 0\n"},
    {entry_id, "E the store's entry id 0x35e0 leads to node 0x9992, which is not there\n"},
    {folder_table, "E folder 0x8042 has no node 0x804f\n"},
    {message_parent, "E folder 0x8042 lists message 0x200024, which belongs to 0x8022\n"},
    {message_unlisted, "E message 0x200084 is in no folder's table\n"},
};

START_TEST(broken)
{
    for (size_t i = 0; i < sizeof breakages / sizeof *breakages; i++) {
        make();
        breakages[i].brk();
        ck_assert_int_eq(check(BUILD_SIZE), 0);
        ck_assert_msg(strstr(said, breakages[i].says) != NULL, "breakage %zu: not \"%s\" but:\n%s", i, breakages[i].says, said);
        ck_assert_uint_gt(k.errors + k.warnings, 0);
        build_release(&b);
    }
}
END_TEST

/* ---- messages ------------------------------------------------------------------------------------------------------------------------------- */

enum { ATTACHMENT = 0x8025, LETTER = BUILD_MESSAGE + 32 * 3 };

static uint32_t length_of(uint64_t bid)
{
    for (size_t i = 0; i < b.block_count; i++)
        if (b.blocks[i].bid == bid)
            return b.blocks[i].len;
    return 0;
}

/* A message with an attachment; each says that it has so many bytes more than it has. */
static void make_sized(uint32_t message_more, uint32_t attachment_more)
{
    const uint32_t id = ATTACHMENT, sum = 4 + 8 + 7 + 4;
    const struct build_prop inside[] = {{0x0E20, PST_PT_INT32, sum + attachment_more, NULL, 0}, {0x3007, PST_PT_TIME, 0, "12345678", 8},
                                        {0x3701, PST_PT_BINARY, 0, "content", 7}, {0x3705, PST_PT_INT32, 1, NULL, 0}};
    struct build_prop props[] = {{0x001A, PST_PT_STRING, 0, "IPM.Note", 0}, {0x0E08, PST_PT_INT32, 0, NULL, 0},
                                 {0x1000, PST_PT_STRING, 0, "A body", 0}};
    struct build_node subs[] = {{PST_NID_ATTACHMENTS, 0, 0, 0}, {PST_NID_RECIPIENTS, 0, 0, 0}, {ATTACHMENT, 0, 0, 0}};
    uint32_t bytes = 0;
    build_begin(&b);
    build_store(&b, 0, 1);
    build_message(&b, 0, "A letter");
    subs[0].data = build_table(&b, &id, 1, 0, NULL);
    subs[1].data = build_table(&b, NULL, 0, 0, NULL);
    subs[2].data = build_pc(&b, inside, 4);
    for (int i = 0; i < 3; i++)
        bytes += length_of(subs[i].data);
    uint64_t try = build_pc(&b, props, 3); /* its length does not depend on the number */
    props[1].value = bytes + length_of(try) + message_more;
    build_node(&b, LETTER, build_pc(&b, props, 3), build_subnodes(&b, subs, 3), BUILD_FOLDER);
    build_end(&b);
    check(BUILD_SIZE);
    build_release(&b);
}

START_TEST(sizes)
{
    make_sized(0, 0);
    ck_assert_ptr_null(strstr(said, "bytes, its"));
    make_sized(1, 0);
    ck_assert_ptr_nonnull(strstr(said, "W message 0x200084 says it has"));
    ck_assert_ptr_null(strstr(said, "W attachment"));
    make_sized(0, 1);
    ck_assert_ptr_nonnull(strstr(said, "W attachment 0x8025 says it has 24 bytes, its properties have 23\n"));
    ck_assert_ptr_null(strstr(said, "W message"));
}
END_TEST

/* Subnodes whose own subnodes are the same list again: one after the other for ever, or twice as many each time. */
START_TEST(subnodes_name_each_other)
{
    for (size_t many = 1; many <= 2; many++) {
        const struct build_prop props[] = {{0x3705, PST_PT_INT32, 1, NULL, 0}};
        struct build_node subs[2] = {{ATTACHMENT, 0, 0, 0}, {ATTACHMENT + 32, 0, 0, 0}};
        build_begin(&b);
        build_store(&b, 0, 1);
        build_message(&b, 0, "A letter");
        subs[0].data = subs[1].data = build_pc(&b, props, 1);
        subs[0].sub = subs[1].sub = b.next_bid | PST_BID_INTERNAL;
        uint64_t list = build_subnodes(&b, subs, many);
        ck_assert_uint_eq(list, subs[0].sub);
        build_node(&b, LETTER, subs[0].data, list, BUILD_FOLDER);
        build_end(&b);
        ck_assert_int_eq(check(BUILD_SIZE), 0);
        ck_assert_ptr_nonnull(strstr(said, many == 1 ? "W node 0x8025: subnodes in subnodes: too deep" : "subnodes name each other again and again"));
        build_release(&b);
    }
}
END_TEST

START_TEST(cut_off)
{
    make();
    ck_assert_int_eq(check(BUILD_SIZE - 64), 0);
    ck_assert_ptr_nonnull(strstr(said, "not a whole number of intervals"));
    ck_assert_int_eq(check((size_t)b.blocks[0].ib), 0);
    ck_assert_ptr_nonnull(strstr(said, "no block can be found"));
    ck_assert_int_eq(check(300), -1);
    build_release(&b);
}
END_TEST

UNIT_MAIN("tools/pst_check", sound, broken, sizes, subnodes_name_each_other, cut_off)
