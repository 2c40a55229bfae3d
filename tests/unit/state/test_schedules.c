/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules and firings: what is kept, who may move it, and that a time is fired once whoever tries. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/thread.h"
#include "state/schedules.h"
#include "state_fixture.h"

#define DAY ((int64_t)86400 * 1000000)

static struct ls_schedule made(const char *id, int64_t next_us)
{
    return (struct ls_schedule){.id = id,
                                .cron = "0 * * * *",
                                .action = LS_ACTION_SYNC,
                                .target = "customers",
                                .origin = "config",
                                .next_us = next_us,
                                .due_us = next_us};
}

static void put(struct fixture *f, const struct ls_schedule *s)
{
    assert_ok(f, ls_state_schedule_put(f->state, s, false, &f->err));
}

static struct ls_schedule found(struct fixture *f, const char *id)
{
    struct ls_schedule s = {0};

    assert_ok(f, ls_state_schedule_find(f->state, id, &f->mem, &s, &f->err));
    return s;
}

/* Fires a schedule's next time; the one after it is an hour later. */
static bool fire(struct fixture *f, struct ls_state *state, const struct ls_schedule *s,
                 struct ls_firing *firing)
{
    struct ls_schedule_step step = {.id = s->id,
                                    .version = s->version,
                                    .last_us = s->next_us,
                                    .next_us = s->next_us + 3600,
                                    .due_us = s->next_us + 3600,
                                    .firing_count = 1,
                                    .firings = firing};
    bool done = false;

    *firing = (struct ls_firing){.schedule = s->id,
                                 .kind = LS_FIRING_DUE,
                                 .state = LS_FIRING_RUNNING,
                                 .nominal_us = s->next_us,
                                 .made_us = s->next_us + 5,
                                 .started_us = s->next_us + 5,
                                 .attempt = 1,
                                 .node = "n1"};
    assert_ok(f, ls_state_schedule_step(state, &step, &done, &f->err));
    return done;
}

static struct ls_firing firing_of(struct fixture *f, const char *id)
{
    struct ls_firing ret = {0};

    assert_ok(f, ls_state_firing_find(f->state, id, &f->mem, &ret, &f->err));
    return ret;
}

/* ---- schedules ---- */

static void all_of_a_schedule_comes_back(void **state)
{
    struct fixture *f = *state;
    const struct ls_schedule s = {.id = "Call-1.a_b",
                                  .cron = "CRON_TZ=Europe/Vienna 0 9 * * 1-5",
                                  .zone = "Europe/Vienna",
                                  .action = LS_ACTION_POST,
                                  .target = "https://x.org/ä?q=1",
                                  .method = "PUT",
                                  .headers = "{\"x\":\"y\"}",
                                  .body = "a\0b\xff",
                                  .body_size = 4,
                                  .overlap = LS_OVERLAP_ALLOW,
                                  .catch_up = LS_CATCH_UP_ALL,
                                  .catch_up_s = 86400,
                                  .jitter_s = 30,
                                  .hours = "mon-fri 08:00-18:00",
                                  .timeout_ms = 30000,
                                  .retries = 2,
                                  .paused = true,
                                  .origin = "api",
                                  .project = "/etc/lockstep.yaml",
                                  .extra = "{}",
                                  .last_us = 5,
                                  .next_us = 60000000,
                                  .due_us = 90000000};
    struct ls_schedule r;

    put(f, &s);
    reopen(f);
    r = found(f, "Call-1.a_b");
    assert_string_equal(r.cron, s.cron);
    assert_string_equal(r.zone, s.zone);
    assert_int_equal(r.action, s.action);
    assert_string_equal(r.target, s.target);
    assert_string_equal(r.method, s.method);
    assert_string_equal(r.headers, s.headers);
    assert_int_equal(r.body_size, 4);
    assert_memory_equal(r.body, s.body, 4);
    assert_int_equal(r.overlap, s.overlap);
    assert_int_equal(r.catch_up, s.catch_up);
    assert_int_equal(r.catch_up_s, s.catch_up_s);
    assert_int_equal(r.jitter_s, s.jitter_s);
    assert_string_equal(r.hours, s.hours);
    assert_int_equal(r.timeout_ms, s.timeout_ms);
    assert_int_equal(r.retries, s.retries);
    assert_true(r.paused);
    assert_string_equal(r.origin, s.origin);
    assert_string_equal(r.project, s.project);
    assert_string_equal(r.extra, s.extra);
    assert_int_equal(r.last_us, 5);
    assert_int_equal(r.next_us, 60000000);
    assert_int_equal(r.due_us, 90000000);
    assert_true(r.created_us > 0 && r.changed_us == r.created_us);
}

static void a_schedule_that_is_there_is_replaced_on_demand_only(void **state)
{
    struct fixture *f = *state;
    struct ls_schedule s = made("a", 1000), old;
    struct ls_firing firing;

    s.paused = true;
    put(f, &s);
    old = found(f, "a");
    assert_true(fire(f, f->state, &old, &firing));
    assert_code(f, LS_CONFLICT, ls_state_schedule_put(f->state, &s, false, &f->err));
    assert_said(f, "made by the configuration");
    s.paused = false;
    s.cron = "5 * * * *";
    assert_ok(f, ls_state_schedule_put(f->state, &s, true, &f->err));
    s = found(f, "a");
    assert_string_equal(s.cron, "5 * * * *");
    assert_false(s.paused); /* the step above set it going */
    assert_int_equal(s.created_us, old.created_us);
    assert_int_equal(firing_of(f, firing.id).nominal_us, 1000);
}

static void a_replaced_schedule_stays_paused(void **state)
{
    struct fixture *f = *state;
    struct ls_schedule s = made("a", 1000);

    s.paused = true;
    put(f, &s);
    s.paused = false;
    assert_ok(f, ls_state_schedule_put(f->state, &s, true, &f->err));
    assert_true(found(f, "a").paused);
}

static void names_that_are_none_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"", "a b", "a/b", "ä", "a\n", "%", "a\xff"};
    char longest[LS_SCHEDULE_ID_MAX + 2];
    struct ls_schedule s;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        s = made(bad[i], 1);
        assert_code(f, LS_USAGE, ls_state_schedule_put(f->state, &s, false, &f->err));
        assert_code(f, LS_NOT_FOUND,
                    ls_state_schedule_find(f->state, bad[i], &f->mem, &s, &f->err));
    }
    memset(longest, 'x', sizeof longest);
    longest[LS_SCHEDULE_ID_MAX + 1] = '\0';
    s = made(longest, 1);
    assert_code(f, LS_USAGE, ls_state_schedule_put(f->state, &s, false, &f->err));
    longest[LS_SCHEDULE_ID_MAX] = '\0';
    put(f, &s);
    s = made("b", 1);
    s.target = "\xff";
    assert_code(f, LS_DATA, ls_state_schedule_put(f->state, &s, false, &f->err));
}

static void an_unknown_name_is_told_its_nearest_neighbour(void **state)
{
    struct fixture *f = *state;
    struct ls_schedule s = made("customers", 1), r;

    assert_code(f, LS_NOT_FOUND, ls_state_schedule_find(f->state, "x", &f->mem, &r, &f->err));
    assert_said(f, "there are none yet");
    put(f, &s);
    assert_code(f, LS_NOT_FOUND,
                ls_state_schedule_find(f->state, "custmers", &f->mem, &r, &f->err));
    assert_said(f, "Did you mean \"customers\"?");
    assert_code(f, LS_NOT_FOUND, ls_state_schedule_drop(f->state, "custmers", &f->err));
    assert_said(f, "Did you mean \"customers\"?");
}

static void what_is_due_comes_in_its_order(void **state)
{
    struct fixture *f = *state;
    struct ls_schedule list[] = {made("b", 300), made("a", 200), made("c", 100),
                                 made("d", 400), made("e", 250), made("g", 260)};
    struct ls_schedule *due = NULL;
    size_t count = 0;
    int64_t next = 0;

    assert_ok(f, ls_state_schedules_next(f->state, NULL, 0, &next, &f->err));
    assert_true(next == INT64_MAX);
    list[2].paused = true;
    list[4].project = "/a.yaml";
    list[5].project = "/b.yaml";
    for (size_t i = 0; i < 6; i++)
        put(f, &list[i]);
    assert_ok(f,
              ls_state_schedules_due(f->state, "/a.yaml", 300, 10, &f->mem, &count, &due, &f->err));
    assert_int_equal(count, 3);
    assert_string_equal(due[0].id, "a");
    assert_string_equal(due[1].id, "e");
    assert_string_equal(due[2].id, "b");
    assert_ok(f, ls_state_schedules_due(f->state, NULL, 299, 10, &f->mem, &count, &due, &f->err));
    assert_int_equal(count, 1);
    assert_ok(f,
              ls_state_schedules_due(f->state, "/a.yaml", 300, 1, &f->mem, &count, &due, &f->err));
    assert_int_equal(count, 1);
    assert_ok(f, ls_state_schedules_next(f->state, NULL, 300, &next, &f->err));
    assert_int_equal(next, 400);
    assert_ok(f, ls_state_schedules_next(f->state, NULL, 0, &next, &f->err));
    assert_int_equal(next, 200);
    assert_ok(f, ls_state_schedules_next(f->state, "/b.yaml", 200, &next, &f->err));
    assert_int_equal(next, 260);
    assert_ok(f, ls_state_schedules(f->state, &f->mem, &count, &due, &f->err));
    assert_int_equal(count, 6);
    assert_string_equal(due[0].id, "a");
    assert_string_equal(due[5].id, "g");
}

static void a_schedule_goes_with_its_history(void **state)
{
    struct fixture *f = *state;
    struct ls_schedule s = made("a", 100);
    struct ls_firing firing, gone;
    bool done = true;

    put(f, &s);
    s = found(f, "a");
    assert_true(fire(f, f->state, &s, &firing));
    assert_ok(f, ls_state_schedule_drop(f->state, "a", &f->err));
    assert_code(f, LS_NOT_FOUND,
                ls_state_firing_find(f->state, firing.id, &f->mem, &gone, &f->err));
    firing.state = LS_FIRING_SUCCEEDED;
    assert_ok(f, ls_state_firing_end(f->state, &firing, &done, &f->err));
    assert_false(done); /* and whoever was at it ends without an error */
    s.version++;
    assert_false(fire(f, f->state, &s, &firing));
}

/* ---- once ---- */

static void who_decided_on_older_ground_does_nothing(void **state)
{
    struct fixture *f = *state;
    struct ls_state *other = another(f);
    struct ls_schedule s = made("a", 1000);
    struct ls_firing firing, *list = NULL;
    size_t count = 0;

    put(f, &s);
    s = found(f, "a");
    assert_true(fire(f, f->state, &s, &firing));
    assert_false(fire(f, other, &s, &firing));
    { /* nor moves it, where nothing is fired that would show it */
        const struct ls_schedule_step stale = {.id = "a",
                                               .version = s.version,
                                               .paused = true,
                                               .last_us = s.last_us,
                                               .next_us = 1,
                                               .due_us = 1};
        bool done = true;

        assert_ok(f, ls_state_schedule_step(other, &stale, &done, &f->err));
        assert_false(done);
        assert_false(found(f, "a").paused);
        assert_int_equal(found(f, "a").next_us, s.next_us + 3600);
    }
    assert_ok(f, ls_state_firings(f->state, "a", 0, 10, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 1);
    assert_int_equal(found(f, "a").next_us, 4600);
    ls_state_close(other);
}

static void a_time_that_was_fired_is_not_fired_again(void **state)
{
    struct fixture *f = *state;
    struct ls_schedule s = made("a", 1000);
    struct ls_firing firing;
    bool known = true;
    const struct ls_firing first = {.schedule = "a", .kind = LS_FIRING_DUE, .nominal_us = 1000};

    put(f, &s);
    s = found(f, "a");
    assert_ok(f, ls_state_firing_known(f->state, &first, &known, &f->err));
    assert_false(known);
    assert_true(fire(f, f->state, &s, &firing));
    assert_ok(f, ls_state_firing_known(f->state, &first, &known, &f->err));
    assert_true(known);
    s = found(f, "a");
    s.next_us = 1000; /* as if the times had been set back */
    assert_false(fire(f, f->state, &s, &firing));
    assert_int_equal(found(f, "a").next_us, 4600);
}

struct racer {
    struct fixture *f;
    struct ls_state *state;
    struct ls_schedule s;
    unsigned won;
};

/* Fires whatever is next, a hundred times over all racers. */
static void race(void *arg)
{
    struct racer *r = arg;
    struct ls_arena mem;
    struct ls_error err;

    ls_arena_init(&mem, 0);
    for (;;) {
        struct ls_firing firing;
        struct ls_schedule_step step = {.firing_count = 1, .firings = &firing};
        bool done = false;
        enum ls_code rc = ls_state_schedule_find(r->state, "a", &mem, &r->s, &err);

        if (rc != LS_OK || r->s.next_us >= 100)
            break;
        firing = (struct ls_firing){.schedule = "a",
                                    .kind = LS_FIRING_DUE,
                                    .state = LS_FIRING_RUNNING,
                                    .nominal_us = r->s.next_us};
        step.id = "a";
        step.version = r->s.version;
        step.next_us = step.due_us = r->s.next_us + 1;
        rc = ls_state_schedule_step(r->state, &step, &done, &err);
        if (rc != LS_OK) {
            print_error("%s\n", err.text);
            break;
        }
        r->won += done;
    }
    ls_arena_done(&mem);
}

static void of_several_that_fire_at_once_one_does(void **state)
{
    struct fixture *f = *state;
    struct ls_schedule s = made("a", 0);
    struct racer racers[4];
    struct ls_thread threads[4] = {0};
    unsigned won = 0;

    put(f, &s);
    for (size_t i = 0; i < 4; i++)
        racers[i] = (struct racer){.f = f, .state = another(f)};
    for (size_t i = 0; i < 4; i++)
        assert_ok(f, ls_thread_start(&threads[i], race, &racers[i], &f->err));
    for (size_t i = 0; i < 4; i++) {
        ls_thread_join(&threads[i]);
        won += racers[i].won;
        ls_state_close(racers[i].state);
    }
    assert_int_equal(found(f, "a").next_us, 100);
    assert_int_equal(won, 100);
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}schedule_firings"), 100);
}

/* ---- firings ---- */

static void every_open_state_has_a_way_out_and_no_other(void **state)
{
    (void)state;

    for (enum ls_firing_state from = 0; from < LS_FIRING_STATE_COUNT; from++) {
        bool out = false;

        for (enum ls_firing_state to = 0; to < LS_FIRING_STATE_COUNT; to++)
            out = out || ls_firing_may_become(from, to);
        assert_int_equal(out, ls_firing_state_open(from));
    }
    assert_false(ls_firing_may_become(LS_FIRING_STATE_COUNT, LS_FIRING_RUNNING));
}

static void what_is_asked_for_waits_for_a_daemon_and_runs_once(void **state)
{
    struct fixture *f = *state;
    struct ls_state *other = another(f);
    struct ls_schedule s = made("a", 1000);
    struct ls_firing *open = NULL, firing;
    char id[37];
    size_t count = 0;
    bool done = false;

    s.paused = true;
    put(f, &s);
    assert_code(f, LS_NOT_FOUND, ls_state_firing_ask(f->state, "b", 7, id, &f->err));
    assert_ok(f, ls_state_firing_ask(f->state, "a", 7, id, &f->err));
    assert_ok(f, ls_state_firings_open(other, NULL, &f->mem, &count, &open, &f->err));
    assert_int_equal(count, 1);
    firing = open[0];
    assert_string_equal(firing.id, id);
    assert_int_equal(firing.kind, LS_FIRING_MANUAL);
    assert_int_equal(firing.state, LS_FIRING_WAITING);
    assert_ok(f, ls_state_firing_begin(other, "n2", 9, &firing, &done, &f->err));
    assert_true(done);
    assert_int_equal(firing.attempt, 1);
    assert_ok(f, ls_state_firing_begin(f->state, "n1", 9, &open[0], &done, &f->err));
    assert_false(done);
    assert_int_equal(open[0].state, LS_FIRING_WAITING);
    firing = firing_of(f, id);
    assert_string_equal(firing.node, "n2");
    assert_int_equal(firing.started_us, 9);
    ls_state_close(other);
}

static void two_that_ask_in_one_moment_are_two(void **state)
{
    struct fixture *f = *state;
    struct ls_schedule s = made("a", 1000);
    char a[37], b[37];

    put(f, &s);
    assert_ok(f, ls_state_firing_ask(f->state, "a", 7, a, &f->err));
    assert_ok(f, ls_state_firing_ask(f->state, "a", 7, b, &f->err));
    assert_int_equal(firing_of(f, a).nominal_us, 7);
    assert_int_equal(firing_of(f, b).nominal_us, 8);
}

static void an_end_is_taken_from_who_runs_it_only(void **state)
{
    struct fixture *f = *state;
    struct ls_schedule s = made("a", 1000);
    struct ls_firing firing, end;
    bool done = true;

    put(f, &s);
    s = found(f, "a");
    assert_true(fire(f, f->state, &s, &firing));
    end = firing;
    end.state = LS_FIRING_SUCCEEDED;
    end.node = "n2";
    assert_ok(f, ls_state_firing_end(f->state, &end, &done, &f->err));
    assert_false(done);
    end.node = "n1";
    end.attempt = 2;
    assert_ok(f, ls_state_firing_end(f->state, &end, &done, &f->err));
    assert_false(done);
    end.attempt = 1;
    end.state = LS_FIRING_MISSED;
    assert_code(f, LS_INTERNAL, ls_state_firing_end(f->state, &end, &done, &f->err));
    end.state = LS_FIRING_WAITING; /* to be tried again */
    end.again_us = 5000;
    end.reason = "no connection\xff";
    assert_ok(f, ls_state_firing_end(f->state, &end, &done, &f->err));
    assert_true(done);
    firing = firing_of(f, firing.id);
    assert_int_equal(firing.state, LS_FIRING_WAITING);
    assert_int_equal(firing.again_us, 5000);
    assert_string_equal(firing.reason, "no connection\\xff");
    assert_ok(f, ls_state_firing_begin(f->state, "n3", 6000, &firing, &done, &f->err));
    assert_true(done);
    assert_int_equal(firing.attempt, 2);
    end.state = LS_FIRING_FAILED; /* the first attempt, late */
    assert_ok(f, ls_state_firing_end(f->state, &end, &done, &f->err));
    assert_false(done);
    firing.state = LS_FIRING_SUCCEEDED;
    firing.run = 12;
    firing.ended_us = 7000;
    firing.reason = NULL;
    assert_ok(f, ls_state_firing_end(f->state, &firing, &done, &f->err));
    assert_true(done);
    assert_ok(f, ls_state_firing_end(f->state, &firing, &done, &f->err));
    assert_false(done);
    firing = firing_of(f, firing.id);
    assert_int_equal(firing.run, 12);
    assert_int_equal(firing.ended_us, 7000);
    assert_string_equal(firing.reason, "");
}

static void times_that_passed_are_one_row(void **state)
{
    struct fixture *f = *state;
    struct ls_schedule s = made("a", 100);
    struct ls_firing rows[] = {{.schedule = "a",
                                .kind = LS_FIRING_PASSED,
                                .state = LS_FIRING_MISSED,
                                .nominal_us = 100,
                                .until_us = 500,
                                .times = 5,
                                .reason = "no daemon ran"},
                               {.schedule = "a",
                                .kind = LS_FIRING_DUE,
                                .state = LS_FIRING_SKIPPED,
                                .nominal_us = 600,
                                .late = true,
                                .reason = "overlap"}};
    struct ls_schedule_step step = {.id = "a",
                                    .paused = true,
                                    .last_us = 600,
                                    .next_us = 700,
                                    .due_us = 710,
                                    .firing_count = 2,
                                    .firings = rows};
    struct ls_firing *list = NULL;
    size_t count = 0;
    bool done = false;

    put(f, &s);
    step.version = found(f, "a").version;
    assert_ok(f, ls_state_schedule_step(f->state, &step, &done, &f->err));
    assert_true(done);
    s = found(f, "a");
    assert_true(s.paused);
    assert_int_equal(s.last_us, 600);
    assert_int_equal(s.next_us, 700);
    assert_int_equal(s.due_us, 710);
    assert_ok(f, ls_state_firings(f->state, "a", 0, 10, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 2);
    assert_int_equal(list[0].nominal_us, 600);
    assert_true(list[0].late);
    assert_int_equal(list[0].times, 1);
    assert_int_equal(list[0].until_us, 600);
    assert_int_equal(list[1].state, LS_FIRING_MISSED);
    assert_int_equal(list[1].until_us, 500);
    assert_int_equal(list[1].times, 5);
    assert_string_equal(list[1].reason, "no daemon ran");
    assert_ok(f, ls_state_firings_open(f->state, NULL, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 0);
}

static void the_history_is_newest_first(void **state)
{
    struct fixture *f = *state;
    struct ls_schedule a = made("a", 100), b = made("b", 1000);
    struct ls_firing firing, *list = NULL;
    size_t count = 0;

    put(f, &a);
    put(f, &b);
    for (int i = 0; i < 3; i++) {
        a = found(f, "a");
        assert_true(fire(f, f->state, &a, &firing));
    }
    b = found(f, "b");
    assert_true(fire(f, f->state, &b, &firing));
    assert_ok(f, ls_state_firings(f->state, "a", 0, 2, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 2);
    assert_int_equal(list[0].nominal_us, 7300);
    assert_int_equal(list[1].nominal_us, 3700);
    assert_ok(f, ls_state_firings(f->state, NULL, 0, 9, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 4);
    assert_string_equal(list[2].schedule, "b");
    assert_ok(f, ls_state_firings_open(f->state, "a", &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 3);
    assert_int_equal(list[0].nominal_us, 100);
}

static void old_firings_go_and_the_schedule_knows_how_far(void **state)
{
    struct fixture *f = *state;
    const int64_t now = 1000 * DAY;
    struct ls_schedule s = made("a", now - 200 * DAY);
    struct ls_firing firing, *list = NULL;
    size_t count = 0;
    uint64_t gone = 9;
    bool done = false;

    put(f, &s);
    for (int i = 0; i < 20; i++) { /* every ten days */
        s = found(f, "a");
        assert_true(fire(f, f->state, &s, &firing));
        if (i != 2) { /* one stays open */
            firing.state = LS_FIRING_SUCCEEDED;
            assert_ok(f, ls_state_firing_end(f->state, &firing, &done, &f->err));
        }
        s = found(f, "a");
        {
            const struct ls_schedule_step step = {.id = "a",
                                                  .version = s.version,
                                                  .last_us = s.last_us,
                                                  .next_us = now - (200 - 10 * (i + 1)) * DAY,
                                                  .due_us = 1};

            assert_ok(f, ls_state_schedule_step(f->state, &step, &done, &f->err));
        }
    }
    assert_ok(f, ls_state_firings_prune(f->state, 0, 0, now, &gone, &f->err));
    assert_int_equal(gone, 10); /* 200 to 100 days old, without the open one */
    assert_int_equal(found(f, "a").pruned_us, now - 90 * DAY);
    assert_ok(f, ls_state_firings(f->state, "a", 0, 100, &f->mem, &count, &list, &f->err));
    assert_int_equal(count, 10);
    assert_ok(f, ls_state_firings_prune(f->state, 0, 5, now, &gone, &f->err));
    assert_int_equal(gone, 4);
    assert_int_equal(found(f, "a").pruned_us, now - 50 * DAY);
    assert_ok(f, ls_state_firings_prune(f->state, 0, 5, now, &gone, &f->err));
    assert_int_equal(gone, 0);
    assert_ok(f, ls_state_firings_prune(f->state, 100000, 0, now, &gone, &f->err));
    assert_int_equal(gone, 0);
    assert_int_equal(found(f, "a").pruned_us, now - 50 * DAY);
}

static void a_changed_row_is_damage(void **state)
{
    struct fixture *f = *state;
    struct ls_schedule s = made("a", 100), b = made("b", 100);
    struct ls_firing firing, *list = NULL;
    size_t count = 0;

    put(f, &s);
    put(f, &b);
    s = found(f, "a");
    assert_true(fire(f, f->state, &s, &firing));
    behind(f, "UPDATE {schema}schedule_firings SET nominal_us = nominal_us + 1");
    assert_code(f, LS_CORRUPT,
                ls_state_firings(f->state, "a", 0, 9, &f->mem, &count, &list, &f->err));
    assert_said(f, "a firing of schedule a");
    behind(f, "UPDATE {schema}schedules SET due_us = due_us + 1 WHERE id = 'a'");
    assert_code(f, LS_CORRUPT, ls_state_schedule_find(f->state, "a", &f->mem, &s, &f->err));
    assert_said(f, "schedule a is not what was written");
    behind(f, "UPDATE {schema}schedules SET action = 'none' WHERE id = 'b'");
    assert_code(f, LS_CORRUPT, ls_state_schedule_find(f->state, "b", &f->mem, &s, &f->err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(all_of_a_schedule_comes_back),
        ON_BOTH(a_schedule_that_is_there_is_replaced_on_demand_only),
        ON_BOTH(a_replaced_schedule_stays_paused),
        ON_BOTH(names_that_are_none_are_refused),
        ON_BOTH(an_unknown_name_is_told_its_nearest_neighbour),
        ON_BOTH(what_is_due_comes_in_its_order),
        ON_BOTH(a_schedule_goes_with_its_history),
        ON_BOTH(who_decided_on_older_ground_does_nothing),
        ON_BOTH(a_time_that_was_fired_is_not_fired_again),
        ON_BOTH(of_several_that_fire_at_once_one_does),
        cmocka_unit_test(every_open_state_has_a_way_out_and_no_other),
        ON_BOTH(what_is_asked_for_waits_for_a_daemon_and_runs_once),
        ON_BOTH(two_that_ask_in_one_moment_are_two),
        ON_BOTH(an_end_is_taken_from_who_runs_it_only),
        ON_BOTH(times_that_passed_are_one_row),
        ON_BOTH(the_history_is_newest_first),
        ON_BOTH(old_firings_go_and_the_schedule_knows_how_far),
        ON_BOTH(a_changed_row_is_damage),
    };
    return cmocka_run_group_tests_name("state/schedules", tests, NULL, NULL);
}
