/* places.h - folders of archives as folders of a store: names are cleaned to what a folder may be called, two that become equal by that are
 * told apart by a number, and what a folder was called is remembered. From any thread. */
#ifndef CUBBY_TOOLS_PLACES_H
#define CUBBY_TOOLS_PLACES_H

#include <stddef.h>

struct places;

struct places *places_new(void);
void places_free(struct places **p);

/* The path (as cli_path_make takes it) of the folder that an archive calls name[0..len) and that is in `parent`, itself such a path ("": the
 * top). Lives as long as p. The same parent and name give the same path, others another, except that INBOX at the top is one in any case. */
const char *places_below(struct places *p, const char *parent, const char *name, size_t len);
/* The same for several components, as reader_item.folder has them. */
const char *places_path(struct places *p, const char *parent, const char *path);
/* Another name for the last component of a path that places_below gave: what it was called really. */
void places_set_original(struct places *p, const char *folder, const char *name, size_t len);

/* What the last component of a path was called, if that is not what it is called now; NULL. Owner: the caller, free(). */
char *places_original(struct places *p, const char *folder, size_t *len);

#endif
