/* The versions of program, library and format. */
#include "cli.h"

#include "json.h"

#define TEXT(x)   #x
#define NUMBER(x) TEXT(x)
#define PROGRAM_VERSION NUMBER(CUBBY_VERSION_MAJOR) "." NUMBER(CUBBY_VERSION_MINOR) "." NUMBER(CUBBY_VERSION_PATCH)

int cmd_version(int argc, char **argv)
{
    while (cli_option(argc, argv, "", NULL) != -1)
        ;
    cli_arguments(argc, argv, 0, 0);
    if (cli.json) {
        json_begin(NULL);
        json_str("version", PROGRAM_VERSION);
        json_str("library", cubby_version());
        json_uint("format", CLI_FORMAT_VERSION);
        json_end();
    } else {
        printf("cubby %s, library %s, store format %d\n", PROGRAM_VERSION, cubby_version(), CLI_FORMAT_VERSION);
    }
    return CLI_OK;
}
