/* SPDX-License-Identifier: Apache-2.0 */
/* fixture.c - tables for the tests of the engine.
 *
 * Tables are made through the store interface itself (create, begin, write, commit), so a test written once runs over
 * every kind of store. Failures end the test with the store's message. */
#include "fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lib/testdir.h"
#include "lib/testpg.h"
#include "model/convert.h"
#include "sql/sql.h"

#define KEPT_MAX 4096
#define INSERT_ROWS 500

static struct {
    struct ls_store *stores[KEPT_MAX];
    void *texts[KEPT_MAX];
    size_t store_count, text_count, made;
    char *postgres; /* for the whole program */
} kept;

void fixture_assert_ok(enum ls_code rc, const struct ls_error *err, const char *what,
                       const char *file, int line)
{
    if (rc == LS_OK)
        return;
    print_error("%s: %s: %s\n", what, ls_code_name(rc), err->text);
    _fail(file, line);
}

void fixture_assert_error(enum ls_code rc, const struct ls_error *err, enum ls_code code,
                          const char *file, int line, const char *const *words)
{
    if (rc != code) {
        print_error("got %s (%s), not %s\n", ls_code_name(rc), rc == LS_OK ? "" : err->text,
                    ls_code_name(code));
        _fail(file, line);
    }
    for (; *words; words++) {
        if (!strstr(err->text, *words)) {
            print_error("no \"%s\" in: %s\n", *words, err->text);
            _fail(file, line);
        }
    }
}

struct ls_field fixture_field(const char *name, enum ls_type type)
{
    return (struct ls_field){
        .name = name,
        .type = type,
        .native = ls_type_word(type),
        .engine = "",
        .precision = type == LS_T_DOUBLE ? 53 : -1,
        .scale = type == LS_T_TIME || type == LS_T_TIMESTAMP || type == LS_T_TIMESTAMPTZ ? 6 : -1};
}

static char *keep_text(char *text)
{
    assert_non_null(text);
    assert_true(kept.text_count < KEPT_MAX);
    kept.texts[kept.text_count++] = text;
    return text;
}

static struct ls_store *open_store(const char *url, bool writable)
{
    struct ls_store_options options = {.writable = writable, .create = writable};
    struct ls_store *store = NULL;
    struct ls_error err = {0};
    struct ls_arena mem;
    struct ls_url parsed;

    ls_arena_init(&mem, 0);
    assert_ok(ls_url_parse(url, &mem, &parsed, &err), &err);
    assert_ok(ls_store_open(&parsed, &options, &store, &err), &err);
    ls_arena_done(&mem);
    return store;
}

const char *fixture_memory(void)
{
    char *url;

    assert_true(asprintf(&url, "memory:test %zu", ++kept.made) > 0);
    keep_text(url);
    assert_true(kept.store_count < KEPT_MAX);
    kept.stores[kept.store_count++] = open_store(url, true);
    return url;
}

const char *fixture_sqlite(void)
{
    char *url;

    assert_true(asprintf(&url, "sqlite:%s/test%zu.db", testdir(), ++kept.made) > 0);
    return keep_text(url);
}

const char *fixture_csv(void)
{
    char *url;

    assert_true(asprintf(&url, "file:%s/test%zu.csv", testdir(), ++kept.made) > 0);
    return keep_text(url);
}

void fixture_sql(const char *url, const char *sql)
{
    const struct ls_sql_options options = {.create = true};
    struct ls_error err = {0};
    struct ls_sql *db = NULL;
    struct ls_arena mem;
    struct ls_url parsed;

    ls_arena_init(&mem, 0);
    assert_ok(ls_url_parse(url, &mem, &parsed, &err), &err);
    assert_ok(ls_sql_open(&parsed, &options, &db, &err), &err);
    assert_ok(ls_sql_exec(db, sql, &err), &err);
    ls_sql_close(db);
    ls_arena_done(&mem);
}

const char *fixture_postgres(void)
{
    if (!kept.postgres)
        kept.postgres = testpg_database("engine");
    return kept.postgres;
}

void fixture_done(void)
{
    while (kept.store_count)
        ls_store_close(kept.stores[--kept.store_count]);
    while (kept.text_count)
        free(kept.texts[--kept.text_count]);
}

char *fixture_url(const char *store, const char *collection)
{
    char *url;

    assert_true(
        asprintf(&url, "%s%s%s", store, collection ? "#" : "", collection ? collection : "") > 0);
    return keep_text(url);
}

void fixture_create(const char *url, const char *collection, size_t field_count,
                    const struct ls_field *fields, size_t key_count, const size_t *key)
{
    const struct ls_schema like = {.collection = collection,
                                   .field_count = field_count,
                                   .fields = fields,
                                   .rows_estimate = -1,
                                   .fingerprint = ""};
    struct ls_store *store = open_store(url, true);
    struct ls_error err = {0};

    assert_ok(ls_store_create(store, collection, &like, key_count, key, &err), &err);
    ls_store_close(store);
}

/* A described collection and a transaction on it. */
struct writing {
    struct ls_store *store;
    struct ls_arena mem;
    struct ls_schema *schema;
    size_t *all;
    size_t key_count, key[16];
};

static void begin_writing(struct writing *w, const char *url, const char *collection)
{
    struct ls_error err = {0};

    ls_arena_init(&w->mem, 0);
    w->store = open_store(url, true);
    assert_ok(ls_store_describe(w->store, collection, &w->mem, &w->schema, &err), &err);
    w->all = ls_arena_array(&w->mem, w->schema->field_count, sizeof *w->all);
    for (size_t i = 0; i < w->schema->field_count; i++)
        w->all[i] = i;
    w->key_count = 0;
    if (w->schema->key_count) {
        w->key_count = w->schema->keys[0].field_count;
        memcpy(w->key, w->schema->keys[0].fields, w->key_count * sizeof *w->key);
    } else {
        w->key_count = 1;
        w->key[0] = 0;
    }
    assert_ok(ls_store_begin(w->store, &err), &err);
}

static void end_writing(struct writing *w)
{
    struct ls_error err = {0};

    assert_ok(ls_store_commit(w->store, &err), &err);
    ls_store_close(w->store);
    ls_arena_done(&w->mem);
}

static void write_ops(struct writing *w, struct ls_write_op *ops, size_t count)
{
    const struct ls_write write = {.schema = w->schema,
                                   .field_count = w->schema->field_count,
                                   .fields = w->all,
                                   .key_count = w->key_count,
                                   .key = w->key,
                                   .count = count,
                                   .ops = ops};
    struct ls_error err = {0};

    assert_ok(ls_store_write(w->store, &write, &err), &err);
}

void fixture_insert(const char *url, const char *collection, size_t count,
                    const struct ls_value *records)
{
    fixture_insert_by(url, collection, 0, NULL, count, records);
}

void fixture_insert_by(const char *url, const char *collection, size_t key_count, const size_t *key,
                       size_t count, const struct ls_value *records)
{
    struct ls_write_op ops[INSERT_ROWS];
    struct ls_error err = {0};
    struct writing w;

    begin_writing(&w, url, collection);
    if (key_count) {
        w.key_count = key_count;
        memcpy(w.key, key, key_count * sizeof *key);
    }
    for (size_t at = 0; at < count; at += INSERT_ROWS) {
        const size_t some = count - at < INSERT_ROWS ? count - at : INSERT_ROWS;
        const size_t width = w.schema->field_count;
        struct ls_value *values = ls_arena_array(&w.mem, some * width, sizeof *values);
        struct ls_value *keys = ls_arena_array(&w.mem, some * w.key_count, sizeof *keys);

        for (size_t i = 0; i < some; i++) {
            for (size_t f = 0; f < width; f++)
                assert_ok(ls_value_convert(&records[(at + i) * width + f], &w.schema->fields[f],
                                           NULL, &w.mem, &values[i * width + f], &err),
                          &err);
            for (size_t k = 0; k < w.key_count; k++)
                keys[i * w.key_count + k] = values[i * width + w.key[k]];
            ops[i] = (struct ls_write_op){
                .kind = LS_INSERT, .key = keys + i * w.key_count, .record = values + i * width};
        }
        write_ops(&w, ops, some);
    }
    end_writing(&w);
}

void fixture_delete(const char *url, const char *collection, size_t count,
                    const struct ls_value *keys)
{
    struct ls_error err = {0};
    struct writing w;

    begin_writing(&w, url, collection);
    for (size_t i = 0; i < count; i++) {
        struct ls_value *key = ls_arena_array(&w.mem, w.key_count, sizeof *key);
        struct ls_write_op op = {.kind = LS_DELETE, .key = key};

        for (size_t k = 0; k < w.key_count; k++)
            assert_ok(ls_value_convert(&keys[i * w.key_count + k], &w.schema->fields[w.key[k]],
                                       NULL, &w.mem, &key[k], &err),
                      &err);
        write_ops(&w, &op, 1);
    }
    end_writing(&w);
}

struct ls_job *fixture_job(const char *source, const char *target,
                           const struct ls_sync_config *more)
{
    struct ls_sync_config config = more ? *more : (struct ls_sync_config){0};
    struct ls_error err = {0};
    struct ls_job *job = NULL;

    config.source.url = source;
    config.target.url = target;
    assert_ok(ls_job_open(&config, false, &job, &err), &err);
    return job;
}

/* ---- random data ---- */

uint64_t fixture_seed(void)
{
    const char *given = getenv("LOCKSTEP_TEST_SEED");
    const uint64_t seed =
        given && *given ? strtoull(given, NULL, 10) : ls_random_u64() % 1000000007;

    print_message("LOCKSTEP_TEST_SEED=%" PRIu64 "\n", seed);
    return seed;
}

/* splitmix64: small, and the same everywhere. */
uint64_t rng_next(struct rng *rng)
{
    uint64_t z = (rng->state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

size_t rng_below(struct rng *rng, size_t below)
{
    return (size_t)(rng_next(rng) % below);
}

static struct ls_value rng_text(struct rng *rng, struct ls_arena *mem)
{
    static const char *const pieces[] = {"a", "B", "z",  "0",  " ", "'",    "\"",
                                         "é", "ß", "語", "\n", "%", "NULL", "-"};
    const size_t count = rng_below(rng, 8);
    struct ls_buf out;
    const char *text;

    ls_buf_init(&out, 0);
    for (size_t i = 0; i < count; i++)
        ls_buf_text(&out, pieces[rng_below(rng, COUNT_OF(pieces))]);
    text = ls_arena_text(mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return ls_value_text(text);
}

static struct ls_value rng_bytes(struct rng *rng, enum ls_type type, size_t size,
                                 struct ls_arena *mem)
{
    char *data = ls_arena_alloc(mem, size);

    for (size_t i = 0; i < size; i++)
        data[i] = (char)rng_next(rng);
    return ls_value_data(type, data, size);
}

static struct ls_value rng_decimal(struct rng *rng, struct ls_arena *mem)
{
    const char *text = ls_arena_printf(mem, "%s%" PRIu64 ".%03u", rng_below(rng, 2) ? "-" : "",
                                       rng_next(rng) % 100000, (unsigned)rng_below(rng, 1000));

    return ls_value_data(LS_T_DECIMAL, text, strlen(text));
}

struct ls_value rng_value(struct rng *rng, enum ls_type type, struct ls_arena *mem)
{
    const int64_t day_us = INT64_C(86400000000);
    struct ls_value v = {.type = type};
    const char *text;

    switch (type) {
    case LS_T_BOOL:
        v.b = rng_below(rng, 2);
        return v;
    case LS_T_INT:
        v.i = rng_below(rng, 10) ? (int64_t)rng_below(rng, 2000) - 1000 : (int64_t)rng_next(rng);
        return v;
    case LS_T_DECIMAL:
        return rng_decimal(rng, mem);
    case LS_T_DOUBLE:
        v.d = ((double)rng_below(rng, 2000000) - 1000000) / 1024.0;
        return v;
    case LS_T_TEXT:
        return rng_text(rng, mem);
    case LS_T_BYTES:
        return rng_bytes(rng, type, rng_below(rng, 12), mem);
    case LS_T_UUID:
        return rng_bytes(rng, type, 16, mem);
    case LS_T_DATE:
        v.i = (int64_t)rng_below(rng, 40000) - 10000;
        return v;
    case LS_T_TIME:
        v.i = (int64_t)rng_next(rng) & INT64_MAX;
        v.i %= day_us;
        return v;
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
        v.i = (int64_t)(rng_next(rng) % 4000000000000000u) - INT64_C(1000000000000000);
        return v;
    case LS_T_JSON:
        text = ls_arena_printf(mem, "{\"a\": %u, \"b\": [%u, null, \"x\"]}",
                               (unsigned)rng_below(rng, 50), (unsigned)rng_below(rng, 50));
        return ls_value_data(LS_T_JSON, text, strlen(text));
    case LS_T_NULL:
    case LS_T_NATIVE:
    case LS_TYPE_COUNT:
        break;
    }
    return ls_value_null();
}

struct ls_value rng_other(struct rng *rng, enum ls_type type, const struct ls_value *v,
                          struct ls_arena *mem)
{
    const struct ls_as as = {.type = type, .fraction = 6, .bits = 53};

    if (v->type != LS_T_NULL && rng_below(rng, 4) == 0)
        return ls_value_null();
    for (;;) {
        const struct ls_value other = rng_value(rng, type, mem);

        if (!ls_value_equal(&other, v, &as))
            return other;
    }
}
