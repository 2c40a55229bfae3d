/* SPDX-License-Identifier: Apache-2.0 */
/* test_json.c - the documented JSON shapes: members, their order, their types. */
#include "api/json.h"

#include <jansson.h>
#include <string.h>

#include "api_fixture.h"
#include "model/json.h"

/* The names of the members, in order, with a blank behind each. */
static const char *members(const char *text, json_t **ret)
{
    json_t *json = json_loads(text, 0, NULL);
    const char *names = "", *name;
    json_t *value;

    if (!json)
        fail_msg("no JSON: %s", text);
    json_object_foreach(json, name, value) names = api_text("%s%s ", names, name);
    *ret = json;
    return names;
}

/* The public structs own their texts; here they borrow. */
static char *text(const char *t)
{
    return (char *)(uintptr_t)t;
}

static int teardown(void **state)
{
    (void)state;
    api_done();
    return 0;
}

static void a_status_has_its_members(void **state)
{
    struct lockstep_status s = {
        .sync = text("a \"b\""),
        .source = text("s"),
        .target = text("t"),
        .total = 18446744073709551615u,
        .in_sync = 2,
        .source_only = 3,
        .target_only = 4,
        .inconsistent = 5,
        .moving = 6,
        .conflict = 7,
        .duration_ms = 8,
        .path = text("merge"),
        .explain = text(""),
    };
    char *json_text = lockstep_status_json(&s);

    (void)state;
    assert_string_equal(
        json_text,
        "{\"sync\":\"a "
        "\\\"b\\\"\",\"source\":\"s\",\"target\":\"t\",\"total\":18446744073709551615,"
        "\"in_sync\":2,\"source_only\":3,\"target_only\":4,\"inconsistent\":5,\"moving\":6,"
        "\"conflict\":7,\"duration_ms\":8,\"path\":\"merge\"}");
    lockstep_free(json_text);
    s.total = 1;
    s.run = 9;
    s.explain = text("because");
    json_text = lockstep_status_json(&s);
    assert_says(json_text, "\"path\":\"merge\",\"run\":9,\"explain\":\"because\"}");
    lockstep_free(json_text);
}

static void a_run_has_its_members(void **state)
{
    struct lockstep_run_error errors[] = {{text("{\"id\":\"7\"}"), text("too \"long\"\n")}};
    const struct lockstep_run run = {
        .number = 12,
        .id = "4c1d0000-0000-4000-8000-000000000000",
        .sync = text("customers"),
        .kind = text("sync"),
        .mode = text("full"),
        .source = text("s"),
        .target = text("t"),
        .status = text("partial_success"),
        .created = 1,
        .updated = 2,
        .deleted = 3,
        .unchanged = 4,
        .failed = 5,
        .conflicts = 6,
        .verified = true,
        .duration_ms = 7,
        .reason = text(""),
        .error_count = 1,
        .errors = errors,
        .errors_total = 11,
        .started_us = 1763700000123456,
        .undone_by = 0,
    };
    char *json_text = lockstep_run_json(&run);
    json_t *json = NULL;

    (void)state;
    assert_string_equal(
        members(json_text, &json),
        "run id sync status created updated deleted unchanged failed conflicts verified "
        "duration_ms errors errors_total kind ");
    assert_int_equal(json_integer_value(json_object_get(json, "run")), 12);
    assert_true(json_is_true(json_object_get(json, "verified")));
    assert_says(json_text, "\"errors\":[{\"key\":{\"id\":\"7\"},\"error\":\"too "
                           "\\\"long\\\"\\n\"}],\"errors_total\":11");
    json_decref(json);
    lockstep_free(json_text);

    json_text = lockstep_history_json(&run);
    assert_string_equal(
        members(json_text, &json),
        "run id sync status created updated deleted unchanged failed conflicts verified "
        "duration_ms errors errors_total kind started_at finished_at mode undone_by ");
    assert_true(json_is_null(json_object_get(json, "finished_at")));
    assert_true(json_is_null(json_object_get(json, "undone_by")));
    assert_says(json_text, "\"started_at\":\"2025-11-21T04:40:00.123Z\"");
    json_decref(json);
    lockstep_free(json_text);
}

static void a_run_that_failed_says_why(void **state)
{
    const struct lockstep_run run = {.sync = text("x"),
                                     .kind = text("sync"),
                                     .mode = text("full"),
                                     .source = text(""),
                                     .target = text(""),
                                     .status = text("failed"),
                                     .reason = text("no \\ disk"),
                                     .finished_us = 1,
                                     .undone_by = 3};
    char *json_text = lockstep_run_json(&run);

    (void)state;
    assert_says(json_text, "\"kind\":\"sync\",\"reason\":\"no \\\\ disk\"}");
    lockstep_free(json_text);
    json_text = lockstep_history_json(&run);
    assert_says(json_text, "\"finished_at\":\"1970-01-01T00:00:00.000Z\"", "\"undone_by\":3}");
    lockstep_free(json_text);
}

/* One record with a field of each type. */
static const struct ls_field fields[] = {
    {.name = "id", .native = "", .type = LS_T_INT},
    {.name = "b", .native = "", .type = LS_T_BOOL},
    {.name = "d", .native = "", .type = LS_T_DOUBLE},
    {.name = "t", .native = "", .type = LS_T_TEXT},
    {.name = "x", .native = "", .type = LS_T_BYTES},
    {.name = "n", .native = "", .type = LS_T_TEXT},
};

static void a_difference_has_its_members_and_loses_no_digit(void **state)
{
    static const size_t key[] = {0};
    struct ls_layout layout = {
        .field_count = COUNT_OF(fields), .fields = fields, .key_count = 1, .key = key};
    const struct ls_value source[] = {ls_value_int(9007199254740993),
                                      (struct ls_value){.type = LS_T_BOOL, .b = true},
                                      (struct ls_value){.type = LS_T_DOUBLE, .d = 0.1},
                                      ls_value_text("a\"\n"),
                                      ls_value_data(LS_T_BYTES, "\0\xff", 2),
                                      ls_value_null()};
    const struct ls_value target[] = {ls_value_int(9007199254740993),
                                      (struct ls_value){.type = LS_T_BOOL, .b = false},
                                      (struct ls_value){.type = LS_T_DOUBLE, .d = 0.1},
                                      ls_value_text("b"),
                                      ls_value_data(LS_T_BYTES, "\0\xff", 2),
                                      ls_value_null()};
    const uint8_t differs[] = {0, 1, 0, 1, 0, 0};
    struct ls_difference d = {.status = LS_INCONSISTENT,
                              .key = source,
                              .source = source,
                              .target = target,
                              .differs = differs};
    struct ls_arena mem;

    (void)state;
    ls_arena_init(&mem, 0);
    assert_string_equal(ls_json_difference(&layout, &d, &mem),
                        "{\"key\":{\"id\":\"9007199254740993\"},\"status\":\"inconsistent\","
                        "\"source\":{\"id\":\"9007199254740993\",\"b\":true,\"d\":0.1,\"t\":"
                        "\"a\\\"\\n\",\"x\":\"AP8=\",\"n\":null},"
                        "\"target\":{\"id\":\"9007199254740993\",\"b\":false,\"d\":0.1,\"t\":\"b\","
                        "\"x\":\"AP8=\",\"n\":null},"
                        "\"fields\":[\"b\",\"t\"]}");
    d = (struct ls_difference){.status = LS_SOURCE_ONLY, .key = source, .source = source};
    assert_says(ls_json_difference(&layout, &d, &mem), "\"status\":\"source_only\",\"source\":{",
                ",\"target\":null,\"fields\":[]}");
    d = (struct ls_difference){.status = LS_TARGET_ONLY, .key = source, .target = source};
    assert_says(ls_json_difference(&layout, &d, &mem),
                "\"status\":\"target_only\",\"source\":null,\"target\":{");
    ls_arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_status_has_its_members, teardown),
        cmocka_unit_test_teardown(a_run_has_its_members, teardown),
        cmocka_unit_test_teardown(a_run_that_failed_says_why, teardown),
        cmocka_unit_test_teardown(a_difference_has_its_members_and_loses_no_digit, teardown),
    };

    return cmocka_run_group_tests_name("api/json", tests, NULL, NULL);
}
