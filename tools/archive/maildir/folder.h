/* folder.h - one directory of a Maildir that is being written: its keywords, and the list of uids. */
#ifndef CUBBY_TOOLS_MAILDIR_FOLDER_H
#define CUBBY_TOOLS_MAILDIR_FOLDER_H

#include "archive/maildir/names.h"
#include "archive/maildir/uidlist.h"
#include "archive/outfile.h"
#include "archive/writer.h"

struct maildir_folder {
    char *path; /* NULL: none is open */
    struct maildir_keywords keywords;
    int keywords_changed;
    struct uidlist old;     /* what was there, by uid */
    size_t old_at;
    int keeps_list;         /* another's list stays as it is */
    struct outfile list;
};

/* "" for INBOX, else "/.A.B"; owner: the caller. What is too long for a directory is cut, with "~" and eight digits of the path's hash behind
 * it (the file .cubby-folders has the path). NULL: too many folders within one another even for that. */
char *maildir_directory(const char *folder);
/* The same with more encoded: the letters in the first `escaped` bytes of the last component; what Windows does not take. An import decodes it. */
char *maildir_directory_as(const char *folder, size_t escaped, int windows);

/* Makes the directories of a folder and begins its list. top: path is there, and may be a link. CLI_OK or an exit code, printed. */
int maildir_folder_begin(struct maildir_folder *d, char *path, int top, const struct writer_folder *f);
/* Letters for flags and keywords into buf (40 bytes); 1 if there is no letter for a keyword. */
int maildir_letters(struct maildir_folder *d, const struct writer_message *m, char *buf);
/* The next entry of the list, uids ascending. */
int maildir_folder_add(struct maildir_folder *d, uint32_t uid, const char *base);
/* Names the files beside the messages. */
int maildir_folder_end(struct maildir_folder *d);
void maildir_folder_release(struct maildir_folder *d);

/* Reads dovecot-keywords: "0 Junk", a line each. 0 or an errno, see sidefile_read. */
int maildir_keywords_read(const char *folder, struct maildir_keywords *out);
void maildir_keywords_release(struct maildir_keywords *k);

#endif
