#!/bin/bash
# PST files that Outlook and others wrote: what cubby makes of them beside what three other programs find in them, item by item.
. tests/oracle/lib.sh
if [ ! -d "$CORPUS/pst" ] || ! have python3; then
    skip "PST files of others" "CUBBY_CORPUS names no corpus, or python3 is not here"
    finish
fi
find_extractor

# password_of FILE
password_of() {
    case $1 in pstsdk_test_*) echo test ;; *) echo - ;; esac
}
# Whose password nobody knows: refused, and that is all (tests/unit/tools/test_pst_corpus.c looks behind it).
locked() { [ "$1" = java-libpst_passworded ]; }
# refuses PROGRAM FILE: it cannot read this one.
refuses() {
    case $1:$2 in
    *:aspose-net_AddingBulk*) ;;                              # a program was stopped while it wrote
    extractor:pstsdk_sample2 | extractor:pstsdk_test_ansi) ;; # pst-extractor does not find the node 97 of ANSI files
    *) return 1 ;;
    esac
}

for packed in "$CORPUS"/pst/*.?st "$CORPUS"/pst/*.?st.xz; do
    [ -f "$packed" ] || continue
    file=$(basename "$packed" .xz)
    name=${file%.*}
    [ "${file##*.}" = ost ] && name=$file
    case $packed in *.xz) xz -dc "$packed" >"$file" ;; *) cp "$packed" "$file" ;; esac
    chmod u+w "$file"
    if locked "$name"; then
        exits "$name: the password is asked for" 8 "$C" import -q --dups add "$name.store" "$file"
        rm -f "$file"
        continue
    fi
    wanted=0
    refuses damaged "$name" && wanted=1 # what was found of it is imported, and the damage is told
    exits "$name: imported" $wanted "$C" import -q --password "$(password_of "$name")" --dups add "$name.store" "$file"
    mkdir "$name.eml"
    exits "$name: exported as messages" 0 "$C" export -q --format eml --verbatim "$name.store" "$name.eml"
    python3 "$ORACLE/dates.py" "$C" "$name.store" >"$name.dates"
    for program in pffexport readpst extractor; do
        look $program "$file" "$name.$program"
        rc=$?
        if [ $rc -eq 77 ]; then
            say_skip "$name" $program
        elif refuses $program "$name"; then
            if [ $rc -ne 0 ]; then ok "$name: $program refuses it"; else fail "$name: $program refuses it" "it does not"; fi
        elif [ $rc -ne 0 ]; then
            fail "$name" "$program ended with status $rc: $(tail -n 1 guarded.log)"
        else
            python3 "$ORACLE/compare.py" "$name" "$name.eml" "$name.dates" $program "$name.$program" || failures=$((failures + 1))
        fi
        rm -rf "./${name:?}.$program"
    done
    rm -rf "$file" "./${name:?}.store" "./${name:?}.eml"
done
finish
