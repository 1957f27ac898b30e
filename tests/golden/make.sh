#!/bin/bash
# Makes the golden archive of the present format anew: tests/golden/vN.tar.xz. Only for a format that is not released: released ones stay as they are.
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
make -s BUILD="$BUILD" "$BUILD/libcubby.a" "$BUILD/cubby"
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Iinclude tests/golden/make_store.c "$BUILD/libcubby.a" -llz4 -lxxhash -lpthread -o "$T/make_store"
version=$("$BUILD/cubby" version | sed -n 's/.*format[^0-9]*\([0-9]*\).*/\1/p' | head -n 1)
version=v${version:-1}
mkdir "$T/$version"
"$T/make_store" "$T/$version"
for store in clean torn; do
    cp -a "$T/$version/$store" "$T/$store"
    "$BUILD/cubby" dump "$T/$store" >"$T/$version/$store.dump"
done
tar -C "$T" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - "$version" | xz -9e >"tests/golden/$version.tar.xz"
ls -l "tests/golden/$version.tar.xz"
