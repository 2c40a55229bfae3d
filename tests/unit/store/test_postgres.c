/* SPDX-License-Identifier: Apache-2.0 */
/* test_postgres.c - what the PostgreSQL store does beyond the conformance suite: descriptions. */
#include "postgres_help.h"

/* ---- descriptions ---- */

static void a_table_is_described_as_the_catalog_has_it(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    const struct ls_schema *s;

    testpg_exec(w->url,
                "CREATE COLLATION public.nocase (provider = icu, locale = 'und-u-ks-level2', "
                "deterministic = false);"
                "CREATE DOMAIN public.price AS numeric(10,2) NOT NULL;"
                "CREATE DOMAIN public.cheap AS public.price CHECK (VALUE < 100);"
                "CREATE TYPE public.mood AS ENUM ('sad', 'glad');"
                "CREATE TABLE public.\"T 1\" (id bigint GENERATED ALWAYS AS IDENTITY, small "
                "smallint NOT NULL,"
                " n numeric, m numeric(5,-2), p public.cheap, r real, d double precision, v "
                "varchar(20), c char(3),"
                " x text COLLATE public.nocase, t timestamp(3), z timestamptz, j json, b jsonb, e "
                "public.mood,"
                " a int[], gone int, g int GENERATED ALWAYS AS (small * 2) STORED, w int DEFAULT 5,"
                " PRIMARY KEY (small, id));"
                "ALTER TABLE public.\"T 1\" DROP COLUMN gone;");
    s = describe(w, store, "public.T 1");
    assert_string_equal(s->collection, "public.T 1");
    assert_int_equal(s->field_count, 18);
    assert_int_equal(field(s, "id")->flags, LS_FIELD_NOT_NULL | LS_FIELD_IDENTITY);
    assert_int_equal(field(s, "id")->type, LS_T_INT);
    assert_string_equal(field(s, "small")->native, "smallint");
    assert_int_equal(field(s, "n")->precision, -1);
    assert_int_equal(field(s, "m")->precision, 5);
    assert_int_equal(field(s, "m")->scale, -2);
    assert_int_equal(field(s, "p")->type, LS_T_DECIMAL);
    assert_int_equal(field(s, "p")->precision, 10);
    assert_int_equal(field(s, "p")->scale, 2);
    assert_int_equal(field(s, "p")->flags, LS_FIELD_NOT_NULL);
    assert_string_equal(field(s, "p")->native, "public.cheap");
    assert_int_equal(field(s, "r")->precision, 24);
    assert_int_equal(field(s, "d")->precision, 53);
    assert_int_equal(field(s, "v")->precision, 20);
    assert_int_equal(field(s, "c")->flags, LS_FIELD_PADDED);
    assert_int_equal(field(s, "x")->flags, LS_FIELD_FOLDS);
    assert_int_equal(field(s, "t")->scale, 3);
    assert_int_equal(field(s, "z")->scale, 6);
    assert_int_equal(field(s, "z")->type, LS_T_TIMESTAMPTZ);
    assert_int_equal(field(s, "j")->type, LS_T_JSON);
    assert_string_equal(field(s, "b")->native, "jsonb");
    assert_int_equal(field(s, "e")->type, LS_T_NATIVE);
    assert_string_equal(field(s, "e")->native, "public.mood");
    assert_string_equal(field(s, "a")->native, "integer[]");
    assert_int_equal(field(s, "g")->flags, LS_FIELD_GENERATED);
    assert_int_equal(field(s, "w")->flags, LS_FIELD_DEFAULT);
    assert_string_equal(field(s, "w")->engine, "postgres");
    assert_int_equal(s->key_count, 1);
    assert_true(s->keys[0].primary && s->keys[0].not_null);
    assert_int_equal(s->keys[0].fields[0], 1);
    assert_int_equal(s->keys[0].fields[1], 0);
}

static void keys_are_what_names_every_record(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    const struct ls_schema *s;

    testpg_exec(
        w->url,
        "CREATE TABLE t (a int UNIQUE DEFERRABLE, b int NOT NULL, c int, d text PRIMARY KEY);"
        "CREATE UNIQUE INDEX by_b ON t (b) INCLUDE (c);"
        "CREATE UNIQUE INDEX partly ON t (c) WHERE c > 0;"
        "CREATE UNIQUE INDEX computed ON t (lower(d));"
        "CREATE INDEX plain ON t (c);");
    s = describe(w, store, "t");
    assert_int_equal(s->key_count, 3);
    assert_true(s->keys[0].primary);
    assert_string_equal(s->keys[1].name, "by_b");
    assert_true(s->keys[1].not_null);
    assert_int_equal(s->keys[1].field_count, 1);
    assert_string_equal(s->keys[2].name, "t_a_key");
    assert_false(s->keys[2].not_null);
}

static void what_reaches_beyond_the_table_is_flagged(void **state)
{
    static const struct {
        const char *table;
        unsigned flags;
    } cases[] = {
        {"plain", LS_SCHEMA_CONSTRAINTS},
        {"parent", LS_SCHEMA_CONSTRAINTS | LS_SCHEMA_CASCADES},
        {"tree", LS_SCHEMA_CONSTRAINTS | LS_SCHEMA_SELF_REF},
        {"fires", LS_SCHEMA_CONSTRAINTS | LS_SCHEMA_TRIGGERS},
        {"silent", LS_SCHEMA_CONSTRAINTS},
        {"parted", LS_SCHEMA_CONSTRAINTS},
        {"seen", LS_SCHEMA_VIEW},
        {"joined", LS_SCHEMA_VIEW | LS_SCHEMA_READ_ONLY},
        {"kept", LS_SCHEMA_VIEW | LS_SCHEMA_READ_ONLY},
    };
    struct world *w = *state;
    struct ls_store *store = open_store(w);

    testpg_exec(w->url,
                "CREATE TABLE plain (id int PRIMARY KEY); CREATE TABLE parent (id int PRIMARY KEY);"
                "CREATE TABLE child (id int PRIMARY KEY REFERENCES parent ON DELETE CASCADE);"
                "CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree);"
                "CREATE TABLE fires (id int PRIMARY KEY); CREATE TABLE silent (id int PRIMARY KEY);"
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
                "CREATE TRIGGER x BEFORE UPDATE ON fires FOR EACH ROW EXECUTE FUNCTION f();"
                "CREATE TRIGGER x BEFORE UPDATE ON silent FOR EACH ROW EXECUTE FUNCTION f();"
                "ALTER TABLE silent DISABLE TRIGGER x;"
                "CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);"
                "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);"
                "CREATE VIEW seen AS SELECT id FROM plain; CREATE VIEW joined AS SELECT p.id FROM "
                "plain p, parent;"
                "CREATE MATERIALIZED VIEW kept AS SELECT id FROM plain;");
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(describe(w, store, cases[i].table)->flags, cases[i].flags);
}

static void a_role_without_rights_is_told_that_it_may_only_read(void **state)
{
    struct world *w = *state;
    char *url = testpg_url_with(w->url, "lockstep_reader", "secret", NULL);

    testpg_exec(
        w->url,
        "DROP ROLE IF EXISTS lockstep_reader; CREATE ROLE lockstep_reader LOGIN PASSWORD 'secret';"
        "GRANT USAGE ON SCHEMA public TO lockstep_reader;"
        "CREATE TABLE t (id int PRIMARY KEY); GRANT SELECT ON t TO lockstep_reader;");
    assert_int_equal(describe(w, open_url(w, url, true), "t")->flags,
                     LS_SCHEMA_CONSTRAINTS | LS_SCHEMA_READ_ONLY);
    ls_store_close(w->open[--w->open_count]);
    testpg_exec(w->url, "DROP OWNED BY lockstep_reader; DROP ROLE lockstep_reader");
    free(url);
}

static void a_table_without_a_schema_is_where_the_role_would_find_it(void **state)
{
    struct world *w = *state;
    char *url = testpg_url_with(w->url, "lockstep_path", "secret", NULL);
    struct ls_store *store;

    testpg_exec(
        w->url,
        "DROP ROLE IF EXISTS lockstep_path; CREATE ROLE lockstep_path LOGIN PASSWORD 'secret' "
        "SUPERUSER;"
        "ALTER ROLE lockstep_path SET search_path = missing, other, public; CREATE SCHEMA other;"
        "CREATE TABLE other.t (id int PRIMARY KEY); CREATE TABLE public.t (id int PRIMARY KEY);"
        "CREATE TABLE public.u (id int PRIMARY KEY);");
    store = open_url(w, url, false);
    assert_string_equal(describe(w, store, "t")->collection, "other.t");
    assert_string_equal(describe(w, store, "u")->collection, "public.u");
    assert_string_equal(describe(w, open_store(w), "t")->collection, "public.t");
    expect_sql(w->url, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'lockstep_path'",
               "1");
    ls_store_close(w->open[--w->open_count]);
    ls_store_close(w->open[--w->open_count]);
    testpg_exec(w->url, "DROP ROLE lockstep_path");
    free(url);
}

static void a_missing_table_is_answered_with_the_nearest(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_schema *schema;
    struct ls_error err = {0};

    testpg_exec(w->url, "CREATE TABLE customers (id int PRIMARY KEY)");
    assert_code(LS_NOT_FOUND, ls_store_describe(store, "public.custmers", &w->mem, &schema, &err));
    assert_non_null(strstr(err.text, "public.customers"));
}

static void another_table_of_the_same_name_has_another_fingerprint(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    const char *first;

    testpg_exec(w->url, "CREATE TABLE t (id int PRIMARY KEY)");
    first = describe(w, store, "t")->fingerprint;
    assert_string_equal(first, describe(w, store, "t")->fingerprint);
    testpg_exec(w->url, "DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY)");
    assert_string_not_equal(first, describe(w, store, "t")->fingerprint);
}

int main(void)
{
    static struct world world;
    const struct CMUnitTest tests[] = {
        TEST(a_table_is_described_as_the_catalog_has_it),
        TEST(keys_are_what_names_every_record),
        TEST(what_reaches_beyond_the_table_is_flagged),
        TEST(a_role_without_rights_is_told_that_it_may_only_read),
        TEST(a_table_without_a_schema_is_where_the_role_would_find_it),
        TEST(a_missing_table_is_answered_with_the_nearest),
        TEST(another_table_of_the_same_name_has_another_fingerprint),
    };

    return run_in_database("store/postgres", &world, tests, COUNT(tests));
}
