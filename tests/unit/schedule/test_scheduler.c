/* SPDX-License-Identifier: Apache-2.0 */
/* test_scheduler.c - the scheduler over a real state, on SQLite and on PostgreSQL, with a clock of the test's own.
 *
 * A world has a state, schedulers that share it, and a log of what they started. Attempts end when the test says so, or by chance in
 * the simulations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "lib/testdir.h"
#include "lib/testpg.h"
#include "schedule/manage.h"
#include "schedule/scheduler.h"
#include "unit/schedule/seed.h"

#define S INT64_C(1000000)
#define MINUTE (60 * S)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
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

/* ---- the world ---- */

#define assert_ok(w, call) check((w), LS_OK, (call), #call, __LINE__)
#define assert_code(w, code, call) check((w), (code), (call), #call, __LINE__)
static void check(struct world *w, enum ls_code expected, enum ls_code rc, const char *call,
                  int line)
{
    if (rc != expected)
        fail_msg("line %d: %s: %s", line, call, rc == LS_OK ? "it went well" : w->err.text);
}

static int64_t at(const char *iso)
{
    struct tm tm = {0};
    const int n = sscanf(iso, "%d-%d-%d %d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                         &tm.tm_hour, &tm.tm_min, &tm.tm_sec);

    assert_true(n >= 5);
    tm.tm_year -= 1900;
    tm.tm_mon--;
    return (int64_t)timegm(&tm) * S;
}

static enum ls_code on_start(void *ctx, const struct ls_schedule *s, const struct ls_firing *f,
                             struct ls_error *err)
{
    struct node *n = ctx;
    struct world *w = n->w;
    struct start *start = &w->starts[w->start_count];

    if (w->answer != LS_OK)
        return ls_error_set(err, w->answer, "start says no");
    assert_true(w->start_count < STARTS);
    assert_string_equal(s->id, f->schedule);
    *start = (struct start){.nominal = f->nominal_us,
                            .attempt = f->attempt,
                            .kind = f->kind,
                            .late = f->late,
                            .node = n->index};
    snprintf(start->schedule, sizeof start->schedule, "%.39s", f->schedule);
    memcpy(start->firing, f->id, sizeof start->firing);
    w->start_count++;
    return LS_OK;
}

static void begin_node(struct world *w, size_t i)
{
    struct node *n = &w->nodes[i];
    const struct ls_scheduler_options options = {
        .state_url = w->url, .project = "/p.yaml", .hooks = {.ctx = n, .start = on_start}};

    n->w = w;
    n->index = i;
    assert_ok(w, ls_scheduler_new(&options, &n->s, &w->err));
}

/* It goes without a word, as when its process is killed. */
static void kill_node(struct world *w, size_t i)
{
    ls_scheduler_free(w->nodes[i].s);
    w->nodes[i].s = NULL;
}

static int begin(void **state, char *url, bool postgres)
{
    struct world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    w->postgres = postgres;
    w->url = url;
    w->starts = calloc(STARTS, sizeof *w->starts);
    assert_non_null(w->starts);
    w->now = at("2031-03-03 05:30"); /* a Monday */
    w->monotonic = 1000 * S;
    ls_arena_init(&w->mem, 0);
    assert_ok(w, ls_state_open(w->url, true, &w->state, &w->err));
    begin_node(w, 0);
    *state = w;
    return 0;
}

static int on_sqlite(void **state)
{
    char *dir = testdir_new(), *path;

    assert_true(asprintf(&path, "%s/state.db", dir) > 0);
    free(dir);
    return begin(state, path, false);
}

static int on_postgres(void **state)
{
    static char database[512];

    if (!*database) {
        char *url = testpg_database("scheduler");

        snprintf(database, sizeof database, "%s", url);
        free(url);
    }
    testpg_exec(database,
                "SET client_min_messages = warning; DROP SCHEMA IF EXISTS lockstep CASCADE");
    return begin(state, strdup(database), true);
}

static int after(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < NODES; i++)
        ls_scheduler_free(w->nodes[i].s);
    ls_state_close(w->state);
    ls_arena_done(&w->mem);
    free(w->starts);
    free(w->url);
    free(w);
    return 0;
}

#define ON_SQLITE(test)                                 \
    {                                                   \
#test " (SQLite)", test, on_sqlite, after, NULL \
    }
#define ON_BOTH(test)                                         \
    {#test " (SQLite)", test, on_sqlite, after, NULL},        \
    {                                                         \
#test " (PostgreSQL)", test, on_postgres, after, NULL \
    }

static int64_t tick(struct world *w, size_t i)
{
    int64_t wake = 0;

    assert_ok(w, ls_scheduler_tick(w->nodes[i].s, w->now + w->nodes[i].skew, w->monotonic, &wake,
                                   &w->err));
    return wake;
}

/* Time passes on both clocks, then the first node looks. */
static int64_t go(struct world *w, int64_t us)
{
    w->now += us;
    w->monotonic += us;
    return tick(w, 0);
}

static void go_to(struct world *w, const char *iso)
{
    go(w, at(iso) - w->now);
}

static struct ls_schedule hourly(const char *id)
{
    return (struct ls_schedule){.id = id,
                                .cron = "0 * * * *",
                                .action = LS_ACTION_SYNC,
                                .target = "customers",
                                .catch_up = LS_CATCH_UP_LAST,
                                .origin = "api"};
}

static void make(struct world *w, struct ls_schedule s)
{
    assert_ok(w, ls_schedule_make(w->state, &s, false, w->now, &w->err));
}

static void end(struct world *w, const struct start *start, enum ls_end_kind kind, int64_t run)
{
    struct ls_schedule_end e = {.attempt = start->attempt, .kind = kind, .run = run};

    memcpy(e.firing, start->firing, sizeof e.firing);
    snprintf(e.reason, sizeof e.reason, "%s", kind == LS_END_OK ? "" : "it did not work");
    ls_scheduler_ended(w->nodes[start->node].s, &e);
}

static const struct start *last_start(const struct world *w)
{
    assert_true(w->start_count > 0);
    return &w->starts[w->start_count - 1];
}

static struct ls_firing firing_of(struct world *w, const char *id)
{
    struct ls_firing f;

    assert_ok(w, ls_state_firing_find(w->state, id, &w->mem, &f, &w->err));
    return f;
}

static struct ls_schedule schedule_of(struct world *w, const char *id)
{
    struct ls_schedule s;

    assert_ok(w, ls_state_schedule_find(w->state, id, &w->mem, &s, &w->err));
    return s;
}

static size_t history(struct world *w, const char *id, struct ls_firing **ret)
{
    size_t count = 0;

    assert_ok(w, ls_state_firings(w->state, id, 0, 10000, &w->mem, &count, ret, &w->err));
    return count;
}

/* ---- one ---- */

static void what_is_due_is_started_once_and_its_end_is_written(void **state)
{
    struct world *w = *state;
    struct ls_firing f;
    int64_t wake;

    make(w, hourly("a"));
    wake = tick(w, 0);
    assert_true(wake == at("2031-03-03 06:00"));
    go(w, wake - w->now - 1);
    assert_int_equal(w->start_count, 0);
    go(w, 1);
    assert_int_equal(w->start_count, 1);
    assert_true(w->starts[0].nominal == at("2031-03-03 06:00"));
    assert_int_equal(w->starts[0].attempt, 1);
    assert_int_equal(w->starts[0].kind, LS_FIRING_DUE);
    assert_false(w->starts[0].late);
    tick(w, 0);
    go(w, MINUTE);
    assert_int_equal(w->start_count, 1);
    end(w, &w->starts[0], LS_END_OK, 12);
    go(w, S);
    f = firing_of(w, w->starts[0].firing);
    assert_int_equal(f.state, LS_FIRING_SUCCEEDED);
    assert_int_equal(f.run, 12);
    assert_true(f.started_us == at("2031-03-03 06:00"));
    assert_true(f.ended_us == w->now);
    go_to(w, "2031-03-03 07:00");
    assert_int_equal(w->start_count, 2);
}

static void a_failed_attempt_is_tried_again_as_often_as_it_is_set(void **state)
{
    struct world *w = *state;
    struct ls_schedule s = hourly("a");
    struct ls_firing f;
    int64_t wake;

    s.retries = 2;
    make(w, s);
    go_to(w, "2031-03-03 06:00");
    end(w, &w->starts[0], LS_END_FAILED, 0);
    wake = go(w, S);
    assert_true(wake == w->now + 12 * S);
    f = firing_of(w, w->starts[0].firing);
    assert_int_equal(f.state, LS_FIRING_WAITING);
    assert_int_equal(f.failures, 1);
    assert_string_equal(f.reason, "it did not work");
    go(w, 12 * S - 1);
    assert_int_equal(w->start_count, 1);
    go(w, 1);
    assert_int_equal(w->start_count, 2);
    assert_int_equal(w->starts[1].attempt, 2);
    assert_string_equal(w->starts[1].firing, w->starts[0].firing);
    end(w, &w->starts[0], LS_END_OK, 0); /* the first attempt, told late: of no account */
    go(w, 0);
    end(w, &w->starts[1], LS_END_FAILED, 0);
    go(w, 0);
    go(w, 148 * S);
    assert_int_equal(w->start_count, 3);
    end(w, &w->starts[2], LS_END_FAILED, 7);
    go(w, HOUR / 2);
    f = firing_of(w, w->starts[0].firing);
    assert_int_equal(f.state, LS_FIRING_FAILED);
    assert_int_equal(f.failures, 3);
    assert_int_equal(f.run, 7);
    assert_int_equal(w->start_count, 3);
}

static void an_end_that_is_final_is_not_tried_again(void **state)
{
    struct world *w = *state;
    struct ls_schedule s = hourly("a");

    s.retries = 2;
    make(w, s);
    go_to(w, "2031-03-03 06:00");
    end(w, &w->starts[0], LS_END_FINAL, 0);
    go(w, HOUR / 2);
    assert_int_equal(w->start_count, 1);
    assert_int_equal(firing_of(w, w->starts[0].firing).state, LS_FIRING_FAILED);
    w->answer = LS_CONFIG;
    go_to(w, "2031-03-03 07:00");
    tick(w, 0);
    w->answer = LS_CONNECT;
    go_to(w, "2031-03-03 08:00");
    tick(w, 0);
    {
        struct ls_firing *list = NULL;

        assert_int_equal(history(w, "a", &list), 3);
        assert_int_equal(list[0].state, LS_FIRING_WAITING); /* to be tried again */
        assert_string_equal(list[0].reason, "start says no");
        assert_int_equal(list[1].state, LS_FIRING_FAILED);
    }
}

static void a_sync_that_is_at_work_already_is_met_as_it_is_set(void **state)
{
    struct world *w = *state;
    struct ls_schedule skip = hourly("skip"), queue = hourly("queue");
    char id[37];

    queue.overlap = LS_OVERLAP_QUEUE;
    make(w, skip);
    make(w, queue);
    go_to(w, "2031-03-03 06:00");
    assert_int_equal(w->start_count, 2);
    end(w, &w->starts[0], LS_END_BUSY, 0);
    end(w, &w->starts[1], LS_END_BUSY, 0);
    go(w, 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(firing_of(w, w->starts[i].firing).state,
                         strcmp(w->starts[i].schedule, "skip") == 0 ? LS_FIRING_SKIPPED
                                                                    : LS_FIRING_WAITING);
    go(w, 10 * S);
    assert_int_equal(w->start_count, 3);
    assert_string_equal(w->starts[2].schedule, "queue");
    assert_int_equal(firing_of(w, w->starts[2].firing).failures, 0);
    end(w, &w->starts[2], LS_END_OK, 0);
    assert_ok(w, ls_state_firing_ask(w->state, "skip", w->now, id, &w->err)); /* a person waits */
    go(w, 0);
    assert_int_equal(w->start_count, 4);
    end(w, &w->starts[3], LS_END_BUSY, 0);
    go(w, 0);
    go(w, 10 * S);
    assert_int_equal(w->start_count, 5);
    assert_string_equal(w->starts[4].firing, id);
}

static void where_there_is_no_room_it_is_asked_again(void **state)
{
    struct world *w = *state;
    struct ls_firing f, *list = NULL;

    make(w, hourly("a"));
    w->answer = LS_BUSY;
    go_to(w, "2031-03-03 06:00");
    tick(w, 0);
    for (int i = 0; i < 10; i++) {
        go(w, 2 * S);
        tick(w, 0);
    }
    w->answer = LS_OK;
    go(w, 2 * S);
    assert_int_equal(w->start_count, 1);
    assert_int_equal(history(w, "a", &list), 1);
    f = list[0];
    assert_int_equal(f.state, LS_FIRING_RUNNING);
    assert_int_equal(f.failures, 0);
}

static void an_overlap_is_skipped_or_waits(void **state)
{
    struct world *w = *state;
    struct ls_schedule skip = hourly("skip"), queue = hourly("queue"), allow = hourly("allow");
    struct ls_firing *list = NULL;

    queue.overlap = LS_OVERLAP_QUEUE;
    allow.overlap = LS_OVERLAP_ALLOW;
    allow.action = LS_ACTION_POST;
    allow.target = "https://x.org/";
    allow.method = "POST";
    make(w, skip);
    make(w, queue);
    make(w, allow);
    go_to(w, "2031-03-03 06:00");
    assert_int_equal(w->start_count, 3);
    go_to(w, "2031-03-03 07:00");
    assert_int_equal(w->start_count, 4);
    assert_string_equal(last_start(w)->schedule, "allow");
    go_to(w, "2031-03-03 08:00");
    assert_int_equal(w->start_count, 5);
    assert_int_equal(history(w, "skip", &list), 3);
    assert_int_equal(list[0].state, LS_FIRING_SKIPPED);
    assert_string_equal(list[0].reason, "the one of 2031-03-03T06:00Z is still at work");
    assert_int_equal(history(w, "queue", &list), 3);
    assert_int_equal(list[0].state, LS_FIRING_SKIPPED); /* one waits already */
    assert_int_equal(list[1].state, LS_FIRING_WAITING);
    for (size_t i = 0; i < 3; i++)
        end(w, &w->starts[i], LS_END_OK, 0);
    go(w, MINUTE);
    assert_int_equal(w->start_count, 6);
    assert_string_equal(last_start(w)->schedule, "queue");
    assert_true(last_start(w)->nominal == at("2031-03-03 07:00"));
}

static void a_new_time_takes_over_from_one_that_waits_to_be_tried_again(void **state)
{
    struct world *w = *state;
    struct ls_schedule s = hourly("a");
    struct ls_firing f;

    s.cron = "* * * * *";
    s.retries = 2;
    make(w, s);
    go(w, MINUTE);
    end(w, &w->starts[0], LS_END_FAILED, 0);
    go(w, 20 * S);
    tick(w, 0);
    go(w, 12 * S);
    end(w, last_start(w), LS_END_FAILED, 0);
    go(w, 0); /* the third attempt is to come in 148 s */
    assert_int_equal(w->start_count, 2);
    go(w, 28 * S);
    assert_int_equal(w->start_count, 3);
    assert_true(w->starts[2].nominal == w->starts[0].nominal + MINUTE);
    f = firing_of(w, w->starts[0].firing);
    assert_int_equal(f.state, LS_FIRING_FAILED);
    assert_string_equal(f.reason, "it did not work; given up: the next one is due");
}

/* ---- pause and trigger ---- */

static void a_paused_schedule_fires_nothing_but_what_is_asked_for(void **state)
{
    struct world *w = *state;
    struct ls_firing *list = NULL;
    bool changed = false;
    char id[37];

    make(w, hourly("a"));
    assert_ok(w, ls_schedule_pause(w->state, "a", true, w->now, &changed, &w->err));
    assert_true(changed);
    assert_ok(w, ls_schedule_pause(w->state, "a", true, w->now, &changed, &w->err));
    assert_false(changed);
    go_to(w, "2031-03-03 09:10");
    assert_int_equal(w->start_count, 0);
    assert_ok(w, ls_state_firing_ask(w->state, "a", w->now, id, &w->err));
    go(w, 0);
    assert_int_equal(w->start_count, 1);
    assert_int_equal(w->starts[0].kind, LS_FIRING_MANUAL);
    end(w, &w->starts[0], LS_END_OK, 3);
    go(w, 0);
    assert_ok(w, ls_schedule_pause(w->state, "a", false, w->now, &changed, &w->err));
    assert_true(changed);
    go(w, 0);
    assert_int_equal(w->start_count, 1);
    assert_int_equal(history(w, "a", &list), 2);
    assert_string_equal(list[0].id, id);
    assert_int_equal(list[1].state, LS_FIRING_SKIPPED);
    assert_int_equal(list[1].times, 4);
    assert_string_equal(list[1].reason, "it was paused");
    go_to(w, "2031-03-03 10:00");
    assert_int_equal(w->start_count, 2);
    assert_code(w, LS_NOT_FOUND,
                ls_schedule_pause(w->state, "b", false, w->now, &changed, &w->err));
}

static void what_waits_when_it_is_paused_is_given_up(void **state)
{
    struct world *w = *state;
    struct ls_schedule s = hourly("a");
    struct ls_firing f;
    bool changed = false;

    s.retries = 2;
    make(w, s);
    go_to(w, "2031-03-03 06:00");
    end(w, &w->starts[0], LS_END_FAILED, 0);
    go(w, 0);
    assert_ok(w, ls_schedule_pause(w->state, "a", true, w->now, &changed, &w->err));
    go(w, 12 * S);
    assert_int_equal(w->start_count, 1);
    f = firing_of(w, w->starts[0].firing);
    assert_int_equal(f.state, LS_FIRING_FAILED);
    assert_string_equal(f.reason, "it did not work; given up: the schedule was paused");
}

static void several_that_are_asked_for_come_one_after_the_other(void **state)
{
    struct world *w = *state;
    char a[37], b[37];

    make(w, hourly("a"));
    assert_ok(w, ls_state_firing_ask(w->state, "a", w->now, a, &w->err));
    assert_ok(w, ls_state_firing_ask(w->state, "a", w->now, b, &w->err));
    go(w, 0);
    assert_int_equal(w->start_count, 1);
    assert_string_equal(w->starts[0].firing, a);
    end(w, &w->starts[0], LS_END_OK, 0);
    go(w, 0);
    assert_int_equal(w->start_count, 2);
    assert_string_equal(w->starts[1].firing, b);
}

static void schedules_of_other_projects_are_left_to_them(void **state)
{
    struct world *w = *state;
    struct ls_schedule other = hourly("other"), own = hourly("own");
    char id[37];

    other.project = "/q.yaml";
    own.project = "/p.yaml";
    make(w, other);
    make(w, own);
    assert_ok(w, ls_state_firing_ask(w->state, "other", w->now, id, &w->err));
    go_to(w, "2031-03-03 06:00");
    assert_int_equal(w->start_count, 1);
    assert_string_equal(w->starts[0].schedule, "own");
}

/* ---- what goes wrong ---- */

static void a_process_that_dies_is_a_failed_attempt(void **state)
{
    struct world *w = *state;
    struct ls_schedule once = hourly("once"), again = hourly("again");
    struct ls_firing f, *list = NULL;

    again.retries = 1;
    make(w, once);
    make(w, again);
    go_to(w, "2031-03-03 06:00");
    assert_int_equal(w->start_count, 2);
    kill_node(w, 0);
    begin_node(w, 0);
    go(w, MINUTE);
    assert_int_equal(w->start_count, 3);
    assert_string_equal(last_start(w)->schedule, "again");
    assert_int_equal(last_start(w)->attempt, 2);
    assert_int_equal(history(w, "once", &list), 1);
    assert_int_equal(list[0].state, LS_FIRING_LOST);
    assert_string_equal(list[0].reason, "its process ended before it did");
    kill_node(w, 0);
    begin_node(w, 0);
    go(w, MINUTE);
    assert_int_equal(w->start_count, 3);
    f = firing_of(w, w->starts[2].firing);
    assert_int_equal(f.state, LS_FIRING_LOST);
    assert_int_equal(f.failures, 2);
}

static void another_node_that_lives_is_left_alone(void **state)
{
    struct world *w = *state;
    struct ls_schedule s = hourly("a");

    s.retries = 1;
    make(w, s);
    begin_node(w, 1);
    tick(w, 1);
    go_to(w, "2031-03-03 06:00");
    assert_int_equal(w->start_count, 1);
    for (int i = 0; i < 5; i++) {
        go(w, MINUTE);
        tick(w, 1);
    }
    assert_int_equal(w->start_count, 1);
    kill_node(w, 0);
    w->monotonic += MINUTE;
    tick(w, 1);
    assert_int_equal(w->start_count, 2);
    assert_int_equal(last_start(w)->node, 1);
    assert_int_equal(last_start(w)->attempt, 2);
}

static void of_several_nodes_one_fires(void **state)
{
    struct world *w = *state;
    uint64_t seed = new_seed();
    struct ls_schedule s = hourly("a");

    s.cron = "*/10 * * * *";
    make(w, s);
    for (size_t i = 1; i < NODES; i++) {
        begin_node(w, i);
        w->nodes[i].skew = (int64_t)i * 20 * S;
    }
    for (int i = 0; i < 200; i++) {
        w->now += MINUTE;
        w->monotonic += MINUTE;
        for (size_t n = 0; n < NODES; n++)
            tick(w, below(&seed, NODES));
        for (size_t k = w->start_count > 3 ? w->start_count - 3 : 0; k < w->start_count; k++)
            end(w, &w->starts[k], LS_END_OK, 0);
    }
    for (size_t n = 0; n < NODES; n++)
        tick(w, n);
    assert_true(w->start_count >= 19 && w->start_count <= 20);
    for (size_t i = 1; i < w->start_count; i++)
        assert_true(w->starts[i].nominal == w->starts[i - 1].nominal + 10 * MINUTE);
}

static void a_state_that_goes_away_and_comes_back_loses_nothing(void **state)
{
    struct world *w = *state;
    char *away;
    int64_t wake = 0;
    char why[200];

    make(w, hourly("a"));
    go_to(w, "2031-03-03 06:00");
    assert_int_equal(w->start_count, 1);
    if (!w->postgres) {
        assert_true(ls_scheduler_healthy(w->nodes[0].s, why));
        return; /* a file does not go away */
    }
    end(w, &w->starts[0], LS_END_OK, 5);
    away = testpg_url_with(w->url, NULL, NULL, "postgres");
    testpg_exec(away, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE "
                      "'%scheduler%' AND pid <> pg_backend_pid()");
    free(away);
    w->now += MINUTE;
    w->monotonic += MINUTE;
    if (ls_scheduler_tick(w->nodes[0].s, w->now, w->monotonic, &wake, &w->err) != LS_OK) {
        assert_false(ls_scheduler_healthy(w->nodes[0].s, why));
        assert_true(*why);
    }
    go(w, MINUTE);
    assert_true(ls_scheduler_healthy(w->nodes[0].s, why));
    ls_state_close(w->state);
    w->state = NULL;
    assert_ok(w, ls_state_open(w->url, false, &w->state, &w->err));
    assert_int_equal(firing_of(w, w->starts[0].firing).state, LS_FIRING_SUCCEEDED);
    assert_int_equal(firing_of(w, w->starts[0].firing).run, 5);
    go_to(w, "2031-03-03 07:00");
    assert_int_equal(w->start_count, 2);
    begin_node(w, 1); /* and it is known to live */
    tick(w, 1);
    assert_int_equal(firing_of(w, w->starts[1].firing).state, LS_FIRING_RUNNING);
}

static void one_that_cannot_be_read_holds_up_no_other(void **state)
{
    struct world *w = *state;
    struct ls_schedule bad = hourly("a-bad"), good = hourly("good");
    char *tz;

    bad.zone = "Europe/Vienna";
    make(w, bad);
    make(w, good);
    tz = testdir_new();
    assert_int_equal(setenv("TZDIR", tz, 1), 0); /* its zone is gone */
    go_to(w, "2031-03-03 06:00");
    assert_int_equal(w->start_count, 1);
    assert_string_equal(w->starts[0].schedule, "good");
    assert_true(schedule_of(w, "a-bad").due_us == w->now + MINUTE);
    assert_int_equal(unsetenv("TZDIR"), 0);
    free(tz);
    go(w, MINUTE);
    assert_int_equal(w->start_count, 2);
    assert_string_equal(w->starts[1].schedule, "a-bad");
}

static void many_that_fail_at_once_do_not_pile_up(void **state)
{
    struct world *w = *state;
    struct ls_schedule s = hourly("a");
    struct ls_firing *list = NULL;
    size_t failed = 0, skipped = 0, count;

    s.cron = "* * * * *";
    s.catch_up = LS_CATCH_UP_ALL;
    s.catch_up_s = 7200;
    make(w, s);
    w->answer = LS_CONFIG;
    go(w, 10 * HOUR);
    for (int i = 0; i < 400; i++)
        go(w, 0);
    count = history(w, "a", &list);
    for (size_t i = 0; i < count; i++) {
        failed += list[i].state == LS_FIRING_FAILED;
        skipped += list[i].state == LS_FIRING_SKIPPED;
    }
    assert_int_equal(failed + skipped, 121); /* two hours of minutes, each once */
    assert_true(skipped <= 2); /* those of this minute, while one before them is at work */
    assert_int_equal(list[count - 1].state, LS_FIRING_MISSED);
    assert_int_equal(list[count - 1].times, 600 - 121);
}

/* ---- making and settling ---- */

static void a_configuration_is_settled_into_the_state(void **state)
{
    struct world *w = *state;
    struct ls_schedule list[3] = {hourly("a"), hourly("b"), hourly("c")}, s;
    struct ls_settled n;
    bool changed;

    make(w, hourly("api"));
    assert_ok(w, ls_schedule_settle(w->state, list, 3, "/p.yaml", w->now, &n, &w->err));
    assert_int_equal(n.made, 3);
    s = schedule_of(w, "a");
    assert_string_equal(s.origin, "config");
    assert_string_equal(s.project, "/p.yaml");
    assert_ok(w, ls_schedule_pause(w->state, "b", true, w->now, &changed, &w->err));
    go_to(w, "2031-03-03 06:00");
    w->now = at("2031-03-03 06:20");
    list[0].cron = "30 * * * *";
    list[1].retries = 5;
    assert_ok(w, ls_schedule_settle(w->state, list, 2, "/p.yaml", w->now, &n, &w->err));
    assert_int_equal(n.made, 0);
    assert_int_equal(n.changed, 2);
    assert_int_equal(n.dropped, 1);
    s = schedule_of(w, "a");
    assert_true(s.next_us == at("2031-03-03 06:30"));
    s = schedule_of(w, "b");
    assert_true(s.paused);
    assert_int_equal(s.retries, 5);
    assert_true(s.next_us == at("2031-03-03 06:00")); /* it goes on from where it was */
    assert_ok(w, ls_schedule_settle(w->state, list, 2, "/p.yaml", w->now, &n, &w->err));
    assert_int_equal(n.made + n.changed + n.dropped, 0);
    assert_false(schedule_of(w, "a").paused);
    list[0].paused = true; /* the configuration can pause, and leaves a pause of people alone */
    assert_ok(w, ls_schedule_settle(w->state, list, 2, "/p.yaml", w->now, &n, &w->err));
    assert_true(schedule_of(w, "a").paused && schedule_of(w, "b").paused);
    list[0].id = "api";
    assert_code(w, LS_CONFLICT,
                ls_schedule_settle(w->state, list, 2, "/p.yaml", w->now, &n, &w->err));
    assert_non_null(strstr(w->err.text, "made by api"));
    assert_ok(w, ls_schedule_settle(w->state, list, 0, "/q.yaml", w->now, &n, &w->err));
    assert_int_equal(n.dropped, 0);
    list[0] = hourly("x");
    list[0].cron = "nonsense";
    assert_code(w, LS_CONFIG,
                ls_schedule_settle(w->state, list, 1, "/p.yaml", w->now, &n, &w->err));
}

/* ---- long lives ---- */

struct named {
    struct ls_schedule s;
    struct ls_timetable t;
    int64_t made;
};

/* By chance: how long the attempts take and how they end. */
static void end_some(struct world *w, size_t *done, uint64_t *seed)
{
    for (; *done < w->start_count; ++*done) {
        if (below(seed, 3) == 0)
            break; /* it takes longer */
        if (w->nodes[w->starts[*done].node].s)
            end(w, &w->starts[*done], below(seed, 6) ? LS_END_OK : LS_END_FAILED, 0);
    }
}

static void something_happens(struct world *w, struct named *list, size_t count, bool back,
                              uint64_t *seed)
{
    bool changed;
    size_t i;

    switch (below(seed, 30)) {
    case 0: /* killed, and down for a while */
        kill_node(w, 0);
        w->now += (int64_t)below(seed, 10 * 3600) * S;
        w->monotonic += 1000;
        begin_node(w, 0);
        break;
    case 1:
        w->now += below(seed, 4) ? HOUR : 10 * DAY;
        break;
    case 2:
        if (back)
            w->now -= below(seed, 4) ? HOUR : 10 * DAY;
        break;
    case 3:
        i = below(seed, (unsigned)count);
        assert_ok(w, ls_schedule_pause(w->state, list[i].s.id, below(seed, 2), w->now, &changed,
                                       &w->err));
        break;
    default:
        break;
    }
}

static bool has(const struct ls_firing *rows, size_t count, int64_t us, bool inside)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].kind != LS_FIRING_MANUAL && rows[i].nominal_us <= us &&
            rows[i].until_us >= us && (inside || rows[i].kind == LS_FIRING_PASSED))
            return true;
    return false;
}

/* Each nominal time up to the last one dealt with stands in the history, and none was started as a first attempt twice. */
static void check_history(struct world *w, const struct named *n, bool back)
{
    struct ls_firing *rows = NULL;
    const size_t count = history(w, n->s.id, &rows);
    const int64_t last = schedule_of(w, n->s.id).last_us;
    char iso[25];

    for (size_t i = 0; i < w->start_count; i++)
        for (size_t k = 0; k < i && strcmp(w->starts[i].schedule, n->s.id) == 0; k++)
            if (strcmp(w->starts[k].schedule, n->s.id) == 0 &&
                w->starts[i].nominal == w->starts[k].nominal &&
                strcmp(w->starts[i].firing, w->starts[k].firing) != 0) {
                ls_clock_iso(w->starts[i].nominal, iso);
                fail_msg("%s fired twice at %s", n->s.id, iso);
            }
    for (int64_t us = ls_timetable_next(&n->t, n->made); us <= last;
         us = ls_timetable_next(&n->t, us))
        if (!has(rows, count, us, true)) {
            ls_clock_iso(us, iso);
            fail_msg("%s is forgotten at %s", n->s.id, iso);
        }
    for (size_t i = 0; i + 1 < count && !back; i++) /* newest first, and apart from each other */
        if (rows[i].kind == LS_FIRING_DUE && rows[i + 1].kind == LS_FIRING_DUE)
            assert_true(rows[i].nominal_us > rows[i + 1].nominal_us);
}

static void live(struct world *w, bool back)
{
    struct named list[] = {
        {.s = {.id = "skip",
               .cron = "*/30 * * * *",
               .zone = "Europe/Vienna",
               .target = "x",
               .catch_up = LS_CATCH_UP_LAST,
               .retries = 1}},
        {.s = {.id = "queue",
               .cron = "30 2 * * *",
               .zone = "Europe/Vienna",
               .target = "x",
               .overlap = LS_OVERLAP_QUEUE,
               .catch_up = LS_CATCH_UP_ALL,
               .catch_up_s = 2 * 86400}},
        {.s = {.id = "call",
               .cron = "15 * * * *",
               .zone = "Australia/Lord_Howe",
               .action = LS_ACTION_POST,
               .target = "https://x.org",
               .method = "POST",
               .overlap = LS_OVERLAP_ALLOW,
               .jitter_s = 300}},
        {.s = {.id = "hours",
               .cron = "0 */2 * * *",
               .zone = "America/New_York",
               .target = "x",
               .hours = "mon-fri 08:00-18:00",
               .catch_up = LS_CATCH_UP_LAST}},
    };
    const size_t count = sizeof list / sizeof *list;
    uint64_t seed = new_seed();
    size_t done = 0;
    bool changed;
    const int64_t days = getenv("LOCKSTEP_DEEP") ? 40 : 4;

    w->now = at("2031-03-27 12:00"); /* days before clocks change in Vienna, and in Lord Howe */
    for (size_t i = 0; i < count; i++) {
        list[i].s.origin = "api";
        list[i].made = w->now;
        make(w, list[i].s);
        assert_ok(w, ls_timetable_open(&list[i].s, &list[i].t, &w->err));
    }
    for (const int64_t until = w->now + days * DAY; w->now < until;) {
        int64_t wake = tick(w, 0);

        end_some(w, &done, &seed);
        wake = wake > w->now + HOUR ? w->now + HOUR : wake;
        wake = wake > w->now ? wake : w->now + S;
        w->monotonic += wake - w->now;
        w->now = wake;
        something_happens(w, list, count, back, &seed);
    }
    for (size_t i = 0; i < count; i++) {
        assert_ok(w, ls_schedule_pause(w->state, list[i].s.id, false, w->now, &changed, &w->err));
        check_history(w, &list[i], back);
        ls_timetable_close(&list[i].t);
    }
}

static void a_long_life_fires_each_time_once(void **state)
{
    live(*state, false);
}

static void a_long_life_with_a_clock_that_goes_back_fires_no_time_twice(void **state)
{
    live(*state, true);
}

/* ---- the thread ---- */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char firing[37];
    int64_t attempt;
    bool started, ended;
};

static enum ls_code open_gate(void *ctx, const struct ls_schedule *s, const struct ls_firing *f,
                              struct ls_error *err)
{
    struct gate *g = ctx;
    (void)s;
    (void)err;

    pthread_mutex_lock(&g->lock);
    memcpy(g->firing, f->id, sizeof g->firing);
    g->attempt = f->attempt;
    g->started = true;
    pthread_cond_signal(&g->changed);
    pthread_mutex_unlock(&g->lock);
    return LS_OK;
}

static void see_end(void *ctx, const struct ls_schedule *s, const struct ls_firing *f)
{
    struct gate *g = ctx;
    (void)s;

    pthread_mutex_lock(&g->lock);
    g->ended = g->ended || f->state == LS_FIRING_SUCCEEDED;
    pthread_cond_signal(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static void run(void *arg)
{
    ls_scheduler_run(arg);
}

static void its_thread_sleeps_until_it_is_woken_or_stopped(void **state)
{
    struct world *w = *state;
    struct gate g = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    const struct ls_scheduler_options options = {.state_url = w->url,
                                                 .hooks = {&g, open_gate, see_end}};
    struct ls_scheduler_figures figures;
    struct ls_scheduler *s = NULL;
    struct ls_thread thread = {0};
    struct ls_schedule_end e = {.kind = LS_END_OK};
    char id[37];

    w->now = ls_clock_now_us();
    make(w, hourly("a"));
    assert_ok(w, ls_scheduler_new(&options, &s, &w->err));
    assert_ok(w, ls_thread_start(&thread, run, s, &w->err));
    assert_ok(w, ls_state_firing_ask(w->state, "a", ls_clock_now_us(), id, &w->err));
    ls_scheduler_wake(s);
    pthread_mutex_lock(&g.lock);
    while (!g.started)
        pthread_cond_wait(&g.changed, &g.lock);
    assert_string_equal(g.firing, id);
    memcpy(e.firing, g.firing, sizeof e.firing);
    e.attempt = g.attempt;
    ls_scheduler_ended(s, &e);
    while (!g.ended)
        pthread_cond_wait(&g.changed, &g.lock);
    pthread_mutex_unlock(&g.lock);
    ls_scheduler_stop(s);
    ls_thread_join(&thread);
    ls_scheduler_figures(s, &figures);
    assert_int_equal(figures.fired, 1);
    assert_int_equal(figures.succeeded, 1);
    assert_true(figures.last_good_us > 0);
    ls_scheduler_free(s);
    assert_int_equal(firing_of(w, id).state, LS_FIRING_SUCCEEDED);
}

static void ends_that_are_told_at_the_last_moment_are_written(void **state)
{
    struct world *w = *state;

    make(w, hourly("a"));
    go_to(w, "2031-03-03 06:00");
    end(w, &w->starts[0], LS_END_OK, 9);
    kill_node(w, 0); /* an orderly end, this time */
    assert_int_equal(firing_of(w, w->starts[0].firing).run, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(what_is_due_is_started_once_and_its_end_is_written),
        ON_BOTH(a_failed_attempt_is_tried_again_as_often_as_it_is_set),
        ON_SQLITE(an_end_that_is_final_is_not_tried_again),
        ON_SQLITE(a_sync_that_is_at_work_already_is_met_as_it_is_set),
        ON_SQLITE(where_there_is_no_room_it_is_asked_again),
        ON_BOTH(an_overlap_is_skipped_or_waits),
        ON_SQLITE(a_new_time_takes_over_from_one_that_waits_to_be_tried_again),
        ON_BOTH(a_paused_schedule_fires_nothing_but_what_is_asked_for),
        ON_SQLITE(what_waits_when_it_is_paused_is_given_up),
        ON_BOTH(several_that_are_asked_for_come_one_after_the_other),
        ON_BOTH(schedules_of_other_projects_are_left_to_them),
        ON_BOTH(a_process_that_dies_is_a_failed_attempt),
        ON_BOTH(another_node_that_lives_is_left_alone),
        ON_BOTH(of_several_nodes_one_fires),
        ON_BOTH(a_state_that_goes_away_and_comes_back_loses_nothing),
        ON_SQLITE(one_that_cannot_be_read_holds_up_no_other),
        ON_SQLITE(many_that_fail_at_once_do_not_pile_up),
        ON_BOTH(a_configuration_is_settled_into_the_state),
        ON_BOTH(a_long_life_fires_each_time_once),
        ON_SQLITE(a_long_life_with_a_clock_that_goes_back_fires_no_time_twice),
        ON_BOTH(its_thread_sleeps_until_it_is_woken_or_stopped),
        ON_BOTH(ends_that_are_told_at_the_last_moment_are_written),
    };
    return cmocka_run_group_tests_name("schedule/scheduler", tests, NULL, NULL);
}
