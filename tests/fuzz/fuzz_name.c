/* fuzz_name.c - any bytes as a folder name: a name that is taken is UTF-8, in NFC for good, and survives its way to a file name and back, which
 * stays below its directory; and as a path, as the command line takes it. */
#include "archive/names.h"
#include "cli.h"
#include "fuzz/fuzz.h"
#include "mail/name.h"

static void must_be_utf8(const char *p, size_t n)
{
    for (size_t i = 0, used; i < n; i += used) {
        uint32_t c;
        used = cubby__utf8_get((const uint8_t *)p + i, n - i, &c);
        must(used > 0 && c >= 0x20 && c != 0x7f && !(c >= 0xd800 && c < 0xe000) && c < 0x110000);
    }
}

/* No component of a file path may lead anywhere else. */
static void must_stay_below(const char *path)
{
    must(path[0] && path[0] != '/');
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        must(n > 0 && n <= 255 && p[0] != '.');
        p += n + (p[n] == '/');
    }
}

static void as_name(const char *p, size_t n, uint64_t parent)
{
    struct cubby__name name, again;
    struct text file = {0}, back = {0};
    if (cubby__name_make(parent, p, n, &name) != 0)
        return;
    must(name.len >= 1 && name.len <= CUBBY__NAME_MAX && strlen(name.bytes) == name.len);
    must_be_utf8(name.bytes, name.len);
    must(cubby__name_make(parent, name.bytes, name.len, &again) == 0 && again.len == name.len && !memcmp(again.bytes, name.bytes, name.len));
    names_encode(name.bytes, name.len, &file);
    must_stay_below(file.data);
    if (!strchr(file.data, '/')) { /* else the tree joins the pieces */
        must(names_decode(file.data, file.len, &back) == 0);
        must(back.len == name.len && !memcmp(back.data, name.bytes, name.len));
    }
    text_release(&file);
    text_release(&back);
}

/* Whatever a file is called, its name becomes one that a folder may have. */
static void as_file(const char *p, size_t n)
{
    struct text out = {0};
    struct cubby__name name;
    if (n && !memchr(p, 0, n)) {
        names_decode(p, n, &out);
        must(cubby__name_make(1, out.data, out.len, &name) == 0);
    }
    text_release(&out);
}

static void as_path(const char *path)
{
    const char *rest = path;
    struct text file = {0};
    char part[256];
    size_t len;
    int rc, ok = names_encode_path(path, &file) == 0;
    if (ok)
        must_stay_below(file.data);
    while ((rc = cli_path_next(&rest, part, &len)) == 0) {
        must(len >= 1 && len <= 255);
        char *escaped = cli_path_escape(part, len);
        const char *again = escaped;
        char twice[256];
        size_t twice_len;
        must(cli_path_next(&again, twice, &twice_len) == 0 && twice_len == len && !memcmp(part, twice, len) && !*again);
        free(escaped);
    }
    must(ok == (rc == CUBBY_DONE && *path) || !ok);
    text_release(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct input in = {data, n};
    uint64_t parent = take(&in, 1) & 1;
    char *p = string_copy(in.p, in.n);
    as_name(p, in.n, parent);
    as_file(p, in.n);
    as_path(p);
    free(p);
    return 0;
}
