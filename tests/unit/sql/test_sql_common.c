/* SPDX-License-Identifier: Apache-2.0 */
/* test_sql_common.c - what both databases share: placeholders, the meaning of error codes,
 * dispatch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "sql/sql_driver.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct rewrite {
    const char *from, *to;
    size_t count;
};

static void check_rewrites(const struct rewrite *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ls_buf out = {0};
        size_t found = 99;

        ls_sql_placeholders(cases[i].from, &out, &found);
        assert_string_equal(ls_buf_str(&out), cases[i].to);
        assert_int_equal(found, cases[i].count);
        ls_buf_done(&out);
    }
}

static void question_marks_become_numbers(void **state)
{
    static const struct rewrite cases[] = {
        {"", "", 0},
        {"SELECT 1", "SELECT 1", 0},
        {"SELECT ?", "SELECT $1", 1},
        {"a = ? AND b IN (?,?)", "a = $1 AND b IN ($2,$3)", 3},
        {"?,?,?,?,?,?,?,?,?,?,?", "$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11", 11},
    };

    (void)state;
    check_rewrites(cases, COUNT(cases));
}

static void two_question_marks_are_an_operator(void **state)
{
    static const struct rewrite cases[] = {
        {"j ?? ?", "j ? $1", 1},
        {"j ??| ?", "j ?| $1", 1},
        {"j ??& ARRAY[?]", "j ?& ARRAY[$1]", 1},
        {"???", "?$1", 1},
    };

    (void)state;
    check_rewrites(cases, COUNT(cases));
}

static void literals_names_and_comments_are_left_alone(void **state)
{
    static const struct rewrite cases[] = {
        {"'?' = ?", "'?' = $1", 1},
        {"'it''s ?' , ?", "'it''s ?' , $1", 1},
        {"'\\' , ?", "'\\' , $1", 1},       /* a backslash is a character */
        {"E'\\'?' , ?", "E'\\'?' , $1", 1}, /* but here it escapes */
        {"name'\\', ?", "name'\\', $1", 1}, /* the e belongs to a word */
        {"\"a?\"\"?\" = ?", "\"a?\"\"?\" = $1", 1},
        {"1 -- ? really\n+ ?", "1 -- ? really\n+ $1", 1},
        {"1 /* ? /* ? */ ? */ + ?", "1 /* ? /* ? */ ? */ + $1", 1},
        {"$$ ? $$ || ?", "$$ ? $$ || $1", 1},
        {"$tag$ ? $$ ? $tag$ || ?", "$tag$ ? $$ ? $tag$ || $1", 1},
        {"a$b$c = ?", "a$b$c = $1", 1}, /* a name with dollar signs */
        {"$1 + ?", "$1 + $1", 1},       /* a parameter is no quote */
    };

    (void)state;
    check_rewrites(cases, COUNT(cases));
}

static void what_has_no_end_is_copied_to_the_end(void **state)
{
    static const struct rewrite cases[] = {
        {"'open ?", "'open ?", 0},
        {"\"open ?", "\"open ?", 0},
        {"-- open ?", "-- open ?", 0},
        {"/* open ?", "/* open ?", 0},
        {"$$ open ?", "$$ open ?", 0},
        {"E'\\", "E'\\", 0},
        {"$", "$", 0},
        {"$a", "$a", 0},
    };

    (void)state;
    check_rewrites(cases, COUNT(cases));
}

static void sqlstates_have_meanings(void **state)
{
    static const struct {
        const char *state;
        enum ls_code code;
    } cases[] = {
        {"23505", LS_CONSTRAINT}, {"23503", LS_CONSTRAINT},
        {"23502", LS_CONSTRAINT}, {"23514", LS_CONSTRAINT},
        {"23P01", LS_CONSTRAINT}, {"22001", LS_TYPE},
        {"22003", LS_TYPE},       {"22P02", LS_TYPE},
        {"22P05", LS_TYPE},       {"22021", LS_TYPE},
        {"42804", LS_TYPE},       {"22P04", LS_DATA},
        {"42501", LS_PERMISSION}, {"28P01", LS_PERMISSION},
        {"28000", LS_PERMISSION}, {"25006", LS_PERMISSION},
        {"3D000", LS_NOT_FOUND},  {"42P01", LS_NOT_FOUND},
        {"42703", LS_NOT_FOUND},  {"3F000", LS_NOT_FOUND},
        {"40001", LS_BUSY},       {"40P01", LS_BUSY},
        {"55P03", LS_BUSY},       {"57014", LS_CANCELLED},
        {"53100", LS_FULL},       {"53200", LS_NOMEM},
        {"57P01", LS_CONNECT},    {"57P02", LS_CONNECT},
        {"57P03", LS_CONNECT},    {"08006", LS_CONNECT},
        {"53300", LS_CONNECT},    {"0A000", LS_UNSUPPORTED},
        {"42601", LS_INTERNAL},   {"P0001", LS_CONSTRAINT},
        {"XX001", LS_CORRUPT},    {"XX000", LS_IO},
        {"ZZZZZ", LS_IO},         {"", LS_IO},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(ls_sql_meaning_of_sqlstate(cases[i].state).code, cases[i].code);
}

static void sqlite_codes_have_meanings(void **state)
{
    static const struct {
        int code, errnum;
        enum ls_code meaning;
        const char *name;
    } cases[] = {
        {SQLITE_FULL, 0, LS_FULL, "FULL"},
        {SQLITE_READONLY, 0, LS_PERMISSION, "READONLY"},
        {SQLITE_READONLY_RECOVERY, 0, LS_PERMISSION, "READONLY"},
        {SQLITE_PERM, 0, LS_PERMISSION, "PERM"},
        {SQLITE_AUTH, 0, LS_PERMISSION, "AUTH"},
        {SQLITE_BUSY, 0, LS_BUSY, "BUSY"},
        {SQLITE_BUSY_SNAPSHOT, 0, LS_BUSY, "BUSY"},
        {SQLITE_LOCKED, 0, LS_BUSY, "LOCKED"},
        {SQLITE_CORRUPT, 0, LS_CORRUPT, "CORRUPT"},
        {SQLITE_CORRUPT_INDEX, 0, LS_CORRUPT, "CORRUPT"},
        {SQLITE_NOTADB, 0, LS_CORRUPT, "NOTADB"},
        {SQLITE_CONSTRAINT_UNIQUE, 0, LS_CONSTRAINT, "UNIQUE"},
        {SQLITE_CONSTRAINT_FUNCTION, 0, LS_CONSTRAINT, "CONSTRAINT"},
        {SQLITE_CONSTRAINT_DATATYPE, 0, LS_TYPE, "DATATYPE"},
        {SQLITE_MISMATCH, 0, LS_TYPE, "MISMATCH"},
        {SQLITE_TOOBIG, 0, LS_TYPE, "TOOBIG"},
        {SQLITE_INTERRUPT, 0, LS_CANCELLED, "INTERRUPT"},
        {SQLITE_NOMEM, 0, LS_NOMEM, "NOMEM"},
        {SQLITE_IOERR_WRITE, ENOSPC, LS_FULL, "ENOSPC"},
        {SQLITE_IOERR_WRITE, EDQUOT, LS_FULL, "EDQUOT"},
        {SQLITE_IOERR_WRITE, EFBIG, LS_FULL, "EFBIG"},
        {SQLITE_IOERR_WRITE, EROFS, LS_PERMISSION, "EROFS"},
        {SQLITE_IOERR_READ, EIO, LS_IO, "IOERR"},
        {SQLITE_IOERR_ACCESS, EACCES, LS_PERMISSION, "EACCES"},
        {SQLITE_CANTOPEN, EROFS, LS_PERMISSION, "EROFS"},
        {SQLITE_CANTOPEN, EMFILE, LS_BUSY, "EMFILE"},
        {SQLITE_IOERR_FSYNC, EIO, LS_IO, "IOERR_FSYNC"},
        {SQLITE_IOERR_FSYNC, ENOSPC, LS_IO, "IOERR_FSYNC"},
        {SQLITE_FULL, EACCES, LS_FULL, "FULL"}, /* errno counts for input and output only */
        {250, 0, LS_IO, "UNKNOWN"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ls_sql_meaning m = ls_sql_meaning_of_sqlite(cases[i].code, cases[i].errnum);

        assert_int_equal(m.code, cases[i].meaning);
        assert_string_equal(m.name, cases[i].name);
        assert_true(strlen(m.name) < sizeof(((struct ls_error *)0)->native));
    }
}

static void a_scheme_without_a_database_is_refused(void **state)
{
    const struct ls_url url = {.scheme = "file", .location = "a.csv", .shown = "file:a.csv"};
    struct ls_sql *db = NULL;
    struct ls_error err;

    (void)state;
    assert_int_equal(ls_sql_open(&url, NULL, &db, &err), LS_USAGE);
    assert_null(db);
    assert_non_null(strstr(err.text, "file:a.csv"));
    assert_non_null(strstr(err.text, "sqlite:FILE"));
}

static void nothing_is_closed_and_finished(void **state)
{
    (void)state;
    ls_sql_close(NULL);
    ls_sql_finish(NULL);
    ls_sql_copy_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(question_marks_become_numbers),
        cmocka_unit_test(two_question_marks_are_an_operator),
        cmocka_unit_test(literals_names_and_comments_are_left_alone),
        cmocka_unit_test(what_has_no_end_is_copied_to_the_end),
        cmocka_unit_test(sqlstates_have_meanings),
        cmocka_unit_test(sqlite_codes_have_meanings),
        cmocka_unit_test(a_scheme_without_a_database_is_refused),
        cmocka_unit_test(nothing_is_closed_and_finished),
    };

    return cmocka_run_group_tests_name("sql/sql_common", tests, NULL, NULL);
}
