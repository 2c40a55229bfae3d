/* SPDX-License-Identifier: Apache-2.0 */
#include "sql_help.h"

#include <string.h>

struct ls_error err;

struct ls_sql_stmt *one(struct ls_sql *db, const char *sql)
{
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;

    OK(ls_sql_one(db, sql, NULL, 0, &stmt, &row, &err));
    assert_true(row);
    return stmt;
}

int64_t number(struct ls_sql *db, const char *sql)
{
    struct ls_sql_stmt *stmt = one(db, sql);
    int64_t n = ls_sql_i64(stmt, 0);

    ls_sql_finish(stmt);
    return n;
}

void assert_word(struct ls_sql *db, const char *sql, const char *wanted)
{
    struct ls_sql_stmt *stmt = one(db, sql);

    assert_string_equal(ls_sql_text(stmt, 0, NULL), wanted);
    ls_sql_finish(stmt);
}

void assert_says(const char *text)
{
    if (!strstr(err.text, text))
        fail_msg("'%s' is not in: %s", text, err.text);
}
