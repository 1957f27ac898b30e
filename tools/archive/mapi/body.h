/* body.h - which bodies a message has, and how each goes into mail. */
#ifndef CUBBY_TOOLS_MAPI_BODY_H
#define CUBBY_TOOLS_MAPI_BODY_H

#include "archive/mapi/flow.h"
#include "archive/mapi/own.h"
#include "archive/mapi/rtf.h"

enum body_source { SOURCE_NONE, SOURCE_VALUE, SOURCE_RTF_TEXT, SOURCE_RTF_ITSELF };
enum body_encoding { ENCODING_7BIT, ENCODING_QUOTED, ENCODING_BASE64 };

struct body {
    enum body_source source;
    struct mapi_prop prop;
    enum rtf_kind rtf;
    uint32_t codepage;    /* to be converted from to UTF-8; 0: bytes stay as they are */
    const char *charset;  /* NULL: none */
    enum body_encoding encoding;
};

enum { BODY_PLAIN, BODY_HTML, BODY_RTF, BODIES };

struct bodies {
    struct body of[BODIES];
    uint64_t *cids; /* hashes of the content ids that the HTML refers to */
    size_t cid_count;
};

/* Looks at all of them once, which tells their encodings. */
void bodies_find(struct mapi_object *msg, struct losses *l, struct bodies *out);
void bodies_release(struct bodies *b);
/* Encoded, as it goes into the message. */
struct flow *body_flow(struct mapi_object *msg, const struct body *b);
/* Content-Type and Content-Transfer-Encoding, and the empty line. */
void body_head(const struct bodies *all, int which, struct text *out);
/* Reads the HTML, if there is any; then: does it refer to this id? */
void bodies_find_cids(struct mapi_object *msg, struct bodies *b);
int bodies_refer(const struct bodies *b, const char *cid, size_t n);

enum body_encoding encoding_for(const struct flow_look *look);
const char *encoding_name(enum body_encoding e);

#endif
