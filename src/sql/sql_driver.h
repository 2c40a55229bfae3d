/* SPDX-License-Identifier: Apache-2.0 */
/* sql_driver.h - what a database library must do behind sql.h; seen by src/sql only.
 *
 * A driver's own connection and statement begin with the structs here. Arguments have been
 * checked by sql.c; results mean what sql.h says. */
#ifndef LS_SQL_SQL_DRIVER_H
#define LS_SQL_SQL_DRIVER_H

#include "sql/sql.h"

struct ls_sql_driver {
    enum ls_dialect dialect;
    void (*close)(struct ls_sql *db);
    void (*cancel)(struct ls_sql *db);
    bool (*alive)(const struct ls_sql *db);

    enum ls_code (*exec)(struct ls_sql *db, const char *sql, struct ls_error *err);
    enum ls_code (*begin)(struct ls_sql *db, bool write, struct ls_error *err);
    enum ls_code (*commit)(struct ls_sql *db, struct ls_error *err);
    void (*rollback)(struct ls_sql *db);
    bool (*in_transaction)(const struct ls_sql *db);
    enum ls_code (*checkpoint)(struct ls_sql *db, int64_t limit_bytes, struct ls_error *err);

    /* once: it will run one time only. */
    enum ls_code (*prepare)(struct ls_sql *db, const char *sql, bool once, struct ls_sql_stmt **ret,
                            struct ls_error *err);
    void (*finish)(struct ls_sql_stmt *stmt);
    void (*reset)(struct ls_sql_stmt *stmt);
    enum ls_code (*run)(struct ls_sql_stmt *stmt, const struct ls_value *params, size_t count,
                        bool stream, struct ls_error *err);
    enum ls_code (*step)(struct ls_sql_stmt *stmt, bool *ret_row, struct ls_error *err);
    enum ls_code (*change)(struct ls_sql_stmt *stmt, const struct ls_value *params, size_t count,
                           int64_t *ret_changes, struct ls_error *err);

    /* col is 0..columns()-1, and but for the first two there is a row. */
    int (*columns)(const struct ls_sql_stmt *stmt);
    const char *(*column_name)(const struct ls_sql_stmt *stmt, int col);
    bool (*has_row)(const struct ls_sql_stmt *stmt);
    bool (*is_null)(const struct ls_sql_stmt *stmt, int col);
    int64_t (*i64)(const struct ls_sql_stmt *stmt, int col);
    double (*dbl)(const struct ls_sql_stmt *stmt, int col);
    const char *(*text)(struct ls_sql_stmt *stmt, int col, size_t *ret_size);
    const void *(*bytes)(struct ls_sql_stmt *stmt, int col, size_t *ret_size);
    void (*values)(struct ls_sql_stmt *stmt, int first, int count, struct ls_value *ret);
};

struct ls_sql {
    const struct ls_sql_driver *driver;
    char *identity; /* owned, as the next: freed by ls_sql_base_done() */
    char *shown;    /* the URL as messages may show it */
    int version;
    bool unseen; /* nobody's database: its statements are not shown */
};

struct ls_sql_stmt {
    struct ls_sql *db;
};

/* Frees what struct ls_sql owns (not the struct). */
void ls_sql_base_done(struct ls_sql *db);

/* options are complete: no value stands for a default any more. */
enum ls_code ls_sql_open_sqlite(const struct ls_url *url, const struct ls_sql_options *options,
                                struct ls_sql **ret, struct ls_error *err);
enum ls_code ls_sql_open_postgres(const struct ls_url *url, const struct ls_sql_options *options,
                                  struct ls_sql **ret, struct ls_error *err);

/* Appends sql with `?` as $1, $2...; *ret_count is how many there were. Literals, quoted names,
 * dollar quotes and comments stay as they are, `??` becomes `?`. */
void ls_sql_placeholders(const char *sql, struct ls_buf *out, size_t *ret_count);

/* What a database's error code means to us. */
struct ls_sql_meaning {
    enum ls_code code;
    const char *name; /* for ls_error.native; NULL: the SQLSTATE itself */
    const char *hint; /* what to do: whole sentences, or NULL */
};
struct ls_sql_meaning ls_sql_meaning_of_sqlstate(const char *sqlstate);
/* extended_code: as sqlite3_extended_errcode() gives it; errnum: of the system call that
 * failed, looked at where the code is about input and output. */
struct ls_sql_meaning ls_sql_meaning_of_sqlite(int extended_code, int errnum);

/* Errors of one record: their text goes into lists of failed records and needs no address. */
static inline bool ls_sql_about_record(enum ls_code code)
{
    return code == LS_CONSTRAINT || code == LS_TYPE;
}

/* Shows a statement to whoever wants to see them (log.h, level debug). */
void ls_sql_trace(const struct ls_sql *db, const char *sql);

#endif
