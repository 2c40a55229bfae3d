/* SPDX-License-Identifier: Apache-2.0 */
/* test_json.c - values and records as JSON and as bytes, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/json.h"
#include "model/jsonload.h"
#include "model/jsontext.h"
#include "unit/model/values.h"

static struct ls_arena mem;

static int open_arena(void **state)
{
    (void)state;
    ls_arena_init(&mem, 0);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    ls_arena_done(&mem);
    return 0;
}

static struct ls_field field_of(enum ls_type type)
{
    return (struct ls_field){
        .name = "f", .type = type, .native = "", .engine = "", .precision = -1, .scale = -1};
}

/* The same type, and the same bytes or bits. */
static void identical(const struct ls_value *a, const struct ls_value *b)
{
    assert_int_equal(a->type, b->type);
    if (ls_type_has_data(a->type)) {
        assert_int_equal(a->size, b->size);
        if (a->size)
            assert_memory_equal(a->data, b->data, a->size);
    } else if (a->type == LS_T_BOOL) {
        assert_int_equal(a->b, b->b);
    } else if (a->type == LS_T_DOUBLE) {
        assert_true((isnan(a->d) && isnan(b->d)) || memcmp(&a->d, &b->d, sizeof a->d) == 0);
    } else if (a->type != LS_T_NULL) {
        assert_int_equal(a->i, b->i);
    }
}

static struct ls_value back(const char *text, const struct ls_field *field)
{
    json_t *json =
        json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    struct ls_value v = ls_value_null();
    struct ls_error err = {0};

    if (!json)
        fail_msg("%s is no JSON", text);
    if (ls_value_from_json(json, field, &mem, &v, &err) != LS_OK)
        fail_msg("%s: %s", text, err.text);
    json_decref(json);
    return v;
}

static void goes(struct ls_value v, enum ls_type field_type, const char *expected)
{
    struct ls_field field = field_of(field_type);
    struct ls_buf out = {0};
    struct ls_value read;

    ls_value_to_json(&out, &v, &field);
    assert_string_equal(ls_buf_str(&out), expected);
    read = back(ls_buf_str(&out), &field);
    identical(&v, &read);
    ls_buf_done(&out);
}

static void each_type_has_its_form(void **state)
{
    (void)state;
    goes(ls_value_null(), LS_T_INT, "null");
    goes(BOOL(true), LS_T_BOOL, "true");
    goes(INT(5), LS_T_INT, "\"5\"");
    goes(INT(INT64_MIN), LS_T_INT, "\"-9223372036854775808\"");
    goes(DATA(DECIMAL, "1.50"), LS_T_DECIMAL, "\"1.50\"");
    goes(DOUBLE(0.1), LS_T_DOUBLE, "0.1");
    goes(DOUBLE(5), LS_T_DOUBLE, "5");
    goes(DOUBLE(1e300), LS_T_DOUBLE, "1e+300");
    goes(DOUBLE(-0.0), LS_T_DOUBLE, "-0.0");
    goes(DOUBLE((double)NAN), LS_T_DOUBLE, "\"NaN\"");
    goes(DOUBLE(-(double)INFINITY), LS_T_DOUBLE, "\"-Infinity\"");
    goes(TEXT("a\"\n"), LS_T_TEXT, "\"a\\\"\\n\"");
    goes(ls_value_data(LS_T_TEXT, "a\0b", 3), LS_T_TEXT, "\"a\\u0000b\"");
    goes(DATA(BYTES, "\xff\x01"), LS_T_BYTES, "\"/wE=\"");
    goes(TIME(DATE, 0), LS_T_DATE, "\"1970-01-01\"");
    goes(TIME(DATE, LS_TIME_INFINITY), LS_T_DATE, "\"infinity\"");
    goes(TIME(TIME, 1), LS_T_TIME, "\"00:00:00.000001\"");
    goes(TIME(TIMESTAMP, 500000), LS_T_TIMESTAMP, "\"1970-01-01T00:00:00.5\"");
    goes(TIME(TIMESTAMPTZ, -1), LS_T_TIMESTAMPTZ, "\"1969-12-31T23:59:59.999999Z\"");
    goes(TIME(TIMESTAMPTZ, INT64_C(-63517824000000000)), LS_T_TIMESTAMPTZ,
         "\"0044-03-15T00:00:00Z BC\"");
    goes(DATA(UUID, "abcdefghijklmnop"), LS_T_UUID, "\"61626364-6566-6768-696a-6b6c6d6e6f70\"");
    goes(DATA(JSON, "{\"a\": 1.0}"), LS_T_JSON, "\"{\\\"a\\\": 1.0}\"");
    goes(DATA(NATIVE, "{1,2}"), LS_T_NATIVE, "\"{1,2}\"");
}

static void another_type_than_the_fields_says_so(void **state)
{
    (void)state;
    goes(TEXT("x"), LS_T_INT, "{\"type\":\"text\",\"value\":\"x\"}");
    goes(INT(5), LS_T_TEXT, "{\"type\":\"int\",\"value\":\"5\"}");
    goes(DOUBLE(1.5), LS_T_INT, "{\"type\":\"double\",\"value\":1.5}");
    goes(DATA(BYTES, "x"), LS_T_TEXT, "{\"type\":\"bytes\",\"value\":\"eA==\"}");
    goes(BOOL(false), LS_T_TEXT, "{\"type\":\"bool\",\"value\":false}");
    goes(TEXT("\xff"), LS_T_TEXT, "{\"type\":\"text\",\"base64\":\"/w==\"}");
    goes(DATA(JSON, "\xff"), LS_T_TEXT, "{\"type\":\"json\",\"base64\":\"/w==\"}");
}

static void wrong_forms_are_named_with_their_field(void **state)
{
    static const struct {
        enum ls_type type;
        const char *text;
    } cases[] = {
        {LS_T_INT, "5"},
        {LS_T_INT, "\"x\""},
        {LS_T_BOOL, "\"true\""},
        {LS_T_DOUBLE, "\"5\""},
        {LS_T_DOUBLE, "true"},
        {LS_T_TEXT, "5"},
        {LS_T_BYTES, "\"!\""},
        {LS_T_BYTES, "1"},
        {LS_T_DATE, "\"2024-02-30\""},
        {LS_T_DECIMAL, "1.5"},
        {LS_T_TIMESTAMPTZ, "\"2024-02-28T00:00:00\""},
        {LS_T_TEXT, "{}"},
        {LS_T_TEXT, "{\"type\":\"text\"}"},
        {LS_T_TEXT, "{\"type\":\"blob\",\"value\":\"x\"}"},
        {LS_T_TEXT, "{\"type\":\"int\",\"base64\":\"/w==\"}"},
        {LS_T_TEXT, "{\"type\":\"text\",\"value\":\"x\",\"more\":1}"},
        {LS_T_TEXT, "[]"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ls_field field = field_of(cases[i].type);
        json_t *json = json_loads(cases[i].text, JSON_DECODE_ANY, NULL);
        struct ls_value v;
        struct ls_error err = {0};

        assert_non_null(json);
        if (ls_value_from_json(json, &field, &mem, &v, &err) != LS_DATA)
            fail_msg("%s was taken as %s", cases[i].text, ls_type_word(cases[i].type));
        assert_non_null(strstr(err.text, "\"f\""));
        json_decref(json);
    }
}

static const struct ls_field record_fields[] = {
    {.name = "id", .type = LS_T_INT, .native = "", .engine = ""},
    {.name = "na\"me", .type = LS_T_TEXT, .native = "", .engine = ""},
    {.name = "at", .type = LS_T_DATE, .native = "", .engine = ""},
};

static enum ls_code read_record(const char *text, const size_t *positions, size_t count,
                                struct ls_value *ret, struct ls_error *err)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    enum ls_code rc;

    assert_non_null(json);
    rc = ls_record_from_json(json, record_fields, positions, count, &mem, ret, err);
    json_decref(json);
    return rc;
}

static void records_are_objects(void **state)
{
    static const size_t positions[] = {2, 0};
    struct ls_value values[3] = {INT(1), TEXT("x"), TIME(DATE, 0)}, read[3];
    struct ls_value some[2] = {TIME(DATE, 0), INT(1)};
    struct ls_error err;
    struct ls_buf out = {0};
    (void)state;

    ls_record_to_json(&out, record_fields, NULL, values, 3);
    assert_string_equal(ls_buf_str(&out),
                        "{\"id\":\"1\",\"na\\\"me\":\"x\",\"at\":\"1970-01-01\"}");
    assert_int_equal(read_record(ls_buf_str(&out), NULL, 3, read, &err), LS_OK);
    for (int i = 0; i < 3; i++)
        identical(&values[i], &read[i]);
    ls_buf_reset(&out);
    ls_record_to_json(&out, record_fields, positions, some, 2);
    assert_string_equal(ls_buf_str(&out), "{\"at\":\"1970-01-01\",\"id\":\"1\"}");
    assert_int_equal(read_record(ls_buf_str(&out), positions, 2, read, &err), LS_OK);
    identical(&read[1], &some[1]);
    ls_buf_reset(&out);
    ls_record_to_json(&out, record_fields, NULL, values, 0);
    assert_string_equal(ls_buf_str(&out), "{}");
    ls_buf_done(&out);
}

static void a_record_with_other_members_is_refused(void **state)
{
    struct ls_value read[3];
    struct ls_error err;
    (void)state;

    assert_int_equal(read_record("{\"id\":\"1\",\"at\":null}", NULL, 3, read, &err), LS_DATA);
    assert_non_null(strstr(err.text, "lacks the field \"na\"me\""));
    assert_int_equal(
        read_record("{\"id\":\"1\",\"na\\\"me\":null,\"at\":null,\"x\":1}", NULL, 3, read, &err),
        LS_DATA);
    assert_non_null(strstr(err.text, "unknown field \"x\""));
    assert_int_equal(read_record("[1]", NULL, 3, read, &err), LS_DATA);
}

/* Values whose data is what their type promises. */
static struct ls_value sound_value(uint64_t *seed)
{
    struct ls_value v = random_value(seed), read;
    struct ls_error err;

    if (v.type == LS_T_DECIMAL &&
        ls_value_from_text(LS_T_DECIMAL, v.data, v.size, &mem, &read, &err) != LS_OK)
        return ls_value_null();
    if (v.type == LS_T_DECIMAL)
        return read;
    if (v.type == LS_T_DATE || v.type == LS_T_TIMESTAMP || v.type == LS_T_TIMESTAMPTZ)
        v.i = v.i == INT64_MAX || v.i == INT64_MIN ? v.i : v.i % 2000000;
    return v;
}

static void random_values_come_back_exactly(void **state)
{
    uint64_t seed = test_seed();
    (void)state;

    for (int i = 0; i < 5000; i++) {
        struct ls_value v = sound_value(&seed), read;
        struct ls_field field = field_of((enum ls_type)random_below(&seed, LS_TYPE_COUNT));
        struct ls_buf out = {0};

        ls_value_to_json(&out, &v, &field);
        read = back(ls_buf_str(&out), &field);
        identical(&v, &read);
        ls_buf_done(&out);
    }
}

static void rows_come_back_from_their_bytes(void **state)
{
    uint64_t seed = test_seed();
    struct ls_value row[64], read[64];
    struct ls_buf out = {0};
    struct ls_reader in;
    (void)state;

    for (int round = 0; round < 50; round++) {
        ls_buf_reset(&out);
        for (int i = 0; i < 64; i++)
            row[i] = random_value(&seed);
        ls_values_encode(&out, row, 64);
        ls_reader_init(&in, out.data, out.size);
        assert_true(ls_values_decode(&in, &mem, read, 64));
        assert_int_equal(in.at, out.size);
        for (int i = 0; i < 64; i++)
            identical(&row[i], &read[i]);
    }
    ls_buf_done(&out);
}

static void damaged_rows_are_refused(void **state)
{
    uint64_t seed = test_seed();
    struct ls_value row[8], read[8];
    struct ls_buf out = {0};
    struct ls_reader in;
    (void)state;

    for (int i = 0; i < 8; i++)
        row[i] = random_value(&seed);
    ls_values_encode(&out, row, 8);
    for (size_t cut = 0; cut < out.size; cut++) {
        ls_reader_init(&in, out.data, cut);
        assert_false(ls_values_decode(&in, &mem, read, 8));
    }
    for (int i = 0; i < 20000; i++) { /* no crash, whatever comes out */
        size_t at = random_below(&seed, out.size);
        char kept = out.data[at];

        out.data[at] = (char)random_next(&seed);
        ls_reader_init(&in, out.data, out.size);
        (void)ls_values_decode(&in, &mem, read, 8);
        out.data[at] = kept;
        ls_arena_reset(&mem);
    }
    ls_reader_init(&in, "\xff", 1);
    assert_false(ls_values_decode(&in, &mem, read, 1));
    ls_buf_reset(&out);
    row[0] = DATA(UUID, "too short");
    ls_values_encode(&out, row, 1);
    ls_reader_init(&in, out.data, out.size);
    assert_false(ls_values_decode(&in, &mem, read, 1));
    ls_reader_init(&in, "\x01\x02", 2); /* a bool that is neither */
    assert_false(ls_values_decode(&in, &mem, read, 1));
    ls_buf_done(&out);
}

static void nul_escapes_are_seen_where_they_are_escapes(void **state)
{
    (void)state;
    assert_true(ls_json_has_nul("\"\\u0000\"", 8));
    assert_true(ls_json_has_nul("\"\\\\\\u0000\"", 10));
    assert_false(ls_json_has_nul("\"\\\\u0000\"", 9));
    assert_false(ls_json_has_nul("\"\\u0001\"", 8));
    assert_true(ls_json_has_nul("\"\\udc00\"", 8)); /* jsonb keeps no lone surrogate either */
    assert_false(ls_json_has_nul("\"\\", 2));
}

/* What is told to people speaks of their text, not of the library. */
static void what_is_wrong_with_a_text_is_said_without_the_library(void **state)
{
    static const struct {
        const char *text, *said;
    } cases[] = {{"{\"a\":\"\\u0000\"}", "a text holds \\u0000"},
                 {"{\"\\u0000\":1}", "a name holds \\u0000"},
                 {"{\"a\":", "it ends too early"},
                 {"{\"a\":1,\"a\":2}", "duplicate object key"}};
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_error_t why;
        const char *said;

        assert_null(json_loads(cases[i].text, JSON_REJECT_DUPLICATES, &why));
        said = ls_json_why(&why);
        if (!strstr(said, cases[i].said) || strstr(said, "JSON_"))
            fail_msg("%s: %s", cases[i].text, said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_has_its_form),
        cmocka_unit_test(another_type_than_the_fields_says_so),
        cmocka_unit_test(wrong_forms_are_named_with_their_field),
        cmocka_unit_test(records_are_objects),
        cmocka_unit_test(a_record_with_other_members_is_refused),
        cmocka_unit_test(random_values_come_back_exactly),
        cmocka_unit_test(rows_come_back_from_their_bytes),
        cmocka_unit_test(damaged_rows_are_refused),
        cmocka_unit_test(what_is_wrong_with_a_text_is_said_without_the_library),
        cmocka_unit_test(nul_escapes_are_seen_where_they_are_escapes),
    };
    return cmocka_run_group_tests_name("model/json", tests, open_arena, close_arena);
}
