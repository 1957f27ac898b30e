#!/bin/bash
# Tests that have no end, each for as long as it is given; the next run goes on where this one stopped. usage: tests/soak.sh [LAYER...], or make soak
#
# CUBBY_SOAK_DIR      a folder that is kept from run to run: seeds, places, totals ($BUILD/soak)
# CUBBY_SOAK_SECONDS  for each layer (600)
#
# A layer is a function below, soak_LAYER. What it runs finds both variables in its environment, prints ok and not ok lines, and adds what it did to
# $CUBBY_SOAK_DIR/LAYER.state, lines of a name and a number (tests/soak.h does that for programs in C). A program that knows nothing of this is run
# with one seed after another by `seeds`, or again and again by `until_over` if it keeps its own place in a file.
set -u
cd "$(dirname "$0")/.." || exit 1
export BUILD=${BUILD:-build} CUBBY="$PWD/${BUILD:-build}/cubby"
export CUBBY_SOAK_DIR=${CUBBY_SOAK_DIR:-$BUILD/soak} CUBBY_SOAK_SECONDS=${CUBBY_SOAK_SECONDS:-600}
export TEST_TMP="${TEST_TMP:-$(mktemp -d "${TMPDIR:-/tmp}/cubby-soak.XXXXXX")}"
trap 'rm -rf "$TEST_TMP"' EXIT
mkdir -p "$CUBBY_SOAK_DIR"
layers='crash fault corrupt kill reads churn fuzz'

state() { awk -v n="$2" '$1 == n { v = $2 } END { print v + 0 }' "$CUBBY_SOAK_DIR/$1.state" 2>/dev/null || echo 0; }
add() { # LAYER NAME NUMBER: added to the total of that name
    local file=$CUBBY_SOAK_DIR/$1.state
    touch "$file"
    awk -v n="$2" -v d="$3" '$1 == n { $2 += d; found = 1 } { print } END { if (!found) print n, d }' "$file" >"$file.tmp" && mv "$file.tmp" "$file"
}
left() { echo $((layer_end - SECONDS)); }

seeds() { # LAYER PROGRAM [ARGUMENT...]: PROGRAM SEED ARGUMENT..., for as many seeds as there is time
    local layer=$1 program=$2 seed out=$TEST_TMP/out
    shift 2
    while [ "$(left)" -gt 0 ]; do
        seed=$(($(state "$layer" seed) + 1))
        add "$layer" seed 1
        add "$layer" runs 1
        if timeout 600 "$BUILD/tests/$program" "$seed" "$@" >"$out" 2>&1; then continue; fi
        add "$layer" failures 1
        echo "not ok - soak/$layer: $program $seed $*"
        tail -n 20 "$out" | sed 's/^/# /'
    done
}
until_over() { # LAYER PROGRAM ARGUMENT...: a program that can be stopped at any time
    local layer=$1 program=$2 out=$TEST_TMP/out status
    shift 2
    timeout -s TERM "$(left)" "$BUILD/tests/$program" "$@" >"$out" 2>&1
    status=$?
    add "$layer" seconds "$CUBBY_SOAK_SECONDS"
    grep -E '^(ok|not ok|#)' "$out" | tail -n 20
    [ $status -eq 124 ] || [ $status -eq 0 ] && ! grep -q '^not ok' "$out" || add "$layer" failures 1
}

soak_crash() { "$BUILD/tests/crash/test_crash" | grep -vE '^ok - crash/'; }
soak_fault() { until_over fault fault/test_fault -a all -r "$CUBBY_SOAK_DIR/fault.place"; }
soak_corrupt() { until_over corrupt corrupt/test_corrupt -a bits -r "$CUBBY_SOAK_DIR/corrupt.place"; }
soak_kill() { seeds kill model/test_kill 10; }
soak_reads() { seeds reads model/test_threads 10; }
soak_churn() { "$BUILD/tests/model/test_churn" || add churn failures 1; }
soak_fuzz() { # its corpus is its place
    local targets
    targets=$(find tests/fuzz -name 'fuzz_*.c' | wc -l)
    make -s fuzz FUZZ_SECONDS=$((CUBBY_SOAK_SECONDS * 2 / targets + 1)) | tee "$TEST_TMP/fuzz"
    add fuzz runs "$(sed -n 's/^ok fuzz[^:]*: \([0-9]*\) runs.*/\1/p' "$TEST_TMP/fuzz" | awk "{ n += \$1 } END { print n + 0 }")"
    add fuzz failures "$(grep -c '^not ok' "$TEST_TMP/fuzz")"
}

[ $# -gt 0 ] || set -- $layers
failed=0
for layer; do
    declare -F "soak_$layer" >/dev/null || { echo "no layer $layer; there are: $layers"; exit 2; }
    layer_end=$((SECONDS + CUBBY_SOAK_SECONDS))
    echo "== $layer, $CUBBY_SOAK_SECONDS s"
    before=$(($(state "$layer" failures) + $(state "$layer" violations)))
    "soak_$layer"
    now=$(($(state "$layer" failures) + $(state "$layer" violations)))
    [ "$now" -eq "$before" ] || failed=1
    echo "total $layer: $(paste -sd' ' "$CUBBY_SOAK_DIR/$layer.state" 2>/dev/null)"
done
exit $failed
