/* SPDX-License-Identifier: Apache-2.0 */
/* sql.h - one connection interface over libpq and SQLite, which only this folder sees.
 *
 * Sessions are fixed when they open. PostgreSQL: UTC, ISO dates, IntervalStyle postgres,
 * extra_float_digits 3, UTF-8, bytea_output hex, empty search_path,
 * standard_conforming_strings, client_min_messages warning, row_security off, lock_timeout and statement_timeout
 * as given, lc_monetary C, TCP keepalives, synchronous_commit at least on; application_name is
 * lockstep unless the URL or PGAPPNAME names another. SQLite: foreign_keys ON, trusted_schema
 * off, double-quoted strings off, busy_timeout; the journal mode of a user's file is never
 * changed. A connection belongs to one thread; only ls_sql_cancel() may be called from others. */
#ifndef LS_SQL_SQL_H
#define LS_SQL_SQL_H

#include "base/thread.h"
#include "model/url.h"
#include "model/value.h"

enum ls_dialect { LS_SQLITE, LS_POSTGRES };

struct ls_sql;      /* a connection */
struct ls_sql_stmt; /* a prepared statement, and its rows while it runs */

struct ls_sql_options {
    bool read_only; /* SQLite: opened read-only; PostgreSQL: default_transaction_read_only */
    bool create;    /* SQLite: make a missing file (0600); else LS_NOT_FOUND */
    bool memory;    /* SQLite: no file, an empty database in memory, whatever the URL's path */
    /* SQLite, our own state: WAL, synchronous=FULL, no automatic checkpoint (also at close);
     * every write transaction and checkpoint under an exclusive lock on PATH-lock. */
    bool guarded;
    int busy_timeout_ms;      /* 0: 10 000 */
    int connect_timeout_s;    /* 0: PGCONNECT_TIMEOUT, else 10; one in the URL comes first */
    int lock_timeout_ms;      /* PostgreSQL; 0: 10 000 */
    int statement_timeout_ms; /* PostgreSQL; 0: none */
};

/* Opens by URL (schemes sqlite, postgres). options may be NULL. LS_CONNECT, LS_PERMISSION
 * (wrong password, no rights), LS_NOT_FOUND (no such database or file), LS_CORRUPT (not an
 * SQLite file). Messages show url->shown only. */
LS_MUST_CHECK enum ls_code ls_sql_open(const struct ls_url *url,
                                       const struct ls_sql_options *options, struct ls_sql **ret,
                                       struct ls_error *err);
void ls_sql_close(struct ls_sql *db);
enum ls_dialect ls_sql_dialect(const struct ls_sql *db);
int ls_sql_version(const struct ls_sql *db); /* PostgreSQL: 150018; SQLite: 3040001 */
/* Canonical identity without credentials: postgres://host:port/database (socket directories
 * too), sqlite:/real/path. */
const char *ls_sql_identity(const struct ls_sql *db);
/* true until the connection was lost. */
bool ls_sql_alive(const struct ls_sql *db);
/* Makes the running statement end with LS_CANCELLED; any thread. Where none runs it is forgotten,
 * so whoever wants a loop of statements to end tells the loop too. */
void ls_sql_cancel(struct ls_sql *db);

/* Runs one or more statements without parameters; rows are thrown away. Outside of a
 * transaction each takes effect by itself on SQLite, all or none on PostgreSQL: begin one where
 * that matters. */
LS_MUST_CHECK enum ls_code ls_sql_exec(struct ls_sql *db, const char *sql, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_sql_execf(struct ls_sql *db, struct ls_error *err, const char *fmt,
                                        ...) __attribute__((format(printf, 3, 4)));

/* Begins a transaction (SQLite: write ? BEGIN IMMEDIATE, under the guard lock : BEGIN;
 * PostgreSQL: read committed when write, else repeatable read read only), and ends it.
 * LS_INTERNAL when one is open already, or, at commit, when it was rolled back by an error
 * before. A commit that fails with LS_BUSY may be tried again. LS_CONNECT at commit leaves open
 * whether it happened. Rollback never fails; fine when none is open; ends streams and copies
 * first. */
LS_MUST_CHECK enum ls_code ls_sql_begin(struct ls_sql *db, bool write, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_sql_commit(struct ls_sql *db, struct ls_error *err);
void ls_sql_rollback(struct ls_sql *db);
bool ls_sql_in_transaction(const struct ls_sql *db);

/* Prepares one statement with `?` placeholders (rewritten to $1, $2... for PostgreSQL, outside
 * of literals, quoted names and comments; a `??` is a literal question mark operator).
 * PostgreSQL sees it at the first run only, so errors in it come there. */
LS_MUST_CHECK enum ls_code ls_sql_prepare(struct ls_sql *db, const char *sql,
                                          struct ls_sql_stmt **ret, struct ls_error *err);
void ls_sql_finish(struct ls_sql_stmt *stmt);
/* Ends a run whose rows need not all have been read: no snapshot stays open for it. */
void ls_sql_reset(struct ls_sql_stmt *stmt);
/* Runs it with these parameters (copied or used before it returns rows; NULL, INT, DOUBLE,
 * TEXT, BYTES natively, the other types by their text form; on PostgreSQL an INT binds as
 * bigint text, BYTES as bytea). Rows follow by ls_sql_step(); running again ends the rows
 * before. `stream`: rows come one by one instead of all at once (PostgreSQL single-row mode;
 * SQLite always streams). A statement without rows has taken effect when this returns. On
 * PostgreSQL nothing else runs on the connection (LS_INTERNAL) until a stream is at its end;
 * ending it early (finish, or run again) inside a transaction may abort the transaction, unless
 * the rest has arrived already. LS_TYPE: a value that the database cannot hold (text with NUL
 * on PostgreSQL, NaN on SQLite). */
LS_MUST_CHECK enum ls_code ls_sql_run(struct ls_sql_stmt *stmt, const struct ls_value *params,
                                      size_t count, bool stream, struct ls_error *err);
/* The next row; *ret_row false at the end. */
LS_MUST_CHECK enum ls_code ls_sql_step(struct ls_sql_stmt *stmt, bool *ret_row,
                                       struct ls_error *err);
/* Run and finish the rows: for statements that change; *ret_changes (may be NULL) is how many
 * records. */
LS_MUST_CHECK enum ls_code ls_sql_change(struct ls_sql_stmt *stmt, const struct ls_value *params,
                                         size_t count, int64_t *ret_changes, struct ls_error *err);
/* prepare + run + at most one row: *ret_stmt stands on it (finish it), *ret_row tells whether
 * there is one. */
LS_MUST_CHECK enum ls_code ls_sql_one(struct ls_sql *db, const char *sql,
                                      const struct ls_value *params, size_t count,
                                      struct ls_sql_stmt **ret_stmt, bool *ret_row,
                                      struct ls_error *err);

/* Columns of the row the statement stands on; borrowed until the next step. Text is NUL-ended.
 * A PostgreSQL column comes in text format; ls_sql_bytes() undoes bytea's hex. ls_sql_i64 reads
 * numbers and booleans (t/f). NULL gives 0 or NULL. */
int ls_sql_columns(const struct ls_sql_stmt *stmt);
const char *ls_sql_column_name(const struct ls_sql_stmt *stmt, int col);
bool ls_sql_is_null(const struct ls_sql_stmt *stmt, int col);
int64_t ls_sql_i64(const struct ls_sql_stmt *stmt, int col);
double ls_sql_double(const struct ls_sql_stmt *stmt, int col);
/* ret_size may be NULL, here and below. */
const char *ls_sql_text(struct ls_sql_stmt *stmt, int col, size_t *ret_size);
const void *ls_sql_bytes(struct ls_sql_stmt *stmt, int col, size_t *ret_size);
/* As stored: SQLite by storage class (NULL, INT, DOUBLE, TEXT, BYTES); PostgreSQL NULL or TEXT.
 * Borrowed. ls_sql_values() gives columns first to first + count - 1, which the statement must have. */
struct ls_value ls_sql_value(struct ls_sql_stmt *stmt, int col);
void ls_sql_values(struct ls_sql_stmt *stmt, size_t first, size_t count, struct ls_value *ret);

/* PostgreSQL only: COPY (query) TO STDOUT or COPY table FROM STDIN, rows as the server's bytes. */
struct ls_sql_copy;
LS_MUST_CHECK enum ls_code ls_sql_copy_out(struct ls_sql *db, const char *sql,
                                           struct ls_sql_copy **ret, struct ls_error *err);
/* One message (a row; the binary header comes with the first one, the trailer as one of its
 * own); *ret_data NULL at the end. Borrowed until the next call. */
LS_MUST_CHECK enum ls_code ls_sql_copy_read(struct ls_sql_copy *copy, const char **ret_data,
                                            size_t *ret_size, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_sql_copy_in(struct ls_sql *db, const char *sql,
                                          struct ls_sql_copy **ret, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_sql_copy_write(struct ls_sql_copy *copy, const void *data,
                                             size_t size, struct ls_error *err);
/* Ends an input copy and tells whether the server took it. */
LS_MUST_CHECK enum ls_code ls_sql_copy_end(struct ls_sql_copy *copy, struct ls_error *err);
/* Frees it; a copy that was not at its end is broken off (the connection stays usable). NULL is
 * fine. */
void ls_sql_copy_close(struct ls_sql_copy *copy);

/* PostgreSQL only: hears what NOTIFY tells on a channel (a plain name). From then on the session does nothing else. */
LS_MUST_CHECK enum ls_code ls_sql_listen(struct ls_sql *db, const char *channel,
                                         struct ls_error *err);
/* Waits for the next notification, or until stop_fd can be read. *ret_backend: whose it is (ls_sql_backend() of its session), 0 when stop_fd
 * ended the wait. LS_CONNECT when the connection was lost. */
LS_MUST_CHECK enum ls_code ls_sql_notified(struct ls_sql *db, int stop_fd, int *ret_backend,
                                           struct ls_error *err);
/* For a process of many threads, before it opens anything: SQLite counts its memory for nobody, which takes a lock with each piece.
 * Where SQLite is in use already it stays as it is. */
void ls_sql_uncounted(void);
/* The number of the server's process behind a connection; 0 on SQLite. */
int ls_sql_backend(const struct ls_sql *base);

/* SQLite, guarded: moves the WAL into the file under the lock when this connection's last commit left more than
 * limit_bytes in it (0: always, and cuts it). What readers still need stays until the next time. Others: nothing.
 * Not inside a transaction. */
LS_MUST_CHECK enum ls_code ls_sql_checkpoint(struct ls_sql *db, int64_t limit_bytes,
                                             struct ls_error *err);

#endif
