/* SPDX-License-Identifier: Apache-2.0 */
/* sql.c - the connection interface: checks arguments once and hands on to a driver.
 *
 * Everything here is dispatch. A driver is a const table of functions chosen by the URL's
 * scheme; sql_sqlite.c and sql_postgres.c have the two there are. Column readers never fail: a
 * column that is not there, or read while no row is, is NULL, so that callers need no check of
 * their own. COPY is PostgreSQL's alone and stands in sql_postgres_copy.c. */
#include "sql/sql.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "sql/sql_driver.h"

#define DEFAULT_BUSY_MS 10000
#define DEFAULT_CONNECT_S 10
#define DEFAULT_LOCK_MS 10000

static int value_or(int value, int fallback)
{
    return value > 0 ? value : fallback;
}

enum ls_code ls_sql_open(const struct ls_url *url, const struct ls_sql_options *options,
                         struct ls_sql **ret, struct ls_error *err)
{
    struct ls_sql_options o = options ? *options : (struct ls_sql_options){0};

    o.busy_timeout_ms = value_or(o.busy_timeout_ms, DEFAULT_BUSY_MS);
    o.lock_timeout_ms = value_or(o.lock_timeout_ms, DEFAULT_LOCK_MS);
    /* connect_timeout_s stays 0: a timeout in the URL or the environment comes before ours. */
    if (strcmp(url->scheme, "sqlite") == 0)
        return ls_sql_open_sqlite(url, &o, ret, err);
    if (strcmp(url->scheme, "postgres") == 0)
        return ls_sql_open_postgres(url, &o, ret, err);
    return ls_error_set(err, LS_USAGE,
                        "%s: no database speaks this URL (scheme=%s). Use sqlite:FILE or "
                        "postgres://USER@HOST/DATABASE",
                        url->shown, url->scheme);
}

void ls_sql_base_done(struct ls_sql *db)
{
    free(db->identity);
    free(db->shown);
}

void ls_sql_close(struct ls_sql *db)
{
    if (db)
        db->driver->close(db);
}

enum ls_dialect ls_sql_dialect(const struct ls_sql *db)
{
    return db->driver->dialect;
}

int ls_sql_version(const struct ls_sql *db)
{
    return db->version;
}

const char *ls_sql_identity(const struct ls_sql *db)
{
    return db->identity;
}

bool ls_sql_alive(const struct ls_sql *db)
{
    return db->driver->alive(db);
}

void ls_sql_cancel(struct ls_sql *db)
{
    db->driver->cancel(db);
}

/* Every statement passes here, so that people can see what is done to their database. Values are parameters
 * and do not show, but for the literals of filters. */
void ls_sql_trace(const struct ls_sql *db, const char *sql)
{
    if (!db->unseen)
        ls_log(LS_LOG_DEBUG, "sql %s: %s", db->shown, sql);
}

enum ls_code ls_sql_exec(struct ls_sql *db, const char *sql, struct ls_error *err)
{
    ls_sql_trace(db, sql);
    return db->driver->exec(db, sql, err);
}

enum ls_code ls_sql_execf(struct ls_sql *db, struct ls_error *err, const char *fmt, ...)
{
    enum ls_code rc;
    va_list args;
    char *sql;
    int n;

    va_start(args, fmt);
    n = vasprintf(&sql, fmt, args);
    va_end(args);
    if (n < 0)
        return ls_error_nomem(err);
    rc = ls_sql_exec(db, sql, err);
    free(sql);
    return rc;
}

enum ls_code ls_sql_begin(struct ls_sql *db, bool write, struct ls_error *err)
{
    if (ls_sql_in_transaction(db))
        return ls_error_set(err, LS_INTERNAL, "%s: a transaction is open already", db->shown);
    return db->driver->begin(db, write, err);
}

enum ls_code ls_sql_commit(struct ls_sql *db, struct ls_error *err)
{
    return db->driver->commit(db, err);
}

void ls_sql_rollback(struct ls_sql *db)
{
    db->driver->rollback(db);
}

bool ls_sql_in_transaction(const struct ls_sql *db)
{
    return db->driver->in_transaction(db);
}

enum ls_code ls_sql_prepare(struct ls_sql *db, const char *sql, struct ls_sql_stmt **ret,
                            struct ls_error *err)
{
    ls_sql_trace(db, sql);
    return db->driver->prepare(db, sql, false, ret, err);
}

void ls_sql_finish(struct ls_sql_stmt *stmt)
{
    if (stmt)
        stmt->db->driver->finish(stmt);
}

void ls_sql_reset(struct ls_sql_stmt *stmt)
{
    stmt->db->driver->reset(stmt);
}

enum ls_code ls_sql_run(struct ls_sql_stmt *stmt, const struct ls_value *params, size_t count,
                        bool stream, struct ls_error *err)
{
    return stmt->db->driver->run(stmt, params, count, stream, err);
}

enum ls_code ls_sql_step(struct ls_sql_stmt *stmt, bool *ret_row, struct ls_error *err)
{
    return stmt->db->driver->step(stmt, ret_row, err);
}

enum ls_code ls_sql_change(struct ls_sql_stmt *stmt, const struct ls_value *params, size_t count,
                           int64_t *ret_changes, struct ls_error *err)
{
    int64_t changes = 0;
    enum ls_code rc = stmt->db->driver->change(stmt, params, count, &changes, err);

    if (rc == LS_OK && ret_changes)
        *ret_changes = changes;
    return rc;
}

enum ls_code ls_sql_one(struct ls_sql *db, const char *sql, const struct ls_value *params,
                        size_t count, struct ls_sql_stmt **ret_stmt, bool *ret_row,
                        struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;
    enum ls_code rc;

    ls_sql_trace(db, sql);
    rc = db->driver->prepare(db, sql, true, &stmt, err);
    if (rc == LS_OK)
        rc = ls_sql_run(stmt, params, count, false, err);
    if (rc == LS_OK)
        rc = ls_sql_step(stmt, &row, err);
    if (rc != LS_OK) {
        ls_sql_finish(stmt);
        return rc;
    }
    *ret_stmt = stmt;
    *ret_row = row;
    return LS_OK;
}

int ls_sql_columns(const struct ls_sql_stmt *stmt)
{
    return stmt->db->driver->columns(stmt);
}

static bool is_column(const struct ls_sql_stmt *stmt, int col)
{
    return col >= 0 && col < ls_sql_columns(stmt);
}

const char *ls_sql_column_name(const struct ls_sql_stmt *stmt, int col)
{
    return is_column(stmt, col) ? stmt->db->driver->column_name(stmt, col) : NULL;
}

bool ls_sql_is_null(const struct ls_sql_stmt *stmt, int col)
{
    return !is_column(stmt, col) || !stmt->db->driver->has_row(stmt) ||
           stmt->db->driver->is_null(stmt, col);
}

int64_t ls_sql_i64(const struct ls_sql_stmt *stmt, int col)
{
    return ls_sql_is_null(stmt, col) ? 0 : stmt->db->driver->i64(stmt, col);
}

double ls_sql_double(const struct ls_sql_stmt *stmt, int col)
{
    return ls_sql_is_null(stmt, col) ? 0 : stmt->db->driver->dbl(stmt, col);
}

const char *ls_sql_text(struct ls_sql_stmt *stmt, int col, size_t *ret_size)
{
    size_t size = 0;
    const char *text = ls_sql_is_null(stmt, col) ? NULL : stmt->db->driver->text(stmt, col, &size);

    if (ret_size)
        *ret_size = text ? size : 0;
    return text;
}

const void *ls_sql_bytes(struct ls_sql_stmt *stmt, int col, size_t *ret_size)
{
    size_t size = 0;
    const void *bytes =
        ls_sql_is_null(stmt, col) ? NULL : stmt->db->driver->bytes(stmt, col, &size);

    if (ret_size)
        *ret_size = bytes ? size : 0;
    return bytes;
}

struct ls_value ls_sql_value(struct ls_sql_stmt *stmt, int col)
{
    struct ls_value ret = ls_value_null();

    if (is_column(stmt, col))
        ls_sql_values(stmt, (size_t)col, 1, &ret);
    return ret;
}

void ls_sql_values(struct ls_sql_stmt *stmt, size_t first, size_t count, struct ls_value *ret)
{
    if (stmt->db->driver->has_row(stmt))
        stmt->db->driver->values(stmt, (int)first, (int)count, ret);
    else
        memset(ret, 0, count * sizeof *ret); /* LS_T_NULL */
}

enum ls_code ls_sql_checkpoint(struct ls_sql *db, int64_t limit_bytes, struct ls_error *err)
{
    return db->driver->checkpoint(db, limit_bytes, err);
}
