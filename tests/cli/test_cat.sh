#!/bin/bash
# cat: parts, headers, line ends, big and damaged messages.
. "$(dirname "$0")/lib.sh"

"$C" init s
printf 'Subject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner body\r\n--b--\r\n' >parts.eml
"$C" append s INBOX parts.eml >/dev/null
is "part 1" "$("$C" cat --part 1 s INBOX 1)" "hello"
is "part 1 to the byte" "$("$C" cat --part 1 s INBOX 1 | wc -c)" 5
is "header of part 1" "$("$C" cat --part 1 --header s INBOX 1 | tr -d '\r')" "Content-Type: text/plain"
is "part 2 is a message" "$("$C" cat --part 2 s INBOX 1 | tr -d '\r' | head -n 1)" "Subject: inner"
is "part 2.1 is its body" "$("$C" cat --part 2.1 s INBOX 1)" "inner body"
is "header of part 2.1" "$("$C" cat --part 2.1 --header s INBOX 1 | tr -d '\r')" "Subject: inner"
exits "part that is not there" 1 "$C" cat --part 3 s INBOX 1
exits "part below a leaf" 1 "$C" cat --part 1.1 s INBOX 1
exits "part that is no number" 16 "$C" cat --part a s INBOX 1
is "header" "$("$C" cat --header s INBOX 1 | tr -d '\r' | head -n 1)" "Subject: parts"
is "header ends with the empty line" "$("$C" cat --header s INBOX 1 | tail -c 4 | od -An -tx1)" " 0d 0a 0d 0a"
"$C" cat --lf s INBOX 1 >lf
tr -d '\r' <parts.eml >want
same "--lf" want lf
exits "only one line end" 16 "$C" cat --lf --crlf s INBOX 1

# Line ends across the chunks in which a long message is read; bare CR and LF stay what they are.
{ printf 'Subject: long\n\n'; head -c 3000000 /dev/zero | tr '\0' '\n'; printf 'a\rb\r\r\nc\n\r'; } >long.eml
"$C" append s INBOX long.eml >/dev/null
"$C" cat s INBOX 2 >back
same "a long message" long.eml back
"$C" cat --crlf s INBOX 2 >crlf
is "--crlf makes the size of IMAP" "$(wc -c <crlf)" "$("$C" scan --json --flags --uids 2 s INBOX | sed 's/.*"size":\([0-9]*\).*/\1/')"
"$C" append s INBOX crlf >/dev/null
"$C" cat --lf s INBOX 3 >lf
tr -d '\r' <crlf >want
is "--lf of it" "$(tr -d '\r' <lf | cmp - want && tail -c 9 lf | od -An -c | tr -d ' ')" '\na\rb\r\nc\n\r'
head -c 2000000 /dev/urandom >random
"$C" append s INBOX random >/dev/null
"$C" cat s INBOX 4 >back
same "any bytes" random back
printf 'From me Mon Jan  1 00:00:00 2001\n>From you\n' >from.eml
"$C" append s INBOX from.eml >/dev/null
"$C" cat s INBOX 5 >back
same "a From line is part of the message" from.eml back
exits "cat into a closed pipe" 0 bash -c "set +o pipefail; '$C' cat s INBOX 2 2>err | head -c 10 >/dev/null; [ ! -s err ]"

# Damage: never served.
seg=$(ls -S s/segments/* | head -n 1)
size=$(stat -c %s "$seg")
damaged=0
for at in $((size / 5)) $((size / 3)) $((size / 2)); do
    cp -a s d
    f=d/segments/$(basename "$seg")
    dd if=/dev/zero of="$f" bs=1 seek=$at count=64 conv=notrunc status=none
    for uid in 1 2 3 4 5; do
        "$C" cat d INBOX $uid >got 2>err
        rc=$?
        "$C" cat s INBOX $uid >want
        if [ $rc -eq 0 ]; then
            cmp -s got want || { fail "damage is never served" "uid $uid, byte $at"; break 2; }
        else
            damaged=$((damaged + 1))
            size_got=$(stat -c %s got)
            cmp -s -n "$size_got" got want || { fail "what was printed before the damage is right" "uid $uid, byte $at"; break 2; }
            grep -q '^cubby: ' err || { fail "damage is reported" "uid $uid, byte $at"; break 2; }
        fi
    done
    rm -rf d
done
if [ $damaged -gt 0 ]; then ok "damage is reported, not served"; else fail "damage is reported, not served" "nothing was damaged"; fi
finish
