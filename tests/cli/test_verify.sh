#!/bin/bash
# verify tells the truth: messages, flags and dates that were altered behind an export, in every format.
. "$(dirname "$0")/lib.sh"

total() { "$C" verify --json s "$1" 2>/dev/null | sed -nE 's/.*"total","same":([0-9]+),"missing":([0-9]+),"different":([0-9]+),"expected":([0-9]+),"failed":([0-9]+),"other_flags":([0-9]+),"other_date":([0-9]+).*/\1 \2 \3 \5 \6 \7/p'; }
"$C" init s
for i in 1 2 3; do message "m$i" | "$C" append -q --flags '\Seen work' --date 2019-01-02T03:04:0$i+01:00 s INBOX - >/dev/null; done
for f in mbox maildir eml pst; do
    "$C" export -q --format $f s a.$f
    is "$f: as it was written" "$(total a.$f)" "3 0 0 0 0 0"
done

# ---- the archive was altered ----
for f in mbox maildir eml; do
    cp -rp a.$f byte.$f
    find byte.$f -type f ! -name '.*' ! -name 'dovecot*' ! -name subscriptions -exec sed -i 's/body of m2/bodY of m2/' {} +
    is "$f: another byte in a message" "$(total byte.$f | cut -d' ' -f1-4)" "2 0 1 0"
    has "$f: ... named with the uid that has its Message-ID" "$("$C" verify --json s byte.$f)" '"event":"different".*"uid":2'
    cp -rp a.$f id.$f
    find id.$f -type f ! -name '.*' ! -name 'dovecot*' ! -name subscriptions -exec sed -i 's/^Message-ID: <m2/Message-ID: <x2/' {} +
    is "$f: ... or under no known Message-ID" "$(total id.$f | cut -d' ' -f1-4)" "2 1 0 0"
done
cp -rp a.mbox flag.mbox && sed -i '0,/^Status: RO/s//Status: O/' flag.mbox/INBOX.mbox
cp -rp a.eml flag.eml && sed -i 's/^X-Keywords: work/X-Keywords: play/' flag.eml/INBOX/00000001*
cp -rp a.maildir flag.maildir && (cd flag.maildir/cur && f=$(echo *".1,S"*) && mv "$f" "${f%%:*}:2,FS")
cp -rp a.mbox date.mbox && sed -i 's/date=2019-01-02T03:04:02/date=2018-01-02T03:04:02/' date.mbox/INBOX.mbox
cp -rp a.eml date.eml && sed -i 's/date=2019-01-02T03:04:02/date=2018-01-02T03:04:02/' date.eml/INBOX/00000002*
cp -rp a.maildir date.maildir && (cd date.maildir/cur && f=$(echo *".2,S"*) && mv "$f" "1000000000${f#*[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]}")
for f in mbox eml maildir; do
    is "$f: another flag" "$(total flag.$f)" "3 0 0 0 1 0"
    is "$f: another date" "$(total date.$f)" "3 0 0 0 0 1"
done
exits "other flags are no fault" 0 "$C" verify s flag.mbox
is "... but told" "$out" "3 same, 0 missing, 0 different; of the same, 1 with other flags"

# ---- the store was altered ----
"$C" flag -q s INBOX 1 -'\Seen'
"$C" rm -q s INBOX 2
"$C" append -q s INBOX - >/dev/null < <(message m2 | sed 's/body/another body/')
for f in mbox maildir eml pst; do is "$f: the store has another flag and another message" "$(total a.$f)" "2 0 1 0 1 0"; done

finish
