/* nasty.h - messages that are hard to store: of every size that matters, and of every kind of rubbish. */
#ifndef CUBBY_TESTS_NASTY_H
#define CUBBY_TESTS_NASTY_H

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "format/format.h"

static const struct {
    const char *bytes;
    size_t len;
} nasty_small[] = {
#define NASTY(s) {s, sizeof(s) - 1}
    NASTY(""),
    NASTY("\n"),
    NASTY("\r\n"),
    NASTY("\r"),
    NASTY("x"),
    NASTY("\0"),
    NASTY("\n\n\n"),
    NASTY("\r\n\r\n"),
    NASTY("\nbody without a header\n"),
    NASTY("no header here\nnor there\n"),
    NASTY("no header here\n\nbut an empty line\n"),
    NASTY("Subject: no line end"),
    NASTY("Subject: no body\n"),
    NASTY("Subject: no body\r\n"),
    NASTY("Subject: empty line\n\n"),
    NASTY("Subject: empty line\r\n\r\n"),
    NASTY("Subject: cr cr lf\r\r\n\r\nbody"),
    NASTY("Subject: cut\r\n\r"),
    NASTY("X-A: 1\nX-B: 2\n\nonly rest fields\n"),
    NASTY("From: a@b\nTo: c@d\n\nonly list fields\n"),
    NASTY("From someone Mon Jan  1 00:00:00 2001\nFrom: a@b\n\nFrom the body\n"),
    NASTY("From: a@b\r\nX-1: x\r\nSubject: folded\r\n over\r\n\tlines\r\nX-2: y\r\nDate: Mon, 1 Jan 2001 00:00:00 +0100\r\n\r\nmixed\nends\r\n"),
    NASTY("Subject: \xff\xfe\x80 nul \0 here\nX-\0: 1\n\nbody \0\0\0 \xff\n"),
    NASTY("Subject: bare\rcr\n\nbody\rwith\rthem\n\r"),
    NASTY(": no name\n :\n::\nSubject: x\n\n\n"),
    NASTY("Content-Type: multipart/mixed; boundary=b\n\npre\n--b\nContent-Type: text/plain\n\none\n--b\n\ntwo\n--b--\nafter\n"),
    NASTY("Content-Type: message/rfc822\n\nSubject: inner\n\ninner body\n"),
    NASTY("Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n--b\n--b--"),
#undef NASTY
};
#define NASTY_SMALL (sizeof nasty_small / sizeof *nasty_small)

static uint64_t nasty_seed = 7;

static inline uint8_t nasty_byte(void)
{
    nasty_seed = nasty_seed * 6364136223846793005u + 1442695040888963407u;
    return (uint8_t)(nasty_seed >> 33);
}

/* Text in lines; every third ends with CRLF, so that pairs and lone ends straddle all borders. */
static inline void nasty_text(struct cubby__buf *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t c = nasty_byte();
        size_t before = b->len ? b->data[b->len - 1] : 0;
        cubby__buf_byte(b, c < 6 || before == '\r' ? '\n' : c < 9 ? '\r' : (uint8_t)(' ' + c % 90));
    }
}

static inline void nasty_fields(struct cubby__buf *b, const char *name, size_t n)
{
    size_t end = b->len + n;
    while (b->len < end) {
        cubby__buf_add(b, name, strlen(name));
        cubby__buf_add(b, ": ", 2);
        for (int i = 0; i < 60; i++)
            cubby__buf_byte(b, (uint8_t)('a' + nasty_byte() % 26));
        cubby__buf_byte(b, '\n');
    }
}

enum { NASTY_LARGE = 17 };

/* The i-th large one; the caller releases it. */
static inline struct cubby__buf nasty_large(int i)
{
    static const int around[] = {-1, 0, 1};
    struct cubby__buf b = CUBBY__BUF_INIT;
    const char *head = "Subject: large\nX-Rest: 1\n\n";
    if (i < 9) { /* bodies and whole messages about one piece, two, and so much that the spool is used */
        static const size_t sizes[] = {CUBBY__PIECE_MAX, 2 * CUBBY__PIECE_MAX, 7 * CUBBY__PIECE_MAX};
        cubby__buf_add(&b, head, strlen(head));
        nasty_text(&b, (size_t)((long)sizes[i / 3] + around[i % 3]));
    } else if (i < 12) { /* no end of header for as long as it is looked for */
        nasty_fields(&b, "X-Trace", CUBBY__HEADER_STORED_MAX + 1000);
        b.len = (size_t)((long)CUBBY__HEADER_STORED_MAX + around[i - 9]);
    } else if (i == 12) { /* list fields up to the limit */
        nasty_fields(&b, "To", CUBBY__HEADER_STORED_MAX - 2000);
        cubby__buf_add(&b, "X-Last: 1\n\nbody\n", 16);
    } else if (i == 13) { /* a rest that is too long for one piece */
        nasty_fields(&b, "X-Trace", CUBBY__PIECE_MAX + 5000);
        cubby__buf_add(&b, "Subject: late\n\nbody\n", 20);
    } else if (i == 14) { /* one line, all header and twice its limit */
        for (size_t k = 0; k < 2 * CUBBY__HEADER_STORED_MAX; k++)
            cubby__buf_byte(&b, (uint8_t)(nasty_byte() | 1));
    } else if (i == 15) { /* nothing but line ends */
        for (size_t k = 0; k < 300000; k++)
            cubby__buf_byte(&b, '\n');
    } else { /* incompressible: more than is kept in memory */
        cubby__buf_add(&b, head, strlen(head));
        for (size_t k = 0; k < 1000000; k++)
            cubby__buf_byte(&b, nasty_byte());
    }
    return b;
}

#endif
