/* SPDX-License-Identifier: Apache-2.0 */
/* test_rate.c - token buckets: bursts, waiting, and what never happens in any period. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "event/rate.h"

#define S INT64_C(1000000)
#define T0 (INT64_C(1700000000) * S)

static void a_burst_goes_at_once_and_then_one_by_one(void **state)
{
    const struct ls_rate_rule rule = {.count = 10, .period_us = 1 * S};
    struct ls_rate rate = {0};
    int64_t wait_us;
    (void)state;

    assert_int_equal(ls_rate_room(&rate, &rule, 100, T0, &wait_us), 10);
    ls_rate_use(&rate, &rule, 10, T0);
    assert_int_equal(ls_rate_room(&rate, &rule, 100, T0, &wait_us), 0);
    assert_int_equal(wait_us, 100000);
    assert_int_equal(ls_rate_room(&rate, &rule, 100, T0 + 99999, &wait_us), 0);
    assert_int_equal(wait_us, 1);
    assert_int_equal(ls_rate_room(&rate, &rule, 100, T0 + 100000, &wait_us), 1);
    assert_int_equal(ls_rate_room(&rate, &rule, 100, T0 + 550000, &wait_us), 5);
    assert_int_equal(wait_us, 50000);
    assert_int_equal(ls_rate_room(&rate, &rule, 3, T0 + 550000, &wait_us), 3);
    assert_int_equal(wait_us, 0);
    assert_int_equal(ls_rate_room(&rate, &rule, 100, T0 + 3600 * S, &wait_us), 10);
}

static void a_smaller_burst_spreads_them(void **state)
{
    const struct ls_rate_rule rule = {.count = 10, .period_us = 1 * S, .burst = 2};
    struct ls_rate rate = {0};
    int64_t wait_us;
    (void)state;

    assert_int_equal(ls_rate_room(&rate, &rule, 100, T0, &wait_us), 2);
    ls_rate_use(&rate, &rule, 2, T0);
    assert_int_equal(ls_rate_room(&rate, &rule, 100, T0 + 100000, &wait_us), 1);
}

static void without_a_count_there_is_no_limit(void **state)
{
    const struct ls_rate_rule rule = {0};
    struct ls_rate rate = {0};
    int64_t wait_us;
    (void)state;

    ls_rate_use(&rate, &rule, 1000, T0);
    assert_int_equal(ls_rate_room(&rate, &rule, 7, T0, &wait_us), 7);
    assert_int_equal(wait_us, 0);
}

static void a_clock_that_goes_back_costs_two_bursts_at_most(void **state)
{
    const struct ls_rate_rule rule = {.count = 10, .period_us = 1 * S};
    struct ls_rate rate = {0};
    int64_t wait_us;
    (void)state;

    ls_rate_use(&rate, &rule, 10, T0);
    assert_int_equal(ls_rate_room(&rate, &rule, 1, T0 - 86400 * S, &wait_us), 0);
    assert_true(wait_us <= 2 * S);
    ls_rate_use(&rate, &rule, 1, T0 - 86400 * S);
    assert_int_equal(ls_rate_room(&rate, &rule, 1, T0 - 86400 * S + 2 * S, &wait_us), 1);
}

/* A seeded walk: whoever asks before each use, and waits as long as told, never has more than a burst and what a period gives. */
static void no_period_sees_more_than_the_burst_and_the_rate(void **state)
{
    enum { EVENTS = 3000 };
    static int64_t at_us[EVENTS];
    uint64_t x = 20260101; /* the seed */
    (void)state;

    for (int round = 0; round < 40; round++) {
        struct ls_rate_rule rule;
        struct ls_rate rate = {0};
        int64_t now_us = T0, wait_us;
        size_t n = 0;

        x = x * 6364136223846793005u + 1442695040888963407u;
        rule.count = 1 + (unsigned)(x >> 55);
        rule.period_us = S + (int64_t)(x >> 40 & 0xffffff);
        rule.burst = (unsigned)(x >> 30 & 15);
        while (n < EVENTS) {
            unsigned room = ls_rate_room(&rate, &rule, EVENTS - (unsigned)n, now_us, &wait_us);

            ls_rate_use(&rate, &rule, room, now_us);
            for (unsigned i = 0; i < room; i++)
                at_us[n++] = now_us;
            if (room < EVENTS - n + room) {
                assert_true(wait_us > 0);
                assert_int_equal(ls_rate_room(&rate, &rule, 1,
                                              now_us + wait_us - 1 - (room > 0) * wait_us,
                                              &(int64_t){0}),
                                 0);
            }
            x = x * 6364136223846793005u + 1442695040888963407u;
            now_us += room ? (int64_t)(x >> 45) : wait_us;
        }
        for (size_t i = 0, j = 0; i < EVENTS; i++) {
            while (at_us[i] - at_us[j] >= rule.period_us)
                j++;
            assert_true(i - j + 1 <=
                        rule.count +
                            (rule.burst && rule.burst < rule.count ? rule.burst : rule.count));
        }
        /* and it is not slower than told: the whole took about EVENTS / count periods, unless we were away */
        assert_true(at_us[EVENTS - 1] - at_us[0] >=
                    (int64_t)((EVENTS - 2.0 * rule.count) / rule.count * (double)rule.period_us));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_goes_at_once_and_then_one_by_one),
        cmocka_unit_test(a_smaller_burst_spreads_them),
        cmocka_unit_test(without_a_count_there_is_no_limit),
        cmocka_unit_test(a_clock_that_goes_back_costs_two_bursts_at_most),
        cmocka_unit_test(no_period_sees_more_than_the_burst_and_the_rate),
    };
    return cmocka_run_group_tests_name("event/rate", tests, NULL, NULL);
}
