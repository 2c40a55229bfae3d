/* SPDX-License-Identifier: Apache-2.0 */
/* Events as JSON: what is read, what is refused and in which words, what is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "event/event.h"

#define NOW (1700000000 * (int64_t)1000000)

static const char *const own[] = {"order.*"};
static const struct ls_event_rules rules = {.types = own, .type_count = 1};

struct result {
    enum ls_code rc;
    size_t count;
    struct ls_event *events;
    struct ls_error err;
    struct ls_arena mem;
};

static struct result *read_text(const char *text, size_t size, bool lines)
{
    struct result *r = calloc(1, sizeof *r);
    char *exact = malloc(size ? size : 1); /* so that a read behind its end is found */

    assert_non_null(r);
    assert_non_null(exact);
    memcpy(exact, text, size);
    ls_arena_init(&r->mem, 0);
    r->rc =
        ls_events_read(exact, size, lines, &rules, NOW, &r->mem, &r->count, &r->events, &r->err);
    free(exact);
    return r;
}
static void done(struct result *r)
{
    ls_arena_done(&r->mem);
    free(r);
}

static void the_documented_event_is_read(void **state)
{
    static const char text[] =
        "{\"id\": \"event-123\", \"type\": \"enrollment.created\", \"resourceId\": "
        "\"enrollment-123\",\n"
        "\"resourceType\": \"enrollment\", \"data\" :  {\"b\":1.10, \"a\": [1,  2], \"c\": "
        "\"\\u00e9\"} ,"
        "\"timestamp\": \"2024-01-31T12:00:00.000Z\", \"retryCount\": 0, \"status\": \"pending\"}";
    struct result *r = read_text(text, sizeof text - 1, false);

    (void)state;
    assert_int_equal(r->rc, LS_OK);
    assert_int_equal(r->count, 1);
    assert_string_equal(r->events->id, "event-123");
    assert_string_equal(r->events->type, "enrollment.created");
    assert_string_equal(r->events->resource_id, "enrollment-123");
    assert_string_equal(r->events->resource_type, "enrollment");
    assert_true(r->events->at_us == 1706702400 * (int64_t)1000000);
    assert_int_equal(r->events->data_size,
                     strlen("{\"b\":1.10, \"a\": [1,  2], \"c\": \"\\u00e9\"}"));
    assert_memory_equal(r->events->data, "{\"b\":1.10, \"a\": [1,  2], \"c\": \"\\u00e9\"}",
                        r->events->data_size);
    done(r);
}

static void what_is_left_out_gets_its_default(void **state)
{
    static const char text[] = "{\"type\":\"order.paid\",\"resourceId\":\"7\"}";
    struct result *r = read_text(text, sizeof text - 1, false);

    (void)state;
    assert_int_equal(r->rc, LS_OK);
    assert_int_equal(strlen(r->events->id), 36);
    assert_string_equal(r->events->resource_type, "order");
    assert_true(r->events->at_us == NOW);
    assert_int_equal(r->events->data_size, 4);
    assert_memory_equal(r->events->data, "null", 4);
    done(r);
}

/* data is cut out at its exact bytes, whatever it is. */
static void any_json_is_data(void **state)
{
    static const char *const values[] = {"null",
                                         "true",
                                         "-1.50e+3",
                                         "\"a\\\"}]\"",
                                         "[]",
                                         "{}",
                                         "[[],{\"a\":{}}]",
                                         "0",
                                         "\"\"",
                                         "[1,\"\\ud83d\\ude00\"]"};
    static const char *const blanks[] = {"", " ", "\t\n ", "  \r\n"};
    char text[300];

    (void)state;
    for (size_t v = 0; v < sizeof values / sizeof *values; v++)
        for (size_t b = 0; b < 16; b++) {
            struct result *r;

            snprintf(text, sizeof text,
                     "[{\"data\"%s:%s%s%s%s,\"type\":\"order.x\",\"resourceId\":\"1\"},"
                     "{\"type\":\"order.x\",\"resourceId\":\"2\",\"data\"%s:%s%s%s}%s]",
                     blanks[b & 3], blanks[b >> 2], values[v], blanks[b & 3], blanks[b >> 2],
                     blanks[b >> 2], blanks[b & 3], values[v], blanks[b >> 2], blanks[b & 3]);
            r = read_text(text, strlen(text), false);
            assert_int_equal(r->rc, LS_OK);
            assert_int_equal(r->count, 2);
            for (int i = 0; i < 2; i++) {
                assert_int_equal(r->events[i].data_size, strlen(values[v]));
                assert_memory_equal(r->events[i].data, values[v], strlen(values[v]));
            }
            done(r);
        }
}

static void json_lines_may_have_blank_ones_and_no_last_end(void **state)
{
    static const char text[] = "{\"type\":\"order.x\",\"resourceId\":\"1\"}\r\n\n  \n"
                               "{\"type\":\"order.x\",\"resourceId\":\"2\"}";
    struct result *r = read_text(text, sizeof text - 1, true);

    (void)state;
    assert_int_equal(r->rc, LS_OK);
    assert_int_equal(r->count, 2);
    assert_string_equal(r->events[1].resource_id, "2");
    done(r);
}

#define OK_EVENT "{\"type\":\"order.x\",\"resourceId\":\"1\"}"

static void what_is_wrong_is_said(void **state)
{
    static const struct {
        const char *text, *said;
        bool lines;
    } cases[] = {
        {"", "there is no event", false},
        {"[]", "there is no event", false},
        {" \n ", "there is no event", true},
        {"5", "an event is a JSON object, not a number", false},
        {"\"x\"", "not a text", false},
        {"[[]]", "event 1: an event is a JSON object, not an array", false},
        {"[" OK_EVENT ", null]", "event 2: an event is a JSON object, not null", false},
        {"{}", "event 1: it has no type", false},
        {"{\"type\":\"order.x\"}", "it has no resourceId", false},
        {"{\"type\":\"enrolment.created\",\"resourceId\":\"1\"}",
         "Did you mean enrollment.created?", false},
        {"{\"type\":\"order\",\"resourceId\":\"1\"}", "the type order is not known", false},
        {"{\"type\":5,\"resourceId\":\"1\"}", "type must be a text, not a number", false},
        {"{\"type\":\"order.x\",\"resourceId\":{}}", "resourceId must be a text, not an object",
         false},
        {"{\"type\":\"order.x\",\"resourceId\":\"\"}", "resourceId must have 1 to 512", false},
        {"{\"type\":\"order.x\",\"resourceId\":\"a\\ude00b\"}", "resourceId is no UTF-8", false},
        {"{\"type\":\"order.x\",\"resourceId\":\"a\\u0000b\"}", "without control characters",
         false},
        {"{\"id\":\"a b\",\"type\":\"order.x\",\"resourceId\":\"1\"}", "visible ASCII", false},
        {"{\"id\":\"a\\r\\nb: c\",\"type\":\"order.x\",\"resourceId\":\"1\"}", "visible ASCII",
         false},
        {"{\"type\":\"order.x\",\"resourceId\":\"1\",\"type\":\"order.y\"}", "type is there twice",
         false},
        {"{\"type\":\"order.x\",\"resourceID\":\"1\"}",
         "no member \"resourceID\". Did you mean "
         "\"resourceId\"?",
         false},
        {"{\"type\":\"order.x\",\"resourceId\":\"1\",\"amount\":5}", "goes into data", false},
        {"{\"type\":\"order.x\",\"resourceId\":\"1\",\"timestamp\":\"yesterday\"}",
         "timestamp is not a time", false},
        {"{\"type\":\"order.x\",\"resourceId\":\"1\",\"timestamp\":\"2024-01-31T12:00:00\"}",
         "timestamp is not a time", false},
        {"{\"type\":\"order.x\",\"resourceId\":\"1\"",
         "event 1: parse error: premature EOF (byte 35)", false},
        {"", "there is no event", false},
        {"{\"type\":\"order.x\",\"resourceId\":\"1\"}}", "event 2: ", false},
        {OK_EVENT "\n{\"type\"", "event 2: parse error: premature EOF (byte 44)", true},
        {OK_EVENT "\n{\"type\";", "(byte 44)", true},
        {OK_EVENT OK_EVENT, "event 2: ", true},
        {"{\"type\":\"order.x\",\"resourceId\":\"\xff\"}", "invalid bytes in UTF8 string", false},
        {"{\"type\":\"order.x\",\"resourceId\":\"1\",\"data\":NaN}", "event 1: ", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct result *r = read_text(cases[i].text, strlen(cases[i].text), cases[i].lines);

        if (r->rc != LS_DATA || !strstr(r->err.text, cases[i].said))
            print_error("%s: %d %s\n", cases[i].text, r->rc, r->err.text);
        assert_int_equal(r->rc, LS_DATA);
        assert_non_null(strstr(r->err.text, cases[i].said));
        done(r);
    }
}

/* data with `before` and names "0" to "n - 1" and `behind`. */
static struct result *read_data(const char *before, size_t n, const char *behind, bool lines)
{
    struct ls_buf text;
    struct result *r;

    ls_buf_init(&text, 0);
    ls_buf_text(&text, lines ? OK_EVENT "\n" : "");
    ls_buf_printf(&text, "{\"type\":\"order.x\",\"resourceId\":\"1\",\"data\":%s", before);
    for (size_t i = 0; i < n; i++)
        ls_buf_printf(&text, "%s\"%zu\":%zu", i ? "," : "", i, i);
    ls_buf_printf(&text, "%s}", behind);
    r = read_text(text.data, text.size, lines);
    ls_buf_done(&text);
    return r;
}

static void a_name_is_in_an_object_once(void **state)
{
    static const struct {
        const char *before;
        size_t n;
        const char *behind, *said; /* NULL: it is taken */
    } cases[] = {
        {"{", 0, "}", NULL},
        {"{", 10000, "}", NULL},
        {"{", 24, ",\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":1}]}", NULL},
        {"[{\"a\":1},{\"a\":1},{", 30, "},{\"a\":2}]", NULL},
        {"{\"x\":{", 100, "},\"y\":{\"0\":1},\"0\":1}", NULL},
        {"{\"a\":1,\"A\":1,\"\":1,\" \":1,\"a\\u0000\":1", 0, "}", NULL},
        {"{\"a\":1,\"a\":1", 0, "}", "event 1: \"a\" is twice in an object of data (byte 50)"},
        {"{\"a\":1,\"\\u0061\":1", 0, "}", "\"\\u0061\" is twice"},
        {"{\"\\\"q\\\\\":1,\"\\\"q\\\\\":1", 0, "}", "event 1: \"\\\"q\\\\\" is twice"},
        {"{\"\":1,\"\":1", 0, "}", "event 1: \"\" is twice"},
        {"[[{\"b\":{\"a\":[],\"a\":1}}]", 0, "]", "\"a\" is twice"},
        {"{", 24, ",\"0\":1}", "\"0\" is twice"},
        {"{", 25, ",\"24\":1}", "\"24\" is twice"},
        {"{", 26, ",\"25\":{\"0\":1}}", "\"25\" is twice"},
        {"{\"in\":{\"x\":1},", 10000, ",\"x\":{},\"in\":1}", "\"in\" is twice"},
        {"{\"in\":[{", 10000, ",\"5000\":1,\"x\":1,\"x\":1}]}", "\"5000\" is twice"},
    };

    (void)state;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        const size_t c = i / 2;
        struct result *r = read_data(cases[c].before, cases[c].n, cases[c].behind, i % 2);

        if (cases[c].said ? r->rc != LS_DATA : r->rc != LS_OK)
            fail_msg("%s: %d %s", cases[c].before, r->rc, r->err.text);
        if (cases[c].said && i % 2 == 0 && !strstr(r->err.text, cases[c].said))
            fail_msg("%s: %s", cases[c].before, r->err.text);
        done(r);
    }
}

/* What is ignored may not end the event early: what stands behind it would be read as an event of its own. */
static void what_is_ignored_makes_no_second_event(void **state)
{
    static const char *const nested[] = {"{}", "[]", "[[]]", "{\"a\":{}}", "[{}]", "{\"a\":[1]}"};
    static const char *const ignored[] = {"retryCount", "status"};
    static const struct {
        const char *before, *behind;
        bool lines;
    } around[] = {{"", "", false},
                  {"[", "]", false},
                  {"[" OK_EVENT ",", "," OK_EVENT "]", false},
                  {OK_EVENT "\n", "\n" OK_EVENT, true}};
    static const char *const data[] = {
        "", ",\"data\":{\"id\":\"forged\",\"type\":\"order.y\",\"resourceId\":\"2\",\"data\":1}",
        ",\"data\":[{\"id\":\"forged\",\"type\":\"order.y\",\"resourceId\":\"2\"}]"};

    (void)state;
    for (size_t i = 0; i < 6 * 2 * 4 * 3; i++) {
        const char *name = ignored[i / 6 % 2];
        const size_t a = i / 12 % 4;
        char text[500], said[60];
        struct result *r;

        snprintf(text, sizeof text, "%s{\"type\":\"order.x\",\"resourceId\":\"1\",\"%s\":%s%s}%s",
                 around[a].before, name, nested[i % 6], data[i / 48], around[a].behind);
        snprintf(said, sizeof said, "%s must be a %s, not an %s", name,
                 *name == 'r' ? "number" : "text", *nested[i % 6] == '{' ? "object" : "array");
        r = read_text(text, strlen(text), around[a].lines);
        if (r->rc != LS_DATA || !strstr(r->err.text, said))
            print_error("%s: %d %s\n", text, r->rc, r->err.text);
        assert_int_equal(r->rc, LS_DATA);
        assert_non_null(strstr(r->err.text, said));
        done(r);
    }
}

/* Anything else there is let in, and is the event's and nobody's. */
static void ignored_members_may_be_any_plain_value(void **state)
{
    static const char *const plain[] = {"0", "-1.5e3", "null", "true", "\"x\"", "\"{\""};
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        struct result *r;

        snprintf(text, sizeof text,
                 "{\"type\":\"order.x\",\"retryCount\":%s,\"status\":%s,\"resourceId\":\"1\","
                 "\"data\":{\"a\":1}}",
                 plain[i], plain[i]);
        r = read_text(text, strlen(text), false);
        assert_int_equal(r->rc, LS_OK);
        assert_int_equal(r->count, 1);
        assert_int_equal(r->events->data_size, strlen("{\"a\":1}"));
        assert_memory_equal(r->events->data, "{\"a\":1}", r->events->data_size);
        done(r);
    }
}

static void json_that_is_too_deep_is_refused(void **state)
{
    char text[400] = "{\"type\":\"order.x\",\"resourceId\":\"1\",\"data\":";
    struct result *r;
    size_t at = strlen(text);

    (void)state;
    memset(text + at, '[', 63);
    memset(text + at + 63, ']', 63);
    memcpy(text + at + 126, "}", 2);
    r = read_text(text, strlen(text), false);
    assert_int_equal(r->rc, LS_OK);
    done(r);
    memset(text + at, '[', 64);
    memset(text + at + 64, ']', 64);
    memcpy(text + at + 128, "}", 2);
    r = read_text(text, strlen(text), false);
    assert_int_equal(r->rc, LS_DATA);
    assert_non_null(strstr(r->err.text, "64 levels"));
    done(r);
}

static void what_is_written_reads_back(void **state)
{
    static const char text[] = "{\"id\":\"a\",\"type\":\"order.x\",\"resourceId\":\"\\u00fc\\\"1\","
                               "\"resourceType\":\"order\",\"data\":{\"n\":1.10},"
                               "\"timestamp\":\"2024-01-31T12:00:00.250Z\",\"retryCount\":2,"
                               "\"status\":\"pending\"}";
    static const char written[] =
        "{\"id\":\"a\",\"type\":\"order.x\",\"resourceId\":\"\u00fc\\\"1\","
        "\"resourceType\":\"order\",\"data\":{\"n\":1.10},"
        "\"timestamp\":\"2024-01-31T12:00:00.250Z\",\"retryCount\":2,"
        "\"status\":\"pending\"}";
    struct result *r = read_text(text, sizeof text - 1, false);
    struct ls_buf out;

    (void)state;
    assert_int_equal(r->rc, LS_OK);
    ls_buf_init(&out, 0);
    ls_event_write(&out, r->events, 2, "pending");
    assert_string_equal(ls_buf_str(&out), written);
    ls_buf_done(&out);
    done(r);
}

static void a_pattern_is_the_type_or_its_beginning(void **state)
{
    (void)state;
    assert_true(ls_event_type_fits("a.b", "a.b"));
    assert_true(ls_event_type_fits("a.b", "a.*"));
    assert_true(ls_event_type_fits("a.b", "*"));
    assert_false(ls_event_type_fits("a.b", "a"));
    assert_false(ls_event_type_fits("a", "a.*"));
    assert_false(ls_event_type_fits("a.b", ""));
}

/* Whatever bytes come: an answer, never a crash, and what is taken can be written and read again. */
static void mangled_texts_are_read_or_refused(void **state)
{
    static const char good[] =
        "[{\"id\":\"x\",\"type\":\"order.x\",\"resourceId\":\"1\",\"data\":[{\"a\":1}],"
        "\"timestamp\":\"2024-01-31T12:00:00Z\"}," OK_EVENT "]";
    const char *given = getenv("LOCKSTEP_TEST_SEED");
    unsigned r = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)ls_random_u64();
    size_t taken = 0;

    (void)state;
    print_message("seed %u\n", r);
    for (int round = 0; round < 20000; round++) {
        char text[sizeof good];
        size_t size =
            sizeof good - 1 - (rand_r(&r) % 4 ? 0 : (size_t)rand_r(&r) % (sizeof good - 1));
        struct result *out;

        memcpy(text, good, size);
        for (int n = rand_r(&r) % 4; n > 0 && size; n--)
            text[(size_t)rand_r(&r) % size] =
                rand_r(&r) % 2 ? (char)rand_r(&r) : "{}[]\",:\\ \n0e"[rand_r(&r) % 13];
        out = read_text(text, size, rand_r(&r) % 2);
        assert_true(out->rc == LS_OK || out->rc == LS_DATA);
        for (size_t i = 0; out->rc == LS_OK && i < out->count; i++) {
            struct ls_buf json;
            struct result *again;

            ls_buf_init(&json, 0);
            ls_event_write(&json, &out->events[i], 0, "pending");
            again = read_text(json.data, json.size, false);
            assert_int_equal(again->rc, LS_OK);
            assert_int_equal(again->events->data_size, out->events[i].data_size);
            taken++;
            done(again);
            ls_buf_done(&json);
        }
        done(out);
    }
    assert_true(taken > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_event_is_read),
        cmocka_unit_test(what_is_left_out_gets_its_default),
        cmocka_unit_test(any_json_is_data),
        cmocka_unit_test(json_lines_may_have_blank_ones_and_no_last_end),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(a_name_is_in_an_object_once),
        cmocka_unit_test(what_is_ignored_makes_no_second_event),
        cmocka_unit_test(ignored_members_may_be_any_plain_value),
        cmocka_unit_test(json_that_is_too_deep_is_refused),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(a_pattern_is_the_type_or_its_beginning),
        cmocka_unit_test(mangled_texts_are_read_or_refused),
    };

    return cmocka_run_group_tests_name("event/event", tests, NULL, NULL);
}
