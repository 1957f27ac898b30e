/* Options of all commands: the common ones are handled here, in one place. */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "text.h"

struct cli_common cli = {.wait_ms = 10000};

/* Values of common options that have no short form. */
enum { OPT_JSON = 0x10000, OPT_PROGRESS, OPT_WAIT };

enum { OPTIONS_MAX = 40 };

static const struct option common[] = {
    {"quiet", no_argument, NULL, 'q'},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {"json", no_argument, NULL, OPT_JSON},
    {"progress", required_argument, NULL, OPT_PROGRESS},
    {"wait", required_argument, NULL, OPT_WAIT},
};

void cli_usage_error(const char *fmt, ...)
{
    va_list ap;
    fputs("cubby", stderr);
    if (cli.command)
        fprintf(stderr, " %s", cli.command);
    fputs(": ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n  see `cubby help%s%s`\n", cli.command ? " " : "", cli.command ? cli.command : "");
    exit(CLI_USAGE);
}

static uint32_t wait_time(const char *text)
{
    char *end;
    errno = 0;
    double s = strtod(text, &end);
    if (end == text || *end || errno || !(s >= 0) || s > 4000000)
        cli_usage_error("--wait: '%s' is not a number of seconds", text);
    return (uint32_t)(s * 1000);
}

/* 1 if the option was a common one. */
static int common_option(int value, char **argv)
{
    static const char *const when[] = {"auto", "always", "never", NULL};
    switch (value) {
    case 'q':
        cli.quiet = 1;
        return 1;
    case 'v':
        cli.verbose = 1;
        return 1;
    case 'h':
        exit(cli_finish(cli_help(argv[0])));
    case OPT_JSON:
        cli.json = 1;
        return 1;
    case OPT_PROGRESS:
        cli.progress = cli_choice("--progress", optarg, when);
        return 1;
    case OPT_WAIT:
        cli.wait_ms = wait_time(optarg);
        return 1;
    default:
        return 0;
    }
}

static _Noreturn void bad_option(int value, char **argv)
{
    const char *arg = argv[optind - 1];
    if (optopt && optopt < 0x100 && strncmp(arg, "--", 2) != 0)
        cli_usage_error(value == ':' ? "option -%c needs a value" : "there is no option -%c", optopt);
    if (value == ':')
        cli_usage_error("option %s needs a value", arg);
    if (optopt)
        cli_usage_error("option %s takes no value", arg);
    cli_usage_error("there is no option %s, or more than one that begins so", arg);
}

int cli_option(int argc, char **argv, const char *shorts, const struct option *own)
{
    struct option all[OPTIONS_MAX];
    char letters[64];
    size_t n = 0;
    for (; own && own[n].name && n < OPTIONS_MAX - 7; n++)
        all[n] = own[n];
    memcpy(all + n, common, sizeof common);
    all[n + sizeof common / sizeof *common] = (struct option){0};
    const char *plus = shorts && *shorts == '+' ? "+" : "";
    snprintf(letters, sizeof letters, "%s:qvh%s", plus, shorts ? shorts + strlen(plus) : "");
    opterr = 0;
    for (;;) {
        optopt = 0;
        int value = getopt_long(argc, argv, letters, all, NULL);
        if (value == '?' || value == ':')
            bad_option(value, argv);
        if (!common_option(value, argv))
            return value;
    }
}

char **cli_arguments(int argc, char **argv, int min, int max)
{
    int n = argc - optind;
    if (n < min)
        cli_usage_error(n == 0 ? "arguments are missing" : "an argument is missing");
    if (max >= 0 && n > max)
        cli_usage_error("'%s' is one argument too many", argv[optind + max]);
    return argv + optind;
}

uint64_t cli_number(const char *option, const char *text, uint64_t max)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || v > max)
        cli_usage_error("%s: '%s' is not a number, or too big", option, text);
    return v;
}

void cli_date(const char *option, const char *text, int64_t *seconds, int16_t *zone_minutes)
{
    if (text_date_parse(text, seconds, zone_minutes) != 0)
        cli_usage_error("%s: '%s' is not a date (such as 2019-01-02 or 2019-01-02T03:04:05+01:00)", option, text);
}

int cli_choice(const char *option, const char *text, const char *const *names)
{
    struct text list = {0};
    for (int i = 0; names[i]; i++)
        if (strcasecmp(names[i], text) == 0)
            return i;
    for (int i = 0; names[i]; i++) {
        text_add(&list, ", ", i ? 2 : 0);
        text_add(&list, names[i], strlen(names[i]));
    }
    cli_usage_error("%s: '%s' is none of %s", option, text, list.data);
}
