/* SPDX-License-Identifier: Apache-2.0 */
/* claim.c - whether a claim costs more when the queue is long.
 *
 *   bench_claim FOLDER [ROWS]     default 1000000
 *
 * Three SQLite states in FOLDER: one with the few deliveries that are claimed, one with ROWS more that are due for the same endpoint, one with ROWS
 * more that have been delivered. In each, 8 deliveries are claimed and completed per transaction; what is told are the medians of the claim alone and
 * of claim, completions and commit. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "state/queue.h"
#include "times.h"

#define AT_ONCE 8
#define ROUNDS 400
#define FEW (AT_ONCE * ROUNDS)

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_claim: %s: %s\n", what, why);
    exit(3);
}

static void need(enum ls_code rc, const struct ls_error *err)
{
    if (rc != LS_OK)
        die("the state", err->text);
}

/* Events with a delivery each, by the queue itself: they are the first ones due. */
static void accept_few(struct ls_state *state)
{
    struct ls_queue_tx tx;
    struct ls_error err;
    const int64_t to = 1;
    char id[32];
    bool known;

    need(ls_queue_begin(state, 1000000, &tx, &err), &err);
    for (int i = 0; i < FEW; i++) {
        struct ls_event e = {.id = id,
                             .type = "order.paid",
                             .resource_type = "order",
                             .resource_id = id,
                             .data = "{\"n\":1}",
                             .data_size = 7,
                             .options = ""};

        snprintf(id, sizeof id, "few-%d", i);
        need(ls_queue_accept(&tx, &e, &to, 1, 0, &known, &err), &err);
    }
    need(ls_queue_end(&tx, LS_OK, &err), &err);
}

/* Behind the queue's back, since it would take long. */
static void add_rows(const char *path, long rows, int state)
{
    static const char sql[] =
        "PRAGMA synchronous = OFF; BEGIN;"
        "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %ld) "
        "INSERT INTO events SELECT i, 'many-' || i, 'order.paid', 'order', i, 2000000, 2000000, "
        "x'7b7d', '', 1 FROM n;"
        "INSERT INTO deliveries SELECT seq, 1, %d, 2000000, seq, 0, 0, 0, '' FROM events WHERE seq "
        "> %d ORDER BY seq; COMMIT;";
    char text[1024], *why = NULL;
    sqlite3 *db;

    snprintf(text, sizeof text, sql, FEW + 1, FEW + rows, state, FEW);
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
        die(path, why ? why : "cannot be opened");
    sqlite3_close(db);
}

static int64_t claim_and_end(struct ls_state *state, struct ls_arena *mem)
{
    struct ls_queue_tx tx;
    struct ls_delivery *d = NULL;
    struct ls_error err;
    size_t count = 0;
    int64_t next_us, from_us, us;
    bool late;

    need(ls_queue_begin(state, 3000000, &tx, &err), &err);
    from_us = ls_clock_monotonic_us();
    need(ls_queue_claim(&tx, 1, AT_ONCE, 60000000, mem, &count, &d, &next_us, &err), &err);
    us = ls_clock_monotonic_us() - from_us;
    if (count != AT_ONCE)
        die("a claim", "it got less than it asked for");
    for (size_t i = 0; i < count; i++) {
        const struct ls_delivery_end end = {.event = d[i].event,
                                            .endpoint = 1,
                                            .token = d[i].token,
                                            .resource = d[i].resource,
                                            .next = LS_DELIVERY_DELIVERED,
                                            .attempt = {.at_us = 3000000, .status = 200},
                                            .reason = ""};

        need(ls_queue_complete(&tx, &end, &late, &err), &err);
    }
    need(ls_queue_end(&tx, LS_OK, &err), &err);
    return us;
}

static void measure(const char *folder, const char *name, long rows, int state_of_rows)
{
    struct times claims = {0}, all = {0};
    struct ls_state *state = NULL;
    struct ls_arena mem;
    struct ls_error err;
    char path[512], url[520];

    snprintf(path, sizeof path, "%s/%s.db", folder, name);
    snprintf(url, sizeof url, "sqlite:%s", path);
    need(ls_state_open(url, true, &state, &err), &err);
    accept_few(state);
    ls_state_close(state);
    if (rows)
        add_rows(path, rows, state_of_rows);
    need(ls_state_open(url, true, &state, &err), &err);
    ls_arena_init(&mem, 0);
    for (int i = 0; i < ROUNDS; i++) {
        const int64_t from_us = ls_clock_monotonic_us();

        times_add(&claims, claim_and_end(state, &mem));
        times_add(&all, ls_clock_monotonic_us() - from_us);
        ls_arena_reset(&mem);
    }
    times_sort(&claims);
    times_sort(&all);
    printf("%s rows=%ld claim_us=%.0f all_us=%.0f\n", name, rows, times_at(&claims, 0.5) * 1000,
           times_at(&all, 0.5) * 1000);
    ls_arena_done(&mem);
    ls_state_close(state);
    remove(path);
    free(claims.us);
    free(all.us);
}

int main(int argc, char **argv)
{
    const long rows = argc > 2 ? strtol(argv[2], NULL, 10) : 1000000;

    if (argc < 2)
        die("usage", "bench_claim FOLDER [ROWS]");
    measure(argv[1], "empty", 0, 0);
    measure(argv[1], "due", rows, LS_DELIVERY_PENDING);
    measure(argv[1], "delivered", rows, LS_DELIVERY_DELIVERED);
    return 0;
}
