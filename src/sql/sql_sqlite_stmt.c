/* SPDX-License-Identifier: Apache-2.0 */
/* sql_sqlite_stmt.c - SQLite statements: binding, stepping, reading columns.
 *
 * ls_sql_run() makes the first step itself, so that a statement without rows has taken effect
 * when it returns, as on PostgreSQL. A statement is reset as soon as it is at its end: one that
 * stands behind its last row keeps a read transaction open, and outside of a transaction its
 * write uncommitted.
 *
 * On a guarded connection a statement that writes takes the guard lock for as long as it runs,
 * unless a transaction has it already.
 *
 * SQLite turns NaN into NULL when it is bound, and an empty blob without an address too: the
 * first is refused, the second gets an address. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sql/sql_sqlite.h"

struct sqlite_stmt {
    struct ls_sql_stmt base;
    sqlite3_stmt *handle;
    bool on_row;    /* columns can be read */
    bool first_row; /* run() has made the first step and the caller has not seen it */
    bool guards;    /* counted in db->writers */
};

static struct ls_sqlite3 *db_of(const struct sqlite_stmt *s)
{
    return (struct ls_sqlite3 *)s->base.db;
}

static struct sqlite_stmt *of(struct ls_sql_stmt *base)
{
    return (struct sqlite_stmt *)base;
}

static sqlite3_stmt *handle_of(const struct ls_sql_stmt *base)
{
    return ((const struct sqlite_stmt *)base)->handle;
}

static void end(struct sqlite_stmt *s)
{
    struct ls_sqlite3 *db = db_of(s);

    sqlite3_reset(s->handle);
    sqlite3_clear_bindings(s->handle);
    s->on_row = s->first_row = false;
    if (s->guards)
        db->writers--;
    s->guards = false;
    ls_sqlite3_guard_leave(db);
}

/* Readies the connection, and the guard where the statement writes. */
static enum ls_code start(struct sqlite_stmt *s, struct ls_error *err)
{
    struct ls_sqlite3 *db = db_of(s);
    enum ls_code rc = ls_sqlite3_ready(db, err);

    if (rc != LS_OK || !db->guarded || sqlite3_stmt_readonly(s->handle))
        return rc;
    rc = ls_sqlite3_guard_enter(db, err);
    if (rc == LS_OK) {
        s->guards = true;
        db->writers++;
    }
    return rc;
}

static enum ls_code advance(struct sqlite_stmt *s, bool *ret_row, struct ls_error *err)
{
    enum ls_code code = LS_OK;
    int rc = sqlite3_step(s->handle);

    s->on_row = rc == SQLITE_ROW;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        code = ls_sqlite3_error(db_of(s), rc, err);
    if (!s->on_row)
        end(s);
    *ret_row = s->on_row;
    return code;
}

static int bind_other(sqlite3_stmt *stmt, int i, const struct ls_value *v)
{
    struct ls_buf text = {0};
    int rc = SQLITE_NOMEM;

    ls_value_to_text(&text, v);
    if (ls_buf_str(&text))
        rc = sqlite3_bind_text64(stmt, i, ls_buf_str(&text), text.size, SQLITE_TRANSIENT,
                                 SQLITE_UTF8);
    ls_buf_done(&text);
    return rc;
}

static int bind_one(sqlite3_stmt *stmt, int i, const struct ls_value *v,
                    sqlite3_destructor_type how)
{
    const char *data = v->size ? v->data : "";

    if (v->type == LS_T_NULL)
        return sqlite3_bind_null(stmt, i);
    if (v->type == LS_T_INT)
        return sqlite3_bind_int64(stmt, i, v->i);
    if (v->type == LS_T_DOUBLE)
        return sqlite3_bind_double(stmt, i, v->d);
    if (v->type == LS_T_TEXT)
        return sqlite3_bind_text64(stmt, i, data, v->size, how, SQLITE_UTF8);
    if (v->type == LS_T_BYTES)
        return sqlite3_bind_blob64(stmt, i, data, v->size, how);
    return bind_other(stmt, i, v);
}

static enum ls_code bind(struct sqlite_stmt *s, const struct ls_value *params, size_t count,
                         sqlite3_destructor_type how, struct ls_error *err)
{
    size_t wanted = (size_t)sqlite3_bind_parameter_count(s->handle);

    if (count != wanted)
        return ls_error_set(err, LS_INTERNAL, "a statement with %zu placeholders got %zu values",
                            wanted, count);
    for (size_t i = 0; i < count; i++) {
        int rc;

        if (params[i].type == LS_T_DOUBLE && isnan(params[i].d))
            return ls_error_set(err, LS_TYPE, "SQLite cannot hold NaN as a number");
        rc = bind_one(s->handle, (int)i + 1, &params[i], how);
        if (rc != SQLITE_OK)
            return ls_sqlite3_error(db_of(s), rc, err);
    }
    return LS_OK;
}

static enum ls_code run(struct sqlite_stmt *s, const struct ls_value *params, size_t count,
                        sqlite3_destructor_type how, struct ls_error *err)
{
    enum ls_code rc;

    end(s);
    rc = start(s, err);
    if (rc == LS_OK)
        rc = bind(s, params, count, how, err);
    if (rc == LS_OK)
        return advance(s, &s->first_row, err);
    end(s);
    return rc;
}

enum ls_code ls_sqlite3_run(struct ls_sql_stmt *stmt, const struct ls_value *params, size_t count,
                            bool stream, struct ls_error *err)
{
    (void)stream;
    return run(of(stmt), params, count, SQLITE_TRANSIENT, err);
}

enum ls_code ls_sqlite3_step(struct ls_sql_stmt *stmt, bool *ret_row, struct ls_error *err)
{
    struct sqlite_stmt *s = of(stmt);

    *ret_row = s->first_row;
    if (s->first_row) {
        s->first_row = false;
        return LS_OK;
    }
    return s->on_row ? advance(s, ret_row, err) : LS_OK;
}

/* The values stay the caller's: nothing is left of them when this returns. */
enum ls_code ls_sqlite3_change(struct ls_sql_stmt *stmt, const struct ls_value *params,
                               size_t count, int64_t *ret_changes, struct ls_error *err)
{
    struct sqlite_stmt *s = of(stmt);
    sqlite3 *handle = db_of(s)->handle;
    int64_t before = sqlite3_total_changes64(handle);
    enum ls_code rc = run(s, params, count, SQLITE_STATIC, err);
    bool row = s->on_row;

    while (rc == LS_OK && row)
        rc = advance(s, &row, err);
    /* sqlite3_changes64() keeps the count of an earlier statement when this one changed nothing. */
    if (rc == LS_OK)
        *ret_changes = sqlite3_total_changes64(handle) == before ? 0 : sqlite3_changes64(handle);
    return rc;
}

/* *ret_tail: what follows the statement. *ret is NULL when there is nothing but blanks and
 * comments. */
static enum ls_code compile(struct ls_sqlite3 *db, const char *sql, unsigned flags,
                            sqlite3_stmt **ret, const char **ret_tail, struct ls_error *err)
{
    int rc = sqlite3_prepare_v3(db->handle, sql, -1, flags, ret, ret_tail);

    return rc == SQLITE_OK ? LS_OK : ls_sqlite3_error(db, rc, err);
}

static enum ls_code check_single(struct ls_sqlite3 *db, const char *tail, struct ls_error *err)
{
    sqlite3_stmt *next = NULL;
    enum ls_code rc = LS_OK;

    while (rc == LS_OK && !next && *tail)
        rc = compile(db, tail, 0, &next, &tail, err);
    if (rc == LS_OK && next)
        rc = ls_error_set(err, LS_INTERNAL, "only one statement can be prepared at a time");
    sqlite3_finalize(next);
    return rc;
}

enum ls_code ls_sqlite3_prepare(struct ls_sql *base, const char *sql, bool once,
                                struct ls_sql_stmt **ret, struct ls_error *err)
{
    struct ls_sqlite3 *db = (struct ls_sqlite3 *)base;
    struct sqlite_stmt *s = calloc(1, sizeof(*s));
    const char *tail = "";
    enum ls_code rc;

    if (!s)
        return ls_error_nomem(err);
    s->base.db = base;
    rc = ls_sqlite3_ready(db, err);
    if (rc == LS_OK)
        rc = compile(db, sql, once ? 0 : SQLITE_PREPARE_PERSISTENT, &s->handle, &tail, err);
    if (rc == LS_OK && !s->handle)
        rc = ls_error_set(err, LS_INTERNAL, "there is no statement to prepare");
    if (rc == LS_OK)
        rc = check_single(db, tail, err);
    if (rc == LS_OK)
        *ret = &s->base;
    else
        ls_sqlite3_finish(&s->base);
    return rc;
}

void ls_sqlite3_reset(struct ls_sql_stmt *stmt)
{
    end(of(stmt));
}

void ls_sqlite3_finish(struct ls_sql_stmt *stmt)
{
    struct sqlite_stmt *s = of(stmt);

    if (s->handle)
        end(s);
    sqlite3_finalize(s->handle);
    free(s);
}

static enum ls_code run_through(struct sqlite_stmt *s, struct ls_error *err)
{
    enum ls_code rc = start(s, err);
    bool row = true;

    if (rc != LS_OK)
        return rc;
    while (rc == LS_OK && row)
        rc = advance(s, &row, err);
    return rc;
}

/* sqlite3_exec() would run all at once; the guard has to know statement by statement what
 * writes. */
enum ls_code ls_sqlite3_exec(struct ls_sql *base, const char *sql, struct ls_error *err)
{
    struct ls_sqlite3 *db = (struct ls_sqlite3 *)base;
    enum ls_code rc = ls_sqlite3_ready(db, err);

    while (rc == LS_OK && *sql) {
        struct sqlite_stmt s = {.base.db = base};

        rc = compile(db, sql, 0, &s.handle, &sql, err);
        if (rc == LS_OK && s.handle)
            rc = run_through(&s, err);
        sqlite3_finalize(s.handle);
    }
    return rc;
}

int ls_sqlite3_columns(const struct ls_sql_stmt *stmt)
{
    return sqlite3_column_count(handle_of(stmt));
}

const char *ls_sqlite3_column_name(const struct ls_sql_stmt *stmt, int col)
{
    return sqlite3_column_name(handle_of(stmt), col);
}

bool ls_sqlite3_has_row(const struct ls_sql_stmt *stmt)
{
    return ((const struct sqlite_stmt *)stmt)->on_row;
}

bool ls_sqlite3_is_null(const struct ls_sql_stmt *stmt, int col)
{
    return sqlite3_column_type(handle_of(stmt), col) == SQLITE_NULL;
}

int64_t ls_sqlite3_i64(const struct ls_sql_stmt *stmt, int col)
{
    return sqlite3_column_int64(handle_of(stmt), col);
}

double ls_sqlite3_double(const struct ls_sql_stmt *stmt, int col)
{
    return sqlite3_column_double(handle_of(stmt), col);
}

const char *ls_sqlite3_text(struct ls_sql_stmt *stmt, int col, size_t *ret_size)
{
    const unsigned char *text = sqlite3_column_text(handle_of(stmt), col);

    *ret_size = (size_t)sqlite3_column_bytes(handle_of(stmt), col);
    return (const char *)text;
}

const void *ls_sqlite3_bytes(struct ls_sql_stmt *stmt, int col, size_t *ret_size)
{
    const void *blob = sqlite3_column_blob(handle_of(stmt), col);

    *ret_size = (size_t)sqlite3_column_bytes(handle_of(stmt), col);
    return blob ? blob : ""; /* an empty one has no address */
}

static struct ls_value data_value(enum ls_type type, const void *data, size_t size)
{
    return (struct ls_value){.type = type, .size = (uint32_t)size, .data = data};
}

static struct ls_value stored_value(sqlite3_value *v)
{
    const void *data;

    switch (sqlite3_value_type(v)) {
    case SQLITE_INTEGER:
        return ls_value_int(sqlite3_value_int64(v));
    case SQLITE_FLOAT:
        return (struct ls_value){.type = LS_T_DOUBLE, .d = sqlite3_value_double(v)};
    case SQLITE_TEXT:
        data = sqlite3_value_text(v);
        return data_value(LS_T_TEXT, data ? data : "", data ? (size_t)sqlite3_value_bytes(v) : 0);
    case SQLITE_BLOB:
        data = sqlite3_value_blob(v); /* an empty one has no address */
        return data_value(LS_T_BYTES, data ? data : "", (size_t)sqlite3_value_bytes(v));
    default:
        return ls_value_null();
    }
}

/* One lookup a column; sqlite3_column_*() would look for it, and for an error, at each question. Unprotected values
 * may be read like this because the connection has no mutex (SQLITE_OPEN_NOMUTEX) and one thread. */
void ls_sqlite3_values(struct ls_sql_stmt *stmt, int first, int count, struct ls_value *ret)
{
    sqlite3_stmt *handle = handle_of(stmt);

    for (int i = 0; i < count; i++)
        ret[i] = stored_value(sqlite3_column_value(handle, first + i));
}
