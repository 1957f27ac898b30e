/* Addresses of senders and recipients: from their properties or the entry id, as SMTP where that can be found. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "archive/mapi/codepage.h"
#include "archive/mapi/header.h"
#include "archive/mapi/own.h"

const struct address_ids address_sender = {
    MAPI_P_SENDER_NAME, MAPI_P_SENDER_ADDRTYPE, MAPI_P_SENDER_ADDRESS, MAPI_P_SENDER_SMTP, MAPI_P_SENDER_ENTRYID,
};
const struct address_ids address_representing = {
    MAPI_P_REPRESENTING_NAME, MAPI_P_REPRESENTING_ADDRTYPE, MAPI_P_REPRESENTING_ADDRESS, MAPI_P_REPRESENTING_SMTP, MAPI_P_REPRESENTING_ENTRYID,
};
const struct address_ids address_recipient = {
    MAPI_P_DISPLAY_NAME, MAPI_P_ADDRTYPE, MAPI_P_EMAIL_ADDRESS, MAPI_P_SMTP_ADDRESS, MAPI_P_ENTRYID,
};

enum { RECIPIENTS_LOOKED_AT = 1000 };

void address_release(struct address *a)
{
    text_release(&a->name);
    text_release(&a->addr);
}

static int is_smtp(const struct text *t)
{
    const char *at = t->len ? memrchr(t->data, '@', t->len) : NULL;
    return at && at != t->data && at + 1 != t->data + t->len && t->data[0] != '/';
}

/* An address of another system, as gateways put it into a local part: IMCEATYPE-, '/' as '_', other letters as +XX. The domain says that
 * no mail goes there. */
static void encapsulate(const struct text *type, const struct text *address, struct text *out)
{
    text_add(out, "IMCEA", 5);
    for (size_t i = 0; i < type->len && i < 32; i++) {
        if (isalnum((unsigned char)type->data[i]))
            text_byte(out, (char)toupper((unsigned char)type->data[i]));
    }
    text_byte(out, '-');
    for (size_t i = 0; i < address->len && i < 1000; i++) {
        unsigned char c = (unsigned char)address->data[i];
        char hex[4];
        if (c < 0x80 && (isalnum(c) || c == '-' || c == '=')) {
            text_byte(out, (char)c);
        } else if (c == '/') {
            text_byte(out, '_');
        } else {
            snprintf(hex, sizeof hex, "+%02X", c);
            text_add(out, hex, 3);
        }
    }
    text_add(out, "@invalid", 8);
}

static void set_address(struct address *a, const struct text *type, const struct text *address)
{
    int smtp = type->len == 0 || strcasecmp(type->data, "SMTP") == 0;
    text_clear(&a->addr);
    if (address->len && (is_smtp(address) || smtp)) {
        text_add(&a->addr, address->data, address->len);
        if (!is_smtp(address))
            text_add(&a->addr, "@invalid", 8);
    } else if (address->len) {
        encapsulate(type, address, &a->addr);
    }
}

/* The next NUL-terminated string. 0: it does not end. */
static int next_string(const uint8_t *p, size_t n, size_t *at, int wide, struct text *out)
{
    size_t from = *at, width = wide ? 2 : 1;
    for (size_t i = from; i + width <= n; i += width) {
        if (p[i] == 0 && (!wide || p[i + 1] == 0)) {
            codepage_decode(wide ? CODEPAGE_UTF16 : 0, p + from, i - from, out);
            *at = i + width;
            return 1;
        }
    }
    return 0;
}

int address_of_entryid(const uint8_t *p, size_t n, struct address *out)
{
    struct text name = {0}, type = {0}, address = {0};
    size_t at = 24;
    int ok = n >= 24 && memcmp(p + 4, mapi_oneoff_provider, 16) == 0;
    int wide = ok && p[23] & 0x80;
    ok = ok && next_string(p, n, &at, wide, &name) && next_string(p, n, &at, wide, &type) && next_string(p, n, &at, wide, &address);
    if (ok) {
        header_clean(&name);
        header_clean(&type);
        header_clean(&address);
        set_address(out, &type, &address);
        if (!out->name.len)
            text_add(&out->name, name.data ? name.data : "", name.len);
    }
    text_release(&name);
    text_release(&type);
    text_release(&address);
    return ok;
}

static void get_clean(struct mapi_object *o, uint16_t id, struct text *out)
{
    text_clear(out);
    if (id)
        mapi_text(o, id, NAME_MAX_BYTES, out);
    header_clean(out);
}

int address_get(struct mapi_object *o, const struct address_ids *ids, struct address *out)
{
    struct text type = {0}, address = {0}, smtp = {0}, entry = {0};
    *out = (struct address){0};
    get_clean(o, ids->name, &out->name);
    get_clean(o, ids->type, &type);
    get_clean(o, ids->address, &address);
    get_clean(o, ids->smtp, &smtp);
    if (is_smtp(&smtp))
        text_add(&out->addr, smtp.data, smtp.len);
    else
        set_address(out, &type, &address);
    if (!out->addr.len && mapi_bytes(o, ids->entryid, NAME_MAX_BYTES, &entry) == 1)
        address_of_entryid((const uint8_t *)entry.data, entry.len, out);
    if (!out->addr.len && is_smtp(&out->name) && !memchr(out->name.data, ' ', out->name.len))
        text_add(&out->addr, out->name.data, out->name.len);
    text_release(&type);
    text_release(&address);
    text_release(&smtp);
    text_release(&entry);
    return out->name.len || out->addr.len;
}

/* Looks for a recipient with this address in its own system that has an SMTP address too. */
static void from_recipients(struct mapi_object *msg, const struct text *address, struct address *out)
{
    int64_t n = msg->ops->recipients(msg);
    for (int64_t i = 0; i < n && i < RECIPIENTS_LOOKED_AT; i++) {
        struct mapi_object *r = NULL;
        struct text own = {0}, smtp = {0};
        if (msg->ops->recipient(msg, (size_t)i, &r) == 0) {
            get_clean(r, MAPI_P_EMAIL_ADDRESS, &own);
            get_clean(r, MAPI_P_SMTP_ADDRESS, &smtp);
        }
        int found = own.len && strcasecmp(own.data, address->data) == 0 && is_smtp(&smtp);
        if (found) {
            text_clear(&out->addr);
            text_add(&out->addr, smtp.data, smtp.len);
        }
        text_release(&own);
        text_release(&smtp);
        mapi_close(&r);
        if (found)
            break;
    }
}

int address_get_known(struct mapi_object *msg, const struct address_ids *ids, struct address *out)
{
    int rc = address_get(msg, ids, out);
    if (out->addr.len > 5 && memcmp(out->addr.data, "IMCEA", 5) == 0) {
        struct text own = {0};
        get_clean(msg, ids->address, &own);
        if (own.len)
            from_recipients(msg, &own, out);
        text_release(&own);
    }
    return rc;
}

int address_from(struct mapi_object *msg, struct address *out)
{
    if (address_get_known(msg, &address_representing, out) && out->addr.len)
        return 1;
    struct address sender;
    if (address_get_known(msg, &address_sender, &sender) && (sender.addr.len || !out->name.len)) {
        address_release(out);
        *out = sender;
        return 1;
    }
    address_release(&sender);
    return out->name.len > 0;
}
