#include "mime/content.h"

#include <stdio.h>
#include <string.h>

#include "cubby.h"
#include "unit/unit.h"

/* kind: 'L', 'M', 'D' (digest), 'R'. */
static void check(const char *value, char kind, const char *boundary)
{
    struct cubby__content_type got;
    memset(&got, 0xa5, sizeof got);
    cubby__content_type_parse((const uint8_t *)value, strlen(value), &got);
    char k = got.kind == CUBBY_PART_MULTIPART ? (got.digest ? 'D' : 'M') : got.kind == CUBBY_PART_MESSAGE ? 'R' : 'L';
    ck_assert_msg(k == kind, "%s: %c, not %c", value, k, kind);
    int same = got.boundary_len == strlen(boundary) && !memcmp(got.boundary, boundary, got.boundary_len);
    ck_assert_msg(same, "%s: %.*s, not %s", value, got.boundary_len, (const char *)got.boundary, boundary);
}

START_TEST(types)
{
    check("", 'L', "");
    check("text/plain", 'L', "");
    check("text/plain; boundary=x", 'L', "");
    check("multipart", 'L', "");
    check("multipart/mixed", 'L', "");
    check("multipartx/mixed; boundary=x", 'L', "");
    check(" Multipart / (c) MIXED ; boundary = x", 'M', "x");
    check("multipart/DIGEST;boundary=x", 'D', "x");
    check("multipart/digest2;boundary=x", 'M', "x");
    check("message/rfc822", 'R', "");
    check("\r\n\tMESSAGE/RFC822; x=y", 'R', "");
    check("message/global", 'R', "");
    check("message/rfc8222", 'L', "");
    check("message/delivery-status", 'L', "");
    check("message/global-headers", 'L', "");
}
END_TEST

START_TEST(boundaries)
{
    check("multipart/x; boundary=----=_NextPart_000;", 'M', "----=_NextPart_000");
    check("multipart/x; boundary=\"a b\\\"\\\\c;d\"", 'M', "a b\"\\c;d");
    check("multipart/x; boundary=\"trailing \t\"", 'M', "trailing");
    check("multipart/x; boundary=\"fol\r\n ded\"", 'M', "fol ded");
    check("multipart/x; boundary=\"open", 'M', "open");
    check("multipart/x; boundary=a(comment)", 'M', "a");
    check("multipart/x; (b;oundary=z) boundary (x) = (y) a (z)", 'M', "a");
    check("multipart/x; a=\"; boundary=no\"; BOUNDARY=yes", 'M', "yes");
    check("multipart/x; a; =b; ;;; c=; rubbish boundary=no; boundary=yes", 'M', "yes");
    check("multipart/x; boundary=one; boundary=two", 'M', "one");
    check("multipart/x; boundary=", 'L', "");
    check("multipart/x; boundary=\"\"", 'L', "");
    check("multipart/x; boundary=\" \"", 'L', "");
    check("multipart/x; xboundary=a; boundaryx=b", 'L', "");
    check("multipart/x; boundary", 'L', "");
    check("multipart/x; boundary=a b", 'M', "a");
}
END_TEST

START_TEST(continuations)
{
    check("multipart/x; boundary*=us-ascii'en'a%20b%3d", 'M', "a b=");
    check("multipart/x; boundary*0=abc; boundary*1=\"d e\"; boundary*2=f", 'M', "abcd ef");
    check("multipart/x; boundary*0*=''a%41; boundary*1*=%42%4; boundary*2=%43", 'M', "aAB%4%43");
    check("multipart/x; boundary*1=b; boundary*0=a", 'M', "a"); /* out of order: what does not come next is passed over */
    check("multipart/x; boundary*0=a; boundary=plain", 'M', "plain");
    check("multipart/x; boundary*=noquotes", 'L', "");
    check("multipart/x; boundary**=a; boundary*x=b; boundary*0x=c", 'L', "");
    check("multipart/x; boundary*99999999999999999999=a", 'L', "");
}
END_TEST

START_TEST(long_boundaries)
{
    static const char *const heads[] = {"multipart/x; boundary=", "multipart/x; boundary*=''", "multipart/x; boundary*0=a; boundary*1=",
                                        "multipart/x; boundary*0=a; boundary*1*="};
    char value[600], want[300];
    for (size_t i = 0; i < 4; i++) {
        size_t room = i < 2 ? CUBBY__BOUNDARY_MAX : CUBBY__BOUNDARY_MAX - 1, quotes = i == 1 ? 2 : 0;
        if (quotes)
            room -= quotes; /* charset'language' counts while it is read */
        for (size_t n = room - 1; n <= room + 4; n++) {
            size_t at = (size_t)sprintf(value, "%s", heads[i]);
            memset(value + at, 'b', n);
            value[at + n] = 0;
            memset(want, 'b', n);
            want[n] = 0;
            if (i >= 2) {
                memmove(want + 1, want, n + 1);
                want[0] = 'a';
            }
            check(value, n <= room ? 'M' : 'L', n <= room ? want : "");
        }
    }
}
END_TEST

START_TEST(encodings)
{
    static const struct {
        const char *value;
        int want;
    } cases[] = {
        {"7bit", CUBBY_CTE_7BIT},
        {" 8BIT\r\n", CUBBY_CTE_8BIT},
        {"8bit 7bit", CUBBY_CTE_8BIT},
        {"Binary", CUBBY_CTE_BINARY},
        {"(c) Quoted-Printable (d)", CUBBY_CTE_QP},
        {"base64;", CUBBY_CTE_BASE64},
        {"", CUBBY_CTE_7BIT},
        {" \r\n", CUBBY_CTE_7BIT},
        {"x-uuencode", CUBBY_CTE_OTHER},
        {"base", CUBBY_CTE_OTHER},
        {"quoted-printablee", CUBBY_CTE_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(cubby__content_encoding_parse((const uint8_t *)cases[i].value, strlen(cases[i].value)) == cases[i].want, "%s", cases[i].value);
}
END_TEST

/* Any cut of a value, in a block of its own size. */
START_TEST(cut_short)
{
    static const char *const values[] = {"multipart/mixed; boundary*0*=us-ascii'en'a%20; boundary*1=\"\\\"b\" (c (\\) d)) ; boundary=\"x y\"",
                                         "message / rfc822 ; a=\"\\", "multipart/digest;boundary=\r\n (x) abc;"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        for (size_t n = 0; n <= strlen(values[i]); n++) {
            struct cubby__content_type got;
            uint8_t *copy = malloc(n + !n);
            memcpy(copy, values[i], n);
            cubby__content_type_parse(copy, n, &got);
            cubby__content_encoding_parse(copy, n);
            ck_assert(got.kind != CUBBY_PART_MULTIPART || got.boundary_len > 0);
            free(copy);
        }
    }
}
END_TEST

UNIT_MAIN("mime/content", types, boundaries, continuations, long_boundaries, encodings, cut_short)
