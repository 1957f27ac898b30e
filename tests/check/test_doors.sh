#!/bin/bash
# What the library calls outside itself: the system only in vfs_posix.o, memory only in alloc.o, and nothing that prints or ends the program. A test that
# makes calls fail reaches what goes through these doors, and nothing else.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
failed=0

# What the objects do not define, "layer/object symbol" a line, versions and leading underscores of fortified names left out.
calls=$(cd "$BUILD/src" && nm -A -u */*.o 2>/dev/null | sed -E 's/^([^:]*):.* U /\1 /; s/@.*//; s/ __([a-z0-9_]+)_chk$/ \1/; s/ __isoc99_/ /')
if ! grep -q '^os/vfs_posix.o pread' <<<"$calls"; then
    echo "skip - check/doors: nm tells nothing about the objects in $BUILD/src"
    exit 0
fi

# only NAME OBJECTS SYMBOLS: if anything else calls one of the symbols, the test fails.
only() {
    local name=$1 objects=$2 symbols=$3 bad
    bad=$(grep -E " ($symbols)\$" <<<"$calls" | grep -vE "^($objects) ")
    if [ -n "$bad" ]; then
        echo "not ok - check/doors: $name: $(tr '\n' ',' <<<"$bad")"
        failed=1
    else
        echo "ok - check/doors: $name"
    fi
}

only "files only through the table" 'os/vfs_posix\.o' \
    '(f?open|openat|creat|p?read|p?write|p?readv|p?writev|sendfile|copy_file_range|close|lseek|f(data)?sync|sync_file_range|syncfs|f?truncate|f?allocate|posix_fallocate)(64)?'
only "names only through the table" 'os/vfs_posix\.o' \
    '(unlink|unlinkat|rename|renameat2?|mkdir|mkdirat|rmdir|link|linkat|symlink|opendir|fdopendir|readdir|[fl]?stat|fstatat|statx|f?chmod|f?chown|remove|access)(64)?'
only "locks and maps only through the table" 'os/vfs_posix\.o' '(fcntl|flock|lockf|mmap|munmap|msync|mremap|shm_open)(64)?'
only "time, sleep and chance only through the table" 'os/vfs_posix\.o' 'time|gettimeofday|clock_gettime|nanosleep|clock_nanosleep|usleep|sleep|getrandom|getentropy|random|rand|arc4random'
only "what a file system is, only in fs.c" 'os/fs\.o' 'f?statfs(64)?|f?statvfs(64)?'
only "memory only through the hooks" 'base/alloc\.o' 'malloc|calloc|realloc|reallocarray|free|strdup|strndup|asprintf|vasprintf|aligned_alloc|posix_memalign|getline|open_memstream|XXH[0-9]*_createState|LZ4F?_create[A-Za-z]*'
only "nothing prints, ends the program, or starts another" '-' \
    'printf|puts|putchar|fputs|fputc|fprintf|vprintf|vfprintf|perror|syslog|exit|_exit|abort|assert_fail|signal|sigaction|raise|kill|fork|exec[lv]p?e?|system|popen|pthread_create|getenv|setenv|setlocale'
exit $failed
