/* SPDX-License-Identifier: Apache-2.0 */
/* test_sealed.c - headers of schedules in the state: sealed for their schedule and place, read where an older program left them open. */
#include <stdlib.h>

#include "schedule/sealed.h"
#include "scheduler_help.h"

#define HEADERS "{\"X-Key\":\"canary one\",\"Accept\":\"text/plain\"}"
#define EXTRA "[[\"upstash-forward-x-key\",\"canary two\"]]"
#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define OTHER "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static struct ls_schedule call(const char *id)
{
    struct ls_schedule s = {.id = id, .cron = "@daily", .target = "https://a.example/"};

    ls_schedule_defaults(&s, LS_ACTION_POST);
    s.headers = HEADERS;
    return s;
}

static struct ls_schedule found(struct world *w, const char *id)
{
    struct ls_schedule s;

    assert_ok(w, ls_state_schedule_find(w->state, id, &w->mem, &s, &w->err));
    return s;
}

static int with_key(void **state)
{
    assert_int_equal(setenv("LOCKSTEP_KEY", KEY, 1), 0);
    return on_sqlite(state);
}

static int with_key_on_postgres(void **state)
{
    assert_int_equal(setenv("LOCKSTEP_KEY", KEY, 1), 0);
    return on_postgres(state);
}

static void headers_are_sealed_and_their_names_are_not(void **state)
{
    struct world *w = *state;
    struct ls_schedule s = call("a"), message = call("b");

    assert_ok(w, ls_schedule_make(w->state, &s, false, w->now, &w->err));
    assert_string_equal(s.headers, HEADERS); /* the caller's stay as they are */
    s = found(w, "a");
    assert_null(strstr(s.headers, "canary"));
    assert_string_equal(ls_schedule_sealed_names(s.headers), "X-Key Accept");
    assert_ok(w, ls_schedule_unseal(w->state, &s, &w->mem, &w->err));
    assert_string_equal(s.headers, HEADERS);
    assert_string_equal(s.extra, "");
    assert_null(ls_schedule_sealed_names(s.headers));

    ls_schedule_defaults(&message, LS_ACTION_MESSAGE);
    message.headers = "";
    message.extra = EXTRA;
    assert_ok(w, ls_schedule_make(w->state, &message, false, w->now, &w->err));
    message = found(w, "b");
    assert_null(strstr(message.extra, "canary"));
    assert_null(strstr(message.extra, "x-key"));
    assert_ok(w, ls_schedule_unseal(w->state, &message, &w->mem, &w->err));
    assert_string_equal(message.extra, EXTRA);
}

static void a_change_seals_anew(void **state)
{
    struct world *w = *state;
    struct ls_schedule s = call("a"), as_read;
    bool done = false;

    assert_ok(w, ls_schedule_make(w->state, &s, false, w->now, &w->err));
    as_read = found(w, "a");
    assert_ok(w, ls_schedule_unseal(w->state, &as_read, &w->mem, &w->err));
    s = as_read;
    s.headers = "{\"X-Key\":\"canary three\"}";
    assert_ok(w, ls_schedule_change(w->state, &s, &as_read, w->now, &done, &w->err));
    assert_true(done);
    s = found(w, "a");
    assert_null(strstr(s.headers, "canary"));
    assert_ok(w, ls_schedule_unseal(w->state, &s, &w->mem, &w->err));
    assert_string_equal(s.headers, "{\"X-Key\":\"canary three\"}");
}

static void what_is_sealed_opens_for_its_own_place_alone(void **state)
{
    struct world *w = *state;
    struct ls_schedule s = call("a"), other = call("b");
    const char *sealed;

    assert_ok(w, ls_schedule_make(w->state, &s, false, w->now, &w->err));
    other.headers = sealed = found(w, "a").headers;
    assert_code(w, LS_CORRUPT, ls_schedule_unseal(w->state, &other, &w->mem, &w->err));
    other = call("a");
    other.headers = "";
    other.extra = sealed;
    assert_code(w, LS_CORRUPT, ls_schedule_unseal(w->state, &other, &w->mem, &w->err));
    for (const char *const *bad =
             (const char *const[]){"sealed:", "sealed:!!", "sealed:AQ== A", NULL};
         *bad; bad++) {
        other.extra = *bad;
        assert_code(w, LS_CORRUPT, ls_schedule_unseal(w->state, &other, &w->mem, &w->err));
    }
    assert_int_equal(setenv("LOCKSTEP_KEY", OTHER, 1), 0);
    s = found(w, "a");
    assert_code(w, LS_CORRUPT, ls_schedule_unseal(w->state, &s, &w->mem, &w->err));
    assert_non_null(strstr(w->err.text, "schedule a"));
}

static void what_an_older_program_left_open_is_read_and_sealed_once(void **state)
{
    struct world *w = *state;
    struct ls_schedule s = call("a"), before, after_it;

    s.origin = "api";
    s.last_us = w->now;
    s.next_us = s.due_us = w->now + HOUR;
    assert_ok(w, ls_state_schedule_put(w->state, &s, false, &w->err));
    before = found(w, "a");
    assert_string_equal(before.headers, HEADERS);
    assert_ok(w, ls_schedule_unseal(w->state, &before, &w->mem, &w->err));
    assert_string_equal(before.headers, HEADERS);
    assert_ok(w, ls_schedules_seal(w->state, &w->err));
    after_it = found(w, "a");
    assert_null(strstr(after_it.headers, "canary"));
    assert_true(after_it.due_us == before.due_us && after_it.last_us == before.last_us);
    assert_int_equal(after_it.version, before.version + 1);
    assert_ok(w, ls_schedules_seal(w->state, &w->err));
    assert_int_equal(found(w, "a").version, after_it.version);
    assert_ok(w, ls_schedule_unseal(w->state, &after_it, &w->mem, &w->err));
    assert_string_equal(after_it.headers, HEADERS);
}

static void
a_configuration_that_says_the_same_changes_nothing_and_with_another_key_seals_anew(void **state)
{
    struct world *w = *state;
    const struct ls_schedule wanted = call("a");
    struct ls_schedule s;
    struct ls_settled settled;

    assert_ok(w, ls_schedule_settle(w->state, &wanted, 1, "p", w->now, &settled, &w->err));
    assert_int_equal(settled.made, 1);
    assert_ok(w, ls_schedule_settle(w->state, &wanted, 1, "p", w->now, &settled, &w->err));
    assert_int_equal(settled.changed, 0);
    assert_int_equal(setenv("LOCKSTEP_KEY", OTHER, 1), 0);
    assert_ok(w, ls_schedule_settle(w->state, &wanted, 1, "p", w->now, &settled, &w->err));
    assert_int_equal(settled.changed, 1);
    s = found(w, "a");
    assert_ok(w, ls_schedule_unseal(w->state, &s, &w->mem, &w->err));
    assert_string_equal(s.headers, HEADERS);
}

#define ON_BOTH_WITH_KEY(test)                                         \
    {#test " (SQLite)", test, with_key, after, NULL},                  \
    {                                                                  \
#test " (PostgreSQL)", test, with_key_on_postgres, after, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH_WITH_KEY(headers_are_sealed_and_their_names_are_not),
        ON_BOTH_WITH_KEY(a_change_seals_anew),
        ON_BOTH_WITH_KEY(what_is_sealed_opens_for_its_own_place_alone),
        ON_BOTH_WITH_KEY(what_an_older_program_left_open_is_read_and_sealed_once),
        ON_BOTH_WITH_KEY(
            a_configuration_that_says_the_same_changes_nothing_and_with_another_key_seals_anew),
    };
    return cmocka_run_group_tests_name("schedule/sealed", tests, NULL, NULL);
}
