/* dedupe.h - finds messages with equal bytes in folders: the hash finds candidates, bytes decide. */
#ifndef CUBBY_TOOLS_DEDUPE_H
#define CUBBY_TOOLS_DEDUPE_H

#include "archive/pipeline.h"
#include "cubby.h"

struct dedupe;

/* any_folder: a message is found whatever folder it is in. */
struct dedupe *dedupe_new(int any_folder);
void dedupe_free(struct dedupe **d);

/* Learns the messages of a folder that came since the last call (any_folder: of all folders), reading headers only. */
int dedupe_learn(struct dedupe *d, cubby_snapshot *snap, uint64_t folder);
/* One message that was added just now; uid 0: it would have been (then its hash alone counts). */
void dedupe_add(struct dedupe *d, const uint8_t hash[16], uint64_t folder, uint32_t uid);

/* May there be one? From any thread. */
int dedupe_maybe(struct dedupe *d, const uint8_t hash[16], uint64_t folder);

/* The uid of the first entry with this hash in the folder; 0: none. */
uint32_t dedupe_uid(struct dedupe *d, const uint8_t hash[16], uint64_t folder);

struct dedupe_hit {
    uint64_t folder;
    uint32_t uid;  /* 0: see dedupe_add */
    int unproven;  /* bytes could not be compared: hash and size are equal */
    int damaged;   /* a candidate was there but could not be read */
};

/* Is a message with the bytes of `job` there? 1, 0 or an error code. */
int dedupe_find(struct dedupe *d, cubby_snapshot *snap, uint64_t folder, const struct job *job, struct dedupe_hit *hit);

#endif
