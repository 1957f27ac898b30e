#include "../../../tools/section.h"

#include <string.h>

#include "unit/unit.h"

enum { LEAF = CUBBY_PART_LEAF, MULTI = CUBBY_PART_MULTIPART, MESSAGE = CUBBY_PART_MESSAGE };

static cubby_part part(uint32_t parent, uint16_t depth, uint8_t kind)
{
    cubby_part p;
    memset(&p, 0, sizeof p);
    p.parent = parent;
    p.depth = depth;
    p.kind = kind;
    return p;
}

START_TEST(single_part)
{
    const cubby_part parts[] = {part(0, 0, LEAF)};
    ck_assert_int_eq(section_find(parts, 1, "1"), 0);
    static const char *const none[] = {"2", "1.1", "0", "", "1.", ".1", "-1", "1..1", "99999999999999999999", "a"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        ck_assert_int_eq(section_find(parts, 1, none[i]), -1);
    ck_assert_int_eq(section_find(NULL, 0, "1"), -1);
}
END_TEST

/* The example of RFC 3501 6.4.5:
 * 1 TEXT/PLAIN, 2 APPLICATION/OCTET-STREAM, 3 MESSAGE/RFC822 (3.1 TEXT, 3.2 OCTET-STREAM), 4 MULTIPART/MIXED: 4.1 IMAGE/GIF,
 * 4.2 MESSAGE/RFC822 (4.2.1 TEXT, 4.2.2 MULTIPART/ALTERNATIVE: 4.2.2.1 TEXT, 4.2.2.2 RICHTEXT) */
START_TEST(the_rfc_example)
{
    const cubby_part parts[] = {
        part(0, 0, MULTI),   /* 0 */
        part(0, 1, LEAF),    /* 1: 1 */
        part(0, 1, LEAF),    /* 2: 2 */
        part(0, 1, MESSAGE), /* 3: 3 */
        part(3, 2, MULTI),   /* 4 */
        part(4, 3, LEAF),    /* 5: 3.1 */
        part(4, 3, LEAF),    /* 6: 3.2 */
        part(0, 1, MULTI),   /* 7: 4 */
        part(7, 2, LEAF),    /* 8: 4.1 */
        part(7, 2, MESSAGE), /* 9: 4.2 */
        part(9, 3, MULTI),   /* 10 */
        part(10, 4, LEAF),   /* 11: 4.2.1 */
        part(10, 4, MULTI),  /* 12: 4.2.2 */
        part(12, 5, LEAF),   /* 13: 4.2.2.1 */
        part(12, 5, LEAF),   /* 14: 4.2.2.2 */
    };
    static const struct {
        const char *number;
        int index;
    } cases[] = {{"1", 1}, {"2", 2}, {"3", 3}, {"3.1", 5}, {"3.2", 6}, {"4", 7}, {"4.1", 8}, {"4.2", 9}, {"4.2.1", 11}, {"4.2.2", 12},
                 {"4.2.2.1", 13}, {"4.2.2.2", 14}, {"5", -1}, {"1.1", -1}, {"3.3", -1}, {"4.2.3", -1}, {"4.2.2.2.1", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_int_eq(section_find(parts, 15, cases[i].number), cases[i].index);
}
END_TEST

START_TEST(message_in_a_message)
{
    const cubby_part parts[] = {part(0, 0, MESSAGE), part(0, 1, LEAF)};
    ck_assert_int_eq(section_find(parts, 2, "1"), 0);
    ck_assert_int_eq(section_find(parts, 2, "1.1"), 1);
    ck_assert_int_eq(section_find(parts, 2, "1.1.1"), -1);
    ck_assert_int_eq(section_find(parts, 2, "1.2"), -1);
    /* a message part whose inner message was cut off by a limit */
    ck_assert_int_eq(section_find(parts, 1, "1.1"), -1);
}
END_TEST

UNIT_MAIN("tools/section", single_part, the_rfc_example, message_in_a_message)
