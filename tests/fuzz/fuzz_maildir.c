/* fuzz_maildir.c - any bytes as what directories of messages hold beside the messages: file names with flags and dates, names in modified UTF-7, Dovecot's
 * list of uids, Apple's property lists, Google's labels. The first byte is which. */
#include <sys/mman.h>
#include <unistd.h>

#include "archive/eml/emlx.h"
#include "archive/labels.h"
#include "archive/maildir/names.h"
#include "archive/maildir/uidlist.h"
#include "archive/mutf7.h"
#include "fuzz/fuzz.h"

static void must_be_flags(struct cli_flags *f)
{
    must((f->system & ~CUBBY_FLAGS_ALL) == 0);
    for (size_t i = 0; i < f->keyword_count; i++) {
        struct cli_flags one = CLI_FLAGS_INIT;
        must(cli_flag_add(&one, f->keywords[i], strlen(f->keywords[i])) == 0);
        cli_flags_release(&one);
    }
    cli_flags_release(f);
}

static void as_name(const char *name, size_t n)
{
    struct cli_flags f = CLI_FLAGS_INIT;
    static char a[] = "one", z[] = "$two";
    const struct maildir_keywords k = {.name = {[0] = a, [25] = z}};
    int64_t date, again;
    int16_t zone, zone_again;
    char made[MAILDIR_NAME];
    must(maildir_base(name) <= n);
    maildir_flags(name, &k, &f);
    must_be_flags(&f);
    if (maildir_date(name, &date, &zone)) {
        maildir_name(made, date, zone, 3, 4, 5, 6);
        must(maildir_date(made, &again, &zone_again) && again == date && zone_again == zone);
    }
}

static void as_mutf7(const char *p, size_t n)
{
    struct text name = {0}, back = {0}, again = {0};
    if (mutf7_decode(p, n, &name) == 0) {
        mutf7_encode(name.data ? name.data : "", name.len, "", &back);
        must(mutf7_decode(back.data ? back.data : "", back.len, &again) == 0);
        must(again.len == name.len && (!name.len || !memcmp(again.data, name.data, name.len)));
    }
    text_release(&name);
    text_release(&back);
    text_release(&again);
}

static void as_uidlist(const void *p, size_t n)
{
    char path[64];
    int fd = memfd_create("uidlist", MFD_CLOEXEC);
    struct uidlist l;
    must(fd >= 0 && (n == 0 || write(fd, p, n) == (ssize_t)n));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    uidlist_read(path, &l);
    must(l.count <= n);
    for (size_t i = 0; i < l.count; i++)
        must(l.entries[i].uid > 0 && (strlen(l.entries[i].base) > 255 || uidlist_find(&l, l.entries[i].base, strlen(l.entries[i].base)) > 0));
    uidlist_release(&l);
    close(fd);
}

static void as_emlx(const char *p, size_t n)
{
    struct emlx_state st;
    uint64_t length;
    size_t start;
    if (emlx_first_line(p, n, &length, &start))
        must(start > 0 && start <= n);
    emlx_state_of(p, n, &st);
    must_be_flags(&st.flags);
}

static void as_labels(const char *p, size_t n, int mode)
{
    struct cli_flags f = CLI_FLAGS_INIT;
    struct labels l = {0};
    struct text header = {0};
    text_add(&header, "X-Gmail-Labels: ", 16);
    text_add(&header, p, n);
    text_add(&header, "\n\n", 2);
    labels_of_header(header.data, header.len, mode, &f, &l);
    for (size_t i = 0; i < l.count; i++)
        must(l.folders[i][0] != '\0');
    labels_release(&l);
    must_be_flags(&f);
    text_release(&header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct input in = {data, n};
    unsigned what = (unsigned)take(&in, 1) % 6;
    char *p = string_copy(in.p, in.n);
    switch (what) {
    case 0: as_name(p, strlen(p)); break;
    case 1: as_mutf7(p, in.n); break;
    case 2: as_uidlist(p, in.n); break;
    case 3: as_emlx(p, in.n); break;
    default: as_labels(p, in.n, (int)what - 3);
    }
    free(p);
    return 0;
}
