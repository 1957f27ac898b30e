#!/bin/bash
# Exports that end early: what is told as exported is in files that have their names, and nothing else is left.
. "$(dirname "$0")/lib.sh"

number() { sed -nE "s/.*\"$2\":([0-9]+).*/\1/p" <<<"$1"; }
# messages in the finished files of an export
there() { # FORMAT DEST
    case $1 in
        mbox) find "$2" -name '*.mbox' ! -name '.*' -exec cat {} + 2>/dev/null | grep -ac '^X-Cubby: v1' ;;
        maildir) find "$2" \( -path '*/cur/*' -o -path '*/new/*' \) -type f 2>/dev/null | wc -l ;;
        eml) find "$2" -name '*.eml' -type f 2>/dev/null | wc -l ;;
        pst) if [ -e "$2" ]; then "$C" check-archive --json "$2" | sed -nE 's/.*"total".*"messages":([0-9]+).*/\1/p'; else echo 0; fi ;;
    esac
}
# adds_up NAME TOTAL: expected = exported + failed
adds_up() { is "$1" "$(number "$2" expected)" $(($(number "$2" exported) + $(number "$2" failed))); }

# ---- no space: files may have so many bytes ----
"$C" init s
for i in 1 2 3; do message "small $i" | "$C" append -q s INBOX - >/dev/null; done
{ message big; head -c 400000 /dev/zero | base64; } | "$C" append -q s INBOX - >/dev/null
message last | "$C" append -q s INBOX - >/dev/null
"$C" folder create -q s B && message 'in B' | "$C" append -q s B - >/dev/null
for f in mbox maildir eml pst; do
    exits "$f: a file that cannot be written" 8 bash -c 'trap "" XFSZ; ulimit -f 100; exec "$@"' - "$C" export --json --format $f s full.$f
    is "$f: ... only what is in a finished file counts as exported" "$(number "$out" exported)" "$(there $f full.$f)"
    is "$f: ... nor its bytes" "$(number "$out" bytes)" "$([ "$(there $f full.$f)" = 0 ] && echo 0 || "$C" cat s B 1 | wc -c)"
    adds_up "$f: ... and all adds up" "$out"
    is "$f: ... nothing half is left" "$(find full.$f -name '*.cubby-*' ! -name .cubby-folders -o -path '*/tmp/*' 2>/dev/null | wc -l)" 0
done

# ---- Ctrl-C, twice at once as timeout(1) sends it: to the process and to its group ----
"$C" init many
for i in 1 2 3; do
    { for j in $(seq 100); do echo 'From a@b Wed Jan  2 03:04:05 2019'; message "$i $j"; head -c 30000 /dev/urandom | base64; echo; done; } >$i.mbox
done
"$C" import -q many 1.mbox 2.mbox 3.mbox
for f in mbox maildir eml pst; do
    for when in 0.01 0.05; do
        rm -rf stop.$f
        timeout -s INT $when "$C" export --json --format $f many stop.$f >stdout 2>stderr
        rc=$?
        total=$(cat stdout)
        if [ -z "$total" ] && [ ! -e stop.$f ]; then continue; fi # it had not begun
        is "$f stopped after $when s: what counts as exported is there" "$(number "$total" exported)" "$(there $f stop.$f)"
        adds_up "$f: ... it adds up" "$total"
        is "$f: ... and nothing half is left" "$(find stop.$f -name '*.cubby-*' ! -name .cubby-folders -o -path '*/tmp/*' 2>/dev/null | wc -l)" 0
        if [ $rc = 124 ] && [ "$(number "$total" exported)" != 300 ]; then has "$f: ... and how to go on is said" "$(cat stderr)" 'with --force'; fi
    done
    exits "$f: the same with --force" 0 "$C" export --json --force --format $f many stop.$f
    is "$f: ... is whole" "$(number "$out" exported) $(there $f stop.$f)" "300 300"
done

# ---- killed: where files may be without a name, one that is not whole has none ----
case $(stat -f -c %T .) in ext* | xfs | btrfs | tmpfs) unnamed=yes ;; *) unnamed=no ;; esac
for f in mbox pst; do
    for when in 0.005 0.02 0.05; do
        rm -rf killed && mkdir killed
        timeout -s KILL $when "$C" export -q --format $f many killed/$f 2>/dev/null
        [ "$unnamed" = yes ] || { skip "$f killed after $when s: no files without a name here"; continue; }
        is "$f killed after $when s: nothing half is left" "$(find killed -name '.cubby-*' ! -name .cubby-folders | wc -l)" 0
    done
done

# ---- standard output: whole messages, whatever comes ----
timeout -s INT 0.05 "$C" export --folder 1 --no-subfolders many - >part.mbox 2>stderr
n=$(sed -nE 's/^exported ([0-9]+) of.*/\1/p' stderr)
is "what went to standard output counts" "${n:-0}" "$(grep -ac '^X-Cubby: v1' part.mbox)"
exits "... and is whole" 0 "$C" verify many/../many --into 1 part.mbox

finish
