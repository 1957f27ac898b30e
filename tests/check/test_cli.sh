#!/bin/bash
# `cubby fsck` as a program: exit codes, JSON, a store that is repaired beside readers, and checks beside writers that come and go.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../cli/lib.sh"

for i in $(seq 40); do
    printf 'From a@example.org Mon Jan  1 10:00:%02d 2024\nFrom: a@example.org\nSubject: number %d\n\nThe body of %d, %s\n\n' $((i % 60)) "$i" "$i" "$(seq -s ' ' $((i * 5)))"
done >many.mbox
"$C" import -q --into Box s many.mbox
"$C" dump s >whole

# run 1 finds, run 2 repairs, run 3 is clean
cp -r s b
flip b/segments/00000001.seg 10000
cp b/segments/00000001.seg damaged.seg
exits "damage is found" 4 "$C" fsck --full --json b
has "in the total" "$(tail -n 1 stdout)" '"findings":[1-9][0-9]*,"fixed":0,"left":[1-9]'
exits "and repaired" 1 "$C" fsck --repair --full --json b
has "what was done is told" "$out" '^\{"event":"repair","code":"SEGMENT_REPLACED","severity":"note","file":"segments/00000001.seg"'
has "in the total, too" "$(tail -n 1 stdout)" '"findings":[1-9][0-9]*,"fixed":[1-9][0-9]*,"left":0,"messages":'
exits "and then it is clean" 0 "$C" fsck --full b
# its end may differ: the repair has stopped appending to it first
cmp -s -n 20000 damaged.seg b/quarantine/00000001.seg && ok "the damaged segment is kept" || fail "the damaged segment is kept" "other bytes"
[ "$("$C" scan b Box | wc -l)" -ge 39 ] && ok "all messages but one are there" || fail "all messages but one are there" "$("$C" scan b Box | wc -l)"
has "the other one is in lost+found" "$("$C" ls b)" 'lost\+found +1 '

# cubby.id
cp -r s d
rm d/cubby.id
exits "a store without cubby.id is damaged" 4 "$C" fsck d
has "and says so" "$out" '^error ID_LOST cubby.id'
exits "repaired" 1 "$C" fsck --repair d
exits "clean" 0 "$C" fsck --full d
"$C" dump d >again
same "nothing is missing" whole again
mkdir nothing
exits "what is no store is none" 8 "$C" fsck nothing
exits "nor repaired" 8 "$C" fsck --repair nothing
exits "an error is no end without total" 8 "$C" fsck --json nothing
has "which says that it is not complete" "$(tail -n 1 stdout)" '^\{"event":"total","findings":0,.*"complete":false\}$'

# cubby.id of another store: the segments say whose they are
cp -r s e
"$C" init other
cp other/cubby.id e/cubby.id
exits "a cubby.id of another store" 4 "$C" fsck e
has "is called so" "$out" '^error ID_FOREIGN cubby.id'
exits "and replaced" 1 "$C" fsck --repair --json e
has "in one piece" "$(tail -n 1 stdout)" '"findings":1,"fixed":1,"left":0,.*"complete":true\}$'
exits "the store is sound" 0 "$C" fsck --full e
"$C" dump e >again
same "and as it was" whole again
cmp -s -n 8192 other/cubby.id e/quarantine/cubby.id && ok "the other one is kept" || fail "the other one is kept" "other bytes"

# one segment of several: the messages that stand in it, under their uids and with their bytes, and no others
"$C" init many
for i in $(seq 12); do
    head -c 500000 /dev/urandom | base64 >part.$i
    "$C" append -q many INBOX part.$i >/dev/null
done
n=$(find many/segments -name '*.seg' | wc -l)
find many/segments -name '*.seg' | sort | sed 5d | xargs rm
rm many/index many/cubby.id
exits "one segment of $n is left" 1 "$C" fsck --repair many
exits "and its store is clean" 0 "$C" fsck --full many
is "its messages are there" "$("$C" scan many INBOX | awk 'NR > 1 { print $1 }' | tr '\n' ' ')" "9 10 "
for i in 9 10; do
    "$C" cat many INBOX $i >got
    same "message $i is what it was" got part.$i
done

# nothing may be written
run_ro() { if [ "$(id -u)" = 0 ]; then setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; else "$@"; fi; }
cp -r s ro
flip ro/segments/00000001.seg 10000
chmod -R a+rX,a-w ro && chmod a+rx .
if run_ro test -r ro/cubby.id 2>/dev/null && ! run_ro test -w ro/cubby.id 2>/dev/null && run_ro "$C" version >/dev/null 2>&1; then
    exits "a store that may not be written is checked" 4 run_ro "$C" fsck ro
    exits "and not repaired" 8 run_ro "$C" fsck --repair ro
else
    skip "a store that may not be written" "this user or machine cannot set one up"
fi
chmod -R u+w ro

# beside writers that come and go: no false finding
for i in $(seq 15); do "$C" append -q s INBOX many.mbox >/dev/null; done &
writer=$!
bad=
while kill -0 $writer 2>/dev/null; do
    "$C" fsck --full s >live 2>&1 || bad="$bad $(cat live)"
done
wait $writer
is "checks beside writers find nothing" "$bad" ""
exits "and at the end" 0 "$C" fsck --full s

# a repair beside a writer and a reader
cp -r s busy
flip busy/segments/00000001.seg 10000
for i in $(seq 25); do "$C" append -q busy INBOX many.mbox >/dev/null || echo "append $i"; done >wrong 2>&1 &
writer=$!
for i in $(seq 25); do "$C" cat busy Box 40 >read.$i 2>/dev/null && ! cmp -s read.$i read.1 && echo "read $i"; done >>wrong 2>&1 &
reader=$!
exits "a repair beside a writer and a reader" 1 "$C" fsck --repair --wait 60 busy
wait $writer $reader
is "they did not notice" "$(cat wrong)" ""
exits "clean" 0 "$C" fsck --full busy
is "and no message is missing" "$("$C" scan busy INBOX | wc -l)" "$(($("$C" scan s INBOX | wc -l) + 25))"
finish
