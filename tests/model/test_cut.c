/* test_cut.c - real file systems that lose their power: a writer on ext4 or xfs in a loop device, which is shut down without flushing its journal (the ioctl
 * GOINGDOWN) at any moment; then it is mounted again, and what was acknowledged must be there. Takes root and loop devices, else it skips.
 *
 * test_cut [SEED [SECONDS]], or CUBBY_SEED; CUBBY_CUT_SECONDS for each file system (2). */
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "model/notes.h"

enum { GOING_DOWN_NO_FLUSH = 2 };
#define GOING_DOWN _IOR('X', 125, uint32_t)

static char image[600], place[600];
static uint64_t cuts;

static int mount_it(void)
{
    return run_shell("mount -o loop '%s' '%s' >/dev/null 2>&1", image, place);
}

static void __attribute__((noreturn)) write_on(uint64_t seed)
{
    struct writer w = {.rng = seed};
    cubby_options o = CUBBY_OPTIONS_INIT;
    o.segment_bytes = below(&w.rng, 2) ? 8192 : 0;
    o.checkpoint_bytes = below(&w.rng, 2) ? 2048 : 0;
    if (!freopen("/dev/null", "w", stdout)) /* its errors, once the disk is gone, are no news */
        _exit(2);
    w.s = open_store(store_dir, &o);
    MUST(w.s, cubby_message_new(w.s, &w.message));
    for (;;)
        one_commit(&w);
}

static void note_cut(void)
{
    for (unsigned i = atomic_load(&board->count); i-- > 0;)
        board->note[i].before_cut = atomic_load(&board->note[i].acknowledged);
}

static void cut_once(void)
{
    uint32_t how = GOING_DOWN_NO_FLUSH;
    int status, fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0, "%s: %s", place, strerror(errno));
    pid_t w = start(write_on, next_random(&rng));
    usleep((useconds_t)below(&rng, below(&rng, 2) ? 5000 : 60000) + 500);
    /* A sync under way may yet return 0 on a file system that is shut down: with the power gone nobody would hear of it. */
    note_cut();
    CHECK(ioctl(fd, GOING_DOWN, &how) == 0, "shutting %s down: %s", place, strerror(errno));
    kill(w, SIGKILL);
    while (waitpid(w, &status, 0) < 0 && errno == EINTR)
        ;
    close(fd);
    CHECK(umount(place) == 0 && mount_it() == 0, "seed %" PRIu64 ": %s cannot be mounted again after %" PRIu64 " cuts", base_seed, image, cuts);
    cuts++;
    cubby_store *s = open_store(store_dir, NULL);
    must_follow(s, "after a power cut");
    close_store(&s);
}

static void cuts_on(const char *fs, const char *make, unsigned mib, const char *dir, double span)
{
    snprintf(image, sizeof image, "%s/%s.img", dir, fs);
    snprintf(place, sizeof place, "%s/%s", dir, fs);
    if (mkdir(place, 0700) != 0 || run_shell("truncate -s %uM '%s' && %s '%s' >/dev/null 2>&1", mib, image, make, image) != 0 || mount_it() != 0) {
        printf("skip power cuts on %s: it cannot be made and mounted here (root, loop devices, %s)\n", fs, make);
        return;
    }
    cuts = 0;
    power_cut = 1;
    begin_notes(place);
    create();
    for (double until = seconds() + span; seconds() < until;) {
        cut_once();
        if (cuts % 20 == 19) {
            check_store(store_dir, CUBBY_CHECK_FULL, "before a new store");
            remove_tree(store_dir);
            create();
        }
    }
    check_store(store_dir, CUBBY_CHECK_FULL, "at the end");
    umount(place);
    printf("ok - %s: %" PRIu64 " power cuts\n", fs, cuts);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *env = getenv("CUBBY_SEED"), *env_span = getenv("CUBBY_CUT_SECONDS"), *dir = scratch_dir("cut");
    base_seed = rng = argc > 1 ? strtoull(argv[1], NULL, 0) : env ? strtoull(env, NULL, 0) : 1;
    double span = argc > 2 ? atof(argv[2]) : env_span ? atof(env_span) : 2;
    printf("# seed %" PRIu64 ", %.0f s a file system; again with: test_cut %" PRIu64 " %.0f (the moments differ)\n", base_seed, span, base_seed, span);
    /* What is mounted here goes with this process. */
    if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        printf("skip power cuts: takes root\n");
    else {
        cuts_on("ext4", "mkfs.ext4 -qF", 64, dir, span);
        cuts_on("xfs", "mkfs.xfs -q", 320, dir, span);
    }
    remove_tree(dir);
    return 0;
}
