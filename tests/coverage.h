/* coverage.h - before every file of the tests when they are built with COVERAGE=1: what a child has reached counts, though it ends without exit(), and
 * what counts takes its time. */
#ifndef CUBBY_TESTS_COVERAGE_H
#define CUBBY_TESTS_COVERAGE_H

#include <stdlib.h>
#include <unistd.h>

void __gcov_dump(void);

static inline _Noreturn void counted_exit(int status)
{
    __gcov_dump();
    _exit(status);
}
#define _exit counted_exit
#define alarm(seconds) alarm(8 * (seconds))

#endif
