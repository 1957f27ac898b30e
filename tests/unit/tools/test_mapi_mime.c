/* The message that is made of an object: structure, header, attachments, state. */
#include <stdio.h>
#include <sys/resource.h>

#include "archive/digest.h"
#include "archive/field.h"
#include "mapi_util.h"
#include "unit/unit.h"

static struct fake *mail(void)
{
    struct fake *f = fake_new();
    set_text(f, MAPI_P_MESSAGE_CLASS, "IPM.Note");
    set_text(f, MAPI_P_SUBJECT, "\x01\x05Re: Hello");
    set_text(f, MAPI_P_SENDER_NAME, "Ann");
    set_text(f, MAPI_P_SENDER_ADDRTYPE, "SMTP");
    set_text(f, MAPI_P_SENDER_ADDRESS, "ann@example.org");
    set_time(f, MAPI_P_CLIENT_SUBMIT_TIME, 880106106);
    set_text(f, MAPI_P_INTERNET_MESSAGE_ID, "<1@example.org>");
    return f;
}

static int count_of(const struct text *t, const char *what)
{
    int n = 0;
    for (const char *p = t->data; (p = strstr(p, what)) != NULL; p += strlen(what))
        n++;
    return n;
}

#define has(t, what)  ck_assert_msg(strstr((t).data, what) != NULL, "no %s in:\n%.3000s", what, (t).data)
#define hasnt(t, what) ck_assert_msg(strstr((t).data, what) == NULL, "%s in:\n%.3000s", what, (t).data)

START_TEST(plain_text)
{
    struct fake *f = mail();
    set_text(f, MAPI_P_BODY, "one\r\ntwo\nthree");
    add_recipient(f, 1, "Bob", "bob@example.org");
    add_recipient(f, 2, "J\xc3\xbcrgen", "j@example.org");
    add_recipient(f, 3, "c@example.org", "c@example.org");
    struct text t = made(f, 7, NULL);
    ck_assert_str_eq(t.data, "From: Ann <ann@example.org>\r\n"
                             "To: Bob <bob@example.org>\r\n"
                             "Cc: =?utf-8?Q?J=C3=BCrgen?= <j@example.org>\r\n"
                             "Bcc: c@example.org\r\n"
                             "Date: Fri, 21 Nov 1997 09:55:06 +0000\r\n"
                             "Subject: Re: Hello\r\n"
                             "Message-ID: <1@example.org>\r\n"
                             "MIME-Version: 1.0\r\n"
                             "Content-Type: text/plain; charset=us-ascii\r\n"
                             "Content-Transfer-Encoding: 7bit\r\n\r\n"
                             "one\r\ntwo\r\nthree\r\n");
    text_release(&t);
    fake_free(f);
}
END_TEST

START_TEST(all_bodies_and_attachments)
{
    struct fake *f = mail();
    static const char html[] = "<p>gr\xfc\xdf <img src=\"cid:a%40b\"> <img src='CID:other'></p>";
    set_text(f, MAPI_P_BODY, "gr\xc3\xbc\xc3\x9f");
    set_bytes(f, MAPI_P_HTML, MAPI_BINARY, html, sizeof html - 1);
    set_int(f, MAPI_P_INTERNET_CODEPAGE, MAPI_INT32, 1252);
    struct fake *a = add_attachment(f, MAPI_ATTACH_BY_VALUE, "pic.png", "\x89PNG", 4);
    set_text(a, MAPI_P_ATTACH_CONTENT_ID, "a@b");
    set_text(a, MAPI_P_ATTACH_MIME_TAG, "image/png");
    struct fake *unused = add_attachment(f, MAPI_ATTACH_BY_VALUE, "doc.pdf", "%PDF", 4);
    set_text(unused, MAPI_P_ATTACH_CONTENT_ID, "c@d");
    struct text losses = {0}, t = made(f, 4096, &losses), again = made(f, 1, NULL);
    ck_assert_str_eq(t.data, again.data);
    has(t, "Content-Type: multipart/mixed;");
    has(t, "Content-Type: multipart/related; type=\"multipart/alternative\";");
    has(t, "Content-Type: multipart/alternative;");
    has(t, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nZ3LDvMOf");
    has(t, "Content-Type: text/html; charset=windows-1252\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>gr=FC=DF");
    has(t, "Content-Type: image/png;\r\n name=pic.png\r\nContent-Disposition: inline;\r\n filename=pic.png\r\nContent-ID: <a@b>\r\n");
    has(t, "Content-Type: application/pdf;\r\n name=doc.pdf\r\nContent-Disposition: attachment;\r\n filename=doc.pdf\r\nContent-ID: <c@d>\r\n");
    ck_assert_str_eq(losses.data, "");
    ck_assert_int_eq(count_of(&t, "\r\n--=_"), 9); /* three multiparts: delimiters and ends */
    text_release(&t);
    text_release(&again);
    text_release(&losses);
    fake_free(f);
}
END_TEST

START_TEST(no_header_can_be_put_in)
{
    struct fake *f = fake_new();
    set_text(f, MAPI_P_SUBJECT, "a\r\nEvil: 1");
    set_text(f, MAPI_P_SENDER_NAME, "x\nEvil: 2");
    set_text(f, MAPI_P_SENDER_ADDRESS, "a@b\r\nEvil: 3");
    set_text(f, MAPI_P_INTERNET_MESSAGE_ID, "<1>\r\n\r\nEvil: 4");
    set_text(f, MAPI_P_IN_REPLY_TO, "<1>\rEvil: 5");
    set_text(f, MAPI_P_CONVERSATION_TOPIC, "t\x0b\nEvil: 6");
    add_recipient(f, 1, "r\r\nEvil: 7", "\"q\r\nEvil: 8\"@c");
    struct fake *a = add_attachment(f, MAPI_ATTACH_BY_VALUE, "n\"\r\nEvil: 9", "", 0);
    set_text(a, MAPI_P_ATTACH_CONTENT_ID, "i\r\nEvil: 10");
    set_text(a, MAPI_P_ATTACH_MIME_TAG, "text/x\r\nEvil: 11");
    set_text(f, MAPI_P_MESSAGE_CLASS, "IPM.Note.X\r\nEvil: 12");
    struct text t = made(f, 4096, NULL);
    hasnt(t, "\nEvil");
    hasnt(t, "\rEvil");
    text_release(&t);
    fake_free(f);
}
END_TEST

START_TEST(transport_headers)
{
    struct fake *f = mail();
    set_text(f, MAPI_P_TRANSPORT_HEADERS,
             "Microsoft Mail Internet Headers Version 2.0\r\n"
             "Received: by x;\r\n\tMon, 1 Jan 2001 00:00:00 +0000\r\n"
             "MIME-Version: 1.0\r\n"
             "Content-Type: multipart/mixed;\r\n\tboundary=\"old\"\r\n"
             "content-transfer-encoding: 8bit\r\n"
             "From: \"J\xc3\xbcrgen Klein\" <j@k>\n"
             "X-Bare:a\rEvil: 1\r\n"
             "To:\r\n"
             "Subject: sent\r\n"
             "X-Cubby: v1\r\n"
             "X-Blank: a\r\n \r\n b\r\n"
             "\r\nNot: a field\r\n");
    add_recipient(f, 1, "Bob", "bob@example.org");
    set_text(f, MAPI_P_BODY, "x");
    struct text t = made(f, 4096, NULL);
    ck_assert_str_eq(t.data, "Received: by x;\r\n Mon, 1 Jan 2001 00:00:00 +0000\r\n"
                             "From: =?utf-8?Q?J=C3=BCrgen_Klein?= <j@k>\r\n"
                             "X-Bare: a Evil: 1\r\n"
                             "Subject: sent\r\n"
                             "X-Blank: a\r\n b\r\n"
                             "To: Bob <bob@example.org>\r\n"
                             "Date: Fri, 21 Nov 1997 09:55:06 +0000\r\n"
                             "Message-ID: <1@example.org>\r\n"
                             "MIME-Version: 1.0\r\n"
                             "Content-Type: text/plain; charset=us-ascii\r\n"
                             "Content-Transfer-Encoding: 7bit\r\n\r\nx\r\n");
    text_release(&t);
    fake_free(f);
}
END_TEST

START_TEST(transport_headers_without_addresses)
{
    struct fake *f = mail();
    set_text(f, MAPI_P_TRANSPORT_HEADERS,
             "From: Ann, Miss\r\nTo: Bob, X </O=ORG/CN=BOB>\r\nCc: Nobody, Knows\r\nBcc: undisclosed-recipients:;\r\nSubject: x\r\n");
    add_recipient(f, 1, "Bob, X", "bob@example.org");
    struct text t = made(f, 4096, NULL);
    ck_assert_int_eq(strncmp(t.data, "Cc: Nobody, Knows\r\nBcc: undisclosed-recipients:;\r\nSubject: x\r\nFrom: Ann <ann@example.org>\r\n"
                                     "To: \"Bob, X\" <bob@example.org>\r\nDate: ", 129), 0);
    text_release(&t);
    fake_free(f);
}
END_TEST

START_TEST(addresses_of_other_systems)
{
    struct fake *f = fake_new();
    static const char oneoff[] = "\0\0\0\0\x81\x2b\x1f\xa4\xbe\xa3\x10\x19\x9d\x6e\0\xdd\x01\x0f\x54\x02\0\0\x01\x10One\0SMTP\0one@off\0";
    set_text(f, MAPI_P_REPRESENTING_NAME, "Boss");
    set_text(f, MAPI_P_REPRESENTING_ADDRTYPE, "EX");
    set_text(f, MAPI_P_REPRESENTING_ADDRESS, "/O=ORG/CN=BOSS");
    set_text(f, MAPI_P_SENDER_NAME, "Secretary");
    set_text(f, MAPI_P_SENDER_SMTP, "sec@example.org");
    struct fake *known = add_recipient(f, 1, "Boss", NULL);
    set_text(known, MAPI_P_ADDRTYPE, "EX");
    set_text(known, MAPI_P_EMAIL_ADDRESS, "/o=org/cn=boss");
    set_text(known, MAPI_P_SMTP_ADDRESS, "boss@example.org");
    struct fake *unknown = add_recipient(f, 1, "Other", NULL);
    set_text(unknown, MAPI_P_ADDRTYPE, "EX");
    set_text(unknown, MAPI_P_EMAIL_ADDRESS, "/O=ORG/CN=A B");
    set_bytes(add_recipient(f, 2, "", NULL), MAPI_P_ENTRYID, MAPI_BINARY, oneoff, sizeof oneoff - 1);
    add_recipient(f, 2, "Only, a name", NULL);
    struct text t = made(f, 4096, NULL);
    has(t, "From: Boss <boss@example.org>\r\nSender: Secretary <sec@example.org>\r\n");
    has(t, "To: Boss <boss@example.org>, Other <IMCEAEX-_O=ORG_CN=A+20B@invalid>\r\n");
    has(t, "Cc: One <one@off>, \"Only, a name\" <unknown@invalid>\r\n");
    text_release(&t);
    fake_free(f);
}
END_TEST

START_TEST(embedded_messages)
{
    struct fake *f = mail();
    struct fake *a = add_attachment(f, MAPI_ATTACH_EMBEDDED, "inner", NULL, 0);
    a->embedded = mail();
    add_attachment(a->embedded, MAPI_ATTACH_BY_VALUE, "x.bin", "abc", 3);
    struct fake *lost = add_attachment(f, MAPI_ATTACH_EMBEDDED, "gone", NULL, 0);
    struct text losses = {0}, t = made(f, 5, &losses);
    has(t, "Content-Type: message/rfc822;\r\n name=inner.eml\r\n");
    has(t, "filename=x.bin\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj\r\n");
    ck_assert_str_eq(losses.data, "attachment 2 \"gone.eml\": made to fail|");
    has(t, "is missing: made to fail");
    /* boundaries of the two differ */
    const char *one = strstr(t.data, "boundary=\"=_"), *two = strstr(one + 1, "boundary=\"=_");
    ck_assert_ptr_nonnull(two);
    ck_assert_int_ne(memcmp(one, two, 40), 0);
    ck_assert_int_eq(f->opened, 0);
    ck_assert_int_eq(a->opened, 0);
    ck_assert_int_eq(a->embedded->opened, 0);
    ck_assert_int_eq(lost->opened, 0);
    text_release(&t);
    text_release(&losses);
    fake_free(f);
}
END_TEST

/* A message that holds itself, twice: deep, and as many as there may be. */
START_TEST(messages_within_themselves)
{
    struct fake *f = mail();
    struct fake *a = add_attachment(f, MAPI_ATTACH_EMBEDDED, "self", NULL, 0);
    a->embedded = f;
    struct text losses = {0}, t = made(f, 4096, &losses);
    ck_assert_int_eq(count_of(&t, "Content-Type: message/rfc822"), MAPI_DEPTH_MAX);
    has(losses, "nested too deeply");
    text_release(&t);
    text_clear(&losses);
    f->attachments_again = 2;
    t = made(f, 65536, &losses);
    ck_assert_int_le(count_of(&t, "Content-Type: message/rfc822"), 10000);
    has(t, "there are too many embedded messages");
    has(losses, " more|");
    a->embedded = NULL;
    text_release(&t);
    text_release(&losses);
    fake_free(f);
}
END_TEST

START_TEST(attachments_that_are_not_there)
{
    struct fake *f = mail();
    struct fake *link = add_attachment(f, MAPI_ATTACH_WEB_REFERENCE, "big.iso", NULL, 0);
    set_text(link, MAPI_P_ATTACH_LONG_PATHNAME, "https://example.org/big.iso");
    add_attachment(f, MAPI_ATTACH_OLE, "sheet", NULL, 0);
    struct fake *torn = add_attachment(f, MAPI_ATTACH_BY_VALUE, "torn.bin", NULL, 0);
    struct fake_prop *data = set_bytes(torn, MAPI_P_ATTACH_DATA, MAPI_BINARY, "", 0);
    data->endless = 100000;
    data->broken_at = 40000;
    struct fake *ole = add_attachment(f, MAPI_ATTACH_OLE, "object", NULL, 0);
    set_bytes(ole, MAPI_P_ATTACH_DATA, MAPI_OBJECT, "\xd0\xcf", 2);
    struct text losses = {0}, t = made(f, 4096, &losses);
    has(t, "https://example.org/big.iso");
    ck_assert_str_eq(losses.data, "attachment 2 \"sheet\": its data is not in the file|attachment 3 \"torn.bin\": made to fail at byte 32768|");
    has(t, "Content-Type: application/octet-stream;\r\n name=object\r\n");
    text_release(&t);
    text_release(&losses);
    fake_free(f);
}
END_TEST

START_TEST(names_of_attachments)
{
    struct fake *f = mail();
    add_attachment(f, MAPI_ATTACH_BY_VALUE, "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xbc\xd0\xb5\xd1\x80.txt", "x", 1);
    add_attachment(f, MAPI_ATTACH_BY_VALUE, "C:\\dir\\two words.txt", "x", 1);
    struct fake *mailish = add_attachment(f, MAPI_ATTACH_BY_VALUE, "a.eml", "Subject: x\r\n\r\ny\r\n", 17);
    set_text(mailish, MAPI_P_ATTACH_MIME_TAG, "message/rfc822");
    struct fake *bare = add_attachment(f, MAPI_ATTACH_BY_VALUE, "b.eml", "Subject: x\n\ny", 13);
    set_text(bare, MAPI_P_ATTACH_MIME_TAG, "message/rfc822");
    struct text t = made(f, 4096, NULL);
    has(t, "filename*=utf-8''%D0%BF%D1%80%D0%B8%D0%BC%D0%B5%D1%80.txt\r\n");
    has(t, "filename=\"two words.txt\"\r\n");
    has(t, "Content-Type: message/rfc822;\r\n name=a.eml\r\nContent-Disposition: attachment;\r\n filename=a.eml\r\n"
           "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: x\r\n\r\ny\r\n");
    has(t, "Content-Type: application/octet-stream;\r\n name=b.eml\r\n");
    text_release(&t);
    fake_free(f);
}
END_TEST

START_TEST(boundaries_in_the_text)
{
    struct fake *f = mail();
    set_text(f, MAPI_P_BODY, "--=_0123\r\nnext");
    add_attachment(f, MAPI_ATTACH_BY_VALUE, "a", "x", 1);
    struct text t = made(f, 4096, NULL);
    has(t, "Content-Transfer-Encoding: quoted-printable\r\n\r\n--=3D_0123\r\nnext");
    text_release(&t);
    fake_free(f);
}
END_TEST

START_TEST(signed_messages)
{
    struct fake *f = fake_new();
    static const char entity[] = "Content-Type: multipart/signed; protocol=\"application/x-pkcs7-signature\";\r\n\tboundary=\"b\"\r\nFrom: evil@example.org\r\n"
                                 "Content-Description: s\r\n\r\nThis is\n--b\r\n\xff\r\n--b--\r\n";
    set_text(f, MAPI_P_MESSAGE_CLASS, "IPM.Note.SMIME.MultipartSigned");
    set_text(f, MAPI_P_SUBJECT, "s");
    set_text(f, MAPI_P_BODY, "shown");
    add_attachment(f, MAPI_ATTACH_BY_VALUE, "smime.p7m", entity, sizeof entity - 1);
    struct text t = made(f, 3, NULL);
    ck_assert_str_eq(t.data, "Subject: s\r\nX-MAPI-Message-Class: IPM.Note.SMIME.MultipartSigned\r\nMIME-Version: 1.0\r\n"
                             "Content-Type: multipart/signed; protocol=\"application/x-pkcs7-signature\";\r\n boundary=\"b\"\r\n"
                             "Content-Description: s\r\n\r\nThis is\n--b\r\n\xff\r\n--b--\r\n");
    text_release(&t);
    fake_free(f);
    f = fake_new();
    set_text(f, MAPI_P_MESSAGE_CLASS, "IPM.Note.SMIME");
    struct fake *a = add_attachment(f, MAPI_ATTACH_BY_VALUE, "smime.p7m", "\x30\x80", 2);
    set_text(a, MAPI_P_ATTACH_MIME_TAG, "application/pkcs7-mime;smime-type=enveloped-data;name=smime.p7m");
    t = made(f, 4096, NULL);
    has(t, "Content-Type: application/pkcs7-mime;\r\n smime-type=enveloped-data; name=smime.p7m\r\n");
    has(t, "base64\r\n\r\nMIA=\r\n");
    text_release(&t);
    fake_free(f);
}
END_TEST

START_TEST(originals)
{
    static const char message[] = "Subject: as it was\n\nbytes \xff\n";
    uint8_t hash[16];
    for (int good = 0; good < 2; good++) {
        struct fake *f = mail();
        digest_of(message, sizeof message - 1, hash);
        hash[3] ^= (uint8_t)!good;
        set_bytes(f, name_it(f, mapi_set_cubby, 0, MAPI_NAME_ORIGINAL), MAPI_BINARY, message, sizeof message - 1);
        set_bytes(f, name_it(f, mapi_set_cubby, 0, MAPI_NAME_ORIGINAL_HASH), MAPI_BINARY, hash, sizeof hash);
        struct text t = made(f, 5, NULL);
        if (good)
            ck_assert_str_eq(t.data, message);
        else
            has(t, "Subject: Re: Hello\r\n");
        text_release(&t);
        fake_free(f);
    }
}
END_TEST

START_TEST(code_pages)
{
    static const struct {
        uint32_t page, said;
        const char *body, *utf8, *html_charset;
    } t[] = {
        {1251, 1251, "\xcf\xf0\xe8\xe2\xe5\xf2", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82", "windows-1251"},
        {0, 0, "\xc3\xa9", "\xc3\xa9", "utf-8"},
        {0, 0, "\xe9", "\xc3\xa9", "windows-1252"},
        {4711, 4711, "\xe9", "\xc3\xa9", "windows-1252"},
        {932, 50220, "\x93\xfa\x96\x7b", "\xe6\x97\xa5\xe6\x9c\xac", "iso-2022-jp"},
        {932, 20127, "\x93\xfa\x96\x7b", "\xe6\x97\xa5\xe6\x9c\xac", "shift_jis"},
        {65001, 65001, "\xc3\xa9", "\xc3\xa9", "utf-8"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct fake *f = fake_new();
        char line[80];
        f->page = t[i].page;
        set_bytes(f, MAPI_P_SUBJECT, MAPI_STRING8, t[i].body, strlen(t[i].body));
        set_bytes(f, MAPI_P_BODY, MAPI_STRING8, t[i].body, strlen(t[i].body));
        set_bytes(f, MAPI_P_HTML, MAPI_BINARY, t[i].body, strlen(t[i].body));
        set_int(f, MAPI_P_INTERNET_CODEPAGE, MAPI_INT32, t[i].said);
        struct text out = made(f, 4096, NULL), subject = {0};
        struct field field;
        ck_assert_int_eq(field_find(out.data, out.len, "Subject", &field), 1);
        text_decode(&subject, field.value, field.value_len);
        ck_assert_str_eq(subject.data, t[i].utf8);
        snprintf(line, sizeof line, "Content-Type: text/html; charset=%s\r\n", t[i].html_charset);
        has(out, line);
        has(out, "Content-Type: text/plain; charset=utf-8\r\n");
        text_release(&subject);
        text_release(&out);
        fake_free(f);
    }
}
END_TEST

START_TEST(states)
{
    struct fake *f = mail();
    struct mapi_state s;
    set_int(f, MAPI_P_MESSAGE_FLAGS, MAPI_INT32, MAPI_FLAG_READ | MAPI_FLAG_UNSENT);
    set_int(f, MAPI_P_LAST_VERB, MAPI_INT32, MAPI_VERB_FORWARD);
    set_int(f, MAPI_P_FLAG_STATUS, MAPI_INT32, 2);
    set_time(f, MAPI_P_DELIVERY_TIME, 1000000000);
    struct fake_prop *p = set_int(f, name_it(f, mapi_set_public_strings, 0, "Keywords"), MAPI_STRING | MAPI_MULTI, 0);
    static const char *const names[] = {"Red Category", "Gr\xc3\xbcn", "a(b)\r\n"};
    p->elements = calloc(3, sizeof *p->elements);
    for (p->count = 0; p->count < 3; p->count++)
        utf16(&p->elements[p->count], names[p->count]);
    mapi_state_of(&f->base, &s);
    ck_assert_uint_eq(s.flags.system, CUBBY_SEEN | CUBBY_DRAFT | CUBBY_FLAGGED);
    ck_assert(s.has_date && s.date == 1000000000 && !s.associated);
    ck_assert_uint_eq(s.flags.keyword_count, 4);
    ck_assert_str_eq(s.flags.keywords[0], "$Forwarded");
    ck_assert_str_eq(s.flags.keywords[1], "a_b_");
    ck_assert_str_eq(s.flags.keywords[2], "Gr&APw-n");
    ck_assert_str_eq(s.flags.keywords[3], "Red_Category");
    mapi_state_release(&s);
    struct text t = made(f, 4096, NULL);
    has(t, "Keywords: =?utf-8?Q?Red_Category=2C_Gr=C3=BCn=2C_a=28b=29?=\r\nX-Unsent: 1\r\n");
    text_release(&t);
    fake_free(f);
}
END_TEST

/* Memory does not grow with what is read: half a gigabyte, twice. */
START_TEST(huge_values_take_no_memory)
{
    struct fake *f = mail();
    struct rusage before, after;
    uint64_t size = 256u << 20, all = 0;
    struct fake *a = add_attachment(f, MAPI_ATTACH_BY_VALUE, "huge.bin", NULL, 0);
    set_bytes(a, MAPI_P_ATTACH_DATA, MAPI_BINARY, "", 0)->endless = size;
    set_bytes(f, MAPI_P_BODY, MAPI_STRING8, "", 0)->endless = 32u << 20;
    f->page = 1252;
    char buf[65536];
    getrusage(RUSAGE_SELF, &before);
    struct to_mime *m = to_mime_open(&f->base);
    for (size_t n; (n = to_mime_read(m, buf, sizeof buf)) != 0;)
        all += n;
    to_mime_close(&m);
    getrusage(RUSAGE_SELF, &after);
    ck_assert_uint_gt(all, size / 57 * 78);
    ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 8192);
    fake_free(f);
}
END_TEST

UNIT_MAIN("tools/mapi_mime", plain_text, all_bodies_and_attachments, no_header_can_be_put_in, transport_headers, transport_headers_without_addresses,
          addresses_of_other_systems,
          embedded_messages, messages_within_themselves, attachments_that_are_not_there, names_of_attachments, boundaries_in_the_text,
          signed_messages, originals, code_pages, states, huge_values_take_no_memory)
