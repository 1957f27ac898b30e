/* own.h - what the parts of the .msg reader share. */
#ifndef CUBBY_TOOLS_MSG_OWN_H
#define CUBBY_TOOLS_MSG_OWN_H

#include "archive/mapi/mapi.h"
#include "archive/msg/cfb.h"

/* The map of named properties, as three streams: GUIDs, entries of 8 bytes, and names as length and UTF-16. */
struct msg_names {
    struct text sets, entries, strings;
};
void msg_names_load(const struct cfb *c, struct msg_names *out);
void msg_names_release(struct msg_names *n);
uint16_t msg_names_find(const struct msg_names *n, const uint8_t set[16], uint32_t number, const char *name);
int msg_names_get(const struct msg_names *n, uint16_t id, struct mapi_name *out);

/* A whole stream, at most max bytes of it; 0, or -1: not there or not readable. */
int msg_stream(const struct cfb *c, uint32_t storage, const char *name, size_t max, struct text *out);

/* A storage as a compound file of its own, made as it is read: how OLE objects leave a .msg file. */
struct cfb_copy;
struct cfb_copy *cfb_copy_new(const struct cfb *c, uint32_t storage);
void cfb_copy_free(struct cfb_copy **k);
uint64_t cfb_copy_size(const struct cfb_copy *k);
int64_t cfb_copy_read(struct cfb_copy *k, uint64_t offset, void *buf, size_t n);

uint32_t msg_get32(const void *p);

#endif
