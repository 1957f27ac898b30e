#!/bin/bash
# Something else where a file or a directory of the store should be: the program says what is wrong and what to do, and touches nothing.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

"$C" init -q s
message one >one
"$C" append -q s INBOX one >/dev/null
"$C" dump s >whole

# with NAME SHELL-COMMAND EXIT-OF-FSCK PATTERN: what ls and fsck say of a copy of the store in which something was done; undone, all is as before.
with() {
    rm -rf w
    cp -r s w
    (cd w && eval "$2")
    exits "$1: ls" 8 "$C" ls w
    has "... says so" "$err" "$4"
    if grep -q 'cubby init' <<<"$err"; then fail "... proposes no new store" "$err"; else ok "... proposes no new store"; fi
    exits "... fsck" "$3" "$C" fsck w
    [ "$3" = 4 ] || has "... says so, too" "$err" "$4"
    if grep -qi 'invalid argument' <<<"$out$err"; then fail "... in words" "$err"; else ok "... in words"; fi
}
back() {
    (cd w && eval "$1")
    "$C" dump w >now 2>/dev/null
    same "... put right, it is the same store" now whole
}

seg=segments/00000001.seg
with "no segments/" 'mv segments away' 4 'segments: the directory is missing'
back 'mv away segments'
with "segments/ is a file" 'mv segments away; echo x >segments' 8 'segments: this is not a directory'
back 'rm segments; mv away segments'
with "a segment is a directory" "mv $seg away; mkdir $seg" 4 'this segment is not a regular file'
back "rmdir $seg; mv away $seg"
with "a segment is a link" "mv $seg away; ln -s ../away $seg" 4 'this segment is not a regular file'
back "rm $seg; mv away $seg"
with "cubby.id is a directory" 'mv cubby.id away; mkdir cubby.id' 8 'cubby.id is not a regular file'
back 'rmdir cubby.id; mv away cubby.id'
with "cubby.id is a link" 'mv cubby.id away; ln -s away cubby.id' 8 'cubby.id is not a regular file'
back 'rm cubby.id; mv away cubby.id'

# A repair throws nothing away.
(cd w && mv $seg away && mkdir -p $seg/mine)
exits "repair of a directory" 1 "$C" fsck --repair w
has "... says where it is" "$out" "STRAY_MOVED $seg: it is in quarantine"
is "... whole" "$(ls w/quarantine/00000001.seg)" mine
exits "... once" 0 "$C" fsck --repair w
finish
