#!/bin/bash
# Sources and names that somebody made to do harm, or that happen to look like something else.
. "$(dirname "$0")/lib.sh"

total() { timeout 20 "$C" "$@" --json 2>err | tail -n 1; }
failed() { timeout 20 "$C" "$@" --json 2>err | sed -nE 's/.*"source":"([^"]*)".*"reason":"([^"]*)".*/\1: \2/p' | sort; }
state() { # hashes, flags and dates by folder
    "$C" dump "$1" | sed -nE 's/^\{"folder":([0-9]+),"parent":([0-9]+),"name":"([^"]*)".*/F \1 \3/p; s/^\{"entry":\[([0-9]+),[0-9]+\],"object":[0-9]+,(.*),"modseq":.*/E \1 \2/p' |
        awk '$1 == "F" { n = $2; $1 = $2 = ""; name[n] = $0; next } { f = $2; $1 = $2 = ""; print name[f] $0 }' | sort
}

# ---- what is no file ----
mkdir -p Maildir/{cur,new,tmp} tree/d tree/sub.eml
message one >Maildir/cur/1.a:2,S; message two >tree/d/1.eml; message three >tree/sub.eml/1.eml; message four >tree/2.eml
mkfifo Maildir/cur/2.fifo Maildir/new/3.fifo tree/d/2.eml tree/d/3.msg tree/d/pipe
mkdir Maildir/cur/4.dir
has "pipes in a Maildir are not waited for" "$(total import s Maildir)" '"expected":4,"imported":1,"skipped":0,"failed":3'
is "... but named" "$(failed import s Maildir | head -n 1)" "Maildir/cur/2.fifo: not a regular file"
has "... nor among message files, where directories are folders" "$(total import t tree)" '"expected":5,"imported":3,"skipped":0,"failed":2'
has "... nor verified" "$(total verify t tree)" '"same":3,"missing":0,"different":0,"expected":5,"failed":2'
{ echo 'From a@b Wed Jan  2 03:04:05 2019'; message five; } >five.mbox; mkfifo named
timeout 20 sh -c 'cat five.mbox >named' &
has "a pipe that the user names is read" "$(total import u named)" '"imported":1,"skipped":0,"failed":0'
timeout 20 sh -c 'cat five.mbox >named' &
has "... and verified" "$(total verify u named)" '"same":1,"missing":0'
has "an Outlook file cannot come from a pipe" "$(failed import --format pst u -)" "name a file"
message five >five.eml
exits "... and a link too" 0 sh -c 'ln -s five.eml link.eml && "$1" import -q u link.eml' - "$C"

# ---- links that another user made ----
if [ "$(id -u)" = 0 ]; then
    mkdir -p mine/{cur,new} his/{cur,new} his/.box theirs; message secret | tee secret mine/cur/1.x >mine/new/2.x
    chmod 600 secret; ln -s "$PWD/secret" his/cur/1.x; ln -s "$PWD/secret" theirs/1.eml; { echo 'From a@b Wed Jan  2 03:04:05 2019'; cat secret; } >box
    ln -s "$PWD/box" theirs/box; ln -s "$PWD/mine/cur" his/.box/cur; ln -s "$PWD/mine/new" his/.box/new
    chown -hR 65534:65534 his theirs
    has "links of others are not followed in a Maildir" "$(total import v his)" '"expected":1,"imported":0,"skipped":0,"failed":1'
    has "... nor elsewhere" "$(total import v theirs)" '"expected":2,"imported":0,"skipped":0,"failed":2'
    has "... but named" "$(failed import v theirs)" "theirs/box: a link to somebody else's file"
    chown -h 0:0 theirs/1.eml
    has "links of the user are" "$(total import v theirs)" '"expected":2,"imported":1,"skipped":0,"failed":1'
else
    skip "links of others" "only root can make them"
fi

# ---- folders that look like something else, or are too long ----
deep=$(printf 'Öffentliche Ordner %.0s' 1 2 3 4) long=$(printf 'Ж%.0s' $(seq 127))
"$C" init odd
for f in cur new x/cur x/cur/y x/new/y a/b.eml 'a/b.eml/c' '......' "$deep/$deep/$deep/$deep" "$long" "$long/$long"; do
    "$C" folder create -q -- odd "$f" 2>/dev/null || fail "a folder $f" "not made"
    message "in $f" | "$C" append -q -- odd "$f" - >/dev/null
done
message top | "$C" append -q odd a - >/dev/null
printf '' | "$C" append -q --flags '\Seen' odd INBOX - >/dev/null
state odd >state
for f in mbox maildir eml pst; do
    exits "odd folders to $f" 0 "$C" export -q --format $f odd odd.$f
    exits "... and back" 0 "$C" import -q odd.$f.s odd.$f
    state odd.$f.s >now
    cmp -s state now && ok "... the same" || fail "$f: odd folders" "$(diff state now | head -n 5)"
    exits "... verify" 0 "$C" verify -q odd odd.$f
    "$C" import -q --into A/B odd.$f.t odd.$f
    exits "... verify below another" 0 "$C" verify -q --into A/B odd.$f.t odd.$f
done

# ---- an Outlook file that is cut off ----
"$C" init many
for i in $(seq 40); do { message "cut $i"; head -c 9000 /dev/urandom | base64; } | "$C" append -q many INBOX - >/dev/null; done
"$C" export -q --format pst many many.pst
size=$(stat -c %s many.pst)
for part in 99 80 40; do
    head -c $((size * part / 100)) many.pst >cut.pst
    rm -rf cut
    got=$(total import cut cut.pst)
    has "$part % of a file is not all of it" "$got" '"failed":[1-9]'
    is "... and all adds up" "$(sed -E 's/.*"expected":([0-9]+),"imported":([0-9]+),"skipped":([0-9]+),"failed":([0-9]+).*/\1 \2 \3 \4/' <<<"$got" |
        { read -r e i s f; echo $((e - i - s - f)); })" 0
    [ -d cut ] || "$C" init cut
    "$C" verify -q cut cut.pst 2>/dev/null && fail "... verify says so too" "exit 0" || ok "... verify says so too"
done

# ---- nothing at all ----
"$C" init void
for f in mbox maildir eml pst; do
    exits "an empty store to $f" 0 "$C" export -q --format $f void void.$f
    exits "... and back" 0 "$C" import -q void.$f.s void.$f
    exits "... a password where there can be one" "$([ $f = pst ] && echo 0 || echo 16)" "$C" export -q --format $f --password x void pass.$f
done
finish
