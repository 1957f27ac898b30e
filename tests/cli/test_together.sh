#!/bin/bash
# Several programs at one store at once; signals.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

"$C" init s
message one >one.eml
for i in 1 2 3 4; do
    (for j in 1 2 3 4 5; do "$C" append s INBOX one.eml || echo failed; done) >out.$i 2>&1 &
done
wait
is "all appends went through" "$(cat out.* | grep -cE '^[0-9]+ [0-9]+ [0-9]+$')" 20
is "each has its uid" "$(cat out.* | cut -d' ' -f2 | sort -n | uniq | wc -l)" 20
has "all are there" "$("$C" ls --json s)" '"messages":20,'
exits "and the store is sound" 0 "$C" fsck --full s

mkfifo pipe
exec 3<>pipe
"$C" append s INBOX pipe >out 2>err &
pid=$!
printf 'Subject: half\n' >&3
sleep 0.3
exits "reading goes on while a message comes in" 0 "$C" scan s INBOX
exits "writing goes on while a message comes in" 0 "$C" append --wait 1 s INBOX one.eml
kill -INT $pid
wait $pid
is "interrupted: 130" $? 130
exec 3>&-
has "nothing came of it" "$("$C" ls --json s)" '"messages":21,'
exits "and the store is sound still" 0 "$C" fsck --full s
finish
