/* sim_model.h - the inside of a simulated disk, shared by sim_disk.c (which records) and sim_states.c (which crashes it). */
#ifndef CUBBY_TESTS_SIM_MODEL_H
#define CUBBY_TESTS_SIM_MODEL_H

#include <pthread.h>
#include <stdlib.h>

#include "os/vfs_mem.h"
#include "sim_disk.h"

#define SIM_NAME_MAX 64 /* a longer name is refused: no store makes one */
#define SIM_FILE_MAX (1u << 30)
#define SIM_SECTOR   512u
#define SIM_ROOT     0u /* inode index of the root directory */

/* Bytes, shared between disks; written to only by the one owner. */
struct sim_blob {
    unsigned refs;
    size_t len;
    uint8_t data[];
};

struct sim_entry {
    char name[SIM_NAME_MAX];
    size_t inode;
};

struct sim_dir {
    struct sim_entry *entries;
    size_t count, cap;
};

struct sim_range {
    uint64_t off;
    size_t len;
};

/* A file or directory that ever was; its index never changes, also not in copies. */
struct sim_inode {
    int is_dir;
    size_t opens;
    int linked;            /* has a name now */
    uint64_t size;         /* now */
    struct sim_blob *base; /* a file's durable bytes; NULL: none */
    struct sim_dir dir;    /* a directory's durable entries */
    struct sim_range mapped[4]; /* parts that were mapped at any time, */
    size_t mapped_count;
    char *map_path;             /* and where it was opened */
};

enum sim_kind { SIM_WRITE, SIM_TRUNCATE, SIM_CREATE, SIM_UNLINK, SIM_RENAME };

/* A pending operation. */
struct sim_pending {
    enum sim_kind kind;
    int lost;              /* a write whose sync failed */
    size_t inode;          /* what is written or named */
    uint64_t off;          /* WRITE: where; TRUNCATE: the new size */
    struct sim_blob *data; /* WRITE: bytes [skip, skip + len) of it */
    size_t skip, len;
    size_t dir, to_dir;    /* of entries; to_dir: RENAME */
    char name[SIM_NAME_MAX], to_name[SIM_NAME_MAX];
};

struct sim_map {
    void *addr;
    size_t len;
    const cubby_vfs *mem;
};

struct sim_fault {
    uint64_t at; /* 0: none */
    int neg_errno;
    enum sim_fail mode;
};

struct sim {
    cubby_vfs vfs;
    pthread_mutex_t mutex; /* recursive: a hook may look at the disk */
    struct cubby__memfs **memfs; /* the last one is in use; the others are what dead processes had open or mapped */
    size_t memfs_count, memfs_cap;
    const cubby_vfs *mem; /* what a running process sees */
    uint64_t seed;

    struct sim_inode *inodes;
    size_t inode_count, inode_cap;
    size_t *by_number; /* memfs inode number -> index + 1 */
    size_t number_cap;
    struct sim_pending *pending; /* in the order of time */
    size_t pending_count, pending_cap;

    cubby_file *files; /* open, in a list */
    struct sim_map *maps;
    size_t map_count, map_cap;
    uint64_t ops, calls, crash_at, space;
    int crashed;
    struct sim_fault fail_op, fail_call;
    sim_op_fn on_op;
    void *on_op_arg;
};

void *sim_alloc(size_t n);
void *sim_grow(void *array, size_t count, size_t *cap, size_t size);
uint64_t sim_random(uint64_t *state);

struct sim_blob *sim_blob_new(size_t len); /* zeros */
struct sim_blob *sim_blob_ref(struct sim_blob *b);
void sim_blob_unref(struct sim_blob *b);
/* b with exactly this length, safe to write to: a copy if it is shared. */
struct sim_blob *sim_blob_own(struct sim_blob *b, size_t len);

size_t sim_add_inode(struct sim *s, int is_dir);
void sim_new_memfs(struct sim *s); /* empty, and in use from now on */
void sim_bind(struct sim *s, const char *path, size_t inode); /* this path of s->mem is that inode */
void sim_set_clock(struct sim *s, int64_t now_ns); /* a second later, if that is not in its past */
size_t sim_inode_of(const struct sim *s, uint64_t number);
int sim_find(struct sim *s, const char *path, size_t *inode); /* 1: it is there */
void sim_dir_set(struct sim_dir *d, const char *name, size_t inode);
void sim_dir_clear(struct sim_dir *d, const char *name, size_t inode); /* if it is that one */
/* The file's pending writes and truncates are on disk; or none of its writes ever will be for sure. */
void sim_make_durable(struct sim *s, size_t inode);
void sim_lose_writes(struct sim *s, size_t inode);
/* The directory's entries are on disk. */
void sim_make_entries_durable(struct sim *s, size_t dir);
/* Adds a pending operation, a copy with its own reference to data. */
void sim_add_pending(struct sim *s, const struct sim_pending *op);

#endif
