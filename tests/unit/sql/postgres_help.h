/* SPDX-License-Identifier: Apache-2.0 */
/* postgres_help.h - what the tests of PostgreSQL sessions share: a database for all of them, and a session in it. */
#ifndef LS_TESTS_SQL_POSTGRES_HELP_H
#define LS_TESTS_SQL_POSTGRES_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/testpg.h"
#include "sql/sql.h"
#include "sql_help.h"

extern char *database; /* the URL of one for all tests */
extern struct ls_sql *db;
enum ls_code try_server(const char *location, struct ls_sql_options options, struct ls_sql **ret);
struct ls_sql *open_server(struct ls_sql_options options);
void assert_says_not(const char *text);
int postgres_set_up(void **state);
int postgres_tear_down(void **state);
int empty_table(void **state);

#endif
