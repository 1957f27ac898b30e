#!/bin/bash
# mbox files through the program: what is cut off, what stays, what comes out again.
. "$(dirname "$0")/lib.sh"
import() { "$C" import --json "$@" 2>err; }
total() { sed -n 's/.*"event":"total",//p' | tail -n 1; }
field() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
PM='From a@b Sat Jan  2 01:29:12 2021'

# ---- bytes ------------------------------------------------------------------------------------------------------------------------
printf '%s\nA: 1\n\nx\n\n%s\nB: 1\n\n>From me\n>>From you\n\n\n%s\nC: 1\n\nglued\n%s\nD: 1\n\nno end' "$PM" "$PM" "$PM" "$PM" >a.mbox
import s a.mbox >total; is "four messages" "$(total <total | field imported)" 4
cat4() { for u in 1 2 3 4; do "$C" cat s a $u; echo "|"; done; }
is "messages are what stands between the separators" "$(cat4)" "$(printf 'A: 1\n\nx\n|\nB: 1\n\nFrom me\n>From you\n\n|\nC: 1\n\nglued\n|\nD: 1\n\nno end|')"
"$C" export --verbatim --json --folder a --no-subfolders s out.mbox >total
is "a missing last line end is counted" "$(field line_ends_added <total)" 1
is "the export is mboxrd" "$(grep -v '^From ' out.mbox)" "$(printf 'A: 1\n\nx\n\nB: 1\n\n>From me\n>>From you\n\n\nC: 1\n\nglued\n\nD: 1\n\nno end\n\n')"
is "postmarks keep their dates" "$(grep -c '^From MAILER-DAEMON Sat Jan  2 01:29:12 2021$' out.mbox)" 4

printf '%s\r\nA: 1\r\n\r\nx\r\n\r\n%s\r\nB: 1\r\n\r\n>From y\r\n\r\n' "$PM" "$PM" >crlf.mbox
import s crlf.mbox >/dev/null; "$C" export --verbatim --folder crlf --no-subfolders s crlf.out >/dev/null
check "a CRLF file comes out as it was" cmp <(sed 's/^From .*Sat/From Sat/' crlf.mbox) <(sed 's/^From .*Sat/From Sat/' crlf.out)
"$C" export --folder crlf --no-subfolders s crlf.block >/dev/null
is "the block has the message's line ends" "$(grep -c $'^X-Cubby: v1 .*\r$' crlf.block)" 2

# ---- dialects -----------------------------------------------------------------------------------------------------------------------
printf '%s\nA: 1\n\n>From me\n\n' "$PM" >q.mbox
for d in auto:'From me' o:'>From me' rd:'From me' cl:'From me' cl2:'>From me'; do
    import --mbox "${d%%:*}" --into "q/${d%%:*}" s q.mbox >/dev/null
    is "--mbox ${d%%:*}" "$("$C" cat s "q/${d%%:*}" 1 | tail -n 1)" "${d#*:}"
done
printf '%s\nContent-Length: 38\n\nx\n%s\ny\n\n%s\nContent-Length: 2\n\nz\n\n' "$PM" "$PM" "$PM" >cl.mbox
import s cl.mbox >total; is "Content-Length is followed" "$(field imported <total)" 2
is "check-archive names the dialect" "$("$C" check-archive --json cl.mbox | sed -n 's/.*"dialect":"\([a-z0-9]*\)".*/\1/p')" cl2
import --mbox rd --into cl-rd s cl.mbox >total; is "... and not with --mbox rd" "$(field imported <total)" 3

# ---- separators ---------------------------------------------------------------------------------------------------------------------
printf 'From - \nA: 1\n\nx\nFrom - \ny\n\nFrom - \nB: 1\n\nFrom TODO: z\n' >loose.mbox
import s loose.mbox >total; is "loose postmarks count behind an empty line only" "$(field imported <total)" 2
printf 'From a@b Tue Jul  7 20:33:03 1998 WETDST\nA: 1\n\nx\nFrom a@b Tue Jul  7 20:33:03 METDST 1998\nB: 1\n\ny\n' >zone.mbox
import s zone.mbox >total; is "zones of six letters" "$(field imported <total)" 2

# ---- state --------------------------------------------------------------------------------------------------------------------------
printf '%s\nStatus: RO\nX-Status: AF\nX-Keywords: one $Two\n\n1\n\n%s\nX-Mozilla-Status: 1009\nX-Mozilla-Status2: 02000000\nX-Mozilla-Keys: three\n\n2\n' "$PM" "$PM" >flags.mbox
import s flags.mbox >/dev/null
is "flags from Status, X-Status, X-Keywords" "$("$C" scan --json --uids 1 s flags | sed 's/.*"flags":\(\[[^]]*\]\).*/\1/')" '["\\Seen","\\Answered","\\Flagged","$Two","one"]'
is "flags from X-Mozilla-Status, -Status2, -Keys" "$("$C" scan --json --uids 2 s flags | sed 's/.*"flags":\(\[[^]]*\]\).*/\1/')" '["\\Seen","\\Deleted","$Forwarded","$Label1","three"]'
is "... and the lines stay" "$("$C" cat s flags 1 | head -n 1)" "Status: RO"
printf 'From a@b Sat Jan  2 01:29:12 +0130 2021\n\nx\n\nFrom -\nReceived: by x; Sat, 2 Jan 2021 01:00:00 +0100\nDate: Fri, 1 Jan 2021 00:00:00 +0000\n\nx\n\nFrom -\nDate: Fri, 1 Jan 2021 00:00:00 +0200\n\nx\n' >dates.mbox
import --dups add s dates.mbox >/dev/null
dates() { "$C" scan --json s dates | sed 's/.*"internaldate":"\([^"]*\)".*/\1/' | tr '\n' ' '; }
is "dates from the postmark, Received, Date" "$(dates)" "2021-01-02T01:29:12+01:30 2021-01-02T01:00:00+01:00 2021-01-01T00:00:00+02:00 "

# ---- there and back --------------------------------------------------------------------------------------------------------------------
rm -rf d; "$C" export s d >/dev/null; is "an export of everything" $? 0
import s2 d >total; is "... comes in again" "$(field failed <total)" 0
state() { # folders, uids, flags, dates, and the bytes by their hashes
    "$C" dump "$1" | sed -n 's/.*"hash":"\([0-9a-f]*\)","size":\([0-9]*\),"internaldate":"\([^"]*\)","flags":\(\[[^]]*\]\).*/\1 \2 \3 \4/p' | sort
}
state s >state1; state s2 >state2
is "... with bytes, flags and dates" "$(cmp state1 state2 && wc -l <state1)" "$("$C" ls --json s | sed -n 's/.*"messages":\([0-9]*\).*/\1/p' | awk "{ s += \$1 } END { print s }")"
"$C" ls --json s | sed 's/"uidvalidity.*//' >ls1; "$C" ls --json s2 | sed 's/"uidvalidity.*//' >ls2
check "... and folders" cmp ls1 ls2
import s2 d >total; is "a second time everything is there already" "$(field skipped <total)" "$(wc -l <state1)"
rm -rf d2; "$C" export s2 d2 >/dev/null
check "the second export is the first to the byte" diff -r -x .cubby-folders d d2
sed -i 's/^glued$/changed/' d/a.mbox; import s3 d/a.mbox >/dev/null
is "a block whose message was changed stays in it" "$("$C" cat s3 a 3 | head -n 1)" "Status: O"
is "... the others are taken off" "$("$C" cat s3 a 1 | head -n 1)" "A: 1"
is "a message without line end is restored to the byte" "$("$C" cat s3 a 4 | tail -c 3)" "end"
"$C" flag s a 1 '+\Seen' '+key' >/dev/null; rm -rf d; "$C" export s d >/dev/null; import s4 d/a.mbox >/dev/null
is "flags and keywords come through the block" "$("$C" scan --json --uids 1 s4 a | sed 's/.*"flags":\(\[[^]]*\]\).*/\1/')" '["\\Seen","key"]'

# ---- the corpus ------------------------------------------------------------------------------------------------------------------------
corpus=${CUBBY_CORPUS:-$OLDPWD/../shared/corpus}/medium
if [ -d "$corpus" ]; then
    while read -r n file; do
        import --into "c/$n" c "$corpus/$file" >total
        is "$file" "$(field expected <total) $(field failed <total)" "$n 0"
    done <<EOF
3237 dovecot-list-2002-crlf.mbox.xz
2322 usrp-users/2021.mbox.xz
889 usrp-users/2025.mbox.xz
2500 spamassassin/easy-ham-1.mbox.xz
1400 spamassassin/easy-ham-2.mbox.xz
250 spamassassin/hard-ham-1.mbox.xz
500 spamassassin/spam-1.mbox.xz
1396 spamassassin/spam-2.mbox.xz
EOF
    rm -rf d; "$C" export --verbatim c d >/dev/null
    for p in 889:usrp-users/2025 2500:spamassassin/easy-ham-1 1396:spamassassin/spam-2; do
        xz -dc "$corpus/${p#*:}.mbox.xz" | LC_ALL=C grep -av '^From ' >want; LC_ALL=C grep -av '^From ' "d/c/${p%%:*}.mbox" >got
        check "${p#*:}: the file's own bytes come back" cmp want got
    done
    rm -rf d; "$C" export c d >/dev/null; import c2 d >total
    is "the corpus there and back" "$(field imported <total) $(field restored <total)" "$("$C" ls --json c | sed -n 's/.*"messages":\([0-9]*\).*/\1/p' | awk "{ s += \$1 } END { print s }") $(field imported <total)"
    state c >state1; state c2 >state2; check "... changes nothing" cmp state1 state2
else
    echo "skip - corpus: not at $corpus"
fi
finish
