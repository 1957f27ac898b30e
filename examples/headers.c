/* headers.c - the list of a folder, newest first, from headers alone: no body is read, however large the messages are.
 *
 * usage: headers STORE FOLDER [COUNT]
 *
 * FOLDER is at the top level. One line a message: uid, flags, date as it stands in the header, From, Subject, undecoded.
 *
 *     cc headers.c $(pkg-config --cflags --libs cubby) -o headers */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cubby.h>

static int fail(const char *what, int rc)
{
    fprintf(stderr, "headers: %s: %s\n", what, cubby_strerror(rc));
    return 1;
}

/* Mail is written by strangers: what is no printable byte does not go to a terminal; folding becomes a space. */
static void print_value(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != '\r' && p[i] != '\n')
            putchar(p[i] == '\t' ? ' ' : (unsigned char)p[i] < 32 || p[i] == 127 ? '?' : p[i]);
}

/* The first field of this name; nothing if there is none. */
static void print_field(const cubby_row *row, const char *want)
{
    const char *name, *value;
    size_t pos = 0, name_len, value_len;
    while (cubby_header_next(row->list_header, row->list_header_len, &pos, &name, &name_len, &value, &value_len) == 0)
        if (name_len == strlen(want) && strncasecmp(name, want, name_len) == 0) {
            while (value_len > 0 && (*value == ' ' || *value == '\t'))
                value++, value_len--;
            print_value(value, value_len);
            return;
        }
}

static void print_row(const cubby_row *row)
{
    printf("%" PRIu32 "\t%c%c%c\t", row->uid, row->flags & CUBBY_SEEN ? 'S' : '-', row->flags & CUBBY_ANSWERED ? 'A' : '-',
           row->flags & CUBBY_FLAGGED ? 'F' : '-');
    if (row->damage != CUBBY_OK) { /* the store goes on without the bytes that do not verify, and says which they are */
        printf("\t\t(header not readable: %s)\n", cubby_strerror(row->damage));
        return;
    }
    print_field(row, "Date");
    putchar('\t');
    print_field(row, "From");
    putchar('\t');
    print_field(row, "Subject");
    putchar('\n');
}

static int list(cubby_snapshot *snap, const char *name, uint64_t count)
{
    cubby_scan_options options = CUBBY_SCAN_INIT;
    cubby_scan *scan = NULL;
    cubby_folder folder;
    const cubby_row *row;
    int rc = cubby_folder_find(snap, CUBBY_ROOT, name, strlen(name), &folder);
    if (rc != 0)
        return fail(name, rc == CUBBY_DONE ? CUBBY_ENOENT : rc);
    printf("# %" PRIu64 " messages, %" PRIu64 " unseen\n", folder.messages, folder.unseen); /* counters: nothing is counted here */
    options.want = CUBBY_WANT_LIST;
    options.reverse = 1;
    options.limit = count;
    rc = cubby_scan_open(snap, folder.id, &options, &scan);
    while (rc == 0 && (rc = cubby_scan_next(scan, &row)) == 0)
        print_row(row);
    cubby_scan_close(&scan);
    return rc == CUBBY_DONE ? 0 : fail(name, rc);
}

int main(int argc, char **argv)
{
    cubby_options options = CUBBY_OPTIONS_INIT;
    cubby_store *store = NULL;
    cubby_snapshot *snap = NULL;
    cubby_stat stat;
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: headers STORE FOLDER [COUNT]\n");
        return 2;
    }
    options.flags = CUBBY_READ_ONLY;
    int rc = cubby_open(argv[1], &options, &store, NULL);
    if (rc != 0)
        return fail(argv[1], rc);
    rc = cubby_snapshot_begin(store, &snap); /* one unchanging view; writers do not wait for it */
    rc = rc ? fail(argv[1], rc) : list(snap, argv[2], argc == 4 ? strtoull(argv[3], NULL, 10) : 0);
    cubby_snapshot_end(&snap);
    if (rc == 0 && cubby_store_stat(store, &stat) == 0)
        printf("# %" PRIu64 " bodies read\n", stat.body_reads);
    cubby_close(&store);
    return rc;
}
