/* SPDX-License-Identifier: Apache-2.0 */
/* bare.c - floors: the least that accepting events takes.
 *
 *   bench_bare http                    libmicrohttpd alone: reads a request, answers 202 at once. Prints its port; ends at SIGTERM
 *   bench_bare sqlite STATE COUNT PER  writes COUNT events, each with a delivery, into an SQLite state as a loop of inserts, PER of them a commit;
 *                                      prints events a second
 *   bench_bare sync FOLDER             how often a second a file grows by 4 KiB and is synced
 *
 * The server has the threads and the settings that lockstep's has, so that what is compared is what lockstep adds. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_bare: %s: %s\n", what, why);
    exit(3);
}

/* ---- http ---- */

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    static char answer[] = "{\"accepted\":[{\"seq\":123456,\"id\":\"b-123456\",\"known\":false}]}";
    static int seen;
    struct MHD_Response *response;
    enum MHD_Result ret;

    (void)cls, (void)url, (void)method, (void)version, (void)data;
    if (!*state || *size) {
        *state = &seen;
        *size = 0;
        return MHD_YES;
    }
    response = MHD_create_response_from_buffer(sizeof answer - 1, answer, MHD_RESPMEM_PERSISTENT);
    (void)MHD_add_response_header(response, "Content-Type", "application/json");
    ret = MHD_queue_response(connection, 202, response);
    MHD_destroy_response(response);
    return ret;
}

static int run_http(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon;
    sigset_t signals;
    int number;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL,
                              on_request, NULL, MHD_OPTION_SOCK_ADDR, &at,
                              MHD_OPTION_THREAD_POOL_SIZE, 2u, MHD_OPTION_CONNECTION_LIMIT, 1000u,
                              MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)32 << 10, MHD_OPTION_END);
    if (!daemon)
        die("the server does not start", "libmicrohttpd");
    printf("%u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    sigwait(&signals, &number);
    MHD_stop_daemon(daemon);
    return 0;
}

/* ---- sqlite ---- */

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(sql, sqlite3_errmsg(db));
}

static void insert(sqlite3 *db, sqlite3_stmt *stmt)
{
    if (sqlite3_step(stmt) != SQLITE_DONE)
        die("insert", sqlite3_errmsg(db));
    sqlite3_reset(stmt);
}

static int run_sqlite(const char *path, long count, long per)
{
    static const char data[] =
        "{\"t\":1,\"pad\":"
        "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xx"
        "xxxxxxxxxxxxxxxx\"}";
    sqlite3_stmt *event, *delivery;
    sqlite3 *db;
    char id[32];
    int64_t began_us;

    if (sqlite3_open(path, &db) != SQLITE_OK)
        die(path, sqlite3_errmsg(db));
    run(db, "PRAGMA journal_mode = WAL");
    run(db, "PRAGMA synchronous = FULL");
    if (sqlite3_prepare_v2(db,
                           "INSERT INTO events VALUES (?1, ?2, 'e0.x', 'r', ?2, 1, 1, ?3, '', 1)",
                           -1, &event, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "INSERT INTO deliveries VALUES (?1, 1, 0, 1, ?2, 0, 0, 0, '')", -1,
                           &delivery, NULL) != SQLITE_OK)
        die("prepare", sqlite3_errmsg(db));
    began_us = ls_clock_monotonic_us();
    for (long n = 1; n <= count; n++) {
        if (n % per == 1 || per == 1)
            run(db, "BEGIN IMMEDIATE");
        snprintf(id, sizeof id, "b-%ld", n);
        sqlite3_bind_int64(event, 1, n);
        sqlite3_bind_text(event, 2, id, -1, SQLITE_STATIC);
        sqlite3_bind_blob(event, 3, data, sizeof data - 1, SQLITE_STATIC);
        insert(db, event);
        sqlite3_bind_int64(delivery, 1, n);
        sqlite3_bind_int64(delivery, 2,
                           (int64_t)((uint64_t)n * 0x9e3779b97f4a7c15)); /* as a hash */
        insert(db, delivery);
        if (n % per == 0 || n == count)
            run(db, "COMMIT");
    }
    printf("rate=%.0f\n", (double)count * 1e6 / (double)(ls_clock_monotonic_us() - began_us));
    sqlite3_finalize(event);
    sqlite3_finalize(delivery);
    sqlite3_close(db);
    return 0;
}

/* ---- sync ---- */

static int run_sync(const char *folder)
{
    static const char block[4096];
    const int fd = open(folder, O_TMPFILE | O_RDWR, 0600);
    const int64_t began_us = ls_clock_monotonic_us();
    int64_t us = 0;
    long n = 0;

    while (us < 1000000) {
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block || fdatasync(fd) != 0)
            die(folder, strerror(errno));
        n++;
        us = ls_clock_monotonic_us() - began_us;
    }
    printf("rate=%.0f\n", (double)n * 1e6 / (double)us);
    return close(fd);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "http") == 0)
        return run_http();
    if (argc == 5 && strcmp(argv[1], "sqlite") == 0)
        return run_sqlite(argv[2], strtol(argv[3], NULL, 10), strtol(argv[4], NULL, 10));
    if (argc == 3 && strcmp(argv[1], "sync") == 0)
        return run_sync(argv[2]);
    fputs("bench_bare http | sqlite STATE COUNT PER | sync FOLDER\n", stderr);
    return 2;
}
