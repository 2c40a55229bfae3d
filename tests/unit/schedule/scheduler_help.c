/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler_help.h"

#include <stdio.h>
#include <time.h>

void check(struct world *w, enum ls_code expected, enum ls_code rc, const char *call, int line)
{
    if (rc != expected)
        fail_msg("line %d: %s: %s", line, call, rc == LS_OK ? "it went well" : w->err.text);
}

int64_t at(const char *iso)
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

void begin_node(struct world *w, size_t i)
{
    struct node *n = &w->nodes[i];
    const struct ls_scheduler_options options = {
        .state_url = w->url, .project = "/p.yaml", .hooks = {.ctx = n, .start = on_start}};

    n->w = w;
    n->index = i;
    assert_ok(w, ls_scheduler_new(&options, &n->s, &w->err));
}

void kill_node(struct world *w, size_t i)
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

int on_sqlite(void **state)
{
    char *dir = testdir_new(), *path;

    assert_true(asprintf(&path, "%s/state.db", dir) > 0);
    free(dir);
    return begin(state, path, false);
}

int on_postgres(void **state)
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

int after(void **state)
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

int64_t tick(struct world *w, size_t i)
{
    int64_t wake = 0;

    assert_ok(w, ls_scheduler_tick(w->nodes[i].s, w->now + w->nodes[i].skew, w->monotonic, &wake,
                                   &w->err));
    return wake;
}

int64_t go(struct world *w, int64_t us)
{
    w->now += us;
    w->monotonic += us;
    return tick(w, 0);
}

void go_to(struct world *w, const char *iso)
{
    go(w, at(iso) - w->now);
}

struct ls_schedule hourly(const char *id)
{
    return (struct ls_schedule){.id = id,
                                .cron = "0 * * * *",
                                .action = LS_ACTION_SYNC,
                                .target = "customers",
                                .catch_up = LS_CATCH_UP_LAST,
                                .origin = "api"};
}

void make(struct world *w, struct ls_schedule s)
{
    assert_ok(w, ls_schedule_make(w->state, &s, false, w->now, &w->err));
}

void end(struct world *w, const struct start *start, enum ls_end_kind kind, int64_t run)
{
    struct ls_schedule_end e = {.attempt = start->attempt, .kind = kind, .run = run};

    memcpy(e.firing, start->firing, sizeof e.firing);
    snprintf(e.reason, sizeof e.reason, "%s", kind == LS_END_OK ? "" : "it did not work");
    ls_scheduler_ended(w->nodes[start->node].s, &e);
}

const struct start *last_start(const struct world *w)
{
    assert_true(w->start_count > 0);
    return &w->starts[w->start_count - 1];
}

struct ls_firing firing_of(struct world *w, const char *id)
{
    struct ls_firing f;

    assert_ok(w, ls_state_firing_find(w->state, id, &w->mem, &f, &w->err));
    return f;
}

struct ls_schedule schedule_of(struct world *w, const char *id)
{
    struct ls_schedule s;

    assert_ok(w, ls_state_schedule_find(w->state, id, &w->mem, &s, &w->err));
    return s;
}

size_t history(struct world *w, const char *id, struct ls_firing **ret)
{
    size_t count = 0;

    assert_ok(w, ls_state_firings(w->state, id, 0, 10000, &w->mem, &count, ret, &w->err));
    return count;
}
