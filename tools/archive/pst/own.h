/* own.h - what cubby keeps in a PST file beside what Outlook knows, as named properties of mapi_set_cubby (props.h). Outlook ignores them; an
 * import restores messages, folders and their state from them. The message itself is MAPI_NAME_ORIGINAL, its hash MAPI_NAME_ORIGINAL_HASH. */
#ifndef CUBBY_TOOLS_PST_OWN_H
#define CUBBY_TOOLS_PST_OWN_H

/* Of messages. The hash is there also if the original is not kept. */
#define PST_OWN_UID      "cubby-uid"      /* MAPI_INT32 */
#define PST_OWN_DATE     "cubby-date"     /* MAPI_INT64: internal date, seconds since 1970, signed */
#define PST_OWN_ZONE     "cubby-zone"     /* MAPI_INT32: its zone, minutes east of UTC, signed */
#define PST_OWN_FLAGS    "cubby-flags"    /* MAPI_INT32: system flags, CUBBY_SEEN ... */
#define PST_OWN_KEYWORDS "cubby-keywords" /* MAPI_STRING | MAPI_MULTI: all keywords, as they are spelt */
/* Of folders. */
#define PST_OWN_FOLDER   "cubby-folder"   /* MAPI_STRING: its path in the store, with %2F and %25 */
#define PST_OWN_USE      "cubby-use"      /* MAPI_INT32: special uses, CUBBY_USE_... */

#endif
