/* SPDX-License-Identifier: Apache-2.0 */
/* queue_priv.h - what queue.c and queue_read.c share. */
#ifndef LS_STATE_QUEUE_PRIV_H
#define LS_STATE_QUEUE_PRIV_H

#include "state/queue.h"
#include "state/state_priv.h"

/* As deliveries have it; 0: of none. */
int64_t ls_queue_resource(const char *type, const char *id);
/* Of all columns. */
int64_t ls_queue_checksum(const struct ls_event *e);

#define LS_QUEUE_EVENT_COLUMNS                                                              \
    "e.seq, e.id, e.type, e.resource_type, e.resource_id, e.at_us, e.accepted_us, e.data, " \
    "e.options, e.checksum"
/* Reads these columns, from `first` on; LS_CORRUPT when the checksum does not fit. */
LS_MUST_CHECK enum ls_code ls_queue_get_event(struct ls_sql_stmt *stmt, int first,
                                              struct ls_arena *mem, struct ls_event *ret,
                                              struct ls_error *err);

/* A query that is put together from a filter. */
struct ls_queue_condition {
    struct ls_buf sql;
    struct ls_value params[12];
    size_t count;
};
/* head: up to the WHERE. */
void ls_queue_condition(struct ls_queue_condition *c, const char *head);
/* Adds the filter; deliveries: the query joins them as d. Texts are borrowed until the query has run. */
void ls_queue_where(struct ls_queue_condition *c, const struct ls_queue_filter *f, bool deliveries);
/* Runs it with `tail`, whose one parameter is max. Frees c. */
LS_MUST_CHECK enum ls_code ls_queue_select(struct ls_state *state, struct ls_queue_condition *c,
                                           const char *tail, size_t max, struct ls_sql_stmt **ret,
                                           struct ls_error *err);

#endif
