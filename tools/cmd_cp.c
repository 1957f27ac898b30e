/* Copies messages to another folder. */
#include "cli.h"

#include "transfer.h"

int cmd_cp(int argc, char **argv)
{
    return transfer_command(argc, argv, "copied", cubby_copy);
}
