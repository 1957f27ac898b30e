#!/bin/bash
# What an embedder gets: `make install`, pkg-config, the examples and the program in README.md built on that, static and shared; and what the
# installed library shows to the world.
root=$PWD
. "$(dirname "$0")/lib.sh"
inst=$T/inst
unset V

make -s -C "$root" BUILD="${BUILD:-build}" DESTDIR="$inst" PREFIX=/usr install >install.out 2>&1
is "make install" "$? $(cat "$inst/usr/lib/pkgconfig/cubby.pc" 2>/dev/null | sed -n 's/^Name: //p')" "0 cubby"

# ---- what is installed --------------------------------------------------------------------------------------------------------------------

for f in bin/cubby include/cubby.h include/cubby_vfs.h lib/libcubby.a lib/libcubby.so lib/pkgconfig/cubby.pc share/bash-completion/completions/cubby \
    share/zsh/site-functions/_cubby share/man/man1/cubby.1; do
    if [ -s "$inst/usr/$f" ]; then ok "$f is installed"; else fail "$f is installed" "$(cat install.out)"; fi
done
missing=
for c in $("$inst/usr/bin/cubby" help | sed -n 's/^  \([a-z-]*\) .*/\1/p'); do
    [ -s "$inst/usr/share/man/man1/cubby-$c.1" ] || missing="$missing man:$c"
    grep -qw -- "$c" "$inst/usr/share/bash-completion/completions/cubby" || missing="$missing bash:$c"
    grep -qw -- "$c" "$inst/usr/share/zsh/site-functions/_cubby" || missing="$missing zsh:$c"
done
is "every command has a man page and is completed in bash and zsh" "$missing" ""
told=$("$inst/usr/bin/cubby" help | sed -n 's/^  \([a-z-]*\)  *\(.*\)/\1 \2./p')
named=$(sed -n '/^\.SH COMMANDS/,/^\.SH OPTIONS/{/^\\fBcubby/{N;p}}' "$root/man/cubby.1" | tr -d '\\' | sed 's/^fBcubby-\(.*\)fR(1)/\1/' | paste -d ' ' - - |
    while read -r c what; do echo "$c ${what,}"; done)
is "cubby(1) says of each command what cubby help says" "$named" "$told"
is "every man page is in its section" "$(cd "$root/man" && for m in *.[0-9]; do [ -s "$inst/usr/share/man/man${m##*.}/$m" ] || echo "$m"; done)" ""
is "nothing installed names the build" "$(cd "$inst/usr" && grep -rlF "$root" lib/pkgconfig include share)" ""

# ---- the library, seen from outside ----------------------------------------------------------------------------------------------------------

so=$inst/usr/lib/libcubby.so
is "the soname" "$(readelf -d "$so" | sed -n 's/.*(SONAME).*\[\(.*\)\].*/\1/p')" libcubby.so.0
is "the soname leads to the library" "$(readlink -f "$inst/usr/lib/libcubby.so.0")" "$(readlink -f "$so")"
needed=$(readelf -d "$so" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' | grep -vE '^(libc|libm|libpthread|ld-linux.*|liblz4|libxxhash|lib[aut]?san|libubsan|libgcc_s)\.so' | tr '\n' ' ')
is "it needs LZ4 and xxHash beside the C library" "$needed" ""
nm -D --defined-only "$so" | awk '{print $3}' | sed 's/@.*//' | sort -u >exported
is "it exports only cubby_ symbols" "$(grep -v '^cubby_[a-z]' exported | grep -vE '^(__(asan|tsan|ubsan|sanitizer|odr_asan|gcov)|mangle_path$|_(init|fini|edata|end)$|__bss_start)' | tr '\n' ' ')" ""
sed -n 's/^CUBBY_EXTERN .*[ *]\(cubby_[a-z0-9_]*\)(.*/\1/p' "$root/include/cubby.h" "$root/include/cubby_vfs.h" | sort -u >declared
is "what is declared is what is exported" "$(grep '^cubby_[a-z]' exported | diff declared - | grep '^[<>]' | tr '\n' ' ')" ""
is "... and that is a whole interface" "$(($(wc -l <declared) > 50))" 1
# All that a static program gets in its name space.
is "libcubby.a defines only cubby_ symbols" \
    "$(nm -g --defined-only "$inst/usr/lib/libcubby.a" 2>/dev/null | awk 'NF == 3 {print $3}' | grep -vE '^(cubby_|__(asan|tsan|ubsan|odr_asan|gcov)|_+sanitizer)' | sort -u | tr '\n' ' ')" ""

# ---- programs built on it ----------------------------------------------------------------------------------------------------------------------

export PKG_CONFIG_SYSROOT_DIR=$inst PKG_CONFIG_PATH=$inst/usr/lib/pkgconfig PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
# A library with sanitizers wants a program with them.
san=
for s in address:__asan_init thread:__tsan_init undefined:__ubsan_; do nm -D "$so" | grep -q "${s#*:}" && san="$san -fsanitize=${s%%:*}"; done
nm "$so" | grep -q __gcov && san="$san --coverage"
is "pkg-config knows the version" "$(pkg-config --modversion cubby)" "$("$C" version --json | sed 's/.*"library":"\([0-9.]*\)".*/\1/')"
sed -n '/^```c$/,/^```$/p' "$root/README.md" | sed '/^```/d' >readme.c
is "the program in README.md has ten lines or so" "$(($(wc -l <readme.c) > 8 && $(wc -l <readme.c) < 25))" 1
build() { # HOW FILE: into ./HOW/NAME
    local flags
    flags=$(pkg-config --cflags --libs cubby)
    [ "$1" = static ] && flags=$(pkg-config --static --cflags --libs cubby | sed 's/-lcubby/-l:libcubby.a/')
    mkdir -p "$1"
    # shellcheck disable=SC2086
    ${CC:-cc} -Wall -Wextra -Werror "$2" $san $flags -o "$1/$(basename "$2" .c)" >build.out 2>&1
}
export LD_LIBRARY_PATH=$inst/usr/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
for how in static shared; do
    for f in "$root"/examples/*.c readme.c; do
        if build $how "$f"; then ok "$(basename "$f") builds, $how"; else fail "$(basename "$f") builds, $how" "$(cat build.out)"; fi
    done
    is "... and is linked so" "$(readelf -d $how/deliver | grep -c 'NEEDED.*libcubby')" "$([ $how = shared ] && echo 1 || echo 0)"

    store=store-$how
    message one >one
    is "$how deliver: the first uid" "$($how/deliver "$store" <one | cut -d' ' -f2)" 1
    is "$how deliver: what came in is there, to the byte" "$("$C" cat "$store" INBOX 1 | cksum)" "$(cksum <one)"
    is "$how sync: all is new" "$($how/sync "$store" INBOX state-$how)" "$(printf 'all anew\nnew 1')"
    is "$how sync: nothing since" "$($how/sync "$store" INBOX state-$how)" ""
    message two | $how/deliver "$store" >/dev/null
    "$C" flag -q "$store" INBOX 1 '+\Seen' '+$Work'
    is "$how sync: a message and a flag since" "$($how/sync "$store" INBOX state-$how)" "$(printf 'new 2\nflags 1 \\Seen $Work')"
    is "$how headers: newest first, no body read" "$($how/headers "$store" INBOX)" "$(printf '# 2 messages, 1 unseen
2\t---\tWed, 2 Jan 2019 03:04:05 +0100\tJane Roe <jane@example.org>\ttwo
1\tS--\tWed, 2 Jan 2019 03:04:05 +0100\tJane Roe <jane@example.org>\tone
# 0 bodies read')"
    is "$how headers: a count" "$($how/headers "$store" INBOX 1 | grep -c one)" 0
    printf 'Subject: \033[31m\r\n red\r\n\r\n' | $how/deliver "$store" Odd >/dev/null
    is "$how headers: nothing that moves a terminal" "$($how/headers "$store" Odd | sed -n 2p)" "$(printf '1\t---\t\t\t?[31m red')"
    "$C" rm -q "$store" INBOX 1
    is "$how sync: one has gone" "$($how/sync "$store" INBOX state-$how)" "vanished 1:1"
    "$C" folder rename "$store" Odd Even >/dev/null
    "$C" folder create "$store" Odd >/dev/null
    is "$how sync: another folder under the name" "$(cp state-$how s2; $how/sync "$store" Even s2; $how/sync "$store" Odd s2)" "$(printf 'all anew\nnew 1\nall anew')"
    exits "$how deliver: a store that is none is for later" 75 $how/deliver readme.c
    exits "$how headers: no such folder" 1 $how/headers "$store" Nowhere
    exits "$how sync: no such store" 1 $how/sync nowhere INBOX s3
    is "... and no state is kept" "$(ls s3 2>/dev/null)" ""
    is "$how README program: counters of the store" "$($how/readme "$store")" "$("$C" ls --json "$store" | sed -n 's/.*"path":"INBOX","messages":\([0-9]*\),"unseen":\([0-9]*\).*/INBOX: \1 messages, \2 unseen/p')"
    exits "$how: the store is sound" 0 "$C" fsck --full "$store"
done
finish
