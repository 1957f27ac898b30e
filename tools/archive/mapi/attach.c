#include "archive/mapi/attach.h"

#include <string.h>
#include <strings.h>

#include "archive/field.h"
#include "archive/mapi/body.h"
#include "archive/mapi/header.h"

enum { ENTITY_HEAD_MAX = 65536 };

static const char *const by_extension[][2] = {
    {"txt", "text/plain"},
    {"htm", "text/html"},
    {"html", "text/html"},
    {"csv", "text/csv"},
    {"ics", "text/calendar"},
    {"vcf", "text/vcard"},
    {"xml", "text/xml"},
    {"rtf", "text/rtf"},
    {"gif", "image/gif"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"png", "image/png"},
    {"bmp", "image/bmp"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"svg", "image/svg+xml"},
    {"mp3", "audio/mpeg"},
    {"wav", "audio/x-wav"},
    {"mp4", "video/mp4"},
    {"mov", "video/quicktime"},
    {"pdf", "application/pdf"},
    {"zip", "application/zip"},
    {"gz", "application/gzip"},
    {"7z", "application/x-7z-compressed"},
    {"doc", "application/msword"},
    {"xls", "application/vnd.ms-excel"},
    {"ppt", "application/vnd.ms-powerpoint"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {"odt", "application/vnd.oasis.opendocument.text"},
    {"p7m", "application/pkcs7-mime"},
    {"p7s", "application/pkcs7-signature"},
    {"eml", "message/rfc822"},
};

/* ---- reading ------------------------------------------------------------------------------------------------------------------------------ */

static int get(struct mapi_object *a, uint16_t id, struct text *out)
{
    text_clear(out);
    mapi_text(a, id, NAME_MAX_BYTES, out);
    header_clean(out);
    return out->len > 0;
}

/* Names may hold a path of the sender's machine. */
static void base_name(struct text *t)
{
    size_t start = t->len;
    while (start && t->data[start - 1] != '\\' && t->data[start - 1] != '/')
        start--;
    if (start && start < t->len) {
        memmove(t->data, t->data + start, t->len - start + 1);
        t->len -= start;
    }
}

static void read_name(struct mapi_object *a, struct attach *out)
{
    static const uint16_t ids[] = {MAPI_P_ATTACH_LONG_FILENAME, MAPI_P_ATTACH_FILENAME, MAPI_P_DISPLAY_NAME, MAPI_P_ATTACH_LONG_PATHNAME,
                                   MAPI_P_ATTACH_PATHNAME};
    for (size_t i = 0; i < sizeof ids / sizeof *ids && !get(a, ids[i], &out->name); i++)
        ;
    base_name(&out->name);
    if (out->name.len && out->method == MAPI_ATTACH_EMBEDDED && (out->name.len < 4 || strcasecmp(out->name.data + out->name.len - 4, ".eml") != 0))
        text_add(&out->name, ".eml", 4);
}

static void read_type(struct mapi_object *a, struct attach *out)
{
    get(a, MAPI_P_ATTACH_MIME_TAG, &out->type);
    const char *semicolon = out->type.len ? memchr(out->type.data, ';', out->type.len) : NULL;
    if (semicolon) {
        out->type.len = (size_t)(semicolon - out->type.data);
        out->type.data[out->type.len] = 0;
        header_clean(&out->type);
    }
    const char *dot = out->name.len ? memrchr(out->name.data, '.', out->name.len) : NULL;
    if (!header_is_type(out->type.data ? out->type.data : "", out->type.len))
        text_clear(&out->type);
    for (size_t i = 0; !out->type.len && dot && i < sizeof by_extension / sizeof *by_extension; i++) {
        if (strcasecmp(dot + 1, by_extension[i][0]) == 0)
            text_add(&out->type, by_extension[i][1], strlen(by_extension[i][1]));
    }
}

/* Bytes that may stand in a message as message/rfc822, which must not be encoded. */
static int is_message(struct mapi_object *a, const struct mapi_prop *data)
{
    struct flow *f = flow_value(a, data, 0);
    struct text start = {0};
    struct field field;
    struct flow_look seen;
    size_t pos = 0;
    flow_all(f, 4096, &start);
    flow_close(&f);
    int ok = start.len && field_next(start.data, start.len, &pos, &field) && field.name == start.data;
    text_release(&start);
    if (!ok)
        return 0;
    f = flow_value(a, data, 0);
    flow_look(f, &seen);
    ok = !flow_error(f) && seen.line_ends && !seen.nuls && !seen.marks && seen.longest <= 998;
    flow_close(&f);
    return ok;
}

static int is_type(const struct attach *a, const char *type)
{
    return a->type.len == strlen(type) && strcasecmp(a->type.data, type) == 0;
}

/* Composite types describe how a body is written, and these bytes are encoded. */
void attach_settle(struct mapi_object *a, struct attach *out)
{
    if (out->form != ATTACH_DATA)
        return;
    if (is_type(out, "message/rfc822") && is_message(a, &out->data))
        out->form = ATTACH_MESSAGE;
    else if (!out->type.len || strncasecmp(out->type.data, "message/", 8) == 0 || strncasecmp(out->type.data, "multipart/", 10) == 0 ||
             out->method == MAPI_ATTACH_OLE) {
        text_clear(&out->type);
        text_add(&out->type, "application/octet-stream", 24);
    }
}

void attach_read(struct mapi_object *a, struct attach *out)
{
    struct text t = {0};
    *out = (struct attach){.form = ATTACH_DATA};
    out->method = mapi_int(a, MAPI_P_ATTACH_METHOD, MAPI_ATTACH_BY_VALUE);
    read_name(a, out);
    read_type(a, out);
    get(a, MAPI_P_ATTACH_CONTENT_ID, &out->cid);
    get(a, MAPI_P_ATTACH_CONTENT_LOCATION, &out->location);
    if (!get(a, MAPI_P_ATTACH_LONG_PATHNAME, &out->link))
        get(a, MAPI_P_ATTACH_PATHNAME, &out->link);
    out->is_hidden = mapi_int(a, MAPI_P_ATTACHMENT_HIDDEN, 0) != 0;
    out->says_attachment = get(a, MAPI_P_ATTACH_DISPOSITION, &t) && strncasecmp(t.data, "attachment", 10) == 0;
    text_release(&t);
    if (out->method == MAPI_ATTACH_EMBEDDED) {
        out->form = ATTACH_OBJECT;
        return;
    }
    int rc = mapi_find(a, MAPI_P_ATTACH_DATA, &out->data);
    int is_there = rc == 1 && (out->data.type == MAPI_BINARY || out->data.type == MAPI_OBJECT || out->data.type == MAPI_STRING8 ||
                               out->data.type == MAPI_STRING);
    int by_link = out->method == MAPI_ATTACH_BY_REFERENCE || out->method == MAPI_ATTACH_BY_REFERENCE_RESOLVE ||
                  out->method == MAPI_ATTACH_BY_REFERENCE_ONLY || out->method == MAPI_ATTACH_WEB_REFERENCE;
    if (!is_there || (by_link && out->data.size == 0) || (out->method == MAPI_ATTACH_OLE && out->data.size == 0))
        out->form = by_link ? ATTACH_LINK : ATTACH_MISSING;
}

void attach_release(struct attach *a)
{
    text_release(&a->name);
    text_release(&a->type);
    text_release(&a->cid);
    text_release(&a->location);
    text_release(&a->link);
    *a = (struct attach){0};
}

/* ---- writing ------------------------------------------------------------------------------------------------------------------------------ */

static void add(struct text *out, const char *s)
{
    text_add(out, s, strlen(s));
}

void attach_head(const struct attach *a, int is_inline, struct text *out)
{
    int note = a->form == ATTACH_LINK || a->form == ATTACH_MISSING, message = a->form == ATTACH_OBJECT || a->form == ATTACH_MESSAGE;
    add(out, "Content-Type: ");
    add(out, note ? "text/plain; charset=utf-8" : message ? "message/rfc822" : a->type.data);
    if (a->name.len && !note)
        header_parameter(out, "name", a->name.data, a->name.len);
    add(out, "\r\n");
    if (!note || a->name.len) {
        add(out, "Content-Disposition: ");
        add(out, is_inline || note ? "inline" : "attachment");
        if (a->name.len && !note)
            header_parameter(out, "filename", a->name.data, a->name.len);
        add(out, "\r\n");
    }
    if (a->cid.len && !note) {
        struct text id = {0};
        int bare = a->cid.data[0] != '<';
        add(&id, bare ? "<" : "");
        text_add(&id, a->cid.data, a->cid.len);
        add(&id, bare ? ">" : "");
        header_raw(out, "Content-ID", id.data, id.len);
        text_release(&id);
    }
    if (a->location.len && !note)
        header_raw(out, "Content-Location", a->location.data, a->location.len);
    add(out, "Content-Transfer-Encoding: ");
    add(out, note ? "quoted-printable" : message ? "8bit" : "base64");
    add(out, "\r\n\r\n");
}

void attach_note(const struct attach *a, const char *why, struct text *out)
{
    struct text t = {0};
    add(&t, "The attachment ");
    if (a->name.len) {
        text_byte(&t, '"');
        text_add(&t, a->name.data, a->name.len);
        add(&t, "\" ");
    }
    if (a->form == ATTACH_LINK) {
        add(&t, "is a link; what it leads to is not kept with the message:\n");
        add(&t, a->link.len ? a->link.data : "(its place is not known)");
    } else {
        add(&t, "is missing: ");
        add(&t, why);
    }
    add(&t, "\n");
    struct flow *f = flow_quoted(flow_lines(flow_bytes(t.data, t.len)));
    flow_all(f, TEXT_MAX, out);
    flow_close(&f);
    text_release(&t);
}

/* ---- signed messages ---------------------------------------------------------------------------------------------------------------------- */

/* Length of a header with its empty line; 0: there is none within n bytes. */
static size_t header_end(const char *p, size_t n)
{
    for (const char *nl = memchr(p, '\n', n); nl; nl = memchr(nl + 1, '\n', n - (size_t)(nl + 1 - p))) {
        size_t at = (size_t)(nl + 1 - p);
        if (at < n && p[at] == '\n')
            return at + 1;
        if (at + 1 < n && p[at] == '\r' && p[at + 1] == '\n')
            return at + 2;
    }
    return 0;
}

int attach_entity(struct mapi_object *a, const struct attach *at, struct text *head, uint64_t *offset)
{
    struct text t = {0};
    struct field f;
    size_t pos = 0;
    *offset = 0;
    if ((at->form != ATTACH_DATA && at->form != ATTACH_MESSAGE) || mapi_bytes_of(a, &at->data, ENTITY_HEAD_MAX, &t) < 0) {
        text_release(&t);
        return 0;
    }
    size_t end = t.len ? header_end(t.data, t.len) : 0;
    int ok = end && field_find(t.data, end, "Content-Type", &f);
    if (ok) {
        size_t blank = strspn(f.value, " \t\r\n");
        ok = blank + 10 < f.value_len && strncasecmp(f.value + blank, "multipart/", 10) == 0;
    }
    while (ok && field_next(t.data, end, &pos, &f)) {
        if (f.name_len > 8 && strncasecmp(f.name, "Content-", 8) == 0)
            header_field(head, f.name, f.name_len, f.value, f.value_len);
    }
    *offset = end;
    text_release(&t);
    return ok;
}
