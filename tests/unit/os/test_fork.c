#include "os/fork.h"

#include <sys/wait.h>
#include <unistd.h>

#include "unit/unit.h"

START_TEST(a_child_is_another)
{
    uint64_t here = cubby__fork_generation();
    int status;
    ck_assert_uint_ne(here, 0);
    ck_assert_uint_eq(cubby__fork_generation(), here);
    pid_t pid = fork();
    if (pid == 0)
        _exit(cubby__fork_generation() == here);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(cubby__fork_generation(), here);
}
END_TEST

UNIT_MAIN("os/fork", a_child_is_another)
