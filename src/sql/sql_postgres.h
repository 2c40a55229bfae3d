/* SPDX-License-Identifier: Apache-2.0 */
/* sql_postgres.h - what the files of the PostgreSQL driver share. */
#ifndef LS_SQL_SQL_POSTGRES_H
#define LS_SQL_SQL_POSTGRES_H

#include <libpq-fe.h>
#include <stdatomic.h>

#include "sql/sql_driver.h"

struct pg_stmt;

struct ls_pq {
    struct ls_sql base;
    PGconn *conn;
    PGcancel *cancel; /* made at open: safe to use from any thread */
    bool lost;
    bool began; /* by begin(): what libpq cannot tell while a statement runs */

    /* What has the wire to itself until it ends; at most one of them: */
    struct pg_stmt *stream;
    struct ls_sql_copy *copy;

    unsigned names;       /* prepared statements so far */
    struct ls_buf doomed; /* DEALLOCATE statements to be sent some time */
    unsigned doomed_count;

    atomic_bool cancelled; /* since the running statement began */
};

/* Before any statement: the connection lives, and the wire is free. */
enum ls_code ls_pq_ready(struct ls_pq *db, struct ls_error *err);
/* LS_OK when the result is a good one, else the error it holds. res may be NULL. */
enum ls_code ls_pq_check(struct ls_pq *db, const PGresult *res, struct ls_error *err);
/* Runs one text and throws its rows away. */
enum ls_code ls_pq_simple(struct ls_pq *db, const char *sql, struct ls_error *err);
/* Reads results until there are none; with `err`, the first bad one is reported. */
enum ls_code ls_pq_drain(struct ls_pq *db, struct ls_error *err);
/* Asks the server to stop what runs on this connection. */
void ls_pq_interrupt(struct ls_pq *db);

/* Ends the rows, or the copy, that have the wire. The objects stay, at their end. */
void ls_pq_stream_break(struct pg_stmt *stmt);
void ls_pq_copy_break(struct ls_sql_copy *copy);

/* The session half: */
void ls_pq_close(struct ls_sql *base);
void ls_pq_cancel(struct ls_sql *base);
bool ls_pq_alive(const struct ls_sql *base);
enum ls_code ls_pq_exec(struct ls_sql *base, const char *sql, struct ls_error *err);
enum ls_code ls_pq_begin(struct ls_sql *base, bool write, struct ls_error *err);
enum ls_code ls_pq_commit(struct ls_sql *base, struct ls_error *err);
void ls_pq_rollback(struct ls_sql *base);
bool ls_pq_in_transaction(const struct ls_sql *base);
enum ls_code ls_pq_checkpoint(struct ls_sql *base, int64_t limit_bytes, struct ls_error *err);

/* The statement half: */
enum ls_code ls_pq_prepare(struct ls_sql *base, const char *sql, bool once,
                           struct ls_sql_stmt **ret, struct ls_error *err);
void ls_pq_finish(struct ls_sql_stmt *stmt);
void ls_pq_reset(struct ls_sql_stmt *stmt);
enum ls_code ls_pq_run(struct ls_sql_stmt *stmt, const struct ls_value *params, size_t count,
                       bool stream, struct ls_error *err);
enum ls_code ls_pq_step(struct ls_sql_stmt *stmt, bool *ret_row, struct ls_error *err);
enum ls_code ls_pq_change(struct ls_sql_stmt *stmt, const struct ls_value *params, size_t count,
                          int64_t *ret_changes, struct ls_error *err);
int ls_pq_columns(const struct ls_sql_stmt *stmt);
const char *ls_pq_column_name(const struct ls_sql_stmt *stmt, int col);
bool ls_pq_has_row(const struct ls_sql_stmt *stmt);
bool ls_pq_is_null(const struct ls_sql_stmt *stmt, int col);
int64_t ls_pq_i64(const struct ls_sql_stmt *stmt, int col);
double ls_pq_double(const struct ls_sql_stmt *stmt, int col);
const char *ls_pq_text(struct ls_sql_stmt *stmt, int col, size_t *ret_size);
const void *ls_pq_bytes(struct ls_sql_stmt *stmt, int col, size_t *ret_size);
void ls_pq_values(struct ls_sql_stmt *stmt, int first, int count, struct ls_value *ret);

#endif
