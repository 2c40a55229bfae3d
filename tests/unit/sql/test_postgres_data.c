/* SPDX-License-Identifier: Apache-2.0 */
/* test_postgres_data.c - what goes through a session on a PostgreSQL server: values, streams, copies. */
#include "postgres_help.h"

#include <locale.h>
#include <math.h>

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

/* ---- copies ---- */

static void a_copy_goes_out_and_in(void **state)
{
    struct ls_sql *other = open_server((struct ls_sql_options){0});
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
        cmocka_unit_test_setup(a_copy_goes_out_and_in, empty_table),
        cmocka_unit_test(a_binary_copy_begins_with_its_header),
        cmocka_unit_test_setup(pieces_larger_than_the_buffer_go_in_too, empty_table),
        cmocka_unit_test(a_copy_out_is_broken_off),
        cmocka_unit_test_setup(a_copy_in_that_is_broken_off_writes_nothing, empty_table),
        cmocka_unit_test_setup(a_copy_in_that_the_server_refuses_says_why, empty_table),
        cmocka_unit_test(what_is_no_copy_is_refused),
        cmocka_unit_test(a_copy_out_that_fails_in_the_middle_says_why),
    };

    return cmocka_run_group_tests_name("sql/postgres_data", tests, postgres_set_up,
                                       postgres_tear_down);
}
