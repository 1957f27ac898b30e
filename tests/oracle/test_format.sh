#!/bin/bash
# Stores beside a second reader, which is written from FORMAT.md alone (tests/oracle/format): rows of both index slots, what is derived of each message, dump,
# ls, scan and cat are compared with what it makes of the segments. CUBBY_FORMAT_SEEDS: which to run; CUBBY_FORMAT_KEEP: a folder for stores that differ.
. tests/oracle/lib.sh
ROOT=${ORACLE%/tests/oracle} FORMAT=$ORACLE/format BUILT=${CUBBY%/cubby}
seeds=${CUBBY_FORMAT_SEEDS:-1 2 3}

if ! have python3; then
    skip "stores beside a reader of FORMAT.md" "python3 is not here"
    finish
fi
missing=$(python3 "$FORMAT/read.py" --check 2>&1)
case $? in
0) ok "the examples of FORMAT.md" ;;
77) skip "stores beside a reader of FORMAT.md" "$missing is not here" && finish ;;
*) fail "the examples of FORMAT.md" "$missing" && finish ;;
esac

# agree NAME STORE OPTION...: the reader finds what the program says, and nothing that must not be.
agree() {
    local name=$1 store=$2 told
    shift 2
    if told=$(timeout 300 python3 "$FORMAT/read.py" "$@" "$store" 2>&1); then
        ok "$name: ${told##*$'\n'}"
    else
        fail "$name" "$told"
        [ -z "${CUBBY_FORMAT_KEEP:-}" ] || cp -a "$store" "$CUBBY_FORMAT_KEEP/$(tr -c 'a-z0-9\n' - <<<"$name")"
        return 1
    fi
}
with_program() { agree "$@" --cubby "$C"; }

# A store of real mail, or of made-up mail where the corpus is not; $one is a part of it.
mail_store() {
    local packed
    one=mime.1
    if [ -d "$CORPUS/medium" ]; then
        one=$CORPUS/medium/spamassassin/spam-1.mbox.xz
        for packed in "$CORPUS"/medium/spamassassin/{spam-1,hard-ham-1,easy-ham-2}.mbox.xz "$CORPUS"/small/nasty; do
            [ ! -e "$packed" ] || timeout 120 "$C" import -q --dups add mail "$packed" 2>>guarded.log
        done
    else
        skip "mail of the corpus" "CUBBY_CORPUS names none"
    fi
    if [ ! -d mail ] && [ -x "$BUILT/demogen" ]; then
        one=demo.mbox
        "$BUILT/demogen" -n 600 -s 1 >demo.mbox && timeout 120 "$C" import -q mail demo.mbox
    fi
    [ -d mail ] || timeout 120 "$C" import -q --format eml --dups add mail mime.1
}

build_driver() {
    local compile=${PLANT_CC:-cc -std=c11 -O1 -g -D_GNU_SOURCE -Iinclude -Isrc}
    # shellcheck disable=SC2086 # commands of several words
    (cd "$ROOT" && $compile tests/oracle/format/driver.c "$BUILT/libcubby.a" ${PLANT_LD:-} -llz4 -lxxhash -lpthread -o "$T/driver") >compile.log 2>&1
}

messages() { # SEED: as a store each
    rm -rf store
    python3 "$FORMAT/mail.py" "$2" "$1" "$3" "$2.$1"
    timeout 120 "$C" import -q --format eml --dups add store "$2.$1" 2>>guarded.log
    with_program "$2 messages, seed $1" store
}

operations() { # SEED: flags, keywords, copies, moves, expunges, folders
    local told
    rm -rf store && cp -a mail store
    if told=$(timeout 300 python3 "$FORMAT/operations.py" "$C" store "$1" 100 mime.1); then
        with_program "operations, seed $1" store --messages 9
    else
        fail "operations, seed $1" "$told"
    fi
}

# Transactions of several operations, lazy ones too, by processes that kill themselves; read as it was left, and recovered. Now and then
# an import is killed from outside, which no seed brings back.
killed() {
    local round left name rc
    rm -rf store
    for round in 1 2 3 4 5 6; do
        name="killed, seed $1, round $round"
        timeout 120 ./driver store $(($1 * 100 + round)) 120 $((round % 3 ? 60 : 0)) >driver.log 2>&1
        rc=$?
        [ $rc -eq 0 ] || [ $rc -eq 137 ] || { fail "$name" "driver: status $rc: $(cat driver.log)" && return; }
        [ "$round" -ne 4 ] || timeout -s KILL "0.0$((RANDOM % 10))" "$C" import -q --dups add --format eml --into "E$round" store mime.1 >/dev/null 2>&1
        rm -rf left && cp -a store left
        left=$(timeout 300 python3 "$FORMAT/read.py" --allow unclean --messages 3 left 2>&1) || { fail "$name, as it was left" "$left" && return; }
        timeout 60 "$C" ls store >/dev/null || { fail "$name" "ls" && return; }
        [ $((round % 3)) -eq 0 ] || continue # the program is asked every third time
        with_program "$name" store --allow unclean --messages 3 || return
    done 2>/dev/null
}

damaged() { # HOW SEED: damaged, then repaired, or seen by an open; then the index is built anew
    local what allow=damage name="damaged, $1, seed $2"
    rm -rf store && cp -a sound store
    what=$(python3 "$FORMAT/damage.py" "$1" store "$2") || { fail "$name" "$what" && return; }
    [ "$1" != end ] || timeout 60 "$C" append store INBOX mime.1/00001.eml >/dev/null 2>&1
    if [ "$1" = anywhere ] || [ $(($2 % 2)) -eq 0 ]; then
        allow=repaired
        timeout 120 "$C" fsck --repair store >repair.log 2>&1
        with_program "$name ($what), repaired" store --allow $allow --allow unclean --messages 9 || return
    fi
    rm -f store/index
    timeout 60 "$C" ls store >/dev/null 2>&1
    agree "$name ($what), indexed anew" store --allow $allow --allow unclean --messages 0
}

# A log that ends at an odd byte, in the middle of a frame: repaired, and no damage again in an index that is built anew.
cut_short() {
    local last
    rm -rf store
    timeout 120 "$C" import -q --dups add store "$one" 2>>guarded.log
    last=$(find store/segments -name '*.seg' | sort | tail -n 1)
    truncate -s $(($(stat -c %s "$last") / 2 | 1)) "$last"
    timeout 60 "$C" ls store >/dev/null 2>&1
    timeout 120 "$C" fsck --repair store >repair.log 2>&1
    rm store/index
    timeout 60 "$C" ls store >/dev/null 2>&1
    agree "cut at an odd byte, repaired, indexed anew" store --allow repaired --allow unclean --messages 0
}

# Definitions alone: a parent that is younger than its child, names that went from folder to folder.
definitions() {
    local lost
    rm -rf tree store
    "$C" init tree && "$C" folder create tree Child x y z
    head -c 1500000 /dev/urandom | base64 | "$C" append -q tree INBOX - >/dev/null
    "$C" folder create tree Parent
    "$C" folder rename tree Child Parent/Child
    for names in "x t" "y x" "z y" "t z"; do "$C" folder rename tree $names; done
    head -c 1500000 /dev/urandom | base64 | "$C" append -q tree INBOX - >/dev/null
    "$C" append -q tree Parent/Child mime.1/00001.eml >/dev/null
    for lost in 1 2; do
        rm -rf store && cp -a tree store
        rm store/index "store/segments/0000000$lost.seg"
        timeout 60 "$C" fsck -q --repair store >repair.log 2>&1
        agree "the tree of folders without segment $lost" store --allow repaired --allow unclean --messages 0
    done
}

python3 "$FORMAT/mail.py" mime 1 60 mime.1
mail_store
with_program "mail" mail
cut_short
definitions
driver=
if build_driver; then driver=1; else skip "killed and damaged stores" "no compiler for the driver: $(tail -n 1 compile.log)"; fi
for seed in $seeds; do
    messages "$seed" mime 500
    messages "$seed" limits 60
    operations "$seed"
    [ -n "$driver" ] || continue
    killed "$seed"
    rm -rf sound
    for round in 1 2 3; do timeout 120 ./driver sound $((seed * 100 + round)) 200 0 >driver.log 2>&1 || fail "driver, seed $seed" "$(cat driver.log)"; done
    with_program "sound, seed $seed" sound
    for n in 1 2 3; do
        for how in anywhere older end; do damaged $how $((seed * 100 + n)); done
    done
done
finish
