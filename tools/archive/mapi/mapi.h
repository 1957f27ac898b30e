/* mapi.h - a message as Outlook keeps it: an object with properties, recipients and attachments. PST files and .msg files are read into
 * this shape; to_mime.h makes an RFC 822 message of it.
 *
 * A reader implements struct mapi_ops and puts struct mapi_object first in its own. It answers from a hostile file: whatever it says is
 * bounded, and what it cannot read is an error with a text, never a guess. Memory is bounded: nothing here returns a whole body or a
 * whole attachment, values are read in pieces.
 *
 * Lifetimes: an object is closed by who got it (mapi_close), before the object it came from; the file behind outlives them all. All objects
 * of one file belong to one thread at a time. */
#ifndef CUBBY_TOOLS_MAPI_H
#define CUBBY_TOOLS_MAPI_H

#include <stddef.h>
#include <stdint.h>

#include "archive/mapi/props.h"
#include "text.h"

/* Embedded messages within embedded messages: deeper ones are named and counted, not opened. */
#define MAPI_DEPTH_MAX 32

/* One property. Copyable; good until its object is closed.
 *
 * Bytes of a value, as `read` gives them: MAPI_STRING UTF-16LE, MAPI_STRING8 bytes in `codepage`, both without the NUL that ends them
 * (readers may leave NULs at the end, mapi_text cuts them); MAPI_BINARY as it is; MAPI_GUID 16 bytes; MAPI_OBJECT of an attachment's
 * MAPI_P_ATTACH_DATA with method MAPI_ATTACH_OLE: the compound file. All others are fixed and have no bytes to read. */
struct mapi_prop {
    uint16_t id;
    uint16_t type;    /* MAPI_INT32, ...; MAPI_MULTI is set for multi-values, which are read with `element` only */
    uint32_t count;   /* elements of a multi-value; else 0 */
    uint64_t value;   /* of the fixed types: the little-endian bytes, zero-extended (MAPI_BOOL 0 or 1, MAPI_FLOAT64 its bits) */
    uint64_t size;    /* bytes that `read` can give; 0 for the fixed types and for multi-values */
    uint64_t cookie[2]; /* the reader's own: where the value is */
};

struct mapi_object {
    const struct mapi_ops *ops;
};

/* The name behind an id of 0x8000 and above. */
struct mapi_name {
    uint8_t set[16]; /* GUID as it lies in files: first three groups little-endian */
    uint32_t number; /* when name is empty */
    char name[256];  /* UTF-8, cut to fit; "" for numbers */
};

/* Failures are -1 (or NULL where said); `error` then tells why, in one line without line end. Out-parameters are set in any case. */
struct mapi_ops {
    /* The i-th property of the object, in any order, each id once. 1; 0: i is behind the last one; -1: this one is not readable (go on with
     * the next; what is known of it, id and type, is in out). Constant time, no reading of large values. */
    int (*at)(struct mapi_object *o, size_t i, struct mapi_prop *out);

    /* The i-th element (i < p->count) of a multi-value as a property with the single type. 1 or -1. */
    int (*element)(struct mapi_object *o, const struct mapi_prop *p, uint32_t i, struct mapi_prop *out);

    /* Bytes of a value from an offset on: min(n, p->size - offset) of them, 0 at or behind the end, -1: they cannot be read. Mostly
     * called in order, so readers keep the place of the last call; any offset must work. n is at most 64 KiB. */
    int64_t (*read)(struct mapi_object *o, const struct mapi_prop *p, uint64_t offset, void *buf, size_t n);

    /* Messages only. Number of rows, -1: the table is not readable; then the rows as objects: 0 or -1 (*out NULL). */
    int64_t (*recipients)(struct mapi_object *o);
    int (*recipient)(struct mapi_object *o, size_t i, struct mapi_object **out);
    int64_t (*attachments)(struct mapi_object *o);
    int (*attachment)(struct mapi_object *o, size_t i, struct mapi_object **out);

    /* Attachments with method MAPI_ATTACH_EMBEDDED only: the message in it. 0 or -1 (*out NULL). */
    int (*embedded)(struct mapi_object *o, struct mapi_object **out);

    /* The id that this file uses for a name: set, and name (ASCII; case counts) or, if that is NULL, number. 0: it has none. */
    uint16_t (*named)(struct mapi_object *o, const uint8_t set[16], uint32_t number, const char *name);
    /* And back. 1; 0: the file says nothing about it. */
    int (*name_of)(struct mapi_object *o, uint16_t id, struct mapi_name *out);

    /* Windows code page of the MAPI_STRING8 values of this object, also of recipients and attachments: what the message says
     * (MAPI_P_MESSAGE_CODEPAGE), else the file; 0: unknown. */
    uint32_t (*codepage)(struct mapi_object *o);

    /* Why the last call on this object failed. Borrowed until the next call; never NULL. */
    const char *(*error)(struct mapi_object *o);

    void (*close)(struct mapi_object *o);
};

/* ---- for everybody (mapi.c) ------------------------------------------------------------------------------------------------------- */

/* Closes and clears; NULL is fine. */
void mapi_close(struct mapi_object **o);
/* The property with this id and any type. 1, 0: there is none, -1: it is there but not readable. */
int mapi_find(struct mapi_object *o, uint16_t id, struct mapi_prop *out);
/* The same for a name: see `named`. */
int mapi_find_named(struct mapi_object *o, const uint8_t set[16], uint32_t number, const char *name, struct mapi_prop *out);

/* Values; `otherwise` if it is absent, unreadable or of an unfitting type. */
int64_t mapi_int(struct mapi_object *o, uint16_t id, int64_t otherwise);       /* MAPI_INT16, MAPI_INT32, MAPI_INT64, MAPI_BOOL */
int64_t mapi_int_of(const struct mapi_prop *p, int64_t otherwise);
/* MAPI_TIME as seconds since 1970. 1, or 0: none there, or out of the years 1601 to 9999. */
int mapi_time(struct mapi_object *o, uint16_t id, int64_t *seconds);
int mapi_time_of(const struct mapi_prop *p, int64_t *seconds);

/* MAPI_STRING and MAPI_STRING8 as UTF-8, appended; lone surrogates and bytes without a meaning become U+FFFD, everything from the first NUL
 * on is cut. At most `max` bytes of it are read. 1; 0: none there or another type; -1: not readable (what could be read is
 * appended). */
int mapi_text(struct mapi_object *o, uint16_t id, size_t max, struct text *out);
int mapi_text_of(struct mapi_object *o, const struct mapi_prop *p, size_t max, struct text *out);
/* Bytes of a value as they are, appended; at most max. 1, 0 or -1 as above. */
int mapi_bytes(struct mapi_object *o, uint16_t id, size_t max, struct text *out);
int mapi_bytes_of(struct mapi_object *o, const struct mapi_prop *p, size_t max, struct text *out);

#endif
