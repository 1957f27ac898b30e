/* sync.c - what changed in a folder since the last time, as an IMAP server tells it to a client with QRESYNC.
 *
 * usage: sync STORE FOLDER STATE
 *
 * STATE is a file that keeps three numbers from one call to the next: the folder's id, its uidvalidity, and the modseq up to which
 * everything was told. The cost is in proportion to the changes, not to the folder. FOLDER is at the top level.
 *
 *     cc sync.c $(pkg-config --cflags --libs cubby) -o sync */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <cubby.h>

struct state {
    uint64_t folder;
    uint32_t uidvalidity;
    uint64_t modseq;
};

static int fail(const char *what, int rc)
{
    fprintf(stderr, "sync: %s: %s\n", what, cubby_strerror(rc));
    return 1;
}

/* No file: everything is new. */
static void load(const char *path, struct state *st)
{
    FILE *f = fopen(path, "r");
    if (!f || fscanf(f, "%" SCNu64 " %" SCNu32 " %" SCNu64, &st->folder, &st->uidvalidity, &st->modseq) != 3)
        *st = (struct state){0};
    if (f)
        fclose(f);
}

/* Written beside and renamed: a program that is stopped here tells the same changes again, and loses none. */
static int save(const char *path, const struct state *st)
{
    char tmp[4096];
    if (snprintf(tmp, sizeof tmp, "%s.new", path) >= (int)sizeof tmp)
        return CUBBY_EINVAL;
    FILE *f = fopen(tmp, "w");
    if (!f)
        return CUBBY_EIO;
    int bad = fprintf(f, "%" PRIu64 " %" PRIu32 " %" PRIu64 "\n", st->folder, st->uidvalidity, st->modseq) < 0;
    bad |= fclose(f) != 0;
    return bad || rename(tmp, path) != 0 ? CUBBY_EIO : 0;
}

static void print_change(cubby_snapshot *snap, const cubby_change *c)
{
    static const char *const names[] = {"\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"};
    const char *keyword;
    if (c->kind == CUBBY_CHANGE_VANISHED) { /* not exact: some of these uids may have gone before */
        printf("vanished %" PRIu32 ":%" PRIu32 "%s\n", c->uid, c->uid_last, c->exact ? "" : " (or earlier)");
        return;
    }
    printf("%s %" PRIu32, c->kind == CUBBY_CHANGE_NEW ? "new" : "flags", c->uid);
    for (int i = 0; i < 5; i++)
        if (c->flags & 1u << i)
            printf(" %s", names[i]);
    for (size_t i = 0; i < c->keyword_count; i++)
        if (cubby_keyword_name(snap, c->keywords[i], &keyword) == 0)
            printf(" %s", keyword);
    putchar('\n');
}

static int tell(cubby_snapshot *snap, const char *name, struct state *st)
{
    cubby_folder folder;
    cubby_changes *changes = NULL;
    cubby_change c;
    int rc = cubby_folder_find(snap, CUBBY_ROOT, name, strlen(name), &folder);
    if (rc != 0)
        return rc == CUBBY_DONE ? CUBBY_ENOENT : rc;
    /* Another folder under the old name, or a store brought back from before: what was told holds no more. */
    if (st->folder != folder.id || st->uidvalidity != folder.uidvalidity || st->modseq > cubby_snapshot_modseq(snap)) {
        printf("all anew\n");
        *st = (struct state){folder.id, folder.uidvalidity, 0};
    }
    rc = cubby_changes_open(snap, folder.id, st->modseq, &changes);
    while (rc == 0 && (rc = cubby_changes_next(changes, &c)) == 0)
        print_change(snap, &c);
    cubby_changes_close(&changes);
    st->modseq = cubby_snapshot_modseq(snap); /* of this view: what is committed meanwhile comes next time */
    return rc == CUBBY_DONE ? 0 : rc;
}

int main(int argc, char **argv)
{
    cubby_store *store = NULL;
    cubby_snapshot *snap = NULL;
    struct state st;
    if (argc != 4) {
        fprintf(stderr, "usage: sync STORE FOLDER STATE\n");
        return 2;
    }
    load(argv[3], &st);
    int rc = cubby_open(argv[1], NULL, &store, NULL);
    if (rc != 0)
        return fail(argv[1], rc);
    rc = cubby_snapshot_begin(store, &snap);
    if (rc == 0)
        rc = tell(snap, argv[2], &st);
    cubby_snapshot_end(&snap);
    if (rc == 0) /* what is kept must not go with a power cut: lazy changes are synced by nobody else */
        rc = cubby_sync(store);
    cubby_close(&store);
    if (rc == 0 && (fflush(stdout) != 0 || ferror(stdout)))
        rc = CUBBY_EIO;
    if (rc == 0)
        rc = save(argv[3], &st);
    return rc ? fail(argv[2], rc) : 0;
}
