/* tree.h - which files and directories of the named sources are archives, and which folder each belongs to. */
#ifndef CUBBY_TOOLS_TREE_H
#define CUBBY_TOOLS_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "archive/keepsake.h"
#include "archive/places.h"
#include "archive/reader.h"

struct tree_file {
    char *path;         /* "-" is standard input */
    const char *folder; /* as in cli_path_make; "": the archive has folders of its own, which go to the top */
    const struct reader_format *format;
    int error;          /* errno: it could not be looked at */
    uint64_t size;      /* of the file or of the messages in the directory, 0 if unknown */
};

struct tree {
    struct tree_file *files;
    size_t count, cap;
    uint64_t bytes;
    uint64_t ignored; /* files in directories that are no archives */
    struct places *places;
    struct keepsakes kept; /* of exports among the sources */
};
#define TREE_INIT {NULL, 0, 0, 0, 0, NULL, {NULL, 0, 0}}

struct tree_options {
    const char *into;                   /* NULL or a folder path */
    int no_subfolders;                  /* directories within directories are left out */
    const struct reader_format *format; /* NULL: found out from the content */
};

void tree_scan(struct tree *t, char *const *sources, size_t count, const struct tree_options *o);
void tree_release(struct tree *t);

#endif
