# shellcheck shell=bash
# Helpers of the command-line tests: a scratch directory, and lines "ok - name" / "not ok - name" / "skip - name: why".
set -u
C=${CUBBY:?the program to test}
T=$(mktemp -d "${TEST_TMP:-/tmp}/cli.XXXXXX") || exit 1
cd "$T" || exit 1
trap 'cd /; rm -rf "$T"' EXIT
failures=0

ok() { echo "ok - $1"; }
fail() { # name, why
    echo "not ok - $1: ${2:-}"
    failures=$((failures + 1))
}
skip() { echo "skip - $1: $2"; }
# is NAME GOT WANTED
is() {
    if [ "$2" = "$3" ]; then ok "$1"; else fail "$1" "got '$2', wanted '$3'"; fi
}
# has NAME TEXT PATTERN (extended)
has() {
    if grep -qE -- "$3" <<<"$2"; then ok "$1"; else fail "$1" "'$3' is not in '$2'"; fi
}
# exits NAME CODE COMMAND...; its output is in $out and $err
exits() {
    local name=$1 code=$2 rc
    shift 2
    "$@" >stdout 2>stderr </dev/null
    rc=$?
    out=$(cat stdout) err=$(cat stderr)
    if [ $rc -eq "$code" ]; then ok "$name"; else fail "$name" "exit $rc instead of $code: $* ($err)"; fi
}
same() { # NAME FILE FILE
    if cmp -s "$2" "$3"; then ok "$1"; else fail "$1" "$2 and $3 differ"; fi
}
# flip FILE OFFSET: inverts the lowest bit of a byte
flip() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
    printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
check() { # NAME COMMAND...
    local name=$1
    shift
    if "$@" >check.out 2>&1; then ok "$name"; else fail "$name" "$* ($(head -n 3 check.out))"; fi
}
message() { # SUBJECT: a small message
    printf 'From: Jane Roe <jane@example.org>\nSubject: %s\nDate: Wed, 2 Jan 2019 03:04:05 +0100\nMessage-ID: <%s@example.org>\n\nbody of %s\n' "$1" "${1//[^a-z0-9]/}" "$1"
}
finish() { [ "$failures" -eq 0 ]; exit; }
