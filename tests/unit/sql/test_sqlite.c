/* SPDX-License-Identifier: Apache-2.0 */
/* test_sqlite.c - connections to SQLite files: opening, values, transactions, the guard,
 * failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "lib/testdir.h"
#include "sql/sql.h"

static struct ls_error err;

/* ---- helpers ---- */

#define OK(call)                                                 \
    do {                                                         \
        enum ls_code ok_code = (call);                           \
        if (ok_code != LS_OK)                                    \
            fail_msg("%s: %s", ls_code_name(ok_code), err.text); \
    } while (0)

static enum ls_code try_open(const char *path, struct ls_sql_options options, struct ls_sql **ret)
{
    const struct ls_url url = {.scheme = "sqlite", .location = path, .shown = "sqlite:shown"};

    *ret = NULL;
    return ls_sql_open(&url, &options, ret, &err);
}

static struct ls_sql *open_with(const char *path, struct ls_sql_options options)
{
    struct ls_sql *db;

    OK(try_open(path, options, &db));
    return db;
}

static struct ls_sql *create(const char *path)
{
    return open_with(path, (struct ls_sql_options){.create = true});
}

static struct ls_sql *open_guarded(const char *path)
{
    return open_with(path, (struct ls_sql_options){.create = true, .guarded = true});
}

static int64_t number(struct ls_sql *db, const char *sql)
{
    struct ls_sql_stmt *stmt = NULL;
    bool row;
    int64_t n;

    OK(ls_sql_one(db, sql, NULL, 0, &stmt, &row, &err));
    assert_true(row);
    n = ls_sql_i64(stmt, 0);
    ls_sql_finish(stmt);
    return n;
}

static char *word(struct ls_sql *db, const char *sql)
{
    struct ls_sql_stmt *stmt = NULL;
    bool row;
    char *text;

    OK(ls_sql_one(db, sql, NULL, 0, &stmt, &row, &err));
    assert_true(row);
    text = strdup(ls_sql_text(stmt, 0, NULL));
    ls_sql_finish(stmt);
    return text;
}

static void assert_word(struct ls_sql *db, const char *sql, const char *wanted)
{
    char *found = word(db, sql);

    assert_string_equal(found, wanted);
    free(found);
}

static void assert_says(const char *text)
{
    if (!strstr(err.text, text))
        fail_msg("'%s' is not in: %s", text, err.text);
}

static char *beside(const char *path, const char *suffix)
{
    char *ret;

    assert_true(asprintf(&ret, "%s%s", path, suffix) > 0);
    return ret;
}

static int64_t size_of(const char *path, const char *suffix)
{
    char *name = beside(path, suffix);
    struct stat st;
    int64_t size = stat(name, &st) ? -1 : (int64_t)st.st_size;

    free(name);
    return size;
}

/* Runs body in a child process and gives its exit status; asserts there end it with 1. Leaks
 * are looked for in the parent only. */
static int in_child(void (*body)(const char *path), const char *path)
{
    pid_t pid;
    int status = 0;

    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        body(path);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* For children, where cmocka's asserts have nowhere to go. */
#define CHILD(condition)                                                      \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "%d: %s (%s)\n", __LINE__, #condition, err.text); \
            _exit(1);                                                         \
        }                                                                     \
    } while (0)

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

/* ---- cancelling ---- */

static void *cancel_when_running(void *arg)
{
    struct ls_sql *db = arg;

    /* A cancel that comes too early does nothing, so it is repeated until it hits. */
    for (int i = 0; i < 2000; i++) {
        ls_sql_cancel(db);
        usleep(1000);
        pthread_testcancel();
    }
    return NULL;
}

static void a_running_statement_is_cancelled(void **state)
{
    char *path = testdir_path("cancel.db");
    struct ls_sql *db = create(path);
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_running, db), 0);
    assert_int_equal(ls_sql_exec(db,
                                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) "
                                 "SELECT count(*) FROM n",
                                 &err),
                     LS_CANCELLED);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    assert_int_equal(number(db, "SELECT 7"), 7);
    ls_sql_close(db);
    free(path);
}

static void waiting_for_a_lock_is_cancelled(void **state)
{
    char *path = testdir_path("cancelwait.db");
    struct ls_sql *a = open_guarded(path);
    struct ls_sql *b =
        open_with(path, (struct ls_sql_options){.guarded = true, .busy_timeout_ms = 200000});
    struct ls_sql *c = open_with(path, (struct ls_sql_options){.busy_timeout_ms = 200000});
    pthread_t thread;

    (void)state;
    OK(ls_sql_begin(a, true, &err));
    for (int i = 0; i < 2; i++) {
        struct ls_sql *waiting = i ? c : b; /* for the guard; for SQLite's own lock */

        assert_int_equal(pthread_create(&thread, NULL, cancel_when_running, waiting), 0);
        assert_int_equal(ls_sql_begin(waiting, true, &err), LS_CANCELLED);
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    ls_sql_rollback(a);
    ls_sql_close(c);
    ls_sql_close(b);
    ls_sql_close(a);
    free(path);
}

/* ---- the guard ---- */

static bool lock_is_free(const char *path)
{
    char *lock_path = beside(path, "-lock");
    struct ls_file_lock lock = LS_FILE_UNLOCKED;
    enum ls_code rc = ls_file_lock(&lock, lock_path, 0, false, &err);

    ls_file_unlock(&lock);
    free(lock_path);
    assert_true(rc == LS_OK || rc == LS_BUSY);
    return rc == LS_OK;
}

static void our_own_file_is_durable_and_never_checkpointed_by_itself(void **state)
{
    char *path = testdir_path("own.db");
    struct ls_sql *db = open_guarded(path);

    (void)state;
    assert_word(db, "PRAGMA journal_mode", "wal");
    assert_int_equal(number(db, "PRAGMA synchronous"), 2);
    assert_int_equal(number(db, "PRAGMA wal_autocheckpoint"), 0);
    OK(ls_sql_exec(db, "CREATE TABLE t (a); INSERT INTO t VALUES (1)", &err));
    ls_sql_close(db);
    assert_true(size_of(path, "-wal") > 0); /* closing moved nothing */
    db = open_guarded(path);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 1);
    ls_sql_close(db);
    free(path);
}

static void the_guard_is_held_exactly_while_writing(void **state)
{
    char *path = testdir_path("guard.db");
    struct ls_sql *db = open_guarded(path);
    struct ls_sql_stmt *stmt = NULL;
    bool row;

    (void)state;
    assert_true(lock_is_free(path));
    OK(ls_sql_exec(db, "CREATE TABLE t (a)", &err));
    assert_true(lock_is_free(path));

    OK(ls_sql_begin(db, false, &err));
    number(db, "SELECT count(*) FROM t");
    assert_true(lock_is_free(path)); /* readers need none */
    OK(ls_sql_commit(db, &err));

    OK(ls_sql_begin(db, true, &err));
    assert_false(lock_is_free(path));
    OK(ls_sql_exec(db, "INSERT INTO t VALUES (1)", &err));
    assert_false(lock_is_free(path));
    OK(ls_sql_commit(db, &err));
    assert_true(lock_is_free(path));

    OK(ls_sql_begin(db, true, &err));
    ls_sql_rollback(db);
    assert_true(lock_is_free(path));

    /* A statement that writes and gives rows, outside of a transaction, until its end. */
    OK(ls_sql_prepare(db, "INSERT INTO t VALUES (2), (3) RETURNING a", &stmt, &err));
    OK(ls_sql_run(stmt, NULL, 0, true, &err));
    assert_int_equal(number(db, "SELECT 1"), 1); /* another statement in between */
    assert_false(lock_is_free(path));
    do
        OK(ls_sql_step(stmt, &row, &err));
    while (row);
    assert_true(lock_is_free(path));
    OK(ls_sql_run(stmt, NULL, 0, true, &err));
    ls_sql_finish(stmt); /* broken off */
    assert_true(lock_is_free(path));

    /* A transaction by hand. */
    OK(ls_sql_exec(db, "BEGIN; INSERT INTO t VALUES (4)", &err));
    assert_false(lock_is_free(path));
    OK(ls_sql_exec(db, "COMMIT", &err));
    assert_true(lock_is_free(path));

    /* A statement that fails. */
    assert_int_equal(ls_sql_exec(db, "INSERT INTO t VALUES (abs(-9223372036854775807 - 1))", &err),
                     LS_INTERNAL);
    assert_true(lock_is_free(path));

    OK(ls_sql_begin(db, true, &err));
    ls_sql_close(db);
    assert_true(lock_is_free(path));
    free(path);
}

static void who_holds_the_guard_keeps_others_from_writing(void **state)
{
    char *path = testdir_path("held.db"), *lock_path = beside(path, "-lock");
    struct ls_sql *db = open_guarded(path);
    struct ls_sql *other =
        open_with(path, (struct ls_sql_options){.guarded = true, .busy_timeout_ms = 30});
    struct ls_file_lock lock = LS_FILE_UNLOCKED;

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a)", &err));
    OK(ls_file_lock(&lock, lock_path, 0, false, &err));
    assert_int_equal(ls_sql_begin(other, true, &err), LS_BUSY);
    assert_says("-lock");
    assert_int_equal(ls_sql_exec(other, "INSERT INTO t VALUES (1)", &err), LS_BUSY);
    assert_int_equal(ls_sql_checkpoint(other, 0, &err), LS_BUSY);
    assert_int_equal(number(other, "SELECT count(*) FROM t"), 0);
    ls_file_unlock(&lock);
    OK(ls_sql_exec(other, "INSERT INTO t VALUES (1)", &err));
    ls_sql_close(other);
    ls_sql_close(db);
    free(lock_path);
    free(path);
}

static void a_checkpoint_waits_for_its_limit(void **state)
{
    char *path = testdir_path("checkpoint.db");
    struct ls_sql *db = open_guarded(path);
    int64_t before;

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(100000))", &err));
    before = size_of(path, "-wal");
    assert_true(before > 100000);
    OK(ls_sql_checkpoint(db, 1000000, &err));
    assert_int_equal(size_of(path, "-wal"), before);
    OK(ls_sql_begin(db, true, &err));
    assert_int_equal(ls_sql_checkpoint(db, 0, &err), LS_INTERNAL);
    ls_sql_rollback(db);
    OK(ls_sql_checkpoint(db, 100000, &err));
    assert_int_equal(size_of(path, "-wal"), 0);
    assert_true(size_of(path, "") > 100000);
    assert_true(lock_is_free(path));
    ls_sql_close(db);
    free(path);
}

static void a_reader_does_not_hold_up_a_checkpoint(void **state)
{
    char *path = testdir_path("reader.db");
    struct ls_sql *db, *reader;

    (void)state;
    /* If it waited, it would be for ever. */
    db = open_with(path, (struct ls_sql_options){
                             .create = true, .guarded = true, .busy_timeout_ms = 1000000000});
    OK(ls_sql_exec(db, "CREATE TABLE t (a); INSERT INTO t VALUES (1)", &err));
    reader = open_with(path, (struct ls_sql_options){.guarded = true, .read_only = true});
    OK(ls_sql_begin(reader, false, &err));
    assert_int_equal(number(reader, "SELECT count(*) FROM t"), 1);
    OK(ls_sql_exec(db, "INSERT INTO t VALUES (2)", &err));
    OK(ls_sql_checkpoint(db, 0, &err));
    assert_true(size_of(path, "-wal") > 0);
    assert_int_equal(number(reader, "SELECT count(*) FROM t"), 1);
    ls_sql_rollback(reader);
    OK(ls_sql_checkpoint(db, 0, &err));
    assert_int_equal(size_of(path, "-wal"), 0);
    ls_sql_close(reader);
    ls_sql_close(db);
    free(path);
}

static void die_in_a_transaction(const char *path)
{
    struct ls_sql *db;

    CHILD(try_open(path, (struct ls_sql_options){.guarded = true}, &db) == LS_OK);
    CHILD(ls_sql_exec(db, "INSERT INTO t VALUES (1)", &err) == LS_OK);
    CHILD(ls_sql_begin(db, true, &err) == LS_OK);
    CHILD(ls_sql_exec(db, "INSERT INTO t VALUES (2)", &err) == LS_OK);
    kill(getpid(), SIGKILL);
}

static void a_killed_writer_leaves_its_commits_and_no_lock(void **state)
{
    char *path = testdir_path("killed.db");
    struct ls_sql *db = open_guarded(path);

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a)", &err));
    ls_sql_close(db);
    assert_int_equal(in_child(die_in_a_transaction, path), 128 + SIGKILL);
    assert_true(lock_is_free(path));
    db = open_guarded(path);
    assert_int_equal(number(db, "SELECT sum(a) FROM t"), 1);
    ls_sql_close(db);
    free(path);
}

static void write_many(const char *path)
{
    struct ls_sql *db;

    CHILD(try_open(path, (struct ls_sql_options){.guarded = true, .busy_timeout_ms = 60000}, &db) ==
          LS_OK);
    for (int i = 0; i < 50; i++) {
        CHILD(ls_sql_begin(db, true, &err) == LS_OK);
        CHILD(ls_sql_exec(db, "UPDATE t SET a = a + 1", &err) == LS_OK);
        CHILD(ls_sql_commit(db, &err) == LS_OK);
        if (i % 10 == 9)
            CHILD(ls_sql_checkpoint(db, 0, &err) == LS_OK);
    }
    ls_sql_close(db);
}

static void two_processes_write_and_checkpoint_without_loss(void **state)
{
    char *path = testdir_path("two.db");
    struct ls_sql *db = open_guarded(path);
    int status;
    pid_t pid;

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a); INSERT INTO t VALUES (0)", &err));
    ls_sql_close(db);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        write_many(path);
        _exit(0);
    }
    assert_int_equal(in_child(write_many, path), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    db = open_guarded(path);
    assert_int_equal(number(db, "SELECT a FROM t"), 100);
    assert_word(db, "PRAGMA integrity_check", "ok");
    ls_sql_close(db);
    free(path);
}

/* ---- failing disks ---- */

/* A VFS that is the default one but for the fsync of a WAL, which fails while told to. */
static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    sqlite3_io_methods methods;
    const sqlite3_io_methods *real_methods;
    bool failing;
} shim;

static int shim_sync(sqlite3_file *file, int flags)
{
    return shim.failing ? SQLITE_IOERR_FSYNC : shim.real_methods->xSync(file, flags);
}

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    int rc = shim.real->xOpen(vfs, name, file, flags, out);

    if (rc == SQLITE_OK && (flags & SQLITE_OPEN_WAL)) {
        shim.real_methods = file->pMethods;
        shim.methods = *file->pMethods;
        shim.methods.xSync = shim_sync;
        file->pMethods = &shim.methods;
    }
    return rc;
}

static void a_failed_fsync_ends_the_connection(void **state)
{
    char *path = testdir_path("fsync.db");
    struct ls_sql *db;

    (void)state;
    shim.real = sqlite3_vfs_find(NULL);
    shim.vfs = *shim.real;
    shim.vfs.pNext = NULL;
    shim.vfs.zName = "shim";
    shim.vfs.xOpen = shim_open;
    assert_int_equal(sqlite3_vfs_register(&shim.vfs, 1), SQLITE_OK);
    db = open_guarded(path);
    OK(ls_sql_exec(db, "CREATE TABLE t (a)", &err));
    OK(ls_sql_begin(db, true, &err));
    OK(ls_sql_exec(db, "INSERT INTO t VALUES (1)", &err));
    shim.failing = true;
    assert_int_equal(ls_sql_commit(db, &err), LS_IO);
    assert_string_equal(err.native, "IOERR_FSYNC");
    assert_says("Check the disk");
    shim.failing = false;
    assert_false(ls_sql_alive(db));
    ls_sql_rollback(db);
    assert_int_equal(ls_sql_exec(db, "SELECT 1", &err), LS_IO);
    assert_int_equal(ls_sql_begin(db, true, &err), LS_IO);
    assert_int_equal(ls_sql_checkpoint(db, 0, &err), LS_IO);
    ls_sql_close(db);
    sqlite3_vfs_unregister(&shim.vfs);
    assert_true(lock_is_free(path));
    free(path);
}

static void fill_the_disk(const char *path)
{
    struct rlimit limit = {.rlim_cur = 200000, .rlim_max = 200000};
    struct ls_sql *db;

    signal(SIGXFSZ, SIG_IGN);
    CHILD(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHILD(try_open(path, (struct ls_sql_options){0}, &db) == LS_OK);
    CHILD(ls_sql_begin(db, true, &err) == LS_OK);
    CHILD(ls_sql_exec(db, "INSERT INTO t VALUES (zeroblob(1000000))", &err) == LS_OK);
    CHILD(ls_sql_commit(db, &err) == LS_FULL);
    ls_sql_rollback(db);
    ls_sql_close(db);
}

static void a_full_disk_is_told_and_nothing_is_lost(void **state)
{
    char *path = testdir_path("disk.db");
    struct ls_sql *db = create(path);

    (void)state;
    OK(ls_sql_exec(db, "CREATE TABLE t (a); INSERT INTO t VALUES (1)", &err));
    ls_sql_close(db);
    assert_int_equal(in_child(fill_the_disk, path), 0);
    db = open_with(path, (struct ls_sql_options){0});
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 1);
    assert_word(db, "PRAGMA integrity_check", "ok");
    ls_sql_close(db);
    free(path);
}

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
        cmocka_unit_test(a_running_statement_is_cancelled),
        cmocka_unit_test(waiting_for_a_lock_is_cancelled),
        cmocka_unit_test(our_own_file_is_durable_and_never_checkpointed_by_itself),
        cmocka_unit_test(the_guard_is_held_exactly_while_writing),
        cmocka_unit_test(who_holds_the_guard_keeps_others_from_writing),
        cmocka_unit_test(a_checkpoint_waits_for_its_limit),
        cmocka_unit_test(a_reader_does_not_hold_up_a_checkpoint),
        cmocka_unit_test(a_killed_writer_leaves_its_commits_and_no_lock),
        cmocka_unit_test(two_processes_write_and_checkpoint_without_loss),
        cmocka_unit_test(a_failed_fsync_ends_the_connection),
        cmocka_unit_test(a_full_disk_is_told_and_nothing_is_lost),
        cmocka_unit_test(copy_is_for_the_other_database),
    };

    return cmocka_run_group_tests_name("sql/sqlite", tests, NULL, NULL);
}
