/* SPDX-License-Identifier: Apache-2.0 */
/* test_sqlite_read.c - how the SQLite store scans, looks up and digests: where an order holds, and what it does beside an application that writes. */
#include "sqlite_help.h"

#include <sched.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_sqlite_cannot_compare_is_not_looked_up),
        T(an_order_is_promised_only_where_it_holds),
        T(a_folding_column_is_ordered_by_bytes),
        T(sorting_is_left_to_the_engine_where_it_would_hold_a_lock),
        T(a_utf16_file_sorts_text_in_its_own_way),
        T(an_application_writes_between_two_batches_of_a_scan),
        T(a_digest_in_slices_covers_every_record),
        T(the_outermost_rowids_are_read),
        T(another_thread_can_stop_a_digest),
    };
    /* Nothing here has to survive a loss of power. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    return cmocka_run_group_tests_name("store/sqlite_read", tests, NULL, NULL);
}
