/* An index whose checksums are right and whose pages are no tree, as somebody who knows the salt may make it: what is in the segments counts. At most
 * the first transaction is refused; then the index is built anew and all goes on. */
#include <stdio.h>
#include <stdlib.h>

#include "format/format.h"
#include "fuzz/fuzz_index.h"
#include "unit/api/api_fixture.h"

enum { FOLDERS = 200, CHANGES = 60, PER_CHANGE = 12 };

struct file {
    uint8_t *p;
    size_t n;
};

static struct file read_file(const cubby_vfs *v, const char *path)
{
    cubby_file *f;
    cubby_vfs_stat st;
    ck_assert_int_eq(v->open(v->ctx, path, CUBBY_OPEN_READ, &f), 0);
    ck_assert_int_eq(v->fstat(v->ctx, f, &st), 0);
    struct file out = {malloc(st.size), (size_t)st.size};
    ck_assert_int_eq(v->pread(v->ctx, f, out.p, out.n, 0), (int64_t)out.n);
    v->close(v->ctx, f);
    return out;
}

static void write_file(const cubby_vfs *v, const char *path, struct file file)
{
    cubby_file *f;
    ck_assert_int_eq(v->open(v->ctx, path, CUBBY_OPEN_WRITE, &f), 0);
    ck_assert_int_eq(v->pwrite(v->ctx, f, file.p, file.n, 0), 0);
    v->close(v->ctx, f);
}

/* Two cells are one, and the cells add up all the same. */
static void overlap(uint8_t *d, unsigned i)
{
    size_t used = 0;
    cubby__put16(d + CUBBY__TREE_SLOTS_OFF + CUBBY__NODE_SLOT * i, (uint16_t)(cubby__node_cell(d, i + 1) - d));
    for (unsigned c = 0; c < cubby__node_count(d); c++)
        used += cubby__node_cell_len(d, c);
    size_t room = CUBBY__PAGE_SIZE - cubby__get16(d + CUBBY__TREE_CELLS_OFF);
    cubby__put16(d + CUBBY__TREE_FREE_OFF, (uint16_t)(room > used ? room - used : 0));
}

static void out_of_order(uint8_t *d, unsigned i)
{
    uint16_t slot = cubby__get16(d + CUBBY__TREE_SLOTS_OFF + CUBBY__NODE_SLOT * i);
    memmove(d + CUBBY__TREE_SLOTS_OFF + CUBBY__NODE_SLOT * i, d + CUBBY__TREE_SLOTS_OFF + CUBBY__NODE_SLOT * (i + 1), CUBBY__NODE_SLOT);
    cubby__put16(d + CUBBY__TREE_SLOTS_OFF + CUBBY__NODE_SLOT * (i + 1), slot);
}

static void same_child(uint8_t *d, unsigned i)
{
    cubby__branch_set(d, i, cubby__branch_page(d, i + 1), 1);
}

static void no_child(uint8_t *d, unsigned i)
{
    cubby__branch_set(d, i, 100000, 1);
}

static const struct {
    void (*forge)(uint8_t *d, unsigned i);
    unsigned level;
} forgeries[] = {{overlap, 0}, {out_of_order, 0}, {out_of_order, 1}, {same_child, 1}, {no_child, 1}};

static void forge(struct fixture *f, int which, unsigned cell)
{
    struct file id = read_file(f->o.vfs, "/s/cubby.id"), index = read_file(f->o.vfs, "/s/index");
    int forged = 0;
    for (size_t at = CUBBY__META_SLOTS * CUBBY__PAGE_SIZE; at + CUBBY__PAGE_SIZE <= index.n; at += CUBBY__PAGE_SIZE) {
        uint8_t *d = index.p + at;
        if (cubby__node_problem(d, 0) || cubby__node_level(d) != forgeries[which].level || cubby__node_count(d) <= cell + 1)
            continue;
        forgeries[which].forge(d, cell);
        forged++;
    }
    ck_assert_int_gt(forged, 0);
    fix_index(index.p, index.n, cubby__get64(id.p + CUBBY__ID_SALT_OFF));
    write_file(f->o.vfs, "/s/index", index);
    free(id.p);
    free(index.p);
}

static int add_folders(struct fixture *f, char group, int from, int n)
{
    cubby_txn *t;
    int rc = cubby_txn_begin(f->s, 0, &t);
    if (rc != 0)
        return rc;
    for (int i = from; rc == 0 && i < from + n; i++) {
        char name[16];
        snprintf(name, sizeof name, "%c%03d", group + i * 7 % 26, i);
        rc = cubby_folder_create(t, CUBBY_ROOT, name, strlen(name), NULL);
    }
    if (rc == 0)
        return cubby_txn_commit(&t, NULL);
    cubby_txn_abort(&t);
    return rc;
}

static int count_folders(struct fixture *f)
{
    cubby_snapshot *snap;
    cubby_folder folder;
    char after[CUBBY_FOLDER_NAME_MAX];
    size_t len = 0;
    int n = 0;
    must(cubby_snapshot_begin(f->s, &snap));
    while (cubby_folder_next(snap, CUBBY_ROOT, len ? after : NULL, len, &folder) == 0) {
        memcpy(after, folder.name, folder.name_len);
        len = folder.name_len;
        n++;
    }
    cubby_snapshot_end(&snap);
    return n;
}

START_TEST(a_forged_index_is_replaced)
{
    for (int i = 0; i < (int)(sizeof forgeries / sizeof *forgeries) * 3; i++) {
        struct fixture fixture, *f = &fixture;
        cubby_error err = {0};
        cubby_check_result found = {0};
        int refused = 0, made = 0;
        fixture_begin(f);
        must(add_folders(f, 'A', 0, FOLDERS));
        must(cubby_checkpoint(f->s));
        must(cubby_close(&f->s));
        forge(f, i / 3, 1 + (unsigned)(i % 3));
        ck_assert_msg(cubby_open("/s", &f->o, &f->s, &err) == 0, "%s", err.message);
        for (int c = 0; c < CHANGES; c++) {
            int rc = add_folders(f, 'a', c * PER_CHANGE, PER_CHANGE);
            ck_assert_msg(rc == 0 || rc == CUBBY_ECORRUPT, "%d", rc);
            ck_assert_int_le(refused += rc != 0, 1);
            made += rc == 0 ? PER_CHANGE : 0;
        }
        ck_assert_int_eq(count_folders(f), 1 + FOLDERS + made);
        must(cubby_close(&f->s));
        ck_assert_int_eq(cubby_check("/s", &f->o, CUBBY_CHECK_FULL, NULL, NULL, &found, &err), 0);
        ck_assert_uint_eq(found.findings, 0);
        cubby__memfs_free(&f->fs);
    }
}
END_TEST

UNIT_MAIN("api/forged", a_forged_index_is_replaced)
