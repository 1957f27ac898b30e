/* Moves messages to another folder. */
#include "cli.h"

#include "transfer.h"

int cmd_mv(int argc, char **argv)
{
    return transfer_command(argc, argv, "moved", cubby_move);
}
