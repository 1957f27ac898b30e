#!/bin/sh
# Runs the bench on MBOX (files, separated by spaces), else on 14,000 generated messages. BENCH_DIR is where the stores are made: the disk that is measured.
set -eu
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
scratch=$(mktemp -d "${BENCH_DIR:-$BUILD}/bench.XXXXXX")
trap 'rm -rf "$scratch"' EXIT INT TERM
if [ -z "${MBOX:-}" ]; then
    MBOX=$scratch/generated.mbox
    "$BUILD/demogen" -n 14000 > "$MBOX"
fi
echo "# $(uname -sr), $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(df -T "$scratch" | awk 'NR==2 {print $2}')"
# shellcheck disable=SC2086
"$BUILD/bench/bench" "$scratch" "$BUILD/cubby" $MBOX
