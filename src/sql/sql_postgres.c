/* SPDX-License-Identifier: Apache-2.0 */
/* sql_postgres.c - PostgreSQL sessions: errors, transactions, cancel, who has the wire.
 *
 * One connection carries one thing at a time. Rows that are streamed and copies hold the wire
 * until they are at their end; a statement in between would be a mistake of the caller's and is
 * refused as LS_INTERNAL. Breaking one off is: take what has already arrived; if that was not
 * all, ask the server to cancel, then read until it is quiet. Inside a transaction that aborts
 * the transaction, so it happens on the way out only, and rollback does it too.
 *
 * Error texts keep what the server says first, its names of constraint and column, and never
 * DETAIL or CONTEXT, which quote records. (Of the context only the name of the function is taken, where a name was not found in
 * it: triggers of the user's may count on a search_path that our sessions do not have.) The messages of class 22 ("invalid input syntax for
 * type integer: ...") quote the value itself: what stands between their first and last
 * quotation mark is left out, and a text of that class that is not plain ASCII (a server with
 * translated messages, other quotation marks) is replaced as a whole.
 *
 * 57014 means two things: someone cancelled, or statement_timeout ended it. ls_sql_cancel()
 * leaves a flag; without the flag the message decides. */
#include "sql/sql_postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ls_pq *of(struct ls_sql *base)
{
    return (struct ls_pq *)base;
}

static const struct ls_pq *of_const(const struct ls_sql *base)
{
    return (const struct ls_pq *)base;
}

static const char *field(const PGresult *res, int which)
{
    const char *text = res ? PQresultErrorField(res, which) : NULL;

    return text ? text : "";
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

/* A message of class 22 without the value it quotes. */
static void hide_value(const char *message, char *out, size_t size)
{
    const char *first = strchr(message, '"'), *last = strrchr(message, '"');

    if (!is_ascii(message))
        snprintf(out, size, "a value does not fit its type");
    else if (first && last > first)
        snprintf(out, size, "%.*s...%s", (int)(first + 1 - message), message, last);
    else
        snprintf(out, size, "%s", message);
}

/* COPY names the column in the context only: `COPY t, line 1, column id: "..."`. */
static void column_of_copy(const PGresult *res, char *out, size_t size)
{
    const char *context = field(res, PG_DIAG_CONTEXT), *at, *end;

    *out = '\0';
    at = strncmp(context, "COPY ", 5) == 0 ? strstr(context, ", column ") : NULL;
    if (!at)
        return;
    at += strlen(", column ");
    end = strchr(at, ':');
    if (end && end - at < 64 && !memchr(at, '"', (size_t)(end - at)))
        snprintf(out, size, "%.*s", (int)(end - at), at);
}

/* The server puts names in quotation marks, so "id" is not found in "invalid". */
static bool mentions(const char *text, const char *name)
{
    char quoted[80];

    snprintf(quoted, sizeof(quoted), "\"%s\"", name);
    return strstr(text, quoted) != NULL;
}

/* " (constraint=..., column=...)" with the names that the message does not hold anyway. */
static void add_names(const PGresult *res, char *text, size_t size)
{
    char copied[64];
    const char *names[2], *words[] = {"constraint", "column"};
    size_t used = strlen(text);
    bool any = false;

    column_of_copy(res, copied, sizeof(copied));
    names[0] = field(res, PG_DIAG_CONSTRAINT_NAME);
    names[1] = field(res, PG_DIAG_COLUMN_NAME);
    if (!*names[1])
        names[1] = copied;
    for (int i = 0; i < 2 && used < size; i++) {
        if (!*names[i] || mentions(text, names[i]))
            continue;
        used += (size_t)snprintf(text + used, size - used, "%s%s=%s", any ? ", " : " (", words[i],
                                 names[i]);
        any = true;
    }
    if (any && used < size)
        snprintf(text + used, size - used, ")");
}

/* libpq's own messages have many lines; the first says it. */
static void first_line(const char *text, char *out, size_t size)
{
    snprintf(out, size, "%.*s", (int)strcspn(text, "\n"), text);
}

static enum ls_code lost(struct ls_pq *db, const PGresult *res, struct ls_error *err)
{
    const char *primary = field(res, PG_DIAG_MESSAGE_PRIMARY);
    char why[300];

    db->lost = true;
    first_line(*primary ? primary : PQerrorMessage(db->conn), why, sizeof(why));
    ls_error_set(err, LS_CONNECT,
                 "%s: the connection was lost: %s. Check the server and the network, then run it "
                 "again",
                 db->base.shown, *why ? why : "the server closed it");
    if (err)
        snprintf(err->native, sizeof(err->native), "%s", field(res, PG_DIAG_SQLSTATE));
    return LS_CONNECT;
}

static struct ls_sql_meaning meaning_of(struct ls_pq *db, const char *state, const char *text)
{
    struct ls_sql_meaning m = ls_sql_meaning_of_sqlstate(state);

    if (strcmp(state, "57014") == 0 && !atomic_load(&db->cancelled) &&
        !strstr(text, "user request"))
        m = (struct ls_sql_meaning){
            .code = LS_BUSY,
            .hint = "The statement took longer than the statement timeout: raise it, or try again "
                    "when the server has less to do"};
    return m;
}

/* What the server says, fit for a message: see the essay. */
static void describe(struct ls_pq *db, const PGresult *res, char *out, size_t size)
{
    const char *state = field(res, PG_DIAG_SQLSTATE);

    if (strncmp(state, "22", 2) == 0)
        hide_value(field(res, PG_DIAG_MESSAGE_PRIMARY), out, size);
    else
        first_line(*state ? field(res, PG_DIAG_MESSAGE_PRIMARY) : PQerrorMessage(db->conn), out,
                   size);
    add_names(res, out, size);
}

/* The innermost function that was at work, with its arguments' types, from the context: `PL/pgSQL function f(integer) line 3 at ...`
 * or `SQL function "f" statement 1`. */
static void function_of(const PGresult *res, char *out, size_t size)
{
    const char *context = field(res, PG_DIAG_CONTEXT), *at = strstr(context, "PL/pgSQL function ");
    const char *end = at ? strstr(at, ") ") : NULL;

    *out = '\0';
    if (end) {
        at += strlen("PL/pgSQL function ");
        end++;
    } else if ((at = strstr(context, "SQL function \"")) != NULL) {
        at += strlen("SQL function \"");
        end = strchr(at, '"');
    }
    if (at && end && end > at && !memchr(at, '\n', (size_t)(end - at)))
        snprintf(out, size, "%.*s", (int)(end - at), at);
}

/* A name that was not found inside a function of the database: see the essay. */
static void add_function(const PGresult *res, const char *state, char *text, size_t size)
{
    static const char *const not_found[] = {"42P01", "42883", "42704", "3F000"};
    const size_t used = strlen(text);
    char name[200];

    function_of(res, name, sizeof(name));
    for (size_t i = 0; *name && i < sizeof(not_found) / sizeof(not_found[0]); i++)
        if (strcmp(state, not_found[i]) == 0)
            snprintf(
                text + used, size - used,
                " (in the function %s of the database). It names things without their schema, "
                "and sessions of lockstep have an empty search_path: name the schema there, or "
                "run ALTER FUNCTION %s SET search_path = public (or where they are)",
                name, name);
}

static enum ls_code report(struct ls_pq *db, const PGresult *res, struct ls_error *err)
{
    const char *state = field(res, PG_DIAG_SQLSTATE);
    struct ls_sql_meaning m;
    char text[900];

    if (PQstatus(db->conn) == CONNECTION_BAD)
        return lost(db, res, err);
    describe(db, res, text, sizeof(text));
    m = meaning_of(db, state, text);
    add_function(res, state, text, sizeof(text));
    if (ls_sql_about_record(m.code))
        ls_error_set(err, m.code, "%s", text);
    else
        ls_error_set(err, m.code, "%s: %s%s%s", db->base.shown, text, m.hint ? ". " : "",
                     m.hint ? m.hint : "");
    if (err)
        snprintf(err->native, sizeof(err->native), "%s", state);
    return m.code;
}

enum ls_code ls_pq_check(struct ls_pq *db, const PGresult *res, struct ls_error *err)
{
    switch (PQresultStatus(res)) {
    case PGRES_EMPTY_QUERY:
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_SINGLE_TUPLE:
    case PGRES_COPY_OUT:
    case PGRES_COPY_IN:
        return LS_OK;
    case PGRES_COPY_BOTH:
    case PGRES_BAD_RESPONSE:
    case PGRES_NONFATAL_ERROR:
    case PGRES_FATAL_ERROR:
    case PGRES_PIPELINE_SYNC:
    case PGRES_PIPELINE_ABORTED:
    default:
        return report(db, res, err);
    }
}

enum ls_code ls_pq_ready(struct ls_pq *db, struct ls_error *err)
{
    if (db->lost || PQstatus(db->conn) != CONNECTION_OK) {
        db->lost = true;
        return ls_error_set(err, LS_CONNECT, "%s: the connection was lost before this statement",
                            db->base.shown);
    }
    if (db->stream || db->copy)
        return ls_error_set(err, LS_INTERNAL,
                            "%s: %s on this connection has not been read to its end",
                            db->base.shown, db->stream ? "a stream of rows" : "a copy");
    atomic_store(&db->cancelled, false);
    return LS_OK;
}

enum ls_code ls_pq_drain(struct ls_pq *db, struct ls_error *err)
{
    enum ls_code rc = LS_OK;
    PGresult *res;

    while ((res = PQgetResult(db->conn))) {
        ExecStatusType status = PQresultStatus(res);

        if (rc == LS_OK && err)
            rc = ls_pq_check(db, res, err);
        PQclear(res);
        /* A copy that is still on would give the same result for ever. */
        if (status == PGRES_COPY_IN && PQputCopyEnd(db->conn, "broken off") < 0)
            break;
        if (status == PGRES_COPY_OUT) {
            char *data;

            while (PQgetCopyData(db->conn, &data, 0) > 0)
                PQfreemem(data);
        }
        if (PQstatus(db->conn) == CONNECTION_BAD)
            break;
    }
    if (PQstatus(db->conn) == CONNECTION_BAD)
        db->lost = true;
    return rc;
}

void ls_pq_interrupt(struct ls_pq *db)
{
    char why[256];

    /* A request that does not get through leaves the statement running: nothing to be done. */
    if (db->cancel)
        (void)PQcancel(db->cancel, why, (int)sizeof(why));
}

static void free_wire(struct ls_pq *db)
{
    if (db->stream)
        ls_pq_stream_break(db->stream);
    if (db->copy)
        ls_pq_copy_break(db->copy);
}

enum ls_code ls_pq_simple(struct ls_pq *db, const char *sql, struct ls_error *err)
{
    PGresult *res = PQexec(db->conn, sql);
    ExecStatusType status = PQresultStatus(res);
    enum ls_code rc = ls_pq_check(db, res, err);

    PQclear(res);
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
        if (status == PGRES_COPY_IN)
            (void)PQputCopyEnd(db->conn, "broken off");
        else
            ls_pq_interrupt(db);
        (void)ls_pq_drain(db, NULL);
        rc = ls_error_set(err, LS_INTERNAL, "%s: COPY does not go through exec", db->base.shown);
    }
    return rc;
}

enum ls_code ls_pq_exec(struct ls_sql *base, const char *sql, struct ls_error *err)
{
    struct ls_pq *db = of(base);
    enum ls_code rc = ls_pq_ready(db, err);

    return rc == LS_OK ? ls_pq_simple(db, sql, err) : rc;
}

void ls_pq_cancel(struct ls_sql *base)
{
    struct ls_pq *db = of(base);

    atomic_store(&db->cancelled, true);
    ls_pq_interrupt(db);
}

/* What the server has said by itself is read: first its last words, then the end. Neither waits. */
bool ls_pq_alive(const struct ls_sql *base)
{
    const struct ls_pq *db = of_const(base);

    return !db->lost && PQconsumeInput(db->conn) && PQconsumeInput(db->conn) &&
           PQstatus(db->conn) == CONNECTION_OK;
}

enum ls_code ls_pq_begin(struct ls_sql *base, bool write, struct ls_error *err)
{
    struct ls_pq *db = of(base);
    enum ls_code rc = ls_pq_exec(base,
                                 write ? "BEGIN ISOLATION LEVEL READ COMMITTED"
                                       : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                                 err);

    if (rc == LS_OK)
        db->began = true;
    return rc;
}

/* The server answers COMMIT of a failed transaction with success and the tag ROLLBACK. */
static enum ls_code check_tag(struct ls_pq *db, PGresult *res, struct ls_error *err)
{
    if (strcmp(PQcmdStatus(res), "COMMIT") == 0)
        return LS_OK;
    return ls_error_set(err, LS_INTERNAL,
                        "%s: the transaction had failed before its commit, so it was rolled back",
                        db->base.shown);
}

enum ls_code ls_pq_commit(struct ls_sql *base, struct ls_error *err)
{
    struct ls_pq *db = of(base);
    enum ls_code rc = ls_pq_ready(db, err);
    PGresult *res;

    if (rc != LS_OK)
        return rc;
    if (!ls_pq_in_transaction(base))
        return ls_error_set(err, LS_INTERNAL, "%s: no transaction is open", db->base.shown);
    res = PQexec(db->conn, "COMMIT");
    rc = ls_pq_check(db, res, err);
    if (rc == LS_OK)
        rc = check_tag(db, res, err);
    else if (db->lost)
        rc = ls_error_set(err, LS_CONNECT,
                          "%s: the connection was lost during commit: the server may or may not "
                          "have committed. Compare again to see which",
                          db->base.shown);
    PQclear(res);
    if (!db->lost)
        db->began = PQtransactionStatus(db->conn) != PQTRANS_IDLE;
    return rc;
}

void ls_pq_rollback(struct ls_sql *base)
{
    struct ls_pq *db = of(base);

    free_wire(db);
    if (!db->lost && ls_pq_in_transaction(base))
        (void)ls_pq_simple(db, "ROLLBACK", NULL);
    db->began = false;
}

bool ls_pq_in_transaction(const struct ls_sql *base)
{
    const struct ls_pq *db = of_const(base);

    switch (PQtransactionStatus(db->conn)) {
    case PQTRANS_INTRANS:
    case PQTRANS_INERROR:
        return true;
    case PQTRANS_ACTIVE:
        return db->began;
    case PQTRANS_IDLE:
    case PQTRANS_UNKNOWN:
    default:
        return false;
    }
}

enum ls_code ls_pq_checkpoint(struct ls_sql *base, int64_t limit_bytes, struct ls_error *err)
{
    (void)base;
    (void)limit_bytes;
    (void)err;
    return LS_OK;
}

void ls_pq_close(struct ls_sql *base)
{
    struct ls_pq *db = of(base);

    free_wire(db);
    PQfreeCancel(db->cancel);
    PQfinish(db->conn);
    ls_buf_done(&db->doomed);
    ls_sql_base_done(base);
    free(db);
}
