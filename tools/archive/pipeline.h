/* pipeline.h - messages of archives, cut by one thread, parsed, hashed and compressed by several, handed out in the order of the archives.
 *
 *     reader thread --raw bytes--> workers --cubby_message--> the caller, who adds them to folders
 *
 * Memory is bounded: so many messages and so many bytes are on their way at most; a message of more than PIPELINE_BIG bytes is never
 * whole in memory, one worker takes it as it is read. */
#ifndef CUBBY_TOOLS_PIPELINE_H
#define CUBBY_TOOLS_PIPELINE_H

#include "archive/letter.h"
#include "archive/reader.h"
#include "archive/tree.h"
#include "cubby.h"

#define PIPELINE_BIG (2u << 20)

enum {
    JOB_FOLDER,  /* a folder of an archive begins */
    JOB_MESSAGE,
    JOB_FAILED   /* a message that is not whole, or an archive that is none or could not be read (item.number 0) */
};

/* A folder of an archive, and where it goes. Lives as long as the pipeline. */
struct target {
    struct target *next;
    const struct tree_file *file; /* the archive */
    const char *folder;           /* path in the store */
    uint32_t special_use, uidvalidity; /* 0: unknown */
    uint64_t uidnext;
    _Atomic uint64_t id;          /* the caller's, and workers look at it too: the folder in the store, 0 at first */
};

struct job {
    int kind;
    struct target *target; /* of JOB_FAILED it may be NULL */
    const struct tree_file *file;
    const struct reader_options *options; /* that the archive was opened with */
    struct reader_item item;
    char reason[320]; /* of JOB_FAILED */
    /* of JOB_MESSAGE */
    int big;              /* letter.p is NULL; its bytes are gone */
    size_t skip;          /* bytes of a block before the message, taken off */
    struct letter letter;
    int fed;              /* message holds it */
    cubby_message *message;
    int code;             /* why it could not be fed: CUBBY_E..., with error */
    cubby_error error;
    char *note;           /* what it lost on its way, NULL: nothing */
    /* of the pipeline */
    int state;
    uint8_t *raw;
    size_t raw_len, raw_cap;
};

struct pipeline_options {
    cubby_store *store; /* NULL: messages are only decoded */
    const struct tree *tree;
    struct reader_options reader;
    int labels; /* LABELS_... */
    /* Asked by workers, at the same time: non-zero leaves the message unfed, because it is likely not needed. May be NULL. */
    int (*known)(void *arg, const struct job *job);
    void *arg;
};

struct pipeline;

struct pipeline *pipeline_start(const struct pipeline_options *o);
/* The next job, to be released; 1 at the end, 2 if there was none within timeout_ms. */
int pipeline_next(struct pipeline *p, int timeout_ms, struct job **out);
void pipeline_release(struct pipeline *p, struct job *job);
/* Bytes of files read so far. */
uint64_t pipeline_taken(struct pipeline *p);
/* Ends the threads, wherever they are. Before the store is closed. */
void pipeline_stop(struct pipeline **p);

/* Where a message or archive is, for reports. */
const char *job_source(const struct job *job);
/* Feeds a message that lies in memory. 0 or an error code. */
int pipeline_feed(cubby_store *store, struct job *job);

#endif
