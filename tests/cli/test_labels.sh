#!/bin/bash
# Messages that go to several folders, by their labels: what counts as being there already.
. "$(dirname "$0")/lib.sh"

letter() { # LABELS SUBJECT
    printf 'From a@b Sat Jan  2 01:29:12 2021\nX-Gmail-Labels: %s\n' "$1"
    message "$2"
    echo
}
total() { timeout 60 "$C" import --json --gmail-labels folders "$@" 2>err | tail -n 1; }
counts() { "$C" ls --json "$1" | sed -nE 's/.*"path":"([^"]*)","messages":([1-9][0-9]*).*/\1=\2/p' | tr '\n' ' '; }

# ---- anywhere in the store ----
{ letter A,B,C one; letter A,B two; letter A one; } >all.mbox
has "where the scope is the store, a message goes to all of its folders" "$(total --dups-scope store s all.mbox)" '"imported":3,"skipped":0,.*"copies":3'
is "... each once" "$(counts s)" "A=3 B=2 C=1 "
has "... and is there when it comes again" "$(total --dups-scope store s all.mbox)" '"imported":0,"skipped":3,.*"copies":0'
{ letter D,E three; letter E,D three; letter D three; } >again.mbox # other labels: other bytes
has "... also within one run" "$(cat again.mbox again.mbox | total --dups-scope store --into X s -)" '"imported":3,"skipped":3,'
is "... in a dry run" "$(cat again.mbox again.mbox | timeout 60 "$C" import --json --dry-run --gmail-labels folders --dups-scope store none - | sed -E 's/.*("imported":[0-9]+,"skipped":[0-9]+).*/\1/')" '"imported":3,"skipped":3'
has "a folder that has two names gets it once" "$(letter Inbox,inbox/ four | total --dups add s -)" '"imported":1,.*"copies":0'

# ---- while somebody else imports ----
# The first import goes on with A alone in a new transaction, so that B is touched only by a message that comes before the one that the second
# import brought there.
mkfifo pipe
exec 3<>pipe # does not wait for the reader
timeout 60 "$C" import -q --mbox rd --gmail-labels folders both pipe 2>err 3>&- &
pid=$!
{ letter A,B first; letter A second; letter A third; head -c 1400000 /dev/zero | tr '\0' x | fold -w 70; echo; } >&3 # more than the reader wants at once
for _ in $(seq 200); do
    case $(counts both 2>/dev/null) in "A=2 B=1 "*) break ;; esac
    sleep 0.05
done
is "an import commits what came" "$(counts both)" "A=2 B=1 "
letter B also | total both - >out
has "another one brings a message" "$(cat out)" '"imported":1'
{ letter A fourth; letter A,B fifth; letter B also; letter A,B,C sixth; letter B also; } >&3
exec 3>&-
wait $pid
is "the first one goes on" $? 0
is "... and finds it there" "$(counts both)" "A=6 B=4 C=1 "
finish
