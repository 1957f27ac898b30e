#include "archive/names.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli.h"
#include "cubby.h"
#include "text.h"

#define FILE_NAME_MAX 240 /* of 255 bytes; the rest is for endings and the names of temporary files */
#define FOLDER_NAME_MAX 255

static const char *const endings[] = {".mbox", ".sbd", ".msf", ".gz", ".xz", ".zst", ".bz2", NULL};

int names_ends(const char *file, size_t len, const char *ending)
{
    size_t n = strlen(ending);
    return len > n && strncasecmp(file + len - n, ending, n) == 0;
}

size_t names_stem(const char *file)
{
    size_t n = strlen(file);
    for (int i = 3; endings[i]; i++)
        if (names_ends(file, n, endings[i])) {
            n -= strlen(endings[i]);
            break;
        }
    return names_ends(file, n, ".mbox") ? n - 5 : n;
}

/* ---- folder to file ---------------------------------------------------------------------------------------------------------------- */

/* The dot of an ending that means something; len if there is none. */
static size_t ending_dot(const char *name, size_t len)
{
    for (int i = 0; endings[i]; i++)
        if (names_ends(name, len, endings[i]))
            return len - strlen(endings[i]);
    return len;
}

/* Directories cur and new make one a Maildir. */
static int makes_maildir(const char *name, size_t len)
{
    return len == 3 && strncasecmp(name, "cur", 3) == 0;
}

/* Names that mean a device on Windows, whatever ending they have. */
static int is_device(const char *name, size_t len)
{
    static const char *const devices[] = {"CON", "PRN", "AUX", "NUL", "COM", "LPT", NULL};
    const char *dot = memchr(name, '.', len);
    size_t stem = dot ? (size_t)(dot - name) : len;
    for (int i = 0; devices[i]; i++)
        if (stem >= 3 && strncasecmp(name, devices[i], 3) == 0 && (i < 4 ? stem == 3 : stem == 4 && name[3] >= '0' && name[3] <= '9'))
            return 1;
    return 0;
}

/* May this byte of a name not stand there on Windows? */
static int is_strange(const char *name, size_t len, size_t i)
{
    return strchr("<>:\"\\|?*", name[i]) != NULL || (i + 1 == len && (name[i] == '.' || name[i] == ' ')) || (i == 0 && is_device(name, len));
}

int names_is_portable(const char *name, size_t len)
{
    size_t i = 0;
    while (i < len && !is_strange(name, len, i))
        i++;
    return i == len;
}

void names_encode(const char *name, size_t len, struct text *out)
{
    names_encode_as(name, len, 0, 0, out);
}

void names_encode_as(const char *name, size_t len, size_t escaped, int how, struct text *out)
{
    size_t dot = ending_dot(name, len), start = out->len;
    int hidden = makes_maildir(name, len);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        char hex[4];
        int plain = c >= ' ' && c != 0x7f && c != '/' && c != '%' && !(c == '.' && (i == 0 || i == dot)) && !(hidden && i == 0) && i >= escaped &&
                    !(how == NAMES_PORTABLE && is_strange(name, len, i));
        snprintf(hex, sizeof hex, "%%%02X", c);
        if (out->len - start > FILE_NAME_MAX - 4) { /* a directory of its own for what fits no more */
            text_add(out, "%/", 2);
            start = out->len;
            plain = plain && c != '.';
        }
        text_add(out, plain ? (const char *)&name[i] : hex, plain ? 1 : 3);
    }
}

int names_encode_path(const char *folder, struct text *out)
{
    char name[FOLDER_NAME_MAX + 1];
    size_t len;
    int rc;
    for (int first = 1; (rc = cli_path_next(&folder, name, &len)) == 0; first = 0) {
        if (!first)
            text_byte(out, '/');
        names_encode(name, len, out);
    }
    return rc == CUBBY_DONE && out->len ? 0 : -1;
}

/* ---- file to folder ---------------------------------------------------------------------------------------------------------------- */

void names_unescape(const char *file, size_t len, struct text *out)
{
    for (size_t i = 0; i < len; i++) {
        int high = i + 2 < len && file[i] == '%' ? text_hex(file[i + 1]) : -1;
        int low = high >= 0 ? text_hex(file[i + 2]) : -1;
        text_byte(out, low >= 0 ? (char)(high << 4 | low) : file[i]);
        if (low >= 0)
            i += 2;
    }
}

/* C1 controls are control characters too. */
static int is_allowed(const char *s, size_t n, uint32_t code)
{
    int wrong = code == 0xfffd && !(n == 3 && memcmp(s, "\xef\xbf\xbd", 3) == 0);
    return !wrong && code >= 0x20 && code != 0x7f && !(code >= 0x80 && code < 0xa0);
}

/* Puts the name that stands at `start` into the form that folders have it in: so two that a store takes for one are seen to be one. Some characters come
 * apart there and take more room: as many are left out at the end as have none. 1: some were. */
static int normalize(struct text *name, size_t start)
{
    char form[FOLDER_NAME_MAX + 1];
    size_t len = 0, full = name->len;
    const uint64_t not_at_the_top = 1; /* what becomes of INBOX is another matter */
    while (name->len > start && cubby_folder_name(not_at_the_top, name->data + start, name->len - start, form, &len) != 0)
        do
            name->len--;
        while (name->len > start && ((unsigned char)name->data[name->len] & 0xc0) == 0x80);
    int cut = name->len < full;
    if (name->len == start)
        return cut;
    name->len = start;
    text_add(name, form, len);
    return cut;
}

int names_clean(const char *raw, size_t len, struct text *out)
{
    size_t start = out->len;
    int changed = 0;
    for (size_t i = 0, n; i < len; i += n) {
        uint32_t code;
        n = text_next(raw + i, len - i, &code);
        int ok = is_allowed(raw + i, n, code);
        changed |= !ok;
        if (out->len - start + n > FOLDER_NAME_MAX) {
            changed = 1;
            break;
        }
        text_add(out, ok ? raw + i : "_", ok ? n : 1);
    }
    changed |= normalize(out, start);
    if (out->len == start) {
        text_byte(out, '_');
        changed = 1;
    }
    return changed;
}

int names_decode(const char *file, size_t len, struct text *out)
{
    struct text raw = {0};
    names_unescape(file, len, &raw);
    int changed = names_clean(raw.data, raw.len, out);
    text_release(&raw);
    return changed;
}
