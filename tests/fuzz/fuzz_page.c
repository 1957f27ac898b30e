/* fuzz_page.c - any bytes as the file `index`: meta slots and tree pages are refused or sound; cursors, lookups and the check end, and agree about what
 * they see; and a tree that was read can be written to. The first byte says whether checksums are put right before, so that meaning is reached. */
#include "fuzz/fuzz.h"
#include "fuzz/fuzz_index.h"
#include "os/vfs_mem.h"
#include "tree/tree.h"

enum { SALT = 5, PAGE = CUBBY__PAGE_SIZE };

/* What says that a page is of this index, and where the tree begins; then the sums. */
static void fix_pages(uint8_t *p, size_t pages)
{
    for (size_t i = CUBBY__META_SLOTS; i < pages; i++)
        cubby__put64(p + i * PAGE + CUBBY__TREE_PAGE_OFF, i);
    for (size_t i = 0; i < CUBBY__META_SLOTS && i < pages; i++) {
        uint8_t *d = p + i * PAGE;
        uint64_t root = cubby__get64(d + CUBBY__META_ROOT_OFF) % (pages + 1);
        memcpy(d, CUBBY__META_MAGIC, 8);
        cubby__put32(d + CUBBY__META_VERSION_OFF, CUBBY__FORMAT_VERSION);
        memset(d + CUBBY__META_UUID_OFF, 0, 16);
        cubby__put64(d + CUBBY__META_ROOT_OFF, root);
        if (root && root < pages)
            cubby__put32(d + CUBBY__META_LEVEL_OFF, p[root * PAGE + CUBBY__TREE_LEVEL_OFF]);
    }
    fix_index(p, pages * PAGE, SALT);
}

static int count_page(void *arg, uint64_t page, uint32_t level, const char *problem)
{
    (void)page, (void)level;
    *(size_t *)arg += problem != NULL;
    return 0;
}

/* A damaged tree may have one page below several branches: a walk is bounded by the file all the same, for it comes to a leaf once. */
enum { CELLS_MAX = (PAGE - CUBBY__TREE_SLOTS_OFF) / 5 }; /* with a slot and a key of one byte each */

static size_t steps_max;

static void walk(struct cubby__pager *pager, const struct cubby__root *root)
{
    struct cubby__cursor c;
    cubby_error err;
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t problems = 0, n, steps = 0;
    int checked = cubby__tree_check(pager, root, count_page, &problems, &err);
    cubby__cursor_init(&c, pager, root, &err);
    int rc = cubby__cursor_seek(&c, "", 1);
    for (; rc == 0; steps++) {
        struct cubby__slice k = cubby__cursor_key(&c), v = cubby__cursor_value(&c);
        must(k.n <= CUBBY__TREE_KEY_MAX && v.n <= CUBBY__TREE_VALUE_MAX);
        memcpy(key, k.p, k.n);
        if (checked == 0 && !problems) /* then a lookup finds what the cursor stands on */
            must(cubby__tree_get(pager, root, key, k.n, value, &n, &err) == 0 && n == v.n && !memcmp(value, v.p, n));
        rc = cubby__cursor_next(&c);
        must(steps < steps_max);
    }
    must(rc >= 0 || rc == CUBBY_ECORRUPT);
    must(rc >= 0 || problems || checked != 0); /* what a walk trips over, the check reports */
    rc = cubby__cursor_seek_back(&c, "\xff", 1);
    for (steps = 0; rc == 0; steps++) {
        rc = cubby__cursor_prev(&c);
        must(steps < steps_max);
    }
    cubby__cursor_release(&c);
}

enum { LONG = 240 }; /* a length from here on: of a key near the longest one */

static void change(struct cubby__pager *pager, struct cubby__root root, struct input in)
{
    cubby_error err;
    uint64_t protect[1] = {root.commit};
    if (root.commit > UINT64_MAX - 9 || cubby__pager_load_live(pager, &root, 1, root.commit, 0, &err) != 0)
        return;
    must(cubby__pager_protect(pager, protect, 1, root.commit, &err) == 0);
    if (cubby__tree_begin(pager, &root, root.commit + 1, &err) != 0)
        return;
    int rc = 0;
    while (in.n && rc >= 0) {
        unsigned what = (unsigned)take(&in, 1);
        unsigned length = (unsigned)take(&in, 1);
        struct input end = take_bytes(&in, 1 + length % 40), value = take_bytes(&in, what & 0x7f);
        if (!end.n)
            break;
        uint8_t key[CUBBY__TREE_KEY_MAX];
        size_t n = length < LONG ? end.n : sizeof key - (length - LONG); /* a long one begins with many of its first byte */
        memset(key, end.p[0], sizeof key);
        memcpy(key + n - end.n, end.p, end.n);
        rc = what & 0x80 ? cubby__tree_del(pager, key, n, &err) : cubby__tree_put(pager, key, n, value.p, value.n, &err);
    }
    if (rc < 0) {
        cubby__tree_abort(pager);
        return;
    }
    cubby__tree_commit(pager, &root);
    if (cubby__pager_flush(pager, &root, &err) == 0)
        walk(pager, &root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct input in = {data, n};
    unsigned fix = (unsigned)take(&in, 1) & 1;
    struct input changes = take_bytes(&in, take(&in, 1) * 4);
    size_t pages = (in.n + PAGE - 1) / PAGE;
    uint8_t *p = calloc(pages + 1, PAGE);
    struct cubby__memfs *fs = cubby__memfs_new();
    const cubby_vfs *v = cubby__memfs_vfs(fs);
    struct cubby__pager_config config = {.vfs = v, .path = "/index", .writable = 1, .salt = SALT, .cache_bytes = 1 << 18};
    struct cubby__pager *pager;
    struct cubby__meta meta;
    cubby_error err;
    cubby_file *f;
    must(p != NULL);
    steps_max = (pages + (CUBBY__TREE_DEPTH_MAX + 1) * changes.n + 2) * CELLS_MAX; /* a change divides all levels at most */
    if (in.n)
        memcpy(p, in.p, in.n);
    if (fix)
        fix_pages(p, pages);
    must(v->open(v->ctx, "/index", CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &f) == 0 && v->pwrite(v->ctx, f, p, fix ? pages * PAGE : in.n, 0) == 0);
    v->close(v->ctx, f);
    must(cubby__pager_open(&config, &pager, &err) == 0);
    if (cubby__meta_read(pager, &meta, &err) == 0) {
        walk(pager, &meta.root);
        change(pager, meta.root, changes);
    }
    cubby__pager_close(&pager);
    cubby__memfs_free(&fs);
    free(p);
    return 0;
}
