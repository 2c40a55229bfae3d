/* SPDX-License-Identifier: Apache-2.0 */
/* sql_postgres_stmt.c - PostgreSQL statements: parameters, rows, columns.
 *
 * A statement's first run goes out unnamed, with its parameters, in one round trip; only the
 * second run prepares it on the server. So what runs once costs nothing extra, and nobody has
 * to know beforehand.
 *
 * Parameter types are left to the server, so that `WHERE id = ?` takes a uuid or a date as
 * text; but an INT is int8, a DOUBLE float8 and BYTES bytea (in binary), because there the
 * value's type is known better here: an INT compared with a text column is a mistake to be
 * told, and `? + 1` needs a type. A run whose types differ from those that were prepared
 * prepares anew; NULL fits all.
 *
 * Text cannot hold NUL on PostgreSQL and libpq takes C strings: such a value would be cut in
 * silence, so it is refused here.
 *
 * Names that are no longer used are given back in heaps of DOOMED_MAX, so that finishing a
 * statement costs no round trip. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "sql/sql_postgres.h"

#define OID_UNKNOWN 0
#define OID_BYTEA 17
#define OID_INT8 20
#define OID_FLOAT8 701
#define MAX_PARAMS 65535 /* the protocol's */
#define DOOMED_MAX 32
#define ARRIVED_MAX 256 /* rows */

struct pg_stmt {
    struct ls_sql_stmt base;
    char *sql; /* rewritten */
    size_t param_count;
    unsigned runs;
    char name[24]; /* "" while not prepared */
    Oid *types;    /* as prepared */
    PGresult *res; /* all rows, or the one of a stream */
    int row;       /* the next one in res */
    bool on_row;
    struct ls_buf text;  /* parameters of this run */
    struct ls_arena mem; /* parameter arrays of this run, then decoded columns of this row */
};

struct params {
    Oid *types;
    const char **values;
    int *lengths, *formats;
    int count;
};

static struct pg_stmt *of(struct ls_sql_stmt *base)
{
    return (struct pg_stmt *)base;
}

static const struct pg_stmt *of_const(const struct ls_sql_stmt *base)
{
    return (const struct pg_stmt *)base;
}

static struct ls_pq *db_of(const struct pg_stmt *s)
{
    return (struct ls_pq *)s->base.db;
}

static Oid type_of(const struct ls_value *v)
{
    if (v->type == LS_T_INT)
        return OID_INT8;
    if (v->type == LS_T_DOUBLE)
        return OID_FLOAT8;
    return v->type == LS_T_BYTES ? OID_BYTEA : OID_UNKNOWN;
}

static enum ls_code add_param(struct pg_stmt *s, const struct ls_value *v, struct ls_error *err)
{
    size_t from = s->text.size;

    if (v->type == LS_T_BYTES)
        ls_buf_add(&s->text, v->data, v->size);
    else
        ls_value_to_text(&s->text, v);
    if (v->type != LS_T_BYTES && s->text.size > from &&
        memchr(s->text.data + from, '\0', s->text.size - from))
        return ls_error_set(err, LS_TYPE, "PostgreSQL text cannot hold a NUL character");
    ls_buf_char(&s->text, '\0');
    return LS_OK;
}

/* The buffer moves while it grows: sizes first, addresses when it is complete. */
static void point(struct params *p, const struct ls_buf *text, const struct ls_value *values)
{
    size_t at = 0;

    for (int i = 0; i < p->count; i++) {
        p->values[i] = values[i].type == LS_T_NULL ? NULL : text->data + at;
        at += (size_t)p->lengths[i] + (values[i].type != LS_T_NULL);
    }
}

static enum ls_code encode(struct pg_stmt *s, const struct ls_value *values, size_t count,
                           struct params *ret, struct ls_error *err)
{
    struct params p = {.count = (int)count};

    if (count != s->param_count || count > MAX_PARAMS)
        return ls_error_set(err, LS_INTERNAL, "a statement with %zu placeholders got %zu values",
                            s->param_count, count);
    ls_buf_reset(&s->text);
    ls_arena_reset(&s->mem);
    p.types = ls_arena_array(&s->mem, count, sizeof(*p.types));
    p.values = ls_arena_array(&s->mem, count, sizeof(*p.values));
    p.lengths = ls_arena_array(&s->mem, count, sizeof(*p.lengths));
    p.formats = ls_arena_array(&s->mem, count, sizeof(*p.formats));
    if (!p.types || !p.values || !p.lengths || !p.formats)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        size_t from = s->text.size;

        if (values[i].type == LS_T_NULL)
            continue;
        if (add_param(s, &values[i], err) != LS_OK)
            return LS_TYPE;
        if (s->text.failed)
            return ls_error_set(err, LS_NOMEM, "the values of one statement are too large");
        p.types[i] = type_of(&values[i]);
        p.formats[i] = p.types[i] == OID_BYTEA;
        p.lengths[i] = (int)(s->text.size - from - 1);
    }
    point(&p, &s->text, values);
    *ret = p;
    return LS_OK;
}

/* Inside a failed transaction nothing can be run: then later. */
static void send_doomed(struct ls_pq *db)
{
    if (db->doomed_count < DOOMED_MAX || db->lost || db->stream || db->copy ||
        PQtransactionStatus(db->conn) == PQTRANS_INERROR)
        return;
    if (ls_buf_str(&db->doomed))
        (void)ls_pq_simple(db, ls_buf_str(&db->doomed), NULL);
    ls_buf_reset(&db->doomed);
    db->doomed_count = 0;
}

static void forget_prepared(struct pg_stmt *s)
{
    struct ls_pq *db = db_of(s);

    if (s->name[0]) {
        ls_buf_printf(&db->doomed, "DEALLOCATE %s;", s->name);
        db->doomed_count++;
    }
    s->name[0] = '\0';
    free(s->types);
    s->types = NULL;
}

/* A NULL's type is unknown here and fits whatever was prepared. */
static bool types_fit(const struct pg_stmt *s, const struct params *p)
{
    for (int i = 0; i < p->count; i++)
        if (p->values[i] && p->types[i] != s->types[i])
            return false;
    return true;
}

static enum ls_code ensure_prepared(struct pg_stmt *s, const struct params *p, struct ls_error *err)
{
    struct ls_pq *db = db_of(s);
    enum ls_code rc;
    PGresult *res;

    if (s->name[0] && types_fit(s, p))
        return LS_OK;
    forget_prepared(s);
    send_doomed(db);
    s->types = calloc((size_t)p->count + 1, sizeof(*s->types));
    if (!s->types)
        return ls_error_nomem(err);
    for (int i = 0; i < p->count; i++)
        s->types[i] = p->types[i];
    snprintf(s->name, sizeof(s->name), "lockstep_%u", ++db->names);
    res = PQprepare(db->conn, s->name, s->sql, p->count, s->types);
    rc = ls_pq_check(db, res, err);
    PQclear(res);
    if (rc != LS_OK) {
        s->name[0] = '\0';
        free(s->types);
        s->types = NULL;
    }
    return rc;
}

enum ls_code ls_pq_prepare(struct ls_sql *base, const char *sql, bool once,
                           struct ls_sql_stmt **ret, struct ls_error *err)
{
    struct pg_stmt *s = calloc(1, sizeof(*s));
    struct ls_buf text = {0};

    (void)once;
    if (!s)
        return ls_error_nomem(err);
    s->base.db = base;
    ls_arena_init(&s->mem, 0);
    ls_buf_init(&s->text, 0);
    ls_sql_placeholders(sql, &text, &s->param_count);
    if (!ls_buf_str(&text)) {
        ls_buf_done(&text);
        free(s);
        return ls_error_nomem(err);
    }
    s->sql = text.data ? text.data : strdup("");
    *ret = &s->base;
    return LS_OK;
}

static void clear_rows(struct pg_stmt *s)
{
    PQclear(s->res);
    s->res = NULL;
    s->row = 0;
    s->on_row = false;
}

/* Whether all that the server sends for the stream is here already; reads it then. No more
 * rows than a fast server could keep coming for ever. */
static bool take_arrived(struct ls_pq *db)
{
    for (int i = 0; i < ARRIVED_MAX && PQconsumeInput(db->conn) && !PQisBusy(db->conn); i++) {
        PGresult *res = PQgetResult(db->conn);

        if (!res)
            return true;
        PQclear(res);
    }
    return PQstatus(db->conn) == CONNECTION_BAD;
}

void ls_pq_stream_break(struct pg_stmt *stmt)
{
    struct ls_pq *db = db_of(stmt);

    if (db->stream != stmt)
        return;
    db->stream = NULL;
    if (!take_arrived(db))
        ls_pq_interrupt(db);
    (void)ls_pq_drain(db, NULL);
}

static enum ls_code send_stream(struct pg_stmt *s, const struct params *p, struct ls_error *err)
{
    struct ls_pq *db = db_of(s);
    int sent = s->name[0] ? PQsendQueryPrepared(db->conn, s->name, p->count, p->values, p->lengths,
                                                p->formats, 0)
                          : PQsendQueryParams(db->conn, s->sql, p->count, p->types, p->values,
                                              p->lengths, p->formats, 0);

    if (!sent)
        return ls_pq_check(db, NULL, err);
    (void)PQsetSingleRowMode(db->conn);
    db->stream = s;
    return LS_OK;
}

static enum ls_code send_all(struct pg_stmt *s, const struct params *p, struct ls_error *err)
{
    struct ls_pq *db = db_of(s);

    s->res = s->name[0]
                 ? PQexecPrepared(db->conn, s->name, p->count, p->values, p->lengths, p->formats, 0)
                 : PQexecParams(db->conn, s->sql, p->count, p->types, p->values, p->lengths,
                                p->formats, 0);
    return ls_pq_check(db, s->res, err);
}

enum ls_code ls_pq_run(struct ls_sql_stmt *stmt, const struct ls_value *params, size_t count,
                       bool stream, struct ls_error *err)
{
    struct pg_stmt *s = of(stmt);
    struct params p = {0};
    enum ls_code rc;

    ls_pq_stream_break(s);
    clear_rows(s);
    rc = ls_pq_ready(db_of(s), err);
    if (rc == LS_OK)
        rc = encode(s, params, count, &p, err);
    if (rc == LS_OK && s->runs > 0)
        rc = ensure_prepared(s, &p, err);
    if (rc == LS_OK)
        rc = stream ? send_stream(s, &p, err) : send_all(s, &p, err);
    if (rc == LS_OK)
        s->runs++;
    else
        clear_rows(s);
    return rc;
}

/* The next result of a stream: one row, or the end. */
static enum ls_code next_of_stream(struct pg_stmt *s, struct ls_error *err)
{
    struct ls_pq *db = db_of(s);
    enum ls_code rc;

    clear_rows(s);
    s->res = PQgetResult(db->conn);
    rc = ls_pq_check(db, s->res, err);
    if (rc == LS_OK && PQresultStatus(s->res) == PGRES_SINGLE_TUPLE)
        return LS_OK;
    db->stream = NULL;
    (void)ls_pq_drain(db, NULL);
    return rc;
}

enum ls_code ls_pq_step(struct ls_sql_stmt *stmt, bool *ret_row, struct ls_error *err)
{
    struct pg_stmt *s = of(stmt);
    enum ls_code rc = LS_OK;

    ls_arena_reset(&s->mem);
    s->on_row = false;
    if (db_of(s)->stream == s)
        rc = next_of_stream(s, err);
    if (rc == LS_OK && s->res && s->row < PQntuples(s->res)) {
        s->row++;
        s->on_row = true;
    }
    *ret_row = s->on_row;
    return rc;
}

enum ls_code ls_pq_change(struct ls_sql_stmt *stmt, const struct ls_value *params, size_t count,
                          int64_t *ret_changes, struct ls_error *err)
{
    struct pg_stmt *s = of(stmt);
    enum ls_code rc = ls_pq_run(stmt, params, count, false, err);
    int64_t changes = 0;

    if (rc != LS_OK)
        return rc;
    /* PQcmdTuples() counts the rows of a SELECT too. */
    if (strncmp(PQcmdStatus(s->res), "SELECT", 6) != 0 &&
        !ls_text_to_i64(PQcmdTuples(s->res), strlen(PQcmdTuples(s->res)), &changes))
        changes = 0;
    clear_rows(s);
    *ret_changes = changes;
    return LS_OK;
}

void ls_pq_reset(struct ls_sql_stmt *stmt)
{
    struct pg_stmt *s = of(stmt);

    ls_pq_stream_break(s);
    clear_rows(s);
}

void ls_pq_finish(struct ls_sql_stmt *stmt)
{
    struct pg_stmt *s = of(stmt);

    ls_pq_stream_break(s);
    clear_rows(s);
    forget_prepared(s);
    send_doomed(db_of(s));
    ls_buf_done(&s->text);
    ls_arena_done(&s->mem);
    free(s->sql);
    free(s);
}

int ls_pq_columns(const struct ls_sql_stmt *stmt)
{
    return of_const(stmt)->res ? PQnfields(of_const(stmt)->res) : 0;
}

const char *ls_pq_column_name(const struct ls_sql_stmt *stmt, int col)
{
    return PQfname(of_const(stmt)->res, col);
}

bool ls_pq_has_row(const struct ls_sql_stmt *stmt)
{
    return of_const(stmt)->on_row;
}

bool ls_pq_is_null(const struct ls_sql_stmt *stmt, int col)
{
    return PQgetisnull(of_const(stmt)->res, of_const(stmt)->row - 1, col);
}

static const char *value_text(const struct ls_sql_stmt *stmt, int col, size_t *ret_size)
{
    const struct pg_stmt *s = of_const(stmt);

    *ret_size = (size_t)PQgetlength(s->res, s->row - 1, col);
    return PQgetvalue(s->res, s->row - 1, col);
}

int64_t ls_pq_i64(const struct ls_sql_stmt *stmt, int col)
{
    size_t size;
    const char *text = value_text(stmt, col, &size);

    if (strcmp(text, "t") == 0)
        return 1;
    return strtoll(text, NULL, 10); /* "f" gives 0, and a fraction is cut off */
}

/* Not strtod(): it reads a comma where the program's locale has one. */
double ls_pq_double(const struct ls_sql_stmt *stmt, int col)
{
    struct ls_value v = {.type = LS_T_DOUBLE};
    size_t size;
    const char *text = value_text(stmt, col, &size);

    if (ls_value_from_text(LS_T_DOUBLE, text, size, NULL, &v, NULL) != LS_OK)
        return (double)ls_pq_i64(stmt, col);
    return v.d;
}

const char *ls_pq_text(struct ls_sql_stmt *stmt, int col, size_t *ret_size)
{
    return value_text(stmt, col, ret_size);
}

const void *ls_pq_bytes(struct ls_sql_stmt *stmt, int col, size_t *ret_size)
{
    struct pg_stmt *s = of(stmt);
    size_t size;
    const char *text = value_text(stmt, col, &size);
    struct ls_buf out = {0};
    void *ret = NULL;

    *ret_size = size;
    if (PQftype(s->res, col) != OID_BYTEA || size < 2 || text[0] != '\\' || text[1] != 'x')
        return text;
    if (ls_text_unhex(&out, text + 2, size - 2)) {
        *ret_size = out.size;
        ret = ls_arena_copy(&s->mem, out.size ? out.data : "", out.size);
    }
    ls_buf_done(&out);
    return ret;
}

void ls_pq_values(struct ls_sql_stmt *stmt, int first, int count, struct ls_value *ret)
{
    for (int i = 0; i < count; i++) {
        size_t size;

        ret[i] = ls_value_null();
        if (ls_pq_is_null(stmt, first + i))
            continue;
        const char *text = value_text(stmt, first + i, &size);

        ret[i] = ls_value_data(LS_T_TEXT, text, size);
    }
}
