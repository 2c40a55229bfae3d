/* SPDX-License-Identifier: Apache-2.0 */
/* scheduler_help.h - the world of the scheduler's tests: a state, on SQLite or PostgreSQL, schedulers that share it, a log of what they
 * started, and a clock of the test's own. Attempts end when the test says so. */
#ifndef LS_TESTS_SCHEDULE_SCHEDULER_HELP_H
#define LS_TESTS_SCHEDULE_SCHEDULER_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "lib/testdir.h"
#include "lib/testpg.h"
#include "schedule/manage.h"
#include "schedule/scheduler.h"
#include "unit/schedule/seed.h"

#define S INT64_C(1000000)
#define MINUTE (60 * S)
#define HOUR (60 * MINUTE)
#define STARTS 20000
#define NODES 3

struct start {
    char schedule[40], firing[37];
    int64_t nominal, attempt;
    enum ls_firing_kind kind;
    bool late;
    size_t node;
};

struct world;

struct node {
    struct world *w;
    size_t index;
    struct ls_scheduler *s;
    int64_t skew; /* of its clock */
};

struct world {
    bool postgres;
    char *url;
    struct ls_state *state; /* the test's own */
    struct ls_arena mem;
    struct ls_error err;
    struct node nodes[NODES];
    int64_t now, monotonic; /* the second one never goes back */
    enum ls_code answer;    /* of start() */
    struct start *starts;
    size_t start_count;
};

#define assert_ok(w, call) check((w), LS_OK, (call), #call, __LINE__)
#define assert_code(w, code, call) check((w), (code), (call), #call, __LINE__)

void check(struct world *w, enum ls_code expected, enum ls_code rc, const char *call, int line);
int64_t at(const char *iso);
void begin_node(struct world *w, size_t i);
/* It goes without a word, as when its process is killed. */
void kill_node(struct world *w, size_t i);
int on_sqlite(void **state);
int on_postgres(void **state);
int after(void **state);

#define ON_SQLITE(test)                                 \
    {                                                   \
#test " (SQLite)", test, on_sqlite, after, NULL \
    }

#define ON_BOTH(test)                                         \
    {#test " (SQLite)", test, on_sqlite, after, NULL},        \
    {                                                         \
#test " (PostgreSQL)", test, on_postgres, after, NULL \
    }

int64_t tick(struct world *w, size_t i);
/* Time passes on both clocks, then the first node looks. */
int64_t go(struct world *w, int64_t us);
void go_to(struct world *w, const char *iso);
struct ls_schedule hourly(const char *id);
void make(struct world *w, struct ls_schedule s);
void end(struct world *w, const struct start *start, enum ls_end_kind kind, int64_t run);
const struct start *last_start(const struct world *w);
struct ls_firing firing_of(struct world *w, const char *id);
struct ls_schedule schedule_of(struct world *w, const char *id);
size_t history(struct world *w, const char *id, struct ls_firing **ret);

#endif
