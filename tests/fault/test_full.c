/* test_full.c - a disk that gets full, at every place: while a store is made, and while mail comes in.
 *
 * What must hold: the mail that does not fit is refused for want of space, and only that; what was acknowledged is there and can be read; expunging and a
 * checkpoint go through all the same; the store opens on the full disk; and once there is room again, mail comes in and a check finds nothing.
 *
 * usage: test_full [-a]            -a: every boundary (CUBBY_FULL=all), else a sample
 *        test_full -o CASE:BYTES   one, verbosely */
#include <inttypes.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "crash/sim_disk.h"
#include "cubby.h"
#include "sweep.h"

enum { MAIL_MAX = 4000, HANG_S = 60, MORE = 4 };

static int verbose;
static uint64_t unclear; /* commits on the full disk whose outcome was unknown */

static void __attribute__((noreturn, format(printf, 1, 2))) wrong(const char *fmt, ...)
{
    char text[1000];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    printf("not ok - full: %s: %s\n# again: test_full -o %s\n", sweep_now, text, sweep_now);
    exit(1);
}

/* ---- a store on a disk ---- */

struct kind {
    const char *name;
    size_t body;
    uint64_t segment_bytes;
    uint32_t checkpoint_bytes;
};

static const struct kind kinds[] = {
    {"small", 120, 0, 0}, {"rolls", 500, 3000, 1500}, {"large", 9000, 0, 0}, {"checkpoints", 300, 0, 400},
};

struct bed {
    const struct kind *kind;
    const cubby_vfs *vfs; /* NULL: POSIX */
    const char *path;
    cubby_store *s;
    char state[MAIL_MAX + 1]; /* by uid: 1 there, 2 expunged, 3 perhaps there, 4 perhaps expunged */
    uint32_t last;
    cubby_error e;
};

static void options(const struct bed *b, cubby_options *o)
{
    *o = (cubby_options)CUBBY_OPTIONS_INIT;
    o->vfs = b->vfs;
    o->segment_bytes = b->kind->segment_bytes;
    o->checkpoint_bytes = b->kind->checkpoint_bytes;
}

static size_t mail(const struct bed *b, uint32_t i, char *to)
{
    size_t n = (size_t)sprintf(to, "From: a@example.org\nSubject: number %u\n\n", i);
    uint64_t x = i;
    for (size_t k = 0; k < b->kind->body; k++)
        to[n++] = (char)('!' + ((x = x * 6364136223846793005u + 1442695040888963407u) >> 33) % 90);
    return n;
}

static void open_store(struct bed *b, const char *when)
{
    cubby_options o;
    options(b, &o);
    int rc = cubby_open(b->path, &o, &b->s, &b->e);
    if (rc != 0)
        wrong("%s: open: %d %s %s", when, rc, b->e.path, b->e.message);
}

/* The first that does not fit gives its code. */
static int append(struct bed *b)
{
    char text[10000];
    cubby_message *m = NULL;
    cubby_txn *t = NULL;
    uint32_t uid = 0;
    size_t n = mail(b, b->last + 1, text);
    cubby_add_options o = CUBBY_ADD_INIT;
    int rc = cubby_message_new(b->s, &m);
    if (rc == 0)
        rc = cubby_message_write(m, text, n);
    if (rc == 0)
        rc = cubby_message_finish(m);
    if (rc == 0)
        rc = cubby_txn_begin(b->s, 0, &t);
    o.uid = b->last + 1;
    if (rc == 0)
        rc = cubby_add(t, 1, m, &o, &uid);
    if (rc == 0)
        rc = cubby_txn_commit(&t, NULL);
    cubby_txn_abort(&t);
    cubby_message_free(&m);
    if (rc == 0 || rc == CUBBY_EUNKNOWN)
        b->state[++b->last] = rc == 0 ? 1 : 3;
    if (rc != 0)
        cubby_last_error(b->s, &b->e);
    return rc;
}

static int expunge(struct bed *b, uint32_t first, uint32_t last)
{
    cubby_uidset *set = NULL;
    cubby_txn *t = NULL;
    int rc = cubby_uidset_new(&set);
    if (rc == 0)
        rc = cubby_uidset_add(set, first, last);
    if (rc == 0)
        rc = cubby_txn_begin(b->s, 0, &t);
    if (rc == 0)
        rc = cubby_expunge(t, 1, set, 0, NULL);
    if (rc == 0)
        rc = cubby_txn_commit(&t, NULL);
    cubby_txn_abort(&t);
    cubby_uidset_free(&set);
    for (uint32_t u = first; u <= last && (rc == 0 || rc == CUBBY_EUNKNOWN); u++)
        b->state[u] = b->state[u] ? rc == 0 ? 2 : 4 : 0;
    if (rc != 0)
        cubby_last_error(b->s, &b->e);
    return rc;
}

static void read_one(struct bed *b, cubby_snapshot *snap, uint32_t uid, const char *when)
{
    char want[10000], got[10000];
    cubby_reader *r = NULL;
    size_t n = mail(b, uid, want), len = 0;
    int there = b->state[uid] == 1, gone = b->state[uid] == 0 || b->state[uid] == 2;
    int rc = cubby_reader_open(snap, 1, uid, &r);
    if (rc == 0)
        rc = cubby_reader_read(r, 0, got, sizeof got, &len);
    cubby_reader_close(&r);
    if (rc == 0 && (len != n || memcmp(want, got, n) != 0))
        wrong("%s: uid %u has other bytes", when, uid);
    if (rc != 0 && rc != CUBBY_DONE)
        wrong("%s: uid %u cannot be read: %d", when, uid, rc);
    if ((there && rc) || (gone && !rc))
        wrong("%s: uid %u %s", when, uid, there ? "was acknowledged and is not there" : "was expunged, or refused, and is there");
}

/* What is there is what was acknowledged. */
static void compare(struct bed *b, const char *when)
{
    cubby_snapshot *snap;
    int rc = cubby_snapshot_begin(b->s, &snap);
    if (rc != 0)
        wrong("%s: snapshot: %d", when, rc);
    for (uint32_t u = 1; u <= b->last + 1 && u <= MAIL_MAX; u++)
        read_one(b, snap, u, when);
    cubby_snapshot_end(&snap);
}

static int on_finding(void *arg, const cubby_finding *f)
{
    (void)arg;
    if (f->severity != CUBBY_NOTE)
        wrong("the check finds %s %s@%" PRId64 ": %s", f->code, f->file, (int64_t)f->offset, f->detail);
    return 0;
}

static void check(struct bed *b)
{
    cubby_options o;
    cubby_check_result r;
    options(b, &o);
    int rc = cubby_check(b->path, &o, CUBBY_CHECK_FULL, on_finding, NULL, &r, &b->e);
    if (rc != 0)
        wrong("the check fails: %d %s", rc, b->e.message);
}

/* ---- what a full disk must still do ---- */

static void fill(struct bed *b)
{
    int rc = 0;
    while (b->last < MAIL_MAX - MORE && (rc = append(b)) == 0)
        ;
    unclear += rc == CUBBY_EUNKNOWN;
    if (verbose)
        printf("# %u messages, then %d: %s %s\n", b->last, rc, b->e.path, b->e.message);
    if (rc == 0)
        wrong("%u messages, and the disk is not full", b->last);
    if (rc != CUBBY_ENOSPC && rc != CUBBY_EUNKNOWN)
        wrong("message %u is refused with %d: %s %s", b->last + 1, rc, b->e.path, b->e.message);
    compare(b, "on the full disk");
}

static void make_room(struct bed *b)
{
    uint32_t half = b->last / 2;
    int rc = half ? expunge(b, 1, half) : 0;
    if (rc != 0)
        wrong("with %u messages on the full disk: expunge: %d %s %s", b->last, rc, b->e.path, b->e.message);
    rc = cubby_checkpoint(b->s);
    if (rc != 0) {
        cubby_last_error(b->s, &b->e);
        wrong("with %u messages on the full disk: checkpoint: %d %s %s", b->last, rc, b->e.path, b->e.message);
    }
    for (uint32_t u = half + 1; u <= half + 3 && u <= b->last; u++)
        if (b->state[u] == 1 && (rc = expunge(b, u, u)) != 0)
            wrong("on the full disk: expunge of uid %u: %d %s %s", u, rc, b->e.path, b->e.message);
    compare(b, "behind the expunge");
}

static void close_and_open(struct bed *b, const char *when)
{
    int rc = cubby_close(&b->s);
    if (rc != 0 && rc != CUBBY_ENOSPC)
        wrong("%s: close: %d", when, rc);
    open_store(b, when);
    compare(b, when);
}

static void with_room(struct bed *b)
{
    close_and_open(b, "with room again");
    for (int i = 0; i < MORE; i++) {
        int rc = append(b);
        if (rc != 0)
            wrong("with room again: append: %d %s %s", rc, b->e.path, b->e.message);
    }
    close_and_open(b, "behind more mail");
    cubby_close(&b->s);
    check(b);
}

/* ---- a simulated disk ---- */

enum { TAIL_MAX = 4 << 10 }; /* what is left of the reserve beside a copy of so long a tail is enough for the expunge */

/* Recovery takes of the reserve, too, and leaves what is needed to make room. */
static void recovered(struct sim *left, const struct bed *was, const char *when)
{
    struct bed b = *was;
    b.vfs = sim_vfs(left);
    b.s = NULL;
    open_store(&b, when);
    compare(&b, when);
    uint32_t half = b.last / 2;
    if (b.kind->body < TAIL_MAX) {
        int rc = half ? expunge(&b, 1, half) : 0;
        if (rc != 0)
            wrong("%s, %u messages, on the full disk: expunge: %d %s %s", when, b.last, rc, b.e.path, b.e.message);
        compare(&b, when);
    }
    cubby_close(&b.s);
    check(&b);
    sim_free(&left);
}

static void in_use(struct sim *sim, struct bed *b, uint64_t bytes)
{
    cubby_options o;
    options(b, &o);
    if (cubby_create(b->path, &o, &b->e) != 0)
        wrong("create: %s", b->e.message);
    open_store(b, "at first");
    sim_space(sim, sim_bytes(sim) + bytes);
    fill(b);
    recovered(sim_state(sim, "none", NULL), b, "behind a power cut"); /* what was acknowledged had been synced */
    recovered(sim_copy(sim), b, "behind a kill");
    make_room(b);
    close_and_open(b, "opened on the full disk");
    sim_space(sim, UINT64_MAX);
    with_room(b);
}

static void while_made(struct sim *sim, struct bed *b, uint64_t bytes)
{
    cubby_options o;
    options(b, &o);
    sim_space(sim, bytes);
    int rc = cubby_create(b->path, &o, &b->e);
    if (rc != 0 && rc != CUBBY_ENOSPC)
        wrong("create: %d %s", rc, b->e.message);
    sim_space(sim, UINT64_MAX);
    if (rc != 0 && (rc = cubby_create(b->path, &o, &b->e)) != 0)
        wrong("create again, with room: %d %s", rc, b->e.message);
    open_store(b, "with room");
    if (append(b) != 0)
        wrong("append with room");
    with_room(b);
}

static void one(const char *what, const struct kind *kind, uint64_t bytes)
{
    struct sim *sim = sim_new(3);
    struct bed b = {.kind = kind ? kind : &kinds[0], .vfs = sim_vfs(sim), .path = "/store"};
    snprintf(sweep_now, sizeof sweep_now, "%s:%" PRIu64, what, bytes);
    alarm(HANG_S);
    if (kind)
        in_use(sim, &b, bytes);
    else
        while_made(sim, &b, bytes);
    if (sim_open_files(sim))
        wrong("files are left open");
    sim_free(&sim);
}

/* ---- a real one ---- */

enum { MIB = 1 << 20, PAGE = 4096 };

static void ballast(const char *dir, uint64_t bytes)
{
    char path[300], block[PAGE] = {1};
    snprintf(path, sizeof path, "%s/ballast", dir);
    FILE *f = fopen(path, "w");
    if (!f)
        wrong("%s: %s", path, strerror(errno));
    for (uint64_t i = 0; i < bytes; i += PAGE)
        if (fwrite(block, 1, sizeof block, f) != sizeof block)
            break;
    fclose(f);
}

static void on_tmpfs(const char *dir, const struct kind *kind, uint64_t pages)
{
    char store[300], command[400];
    struct statfs fs;
    struct bed b = {.kind = kind, .path = store};
    cubby_options o;
    snprintf(sweep_now, sizeof sweep_now, "tmpfs:%" PRIu64, pages);
    snprintf(store, sizeof store, "%s/store", dir);
    alarm(HANG_S);
    options(&b, &o);
    if (cubby_create(store, &o, &b.e) != 0)
        wrong("create: %s", b.e.message);
    open_store(&b, "at first");
    if (statfs(dir, &fs) != 0)
        wrong("statfs: %s", strerror(errno));
    if (fs.f_bfree > pages)
        ballast(dir, (fs.f_bfree - pages) * PAGE);
    fill(&b);
    make_room(&b);
    close_and_open(&b, "opened on the full disk");
    snprintf(command, sizeof command, "rm -f '%s/ballast'", dir);
    if (system(command) != 0)
        wrong("rm");
    with_room(&b);
    snprintf(command, sizeof command, "rm -rf '%s'", store);
    if (system(command) != 0)
        wrong("rm");
}

/* cubby.id as a sparse copy has it: the page that processes share is a hole, and the disk has no block for it left. Writing there would be SIGBUS. */
static void page_is_a_hole(const char *dir)
{
    char store[300], id[320], sparse[320], block[2 * PAGE];
    struct bed b = {.kind = &kinds[0], .path = store};
    cubby_options o;
    cubby_txn *t;
    snprintf(sweep_now, sizeof sweep_now, "tmpfs:hole");
    snprintf(store, sizeof store, "%s/store", dir);
    snprintf(id, sizeof id, "%s/cubby.id", store);
    snprintf(sparse, sizeof sparse, "%s/sparse", dir);
    alarm(HANG_S);
    options(&b, &o);
    if (cubby_create(store, &o, &b.e) != 0)
        wrong("create: %s", b.e.message);
    open_store(&b, "at first");
    if (append(&b) != 0 || cubby_close(&b.s) != 0)
        wrong("append");
    FILE *from = fopen(id, "r"), *to = fopen(sparse, "w");
    if (!from || !to || fread(block, 1, sizeof block, from) != sizeof block || fwrite(block, 1, sizeof block, to) != sizeof block ||
        fflush(to) != 0 || ftruncate(fileno(to), 3 * PAGE) != 0 || rename(sparse, id) != 0)
        wrong("a sparse copy of cubby.id: %s", strerror(errno));
    fclose(from);
    fclose(to);
    ballast(dir, MIB);
    open_store(&b, "without room for the page");
    if (!cubby_is_read_only(b.s))
        wrong("the page was written to without room for it");
    compare(&b, "without room for the page");
    if (cubby_txn_begin(b.s, 0, &t) != CUBBY_ENOSPC)
        wrong("a transaction begins without room for the page");
    if (cubby_close(&b.s) != 0)
        wrong("close");
    char command[400];
    snprintf(command, sizeof command, "rm -f '%s/ballast'", dir);
    if (system(command) != 0)
        wrong("rm");
    open_store(&b, "with room");
    with_room(&b);
    snprintf(command, sizeof command, "rm -rf '%s'", store);
    if (system(command) != 0)
        wrong("rm");
    printf("ok - full: no block for the shared page\n");
}

static char mounted[200];

static void unmount(void)
{
    if (mounted[0] && umount2(mounted, MNT_DETACH) == 0)
        rmdir(mounted);
    mounted[0] = '\0';
}

/* only: at this boundary alone. */
static int real_disk(int all, int64_t only)
{
    const char *tmp = getenv("TEST_TMP");
    char dir[200];
    snprintf(dir, sizeof dir, "%s/full.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir))
        return -1;
    if (geteuid() != 0 || mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=0700") != 0) {
        printf("skip - full: a tmpfs of 1 MiB: it cannot be mounted: %s\n", geteuid() ? "not root" : strerror(errno));
        return rmdir(dir);
    }
    memcpy(mounted, dir, sizeof mounted);
    atexit(unmount);
    int n = 0;
    for (uint64_t pages = only < 0 ? 0 : (uint64_t)only; pages < 160 && (only < 0 || pages == (uint64_t)only); pages += all ? 1 : 7) /* at 49 an expunge needed more of the index than four pages */
        for (size_t k = 0; k < 2; k++, n++)
            on_tmpfs(dir, &kinds[k], pages);
    printf("ok - full: a tmpfs of 1 MiB, at %d boundaries\n", n);
    if (only < 0)
        page_is_a_hole(dir);
    return 0;
}

/* ---- many ---- */

static void sweep(const struct kind *kind, int all)
{
    uint64_t to = kind ? 160 << 10 : 40 << 10, fine = kind ? 16 << 10 : 40 << 10;
    const char *name = kind ? kind->name : "create";
    int n = 0;
    for (uint64_t at = 0; at <= to; at += (at < fine ? 64 : 512) * (all ? 1 : kind ? 24 : 16) + !all, n++)
        one(name, kind, at);
    printf("ok - full/%s: %d boundaries\n", name, n);
}

static const struct kind *kind_of(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

/* A roll took what was kept for removals: the new segment had room for its header alone. */
static void roll_took_the_reserve(void)
{
    for (uint64_t at = 12288; at <= 13312; at += 64)
        one("rolls", kind_of("rolls"), at);
    printf("ok - full: what removes goes through behind a roll, too\n");
}

static int again(const char *id)
{
    char name[32];
    unsigned long long bytes;
    verbose = 1;
    if (sscanf(id, "%31[^:]:%llu", name, &bytes) != 2)
        return 2;
    if (strcmp(name, "tmpfs") == 0)
        return real_disk(1, (int64_t)bytes) != 0;
    one(name, kind_of(name), bytes);
    printf("ok - full: %s\n", id);
    return 0;
}

int main(int argc, char **argv)
{
    const char *env = getenv("CUBBY_FULL"), *only = NULL;
    int all = env && strcmp(env, "all") == 0;
    for (int c; (c = getopt(argc, argv, "ao:")) != -1;)
        switch (c) {
        case 'a': all = 1; break;
        case 'o': only = optarg; break;
        default: return 2;
        }
    sweep_begin("full", "test_full");
    if (only)
        return again(only);
    sweep(NULL, all);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        sweep(&kinds[i], all);
    roll_took_the_reserve();
    printf("# %" PRIu64 " commits on a full disk had an outcome that was unknown\n", unclear);
    return real_disk(all, -1) != 0;
}
