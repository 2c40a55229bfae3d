/* SPDX-License-Identifier: Apache-2.0 */
/* alerts.c - which alerts were told, and are not over.
 *
 * A row for each alert and channel. Several daemons on one state share them: each tells what it finds, and one that begins takes it that what another has told
 * was told. */
#include "state/alerts.h"

#include "state/state_priv.h"

enum ls_code ls_state_alerts(struct ls_state *state, struct ls_arena *mem, size_t *ret_count,
                             struct ls_alert_row **ret, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    struct ls_alert_row *list = NULL;
    size_t count = 0, room = 0;
    bool more = true;
    enum ls_code rc =
        ls_state_query(state,
                       "SELECT alert, channel, kind, message, critical, since_us, told_us FROM "
                       "{schema}alerts ORDER BY alert, channel",
                       NULL, 0, &stmt, err);

    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        struct ls_alert_row *row;

        list = ls_state_grow(mem, list, count, &room, sizeof *list);
        row = list ? &list[count++] : NULL;
        if (row)
            *row = (struct ls_alert_row){
                .alert = ls_state_text(stmt, 0, mem),
                .channel = ls_state_text(stmt, 1, mem),
                .kind = ls_state_text(stmt, 2, mem),
                .text = ls_state_text(stmt, 3, mem),
                .critical = ls_sql_i64(stmt, 4) != 0,
                .since_us = ls_sql_i64(stmt, 5),
                .told_us = ls_sql_i64(stmt, 6),
            };
        if (!row || !row->alert || !row->channel || !row->kind || !row->text)
            rc = ls_error_nomem(err);
    }
    ls_sql_finish(stmt);
    *ret = list;
    *ret_count = count;
    return ls_state_result(state, rc, err);
}

static enum ls_code save_one(struct ls_state *state, const struct ls_alert_row *row,
                             struct ls_error *err)
{
    const struct ls_value params[] = {
        ls_value_text(row->alert),  ls_value_text(row->channel), ls_value_text(row->kind),
        ls_value_text(row->text),   ls_value_int(row->critical), ls_value_int(row->since_us),
        ls_value_int(row->told_us),
    };

    if (!row->told_us)
        return ls_state_change(state, "DELETE FROM {schema}alerts WHERE alert = ? AND channel = ?",
                               params, 2, -1, err);
    return ls_state_change(
        state,
        "INSERT INTO {schema}alerts (alert, channel, kind, message, critical, since_us, told_us) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (alert, channel) DO UPDATE SET kind = "
        "excluded.kind, message = excluded.message, critical = excluded.critical, since_us = "
        "excluded.since_us, told_us = excluded.told_us",
        params, 7, 1, err);
}

enum ls_code ls_state_alerts_save(struct ls_state *state, const struct ls_alert_row *rows,
                                  size_t count, struct ls_error *err)
{
    enum ls_code rc = ls_state_begin(state, err);

    if (rc != LS_OK)
        return ls_state_result(state, rc, err);
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = save_one(state, &rows[i], err);
    return ls_state_result(state, ls_state_end(state, rc, err), err);
}
