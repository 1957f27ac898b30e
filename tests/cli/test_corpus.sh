#!/bin/bash
# Real mail, where it is there (CUBBY_CORPUS, or beside the project): mailing lists, SpamAssassin, and messages picked for being nasty.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
corpus=${CUBBY_CORPUS:-$here/../../../shared/corpus}
if [ ! -d "$corpus/medium" ]; then
    skip corpus "CUBBY_CORPUS names no corpus"
    finish
fi

# What a dump says of each message, without the numbers that a store gives: folder name, hash, size, date, flags.
mail_of() {
    "$C" dump "$1" | sed -nE 's/^\{"folder":([0-9]+),"parent":[0-9]+,"name":"([^"]*)".*/F \1 \2/p; s/^\{"entry":\[([0-9]+),[0-9]+\],"object":[0-9]+,(.*),"modseq":.*/E \1 \2/p' |
        awk '$1 == "F" { name[$2] = $3; next } { f = $2; $1 = $2 = ""; print name[f] $0 }' | sort
}

# ---- medium: the counts of the contract; in, out, in again ----
mkdir in
for f in "$corpus"/medium/*.xz "$corpus"/medium/*/*.xz; do xz -dc "$f" >"in/$(basename "$f" .xz)"; done
"$C" import -q s in/*.mbox
counts=$("$C" ls --json s | sed -nE 's/.*"path":"([^"]*)","messages":([0-9]+).*/\1 \2/p' | sort | tr '\n' ';')
is "the counts" "$counts" "2021 2322;2025 889;INBOX 0;dovecot-list-2002-crlf 3237;easy-ham-1 2500;easy-ham-2 1400;hard-ham-1 250;spam-1 500;spam-2 1396;"
has "a second import adds nothing" "$("$C" import --json s in/*.mbox | tail -n 1)" '"expected":12494,"imported":0,"skipped":12494,"failed":0'
has "verify" "$("$C" verify --json s in/*.mbox | tail -n 1)" '"same":12494,"missing":0,"different":0'
"$C" export -q --verbatim s verbatim
for f in 2021 2025; do # mboxrd with ordinary separators: the file itself
    cmp "in/$f.mbox" "verbatim/$f.mbox" && ok "$f.mbox comes out to the byte" || fail "$f.mbox comes out to the byte"
done
has "the verbatim export verifies against the store" "$("$C" verify --json s verbatim | tail -n 1)" '"same":12494,"missing":0,"different":0'
"$C" flag -q s spam-1 1:40 '+\Seen' '+\Flagged' '+$Junk'
"$C" export -q s plain
"$C" import -q again plain
mail_of s >first
mail_of again >second
is "as many messages" "$(wc -l <first)" 12494
cmp -s first second && ok "plain export into a new store: equal hashes, flags, dates" || fail "plain export into a new store" "$(diff first second | head -n 4)"
"$C" dump s >before
rm s/index
"$C" dump s | cmp - before && ok "the index deleted: the same dump" || fail "the index deleted: the same dump"
exits "fsck --full" 0 "$C" fsck --full s

# ---- nasty: append and cat ----
"$C" init n
wrong= uid=0
for f in "$corpus"/small/nasty/*; do
    "$C" append -q n INBOX "$f" >/dev/null && uid=$((uid + 1)) && "$C" cat n INBOX $uid | cmp -s - "$f" || wrong="$wrong ${f##*/}"
done
is "$uid nasty files through append and cat" "$wrong" ""
exits "fsck --full of them" 0 "$C" fsck --full n

# ---- the nasty ones, and some (CUBBY_CORPUS_FULL: all) of the others, as Maildir and message files, out and in ----
mkdir some
if [ -n "${CUBBY_CORPUS_FULL-}" ]; then cp in/*.mbox some; else cp in/hard-ham-1.mbox in/spam-1.mbox some; fi
"$C" import -q n some
mail_of n >first
for f in maildir eml; do
    "$C" export -q --format $f n n.$f
    "$C" import -q --dups add n.$f.store n.$f
    mail_of n.$f.store >second
    cmp -s first second && ok "$(wc -l <first) messages through $f: equal hashes, flags, dates" || fail "through $f" "$(diff first second | head -n 4)"
    has "... verify" "$("$C" verify --json n n.$f | tail -n 1)" '"missing":0,"different":0,.*"failed":0'
    rm -rf n.$f n.$f.store
done

# ---- small: the message files among the samples ----
mkdir eml; for a in cpython-test_email mail-parser mimetic; do mkdir "eml/$a"; tar -C "eml/$a" -xJf "$corpus/small/$a.tar.xz"; done
files=$(find eml \( -iname '*.eml' -o -iname '*.msg' \) | wc -l)
has "$files message files: each is imported or fails by name" "$("$C" import --json --format eml --dups add samples eml 2>/dev/null | tail -n 1)" "\"expected\":$files,"

# ---- small: every mbox among the samples, in and out ----
mkdir small
for a in "$corpus"/small/*.tar.xz; do tar -C small -xJf "$a"; done
wrong= boxes=0
while read -r f; do
    head -n 1 "$f" | grep -qa '^From .' || continue
    boxes=$((boxes + 1))
    rm -rf t t2 out
    "$C" import -q --dups add --into Box t "$f" >/dev/null 2>&1
    [ $? -le 1 ] || { wrong="$wrong import:$f"; continue; }
    "$C" export -q t out && "$C" import -q --dups add t2 out >/dev/null 2>&1
    [ "$(mail_of t)" = "$(mail_of t2)" ] && "$C" verify -q t out >/dev/null && "$C" fsck -q --full t >/dev/null || wrong="$wrong $f"
done < <(find small -type f -size -2000k | sort)
[ "$boxes" -gt 80 ] && ok "$boxes small mboxes found" || fail "small mboxes found" "$boxes"
is "each comes out and in again" "$wrong" ""
finish
