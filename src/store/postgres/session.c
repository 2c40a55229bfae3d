/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - a session with a PostgreSQL database: opening, transactions and their marks, locks.
 *
 * A mark is the transaction's own 64-bit id, and where it was given: `XID@SYSTEM/TIMELINE/START`. The server remembers
 * whether an id committed, so no row of ours is needed in the user's database. Three things can go
 * wrong with that, and settle() knows them:
 *   - the database is another one, or was restored or failed over to another timeline: ids may have been given out a second time. Unknown.
 *   - the server crashed before any WAL of the transaction was on disk: the id may not have been given out yet ("is in the future"),
 *     and then nothing of it is left. Aborted.
 *   - the same, but after the restart somebody else got the id, and committed. So when the server has restarted since
 *     (START differs), "committed" is believed only when the table holds a record that this id wrote; else the outcome is
 *     unknown, and the engine looks at the records. (Recovery inside a running postmaster keeps START; then a reused id is taken for ours.)
 *
 * Advisory locks belong to a database, not to the cluster, which fits: a target is in one database. */
#include "store/postgres/postgres.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/text.h"
#include "store/changed.h"
#include "store/inbox.h"
#include "store/origin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOCK_TIMEOUT_MS 10000 /* as sql.h has it for 0 */
#define SAVEPOINT_IDS 1000 /* behind a transaction's id, those of its savepoints, others between */

enum ls_code ls_pgs_ask(struct ls_pgs *pg, const char *sql, const struct ls_value *params,
                        size_t count, struct ls_arena *mem, const char **ret, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;
    const char *text = "";
    enum ls_code rc = ls_sql_one(pg->db, sql, params, count, &stmt, &row, err);

    if (rc == LS_OK && row && !ls_sql_is_null(stmt, 0))
        text = ls_sql_text(stmt, 0, NULL);
    if (rc == LS_OK) {
        text = ls_arena_text(mem, text);
        if (text)
            *ret = text;
        else
            rc = ls_error_nomem(err);
    }
    ls_sql_finish(stmt);
    return rc;
}

/* What a session needs to know of its server. The system identifier may be hidden from this role. */
static enum ls_code learn(struct ls_pgs *pg, struct ls_error *err)
{
    const char *may = "", *place = "";
    enum ls_code rc;

    rc = ls_sql_exec(pg->db, "SET jit = off; SET xmloption = content", err);
    if (rc == LS_OK)
        rc = ls_pgs_ask(pg, "SELECT current_setting('server_encoding')", NULL, 0, &pg->mem,
                        &pg->encoding, err);
    if (rc == LS_OK)
        rc = ls_pgs_ask(pg, "SELECT oid FROM pg_database WHERE datname = current_database()", NULL,
                        0, &pg->mem, &pg->database_oid, err);
    if (rc == LS_OK)
        rc = ls_pgs_ask(
            pg, "SELECT has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')", NULL,
            0, &pg->mem, &may, err);
    pg->system_id = "";
    if (rc == LS_OK && *may == 't')
        rc = ls_pgs_ask(pg, "SELECT system_identifier FROM pg_control_system()", NULL, 0, &pg->mem,
                        &pg->system_id, err);
    if (rc == LS_OK)
        rc = ls_pgs_ask(
            pg,
            "SELECT CASE WHEN NOT pg_is_in_recovery()"
            " THEN substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END"
            " || '/' || (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::int8",
            NULL, 0, &pg->mem, &place, err);
    if (rc != LS_OK)
        return rc;
    pg->server = ls_arena_printf(&pg->mem, "%s/%s", pg->system_id, place);
    return pg->server ? LS_OK : ls_error_nomem(err);
}

static void close_store(struct ls_store *store)
{
    struct ls_pgs *pg = ls_pgs_of(store);
    struct ls_error ignored;

    if (!pg)
        return;
    /* The server gives locks back when it notices that we are gone; who comes next may be faster. */
    if (pg->locked && ls_sql_alive(pg->db))
        (void)!ls_sql_exec(pg->db, "SELECT pg_advisory_unlock_all()", &ignored);
    ls_sql_close(pg->db);
    ls_arena_done(&pg->mem);
    free(pg->temp_for);
    free(pg);
}

/* LOCKSTEP_PG_DIGEST=md5 takes the path of servers before 14, so that it can be tested on later ones. */
static bool wants_md5(int version)
{
    const char *forced = getenv("LOCKSTEP_PG_DIGEST");

    return version < 140000 || (forced && strcmp(forced, "md5") == 0);
}

static enum ls_code open_store(const struct ls_url *url, const struct ls_store_options *options,
                               struct ls_store **ret, struct ls_error *err)
{
    const struct ls_sql_options sql = {.read_only = !options->writable,
                                       .lock_timeout_ms = options->lock_timeout_ms,
                                       .connect_timeout_s = options->connect_timeout_s};
    struct ls_pgs *pg = calloc(1, sizeof(*pg));
    enum ls_code rc;

    if (!pg)
        return ls_error_nomem(err);
    ls_arena_init(&pg->mem, 0);
    pg->origin = options->origin;
    pg->happened = options->happened;
    pg->lock_timeout_ms = options->lock_timeout_ms ? options->lock_timeout_ms : LOCK_TIMEOUT_MS;
    pg->wait_ms = pg->lock_timeout_ms;
    rc = ls_sql_open(url, &sql, &pg->db, err);
    if (rc == LS_OK) {
        pg->version = ls_sql_version(pg->db);
        pg->md5 = wants_md5(pg->version);
        if (pg->version < 120000)
            rc = ls_error_set(
                err, LS_UNSUPPORTED,
                "cannot work with %s: its server is of version %d, and 12 is the oldest supported",
                url->shown, pg->version / 10000);
    }
    if (rc == LS_OK)
        rc = learn(pg, err);
    if (rc != LS_OK) {
        close_store(&pg->base);
        return rc;
    }
    *ret = &pg->base;
    return LS_OK;
}

static const char *identity(struct ls_store *store)
{
    return ls_sql_identity(ls_pgs_of(store)->db);
}

static void cancel(struct ls_store *store)
{
    ls_sql_cancel(ls_pgs_of(store)->db);
}

static enum ls_code begin(struct ls_store *store, struct ls_error *err)
{
    struct ls_pgs *pg = ls_pgs_of(store);
    enum ls_code rc = ls_sql_begin(pg->db, true, err);

    if (rc == LS_OK)
        rc = ls_origin_set(pg->db, pg->origin, pg->happened, err);
    if (rc == LS_OK)
        rc = ls_pgs_wait_less(pg, err);
    if (rc != LS_OK)
        ls_sql_rollback(pg->db);
    return rc;
}

static enum ls_code commit(struct ls_store *store, struct ls_error *err)
{
    struct ls_pgs *pg = ls_pgs_of(store);
    enum ls_code rc = ls_sql_commit(pg->db, err);

    if (rc == LS_OK)
        pg->temp_committed = pg->temp_for != NULL;
    if (rc == LS_OK)
        pg->temp_dirty = false; /* ON COMMIT DELETE ROWS */
    return rc;
}

static void rollback(struct ls_store *store)
{
    struct ls_pgs *pg = ls_pgs_of(store);

    ls_sql_rollback(pg->db);
    pg->temp_dirty = false;
    if (!pg->temp_committed) { /* it was made in this transaction and went with it */
        free(pg->temp_for);
        pg->temp_for = NULL;
    }
}

static enum ls_code mark(struct ls_store *store, const char *tag, struct ls_arena *mem,
                         const char **ret_marker, struct ls_error *err)
{
    struct ls_pgs *pg = ls_pgs_of(store);
    const char *xid, *marker;
    enum ls_code rc = ls_pgs_ask(pg,
                                 pg->version >= 130000 ? "SELECT pg_current_xact_id()::text"
                                                       : "SELECT txid_current()::text",
                                 NULL, 0, mem, &xid, err);

    (void)tag; /* the id is unique by itself */
    if (rc != LS_OK)
        return rc;
    marker = ls_arena_printf(mem, "%s@%s", xid, pg->server);
    if (!marker)
        return ls_error_nomem(err);
    *ret_marker = marker;
    return LS_OK;
}

/* The id in a marker, and whether it was given on this server, and since its start. */
static bool read_marker(const struct ls_pgs *pg, const char *marker, uint64_t *ret_xid,
                        bool *ret_here, bool *ret_same_start)
{
    const char *at = strchr(marker, '@'), *theirs = at ? strrchr(at, '/') : NULL;
    const char *ours = strrchr(pg->server, '/');

    if (!at || !ls_text_to_u64(marker, (size_t)(at - marker), ret_xid))
        return false;
    if (!theirs || !ours)
        return false;
    *ret_here = theirs - (at + 1) == ours - pg->server &&
                strncmp(at + 1, pg->server, (size_t)(ours - pg->server)) == 0;
    *ret_same_start = strcmp(theirs, ours) == 0;
    return true;
}

static void nap(int ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    (void)nanosleep(&t, NULL);
}

/* "committed", "aborted" or "" (too old to be known), once it is no longer in progress. */
static enum ls_code wait_status(struct ls_pgs *pg, uint64_t xid, struct ls_arena *mem,
                                const char **ret, struct ls_error *err)
{
    const int64_t until = ls_clock_monotonic_us() + INT64_C(1000) * pg->lock_timeout_ms;
    const char *sql = pg->version >= 130000 ? "SELECT pg_xact_status(?::text::xid8)"
                                            : "SELECT txid_status(?::text::int8)";
    char text[24];
    struct ls_value param;
    int pause_ms = 10;
    enum ls_code rc;

    snprintf(text, sizeof(text), "%" PRIu64, xid);
    param = ls_value_text(text);
    for (;;) {
        rc = ls_pgs_ask(pg, sql, &param, 1, mem, ret, err);
        if (rc != LS_OK || strcmp(*ret, "in progress") != 0)
            return rc;
        if (ls_clock_monotonic_us() >= until)
            return ls_error_set(
                err, LS_BUSY,
                "cannot tell how a batch ended: its transaction is still open (xid=%s, store=%s). "
                "Wait, or end its backend on the server",
                text, ls_sql_identity(pg->db));
        nap(pause_ms);
        pause_ms = pause_ms < 500 ? pause_ms * 2 : 500;
    }
}

/* Whether the table holds a record that the transaction wrote. Records carry the last 32 bits of an id, and writes are made in
 * savepoints, whose ids follow their transaction's. */
static enum ls_code left_trace(struct ls_pgs *pg, const struct ls_schema *schema, uint64_t xid,
                               struct ls_arena *mem, bool *ret, struct ls_error *err)
{
    const struct ls_pgs_table *table;
    const char *answer = "", *sql;
    enum ls_code rc = ls_pgs_table(pg, schema, &table, err);

    *ret = false;
    if (rc != LS_OK || !strchr("rp", table->kind))
        return rc;
    sql = ls_arena_printf(mem,
                          "SELECT EXISTS (SELECT FROM %s WHERE (xmin::text::int8 - %" PRIu32
                          " + 4294967296) %% 4294967296 < %d)",
                          table->ident, (uint32_t)xid, SAVEPOINT_IDS);
    if (!sql)
        return ls_error_nomem(err);
    rc = ls_pgs_ask(pg, sql, NULL, 0, mem, &answer, err);
    *ret = *answer == 't';
    return rc;
}

static enum ls_code outcome(struct ls_pgs *pg, const struct ls_schema *schema, uint64_t xid,
                            bool same_start, struct ls_arena *mem, enum ls_outcome *ret,
                            struct ls_error *err)
{
    const char *status = "";
    bool trace = true;
    enum ls_code rc = wait_status(pg, xid, mem, &status, err);

    if (rc != LS_OK && err &&
        strcmp(err->native, "22023") == 0) { /* in the future: the server lost it */
        *ret = LS_OUTCOME_ABORTED;
        return LS_OK;
    }
    if (rc == LS_OK && strcmp(status, "committed") == 0 && !same_start)
        rc = left_trace(pg, schema, xid, mem, &trace, err);
    if (rc != LS_OK)
        return rc;
    if (strcmp(status, "aborted") == 0)
        *ret = LS_OUTCOME_ABORTED;
    else
        *ret = *status && trace ? LS_OUTCOME_COMMITTED : LS_OUTCOME_UNKNOWN;
    return LS_OK;
}

static enum ls_code settle(struct ls_store *store, const struct ls_schema *schema,
                           const char *marker, enum ls_outcome *ret, struct ls_error *err)
{
    struct ls_pgs *pg = ls_pgs_of(store);
    struct ls_error own = {0};
    struct ls_arena mem;
    uint64_t xid;
    bool here, same_start;
    enum ls_code rc;

    if (!read_marker(pg, marker, &xid, &here, &same_start))
        return ls_error_set(
            err, LS_CORRUPT,
            "cannot tell how a batch ended: its mark is none of PostgreSQL's (store=%s)",
            ls_sql_identity(pg->db));
    if (!here) {
        *ret = LS_OUTCOME_UNKNOWN;
        return LS_OK;
    }
    ls_arena_init(&mem, 0);
    rc = outcome(pg, schema, xid, same_start, &mem, ret, &own);
    if (rc != LS_OK && err)
        *err = own;
    ls_arena_done(&mem);
    return rc;
}

/* Where the log ends, on a replica where it was replayed to, and which transactions a snapshot of now sees. */
static enum ls_code position(struct ls_store *store, struct ls_arena *mem, const char **ret,
                             struct ls_error *err)
{
    struct ls_pgs *pg = ls_pgs_of(store);
    const char *sql =
        pg->version >= 130000
            ? "SELECT 'lsn=' || CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"
              " ELSE pg_current_wal_lsn() END || ', snapshot=' || pg_current_snapshot()"
            : "SELECT 'lsn=' || CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"
              " ELSE pg_current_wal_lsn() END || ', snapshot=' || txid_current_snapshot()";

    return ls_pgs_ask(pg, sql, NULL, 0, mem, ret, err);
}

/* Who holds it, as far as this role may see. Never fails: it only adds to a message. */
static const char *holder(struct ls_pgs *pg, uint64_t key, struct ls_arena *mem)
{
    static const char sql[] =
        "SELECT 'pid=' || l.pid || coalesce(', application=' || nullif(a.application_name, ''), '')"
        " || coalesce(', user=' || a.usename, '') || coalesce(', client=' || host(a.client_addr), "
        "'')"
        " || coalesce(', since=' || to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS'), '')"
        " FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND l.classid::int8 = ? AND l.objid::int8 = ? LIMIT 1";
    const struct ls_value params[] = {ls_value_int((int64_t)(key >> 32)),
                                      ls_value_int((int64_t)(key & UINT32_MAX))};
    const char *text = "";
    struct ls_error ignored;

    if (ls_pgs_ask(pg, sql, params, 2, mem, &text, &ignored) != LS_OK)
        return "";
    return text;
}

static enum ls_code lock(struct ls_store *store, const char *name, struct ls_error *err)
{
    struct ls_pgs *pg = ls_pgs_of(store);
    const uint64_t key =
        ls_hash64(name, strlen(name), UINT64_C(0x6c6f636b73746570)); /* "lockstep" */
    const struct ls_value param = ls_value_int((int64_t)key);
    const char *got = "", *who;
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_pgs_ask(pg, "SELECT pg_try_advisory_lock(?)", &param, 1, &mem, &got, err);
    pg->locked |= *got == 't';
    if (rc == LS_OK && *got != 't') {
        who = holder(pg, key, &mem);
        rc = ls_error_set(
            err, LS_LOCKED,
            "another run is at work on this target (lock=%s, store=%s%s%s). Wait for it to end, or "
            "end it",
            name, ls_sql_identity(pg->db), *who ? ", " : "", who);
    }
    ls_arena_done(&mem);
    return rc;
}

static bool alive(struct ls_store *store)
{
    return ls_sql_alive(ls_pgs_of(store)->db);
}

static enum ls_code note(struct ls_store *store, const struct ls_note *note, struct ls_arena *mem,
                         const char **ret_known, bool *ret_stale, struct ls_error *err)
{
    return ls_inbox_note(ls_pgs_of(store)->db, note, mem, ret_known, ret_stale, err);
}

static enum ls_code note_outcome(struct ls_store *store, const struct ls_note *note,
                                 const char *outcome, struct ls_error *err)
{
    return ls_inbox_outcome(ls_pgs_of(store)->db, note, outcome, err);
}

static enum ls_code newer(struct ls_store *store, const struct ls_news *change,
                          struct ls_arena *mem, bool *ret, struct ls_error *err)
{
    return ls_changed_newer(ls_pgs_of(store)->db, change, mem, ret, err);
}

static enum ls_code took(struct ls_store *store, const struct ls_news *change, struct ls_arena *mem,
                         struct ls_error *err)
{
    return ls_changed_took(ls_pgs_of(store)->db, change, mem, err);
}

static enum ls_code forget_notes(struct ls_store *store, int64_t before_us, struct ls_error *err)
{
    return ls_inbox_forget(ls_pgs_of(store)->db, before_us, err);
}

const struct ls_store_ops ls_postgres_ops = {
    .scheme = "postgres",
    .summary = "A table or view of a PostgreSQL database, version 12 and later.",
    .example = "postgres://user@host/db#schema.table",
    .caps = LS_CAP_ORDER | LS_CAP_DIGEST | LS_CAP_WRITE | LS_CAP_CREATE | LS_CAP_LOCK |
            LS_CAP_FETCH | LS_CAP_BATCHES | LS_CAP_WRITERS | LS_CAP_INBOX,
    .open = open_store,
    .close = close_store,
    .identity = identity,
    .list = ls_pgs_list,
    .describe = ls_pgs_describe,
    .lacking = ls_pgs_lacking,
    .scan = ls_pgs_scan,
    .next = ls_pgs_next,
    .end = ls_pgs_end,
    .fetch = ls_pgs_fetch,
    .cancel = cancel,
    .orders = ls_pgs_orders,
    .seeks = ls_pgs_seeks,
    .position = position,
    .begin = begin,
    .write = ls_pgs_write,
    .waits = ls_pgs_waits,
    .mark = mark,
    .commit = commit,
    .rollback = rollback,
    .settle = settle,
    .digest_family = ls_pgs_digest_family,
    .digest = ls_pgs_digest,
    .bounds = ls_pgs_bounds,
    .create = ls_pgs_create,
    .lock = lock,
    .note = note,
    .outcome = note_outcome,
    .newer = newer,
    .took = took,
    .forget_notes = forget_notes,
    .alive = alive,
};
