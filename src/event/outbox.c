/* SPDX-License-Identifier: Apache-2.0 */
/* outbox.c - events that an application's own transactions write.
 *
 * A trigger writes a row for each record that a statement changes, in the statement's transaction: a change and its event are there together, or neither is. Rows
 * are handed to the queue and removed once they are on disk there. Between the two a process may die; then they are handed in again, with the same ids, which the
 * queue knows. So each becomes an event once, as long as the queue remembers ids.
 *
 * Rows are removed by their numbers and never by a bound: a transaction that commits late has lower numbers than one before it. Of one record the numbers rise with
 * its changes, since whoever changes it holds its lock.
 *
 * Of each record the time of its last event is noted, for what comes from elsewhere (store/changed.c). An event is later than what was noted of its record, by a millisecond
 * where the clock has not come that far: so of one record later changes have later times, also after one that came from a system whose clock is ahead.
 *
 * What lockstep itself writes under a name (store/origin.h) is no event: a message that is applied is known where it came from.
 *
 * What a trigger does may not make the application's statement fail: bytes become hexadecimal digits, and what is no JSON after all is found by whoever reads it.
 * An update that changes nothing is no event. */
#include "event/outbox.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "store/origin.h"

#define TRIGGER "lockstep_outbox"

#define AHEAD \
    "240" /* seconds that a record's time may be ahead of the clock: receivers refuse what is 5 minutes ahead */

/* By dialect. */
static const char *const outbox_name[] = {
    [LS_SQLITE] = "lockstep_outbox", [LS_POSTGRES] = "lockstep.outbox"};

/* What names a record in lockstep.outbox_times: a partition's records are its root's. */
#define NAME_OF(table, key) \
    "coalesce(pg_partition_root(" table ")::oid, " table ")::regclass::text || ' ' || " key
#define NAME_IN_TRIGGER NAME_OF("TG_RELID", "name")
#define NAME_OF_PLACE NAME_OF("place", "key")

static const char postgres_outbox[] =
    "CREATE SCHEMA IF NOT EXISTS lockstep;"
    "CREATE TABLE IF NOT EXISTS lockstep.outbox ("
    "seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
    "id text NOT NULL DEFAULT gen_random_uuid()::text, type text NOT NULL, "
    "resource_type text NOT NULL, resource_id text NOT NULL, data text, "
    "at timestamptz NOT NULL DEFAULT clock_timestamp(), refused text);"
    "CREATE TABLE IF NOT EXISTS lockstep.outbox_times (record text COLLATE \"C\" NOT NULL PRIMARY "
    "KEY, "
    "at timestamptz NOT NULL, id text NOT NULL);"
    /* Owned by whoever installs it, so that the application needs no rights on the outbox. */
    "CREATE OR REPLACE FUNCTION lockstep.outbox() RETURNS trigger LANGUAGE plpgsql "
    "SECURITY DEFINER SET search_path TO pg_catalog SET timezone TO 'UTC' AS $outbox$ "
    "DECLARE kind text; rec jsonb; text_of text; key text := ''; name text := ''; "
    "moment timestamptz := date_trunc('milliseconds', coalesce("
    "nullif(current_setting('" LS_ORIGIN_TIME "', true), '')::timestamptz, clock_timestamp())); "
    "event text := gen_random_uuid()::text; "
    "BEGIN "
    "IF coalesce(current_setting('" LS_ORIGIN_SETTING "', true), '') <> '' THEN RETURN NULL; "
    "END IF; "
    "IF TG_OP = 'DELETE' THEN kind := TG_ARGV[3]; rec := to_jsonb(OLD); "
    "text_of := row_to_json(OLD)::text; "
    "ELSE kind := CASE TG_OP WHEN 'INSERT' THEN TG_ARGV[1] ELSE TG_ARGV[2] END; "
    "rec := to_jsonb(NEW); text_of := row_to_json(NEW)::text; END IF; "
    "IF kind = '' THEN RETURN NULL; END IF; "
    "IF TG_OP = 'UPDATE' THEN IF OLD IS NOT DISTINCT FROM NEW THEN RETURN NULL; END IF; END IF; "
    "FOR i IN 4 .. TG_NARGS - 1 LOOP "
    "key := key || CASE WHEN i > 4 THEN ',' ELSE '' END || coalesce(rec ->> TG_ARGV[i], ''); "
    "name := name || CASE WHEN i > 4 THEN chr(31) ELSE '' END || "
    "coalesce(rec ->> TG_ARGV[i], ''); "
    "END LOOP; "
    "INSERT INTO lockstep.outbox_times AS t (record, at, id) "
    "VALUES (" NAME_IN_TRIGGER ", moment, event) "
    "ON CONFLICT (record) DO UPDATE SET id = excluded.id, at = CASE "
    "WHEN t.at < excluded.at THEN excluded.at WHEN t.at < excluded.at + interval "
    "'" AHEAD " seconds' THEN t.at + interval '1 millisecond' ELSE t.at END RETURNING "
    "t.at INTO moment; "
    "INSERT INTO lockstep.outbox (id, type, resource_type, resource_id, data, at) "
    "VALUES (event, kind, TG_ARGV[0], key, text_of, moment); "
    "RETURN NULL; END $outbox$;";

/* What store/changed.c calls. */
static const char postgres_times[] =
    "CREATE OR REPLACE FUNCTION lockstep.outbox_time(place regclass, key text, "
    "happened timestamptz, event text, took boolean) RETURNS boolean LANGUAGE plpgsql "
    "SECURITY DEFINER SET search_path TO pg_catalog AS $outbox$ "
    "DECLARE name text := " NAME_OF_PLACE "; "
    "BEGIN "
    "IF took THEN INSERT INTO lockstep.outbox_times AS t (record, at, id) "
    "VALUES (name, happened, '') ON CONFLICT (record) DO UPDATE SET at = excluded.at, "
    "id = '' "
    "WHERE t.at <= excluded.at; RETURN true; END IF; "
    "RETURN EXISTS (SELECT FROM lockstep.outbox_times t WHERE t.record = name AND "
    "(t.at > happened OR t.at = happened AND t.id COLLATE \"C\" >= event)); "
    "END $outbox$;";

static const char sqlite_outbox[] =
    "CREATE TABLE IF NOT EXISTS lockstep_outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, "
    "id TEXT NOT NULL DEFAULT (lower(hex(randomblob(16)))), type TEXT NOT NULL, "
    "resource_type TEXT NOT NULL, resource_id TEXT NOT NULL, data TEXT, "
    "at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), refused TEXT);"
    "CREATE TABLE IF NOT EXISTS " LS_ORIGIN_TABLE " (origin TEXT NOT NULL, at TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS lockstep_outbox_times (record TEXT NOT NULL PRIMARY KEY, "
    "at TEXT NOT NULL, id TEXT NOT NULL) WITHOUT ROWID";

static const char *name_of(const struct ls_sql *db)
{
    return outbox_name[ls_sql_dialect(db)];
}

/* ---- statements ---- */

static enum ls_code run(struct ls_sql *db, struct ls_buf *sql, struct ls_error *err)
{
    const enum ls_code rc =
        sql->failed ? ls_error_nomem(err) : ls_sql_exec(db, ls_buf_str(sql), err);

    ls_buf_done(sql);
    return rc;
}

static enum ls_code one_number(struct ls_sql *db, const char *sql, int64_t *ret,
                               struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;
    const enum ls_code rc = ls_sql_one(db, sql, NULL, 0, &stmt, &row, err);

    *ret = rc == LS_OK && row ? ls_sql_i64(stmt, 0) : 0;
    ls_sql_finish(stmt);
    return rc;
}

/* ---- PostgreSQL ---- */

static enum ls_code drop_trigger(struct ls_sql *db, const char *schema, const char *table,
                                 struct ls_error *err)
{
    struct ls_buf sql;

    ls_buf_init(&sql, 0);
    ls_buf_text(&sql, "DROP TRIGGER IF EXISTS " TRIGGER " ON ");
    ls_text_table(&sql, schema, table);
    return run(db, &sql, err);
}

static enum ls_code install_postgres(struct ls_sql *db, const struct ls_outbox_table *t,
                                     struct ls_error *err)
{
    struct ls_buf sql;
    enum ls_code rc = ls_sql_exec(db, postgres_outbox, err);

    if (rc == LS_OK)
        rc = ls_sql_exec(db, postgres_times, err);
    if (rc == LS_OK)
        rc = drop_trigger(db, t->schema, t->table, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&sql, 0);
    ls_buf_text(&sql, "CREATE TRIGGER " TRIGGER " AFTER INSERT OR UPDATE OR DELETE ON ");
    ls_text_table(&sql, t->schema, t->table);
    ls_buf_text(&sql, " FOR EACH ROW EXECUTE PROCEDURE lockstep.outbox(");
    ls_text_literal(&sql, t->resource);
    for (size_t i = 0; i < 3; i++) {
        ls_buf_text(&sql, ", ");
        ls_text_literal(&sql, t->types[i]);
    }
    for (size_t i = 0; i < t->key_count; i++) {
        ls_buf_text(&sql, ", ");
        ls_text_literal(&sql, t->key[i]);
    }
    ls_buf_char(&sql, ')');
    return run(db, &sql, err);
}

/* ---- SQLite ---- */

static const char *const verbs[3] = {"INSERT", "UPDATE", "DELETE"};

static void add_trigger_name(struct ls_buf *sql, const char *table, size_t verb)
{
    struct ls_buf name;

    ls_buf_init(&name, 0);
    ls_buf_printf(&name, TRIGGER "_%s_%s", table, verbs[verb]);
    ls_text_ident(sql, ls_buf_str(&name));
    ls_buf_done(&name);
}

static enum ls_code drop_triggers(struct ls_sql *db, const char *table, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t verb = 0; verb < 3 && rc == LS_OK; verb++) {
        struct ls_buf sql;

        ls_buf_init(&sql, 0);
        ls_buf_text(&sql, "DROP TRIGGER IF EXISTS ");
        add_trigger_name(&sql, table, verb);
        rc = run(db, &sql, err);
    }
    return rc;
}

/* row."column", bytes as hexadecimal digits. */
static void add_value(struct ls_buf *sql, const char *row, const char *column)
{
    struct ls_buf name;

    ls_buf_init(&name, 0);
    ls_buf_printf(&name, "%s.", row);
    ls_text_ident(&name, column);
    ls_buf_printf(sql, "CASE typeof(%s) WHEN 'blob' THEN hex(%s) ELSE %s END", ls_buf_str(&name),
                  ls_buf_str(&name), ls_buf_str(&name));
    ls_buf_done(&name);
}

void ls_outbox_sqlite_value(struct ls_buf *sql, const char *row, const char *column)
{
    ls_buf_text(sql, "json_quote(");
    add_value(sql, row, column);
    ls_buf_char(sql, ')');
}

/* The record as JSON, put together piece by piece: functions take too few arguments for broad tables. */
static void add_record(struct ls_buf *sql, const struct ls_outbox_table *t, const char *row)
{
    ls_buf_text(sql, "'{'");
    for (size_t i = 0; i < t->field_count; i++) {
        struct ls_buf name;

        ls_buf_init(&name, 0);
        ls_buf_text(&name, i ? "," : "");
        ls_text_json(&name, t->fields[i], strlen(t->fields[i]));
        ls_buf_char(&name, ':');
        ls_buf_text(sql, " || ");
        ls_text_literal(sql, ls_buf_str(&name));
        ls_buf_done(&name);
        ls_buf_text(sql, " || ");
        ls_outbox_sqlite_value(sql, row, t->fields[i]);
    }
    ls_buf_text(sql, " || '}'");
}

static void add_key(struct ls_buf *sql, const struct ls_outbox_table *t, const char *row,
                    const char *apart)
{
    for (size_t i = 0; i < t->key_count; i++) {
        if (i)
            ls_buf_printf(sql, " || %s || ", apart);
        ls_buf_char(sql, '(');
        add_value(sql, row, t->key[i]);
        ls_buf_char(sql, ')');
    }
}

/* What names it in lockstep_outbox_times; store/changed.c has the same. */
static void add_name(struct ls_buf *sql, const struct ls_outbox_table *t, const char *row)
{
    ls_text_literal(sql, t->table);
    ls_buf_text(sql, " || ' ' || ");
    add_key(sql, t, row, "char(31)");
}

#define ISO "'%Y-%m-%dT%H:%M:%fZ'"
#define NOW "coalesce((SELECT at FROM " LS_ORIGIN_TABLE "), strftime(" ISO ", 'now'))"

/* The time of the event: later than what was noted of the record, whatever the clock says. */
static void add_time(struct ls_buf *sql, const struct ls_outbox_table *t, const char *row)
{
    ls_buf_text(sql, "coalesce((SELECT CASE WHEN at < strftime(" ISO ", 'now', '+" AHEAD
                     " seconds') THEN strftime(" ISO ", at, '+0.001 seconds') ELSE at END "
                     "FROM lockstep_outbox_times WHERE record = ");
    add_name(sql, t, row);
    ls_buf_text(sql, " AND at >= " NOW "), " NOW ")");
}

static void add_note(struct ls_buf *sql, const struct ls_outbox_table *t, const char *row)
{
    ls_buf_text(sql, "; DELETE FROM lockstep_outbox_times WHERE record = ");
    add_name(sql, t, row);
    ls_buf_text(sql, "; INSERT INTO lockstep_outbox_times (record, at, id) SELECT ");
    add_name(sql, t, row);
    ls_buf_text(sql, ", at, id FROM lockstep_outbox WHERE seq = last_insert_rowid()");
}

static void add_changed(struct ls_buf *sql, const struct ls_outbox_table *t)
{
    for (size_t i = 0; i < t->field_count; i++) {
        ls_buf_text(sql, i ? " OR OLD." : " AND (OLD.");
        ls_text_ident(sql, t->fields[i]);
        ls_buf_text(sql, " IS NOT NEW.");
        ls_text_ident(sql, t->fields[i]);
    }
    ls_buf_char(sql, ')');
}

static enum ls_code install_sqlite(struct ls_sql *db, const struct ls_outbox_table *t,
                                   struct ls_error *err)
{
    enum ls_code rc = ls_sql_exec(db, sqlite_outbox, err);

    if (rc == LS_OK)
        rc = drop_triggers(db, t->table, err);
    for (size_t verb = 0; verb < 3 && rc == LS_OK; verb++) {
        const char *row = verb == 2 ? "OLD" : "NEW";
        struct ls_buf sql;

        if (!*t->types[verb])
            continue;
        ls_buf_init(&sql, 0);
        ls_buf_text(&sql, "CREATE TRIGGER ");
        add_trigger_name(&sql, t->table, verb);
        ls_buf_printf(&sql, " AFTER %s ON ", verbs[verb]);
        ls_text_ident(&sql, t->table);
        ls_buf_text(&sql,
                    " WHEN NOT EXISTS (SELECT 1 FROM " LS_ORIGIN_TABLE " WHERE origin <> '')");
        if (verb == 1)
            add_changed(&sql, t);
        ls_buf_text(&sql, " BEGIN INSERT INTO lockstep_outbox (type, resource_type, resource_id, "
                          "data, at) VALUES (");
        ls_text_literal(&sql, t->types[verb]);
        ls_buf_text(&sql, ", ");
        ls_text_literal(&sql, t->resource);
        ls_buf_text(&sql, ", ");
        add_key(&sql, t, row, "','");
        ls_buf_text(&sql, ", ");
        add_record(&sql, t, row);
        ls_buf_text(&sql, ", ");
        add_time(&sql, t, row);
        ls_buf_char(&sql, ')');
        add_note(&sql, t, row);
        ls_buf_text(&sql, "; END");
        rc = run(db, &sql, err);
    }
    return rc;
}

/* ---- both ---- */

static enum ls_code end(struct ls_sql *db, enum ls_code rc, struct ls_error *err)
{
    if (rc == LS_OK)
        return ls_sql_commit(db, err);
    ls_sql_rollback(db);
    return rc;
}

enum ls_code ls_outbox_install(struct ls_sql *db, const struct ls_outbox_table *t,
                               struct ls_error *err)
{
    enum ls_code rc = ls_sql_begin(db, true, err);

    if (rc != LS_OK)
        return rc;
    return end(db,
               ls_sql_dialect(db) == LS_POSTGRES ? install_postgres(db, t, err)
                                                 : install_sqlite(db, t, err),
               err);
}

enum ls_code ls_outbox_exists(struct ls_sql *db, bool *ret, struct ls_error *err)
{
    int64_t n = 0;
    const enum ls_code rc = one_number(
        db,
        ls_sql_dialect(db) == LS_POSTGRES
            ? "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
              "WHERE n.nspname = 'lockstep' AND c.relname = 'outbox'"
            : "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = "
              "'lockstep_outbox'",
        &n, err);

    *ret = n > 0;
    return rc;
}

/* The third: whether the triggers are as they were before, so that what lockstep itself writes is an event to them too. */
static const char postgres_tables[] =
    "SELECT n.nspname, c.relname, (strpos(p.prosrc, 'outbox_times') = 0)::int "
    "FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_proc p ON p.oid = t.tgfoid "
    "WHERE t.tgname = 'lockstep_outbox' ORDER BY 1, 2";
static const char sqlite_tables[] =
    "SELECT NULL, tbl_name, max(instr(sql, 'lockstep_outbox_times') = 0) FROM sqlite_schema "
    "WHERE type = 'trigger' AND substr(name, 1, 16) = 'lockstep_outbox_' GROUP BY tbl_name "
    "ORDER BY 2";

static enum ls_code read_tables(struct ls_sql *db, struct ls_arena *mem,
                                struct ls_outbox_status *ret, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    size_t room = 0;
    bool row = true;
    enum ls_code rc = ls_sql_prepare(
        db, ls_sql_dialect(db) == LS_POSTGRES ? postgres_tables : sqlite_tables, &stmt, err);

    if (rc == LS_OK)
        rc = ls_sql_run(stmt, NULL, 0, false, err);
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &row, err)) == LS_OK && row) {
        if (ret->table_count == room) {
            const char **more = ls_arena_array(mem, (room = room * 2 + 8), sizeof *more);

            if (!more) {
                rc = ls_error_nomem(err);
                break;
            }
            if (ret->table_count)
                memcpy(more, ret->tables, ret->table_count * sizeof *more);
            ret->tables = more;
        }
        ret->outdated += ls_sql_i64(stmt, 2) != 0;
        ret->tables[ret->table_count++] =
            ls_collection_join(mem, ls_sql_text(stmt, 0, NULL), ls_sql_text(stmt, 1, NULL));
    }
    ls_sql_finish(stmt);
    return rc;
}

enum ls_code ls_outbox_status(struct ls_sql *db, struct ls_arena *mem, struct ls_outbox_status *ret,
                              struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    bool there = false, row = false;
    enum ls_code rc = ls_outbox_exists(db, &there, err);

    *ret = (struct ls_outbox_status){0};
    if (rc != LS_OK || !there)
        return rc;
    rc = ls_sql_one(db,
                    ls_arena_printf(mem,
                                    "SELECT count(*) - count(refused), count(refused), "
                                    "CAST(min(CASE WHEN refused IS NULL THEN at END) AS text) "
                                    "FROM %s",
                                    name_of(db)),
                    NULL, 0, &stmt, &row, err);
    if (rc == LS_OK && row) {
        ret->waiting = ls_sql_i64(stmt, 0);
        ret->refused = ls_sql_i64(stmt, 1);
        ret->oldest = ls_arena_text(mem, ls_sql_text(stmt, 2, NULL));
    }
    ls_sql_finish(stmt);
    return rc == LS_OK ? read_tables(db, mem, ret, err) : rc;
}

/* The outbox itself, when nothing needs it any more. */
static enum ls_code drop_outbox(struct ls_sql *db, struct ls_error *err)
{
    int64_t others = 0;
    enum ls_code rc;

    if (ls_sql_dialect(db) == LS_SQLITE)
        return ls_sql_exec(db,
                           "DROP TABLE lockstep_outbox; DROP TABLE IF EXISTS "
                           "lockstep_outbox_times; DROP TABLE IF EXISTS " LS_ORIGIN_TABLE,
                           err);
    rc = ls_sql_exec(
        db,
        "DROP FUNCTION lockstep.outbox(); DROP FUNCTION IF EXISTS lockstep.outbox_time(regclass, "
        "text, timestamptz, text, boolean); DROP TABLE "
        "lockstep.outbox; DROP TABLE IF EXISTS lockstep.outbox_times",
        err);
    if (rc == LS_OK)
        rc = one_number(db,
                        "SELECT count(*) FROM pg_class c JOIN pg_namespace n "
                        "ON n.oid = c.relnamespace WHERE n.nspname = 'lockstep'",
                        &others, err);
    return rc == LS_OK && others == 0 ? ls_sql_exec(db, "DROP SCHEMA lockstep", err) : rc;
}

static enum ls_code remove_all(struct ls_sql *db, const char *schema, const char *table,
                               bool *ret_gone, struct ls_error *err)
{
    struct ls_outbox_status status = {0};
    struct ls_arena mem;
    enum ls_code rc = ls_sql_dialect(db) == LS_POSTGRES ? drop_trigger(db, schema, table, err)
                                                        : drop_triggers(db, table, err);

    ls_arena_init(&mem, 0);
    if (rc == LS_OK)
        rc = ls_outbox_status(db, &mem, &status, err);
    *ret_gone = rc == LS_OK && status.table_count == 0 && status.waiting + status.refused == 0;
    if (*ret_gone)
        rc = drop_outbox(db, err);
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_outbox_remove(struct ls_sql *db, const char *schema, const char *table,
                              bool *ret_gone, struct ls_error *err)
{
    bool there = false;
    enum ls_code rc = ls_outbox_exists(db, &there, err);

    *ret_gone = false;
    if (rc == LS_OK && !there)
        return ls_error_set(err, LS_NOT_FOUND, "there is no outbox in %s", ls_sql_identity(db));
    if (rc == LS_OK)
        rc = ls_sql_begin(db, true, err);
    return rc == LS_OK ? end(db, remove_all(db, schema, table, ret_gone, err), err) : rc;
}

/* ---- being sure ---- */

enum ls_code ls_outbox_mark(struct ls_sql *db, int64_t *ret, struct ls_error *err)
{
    char sql[80];
    bool there = false;
    enum ls_code rc = ls_outbox_exists(db, &there, err);

    if (rc == LS_OK && !there)
        rc = ls_error_set(err, LS_CONFIG, "there is no outbox in %s", ls_sql_identity(db));
    snprintf(sql, sizeof sql, "SELECT coalesce(max(seq), 0) FROM %s", name_of(db));
    return rc == LS_OK ? one_number(db, sql, ret, err) : rc;
}

enum ls_code ls_outbox_written(struct ls_sql *db, int64_t mark, const char *resource_id,
                               struct ls_arena *mem, struct ls_outbox_event *ret,
                               struct ls_error *err)
{
    const struct ls_value params[2] = {ls_value_int(mark), ls_value_text(resource_id)};
    const bool postgres = ls_sql_dialect(db) == LS_POSTGRES;
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;
    enum ls_code rc = ls_sql_one(
        db,
        ls_arena_printf(
            mem,
            "SELECT id, type, resource_type FROM %s WHERE seq > ? AND resource_id = ?%s ORDER BY "
            "seq DESC LIMIT 1",
            name_of(db),
            /* rows of others that were committed meanwhile can be seen, and are not ours */
            postgres ? " AND xmin::text = (txid_current() % 4294967296)::text" : ""),
        params, 2, &stmt, &row, err);

    *ret = (struct ls_outbox_event){0};
    if (rc == LS_OK && row) {
        ret->id = ls_arena_text(mem, ls_sql_text(stmt, 0, NULL));
        ret->type = ls_arena_text(mem, ls_sql_text(stmt, 1, NULL));
        ret->resource = ls_arena_text(mem, ls_sql_text(stmt, 2, NULL));
        if (!ret->id || !ret->type || !ret->resource)
            rc = ls_error_nomem(err);
    }
    ls_sql_finish(stmt);
    return rc;
}

static enum ls_code find_waiting(struct ls_sql *db, const char *sql, const struct ls_value *params,
                                 size_t count, const char *const *ids, bool *ret,
                                 struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    bool row = true;
    enum ls_code rc = ls_sql_prepare(db, sql, &stmt, err);

    if (rc == LS_OK)
        rc = ls_sql_run(stmt, params, count + 1, false, err);
    while (rc == LS_OK && (rc = ls_sql_step(stmt, &row, err)) == LS_OK && row)
        for (size_t i = 0; i < count; i++)
            ret[i] = ret[i] || strcmp(ids[i], ls_sql_text(stmt, 0, NULL)) == 0;
    ls_sql_finish(stmt);
    return rc;
}

enum ls_code ls_outbox_waits(struct ls_sql *db, const char *resource_type, size_t count,
                             const char *const *ids, struct ls_arena *mem, bool *ret,
                             struct ls_error *err)
{
    struct ls_value *params = ls_arena_array(mem, count + 1, sizeof *params);
    bool there = false;
    struct ls_buf sql;
    enum ls_code rc = params ? ls_outbox_exists(db, &there, err) : ls_error_nomem(err);

    memset(ret, 0, count * sizeof *ret);
    if (rc != LS_OK || !there || !count)
        return rc;
    ls_buf_init(&sql, 0);
    ls_buf_printf(&sql,
                  "SELECT DISTINCT resource_id FROM %s WHERE refused IS NULL AND resource_type = "
                  "? AND resource_id IN (",
                  name_of(db));
    params[0] = ls_value_text(resource_type);
    for (size_t i = 0; i < count; i++) {
        ls_buf_text(&sql, i ? ", ?" : "?");
        params[i + 1] = ls_value_text(ids[i]);
    }
    ls_buf_char(&sql, ')');
    rc = sql.failed ? ls_error_nomem(err)
                    : find_waiting(db, ls_buf_str(&sql), params, count, ids, ret, err);
    ls_buf_done(&sql);
    return rc;
}

/* ---- emptying it ---- */

enum ls_code ls_outbox_claim(struct ls_sql *db, bool *ret, struct ls_error *err)
{
    int64_t yes = 1;
    enum ls_code rc = LS_OK;

    if (ls_sql_dialect(db) == LS_POSTGRES)
        rc = one_number(db, "SELECT pg_try_advisory_lock(hashtext('lockstep.outbox'), 0)", &yes,
                        err);
    *ret = yes != 0;
    return rc;
}

/* {"id":..,"type":..,"resourceType":..,"resourceId":..,"timestamp":..,"data":..} of the row that stmt stands on. */
static bool read_row(struct ls_sql_stmt *stmt, struct ls_arena *mem, struct ls_outbox_row *ret)
{
    static const char *const names[] = {"id", "type", "resourceType", "resourceId", "timestamp"};
    const char *data = ls_sql_text(stmt, 6, NULL);
    struct ls_buf out;

    ls_buf_init(&out, 0);
    for (int i = 0; i < 5; i++) {
        size_t size = 0;
        const char *text = ls_sql_text(stmt, i + 1, &size);

        ls_buf_printf(&out, "%s\"%s\":", i ? "," : "{", names[i]);
        ls_text_json(&out, text ? text : "", size);
    }
    ls_buf_printf(&out, ",\"data\":");
    ls_buf_text(&out, data ? data : "null");
    ls_buf_char(&out, '}');
    ret->seq = ls_sql_i64(stmt, 0);
    ret->size = out.size;
    ret->json = out.failed ? NULL : ls_arena_text(mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return ret->json != NULL;
}

enum ls_code ls_outbox_read(struct ls_sql *db, size_t max, struct ls_arena *mem, size_t *ret_count,
                            struct ls_outbox_row **ret, struct ls_error *err)
{
    const bool postgres = ls_sql_dialect(db) == LS_POSTGRES;
    struct ls_outbox_row *rows = ls_arena_array(mem, max, sizeof *rows);
    struct ls_sql_stmt *stmt = NULL;
    size_t count = 0;
    bool row = true;
    enum ls_code rc;

    if (!rows)
        return ls_error_nomem(err);
    rc = ls_sql_prepare(
        db,
        ls_arena_printf(mem,
                        "SELECT seq, id, type, resource_type, resource_id, %s, data FROM %s "
                        "WHERE refused IS NULL ORDER BY seq LIMIT %zu",
                        postgres ? "to_char(at AT TIME ZONE 'UTC', "
                                   "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
                                 : "at",
                        name_of(db), max),
        &stmt, err);
    if (rc == LS_OK)
        rc = ls_sql_run(stmt, NULL, 0, false, err);
    while (rc == LS_OK && count < max && (rc = ls_sql_step(stmt, &row, err)) == LS_OK && row)
        if (!read_row(stmt, mem, &rows[count++]))
            rc = ls_error_nomem(err);
    ls_sql_finish(stmt);
    *ret = rows;
    *ret_count = count;
    return rc;
}

enum ls_code ls_outbox_done(struct ls_sql *db, const struct ls_outbox_row *rows, size_t count,
                            struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    char sql[80];
    enum ls_code rc = ls_sql_begin(db, true, err);

    if (rc != LS_OK)
        return rc;
    snprintf(sql, sizeof sql, "DELETE FROM %s WHERE seq = ?", name_of(db));
    rc = ls_sql_prepare(db, sql, &stmt, err);
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        const struct ls_value seq = ls_value_int(rows[i].seq);

        rc = ls_sql_change(stmt, &seq, 1, NULL, err);
    }
    ls_sql_finish(stmt);
    return end(db, rc, err);
}

enum ls_code ls_outbox_refuse(struct ls_sql *db, int64_t seq, const char *why, struct ls_error *err)
{
    const struct ls_value params[2] = {ls_value_text(why), ls_value_int(seq)};
    struct ls_sql_stmt *stmt = NULL;
    char sql[80];
    enum ls_code rc = ls_sql_begin(db, true, err);

    if (rc != LS_OK)
        return rc;
    snprintf(sql, sizeof sql, "UPDATE %s SET refused = ? WHERE seq = ?", name_of(db));
    rc = ls_sql_prepare(db, sql, &stmt, err);
    if (rc == LS_OK)
        rc = ls_sql_change(stmt, params, 2, NULL, err);
    ls_sql_finish(stmt);
    return end(db, rc, err);
}
