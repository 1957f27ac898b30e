#!/bin/bash
# import, export, verify, check-archive: sources, folders, duplicates, damage, what must not happen.
. "$(dirname "$0")/lib.sh"
import() { "$C" import --json "$@" >out 2>err; rc=$?; grep '"total"' out >total; }
counts() { sed 's/.*"expected":\([0-9]*\),"imported":\([0-9]*\),"skipped":\([0-9]*\),"failed":\([0-9]*\).*/\1 \2 \3 \4/' total; }
folders() { "$C" ls --json "$1" | sed 's/.*"path":"\([^"]*\)","messages":\([0-9]*\).*/\1=\2/' | tr '\n' ' '; }
mbox() { # messages... : one message for each subject
    for s in "$@"; do printf 'From a@b Sat Jan  2 01:29:12 2021\nSubject: %s\nMessage-ID: <%s@x>\n\nbody of %s\n\n' "$s" "$s" "$s"; done
}

# ---- where things go ----------------------------------------------------------------------------------------------------------------
mbox 1 2 >one.mbox; mbox 3 >two
import s one.mbox; is "a file becomes a folder; the store is made" "$rc $(counts) $(folders s)" "0 2 2 0 0 INBOX=0 one=2 "
import --into A/B s one.mbox; is "--into names the folder of a single mbox" "$(folders s)" "A=0 A/B=2 INBOX=0 one=2 "
import --into C s one.mbox two; is "several sources go below --into" "$(folders s)" "A=0 A/B=2 C=0 C/one=2 C/two=1 INBOX=0 one=2 "
import s - <one.mbox; is "standard input goes to INBOX" "$rc $(folders s)" "0 A=0 A/B=2 C=0 C/one=2 C/two=1 INBOX=2 one=2 "
cat one.mbox | "$C" import --into P s - >/dev/null; is "... from a pipe, with --into" "$(folders s | grep -o 'P=2')" "P=2"
mkdir -p tb/Inbox.sbd; cp one.mbox tb/Inbox; cp two tb/Inbox.sbd/Sub; : >tb/Inbox.msf; : >tb/Trash; : >tb/Trash.msf; echo x >tb/notes.txt
import tbs tb; is "a Thunderbird tree" "$rc $(folders tbs)" "0 INBOX=2 INBOX/Sub=1 Trash=0 "
mkdir -p ap/Sent.mbox ap/Work/X.mbox; cp one.mbox ap/Sent.mbox/mbox; cp two ap/Work/X.mbox/mbox
import aps ap; is "an Apple tree" "$(folders aps)" "INBOX=0 Sent=2 Work=0 Work/X=1 "
mkdir -p ap/Sent.mbox/Old.mbox; cp two ap/Sent.mbox/Old.mbox/mbox; : >ap/Sent.mbox/table_of_contents
import aps2 ap; is "... with a mailbox in a mailbox" "$(folders aps2)" "INBOX=0 Sent=2 Sent/Old=1 Work=0 Work/X=1 "
import --into F aps3 ap/Sent.mbox; is "... named alone" "$(folders aps3)" "F=2 F/Old=1 INBOX=0 "
import --no-subfolders aps4 ap/Sent.mbox; is "... without what is below it" "$(folders aps4)" "INBOX=0 Sent=2 "
import --no-subfolders --into F nss tb; is "--no-subfolders" "$(folders nss)" "F=0 F/Inbox=2 F/Trash=0 INBOX=0 "
: >empty.mbox; import es empty.mbox; is "an empty file is an empty folder" "$rc $(counts) $(folders es)" "0 0 0 0 0 INBOX=0 empty=0 "

# ---- duplicates -----------------------------------------------------------------------------------------------------------------------
mbox 1 1 2 1 >dup.mbox
import d dup.mbox; is "a message twice in a file: one imported, the others skipped" "$rc $(counts)" "0 4 2 2 0"
import d dup.mbox; is "... all skipped the second time" "$(counts)" "4 0 4 0"
import --dups add d dup.mbox; is "--dups add" "$(counts)" "4 4 0 0"
import --into other d dup.mbox; is "another folder is another matter" "$(counts)" "4 2 2 0"
import --into third --dups-scope store d dup.mbox; is "... not with --dups-scope store" "$(counts)" "4 0 4 0"
sed 's/^Message-ID: .*/Message-ID: <same@x>/' one.mbox >mid.mbox; import d2 mid.mbox
is "equal Message-IDs are no duplicates" "$(counts)" "2 2 0 0"
import m one.mbox; "$C" export m mx >/dev/null; "$C" flag m one 1 '+\Flagged' '+k' >/dev/null; rm -rf mx; "$C" export m mx >/dev/null
import m2 one.mbox; import m2 --dups merge mx/one.mbox
is "--dups merge adds flags" "$(counts) $(sed 's/.*"merged":\([0-9]*\).*/\1/' total) $("$C" scan --json --uids 1 m2 one | sed 's/.*"flags":\(\[[^]]*\]\).*/\1/')" \
    '2 0 2 0 1 ["\\Flagged","k"]'
rm -rf dry; import --dry-run dry dup.mbox; is "--dry-run counts" "$rc $(counts)" "0 4 2 2 0"; check "... and makes nothing" test ! -e dry
before=$("$C" dump d | cksum); import --dry-run --into new d one.mbox; is "... and changes nothing" "$(counts) $("$C" dump d | cksum)" "2 2 0 0 $before"

# ---- compressed files -------------------------------------------------------------------------------------------------------------------
mbox $(seq 1 400) | while IFS= read -r line; do # with bodies that do not compress well: several blocks of every format
    case $line in body*) head -c 9000 /dev/urandom | base64 ;; *) printf '%s\n' "$line" ;; esac
done >many.mbox
for p in gzip:gz xz:xz zstd:zst bzip2:bz2; do
    command -v "${p%%:*}" >/dev/null || { echo "skip - ${p%%:*}: no such program here"; continue; }
    "${p%%:*}" -c many.mbox >"many.mbox.${p#*:}"
    import "z${p#*:}" "many.mbox.${p#*:}"; is "${p%%:*}" "$rc $(counts) $(folders "z${p#*:}")" "0 400 400 0 0 INBOX=0 many=400 "
    head -c $(($(stat -c %s "many.mbox.${p#*:}") * 3 / 4)) "many.mbox.${p#*:}" >"cut.${p#*:}"
    import "zc${p#*:}" "cut.${p#*:}"; read -r expected imported skipped failed < <(counts)
    is "${p%%:*} cut off: what is whole is imported, one item fails" "$rc $skipped $failed $((expected - imported))" "1 0 1 1"
    check "... and is named with its place" grep -q '"event":"failed","source":"cut.'"${p#*:}"'","offset":[0-9]*,"item":[0-9]*,"folder":"cut","reason":".*ends too early' out
done
xz -dc many.mbox.xz 2>/dev/null | gzip -c >twice.gz; cat twice.gz twice.gz >concatenated.gz; import --dups add cc concatenated.gz
is "joined gzip files" "$(counts)" "800 800 0 0"

# ---- what is no mbox ----------------------------------------------------------------------------------------------------------------------
head -c 5000 /dev/urandom >random.mbox; import n random.mbox
is "a file that is no mbox" "$rc $(counts)" "8 1 0 0 1"
check "... says so, with offset and what was expected" grep -q "\"offset\":0,\"item\":0,.*no \`From ' line at the start" out
import n random.mbox one.mbox; is "... the other sources go on" "$rc $(counts)" "1 3 2 0 1"
import n nowhere.mbox; is "a file that is not there" "$rc $(grep -c 'nowhere.mbox: No such file' err)" "8 1"
check "... makes no store" sh -c "! '$CUBBY' import -q never nowhere.mbox 2>/dev/null; test ! -e never"
import --format maildir n one.mbox; is "a file is no Maildir" "$rc $(counts)" "8 1 0 0 1"
"$C" import --format never n one.mbox 2>err; is "a format that there is not" "$? $(grep -c "is not one of: auto mbox maildir eml" err)" "16 1"
"$C" import --dups never s one.mbox 2>/dev/null; is "a wrong value is a usage error" $? 16
"$C" import s 2>/dev/null; is "no source is a usage error" $? 16
mkdir -p nothing; import n nothing; is "a directory without a mailbox" "$rc" 8

# ---- hostile mail ---------------------------------------------------------------------------------------------------------------------------
{ mbox 1; printf 'From a@b Sat Jan  2 01:29:12 2021\n\0\0\r\r\n\377\376\n'; head -c 300000 /dev/zero | tr '\0' 'x'; printf '\n\n'; mbox 2; } >odd.mbox
import o odd.mbox; "$C" export --verbatim --folder odd --no-subfolders o odd.out >/dev/null
check "NULs, bare CRs, endless lines come back" cmp <(LC_ALL=C grep -av '^From ' odd.mbox) <(LC_ALL=C grep -av '^From ' odd.out)
{ mbox 1; printf 'From a@b Sat Jan  2 01:29:12 2021\nSubject: big\n\n'; yes '>From line of a message that never fits into memory at once' | head -c 60000000; printf '\n\n'; mbox 2; } >big.mbox
import b big.mbox; is "a message of 60 MB" "$rc $(counts)" "0 3 3 0 0"
import b big.mbox; is "... is known again, byte by byte" "$rc $(counts)" "0 3 0 3 0"
"$C" export --json --folder big --no-subfolders b big.out | sed 's/.*"exported":\([0-9]*\).*/\1/' >count; is "... and exported" "$(cat count)" 3
check "... to the byte" cmp <(grep -v '^From \|^Status: \|^X-Status:\|^X-Keywords:\|^X-Cubby: ' big.out) <(grep -v '^From ' big.mbox)
import b2 big.out; is "... and restored from its block" "$(counts) $(sed 's/.*"restored":\([0-9]*\).*/\1/' total)" "3 3 0 0 3"
gzip -1c big.out >big.gz; import --into big.out b2 big.gz; is "... also when it cannot be read twice" "$(counts)" "3 0 3 0"
case ${BUILD:-} in *address* | *thread* | *coverage*) plain=0 ;; *) plain=1 ;; esac
if [ $plain = 1 ] && [ -x /usr/bin/time ]; then
    rm -rf b3; /usr/bin/time -f %M -o rss "$C" import -q b3 big.mbox; is "... in 64 MiB of memory" "$(($(cat rss) <= 65536))" 1
else
    echo "skip - memory: not measured in this build"
fi

# ---- where an export goes ---------------------------------------------------------------------------------------------------------------------
for f in 'A%2FB/..' '.hidden' 'x.mbox' 'x.mbox/y' 'x/..%2F..%2Fetc' "$(printf 'n%.0s' $(seq 255))"; do "$C" folder create h "$f" >/dev/null 2>&1 || { "$C" init h; "$C" folder create h "$f"; } >/dev/null 2>&1; done
for f in 'A%2FB/..' '.hidden' 'x.mbox' 'x.mbox/y' 'x/..%2F..%2Fetc' "$(printf 'n%.0s' $(seq 255))"; do "$C" append h "$f" two >/dev/null 2>&1; done
mkdir -p jail; "$C" export h jail/d >/dev/null 2>err; is "names that try to lead elsewhere" "$? $(find jail -name '*.mbox' | wc -l) $(find . -newer err -name '*.mbox' ! -path './jail/*' | wc -l)" "0 $("$C" ls --json h | wc -l) 0"
import h2 jail/d; is "... come back" "$(folders h2)" "$(folders h)"
"$C" export s e >/dev/null; is "an existing file is not overwritten" "$("$C" export s e >/dev/null 2>err; echo $?) $(grep -c 'is there already' err)" "8 $("$C" ls --json s | wc -l)"
check "... but with --force" "$C" export --force s e
"$C" export --folder one --no-subfolders s e/one.mbox >/dev/null 2>&1; is "... not a single file either" $? 8
mkfifo special; "$C" export --force --folder one --no-subfolders s special 2>/dev/null; is "--force replaces files only" "$? $(test -p special && echo pipe)" "8 pipe"
for d in s s/new s/cubby.id; do "$C" export --force --folder one --no-subfolders s "$d" 2>err; is "no export into the store: $d" "$? $(grep -c 'inside of the store' err)" "8 1"; done
mkdir -p above; "$C" init above/st; "$C" folder create above/st st st/segments st/segments/x; "$C" append -q above/st st/segments/x two; (cd above/st && find . | sort) >before
for f in mbox eml; do "$C" export --format $f above/st above >out 2>err; is "... nor where a folder's directory would be the store, $f" "$? $(grep -c 'is the store itself' err) $(cd above/st && find . | sort | cmp - ../../before 2>&1)" "8 1 "; done
mkdir -p above/.st && mv above/st above/.st.segments && "$C" export --format maildir above/.st.segments above >out 2>err; is "... nor as a Maildir" "$? $(grep -c 'is the store itself' err)" "8 1"
mkdir -p link; ln -s "$T/outside" link/A; mkdir -p outside; "$C" export s link >/dev/null 2>&1; is "a link in the destination is not followed" "$? $(ls outside | wc -l)" "8 0"
is "no temporary files stay" "$(find . -name '.cubby-*' ! -name .cubby-folders | wc -l)" 0
"$C" export --folder one --no-subfolders s - 2>/dev/null | grep -c '^From ' >count; is "to standard output" "$(cat count)" 2
"$C" export s - 2>/dev/null; is "... one folder only" $? 16
"$C" export --folder nowhere s e2 2>/dev/null; is "a folder that is not there" $? 1
"$C" export --folder A s e3 >/dev/null; is "--folder: with what is below it" "$(cd e3 && find . -name '*.mbox' | sort | tr '\n' ' ')" "./A.mbox ./A/B.mbox "
"$C" export --folder one --uids 2 s u.mbox >/dev/null; is "--uids" "$(grep -c '^Subject: 2$' u.mbox) $(grep -c '^From ' u.mbox)" "1 1"
"$C" export --folder one --no-subfolders --since 2021-01-02T01:29:13Z s since.mbox >/dev/null; "$C" export --folder one --no-subfolders --before 2021-01-03 s before.mbox >/dev/null
is "--since, --before" "$(grep -c '^From ' since.mbox) $(grep -c '^From ' before.mbox)" "0 2"
"$C" export --verbatim --folder one --no-subfolders s v.mbox >/dev/null; is "--verbatim writes no block" "$(grep -c X-Cubby v.mbox) $(grep -c X-Cubby before.mbox)" "0 2"

# ---- verify, check-archive ------------------------------------------------------------------------------------------------------------------------
"$C" verify --json s one.mbox >out; is "verify: all there" "$? $(sed 's/.*"same":\([0-9]*\),"missing":\([0-9]*\),"different":\([0-9]*\).*/\1 \2 \3/' out)" "0 2 0 0"
{ mbox 1 9; mbox 2 | sed 's/^body/BODY/'; } >other.mbox
"$C" verify --json --into one s other.mbox >out; is "verify: one missing, one different" "$? $(tail -n 1 out | sed 's/.*"same":\([0-9]*\),"missing":\([0-9]*\),"different":\([0-9]*\).*/\1 \2 \3/')" "1 1 1 1"
check "... with source, offset, item, folder" grep -q '"event":"missing","source":"other.mbox","offset":[1-9][0-9]*,"item":2,"folder":"one"' out
"$C" verify --json s e/one.mbox >out; is "verify: an export with blocks" $? 0
"$C" verify --json s many.mbox >out; is "verify: a folder that is not there" "$? $(grep -c '"missing"' out)" "1 401"
"$C" check-archive --json one.mbox >out; is "check-archive" "$? $(head -n 1 out | sed 's/.*"dialect":"\([a-z0-9]*\)".*"messages":\([0-9]*\).*/\1 \2/')" "0 rd 2"
"$C" check-archive random.mbox >/dev/null 2>&1; is "check-archive: no mbox" $? 8
"$C" check-archive nowhere.mbox >/dev/null 2>err; is "check-archive: no such file" "$? $(grep -c 'No such file' err)" "8 1"
"$C" check-archive cut.gz >/dev/null 2>&1; is "check-archive: cut off" $? 4

# ---- damage -----------------------------------------------------------------------------------------------------------------------------------------
mbox $(seq 1 60) >sixty; for i in 1 2 3; do head -c 3000 /dev/urandom | base64 >>noise; done
{ cat sixty; printf 'From a@b Sat Jan  2 01:29:12 2021\nSubject: hurt\n\nfind-me-%s\n' "$(cat noise)"; echo; mbox 61; } >hurt.mbox
import dm hurt.mbox
at=$(LC_ALL=C grep -abo 'find-me-' dm/segments/* /dev/null | head -n 1 | cut -d: -f1,2)
if [ -n "$at" ]; then
    flip "${at%%:*}" $((${at#*:} + 20))
    "$C" export --json --verbatim --folder hurt --no-subfolders dm hurt.out >out 2>err; rc=$?
    is "a damaged message fails, the rest goes on" "$rc $(tail -n 1 out | sed 's/.*"expected":\([0-9]*\),"exported":\([0-9]*\),"failed":\([0-9]*\).*/\1 \2 \3/')" "1 62 61 1"
    check "... it is named" grep -q '"event":"failed","folder":"hurt","uid":61,"reason":' out
    is "... and nothing of it is written" "$(grep -c '^Subject: hurt' hurt.out) $(grep -c '^Subject: 61$' hurt.out)" "0 1"
    "$C" verify --json --into hurt dm hurt.mbox >out; is "verify finds it" "$? $(grep -c '"event":"different"' out)" "1 1"
    import --into hurt dm hurt.mbox; is "import brings it anew" "$(counts)" "62 1 61 0"
else
    fail "damage" "the message was not found in the segments"
fi

# ---- stopping ---------------------------------------------------------------------------------------------------------------------------------------
mkfifo pipe; (mbox 1 2 3; sleep 5) >pipe & feeder=$!
"$C" import --json --into i int - <pipe >out 2>err & importer=$!
for _ in $(seq 400); do [ -d int/segments ] && break; sleep 0.05; done
sleep 0.5; kill -INT $importer; wait $importer; rc=$?
kill $feeder 2>/dev/null; wait $feeder 2>/dev/null
is "Ctrl-C ends an import with 130" "$rc" 130
check "... and says that it can be run again" grep -q 'can be run again' err
check "... with a total that adds up" sh -c 'sed -n "s/.*\"expected\":\([0-9]*\),\"imported\":\([0-9]*\),\"skipped\":\([0-9]*\),\"failed\":\([0-9]*\).*/\1 \2 \3 \4/p" out | { read -r e i s f && [ "$e" = $((i + s + f)) ]; }'
check "... and a sound store" "$C" fsck int
finish
