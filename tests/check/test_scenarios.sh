#!/bin/bash
# Every function of include/ is made by a scenario (tests/crash/scenario_table.c), or stands in `harmless` below, for it changes no store: a call that
# changes one and is in none would be met by no test of power cuts, kills and failing calls. A new function gets a step and a scenario, or a place in that list.
set -u
cd "$(dirname "$0")/../.." || exit 1
program=${BUILD:-build}/tests/crash/test_scenarios

# They read, count, or fill memory; a message that is written waits in memory or in a file without a name.
harmless='
    version strerror set_allocator string_free vfs_posix date_parse is_list_field atfork_child
    last_error is_read_only store_stat snapshot_begin snapshot_end snapshot_modseq txn_snapshot txn_modseq
    folder_find folder_get folder_name folder_next subscription_next annotation_get annotation_next keyword_find keyword_name
    message_write message_finish message_reset message_free message_hash message_size message_list_header
    scan_open scan_next scan_close row_get header_next changes_open changes_next changes_close
    reader_open reader_read reader_parts reader_size reader_hash reader_verify reader_close
    uidset_new uidset_free uidset_add uidset_parse uidset_format uidset_has uidset_count uidset_range uidset_ranges'

# However it is declared: the first name with arguments behind each CUBBY_EXTERN, comments and preprocessor lines left out.
declared() {
    cat include/*.h | sed '/^ *#/d' | tr '\n' ' ' | sed -E 's,/\*([^*]|\*+[^*/])*\*+/, ,g' | grep -oE 'CUBBY_EXTERN[^;]*;' |
        sed -nE 's/^[^(]*(\(\([^)]*\)\)[^(]*)*[ *](cubby_[a-z0-9_]+) *\(.*/\2/p' | sort -u
}

list=$("$program" -l) || { echo "not ok - scenarios: $program -l fails"; exit 1; }
made=$(cut -d: -f2 <<<"$list" | tr ' ' '\n' | grep . | sort -u)
told=$(printf 'cubby_%s\n' $harmless | sort)
all=$(declared)
externs=$(sed '/^ *#/d' include/*.h | grep -ow CUBBY_EXTERN | wc -l)
missing=$(comm -23 <(echo "$all") <(printf '%s\n' "$made" "$told" | sort -u) | paste -sd' ')
stale=$({ comm -13 <(echo "$all") <(echo "$told"); comm -12 <(echo "$made") <(echo "$told"); } | paste -sd' ')
if [ "$(wc -l <<<"$all")" -ne "$externs" ]; then
    echo "not ok - scenarios: $externs declarations, and $(wc -l <<<"$all") functions found in them: the script does not understand one"
elif [ -n "$missing" ]; then
    echo "not ok - scenarios: in no scenario, and not among those that change nothing: $missing"
elif [ -n "$stale" ]; then
    echo "not ok - scenarios: among those that change nothing, but made by a scenario, or gone: $stale"
else
    echo "ok - scenarios: $(wc -l <<<"$list") of them make all $((externs - $(wc -l <<<"$told"))) calls of include/ that can change a store"
    exit 0
fi
exit 1
