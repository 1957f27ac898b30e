#!/bin/bash
# Usage, help, versions, exit codes that need no store.
. "$(dirname "$0")/lib.sh"

exits "no command is a usage error" 16 "$C"
exits "an unknown command is a usage error" 16 "$C" lss
has "the nearest name is suggested" "$err" "did you mean 'ls'"
exits "nonsense gets no suggestion" 16 "$C" xyzzyxyzzy
for c in undelete watch quota acl search large detach compact erase maintain backup restore load upgrade; do
    exits "$c is not there yet" 16 "$C" $c s
    has "$c says so" "$err" "not in this version"
done
exits "version" 0 "$C" version
has "version names the format" "$out" "^cubby [0-9.]+, library [0-9.]+, store format 1$"
exits "version --json" 0 "$C" version --json
has "version in JSON" "$out" '^\{"version":"[0-9.]+","library":"[0-9.]+","format":1\}$'
exits "--version" 0 "$C" --version
exits "help" 0 "$C" help
for c in init import export verify check-archive ls scan cat append flag cp mv rm folder changes stat fsck dump version help; do
    has "help lists $c" "$(cat stdout)" "^  $c "
done
for c in init import export verify check-archive ls scan cat append flag cp mv rm folder changes stat fsck dump version help; do
    "$C" help $c >help1 2>&1
    "$C" $c --help >help2 2>&1
    same "help $c is $c --help" help1 help2
    has "help $c shows usage" "$(cat help1)" "^usage: cubby $c"
done
exits "help limits" 0 "$C" help limits
has "limits are numbers" "$out" "keywords a store +1024"
exits "help for nothing" 16 "$C" help nothing
exits "unknown option" 16 "$C" ls --sideways s
has "the option is named" "$err" "--sideways"
has "help is pointed at" "$err" 'cubby help ls'
exits "missing value" 16 "$C" scan s INBOX --limit
has "the option without value is named" "$err" "--limit"
exits "bad value" 16 "$C" scan --limit x s INBOX
exits "bad wait" 16 "$C" ls --wait soon s
exits "bad progress" 16 "$C" ls --progress=often s
exits "missing argument" 16 "$C" cat s INBOX
exits "one argument too many" 16 "$C" ls s INBOX more
exits "bad date" 16 "$C" append --date yesterday s INBOX
has "the date is named" "$err" "yesterday"
exits "bad flag" 16 "$C" append --flags '\Gone' s INBOX
exits "uid that is no number" 16 "$C" cat s INBOX x
exits "no store" 8 "$C" ls nowhere
has "no store: what to do" "$err" "cubby init"
mkdir empty plain && echo hello >plain/file
exits "an empty directory is no store" 8 "$C" ls empty
exits "a directory of something else is no store" 8 "$C" ls plain
exits "a file is no store" 8 "$C" ls plain/file
exits "output that cannot be written" 8 bash -c "'$C' help >/dev/full"
has "no store: the reason is given once" "$("$C" init no/parent 2>&1)" 'failed: No such file or directory$'
"$C" init damaged && rm damaged/cubby.id
exits "a store without cubby.id" 8 "$C" ls damaged
has "... is not to be made anew" "$err" "do not make a new store"
has "... and what mends it is said" "$err" "fsck --repair"
exits "... and mends it" 1 "$C" fsck --repair damaged
printf 'From a Wed Jan  2 03:04:05 2019\n\nx\n' >one.mbox
exits "no import into a directory of something else" 8 "$C" import plain one.mbox
has "... what to do" "$err" "the path of a store, a name that is free"
is "... and nothing was made there" "$(ls plain)" "file"
exits "no import into a file" 8 "$C" import plain/file one.mbox
exits "no import below what is not there" 8 "$C" import no/parent one.mbox
is "... and no advice that does not help" "$(grep -c 'cubby init' <<<"$err")" 0

# What a program without standard files prints must not go to the store.
"$C" init closed && { for i in $(seq 200); do echo "closed/$i"; done | xargs "$C" folder create closed; } && "$C" dump closed >before
exits "standard output closed" 8 bash -c "'$C' dump --json closed >&-"
"$C" append closed Nowhere plain/file 2>&-
is "standard error closed" $? 1
"$C" dump closed >after 2>&1
same "... the store is as it was" before after
exits "standard input closed" 8 bash -c "'$C' append closed INBOX - <&-"
finish
