/* linear.h - whether twice the input takes less than three times as long: quadratic work takes four times. Processor time, best of some
 * runs, and some tries, because others use the machine too. */
#ifndef CUBBY_TESTS_MIME_LINEAR_H
#define CUBBY_TESTS_MIME_LINEAR_H

#include <stddef.h>
#include <time.h>

static inline double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline double best_of(void (*work)(void *arg), void *arg, int runs)
{
    double best = 1e9;
    while (runs-- > 0) {
        double start = cpu_seconds();
        work(arg);
        double took = cpu_seconds() - start;
        best = took < best ? took : best;
    }
    return best;
}

static inline int is_linear(void (*work)(void *arg), void *once, void *twice)
{
    for (int tries = 0; tries < 8; tries++)
        if (best_of(work, twice, 5) < 3 * best_of(work, once, 5) + 0.001)
            return 1;
    return 0;
}

#endif
