/* SPDX-License-Identifier: Apache-2.0 */
/* test_sqlite.c - what the SQLite store says of a file and its tables, beyond the conformance suite: keys, fields, collections, values as they are stored. */
#include "sqlite_help.h"

static const struct ls_field *field_named(const struct ls_schema *schema, const char *name)
{
    int at = ls_schema_find(schema, name);

    assert_true(at >= 0);
    return &schema->fields[at];
}

/* "id:pn name:-" for keys: their fields, p when primary, n when not null */
static const char *keys_text(struct env *env, const char *table)
{
    const struct ls_schema *schema = describe_in(env, table);
    struct ls_buf out;
    const char *ret;

    ls_buf_init(&out, 0);
    for (size_t k = 0; k < schema->key_count; k++) {
        const struct ls_key *key = &schema->keys[k];

        for (size_t i = 0; i < key->field_count; i++)
            ls_buf_printf(&out, "%s%s",
                          i   ? ","
                          : k ? " "
                              : "",
                          schema->fields[key->fields[i]].name);
        ls_buf_printf(&out, ":%s%s", key->primary ? "p" : "", key->not_null ? "n" : "");
    }
    ret = ls_arena_text(&env->mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return ret;
}

static void keys_are_what_sqlite_enforces(void **state)
{
    struct env *env = *state;

    run(env, "CREATE TABLE rowid_key (id INTEGER PRIMARY KEY, x);"
             "CREATE TABLE desc_key (id INTEGER PRIMARY KEY DESC, x);"
             "CREATE TABLE text_key (id TEXT PRIMARY KEY, x);"
             "CREATE TABLE text_not_null (id TEXT NOT NULL PRIMARY KEY, x);"
             "CREATE TABLE tree (b TEXT, a INT, PRIMARY KEY (a, b)) WITHOUT ROWID;"
             "CREATE TABLE strict_key (id TEXT PRIMARY KEY, x ANY) STRICT;"
             "CREATE TABLE two (a INT NOT NULL, b INT NOT NULL, c INT, PRIMARY KEY (b, a), UNIQUE "
             "(c), UNIQUE (a, c));"
             "CREATE TABLE indexed (a INT NOT NULL, b TEXT, c INT);"
             "CREATE UNIQUE INDEX by_a ON indexed (a);"
             "CREATE UNIQUE INDEX by_part ON indexed (b) WHERE c > 0;"
             "CREATE UNIQUE INDEX by_lower ON indexed (lower(b), c);"
             "CREATE INDEX by_c ON indexed (c);"
             "CREATE TABLE none (a, b)");
    assert_string_equal(keys_text(env, "rowid_key"), "id:pn");
    assert_string_equal(keys_text(env, "desc_key"), "id:p");
    assert_string_equal(keys_text(env, "text_key"), "id:p");
    assert_string_equal(keys_text(env, "text_not_null"), "id:pn");
    assert_string_equal(keys_text(env, "tree"), "a,b:pn");
    assert_string_equal(keys_text(env, "strict_key"), "id:pn");
    assert_string_equal(keys_text(env, "two"), "b,a:pn c: a,c:");
    assert_string_equal(keys_text(env, "indexed"), "a:n");
    assert_string_equal(keys_text(env, "none"), "");
    assert_true(describe_in(env, "rowid_key")->flags & LS_SCHEMA_ROWID_KEY);
    assert_false(describe_in(env, "desc_key")->flags & LS_SCHEMA_ROWID_KEY);
    assert_false(describe_in(env, "tree")->flags & LS_SCHEMA_ROWID_KEY);
}

static void fields_tell_their_collation_and_how_they_are_made(void **state)
{
    struct env *env = *state;
    const struct ls_schema *schema;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b TEXT COLLATE RTRIM, "
             "c TEXT,"
             " d INT DEFAULT 5, e INT NOT NULL, f INT AS (d + e), g INT AS (d * e) STORED, h)");
    schema = describe_in(env, "t");
    assert_int_equal(schema->field_count, 9);
    assert_true(field_named(schema, "a")->flags & LS_FIELD_FOLDS);
    assert_true(field_named(schema, "b")->flags & LS_FIELD_FOLDS);
    assert_false(field_named(schema, "c")->flags & LS_FIELD_FOLDS);
    assert_false(field_named(schema, "h")->flags & LS_FIELD_FOLDS);
    assert_true(field_named(schema, "d")->flags & LS_FIELD_DEFAULT);
    assert_false(field_named(schema, "d")->flags & LS_FIELD_NOT_NULL);
    assert_true(field_named(schema, "e")->flags & LS_FIELD_NOT_NULL);
    assert_true(field_named(schema, "f")->flags & LS_FIELD_GENERATED);
    assert_true(field_named(schema, "g")->flags & LS_FIELD_GENERATED);
    assert_false(field_named(schema, "e")->flags & LS_FIELD_GENERATED);
    assert_true(field_named(schema, "c")->flags & LS_FIELD_DYNAMIC);
    assert_false(field_named(schema, "id")->flags & LS_FIELD_DYNAMIC);
    assert_true(field_named(schema, "id")->flags & LS_FIELD_NOT_NULL);
    assert_string_equal(field_named(schema, "h")->native, "");
    assert_string_equal(field_named(schema, "a")->native, "TEXT");
}

static void strict_tables_hold_what_they_say(void **state)
{
    struct env *env = *state;
    const struct ls_schema *schema;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b ANY) STRICT");
    schema = describe_in(env, "t");
    assert_false(field_named(schema, "a")->flags & LS_FIELD_DYNAMIC);
    assert_true(field_named(schema, "b")->flags & LS_FIELD_DYNAMIC);
}

static void what_a_write_sets_off_is_flagged(void **state)
{
    static const struct {
        const char *table;
        unsigned flags;
    } cases[] = {
        {"plain", 0},
        {"watched", LS_SCHEMA_TRIGGERS},
        {"parent", LS_SCHEMA_CASCADES},
        {"child", 0},
        {"nulled", LS_SCHEMA_CASCADES},
        {"strong", 0},
        {"tree", LS_SCHEMA_SELF_REF},
        {"pruned", LS_SCHEMA_SELF_REF | LS_SCHEMA_CASCADES},
    };
    struct env *env = *state;
    const unsigned all = LS_SCHEMA_TRIGGERS | LS_SCHEMA_CASCADES | LS_SCHEMA_SELF_REF;

    run(env,
        "CREATE TABLE plain (id INTEGER PRIMARY KEY);"
        "CREATE TABLE watched (id INTEGER PRIMARY KEY);"
        "CREATE TRIGGER t AFTER DELETE ON watched BEGIN SELECT 1; END;"
        "CREATE TABLE parent (id INTEGER PRIMARY KEY);"
        "CREATE TABLE nulled (id INTEGER PRIMARY KEY);"
        "CREATE TABLE strong (id INTEGER PRIMARY KEY);"
        "CREATE TABLE child (id INTEGER PRIMARY KEY, p REFERENCES Parent ON DELETE CASCADE,"
        " n REFERENCES nulled ON UPDATE SET NULL, s REFERENCES strong ON DELETE RESTRICT);"
        "CREATE TABLE tree (id INTEGER PRIMARY KEY, up REFERENCES tree);"
        "CREATE TABLE pruned (id INTEGER PRIMARY KEY, up REFERENCES pruned ON DELETE CASCADE)");
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(describe_in(env, cases[i].table)->flags & all, cases[i].flags);
}

static void views_are_read_and_not_written(void **state)
{
    struct env *env = *state;
    const size_t zero[] = {0};
    const struct ls_value one = ls_value_int(1);
    const struct ls_write_op op = {LS_DELETE, &one, NULL};
    struct ls_error err = {0};
    struct ls_schema *schema;
    struct ls_write write = {
        .field_count = 1, .fields = zero, .key_count = 1, .key = zero, .count = 1, .ops = &op};

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT); INSERT INTO t VALUES (1, 10), (2, "
             "20), (3, 30);"
             "CREATE VIEW v AS SELECT id, a * 2 AS b FROM t WHERE a > 10");
    writer(env);
    schema = describe_in(env, "v");
    assert_int_equal(schema->flags & (LS_SCHEMA_VIEW | LS_SCHEMA_READ_ONLY | LS_SCHEMA_CONSTRAINTS),
                     LS_SCHEMA_VIEW | LS_SCHEMA_READ_ONLY);
    assert_int_equal(schema->key_count, 0);
    assert_string_equal(read_text(env, reader(env), look_by(env, "v", "id")), "2|int:40;3|int:60");
    write.schema = schema;
    assert_ls(ls_store_begin(writer(env), &err));
    assert_code(LS_UNSUPPORTED, ls_store_write(writer(env), &write, &err));
}

static void names_are_found_by_their_exact_case_only(void **state)
{
    struct env *env = *state;
    struct ls_schema *schema = NULL;
    struct ls_error err = {0};

    run(env, "CREATE TABLE Customers (Id INTEGER PRIMARY KEY); CREATE TABLE \"a.b\" (x);"
             "CREATE TABLE lockstep_batches (tag); CREATE TABLE seq (id INTEGER PRIMARY KEY "
             "AUTOINCREMENT)");
    assert_string_equal(describe_in(env, "Customers")->collection, "Customers");
    assert_string_equal(describe_in(env, "main.Customers")->collection, "Customers");
    assert_string_equal(describe_in(env, "a.b")->collection, "\"a.b\"");
    assert_string_equal(describe_in(env, "\"a.b\"")->collection, "\"a.b\"");
    assert_code(LS_NOT_FOUND,
                ls_store_describe(reader(env), "customers", &env->mem, &schema, &err));
    assert_non_null(strstr(err.text, "Customers"));
    assert_code(LS_NOT_FOUND,
                ls_store_describe(reader(env), "temp.Customers", &env->mem, &schema, &err));
    assert_code(LS_NOT_FOUND,
                ls_store_describe(reader(env), "lockstep_batches", &env->mem, &schema, &err));
    assert_code(LS_NOT_FOUND,
                ls_store_describe(reader(env), "sqlite_schema", &env->mem, &schema, &err));
    assert_code(LS_NOT_FOUND,
                ls_store_describe(reader(env), "sqlite_sequence", &env->mem, &schema, &err));
}

static void only_collections_of_users_are_listed(void **state)
{
    struct env *env = *state;
    const char *const *names = NULL;
    struct ls_error err = {0};
    size_t count = 0;

    run(env,
        "CREATE TABLE b (id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE VIEW a AS SELECT 1 AS x;"
        "CREATE TABLE lockstep_batches (tag); CREATE VIRTUAL TABLE words USING fts5(word); "
        "ANALYZE");
    assert_ls(ls_store_list(reader(env), &env->mem, &count, &names, &err));
    assert_int_equal(count, 3);
    assert_string_equal(names[0], "a");
    assert_string_equal(names[1], "b");
    assert_string_equal(names[2], "words");
}

static void hidden_columns_of_virtual_tables_are_no_fields(void **state)
{
    struct env *env = *state;

    run(env, "CREATE VIRTUAL TABLE words USING fts5(word, place); INSERT INTO words VALUES ('one', "
             "'here')");
    assert_int_equal(describe_in(env, "words")->field_count, 2);
    assert_string_equal(read_text(env, reader(env), look_by(env, "words", "word")), "one|here");
}

static void values_come_as_they_are_stored_where_the_type_does_not_fit(void **state)
{
    struct env *env = *state;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY, i INT, d DATE, p DECIMAL(10,2), b BOOLEAN, u "
             "UUID, t TEXT, n);"
             "INSERT INTO t VALUES (1, 5, '2024-01-05', 1.5, 1, "
             "'a0000000-0000-0000-0000-000000000000', 'x', 'y'),"
             " (2, 'five', '5.1.2024', 'free', 'yes', X'00ff', X'41', 7), (3, 5.5, 20240105, 7, 2, "
             "'A0', '', 1.5)");
    assert_string_equal(
        read_text(env, reader(env), look_by(env, "t", "id")),
        "1|5|2024-01-05|1.5|true|a0000000-0000-0000-0000-000000000000|x|y;"
        "2|text:five|text:5.1.2024|text:free|text:yes|bytes:\\x00ff|bytes:\\x41|int:7;"
        "3|double:5.5|int:20240105|7|int:2|text:A0||double:1.5");
}

static void estimates_come_from_analyze_or_the_rowids(void **state)
{
    struct env *env = *state;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY, x); CREATE INDEX i ON t (x);"
             "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
             "INSERT INTO t SELECT i, 1 FROM n");
    assert_int_equal(describe_in(env, "t")->rows_estimate, 100);
    run(env, "INSERT INTO t VALUES (9000000000000000000, 1), (-9000000000000000000, 1)");
    assert_in_range(describe_in(env, "t")->rows_estimate, 100, 100000);
    run(env, "ANALYZE");
    ls_store_close(env->reader);
    env->reader = NULL;
    assert_int_equal(describe_in(env, "t")->rows_estimate, 102);
    run(env, "CREATE TABLE empty (id INTEGER PRIMARY KEY); CREATE TABLE tree (id INT PRIMARY KEY) "
             "WITHOUT ROWID");
    assert_int_equal(describe_in(env, "empty")->rows_estimate, 0);
    assert_int_equal(describe_in(env, "tree")->rows_estimate, -1);
}

static void what_is_created_keeps_decimals_and_times_exact(void **state)
{
    static const struct ls_field fields[] = {
        {"id", LS_T_TEXT, "text", "", -1, -1, 0},
        {"price", LS_T_DECIMAL, "numeric(20,4)", "postgres", 20, 4, LS_FIELD_NOT_NULL},
        {"at", LS_T_TIMESTAMPTZ, "timestamptz", "postgres", -1, 6, 0},
        {"doc", LS_T_JSON, "jsonb", "postgres", -1, -1, 0},
    };
    static const size_t key[] = {0};
    const struct ls_schema like = {
        .collection = "x", .field_count = 4, .fields = fields, .fingerprint = ""};
    struct env *env = *state;
    struct ls_error err = {0};

    assert_ls(ls_store_create(writer(env), "made", &like, 1, key, &err));
    assert_string_equal(
        ask(env, "SELECT sql FROM sqlite_schema WHERE name = 'made'"),
        "CREATE TABLE \"made\" (\"id\" TEXT NOT NULL, \"price\" DECIMAL_TEXT(20,4) NOT NULL,"
        " \"at\" TIMESTAMPTZ_TEXT, \"doc\" JSON_TEXT, PRIMARY KEY (\"id\"))");
    assert_code(LS_USAGE, ls_store_create(writer(env), "public.made", &like, 1, key, &err));
    assert_code(LS_USAGE, ls_store_create(writer(env), "lockstep_x", &like, 1, key, &err));
    assert_code(LS_CONFLICT, ls_store_create(writer(env), "MADE", &like, 1, key, &err));
}

static void missing_and_foreign_files_are_named(void **state)
{
    struct env *env = *state;
    char *text =
        testdir_file("not-a-database.db",
                     "this is a text file, long enough to have a header of a hundred bytes, "
                     "and then some more of it to be sure",
                     100);
    const char *const paths[] = {"/nowhere/at/all.db", text};
    const enum ls_code want[] = {LS_NOT_FOUND, LS_CORRUPT};

    for (size_t i = 0; i < 2; i++) {
        struct ls_store *store = NULL;
        struct ls_error err = {0};
        struct ls_url url;

        assert_ls(
            ls_url_parse(ls_arena_printf(&env->mem, "sqlite:%s", paths[i]), &env->mem, &url, &err));
        assert_code(want[i], ls_store_open(&url, NULL, &store, &err));
        assert_non_null(strstr(err.text, paths[i]));
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(keys_are_what_sqlite_enforces),
        T(fields_tell_their_collation_and_how_they_are_made),
        T(strict_tables_hold_what_they_say),
        T(what_a_write_sets_off_is_flagged),
        T(views_are_read_and_not_written),
        T(names_are_found_by_their_exact_case_only),
        T(only_collections_of_users_are_listed),
        T(hidden_columns_of_virtual_tables_are_no_fields),
        T(values_come_as_they_are_stored_where_the_type_does_not_fit),
        T(estimates_come_from_analyze_or_the_rowids),
        T(what_is_created_keeps_decimals_and_times_exact),
        T(missing_and_foreign_files_are_named),
    };
    /* Nothing here has to survive a loss of power. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    return cmocka_run_group_tests_name("store/sqlite", tests, NULL, NULL);
}
