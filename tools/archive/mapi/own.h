/* own.h - what the parts of to_mime share. */
#ifndef CUBBY_TOOLS_MAPI_OWN_H
#define CUBBY_TOOLS_MAPI_OWN_H

#include "archive/mapi/mapi.h"

enum { TEXT_MAX = 1 << 20, NAME_MAX_BYTES = 4096, RECIPIENTS_MAX = 100000 };

/* ---- what could not be carried ------------------------------------------------------------------------------------------------------ */

struct losses {
    char **lines;
    size_t count;
    uint64_t more; /* that are not among the lines */
};
void losses_add(struct losses *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void losses_release(struct losses *l);

/* ---- classes ------------------------------------------------------------------------------------------------------------------------ */

enum item_kind {
    ITEM_NOTE,
    ITEM_SIGNED, /* its attachment is the MIME entity */
    ITEM_SMIME,  /* its attachment is the CMS object */
    ITEM_APPOINTMENT,
    ITEM_MEETING,
    ITEM_CONTACT,
    ITEM_TASK,
    ITEM_STICKY,
    ITEM_JOURNAL,
    ITEM_DISTLIST,
    ITEM_REPORT,
    ITEM_OTHER
};
enum item_kind item_kind_of(const char *message_class);

/* A part that is made of properties. */
struct item_part {
    const char *type;     /* value of Content-Type; static */
    const char *filename; /* static; NULL: none */
    int alternative;      /* says what the body says, in another way */
    struct text data;     /* UTF-8 with CRLF; empty: there is no such part */
};
void item_part_make(enum item_kind kind, struct mapi_object *msg, struct losses *l, struct item_part *out);
void item_calendar(enum item_kind kind, struct mapi_object *msg, struct losses *l, struct item_part *out);
void item_contact(struct mapi_object *msg, struct losses *l, struct item_part *out);

/* Lines of iCalendar and vCard: NAME:value with the text escaped and folded. */
void ical_text(struct text *out, const char *name, const char *value, size_t n);
void ical_line(struct text *out, const char *line, size_t n); /* as it is, folded */
void ical_escape(struct text *out, const char *value, size_t n);
/* "20240131T150000", with or without Z. */
void ical_time(struct text *out, int64_t seconds, int utc);

/* A recurrence blob; all times are local, in seconds since 1970. */
struct recurrence {
    struct text rule;       /* FREQ=...; without its end */
    uint32_t count;         /* occurrences; 0: see until */
    int has_until;
    int64_t until;          /* midnight of the last day */
    int64_t start, end;     /* of the first occurrence */
    int64_t *deleted;       /* midnights of days without an occurrence, also of those that were changed */
    size_t deleted_count;
    uint32_t changed;       /* occurrences with an exception of their own */
};
/* 1; 0: not one of the known patterns, or damaged (out is empty then). */
int recurrence_parse(const uint8_t *p, size_t n, struct recurrence *out);
void recurrence_release(struct recurrence *r);

/* ---- addresses ---------------------------------------------------------------------------------------------------------------------- */

struct address {
    struct text name, addr; /* addr is of the form a@b when it is not empty */
};
/* Ids of the properties that make one; 0: none. */
struct address_ids {
    uint16_t name, type, address, smtp, entryid;
};
extern const struct address_ids address_sender, address_representing, address_recipient;
/* 1 if there is a name or an address. */
int address_get(struct mapi_object *o, const struct address_ids *ids, struct address *out);
/* A one-off EntryID. */
int address_of_entryid(const uint8_t *p, size_t n, struct address *out);
void address_release(struct address *a);
/* The same, with the SMTP address that a recipient of the message has for it, if its own is none. */
int address_get_known(struct mapi_object *msg, const struct address_ids *ids, struct address *out);
/* From, or whoever is nearest to it. */
int address_from(struct mapi_object *msg, struct address *out);

/* ---- header --------------------------------------------------------------------------------------------------------------------------- */

/* All fields but MIME-Version and those of the body. */
void fields_make(struct mapi_object *msg, enum item_kind kind, struct losses *l, struct text *out);
/* The subject without its marker; appended. */
void subject_get(struct mapi_object *msg, struct text *out);
/* Categories, one call each. */
void categories_each(struct mapi_object *msg, void (*fn)(void *arg, const char *name, size_t n), void *arg);

/* Values of named properties. */
int64_t named_int(struct mapi_object *o, const uint8_t set[16], uint32_t number, int64_t otherwise);
int named_time(struct mapi_object *o, const uint8_t set[16], uint32_t number, int64_t *seconds);
int named_text(struct mapi_object *o, const uint8_t set[16], uint32_t number, struct text *out);
int named_bytes(struct mapi_object *o, const uint8_t set[16], uint32_t number, size_t max, struct text *out);

#endif
