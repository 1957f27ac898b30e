#include <string.h>

#include "cubby.h"
#include "unit/unit.h"

START_TEST(version)
{
    ck_assert_str_eq(cubby_version(), "0.1.0");
}
END_TEST

START_TEST(every_code_has_a_name)
{
    for (int code = CUBBY_DONE; code >= CUBBY_ECONFLICT; code--) {
        ck_assert_str_ne(cubby_strerror(code), "unknown error");
        for (int other = code - 1; other >= CUBBY_ECONFLICT; other--)
            ck_assert_str_ne(cubby_strerror(code), cubby_strerror(other));
    }
    ck_assert_str_eq(cubby_strerror(CUBBY_ECONFLICT - 1), "unknown error");
    ck_assert_str_eq(cubby_strerror(2), "unknown error");
    ck_assert_str_eq(cubby_strerror(INT32_MIN), "unknown error");
    ck_assert_str_eq(cubby_strerror(CUBBY_EHASCHILD), "the folder has subfolders");
}
END_TEST

START_TEST(header_fields)
{
    static const char header[] = "rubbish\nSubject: a\r\n b\r\nX-Empty:\nTo : c\n\n";
    static const char *const want[][2] = {{"Subject", " a\r\n b"}, {"X-Empty", ""}, {"To", " c"}};
    const char *name, *value;
    size_t pos = 0, name_len, value_len;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(cubby_header_next(header, sizeof header - 1, &pos, &name, &name_len, &value, &value_len), 0);
        ck_assert_uint_eq(name_len, strlen(want[i][0]));
        ck_assert_mem_eq(name, want[i][0], name_len);
        ck_assert_uint_eq(value_len, strlen(want[i][1]));
        ck_assert_mem_eq(value, want[i][1], value_len);
    }
    ck_assert_int_eq(cubby_header_next(header, sizeof header - 1, &pos, &name, &name_len, &value, &value_len), CUBBY_DONE);
    ck_assert_int_eq(cubby_header_next(header, 1, NULL, &name, &name_len, &value, &value_len), CUBBY_EINVAL);
    pos = 0;
    ck_assert_int_eq(cubby_header_next(NULL, 0, &pos, &name, &name_len, &value, &value_len), CUBBY_DONE);
}
END_TEST

START_TEST(value_without_line_end)
{
    static const char *const headers[] = {"A:", "A:\n", "A:\r\n", "A:\r"};
    static const size_t lens[] = {0, 0, 0, 1};
    const char *name, *value;
    size_t name_len, value_len;
    for (int i = 0; i < 4; i++) {
        size_t pos = 0;
        ck_assert_int_eq(cubby_header_next(headers[i], strlen(headers[i]), &pos, &name, &name_len, &value, &value_len), 0);
        ck_assert_uint_eq(value_len, lens[i]);
    }
}
END_TEST

START_TEST(list_fields_and_dates)
{
    int64_t seconds = 5;
    int16_t zone = 5;
    ck_assert_int_eq(cubby_is_list_field("MESSAGE-ID", 10), 1);
    ck_assert_int_eq(cubby_is_list_field("Received", 8), 0);
    ck_assert_int_eq(cubby_is_list_field(NULL, 0), 0);
    ck_assert_int_eq(cubby_date_parse("Thu, 1 Jan 1970 01:00:10 +0100", 30, &seconds, &zone), 0);
    ck_assert_int_eq(seconds, 10);
    ck_assert_int_eq(zone, 60);
    ck_assert_int_eq(cubby_date_parse("never", 5, &seconds, &zone), CUBBY_EINVAL);
    ck_assert_int_eq(seconds, 10);
    ck_assert_int_eq(cubby_date_parse("Thu, 1 Jan 1970 01:00:10 +0100", 30, NULL, NULL), 0);
    ck_assert_int_eq(cubby_date_parse(NULL, 0, &seconds, &zone), CUBBY_EINVAL);
}
END_TEST

START_TEST(names_of_folders)
{
    char name[256] = "?";
    size_t len = 7;
    ck_assert_int_eq(cubby_folder_name(CUBBY_ROOT, "cafe\xcc\x81", 6, name, &len), 0);
    ck_assert_uint_eq(len, 5);
    ck_assert_str_eq(name, "caf\xc3\xa9");
    ck_assert_int_eq(cubby_folder_name(CUBBY_ROOT, "inbox", 5, name, &len), 0);
    ck_assert_str_eq(name, "INBOX");
    ck_assert_int_eq(cubby_folder_name(7, "inbox", 5, name, &len), 0);
    ck_assert_str_eq(name, "inbox");
    ck_assert_int_eq(cubby_folder_name(CUBBY_ROOT, "a\nb", 3, name, &len), CUBBY_EINVAL);
    ck_assert_uint_eq(len, 0);
    ck_assert_int_eq(cubby_folder_name(CUBBY_ROOT, NULL, 0, name, &len), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_folder_name(CUBBY_ROOT, "a", 1, NULL, NULL), CUBBY_EINVAL);
}
END_TEST

UNIT_MAIN("api/misc", version, every_code_has_a_name, header_fields, value_without_line_end, list_fields_and_dates, names_of_folders)
