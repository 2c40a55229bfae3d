/* SPDX-License-Identifier: Apache-2.0 */
/* test_callback.c - what an attempt's end leads to besides: callbacks that cannot be taken, ends that cannot be recorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "deliver_help.h"
#include "event/callback.h"
#include "event/publish.h"

#define LANES_MAX 4000
#define DAY_S 86400

static atomic_int ahead_s; /* by which the clock of the day was set forward */

/* In place of the C library's. */
int clock_gettime(clockid_t id, struct timespec *ret)
{
    const int rc = (int)syscall(SYS_clock_gettime, id, ret);

    if (rc == 0 && id == CLOCK_REALTIME)
        ret->tv_sec += ahead_s;
    return rc;
}

/* ---- callbacks ---- */

static void send_to(struct world *w, int64_t lane, const char *id, const char *path,
                    const char *members)
{
    world_accept(w, lane, id, "",
                 ls_arena_printf(&w->mem, "{\"url\":\"http://127.0.0.1:%u%s\",\"retries\":0%s}",
                                 receiver_port(w->r), path, members));
}

static int64_t lane_of(struct world *w)
{
    return world_endpoint(w, "m", "/unused", &(struct ls_endpoint){.origin = "message"});
}

static void a_callback_to_a_group_that_is_gone_costs_its_message_nothing(void **state)
{
    struct world *w = *state;
    const int64_t lane = lane_of(w);

    send_to(w, lane, "m1", "/status/200?one",
            ",\"callback\":{\"url\":\"gone\",\"headers\":[[\"retries\",\"1\"]]}");
    send_to(w, lane, "m2", "/status/201?two", "");
    world_deliver(w);
    world_wait(w, 2);
    world_idle(w);
    assert_int_equal(world_delivery(w, "m1").state, LS_DELIVERY_DELIVERED);
    assert_int_equal(world_delivery(w, "m2").state, LS_DELIVERY_DELIVERED);
    assert_int_equal(receiver_count(w->r, "/status/200?one"), 1);
    assert_int_equal(receiver_count(w->r, "/status/201?two"), 1);
}

static void a_callback_that_is_left_out_takes_no_other_with_it(void **state)
{
    struct world *w = *state;
    const char *told = ls_arena_printf(
        &w->mem,
        ",\"callback\":{\"url\":\"gone\",\"headers\":[]},"
        "\"failure_callback\":{\"url\":\"http://127.0.0.1:%u/status/202\",\"headers\":[]}",
        receiver_port(w->r));

    send_to(w, lane_of(w), "m1", "/status/500", told);
    world_deliver(w);
    receiver_wait(w->r, "/status/202", 1);
    world_idle(w);
    assert_int_equal(world_delivery(w, "m1").state, LS_DELIVERY_DEAD);
    assert_int_equal(receiver_count(w->r, "/status/500"), 1);
    assert_non_null(
        strstr(receiver_get(w->r, "/status/202", 0)->body, "\"sourceMessageId\":\"m1\""));
}

/* ---- as many lanes as there may be ---- */

struct fill {
    struct ls_queue_task task;
    struct ls_arena *mem;
    enum ls_code one_more;
};

static enum ls_code run_fill(struct ls_queue_task *task, struct ls_queue_tx *tx,
                             struct ls_error *err)
{
    struct fill *f = (struct fill *)(void *)task;
    enum ls_code rc = LS_OK;

    for (int i = 1; i < LANES_MAX && rc == LS_OK; i++) { /* one is there */
        struct ls_endpoint lane;

        rc = ls_lane_new(ls_arena_printf(f->mem, "flow:%d", i), f->mem, &lane);
        if (rc == LS_OK)
            rc = ls_lane_write(tx, &lane, f->mem, err);
    }
    if (rc == LS_OK) {
        struct ls_endpoint lane;

        rc = ls_lane_new("flow:more", f->mem, &lane);
        f->one_more = ls_lane_write(tx, &lane, f->mem, err);
    }
    return rc;
}

struct same {
    struct ls_queue_task task;
    struct ls_arena *mem;
    bool known;
};

/* A message with the callback's deduplication id, on a lane that is there. */
static enum ls_code run_same(struct ls_queue_task *task, struct ls_queue_tx *tx,
                             struct ls_error *err)
{
    static const struct ls_header headers[] = {{"upstash-deduplication-id", "once"},
                                               {"upstash-flow-control-key", "7"},
                                               {"upstash-flow-control-value", "rate=1"}};
    const struct ls_letter letter = {
        .destination = "http://127.0.0.1:1/", .header_count = 3, .headers = headers, .body = ""};
    struct same *s = (struct same *)(void *)task;
    struct ls_posting_result result = {0};
    struct ls_mail mail;
    enum ls_code rc = ls_letter_read(&letter, NULL, s->mem, &mail, err);

    if (rc == LS_OK)
        rc = ls_mail_accept(tx, &mail, s->mem, &result, err);
    s->known = rc == LS_OK && result.posted[0].known;
    return rc;
}

static void a_callback_without_a_lane_leaves_nothing_behind(void **state)
{
    struct world *w = *state;
    struct fill fill = {.task.run = run_fill, .mem = &w->mem};
    struct same same = {.task.run = run_same, .mem = &w->mem};
    struct ls_error err;
    const int64_t lane = lane_of(w);

    if (ls_queue_do(w->queue, &fill.task, &err) != LS_OK)
        fail_msg("%s", err.text);
    assert_int_equal(fill.one_more, LS_LIMIT); /* and not LS_FULL, which is a disk's */
    send_to(w, lane, "m1", "/status/200",
            ",\"callback\":{\"url\":\"http://127.0.0.1:1/\",\"headers\":[[\"deduplication-id\","
            "\"once\"],[\"flow-control-key\",\"new\"],[\"flow-control-value\",\"rate=1\"]]}");
    world_deliver(w);
    world_wait(w, 1);
    world_idle(w);
    assert_int_equal(world_delivery(w, "m1").state, LS_DELIVERY_DELIVERED);
    assert_int_equal(receiver_count(w->r, "/status/200"), 1);
    if (ls_queue_do(w->queue, &same.task, &err) != LS_OK)
        fail_msg("%s", err.text);
    assert_false(same.known);
}

/* ---- ends that cannot be recorded ---- */

static atomic_int refused;

/* The end of the first claim is never taken. */
static enum ls_code refuse_the_first(void *ctx, struct ls_queue_tx *tx, const struct ls_delivery *d,
                                     const struct ls_delivery_end *end, struct ls_error *err)
{
    (void)ctx, (void)tx, (void)end;
    if (d->token > 1)
        return LS_OK;
    refused++;
    return ls_error_set(err, LS_INTERNAL, "it cannot be recorded");
}

static enum ls_code be_busy_thrice(void *ctx, struct ls_queue_tx *tx, const struct ls_delivery *d,
                                   const struct ls_delivery_end *end, struct ls_error *err)
{
    (void)ctx, (void)tx, (void)d, (void)end;
    if (refused == 3)
        return LS_OK;
    refused++;
    return ls_error_set(err, LS_BUSY, "somebody else writes");
}

static void wait_until_refused(int times)
{
    const int64_t until_us = ls_clock_monotonic_us() + INT64_C(60000000);

    while (refused < times && ls_clock_monotonic_us() < until_us)
        usleep(1000);
    assert_true(refused >= times);
}

/* One place, which the delivery keeps for as long as its end is handed in again. */
static void send_one(struct world *w)
{
    const int64_t to = world_endpoint(w, "crm", "/status/200", NULL);

    w->options.max_in_flight = 1;
    world_accept(w, to, "e1", "", "");
    world_deliver(w);
    wait_until_refused(2);
    ahead_s = DAY_S;
    ls_deliver_wake(w->d, UINT64_MAX);
}

static void an_end_that_is_never_taken_keeps_its_place_for_its_lease_alone(void **state)
{
    struct world *w = *state;

    w->options.recorded = refuse_the_first;
    send_one(w);
    world_wait(w, 1);
    assert_int_equal(world_delivery(w, "e1").state, LS_DELIVERY_DELIVERED);
    assert_int_equal(world_delivery(w, "e1").attempts, 1);
    assert_int_equal(receiver_count(w->r, "/status/200"), 2);
}

static void an_end_outlasts_an_outage_of_the_state_beyond_its_lease(void **state)
{
    struct world *w = *state;

    w->options.recorded = be_busy_thrice;
    send_one(w);
    world_wait(w, 1);
    world_idle(w);
    assert_int_equal(world_delivery(w, "e1").state, LS_DELIVERY_DELIVERED);
    assert_int_equal(refused, 3);
    assert_int_equal(receiver_count(w->r, "/status/200"), 1);
}

static int open_world(void **state)
{
    struct world *w = malloc(sizeof(*w));

    ahead_s = refused = 0;
    world_open(w, NULL);
    w->options.recorded = ls_callback_recorded;
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    world_close(*state);
    free(*state);
    return 0;
}

int main(void)
{
#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(a_callback_to_a_group_that_is_gone_costs_its_message_nothing),
        IN_A_WORLD(a_callback_that_is_left_out_takes_no_other_with_it),
        IN_A_WORLD(a_callback_without_a_lane_leaves_nothing_behind),
        IN_A_WORLD(an_end_that_is_never_taken_keeps_its_place_for_its_lease_alone),
        IN_A_WORLD(an_end_outlasts_an_outage_of_the_state_beyond_its_lease),
    };

    return cmocka_run_group_tests_name("event/callback", tests, NULL, NULL);
}
