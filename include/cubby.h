/* cubby.h - a mailbox storage engine: the whole public interface of libcubby.
 *
 * A store is a directory. It holds the folders and messages of one account (or of one tree of shared folders), with flags, uids,
 * modseqs and tombstones, as IMAP (RFC 9051, 3501, 7162), POP3 (RFC 1939) and JMAP (RFC 8620, 8621) servers need them.
 *
 * In short
 *     store a message   cubby_open, cubby_message_new, _write, _finish; cubby_txn_begin, cubby_folder_find, cubby_add, cubby_txn_commit
 *     list a folder     cubby_snapshot_begin, cubby_folder_find, cubby_scan_open, cubby_scan_next, cubby_header_next
 *     read a message    cubby_reader_open, cubby_reader_read
 *     what has changed  cubby_changes_open with the modseq of the last time, cubby_changes_next; then keep cubby_snapshot_modseq
 *     change something  cubby_uidset_parse; cubby_txn_begin, cubby_flag, cubby_copy, cubby_move, cubby_expunge, cubby_txn_commit
 * Whole programs: examples/deliver.c, headers.c, sync.c.
 *
 * Conventions
 *  1. Every function that can fail returns an int: 0 is success, 1 (CUBBY_DONE) the end of an iteration or "nothing there" where
 *     the function says so, a negative CUBBY_E... code an error. The detail of the last error of a store, whichever thread made
 *     it, is read with cubby_last_error.
 *  2. Results come through pointers. On an error they are not touched unless said otherwise.
 *  3. The caller owns every handle that it is given and ends it: with the function of its kind called _end, _close, _free, _commit or
 *     _abort, which takes its address and sets it to NULL; passing the address of NULL is allowed. What was made from a handle ends
 *     before it: scans, changes and readers before their snapshot; snapshots, transactions and messages before their store.
 *  4. Memory reached through a result is borrowed from the handle that gave it and lives until that handle's next call, or
 *     longer where said. The library keeps no pointer to a caller's memory after a call returns, unless said otherwise.
 *  5. Threads: a cubby_store may be used by any number of threads at once. Every other handle belongs to one thread at a time.
 *     Processes: any number may read the same store; 448 handles at a time may be attached to it, as all that write are. fork: a child may only
 *     exec, or call cubby_atfork_child for each store that was open.
 *  6. The library never prints, exits, aborts, installs signal handlers or starts threads.
 *  7. Times are seconds since 1970-01-01T00:00:00Z; sizes are bytes; strings are NUL-terminated UTF-8 unless they have a length.
 */
#ifndef CUBBY_H
#define CUBBY_H

#include <stddef.h>
#include <stdint.h>

#include "cubby_vfs.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CUBBY_VERSION_MAJOR 0
#define CUBBY_VERSION_MINOR 1
#define CUBBY_VERSION_PATCH 0

/* "0.1.0", of the library in use. Static. */
CUBBY_EXTERN const char *cubby_version(void);

/* ---- errors --------------------------------------------------------------------------------------------------------------- */

enum {
    CUBBY_OK = 0,
    CUBBY_DONE = 1,           /* end of an iteration; nothing to do */
    CUBBY_EIO = -1,           /* the system failed to read, write or sync */
    CUBBY_ECORRUPT = -2,      /* bytes of the store do not verify: other messages stay readable */
    CUBBY_ENOENT = -3,        /* no such store, folder, message or part */
    CUBBY_EEXIST = -4,        /* it is there already */
    CUBBY_EINVAL = -5,        /* an argument breaks a documented rule; nothing was done */
    CUBBY_ELIMIT = -6,        /* a documented limit would be passed */
    CUBBY_EBUSY = -7,         /* somebody else held the writer lock, or was opening the store, for longer than lock_timeout_ms; cubby_open says more */
    CUBBY_ESTALE = -8,        /* the snapshot is too old and was revoked: begin a new one; or the store was removed or moved: open anew */
    CUBBY_ENOSPC = -9,        /* no space left for the store */
    CUBBY_ENOMEM = -10,       /* out of memory */
    CUBBY_EACCES = -11,       /* not permitted, or the handle is read-only */
    CUBBY_ENOTSTORE = -12,    /* the directory is not a cubby store */
    CUBBY_EVERSION = -13,     /* a store of another format version, or with features that this library does not know */
    CUBBY_ELATCHED = -14,     /* a write or sync of the log failed; nothing of this call happened. A transaction begun later recovers the log first */
    CUBBY_EUNKNOWN = -15,     /* this commit's outcome is unknown: its sync failed. The next transaction of anybody settles it: begin one, look */
    CUBBY_EHASCHILD = -16,    /* the folder has subfolders */
    CUBBY_ECANCEL = -17,      /* a callback asked to stop */
    CUBBY_ECONFLICT = -18     /* a condition on the present state does not hold */
};

typedef struct cubby_error {
    int code;          /* CUBBY_E... */
    int sys_errno;     /* errno of the system call that failed, or 0 */
    uint64_t offset;   /* where in the file, in bytes; UINT64_MAX: nowhere in particular */
    char path[256];    /* the file, or "" (only its end if it is long) */
    char message[256]; /* one line, without path and offset */
} cubby_error;

/* A short name for a code ("no such store, folder or message"). Static. */
CUBBY_EXTERN const char *cubby_strerror(int code);

/* ---- memory --------------------------------------------------------------------------------------------------------------- */

typedef struct cubby_allocator {
    void *(*malloc)(size_t n);
    void *(*realloc)(void *p, size_t n);
    void (*free)(void *p);
} cubby_allocator;

/* Replaces the allocator of the whole library (NULL: the C library's). Call it before anything else, once. */
CUBBY_EXTERN void cubby_set_allocator(const cubby_allocator *a);

/* ---- stores --------------------------------------------------------------------------------------------------------------- */

typedef struct cubby_store cubby_store;
typedef struct cubby_snapshot cubby_snapshot;
typedef struct cubby_txn cubby_txn;
typedef struct cubby_message cubby_message;
typedef struct cubby_reader cubby_reader;
typedef struct cubby_scan cubby_scan;
typedef struct cubby_changes cubby_changes;
typedef struct cubby_uidset cubby_uidset;

/* Told about things that an operator should know and that are no error of a call: a torn tail dropped, damage found. Called by whichever
 * thread is in a call, with locks held: it must not call the library. line lives as long as the call. */
typedef void (*cubby_notice_fn)(void *arg, const char *line);

/* Long work reports (done, total) in items: segments, messages; total 0 is "unknown". Called by the thread that does the work. A non-zero return
 * cancels (CUBBY_ECANCEL). */
typedef int (*cubby_progress_fn)(void *arg, uint64_t done, uint64_t total);

typedef struct cubby_options {
    unsigned version;          /* CUBBY_OPTIONS_VERSION */
    unsigned flags;            /* CUBBY_READ_ONLY, ... */
    uint32_t lock_timeout_ms;  /* how long to wait for other handles, of any process, to give up the writer lock, or to have opened the store (to
                                * rebuild the index may take them long; a reader then does without them); 0: the default, 10 s; UINT32_MAX: do not wait.
                                * Threads of one handle wait for each other as long as it takes */
    uint32_t cache_bytes;      /* bound of the index page cache of this handle; 0: the default, 16 MiB */
    uint64_t segment_bytes;    /* capacity of a log segment; 0: the default, an eighth of the live bytes, 1 MiB to 64 MiB */
    uint32_t checkpoint_bytes; /* log bytes (bodies left out) between index checkpoints; 0: the default, 256 KiB, and 32 KiB at a clean stop */
    const cubby_vfs *vfs;      /* NULL: POSIX. Borrowed; must outlive the store */
    cubby_notice_fn notice;    /* may be NULL */
    void *notice_arg;
    cubby_progress_fn progress; /* of a rebuild during open; called with 0, 0 while a lock is waited for; may be NULL */
    void *progress_arg;
    uint32_t snapshot_max_ms;  /* what this handle writes may end older snapshots of anybody (ESTALE); 0: the default, 60 s; UINT32_MAX: never */
} cubby_options;

#define CUBBY_OPTIONS_VERSION 1
#define CUBBY_OPTIONS_INIT    {CUBBY_OPTIONS_VERSION, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 0}

enum {
    CUBBY_READ_ONLY = 1,  /* write nothing, not even an index: what it lacks is replayed in memory */
    CUBBY_CREATE = 2,     /* cubby_open: make the store if it is missing */
    CUBBY_REBUILD = 4,    /* cubby_open: throw the index away and build it anew */
    CUBBY_ON_NETWORK = 8  /* open even on NFS, SMB and the like, where locks and caches may not keep their word */
};

/* Makes an empty store with the folder INBOX at path, which must not exist or must be an empty directory, or one that an
 * interrupted cubby_create left. options may be NULL; err (may be NULL) gets the detail. It does not look whether that is on a network file system:
 * cubby_open does.
 * EEXIST: there is a store. EINVAL: something else is there. ENOTSTORE: there was one, whose cubby.id is missing; nothing is touched. */
CUBBY_EXTERN int cubby_create(const char *path, const cubby_options *options, cubby_error *err);

/* Opens a store; owner: the caller, ends with cubby_close. If path is relative, the working directory must stay while the store is open: files are
 * looked up again. Recovers from an unclean stop if this is the first handle on it and it
 * may write. Without write permission, or without the space that a recovery takes, it opens as with CUBBY_READ_ONLY (see cubby_is_read_only).
 * ENOENT, ENOTSTORE, EVERSION, EACCES, ECORRUPT (cubby.id, or no segment with a readable header), EIO. EINVAL: on a network file system, without
 * CUBBY_ON_NETWORK. EBUSY: somebody else has been opening it for too long; or, for a handle that writes, as many as can be (448) are attached, or the
 * store is open in another directory, too, into which cubby.id is hard-linked. */
CUBBY_EXTERN int cubby_open(const char *path, const cubby_options *options, cubby_store **out, cubby_error *err);

/* Ends a handle; all its snapshots, transactions and messages must have ended. The store is left cleanly stopped if this was the
 * last handle. The first error met is returned, the handle is gone all the same; no acknowledged commit depends on it. */
CUBBY_EXTERN int cubby_close(cubby_store **store);

/* In a child of fork, for a handle that its parent had opened: frees it without a trace. All else that a child asks of such a handle, or of what was
 * made from it, is refused at once (EINVAL), and the parent never notices; what ends one frees it. As long as the child neither calls this nor execs
 * nor ends, the locks of the parent stay taken. Elsewhere, and for NULL, it does nothing. */
CUBBY_EXTERN void cubby_atfork_child(cubby_store **store);

/* 1 if nothing can be written through this handle: as asked, not permitted, or no space to recover or to share it. */
CUBBY_EXTERN int cubby_is_read_only(const cubby_store *store);

/* Copies the detail of the last error on this store by any thread. */
CUBBY_EXTERN void cubby_last_error(cubby_store *store, cubby_error *out);

/* Makes every commit so far that this handle can see durable, lazy ones too. Not by a thread that has a transaction open; likewise cubby_checkpoint
 * and cubby_close. EIO, EBUSY. */
CUBBY_EXTERN int cubby_sync(cubby_store *store);

/* Makes the index durable now, so that the next open replays nothing. Never needed for safety. EIO, EBUSY, EACCES. */
CUBBY_EXTERN int cubby_checkpoint(cubby_store *store);

typedef struct cubby_stat {
    uint8_t uuid[16];           /* of this store */
    uint64_t folders;           /* INBOX included */
    uint64_t messages;          /* entries in all folders */
    uint64_t objects;           /* messages, each counted once however many folders it is in */
    uint64_t original_bytes;    /* of those objects, as they came */
    uint64_t segments;          /* files */
    uint64_t segment_bytes;     /* their accepted bytes */
    uint64_t live_bytes;        /* of these, of messages that are in a folder */
    uint64_t dead_bytes;        /* records that a later one replaced, and what damage left */
    uint64_t retained_bytes;    /* of expunged messages that are kept for a while */
    uint64_t index_bytes;       /* size of the index file */
    uint64_t index_free_bytes;  /* of these, in pages that hold nothing */
    uint64_t last_commit;       /* modseq of the store */
    uint64_t checkpoint_commit; /* what the last index checkpoint holds */
    uint64_t pages_written;     /* index pages written by this handle, for measuring */
    uint64_t syncs;             /* sync calls by this handle, for measuring */
    uint64_t body_reads;        /* reads of body pieces by this handle: a header scan leaves it as it is */
} cubby_stat;

/* Of the last commit. Takes time in proportion to the messages: looks at a row of the index for each. ESTALE: the store was removed or moved. */
CUBBY_EXTERN int cubby_store_stat(cubby_store *store, cubby_stat *out);

/* ---- snapshots ------------------------------------------------------------------------------------------------------------- */

/* One unchanging view of the whole store: all commits up to one modseq. O(1), never waits for writers. Meant for one command of a session, not for
 * the session: that keeps a modseq and asks cubby_changes_open for the difference.
 * A snapshot that is older than a minute (cubby_options.snapshot_max_ms of whoever writes) and holds back more than an eighth of the index (4 MiB at
 * least) may be revoked: what is then asked of it gives ESTALE; end it and begin another. So do snapshots of a read-only handle that began when
 * nobody else had the store open, or that may not write cubby.id, if somebody has written since.
 * EBUSY, of a handle that writes: the index is gone, and whoever holds the writer lock does not build another in time. */
CUBBY_EXTERN int cubby_snapshot_begin(cubby_store *store, cubby_snapshot **out);
CUBBY_EXTERN void cubby_snapshot_end(cubby_snapshot **snap);
/* Of the last commit in it: everything that has changed since has a higher one. Of a transaction's that has changed something: cubby_txn_modseq, which is
 * somebody else's if that is aborted: keep only what cubby_txn_commit returns. */
CUBBY_EXTERN uint64_t cubby_snapshot_modseq(const cubby_snapshot *snap);

/* ---- folders ---------------------------------------------------------------------------------------------------------------- */

/* Special uses (RFC 6154, RFC 8457), a bit each. */
enum {
    CUBBY_USE_ALL = 1,
    CUBBY_USE_ARCHIVE = 2,
    CUBBY_USE_DRAFTS = 4,
    CUBBY_USE_FLAGGED = 8,
    CUBBY_USE_JUNK = 16,
    CUBBY_USE_SENT = 32,
    CUBBY_USE_TRASH = 64,
    CUBBY_USE_IMPORTANT = 128
};

/* A name is one component: 1 to 255 bytes of UTF-8, brought into NFC, no control characters, depth at most 64. The engine knows no separator.
 * At the top level INBOX is recognised in any case and always there. A folder whose name is another's (only damage does that) is called by it with ~
 * and the folder's id behind, and that may be up to CUBBY_FOLDER_NAME_MAX bytes. */
#define CUBBY_FOLDER_NAME_MAX 276

typedef struct cubby_folder {
    uint64_t id;            /* never given twice; stays over renames (MAILBOXID, RFC 8474) */
    uint64_t parent;        /* CUBBY_ROOT at the top */
    const char *name;       /* borrowed from the iterator or snapshot call that filled this in; see there */
    size_t name_len;
    uint32_t special_use;   /* CUBBY_USE_... */
    uint32_t uidvalidity;
    uint64_t uidnext;       /* up to 2^32: then the folder is full */
    uint32_t recent_uid;    /* uids below it are not \Recent any more. In a full folder the last uid, 2^32 - 1, stays \Recent */
    uint64_t highestmodseq; /* RFC 7162: rises with every new, changed or expunged message and every annotation of the folder */
    uint64_t props_modseq;  /* of the last change of name, parent, special use or uidvalidity */
    uint64_t created_modseq;
    uint64_t messages, unseen, deleted; /* deleted: with the flag \Deleted */
    uint64_t bytes;         /* sum of RFC822.SIZE */
    uint64_t deleted_bytes;
    uint64_t tombstone_floor; /* below it expunges are known without their modseq */
} cubby_folder;

#define CUBBY_ROOT 0u

/* What a folder of this name below `parent` is called: in NFC, and INBOX at the top level. out has 256 bytes and gets a NUL behind the name;
 * *out_len is 0 on failure. EINVAL: it cannot be a name. ENOMEM. */
CUBBY_EXTERN int cubby_folder_name(uint64_t parent, const char *name, size_t name_len, char *out, size_t *out_len);

/* By id, or by parent and name (name_len bytes; in any Unicode form, INBOX in any case). CUBBY_DONE if there is none. out->name lives until the
 * snapshot's next folder call. */
CUBBY_EXTERN int cubby_folder_get(cubby_snapshot *snap, uint64_t id, cubby_folder *out);
CUBBY_EXTERN int cubby_folder_find(cubby_snapshot *snap, uint64_t parent, const char *name, size_t name_len, cubby_folder *out);

/* The child of parent whose name comes first behind `after` in byte order (after_len 0: the first of all). CUBBY_DONE at the end. `after` may be
 * the name that the last call gave (all of it): so a loop walks all children, each once. */
CUBBY_EXTERN int cubby_folder_next(cubby_snapshot *snap, uint64_t parent, const char *after, size_t after_len, cubby_folder *out);

/* Subscriptions are names that need not exist. A path is its components, each followed by one NUL byte. cubby_subscription_next gives
 * the first path behind `after` in byte order; *path lives until the next folder call on the snapshot. CUBBY_DONE at the end. */
CUBBY_EXTERN int cubby_subscription_next(cubby_snapshot *snap, const char *after, size_t after_len, const char **path, size_t *path_len);

/* Annotations of a folder (RFC 5464): named values. A name is ASCII like "/shared/comment", the same in any case, 2 to 200 bytes, each component
 * at least one, without '*' and '%'; a value is up to CUBBY_ANNOTATION_MAX bytes of any kind. They go with their folder. */
#define CUBBY_ANNOTATION_MAX 1000
/* DONE: there is none. *value lives until the snapshot's next annotation call. */
CUBBY_EXTERN int cubby_annotation_get(cubby_snapshot *snap, uint64_t folder, const char *entry, const void **value, size_t *len);
/* The first whose name comes behind `after` in byte order (NULL: of all). Both live until that, too. DONE at the end. */
CUBBY_EXTERN int cubby_annotation_next(cubby_snapshot *snap, uint64_t folder, const char *after, const char **entry, const void **value, size_t *len);

/* ---- flags ------------------------------------------------------------------------------------------------------------------ */

/* System flags (RFC 9051 2.3.2). \Recent is not one: see recent_uid. */
enum { CUBBY_SEEN = 1, CUBBY_ANSWERED = 2, CUBBY_FLAGGED = 4, CUBBY_DELETED = 8, CUBBY_DRAFT = 16 };
#define CUBBY_FLAGS_ALL 31u

/* Keywords are ASCII atoms (RFC 9051), equal whatever their case, 1 to 255 bytes; the first spelling is kept. At most 1,024 a
 * store. A keyword has a number, 1 to 1,024, for ever. */
CUBBY_EXTERN int cubby_keyword_name(cubby_snapshot *snap, uint16_t id, const char **out); /* DONE: unknown; lives as long as snap */
CUBBY_EXTERN int cubby_keyword_find(cubby_snapshot *snap, const char *name, uint16_t *out); /* DONE: no message ever had it */

/* ---- uid sets ---------------------------------------------------------------------------------------------------------------- */

/* A set of uids as ascending, disjoint, non-adjacent ranges; it belongs to no store. Empty at first; ends with cubby_uidset_free. */
CUBBY_EXTERN int cubby_uidset_new(cubby_uidset **out);
/* IMAP's sequence-set of uids ("1:5,9,12:*"); `*` is `max`, the highest uid in use (0: there is none). EINVAL for anything else. */
CUBBY_EXTERN int cubby_uidset_parse(const char *text, uint32_t max, cubby_uidset **out);
/* first to last, both included; in any order of calls. EINVAL: first is 0 or above last. */
CUBBY_EXTERN int cubby_uidset_add(cubby_uidset *set, uint32_t first, uint32_t last);
CUBBY_EXTERN int cubby_uidset_has(const cubby_uidset *set, uint32_t uid); /* 1: it does */
CUBBY_EXTERN uint64_t cubby_uidset_count(const cubby_uidset *set);        /* uids */
CUBBY_EXTERN size_t cubby_uidset_ranges(const cubby_uidset *set);         /* ranges */
/* Range i, from 0 on; 0 and 0 if there is none. */
CUBBY_EXTERN void cubby_uidset_range(const cubby_uidset *set, size_t i, uint32_t *first, uint32_t *last);
/* "1:5,9"; owner: the caller, ends with free() of the allocator in use (cubby_string_free). */
CUBBY_EXTERN int cubby_uidset_format(const cubby_uidset *set, char **out);
CUBBY_EXTERN void cubby_uidset_free(cubby_uidset **set);
CUBBY_EXTERN void cubby_string_free(char **s);

/* ---- header-only scans -------------------------------------------------------------------------------------------------------- */

/* What a scan gives beside what the index holds; each costs a read. None reads a body. */
enum {
    CUBBY_WANT_OBJECT = 1, /* hash, original size, line endings, part count */
    CUBBY_WANT_LIST = 2,   /* the list fields of the header: Date From To Subject Message-ID References Content-* ... (cubby_is_list_field) */
    CUBBY_WANT_HEADER = 4, /* the whole header, as it came (but see CUBBY_HAS_LONG_HEADER) */
    CUBBY_WANT_PARTS = 8   /* the MIME structure */
};

typedef struct cubby_scan_options {
    unsigned version;          /* CUBBY_SCAN_VERSION */
    unsigned want;             /* CUBBY_WANT_... */
    const cubby_uidset *uids;  /* NULL: all. Borrowed until the scan is closed */
    uint64_t since;            /* only modseq > since (0: all) */
    uint32_t flags_set;        /* only messages with all of these system flags */
    uint32_t flags_clear;      /* ... and with none of these */
    int reverse;               /* highest uid first */
    uint64_t limit;            /* at most so many rows (0: no limit) */
} cubby_scan_options;

#define CUBBY_SCAN_VERSION 1
#define CUBBY_SCAN_INIT    {CUBBY_SCAN_VERSION, 0, NULL, 0, 0, 0, 0, 0}

enum { CUBBY_EOL_NONE = 0, CUBBY_EOL_LF = 1, CUBBY_EOL_CRLF = 2, CUBBY_EOL_MIXED = 3 };
enum {
    CUBBY_HAS_NUL = 1,
    CUBBY_HAS_8BIT_HEADER = 2,
    CUBBY_HAS_8BIT_BODY = 4,
    CUBBY_HAS_BARE_CR = 8,
    CUBBY_HAS_LONG_LINE = 16,  /* > 998 */
    CUBBY_HAS_LONG_HEADER = 32 /* list_header and header are of its beginning alone: 256 KiB, or 128 KiB if more of that are no list fields. A reader
                                  has all header_len bytes */
};

/* One part of a message. Offsets count bytes of the message as it came. Parts stand in the order of the message, the message itself
 * first; a part's children follow it. */
typedef struct cubby_part {
    uint32_t parent;         /* index of the part that it is in; its own index for the first */
    uint16_t depth;          /* 0 for the first */
    uint8_t kind;            /* CUBBY_PART_... */
    uint8_t encoding;        /* CUBBY_CTE_..., as the header says */
    uint64_t header_offset, header_len; /* header_len counts the empty line */
    uint64_t body_offset, body_len;
    uint64_t body_lines;
    const char *fields;      /* the part's own Content-* fields, raw; for the first part the list fields have them */
    size_t fields_len;
} cubby_part;

enum { CUBBY_PART_LEAF = 0, CUBBY_PART_MULTIPART = 1, CUBBY_PART_MESSAGE = 2 /* message/rfc822 or message/global: one child */ };
enum {
    CUBBY_CTE_7BIT = 0, CUBBY_CTE_8BIT = 1, CUBBY_CTE_BINARY = 2, CUBBY_CTE_QP = 3, CUBBY_CTE_BASE64 = 4, CUBBY_CTE_OTHER = 5
};

typedef struct cubby_row {
    uint32_t uid;
    uint32_t flags;            /* CUBBY_SEEN ... */
    const uint16_t *keywords;  /* ascending numbers */
    size_t keyword_count;
    uint64_t modseq;           /* of the last change */
    uint64_t created_modseq;   /* of its coming into this folder */
    int64_t internaldate;
    int16_t internaldate_zone; /* minutes east of UTC */
    int64_t save_date;         /* when it came into this folder (RFC 8514) */
    int64_t sent_date;         /* the Date field, or internaldate if the list fields have no sensible one */
    uint64_t size;             /* RFC822.SIZE: with CRLF line ends */
    uint64_t object;           /* the immutable message (EMAILID, RFC 8474): the same in every folder that it was copied to */
    /* with CUBBY_WANT_OBJECT */
    uint8_t hash[16];          /* XXH3-128 of the bytes as they came, canonical byte order; not an identity */
    uint64_t original_size;    /* bytes as they came */
    uint64_t header_len;       /* of these, the header, with the empty line */
    uint8_t eol;               /* CUBBY_EOL_... */
    uint8_t traits;            /* CUBBY_HAS_...; also with each of the following */
    /* with CUBBY_WANT_LIST, CUBBY_WANT_HEADER, CUBBY_WANT_PARTS */
    const char *list_header;
    size_t list_header_len;
    const char *header;
    size_t header_bytes_len;
    const cubby_part *parts;
    size_t part_count;
    int damage;                /* CUBBY_OK, or why what was wanted of this message could not be read; the row is valid without it */
} cubby_row;

/* The messages of a folder by ascending uid. options may be NULL: everything, nothing extra. ENOENT: no such folder. */
CUBBY_EXTERN int cubby_scan_open(cubby_snapshot *snap, uint64_t folder, const cubby_scan_options *options, cubby_scan **out);
/* The next row, or CUBBY_DONE. What it points to lives until the next call. */
CUBBY_EXTERN int cubby_scan_next(cubby_scan *scan, const cubby_row **out);
CUBBY_EXTERN void cubby_scan_close(cubby_scan **scan);

/* One row; CUBBY_DONE if the uid is not there, ENOENT if the folder is not. Lives until the next cubby_row_get on the snapshot. */
CUBBY_EXTERN int cubby_row_get(cubby_snapshot *snap, uint64_t folder, uint32_t uid, unsigned want, const cubby_row **out);

/* Header bytes field by field, of a row's list_header or header. *pos starts at 0; name and value are borrowed from `header`; the value starts
 * behind the colon, mostly with a space, and keeps its folding but not its last line end. CUBBY_DONE at the end. Lines that are no field are
 * passed over. */
CUBBY_EXTERN int cubby_header_next(const char *header, size_t header_len, size_t *pos, const char **name, size_t *name_len, const char **value,
                                   size_t *value_len);
/* 1 if a field of this name (any case) is among the list fields. */
CUBBY_EXTERN int cubby_is_list_field(const char *name, size_t name_len);
/* A date of RFC 5322 (obsolete forms too): seconds since 1970 UTC, and the zone in minutes east of it; either may be NULL. EINVAL if it is none. */
CUBBY_EXTERN int cubby_date_parse(const char *text, size_t len, int64_t *seconds, int16_t *zone_minutes);

/* ---- reading a message ---------------------------------------------------------------------------------------------------------- */

/* A positional reader; ends before the snapshot does. CUBBY_DONE if the uid is not there, ENOENT if the folder is not. */
CUBBY_EXTERN int cubby_reader_open(cubby_snapshot *snap, uint64_t folder, uint32_t uid, cubby_reader **out);
CUBBY_EXTERN uint64_t cubby_reader_size(const cubby_reader *r); /* bytes as they came */
CUBBY_EXTERN const uint8_t *cubby_reader_hash(const cubby_reader *r); /* 16 bytes */
/* Its MIME structure; lives as long as r. NULL and 0: it cannot be read, cubby_last_error says why. */
CUBBY_EXTERN const cubby_part *cubby_reader_parts(const cubby_reader *r, size_t *count);
/* Up to n bytes from offset, as they came; reads only the pieces that hold them. *got < n only at the end. ECORRUPT: a piece does not
 * verify; *got bytes before it are good. */
CUBBY_EXTERN int cubby_reader_read(cubby_reader *r, uint64_t offset, void *buf, size_t n, size_t *got);
/* Reads the whole message and compares its hash. ECORRUPT if it is not what came in. */
CUBBY_EXTERN int cubby_reader_verify(cubby_reader *r);
CUBBY_EXTERN void cubby_reader_close(cubby_reader **r);

/* ---- storing a message ------------------------------------------------------------------------------------------------------------ */

/* Bytes of a message on their way in: parsed, hashed and compressed as they come, in bounded memory, with no lock held. A finished
 * message may be added to folders by transactions of the same store, and may be handed to another thread for that. Ends with
 * cubby_message_free, also after it was added. */
CUBBY_EXTERN int cubby_message_new(cubby_store *store, cubby_message **out);
/* The next n bytes, whatever they are; as many calls as you like. After EIO, ENOMEM or ENOSPC (a large message is put by in the store's directory)
 * every call gives the same error until cubby_message_reset. */
CUBBY_EXTERN int cubby_message_write(cubby_message *m, const void *data, size_t n);
/* There is no more: EINVAL for a write from now on. Nothing is in the store yet. */
CUBBY_EXTERN int cubby_message_finish(cubby_message *m);
/* Of a finished message; before that 0 and NULL. What is pointed to lives until reset. */
CUBBY_EXTERN uint64_t cubby_message_size(const cubby_message *m);       /* bytes as they came */
CUBBY_EXTERN const uint8_t *cubby_message_hash(const cubby_message *m); /* 16 bytes, as in cubby_row */
CUBBY_EXTERN const char *cubby_message_list_header(const cubby_message *m, size_t *len); /* as in cubby_row */
/* Back to empty, memory kept: for the next message. */
CUBBY_EXTERN void cubby_message_reset(cubby_message *m);
CUBBY_EXTERN void cubby_message_free(cubby_message **m);

/* ---- transactions ------------------------------------------------------------------------------------------------------------------ */

enum {
    CUBBY_LAZY = 1 /* only cubby_flag and cubby_recent_claim: visible at once, durable with the next sync of anybody (see cubby_changes_open) */
};

/* Waits for the writer lock. From here to commit or abort nobody else writes: stream messages in before. A thread that has a transaction must not
 * begin another one of the same store: it would wait for itself. EBUSY, EACCES (read-only), ELATCHED, ENOSPC. */
CUBBY_EXTERN int cubby_txn_begin(cubby_store *store, unsigned flags, cubby_txn **out);

/* Everything that the transaction did, or nothing. Returns when it is on stable storage and visible to all; threads that commit at
 * the same time share one sync. *modseq (may be NULL) is the commit's number; if nothing was changed, that of the last commit. The
 * handle is gone whatever is returned. EIO, ENOSPC: nothing happened. EUNKNOWN: see there. */
CUBBY_EXTERN int cubby_txn_commit(cubby_txn **txn, uint64_t *modseq);
CUBBY_EXTERN void cubby_txn_abort(cubby_txn **txn);

/* The state with the transaction's own changes; borrowed, ends with it, and must not be ended. Scans, changes and readers over it end before the
 * next change. It is built on commits of other threads that may still wait for their sync: nothing of it may be told to anybody before cubby_txn_commit has
 * returned 0 (also if nothing was changed), and after an abort never. */
CUBBY_EXTERN cubby_snapshot *cubby_txn_snapshot(cubby_txn *txn);
/* The modseq that everything changed here will have. */
CUBBY_EXTERN uint64_t cubby_txn_modseq(const cubby_txn *txn);

/* Each of the following leaves the transaction as it was if it fails, except for EIO, ENOMEM, ENOSPC and ECORRUPT, after which only
 * abort is allowed. Reading goes on in any case; but of what then failed a part may be there: a folder may be without its name, and so in no list.
 * ENOENT everywhere: there is no folder of that id. */

/* *id (may be NULL) gets its id. EEXIST, EINVAL (name), ELIMIT (depth, uidvalidities, the names of all folders:
 * 30,000 of 20 bytes, see cubby_subscribe), ENOENT (parent). */
CUBBY_EXTERN int cubby_folder_create(cubby_txn *txn, uint64_t parent, const char *name, size_t name_len, uint64_t *id);
/* New name, new parent, or both, of the folder with all that is below it; ids, uids and modseqs stay. EEXIST; EINVAL (name, INBOX, into itself);
 * ELIMIT (depth, the names of all folders). */
CUBBY_EXTERN int cubby_folder_rename(cubby_txn *txn, uint64_t id, uint64_t new_parent, const char *name, size_t name_len);
/* With all its messages. EHASCHILD, EINVAL (INBOX). */
CUBBY_EXTERN int cubby_folder_delete(cubby_txn *txn, uint64_t id);
/* CUBBY_USE_... of the folder: these and no others. EINVAL: unknown bits. */
CUBBY_EXTERN int cubby_folder_set_special(cubby_txn *txn, uint64_t id, uint32_t special_use);
/* For folders that come from elsewhere: takes over the uidvalidity that a folder had there, so that its messages can keep their uids (cubby_add with
 * a uid). ECONFLICT: the folder has given uids already, or this store gave that number before, or may have: all from the first
 * that it gave to the highest count as given, and every folder that is made raises the highest to the clock. So where numbers are of the clock, too,
 * those of folders older than this store are free, of younger ones not. EINVAL: 0, or too near to the end of the numbers. */
CUBBY_EXTERN int cubby_folder_set_uidvalidity(cubby_txn *txn, uint64_t id, uint32_t uidvalidity);
/* value NULL removes the annotation. EINVAL (name), ELIMIT (value), ENOENT (folder). */
CUBBY_EXTERN int cubby_annotation_set(cubby_txn *txn, uint64_t folder, const char *entry, const void *value, size_t len);
/* on: 1 subscribes, 0 unsubscribes; path as in cubby_subscription_next. ELIMIT: paths and the names of folders take, with 16 bytes for each path and 100
 * for each folder, at most 3,851,000 bytes in a store. */
CUBBY_EXTERN int cubby_subscribe(cubby_txn *txn, const char *path, size_t path_len, int on);

typedef struct cubby_add_options {
    unsigned version;             /* CUBBY_ADD_VERSION */
    uint32_t flags;               /* system flags */
    const char *const *keywords;
    size_t keyword_count;
    int64_t internaldate;         /* with has_date */
    int16_t internaldate_zone;    /* minutes east of UTC, -1439 to 1439 */
    int has_date;                 /* 0: now */
    uint32_t uid;                 /* 0: the next; else at least uidnext (EINVAL if lower) */
} cubby_add_options;

#define CUBBY_ADD_VERSION 1
#define CUBBY_ADD_INIT    {CUBBY_ADD_VERSION, 0, NULL, 0, 0, 0, 0, 0}

/* Puts a finished message into a folder; options may be NULL, *uid (may be NULL) gets its uid. Several adds of one cubby_message in one transaction
 * share its bytes. EINVAL: the message is not finished or of another handle, or an option. ELIMIT: the folder's uids are used up, or too many
 * keywords. */
CUBBY_EXTERN int cubby_add(cubby_txn *txn, uint64_t folder, cubby_message *m, const cubby_add_options *options, uint32_t *uid);

enum { CUBBY_FLAGS_ADD = 0, CUBBY_FLAGS_REMOVE = 1, CUBBY_FLAGS_REPLACE = 2 };

/* Changes flags of those of `uids` that are there: how is CUBBY_FLAGS_...; what is so already is not touched and keeps its modseq. *changed (may be
 * NULL; else owner: the caller, cubby_uidset_free) gets the uids that did change. Keywords that no message has yet are made. EINVAL (flags, the name
 * of a keyword), ELIMIT (keywords). */
CUBBY_EXTERN int cubby_flag(cubby_txn *txn, uint64_t folder, const cubby_uidset *uids, int how, uint32_t flags, const char *const *keywords,
                            size_t keyword_count, cubby_uidset **changed);

/* Copies or moves those of `uids` that are there, in ascending order, with flags and dates; no bytes are copied. *from and *to (may be
 * NULL; else owner: the caller) get the old uids and the new ones, in the same order (COPYUID, RFC 4315). ELIMIT: the target's uids are used up. */
CUBBY_EXTERN int cubby_copy(cubby_txn *txn, uint64_t folder, const cubby_uidset *uids, uint64_t target, cubby_uidset **from, cubby_uidset **to);
CUBBY_EXTERN int cubby_move(cubby_txn *txn, uint64_t folder, const cubby_uidset *uids, uint64_t target, cubby_uidset **from, cubby_uidset **to);

/* Expunges those of `uids` that are there (only_deleted: and have \Deleted). *gone as above. */
CUBBY_EXTERN int cubby_expunge(cubby_txn *txn, uint64_t folder, const cubby_uidset *uids, int only_deleted, cubby_uidset **gone);

/* Claims \Recent (RFC 3501): *first is the first uid that nobody has claimed; from now on uidnext is (at most 2^32 - 1: see recent_uid). Raises no
 * modseq. */
CUBBY_EXTERN int cubby_recent_claim(cubby_txn *txn, uint64_t folder, uint32_t *first);

/* ---- what changed ------------------------------------------------------------------------------------------------------------------- */

enum { CUBBY_CHANGE_NEW = 1, CUBBY_CHANGE_FLAGS = 2, CUBBY_CHANGE_VANISHED = 3 };

typedef struct cubby_change {
    int kind;                  /* CUBBY_CHANGE_...; NEW: created after `since` */
    uint32_t uid, uid_last;    /* a range only for VANISHED, else the same uid twice */
    uint64_t modseq;
    uint64_t created_modseq;   /* 0 for VANISHED */
    uint32_t flags;            /* with keywords: the state now */
    const uint16_t *keywords;
    size_t keyword_count;
    int exact;                 /* VANISHED: 0 if `since` lies below the folder's tombstone_floor, so that the range may have gone earlier */
} cubby_change;

/* The changes of a folder with a modseq above `since`, by ascending modseq (CONDSTORE, QRESYNC: RFC 7162; JMAP /changes): each message once, as it
 * is now. since: cubby_snapshot_modseq of the view that was told last, 0 for all. Costs O(log n + changes). ENOENT: no such folder.
 * A power cut may take changes back that were made with CUBBY_LAZY, and no change says so: call cubby_sync before a client is told a modseq that it keeps. */
CUBBY_EXTERN int cubby_changes_open(cubby_snapshot *snap, uint64_t folder, uint64_t since, cubby_changes **out);
CUBBY_EXTERN int cubby_changes_next(cubby_changes *c, cubby_change *out); /* CUBBY_DONE at the end; keywords live until the next call */
CUBBY_EXTERN void cubby_changes_close(cubby_changes **c);

/* ---- checking ----------------------------------------------------------------------------------------------------------------------- */

enum { CUBBY_NOTE = 0, CUBBY_WARNING = 1, CUBBY_ERROR = 2 };

typedef struct cubby_finding {
    const char *code;   /* stable, upper case: PIECE_CHECKSUM */
    int severity;       /* CUBBY_NOTE: nothing is wrong */
    const char *file;   /* below the store, or "" */
    uint64_t offset;    /* UINT64_MAX: none */
    uint64_t folder;    /* 0: none */
    uint32_t uid;       /* 0: none */
    const char *detail; /* one line */
} cubby_finding;

/* *f lives as long as the call. Non-zero: stop (CUBBY_ECANCEL). */
typedef int (*cubby_finding_fn)(void *arg, const cubby_finding *f);

enum { CUBBY_CHECK_FULL = 1 /* decode and hash every message */ };

typedef struct cubby_check_result {
    uint64_t findings; /* warnings and errors */
    uint64_t messages; /* entries looked at */
} cubby_check_result;

/* Reads every segment and compares the index with one built anew from them; changes nothing. Returns 0 whatever it found; negative
 * only if the check itself could not go on; *result counts as far as it came. Runs beside readers and writers. flags: CUBBY_CHECK_FULL or 0; fn,
 * result and err may be NULL. options->progress is told how many segments, and then messages, have been looked at, each time from 1 on. */
CUBBY_EXTERN int cubby_check(const char *path, const cubby_options *options, unsigned flags, cubby_finding_fn fn, void *arg, cubby_check_result *result,
                             cubby_error *err);

typedef struct cubby_repair_result {
    uint64_t findings; /* of the check that came first */
    uint64_t fixed;    /* of these, what a second check did not find any more */
    uint64_t left;     /* what it did find; if others disturbed it, all that came first */
    uint64_t messages; /* entries looked at */
} cubby_repair_result;

/* Checks (flags as for cubby_check), and puts right what was found; a store without findings is left alone. found (may be NULL) gets the findings,
 * done (may be NULL) what was done about them, as findings of severity CUBBY_NOTE with a code of their own, and at last again what is left.
 * Damaged files are kept in quarantine/ of the store, what is left of damaged messages goes to the folder lost+found (or, without uids left there,
 * lost+found_2 and so on). Takes the writer lock now and then; others may read and write meanwhile. May be interrupted at any moment and called again.
 * EBUSY, EACCES, ENOSPC: nothing, or only a part, was done. */
CUBBY_EXTERN int cubby_repair(const char *path, const cubby_options *options, unsigned flags, cubby_finding_fn found, cubby_finding_fn done, void *arg,
                              cubby_repair_result *result, cubby_error *err);

#ifdef __cplusplus
}
#endif
#endif
