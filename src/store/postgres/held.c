/* SPDX-License-Identifier: Apache-2.0 */
/* held.c - records that another session has locked.
 *
 * Somebody's open transaction must not fail a whole run. A lock that was not to be had in time is undone up to a savepoint, so that the
 * transaction goes on, and said to be about records (LS_HELD): the engine cuts the batch until those that are locked stand
 * alone. Only when the table as a whole is locked in a way that lets nobody write is it LS_BUSY.
 *
 * The first wait is as long as the lock timeout. After each one that was in vain the next is an eighth of it, down to SHORTEST_MS, for
 * as long as the session lives: cutting a batch takes many tries, and all of them together wait little longer than the first.
 *
 * Who it is comes from pg_locks: the sessions that hold locks for writing on the table, the oldest transaction first. That
 * names the one when there is one; the server does not tell which of several it was. What the role may not see is left out. */
#include "store/postgres/postgres.h"

#include <inttypes.h>
#include <string.h>

#define SHORTEST_MS 10
#define LOCK_NOT_AVAILABLE "55P03"

/* "t" or "f" (the table itself is locked), and then the sessions. */
static const char *holders(struct ls_pgs *pg, const struct ls_pgs_table *table,
                           struct ls_arena *mem)
{
    static const char sql[] =
        "SELECT bool_or(strong)::text::char(1) || string_agg(who, '; ' ORDER BY since) FROM ("
        " SELECT coalesce('pid=' || l.pid, 'a prepared transaction')"
        " || coalesce(', application=' || max(nullif(a.application_name, '')), '')"
        " || coalesce(', user=' || max(a.usename), '')"
        " || coalesce(', in a transaction since ' || to_char(min(a.xact_start), 'YYYY-MM-DD "
        "HH24:MI:SS'), '') AS who, min(a.xact_start) AS since,"
        " bool_or(l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', "
        "'AccessExclusiveLock')) AS strong"
        " FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
        " WHERE l.locktype = 'relation' AND l.granted AND l.relation::int8 = ?"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND l.pid IS DISTINCT FROM pg_backend_pid()"
        " AND l.mode NOT IN ('AccessShareLock', 'ShareUpdateExclusiveLock')"
        " GROUP BY l.pid, l.virtualtransaction ORDER BY since LIMIT 3) AS h";
    const struct ls_value param = ls_value_int(table->oid);
    const char *text = "";
    struct ls_error ignored;

    if (ls_pgs_ask(pg, sql, &param, 1, mem, &text, &ignored) != LS_OK)
        return "";
    return text;
}

bool ls_pgs_is_held(enum ls_code rc, const struct ls_error *err)
{
    return rc == LS_BUSY && strcmp(err->native, LOCK_NOT_AVAILABLE) == 0;
}

enum ls_code ls_pgs_wait_less(struct ls_pgs *pg, struct ls_error *err)
{
    return pg->wait_ms == pg->lock_timeout_ms
               ? LS_OK
               : ls_sql_execf(pg->db, err, "SET LOCAL lock_timeout = %d", pg->wait_ms);
}

enum ls_code ls_pgs_held(struct ls_pgs *pg, const struct ls_pgs_table *table,
                         const char *collection, struct ls_error *err)
{
    const char *who;
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    who = holders(pg, table, &mem);
    pg->wait_ms = pg->wait_ms / 8 > SHORTEST_MS ? pg->wait_ms / 8 : SHORTEST_MS;
    rc = ls_pgs_wait_less(pg, err);
    if (rc == LS_OK && *who == 't')
        rc = ls_error_set(err, LS_BUSY,
                          "%s: the table is locked by another session (%s). Wait for its "
                          "transaction to end, or end it "
                          "with pg_terminate_backend(), and run again",
                          collection, who + 1);
    else if (rc == LS_OK)
        rc = ls_error_set(err, LS_HELD,
                          "the record is locked by another session%s%s%s. Wait for its "
                          "transaction to end, or end it with "
                          "pg_terminate_backend(), and run again",
                          *who ? " (" : "", *who ? who + 1 : "", *who ? ")" : "");
    if (err)
        memcpy(err->native, LOCK_NOT_AVAILABLE, sizeof(LOCK_NOT_AVAILABLE));
    ls_arena_done(&mem);
    return rc;
}
