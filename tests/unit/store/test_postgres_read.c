/* SPDX-License-Identifier: Apache-2.0 */
/* test_postgres_read.c - what the PostgreSQL store does beyond the conformance suite: segments, and reading by key. */
#include "postgres_help.h"

/* ---- segments ---- */

static void bounds_of_large_tables_come_from_a_sample(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_scan scan;
    struct ls_partition p = {.by_range = true};
    struct ls_segment segments[40];
    struct ls_value *bounds;
    struct ls_error err = {0};
    size_t count;

    testpg_exec(w->url,
                "CREATE TABLE t (id int PRIMARY KEY, pad text) WITH (autovacuum_enabled = off);"
                "INSERT INTO t SELECT g, repeat('x', 500) FROM generate_series(1, 20000) g");
    for (int analyzed = 0; analyzed < 2; analyzed++) {
        scan = scan_of(describe(w, store, "t"), 1);
        assert_ls(ls_store_bounds(store, &scan, 39, &w->mem, &count, &bounds, &err));
        assert_in_range(count, 30, 39);
        p.count = count + 1;
        p.bounds = bounds;
        scan.partition = &p;
        assert_ls(ls_store_digest(store, &scan, seeds, segments, &err));
        for (size_t i = 0; i <= count; i++)
            assert_in_range(segments[i].count, 1, 4 * 20000 / (count + 1));
        testpg_exec(w->url, "ANALYZE t");
    }
}

static void keys_without_cheap_ranges_have_no_bounds(void **state)
{
    static const struct {
        const char *type, *value;
        bool ranges;
    } cases[] = {
        {"int2", "g", true},
        {"int8", "g", true},
        {"uuid", "md5(g::text)::uuid", true},
        {"date", "date '2024-01-01' + g", true},
        {"timestamptz", "now() + g * interval '1 s'", true},
        {"text", "g::text", false},
        {"numeric", "g", false},
        {"float8", "g", false},
        {"bytea", "g::text::bytea", false},
    };
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    char sql[256];

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ls_value *bounds;
        struct ls_error err = {0};
        struct ls_scan scan;
        size_t count;

        snprintf(sql, sizeof(sql),
                 "DROP TABLE IF EXISTS t; CREATE TABLE t (id %s PRIMARY KEY);"
                 "INSERT INTO t SELECT %s FROM generate_series(1, 100) g",
                 cases[i].type, cases[i].value);
        testpg_exec(w->url, sql);
        scan = scan_of(describe(w, store, "t"), 1);
        assert_ls(ls_store_bounds(store, &scan, 9, &w->mem, &count, &bounds, &err));
        assert_int_equal(count, cases[i].ranges ? 9 : 0);
    }
}

/* Few wanted ranges are written out, many are numbered: both must take the same records. */
static void many_wanted_ranges_are_read_like_few(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_value bounds[511];
    uint8_t wanted[64] = {0};
    struct ls_partition p = {.by_range = true, .count = 512, .bounds = bounds, .wanted = wanted};
    struct ls_segment segments[512];
    struct ls_error err = {0};
    struct ls_scan scan;

    testpg_exec(
        w->url,
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 5120)");
    for (int i = 0; i < 511; i++)
        bounds[i] = ls_value_int(i * 10 + 11);
    scan = scan_of(describe(w, store, "t"), 1);
    scan.partition = &p;
    for (int step = 2; step <= 64; step *= 2) {
        struct ls_rows rows;

        memset(wanted, 0, sizeof(wanted));
        for (int i = 1; i < 512; i += step)
            wanted[i / 8] = (uint8_t)(wanted[i / 8] | 1 << i % 8);
        rows = read_all(w, store, &scan);
        assert_int_equal(rows.count, 5120 / step);
        for (size_t i = 0; i < rows.count; i++)
            assert_int_equal((ls_row(&rows, i)[0].i - 1) / 10 % step, 1);
        assert_ls(ls_store_digest(store, &scan, seeds, segments, &err));
        for (int i = 0; i < 512; i++)
            assert_int_equal(segments[i].count, i % step == 1 ? 10 : 0);
    }
}

static void estimates_follow_a_table_that_grows(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);

    testpg_exec(w->url,
                "CREATE TABLE t (id int PRIMARY KEY, v text) WITH (autovacuum_enabled = off);"
                "CREATE VIEW v AS SELECT * FROM t");
    assert_int_equal(describe(w, store, "t")->rows_estimate, 0);
    testpg_exec(w->url, "INSERT INTO t SELECT g, 'some text that is as long as texts are' FROM"
                        " generate_series(1, 10000) g");
    assert_in_range(describe(w, store, "t")->rows_estimate, 5000, 20000);
    testpg_exec(w->url, "ANALYZE t; INSERT INTO t SELECT -id, v FROM t");
    assert_in_range(describe(w, store, "t")->rows_estimate, 18000, 22000);
    assert_int_equal(describe(w, store, "v")->rows_estimate, -1);
}

static void partitioned_tables_are_read_and_written_like_others(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_scan scan;
    struct ls_value *bounds;
    struct ls_error err = {0};
    struct ls_rows rows;
    size_t count;

    testpg_exec(w->url,
                "CREATE TABLE t (id int, part int, v text, PRIMARY KEY (id, part))"
                " PARTITION BY LIST (part); CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);"
                "CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2);"
                "INSERT INTO t SELECT g, 1 + g % 2, 'x' FROM generate_series(1, 1000) g; ANALYZE");
    scan = scan_of(describe(w, store, "t"), 2);
    assert_in_range(scan.schema->rows_estimate, 900, 1100);
    assert_ls(ls_store_bounds(store, &scan, 9, &w->mem, &count, &bounds, &err));
    assert_int_equal(count, 9);
    assert_int_equal(whole(w, store, "t").count, 1000);
    assert_ls(WRITE(store, "t", 2, "u", "1", "2", "y", "d", "2", "1", "NULL", "i", "1", "1", "z"));
    assert_ls(WRITE(store, "t", 2, "i", "5000", "2", "direct"));
    scan.ordered = true;
    rows = read_all(w, store, &scan);
    assert_int_equal(rows.count, 1001);
    expect_sql(w->url,
               "SELECT string_agg(tableoid::regclass || v, ' ' ORDER BY v) FROM t WHERE v <> 'x'",
               "t2direct t2y t1z");
}

/* ---- reading by key ---- */

static void keys_that_the_column_cannot_hold_name_no_record(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    const struct ls_value keys[] = {ls_value_text("x"),
                                    ls_value_text("2"),
                                    ls_value_int(INT64_C(1) << 40),
                                    ls_value_data(LS_T_DECIMAL, "1.5", 3),
                                    ls_value_data(LS_T_DECIMAL, "3.0", 3),
                                    ls_value_null()};
    struct ls_rows rows;
    struct ls_error err = {0};
    struct ls_scan scan;

    testpg_exec(w->url, "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, "
                        "'a'), (2, 'b'), (3, 'c')");
    scan = scan_of(describe(w, store, "t"), 1);
    assert_ls(ls_store_fetch(store, &scan, COUNT(keys), keys, false, &w->mem, &rows, &err));
    assert_int_equal(rows.count, 2);
}

static void enums_and_intervals_can_be_keys(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    const struct ls_value key[] = {ls_value_data(LS_T_NATIVE, "glad", 4),
                                   ls_value_data(LS_T_NATIVE, "1 mon", 5)};
    const struct ls_value none[] = {ls_value_data(LS_T_NATIVE, "mad", 3),
                                    ls_value_data(LS_T_NATIVE, "1 mon", 5)};
    const struct ls_value other[] = {ls_value_data(LS_T_NATIVE, "glad", 4),
                                     ls_value_data(LS_T_NATIVE, "30 days", 7)};
    struct ls_rows rows;
    struct ls_error err = {0};
    struct ls_scan scan;

    testpg_exec(w->url, "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TABLE t (a mood, b "
                        "interval, PRIMARY KEY (a, b));"
                        "INSERT INTO t VALUES ('glad', '1 mon'), ('sad', '1 mon')");
    scan = scan_of(describe(w, store, "t"), 2);
    assert_ls(ls_store_fetch(store, &scan, 1, key, false, &w->mem, &rows, &err));
    assert_int_equal(rows.count, 1);
    assert_ls(ls_store_fetch(store, &scan, 1, none, false, &w->mem, &rows, &err));
    assert_int_equal(rows.count, 0);
    assert_ls(ls_store_fetch(store, &scan, 1, other, false, &w->mem, &rows, &err));
    assert_int_equal(rows.count, 0);
}

static void more_keys_than_one_statement_takes_are_fetched(void **state)
{
    const size_t count = LS_PGS_KEYS_A_CALL * 2 + 5;
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_value *keys = ls_arena_array(&w->mem, count, sizeof(*keys));
    struct ls_rows rows;
    struct ls_error err = {0};
    struct ls_scan scan;

    testpg_exec(
        w->url,
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 30000, 2)");
    for (size_t i = 0; i < count; i++)
        keys[i] = ls_value_int((int64_t)i);
    scan = scan_of(describe(w, store, "t"), 1);
    assert_ls(ls_store_fetch(store, &scan, count, keys, false, &w->mem, &rows, &err));
    assert_int_equal(rows.count, count / 2);
}

/* Keys close together are asked for by their bounds too: what lies between them is not theirs. */
static void keys_close_together_and_far_apart_name_their_own_records(void **state)
{
    static const struct {
        size_t count;
        int64_t keys[4];
        size_t found;
    } cases[] = {
        {3, {9, 6, 8}, 3}, /* in any order, without the 7 */
        {1, {7}, 1},
        {2, {5, 10}, 0}, /* beside them */
        {3, {INT64_MIN, 7, INT64_MAX}, 3},
        {3, {INT64_MIN, INT64_MIN + 1, INT64_MIN + 2}, 1},
        {2, {INT64_MAX - 1, INT64_MAX}, 1},
    };
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_error err = {0};
    struct ls_scan scan;

    testpg_exec(w->url,
                "CREATE TABLE t (id bigint PRIMARY KEY); INSERT INTO t VALUES (6), (7), (8), "
                "(9), (-9223372036854775808), (9223372036854775807)");
    scan = scan_of(describe(w, store, "t"), 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ls_value keys[4];
        struct ls_rows rows;

        for (size_t k = 0; k < cases[i].count; k++)
            keys[k] = ls_value_int(cases[i].keys[k]);
        assert_ls(ls_store_fetch(store, &scan, cases[i].count, keys, false, &w->mem, &rows, &err));
        assert_int_equal(rows.count, cases[i].found);
    }
}

/* FOR UPDATE SKIP LOCKED leaves out what another transaction holds. */
static void records_fetched_to_be_written_are_locked(void **state)
{
    static const char free_records[] = "SELECT string_agg(id::text, ' ') FROM (SELECT id FROM t "
                                       "ORDER BY id FOR UPDATE SKIP LOCKED) f";
    const struct ls_value keys[] = {ls_value_int(1), ls_value_int(3)};
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_error err = {0};
    struct ls_rows rows;
    struct ls_scan scan;

    testpg_exec(w->url, "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, "
                        "'a'), (2, 'b'), (3, 'c')");
    scan = scan_of(describe(w, store, "t"), 1);
    assert_ls(ls_store_begin(store, &err));
    assert_ls(ls_store_fetch(store, &scan, 2, keys, false, &w->mem, &rows, &err));
    expect_sql(w->url, free_records, "1 2 3");
    assert_ls(ls_store_fetch(store, &scan, 2, keys, true, &w->mem, &rows, &err));
    assert_int_equal(rows.count, 2);
    expect_sql(w->url, free_records, "2");
    ls_store_rollback(store);
    expect_sql(w->url, free_records, "1 2 3");
}

static enum ls_code read_code(struct world *w, struct ls_store *store, const char *table,
                              struct ls_error *err)
{
    struct ls_scan scan = scan_of(describe(w, store, table), 1);
    struct ls_cursor *cursor = NULL;
    struct ls_rows batch = {0};
    enum ls_code rc = ls_store_scan(store, &scan, &cursor, err);

    if (rc == LS_OK)
        do
            rc = ls_cursor_next(cursor, &w->mem, &batch, err);
        while (rc == LS_OK && batch.count);
    ls_cursor_end(cursor);
    return rc;
}

static void reading_a_view_that_writes_is_refused(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_url(w, w->url, false);
    struct ls_error err = {0};

    testpg_exec(w->url,
                "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE TABLE notes "
                "(id int);"
                "CREATE FUNCTION note(int) RETURNS int VOLATILE LANGUAGE sql AS "
                "'INSERT INTO public.notes VALUES ($1) RETURNING id';"
                "CREATE VIEW noting AS SELECT id, note(id) AS n FROM t");
    assert_code(LS_PERMISSION, read_code(w, store, "noting", &err));
    assert_string_equal(err.native, "25006");
    expect_sql(w->url, "SELECT count(*) FROM notes", "0");
    expect_sql(w->url, "SELECT n FROM noting", "1"); /* it does write, for who may */
    expect_sql(w->url, "SELECT count(*) FROM notes", "1");
}

static void bytes_that_are_no_text_are_not_read_as_text(void **state)
{
    struct world *w = *state;
    char *url = testpg_database("store_ascii"),
         *name = testpg_value(url, "SELECT current_database()");
    struct ls_store *store;
    struct ls_error err = {0};
    char sql[200];

    snprintf(sql, sizeof(sql), "DROP DATABASE \"%s\"", name);
    testpg_exec(w->url, sql);
    snprintf(sql, sizeof(sql),
             "CREATE DATABASE \"%s\" TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' "
             "LC_CTYPE 'C'",
             name);
    testpg_exec(w->url, sql);
    testpg_exec(url, "CREATE TABLE good (id int PRIMARY KEY, v text); CREATE TABLE bad (LIKE good);"
                     "INSERT INTO good VALUES (1, E'Vien\\303\\240');"
                     "INSERT INTO bad VALUES (1, E'Vien\\340')");
    store = open_url(w, url, false);
    assert_ls(read_code(w, store, "good", &err));
    assert_code(LS_DATA, read_code(w, store, "bad", &err));
    assert_non_null(strstr(err.text, "SQL_ASCII"));
    assert_non_null(strstr(err.text, name));
    assert_ls(read_code(w, store, "good", &err));
    free(name);
    free(url);
}

/* A scan of t that seeks v = text: the number of records that come. */
static size_t seek(struct world *w, struct ls_store *store, struct ls_value v, bool *ret_seeks)
{
    struct ls_scan scan = scan_of(describe(w, store, "t"), 1);
    const struct ls_sought sought = {.condition = {1, LS_OP_EQ, 1, &v}};

    scan.sought_count = 1;
    scan.sought = &sought;
    *ret_seeks = ls_store_seeks(store, scan.schema, &sought);
    return read_all(w, store, &scan).count;
}

/* The server's own count of what an index was used for is complete once the session has gone. */
static void what_is_sought_is_found_by_its_index(void **state)
{
    static const struct {
        const char *type;
        enum ls_type is;
        const char *text; /* of the 7th record */
    } cases[] = {
        {"text COLLATE public.nocase", LS_T_TEXT, "n7"},
        {"char(9)", LS_T_TEXT, "n7"},
        {"varchar(9)", LS_T_TEXT, "n7"},
        {"text", LS_T_TEXT, "n7"},
        {"bytea", LS_T_BYTES, "\\x6e37"},
    };
    struct world *w = *state;

    testpg_exec(w->url, "CREATE COLLATION public.nocase (provider = icu, locale = "
                        "'und-u-ks-level2', deterministic = false)");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ls_store *store = NULL;
        struct ls_value v;
        struct ls_error err = {0};
        bool yes = false;
        char sql[400];

        snprintf(sql, sizeof(sql),
                 "DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, v %s);"
                 "INSERT INTO t SELECT i, ('n' || i)%s FROM generate_series(1, 9000) i;"
                 "CREATE INDEX t_by_v ON t (v); ANALYZE t",
                 cases[i].type, cases[i].is == LS_T_BYTES ? "::bytea" : "");
        testpg_exec(w->url, sql);
        store = open_url(w, w->url, false);
        assert_ls(ls_value_from_text(cases[i].is, cases[i].text, strlen(cases[i].text), &w->mem, &v,
                                     &err));
        assert_int_equal(seek(w, store, v, &yes), 1);
        assert_true(yes);
        ls_store_close(store);
        w->open_count--;
        do {
            char *left = testpg_value(w->url, "SELECT count(*) FROM pg_stat_activity WHERE datname "
                                              "= current_database() AND pid <> pg_backend_pid()");

            yes = strcmp(left, "0") != 0;
            free(left);
        } while (yes);
        expect_sql(w->url,
                   "SELECT idx_scan > 0 FROM pg_stat_user_indexes WHERE indexrelname = 't_by_v'",
                   "t");
    }
}

static void text_that_the_encoding_has_no_place_for_is_not_sought(void **state)
{
    struct world *w = *state;
    char *url = testpg_database("store_latin"),
         *name = testpg_value(url, "SELECT current_database()");
    struct ls_store *store;
    bool yes;
    char sql[200];

    snprintf(sql, sizeof(sql), "DROP DATABASE \"%s\"", name);
    testpg_exec(w->url, sql);
    snprintf(sql, sizeof(sql),
             "CREATE DATABASE \"%s\" TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' "
             "LC_CTYPE 'C'",
             name);
    testpg_exec(w->url, sql);
    testpg_exec(url, "CREATE TABLE t (id int PRIMARY KEY, v text);"
                     "INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    store = open_url(w, url, false);
    assert_int_equal(seek(w, store, ls_value_text("a"), &yes), 1);
    assert_true(yes);
    assert_int_equal(seek(w, store, ls_value_text("\xd0\xb6"), &yes), 2);
    assert_false(yes);
    free(name);
    free(url);
}

/* Operators and functions of the same names, first in the role's own path, that nothing survives. */
static void what_a_search_path_puts_first_is_not_called(void **state)
{
    static const char shadows[] =
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b');"
        "CREATE SCHEMA other; DO $$"
        " DECLARE t text; body text := 'LANGUAGE plpgsql AS ''BEGIN RAISE ''''shadow''''; END'''; "
        "BEGIN"
        " FOREACH t IN ARRAY ARRAY['int4', 'int8', 'text', 'name', 'oid', '\"char\"'] LOOP"
        " EXECUTE format('CREATE FUNCTION other.same(%1$s, %1$s) RETURNS bool ' || body, t);"
        " EXECUTE format('CREATE OPERATOR other.= (FUNCTION = other.same, LEFTARG = %1$s,"
        " RIGHTARG = %1$s)', t); END LOOP;"
        " FOREACH t IN ARRAY ARRAY['md5(text)', 'octet_length(text)', 'int8send(int8)',"
        " 'hashtextextended(text, int8)', 'hashint8extended(int8, int8)', 'current_setting(text)',"
        " 'set_config(text, text, bool)', 'current_schemas(bool)', 'current_database()',"
        " 'unnest(text[])', 'pg_relation_size(oid)'] LOOP"
        " EXECUTE format('CREATE FUNCTION other.%s RETURNS text ' || body, t); END LOOP; END $$";
    const struct ls_value key = ls_value_int(2);
    struct world *w = *state;
    struct ls_error err = {0};
    struct ls_rows rows;
    char *url;

    testpg_exec(w->url, shadows);
    assert_true(asprintf(&url, "%s?options=-c%%20search_path%%3Dother%%2Cpublic%%2Cpg_catalog",
                         w->url) > 0);
    for (int md5 = 0; md5 < 2; md5++) {
        struct ls_store *plain, *store;
        struct ls_scan scan;

        if (md5)
            assert_int_equal(setenv("LOCKSTEP_PG_DIGEST", "md5", 1), 0);
        plain = open_store(w);
        store = open_url(w, url, true);
        unsetenv("LOCKSTEP_PG_DIGEST");
        scan = scan_of(describe(w, store, "t"), 1);
        assert_string_equal(scan.schema->collection, "public.t");
        assert_int_equal(read_all(w, store, &scan).count, 2);
        assert_true(whole(w, store, "t").sum == whole(w, plain, "t").sum);
        assert_ls(ls_store_fetch(store, &scan, 1, &key, false, &w->mem, &rows, &err));
        assert_int_equal(rows.count, 1);
        assert_ls(WRITE(store, "t", 1, "i", "3", "c", "u", "2", "B"));
        assert_ls(WRITE(store, "t", 1, "d", "3", "c", "u", "2", "b"));
    }
    free(url);
}

static void a_copied_schema_still_serves(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_schema *copy;
    struct ls_scan scan;

    testpg_exec(w->url,
                "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'x')");
    copy = ls_schema_copy(&w->mem, describe(w, store, "t"));
    assert_null(copy->native);
    scan = scan_of(copy, 1);
    assert_int_equal(read_all(w, store, &scan).count, 1);
}

int main(void)
{
    static struct world world;
    const struct CMUnitTest tests[] = {
        TEST(bounds_of_large_tables_come_from_a_sample),
        TEST(keys_without_cheap_ranges_have_no_bounds),
        TEST(many_wanted_ranges_are_read_like_few),
        TEST(estimates_follow_a_table_that_grows),
        TEST(partitioned_tables_are_read_and_written_like_others),
        TEST(keys_that_the_column_cannot_hold_name_no_record),
        TEST(enums_and_intervals_can_be_keys),
        TEST(more_keys_than_one_statement_takes_are_fetched),
        TEST(keys_close_together_and_far_apart_name_their_own_records),
        TEST(records_fetched_to_be_written_are_locked),
        TEST(reading_a_view_that_writes_is_refused),
        TEST(bytes_that_are_no_text_are_not_read_as_text),
        TEST(what_is_sought_is_found_by_its_index),
        TEST(text_that_the_encoding_has_no_place_for_is_not_sought),
        TEST(what_a_search_path_puts_first_is_not_called),
        TEST(a_copied_schema_still_serves),
    };

    return run_in_database("store/postgres_read", &world, tests, COUNT(tests));
}
