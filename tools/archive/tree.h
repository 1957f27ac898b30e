/* tree.h - which files of the named sources are mailboxes, and which folder each belongs to. */
#ifndef CUBBY_TOOLS_TREE_H
#define CUBBY_TOOLS_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "text.h"

struct tree_file {
    char *path;     /* "-" is standard input */
    char *folder;   /* as in cli_path_make */
    char *original; /* the same before it was made valid and unique; "" inside of a folder that --into names alone */
    int error;      /* errno: it could not be looked at */
    uint64_t size;  /* of the file, 0 if unknown */
};

struct tree {
    struct tree_file *files;
    size_t count, cap;
    uint64_t bytes;
    uint64_t ignored; /* files in directories that are no mailboxes */
};
#define TREE_INIT {NULL, 0, 0, 0, 0}

/* into: NULL or a folder path. no_subfolders: directories within directories are left out. */
void tree_scan(struct tree *t, char *const *sources, size_t count, const char *into, int no_subfolders);
void tree_release(struct tree *t);

#endif
