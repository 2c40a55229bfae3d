/* SPDX-License-Identifier: Apache-2.0 */
/* messages.c - rows of messages beside the queue. What stands in them is src/event's to know. */
#include "state/messages.h"

#include <string.h>

#include "state/queue_priv.h"

/* ---- signing keys ---- */

enum ls_code ls_signing_key_row(struct ls_state *state, const char *slot, struct ls_arena *mem,
                                const void **ret, size_t *ret_size, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(slot)};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_state_row(state, "SELECT sealed FROM {schema}signing_keys WHERE slot = ?",
                                   params, 1, &stmt, err);

    *ret = NULL;
    *ret_size = 0;
    if (rc == LS_OK && stmt) {
        const void *sealed = ls_sql_bytes(stmt, 0, ret_size);

        *ret = ls_arena_copy(mem, sealed ? sealed : "", *ret_size);
        rc = *ret ? LS_OK : ls_error_nomem(err);
    }
    ls_sql_finish(stmt);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_signing_key_save(struct ls_queue_tx *tx, const char *slot, const void *sealed,
                                 size_t size, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(slot), ls_value_data(LS_T_BYTES, sealed, size),
                                      ls_value_int(tx->now_us)};
    const enum ls_code rc = ls_state_change(
        tx->state,
        "INSERT INTO {schema}signing_keys (slot, sealed, made_us) VALUES (?, ?, ?) ON CONFLICT "
        "(slot) DO UPDATE SET sealed = excluded.sealed, made_us = excluded.made_us",
        params, 3, 1, err);

    return ls_state_result(tx->state, rc, err);
}

/* ---- ids ---- */

static enum ls_code holder_of(struct ls_queue_tx *tx, const struct ls_value *hash,
                              struct ls_arena *mem, const char **ret, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_state_row(
        tx->state, "SELECT message FROM {schema}message_ids WHERE hash = ?", hash, 1, &stmt, err);

    if (rc == LS_OK && !stmt)
        rc = ls_state_damaged(err, "a message's id is in an index and not in its table");
    if (rc == LS_OK && !(*ret = ls_state_text(stmt, 0, mem)))
        rc = ls_error_nomem(err);
    ls_sql_finish(stmt);
    return rc;
}

enum ls_code ls_message_claim_id(struct ls_queue_tx *tx, const unsigned char hash[LS_SECRET_HASH],
                                 const char *message, int64_t until_us, struct ls_arena *mem,
                                 const char **ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_data(LS_T_BYTES, hash, LS_SECRET_HASH),
                                      ls_value_text(message), ls_value_int(until_us),
                                      ls_value_int(tx->now_us)};
    int64_t changed = 0;
    enum ls_code rc = ls_state_count_change(
        tx->state,
        "INSERT INTO {schema}message_ids AS m (hash, message, until_us) VALUES (?, ?, ?) ON "
        "CONFLICT "
        "(hash) DO UPDATE SET message = excluded.message, until_us = excluded.until_us WHERE "
        "m.until_us <= ?",
        params, 4, &changed, err);

    *ret = NULL;
    if (rc == LS_OK && changed == 0)
        rc = holder_of(tx, params, mem, ret, err);
    return ls_state_result(tx->state, rc, err);
}

enum ls_code ls_message_ids_prune(struct ls_queue_tx *tx, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(tx->now_us)};
    const enum ls_code rc = ls_state_change(
        tx->state, "DELETE FROM {schema}message_ids WHERE until_us <= ?", params, 1, -1, err);

    return ls_state_result(tx->state, rc, err);
}

/* ---- lanes ---- */

#define HOUR_US (INT64_C(3600) * 1000000)

enum ls_code ls_endpoint_touch(struct ls_queue_tx *tx, int64_t number, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(tx->now_us), ls_value_int(number),
                                      ls_value_int(tx->now_us - HOUR_US)};
    const enum ls_code rc = ls_state_change(
        tx->state,
        "UPDATE {schema}endpoints SET updated_us = ? WHERE number = ? AND updated_us < ?", params,
        3, -1, err);

    return ls_state_result(tx->state, rc, err);
}

enum ls_code ls_endpoints_forget(struct ls_queue_tx *tx, const char *prefix, int64_t before_us,
                                 int64_t max, int64_t *ret_count, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int((int64_t)strlen(prefix)), ls_value_text(prefix),
                                      ls_value_int(before_us), ls_value_int(max)};
    enum ls_code rc = ls_queue_lock(tx, err); /* or something may be accepted for one that goes */

    *ret_count = 0;
    if (rc == LS_OK)
        rc = ls_state_count_change(
            tx->state,
            "DELETE FROM {schema}endpoints WHERE number IN (SELECT e.number FROM {schema}endpoints "
            "e "
            "WHERE e.origin = 'message' AND substr(e.name, 1, CAST(? AS integer)) = ? AND "
            "e.updated_us < ? AND e.paused = 0 AND NOT EXISTS (SELECT 1 FROM {schema}deliveries d "
            "WHERE d.endpoint = e.number AND d.state < 2) ORDER BY e.number LIMIT ?)",
            params, 4, ret_count, err);

    return ls_state_result(tx->state, rc, err);
}

enum ls_code ls_endpoints_count(struct ls_state *state, int64_t *ret, struct ls_error *err)
{
    const enum ls_code rc =
        ls_state_number(state, "SELECT count(*) FROM {schema}endpoints", NULL, 0, 0, ret, err);

    return ls_state_result(state, rc, err);
}

/* ---- URL groups ---- */

#define GROUPS_MAX 4096

static enum ls_code get_group(struct ls_sql_stmt *stmt, struct ls_arena *mem,
                              struct ls_url_group_row *ret, struct ls_error *err)
{
    *ret = (struct ls_url_group_row){.name = ls_state_text(stmt, 0, mem),
                                     .endpoints = ls_state_text(stmt, 1, mem),
                                     .created_us = ls_sql_i64(stmt, 2),
                                     .updated_us = ls_sql_i64(stmt, 3)};
    return ret->name && ret->endpoints ? LS_OK : ls_error_nomem(err);
}

enum ls_code ls_url_group_rows(struct ls_state *state, const char *name, struct ls_arena *mem,
                               size_t *ret_count, struct ls_url_group_row **ret,
                               struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(name ? name : ""),
                                      ls_value_int(name ? 1 : GROUPS_MAX)};
    struct ls_sql_stmt *stmt = NULL;
    size_t room = 0;
    bool more = true;
    enum ls_code rc = ls_state_query(
        state,
        name ? "SELECT name, endpoints, created_us, updated_us FROM {schema}url_groups WHERE name "
               "= ? LIMIT ?"
             : "SELECT name, endpoints, created_us, updated_us FROM {schema}url_groups WHERE name "
               ">= ? ORDER BY name LIMIT ?",
        params, 2, &stmt, err);

    *ret = NULL;
    *ret_count = 0;
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        *ret = ls_state_grow(mem, *ret, *ret_count, &room, sizeof **ret);
        rc = *ret ? get_group(stmt, mem, &(*ret)[(*ret_count)++], err) : ls_error_nomem(err);
    }
    ls_sql_finish(stmt);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_url_group_save(struct ls_queue_tx *tx, const char *name, const char *endpoints,
                               struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(name), ls_value_text(endpoints),
                                      ls_value_int(tx->now_us), ls_value_int(tx->now_us)};
    const enum ls_code rc = ls_state_change(
        tx->state,
        "INSERT INTO {schema}url_groups (name, endpoints, created_us, updated_us) VALUES (?, ?, ?, "
        "?) ON CONFLICT (name) DO UPDATE SET endpoints = excluded.endpoints, updated_us = "
        "excluded.updated_us",
        params, 4, 1, err);

    return ls_state_result(tx->state, rc, err);
}

enum ls_code ls_url_group_remove(struct ls_queue_tx *tx, const char *name, bool *ret_found,
                                 struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(name)};
    int64_t removed = 0;
    const enum ls_code rc = ls_state_count_change(
        tx->state, "DELETE FROM {schema}url_groups WHERE name = ?", params, 1, &removed, err);

    *ret_found = removed != 0;
    return ls_state_result(tx->state, rc, err);
}
