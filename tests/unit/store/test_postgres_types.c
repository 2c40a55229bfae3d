/* SPDX-License-Identifier: Apache-2.0 */
/* test_postgres_types.c - what the PostgreSQL store does beyond the conformance suite: marks, creating, and every built-in type. */
#include "postgres_help.h"

/* ---- marks ---- */

static const char *mark_of(struct world *w, struct ls_store *store)
{
    const char *marker = NULL;
    struct ls_error err = {0};

    assert_ls(ls_store_mark(store, "run-1", &w->mem, &marker, &err));
    return marker;
}

/* The record that the transaction wrote is there, so nothing but the mark tells that it is another server's. */
static void a_mark_of_another_server_is_not_trusted(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    const struct ls_schema *schema;
    struct ls_error err = {0};
    enum ls_outcome outcome;
    const char *marker, *rest;

    testpg_exec(w->url, "CREATE TABLE t (id int PRIMARY KEY)");
    schema = describe(w, store, "t");
    assert_ls(ls_store_begin(store, &err));
    marker = mark_of(w, store);
    assert_ls(ls_sql_exec(ls_pgs_of(store)->db, "INSERT INTO public.t VALUES (1)", &err));
    assert_ls(ls_store_commit(store, &err));
    assert_ls(ls_store_settle(store, schema, marker, &outcome, &err));
    assert_int_equal(outcome, LS_OUTCOME_COMMITTED);
    rest = strchr(marker, '/');
    for (int timeline = 0; timeline < 2;
         timeline++) { /* another system, another life of this one */
        const char *other =
            timeline
                ? ls_arena_printf(&w->mem, "%.*s/FFFFFFFF%s", (int)(rest - marker), marker,
                                  strrchr(marker, '/'))
                : ls_arena_printf(&w->mem, "%.*s@1%s", (int)strcspn(marker, "@"), marker, rest);

        assert_ls(ls_store_settle(store, schema, other, &outcome, &err));
        assert_int_equal(outcome, LS_OUTCOME_UNKNOWN);
    }
    assert_code(LS_CORRUPT, ls_store_settle(store, schema, "no mark", &outcome, &err));
}

static void a_mark_the_server_has_not_given_yet_was_lost_in_a_crash(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    enum ls_outcome outcome;
    struct ls_error err = {0};
    const char *marker, *lost;

    testpg_exec(w->url, "CREATE TABLE t (id int PRIMARY KEY)");
    assert_ls(ls_store_begin(store, &err));
    marker = mark_of(w, store);
    ls_store_rollback(store);
    lost = ls_arena_printf(&w->mem, "%llu%s", strtoull(marker, NULL, 10) + 1000000,
                           strchr(marker, '@'));
    assert_ls(ls_store_settle(store, describe(w, store, "t"), lost, &outcome, &err));
    assert_int_equal(outcome, LS_OUTCOME_ABORTED);
}

/* After a restart an id may have been given to somebody else; the table tells. */
static void a_mark_from_before_a_restart_needs_a_trace(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    const struct ls_schema *schema;
    struct ls_error err = {0};

    testpg_exec(w->url, "CREATE TABLE t (id int PRIMARY KEY)");
    schema = describe(w, store, "t");
    for (int writes = 0; writes < 2; writes++) {
        enum ls_outcome outcome;
        const char *marker, *before;

        assert_ls(ls_store_begin(store, &err));
        marker = mark_of(w, store);
        if (writes) {
            const struct ls_value record[] = {ls_value_int(1)};
            const struct ls_write_op op = {LS_INSERT, record, record};
            const struct ls_scan scan = scan_of(schema, 1);
            const struct ls_write write = {.schema = schema,
                                           .field_count = 1,
                                           .fields = scan.fields,
                                           .key_count = 1,
                                           .key = scan.key,
                                           .count = 1,
                                           .ops = &op};

            assert_ls(ls_store_write(store, &write, &err));
        }
        assert_ls(ls_store_commit(store, &err));
        before = ls_arena_printf(&w->mem, "%.*s/123", (int)(strrchr(marker, '/') - marker), marker);
        assert_ls(ls_store_settle(store, schema, before, &outcome, &err));
        assert_int_equal(outcome, writes ? LS_OUTCOME_COMMITTED : LS_OUTCOME_UNKNOWN);
    }
}

static void a_transaction_that_does_not_end_is_not_waited_for_forever(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w), *other = open_store(w);
    enum ls_outcome outcome;
    struct ls_error err = {0};
    const char *marker;

    testpg_exec(w->url, "CREATE TABLE t (id int PRIMARY KEY)");
    assert_ls(ls_store_begin(store, &err));
    marker = mark_of(w, store);
    assert_code(LS_BUSY, ls_store_settle(other, describe(w, other, "t"), marker, &outcome, &err));
    ls_store_rollback(store);
    assert_ls(ls_store_settle(other, describe(w, other, "t"), marker, &outcome, &err));
    assert_int_equal(outcome, LS_OUTCOME_ABORTED);
}

static void a_lock_names_its_holder(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w), *other = open_store(w);
    struct ls_error err = {0};

    assert_ls(ls_store_lock(store, "public.t", &err));
    assert_code(LS_LOCKED, ls_store_lock(other, "public.t", &err));
    assert_non_null(strstr(err.text, "pid="));
    assert_non_null(strstr(err.text, "application=lockstep"));
    assert_ls(ls_store_lock(other, "public.u", &err));
}

/* ---- creating ---- */

static void a_table_is_made_with_types_this_database_knows(void **state)
{
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    const struct ls_schema *like, *made;
    const size_t key[] = {1, 0};
    struct ls_error err = {0};

    testpg_exec(w->url,
                "CREATE TYPE public.mood AS ENUM ('sad'); CREATE DOMAIN public.d AS numeric(7,3);"
                "CREATE TABLE t (a int, b varchar(7), n numeric(8,2) NOT NULL, m public.mood, d "
                "public.d, x int[],"
                " g int GENERATED ALWAYS AS (a + 1) STORED, c char(3), z timestamptz(2), q bit(3), "
                "i int GENERATED"
                " ALWAYS AS IDENTITY)");
    like = describe(w, store, "t");
    assert_ls(ls_store_create(store, "public.same", like, 2, key, &err));
    testpg_exec(w->url, "ALTER TABLE t ALTER m TYPE text, ALTER d TYPE numeric(7,3); DROP TABLE "
                        "same; DROP TYPE mood;"
                        " DROP DOMAIN d");
    assert_ls(ls_store_create(store, "public.copy", like, 2, key, &err));
    made = describe(w, store, "public.copy");
    assert_int_equal(made->field_count, 10);
    assert_string_equal(field(made, "b")->native, "character varying(7)");
    assert_string_equal(field(made, "n")->native, "numeric(8,2)");
    assert_int_equal(field(made, "n")->flags, LS_FIELD_NOT_NULL);
    assert_string_equal(field(made, "m")->native, "text");
    assert_string_equal(field(made, "d")->native, "numeric(7,3)");
    assert_string_equal(field(made, "x")->native, "integer[]");
    assert_string_equal(field(made, "c")->native, "character(3)");
    assert_string_equal(field(made, "z")->native, "timestamp(2) with time zone");
    assert_string_equal(field(made, "q")->native, "bit(3)");
    assert_int_equal(made->keys[0].fields[0], 1);
    assert_code(LS_CONFLICT, ls_store_create(store, "public.copy", like, 2, key, &err));
    assert_code(LS_NOT_FOUND, ls_store_create(store, "nowhere.t", like, 2, key, &err));
    assert_non_null(strstr(err.text, "nowhere"));
}

/* ---- every built-in type ---- */

/* Values of each base type: extremes, what is easily lost, and what other forms would mistake. */
static const struct {
    const char *type, *values[7];
} samples[] = {
    {"bool", {"t", "f"}},
    {"bytea", {"\\x", "\\x00", "\\x5c780a0927ff"}},
    {"char", {"a", "\\"}},
    {"name", {"n", "", "A \"b\\"}},
    {"int8", {"0", "-9223372036854775808", "9223372036854775807", "4294967297"}},
    {"int2", {"0", "-32768", "32767"}},
    {"int2vector", {"1 2 3", "-1"}},
    {"int4", {"0", "-2147483648", "2147483647"}},
    {"regproc", {"now", "-"}},
    {"text", {"", " ", "\\N", "\\.", "a\tb\nc\r\\", "NULL", "\xC3\xA9\xF0\x9F\x98\x80"}},
    {"oid", {"0", "4294967295"}},
    {"tid", {"(0,0)", "(4294967295,65535)"}},
    {"xid", {"0", "4294967295"}},
    {"cid", {"0", "4294967295"}},
    {"oidvector", {"1 2", "4294967295"}},
    {"json", {"{\"b\": 1.00,  \"a\": [null, \"\\u0041\"]}", "null", "1e400"}},
    {"xml", {"<a b=\"1\">x</a>", "text &amp; more", ""}},
    {"point", {"(0.1,-0)", "(1e+300,NaN)"}},
    {"lseg", {"[(0,0),(1.5,2)]"}},
    {"path", {"((0,0),(1,1))", "[(0,0),(1,1.1)]"}},
    {"box", {"(2,2),(0,0)"}},
    {"polygon", {"((0,0),(1,1),(2,0.3))"}},
    {"line", {"{1,-1,0.1}"}},
    {"float4", {"0.1", "-0", "3.4028235e+38", "1e-45", "NaN", "-Infinity"}},
    {"float8",
     {"0.1", "-0", "1.7976931348623157e+308", "5e-324", "NaN", "Infinity", "0.30000000000000004"}},
    {"circle", {"<(1,2),0.1>"}},
    {"money", {"-92233720368547758.08", "92233720368547758.07", "0.01"}},
    {"macaddr", {"08:00:2b:01:02:03"}},
    {"inet", {"10.0.0.1", "10.0.0.1/8", "::1", "fe80::1/64"}},
    {"cidr", {"10.0.0.0/8", "::/0"}},
    {"macaddr8", {"08:00:2b:01:02:03:04:05"}},
    {"aclitem", {"postgres=r*w/postgres", "=r/postgres"}},
    {"bpchar", {"a", "", "two words"}},
    {"varchar", {"", " a ", "\\"}},
    {"date",
     {"4713-01-01 BC", "5874897-12-31", "infinity", "-infinity", "1970-01-01", "0001-12-31 BC",
      "2024-02-29"}},
    {"time", {"00:00:00", "24:00:00", "23:59:59.999999"}},
    {"timestamp",
     {"4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999", "infinity", "-infinity",
      "1969-12-31 23:59:59.999999", "0001-12-31 23:59:59 BC", "294246-01-01 00:00:00"}},
    {"timestamptz",
     {"4713-01-01 00:00:00+00 BC", "294276-12-31 23:59:59+00", "infinity", "-infinity",
      "2024-03-31 02:30:00.000001+02"}},
    {"interval", {"178000000 years", "-1 mon +2 days -03:04:05.000006", "1 mon", "30 days", "0"}},
    {"timetz", {"24:00:00-15:59:59", "00:00:00.000001+02"}},
    {"bit", {"1", "0"}},
    {"varbit", {"", "101", "0000000001"}},
    {"numeric",
     {"0", "0.00", "-1.50", "NaN", "Infinity", "-Infinity",
      "-12345678901234567890123456789012345678901234567890."
      "000000000000000000000000000000000000000010"}},
    {"refcursor", {"c", ""}},
    {"regprocedure", {"abs(integer)", "-"}},
    {"regoper", {"0"}},
    {"regoperator", {"+(integer,integer)", "0"}},
    {"regclass", {"pg_class", "-"}},
    {"regcollation", {"\"C\"", "-"}},
    {"regtype", {"integer[]", "-"}},
    {"regrole", {"postgres", "-"}},
    {"regnamespace", {"pg_catalog", "-"}},
    {"regconfig", {"english", "-"}},
    {"regdictionary", {"simple", "-"}},
    {"jsonpath", {"$.\"a\"[*]", "strict $"}},
    {"jsonb",
     {"{\"a\": 1.00, \"b\": null}", "[]", "null", "12345678901234567890.1234567890", "\"\\\\N\""}},
    {"uuid", {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}},
    {"pg_lsn", {"0/0", "FFFFFFFF/FFFFFFFF"}},
    {"tsvector", {"'a':1A 'b c':2", ""}},
    {"tsquery", {"'a' & !'b':*A", "'a' <2> 'b'"}},
    {"txid_snapshot", {"10:20:10,14,15"}},
    {"pg_snapshot", {"10:20:10,14,15"}},
    {"xid8", {"0", "18446744073709551615"}},
    {"int4range", {"empty", "[1,10)", "(,)", "[-2147483648,)"}},
    {"numrange", {"empty", "(1.50,2.0]", "[1.5,1.5]"}},
    {"tsrange", {"[\"2024-01-01 00:00:00\",\"2024-01-02 00:00:00.000001\")", "empty"}},
    {"tstzrange", {"(,\"2024-01-02 00:00:00+00\"]", "empty"}},
    {"daterange", {"[2024-01-01,2024-02-01)", "empty"}},
    {"int8range", {"[0,9223372036854775807)", "empty"}},
    {"int4multirange", {"{}", "{[1,2),[5,9)}"}},
    {"nummultirange", {"{(1.0,2.00)}"}},
    {"tsmultirange", {"{}", "{[\"2024-01-01 00:00:00\",\"2024-01-02 00:00:00\")}"}},
    {"tstzmultirange", {"{}", "{[\"2024-01-01 00:00:00+00\",\"2024-01-02 00:00:00+00\")}"}},
    {"datemultirange", {"{}", "{[2024-01-01,2024-02-01)}"}},
    {"int8multirange", {"{}", "{[1,2)}"}},
};
/* Types that take no input, so that no table of a user holds them. */
static const char without_input[] =
    "'pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list', 'pg_brin_bloom_summary',"
    " 'pg_brin_minmax_multi_summary', 'gtsvector', 'pg_ddl_command'";

static void add_literal(struct ls_buf *sql, const char *text)
{
    ls_buf_char(sql, '\'');
    for (; *text; text++) {
        if (*text == '\'')
            ls_buf_char(sql, '\'');
        ls_buf_char(sql, *text);
    }
    ls_buf_char(sql, '\'');
}

/* `types`: a column for each type and one for its array, a record for each of the values. */
static void make_types_table(struct world *w)
{
    struct ls_buf sql;

    ls_buf_init(&sql, 0);
    ls_buf_text(&sql, "SET client_min_messages = warning; SET xmloption = content; SET lc_monetary "
                      "= 'C'; CREATE TABLE types (id int PRIMARY KEY");
    for (size_t i = 0; i < COUNT(samples); i++)
        ls_buf_printf(&sql, ", c%zu pg_catalog.\"%s\", a%zu pg_catalog.\"%s\"[]", i,
                      samples[i].type, i, samples[i].type);
    ls_buf_text(&sql, ");");
    for (size_t v = 0; v < COUNT(samples[0].values); v++) {
        ls_buf_printf(&sql, "INSERT INTO types VALUES (%zu", v);
        for (size_t i = 0; i < COUNT(samples); i++) {
            const char *value = samples[i].values[v];

            ls_buf_text(&sql, ", ");
            if (!value) {
                ls_buf_printf(&sql, "NULL, ARRAY[NULL]::pg_catalog.\"%s\"[]", samples[i].type);
                continue;
            }
            add_literal(&sql, value);
            ls_buf_text(&sql, ", ARRAY[[");
            add_literal(&sql, value);
            ls_buf_printf(&sql, ", NULL]]::pg_catalog.\"%s\"[]", samples[i].type);
        }
        ls_buf_text(&sql, ");");
    }
    testpg_exec(w->url, ls_buf_str(&sql));
    ls_buf_done(&sql);
}

static void every_built_in_type_passes_exactly(void **state)
{
    struct world *w = *state;
    struct ls_store *from = open_store(w), *to = open_store(w);
    const struct ls_schema *schema, *target;
    struct ls_write_op *ops;
    struct ls_error err = {0};
    struct ls_buf missing;
    struct ls_scan scan;
    struct ls_rows rows;
    char *left;

    ls_buf_init(&missing, 0);
    ls_buf_printf(&missing,
                  "SELECT string_agg(typname, ', ') FROM pg_type WHERE typnamespace = "
                  "'pg_catalog'::regnamespace"
                  " AND typtype IN ('b', 'r', 'm') AND typcategory <> 'A' AND typname NOT IN (%s",
                  without_input);
    for (size_t i = 0; i < COUNT(samples); i++)
        ls_buf_printf(&missing, ", '%s'", samples[i].type);
    ls_buf_text(&missing, ")");
    left = testpg_value(w->url, ls_buf_str(&missing));
    ls_buf_done(&missing);
    if (left)
        fail_msg("types without a sample: %s", left);

    make_types_table(w);
    testpg_exec(w->url, "CREATE TABLE copy (LIKE types INCLUDING ALL)");
    schema = describe(w, from, "types");
    target = describe(w, to, "copy");
    scan = scan_of(schema, 1);
    rows = read_all(w, from, &scan);
    assert_int_equal(rows.count, COUNT(samples[0].values));
    ops = ls_arena_array(&w->mem, rows.count, sizeof(*ops));
    for (size_t i = 0; i < rows.count; i++)
        ops[i] = (struct ls_write_op){LS_INSERT, ls_row(&rows, i), ls_row(&rows, i)};
    for (int how = 0; how < 3; how++) { /* inserts go another way than updates */
        const struct ls_write write = {.schema = target,
                                       .field_count = target->field_count,
                                       .fields = scan.fields,
                                       .key_count = 1,
                                       .key = scan.key,
                                       .count = rows.count,
                                       .ops = ops};

        assert_ls(ls_store_begin(to, &err));
        assert_ls(ls_store_write(to, &write, &err));
        assert_ls(ls_store_commit(to, &err));
        for (size_t f = 0; f < schema->field_count; f++) {
            const char *name = schema->fields[f].name;
            const char *sql = ls_arena_printf(
                &w->mem,
                "SELECT string_agg(format('%%s: %%s came back as %%s', '%s', a.%s, b.%s), '; ')"
                " FROM types a FULL JOIN copy b USING (id) WHERE format('%%L', a.%s) <> "
                "format('%%L', b.%s)",
                schema->fields[f].native, name, name, name, name);
            char *wrong = testpg_value(w->url, sql);

            if (wrong)
                fail_msg("%s", wrong);
        }
        assert_true(whole(w, from, "types").sum == whole(w, to, "copy").sum);
        assert_int_equal(whole(w, to, "copy").count, rows.count);
        for (size_t i = 0; i < rows.count; i++)
            ops[i].kind = LS_UPDATE;
        if (how == 0)
            testpg_exec(w->url, "UPDATE copy SET c4 = 77, c9 = 'other'");
        if (how == 1)
            testpg_exec(w->url, "DELETE FROM copy; INSERT INTO copy (id) SELECT id FROM types");
    }
}

/* Of the number that is read, 0.1: the server's own cast to double precision gives another. */
static void a_filter_on_a_real_means_what_the_model_says(void **state)
{
    static const enum ls_op ops[] = {LS_OP_EQ, LS_OP_NE, LS_OP_LT, LS_OP_LE,
                                     LS_OP_GT, LS_OP_GE, LS_OP_IN};
    static const double wanted[] = {0.1, (double)0.1f, 0.7, 1e-45, 3.4028235e38, 2};
    struct world *w = *state;
    struct ls_store *store = open_store(w);
    struct ls_scan scan;
    struct ls_rows all;

    testpg_exec(w->url, "CREATE TABLE t (r real);"
                        "INSERT INTO t VALUES (0.1), (0.7), (-0.1), (0), (1e-45), (3.4028235e38),"
                        " ('Infinity'), (2), (NULL)");
    scan = scan_of(describe(w, store, "t"), 1);
    all = read_all(w, store, &scan);
    for (size_t o = 0; o < COUNT(ops) * COUNT(wanted); o++) {
        const struct ls_value v = {.type = LS_T_DOUBLE, .d = wanted[o / COUNT(ops)]};
        const struct ls_condition condition = {0, ops[o % COUNT(ops)], 1, &v};
        const struct ls_filter filter = {1, &condition};
        size_t here = 0;

        for (size_t i = 0; i < all.count; i++)
            here += ls_filter_match(&filter, scan.schema, ls_row(&all, i));
        scan.filter = &filter;
        if (read_all(w, store, &scan).count != here)
            fail_msg("%zu: the server gives another number of records than %zu", o, here);
    }
}

int main(void)
{
    static struct world world;
    const struct CMUnitTest tests[] = {
        TEST(a_filter_on_a_real_means_what_the_model_says),
        TEST(a_mark_of_another_server_is_not_trusted),
        TEST(a_mark_the_server_has_not_given_yet_was_lost_in_a_crash),
        TEST(a_mark_from_before_a_restart_needs_a_trace),
        TEST(a_transaction_that_does_not_end_is_not_waited_for_forever),
        TEST(a_lock_names_its_holder),
        TEST(a_table_is_made_with_types_this_database_knows),
        TEST(every_built_in_type_passes_exactly),
    };

    return run_in_database("store/postgres_types", &world, tests, COUNT(tests));
}
