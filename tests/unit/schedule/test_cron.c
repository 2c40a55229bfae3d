/* SPDX-License-Identifier: Apache-2.0 */
/* test_cron.c - reading cron expressions, telling them in words, and texts that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/text.h"
#include "schedule/cron.h"
#include "unit/schedule/seed.h"

static struct ls_cron parsed(const char *text)
{
    struct ls_cron cron;
    struct ls_error err;

    if (ls_cron_parse(text, &cron, &err) != LS_OK)
        fail_msg("%s: %s", text, err.text);
    return cron;
}

static void assert_refused(const char *text, const char *part)
{
    struct ls_cron cron;
    struct ls_error err = {0};
    const enum ls_code rc = ls_cron_parse(text, &cron, &err);

    if (rc != LS_CONFIG || !strstr(err.text, part))
        fail_msg("%s: %s instead of %s", text, rc == LS_OK ? "taken" : err.text, part);
}

static void every_way_to_write_a_set_means_the_same(void **state)
{
    static const struct {
        const char *one, *other;
    } same[] = {
        {"*/15 * * * *", "0,15,30,45 * * * *"},
        {"*/15 * * * *", "0-59/15 * * * *"},
        {"5/20 * * * *", "5,25,45 * * * *"},
        {"0 9-17/4 * * *", "0 9,13,17 * * *"},
        {"0 0 * jan,MAR,Dec *", "0 0 * 1,3,12 *"},
        {"0 0 * jan-mar *", "0 0 * 1-3 *"},
        {"0 0 * * mon-FRI", "0 0 * * 1-5"},
        {"0 0 * * 7", "0 0 * * 0"},
        {"0 0 * * sun", "0 0 * * 0"},
        {"0 0 * * 5-7", "0 0 * * 0,5,6"},
        {"0 0 * * fri-sun", "0 0 * * 5-7"},
        {"0 0 * * 7/5", "0 0 * * 0"}, /* no set without a day */
        {"0 0 * * 1/2", "0 0 * * 1,3,5"},
        {"0 0 * * sun-mon", "0 0 * * 0-1"},
        {"  0\t0  1 *   * ", "0 0 1 * *"},
        {"00 007 01 * *", "0 7 1 * *"},
        {"@hourly", "0 * * * *"},
        {"@Daily", "0 0 * * *"},
        {"@midnight", "@daily"},
        {"@weekly", "0 0 * * sun"},
        {"@monthly", "0 0 1 * *"},
        {"@yearly", "0 0 1 1 *"},
        {"@annually", "@yearly"},
        {"*/60 * * * *", "0 * * * *"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const struct ls_cron a = parsed(same[i].one), b = parsed(same[i].other);

        if (a.minutes != b.minutes || a.hours != b.hours || a.days != b.days ||
            a.months != b.months || a.weekdays != b.weekdays || a.any_day != b.any_day ||
            a.any_weekday != b.any_weekday)
            fail_msg("%s is not %s", same[i].one, same[i].other);
    }
}

static void what_is_wrong_is_told_with_field_value_and_what_is_allowed(void **state)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"60 * * * *", "minute \"60\" is too large. Allowed are 0 to 59"},
        {"* 24 * * *", "hour \"24\" is too large. Allowed are 0 to 23"},
        {"* * 0 * *", "day of month \"0\" is too small. Allowed are 1 to 31"},
        {"* * 32 * *", "day of month \"32\" is too large"},
        {"* * * 13 *", "month \"13\" is too large. Allowed are 1 to 12 or jan to dec"},
        {"* * * 0 *", "month \"0\" is too small"},
        {"* * * * 8", "day of week \"8\" is too large. Allowed are 0 to 7 or sun to sat"},
        {"* * * janv *", "month \"janv\" is no number and no name"},
        {"* * * * tues", "day of week \"tues\" is no number and no name"},
        {"mon * * * *", "minute \"mon\" is no number."},
        {"-1 * * * *", "minute \"\" is empty"},
        {"1- * * * *", "minute \"\" is empty"},
        {"1,,2 * * * *", "minute \"\" is empty"},
        {", * * * *", "minute \"\" is empty"},
        {"1, * * * *", "minute \"\" is empty"},
        {"*/0 * * * *", "minute \"/0\" is no step: it would stand still"},
        {"*/ * * * *", "minute \"/\" is no step: behind the / stands a number"},
        {"*/x * * * *", "minute \"/x\" is no step"},
        {"*/-5 * * * *", "minute \"/-5\" is no step"},
        {"*/90 * * * *", "minute \"/90\" is a step longer than the field"},
        {"0 */25 * * *", "hour \"/25\" is a step longer"},
        {"30-10 * * * *", "minute \"30-10\" runs backwards"},
        {"0 22-2 * * *", "hour \"22-2\" runs backwards"},
        {"0 0 * * 5-0", "day of week \"5-0\" runs backwards"},
        {"0 0 * * fri-mon", "day of week \"fri-mon\" runs backwards"},
        {"0 0 L * *", "day of month \"L\" is no number"},
        {"0 0 15W * *", "day of month \"15W\" is no number"},
        {"0 0 * * 5#3", "day of week \"5#3\" is no number"},
        {"0 0 ? * *", "day of month \"?\" is no number"},
        {"** * * * *", "minute \"**\" is no number"},
        {"*,5x * * * *", "minute \"5x\" is no number"},
        {"99999999999999999999 * * * *", "too large"},
        {"1.5 * * * *", "no number"},
        {"0 0 * *", "fewer than five fields"},
        {"", "fewer than five fields"},
        {"0 0 0 1 1 *", "day of month \"0\""},
        {"0 0 1 1 * 2026", "more than five fields"},
        {"@every 5m", "there is no such name"},
        {"@reboot", "there is no such name"},
        {"@", "there is no such name"},
        {"CRON_TZ=", "behind TZ="},
        {"CRON_TZ=Europe/Vienna", "behind TZ="},
        {"TZ= 0 0 * * *", "behind TZ="},
        {"CRON_TZ=Europe/Vienna 0 0 * *", "fewer than five"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(cases[i].text, cases[i].part);
}

static void dates_that_never_come_are_refused(void **state)
{
    static const char *const never[] = {"0 0 30 2 *", "0 0 31 2 *", "0 0 31 4,6,9,11 *",
                                        "0 0 30,31 feb *", "0 0 31 2,4 */2"};
    static const char *const sometimes[] = {"0 0 29 2 *",     "0 0 30 2 1",   "0 0 31 2-3 *",
                                            "0 0 31 12 *",    "0 0 29 2 */7", "0 0 */30 2 *",
                                            "0 0 30-31 2 fri"};
    (void)state;

    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        assert_refused(never[i], "it would never be due");
    for (size_t i = 0; i < sizeof sometimes / sizeof *sometimes; i++)
        parsed(sometimes[i]);
}

static void the_zone_comes_from_the_prefix_or_the_setting(void **state)
{
    const struct ls_cron plain = parsed("0 0 * * *"),
                         with = parsed("CRON_TZ=Europe/Vienna 0 0 * * *"),
                         wrong = parsed("TZ=europe/viena @daily");
    struct ls_zone *zone = NULL;
    struct ls_error err;
    (void)state;

    assert_string_equal(plain.zone, "");
    assert_string_equal(with.zone, "Europe/Vienna");
    assert_int_equal(ls_cron_zone(&plain, NULL, &zone, &err), LS_OK);
    assert_string_equal(ls_zone_name(zone), "UTC");
    ls_zone_close(zone);
    assert_int_equal(ls_cron_zone(&plain, "Asia/Kathmandu", &zone, &err), LS_OK);
    assert_string_equal(ls_zone_name(zone), "Asia/Kathmandu");
    ls_zone_close(zone);
    assert_int_equal(ls_cron_zone(&with, "", &zone, &err), LS_OK);
    assert_string_equal(ls_zone_name(zone), "Europe/Vienna");
    ls_zone_close(zone);
    assert_int_equal(ls_cron_zone(&with, "Europe/Vienna", &zone, &err), LS_OK);
    ls_zone_close(zone);
    assert_int_equal(ls_cron_zone(&with, "UTC", &zone, &err), LS_CONFIG);
    assert_non_null(strstr(err.text, "two time zones"));
    assert_int_equal(ls_cron_zone(&wrong, NULL, &zone, &err), LS_CONFIG);
    assert_non_null(strstr(err.text, "Did you mean \"Europe/Vienna\"?"));
    assert_int_equal(ls_cron_zone(&plain, "a\x1b[31m\xff", &zone, &err), LS_CONFIG);
    assert_null(strchr(err.text, '\x1b'));
}

static void an_expression_is_told_in_words(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"* * * * *", "every minute, UTC"},
        {"*/5 * * * *", "every 5 minutes, UTC"},
        {"2-59/5 * * * *", "every 5 minutes from minute 2 on, UTC"},
        {"*/7 * * * *", "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour, UTC"},
        {"0 * * * *", "every hour, at minute 0, UTC"},
        {"5,35 * * * *", "every 30 minutes from minute 5 on, UTC"},
        {"5,6 * * * *", "at minutes 5 and 6 of every hour, UTC"},
        {"0 */6 * * *", "every 6 hours, at minute 0, UTC"},
        {"30 1-23/2 * * *", "every 2 hours from 1 on, at minute 30, UTC"},
        {"0 */5 * * *", "at 00:00, 05:00, 10:00, 15:00 and 20:00, UTC"},
        {"30 9 * * *", "at 09:30, UTC"},
        {"0,30 9,17 * * *", "at 09:00, 09:30, 17:00 and 17:30, UTC"},
        {"0 9 * * 1-5", "at 09:00 on Monday to Friday, UTC"},
        {"0 9 * * sat,sun", "at 09:00 on Saturday and Sunday, UTC"},
        {"0 9 * * fri-sun", "at 09:00 on Friday to Sunday, UTC"},
        {"0 9 * * 7", "at 09:00 on Sunday, UTC"},
        {"0 0 1 * *", "at 00:00 on day 1 of the month, UTC"},
        {"0 0 1,15 * 5", "at 00:00 on days 1 and 15 of the month, and on every Friday, UTC"},
        {"0 0 */10 * 5", "at 00:00 on days 1, 11, 21 and 31 of the month, if it is Friday, UTC"},
        {"0 0 1-31 * 5", "at 00:00, UTC"},
        {"0 0 29 2 *", "at 00:00 on day 29 of the month in February, UTC"},
        {"*/10 8-17 * jan-mar,jul mon",
         "every 10 minutes of hours 8 to 17 on Monday in January to March and July, UTC"},
        {"0 8-17 * * *", "at minute 0 of hours 8 to 17, UTC"},
        {"* 3 * * *", "every minute of hour 3, UTC"},
    };
    struct ls_buf out;
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ls_cron cron = parsed(cases[i].text);

        ls_buf_init(&out, 0);
        ls_cron_describe(&cron, "UTC", &out);
        if (strcmp(ls_buf_str(&out), cases[i].words) != 0)
            fail_msg("%s: \"%s\" instead of \"%s\"", cases[i].text, ls_buf_str(&out),
                     cases[i].words);
        ls_buf_done(&out);
    }
}

/* What may be asked of anything that was taken. */
static void use(const struct ls_cron *cron)
{
    struct ls_zone *zone = NULL;
    struct ls_buf out;
    int64_t due;

    assert_int_equal(ls_zone_open("Australia/Lord_Howe", &zone, NULL), LS_OK);
    due = ls_cron_next(cron, zone, INT64_C(1700000000000000));
    assert_true(due > INT64_C(1700000000000000) && due != LS_CRON_NEVER);
    assert_true(ls_cron_last(cron, zone, due) == due);
    ls_buf_init(&out, 0);
    ls_cron_describe(cron, "UTC", &out);
    assert_non_null(ls_buf_str(&out));
    ls_buf_done(&out);
    ls_zone_close(zone);
}

static void hostile_texts_are_refused_or_taken_but_harm_nothing(void **state)
{
    static const char *const pieces[] = {
        "*", "/",   "-",    ",",    " ", "\t", "0",    "7",    "59",     "31", "jan", "sun",
        "@", "TZ=", "\x1b", "\xff", "5", "* ", "*/2 ", "1-5 ", "@daily", "%s", "\n",  "99999"};
    uint64_t seed = new_seed();
    size_t taken = 0;
    (void)state;

    for (unsigned round = 0; round < 200000; round++) {
        char text[700] = "";
        size_t size = 0;
        struct ls_cron cron;
        struct ls_error err = {0};

        for (unsigned n = below(&seed, round % 1000 == 0 ? 150 : 14); n > 0; n--) {
            const char *piece = pieces[below(&seed, sizeof pieces / sizeof *pieces)];

            if (size + strlen(piece) >= sizeof text)
                break;
            memcpy(text + size, piece, strlen(piece) + 1);
            size += strlen(piece);
        }
        if (ls_cron_parse(text, &cron, &err) == LS_OK) {
            taken++;
            use(&cron);
            continue;
        }
        assert_int_equal(err.code, LS_CONFIG);
        assert_int_equal(ls_utf8_check(err.text, strlen(err.text)), strlen(err.text));
        assert_null(strpbrk(err.text, "\x1b\n"));
    }
    assert_true(taken > 0);
}

/* One byte of a good expression after the other becomes every other byte. */
static void one_wrong_byte_anywhere_does_no_harm(void **state)
{
    static const char good[] = "CRON_TZ=Europe/Vienna */5,7 9-17/2 1,L jan-mar mon-fri";
    (void)state;

    for (size_t i = 0; i < sizeof good - 1; i++)
        for (int c = 0; c < 256; c++) {
            char text[sizeof good];
            struct ls_cron cron;

            memcpy(text, good, sizeof good);
            text[i] = (char)c;
            if (ls_cron_parse(text, &cron, NULL) == LS_OK)
                use(&cron);
        }
}

static void a_text_that_is_too_long_is_refused(void **state)
{
    char text[2000];
    (void)state;

    memset(text, ' ', sizeof text);
    memcpy(text + 1990, "* * * * *", 10);
    parsed(text);
    memset(text, '1', sizeof text);
    text[1999] = '\0';
    assert_refused(text, "longer than 500 bytes");
    memset(text + 1, ',', 498);
    text[499] = '\0';
    assert_refused(text, "is empty");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_write_a_set_means_the_same),
        cmocka_unit_test(what_is_wrong_is_told_with_field_value_and_what_is_allowed),
        cmocka_unit_test(dates_that_never_come_are_refused),
        cmocka_unit_test(the_zone_comes_from_the_prefix_or_the_setting),
        cmocka_unit_test(an_expression_is_told_in_words),
        cmocka_unit_test(hostile_texts_are_refused_or_taken_but_harm_nothing),
        cmocka_unit_test(one_wrong_byte_anywhere_does_no_harm),
        cmocka_unit_test(a_text_that_is_too_long_is_refused),
    };
    return cmocka_run_group_tests_name("schedule/cron", tests, NULL, NULL);
}
