/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h - figures for Prometheus: the text format 0.0.4, and what the server counts by itself.
 *
 * Figures are gathered when they are asked for: whoever has some writes them with the functions below. A family is begun once, its samples follow. */
#ifndef LS_SERVER_METRICS_H
#define LS_SERVER_METRICS_H

#include "base/buf.h"
#include "server/route.h"

/* type: counter, gauge, histogram. Names of counters end in _total. */
void ls_metric_family(struct ls_buf *out, const char *name, const char *type, const char *help);
/* A sample. labels: NULL, or pairs of name and value, ended by NULL; suffix: "" or _sum, _count, _bucket. */
void ls_metric_sample(struct ls_buf *out, const char *name, const char *suffix,
                      const char *const *labels, double value);
/* A family of one sample without labels. */
void ls_metric_one(struct ls_buf *out, const char *name, const char *type, const char *help,
                   double value);
/* The process: processor time, memory, open files, start. */
void ls_metrics_process(struct ls_buf *out);

/* Requests by route and outcome. Any thread. */
struct ls_metrics;
struct ls_metrics *ls_metrics_new(const struct ls_route_table *const *tables, size_t count);
void ls_metrics_free(struct ls_metrics *metrics);
/* route NULL: of a path that is not there. status 0: the caller went before the answer. */
void ls_metrics_request(struct ls_metrics *metrics, const struct ls_route *route, int status,
                        int64_t duration_us);
/* Writes them. */
void ls_metrics_requests(struct ls_metrics *metrics, struct ls_buf *out);

#endif
