/* SPDX-License-Identifier: Apache-2.0 */
/* test_sqlite_write.c - what the SQLite store writes: every byte as it was read, exact records, values that change places, references, refusals. */
#include "sqlite_help.h"

static long number(struct env *env, const char *sql)
{
    return strtol(ask(env, sql), NULL, 10);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_was_read_is_written_back_byte_by_byte),
        T(names_of_the_rowid_may_be_taken),
        T(folding_keys_name_the_exact_record_only),
        T(on_conflict_replace_does_not_delete_others),
        T(unique_values_of_every_kind_change_places),
        T(a_fault_while_values_change_places_is_not_blamed_on_the_records),
        T(keys_of_another_kind_change_places_too),
        T(records_of_one_write_may_refer_to_each_other),
        T(a_reference_to_nothing_is_refused),
        T(a_refused_write_leaves_the_transaction_as_it_was),
        T(a_value_that_does_not_fit_the_column_is_refused),
    };
    /* Nothing here has to survive a loss of power. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    return cmocka_run_group_tests_name("store/sqlite_write", tests, NULL, NULL);
}
