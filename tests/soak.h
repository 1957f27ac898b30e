/* soak.h - for test programs that tests/soak.sh runs for as long as it is told: the next run goes on where the last one stopped.
 *
 * Such a program finds in its environment CUBBY_SOAK_DIR, a folder that is kept, and CUBBY_SOAK_SECONDS, its budget. It keeps its place (the next
 * seed) and what it has done so far in CUBBY_SOAK_DIR/LAYER.state, lines of a name and a number, and writes that file when it ends, or now and then.
 * Others may add to it at the same time (LAYER.lock): what is written is what is there then, and what this program has added since. */
#ifndef CUBBY_TESTS_SOAK_H
#define CUBBY_TESTS_SOAK_H

#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

struct soak {
    char path[1024];  /* of the state file; "": this is no soak */
    double end;       /* on the clock of soak_now; 0: none */
    struct {
        char name[40];
        uint64_t value, saved; /* saved: as it was when the file was read or written last */
    } total[24];
    size_t count;
};

static inline double soak_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline size_t soak_find(struct soak *s, const char *name)
{
    size_t i = 0;
    while (i < s->count && strcmp(s->total[i].name, name) != 0)
        i++;
    if (i == s->count) {
        if (s->count == sizeof s->total / sizeof *s->total)
            abort();
        s->count++;
        snprintf(s->total[i].name, sizeof s->total[i].name, "%s", name);
        s->total[i].value = s->total[i].saved = 0;
    }
    return i;
}

/* The number of this name so far, 0 at first: to read and to add to. */
static inline uint64_t *soak_total(struct soak *s, const char *name)
{
    return &s->total[soak_find(s, name)].value;
}

/* What is in the file, and what was added to it here. */
static inline void soak_merge(struct soak *s)
{
    char name[40];
    uint64_t value;
    FILE *f = fopen(s->path, "r");
    while (f && fscanf(f, "%39s %" SCNu64, name, &value) == 2) {
        size_t i = soak_find(s, name);
        s->total[i].value += value - s->total[i].saved;
        s->total[i].saved = value;
    }
    if (f)
        fclose(f);
}

/* 1: this run is a soak of the layer; *s has what the runs before left. */
static inline int soak_begin(struct soak *s, const char *layer)
{
    const char *dir = getenv("CUBBY_SOAK_DIR"), *budget = getenv("CUBBY_SOAK_SECONDS");
    memset(s, 0, sizeof *s);
    if (!dir || !budget)
        return 0;
    s->end = soak_now() + atof(budget);
    snprintf(s->path, sizeof s->path, "%s/%s.state", dir, layer);
    soak_merge(s);
    return 1;
}

static inline int soak_over(const struct soak *s)
{
    return s->end != 0 && soak_now() >= s->end;
}

static inline int soak_lock(const struct soak *s)
{
    char path[1040];
    snprintf(path, sizeof path, "%.*s.lock", (int)(strlen(s->path) - strlen(".state")), s->path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd >= 0 && flock(fd, LOCK_EX) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static inline int soak_write(struct soak *s)
{
    char tmp[1040];
    snprintf(tmp, sizeof tmp, "%s.tmp", s->path);
    FILE *f = fopen(tmp, "w");
    if (!f)
        return -1;
    for (size_t i = 0; i < s->count; i++) {
        fprintf(f, "%s %" PRIu64 "\n", s->total[i].name, s->total[i].value);
        s->total[i].saved = s->total[i].value;
    }
    if (fclose(f) != 0)
        return -1;
    return rename(tmp, s->path);
}

/* Whole or not at all: the file is replaced. */
static inline int soak_save(struct soak *s)
{
    if (!s->path[0])
        return 0;
    int lock = soak_lock(s);
    if (lock < 0)
        return -1;
    soak_merge(s);
    int rc = soak_write(s);
    close(lock);
    return rc;
}

#endif
