#!/bin/bash
# Damage that a hostile reviewer found cubby to answer badly, each with what it must do now.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

# mbox N: that many small messages
mbox() {
    for i in $(seq "$1"); do
        printf 'From a@example.org Mon Jan  1 10:00:%02d 2024\nFrom: a@example.org\nSubject: number %d\n\nThe body of %d, %s\n\n' $((i % 60)) "$i" "$i" "$(seq -s ' ' 40)"
    done
}

# A batch that was imported and synced is not "a torn tail" because its index is gone: the log itself says that it was synced.
mbox 60 >many.mbox
"$C" import -q s many.mbox
"$C" dump s >whole
flip s/segments/00000001.seg 6000
rm s/index
exits "a flipped bit and no index" 0 "$C" ls --json s many
kept=$(sed -n 's/.*"messages":\([0-9]*\).*/\1/p' stdout)
[ "${kept:-0}" -ge 58 ] && ok "all but the damaged message are there" || fail "all but the damaged message are there" "$kept of 60"
exits "fsck finds it" 4 "$C" fsck --full --json s
has "as damage" "$out" 'FRAME_DAMAGED|MESSAGE_UNREADABLE|PIECE'

# init never touches what was a store, however small.
"$C" init small
printf 'Subject: the only one\n\nHello\n' | "$C" append -q small INBOX >/dev/null
rm small/cubby.id
before=$(cat small/segments/* | cksum)
exits "init over a small store without cubby.id" 8 "$C" init small
is "its one message is untouched" "$(cat small/segments/* | cksum)" "$before"
"$C" import -q t many.mbox
"$C" append -q t INBOX many.mbox >/dev/null
"$C" append -q t INBOX many.mbox >/dev/null
before=$(cat t/segments/* | cksum)
rm t/cubby.id
exits "init over a store without cubby.id" 8 "$C" init t
is "its segments are untouched" "$(cat t/segments/* | cksum)" "$before"
exits "import into it" 8 "$C" import t many.mbox
is "nor then" "$(cat t/segments/* | cksum)" "$before"

# A header full of definitions does not fill a segment before its first commit.
"$C" init u
for i in $(seq 40); do
    for k in $(seq 20); do echo "F$i-$k-$(printf 'x%.0s' $(seq 150))"; done
done >names
while read -r f; do mkdir -p "tree"; : >"tree/$f.mbox"; done <names
"$C" import -q u tree >/dev/null
for i in 1 2 3 4 5 6 7 8; do "$C" append -q u INBOX <many.mbox >/dev/null; done
"$C" flag -q u INBOX 1 '+\Seen' >/dev/null
n=$(find u/segments -name '*.seg' | wc -l)
[ "$n" -le 24 ] && ok "800 folders do not make a segment a commit" || fail "800 folders do not make a segment a commit" "$n segments"

# Messages whose FOLDER record is damaged are in lost+found, with one line about it.
"$C" import -q --into Box v many.mbox
"$C" append -q v INBOX many.mbox >/dev/null
offset=$(grep -obaF Box v/segments/00000001.seg | head -n 1 | cut -d: -f1)
flip v/segments/00000001.seg "$offset"
rm v/index
exits "a damaged FOLDER record" 0 "$C" ls --json v
lost=$(sed -n 's/.*"messages":\([0-9]*\).*/\1/p' stdout | sort -n | tail -n 1)
is "its 60 messages are there" "$lost" 60
is "one line says so" "$(grep -c 'has no place' stderr)" 1

# A damaged page of the index costs one command at most: whoever meets it replaces the index.
mbox 900 >more.mbox
"$C" import -q w more.mbox
"$C" dump w >whole
cp -r w clean
pages=$(($(stat -c %s w/index) / 4096))
bad=0
for ((page = 2; page < pages; page++)); do
    rm -rf w
    cp -r clean w
    flip w/index $((page * 4096 + 100))
    "$C" dump w >first 2>/dev/null || "$C" dump w >first 2>/dev/null
    "$C" append -q w INBOX many.mbox >/dev/null 2>&1 || "$C" append -q w INBOX many.mbox >/dev/null 2>&1 || bad=$((bad + 1))
    cmp -s first whole || bad=$((bad + 1))
    "$C" fsck -q w >/dev/null 2>&1 || "$C" fsck -q w >/dev/null 2>&1 || stale=$((${stale:-0} + 1))
done
is "$((pages - 2)) pages damaged one by one: the second command is right" "$bad" 0

# Uids come with mail from elsewhere: they may leave no room in lost+found. What is saved goes beside it then.
mbox 1 >one.mbox
"$C" import -q --into Last y one.mbox
"$C" export -q --folder Last y last.out
sed 's/ uid=[0-9]* / uid=4294967295 /' last.out/Last.mbox >last.mbox
"$C" import -q --keep-uids --into lost+found x last.mbox
has "a folder without uids left" "$("$C" ls --json x)" '"lost\+found".*"uidnext":4294967296'
"$C" import -q --into Box x many.mbox
flip x/segments/00000001.seg "$(grep -obaF 'body of 30,' x/segments/00000001.seg | head -n 1 | cut -d: -f1)"
exits "it keeps nothing from being repaired" 1 "$C" fsck --repair --full x
has "what there is of the message" "$out" 'MESSAGE_SAVED: .* it is uid 1 of lost\+found_2'
exits "... is there" 0 "$C" cat x lost+found_2 1
has "... with what is known of it" "$out" '^Subject: number 30'
exits "and all is well" 0 "$C" fsck --full x

finish
