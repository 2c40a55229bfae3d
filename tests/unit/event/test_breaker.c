/* SPDX-License-Identifier: Apache-2.0 */
/* test_breaker.c - endpoints that fail, recover and vanish, told step by step and by simulation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/breaker.h"

#define S INT64_C(1000000)
#define HOUR (3600 * S)
#define T0 (INT64_C(1700000000) * S)
#define NEVER INT64_MAX

static const struct ls_breaker_rule rule = {
    .window_us = 60 * S,
    .share_percent = 50,
    .least = 10,
    .open_us = 15 * S,
    .open_max_us = 120 * S,
    .disable_us = 120 * HOUR,
};

static unsigned room(struct ls_breaker *b, int64_t now_us)
{
    int64_t until_us;

    return ls_breaker_room(b, &rule, 0, 1000, now_us, &until_us);
}

static void outcomes(struct ls_breaker *b, unsigned n, bool good, int64_t now_us)
{
    for (unsigned i = 0; i < n; i++)
        ls_breaker_outcome(b, &rule, good, now_us);
}

static struct ls_breaker opened(int64_t now_us)
{
    struct ls_breaker b = {0};

    outcomes(&b, 10, false, now_us);
    assert_int_equal(b.state, LS_BREAKER_OPEN);
    return b;
}

static void it_opens_at_the_share_of_enough_attempts(void **state)
{
    struct ls_breaker b = {0};
    (void)state;

    outcomes(&b, 9, false, T0);
    assert_int_equal(b.state, LS_BREAKER_CLOSED); /* nine are not enough to tell */
    assert_int_equal(room(&b, T0), 1000);
    assert_int_equal(ls_breaker_outcome(&b, &rule, false, T0), LS_BREAKER_OPENS);
    assert_int_equal(room(&b, T0), 0);

    b = (struct ls_breaker){0};
    outcomes(&b, 10, true, T0);
    outcomes(&b, 9, false, T0);
    assert_int_equal(b.state, LS_BREAKER_CLOSED);
    assert_int_equal(ls_breaker_outcome(&b, &rule, false, T0), LS_BREAKER_OPENS);
}

/* A busy one that breaks down has a window full of successes. */
static void it_opens_at_a_row_of_failures_whatever_came_before(void **state)
{
    struct ls_breaker b = {0};
    (void)state;

    outcomes(&b, 1000, true, T0);
    outcomes(&b, 19, false, T0);
    outcomes(&b, 1, true, T0);
    outcomes(&b, 19, false, T0);
    assert_int_equal(b.state, LS_BREAKER_CLOSED);
    assert_int_equal(ls_breaker_outcome(&b, &rule, false, T0), LS_BREAKER_OPENS);
}

static void what_is_older_than_the_window_does_not_count(void **state)
{
    struct ls_breaker b = {0};
    (void)state;

    outcomes(&b, 9, false, T0);
    outcomes(&b, 1, false, T0 + 61 * S);
    assert_int_equal(b.state, LS_BREAKER_CLOSED);
    outcomes(&b, 8, false, T0 + 100 * S);
    assert_int_equal(b.state, LS_BREAKER_CLOSED); /* 9 in the last 60 s */
    outcomes(&b, 1, false, T0 + 101 * S);
    assert_int_equal(b.state, LS_BREAKER_OPEN);
}

static void an_open_one_lets_nothing_go_and_then_one(void **state)
{
    struct ls_breaker b = opened(T0);
    int64_t until_us;
    (void)state;

    assert_int_equal(ls_breaker_room(&b, &rule, 0, 100, T0 + 14 * S, &until_us), 0);
    assert_int_equal(until_us, T0 + 15 * S);
    assert_int_equal(ls_breaker_room(&b, &rule, 0, 100, T0 + 15 * S, &until_us), 1);
    assert_int_equal(b.state, LS_BREAKER_HALF_OPEN);
    ls_breaker_begin(&b, 10 * S, T0 + 15 * S);
    assert_int_equal(ls_breaker_room(&b, &rule, 1, 100, T0 + 16 * S, &until_us), 0);
    assert_int_equal(until_us, T0 + 25 * S);
    /* what began before it opened does not take the probe's place */
    ls_breaker_forget(&b);
    assert_int_equal(ls_breaker_room(&b, &rule, 40, 100, T0 + 16 * S, &until_us), 1);
}

static void a_failed_probe_doubles_the_pause_up_to_a_limit(void **state)
{
    static const int64_t pauses[] = {15 * S, 30 * S, 60 * S, 120 * S, 120 * S, 120 * S};
    struct ls_breaker b = opened(T0);
    int64_t now_us = T0;
    (void)state;

    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        assert_int_equal(b.until_us - now_us, pauses[i]);
        now_us = b.until_us;
        assert_int_equal(room(&b, now_us), 1);
        ls_breaker_begin(&b, 10 * S, now_us);
        assert_int_equal(ls_breaker_outcome(&b, &rule, false, now_us), LS_BREAKER_OPENS);
    }
}

static void a_probe_that_gets_through_closes_and_the_rest_follows_slowly(void **state)
{
    struct ls_breaker b = opened(T0);
    int64_t until_us;
    (void)state;

    assert_int_equal(room(&b, T0 + 15 * S), 1);
    ls_breaker_begin(&b, 10 * S, T0 + 15 * S);
    assert_int_equal(ls_breaker_outcome(&b, &rule, true, T0 + 16 * S), LS_BREAKER_CLOSES);
    assert_int_equal(b.opened, 0);
    for (unsigned n = 1; n < 64; n++) {
        assert_int_equal(ls_breaker_room(&b, &rule, 0, 1000, T0 + 16 * S, &until_us), n);
        assert_int_equal(ls_breaker_room(&b, &rule, n, 1000, T0 + 16 * S, &until_us), 0);
        assert_int_equal(until_us, NEVER);
        assert_int_equal(ls_breaker_outcome(&b, &rule, true, T0 + 16 * S), LS_BREAKER_SAME);
    }
    assert_int_equal(ls_breaker_room(&b, &rule, 500, 1000, T0 + 16 * S, &until_us), 500);
}

static void a_probe_without_an_outcome_is_given_up(void **state)
{
    struct ls_breaker b = opened(T0);
    (void)state;

    assert_int_equal(room(&b, T0 + 15 * S), 1);
    ls_breaker_begin(&b, 10 * S, T0 + 15 * S);
    assert_int_equal(room(&b, T0 + 25 * S - 1), 0);
    assert_int_equal(room(&b, T0 + 25 * S), 1);
}

static void a_late_success_closes_and_a_late_failure_changes_nothing(void **state)
{
    struct ls_breaker b = opened(T0);
    int64_t until_us = b.until_us;
    (void)state;

    assert_int_equal(ls_breaker_outcome(&b, &rule, false, T0 + S), LS_BREAKER_SAME);
    assert_int_equal(b.until_us, until_us);
    assert_int_equal(ls_breaker_outcome(&b, &rule, true, T0 + 2 * S), LS_BREAKER_CLOSES);
}

static void days_of_nothing_but_failures_give_up(void **state)
{
    struct ls_breaker b = {0};
    enum ls_breaker_change change = LS_BREAKER_SAME;
    (void)state;

    for (int h = 0; h < 120; h++) {
        change = ls_breaker_outcome(&b, &rule, false, T0 + h * HOUR);
        assert_int_not_equal(change, LS_BREAKER_GIVES_UP);
    }
    assert_int_equal(ls_breaker_percent(&b, &rule, T0 + 60 * HOUR), 49);
    assert_int_equal(ls_breaker_percent(&b, &rule, T0 + 119 * HOUR), 99);
    assert_int_equal(ls_breaker_outcome(&b, &rule, false, T0 + 120 * HOUR), LS_BREAKER_GIVES_UP);
    assert_int_equal(ls_breaker_percent(&b, &rule, T0 + 120 * HOUR), 100);
    /* one success, and all is forgotten */
    ls_breaker_outcome(&b, &rule, true, T0 + 121 * HOUR);
    assert_int_equal(ls_breaker_percent(&b, &rule, T0 + 999 * HOUR), 0);
    assert_int_not_equal(ls_breaker_outcome(&b, &rule, false, T0 + 122 * HOUR),
                         LS_BREAKER_GIVES_UP);
}

static void a_rare_event_that_fails_each_time_is_no_row_of_failures(void **state)
{
    struct ls_breaker weekly = {0}, few = {0};
    (void)state;

    for (int week = 0; week < 50; week++)
        assert_int_not_equal(ls_breaker_outcome(&weekly, &rule, false, T0 + week * 168 * HOUR),
                             LS_BREAKER_GIVES_UP);
    for (int n = 0; n < 9; n++) /* days apart: over the time, but few */
        assert_int_not_equal(ls_breaker_outcome(&few, &rule, false, T0 + n * 100 * HOUR),
                             LS_BREAKER_GIVES_UP);
    assert_int_equal(ls_breaker_percent(&few, &rule, T0 + 800 * HOUR), 99);
    assert_int_equal(ls_breaker_outcome(&few, &rule, false, T0 + 900 * HOUR), LS_BREAKER_GIVES_UP);
}

static void rules_can_be_switched_off(void **state)
{
    const struct ls_breaker_rule off = {.window_us = 60 * S, .share_percent = 50};
    struct ls_breaker b = {0};
    (void)state;

    for (int h = 0; h < 500; h++)
        assert_int_equal(ls_breaker_outcome(&b, &off, false, T0 + h * HOUR), LS_BREAKER_SAME);
    assert_int_equal(ls_breaker_percent(&b, &off, T0 + 500 * HOUR), 0);
}

static void it_goes_on_after_a_restart(void **state)
{
    struct ls_breaker b = opened(T0), back;
    struct ls_buf text;
    (void)state;

    ls_buf_init(&text, 0);
    ls_breaker_write(&text, &b);
    assert_true(ls_breaker_read(ls_buf_str(&text), &rule, T0 + S, &back));
    assert_memory_equal(&b, &back, sizeof(b));
    assert_int_equal(room(&back, T0 + 14 * S), 0);
    /* a probe that was on its way died with the process */
    assert_int_equal(room(&back, T0 + 15 * S), 1);
    ls_breaker_begin(&back, 1000 * S, T0 + 15 * S);
    ls_buf_reset(&text);
    ls_breaker_write(&text, &back);
    assert_true(ls_breaker_read(ls_buf_str(&text), &rule, T0 + 1000 * S, &back));
    assert_int_equal(room(&back, T0 + 1000 * S), 1);
    ls_buf_done(&text);
}

static void what_cannot_be_read_begins_anew(void **state)
{
    static const char *const texts[] = {
        "",
        "{}",
        "null",
        "[1]",
        "{\"state\":\"ajar\"}",
        "{\"state\":\"closed\",\"until_us\":0,\"opened\":0,\"ramp\":0,\"first_us\":0,\"last_us\":0,"
        "\"in_a_row\":0,\"part\":0,\"parts\":[[0,0]]}",
        "{\"state\":\"closed\",\"until_us\":0,\"opened\":-1,\"ramp\":0,\"first_us\":0,\"last_us\":"
        "0,"
        "\"in_a_row\":0,\"part\":0,\"parts\":[[0,0],[0,0],[0,0],[0,0],[0,0],[0,0]]}",
        "{\"state\":\"open\",\"until_us\":9000000000000000000,\"opened\":1,\"ramp\":0,\"first_us\":"
        "0,"
        "\"last_us\":0,\"in_a_row\":0,\"part\":0,\"parts\":[[0,0],[0,0],[0,0],[0,0],[0,0],[0,0]]}",
    };
    const struct ls_breaker zero = {0};
    struct ls_breaker b;
    (void)state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        memset(&b, 0xff, sizeof(b));
        assert_false(ls_breaker_read(texts[i], &rule, T0, &b));
        assert_memory_equal(&b, &zero, sizeof(b));
    }
}

static void a_clock_that_steps_neither_jams_nor_floods(void **state)
{
    struct ls_breaker b = opened(T0);
    int64_t until_us;
    (void)state;

    assert_int_equal(ls_breaker_room(&b, &rule, 0, 1, T0 - 24 * HOUR, &until_us), 0);
    assert_true(until_us <= T0 - 24 * HOUR + rule.open_max_us); /* a day back, and no day to wait */
    assert_int_equal(room(&b, until_us), 1);
    outcomes(&b, 1, true, until_us);
    outcomes(&b, 1, false, T0 + 24000 * HOUR); /* far ahead */
    assert_int_equal(b.state, LS_BREAKER_CLOSED);
    assert_int_equal(ls_breaker_percent(&b, &rule, T0), 0);
}

/* Simulation: a receiver that is up and down by chance, deliveries that come at a rate, each taking its time. Held against what
 * would have gone without a breaker. */
struct world {
    uint64_t x;
    struct ls_breaker b;
    int64_t now_us, up_until_us;
    bool up;
    uint64_t good, bad, bad_without, jammed;
};

static uint64_t chance(struct world *w)
{
    w->x = w->x * 6364136223846793005u + 1442695040888963407u;
    return w->x >> 33;
}

static void step(struct world *w)
{
    int64_t until_us;

    w->now_us += 50000 + (int64_t)(chance(w) % 100000);
    if (w->now_us >= w->up_until_us) {
        w->up = !w->up;
        w->up_until_us = w->now_us + (int64_t)(chance(w) % 600) * S;
    }
    w->bad_without += !w->up;
    if (ls_breaker_room(&w->b, &rule, 0, 1, w->now_us, &until_us) == 0) {
        assert_true(until_us > w->now_us && until_us <= w->now_us + rule.open_max_us);
        w->jammed += w->up;
        return;
    }
    ls_breaker_begin(&w->b, 10 * S, w->now_us);
    if (chance(w) % 50 == 0) { /* a fault of ours */
        ls_breaker_forget(&w->b);
        return;
    }
    ls_breaker_outcome(&w->b, &rule, w->up, w->now_us);
    w->good += w->up;
    w->bad += !w->up;
}

static void in_a_simulation_few_attempts_are_wasted_and_a_receiver_is_found_again(void **state)
{
    const char *given = getenv("LOCKSTEP_TEST_SEED");
    uint64_t first = given ? strtoull(given, NULL, 10) : 1;
    (void)state;

    for (uint64_t seed = first; seed < first + 200; seed++) {
        struct world w = {.x = seed * UINT64_C(0x9e3779b97f4a7c15), .now_us = T0};

        for (int i = 0; i < 20000; i++)
            step(&w);
        if (w.bad_without > 2000 && w.bad * 5 > w.bad_without)
            fail_msg("seed %llu: %llu of %llu attempts wasted", (unsigned long long)seed,
                     (unsigned long long)w.bad, (unsigned long long)w.bad_without);
        if (w.jammed > w.good)
            fail_msg("seed %llu: closed to a receiver that was up", (unsigned long long)seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_at_the_share_of_enough_attempts),
        cmocka_unit_test(it_opens_at_a_row_of_failures_whatever_came_before),
        cmocka_unit_test(what_is_older_than_the_window_does_not_count),
        cmocka_unit_test(an_open_one_lets_nothing_go_and_then_one),
        cmocka_unit_test(a_failed_probe_doubles_the_pause_up_to_a_limit),
        cmocka_unit_test(a_probe_that_gets_through_closes_and_the_rest_follows_slowly),
        cmocka_unit_test(a_probe_without_an_outcome_is_given_up),
        cmocka_unit_test(a_late_success_closes_and_a_late_failure_changes_nothing),
        cmocka_unit_test(days_of_nothing_but_failures_give_up),
        cmocka_unit_test(a_rare_event_that_fails_each_time_is_no_row_of_failures),
        cmocka_unit_test(rules_can_be_switched_off),
        cmocka_unit_test(it_goes_on_after_a_restart),
        cmocka_unit_test(what_cannot_be_read_begins_anew),
        cmocka_unit_test(a_clock_that_steps_neither_jams_nor_floods),
        cmocka_unit_test(in_a_simulation_few_attempts_are_wasted_and_a_receiver_is_found_again),
    };
    return cmocka_run_group_tests_name("event/breaker", tests, NULL, NULL);
}
