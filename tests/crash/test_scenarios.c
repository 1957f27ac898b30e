/* test_scenarios.c - every scenario without any fault: what the sweeps over power cuts, kills and failures take for granted.
 *
 * usage: test_scenarios [-l] [SCENARIO...]   -l: one line each, with the calls of cubby.h that it makes and that change a store */
#include <stdio.h>
#include <string.h>

#include "crash/scenario.h"
#include "crash/sim_disk.h"

static int same_twice(const struct scenario *sc, const struct oracle *o, char *why, size_t size)
{
    struct sim *sim = sim_new(7);
    struct play p;
    play_begin(&p, sc, o, sim_vfs(sim), 7);
    play_setup(&p);
    play_run(&p);
    play_end(&p);
    int rc = p.rc ? -1 : play_check(&p, sim_vfs(sim), CHECK_FULL | CHECK_KILLED, why, size);
    if (p.rc)
        snprintf(why, size, "the second time: %s: %d %s %s", p.step, p.rc, p.error.message, p.wrong);
    sim_free(&sim);
    return rc;
}

static int run(const struct scenario *sc, int list)
{
    char why[2048] = "";
    play_calls_reset();
    struct oracle *o = oracle_record(sc, 7, why, sizeof why);
    if (list) {
        printf("%s: %s\n", sc->name, play_calls());
    } else if (!o || same_twice(sc, o, why, sizeof why) != 0) {
        printf("not ok - scenarios/%s: %s\n", sc->name, why);
        oracle_free(&o);
        return 1;
    } else {
        printf("ok - scenarios/%s: %d commits\n", sc->name, o->commits);
    }
    oracle_free(&o);
    return 0;
}

int main(int argc, char **argv)
{
    size_t count;
    const struct scenario *all = scenario_table(&count);
    int list = argc > 1 && strcmp(argv[1], "-l") == 0, failed = 0;
    for (size_t i = 0; argc - list == 1 && i < count; i++)
        failed |= run(&all[i], list);
    for (int i = 1 + list; i < argc; i++) {
        const struct scenario *sc = scenario_find(argv[i]);
        if (!sc) {
            printf("not ok - scenarios/%s: there is none of that name\n", argv[i]);
            return 1;
        }
        failed |= run(sc, list);
    }
    return failed;
}
