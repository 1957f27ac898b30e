/* bench.c - figures of the store, each beside the floor that the same machine gives in the same run.
 *
 * usage: bench DIR CUBBY MBOX...
 *   DIR    a scratch directory on the disk to be measured; stores are made and removed in it
 *   CUBBY  the program, for the import case
 *   MBOX   the corpus: plain mbox files
 * Prints `name value unit` lines. Each case runs in a process of its own, so that its peak memory can be told; floors are loops over bare system
 * calls that move the same bytes. Rates are medians of ROUNDS rounds, floor and case in turn. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cubby.h"

enum { ROUNDS = 5, APPENDS = 1500, FOLDER = 14000, CHANGED = 140, SMALL = 64 << 10 };

static const char *dir, *program;
static char **mboxes;
static int mbox_count;

/* ---- the corpus, mapped ---- */

struct message {
    const char *p;
    size_t n;
};

static struct message *messages;
static size_t message_count, message_bytes;

static void die(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void add_message(const char *p, size_t n)
{
    if (message_count % 4096 == 0 && !(messages = realloc(messages, (message_count + 4096) * sizeof *messages)))
        die("memory");
    messages[message_count++] = (struct message){p, n};
    message_bytes += n;
}

/* Cut at every line that begins with "From ": near enough for measuring. */
static void load(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0)
        die(path);
    const char *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0), *end = p + st.st_size;
    if (p == MAP_FAILED)
        die(path);
    close(fd);
    while (p < end) {
        const char *body = memchr(p, '\n', (size_t)(end - p));
        if (!body)
            break;
        body++;
        const char *next = memmem(body, (size_t)(end - body), "\nFrom ", 6);
        next = next ? next + 1 : end;
        add_message(body, (size_t)(next - body));
        p = next;
    }
}

/* The mapped corpus counts as memory of the process; what a case is done with is given back. */
static void done_with(const struct message *m)
{
    uintptr_t from = (uintptr_t)m->p & ~(uintptr_t)4095, to = ((uintptr_t)m->p + m->n) & ~(uintptr_t)4095;
    if (to > from)
        madvise((void *)from, to - from, MADV_DONTNEED);
}

/* ---- measuring ---- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

static void say(const char *name, double value, const char *unit)
{
    printf(value >= 100 ? "%s %.0f %s\n" : "%s %.3g %s\n", name, value, unit);
    fflush(stdout);
}

static void say_median(const char *name, double *v, int n, const char *unit)
{
    say(name, median(v, n), unit);
}

static void check(int rc, cubby_store *s, const char *what)
{
    if (rc == 0)
        return;
    cubby_error e = {0};
    if (s)
        cubby_last_error(s, &e);
    fprintf(stderr, "bench: %s: %s: %s %s\n", what, cubby_strerror(rc), e.path, e.message);
    exit(1);
}

static void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    char sub[4096];
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
        if (unlink(sub) != 0)
            remove_tree(sub);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static const char *scratch(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%.3000s/%s", dir, name);
    return path;
}

/* Forgets what the kernel has cached of a file tree. */
static void chill(const char *path)
{
    DIR *d = opendir(path);
    char sub[4096];
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
        chill(sub);
    }
    if (d) {
        closedir(d);
        return;
    }
    int fd = open(path, O_RDONLY);
    if (fd >= 0) {
        fdatasync(fd);
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
    }
}

static cubby_store *open_store(const char *path, unsigned flags)
{
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_store *s = NULL;
    cubby_error e = {0};
    o.flags = flags;
    int rc = cubby_open(path, &o, &s, &e);
    if (rc != 0) {
        fprintf(stderr, "bench: %s: %s %s\n", cubby_strerror(rc), e.path, e.message);
        exit(1);
    }
    return s;
}

/* Runs a case in a child; tells its peak memory. */
static void run(const char *name, void (*fn)(void))
{
    struct rusage ru;
    int status;
    char what[128];
    const char *only = getenv("BENCH_ONLY"); /* names, with spaces around them */
    if (only && !strstr(only, name))
        return;
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        fn();
        _exit(0);
    }
    if (wait4(pid, &status, 0, &ru) < 0 || status != 0) {
        fprintf(stderr, "bench: case %s failed\n", name);
        exit(1);
    }
    snprintf(what, sizeof what, "%s.peak_rss", name);
    say(what, (double)ru.ru_maxrss / 1024, "MiB");
}

/* ---- import ---- */

static void spawn_import(const char *store)
{
    char quiet[] = "-q", import_name[] = "import", *argv[256] = {(char *)(uintptr_t)program, import_name, quiet, (char *)(uintptr_t)store};
    int argc = 4;
    for (int i = 0; i < mbox_count && argc < 255; i++)
        argv[argc++] = mboxes[i];
    execv(program, argv);
    die(program);
}

/* The same bytes, uncompressed, written to one file and synced once. */
static double raw_copy(void)
{
    const char *path = scratch("raw");
    double t = now();
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (size_t i = 0; i < message_count; i++) {
        if (write(fd, messages[i].p, messages[i].n) != (ssize_t)messages[i].n)
            die(path);
        done_with(&messages[i]);
    }
    if (fdatasync(fd) != 0)
        die(path);
    close(fd);
    t = now() - t;
    unlink(path);
    return t;
}

static void import(void)
{
    double ours[ROUNDS], raw[ROUNDS], peak = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct rusage ru;
        int status;
        raw[i] = (double)message_bytes / 1e6 / raw_copy();
        remove_tree(scratch("import"));
        const char *store = scratch("import");
        double t = now();
        pid_t pid = fork();
        if (pid == 0)
            spawn_import(store);
        if (wait4(pid, &status, 0, &ru) < 0 || status != 0)
            die("import");
        ours[i] = (double)message_bytes / 1e6 / (now() - t);
        peak = (double)ru.ru_maxrss / 1024 > peak ? (double)ru.ru_maxrss / 1024 : peak;
    }
    say_median("import.floor_write", raw, ROUNDS, "MB/s");
    say_median("import", ours, ROUNDS, "MB/s");
    say("import.process_peak_rss", peak, "MiB");
}

/* ---- durable appends ---- */

static size_t small[APPENDS]; /* indexes of messages of at most SMALL bytes */

static void pick_small(void)
{
    size_t n = 0;
    for (size_t i = 0; n < APPENDS; i++)
        if (messages[i % message_count].n <= SMALL)
            small[n++] = i % message_count;
}

static double raw_appends(void)
{
    const char *path = scratch("raw");
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    double t = now();
    for (int i = 0; i < APPENDS; i++)
        if (write(fd, messages[small[i]].p, messages[small[i]].n) < 0 || fdatasync(fd) != 0)
            die(path);
    t = now() - t;
    close(fd);
    unlink(path);
    return APPENDS / t;
}

struct appender {
    cubby_store *store;
    int from, step;
};

static void *append_some(void *arg)
{
    struct appender *a = arg;
    cubby_message *m;
    check(cubby_message_new(a->store, &m), a->store, "message");
    for (int i = a->from; i < APPENDS; i += a->step) {
        cubby_txn *t;
        uint32_t uid;
        check(cubby_message_write(m, messages[small[i]].p, messages[small[i]].n), a->store, "write");
        check(cubby_message_finish(m), a->store, "finish");
        check(cubby_txn_begin(a->store, 0, &t), a->store, "begin");
        check(cubby_add(t, 1, m, NULL, &uid), a->store, "add");
        check(cubby_txn_commit(&t, NULL), a->store, "commit");
        cubby_message_reset(m);
    }
    cubby_message_free(&m);
    return NULL;
}

static double appends(int threads, double *syncs, double *pages)
{
    pthread_t id[64];
    struct appender a[64];
    cubby_stat before, after;
    remove_tree(scratch("append"));
    cubby_store *s = open_store(scratch("append"), CUBBY_CREATE);
    check(cubby_store_stat(s, &before), s, "stat");
    double t = now();
    for (int i = 0; i < threads; i++) {
        a[i] = (struct appender){s, i, threads};
        pthread_create(&id[i], NULL, append_some, &a[i]);
    }
    for (int i = 0; i < threads; i++)
        pthread_join(id[i], NULL);
    t = now() - t;
    check(cubby_store_stat(s, &after), s, "stat");
    *syncs = (double)(after.syncs - before.syncs) / APPENDS;
    *pages = (double)(after.pages_written - before.pages_written) / APPENDS;
    check(cubby_close(&s), NULL, "close");
    return APPENDS / t;
}

static void durable_append(void)
{
    double raw[ROUNDS], one[ROUNDS], eight[ROUNDS], r1[ROUNDS], r8[ROUNDS], f8[ROUNDS], syncs1, syncs8, pages, pages8;
    pick_small();
    for (int i = 0; i < ROUNDS; i++) {
        raw[i] = raw_appends();
        one[i] = appends(1, &syncs1, &pages);
        eight[i] = appends(8, &syncs8, &pages8);
        r1[i] = one[i] / raw[i];
        r8[i] = eight[i] / one[i];
        f8[i] = eight[i] / raw[i];
    }
    say_median("append.floor_write_fdatasync", raw, ROUNDS, "msg/s");
    say_median("append.threads1", one, ROUNDS, "msg/s");
    say_median("append.threads8", eight, ROUNDS, "msg/s");
    say_median("append.threads1_to_floor", r1, ROUNDS, "ratio");
    say_median("append.threads8_to_threads1", r8, ROUNDS, "ratio");
    say_median("append.threads8_to_floor", f8, ROUNDS, "ratio");
    say("append.threads1.syncs_per_message", syncs1, "syncs");
    say("append.threads8.syncs_per_message", syncs8, "syncs");
    say("append.threads1.pages_per_message", pages, "pages");
}

/* ---- a folder of FOLDER messages ---- */

static void build_folder(void)
{
    cubby_store *s = open_store(scratch("folder"), CUBBY_CREATE);
    cubby_message *m;
    cubby_txn *t = NULL;
    check(cubby_message_new(s, &m), s, "message");
    for (int i = 0; i < FOLDER; i++) {
        const struct message *from = &messages[(size_t)i % message_count];
        uint32_t uid;
        check(cubby_message_write(m, from->p, from->n), s, "write");
        check(cubby_message_finish(m), s, "finish");
        if (!t)
            check(cubby_txn_begin(s, 0, &t), s, "begin");
        check(cubby_add(t, 1, m, NULL, &uid), s, "add");
        if (i % 500 == 499)
            check(cubby_txn_commit(&t, NULL), s, "commit");
        cubby_message_reset(m);
        done_with(from);
    }
    if (t)
        check(cubby_txn_commit(&t, NULL), s, "commit");
    cubby_message_free(&m);
    check(cubby_checkpoint(s), s, "checkpoint");
    check(cubby_close(&s), NULL, "close");
}

static volatile uint64_t sink;

static double scan_once(cubby_store *s, unsigned want)
{
    cubby_snapshot *snap;
    cubby_scan *scan;
    const cubby_row *row;
    cubby_scan_options o = CUBBY_SCAN_INIT;
    uint64_t rows = 0, sum = 0;
    int rc;
    o.want = want;
    double t = now();
    check(cubby_snapshot_begin(s, &snap), s, "snapshot");
    check(cubby_scan_open(snap, 1, &o, &scan), s, "scan");
    while ((rc = cubby_scan_next(scan, &row)) == 0) {
        rows++;
        sum += row->uid + row->flags;
        if (want & CUBBY_WANT_LIST)
            sum += (unsigned char)row->list_header[row->list_header_len / 2];
        if (want & CUBBY_WANT_HEADER)
            sum += (unsigned char)row->header[row->header_bytes_len / 2];
    }
    if (rc != CUBBY_DONE || rows != FOLDER)
        check(rc ? rc : CUBBY_ECORRUPT, s, "scan");
    cubby_scan_close(&scan);
    cubby_snapshot_end(&snap);
    sink += sum;
    return FOLDER / (now() - t);
}

static void warm(const char *name, unsigned want, int rounds)
{
    double v[64];
    cubby_store *s = open_store(scratch("folder"), 0);
    scan_once(s, want);
    for (int i = 0; i < rounds; i++)
        v[i] = scan_once(s, want);
    say_median(name, v, rounds, "msg/s");
    cubby_stat st;
    check(cubby_store_stat(s, &st), s, "stat");
    if (st.body_reads)
        fprintf(stderr, "bench: %s read %llu bodies\n", name, (unsigned long long)st.body_reads);
    check(cubby_close(&s), NULL, "close");
}

static void cold(const char *name, unsigned want)
{
    double v[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        chill(scratch("folder"));
        cubby_store *s = open_store(scratch("folder"), 0);
        v[i] = scan_once(s, want);
        check(cubby_close(&s), NULL, "close");
    }
    say_median(name, v, ROUNDS, "msg/s");
}

/* One pread of a kilobyte and a half a message, spread over the segments as the header groups are. */
static void pread_floor(void)
{
    char path[4200], buf[1536];
    double v[ROUNDS];
    snprintf(path, sizeof path, "%s/segments/00000002.seg", scratch("folder"));
    int fd = open(path, O_RDONLY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        die(path);
    for (int i = 0; i < ROUNDS; i++) {
        double t = now();
        for (int k = 0; k < FOLDER; k++)
            if (pread(fd, buf, sizeof buf, (off_t)((uint64_t)k * 7919 * 8 % (uint64_t)(st.st_size - (off_t)sizeof buf))) < 0)
                die(path);
        v[i] = FOLDER / (now() - t);
    }
    close(fd);
    say_median("scan.floor_pread", v, ROUNDS, "msg/s");
}

static void scans(void)
{
    pread_floor();
    warm("scan.list.warm", CUBBY_WANT_LIST, 9);
    cold("scan.list.cold", CUBBY_WANT_LIST);
    warm("scan.header.warm", CUBBY_WANT_HEADER, 9);
    cold("scan.header.cold", CUBBY_WANT_HEADER);
}

/* Reading as many bytes as the rows take, from memory. */
static void uid_flags(void)
{
    size_t n = (size_t)FOLDER * 64;
    uint64_t *p = calloc(1, n), sum = 0;
    double v[33];
    if (!p)
        die("memory");
    for (int i = 0; i < 33; i++) {
        double t = now();
        for (size_t k = 0; k < n / 8; k++)
            sum += p[k] ^ k;
        sink += sum;
        v[i] = FOLDER / (now() - t);
    }
    free(p);
    say_median("scan.flags.floor_memory", v, 33, "msg/s");
    warm("scan.flags.warm", 0, 33);
    cold("scan.flags.cold", 0);
}

/* ---- one change, and what changed ---- */

static void flag_one(cubby_store *s, uint32_t uid, int how)
{
    cubby_txn *t;
    cubby_uidset *set;
    check(cubby_uidset_new(&set), s, "set");
    check(cubby_uidset_add(set, uid, uid), s, "set");
    check(cubby_txn_begin(s, 0, &t), s, "begin");
    check(cubby_flag(t, 1, set, how, CUBBY_SEEN, NULL, 0, NULL), s, "flag");
    check(cubby_txn_commit(&t, NULL), s, "commit");
    cubby_uidset_free(&set);
}

static void flag_change(void)
{
    enum { N = 1000 };
    double ours[ROUNDS], raw[ROUNDS], ratio[ROUNDS];
    cubby_store *s = open_store(scratch("folder"), 0);
    char line[128] = {0};
    for (int r = 0; r < ROUNDS; r++) {
        const char *path = scratch("raw");
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
        double t = now();
        for (int i = 0; i < N; i++)
            if (write(fd, line, sizeof line) < 0 || fdatasync(fd) != 0)
                die(path);
        raw[r] = N / (now() - t);
        close(fd);
        unlink(path);
        t = now();
        for (int i = 0; i < N; i++)
            flag_one(s, (uint32_t)(i * 13 % FOLDER) + 1, r & 1 ? CUBBY_FLAGS_REMOVE : CUBBY_FLAGS_ADD);
        ours[r] = N / (now() - t);
        ratio[r] = ours[r] / raw[r];
    }
    check(cubby_close(&s), NULL, "close");
    say_median("flag.floor_write_fdatasync", raw, ROUNDS, "1/s");
    say_median("flag.one", ours, ROUNDS, "1/s");
    say_median("flag.one_to_floor", ratio, ROUNDS, "ratio");
}

static void changes(void)
{
    double v[101];
    cubby_store *s = open_store(scratch("folder"), 0);
    cubby_snapshot *snap;
    check(cubby_snapshot_begin(s, &snap), s, "snapshot");
    uint64_t since = cubby_snapshot_modseq(snap);
    cubby_snapshot_end(&snap);
    cubby_txn *t;
    cubby_uidset *set;
    check(cubby_uidset_new(&set), s, "set");
    for (uint32_t i = 0; i < CHANGED; i++)
        check(cubby_uidset_add(set, i * 97 + 1, i * 97 + 1), s, "set");
    check(cubby_txn_begin(s, 0, &t), s, "begin");
    check(cubby_flag(t, 1, set, CUBBY_FLAGS_ADD, CUBBY_FLAGGED, NULL, 0, NULL), s, "flag");
    check(cubby_txn_commit(&t, NULL), s, "commit");
    for (int i = 0; i < 101; i++) {
        cubby_changes *c;
        cubby_change ch;
        int n = 0;
        double start = now();
        check(cubby_snapshot_begin(s, &snap), s, "snapshot");
        check(cubby_changes_open(snap, 1, since, &c), s, "changes");
        while (cubby_changes_next(c, &ch) == 0)
            n++;
        cubby_changes_close(&c);
        cubby_snapshot_end(&snap);
        v[i] = (now() - start) * 1e6;
        if (n != CHANGED)
            check(CUBBY_ECORRUPT, s, "changes");
    }
    check(cubby_txn_begin(s, 0, &t), s, "begin");
    check(cubby_flag(t, 1, set, CUBBY_FLAGS_REMOVE, CUBBY_FLAGGED, NULL, 0, NULL), s, "flag");
    check(cubby_txn_commit(&t, NULL), s, "commit");
    cubby_uidset_free(&set);
    check(cubby_close(&s), NULL, "close");
    say_median("changes.140_of_14000", v, 101, "us");
}

static void opens(void)
{
    double v[101], raw[101];
    char path[4200];
    snprintf(path, sizeof path, "%s/index", scratch("folder"));
    for (int i = 0; i < 101; i++) {
        double t = now();
        for (int k = 0; k < 3; k++) { /* three files, as a store has */
            int fd = open(path, O_RDWR);
            char page[4096];
            if (fd < 0 || pread(fd, page, sizeof page, 0) < 0)
                die(path);
            close(fd);
        }
        raw[i] = (now() - t) * 1e6;
        t = now();
        cubby_store *s = open_store(scratch("folder"), 0);
        v[i] = (now() - t) * 1e6;
        check(cubby_close(&s), NULL, "close");
    }
    say_median("open.floor_open_read", raw, 101, "us");
    say_median("open.clean", v, 101, "us");
}

static void size(void)
{
    cubby_store *s = open_store(scratch("import"), 0);
    cubby_stat st;
    check(cubby_store_stat(s, &st), s, "stat");
    say("size.original", (double)st.original_bytes / 1e6, "MB");
    say("size.segments", (double)st.segment_bytes / 1e6, "MB");
    say("size.index", (double)st.index_bytes / 1e6, "MB");
    say("size.ratio", (double)(st.segment_bytes + st.index_bytes) / (double)st.original_bytes, "ratio");
    check(cubby_close(&s), NULL, "close");
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: bench DIR CUBBY MBOX...\n");
        return 2;
    }
    dir = argv[1];
    program = argv[2];
    mboxes = argv + 3;
    mbox_count = argc - 3;
    for (int i = 0; i < mbox_count; i++)
        load(mboxes[i]);
    say("corpus.messages", (double)message_count, "n");
    say("corpus.bytes", (double)message_bytes / 1e6, "MB");
    run("import", import);
    run("size", size);
    run("append", durable_append);
    run("build", build_folder);
    run("scan", scans);
    run("scan.flags", uid_flags);
    run("flag", flag_change);
    run("changes", changes);
    run("open", opens);
    remove_tree(scratch("import"));
    remove_tree(scratch("append"));
    remove_tree(scratch("folder"));
    return 0;
}
