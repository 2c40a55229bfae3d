/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite_help.h - what the tests of the SQLite store share: a file, an application that is connected to it, our sessions, reading in short.
 * Failures end the test. */
#ifndef LS_TESTS_STORE_SQLITE_HELP_H
#define LS_TESTS_STORE_SQLITE_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/testdir.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define assert_ls(call) assert_code(LS_OK, call)
#define assert_code(want, call) check_code((want), (call), &err, #call, __FILE__, __LINE__)

void check_code(enum ls_code want, enum ls_code got, const struct ls_error *err, const char *call,
                const char *file, int line);

/* A test's file, an application's connection to it, and our sessions. */
struct env {
    char *path;
    sqlite3 *app;
    struct ls_arena mem;
    struct ls_store *reader, *writer;
};

void run(struct env *env, const char *sql);
/* The rows of a query as "a|b;c|d", in the arena. */
const char *ask(struct env *env, const char *sql);
int sqlite_setup(void **state);
int sqlite_teardown(void **state);
struct ls_store *reader(struct env *env);
struct ls_store *writer(struct env *env);
struct ls_schema *describe_in(struct env *env, const char *name);

/* A scan of all fields that are not generated, by the named key fields. */
struct look {
    struct ls_scan scan;
    size_t fields[32], key[8];
};

struct ls_scan *look_by(struct env *env, const char *table, const char *key);
/* The records of a scan as text, in the order they come; types are shown where they are not the field's. */
const char *read_text(struct env *env, struct ls_store *store, const struct ls_scan *scan);
size_t read_count(struct env *env, struct ls_store *store, const struct ls_scan *scan);

#define T(name) cmocka_unit_test_setup_teardown(name, sqlite_setup, sqlite_teardown)

#endif
