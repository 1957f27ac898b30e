/* The progress bar. */
#include "cli.h"

#include <inttypes.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

/* The bar that is on the terminal now. Messages, which wipe it, come from other threads, too. */
static struct cli_bar *shown;
static int held; /* the terminal is somebody else's */
static pthread_mutex_t drawing = PTHREAD_MUTEX_INITIALIZER;

enum { REDRAW_MS = 100, FIRST_MS = 300, BAR_WIDTH = 24 };

int64_t cli_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void cli_bar_begin(struct cli_bar *bar, const char *what, int unit)
{
    int on = cli.progress == CLI_PROGRESS_ALWAYS || (cli.progress == CLI_PROGRESS_AUTO && !cli.quiet && isatty(STDERR_FILENO));
    *bar = (struct cli_bar){.what = what, .unit = unit, .on = on, .start_ms = cli_now_ms()};
    /* Short work shows nothing, unless asked for. */
    bar->last_ms = cli.progress == CLI_PROGRESS_ALWAYS ? 0 : bar->start_ms + FIRST_MS - REDRAW_MS;
}

static void amount(int unit, uint64_t v, char *buf, size_t n)
{
    if (unit == CLI_BYTES)
        text_size(v, buf, n);
    else
        snprintf(buf, n, "%" PRIu64, v);
}

static void draw(const struct cli_bar *bar, uint64_t done, uint64_t total, int64_t now)
{
    char bars[BAR_WIDTH + 1], have[24], all[24], rate[24], left[24];
    double seconds = (double)(now - bar->start_ms) / 1000;
    double per_second = seconds > 0.001 ? (double)done / seconds : 0;
    amount(bar->unit, done, have, sizeof have);
    amount(bar->unit, (uint64_t)per_second, rate, sizeof rate);
    if (total == 0) {
        fprintf(stderr, "\r%s %s, %s/s\x1b[K", bar->what, have, rate);
        return;
    }
    double share = done >= total ? 1 : (double)done / (double)total;
    for (int i = 0; i < BAR_WIDTH; i++)
        bars[i] = i < (int)(share * BAR_WIDTH) ? '#' : '.';
    bars[BAR_WIDTH] = 0;
    amount(bar->unit, total, all, sizeof all);
    double eta = per_second > 0 && done < total ? (double)(total - done) / per_second : 0;
    text_duration(eta < 1e9 ? (uint64_t)eta : 1000000000, left, sizeof left);
    fprintf(stderr, "\r%s [%s] %3d%% %s of %s, %s/s, %s left\x1b[K", bar->what, bars, (int)(share * 100), have, all, rate, left);
}

int cli_bar_update(void *arg, uint64_t done, uint64_t total)
{
    struct cli_bar *bar = arg;
    if (bar->on && (done || total)) { /* neither: somebody else's lock is waited for */
        int64_t now = cli_now_ms();
        pthread_mutex_lock(&drawing);
        if (!held && now - bar->last_ms >= REDRAW_MS) {
            draw(bar, done, total, now);
            bar->last_ms = now;
            bar->drawn = 1;
            shown = bar;
        }
        pthread_mutex_unlock(&drawing);
    }
    return cli_interrupted != 0;
}

static void wipe(struct cli_bar *bar)
{
    if (!bar)
        bar = shown;
    if (bar && bar->drawn)
        fputs("\r\x1b[K", stderr);
    if (bar)
        bar->drawn = 0;
    if (bar == shown)
        shown = NULL;
}

void cli_bar_clear(struct cli_bar *bar)
{
    pthread_mutex_lock(&drawing);
    wipe(bar);
    pthread_mutex_unlock(&drawing);
}

void cli_bar_hold(int on)
{
    pthread_mutex_lock(&drawing);
    wipe(NULL);
    held = on;
    pthread_mutex_unlock(&drawing);
}
