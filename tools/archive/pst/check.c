/* The check: its order, and what it says. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "archive/pst/check_own.h"

static void count(struct check *c, int severity)
{
    if (severity == PST_CHECK_ERROR)
        c->out->errors++;
    else
        c->out->warnings++;
}

void check_say(struct check *c, int severity, uint64_t offset, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    count(c, severity);
    c->tell(c->arg, severity, offset, text);
}

void check_say_error(struct check *c, const char *fmt, ...)
{
    char what[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    CHECK_ERROR(c, pst_error_at(c->p), "%s: %s", what, pst_error(c->p));
}

static void on_problem(void *arg, int severity, uint64_t offset, const char *text)
{
    struct check *c = arg;
    count(c, severity);
    c->tell(c->arg, severity, offset, text);
}

int check_step(struct check *c)
{
    c->done++;
    if (!c->stopped && c->progress && c->done % 64 == 0)
        c->stopped = c->progress(c->arg, c->done < c->total ? c->done : c->total, c->total);
    return c->stopped;
}

static void describe(struct check *c)
{
    struct pst_checked *out = c->out;
    snprintf(out->format, sizeof out->format, "%s", c->p->shape->name);
    out->version = c->p->header.version;
    out->crypt = c->p->header.crypt;
    out->bytes = c->p->size;
}

/* From the outside to the inside: what a layer says can be trusted only if the one below is sound, and each tells its own troubles. */
static void run(struct check *c)
{
    c->buf = cli_malloc(65536);
    c->total = c->p->size / 4096 + 1;
    check_header(c);
    check_maps(c);
    check_tree(c, PST_PAGE_BBT);
    if (!c->out->blocks) {
        CHECK_ERROR(c, c->p->header.bbt.ib, "no block can be found, so that nothing else can be looked at");
        return;
    }
    if (!c->stopped)
        check_lists(c);
    if (!c->stopped)
        check_tree(c, PST_PAGE_NBT);
    if (!c->stopped) {
        check_counts(c);
        check_allocation(c);
    }
    c->p->checked = 1;
    if (!c->stopped) {
        pst_store_open(c->p, &c->store);
        c->out->password = c->store.password != 0;
        check_nodes(c);
        pst_store_close(&c->store);
    }
}

int pst_check(const char *path, pst_check_fn tell, pst_check_progress progress, void *arg, struct pst_checked *out, char error[256],
              uint64_t *offset)
{
    struct check *c = cli_malloc(sizeof *c);
    memset(c, 0, sizeof *c);
    memset(out, 0, sizeof *out);
    error[0] = 0;
    *offset = 0;
    c->out = out;
    c->tell = tell;
    c->progress = progress;
    c->arg = arg;
    int rc = pst_open(path, on_problem, c, &c->p);
    if (rc < 0) {
        snprintf(error, 256, "%s", pst_error(c->p));
        *offset = pst_error_at(c->p);
    } else {
        describe(c);
        run(c);
        rc = c->stopped ? 1 : 0;
    }
    pst_close(&c->p);
    pst_bits_free(&c->listed);
    pst_bits_free(&c->claimed);
    free(c->used);
    free(c->blocks);
    free(c->buf);
    free(c);
    return rc;
}
