#!/bin/bash
# A PST file of more than 3 GB, so that every kind of map is in it: written, checked and read in bounded memory, and every message comes back. Takes some
# minutes and 10 GB: only if CUBBY_BIG is set. CUBBY_BIG_MESSAGES: another size.
. tests/oracle/lib.sh
if [ -z "${CUBBY_BIG:-}" ] || ! have python3; then
    skip "a PST file of more than 3 GB" "CUBBY_BIG is not set, or python3 is not here"
    finish
fi
MIB=64 # most memory for writing and for reading
messages=${CUBBY_BIG_MESSAGES:-68000}

# fast NAME LIMIT FILE COMMAND...: measured.py, as a test.
fast() {
    local name=$1 rc
    python3 "$ORACLE/measured.py" "$@" >stdout 2>stderr </dev/null
    rc=$?
    out=$(cat stdout)
    echo "$out" | grep '^#'
    if [ $rc -eq 0 ]; then ok "$name"; else fail "$name" "exit $rc: $(cat stderr)"; fi
}

"${C%/*}/demogen" -n "$messages" -s 7 >mail.mbox
fast "mail from an mbox file" 0 mail.mbox "$C" import -q --dups add s mail.mbox
rm -f mail.mbox
fast "a PST file is written" $MIB x.pst "$C" export -q --format pst s x.pst
is "which has all kinds of maps" "$(($(stat -c %s x.pst) > 3000000000 || ${CUBBY_BIG_MESSAGES:-0}))" 1
fast "checked" 0 x.pst "$C" check-archive --json x.pst
has "sound" "$out" "\"messages\":$messages,.*\"errors\":0,\"warnings\":0"
fast "and read" $MIB x.pst "$C" import -q --dups add s2 x.pst
rm -f x.pst
"$C" dump s >s.dump
"$C" dump s2 >s2.dump
rm -rf s2
if python3 "$ORACLE/same_mail.py" s.dump s2.dump; then ok "every message is the same again"; else fail "every message is the same again" "they differ"; fi

# Nothing but what Outlook knows: each message is made anew of its properties.
fast "without the originals" $MIB y.pst "$C" export -q --verbatim --format pst s y.pst
rm -rf s
fast "checked without originals" 0 y.pst "$C" check-archive --json y.pst
has "sound without originals" "$out" "\"messages\":$messages,.*\"errors\":0,\"warnings\":0"
fast "read without originals" $MIB y.pst "$C" import -q --dups add s3 y.pst
is "all of it" "$("$C" dump s3 | grep -c '"entry"')" "$messages"
finish
