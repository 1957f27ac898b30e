/* test_harm.c - files of a store that are copied, linked, damaged, replaced, deleted or moved under those who have it open: they read right rows or get
 * errors, write nothing where it does not belong, and what was acknowledged is there.
 *
 * test_harm [TEST...]: those whose name begins like that. */
#include <dirent.h>

#include "model/processes.h"

/* ---- copies ---- */

/* The copy has what was acknowledged when it was made, and from then on a life of its own. */
static void copied(void)
{
    char copy[600];
    struct text a = {0}, b = {0};
    cubby_options o;
    cubby_snapshot *snap;
    cubby_store *s = open_here();
    small_options(&o);
    must_store(s, 30);
    MUST(s, cubby_snapshot_begin(s, &snap));
    dump_snapshot(s, snap, &a);
    snprintf(copy, sizeof copy, "%s/copy", base_dir);
    shell("cp -a '%s' '%s'", store_dir, copy);
    cubby_store *t = open_store(copy, &o);
    dump_store(t, &b);
    must_equal(&a, &b, "a copy of an open store");
    unsigned common = atomic_load(&board->count);
    must_store(s, 20);
    must_look(s);
    uint64_t inbox = inbox_of(t, snap);
    cubby_txn *txn;
    cubby_uidset *set;
    for (uint32_t uid = 1; uid <= common; uid++) { /* enough to roll, to checkpoint, to use pages again */
        MUST(t, cubby_uidset_new(&set));
        MUST(t, cubby_uidset_add(set, uid, uid));
        MUST(t, cubby_txn_begin(t, 0, &txn));
        MUST(t, cubby_expunge(txn, inbox, set, 0, NULL));
        MUST(t, cubby_txn_commit(&txn, NULL));
        cubby_uidset_free(&set);
    }
    dump_snapshot(s, snap, &b);
    must_equal(&a, &b, "a snapshot beside a copy");
    cubby_snapshot_end(&snap);
    close_store(&t);
    CHECK(check_store(copy, CUBBY_CHECK_FULL, "the copy") == 0, "the copy is not empty");
    must_look(s);
    close_store(&s);
    check_all();
    text_free(&a);
    text_free(&b);
}

/* The shared page says that it is ready, and all else is what the last boot, or nobody, left. The first to attach does not look. */
static void other_boot(void)
{
    static const uint64_t ready = 0x0231796262756300u;
    uint64_t page[512], rng = 7;
    cubby_store *s = open_here();
    must_store(s, 10);
    close_store(&s);
    for (int i = 0; i < 8; i++) {
        int fd = open(id_file, O_RDWR | O_CLOEXEC);
        CHECK(fd >= 0 && pread(fd, page, sizeof page, SHARED_PAGE) == (ssize_t)sizeof page, "%s: %s", id_file, strerror(errno));
        for (int j = 0; j < 512; j++)
            page[j] = i < 3 ? next_random(&rng) : i < 5 ? UINT64_MAX : page[j];
        page[0] = ready;
        page[1] = i < 6 ? UINT64_MAX - (uint64_t)i : page[1] + 1000000;
        for (int j = 64; j < 512; j++)
            page[j] = i % 2 ? 1 : page[j]; /* readers of everything */
        CHECK(pwrite(fd, page, sizeof page, SHARED_PAGE) == (ssize_t)sizeof page, "%s: %s", id_file, strerror(errno));
        close(fd);
        if (i % 2) { /* a reader that attaches to nobody */
            cubby_options o;
            small_options(&o);
            o.flags = CUBBY_READ_ONLY;
            s = open_store(store_dir, &o);
            must_look(s);
            close_store(&s);
        }
        s = open_here();
        must_look(s);
        must_store(s, 3);
        cubby_store *t = open_here();
        must_store(t, 3);
        must_look(s);
        close_store(&s);
        must_look(t);
        close_store(&t);
    }
    check_all();
}

/* The same files under two names are one store, with segments that only one of them names: the second is refused while the first is open. */
static void hard_links(void)
{
    char twin[600];
    cubby_options o;
    cubby_store *s = open_here(), *t = NULL;
    small_options(&o);
    must_store(s, 10);
    snprintf(twin, sizeof twin, "%s/twin", base_dir);
    shell("cp -al '%s' '%s'", store_dir, twin);
    int rc = cubby_open(twin, &o, &t, NULL);
    CHECK(rc == CUBBY_EBUSY && !t, "the twin: %d", rc);
    must_store(s, 60);
    must_look(s);
    close_store(&s);
    rc = cubby_open(twin, &o, &t, NULL); /* ... nor when nobody has it open: each would get segments that the other lacks */
    CHECK(rc == CUBBY_EBUSY && !t, "the twin, alone: %d", rc);
    o.flags = CUBBY_READ_ONLY;
    rc = cubby_open(twin, &o, &t, NULL);
    CHECK(rc == 0, "the twin, only read: %d", rc);
    close_store(&t);
    s = open_here(); /* the store itself does not suffer from a copy */
    must_store(s, 10);
    close_store(&s);
    check_all();
    shell("rm -r '%s'", store_dir);
    shell("mv '%s' '%s'", twin, store_dir); /* one alone is a store like any */
    must_store(s = open_here(), 1);
    close_store(&s);
}

/* ---- the index under those who use it ---- */

static const char *const index_harm[] = {
    "rm '%s'", "cp '%s.old' '%s.new' && mv '%s.new' '%s'", "truncate -s 4096 '%s'", "truncate -s 0 '%s'", "truncate -s -4096 '%s'",
    "dd if=/dev/urandom of='%s' bs=4096 count=400 conv=notrunc status=none", "dd if=/dev/zero of='%s' bs=4096 count=400 conv=notrunc status=none",
    "cat '%s.old' >'%s'", "dd if='%s.old' of='%s' bs=4096 conv=notrunc status=none", "mkdir '%s.dir' && rm '%s' && mv '%s.dir' '%s' && sleep 0.05 && rmdir '%s'",
};

static void index_user(struct peer *parent)
{
    cubby_store *s = open_here();
    for (int i = 0;; i++) {
        tell(parent);
        hear(parent);
        int rc = look(s);
        CHECK(rc == 0 || is_refusal(rc), "a reader: %d", rc);
        rc = i % 2 ? store_one(s) : 0;
        CHECK(rc == 0 || is_refusal(rc), "a writer: %d", rc);
        rc = look(s);
        CHECK(rc == 0 || is_refusal(rc), "a reader, afterwards: %d", rc);
    }
}

static void do_harm(const char *how)
{
    char cmd[3000];
    size_t n = 0;
    for (const char *p = how; *p; p++) /* every %s is the index */
        if (p[0] == '%' && p[1] == 's')
            n += (size_t)snprintf(cmd + n, sizeof cmd - n, "%s", index_file), p++;
        else
            cmd[n++] = *p;
    cmd[n] = '\0';
    shell("%s", cmd);
}

/* After each harm the first writer puts things right for all. */
static void index_harmed(void)
{
    for (size_t h = 0; h < sizeof index_harm / sizeof *index_harm; h++) {
        struct peer p[2];
        cubby_store *s = open_here();
        must_store(s, 40);
        MUST(s, cubby_checkpoint(s));
        shell("cp '%s' '%s.old'", index_file, index_file);
        must_store(s, 20);
        for (int i = 0; i < 2; i++) {
            p[i] = spawn(index_user);
            hear(&p[i]);
        }
        for (int round = 0; round < 3; round++) {
            if (round == 0)
                do_harm(index_harm[h]);
            int mine = h % 2 && round == 1 ? store_one(s) : 0;
            CHECK(mine == 0 || is_refusal(mine), "%s: a writer: %d", index_harm[h], mine);
            for (int i = 0; i < 2; i++)
                tell(&p[i]);
            for (int i = 0; i < 2; i++)
                hear(&p[i]);
        }
        int rc = store_one(s);
        CHECK(rc == 0, "%s: the store does not take mail any more: %d", index_harm[h], rc);
        must_look(s);
        kill_peer(&p[0]);
        kill_peer(&p[1]);
        close_store(&s);
        shell("rm '%s.old'", index_file);
        check_all();
    }
}

/* ---- cubby.id under those who use it ---- */

static void fingerprint(char out[64])
{
    char cmd[700];
    snprintf(cmd, sizeof cmd, "cd '%s' && find . -type f ! -name cubby.id -exec sha1sum {} + | sort | sha1sum", store_dir);
    FILE *f = popen(cmd, "r");
    CHECK(f && fgets(out, 64, f), "cannot read the store's files");
    pclose(f);
}

static void must_be_stale(cubby_store *s)
{
    cubby_snapshot *snap;
    cubby_txn *txn;
    int rc = cubby_snapshot_begin(s, &snap);
    CHECK(rc == CUBBY_ESTALE, "a snapshot of a store whose cubby.id is gone: %d", rc);
    rc = cubby_txn_begin(s, 0, &txn);
    CHECK(rc == CUBBY_ESTALE, "a transaction on a store whose cubby.id is gone: %d", rc);
}

static void id_removed(void)
{
    char before[64], after[64];
    cubby_snapshot *snap;
    struct text a = {0}, b = {0};
    cubby_store *s = open_here(), *t;
    must_store(s, 30);
    MUST(s, cubby_snapshot_begin(s, &snap));
    dump_snapshot(s, snap, &a);
    shell("cp '%s' '%s/id'", id_file, base_dir);
    fingerprint(before);
    unlink(id_file);
    must_be_stale(s);
    dump_snapshot(s, snap, &b); /* what it has, it has */
    must_equal(&a, &b, "a snapshot of before");
    fingerprint(after);
    CHECK(strcmp(before, after) == 0, "a handle without a store has written");
    shell("mv '%s/id' '%s'", base_dir, id_file); /* another file: whoever opens it is alone */
    t = open_here();
    must_store(t, 10);
    must_look(t);
    must_be_stale(s);
    fingerprint(before);
    cubby_snapshot_end(&snap);
    int rc = cubby_close(&s);
    CHECK(rc == 0 || rc == CUBBY_ESTALE, "closing a stale handle: %d", rc);
    fingerprint(after);
    CHECK(strcmp(before, after) == 0, "a stale handle has written when it was closed");
    must_store(t, 3);
    must_look(t);
    close_store(&t);
    check_all();
    text_free(&a);
    text_free(&b);
}

static int count_files(const char *dir)
{
    int n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

/* The store moves; what the handle still does belongs to it, and the place where it was stays as it is: empty, or another store's. */
static void moved(void)
{
    for (int other = 0; other < 2; other++) {
        char away[600], segments[620];
        cubby_options o;
        cubby_store *t = NULL;
        int rc = 0;
        small_options(&o);
        cubby_store *s = open_here();
        must_store(s, 30);
        snprintf(away, sizeof away, "%s/away", base_dir);
        snprintf(segments, sizeof segments, "%s/segments", store_dir);
        CHECK(rename(store_dir, away) == 0, "rename: %s", strerror(errno));
        if (other) {
            cubby_store *u = open_store(store_dir, &o);
            close_store(&u);
        }
        int files = count_files(segments);
        for (int i = 0; i < 60; i++) { /* until it needs a new segment, at the latest */
            rc = store_one(s);
            CHECK(rc <= 0, "a store that has moved: %d", rc);
        }
        CHECK(rc < 0, "a store that has moved goes on for ever (%d, %d files)", other, count_files(segments));
        rc = look(s);
        CHECK(rc <= 0, "reading a store that has moved: %d", rc);
        cubby_close(&s);
        CHECK(count_files(segments) == files, "a store that has moved made files where it was");
        if (other) {
            CHECK(check_store(store_dir, CUBBY_CHECK_FULL, "the other store") == 0, "the other store has mail");
            remove_tree(store_dir);
        } else {
            CHECK(access(store_dir, F_OK) != 0, "a store that has moved came back");
        }
        CHECK(rename(away, store_dir) == 0, "rename: %s", strerror(errno));
        t = open_here();
        must_look(t);
        close_store(&t);
        check_all();
    }
}

/* ---- one after the other ---- */

int main(int argc, char **argv)
{
    static const struct test tests[] = {
        {"a copy of an open store", copied},
        {"the shared page of another boot", other_boot},
        {"hard links", hard_links},
        {"index harmed while open", index_harmed},
        {"id removed while open", id_removed},
        {"moved while open", moved},
    };
    return run_tests("harm", tests, sizeof tests / sizeof *tests, argc, argv);
}
