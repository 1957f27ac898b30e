#!/bin/bash
# Every call of cubby.h that can change a store is made by a scenario (tests/crash/scenario_table.c): with none, no test of power cuts, kills and
# failing calls would ever meet it. A new call either gets a step and a scenario, or a line in `readers` below.
set -u
cd "$(dirname "$0")/../.." || exit 1
program=${BUILD:-build}/tests/crash/test_scenarios

# They take a store or a transaction, and change nothing.
readers='cubby_is_read_only cubby_atfork_child cubby_last_error cubby_store_stat cubby_snapshot_begin cubby_txn_snapshot cubby_txn_modseq'

declared() { # the functions that take a store, a transaction, or the path of a store
    sed -e 's|/\*.*\*/||' include/cubby.h | tr '\n' ' ' | grep -oE 'CUBBY_EXTERN [a-z0-9_ ]*\*?cubby_[a-z_]+\([^;]*\);' |
        grep -E 'cubby_txn \*|cubby_store \*|char \*path, const cubby_options' | grep -oE '\*?cubby_[a-z_]+\(' | tr -d '*(' | sort -u
}

list=$("$program" -l) || { echo "not ok - scenarios: $program -l fails"; exit 1; }
made=$(cut -d: -f2 <<<"$list" | tr ' ' '\n' | sort -u)
count=0 missing=
for f in $(declared); do
    [[ " $readers " == *" $f "* ]] && continue
    count=$((count + 1))
    grep -qx "$f" <<<"$made" || missing="$missing $f"
done
if [ "$count" -lt 18 ]; then
    echo "not ok - scenarios: only $count calls found in cubby.h: the script does not understand it any more"
elif [ -n "$missing" ]; then
    echo "not ok - scenarios: no scenario calls$missing"
else
    echo "ok - scenarios: $(wc -l <<<"$list") of them make all $count calls that can change a store"
fi
[ "$count" -ge 18 ] && [ -z "$missing" ]
