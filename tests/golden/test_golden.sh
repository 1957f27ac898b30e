#!/bin/bash
# Stores of every format that was released, and of the present one: they stay readable, to the byte.
golden=$(cd "$(dirname "$0")" && pwd)
. "$golden/../cli/lib.sh"

cats() { # STORE: every message of it, compared
    local store folder uid file bad=0
    while read -r store folder uid file; do
        [ "$store" = "$1" ] || continue
        "$C" cat "$1" "$folder" "$uid" >got 2>>errors && cmp -s got "mail/$file" || { bad=$((bad + 1)); echo "$folder $uid is not $file" >>errors; }
    done <list
    return $bad
}

reads() { # FORMAT STORE
    local name="$1 $2"
    : >errors
    exits "$name: fsck before anything else" 0 "$C" fsck --full "$2"
    exits "$name: dump" 0 "$C" dump "$2"
    cp stdout dump
    same "$name: dump is as it was" "$2.dump" dump
    if cats "$2"; then ok "$name: messages"; else fail "$name: messages" "$(head -n 5 errors)"; fi
    rm -f "$2/index"
    "$C" dump "$2" >dump 2>errors
    same "$name: dump without the index" "$2.dump" dump
    if cats "$2"; then ok "$name: messages without the index"; else fail "$name: messages without the index" "$(head -n 5 errors)"; fi
    exits "$name: takes a message" 0 "$C" append "$2" INBOX mail/1.eml
    "$C" rm "$2" INBOX "$(awk '{print $2}' stdout)" >/dev/null
    exits "$name: fsck after that" 0 "$C" fsck --full "$2"
    if cats "$2"; then ok "$name: messages after that"; else fail "$name: messages after that" "$(head -n 5 errors)"; fi
}

for archive in "$golden"/v*.tar.xz; do
    format=$(basename "$archive" .tar.xz)
    if ! tar -xJf "$archive"; then fail "$format" "cannot unpack $archive"; continue; fi
    cd "$format" || exit 1
    for store in clean torn; do reads "$format" "$store"; done
    cd ..
done
finish
