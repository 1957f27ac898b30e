/* transfer.h - what cp and mv have in common. */
#ifndef CUBBY_TOOLS_TRANSFER_H
#define CUBBY_TOOLS_TRANSFER_H

#include "cubby.h"

typedef int (*transfer_fn)(cubby_txn *txn, uint64_t folder, const cubby_uidset *uids, uint64_t target, cubby_uidset **from, cubby_uidset **to);

int transfer_command(int argc, char **argv, const char *done, transfer_fn fn);

#endif
