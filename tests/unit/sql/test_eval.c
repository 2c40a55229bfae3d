/* SPDX-License-Identifier: Apache-2.0 */
/* test_eval.c - expressions over a record: values as SQLite makes them, what is an error, what is stopped. */
#include "eval_help.h"

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
    };

    return cmocka_run_group_tests_name("sql/eval", tests, NULL, NULL);
}
