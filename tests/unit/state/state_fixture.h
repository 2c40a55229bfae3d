/* SPDX-License-Identifier: Apache-2.0 */
/* state_fixture.h - an empty state for each test, on SQLite and on PostgreSQL.
 *
 * ON_BOTH(test) runs one test on each. The PostgreSQL one is a database of the test program's own, in which schema
 * lockstep is dropped after each test. Failures here fail the test. */
#ifndef LS_TESTS_STATE_FIXTURE_H
#define LS_TESTS_STATE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "state/state.h"

struct fixture {
    bool postgres;
    char *url;              /* of the state; a path on SQLite */
    struct ls_state *state; /* open */
    struct ls_arena mem;
    struct ls_error err;
};
int on_sqlite(void **state);
int on_postgres(void **state);
int after(void **state);

#define ON_SQLITE(test)                                 \
    {                                                   \
#test " (SQLite)", test, on_sqlite, after, NULL \
    }
#define ON_POSTGRES(test)                                     \
    {                                                         \
#test " (PostgreSQL)", test, on_postgres, after, NULL \
    }
#define ON_BOTH(test)                                         \
    {#test " (SQLite)", test, on_sqlite, after, NULL},        \
    {                                                         \
#test " (PostgreSQL)", test, on_postgres, after, NULL \
    }

/* assert_int_equal(rc, LS_OK) that shows the message. */
#define assert_ok(f, call) assert_code(f, LS_OK, call)
#define assert_code(f, expected, call) \
    check_code((f), (expected), (call), #call, __FILE__, __LINE__)
void check_code(const struct fixture *f, enum ls_code expected, enum ls_code rc, const char *call,
                const char *file, int line);
/* The message of the last error holds this. */
void assert_said(const struct fixture *f, const char *part);

/* Another handle on the same state; closed by the caller. */
struct ls_state *another(struct fixture *f);
/* Closes and opens again. */
void reopen(struct fixture *f);
/* A run of this sync, as it is before it begins. */
struct ls_run new_run(const char *sync);
/* The same, begun. */
struct ls_run begun(struct fixture *f, const char *sync);
/* What a batch of a test counts for. */
#define ONE_OF_EACH (&(const struct ls_batch_counts){100, 10, 1})
/* Ends it. */
void ended(struct fixture *f, struct ls_run *run, enum ls_run_status status);

/* Behind lockstep's back, on a connection of its own. {schema} is replaced. */
void behind(struct fixture *f, const char *sql);
int64_t number_behind(struct fixture *f, const char *sql);

#endif
