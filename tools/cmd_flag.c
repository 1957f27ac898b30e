/* Adds, removes and replaces flags and keywords. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "result.h"

/* One kind of change. They are meant in the order = + -, and done without a step between: what ends as it began is not touched. */
struct change {
    int how;
    struct cli_flags flags;
    int given;
};

struct changes {
    struct change replace, add, remove;
};

/* -\Seen looks like an option. So what begins with one '-' behind STORE FOLDER SET is a flag, what begins with "--" an option
 * wherever it stands, up to a "--": options first, then "--", then the rest. */
static void options_first(int argc, char **argv)
{
    char **options = cli_malloc((size_t)(argc + 1) * 2 * sizeof *options), **rest = options + argc + 1;
    int n = 0, m = 0, ended = 0;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        int is_option = !ended && a[0] == '-' && a[1] && (a[1] == '-' || m < 3);
        if (!ended && strcmp(a, "--") == 0) {
            ended = 1;
            continue;
        }
        if (!is_option) {
            rest[m++] = argv[i];
            continue;
        }
        options[n++] = argv[i];
        if ((strcmp(a, "--wait") == 0 || strcmp(a, "--progress") == 0) && i + 1 < argc)
            options[n++] = argv[++i];
    }
    memcpy(argv + 1, options, (size_t)n * sizeof *argv);
    memcpy(argv + 1 + n, rest, (size_t)m * sizeof *argv);
    optind = 1;
    free(options);
}

static void parse_flag(struct changes *c, const char *arg)
{
    struct change *change = arg[0] == '+' ? &c->add : arg[0] == '-' ? &c->remove : arg[0] == '=' ? &c->replace : NULL;
    if (!change)
        cli_usage_error("'%s': begin a flag with + (add), - (remove) or = (replace all by)", arg);
    change->given = 1;
    const char *s = arg + 1;
    if (!*s && change == &c->replace)
        return; /* "=": no flags at all */
    if (!*s)
        cli_usage_error("'%s': a flag is missing", arg);
    while (*(s += strspn(s, " "))) {
        size_t len = strcspn(s, " ");
        int rc = cli_flag_add(&change->flags, s, len);
        if (rc == CUBBY_ELIMIT)
            cli_usage_error("these are more keywords than a store holds: %d", CLI_KEYWORDS_MAX);
        if (rc != 0)
            cli_usage_error("'%.*s' is neither \\Seen, \\Answered, \\Flagged, \\Deleted or \\Draft nor a keyword; "
                            "give each flag as an argument of its own", (int)len, s);
        s += len;
    }
}

static int has_keyword(const struct cli_flags *f, const char *name)
{
    size_t i = 0;
    while (i < f->keyword_count && strcasecmp(f->keywords[i], name) != 0)
        i++;
    return i < f->keyword_count;
}

static void take_away(struct cli_flags *from, const struct cli_flags *what)
{
    size_t kept = 0;
    from->system &= ~what->system;
    for (size_t i = 0; i < from->keyword_count; i++) {
        if (has_keyword(what, from->keywords[i]))
            free(from->keywords[i]);
        else
            from->keywords[kept++] = from->keywords[i];
    }
    from->keyword_count = kept;
}

/* What is removed was not added; and what is added or removed changes the flags that replace all others. */
static void combine(struct changes *c)
{
    struct cli_flags *all = &c->replace.flags, *add = &c->add.flags;
    take_away(add, &c->remove.flags);
    if (!c->replace.given)
        return;
    take_away(all, &c->remove.flags);
    take_away(add, all);
    all->system |= add->system;
    all->keywords = cli_realloc(all->keywords, (all->keyword_count + add->keyword_count + 1) * sizeof *all->keywords);
    for (size_t i = 0; i < add->keyword_count; i++)
        all->keywords[all->keyword_count++] = add->keywords[i];
    add->keyword_count = 0; /* they are all's now */
    c->add.given = c->remove.given = 0;
}

static int apply(struct work *w, struct change *c)
{
    cubby_uidset *changed = NULL;
    if (!c->given)
        return CLI_OK;
    int r = cubby_flag(w->txn, w->folder.id, w->uids, c->how, c->flags.system, (const char *const *)c->flags.keywords, c->flags.keyword_count,
                       &changed);
    for (size_t i = 0; r == 0 && i < cubby_uidset_ranges(changed); i++) {
        uint32_t first, last;
        cubby_uidset_range(changed, i, &first, &last);
        r = cubby_uidset_add(w->changed, first, last);
    }
    cubby_uidset_free(&changed);
    return r == 0 ? CLI_OK : cli_store_error(w->store, r);
}

static int act(struct work *w, void *arg)
{
    struct changes *c = arg;
    int r = cubby_uidset_new(&w->changed);
    if (r != 0)
        return cli_store_error(w->store, r);
    int rc = apply(w, &c->replace);
    if (rc == CLI_OK)
        rc = apply(w, &c->add);
    if (rc == CLI_OK)
        rc = apply(w, &c->remove);
    return rc;
}

int cmd_flag(int argc, char **argv)
{
    struct changes c = {{CUBBY_FLAGS_REPLACE, CLI_FLAGS_INIT, 0}, {CUBBY_FLAGS_ADD, CLI_FLAGS_INIT, 0}, {CUBBY_FLAGS_REMOVE, CLI_FLAGS_INIT, 0}};
    options_first(argc, argv);
    while (cli_option(argc, argv, "+", NULL) != -1)
        ;
    char **args = cli_arguments(argc, argv, 4, -1);
    for (int i = 3; args[i]; i++)
        parse_flag(&c, args[i]);
    combine(&c);
    int rc = work_run(args[0], args[1], args[2], "changed", act, &c);
    cli_flags_release(&c.replace.flags);
    cli_flags_release(&c.add.flags);
    cli_flags_release(&c.remove.flags);
    return rc;
}
