/* test_places.c - what else may stand where a store should be: on a real disk. */
#include <grp.h>
#include <sys/wait.h>

#include "cubby.h"
#include "model/common.h"

static int opens_as(const char *path, unsigned flags)
{
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_error e = {0};
    cubby_store *s = NULL;
    o.flags = flags;
    int rc = cubby_open(path, &o, &s, &e);
    if (rc == 0)
        cubby_close(&s);
    else if (e.code != rc || !*e.message)
        die("corrupt/places: an open fails and does not say why: %d", rc);
    cubby_check_result r;
    int rc2 = cubby_check(path, NULL, 0, NULL, NULL, &r, &e);
    if (rc2 != rc)
        die("corrupt/places: open and check do not agree: %d", rc2);
    return rc;
}

static void expect(const char *path, unsigned flags, int want, const char *what)
{
    int rc = opens_as(path, flags);
    if (rc != want) {
        printf("not ok - corrupt/places: %s: %d, not %d\n", what, rc, want);
        exit(1);
    }
    printf("ok - corrupt/places: %s: %s\n", what, cubby_strerror(rc));
}

static int become_nobody(void)
{
    enum { NOBODY = 65534 };
    return geteuid() != 0 || (setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0) ? 0 : -1;
}

/* Root may do everything: this is for a child that is somebody else. The scratch folder may be in one that only root can search: paths are relative. */
static void no_permission(const char *dir)
{
    char path[240], command[300];
    int status;
    snprintf(path, sizeof path, "%s/locked", dir);
    MUST(NULL, cubby_create(path, NULL, NULL));
    if (chmod(path, 0) != 0 || chmod(dir, 0755) != 0)
        die("corrupt/places: chmod: %d", errno);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (chdir(dir) != 0 || become_nobody() != 0 || access(".", X_OK) != 0)
            die("corrupt/places: becoming somebody else: %d", errno);
        expect("locked", 0, CUBBY_EACCES, "a directory without permission");
        expect("locked", CUBBY_READ_ONLY, CUBBY_EACCES, "a directory without permission, read-only");
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        exit(1); /* it has said why */
    chmod(path, 0700);
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    if (system(command) != 0)
        die("corrupt/places: rm: %d", 0);
}

static void strange_places(void)
{
    const char *tmp = getenv("TEST_TMP");
    char dir[200], path[240], id[280];
    snprintf(dir, sizeof dir, "%s/corrupt.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir))
        die("corrupt/places: mkdtemp: %d", 0);
    expect("", 0, CUBBY_EINVAL, "no path");
    snprintf(path, sizeof path, "%s/nothing", dir);
    expect(path, 0, CUBBY_ENOENT, "nothing there");
    expect(dir, 0, CUBBY_ENOTSTORE, "an empty directory");
    snprintf(path, sizeof path, "%s/fifo", dir);
    snprintf(id, sizeof id, "%s/cubby.id", path);
    if (mkdir(path, 0700) != 0 || mkfifo(id, 0600) != 0)
        die("corrupt/places: mkfifo: %d", 0);
    alarm(20); /* it must not wait for a writer */
    int rc = opens_as(path, 0), rc2 = opens_as(path, CUBBY_READ_ONLY);
    if (rc >= 0 || rc2 >= 0)
        die("corrupt/places: a FIFO named cubby.id is opened: %d", rc);
    alarm(0);
    printf("ok - corrupt/places: a FIFO named cubby.id: %s\n", cubby_strerror(rc));
    unlink(id);
    if (symlink("/etc/hostname", id) != 0)
        die("corrupt/places: symlink: %d", 0);
    rc = opens_as(path, 0);
    if (rc >= 0)
        die("corrupt/places: a symbolic link named cubby.id is followed: %d", rc);
    printf("ok - corrupt/places: a symbolic link named cubby.id: %s\n", cubby_strerror(rc));
    unlink(id);
    if (mkdir(id, 0700) != 0)
        die("corrupt/places: mkdir: %d", 0);
    rc = opens_as(path, 0);
    if (rc >= 0)
        die("corrupt/places: a directory named cubby.id is opened: %d", rc);
    printf("ok - corrupt/places: a directory named cubby.id: %s\n", cubby_strerror(rc));
    rmdir(id);
    rmdir(path);
    snprintf(path, sizeof path, "%s/file", dir);
    FILE *f = fopen(path, "w");
    if (!f || fclose(f) != 0)
        die("corrupt/places: making a file: %d", 0);
    rc = opens_as(path, 0);
    if (rc != CUBBY_ENOENT && rc != CUBBY_ENOTSTORE)
        die("corrupt/places: a file instead of a directory: %d", rc);
    printf("ok - corrupt/places: a file instead of a directory: %s\n", cubby_strerror(rc));
    unlink(path);
    no_permission(dir);
    rmdir(dir);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    strange_places();
    return 0;
}
