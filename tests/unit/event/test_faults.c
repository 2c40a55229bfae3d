/* SPDX-License-Identifier: Apache-2.0 */
/* test_faults.c - deliveries while one allocation or one socket fails, each in turn.
 *
 * Whatever fails: the thread goes on or says that it cannot begin; the event is neither lost nor called delivered before it is; a fault of ours
 * uses up no attempt. Sanitizers see that nothing leaks. LOCKSTEP_TEST_FAULT_AT=N tries that call alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deliver_help.h"
#include "lib/fault.h"

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static enum ls_code run_take_back(struct ls_queue_task *task, struct ls_queue_tx *tx,
                                  struct ls_error *err)
{
    int64_t count;

    (void)task;
    return ls_queue_take_back(tx, &count, err);
}

/* What a start after a crash does, without any fault: the event gets there. */
static void make_good(struct world *w, const char *id)
{
    struct ls_queue_task task = {.run = run_take_back};
    struct ls_error err;

    assert_int_equal(ls_queue_do(w->queue, &task, &err), LS_OK);
    world_deliver(w);
    world_idle(w);
    world_rest(w, 10000);
    assert_int_equal(world_delivery(w, id).state, LS_DELIVERY_DELIVERED);
    assert_true(world_delivery(w, id).attempts >= 1);
}

/* One delivery while the n-th call fails; false: there were fewer calls. */
static bool try_once(struct world *w, int64_t to, enum fault_kind kind, unsigned n)
{
    struct ls_error err;
    static unsigned tries;
    char id[32];
    bool hit, opened;

    snprintf(id, sizeof(id), "e%u", tries++);
    world_accept(w, to, id, "r", "");
    fault_at(kind, n);
    opened = ls_deliver_open(&w->options, &w->d, &err) == LS_OK;
    if (opened) {
        (void)ls_deliver_wait_idle(w->d, 60000);
        world_rest(w, 10000);
    } else {
        assert_int_equal(err.code, LS_NOMEM);
    }
    fault_off();
    hit = fault_hit() != NULL;
    if (!hit)
        assert_int_equal(world_delivery(w, id).state, LS_DELIVERY_DELIVERED);
    make_good(w, id);
    return hit;
}

static void no_allocation_that_fails_loses_an_event(void **state)
{
    const char *at = getenv("LOCKSTEP_TEST_FAULT_AT");
    struct odd_server *s = odd_start(ANSWER, strlen(ANSWER), 1000, false);
    static const char *const secrets[] = {"whsec_c2VjcmV0"};
    const struct ls_endpoint e = {.secret_count = 1, .secrets = secrets};
    struct world *w = *state;
    unsigned n = 1;
    char url[64];
    int64_t to;

    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", odd_port(s));
    to = world_endpoint(w, "crm", url, &e);
    if (at) {
        (void)try_once(w, to, FAULT_MEMORY, (unsigned)strtoul(at, NULL, 10));
    } else {
        while (try_once(w, to, FAULT_MEMORY, n))
            n++;
        assert_true(n > 20);
    }
    odd_stop(s);
}

static void a_socket_that_cannot_be_made_uses_up_no_attempt(void **state)
{
    struct world *w = *state;
    int64_t to = world_endpoint(w, "crm", "/status/200", NULL);

    world_accept(w, to, "e1", "", "");
    fault_at(FAULT_SOCKET, 1);
    world_deliver(w);
    world_wait(w, 2); /* the fault, and after a pause the delivery */
    fault_off();
    assert_non_null(fault_hit());
    assert_int_equal(ls_deliver_counts(w->d).faults, 1);
    assert_non_null(strstr(world_seen(w, "e1", 0)->error, "no socket"));
    assert_int_equal(world_delivery(w, "e1").attempts, 1);
    assert_int_equal(world_delivery(w, "e1").state, LS_DELIVERY_DELIVERED);
    world_rest(w, 1000);
}

static int open_world(void **state)
{
    struct world *w = malloc(sizeof(*w));

    world_open(w, NULL);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_allocation_that_fails_loses_an_event, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(a_socket_that_cannot_be_made_uses_up_no_attempt, open_world,
                                        close_world),
    };

    fault_begin();
    return cmocka_run_group_tests_name("event/faults", tests, NULL, NULL);
}
