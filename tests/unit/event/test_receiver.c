/* SPDX-License-Identifier: Apache-2.0 */
/* What messages say, by scheme and by expressions of one's own; which bodies and times are taken; what expressions may see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "event/receiver.h"

#define S ((int64_t)1000000)
#define NOW (1769860800 * S) /* 2026-01-31T12:00:00Z */

struct heard {
    struct ls_arena mem;
    struct ls_said m;
    struct ls_error err;
};

static enum ls_code hear(struct heard *h, const struct ls_receiver *r, const char *headers,
                         const char *body, size_t size)
{
    memset(h, 0, sizeof *h);
    ls_arena_init(&h->mem, 0);
    return ls_receiver_read(r, headers, body, size, NOW, &h->mem, &h->m, &h->err);
}

static void forget(struct heard *h)
{
    ls_said_done(&h->m);
    ls_arena_done(&h->mem);
}

#define TEXT(text) (text), strlen(text)

static void each_scheme_knows_what_its_messages_say(void **state)
{
    static const struct {
        enum ls_sign_scheme scheme;
        const char *headers, *body, *id, *type, *resource;
        int64_t at_s;
        bool deletes;
    } cases[] = {
        {LS_SIGN_DOCUMENTED, "{}",
         "{\"id\":\"e\",\"type\":\"enrollment.deleted\",\"resourceId\":\"r\",\"timestamp\":"
         "\"2026-01-31T11:00:00.000Z\"}",
         "e", "enrollment.deleted", "r", 1769857200, true},
        {LS_SIGN_STANDARD, "{\"webhook-id\":\"m\",\"webhook-timestamp\":\"1769860790\"}",
         "{\"type\":\"a.created\",\"data\":{\"id\":7}}", "m", "a.created", "7", 1769860790, false},
        {LS_SIGN_GITHUB, "{\"x-github-event\":\"issues\",\"x-github-delivery\":\"d\"}",
         "{\"action\":\"deleted\"}", "d", "issues", "", 1769860800, true},
        {LS_SIGN_STRIPE, "{}",
         "{\"id\":\"evt\",\"type\":\"customer.updated\",\"created\":1769860000,\"data\":{"
         "\"object\":"
         "{\"id\":\"cus\"}}}",
         "evt", "customer.updated", "cus", 1769860000, false},
        {LS_SIGN_SHOPIFY,
         "{\"x-shopify-topic\":\"products/delete\",\"x-shopify-webhook-id\":\"w\"}",
         "{\"id\":9007199254740993,\"updated_at\":\"2026-01-31T12:00:00+01:00\"}", "w",
         "products/delete", "9007199254740993", 1769857200, true},
        {LS_SIGN_SUPABASE, "{\"webhook-id\":\"s\",\"webhook-timestamp\":\"1769860799\"}",
         "{\"metadata\":{\"name\":\"after-user-created\"},\"user\":{\"id\":\"u\"}}", "s",
         "after-user-created", "u", 1769860799, false},
        {LS_SIGN_HEADER, "{}",
         "{\"type\":\"DELETE\",\"record\":null,\"old_record\":{\"id\":\"o\"}}", NULL, "DELETE", "o",
         1769860800, true},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ls_receiver r = {.name = "r", .scheme = cases[i].scheme};
        struct heard h;

        assert_int_equal(hear(&h, &r, cases[i].headers, TEXT(cases[i].body)), LS_OK);
        if (cases[i].id)
            assert_string_equal(h.m.id, cases[i].id);
        else
            assert_int_equal(strlen(h.m.id), 36); /* made */
        assert_string_equal(h.m.type, cases[i].type);
        assert_string_equal(h.m.resource, cases[i].resource);
        assert_int_equal(h.m.at_us, cases[i].at_s * S);
        assert_int_equal(h.m.deletes, cases[i].deletes);
        assert_true(h.m.wanted);
        forget(&h);
    }
}

static void a_body_that_can_be_understood_in_two_ways_is_refused(void **state)
{
    static const struct {
        const char *body, *why;
    } cases[] = {
        {"", "no JSON"},
        {"{\"id\":\"e\"", "no JSON"},
        {"{\"id\":\"e\"} {}", "no JSON"},
        {"{\"id\":\"e\",\"type\":\"a\",\"resourceId\":\"r\",\"id\":\"f\"}", "twice"},
        {"{\"data\":{\"a\":1,\"a\":2}}", "twice"},
        {"{\"id\":\"\xff\"}", "UTF-8"},
        {"{\"id\":\"\\ud800\"}", "no JSON"},
        {"{\"id\":\"e\",\"type\":\"a\"}", "resourceId"},
        {"{\"id\":\"e\",\"resourceId\":\"a\"}", "type"},
        {"{\"id\":\"a\\u0000b\",\"type\":\"a\",\"resourceId\":\"r\"}", "\\u0000"},
        {"{\"id\":\"e\",\"type\":\"a\",\"resourceId\":\"r\\u0000s\"}", "\\u0000"},
        {"{\"id\":\"e\",\"type\":\"a\",\"resourceId\":\"r\",\"data\":{\"id\":\"a\\u0000b\"}}",
         "\\u0000"},
        {"{\"id\":\"a\\nb\",\"type\":\"a\",\"resourceId\":\"r\"}", "more than a line"},
    };
    const struct ls_receiver r = {.name = "r"};
    struct heard h;
    char deep[4000];
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(hear(&h, &r, "{}", TEXT(cases[i].body)), LS_DATA);
        assert_non_null(strstr(h.err.text, cases[i].why));
        forget(&h);
    }
    memset(deep, '[', sizeof deep);
    assert_int_equal(hear(&h, &r, "{}", deep, sizeof deep), LS_DATA);
    forget(&h);
    assert_int_equal(hear(&h, &r, "{}", "{}\0", 3), LS_DATA);
    forget(&h);
}

static void a_time_may_be_off_by_the_window(void **state)
{
    static const struct {
        const char *at;
        int64_t window_s;
        enum ls_code code;
    } cases[] = {
        {"\"2026-01-31T12:04:59Z\"", 0, LS_OK},
        {"\"2026-01-31T12:05:01Z\"", 0, LS_DATA},
        {"\"2020-01-01T00:00:00Z\"", 0, LS_OK},
        {"\"2020-01-01T00:00:00Z\"", 60, LS_DATA},
        {"\"2026-01-31T11:59:01Z\"", 60, LS_OK},
        {"1769860800", 60, LS_OK},
        {"1769860800000", 60, LS_OK},
        {"\"1769860800\"", 60, LS_OK},
        {"1769860800.5", 60, LS_OK},
        {"\"2026-01-31T12:00:00\"", 60, LS_OK},
        {"\"yesterday\"", 0, LS_DATA},
        {"-5", 0, LS_DATA},
        {"[1]", 0, LS_DATA},
        {"null", 60, LS_OK},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ls_receiver r = {.name = "r", .window_s = cases[i].window_s};
        struct heard h;
        char body[200];

        snprintf(body, sizeof body,
                 "{\"id\":\"e\",\"type\":\"a\",\"resourceId\":\"r\",\"timestamp\":%s}",
                 cases[i].at);
        if (hear(&h, &r, "{}", TEXT(body)) != cases[i].code)
            fail_msg("%s: %s", cases[i].at, h.err.text);
        forget(&h);
    }
}

static void expressions_of_ones_own_read_what_the_scheme_does_not(void **state)
{
    const char *const types[] = {"issues.*"};
    const struct ls_receiver r = {
        .name = "r",
        .scheme = LS_SIGN_GITHUB,
        .types = types,
        .type_count = 1,
        .parts = {[LS_SAID_TYPE] =
                      "(headers ->> '$.\"x-github-event\"') || '.' || (body ->> '$.action')",
                  [LS_SAID_DATA] = "body -> '$.issue'",
                  [LS_SAID_RESOURCE] = "data ->> '$.number'",
                  [LS_SAID_DELETE] = "type = 'issues.closed'"}};
    struct ls_value v;
    struct heard h;
    (void)state;

    assert_int_equal(ls_receiver_check(&r, &h.err), LS_OK);
    assert_int_equal(hear(&h, &r, "{\"x-github-event\":\"issues\"}",
                          TEXT("{\"action\":\"closed\",\"issue\":{\"number\":5,\"t\":\"x\"}}")),
                     LS_OK);
    assert_string_equal(h.m.type, "issues.closed");
    assert_string_equal(h.m.resource, "5");
    assert_true(h.m.deletes);
    assert_true(h.m.wanted);
    assert_int_equal(ls_said_value(&h.m, "upper(data ->> '$.t') || resource", &h.mem, &v, &h.err),
                     LS_OK);
    assert_memory_equal(v.data, "X5", 2);
    ls_said_recall(&h.m, "given", 7 * S);
    assert_int_equal(ls_said_value(&h.m, "id", &h.mem, &v, &h.err), LS_OK);
    assert_memory_equal(v.data, "given", 5);
    forget(&h);
    assert_int_equal(hear(&h, &r, "{\"x-github-event\":\"push\"}", TEXT("{\"action\":\"x\"}")),
                     LS_OK);
    assert_false(h.m.wanted);
    forget(&h);
}

static void a_receiver_that_cannot_work_is_refused(void **state)
{
    const char *const bad[] = {"whsec_***"}, *const good[] = {"s"};
    const struct ls_receiver
        secret = {.name = "r", .scheme = LS_SIGN_STANDARD, .secrets = bad, .secret_count = 1},
        part = {.name = "r", .secrets = good, .secret_count = 1, .parts = {[LS_SAID_AT] = "bodi"}};
    struct ls_error err;
    (void)state;

    assert_int_equal(ls_receiver_check(&secret, &err), LS_CONFIG);
    assert_int_equal(ls_receiver_check(&part, &err), LS_CONFIG);
    assert_non_null(strstr(err.text, "Did you mean body"));
}

static void nothing_that_lets_somebody_in_is_kept(void **state)
{
    const struct ls_header headers[] = {
        {"Authorization", "Bearer t"}, {"X-Key", "secret"}, {"Cookie", "c"},
        {"X-Other", "o\"x"},           {"X-Bad", "\xff"},   {"x-cron-secret", "c"}};
    const struct ls_arrival a = {headers, sizeof headers / sizeof *headers, "{}", 2};
    const struct ls_receiver r = {.name = "r", .scheme = LS_SIGN_HEADER, .header = "x-key"};
    const char *json = NULL;
    struct heard h;
    (void)state;

    ls_arena_init(&h.mem, 0);
    assert_int_equal(ls_receiver_headers(&r, &a, &h.mem, &json, &h.err), LS_OK);
    assert_string_equal(json, "{\"x-other\":\"o\\\"x\"}");
    ls_arena_done(&h.mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_scheme_knows_what_its_messages_say),
        cmocka_unit_test(a_body_that_can_be_understood_in_two_ways_is_refused),
        cmocka_unit_test(a_time_may_be_off_by_the_window),
        cmocka_unit_test(expressions_of_ones_own_read_what_the_scheme_does_not),
        cmocka_unit_test(a_receiver_that_cannot_work_is_refused),
        cmocka_unit_test(nothing_that_lets_somebody_in_is_kept),
    };

    return cmocka_run_group_tests_name("event/receiver", tests, NULL, NULL);
}
