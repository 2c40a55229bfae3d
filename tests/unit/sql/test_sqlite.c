/* SPDX-License-Identifier: Apache-2.0 */
/* test_sqlite.c - a session on an SQLite file: opening, statements and values, transactions. */
#include "sqlite_help.h"

#include <math.h>
#include <string.h>

/* ---- opening ---- */

static void a_missing_file_is_not_made_by_itself(void **state)
{
    char *path = testdir_path("missing.db");
    struct ls_sql *db;

    (void)state;
    assert_int_equal(try_open(path, (struct ls_sql_options){0}, &db), LS_NOT_FOUND);
    assert_says("sqlite:shown");
    assert_says("no such file");
    assert_int_equal(size_of(path, ""), -1);
    free(path);
}

static void a_new_file_is_its_owners_alone(void **state)
{
    char *path = testdir_path("new.db");
    struct ls_sql *db;
    struct stat st;
    mode_t before = umask(0);

    (void)state;
    db = create(path);
    umask(before);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    OK(ls_sql_exec(db, "CREATE TABLE t (a)", &err));
    ls_sql_close(db);
    free(path);
}

static void a_file_in_a_missing_folder_is_not_found(void **state)
{
    char *path = testdir_path("no/such/folder.db");
    struct ls_sql *db;

    (void)state;
    assert_int_equal(try_open(path, (struct ls_sql_options){.create = true}, &db), LS_NOT_FOUND);
    free(path);
}

static void a_folder_is_no_database(void **state)
{
    struct ls_sql *db;

    (void)state;
    assert_int_equal(try_open(testdir(), (struct ls_sql_options){0}, &db), LS_NOT_FOUND);
    assert_says("folder");
}

static void a_file_of_another_kind_is_told(void **state)
{
    char text[4096], *path;
    struct ls_sql *db;

    (void)state;
    memset(text, 'x', sizeof(text));
    path = testdir_file("text.db", text, sizeof(text));
    assert_int_equal(try_open(path, (struct ls_sql_options){0}, &db), LS_CORRUPT);
    assert_string_equal(err.native, "NOTADB");
    assert_says("not a database");
    free(path);
}

static void a_truncated_file_is_told(void **state)
{
    char *path = testdir_path("cut.db");
    struct ls_sql *db = create(path);

    (void)state;
    OK(ls_sql_exec(db,
                   "CREATE TABLE t (a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM "
                   "n LIMIT 2000) INSERT INTO t SELECT randomblob(100) FROM n",
                   &err));
    ls_sql_close(db);
    assert_int_equal(truncate(path, 8192), 0);
    assert_int_equal(try_open(path, (struct ls_sql_options){.read_only = true}, &db), LS_CORRUPT);
    assert_says("malformed");
    assert_says("backup");
    free(path);
}

static void its_identity_is_the_real_path(void **state)
{
    char *folder = testdir_new(), *path = beside(folder, "/a.db"), *link = beside(folder, "/b.db");
    char *wanted = NULL, *real;
    struct ls_sql *db;

    (void)state;
    ls_sql_close(create(path));
    assert_int_equal(symlink("a.db", link), 0);
    db = open_with(link, (struct ls_sql_options){0});
    real = realpath(path, NULL);
    assert_true(asprintf(&wanted, "sqlite:%s", real) > 0);
    assert_string_equal(ls_sql_identity(db), wanted);
    assert_int_equal(ls_sql_dialect(db), LS_SQLITE);
    assert_int_equal(ls_sql_version(db), sqlite3_libversion_number());
    assert_true(ls_sql_alive(db));
    ls_sql_close(db);
    free(real);
    free(wanted);
    free(link);
    free(path);
    free(folder);
}

static void a_name_with_odd_characters_is_a_name(void **state)
{
    char *path = testdir_path("file:x?mode=memory&cache=shared#%41.db");

    (void)state;
    ls_sql_close(create(path));
    assert_true(size_of(path, "") >= 0);
    free(path);
}

static void a_session_is_strict(void **state)
{
    char *path = testdir_path("strict.db");
    struct ls_sql *db = create(path);

    (void)state;
    assert_int_equal(number(db, "PRAGMA foreign_keys"), 1);
    assert_int_equal(number(db, "PRAGMA trusted_schema"), 0);
    assert_word(db, "PRAGMA journal_mode", "delete");
    OK(ls_sql_exec(db, "CREATE TABLE t (a)", &err));
    assert_int_equal(ls_sql_exec(db, "SELECT \"no such column\" FROM t", &err), LS_NOT_FOUND);
    assert_int_equal(ls_sql_exec(db, "SELECT * FROM nowhere", &err), LS_NOT_FOUND);
    assert_int_equal(ls_sql_exec(db, "SELEKT", &err), LS_INTERNAL);
    ls_sql_close(db);
    free(path);
}

static void the_journal_mode_of_a_file_stays(void **state)
{
    char *path = testdir_path("mode.db");
    struct ls_sql *db = create(path);

    (void)state;
    assert_word(db, "PRAGMA journal_mode=WAL", "wal");
    OK(ls_sql_exec(db, "CREATE TABLE t (a)", &err));
    ls_sql_close(db);
    db = open_with(path, (struct ls_sql_options){0});
    OK(ls_sql_exec(db, "INSERT INTO t VALUES (1)", &err));
    assert_word(db, "PRAGMA journal_mode", "wal");
    ls_sql_close(db);
    free(path);
}

/* The outbox's triggers use it, and we trust no schema. */
static void json_is_quoted_in_triggers(void **state)
{
    static const struct {
        const char *value, *json;
    } cases[] = {{"NULL", "null"},
                 {"-7", "-7"},
                 {"0.1", "0.1"},
                 {"9e999", "9.0e999"},
                 {"'it''s \"new\"' || char(10)", "\"it's \\\"new\\\"\\n\""}};
    char *path = testdir_path("quote.db"), sql[200];
    struct ls_sql *db = create(path);

    (void)state;
    OK(ls_sql_exec(db,
                   "CREATE TABLE t (a); CREATE TABLE u (a TEXT); CREATE TRIGGER tu AFTER INSERT "
                   "ON t BEGIN INSERT INTO u VALUES (json_quote(NEW.a)); END",
                   &err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(sql, sizeof sql, "DELETE FROM u; INSERT INTO t VALUES (%s)", cases[i].value);
        OK(ls_sql_exec(db, sql, &err));
        assert_word(db, "SELECT a FROM u", cases[i].json);
    }
    assert_int_not_equal(ls_sql_exec(db, "INSERT INTO t VALUES (x'00')", &err), LS_OK);
    ls_sql_close(db);
    free(path);
}

static void read_only_refuses_to_write(void **state)
{
    char *path = testdir_path("readonly.db");
    struct ls_sql *db = create(path);

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a)", &err));
    ls_sql_close(db);
    db = open_with(path, (struct ls_sql_options){.read_only = true});
    assert_int_equal(ls_sql_exec(db, "INSERT INTO t VALUES (1)", &err), LS_PERMISSION);
    assert_string_equal(err.native, "READONLY");
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 0);
    ls_sql_close(db);
    free(path);
}

/* Root may do everything, so these children become somebody else. */
static void become_nobody(void)
{
    if (getuid() == 0) {
        CHILD(setgid(65534) == 0);
        CHILD(setuid(65534) == 0);
    }
}

static void open_what_may_only_be_read(const char *path)
{
    struct ls_sql *db;

    become_nobody();
    CHILD(try_open(path, (struct ls_sql_options){0}, &db) == LS_PERMISSION);
    CHILD(strstr(err.text, "no right to write"));
    CHILD(try_open(path, (struct ls_sql_options){.read_only = true}, &db) == LS_OK);
    ls_sql_close(db);
}

static void open_what_may_not_be_read(const char *path)
{
    struct ls_sql *db;

    become_nobody();
    CHILD(try_open(path, (struct ls_sql_options){.read_only = true}, &db) == LS_PERMISSION);
    CHILD(strstr(err.text, "no right to read"));
}

static void open_wal_in_a_closed_folder(const char *path)
{
    struct ls_sql *db;

    become_nobody();
    CHILD(try_open(path, (struct ls_sql_options){.read_only = true}, &db) == LS_PERMISSION);
    CHILD(strstr(err.text, "WAL mode"));
    CHILD(strstr(err.text, "folder"));
}

static void missing_rights_are_told(void **state)
{
    char *folder = testdir_new(), *path = beside(folder, "/a.db"), *wal = beside(folder, "/w.db");
    struct ls_sql *db = create(path);

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a)", &err));
    ls_sql_close(db);
    db = create(wal);
    assert_word(db, "PRAGMA journal_mode=WAL", "wal");
    OK(ls_sql_exec(db, "CREATE TABLE t (a)", &err));
    ls_sql_close(db);
    assert_int_equal(chmod(testdir(), 0755), 0);
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(chmod(wal, 0444), 0);
    assert_int_equal(chmod(folder, 0555), 0);
    assert_int_equal(in_child(open_what_may_only_be_read, path), 0);
    assert_int_equal(in_child(open_wal_in_a_closed_folder, wal), 0);
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(in_child(open_what_may_not_be_read, path), 0);
    assert_int_equal(chmod(folder, 0700), 0);
    free(wal);
    free(path);
    free(folder);
}

/* ---- statements and values ---- */

static void values_come_back_as_they_went_in(void **state)
{
    char *path = testdir_path("values.db");
    struct ls_sql *db = create(path);
    struct ls_sql_stmt *stmt = NULL;
    const struct ls_value in[] = {
        {.type = LS_T_NULL},
        ls_value_int(INT64_MIN),
        {.type = LS_T_DOUBLE, .d = 0.1},
        ls_value_data(LS_T_TEXT, "a\0b", 3),
        ls_value_data(LS_T_BYTES, "\0\xff", 2),
        ls_value_data(LS_T_BYTES, NULL, 0),
        ls_value_data(LS_T_TEXT, NULL, 0),
        ls_value_data(LS_T_DECIMAL, "12.50", 5),
        {.type = LS_T_DATE, .i = 0},
    };
    static const enum ls_type types[] = {LS_T_NULL,  LS_T_INT,  LS_T_DOUBLE, LS_T_TEXT, LS_T_BYTES,
                                         LS_T_BYTES, LS_T_TEXT, LS_T_TEXT,   LS_T_TEXT};
    size_t size;
    bool row;

    (void)state;
    OK(ls_sql_one(db, "SELECT ?,?,?,?,?,?,?,?,?", in, 9, &stmt, &row, &err));
    assert_true(row);
    assert_int_equal(ls_sql_columns(stmt), 9);
    for (int i = 0; i < 9; i++)
        assert_int_equal(ls_sql_value(stmt, i).type, types[i]);
    assert_true(ls_sql_is_null(stmt, 0));
    assert_false(ls_sql_is_null(stmt, 5));
    assert_true(ls_sql_i64(stmt, 1) == INT64_MIN);
    assert_true(ls_sql_double(stmt, 2) == 0.1);
    assert_memory_equal(ls_sql_text(stmt, 3, &size), "a\0b", 4);
    assert_int_equal(size, 3);
    assert_memory_equal(ls_sql_bytes(stmt, 4, &size), "\0\xff", 2);
    assert_int_equal(size, 2);
    assert_non_null(ls_sql_bytes(stmt, 5, &size));
    assert_int_equal(size, 0);
    assert_string_equal(ls_sql_text(stmt, 7, NULL), "12.50");
    assert_string_equal(ls_sql_text(stmt, 8, NULL), "1970-01-01");
    ls_sql_finish(stmt);
    ls_sql_close(db);
    free(path);
}

static void nan_is_refused_and_not_made_null(void **state)
{
    char *path = testdir_path("nan.db");
    struct ls_sql *db = create(path);
    const struct ls_value nan_value = {.type = LS_T_DOUBLE, .d = NAN};
    struct ls_sql_stmt *stmt = NULL;
    bool row;

    (void)state;
    assert_int_equal(ls_sql_one(db, "SELECT ?", &nan_value, 1, &stmt, &row, &err), LS_TYPE);
    assert_null(stmt);
    ls_sql_close(db);
    free(path);
}

static void columns_that_are_not_there_are_null(void **state)
{
    char *path = testdir_path("nocolumn.db");
    struct ls_sql *db = create(path);
    struct ls_sql_stmt *stmt = NULL;
    size_t size = 7;
    bool row;

    (void)state;
    OK(ls_sql_one(db, "SELECT 1 AS a WHERE 0", NULL, 0, &stmt, &row, &err));
    assert_false(row);
    assert_string_equal(ls_sql_column_name(stmt, 0), "a");
    assert_null(ls_sql_column_name(stmt, 1));
    assert_true(ls_sql_is_null(stmt, 0));
    assert_true(ls_sql_is_null(stmt, -1));
    assert_int_equal(ls_sql_i64(stmt, 0), 0);
    assert_null(ls_sql_text(stmt, 0, &size));
    assert_int_equal(size, 0);
    assert_int_equal(ls_sql_value(stmt, 5).type, LS_T_NULL);
    ls_sql_finish(stmt);
    ls_sql_close(db);
    free(path);
}

static void a_statement_runs_again(void **state)
{
    char *path = testdir_path("again.db");
    struct ls_sql *db = create(path);
    struct ls_sql_stmt *insert = NULL, *select = NULL;
    int64_t changes = -1;
    bool row;

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a INTEGER PRIMARY KEY)", &err));
    OK(ls_sql_prepare(db, "INSERT INTO t VALUES (?)", &insert, &err));
    for (int i = 1; i <= 3; i++) {
        struct ls_value v = ls_value_int(i);

        OK(ls_sql_change(insert, &v, 1, &changes, &err));
        assert_int_equal(changes, 1);
    }
    OK(ls_sql_prepare(db, "SELECT a FROM t ORDER BY a", &select, &err));
    for (int round = 0; round < 2; round++) {
        OK(ls_sql_run(select, NULL, 0, true, &err));
        for (int i = 1; i <= (round ? 3 : 2); i++) { /* the first round is broken off */
            OK(ls_sql_step(select, &row, &err));
            assert_true(row);
            assert_int_equal(ls_sql_i64(select, 0), i);
        }
    }
    OK(ls_sql_step(select, &row, &err));
    assert_false(row);
    OK(ls_sql_step(select, &row, &err));
    assert_false(row);
    assert_int_equal(ls_sql_run(insert, NULL, 0, false, &err), LS_INTERNAL);
    ls_sql_finish(insert);
    ls_sql_finish(select);
    ls_sql_close(db);
    free(path);
}

static void running_without_stepping_takes_effect(void **state)
{
    char *path = testdir_path("effect.db");
    struct ls_sql *db = create(path);
    struct ls_sql_stmt *stmt = NULL;

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a)", &err));
    OK(ls_sql_prepare(db, "INSERT INTO t VALUES (1)", &stmt, &err));
    OK(ls_sql_run(stmt, NULL, 0, false, &err));
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 1);
    ls_sql_finish(stmt);
    ls_sql_close(db);
    free(path);
}

static void changes_are_counted(void **state)
{
    char *path = testdir_path("changes.db");
    struct ls_sql *db = create(path);
    struct ls_sql_stmt *stmt = NULL;
    int64_t changes = -1;

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a); INSERT INTO t VALUES (1),(2),(3)", &err));
    OK(ls_sql_prepare(db, "UPDATE t SET a = a + 1 WHERE a > 1", &stmt, &err));
    OK(ls_sql_change(stmt, NULL, 0, &changes, &err));
    assert_int_equal(changes, 2);
    ls_sql_finish(stmt);
    OK(ls_sql_prepare(db, "CREATE TABLE u (a)", &stmt, &err));
    OK(ls_sql_change(stmt, NULL, 0, &changes, &err));
    assert_int_equal(changes, 0);
    ls_sql_finish(stmt);
    OK(ls_sql_prepare(db, "DELETE FROM t WHERE a > 100", &stmt, &err));
    OK(ls_sql_change(stmt, NULL, 0, &changes, &err));
    assert_int_equal(changes, 0);
    ls_sql_finish(stmt);
    ls_sql_close(db);
    free(path);
}

static void only_one_statement_is_prepared(void **state)
{
    char *path = testdir_path("single.db");
    struct ls_sql *db = create(path);
    struct ls_sql_stmt *stmt = NULL;

    (void)state;
    assert_int_equal(ls_sql_prepare(db, "SELECT 1; SELECT 2", &stmt, &err), LS_INTERNAL);
    assert_int_equal(ls_sql_prepare(db, " -- nothing", &stmt, &err), LS_INTERNAL);
    OK(ls_sql_prepare(db, "SELECT 1; -- and no more\n ;", &stmt, &err));
    ls_sql_finish(stmt);
    OK(ls_sql_exec(db, "CREATE TABLE t (a); ; INSERT INTO t VALUES (1);\n-- end", &err));
    OK(ls_sql_execf(db, &err, "INSERT INTO t VALUES (%d)", 5));
    assert_int_equal(number(db, "SELECT max(a) FROM t"), 5);
    ls_sql_close(db);
    free(path);
}

static void constraints_are_about_the_record(void **state)
{
    char *path = testdir_path("constraints.db");
    struct ls_sql *db = create(path);
    static const struct {
        const char *sql;
        enum ls_code code;
        const char *native, *text;
    } cases[] = {
        {"INSERT INTO t(id,u,n,c) VALUES (1,2,1,1)", LS_CONSTRAINT, "PRIMARYKEY", "t.id"},
        {"INSERT INTO t(id,u,n,c) VALUES (2,1,1,1)", LS_CONSTRAINT, "UNIQUE", "t.u"},
        {"INSERT INTO t(id,u,n,c) VALUES (2,2,NULL,1)", LS_CONSTRAINT, "NOTNULL", "t.n"},
        {"INSERT INTO t(id,u,n,c) VALUES (2,2,1,-1)", LS_CONSTRAINT, "CHECK", "positive"},
        {"INSERT INTO t(id,u,n,c,f) VALUES (2,2,1,1,99)", LS_CONSTRAINT, "FOREIGNKEY", "FOREIGN"},
        {"INSERT INTO t(id,u,n,c) VALUES ('x',2,1,1)", LS_TYPE, "MISMATCH", "mismatch"},
        {"INSERT INTO s VALUES ('x')", LS_TYPE, "DATATYPE", "s.a"},
    };

    (void)state;
    OK(ls_sql_exec(db,
                   "CREATE TABLE t (id INTEGER PRIMARY KEY, u UNIQUE, n NOT NULL,"
                   " c CONSTRAINT positive CHECK (c > 0), f REFERENCES t (id));"
                   "CREATE TABLE s (a INTEGER) STRICT; INSERT INTO t(id,u,n,c) VALUES (1,1,1,1)",
                   &err));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(ls_sql_exec(db, cases[i].sql, &err), cases[i].code);
        assert_string_equal(err.native, cases[i].native);
        assert_says(cases[i].text);
    }
    ls_sql_close(db);
    free(path);
}

/* ---- transactions ---- */

static void a_transaction_commits_or_not(void **state)
{
    char *path = testdir_path("tx.db");
    struct ls_sql *db = create(path);

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a)", &err));
    assert_false(ls_sql_in_transaction(db));
    OK(ls_sql_begin(db, true, &err));
    assert_true(ls_sql_in_transaction(db));
    assert_int_equal(ls_sql_begin(db, true, &err), LS_INTERNAL);
    OK(ls_sql_exec(db, "INSERT INTO t VALUES (1)", &err));
    OK(ls_sql_commit(db, &err));
    assert_false(ls_sql_in_transaction(db));
    OK(ls_sql_begin(db, true, &err));
    OK(ls_sql_exec(db, "INSERT INTO t VALUES (2)", &err));
    ls_sql_rollback(db);
    ls_sql_rollback(db);
    assert_false(ls_sql_in_transaction(db));
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 1);
    assert_true(ls_sql_commit(db, &err) != LS_OK);
    ls_sql_close(db);
    free(path);
}

static void closing_rolls_back(void **state)
{
    char *path = testdir_path("close.db");
    struct ls_sql *db = create(path);

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a)", &err));
    OK(ls_sql_begin(db, true, &err));
    OK(ls_sql_exec(db, "INSERT INTO t VALUES (1)", &err));
    ls_sql_close(db);
    db = open_with(path, (struct ls_sql_options){0});
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 0);
    ls_sql_close(db);
    free(path);
}

static void two_writers_exclude_each_other(void **state)
{
    char *path = testdir_path("busy.db");
    struct ls_sql *a = create(path);
    struct ls_sql *b = open_with(path, (struct ls_sql_options){.busy_timeout_ms = 30});

    (void)state;
    OK(ls_sql_begin(a, true, &err));
    assert_int_equal(ls_sql_begin(b, true, &err), LS_BUSY);
    assert_says("Try again");
    assert_false(ls_sql_in_transaction(b));
    ls_sql_rollback(a);
    OK(ls_sql_begin(b, true, &err));
    ls_sql_close(b);
    ls_sql_close(a);
    free(path);
}

/* A full file makes SQLite roll the whole transaction back by itself. */
static void a_transaction_that_ended_by_itself_takes_nothing_more(void **state)
{
    char *path = testdir_path("full.db");
    struct ls_sql *db = create(path);

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a); PRAGMA max_page_count = 10", &err));
    OK(ls_sql_begin(db, true, &err));
    OK(ls_sql_exec(db, "INSERT INTO t VALUES (1)", &err));
    assert_int_equal(ls_sql_exec(db, "INSERT INTO t VALUES (zeroblob(1000000))", &err), LS_FULL);
    assert_true(ls_sql_in_transaction(db));
    assert_int_equal(ls_sql_exec(db, "INSERT INTO t VALUES (2)", &err), LS_INTERNAL);
    assert_int_equal(ls_sql_commit(db, &err), LS_INTERNAL);
    ls_sql_rollback(db);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 0);
    ls_sql_close(db);
    free(path);
}

/* ---- failing disks ---- */

static void copy_is_for_the_other_database(void **state)
{
    char *path = testdir_path("copy.db");
    struct ls_sql *db = create(path);
    struct ls_sql_copy *copy = NULL;

    (void)state;
    assert_int_equal(ls_sql_copy_out(db, "COPY t TO STDOUT", &copy, &err), LS_UNSUPPORTED);
    assert_int_equal(ls_sql_copy_in(db, "COPY t FROM STDIN", &copy, &err), LS_UNSUPPORTED);
    OK(ls_sql_checkpoint(db, 0, &err)); /* not guarded: nothing */
    ls_sql_close(db);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_file_is_not_made_by_itself),
        cmocka_unit_test(a_new_file_is_its_owners_alone),
        cmocka_unit_test(a_file_in_a_missing_folder_is_not_found),
        cmocka_unit_test(a_folder_is_no_database),
        cmocka_unit_test(a_file_of_another_kind_is_told),
        cmocka_unit_test(a_truncated_file_is_told),
        cmocka_unit_test(its_identity_is_the_real_path),
        cmocka_unit_test(a_name_with_odd_characters_is_a_name),
        cmocka_unit_test(a_session_is_strict),
        cmocka_unit_test(the_journal_mode_of_a_file_stays),
        cmocka_unit_test(json_is_quoted_in_triggers),
        cmocka_unit_test(read_only_refuses_to_write),
        cmocka_unit_test(missing_rights_are_told),
        cmocka_unit_test(values_come_back_as_they_went_in),
        cmocka_unit_test(nan_is_refused_and_not_made_null),
        cmocka_unit_test(columns_that_are_not_there_are_null),
        cmocka_unit_test(a_statement_runs_again),
        cmocka_unit_test(running_without_stepping_takes_effect),
        cmocka_unit_test(changes_are_counted),
        cmocka_unit_test(only_one_statement_is_prepared),
        cmocka_unit_test(constraints_are_about_the_record),
        cmocka_unit_test(a_transaction_commits_or_not),
        cmocka_unit_test(closing_rolls_back),
        cmocka_unit_test(two_writers_exclude_each_other),
        cmocka_unit_test(a_transaction_that_ended_by_itself_takes_nothing_more),
        cmocka_unit_test(copy_is_for_the_other_database),
    };

    return cmocka_run_group_tests_name("sql/sqlite", tests, NULL, NULL);
}
