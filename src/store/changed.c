/* SPDX-License-Identifier: Apache-2.0 */
/* changed.c - when an application last changed a record, held against a change that comes from elsewhere.
 *
 * The triggers of an outbox note it of each record (src/event/outbox.c): `lockstep.outbox_times` on PostgreSQL, `lockstep_outbox_times` in SQLite, a row a record with
 * the time and the id of its last event. What is applied from elsewhere is noted there too, with its own time and no id, so that the application's next change of that record
 * is later than it whatever the clocks say. Of two changes at the same millisecond the one with the greater id counts, which both sides see alike.
 *
 * On PostgreSQL a function does it that belongs to whoever installed the outbox: the role that applies needs no rights on the table. What names a record there is made by the same
 * conversion as in the trigger, from a record of the table's own types. Where there is no outbox, or one of an earlier version, nothing is known and nothing newer. */
#include "store/changed.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "model/json.h"

#define ON_POSTGRES                                                                        \
    "SELECT 1 FROM pg_trigger WHERE tgname = 'lockstep_outbox' AND tgrelid = ?::regclass " \
    "AND EXISTS (SELECT 1 FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "   \
    "WHERE n.nspname = 'lockstep' AND p.proname = 'outbox_time')"
#define ON_SQLITE                                                                        \
    "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = "                  \
    "'lockstep_outbox_times' AND EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = " \
    "'trigger' AND tbl_name = ? AND substr(name, 1, 16) = 'lockstep_outbox_')"

static bool on_postgres(const struct ls_sql *db)
{
    return ls_sql_dialect(db) == LS_POSTGRES;
}

/* The table as the database writes it: quoted on PostgreSQL, as it is in SQLite. */
static enum ls_code table_of(struct ls_sql *db, const struct ls_news *c, struct ls_arena *mem,
                             const char **ret, struct ls_error *err)
{
    const char *schema = NULL;

    if (on_postgres(db))
        return ls_collection_quote(c->schema->collection, mem, ret, err);
    return ls_collection_split(c->schema->collection, mem, &schema, ret, err);
}

static enum ls_code is_noted(struct ls_sql *db, const char *table, bool *ret, struct ls_error *err)
{
    const struct ls_value name = ls_value_text(table);
    struct ls_sql_stmt *stmt = NULL;
    const enum ls_code rc =
        ls_sql_one(db, on_postgres(db) ? ON_POSTGRES : ON_SQLITE, &name, 1, &stmt, ret, err);

    ls_sql_finish(stmt);
    return rc;
}

/* A statement with its values. */
struct ask {
    struct ls_buf sql;
    size_t count;
    struct ls_value *params;
    char at[25];
};

/* The record's name, as the trigger has it. */
static void add_record(struct ask *a, const struct ls_news *c, const char *table)
{
    ls_text_literal(&a->sql, table);
    ls_buf_text(&a->sql, " || ' '");
    for (size_t i = 0; i < c->key_count; i++) {
        ls_buf_printf(&a->sql, "%s || CASE typeof(?%zu) WHEN 'blob' THEN hex(?%zu) ELSE ?%zu END",
                      i ? " || char(31)" : "", a->count + 1, a->count + 1, a->count + 1);
        a->params[a->count++] = c->values[i];
    }
}

static void add_call(struct ask *a, const struct ls_news *c, const char *table, const char *json,
                     bool took)
{
    ls_buf_text(&a->sql, "SELECT 1 FROM jsonb_populate_record(NULL::");
    ls_buf_printf(&a->sql, "%s, ?::jsonb) r WHERE lockstep.outbox_time(?::regclass, ", table);
    for (size_t i = 0; i < c->key_count; i++) {
        ls_buf_text(&a->sql,
                    i ? " || chr(31) || coalesce(to_jsonb(r) ->> " : "coalesce(to_jsonb(r) ->> ");
        ls_text_literal(&a->sql, c->schema->fields[c->key[i]].name);
        ls_buf_text(&a->sql, ", '')");
    }
    ls_buf_printf(&a->sql, ", ?::timestamptz, ?, %s)", took ? "true" : "false");
    a->params[a->count++] = ls_value_text(json);
    a->params[a->count++] = ls_value_text(table);
    a->params[a->count++] = ls_value_text(a->at);
    a->params[a->count++] = ls_value_text(c->id);
}

static enum ls_code write_call(struct ask *a, const struct ls_news *c, const char *table, bool took,
                               struct ls_arena *mem, struct ls_error *err)
{
    struct ls_buf json;
    const char *text;

    ls_buf_init(&json, 0);
    ls_record_to_json(&json, c->schema->fields, c->key, c->values, c->key_count);
    text = json.failed ? NULL : ls_arena_text(mem, ls_buf_str(&json));
    ls_buf_done(&json);
    if (!text)
        return ls_error_nomem(err);
    add_call(a, c, table, text, took);
    return LS_OK;
}

static void write_newer(struct ask *a, const struct ls_news *c, const char *table)
{
    ls_buf_text(&a->sql, "SELECT 1 FROM main.lockstep_outbox_times WHERE record = ");
    add_record(a, c, table);
    ls_buf_printf(&a->sql, " AND (at > ?%zu OR at = ?%zu AND id >= ?%zu)", a->count + 1,
                  a->count + 1, a->count + 2);
    a->params[a->count++] = ls_value_text(a->at);
    a->params[a->count++] = ls_value_text(c->id);
}

static void write_took(struct ask *a, const struct ls_news *c, const char *table)
{
    ls_buf_text(&a->sql, "INSERT INTO main.lockstep_outbox_times AS t (record, at, id) VALUES (");
    add_record(a, c, table);
    ls_buf_printf(&a->sql,
                  ", ?%zu, '') ON CONFLICT (record) DO UPDATE SET at = excluded.at, id = '' WHERE "
                  "t.at <= excluded.at RETURNING 1",
                  a->count + 1);
    a->params[a->count++] = ls_value_text(a->at);
}

/* *ret: it gave a row. */
static enum ls_code put(struct ls_sql *db, const struct ls_news *c, bool took, struct ls_arena *mem,
                        bool *ret, struct ls_error *err)
{
    struct ask a = {.params = ls_arena_array(mem, c->key_count + 4, sizeof *a.params)};
    struct ls_sql_stmt *stmt = NULL;
    const char *table = NULL;
    bool noted = false;
    enum ls_code rc = a.params ? table_of(db, c, mem, &table, err) : ls_error_nomem(err);

    *ret = false;
    if (rc == LS_OK)
        rc = is_noted(db, table, &noted, err);
    if (rc != LS_OK || !noted)
        return rc;
    ls_clock_iso(c->at_us, a.at);
    ls_buf_init(&a.sql, 0);
    if (on_postgres(db))
        rc = write_call(&a, c, table, took, mem, err);
    else if (took)
        write_took(&a, c, table);
    else
        write_newer(&a, c, table);
    if (rc == LS_OK)
        rc = a.sql.failed ? ls_error_nomem(err)
                          : ls_sql_one(db, ls_buf_str(&a.sql), a.params, a.count, &stmt, ret, err);
    ls_sql_finish(stmt);
    ls_buf_done(&a.sql);
    return rc;
}

enum ls_code ls_changed_newer(struct ls_sql *db, const struct ls_news *change, struct ls_arena *mem,
                              bool *ret, struct ls_error *err)
{
    return put(db, change, false, mem, ret, err);
}

enum ls_code ls_changed_took(struct ls_sql *db, const struct ls_news *change, struct ls_arena *mem,
                             struct ls_error *err)
{
    bool row;

    return put(db, change, true, mem, &row, err);
}
