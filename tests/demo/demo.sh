#!/bin/bash
# The main job, shown on a mailbox: in, looked at, changed, out again to the byte, and the index thrown away on the way.
#
# usage: BUILD=build [MBOX=file] [MESSAGES=4000] [TMPDIR=dir] demo.sh      (make demo, make demo MBOX=file)
# Without MBOX it makes a mailbox with demogen. Each step shows its command and what that printed; the first one that does not hold ends
# the demo with status 1. Only a scratch directory is written, and removed.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$(cd "${BUILD:-build}" && pwd) || exit 1
mbox=${MBOX:-}
[ -n "$mbox" ] && { mbox=$(realpath -- "$mbox") || exit 1; }
scratch=$(mktemp -d "${TMPDIR:-/tmp}/cubby-demo.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
cd "$scratch" || exit 1
PATH=$build:$PATH
export LC_ALL=C.UTF-8

steps=0
step() { steps=$((steps + 1)); printf '\n%d. %s\n' $steps "$1"; }
die() { printf '\ndemo: FAILED in step %d: %s\n' $steps "$1"; exit 1; }
# run COMMAND: shows it, runs it, keeps its output in the file `shown`; it must succeed.
run() {
    printf '   $ %s\n' "$1"
    local status=0
    bash -c "$1" >shown 2>&1 || status=$?
    sed 's/^/   /' shown
    [ $status = 0 ] || die "this command ended with status $status"
}
# timed COMMAND: the same, with the time it took, program start included; what it prints stays in the file `listing`.
timed() {
    printf '   $ time %s >listing\n' "$1"
    local from=${EPOCHREALTIME/./} to
    bash -c "$1" >listing || die "this command ended with status $?"
    to=${EPOCHREALTIME/./}
    took=$(printf '%d.%03d' $(((to - from) / 1000000)) $(((to - from) / 1000 % 1000)))
}
# hashes STORE: of the messages of folder 2, which is Demo, in the order of the uids.
hashes() { cubby dump "$1" | sed -n 's/^{"entry":\[2,.*"hash":"\([0-9a-f]*\)".*/\1/p'; }
export -f hashes
# number KEY: its last value in the JSON that was shown last.
number() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" shown | tail -n 1; }

# ---- the mailbox ------------------------------------------------------------------------------------------------------------------------

if [ -n "$mbox" ]; then
    [ -f "$mbox" ] || die "$mbox is no file"
    in=in.${mbox##*.}
    case $in in in.gz | in.xz | in.zst | in.bz2) ;; *) in=in.mbox ;; esac
    ln -s "$mbox" "$in"
    step "A mailbox: $mbox"
    run "ls -lL $in"
else
    in=in.mbox
    step "A mailbox, made up: demogen writes the same one on every machine"
    run "demogen -n ${MESSAGES:-4000} >$in && ls -l $in"
fi
run "cubby check-archive $in"

# ---- in ---------------------------------------------------------------------------------------------------------------------------------

step "Import: into folder Demo of a new store, with messages that are there twice"
run "cubby import --dups add --into Demo store $in"
run "cubby ls -l store"

step "A header scan: every message of the folder, no body read"
timed "cubby scan store Demo"
messages=$(($(wc -l <listing) - 1)) # below one line of column names
run "head -n 5 listing"
[ "$messages" -gt 0 ] || die "there is no message"
printf '   %d messages listed in %s s\n' "$messages" "$took"

# ---- changed ----------------------------------------------------------------------------------------------------------------------------

step "Flags, a delivery, and what a client that knows the state before is told"
run "cubby stat --json store | grep -o '\"last_commit\":[0-9]*'"
before=$(number last_commit)
run "cubby flag store Demo 1:3 '+\\Flagged' '+\$Demo'"
printf 'From: Jane Roe <jane@example.org>\nSubject: one more\n\nFrom here on: hello\n' >letter
run "cubby append store INBOX letter"
run "cubby changes --since $before store"
flagged=$((messages < 3 ? messages : 3))
[ "$(grep -c 'Flagged.*\$Demo' shown)" = $flagged ] && grep -q 'new *INBOX' shown || die "the changes are not those that were made"
run "cubby cat store INBOX 1 | cmp - letter && echo 'the letter comes back to the byte'"

# ---- out --------------------------------------------------------------------------------------------------------------------------------

step "Export: the messages as they are"
run "cubby export --verbatim --folder Demo --no-subfolders store out.mbox"
ended=$(sed -n 's/.*; \([0-9]*\) did not end with a line end.*/\1/p' shown) ended=${ended:-0}

step "Proof: what came out is what went in"
case $in in
*.gz) plain="gzip -dc $in" ;;
*.xz) plain="xz -dc $in" ;;
*.zst) plain="zstd -dc $in" ;;
*.bz2) plain="bzip2 -dc $in" ;;
*) plain="cat $in" ;;
esac
# From_ lines belong to the mailbox, not to the messages: of theirs only sender and date are kept.
from="LC_ALL=C sed 's/^From .*/From_/'"
if bash -c "$plain 2>/dev/null | cmp -s - out.mbox"; then
    run "$plain | cmp - out.mbox && echo 'the same file, to the byte, From_ lines too'"
elif [ -z "$mbox" ] || bash -c "cmp -s <($plain 2>/dev/null | $from) <($from out.mbox)"; then
    run "cmp <($plain | $from) <($from out.mbox) && echo 'the same bytes, the text of From_ lines apart'"
else
    echo "   As files the two differ, so this mailbox is not mboxrd as cubby writes it: another quoting, no empty line at the end, ..."
    bash -c "diff -a <($plain | $from) <($from out.mbox)" 2>&1 | head -n 6 | cut -c 1-100 | sed 's/^/   | /'
    echo "   What counts is the messages. They are compared with the mailbox by cubby verify, and by their hashes after one more round:"
fi
run "cubby verify --into Demo store $in"
run "cubby import --dups add --into Demo again out.mbox"
run "paste <(hashes store) <(hashes again) | awk '{ if (\$1 == \$2) same++; else other++ } END { print same + 0, \"same,\", other + 0, \"different\" }'"
[ "$(cat shown)" = "$((messages - ended)) same, $ended different" ] || die "that should be $messages messages, $ended different"
[ "$ended" = 0 ] || echo "   The different ones are those that did not end with a line end, which a mailbox file cannot show."

# ---- the index is disposable ------------------------------------------------------------------------------------------------------------

step "The index is thrown away: the next command builds it anew from the segments"
run "cubby dump store >before; rm store/index; ls store"
run "cubby ls store; ls store"
[ -s store/index ] || die "there is no new index"
run "cubby dump store >after; cmp before after && echo 'the whole logical state is the same, to the byte:' && wc after"

step "A full check: every message decoded and hashed, the index compared with one built anew"
run "cubby fsck --full store"
run "cubby stat store"

trap - EXIT
cd / && rm -rf "$scratch"
printf '\ndemo: ok: %d messages in, listed in %s s, changed, out to the byte; index rebuilt without loss; 0 findings\n' "$messages" "$took"
