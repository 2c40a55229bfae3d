/* SPDX-License-Identifier: Apache-2.0 */
/* fixture.h - tables for the tests of the engine: made in any store, filled from values, seeded at random. */
#ifndef LS_TESTS_ENGINE_FIXTURE_H
#define LS_TESTS_ENGINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/compare.h"
#include "engine/job.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

/* Fails the test with the error's text. */
#define assert_ok(rc, err) fixture_assert_ok((rc), (err), #rc, __FILE__, __LINE__)
void fixture_assert_ok(enum ls_code rc, const struct ls_error *err, const char *what,
                       const char *file, int line);
/* The code, and every one of these words (NULL-ended) in the text. */
#define assert_error(rc, err, code, ...)                          \
    fixture_assert_error((rc), (err), (code), __FILE__, __LINE__, \
                         (const char *const[]){__VA_ARGS__, NULL})
void fixture_assert_error(enum ls_code rc, const struct ls_error *err, enum ls_code code,
                          const char *file, int line, const char *const *words);

/* A field by name and type, as tests write them. */
struct ls_field fixture_field(const char *name, enum ls_type type);

/* A store URL of its own for one test: memory:..., kept alive until fixture_done(). To be freed by fixture_done(). */
const char *fixture_memory(void);
/* The same for an SQLite file in the test's folder. */
const char *fixture_sqlite(void);
/* A CSV file: a store of one collection, without a name or a key. */
const char *fixture_csv(void);
/* A PostgreSQL database, one a program. */
const char *fixture_postgres(void);
/* Closes what the calls above keep open. */
void fixture_done(void);

/* Makes the collection with these fields and key (indexes), and fills it: count records of field_count values each,
 * converted to what the store made of the fields. */
void fixture_create(const char *url, const char *collection, size_t field_count,
                    const struct ls_field *fields, size_t key_count, const size_t *key);
void fixture_insert(const char *url, const char *collection, size_t count,
                    const struct ls_value *records);
/* The same for a collection that has no key of its own (a file). */
void fixture_insert_by(const char *url, const char *collection, size_t key_count, const size_t *key,
                       size_t count, const struct ls_value *records);
/* Runs SQL on an SQLite file (made when missing). */
void fixture_sql(const char *url, const char *sql);
/* Deletes by key values, then inserts whole records: for changing what is there. */
void fixture_delete(const char *url, const char *collection, size_t count,
                    const struct ls_value *keys);

/* Opens a job between two URLs (with #collection); fails the test when that fails. */
struct ls_job *fixture_job(const char *source, const char *target,
                           const struct ls_sync_config *more);
char *fixture_url(
    const char *store,
    const char
        *collection); /* STORE#COLLECTION, or STORE when that is NULL; freed by fixture_done() */

/* ---- random data, the same for the same seed ---- */

struct rng {
    uint64_t state;
};
/* The seed of this program: LOCKSTEP_TEST_SEED, or a new one; printed. */
uint64_t fixture_seed(void);
uint64_t rng_next(struct rng *rng);
size_t rng_below(struct rng *rng, size_t below);
/* A random value of the type (never NULL), data in mem. Types: all but NULL and NATIVE. */
struct ls_value rng_value(struct rng *rng, enum ls_type type, struct ls_arena *mem);
/* One that differs from v under the type's own equality; may be NULL. */
struct ls_value rng_other(struct rng *rng, enum ls_type type, const struct ls_value *v,
                          struct ls_arena *mem);

#endif
