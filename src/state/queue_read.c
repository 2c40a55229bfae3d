/* SPDX-License-Identifier: Apache-2.0 */
/* queue_read.c - looking at the queue: events, deliveries, attempts, counts. */
#include <string.h>

#include "base/text.h"
#include "state/queue_priv.h"

enum ls_code ls_queue_get_event(struct ls_sql_stmt *stmt, int first, struct ls_arena *mem,
                                struct ls_event *ret, struct ls_error *err)
{
    const void *data = ls_sql_bytes(stmt, first + 7, &ret->data_size);

    ret->seq = ls_sql_i64(stmt, first);
    ret->data = ls_arena_copy(mem, data ? data : "", ret->data_size);
    ret->id = ls_state_text(stmt, first + 1, mem);
    ret->type = ls_state_text(stmt, first + 2, mem);
    ret->resource_type = ls_state_text(stmt, first + 3, mem);
    ret->resource_id = ls_state_text(stmt, first + 4, mem);
    ret->at_us = ls_sql_i64(stmt, first + 5);
    ret->accepted_us = ls_sql_i64(stmt, first + 6);
    ret->options = ls_state_text(stmt, first + 8, mem);
    if (!ret->data || !ret->id || !ret->type || !ret->resource_type || !ret->resource_id ||
        !ret->options)
        return ls_error_nomem(err);
    if (ls_sql_i64(stmt, first + 9) != ls_queue_checksum(ret))
        return ls_state_damaged(err, "event %lld (%.60s) does not fit its checksum",
                                (long long)ret->seq, ret->id);
    return LS_OK;
}

/* ---- filters ---- */

void ls_queue_condition(struct ls_queue_condition *c, const char *head)
{
    c->count = 0;
    ls_buf_init(&c->sql, 0);
    ls_buf_text(&c->sql, head);
    ls_buf_text(&c->sql, " WHERE 1 = 1");
}

static void add(struct ls_queue_condition *c, const char *text, struct ls_value param)
{
    ls_buf_text(&c->sql, text);
    c->params[c->count++] = param;
}

/* Which states, as a list of numbers; the partial indexes are found by the comparison beside it. */
static void add_states(struct ls_queue_condition *c, unsigned states)
{
    const char *comma = "";

    ls_buf_text(&c->sql, " AND d.state IN (");
    for (int s = 0; s < LS_DELIVERY_STATE_COUNT; s++)
        if (states & 1u << s) {
            ls_buf_printf(&c->sql, "%s%d", comma, s);
            comma = ", ";
        }
    ls_buf_text(&c->sql, *comma ? ")" : "-1)");
    if (states == 1u << LS_DELIVERY_DEAD)
        ls_buf_text(&c->sql, " AND d.state = 4");
}

static void add_type(struct ls_queue_condition *c, const char *type)
{
    const size_t length = strlen(type);

    if (length > 0 && type[length - 1] == '*') {
        add(c, " AND substr(e.type, 1, CAST(? AS integer)) = ", ls_value_int((int64_t)length - 1));
        add(c, "?", ls_value_data(LS_T_TEXT, type, length - 1));
    } else {
        add(c, " AND e.type = ?", ls_value_text(type));
    }
}

void ls_queue_where(struct ls_queue_condition *c, const struct ls_queue_filter *f, bool deliveries)
{
    if (f->event)
        add(c, " AND e.seq = ?", ls_value_int(f->event));
    if (f->before_seq)
        add(c, " AND e.seq < ?", ls_value_int(f->before_seq));
    if (f->type)
        add_type(c, f->type);
    if (f->resource_id)
        add(c, " AND e.resource_id = ?", ls_value_text(f->resource_id));
    if (f->before_us)
        add(c, " AND e.accepted_us < ?", ls_value_int(f->before_us));
    if (f->after_us)
        add(c, " AND e.accepted_us >= ?", ls_value_int(f->after_us));
    if (!deliveries && (f->states || f->endpoint))
        ls_buf_text(&c->sql, " AND EXISTS (SELECT 1 FROM {schema}deliveries d WHERE d.event = "
                             "e.seq");
    if (f->endpoint)
        add(c, " AND d.endpoint = ?", ls_value_int(f->endpoint));
    if (f->states)
        add_states(c, f->states);
    if (f->done_before_us && deliveries)
        add(c, " AND d.done_us < ?", ls_value_int(f->done_before_us));
    if (f->failed && (deliveries || f->states || f->endpoint))
        ls_buf_text(&c->sql, " AND d.attempts > 0");
    if (!deliveries && (f->states || f->endpoint))
        ls_buf_char(&c->sql, ')');
}

enum ls_code ls_queue_select(struct ls_state *state, struct ls_queue_condition *c, const char *tail,
                             size_t max, struct ls_sql_stmt **ret, struct ls_error *err)
{
    enum ls_code rc;

    add(c, tail, ls_value_int((int64_t)max));
    rc = c->sql.failed ? ls_error_nomem(err)
                       : ls_state_query(state, ls_buf_str(&c->sql), c->params, c->count, ret, err);
    ls_buf_done(&c->sql);
    return rc;
}

enum ls_code ls_queue_version(struct ls_state *state, int64_t *ret, struct ls_error *err)
{
    const enum ls_code rc =
        ls_state_number(state,
                        ls_sql_dialect(state->db) == LS_POSTGRES
                            ? "SELECT CAST(sum(seq) AS bigint) FROM {schema}heads WHERE name IN "
                              "('events', 'endpoints')"
                            : "PRAGMA data_version",
                        NULL, 0, 0, ret, err);

    return ls_state_result(state, rc, err);
}

/* ---- events ---- */

enum ls_code ls_queue_event(struct ls_state *state, const char *id, struct ls_arena *mem,
                            struct ls_event *ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(id)};
    struct ls_sql_stmt *stmt = NULL;
    int64_t seq = 0;
    enum ls_code rc = ls_state_row(
        state, "SELECT " LS_QUEUE_EVENT_COLUMNS " FROM {schema}events e WHERE e.id = ?", params, 1,
        &stmt, err);

    if (rc == LS_OK && !stmt && ls_text_to_i64(id, strlen(id), &seq))
        rc = ls_state_row(state,
                          "SELECT " LS_QUEUE_EVENT_COLUMNS " FROM {schema}events e WHERE e.seq = ?",
                          (const struct ls_value[]){ls_value_int(seq)}, 1, &stmt, err);
    if (rc == LS_OK && !stmt)
        rc = ls_error_set(err, LS_NOT_FOUND, "there is no event with the id or the number %.100s",
                          id);
    if (rc == LS_OK)
        rc = ls_queue_get_event(stmt, 0, mem, ret, err);
    ls_sql_finish(stmt);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_queue_events(struct ls_state *state, const struct ls_queue_filter *f, size_t max,
                             struct ls_arena *mem, size_t *ret_count, struct ls_event **ret,
                             struct ls_error *err)
{
    struct ls_queue_condition c;
    struct ls_sql_stmt *stmt = NULL;
    struct ls_event *found = ls_arena_array(mem, max, sizeof *found);
    bool more = true;
    enum ls_code rc;

    if (!found)
        return ls_error_nomem(err);
    ls_queue_condition(&c, "SELECT " LS_QUEUE_EVENT_COLUMNS " FROM {schema}events e");
    ls_queue_where(&c, f, false);
    rc = ls_queue_select(state, &c, " ORDER BY e.seq DESC LIMIT ?", max, &stmt, err);
    *ret_count = 0;
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more)
        rc = ls_queue_get_event(stmt, 0, mem, &found[(*ret_count)++], err);
    ls_sql_finish(stmt);
    *ret = found;
    return ls_state_result(state, rc, err);
}

/* ---- deliveries ---- */

#define DELIVERIES_MAX 4096 /* endpoints of one event */

enum ls_code ls_queue_deliveries(struct ls_state *state, int64_t event, struct ls_arena *mem,
                                 size_t *ret_count, struct ls_delivery_row **ret,
                                 struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(event), ls_value_int(DELIVERIES_MAX)};
    struct ls_sql_stmt *stmt = NULL;
    int64_t count = 0;
    bool more = true;
    enum ls_code rc =
        ls_state_number(state, "SELECT count(*) FROM {schema}deliveries WHERE event = ?", params, 1,
                        0, &count, err);

    *ret_count = 0;
    if (rc == LS_OK && !(*ret = ls_arena_array(mem, (size_t)count, sizeof **ret)))
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = ls_state_query(state,
                            "SELECT endpoint, state, due_us, token, attempts, done_us, reason FROM "
                            "{schema}deliveries WHERE event = ? ORDER BY endpoint LIMIT ?",
                            params, 2, &stmt, err);
    while (rc == LS_OK && *ret_count < (size_t)count &&
           (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        struct ls_delivery_row *row = &(*ret)[(*ret_count)++];
        const int64_t number = ls_sql_i64(stmt, 1);

        *row = (struct ls_delivery_row){event,
                                        ls_sql_i64(stmt, 0),
                                        (enum ls_delivery_state)number,
                                        ls_sql_i64(stmt, 2),
                                        ls_sql_i64(stmt, 3),
                                        ls_sql_i64(stmt, 4),
                                        ls_sql_i64(stmt, 5),
                                        ls_state_text(stmt, 6, mem)};
        if (!row->reason)
            rc = ls_error_nomem(err);
        else if (number < 0 || number >= LS_DELIVERY_STATE_COUNT)
            rc = ls_state_damaged(err, "a delivery of event %lld has a state that there is not",
                                  (long long)event);
    }
    ls_sql_finish(stmt);
    return ls_state_result(state, rc, err);
}

#define ATTEMPTS_MAX 1000 /* that are shown of a delivery */

static enum ls_code get_attempt(struct ls_sql_stmt *stmt, struct ls_arena *mem,
                                struct ls_attempt *ret, struct ls_error *err)
{
    size_t size = 0;
    const void *answer = ls_sql_bytes(stmt, 5, &size);

    *ret = (struct ls_attempt){.at_us = ls_sql_i64(stmt, 0),
                               .duration_us = ls_sql_i64(stmt, 1),
                               .status = (int)ls_sql_i64(stmt, 2),
                               .address = ls_state_text(stmt, 3, mem),
                               .error = ls_state_text(stmt, 4, mem),
                               .head = ls_state_text(stmt, 6, mem),
                               .answer = ls_arena_copy(mem, answer ? answer : "", size),
                               .answer_size = size};
    return ret->address && ret->error && ret->answer && ret->head ? LS_OK : ls_error_nomem(err);
}

enum ls_code ls_queue_attempts(struct ls_state *state, int64_t event, int64_t endpoint,
                               struct ls_arena *mem, size_t *ret_count, struct ls_attempt **ret,
                               struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(event), ls_value_int(endpoint),
                                      ls_value_int(ATTEMPTS_MAX)};
    struct ls_sql_stmt *stmt = NULL;
    struct ls_attempt *found = ls_arena_array(mem, ATTEMPTS_MAX, sizeof *found);
    bool more = true;
    enum ls_code rc =
        !found
            ? ls_error_nomem(err)
            : ls_state_query(state,
                             "SELECT at_us, duration_us, status, address, error, answer, head FROM "
                             "{schema}attempts WHERE event = ? AND endpoint = ? "
                             "ORDER BY number LIMIT ?",
                             params, 3, &stmt, err);

    *ret_count = 0;
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        rc = get_attempt(stmt, mem, &found[*ret_count], err);
        found[*ret_count].number = (int64_t)*ret_count + 1;
        ++*ret_count;
    }
    ls_sql_finish(stmt);
    *ret = found;
    return ls_state_result(state, rc, err);
}

/* A position is the event's number and, in its lower bits, the try's. */
#define NUMBER_BITS 16
#define NUMBER_MAX ((INT64_C(1) << NUMBER_BITS) - 1)

static enum ls_code get_attempt_row(struct ls_sql_stmt *stmt, struct ls_arena *mem,
                                    struct ls_attempt_row *ret, struct ls_error *err)
{
    *ret = (struct ls_attempt_row){
        .position = ls_sql_i64(stmt, 0) << NUMBER_BITS | (ls_sql_i64(stmt, 1) & NUMBER_MAX),
        .event = ls_state_text(stmt, 2, mem),
        .type = ls_state_text(stmt, 3, mem),
        .attempt = {.number = ls_sql_i64(stmt, 1),
                    .at_us = ls_sql_i64(stmt, 4),
                    .duration_us = ls_sql_i64(stmt, 5),
                    .status = (int)ls_sql_i64(stmt, 6),
                    .address = ls_state_text(stmt, 7, mem),
                    .error = ls_state_text(stmt, 8, mem)},
    };
    return ret->event && ret->type && ret->attempt.address && ret->attempt.error
               ? LS_OK
               : ls_error_nomem(err);
}

/* Walks the key backwards, past the tries of other endpoints: it needs no index of its own, which every try would have to pay for. */
enum ls_code ls_queue_endpoint_attempts(struct ls_state *state, int64_t endpoint, int64_t before,
                                        size_t max, struct ls_arena *mem, size_t *ret_count,
                                        struct ls_attempt_row **ret, struct ls_error *err)
{
    const int64_t from = before ? before : INT64_MAX;
    const struct ls_value params[] = {ls_value_int(endpoint), ls_value_int(from >> NUMBER_BITS),
                                      ls_value_int(from >> NUMBER_BITS),
                                      ls_value_int(from & NUMBER_MAX), ls_value_int((int64_t)max)};
    struct ls_sql_stmt *stmt = NULL;
    struct ls_attempt_row *found = ls_arena_array(mem, max, sizeof *found);
    bool more = true;
    enum ls_code rc =
        !found ? ls_error_nomem(err)
               : ls_state_query(
                     state,
                     "SELECT a.event, a.number, e.id, e.type, a.at_us, a.duration_us, a.status, "
                     "a.address, a.error FROM {schema}attempts a JOIN {schema}events e ON e.seq = "
                     "a.event WHERE a.endpoint = ? AND a.event <= ? AND (a.event < ? OR a.number < "
                     "?) ORDER BY a.event DESC, a.number DESC LIMIT ?",
                     params, 5, &stmt, err);

    *ret_count = 0;
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more)
        rc = get_attempt_row(stmt, mem, &found[(*ret_count)++], err);
    ls_sql_finish(stmt);
    *ret = found;
    return ls_state_result(state, rc, err);
}

/* ---- resources ---- */

#define RESOURCE_ROWS 64 /* the newest deliveries of it: more than there are endpoints, as a rule */

static enum ls_code is_on_its_way(struct ls_state *state, int64_t resource, bool *ret,
                                  struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(resource)};
    int64_t found = 0;
    const enum ls_code rc = ls_state_number(state,
                                            "SELECT 1 FROM {schema}deliveries WHERE resource = ? "
                                            "AND resource <> 0 AND state < 3 LIMIT 1",
                                            params, 1, 0, &found, err);

    *ret = found == 1;
    return rc;
}

/* Of those that have ended. */
static enum ls_code how_it_ended(struct ls_state *state, int64_t resource, enum ls_sync_status *ret,
                                 int64_t *ret_synced_us, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(resource), ls_value_int(RESOURCE_ROWS)};
    struct ls_sql_stmt *stmt = NULL;
    int64_t newest = 0;
    bool more = true;
    enum ls_code rc = ls_state_query(
        state,
        "SELECT event, state, done_us FROM {schema}deliveries WHERE resource = ? AND resource <> 0 "
        "AND state > 2 ORDER BY event DESC LIMIT ?",
        params, 2, &stmt, err);

    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        const int64_t event = ls_sql_i64(stmt, 0), is = ls_sql_i64(stmt, 1);
        const int64_t done_us = ls_sql_i64(stmt, 2);

        if (is == LS_DELIVERY_DISCARDED)
            continue; /* somebody decided that it does not count */
        newest = newest ? newest : event;
        if (is == LS_DELIVERY_DELIVERED && done_us > *ret_synced_us)
            *ret_synced_us = done_us;
        if (event == newest && *ret != LS_SYNC_FAILED)
            *ret = is == LS_DELIVERY_DEAD ? LS_SYNC_FAILED : LS_SYNC_SYNCED;
    }
    ls_sql_finish(stmt);
    return rc;
}

/* What ends between the two looks is found by the second. */
enum ls_code ls_queue_sync_status(struct ls_state *state, const char *type, const char *id,
                                  enum ls_sync_status *ret, int64_t *ret_synced_us,
                                  struct ls_error *err)
{
    const int64_t resource = ls_queue_resource(type, id);
    bool pending = false;
    enum ls_code rc = is_on_its_way(state, resource, &pending, err);

    *ret = LS_SYNC_UNKNOWN;
    *ret_synced_us = 0;
    if (rc == LS_OK)
        rc = how_it_ended(state, resource, ret, ret_synced_us, err);
    if (pending)
        *ret = LS_SYNC_PENDING;
    return ls_state_result(state, rc, err);
}

/* ---- counts ---- */

static enum ls_code count_states(struct ls_state *state, int64_t endpoint,
                                 struct ls_queue_stats *ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(endpoint), ls_value_int(endpoint)};
    struct ls_sql_stmt *stmt = NULL;
    bool more = true;
    enum ls_code rc = ls_state_query(
        state,
        "SELECT state, CASE WHEN attempts > 0 THEN 1 ELSE 0 END AS failed, count(*) FROM "
        "{schema}deliveries WHERE state IN (0, 1, 2, 4) AND (CAST(? AS {bigint}) = 0 OR endpoint = "
        "?) GROUP BY 1, 2",
        params, 2, &stmt, err);

    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        int64_t *const counts[] = {
            ls_sql_i64(stmt, 1) ? &ret->failed : &ret->pending,
            &ret->processing,
            &ret->waiting,
            &ret->pending,
            &ret->dead,
        };
        const int64_t number = ls_sql_i64(stmt, 0);

        if (number >= 0 && number < (int64_t)(sizeof counts / sizeof *counts))
            *counts[number] += ls_sql_i64(stmt, 2);
    }
    ls_sql_finish(stmt);
    return rc;
}

enum ls_code ls_queue_stats(struct ls_state *state, int64_t endpoint, struct ls_queue_stats *ret,
                            struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(endpoint), ls_value_int(endpoint)};
    enum ls_code rc;

    *ret = (struct ls_queue_stats){0};
    rc = count_states(state, endpoint, ret, err);
    if (rc == LS_OK)
        rc = ls_state_number(
            state,
            "SELECT accepted_us FROM {schema}events WHERE seq = (SELECT min(event) FROM "
            "{schema}deliveries WHERE state IN (0, 1, 2) AND (CAST(? AS {bigint}) = 0 OR endpoint "
            "= ?))",
            params, 2, 0, &ret->oldest_us, err);
    return ls_state_result(state, rc, err);
}
