#!/bin/bash
# Real mail as a PST file: the check finds nothing, three other programs show every message as it is, and an import has all of it back to the byte.
. tests/oracle/lib.sh
if [ ! -d "$CORPUS/medium" ] || ! have python3; then
    skip "mail in a PST file" "CUBBY_CORPUS names no corpus, or python3 is not here"
    finish
fi
find_extractor

for packed in "$CORPUS"/medium/*.xz "$CORPUS"/medium/*/*.xz; do
    "$C" import -q --dups add s "$packed" || fail "import" "$packed"
done
exits "export" 0 "$C" export -q --format pst s x.pst
exits "the check" 0 "$C" check-archive --json x.pst
has "finds nothing" "$out" '"errors":0,"warnings":0'
exits "import" 0 "$C" import -q --dups add s2 x.pst
"$C" dump s >s.dump
"$C" dump s2 >s2.dump
if python3 "$ORACLE/same_mail.py" s.dump s2.dump; then ok "folders, messages, flags and dates are the same again"; else fail "round trip" "they differ"; fi

mkdir eml
exits "the messages" 0 "$C" export -q --format eml --verbatim s eml
rm -rf s2
LIMIT=${CUBBY_ORACLE_LIMIT:-1800} # a machine may be busy
for program in pffexport readpst extractor; do
    look $program x.pst "out.$program"
    rc=$?
    if [ $rc -eq 77 ]; then
        say_skip "export" $program
    elif [ $rc -ne 0 ]; then
        fail "export" "$program ended with status $rc: $(tail -n 1 guarded.log)"
    else
        python3 "$ORACLE/compare.py" export eml - $program "out.$program" || failures=$((failures + 1))
    fi
    rm -rf "./out.$program"
done
finish
