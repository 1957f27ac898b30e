#!/bin/bash
# Every command of cubby-migrate(7), as it stands there, on generated mail.
page=$(cd "$(dirname "$0")/../.." && pwd)/man/cubby-migrate.7
demogen=$(dirname "${CUBBY:?}")/demogen
. "$(dirname "$0")/lib.sh"
export HOME=$T PATH=$T/bin:$PATH
mkdir bin; ln -s "$C" bin/cubby

if [ -x "$demogen" ]; then
    "$demogen" -n 60 >mail.mbox
else
    for i in $(seq 60); do echo 'From a@b Sat Jan  2 01:29:12 2021'; message "m $i"; echo; done >mail.mbox
fi
# ---- the places that the page names ----
profile=.thunderbird/profile/Mail/pop.example.org
mkdir -p $profile/Inbox.sbd Takeout/Mail Library/Mail/V10/Box.mbox/Messages Maildir/{cur,new,tmp} Maildir/.Sent/{cur,new,tmp}
cp mail.mbox $profile/Inbox; echo '// index' >$profile/Inbox.msf
{ echo 'From - Sat Jan  2 01:29:12 2021'; echo 'X-Mozilla-Status: 0009'; message gone; } >>$profile/Inbox
{ echo 'From - Sat Jan  2 01:29:12 2021'; echo 'X-Mozilla-Status: 0001'; message sub; } >$profile/Inbox.sbd/Work
for l in 'Inbox,Unread' 'Sent,Work' Archived; do echo 'From 1@xxx Sat Jan  2 01:29:12 2021'; echo "X-Gmail-Labels: $l"; message "$l"; echo; done >Takeout/Mail/All.mbox
text=$(message apple; echo .); text=${text%.}
printf '%d\n%s<plist><dict><key>flags</key><integer>1</integer></dict></plist>\n' ${#text} "$text" >Library/Mail/V10/Box.mbox/Messages/1.emlx
for i in 1 2 3; do message "maildir $i" >"Maildir/cur/$i.x:2,S"; done
message sent >Maildir/.Sent/new/4.x
printf '3 V1275660208 N9\n3 :1.x\n5 :2.x\n8 :3.x\n' >Maildir/dovecot-uidlist
# An Outlook file, if this version can make and read one.
pst=no
cubby import -q maker mail.mbox
if cubby export -q --format pst maker outlook.pst 2>/dev/null && cubby import -q --format pst try outlook.pst 2>/dev/null && cubby check-archive -q outlook.pst >/dev/null 2>&1; then pst=yes; fi
[ $pst = yes ] || skip "the Outlook commands" "this version does not read and write .pst files"

# ---- the commands ----
sed -n '/^\.nf$/,/^\.fi$/p' "$page" | grep '^cubby ' | sed 's/\\-/-/g; s/\\(dq/"/g; s/\\e/\\/g' >commands
has "the page has commands" "$(wc -l <commands)" '^(2[0-9]|3[0-9])$'
while IFS= read -r line; do
    case $line in *pst* | *outlook*) [ $pst = yes ] || continue ;; esac
    bash -c "$line" >stdout 2>stderr </dev/null
    rc=$?
    [ $rc -eq 0 ] && ok "$line" || fail "$line" "exit $rc: $(tail -n 2 stdout stderr)"
done <commands

# ---- what they must have done ----
for f in mbox maildir eml; do
    cubby import -q again.$f backup.$f
    cubby dump backup | grep -o '"hash":"[0-9a-f]*"' | sort >a
    cubby dump again.$f | grep -o '"hash":"[0-9a-f]*"' | sort >b
    same "the backup as $f is whole" a b
done
is "62 messages of the POP account" "$(cubby ls --json backup | sed -E 's/.*"messages":([0-9]+).*/\1/' | awk '{ n += $1 } END { print n }')" 62
has "deleted messages are gone" "$(cubby ls --json mail Thunderbird)" '"path":"Thunderbird/Inbox","messages":60'
has "the server's uids" "$(cubby scan --json account INBOX | sed -E 's/.*"uid":([0-9]+).*/\1/' | tr '\n' ' ')" '^3 5 8 $'
has "labels are folders" "$(cubby ls --json gmail | tr '\n' ' ')" '"path":"Sent","messages":1.*"path":"Work","messages":1'
finish
