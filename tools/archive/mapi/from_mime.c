#include "archive/mapi/from_mime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "archive/field.h"
#include "archive/mapi/codepage.h"
#include "archive/mapi/props.h"
#include "cli.h"

#define TAG(id, type) ((uint32_t)(id) << 16 | (uint32_t)(type))
#define STRING(id) TAG(id, MAPI_STRING)
#define BINARY(id) TAG(id, MAPI_BINARY)
#define INT(id)    TAG(id, MAPI_INT32)

enum { WINDOW = 1 << 20, CHUNK = 64 << 10, HEADER_MAX = 1 << 20, DEPTH_MAX = 32, CIDS_MAX = 1000, CID_BYTES = 500 };
enum { NONE = -1 };

/* One message on its way: the outermost, or one that is embedded. */
struct job {
    struct mime_source *s;
    struct pstw_message *m;
    size_t root;           /* its part */
    int depth;             /* of embedding */
    long plain, html;      /* parts that are its bodies */
    long plain_group, html_group; /* multipart/alternative that they are in */
    size_t *rest;          /* parts that become attachments */
    size_t rest_count;
    char **cids;           /* that the HTML refers to */
    size_t cid_count;
    struct text part;      /* decoded bytes */
    struct text wide;
};

/* ---- bytes --------------------------------------------------------------------------------------------------------------------------------- */

void mime_source_release(struct mime_source *s)
{
    free(s->window);
    s->window = NULL;
    s->window_len = 0;
}

/* Up to `most` bytes of the message from an offset on, at most 64 KiB; *got is 0 only at its end. They live until the next call. 0 or an error. */
static int get_bytes(struct mime_source *s, uint64_t offset, uint64_t most, const uint8_t **p, size_t *got)
{
    *got = 0;
    *p = (const uint8_t *)"";
    if (offset >= s->size || most == 0)
        return 0;
    if (most > s->size - offset)
        most = s->size - offset;
    if (most > CHUNK)
        most = CHUNK;
    if (s->whole) {
        *p = s->whole + offset;
        *got = (size_t)most;
        return 0;
    }
    if (offset < s->window_at || offset >= s->window_at + s->window_len) {
        if (!s->window)
            s->window = cli_malloc(WINDOW);
        s->window_len = 0;
        s->window_at = offset;
        int rc = s->read(s->arg, offset, s->window, WINDOW, &s->window_len);
        if (rc != 0 || s->window_len == 0)
            return rc != 0 ? rc : CUBBY_ECORRUPT;
    }
    size_t have = s->window_len - (size_t)(offset - s->window_at);
    *p = s->window + (offset - s->window_at);
    *got = have < most ? have : (size_t)most;
    return 0;
}

static int get_all(struct mime_source *s, uint64_t offset, uint64_t n, struct text *out)
{
    const uint8_t *p;
    size_t got;
    int rc = 0;
    for (uint64_t done = 0; done < n; done += got) {
        rc = get_bytes(s, offset + done, n - done, &p, &got);
        if (rc != 0 || got == 0)
            break;
        text_add(out, p, got);
    }
    if (!out->data)
        text_add(out, "", 0);
    return rc;
}

static const cubby_part *part(const struct job *j, size_t i)
{
    return &j->s->parts[i];
}

static int get_header(struct job *j, size_t i, struct text *out)
{
    uint64_t n = part(j, i)->header_len;
    text_clear(out);
    return get_all(j->s, part(j, i)->header_offset, n < HEADER_MAX ? n : HEADER_MAX, out);
}

/* ---- what is what --------------------------------------------------------------------------------------------------------------------------- */

/* What a part's header says about it. */
struct about {
    char type[128];
    struct text header; /* holds what the rest borrows */
    struct field content_type, disposition; /* value NULL: none */
    int is_attachment;
};

static int is_attachment(const struct field *f)
{
    size_t i = 0;
    while (i < f->value_len && (f->value[i] == ' ' || f->value[i] == '\t' || f->value[i] == '\r' || f->value[i] == '\n'))
        i++;
    return f->value_len - i >= 10 && strncasecmp(f->value + i, "attachment", 10) == 0;
}

static int look_at(struct job *j, size_t i, struct about *a)
{
    int rc = get_header(j, i, &a->header);
    a->content_type = a->disposition = (struct field){0};
    a->type[0] = 0;
    a->is_attachment = 0;
    if (rc != 0)
        return rc;
    if (field_find(a->header.data, a->header.len, "Content-Type", &a->content_type))
        mime_type(a->content_type.value, a->content_type.value_len, a->type, sizeof a->type);
    if (!a->type[0])
        snprintf(a->type, sizeof a->type, "%s", part(j, i)->kind == CUBBY_PART_MULTIPART ? "multipart/mixed" : "text/plain");
    if (field_find(a->header.data, a->header.len, "Content-Disposition", &a->disposition))
        a->is_attachment = is_attachment(&a->disposition);
    return 0;
}

static int has_name(const struct about *a)
{
    struct text name = {0};
    int has = (a->disposition.value && mime_param(a->disposition.value, a->disposition.value_len, "filename", &name)) ||
              (a->content_type.value && mime_param(a->content_type.value, a->content_type.value_len, "name", &name));
    text_release(&name);
    return has;
}

static void add_rest(struct job *j, size_t i)
{
    if ((j->rest_count & (j->rest_count - 1)) == 0)
        j->rest = cli_realloc(j->rest, (j->rest_count ? j->rest_count * 2 : 1) * sizeof *j->rest);
    j->rest[j->rest_count++] = i;
}

/* A text may be a body if there is none of its kind, and the other kind, if there is one, says the same in another way. */
static int take_body(struct job *j, size_t i, const struct about *a, long group)
{
    int is_html = strcmp(a->type, "text/html") == 0;
    long *own = is_html ? &j->html : &j->plain, other = is_html ? j->plain : j->html;
    long other_group = is_html ? j->plain_group : j->html_group;
    if (strcmp(a->type, "text/plain") != 0 && !is_html)
        return 0;
    if (*own != NONE || a->is_attachment || (group == NONE && has_name(a)) || (other != NONE && (group == NONE || group != other_group)))
        return 0;
    *own = (long)i;
    *(is_html ? &j->html_group : &j->plain_group) = group;
    return 1;
}

/* A multipart whose boundary never comes is text that nobody can cut. */
static int is_whole(const struct job *j, size_t i)
{
    int has_parts = i + 1 < j->s->part_count && part(j, i + 1)->parent == i;
    return part(j, i)->kind != CUBBY_PART_MULTIPART || (!has_parts && part(j, i)->body_len > 0);
}

static int sort_out(struct job *j, size_t i, long group, struct about *a)
{
    const cubby_part *p = part(j, i);
    int rc = look_at(j, i, a);
    if (rc != 0)
        return rc;
    if (is_whole(j, i)) {
        if (p->kind == CUBBY_PART_MULTIPART)
            snprintf(a->type, sizeof a->type, "text/plain");
        if (p->kind == CUBBY_PART_MESSAGE || !take_body(j, i, a, group))
            add_rest(j, i);
        return 0;
    }
    if (strcmp(a->type, "multipart/alternative") == 0)
        group = (long)i;
    for (size_t k = i + 1; rc == 0 && k < j->s->part_count && part(j, k)->depth > p->depth; k++)
        if (part(j, k)->parent == i)
            rc = sort_out(j, k, group, a);
    return rc;
}

/* ---- bodies ------------------------------------------------------------------------------------------------------------------------------- */

/* Calls fn with the decoded bytes of a part's body, in pieces. */
typedef void (*bytes_fn)(struct job *j, void *arg, const char *p, size_t n);

static int decode_part(struct job *j, size_t i, bytes_fn fn, void *arg)
{
    const cubby_part *p = part(j, i);
    struct mime_decoder d = {.encoding = p->encoding};
    const uint8_t *bytes;
    size_t got;
    int rc = 0;
    for (uint64_t done = 0; rc == 0 && done < p->body_len; done += got) {
        rc = get_bytes(j->s, p->body_offset + done, p->body_len - done, &bytes, &got);
        if (rc != 0 || got == 0)
            break;
        text_clear(&j->part);
        mime_decode(&d, bytes, got, &j->part);
        fn(j, arg, j->part.data ? j->part.data : "", j->part.len);
    }
    text_clear(&j->part);
    mime_decode_end(&d, &j->part);
    if (j->part.len)
        fn(j, arg, j->part.data, j->part.len);
    return rc;
}

struct text_body {
    struct pstw_value *value;
    struct mime_charset *charset;
};

static void add_text(struct job *j, void *arg, const char *p, size_t n)
{
    struct text_body *b = arg;
    text_clear(&j->wide);
    mime_charset_add(b->charset, p, n, &j->wide);
    pstw_value_add(b->value, j->wide.data ? j->wide.data : "", j->wide.len);
}

static int put_plain(struct job *j, struct about *a)
{
    struct text charset = {0};
    int rc = look_at(j, (size_t)j->plain, a);
    if (rc != 0)
        return rc;
    if (!a->content_type.value || !mime_param(a->content_type.value, a->content_type.value_len, "charset", &charset))
        text_add(&charset, "", 0);
    struct text_body b = {pstw_value_new(pstw_message_object(j->m), STRING(MAPI_P_BODY)), mime_charset_new(charset.data)};
    rc = decode_part(j, (size_t)j->plain, add_text, &b);
    text_clear(&j->wide);
    mime_charset_end(&b.charset, &j->wide);
    pstw_value_add(b.value, j->wide.data ? j->wide.data : "", j->wide.len);
    pstw_value_end(&b.value);
    text_release(&charset);
    return rc;
}

struct html_body {
    struct pstw_value *value;
    struct mime_html look;
    struct text tail; /* the end of the piece before, where a reference may begin */
};

static void add_cid(struct job *j, const char *p, size_t n)
{
    struct text id = {0};
    for (size_t i = 0; i < n; i++)
        text_byte(&id, p[i]);
    if (n == 0 || j->cid_count == CIDS_MAX) {
        text_release(&id);
        return;
    }
    if ((j->cid_count & (j->cid_count - 1)) == 0)
        j->cids = cli_realloc(j->cids, (j->cid_count ? j->cid_count * 2 : 1) * sizeof *j->cids);
    j->cids[j->cid_count++] = id.data;
}

/* Collects what follows "cid:" and keeps the end of the text, which the next piece may go on with. */
static void find_cids(struct job *j, struct text *t)
{
    size_t at = 0;
    for (;;) {
        char *hit = t->len > at ? memmem(t->data + at, t->len - at, "cid:", 4) : NULL;
        if (!hit)
            break;
        size_t from = (size_t)(hit - t->data) + 4, end = from;
        while (end < t->len && end - from < CID_BYTES && !strchr("\"'<> )\t\r\n", t->data[end]))
            end++;
        if (end == t->len && end - from < CID_BYTES) { /* not whole yet */
            at = (size_t)(hit - t->data);
            break;
        }
        add_cid(j, t->data + from, end - from);
        at = end;
    }
    size_t keep = t->len - at > CID_BYTES + 4 ? 4 : t->len - at;
    memmove(t->data, t->data + t->len - keep, keep);
    t->len = keep;
}

static void add_html(struct job *j, void *arg, const char *p, size_t n)
{
    struct html_body *b = arg;
    text_add(&b->tail, p, n);
    find_cids(j, &b->tail);
    mime_html_add(&b->look, p, n);
    pstw_value_add(b->value, p, n);
}

static int put_html(struct job *j, struct about *a)
{
    struct text charset = {0};
    struct html_body b = {0};
    int rc = look_at(j, (size_t)j->html, a);
    if (rc != 0)
        return rc;
    if (!a->content_type.value || !mime_param(a->content_type.value, a->content_type.value_len, "charset", &charset))
        text_add(&charset, "", 0);
    b.value = pstw_value_new(pstw_message_object(j->m), BINARY(MAPI_P_HTML));
    rc = decode_part(j, (size_t)j->html, add_html, &b);
    pstw_value_end(&b.value);
    text_byte(&b.tail, ' ');
    find_cids(j, &b.tail);
    pstw_set32(pstw_message_object(j->m), INT(MAPI_P_INTERNET_CODEPAGE), mime_html_codepage(&b.look, charset.data));
    text_release(&b.tail);
    text_release(&charset);
    return rc;
}

/* ---- attachments ---------------------------------------------------------------------------------------------------------------------------- */

static void add_bytes(struct job *j, void *arg, const char *p, size_t n)
{
    (void)j;
    pstw_value_add(arg, p, n);
}

/* An ending for a part without a name. */
static const char *ending(const char *type)
{
    static const char *const endings[][2] = {
        {"text/plain", ".txt"}, {"text/html", ".html"}, {"text/calendar", ".ics"}, {"message/rfc822", ".eml"}, {"message/global", ".eml"},
        {"image/png", ".png"}, {"image/jpeg", ".jpg"}, {"image/gif", ".gif"}, {"application/pdf", ".pdf"}, {"application/zip", ".zip"},
        {"application/pgp-signature", ".asc"}, {"application/pgp-encrypted", ".asc"}, {"text/vcard", ".vcf"}, {"text/x-vcard", ".vcf"},
        {"application/pkcs7-signature", ".p7s"}, {"application/pkcs7-mime", ".p7m"}, {"text/csv", ".csv"}, {"application/ms-tnef", ".dat"},
    };
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (strcmp(endings[i][0], type) == 0)
            return endings[i][1];
    return strncmp(type, "text/", 5) == 0 || strncmp(type, "message/", 8) == 0 ? ".txt" : ".bin";
}

static void name_of(const struct job *j, const struct about *a, struct text *name)
{
    if (a->disposition.value && mime_param(a->disposition.value, a->disposition.value_len, "filename", name))
        return;
    if (a->content_type.value && mime_param(a->content_type.value, a->content_type.value_len, "name", name))
        return;
    char *made = strcmp(a->type, "text/calendar") == 0 ? cli_strdup("invite.ics")
                                                       : cli_printf("part-%zu%s", pstw_attachments(j->m) + 1, ending(a->type));
    text_clear(name);
    text_add(name, made, strlen(made));
    free(made);
}

static int is_referenced(const struct job *j, const char *id)
{
    for (size_t i = 0; i < j->cid_count; i++)
        if (strcmp(j->cids[i], id) == 0)
            return 1;
    return 0;
}

/* Names and ids. 1: the HTML shows it. */
static int describe(struct job *j, const struct about *a, struct pstw_object *o)
{
    struct text t = {0};
    struct field f;
    int shown = 0;
    name_of(j, a, &t);
    const char *dot = strrchr(t.data, '.');
    pstw_set_text(o, STRING(MAPI_P_ATTACH_LONG_FILENAME), t.data, t.len);
    pstw_set_text(o, STRING(MAPI_P_ATTACH_FILENAME), t.data, t.len);
    pstw_set_text(o, STRING(MAPI_P_DISPLAY_NAME), t.data, t.len);
    if (dot && strlen(dot) <= 20)
        pstw_set_text(o, STRING(MAPI_P_ATTACH_EXTENSION), dot, strlen(dot));
    pstw_set_text(o, STRING(MAPI_P_ATTACH_MIME_TAG), a->type, strlen(a->type));
    if (field_find(a->header.data, a->header.len, "Content-ID", &f)) {
        mime_words(f.value, f.value_len, &t);
        mime_clean(&t, CID_BYTES);
        size_t open = t.len && t.data[0] == '<', close = t.len > open && t.data[t.len - 1] == '>';
        t.len -= close;
        t.data[t.len] = 0;
        pstw_set_text(o, STRING(MAPI_P_ATTACH_CONTENT_ID), t.data + open, t.len - open);
        shown = !a->is_attachment && t.len > open && is_referenced(j, t.data + open);
    }
    if (field_find(a->header.data, a->header.len, "Content-Location", &f)) {
        mime_words(f.value, f.value_len, &t);
        mime_clean(&t, 1000);
        pstw_set_text(o, STRING(MAPI_P_ATTACH_CONTENT_LOCATION), t.data, t.len);
    }
    if (shown)
        pstw_set32(o, INT(MAPI_P_ATTACH_FLAGS), MAPI_ATTACH_IN_HTML);
    text_release(&t);
    return shown;
}

static int put_by_value(struct job *j, size_t i, struct about *a)
{
    struct pstw_object *o = pstw_attachment(j->m);
    int shown = describe(j, a, o);
    struct pstw_value *v = pstw_value_new(o, BINARY(MAPI_P_ATTACH_DATA));
    int rc = decode_part(j, i, add_bytes, v);
    pstw_value_end(&v);
    pstw_attachment_end(j->m, &o, MAPI_ATTACH_BY_VALUE, shown);
    return rc;
}

static int convert(struct mime_source *s, size_t root, int depth, const struct mime_state *state, struct pstw_message *m);

static int put_embedded(struct job *j, size_t i, struct about *a)
{
    size_t child = i + 1;
    if (j->depth >= DEPTH_MAX || child >= j->s->part_count || part(j, child)->parent != i)
        return put_by_value(j, i, a);
    struct pstw_object *o = pstw_attachment(j->m);
    struct pstw_message *inner = pstw_message_new(pstw_message_context(j->m));
    describe(j, a, o);
    int rc = convert(j->s, child, j->depth + 1, NULL, inner);
    size_t n;
    const uint8_t *subject = pstw_get(pstw_message_object(inner), STRING(MAPI_P_SUBJECT), &n);
    if (subject && n > 4)
        pstw_set_bytes(o, STRING(MAPI_P_DISPLAY_NAME), subject + 4, n - 4); /* behind its marker */
    pstw_attachment_embed(j->m, o, &inner);
    pstw_attachment_end(j->m, &o, MAPI_ATTACH_EMBEDDED, 0);
    return rc;
}

/* ---- S/MIME ---------------------------------------------------------------------------------------------------------------------------------- */

/* The entity that a signature covers, with its Content- fields, is the only attachment of such a message. */
static int put_signed(struct job *j, struct about *a)
{
    struct pstw_object *o = pstw_attachment(j->m);
    const cubby_part *p = part(j, j->root);
    struct field f;
    size_t pos = 0;
    pstw_set_text(o, STRING(MAPI_P_ATTACH_LONG_FILENAME), "smime.p7m", 9);
    pstw_set_text(o, STRING(MAPI_P_ATTACH_FILENAME), "smime.p7m", 9);
    pstw_set_text(o, STRING(MAPI_P_ATTACH_EXTENSION), ".p7m", 4);
    pstw_set_text(o, STRING(MAPI_P_DISPLAY_NAME), "smime.p7m", 9);
    pstw_set_text(o, STRING(MAPI_P_ATTACH_MIME_TAG), "multipart/signed", 16);
    struct pstw_value *v = pstw_value_new(o, BINARY(MAPI_P_ATTACH_DATA));
    while (field_next(a->header.data, a->header.len, &pos, &f))
        if (f.name_len > 8 && strncasecmp(f.name, "Content-", 8) == 0) {
            pstw_value_add(v, f.name, f.name_len);
            pstw_value_add(v, ":", 1);
            pstw_value_add(v, f.value, f.value_len);
            pstw_value_add(v, "\r\n", 2);
        }
    pstw_value_add(v, "\r\n", 2);
    const uint8_t *bytes;
    size_t got;
    int rc = 0;
    for (uint64_t done = 0; rc == 0 && done < p->body_len; done += got) {
        rc = get_bytes(j->s, p->body_offset + done, p->body_len - done, &bytes, &got);
        if (rc == 0)
            pstw_value_add(v, bytes, got);
        if (got == 0)
            break;
    }
    pstw_value_end(&v);
    pstw_attachment_end(j->m, &o, MAPI_ATTACH_BY_VALUE, 0);
    return rc;
}

enum { NOTE, SIGNED, OPAQUE };

static int smime_kind(const struct about *a)
{
    struct text t = {0};
    int kind = NOTE;
    if (strcmp(a->type, "application/pkcs7-mime") == 0 || strcmp(a->type, "application/x-pkcs7-mime") == 0)
        kind = OPAQUE;
    else if (strcmp(a->type, "multipart/signed") == 0 && mime_param(a->content_type.value, a->content_type.value_len, "protocol", &t) &&
             (strcasecmp(t.data, "application/pkcs7-signature") == 0 || strcasecmp(t.data, "application/x-pkcs7-signature") == 0))
        kind = SIGNED;
    text_release(&t);
    return kind;
}

/* ---- the message ----------------------------------------------------------------------------------------------------------------------------- */

static int put_attachments(struct job *j, struct about *a)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < j->rest_count; i++) {
        rc = look_at(j, j->rest[i], a);
        if (rc == 0)
            rc = part(j, j->rest[i])->kind == CUBBY_PART_MESSAGE ? put_embedded(j, j->rest[i], a) : put_by_value(j, j->rest[i], a);
    }
    return rc;
}

static void set_flags(const struct job *j, const struct mime_state *state)
{
    struct pstw_object *o = pstw_message_object(j->m);
    uint32_t flags = pstw_attachments_seen(j->m) ? MAPI_FLAG_HASATTACH : 0;
    if (!state || state->flags & CUBBY_SEEN)
        flags |= MAPI_FLAG_READ;
    if (state && state->flags & CUBBY_DRAFT)
        flags |= MAPI_FLAG_UNSENT;
    pstw_set32(o, INT(MAPI_P_MESSAGE_FLAGS), flags);
    pstw_set32(o, TAG(MAPI_P_HAS_ATTACHMENTS, MAPI_BOOL), pstw_attachments(j->m) > 0);
    pstw_set32(o, INT(MAPI_P_NATIVE_BODY), j->html != NONE ? 3 : 1);
    pstw_set32(o, TAG(MAPI_P_RTF_IN_SYNC, MAPI_BOOL), 0);
}

static int convert_job(struct job *j, const struct mime_state *state, struct about *a)
{
    static const char *const classes[] = {"IPM.Note", "IPM.Note.SMIME.MultipartSigned", "IPM.Note.SMIME"};
    int rc = look_at(j, j->root, a);
    if (rc != 0)
        return rc;
    int kind = smime_kind(a);
    mime_head(j->m, a->header.data, a->header.len, state);
    pstw_set_text(pstw_message_object(j->m), STRING(MAPI_P_MESSAGE_CLASS), classes[kind], strlen(classes[kind]));
    if (kind == SIGNED)
        rc = put_signed(j, a);
    if (rc == 0)
        rc = sort_out(j, j->root, NONE, a);
    if (rc == 0 && j->plain != NONE)
        rc = put_plain(j, a);
    if (rc == 0 && j->html != NONE)
        rc = put_html(j, a);
    if (rc == 0 && kind != SIGNED)
        rc = put_attachments(j, a);
    set_flags(j, state);
    return rc;
}

static int convert(struct mime_source *s, size_t root, int depth, const struct mime_state *state, struct pstw_message *m)
{
    struct job j = {.s = s, .m = m, .root = root, .depth = depth, .plain = NONE, .html = NONE, .plain_group = NONE, .html_group = NONE};
    struct about a = {.type = ""};
    int rc = convert_job(&j, state, &a);
    for (size_t i = 0; i < j.cid_count; i++)
        free(j.cids[i]);
    free(j.cids);
    free(j.rest);
    text_release(&a.header);
    text_release(&j.part);
    text_release(&j.wide);
    return rc;
}

int from_mime(struct mime_source *s, const struct mime_state *state, struct pstw_message *m)
{
    return s->part_count ? convert(s, 0, 0, state, m) : CUBBY_ECORRUPT;
}
