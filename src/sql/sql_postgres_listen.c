/* SPDX-License-Identifier: Apache-2.0 */
/* sql_postgres_listen.c - LISTEN, and the wait for what is notified.
 *
 * A session that listens does nothing else, so that its socket tells: it can be read when a notification is there, or when the
 * server has gone. Notifications come in order of the commits that told them, one call gives one.
 *
 * The functions of sql.h are here whole: no other database has LISTEN. */
#include <errno.h>
#include <poll.h>

#include "sql/sql_postgres.h"

int ls_sql_backend(const struct ls_sql *base)
{
    return ls_sql_dialect(base) == LS_POSTGRES ? PQbackendPID(((const struct ls_pq *)base)->conn)
                                               : 0;
}

enum ls_code ls_sql_listen(struct ls_sql *base, const char *channel, struct ls_error *err)
{
    if (ls_sql_dialect(base) != LS_POSTGRES)
        return ls_error_set(err, LS_UNSUPPORTED, "%s: LISTEN is for PostgreSQL only", base->shown);
    return ls_sql_execf(base, err, "LISTEN \"%s\"", channel);
}

/* What has arrived already. false: nothing. */
static bool take_one(struct ls_pq *db, int *ret_backend)
{
    PGnotify *told = PQnotifies(db->conn);

    if (!told)
        return false;
    *ret_backend = told->be_pid;
    PQfreemem(told);
    return true;
}

enum ls_code ls_sql_notified(struct ls_sql *base, int stop_fd, int *ret_backend,
                             struct ls_error *err)
{
    struct ls_pq *db = (struct ls_pq *)base;
    enum ls_code rc = ls_pq_ready(db, err);

    *ret_backend = 0;
    while (rc == LS_OK && !take_one(db, ret_backend)) {
        struct pollfd both[] = {{.fd = stop_fd, .events = POLLIN},
                                {.fd = PQsocket(db->conn), .events = POLLIN}};

        if (poll(both, 2, -1) < 0 && errno != EINTR)
            return ls_error_errno(err, errno, "cannot wait for the database");
        if (both[0].revents)
            return LS_OK;
        if (!PQconsumeInput(db->conn) || PQstatus(db->conn) == CONNECTION_BAD)
            rc = ls_pq_check(db, NULL, err);
    }
    return rc;
}
