/* SPDX-License-Identifier: Apache-2.0 */
/* migrate.c - brings the state's schema to the version of this program.
 *
 * Migrations are the numbered files of migrations/, built in. Each is applied in a transaction of its own that
 * also notes its number, so that a crash leaves a whole version. Two programs that start at once take turns: on SQLite by
 * the write lock, on PostgreSQL by an advisory lock; the second finds the number noted and goes on.
 *
 * There is no way down. A program that meets a newer version refuses it, because it cannot know what the
 * newer one promises about its tables.
 *
 * A damaged schema is found at each start: on SQLite it is compared as it stands, before anything is migrated (schema.c), on
 * PostgreSQL every table must be there afterwards. Damage in the rows is found when they are read. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "state/migration_files.h"
#include "state/state_priv.h"

static const char *const tables[] = {
    "schema_version",  "heads",         "runs",      "run_lines", "journals",
    "journal_batches", "journal_blobs", "receipts",  "audit",     "events",
    "endpoints",       "deliveries",    "attempts",  "tokens",    "users",
    "sessions",        "setup_links",   "throttles", "schedules", "schedule_firings",
    "received",
};
#define TABLE_COUNT (sizeof tables / sizeof tables[0])

/* The numbered lists, and since which migration. */
static const struct {
    const char *name;
    unsigned migration;
} heads[] = {
    {"runs", 1}, {"receipts", 1}, {"audit", 1}, {"events", 6}, {"endpoints", 6}, {"received", 10},
};
#define HEAD_COUNT (sizeof heads / sizeof heads[0])

/* Any number that no other program locks in this database: the first bytes of "lockstep". */
#define ADVISORY_KEY "7813586342486894960"

static bool on_postgres(const struct ls_state *state)
{
    return ls_sql_dialect(state->db) == LS_POSTGRES;
}

static enum ls_code has_table(struct ls_state *state, const char *name, bool *ret,
                              struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(name)};
    int64_t count = 0;
    enum ls_code rc = ls_state_number(
        state,
        on_postgres(state)
            ? "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
              "ON n.oid = c.relnamespace WHERE n.nspname = 'lockstep' AND c.relkind = 'r' AND "
              "c.relname = ?"
            : "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
        params, 1, 0, &count, err);

    *ret = count > 0;
    return rc;
}

/* 0: no tables yet. Otherwise the numbers are noted without a gap. */
static enum ls_code version_of(struct ls_state *state, int64_t *ret, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    bool there = false;
    enum ls_code rc = has_table(state, "schema_version", &there, err);

    *ret = 0;
    if (rc == LS_OK && there)
        rc = ls_state_row(state,
                          "SELECT max(number), count(*), min(number) FROM {schema}schema_version",
                          NULL, 0, &stmt, err);
    if (stmt) {
        *ret = ls_sql_i64(stmt, 0);
        if (*ret != ls_sql_i64(stmt, 1) || ls_sql_i64(stmt, 2) != 1)
            rc = ls_state_damaged(err, "the version of its tables is not what was written");
    }
    ls_sql_finish(stmt);
    return rc;
}

static enum ls_code refuse_newer(const struct ls_state *state, int64_t version,
                                 struct ls_error *err)
{
    return ls_error_set(err, LS_VERSION,
                        "the state %s was written by a newer lockstep (its schema is version "
                        "%" PRId64 ", this program knows up to %" PRId64
                        "). Use the newer program, or "
                        "name another state with --state",
                        ls_state_where(state), version, (int64_t)ls_migration_file_count);
}

static enum ls_code apply(struct ls_state *state, const struct ls_migration_file *file,
                          struct ls_error *err)
{
    struct ls_buf text;
    const struct ls_value params[] = {ls_value_int(file->number), ls_value_text(file->name),
                                      ls_value_int(ls_clock_now_us())};
    enum ls_code rc;

    ls_buf_init(&text, 0);
    ls_state_expand(state, file->text, &text);
    rc = text.failed ? ls_error_nomem(err) : ls_sql_exec(state->db, ls_buf_str(&text), err);
    ls_buf_done(&text);
    for (size_t i = 0; i < HEAD_COUNT && rc == LS_OK; i++)
        if (heads[i].migration == file->number)
            rc = ls_state_head_new(state, heads[i].name, err);
    if (rc == LS_OK)
        rc = ls_state_change(state,
                             "INSERT INTO {schema}schema_version (number, name, applied_us) "
                             "VALUES (?, ?, ?)",
                             params, 3, 1, err);
    if (rc != LS_OK)
        ls_error_wrap(err, "migration %u (%s)", file->number, file->name);
    return rc;
}

/* CREATE SCHEMA IF NOT EXISTS asks for a right on the database even when the schema exists. */
static enum ls_code make_schema(struct ls_state *state, struct ls_error *err)
{
    int64_t there = 0;
    enum ls_code rc = ls_state_number(
        state, "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = 'lockstep'", NULL, 0,
        0, &there, err);

    if (rc == LS_OK && !there)
        rc = ls_sql_exec(state->db, "CREATE SCHEMA lockstep", err);
    return rc;
}

static enum ls_code step(struct ls_state *state, const struct ls_migration_file *file,
                         struct ls_error *err)
{
    int64_t version = 0;
    enum ls_code rc = ls_sql_begin(state->db, true, err);

    if (rc != LS_OK)
        return rc;
    state->wrote = true;
    if (on_postgres(state)) {
        rc = ls_sql_exec(state->db, "SELECT pg_catalog.pg_advisory_xact_lock(" ADVISORY_KEY ")",
                         err);
        if (rc == LS_OK)
            rc = make_schema(state, err);
    }
    if (rc == LS_OK)
        rc = version_of(state, &version, err);
    if (rc == LS_OK && version < (int64_t)file->number)
        rc = apply(state, file, err);
    return ls_state_end(state, rc, err);
}

/* Ticks off what is there in one query. */
static enum ls_code list_tables(struct ls_state *state, bool there[TABLE_COUNT],
                                struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    bool more = true;
    enum ls_code rc =
        ls_state_query(state,
                       "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
                       "ON n.oid = c.relnamespace WHERE n.nspname = 'lockstep' AND c.relkind = 'r'",
                       NULL, 0, &stmt, err);

    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more)
        for (size_t i = 0; i < TABLE_COUNT; i++)
            if (strcmp(tables[i], ls_sql_text(stmt, 0, NULL)) == 0)
                there[i] = true;
    ls_sql_finish(stmt);
    return rc;
}

static enum ls_code look_at_tables(struct ls_state *state, struct ls_error *err)
{
    bool there[TABLE_COUNT] = {false};
    enum ls_code rc = list_tables(state, there, err);

    for (size_t i = 0; i < TABLE_COUNT && rc == LS_OK; i++)
        if (!there[i])
            rc = ls_state_damaged(err, "its table %s is missing", tables[i]);
    return rc;
}

static enum ls_code look_at_heads(struct ls_state *state, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < HEAD_COUNT && rc == LS_OK; i++) {
        struct ls_head head;

        rc = ls_state_head(state, heads[i].name, false, &head, err);
    }
    return rc;
}

/* The version, and whether the schema is that version's: in one transaction, since another program may be migrating. */
static enum ls_code look_first(struct ls_state *state, int64_t *ret, struct ls_error *err)
{
    enum ls_code rc = on_postgres(state) ? LS_OK : ls_sql_begin(state->db, false, err);

    if (rc == LS_OK && !on_postgres(state))
        rc = ls_state_roots(state, err);
    if (rc == LS_OK)
        rc = version_of(state, ret, err);
    if (rc == LS_OK && *ret > (int64_t)ls_migration_file_count)
        rc = refuse_newer(state, *ret, err);
    if (rc == LS_OK && !on_postgres(state))
        rc = ls_state_schema(state, (size_t)*ret, err);
    ls_sql_rollback(state->db);
    return rc;
}

enum ls_code ls_state_migrate(struct ls_state *state, bool create, struct ls_error *err)
{
    int64_t version = 0;
    enum ls_code rc = look_first(state, &version, err);

    if (rc != LS_OK)
        return rc;
    if (version == 0 && !create && on_postgres(state))
        return ls_error_set(err, LS_NOT_FOUND,
                            "there is no state in %s yet: no run has been made with it",
                            ls_state_where(state));
    for (size_t i = (size_t)version; i < ls_migration_file_count && rc == LS_OK; i++)
        rc = step(state, &ls_migration_files[i], err);
    if (rc == LS_OK && on_postgres(state))
        rc = look_at_tables(state, err);
    return rc == LS_OK ? look_at_heads(state, err) : rc;
}
