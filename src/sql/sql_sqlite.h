/* SPDX-License-Identifier: Apache-2.0 */
/* sql_sqlite.h - what the two files of the SQLite driver share. */
#ifndef LS_SQL_SQL_SQLITE_H
#define LS_SQL_SQL_SQLITE_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "base/file.h"
#include "sql/sql_driver.h"

struct ls_sqlite3 {
    struct ls_sql base;
    sqlite3 *handle;
    char *path; /* the real one */

    bool guarded;
    bool
        began; /* by ls_sqlite3_begin(): until commit or rollback, whatever SQLite does meanwhile */
    bool dead; /* an fsync failed: what is on disk is unknown */
    bool no_wait;     /* for the busy handler: give up at once */
    unsigned writers; /* statements that write outside of a transaction and are not at their end */
    char *lock_path;
    struct ls_file_lock guard;
    int wal_pages; /* in the WAL after the last commit; 0 after a checkpoint */
    int64_t page_bytes;

    int busy_timeout_ms;
    int64_t wait_since_us;
    atomic_bool cancelled; /* since the running statement began */
};

/* Turns a result code into an error; marks the connection dead where it must. */
enum ls_code ls_sqlite3_error(struct ls_sqlite3 *db, int rc, struct ls_error *err);
/* Before any statement: the connection works, and a transaction that was begun still is open. */
enum ls_code ls_sqlite3_ready(struct ls_sqlite3 *db, struct ls_error *err);

/* The guard lock: taken if it is not held yet; given back if nothing needs it any more. */
enum ls_code ls_sqlite3_guard_enter(struct ls_sqlite3 *db, struct ls_error *err);
void ls_sqlite3_guard_leave(struct ls_sqlite3 *db);

/* Makes json_quote() fit for triggers; an SQLite result code. */
int ls_sqlite3_add_json(sqlite3 *handle);

/* The statement half of the driver's table: */
enum ls_code ls_sqlite3_exec(struct ls_sql *base, const char *sql, struct ls_error *err);
enum ls_code ls_sqlite3_prepare(struct ls_sql *base, const char *sql, bool once,
                                struct ls_sql_stmt **ret, struct ls_error *err);
void ls_sqlite3_finish(struct ls_sql_stmt *stmt);
void ls_sqlite3_reset(struct ls_sql_stmt *stmt);
enum ls_code ls_sqlite3_run(struct ls_sql_stmt *stmt, const struct ls_value *params, size_t count,
                            bool stream, struct ls_error *err);
enum ls_code ls_sqlite3_step(struct ls_sql_stmt *stmt, bool *ret_row, struct ls_error *err);
enum ls_code ls_sqlite3_change(struct ls_sql_stmt *stmt, const struct ls_value *params,
                               size_t count, int64_t *ret_changes, struct ls_error *err);
int ls_sqlite3_columns(const struct ls_sql_stmt *stmt);
const char *ls_sqlite3_column_name(const struct ls_sql_stmt *stmt, int col);
bool ls_sqlite3_has_row(const struct ls_sql_stmt *stmt);
bool ls_sqlite3_is_null(const struct ls_sql_stmt *stmt, int col);
int64_t ls_sqlite3_i64(const struct ls_sql_stmt *stmt, int col);
double ls_sqlite3_double(const struct ls_sql_stmt *stmt, int col);
const char *ls_sqlite3_text(struct ls_sql_stmt *stmt, int col, size_t *ret_size);
const void *ls_sqlite3_bytes(struct ls_sql_stmt *stmt, int col, size_t *ret_size);
void ls_sqlite3_values(struct ls_sql_stmt *stmt, int first, int count, struct ls_value *ret);

#endif
