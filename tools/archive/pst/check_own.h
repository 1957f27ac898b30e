/* check_own.h - what the parts of the check share. */
#ifndef CUBBY_TOOLS_PST_CHECK_OWN_H
#define CUBBY_TOOLS_PST_CHECK_OWN_H

#include "archive/pst/check.h"

struct check_block {
    uint64_t bid;
    uint32_t refs, counted; /* what the B-tree says; what was found, with the B-tree's own */
};

struct check {
    struct pst *p;
    struct pst_store store;
    struct pst_checked *out;
    pst_check_fn tell;
    pst_check_progress progress;
    void *arg;
    int stopped;
    uint64_t done, total;     /* steps, for progress */
    uint8_t *used;            /* a bit for each slot behind the first map, as the maps have them */
    uint64_t maps;            /* number of maps */
    struct check_block *blocks; /* ascending */
    size_t block_cap;
    uint8_t *buf;             /* for a block */
    struct pst_bits listed;   /* messages that their folder's table has */
    uint64_t subnodes;        /* looked at so far */
    int too_deep, endless;    /* told of this message */
    struct pst_bits claimed;  /* folders that a table of folders has */
};

void check_say(struct check *c, int severity, uint64_t offset, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Says the last error of c->p. */
void check_say_error(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define CHECK_ERROR(c, at, ...) check_say(c, PST_CHECK_ERROR, at, __VA_ARGS__)
#define CHECK_WARNING(c, at, ...) check_say(c, PST_CHECK_WARNING, at, __VA_ARGS__)
/* One step more; non-zero: stop. */
int check_step(struct check *c);

/* check_pages.c: header, maps, pages of the B-trees; blocks and nodes through the calls below. */
void check_header(struct check *c);
void check_maps(struct check *c);
void check_tree(struct check *c, int type);
/* Compares the maps with what is in use. */
void check_allocation(struct check *c);
/* Takes a place; 0: it is not free, which was said. */
int check_take(struct check *c, uint64_t ib, uint64_t len, const char *what, uint64_t id);

/* check_blocks.c */
void check_block_entry(struct check *c, const struct pst_place *at, uint64_t page);
void check_lists(struct check *c);
void check_counts(struct check *c);
/* A reference to a block; 0: there is no such block, which was said. */
int check_refer(struct check *c, uint64_t bid, uint64_t offset, const char *what, uint64_t id);
uint64_t check_block_at(struct check *c, uint64_t bid);

/* check_ltp.c: what lies in a node; 0: it was fit to be read further. */
int check_pc(struct check *c, const struct pst_node *node);
int check_tc(struct check *c, const struct pst_node *node);

/* check_message.c: properties, tables, attachments and what they hold. */
void check_message(struct check *c, const struct pst_node *node);

/* check_store.c: a node entry; then what nodes say about each other. */
void check_node_entry(struct check *c, const struct pst_node *node, uint64_t page);
void check_nodes(struct check *c);

#endif
