/* SPDX-License-Identifier: Apache-2.0 */
/* sql_help.h - what the tests of the SQL layer share, whatever the database: the error of the last call, and answers in short. Failures end the test. */
#ifndef LS_TESTS_SQL_HELP_H
#define LS_TESTS_SQL_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sql/sql.h"

extern struct ls_error err; /* of the test's last call */

#define OK(call)                                                 \
    do {                                                         \
        enum ls_code ok_code = (call);                           \
        if (ok_code != LS_OK)                                    \
            fail_msg("%s: %s", ls_code_name(ok_code), err.text); \
    } while (0)

/* A query that gives a row, to be finished. */
struct ls_sql_stmt *one(struct ls_sql *db, const char *sql);
/* What it gives in its first column. */
int64_t number(struct ls_sql *db, const char *sql);
void assert_word(struct ls_sql *db, const char *sql, const char *wanted);
/* The error has this text. */
void assert_says(const char *text);

#endif
