/* Makes an empty store. */
#include "cli.h"

#include "json.h"

int cmd_init(int argc, char **argv)
{
    cubby_options options;
    cubby_error err = {.offset = UINT64_MAX};
    while (cli_option(argc, argv, "", NULL) != -1)
        ;
    const char *path = cli_arguments(argc, argv, 1, 1)[0];
    cli_store_options(&options, 0);
    int r = cubby_create(path, &options, &err);
    if (r == 0) {
        if (cli.json) {
            json_begin(NULL);
            json_bool("created", 1);
            json_str("store", path);
            json_end();
        } else if (cli.verbose) {
            printf("made the store %s\n", path);
        }
        return CLI_OK;
    }
    if (!err.path[0])
        snprintf(err.path, sizeof err.path, "%s", path);
    err.code = r;
    if (r != CUBBY_EINVAL && r != CUBBY_EEXIST) {
        int rc = cli_report(&err);
        return rc == CLI_NEGATIVE ? CLI_FAIL : rc;
    }
    cli_error("%s: %s", path, r == CUBBY_EEXIST ? "there is a store already" : err.message[0] ? err.message : "something else is there");
    cli_hint(r == CUBBY_EEXIST ? "`cubby ls STORE` shows what is in it" : "give a name that is free, or an empty directory");
    return CLI_FAIL;
}
