#!/bin/bash
# The dump is canonical, and the index is disposable.
. "$(dirname "$0")/lib.sh"

"$C" init s
message one >one.eml
message two >two.eml
"$C" folder create s Lists/man 'a%2Fb%25' B
"$C" folder subscribe s Lists/man 'not/there'
"$C" folder special s B '\Sent'
for f in one two one two; do "$C" append --date 2019-01-02T03:04:05+01:00 s INBOX $f.eml >/dev/null; done
"$C" append --flags '\Draft,zebra,Apple,\Seen' --date 2001-02-03T04:05:06Z s Lists/man one.eml >/dev/null
"$C" rm s INBOX 2,4 >/dev/null

exits "dump" 0 "$C" dump s
cp stdout first
has "store line first" "$(head -n 1 first)" '^\{"store":"cubby","format":1,"modseq":[0-9]+\}$'
has "folder line" "$(cat first)" '^\{"folder":[0-9]+,"parent":0,"name":"INBOX","uidvalidity":[0-9]+,"uidnext":5,"special":null,'
has "names are not paths" "$(cat first)" '"name":"a/b%"'
has "special use" "$(cat first)" '"name":"B",.*"special":"\\\\Sent"'
has "keywords by number" "$(grep -c '^{"keyword":' first)" '^2$'
has "subscriptions" "$(grep '^{"subscribed":' first | tr '\n' ' ')" '^\{"subscribed":"Lists/man"\} \{"subscribed":"not/there"\} $'
has "entry" "$(cat first)" '^\{"entry":\[[0-9]+,1\],"object":[0-9]+,"hash":"[0-9a-f]{32}","size":[0-9]+,"internaldate":"2019-01-02T03:04:05\+01:00","flags":\[\],"modseq":[0-9]+,"created":[0-9]+\}$'
has "flags are sorted" "$(cat first)" '"internaldate":"2001-02-03T04:05:06Z","flags":\["\\\\Seen","\\\\Draft","Apple","zebra"\]'
has "tombstones" "$(cat first)" '^\{"expunged":[0-9]+,"uids":"2,4","modseq":[0-9]+\}$'
is "no spaces between keys" "$(grep -cE '": |, "' first)" 0
"$C" dump s >again
same "dump again" first again
rm -f s/index
"$C" dump s >again 2>/dev/null
same "dump without the index" first again
rm -f s/index
exits "fsck after the index was lost" 0 "$C" fsck s
exits "fsck --rebuild-index" 0 "$C" fsck --rebuild-index s
"$C" dump s >again
same "dump after a rebuild" first again
dd if=/dev/urandom of=s/index bs=4096 count=4 seek=2 conv=notrunc status=none
"$C" fsck s >/dev/null 2>&1
found=$?
if [ "$(stat -c %s s/index)" -gt 8192 ] && [ $found -eq 0 ]; then fail "a damaged index is a finding" "exit 0"; else is "a damaged index is a finding" $found 4; fi
exits "a damaged index is put right" 1 "$C" fsck --rebuild-index s
exits "and then it is clean" 0 "$C" fsck --full s
"$C" dump s >again
same "dump after that" first again

# A store that may not be written.
cp -a s ro && chmod -R a-w ro
run_ro() { if [ "$(id -u)" = 0 ]; then setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; else "$@"; fi; }
chmod a+rx . && chmod -R a+rX ro 2>/dev/null
if run_ro test -r ro/cubby.id 2>/dev/null && ! run_ro test -w ro/cubby.id 2>/dev/null && run_ro "$C" version >/dev/null 2>&1; then
    run_ro "$C" dump ro >again 2>err
    same "dump of a read-only store" first again
    chmod u+w ro && rm -f ro/index && chmod u-w ro
    run_ro "$C" dump ro >again 2>err
    same "dump of a read-only store without index" first again
    for c in "ls ro" "scan ro INBOX" "cat ro INBOX 1" "stat ro" "fsck ro"; do exits "$c on a read-only store" 0 run_ro "$C" $c; done
    exits "no writing to a read-only store" 8 run_ro "$C" append ro INBOX /dev/null
    has "it says why" "$err" "cubby: .*"
else
    skip "a store that may not be written" "this user or machine cannot set one up"
fi
chmod -R u+w ro
finish
