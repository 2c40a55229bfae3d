/* SPDX-License-Identifier: Apache-2.0 */
/* testpg.c - a PostgreSQL database of its own for a test.
 *
 * Talks to libpq itself and not through src/sql: the tests of that layer need a second
 * opinion on what the server holds, and those below it must not link with it. */
#include "lib/testpg.h"

#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_DATABASES 32

static struct {
    char names[MAX_DATABASES][64];
    int count;
    pid_t owner;
} made;

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *fmt, ...)
{
    va_list args;

    fputs("testpg: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

const char *testpg_url(void)
{
    const char *url = getenv("LOCKSTEP_TEST_PG");

    if (!url || !*url)
        die("LOCKSTEP_TEST_PG is not set. This test needs a PostgreSQL server: run ./check, which "
            "starts one, or set it to a superuser's postgres:// URL");
    return url;
}

static PGconn *connect_to(const char *url)
{
    PGconn *conn = PQconnectdb(url);

    if (PQstatus(conn) != CONNECTION_OK)
        die("cannot connect: %s", PQerrorMessage(conn));
    return conn;
}

static PGresult *run(PGconn *conn, const char *sql)
{
    PGresult *res = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(res);

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        die("%s: %s", sql, PQerrorMessage(conn));
    return res;
}

void testpg_exec(const char *url, const char *sql)
{
    PGconn *conn = connect_to(url);

    PQclear(run(conn, sql));
    PQfinish(conn);
}

char *testpg_value(const char *url, const char *sql)
{
    PGconn *conn = connect_to(url);
    PGresult *res = run(conn, sql);
    char *value = NULL;

    if (PQntuples(res) > 0 && !PQgetisnull(res, 0, 0)) {
        value = strdup(PQgetvalue(res, 0, 0));
        if (!value)
            die("out of memory");
    }
    PQclear(res);
    PQfinish(conn);
    return value;
}

static void drop_all(void)
{
    PGconn *conn;
    char sql[128];

    if (made.owner != getpid())
        return;
    conn = PQconnectdb(getenv("LOCKSTEP_TEST_PG"));
    for (int i = 0; i < made.count; i++) {
        /* WITH (FORCE) came with version 13; a failure leaves a database behind, no more. */
        snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS \"%s\"%s", made.names[i],
                 PQserverVersion(conn) >= 130000 ? " WITH (FORCE)" : "");
        PQclear(PQexec(conn, sql));
    }
    PQfinish(conn);
}

char *testpg_url_with(const char *url, const char *user, const char *password, const char *database)
{
    const char *host = strstr(url, "://"), *at, *path, *query;
    char *ret;
    int n;

    if (!host)
        die("not a URL: LOCKSTEP_TEST_PG must look like postgres://user@host:port/database");
    host += 3;
    path = host + strcspn(host, "/?");
    query = path + strcspn(path, "?");
    at = memchr(host, '@', (size_t)(path - host));
    if (user)
        host = at ? at + 1 : host;
    n = asprintf(&ret, "postgres://%s%s%s%s%.*s%s%.*s%s", user ? user : "",
                 user && password ? ":" : "", user && password ? password : "", user ? "@" : "",
                 (int)(path - host), host, database ? "/" : "",
                 database ? (int)strlen(database) : (int)(query - path), database ? database : path,
                 query);
    if (n < 0)
        die("out of memory");
    return ret;
}

char *testpg_database(const char *name)
{
    const char *url = testpg_url();
    char sql[160], *slot;

    if (made.count == MAX_DATABASES)
        die("more than %d databases in one test program", MAX_DATABASES);
    slot = made.names[made.count];
    snprintf(slot, sizeof(made.names[0]), "t_%.40s_%d", name, (int)getpid());
    snprintf(sql, sizeof(sql), "CREATE DATABASE \"%s\" TEMPLATE template0 ENCODING 'UTF8'", slot);
    testpg_exec(url, sql);
    /* After the first connection: what libpq's own libraries do at exit must come after this. */
    if (!made.owner) {
        made.owner = getpid();
        atexit(drop_all);
    }
    made.count++;
    return testpg_url_with(url, NULL, NULL, slot);
}
