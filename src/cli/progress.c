/* SPDX-License-Identifier: Apache-2.0 */
/* progress.c - how far a call is, on standard error.
 *
 * On a terminal: one line that is written over, with a bar where the total is known, the rate and the time left. Elsewhere: nothing but
 * log lines when asked for (--verbose), so that a cron mail stays short. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define BAR 24

struct progress {
    bool terminal, verbose, shown;
    char phase[32];
    struct timespec began, last;
    uint64_t first;
};

static double seconds_since(const struct timespec *t)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - t->tv_sec) + (double)(now.tv_nsec - t->tv_nsec) / 1e9;
}

struct progress *progress_new(bool quiet, bool verbose, bool no_color)
{
    struct progress *p = calloc(1, sizeof *p);
    const char *term = getenv("TERM");

    (void)no_color;
    if (!p)
        return NULL;
    p->terminal = !quiet && isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    p->verbose = verbose;
    return p;
}

void progress_free(struct progress *p)
{
    if (p)
        progress_clear(p);
    free(p);
}

void progress_clear(struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}

static void draw_bar(char out[BAR * 3 + 1], uint64_t done, uint64_t total)
{
    const size_t full = total ? (size_t)((double)done * BAR / (double)total) : 0;

    for (size_t i = 0; i < BAR; i++)
        memcpy(out + 3 * i, i < full ? "█" : "░", 3); /* three bytes each in UTF-8 */
    out[3 * BAR] = '\0';
}

static void draw(struct progress *p, uint64_t done, uint64_t total)
{
    const double spent = seconds_since(&p->began);
    const double rate = spent > 0 ? (double)(done - p->first) / spent : 0;
    char bar[BAR * 3 + 1], n[32], of[32], r[32];

    fputs("\r\033[K", stderr);
    if (total > 0 && done <= total) {
        const double left = rate > 0 ? (double)(total - done) / rate : 0;

        draw_bar(bar, done, total);
        fprintf(stderr, "%-12s %s %3.0f %%  %s of %s  %s/s  %.0f s left", p->phase, bar,
                100.0 * (double)done / (double)total, grouped(done, n), grouped(total, of),
                grouped((uint64_t)rate, r), left);
    } else {
        fprintf(stderr, "%-12s %s records  %s/s", p->phase, grouped(done, n),
                grouped((uint64_t)rate, r));
    }
    fflush(stderr);
    p->shown = true;
}

static void on_progress(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    struct progress *p = ctx;

    if (!p->terminal)
        return;
    if (strcmp(p->phase, phase) != 0) {
        snprintf(p->phase, sizeof p->phase, "%s", phase);
        clock_gettime(CLOCK_MONOTONIC, &p->began);
        p->first = done;
    } else if (p->shown && seconds_since(&p->last) < 0.1) {
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &p->last);
    draw(p, done, total);
}

static void on_log(void *ctx, int level, const char *line)
{
    static const char *const words[] = {"debug", "info", "warning", "error"};
    struct progress *p = ctx;

    if (!p->verbose && level < 2)
        return;
    if (!p->verbose && level == 3)
        return; /* the command's own message says it */
    progress_clear(p);
    fprintf(stderr, "%s: %s\n", words[level < 0 || level > 3 ? 3 : level], line);
}

struct lockstep_listener progress_listener(struct progress *p)
{
    return (struct lockstep_listener){p, on_progress, on_log};
}
