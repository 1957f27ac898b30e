/* soak.h - for test programs that tests/soak.sh runs for as long as it is told: the next run goes on where the last one stopped.
 *
 * Such a program finds in its environment CUBBY_SOAK_DIR, a folder that is kept, and CUBBY_SOAK_SECONDS, its budget. It keeps its place (the next
 * seed) and what it has done so far in CUBBY_SOAK_DIR/LAYER.state, lines of a name and a number, and writes that file when it ends, or now and then. */
#ifndef CUBBY_TESTS_SOAK_H
#define CUBBY_TESTS_SOAK_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct soak {
    char path[1024];  /* of the state file; "": this is no soak */
    double end;       /* on the clock of soak_now; 0: none */
    struct {
        char name[40];
        uint64_t value;
    } total[24];
    size_t count;
};

static inline double soak_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The number of this name so far, 0 at first: to read and to add to. */
static inline uint64_t *soak_total(struct soak *s, const char *name)
{
    size_t i = 0;
    while (i < s->count && strcmp(s->total[i].name, name) != 0)
        i++;
    if (i == s->count) {
        if (s->count == sizeof s->total / sizeof *s->total)
            abort();
        s->count++;
        snprintf(s->total[i].name, sizeof s->total[i].name, "%s", name);
        s->total[i].value = 0;
    }
    return &s->total[i].value;
}

/* 1: this run is a soak of the layer; *s has what the runs before left. */
static inline int soak_begin(struct soak *s, const char *layer)
{
    const char *dir = getenv("CUBBY_SOAK_DIR"), *budget = getenv("CUBBY_SOAK_SECONDS");
    char name[40];
    uint64_t value;
    memset(s, 0, sizeof *s);
    if (!dir || !budget)
        return 0;
    s->end = soak_now() + atof(budget);
    snprintf(s->path, sizeof s->path, "%s/%s.state", dir, layer);
    FILE *f = fopen(s->path, "r");
    while (f && fscanf(f, "%39s %" SCNu64, name, &value) == 2)
        *soak_total(s, name) = value;
    if (f)
        fclose(f);
    return 1;
}

static inline int soak_over(const struct soak *s)
{
    return s->end != 0 && soak_now() >= s->end;
}

/* Whole or not at all: the file is replaced. */
static inline int soak_save(const struct soak *s)
{
    char tmp[1040];
    if (!s->path[0])
        return 0;
    snprintf(tmp, sizeof tmp, "%s.tmp", s->path);
    FILE *f = fopen(tmp, "w");
    if (!f)
        return -1;
    for (size_t i = 0; i < s->count; i++)
        fprintf(f, "%s %" PRIu64 "\n", s->total[i].name, s->total[i].value);
    if (fclose(f) != 0)
        return -1;
    return rename(tmp, s->path);
}

#endif
