#!/bin/bash
# Fuzzes every target for FUZZ_SECONDS (15), two at a time, from its corpus in tests/fuzz/corpus/NAME on; finds new inputs into NAME below FUZZ_FOUND
# ($BUILD/found), which are kept for the next run. tests/fuzz/pack.sh makes the smallest corpus of them that reaches as much. A crash fails the test and
# leaves its input beside it as NAME.crash-...: make it small (-minimize_crash=1), name it for the bug and put it into the corpus. FUZZ_SEED: the same walk each
# time. NAME.dict and NAME.options (more flags) are used if they are there. The last line adds up the runs.
set -u
cd "$(dirname "$0")/../.." || exit 1
export BUILD=${BUILD:-build-fuzz} FUZZ_SECONDS=${FUZZ_SECONDS:-15} only=${ONLY:-}
mkdir -p "${FUZZ_FOUND:=$BUILD/found}"
FUZZ_FOUND=$(cd "$FUZZ_FOUND" && pwd) # the target may change its directory
export FUZZ_FOUND
export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1

one() {
    local name=${1##*/fuzz_} runs status cpu TIMEFORMAT='%U %S'
    local dir=$FUZZ_FOUND/$name corpus=$PWD/tests/fuzz/corpus/$name
    mkdir -p "$dir"
    [ -f "$corpus.tar.xz" ] && tar -xJf "$corpus.tar.xz" -C "$dir"
    [ -d "$corpus" ] || corpus=
    { time timeout $((FUZZ_SECONDS + 120)) "$1" -max_total_time="$FUZZ_SECONDS" -timeout=20 ${FUZZ_SEED:+"-seed=$FUZZ_SEED"} -rss_limit_mb=1024 \
        -max_len=24576 -artifact_prefix="$dir." -print_final_stats=1 $([ -f "tests/fuzz/$name.dict" ] && echo "-dict=$PWD/tests/fuzz/$name.dict") \
        $(cat "tests/fuzz/$name.options" 2>/dev/null) "$dir" $corpus >"$dir.log" 2>&1 </dev/null; } 2>"$dir.time"
    status=$?
    cpu=$(awk 'NF == 2 { n = $1 + $2 } END { printf "%d", n }' "$dir.time") # of its children, too
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$dir.log" | tail -n 1)
    if [ $status -eq 0 ]; then
        echo "ok fuzz/$name: ${runs:-0} runs in $FUZZ_SECONDS s, $cpu CPU-seconds, $(grep -o 'cov: [0-9]*' "$dir.log" | tail -n 1)"
    else
        echo "not ok - fuzz/$name: after ${runs:-0} runs, $cpu CPU-seconds; see $dir.log"
        tail -n 40 "$dir.log" | sed 's/^/# /'
    fi
}
export -f one

for t in "$BUILD"/tests/fuzz/fuzz_*; do
    case $t in *.o | *.d) continue ;; esac
    [[ ${t##*/fuzz_} =~ $only ]] && echo "$t"
done | xargs -P 2 -I{} bash -c 'one {}' | tee "$FUZZ_FOUND/out"
passed=$(grep -c '^ok ' "$FUZZ_FOUND/out") failed=$(grep -c '^not ok ' "$FUZZ_FOUND/out")
echo "$(awk '/^ok /{n += $3} END {print n + 0}' "$FUZZ_FOUND/out") runs"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
