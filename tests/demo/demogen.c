/* demogen.c - writes a made-up mailbox to try things on: demogen [-n messages] [-s seed] > out.mbox
 *
 * mboxrd with LF line ends. Threads, mailing lists, newsletters, attachments, delivery reports, several charsets, the long header chains of
 * today's mail. The same seed gives the same bytes on every machine: integers only, no clock, no locale. All names and domains are invented
 * or reserved. */
#include "demogen_text.h"

/* ---- people, lists, dates ---- */

struct person {
    char name[64], address[64];
    enum charset cs;
};

#define PEOPLE 160
#define LISTS  6

static struct person people[PEOPLE];
static const char *const list_name[LISTS] = {"cubby-users", "storage-devel", "garden-club", "announce", "translators", "interop"};

static void make_people(void)
{
    for (unsigned i = 0; i < PEOPLE; i++) {
        struct person *p = &people[i];
        unsigned f = below(first_names.count), l = below(last_names.count), d = below(domains.count);
        snprintf(p->name, sizeof p->name, "%.*s %.*s", first_names.len[f], first_names.word[f], last_names.len[l], last_names.word[l]);
        snprintf(p->address, sizeof p->address, "%.*s.%u@%.*s", first_names.len[f], first_names.word[f], i, domains.len[d],
                 domains.word[d]);
        p->address[0] = (char)(p->address[0] + 32);
        p->cs = percent(50) ? LATIN1 : UTF8;
    }
}

static void mailbox(struct text *t, const struct person *p)
{
    header_text(t, p->name, strlen(p->name), p->cs);
    fmt(t, " <%s>", p->address);
}

static const char *const day_name[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const month_name[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct date {
    unsigned wday, day, month, year, hour, minute, second;
};

static struct date civil(int64_t t)
{
    int64_t days = t / 86400, z = days + 719468, era = z / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100),
            mp = (5 * doy + 2) / 153;
    unsigned month = (unsigned)(mp < 10 ? mp + 2 : mp - 10), s = (unsigned)(t % 86400);
    return (struct date){(unsigned)((days + 4) % 7),
                         (unsigned)(doy - (153 * mp + 2) / 5 + 1),
                         month,
                         (unsigned)(yoe + era * 400 + (month < 2)),
                         s / 3600,
                         s / 60 % 60,
                         s % 60};
}

/* As RFC 5322 wants it, in a zone given in half hours. */
static const char *rfc_date(int64_t t, int zone)
{
    static char b[4][48];
    static unsigned k;
    struct date d = civil(t + zone * 1800);
    unsigned z = (unsigned)(zone < 0 ? -zone : zone);
    char *p = b[k++ % 4];
    snprintf(p, sizeof b[0], "%s, %u %s %u %02u:%02u:%02u %c%02u%02u", day_name[d.wday], d.day, month_name[d.month], d.year, d.hour,
             d.minute, d.second, zone < 0 ? '-' : '+', z / 2 % 100, z % 2 * 30);
    return p;
}

/* ---- one message ---- */

/* What an answer needs of the message it answers. */
struct past {
    char id[80], subject[200], refs[800], quoted[700];
    int list; /* -1: none */
    unsigned author;
    int64_t when;
};

#define PAST 96

static struct past past[PAST];
static unsigned past_count;

struct message {
    struct text *t;
    struct past *me;
    const struct past *parent; /* NULL: a new thread */
    const struct person *from, *to;
    enum charset cs;
    int zone;
    char boundary[40];
};

static void random_base64(struct text *t, unsigned n)
{
    char *p = extend(t, n);
    uint64_t r = 0;
    for (unsigned i = 0; i < n; i++, r >>= 6) {
        if (i % 10 == 0)
            r = next();
        p[i] = alphabet[r & 63];
    }
}

static void folded_base64(struct text *t, unsigned n)
{
    for (; n > 64; n -= 64) {
        random_base64(t, 64);
        puts_to(t, "\n\t ");
    }
    random_base64(t, n);
}

static void received_chain(struct message *m)
{
    for (unsigned hops = 2 + below(5); hops--;) {
        int64_t at = m->me->when + 2 + hops * 3;
        unsigned mx = below(9), ip = below(256), relay = below(20);
        const char *domain = strchr(m->from->address, '@') + 1;
        fmt(m->t, "Received: from mx%u.%s (mx%u.%s [192.0.2.%u])\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\n",
            mx, domain, mx, domain, ip);
        fmt(m->t, "\tby relay%u.example.net (Postfix) with ESMTPS id %010llX\n\tfor <%s>; %s\n", relay, (unsigned long long)(next() >> 24),
            m->to->address, rfc_date(at, 0));
    }
}

static void signatures(struct message *m)
{
    const char *domain = strchr(m->from->address, '@') + 1;
    for (unsigned i = percent(45); i; i--) {
        fmt(m->t, "ARC-Seal: i=1; a=rsa-sha256; t=%lld; cv=none;\n\td=example.net; s=arc-20230101;\n\tb=", (long long)m->me->when);
        folded_base64(m->t, 344);
        puts_to(m->t, "\nARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; "
                      "s=arc-20230101;\n\th=to:subject:message-id:date:from:"
                      "mime-version:dkim-signature;\n\tbh=");
        random_base64(m->t, 43);
        puts_to(m->t, "=;\n\tb=");
        folded_base64(m->t, 344);
        fmt(m->t,
            "\nARC-Authentication-Results: i=1; mx.example.net;\n\tdkim=pass header.i=@%s header.s=s1;\n\tspf=pass smtp.mailfrom=%s\n",
            domain, m->from->address);
    }
    if (percent(75)) {
        fmt(m->t,
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=%s;\n\ts=s1; "
            "t=%lld;\n\th=from:subject:date:message-id:to:cc:mime-version:content-type;\n\tbh=",
            domain, (long long)m->me->when);
        random_base64(m->t, 43);
        puts_to(m->t, "=;\n\tb=");
        folded_base64(m->t, 344);
        fmt(m->t,
            "\nAuthentication-Results: mx.example.net;\n\tdkim=pass header.d=%s;\n\tspf=pass (sender allowed) "
            "smtp.mailfrom=%s;\n\tdmarc=pass\n",
            domain, m->from->address);
    }
    unsigned score = below(50);
    if (percent(40))
        fmt(m->t,
            "X-Spam-Score: -%u.%u\nX-Spam-Status: No, score=-%u.%u required=5.0 tests=BAYES_00,DKIM_SIGNED,\n\tDKIM_VALID,SPF_PASS "
            "autolearn=ham\n",
            score / 10, score % 10, score / 10, score % 10);
}

static void subject(struct message *m)
{
    struct text s = {0};
    const struct words *w = m->cs == KOI8 ? &russian : m->cs == JIS ? &japanese : m->cs == LATIN1 ? &latin : &english;
    if (m->parent) {
        fmt(&s, "%s%s", strncmp(m->parent->subject, "Re: ", 4) ? "Re: " : "", m->parent->subject);
    } else {
        struct text plain = {0};
        if (m->me->list >= 0)
            fmt(&s, "[%s] ", list_name[m->me->list]);
        for (unsigned n = 2 + below(7); n--;) {
            unsigned i = below(w->count);
            put(&plain, w->word[i], w->len[i]);
            puts_to(&plain, n ? " " : "");
        }
        header_text(&s, plain.p, plain.n, m->cs == ASCII ? UTF8 : m->cs);
        free(plain.p);
    }
    snprintf(m->me->subject, sizeof m->me->subject, "%.*s", (int)s.n, s.p);
    free(s.p);
    fmt(m->t, "Subject: %s\n", m->me->subject);
}

static void references(struct message *m)
{
    if (!m->parent)
        return;
    const char *old = m->parent->refs;
    while (strlen(old) + strlen(m->parent->id) + 3 >= sizeof m->me->refs)
        old = strchr(old + 1, '<'); /* the oldest go first */
    snprintf(m->me->refs, sizeof m->me->refs, "%.*s%s%.*s", (int)strlen(old), old, *old ? "\n " : "", (int)strlen(m->parent->id),
             m->parent->id);
    fmt(m->t, "In-Reply-To: %s\nReferences: %s\n", m->parent->id, m->me->refs);
}

static void list_fields(struct message *m)
{
    if (m->me->list < 0)
        return;
    const char *l = list_name[m->me->list];
    fmt(m->t,
        "List-Id: <%s.lists.example.org>\nList-Post: <mailto:%s@lists.example.org>\nList-Help: "
        "<mailto:%s-request@lists.example.org?subject=help>\n",
        l, l, l);
    fmt(m->t,
        "List-Unsubscribe: <https://lists.example.org/options/%s>,\n <mailto:%s-leave@lists.example.org>\nPrecedence: list\nSender: "
        "%s-bounces@lists.example.org\n",
        l, l, l);
    fmt(m->t, "Errors-To: %s-bounces@lists.example.org\nX-BeenThere: %s@lists.example.org\nX-Mailman-Version: 2.1.39\n", l, l);
}

static void client_fields(struct message *m)
{
    static const char *const agents[] = {"Mutt/2.2.9", "Mozilla Thunderbird 102.4", "Evolution 3.46.1", "KMail 5.21"};
    static const char *const status[] = {"RO", "R", "O", "RO"}, *const x_status[] = {"A", "F", "AF", ""};
    if (percent(60))
        fmt(m->t, "User-Agent: %s\n", agents[below(4)]);
    if (percent(8))
        puts_to(m->t, percent(50) ? "Importance: high\nX-Priority: 1\n" : "Importance: low\nX-Priority: 5\n");
    if (percent(30)) {
        unsigned i = below(4), k = below(4);
        fmt(m->t, "Status: %s\nX-Status: %s\n", status[i], x_status[k]);
    }
}

static void headers(struct message *m)
{
    fmt(m->t, "Return-Path: <%s>\nDelivered-To: %s\n", m->from->address, m->to->address);
    received_chain(m);
    signatures(m);
    fmt(m->t, "Date: %s\nFrom: ", rfc_date(m->me->when, m->zone));
    mailbox(m->t, m->from);
    puts_to(m->t, "\nTo: ");
    if (m->me->list >= 0)
        fmt(m->t, "%s@lists.example.org", list_name[m->me->list]);
    else
        mailbox(m->t, m->to);
    for (unsigned cc = percent(25) ? 1 + below(6) : 0, i = 0; i < cc; i++) {
        puts_to(m->t, i ? ",\n\t" : "\nCc: ");
        mailbox(m->t, &people[below(PEOPLE)]);
    }
    put(m->t, "\n", 1);
    subject(m);
    fmt(m->t, "Message-ID: %s\n", m->me->id);
    references(m);
    list_fields(m);
    client_fields(m);
    puts_to(m->t, "MIME-Version: 1.0\n");
}

static void multipart(struct message *m, const char *kind, const char *more)
{
    snprintf(m->boundary, sizeof m->boundary, "=_%016llx", (unsigned long long)next());
    fmt(m->t, "Content-Type: multipart/%s; %sboundary=\"%s\"\n\nThis is a multi-part message in MIME format.\n", kind, more, m->boundary);
}

static void part(struct message *m)
{
    fmt(m->t, "\n--%s\n", m->boundary);
}

static void last_part(struct message *m)
{
    fmt(m->t, "\n--%s--\n", m->boundary);
}

/* ---- bodies ---- */

static struct text body;

/* Prose in the message's language with what it answers quoted above or between. */
static void write_body(struct message *m, size_t bytes)
{
    const struct words *w = m->cs == KOI8 ? &russian : m->cs == JIS ? &japanese : m->cs == LATIN1 ? &latin : &english;
    body.n = 0;
    if (m->parent && *m->parent->quoted) {
        fmt(&body, "On %s, %s wrote:\n", rfc_date(m->parent->when, 0), people[m->parent->author].address);
        quote(&body, m->parent->quoted);
        put(&body, "\n", 1);
    }
    size_t start = body.n;
    prose(&body, w, bytes);
    size_t n = body.n - start < sizeof m->me->quoted - 1 ? body.n - start : sizeof m->me->quoted - 1;
    if (m->cs == ASCII) {
        memcpy(m->me->quoted, body.p + start, n);
        m->me->quoted[n] = 0;
        char *end = strstr(m->me->quoted, "\n\n");
        if (end)
            end[1] = 0;
    }
    if (percent(60))
        fmt(&body, "-- \n%s\n", strchr(m->from->address, '@') + 1);
}

static void plain_message(struct message *m)
{
    static const enum encoding usual[] = {BITS7, BITS8, QP, BITS8, BITS7};
    enum encoding enc = usual[m->cs];
    if (m->cs == UTF8 && percent(30))
        enc = percent(50) ? QP : BASE64;
    if (m->cs == KOI8 && percent(30))
        enc = BASE64;
    write_body(m, size_between(9, 14));
    text_part(m->t, "text/plain", m->cs, enc, &body);
}

static void newsletter(struct message *m)
{
    static struct text html;
    html.n = 0;
    puts_to(
        &html,
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><style "
        "type=\"text/css\">\n.cell{font-family:Arial,Helvetica,sans-serif;font-size:14px;"
        "color:#333333;line-height:20px;padding:10px 20px}\n</style></head><body style=\"margin:0;padding:0;background-color:#f4f4f4\">\n");
    for (unsigned rows = 6 + below(percent(20) ? 80 : 25); rows--;) {
        fmt(&html,
            "<table width=\"600\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" align=\"center\"><tr>\n<td class=\"cell\" "
            "style=\"font-family:Arial,"
            "Helvetica,sans-serif;font-size:14px\">\n<a href=\"https://click.example.com/ls/%016llx",
            (unsigned long long)next());
        random_base64(&html, 136);
        puts_to(&html, "\" style=\"color:#1a73e8;text-decoration:none\"><b>");
        add_word(&html, &english);
        put(&html, " ", 1);
        add_word(&html, &latin);
        puts_to(&html, "</b></a>\n<p>");
        paragraph(&html, &english, 400);
        fmt(&html, "</p>&nbsp;\xe2\x80\x94 \xe2\x82\xac%u.99</td></tr></table>\n", below(200));
    }
    puts_to(&html, "<p style=\"font-size:11px\">You get this because you asked for it. <a href=\"https://news.example.com/off\">No "
                   "more</a>.</p></body></html>\n");
    multipart(m, "alternative", "");
    part(m);
    write_body(m, size_between(9, 12));
    text_part(m->t, "text/plain", UTF8, QP, &body);
    part(m);
    text_part(m->t, "text/html", UTF8, QP, &html);
    last_part(m);
}

/* Bytes of an attachment: all of them follow from its number. */
static void attachment(struct text *t, uint64_t number, unsigned kind, size_t n)
{
    uint64_t saved = rng;
    rng = number;
    t->n = 0;
    if (kind == 0) { /* a table: text that compresses well */
        while (t->n < n) {
            unsigned item = below(100000), cents = below(90000);
            fmt(t, "%u;%u.%02u;part-%u;in stock\r\n", item, cents / 100, cents % 100, item % 40);
        }
    } else { /* what is compressed already */
        puts_to(t, kind == 1 ? "%PDF-1.5\n%\xe2\xe3\xcf\xd3\n" : kind == 2 ? "\x89PNG\r\n\x1a\n" : "PK\x03\x04\x14");
        while (t->n < n) {
            char *p = extend(t, 8);
            uint64_t r = next();
            for (unsigned i = 0; i < 8; i++) /* the same bytes whatever the byte order */
                p[i] = (char)(r >> 8 * i);
        }
    }
    rng = saved;
}

static void with_attachments(struct message *m)
{
    static struct text data;
    static const char *const type[] = {"text/csv", "application/pdf", "image/png", "application/zip"}, *const suffix[] = {"csv", "pdf",
                                                                                                                          "png", "zip"};
    multipart(m, "mixed", "");
    part(m);
    write_body(m, size_between(8, 11));
    text_part(m->t, "text/plain", m->cs == ASCII ? ASCII : UTF8, m->cs == ASCII ? BITS7 : QP, &body);
    for (unsigned count = percent(75) ? 1 : 2 + below(3); count--;) {
        uint64_t number = percent(45) ? 1000 + below(12) : next(); /* some go round: a logo, a form */
        unsigned kind = (unsigned)(number % 4), low = 12 + (unsigned)(number >> 2) % 5;
        size_t n = ((size_t)1 << low) + (size_t)(number >> 5) % ((size_t)1 << low);
        if (number > 2000 && below(24) == 0)
            n = size_between(18, 21);
        attachment(&data, number, kind, n);
        part(m);
        fmt(m->t,
            "Content-Type: %s; name=\"file-%u.%s\"\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; "
            "filename=\"file-%u.%s\"; size=%zu\n\n",
            type[kind], (unsigned)(number % 10000), suffix[kind], (unsigned)(number % 10000), suffix[kind], data.n);
        base64(m->t, data.p, data.n);
    }
    last_part(m);
}

static void delivery_report(struct message *m)
{
    multipart(m, "report", "report-type=delivery-status;\n\t");
    part(m);
    body.n = 0;
    fmt(&body,
        "This is the mail system at host relay.example.net.\n\nYour message could not be delivered to one recipient.\n\n<%s>: user "
        "unknown\n",
        m->to->address);
    text_part(m->t, "text/plain", ASCII, BITS7, &body);
    part(m);
    fmt(m->t,
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; relay.example.net\nArrival-Date: %s\n\nFinal-Recipient: rfc822; "
        "%s\nAction: failed\n"
        "Status: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 <%s>: Recipient address rejected\n",
        rfc_date(m->me->when, 0), m->to->address, m->to->address);
    part(m);
    fmt(m->t,
        "Content-Type: message/rfc822\n\nFrom: %s\nTo: %s\nSubject: what did not arrive\nDate: %s\nMessage-ID: <%016llx@example.net>\n",
        m->to->address, m->to->address, rfc_date(m->me->when - 60, 0), (unsigned long long)next());
    write_body(m, 500);
    text_part(m->t, "text/plain", ASCII, BITS7, &body);
    last_part(m);
}

static void signed_message(struct message *m)
{
    multipart(m, "signed", "micalg=pgp-sha512;\n\tprotocol=\"application/pgp-signature\"; ");
    part(m);
    write_body(m, size_between(10, 14));
    text_part(m->t, "text/plain", ASCII, BITS7, &body);
    part(m);
    puts_to(m->t, "Content-Type: application/pgp-signature; name=\"signature.asc\"\n\n-----BEGIN PGP SIGNATURE-----\n\n");
    for (unsigned i = 0; i < 12; i++) {
        random_base64(m->t, 64);
        put(m->t, "\n", 1);
    }
    puts_to(m->t, "-----END PGP SIGNATURE-----\n");
    last_part(m);
}

static void odd_message(struct message *m)
{
    static const char *const odd[] = {"", "\n", "From the very first line\n>From the second\n>>From the third\n",
                                      "no line end before the next message"};
    unsigned i = below(5);
    puts_to(m->t, "\n");
    if (i < 4)
        puts_to(m->t, odd[i]);
    else
        for (unsigned n = 2000 + below(20000); n--;) /* one endless line */
            add_word(m->t, &english);
}

static void write_message(struct message *m)
{
    static const struct {
        unsigned percent;
        enum charset cs;
        void (*fn)(struct message *);
    } kinds[] = {{40, ASCII, plain_message},  {6, UTF8, plain_message},   {6, LATIN1, plain_message},   {3, KOI8, plain_message},
                 {3, JIS, plain_message},     {15, UTF8, newsletter},     {8, ASCII, with_attachments}, {5, LATIN1, with_attachments},
                 {4, ASCII, delivery_report}, {8, ASCII, signed_message}, {2, ASCII, odd_message}};
    unsigned dice = below(100), i = 0;
    while (dice >= kinds[i].percent)
        dice -= kinds[i++].percent;
    m->cs = kinds[i].cs;
    if (kinds[i].fn == newsletter || kinds[i].fn == delivery_report)
        m->parent = NULL;
    headers(m);
    kinds[i].fn(m);
}

static const char *generate(struct text *t, uint64_t seed, uint64_t number, int64_t *clock)
{
    static struct past fresh;
    struct message m = {.t = t, .me = &fresh};
    rng = seed * 0x2545f4914f6cdd1d + number * 0x9e3779b97f4a7c15;
    *clock += 20 + below(3000);
    memset(&fresh, 0, sizeof fresh);
    if (past_count && percent(55))
        m.parent = &past[below(past_count)];
    fresh.list = m.parent ? m.parent->list : percent(45) ? (int)below(LISTS) : -1;
    fresh.author = below(PEOPLE);
    fresh.when = *clock;
    m.from = &people[fresh.author];
    m.to = &people[m.parent ? m.parent->author : below(8)];
    m.zone = (int)below(30) - 12;
    snprintf(fresh.id, sizeof fresh.id, "<%llx.%016llx@%s>", (unsigned long long)number + 1, (unsigned long long)next(),
             strchr(m.from->address, '@') + 1);
    t->n = 0;
    write_message(&m);
    past[past_count < PAST ? past_count++ : below(PAST)] = fresh;
    return m.from->address;
}

/* ---- the mbox ---- */

/* A line that begins with any number of '>' and then "From " gets one more. */
static int needs_quote(const char *p, const char *end)
{
    while (p < end && *p == '>')
        p++;
    return end - p >= 5 && !memcmp(p, "From ", 5);
}

static void write_mbox(const struct text *t, const char *sender, int64_t when)
{
    struct date d = civil(when);
    printf("From %s %s %s %2u %02u:%02u:%02u %u\n", sender, day_name[d.wday], month_name[d.month], d.day, d.hour, d.minute, d.second,
           d.year);
    const char *p = t->p, *end = t->p + t->n, *start = p;
    while (p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        if ((*p == 'F' || *p == '>') && needs_quote(p, end)) {
            fwrite(start, 1, (size_t)(p - start), stdout);
            putchar('>');
            start = p;
        }
        p = eol ? eol + 1 : end;
    }
    fwrite(start, 1, (size_t)(end - start), stdout);
    fputs(t->n && end[-1] == '\n' ? "\n" : "\n\n", stdout);
}

int main(int argc, char **argv)
{
    uint64_t n = 1000, seed = 1;
    for (int i = 1; i < argc; i += 2) {
        char *end = NULL;
        uint64_t v = i + 1 < argc ? strtoull(argv[i + 1], &end, 10) : 0;
        if (!end || *end || (strcmp(argv[i], "-n") && strcmp(argv[i], "-s"))) {
            fputs("usage: demogen [-n messages] [-s seed] > out.mbox\n", stderr);
            return 16;
        }
        *(argv[i][1] == 'n' ? &n : &seed) = v;
    }
    struct words *all[] = {&english, &latin, &russian, &japanese, &first_names, &last_names, &domains};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        split(all[i]);
    static char buffer[1 << 20];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    rng = seed;
    make_people();
    struct text t = {0};
    int64_t clock = 1672642800; /* 2023-01-02 07:00 UTC */
    for (uint64_t i = 0; i < n; i++) {
        const char *sender = generate(&t, seed, i, &clock);
        write_mbox(&t, sender, clock);
    }
    free(t.p);
    free(body.p);
    return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
