#!/bin/bash
# Every code that the check or the repair can give is explained in cubby-fsck(1), and every finding has a broken store.
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$(dirname "$here")")
failed=0
# name, the words that should be none
none() {
    if [ -z "$2" ]; then echo "ok - $1"; else echo "not ok - $1:$2"; failed=1; fi
}
codes() { grep -ohE '"[A-Z]+(_[A-Z]+)+"' "$@" | tr -d '"' | sort -u; }
told=$(codes "$root"/src/store/{check,segcheck}.c "$root"/src/mail/{mailcheck,fsck_check}.c)
done=$(codes "$root"/src/store/repair{,_names}.c "$root"/src/mail/{fsck_repair,lostfound}.c)
broken=$("$root/${BUILD:-build}/tests/check/test_check" --codes | sort -u)
# what one sees only while others write: test_live.c; what no repair helps against: unit/store/test_numbers.c, test_branch.c, test_hostile.sh
elsewhere="CHECK_DISTURBED INDEX_BUSY NUMBERS_USED_UP SEGMENT_BRANCH"

missing=
for code in $told; do
    awk -v c="$code" '$0 ~ "^.fB" c ".fR [(](error|warning|note)[)]$" { n = 1 } n && /^Repair: / { r = 1 } n && /^Lost: / { if (r) found = 1; exit } END { exit !found }' \
        "$root/man/cubby-fsck.1" || missing="$missing $code"
done
none "every finding is in cubby-fsck(1), with what repair does and what may be lost" "$missing"
missing=
for code in $told; do
    grep -qx "$code" <<<"$broken" || grep -qw "$code" <<<"$elsewhere" || missing="$missing $code"
done
none "every finding has a broken store" "$missing"
missing=
for code in $done; do
    grep -q "^.fB$code.fR$" "$root/man/cubby-fsck.1" || grep -qx "$code" <<<"$told" || missing="$missing $code"
done
none "everything that a repair does is in cubby-fsck(1)" "$missing"
missing=
for code in $(sed -n 's/^.fB\([A-Z]*_[A-Z_]*\).fR ([a-z]*)$/\1/p' "$root/man/cubby-fsck.1"); do
    grep -qx "$code" <<<"$told" || missing="$missing $code"
done
none "the page explains no finding that is never given" "$missing"
exit $failed
