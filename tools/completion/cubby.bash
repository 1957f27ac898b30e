# Completion of cubby for bash.

_cubby_folders() { # STORE
    [ -d "$1" ] && cubby ls --json "$1" 2>/dev/null | sed -n 's/^{"path":"\([^"\\]*\)",.*/\1/p'
}

_cubby() {
    local cur prev words cword
    if declare -F _init_completion >/dev/null; then
        _init_completion -n : || return
    else
        words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
        cur=${words[cword]} prev=${words[cword - 1]}
    fi
    local commands="init import export verify check-archive ls scan cat append flag cp mv rm folder annotate changes stat fsck dump version help"
    local common="--quiet --verbose --json --progress= --wait --help"
    local verbs="create rename delete subscribe unsubscribe special"
    if [ "$cword" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$cur")
        return
    fi
    local command=${words[1]} options=$common
    case $command in
    import) options+=" --format --mbox --into --no-subfolders --dups --dups-scope --gmail-labels --keep-uids --password --password-file --recover --dry-run" ;;
    export) options+=" --format --folder --no-subfolders --uids --since --before --verbatim --force --password --password-file" ;;
    verify) options+=" --format --mbox --into --no-subfolders --dups-scope --password --password-file" ;;
    check-archive) options+=" --format --mbox" ;;
    ls) options+=" --long" ;;
    scan) options+=" --fields --header --flags --uids --since --unseen --reverse --limit" ;;
    cat) options+=" --part --header --crlf --lf" ;;
    append) options+=" --flags --date" ;;
    rm) options+=" --deleted" ;;
    folder) options+=" --recursive" ;;
    annotate) options+=" --remove" ;;
    changes) options+=" --since" ;;
    fsck) options+=" --full --rebuild-index --repair" ;;
    esac
    case $prev in
    --format) mapfile -t COMPREPLY < <(compgen -W "auto mbox maildir eml msg pst" -- "$cur"); return ;;
    --gmail-labels) mapfile -t COMPREPLY < <(compgen -W "folders keywords ignore" -- "$cur"); return ;;
    --password-file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --mbox) mapfile -t COMPREPLY < <(compgen -W "auto o rd cl cl2" -- "$cur"); return ;;
    --dups) mapfile -t COMPREPLY < <(compgen -W "skip add merge" -- "$cur"); return ;;
    --dups-scope) mapfile -t COMPREPLY < <(compgen -W "folder store" -- "$cur"); return ;;
    --progress) mapfile -t COMPREPLY < <(compgen -W "auto always never" -- "$cur"); return ;;
    --fields) mapfile -t COMPREPLY < <(compgen -W "date from to cc subject message-id list-id" -- "$cur"); return ;;
    --into | --folder | --uids | --since | --before | --limit | --wait | --part | --flags | --date | --password) return ;;
    esac
    if [[ $cur == -* && ! ($command == flag && $cword -gt 4) ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
        return
    fi
    # The arguments before this one.
    local args=() i
    for ((i = 2; i < cword; i++)); do
        [[ ${words[i]} == -* ]] || args+=("${words[i]}")
    done
    if [ "$command" = help ]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands limits" -- "$cur")
        return
    fi
    if [ "$command" = folder ]; then
        if [ ${#args[@]} -eq 0 ]; then
            mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$cur")
            return
        fi
        args=("${args[@]:1}")
    fi
    local IFS=$'\n'
    case $command:${#args[@]} in
    *:0) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    import:* | verify:* | check-archive:* | export:* | append:2) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    flag:[3-9]*) mapfile -t COMPREPLY < <(compgen -W $'+\\\\Seen\n-\\\\Seen\n+\\\\Flagged\n-\\\\Flagged\n+\\\\Deleted\n-\\\\Deleted\n+\\\\Answered\n+\\\\Draft' -- "$cur") ;;
    ls:1 | scan:1 | cat:1 | append:1 | flag:1 | cp:1 | mv:1 | rm:1 | annotate:1 | changes:1 | cp:3 | mv:3 | folder:*)
        mapfile -t COMPREPLY < <(compgen -W "$(_cubby_folders "${args[0]}")" -- "$cur")
        ;;
    esac
}

complete -F _cubby cubby
