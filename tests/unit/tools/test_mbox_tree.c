#include "archive/tree.h"

#include <sys/stat.h>

#include "cli.h"
#include "mbox_util.h"

#define PM "From a@b Sat Jan  2 01:29:12 2021\n"

static char root[300];

static void start(void)
{
    const char *dir = getenv("TEST_TMP");
    snprintf(root, sizeof root, "%s/tree-XXXXXX", dir ? dir : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void end(void)
{
    char command[400];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    ck_assert_int_eq(system(command), 0);
}

static const char *in_root(const char *name)
{
    static char path[4][900];
    static int i;
    i = (i + 1) % 4;
    snprintf(path[i], sizeof path[i], "%s/%s", root, name);
    return path[i];
}

static void file(const char *name, const char *content)
{
    FILE *f = fopen(in_root(name), "w");
    ck_assert_ptr_nonnull(f);
    fputs(content, f);
    fclose(f);
}

static void dir(const char *name)
{
    ck_assert_int_eq(mkdir(in_root(name), 0700), 0);
}

/* "FOLDER=FILE;" for each, files below root. */
static char *scan(const char *source, const char *into, int no_subfolders)
{
    static char out[4000];
    struct tree t = TREE_INIT;
    char *sources[] = {(char *)(uintptr_t)in_root(source)};
    tree_scan(&t, sources, 1, &(struct tree_options){into, no_subfolders, NULL});
    *out = 0;
    for (size_t i = 0; i < t.count; i++)
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s=%s%s;", t.files[i].folder, t.files[i].path + strlen(root) + 1,
                 t.files[i].error ? "!" : "");
    tree_release(&t);
    return out;
}

START_TEST(single_files)
{
    start();
    file("a.mbox", PM);
    file("b", PM);
    file("c.mbox.gz", "");
    file("inbox", "");
    file("x%2Fy.mbox", "");
    ck_assert_str_eq(scan("a.mbox", NULL, 0), "a=a.mbox;");
    ck_assert_str_eq(scan("a.mbox", "F/G", 0), "F/G=a.mbox;");
    ck_assert_str_eq(scan("b", NULL, 0), "b=b;");
    ck_assert_str_eq(scan("c.mbox.gz", NULL, 0), "c=c.mbox.gz;");
    ck_assert_str_eq(scan("inbox", NULL, 0), "INBOX=inbox;");
    ck_assert_str_eq(scan("x%2Fy.mbox", NULL, 0), "x%2Fy=x%2Fy.mbox;");
    ck_assert_str_eq(scan("missing.mbox", NULL, 0), "missing=missing.mbox!;");
    struct tree t = TREE_INIT;
    char *two[] = {cli_strdup(in_root("a.mbox")), cli_strdup(in_root("b"))};
    tree_scan(&t, two, 2, &(struct tree_options){"F", 0, NULL});
    ck_assert_uint_eq(t.count, 2);
    ck_assert_str_eq(t.files[0].folder, "F/a");
    ck_assert_str_eq(t.files[1].folder, "F/b");
    tree_release(&t);
    char dash[] = "-", *standard_input[] = {dash};
    tree_scan(&t, standard_input, 1, &(struct tree_options){NULL, 0, NULL});
    ck_assert_str_eq(t.files[0].folder, "INBOX");
    tree_release(&t);
    free(two[0]);
    free(two[1]);
    end();
}
END_TEST

START_TEST(own_layout)
{
    start();
    file("A.mbox", PM);
    file("INBOX.mbox", "");
    dir("A");
    file("A/B.mbox", PM);
    dir("A/xxx%");
    file("A/xxx%/yyy.mbox", PM);
    dir("A/xxx%/yyy");
    file("A/xxx%/yyy/z.mbox", PM);
    file("%2Ehidden.mbox", PM);
    file(".cubby-123456", PM);
    ck_assert_str_eq(scan("", NULL, 0), ".hidden=%2Ehidden.mbox;A/B=A/B.mbox;A/xxxyyy/z=A/xxx%/yyy/z.mbox;A/xxxyyy=A/xxx%/yyy.mbox;A=A.mbox;INBOX=INBOX.mbox;");
    ck_assert_str_eq(scan("", "F", 1), "F/.hidden=%2Ehidden.mbox;F/A=A.mbox;F/INBOX=INBOX.mbox;");
    end();
}
END_TEST

START_TEST(thunderbird)
{
    start();
    file("Inbox", PM);
    file("Inbox.msf", "// <!-- -->");
    dir("Inbox.sbd");
    file("Inbox.sbd/Sub", PM);
    file("Inbox.sbd/Sub.msf", "");
    file("Trash", "");
    file("Trash.msf", "");
    file("msgFilterRules.dat", "version=\"9\"\n");
    file("popstate.dat", "");
    file("notes.txt", "hello");
    file("a.b", "");
    ck_assert_str_eq(scan("", NULL, 0), "INBOX=Inbox;INBOX/Sub=Inbox.sbd/Sub;Trash=Trash;");
    end();
}
END_TEST

START_TEST(apple)
{
    start();
    dir("Sent.mbox");
    file("Sent.mbox/mbox", PM);
    file("Sent.mbox/table_of_contents", "");
    dir("Work");
    dir("Work/Deep.mbox");
    file("Work/Deep.mbox/mbox", PM);
    ck_assert_str_eq(scan("", NULL, 0), "Sent=Sent.mbox/mbox;Work/Deep=Work/Deep.mbox/mbox;");
    ck_assert_str_eq(scan("Sent.mbox", NULL, 0), "Sent=Sent.mbox/mbox;");
    ck_assert_str_eq(scan("Sent.mbox/", "F", 0), "F=Sent.mbox/mbox;");
    end();
}
END_TEST

START_TEST(maildirs)
{
    start();
    static const char *const dirs[] = {"M", "M/cur", "M/new", "M/tmp", "M/.A.B&AC4-c", "M/.A.B&AC4-c/cur", "M/.A.B&AC4-c/new", "M/fs", "M/fs/x",
                                       "M/fs/x/cur", "M/fs/x/new", "M/.no", "alone", "alone/cur", "alone/new", "box", "box/cur", "box/new"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        dir(dirs[i]);
    ck_assert_str_eq(scan("M", NULL, 0), "INBOX=M;A/B.c=M/.A.B&AC4-c;fs/x=M/fs/x;");
    ck_assert_str_eq(scan("M", "F", 0), "F/INBOX=M;F/A/B.c=M/.A.B&AC4-c;F/fs/x=M/fs/x;");
    ck_assert_str_eq(scan("M", "F", 1), "F=M;");
    ck_assert_str_eq(scan("alone", NULL, 0), "alone=alone;");
    ck_assert_str_eq(scan("alone", "F", 0), "F=alone;");
    file("box/maildirsize", "");
    ck_assert_str_eq(scan("box", NULL, 0), "INBOX=box;"); /* a server's account */
    ck_assert_str_eq(scan("", NULL, 0), "M=M;M/A/B.c=M/.A.B&AC4-c;M/fs/x=M/fs/x;alone=alone;box=box;");
    end();
}
END_TEST

START_TEST(message_files)
{
    start();
    static const char *const dirs[] = {"t", "t/a", "t/a/b", "t/empty", "t/X.mbox", "t/X.mbox/Messages", "t/X.mbox/Sub.mbox", "t/X.mbox/Sub.mbox/Messages",
                                       "t/Y.mbox", "t/Y.mbox/0A1B2C3D-0000-1111-2222-333344445555", "t/Y.mbox/0A1B2C3D-0000-1111-2222-333344445555/Messages"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        dir(dirs[i]);
    file("t/a/b/1.eml", "a: b\n\n");
    file("t/a/b/notes", "hello\n");
    file("t/X.mbox/Messages/1.emlx", "");
    file("t/X.mbox/Sub.mbox/Messages/1.emlx", "");
    file("t/Y.mbox/0A1B2C3D-0000-1111-2222-333344445555/Messages/1.emlx", "");
    ck_assert_str_eq(scan("t", NULL, 0), "X=t/X.mbox/Messages;X/Sub=t/X.mbox/Sub.mbox/Messages;"
                     "Y=t/Y.mbox/0A1B2C3D-0000-1111-2222-333344445555/Messages;a/b=t/a/b;empty=t/empty;");
    ck_assert_str_eq(scan("t/a/b", NULL, 0), "b=t/a/b;");
    ck_assert_str_eq(scan("t/a/b", "F", 0), "F=t/a/b;");
    ck_assert_str_eq(scan("t/a/b/1.eml", NULL, 0), "1=t/a/b/1.eml;");
    ck_assert_str_eq(scan("t/X.mbox", NULL, 1), "X=t/X.mbox/Messages;");
    ck_assert_str_eq(scan("t/empty", NULL, 0), ""); /* nothing says that it has to do with mail */
    end();
}
END_TEST

START_TEST(clashes_and_links)
{
    start();
    file("a\x01.mbox", PM);
    file("a\x02.mbox", PM);
    file("c.mbox", PM);
    file("c.mbox.gz", PM);
    file("broken.mbox", "this is no mbox");
    dir("circle");
    ck_assert_int_eq(symlink("..", in_root("circle/up")), 0);
    ck_assert_int_eq(symlink("/nowhere", in_root("dangling.mbox")), 0);
    ck_assert_str_eq(scan("", NULL, 0), "a_=a\x01.mbox;a_ (2)=a\x02.mbox;broken=broken.mbox;c=c.mbox;c=c.mbox.gz;dangling=dangling.mbox!;");
    end();
}
END_TEST

START_TEST(odd_directories)
{
    start();
    ck_assert_str_eq(scan("", NULL, 0), "");
    dir("%");
    file("%/x.mbox", PM);
    ck_assert_str_eq(scan("", NULL, 0), "x=%/x.mbox;");
    end();
}
END_TEST

UNIT_MAIN("tools/mbox_tree", single_files, own_layout, thunderbird, apple, maildirs, message_files, clashes_and_links, odd_directories)
