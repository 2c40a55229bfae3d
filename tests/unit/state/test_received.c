/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that came to receivers: taken up once, ended once, told from their repetitions, counted, removed. */
#include <string.h>

#include "state/received.h"
#include "state_fixture.h"

#define S ((int64_t)1000000)
#define BUSY (60 * S)

static struct ls_received message(const char *id)
{
    return (struct ls_received){.receiver = "hook",
                                .id = id,
                                .type = "a.created",
                                .resource = "r",
                                .at_us = 5 * S,
                                .headers = "{}",
                                .body = "{\"n\":1}",
                                .body_size = 7};
}

static enum ls_taken take(struct fixture *f, struct ls_received *m, int64_t now_us)
{
    enum ls_taken taken = LS_TAKEN_BUSY;

    assert_ok(f, ls_received_take(f->state, m, now_us, BUSY, &f->mem, &taken, &f->err));
    return taken;
}

static bool end(struct fixture *f, struct ls_received *m, enum ls_received_state state,
                int64_t now_us)
{
    bool late = true;

    m->state = state;
    m->outcome = "{\"created\":1}";
    assert_ok(f, ls_received_end(f->state, m, now_us, &late, &f->err));
    return !late;
}

static size_t waiting(struct fixture *f, int64_t now_us)
{
    struct ls_received *rows = NULL;
    size_t count = 0;

    assert_ok(f, ls_received_waiting(f->state, now_us, 10, &f->mem, &count, &rows, &f->err));
    for (size_t i = 0; i < count; i++)
        assert_memory_equal(rows[i].body, "{\"n\":1}", rows[i].body_size);
    return count;
}

static void a_message_is_taken_up_once_and_its_repetition_is_told_how_it_ended(void **state)
{
    struct fixture *f = *state;
    struct ls_received m = message("m1"), again = message("m1"), other = message("m1");

    assert_int_equal(take(f, &m, 100 * S), LS_TAKEN);
    assert_int_equal(take(f, &again, 101 * S), LS_TAKEN_BUSY);
    other.receiver = "another";
    assert_int_equal(take(f, &other, 101 * S), LS_TAKEN);
    assert_true(end(f, &m, LS_RECEIVED_APPLIED, 102 * S));
    assert_int_equal(take(f, &again, 103 * S), LS_TAKEN_KNOWN);
    assert_int_equal(again.state, LS_RECEIVED_APPLIED);
    assert_string_equal(again.outcome, "{\"created\":1}");
    assert_int_equal(again.received_us, 100 * S);
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}audit"), 1);
    assert_int_equal(number_behind(f, "SELECT sum(length(body)) FROM {schema}received WHERE "
                                      "receiver = 'hook'"),
                     0); /* it is done: nobody needs it any more */
}

static void what_a_dead_process_left_is_taken_up_and_its_own_end_comes_too_late(void **state)
{
    struct fixture *f = *state;
    struct ls_received m = message("m1"), again = message("m1");

    assert_int_equal(take(f, &m, 100 * S), LS_TAKEN);
    assert_int_equal(waiting(f, 100 * S), 0);
    assert_int_equal(waiting(f, 100 * S + BUSY), 1);
    assert_int_equal(take(f, &again, 100 * S + BUSY), LS_TAKEN);
    assert_false(end(f, &m, LS_RECEIVED_REFUSED, 170 * S));
    assert_true(end(f, &again, LS_RECEIVED_APPLIED, 171 * S));
    assert_false(end(f, &again, LS_RECEIVED_APPLIED, 172 * S));
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}audit"), 1);
    assert_int_equal(waiting(f, 1000 * S), 0);
}

static void what_could_not_be_done_waits_until_its_time(void **state)
{
    struct fixture *f = *state;
    struct ls_received m = message("m1");

    assert_int_equal(take(f, &m, 100 * S), LS_TAKEN);
    assert_true(end(f, &m, LS_RECEIVED_WAITING, 105 * S));
    assert_int_equal(waiting(f, 104 * S), 0);
    assert_int_equal(waiting(f, 105 * S), 1);
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}audit"), 0);
    assert_int_equal(take(f, &m, 105 * S), LS_TAKEN);
    assert_ok(f, ls_received_free(f->state, &f->err));
    assert_int_equal(waiting(f, 105 * S), 1);
}

static void what_was_refused_may_come_again(void **state)
{
    struct fixture *f = *state;
    struct ls_received m = message("m1");

    assert_int_equal(take(f, &m, 100 * S), LS_TAKEN);
    assert_true(end(f, &m, LS_RECEIVED_REFUSED, 101 * S));
    assert_int_equal(waiting(f, 1000 * S), 0);
    assert_int_equal(take(f, &m, 102 * S), LS_TAKEN);
    assert_true(end(f, &m, LS_RECEIVED_APPLIED, 103 * S));
    assert_int_equal(take(f, &m, 104 * S), LS_TAKEN_KNOWN);
}

static void they_are_counted_and_removed_when_they_are_old(void **state)
{
    struct fixture *f = *state;
    struct ls_received a = message("a"), b = message("b"), c = message("c");
    struct ls_received_counts counts;
    int64_t removed = 0;

    assert_int_equal(take(f, &a, 100 * S), LS_TAKEN);
    assert_true(end(f, &a, LS_RECEIVED_APPLIED, 100 * S));
    assert_int_equal(take(f, &b, 101 * S), LS_TAKEN);
    assert_int_equal(take(f, &c, 102 * S), LS_TAKEN);
    assert_true(end(f, &c, LS_RECEIVED_STALE, 102 * S));
    assert_ok(f, ls_received_count(f->state, "hook", &counts, &f->err));
    assert_int_equal(counts.count[LS_RECEIVED_APPLIED], 1);
    assert_int_equal(counts.count[LS_RECEIVED_WAITING], 1);
    assert_int_equal(counts.count[LS_RECEIVED_STALE], 1);
    assert_int_equal(counts.last_us, 102 * S);
    assert_ok(f, ls_received_prune(f->state, 102 * S, &removed, &f->err));
    assert_int_equal(removed, 1); /* what waits stays */
    assert_ok(f, ls_received_count(f->state, "nobody", &counts, &f->err));
    assert_int_equal(counts.last_us, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_message_is_taken_up_once_and_its_repetition_is_told_how_it_ended),
        ON_BOTH(what_a_dead_process_left_is_taken_up_and_its_own_end_comes_too_late),
        ON_BOTH(what_could_not_be_done_waits_until_its_time),
        ON_BOTH(what_was_refused_may_come_again),
        ON_BOTH(they_are_counted_and_removed_when_they_are_old),
    };

    return cmocka_run_group_tests_name("state/received", tests, NULL, NULL);
}
