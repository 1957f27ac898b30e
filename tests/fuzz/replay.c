/* replay.c - runs a fuzz target over files, for builds without a fuzzer: fuzz_X FILE-OR-DIRECTORY... A file named crash-WHAT or bug-WHAT is a bug that
 * was found once: a test of its own. Everything else counts as one. Paths are absolute: a target may change its directory. */
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

static const char *target;
static unsigned long inputs;

/* The name of a running input, for a crash. */
static void tell(const char *path)
{
    static char line[1200];
    int n = snprintf(line, sizeof line, "# %s %s\n", target, path);
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1) < 0)
        abort();
}

static void run_file(const char *path, size_t size)
{
    FILE *f = fopen(path, "rb");
    uint8_t *p = malloc(size ? size : 1);
    must(f && p && fread(p, 1, size, f) == size);
    fclose(f);
    if (getenv("FUZZ_VERBOSE"))
        tell(path);
    LLVMFuzzerTestOneInput(p, size);
    free(p);
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    if (!strncmp(name, "crash-", 6) || !strncmp(name, "bug-", 4))
        printf("ok %s %s\n", target, name);
    else
        inputs++;
}

static void run(const char *path)
{
    struct stat st;
    must(stat(path, &st) == 0);
    if (!S_ISDIR(st.st_mode)) {
        run_file(path, (size_t)st.st_size);
        return;
    }
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);
    must(n >= 0);
    for (int i = 0; i < n; i++) {
        char below[1024];
        if (names[i]->d_name[0] != '.') {
            snprintf(below, sizeof below, "%s/%s", path, names[i]->d_name);
            run(below);
        }
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv)
{
    target = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++)
        run(argv[i]);
    printf("ok %s: %lu inputs\n", target, inputs);
    return inputs ? 0 : 1;
}
