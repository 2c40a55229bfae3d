/* SPDX-License-Identifier: Apache-2.0 */
/* origin.c - who writes, or when that happened, told to the triggers of an outbox.
 *
 * On PostgreSQL two settings that last as long as the transaction: no role needs a right for them, and a pooler has nothing to carry from one client to the next.
 *
 * SQLite has no settings that a trigger of the database could read, and its temporary tables are not seen by one. So it is a row of a table beside the
 * outbox, written first and removed last in the transaction that it is about. That transaction holds the file's write lock, so nobody else's triggers run while
 * the row is there, and no commit leaves it behind; who dies before the commit leaves nothing at all. */
#include "store/origin.h"

static enum ls_code run(struct ls_sql *db, const char *sql, const struct ls_value *params,
                        size_t count, bool *ret_row, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    const enum ls_code rc = ls_sql_one(db, sql, params, count, &stmt, ret_row, err);

    ls_sql_finish(stmt);
    return rc;
}

static enum ls_code change(struct ls_sql *db, const char *sql, const struct ls_value *params,
                           size_t count, struct ls_error *err)
{
    bool there = false;
    enum ls_code rc = run(db,
                          "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = "
                          "'" LS_ORIGIN_TABLE "'",
                          NULL, 0, &there, err);
    struct ls_sql_stmt *stmt = NULL;

    if (rc != LS_OK || !there)
        return rc;
    rc = ls_sql_prepare(db, sql, &stmt, err);
    if (rc == LS_OK)
        rc = ls_sql_change(stmt, params, count, NULL, err);
    ls_sql_finish(stmt);
    return rc;
}

enum ls_code ls_origin_set(struct ls_sql *db, const char *origin, const char *happened,
                           struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(origin ? origin : ""),
                                      ls_value_text(happened ? happened : "")};
    bool row = false;

    if (!origin && !happened)
        return LS_OK;
    if (ls_sql_dialect(db) == LS_POSTGRES)
        return run(db,
                   "SELECT set_config('" LS_ORIGIN_SETTING "', ?, true), "
                   "set_config('" LS_ORIGIN_TIME "', ?, true)",
                   params, 2, &row, err);
    return change(db, "INSERT INTO main." LS_ORIGIN_TABLE " (origin, at) VALUES (?, ?)", params, 2,
                  err);
}

enum ls_code ls_origin_unset(struct ls_sql *db, struct ls_error *err)
{
    if (ls_sql_dialect(db) == LS_POSTGRES)
        return LS_OK; /* it ends with the transaction */
    return change(db, "DELETE FROM main." LS_ORIGIN_TABLE, NULL, 0, err);
}
