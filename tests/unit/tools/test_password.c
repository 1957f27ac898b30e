/* Asking for a password: the child has a terminal of its own, with a thread that asks and a bar; the test sits at the other end. */
#include "archive/reader.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "unit/unit.h"

enum { STEP_MS = 10, ASKED_MS = 500, MOST_MS = 10000 };

static void nap(int ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

static int shows_what_is_typed(int fd)
{
    struct termios t;
    return tcgetattr(fd, &t) == 0 && (t.c_lflag & ECHO) != 0;
}

/* ---- the child ----------------------------------------------------------------------------------------------------------------------- */

static const char *given;
static int answered;

static void *ask(void *path)
{
    struct reader_options o = {.may_ask = 1};
    given = reader_password(&o, path);
    __atomic_store_n(&answered, 1, __ATOMIC_RELEASE);
    return NULL;
}

static int has_answer(void)
{
    return __atomic_load_n(&answered, __ATOMIC_ACQUIRE);
}

static _Noreturn void child(const char *terminal, const char *path)
{
    struct cli_bar bar;
    pthread_t thread;
    setsid();
    int fd = open(terminal, O_RDWR);
    if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) != 0 || dup2(fd, 2) != 2)
        _exit(9);
    cli.progress = CLI_PROGRESS_ALWAYS;
    cli_signals();
    cli_bar_begin(&bar, "reading", CLI_BYTES);
    if (pthread_create(&thread, NULL, ask, (void *)(uintptr_t)path) != 0)
        _exit(9);
    while (shows_what_is_typed(fd) && !has_answer()) /* it asks first */
        nap(STEP_MS);
    for (uint64_t i = 1; !cli_interrupted && !has_answer(); i++) {
        cli_bar_update(&bar, i, 1000000);
        nap(STEP_MS);
    }
    pthread_join(thread, NULL);
    cli_bar_update(&bar, 1, 2); /* drawn at once: it is long ago that it was */
    _exit(cli_interrupted ? 130 : given && strcmp(given, "secret") == 0 ? 0 : 1);
}

/* ---- the other end --------------------------------------------------------------------------------------------------------------------- */

static int terminal, line; /* both ends; the second is kept open, to look at its modes */
static char seen[4096];
static size_t seen_len;
static pid_t asking;

static void start(const char *path)
{
    terminal = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert_int_ge(terminal, 0);
    ck_assert_int_eq(grantpt(terminal), 0);
    ck_assert_int_eq(unlockpt(terminal), 0);
    const char *name = ptsname(terminal);
    line = open(name, O_RDWR | O_NOCTTY);
    ck_assert_int_ge(line, 0);
    seen_len = 0;
    asking = fork();
    ck_assert_int_ge(asking, 0);
    if (asking == 0)
        child(name, path);
}

/* What comes within so many milliseconds, or until `text` was seen. */
static int watch(const char *text, int ms)
{
    for (; ms > 0; ms -= STEP_MS) {
        struct pollfd p = {.fd = terminal, .events = POLLIN};
        ssize_t n = poll(&p, 1, STEP_MS) > 0 ? read(terminal, seen + seen_len, sizeof seen - 1 - seen_len) : 0;
        seen_len += n > 0 ? (size_t)n : 0;
        seen[seen_len] = 0;
        if (text && strstr(seen, text))
            return 1;
    }
    return 0;
}

static int hidden(void)
{
    return !shows_what_is_typed(line);
}

static int wait_until(int (*is)(void))
{
    for (int ms = MOST_MS; !is() && ms > 0; ms -= STEP_MS)
        nap(STEP_MS);
    return is();
}

static int status, ended;

static int has_ended(void)
{
    return ended || (ended = waitpid(asking, &status, WNOHANG) == asking);
}

static int finish(void)
{
    ended = 0;
    int in_time = wait_until(has_ended);
    if (!in_time) {
        kill(asking, SIGKILL);
        waitpid(asking, &status, 0);
    }
    watch(NULL, STEP_MS * 3);
    int shown = shows_what_is_typed(line);
    close(terminal);
    close(line);
    ck_assert_msg(in_time, "it did not end");
    ck_assert_msg(shown, "the terminal is left without echo");
    return WEXITSTATUS(status);
}

START_TEST(an_answer)
{
    start("mail\x1b[31m.pst");
    ck_assert(watch("password of mail", MOST_MS));
    ck_assert(wait_until(hidden));
    ck_assert_ptr_null(strchr(seen, '\x1b')); /* a path is no command for the terminal */
    ck_assert_int_eq(write(terminal, "secret\n", 7), 7);
    ck_assert_int_eq(finish(), 0);
    ck_assert_ptr_null(strstr(seen, "secret"));
}
END_TEST

START_TEST(stopped)
{
    start("mail.pst");
    ck_assert(watch("password of mail.pst: ", MOST_MS));
    ck_assert(wait_until(hidden));
    ck_assert_int_eq(write(terminal, "half\x03", 5), 5);
    ck_assert_int_eq(finish(), 130);
}
END_TEST

START_TEST(no_bar_over_the_question)
{
    start("mail.pst");
    ck_assert(watch("password of mail.pst: ", MOST_MS));
    ck_assert(wait_until(hidden));
    watch("reading", ASKED_MS);
    ck_assert_str_eq(seen, "password of mail.pst: ");
    ck_assert_int_eq(write(terminal, "secret\n", 7), 7);
    ck_assert_int_eq(finish(), 0);
    ck_assert_ptr_nonnull(strstr(seen, "reading")); /* and then again */
}
END_TEST

UNIT_MAIN("tools/password", an_answer, stopped, no_bar_over_the_question)
