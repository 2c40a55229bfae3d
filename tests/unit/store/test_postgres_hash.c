/* SPDX-License-Identifier: Apache-2.0 */
/* test_postgres_hash.c - what the PostgreSQL store does beyond the conformance suite: hashes. */
#include "postgres_help.h"

/* ---- hashes ---- */

static const char *family(struct world *w, struct ls_store *store, const char *table)
{
    struct ls_scan scan = scan_of(describe(w, store, table), 1);
    struct ls_error err = {0};

    return ls_store_digest_family(store, &scan, &w->mem, &err);
}

/* Whether two values of a type hash alike. */
static bool alike(struct world *w, struct ls_store *store, const char *type, const char *a,
                  const char *b)
{
    char sql[1024];

    snprintf(sql, sizeof(sql),
             "DROP TABLE IF EXISTS a, b; CREATE TABLE a (id int PRIMARY KEY, v %s); CREATE TABLE b "
             "(LIKE a);"
             "INSERT INTO a VALUES (1, %s); INSERT INTO b VALUES (1, %s)",
             type, a, b);
    testpg_exec(w->url, sql);
    assert_string_equal(family(w, store, "a"), family(w, store, "b"));
    return whole(w, store, "a").sum == whole(w, store, "b").sum;
}

/* Pairs that PostgreSQL's own hash functions take for the same, for any seed. */
static const struct {
    const char *type, *a, *b;
} traps[] = {
    {"bigint", "0", "4294967297"},
    {"bigint", "-1", "4294967295"},
    {"bigint", "1", "-4294967298"},
    {"bigint", "0", "NULL"},
    {"int", "0", "NULL"},
    {"numeric", "5", "-5"},
    {"numeric", "0", "NULL"},
    {"numeric", "'NaN'", "'Infinity'"},
    {"numeric", "'NaN'", "0"},
    {"numeric", "'Infinity'", "'-Infinity'"},
    {"numeric", "1", "10000"},
    {"timestamp", "'2000-01-01 00:00:00'", "'2000-01-01 01:11:34.967297'"},
    {"timestamptz", "'2000-01-01 00:00:00+00'", "'2000-01-01 01:11:34.967297+00'"},
    {"time", "'00:00:00'", "'01:11:34.967297'"},
    {"bool", "false", "NULL"},
    {"text", "''", "NULL"},
    {"text", "'a'", "'A'"},
    {"text COLLATE \"und-x-icu\"", "'a'", "'A'"},
    {"text", "'a'", "'a '"},
    {"bytea", "''", "NULL"},
    {"uuid", "'00000000-0000-0000-0000-000000000000'", "NULL"},
    {"float8", "0", "NULL"},
    {"float8", "1e300", "'Infinity'"},
    {"int[]", "'{1,2,3,4}'", "'{{1,2},{3,4}}'"},
    {"int[]", "'{1,2}'", "'[0:1]={1,2}'"},
    {"int[]", "'{NULL}'", "'{0}'"},
    {"jsonb", "'[[1,2],3]'", "'[1,[2,3]]'"},
    {"jsonb", "'[1]'", "'1'"},
    {"jsonb", "'null'", "NULL"},
    {"interval", "'1 month'", "'30 days'"},
    {"inet", "'10.0.0.1/8'", "'10.0.0.1/16'"},
    {"int4range", "'empty'", "NULL"},
    {"date", "'infinity'", "'-infinity'"},
};
static const struct {
    const char *type, *a, *b;
} sames[] = {
    {"numeric", "1.0", "1.00"},
    {"numeric", "100", "1e2"},
    {"numeric", "'NaN'", "'nan'"},
    {"float8", "0", "'-0'"},
    {"float8", "'NaN'", "'-NaN'"},
    {"char(5)", "'a'", "'a  '"},
    {"jsonb", "'{\"a\": 1, \"b\": 2}'", "'{\"b\":2,\"a\":1}'"},
    {"timestamptz", "'2024-01-01 12:00+02'", "'2024-01-01 10:00+00'"},
    {"uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "'a0eebc999c0b4ef8bb6d6bb9bd380a11'"},
};

static void values_that_differ_hash_differently(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);

    for (size_t i = 0; i < COUNT(traps); i++)
        if (alike(w, store, traps[i].type, traps[i].a, traps[i].b))
            fail_msg("%s: %s and %s hash alike", traps[i].type, traps[i].a, traps[i].b);
    for (size_t i = 0; i < COUNT(sames); i++)
        if (!alike(w, store, sames[i].type, sames[i].a, sames[i].b))
            fail_msg("%s: %s and %s do not hash alike", sames[i].type, sames[i].a, sames[i].b);
}

static void records_that_swap_values_do_not_cancel(void **state)
{
    static const char *const types[] = {"bigint",      "text", "numeric",
                                        "timestamptz", "uuid", "int[]"};
    static const char *const values[][2] = {
        {"1", "2"},
        {"'x'", "'y'"},
        {"1.5", "-1.5"},
        {"'2024-01-01'", "'2024-01-02'"},
        {"'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000002'"},
        {"'{1}'", "'{2}'"}};
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    char sql[1024];

    for (size_t i = 0; i < COUNT(types); i++)
        for (int keys = 0; keys < 2; keys++) { /* the second two keys fold to the same 32 bits */
            const char *second = keys ? "4294967297" : "1", *x = values[i][0], *y = values[i][1];

            snprintf(
                sql, sizeof(sql),
                "DROP TABLE IF EXISTS a, b; CREATE TABLE a (id int8 PRIMARY KEY, v %s); CREATE "
                "TABLE b (LIKE a);"
                "INSERT INTO a VALUES (0, %s), (%s, %s); INSERT INTO b VALUES (0, %s), (%s, %s)",
                types[i], x, second, y, y, second, x);
            testpg_exec(w->url, sql);
            assert_true(whole(w, store, "a").sum != whole(w, store, "b").sum);
        }
}

static void servers_before_14_hash_by_md5(void **state)
{
    struct world *w = *state;
    struct ls_store *plain = open_store(w), *store;
    const char *other;

    assert_int_equal(setenv("LOCKSTEP_PG_DIGEST", "md5", 1), 0);
    store = open_store(w);
    unsetenv("LOCKSTEP_PG_DIGEST");
    for (size_t i = 0; i < COUNT(traps); i++)
        if (alike(w, store, traps[i].type, traps[i].a, traps[i].b))
            fail_msg("%s: %s and %s hash alike", traps[i].type, traps[i].a, traps[i].b);
    for (size_t i = 0; i < COUNT(sames); i++)
        if (!alike(w, store, sames[i].type, sames[i].a, sames[i].b))
            fail_msg("%s: %s and %s do not hash alike", sames[i].type, sames[i].a, sames[i].b);
    assert_false(alike(w, store, "text", "repeat('x', 5000)", "repeat('x', 5001)"));
    assert_true(alike(w, store, "text", "repeat('x', 5000)", "repeat('x', 5000)"));
    other = family(w, plain, "a");
    assert_string_not_equal(family(w, store, "a"), other);
}

/* An index with such a collation takes 'abc' for 'ABC', and so does its hash. */
static void text_that_a_collation_takes_for_the_same_hashes_differently(void **state)
{
    static const char *const types[] = {"text COLLATE public.nocase",
                                        "varchar(9) COLLATE public.nocase",
                                        "char(9) COLLATE public.nocase", "public.word"};
    struct world *w = *state;
    struct ls_store *store = open_store(w);

    testpg_exec(w->url, "CREATE COLLATION public.nocase (provider = icu, locale = "
                        "'und-u-ks-level2', deterministic = false);"
                        "CREATE DOMAIN public.word AS text COLLATE public.nocase");
    expect_sql(w->url, "SELECT 'abc' = 'ABC' COLLATE public.nocase", "t");
    for (size_t i = 0; i < COUNT(types); i++)
        if (alike(w, store, types[i], "'abc'", "'ABC'"))
            fail_msg("%s: abc and ABC hash alike", types[i]);
}

/* Whether two records of two texts hash alike. */
static bool pairs_alike(struct world *w, struct ls_store *store, const char *a, const char *b)
{
    char sql[512];

    snprintf(sql, sizeof(sql),
             "DROP TABLE IF EXISTS a, b; CREATE TABLE a (id int PRIMARY KEY, x text, y text);"
             "CREATE TABLE b (LIKE a); INSERT INTO a VALUES (1, %s); INSERT INTO b VALUES (1, %s)",
             a, b);
    testpg_exec(w->url, sql);
    return whole(w, store, "a").sum == whole(w, store, "b").sum;
}

static void text_that_moves_to_the_next_field_changes_the_hash(void **state)
{
    static const char *const pairs[][2] = {
        {"'ab', 'c'", "'a', 'bc'"},
        {"'abc', ''", "'', 'abc'"},
        {"'N', NULL", "NULL, 'N'"},
        {"NULL, 'x'", "'N', 'x'"},
        {"'1:a', ''", "'', '1:a'"},
        {"repeat('x', 5000), 'x'", "'M' || md5(repeat('x', 5000)), 'x'"}};
    struct world *w = *state;

    for (int md5 = 0; md5 < 2; md5++) {
        struct ls_store *store;

        if (md5)
            assert_int_equal(setenv("LOCKSTEP_PG_DIGEST", "md5", 1), 0);
        store = open_store(w);
        unsetenv("LOCKSTEP_PG_DIGEST");
        for (size_t i = 0; i < COUNT(pairs); i++)
            if (pairs_alike(w, store, pairs[i][0], pairs[i][1]))
                fail_msg("%s and %s hash alike", pairs[i][0], pairs[i][1]);
    }
}

static void servers_that_hash_otherwise_are_of_another_family(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w), *other = open_store(w);

    testpg_exec(w->url, "CREATE TABLE t (id int PRIMARY KEY, v text)");
    assert_string_equal(family(w, store, "t"), family(w, other, "t"));
    assert_non_null(strstr(family(w, other, "t"), ls_pgs_of(other)->probe));
    ls_pgs_of(other)->probe = "1/2";
    assert_string_not_equal(family(w, store, "t"), family(w, other, "t"));
}

static void integers_of_all_widths_are_of_one_family(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);

    testpg_exec(w->url,
                "CREATE TABLE a (id int PRIMARY KEY, v smallint, n numeric(10,2), c varchar(9));"
                "CREATE TABLE b (id bigint PRIMARY KEY, v bigint, n numeric, c text);"
                "INSERT INTO a VALUES (-7, -3, 1.50, 'x'), (8, NULL, NULL, NULL);"
                "INSERT INTO b SELECT * FROM a");
    assert_string_equal(family(w, store, "a"), family(w, store, "b"));
    assert_true(whole(w, store, "a").sum == whole(w, store, "b").sum);
}

static void fields_that_are_compared_coarsely_are_not_digested(void **state)
{
    static const struct {
        const char *field;
        struct ls_as as;
        bool fine;
    } cases[] = {
        {"i", {.type = LS_T_INT}, true},
        {"i", {.type = LS_T_DECIMAL}, true},
        {"i", {.type = LS_T_TEXT}, false},
        {"t", {.type = LS_T_TIMESTAMP, .fraction = 6}, true},
        {"t", {.type = LS_T_TIMESTAMP, .fraction = 3}, false},
        {"t3", {.type = LS_T_TIMESTAMP, .fraction = 3}, true},
        {"d", {.type = LS_T_DOUBLE, .bits = 53}, true},
        {"d", {.type = LS_T_DOUBLE, .bits = 24}, false},
        {"r", {.type = LS_T_DOUBLE, .bits = 24}, true},
        {"x", {.type = LS_T_UUID}, false},
    };
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    const struct ls_schema *schema;

    testpg_exec(w->url, "CREATE TABLE t (i int PRIMARY KEY, t timestamp, t3 timestamp(3), d "
                        "float8, r real, x text)");
    schema = describe(w, store, "t");
    for (size_t i = 0; i < COUNT(cases); i++) {
        const size_t fields[] = {(size_t)ls_schema_find(schema, cases[i].field)}, key[] = {0};
        const struct ls_scan scan = {.schema = schema,
                                     .field_count = 1,
                                     .fields = fields,
                                     .key_count = 1,
                                     .key = key,
                                     .as = &cases[i].as};
        struct ls_error err = {0};

        assert_int_equal(ls_store_digest_family(store, &scan, &w->mem, &err) != NULL,
                         cases[i].fine);
        if (!cases[i].fine)
            assert_non_null(strstr(err.text, cases[i].field));
    }
}

static void an_integer_compared_as_a_decimal_hashes_like_one(void **state)
{
    static const struct ls_as as[] = {{.type = LS_T_INT}, {.type = LS_T_DECIMAL}};
    const struct ls_partition p = {.count = 1};
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_scan a, b;
    struct ls_segment one, two;
    struct ls_error err = {0};

    testpg_exec(w->url,
                "CREATE TABLE a (id int PRIMARY KEY, v int); CREATE TABLE b (id int PRIMARY KEY, v "
                "numeric(9,2));"
                "INSERT INTO a VALUES (1, -10), (2, 0), (3, NULL); INSERT INTO b SELECT * FROM a");
    a = scan_of(describe(w, store, "a"), 1);
    b = scan_of(describe(w, store, "b"), 1);
    a.as = b.as = as;
    a.partition = b.partition = &p;
    assert_string_equal(ls_store_digest_family(store, &a, &w->mem, &err),
                        ls_store_digest_family(store, &b, &w->mem, &err));
    assert_ls(ls_store_digest(store, &a, seeds, &one, &err));
    assert_ls(ls_store_digest(store, &b, seeds, &two, &err));
    assert_true(one.sum == two.sum);
}

/* A sort of all records costs as much again as hashing them. */
static void a_digest_groups_without_sorting(void **state)
{
    static const char *const tables[] = {"by_int", "by_text", "by_uuid"};
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_pgs *pg = ls_pgs_of(store);

    testpg_exec(w->url, "CREATE TABLE by_int (id int8 PRIMARY KEY, v text);"
                        "INSERT INTO by_int SELECT g, g FROM generate_series(1, 50000) g;"
                        "CREATE TABLE by_text (id text PRIMARY KEY, v text); INSERT INTO by_text "
                        "SELECT id, v FROM by_int;"
                        "CREATE TABLE by_uuid (id uuid PRIMARY KEY, v text);"
                        "INSERT INTO by_uuid SELECT md5(v)::uuid, v FROM by_int; ANALYZE");
    for (size_t i = 0; i < COUNT(tables); i++) {
        struct ls_scan scan = scan_of(describe(w, store, tables[i]), 1);
        struct ls_partition p = {.by_range = true};
        struct ls_value *bounds = NULL;
        struct ls_sql_stmt *stmt = NULL;
        struct ls_error err = {0};
        struct ls_buf sql;
        bool row, hashed = false, sorted = false;
        size_t count = 0;

        assert_ls(ls_store_bounds(store, &scan, 1999, &w->mem, &count, &bounds, &err));
        assert_int_equal(count != 0, i != 1);
        p = count ? (struct ls_partition){.by_range = true, .count = count + 1, .bounds = bounds}
                  : (struct ls_partition){.count = 2048, .seed = 5};
        scan.partition = &p;
        ls_buf_init(&sql, 0);
        ls_buf_text(&sql, "EXPLAIN ");
        assert_ls(ls_pgs_digest_query(pg, &scan, seeds, &sql, &err));
        assert_ls(ls_sql_begin(pg->db, false, &err));
        assert_ls(ls_sql_exec(pg->db, LS_PGS_DIGEST_SETTINGS, &err));
        assert_ls(ls_sql_prepare(pg->db, ls_buf_str(&sql), &stmt, &err));
        assert_ls(ls_sql_run(stmt, NULL, 0, false, &err));
        for (;;) {
            assert_ls(ls_sql_step(stmt, &row, &err));
            if (!row)
                break;
            hashed |= strstr(ls_sql_text(stmt, 0, NULL), "HashAggregate") != NULL;
            sorted |= strstr(ls_sql_text(stmt, 0, NULL), "Sort") != NULL;
        }
        ls_sql_finish(stmt);
        ls_sql_rollback(pg->db);
        ls_buf_done(&sql);
        assert_true(hashed);
        assert_false(sorted);
    }
}

/* A view can see what the query that reads it runs with. */
static void a_digest_runs_with_its_settings(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);

    testpg_exec(w->url, "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, "
                        "'off off 48MB 0');"
                        "CREATE VIEW seen AS SELECT id, current_setting('enable_sort') || ' ' ||"
                        " current_setting('jit') || ' ' || current_setting('work_mem') || ' ' ||"
                        " current_setting('parallel_tuple_cost') AS v FROM t");
    assert_true(whole(w, store, "seen").sum == whole(w, store, "t").sum);
}

static void settings_of_a_digest_end_with_it(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_error err = {0};
    const char *got = "";

    testpg_exec(w->url, "CREATE TABLE t (id int PRIMARY KEY)");
    (void)whole(w, store, "t");
    assert_ls(ls_pgs_ask(ls_pgs_of(store), "SELECT current_setting('enable_sort')", NULL, 0,
                         &w->mem, &got, &err));
    assert_string_equal(got, "on");
    assert_ls(ls_store_begin(store, &err));
    (void)whole(w, store, "t");
    assert_ls(ls_pgs_ask(ls_pgs_of(store), "SELECT current_setting('enable_sort')", NULL, 0,
                         &w->mem, &got, &err));
    assert_string_equal(got, "on");
}

int main(void)
{
    static struct world world;
    const struct CMUnitTest tests[] = {
        TEST(values_that_differ_hash_differently),
        TEST(records_that_swap_values_do_not_cancel),
        TEST(servers_before_14_hash_by_md5),
        TEST(text_that_a_collation_takes_for_the_same_hashes_differently),
        TEST(text_that_moves_to_the_next_field_changes_the_hash),
        TEST(servers_that_hash_otherwise_are_of_another_family),
        TEST(integers_of_all_widths_are_of_one_family),
        TEST(fields_that_are_compared_coarsely_are_not_digested),
        TEST(an_integer_compared_as_a_decimal_hashes_like_one),
        TEST(a_digest_groups_without_sorting),
        TEST(a_digest_runs_with_its_settings),
        TEST(settings_of_a_digest_end_with_it),
    };

    return run_in_database("store/postgres_hash", &world, tests, COUNT(tests));
}
