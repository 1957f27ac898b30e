/* cli.h - what every command of the program shares: options, messages, exit codes, stores, folder paths, uid sets and flags. */
#ifndef CUBBY_TOOLS_CLI_H
#define CUBBY_TOOLS_CLI_H

#include <getopt.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cubby.h"

/* The format of stores that this program writes; `version` and `dump` show it. */
#define CLI_FORMAT_VERSION 1

enum { CLI_OK = 0, CLI_NEGATIVE = 1, CLI_LEFT = 4, CLI_FAIL = 8, CLI_USAGE = 16, CLI_INTERRUPTED = 130 };

/* ---- commands ----------------------------------------------------------------------------------------------------------------- */

struct cli_command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code */
    const char *usage;                 /* first line: what follows `cubby NAME`; then the options, a line each */
    const char *summary;               /* one line, no full stop */
};

/* The table, ended by a NULL name; set by main (cli_command_find and help read it). */
extern const struct cli_command *cli_commands;
const struct cli_command *cli_command_find(const char *name);

int cmd_init(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_check_archive(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_scan(int argc, char **argv);
int cmd_cat(int argc, char **argv);
int cmd_append(int argc, char **argv);
int cmd_flag(int argc, char **argv);
int cmd_cp(int argc, char **argv);
int cmd_mv(int argc, char **argv);
int cmd_rm(int argc, char **argv);
int cmd_folder(int argc, char **argv);
int cmd_annotate(int argc, char **argv);
int cmd_changes(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_fsck(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_help(int argc, char **argv);

/* Prints what `cubby help NAME` prints; returns the exit code. */
int cli_help(const char *name);

/* ---- options ------------------------------------------------------------------------------------------------------------------ */

enum { CLI_PROGRESS_AUTO = 0, CLI_PROGRESS_ALWAYS = 1, CLI_PROGRESS_NEVER = 2 };

struct cli_common {
    const char *command; /* name of the command that runs, for messages */
    int quiet, verbose, json;
    int progress;     /* CLI_PROGRESS_... */
    uint32_t wait_ms; /* for the writer lock; default 10 s; 0: do not wait */
    const char *stopped; /* what a command that was stopped leaves behind, and how to go on; NULL: the usual */
};
extern struct cli_common cli;

/* The next option of the command's own table, or -1 behind the last one; then argv[optind] is the first argument (options and
 * arguments may be mixed, `--` ends the options). `own` ends with {0}; its values are above 0 and not among 'q' 'v' 'h' '?' ':'
 * unless named in `shorts` (getopt's form; a leading '+' stops at the first argument). The common options are handled here:
 * -q --quiet, -v --verbose, -h --help, --json, --progress=, --wait. Usage errors and --help do not return. */
int cli_option(int argc, char **argv, const char *shorts, const struct option *own);

/* After the options: leaves unless the number of arguments is within min..max (max < 0: no bound). Returns argv + optind. */
char **cli_arguments(int argc, char **argv, int min, int max);

/* Prints the message and "see `cubby help COMMAND`", exits with CLI_USAGE. */
_Noreturn void cli_usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Values of options; each leaves with a usage error that names the option. */
uint64_t cli_number(const char *option, const char *text, uint64_t max);
void cli_date(const char *option, const char *text, int64_t *seconds, int16_t *zone_minutes); /* RFC 3339; a date alone is its midnight, UTC */
/* Index of text in the NULL-ended list of names. */
int cli_choice(const char *option, const char *text, const char *const *names);

/* ---- messages, errors, stopping ------------------------------------------------------------------------------------------------ */

void cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* "cubby: ..." on stderr */
void cli_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));  /* the same, but not with -q */
void cli_hint(const char *fmt, ...) __attribute__((format(printf, 1, 2)));  /* indented: what to do next; not with -q */

/* Prints "cubby: PATH: at byte OFFSET: message" and what to do next. Returns the exit code: EINVAL 16; ENOENT, EEXIST, EHASCHILD and
 * ECONFLICT 1; ECANCEL 130, silently; all others 8. */
int cli_report(const cubby_error *err);
/* The same with the store's last error, for a call that returned `code` (negative). store may be NULL. */
int cli_store_error(cubby_store *store, int code);
/* Exit code for a failed system call on a file of the user's: prints "cubby: PATH: strerror". */
int cli_system_error(const char *path);
_Noreturn void cli_no_memory(void);
/* malloc and friends that do not return NULL. */
void *cli_malloc(size_t n);
void *cli_realloc(void *p, size_t n);
char *cli_strdup(const char *s);
char *cli_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The signal that asked us to stop: SIGINT, SIGTERM, or SIGPIPE when stdout was closed; 0: go on. Long loops look at it between
 * commits and return CLI_INTERRUPTED; main turns that into quiet ends. */
extern volatile sig_atomic_t cli_interrupted;
void cli_standard_files(void);
void cli_signals(void);
/* Flushes stdout; the exit code to end with: rc, or CLI_FAIL if something could not be written. */
int cli_finish(int rc);

/* ---- stores ---------------------------------------------------------------------------------------------------------------------- */

/* Options for cubby_open and friends: --wait, notices on stderr, a progress bar for a rebuild. */
void cli_store_options(cubby_options *out, unsigned flags);
/* All of these print the error and return the exit code, CLI_OK (0) for success. */
int cli_open(const char *path, unsigned flags, cubby_store **out);
/* Opens and begins a snapshot. */
int cli_open_view(const char *path, cubby_store **store, cubby_snapshot **snap);
int cli_snapshot(cubby_store *store, cubby_snapshot **out);
int cli_begin(cubby_store *store, unsigned flags, cubby_txn **out);
int cli_commit(cubby_store *store, cubby_txn **txn, uint64_t *modseq);
/* Ends what is not NULL. Returns rc, or the exit code of a failed close if rc was CLI_OK. */
int cli_close(cubby_store **store, cubby_snapshot **snap, int rc);

/* ---- folder paths ---------------------------------------------------------------------------------------------------------------- */

/* "A/B": components split at '/', with %2F and %25 for '/' and '%' inside one. */

/* 0, CUBBY_DONE (no such folder), CUBBY_EINVAL (not a path) or another error; prints nothing. out->name: see cubby_folder_get. */
int cli_path_find(cubby_snapshot *snap, const char *path, cubby_folder *out);
/* The same, with a message; returns the exit code. */
int cli_folder(cubby_store *store, cubby_snapshot *snap, const char *path, cubby_folder *out);
/* Finds or makes the folder and what it is in. 0 or an error code; prints nothing. */
int cli_path_make(cubby_txn *txn, const char *path, uint64_t *id);
/* Path of a folder; owner: the caller, free(). NULL: it could not be read. */
char *cli_path_of(cubby_snapshot *snap, uint64_t folder);
/* One component, escaped; owner: the caller, free(). */
char *cli_path_escape(const char *name, size_t len);
/* The next component of *path, unescaped, into buf (256 bytes); moves *path behind it and its '/'. CUBBY_DONE at the end, CUBBY_EINVAL
 * if it is empty or too long. */
int cli_path_next(const char **path, char *buf, size_t *len);

/* Calls fn for every folder below `root` (CUBBY_ROOT: all), parents first, siblings in byte order. A non-zero return of fn ends the
 * walk and is returned. path and folder live until fn returns; depth is 0 for the children of root. */
typedef int (*cli_walk_fn)(void *arg, const char *path, int depth, const cubby_folder *folder);
int cli_walk(cubby_snapshot *snap, uint64_t root, cli_walk_fn fn, void *arg);

/* ---- uid sets, flags ---------------------------------------------------------------------------------------------------------------- */

/* Parses a uid set; `*` is the highest uid in use of the folder. Prints; returns the exit code (16: not a uid set). */
int cli_uids(cubby_store *store, cubby_snapshot *snap, uint64_t folder, const char *text, cubby_uidset **out);
/* 1 if any of `uids` is in the folder, 0, or a negative error. */
int cli_uids_any(cubby_snapshot *snap, uint64_t folder, const cubby_uidset *uids);

struct cli_flags {
    uint32_t system;       /* CUBBY_SEEN ... */
    char **keywords;       /* owner: this struct, ended with cli_flags_release */
    size_t keyword_count;
    int left_out;          /* there were more than CLI_KEYWORDS_MAX */
};
#define CLI_FLAGS_INIT {0, NULL, 0, 0}
#define CLI_KEYWORDS_MAX 1024 /* as many as a store holds */

/* Adds the one flag that text[0..len) names: "\Seen" (any case) or a keyword. 0, CUBBY_EINVAL (unknown system flag, not an atom)
 * or CUBBY_ELIMIT (left_out is set). */
int cli_flag_add(struct cli_flags *f, const char *text, size_t len);
/* Adds a list of flags, separated by spaces or commas, in parentheses or not. */
int cli_flags_add(struct cli_flags *f, const char *list);
/* Removes doubles and sorts keywords by folded name; leaves out what is beyond CLI_KEYWORDS_MAX. */
void cli_flags_sort(struct cli_flags *f);
void cli_flags_release(struct cli_flags *f);
/* Names of system flags in the order of output; NULL ends. */
struct cli_flag_name {
    uint32_t bit;
    const char *name;
};
extern const struct cli_flag_name cli_flag_names[];

/* The flags of a row as names: system flags first, then keywords by folded name; "unknown-N" for a keyword without a definition. *out is
 * an array of *count names, borrowed until the next call with the same snapshot (the names as long as the snapshot); the program keeps
 * one such array. */
int cli_row_flags(cubby_snapshot *snap, uint32_t flags, const uint16_t *keywords, size_t keyword_count, const char *const **out, size_t *count);

/* Names of special uses: "\Sent" for CUBBY_USE_SENT; several are joined by spaces. "" for none. buf of 96 bytes at least. */
const char *cli_special_format(uint32_t special_use, char *buf, size_t n);
/* "\Sent" or "sent"; 0 or CUBBY_EINVAL. */
int cli_special_parse(const char *text, uint32_t *out);

/* ---- progress ------------------------------------------------------------------------------------------------------------------------ */

enum { CLI_BYTES = 0, CLI_ITEMS = 1 };

/* A bar with rate and time left on stderr, drawn at most ten times a second; nothing if stderr is no terminal (--progress). */
struct cli_bar {
    const char *what; /* "importing"; borrowed */
    int unit;         /* CLI_BYTES, CLI_ITEMS */
    int on, drawn;
    int64_t start_ms, last_ms;
};
void cli_bar_begin(struct cli_bar *bar, const char *what, int unit);
/* total 0: unknown. Returns non-zero if we are asked to stop: it is a cubby_progress_fn with a struct cli_bar as arg. */
int cli_bar_update(void *bar, uint64_t done, uint64_t total);
/* Wipes the line, at the end or before other output (cli_error and friends do it); NULL: of the bar that is shown. Call it before a bar's
 * memory goes. */
void cli_bar_clear(struct cli_bar *bar);
/* 1: the terminal belongs to a question, what is shown is wiped and nothing is drawn; 0: again. */
void cli_bar_hold(int on);
int64_t cli_now_ms(void); /* monotonic */

#endif
