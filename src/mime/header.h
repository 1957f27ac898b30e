/* header.h - header fields: finding them, which of them are list fields, splitting a header into two groups and back, dates. */
#ifndef CUBBY_MIME_HEADER_H
#define CUBBY_MIME_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* One field, or one stretch of bytes that is no field, of a header: [start, end) with its folding and line ends. */
struct cubby__field {
    size_t start, end;
    size_t name_len;   /* 0: no field (the empty line at the end, a From_ line, rubbish) */
    size_t value;      /* offset of the first byte behind the colon */
};

/* The field at *pos; moves *pos behind it. Returns 0 at the end. Lines end with LF, CRLF, or a bare CR is part of the line. Every byte belongs to
 * exactly one field or stretch. */
int cubby__field_next(const uint8_t *header, size_t len, size_t *pos, struct cubby__field *out);

/* 1 if fields of this name belong to the list group: those that mail clients ask for when they list a folder. */
int cubby__is_list_field(const void *name, size_t len);

/* Splits a header into the list fields (appended to *list) and all other bytes (appended to *rest); *runs gets, as varints, the
 * lengths of the alternating stretches: rest, list, rest, list, ... that make the header again. */
void cubby__header_split(const uint8_t *header, size_t len, struct cubby__buf *list, struct cubby__buf *rest, struct cubby__buf *runs);

/* The header again, appended to *out. 0, or CUBBY_ECORRUPT if the runs do not use up exactly both groups. CUBBY_ENOMEM. */
int cubby__header_join(const uint8_t *list, size_t list_len, const uint8_t *rest, size_t rest_len, const uint8_t *runs, size_t runs_len,
                       struct cubby__buf *out);

/* The first field of this name (any case); its value without leading and trailing white space and line end, folding kept. 0 if there is none. */
int cubby__header_find(const uint8_t *header, size_t len, const char *name, const uint8_t **value, size_t *value_len);

/* RFC 5322 3.3 and the obsolete forms of 4.3, RFC 850 and asctime (From_ lines); tolerant of comments, missing seconds, a missing or wrong
 * weekday, short years, zone names; a missing zone counts as UTC. 0 or CUBBY_EINVAL. */
int cubby__date_parse(const void *text, size_t len, int64_t *seconds, int16_t *zone_minutes);

#endif
