/* definitions.h - what the header of a new segment repeats, in case the segments before it are lost: folders, keywords, subscriptions. */
#ifndef CUBBY_MAIL_DEFINITIONS_H
#define CUBBY_MAIL_DEFINITIONS_H

#include "store/store.h"

/* What one may take at most: its record and, of a folder, its MARK, however large their numbers get. */
enum { CUBBY__DEFINITION_FOLDER = 100, CUBBY__DEFINITION_KEYWORD = 16, CUBBY__DEFINITION_SUBSCRIPTION = 16 }; /* and the name */

/* All folders and subscriptions of a store together; the rest of the header is for the keywords and for what later versions put there. */
#define CUBBY__DEFINITIONS_MAX                                                                                                                                 \
    (CUBBY__SEG_HEADER_MAX - CUBBY__SEG_HEADER_FIXED - (64u << 10) - CUBBY__KEYWORDS_MAX * (CUBBY__DEFINITION_KEYWORD + CUBBY__KEYWORD_LEN_MAX))

/* A handler (store/store.h). A store whose records were forged may have more than fit: the last are left out, for the log must go on. */
int cubby__definitions(struct cubby__view *view, struct cubby__buf *defs);

/* A handler: the uidnext of each folder, and nothing else. */
int cubby__uidnexts(struct cubby__view *view, struct cubby__buf *defs);

/* ELIMIT: with `more` bytes, counted as above, there would be more than fit. */
int cubby__definitions_room(struct cubby__txn *txn, size_t more);

#endif
