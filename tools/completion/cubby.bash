# Completion of cubby for bash.
#
# Names of folders come from archives and mail: they are data, and nothing here lets the shell expand them, as compgen -W would.

# A word as it was typed, without its quoting. Sets REPLY.
_cubby_unquote() { # WORD
    REPLY=$1
    [[ $REPLY == \~/* ]] && REPLY=$HOME/${REPLY:2}
    case $REPLY in
    \'*) REPLY=${REPLY#\'} REPLY=${REPLY%\'} ;;
    \"*) REPLY=${REPLY#\"} REPLY=${REPLY%\"} ;;
    *) IFS= read REPLY <<<"$REPLY" ;; # takes the backslashes off
    esac
}

# Those of the candidates, a line each, that begin as cur does; quoted as cur is, so that the shell gives cubby the candidate. Fills COMPREPLY.
_cubby_complete_lines() {
    local REPLY name
    _cubby_unquote "$cur"
    local typed=$REPLY
    while IFS= read -r name; do
        [[ $name == "$typed"* ]] || continue
        case $cur in
        \'*) [[ $name == *\'* ]] || COMPREPLY+=("$name") ;;
        \"*) [[ $name == *[\`\$\\\"]* ]] || COMPREPLY+=("$name") ;;
        *) COMPREPLY+=("$(printf %q "$name")") ;;
        esac
    done
}

_cubby_complete_words() { # WORD...
    _cubby_complete_lines < <(printf '%s\n' "$@")
}

_cubby_complete_paths() { # -d, -f: directories, or all files
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}

# Folders; not those with \ or " in their names, which stand otherwise in JSON.
_cubby_complete_folders() { # STORE, as typed
    local REPLY
    _cubby_unquote "$1"
    [ -d "$REPLY" ] || return
    _cubby_complete_lines < <(cubby ls --json -- "$REPLY" 2>/dev/null | sed -n 's/^{"path":"\([^"\\]*\)",.*/\1/p')
}

# The words up to the cursor; bash also breaks them at = and :, which are part of options, uid sets and names. Sets words, and broken: what
# of the last word stands before such a break, and is no part of the answer.
_cubby_words() {
    local line=${COMP_LINE:0:COMP_POINT} blanks i
    words=() broken=
    for ((i = 0; i <= COMP_CWORD; i++)); do
        blanks=${line%%[! $'\t']*}
        line=${line#"$blanks"}
        line=${line#"${COMP_WORDS[i]}"}
        if [[ $i -eq 0 || -n $blanks ]]; then
            words+=("${COMP_WORDS[i]}") broken=
            continue
        fi
        broken=${words[-1]}
        words[-1]+=${COMP_WORDS[i]}
        [[ ${COMP_WORDS[i]} == [=:] ]] && broken=${words[-1]}
    done
}

# The value of an option. False if it takes none.
_cubby_complete_value() { # OPTION COMMAND
    case $1 in
    --format)
        case $2 in
        export) _cubby_complete_words mbox maildir eml pst ;;
        check-archive) _cubby_complete_words auto mbox pst ;;
        *) _cubby_complete_words auto mbox maildir eml msg pst ;;
        esac
        ;;
    --gmail-labels) _cubby_complete_words folders keywords ignore ;;
    --password-file) _cubby_complete_paths -f ;;
    --mbox) _cubby_complete_words auto o rd cl cl2 ;;
    --dups) _cubby_complete_words skip add merge ;;
    --dups-scope) _cubby_complete_words folder store ;;
    --progress) _cubby_complete_words auto always never ;;
    --fields) _cubby_complete_words date from to cc subject message-id list-id ;;
    --into | --folder | --uids | --since | --before | --limit | --wait | --part | --flags | --date | --password) ;;
    *) return 1 ;;
    esac
    return 0
}

_cubby_options() { # COMMAND
    echo --quiet --verbose --json --progress --wait --help
    case $1 in
    import) echo --format --mbox --into --no-subfolders --dups --dups-scope --gmail-labels --keep-uids --password --password-file --recover --dry-run ;;
    export) echo --format --folder --no-subfolders --uids --since --before --verbatim --force --password --password-file ;;
    verify) echo --format --mbox --into --no-subfolders --dups-scope --password --password-file ;;
    check-archive) echo --format --mbox ;;
    ls) echo --long ;;
    scan) echo --fields --header --flags --uids --since --unseen --reverse --limit ;;
    cat) echo --part --header --crlf --lf ;;
    append) echo --flags --date ;;
    rm) echo --deleted ;;
    folder) echo --recursive ;;
    annotate) echo --remove ;;
    changes) echo --since ;;
    fsck) echo --full --rebuild-index --repair ;;
    esac
}

_cubby_complete_argument() { # COMMAND ARGUMENT...: what stands before it
    case $1:$(($# - 1)) in
    help:0) _cubby_complete_words $commands limits ;;
    folder:0) _cubby_complete_words create rename delete subscribe unsubscribe special ;;
    folder:1) _cubby_complete_paths -d ;;
    folder:3) if [ "$2" = special ]; then _cubby_complete_words {'\'{Sent,Drafts,Trash,Junk,Archive,All,Flagged,Important},none}; else _cubby_complete_folders "$3"; fi ;;
    folder:*) _cubby_complete_folders "$3" ;;
    check-archive:* | import:[1-9]* | verify:[1-9]* | export:1 | append:2) _cubby_complete_paths -f ;;
    *:0) _cubby_complete_paths -d ;;
    flag:[3-9]*) _cubby_complete_words {+,-,=}'\'{Seen,Flagged,Deleted,Answered,Draft} ;;
    ls:1 | scan:1 | cat:1 | append:1 | flag:1 | cp:1 | mv:1 | rm:1 | annotate:1 | changes:1 | cp:3 | mv:3) _cubby_complete_folders "$2" ;;
    esac
}

_cubby() {
    local words broken cur i args=()
    local commands="init import export verify check-archive ls scan cat append flag cp mv rm folder annotate changes stat fsck dump version help"
    COMPREPLY=()
    _cubby_words
    cur=${words[-1]}
    if [ ${#words[@]} -eq 2 ]; then
        _cubby_complete_words $commands --help --version
        return
    fi
    local command=${words[1]} last=$((${#words[@]} - 1))
    for ((i = 2; i < last; i++)); do
        case ${words[i]} in
        --?*=*) ;;
        -?*) (_cubby_complete_value "${words[i]}" "$command") && ((i++)) ;; # in a shell of its own: only to ask
        *) args+=("${words[i]}") ;;
        esac
    done
    if [[ $cur == --?*=* ]]; then
        broken=
        i=${cur%%=*} cur=${cur#*=}
        _cubby_complete_value "$i" "$command"
    elif ((i > last)); then
        _cubby_complete_value "${words[last - 1]}" "$command"
    elif [[ $cur == -* && ! ($command == flag && ${#args[@]} -ge 3) ]]; then
        _cubby_complete_words $(_cubby_options "$command")
    else
        _cubby_complete_argument "$command" "${args[@]}"
    fi
    COMPREPLY=("${COMPREPLY[@]#"$broken"}")
}

complete -F _cubby cubby
