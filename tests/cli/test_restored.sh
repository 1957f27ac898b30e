#!/bin/bash
# The same old segments are put back again and again beside the index that is there: no uid of a folder, no modseq is given twice, repaired or not.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

# put STORE FOLDER SUBJECT: notes what it was given
put() { message "$3" | "$C" append -q --json "$1" "$2" >>given || echo "append fails" >>given; }
# base STORE: a store, and its segments as they were before three messages of which the index knows
base() {
    "$C" init "$1"
    : >given
    for i in 1 2 3; do put "$1" INBOX "old $i"; done
    rm -rf kept && cp -a "$1/segments" kept
    for i in 4 5 6; do put "$1" INBOX "new $i"; done
    rm "$1/index"
    put "$1" INBOX "new 7"
}
# again STORE NAME: nothing that was noted stands there twice
again() {
    is "$2: nothing failed" "$(grep -c fails given)" 0
    is "$2: no uid is given twice" "$(grep -o '"uidvalidity":[0-9]*,"uid":[0-9]*' given | sort | uniq -d)" ""
    is "$2: no modseq is given twice" "$(grep -o '"modseq":[0-9]*' given | sort | uniq -d)" ""
}

for how in repaired "not repaired" sometimes; do
    s=${how// /-}
    base "$s"
    for round in 1 2 3 4; do
        rm -rf "$s/segments" && cp -a kept "$s/segments"
        if [ "$how" = repaired ] || [ "$how$round" = sometimes2 ]; then
            exits "$how, $round: a repair" 1 "$C" fsck --repair "$s"
        elif [ "$how" = "not repaired" ]; then
            exits "$how, $round: a check tells" 4 "$C" fsck "$s"
            has "$how, $round: that the end is gone" "$out" LOG_SHORT
        fi
        "$C" folder create -q "$s" X 2>/dev/null
        put "$s" X "x $round"
        put "$s" INBOX "after $round"
        is "$how, $round: what was kept is there" "$("$C" scan --json "$s" INBOX | grep -c '"subject":"old [123]"')" 3
    done
    again "$s" "$how"
done

finish
