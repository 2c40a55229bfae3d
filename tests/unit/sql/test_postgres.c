/* SPDX-License-Identifier: Apache-2.0 */
/* test_postgres.c - connections to a real PostgreSQL server: opening, values, streams, COPY,
 * failures.
 *
 * The server is LOCKSTEP_TEST_PG's; see lib/testpg.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/testpg.h"
#include "sql/sql.h"

static struct ls_error err;
static char *database; /* the URL of one for all tests */
static struct ls_sql *db;

/* ---- helpers ---- */

#define OK(call)                                                 \
    do {                                                         \
        enum ls_code ok_code = (call);                           \
        if (ok_code != LS_OK)                                    \
            fail_msg("%s: %s", ls_code_name(ok_code), err.text); \
    } while (0)

static enum ls_code try_open(const char *location, struct ls_sql_options options,
                             struct ls_sql **ret)
{
    const struct ls_url url = {
        .scheme = "postgres", .location = location, .shown = "postgres://shown/db"};

    *ret = NULL;
    memset(&err, 0, sizeof(err));
    return ls_sql_open(&url, &options, ret, &err);
}

static struct ls_sql *open_with(struct ls_sql_options options)
{
    struct ls_sql *ret;

    OK(try_open(database, options, &ret));
    return ret;
}

static struct ls_sql_stmt *one(struct ls_sql *on, const char *sql)
{
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;

    OK(ls_sql_one(on, sql, NULL, 0, &stmt, &row, &err));
    assert_true(row);
    return stmt;
}

static int64_t number(struct ls_sql *on, const char *sql)
{
    struct ls_sql_stmt *stmt = one(on, sql);
    int64_t n = ls_sql_i64(stmt, 0);

    ls_sql_finish(stmt);
    return n;
}

static void assert_word(struct ls_sql *on, const char *sql, const char *wanted)
{
    struct ls_sql_stmt *stmt = one(on, sql);

    assert_string_equal(ls_sql_text(stmt, 0, NULL), wanted);
    ls_sql_finish(stmt);
}

static void assert_says(const char *text)
{
    if (!strstr(err.text, text))
        fail_msg("'%s' is not in: %s", text, err.text);
}

static void assert_says_not(const char *text)
{
    if (strstr(err.text, text))
        fail_msg("'%s' is in: %s", text, err.text);
}

static void make_role(void)
{
    testpg_exec(database, "DO $$BEGIN CREATE ROLE test_sql_role LOGIN PASSWORD 'right'; "
                          "EXCEPTION WHEN duplicate_object THEN NULL; END$$");
}

static int set_up(void **state)
{
    (void)state;
    database = testpg_database("sql");
    testpg_exec(database, "CREATE SCHEMA s; CREATE TABLE s.t (id bigint PRIMARY KEY, name text)");
    db = open_with((struct ls_sql_options){0});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ls_sql_close(db);
    testpg_exec(database, "DROP ROLE IF EXISTS test_sql_role");
    free(database);
    return 0;
}

static int empty_table(void **state)
{
    (void)state;
    ls_sql_rollback(db);
    return ls_sql_exec(db, "TRUNCATE s.t", &err) == LS_OK ? 0 : -1;
}

/* ---- opening ---- */

static void a_session_has_fixed_settings(void **state)
{
    static const char *const settings[][2] = {
        {"TimeZone", "UTC"},
        {"DateStyle", "ISO, YMD"},
        {"IntervalStyle", "postgres"},
        {"extra_float_digits", "3"},
        {"client_encoding", "UTF8"},
        {"bytea_output", "hex"},
        {"search_path", ""},
        {"standard_conforming_strings", "on"},
        {"client_min_messages", "warning"},
        {"synchronous_commit", "on"},
        {"lc_monetary", "C"},
        {"application_name", "lockstep"},
        {"lock_timeout", "10s"},
        {"statement_timeout", "0"},
        {"default_transaction_read_only", "off"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        char sql[100];

        snprintf(sql, sizeof(sql), "SELECT current_setting('%s')", settings[i][0]);
        assert_word(db, sql, settings[i][1]);
    }
    assert_int_equal(ls_sql_dialect(db), LS_POSTGRES);
    assert_true(ls_sql_version(db) >= 120000);
    assert_true(ls_sql_alive(db));
}

static void options_set_the_timeouts_and_the_url_keeps_its_own(void **state)
{
    char *location = NULL;
    struct ls_sql *other;

    (void)state;
    assert_true(asprintf(&location, "%s?application_name=mine&options=-c%%20work_mem%%3D1MB",
                         database) > 0);
    OK(try_open(location,
                (struct ls_sql_options){.lock_timeout_ms = 1500, .statement_timeout_ms = 2500},
                &other));
    assert_word(other, "SELECT current_setting('lock_timeout')", "1500ms");
    assert_word(other, "SELECT current_setting('statement_timeout')", "2500ms");
    assert_word(other, "SELECT current_setting('application_name')", "mine");
    assert_word(other, "SELECT current_setting('work_mem')", "1MB");
    ls_sql_close(other);
    free(location);
}

static void a_read_only_session_refuses_to_write(void **state)
{
    struct ls_sql *other = open_with((struct ls_sql_options){.read_only = true});

    (void)state;
    assert_int_equal(ls_sql_exec(other, "INSERT INTO s.t VALUES (1)", &err), LS_PERMISSION);
    assert_string_equal(err.native, "25006");
    OK(ls_sql_begin(other, true, &err));
    assert_int_equal(ls_sql_exec(other, "INSERT INTO s.t VALUES (1)", &err), LS_PERMISSION);
    ls_sql_rollback(other);
    ls_sql_close(other);
}

static void its_identity_has_no_credentials(void **state)
{
    char *secret, *found;
    char *odd = NULL, *wanted = NULL, *folder, *port;
    struct ls_sql *other;

    (void)state;
    make_role();
    secret = testpg_url_with(database, "test_sql_role", "right", NULL);
    OK(try_open(secret, (struct ls_sql_options){0}, &other));
    found = testpg_value(database, "SELECT 'postgres://127.0.0.1:' || current_setting('port') || "
                                   "'/' || current_database()");
    assert_string_equal(ls_sql_identity(other), found);
    ls_sql_close(other);
    free(found);

    free(secret);

    /* Through the socket's folder, with a name that needs encoding. */
    free(testpg_database("odd name/?"));
    folder = testpg_value(database, "SELECT replace(split_part(current_setting("
                                    "'unix_socket_directories'), ',', 1), '/', '%2F')");
    port = testpg_value(database, "SELECT current_setting('port')");
    assert_true(asprintf(&odd, "postgres:///t_odd%%20name%%2F%%3F_%d?user=postgres&host=%s&port=%s",
                         (int)getpid(), folder, port) > 0);
    assert_true(asprintf(&wanted, "postgres://%s:%s/t_odd%%20name%%2F%%3F_%d", folder, port,
                         (int)getpid()) > 0);
    OK(try_open(odd, (struct ls_sql_options){0}, &other));
    assert_string_equal(ls_sql_identity(other), wanted);
    ls_sql_close(other);
    free(wanted);
    free(odd);
    free(port);
    free(folder);
}

/* ---- why there is no connection ---- */

static void assert_refused(const char *location, enum ls_code code, const char *native,
                           const char *why, const char *what_to_do)
{
    struct ls_sql *other;

    assert_int_equal(try_open(location, (struct ls_sql_options){.connect_timeout_s = 5}, &other),
                     code);
    assert_null(other);
    assert_string_equal(err.native, native);
    assert_says(why);
    assert_says(what_to_do);
    assert_says("postgres://shown/db");
    assert_says_not("geheim");
}

static void a_wrong_password_is_told(void **state)
{
    char *location;

    (void)state;
    make_role();
    location = testpg_url_with(database, "test_sql_role", "geheim", NULL);
    assert_refused(location, LS_PERMISSION, "28P01", "password authentication failed",
                   "PGPASSWORD");
    assert_says("host=127.0.0.1");
    assert_says("port=");
    assert_says("database=t_sql_");
    free(location);
    location = testpg_url_with(database, "test_sql_role", NULL, NULL);
    unsetenv("PGPASSWORD");
    assert_refused(location, LS_PERMISSION, "", "asks for a password", "PGPASSWORD");
    free(location);
    location = testpg_url_with(database, "test_sql_nobody", "geheim", NULL);
    assert_refused(location, LS_PERMISSION, "28P01", "test_sql_nobody", "Check user");
    free(location);
}

static void a_missing_database_is_told(void **state)
{
    char *location = testpg_url_with(database, NULL, NULL, "test_no_such_database");

    (void)state;
    assert_refused(location, LS_NOT_FOUND, "3D000", "test_no_such_database", "database's name");
    assert_says("does not exist");
    free(location);
}

/* A port on which nothing listens: bound, and then closed. */
static int free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    close(fd);
    return ntohs(at.sin_port);
}

static void a_server_that_does_not_listen_is_told(void **state)
{
    char location[200];

    (void)state;
    snprintf(location, sizeof(location), "postgres://u:geheim@127.0.0.1:%d/db", free_port());
    assert_refused(location, LS_CONNECT, "", "Connection refused", "Check host and port");
    assert_true(ls_code_retryable(err.code));
    assert_refused("postgres://u:geheim@no-such-host.invalid/db", LS_CONNECT, "",
                   "no-such-host.invalid", "Check host and port");
    assert_refused("postgres://u:geheim@/db?host=/nowhere/at/all", LS_CONNECT, "",
                   "No such file or directory", "host=/nowhere/at/all");
}

/* One that accepts and then says nothing. */
static void a_server_that_does_not_answer_is_told(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char location[200];
    struct ls_sql *other;

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    snprintf(location, sizeof(location), "postgres://u:geheim@127.0.0.1:%d/db", ntohs(at.sin_port));
    assert_int_equal(try_open(location, (struct ls_sql_options){.connect_timeout_s = 1}, &other),
                     LS_CONNECT);
    assert_says("no answer in time");
    assert_says("firewall");
    assert_says_not("geheim");
    close(fd);
}

static void a_server_without_tls_is_told(void **state)
{
    char *location = NULL;

    (void)state;
    assert_true(asprintf(&location, "%s?sslmode=require", database) > 0);
    assert_refused(location, LS_CONNECT, "", "SSL", "sslmode");
    free(location);
}

static void a_url_that_falls_apart_never_shows_its_password(void **state)
{
    static const char *const locations[] = {
        "postgres://user:geh@geheim@127.0.0.1/db", /* the rest would be the host */
        "postgres://user:geheim/x@127.0.0.1/db",   /* the port */
        "postgres://user:geheim@127.0.0.1/db?no_such_option=1",
        "postgres://user:%zzgeheim@127.0.0.1/db",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(locations) / sizeof(locations[0]); i++) {
        struct ls_sql *other;

        assert_int_equal(try_open(locations[i], (struct ls_sql_options){0}, &other), LS_USAGE);
        assert_says("percent-encoded");
        assert_says_not("geheim");
    }
}

/* ---- statements and values ---- */

static void values_come_back_as_they_went_in(void **state)
{
    const struct ls_value in[] = {
        {.type = LS_T_NULL},
        ls_value_int(INT64_MIN),
        {.type = LS_T_DOUBLE, .d = 0.1},
        {.type = LS_T_DOUBLE, .d = -INFINITY},
        {.type = LS_T_DOUBLE, .d = NAN},
        ls_value_data(LS_T_TEXT, "it's \"d\u00e4s\" \\", 13),
        ls_value_data(LS_T_BYTES, "\0\xff\\x", 4),
        ls_value_data(LS_T_BYTES, NULL, 0),
        ls_value_data(LS_T_DECIMAL, "12.50", 5),
        {.type = LS_T_BOOL, .b = true},
        {.type = LS_T_DATE, .i = 1},
        ls_value_data(LS_T_TEXT, NULL, 0),
    };
    struct ls_sql_stmt *stmt = NULL;
    size_t size;
    bool row;

    (void)state;
    OK(ls_sql_one(db,
                  "SELECT ?::text, ?, ?, ?, ?, ?::text, ?, ?, ?::numeric, ?::bool, ?::date, "
                  "?::text, 'raw'::text, 12.9::numeric",
                  in, 12, &stmt, &row, &err));
    assert_true(row);
    assert_int_equal(ls_sql_columns(stmt), 14);
    assert_true(ls_sql_is_null(stmt, 0));
    assert_true(ls_sql_i64(stmt, 1) == INT64_MIN);
    assert_true(ls_sql_double(stmt, 2) == 0.1);
    assert_true(ls_sql_double(stmt, 3) == -INFINITY);
    assert_true(isnan(ls_sql_double(stmt, 4)));
    assert_memory_equal(ls_sql_text(stmt, 5, &size), "it's \"d\u00e4s\" \\", 14);
    assert_int_equal(size, 13);
    assert_memory_equal(ls_sql_bytes(stmt, 6, &size), "\0\xff\\x", 4);
    assert_int_equal(size, 4);
    assert_non_null(ls_sql_bytes(stmt, 7, &size));
    assert_int_equal(size, 0);
    assert_string_equal(ls_sql_text(stmt, 8, NULL), "12.50");
    assert_int_equal(ls_sql_i64(stmt, 9), 1);
    assert_string_equal(ls_sql_text(stmt, 10, NULL), "1970-01-02");
    assert_false(ls_sql_is_null(stmt, 11));
    assert_string_equal(ls_sql_text(stmt, 11, NULL), "");
    assert_memory_equal(ls_sql_bytes(stmt, 12, &size), "raw", 3);
    assert_int_equal(ls_sql_i64(stmt, 13), 12);
    assert_int_equal(ls_sql_value(stmt, 1).type, LS_T_TEXT);
    assert_int_equal(ls_sql_value(stmt, 0).type, LS_T_NULL);
    assert_int_equal(ls_sql_value(stmt, 99).type, LS_T_NULL);
    ls_sql_finish(stmt);
}

static void text_is_taken_as_any_type(void **state)
{
    struct ls_value in[] = {ls_value_text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
                            ls_value_text("2024-02-29"), ls_value_text("{1,2}")};
    struct ls_sql_stmt *stmt = NULL;
    bool row;

    (void)state;
    OK(ls_sql_exec(db,
                   "CREATE TEMPORARY TABLE kinds AS SELECT "
                   "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS u, '2024-02-29'::date AS d, "
                   "'{1,2}'::int[] AS a",
                   &err));
    OK(ls_sql_one(db, "SELECT 1 FROM pg_temp.kinds WHERE u = ? AND d = ? AND a = ?", in, 3, &stmt,
                  &row, &err));
    assert_true(row);
    ls_sql_finish(stmt);
    OK(ls_sql_exec(db, "DROP TABLE pg_temp.kinds", &err));
}

static void a_nul_in_text_is_refused_and_not_cut(void **state)
{
    struct ls_value v = ls_value_data(LS_T_TEXT, "a\0b", 3);
    struct ls_sql_stmt *stmt = NULL;
    bool row;

    (void)state;
    assert_int_equal(ls_sql_one(db, "SELECT ?::text", &v, 1, &stmt, &row, &err), LS_TYPE);
    assert_says("NUL");
    v = ls_value_data(LS_T_TEXT, "\xff", 1);
    assert_int_equal(ls_sql_one(db, "SELECT ?::text", &v, 1, &stmt, &row, &err), LS_TYPE);
    assert_string_equal(err.native, "22021");
    assert_null(stmt);
}

static void a_statement_runs_again_with_other_types(void **state)
{
    struct ls_value null = ls_value_null(), five = ls_value_int(5), text = ls_value_text("7");
    const struct ls_value *in[] = {&null, &five, &null, &five, &text, &five, &text, &null};
    static const char *const out[] = {NULL, "5", NULL, "5", "7", "5", "7", NULL};
    struct ls_sql_stmt *stmt = NULL;
    bool row;

    (void)state;
    OK(ls_sql_prepare(db, "SELECT ?::bigint", &stmt, &err));
    for (size_t i = 0; i < 8; i++) {
        OK(ls_sql_run(stmt, in[i], 1, i % 2, &err));
        OK(ls_sql_step(stmt, &row, &err));
        assert_true(row);
        assert_true(ls_sql_is_null(stmt, 0) == !out[i]);
        if (out[i])
            assert_string_equal(ls_sql_text(stmt, 0, NULL), out[i]);
        OK(ls_sql_step(stmt, &row, &err));
        assert_false(row);
        OK(ls_sql_step(stmt, &row, &err));
        assert_false(row);
    }
    assert_int_equal(ls_sql_run(stmt, NULL, 0, false, &err), LS_INTERNAL);
    ls_sql_finish(stmt);
}

/* One character of two bytes: its length tells as what the server took it. */
static void what_was_prepared_for_bytes_is_not_run_with_text(void **state)
{
    struct ls_value bytes = ls_value_data(LS_T_BYTES, "\xc3\xa4", 2);
    struct ls_value text = ls_value_data(LS_T_TEXT, "\xc3\xa4", 2);
    struct ls_sql_stmt *stmt = NULL;
    bool row;

    (void)state;
    OK(ls_sql_prepare(db, "SELECT length(?)", &stmt, &err));
    for (int i = 0; i < 8; i++) {
        bool as_text = i % 4 > 1;

        OK(ls_sql_run(stmt, as_text ? &text : &bytes, 1, false, &err));
        OK(ls_sql_step(stmt, &row, &err));
        assert_int_equal(ls_sql_i64(stmt, 0), as_text ? 1 : 2);
    }
    ls_sql_finish(stmt);
}

static void names_of_prepared_statements_are_given_back(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct ls_sql_stmt *stmt = NULL;

        OK(ls_sql_prepare(db, "SELECT 1", &stmt, &err));
        OK(ls_sql_run(stmt, NULL, 0, false, &err));
        OK(ls_sql_run(stmt, NULL, 0, false, &err));
        ls_sql_finish(stmt);
    }
    assert_true(number(db, "SELECT count(*) FROM pg_prepared_statements") < 40);
}

static void changes_are_counted(void **state)
{
    struct ls_sql_stmt *stmt = NULL;
    int64_t changes = -1;

    (void)state;
    OK(ls_sql_prepare(db, "INSERT INTO s.t SELECT g, 'n' FROM generate_series(1, 3) g", &stmt,
                      &err));
    OK(ls_sql_change(stmt, NULL, 0, &changes, &err));
    assert_int_equal(changes, 3);
    ls_sql_finish(stmt);
    OK(ls_sql_prepare(db, "SELECT * FROM s.t", &stmt, &err));
    OK(ls_sql_change(stmt, NULL, 0, &changes, &err));
    assert_int_equal(changes, 0);
    ls_sql_finish(stmt);
    OK(ls_sql_prepare(db, "DELETE FROM s.t WHERE id > 1 RETURNING id", &stmt, &err));
    OK(ls_sql_change(stmt, NULL, 0, &changes, &err));
    assert_int_equal(changes, 2);
    OK(ls_sql_change(stmt, NULL, 0, NULL, &err));
    ls_sql_finish(stmt);
}

static void question_marks_are_operators_when_doubled(void **state)
{
    struct ls_value v = ls_value_text("b");
    struct ls_sql_stmt *stmt = NULL;
    bool row;

    (void)state;
    OK(ls_sql_one(db, "SELECT '{\"b\":1}'::jsonb ?? ?, '?'", &v, 1, &stmt, &row, &err));
    assert_int_equal(ls_sql_i64(stmt, 0), 1);
    assert_string_equal(ls_sql_text(stmt, 1, NULL), "?");
    ls_sql_finish(stmt);
}

static void numbers_do_not_follow_the_locale(void **state)
{
    struct ls_value v = {.type = LS_T_DOUBLE, .d = 1.5};
    struct ls_sql_stmt *stmt = NULL;
    bool row;

    (void)state;
    /* Where no such locale is installed this shows nothing, and does no harm. */
    (void)setlocale(LC_NUMERIC, "de_DE.UTF-8");
    OK(ls_sql_one(db, "SELECT ?", &v, 1, &stmt, &row, &err));
    assert_true(ls_sql_double(stmt, 0) == 1.5);
    ls_sql_finish(stmt);
    (void)setlocale(LC_NUMERIC, "C");
}

/* ---- streams ---- */

static void a_stream_gives_all_rows(void **state)
{
    struct ls_sql_stmt *stmt = NULL;
    int64_t count = 0;
    bool row;

    (void)state;
    OK(ls_sql_prepare(db, "SELECT g FROM generate_series(1, ?) g", &stmt, &err));
    for (int round = 0; round < 2; round++) {
        struct ls_value v = ls_value_int(5000);

        count = 0;
        OK(ls_sql_run(stmt, &v, 1, true, &err));
        for (;;) {
            OK(ls_sql_step(stmt, &row, &err));
            if (!row)
                break;
            assert_int_equal(ls_sql_i64(stmt, 0), ++count);
        }
        assert_int_equal(count, 5000);
    }
    ls_sql_finish(stmt);
}

static void nothing_runs_beside_a_stream(void **state)
{
    struct ls_sql_stmt *stmt = NULL;
    bool row;

    (void)state;
    OK(ls_sql_prepare(db, "SELECT g FROM generate_series(1, 1000000) g", &stmt, &err));
    OK(ls_sql_run(stmt, NULL, 0, true, &err));
    OK(ls_sql_step(stmt, &row, &err));
    assert_int_equal(ls_sql_exec(db, "SELECT 1", &err), LS_INTERNAL);
    assert_says("stream");
    ls_sql_finish(stmt); /* broken off */
    assert_int_equal(number(db, "SELECT 1"), 1);
}

static void an_error_in_the_middle_of_a_stream_is_told(void **state)
{
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = LS_OK;
    int rows = 0;
    bool row = true;

    (void)state;
    OK(ls_sql_prepare(db, "SELECT 1 / (3000 - g) FROM generate_series(1, 5000) g", &stmt, &err));
    OK(ls_sql_run(stmt, NULL, 0, true, &err));
    while (rc == LS_OK && row) {
        rc = ls_sql_step(stmt, &row, &err);
        rows++;
    }
    assert_int_equal(rc, LS_TYPE);
    assert_string_equal(err.native, "22012");
    assert_int_equal(rows, 3000);
    assert_int_equal(number(db, "SELECT 1"), 1);
    ls_sql_finish(stmt);
}

static void a_short_stream_broken_off_leaves_its_transaction(void **state)
{
    struct ls_sql_stmt *stmt = NULL;
    bool row;

    (void)state;
    OK(ls_sql_begin(db, false, &err));
    OK(ls_sql_prepare(db, "SELECT g FROM generate_series(1, 3) g", &stmt, &err));
    OK(ls_sql_run(stmt, NULL, 0, true, &err));
    OK(ls_sql_step(stmt, &row, &err));
    ls_sql_finish(stmt);
    assert_int_equal(number(db, "SELECT 1"), 1);
    OK(ls_sql_commit(db, &err));
}

/* ---- errors ---- */

static void constraints_are_about_the_record(void **state)
{
    static const struct {
        const char *sql;
        enum ls_code code;
        const char *native, *text;
    } cases[] = {
        {"INSERT INTO r VALUES (1, 2, 'x', 1)", LS_CONSTRAINT, "23505", "r_pkey"},
        {"INSERT INTO r VALUES (2, 2, NULL, 1)", LS_CONSTRAINT, "23502", "\"n\""},
        {"INSERT INTO r VALUES (2, 2, 'x', -1)", LS_CONSTRAINT, "23514", "positive"},
        {"INSERT INTO r VALUES (2, 99, 'x', 1)", LS_CONSTRAINT, "23503", "r_f_fkey"},
        {"INSERT INTO r VALUES (2, 1, 'secret value', 1)", LS_TYPE, "22001", "too long"},
        {"INSERT INTO r VALUES ('secret', 1, 'x', 1)", LS_TYPE, "22P02", "integer"},
        {"SELECT 'sec\"ret'::int", LS_TYPE, "22P02", "integer"},
        {"SELECT E'sec\\nret'::date", LS_TYPE, "22007", "date"},
        {"SELECT 's\u00e9cret'::int", LS_TYPE, "22P02", "does not fit"},
        {"SELECT '99999999999secret'::numeric::int", LS_TYPE, "22P02", "numeric"},
        {"SELECT 100000::smallint", LS_TYPE, "22003", "smallint out of range"},
        {"SELECT * FROM nowhere", LS_NOT_FOUND, "42P01", "nowhere"},
        {"SELECT nothing FROM r", LS_NOT_FOUND, "42703", "nothing"},
        {"SELEKT", LS_INTERNAL, "42601", "syntax"},
        {"SELECT 1 = 'x'::text", LS_UNSUPPORTED, "42883", "operator"},
        {"DO $$BEGIN RAISE 'no weekends'; END$$", LS_CONSTRAINT, "P0001", "no weekends"},
    };

    (void)state;
    OK(ls_sql_exec(db,
                   "SET search_path = pg_temp; CREATE TEMPORARY TABLE r (id int PRIMARY KEY, "
                   "f int REFERENCES r, n varchar(3) NOT NULL, c int CONSTRAINT positive CHECK "
                   "(c > 0)); INSERT INTO r VALUES (1, 1, 'x', 1)",
                   &err));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum ls_code rc = ls_sql_exec(db, cases[i].sql, &err);

        if (rc != cases[i].code)
            fail_msg("%s: %s: %s", cases[i].sql, ls_code_name(rc), err.text);
        assert_string_equal(err.native, cases[i].native);
        assert_says(cases[i].text);
        assert_says_not("secret");
        assert_says_not("ret\""); /* what is behind a quotation mark of the value's own */
        assert_says_not("Failing row");
    }
    OK(ls_sql_exec(db, "DROP TABLE r; SET search_path = ''", &err));
}

static void missing_rights_are_told(void **state)
{
    char *location;
    struct ls_sql *other;

    (void)state;
    make_role();
    location = testpg_url_with(database, "test_sql_role", "right", NULL);
    OK(try_open(location, (struct ls_sql_options){0}, &other));
    assert_int_equal(ls_sql_exec(other, "SELECT * FROM s.t", &err), LS_PERMISSION);
    assert_string_equal(err.native, "42501");
    assert_says("Grant");
    ls_sql_close(other);
    free(location);
}

static void a_lock_that_others_hold_is_busy(void **state)
{
    struct ls_sql *other = open_with((struct ls_sql_options){.lock_timeout_ms = 30});

    (void)state;
    OK(ls_sql_begin(db, true, &err));
    OK(ls_sql_exec(db, "LOCK TABLE s.t", &err));
    assert_int_equal(ls_sql_exec(other, "SELECT * FROM s.t", &err), LS_BUSY);
    assert_string_equal(err.native, "55P03");
    ls_sql_rollback(db);
    OK(ls_sql_exec(other, "SELECT * FROM s.t", &err));
    ls_sql_close(other);
}

static void a_statement_that_takes_too_long_is_busy(void **state)
{
    struct ls_sql *other = open_with((struct ls_sql_options){.statement_timeout_ms = 30});

    (void)state;
    assert_int_equal(ls_sql_exec(other, "SELECT pg_sleep(60)", &err), LS_BUSY);
    assert_string_equal(err.native, "57014");
    assert_says("statement timeout");
    ls_sql_close(other);
}

static void *cancel_when_running(void *arg)
{
    /* A cancel that comes too early does nothing, so it is repeated until it hits. */
    for (int i = 0; i < 2000; i++) {
        ls_sql_cancel(arg);
        usleep(1000);
        pthread_testcancel();
    }
    return NULL;
}

static void a_running_statement_is_cancelled(void **state)
{
    struct ls_sql *other = open_with((struct ls_sql_options){0});
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_running, other), 0);
    assert_int_equal(ls_sql_exec(other, "SELECT pg_sleep(60)", &err), LS_CANCELLED);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    ls_sql_close(other);
}

static void a_lost_connection_is_told(void **state)
{
    struct ls_sql *other = open_with((struct ls_sql_options){0});
    struct ls_sql_stmt *stmt = NULL;
    char sql[100];

    (void)state;
    OK(ls_sql_prepare(other, "SELECT 1", &stmt, &err));
    OK(ls_sql_begin(other, true, &err));
    snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d, 10000)",
             (int)number(other, "SELECT pg_backend_pid()"));
    testpg_exec(database, sql);
    assert_int_equal(ls_sql_exec(other, "SELECT 1", &err), LS_CONNECT);
    assert_says("postgres://shown/db");
    assert_says("lost");
    assert_false(ls_sql_alive(other));
    assert_false(ls_sql_in_transaction(other));
    assert_int_equal(ls_sql_run(stmt, NULL, 0, false, &err), LS_CONNECT);
    assert_int_equal(ls_sql_begin(other, true, &err), LS_CONNECT);
    ls_sql_rollback(other);
    ls_sql_finish(stmt);
    ls_sql_close(other);
}

static void a_connection_lost_at_commit_says_that_it_is_open(void **state)
{
    struct ls_sql *other = open_with((struct ls_sql_options){0});
    char sql[100];

    (void)state;
    OK(ls_sql_begin(other, true, &err));
    snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d, 10000)",
             (int)number(other, "SELECT pg_backend_pid()"));
    testpg_exec(database, sql);
    assert_int_equal(ls_sql_commit(other, &err), LS_CONNECT);
    assert_says("may or may not");
    ls_sql_close(other);
}

/* ---- transactions ---- */

static void a_transaction_commits_or_not(void **state)
{
    (void)state;
    assert_false(ls_sql_in_transaction(db));
    assert_int_equal(ls_sql_commit(db, &err), LS_INTERNAL);
    OK(ls_sql_begin(db, true, &err));
    assert_true(ls_sql_in_transaction(db));
    assert_int_equal(ls_sql_begin(db, true, &err), LS_INTERNAL);
    assert_word(db, "SHOW transaction_isolation", "read committed");
    OK(ls_sql_exec(db, "INSERT INTO s.t VALUES (1)", &err));
    OK(ls_sql_commit(db, &err));
    OK(ls_sql_begin(db, true, &err));
    OK(ls_sql_exec(db, "INSERT INTO s.t VALUES (2)", &err));
    ls_sql_rollback(db);
    ls_sql_rollback(db);
    assert_int_equal(number(db, "SELECT count(*) FROM s.t"), 1);
    OK(ls_sql_begin(db, false, &err));
    assert_word(db, "SHOW transaction_isolation", "repeatable read");
    assert_int_equal(ls_sql_exec(db, "INSERT INTO s.t VALUES (3)", &err), LS_PERMISSION);
    ls_sql_rollback(db);
    assert_false(ls_sql_in_transaction(db));
}

/* The server answers such a COMMIT with success. */
static void a_failed_transaction_does_not_commit(void **state)
{
    (void)state;
    OK(ls_sql_begin(db, true, &err));
    OK(ls_sql_exec(db, "INSERT INTO s.t VALUES (1)", &err));
    assert_int_equal(ls_sql_exec(db, "INSERT INTO s.t VALUES (1)", &err), LS_CONSTRAINT);
    assert_true(ls_sql_in_transaction(db));
    assert_int_equal(ls_sql_exec(db, "SELECT 1", &err), LS_INTERNAL);
    assert_int_equal(ls_sql_commit(db, &err), LS_INTERNAL);
    assert_false(ls_sql_in_transaction(db));
    assert_int_equal(number(db, "SELECT count(*) FROM s.t"), 0);
}

static void rollback_ends_streams_and_copies_first(void **state)
{
    struct ls_sql_stmt *stmt = NULL;
    struct ls_sql_copy *copy = NULL;
    const char *data;
    size_t size;
    bool row;

    (void)state;
    OK(ls_sql_begin(db, true, &err));
    OK(ls_sql_prepare(db, "SELECT g FROM generate_series(1, 1000000) g", &stmt, &err));
    OK(ls_sql_run(stmt, NULL, 0, true, &err));
    assert_true(ls_sql_in_transaction(db));
    ls_sql_rollback(db);
    assert_false(ls_sql_in_transaction(db));
    OK(ls_sql_step(stmt, &row, &err));
    assert_false(row);
    ls_sql_finish(stmt);
    OK(ls_sql_begin(db, true, &err));
    OK(ls_sql_copy_out(db, "COPY (SELECT generate_series(1, 1000000)) TO STDOUT", &copy, &err));
    OK(ls_sql_copy_read(copy, &data, &size, &err));
    ls_sql_rollback(db);
    assert_false(ls_sql_in_transaction(db));
    ls_sql_copy_close(copy);
    assert_int_equal(number(db, "SELECT 1"), 1);
}

/* ---- copies ---- */

static void a_copy_goes_out_and_in(void **state)
{
    struct ls_sql *other = open_with((struct ls_sql_options){0});
    struct ls_sql_copy *out = NULL, *in = NULL;
    const char *data;
    size_t size;
    int rows = 0;

    (void)state;
    OK(ls_sql_copy_out(other,
                       "COPY (SELECT g, repeat('x', g % 50) FROM generate_series(1, 20000) g) TO "
                       "STDOUT",
                       &out, &err));
    OK(ls_sql_copy_in(db, "COPY s.t FROM STDIN", &in, &err));
    for (;;) {
        OK(ls_sql_copy_read(out, &data, &size, &err));
        if (!data)
            break;
        rows++;
        OK(ls_sql_copy_write(in, data, size, &err));
    }
    OK(ls_sql_copy_read(out, &data, &size, &err)); /* still at its end */
    assert_null(data);
    assert_int_equal(rows, 20000);
    assert_int_equal(ls_sql_exec(db, "SELECT 1", &err), LS_INTERNAL);
    OK(ls_sql_copy_end(in, &err));
    ls_sql_copy_close(in);
    ls_sql_copy_close(out);
    assert_int_equal(number(db, "SELECT count(*) FROM s.t WHERE length(name) = id % 50"), 20000);
    ls_sql_close(other);
}

static void a_binary_copy_begins_with_its_header(void **state)
{
    struct ls_sql_copy *copy = NULL;
    const char *data;
    size_t size;
    int messages = 0;

    (void)state;
    OK(ls_sql_copy_out(db, "COPY (VALUES (1), (2)) TO STDOUT (FORMAT binary)", &copy, &err));
    for (;; messages++) {
        OK(ls_sql_copy_read(copy, &data, &size, &err));
        if (!data)
            break;
        if (messages == 0)
            assert_memory_equal(data, "PGCOPY\n\377\r\n\0", 11);
        assert_int_equal(size, messages == 0 ? 29 : messages == 1 ? 10 : 2);
    }
    assert_int_equal(messages, 3);
    ls_sql_copy_close(copy);
}

static void pieces_larger_than_the_buffer_go_in_too(void **state)
{
    size_t size = 300000;
    char *line = malloc(size + 3);
    struct ls_sql_copy *copy = NULL;

    (void)state;
    assert_non_null(line);
    memcpy(line, "1\t", 2);
    memset(line + 2, 'y', size);
    line[size + 2] = '\n';
    OK(ls_sql_copy_in(db, "COPY s.t FROM STDIN", &copy, &err));
    OK(ls_sql_copy_write(copy, line, size + 3, &err));
    OK(ls_sql_copy_write(copy, "2\tz\n", 4, &err));
    OK(ls_sql_copy_end(copy, &err));
    ls_sql_copy_close(copy);
    assert_int_equal(number(db, "SELECT sum(length(name)) FROM s.t"), 300001);
    free(line);
}

static void a_copy_out_is_broken_off(void **state)
{
    struct ls_sql_copy *copy = NULL;
    const char *data;
    size_t size;

    (void)state;
    OK(ls_sql_copy_out(db, "COPY (SELECT generate_series(1, 5000000)) TO STDOUT", &copy, &err));
    OK(ls_sql_copy_read(copy, &data, &size, &err));
    ls_sql_copy_close(copy);
    assert_int_equal(number(db, "SELECT 1"), 1);
}

static void a_copy_in_that_is_broken_off_writes_nothing(void **state)
{
    struct ls_sql_copy *copy = NULL;

    (void)state;
    OK(ls_sql_copy_in(db, "COPY s.t FROM STDIN", &copy, &err));
    OK(ls_sql_copy_write(copy, "1\ta\n", 4, &err));
    ls_sql_copy_close(copy);
    assert_int_equal(number(db, "SELECT count(*) FROM s.t"), 0);
}

static void a_copy_in_that_the_server_refuses_says_why(void **state)
{
    struct ls_sql_copy *copy = NULL;
    enum ls_code rc;

    (void)state;
    OK(ls_sql_copy_in(db, "COPY s.t FROM STDIN", &copy, &err));
    OK(ls_sql_copy_write(copy, "secret\ta\n", 9, &err));
    assert_int_equal(ls_sql_copy_end(copy, &err), LS_TYPE);
    assert_says("column=id");
    assert_says_not("secret");
    ls_sql_copy_close(copy);

    /* Far more behind the bad row than any buffer holds. */
    OK(ls_sql_copy_in(db, "COPY s.t FROM STDIN", &copy, &err));
    rc = ls_sql_copy_write(copy, "1\ta\n1\tb\n", 8, &err);
    for (int i = 2; rc == LS_OK && i < 200000; i++) {
        char line[64];

        snprintf(line, sizeof(line), "%d\tsome text to fill it up\n", i);
        rc = ls_sql_copy_write(copy, line, strlen(line), &err);
    }
    if (rc == LS_OK)
        rc = ls_sql_copy_end(copy, &err);
    assert_int_equal(rc, LS_CONSTRAINT);
    assert_says("t_pkey");
    ls_sql_copy_close(copy);
    assert_int_equal(number(db, "SELECT count(*) FROM s.t"), 0);
}

static void what_is_no_copy_is_refused(void **state)
{
    struct ls_sql_copy *copy = NULL;

    (void)state;
    assert_int_equal(ls_sql_copy_out(db, "SELECT 1", &copy, &err), LS_INTERNAL);
    assert_int_equal(ls_sql_copy_out(db, "COPY s.t FROM STDIN", &copy, &err), LS_INTERNAL);
    assert_int_equal(ls_sql_copy_in(db, "COPY s.t TO STDOUT", &copy, &err), LS_INTERNAL);
    assert_int_equal(ls_sql_copy_out(db, "COPY s.nowhere TO STDOUT", &copy, &err), LS_NOT_FOUND);
    assert_null(copy);
    assert_int_equal(ls_sql_exec(db, "COPY s.t TO STDOUT", &err), LS_INTERNAL);
    assert_int_equal(ls_sql_exec(db, "COPY s.t FROM STDIN", &err), LS_INTERNAL);
    OK(ls_sql_checkpoint(db, 0, &err)); /* nothing to do here */
    assert_int_equal(number(db, "SELECT 1"), 1);
}

static void a_copy_out_that_fails_in_the_middle_says_why(void **state)
{
    struct ls_sql_copy *copy = NULL;
    enum ls_code rc = LS_OK;
    const char *data = "";
    size_t size;

    (void)state;
    OK(ls_sql_copy_out(db, "COPY (SELECT 1 / (3000 - g) FROM generate_series(1, 5000) g) TO STDOUT",
                       &copy, &err));
    while (rc == LS_OK && data)
        rc = ls_sql_copy_read(copy, &data, &size, &err);
    assert_int_equal(rc, LS_TYPE);
    assert_string_equal(err.native, "22012");
    ls_sql_copy_close(copy);
    assert_int_equal(number(db, "SELECT 1"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_has_fixed_settings),
        cmocka_unit_test(options_set_the_timeouts_and_the_url_keeps_its_own),
        cmocka_unit_test(a_read_only_session_refuses_to_write),
        cmocka_unit_test(its_identity_has_no_credentials),
        cmocka_unit_test(a_wrong_password_is_told),
        cmocka_unit_test(a_missing_database_is_told),
        cmocka_unit_test(a_server_that_does_not_listen_is_told),
        cmocka_unit_test(a_server_that_does_not_answer_is_told),
        cmocka_unit_test(a_server_without_tls_is_told),
        cmocka_unit_test(a_url_that_falls_apart_never_shows_its_password),
        cmocka_unit_test(values_come_back_as_they_went_in),
        cmocka_unit_test(text_is_taken_as_any_type),
        cmocka_unit_test(a_nul_in_text_is_refused_and_not_cut),
        cmocka_unit_test(a_statement_runs_again_with_other_types),
        cmocka_unit_test(what_was_prepared_for_bytes_is_not_run_with_text),
        cmocka_unit_test(names_of_prepared_statements_are_given_back),
        cmocka_unit_test_setup(changes_are_counted, empty_table),
        cmocka_unit_test(question_marks_are_operators_when_doubled),
        cmocka_unit_test(numbers_do_not_follow_the_locale),
        cmocka_unit_test(a_stream_gives_all_rows),
        cmocka_unit_test(nothing_runs_beside_a_stream),
        cmocka_unit_test(an_error_in_the_middle_of_a_stream_is_told),
        cmocka_unit_test(a_short_stream_broken_off_leaves_its_transaction),
        cmocka_unit_test(constraints_are_about_the_record),
        cmocka_unit_test(missing_rights_are_told),
        cmocka_unit_test_setup(a_lock_that_others_hold_is_busy, empty_table),
        cmocka_unit_test(a_statement_that_takes_too_long_is_busy),
        cmocka_unit_test(a_running_statement_is_cancelled),
        cmocka_unit_test(a_lost_connection_is_told),
        cmocka_unit_test(a_connection_lost_at_commit_says_that_it_is_open),
        cmocka_unit_test_setup(a_transaction_commits_or_not, empty_table),
        cmocka_unit_test_setup(a_failed_transaction_does_not_commit, empty_table),
        cmocka_unit_test_setup(rollback_ends_streams_and_copies_first, empty_table),
        cmocka_unit_test_setup(a_copy_goes_out_and_in, empty_table),
        cmocka_unit_test(a_binary_copy_begins_with_its_header),
        cmocka_unit_test_setup(pieces_larger_than_the_buffer_go_in_too, empty_table),
        cmocka_unit_test(a_copy_out_is_broken_off),
        cmocka_unit_test_setup(a_copy_in_that_is_broken_off_writes_nothing, empty_table),
        cmocka_unit_test_setup(a_copy_in_that_the_server_refuses_says_why, empty_table),
        cmocka_unit_test(what_is_no_copy_is_refused),
        cmocka_unit_test(a_copy_out_that_fails_in_the_middle_says_why),
    };

    return cmocka_run_group_tests_name("sql/postgres", tests, set_up, tear_down);
}
