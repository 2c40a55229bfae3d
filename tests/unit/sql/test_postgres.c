/* SPDX-License-Identifier: Apache-2.0 */
/* test_postgres.c - a session on a PostgreSQL server: opening, and why there is none; errors; transactions. */
#include "postgres_help.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

static void make_role(void)
{
    testpg_exec(database, "DO $$BEGIN CREATE ROLE test_sql_role LOGIN PASSWORD 'right'; "
                          "EXCEPTION WHEN duplicate_object THEN NULL; END$$");
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
    OK(try_server(location,
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
    struct ls_sql *other = open_server((struct ls_sql_options){.read_only = true});

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
    OK(try_server(secret, (struct ls_sql_options){0}, &other));
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
    OK(try_server(odd, (struct ls_sql_options){0}, &other));
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

    assert_int_equal(try_server(location, (struct ls_sql_options){.connect_timeout_s = 5}, &other),
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
    assert_int_equal(try_server(location, (struct ls_sql_options){.connect_timeout_s = 1}, &other),
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

        assert_int_equal(try_server(locations[i], (struct ls_sql_options){0}, &other), LS_USAGE);
        assert_says("percent-encoded");
        assert_says_not("geheim");
    }
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
    OK(try_server(location, (struct ls_sql_options){0}, &other));
    assert_int_equal(ls_sql_exec(other, "SELECT * FROM s.t", &err), LS_PERMISSION);
    assert_string_equal(err.native, "42501");
    assert_says("Grant");
    ls_sql_close(other);
    free(location);
}

static void a_lock_that_others_hold_is_busy(void **state)
{
    struct ls_sql *other = open_server((struct ls_sql_options){.lock_timeout_ms = 30});

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
    struct ls_sql *other = open_server((struct ls_sql_options){.statement_timeout_ms = 30});

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
    struct ls_sql *other = open_server((struct ls_sql_options){0});
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
    struct ls_sql *other = open_server((struct ls_sql_options){0});
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
    struct ls_sql *other = open_server((struct ls_sql_options){0});
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
    };

    return cmocka_run_group_tests_name("sql/postgres", tests, postgres_set_up, postgres_tear_down);
}
