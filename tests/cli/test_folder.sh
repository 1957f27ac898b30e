#!/bin/bash
# The folder tree.
. "$(dirname "$0")/lib.sh"

paths() { "$C" ls --json s ${1+"$1"} | sed 's/^{"path":"\([^"]*\)".*/\1/' | tr '\n' ' '; }
"$C" init s
exits "create with parents" 0 "$C" folder create s A/B/C
is "parents are made" "$(paths)" "A A/B A/B/C INBOX "
is "ls of a subtree" "$(paths A/B)" "A/B A/B/C "
exits "ls as text" 0 "$C" ls -l s
has "ls has a heading" "$out" '^folder +messages +unseen +deleted +size'
has "ls indents" "$out" '^    C  '
exits "ls of a subtree as text" 0 "$C" ls s A/B
has "the subtree is indented" "$out" '^  C '
exits "ls of no folder" 1 "$C" ls s Z
exits "create is all or nothing" 1 "$C" folder create s New A
is "nothing was made" "$(paths)" "A A/B A/B/C INBOX "
exits "INBOX is there in any case" 1 "$C" folder create s inbox
exits "an empty name" 16 "$C" folder create s A//B
exits "a name too long" 16 "$C" folder create s "$(head -c 256 /dev/zero | tr '\0' x)"
exits "a name of 255 bytes" 0 "$C" folder create s "$(head -c 255 /dev/zero | tr '\0' x)"
exits "a name with a control character" 16 "$C" folder create s "$(printf 'a\tb')"
exits "a name that is not UTF-8" 16 "$C" folder create s "$(printf 'a\377')"
exits "delete it" 0 "$C" folder delete s "$(head -c 255 /dev/zero | tr '\0' x)"
exits "a name with a slash" 0 "$C" folder create --json s 'x%2Fy'
has "create in JSON" "$out" '^\{"event":"created","folder":"x%2Fy","id":[0-9]+,"modseq":[0-9]+\}$'
exits "rename" 0 "$C" folder rename --json s A/B D/E
has "rename in JSON" "$out" '^\{"event":"renamed","folder":"D/E","id":[0-9]+,"modseq":[0-9]+\}$'
is "the subtree moved" "$(paths)" "A D D/E D/E/C INBOX x%2Fy "
exits "rename to what is there" 1 "$C" folder rename s A D
exits "rename into itself" 16 "$C" folder rename s D D/E/F
exits "rename INBOX" 16 "$C" folder rename s INBOX Old
exits "rename of nothing" 1 "$C" folder rename s Z Y
exits "delete with children" 1 "$C" folder delete s D
has "it says how" "$err" "delete -r"
exits "delete -r" 0 "$C" folder delete -r s D
is "gone with its children" "$(paths)" "A INBOX x%2Fy "
exits "delete of nothing" 1 "$C" folder delete s D
exits "delete INBOX" 16 "$C" folder delete s INBOX
exits "special" 0 "$C" folder special s A '\Sent' archive
has "special uses" "$("$C" ls --json s A)" '"special":"\\\\Archive \\\\Sent"'
exits "special none" 0 "$C" folder special s A none
has "no special use" "$("$C" ls --json s A)" '"special":null'
exits "special nonsense" 16 "$C" folder special s A '\Odd'
exits "subscribe to what is not there" 0 "$C" folder subscribe s Far/Away A
is "subscribed" "$("$C" dump s | grep -c '^{"subscribed":')" 2
exits "unsubscribe" 0 "$C" folder unsubscribe s Far/Away
is "unsubscribed" "$("$C" dump s | grep '^{"subscribed":')" '{"subscribed":"A"}'
exits "folder without verb" 16 "$C" folder
exits "folder with nonsense" 16 "$C" folder make s A
exits "-r is for delete" 16 "$C" folder create -r s Q
path=$(seq -s / 64)
exits "64 levels" 0 "$C" folder create s "$path"
exits "65 levels" 8 "$C" folder create s "$path/65"
finish
