/* sweep.h - what exhaustive tests share: the name of the one that runs, told when it crashes or hangs; how far a long run came. */
#ifndef CUBBY_TESTS_SWEEP_H
#define CUBBY_TESTS_SWEEP_H

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char sweep_now[160];           /* "cut:17": what an option -o of the program runs again */
static const char *sweep_name = "";   /* of the program, and its short name in result lines */
static const char *sweep_program = "";

static inline void sweep_say(const char *text)
{
    if (write(1, text, strlen(text)) < 0)
        _exit(3);
}

static inline void sweep_on_signal(int sig)
{
    sweep_say("\nnot ok - ");
    sweep_say(sweep_name);
    sweep_say(sig == SIGALRM ? ": it hangs: " : ": it crashes: ");
    sweep_say(sweep_now);
    sweep_say("\n# again: ");
    sweep_say(sweep_program);
    sweep_say(" -o ");
    sweep_say(sweep_now);
    sweep_say("\n");
    _exit(1);
}

/* A hang is found by alarm(), which the caller sets anew as it goes on. */
static inline void sweep_begin(const char *name, const char *program)
{
    static const int fatal[] = {SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGILL};
    sweep_name = name;
    sweep_program = program;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], sweep_on_signal);
}

/* A number in a file; 0 if there is none. path NULL: nothing is kept. */
static inline uint64_t sweep_progress(const char *path)
{
    unsigned long long n = 0;
    FILE *f = path ? fopen(path, "r") : NULL;
    if (f && fscanf(f, "%llu", &n) != 1)
        n = 0;
    if (f)
        fclose(f);
    return n;
}

static inline void sweep_came_to(const char *path, uint64_t n)
{
    FILE *f = path ? fopen(path, "w") : NULL;
    if (path && (!f || fprintf(f, "%llu\n", (unsigned long long)n) < 0 || fclose(f) != 0)) {
        printf("not ok - %s: %s: %s\n", sweep_name, path, strerror(errno));
        exit(1);
    }
}

/* "2/3": the second of three shares. 0: that is what it says. */
static inline int sweep_share(const char *text, uint64_t *k, uint64_t *of)
{
    unsigned long long a, b;
    if (sscanf(text, "%llu/%llu", &a, &b) != 2 || !a || a > b)
        return -1;
    *k = a;
    *of = b;
    return 0;
}

#endif
