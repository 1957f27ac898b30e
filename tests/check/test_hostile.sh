#!/bin/bash
# What an operator, or a disk, may do to the files of a store: `cubby fsck` says what is wrong, in the words of the program and by its exit codes, a repair
# loses nothing that is there, and no message of another place.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../cli/lib.sh"

mbox() { # NAME COUNT LINES: of letters that no codec makes much smaller
    awk -v name="$1" -v count="$2" -v lines="$3" 'BEGIN {
        srand(count * lines)
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ,"
        for (i = 1; i <= count; i++) {
            printf "From a@example.org Mon Jan  1 10:00:%02d 2024\nFrom: %s@example.org\nSubject: %s %d\n\n", i % 60, name, name, i
            for (l = 0; l < lines; l++) {
                line = "x"
                for (k = 0; k < 72; k++)
                    line = line substr(letters, 1 + int(rand() * 64), 1)
                print line
            }
            print ""
        }
    }' >"$1.mbox"
}
entries() { "$C" dump "$1" 2>/dev/null | sed -nE 's/^\{"entry".*"hash":"([0-9a-f]+)".*/\1/p' | sort; }
names() { # of the messages that are named in a check as it is in the file stdout
    grep -cE '^error MESSAGE_(LOST|UNREADABLE) ' stdout
}

# Three segments: 330 messages, 20, and 30.
mbox a 30 400
mbox b 300 12
mbox c 20 1000
"$C" import -q --into A s a.mbox
"$C" import -q --into B/Sub s b.mbox
"$C" import -q --into C s c.mbox
"$C" import -q --into Late s a.mbox
"$C" flag s A 1:10 '+\Seen' >/dev/null
entries s >whole
is "three segments" "$(ls s/segments | wc -l)" 3
"$C" import -q --into O other c.mbox
seg() { printf 'd/segments/%08d.seg' "$1"; }
zero() { dd if=/dev/zero of="$1" bs="$3" seek=$(($2 / $3)) count=1 conv=notrunc status=none; }

# try NAME CHECK PATTERN REPAIR AGAIN LOST DAMAGE: exit codes of check, repair and second check, a line of the check, messages that are lost, no more and no less
try() {
    local name=$1 lost
    rm -rf d
    cp -a s d
    eval "$7"
    exits "$name: checked" "$2" timeout 60 "$C" fsck d
    has "$name: told" "$(head -n 9 stdout; cat stderr)" "$3"
    exits "$name: repaired" "$4" timeout 60 "$C" fsck --repair --json d
    is "$name: in JSON" "$(grep -vcE '^\{"event":"(finding|repair|total)",.*\}$' stdout)" 0
    exits "$name: checked again" "$5" timeout 60 "$C" fsck --full d
    [ "$5" -eq 0 ] || return
    entries d >left
    lost=$(comm -23 whole left | wc -l)
    is "$name: messages that are lost" "$lost" "$6"
}

try "a block of zeros" 4 'error FRAME_DAMAGED segments/00000001.seg@[0-9]+: ' 1 0 1 'zero "$(seg 1)" 40960 4096'
try "a segment of nothing" 4 'error SEGMENT_HEADER segments/00000002.seg@0: ' 1 0 20 ': >"$(seg 2)"'
try "the end of a segment" 4 'error SEGMENT_TRUNCATED segments/00000001.seg@' 1 0 327 'truncate -s 100000 "$(seg 1)"'
try "a segment of another store" 4 'segments/00000001.seg@[0-9]+ A/7: this segment belongs to another store' 1 0 330 'cp other/segments/00000001.seg "$(seg 1)"'
try "a missing segment" 4 'SEGMENT_MISSING segments/00000001.seg: segment 1 is not there: .* bring it back' 1 0 330 'rm "$(seg 1)"'
try "segments under each other's names" 4 'SEGMENT_HEADER segments/00000001.seg@104: this is segment 2 under another' 1 0 0 'mv "$(seg 1)" d/x; mv "$(seg 2)" "$(seg 1)"; mv d/x "$(seg 2)"'
is "and no message is lost" "$(mv "$(seg 1)" d/x; mv "$(seg 3)" "$(seg 1)"; mv d/x "$(seg 3)"; "$C" fsck d 2>/dev/null | grep -c ' MESSAGE_')" 0
try "a segment under a later name" 4 'SEGMENT_HEADER segments/00000007.seg@104: this is segment 2 under another' 1 0 0 'mv "$(seg 2)" "$(seg 7)"'
try "a number out of all proportion" 4 'SEGMENT_STRAY segments/99999999.seg: far behind all others' 1 0 0 'touch "$(seg 99999999)"'
is "it is kept" "$(ls d/quarantine)" 99999999.seg
try "one more of a segment" 4 'SEGMENT_STRAY segments/90070000.seg: ' 1 0 0 'cp "$(seg 2)" "$(seg 90070000)"'
try "a segment of another store, far away" 4 'SEGMENT_STRAY segments/99999999.seg: ' 1 0 0 'cp other/segments/00000001.seg "$(seg 99999999)"'
try "a folder of that name" 4 'SEGMENT_STRAY segments/99999999.seg: ' 1 0 0 'mkdir "$(seg 99999999)"'
try "a segment under the last name of all" 4 'SEGMENT_HEADER segments/99999999.seg@104: this is segment 2 under another' 1 0 0 'mv "$(seg 2)" "$(seg 99999999)"'
rm -rf d
cp -a s d
touch "$(seg 99999999)"
exits "beside such a file mail is read" 0 "$C" ls d
has "and it is named" "$err" 'note: segments/99999999.seg is far behind the log'
exits "and written" 0 "$C" import -q --into More d c.mbox
exits "what came then is kept, too" 1 "$C" fsck -q --repair d
is "all of it" "$(entries d | wc -l)" "$(($(wc -l <whole) + 20))"
try "a missing last segment" 4 'LOG_SHORT segments/00000002.seg@[0-9]+: .* in segment 3: .* bring it back' 1 0 30 'rm "$(seg 3)"'
try "no segments" 4 'SEGMENT_MISSING segments: there are no segments.* bring them back' 1 0 380 'rm -r d/segments'
try "an index of another store" 4 'error INDEX_META index@0: ' 1 0 0 'cp other/index d/index'
try "an identity of another store" 4 'error ID_FOREIGN cubby.id: ' 1 0 0 'cp other/cubby.id d/cubby.id'
try "identity and index of another store" 4 'error ID_FOREIGN cubby.id: ' 1 0 0 'cp other/cubby.id other/index d'
try "an identity of nothing" 4 'error ID_LOST cubby.id: ' 1 0 0 ': >d/cubby.id'
try "an identity without end" 0 ' 0 findings' 0 0 0 'truncate -s 3G d/cubby.id'
try "an index without end" 0 ' 0 findings' 0 0 0 'truncate -s 3G d/index'
try "an index that is a folder" 4 'INDEX_META index: the index is not a regular file' 1 0 0 'rm d/index; mkdir d/index; touch d/index/x'
try "an index that is a link" 4 'INDEX_META index: the index is not a regular file' 1 0 0 'mv d/index d/x; ln -s x d/index'
try "an index that is a pipe" 4 'INDEX_META index: the index is not a regular file' 1 0 0 'rm d/index; mkfifo d/index'
try "an identity that is a folder" 8 'd/cubby.id: .* not a regular file; .* move it away' 8 8 0 'rm d/cubby.id; mkdir d/cubby.id'
try "segments that are a file" 8 'd/segments: this is not a directory' 8 8 0 'mv d/segments d/x; touch d/segments'
try "a segment that is a folder" 4 'SEGMENT_HEADER segments/00000002.seg: this segment is not a regular file' 1 0 20 'rm "$(seg 2)"; mkdir "$(seg 2)"; touch "$(seg 2)/x"'
is "it is kept" "$(ls d/quarantine/00000002.seg)" x
try "a segment of that number again" 4 'error FRAME_DAMAGED segments/00000002.seg@[0-9]+: ' 1 0 1 'mkdir -p d/quarantine/00000002.seg; zero "$(seg 2)" 40960 4096'
try "a segment that is a pipe" 4 'SEGMENT_HEADER segments/00000002.seg: this segment is not a regular file' 1 0 20 'rm "$(seg 2)"; mkfifo "$(seg 2)"'
try "a link that leads to nothing" 4 'SEGMENT_HEADER segments/00000002.seg: this segment is not a regular file' 1 0 20 'mv "$(seg 2)" d/x; ln -s x "$(seg 2)"'
try "a folder behind the last segment" 4 'SEGMENT_HEADER segments/00000004.seg: this segment is not a regular file' 1 0 0 'mkdir "$(seg 4)"'
try "a folder that has the name of a segment under another" 4 'SEGMENT_HEADER segments/00000007.seg@104: this is segment 2 under another.* gives it its own back' 1 0 0 'mv "$(seg 2)" "$(seg 7)"; mkdir "$(seg 2)"'
try "a quarantine that is a file" 4 'FRAME_DAMAGED' 8 4 0 'touch d/quarantine; zero "$(seg 1)" 40960 4096'
is "and nothing was done that the next repair does again" "$("$C" ls d | grep -c lost+found)" 0
cp -a s copy
"$C" import -q --into D copy b.mbox
"$C" import -q --into E copy b.mbox
try "a segment of a copy that went on apart" 4 'error SEGMENT_BRANCH segments/0000000[0-9].seg: .* two copies of this store' 4 4 0 \
    '"$C" import -q --into F d b.mbox; "$C" import -q --into G d c.mbox; cp copy/segments/00000004.seg "$(seg 4)"'
is "nothing is done about that" "$(grep -c '^repair ' stdout; ls d | grep -c quarantine)" "0
0"
try "a temporary folder that is a file" 0 ' 0 findings' 0 0 0 'rm -r d/tmp; touch d/tmp'
try "what is none of ours" 0 ' 0 findings' 0 0 0 'touch d/segments/readme d/segments/1.seg d/foo; mkdir d/bar'

# No room for the copies: that is found before anything is logged, and what the index knows it still knows the next time.
rm -rf d
cp -a s d
zero "$(seg 1)" 65536 65536
no_room() (
    trap '' XFSZ
    ulimit -f 1200
    "$C" fsck --repair d
)
exits "no room for the repair" 8 no_room
is "nothing is saved yet" "$("$C" ls d | grep -c lost+found)" 0
exits "with room it is repaired" 1 "$C" fsck --repair d
has "all that was lost is known" "$out" 'repair RELOGGED'
is "no client has to begin anew" "$(grep -c UIDVALIDITY_RAISED stdout)" 0

# While another process has the store open, segments keep the names that they have.
rm -rf d
cp -a s d
mkfifo pipe
"$C" import -q --into Z d pipe </dev/null &
exec 9>pipe
printf 'From a@b Mon Jan  1 10:00:00 2024\nFrom: a@b\nSubject: m\n\nbody\n\n' >&9
for i in $(seq 100); do
    grep -q ":$(stat -c %i d/cubby.id) " /proc/locks 2>/dev/null && break
    sleep 0.02
done
mv "$(seg 2)" "$(seg 9)"
exits "names are not given back under others" 8 "$C" fsck --repair d
has "what is to be done is said" "$err" 'open in another process, and must be closed for this repair'
has "and nothing else" "$err" 'has the store open: try again when it has closed it'
exec 9>&-
wait
exits "they are when it is closed" 1 "$C" fsck -q --repair d

# An index that may know what is lost elsewhere is not thrown away.
rm -rf d
cp -a s d
rm "$(seg 1)"
exits "the index is not built anew beside damage" 4 "$C" fsck --rebuild-index d
has "and why is said" "$err" 'the index stays as it is: .* --repair'
is "it still knows" "$("$C" fsck d 2>/dev/null | grep -c MESSAGE_UNREADABLE)" "$(names)"

# Which messages are hit is said without --full, too, as far as the index knows.
rm -rf d
cp -a s d
rm "$(seg 1)"
exits "a missing segment" 4 "$C" fsck d
has "each message is named" "$(grep '/30:' stdout)" '^error MESSAGE_UNREADABLE segments/00000001.seg@[0-9]+ A/30: the segment is missing$'
is "all of them" "$(names)" "$("$C" fsck -q --full --json d | grep -c MESSAGE_UNREADABLE)"
exits "also by a repair" 1 "$C" fsck --repair d
has "by their names" "$(grep '/30:' stdout)" '^error MESSAGE_UNREADABLE segments/00000001.seg@[0-9]+ A/30: '
rm -rf d
cp -a s d
rm "$(seg 3)" "$(seg 2)"
exits "the end of the log" 4 "$C" fsck --json d
has "messages that only the index knows" "$(grep '"uid":20,' stdout)" '"code":"MESSAGE_LOST","severity":"error","file":"segments/0000000[23].seg","offset":[0-9]+,"folder":"[^"]*","uid":20,'

# The tree of folders comes out of a header as it was, however it was made: a parent that is younger than its child, names that went from folder to folder.
mbox noise 1 18000
fill() { sed 1d noise.mbox | "$C" append -q tree INBOX - >/dev/null; } # a segment
tree() { "$C" ls --json tree 2>/dev/null | sed -E 's/.*"path":"([^"]*)".*"id":([0-9]*).*/\2 \1/' | sort; }
"$C" init tree
"$C" folder create tree Child x y z
fill
"$C" folder create tree Parent Grand
"$C" folder rename tree Parent Grand/Parent
"$C" folder rename tree Child Grand/Parent/Child
"$C" folder rename tree x t
"$C" folder rename tree y x
"$C" folder rename tree z y
"$C" folder rename tree t z
fill
"$C" append -q tree x noise.mbox >/dev/null
mv tree kept
for lost in 1 2 "1 2"; do
    rm -rf tree
    cp -a kept tree
    tree >want
    for n in $lost; do rm "tree/segments/0000000$n.seg"; done
    rm tree/index
    tree >got
    same "the tree of folders without segments $lost and the index" got want
done
finish
