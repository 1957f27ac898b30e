#!/bin/bash
# Maildir, message files, Google's export: in and out; what happens to names, uids, and to others who deliver at the same time.
. "$(dirname "$0")/lib.sh"

# What a dump says of each message and folder, without the numbers that a store gives.
mail_of() {
    "$C" dump "$1" | sed -nE 's/^\{"folder":([0-9]+),"parent":[0-9]+,"name":"([^"]*)".*"special":([^,]*),.*/F \1 \2 \3/p; s/^\{"entry":\[([0-9]+),[0-9]+\],"object":[0-9]+,(.*),"modseq":.*/E \1 \2/p; s/^\{"annotation":([0-9]+),(.*)/A \1 \2/p; s/^\{"subscribed":.*/&/p' |
        awk '$1 == "F" { name[$2] = $3; print; next } $1 ~ /^[AE]$/ { f = $2; $1 = $2 = ""; print name[f] $0; next } { print }' | sed -E 's/^F [0-9]+/F/' | sort
}
total() { "$C" "$@" --json 2>err | tail -n 1; }
sums() { # expected = imported + skipped + failed, whatever happened
    sed -E 's/.*"expected":([0-9]+),"imported":([0-9]+),"skipped":([0-9]+),"failed":([0-9]+).*/\1 \2 \3 \4/' <<<"$1" |
        { read -r e i s f; [ "$e" -eq $((i + s + f)) ] && echo "$e $i $s $f" || echo "does not add up: $1"; }
}

# ---- one store, every format, in and out ----
"$C" init s
for i in 1 2 3 4 5 6; do message "m $i" | "$C" append -q --date "2019-01-0${i}T03:04:05+01:00" s INBOX - >/dev/null; done
message "déjà = vu / x: y" | sed 's/$/\r/' | "$C" append -q --date 1969-12-31T23:00:00-05:30 --flags '\Seen,$Forwarded,Work' s INBOX - >/dev/null
printf 'no line end' | "$C" append -q --flags '\Draft' s INBOX - >/dev/null
printf '' | "$C" append -q s INBOX - >/dev/null
printf 'From x\n>From y\n\nbin\0ary\r\n' | "$C" append -q s INBOX - >/dev/null
{ message big; head -c 3000000 /dev/zero | tr '\0' 'x' | fold; } >big
"$C" append -q --flags '\Seen' s INBOX big >/dev/null
"$C" folder create s 'A/B.c/d&e ü/x' Empty 'INBOX/sub' 'R%25/a%2Fb' '~' 'x.mbox'
"$C" cp -q s INBOX 1:4 'A/B.c/d&e ü/x'; "$C" cp -q s INBOX 2:9 'R%25/a%2Fb'; "$C" cp -q s INBOX 7 INBOX/sub; "$C" cp -q s INBOX 1 x.mbox; "$C" cp -q s INBOX 1 '~'
"$C" flag -q s INBOX 1:3 '+\Flagged' '+\Answered' '+$Junk' '+work'
"$C" flag -q s INBOX 2 '+\Deleted'
"$C" folder special s 'R%25/a%2Fb' '\Archive'; "$C" folder subscribe s 'A/B.c/d&e ü/x'
"$C" folder special s INBOX '\Important'; "$C" folder subscribe s INBOX; "$C" annotate s INBOX /private/comment 'of INBOX'
"$C" annotate s INBOX/sub /shared/comment "$(printf 'tab\tund ä %%')"
mail_of s >state
for f in mbox maildir eml; do
    exits "export to $f" 0 "$C" export -q --format $f s out.$f
    exits "import from it" 0 "$C" import -q in.$f out.$f
    mail_of in.$f >now
    cmp -s state now && ok "$f: hashes, flags, dates, folders, their uses, subscriptions and annotations are the same" || fail "$f: round trip" "$(diff state now | head -n 5)"
    exits "... verify" 0 "$C" verify -q s out.$f
    has "... again: all is there" "$(total import in.$f out.$f)" '"imported":0,.*"failed":0'
    exits "... a second export refuses" 8 "$C" export -q --format $f s out.$f
    find out.$f | sort >files1
    exits "... --force does not" 0 "$C" export -q --force --format $f s out.$f
    find out.$f | sort >files2
    same "... and adds nothing" files1 files2
    exits "... fsck" 0 "$C" fsck -q --full in.$f
done
"$C" export -q --verbatim --format eml s plain
cmp -s big plain/INBOX/00000011\ big.eml && ok "--verbatim eml files are the messages" || fail "--verbatim eml" "$(ls plain/INBOX)"
is "a file's time is the message's" "$(stat -c %Y plain/INBOX/00000002*)" "$(date -d 2019-01-02T03:04:05+01:00 +%s)"
for f in mbox eml; do # folders without mail of their own, too; numbers that no clock gives
    awk -F '\t' -v OFS='\t' 'NR > 1 { sub(/=.*/, "=" 1000 + NR, $2) } 1' out.$f/.cubby-folders >kept && cp kept out.$f/.cubby-folders
    exits "$f: --keep-uids" 0 "$C" import -q --keep-uids uids.$f out.$f
    is "... keeps every uidvalidity" "$err$("$C" ls --json uids.$f | sed -E 's/.*"uidvalidity":([0-9]+).*/\1/' | sort | tr '\n' ' ')" "1002 1003 1004 1005 1006 1007 1008 1009 1010 1011 1012 "
done
mkdir -p order/x; for i in 00000002 0 1 10 99999999 100000000 4294967290 '00000002 b' '9 x' a _; do message "$i" >"order/x/$i.eml"; done
"$C" import -q ordered order
is "message files by number, then by name" "$("$C" scan --json ordered x | sed -E 's/.*"subject":"([^"]*)".*/\1/' | tr '\n' ',')" \
    "0,1,00000002 b,00000002,9 x,10,99999999,100000000,4294967290,_,a,"
"$C" init used; "$C" annotate used INBOX /private/comment 'it has one'; "$C" import -q used out.mbox
is "what somebody said of INBOX stays" "$("$C" annotate used INBOX /private/comment)" 'it has one'
"$C" annotate --remove s INBOX /private/comment
is "no name leaves the destination or breaks a system" "$(find out.eml -name '*[:*?"<>|]*' | wc -l)" 0
find out.maildir -path '*/tmp/*' | grep -q . && fail "nothing stays in tmp" || ok "nothing stays in tmp"
is "flags and keywords in a name" "$(ls out.maildir/cur | grep -c ':2,FRSTab$\|:2,FRTab$\|:2,FRab$')" 3

# ---- other people's Maildirs ----
mkdir -p Maildir/{cur,new,tmp} Maildir/.Sent.2019/{cur,new,tmp} 'Maildir/.&AMQ-rger/cur' 'Maildir/.&AMQ-rger/new' Maildir/fs/deep/{cur,new}
message one >'Maildir/cur/1500000001.M1P1.host,S=190,W=198:2,S'
message two >'Maildir/cur/1500000002.M2P1.host;2,FSab'
message three | gzip >'Maildir/cur/1500000003.M3P1.host,S=200!2,RT'
message four >Maildir/new/1500000004.M4P1.host
printf 'S' >'Maildir/tmp/unfinished'
message five >'Maildir/.Sent.2019/cur/1500000005.M5P1.host:2,DP'
message six >'Maildir/.&AMQ-rger/new/x'
message seven >'Maildir/fs/deep/cur/7:2,'
printf '0 Junk\n1 $Important\n' >Maildir/dovecot-keywords
printf '3 V1275660208 N25022 Gabc\n25013 :1500000003.M3P1.host,S=200\n25017 W198 S190 :1500000001.M1P1.host,S=190,W=198\n25021 :1500000002.M2P1.host:2,S\n' >Maildir/dovecot-uidlist
for f in Maildir/cur/* Maildir/new/*; do touch -d 2018-05-06T07:08:09Z "$f"; done
is "a Maildir" "$(sums "$(total import m Maildir)")" "7 7 0 0"
is "its folders" "$("$C" ls --json m | sed -E 's/.*"path":"([^"]*)","messages":([0-9]+).*/\1=\2/' | tr '\n' ' ')" "INBOX=4 Sent=0 Sent/2019=1 fs=0 fs/deep=1 Ärger=1 "
is "flags from names, keywords from the list, dates from files" "$("$C" scan --json --fields subject m INBOX | sed -E 's/.*"flags":(\[[^]]*\]),"internaldate":"([^"]*)".*"subject":"([^"]*)".*/\3 \1 \2/' | tr '\n' ' ')" \
    'three ["\\Answered","\\Deleted"] 2018-05-06T07:08:09Z one ["\\Seen"] 2018-05-06T07:08:09Z two ["\\Seen","\\Flagged","$Important","Junk"] 2018-05-06T07:08:09Z four [] 2018-05-06T07:08:09Z '
"$C" cat m INBOX 1 >got; message three >want; same "a compressed file is read" got want
exits "--keep-uids" 0 "$C" import -q --keep-uids k Maildir
has "... takes over uids" "$("$C" scan --json k INBOX | sed -E 's/.*"uid":([0-9]+).*/\1/' | tr '\n' ' ')" '^25013 25017 25021 25022 $'
has "... and the uidvalidity" "$("$C" ls --json k | head -n 1)" '"uidvalidity":1275660208,"uidnext":25023'
"$C" folder create k elsewhere
cp -r Maildir Maildir2; rm -r Maildir2/.* Maildir2/fs 2>/dev/null
"$C" import --keep-uids --into elsewhere --dups add k Maildir2 >/dev/null 2>err
has "a uidvalidity is given once" "$(cat err)" 'elsewhere: has a uidvalidity of its own'
"$C" dump k >before; rm k/index; "$C" dump k >after; same "a rebuild knows all of it" before after
has "a second import gives new uids to what is added" "$(total import --keep-uids --into elsewhere --dups add k Maildir2)" '"imported":4,.*"renumbered":3'
"$C" import -q --into Here r Maildir; has "into a folder" "$("$C" ls --json r | tr '\n' ' ')" '"path":"Here/INBOX","messages":4.*"path":"Here/Sent/2019","messages":1'
"$C" import -q --no-subfolders --into Here r2 Maildir; has "... without subfolders it is that folder" "$("$C" ls --json r2 | tr '\n' ' ')" '"path":"Here","messages":4'
mkdir -p lists/{cur,new,tmp}; message x >lists/cur/1:2,; "$C" import -q l lists; has "a Maildir that is no account's is a folder" "$("$C" ls --json l | tr '\n' ' ')" '"path":"lists","messages":1'
chmod 000 lists/cur/1:2,; [ -r lists/cur/1:2, ] || is "a file that cannot be read is one failure" "$(sums "$(total import l lists)")" "1 0 0 1"

"$C" rm -q m INBOX 1; "$C" rm -q m INBOX 4; "$C" append -q m INBOX - < <(message four; echo more) >/dev/null
exits "verify says what is not there" 1 "$C" verify --json m Maildir
has "... missing, by file" "$out" '"event":"missing","source":"Maildir/cur/1500000003.M3P1.host,S=200!2,RT".*"folder":"INBOX"'
has "... different, by the uid" "$out" '"event":"different","source":"Maildir/new/1500000004.M4P1.host".*"uid":5'
has "a dry run counts and makes no store" "$(total import --dry-run never Maildir) $(ls -d never 2>&1)" '"expected":7,"imported":7.*No such file'

# ---- message files ----
mkdir -p tree/sub tree/Apple.mbox/Messages tree/New.mbox/0A1B2C3D-0000-1111-2222-333344445555/Data/1/Messages tree/empty
message e1 >tree/e1.eml; message e2 | gzip >tree/sub/e2.eml.gz; message e3 >tree/sub/E3.EML; echo notes >tree/sub/notes.txt
emlx() { local text; text=$(message "$1"; echo .); text=${text%.}; printf '%-10d\n%s<?xml version="1.0"?>\n<plist version="1.0"><dict><key>date-received</key><integer>1300000000</integer><key>flags</key><integer>%s</integer></dict></plist>\n' "${#text}" "$text" "$2"; }
emlx a1 8590195985 >tree/Apple.mbox/Messages/1.emlx
emlx a2 2 >tree/Apple.mbox/Messages/2.partial.emlx
emlx a3 0 | head -c 60 >tree/Apple.mbox/Messages/3.emlx
echo rubbish >tree/Apple.mbox/Messages/4.emlx
emlx a5 1 >tree/New.mbox/0A1B2C3D-0000-1111-2222-333344445555/Data/1/Messages/5.emlx
touch -d 2018-05-06T07:08:09Z tree/e1.eml
"$C" import --json e tree >out; rc=$?
is "a tree of message files: what cannot be read fails, the rest goes on" "$rc $(sums "$(tail -n 1 out)")" "1 8 6 0 2"
is "... by name" "$(grep '"event":"failed"' out | sed -E 's/.*"source":"([^"]*)".*/\1/' | sort | tr '\n' ' ')" "tree/Apple.mbox/Messages/3.emlx tree/Apple.mbox/Messages/4.emlx "
has "a part of a message says so" "$(grep '"event":"incomplete"' out)" '2.partial.emlx.*Mail kept'
is "directories are folders" "$("$C" ls --json e | sed -E 's/.*"path":"([^"]*)","messages":([0-9]+).*/\1=\2/' | tr '\n' ' ')" "Apple=2 INBOX=0 New=1 empty=0 sub=2 tree=1 "
has "Apple's flags and date" "$("$C" scan --json e Apple)" '"flags":\["\\\\Seen","\\\\Flagged","\$Forwarded"\],"internaldate":"2011-03-13T07:06:40Z"'
has "the date of a file" "$("$C" scan --json e tree)" '"internaldate":"2018-05-06T07:08:09Z"'
"$C" cat e Apple 1 >got; message a1 >want; same "the message of an .emlx, to the byte" got want
message f1 >plainfile; "$C" import -q p plainfile; has "a single message is known by its header" "$("$C" ls --json p | tr '\n' ' ')" '"path":"plainfile","messages":1'
head -c 3000000 big >b.eml; "$C" import -q p b.eml; has "a big file is compared by reading it again" "$(total import p b.eml)" '"skipped":1'

# ---- Google's export ----
gmail() { printf 'From 1@xxx Sat Jan  2 01:29:12 2021\nX-Gmail-Labels: %s\n' "$1"; message "$2"; echo; }
{ gmail 'Inbox,Unread,Important' g1; gmail 'Sent,Opened,"a, b",Work/2020' g2; gmail 'Starred,Archived,Category Personal' g3
  gmail '=?UTF-8?Q?Posteingang,=C3=84rger,Spam?=' g4; gmail 'Drafts' g5; gmail 'Inbox' g1; } >takeout.mbox
gone=$(total import --gmail-labels folders g takeout.mbox)
is "labels are folders" "$("$C" ls --json g | sed -E 's/.*"path":"([^"]*)","messages":([0-9]+).*/\1=\2/' | tr '\n' ' ')" \
    "Drafts=1 INBOX=3 Sent=1 Spam=1 Work=0 Work/2020=1 a, b=1 takeout=1 Ärger=1 "
is "... each message counts once" "$(sums "$gone")" "6 6 0 0"
has "... the others are copies: one object" "$("$C" stat --json g)" '"messages":10,.*'
has "... " "$gone" '"copies":4'
has "... flags" "$("$C" scan --json g INBOX | head -n 1)" '"flags":\["\$Important"\]'
has "... seen unless unread; starred is flagged" "$("$C" scan --json g takeout)" '"flags":\["\\\\Seen","\\\\Flagged","Category_Personal"\]'
has "... a second time nothing is added" "$(total import --gmail-labels folders g takeout.mbox)" '"imported":0,"skipped":6'
exits "... verify finds them anywhere" 0 "$C" verify -q --dups-scope store g takeout.mbox
"$C" import -q --gmail-labels keywords gk takeout.mbox
has "labels as keywords" "$("$C" scan --json gk takeout | sed -n 2p)" '"a,_b","Sent","Work/2020"\]'
"$C" import -q gi takeout.mbox; has "labels are ignored unless asked for" "$("$C" scan --json gi takeout | head -n 1)" '"flags":\[\]'

# Google names them in the language of the account.
{ gmail '=?UTF-8?Q?Posteingang,Wichtig,Ungelesen,Kategorie:_"Neuigkeiten"?=' de; gmail '=?UTF-8?Q?Messages_archiv=C3=A9s,Ouvert,Cat=C3=A9gorie=C2=A0:_X,Amis?=' fr
  gmail 'Inbox,Wichtig,Archiviert' own; gmail 'Wichtig' own2; gmail '=?UTF-8?Q?No_le=C3=ADdos,Borradores?=' es; } >languages.mbox
"$C" import -q --gmail-labels folders gl languages.mbox
is "labels in other languages" "$("$C" ls --json gl | sed -E 's/.*"path":"([^"]*)","messages":([0-9]+),"unseen":([0-9]+).*/\1=\2,\3/' | tr '\n' ' ')" \
    "Amis=1,0 Archiviert=1,0 Drafts=1,1 INBOX=2,1 Wichtig=2,0 languages=0,0 "
has "... are flags and keywords" "$("$C" scan --json gl INBOX | head -n 1)" '"flags":\["\$Important","Kategorie:_'
"$C" import -q --gmail-labels keywords gm languages.mbox
is "... and with keywords nothing is a folder" "$("$C" ls --json gm | sed -E 's/.*"path":"([^"]*)","messages":([0-9]+).*/\1=\2/' | tr '\n' ' ')" "INBOX=0 languages=5 "

# Labels are read by several threads at once: each message must get its own.
for i in $(seq 1000 2999); do w="=?UTF-8?Q?L=C3=A4bel_$i?=,"; gmail "$w$w$w$w$w$w$w$w$w${w}plain $i" "many $i"; done >many.mbox
"$C" import -q --gmail-labels keywords --into many mk many.mbox
"$C" scan --json mk many | sed -E 's/.*"flags":(\[[^]]*\]).*"subject":"([^"]*)".*/\2 \1/' >got # a store holds 1,024 keywords: the first 512 messages have theirs
for i in $(seq 1000 1511); do echo "many $i [\"\\\\Seen\",\"L&AOQ-bel_$i\",\"plain_$i\"]"; done >want
head -n 512 got | cmp -s - want && ok "labels of many messages" || fail "labels of many messages" "$(head -n 512 got | diff - want | head -n 4)"

# ---- names ----
mkdir names; for n in 'bad%01name' 'bad_name' "$(printf 'latin\344')" 'latin_' '%2E.%2f..%2fetc' '%2e%2e'; do { echo 'From a@b Sat Jan  2 01:29:12 2021'; message "$n"; echo; } >"names/$n.mbox"; done
"$C" import -q names.store names
is "names are cleaned, clashes numbered" "$("$C" ls --json names.store | sed -E 's/.*"path":"([^"]*)","messages":([0-9]+).*/\1=\2/' | tr '\n' ' ')" \
    "..=1 ..%2F..%2Fetc=1 INBOX=0 bad_name=1 bad_name (2)=1 latin_=1 latin_ (2)=1 "
has "what they were is kept" "$("$C" annotate --json names.store bad_name)" '"/shared/vendor/cubby/original-name","value":"bad\\u0001name"'
for f in mbox eml maildir; do
    "$C" export -q --format $f names.store names.$f
    "$C" import -q names.$f.store names.$f
    mail_of names.store >state; mail_of names.$f.store >now
    cmp -s state now && ok "$f: ... over a round trip, and no file is elsewhere" || fail "$f: names" "$(diff state now | head -n 4)"
done
is "nothing was written beside the destinations" "$(find . -name etc -o -name 'etc.mbox' | wc -l)" 0

# ---- annotate ----
exits "annotate sets" 0 "$C" annotate s INBOX /shared/Comment hello
exits "... and shows" 0 "$C" annotate s INBOX /SHARED/comment
is "... the value" "$out" hello
is "... or all" "$("$C" annotate s INBOX | tr '\t' ' ')" "/shared/comment hello"
exits "... removes" 0 "$C" annotate --remove s INBOX /shared/comment
exits "... then it is not there" 1 "$C" annotate s INBOX /shared/comment
exits "... a wrong name" 16 "$C" annotate s INBOX 'comment*' x

# ---- others deliver meanwhile ----
for i in $(seq 1 60); do message "live $i"; done >/dev/null
mkdir -p load/{cur,new,tmp}; { message load; head -c 40000 /dev/urandom | base64; } >one
for i in $(seq 1 2000); do ln one "load/cur/$i.x:2," 2>/dev/null || cp one "load/cur/$i.x:2,"; done
"$C" init busy
"$C" import -q --dups add busy load & pid=$!
slowest=0 deliveries=0
while kill -0 $pid 2>/dev/null && [ $deliveries -lt 20 ]; do
    begin=$(date +%s%N)
    message "live $deliveries" | "$C" append -q busy INBOX - >/dev/null || slowest=999999
    took=$((($(date +%s%N) - begin) / 1000000)); [ $took -gt $slowest ] && slowest=$took
    deliveries=$((deliveries + 1))
done
wait $pid
[ $deliveries -gt 0 ] && [ $slowest -lt 1500 ] && ok "an import leaves room for deliveries" || fail "an import leaves room for deliveries" "$deliveries of them, the slowest took $slowest ms"
is "... and all is there" "$("$C" ls --json busy | sed -E 's/.*"messages":([0-9]+).*/\1/' | tr '\n' ' ')" "$deliveries 2000 "
finish
