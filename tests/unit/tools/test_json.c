#include "../../../tools/json.h"

#include <math.h>
#include <string.h>

#include "unit/unit.h"

static char out[4096];
static FILE *file;

static void begin(void)
{
    memset(out, 0, sizeof out);
    file = fmemopen(out, sizeof out, "w");
    json_stream(file);
}

static const char *end(void)
{
    json_stream(NULL);
    fclose(file);
    return out;
}

START_TEST(order_and_nesting)
{
    begin();
    json_begin("total");
    json_uint("messages", UINT64_MAX);
    json_int("n", -5);
    json_bool("yes", 1);
    json_bool("no", 0);
    json_null("none");
    json_str("missing", NULL);
    json_array("list");
    json_str(NULL, "a");
    json_uint(NULL, 2);
    json_object(NULL);
    json_str("k", "v");
    json_object_end();
    json_array_end();
    json_object("empty");
    json_object_end();
    json_array("nothing");
    json_array_end();
    json_uint("last", 1);
    json_end();
    json_begin(NULL);
    json_end();
    ck_assert_str_eq(end(), "{\"event\":\"total\",\"messages\":18446744073709551615,\"n\":-5,\"yes\":true,\"no\":false,\"none\":null,"
                            "\"missing\":null,\"list\":[\"a\",2,{\"k\":\"v\"}],\"empty\":{},\"nothing\":[],\"last\":1}\n{}\n");
}
END_TEST

START_TEST(escapes)
{
    begin();
    json_begin(NULL);
    json_bytes("s", "\"\\\b\t\n\f\r\x01\x0b\0\x1f\x7f\xc2\x9b", 14);
    json_str("u", "J\xc3\xbcrgen \xf0\x9f\x93\xac");
    json_bytes("a\"b\\", "\xff", 1); /* a name of a header field can be so */
    json_end();
    ck_assert_str_eq(end(), "{\"s\":\"\\\"\\\\\\b\\t\\n\\f\\r\\u0001\\u000b\\u0000\\u001f\\u007f\\u009b\",\"u\":\"J\xc3\xbcrgen \xf0\x9f\x93\xac\","
                            "\"a\\\"b\\\\\":\"\xef\xbf\xbd\",\"a\\\"b\\\\_raw\":\"/w==\"}\n");
}
END_TEST

START_TEST(bytes_that_are_not_utf8)
{
    begin();
    json_begin(NULL);
    json_bytes("a", "x\xffy", 3);
    json_bytes("b", "\xc3", 1);
    json_bytes("c", "\xed\xa0\x80", 3); /* a surrogate */
    json_bytes("d", "\xc0\x80", 2);     /* overlong */
    json_array("e");
    json_bytes(NULL, "\xfe", 1);
    json_array_end();
    json_end();
    ck_assert_str_eq(end(), "{\"a\":\"x\xef\xbf\xbdy\",\"a_raw\":\"eP95\",\"b\":\"\xef\xbf\xbd\",\"b_raw\":\"ww==\","
                            "\"c\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"c_raw\":\"7aCA\","
                            "\"d\":\"\xef\xbf\xbd\xef\xbf\xbd\",\"d_raw\":\"wIA=\",\"e\":[\"\xef\xbf\xbd\"]}\n");
}
END_TEST

START_TEST(numbers_and_blobs)
{
    begin();
    json_begin(NULL);
    json_double("a", 0.43);
    json_double("b", 0);
    json_double("c", 12);
    json_double("d", -0.0000001);
    json_double("e", NAN);
    json_double("f", 1e300);
    json_hex("g", "\x00\xab\xff", 3);
    json_base64("h", "", 0);
    json_end();
    end();
    ck_assert_ptr_nonnull(strstr(out, "{\"a\":0.43,\"b\":0,\"c\":12,\"d\":0,\"e\":null,\"f\":1"));
    ck_assert_ptr_nonnull(strstr(out, "\"g\":\"00abff\",\"h\":\"\"}\n"));
}
END_TEST

START_TEST(utf8)
{
    ck_assert(json_is_utf8("", 0));
    ck_assert(json_is_utf8("abc\0\xe2\x82\xac", 7));
    ck_assert(json_is_utf8("\xf4\x8f\xbf\xbf", 4));
    ck_assert(!json_is_utf8("\xf4\x90\x80\x80", 4));
    ck_assert(!json_is_utf8("\xe2\x82", 2));
    ck_assert(!json_is_utf8("\x80", 1));
    ck_assert(!json_is_utf8("\xe0\x9f\xbf", 3));
}
END_TEST

UNIT_MAIN("tools/json", order_and_nesting, escapes, bytes_that_are_not_utf8, numbers_and_blobs, utf8)
