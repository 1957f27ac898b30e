/* Storages and streams of a .msg file: a storage is an object; its stream of properties holds 16 bytes for each, after a header whose
 * length depends on what the object is; values that do not fit there are streams named after their tag. */
#include "archive/msg/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/msg/own.h"
#include "cli.h"

enum { HEADER_TOP = 32, HEADER_EMBEDDED = 24, HEADER_PART = 8, PROP = 16, PROPS_MAX = 65536, TABLE_MAX = PROPS_MAX * PROP };
enum { KIND_TOP, KIND_EMBEDDED, KIND_RECIPIENT, KIND_ATTACHMENT };

static const char substg[] = "__substg1.0_";

struct msg_file {
    int fd;
    struct cfb *cfb;
    struct msg_names names;
};

struct prop {
    uint16_t id, type;
    uint32_t entry; /* of the stream or storage; CFB_NONE: a fixed value */
    uint64_t value;
};

struct object {
    struct mapi_object base;
    struct msg_file *file;
    uint32_t storage;
    int kind;
    struct prop *props;
    size_t count;
    uint32_t *recipients, *attachments;
    size_t recipient_count, attachment_count;
    uint32_t codepage;
    struct cfb_place place; /* of the stream read last */
    uint32_t place_of;
    struct cfb_copy *copy;  /* of an OLE object */
    char error[160];
};

static struct object *self(struct mapi_object *o)
{
    return (struct object *)o;
}

/* ---- loading ------------------------------------------------------------------------------------------------------------------------------ */

static int is_fixed(uint16_t type)
{
    switch (type) {
    case MAPI_INT16:
    case MAPI_INT32:
    case MAPI_FLOAT32:
    case MAPI_FLOAT64:
    case MAPI_CURRENCY:
    case MAPI_APPTIME:
    case MAPI_ERROR:
    case MAPI_BOOL:
    case MAPI_INT64:
    case MAPI_TIME:
        return 1;
    default:
        return 0;
    }
}

/* Bytes of one element of a multi-value with elements of one size; 0: of no fixed size. */
static unsigned width(uint16_t type)
{
    switch (type & ~MAPI_MULTI) {
    case MAPI_INT16:
        return 2;
    case MAPI_INT32:
    case MAPI_FLOAT32:
        return 4;
    case MAPI_FLOAT64:
    case MAPI_CURRENCY:
    case MAPI_APPTIME:
    case MAPI_INT64:
    case MAPI_TIME:
        return 8;
    case MAPI_GUID:
        return 16;
    default:
        return 0;
    }
}

static uint64_t low_bytes(uint64_t value, uint16_t type)
{
    if (type == MAPI_BOOL)
        return (value & 0xffff) != 0;
    return type == MAPI_INT16 ? value & 0xffff : width(type) == 8 ? value : value & 0xffffffff;
}

/* "__substg1.0_TTTTTTTT" and nothing else. */
static int tag_of(const char *name, uint32_t *tag)
{
    char *end;
    *tag = 0;
    if (strncmp(name, substg, sizeof substg - 1) != 0 || strlen(name) != sizeof substg - 1 + 8)
        return 0;
    unsigned long v = strtoul(name + sizeof substg - 1, &end, 16);
    *tag = (uint32_t)v;
    return *end == 0;
}

static int is_taken(uint8_t *ids, uint16_t id)
{
    int was = ids[id >> 3] >> (id & 7) & 1;
    ids[id >> 3] |= (uint8_t)(1 << (id & 7));
    return was;
}

static void add_prop(struct object *o, size_t *cap, const struct prop *p)
{
    if (o->count == *cap) {
        *cap = *cap ? *cap * 2 : 64;
        o->props = cli_realloc(o->props, *cap * sizeof *o->props);
    }
    o->props[o->count++] = *p;
}

static void load_fixed(struct object *o, size_t *cap, uint8_t *ids)
{
    static const size_t headers[] = {HEADER_TOP, HEADER_EMBEDDED, HEADER_PART, HEADER_PART};
    struct text t = {0};
    msg_stream(o->file->cfb, o->storage, "__properties_version1.0", TABLE_MAX, &t);
    for (size_t at = headers[o->kind]; at + PROP <= t.len; at += PROP) {
        uint32_t tag = msg_get32(t.data + at);
        struct prop p = {.id = (uint16_t)(tag >> 16), .type = (uint16_t)tag, .entry = CFB_NONE};
        p.value = msg_get32(t.data + at + 8) | (uint64_t)msg_get32(t.data + at + 12) << 32;
        if (is_fixed(p.type) && !is_taken(ids, p.id)) {
            p.value = low_bytes(p.value, p.type);
            add_prop(o, cap, &p);
        }
    }
    text_release(&t);
}

static void add_number(uint32_t **list, size_t *count, uint32_t entry)
{
    if ((*count & (*count - 1)) == 0)
        *list = cli_realloc(*list, (*count ? *count * 2 : 1) * sizeof **list);
    (*list)[(*count)++] = entry;
}

/* Streams are what counts: the stream of properties only repeats their sizes. Storages come in the order of their numbers. */
static void load(struct object *o)
{
    const struct cfb *c = o->file->cfb;
    uint8_t *ids = cli_malloc(8192);
    size_t cap = 0;
    memset(ids, 0, 8192);
    load_fixed(o, &cap, ids);
    for (uint32_t e = cfb_first(c, o->storage); e != CFB_NONE; e = cfb_next(c, e)) {
        const char *name = cfb_name(c, e);
        uint32_t tag;
        if (tag_of(name, &tag)) {
            struct prop p = {.id = (uint16_t)(tag >> 16), .type = (uint16_t)tag, .entry = e};
            int fits = cfb_is_storage(c, e) ? p.type == MAPI_OBJECT : !is_fixed(p.type);
            if (fits && !is_taken(ids, p.id))
                add_prop(o, &cap, &p);
        } else if (cfb_is_storage(c, e) && o->kind <= KIND_EMBEDDED) {
            if (strncmp(name, "__recip_version1.0_#", 20) == 0)
                add_number(&o->recipients, &o->recipient_count, e);
            else if (strncmp(name, "__attach_version1.0_#", 21) == 0)
                add_number(&o->attachments, &o->attachment_count, e);
        }
    }
    free(ids);
}

/* ---- values ------------------------------------------------------------------------------------------------------------------------------- */

static uint64_t size_of(const struct object *o, const struct prop *p)
{
    const struct cfb *c = o->file->cfb;
    return cfb_is_storage(c, p->entry) ? (o->copy ? cfb_copy_size(o->copy) : 0) : cfb_size(c, p->entry);
}

static uint32_t elements_of(const struct object *o, const struct prop *p)
{
    uint64_t size = cfb_size(o->file->cfb, p->entry);
    unsigned each = width(p->type);
    if (!each)
        each = (p->type & ~MAPI_MULTI) == MAPI_BINARY ? 8 : 4; /* lengths; the elements are streams of their own */
    return (uint32_t)(size / each < UINT32_MAX ? size / each : UINT32_MAX);
}

static int at(struct mapi_object *base, size_t i, struct mapi_prop *out)
{
    struct object *o = self(base);
    *out = (struct mapi_prop){0};
    if (i >= o->count)
        return 0;
    const struct prop *p = &o->props[i];
    *out = (struct mapi_prop){.id = p->id, .type = p->type, .value = p->value, .cookie = {p->entry, 0}};
    if (p->entry == CFB_NONE)
        return 1;
    if (p->type & MAPI_MULTI)
        out->count = elements_of(o, p);
    else
        out->size = size_of(o, p);
    return 1;
}

static int64_t read_entry(struct object *o, uint32_t entry, uint64_t offset, void *buf, size_t n)
{
    if (o->place_of != entry)
        o->place = (struct cfb_place){0};
    o->place_of = entry;
    int64_t got = cfb_read(o->file->cfb, entry, &o->place, offset, buf, n);
    if (got < 0)
        snprintf(o->error, sizeof o->error, "the stream %.40s is broken", cfb_name(o->file->cfb, entry));
    return got;
}

static int64_t read_value(struct mapi_object *base, const struct mapi_prop *p, uint64_t offset, void *buf, size_t n)
{
    struct object *o = self(base);
    uint64_t from = p->cookie[1]; /* where an element begins in its stream */
    if (offset >= p->size)
        return 0;
    n = p->size - offset < n ? (size_t)(p->size - offset) : n;
    uint32_t entry = (uint32_t)p->cookie[0];
    if (o->copy && cfb_is_storage(o->file->cfb, entry)) {
        int64_t got = cfb_copy_read(o->copy, offset, buf, n);
        if (got < 0)
            snprintf(o->error, sizeof o->error, "the OLE object is broken");
        return got;
    }
    return read_entry(o, entry, from + offset, buf, n);
}

static int element(struct mapi_object *base, const struct mapi_prop *p, uint32_t i, struct mapi_prop *out)
{
    struct object *o = self(base);
    uint16_t type = p->type & (uint16_t)~MAPI_MULTI;
    unsigned each = width(type);
    uint32_t stream = (uint32_t)p->cookie[0];
    *out = (struct mapi_prop){.id = p->id, .type = type};
    if (!(p->type & MAPI_MULTI) || i >= p->count) {
        snprintf(o->error, sizeof o->error, "there is no such element");
        return -1;
    }
    if (each == 16) {
        out->size = each;
        out->cookie[0] = stream;
        out->cookie[1] = (uint64_t)i * each;
        return 1;
    }
    if (each) {
        uint8_t b[8] = {0};
        if (read_entry(o, stream, (uint64_t)i * each, b, each) != (int64_t)each)
            return -1;
        out->value = low_bytes(msg_get32(b) | (uint64_t)msg_get32(b + 4) << 32, type);
        return 1;
    }
    char name[40];
    snprintf(name, sizeof name, "%s%04X%04X-%08X", substg, p->id, p->type, i);
    uint32_t e = cfb_find(o->file->cfb, o->storage, name);
    if (e == CFB_NONE) {
        snprintf(o->error, sizeof o->error, "there is no stream %s", name);
        return -1;
    }
    out->size = cfb_size(o->file->cfb, e);
    out->cookie[0] = e;
    return 1;
}

/* ---- objects ------------------------------------------------------------------------------------------------------------------------------ */

static const struct mapi_ops ops;

static struct object *object_new(struct msg_file *f, uint32_t storage, int kind, uint32_t codepage)
{
    struct object *o = cli_malloc(sizeof *o);
    *o = (struct object){.base = {&ops}, .file = f, .storage = storage, .kind = kind, .codepage = codepage, .place_of = CFB_NONE};
    load(o);
    if (kind <= KIND_EMBEDDED) {
        int64_t page = mapi_int(&o->base, MAPI_P_MESSAGE_CODEPAGE, 0);
        if (page <= 0 || page == 1200)
            page = mapi_int(&o->base, MAPI_P_INTERNET_CODEPAGE, 0);
        if (page > 0 && page != 1200)
            o->codepage = (uint32_t)page;
    }
    return o;
}

static int64_t recipients(struct mapi_object *base)
{
    return (int64_t)self(base)->recipient_count;
}

static int64_t attachments(struct mapi_object *base)
{
    return (int64_t)self(base)->attachment_count;
}

static int child(struct object *o, const uint32_t *list, size_t count, size_t i, int kind, struct mapi_object **out)
{
    *out = NULL;
    if (i >= count) {
        snprintf(o->error, sizeof o->error, "there is no such object");
        return -1;
    }
    *out = &object_new(o->file, list[i], kind, o->codepage)->base;
    return 0;
}

static int recipient(struct mapi_object *base, size_t i, struct mapi_object **out)
{
    struct object *o = self(base);
    return child(o, o->recipients, o->recipient_count, i, KIND_RECIPIENT, out);
}

static uint32_t data_storage(struct object *o)
{
    uint32_t e = cfb_find(o->file->cfb, o->storage, "__substg1.0_3701000D");
    return e != CFB_NONE && cfb_is_storage(o->file->cfb, e) ? e : CFB_NONE;
}

static int attachment(struct mapi_object *base, size_t i, struct mapi_object **out)
{
    struct object *o = self(base);
    int rc = child(o, o->attachments, o->attachment_count, i, KIND_ATTACHMENT, out);
    if (rc == 0 && mapi_int(*out, MAPI_P_ATTACH_METHOD, 0) == MAPI_ATTACH_OLE && data_storage(self(*out)) != CFB_NONE)
        self(*out)->copy = cfb_copy_new(o->file->cfb, data_storage(self(*out)));
    return rc;
}

static int embedded(struct mapi_object *base, struct mapi_object **out)
{
    struct object *o = self(base);
    uint32_t e = data_storage(o);
    *out = NULL;
    if (o->kind != KIND_ATTACHMENT || e == CFB_NONE) {
        snprintf(o->error, sizeof o->error, "the embedded message is not in the file");
        return -1;
    }
    *out = &object_new(o->file, e, KIND_EMBEDDED, 0)->base;
    return 0;
}

static uint16_t named(struct mapi_object *base, const uint8_t set[16], uint32_t number, const char *name)
{
    return msg_names_find(&self(base)->file->names, set, number, name);
}

static int name_of(struct mapi_object *base, uint16_t id, struct mapi_name *out)
{
    return msg_names_get(&self(base)->file->names, id, out);
}

static uint32_t codepage(struct mapi_object *base)
{
    return self(base)->codepage;
}

static const char *error(struct mapi_object *base)
{
    return self(base)->error[0] ? self(base)->error : "it cannot be read";
}

static void close_object(struct mapi_object *base)
{
    struct object *o = self(base);
    cfb_copy_free(&o->copy);
    free(o->props);
    free(o->recipients);
    free(o->attachments);
    free(o);
}

static const struct mapi_ops ops = {
    .at = at, .element = element, .read = read_value, .recipients = recipients, .recipient = recipient, .attachments = attachments,
    .attachment = attachment, .embedded = embedded, .named = named, .name_of = name_of, .codepage = codepage, .error = error,
    .close = close_object,
};

/* ---- files -------------------------------------------------------------------------------------------------------------------------------- */

struct msg_file *msg_open(const char *path, char *error, size_t error_size)
{
    struct msg_file *f = cli_malloc(sizeof *f);
    *f = (struct msg_file){.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)};
    error[0] = 0;
    if (f->fd < 0)
        snprintf(error, error_size, "%s", strerror(errno));
    else
        f->cfb = cfb_open(f->fd, error, error_size);
    if (f->cfb && cfb_find(f->cfb, CFB_ROOT, "__properties_version1.0") == CFB_NONE) {
        snprintf(error, error_size, "a compound file without a message in it");
        cfb_close(&f->cfb);
    }
    if (!f->cfb) {
        msg_close(&f);
        return NULL;
    }
    msg_names_load(f->cfb, &f->names);
    return f;
}

void msg_close(struct msg_file **f)
{
    if (!*f)
        return;
    msg_names_release(&(*f)->names);
    cfb_close(&(*f)->cfb);
    if ((*f)->fd >= 0)
        close((*f)->fd);
    free(*f);
    *f = NULL;
}

struct mapi_object *msg_message(struct msg_file *f)
{
    return &object_new(f, CFB_ROOT, KIND_TOP, 0)->base;
}
