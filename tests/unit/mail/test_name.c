#include "mail/name.h"

#include <string.h>

#include "cubby.h"
#include "unit/unit.h"

static int make(uint64_t parent, const char *name, size_t len, const char *as)
{
    struct cubby__name out;
    int rc = cubby__name_make(parent, name, len, &out);
    if (rc)
        return rc;
    ck_assert_str_eq(out.bytes, as);
    ck_assert_uint_eq(out.len, strlen(as));
    return 0;
}

#define MAKE(parent, name, as) ck_assert_int_eq(make(parent, name, sizeof name - 1, as), 0)
#define REFUSE(name)           ck_assert_int_eq(make(0, name, sizeof name - 1, ""), CUBBY_EINVAL)

START_TEST(accepts)
{
    MAKE(0, "a", "a");
    MAKE(0, "Sent Messages", "Sent Messages");
    MAKE(0, ".", ".");
    MAKE(0, "..", "..");
    MAKE(0, "a/b\\c", "a/b\\c");
    MAKE(0, "\xe5\x8f\xb0\xe5\x8c\x97", "\xe5\x8f\xb0\xe5\x8c\x97");
    MAKE(0, "\xf0\x9f\x93\xa7", "\xf0\x9f\x93\xa7");
    MAKE(0, "\xc2\xa0", "\xc2\xa0");
    MAKE(0, "\xef\xbf\xbf", "\xef\xbf\xbf");
    MAKE(0, "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf");
}
END_TEST

START_TEST(refuses)
{
    REFUSE("");
    REFUSE("a\0b");
    REFUSE("a\nb");
    REFUSE("\x1f");
    REFUSE("\x7f");
    REFUSE("\xc2\x80");
    REFUSE("\xc2\x9f");
    REFUSE("\x80");
    REFUSE("\xff");
    REFUSE("a\xc3");
    REFUSE("\xc0\xaf");             /* overlong */
    REFUSE("\xe0\x80\xaf");
    REFUSE("\xf0\x80\x80\xaf");
    REFUSE("\xed\xa0\x80");         /* surrogate */
    REFUSE("\xf4\x90\x80\x80");     /* behind the last character */
    REFUSE("\xf8\x88\x80\x80\x80");
    REFUSE("\xe2\x82");
    REFUSE("\xe2\x82g");
    ck_assert_int_eq(make(0, NULL, 0, ""), CUBBY_EINVAL);
}
END_TEST

START_TEST(length)
{
    char s[2000];
    struct cubby__name out;
    memset(s, 'x', sizeof s);
    ck_assert_int_eq(cubby__name_make(0, s, 255, &out), 0);
    ck_assert_uint_eq(out.len, 255);
    ck_assert_int_eq(out.bytes[255], 0);
    ck_assert_int_eq(cubby__name_make(0, s, 256, &out), CUBBY_EINVAL);
    ck_assert_int_eq(cubby__name_make(0, s, 1020, &out), CUBBY_EINVAL);
    ck_assert_int_eq(cubby__name_make(0, s, 1021, &out), CUBBY_EINVAL);
    for (size_t i = 0; i + 3 <= 300; i += 3)
        memcpy(s + i, "e\xcc\x81", 3); /* 100 letters: 300 bytes, composed 200 */
    ck_assert_int_eq(cubby__name_make(0, s, 300, &out), 0);
    ck_assert_uint_eq(out.len, 200);
}
END_TEST

START_TEST(inbox)
{
    MAKE(0, "inbox", "INBOX");
    MAKE(0, "InBoX", "INBOX");
    MAKE(1, "InBoX", "InBoX");
    MAKE(0, "inbox2", "inbox2");
    ck_assert_int_eq(cubby__name_is_inbox(0, "iNBOX", 5), 1);
    ck_assert_int_eq(cubby__name_is_inbox(0, "INBO", 4), 0);
    ck_assert_int_eq(cubby__name_is_inbox(7, "INBOX", 5), 0);
}
END_TEST

START_TEST(composes)
{
    MAKE(0, "e\xcc\x81", "\xc3\xa9");
    MAKE(0, "\xc3\xa9", "\xc3\xa9");
    MAKE(0, "\xe2\x84\xab", "\xc3\x85"); /* angstrom sign: a singleton */
}
END_TEST

START_TEST(utf8_round_trip)
{
    for (uint32_t c = 0; c < 0x110000; c++) {
        uint8_t b[4];
        uint32_t back = 0;
        if (c >= 0xd800 && c < 0xe000)
            continue;
        size_t n = cubby__utf8_put(c, b);
        ck_assert_uint_eq(cubby__utf8_get(b, n, &back), n);
        ck_assert_uint_eq(back, c);
        ck_assert_uint_eq(cubby__utf8_get(b, n - 1 ? n - 1 : 1, &back), n > 1 ? 0 : 1);
    }
}
END_TEST

UNIT_MAIN("mail/name", accepts, refuses, length, inbox, composes, utf8_round_trip)
