/* SPDX-License-Identifier: Apache-2.0 */
/* test_scheduler_faults.c - schedulers when something goes wrong: a process that dies, several nodes, a state that goes away, many that fail; the thread. */
#include "scheduler_help.h"

#include "base/thread.h"

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
        ON_BOTH(a_process_that_dies_is_a_failed_attempt),
        ON_BOTH(another_node_that_lives_is_left_alone),
        ON_BOTH(of_several_nodes_one_fires),
        ON_BOTH(a_state_that_goes_away_and_comes_back_loses_nothing),
        ON_SQLITE(one_that_cannot_be_read_holds_up_no_other),
        ON_SQLITE(many_that_fail_at_once_do_not_pile_up),
        ON_BOTH(its_thread_sleeps_until_it_is_woken_or_stopped),
        ON_BOTH(ends_that_are_told_at_the_last_moment_are_written),
    };
    return cmocka_run_group_tests_name("schedule/scheduler_faults", tests, NULL, NULL);
}
