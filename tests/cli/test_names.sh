#!/bin/bash
# Names: of folders from archives, whatever bytes they are, and of the files that an export makes, whatever the file system thinks of them.
here=$PWD/tests/cli
. "$(dirname "$0")/lib.sh"

state() { # hashes, flags and dates by folder
    "$C" dump "$1" | sed -nE 's/^\{"folder":([0-9]+),"parent":([0-9]+),"name":"([^"]*)".*/F \1 \2 \3/p; s/^\{"entry":\[([0-9]+),[0-9]+\],"object":[0-9]+,(.*),"modseq":.*/E \1 \2/p' |
        awk '$1 == "F" { n = $2; p = $3; $1 = $2 = $3 = ""; name[n] = (p ? name[p] "/" : "") $0; next } { f = $2; $1 = $2 = ""; print name[f] $0 }' | sort
}

# ---- names that an archive may have ----
mkdir -p M/{cur,new,tmp}
message top >M/cur/1.x:2,S
count=1
for d in INBOX.INBOX Inbox.Sent '&AC4ALgAv-x' '&AC8-etc&AC8-passwd' '&AC4-' '&AC4ALg-' CON "$(printf 'x%.0s' {1..200})" $'bad\xff\xfe' $'bad\xff\xfd' $'ctl\x01' $'ctl\x02' \
    'trail ' trail cur 'caf&AOk-' 'cafe&AwE-' 'a&AC8-b' a.b; do
    mkdir -p "M/.$d"/{cur,new,tmp} && message "in $count" >"M/.$d/cur/1.y:2," && count=$((count + 1))
done
is "a Maildir with odd names" "$("$C" import --json odd M | sed -E 's/.*("expected".*"failed":[0-9]+).*/\1/')" "\"expected\":$count,\"imported\":$count,\"skipped\":0,\"failed\":0"
"$C" ls --json odd | sed -E 's/^.*"path":"([^"]*)".*"messages":([0-9]+).*/\1 \2/' | sort >folders
for f in '..%2Fx' '%2Fetc%2Fpasswd' . .. 'INBOX' 'INBOX/INBOX' 'INBOX/Sent' 'trail ' trail 'bad__' 'bad__ (2)' 'ctl_' 'ctl_ (2)' $'caf\u00e9' $'caf\u00e9 (2)' 'a%2Fb' 'a/b'; do
    grep -qxF -- "$f 1" folders && ok "... '$f'" || fail "... '$f'" "$(cat folders)"
done
is "what a folder was called is kept" "$("$C" annotate --json odd 'bad__ (2)')" $'{"entry":"/shared/vendor/cubby/original-name","value":"bad\ufffd\ufffd","value_raw":"YmFk//4="}'
exits "verify finds each where it went" 0 "$C" verify -q odd M
state odd >state
for f in mbox maildir eml pst; do
    exits "odd names to $f" 0 "$C" export -q --format $f odd odd.$f
    exits "... and back" 0 "$C" import -q odd.$f.s odd.$f
    state odd.$f.s >now
    same "... the same" state now
    [ $f = pst ] || is "... with what they were called" "$("$C" annotate odd.$f.s 'ctl_ (2)')" "$("$C" annotate odd 'ctl_ (2)')"
done
is "nothing is beside the exports" "$(find . -maxdepth 1 -name 'x*' -o -maxdepth 1 -name '..?*' -o -maxdepth 1 -name etc | wc -l)" 0

# ---- names of files in messages ----
mkdir evil && printf 'no mail' >$'evil/\e[31mred\a.mbox' && printf 'no mail' >$'evil/bad\xff.mbox'
for c in 'import evil.s' 'verify odd' check-archive; do
    case $c in check-archive) files=(evil/*.mbox) ;; *) files=(evil) ;; esac
    # shellcheck disable=SC2086
    "$C" $c "${files[@]}" >stdout 2>stderr
    is "$c: a terminal gets no commands from file names" "$(cat stdout stderr | tr -d '\n[:print:]\357\277\275' | od -An -c)" ""
    has "... and what went wrong is said" "$(cat stderr)" 'red.*\.mbox: at byte 0: not an mbox'
done

printf 'Subject: =?utf-8?Q?../a=E2=80=AE.exe=0D=0A:?=\n\nx\n' | { "$C" init turned; "$C" append -q turned INBOX - >/dev/null; }
"$C" export -q --format eml turned turned.eml
is "nor do file names get anything but plain text from subjects" "$(cd turned.eml/INBOX && echo *)" "00000001 .._a.exe.eml"

# ---- file systems for which `a` and `A` are one, or that take no `:` ----
"$C" init s
for f in lists Lists lists/a lists/A Lists/a lists/a/x lists/A/x lists/AB lists/Ab lists/aB lists/ab 'what? a:b' 'x.' 'x ' con 'Con.1' 'a<b>|"*\c'; do
    "$C" folder create -q -- s "$f" 2>/dev/null
    message "in $f" | "$C" append -q --flags '\Flagged' -- s "$f" - >/dev/null
done
state s >state
is "all folders are there" "$(wc -l <state)" 17
if ${CC:-cc} -D_GNU_SOURCE -O1 -shared -fPIC -o fold.so "$here/fold_case.c" 2>err && LD_PRELOAD=$PWD/fold.so "$C" version >stdout 2>err; then
    folded() { FOLD_DIR=$PWD/disk LD_PRELOAD=$PWD/fold.so "$@"; }
    mkdir disk
    for f in mbox maildir eml; do
        exits "export to it as $f" 0 folded "$C" export -q --format $f s "$PWD/disk/$f"
        exits "$f: ... once more, with --force" 0 folded "$C" export -q --force --format $f s "$PWD/disk/$f"
        exits "$f: ... and back" 0 "$C" import -q fold.$f disk/$f
        state fold.$f >now
        same "$f: ... no folder took another's place" state now
        FOLD_WINDOWS=1 exits "export as $f to a disk of Windows" 0 folded "$C" export -q --format $f s "$PWD/disk/$f.w"
        exits "$f: ... and back" 0 "$C" import -q windows.$f disk/$f.w
        state windows.$f >now
        same "$f: ... the same" state now
        exits "$f: ... verify" 0 "$C" verify -q s disk/$f.w
    done
    is "names that need no change get none" "$(find disk/mbox -name '*%*' | wc -l)" 7
else
    skip "file systems that take names for equal" "needs a C compiler and a program that LD_PRELOAD works with: $(head -c 200 err)"
fi
for f in mbox maildir eml; do
    "$C" export -q --format $f s plain.$f
    is "$f: where names differ, they stay" "$(find plain.$f -name '*%*' -o -name '*&A*' | grep -v '\&AC' | wc -l)" 0
done

# ---- two names of one directory ----
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
    "$C" init twice
    for f in P/x Q/x; do "$C" folder create -q twice ${f%/*} && "$C" folder create -q twice $f && message "in $f" | "$C" append -q twice $f - >/dev/null; done
    for f in mbox eml; do
        mkdir -p mounted.$f/P mounted.$f/Q
        exits "a directory that is mounted twice, $f" 0 unshare -m sh -c 'mount --bind "$1/P" "$1/Q" && shift && "$@"' - mounted.$f \
            "$C" export -q --force --format $f twice mounted.$f
        exits "$f: ... and back" 0 "$C" import -q mounted.$f.s mounted.$f
        exits "$f: ... nothing is lost" 0 "$C" verify -q mounted.$f.s mounted.$f
        is "$f: ... nor moved" "$(state mounted.$f.s)" "$(state twice)"
    done
else
    skip "a directory that is mounted twice" "takes root and mounts"
fi

finish
