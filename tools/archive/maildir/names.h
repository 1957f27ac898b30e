/* names.h - file names in a Maildir: BASE:2,FLAGS. */
#ifndef CUBBY_TOOLS_MAILDIR_NAMES_H
#define CUBBY_TOOLS_MAILDIR_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "cli.h"

/* Length of the part before the flags: up to ":2,", or ";2," and "!2," as some systems need it. */
size_t maildir_base(const char *name);

/* Keywords by letter, as Dovecot's file dovecot-keywords has them; NULL: none. */
struct maildir_keywords {
    char *name[26];
};
/* The letters behind "2,": R S T D F, P for $Forwarded, a to z for keywords. Others mean nothing. */
void maildir_flags(const char *name, const struct maildir_keywords *k, struct cli_flags *out);

/* A name made by an export tells the date to the minute of its zone, whatever became of the file's own. 1 if it is one. */
int maildir_date(const char *name, int64_t *date, int16_t *zone);
/* Such a name, without flags, into buf of MAILDIR_NAME bytes. */
#define MAILDIR_NAME 160
void maildir_name(char *buf, int64_t date, int16_t zone, uint32_t uidvalidity, uint32_t uid, uint64_t size, uint64_t rfc822_size);

#endif
