/* Flags, keywords and date of a message, as cubby keeps them beside it. */
#include <string.h>
#include <strings.h>

#include "archive/mapi/own.h"
#include "archive/mapi/to_mime.h"
#include "archive/mutf7.h"

enum { KEYWORD_MAX = 255 };

static void add(struct cli_flags *f, const char *keyword)
{
    cli_flag_add(f, keyword, strlen(keyword));
}

/* ---- categories as keywords --------------------------------------------------------------------------------------------------------------- */

/* Keywords are ASCII atoms: blanks and what IMAP does not allow become '_', other letters are written in the modified UTF-7 of IMAP. A '&'
 * stays, so that a keyword that was written so before an export is the same after it. */
static void keyword(void *arg, const char *name, size_t n)
{
    struct text t = {0};
    for (size_t i = 0; i < n;) {
        size_t high = 0;
        while (i + high < n && name[i + high] & 0x80)
            high++;
        if (high)
            mutf7_encode(name + i, high, "", &t);
        else
            text_byte(&t, name[i] <= 0x20 || name[i] == 0x7f || strchr("(){%*\"\\],", name[i]) ? '_' : name[i]);
        i += high ? high : 1;
    }
    cli_flag_add(arg, t.data ? t.data : "", t.len < KEYWORD_MAX ? t.len : KEYWORD_MAX);
    text_release(&t);
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------ */

static void flags_of(struct mapi_object *msg, struct mapi_state *out)
{
    int64_t flags = mapi_int(msg, MAPI_P_MESSAGE_FLAGS, 0), icon = mapi_int(msg, MAPI_P_ICON_INDEX, -1), verb = mapi_int(msg, MAPI_P_LAST_VERB, 0);
    out->associated = (flags & MAPI_FLAG_ASSOCIATED) != 0;
    if (flags & MAPI_FLAG_READ)
        out->flags.system |= CUBBY_SEEN;
    if (flags & MAPI_FLAG_UNSENT)
        out->flags.system |= CUBBY_DRAFT;
    if (verb == MAPI_VERB_REPLY || verb == MAPI_VERB_REPLY_ALL || (verb == 0 && icon == MAPI_ICON_REPLIED))
        out->flags.system |= CUBBY_ANSWERED;
    if (verb == MAPI_VERB_FORWARD || (verb == 0 && icon == MAPI_ICON_FORWARDED))
        add(&out->flags, "$Forwarded");
    if (mapi_int(msg, MAPI_P_FLAG_STATUS, 0) == 2)
        out->flags.system |= CUBBY_FLAGGED;
    if (mapi_int(msg, MAPI_P_IMPORTANCE, 1) == 2)
        add(&out->flags, "$Important");
}

void mapi_state_of(struct mapi_object *msg, struct mapi_state *out)
{
    static const uint16_t dates[] = {MAPI_P_DELIVERY_TIME, MAPI_P_CLIENT_SUBMIT_TIME, MAPI_P_CREATION_TIME, MAPI_P_MODIFICATION_TIME};
    *out = (struct mapi_state){.flags = CLI_FLAGS_INIT};
    flags_of(msg, out);
    categories_each(msg, keyword, &out->flags);
    cli_flags_sort(&out->flags);
    for (size_t i = 0; i < sizeof dates / sizeof *dates && !out->has_date; i++)
        out->has_date = mapi_time(msg, dates[i], &out->date);
}

void mapi_state_release(struct mapi_state *s)
{
    cli_flags_release(&s->flags);
}
