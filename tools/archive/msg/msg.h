/* msg.h - a .msg file as a MAPI object. */
#ifndef CUBBY_TOOLS_MSG_H
#define CUBBY_TOOLS_MSG_H

#include "archive/mapi/mapi.h"

struct msg_file;

/* NULL on failure, with the reason in error: one line. */
struct msg_file *msg_open(const char *path, char *error, size_t error_size);
/* After all objects of it. */
void msg_close(struct msg_file **f);
/* Its message; to be closed with mapi_close. */
struct mapi_object *msg_message(struct msg_file *f);

#endif
