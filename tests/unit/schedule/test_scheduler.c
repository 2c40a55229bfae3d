/* SPDX-License-Identifier: Apache-2.0 */
/* test_scheduler.c - what a scheduler starts, over SQLite and PostgreSQL: due times, attempts, overlaps, pauses, what is asked for, configurations. */
#include "scheduler_help.h"

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
        ON_BOTH(a_configuration_is_settled_into_the_state),
    };
    return cmocka_run_group_tests_name("schedule/scheduler", tests, NULL, NULL);
}
