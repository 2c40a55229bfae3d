/* SPDX-License-Identifier: Apache-2.0 */
/* sql_postgres_open.c - getting a PostgreSQL session, and saying why there is none.
 *
 * The URL goes to libpq as it is. What stands before it in the parameter list is a default that
 * the URL may override (timeouts, keepalives, and the proof of who the server is, sql_postgres_tls.c), what stands behind it is ours (the encoding).
 *
 * libpq gives no SQLSTATE for a connection that failed, only text, which the server may have
 * translated. But the text follows the connection's verbosity, which can be set once the
 * connection has been started: so this goes step by step (PQconnectStart, PQconnectPoll) with
 * "verbose", and reads the SQLSTATE out of `FATAL:  28P01: ...`. Then a wrong password, a
 * missing database and a server that does not listen are told apart in any language. The price
 * is a timeout of our own; it counts for all hosts of the URL together, each adding its share.
 *
 * Passwords: the URL may hold one, and a URL that is taken apart wrongly (an @ or / in the
 * password that is not percent-encoded) would put pieces of it into host or port, which
 * messages show. So odd hosts and ports are refused before anything is said, and libpq's
 * complaints about a URL are never passed on. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "sql/sql_postgres.h"
#include "sql/sql_postgres_tls.h"

#define OLDEST_VERSION 120000
#define DEFAULT_CONNECT_S 10

static const char *option(const PQconninfoOption *options, const char *keyword)
{
    for (; options && options->keyword; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val ? options->val : "";
    return "";
}

static enum ls_code check_url(const struct ls_url *url, struct ls_error *err)
{
    PQconninfoOption *options = PQconninfoParse(url->location, NULL);
    const char *host = option(options, "host"), *port = option(options, "port");
    bool good = options && !strchr(host, '@') && !port[strspn(port, "0123456789,")];

    PQconninfoFree(options);
    if (good)
        return LS_OK;
    return ls_error_set(
        err, LS_USAGE,
        "%s: not a connection URL that libpq understands. Write "
        "postgres://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE, with @ : / ? # %% "
        "in user and password percent-encoded (@ is %%40, / is %%2F)",
        url->shown);
}

static int hosts_in(const PQconninfoOption *options)
{
    const char *host = option(options, "host");
    int count = 1;

    for (host = *host ? host : option(options, "hostaddr"); *host; host++)
        count += *host == ',';
    return count;
}

/* libpq's rules: none, zero or less waits for ever; one second is taken as two. */
static int64_t timeout_us(PGconn *conn)
{
    PQconninfoOption *options = PQconninfo(conn);
    int64_t seconds = 0;
    const char *text = option(options, "connect_timeout");

    if (!ls_text_to_i64(text, strlen(text), &seconds) || seconds <= 0)
        seconds = 0;
    else if (seconds > 100000)
        seconds = 100000;
    seconds = (seconds == 1 ? 2 : seconds) * hosts_in(options);
    PQconninfoFree(options);
    return seconds * 1000000;
}

/* Behind `FATAL:  28P01: ` in any language: five characters of A-Z and 0-9 between two colons. */
static const char *find_sqlstate(const char *text, char state[6])
{
    for (const char *at = strstr(text, ":  "); at; at = strstr(at + 1, ":  ")) {
        const char *s = at + 3;

        if (strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == 5 &&
            strncmp(s + 5, ": ", 2) == 0) {
            snprintf(state, 6, "%.5s", s);
            return s + 7;
        }
    }
    state[0] = '\0';
    return NULL;
}

/* libpq's own failure: its last attempt, without the "connection to server at ..." before it,
 * which our message has in its own words. */
static const char *own_reason(const char *text)
{
    const char *last = text, *next, *at;

    for (at = text; (next = strstr(at, "connection to server ")); at = next + 1)
        last = next;
    at = strstr(last, " failed: ");
    return at ? at + strlen(" failed: ") : last;
}

struct reason {
    enum ls_code code;
    char state[6];
    char text[400];
    const char *hint;
};

static struct reason reason_of(PGconn *conn, bool timed_out)
{
    struct reason r = {.code = LS_CONNECT};
    const char *all = PQerrorMessage(conn), *said = find_sqlstate(all, r.state);

    if (said) {
        struct ls_sql_meaning m = ls_sql_meaning_of_sqlstate(r.state);

        r.code = m.code;
        r.hint = m.hint;
    } else if (PQconnectionNeedsPassword(conn)) {
        r.code = LS_PERMISSION;
        r.hint = ls_sql_meaning_of_sqlstate("28P01").hint;
        said = "the server asks for a password and none was given";
    } else if (timed_out) {
        r.hint = "Check host and port, and that no firewall is between";
        said = "no answer in time";
    } else if (strstr(all, "SSL") || strstr(all, "certificate") || strstr(all, "GSSAPI")) {
        r.hint = "Check sslmode, sslrootcert and sslcert in the URL against what the server "
                 "offers. A server on another machine has to show a certificate for its name "
                 "(sslmode=verify-full): sslrootcert=FILE says by which authority, "
                 "sslmode=require encrypts without that proof, sslmode=disable does neither";
        said = own_reason(all);
    } else {
        r.hint = "Check host and port, that the server runs and listens there, and that no "
                 "firewall is between";
        said = own_reason(all);
    }
    snprintf(r.text, sizeof(r.text), "%.*s", (int)strcspn(said, "\n"), said);
    return r;
}

static const char *or_default(const char *text)
{
    return text && *text ? text : "(default)";
}

static enum ls_code no_connection(PGconn *conn, const struct ls_url *url, bool timed_out,
                                  struct ls_error *err)
{
    struct reason r = reason_of(conn, timed_out);

    ls_error_set(err, r.code, "cannot connect to %s: %s (host=%s, port=%s, database=%s)%s%s",
                 url->shown, r.text, or_default(PQhost(conn)), or_default(PQport(conn)),
                 or_default(PQdb(conn)), r.hint ? ". " : "", r.hint ? r.hint : "");
    if (err)
        snprintf(err->native, sizeof(err->native), "%s", r.state);
    return r.code;
}

static PGconn *start(const struct ls_url *url, int connect_timeout_s)
{
    PQconninfoOption *options = PQconninfoParse(url->location, NULL);
    const struct ls_pq_tls tls = ls_pq_tls(options, PQlibVersion());
    char seconds[16];
    /* A timeout of PGCONNECT_TIMEOUT counts only where nothing is given here. */
    bool own = connect_timeout_s > 0 || !getenv("PGCONNECT_TIMEOUT");
    const char *const keys[] = {"fallback_application_name",
                                "keepalives",
                                "keepalives_idle",
                                "keepalives_interval",
                                "keepalives_count",
                                "tcp_user_timeout",
                                "connect_timeout",
                                "sslmode",
                                "sslrootcert",
                                "dbname",
                                "client_encoding",
                                NULL};
    const char *const values[] = {"lockstep",
                                  "1",
                                  "30",
                                  "10",
                                  "3",
                                  "60000",
                                  own ? seconds : NULL,
                                  tls.sslmode,
                                  tls.sslrootcert,
                                  url->location,
                                  "UTF8",
                                  NULL};

    PQconninfoFree(options);
    snprintf(seconds, sizeof(seconds), "%d",
             connect_timeout_s > 0 ? connect_timeout_s : DEFAULT_CONNECT_S);
    return PQconnectStartParams(keys, values, 1);
}

/* false when the time is over. */
static bool await(PGconn *conn, PostgresPollingStatusType what, int64_t until_us)
{
    struct pollfd one = {.fd = PQsocket(conn),
                         .events = what == PGRES_POLLING_READING ? POLLIN : POLLOUT};

    for (;;) {
        int64_t left_ms = until_us ? (until_us - ls_clock_monotonic_us() + 999) / 1000 : -1;
        int n;

        if (until_us && left_ms <= 0)
            return false;
        n = poll(&one, 1, (int)left_ms);
        if (n > 0 || (n < 0 && errno != EINTR))
            return true; /* libpq will see the error itself */
    }
}

static enum ls_code connect_to(const struct ls_url *url, int connect_timeout_s, PGconn **ret,
                               struct ls_error *err)
{
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    PGconn *conn = start(url, connect_timeout_s);
    int64_t until_us;

    if (!conn)
        return ls_error_nomem(err);
    *ret = conn;
    if (PQstatus(conn) == CONNECTION_BAD)
        return no_connection(conn, url, false, err);
    PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
    until_us = timeout_us(conn);
    if (until_us)
        until_us += ls_clock_monotonic_us();
    while (next == PGRES_POLLING_READING || next == PGRES_POLLING_WRITING) {
        if (!await(conn, next, until_us))
            return no_connection(conn, url, true, err);
        next = PQconnectPoll(conn);
    }
    PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
    return next == PGRES_POLLING_OK ? LS_OK : no_connection(conn, url, false, err);
}

/* Notices may quote records, so they go to debug. */
static void on_notice(void *ctx, const PGresult *res)
{
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    (void)ctx;
    if (text)
        ls_log(LS_LOG_DEBUG, "postgres: %s", text);
}

/* One round trip. The search path goes first, so that no function or operator of a user's
 * schema is called. lc_monetary decides how money is written; remote_apply is more than "on"
 * and stays. A role that was made read-only by its default stays so. With row_security off the server
 * refuses what a policy would leave out silently: records that a role may not see would look as if they were gone. */
static const char session_sql[] =
    "SELECT pg_catalog.set_config('search_path', '', false);"
    "SELECT set_config('timezone', 'UTC', false), set_config('datestyle', 'ISO, YMD', false),"
    " set_config('intervalstyle', 'postgres', false), set_config('extra_float_digits', '3', false),"
    " set_config('bytea_output', 'hex', false), set_config('lc_monetary', 'C', false),"
    " set_config('standard_conforming_strings', 'on', false),"
    " set_config('client_min_messages', 'warning', false),"
    " set_config('row_security', 'off', false),"
    " set_config('lock_timeout', '%d', false), set_config('statement_timeout', '%d', false),"
    " %s"
    " CASE WHEN current_setting('synchronous_commit') = 'remote_apply' THEN ''"
    " ELSE set_config('synchronous_commit', 'on', false) END";

static enum ls_code set_session(struct ls_pq *db, const struct ls_sql_options *o,
                                struct ls_error *err)
{
    struct ls_buf sql = {0};
    enum ls_code rc;

    ls_buf_printf(&sql, session_sql, o->lock_timeout_ms, o->statement_timeout_ms,
                  o->read_only ? "set_config('default_transaction_read_only', 'on', false)," : "");
    rc = ls_buf_str(&sql) ? ls_pq_exec(&db->base, ls_buf_str(&sql), err) : ls_error_nomem(err);
    ls_buf_done(&sql);
    return rc;
}

static enum ls_code check_version(struct ls_pq *db, struct ls_error *err)
{
    int version = PQserverVersion(db->conn);

    db->base.version = version;
    if (version >= OLDEST_VERSION)
        return LS_OK;
    return ls_error_set(err, LS_UNSUPPORTED,
                        "%s: the server is PostgreSQL %d; 12 and later are supported",
                        db->base.shown, version / 10000);
}

/* What may stand in a URL as it is stays, all else is percent-encoded. */
static void add_encoded(struct ls_buf *out, const char *text, bool fold)
{
    for (; *text; text++) {
        char c = *text;

        if (fold && c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            strchr("-._~", c))
            ls_buf_char(out, c);
        else
            ls_buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

static enum ls_code set_identity(struct ls_pq *db, struct ls_error *err)
{
    const char *host = PQhost(db->conn);
    struct ls_buf out = {0};

    ls_buf_text(&out, "postgres://");
    if (host && strchr(host, ':'))
        ls_buf_printf(&out, "[%s]", host);
    else
        add_encoded(&out, host ? host : "", host && host[0] != '/');
    ls_buf_printf(&out, ":%s/", PQport(db->conn));
    add_encoded(&out, PQdb(db->conn), false);
    db->base.identity = ls_buf_str(&out) ? strdup(ls_buf_str(&out)) : NULL;
    ls_buf_done(&out);
    return db->base.identity ? LS_OK : ls_error_nomem(err);
}

static enum ls_code set_up(struct ls_pq *db, const struct ls_sql_options *o, struct ls_error *err)
{
    enum ls_code rc = check_version(db, err);

    PQsetNoticeReceiver(db->conn, on_notice, NULL);
    db->cancel = PQgetCancel(db->conn);
    if (!db->cancel)
        return ls_error_nomem(err);
    if (rc == LS_OK)
        rc = set_identity(db, err);
    if (rc == LS_OK)
        rc = set_session(db, o, err);
    return rc;
}

static const struct ls_sql_driver driver = {
    .dialect = LS_POSTGRES,
    .close = ls_pq_close,
    .cancel = ls_pq_cancel,
    .alive = ls_pq_alive,
    .exec = ls_pq_exec,
    .begin = ls_pq_begin,
    .commit = ls_pq_commit,
    .rollback = ls_pq_rollback,
    .in_transaction = ls_pq_in_transaction,
    .checkpoint = ls_pq_checkpoint,
    .prepare = ls_pq_prepare,
    .finish = ls_pq_finish,
    .reset = ls_pq_reset,
    .run = ls_pq_run,
    .step = ls_pq_step,
    .change = ls_pq_change,
    .columns = ls_pq_columns,
    .column_name = ls_pq_column_name,
    .has_row = ls_pq_has_row,
    .is_null = ls_pq_is_null,
    .i64 = ls_pq_i64,
    .dbl = ls_pq_double,
    .text = ls_pq_text,
    .bytes = ls_pq_bytes,
    .values = ls_pq_values,
};

enum ls_code ls_sql_open_postgres(const struct ls_url *url, const struct ls_sql_options *options,
                                  struct ls_sql **ret, struct ls_error *err)
{
    struct ls_pq *db;
    enum ls_code rc = check_url(url, err);

    if (rc != LS_OK)
        return rc;
    db = calloc(1, sizeof(*db));
    if (!db)
        return ls_error_nomem(err);
    db->base = (struct ls_sql){.driver = &driver, .shown = strdup(url->shown)};
    rc = db->base.shown ? connect_to(url, options->connect_timeout_s, &db->conn, err)
                        : ls_error_nomem(err);
    if (rc == LS_OK)
        rc = set_up(db, options, err);
    if (rc == LS_OK)
        *ret = &db->base;
    else
        ls_pq_close(&db->base);
    return rc;
}
