/* SPDX-License-Identifier: Apache-2.0 */
/* test_retry.c - policies, what each answer leads to, and what receivers ask for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "event/retry.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NOW_MS INT64_C(1700000000000) /* Tue, 14 Nov 2023 22:13:20 GMT */

static const struct ls_retry *policy(const char *name)
{
    const struct ls_retry *p = ls_retry_find(name);

    assert_non_null(p);
    return p;
}

static void the_named_policies_are_what_they_say(void **state)
{
    static const struct {
        const char *name;
        unsigned attempts;
        int64_t first_ms, last_ms, all_ms;
    } known[] = {
        {"documented", 3, 1000, 2000, 3000},
        /* 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h */
        {"standard", 10, 5000, 86400000, 272105000},
        {"fast", 6, 500, 8000, 15500},
        {"long", 24, 30000, 43200000, 30000LL * 2047 + 12LL * 43200000},
        {"qstash", 4, 12182, 1808042, 1968637},
    };
    struct ls_error err;
    (void)state;

    assert_int_equal(COUNT(known), ls_retry_policy_count);
    for (size_t i = 0; i < COUNT(known); i++) {
        const struct ls_retry *p = policy(known[i].name);
        int64_t all_ms = 0;

        assert_int_equal(ls_retry_check(p, &err), LS_OK);
        assert_int_equal(p->attempts, known[i].attempts);
        assert_int_equal(ls_retry_pause_ms(p, 1), known[i].first_ms);
        assert_int_equal(ls_retry_pause_ms(p, p->attempts - 1), known[i].last_ms);
        for (unsigned a = 1; a < p->attempts; a++)
            all_ms += ls_retry_pause_ms(p, a);
        assert_int_equal(all_ms, known[i].all_ms);
    }
    assert_null(ls_retry_find("none"));
}

/* The document: first 1 s, doubling, never over 30 s; all of it with up to 20 % on top. */
static void the_documented_pause_doubles_from_one_second_to_thirty(void **state)
{
    struct ls_retry p = *policy("documented");
    static const int64_t wanted_ms[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    const struct ls_retry_answer failed = {.status = 500};
    (void)state;

    p.attempts = 100;
    for (unsigned a = 1; a <= COUNT(wanted_ms); a++) {
        int64_t least = INT64_MAX, most = 0;

        assert_int_equal(ls_retry_pause_ms(&p, a), wanted_ms[a - 1]);
        for (uint64_t chance = 0; chance < 10000; chance++) {
            struct ls_retry_decision d = ls_retry_decide(&p, a, &failed, chance);

            assert_int_equal(d.verdict, LS_RETRY_AGAIN);
            least = d.pause_ms < least ? d.pause_ms : least;
            most = d.pause_ms > most ? d.pause_ms : most;
        }
        if (wanted_ms[a - 1] < 30000) {
            assert_int_equal(least, wanted_ms[a - 1]);
            assert_int_equal(most, wanted_ms[a - 1] * 12 / 10);
        } else { /* chance is taken off at the top */
            assert_int_equal(least, 24000);
            assert_int_equal(most, 30000);
        }
    }
    p.attempts = 3;
    assert_int_equal(ls_retry_decide(&p, 2, &failed, 0).verdict, LS_RETRY_AGAIN);
    assert_int_equal(ls_retry_decide(&p, 3, &failed, 0).verdict, LS_RETRY_DEAD);
}

static void chance_never_leads_over_the_longest_pause(void **state)
{
    (void)state;
    for (size_t i = 0; i < ls_retry_policy_count; i++) {
        const struct ls_retry *p = &ls_retry_policies[i];
        const struct ls_retry_answer failed = {.status = 500};

        for (unsigned a = 1; a < p->attempts; a++) {
            for (uint64_t chance = 1; chance; chance *= 3) {
                int64_t pause_ms = ls_retry_decide(p, a, &failed, chance).pause_ms;

                assert_true(pause_ms >= ls_retry_pause_ms(p, a) * 8 / 10);
                assert_true(pause_ms <= p->max_ms);
                if (chance > UINT64_MAX / 3)
                    break;
            }
        }
    }
}

static void each_status_leads_to_one_verdict(void **state)
{
    const struct ls_retry *standard = policy("standard");
    struct ls_retry strict = *standard;
    (void)state;

    strict.client_errors_end = true;
    for (int status = 0; status < 1000; status++) {
        const struct ls_retry_answer a = {.status = status};
        enum ls_retry_verdict verdict = ls_retry_decide(standard, 1, &a, 0).verdict;
        bool soft = status == 408 || status == 425 || status == 429;

        assert_int_equal(verdict, status >= 200 && status < 300 ? LS_RETRY_DONE
                                  : status == 410               ? LS_RETRY_DISABLE
                                                                : LS_RETRY_AGAIN);
        if (status >= 400 && status < 500 && status != 410 && !soft)
            verdict = LS_RETRY_DEAD;
        assert_int_equal(ls_retry_decide(&strict, 1, &a, 0).verdict, verdict);
    }
    /* the receiver's own word */
    assert_int_equal(
        ls_retry_decide(standard, 1, &(struct ls_retry_answer){.status = 489, .final = true}, 0)
            .verdict,
        LS_RETRY_DEAD);
    assert_non_null(ls_retry_decide(standard, 10, &(struct ls_retry_answer){.status = 500}, 0).why);
    /* delivered at the last attempt is delivered */
    assert_int_equal(
        ls_retry_decide(standard, 99, &(struct ls_retry_answer){.status = 204}, 0).verdict,
        LS_RETRY_DONE);
    assert_int_equal(
        ls_retry_decide(standard, 99, &(struct ls_retry_answer){.status = 410}, 0).verdict,
        LS_RETRY_DISABLE);
}

static void what_the_receiver_asks_for_counts_upwards_and_to_a_limit(void **state)
{
    static const struct {
        const char *policy;
        unsigned attempt;
        struct ls_retry_answer answer;
        int64_t pause_ms;
    } cases[] = {
        {"documented", 1, {.status = 429, .asked_ms = 500}, 1000},
        {"documented", 1, {.status = 429, .asked_ms = 10000}, 10000},
        {"documented", 1, {.status = 503, .asked_ms = 10000}, 10000},
        {"documented", 1, {.status = 429, .asked_ms = 3600000}, 30000},
        {"documented", 1, {.status = 500, .asked_ms = 0}, 1000},
        {"standard", 1, {.status = 500}, 5000},
        {"standard", 1, {.status = 429}, 60000},
        {"standard", 1, {.status = 502}, 60000},
        {"standard", 1, {.status = 503}, 5000},
        {"standard", 1, {.status = 504}, 60000},
        {"standard", 1, {.status = 0, .timed_out = true}, 60000},
        {"standard", 1, {.status = 0}, 5000},
        {"standard", 2, {.status = 429}, 300000},
        {"standard", 1, {.status = 429, .asked_ms = 61000}, 61000},
        {"standard", 4, {.status = 429, .asked_ms = 61000}, 7200000},
        {"standard", 1, {.status = 429, .asked_ms = LS_RETRY_DAY_MS}, 86400000},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct ls_retry *p = policy(cases[i].policy);

        assert_int_equal(ls_retry_decide(p, cases[i].attempt, &cases[i].answer, 0).pause_ms,
                         cases[i].pause_ms);
        /* chance comes on top of what was asked for, never under it */
        if (cases[i].answer.asked_ms == 10000)
            assert_true(ls_retry_decide(p, cases[i].attempt, &cases[i].answer, 1999).pause_ms ==
                        11999);
    }
}

static const struct {
    const char *value;
    int64_t ms; /* -1: cannot be read */
} asked[] = {
    {"0", 0},
    {"1", 1000},
    {"120", 120000},
    {" 120 ", 120000},
    {"2.0", 2000},
    {"0.25", 250},
    {"1.9999", 1999},
    {"86400", 86400000},
    {"86401", 86400000},
    {"99999999999999999999999999", 86400000},
    {"10s", 10000},
    {"1m30s", 90000},
    {"1h", 3600000},
    {"1h2m3s", 3723000},
    {"250ms", 250},
    {"1m0.5s", 60500},
    {"6m0s", 360000},
    {"1d", 86400000},
    {"2d", 86400000},
    {"99999999999999999h", 86400000},
    {"Tue, 14 Nov 2023 22:14:20 GMT", 60000},
    {"Tue, 14 Nov 2023 22:13:20 GMT", 0},
    {"Tue, 14 Nov 2023 22:13:19 GMT", 0},
    {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
    {"Tuesday, 14-Nov-23 22:14:20 GMT", 60000},
    {"Tue Nov 14 22:14:20 2023", 60000},
    {"Fri, 31 Dec 9999 23:59:59 GMT", 86400000},
    {"", -1},
    {" ", -1},
    {"-1", -1},
    {"+1", -1},
    {"1 s", -1},
    {"1x", -1},
    {"s", -1},
    {"1.", -1},
    {".5", -1},
    {"1e3", -1},
    {"0x10", -1},
    {"NaN", -1},
    {"Infinity", -1},
    {"soon", -1},
    {"2023-11-14T22:14:20Z", -1},
    {"Tue", -1},
    {"Tue, 99 Nov 2023 99:99:99 GMT", -1},
    {"1m30", -1},
    {"1,2", -1},
    {"00000000000000000000000000000000000000000000000000000000000000000000000001", -1},
};

static void a_wait_is_read_in_each_of_its_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(asked); i++) {
        int64_t ms = ls_retry_asked_value_ms(asked[i].value, false, NOW_MS);

        if (ms != asked[i].ms)
            fail_msg("'%s' gives %lld", asked[i].value, (long long)ms);
    }
    /* Unix seconds are told by their size, and only where they may stand */
    assert_int_equal(ls_retry_asked_value_ms("1700000060", true, NOW_MS), 60000);
    assert_int_equal(ls_retry_asked_value_ms("1699999999", true, NOW_MS), 0);
    assert_int_equal(ls_retry_asked_value_ms("60", true, NOW_MS), 60000);
    assert_int_equal(ls_retry_asked_value_ms("1700000060", false, NOW_MS), LS_RETRY_DAY_MS);
}

static void retry_after_counts_before_the_headers_of_rate_limits(void **state)
{
    static const struct {
        struct ls_header headers[4];
        size_t count;
        int64_t ms;
    } cases[] = {
        {{{"content-type", "text/plain"}}, 1, 0},
        {{{"Retry-After", "5"}, {"X-RateLimit-Reset", "60"}}, 2, 5000},
        {{{"retry-after", "5"}, {"RETRY-AFTER", "7"}}, 2, 7000},
        {{{"Retry-After", "soon"}, {"X-RateLimit-Reset", "60"}}, 2, 60000},
        {{{"Retry-After", "0"}, {"X-RateLimit-Reset", "60"}}, 2, 0},
        {{{"X-RateLimit-Reset-Requests", "1m30s"}, {"x-ratelimit-reset-tokens", "20ms"}}, 2, 90000},
        {{{"x-ratelimit-reset", "1700000030"}}, 1, 30000},
        {{{"RateLimit-Reset", "30"}}, 1, 30000},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(ls_retry_asked_ms(cases[i].headers, cases[i].count, NOW_MS), cases[i].ms);
    assert_int_equal(ls_retry_asked_ms(NULL, 0, NOW_MS), 0);
}

static void only_the_documented_pair_says_never_again(void **state)
{
    const struct ls_header said[] = {{"x", "y"}, {"upstash-nonretryable-error", "true"}};
    const struct ls_header denied[] = {{"Upstash-NonRetryable-Error", "false"}};
    (void)state;

    assert_true(ls_retry_final(489, said, 2));
    assert_false(ls_retry_final(489, said, 1));
    assert_false(ls_retry_final(489, denied, 1));
    assert_false(ls_retry_final(500, said, 2));
}

static void a_policy_that_makes_no_sense_is_refused(void **state)
{
    const struct ls_retry good = {
        .attempts = 5, .first_ms = 10, .max_ms = 100, .factor_percent = 150};
    static const int64_t negative[] = {1000, -1};
    static const int64_t fine[] = {1000, 0, 5000};
    struct ls_retry p;
    struct ls_error err;
    (void)state;

    assert_int_equal(ls_retry_check(&good, &err), LS_OK);
#define REFUSED(change)                                        \
    do {                                                       \
        p = good;                                              \
        change;                                                \
        assert_int_not_equal(ls_retry_check(&p, &err), LS_OK); \
    } while (0)
    REFUSED(p.attempts = 0);
    REFUSED(p.attempts = 1001);
    REFUSED(p.first_ms = -1);
    REFUSED(p.first_ms = 101);
    REFUSED(p.max_ms = 31 * LS_RETRY_DAY_MS);
    REFUSED(p.factor_percent = 99);
    REFUSED(p.factor_percent = 10001);
    REFUSED(p.jitter_percent = 101);
    REFUSED((p.pauses_ms = negative, p.pause_count = 2));
    REFUSED(p.expression = "1 +");
#undef REFUSED
    p = good;
    p.pauses_ms = fine;
    p.pause_count = 3;
    assert_int_equal(ls_retry_check(&p, &err), LS_OK);
    assert_int_equal(ls_retry_pause_ms(&p, 2), 0);
    assert_int_equal(ls_retry_pause_ms(&p, 3), 5000);
    assert_int_equal(ls_retry_pause_ms(&p, 1000), 5000);
    p = good; /* 10, 15, 22, 33, 49, 73, 100 */
    assert_int_equal(ls_retry_pause_ms(&p, 3), 22);
    assert_int_equal(ls_retry_pause_ms(&p, 1000), 100);
}

static const char *read_and_written(const char *text)
{
    static char out[1200];
    struct ls_retry p;
    struct ls_error err;
    struct ls_buf buf;

    ls_buf_init(&buf, 0);
    if (ls_retry_read(text, &p, &err) == LS_OK)
        ls_retry_write(&buf, &p);
    snprintf(out, sizeof out, "%s", buf.size ? ls_buf_str(&buf) : err.text);
    ls_buf_done(&buf);
    return out;
}

static void a_policy_is_written_by_its_numbers(void **state)
{
    static const struct {
        const char *text, *written;
    } cases[] = {
        {"standard", "standard"},
        {"attempts=5", "attempts=5, delay=1s, factor=2, max_delay=30s, jitter=20%"},
        {" delay = 250 ms ,factor=1.5, jitter=0.05",
         "attempts=3, delay=250ms, factor=1.5, max_delay=30s, jitter=5%"},
        {"delay=2min", "attempts=3, delay=2min, factor=2, max_delay=2min, jitter=20%"},
        {"max_delay=1d,factor=1.25,attempts=1000,jitter=0%",
         "attempts=1000, delay=1s, factor=1.25, max_delay=1d, jitter=0%"},
        {"factor=100,delay=30d,max_delay=30d,jitter=1",
         "attempts=3, delay=30d, factor=100, max_delay=30d, jitter=100%"},
        /* and what is none */
        {"slow", "there is no retry policy \"slow\""},
        {"", "there is no retry policy"},
        {"attempts=5,", "attempts=5, delay"},
        {"attempts=5,,", "there is no retry policy \"\""},
        {"attempts=0", "attempts is \"0\": a number from 1 to 1000"},
        {"attempts=1001", "attempts is"},
        {"attempts=5x", "attempts is"},
        {"delay=2", "delay is \"2\": a time from 1ms to 30d is expected here, with its unit"},
        {"delay=0s", "delay is"},
        {"delay=31d", "delay is"},
        {"delay=-1s", "delay is"},
        {"delay=1min,max_delay=1s", "delay is longer than its max_delay"},
        {"factor=0.9", "factor is"},
        {"factor=101", "factor is"},
        {"factor=nan", "factor is"},
        {"factor=", "factor is"},
        {"jitter=20", "jitter is \"20\": a share is expected here: 20% or 0.2"},
        {"jitter=101%", "jitter is"},
        {"atempts=5", "did you mean attempts?"},
        {"concurrency=5", "concurrency is a setting of the endpoint"},
        {"=5", "a policy has no \"\""},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *got = read_and_written(cases[i].text);
        char again[1200];

        if (!strstr(got, cases[i].written))
            fail_msg("%s: %s", cases[i].text, got);
        snprintf(again, sizeof again, "%s", got);
        if (i < 6 &&
            (strcmp(again, cases[i].written) != 0 || strcmp(read_and_written(again), again) != 0))
            fail_msg("%s: %s", cases[i].text, again);
    }
}

/* What the document says, said by its numbers, is the documented policy. */
static void the_documented_numbers_make_the_documented_policy(void **state)
{
    const struct ls_retry_answer bad = {.status = 500, .asked_ms = LS_RETRY_DAY_MS};
    const struct ls_retry *documented = policy("documented");
    struct ls_retry p;
    struct ls_error err;
    (void)state;

    assert_int_equal(
        ls_retry_read("attempts=3,delay=1s,factor=2,max_delay=30s,jitter=20%", &p, &err), LS_OK);
    for (unsigned n = 1; n <= 3; n++) {
        const struct ls_retry_decision a = ls_retry_decide(&p, n, &bad, 7),
                                       b = ls_retry_decide(documented, n, &bad, 7);

        assert_int_equal(a.verdict, b.verdict);
        assert_int_equal(a.pause_ms, b.pause_ms);
        assert_int_equal(ls_retry_pause_ms(&p, n), ls_retry_pause_ms(documented, n));
    }
}

/* A seeded walk: whatever the settings, a pause lies between the smallest and the largest one, and the last attempt ends. */
static void any_policy_ends_and_keeps_its_limits(void **state)
{
    uint64_t x = UINT64_C(0x9e3779b97f4a7c15); /* the seed */
    (void)state;

    for (int round = 0; round < 20000; round++) {
        struct ls_retry p = {0};
        struct ls_error err;
        unsigned attempt = 1;
        struct ls_retry_answer a = {.status = 500};

        x = x * 6364136223846793005u + 1442695040888963407u;
        p.attempts = 1 + (unsigned)(x >> 60);
        p.first_ms = (int64_t)(x >> 50 & 1023);
        p.max_ms = p.first_ms + (int64_t)(x >> 30 & 0xfffff);
        p.factor_percent = 100 + (unsigned)(x >> 20 & 511);
        p.jitter_percent = (unsigned)(x >> 10 & 63);
        p.asked_max_ms = p.max_ms;
        a.asked_ms = (int64_t)(x >> 32 & 0x1fffff);
        assert_int_equal(ls_retry_check(&p, &err), LS_OK);
        for (;; attempt++) {
            struct ls_retry_decision d = ls_retry_decide(&p, attempt, &a, x >> attempt);

            if (d.verdict == LS_RETRY_DEAD)
                break;
            assert_int_equal(d.verdict, LS_RETRY_AGAIN);
            assert_true(d.pause_ms >= 0 && d.pause_ms <= p.max_ms * 2);
            if (a.asked_ms <= p.asked_max_ms)
                assert_true(d.pause_ms >= a.asked_ms);
        }
        assert_int_equal(attempt, p.attempts);
    }
}

static const struct {
    const char *text;
    unsigned retried;
    int64_t ms; /* -1: has no value */
} formulas[] = {
    {"1000", 3, 1000},
    {"pow(2, retried) * 1000", 0, 1000},
    {"pow(2, retried) * 1000", 5, 32000},
    {"1000 * (1 + retried)", 2, 3000},
    {"max(1000, pow(2, retried) * 100)", 1, 1000},
    {"max(1000, pow(2, retried) * 100)", 6, 6400},
    {"min(60000, exp(retried)*1000)", 20, 60000},
    {"round(2.5)", 0, 3},
    {"floor(2.9) + ceil(2.1)", 0, 5},
    {"sqrt(16)+abs(-4)", 0, 8},
    {"2 + 3 * 4", 0, 14},
    {"(2 + 3) * 4", 0, 20},
    {"20 - 3 - 2", 0, 15},
    {"100 / 10 / 5", 0, 2},
    {"17 % 5", 0, 2},
    {"- -5", 0, 5},
    {"-5", 0, 0},
    {"+5", 0, 5},
    {"\t 5 \t", 0, 5},
    {".5*10", 0, 5},
    {"1.5.5", 0, -1},
    {"retried", 7, 7},
    {"1/0", 0, LS_RETRY_DAY_MS},
    {"-1/0", 0, 0},
    {"0/0", 0, -1},
    {"sqrt(-1)", 0, -1},
    {"pow(10, 400)", 0, LS_RETRY_DAY_MS},
    {"999999999999999999999999999999", 0, LS_RETRY_DAY_MS},
    {"", 0, -1},
    {" ", 0, -1},
    {"1 2", 0, -1},
    {"1 +", 0, -1},
    {"* 2", 0, -1},
    {"(1", 0, -1},
    {"1)", 0, -1},
    {"pow(2)", 0, -1},
    {"pow(2,3,4)", 0, -1},
    {"pow 2", 0, -1},
    {"abs()", 0, -1},
    {"log(2)", 0, -1},
    {"Retried", 0, -1},
    {"retriedx", 0, -1},
    {"retr", 0, -1},
    {"1e3", 0, -1},
    {"0x10", 0, -1},
    {"1,000", 0, -1},
    {"1;2", 0, -1},
    {"2^3", 0, -1},
    {".", 0, -1},
    {"\n1", 0, -1},
};

static void a_formula_gives_a_pause(void **state)
{
    char deep[201], wide[700];
    struct ls_error err;
    (void)state;

    for (size_t i = 0; i < COUNT(formulas); i++) {
        int64_t ms = ls_retry_expression_ms(formulas[i].text, formulas[i].retried);

        if (ms != formulas[i].ms)
            fail_msg("%s gives %lld", formulas[i].text, (long long)ms);
        if (ms >= 0)
            assert_int_equal(ls_retry_expression_check(formulas[i].text, &err), LS_OK);
    }
    assert_int_equal(ls_retry_expression_check("1 + log(2)", &err), LS_USAGE);
    assert_non_null(strstr(err.text, "at character 5: a number, `retried` or a function"));
    memset(deep, '(', 200);
    deep[200] = '\0';
    assert_int_equal(ls_retry_expression_check(deep, &err), LS_USAGE);
    assert_non_null(strstr(err.text, "nested too deeply"));
    memset(wide, '1', sizeof(wide) - 1);
    wide[sizeof(wide) - 1] = '\0';
    assert_int_equal(ls_retry_expression_check(wide, &err), LS_USAGE);
}

/* A formula without a value must not make a pause of nothing. */
static void a_policy_with_a_formula_falls_back_where_it_has_no_value(void **state)
{
    struct ls_retry p = *policy("qstash");
    (void)state;

    p.expression = "retried * 500";
    assert_int_equal(ls_retry_pause_ms(&p, 1), 0);
    assert_int_equal(ls_retry_pause_ms(&p, 3), 1000);
    p.expression = "(retried - 1) / (retried - 1) * 7";
    assert_int_equal(ls_retry_pause_ms(&p, 1), 7);
    assert_int_equal(ls_retry_pause_ms(&p, 2), 148413); /* 0/0 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_named_policies_are_what_they_say),
        cmocka_unit_test(the_documented_pause_doubles_from_one_second_to_thirty),
        cmocka_unit_test(chance_never_leads_over_the_longest_pause),
        cmocka_unit_test(each_status_leads_to_one_verdict),
        cmocka_unit_test(what_the_receiver_asks_for_counts_upwards_and_to_a_limit),
        cmocka_unit_test(a_wait_is_read_in_each_of_its_forms),
        cmocka_unit_test(retry_after_counts_before_the_headers_of_rate_limits),
        cmocka_unit_test(only_the_documented_pair_says_never_again),
        cmocka_unit_test(a_policy_that_makes_no_sense_is_refused),
        cmocka_unit_test(a_policy_is_written_by_its_numbers),
        cmocka_unit_test(the_documented_numbers_make_the_documented_policy),
        cmocka_unit_test(any_policy_ends_and_keeps_its_limits),
        cmocka_unit_test(a_formula_gives_a_pause),
        cmocka_unit_test(a_policy_with_a_formula_falls_back_where_it_has_no_value),
    };
    return cmocka_run_group_tests_name("event/retry", tests, NULL, NULL);
}
