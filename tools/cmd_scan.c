/* Lists a folder from headers alone. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "json.h"
#include "text.h"

enum { MODE_LIST, MODE_FIELDS, MODE_HEADER, MODE_FLAGS };
enum { OPT_FIELDS = 1, OPT_HEADER, OPT_FLAGS, OPT_UIDS, OPT_SINCE, OPT_UNSEEN, OPT_REVERSE, OPT_LIMIT };
enum { FIELDS_MAX = 64, HEADER_MAX = 64 << 20 };

struct listing {
    int mode;
    const char *uids_text;
    char *fields[FIELDS_MAX]; /* lower case */
    size_t field_count;
    cubby_scan_options options;
    cubby_snapshot *snap;
    size_t from_width, subject_width;
    uint64_t damaged;
    const char *header; /* of the present row: what is wanted of it */
    size_t header_len;
    struct text value, sender, out, long_header;
};

/* ---- the header of one message --------------------------------------------------------------------------------------------------- */

struct summary {
    const char *from, *subject, *date;
    size_t from_len, subject_len, date_len;
};

static int is_field(const char *name, size_t len, const char *wanted)
{
    return strlen(wanted) == len && strncasecmp(name, wanted, len) == 0;
}

/* The first of each field counts. */
static struct summary summarize(const struct listing *l)
{
    struct summary s = {0};
    const char *name, *value;
    size_t pos = 0, name_len, value_len;
    while (cubby_header_next(l->header, l->header_len, &pos, &name, &name_len, &value, &value_len) == 0) {
        if (!s.from && is_field(name, name_len, "from"))
            s.from = value, s.from_len = value_len;
        else if (!s.subject && is_field(name, name_len, "subject"))
            s.subject = value, s.subject_len = value_len;
        else if (!s.date && is_field(name, name_len, "date"))
            s.date = value, s.date_len = value_len;
    }
    return s;
}

/* All of a header that is longer than what a scan gives of it. */
static int read_long_header(struct listing *l, uint64_t folder, const cubby_row *row)
{
    cubby_reader *reader;
    char buf[64 << 10];
    uint64_t end = row->header_len < HEADER_MAX ? row->header_len : HEADER_MAX;
    size_t got = 1;
    int r = cubby_reader_open(l->snap, folder, row->uid, &reader);
    if (r != 0)
        return r;
    text_clear(&l->long_header);
    for (uint64_t at = 0; r == 0 && got && at < end; at += got) {
        r = cubby_reader_read(reader, at, buf, end - at < sizeof buf ? (size_t)(end - at) : sizeof buf, &got);
        text_add(&l->long_header, buf, got);
    }
    cubby_reader_close(&reader);
    l->header = l->long_header.data;
    l->header_len = l->long_header.len;
    return r;
}

/* To l->header. What could not be read: its code, and as much as there is. */
static int take_header(struct listing *l, uint64_t folder, const cubby_row *row)
{
    int whole = l->options.want & CUBBY_WANT_HEADER;
    l->header = whole ? row->header : row->list_header;
    l->header_len = l->header ? (whole ? row->header_bytes_len : row->list_header_len) : 0;
    if (!l->header)
        l->header = "";
    return row->damage ? row->damage : row->traits & CUBBY_HAS_LONG_HEADER ? read_long_header(l, folder, row) : 0;
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------------------------- */

static int json_flags(struct listing *l, const cubby_row *row)
{
    const char *const *names;
    size_t n;
    int r = cli_row_flags(l->snap, row->flags, row->keywords, row->keyword_count, &names, &n);
    if (r != 0)
        return r;
    json_array("flags");
    for (size_t i = 0; i < n; i++)
        json_str(NULL, names[i]);
    json_array_end();
    return 0;
}

static void json_decoded(struct listing *l, const char *key, const char *value, size_t len)
{
    if (!value) {
        json_null(key);
        return;
    }
    text_decode(&l->value, value, len);
    json_bytes(key, l->value.data, l->value.len);
}

static void json_summary(struct listing *l)
{
    char date[TEXT_DATE];
    int64_t seconds;
    int16_t zone;
    struct summary s = summarize(l);
    int dated = s.date && cubby_date_parse(s.date, s.date_len, &seconds, &zone) == 0;
    json_str("date", dated ? text_date(seconds, zone, date, sizeof date) : NULL);
    json_decoded(l, "from", s.from, s.from_len);
    json_decoded(l, "subject", s.subject, s.subject_len);
}

/* The values of one field, unfolded; with `raw` in base64. Returns 1 if one of them was not UTF-8. */
static int json_values(struct listing *l, const char *field, int raw)
{
    const char *name, *value;
    size_t pos = 0, name_len, value_len;
    int odd = 0;
    while (cubby_header_next(l->header, l->header_len, &pos, &name, &name_len, &value, &value_len) == 0) {
        if (!is_field(name, name_len, field))
            continue;
        text_clear(&l->value);
        text_unfold(&l->value, value, value_len);
        if (raw)
            json_base64(NULL, l->value.data, l->value.len);
        else
            json_bytes(NULL, l->value.data, l->value.len);
        odd |= !json_is_utf8(l->value.data, l->value.len);
    }
    return odd;
}

static void json_fields(struct listing *l)
{
    json_object("fields");
    for (size_t i = 0; i < l->field_count; i++) {
        json_array(l->fields[i]);
        int odd = json_values(l, l->fields[i], 0);
        json_array_end();
        if (odd) {
            text_clear(&l->out);
            text_add(&l->out, l->fields[i], strlen(l->fields[i]));
            text_add(&l->out, "_raw", 4);
            json_array(l->out.data);
            json_values(l, l->fields[i], 1);
            json_array_end();
        }
    }
    json_object_end();
}

static int row_json(struct listing *l, const cubby_row *row, int damage)
{
    char date[TEXT_DATE];
    json_begin(NULL);
    json_uint("uid", row->uid);
    json_uint("modseq", row->modseq);
    int r = json_flags(l, row);
    if (r != 0)
        return r;
    json_str("internaldate", text_date(row->internaldate, row->internaldate_zone, date, sizeof date));
    json_uint("size", row->size);
    if (l->mode != MODE_FLAGS)
        json_summary(l);
    if (l->mode == MODE_FIELDS)
        json_fields(l);
    if (l->mode == MODE_HEADER)
        json_bytes("header", l->header, l->header_len);
    if (damage)
        json_str("damage", cubby_strerror(damage));
    json_end();
    return 0;
}

/* ---- text ---------------------------------------------------------------------------------------------------------------------------- */

/* "SA---": a letter a system flag, and '+' behind them if there are keywords. */
static void flag_letters(const cubby_row *row, char out[8])
{
    static const char letters[] = "SAFDT";
    for (int i = 0; i < 5; i++)
        out[i] = cli_flag_names[i].bit & row->flags ? letters[i] : '-';
    out[5] = row->keyword_count ? '+' : ' ';
    out[6] = 0;
}

static void row_list(struct listing *l, const cubby_row *row)
{
    char letters[8], date[TEXT_DATE], size[16];
    int64_t seconds;
    int16_t zone;
    struct summary s = summarize(l);
    if (!s.date || cubby_date_parse(s.date, s.date_len, &seconds, &zone) != 0)
        seconds = row->internaldate, zone = row->internaldate_zone;
    flag_letters(row, letters);
    text_clear(&l->out);
    text_decode(&l->value, s.from ? s.from : "", s.from_len);
    text_sender(&l->sender, l->value.data, l->value.len);
    text_column(&l->out, l->sender.data, l->sender.len, l->from_width);
    text_add(&l->out, "  ", 2);
    text_decode(&l->value, s.subject ? s.subject : "", s.subject_len);
    text_column(&l->out, l->value.data, l->value.len, l->subject_width);
    printf("%7" PRIu32 "  %s %s  %s  %6s\n", row->uid, letters, text_date_short(seconds, zone, date, sizeof date), l->out.data,
           text_size(row->size, size, sizeof size));
}

static void row_fields(struct listing *l, const cubby_row *row)
{
    const char *name, *value;
    size_t pos = 0, name_len, value_len;
    while (cubby_header_next(l->header, l->header_len, &pos, &name, &name_len, &value, &value_len) == 0) {
        size_t i = 0;
        while (i < l->field_count && !is_field(name, name_len, l->fields[i]))
            i++;
        if (i == l->field_count)
            continue;
        text_clear(&l->value);
        text_clear(&l->out);
        text_unfold(&l->value, value, value_len);
        text_safe(&l->out, name, name_len);
        text_add(&l->out, ": ", 2);
        text_safe(&l->out, l->value.data, l->value.len);
        printf("%7" PRIu32 "  %s\n", row->uid, l->out.data);
    }
}

static void row_header(struct listing *l, const cubby_row *row)
{
    printf("uid %" PRIu32 ", %zu bytes of header\n", row->uid, l->header_len);
    fwrite(l->header, 1, l->header_len, stdout);
}

static int row_flags(struct listing *l, const cubby_row *row)
{
    const char *const *names;
    size_t n;
    int r = cli_row_flags(l->snap, row->flags, row->keywords, row->keyword_count, &names, &n);
    if (r != 0)
        return r;
    printf("%7" PRIu32 "  %10" PRIu64 " ", row->uid, row->modseq);
    for (size_t i = 0; i < n; i++)
        printf(" %s", names[i]);
    putchar('\n');
    return 0;
}

static void heading(const struct listing *l)
{
    if (l->mode == MODE_LIST)
        printf("%7s  %-6s %-16s  %-*s  %-*s  %6s\n", "uid", "flags", "date", (int)l->from_width, "from", (int)l->subject_width, "subject",
               "size");
    else if (l->mode == MODE_FLAGS)
        printf("%7s  %10s  %s\n", "uid", "modseq", "flags");
}

static void choose_widths(struct listing *l)
{
    struct winsize w;
    size_t columns = 120;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col)
        columns = w.ws_col;
    size_t rest = columns > 80 ? columns - 44 : 36;
    l->from_width = rest / 3;
    l->subject_width = rest - l->from_width;
}

/* ---- the scan ------------------------------------------------------------------------------------------------------------------------ */

static int print_row(struct listing *l, const cubby_row *row, int damage)
{
    if (cli.json)
        return row_json(l, row, damage);
    switch (l->mode) {
    case MODE_FIELDS:
        row_fields(l, row);
        return 0;
    case MODE_HEADER:
        row_header(l, row);
        return 0;
    case MODE_FLAGS:
        return row_flags(l, row);
    default:
        row_list(l, row);
        return 0;
    }
}

static int scan_folder(cubby_store *store, const char *path, struct listing *l)
{
    cubby_folder folder;
    cubby_scan *scan = NULL;
    cubby_uidset *uids = NULL;
    const cubby_row *row;
    int rc = cli_folder(store, l->snap, path, &folder);
    if (rc == CLI_OK && l->uids_text)
        rc = cli_uids(store, l->snap, folder.id, l->uids_text, &uids);
    if (rc != CLI_OK)
        return rc;
    l->options.uids = uids;
    int r = cubby_scan_open(l->snap, folder.id, &l->options, &scan);
    if (r == 0 && !cli.json)
        heading(l);
    while (r == 0 && !cli_interrupted && (r = cubby_scan_next(scan, &row)) == 0) {
        int damage = take_header(l, folder.id, row);
        if (damage && damage != CUBBY_ECORRUPT && damage != CUBBY_EIO) {
            r = damage;
            break;
        }
        if (damage) {
            l->damaged++;
            cli_error("%s: uid %" PRIu32 ": header: %s", path, row->uid, cubby_strerror(damage));
        }
        r = print_row(l, row, damage);
    }
    cubby_scan_close(&scan);
    cubby_uidset_free(&uids);
    if (r < 0)
        return cli_store_error(store, r);
    if (l->damaged)
        cli_hint("%" PRIu64 " headers could not be read; `cubby fsck --full STORE` says why", l->damaged);
    return cli_interrupted ? CLI_INTERRUPTED : l->damaged ? CLI_NEGATIVE : CLI_OK;
}

/* A name that was given before counts once: it is a key of a JSON object. */
static void add_field(struct listing *l, const char *name, size_t len)
{
    for (size_t i = 0; i < l->field_count; i++)
        if (is_field(name, len, l->fields[i]))
            return;
    if (l->field_count == FIELDS_MAX)
        cli_usage_error("--fields takes at most %d names", FIELDS_MAX);
    char *copy = cli_malloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        if (name[i] <= ' ' || name[i] >= 0x7f)
            cli_usage_error("--fields: '%.*s' is not a field name", (int)len, name);
        copy[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i]);
    }
    copy[len] = 0;
    l->options.want |= cubby_is_list_field(copy, len) ? CUBBY_WANT_LIST : CUBBY_WANT_HEADER;
    l->fields[l->field_count++] = copy;
}

static void set_mode(struct listing *l, int mode)
{
    if (l->mode != MODE_LIST && l->mode != mode)
        cli_usage_error("only one of --fields, --header and --flags");
    l->mode = mode;
}

static void parse_fields(struct listing *l, const char *list)
{
    set_mode(l, MODE_FIELDS);
    while (*(list += strspn(list, ", :"))) {
        size_t len = strcspn(list, ", :");
        add_field(l, list, len);
        list += len;
    }
    if (l->field_count == 0)
        cli_usage_error("--fields needs names, such as --fields subject,list-id");
}

static void parse_option(struct listing *l, int o)
{
    switch (o) {
    case OPT_FIELDS:
        parse_fields(l, optarg);
        break;
    case OPT_HEADER:
        set_mode(l, MODE_HEADER);
        break;
    case OPT_FLAGS:
        set_mode(l, MODE_FLAGS);
        break;
    case OPT_UIDS:
        l->uids_text = optarg;
        break;
    case OPT_SINCE:
        l->options.since = cli_number("--since", optarg, UINT64_MAX);
        break;
    case OPT_UNSEEN:
        l->options.flags_clear |= CUBBY_SEEN;
        break;
    case OPT_REVERSE:
        l->options.reverse = 1;
        break;
    case OPT_LIMIT:
        l->options.limit = cli_number("--limit", optarg, UINT64_MAX);
        if (l->options.limit == 0)
            cli_usage_error("--limit must be at least 1");
        break;
    }
}

int cmd_scan(int argc, char **argv)
{
    static const struct option own[] = {
        {"fields", required_argument, NULL, OPT_FIELDS}, {"header", no_argument, NULL, OPT_HEADER},
        {"flags", no_argument, NULL, OPT_FLAGS},         {"uids", required_argument, NULL, OPT_UIDS},
        {"since", required_argument, NULL, OPT_SINCE},   {"unseen", no_argument, NULL, OPT_UNSEEN},
        {"reverse", no_argument, NULL, OPT_REVERSE},     {"limit", required_argument, NULL, OPT_LIMIT},
        {0},
    };
    static struct listing l;
    cubby_store *store = NULL;
    l.options = (cubby_scan_options)CUBBY_SCAN_INIT;
    for (int o; (o = cli_option(argc, argv, "", own)) != -1;)
        parse_option(&l, o);
    char **args = cli_arguments(argc, argv, 2, 2);
    if (l.mode == MODE_LIST)
        l.options.want |= CUBBY_WANT_LIST;
    if (l.mode == MODE_HEADER)
        l.options.want |= CUBBY_WANT_HEADER;
    if (l.options.want & CUBBY_WANT_HEADER)
        l.options.want &= ~(unsigned)CUBBY_WANT_LIST; /* the list fields are in it */
    choose_widths(&l);
    int rc = cli_open_view(args[0], &store, &l.snap);
    if (rc != CLI_OK)
        return rc;
    rc = scan_folder(store, args[1], &l);
    for (size_t i = 0; i < l.field_count; i++)
        free(l.fields[i]);
    text_release(&l.value);
    text_release(&l.sender);
    text_release(&l.out);
    text_release(&l.long_header);
    return cli_close(&store, &l.snap, rc);
}
