/* A password from the command line, a file, or a terminal. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "archive/reader.h"
#include "text.h"

#define PASSWORD_MAX 512

static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;
static char asked[PASSWORD_MAX];
static int was_asked;

enum { LOOK_MS = 100 };

/* A line of the terminal, not shown. A signal that stops us may have gone to another thread, so no read waits. */
static int read_line(int fd, char *buf, size_t size)
{
    size_t n = 0;
    for (char c; !cli_interrupted;) {
        if (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, LOOK_MS) <= 0)
            continue;
        ssize_t got = read(fd, &c, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || c == '\n')
            break;
        if (n + 1 < size)
            buf[n++] = c;
    }
    buf[n] = 0;
    return n > 0;
}

static int ask(const char *path)
{
    struct termios shown, hidden;
    struct text name = {0}; /* safe for a terminal: it may be anything */
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC), got;
    if (fd < 0)
        return 0;
    if (tcgetattr(fd, &shown) != 0) {
        close(fd);
        return 0;
    }
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    text_safe(&name, path, strlen(path));
    cli_bar_hold(1);
    dprintf(fd, "password of %s: ", name.data ? name.data : "");
    text_release(&name);
    tcsetattr(fd, TCSAFLUSH, &hidden);
    got = read_line(fd, asked, sizeof asked);
    tcsetattr(fd, TCSAFLUSH, &shown);
    dprintf(fd, "\n");
    close(fd);
    cli_bar_hold(0);
    return got && !cli_interrupted;
}

const char *reader_password(const struct reader_options *o, const char *path)
{
    if (o->password || !o->may_ask)
        return o->password;
    pthread_mutex_lock(&asking);
    if (!was_asked) {
        was_asked = 1;
        if (!ask(path))
            asked[0] = 0;
    }
    pthread_mutex_unlock(&asking);
    return asked[0] ? asked : NULL;
}

char *password_from_file(const char *path)
{
    char buf[PASSWORD_MAX];
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!f || !fgets(buf, sizeof buf, f)) {
        cli_error("%s: %s", path, f && !ferror(f) ? "holds no password" : strerror(errno));
        if (f && f != stdin)
            fclose(f);
        return NULL;
    }
    if (f != stdin)
        fclose(f);
    buf[strcspn(buf, "\r\n")] = 0;
    return cli_strdup(buf);
}
