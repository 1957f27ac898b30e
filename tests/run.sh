#!/bin/bash
# Runs every test program and script and adds up what they print: lines "ok ...", "not ok ...", "skip ...".
# Ends with "N passed, N failed, N skipped"; fails if anything failed, or if a test ended badly without saying so.
set -u
cd "$(dirname "$0")/.." || exit 1
export BUILD=${BUILD:-build} CUBBY="$PWD/${BUILD:-build}/cubby"
export TEST_TMP="${TEST_TMP:-$(mktemp -d "${TMPDIR:-/tmp}/cubby-test.XXXXXX")}"
trap 'rm -rf "$TEST_TMP"' EXIT
jobs=${JOBS:-$(nproc)} # tests at the same time; two at most unless told otherwise, for some of them keep several cores busy
[ -n "${JOBS:-}" ] || [ "$jobs" -le 2 ] || jobs=2
count=0
mkdir -p "$TEST_TMP/results"

one() { # number name command...: in a scratch folder of its own; what it prints appears as a whole
    local number=$1 name=$2 out=$TEST_TMP/results/$1.out start=$SECONDS ok bad skip rc scratch=$TEST_TMP/$1
    shift 2
    mkdir -p "$scratch"
    TEST_TMP=$scratch "$@" >"$out" 2>&1 </dev/null
    rc=$?
    rm -rf "$scratch"
    ok=$(grep -c '^ok ' "$out") bad=$(grep -c '^not ok ' "$out") skip=$(grep -c '^skip ' "$out")
    if [ $rc -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; echo "not ok - $name ended with status $rc" >>"$out"; fi
    if [ $((ok + bad + skip)) -eq 0 ]; then bad=1; echo "not ok - $name ran no test" >>"$out"; fi
    echo "$ok $bad $skip" >"$TEST_TMP/results/$number.count"
    {
        printf '%-44s %4d passed%s%s%s\n' "$name" "$ok" "$([ "$bad" -gt 0 ] && echo ", $bad FAILED")" \
            "$([ "$skip" -gt 0 ] && echo ", $skip skipped")" "$([ $((SECONDS - start)) -gt 1 ] && echo ", $((SECONDS - start)) s")"
        grep '^skip ' "$out"
        [ "$bad" -gt 0 ] && tail -n 60 "$out"
    } >"$out.told"
    cat "$out.told"
    rm -f "$out" "$out.told"
}

run() { # name command...
    [ "$(jobs -rp | wc -l)" -lt "$jobs" ] || wait -n
    count=$((count + 1))
    one "$count" "$@" &
}

fuzz_corpus() { # target directory: what a fuzzer found lies packed beside what was written by hand
    mkdir -p "$TEST_TMP/corpus"
    [ ! -f "$2.tar.xz" ] || tar -xJf "$2.tar.xz" -C "$TEST_TMP/corpus"
    "$1" "$2" "$TEST_TMP/corpus"
}

only=${ONLY:-} # a regular expression over the paths of tests
for t in "$BUILD"/tests/unit/*/test_* "$BUILD"/tests/model/test_* "$BUILD"/tests/crash/test_* "$BUILD"/tests/corrupt/test_* "$BUILD"/tests/fault/test_* \
    "$BUILD"/tests/check/test_*; do
    case $t in *.o | *.d | *.gc*) continue ;; esac
    [ -x "$t" ] || continue
    [[ ${t#"$BUILD"/} =~ $only ]] && run "${t#"$BUILD"/tests/}" "$t"
done
for t in "$BUILD"/tests/fuzz/fuzz_*; do
    case $t in *.o | *.d | *.gc*) continue ;; esac
    [[ ${t#"$BUILD"/} =~ $only ]] || continue
    corpus=$PWD/tests/fuzz/corpus/${t##*/fuzz_}
    run "${t#"$BUILD"/tests/}" fuzz_corpus "$t" "$corpus"
done
for t in tests/cli/test_*.sh tests/golden/test_*.sh tests/check/test_*.sh; do
    [ -f "$t" ] || continue
    [[ $t =~ $only ]] && run "${t#tests/}" bash "$t"
done
for t in tests/oracle/test_*.sh; do # beside other programs, and long
    [ -n "${CUBBY_ORACLE:-}" ] && [[ $t =~ $only ]] && run "${t#tests/}" bash "$t"
done
wait
read -r passed failed skipped < <(cat "$TEST_TMP/results"/*.count 2>/dev/null | awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }')
[ "$(cat "$TEST_TMP/results"/*.count 2>/dev/null | wc -l)" -eq "$count" ] || failed=$((failed + 1)) # one was lost
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
