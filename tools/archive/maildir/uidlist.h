/* uidlist.h - Dovecot's dovecot-uidlist: which uid each file of a Maildir has. */
#ifndef CUBBY_TOOLS_MAILDIR_UIDLIST_H
#define CUBBY_TOOLS_MAILDIR_UIDLIST_H

#include <stddef.h>
#include <stdint.h>

struct uidlist {
    uint32_t uidvalidity; /* 0: there is no list, or none that can be understood */
    uint64_t uidnext;
    struct uidlist_entry {
        char *base; /* file name without flags */
        uint32_t uid;
    } *entries; /* by name */
    size_t count;
};

/* Reads path (versions 1 and 3); what cannot be understood is left out. 0 or an errno, see sidefile_read. */
int uidlist_read(const char *path, struct uidlist *out);
/* The same without keeping them: head gets uidvalidity and uidnext, fn each entry. */
typedef void (*uidlist_fn)(void *arg, const char *base, uint32_t uid);
int uidlist_each(const char *path, struct uidlist *head, uidlist_fn fn, void *arg);
uint32_t uidlist_find(const struct uidlist *l, const char *name, size_t base_len); /* 0: unknown */
void uidlist_release(struct uidlist *l);

#endif
