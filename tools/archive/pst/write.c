#include "archive/pst/write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/digest.h"
#include "archive/mapi/from_mime.h"
#include "archive/mapi/props.h"
#include "archive/outfile.h"
#include "archive/pst/code.h"
#include "archive/pst/write_folders.h"
#include "cli.h"

#define TAG(id, type) ((uint32_t)(id) << 16 | (uint32_t)(type))

/* Outlook takes no longer password, and no larger value. */
enum { PASSWORD_MAX = 15, FIRST_MESSAGE = 0x10001 };
#define MESSAGE_MAX ((uint64_t)INT32_MAX)

struct pst_write_limits pst_write_limits = {PST_CRYPT_PERMUTE, PSTW_FOLDER_BLOCKS};

struct pst_out {
    struct writer base;
    struct outfile out;
    struct pstw_context c; /* c.w NULL: nothing has begun */
    struct pstw_folders *folders;
    struct writer_folder *planned; /* paths and special uses, until the file begins */
    size_t planned_count;
    /* the message at hand */
    const struct writer_message *msg;
    struct pstw_message *m;
    struct pstw_value *original;
};

static struct pst_out *self(struct writer *w)
{
    return (struct pst_out *)w;
}

static int pst_out_open(const struct writer_options *o, struct writer **out)
{
    struct pst_out *p = cli_malloc(sizeof *p);
    *p = (struct pst_out){.base = {.format = &writer_pst, .o = o}, .out = OUTFILE_INIT};
    *out = &p->base;
    if (o->password && strlen(o->password) > PASSWORD_MAX)
        cli_usage_error("--password: a PST file takes %d characters at most", PASSWORD_MAX);
    if (strcmp(o->dest, "-") == 0)
        cli_usage_error("a PST file cannot be written to standard output");
    return CLI_OK;
}

static int pst_out_check(struct writer *w, const struct writer_folder *f)
{
    struct pst_out *p = self(w);
    struct stat st;
    if ((p->planned_count & (p->planned_count - 1)) == 0)
        p->planned = cli_realloc(p->planned, (p->planned_count ? p->planned_count * 2 : 1) * sizeof *p->planned);
    p->planned[p->planned_count++] = (struct writer_folder){.path = cli_strdup(f->path), .special_use = f->special_use};
    if (p->planned_count > 1 || lstat(w->o->dest, &st) != 0) /* said once */
        return CLI_OK;
    int replaceable = S_ISREG(st.st_mode) || S_ISLNK(st.st_mode);
    if (w->o->force && replaceable)
        return CLI_OK;
    cli_error("%s: %s", w->o->dest, replaceable ? "is there already" : "is no file that could be replaced");
    return CLI_FAIL;
}

/* ---- the file ---------------------------------------------------------------------------------------------------------------------------- */

static int failed(struct pst_out *p)
{
    if (!p->c.w || pstw_failed(p->c.w) == 0)
        return CLI_OK;
    if (cli_interrupted == SIGPIPE)
        return CLI_INTERRUPTED;
    errno = pstw_failed(p->c.w);
    return cli_system_error(p->base.o->dest);
}

/* The id of the store has to differ from that of other files that are open in Outlook; random bytes, and where there are none the time. */
static void make_uid(uint8_t uid[16])
{
    struct {
        int64_t now, pid;
        uint8_t random[16];
    } seed = {.now = cli_now_ms(), .pid = getpid()};
    (void)!getentropy(seed.random, sizeof seed.random);
    digest_of(&seed, sizeof seed, uid);
}

static int begin_file(struct pst_out *p)
{
    if (p->c.w)
        return CLI_OK;
    int rc = outfile_open(&p->out, p->base.o->dest);
    if (rc != CLI_OK)
        return rc;
    p->c.w = pstw_new(&p->out, pst_write_limits.crypt);
    p->c.next_message = FIRST_MESSAGE;
    make_uid(p->c.uid);
    p->folders = pstw_folders_new(&p->c, !p->base.o->verbatim);
    for (size_t i = 0; i < p->planned_count; i++)
        pstw_folders_plan(p->folders, p->planned[i].path, p->planned[i].special_use);
    return failed(p);
}

static int too_many(const struct pst_out *p)
{
    cli_error("%s: more folders than a PST file holds", p->base.o->dest);
    return CLI_FAIL;
}

static int pst_out_folder(struct writer *w, const struct writer_folder *f)
{
    struct pst_out *p = self(w);
    int rc = begin_file(p);
    if (rc != CLI_OK)
        return rc;
    if (pstw_folders_begin(p->folders, f->path, f->special_use) != 0)
        return too_many(p);
    return failed(p);
}

static int pst_out_finish(struct writer *w)
{
    struct pst_out *p = self(w);
    struct pstw_store store = {.password = w->o->password && *w->o->password ? w->o->password : NULL};
    uint32_t next[32], next_folder;
    int rc = begin_file(p);
    if (rc != CLI_OK)
        return rc;
    const char *slash = strrchr(w->o->dest, '/');
    store.name = slash ? slash + 1 : w->o->dest;
    pstw_folders_end(p->folders, &store, &next_folder);
    pstw_write_store(&p->c, &store);
    for (int i = 0; i < 32; i++)
        next[i] = 0x400;
    next[PST_NT_SEARCH] = 0x4000;
    next[PST_NT_FAI] = 0x8000;
    next[PST_NT_MESSAGE] = p->c.next_message;
    next[PST_NT_FOLDER] = next[PST_NT_HIERARCHY] = next[PST_NT_CONTENTS] = next[PST_NT_FAI_CONTENTS] = next_folder;
    next[0] = (uint32_t)p->c.change + 1;
    pstw_finish(p->c.w, next);
    rc = failed(p);
    if (rc == CLI_OK)
        rc = outfile_commit(&p->out, w->o->force);
    w->files += rc == CLI_OK;
    return rc;
}

static void drop_message(struct pst_out *p)
{
    pstw_value_drop(&p->original);
    pstw_message_drop(&p->m);
    p->msg = NULL;
}

static void pst_out_close(struct writer *w)
{
    struct pst_out *p = self(w);
    drop_message(p);
    pstw_folders_free(&p->folders);
    pstw_free(&p->c.w);
    outfile_release(&p->out);
    for (size_t i = 0; i < p->planned_count; i++)
        free((char *)(uintptr_t)p->planned[i].path);
    free(p->planned);
    free(p);
}

/* ---- messages -------------------------------------------------------------------------------------------------------------------------------- */

static int pst_out_begin(struct writer *w, const struct writer_message *msg)
{
    struct pst_out *p = self(w);
    if (msg->size > MESSAGE_MAX)
        return writer_refuse(w, "is larger than 2 GiB");
    pstw_mark(p->c.w);
    p->msg = msg;
    p->m = pstw_message_new(&p->c);
    if (!w->o->verbatim)
        p->original = pstw_value_new(pstw_message_object(p->m), TAG(PSTW_N_ORIGINAL, MAPI_BINARY));
    return failed(p);
}

static int pst_out_write(struct writer *w, const void *bytes, size_t n)
{
    struct pst_out *p = self(w);
    if (p->original)
        pstw_value_add(p->original, bytes, n);
    return failed(p);
}

static void set_own(struct pst_out *p)
{
    struct pstw_object *o = pstw_message_object(p->m);
    const struct writer_message *msg = p->msg;
    pstw_value_end(&p->original);
    pstw_set_bytes(o, TAG(PSTW_N_HASH, MAPI_BINARY), msg->hash, 16);
    pstw_set32(o, TAG(PSTW_N_UID, MAPI_INT32), msg->uid);
    pstw_set64(o, TAG(PSTW_N_DATE, MAPI_INT64), (uint64_t)msg->date);
    pstw_set32(o, TAG(PSTW_N_ZONE, MAPI_INT32), (uint32_t)(int32_t)msg->zone);
    pstw_set32(o, TAG(PSTW_N_FLAGS, MAPI_INT32), msg->flags);
    if (msg->keyword_count)
        pstw_set_texts(o, TAG(PSTW_N_OWN_KEYWORDS, MAPI_STRING | MAPI_MULTI), msg->keywords, msg->keyword_count);
}

static int read_reader(void *arg, uint64_t offset, void *buf, size_t n, size_t *got)
{
    return cubby_reader_read(arg, offset, buf, n, got);
}

static int pst_out_end(struct writer *w)
{
    struct pst_out *p = self(w);
    const struct writer_message *msg = p->msg;
    struct mime_source s = {.read = read_reader, .arg = msg->reader, .size = msg->size};
    struct mime_state state = {msg->flags, msg->keywords, msg->keyword_count, msg->date};
    s.parts = cubby_reader_parts(msg->reader, &s.part_count);
    if (msg->head_len == msg->size)
        s.whole = msg->head;
    int code = from_mime(&s, &state, p->m);
    mime_source_release(&s);
    if (code != 0)
        return writer_refuse(w, "%s", cubby_strerror(code));
    if (!w->o->verbatim)
        set_own(p);
    if (pstw_folders_message(p->folders, &p->m, !(msg->flags & CUBBY_SEEN), pst_write_limits.folder_blocks) != 0)
        return too_many(p);
    p->msg = NULL;
    return failed(p);
}

static int pst_out_cancel(struct writer *w)
{
    struct pst_out *p = self(w);
    if (!p->msg) /* refused before it began, or whole */
        return CLI_OK;
    drop_message(p);
    pstw_rollback(p->c.w);
    return failed(p);
}

const struct writer_format writer_pst = {"pst", 1, pst_out_open, pst_out_check, pst_out_folder, pst_out_begin, pst_out_write, pst_out_end,
                                         pst_out_cancel, pst_out_finish, pst_out_close};
