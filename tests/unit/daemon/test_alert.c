/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts: what is new, what is over, and whom to tell when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/alert.h"

#define S INT64_C(1000000)
#define REPEAT (3600 * S)

static struct ls_error err;

static void see(struct ls_alert_memory *m, const char *key, int64_t now)
{
    struct ls_alert alert = {.kind = LS_ALERT_LAG};

    snprintf(alert.key, sizeof alert.key, "%s", key);
    assert_int_equal(ls_alert_found(m, &alert, now, &err), LS_OK);
}

static void the_same_trouble_is_told_once_and_again_after_the_repeat_time(void **state)
{
    struct ls_alert_memory m = {0};

    (void)state;
    ls_alert_look(&m, S);
    see(&m, "lag:a", S);
    assert_int_equal(m.count, 1);
    assert_int_equal(ls_alert_due(m.alerts, LS_ALERT_TO_WEBHOOK, S, REPEAT), LS_ALERT_TELL);
    ls_alert_told(m.alerts, LS_ALERT_TO_WEBHOOK, LS_ALERT_TELL, S);
    ls_alert_look(&m, 2 * S);
    see(&m, "lag:a", 2 * S);
    assert_int_equal(m.count, 1);
    assert_int_equal(m.alerts->since_us, S);
    assert_int_equal(ls_alert_due(m.alerts, LS_ALERT_TO_WEBHOOK, 2 * S, REPEAT), LS_ALERT_QUIET);
    /* each channel for itself */
    assert_int_equal(ls_alert_due(m.alerts, LS_ALERT_TO_SENTRY, 2 * S, REPEAT), LS_ALERT_TELL);
    assert_int_equal(ls_alert_due(m.alerts, LS_ALERT_TO_WEBHOOK, S + REPEAT, REPEAT),
                     LS_ALERT_TELL);
    ls_alert_memory_done(&m);
}

static void its_end_is_told_to_those_who_were_told_of_it(void **state)
{
    struct ls_alert_memory m = {0};

    (void)state;
    ls_alert_look(&m, S);
    see(&m, "lag:a", S);
    see(&m, "lag:b", S);
    ls_alert_told(m.alerts, LS_ALERT_TO_WEBHOOK, LS_ALERT_TELL, S);
    ls_alert_look(&m, 2 * S);
    assert_int_equal(ls_alert_due(m.alerts, LS_ALERT_TO_WEBHOOK, 2 * S, REPEAT), LS_ALERT_RESOLVE);
    assert_int_equal(ls_alert_due(m.alerts, LS_ALERT_TO_SENTRY, 2 * S, REPEAT), LS_ALERT_QUIET);
    ls_alert_forget(&m, 2 * S);
    assert_int_equal(m.count, 1); /* b was told to nobody */
    ls_alert_told(m.alerts, LS_ALERT_TO_WEBHOOK, LS_ALERT_RESOLVE, 2 * S);
    ls_alert_forget(&m, 2 * S);
    assert_int_equal(m.count, 0);
    ls_alert_memory_done(&m);
}

static void what_a_process_before_has_told_is_not_told_again_and_its_end_is(void **state)
{
    const struct ls_alert a = {.kind = LS_ALERT_LAG, .key = "lag:a", .since_us = S},
                          b = {.kind = LS_ALERT_LAG, .key = "lag:b", .since_us = S};
    struct ls_alert_memory m = {0};

    (void)state;
    ls_alert_look(&m, 5 * S);
    assert_int_equal(ls_alert_was_told(&m, &a, LS_ALERT_TO_WEBHOOK, 2 * S, 5 * S, &err), LS_OK);
    assert_int_equal(ls_alert_was_told(&m, &a, LS_ALERT_TO_SENTRY, 3 * S, 5 * S, &err), LS_OK);
    assert_int_equal(ls_alert_was_told(&m, &b, LS_ALERT_TO_WEBHOOK, 2 * S, 5 * S, &err), LS_OK);
    see(&m, "lag:a", 5 * S);
    assert_int_equal(m.count, 2);
    assert_int_equal(m.alerts[0].since_us, S);
    assert_int_equal(ls_alert_due(&m.alerts[0], LS_ALERT_TO_WEBHOOK, 5 * S, REPEAT),
                     LS_ALERT_QUIET);
    assert_int_equal(ls_alert_due(&m.alerts[0], LS_ALERT_TO_SENTRY, 5 * S, REPEAT), LS_ALERT_QUIET);
    assert_int_equal(ls_alert_due(&m.alerts[0], LS_ALERT_TO_COMMAND, 5 * S, REPEAT), LS_ALERT_TELL);
    assert_int_equal(ls_alert_due(&m.alerts[1], LS_ALERT_TO_WEBHOOK, 5 * S, REPEAT),
                     LS_ALERT_RESOLVE);
    assert_int_equal(ls_alert_to_keep(&m.alerts[1], LS_ALERT_TO_WEBHOOK, 5 * S), 2 * S);
    ls_alert_told(&m.alerts[1], LS_ALERT_TO_WEBHOOK, LS_ALERT_RESOLVE, 5 * S);
    assert_int_equal(ls_alert_to_keep(&m.alerts[1], LS_ALERT_TO_WEBHOOK, 5 * S), 0);
    ls_alert_forget(&m, 5 * S);
    assert_int_equal(m.count, 2); /* the state has it still */
    m.alerts[1].kept_us[LS_ALERT_TO_WEBHOOK] = 0;
    ls_alert_forget(&m, 5 * S);
    assert_int_equal(m.count, 1);
    ls_alert_memory_done(&m);
}

static void one_that_comes_back_before_its_end_was_told_goes_on(void **state)
{
    struct ls_alert_memory m = {0};

    (void)state;
    ls_alert_look(&m, S);
    see(&m, "lag:a", S);
    ls_alert_told(m.alerts, LS_ALERT_TO_WEBHOOK, LS_ALERT_TELL, S);
    ls_alert_look(&m, 2 * S);
    ls_alert_look(&m, 3 * S);
    see(&m, "lag:a", 3 * S);
    assert_int_equal(ls_alert_due(m.alerts, LS_ALERT_TO_WEBHOOK, 3 * S, REPEAT), LS_ALERT_QUIET);
    ls_alert_memory_done(&m);
}

static void an_end_that_reaches_nobody_is_forgotten_after_a_day(void **state)
{
    struct ls_alert_memory m = {0};

    (void)state;
    ls_alert_look(&m, S);
    see(&m, "lag:a", S);
    ls_alert_told(m.alerts, LS_ALERT_TO_COMMAND, LS_ALERT_TELL, S);
    ls_alert_look(&m, 2 * S);
    ls_alert_forget(&m, 2 * S + 86399 * S);
    assert_int_equal(m.count, 1);
    ls_alert_forget(&m, 2 * S + 86400 * S);
    assert_int_equal(m.count, 0);
    ls_alert_memory_done(&m);
}

static void a_dsn_leads_to_the_envelopes_of_its_project(void **state)
{
    static const struct {
        const char *dsn, *url;
    } cases[] = {
        {"https://key@o1.ingest.sentry.io/42", "https://o1.ingest.sentry.io/api/42/envelope/"},
        {"http://key:old@sentry.internal:9000/a/b/7",
         "http://sentry.internal:9000/a/b/api/7/envelope/"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ls_alerts_config config = {.sentry = cases[i].dsn};
        struct ls_buf out;

        ls_buf_init(&out, 0);
        ls_alert_url(&out, &config, LS_ALERT_TO_SENTRY);
        assert_string_equal(ls_buf_str(&out), cases[i].url);
        ls_buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_trouble_is_told_once_and_again_after_the_repeat_time),
        cmocka_unit_test(what_a_process_before_has_told_is_not_told_again_and_its_end_is),
        cmocka_unit_test(its_end_is_told_to_those_who_were_told_of_it),
        cmocka_unit_test(one_that_comes_back_before_its_end_was_told_goes_on),
        cmocka_unit_test(an_end_that_reaches_nobody_is_forgotten_after_a_day),
        cmocka_unit_test(a_dsn_leads_to_the_envelopes_of_its_project),
    };

    return cmocka_run_group_tests_name("daemon/alert", tests, NULL, NULL);
}
