#include "log/segname.h"

#include "base/alloc.h"
#include "format/format.h"
#include "unit/unit.h"

static void is(char *path, const char *want)
{
    ck_assert_ptr_nonnull(path);
    ck_assert_str_eq(path, want);
    cubby__free(path);
}

START_TEST(paths)
{
    is(cubby__path_join("/a/b", "c"), "/a/b/c");
    is(cubby__path_join("", ""), "/");
    is(cubby__path_segment("store", 1), "store/segments/00000001.seg");
    is(cubby__path_segment("/s", CUBBY__SEG_NUMBER_MAX), "/s/segments/99999999.seg");
    is(cubby__path_segment_tmp("/s", 42), "/s/tmp/00000042.seg");
}
END_TEST

START_TEST(parse)
{
    ck_assert_uint_eq(cubby__segname_parse("00000001.seg"), 1);
    ck_assert_uint_eq(cubby__segname_parse("99999999.seg"), CUBBY__SEG_NUMBER_MAX);
    ck_assert_uint_eq(cubby__segname_parse("00012340.seg"), 12340);
}
END_TEST

START_TEST(names_that_are_none)
{
    static const char *const none[] = {"", "00000000.seg", "1.seg", "0000001.seg", "000000001.seg", "0000000a.seg", "-0000001.seg", "+0000001.seg",
                                       "00000001.SEG", "00000001.sex", "00000001seg.", "00000001.seg~", " 0000001.seg", "00000001.se", ".seg",
                                       "\xff\xff\xff\xff\xff\xff\xff\xff.seg", "0000:001.seg", "0000/001.seg"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        ck_assert_msg(cubby__segname_parse(none[i]) == 0, "%s", none[i]);
}
END_TEST

UNIT_MAIN("log/segname", paths, parse, names_that_are_none)
