#!/bin/bash
# Tests that have no end, each for as long as it is given; the next run goes on where this one stopped. usage: tests/soak.sh [LAYER...], or make soak
#
# CUBBY_SOAK_DIR      a folder that is kept from run to run: seeds, places, totals ($BUILD/soak)
# CUBBY_SOAK_SECONDS  for each layer (600)
# CUBBY_SOAK_FUZZERS  how many fuzz targets run at the same time (2)
#
# A layer is a function below, soak_LAYER. What it runs finds both variables in its environment, prints ok and not ok lines, and adds what it did to
# $CUBBY_SOAK_DIR/LAYER.state, lines of a name and a number (tests/soak.h does that for programs in C), under the lock LAYER.lock: soaks may share the folder.
# A program that has no place of its own is run with one seed after another by `seeds`, or again and again by `until_over` if it keeps one in a file.
# Totals survive changes of the code: LAYER.commit says at which commit something was last added (+: with changes that are not committed).
set -u
cd "$(dirname "$0")/.." || exit 1
export BUILD=${BUILD:-build} CUBBY="$PWD/${BUILD:-build}/cubby"
export CUBBY_SOAK_DIR=${CUBBY_SOAK_DIR:-$BUILD/soak} CUBBY_SOAK_SECONDS=${CUBBY_SOAK_SECONDS:-600}
export TEST_TMP="${TEST_TMP:-$(mktemp -d "${TMPDIR:-/tmp}/cubby-soak.XXXXXX")}"
trap 'rm -rf "$TEST_TMP"' EXIT
mkdir -p "$CUBBY_SOAK_DIR"
layers='crash fault corrupt kill reads churn fuzz'

commit=$(git rev-parse --short HEAD 2>/dev/null) || commit=
[ -z "$commit" ] || git --no-optional-locks diff --quiet HEAD 2>/dev/null || commit+=+

state() { awk -v n="$2" '$1 == n { v = $2 } END { print v + 0 }' "$CUBBY_SOAK_DIR/$1.state" 2>/dev/null || echo 0; }
mark() { [ -z "$commit" ] || echo "$commit" >"$CUBBY_SOAK_DIR/$1.commit"; }
add() { # LAYER NAME NUMBER: added to the total of that name
    local file=$CUBBY_SOAK_DIR/$1.state
    {
        flock 9
        touch "$file"
        awk -v n="$2" -v d="$3" '$1 == n { $2 += d; found = 1 } { print } END { if (!found) print n, d }' "$file" >"$file.tmp" && mv "$file.tmp" "$file"
    } 9>"$CUBBY_SOAK_DIR/$1.lock"
    mark "$1"
}
left() { echo $((layer_end - SECONDS)); }

seeds() { # LAYER PROGRAM [ARGUMENT...]: PROGRAM SEED ARGUMENT..., for as many seeds as there is time
    local layer=$1 program=$2 seed out=$TEST_TMP/out
    shift 2
    while [ "$(left)" -gt 0 ]; do
        add "$layer" seed 1 # one of two soaks over one folder may skip a seed
        seed=$(state "$layer" seed)
        add "$layer" runs 1
        if timeout 600 "$BUILD/tests/$program" "$seed" "$@" >"$out" 2>&1; then continue; fi
        add "$layer" failures 1
        echo "not ok - soak/$layer: $program $seed $*"
        tail -n 20 "$out" | sed 's/^/# /'
    done
}
until_over() { # LAYER PROGRAM ARGUMENT...: a program that can be stopped at any time
    local layer=$1 program=$2 out=$TEST_TMP/out status begun=$SECONDS
    shift 2
    timeout -s TERM "$(left)" "$BUILD/tests/$program" "$@" >"$out" 2>&1
    status=$?
    add "$layer" seconds $((SECONDS - begun))
    grep -E '^(ok|not ok|#)' "$out" | tail -n 20
    [ $status -eq 124 ] || [ $status -eq 0 ] && ! grep -q '^not ok' "$out" || add "$layer" failures 1
}

soak_crash() { # what it did it adds itself
    local out=$TEST_TMP/out status
    "$BUILD/tests/crash/test_crash" >"$out" 2>&1
    status=$?
    grep -vE '^ok - crash/' "$out"
    [ $status -eq 0 ] && return
    echo "not ok - soak/crash: test_crash ended with status $status"
    add crash failures 1
}
soak_fault() { until_over fault fault/test_fault -a all -r "$CUBBY_SOAK_DIR/fault.place"; }
soak_corrupt() { # its place is the number of the next damaged store; behind the last one it begins anew
    local place=$CUBBY_SOAK_DIR/corrupt.place before after
    before=$(cat "$place" 2>/dev/null || echo 0)
    until_over corrupt corrupt/test_corrupt -a bits -r "$place"
    after=$(cat "$place" 2>/dev/null || echo "$before")
    add corrupt damaged $((after < before ? after : after - before))
}
soak_kill() { seeds kill model/test_kill 10; } # ... and the next two add what they did themselves, beside their runs
soak_reads() { seeds reads model/test_threads 10; }
soak_churn() { "$BUILD/tests/model/test_churn" || add churn failures 1; }
# Each target's CPU time is counted over all runs (cpu_seconds_fuzz_NAME), and those that have had least come first, CUBBY_SOAK_FUZZERS (2) at a time.
# What they find is kept in $CUBBY_SOAK_DIR/fuzz, where the next run begins. One that fails is left alone until then.
soak_fuzz() {
    local build=build-fuzz bin=build-fuzz/soak found=$CUBBY_SOAK_DIR/fuzz name targets left_out=' ' slice
    env -u MAKEFLAGS -u MAKEOVERRIDES -u BUILD make -s -j2 FUZZER=1 ${CUBBY_SOAK_CC:+CC="$CUBBY_SOAK_CC"} fuzz-programs || { add fuzz failures 1; return; }
    layer_end=$((SECONDS + CUBBY_SOAK_SECONDS)) # from here on
    rm -rf "$bin" && mkdir -p "$bin/tests/fuzz" "$found"
    for name in tests/fuzz/fuzz_*.c; do # links: who builds meanwhile does not disturb
        name=${name##*/fuzz_} name=${name%.c}
        ln "$build/tests/fuzz/fuzz_$name" "$bin/tests/fuzz/"
        add fuzz "cpu_seconds_fuzz_$name" 0
    done
    while [ "$(left)" -gt 0 ]; do
        targets=$(sed -n 's/^cpu_seconds_fuzz_//p' "$CUBBY_SOAK_DIR/fuzz.state" | sort -n -k 2 | while read -r name _; do
            [[ $left_out == *" $name "* ]] || [ ! -x "$bin/tests/fuzz/fuzz_$name" ] || echo "$name"
        done | head -n "${CUBBY_SOAK_FUZZERS:-2}" | paste -sd'|')
        [ -n "$targets" ] || break
        slice=$(($(left) < 300 ? $(left) : 300))
        BUILD=$bin FUZZ_FOUND=$found FUZZ_SECONDS=$slice ONLY="^($targets)$" tests/fuzz/run.sh >"$TEST_TMP/fuzz"
        count_fuzz <"$TEST_TMP/fuzz"
        grep -E '^(not ok|#)' "$TEST_TMP/fuzz"
        left_out+=$(sed -n 's,^not ok - fuzz/\([^:]*\):.*,\1 ,p' "$TEST_TMP/fuzz" | tr -d '\n')
    done
}
count_fuzz() { # the lines that tests/fuzz/run.sh prints
    local result name runs cpu
    while read -r result name runs cpu; do
        add fuzz "cpu_seconds_fuzz_$name" "$cpu"
        add fuzz runs "$runs"
        [ "$result" = ok ] || add fuzz failures 1
    done < <(sed -nE 's,^(ok|not ok -) fuzz/([^:]*):( after)? ([0-9]+) runs[^0-9].* ([0-9]+) CPU-seconds.*,\1 \2 \4 \5,; s/^not ok - /not_ok /; /^(ok|not_ok) [a-z0-9_]+ [0-9]+ [0-9]+$/p')
}

[ $# -gt 0 ] || set -- $layers
failed=0
for layer; do
    declare -F "soak_$layer" >/dev/null || { echo "no layer $layer; there are: $layers"; exit 2; }
    layer_end=$((SECONDS + CUBBY_SOAK_SECONDS))
    echo "== $layer, $CUBBY_SOAK_SECONDS s"
    before=$(($(state "$layer" failures) + $(state "$layer" violations)))
    was=$(cat "$CUBBY_SOAK_DIR/$layer.state" 2>/dev/null)
    "soak_$layer"
    [ "$(cat "$CUBBY_SOAK_DIR/$layer.state" 2>/dev/null)" = "$was" ] || mark "$layer"
    now=$(($(state "$layer" failures) + $(state "$layer" violations)))
    [ "$now" -eq "$before" ] || failed=1
    at=$(cat "$CUBBY_SOAK_DIR/$layer.commit" 2>/dev/null)
    echo "total $layer${at:+, last added to at $at}: $(paste -sd' ' "$CUBBY_SOAK_DIR/$layer.state" 2>/dev/null)"
done
exit $failed
