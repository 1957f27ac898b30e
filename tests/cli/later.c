/* later.c - for LD_PRELOAD: the look at the clock whose number is LATER_AT first runs the command LATER_DO; from then on it is 11 seconds later. */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static int looks;

int clock_gettime(clockid_t id, struct timespec *t)
{
    static int (*next)(clockid_t, struct timespec *);
    const char *at = getenv("LATER_AT");
    if (!next)
        next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (id != CLOCK_MONOTONIC || !at)
        return next(id, t);
    int look = __atomic_add_fetch(&looks, 1, __ATOMIC_RELAXED), now = atoi(at);
    if (look == now && (unsetenv("LD_PRELOAD") != 0 || system(getenv("LATER_DO")) != 0)) /* the command lives in real time */
        abort();
    int rc = next(id, t);
    t->tv_sec += look >= now ? 11 : 0;
    return rc;
}
