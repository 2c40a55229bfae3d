/* SPDX-License-Identifier: Apache-2.0 */
/* progress.c - how far a call is, on standard error.
 *
 * On a terminal: one line that is written over, with a bar where the total is known, the rate and the time left; never wider than
 * the terminal, or it could not be taken away again. Elsewhere: nothing but log lines when asked for (--verbose), so that a
 * cron mail stays short. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define BAR 24   /* cells, at most */
#define PHASE 12 /* columns: the longest word is verification */

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

struct progress *progress_new(bool quiet, bool verbose)
{
    struct progress *p = calloc(1, sizeof *p);
    const char *term = getenv("TERM");

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

/* Three bytes a cell in UTF-8; size has room for them. */
static void draw_bar(char *out, size_t cells, uint64_t done, uint64_t total)
{
    const size_t full = total ? (size_t)((double)done * (double)cells / (double)total) : 0;

    for (size_t i = 0; i < cells; i++)
        memcpy(out + 3 * i, i < full ? "█" : "░", 3);
    out[3 * cells] = '\0';
}

/* "  1,234/s"; "" as long as it is not known. */
static const char *rate_text(double rate, char out[40])
{
    char n[32];

    out[0] = '\0';
    if (rate >= 1)
        snprintf(out, 40, "  %s/s", grouped((uint64_t)rate, n));
    return out;
}

/* With a total: a bar as wide as the line has room for, or none. */
static void draw_share(const struct progress *p, uint64_t done, uint64_t total, double rate)
{
    const double left = rate > 0 ? (double)(total - done) / rate : 0;
    char bar[BAR * 3 + 1] = "", text[200], n[32], of[32], time[32] = "", speed[40];
    const size_t width = terminal_width(STDERR_FILENO);
    size_t used, cells;

    if (rate > 0)
        duration(1000 * ((int64_t)left + 1), time);
    snprintf(text, sizeof text, "%3.0f %%  %s of %s%s%s%s%s", 100.0 * (double)done / (double)total,
             grouped(done, n), grouped(total, of), rate_text(rate, speed), *time ? "  " : "", time,
             *time ? " left" : "");
    used = PHASE + 2 + strlen(text) + 1; /* a last column that is full would wrap */
    cells = width > used ? width - used : 0;
    cells = cells > BAR ? BAR : cells;
    if (cells >= 5)
        draw_bar(bar, cells, done, total);
    fprintf(stderr, "%-*s %s%s%.*s", PHASE, p->phase, bar, *bar ? " " : "",
            (int)(width > PHASE + 2 ? width - PHASE - 2 : 0), text);
}

static void draw(struct progress *p, uint64_t done, uint64_t total)
{
    const double spent = seconds_since(&p->began);
    const double rate = spent > 0.2 ? (double)(done - p->first) / spent : 0;
    char n[32], speed[40];

    fputs("\r\033[K", stderr);
    if (total > 0 && done <= total)
        draw_share(p, done, total, rate);
    else
        fprintf(stderr, "%-*s %s records%s", PHASE, p->phase, grouped(done, n),
                rate_text(rate, speed));
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

    if (!p->verbose && level == 1)
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
