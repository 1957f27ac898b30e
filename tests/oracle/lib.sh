# shellcheck shell=bash
# Helpers of the tests beside other programs: see tests/README.md. Sourced from the top of the project.
ORACLE=$PWD/tests/oracle
CORPUS=${CUBBY_CORPUS:-$PWD/../shared/corpus}
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh
export PYTHONDONTWRITEBYTECODE=1

have() { command -v "$1" >/dev/null; }
# Runs a program that may hang or fail; what it says goes to its log.
guarded() { timeout "${LIMIT:-120}" nice "$@" >>guarded.log 2>&1; }

# Where npm's pst-extractor is: CUBBY_PST_EXTRACTOR, else it is installed into the scratch folder, if npm can. Empty: nowhere.
find_extractor() {
    extractor=${CUBBY_PST_EXTRACTOR:-}
    if [ -z "$extractor" ] && have node && have npm && guarded npm install --no-audit --no-fund --prefix "$T/npm" pst-extractor@1.12; then
        extractor=$T/npm/node_modules/pst-extractor
    fi
    [ -d "$extractor" ] || extractor=
}

# look PROGRAM FILE OUTPUT: what that program finds in the file. 77: it is not here.
look() {
    case $1 in
    pffexport)
        have pffexport || return 77
        guarded pffexport -q -m items -f all -t "$3" "$2" && [ -d "$3.export" ] && mv "$3.export" "$3"
        ;;
    readpst)
        have readpst || return 77
        mkdir -p "$3" && guarded readpst -q -j 0 -e -8 -D -o "$3" "$2"
        ;;
    extractor)
        [ -n "$extractor" ] || return 77
        timeout "${LIMIT:-120}" nice node "$ORACLE/dump_pst.js" "$extractor" "$2" >"$3" 2>>guarded.log
        ;;
    esac
}

# say_skip NAME PROGRAM
say_skip() { skip "$1" "$2 is not here"; }
