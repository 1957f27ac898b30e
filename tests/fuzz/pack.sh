#!/bin/bash
# After `make fuzz`: makes tests/fuzz/corpus/NAME.tar.xz anew, the fewest inputs that reach all that $FUZZ_FOUND/NAME and the corpus so far do. After
# a soak, FUZZ_FOUND is its folder of corpora.
# pack.sh [NAME...]; the same inputs give the same file. They are as long as run.sh makes them: longer ones would be cut.
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build-fuzz} found=$(cd "${FUZZ_FOUND:-${BUILD:-build-fuzz}/found}" && pwd)
[ $# -gt 0 ] || set -- $(cd "$found" && ls -d */ | tr -d /)
for name; do
    few=$(mktemp -d)
    rm -f "$found/$name"/{crash,oom,timeout,leak,slow-unit}-*
    "$PWD/$BUILD/tests/fuzz/fuzz_$name" -set_cover_merge=1 -max_len=24576 "$few" "$found/$name" >"$found/$name.pack.log" 2>&1
    find "$few" -type f | while read -r f; do mv "$f" "$few/$(sha1sum <"$f" | cut -c1-12)"; done
    tar -cf - -C "$few" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner . | xz -9e >"tests/fuzz/corpus/$name.tar.xz"
    echo "$name: $(ls "$few" | wc -l) inputs, $(stat -c %s "tests/fuzz/corpus/$name.tar.xz") bytes"
    rm -rf "$few"
done
