/* SPDX-License-Identifier: Apache-2.0 */
/* test_postgres_write.c - what the PostgreSQL store does beyond the conformance suite: writing: unique values of every kind, refusals, triggers, conflicts. */
#include "postgres_help.h"

/* ---- writing ---- */

/* Values of unique columns change places: two, three, and along a chain. */
static void unique_values_change_places_in_every_type(void **state)
{
    static const struct {
        const char *type, *values[3];
    } cases[] = {
        {"int", {"10", "20", "30"}},
        {"int NOT NULL", {"10", "20", "30"}},
        {"int NOT NULL", {"2147483647", "20", "-2147483000"}},
        {"smallint NOT NULL CHECK (v > 0)", {"1", "2", "3"}},
        {"bigint NOT NULL", {"9223372036854775807", "0", "1"}},
        {"text", {"a", "b", "c"}},
        {"text NOT NULL", {"a", "b", "c"}},
        {"varchar(8) NOT NULL", {"a", "b", "c"}},
        {"numeric NOT NULL", {"1.5", "2.5", "3.5"}},
        {"uuid NOT NULL",
         {"00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b",
          "00000000-0000-0000-0000-00000000000c"}},
        {"bytea NOT NULL", {"\\x01", "\\x02", "\\x03"}},
        {"date NOT NULL", {"2024-01-01", "infinity", "2024-01-03"}},
        {"timestamptz NOT NULL",
         {"2024-01-01 00:00:00+00", "2024-01-02 00:00:00+00", "2024-01-03 00:00:00+00"}},
        {"double precision NOT NULL", {"1.5", "2.5", "3.5"}},
    };
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    char sql[512];

    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *const *v = cases[i].values;
        struct ls_error err = {0};

        snprintf(sql, sizeof(sql),
                 "DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, v %s UNIQUE);"
                 "INSERT INTO t VALUES (1, '%s'), (2, '%s'), (3, '%s')",
                 cases[i].type, v[0], v[1], v[2]);
        testpg_exec(w->url, sql);
        assert_ls(WRITE(store, "t", 1, "u", "1", v[1], "u", "2", v[0]));
        assert_ls(WRITE(store, "t", 1, "u", "1", v[2], "u", "2", v[1], "u", "3", v[0]));
        assert_ls(WRITE(store, "t", 1, "u", "1", v[0], "u", "2", v[2], "u", "3", v[1]));
        snprintf(sql, sizeof(sql),
                 "SELECT count(*) FROM t WHERE id = 1 AND v = '%s' OR id = 2 AND v = '%s' OR id = "
                 "3 AND v = '%s'",
                 v[0], v[2], v[1]);
        expect_sql(w->url, sql, "3");
    }
}

static void unique_values_change_places_in_every_index(void **state)
{
    static const char *const tables[] = {
        "CREATE TABLE t (id int PRIMARY KEY, a text, b int NOT NULL, UNIQUE (a, b))",
        "CREATE TABLE t (id int PRIMARY KEY, a text, b int NOT NULL); CREATE UNIQUE INDEX ON t "
        "(lower(a))",
        "CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL, b int NOT NULL); CREATE UNIQUE INDEX "
        "ON t (lower(a))",
        "CREATE TABLE t (id int PRIMARY KEY, a text, b int NOT NULL); CREATE UNIQUE INDEX ON t (a) "
        "WHERE b = 1",
        "CREATE TABLE t (id int PRIMARY KEY, a text UNIQUE NULLS NOT DISTINCT, b int NOT NULL)",
        "CREATE TABLE t (id int PRIMARY KEY, a text UNIQUE DEFERRABLE, b int NOT NULL)",
        "CREATE TABLE t (id int, a text UNIQUE, b int NOT NULL UNIQUE, PRIMARY KEY (id)) ",
        "CREATE TABLE t (id int, a text, b int NOT NULL, PRIMARY KEY (id), UNIQUE (id, a)) "
        "PARTITION BY RANGE (id);"
        "CREATE TABLE t1 PARTITION OF t DEFAULT; CREATE UNIQUE INDEX ON t1 (a)",
    };
    struct world *w = *state;
    struct ls_store *store = open_store(w);

    for (size_t i = 0; i < COUNT(tables); i++) {
        struct ls_error err = {0};
        /* in the last but one table b is unique too, and in the last the index is not the parent's */
        bool own_b = i == 6;
        enum ls_code rc;

        testpg_exec(w->url, "SET client_min_messages = warning; DROP TABLE IF EXISTS t");
        testpg_exec(w->url, tables[i]);
        testpg_exec(w->url, own_b ? "INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 2), (3, 'z', 3)"
                                  : "INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 1), (3, 'z', 1)");
        rc = own_b
                 ? WRITE(store, "t", 1, "u", "1", "y", "2", "u", "2", "z", "3", "u", "3", "x", "1")
                 : WRITE(store, "t", 1, "u", "1", "y", "1", "u", "2", "z", "1", "u", "3", "x", "1");
        if (i == 7 && rc == LS_CONSTRAINT)
            continue; /* an index of one partition alone is not known to the table: refused, and nothing is lost */
        check(LS_OK, rc, &err, __FILE__, __LINE__);
        expect_sql(w->url, "SELECT string_agg(a, '' ORDER BY id) FROM t", "yzx");
    }
}

static void a_value_that_another_record_keeps_is_refused_and_nothing_changes(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_error err = {0};

    testpg_exec(w->url, "CREATE TABLE t (id int PRIMARY KEY, v text UNIQUE);"
                        "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    assert_code(LS_CONSTRAINT, WRITE(store, "t", 1, "u", "1", "b", "u", "2", "c"));
    expect_sql(w->url, "SELECT string_agg(v, '' ORDER BY id) FROM t", "abc");
    assert_code(LS_CONSTRAINT, WRITE(store, "t", 1, "i", "4", "a"));
    assert_code(LS_CONFLICT, WRITE(store, "t", 1, "i", "3", "new"));
    assert_code(LS_CONFLICT, WRITE(store, "t", 1, "u", "1", "a", "i", "3", "new"));
    expect_sql(w->url, "SELECT string_agg(v, '' ORDER BY id) FROM t", "abc");
}

static void references_follow_values_that_change_places(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_error err = {0};

    testpg_exec(
        w->url,
        "CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE);"
        "CREATE TABLE child (id int PRIMARY KEY, code text REFERENCES t (code) ON UPDATE CASCADE);"
        "INSERT INTO t VALUES (1, 'a'), (2, 'b'); INSERT INTO child VALUES (1, 'a'), (2, 'b')");
    assert_ls(WRITE(store, "t", 1, "u", "1", "b", "u", "2", "a"));
    expect_sql(w->url, "SELECT string_agg(code, '' ORDER BY id) FROM child", "ba");
}

/* "TAKER<GIVER ..." of a write of a table of three fields, in order. */
static const char *waits_text(struct world *w, struct ls_store *store, size_t count,
                              const char *const *texts)
{
    const struct ls_write write = text_write(w, store, "t", 1, count, texts);
    const struct ls_wait *waits = NULL;
    struct ls_error err = {0};
    struct ls_buf text;
    const char *kept;
    size_t n = 0;

    ls_buf_init(&text, 0);
    assert_ls(ls_store_begin(store, &err));
    assert_ls(ls_store_waits(store, &write, &w->mem, &n, &waits, &err));
    assert_ls(ls_store_commit(store, &err));
    for (size_t i = 0; i < count * count; i++)
        for (size_t k = 0; k < n; k++)
            if (waits[k].taker == i / count && waits[k].giver == i % count)
                ls_buf_printf(&text, "%zu<%zu ", i / count, i % count);
    ls_buf_char(&text, '.');
    kept = ls_arena_text(&w->mem, ls_buf_str(&text));
    ls_buf_done(&text);
    return kept;
}
#define WAITS(...)                                                        \
    waits_text(w, store, COUNT(((const char *const[]){__VA_ARGS__})) / 4, \
               (const char *const[]){__VA_ARGS__})

/* By expressions with a question mark, over columns named as ours are; of all ids but 1 and 2, which a predicate leaves out. */
static void a_server_tells_who_waits_for_whom_where_no_key_does(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);

    testpg_exec(w->url, "CREATE TABLE t (n int PRIMARY KEY, w jsonb, op int4range);"
                        "INSERT INTO t SELECT i, jsonb_build_object('k' || i, i), int4range(i * "
                        "10, i * 10 + 10) FROM generate_series(1, 9) i");
    assert_string_equal(WAITS("u", "3", "{}", "[40,60)", "d", "4", "", ""), ".");
    testpg_exec(w->url, "ALTER TABLE t ADD EXCLUDE USING gist (op WITH &&) WHERE (n > 2)");
    store = open_store(w);
    assert_string_equal(WAITS("u", "3", "{}", "[40,60)", "d", "4", "", "", "u", "5", "{}", "empty",
                              "i", "12", "{}", "[61,62)", "u", "6", "{}", "[30,90)", "i", "2", "{}",
                              "[10,100)", "u", "1", "{}", "[90,95)"),
                        "0<1 0<2 3<4 4<0 4<1 4<2 .");
    testpg_exec(w->url, "ALTER TABLE t DROP CONSTRAINT t_op_excl; CREATE UNIQUE INDEX ON t "
                        "((w ?| '{k3,k4}'), (w ? 'k4')) WHERE w ?| '{k3,k4}'");
    store = open_store(w);
    assert_string_equal(WAITS("u", "3", "{\"k4\": 0}", "empty", "u", "4", "{\"k3\": 0}", "empty",
                              "u", "5", "{\"k5\": 0}", "empty", "i", "10", "{\"k4\": 1}", "empty"),
                        "0<1 1<0 3<1 .");
}

static void a_refused_write_leaves_the_transaction_as_it_was(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    const struct ls_schema *schema;
    struct ls_error err = {0};

    testpg_exec(
        w->url,
        "CREATE TABLE t (id int PRIMARY KEY, v int CHECK (v > 0)); INSERT INTO t VALUES (1, 1)");
    schema = describe(w, store, "t");
    assert_ls(ls_store_begin(store, &err));
    for (int64_t i = 0; i < 6; i++) {
        const struct ls_value record[] = {ls_value_int(i % 2 ? 1 : 10 + i),
                                          ls_value_int(i < 4 ? 3 - i : 7)};
        const struct ls_write_op op = {i % 2 ? LS_UPDATE : LS_INSERT, record, record};
        const struct ls_scan scan = scan_of(schema, 1);
        const struct ls_write write = {.schema = schema,
                                       .field_count = 2,
                                       .fields = scan.fields,
                                       .key_count = 1,
                                       .key = scan.key,
                                       .count = 1,
                                       .ops = &op};

        assert_code(i == 3 ? LS_CONSTRAINT : LS_OK, ls_store_write(store, &write, &err));
    }
    assert_ls(ls_store_commit(store, &err));
    expect_sql(w->url, "SELECT string_agg(id || ':' || v, ' ' ORDER BY id) FROM t",
               "1:7 10:3 12:1 14:7");
}

static void identity_columns_are_written_as_they_are(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_error err = {0};

    testpg_exec(w->url,
                "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text);"
                "CREATE TABLE n (id int PRIMARY KEY, no int GENERATED ALWAYS AS IDENTITY, v text)");
    assert_ls(WRITE(store, "t", 1, "i", "7", "direct"));
    assert_ls(WRITE(store, "t", 1, "u", "7", "changed", "i", "9", "set"));
    expect_sql(w->url, "SELECT string_agg(id || v, ' ' ORDER BY id) FROM t", "7changed 9set");
    assert_ls(WRITE(store, "n", 1, "i", "1", "50", "x"));
    assert_ls(WRITE(store, "n", 1, "u", "1", "50", "y"));
    assert_code(LS_CONSTRAINT, WRITE(store, "n", 1, "u", "1", "51", "z"));
    assert_non_null(strstr(err.text, "\"no\""));
    expect_sql(w->url, "SELECT no || v FROM n", "50y");
}

static void a_trigger_that_drops_a_record_is_noticed(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_error err = {0};

    testpg_exec(w->url, "CREATE TABLE t (id int PRIMARY KEY);"
                        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
                        " 'BEGIN IF new.id = 2 THEN RETURN NULL; END IF; RETURN new; END';"
                        "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()");
    assert_code(LS_CONFLICT, WRITE(store, "t", 1, "i", "1", "i", "2"));
    expect_sql(w->url, "SELECT count(*) FROM t", "0");
    assert_ls(WRITE(store, "t", 1, "i", "1", "i", "3"));
}

static void records_that_refer_to_each_other_are_one_write(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_error err = {0};

    testpg_exec(w->url, "CREATE TABLE t (id int PRIMARY KEY, up int REFERENCES t)");
    assert_ls(WRITE(store, "t", 1, "i", "1", "2", "i", "2", "3", "i", "3", "NULL"));
    assert_ls(WRITE(store, "t", 1, "u", "3", "4", "i", "4", "1"));
    assert_ls(WRITE(store, "t", 1, "d", "1", "NULL", "d", "2", "NULL", "d", "3", "NULL", "d", "4",
                    "NULL"));
}

static void a_table_without_a_constraint_still_knows_conflicts(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_error err = {0};

    testpg_exec(
        w->url,
        "CREATE TABLE t (id int, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (2, 'c')");
    assert_code(LS_CONFLICT, WRITE(store, "t", 1, "i", "1", "x"));
    assert_code(LS_CONFLICT, WRITE(store, "t", 1, "u", "1", "x", "i", "1", "y"));
    assert_code(LS_CONFLICT, WRITE(store, "t", 1, "u", "2", "x"));
    assert_code(LS_CONFLICT, WRITE(store, "t", 1, "d", "2", "x"));
    expect_sql(w->url, "SELECT string_agg(id || v, ' ' ORDER BY id, v) FROM t", "1a 2b 2c");
}

static void values_that_a_column_cannot_hold_are_refused_without_showing_them(void **state)
{
    static const struct {
        const char *type, *value;
    } cases[] = {
        {"smallint", "70000"},     {"numeric(4,2)", "123456.5"}, {"varchar(3)", "sesame"},
        {"public.mood", "sesame"}, {"int[]", "sesame"},          {"jsonb", "sesame"},
        {"inet", "sesame"},
    };
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    char sql[256];

    testpg_exec(w->url, "CREATE TYPE public.mood AS ENUM ('sad')");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ls_error err = {0};

        snprintf(sql, sizeof(sql),
                 "DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, v %s)",
                 cases[i].type);
        testpg_exec(w->url, sql);
        assert_code(LS_TYPE, WRITE(store, "t", 1, "i", "1", cases[i].value));
        assert_null(strstr(err.text, cases[i].value));
        testpg_exec(w->url, "INSERT INTO t VALUES (1, NULL)");
        assert_code(LS_TYPE, WRITE(store, "t", 1, "u", "1", cases[i].value));
        assert_null(strstr(err.text, cases[i].value));
    }
}

/* What the server would be handed ends at the first NUL, or is refused without saying which value it was. */
static void text_with_a_nul_is_refused_and_named(void **state)
{
    const struct ls_value good[] = {ls_value_int(1), ls_value_text("a")};
    const struct ls_value bad[] = {ls_value_int(1), ls_value_data(LS_T_TEXT, "a\0b", 3)};
    const struct ls_write_op ops[] = {
        {LS_INSERT, bad, bad}, {LS_INSERT, good, good}, {LS_UPDATE, good, bad}};
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    const size_t text[] = {1}, first = 0;
    const struct ls_value keys[] = {bad[1], good[1]};
    struct ls_error err = {0};
    struct ls_write write;
    struct ls_rows rows;
    struct ls_scan scan;

    testpg_exec(w->url, "CREATE TABLE t (id int PRIMARY KEY, v text)");
    scan = scan_of(describe(w, store, "t"), 1);
    write = (struct ls_write){.schema = scan.schema,
                              .field_count = 2,
                              .fields = scan.fields,
                              .key_count = 1,
                              .key = scan.key,
                              .count = 1};
    assert_ls(ls_store_begin(store, &err));
    for (size_t i = 0; i < COUNT(ops); i++) {
        write.ops = &ops[i];
        err = (struct ls_error){0};
        assert_code(ops[i].record == good ? LS_OK : LS_TYPE, ls_store_write(store, &write, &err));
        if (ops[i].record == bad)
            assert_non_null(strstr(err.text, "field=v"));
    }
    assert_ls(ls_store_commit(store, &err));
    expect_sql(w->url, "SELECT string_agg(v, ',') FROM t", "a");
    scan.fields = text;
    scan.key = &first;
    scan.field_count = 1;
    assert_ls(ls_store_fetch(store, &scan, 2, keys, false, &w->mem, &rows, &err));
    assert_int_equal(rows.count, 1); /* 'a', and nothing that stands for 'a' and a NUL */
}

static void domains_and_case_folding_keys_are_written(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_error err = {0};

    testpg_exec(w->url, "CREATE DOMAIN public.plus AS int NOT NULL CHECK (VALUE > 0);"
                        "CREATE COLLATION public.nocase (provider = icu, locale = "
                        "'und-u-ks-level2', deterministic = false);"
                        "CREATE TABLE t (k text COLLATE public.nocase PRIMARY KEY, v public.plus)");
    assert_ls(WRITE(store, "t", 1, "i", "Key", "5"));
    assert_code(LS_CONSTRAINT, WRITE(store, "t", 1, "u", "Key", "-5"));
    assert_ls(WRITE(store, "t", 1, "u", "Key", "6", "i", "Other", "1"));
    assert_code(LS_CONFLICT, WRITE(store, "t", 1, "u", "KEY", "7"));
    assert_ls(WRITE(store, "t", 1, "d", "Key", "NULL"));
    expect_sql(w->url, "SELECT string_agg(k || v, '') FROM t", "Other1");
}

static void expect_origin(struct world *w, struct ls_store *store, const char *want)
{
    const char *origin = NULL;
    struct ls_error err = {0};

    assert_ls(ls_pgs_ask(ls_pgs_of(store),
                         "SELECT coalesce(current_setting('lockstep.origin', true), '')", NULL, 0,
                         &w->mem, &origin, &err));
    assert_string_equal(origin, want);
}

/* A pooler hands the session to somebody else afterwards. */
static void who_writes_is_told_for_the_transaction_alone(void **state)
{
    struct world *w = *state;
    const struct ls_store_options options = {.writable = true, .origin = "it's me"};
    struct ls_store *store = NULL;
    struct ls_error err = {0};
    struct ls_url url;

    assert_ls(ls_url_parse(w->url, &w->mem, &url, &err));
    assert_ls(ls_store_open(&url, &options, &store, &err));
    w->open[w->open_count++] = store;
    assert_ls(ls_store_begin(store, &err));
    expect_origin(w, store, "it's me");
    assert_ls(ls_store_commit(store, &err));
    expect_origin(w, store, "");
}

int main(void)
{
    static struct world world;
    const struct CMUnitTest tests[] = {
        TEST(unique_values_change_places_in_every_type),
        TEST(unique_values_change_places_in_every_index),
        TEST(a_value_that_another_record_keeps_is_refused_and_nothing_changes),
        TEST(references_follow_values_that_change_places),
        TEST(a_server_tells_who_waits_for_whom_where_no_key_does),
        TEST(a_refused_write_leaves_the_transaction_as_it_was),
        TEST(identity_columns_are_written_as_they_are),
        TEST(a_trigger_that_drops_a_record_is_noticed),
        TEST(records_that_refer_to_each_other_are_one_write),
        TEST(a_table_without_a_constraint_still_knows_conflicts),
        TEST(values_that_a_column_cannot_hold_are_refused_without_showing_them),
        TEST(text_with_a_nul_is_refused_and_named),
        TEST(domains_and_case_folding_keys_are_written),
        TEST(who_writes_is_told_for_the_transaction_alone),
    };

    return run_in_database("store/postgres_write", &world, tests, COUNT(tests));
}
