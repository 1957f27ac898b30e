/* Names of folders in archives: modified UTF-7, cleaning, clashes; what Maildir and emlx say of a message; Gmail's labels. */
#include "archive/eml/emlx.h"
#include "archive/labels.h"
#include "archive/maildir/folder.h"
#include "archive/maildir/names.h"
#include "archive/maildir/uidlist.h"
#include "archive/mutf7.h"
#include "archive/places.h"

#include "cli.h"
#include "mbox_util.h"

static const char *encode(const char *name, const char *also)
{
    static char out[600];
    struct text t = {0};
    mutf7_encode(name, strlen(name), also, &t);
    snprintf(out, sizeof out, "%s", t.data ? t.data : "");
    text_release(&t);
    return out;
}

static const char *decode(const char *name)
{
    static char out[600];
    struct text t = {0};
    int rc = mutf7_decode(name, strlen(name), &t);
    ck_assert(rc == 0 || t.len == 0);
    snprintf(out, sizeof out, "%s", rc ? "wrong" : t.data ? t.data : "");
    text_release(&t);
    return out;
}

START_TEST(modified_utf7)
{
    ck_assert_str_eq(encode("Sent", ""), "Sent");
    ck_assert_str_eq(encode("R&D", ""), "R&-D");
    ck_assert_str_eq(encode("~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", ""), "~peter/mail/&U,BTFw-/&ZeVnLIqe-"); /* RFC 3501 */
    ck_assert_str_eq(decode("~peter/mail/&U,BTFw-/&ZeVnLIqe-"), "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e");
    ck_assert_str_eq(encode("\xf0\x9f\x93\xa7", ""), "&2D3c5w-");
    ck_assert_str_eq(decode("&2D3c5w-"), "\xf0\x9f\x93\xa7");
    ck_assert_str_eq(encode("a.b/c", "./"), "a&AC4-b&AC8-c");
    ck_assert_str_eq(decode("a&AC4-b&AC8-c"), "a.b/c");
    ck_assert_str_eq(decode("&-"), "&");
    static const char *const wrong[] = {"R&D", "&", "&AC4", "&A-", "&2D3c-", "&3Oc-", "\xc3\xa4", "&AC5-", "&AC4*-", "a\x01"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_str_eq(decode(wrong[i]), "wrong");
}
END_TEST

static const char *original(struct places *p, const char *folder)
{
    static char out[100];
    size_t len;
    char *o = places_original(p, folder, &len);
    ck_assert_uint_eq(len, o ? strlen(o) : 0);
    snprintf(out, sizeof out, "%s", o ? o : "none");
    free(o);
    return out;
}

START_TEST(places)
{
    struct places *p = places_new();
    const char *a = places_below(p, "", "a\x01", 2), *b = places_below(p, "", "a_", 2), *c = places_below(p, "", "a\x02", 2);
    ck_assert_str_eq(a, "a_");
    ck_assert_str_eq(b, "a_ (2)");
    ck_assert_str_eq(c, "a_ (3)");
    ck_assert_ptr_eq(places_below(p, "", "a\x01", 2), a); /* the same again */
    ck_assert_str_eq(places_below(p, a, "x/y%", 4), "a_/x%2Fy%25");
    ck_assert_str_eq(places_below(p, b, "x/y%", 4), "a_ (2)/x%2Fy%25");
    ck_assert_str_eq(places_below(p, "", "inbox", 5), "INBOX");
    ck_assert_str_eq(places_below(p, "", "INBOX", 5), "INBOX");
    ck_assert_str_eq(places_below(p, a, "inbox", 5), "a_/inbox");
    ck_assert_str_eq(places_below(p, "", "", 0), "_");
    ck_assert_str_eq(places_path(p, "top", "one%2Ftwo/th%25ree/x%zz"), "top/one%2Ftwo/th%25ree/x%25zz");
    ck_assert_str_eq(places_path(p, "top", ""), "top");
    ck_assert_str_eq(original(p, a), "a\x01");
    ck_assert_str_eq(original(p, b), "a_");
    ck_assert_str_eq(original(p, "INBOX"), "none");
    places_set_original(p, "INBOX", "Posteingang", 11);
    ck_assert_str_eq(original(p, "INBOX"), "Posteingang");
    ck_assert_str_eq(original(p, "nowhere"), "none");
    char longest[256], longer[300];
    memset(longest, 'x', 255);
    memset(longer, 'x', 299);
    longest[255] = longer[299] = 0;
    ck_assert_str_eq(places_below(p, "", longest, 255), longest);
    const char *cut = places_below(p, "", longer, 299); /* cut, and then a number: still 255 bytes */
    ck_assert_uint_eq(strlen(cut), 255);
    ck_assert_str_eq(cut + 251, " (2)");
    places_free(&p);
}
END_TEST

START_TEST(maildir_names)
{
    static const char letter_a[] = "Work";
    char a[sizeof letter_a], buf[MAILDIR_NAME];
    struct maildir_keywords k = {.name = {a}};
    struct cli_flags f = CLI_FLAGS_INIT;
    int64_t date;
    int16_t zone;
    memcpy(a, letter_a, sizeof a);
    ck_assert_uint_eq(maildir_base("123.x:2,S"), 5);
    ck_assert_uint_eq(maildir_base("123.x;2,S"), 5);
    ck_assert_uint_eq(maildir_base("123.x!2,"), 5);
    ck_assert_uint_eq(maildir_base("123.x:1,S"), 9);
    ck_assert_uint_eq(maildir_base("a:2,b:2,S"), 5);
    maildir_flags("x:2,DFPRSTaz,extra", &k, &f);
    ck_assert_uint_eq(f.system, CUBBY_FLAGS_ALL);
    ck_assert_uint_eq(f.keyword_count, 2);
    ck_assert_str_eq(f.keywords[0], "$Forwarded");
    ck_assert_str_eq(f.keywords[1], "Work");
    cli_flags_release(&f);
    f = (struct cli_flags)CLI_FLAGS_INIT;
    maildir_flags("S", &k, &f);
    ck_assert_uint_eq(f.system, 0);
    maildir_name(buf, -5, -90, 7, UINT32_MAX, 3, 4);
    ck_assert_str_eq(buf, "-5.Z-0130.cubby7.4294967295,S=3,W=4");
    ck_assert_int_eq(maildir_date(buf, &date, &zone), 1);
    ck_assert_int_eq(date, -5);
    ck_assert_int_eq(zone, -90);
    maildir_name(buf, INT64_MIN, 1439, UINT32_MAX, UINT32_MAX, UINT64_MAX, UINT64_MAX);
    ck_assert_int_eq(maildir_date(buf, &date, &zone), 1);
    ck_assert(date == INT64_MIN && zone == 1439);
    static const char *const others[] = {"1500000000.M1P1.host", "1.Z+0100.other", "1.Z+9900.cubby", "Z+0100.cubby", "1.Z+010.cubby", ""};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_int_eq(maildir_date(others[i], &date, &zone), 0);
}
END_TEST

static struct uidlist uids_of(const char *text)
{
    struct uidlist l;
    write_scratch(text, strlen(text));
    uidlist_read(scratch_file(), &l);
    unlink(scratch_file());
    return l;
}

START_TEST(uidlists)
{
    struct uidlist l = uids_of("3 V100 N30 Gabc\n7 S10 W12 :b.x,S=10:2,S\n5 :a.x\nrubbish\n0 :zero\n9 :../etc\n4294967296 :big\n");
    ck_assert_uint_eq(l.uidvalidity, 100);
    ck_assert_uint_eq(l.uidnext, 30);
    ck_assert_uint_eq(l.count, 2);
    ck_assert_uint_eq(uidlist_find(&l, "b.x,S=10:2,FS", 8), 7);
    ck_assert_uint_eq(uidlist_find(&l, "a.x", 3), 5);
    ck_assert_uint_eq(uidlist_find(&l, "c.x", 3), 0);
    uidlist_release(&l);
    l = uids_of("1 1275660208 9\n3 a.x\n");
    ck_assert_uint_eq(l.uidvalidity, 1275660208);
    ck_assert_uint_eq(l.uidnext, 9);
    ck_assert_uint_eq(uidlist_find(&l, "a.x", 3), 3);
    uidlist_release(&l);
    static const char *const none[] = {"", "2 V1 N1\n1 :a\n", "3 N5\n1 :a\n", "x\n"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        l = uids_of(none[i]);
        ck_assert_uint_eq(l.uidvalidity, 0);
        ck_assert_uint_eq(l.count, 0);
        uidlist_release(&l);
    }
}
END_TEST

static const char *directory(const char *folder)
{
    static char out[400];
    char *d = maildir_directory(folder);
    snprintf(out, sizeof out, "%s", d ? d : "too long");
    free(d);
    return out;
}

START_TEST(maildir_directories)
{
    char name[256];
    ck_assert_str_eq(directory("INBOX"), "");
    ck_assert_str_eq(directory("INBOX/a"), "/.INBOX.a");
    ck_assert_str_eq(directory("A/b.c/d%2Fe"), "/.A.b&AC4-c.d&AC8-e");
    ck_assert_str_eq(directory(".."), "/.&AC4ALg-");
    memset(name, 'x', 255);
    name[255] = 0;
    const char *cut = directory(name); /* 254 of them are a name of 255 bytes with the dot */
    ck_assert_uint_eq(strlen(cut), 256);
    ck_assert_int_eq(cut[247], '~');
    char *other = cli_strdup(cut);
    name[254] = 'y';
    ck_assert_str_ne(directory(name), other);
    name[254] = 0;
    ck_assert_int_eq(directory(name)[254], 'x');
    free(other);
    char deep[602] = "";
    for (int i = 0; i < 300; i++)
        memcpy(deep + i * 2, i < 299 ? "a/" : "a", i < 299 ? 3 : 2);
    ck_assert_str_eq(directory(deep), "too long");
}
END_TEST

START_TEST(emlx)
{
    uint64_t length;
    size_t start;
    ck_assert_int_eq(emlx_first_line("12        \nSubject", 18, &length, &start), 1);
    ck_assert_uint_eq(length, 12);
    ck_assert_uint_eq(start, 11);
    static const char *const wrong[] = {"", "\n", "x\n", "12", "12 x\n", "-1\n", "9999999999999999999999\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_int_eq(emlx_first_line(wrong[i], strlen(wrong[i]), &length, &start), 0);
    struct emlx_state s;
    static const char plist[] = "<key>date-received</key>\n\t<real>1300000000.5</real><key>flags</key><integer>33554519</integer>";
    emlx_state_of(plist, sizeof plist - 1, &s);
    ck_assert(s.has_flags && s.has_date && s.date == 1300000000);
    ck_assert_uint_eq(s.flags.system, CUBBY_FLAGS_ALL);
    ck_assert_uint_eq(s.flags.keyword_count, 1);
    ck_assert_str_eq(s.flags.keywords[0], "$NotJunk");
    cli_flags_release(&s.flags);
    for (size_t n = 0; n < sizeof plist - 1; n++) { /* cut anywhere */
        char *cut = malloc(n + 1);
        memcpy(cut, plist, n);
        emlx_state_of(cut, n, &s);
        cli_flags_release(&s.flags);
        free(cut);
    }
}
END_TEST

/* "flags|keywords|folders" */
static const char *labels(const char *value, int mode)
{
    static char out[400];
    char header[300];
    struct cli_flags f = CLI_FLAGS_INIT;
    struct labels l = {0};
    int n = snprintf(header, sizeof header, "Subject: x\nX-Gmail-Labels: %s\n\nbody", value);
    labels_of_header(header, (size_t)n, mode, &f, &l);
    snprintf(out, sizeof out, "%u|", (unsigned)f.system);
    for (size_t i = 0; i < f.keyword_count; i++)
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s;", f.keywords[i]);
    strcat(out, "|");
    for (size_t i = 0; i < l.count; i++)
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s;", l.folders[i]);
    cli_flags_release(&f);
    labels_release(&l);
    return out;
}

START_TEST(gmail_labels)
{
    ck_assert_str_eq(labels("Inbox,Unread", LABELS_FOLDERS), "0||INBOX;");
    ck_assert_str_eq(labels("Opened, Starred ,Archived", LABELS_FOLDERS), "5||");
    ck_assert_str_eq(labels("\"a, b\",c/d,c/d,/", LABELS_FOLDERS), "1||a, b;c/d;_;");
    ck_assert_str_eq(labels("=?UTF-8?Q?=C3=84,Drafts?=", LABELS_FOLDERS), "17||\xc3\x84;Drafts;");
    ck_assert_str_eq(labels("Spam,Important,Category Social", LABELS_FOLDERS), "1|$Important;$Junk;Category_Social;|Spam;");
    ck_assert_str_eq(labels("Sent,\"a, b\",Inbox", LABELS_KEYWORDS), "1|a,_b;Sent;|");
    ck_assert_str_eq(labels("../x,a%b", LABELS_FOLDERS), "1||../x;a%25b;");
    ck_assert_str_eq(labels("\"open", LABELS_FOLDERS), "1||open;");
    ck_assert_str_eq(labels("", LABELS_FOLDERS), "1||");
    ck_assert_str_eq(labels("Inbox", LABELS_IGNORE), "0||");
}
END_TEST

START_TEST(too_many_labels)
{
    struct text header = {0};
    struct cli_flags f = CLI_FLAGS_INIT;
    struct labels l = {0};
    char label[24];
    text_add(&header, "X-Gmail-Labels: L0", 18);
    for (int i = 1; i < 20000; i++)
        text_add(&header, label, (size_t)snprintf(label, sizeof label, ",L%d", i));
    text_add(&header, ",Starred\n\n", 10);
    labels_of_header(header.data, header.len, LABELS_FOLDERS, &f, &l);
    ck_assert_uint_eq(l.count, LABELS_MAX);
    ck_assert_int_eq(l.left_out, 1);
    ck_assert_uint_eq(f.system, CUBBY_SEEN | CUBBY_FLAGGED); /* state behind them counts all the same */
    labels_release(&l);
    ck_assert_int_eq(l.left_out, 0);
    cli_flags_release(&f);
    text_release(&header);
}
END_TEST

UNIT_MAIN("tools/archive_names", modified_utf7, places, maildir_names, uidlists, maildir_directories, emlx, gmail_labels, too_many_labels)
