/* rtf.h - RTF bodies: compressed RTF (LZFu) to RTF, and RTF to the HTML or text in it. */
#ifndef CUBBY_TOOLS_MAPI_RTF_H
#define CUBBY_TOOLS_MAPI_RTF_H

#include "archive/mapi/flow.h"

/* The value of MAPI_P_RTF to RTF. A checksum that is wrong, or data that ends too soon, is an error of the flow, told at the end: what
 * was read comes out all the same. */
struct flow *flow_lzfu(struct flow *before);

enum rtf_kind {
    RTF_NONE,  /* no RTF at all */
    RTF_PLAIN, /* a document of its own: its text can be shown */
    RTF_TEXT,  /* text that was put into RTF */
    RTF_HTML   /* HTML that was put into RTF */
};
/* From the first bytes of RTF. */
enum rtf_kind rtf_kind(const char *p, size_t n);

/* RTF to UTF-8: the HTML of RTF_HTML, else text. Line ends are CRLF where the RTF has a paragraph or line. */
struct flow *flow_rtf(struct flow *before, enum rtf_kind kind);

#endif
