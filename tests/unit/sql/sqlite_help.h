/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite_help.h - what the tests of SQLite sessions share: files, and processes that die. */
#ifndef LS_TESTS_SQL_SQLITE_HELP_H
#define LS_TESTS_SQL_SQLITE_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/testdir.h"
#include "sql/sql.h"
#include "sql_help.h"

enum ls_code try_open(const char *path, struct ls_sql_options options, struct ls_sql **ret);
struct ls_sql *open_with(const char *path, struct ls_sql_options options);
struct ls_sql *create(const char *path);
/* A file whose name begins with that of the database; to be freed. */
char *beside(const char *path, const char *suffix);
/* Its size, -1 when it is not there. */
int64_t size_of(const char *path, const char *suffix);
/* Runs body in a child process and gives its exit status; asserts there end it with 1. Leaks
 * are looked for in the parent only. */
int in_child(void (*body)(const char *path), const char *path);

/* For children, where cmocka's asserts have nowhere to go. */
#define CHILD(condition)                                                      \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "%d: %s (%s)\n", __LINE__, #condition, err.text); \
            _exit(1);                                                         \
        }                                                                     \
    } while (0)

#endif
