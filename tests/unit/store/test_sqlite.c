/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the SQLite store beyond the conformance suite: what only SQLite files have. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/digest.h"
#include "base/file.h"
#include "lib/testdir.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define assert_ls(call) assert_code(LS_OK, call)
#define assert_code(want, call) check_code((want), (call), &err, #call, __LINE__)

static void check_code(enum ls_code want, enum ls_code got, const struct ls_error *err,
                       const char *call, int line)
{
    if (want == got)
        return;
    print_error("%s: %s instead of %s: %s\n", call, ls_code_name(got), ls_code_name(want),
                got ? err->text : "");
    _fail(__FILE__, line);
}

/* A test's file, an application's connection to it, and our sessions. */
struct env {
    char *path;
    sqlite3 *app;
    struct ls_arena mem;
    struct ls_store *reader, *writer;
};

static void run(struct env *env, const char *sql)
{
    char *message = NULL;

    if (sqlite3_exec(env->app, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

/* The rows of a query as "a|b;c|d", in the arena. */
static const char *ask(struct env *env, const char *sql)
{
    struct ls_buf out;
    sqlite3_stmt *stmt = NULL;
    const char *ret;

    ls_buf_init(&out, 0);
    if (sqlite3_prepare_v2(env->app, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(env->app));
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        if (out.size)
            ls_buf_char(&out, ';');
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            const char *text = (const char *)sqlite3_column_text(stmt, i);

            ls_buf_printf(&out, "%s%s", i ? "|" : "", text ? text : "\\N");
        }
    }
    sqlite3_finalize(stmt);
    ret = ls_arena_text(&env->mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return ret;
}

static long number(struct env *env, const char *sql)
{
    return strtol(ask(env, sql), NULL, 10);
}

static struct ls_store *open_store(struct env *env, bool writable)
{
    const struct ls_store_options options = {.writable = writable, .lock_timeout_ms = 100};
    struct ls_error err = {0};
    struct ls_store *store = NULL;
    struct ls_url url;

    assert_ls(
        ls_url_parse(ls_arena_printf(&env->mem, "sqlite:%s", env->path), &env->mem, &url, &err));
    assert_ls(ls_store_open(&url, &options, &store, &err));
    return store;
}

static int setup(void **state)
{
    struct env *env = calloc(1, sizeof(*env));
    char *folder = testdir_new();

    if (asprintf(&env->path, "%s/data.db", folder) < 0 ||
        sqlite3_open(env->path, &env->app) != SQLITE_OK)
        return -1;
    free(folder);
    ls_arena_init(&env->mem, 0);
    sqlite3_busy_timeout(env->app, 0);
    run(env, "CREATE TABLE first (a); DROP TABLE first");
    *state = env;
    return 0;
}

static int teardown(void **state)
{
    struct env *env = *state;

    ls_store_close(env->reader);
    ls_store_close(env->writer);
    sqlite3_close(env->app);
    ls_arena_done(&env->mem);
    free(env->path);
    free(env);
    return 0;
}

static struct ls_store *reader(struct env *env)
{
    if (!env->reader)
        env->reader = open_store(env, false);
    return env->reader;
}

static struct ls_store *writer(struct env *env)
{
    if (!env->writer)
        env->writer = open_store(env, true);
    return env->writer;
}

static struct ls_schema *describe(struct env *env, const char *name)
{
    struct ls_schema *schema = NULL;
    struct ls_error err = {0};

    assert_ls(
        ls_store_describe(env->writer ? env->writer : reader(env), name, &env->mem, &schema, &err));
    return schema;
}

/* A scan of all fields that are not generated, by the named key fields. */
struct look {
    struct ls_scan scan;
    size_t fields[32], key[8];
};

static struct ls_scan *look_at(struct env *env, const struct ls_schema *schema,
                               const char *const *key, size_t count)
{
    struct look *look = ls_arena_alloc(&env->mem, sizeof(*look));

    look->scan = (struct ls_scan){
        .schema = schema, .fields = look->fields, .key_count = count, .key = look->key};
    for (size_t i = 0; i < schema->field_count; i++)
        if (!(schema->fields[i].flags & LS_FIELD_GENERATED))
            look->fields[look->scan.field_count++] = i;
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < look->scan.field_count; i++)
            if (!strcmp(schema->fields[look->fields[i]].name, key[k]))
                look->key[k] = i;
    return &look->scan;
}

static struct ls_scan *look_by(struct env *env, const char *table, const char *key)
{
    return look_at(env, describe(env, table), &key, 1);
}

/* The records of a scan as text, in the order they come; types are shown where they are not the field's. */
static const char *read_text(struct env *env, struct ls_store *store, const struct ls_scan *scan)
{
    struct ls_cursor *cursor = NULL;
    struct ls_rows rows = {0};
    struct ls_error err = {0};
    struct ls_buf out;
    const char *ret;

    ls_buf_init(&out, 0);
    assert_ls(ls_store_scan(store, scan, &cursor, &err));
    do {
        assert_ls(ls_cursor_next(cursor, &env->mem, &rows, &err));
        for (size_t r = 0; r < rows.count; r++) {
            ls_buf_text(&out, out.size ? ";" : "");
            for (size_t i = 0; i < rows.width; i++) {
                const struct ls_value *v = &ls_row(&rows, r)[i];

                ls_buf_text(&out, i ? "|" : "");
                ls_buf_text(&out, v->type == LS_T_NULL ? "\\N" : "");
                if (v->type != LS_T_NULL && v->type != scan->schema->fields[scan->fields[i]].type)
                    ls_buf_printf(&out, "%s:", ls_type_word(v->type));
                ls_value_to_text(&out, v);
            }
        }
    } while (rows.count);
    ls_cursor_end(cursor);
    ret = ls_arena_text(&env->mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return ret;
}

static size_t read_count(struct env *env, struct ls_store *store, const struct ls_scan *scan)
{
    const char *text = read_text(env, store, scan);
    size_t count = *text != 0;

    for (; *text; text++)
        count += *text == ';';
    return count;
}

static const struct ls_field *field(const struct ls_schema *schema, const char *name)
{
    int at = ls_schema_find(schema, name);

    assert_true(at >= 0);
    return &schema->fields[at];
}

/* "id:pn name:-" for keys: their fields, p when primary, n when not null */
static const char *keys_text(struct env *env, const char *table)
{
    const struct ls_schema *schema = describe(env, table);
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
    assert_true(describe(env, "rowid_key")->flags & LS_SCHEMA_ROWID_KEY);
    assert_false(describe(env, "desc_key")->flags & LS_SCHEMA_ROWID_KEY);
    assert_false(describe(env, "tree")->flags & LS_SCHEMA_ROWID_KEY);
}

static void fields_tell_their_collation_and_how_they_are_made(void **state)
{
    struct env *env = *state;
    const struct ls_schema *schema;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b TEXT COLLATE RTRIM, "
             "c TEXT,"
             " d INT DEFAULT 5, e INT NOT NULL, f INT AS (d + e), g INT AS (d * e) STORED, h)");
    schema = describe(env, "t");
    assert_int_equal(schema->field_count, 9);
    assert_true(field(schema, "a")->flags & LS_FIELD_FOLDS);
    assert_true(field(schema, "b")->flags & LS_FIELD_FOLDS);
    assert_false(field(schema, "c")->flags & LS_FIELD_FOLDS);
    assert_false(field(schema, "h")->flags & LS_FIELD_FOLDS);
    assert_true(field(schema, "d")->flags & LS_FIELD_DEFAULT);
    assert_false(field(schema, "d")->flags & LS_FIELD_NOT_NULL);
    assert_true(field(schema, "e")->flags & LS_FIELD_NOT_NULL);
    assert_true(field(schema, "f")->flags & LS_FIELD_GENERATED);
    assert_true(field(schema, "g")->flags & LS_FIELD_GENERATED);
    assert_false(field(schema, "e")->flags & LS_FIELD_GENERATED);
    assert_true(field(schema, "c")->flags & LS_FIELD_DYNAMIC);
    assert_false(field(schema, "id")->flags & LS_FIELD_DYNAMIC);
    assert_true(field(schema, "id")->flags & LS_FIELD_NOT_NULL);
    assert_string_equal(field(schema, "h")->native, "");
    assert_string_equal(field(schema, "a")->native, "TEXT");
}

static void strict_tables_hold_what_they_say(void **state)
{
    struct env *env = *state;
    const struct ls_schema *schema;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b ANY) STRICT");
    schema = describe(env, "t");
    assert_false(field(schema, "a")->flags & LS_FIELD_DYNAMIC);
    assert_true(field(schema, "b")->flags & LS_FIELD_DYNAMIC);
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
        assert_int_equal(describe(env, cases[i].table)->flags & all, cases[i].flags);
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
    schema = describe(env, "v");
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
    assert_string_equal(describe(env, "Customers")->collection, "Customers");
    assert_string_equal(describe(env, "main.Customers")->collection, "Customers");
    assert_string_equal(describe(env, "a.b")->collection, "\"a.b\"");
    assert_string_equal(describe(env, "\"a.b\"")->collection, "\"a.b\"");
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
    assert_int_equal(describe(env, "words")->field_count, 2);
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

static struct ls_write write_for(const struct ls_scan *scan, const struct ls_write_op *ops,
                                 size_t count)
{
    return (struct ls_write){.schema = scan->schema,
                             .field_count = scan->field_count,
                             .fields = scan->fields,
                             .key_count = scan->key_count,
                             .key = scan->key,
                             .count = count,
                             .ops = ops};
}

static enum ls_code write_all(struct env *env, const struct ls_scan *scan,
                              const struct ls_write_op *ops, size_t count, struct ls_error *err)
{
    const struct ls_write write = write_for(scan, ops, count);
    enum ls_code rc = ls_store_begin(writer(env), err);

    if (rc == LS_OK)
        rc = ls_store_write(writer(env), &write, err);
    if (rc == LS_OK)
        rc = ls_store_commit(writer(env), err);
    ls_store_rollback(writer(env));
    return rc;
}

static void what_was_read_is_written_back_byte_by_byte(void **state)
{
    static const char dump[] = "SELECT id, typeof(a), quote(a), typeof(b), quote(b), typeof(c), "
                               "quote(c), typeof(d), quote(d),"
                               " typeof(e), quote(e), typeof(f), quote(f) FROM t ORDER BY id";
    struct env *env = *state;
    struct ls_scan *scan;
    struct ls_cursor *cursor = NULL;
    struct ls_rows rows = {0};
    struct ls_error err = {0};
    struct ls_write_op ops[8];
    struct ls_value keys[8];
    const char *before;

    run(env,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a DATE, b DECIMAL(10,2), c DATETIME, d UUID, e "
        "JSON, f BOOLEAN);"
        "INSERT INTO t VALUES (1, '2024-01-05', 1.5, '2024-01-05T10:00:00Z', "
        "'A0000000-0000-0000-0000-000000000000', '{}', 1),"
        " (2, '05.01.2024', '1,5', 1704445200, X'00112233445566778899aabbccddeeff', 5, 'true'),"
        " (3, 20240105, 0.1, '2024-01-05 10:00:00.500', 'a0000000-0000-0000-0000-000000000000', "
        "1.5, 0),"
        " (4, '2024-1-5', 5, '2024-01-05 10:00', 12, '[1, 2.50]', 7),"
        " (5, NULL, 1e300, 2460315.5, NULL, '\"x\"', 't')");
    writer(env);
    before = ask(env, dump);
    scan = look_by(env, "t", "id");
    assert_ls(ls_store_scan(reader(env), scan, &cursor, &err));
    assert_ls(ls_cursor_next(cursor, &env->mem, &rows, &err));
    ls_cursor_end(cursor);
    assert_int_equal(rows.count, 5);
    for (size_t i = 0; i < rows.count; i++) {
        keys[i] = ls_row(&rows, i)[0];
        ops[i] = (struct ls_write_op){LS_DELETE, &keys[i], NULL};
    }
    assert_ls(write_all(env, scan, ops, rows.count, &err));
    assert_string_equal(ask(env, dump), "");
    for (size_t i = 0; i < rows.count; i++)
        ops[i] = (struct ls_write_op){LS_INSERT, &keys[i], ls_row(&rows, i)};
    assert_ls(write_all(env, scan, ops, rows.count, &err));
    assert_string_equal(ask(env, dump), before);
}

static void names_of_the_rowid_may_be_taken(void **state)
{
    struct env *env = *state;

    run(env, "CREATE TABLE one (rowid TEXT, x INT); INSERT INTO one VALUES ('b', 1), ('a', 2);"
             "CREATE TABLE two (rowid TEXT, _ROWID_ TEXT, x INT); INSERT INTO two VALUES ('b', "
             "'q', 1), ('a', 'p', 2);"
             "CREATE TABLE all3 (rowid TEXT, _rowid_ TEXT, oid TEXT); INSERT INTO all3 VALUES "
             "('c', 'b', 'a');"
             "CREATE TABLE alias (oid INTEGER PRIMARY KEY, rowid TEXT, _rowid_ TEXT); INSERT INTO "
             "alias VALUES (7, 'b', 'c')");
    assert_string_equal(read_text(env, reader(env), look_by(env, "one", "x")), "b|1;a|2");
    assert_string_equal(read_text(env, reader(env), look_by(env, "two", "x")), "b|q|1;a|p|2");
    assert_string_equal(read_text(env, reader(env), look_by(env, "all3", "oid")), "c|b|a");
    assert_string_equal(read_text(env, reader(env), look_by(env, "alias", "oid")), "7|b|c");
}

static bool orders(struct env *env, const char *table, const char *key)
{
    return ls_store_orders(reader(env), look_by(env, table, key));
}

static int by_length(void *unused, int a_size, const void *a, int b_size, const void *b)
{
    (void)unused;
    (void)a;
    (void)b;
    return a_size - b_size;
}

/* Whether v = text is looked up, and the ids of what comes then. */
static bool seeks(struct env *env, const char *table, const char *field_name, struct ls_value v,
                  const char **ret)
{
    struct ls_scan *scan = look_by(env, table, "id");
    const struct ls_sought sought = {
        .condition = {(size_t)ls_schema_find(scan->schema, field_name), LS_OP_EQ, 1, &v}};

    scan->sought_count = 1;
    scan->sought = &sought;
    scan->field_count = 1;
    *ret = read_text(env, reader(env), scan);
    return ls_store_seeks(reader(env), scan->schema, &sought);
}

static void what_sqlite_cannot_compare_is_not_looked_up(void **state)
{
    const struct ls_value ann = ls_value_text("Ann"), half = ls_value_data(LS_T_DECIMAL, "0.5", 3);
    struct env *env = *state;
    const char *ids;

    sqlite3_create_collation(env->app, "by_length", SQLITE_UTF8, NULL, by_length);
    run(env,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE by_length,"
        " b TEXT COLLATE NOCASE, c DECIMAL);"
        "INSERT INTO t VALUES (1, 'Ann', 'ANN', 0.5), (2, 'Ben', 'Ben', 1), (3, 'x', 'Ann', 2);"
        "CREATE VIEW w AS SELECT * FROM t");
    assert_false(seeks(env, "t", "a", ann, &ids));
    assert_string_equal(ids, "1;2;3");
    assert_true(seeks(env, "t", "b", ann, &ids)); /* what the collation takes for it comes too */
    assert_string_equal(ids, "1;3");
    assert_true(seeks(env, "t", "c", half, &ids));
    assert_string_equal(ids, "1");
    assert_true(seeks(env, "w", "b", ann, &ids));
    assert_string_equal(ids, "1;3");
    assert_false(seeks(env, "w", "c", half, &ids)); /* a view may have texts there */
    assert_string_equal(ids, "1;2;3");
}

static void an_order_is_promised_only_where_it_holds(void **state)
{
    struct env *env = *state;

    run(env, "PRAGMA journal_mode = wal;"
             "CREATE TABLE t (id INTEGER PRIMARY KEY, i INT, x TEXT, u UUID, d DATE, p "
             "DECIMAL_TEXT, ts DATETIME);"
             "INSERT INTO t VALUES (1, 5, 'a', 'a0000000-0000-0000-0000-000000000000', "
             "'2024-01-05', '10', '2024-01-05 10:00:00')");
    assert_true(orders(env, "t", "id"));
    assert_true(orders(env, "t", "i"));
    assert_true(orders(env, "t", "x"));
    assert_true(orders(env, "t", "u"));
    assert_true(orders(env, "t", "d"));
    assert_false(orders(env, "t", "p"));
    run(env, "INSERT INTO t VALUES (2, 5.5, X'41', 'A0000000-0000-0000-0000-000000000000', "
             "'2024-02-30', '9', NULL)");
    assert_true(orders(env, "t", "id"));
    assert_false(orders(env, "t", "i"));
    assert_false(orders(env, "t", "x"));
    assert_false(orders(env, "t", "u"));
    assert_false(orders(env, "t", "d"));
}

static void a_folding_column_is_ordered_by_bytes(void **state)
{
    struct env *env = *state;
    struct ls_scan *scan;

    run(env,
        "PRAGMA journal_mode = wal; CREATE TABLE t (x TEXT COLLATE NOCASE NOT NULL PRIMARY KEY);"
        "CREATE TABLE tree (x TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID;"
        "INSERT INTO t VALUES ('b'), ('A'), ('C'), ('d'); INSERT INTO tree SELECT x FROM t");
    scan = look_by(env, "t", "x");
    assert_true(ls_store_orders(reader(env), scan));
    scan->ordered = true;
    assert_string_equal(read_text(env, reader(env), scan), "A;C;b;d");
    scan = look_by(env, "tree", "x");
    assert_true(ls_store_orders(reader(env), scan));
    scan->ordered = true;
    assert_string_equal(read_text(env, reader(env), scan), "A;C;b;d");
}

static void sorting_is_left_to_the_engine_where_it_would_hold_a_lock(void **state)
{
    struct env *env = *state;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT NOT NULL UNIQUE);"
             "CREATE TABLE tree (x TEXT PRIMARY KEY, y INT) WITHOUT ROWID;"
             "CREATE TABLE folded (x TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID");
    assert_true(orders(env, "t", "id"));
    assert_false(orders(env, "t", "x"));
    assert_true(orders(env, "tree", "x"));
    assert_false(orders(env, "folded", "x"));
}

static void a_utf16_file_sorts_text_in_its_own_way(void **state)
{
    struct env *env = *state;

    sqlite3_close(env->app);
    unlink(env->path);
    assert_int_equal(sqlite3_open(env->path, &env->app), SQLITE_OK);
    run(env, "PRAGMA encoding = 'UTF-16le'; PRAGMA journal_mode = wal; CREATE TABLE t (x TEXT "
             "PRIMARY KEY NOT NULL);"
             "INSERT INTO t VALUES ('\xC3\xA9'), ('\xF0\x9F\x98\x80'), ('\xEF\xBF\xBD'), ('a')");
    assert_false(orders(env, "t", "x"));
    assert_int_equal(read_count(env, reader(env), look_by(env, "t", "x")), 4);
}

static void an_application_writes_between_two_batches_of_a_scan(void **state)
{
    static const char *const modes[] = {"delete", "truncate", "wal"};
    static const char *const tables[] = {"t", "tree", "keyless"};
    struct env *env = *state;

    for (size_t m = 0; m < COUNT(modes); m++) {
        run(env, ls_arena_printf(&env->mem, "PRAGMA journal_mode = %s", modes[m]));
        run(env, "DROP TABLE IF EXISTS t; DROP TABLE IF EXISTS tree; DROP TABLE IF EXISTS keyless;"
                 "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT);"
                 "CREATE TABLE tree (a TEXT COLLATE NOCASE, id INT, x TEXT, PRIMARY KEY (a, id)) "
                 "WITHOUT ROWID;"
                 "CREATE TABLE keyless (id INT, x TEXT);"
                 "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
                 " INSERT INTO t SELECT i * 2, 'x' FROM n;"
                 "INSERT INTO tree SELECT substr('aBcDe', id % 5 + 1, 1), id, x FROM t;"
                 "INSERT INTO keyless SELECT id, x FROM t");
        for (size_t t = 0; t < COUNT(tables); t++) {
            struct ls_scan *scan = look_by(env, tables[t], "id");
            struct ls_cursor *cursor = NULL;
            struct ls_rows rows = {0};
            struct ls_error err = {0};
            size_t count = 0;

            scan->batch_rows = 700;
            assert_ls(ls_store_scan(reader(env), scan, &cursor, &err));
            do {
                assert_ls(ls_cursor_next(cursor, &env->mem, &rows, &err));
                count += rows.count;
                run(env, ls_arena_printf(&env->mem, "UPDATE %s SET x = 'changed' WHERE id = %zu",
                                         tables[t], 2 + 2 * (count * 7 % 5000)));
            } while (rows.count);
            ls_cursor_end(cursor);
            assert_int_equal(count, 5000);
        }
    }
}

static void a_digest_in_slices_covers_every_record(void **state)
{
    static const uint64_t seeds[2] = {123456789, 987654321};
    const struct ls_partition p = {.count = 16, .seed = 3};
    struct env *env = *state;
    struct ls_segment sliced[16], whole[16];
    struct ls_error err = {0};
    struct ls_scan *scan;
    uint64_t count = 0;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT);"
             "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 7001)"
             " INSERT INTO t SELECT i * 3, 'x' || i FROM n");
    scan = look_by(env, "t", "id");
    scan->partition = &p;
    assert_ls(ls_store_digest(reader(env), scan, seeds, sliced, &err));
    ls_store_close(env->reader);
    env->reader = NULL;
    run(env, "PRAGMA journal_mode = wal");
    assert_ls(ls_store_digest(reader(env), scan, seeds, whole, &err));
    assert_memory_equal(sliced, whole, sizeof(whole));
    for (size_t i = 0; i < 16; i++)
        count += whole[i].count;
    assert_int_equal(count, 7001);
}

static void the_outermost_rowids_are_read(void **state)
{
    struct env *env = *state;
    const struct ls_value bounds[] = {ls_value_int(INT64_MIN), ls_value_int(0),
                                      ls_value_int(INT64_MAX)};
    const uint8_t wanted[] = {0xA};
    const struct ls_partition all = {.by_range = true, .count = 4, .bounds = bounds},
                              some = {
                                  .by_range = true, .count = 4, .bounds = bounds, .wanted = wanted};
    struct ls_scan *scan;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES "
             "(-9223372036854775808), (-1), (0),"
             " (9223372036854775806), (9223372036854775807)");
    scan = look_by(env, "t", "id");
    for (size_t batch = 1; batch < 7; batch++) {
        scan->batch_rows = batch;
        scan->partition = NULL;
        assert_string_equal(read_text(env, reader(env), scan),
                            "-9223372036854775808;-1;0;9223372036854775806;9223372036854775807");
        scan->partition = &all;
        assert_int_equal(read_count(env, reader(env), scan), 5);
        scan->partition = &some;
        assert_string_equal(read_text(env, reader(env), scan),
                            "-9223372036854775808;-1;9223372036854775807");
    }
}

static void folding_keys_name_the_exact_record_only(void **state)
{
    struct env *env = *state;
    const struct ls_value lower[] = {ls_value_text("a"), ls_value_text("changed")},
                          upper = ls_value_text("A");
    struct ls_write_op op = {LS_UPDATE, &lower[0], lower};
    struct ls_error err = {0};
    struct ls_rows rows = {0};
    struct ls_scan *scan;

    run(env, "CREATE TABLE t (k TEXT COLLATE NOCASE NOT NULL PRIMARY KEY, x TEXT); INSERT INTO t "
             "VALUES ('A', 'kept')");
    writer(env);
    scan = look_by(env, "t", "k");
    assert_ls(ls_store_fetch(writer(env), scan, 1, &lower[0], false, &env->mem, &rows, &err));
    assert_int_equal(rows.count, 0);
    assert_ls(ls_store_fetch(writer(env), scan, 1, &upper, false, &env->mem, &rows, &err));
    assert_int_equal(rows.count, 1);
    assert_code(LS_CONFLICT, write_all(env, scan, &op, 1, &err));
    op = (struct ls_write_op){LS_DELETE, &lower[0], NULL};
    assert_code(LS_CONFLICT, write_all(env, scan, &op, 1, &err));
    op = (struct ls_write_op){LS_INSERT, &lower[0], lower};
    assert_code(LS_CONSTRAINT, write_all(env, scan, &op, 1, &err));
    assert_string_equal(ask(env, "SELECT * FROM t"), "A|kept");
}

static void on_conflict_replace_does_not_delete_others(void **state)
{
    struct env *env = *state;
    const struct ls_value record[] = {ls_value_int(2), ls_value_text("a")};
    struct ls_write_op op = {LS_INSERT, record, record};
    struct ls_error err = {0};
    struct ls_scan *scan;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, x TEXT UNIQUE ON "
             "CONFLICT REPLACE);"
             "INSERT INTO t VALUES (1, 'a'), (3, 'c')");
    writer(env);
    scan = look_by(env, "t", "id");
    assert_code(LS_CONSTRAINT, write_all(env, scan, &op, 1, &err));
    op.kind = LS_UPDATE;
    op.key = &(struct ls_value){.type = LS_T_INT, .i = 3};
    assert_code(LS_CONSTRAINT, write_all(env, scan, &op, 1, &err));
    op = (struct ls_write_op){LS_INSERT, &(struct ls_value){.type = LS_T_INT, .i = 1}, record};
    assert_string_equal(ask(env, "SELECT * FROM t"), "1|a;3|c");
}

/* Swaps the values of field 1 of the records 1 and 2. */
static void swap(struct env *env, const char *table)
{
    struct ls_scan *scan = look_by(env, table, "id");
    const struct ls_value keys[] = {ls_value_int(1), ls_value_int(2)};
    struct ls_write_op ops[2];
    struct ls_rows rows = {0};
    struct ls_error err = {0};
    struct ls_value value;

    assert_ls(ls_store_fetch(writer(env), scan, 2, keys, false, &env->mem, &rows, &err));
    assert_int_equal(rows.count, 2);
    value = ls_row(&rows, 0)[1];
    ls_row(&rows, 0)[1] = ls_row(&rows, 1)[1];
    ls_row(&rows, 1)[1] = value;
    for (size_t i = 0; i < 2; i++)
        ops[i] = (struct ls_write_op){LS_UPDATE, &keys[i], ls_row(&rows, i)};
    assert_ls(write_all(env, scan, ops, 2, &err));
}

static void unique_values_of_every_kind_change_places(void **state)
{
    static const char *const types[] = {"INT NOT NULL",  "INT",           "TEXT NOT NULL",
                                        "BLOB NOT NULL", "REAL NOT NULL", "DATE NOT NULL",
                                        "NOT NULL",      "UUID",          "BOOLEAN NOT NULL"};
    struct env *env = *state;

    writer(env);
    for (size_t i = 0; i < COUNT(types); i++)
        for (int kind = 0; kind < 3; kind++) {
            run(env, "DROP TABLE IF EXISTS t");
            run(env, ls_arena_printf(
                         &env->mem,
                         "CREATE TABLE t (id INTEGER PRIMARY KEY, u %s%s, other INT DEFAULT 1)",
                         types[i], kind == 0 ? " UNIQUE" : ""));
            if (kind == 1)
                run(env, "CREATE UNIQUE INDEX part ON t (u) WHERE other > 0");
            if (kind == 2)
                run(env, "CREATE UNIQUE INDEX both ON t (other, u COLLATE NOCASE)");
            run(env, "INSERT INTO t (id, u) VALUES (1, 0), (2, 1), (3, 7)");
            swap(env, "t");
            assert_int_equal(number(env, "SELECT u FROM t WHERE id = 1"), 1);
            assert_int_equal(number(env, "SELECT u FROM t WHERE id = 2"), 0);
        }
}

static void a_fault_while_values_change_places_is_not_blamed_on_the_records(void **state)
{
    struct env *env = *state;
    const struct ls_value a[] = {ls_value_int(1), ls_value_text("b")},
                          b[] = {ls_value_int(2), ls_value_text("a")};
    const struct ls_write_op ops[] = {{LS_UPDATE, &a[0], a}, {LS_UPDATE, &b[0], b}};
    struct ls_error err = {0};

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT UNIQUE);"
             "INSERT INTO t VALUES (1, 'a'), (2, 'b');"
             "CREATE TRIGGER fault BEFORE UPDATE ON t WHEN NEW.code IS NULL"
             " BEGIN SELECT abs(-9223372036854775807 - 1); END");
    writer(env);
    assert_code(LS_INTERNAL, write_all(env, look_by(env, "t", "id"), ops, 2, &err));
    assert_non_null(strstr(err.text, "integer overflow"));
    assert_string_equal(ask(env, "SELECT * FROM t ORDER BY id"), "1|a;2|b");
}

static void keys_of_another_kind_change_places_too(void **state)
{
    struct env *env = *state;
    const struct ls_value a[] = {ls_value_int(2), ls_value_text("a")},
                          b[] = {ls_value_int(1), ls_value_text("b")};
    const struct ls_write_op ops[] = {{LS_UPDATE, &a[1], a}, {LS_UPDATE, &b[1], b}};
    struct ls_error err = {0};

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE); INSERT INTO t "
             "VALUES (1, 'a'), (2, 'b')");
    writer(env);
    assert_ls(write_all(env, look_by(env, "t", "code"), ops, 2, &err));
    assert_string_equal(ask(env, "SELECT * FROM t ORDER BY id"), "1|b;2|a");
}

static void records_of_one_write_may_refer_to_each_other(void **state)
{
    struct env *env = *state;
    const struct ls_value child[] = {ls_value_int(1), ls_value_int(2)},
                          parent[] = {ls_value_int(2), ls_value_null()},
                          lost[] = {ls_value_int(3), ls_value_int(9)};
    const struct ls_write_op inserts[] = {{LS_INSERT, child, child}, {LS_INSERT, parent, parent}},
                             deletes[] = {{LS_DELETE, parent, NULL}, {LS_DELETE, child, NULL}},
                             bad[] = {{LS_INSERT, lost, lost}};
    struct ls_error err = {0};
    struct ls_scan *scan;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY, up INT REFERENCES t)");
    writer(env);
    scan = look_by(env, "t", "id");
    assert_ls(write_all(env, scan, inserts, 2, &err));
    assert_string_equal(ask(env, "SELECT * FROM t"), "1|2;2|\\N");
    assert_ls(write_all(env, scan, deletes, 2, &err));
    assert_code(LS_CONSTRAINT, write_all(env, scan, bad, 1, &err));
    assert_string_equal(ask(env, "SELECT * FROM t"), "");
}

static void a_reference_to_nothing_is_refused(void **state)
{
    struct env *env = *state;
    const struct ls_value good[] = {ls_value_int(1), ls_value_int(1)},
                          bad[] = {ls_value_int(2), ls_value_int(9)};
    const struct ls_write_op ops[] = {{LS_INSERT, good, good}, {LS_INSERT, bad, bad}};
    struct ls_error err = {0};

    run(env, "CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1);"
             "CREATE TABLE t (id INTEGER PRIMARY KEY, p INT REFERENCES p)");
    writer(env);
    assert_code(LS_CONSTRAINT, write_all(env, look_by(env, "t", "id"), ops, 2, &err));
    assert_string_equal(ask(env, "SELECT * FROM t"), "");
}

static void a_refused_write_leaves_the_transaction_as_it_was(void **state)
{
    struct env *env = *state;
    const struct ls_value one[] = {ls_value_int(1)}, two[] = {ls_value_int(2)};
    const struct ls_write_op good[] = {{LS_INSERT, one, one}},
                             bad[] = {{LS_INSERT, two, two}, {LS_INSERT, one, one}};
    struct ls_write write;
    struct ls_error err = {0};
    struct ls_scan *scan;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY)");
    writer(env);
    scan = look_by(env, "t", "id");
    assert_ls(ls_store_begin(writer(env), &err));
    write = write_for(scan, good, 1);
    assert_ls(ls_store_write(writer(env), &write, &err));
    write = write_for(scan, bad, 2);
    assert_code(LS_CONFLICT, ls_store_write(writer(env), &write, &err));
    assert_ls(ls_store_commit(writer(env), &err));
    assert_string_equal(ask(env, "SELECT * FROM t"), "1");
}

static void a_value_that_does_not_fit_the_column_is_refused(void **state)
{
    struct env *env = *state;
    const struct ls_value record[] = {ls_value_int(1),
                                      ls_value_data(LS_T_DECIMAL, "12345678901234567890.5", 22)};
    const struct ls_write_op op = {LS_INSERT, record, record};
    struct ls_error err = {0};

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY, price DECIMAL(30,2))");
    writer(env);
    assert_code(LS_TYPE, write_all(env, look_by(env, "t", "id"), &op, 1, &err));
    assert_non_null(strstr(err.text, "price"));
    assert_null(strstr(err.text, "12345"));
    assert_string_equal(ask(env, "SELECT * FROM t"), "");
}

static void a_busy_file_is_said_to_be_busy(void **state)
{
    struct env *env = *state;
    struct ls_error err = {0};

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY); BEGIN IMMEDIATE");
    assert_code(LS_BUSY, ls_store_begin(writer(env), &err));
    run(env, "ROLLBACK");
    assert_ls(ls_store_begin(writer(env), &err));
}

static void reading_leaves_the_journal_mode_and_no_tables(void **state)
{
    static const char *const modes[] = {"delete", "wal", "truncate", "persist"};
    struct env *env = *state;
    struct ls_error err = {0};
    enum ls_outcome outcome = LS_OUTCOME_UNKNOWN;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY)");
    for (size_t i = 0; i < COUNT(modes); i++) {
        assert_string_equal(
            ask(env, ls_arena_printf(&env->mem, "PRAGMA journal_mode = %s", modes[i])), modes[i]);
        read_text(env, reader(env), look_by(env, "t", "id"));
        assert_ls(ls_store_settle(reader(env), describe(env, "t"), "never-made", &outcome, &err));
        assert_int_equal(outcome, LS_OUTCOME_ABORTED);
        ls_store_close(env->reader);
        env->reader = NULL;
        if (!strcmp(modes[i], "wal")) /* the other modes are a setting of each connection */
            assert_string_equal(ask(env, "PRAGMA journal_mode"), modes[i]);
        assert_string_equal(ask(env, "SELECT name FROM sqlite_schema"), "t");
    }
}

/* The file, or none, into another place; what it is worth is told by its size and bytes. */
static void copy_file(struct env *env, const char *from, const char *to)
{
    struct ls_arena *mem = &env->mem;
    struct ls_error err = {0};
    char *data = NULL;
    size_t size = 0;
    FILE *f;

    if (access(from, F_OK) != 0)
        return;
    assert_ls(ls_file_read(from, 1 << 24, mem, &data, &size, &err));
    f = fopen(to, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* A text of what stands in a file and beside it, byte by byte; the index of a -wal is no content. */
static const char *standing(struct env *env, const char *path)
{
    static const char *const siblings[] = {"", "-wal", "-journal"};
    const char *ret = "";

    for (size_t i = 0; i < COUNT(siblings); i++) {
        const char *name = ls_arena_printf(&env->mem, "%s%s", path, siblings[i]);
        struct ls_error err = {0};
        char *data = NULL;
        size_t size = 0;

        if (access(name, F_OK) != 0)
            continue;
        assert_ls(ls_file_read(name, 1 << 24, &env->mem, &data, &size, &err));
        ret = ls_arena_printf(&env->mem, "%s [%s] %zu %016llx", ret, siblings[i], size,
                              (unsigned long long)ls_hash64(data, size, 0));
    }
    return ret;
}

/* As an application leaves it that was killed: whoever may write would take the -wal in when it closes. */
static void a_reader_leaves_every_byte_as_it_was(void **state)
{
    static const char *const modes[] = {"delete", "wal"};
    struct env *env = *state;
    char *own = env->path;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)");
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct ls_error err = {0};
        const char *before;
        char *copy = NULL;

        run(env, ls_arena_printf(&env->mem, "PRAGMA journal_mode = %s", modes[i]));
        run(env, "INSERT INTO t SELECT max(id) + 1 FROM t");
        assert_true(asprintf(&copy, "%s-of-%s", own, modes[i]) > 0);
        copy_file(env, own, copy);
        copy_file(env, ls_arena_printf(&env->mem, "%s-wal", own),
                  ls_arena_printf(&env->mem, "%s-wal", copy));
        before = standing(env, copy);
        env->path = copy;
        assert_int_equal(read_count(env, reader(env), look_by(env, "t", "id")), i + 2);
        assert_int_not_equal(ls_store_begin(env->reader, &err), LS_OK);
        assert_code(LS_PERMISSION, ls_sql_exec(((struct ls_sqlite *)env->reader)->db,
                                               "INSERT INTO t VALUES (9)", &err));
        ls_store_close(env->reader);
        env->reader = NULL;
        env->path = own;
        assert_string_equal(standing(env, copy), before);
        free(copy);
    }
}

static void the_table_of_marks_goes_with_its_last_row(void **state)
{
    struct env *env = *state;
    const char *marker = NULL;
    struct ls_error err = {0};

    for (int i = 0; i < 2; i++) {
        assert_ls(ls_store_begin(writer(env), &err));
        assert_ls(ls_store_mark(writer(env), i ? "b-1" : "a-1", &env->mem, &marker, &err));
        assert_ls(ls_store_commit(writer(env), &err));
    }
    assert_string_equal(ask(env, "SELECT tag FROM lockstep_batches ORDER BY tag"), "a-1;b-1");
    ls_store_forget(writer(env), "a");
    assert_string_equal(ask(env, "SELECT tag FROM lockstep_batches"), "b-1");
    run(env, "BEGIN IMMEDIATE");
    ls_store_forget(writer(env), "b"); /* busy: they stay */
    run(env, "ROLLBACK");
    assert_string_equal(ask(env, "SELECT tag FROM lockstep_batches"), "b-1");
    ls_store_forget(writer(env), "b");
    ls_store_forget(writer(env), "b");
    assert_string_equal(ask(env, "SELECT name FROM sqlite_schema"), "");
    assert_ls(ls_store_begin(writer(env), &err));
}

static void the_run_lock_is_a_file_beside_the_database(void **state)
{
    struct env *env = *state;
    struct ls_error err = {0};
    char *slash;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY)");
    assert_ls(ls_store_lock(writer(env), "sync", &err));
    assert_ls(ls_store_lock(writer(env), "sync", &err));
    slash = strrchr(env->path, '/');
    assert_int_equal(access(ls_arena_printf(&env->mem, "%.*s/.data.db.lockstep-lock",
                                            (int)(slash - env->path), env->path),
                            F_OK),
                     0);
    run(env, "INSERT INTO t VALUES (1)");
}

static void estimates_come_from_analyze_or_the_rowids(void **state)
{
    struct env *env = *state;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY, x); CREATE INDEX i ON t (x);"
             "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
             "INSERT INTO t SELECT i, 1 FROM n");
    assert_int_equal(describe(env, "t")->rows_estimate, 100);
    run(env, "INSERT INTO t VALUES (9000000000000000000, 1), (-9000000000000000000, 1)");
    assert_in_range(describe(env, "t")->rows_estimate, 100, 100000);
    run(env, "ANALYZE");
    ls_store_close(env->reader);
    env->reader = NULL;
    assert_int_equal(describe(env, "t")->rows_estimate, 102);
    run(env, "CREATE TABLE empty (id INTEGER PRIMARY KEY); CREATE TABLE tree (id INT PRIMARY KEY) "
             "WITHOUT ROWID");
    assert_int_equal(describe(env, "empty")->rows_estimate, 0);
    assert_int_equal(describe(env, "tree")->rows_estimate, -1);
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

struct canceller {
    struct ls_store *store;
    atomic_bool done;
};

static void cancel_until_done(void *arg)
{
    struct canceller *c = arg;

    while (!atomic_load(&c->done)) {
        ls_store_cancel(c->store);
        sched_yield();
    }
}

static void another_thread_can_stop_a_digest(void **state)
{
    static const uint64_t seeds[2] = {123456789, 987654321};
    const struct ls_partition p = {.count = 1};
    struct env *env = *state;
    struct canceller c = {0};
    struct ls_thread thread = {0};
    struct ls_segment segment;
    struct ls_error err = {0};
    struct ls_scan *scan;
    enum ls_code rc;

    run(env, "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT);"
             "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
             " INSERT INTO t SELECT i, 'x' || i FROM n");
    scan = look_by(env, "t", "id");
    scan->partition = &p;
    c.store = reader(env);
    assert_ls(ls_thread_start(&thread, cancel_until_done, &c, &err));
    do /* until the other thread has hit a running statement */
        rc = ls_store_digest(reader(env), scan, seeds, &segment, &err);
    while (rc == LS_OK);
    atomic_store(&c.done, true);
    ls_thread_join(&thread);
    assert_int_equal(rc, LS_CANCELLED);
    assert_ls(ls_store_digest(reader(env), scan, seeds, &segment, &err));
    assert_int_equal(segment.count, 20000);
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

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
        T(what_was_read_is_written_back_byte_by_byte),
        T(names_of_the_rowid_may_be_taken),
        T(what_sqlite_cannot_compare_is_not_looked_up),
        T(an_order_is_promised_only_where_it_holds),
        T(a_folding_column_is_ordered_by_bytes),
        T(sorting_is_left_to_the_engine_where_it_would_hold_a_lock),
        T(a_utf16_file_sorts_text_in_its_own_way),
        T(an_application_writes_between_two_batches_of_a_scan),
        T(a_digest_in_slices_covers_every_record),
        T(the_outermost_rowids_are_read),
        T(folding_keys_name_the_exact_record_only),
        T(on_conflict_replace_does_not_delete_others),
        T(unique_values_of_every_kind_change_places),
        T(a_fault_while_values_change_places_is_not_blamed_on_the_records),
        T(keys_of_another_kind_change_places_too),
        T(records_of_one_write_may_refer_to_each_other),
        T(a_reference_to_nothing_is_refused),
        T(a_refused_write_leaves_the_transaction_as_it_was),
        T(a_value_that_does_not_fit_the_column_is_refused),
        T(a_busy_file_is_said_to_be_busy),
        T(reading_leaves_the_journal_mode_and_no_tables),
        T(a_reader_leaves_every_byte_as_it_was),
        T(the_table_of_marks_goes_with_its_last_row),
        T(the_run_lock_is_a_file_beside_the_database),
        T(estimates_come_from_analyze_or_the_rowids),
        T(what_is_created_keeps_decimals_and_times_exact),
        T(another_thread_can_stop_a_digest),
        T(missing_and_foreign_files_are_named),
    };
    /* Nothing here has to survive a loss of power. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    return cmocka_run_group_tests_name("store/sqlite", tests, NULL, NULL);
}
