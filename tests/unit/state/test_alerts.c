/* SPDX-License-Identifier: Apache-2.0 */
/* Which alerts were told: kept by alert and channel, renewed, and gone with their end. */
#include <string.h>

#include "state/alerts.h"
#include "state_fixture.h"

static struct ls_alert_row row(const char *alert, const char *channel, int64_t told_us)
{
    return (struct ls_alert_row){.alert = alert,
                                 .channel = channel,
                                 .kind = "runs",
                                 .text = "run 1 of people: failed",
                                 .critical = true,
                                 .since_us = 5,
                                 .told_us = told_us};
}

static size_t kept(struct fixture *f, struct ls_alert_row **ret)
{
    size_t count = 99;

    assert_ok(f, ls_state_alerts(f->state, &f->mem, &count, ret, &f->err));
    return count;
}

static void what_was_told_is_kept_until_its_end_was_told(void **state)
{
    struct fixture *f = *state;
    const struct ls_alert_row told[] = {row("runs:b", "webhook", 7), row("runs:a", "webhook", 8),
                                        row("runs:a", "sentry", 9)};
    struct ls_alert_row later[] = {row("runs:a", "webhook", 20), row("runs:a", "sentry", 0),
                                   row("runs:c", "command", 0)};
    struct ls_alert_row *list = NULL;

    assert_int_equal(kept(f, &list), 0);
    assert_ok(f, ls_state_alerts_save(f->state, told, 3, &f->err));
    reopen(f);
    assert_int_equal(kept(f, &list), 3);
    assert_string_equal(list[0].alert, "runs:a");
    assert_string_equal(list[0].channel, "sentry");
    assert_string_equal(list[0].kind, "runs");
    assert_string_equal(list[0].text, "run 1 of people: failed");
    assert_true(list[0].critical);
    assert_int_equal(list[0].since_us, 5);
    assert_int_equal(list[0].told_us, 9);
    assert_string_equal(list[2].alert, "runs:b");
    later[0].text = "run 2 of people: failed";
    later[0].critical = false;
    assert_ok(f, ls_state_alerts_save(f->state, later, 3, &f->err));
    assert_int_equal(kept(f, &list), 2);
    assert_string_equal(list[0].channel, "webhook");
    assert_string_equal(list[0].text, "run 2 of people: failed");
    assert_false(list[0].critical);
    assert_int_equal(list[0].told_us, 20);
    assert_int_equal(list[1].told_us, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(what_was_told_is_kept_until_its_end_was_told),
    };

    return cmocka_run_group_tests_name("state/alerts", tests, NULL, NULL);
}
