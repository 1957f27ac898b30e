/* What a store holds, and what it takes on the disk. */
#include "cli.h"

#include <inttypes.h>

#include "json.h"
#include "text.h"

/* Bytes of the store's files for a byte of mail as it came. */
static double ratio(const cubby_stat *s)
{
    return (double)(s->segment_bytes + s->index_bytes) / (double)s->original_bytes;
}

static void print_json(const cubby_stat *s)
{
    json_begin(NULL);
    json_uint("messages", s->messages);
    json_uint("original_bytes", s->original_bytes);
    json_uint("segments", s->segments);
    json_uint("live_bytes", s->live_bytes);
    json_uint("dead_bytes", s->dead_bytes);
    json_uint("retained_bytes", s->retained_bytes);
    json_uint("index_bytes", s->index_bytes);
    if (s->original_bytes)
        json_double("ratio", ratio(s));
    else
        json_null("ratio");
    json_uint("last_commit", s->last_commit);
    json_uint("checkpoint_commit", s->checkpoint_commit);
    json_hex("uuid", s->uuid, sizeof s->uuid);
    json_uint("folders", s->folders);
    json_uint("objects", s->objects);
    json_uint("segment_bytes", s->segment_bytes);
    json_uint("index_free_bytes", s->index_free_bytes);
    json_uint("format", CLI_FORMAT_VERSION);
    json_end();
}

static void bytes(const char *name, uint64_t v)
{
    char size[16];
    printf("%-16s %12s  %" PRIu64 " bytes\n", name, text_size(v, size, sizeof size), v);
}

static void count(const char *name, uint64_t v)
{
    printf("%-16s %12" PRIu64 "\n", name, v);
}

static void print_text(const cubby_stat *s)
{
    count("folders", s->folders);
    count("messages", s->messages);
    count("objects", s->objects);
    bytes("original", s->original_bytes);
    count("segments", s->segments);
    bytes("  in segments", s->segment_bytes);
    bytes("  live", s->live_bytes);
    bytes("  dead", s->dead_bytes);
    bytes("  retained", s->retained_bytes);
    bytes("index", s->index_bytes);
    bytes("  free", s->index_free_bytes);
    if (s->original_bytes)
        printf("%-16s %12.3f  (segments and index, per byte of mail)\n", "ratio", ratio(s));
    count("last commit", s->last_commit);
    count("last checkpoint", s->checkpoint_commit);
}

int cmd_stat(int argc, char **argv)
{
    cubby_store *store = NULL;
    cubby_stat s;
    while (cli_option(argc, argv, "", NULL) != -1)
        ;
    char **args = cli_arguments(argc, argv, 1, 1);
    int rc = cli_open(args[0], 0, &store);
    if (rc != CLI_OK)
        return rc;
    int r = cubby_store_stat(store, &s);
    if (r != 0)
        rc = cli_store_error(store, r);
    else if (cli.json)
        print_json(&s);
    else
        print_text(&s);
    return cli_close(&store, NULL, rc);
}
