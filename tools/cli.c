#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

const struct cli_command *cli_commands;
volatile sig_atomic_t cli_interrupted;

/* Of a rebuild of the index during open. */
static struct cli_bar rebuild_bar;

const struct cli_command *cli_command_find(const char *name)
{
    for (const struct cli_command *c = cli_commands; c && c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

/* ---- messages ----------------------------------------------------------------------------------------------------------------- */

/* Names of files and folders may be anything, also what a terminal would take for commands. */
static void say(const char *before, const char *fmt, va_list ap)
{
    char *line;
    int n = vasprintf(&line, fmt, ap);
    struct text safe = {0};
    cli_bar_clear(NULL);
    if (n < 0) {
        fprintf(stderr, "%s%s\n", before, cubby_strerror(CUBBY_ENOMEM));
        return;
    }
    text_safe(&safe, line, (size_t)n);
    fprintf(stderr, "%s%s\n", before, safe.data ? safe.data : "");
    text_release(&safe);
    free(line);
}

void cli_error(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say("cubby: ", fmt, ap);
    va_end(ap);
}

void cli_note(const char *fmt, ...)
{
    va_list ap;
    if (cli.quiet)
        return;
    va_start(ap, fmt);
    say("cubby: ", fmt, ap);
    va_end(ap);
}

void cli_hint(const char *fmt, ...)
{
    va_list ap;
    if (cli.quiet)
        return;
    va_start(ap, fmt);
    say("  ", fmt, ap);
    va_end(ap);
}

int cli_system_error(const char *path)
{
    cli_error("%s: %s", path, strerror(errno));
    return CLI_FAIL;
}

/* What to do next, per error. */
static const struct {
    int code, exit;
    const char *hint;
} errors[] = {
    {CUBBY_EIO, CLI_FAIL, "the disk or file system failed; look at the system's log, copy the disk first, then run `cubby fsck` on the copy"},
    {CUBBY_ECORRUPT, CLI_FAIL, "run `cubby fsck --full STORE` to see what is damaged, and again with --repair to mend it; what is not damaged is kept"},
    {CUBBY_ENOENT, CLI_NEGATIVE, NULL},
    {CUBBY_EEXIST, CLI_NEGATIVE, NULL},
    {CUBBY_EINVAL, CLI_USAGE, "see `cubby help limits` for what names, keywords and uid sets may be"},
    {CUBBY_ELIMIT, CLI_FAIL, "see `cubby help limits`"},
    {CUBBY_EBUSY, CLI_FAIL, "another process has the store open: try again when it has closed it; if it only writes, wait longer with --wait SECONDS"},
    {CUBBY_ESTALE, CLI_FAIL, "the command ran too long beside writers; run it again"},
    {CUBBY_ENOSPC, CLI_FAIL, "nothing was changed by this step; make room on the file system and run the command again"},
    {CUBBY_ENOMEM, CLI_FAIL, NULL},
    {CUBBY_EACCES, CLI_FAIL, "check its owner and permissions, and that the file system is writable"},
    {CUBBY_ENOTSTORE, CLI_FAIL, NULL}, /* cli_open has one */
    {CUBBY_EVERSION, CLI_FAIL, "it needs another version of cubby; see `cubby version`"},
    {CUBBY_ELATCHED, CLI_FAIL, "an earlier write failed; run the command again, which recovers the store first"},
    {CUBBY_EUNKNOWN, CLI_FAIL, "whether this step took place is not known; look with `cubby ls` or `cubby scan` before doing it again"},
    {CUBBY_EHASCHILD, CLI_NEGATIVE, NULL},
    {CUBBY_ECANCEL, CLI_INTERRUPTED, NULL},
    {CUBBY_ECONFLICT, CLI_NEGATIVE, NULL},
};

int cli_report(const cubby_error *err)
{
    if (err->code == CUBBY_ECANCEL)
        return CLI_INTERRUPTED;
    char where[40] = "";
    if (err->offset != UINT64_MAX && err->path[0])
        snprintf(where, sizeof where, "at byte %" PRIu64 ": ", err->offset);
    const char *message = err->message[0] ? err->message : cubby_strerror(err->code);
    cli_error("%s%s%s%s", err->path, err->path[0] ? ": " : "", where, message); /* the message says what errno means */
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (errors[i].code != err->code)
            continue;
        if (errors[i].hint)
            cli_hint("%s", errors[i].hint);
        return errors[i].exit;
    }
    return CLI_FAIL;
}

int cli_store_error(cubby_store *store, int code)
{
    cubby_error err = {.code = code, .offset = UINT64_MAX};
    if (store)
        cubby_last_error(store, &err);
    if (err.code != code)
        err = (cubby_error){.code = code, .offset = UINT64_MAX};
    return cli_report(&err);
}

/* ---- memory -------------------------------------------------------------------------------------------------------------------- */

void cli_no_memory(void)
{
    fputs("cubby: out of memory\n", stderr);
    _Exit(CLI_FAIL);
}

void *cli_malloc(size_t n)
{
    return cli_realloc(NULL, n);
}

void *cli_realloc(void *p, size_t n)
{
    void *q = realloc(p, n ? n : 1);
    if (!q)
        cli_no_memory();
    return q;
}

char *cli_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(cli_malloc(n), s, n);
}

char *cli_printf(const char *fmt, ...)
{
    char *s;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    if (n < 0)
        cli_no_memory();
    return s;
}

/* ---- stopping ------------------------------------------------------------------------------------------------------------------- */

#define AGAIN_MS 300 /* signals so near to the first are the same one: some callers signal a process and then its group */

/* The second Ctrl-C ends us at once; the store survives that. */
static void stop(int sig)
{
    static volatile int64_t first;
    int64_t now = cli_now_ms();
    if (cli_interrupted && sig != SIGPIPE && now - first >= AGAIN_MS) {
        signal(sig, SIG_DFL);
        raise(sig);
        return;
    }
    if (!cli_interrupted)
        first = now;
    cli_interrupted = cli_interrupted && sig == SIGPIPE ? cli_interrupted : sig;
}

/* A closed standard file would be given to the first file that is opened, and what we print would end up in the store. In its place
 * comes one that fails in the same way: the input cannot be read, the outputs cannot be written. */
void cli_standard_files(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            _Exit(CLI_FAIL);
}

void cli_signals(void)
{
    struct sigaction sa = {.sa_handler = stop};
    sigemptyset(&sa.sa_mask);
    sigaction(SIGPIPE, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

int cli_finish(int rc)
{
    cli_bar_clear(NULL);
    int bad = fflush(stdout) != 0 || ferror(stdout);
    if (cli_interrupted == SIGPIPE) { /* as any filter ends when nobody reads on */
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    if (rc == CLI_INTERRUPTED)
        cli_note("%s", cli.stopped ? cli.stopped : "stopped; what was done so far is kept, and the same command can be run again");
    if (bad && rc != CLI_INTERRUPTED) {
        cli_error("standard output: %s", strerror(errno));
        return CLI_FAIL;
    }
    return rc;
}

/* ---- stores ---------------------------------------------------------------------------------------------------------------------- */

static void notice(void *arg, const char *text)
{
    (void)arg;
    cli_note("note: %s", text);
}

void cli_store_options(cubby_options *out, unsigned flags)
{
    *out = (cubby_options)CUBBY_OPTIONS_INIT;
    out->flags = flags;
    out->lock_timeout_ms = cli.wait_ms ? cli.wait_ms : UINT32_MAX;
    out->notice = notice;
    cli_bar_begin(&rebuild_bar, "building the index", CLI_BYTES);
    out->progress = cli_bar_update;
    out->progress_arg = &rebuild_bar;
}

/* Is there what looks like the mail of a store that lost its cubby.id? */
static int has_segments(const char *path)
{
    char *dir = cli_printf("%s/segments", path);
    DIR *d = opendir(dir);
    int found = 0;
    for (struct dirent *e; d && !found && (e = readdir(d));)
        found = strstr(e->d_name, ".seg") != NULL;
    if (d)
        closedir(d);
    free(dir);
    return found;
}

int cli_open(const char *path, unsigned flags, cubby_store **out)
{
    cubby_options options;
    cubby_error err = {.offset = UINT64_MAX};
    cli_store_options(&options, flags);
    int r = cubby_open(path, &options, out, &err);
    cli_bar_clear(&rebuild_bar);
    if (r == 0)
        return CLI_OK;
    err.code = r;
    if (!err.path[0])
        snprintf(err.path, sizeof err.path, "%s", path);
    if (r == CUBBY_EINVAL) { /* of a store that was to be made */
        cli_error("%s: %s", err.path, err.message[0] ? err.message : "something else is there");
        cli_hint("give the path of a store, a name that is free, or an empty directory");
        return CLI_FAIL;
    }
    int code = cli_report(&err);
    if (r == CUBBY_ENOTSTORE && has_segments(path))
        cli_hint("there are segments, which hold mail: do not make a new store here; `cubby fsck --repair STORE` makes cubby.id again from them");
    else if (r == CUBBY_ENOTSTORE || (r == CUBBY_ENOENT && !(flags & CUBBY_CREATE)))
        cli_hint("`cubby init STORE` makes an empty store");
    return code == CLI_NEGATIVE ? CLI_FAIL : code; /* no store is no answer */
}

int cli_snapshot(cubby_store *store, cubby_snapshot **out)
{
    int r = cubby_snapshot_begin(store, out);
    return r == 0 ? CLI_OK : cli_store_error(store, r);
}

int cli_open_view(const char *path, cubby_store **store, cubby_snapshot **snap)
{
    int rc = cli_open(path, 0, store);
    if (rc != CLI_OK)
        return rc;
    rc = cli_snapshot(*store, snap);
    return rc == CLI_OK ? rc : cli_close(store, NULL, rc);
}

int cli_begin(cubby_store *store, unsigned flags, cubby_txn **out)
{
    int r = cubby_txn_begin(store, flags, out);
    return r == 0 ? CLI_OK : cli_store_error(store, r);
}

int cli_commit(cubby_store *store, cubby_txn **txn, uint64_t *modseq)
{
    int r = cubby_txn_commit(txn, modseq);
    return r == 0 ? CLI_OK : cli_store_error(store, r);
}

int cli_close(cubby_store **store, cubby_snapshot **snap, int rc)
{
    if (snap)
        cubby_snapshot_end(snap);
    if (!*store)
        return rc;
    int r = cubby_close(store);
    return r < 0 && rc == CLI_OK ? cli_store_error(NULL, r) : rc;
}
