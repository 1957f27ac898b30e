#!/bin/bash
# Plants the bug of one file of this folder, and runs the test that must find it. usage: plant.sh NAME
#
#     # why this is a bug
#     file src/log/log.c
#     test crash/test_crash -S append-one -n 24
#     -the text as it stands there, lines or a piece of one,
#     +and what takes its place
#     @@                                       (and another place in the same file)
#
# The old text must stand in the file exactly once, so that a change of the code that a planted bug no longer fits fails here. Only the one file is
# compiled anew, and linked before the library. The test must pass without the bug, which is tried once for all bugs that share it, and fail with it.
# A test that cannot run here skips. PLANT_CC is the command that compiles, PLANT_LD the flags to link: make sets both.
set -u
cd "$(dirname "$0")/../.." || exit 1
name=$1 spec=tests/planted/$1.bug
build=${BUILD:-build} out=${BUILD:-build}/planted
compile=${PLANT_CC:-gcc -std=c11 -O1 -g -D_GNU_SOURCE -Iinclude -Isrc} link=${PLANT_LD:-}
libs="-llz4 -lxxhash -lpthread"
bad() { echo "not ok - planted/$name: $*"; exit 1; }

file=$(sed -n 's/^file //p' "$spec") test=$(sed -n 's/^test //p' "$spec")
[ -f "$file" ] && [ -n "$test" ] || bad "$spec names no file, or no test"
program=${test%% *} args=
[[ $test == *' '* ]] && args=${test#* }
mkdir -p "$out"

# Reads the file and replaces, place by place.
plant() {
    local text old='' new='' line places=0
    text=$(cat "$file"; echo .) text=${text%.}
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
        '@@'*) replace ;;
        -*) old+=${old:+$'\n'}${line#-} ;;
        +*) new+=${new:+$'\n'}${line#+} ;;
        esac
    done <"$spec"
    replace
    [ $places -gt 0 ] || bad "$spec plants nothing"
    printf '%s' "$text" >"$out/$name.c"
}
replace() {
    local before after
    [ -n "$old" ] || return 0
    before=${text%%"$old"*} after=${text#*"$old"}
    [ "$before" != "$text" ] || bad "the text to replace is not in $file"
    [ "${after#*"$old"}" = "$after" ] || bad "the text to replace is in $file more than once"
    text=$before$new$after old='' new='' places=$((places + 1))
}

# The objects of the program, the library behind them.
objects() {
    echo "$build/tests/$program.o"
    case $program in
    crash/* | model/*) ls "$build"/tests/crash/sim_*.o "$build"/tests/crash/scenario_*.o ;;
    check/*)
        ls "$build"/tests/crash/sim_*.o "$build"/tests/crash/scenario_*.o "$build"/tests/fault/fault_table.o
        find "$build/tests/check" -name '*.o' ! -name 'test_*'
        ;;
    fault/*) ls "$build"/tests/crash/sim_*.o "$build"/tests/crash/scenario_*.o "$build"/tests/fault/fault_*.o ;;
    corrupt/*) find "$build/tests/corrupt" -name '*.o' ! -name 'test_*' ;;
    fuzz/*) echo "$build/tests/fuzz/replay.o" "$build/libtools.a" ;;
    esac
}
[[ $program == unit/* ]] && libs="$libs $(pkg-config --libs check)"
if [[ $program == fuzz/* ]]; then # over its corpus: by hand, and packed
    corpus=tests/fuzz/corpus/${program##*/fuzz_} args="$corpus $out/$name.corpus"
    mkdir -p "$out/$name.corpus"
    tar -xJf "$corpus.tar.xz" -C "$out/$name.corpus" || bad "no $corpus.tar.xz"
    libs="$libs -lz -llzma -lzstd -lbz2"
fi

# Does it pass as it is?
sound=$out/sound.$(tr -c 'a-zA-Z0-9\n' _ <<<"$test")
if [ ! -f "$sound" ] || [ "$build/libcubby.a" -nt "$sound" ] || [ "$build/tests/$program" -nt "$sound" ]; then
    # shellcheck disable=SC2086
    timeout 120 "$build/tests/$program" $args >"$sound.$name.log" 2>&1 || bad "$test fails without it: $(grep -m1 '^not ok' "$sound.$name.log")"
    mv "$sound.$name.log" "$sound"
fi
if ! grep -q '^ok ' "$sound" && why=$(grep -m1 '^skip ' "$sound"); then
    echo "skip - planted/$name: ${why#skip - }"
    exit 0
fi

# What fails keeps its store: here of no use to anybody.
room=$(df --output=avail /dev/shm 2>/dev/null | tail -n 1) # KiB
CUBBY_SCRATCH=$(mktemp -d -p "$([ "${room:-0}" -ge 524288 ] && echo /dev/shm || echo "$PWD/$out")" cubby-planted.XXXXXX) || bad "no scratch folder"
export CUBBY_SCRATCH
trap 'rm -rf "$CUBBY_SCRATCH"' EXIT

plant
# shellcheck disable=SC2046,SC2086
$compile -w -I"$(dirname "$file")" -c "$out/$name.c" -o "$out/$name.o" 2>"$out/$name.log" || bad "does not compile: $(grep -m1 error "$out/$name.log")"
# shellcheck disable=SC2046,SC2086
${compile%% -*} $link "$out/$name.o" $(objects) "$build/libcubby.a" $libs -o "$out/$name" 2>"$out/$name.log" || bad "does not link: $(tail -n 1 "$out/$name.log")"
# shellcheck disable=SC2086
{ CK_FORK=no timeout 120 "$out/$name" $args >"$out/$name.log" 2>&1; } 2>/dev/null # bash would say that it was killed
status=$?
[ $status -ne 124 ] || bad "$test does not end"
[ $status -ne 0 ] || bad "is not caught by $test"
why=$(grep -aoE '\bI[0-9]+(/I[0-9]+)?: .{0,70}' "$out/$name.log" | head -n 1)
[ -n "$why" ] || why=$(grep -aoE 'not ok .{0,110}' "$out/$name.log" | head -n 1)
[ -n "$why" ] || why="status $status"
echo "ok - planted/$name caught by $test: $why"
rm -rf "$out/$name" "$out/$name.o" "$out/$name.corpus"
