/* SPDX-License-Identifier: Apache-2.0 */
/* eval.c - evaluates field expressions, one record at a time, on an SQLite database in memory.
 *
 * What runs here was written by our parser (model/expr.h) and is one expression by construction. The database is closed all the
 * same, so that a fault of the parser is no hole: defensive, no schema to trust, an authorizer that knows only SELECT and the
 * allow list of functions, no attached files, no extensions, length limits, and a progress limit.
 *
 * Each expression is one statement, `SELECT <expression>`, prepared when it is added; a record's fields are bound to it
 * (borrowed, not copied), it is stepped once and reset. An expression that is nothing but a field never gets here: its
 * value passes as it is. Fields that SQLite has no type for are bound as text (expr_type.c says how they are compared);
 * NaN is bound as NULL, since SQLite has none. Results come back in the expression's static type where it has one and
 * the value is one; else as what SQLite made of it.
 *
 * Limits: a value or intermediate result has at most MAX_LENGTH bytes. One evaluator belongs to one thread. */
#include "sql/eval.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "model/decimal.h"
#include "sql/eval_priv.h"

#define MAX_LENGTH 1000000
#define MAX_STATEMENT 300000 /* over what the parser writes */
#define MAX_PATTERN 4096     /* LIKE and GLOB */
/* An expression has no loops, so it takes as many steps as its SQL has parts: this is far above the largest. */
#define PROGRESS_STEPS 1000
#define MAX_PROGRESS 1000

struct item {
    const struct ls_expr *expr;
    sqlite3_stmt *strict, *loose; /* loose: NULL until a record needs it */
};
struct ls_eval {
    sqlite3 *db;
    struct item *items;
    int count, capacity;
    struct ls_arena scratch;
    struct ls_eval_context contexts[LS_TYPE_COUNT];
    int progress;
};

static int authorize(void *ctx, int action, const char *a, const char *b, const char *c,
                     const char *d)
{
    (void)ctx, (void)a, (void)c, (void)d;
    if (action == SQLITE_SELECT)
        return SQLITE_OK;
    return action == SQLITE_FUNCTION && b && ls_expr_may_call(b) ? SQLITE_OK : SQLITE_DENY;
}

static int on_progress(void *ctx)
{
    struct ls_eval *eval = ctx;

    return ++eval->progress > MAX_PROGRESS;
}

static int harden(struct ls_eval *eval)
{
    static const struct {
        int option, value;
    } config[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},      {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_DQS_DDL, 0},        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0}, {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
    };
    static const struct {
        int limit, value;
    } limits[] = {
        {SQLITE_LIMIT_LENGTH, MAX_LENGTH},
        {SQLITE_LIMIT_SQL_LENGTH, MAX_STATEMENT},
        {SQLITE_LIMIT_ATTACHED, 0},
        {SQLITE_LIMIT_COMPOUND_SELECT, 1},
        {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MAX_PATTERN},
        {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
        {SQLITE_LIMIT_WORKER_THREADS, 0},
    };
    int rc = SQLITE_OK;

    for (size_t i = 0; rc == SQLITE_OK && i < sizeof config / sizeof config[0]; i++)
        rc = sqlite3_db_config(eval->db, config[i].option, config[i].value, NULL);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        sqlite3_limit(eval->db, limits[i].limit, limits[i].value);
    if (rc == SQLITE_OK)
        rc = ls_eval_register(eval->db, eval->contexts);
    if (rc == SQLITE_OK)
        rc = sqlite3_set_authorizer(eval->db, authorize, eval);
    sqlite3_progress_handler(eval->db, PROGRESS_STEPS, on_progress, eval);
    return rc;
}

enum ls_code ls_eval_open(struct ls_eval **ret, struct ls_error *err)
{
    struct ls_eval *eval = calloc(1, sizeof *eval);
    int rc;

    if (!eval)
        return ls_error_nomem(err);
    ls_arena_init(&eval->scratch, 0);
    for (unsigned type = 0; type < LS_TYPE_COUNT; type++)
        eval->contexts[type] = (struct ls_eval_context){(enum ls_type)type, &eval->scratch};
    rc = sqlite3_open_v2(":memory:", &eval->db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                             SQLITE_OPEN_MEMORY,
                         NULL);
    if (rc == SQLITE_OK)
        rc = harden(eval);
    if (rc != SQLITE_OK) {
        ls_eval_close(eval);
        return rc == SQLITE_NOMEM
                   ? ls_error_nomem(err)
                   : ls_error_set(err, LS_INTERNAL, "expressions: cannot start the evaluator: %s",
                                  sqlite3_errstr(rc));
    }
    *ret = eval;
    return LS_OK;
}

void ls_eval_close(struct ls_eval *eval)
{
    if (!eval)
        return;
    for (int i = 0; i < eval->count; i++) {
        sqlite3_finalize(eval->items[i].strict);
        sqlite3_finalize(eval->items[i].loose);
    }
    free(eval->items);
    sqlite3_close(eval->db);
    ls_arena_done(&eval->scratch);
    free(eval);
}

/* What SQLite and our functions say that holds nothing of the record; other texts may, and are replaced by the code's. */
static const char *const safe_messages[] = {
    "string or blob too big",
    "integer overflow",
    "malformed JSON",
    "LIKE or GLOB pattern too complex",
    "ESCAPE expression must be a single character",
    "interrupted",
    "JSON cannot hold BLOB values",
    "json_object() requires an even number of arguments",
    "json_object() labels must be TEXT",
    "decimal arithmetic with a value that is no number",
    "a number with too many digits",
    "a time that depends on the clock or the machine's zone",
};

static const char *safe_message(sqlite3 *db)
{
    const char *message = sqlite3_errmsg(db);

    for (size_t i = 0; i < sizeof safe_messages / sizeof safe_messages[0]; i++)
        if (strcmp(message, safe_messages[i]) == 0)
            return safe_messages[i];
    if (ls_text_starts(message, "CAST of a value that is no "))
        return message;
    if (strstr(message, "JSON path"))
        return "malformed JSON path";
    return sqlite3_errstr(sqlite3_errcode(db));
}

static enum ls_code failed(struct ls_eval *eval, const struct item *item, struct ls_error *err)
{
    const int code = sqlite3_errcode(eval->db);

    if (code == SQLITE_NOMEM)
        return ls_error_nomem(err);
    if (code == SQLITE_TOOBIG)
        return ls_error_set(err, LS_DATA,
                            "expression: a value of more than %d bytes (expression=%s)", MAX_LENGTH,
                            ls_expr_text(item->expr));
    return ls_error_set(err, LS_DATA, "expression: %s (expression=%s)", safe_message(eval->db),
                        ls_expr_text(item->expr));
}

static enum ls_code prepare(struct ls_eval *eval, const struct ls_expr *expr, const char *sql,
                            sqlite3_stmt **ret, struct ls_error *err)
{
    struct ls_buf text;
    const char *tail = "";
    int rc = SQLITE_NOMEM;

    ls_buf_init(&text, 0);
    ls_buf_printf(&text, "SELECT ");
    ls_buf_text(&text, sql);
    if (!text.failed)
        rc = sqlite3_prepare_v3(eval->db, ls_buf_str(&text), (int)text.size + 1,
                                SQLITE_PREPARE_PERSISTENT, ret, &tail);
    if (rc == SQLITE_OK && (*tail || !*ret || sqlite3_column_count(*ret) != 1)) {
        sqlite3_finalize(*ret);
        *ret = NULL;
        rc = SQLITE_ERROR;
    }
    ls_buf_done(&text);
    if (rc == SQLITE_OK)
        return LS_OK;
    if (rc == SQLITE_NOMEM)
        return ls_error_nomem(err);
    /* The message speaks of the SQL, which holds no record. */
    return ls_error_set(err, LS_CONFIG, "expression: SQLite does not take it: %s (expression=%s)",
                        sqlite3_errmsg(eval->db), ls_expr_text(expr));
}

enum ls_code ls_eval_add(struct ls_eval *eval, const struct ls_expr *expr, int *ret_id,
                         struct ls_error *err)
{
    struct item item = {.expr = expr};
    enum ls_code rc;

    if (eval->count == eval->capacity) {
        const int capacity = eval->capacity ? eval->capacity * 2 : 8;
        struct item *items = realloc(eval->items, (size_t)capacity * sizeof *items);

        if (!items)
            return ls_error_nomem(err);
        eval->items = items;
        eval->capacity = capacity;
    }
    if (ls_expr_field(expr) < 0) {
        rc = prepare(eval, expr, ls_expr_sql(expr), &item.strict, err);
        if (rc != LS_OK)
            return rc;
    }
    eval->items[eval->count] = item;
    *ret_id = eval->count++;
    return LS_OK;
}

static int bind_text(sqlite3_stmt *stmt, int at, const struct ls_value *v)
{
    struct ls_buf text;
    int rc;

    ls_buf_init(&text, 0);
    ls_expr_write(&text, v);
    rc = text.failed
             ? SQLITE_NOMEM
             : sqlite3_bind_text(stmt, at, ls_buf_str(&text), (int)text.size, SQLITE_TRANSIENT);
    ls_buf_done(&text);
    return rc;
}

static int bind_value(sqlite3_stmt *stmt, int at, const struct ls_value *v)
{
    switch (v->type) {
    case LS_T_BOOL:
        return sqlite3_bind_int(stmt, at, v->b);
    case LS_T_INT:
        return sqlite3_bind_int64(stmt, at, v->i);
    case LS_T_DOUBLE:
        return sqlite3_bind_double(stmt, at, v->d); /* NaN: NULL */
    case LS_T_DECIMAL:
    case LS_T_TEXT:
    case LS_T_JSON:
    case LS_T_NATIVE:
        return sqlite3_bind_text64(stmt, at, v->size ? v->data : "", v->size, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case LS_T_BYTES:
        return sqlite3_bind_blob64(stmt, at, v->size ? v->data : "", v->size, SQLITE_STATIC);
    case LS_T_DATE:
    case LS_T_TIME:
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
    case LS_T_UUID:
        return bind_text(stmt, at, v);
    case LS_T_NULL:
    case LS_TYPE_COUNT:
        break;
    }
    return sqlite3_bind_null(stmt, at);
}

static int bind_record(sqlite3_stmt *stmt, const struct ls_expr *expr,
                       const struct ls_value *record)
{
    size_t count;
    const size_t *fields = ls_expr_fields(expr, &count);
    const int used = sqlite3_bind_parameter_count(stmt);
    int rc = SQLITE_OK;

    for (int i = 0; rc == SQLITE_OK && i < used && (size_t)i < count; i++)
        rc = bind_value(stmt, i + 1, &record[fields[i]]);
    return rc;
}

static bool copy_data(enum ls_type type, const void *data, int size, struct ls_arena *mem,
                      struct ls_value *ret)
{
    const void *copy = ls_arena_text_n(mem, size ? data : "", (size_t)size);

    if (copy)
        *ret = ls_value_data(type, copy, (size_t)size);
    return copy != NULL;
}

/* The text as the expression's type, when it is one. */
static bool typed_text(enum ls_type type, const char *text, int size, struct ls_arena *mem,
                       struct ls_value *ret)
{
    switch (type) {
    case LS_T_DECIMAL:
        return ls_decimal_valid(text, (size_t)size) && copy_data(type, text, size, mem, ret);
    case LS_T_JSON:
        return copy_data(type, text, size, mem, ret);
    case LS_T_DATE:
    case LS_T_TIME:
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
    case LS_T_UUID:
        return ls_expr_read(type, text, (size_t)size, mem, ret);
    case LS_T_NULL:
    case LS_T_BOOL:
    case LS_T_INT:
    case LS_T_DOUBLE:
    case LS_T_TEXT:
    case LS_T_BYTES:
    case LS_T_NATIVE:
    case LS_TYPE_COUNT:
        break;
    }
    return false;
}

static bool number_as_decimal(sqlite3_stmt *stmt, struct ls_arena *mem, struct ls_value *ret)
{
    struct ls_buf text;
    bool ok;

    ls_buf_init(&text, 0);
    if (sqlite3_column_type(stmt, 0) == SQLITE_INTEGER)
        ls_buf_printf(&text, "%lld", (long long)sqlite3_column_int64(stmt, 0));
    else
        ls_decimal_from_double(&text, sqlite3_column_double(stmt, 0), 53);
    ok = !text.failed && copy_data(LS_T_DECIMAL, ls_buf_str(&text), (int)text.size, mem, ret);
    ls_buf_done(&text);
    return ok;
}

/* The column as a value; false when out of memory. */
static bool result_value(sqlite3_stmt *stmt, enum ls_type type, struct ls_arena *mem,
                         struct ls_value *ret)
{
    const int storage = sqlite3_column_type(stmt, 0);
    const char *text;

    *ret = ls_value_null();
    switch (storage) {
    case SQLITE_INTEGER:
        if (type == LS_T_DECIMAL)
            return number_as_decimal(stmt, mem, ret);
        *ret = ls_value_int(sqlite3_column_int64(stmt, 0));
        if (type == LS_T_BOOL && (ret->i == 0 || ret->i == 1))
            *ret = (struct ls_value){.type = LS_T_BOOL, .b = ret->i == 1};
        return true;
    case SQLITE_FLOAT:
        if (type == LS_T_DECIMAL)
            return number_as_decimal(stmt, mem, ret);
        *ret = (struct ls_value){.type = LS_T_DOUBLE, .d = sqlite3_column_double(stmt, 0)};
        return true;
    case SQLITE_TEXT:
        text = (const char *)sqlite3_column_text(stmt, 0);
        if (!text)
            return false;
        return typed_text(type, text, sqlite3_column_bytes(stmt, 0), mem, ret) ||
               copy_data(LS_T_TEXT, text, sqlite3_column_bytes(stmt, 0), mem, ret);
    case SQLITE_BLOB:
        return copy_data(LS_T_BYTES, sqlite3_column_blob(stmt, 0), sqlite3_column_bytes(stmt, 0),
                         mem, ret);
    default:
        return true;
    }
}

/* The statement for this record: dynamic fields may hold what an affinity would change. */
static enum ls_code choose(struct ls_eval *eval, struct item *item, const struct ls_value *record,
                           sqlite3_stmt **ret, struct ls_error *err)
{
    *ret = item->strict;
    if (ls_expr_holds(item->expr, record))
        return LS_OK;
    if (!item->loose) {
        enum ls_code rc =
            prepare(eval, item->expr, ls_expr_loose_sql(item->expr), &item->loose, err);

        if (rc != LS_OK)
            return rc;
    }
    *ret = item->loose;
    return LS_OK;
}

/* Binds and steps; the row stands in *ret_stmt until the caller resets it. */
static enum ls_code run(struct ls_eval *eval, struct item *item, const struct ls_value *record,
                        sqlite3_stmt **ret_stmt, struct ls_error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum ls_code rc = choose(eval, item, record, &stmt, err);

    if (rc != LS_OK)
        return rc;
    ls_arena_reset(&eval->scratch);
    eval->progress = 0;
    if (bind_record(stmt, item->expr, record) != SQLITE_OK || sqlite3_step(stmt) != SQLITE_ROW) {
        rc = failed(eval, item, err);
        sqlite3_reset(stmt);
        sqlite3_clear_bindings(stmt);
        return rc;
    }
    *ret_stmt = stmt;
    return LS_OK;
}

static void finish(sqlite3_stmt *stmt)
{
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt); /* they point into the record */
}

enum ls_code ls_eval_value(struct ls_eval *eval, int id, const struct ls_value *record,
                           struct ls_arena *mem, struct ls_value *ret, struct ls_error *err)
{
    struct item *item = &eval->items[id];
    const int field = ls_expr_field(item->expr);
    sqlite3_stmt *stmt = NULL;
    struct ls_value value;
    enum ls_code rc;
    bool ok;

    if (field >= 0)
        return ls_value_copy(mem, &record[field], ret) ? LS_OK : ls_error_nomem(err);
    rc = run(eval, item, record, &stmt, err);
    if (rc != LS_OK)
        return rc;
    ok = result_value(stmt, ls_expr_type(item->expr), mem, &value);
    finish(stmt);
    if (!ok)
        return ls_error_nomem(err);
    *ret = value;
    return LS_OK;
}

/* What a field alone is as a condition: SQLite's truth of it, NULL and 0 being false. */
static bool truth(const struct ls_value *v, bool *ret)
{
    *ret = v->type == LS_T_BOOL ? v->b : v->type == LS_T_INT && v->i != 0;
    return v->type == LS_T_BOOL || v->type == LS_T_INT || v->type == LS_T_NULL;
}

enum ls_code ls_eval_true(struct ls_eval *eval, int id, const struct ls_value *record,
                          struct ls_arena *mem, bool *ret, struct ls_error *err)
{
    struct item *item = &eval->items[id];
    const int field = ls_expr_field(item->expr);
    sqlite3_stmt *stmt = NULL;
    enum ls_code rc;

    (void)mem;
    if (field >= 0 && truth(&record[field], ret))
        return LS_OK;
    if (!item->strict) {
        rc = prepare(eval, item->expr, ls_expr_sql(item->expr), &item->strict, err);
        if (rc != LS_OK)
            return rc;
    }
    rc = run(eval, item, record, &stmt, err);
    if (rc != LS_OK)
        return rc;
    /* As SQL's WHERE takes it: a text by the number it begins with. */
    *ret = sqlite3_column_type(stmt, 0) != SQLITE_NULL && sqlite3_column_double(stmt, 0) != 0.0;
    finish(stmt);
    return LS_OK;
}
