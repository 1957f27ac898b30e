#!/bin/bash
# scan: fields, headers, filters, text that is not what it should be.
. "$(dirname "$0")/lib.sh"

"$C" init s
printf 'From: =?iso-8859-1?Q?J=FCrgen?= <j@example.org>\nSubject: =?utf-8?B?4oI=?=\n =?utf-8?B?rA==?= and more\nDate: nonsense\nList-Id: a list\n <l.example.org>\nX-Odd: one\nX-Odd: two\n\nbody\n' >a.eml
printf 'Subject: caf\351\nX-Raw: \377\nFrom: a@b\n\nbody\n' >b.eml
printf 'no header at all\n' >c.eml
for f in a b c; do "$C" append --date 2020-02-29T00:00:00-05:30 s INBOX $f.eml >/dev/null; done
"$C" flag s INBOX 2 '+\Seen' >/dev/null
exits "scan" 0 "$C" scan --json s INBOX
has "encoded words" "$out" '"date":null,"from":"Jürgen <j@example.org>","subject":"€ and more"'
has "bytes that are not UTF-8" "$out" '"subject":"caf�","subject_raw":"Y2Fm6Q=="'
has "no header" "$out" '^\{"uid":3,.*"from":null,"subject":null\}$'
has "zones" "$out" '"internaldate":"2020-02-29T00:00:00-05:30"'
exits "fields" 0 "$C" scan --json --fields List-Id,x-odd,subject --uids 1 s INBOX
has "values are raw and unfolded" "$out" '"fields":\{"list-id":\["a list <l.example.org>"\],"x-odd":\["one","two"\],"subject":\["=\?utf-8\?B\?4oI=\?= =\?utf-8\?B\?rA==\?= and more"\]\}\}$'
has "and the other keys are there" "$out" '"from":"Jürgen'
exits "list fields" 0 "$C" scan --json --fields list-id,date s INBOX
has "list fields alone" "$out" '"uid":2,.*"fields":\{"list-id":\[\],"date":\[\]\}\}$'
exits "odd bytes in fields" 0 "$C" scan --json --fields x-raw --uids 2 s INBOX
has "a twin for them" "$out" '"fields":\{"x-raw":\["�"\],"x-raw_raw":\["/w=="\]\}'
printf 'A"b: quote\nX\\y: \377\n\n' | "$C" append --flags '\Seen' s INBOX >/dev/null
exits "names of fields that JSON must escape" 0 "$C" scan --json --fields 'a"b,X\y' --uids 4 s INBOX
has "... are escaped" "$out" '"fields":\{"a\\"b":\["quote"\],"x\\\\y":\["�"\],"x\\\\y_raw":\["/w=="\]\}\}$'
exits "a name twice" 0 "$C" scan --json --fields subject,from,Subject --uids 2 s INBOX
has "... is one key" "$out" '"fields":\{"subject":\["caf�"\],"subject_raw":\["Y2Fm6Q=="\],"from":\["a@b"\]\}\}$'
"$C" rm -q s INBOX 4
exits "fields as text" 0 "$C" scan --fields x-odd s INBOX
is "a line a field" "$out" "$(printf '      1  X-Odd: one\n      1  X-Odd: two')"
exits "header" 0 "$C" scan --header --uids 2 s INBOX
has "header as text" "$(head -n 1 stdout)" '^uid 2, [0-9]+ bytes of header$'
exits "header in JSON" 0 "$C" scan --header --json --uids 1 s INBOX
has "the whole header" "$out" '"header":"From: =\?iso.*X-Odd: two\\n\\n"\}$'
exits "unseen" 0 "$C" scan --unseen --flags --json s INBOX
is "two are unseen" "$(wc -l <stdout)" 2
exits "reverse and limit" 0 "$C" scan --reverse --limit 1 --flags --json s INBOX
has "the last one" "$out" '^\{"uid":3,'
exits "since" 0 "$C" scan --since "$("$C" ls --json s INBOX | sed 's/.*"highestmodseq":\([0-9]*\).*/\1/')" --flags --json s INBOX
is "nothing since" "$out" ""
exits "uids that are not there" 0 "$C" scan --uids 50:60 --json s INBOX
is "no rows" "$out" ""
exits "an empty folder" 0 bash -c "'$C' folder create s E && '$C' scan --json --uids '1:*' s E"
exits "no folder" 1 "$C" scan s Nowhere
exits "not a path" 16 "$C" scan s /INBOX
exits "two modes" 16 "$C" scan --header --flags s INBOX
exits "no fields" 16 "$C" scan --fields , s INBOX
exits "no limit" 16 "$C" scan --limit 0 s INBOX
"$C" scan s INBOX >text
is "no control characters in text" "$(LC_ALL=C grep -c $'[\001-\011\013-\037]' text)" 0
printf 'Subject: =?utf-8?q?=1b[31mred=0anew?=\n\n' | "$C" append s INBOX >/dev/null
"$C" scan s INBOX >text
is "none from encoded words either" "$(LC_ALL=C grep -c $'[\001-\011\013-\037]' text)" 0
is "a line a message" "$(wc -l <text)" 5
exits "a closed pipe is quiet" 0 bash -c "'$C' scan --json s INBOX 2>err | head -n 1 >/dev/null; [ ! -s err ]"

# A header that is longer than what is kept apart for scans: nothing of it is left out.
{
    for i in $(seq 2000); do printf 'X-Trace-%d: %060d\n' "$i" "$i"; done
    printf 'From: Far Away <far@example.org>\nSubject: behind it all\nDate: Wed, 2 Jan 2019 03:04:05 +0100\n\nbody\n'
} >long.eml
"$C" init long
"$C" append -q long INBOX long.eml >/dev/null
has "a long header: the list" "$("$C" scan long INBOX)" '2019-01-02 .*Far Away .*behind it all'
is "... fields" "$("$C" scan --fields subject,x-trace-2000 long INBOX | sed 's/^ *//' | tr '\n' '|')" "1  X-Trace-2000: $(printf %060d 2000)|1  Subject: behind it all|"
"$C" scan --header long INBOX | tail -n +2 >header
sed '/^$/q' long.eml >want
same "... all of it" header want
has "... in JSON" "$("$C" scan --json long INBOX)" '"date":"2019-01-02T03:04:05\+01:00","from":"Far Away <far@example.org>","subject":"behind it all"'
at=$(LC_ALL=C grep -obaF 'behind it all' long/segments/00000001.seg | head -n 1 | cut -d: -f1)
if [ -n "$at" ]; then
    flip long/segments/00000001.seg "$at"
    exits "... damaged where it is stored with the body" 1 "$C" scan --json long INBOX
    has "... that is said" "$err" 'INBOX: uid 1: header: '
    has "... in JSON, too" "$out" '"damage":"'
else
    fail "... damaged" "it was not found in the segment"
fi
finish
