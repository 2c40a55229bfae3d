/* SPDX-License-Identifier: Apache-2.0 */
/* endpoints.c - where deliveries go: rows of the state. What the settings in them mean is src/event's to know. */
#include <string.h>

#include "state/messages.h"
#include "state/queue_priv.h"

#define ENDPOINTS_MAX 4096
#define ENDPOINT_COLUMNS                                                                    \
    "number, name, origin, url, settings, secrets, paused, disabled, breaker, created_us, " \
    "updated_us"

static enum ls_code get_row(struct ls_sql_stmt *stmt, struct ls_arena *mem,
                            struct ls_endpoint_row *ret, struct ls_error *err)
{
    size_t size = 0;
    const void *secrets = ls_sql_bytes(stmt, 5, &size);

    *ret = (struct ls_endpoint_row){
        .number = ls_sql_i64(stmt, 0),
        .name = ls_state_text(stmt, 1, mem),
        .origin = ls_state_text(stmt, 2, mem),
        .url = ls_state_text(stmt, 3, mem),
        .settings = ls_state_text(stmt, 4, mem),
        .secrets = ls_arena_copy(mem, secrets ? secrets : "", size),
        .secrets_size = size,
        .paused = ls_sql_i64(stmt, 6) != 0,
        .disabled = ls_state_text(stmt, 7, mem),
        .breaker = ls_state_text(stmt, 8, mem),
        .created_us = ls_sql_i64(stmt, 9),
        .updated_us = ls_sql_i64(stmt, 10),
    };
    return ret->name && ret->origin && ret->url && ret->settings && ret->secrets && ret->disabled &&
                   ret->breaker
               ? LS_OK
               : ls_error_nomem(err);
}

enum ls_code ls_endpoint_rows(struct ls_state *state, struct ls_arena *mem, size_t *ret_count,
                              struct ls_endpoint_row **ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(ENDPOINTS_MAX)};
    struct ls_sql_stmt *stmt = NULL;
    int64_t count = 0;
    bool more = true;
    enum ls_code rc =
        ls_state_number(state, "SELECT count(*) FROM {schema}endpoints", NULL, 0, 0, &count, err);

    *ret_count = 0;
    if (rc == LS_OK && !(*ret = ls_arena_array(mem, (size_t)count, sizeof **ret)))
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = ls_state_query(state,
                            "SELECT " ENDPOINT_COLUMNS " FROM {schema}endpoints ORDER BY number "
                            "LIMIT ?",
                            params, 1, &stmt, err);
    while (rc == LS_OK && *ret_count < (size_t)count &&
           (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more)
        rc = get_row(stmt, mem, &(*ret)[(*ret_count)++], err);
    ls_sql_finish(stmt);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_endpoint_row_named(struct ls_state *state, const char *name, struct ls_arena *mem,
                                   struct ls_endpoint_row *ret, bool *ret_found,
                                   struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(name)};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc =
        ls_state_row(state, "SELECT " ENDPOINT_COLUMNS " FROM {schema}endpoints WHERE name = ?",
                     params, 1, &stmt, err);

    *ret_found = rc == LS_OK && stmt;
    if (*ret_found)
        rc = get_row(stmt, mem, ret, err);
    ls_sql_finish(stmt);
    return ls_state_result(state, rc, err);
}

/* ---- their version ---- */

/* The head of the endpoints counts on with every change, and gives new ones their numbers: so none is used twice. The head of the events is
 * locked before it, always (queue.c). */
static enum ls_code count_on(struct ls_queue_tx *tx, int64_t *ret, struct ls_error *err)
{
    struct ls_head head;
    enum ls_code rc = ls_queue_lock(tx, err);

    if (rc == LS_OK)
        rc = ls_state_head(tx->state, "endpoints", true, &head, err);
    if (rc != LS_OK)
        return rc;
    *ret = ++head.seq;
    tx->moved = true;
    tx->endpoints = *ret + 1;
    return ls_state_head_save(tx->state, "endpoints", &head, err);
}

enum ls_code ls_endpoints_lock(struct ls_queue_tx *tx, struct ls_error *err)
{
    int64_t number;

    return tx->moved ? LS_OK : ls_state_result(tx->state, count_on(tx, &number, err), err);
}

enum ls_code ls_endpoints_version(struct ls_queue_tx *tx, int64_t *ret, struct ls_error *err)
{
    struct ls_head head;
    enum ls_code rc = LS_OK;

    if (tx->endpoints == 0) {
        rc = ls_state_head(tx->state, "endpoints", false, &head, err);
        if (rc == LS_OK)
            tx->endpoints = head.seq + 1;
    }
    *ret = tx->endpoints - 1;
    return ls_state_result(tx->state, rc, err);
}

/* ---- changing ---- */

static enum ls_code insert(struct ls_queue_tx *tx, const struct ls_endpoint_row *row,
                           struct ls_error *err)
{
    const struct ls_value params[] = {
        ls_value_int(row->number),
        ls_value_text(row->name),
        ls_value_text(row->origin),
        ls_value_text(row->url),
        ls_value_text(row->settings),
        ls_value_data(LS_T_BYTES, row->secrets ? row->secrets : "", row->secrets_size),
        ls_value_int(row->paused),
        ls_value_text(row->disabled),
        ls_value_text(row->breaker),
        ls_value_int(row->created_us),
        ls_value_int(row->updated_us),
    };
    int64_t inserted = 0;
    const enum ls_code rc = ls_state_count_change(
        tx->state,
        "INSERT INTO {schema}endpoints (number, name, origin, url, settings, secrets, paused, "
        "disabled, breaker, created_us, updated_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (name) DO NOTHING",
        params, 11, &inserted, err);

    if (rc == LS_OK && inserted == 0)
        return ls_error_set(err, LS_CONSTRAINT, "there is an endpoint named %.100s already",
                            row->name);
    return rc;
}

static enum ls_code update(struct ls_queue_tx *tx, const struct ls_endpoint_row *row,
                           struct ls_error *err)
{
    const struct ls_value params[] = {
        ls_value_text(row->origin),
        ls_value_text(row->url),
        ls_value_text(row->settings),
        ls_value_data(LS_T_BYTES, row->secrets ? row->secrets : "", row->secrets_size),
        ls_value_int(row->paused),
        ls_value_text(row->disabled),
        ls_value_text(row->breaker),
        ls_value_int(row->updated_us),
        ls_value_int(row->number),
    };
    int64_t changed = 0;
    const enum ls_code rc = ls_state_count_change(
        tx->state,
        "UPDATE {schema}endpoints SET origin = ?, url = ?, settings = ?, secrets = ?, paused = ?, "
        "disabled = ?, breaker = ?, updated_us = ? WHERE number = ?",
        params, 9, &changed, err);

    if (rc == LS_OK && changed == 0)
        return ls_error_set(err, LS_NOT_FOUND, "there is no endpoint %lld any more",
                            (long long)row->number);
    return rc;
}

enum ls_code ls_endpoint_save(struct ls_queue_tx *tx, struct ls_endpoint_row *row,
                              struct ls_error *err)
{
    struct ls_endpoint_row made;
    enum ls_code rc;

    row->updated_us = tx->now_us;
    if (row->number) {
        rc = ls_endpoints_lock(tx, err);
        return rc == LS_OK ? ls_state_result(tx->state, update(tx, row, err), err) : rc;
    }
    made = *row;
    made.created_us = tx->now_us;
    rc = count_on(tx, &made.number, err);
    if (rc == LS_OK)
        rc = insert(tx, &made, err);
    if (rc == LS_OK)
        *row = made;
    return ls_state_result(tx->state, rc, err);
}

enum ls_code ls_endpoint_note(struct ls_queue_tx *tx, int64_t number, const char *breaker,
                              const char *disabled, struct ls_error *err)
{
    const struct ls_value noted[] = {ls_value_text(breaker), ls_value_int(number)};
    const struct ls_value ended[] = {ls_value_text(breaker),
                                     ls_value_text(disabled ? disabled : ""), ls_value_int(number)};
    enum ls_code rc = disabled ? ls_endpoints_lock(tx, err) : LS_OK;

    if (rc == LS_OK)
        rc = disabled
                 ? ls_state_change(
                       tx->state,
                       "UPDATE {schema}endpoints SET breaker = ?, disabled = ? WHERE number = ?",
                       ended, 3, -1, err)
                 : ls_state_change(tx->state,
                                   "UPDATE {schema}endpoints SET breaker = ? WHERE number = ?",
                                   noted, 2, -1, err);

    return ls_state_result(tx->state, rc, err);
}

enum ls_code ls_endpoint_busy(struct ls_state *state, int64_t number, bool *ret,
                              struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(number)};
    int64_t busy = 0;
    const enum ls_code rc = ls_state_number(
        state,
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM {schema}deliveries WHERE endpoint = ? AND state < "
        "2) THEN 1 ELSE 0 END",
        params, 1, 0, &busy, err);

    *ret = busy != 0;
    return ls_state_result(state, rc, err);
}

/* Whatever is on its way to it, a row or a million, ends in one statement: nothing of its resources waits for anything else. */
enum ls_code ls_endpoint_remove(struct ls_queue_tx *tx, int64_t number, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(tx->now_us), ls_value_int(number)};
    int64_t removed = 0;
    enum ls_code rc = ls_endpoints_lock(tx, err);

    if (rc == LS_OK)
        rc = ls_state_change(
            tx->state,
            "UPDATE {schema}deliveries SET state = 5, due_us = 0, done_us = ?, token = token + 1, "
            "reason = 'the endpoint was removed' WHERE endpoint = ? AND state IN (0, 1, 2)",
            params, 2, -1, err);
    if (rc == LS_OK)
        rc = ls_state_count_change(tx->state, "DELETE FROM {schema}endpoints WHERE number = ?",
                                   &params[1], 1, &removed, err);
    if (rc == LS_OK && removed == 0)
        rc = ls_error_set(err, LS_NOT_FOUND, "there is no endpoint %lld", (long long)number);
    return ls_state_result(tx->state, rc, err);
}
