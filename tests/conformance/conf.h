/* SPDX-License-Identifier: Apache-2.0 */
/* conf.h - what the files of the suite share: sessions, collections, records as text. */
#ifndef LS_TESTS_CONF_H
#define LS_TESTS_CONF_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conformance.h"
#include "model/convert.h"
#include "store/store.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_FIELDS 24

/* The group's state. */
struct conf {
    const struct conformance_kind *kind;
    const struct ls_store_ops *ops;
    struct ls_arena mem; /* emptied after each test */
    char *url;           /* of this test's store */
    struct ls_store
        *writer;   /* a session that stays open, so that a store inside the process lives on */
    unsigned made; /* collections so far */
    struct ls_store *extra[64]; /* closed after the test */
    size_t extra_count;
};

struct column {
    const char *name;
    enum ls_type type;
    int precision, scale;
    unsigned flags;
};
#define COLUMN(n, t)                                              \
    {                                                             \
        .name = n, .type = LS_T_##t, .precision = -1, .scale = -1 \
    }

/* A collection of a test, and the session that writes it. */
struct place {
    struct conf *conf;
    const char *url;
    const char *name; /* for describe */
    struct ls_store *store;
    const struct ls_schema *like;
    struct ls_schema *schema; /* as described */
    size_t all[MAX_FIELDS];   /* 0, 1, 2... */
    size_t key_count, key[MAX_FIELDS];
};

#define assert_ls(call) assert_ls_code(LS_OK, (call), &err, #call, __FILE__, __LINE__)
#define assert_code(code, call) assert_ls_code(code, (call), &err, #call, __FILE__, __LINE__)
void assert_ls_code(enum ls_code want, enum ls_code got, const struct ls_error *err,
                    const char *call, const char *file, int line);

/* Another session on a store; closed when the test ends, or by close_session(). */
struct ls_store *open_session(struct conf *conf, const char *url, bool writable);
void close_session(struct conf *conf, struct ls_store *store);

/* A fresh, empty collection. key: indexes into columns. unique: a column with a unique constraint, or -1. */
struct place *make_place(struct conf *conf, const struct column *columns, size_t count,
                         const size_t *key, size_t key_count, int unique);
struct place *make_named(struct conf *conf, const char *name, const struct column *columns,
                         size_t count, const size_t *key, size_t key_count, int unique);
/* {id INT, name TEXT, amount INT}, key id. */
struct place *make_simple(struct conf *conf);

/* The value of a column's type as its text says, as the described field holds it; NULL text: NULL. */
struct ls_value value_for(struct place *place, size_t field, const char *text);
/* One record, or the key values of one, from texts. */
struct ls_value *record_of(struct place *place, const char *const *texts);
struct ls_value *key_of(struct place *place, const struct ls_value *record);
/* Inserts records in one transaction: texts has count * field_count members. */
void put(struct place *place, size_t count, const char *const *texts);
/* Inserts id 1..n of a make_simple() place, name "n<i>", amount i % 10 (NULL where i % 10 is 0), ids in a mixed order. */
void put_many(struct place *place, size_t n);

/* A scan of all fields. */
struct ls_scan scan_all(const struct place *place);
/* All that a scan gives, in conf->mem. */
struct ls_rows read_all(struct conf *conf, struct ls_store *store, const struct ls_scan *scan);
/* All records through a session of its own. */
struct ls_rows read_place(struct place *place);
/* As text "a|b|c;..." of all records, sorted by it, NULL as \N. */
const char *contents(struct place *place);
#define assert_contents(place, want) assert_string_equal(contents(place), want)

/* One write of ops in a transaction of its own; the error rolls it back. */
enum ls_code write_ops(struct place *place, const struct ls_write_op *ops, size_t count,
                       struct ls_error *err);
struct ls_write write_of(const struct place *place, const struct ls_write_op *ops, size_t count);
struct ls_write_op insert_op(struct place *place, const char *const *texts);
struct ls_write_op update_op(struct place *place, const char *const *texts);
struct ls_write_op delete_op(struct place *place, const char *const *texts);

/* The tests of a file, by what they need. */
struct conf_test {
    const char *name;
    CMUnitTestFunction run;
    unsigned caps;  /* LS_CAP_* it needs */
    bool many;      /* needs a store of many collections */
    bool snapshots; /* needs scans that are snapshots */
};
extern const struct conf_test conf_schema_tests[], conf_read_tests[], conf_digest_tests[],
    conf_write_tests[], conf_inbox_tests[];

#endif
