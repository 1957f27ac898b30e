#!/bin/bash
# Runs every test program and script and adds up what they print: lines "ok ...", "not ok ...", "skip ...".
# Ends with "N passed, N failed, N skipped"; fails if anything failed, or if a test ended badly without saying so.
set -u
cd "$(dirname "$0")/.." || exit 1
export BUILD=${BUILD:-build} CUBBY="$PWD/${BUILD:-build}/cubby"
export TEST_TMP="${TEST_TMP:-$(mktemp -d "${TMPDIR:-/tmp}/cubby-test.XXXXXX")}"
trap 'rm -rf "$TEST_TMP"' EXIT
passed=0 failed=0 skipped=0
run() { # name command...
    local name=$1 out=$TEST_TMP/out start=$SECONDS ok bad skip rc
    shift
    "$@" >"$out" 2>&1 </dev/null
    rc=$?
    ok=$(grep -c '^ok ' "$out") bad=$(grep -c '^not ok ' "$out") skip=$(grep -c '^skip ' "$out")
    if [ $rc -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; echo "not ok - $name ended with status $rc" >>"$out"; fi
    if [ $((ok + bad + skip)) -eq 0 ]; then bad=1; echo "not ok - $name ran no test" >>"$out"; fi
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    printf '%-44s %4d passed%s%s%s\n' "$name" "$ok" "$([ "$bad" -gt 0 ] && echo ", $bad FAILED")" \
        "$([ "$skip" -gt 0 ] && echo ", $skip skipped")" "$([ $((SECONDS - start)) -gt 1 ] && echo ", $((SECONDS - start)) s")"
    grep '^skip ' "$out"
    [ "$bad" -gt 0 ] && tail -n 60 "$out"
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
    mkdir -p "$TEST_TMP/corpus" # what a fuzzer found lies packed beside what was written by hand
    [ -f "$corpus.tar.xz" ] && tar -xJf "$corpus.tar.xz" -C "$TEST_TMP/corpus"
    run "${t#"$BUILD"/tests/}" "$t" "$corpus" "$TEST_TMP/corpus"
    rm -rf "$TEST_TMP/corpus"
done
for t in tests/cli/test_*.sh tests/golden/test_*.sh tests/check/test_*.sh; do
    [ -f "$t" ] || continue
    [[ $t =~ $only ]] && run "${t#tests/}" bash "$t"
done
for t in tests/oracle/test_*.sh; do # beside other programs, and long
    [ -n "${CUBBY_ORACLE:-}" ] && [[ $t =~ $only ]] && run "${t#tests/}" bash "$t"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
