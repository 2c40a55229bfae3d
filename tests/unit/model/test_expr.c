/* SPDX-License-Identifier: Apache-2.0 */
/* test_expr.c - field expressions: what is taken, what is refused and how, what SQL they become, what a store may filter by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/expr.h"
#include "model/expr_priv.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct ls_arena mem;
static struct ls_error err;

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
    FIELD("Full Name", TEXT, 0),
    FIELD("folded", TEXT, LS_FIELD_FOLDS),
    FIELD("padded", TEXT, LS_FIELD_PADDED),
    FIELD("dyn_id", INT, LS_FIELD_DYNAMIC),
    FIELD("dyn_price", DECIMAL, LS_FIELD_DYNAMIC),
    FIELD("tags", NATIVE, 0),
    FIELD("end", TEXT, 0),
    FIELD("qty", DECIMAL, 0),
    FIELD("a=b", TEXT, 0),
    FIELD("dyn_name", TEXT, LS_FIELD_DYNAMIC),
    FIELD("größe", INT, 0),
};
static const struct ls_schema schema = {
    .collection = "public.shop", .field_count = COUNT(fields), .fields = fields, .fingerprint = ""};

static struct ls_expr *parsed(const char *text)
{
    struct ls_expr *expr = NULL;

    if (ls_expr_parse(text, &schema, &mem, &expr, &err) != LS_OK)
        fail_msg("%s: %s", text, err.text);
    return expr;
}

static void assert_sql(const char *text, const char *sql)
{
    const char *got = ls_expr_sql(parsed(text));

    if (strcmp(got, sql) != 0)
        fail_msg("%s:\n  got      %s\n  expected %s", text, got, sql);
}

static void assert_refused(const char *text, const char *message)
{
    struct ls_expr *expr = NULL;

    if (ls_expr_parse(text, &schema, &mem, &expr, &err) != LS_CONFIG)
        fail_msg("taken: %s", text);
    assert_null(expr);
    if (!strstr(err.text, message))
        fail_msg("%s: \"%s\" is not in: %s", text, message, err.text);
}

static void operators_bind_as_in_sqlite(void **state)
{
    (void)state;
    assert_sql("1 + 2 * 3", "(1 + (2 * 3))");
    assert_sql("1 - 2 - 3", "(1 - 2 - 3)");
    assert_sql("1 - (2 - 3)", "(1 - (2 - 3))");
    assert_sql("1 * 2 || 3", "(1 * (2 || 3))");
    assert_sql("1 | 2 + 3 & 4", "(1 | (2 + 3) & 4)");
    assert_sql("NOT 1 = 2", "(NOT (1 = 2))");
    assert_sql("NOT 1 AND 2 OR 3", "(((NOT 1) AND 2) OR 3)");
    assert_sql("1 = 2 < 3", "(1 = (2 < 3))");
    assert_sql("1 = 2 IN (3)", "((1 = 2) IN (3))");
    assert_sql("1 IS NOT 2 = 3", "((1 IS NOT 2) = 3)");
    assert_sql("-1 COLLATE nocase", "((-1) COLLATE NOCASE)");
    assert_sql("'a' || 'b' COLLATE BINARY", "('a' || ('b' COLLATE BINARY))");
    assert_sql("1 BETWEEN 2 AND 3 AND 4", "((1 BETWEEN 2 AND 3) AND 4)");
    assert_sql("1 NOT BETWEEN 2 = 3 AND 4 = 5", "((1 NOT BETWEEN (2 = 3) AND 4) = 5)");
    assert_sql("'a' LIKE 'b' ESCAPE '!' = 1", "(('a' LIKE 'b' ESCAPE '!') = 1)");
    assert_sql("'a' NOT GLOB 'b' || 'c'", "('a' NOT GLOB ('b' || 'c'))");
    assert_sql("- -1", "(- (-1))");
    assert_sql("~ - + 1", "(~ (- (+ 1)))");
}

static void every_form_of_the_grammar_is_taken(void **state)
{
    (void)state;
    assert_sql("  NULL\n", "NULL");
    assert_sql("true", "true");
    assert_sql(".5", ".5");
    assert_sql("5.e-3", "5.e-3");
    assert_sql("0x00FF", "0x00FF");
    assert_sql("-9223372036854775808", "(-9223372036854775808)");
    assert_sql("'it''s'", "'it''s'");
    assert_sql("x'0aFF'", "x'0aFF'");
    assert_sql("1 == 2", "(1 = 2)");
    assert_sql("1 != 2", "(1 <> 2)");
    assert_sql("1 ISNULL", "(1 IS NULL)");
    assert_sql("1 NOTNULL", "(1 IS NOT NULL)");
    assert_sql("1 NOT NULL", "(1 IS NOT NULL)");
    assert_sql("1 IS NOT NULL", "(1 IS NOT NULL)");
    assert_sql("1 IS DISTINCT FROM 2", "(1 IS NOT 2)");
    assert_sql("1 IS NOT DISTINCT FROM 2", "(1 IS 2)");
    assert_sql("1 IS NOT DISTINCT FROM NULL", "(1 IS NULL)");
    assert_sql("1 IN ()", "(1 IN ())");
    assert_sql("1 NOT IN (2, 3)", "(1 NOT IN (2, 3))");
    assert_sql("CASE WHEN 1 THEN 2 END", "CASE WHEN 1 THEN 2 END");
    assert_sql("case 1 when 2 then 3 when 4 then 5 else 6 end",
               "CASE 1 WHEN 2 THEN 3 WHEN 4 THEN 5 ELSE 6 END");
    assert_sql("CAST('1' AS int)", "CAST('1' AS INTEGER)");
    assert_sql("CAST('1' AS numeric)", "ls_cast_decimal('1')");
    assert_sql("Lower('A')", "lower('A')");
    assert_sql("'{}' -> 'a' ->> 'b'", "('{}' -> 'a' ->> 'b')");
}

static void fields_are_parameters_in_order_of_the_schema(void **state)
{
    size_t count;
    const struct ls_expr *expr = parsed("email || id || email || \"Full Name\"");
    const size_t *read = ls_expr_fields(expr, &count);

    (void)state;
    assert_int_equal(count, 3);
    assert_int_equal(read[0], 0);
    assert_int_equal(read[1], 1);
    assert_int_equal(read[2], 12);
    assert_string_equal(ls_expr_sql(expr),
                        "(CAST(ls_field(?2) AS TEXT) || CAST(ls_field(?1) AS NUMERIC) || "
                        "CAST(ls_field(?2) AS TEXT) || CAST(ls_field(?3) AS TEXT))");
    assert_int_equal(ls_expr_field(expr), -1);
    assert_int_equal(ls_expr_field(parsed("\"Full Name\"")), 12);
    assert_int_equal(ls_expr_field(parsed("( price )")), 2);
    assert_int_equal(ls_expr_field(parsed("+price")), -1);
    assert_int_equal(ls_expr_field(parsed("\"end\"")), 18);
    assert_int_equal(ls_expr_field(parsed("größe")), 22);
}

static void decimals_are_compared_and_computed_exactly(void **state)
{
    (void)state;
    assert_sql("price >= 10.10", "(ls_cmp(ls_field(?1), '10.10') >= 0)");
    assert_sql("10 < price", "(ls_cmp('10', ls_field(?1)) < 0)");
    assert_sql("price = -5", "(ls_cmp(ls_field(?1), '-5') = 0)");
    assert_sql("price IS NOT qty", "(NOT ls_same(ls_field(?1), ls_field(?2)))");
    assert_sql("price IN (1, 2.50, id)",
               "(ls_in(ls_field(?2), '1', '2.50', CAST(ls_field(?1) AS NUMERIC)))");
    assert_sql("price NOT BETWEEN 1 AND 2", "(NOT ls_between(ls_field(?1), '1', '2'))");
    assert_sql("price + 1 + qty - 0.1", "ls_sub(ls_add(ls_field(?1), '1', ls_field(?2)), '0.1')");
    assert_sql("-price * 2", "ls_mul(ls_sub('0', ls_field(?1)), '2')");
    assert_sql("price / 2", "(ls_real(ls_field(?1)) / ls_real('2'))");
    assert_sql("max(price, 1) > 2", "(ls_cmp(ls_max(ls_field(?1), '1'), '2') > 0)");
    assert_sql("coalesce(price, 0) = 0", "(ls_cmp(coalesce(ls_field(?1), '0'), '0') = 0)");
    assert_sql("round(price, 2) + abs(qty)",
               "ls_add(ls_round(ls_field(?1), 2), ls_abs(ls_field(?2)))");
    assert_sql("nullif(price, 0)", "ls_nullif(ls_field(?1), '0')");
    assert_sql("CASE price WHEN 1 THEN 'a' ELSE 'b' END",
               "CASE WHEN ls_cmp(ls_field(?1), '1') = 0 THEN 'a' ELSE 'b' END");
    assert_sql("CASE WHEN id THEN price ELSE 0.5 END > 1",
               "(ls_cmp(CASE WHEN CAST(ls_field(?1) AS NUMERIC) THEN ls_field(?2) ELSE '0.5' END, "
               "'1') > 0)");
    assert_sql("price IS TRUE", "(ls_field(?1) IS TRUE)");
    assert_sql("price = '12.5'", "(ls_cmp(ls_field(?1), '12.5') = 0)");
}

static void literals_are_read_as_the_time_they_meet(void **state)
{
    (void)state;
    assert_sql("seen_at >= '2026-01-02T03:04:05Z'",
               "(ls_cmp_timestamptz(CAST(ls_field(?1) AS TEXT), '2026-01-02 03:04:05Z') >= 0)");
    assert_sql("seen_at >= '2026-01-02T03:04:05+02:00'",
               "(ls_cmp_timestamptz(CAST(ls_field(?1) AS TEXT), '2026-01-02 01:04:05Z') >= 0)");
    assert_sql("seen_at >= '2026-01-02'",
               "(ls_cmp_timestamptz(CAST(ls_field(?1) AS TEXT), '2026-01-02 00:00:00Z') >= 0)");
    assert_sql("local_at < '2026-01-02T03:04'",
               "(ls_cmp_timestamp(CAST(ls_field(?1) AS TEXT), '2026-01-02 03:04:00') < 0)");
    assert_sql("born = '2026-01-02'",
               "(ls_cmp_date(CAST(ls_field(?1) AS TEXT), '2026-01-02') = 0)");
    assert_sql("born < '2026-01-02 12:00'",
               "(ls_cmp_timestamp(CAST(ls_field(?1) AS TEXT), '2026-01-02 12:00:00') < 0)");
    assert_sql("born < local_at",
               "(ls_cmp_timestamp(CAST(ls_field(?1) AS TEXT), CAST(ls_field(?2) AS TEXT)) < 0)");
    assert_sql("opens > '08:00'", "(ls_cmp_time(CAST(ls_field(?1) AS TEXT), '08:00:00') > 0)");
    assert_sql(
        "ref = '0123456789ABCDEF0123456789ABCDEF'",
        "(ls_cmp_uuid(CAST(ls_field(?1) AS TEXT), '01234567-89ab-cdef-0123-456789abcdef') = 0)");
    assert_sql("active = 'yes'", "(CAST(ls_field(?1) AS NUMERIC) = TRUE)");
    assert_sql("coalesce(seen_at, '1970-01-01')",
               "coalesce(CAST(ls_field(?1) AS TEXT), '1970-01-01 00:00:00Z')");
    assert_sql("coalesce(seen_at, 'never')", "coalesce(CAST(ls_field(?1) AS TEXT), 'never')");
    assert_refused("born = '2026-02-30'",
                   "a text that is no date at column 8: born = ^'2026-02-30'. A date is written");
    assert_refused("seen_at = 'yesterday'", "a text that is no timestamptz");
    assert_refused("local_at = '2026-01-02T03:04:05Z'", "with neither Z nor an offset");
    assert_refused("ref = 'x'", "a text that is no uuid");
    assert_refused("active = 'maybe'", "a text that is no bool");
    assert_refused("price > 'much'", "a text that is no decimal");
    assert_refused("seen_at > 1700000000", "datetime(n, 'unixepoch')");
    assert_refused("seen_at = local_at", "with and without a zone do not mix");
    assert_refused("born = opens", "do not mix");
    assert_refused("seen_at + 1", "Times move by datetime(t, '+1 day')");
    assert_refused("-born", "a minus before a value of type date");
    assert_refused("price = ref", "a value of type uuid where the other is of type decimal");
    assert_refused("CAST(seen_at AS TIMESTAMP)", "a cast from timestamptz to timestamp");
    assert_refused("CAST(id AS DATE)", "datetime(n, 'unixepoch')");
}

static void a_result_has_the_type_that_can_be_told(void **state)
{
    static const struct {
        const char *text;
        enum ls_type type;
    } cases[] = {
        {"id", LS_T_INT},
        {"tags", LS_T_NATIVE},
        {"coalesce(tags, tags)", LS_T_NULL},
        {"id + 1", LS_T_INT},
        {"price + id", LS_T_DECIMAL},
        {"price / 2", LS_T_DOUBLE},
        {"price > 1", LS_T_INT},
        {"email || 1", LS_T_TEXT},
        {"data -> '$.a'", LS_T_JSON},
        {"data ->> '$.a'", LS_T_NULL},
        {"CAST(email AS DATE)", LS_T_DATE},
        {"CAST(email AS BOOLEAN)", LS_T_BOOL},
        {"CAST(email AS REAL)", LS_T_DOUBLE},
        {"coalesce(born, NULL)", LS_T_DATE},
        {"coalesce(born, 'never')", LS_T_NULL},
        {"coalesce(active, FALSE)", LS_T_BOOL},
        {"coalesce(price, data ->> 'p')", LS_T_DECIMAL},
        {"iif(id = 1, price, 0)", LS_T_DECIMAL},
        {"CASE id WHEN 1 THEN ref END", LS_T_UUID},
        {"max(born, '2026-01-01')", LS_T_DATE},
        {"max(id, 3)", LS_T_INT},
        {"nullif(price, 0)", LS_T_DECIMAL},
        {"abs(price)", LS_T_DECIMAL},
        {"lower(email)", LS_T_TEXT},
        {"(price) COLLATE BINARY", LS_T_DECIMAL},
        {"NULL", LS_T_NULL},
        {"id + score", LS_T_NULL},
        {"NOT id", LS_T_INT},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (ls_expr_type(parsed(cases[i].text)) != cases[i].type)
            fail_msg("%s: %s", cases[i].text, ls_type_word(ls_expr_type(parsed(cases[i].text))));
}

static void a_fault_is_told_with_its_column_and_what_to_do(void **state)
{
    (void)state;
    assert_refused("lower(emial)", "expression: no field \"emial\" in public.shop at column 7: "
                                   "lower(^emial). Did you mean email?");
    assert_refused(
        "größe + EMAIL",
        "no field \"EMAIL\" in public.shop at column 9: größe + ^EMAIL. Did you mean email?");
    assert_refused("email = \"active user\"", "a text stands in single quotes");
    assert_refused("lwoer(email)",
                   "no function \"lwoer\" at column 1: ^lwoer(email). Did you mean lower?");
    assert_refused("frobnicate(1)", "docs/expressions.md");
    assert_refused("random()",
                   "function random is not allowed at column 1: ^random(). Its result would be");
    assert_refused("sum(id)", "adds up many records");
    assert_refused("concat(id, 1)", "Write a || b");
    assert_refused("max(id)", "max needs two or more arguments");
    assert_refused("lower()", "lower takes 1 argument, not 0,");
    assert_refused("substr(email)", "substr takes 2 to 3 arguments, not 1,");
    assert_refused("count(*)", "adds up many records");
    assert_refused("lower(*)", "an argument expected");
    assert_refused("lower(DISTINCT email)", "an argument expected");
    assert_refused("lower(email) OVER ()", "a window or filter clause");
    assert_refused("", "nothing at column 1");
    assert_refused("   ", "nothing");
    assert_refused("1 +", "a value expected, but it ends at column 4: 1 +^");
    assert_refused("(1", ") expected, but it ends");
    assert_refused("1)", "an operator or the end expected at column 2");
    assert_refused("1 2", "an operator or the end expected at column 3");
    assert_refused("1, 2", "It is exactly one expression");
    assert_refused("(1, 2) = (1, 2)", "a row of values");
    assert_refused("id IN email", "( and a list of values after IN expected");
    assert_refused("id IN (1", ", or ) expected");
    assert_refused("id BETWEEN 1", "AND expected, but it ends");
    assert_refused("id BETWEEN 1 OR 2 AND 3", "AND expected at column 14");
    assert_refused("CASE 1 END", "WHEN expected");
    assert_refused("CASE WHEN 1 END", "THEN expected");
    assert_refused("CASE WHEN 1 THEN 2", "END expected");
    assert_refused("CAST(1 AS frob)", "Types are INTEGER, REAL");
    assert_refused("CAST(1 AS VARCHAR(10))", "a type without brackets");
    assert_refused("email COLLATE german", "BINARY, NOCASE or RTRIM");
    assert_refused("email MATCH 'a'", "There are LIKE and GLOB");
    assert_refused("email REGEXP 'a'", "There are LIKE and GLOB");
    assert_refused("email NOT = 'a'", "after NOT expected");
    assert_refused("email GLOB 'a' ESCAPE 'b'", "not ESCAPE after GLOB");
    assert_refused("end = 'a'", "A field of this name stands in double quotes");
    assert_refused("shop.email", "A field stands alone, without its table");
    assert_refused("12ab", "a malformed number at column 1");
    assert_refused("0xfffffffffffffffff", "more than 64 bits");
    assert_refused("'abc", "a text that does not end at column 1");
    assert_refused("\"abc", "a quoted name that does not end");
    assert_refused("x'abc'", "pairs of hex digits");
    assert_refused("x'ab", "pairs of hex digits");
    assert_refused("price::int", "A cast is CAST(x AS type)");
    assert_refused(
        "'a text that is quite a bit longer than what can be shown' || emial || 'and more that is "
        "cut off'",
        "at column 63: ... than what can be shown' || ^emial || 'and more that is c....");
}

static void what_could_see_or_change_anything_else_is_refused(void **state)
{
    static const char *const texts[] = {
        "(SELECT 1)",
        "SELECT 1",
        "EXISTS (SELECT 1)",
        "1 IN (SELECT 1)",
        "id IN sqlite_master",
        "1; DROP TABLE x",
        "1;",
        "1 -- comment",
        "1 /* comment */",
        "1 /*",
        "--",
        "load_extension('x')",
        "randomblob(1000000000)",
        "random()",
        "zeroblob(1000000000)",
        "sqlite_version()",
        "sqlite_source_id()",
        "last_insert_rowid()",
        "changes()",
        "readfile('/etc/passwd')",
        "writefile('/tmp/x', 1)",
        "fts3_tokenizer('x')",
        "ls_cmp(1, 2)",
        "ls_cast_json('x')",
        "RAISE(ABORT, 'x')",
        "CURRENT_TIMESTAMP",
        "current_date",
        "date('now')",
        "datetime('NOW')",
        "date('2026-01-01', 'localtime')",
        "date()",
        "strftime('%s')",
        "unixepoch('subsec')",
        "?1",
        ":name",
        "@name",
        "$name",
        "#1",
        "[email]",
        "`email`",
        "{email}",
        "email = \"dq\"",
        "1 \x01 2",
        "'a\xff'",
        "\xc3(",
        "email \\ 1",
        "a!b",
        "json_each(data)",
        "PRAGMA user_version",
        "VALUES (1)",
        "WITH a AS (SELECT 1) SELECT 1",
        "lower(email) FILTER (WHERE 1)",
        "ROW_NUMBER() OVER ()",
        "likelihood(1, 0.5)",
        "sqlite_compileoption_get(1)",
        "quote(",
        ")",
        ",",
        "''''''' OR 1",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_refused(texts[i], "column");
}

static void depth_length_and_width_have_limits(void **state)
{
    static const struct {
        const char *open, *middle, *close;
    } nests[] = {
        {"(", "1", ")"},
        {"-", " 1", ""},
        {"- ", "1", ""},
        {"NOT ", "1", ""},
        {"~", "1", ""},
        {"abs(", "1", ")"},
        {"1+(", "1", ")"},
        {"1 IN (", "1", ")"},
        {"1 BETWEEN 1 AND (", "1", ")"},
        {"1 BETWEEN ", "1", " AND 2"},
        {"CASE WHEN 1 THEN ", "1", " END"},
        {"CASE ", "1", " WHEN 1 THEN 2 END"},
        {"CAST(", "1", " AS TEXT)"},
        {"'a' LIKE ('b' || ", "'c'", ")"},
        {"nullif(price,", "1", ")"},
        {"price + (", "1", ")"},
        {"CASE price WHEN 1 THEN ", "1", " END"},
        {"CASE coalesce(price, ", "1", ") WHEN 1 THEN 2 END"},
    };
    struct ls_expr *expr;
    char text[LS_EXPR_MAX_BYTES * 2];

    (void)state;
    for (size_t i = 0; i < COUNT(nests); i++) {
        size_t at = 0;

        if (!strcmp(nests[i].open, "-")) /* two of them would be a comment */
            continue;
        while (at + strlen(nests[i].open) +
                   strlen(nests[i].close) * (at / strlen(nests[i].open) + 1) + 10 <
               3500)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s", nests[i].open);
        {
            const size_t levels = at / strlen(nests[i].open);

            at += (size_t)snprintf(text + at, sizeof text - at, "%s", nests[i].middle);
            for (size_t n = 0; n < levels; n++)
                at += (size_t)snprintf(text + at, sizeof text - at, "%s", nests[i].close);
        }
        if (ls_expr_parse(text, &schema, &mem, &expr, &err) != LS_CONFIG)
            fail_msg("taken: %.60s", text);
        if (!strstr(err.text, "levels") && !strstr(err.text, "too deeply") &&
            !strstr(err.text, "too long"))
            fail_msg("%s", err.text);
    }
    memset(text, '(', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(ls_expr_parse(text, &schema, &mem, &expr, &err), LS_CONFIG);
    assert_non_null(strstr(err.text, "longer than 4096 bytes"));
    for (size_t i = 0; i < 2000; i++)
        memcpy(text + 2 * i, "1+", 2);
    memcpy(text + 4000, "1", 2);
    assert_refused(text, "more than 700 operators in a row");
    for (size_t i = 0; i < 1300; i++)
        memcpy(text + 10 + 3 * i, "1, ", 3);
    memcpy(text, "price IN (", 10);
    memcpy(text + 10 + 3900, "1)", 3);
    assert_non_null(parsed(text));
    assert_refused(
        "iif(iif(iif(iif(iif(iif(iif(iif(iif(iif(iif(iif(iif(iif(iif(iif(iif(iif(iif(iif("
        "1,1,1),1,1),1,1),1,1),1,1),1,1),1,1),1,1),1,1),1,1),1,1),1,1),1,1),1,1),1,1),1,1),1,1),1,"
        "1),1,1),"
        "iif(1,1,1),1) > (1",
        ")");
}

static void an_expression_outlives_the_text_and_the_schema(void **state)
{
    struct ls_field field = fields[2];
    struct ls_schema small = {
        .collection = "c", .field_count = 1, .fields = &field, .fingerprint = ""};
    char text[] = "price > 1";
    struct ls_expr *expr = NULL;
    size_t count;

    (void)state;
    assert_int_equal(ls_expr_parse(text, &small, &mem, &expr, &err), LS_OK);
    memset(text, 'x', sizeof text - 1);
    memset(&field, 0, sizeof field);
    memset(&small, 0, sizeof small);
    assert_string_equal(ls_expr_text(expr), "price > 1");
    assert_string_equal(ls_expr_sql(expr), "(ls_cmp(ls_field(?1), '1') > 0)");
    assert_int_equal(ls_expr_fields(expr, &count)[0], 0);
}

static void a_dynamic_field_has_a_form_without_affinity(void **state)
{
    const struct ls_expr *expr = parsed("dyn_id = id");
    struct ls_value record[COUNT(fields)];

    (void)state;
    for (size_t i = 0; i < COUNT(fields); i++)
        record[i] = ls_value_null();
    assert_string_equal(ls_expr_sql(expr),
                        "(CAST(ls_field(?2) AS NUMERIC) = CAST(ls_field(?1) AS NUMERIC))");
    assert_string_equal(ls_expr_loose_sql(expr), "(ls_field(?2) = CAST(ls_field(?1) AS NUMERIC))");
    assert_true(ls_expr_holds(expr, record));
    record[15] = ls_value_int(5);
    assert_true(ls_expr_holds(expr, record));
    record[15] = ls_value_text("five");
    assert_false(ls_expr_holds(expr, record));
    expr = parsed("id = 1");
    assert_ptr_equal(ls_expr_sql(expr), ls_expr_loose_sql(expr));
}

static const char *const op_signs[] = {"=",  "<>",   "<",        "<=",       ">",
                                       ">=", " in ", " is null", " not null"};

/* The filter as text: "id>=5 & email in a,b". */
static const char *filter_text(const struct ls_filter *filter)
{
    struct ls_buf out;
    const char *text;

    ls_buf_init(&out, 0);
    for (size_t i = 0; i < filter->count; i++) {
        const struct ls_condition *c = &filter->conditions[i];

        ls_buf_printf(&out, "%s%s%s", i > 0 ? " & " : "", fields[c->field].name, op_signs[c->op]);
        for (size_t n = 0; n < c->value_count; n++) {
            assert_int_equal(c->values[n].type, fields[c->field].type);
            ls_buf_text(&out, n > 0 ? "," : "");
            ls_value_to_text(&out, &c->values[n]);
        }
    }
    text = ls_arena_text(&mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return text;
}

static void what_every_store_reads_alike_is_pushed_down(void **state)
{
    static const struct {
        const char *text, *pushed;
        bool whole;
    } cases[] = {
        {"id = 5", "id=5", true},
        {"5 < id", "id>5", true},
        {"id >= 10.0 AND id <> -3", "id>=10 & id<>-3", true},
        {"id = '5'", "id=5", true},
        {"id < 10.5", "", false},
        {"id < 9007199254740993.0", "", false},
        {"id = 99999999999999999999", "", false},
        {"id IS 5", "id=5", true},
        {"id IS NOT 5", "", false},
        {"id IS TRUE", "", false},
        {"id IN (1, NULL, 2)", "id in 1,2", true},
        {"id IN (NULL)", "", false},
        {"id IN (1, score)", "", false},
        {"id NOT IN (1)", "", false},
        {"id = NULL", "", false},
        {"id IS NULL", "id is null", true},
        {"id NOTNULL", "id not null", true},
        {"data IS NULL AND tags IS NOT NULL", "data is null & tags not null", true},
        {"score IS NULL", "", false},
        {"score > 1", "", false},
        {"price >= 10.10", "price>=10.10", true},
        {"price BETWEEN 1 AND 2.5", "price>=1 & price<=2.5", true},
        {"price NOT BETWEEN 1 AND 2", "", false},
        {"price IN (1.5, 2)", "price in 1.5,2", true},
        {"price IS 1.5", "price=1.5", true},
        {"active", "active=true", true},
        {"NOT active", "active=false", true},
        {"active = 1 AND active <> FALSE", "active=true & active<>false", true},
        {"active IS TRUE", "active=true", true},
        {"active > 0", "", false},
        {"active = 2", "", false},
        {"born >= '2026-01-02'", "born>=2026-01-02", true},
        {"born >= '2026-01-02 12:00'", "", false},
        {"born BETWEEN '2026-01-01' AND '2026-01-02 12:00'", "", false},
        {"born < local_at", "", false},
        {"seen_at > '2026-01-02T03:04:05+01:00'", "seen_at>2026-01-02 02:04:05+00", true},
        {"local_at > '2026-01-02'", "local_at>2026-01-02 00:00:00", true},
        {"opens < '12:00'", "opens<12:00:00", true},
        {"ref = '01234567-89AB-cdef-0123-456789abcdef'", "ref=01234567-89ab-cdef-0123-456789abcdef",
         true},
        {"email = 'a'", "email=a", true},
        {"email <> 'a' AND email IN ('b', 'c')", "email<>a & email in b,c", true},
        {"email > 'a'", "", false},
        {"email = 5", "", false},
        {"email = 'a' COLLATE NOCASE", "", false},
        {"email LIKE 'a%'", "", false},
        {"folded = 'a'", "", false},
        {"folded IS NULL", "folded is null", true},
        {"padded = 'a'", "", false},
        {"data = '{}'", "", false},
        {"raw = x'00'", "", false},
        {"dyn_id > 5", "dyn_id>5", true},
        {"dyn_id > '5'", "", false},
        {"dyn_name = 'a'", "dyn_name=a", true},
        {"dyn_price > 5", "", false},
        {"id = 1 AND (price > 2 AND lower(email) = 'a') AND active", "id=1 & price>2 & active=true",
         false},
        {"id = 1 OR id = 2", "", false},
        {"NOT id = 1", "", false},
        {"id + 1 = 2", "", false},
        {"id = price", "", false},
        {"TRUE", "", false},
    };
    struct ls_filter filter;
    bool whole;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct ls_expr *expr = parsed(cases[i].text);

        assert_int_equal(ls_expr_pushdown(expr, &schema, &mem, &filter, &whole, &err), LS_OK);
        if (strcmp(filter_text(&filter), cases[i].pushed) != 0 || whole != cases[i].whole)
            fail_msg("%s: %s, whole %d", cases[i].text, filter_text(&filter), whole);
    }
}

static bool matches(const char *text, size_t field, struct ls_value value)
{
    struct ls_value record[COUNT(fields)];
    struct ls_filter filter;
    bool whole;

    for (size_t i = 0; i < COUNT(fields); i++)
        record[i] = ls_value_null();
    record[field] = value;
    assert_int_equal(ls_expr_pushdown(parsed(text), &schema, &mem, &filter, &whole, &err), LS_OK);
    assert_true(whole);
    return ls_filter_match(&filter, &schema, record);
}

static struct ls_value typed(enum ls_type type, const char *text)
{
    struct ls_value value;

    if (ls_value_from_text(type, text, strlen(text), &mem, &value, &err) != LS_OK)
        fail_msg("%s", err.text);
    return value;
}

static void a_filter_matches_as_the_expression_would(void **state)
{
    (void)state;
    assert_true(matches("id = 5", 0, ls_value_int(5)));
    assert_false(matches("id = 5", 0, ls_value_int(6)));
    assert_false(matches("id <> 5", 0, ls_value_null()));
    assert_false(matches("id < 5", 0, ls_value_null()));
    assert_true(matches("id <> 5", 0, ls_value_int(6)));
    assert_true(matches("id < 5", 0, ls_value_int(-6)));
    assert_false(matches("id < 5", 0, ls_value_int(5)));
    assert_true(matches("id <= 5", 0, ls_value_int(5)));
    assert_true(matches("id >= 5", 0, ls_value_int(5)));
    assert_false(matches("id > 5", 0, ls_value_int(5)));
    assert_true(matches("id IN (1, 5)", 0, ls_value_int(5)));
    assert_false(matches("id IN (1, 5)", 0, ls_value_int(4)));
    assert_true(matches("id IS NULL", 0, ls_value_null()));
    assert_false(matches("id IS NULL", 0, ls_value_int(1)));
    assert_true(matches("id NOT NULL", 0, ls_value_int(1)));
    assert_true(matches("price = 1.5", 2, typed(LS_T_DECIMAL, "1.50")));
    assert_true(matches("price > 9", 2, typed(LS_T_DECIMAL, "10")));
    assert_true(matches("born > '2026-01-02'", 5, typed(LS_T_DATE, "2026-01-03")));
    assert_true(matches("seen_at > '2026-01-02'", 6,
                        typed(LS_T_TIMESTAMPTZ, "2026-01-02 00:00:00.000001+00")));
    assert_true(matches("ref = '01234567-89ab-cdef-0123-456789abcdef'", 9,
                        typed(LS_T_UUID, "01234567-89ab-cdef-0123-456789abcdef")));
    assert_true(matches("email <> 'a'", 1, ls_value_text("A")));
    assert_true(matches("active", 3, (struct ls_value){.type = LS_T_BOOL, .b = true}));
}

static void a_dynamic_value_is_ordered_as_sqlite_does(void **state)
{
    (void)state;
    assert_true(matches("dyn_id > 5", 15, ls_value_text("1")));
    assert_false(matches("dyn_id < 5", 15, ls_value_text("1")));
    assert_true(matches("dyn_id <> 5", 15, ls_value_text("5")));
    assert_true(matches("dyn_id > 5", 15, ls_value_data(LS_T_BYTES, "1", 1)));
    assert_true(matches("dyn_id > 5", 15, (struct ls_value){.type = LS_T_DOUBLE, .d = 5.5}));
    assert_true(matches("dyn_id = 5", 15, (struct ls_value){.type = LS_T_DOUBLE, .d = 5.0}));
    assert_true(matches("dyn_name <> '5'", 21, ls_value_int(5)));
}

static const char *only(const char *const *pairs, size_t count)
{
    struct ls_filter filter = {0, NULL};

    if (ls_filter_only(pairs, count, &schema, &mem, &filter, &err) != LS_OK)
        fail_msg("%s", err.text);
    return filter_text(&filter);
}

static void pairs_select_records_and_repeated_ones_mean_any(void **state)
{
    static const char *const one[] = {"id=5"}, *const many[] = {"email=a", "price=1.50",
                                                                "email=b=c", "a=b=x"};

    (void)state;
    assert_string_equal(only(one, 1), "id=5");
    assert_string_equal(only(many, 4), "email in a,b=c & price=1.50 & a=b=x");
    assert_string_equal(only(NULL, 0), "");
}

static void a_pair_that_names_nothing_is_refused(void **state)
{
    static const struct {
        const char *pair;
        enum ls_code code;
        const char *message;
    } cases[] = {
        {"id", LS_USAGE, "no FIELD=VALUE"},          {"=5", LS_USAGE, "no FIELD=VALUE"},
        {"emial=5", LS_NOT_FOUND, "email"},          {"id=five", LS_USAGE, "id=...: "},
        {"born=2026-02-30", LS_USAGE, "born=...: "},
    };
    struct ls_filter filter;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(ls_filter_only(&cases[i].pair, 1, &schema, &mem, &filter, &err),
                         cases[i].code);
        if (!strstr(err.text, cases[i].message))
            fail_msg("%s", err.text);
    }
}

static void the_documentation_lists_the_functions_that_may_be_called(void **state)
{
    const char *root = getenv("LOCKSTEP_SOURCE_ROOT");
    char *text = NULL, needle[80];
    size_t size;

    (void)state;
    if (ls_file_read(ls_arena_printf(&mem, "%s/docs/expressions.md", root ? root : "."), 1 << 20,
                     &mem, &text, &size, &err) != LS_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; ls_expr_function_name(i); i++) {
        snprintf(needle, sizeof needle, "`%s(", ls_expr_function_name(i));
        if (!strstr(text, needle))
            fail_msg("docs/expressions.md does not have %s", needle);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_bind_as_in_sqlite),
        cmocka_unit_test(every_form_of_the_grammar_is_taken),
        cmocka_unit_test(fields_are_parameters_in_order_of_the_schema),
        cmocka_unit_test(decimals_are_compared_and_computed_exactly),
        cmocka_unit_test(literals_are_read_as_the_time_they_meet),
        cmocka_unit_test(a_result_has_the_type_that_can_be_told),
        cmocka_unit_test(a_fault_is_told_with_its_column_and_what_to_do),
        cmocka_unit_test(what_could_see_or_change_anything_else_is_refused),
        cmocka_unit_test(depth_length_and_width_have_limits),
        cmocka_unit_test(an_expression_outlives_the_text_and_the_schema),
        cmocka_unit_test(a_dynamic_field_has_a_form_without_affinity),
        cmocka_unit_test(what_every_store_reads_alike_is_pushed_down),
        cmocka_unit_test(a_filter_matches_as_the_expression_would),
        cmocka_unit_test(a_dynamic_value_is_ordered_as_sqlite_does),
        cmocka_unit_test(pairs_select_records_and_repeated_ones_mean_any),
        cmocka_unit_test(a_pair_that_names_nothing_is_refused),
        cmocka_unit_test(the_documentation_lists_the_functions_that_may_be_called),
    };
    int failed;

    ls_arena_init(&mem, 0);
    failed = cmocka_run_group_tests_name("model/expr", tests, NULL, NULL);
    ls_arena_done(&mem);
    return failed;
}
