#!/bin/sh
# The layer check: an include goes down or sideways, never up; tools include only include/ and tools/; the OS is reached through
# the VFS table alone. Prints every offence and fails if there is one.
cd "$(dirname "$0")/.." || exit 1
bad=0
allowed() {
    case $1 in
    base) echo base ;;
    os) echo "os base" ;;
    format) echo format ;;
    codec) echo "codec base format" ;;
    mime) echo "mime base format" ;;
    log) echo "log base os format" ;;
    tree) echo "tree base os format" ;;
    store) echo "store log tree base os format" ;;
    mail) echo "mail base codec format mime store" ;;
    api) echo "api mail store log tree mime codec os base format" ;;
    esac
}
for f in src/*/*.[ch]; do
    layer=${f#src/}
    layer=${layer%%/*}
    ok=$(allowed "$layer")
    for inc in $(sed -n 's|^#include "\([a-z]*\)/.*|\1|p' "$f"); do
        case " $ok " in *" $inc "*) ;; *) echo "layers: $f includes $inc/, which is not below $layer/"; bad=1 ;; esac
    done
done
for f in tools/*.[ch] tools/archive/*.[ch] tools/archive/*/*.[ch]; do
    if grep -nE '#include "(\.\./)*(src|base|os|format|codec|mime|log|tree|store|mail|api)/' "$f" /dev/null; then
        echo "layers: $f reaches into the library"; bad=1
    fi
done
calls='(^|[^_a-zA-Z0-9.>])(open|openat|fopen|write|pwrite|fsync|fdatasync|rename|unlink|mkdir|time|clock_gettime|getrandom|malloc|calloc|realloc|printf|fprintf|exit|abort)[(]'
for f in src/*/*.c; do
    case $f in src/os/vfs_posix.c | src/base/alloc.c) continue ;; esac
    if sed 's|//.*||; s|/\*.*\*/||; s|"[^"]*"||g' "$f" | grep -nE "$calls" | sed "s|^|$f:|" | grep .; then
        echo "layers: $f calls the system or the heap directly"; bad=1
    fi
done
[ $bad = 0 ] && echo "layers: clean"
exit $bad
