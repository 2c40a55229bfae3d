/* SPDX-License-Identifier: Apache-2.0 */
/* test_eval.c - field expressions, evaluated: values, exactness, limits, and the same answers as SQLite itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "model/expr_priv.h"
#include "sql/eval.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct ls_arena mem;
static struct ls_error err;
static struct ls_eval *eval;

#define FIELD(n, t, f)                                                                           \
    {                                                                                            \
        .name = (n), .type = LS_T_##t, .native = "", .engine = "", .precision = -1, .scale = -1, \
        .flags = (f)                                                                             \
    }
static const struct ls_field fields[] = {
    FIELD("id", INT, 0),
    FIELD("email", TEXT, 0),
    FIELD("price", DECIMAL, 0),
    FIELD("active", BOOL, 0),
    FIELD("score", DOUBLE, 0),
    FIELD("born", DATE, 0),
    FIELD("seen_at", TIMESTAMPTZ, 0),
    FIELD("local_at", TIMESTAMP, 0),
    FIELD("opens", TIME, 0),
    FIELD("ref", UUID, 0),
    FIELD("data", JSON, 0),
    FIELD("raw", BYTES, 0),
    FIELD("name", TEXT, 0),
    FIELD("huge", DECIMAL, 0),
    FIELD("big", INT, 0),
    FIELD("text_price", TEXT, 0),
    FIELD("dyn_price", DECIMAL, LS_FIELD_DYNAMIC),
    FIELD("dyn_at", TIMESTAMPTZ, LS_FIELD_DYNAMIC),
    FIELD("dyn_id", INT, LS_FIELD_DYNAMIC),
    FIELD("tags", NATIVE, 0),
    FIELD("nan", DOUBLE, 0),
    FIELD("dnan", DECIMAL, 0),
    FIELD("word", TEXT, 0),
};
static const struct ls_schema schema = {
    .collection = "shop", .field_count = COUNT(fields), .fields = fields, .fingerprint = ""};
static struct ls_value record[COUNT(fields)];

static struct ls_value read_value(enum ls_type type, const char *text)
{
    struct ls_value value;

    if (ls_value_from_text(type, text, strlen(text), &mem, &value, &err) != LS_OK)
        fail_msg("%s: %s", text, err.text);
    return value;
}

static int set_up(void **state)
{
    (void)state;
    ls_arena_init(&mem, 0);
    record[0] = ls_value_int(5);
    record[1] = ls_value_text("Ann@Example.org");
    record[2] = read_value(LS_T_DECIMAL, "10.50");
    record[3] = (struct ls_value){.type = LS_T_BOOL, .b = true};
    record[4] = (struct ls_value){.type = LS_T_DOUBLE, .d = 2.5};
    record[5] = read_value(LS_T_DATE, "2026-01-02");
    record[6] = read_value(LS_T_TIMESTAMPTZ, "2026-01-02 03:04:05.123456+00");
    record[7] = read_value(LS_T_TIMESTAMP, "2026-01-02 03:04:05");
    record[8] = read_value(LS_T_TIME, "08:30:00");
    record[9] = read_value(LS_T_UUID, "01234567-89ab-cdef-0123-456789abcdef");
    record[10] = ls_value_data(LS_T_JSON, "{\"a\":{\"b\":[1,2]},\"p\":\"12.5\"}", 29);
    record[11] = ls_value_data(LS_T_BYTES, "\0\xff", 2);
    record[12] = ls_value_null();
    record[13] = read_value(LS_T_DECIMAL, "123456789012345678901234567890.12");
    record[14] = ls_value_int(9007199254740993);
    record[15] = ls_value_text("10.5");
    record[16] = ls_value_text("n/a");
    record[17] = ls_value_text("never");
    record[18] = ls_value_text("five");
    record[19] = ls_value_data(LS_T_NATIVE, "{a,b}", 5);
    record[20] = (struct ls_value){.type = LS_T_DOUBLE, .d = NAN};
    record[21] = read_value(LS_T_DECIMAL, "NaN");
    record[22] = ls_value_text("now");
    return ls_eval_open(&eval, &err) == LS_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ls_eval_close(eval);
    ls_arena_done(&mem);
    return 0;
}

static int added(const char *text)
{
    struct ls_expr *expr = NULL;
    int id = -1;

    if (ls_expr_parse(text, &schema, &mem, &expr, &err) != LS_OK ||
        ls_eval_add(eval, expr, &id, &err) != LS_OK)
        fail_msg("%s: %s", text, err.text);
    return id;
}

static struct ls_value value_of(const char *text)
{
    struct ls_value value;

    if (ls_eval_value(eval, added(text), record, &mem, &value, &err) != LS_OK)
        fail_msg("%s: %s", text, err.text);
    return value;
}

static const char *shown(const struct ls_value *value)
{
    struct ls_buf out;
    const char *text;

    ls_buf_init(&out, 0);
    ls_buf_printf(&out, "%s ", ls_type_word(value->type));
    ls_value_to_text(&out, value);
    text = ls_arena_text(&mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return text;
}

static void assert_value(const char *text, const char *expected)
{
    const struct ls_value value = value_of(text);

    if (strcmp(shown(&value), expected) != 0)
        fail_msg("%s: %s, not %s", text, shown(&value), expected);
}

static bool is_true(const char *text)
{
    bool result = false;

    if (ls_eval_true(eval, added(text), record, &mem, &result, &err) != LS_OK)
        fail_msg("%s: %s", text, err.text);
    return result;
}

static void assert_true_all(const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!is_true(texts[i]))
            fail_msg("not true: %s", texts[i]);
}

static void assert_fails(const char *text, const char *message)
{
    struct ls_value value = ls_value_int(77);

    if (ls_eval_value(eval, added(text), record, &mem, &value, &err) != LS_DATA)
        fail_msg("%s gave %s", text, shown(&value));
    assert_int_equal(value.i, 77);
    if (!strstr(err.text, message) || !strstr(err.text, text))
        fail_msg("%s: \"%s\" is not in: %s", text, message, err.text);
}

static void a_field_alone_passes_untouched(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(fields); i++) {
        const struct ls_value value = value_of(fields[i].name);

        assert_int_equal(value.type, record[i].type);
        assert_string_equal(shown(&value), shown(&record[i]));
    }
}

static void values_are_what_sqlite_makes_of_them(void **state)
{
    (void)state;
    assert_value("lower(email)", "text ann@example.org");
    assert_value("upper('äb')", "text äB");
    assert_value("email || ' ' || id", "text Ann@Example.org 5");
    assert_value("id + 1", "int 6");
    assert_value("id / 2", "int 2");
    assert_value("id / 2.0", "double 2.5");
    assert_value("name", "null ");
    assert_value("name || 'x'", "null ");
    assert_value("coalesce(name, email)", "text Ann@Example.org");
    assert_value("raw || 'a'", "text ");
    assert_value("substr(raw, 2)", "bytes \\xff");
    assert_value("x'0102'", "bytes \\x0102");
    assert_value("data ->> '$.p'", "text 12.5");
    assert_value("data -> '$.a'", "json {\"b\":[1,2]}");
    assert_value("data ->> 'a' ->> 'b' ->> 1", "int 2");
    assert_value("tags || ''", "text {a,b}");
    assert_value("ref || ''", "text 01234567-89ab-cdef-0123-456789abcdef");
    assert_value("CASE WHEN active THEN 'yes' ELSE 'no' END", "text yes");
    assert_value("active + 1", "int 2");
    assert_value("coalesce(active, FALSE)", "bool true");
    assert_value("''", "text ");
    assert_value("x''", "bytes \\x");
    assert_value("9223372036854775807", "int 9223372036854775807");
    assert_value("-9223372036854775808", "int -9223372036854775808");
    assert_value("0xffffffffffffffff", "int -1");
    assert_value("CAST(text_price AS INTEGER)", "int 10");
    assert_value("printf('%05d|%s', id, name)", "text 00005|");
}

static void decimals_are_exact(void **state)
{
    static const char *const truths[] = {
        "price = 10.5",
        "price = '10.500'",
        "price > 9",
        "price > id",
        "price < 11",
        "2 < price",
        "price > score",
        "price = text_price",
        "huge > 123456789012345678901234567890.11",
        "huge < 123456789012345678901234567890.120000000000000000001",
        "huge = 123456789012345678901234567890.12",
        "huge > big",
        "price IN (1, 10.50)",
        "price NOT IN (1, 10.51)",
        "price BETWEEN 10.5 AND 10.500",
        "price NOT BETWEEN 10.6 AND 11",
        "price IS 10.5",
        "price IS NOT 10.6",
        "price IS NOT NULL",
        "price <> 10.50001",
        "CASE price WHEN 10.5 THEN 1 END = 1",
        "nullif(price, 10.50) IS NULL",
        "max(price, 9) = price",
        "min(price, 9, 8.5) = 8.5",
        "coalesce(name, price) > 9",
        "price = 10.5 AND price",
        "0.1 + 0.2 <> 0.3",
        "(price - 10.4) = 0.1",
        "NOT (price = NULL) IS NOT NULL",
        "(price IN (1, NULL)) IS NULL",
        "price IN (10.5, NULL)",
        "(price BETWEEN 11 AND NULL) = 0",
        "(price BETWEEN 10 AND NULL) IS NULL",
        "dnan = 'NaN' AND dnan > huge",
        "dyn_price > 1000000",
        "dyn_price <> 5 AND dyn_price = dyn_price",
    };

    (void)state;
    assert_true_all(truths, COUNT(truths));
    assert_value("price + 0.1", "decimal 10.6");
    assert_value("price + 0.1 + 0.2 - 0.3", "decimal 10.5");
    assert_value("price * 3", "decimal 31.5");
    assert_value("price - id", "decimal 5.5");
    assert_value("price + score", "decimal 13");
    assert_value("-price", "decimal -10.5");
    assert_value("huge * huge",
                 "decimal 15241578753238836750495351562565828416864868162811315348393.6144");
    assert_value("price / 4", "double 2.625");
    assert_value("(price + 0.5) / 2", "double 5.5");
    assert_value("price + name", "null ");
    assert_value("abs(-price)", "decimal 10.5");
    assert_value("round(price)", "decimal 11");
    assert_value("round(-price)", "decimal -11");
    assert_value("round(price - 10.455, 2)", "decimal 0.05");
    assert_value("round(price - 10, 0)", "decimal 1");
    assert_value("round(price - 10.1, 0)", "decimal 0");
    assert_value("round(huge, 1)", "decimal 123456789012345678901234567890.1");
    assert_value("round(price, 5)", "decimal 10.5");
    assert_value("max(price, 11)", "decimal 11");
    assert_value("min(price, 11)", "decimal 10.50");
    assert_value("coalesce(name, price)", "decimal 10.50");
    assert_value("iif(id = 5, 0, price)", "decimal 0");
    assert_value("CAST('1.10' AS DECIMAL)", "decimal 1.10");
    assert_value("CAST(1.10 AS DECIMAL)", "decimal 1.10");
    assert_value("CAST(score AS DECIMAL)", "decimal 2.5");
    assert_value("CAST(price AS INTEGER)", "int 10");
    assert_value("CAST(price AS REAL)", "double 10.5");
    assert_value("price || ''", "text 10.50");
    assert_value("coalesce(dyn_price, 0)", "text n/a");
    assert_value("dnan + 1", "decimal NaN");
}

static void times_are_compared_by_value(void **state)
{
    static const char *const truths[] = {
        "seen_at > '2026-01-02'",
        "seen_at > '2026-01-02T03:04:05Z'",
        "seen_at < '2026-01-02T03:04:05.2Z'",
        "seen_at < '2026-01-02T03:04:05-01:00'",
        "seen_at = '2026-01-02T04:04:05.123456+01:00'",
        "'2027-01-01' > seen_at",
        "seen_at BETWEEN '2026-01-02' AND '2026-01-03'",
        "seen_at IN ('2026-01-02T03:04:05.123456Z')",
        "seen_at IS '2026-01-02 03:04:05.123456+00'",
        "local_at = '2026-01-02T03:04:05'",
        "local_at > born",
        "born <= '2026-01-02T00:00:00'",
        "born < '2026-01-02 10:00'",
        "born = '2026-01-02'",
        "born > '1999-12-31' AND born < '10000-01-01'",
        "opens >= '08:00' AND opens < '09:00'",
        "ref = '0123456789ABCDEF0123456789ABCDEF'",
        "max(born, '2026-05-05') = '2026-05-05'",
        "coalesce(name, seen_at) > '2026-01-02'",
        "dyn_at > '2026-01-02'",
        "dyn_at <> '2026-01-02'",
        "born = CAST('2026-01-02' AS DATE)",
        "CAST(seen_at AS DATE) = born",
        "seen_at > datetime('2026-01-01', '+1 day')",
        "active = 'yes'",
        "active = 'T' AND active IS TRUE AND active",
    };

    (void)state;
    assert_true_all(truths, COUNT(truths));
    assert_value("coalesce(born, '2020-01-01')", "date 2026-01-02");
    assert_value("coalesce(seen_at, '2020-01-01')", "timestamptz 2026-01-02 03:04:05.123456+00");
    assert_value("coalesce(NULL, local_at)", "timestamp 2026-01-02 03:04:05");
    assert_value("coalesce(ref, ref)", "uuid 01234567-89ab-cdef-0123-456789abcdef");
    assert_value("CAST('2026-01-02T03:04:05+01:00' AS TIMESTAMPTZ)",
                 "timestamptz 2026-01-02 02:04:05+00");
    assert_value("CAST('T' AS BOOLEAN)", "bool true");
    assert_value("CAST(0 AS BOOLEAN)", "bool false");
    assert_value("CAST(seen_at AS DATE)", "date 2026-01-02");
    assert_value("date(seen_at)", "text 2026-01-02");
    assert_value("strftime('%Y-%m', seen_at)", "text 2026-01");
    assert_value("date(born, '+1 month')", "text 2026-02-02");
    assert_value("unixepoch(seen_at)", "int 1767323045");
    assert_value("datetime(1767323045, 'unixepoch')", "text 2026-01-02 03:04:05");
    assert_value("seen_at || ''", "text 2026-01-02 03:04:05.123456Z");
    assert_value("born || ''", "text 2026-01-02");
}

static void what_a_condition_keeps_out_is_not_computed(void **state)
{
    (void)state;
    assert_value("CASE WHEN json_valid(email) THEN json_extract(email, '$.a') ELSE 'none' END",
                 "text none");
    assert_value("CASE WHEN id = 1 THEN 'a' ELSE 'b' NOT BETWEEN json_quote(id) AND 'c' END",
                 "int 0");
    assert_value("CASE WHEN id = 5 THEN 'a' ELSE 'b' NOT BETWEEN json_quote(raw) AND 'c' END",
                 "text a");
    assert_value("CASE WHEN id = 5 THEN 'a' ELSE json_quote(raw) COLLATE NOCASE = 'x' END",
                 "text a");
    assert_value("iif(id = 5, 'a', CAST(email AS DECIMAL) + 1)", "text a");
    assert_value("coalesce(email, json(email))", "text Ann@Example.org");
}

static void null_and_zero_are_false(void **state)
{
    static const char *const falses[] = {
        "0",       "NULL", "name",    "name = 'a'", "id = 6",           "''",
        "'abc'",   "0.0",  "id - 5",  "NOT active", "name IS NOT NULL", "raw",
        "id <> 5", "nan",  "nan > 1", "x''"};
    static const char *const truths[] = {"1",           "id",           "active", "'1x'",
                                         "0.5",         "name IS NULL", "price",  "NOT 0",
                                         "nan IS NULL", "score"};

    (void)state;
    for (size_t i = 0; i < COUNT(falses); i++)
        if (is_true(falses[i]))
            fail_msg("true: %s", falses[i]);
    assert_true_all(truths, COUNT(truths));
}

static void fields_compare_as_columns_of_their_type(void **state)
{
    static const char *const truths[] = {
        "id = '5'",
        "'5' = id",
        "id IN ('5')",
        "id BETWEEN '4' AND '6'",
        "text_price = 10.5",
        "id < 'a'",
        "NOT +id = '5'",
        "score = '2.5'",
        "CASE id WHEN '5' THEN 1 END",
        "dyn_id > 1000",
        "dyn_id = 'five'",
        "dyn_id <> '5'",
    };

    (void)state;
    assert_true_all(truths, COUNT(truths));
}

static void what_cannot_be_computed_is_an_error_without_the_record(void **state)
{
    (void)state;
    assert_fails("dyn_price + 1", "decimal arithmetic with a value that is no number");
    assert_fails("CAST(email AS DECIMAL)", "CAST of a value that is no decimal");
    assert_fails("CAST(email AS DATE)", "CAST of a value that is no date");
    assert_fails("CAST(email AS UUID)", "CAST of a value that is no uuid");
    assert_fails("date(word)", "depends on the clock");
    assert_fails("date(lower('N') || 'ow')", "depends on the clock");
    assert_fails("datetime(seen_at, 'local' || 'time')", "depends on the clock");
    assert_fails("json(email)", "malformed JSON");
    assert_fails("json_extract(data, email)", "malformed JSON path");
    assert_null(strstr(err.text, "Ann"));
    assert_fails("abs(-9223372036854775808)", "integer overflow");
    assert_fails("email LIKE 'a' ESCAPE 'ab'", "ESCAPE expression must be a single character");
}

static void an_expression_that_grows_is_stopped(void **state)
{
    char text[2000];
    size_t at = 0;

    (void)state;
    assert_fails("printf('%2000000d', 1)", "more than 1000000 bytes");
    assert_fails("printf('%*d', 2000000000, 1)", "more than 1000000 bytes");
    assert_fails("printf('%.*f', 2000000000, 1.0)", "more than 1000000 bytes");
    assert_fails("replace(printf('%100000d', 1), ' ', printf('%1000d', 1))",
                 "more than 1000000 bytes");
    assert_fails("format(email || '%2000000d', 1)", "more than 1000000 bytes");
    assert_value("printf(name)", "null ");
    assert_value("printf('')", "null ");
    assert_fails("printf('%s%s', printf('%0900000d', 1), printf('%0900000d', 1))",
                 "more than 1000000 bytes");
    assert_fails("hex(printf('%600000d', 1))", "more than 1000000 bytes");
    assert_fails("price + printf('%s', '1e20000')", "too many digits");
    assert_fails("price + printf('%s', '1e-20000')", "too many digits");
    assert_fails("price * printf('%s', '1e999999999')", "");
    assert_fails("price + printf('%0900000d', 1)", "too many digits");
    assert_fails("email LIKE printf('%5000d', 1)", "LIKE or GLOB pattern too complex");
    at += (size_t)snprintf(text, sizeof text, "price");
    for (size_t i = 0; i < 10; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, " * printf('%%09000d', 1)");
    assert_value(text, "decimal 10.5");
    text[0] = '\0';
    at = (size_t)snprintf(text, sizeof text, "huge");
    for (size_t i = 0; i < 30; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, " * ('1' || printf('%%0900d', 0))");
    assert_fails(text, "too many digits");
}

static void a_value_that_is_too_large_for_the_evaluator_is_refused(void **state)
{
    const struct ls_value before = record[1];
    char *large = ls_arena_alloc(&mem, 2000000);

    (void)state;
    memset(large, 'a', 2000000);
    record[1] = ls_value_data(LS_T_TEXT, large, 2000000);
    assert_fails("lower(email)", "more than 1000000 bytes");
    record[1] = before;
    assert_value("lower(email)", "text ann@example.org");
}

static void text_with_a_nul_keeps_its_length(void **state)
{
    const struct ls_value before = record[1];
    struct ls_value value;

    (void)state;
    record[1] = ls_value_data(LS_T_TEXT, "a\0b", 3);
    value = value_of("email || 'c'");
    assert_int_equal(value.size, 4);
    assert_memory_equal(value.data, "a\0bc", 4);
    record[1] = before;
}

static void an_evaluator_is_used_again_after_an_error(void **state)
{
    const int bad = added("CAST(email AS DATE)"), good = added("lower(email)");
    struct ls_value value;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ls_eval_value(eval, bad, record, &mem, &value, &err), LS_DATA);
        assert_int_equal(ls_eval_value(eval, good, record, &mem, &value, &err), LS_OK);
        assert_string_equal(shown(&value), "text ann@example.org");
    }
}

static void a_result_outlives_the_next_one(void **state)
{
    const int id = added("email || id");
    struct ls_value first, second;

    (void)state;
    assert_int_equal(ls_eval_value(eval, id, record, &mem, &first, &err), LS_OK);
    record[0] = ls_value_int(6);
    assert_int_equal(ls_eval_value(eval, id, record, &mem, &second, &err), LS_OK);
    record[0] = ls_value_int(5);
    assert_string_equal(shown(&first), "text Ann@Example.org5");
    assert_string_equal(shown(&second), "text Ann@Example.org6");
}

static void the_deepest_expressions_that_are_parsed_are_taken(void **state)
{
    static const struct {
        const char *open, *middle, *close;
    } nests[] = {
        {"(", "1", ")"},
        {"- ", "id", ""},
        {"NOT ", "id", ""},
        {"abs(", "id", ")"},
        {"1+(", "id", ")"},
        {"1 IN (2, ", "id", ")"},
        {"1 BETWEEN 1 AND (", "id", ")"},
        {"1 BETWEEN ", "id", " AND 2"},
        {"CASE WHEN 1 THEN ", "id", " END"},
        {"CASE ", "id", " WHEN 1 THEN 2 END"},
        {"CASE 1 WHEN 2 THEN 3 WHEN ", "id", " THEN 2 ELSE 3 END"},
        {"CASE 1 WHEN 1 THEN 2 ELSE ", "id", " END"},
        {"CAST(", "id", " AS TEXT)"},
        {"CAST(", "id", " AS DECIMAL)"},
        {"'a' LIKE ('b' || ", "email", ")"},
        {"('a' LIKE 'b' ESCAPE ", "email", ")"},
        {"('a' LIKE ", "email", " ESCAPE 'a')"},
        {"nullif(price,", "id", ")"},
        {"nullif(", "price", ", 1)"},
        {"price + (", "id", ")"},
        {"price - (", "id", ")"},
        {"price / (", "id", ")"},
        {"(price / ", "price", ")"},
        {"(1 > ", "price", ")"},
        {"(", "price", " IN (1, 2)) + price"},
        {"(1 IN (1, 2, ", "price", ")) + price"},
        {"(", "price", " NOT BETWEEN 1 AND 2) + price"},
        {"(price NOT BETWEEN 1 AND ", "price", ") + price"},
        {"CASE price WHEN 1 THEN ", "id", " END"},
        {"CASE price WHEN ", "price", " THEN price END"},
        {"date(", "email", ")"},
        {"date(1, ", "email", ")"},
        {"coalesce(1, 2, ", "id", ")"},
        {"(id || ", "id", ") COLLATE NOCASE"},
    };
    char text[LS_EXPR_MAX_BYTES * 2];

    (void)state;
    for (size_t i = 0; i < COUNT(nests); i++) {
        size_t deepest = 0;

        for (size_t levels = 1; levels <= LS_EXPR_MAX_DEPTH; levels++) {
            struct ls_expr *expr = NULL;
            size_t at = 0;
            int id;

            for (size_t n = 0; n < levels; n++)
                at += (size_t)snprintf(text + at, sizeof text - at, "%s", nests[i].open);
            at += (size_t)snprintf(text + at, sizeof text - at, "%s", nests[i].middle);
            for (size_t n = 0; n < levels; n++)
                at += (size_t)snprintf(text + at, sizeof text - at, "%s", nests[i].close);
            if (ls_expr_parse(text, &schema, &mem, &expr, &err) != LS_OK)
                break;
            if (ls_eval_add(eval, expr, &id, &err) != LS_OK)
                fail_msg("%zu levels: %s", levels, err.text);
            deepest = levels;
        }
        if (deepest < 8)
            fail_msg("%s: only %zu levels: %s", nests[i].open, deepest, err.text);
    }
}

/* The parser writes nothing of the kind: this is the wall behind it. */
static void sql_that_is_no_expression_of_ours_is_not_prepared(void **state)
{
    static const char *const forged[] = {
        "1; SELECT 2",
        "1 FROM sqlite_schema",
        "(SELECT count(*) FROM sqlite_schema)",
        "load_extension('x')",
        "random()",
        "randomblob(9)",
        "sqlite_version()",
        "sum(1)",
        "name FROM pragma_function_list",
        "1, 2",
        "x",
        "\"x\"",
        "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c)",
        "",
    };
    struct ls_expr_node node = {.kind = LS_NODE_LITERAL};
    int id = 77;

    (void)state;
    for (size_t i = 0; i < COUNT(forged); i++) {
        const struct ls_expr expr = {
            .text = "forged", .root = &node, .sql = forged[i], .loose_sql = forged[i]};

        if (ls_eval_add(eval, &expr, &id, &err) != LS_CONFIG)
            fail_msg("prepared: %s", forged[i]);
        assert_non_null(strstr(err.text, "(expression=forged)"));
    }
    assert_int_equal(id, 77);
}

/* Nor this: a join of seven times ten rows needs nothing that the authorizer knows of. */
static void an_expression_that_runs_on_is_ended(void **state)
{
#define TEN "(VALUES (1), (1), (1), (1), (1), (1), (1), (1), (1), (1))"
    static const char forged[] = "(SELECT 1 FROM " TEN ", " TEN ", " TEN ", " TEN ", " TEN ", " TEN
                                 ", " TEN " LIMIT 1 OFFSET 99999999)";
    struct ls_expr_node node = {.kind = LS_NODE_LITERAL};
    const struct ls_expr expr = {
        .text = "forged", .root = &node, .sql = forged, .loose_sql = forged};
    struct ls_value value = ls_value_int(77);
    int id = -1;

    (void)state;
    assert_int_equal(ls_eval_add(eval, &expr, &id, &err), LS_OK);
    assert_int_equal(ls_eval_value(eval, id, record, &mem, &value, &err), LS_DATA);
    assert_non_null(strstr(err.text, "interrupted"));
    assert_non_null(strstr(err.text, "(expression=forged)"));
    assert_int_equal(value.i, 77);
    assert_value("id + 1", "int 6"); /* each evaluation has the whole limit again */
#undef TEN
}

/* --- The same answers as SQLite gives on a real table. --- */

static uint64_t seed;

static unsigned chance(unsigned below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % below;
}

static const char *pick(const char *const *from, size_t count)
{
    return from[chance((unsigned)count)];
}
#define PICK(...) \
    pick((const char *const[]){__VA_ARGS__}, COUNT(((const char *const[]){__VA_ARGS__})))

static void generate(struct ls_buf *out, unsigned depth);

static void generate_leaf(struct ls_buf *out)
{
    if (chance(3) > 0)
        ls_buf_text(out, PICK("i", "r", "s", "b", "k", "u", "\"s\""));
    else
        ls_buf_text(out, PICK("0", "1", "5", "-3", "2.5", "1e2", "'5'", "' 5'", "'abc'", "'ABC'",
                              "'2.5'", "''", "NULL", "x'61'", "TRUE", "FALSE", "0x1F",
                              "9223372036854775807", "'a%'", "5.0", "'5.0'"));
}

static void generate_call(struct ls_buf *out, unsigned depth)
{
    static const struct {
        const char *name;
        unsigned args;
    } calls[] = {
        {"lower", 1},      {"upper", 1},    {"length", 1},     {"abs", 1},     {"typeof", 1},
        {"hex", 1},        {"quote", 1},    {"sign", 1},       {"unicode", 1}, {"trim", 1},
        {"round", 1},      {"coalesce", 2}, {"ifnull", 2},     {"nullif", 2},  {"min", 2},
        {"max", 3},        {"instr", 2},    {"iif", 3},        {"replace", 3}, {"substr", 3},
        {"trim", 2},       {"like", 2},     {"glob", 2},       {"round", 2},   {"ltrim", 2},
        {"coalesce", 4},   {"date", 2},     {"julianday", 1},  {"char", 2},    {"min", 4},
        {"json_valid", 1}, {"strftime", 2}, {"json_quote", 1}, {"printf", 3},
    };
    const unsigned which = chance(COUNT(calls));

    ls_buf_printf(out, "%s(", calls[which].name);
    for (unsigned i = 0; i < calls[which].args; i++) {
        ls_buf_text(out, i > 0 ? ", " : "");
        generate(out, depth - 1);
    }
    ls_buf_char(out, ')');
}

static void generate_infix(struct ls_buf *out, unsigned depth)
{
    generate(out, depth - 1);
    ls_buf_printf(out, " %s ",
                  PICK("OR", "AND", "=", "==", "<>", "!=", "<", "<=", ">", ">=", "IS", "IS NOT",
                       "IS DISTINCT FROM", "IS NOT DISTINCT FROM", "+", "-", "*", "/", "%", "&",
                       "|", "<<", ">>", "||", "LIKE", "NOT LIKE", "GLOB", "NOT GLOB"));
    generate(out, depth - 1);
}

static void generate_list(struct ls_buf *out, unsigned depth)
{
    const unsigned count = chance(4);

    generate(out, depth - 1);
    ls_buf_text(out, PICK(" IN (", " NOT IN ("));
    for (unsigned i = 0; i < count; i++) {
        ls_buf_text(out, i > 0 ? ", " : "");
        generate(out, depth - 1);
    }
    ls_buf_char(out, ')');
}

static void generate_case(struct ls_buf *out, unsigned depth)
{
    ls_buf_text(out, "CASE ");
    if (chance(2))
        generate(out, depth - 1);
    for (unsigned i = 0; i <= chance(2); i++) {
        ls_buf_text(out, " WHEN ");
        generate(out, depth - 1);
        ls_buf_text(out, " THEN ");
        generate(out, depth - 1);
    }
    if (chance(2)) {
        ls_buf_text(out, " ELSE ");
        generate(out, depth - 1);
    }
    ls_buf_text(out, " END");
}

static void generate_between(struct ls_buf *out, unsigned depth)
{
    generate(out, depth - 1);
    ls_buf_text(out, PICK(" BETWEEN (", " NOT BETWEEN ("));
    generate(out, depth - 1);
    ls_buf_text(out, ") AND ");
    generate(out, depth - 1);
}

static void generate(struct ls_buf *out, unsigned depth)
{
    if (depth == 0) {
        generate_leaf(out);
        return;
    }
    switch (chance(14)) {
    case 0:
        ls_buf_text(out, "(");
        generate(out, depth - 1);
        ls_buf_text(out, ")");
        break;
    case 1:
        ls_buf_text(out, PICK("- ", "+ ", "~ ", "NOT "));
        generate(out, depth - 1);
        break;
    case 2:
        generate_call(out, depth);
        break;
    case 3:
        generate_list(out, depth);
        break;
    case 4:
        generate_case(out, depth);
        break;
    case 5:
        generate_between(out, depth);
        break;
    case 6:
        generate(out, depth - 1);
        ls_buf_text(out,
                    PICK(" ISNULL", " NOTNULL", " IS NULL", " IS NOT NULL", " NOT NULL", " IS TRUE",
                         " IS NOT FALSE", " COLLATE NOCASE", " COLLATE BINARY", " COLLATE RTRIM"));
        break;
    case 7:
        ls_buf_text(out, "CAST(");
        generate(out, depth - 1);
        ls_buf_text(out, PICK(" AS TEXT)", " AS INTEGER)", " AS REAL)", " AS BLOB)"));
        break;
    default:
        generate_infix(out, depth);
    }
}

static const struct ls_field table_fields[] = {
    FIELD("i", INT, 0),   FIELD("r", DOUBLE, 0), FIELD("s", TEXT, 0),
    FIELD("b", BYTES, 0), FIELD("k", INT, 0),    FIELD("u", TEXT, 0),
};
static const struct ls_field dynamic_fields[] = {
    FIELD("i", INT, LS_FIELD_DYNAMIC),  FIELD("r", DOUBLE, LS_FIELD_DYNAMIC),
    FIELD("s", TEXT, LS_FIELD_DYNAMIC), FIELD("b", BYTES, LS_FIELD_DYNAMIC),
    FIELD("k", INT, LS_FIELD_DYNAMIC),  FIELD("u", TEXT, LS_FIELD_DYNAMIC),
};
static const char table_sql[] =
    "CREATE TABLE t (i INTEGER, r REAL, s TEXT, b BLOB, k INTEGER, u TEXT);"
    "INSERT INTO t VALUES (5, 2.5, '5', x'61', 0, 'abc'), (NULL, 5.0, 'ABC', NULL, 5, 'abc'),"
    " (-3, NULL, NULL, x'', 9223372036854775807, ' 5'), (1, 100.0, '2.5', x'35', NULL, '5.0'),"
    " (0, 0.0, '', x'616263', 2, 'a%'), (31, -2.5, 'abc ', x'00', 1, 'ABC');";

static struct ls_value column_value(sqlite3_stmt *stmt, int column)
{
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        return ls_value_int(sqlite3_column_int64(stmt, column));
    case SQLITE_FLOAT:
        return (struct ls_value){.type = LS_T_DOUBLE, .d = sqlite3_column_double(stmt, column)};
    case SQLITE_TEXT:
        return ls_value_data(LS_T_TEXT, sqlite3_column_text(stmt, column),
                             (size_t)sqlite3_column_bytes(stmt, column));
    case SQLITE_BLOB:
        return ls_value_data(LS_T_BYTES, sqlite3_column_blob(stmt, column),
                             (size_t)sqlite3_column_bytes(stmt, column));
    default:
        return ls_value_null();
    }
}

static bool identical(const struct ls_value *a, const struct ls_value *b)
{
    const enum ls_type type = a->type == LS_T_JSON ? LS_T_TEXT : a->type;

    if (type != b->type)
        return false;
    switch ((int)type) {
    case LS_T_NULL:
        return true;
    case LS_T_INT:
        return a->i == b->i;
    case LS_T_BOOL:
        return a->b == b->b;
    case LS_T_DOUBLE:
        return memcmp(&a->d, &b->d, sizeof a->d) == 0 || a->d == b->d;
    default:
        return a->size == b->size &&
               memcmp(a->size ? a->data : "", b->size ? b->data : "", a->size) == 0;
    }
}

/* Evaluates over each row of t both ways; the number of rows that gave a value. */
static unsigned compare_with_sqlite(sqlite3 *db, const char *text, const struct ls_schema *table,
                                    unsigned *ret_errors)
{
    struct ls_expr *expr = NULL;
    sqlite3_stmt *stmt = NULL;
    unsigned compared = 0;
    char sql[LS_EXPR_MAX_BYTES + 100];
    int id, rc;

    if (ls_expr_parse(text, table, &mem, &expr, &err) != LS_OK)
        fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
    assert_int_equal(ls_eval_add(eval, expr, &id, &err), LS_OK);
    snprintf(sql, sizeof sql, "SELECT i, r, s, b, k, u FROM t WHERE rowid = ?1");
    for (int row = 1; row <= 6; row++) {
        struct ls_value values[6], ours = ls_value_null(), theirs;
        sqlite3_stmt *value = NULL;
        enum ls_code code;

        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
        sqlite3_bind_int(stmt, 1, row);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        for (int c = 0; c < 6; c++)
            values[c] = column_value(stmt, c);
        code = ls_eval_value(eval, id, values, &mem, &ours, &err);
        {
            char *wanted = sqlite3_mprintf("SELECT %s FROM t WHERE rowid = %d", text, row);

            rc = sqlite3_prepare_v2(db, wanted, -1, &value, NULL);
            sqlite3_free(wanted);
        }
        if (rc == SQLITE_OK)
            rc = sqlite3_step(value);
        if ((code == LS_OK) != (rc == SQLITE_ROW))
            fail_msg("%s, row %d: we %s, SQLite %s", text, row,
                     code == LS_OK ? shown(&ours) : err.text, sqlite3_errmsg(db));
        if (code == LS_OK) {
            theirs = column_value(value, 0);
            if (ours.type == LS_T_BOOL)
                ours = ls_value_int(ours.b);
            if (!identical(&ours, &theirs))
                fail_msg("%s, row %d: we %s, SQLite %s, by %s", text, row, shown(&ours),
                         shown(&theirs), ls_expr_sql(expr));
            compared++;
        } else {
            (*ret_errors)++;
        }
        sqlite3_finalize(value);
        sqlite3_finalize(stmt);
    }
    return compared;
}

static void random_expressions_give_what_sqlite_gives_on_a_table(void **state)
{
    const struct ls_schema plain = {
        .collection = "t", .field_count = 6, .fields = table_fields, .fingerprint = ""};
    const struct ls_schema dynamic = {
        .collection = "t", .field_count = 6, .fields = dynamic_fields, .fingerprint = ""};
    unsigned compared = 0, errors = 0;
    struct ls_buf text;
    sqlite3 *db = NULL;

    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, table_sql, NULL, NULL, NULL), SQLITE_OK);
    ls_buf_init(&text, 0);
    for (seed = 1; compared < 12000;) {
        ls_buf_reset(&text);
        generate(&text, 1 + chance(3));
        if (text.size > LS_EXPR_MAX_BYTES)
            continue;
        compared +=
            compare_with_sqlite(db, ls_buf_str(&text), chance(4) ? &plain : &dynamic, &errors);
        if (compared % 50 == 0) {
            ls_eval_close(eval);
            ls_arena_reset(&mem);
            assert_int_equal(ls_eval_open(&eval, &err), LS_OK);
        }
    }
    assert_true(errors < compared / 4);
    ls_buf_done(&text);
    sqlite3_close(db);
    ls_eval_close(eval);
    ls_arena_done(&mem);
    assert_int_equal(set_up(NULL), 0);
}

/* --- What is pushed down selects what the expression selects. --- */

static void generate_condition(struct ls_buf *out)
{
    static const struct {
        const char *field, *literals[6];
    } cases[] = {
        {"id", {"4", "5", "5.0", "'5'", "NULL", "6"}},
        {"price", {"10.5", "10.50", "'10.5'", "9", "11", "NULL"}},
        {"born",
         {"'2026-01-02'", "'2026-01-01'", "'2027-01-02'", "NULL", "'2026-01-02 10:00'",
          "'2026-01-02T00:00:00'"}},
        {"seen_at",
         {"'2026-01-02'", "'2026-01-02T03:04:05.123456Z'", "'2026-01-02T04:04:05.123456+01:00'",
          "NULL", "'2027-01-02'", "'2025-12-31T23:00:00Z'"}},
        {"email", {"'Ann@Example.org'", "'ann@example.org'", "''", "NULL", "'b'", "5"}},
        {"name", {"'a'", "NULL", "''", "'b'", "'c'", "5"}},
        {"ref",
         {"'01234567-89ab-cdef-0123-456789abcdef'", "'0123456789ABCDEF0123456789ABCDEF'", "NULL",
          "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
          "NULL"}},
        {"active", {"1", "0", "TRUE", "'f'", "NULL", "2"}},
        {"dyn_id", {"5", "NULL", "0", "'five'", "7", "8"}},
        {"opens", {"'08:30'", "'08:30:00'", "'09:00'", "NULL", "'00:00'", "'24:00'"}},
    };
    const unsigned which = chance(COUNT(cases));
    const char *const *literals = cases[which].literals;

    switch (chance(6)) {
    case 0:
        ls_buf_printf(out, "%s %s", cases[which].field, PICK("IS NULL", "NOTNULL"));
        break;
    case 1:
        ls_buf_printf(out, "%s %s (%s, %s)", cases[which].field, PICK("IN", "NOT IN"),
                      literals[chance(6)], literals[chance(6)]);
        break;
    case 2:
        ls_buf_printf(out, "%s BETWEEN %s AND %s", cases[which].field, literals[chance(6)],
                      literals[chance(6)]);
        break;
    case 3:
        ls_buf_printf(out, "%s %s %s", literals[chance(6)],
                      PICK("=", "<>", "<", "<=", ">", ">=", "IS"), cases[which].field);
        break;
    default:
        ls_buf_printf(out, "%s %s %s", cases[which].field,
                      PICK("=", "<>", "<", "<=", ">", ">=", "IS"), literals[chance(6)]);
    }
}

static void what_is_pushed_down_selects_the_same_records(void **state)
{
    unsigned pushed = 0;
    struct ls_buf text;

    (void)state;
    ls_buf_init(&text, 0);
    seed = 7;
    for (unsigned i = 0; i < 4000; i++) {
        struct ls_expr *expr = NULL;
        struct ls_filter filter;
        bool whole, wanted, matched;
        int id;

        ls_buf_reset(&text);
        generate_condition(&text);
        while (chance(2)) {
            ls_buf_text(&text, PICK(" AND ", " AND ", " OR "));
            generate_condition(&text);
        }
        if (ls_expr_parse(ls_buf_str(&text), &schema, &mem, &expr, &err) != LS_OK)
            fail_msg("%s", err.text);
        assert_int_equal(ls_eval_add(eval, expr, &id, &err), LS_OK);
        assert_int_equal(ls_eval_true(eval, id, record, &mem, &wanted, &err), LS_OK);
        assert_int_equal(ls_expr_pushdown(expr, &schema, &mem, &filter, &whole, &err), LS_OK);
        matched = ls_filter_match(&filter, &schema, record);
        if (whole ? wanted != matched : wanted && !matched)
            fail_msg("%s: the expression says %d, the filter %d", ls_buf_str(&text), wanted,
                     matched);
        pushed += filter.count > 0;
    }
    assert_true(pushed > 1000);
    ls_buf_done(&text);
}

/* --- What is parsed is taken by SQLite, whatever it was made of. --- */

static void mangle(char *text, size_t room)
{
    static const char *const pieces[] = {"(",
                                         ")",
                                         ",",
                                         "'",
                                         "\"",
                                         "NOT ",
                                         " AND ",
                                         " IS ",
                                         " IN (",
                                         "CASE ",
                                         " WHEN ",
                                         " THEN ",
                                         " END",
                                         "price",
                                         "born",
                                         "seen_at",
                                         "ref",
                                         "active",
                                         "email",
                                         "1.5",
                                         "'2026-01-02'",
                                         "x'00'",
                                         " BETWEEN ",
                                         " LIKE ",
                                         " ESCAPE ",
                                         "- ",
                                         "+",
                                         " || ",
                                         " -> ",
                                         "CAST(",
                                         " AS DECIMAL)",
                                         " AS DATE)",
                                         "coalesce(",
                                         "max(",
                                         "nullif(",
                                         "NULL",
                                         " COLLATE NOCASE",
                                         " ISNULL",
                                         "iif(",
                                         "*",
                                         "/",
                                         "%",
                                         "~",
                                         "--",
                                         "/*",
                                         ";",
                                         "?",
                                         "\xff",
                                         "0x",
                                         "1e",
                                         "."};
    const size_t size = strlen(text), at = chance((unsigned)size + 1);

    if (chance(3) == 0 && at < size) {
        memmove(text + at, text + at + 1, size - at);
    } else {
        const char *piece = pieces[chance(COUNT(pieces))];
        const size_t length = strlen(piece);

        if (size + length + 1 > room)
            return;
        memmove(text + at + length, text + at, size - at + 1);
        memcpy(text + at, piece, length);
    }
}

static void what_the_parser_takes_sqlite_takes(void **state)
{
    static const char *const seeds[] = {
        "price + 1 > 2 AND born = '2026-01-02'",
        "CASE price WHEN 1 THEN born ELSE NULL END",
        "coalesce(price, 0) IN (1, 2.5, id)",
        "NOT active OR email LIKE 'a%' ESCAPE '!'",
        "max(price, huge, 3) BETWEEN id AND 7",
        "CAST(email AS DECIMAL) * -price / 2 || 'x'",
        "data -> '$.a' ->> 'b' IS NOT DISTINCT FROM ref",
        "date(seen_at, '+1 day') || printf('%d', id)",
    };
    unsigned taken = 0;

    (void)state;
    seed = 3;
    for (unsigned i = 0; i < 60000; i++) {
        char text[200];
        struct ls_expr *expr = NULL;
        struct ls_value value;
        enum ls_code rc;
        int id;

        snprintf(text, sizeof text, "%s", seeds[chance(COUNT(seeds))]);
        for (unsigned n = chance(6); n > 0; n--)
            mangle(text, sizeof text);
        if (ls_expr_parse(text, &schema, &mem, &expr, &err) == LS_OK) {
            if (ls_eval_add(eval, expr, &id, &err) != LS_OK)
                fail_msg("%s: %s", text, err.text);
            rc = ls_eval_value(eval, id, record, &mem, &value, &err);
            if (rc != LS_OK && rc != LS_DATA)
                fail_msg("%s: %s", text, err.text);
            taken++;
        }
        if (i % 500 == 0) {
            ls_eval_close(eval);
            eval = NULL;
            assert_int_equal(ls_eval_open(&eval, &err), LS_OK);
        }
    }
    assert_true(taken > 5000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_field_alone_passes_untouched),
        TEST(values_are_what_sqlite_makes_of_them),
        TEST(decimals_are_exact),
        TEST(times_are_compared_by_value),
        TEST(what_a_condition_keeps_out_is_not_computed),
        TEST(null_and_zero_are_false),
        TEST(fields_compare_as_columns_of_their_type),
        TEST(what_cannot_be_computed_is_an_error_without_the_record),
        TEST(an_expression_that_grows_is_stopped),
        TEST(a_value_that_is_too_large_for_the_evaluator_is_refused),
        TEST(text_with_a_nul_keeps_its_length),
        TEST(an_evaluator_is_used_again_after_an_error),
        TEST(a_result_outlives_the_next_one),
        TEST(the_deepest_expressions_that_are_parsed_are_taken),
        TEST(sql_that_is_no_expression_of_ours_is_not_prepared),
        TEST(an_expression_that_runs_on_is_ended),
        TEST(random_expressions_give_what_sqlite_gives_on_a_table),
        TEST(what_is_pushed_down_selects_the_same_records),
        TEST(what_the_parser_takes_sqlite_takes),
    };

    return cmocka_run_group_tests_name("sql/eval", tests, NULL, NULL);
}
