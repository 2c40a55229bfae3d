/* SPDX-License-Identifier: Apache-2.0 */
/* test_log.c - one sink, and lines that cannot be forged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"

struct seen {
    int count, inside;
    bool overlapped;
    enum ls_log_level level;
    char line[16384];
};

static void remember(void *ctx, enum ls_log_level level, const char *line)
{
    struct seen *seen = ctx;

    if (++seen->inside != 1)
        seen->overlapped = true;
    sched_yield(); /* so that two would meet */
    seen->count++;
    seen->level = level;
    snprintf(seen->line, sizeof(seen->line), "%s", line);
    seen->inside--;
}

static void lines_below_the_level_are_dropped(void **state)
{
    struct seen seen = {0};
    (void)state;

    ls_log_to(remember, &seen, LS_LOG_WARN);
    ls_log(LS_LOG_INFO, "no");
    assert_int_equal(seen.count, 0);
    ls_log(LS_LOG_WARN, "run %d", 7);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.level, LS_LOG_WARN);
    assert_string_equal(seen.line, "run 7");
    ls_log(LS_LOG_ERROR, "yes");
    ls_log(LS_LOG_OFF, "off is no level of a line");
    assert_int_equal(seen.count, 2);
}

static void without_a_sink_nothing_happens(void **state)
{
    struct seen seen = {0};
    (void)state;

    ls_log_to(remember, &seen, LS_LOG_DEBUG);
    ls_log_to(NULL, &seen, LS_LOG_DEBUG);
    ls_log(LS_LOG_ERROR, "to nobody");
    assert_int_equal(seen.count, 0);
}

static void data_cannot_forge_a_line(void **state)
{
    struct seen seen = {0};
    (void)state;

    ls_log_to(remember, &seen, LS_LOG_DEBUG);
    ls_log(LS_LOG_INFO, "name: %s", "x\nrun 1 done\x1b[0m \xc3\xa9");
    assert_string_equal(seen.line, "name: x\\x0arun 1 done\\x1b[0m \xc3\xa9");
}

static void a_long_line_is_cut_at_a_character(void **state)
{
    struct seen seen = {0};
    char text[6000];
    (void)state;

    text[0] = 'x';
    for (size_t i = 1; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xa9", 3);
    ls_log_to(remember, &seen, LS_LOG_DEBUG);
    ls_log(LS_LOG_INFO, "%s", text);
    assert_int_equal(strlen(seen.line), 1999);
    assert_int_equal(ls_utf8_check(seen.line, strlen(seen.line)), strlen(seen.line));
}

static void a_line_of_control_bytes_alone_fits(void **state)
{
    struct seen seen = {0};
    char text[3000];
    (void)state;

    memset(text, '\n', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    ls_log_to(remember, &seen, LS_LOG_DEBUG);
    ls_log(LS_LOG_INFO, "%s", text);
    assert_int_equal(strlen(seen.line), 4 * 2000);
}

static void log_a_thousand(void *arg)
{
    for (int i = 0; i < 1000; i++)
        ls_log(LS_LOG_INFO, "%s %d", (const char *)arg, i);
}

static void the_sink_is_called_by_one_thread_at_a_time(void **state)
{
    struct ls_thread a = {0}, b = {0};
    struct seen seen = {0};
    char name_a[] = "a", name_b[] = "b";
    (void)state;

    ls_log_to(remember, &seen, LS_LOG_DEBUG);
    assert_int_equal(ls_thread_start(&a, log_a_thousand, name_a, NULL), LS_OK);
    assert_int_equal(ls_thread_start(&b, log_a_thousand, name_b, NULL), LS_OK);
    ls_thread_join(&a);
    ls_thread_join(&b);
    assert_int_equal(seen.count, 2000);
    assert_false(seen.overlapped);
}

static int no_sink(void **state)
{
    (void)state;
    ls_log_to(NULL, NULL, LS_LOG_OFF);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(lines_below_the_level_are_dropped, no_sink),
        cmocka_unit_test_teardown(without_a_sink_nothing_happens, no_sink),
        cmocka_unit_test_teardown(data_cannot_forge_a_line, no_sink),
        cmocka_unit_test_teardown(a_long_line_is_cut_at_a_character, no_sink),
        cmocka_unit_test_teardown(a_line_of_control_bytes_alone_fits, no_sink),
        cmocka_unit_test_teardown(the_sink_is_called_by_one_thread_at_a_time, no_sink),
    };
    return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
