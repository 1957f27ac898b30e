#!/bin/bash
# The completion files. Folder names are data: they come from archives, and a TAB must not run what stands in them.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

files=$here/../../tools/completion
export TAB_FILE=$files/cubby.bash LC_ALL=C.UTF-8
mkdir bin && ln -s "$C" bin/cubby
PATH=$PWD/bin:$PATH

"$C" init s
"$C" folder create s '$(touch ran)' '`touch ran`' 'with space' co:lon "it's" 日本 Lists/a

# complete LINE [BREAKS]: what TAB offers at its end, a line each; the words are broken as readline breaks them
complete() {
    bash --norc -c '. "$TAB_FILE"
        line=$1; COMP_LINE=$line COMP_POINT=${#line} COMP_WORDS=()
        while [ -n "$line" ]; do
            blanks=${line%%[! ]*}; line=${line#"$blanks"}
            [[ $line =~ ^([=:]|([^\\\ =:]|\\.)*) ]] && COMP_WORDS+=("${BASH_REMATCH[1]}") && line=${line#"${BASH_REMATCH[1]}"}
        done
        [[ $COMP_LINE == *" " && $COMP_LINE != *"\\ " ]] && [ -n "${COMP_WORDS[-1]}" ] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _cubby; [ ${#COMPREPLY[@]} -eq 0 ] || printf "%s\n" "${COMPREPLY[@]}"' bash "$1" 2>>tab.err
}
tab() { # NAME LINE WANTED: the answers, joined by commas
    is "$1" "$(complete "$2" | paste -sd ,)" "$3"
}

exits "bash completion loads" 0 bash -c ". '$files/cubby.bash' && complete -p cubby"
tab "commands" "cubby f" "flag,folder,fsck"
tab "folders" "cubby scan s IN" INBOX
tab "folders below others" "cubby scan s Lists/" Lists/a
tab "folders behind an option and its value" "cubby scan --limit 5 s IN" INBOX
tab "folders behind an option with its value" "cubby scan --limit=5 s IN" INBOX
tab "the target behind a uid set with a colon" "cubby cp s INBOX 1:5 IN" INBOX
tab "a name is quoted" "cubby scan s wi" 'with\ space'
tab "a word that is quoted" 'cubby scan s with\ s' 'with\ space'
tab "a name with a colon: what is left of it" "cubby scan s co:l" lon
tab "a name beyond ASCII" "cubby scan s 日" 日本
mkdir home && ln -s ../s home/s
export HOME=$PWD/home
tab "a store below ~" "cubby scan ~/s IN" INBOX
tab "what looks like a command is quoted" 'cubby scan s \$' '\$\(touch\ ran\)'
complete "cubby scan s " >all
is "all folders, quoted" "$(wc -l <all)" 9
for f in $(seq "$(wc -l <all)"); do eval "exits 'what is offered is a folder ($f)' 0 cubby scan s $(sed -n "${f}p" all)"; done
is "and nothing in a name was run" "$([ -e ran ] && echo ran)" ""
tab "values" "cubby import --format m" "mbox,maildir,msg"
tab "values behind =" "cubby import --format=m" "mbox,maildir,msg"
tab "values of another command" "cubby check-archive --format " "auto,mbox,pst"
tab "all values behind =" "cubby import --dups=" "skip,add,merge"
tab "flags, with the backslash that the shell takes off" 'cubby flag s INBOX 1 +\\S' '+\\Seen'
tab "special uses" 'cubby folder special s INBOX \\T' '\\Trash'
is "bash says nothing" "$(cat tab.err)" ""
missing=
for c in $("$C" help | sed -n 's/^  \([a-z-]*\) .*/\1/p'); do
    offered=$(complete "cubby $c --")
    for o in $("$C" help "$c" | grep -oE '(^  (-., )?|, )--[a-z-]+' | grep -oE -- '--[a-z-]+$'); do
        grep -qxF -- "$o" <<<"$offered" || missing="$missing bash:$c:$o"
        grep -qF -- "$o" "$files/_cubby" || missing="$missing zsh:$o"
    done
done
is "every option of every command is completed" "$missing" ""

if command -v zsh >/dev/null; then
    zshell() { # FUNCTION WORD...: what the function gives to compadd, with the command line so far
        zsh -f -c '_arguments() { return 1 }
            compadd() { while [[ $1 == -* && $1 != -- && $1 != -a ]]; do shift; done
                if [[ $1 == -a ]]; then print -rl -- ${(P)2}; else shift; print -rl -- "$@"; fi }
            . '"${files@Q}"'/_cubby
            f=$1; shift; words=("$@") CURRENT=$#; $f' zsh "$@" 2>&1
    }
    is "zsh: folders" "$(zshell _cubby_folders scan --limit 5 s '' | sort | paste -sd ,)" "$("$C" ls --json s | sed 's/^{"path":"\([^"]*\)".*/\1/' | sort | paste -sd ,)"
    has "zsh: flags" "$(zshell _cubby_flags flag s INBOX 1 '')" '^\+\\Seen$'
    has "zsh: special uses" "$(zshell _cubby_folders_or_use folder special s INBOX '')" '^\\Trash$'
    has "zsh: folders of other verbs" "$(zshell _cubby_folders_or_use folder delete s '')" '^with space$'
    is "zsh: nothing in a name was run" "$([ -e ran ] && echo ran)" ""
else
    skip "zsh completion" "no zsh"
fi
finish
