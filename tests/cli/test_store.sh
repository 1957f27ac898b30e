#!/bin/bash
# A life of a store: init, append, ls, scan, cat, flag, cp, mv, rm, changes, stat, fsck, dump.
. "$(dirname "$0")/lib.sh"

exits "init" 0 "$C" init s
is "init prints nothing" "$out$err" ""
exits "init again" 8 "$C" init s
has "init again says why" "$err" "store already"
mkdir other && touch other/x
exits "init over something else" 8 "$C" init other
exits "init in an empty directory" 0 bash -c "mkdir e && '$C' init e"
exits "ls of a new store" 0 "$C" ls --json s
has "INBOX is there" "$out" '^\{"path":"INBOX","messages":0,"unseen":0,"deleted":0,"bytes":0,"uidvalidity":[0-9]+,"uidnext":1,"highestmodseq":[0-9]+,"special":null,"quota":\[\]'

message one >one.eml
message two >two.eml
exits "append" 0 "$C" append --date 2019-01-02T03:04:05+01:00 --flags '\Seen,$Forwarded' s inbox one.eml
has "append prints three numbers" "$out" '^[0-9]+ 1 [0-9]+$'
"$C" append --json s INBOX <two.eml >json
has "append from standard input" "$(cat json)" '^\{"uidvalidity":[0-9]+,"uid":2,"modseq":[0-9]+\}$'
exits "append to no folder" 1 "$C" append s Nowhere one.eml
has "append to no folder: what to do" "$err" "folder create"
exits "append of no file" 8 "$C" append s INBOX missing.eml
exits "append of an empty message" 0 bash -c "'$C' append s INBOX </dev/null"
"$C" append s INBOX - <one.eml >/dev/null
is "uids rise" "$("$C" scan --json --flags s INBOX | sed 's/^{"uid":\([0-9]*\),.*/\1/' | tr '\n' ' ')" "1 2 3 4 "

"$C" cat s INBOX 1 >back
same "cat gives the bytes back" one.eml back
"$C" cat s INBOX 3 >back
same "cat of an empty message" /dev/null back
exits "cat of no message" 1 "$C" cat s INBOX 99
exits "cat in no folder" 1 "$C" cat s Nowhere 1

exits "scan" 0 "$C" scan --json s INBOX
has "scan in JSON" "$out" '^\{"uid":1,"modseq":[0-9]+,"flags":\["\\\\Seen","\$Forwarded"\],"internaldate":"2019-01-02T03:04:05\+01:00","size":[0-9]+,"date":"2019-01-02T03:04:05\+01:00","from":"Jane Roe <jane@example.org>","subject":"one"\}$'
has "a message without fields" "$out" '^\{"uid":3,.*"size":0,"date":null,"from":null,"subject":null\}$'
exits "scan as text" 0 "$C" scan s INBOX
has "scan has columns" "$out" '^ +1  S----\+ 2019-01-02 03:04  Jane Roe +one +[0-9]+$'

exits "flag" 0 "$C" flag --json s INBOX 1:2 '+\Flagged' '-\seen' '+$Work'
has "flag in JSON" "$out" '^\{"modseq":[0-9]+,"uids":"1:2"\}$'
has "flags are as asked" "$("$C" scan --flags --json s INBOX)" '"uid":1,.*"flags":\["\\\\Flagged","\$Forwarded","\$Work"\]'
exits "flag without change" 0 "$C" flag --json s INBOX 1:2 '+\Flagged'
has "nothing changed" "$out" '"uids":""'
exits "replace" 0 "$C" flag s INBOX 2 '=\Answered' --json
has "options behind the flags" "$out" '^\{"modseq"'
has "replaced" "$("$C" scan --flags --json --uids 2 s INBOX)" '"flags":\["\\\\Answered"\]'
exits "all flags away" 0 "$C" flag s INBOX 2 =
has "no flags" "$("$C" scan --flags --json --uids 2 s INBOX)" '"flags":\[\]'
exits "flag of no message" 1 "$C" flag s INBOX 77 '+\Seen'
exits "flag without sign" 16 "$C" flag s INBOX 1 '\Seen'
exits "flag that is none" 16 "$C" flag s INBOX 1 '+\Gone'
exits "a bad uid set" 16 "$C" flag s INBOX 1:x '+\Seen'
exits "keyword removed" 0 "$C" flag s INBOX 1 -\$work
has "keywords have no case" "$("$C" scan --flags --json --uids 1 s INBOX)" '"flags":\["\\\\Flagged","\$Forwarded"\]'

untouched() { # NAME FLAG...: message 1 has \Flagged and $Forwarded before and after, and its modseq
    local name=$1 before
    before=$("$C" scan --flags --json --uids 1 s INBOX)
    shift
    exits "$name: no change" 0 "$C" flag --json s INBOX 1 "$@"
    is "... nothing was changed" "$(sed 's/.*"uids"/"uids"/' <<<"$out") $("$C" scan --flags --json --uids 1 s INBOX)" "\"uids\":\"\"} $before"
}
untouched "a part replaces, a part is added" '=$Forwarded' '+\Flagged'
untouched "added and removed" '+\Draft' '-\Draft' '+new' '-New'
untouched "replaced by too much, and the rest removed" '=\Flagged' '=$Forwarded' '=\Seen' '=more' '-\Seen' '-MORE'
untouched "added twice to what replaces" '=\Flagged' '=$forwarded' '+$Forwarded' '+\Flagged'
exits "in the order = + -" 0 "$C" flag s INBOX 1 '-b' '+a' '+b' '=\Seen' '=A' '+\Draft' '-\Draft' '+c'
has "... " "$("$C" scan --flags --json --uids 1 s INBOX)" '"flags":\["\\\\Seen","A","c"\]'
exits "... back" 0 "$C" flag s INBOX 1 '=\Flagged' '=$Forwarded'

exits "folder create" 0 "$C" folder create s Lists/man 'a%2Fb'
exits "folder create again" 1 "$C" folder create s Lists/man
exits "cp" 0 "$C" cp --json s INBOX '1:2' Lists/man
has "cp in JSON" "$out" '^\{"modseq":[0-9]+,"uids":"1:2","new_uids":"1:2","uidvalidity":[0-9]+\}$'
exits "cp to no folder" 1 "$C" cp s INBOX 1 Nowhere
exits "cp of nothing" 1 "$C" cp s INBOX 50:60 Lists/man
"$C" cat s Lists/man 1 >back
same "the copy is the same" one.eml back
has "flags go with it" "$("$C" scan --flags --json --uids 1 s Lists/man)" '"flags":\["\\\\Flagged","\$Forwarded"\]'
exits "mv" 0 "$C" mv --json s INBOX 4 a%2Fb
has "mv in JSON" "$out" '"uids":"4","new_uids":"1"'
exits "moved away" 1 "$C" cat s INBOX 4
state=$("$C" changes --json s | sed -n 's/^{"event":"state","modseq":\([0-9]*\)}$/\1/p')
exits "rm" 0 "$C" rm --json s INBOX 2:3
has "rm in JSON" "$out" '^\{"modseq":[0-9]+,"uids":"2:3"\}$'
exits "rm of nothing" 1 "$C" rm s INBOX 2:3
"$C" flag s Lists/man 2 '+\Deleted' >/dev/null
exits "rm --deleted" 0 "$C" rm --deleted --json s Lists/man '1:*'
has "only the deleted" "$out" '"uids":"2"'
exits "the star is the highest uid in use" 0 "$C" scan --json --uids '*' s Lists/man
has "it is 1" "$out" '^\{"uid":1,'

exits "changes" 0 "$C" changes --json --since "$state" s
has "vanished" "$out" '^\{"event":"vanished","folder":"INBOX","uids":"2:3","modseq":[0-9]+,"exact":true\}$'
has "state comes last" "$(tail -n 1 stdout)" '^\{"event":"state","modseq":[0-9]+\}$'
exits "changes of a folder" 0 "$C" changes --json s Lists/man
has "new" "$out" '^\{"event":"new","folder":"Lists/man","uid":1,"modseq":[0-9]+,"flags":\["\\\\Flagged","\$Forwarded"\]\}$'
exits "changes of no folder" 1 "$C" changes s Nowhere
last=$("$C" changes --json s | sed -n 's/^{"event":"state","modseq":\([0-9]*\)}$/\1/p')
"$C" flag s INBOX 1 '+\Answered' >/dev/null
has "changed" "$("$C" changes --json --since "$last" s)" '^\{"event":"changed","folder":"INBOX","uid":1,"modseq":[0-9]+,"flags":\["\\\\Answered","\\\\Flagged","\$Forwarded"\]\}$'
last=$("$C" changes --json s | sed -n 's/^{"event":"state","modseq":\([0-9]*\)}$/\1/p')
is "nothing since the state" "$("$C" changes --json --since "$last" s)" "{\"event\":\"state\",\"modseq\":$last}"

exits "stat" 0 "$C" stat --json s
has "stat in JSON" "$out" '^\{"messages":3,"original_bytes":[0-9]+,"segments":[0-9]+,"live_bytes":[0-9]+,"dead_bytes":[0-9]+,"retained_bytes":[0-9]+,"index_bytes":[0-9]+,"ratio":[0-9.]+,"last_commit":[0-9]+,"checkpoint_commit":[0-9]+,'
exits "stat as text" 0 "$C" stat s
exits "fsck" 0 "$C" fsck --full --json s
has "fsck total" "$(tail -n 1 stdout)" '^\{"event":"total","findings":0,"fixed":0,"left":0,"messages":3,"seconds":[0-9.]+'
exits "fsck --repair of a sound store" 0 "$C" fsck --repair --json s
has "does nothing" "$out" '^\{"event":"total","findings":0,"fixed":0,"left":0,"messages":3,'
finish
