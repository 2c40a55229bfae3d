/* SPDX-License-Identifier: Apache-2.0 */
/* postgres_help.h - what the tests of the PostgreSQL store share: a world for each, reading and writing in short. Failures end the test. */
#ifndef LS_TESTS_POSTGRES_HELP_H
#define LS_TESTS_POSTGRES_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/testpg.h"
#include "store/postgres/postgres.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A test's own schema in the one database, and the sessions it opened. */
struct world {
    char *url;
    struct ls_arena mem;
    struct ls_store *open[8];
    size_t open_count;
};

void check(enum ls_code want, enum ls_code got, const struct ls_error *err, const char *file,
           int line);
struct ls_store *open_url(struct world *w, const char *url, bool writable);
struct ls_store *open_store(struct world *w);
int setup(void **state);
int teardown(void **state);
struct ls_schema *describe(struct world *w, struct ls_store *store, const char *name);
const struct ls_field *field(const struct ls_schema *schema, const char *name);
/* All fields; the first `keys` are the key. */
struct ls_scan scan_of(const struct ls_schema *schema, size_t keys);
struct ls_rows read_all(struct world *w, struct ls_store *store, const struct ls_scan *scan);
void expect_sql(const char *url, const char *sql, const char *want);
/* A write of ops given as text: "i|u|d", then the values of all fields ("NULL" for none). */
struct ls_write text_write(struct world *w, struct ls_store *store, const char *table, size_t keys,
                           size_t count, const char *const *texts);
/* Writes it; rolls back on an error. */
enum ls_code write_text(struct world *w, struct ls_store *store, const char *table, size_t keys,
                        size_t count, const char *const *texts, struct ls_error *err);
size_t width_of(struct world *w, struct ls_store *store, const char *table);
extern const uint64_t seeds[2]; /* of digests */
/* The digest of a whole table. */
struct ls_segment whole(struct world *w, struct ls_store *store, const char *table);
#define assert_ls(call) check(LS_OK, (call), &err, __FILE__, __LINE__)
#define assert_code(code, call) check(code, (call), &err, __FILE__, __LINE__)
#define WRITE(store, table, keys, ...)                                                        \
    write_text(w, store, table, keys,                                                         \
               COUNT(((const char *const[]){__VA_ARGS__})) / (width_of(w, store, table) + 1), \
               (const char *const[]){__VA_ARGS__}, &err)

#define TEST(name) cmocka_unit_test_prestate_setup_teardown(name, setup, teardown, &world)
/* Runs them in a database of their own. world is the one that TEST() names. */
int run_in_database(const char *name, struct world *world, const struct CMUnitTest *tests,
                    size_t count);

#endif
