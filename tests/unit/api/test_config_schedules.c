/* SPDX-License-Identifier: Apache-2.0 */
/* test_config_schedules.c - the section `schedules`. */
#include "api/config.h"

#include <string.h>

#include "api_fixture.h"

#define SYNCS "syncs:\n  users: { source: \"sqlite:a#users\", target: \"sqlite:b#users\" }\n"

static struct ls_config *read_it(const char *yaml)
{
    struct ls_config *config = NULL;
    struct ls_error err = {0};

    if (ls_config_read(api_file(yaml), &config, &err) != LS_OK)
        fail_msg("%s", err.text);
    return config;
}

static void everything_can_be_said(void **state)
{
    struct ls_config *config =
        read_it("schedules:\n" /* before the syncs that it names */
                "  nightly:\n"
                "    cron: 30 2 * * mon-fri\n"
                "    zone: Europe/Berlin\n"
                "    sync: users\n"
                "    overlap: queue\n"
                "    catch_up: all\n"
                "    catch_up_within: 2 d\n"
                "    jitter: 5min\n"
                "    hours: mon-fri 01:00-05:00\n"
                "    timeout: 1h\n"
                "    retries: 0\n"
                "    paused: true\n"
                "  tell:\n"
                "    cron: \"@daily\"\n"
                "    post:\n"
                "      url: https://app.example.com/hook\n"
                "      method: PUT\n"
                "      headers: { X-Cron-Secret: \"${LS_NO:-s}\", Accept: text/plain }\n"
                "      body: '{\"a\":1}'\n" SYNCS);
    const struct ls_schedule *s = &config->schedules[0];
    (void)state;

    assert_int_equal(config->schedule_count, 2);
    assert_string_equal(s->id, "nightly");
    assert_string_equal(s->cron, "30 2 * * mon-fri");
    assert_string_equal(s->zone, "Europe/Berlin");
    assert_int_equal(s->action, LS_ACTION_SYNC);
    assert_string_equal(s->target, "users");
    assert_int_equal(s->overlap, LS_OVERLAP_QUEUE);
    assert_int_equal(s->catch_up, LS_CATCH_UP_ALL);
    assert_int_equal(s->catch_up_s, 2 * 86400);
    assert_int_equal(s->jitter_s, 300);
    assert_string_equal(s->hours, "mon-fri 01:00-05:00");
    assert_int_equal(s->timeout_ms, 3600000);
    assert_int_equal(s->retries, 0);
    assert_true(s->paused);
    s++;
    assert_int_equal(s->action, LS_ACTION_POST);
    assert_string_equal(s->target, "https://app.example.com/hook");
    assert_string_equal(s->method, "PUT");
    assert_string_equal(s->headers, "{\"X-Cron-Secret\":\"s\",\"Accept\":\"text/plain\"}");
    assert_int_equal(s->body_size, 7);
    ls_config_free(config);
}

static void what_is_not_said_is_as_its_action_has_it(void **state)
{
    struct ls_config *config =
        read_it("schedules:\n"
                "  a: { cron: \"0 * * * *\", sync: users }\n"
                "  b: { cron: \"0 * * * *\", queue: true }\n"
                "  c: { cron: \"0 * * * *\", post: \"https://app.example.com\" }\n" SYNCS);
    const struct ls_schedule *s = config->schedules;
    (void)state;

    assert_int_equal(s[0].overlap, LS_OVERLAP_SKIP);
    assert_int_equal(s[0].catch_up, LS_CATCH_UP_LAST);
    assert_int_equal(s[0].retries, 2);
    assert_int_equal(s[0].timeout_ms, 0);
    assert_false(s[0].paused);
    assert_int_equal(s[1].action, LS_ACTION_QUEUE);
    assert_int_equal(s[2].overlap, LS_OVERLAP_ALLOW);
    assert_int_equal(s[2].timeout_ms, 30000);
    assert_string_equal(s[2].method, "POST");
    ls_config_free(config);
}

static void what_would_never_fire_or_fire_something_else_is_refused(void **state)
{
    static const struct {
        const char *schedule, *why;
    } cases[] = {
        {"{ sync: users }", "has no cron"},
        {"{ cron: \"0 0 30 2 *\", sync: users }", "never be due"},
        {"{ cron: \"61 * * * *\", sync: users }", "minute"},
        {"{ cron: \"0 * * * *\", zone: Europe/Berlim, sync: users }", "Europe/Berlin"},
        {"{ cron: \"0 3 * * *\", hours: \"08:00-09:00\", sync: users }", "never be due"},
        {"{ cron: \"0 * * * *\", hours: \"8:00-9\", sync: users }", "hours"},
        {"{ cron: \"0 * * * *\", sync: usres }", "Did you mean \"users\""},
        {"{ cron: \"0 * * * *\" }", "does nothing"},
        {"{ cron: \"0 * * * *\", sync: users, queue: true }", "does one thing"},
        {"{ cron: \"0 * * * *\", queue: false }", "leave it out"},
        {"{ cron: \"0 * * * *\", post: ftp://host/ }", "https://"},
        {"{ cron: \"0 * * * *\", post: { method: GET } }", "needs a url"},
        {"{ cron: \"0 * * * *\", post: { url: \"https://a/\", method: get } }", "in capitals"},
        {"{ cron: \"0 * * * *\", post: { url: \"https://a/\", headers: { Host: b } } }", "Host"},
        {"{ cron: \"0 * * * *\", post: { url: \"https://a/\", headers: { lockstep-firing: b } } }",
         "lockstep-firing"},
        {"{ cron: \"0 * * * *\", sync: users, overlap: allow }", "never overlap"},
        {"{ cron: \"0 * * * *\", sync: users, overlap: both }", "skip, queue or allow"},
        {"{ cron: \"0 * * * *\", sync: users, catch_up: some }", "none, last or all"},
        {"{ cron: \"0 * * * *\", sync: users, jitter: 5 }", "with its unit"},
        {"{ cron: \"0 * * * *\", sync: users, jitter: 2d }", "a time from"},
        {"{ cron: \"0 * * * *\", sync: users, retries: 21 }", "from 0 to 20"},
        {"{ cron: \"0 * * * *\", sync: users, retries: -1 }", "from 0 to 20"},
        {"{ cron: \"0 * * * *\", sync: users, timout: 1h }", "Did you mean \"timeout\""},
        {"{ cron: \"0 * * * *\", post: \"https://10.0.0.1/\" }", "a private address"},
        {"{ cron: \"0 * * * *\", post: \"http://8.8.8.8/\" }", "(events.allow)"},
        {"often", "name: value"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ls_config *config = NULL;
        struct ls_error err = {0};
        const char *yaml = api_text(SYNCS "schedules:\n  s: %s\n", cases[i].schedule);

        if (ls_config_read(api_file(yaml), &config, &err) != LS_CONFIG)
            fail_msg("taken: %s", cases[i].schedule);
        assert_says(err.text, ":4:", cases[i].why);
    }
}

static void a_name_has_the_letters_that_a_path_can_have(void **state)
{
    struct ls_config *config = NULL;
    struct ls_error err = {0};
    (void)state;

    assert_int_equal(
        ls_config_read(api_file(SYNCS "schedules: { \"a b\": { cron: \"@daily\", sync: users } }"),
                       &config, &err),
        LS_CONFIG);
    assert_says(err.text, "cannot name a schedule");
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
        cmocka_unit_test_teardown(everything_can_be_said, clean),
        cmocka_unit_test_teardown(what_is_not_said_is_as_its_action_has_it, clean),
        cmocka_unit_test_teardown(what_would_never_fire_or_fire_something_else_is_refused, clean),
        cmocka_unit_test_teardown(a_name_has_the_letters_that_a_path_can_have, clean),
    };
    return cmocka_run_group_tests_name("api/config_schedules", tests, NULL, NULL);
}
