/* test_blocks.c - real file systems over a disk whose every write is recorded: what the store, ext4 or xfs and the kernel's block layer send to the disk, in
 * what order, and when they ask it to flush. Then power cuts: a disk with all writes up to the last flush before some moment, and any of those that
 * came between the flush and the moment, whole or torn at 512 bytes, is mounted, the store on it opened and compared with what had been acknowledged.
 *
 * The disk is a file of a FUSE file system that runs in a child, with a loop device on it. Takes root, /dev/fuse and loop devices, else it skips.
 *
 * test_blocks [SEED [CUTS]], or CUBBY_SEED, CUBBY_CUTS: cuts looked at on each file system (40). */
#include "model/notes.h"

#if __has_include(<fuse3/fuse.h>)
#define FUSE_USE_VERSION 31
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <sched.h>
#include <sys/mount.h>

enum { SECTOR = 512, BLOCK = 4096, EVENTS = 1 << 20 };

/* One write, or a flush (len 0); data in the log file at `at`. */
struct event {
    uint64_t off, at;
    uint32_t len;
};

/* Shared by the recording child, the writer and us. */
struct record {
    atomic_ulong count;
    struct event event[EVENTS];
};

static struct record *rec;
static char mount_point[600], image[600], log_file[600], place[600], disk_file[620];
static int image_fd, log_fd;
static uint64_t log_len, disk_size;

/* ---- the recording disk: one file, "disk" ---- */

static int disk_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
    (void)fi;
    memset(st, 0, sizeof *st);
    st->st_nlink = 1;
    st->st_mode = strcmp(path, "/") == 0 ? S_IFDIR | 0700 : S_IFREG | 0600;
    st->st_size = (off_t)disk_size;
    return strcmp(path, "/") == 0 || strcmp(path, "/disk") == 0 ? 0 : -ENOENT;
}

static int disk_open(const char *path, struct fuse_file_info *fi)
{
    (void)fi;
    return strcmp(path, "/disk") == 0 ? 0 : -ENOENT;
}

static int disk_read(const char *path, char *buf, size_t n, off_t off, struct fuse_file_info *fi)
{
    (void)path, (void)fi;
    ssize_t got = pread(image_fd, buf, n, off);
    return got < 0 ? -errno : (int)got;
}

static int note_event(const void *buf, size_t n, off_t off)
{
    unsigned long i = atomic_load(&rec->count);
    if (i >= EVENTS || (n && pwrite(log_fd, buf, n, (off_t)log_len) != (ssize_t)n))
        return -EIO;
    rec->event[i] = (struct event){(uint64_t)off, log_len, (uint32_t)n};
    log_len += n;
    atomic_store(&rec->count, i + 1);
    return 0;
}

static int disk_write(const char *path, const char *buf, size_t n, off_t off, struct fuse_file_info *fi)
{
    (void)path, (void)fi;
    if (pwrite(image_fd, buf, n, off) != (ssize_t)n || note_event(buf, n, off) != 0)
        return -EIO;
    return (int)n;
}

static int disk_fsync(const char *path, int data_only, struct fuse_file_info *fi)
{
    (void)path, (void)data_only, (void)fi;
    return note_event(NULL, 0, 0);
}

/* What a discarded block reads as nobody may rely on: it is left as it was. */
static int disk_fallocate(const char *path, int mode, off_t off, off_t len, struct fuse_file_info *fi)
{
    (void)path, (void)mode, (void)off, (void)len, (void)fi;
    return -EOPNOTSUPP;
}

static pid_t serve(void)
{
    static const struct fuse_operations ops = {.getattr = disk_getattr, .open = disk_open, .read = disk_read, .write = disk_write,
                                               .fsync = disk_fsync, .fallocate = disk_fallocate};
    char name[] = "disk", foreground[] = "-f", single[] = "-s";
    char *argv[] = {name, foreground, single, mount_point, NULL};
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(fuse_main(4, argv, &ops, NULL) != 0);
    }
    return pid;
}

/* ---- recording ---- */

static uint64_t position(void)
{
    return atomic_load(&rec->count);
}

static void __attribute__((noreturn)) write_some(uint64_t seed)
{
    struct writer w = {.rng = seed};
    cubby_options o = CUBBY_OPTIONS_INIT;
    o.segment_bytes = 8192;
    o.checkpoint_bytes = 2048;
    clock_of_notes = position;
    w.s = open_store(store_dir, &o);
    MUST(w.s, cubby_message_new(w.s, &w.message));
    for (int i = 0; i < 150; i++) {
        one_commit(&w);
        if (i == 90) { /* a clean stop between */
            cubby_message_free(&w.message);
            close_store(&w.s);
            w.s = open_store(store_dir, &o);
            MUST(w.s, cubby_message_new(w.s, &w.message));
        }
    }
    _exit(0); /* not closed */
}

/* The events of a workload on a file system made by `make`; first: from where on a cut makes sense. 0, or 1: cannot be done here. */
static int record_workload(const char *make, uint64_t *first)
{
    int status;
    atomic_store(&rec->count, 0);
    log_len = 0;
    image_fd = open(image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    log_fd = open(log_file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(image_fd >= 0 && log_fd >= 0 && ftruncate(image_fd, (off_t)disk_size) == 0, "%s: %s", image, strerror(errno));
    pid_t server = serve();
    for (int i = 0; i < 100 && access(disk_file, F_OK) != 0; i++)
        usleep(10000);
    int failed = run_shell("%s '%s' >/dev/null 2>&1 && mount -o loop '%s' '%s' >/dev/null 2>&1", make, disk_file, disk_file, place) != 0;
    if (!failed) {
        begin_notes(place);
        create();
        sync();
        *first = position();
        pid_t w = start(write_some, next_random(&rng));
        waitpid(w, &status, 0);
        CHECK(status == 0, "the writer ended with status %d", status);
        CHECK(umount(place) == 0, "umount %s: %s", place, strerror(errno));
    }
    run_shell("umount '%s' >/dev/null 2>&1", mount_point);
    kill(server, SIGKILL);
    waitpid(server, &status, 0);
    return failed;
}

/* ---- cutting ---- */

struct disk {
    uint8_t *bytes;   /* up to some flush */
    uint8_t *touched; /* a byte a block: ever written */
};

static void apply_event(struct disk *d, const uint8_t *log, uint64_t i)
{
    const struct event *e = &rec->event[i];
    CHECK(e->off + e->len <= disk_size, "a write behind the end of the disk");
    memcpy(d->bytes + e->off, log + e->at, e->len);
    for (uint64_t b = e->off / BLOCK; b * BLOCK < e->off + e->len; b++)
        d->touched[b] = 1;
}

static void put_out(int fd, const void *p, size_t n, uint64_t off)
{
    CHECK(pwrite(fd, p, n, (off_t)off) == (ssize_t)n, "writing the cut disk: %s", strerror(errno));
}

/* The disk as of `d`, and some of the writes [from, to). */
static void make_cut_disk(const struct disk *d, const uint8_t *log, uint64_t from, uint64_t to)
{
    unsigned how = (unsigned)below(&rng, 4); /* none, all, any, any torn */
    int fd = open(image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)disk_size) == 0, "%s: %s", image, strerror(errno));
    for (uint64_t b = 0; b < disk_size / BLOCK; b++)
        if (d->touched[b])
            put_out(fd, d->bytes + b * BLOCK, BLOCK, b * BLOCK);
    for (uint64_t i = from; i < to; i++) {
        const struct event *e = &rec->event[i];
        if (how == 0 || (how >= 2 && below(&rng, 2)))
            continue;
        for (uint32_t at = 0; at < e->len; at += SECTOR)
            if (how < 3 || below(&rng, 3))
                put_out(fd, log + e->at + at, e->len - at < SECTOR ? e->len - at : SECTOR, e->off + at);
    }
    close(fd);
}

/* The notes as they stood at that moment. */
static void notes_until(const struct board *whole, uint64_t moment)
{
    unsigned n = 0;
    for (unsigned i = 0; i < atomic_load((atomic_uint *)&whole->count); i++)
        if (whole->note[i].begun_at <= moment) {
            memcpy(&board->note[n], &whole->note[i], sizeof *board->note);
            struct note *note = &board->note[n++];
            note->before_cut = note->ended_at <= moment ? atomic_load(&note->acknowledged) : 0;
        }
    atomic_store(&board->count, n);
}

/* Its superblock torn, ext4 is not mounted before its own check has been over it, here as at any boot. Now and then not even that helps. */
static int mount_image(const char *fs)
{
    const char *mount_it = "mount -o loop '%s' '%s' >/dev/null 2>&1";
    if (run_shell(mount_it, image, place) == 0)
        return 0;
    if (strcmp(fs, "ext4") == 0)
        run_shell("e2fsck -fy '%s' >/dev/null 2>&1", image);
    return run_shell(mount_it, image, place);
}

static void cuts_of(const char *fs, uint64_t first, int cuts)
{
    int unmounted = 0;
    struct disk d = {need(calloc(disk_size, 1)), need(calloc(disk_size / BLOCK, 1))};
    const struct board *whole = board;
    const struct state began = known;
    uint64_t count = position(), flushed = 0, *moments = need(malloc((size_t)cuts * sizeof *moments));
    const uint8_t *log = mmap(NULL, log_len + 1, PROT_READ, MAP_PRIVATE, log_fd, 0);
    struct board *scratch = need(malloc(sizeof *scratch));
    CHECK(log != MAP_FAILED, "mmap: %s", strerror(errno));
    for (int i = 0; i < cuts; i++)
        moments[i] = first + below(&rng, count - first + 1);
    qsort(moments, (size_t)cuts, sizeof *moments, by_value);
    board = scratch;
    for (int i = 0; i < cuts; i++) {
        uint64_t last = moments[i];
        while (last > flushed && rec->event[last - 1].len)
            last--; /* behind the last flush */
        for (; flushed < last; flushed++)
            apply_event(&d, log, flushed);
        make_cut_disk(&d, log, flushed, moments[i]);
        if (mount_image(fs) != 0) {
            CHECK(++unmounted <= 1 + cuts / 20, "seed %" PRIu64 ": %s cannot be mounted, cut at %" PRIu64, base_seed, fs, moments[i]);
            continue;
        }
        known = began;
        notes_until(whole, moments[i]);
        cubby_store *s = open_store(store_dir, NULL);
        must_follow(s, "after a cut of the recorded disk");
        close_store(&s);
        if (i % 8 == 0)
            check_store(store_dir, CUBBY_CHECK_FULL, "after a cut of the recorded disk");
        CHECK(umount(place) == 0, "umount %s: %s", place, strerror(errno));
    }
    printf("ok - %s: %d cuts of a disk of %" PRIu64 " writes and flushes; %d more could not be mounted\n", fs, cuts - unmounted, count, unmounted);
    fflush(stdout);
    munmap((void *)(uintptr_t)log, log_len + 1);
    free(scratch);
    free(moments);
    free(d.bytes);
    free(d.touched);
}

static void blocks_of(const char *fs, const char *make, unsigned mib, int cuts)
{
    struct stat st;
    uint64_t first;
    disk_size = (uint64_t)mib << 20;
    if (record_workload(make, &first) != 0) {
        printf("skip recorded disk with %s: cannot be made and mounted here (loop devices, /dev/fuse, %s)\n", fs, make);
    } else {
        /* The child counted the log's bytes. */
        CHECK(fstat(log_fd, &st) == 0, "%s: %s", log_file, strerror(errno));
        log_len = (uint64_t)st.st_size;
        cuts_of(fs, first, cuts);
    }
    close(image_fd);
    close(log_fd);
}

int main(int argc, char **argv)
{
    const char *env = getenv("CUBBY_SEED"), *env_cuts = getenv("CUBBY_CUTS"), *dir = scratch_dir("blocks");
    base_seed = rng = argc > 1 ? strtoull(argv[1], NULL, 0) : env ? strtoull(env, NULL, 0) : 1;
    int cuts = argc > 2 ? atoi(argv[2]) : env_cuts ? atoi(env_cuts) : 40;
    printf("# seed %" PRIu64 "; again with: test_blocks %" PRIu64 " %d (what the kernel writes when differs)\n", base_seed, base_seed, cuts);
    snprintf(mount_point, sizeof mount_point, "%s/fuse", dir);
    snprintf(disk_file, sizeof disk_file, "%s/disk", mount_point);
    snprintf(image, sizeof image, "%s/image", dir);
    snprintf(log_file, sizeof log_file, "%s/log", dir);
    snprintf(place, sizeof place, "%s/place", dir);
    power_cut = 1;
    if (geteuid() != 0 || access("/dev/fuse", R_OK | W_OK) != 0 || unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        printf("skip recorded disk: takes root and /dev/fuse\n");
    } else {
        rec = mmap(NULL, sizeof *rec, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        CHECK(rec != MAP_FAILED && mkdir(mount_point, 0700) == 0 && mkdir(place, 0700) == 0, "%s: %s", dir, strerror(errno));
        blocks_of("ext4", "mkfs.ext4 -qF", 16, cuts);
        blocks_of("xfs", "mkfs.xfs -q -K", 320, cuts / 4);
    }
    remove_tree(dir);
    return 0;
}
#else
int main(void)
{
    printf("skip recorded disk: built without libfuse3\n");
    return 0;
}
#endif
