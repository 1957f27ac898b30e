/* fuzz_cli.c - any bytes as a command line: it ends, within ten seconds, with one of the contracted exit codes. Commands keep state for the life of the program,
 * so each runs in a process of its own; what is reached there the fuzzer does not see, and words of a command line make up for it.
 *
 * The first byte is the command; then arguments: a byte below 0x80 for a word that means something, else the bytes up to NUL. Names that lead out of
 * the scratch directory are left out, for the commands really run. Linked with --wrap=exit. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "fuzz/fuzz.h"

/* Not one of the contracted codes. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "exitcode=99";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "exitcode=99";
}

static int is_child;
_Noreturn void __real_exit(int code);
_Noreturn void __wrap_exit(int code);

_Noreturn void __wrap_exit(int code)
{
    if (is_child)
        _exit(code);
    __real_exit(code);
}

static const struct cli_command commands[] = {
    {"ls", cmd_ls, "", ""},         {"scan", cmd_scan, "", ""},   {"cat", cmd_cat, "", ""},         {"flag", cmd_flag, "", ""},
    {"cp", cmd_cp, "", ""},         {"mv", cmd_mv, "", ""},       {"rm", cmd_rm, "", ""},           {"folder", cmd_folder, "", ""},
    {"changes", cmd_changes, "", ""}, {"stat", cmd_stat, "", ""}, {"fsck", cmd_fsck, "", ""},       {"dump", cmd_dump, "", ""},
    {"export", cmd_export, "", ""}, {"verify", cmd_verify, "", ""}, {"import", cmd_import, "", ""}, {"check-archive", cmd_check_archive, "", ""},
    {"append", cmd_append, "", ""}, {"init", cmd_init, "", ""},   {"version", cmd_version, "", ""}, {"help", cmd_help, "", ""},
    {NULL, NULL, NULL, NULL},
};

static const char *const words[] = {
    "s", "m", "INBOX", "a/b", "a", "1", "1:*", "2,4:9", "*", "+\\Seen", "-\\Deleted", "=$Work", "+bad flag", "--json", "--into", "--format", "mbox", "maildir",
    "eml", "pst", "auto", "--mbox", "rd", "cl2", "--dups", "skip", "add", "merge", "--dups-scope", "store", "--dry-run", "--keep-uids", "--password", "x",
    "--verbatim", "--folder", "--no-subfolders", "--uids", "--since", "--before", "2021-01-02", "2021-01-02T03:04:05+01:00", "--fields", "from,subject",
    "--header", "--flags", "--unseen", "--reverse", "--limit", "3", "--part", "1.1", "--crlf", "--lf", "--date", "create", "rename", "delete", "subscribe",
    "unsubscribe", "special", "\\Sent", "--full", "--rebuild-index", "--repair", "--", "-", "-l", "-q", "-v", "--help", "c/d%2Fe", "%", "out", "--force",
    "--progress=never", "--gmail-labels", "keywords", "", "limits", "scan",
};

enum { ARGUMENTS = 14 };

static char **split(struct input in, int *argc)
{
    char **argv = calloc(ARGUMENTS + 2, sizeof *argv);
    must(argv != NULL);
    const struct cli_command *c = &commands[take(&in, 1) % (sizeof commands / sizeof *commands - 1)];
    argv[0] = string_copy(c->name, strlen(c->name));
    for (*argc = 1; in.n && *argc <= ARGUMENTS; ++*argc) {
        unsigned first = in.p[0];
        if (first < 0x80) {
            const char *w = words[take(&in, 1) % (sizeof words / sizeof *words)];
            argv[*argc] = string_copy(w, strlen(w));
            continue;
        }
        take(&in, 1);
        const uint8_t *end = memchr(in.p, 0, in.n);
        struct input word = take_bytes(&in, end ? (size_t)(end - in.p) : in.n);
        take(&in, end != NULL);
        argv[*argc] = string_copy(word.p, word.n);
        if (argv[*argc][0] == '/' || strstr(argv[*argc], "..") || strstr(argv[*argc], "wait") || strstr(argv[*argc], "=/"))
            argv[*argc][0] = '\0';
    }
    return argv;
}

/* Runs a command in a process of its own, in this directory. Its exit code; 1000 and more: it was killed. */
static int run_command(int argc, char **argv, const char *dir)
{
    pid_t pid = fork(), ended;
    int status;
    must(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        is_child = 1;
        alarm(10);
        if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || (!getenv("FUZZ_VERBOSE") && dup2(null, 2) < 0) || chdir(dir) != 0)
            _exit(99);
        cli.command = argv[0];
        cli.progress = CLI_PROGRESS_NEVER;
        optind = 0;
        exit(cli_command_find(argv[0])->run(argc, argv));
    }
    while ((ended = waitpid(pid, &status, 0)) < 0 && errno == EINTR) /* the fuzzer's clock */
        ;
    must(ended == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

static void run_to_end(const char *const *words, int n)
{
    char *argv[8] = {NULL};
    for (int i = 0; i < n; i++)
        argv[i] = (char *)(uintptr_t)words[i];
    must(run_command(n, argv, ".") == 0);
}

static char scratch[64];

static void remove_scratch(void)
{
    char cmd[100];
    snprintf(cmd, sizeof cmd, "rm -rf %s", scratch);
    must(system(cmd) == 0);
}

/* A store to work on, made once; every run that might have changed it gets a fresh copy. */
static void prepare(void)
{
    snprintf(scratch, sizeof scratch, "%s/cubby-fuzz-cli.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    must(mkdtemp(scratch) && chdir(scratch) == 0 && atexit(remove_scratch) == 0);
    cli_commands = commands;
    FILE *f = fopen("m", "w");
    must(f && fputs("From a@b Sat Jan  2 01:29:12 2021\nSubject: x\n\nbody\n", f) >= 0 && fclose(f) == 0);
    run_to_end((const char *const[]){"init", "t"}, 2);
    run_to_end((const char *const[]){"import", "--into", "a/b", "t", "m"}, 5);
    run_to_end((const char *const[]){"append", "t", "INBOX", "m"}, 4);
    must(mkdir("w", 0700) == 0);
}

static void fresh(void)
{
    must(system("rm -rf w && mkdir w && cp -a t w/s && cp m w/m") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static int ready, dirty;
    int argc;
    if (!ready) {
        prepare();
        ready = dirty = 1;
    }
    if (dirty)
        fresh();
    char **argv = split((struct input){data, n}, &argc);
    int code = run_command(argc, argv, "w");
    if (code > CLI_USAGE && code != CLI_INTERRUPTED)
        for (int i = 0; i <= argc; i++)
            i < argc ? fprintf(stderr, "'%s' ", argv[i]) : fprintf(stderr, "-> %d\n", code);
    must(code == CLI_OK || code == CLI_NEGATIVE || code == CLI_LEFT || code == CLI_FAIL || code == CLI_USAGE || code == CLI_INTERRUPTED);
    dirty = code != CLI_USAGE;
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    free(argv);
    return 0;
}
