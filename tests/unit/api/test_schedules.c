/* SPDX-License-Identifier: Apache-2.0 */
/* test_schedules.c - schedules by the library: what is made, changed, refused and told. */
#include "api/schedules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_fixture.h"
#include "schedule/sealed.h"

#define CONFIG                                                                      \
    "syncs:\n  users: { source: \"sqlite:a#users\", target: \"sqlite:b#users\" }\n" \
    "  groups: { source: \"sqlite:a#groups\", target: \"sqlite:b#groups\" }\n"      \
    "events: { allow: [app.example.com, a, b] }\n" /* names that nobody looks up */

struct seen {
    int count;
    char ids[400], json[3000];
};

static void see(void *ctx, const struct lockstep_schedule *s)
{
    struct seen *seen = ctx;

    seen->count++;
    snprintf(seen->ids + strlen(seen->ids), sizeof seen->ids - strlen(seen->ids), "%s ", s->id);
    snprintf(seen->json, sizeof seen->json, "%s", s->json);
}

static void see_firing(void *ctx, const struct lockstep_firing *f)
{
    struct seen *seen = ctx;

    seen->count++;
    snprintf(seen->json, sizeof seen->json, "%s", f->json);
}

static int create(struct lockstep *ls, const char *json, bool replace, struct seen *seen,
                  struct lockstep_error *error)
{
    *seen = (struct seen){0};
    return lockstep_schedule_create(ls, json, strlen(json), replace, see, seen, error);
}

static void what_is_made_is_told_with_its_defaults(void **state)
{
    struct lockstep *ls = api_handle(CONFIG);
    struct lockstep_error error = {0};
    struct seen seen;
    (void)state;

    assert_code(create(ls, "{\"id\":\"n\",\"cron\":\"30 2 * * *\",\"sync\":\"users\"}", false,
                       &seen, &error),
                LOCKSTEP_OK, &error);
    assert_says(seen.json, "{\"id\":\"n\",\"cron\":\"30 2 * * *\",\"zone\":\"UTC\"",
                "\"words\":\"at 02:30, UTC\"", "\"action\":\"sync\",\"sync\":\"users\"",
                "\"overlap\":\"skip\",\"catch_up\":\"last\",\"catch_up_within\":null",
                "\"timeout\":null,\"retries\":2,\"paused\":false,\"origin\":\"command\"",
                "\"last\":null}");
    lockstep_close(ls);
}

static void every_setting_is_read_under_its_name_in_the_configuration(void **state)
{
    struct lockstep *ls = api_handle(CONFIG);
    struct lockstep_error error = {0};
    struct seen seen;
    (void)state;

    assert_code(
        create(ls,
               "{\"id\":\"c\",\"cron\":\"@daily\",\"zone\":\"Europe/Berlin\",\"post\":{\"url\":"
               "\"https://app.example.com/x\",\"method\":\"PUT\",\"headers\":{\"X-Secret\":"
               "\"s3cret\"},\"body\":\"{}\"},\"overlap\":\"queue\",\"catch_up\":\"all\","
               "\"catch_up_within\":\"12 h\",\"jitter\":\"90s\",\"hours\":\"mon-fri 00:00-06:00\","
               "\"timeout\":\"2min\",\"retries\":0,\"paused\":true}",
               false, &seen, &error),
        LOCKSTEP_OK, &error);
    assert_says(seen.json, "\"zone\":\"Europe/Berlin\"",
                "\"post\":{\"url\":\"https://app.example.com/"
                "x\",\"method\":\"PUT\",\"headers\":[\"X-Secret\"],\"body_bytes\":2}",
                "\"overlap\":\"queue\",\"catch_up\":\"all\",\"catch_up_within\":\"12h\"",
                "\"jitter\":\"90s\",\"hours\":\"mon-fri 00:00-06:00\",\"timeout\":\"2min\"",
                "\"retries\":0,\"paused\":true", "\"next_at\":null");
    assert_null(strstr(seen.json, "s3cret"));
    lockstep_close(ls);
}

static void what_is_wrong_is_said_and_nothing_made(void **state)
{
    static const struct {
        const char *json, *why;
    } cases[] = {
        {"", "a JSON object"},
        {"[]", "a JSON object"},
        {"{\"id\":\"x\",\"cron\":\"@daily\",\"sync\":\"users\",\"id\":\"y\"}", "a JSON object"},
        {"{\"cron\":\"@daily\",\"sync\":\"users\"}", "an id"},
        {"{\"id\":\"x\",\"sync\":\"users\"}", "a cron expression"},
        {"{\"id\":\"x\",\"cron\":\"@daily\"}", "sync (a sync's name), queue"},
        {"{\"id\":\"x\",\"cron\":\"@daily\",\"sync\":\"users\",\"queue\":true}", "one thing"},
        {"{\"id\":\"x\",\"cron\":\"@daily\",\"sync\":\"usres\"}", "Did you mean \"users\""},
        {"{\"id\":\"x\",\"cron\":\"0 0 31 2 *\",\"sync\":\"users\"}", "never be due"},
        {"{\"id\":\"x\",\"cron\":\"@daily\",\"zone\":\"Nowhere\",\"sync\":\"users\"}",
         "unknown time zone"},
        {"{\"id\":\"x\",\"cron\":\"@daily\",\"queue\":1}", "queue is true"},
        {"{\"id\":\"x y\",\"cron\":\"@daily\",\"queue\":true}", "cannot name a schedule"},
        {"{\"id\":\"x\",\"cron\":\"@daily\",\"queue\":true,\"timout\":\"1s\"}", "\"timeout\""},
        {"{\"id\":\"x\",\"cron\":\"@daily\",\"queue\":true,\"timeout\":\"8d\"}", "from 1s to 7d"},
        {"{\"id\":\"x\",\"cron\":\"@daily\",\"queue\":true,\"timeout\":5}", "from 1s to 7d"},
        {"{\"id\":\"x\",\"cron\":\"@daily\",\"queue\":true,\"retries\":21}", "from 0 to 20"},
        {"{\"id\":\"x\",\"cron\":\"@daily\",\"queue\":true,\"overlap\":\"allow\"}", "calls only"},
        {"{\"id\":\"x\",\"cron\":\"@daily\",\"queue\":true,\"overlap\":\"no\"}",
         "skip, queue or allow"},
        {"{\"id\":\"x\",\"cron\":\"@daily\",\"post\":\"app.example.com\"}", "https://"},
        {"{\"id\":\"x\",\"cron\":\"@daily\",\"post\":{\"method\":\"GET\"}}", "needs a url"},
        {"{\"id\":\"x\",\"cron\":\"@daily\",\"post\":{\"url\":\"https://a/\",\"headers\":[]}}",
         "an object of texts"},
        {"{\"id\":\"x\",\"cron\":\"@daily\",\"post\":{\"url\":\"https://a/\",\"headers\":{\"A\":"
         "\"b\\nc\"}}}",
         "no header can have"},
        {"{\"id\":\"x\",\"cron\":\"@daily\",\"post\":{\"url\":\"https://a/\",\"boddy\":\"\"}}",
         "\"body\""},
    };
    struct lockstep *ls = api_handle(CONFIG);
    struct lockstep_error error = {0};
    struct seen seen;
    (void)state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (create(ls, cases[i].json, false, &seen, &error) != LOCKSTEP_USAGE)
            fail_msg("taken: %s: %s", cases[i].json, error.text);
        assert_says(error.text, cases[i].why);
    }
    seen = (struct seen){0};
    assert_code(lockstep_schedules(ls, see, &seen, &error), LOCKSTEP_OK, &error);
    assert_int_equal(seen.count, 0);
    lockstep_close(ls);
}

static void a_sync_without_a_configuration_cannot_be_scheduled(void **state)
{
    struct lockstep *ls = api_handle(NULL);
    struct lockstep_error error = {0};
    struct seen seen;
    (void)state;

    assert_code(
        create(ls, "{\"id\":\"x\",\"cron\":\"@daily\",\"sync\":\"users\"}", false, &seen, &error),
        LOCKSTEP_USAGE, &error);
    assert_says(error.text, "no configuration");
    assert_code(
        create(ls, "{\"id\":\"x\",\"cron\":\"@daily\",\"queue\":true}", false, &seen, &error),
        LOCKSTEP_OK, &error);
    lockstep_close(ls);
}

static void one_that_is_there_is_replaced_only_when_that_is_meant(void **state)
{
    struct lockstep *ls = api_handle(CONFIG);
    struct lockstep_error error = {0};
    struct seen seen;
    const char *json = "{\"id\":\"x\",\"cron\":\"@daily\",\"queue\":true,\"retries\":7}";
    (void)state;

    assert_code(create(ls, json, false, &seen, &error), LOCKSTEP_OK, &error);
    assert_code(create(ls, json, false, &seen, &error), LOCKSTEP_FAILED, &error);
    assert_string_equal(error.name, "conflict");
    assert_code(lockstep_schedule_pause(ls, "x", true, &error), LOCKSTEP_OK, &error);
    assert_code(
        create(ls, "{\"id\":\"x\",\"cron\":\"@hourly\",\"queue\":true}", true, &seen, &error),
        LOCKSTEP_OK, &error);
    assert_says(seen.json, "\"cron\":\"@hourly\"", "\"retries\":2",
                "\"paused\":true"); /* its pause stays */
    lockstep_close(ls);
}

static struct ls_schedule changed(struct lockstep *ls, const char *id, const char *json,
                                  struct ls_arena *mem)
{
    struct ls_schedule s;
    struct ls_error err = {0};

    if (ls_api_schedule_change(ls, id, json, strlen(json), NULL, mem, &s, &err) != LS_OK)
        fail_msg("%s", err.text);
    return s;
}

static void a_change_leaves_alone_what_it_does_not_name(void **state)
{
    struct lockstep *ls = api_handle(CONFIG);
    struct lockstep_error error = {0};
    struct ls_error err = {0};
    struct ls_schedule s;
    struct ls_arena mem;
    struct seen seen;
    (void)state;

    ls_arena_init(&mem, 0);
    assert_code(create(ls,
                       "{\"id\":\"x\",\"cron\":\"@daily\",\"post\":{\"url\":\"https://a/"
                       "\",\"headers\":{\"A\":\"b\"}},\"jitter\":\"5s\",\"retries\":1}",
                       false, &seen, &error),
                LOCKSTEP_OK, &error);
    s = changed(ls, "x", "{\"post\":{\"url\":\"https://b/\"},\"timeout\":\"9s\"}", &mem);
    assert_string_equal(s.target, "https://b/");
    assert_string_equal(ls_schedule_sealed_names(s.headers), "A");
    assert_int_equal(ls_schedule_unseal(ls->state, &s, &mem, &err), LS_OK);
    assert_string_equal(s.headers, "{\"A\":\"b\"}");
    assert_int_equal(s.jitter_s, 5);
    assert_int_equal(s.retries, 1);
    assert_int_equal(s.timeout_ms, 9000);
    s = changed(ls, "x", "{\"jitter\":null}", &mem);
    assert_int_equal(s.jitter_s, 0);
    s = changed(ls, "x", "{\"sync\":\"users\"}", &mem); /* something else: its defaults */
    assert_int_equal(s.action, LS_ACTION_SYNC);
    assert_int_equal(s.overlap, LS_OVERLAP_SKIP);
    assert_int_equal(s.timeout_ms, 0);
    assert_string_equal(s.headers, "");
    assert_true(*s.project);
    ls_arena_done(&mem);
    lockstep_close(ls);
}

/* Is asked by a change, and fires or changes the schedule meanwhile, as another process would. */
static enum ls_code in_between(void *ctx, const struct ls_schedule *now, struct ls_error *err)
{
    struct lockstep *other = ctx;
    const struct ls_schedule_step step = {.id = now->id,
                                          .version = now->version,
                                          .last_us = now->last_us + 1,
                                          .next_us = now->next_us,
                                          .due_us = now->due_us};
    bool done = false;

    if (now->last_us % 2 != 0) /* it was done once */
        return LS_OK;
    return ls_state_schedule_step(other->state, &step, &done, err);
}

static void a_change_on_older_ground_is_made_anew(void **state)
{
    struct lockstep *ls = api_handle(CONFIG);
    struct lockstep_error error = {0};
    struct ls_schedule s;
    const struct ls_schedule_fits fits = {in_between, ls};
    struct ls_error err = {0};
    struct ls_arena mem;
    struct seen seen;
    int64_t last_us;
    (void)state;

    ls_arena_init(&mem, 0);
    assert_code(
        create(ls, "{\"id\":\"x\",\"cron\":\"@daily\",\"queue\":true}", false, &seen, &error),
        LOCKSTEP_OK, &error);
    assert_int_equal(ls_state_schedule_find(ls->state, "x", &mem, &s, &err), LS_OK);
    last_us = s.last_us | 1;
    if (s.last_us % 2 != 0) { /* begin with an even one */
        const struct ls_schedule_step step = {.id = "x",
                                              .version = s.version,
                                              .last_us = s.last_us - 1,
                                              .next_us = s.next_us,
                                              .due_us = s.due_us};
        bool done = false;

        assert_int_equal(ls_state_schedule_step(ls->state, &step, &done, &err), LS_OK);
    }
    assert_int_equal(ls_api_schedule_change(ls, "x", "{\"retries\":9}", 13, &fits, &mem, &s, &err),
                     LS_OK);
    assert_int_equal(s.retries, 9);
    assert_true(s.last_us == last_us); /* what happened meanwhile is not undone */
    ls_arena_done(&mem);
    lockstep_close(ls);
}

static void what_the_configuration_made_is_paused_but_not_changed_or_deleted(void **state)
{
    struct lockstep *ls = api_handle(CONFIG);
    struct lockstep_error error = {0};
    struct ls_schedule s = {.id = "x",
                            .cron = "@daily",
                            .action = LS_ACTION_QUEUE,
                            .origin = "config",
                            .next_us = 1,
                            .due_us = 1};
    struct ls_error err = {0};
    struct ls_arena mem;
    struct seen seen;
    char *real = realpath(ls->config->path, NULL);
    (void)state;

    ls_arena_init(&mem, 0);
    s.project = real;
    assert_int_equal(ls_api_state(ls, true, &err), LS_OK);
    assert_int_equal(ls_state_schedule_put(ls->state, &s, false, &err), LS_OK);
    assert_code(lockstep_schedule_delete(ls, "x", &error), LOCKSTEP_FAILED, &error);
    assert_says(error.text, "change it there");
    assert_int_equal(ls_api_schedule_change(ls, "x", "{\"retries\":9}", 13, NULL, &mem, &s, &err),
                     LS_CONFLICT);
    assert_code(
        create(ls, "{\"id\":\"x\",\"cron\":\"@daily\",\"queue\":true}", true, &seen, &error),
        LOCKSTEP_FAILED, &error);
    assert_code(lockstep_schedule_pause(ls, "x", true, &error), LOCKSTEP_OK, &error);
    s.project = "/elsewhere.yaml"; /* the schedule of a configuration that is not this one may go */
    assert_int_equal(ls_state_schedule_put(ls->state, &s, true, &err), LS_OK);
    assert_code(lockstep_schedule_delete(ls, "x", &error), LOCKSTEP_OK, &error);
    free(real);
    ls_arena_done(&mem);
    lockstep_close(ls);
}

static void what_is_asked_for_is_in_the_history_and_in_the_audit_log(void **state)
{
    struct lockstep *ls = api_handle(CONFIG);
    struct lockstep_error error = {0};
    struct seen seen;
    char firing[37];
    bool served = true;
    (void)state;

    assert_code(
        create(ls, "{\"id\":\"x\",\"cron\":\"@daily\",\"queue\":true}", false, &seen, &error),
        LOCKSTEP_OK, &error);
    assert_code(lockstep_schedule_trigger(ls, "x", firing, &served, &error), LOCKSTEP_OK, &error);
    assert_false(served);
    seen = (struct seen){0};
    assert_code(lockstep_schedule_history(ls, "x", 0, see_firing, &seen, &error), LOCKSTEP_OK,
                &error);
    assert_int_equal(seen.count, 1);
    assert_says(seen.json, firing, "\"kind\":\"manual\",\"state\":\"waiting\"");
    assert_code(lockstep_schedule_history(ls, "y", 0, see_firing, &seen, &error), LOCKSTEP_USAGE,
                &error);
    assert_string_equal(api_value(ls->state_url, "SELECT group_concat(detail) FROM audit"),
                        "{\"did\":\"create\"},{\"did\":\"trigger\"}");
    lockstep_close(ls);
}

static void note_time(void *ctx, int64_t unix_us)
{
    int64_t *last = ctx;

    assert_true(unix_us > *last);
    assert_int_equal(unix_us % 60000000, 0);
    *last = unix_us;
}

static void the_next_times_are_those_of_a_schedule_or_an_expression(void **state)
{
    struct lockstep *ls = api_handle(CONFIG);
    struct lockstep_error error = {0};
    struct seen seen;
    char *words = NULL;
    int64_t last = 0;
    (void)state;

    assert_code(
        create(ls, "{\"id\":\"x\",\"cron\":\"@daily\",\"queue\":true}", false, &seen, &error),
        LOCKSTEP_OK, &error);
    assert_code(lockstep_schedule_next(ls, "x", NULL, NULL, 3, &words, note_time, &last, &error),
                LOCKSTEP_OK, &error);
    assert_string_equal(words, "at 00:00, UTC");
    lockstep_free(words);
    assert_int_equal(last % INT64_C(86400000000), 0);
    last = 0;
    assert_code(lockstep_schedule_next(ls, "0 12 * * *", "Asia/Tokyo", NULL, 1, NULL, note_time,
                                       &last, &error),
                LOCKSTEP_OK, &error);
    assert_int_equal(last % INT64_C(86400000000), INT64_C(3) * 3600000000);
    assert_code(lockstep_schedule_next(ls, "0 12 * * *", NULL, "13:00-14:00", 1, NULL, note_time,
                                       &last, &error),
                LOCKSTEP_USAGE, &error);
    lockstep_close(ls);
}

static int clean(void **state)
{
    (void)state;
    api_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_is_made_is_told_with_its_defaults, clean),
        cmocka_unit_test_teardown(every_setting_is_read_under_its_name_in_the_configuration, clean),
        cmocka_unit_test_teardown(what_is_wrong_is_said_and_nothing_made, clean),
        cmocka_unit_test_teardown(a_sync_without_a_configuration_cannot_be_scheduled, clean),
        cmocka_unit_test_teardown(one_that_is_there_is_replaced_only_when_that_is_meant, clean),
        cmocka_unit_test_teardown(a_change_leaves_alone_what_it_does_not_name, clean),
        cmocka_unit_test_teardown(a_change_on_older_ground_is_made_anew, clean),
        cmocka_unit_test_teardown(what_the_configuration_made_is_paused_but_not_changed_or_deleted,
                                  clean),
        cmocka_unit_test_teardown(what_is_asked_for_is_in_the_history_and_in_the_audit_log, clean),
        cmocka_unit_test_teardown(the_next_times_are_those_of_a_schedule_or_an_expression, clean),
    };
    return cmocka_run_group_tests_name("api/schedules", tests, NULL, NULL);
}
