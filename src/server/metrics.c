/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c - figures for Prometheus.
 *
 * Requests are counted with atomics, a row for each route: no lock is taken on the way of a request. Routes that were never called have no samples, so that a
 * scrape stays small. */
#include "server/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "model/decimal.h"

/* ---- the format ---- */

void ls_metric_family(struct ls_buf *out, const char *name, const char *type, const char *help)
{
    ls_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Backslash, quote and line feed are escaped; other control characters would be fine with Prometheus and not with terminals. */
static void add_label_value(struct ls_buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            ls_buf_char(out, '\\');
        if (*text == '\n')
            ls_buf_text(out, "\\n");
        else
            ls_buf_char(out, (unsigned char)*text < 0x20 ? ' ' : *text);
    }
}

static void add_number(struct ls_buf *out, double value)
{
    if (isinf(value))
        ls_buf_text(out, value > 0 ? "+Inf" : "-Inf");
    else if (isnan(value))
        ls_buf_text(out, "NaN");
    else if (value == floor(value) && fabs(value) < 9e15)
        ls_buf_i64(out, (int64_t)value);
    else
        ls_decimal_from_double(out, value, 53);
}

void ls_metric_sample(struct ls_buf *out, const char *name, const char *suffix,
                      const char *const *labels, double value)
{
    ls_buf_printf(out, "%s%s", name, suffix);
    for (size_t i = 0; labels && labels[i]; i += 2) {
        ls_buf_printf(out, "%c%s=\"", i ? ',' : '{', labels[i]);
        add_label_value(out, labels[i + 1]);
        ls_buf_char(out, '"');
    }
    ls_buf_text(out, labels && labels[0] ? "} " : " ");
    add_number(out, value);
    ls_buf_char(out, '\n');
}

void ls_metric_one(struct ls_buf *out, const char *name, const char *type, const char *help,
                   double value)
{
    ls_metric_family(out, name, type, help);
    ls_metric_sample(out, name, "", NULL, value);
}

/* ---- the process ---- */

static double count_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    double n = 0;

    while (folder && readdir(folder))
        n++;
    if (folder)
        (void)closedir(folder);
    return n > 3 ? n - 3 : 0; /* ".", ".." and the folder itself */
}

/* Pages: all, and those in memory. */
static void count_pages(double *ret_all, double *ret_resident)
{
    char text[200] = "";
    FILE *f = fopen("/proc/self/statm", "re");
    char *end;

    *ret_all = *ret_resident = 0;
    if (f && fgets(text, sizeof text, f)) {
        *ret_all = (double)strtoull(text, &end, 10);
        *ret_resident = (double)strtoull(end, NULL, 10);
    }
    if (f)
        (void)fclose(f);
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

void ls_metrics_process(struct ls_buf *out)
{
    const double page = (double)sysconf(_SC_PAGESIZE);
    struct rusage usage = {0};
    struct rlimit files = {0};
    double all, resident;

    (void)getrusage(RUSAGE_SELF, &usage);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    count_pages(&all, &resident);
    ls_metric_one(out, "process_cpu_seconds_total", "counter",
                  "Total user and system CPU time spent in seconds.",
                  seconds(usage.ru_utime) + seconds(usage.ru_stime));
    ls_metric_one(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
                  resident * page);
    ls_metric_one(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.",
                  all * page);
    ls_metric_one(out, "process_open_fds", "gauge", "Number of open file descriptors.",
                  count_files());
    ls_metric_one(out, "process_max_fds", "gauge", "Maximum number of open file descriptors.",
                  (double)files.rlim_cur);
}

/* ---- requests ---- */

/* Upper bounds in seconds; the last is without bound. */
static const double bounds[] = {0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60};
#define BOUNDS (sizeof bounds / sizeof *bounds)

struct row {
    const struct ls_route *route; /* NULL: none */
    _Atomic uint64_t classes[6];  /* by the first digit of the status; 0: gone */
    _Atomic uint64_t buckets[BOUNDS + 1];
    _Atomic uint64_t sum_us;
};

struct ls_metrics {
    size_t count;
    struct row *rows; /* the first: no route */
};

struct ls_metrics *ls_metrics_new(const struct ls_route_table *const *tables, size_t count)
{
    struct ls_metrics *m = calloc(1, sizeof *m);
    size_t n = 1;

    for (size_t t = 0; t < count; t++)
        n += tables[t]->count;
    if (m)
        m->rows = calloc(n, sizeof *m->rows);
    if (!m || !m->rows) {
        free(m);
        return NULL;
    }
    m->count = 1;
    for (size_t t = 0; t < count; t++)
        for (size_t i = 0; i < tables[t]->count; i++)
            m->rows[m->count++].route = &tables[t]->routes[i];
    return m;
}

void ls_metrics_free(struct ls_metrics *metrics)
{
    if (!metrics)
        return;
    free(metrics->rows);
    free(metrics);
}

static struct row *row_of(struct ls_metrics *m, const struct ls_route *route)
{
    for (size_t i = 1; i < m->count; i++)
        if (m->rows[i].route == route)
            return &m->rows[i];
    return &m->rows[0];
}

void ls_metrics_request(struct ls_metrics *metrics, const struct ls_route *route, int status,
                        int64_t duration_us)
{
    struct row *row = row_of(metrics, route);
    size_t b = 0;

    while (b < BOUNDS && (double)duration_us > bounds[b] * 1e6)
        b++;
    atomic_fetch_add(&row->classes[status >= 100 && status < 600 ? status / 100 : 0], 1);
    atomic_fetch_add(&row->buckets[b], 1);
    atomic_fetch_add(&row->sum_us, (uint64_t)(duration_us > 0 ? duration_us : 0));
}

static bool was_called(const struct row *row)
{
    for (size_t i = 0; i < 6; i++)
        if (atomic_load(&row->classes[i]))
            return true;
    return false;
}

static void write_counts(const struct row *row, struct ls_buf *out)
{
    static const char *const classes[] = {"gone", "1xx", "2xx", "3xx", "4xx", "5xx"};

    for (size_t c = 0; c < 6; c++) {
        const uint64_t n = atomic_load(&row->classes[c]);
        const char *labels[] = {"method", row->route ? row->route->method : "",
                                "route",  row->route ? row->route->path : "",
                                "status", classes[c],
                                NULL};

        if (n)
            ls_metric_sample(out, "lockstep_http_requests_total", "", labels, (double)n);
    }
}

static void write_durations(const struct row *row, struct ls_buf *out)
{
    static const char name[] = "lockstep_http_request_duration_seconds";
    const char *labels[] = {"method", row->route ? row->route->method : "",
                            "route",  row->route ? row->route->path : "",
                            "le",     NULL,
                            NULL};
    const char *bare[] = {labels[0], labels[1], labels[2], labels[3], NULL};
    uint64_t n = 0;

    for (size_t b = 0; b <= BOUNDS; b++) {
        struct ls_buf bound;

        ls_buf_init(&bound, 0);
        add_number(&bound, b < BOUNDS ? bounds[b] : INFINITY);
        labels[5] = bound.failed ? "" : ls_buf_str(&bound);
        n += atomic_load(&row->buckets[b]);
        ls_metric_sample(out, name, "_bucket", labels, (double)n);
        ls_buf_done(&bound);
    }
    ls_metric_sample(out, name, "_sum", bare, (double)atomic_load(&row->sum_us) / 1e6);
    ls_metric_sample(out, name, "_count", bare, (double)n);
}

void ls_metrics_requests(struct ls_metrics *metrics, struct ls_buf *out)
{
    ls_metric_family(out, "lockstep_http_requests_total", "counter",
                     "Requests that were answered, by route and class of status.");
    for (size_t i = 0; i < metrics->count; i++)
        write_counts(&metrics->rows[i], out);
    ls_metric_family(out, "lockstep_http_request_duration_seconds", "histogram",
                     "Time from the head of a request to the end of its answer.");
    for (size_t i = 0; i < metrics->count; i++)
        if (was_called(&metrics->rows[i]))
            write_durations(&metrics->rows[i], out);
}
