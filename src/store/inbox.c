/* SPDX-License-Identifier: Apache-2.0 */
/* inbox.c - which messages have taken effect in an SQL database, noted where they took it.
 *
 * Two tables of ours, made when the first message comes: schema lockstep on PostgreSQL, prefix lockstep_ on SQLite. `inbox` has a row for each message
 * that took effect and what became of it; `versions` one for each record that messages were about, with the time of the newest. Both are
 * written in the transaction that changes the records, so that a message and its effect are there together or not at all.
 *
 * Everything that could race ends at a unique key: of two sessions with the same message, or with messages about the same record, the second
 * waits in its INSERT until the first has committed, and then sees what that did. So versions are written before the records, and always in
 * the order that the caller gives.
 *
 * A role that may not make tables needs them made for it (docs/receivers.md); it is asked for nothing more once they are there. Rows of
 * `inbox` go when their messages are old; those of `versions` stay, as long as there may be a late message about the record. */
#include "store/inbox.h"

#include "base/clock.h"

#define LOCK_KEY "7813586342486894961" /* beside that of the state's migrations */

static bool on_postgres(const struct ls_sql *db)
{
    return ls_sql_dialect(db) == LS_POSTGRES;
}

/* Runs a statement that changes. */
static enum ls_code change(struct ls_sql *db, const char *sql, const struct ls_value *params,
                           size_t count, int64_t *ret_changes, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_sql_prepare(db, sql, &stmt, err);

    if (rc == LS_OK)
        rc = ls_sql_change(stmt, params, count, ret_changes, err);
    ls_sql_finish(stmt);
    return rc;
}

static enum ls_code has_row(struct ls_sql *db, const char *sql, bool *ret, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_sql_one(db, sql, NULL, 0, &stmt, ret, err);

    ls_sql_finish(stmt);
    return rc;
}

static enum ls_code has_tables(struct ls_sql *db, bool *ret, struct ls_error *err)
{
    return has_row(db,
                   on_postgres(db)
                       ? "SELECT 1 WHERE to_regclass('lockstep.versions') IS NOT NULL AND "
                         "to_regclass('lockstep.inbox') IS NOT NULL"
                       : "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = "
                         "'lockstep_versions'",
                   ret, err);
}

static enum ls_code make_on_postgres(struct ls_sql *db, struct ls_error *err)
{
    bool there = false;
    enum ls_code rc = ls_sql_exec(db, "SELECT pg_advisory_xact_lock(" LOCK_KEY ")", err);

    /* CREATE SCHEMA IF NOT EXISTS asks for a right on the database even when the schema exists. */
    if (rc == LS_OK)
        rc = has_row(db, "SELECT 1 FROM pg_namespace WHERE nspname = 'lockstep'", &there, err);
    if (rc == LS_OK && !there)
        rc = ls_sql_exec(db, "CREATE SCHEMA lockstep", err);
    if (rc == LS_OK)
        rc = ls_sql_exec(db,
                         "CREATE TABLE IF NOT EXISTS lockstep.inbox (receiver text NOT NULL, id "
                         "text NOT NULL, noted_us bigint NOT NULL, outcome text NOT NULL, PRIMARY "
                         "KEY (receiver, id)); "
                         "CREATE TABLE IF NOT EXISTS lockstep.versions (record text NOT NULL "
                         "PRIMARY KEY, at_us bigint NOT NULL)",
                         err);
    return rc;
}

static enum ls_code make_tables(struct ls_sql *db, struct ls_error *err)
{
    bool there = false;
    enum ls_code rc = has_tables(db, &there, err);

    if (rc != LS_OK || there)
        return rc;
    rc = on_postgres(db)
             ? make_on_postgres(db, err)
             : ls_sql_exec(db,
                           "CREATE TABLE IF NOT EXISTS main.lockstep_inbox (receiver TEXT NOT "
                           "NULL, id TEXT NOT NULL, noted_us INTEGER NOT NULL, outcome TEXT NOT "
                           "NULL, PRIMARY KEY (receiver, id)) WITHOUT ROWID; "
                           "CREATE TABLE IF NOT EXISTS main.lockstep_versions (record TEXT NOT "
                           "NULL PRIMARY KEY, at_us INTEGER NOT NULL) WITHOUT ROWID",
                           err);
    return rc == LS_OK
               ? rc
               : ls_error_wrap(err, "lockstep's own tables for messages cannot be made (%s)",
                               ls_sql_identity(db));
}

static enum ls_code read_outcome(struct ls_sql *db, const struct ls_note *note,
                                 struct ls_arena *mem, const char **ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(note->receiver), ls_value_text(note->id)};
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;
    enum ls_code rc = ls_sql_one(
        db,
        on_postgres(db) ? "SELECT outcome FROM lockstep.inbox WHERE receiver = ? AND id = ?"
                        : "SELECT outcome FROM main.lockstep_inbox WHERE receiver = ? AND id = ?",
        params, 2, &stmt, &row, err);

    if (rc == LS_OK && row && !(*ret = ls_arena_text(mem, ls_sql_text(stmt, 0, NULL))))
        rc = ls_error_nomem(err);
    ls_sql_finish(stmt);
    return rc;
}

enum ls_code ls_inbox_note(struct ls_sql *db, const struct ls_note *note, struct ls_arena *mem,
                           const char **ret_known, bool *ret_stale, struct ls_error *err)
{
    const struct ls_value row[] = {ls_value_text(note->receiver), ls_value_text(note->id),
                                   ls_value_int(ls_clock_now_us())};
    int64_t changes = 0;
    enum ls_code rc = make_tables(db, err);

    *ret_known = NULL;
    if (rc == LS_OK)
        rc = change(db,
                    on_postgres(db)
                        ? "INSERT INTO lockstep.inbox (receiver, id, noted_us, outcome) VALUES (?, "
                          "?, ?, '') ON CONFLICT DO NOTHING"
                        : "INSERT INTO main.lockstep_inbox (receiver, id, noted_us, outcome) "
                          "VALUES (?, ?, ?, '') ON CONFLICT DO NOTHING",
                    row, 3, &changes, err);
    if (rc == LS_OK && changes == 0)
        return read_outcome(db, note, mem, ret_known, err);
    for (size_t i = 0; i < note->record_count && rc == LS_OK; i++) {
        const struct ls_value version[] = {ls_value_text(note->records[i]),
                                           ls_value_int(note->at_us)};

        rc = change(db,
                    on_postgres(db)
                        ? "INSERT INTO lockstep.versions AS v (record, at_us) VALUES (?, ?) ON "
                          "CONFLICT (record) DO UPDATE SET at_us = excluded.at_us WHERE v.at_us <= "
                          "excluded.at_us"
                        : "INSERT INTO main.lockstep_versions AS v (record, at_us) VALUES (?, ?) "
                          "ON CONFLICT (record) DO UPDATE SET at_us = excluded.at_us WHERE v.at_us "
                          "<= excluded.at_us",
                    version, 2, &changes, err);
        ret_stale[i] = changes == 0;
    }
    return rc;
}

enum ls_code ls_inbox_outcome(struct ls_sql *db, const struct ls_note *note, const char *outcome,
                              struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(outcome), ls_value_text(note->receiver),
                                      ls_value_text(note->id)};

    return change(db,
                  on_postgres(db)
                      ? "UPDATE lockstep.inbox SET outcome = ? WHERE receiver = ? AND id = ?"
                      : "UPDATE main.lockstep_inbox SET outcome = ? WHERE receiver = ? AND id = ?",
                  params, 3, NULL, err);
}

enum ls_code ls_inbox_forget(struct ls_sql *db, int64_t before_us, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(before_us)};
    bool there = false;
    enum ls_code rc = has_tables(db, &there, err);

    if (rc != LS_OK || !there)
        return rc;
    return change(db,
                  on_postgres(db) ? "DELETE FROM lockstep.inbox WHERE noted_us < ?"
                                  : "DELETE FROM main.lockstep_inbox WHERE noted_us < ?",
                  params, 1, NULL, err);
}
