/* broken.h - a sound store on a simulated disk, every code of fsck with a way to break it, and what must be left of it. */
#ifndef CUBBY_TESTS_CHECK_BROKEN_H
#define CUBBY_TESTS_CHECK_BROKEN_H

#include <stddef.h>
#include <stdint.h>

#include "check/client.h"
#include "crash/sim_disk.h"
#include "cubby.h"

#define STORE "/s"

enum { MAIL_MAX = 400 };

/* A message as it went in. */
struct mail {
    char folder[32];
    uint32_t uid;
    uint8_t *p;
    size_t n;
    int gone; /* expunged */
};

struct bed {
    struct sim *disk;
    struct mail mail[MAIL_MAX];
    int count;
    int keep_mail; /* shared with the bed that this one is a copy of */
    struct client clients[2]; /* of the middle of its life, and of its end */
};

#define MUST(x) must((x), #x, __FILE__, __LINE__)
void must(int rc, const char *what, const char *file, int line);

cubby_options bed_options(struct bed *b);
void bed_make(struct bed *b);                       /* closed cleanly */
void bed_copy(const struct bed *from, struct bed *to);
void bed_free(struct bed *b);
cubby_store *bed_open(struct bed *b);
uint32_t bed_append(struct bed *b, cubby_store *s, const char *folder, size_t size);

/* ---- files ---- */
uint8_t *bed_read(struct bed *b, const char *path, size_t *n); /* NULL: not there */
void bed_write(struct bed *b, const char *path, uint64_t off, const void *p, size_t n);
void bed_flip(struct bed *b, const char *path, uint64_t off);
void bed_zero(struct bed *b, const char *path, uint64_t off, size_t n);
void bed_truncate(struct bed *b, const char *path, uint64_t size);
void bed_unlink(struct bed *b, const char *path);
const char *seg_path(uint32_t number); /* static */
uint32_t bed_segments(struct bed *b);  /* the highest number */

/* A frame in the log. */
struct spot {
    uint32_t seg;
    uint64_t off, commit;
    uint32_t len;
    uint8_t type, kind;
    uint64_t frames; /* where the frames of the segment begin */
};
/* The nth (from 1; negative: from the end) frame of this type. Ends the test if there is none. */
struct spot bed_frame(struct bed *b, uint8_t type, int nth);
void bed_hurt_payload(struct bed *b, const struct spot *s);
void bed_hurt_header(struct bed *b, const struct spot *s);

/* ---- judging ---- */
struct findings {
    int count, notes;
    char codes[2000]; /* " A B A " */
};
int bed_finding(void *arg, const cubby_finding *f); /* arg: struct findings */
int has_code(const struct findings *f, const char *code);
struct findings bed_check(struct bed *b, unsigned flags, int *rc);
/* Wrong bytes under a uid that was somebody's: ends with a message in why. Returns how many of the messages that should be there are, as they were. */
int bed_compare(struct bed *b, char why[200]);

/* A hash of folders with their uidvalidity, and of uids with their flags; lost+found is left out. */
uint64_t bed_state(struct bed *b);
uint32_t bed_uidvalidity(struct bed *b, const char *folder);

/* ---- the table ---- */
struct breakage {
    const char *code;
    const char *how;
    void (*hurt)(struct bed *b);
    int note;     /* it is a note: nothing to repair */
    int lost;     /* messages that a repair cannot bring back: so many, no more and no less */
    unsigned flags;
    int exact;    /* 1: the state must be as it was: uids, flags, names, uidvalidity. 2: INBOX must have a new uidvalidity */
    int more;     /* so many more, at most, when the power is cut or the disk full: what processes share, or the index, was all that knew of them */
};
extern const struct breakage breakages[];
extern const size_t breakage_count;

#endif
