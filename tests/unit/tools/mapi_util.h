/* mapi_util.h - MAPI objects in memory for tests. */
#ifndef CUBBY_TESTS_MAPI_UTIL_H
#define CUBBY_TESTS_MAPI_UTIL_H

#include <stdlib.h>
#include <string.h>

#include "archive/mapi/mapi.h"
#include "archive/mapi/to_mime.h"

struct fake_prop {
    uint16_t id, type;
    uint64_t value;
    struct text data;      /* of single values */
    struct text *elements; /* of multi-values, all of one type */
    uint32_t count;
    uint64_t endless;      /* size of a value that is made up as it is read */
    uint64_t broken_at;    /* reading from there on fails; 0: never */
};

struct fake {
    struct mapi_object base;
    struct fake_prop props[64];
    size_t count;
    struct fake *recipients[16], *attachments[16], *embedded;
    size_t recipient_count, attachment_count;
    uint64_t attachments_again; /* as if the attachments were there so often */
    struct fake *named_of;      /* the message, whose names count */
    struct {
        const uint8_t *set;
        uint32_t number;
        const char *name;
    } names[64];
    size_t name_count;
    uint32_t page;
    int opened; /* objects that were given out and not closed */
};

static struct fake *self(struct mapi_object *o)
{
    return (struct fake *)o;
}

static int fake_at(struct mapi_object *o, size_t i, struct mapi_prop *out)
{
    struct fake *f = self(o);
    *out = (struct mapi_prop){0};
    if (i >= f->count)
        return 0;
    struct fake_prop *p = &f->props[i];
    *out = (struct mapi_prop){.id = p->id, .type = p->type, .value = p->value, .count = p->count, .size = p->data.len, .cookie = {i, 0}};
    if (p->endless)
        out->size = p->endless;
    return 1;
}

static int fake_element(struct mapi_object *o, const struct mapi_prop *p, uint32_t i, struct mapi_prop *out)
{
    struct fake_prop *f = &self(o)->props[p->cookie[0]];
    *out = (struct mapi_prop){.id = p->id, .type = p->type & 0xefff, .cookie = {p->cookie[0], i + 1}};
    if (i >= f->count)
        return -1;
    out->size = f->elements[i].len;
    return 1;
}

static int64_t fake_read(struct mapi_object *o, const struct mapi_prop *p, uint64_t offset, void *buf, size_t n)
{
    struct fake_prop *f = &self(o)->props[p->cookie[0]];
    struct text *t = p->cookie[1] ? &f->elements[p->cookie[1] - 1] : &f->data;
    if (offset >= p->size)
        return 0;
    if (f->broken_at && offset + n > f->broken_at)
        return -1;
    n = p->size - offset < n ? (size_t)(p->size - offset) : n;
    if (f->endless)
        memset(buf, 'x', n);
    else
        memcpy(buf, t->data + offset, n);
    return (int64_t)n;
}

static int64_t fake_recipients(struct mapi_object *o)
{
    return (int64_t)self(o)->recipient_count;
}

static int64_t fake_attachments(struct mapi_object *o)
{
    struct fake *f = self(o);
    return f->attachments_again ? (int64_t)f->attachments_again : (int64_t)f->attachment_count;
}

static int give(struct fake *f, struct mapi_object **out)
{
    *out = f ? &f->base : NULL;
    if (f)
        f->opened++;
    return f ? 0 : -1;
}

static int fake_recipient(struct mapi_object *o, size_t i, struct mapi_object **out)
{
    return give(i < self(o)->recipient_count ? self(o)->recipients[i] : NULL, out);
}

static int fake_attachment(struct mapi_object *o, size_t i, struct mapi_object **out)
{
    struct fake *f = self(o);
    if (f->attachments_again)
        i %= f->attachment_count;
    return give(i < f->attachment_count ? f->attachments[i] : NULL, out);
}

static int fake_embedded(struct mapi_object *o, struct mapi_object **out)
{
    return give(self(o)->embedded, out);
}

static uint16_t fake_named(struct mapi_object *o, const uint8_t set[16], uint32_t number, const char *name)
{
    struct fake *f = self(o);
    for (size_t i = 0; i < f->name_count; i++) {
        int same = name ? f->names[i].name && strcmp(name, f->names[i].name) == 0 : !f->names[i].name && f->names[i].number == number;
        if (same && memcmp(set, f->names[i].set, 16) == 0)
            return (uint16_t)(0x8000 + i);
    }
    return 0;
}

static int fake_name_of(struct mapi_object *o, uint16_t id, struct mapi_name *out)
{
    struct fake *f = self(o);
    *out = (struct mapi_name){.number = 0};
    if (id < 0x8000 || id - 0x8000u >= f->name_count)
        return 0;
    memcpy(out->set, f->names[id - 0x8000].set, 16);
    out->number = f->names[id - 0x8000].number;
    if (f->names[id - 0x8000].name)
        strcpy(out->name, f->names[id - 0x8000].name);
    return 1;
}

static uint32_t fake_codepage(struct mapi_object *o)
{
    return self(o)->page;
}

static const char *fake_error(struct mapi_object *o)
{
    (void)o;
    return "made to fail";
}

static void fake_close(struct mapi_object *o)
{
    self(o)->opened--;
}

static const struct mapi_ops fake_ops = {
    fake_at,       fake_element,  fake_read,  fake_recipients, fake_recipient, fake_attachments, fake_attachment,
    fake_embedded, fake_named,    fake_name_of, fake_codepage,   fake_error,     fake_close,
};

static struct fake *fake_new(void)
{
    struct fake *f = calloc(1, sizeof *f);
    f->base.ops = &fake_ops;
    return f;
}

static inline void fake_free(struct fake *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++) {
        text_release(&f->props[i].data);
        for (uint32_t k = 0; k < f->props[i].count; k++)
            text_release(&f->props[i].elements[k]);
        free(f->props[i].elements);
    }
    for (size_t i = 0; i < f->recipient_count; i++)
        fake_free(f->recipients[i]);
    for (size_t i = 0; i < f->attachment_count; i++)
        fake_free(f->attachments[i]);
    fake_free(f->embedded);
    free(f);
}

static inline struct fake_prop *set_int(struct fake *f, uint16_t id, uint16_t type, uint64_t value)
{
    struct fake_prop *p = &f->props[f->count++];
    *p = (struct fake_prop){.id = id, .type = type, .value = value};
    return p;
}

static inline struct fake_prop *set_bytes(struct fake *f, uint16_t id, uint16_t type, const void *p, size_t n)
{
    struct fake_prop *prop = set_int(f, id, type, 0);
    text_add(&prop->data, p, n);
    return prop;
}

static inline void utf16(struct text *out, const char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n;) {
        uint32_t c;
        i += text_next(s + i, n - i, &c);
        uint32_t units[2] = {c, 0};
        if (c >= 0x10000) {
            units[0] = 0xd800 + ((c - 0x10000) >> 10);
            units[1] = 0xdc00 + (c & 0x3ff);
        }
        for (int k = 0; k < (c >= 0x10000 ? 2 : 1); k++) {
            text_byte(out, (char)units[k]);
            text_byte(out, (char)(units[k] >> 8));
        }
    }
}

/* UTF-8 as a MAPI_STRING. */
static inline void set_text(struct fake *f, uint16_t id, const char *s)
{
    utf16(&set_int(f, id, MAPI_STRING, 0)->data, s);
}

static inline void set_time(struct fake *f, uint16_t id, int64_t seconds)
{
    set_int(f, id, MAPI_TIME, (uint64_t)(seconds + 11644473600) * 10000000);
}

static inline uint16_t name_it(struct fake *f, const uint8_t *set, uint32_t number, const char *name)
{
    f->names[f->name_count].set = set;
    f->names[f->name_count].number = number;
    f->names[f->name_count].name = name;
    return (uint16_t)(0x8000 + f->name_count++);
}

static inline struct fake *add_recipient(struct fake *f, int type, const char *name, const char *address)
{
    struct fake *r = fake_new();
    f->recipients[f->recipient_count++] = r;
    set_int(r, MAPI_P_RECIPIENT_TYPE, MAPI_INT32, (uint64_t)type);
    set_text(r, MAPI_P_DISPLAY_NAME, name);
    if (address) {
        set_text(r, MAPI_P_ADDRTYPE, "SMTP");
        set_text(r, MAPI_P_EMAIL_ADDRESS, address);
    }
    return r;
}

static inline struct fake *add_attachment(struct fake *f, int method, const char *name, const void *data, size_t n)
{
    struct fake *a = fake_new();
    f->attachments[f->attachment_count++] = a;
    set_int(a, MAPI_P_ATTACH_METHOD, MAPI_INT32, (uint64_t)method);
    if (name)
        set_text(a, MAPI_P_ATTACH_LONG_FILENAME, name);
    if (data)
        set_bytes(a, MAPI_P_ATTACH_DATA, MAPI_BINARY, data, n);
    return a;
}

/* The message made of it, in pieces of `piece` bytes; losses joined by '|' (may be NULL). To be released. */
static inline struct text made(struct fake *f, size_t piece, struct text *losses)
{
    struct text out = {0};
    char buf[65536];
    struct to_mime *m = to_mime_open(&f->base);
    for (size_t n; (n = to_mime_read(m, buf, piece)) != 0;)
        text_add(&out, buf, n);
    const char *loss;
    for (size_t i = 0; losses && (loss = to_mime_loss(m, i)) != NULL; i++) {
        text_add(losses, loss, strlen(loss));
        text_byte(losses, '|');
    }
    to_mime_close(&m);
    text_add(&out, "", 0);
    if (losses)
        text_add(losses, "", 0);
    return out;
}

#endif
