/* The message is a list of steps, one made at a time: a head in memory, then a flow, then an embedded message, which is a list of its own. */
#include "archive/mapi/to_mime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/digest.h"
#include "archive/mapi/attach.h"
#include "archive/mapi/body.h"
#include "archive/mapi/header.h"
#include "archive/mapi/own.h"

/* Embedded messages in one message, however they are nested: files can name the same one again and again. */
enum { NESTED_MAX = 10000, ATTACHMENTS_MAX = 100000 };

enum step_kind {
    STEP_FIELDS,  /* the header, all but what describes the body */
    STEP_MULTI,   /* Content-Type of a multipart, and the empty line */
    STEP_FIRST,   /* its first delimiter, the next, the last */
    STEP_DELIM,
    STEP_CLOSE,
    STEP_BODY,
    STEP_PART,
    STEP_ATTACH,
    STEP_RELATED, /* an attachment that the HTML shows */
    STEP_ENTITY,  /* of a signed message */
    STEP_SMIME,
    STEP_EMPTY,   /* no body at all */
    STEP_ORIGINAL
};

enum { MIXED, RELATED, ALTERNATIVE };

struct step {
    uint8_t kind, which;
    uint32_t index;
};

struct level {
    struct level *up;
    struct mapi_object *attachment, *msg; /* owned, except at the top */
    struct mapi_object *reading;          /* the attachment that `data` reads */
    uint64_t reading_index;
    char base[33];
    enum item_kind kind;
    struct text fields, entity;           /* entity: fields of a signed message's body */
    uint64_t entity_at;
    struct bodies bodies;
    struct item_part part;
    struct step *steps;
    size_t count, cap, at;
    struct text head;
    size_t head_at;
    struct flow *data;
};

struct to_mime {
    struct level *level;
    unsigned depth;
    uint64_t nested;
    struct losses losses;
};

static void add(struct text *out, const char *s)
{
    text_add(out, s, strlen(s));
}

/* ---- planning ----------------------------------------------------------------------------------------------------------------------------- */

static void step(struct level *v, enum step_kind kind, int which, size_t index)
{
    if (v->count == v->cap) {
        v->cap = v->cap ? v->cap * 2 : 16;
        v->steps = cli_realloc(v->steps, v->cap * sizeof *v->steps);
    }
    v->steps[v->count++] = (struct step){(uint8_t)kind, (uint8_t)which, (uint32_t)index};
}

static int open_attachment(struct level *v, size_t i, struct mapi_object **out)
{
    *out = NULL;
    return v->msg->ops->attachment(v->msg, i, out) == 0 && *out;
}

static int is_related(struct level *v, const struct attach *a)
{
    size_t skip = a->cid.len && a->cid.data[0] == '<';
    size_t len = a->cid.len - skip - (a->cid.len > skip && a->cid.data[a->cid.len - 1] == '>');
    if (a->form != ATTACH_DATA || a->says_attachment || !a->cid.len || v->bodies.of[BODY_HTML].source == SOURCE_NONE)
        return 0;
    return bodies_refer(&v->bodies, a->cid.data + skip, len);
}

/* related[i] for each attachment. */
static size_t find_related(struct level *v, size_t n, uint8_t *related)
{
    size_t count = 0;
    for (size_t i = 0; i < n && v->bodies.cid_count; i++) {
        struct mapi_object *o;
        if (open_attachment(v, i, &o)) {
            struct attach a;
            attach_read(o, &a);
            related[i] = (uint8_t)is_related(v, &a);
            count += related[i];
            attach_release(&a);
        }
        mapi_close(&o);
    }
    return count;
}

static int has_body(const struct level *v, int which)
{
    return v->bodies.of[which].source != SOURCE_NONE;
}

static void plan_alternatives(struct level *v)
{
    int part = v->part.data.len && v->part.alternative, n = part, first = 1;
    for (int i = 0; i < BODIES; i++)
        n += has_body(v, i);
    if (n > 1)
        step(v, STEP_MULTI, ALTERNATIVE, 0);
    for (int i = 0; i <= BODIES; i++) {
        if (i < BODIES ? !has_body(v, i) : !part)
            continue;
        if (n > 1)
            step(v, first ? STEP_FIRST : STEP_DELIM, ALTERNATIVE, 0);
        first = 0;
        step(v, i < BODIES ? STEP_BODY : STEP_PART, i, 0);
    }
    if (n > 1)
        step(v, STEP_CLOSE, ALTERNATIVE, 0);
}

static void plan_related(struct level *v, const uint8_t *related, size_t n, size_t count)
{
    if (!count) {
        plan_alternatives(v);
        return;
    }
    step(v, STEP_MULTI, RELATED, 0);
    step(v, STEP_FIRST, RELATED, 0);
    plan_alternatives(v);
    for (size_t i = 0; i < n; i++) {
        if (related[i]) {
            step(v, STEP_DELIM, RELATED, 0);
            step(v, STEP_RELATED, 0, i);
        }
    }
    step(v, STEP_CLOSE, RELATED, 0);
}

static void plan_mixed(struct level *v, size_t n)
{
    uint8_t *related = cli_malloc(n + 1);
    memset(related, 0, n + 1);
    if (n)
        bodies_find_cids(v->msg, &v->bodies);
    size_t inlines = find_related(v, n, related), first = 1;
    int part = v->part.data.len && !v->part.alternative;
    int bodies = has_body(v, BODY_PLAIN) || has_body(v, BODY_HTML) || has_body(v, BODY_RTF) || (v->part.data.len && v->part.alternative);
    int mixed = n > inlines || (part && bodies);
    if (mixed)
        step(v, STEP_MULTI, MIXED, 0);
    if (bodies) {
        if (mixed)
            step(v, STEP_FIRST, MIXED, 0);
        first = 0;
        plan_related(v, related, n, inlines);
    }
    if (part) {
        if (mixed)
            step(v, first ? STEP_FIRST : STEP_DELIM, MIXED, 0);
        first = 0;
        step(v, STEP_PART, 0, 0);
    }
    for (size_t i = 0; i < n; i++) {
        if (!related[i]) {
            step(v, first ? STEP_FIRST : STEP_DELIM, MIXED, 0);
            first = 0;
            step(v, STEP_ATTACH, 0, i);
        }
    }
    if (mixed)
        step(v, STEP_CLOSE, MIXED, 0);
    else if (first)
        step(v, STEP_EMPTY, 0, 0);
    free(related);
}

/* Signed: the attachment is the body. 1: planned. */
static int plan_smime(struct level *v, size_t n)
{
    struct mapi_object *o;
    int done = 0;
    if (n != 1 || (v->kind != ITEM_SIGNED && v->kind != ITEM_SMIME) || !open_attachment(v, 0, &o))
        return 0;
    struct attach a;
    attach_read(o, &a);
    if (attach_entity(o, &a, &v->entity, &v->entity_at)) {
        step(v, STEP_ENTITY, 0, 0);
        done = 1;
    } else if (v->kind == ITEM_SMIME && a.form == ATTACH_DATA) {
        step(v, STEP_SMIME, 0, 0);
        done = 1;
    }
    attach_release(&a);
    mapi_close(&o);
    return done;
}

/* NULL: nothing is there, as for a message without any bytes. */
static struct flow *original_flow(struct mapi_object *msg)
{
    struct mapi_prop p;
    int there = mapi_find_named(msg, mapi_set_cubby, 0, MAPI_NAME_ORIGINAL, &p) == 1 && p.type == MAPI_BINARY && p.size > 0;
    return there ? flow_value(msg, &p, 0) : NULL;
}

/* The message as it was before an export, if its hash is right. */
static int has_original(struct mapi_object *msg)
{
    struct mapi_prop hash;
    struct text expected = {0};
    uint8_t sum[16];
    int ok = mapi_find_named(msg, mapi_set_cubby, 0, MAPI_NAME_ORIGINAL_HASH, &hash) == 1 && hash.type == MAPI_BINARY &&
             mapi_bytes_of(msg, &hash, sizeof sum, &expected) == 1 && expected.len == sizeof sum && hash.size == sizeof sum;
    if (ok) {
        struct digest *d = digest_new();
        struct flow *f = original_flow(msg);
        const uint8_t *bytes;
        for (size_t n; f && (n = flow_next(f, &bytes)) != 0;)
            digest_add(d, bytes, n);
        digest_end(d, sum);
        ok = !(f && flow_error(f)) && memcmp(sum, expected.data, sizeof sum) == 0;
        flow_close(&f);
        digest_free(&d);
    }
    text_release(&expected);
    return ok;
}

/* Boundaries come from the header, and from where the message stands, so that those of nested ones differ. */
static void make_base(struct level *v, size_t index)
{
    char place[80];
    uint8_t sum[16];
    struct digest *d = digest_new();
    int n = snprintf(place, sizeof place, "%s.%zu.", v->up ? v->up->base : "", index);
    digest_add(d, place, (size_t)n);
    digest_add(d, v->fields.data ? v->fields.data : "", v->fields.len);
    digest_end(d, sum);
    digest_free(&d);
    for (size_t i = 0; i < sizeof sum; i++)
        snprintf(v->base + i * 2, 3, "%02x", sum[i]);
}

static void plan(struct to_mime *m, struct level *v, size_t index)
{
    struct text class = {0};
    if (has_original(v->msg)) {
        step(v, STEP_ORIGINAL, 0, 0);
        return;
    }
    mapi_text(v->msg, MAPI_P_MESSAGE_CLASS, NAME_MAX_BYTES, &class);
    v->kind = item_kind_of(class.data ? class.data : "");
    text_release(&class);
    fields_make(v->msg, v->kind, &m->losses, &v->fields);
    make_base(v, index);
    step(v, STEP_FIELDS, 0, 0);
    int64_t n = v->msg->ops->attachments(v->msg);
    if (n < 0)
        losses_add(&m->losses, "attachments: %s", v->msg->ops->error(v->msg));
    if (n > ATTACHMENTS_MAX)
        losses_add(&m->losses, "%lld attachments more than %d", (long long)n - ATTACHMENTS_MAX, ATTACHMENTS_MAX);
    n = n < 0 ? 0 : n > ATTACHMENTS_MAX ? ATTACHMENTS_MAX : n;
    if (plan_smime(v, (size_t)n))
        return;
    bodies_find(v->msg, &m->losses, &v->bodies);
    item_part_make(v->kind, v->msg, &m->losses, &v->part);
    plan_mixed(v, (size_t)n);
}

static void push(struct to_mime *m, struct mapi_object *attachment, struct mapi_object *msg, size_t index)
{
    struct level *v = cli_malloc(sizeof *v);
    *v = (struct level){.up = m->level, .attachment = attachment, .msg = msg};
    m->level = v;
    m->depth++;
    plan(m, v, index);
}

static void pop(struct to_mime *m)
{
    struct level *v = m->level;
    m->level = v->up;
    m->depth--;
    flow_close(&v->data);
    mapi_close(&v->reading);
    if (v->attachment) {
        mapi_close(&v->msg);
        mapi_close(&v->attachment);
    }
    bodies_release(&v->bodies);
    text_release(&v->part.data);
    text_release(&v->fields);
    text_release(&v->entity);
    text_release(&v->head);
    free(v->steps);
    free(v);
}

/* ---- steps -------------------------------------------------------------------------------------------------------------------------------- */

static void boundary(const struct level *v, int which, struct text *out)
{
    static const char letters[] = "mra";
    add(out, &FLOW_BOUNDARY_LINE[2]);
    add(out, v->base);
    text_byte(out, '-');
    text_byte(out, letters[which]);
}

static void multi_head(struct level *v, int which)
{
    static const char *const types[] = {"mixed", "related", "alternative"};
    add(&v->head, "Content-Type: multipart/");
    add(&v->head, types[which]);
    if (which == RELATED) {
        int n = has_body(v, BODY_PLAIN) + has_body(v, BODY_HTML) + has_body(v, BODY_RTF) + (v->part.data.len && v->part.alternative);
        add(&v->head, n > 1 ? "; type=\"multipart/alternative\"" : "; type=\"text/html\"");
    }
    add(&v->head, ";\r\n boundary=\"");
    boundary(v, which, &v->head);
    add(&v->head, "\"\r\n\r\n");
}

static void delimiter(struct level *v, enum step_kind kind, int which)
{
    add(&v->head, kind == STEP_FIRST ? "--" : "\r\n--");
    boundary(v, which, &v->head);
    add(&v->head, kind == STEP_CLOSE ? "--\r\n" : "\r\n");
}

static void part_step(struct level *v)
{
    struct flow *f = flow_bytes(v->part.data.data, v->part.data.len);
    struct flow_look look;
    flow_look(f, &look);
    flow_close(&f);
    enum body_encoding e = encoding_for(&look);
    add(&v->head, "Content-Type: ");
    add(&v->head, v->part.type);
    add(&v->head, "\r\n");
    if (v->part.filename) {
        add(&v->head, "Content-Disposition: inline; filename=");
        add(&v->head, v->part.filename);
        add(&v->head, "\r\n");
    }
    add(&v->head, "Content-Transfer-Encoding: ");
    add(&v->head, encoding_name(e));
    add(&v->head, "\r\n\r\n");
    f = flow_bytes(v->part.data.data, v->part.data.len);
    v->data = e == ENCODING_BASE64 ? flow_base64(f) : e == ENCODING_QUOTED ? flow_quoted(f) : f;
}

/* What an embedded message cannot be opened for. NULL: it was, and is the level now. */
static const char *embedded(struct to_mime *m, struct mapi_object **o, size_t index)
{
    struct mapi_object *msg = NULL;
    if (m->depth > MAPI_DEPTH_MAX)
        return "messages are nested too deeply";
    if (m->nested >= NESTED_MAX)
        return "there are too many embedded messages";
    if ((*o)->ops->embedded(*o, &msg) != 0 || !msg)
        return (*o)->ops->error(*o);
    m->nested++;
    push(m, *o, msg, index);
    *o = NULL;
    return NULL;
}

static void lose_attachment(struct to_mime *m, size_t index, const struct text *name, const char *why)
{
    losses_add(&m->losses, "attachment %zu%s%.100s%s: %s", index + 1, name->len ? " \"" : "", name->len ? name->data : "", name->len ? "\"" : "", why);
}

static void missing(struct to_mime *m, struct level *v, struct attach *a, size_t index, const char *why)
{
    if (a->form != ATTACH_LINK) {
        lose_attachment(m, index, &a->name, why);
        a->form = ATTACH_MISSING;
    }
    attach_head(a, 0, &v->head);
    attach_note(a, why, &v->head);
}

static void attach_step(struct to_mime *m, struct level *v, size_t index, int related)
{
    struct mapi_object *o;
    struct attach a = {.form = ATTACH_MISSING};
    const char *why;
    if (!open_attachment(v, index, &o)) {
        missing(m, v, &a, index, v->msg->ops->error(v->msg));
        return;
    }
    attach_read(o, &a);
    attach_settle(o, &a);
    if (a.form == ATTACH_OBJECT && (why = embedded(m, &o, index)) == NULL) {
        attach_head(&a, 0, &v->head);
    } else if (a.form == ATTACH_OBJECT) {
        missing(m, v, &a, index, why);
    } else if (a.form == ATTACH_LINK || a.form == ATTACH_MISSING) {
        missing(m, v, &a, index, "its data is not in the file");
    } else {
        attach_head(&a, related, &v->head);
        v->data = flow_value(o, &a.data, 0);
        if (a.form == ATTACH_DATA)
            v->data = flow_base64(v->data);
        v->reading = o;
        v->reading_index = index;
        o = NULL;
    }
    attach_release(&a);
    mapi_close(&o);
}

static const char *smime_type(const struct text *tag)
{
    static const char *const known[] = {"enveloped-data", "signed-data", "compressed-data", "certs-only"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (tag->len && strcasestr(tag->data, known[i]))
            return known[i];
    }
    return NULL;
}

/* The one attachment is the body: a CMS object, or the entity that was signed, as it was. */
static void smime_step(struct to_mime *m, struct level *v, int entity)
{
    struct mapi_object *o;
    struct attach a;
    struct text tag = {0};
    if (!open_attachment(v, 0, &o)) {
        add(&v->head, "\r\n");
        lose_attachment(m, 0, &tag, v->msg->ops->error(v->msg));
        return;
    }
    attach_read(o, &a);
    v->reading = o;
    v->reading_index = 0;
    if (entity) {
        text_add(&v->head, v->entity.data, v->entity.len);
        add(&v->head, "\r\n");
        v->data = flow_value_from(o, &a.data, v->entity_at);
    } else {
        mapi_text(o, MAPI_P_ATTACH_MIME_TAG, NAME_MAX_BYTES, &tag);
        const char *type = smime_type(&tag);
        add(&v->head, "Content-Type: application/pkcs7-mime");
        if (type)
            header_parameter(&v->head, "smime-type", type, strlen(type));
        add(&v->head, "; name=smime.p7m\r\nContent-Disposition: attachment; filename=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n");
        v->data = flow_base64(flow_value(o, &a.data, 0));
    }
    attach_release(&a);
    text_release(&tag);
}

static void begin(struct to_mime *m, struct level *v, const struct step *s)
{
    switch (s->kind) {
    case STEP_FIELDS:
        text_add(&v->head, v->fields.data ? v->fields.data : "", v->fields.len);
        add(&v->head, "MIME-Version: 1.0\r\n");
        text_release(&v->fields);
        break;
    case STEP_MULTI:
        multi_head(v, s->which);
        break;
    case STEP_FIRST:
    case STEP_DELIM:
    case STEP_CLOSE:
        delimiter(v, s->kind, s->which);
        break;
    case STEP_BODY:
        body_head(&v->bodies, s->which, &v->head);
        v->data = body_flow(v->msg, &v->bodies.of[s->which]);
        break;
    case STEP_PART:
        part_step(v);
        break;
    case STEP_ATTACH:
    case STEP_RELATED:
        attach_step(m, v, s->index, s->kind == STEP_RELATED);
        break;
    case STEP_ENTITY:
    case STEP_SMIME:
        smime_step(m, v, s->kind == STEP_ENTITY);
        break;
    case STEP_EMPTY:
        add(&v->head, "Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n");
        break;
    case STEP_ORIGINAL:
        v->data = original_flow(v->msg);
        break;
    default:
        break;
    }
}

/* The flow came to its end: what went wrong with an attachment is known now. (Bodies were looked at when they were planned.) */
static void end_data(struct to_mime *m, struct level *v)
{
    const char *error = flow_error(v->data);
    if (error && v->reading) {
        struct attach a;
        attach_read(v->reading, &a);
        lose_attachment(m, v->reading_index, &a.name, error);
        attach_release(&a);
    }
    flow_close(&v->data);
    mapi_close(&v->reading);
}

/* ---- the stream --------------------------------------------------------------------------------------------------------------------------- */

struct to_mime *to_mime_open(struct mapi_object *msg)
{
    struct to_mime *m = cli_malloc(sizeof *m);
    *m = (struct to_mime){0};
    push(m, NULL, msg, 0);
    return m;
}

void to_mime_close(struct to_mime **m)
{
    if (!*m)
        return;
    while ((*m)->level)
        pop(*m);
    losses_release(&(*m)->losses);
    free(*m);
    *m = NULL;
}

/* The level whose bytes come next: an embedded message waits for the head of its part, which is of the level above. */
static struct level *current(struct to_mime *m)
{
    struct level *v = m->level;
    return v && v->up && v->up->head_at < v->up->head.len ? v->up : v;
}

size_t to_mime_read(struct to_mime *m, void *buf, size_t n)
{
    size_t done = 0;
    for (struct level *v; done < n && (v = current(m)) != NULL;) {
        if (v->head_at < v->head.len) {
            size_t take = v->head.len - v->head_at < n - done ? v->head.len - v->head_at : n - done;
            memcpy((char *)buf + done, v->head.data + v->head_at, take);
            v->head_at += take;
            done += take;
        } else if (v->data) {
            size_t got = flow_read(v->data, (char *)buf + done, n - done);
            done += got;
            if (!got)
                end_data(m, v);
        } else if (v->at < v->count) {
            text_clear(&v->head);
            v->head_at = 0;
            begin(m, v, &v->steps[v->at++]);
        } else {
            pop(m);
        }
    }
    return done;
}

const char *to_mime_loss(const struct to_mime *m, size_t i)
{
    return i < m->losses.count ? m->losses.lines[i] : NULL;
}
