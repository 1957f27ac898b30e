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

# ---- what lies beside messages is opened like them ----
mkdir -p side/{cur,new,tmp}
for i in 1 2; do message "side $i" >side/cur/$i.a:2,Sa; done
beside() { total import --keep-uids "${1:-b}" side; }
for f in dovecot-uidlist dovecot-keywords .cubby-folders; do
    mkfifo side/$f
    has "a pipe called $f is not waited for" "$(beside "b$f")" '"expected":3,"imported":2,"skipped":0,"failed":1'
    is "... but named" "$(failed import "b$f" side)" "side/$f: not a regular file"
    has "... nor verified" "$(total verify "b$f" side)" '"same":2,"missing":0,"different":0,"expected":3,"failed":1'
    rm -rf dest; cp -a side dest
    exits "... nor written over" 8 timeout 20 "$C" export --force --format maildir "b$f" dest
    has "... and that is said" "$err" "dest/$f: not a regular file"
    rm side/$f; ln -s /dev/zero side/$f
    is "a device called $f is not read" "$(failed import "b$f" side)" "side/$f: not a regular file"
    rm side/$f
    case $f in dovecot-uidlist) first='3 V9 N9' ;; .cubby-folders) first='cubby-folders 1' ;; *) first='0 a' ;; esac
    { echo "$first"; head -c 1200000 /dev/zero; } >side/$f
    is "a line without an end in $f is not read" "$(failed import "b$f" side)" "side/$f: File too large"
    rm side/$f; ln -s nowhere side/$f
    is "a link to nothing is no $f" "$(failed import "b$f" side)" ""
    rm side/$f
done
{ echo '3 V9 N9'; yes '1 :none' | head -n 300000; printf '7 :2.a\n5 :1.a:2,S\n'; } >side/dovecot-uidlist
printf '0 Foo\n1 %01000d\n' 0 >side/dovecot-keywords
has "long lists are read" "$(beside uids)" '"imported":2,"skipped":0,"failed":0,.*"renumbered":0'
is "... to their end" "$("$C" scan --json uids side | sed -E 's/.*"uid":([0-9]+).*"flags":(\[[^]]*\]).*/\1 \2/' | tr '\n' ' ')" '5 ["\\Seen","Foo"] 7 ["\\Seen","Foo"] '

# ---- what may not be looked at ----
low() { if [ "$(id -u)" = 0 ]; then setpriv --bounding-set -all --inh-caps -all "$@"; else "$@"; fi; }
touch shut; chmod 0 shut
if low true 2>err && ! low cat shut 2>err; then
    mkdir -p Shut/{cur,new,tmp} Shut/.Archive/{cur,new} Shut/.Sent/{cur,new} Shut/sub/{cur,new} Shut/plain/deep Shut/.none
    for d in . .Archive .Sent sub; do message "in $d" >Shut/$d/cur/1:2,Sa; done
    shut() { low timeout 20 "$C" import --json "$1" Shut 2>err | sed -nE 's/.*"source":"([^"]*)".*"reason":"([^"]*)".*/\1: \2/p; s/.*"(expected.*failed":[0-9]*).*/\1/p' | tr '\n' ' ' | tr -d '"'; }
    chmod 0 Shut/.Archive Shut/.none; chmod 600 Shut/sub; chmod 311 Shut/plain
    is "subfolders that may not be read are named" "$(shut shut.s)" "Shut/.Archive: Permission denied Shut/.none: Permission denied Shut/plain: Permission denied \
Shut/sub: Permission denied expected:6,imported:2,skipped:0,failed:4 "
    exits "... the import says so" 1 low "$C" import -q shut.s Shut
    exits "... and verify" 1 low "$C" verify -q shut.s Shut
    chmod 700 Shut/.Archive Shut/.none Shut/sub Shut/plain; chmod 311 Shut
    is "... a Maildir that may not be listed, too" "$(shut shut.t)" "Shut: Permission denied expected:2,imported:1,skipped:0,failed:1 "
    chmod 700 Shut; printf '3 V9 N9\n7 :1\n' >Shut/dovecot-uidlist; printf '0 Foo\n' >Shut/dovecot-keywords; echo 'cubby-folders 1' >Shut/.cubby-folders
    chmod 0 Shut/dovecot-* Shut/.cubby-folders
    is "... and what lies beside messages" "$(shut shut.u)" "Shut/.cubby-folders: Permission denied Shut/dovecot-uidlist: Permission denied \
Shut/dovecot-keywords: Permission denied expected:7,imported:4,skipped:0,failed:3 "
    rm Shut/dovecot-* Shut/.cubby-folders
    "$C" export -q --format maildir shut.u full; chmod 300 full/cur
    exits "an export does not write to what it cannot look at" 8 low "$C" export -q --force --format maildir shut.u full
    has "... and says so" "$err" "full/cur: Permission denied"
    exits "... nor without --force" 8 low "$C" export -q --format maildir shut.u full
    has "... and says so" "$err" "full/cur: Permission denied"
    chmod 700 full/cur; ln -s .Sent Shut/.Also; ln -s sub Shut/again
    has "subfolders that are links are left out" "$(total import links Shut)" '"expected":4,"imported":4,"skipped":0,"failed":0'
    has "... and named" "$(tr '\n' ' ' <err)" 'Shut/.Also: a link to a directory.*Shut/again: a link to a directory'
else
    skip "directories that may not be read" "nothing is shut for this user"
fi

# ---- links that another user made ----
if [ "$(id -u)" = 0 ]; then
    mkdir -p mine/{cur,new} his/{cur,new} his/.box theirs; message secret | tee secret mine/cur/1.x >mine/new/2.x
    chmod 600 secret; ln -s "$PWD/secret" his/cur/1.x; ln -s "$PWD/secret" theirs/1.eml; { echo 'From a@b Wed Jan  2 03:04:05 2019'; cat secret; } >box
    ln -s "$PWD/box" theirs/box; ln -s "$PWD/mine/cur" his/.box/cur; ln -s "$PWD/mine/new" his/.box/new
    chown -hR 65534:65534 his theirs
    has "links of others are not followed in a Maildir" "$(total import v his)" '"expected":2,"imported":0,"skipped":0,"failed":2'
    has "... and named" "$(failed import v his)" "his/.box: a link to somebody else's file"
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

# ---- headers that are lists without an end ----
field() { # NAME SEPARATOR COUNT PREFIX: a field of COUNT words, a hundred a line
    awk -v name="$1" -v s="$2" -v n="$3" -v p="$4" 'BEGIN { printf "%s: ", name; for (i = 1; i <= n; i++) printf "%s%d%s", p, i, i == n ? "\n" : i % 100 ? s : s "\n " }'
}
mbox() { echo 'From a@b Wed Jan  2 03:04:05 2019'; cat; echo; }
{ field X-Gmail-Labels , 600 L; message labels; } | mbox >labels.mbox
has "a message goes to 500 folders by its labels" "$(total import --gmail-labels folders labels labels.mbox)" '"imported":1,"skipped":0,"failed":0,.*"copies":499'
has "... which is said" "$(cat err)" "labels.mbox: message 1 at byte 0: has more than 500 labels"
{ field X-Keywords ' ' 3000 k; message words; } | mbox >words.mbox
has "a message has 1,024 keywords" "$(total import words words.mbox)" '"imported":1,.*"without_keywords":1'
is "... and not more" "$("$C" scan --json words words | grep -oE '"k[0-9]+"' | sort -u | wc -l)" 1024

# ---- a store that holds no more keywords ----
{ field X-Keywords ' ' 1022 k; message most; } | mbox | sed 's/^X-Keywords: /&$Forwarded /' >most.mbox # one less than all
{ { echo 'X-Keywords: $forwarded K5 new1 new2'; message first; } | mbox; { echo 'X-Keywords: new3 k7 new1'; message second; } | mbox; } >more.mbox
{ { echo 'X-Keywords: new4 k9 new1'; echo Status: R; message third; } | mbox; } >third.mbox
flags() { "$C" scan --json kept "$1" | sed -E 's/.*"flags":(\[[^]]*\]).*/\1/' | tr '\n' ' '; }
"$C" import -q kept most.mbox
has "keywords beyond those of a store are left out" "$(total import --into F kept more.mbox)" '"imported":2,.*"without_keywords":2'
is "... and the others are not" "$(flags F)" '["$Forwarded","k5","new1"] ["k7","new1"] '
"$C" import -q --into G kept third.mbox 2>err
uid=$("$C" scan --json kept G | sed -E 's/.*"uid":([0-9]+).*/\1/')
exits "... (a copy without them)" 0 "$C" flag -q kept G "$uid" =
has "... nor when flags are merged" "$(total import --into G --dups merge kept third.mbox)" '"skipped":1,.*"merged":1,.*"without_keywords":1'
is "... which adds what there is" "$(flags G)" '["\\Seen","k9","new1"] '

# ---- nothing at all ----
"$C" init void
for f in mbox maildir eml pst; do
    exits "an empty store to $f" 0 "$C" export -q --format $f void void.$f
    exits "... and back" 0 "$C" import -q void.$f.s void.$f
    exits "... a password where there can be one" "$([ $f = pst ] && echo 0 || echo 16)" "$C" export -q --format $f --password x void pass.$f
done
finish
