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

# ---- somebody deletes folders that are not ours ----
for f in 1 2 3; do
    for i in $(seq 200); do echo 'From a@b Wed Jan  2 03:04:05 2019'; message "$f $i"; echo; done >f$f.mbox
done
"$C" import -q many f1.mbox f2.mbox f3.mbox
total() { sed -nE 's/.*"event":"total",(.*),"(files|other_flags)".*/\1/p' stdout; }
later() { # FOLDER LOOK NAME CODE COMMAND...: the folder goes at that look of the command at the clock; then its view of the store is too old for it
    export LATER_AT=$2 LATER_DO="$C folder delete many.now $1"
    rm -rf many.now && cp -r many many.now
    shift 2
    LD_PRELOAD=$PWD/later.so exits "$@"
    unset LATER_AT LATER_DO
}
if ${CC:-cc} -D_GNU_SOURCE -O1 -shared -fPIC -o later.so "$here/later.c" 2>err && LD_PRELOAD=$PWD/later.so "$C" version >/dev/null 2>err; then
    for f in mbox maildir eml pst; do
        later f2 100 "$f: an export goes on when a folder is deleted" 0 "$C" export --json --format $f many.now gone.$f
        is "$f: ... with the folder behind it" "$(total)" '"expected":400,"exported":400,"failed":0'
        has "$f: ... and says so" "$err" 'f2: was deleted while the export ran'
        is "$f: ... and nothing is made for the one that is gone" "$(find gone.$f -name '*f2*')" ""
    done
    later f1 100 "an export goes on when the folder in hand is deleted" 0 "$C" export --json many.now begun
    is "... the rest of it is not missed" "$(total | sed -E 's/^"expected":([0-9]+),"exported":\1,"failed":0$/adds up/') $([ "$(grep -c '^From ' begun/f1.mbox)" -lt 200 ] && echo some) $(cd begun && echo f*)" \
        "adds up some f1.mbox f2.mbox f3.mbox"
    for scope in store folder; do
        later f1 100 "verify: what was there is missing when its folder is deleted, $scope" 1 "$C" verify --json --dups-scope $scope many.now f1.mbox f3.mbox
        is "... all is looked at" "$(tail -n 1 stdout | sed -E 's/.*"same":([0-9]+),"missing":([0-9]+),.*"expected":([0-9]+),"failed":0,.*/\1 + \2 = \3/' |
            { read -r same _ missing _ all; [ "$same" -gt 200 ] && [ $((same + missing)) = "$all" ] && echo "$all"; })" 400
    done
else
    skip "a folder is deleted while an export runs" "needs a C compiler and a program that LD_PRELOAD works with: $(head -c 200 err)"
fi
# Two archives, and the second comes when the store without f1 is what there is. All is there at first.
exec 3<>pipe
"$C" import --json --format mbox --dups-scope store --into Y many f2.mbox - <pipe >stdout 2>stderr 3>&- &
pid=$!
for i in $(seq 200); do "$C" ls many Y/f2 >out 2>&1 && break; sleep 0.05; done
"$C" folder delete many f1
cat f1.mbox f3.mbox >&3
exec 3>&-
wait $pid
is "an import goes on when a folder with duplicates is deleted" $? 0
has "... and brings what is not there any more" "$(cat stdout)" '"expected":600,"imported":200,"skipped":400,"failed":0'
finish
