/* SPDX-License-Identifier: Apache-2.0 */
/* sql_postgres_copy.c - COPY out and in, in bounded memory.
 *
 * Out: libpq hands over one message (a row) at a time and holds no more than a socket buffer
 * besides. In: rows are collected to SLICE bytes and put in blocking mode, where libpq writes
 * to the socket before it takes more; so neither side holds more than that, however fast the
 * caller is. Slices need not end at rows.
 *
 * The server may refuse a row long before the copy is at its end. libpq notices when it puts
 * the next slice or at the end; the server's reason is then fetched, because "no COPY in
 * progress" would help nobody.
 *
 * The functions of sql.h are here whole: no other database has COPY. */
#include <stdlib.h>

#include "sql/sql_postgres.h"

#define SLICE ((size_t)64 * 1024)

struct ls_sql_copy {
    struct ls_pq *db;
    bool out, ended;
    char *message;     /* the last one given to the caller */
    struct ls_buf buf; /* not yet put */
};

static void give_wire_back(struct ls_sql_copy *copy)
{
    copy->ended = true;
    if (copy->db->copy == copy)
        copy->db->copy = NULL;
}

static enum ls_code open_copy(struct ls_sql *base, const char *sql, bool out,
                              struct ls_sql_copy **ret, struct ls_error *err)
{
    ExecStatusType wanted = out ? PGRES_COPY_OUT : PGRES_COPY_IN;
    struct ls_pq *db = (struct ls_pq *)base;
    struct ls_sql_copy *copy;
    enum ls_code rc;
    PGresult *res;

    if (ls_sql_dialect(base) != LS_POSTGRES)
        return ls_error_set(err, LS_UNSUPPORTED, "%s: COPY is for PostgreSQL only", base->shown);
    rc = ls_pq_ready(db, err);
    if (rc != LS_OK)
        return rc;
    copy = calloc(1, sizeof(*copy));
    if (!copy)
        return ls_error_nomem(err);
    *copy = (struct ls_sql_copy){.db = db, .out = out};
    ls_buf_init(&copy->buf, 2 * SLICE);
    res = PQexec(db->conn, sql);
    rc = ls_pq_check(db, res, err);
    if (rc == LS_OK && PQresultStatus(res) != wanted) {
        (void)ls_pq_drain(db, NULL);
        rc = ls_error_set(err, LS_INTERNAL, "%s: the statement is no COPY %s", base->shown,
                          out ? "TO STDOUT" : "FROM STDIN");
    }
    PQclear(res);
    if (rc != LS_OK) {
        free(copy);
        return rc;
    }
    db->copy = copy;
    *ret = copy;
    return LS_OK;
}

enum ls_code ls_sql_copy_out(struct ls_sql *db, const char *sql, struct ls_sql_copy **ret,
                             struct ls_error *err)
{
    ls_sql_trace(db, sql);
    return open_copy(db, sql, true, ret, err);
}

enum ls_code ls_sql_copy_in(struct ls_sql *db, const char *sql, struct ls_sql_copy **ret,
                            struct ls_error *err)
{
    ls_sql_trace(db, sql);
    return open_copy(db, sql, false, ret, err);
}

static enum ls_code check_use(const struct ls_sql_copy *copy, bool out, struct ls_error *err)
{
    if (copy->out == out && !copy->ended)
        return LS_OK;
    return ls_error_set(err, LS_INTERNAL, "the copy is at its end or goes the other way");
}

/* The server's word on the copy as a whole. */
static enum ls_code outcome(struct ls_sql_copy *copy, struct ls_error *err)
{
    struct ls_error scratch; /* without one, nothing would be checked */

    give_wire_back(copy);
    return ls_pq_drain(copy->db, err ? err : &scratch);
}

enum ls_code ls_sql_copy_read(struct ls_sql_copy *copy, const char **ret_data, size_t *ret_size,
                              struct ls_error *err)
{
    enum ls_code rc;
    int n;

    *ret_data = NULL;
    *ret_size = 0;
    if (copy->out && copy->ended)
        return LS_OK;
    rc = check_use(copy, true, err);
    if (rc != LS_OK)
        return rc;
    PQfreemem(copy->message);
    copy->message = NULL;
    n = PQgetCopyData(copy->db->conn, &copy->message, 0);
    if (n > 0) {
        *ret_data = copy->message;
        *ret_size = (size_t)n;
        return LS_OK;
    }
    rc = outcome(copy, err);
    if (n == -2 && rc == LS_OK)
        rc = ls_pq_check(copy->db, NULL, err);
    return rc;
}

static enum ls_code put(struct ls_sql_copy *copy, const char *data, size_t size,
                        struct ls_error *err)
{
    enum ls_code rc;

    if (PQputCopyData(copy->db->conn, data, (int)size) == 1)
        return LS_OK;
    rc = outcome(copy, err);
    return rc != LS_OK ? rc : ls_pq_check(copy->db, NULL, err);
}

static enum ls_code put_collected(struct ls_sql_copy *copy, struct ls_error *err)
{
    enum ls_code rc = copy->buf.size ? put(copy, copy->buf.data, copy->buf.size, err) : LS_OK;

    ls_buf_reset(&copy->buf);
    return rc;
}

enum ls_code ls_sql_copy_write(struct ls_sql_copy *copy, const void *data, size_t size,
                               struct ls_error *err)
{
    const char *from = data;
    enum ls_code rc = check_use(copy, false, err);

    if (rc == LS_OK && copy->buf.size + size > SLICE)
        rc = put_collected(copy, err);
    for (; rc == LS_OK && size > SLICE; from += SLICE, size -= SLICE)
        rc = put(copy, from, SLICE, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_add(&copy->buf, from, size);
    return copy->buf.failed ? ls_error_nomem(err) : LS_OK;
}

enum ls_code ls_sql_copy_end(struct ls_sql_copy *copy, struct ls_error *err)
{
    enum ls_code rc = check_use(copy, false, err);
    bool ended;

    if (rc == LS_OK)
        rc = put_collected(copy, err);
    if (rc != LS_OK)
        return rc;
    ended = PQputCopyEnd(copy->db->conn, NULL) == 1;
    rc = outcome(copy, err);
    if (rc == LS_OK && !ended)
        rc = ls_pq_check(copy->db, NULL, err);
    return rc;
}

void ls_pq_copy_break(struct ls_sql_copy *copy)
{
    if (copy->ended)
        return;
    if (copy->out)
        ls_pq_interrupt(copy->db);
    else
        (void)PQputCopyEnd(copy->db->conn, "broken off");
    if (copy->out) {
        char *data;

        while (PQgetCopyData(copy->db->conn, &data, 0) > 0)
            PQfreemem(data);
    }
    give_wire_back(copy);
    (void)ls_pq_drain(copy->db, NULL);
}

void ls_sql_copy_close(struct ls_sql_copy *copy)
{
    if (!copy)
        return;
    ls_pq_copy_break(copy);
    PQfreemem(copy->message);
    ls_buf_done(&copy->buf);
    free(copy);
}
