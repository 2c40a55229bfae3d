/* SPDX-License-Identifier: Apache-2.0 */
/* test_compare.c - comparing whole collections: every path against what is known to differ.
 *
 * The oracle builds two tables record by record and knows of each what became of it: the same on both
 * sides, on one alone, or with one field changed. What a compare reports must be exactly that, on
 * each path, over each pair of stores. LOCKSTEP_TEST_SEED repeats a run. */
#include "engine/compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "lib/testpg.h"
#include "model/convert.h"

#define MAX_FIELDS 8

/* ---- tables with known differences ---- */

struct known {
    enum ls_status status;
    size_t changed; /* the field, when INCONSISTENT */
    bool reported;
};

struct pair {
    struct ls_arena mem;
    size_t field_count, key_count;
    struct ls_field fields[MAX_FIELDS];
    size_t key[MAX_FIELDS];
    size_t count; /* keys */
    struct ls_value *a,
        *b; /* count records each; those a side does not have are left out when it is filled */
    struct known *known;
};

static const enum ls_type key_types[] = {LS_T_INT,  LS_T_TEXT,        LS_T_UUID, LS_T_DECIMAL,
                                         LS_T_DATE, LS_T_TIMESTAMPTZ, LS_T_BYTES};
static const enum ls_type value_types[] = {
    LS_T_BOOL, LS_T_INT,  LS_T_DECIMAL,   LS_T_DOUBLE,      LS_T_TEXT, LS_T_BYTES,
    LS_T_DATE, LS_T_TIME, LS_T_TIMESTAMP, LS_T_TIMESTAMPTZ, LS_T_UUID, LS_T_JSON};

static void random_fields(struct pair *p, struct rng *rng, bool with_json)
{
    static const char *const names[] = {"a", "B", "c d", "e\"f", "g", "h", "ü", "select"};

    p->field_count = 2 + rng_below(rng, MAX_FIELDS - 2);
    p->key_count = rng_below(rng, 3) ? 1 : 2;
    for (size_t i = 0; i < p->field_count; i++) {
        const size_t types = COUNT_OF(value_types) - (with_json ? 0 : 1);

        p->fields[i] = fixture_field(names[i], value_types[rng_below(rng, types)]);
    }
    /* The key stands anywhere, in any order. */
    p->key[0] = rng_below(rng, p->field_count);
    p->key[1] = (p->key[0] + 1 + rng_below(rng, p->field_count - 1)) % p->field_count;
    for (size_t k = 0; k < p->key_count; k++) {
        struct ls_field *field = &p->fields[p->key[k]];

        *field = fixture_field(field->name, key_types[rng_below(rng, COUNT_OF(key_types))]);
        field->flags = LS_FIELD_NOT_NULL;
    }
}

static struct ls_as as_of(enum ls_type type)
{
    return (struct ls_as){.type = type, .fraction = 6, .bits = 53};
}

static bool same_key(const struct pair *p, const struct ls_value *x, const struct ls_value *y)
{
    for (size_t k = 0; k < p->key_count; k++) {
        const struct ls_as as = as_of(p->fields[p->key[k]].type);

        if (!ls_value_equal(&x[p->key[k]], &y[p->key[k]], &as))
            return false;
    }
    return true;
}

static bool is_key(const struct pair *p, size_t field)
{
    for (size_t k = 0; k < p->key_count; k++) {
        if (p->key[k] == field)
            return true;
    }
    return false;
}

static void random_record(struct pair *p, struct rng *rng, struct ls_value *record)
{
    for (size_t f = 0; f < p->field_count; f++) {
        if (!is_key(p, f) && rng_below(rng, 6) == 0)
            record[f] = ls_value_null();
        else
            record[f] = rng_value(rng, p->fields[f].type, &p->mem);
    }
}

/* Changes one field that is no key, when there is one. */
static void change_record(struct pair *p, struct rng *rng, size_t i)
{
    const size_t at = rng_below(rng, p->field_count);

    for (size_t n = 0; n < p->field_count; n++) {
        const size_t f = (at + n) % p->field_count;
        struct ls_value *v = &p->b[i * p->field_count + f];

        if (is_key(p, f))
            continue;
        *v = rng_other(rng, p->fields[f].type, v, &p->mem);
        p->known[i] = (struct known){.status = LS_INCONSISTENT, .changed = f};
        return;
    }
}

static void random_pair(struct pair *p, struct rng *rng, size_t wanted, size_t differing)
{
    ls_arena_init(&p->mem, 0);
    p->a = ls_arena_array(&p->mem, wanted * p->field_count + 1, sizeof *p->a);
    p->b = ls_arena_array(&p->mem, wanted * p->field_count + 1, sizeof *p->b);
    p->known = ls_arena_array(&p->mem, wanted + 1, sizeof *p->known);
    p->count = 0;
    for (size_t i = 0; i < wanted; i++) {
        struct ls_value *record = p->a + p->count * p->field_count;
        bool twin = false;

        random_record(p, rng, record);
        for (size_t j = 0; j < p->count && !twin; j++)
            twin = same_key(p, record, p->a + j * p->field_count);
        if (twin)
            continue; /* a small domain: fewer records, then */
        memcpy(p->b + p->count * p->field_count, record, p->field_count * sizeof *record);
        p->count++;
    }
    for (size_t n = 0; n < differing && p->count; n++) {
        const size_t i = rng_below(rng, p->count);

        if (p->known[i].status != LS_IN_SYNC)
            continue;
        if (rng_below(rng, 2))
            change_record(p, rng, i);
        else
            p->known[i].status = rng_below(rng, 2) ? LS_SOURCE_ONLY : LS_TARGET_ONLY;
    }
}

static void fill(const struct pair *p, const char *url, const char *name, bool source)
{
    const enum ls_status absent = source ? LS_TARGET_ONLY : LS_SOURCE_ONLY;
    struct ls_value *records = calloc(p->count * p->field_count + 1, sizeof *records);
    size_t count = 0;

    fixture_create(url, name, p->field_count, p->fields, p->key_count, p->key);
    for (size_t i = 0; i < p->count; i++) {
        if (p->known[i].status == absent)
            continue;
        memcpy(records + count * p->field_count, (source ? p->a : p->b) + i * p->field_count,
               p->field_count * sizeof *records);
        count++;
    }
    fixture_insert_by(url, name, p->key_count, p->key, count, records);
    free(records);
}

/* ---- the check ---- */

struct check {
    struct pair *p;
    struct ls_job *job;
    size_t calls;
    bool ordered;
    struct ls_value *last;
    struct ls_arena mem;
};

/* The record whose key this is: the key's values came through both stores, so they are compared as the job does. */
static size_t find_known(struct check *c, const struct ls_value *key)
{
    const struct ls_layout *layout = &c->job->layout;
    struct ls_arena mem;
    size_t found = SIZE_MAX;

    ls_arena_init(&mem, 0);
    for (size_t i = 0; i < c->p->count && found == SIZE_MAX; i++) {
        bool same = true;

        for (size_t k = 0; k < layout->key_count && same; k++) {
            const struct ls_field *field = &layout->fields[layout->key[k]];
            const int at = ls_schema_find(c->job->target.schema, field->name);
            struct ls_value v;
            struct ls_error err = {0};

            assert_ok(ls_value_convert(&c->p->a[i * c->p->field_count + (size_t)at], field, NULL,
                                       &mem, &v, &err),
                      &err);
            same = ls_value_equal(&v, &key[k], &layout->key_as[k]);
        }
        if (same)
            found = i;
    }
    ls_arena_done(&mem);
    return found;
}

static enum ls_code check_difference(void *ctx, const struct ls_difference *d, struct ls_error *err)
{
    struct check *c = ctx;
    const struct ls_layout *layout = &c->job->layout;
    const size_t i = find_known(c, d->key);

    (void)err;
    assert_true(i < c->p->count);
    assert_false(c->p->known[i].reported);
    c->p->known[i].reported = true;
    assert_int_equal(d->status, c->p->known[i].status);
    assert_int_equal(d->source != NULL, d->status != LS_TARGET_ONLY);
    assert_int_equal(d->target != NULL, d->status != LS_SOURCE_ONLY);
    assert_int_equal(d->differs != NULL, d->status == LS_INCONSISTENT);
    for (size_t f = 0; d->differs && f < layout->field_count; f++)
        assert_int_equal(d->differs[f], strcmp(layout->fields[f].name,
                                               c->p->fields[c->p->known[i].changed].name) == 0);
    if (c->ordered && c->calls)
        assert_true(ls_values_order(c->last, d->key, layout->key_as, layout->key_count) < 0);
    for (size_t k = 0; k < layout->key_count; k++)
        assert_true(ls_value_copy(&c->mem, &d->key[k], &c->last[k]));
    c->calls++;
    return LS_OK;
}

/* path "": whichever. */
static void check_compare(struct pair *p, struct ls_job *job, struct ls_compare_options options,
                          const char *path)
{
    struct check c = {.p = p, .job = job};
    struct ls_value last[MAX_FIELDS];
    uint64_t count[LS_STATUS_COUNT] = {0}, on[2] = {0};
    struct ls_compare_result result;
    struct ls_error err = {0};

    ls_arena_init(&c.mem, 0);
    c.last = last;
    c.ordered = strcmp(path, "merge") == 0;
    for (size_t i = 0; i < p->count; i++) {
        p->known[i].reported = false;
        count[p->known[i].status]++;
        on[0] += p->known[i].status != LS_TARGET_ONLY;
        on[1] += p->known[i].status != LS_SOURCE_ONLY;
    }
    options.recheck_delay_ms = 1;
    assert_ok(ls_compare(job, &options, NULL, check_difference, &c, &result, &err), &err);
    if (*path)
        assert_string_equal(result.path, path);
    for (size_t s = 0; s < LS_STATUS_COUNT; s++)
        assert_int_equal(result.count[s], count[s]);
    assert_int_equal(result.total, p->count);
    assert_int_equal(result.source_count, on[0]);
    assert_int_equal(result.target_count, on[1]);
    assert_int_equal(c.calls, p->count - count[LS_IN_SYNC]);
    assert_int_equal(result.source_digest == result.target_digest, count[LS_IN_SYNC] == p->count);
    assert_true(result.seeds[0] > 1 && result.seeds[1] > 1);
    assert_true(result.family[0] && result.explain[0]);
    ls_arena_done(&c.mem);
}

/* ---- the oracle, over pairs of stores ---- */

typedef const char *store_fn(void);

static void one_random_pair(store_fn *source, store_fn *target, struct rng *rng, const char *path,
                            bool with_json)
{
    static size_t made;
    const char *a = source(), *b = target();
    char name_a[32], name_b[32];
    const bool file_a = strncmp(a, "file:", 5) == 0, file_b = strncmp(b, "file:", 5) == 0;
    struct ls_job *job;
    struct pair p;
    const size_t count = rng_below(rng, 4) ? rng_below(rng, 60) : rng_below(rng, 1500);
    const char *keys[2];
    struct ls_sync_config config = {.key = keys};

    (void)snprintf(name_a, sizeof name_a, "Left %zu", ++made);
    (void)snprintf(name_b, sizeof name_b, "right %zu", made);
    random_fields(&p, rng, with_json);
    random_pair(&p, rng, count, rng_below(rng, 3) ? rng_below(rng, 20) : 0);
    fill(&p, a, file_a ? NULL : name_a, true);
    fill(&p, b, file_b ? NULL : name_b, false);
    /* Half of the time the key is left to be found. */
    for (size_t k = 0; k < p.key_count; k++)
        keys[k] = p.fields[p.key[k]].name;
    config.key_count = rng_below(rng, 2) || (file_a && file_b) ? p.key_count : 0;
    job = fixture_job(fixture_url(a, file_a ? NULL : name_a),
                      fixture_url(b, file_b ? NULL : name_b), &config);
    check_compare(&p, job, (struct ls_compare_options){.force_merge = true}, "merge");
    check_compare(&p, job, (struct ls_compare_options){.no_recheck = true}, path);
    ls_job_close(job);
    ls_arena_done(&p.mem);
    fixture_done();
}

static void memory_pairs_agree_with_what_is_known(void **state)
{
    struct rng rng = {fixture_seed()};

    (void)state;
    for (int i = 0; i < 60; i++)
        one_random_pair(fixture_memory, fixture_memory, &rng, "digest", true);
}

static void sqlite_pairs_agree_with_what_is_known(void **state)
{
    struct rng rng = {fixture_seed()};

    (void)state;
    for (int i = 0; i < 25; i++)
        one_random_pair(fixture_sqlite, fixture_sqlite, &rng, "", true);
}

static void memory_and_sqlite_agree_with_what_is_known(void **state)
{
    struct rng rng = {fixture_seed()};

    (void)state;
    for (int i = 0; i < 25; i++)
        one_random_pair(i % 2 ? fixture_memory : fixture_sqlite,
                        i % 2 ? fixture_sqlite : fixture_memory, &rng, "", true);
}

static void postgres_pairs_agree_with_what_is_known(void **state)
{
    struct rng rng = {fixture_seed()};

    (void)state;
    for (int i = 0; i < 25; i++)
        one_random_pair(fixture_postgres, fixture_postgres, &rng, "", true);
}

static void postgres_and_others_agree_with_what_is_known(void **state)
{
    struct rng rng = {fixture_seed()};

    (void)state;
    for (int i = 0; i < 25; i++)
        one_random_pair(i % 2 ? fixture_memory : fixture_postgres,
                        i % 2 ? fixture_postgres : fixture_sqlite, &rng, "", true);
}

/* Files have no order, no key and one type: sorted here, and compared as texts or as the other side's types. */
static void files_and_others_agree_with_what_is_known(void **state)
{
    static store_fn *const pairs[][2] = {{fixture_csv, fixture_csv},
                                         {fixture_csv, fixture_memory},
                                         {fixture_memory, fixture_csv},
                                         {fixture_sqlite, fixture_csv}};
    struct rng rng = {fixture_seed()};

    (void)state;
    for (size_t i = 0; i < 28; i++)
        one_random_pair(pairs[i % 4][0], pairs[i % 4][1], &rng, "merge", false);
}

/* ---- small tables by hand ---- */

static const size_t first_field[] = {0};

static void make(const char *url, enum ls_type type)
{
    struct ls_field fields[] = {fixture_field("id", LS_T_INT), fixture_field("v", type),
                                fixture_field("w", LS_T_INT)};

    fixture_create(url, "t", 3, fields, 1, first_field);
}

static void put(const char *url, int64_t id, struct ls_value v, int64_t w)
{
    const struct ls_value record[] = {ls_value_int(id), v, ls_value_int(w)};

    fixture_insert(url, "t", 1, record);
}

static void cut(const char *url, int64_t id)
{
    const struct ls_value key[] = {ls_value_int(id)};

    fixture_delete(url, "t", 1, key);
}

struct sides {
    const char *a, *b;
    struct ls_job *job;
    struct ls_compare_result result;
    struct ls_error err;
    char seen[2000];
    enum ls_code answer;
};

static void two_sides(struct sides *s, enum ls_type a, enum ls_type b)
{
    *s = (struct sides){.a = fixture_memory(), .b = fixture_memory()};
    make(s->a, a);
    make(s->b, b);
}

static void open_job(struct sides *s, const struct ls_sync_config *config)
{
    s->job = fixture_job(fixture_url(s->a, "t"), fixture_url(s->b, "t"), config);
}

static void done(struct sides *s)
{
    ls_job_close(s->job);
    fixture_done();
}

static enum ls_code note(void *ctx, const struct ls_difference *d, struct ls_error *err)
{
    static const char letters[] = {
        [LS_SOURCE_ONLY] = 's', [LS_TARGET_ONLY] = 't', [LS_INCONSISTENT] = 'i', [LS_MOVING] = 'm'};
    struct sides *s = ctx;
    const size_t used = strlen(s->seen);

    (void)snprintf(s->seen + used, sizeof s->seen - used, "%c%" PRId64 " ", letters[d->status],
                   d->key[0].i);
    return s->answer == LS_OK ? LS_OK : ls_error_set(err, s->answer, "stop here");
}

static void compare(struct sides *s, struct ls_compare_options options)
{
    options.recheck_delay_ms = 1;
    s->seen[0] = '\0';
    assert_ok(ls_compare(s->job, &options, NULL, note, s, &s->result, &s->err), &s->err);
}

static const struct ls_compare_options plain = {0};

static void swapped_values_are_found_by_digest(void **state)
{
    struct sides s;

    (void)state;
    two_sides(&s, LS_T_INT, LS_T_INT);
    for (int64_t i = 0; i < 100; i++) {
        put(s.a, i, ls_value_int(i == 7 ? 70 : i == 8 ? 80 : 1), 1);
        put(s.b, i, ls_value_int(i == 7 ? 80 : i == 8 ? 70 : 1), 1);
    }
    open_job(&s, NULL);
    for (int i = 0; i < 20; i++) { /* with other seeds, the two are in one segment now and then */
        compare(&s, plain);
        assert_string_equal(s.result.path, "digest");
        assert_int_equal(s.result.count[LS_INCONSISTENT], 2);
        assert_true(s.result.source_digest != s.result.target_digest);
    }
    done(&s);
}

/* The usual key of an SQLite table after the integer one, which SQLite lets be NULL, any number of times. */
static void a_primary_key_that_may_be_null_is_digested_and_a_null_refused(void **state)
{
    static const struct {
        const char *more_a, *more_b;
        const char *side; /* that is refused, whichever comes first; NULL: none */
    } cases[] = {
        {"", "", NULL},
        {"INSERT INTO t VALUES(NULL, 'x')", "INSERT INTO t VALUES(NULL, 'x')", ""},
        {"INSERT INTO t VALUES(NULL, 'x'), (NULL, 'x')", "", "source: "},
        {"", "INSERT INTO t VALUES(NULL, 'x')", "target: "},
    };
    const struct ls_compare_options options = {.recheck_delay_ms = 1};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *urls[] = {fixture_sqlite(), fixture_sqlite()};
        const char *more[] = {cases[i].more_a, cases[i].more_b};
        struct ls_compare_result result = {0};
        struct ls_error err = {0};
        struct ls_job *job;
        enum ls_code rc;

        for (size_t side = 0; side < 2; side++) {
            fixture_sql(urls[side], "CREATE TABLE t(id TEXT PRIMARY KEY, v TEXT)");
            fixture_sql(urls[side], "INSERT INTO t VALUES('a', '1'), ('b', '2'), ('c', NULL)");
            fixture_sql(urls[side], more[side]);
        }
        fixture_sql(urls[1], "UPDATE t SET v = '3' WHERE id = 'b'");
        job = fixture_job(fixture_url(urls[0], "t"), fixture_url(urls[1], "t"), NULL);
        rc = ls_compare(job, &options, NULL, NULL, NULL, &result, &err);
        assert_string_equal(result.path, "digest");
        if (cases[i].side) {
            assert_error(rc, &err, LS_DATA, cases[i].side, "key field id of t is NULL");
        } else {
            assert_ok(rc, &err);
            assert_int_equal(result.count[LS_IN_SYNC], 2);
            assert_int_equal(result.count[LS_INCONSISTENT], 1);
        }
        ls_job_close(job);
        fixture_done();
    }
}

static void seeds_are_random_and_never_zero_or_one(void **state)
{
    struct ls_compare_options options = {.seeds = {0, 1}};
    struct sides s;
    uint64_t before[2];

    (void)state;
    two_sides(&s, LS_T_INT, LS_T_INT);
    open_job(&s, NULL);
    compare(&s, options);
    memcpy(before, s.result.seeds, sizeof before);
    assert_true(before[0] > 1 && before[1] > 1);
    compare(&s, options);
    assert_memory_not_equal(before, s.result.seeds, sizeof before);
    options.seeds[0] = 123;
    options.seeds[1] = 456;
    compare(&s, options);
    assert_int_equal(s.result.seeds[0], 123);
    assert_int_equal(s.result.seeds[1], 456);
    done(&s);
}

static void empty_sides_are_in_sync(void **state)
{
    struct sides s;

    (void)state;
    two_sides(&s, LS_T_INT, LS_T_INT);
    open_job(&s, NULL);
    compare(&s, plain);
    assert_int_equal(s.result.total, 0);
    assert_string_equal(s.seen, "");
    done(&s);
}

static void a_value_that_does_not_fit_differs_and_stops_nothing(void **state)
{
    struct sides s;

    (void)state;
    two_sides(&s, LS_T_TEXT, LS_T_INT);
    put(s.a, 1, ls_value_text("10"), 0);
    put(s.b, 1, ls_value_int(10), 0);
    put(s.a, 2, ls_value_text("many"), 0);
    put(s.b, 2, ls_value_int(0), 0);
    open_job(&s, NULL);
    compare(&s, plain);
    assert_string_equal(s.seen, "i2 ");
    assert_int_equal(s.result.count[LS_IN_SYNC], 1);
    done(&s);
}

static void wall_clock_against_absolute_time_needs_a_zone(void **state)
{
    struct sides s;
    const struct ls_sync_config vienna = {.source = {.zone = "Europe/Vienna"}};
    struct ls_sync_config config = vienna;
    struct ls_error err = {0};

    (void)state;
    two_sides(&s, LS_T_TIMESTAMP, LS_T_TIMESTAMPTZ);
    put(s.a, 1, (struct ls_value){.type = LS_T_TIMESTAMP, .i = INT64_C(1700000000000000)}, 0);
    put(s.b, 1, (struct ls_value){.type = LS_T_TIMESTAMPTZ, .i = INT64_C(1699996400000000)}, 0);
    open_job(&s, NULL);
    assert_error(ls_compare(s.job, NULL, NULL, note, &s, &s.result, &err), &err, LS_CONFIG,
                 "field v cannot be compared", "timezone:");
    ls_job_close(s.job);
    config.source.url = fixture_url(s.a, "t");
    config.target.url = fixture_url(s.b, "t");
    assert_ok(ls_job_open(&config, false, &s.job, &err), &err);
    compare(&s, plain);
    assert_string_equal(s.seen, "");
    assert_int_equal(s.result.count[LS_IN_SYNC], 1);
    done(&s);
}

static void filters_choose_records_on_both_sides(void **state)
{
    static const struct ls_sync_config configs[] = {
        {.where = "w >= 2", .target_where = "w >= 2"},          /* pushed down */
        {.where = "w * 2 >= 4", .target_where = "abs(w) >= 2"}, /* evaluated here */
        {.where = "w >= 2 AND length(v) = 1", .target_where = "w >= 2 AND v = v"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(configs); i++) {
        struct sides s;

        two_sides(&s, LS_T_TEXT, LS_T_TEXT);
        put(s.a, 1, ls_value_text("x"), 1); /* filtered out on both sides */
        put(s.b, 1, ls_value_text("y"), 1);
        put(s.a, 2, ls_value_text("x"), 2);
        put(s.a, 3, ls_value_text("x"), 3);
        put(s.b, 3, ls_value_text("x"), 3);
        put(s.b, 4, ls_value_text("x"), 4);
        put(s.b, 5, ls_value_text("x"), 0); /* not ours */
        open_job(&s, &configs[i]);
        compare(&s, plain);
        assert_int_equal(s.result.total, 3);
        assert_int_equal(s.result.count[LS_SOURCE_ONLY], 1);
        assert_int_equal(s.result.count[LS_TARGET_ONLY], 1);
        assert_int_equal(s.result.count[LS_IN_SYNC], 1);
        done(&s);
    }
}

static void only_looks_at_these_records_alone(void **state)
{
    static const char *const by_key[] = {"id=2"}, *const by_value[] = {"v=x", "w=2"},
                             *const of_target[] = {"v=y"}, *const both[] = {"id=2", "v=y"},
                             *const neither[] = {"id=3", "v=y"};
    static const struct {
        struct ls_sync_config config;
        const char *path, *seen;
        size_t total;
    } cases[] = {
        {{.only = by_key, .only_count = 1}, "keys", "i2 ", 1},
        {{.only = by_key, .only_count = 1, .where = "w = 1", .target_where = "w = 1"},
         "keys",
         "",
         0},
        /* v is x on one side only: the pair takes part, and both sides of it are seen. */
        {{.only = by_value, .only_count = 2}, "keys", "i2 ", 1},
        {{.only = by_value, .only_count = 1}, "keys", "s1 i2 t3 ", 3},
        {{.only = of_target, .only_count = 1}, "keys", "i2 ", 1},
        {{.only = both, .only_count = 2}, "keys", "i2 ", 1},
        {{.only = neither, .only_count = 2}, "keys", "", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sides s;

        two_sides(&s, LS_T_TEXT, LS_T_TEXT);
        put(s.a, 1, ls_value_text("x"), 1);
        put(s.a, 2, ls_value_text("x"), 2);
        put(s.b, 2, ls_value_text("y"), 2);
        put(s.b, 3, ls_value_text("x"), 3);
        open_job(&s, &cases[i].config);
        compare(&s, plain);
        assert_string_equal(s.result.path, cases[i].path);
        assert_string_equal(s.seen, cases[i].seen);
        assert_int_equal(s.result.total, cases[i].total);
        done(&s);
    }
}

static void soft_deleted_records_are_gone_until_they_come_back(void **state)
{
    const struct ls_field_config map[] = {{"id", "id"}, {"v", "v"}}, soft[] = {{"w", "1"}};
    const struct ls_sync_config config = {
        .fields = map, .field_count = 2, .deletes = LS_DELETES_SOFT, .soft = soft, .soft_count = 1};
    struct sides s;

    (void)state;
    two_sides(&s, LS_T_INT, LS_T_INT);
    put(s.a, 1, ls_value_int(1), 9);
    put(s.b, 1, ls_value_int(1), 0); /* live on both */
    put(s.b, 2, ls_value_int(1), 1); /* marked, and gone from the source */
    put(s.b, 3, ls_value_int(1), 0); /* gone from the source, not marked yet */
    put(s.a, 4, ls_value_int(1), 9);
    put(s.b, 4, ls_value_int(1), 1); /* marked, but back in the source */
    open_job(&s, &config);
    compare(&s, plain);
    assert_string_equal(s.result.path, "merge");
    assert_string_equal(s.seen, "t3 i4 ");
    assert_int_equal(s.result.count[LS_IN_SYNC], 2);
    assert_int_equal(s.result.total, 4);
    done(&s);
}

/* The digest of a mapped mark would differ for each record that is rightly marked. */
static void a_mapped_mark_of_a_soft_delete_is_looked_at_too(void **state)
{
    const struct ls_field_config soft[] = {{"w", "1"}};
    const struct ls_sync_config config = {
        .deletes = LS_DELETES_SOFT, .soft = soft, .soft_count = 1};
    struct sides s;

    (void)state;
    two_sides(&s, LS_T_INT, LS_T_INT);
    put(s.a, 1, ls_value_int(1), 1);
    put(s.b, 1, ls_value_int(1), 1); /* the source says so itself */
    put(s.b, 2, ls_value_int(1), 1); /* gone from the source */
    open_job(&s, &config);
    compare(&s, plain);
    assert_string_equal(s.seen, "");
    assert_int_equal(s.result.count[LS_IN_SYNC], 2);
    assert_non_null(strstr(s.result.explain, "marked as deleted"));
    done(&s);
}

static void the_reason_for_a_path_is_said(void **state)
{
    static const struct ls_field_config computed[] = {{"id", "id"}, {"v", "w + 1"}};
    static const char *const key[] = {"w"};
    static const struct {
        struct ls_sync_config config;
        struct ls_compare_options options;
        const char *path, *words;
    } cases[] = {
        {{0}, {0}, "digest", "hash their records alike, each in a thread of its own"},
        {{0}, {.force_merge = true}, "merge", "it was asked for"},
        {{.fields = computed, .field_count = 2}, {0}, "merge", "computed by an expression"},
        {{.where = "abs(w) = 1"}, {0}, "merge", "a filter is evaluated here"},
        {{.where = "w = 1"}, {0}, "digest", ""},
        {{.key = key, .key_count = 1}, {0}, "merge", "does not enforce that the key is unique"},
    };
    struct sides s;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        two_sides(&s, LS_T_INT, LS_T_INT);
        open_job(&s, &cases[i].config);
        assert_ok(ls_compare_explain(s.job, &cases[i].options, &s.result, &s.err), &s.err);
        assert_string_equal(s.result.path, cases[i].path);
        assert_non_null(strstr(s.result.explain, cases[i].words));
        assert_true(strncmp(s.result.explain, cases[i].path, strlen(cases[i].path)) == 0);
        done(&s);
    }
    two_sides(&s, LS_T_INT, LS_T_DECIMAL);
    open_job(&s, NULL);
    assert_ok(ls_compare_explain(s.job, NULL, &s.result, &s.err), &s.err);
    assert_non_null(strstr(s.result.explain, "different types on the two sides"));
    done(&s);
}

static void explain_stores(const char *a, const char *b, const struct ls_sync_config *config,
                           const char *path, const char *words)
{
    struct ls_job *job = fixture_job(a, b, config);
    struct ls_compare_result result;
    struct ls_error err = {0};

    assert_ok(ls_compare_explain(job, NULL, &result, &err), &err);
    assert_string_equal(result.path, path);
    if (!strstr(result.explain, words))
        fail_msg("no \"%s\" in: %s", words, result.explain);
    ls_job_close(job);
}

static void the_reason_for_a_path_depends_on_what_stores_can_do(void **state)
{
    const char *const key[] = {"id"};
    const struct ls_sync_config by_id = {.key = key, .key_count = 1};
    const char *memory = fixture_memory(), *lite[2] = {fixture_sqlite(), fixture_sqlite()};
    const char *csv = fixture_csv(), *pg = fixture_postgres();
    struct ls_field texts[] = {fixture_field("id", LS_T_TEXT), fixture_field("v", LS_T_TEXT)};

    (void)state;
    texts[0].flags = LS_FIELD_NOT_NULL;
    fixture_create(memory, "x", 2, texts, 1, first_field);
    fixture_create(csv, NULL, 2, texts, 1, first_field);
    for (size_t i = 0; i < 2; i++) {
        make(lite[i], LS_T_INT);
        fixture_create(lite[i], "x", 2, texts, 1, first_field);
    }
    testpg_exec(
        pg, "DROP TABLE IF EXISTS x; CREATE TABLE x(id text COLLATE \"C\" PRIMARY KEY, v text)");
    explain_stores(fixture_url(lite[0], "t"), fixture_url(lite[1], "t"), NULL, "merge",
                   "in the order of their key at no extra cost");
    explain_stores(fixture_url(lite[0], "x"), fixture_url(lite[1], "x"), NULL, "digest",
                   "in a thread of its own");
    explain_stores(fixture_url(pg, "x"), fixture_url(memory, "x"), NULL, "merge",
                   "hash records differently");
    explain_stores(fixture_url(memory, "x"), csv, &by_id, "merge",
                   "The target is sorted here, because it has no order");
    fixture_done();
}

static void an_error_of_the_callback_ends_the_compare(void **state)
{
    struct ls_error err = {0};
    struct sides s;

    (void)state;
    two_sides(&s, LS_T_INT, LS_T_INT);
    put(s.a, 1, ls_value_int(1), 1);
    put(s.a, 2, ls_value_int(1), 1);
    open_job(&s, NULL);
    s.answer = LS_FULL;
    assert_error(ls_compare(s.job, &plain, NULL, note, &s, &s.result, &err), &err, LS_FULL,
                 "stop here");
    assert_int_equal(strlen(s.seen), 3);
    done(&s);
}

static void a_wanted_cancel_ends_the_compare(void **state)
{
    static const struct ls_compare_options both[] = {{0}, {.force_merge = true}};
    struct ls_cancel cancel;
    const struct ls_hooks hooks = {.cancel = &cancel};

    (void)state;
    cancel.wanted = true;
    for (size_t i = 0; i < 2; i++) {
        struct ls_error err = {0};
        struct sides s;

        two_sides(&s, LS_T_INT, LS_T_INT);
        put(s.a, 1, ls_value_int(1), 1);
        open_job(&s, NULL);
        assert_error(ls_compare(s.job, &both[i], &hooks, note, &s, &s.result, &err), &err,
                     LS_CANCELLED, "cancelled");
        done(&s);
    }
}

/* ---- digests that servers make, over enough records for several rounds ---- */

/* 60,000 records a side; a third of the segments has a difference, so that what is left is cut again. Records beyond
 * both ends of what the source has, and two that swap a value. */
static void fill_large(const char *url, const char *key)
{
    char sql[2000];

    (void)snprintf(
        sql, sizeof sql,
        "DROP TABLE IF EXISTS la, lb; CREATE TABLE la AS SELECT %s AS id, i AS n, i %% 10 AS v"
        " FROM generate_series(1, 60000) i; CREATE TABLE lb AS TABLE la;"
        "ALTER TABLE la ADD PRIMARY KEY (id); ALTER TABLE lb ADD PRIMARY KEY (id);"
        "UPDATE lb SET v = v + 1 WHERE n %% 1200 = 0;"                            /* 50 */
        "DELETE FROM lb WHERE n %% 10000 = 77;"                                   /* 6 */
        "UPDATE lb SET v = CASE n WHEN 11 THEN 2 ELSE 1 END WHERE n IN (11, 12);" /* swapped */
        "INSERT INTO lb SELECT %s, i, 0 FROM generate_series(60001, 60003) i;"
        "INSERT INTO lb SELECT %s, i, 0 FROM generate_series(-2, -1) i;"
        "ANALYZE la, lb",
        key, key, key);
    testpg_exec(url, sql);
}

static enum ls_code count_call(void *ctx, const struct ls_difference *d, struct ls_error *err)
{
    (void)d;
    (void)err;
    ++*(size_t *)ctx;
    return LS_OK;
}

struct progress {
    uint64_t done, total;
    size_t calls;
};

static void watch(void *ctx, enum ls_phase phase, uint64_t done, uint64_t total)
{
    struct progress *p = ctx;

    assert_int_equal(phase, LS_PHASE_DETECTION);
    assert_true(done >= p->done); /* never backwards */
    assert_true(!p->calls || total == p->total);
    p->done = done;
    p->total = total;
    p->calls++;
}

static void rounds_of_digests_find_every_difference(void **state)
{
    static const char *const keys[] = {"i * 3", "'k' || i", "md5(i::text)::uuid",
                                       "date '2000-01-01' + i"};
    const char *url = fixture_postgres();

    (void)state;
    for (size_t k = 0; k < COUNT_OF(keys); k++) {
        struct ls_compare_result r;
        struct ls_error err = {0};
        struct progress progress = {0};
        const struct ls_hooks hooks = {.ctx = &progress, .progress = watch};
        struct ls_job *job;
        size_t calls = 0;

        fill_large(url, keys[k]);
        job = fixture_job(fixture_url(url, "la"), fixture_url(url, "lb"), NULL);
        assert_ok(ls_compare(job, NULL, &hooks, count_call, &calls, &r, &err), &err);
        assert_int_equal(progress.done, 60000 + 59999);
        assert_int_equal(progress.total, progress.done);
        assert_string_equal(r.path, "digest");
        assert_non_null(strstr(r.explain, "cut once more"));
        assert_int_equal(r.count[LS_INCONSISTENT], 52);
        assert_int_equal(r.count[LS_SOURCE_ONLY], 6);
        assert_int_equal(r.count[LS_TARGET_ONLY], 5);
        assert_int_equal(r.total, 60005);
        assert_int_equal(r.source_count, 60000);
        assert_int_equal(r.target_count, 59999);
        assert_int_equal(calls, 63);
        ls_job_close(job);
    }
    fixture_done();
}

/* Statistics that are wrong, or none: bounds and numbers of segments are guesses, never truth. */
static void statistics_are_never_believed(void **state)
{
    const char *url = fixture_postgres();
    struct ls_compare_result r;
    struct ls_error err = {0};
    struct ls_job *job;
    size_t calls = 0;

    (void)state;
    fill_large(url, "i");
    testpg_exec(
        url,
        "UPDATE pg_class SET reltuples = 1, relpages = 1 WHERE relname IN ('la', 'lb', 'la_pkey')");
    job = fixture_job(fixture_url(url, "la"), fixture_url(url, "lb"), NULL);
    assert_ok(ls_compare(job, NULL, NULL, count_call, &calls, &r, &err), &err);
    assert_string_equal(r.path, "digest");
    assert_int_equal(calls, 63);
    assert_int_equal(r.total, 60005);
    ls_job_close(job);
    fixture_done();
}

static void composite_keys_of_few_first_values_are_cut_by_hash(void **state)
{
    const char *url = fixture_postgres();
    struct ls_compare_result r;
    struct ls_error err = {0};
    struct ls_job *job;

    (void)state;
    testpg_exec(
        url,
        "DROP TABLE IF EXISTS ca, cb; CREATE TABLE ca AS SELECT i % 3 AS tenant, i AS id, 1 AS v"
        " FROM generate_series(1, 20000) i; CREATE TABLE cb AS TABLE ca;"
        "ALTER TABLE ca ADD PRIMARY KEY (tenant, id); ALTER TABLE cb ADD PRIMARY KEY (tenant, id);"
        "UPDATE cb SET v = 2 WHERE id = 777; ANALYZE ca, cb");
    job = fixture_job(fixture_url(url, "ca"), fixture_url(url, "cb"), NULL);
    assert_ok(ls_compare(job, NULL, NULL, NULL, NULL, &r, &err), &err);
    assert_string_equal(r.path, "digest");
    assert_non_null(strstr(r.explain, " 1 of 64 segments differ"));
    assert_int_equal(r.count[LS_INCONSISTENT], 1);
    assert_int_equal(r.total, 20000);
    ls_job_close(job);
    fixture_done();
}

/* The ends of time as keys: of both sides, of one, and with other values. */
static void keys_at_the_ends_of_time_compare_by_every_path(void **state)
{
    static const struct {
        const char *type, *ends;
        int count;
    } cases[] = {
        {"timestamptz",
         "('-infinity'), ('4714-11-24 00:00:00+00 BC'), ('294247-01-10 04:00:54.775806+00'), "
         "('294247-01-10 04:00:54.775807+00'), ('294250-01-01 00:00:00+00'), "
         "('294250-01-01 00:00:00.5+00'), ('294276-12-31 23:59:59.999999+00'), ('infinity')",
         8},
        {"timestamp",
         "('-infinity'), ('4714-11-24 00:00:00 BC'), ('294276-12-31 23:59:59'), "
         "('294276-12-31 23:59:59.999999'), ('infinity')",
         5},
        {"date", "('-infinity'), ('4714-11-24 BC'), ('5874897-12-31'), ('infinity')", 4},
    };
    const char *url = fixture_postgres();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases) * 2; i++) {
        const struct ls_compare_options options = {.no_recheck = true, .force_merge = i % 2};
        const int count = cases[i / 2].count;
        struct ls_compare_result r;
        struct ls_error err = {0};
        struct ls_job *job;
        char sql[2000];

        snprintf(sql, sizeof sql,
                 "DROP TABLE IF EXISTS ea, eb; CREATE TABLE ea (k %s PRIMARY KEY, v int);"
                 "INSERT INTO ea SELECT k::%s, 1 FROM (VALUES %s) s(k);"
                 "INSERT INTO ea SELECT date '2000-01-01' + i, 1 FROM generate_series(1, 5000) i;"
                 "CREATE TABLE eb (LIKE ea INCLUDING ALL); INSERT INTO eb TABLE ea;"
                 "UPDATE eb SET v = 2 WHERE k NOT BETWEEN '1900-01-01' AND '3000-01-01';"
                 "DELETE FROM eb WHERE k = 'infinity'; DELETE FROM ea WHERE k = '-infinity'; "
                 "ANALYZE ea, eb",
                 cases[i / 2].type, cases[i / 2].type, cases[i / 2].ends);
        testpg_exec(url, sql);
        job = fixture_job(fixture_url(url, "ea"), fixture_url(url, "eb"), NULL);
        assert_ok(ls_compare(job, &options, NULL, NULL, NULL, &r, &err), &err);
        assert_string_equal(r.path, i % 2 ? "merge" : "digest");
        assert_int_equal(r.total, 5000 + count);
        assert_int_equal(r.count[LS_SOURCE_ONLY], 1);
        assert_int_equal(r.count[LS_TARGET_ONLY], 1);
        assert_int_equal(r.count[LS_INCONSISTENT], count - 2);
        ls_job_close(job);
    }
    fixture_done();
}

/* ---- looking again ---- */

/* The source's fetch, with something done before the first one: so a change falls exactly between the two looks. */
static struct {
    enum ls_code (*fetch)(struct ls_store *store, const struct ls_scan *what, size_t key_count,
                          const struct ls_value *keys, bool for_update, struct ls_arena *mem,
                          struct ls_rows *ret, struct ls_error *err);
    void (*before)(struct sides *s);
    struct sides *sides;
    size_t calls;
} between;

static enum ls_code fetch_between(struct ls_store *store, const struct ls_scan *what,
                                  size_t key_count, const struct ls_value *keys, bool for_update,
                                  struct ls_arena *mem, struct ls_rows *ret, struct ls_error *err)
{
    if (between.calls++ == 0 && between.before)
        between.before(between.sides);
    return between.fetch(store, what, key_count, keys, for_update, mem, ret, err);
}

static void compare_with(struct sides *s, struct ls_compare_options options,
                         void (*before)(struct sides *s))
{
    const struct ls_store_ops *real = s->job->source.store->ops;
    struct ls_store_ops ops = *real;

    between.fetch = real->fetch;
    between.before = before;
    between.sides = s;
    between.calls = 0;
    ops.fetch = fetch_between;
    s->job->source.store->ops = &ops;
    compare(s, options);
    s->job->source.store->ops = real;
}

static void change_some(struct sides *s)
{
    cut(s->b, 2); /* becomes what the source has */
    put(s->b, 2, ls_value_int(1), 1);
    cut(s->a, 3); /* changes, and still differs */
    put(s->a, 3, ls_value_int(5), 1);
    cut(s->a, 4);                     /* gone from both */
    put(s->b, 5, ls_value_int(1), 1); /* arrives */
    put(s->b, 6, ls_value_int(9), 1); /* arrives, and differs */
}

static void what_changes_between_two_looks_moves(void **state)
{
    static const struct ls_compare_options both[] = {{0}, {.force_merge = true}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sides s;

        two_sides(&s, LS_T_INT, LS_T_INT);
        for (int64_t id = 1; id <= 6; id++)
            put(s.a, id, ls_value_int(1), 1);
        for (int64_t id = 1; id <= 3; id++)
            put(s.b, id, ls_value_int(2), 1);
        open_job(&s, NULL);
        compare_with(&s, both[i], change_some);
        assert_int_equal(s.result.count[LS_INCONSISTENT], 1);
        assert_int_equal(s.result.count[LS_SOURCE_ONLY], 0);
        assert_int_equal(s.result.count[LS_MOVING], 5);
        assert_int_equal(s.result.total, 6);
        assert_non_null(strstr(s.seen, "i1 "));
        assert_non_null(strstr(s.seen, "m3 "));
        assert_non_null(strstr(s.seen, "m6 "));
        assert_int_equal(strlen(s.seen), 9); /* what is equal by now is not reported */
        assert_non_null(strstr(s.result.explain, "looked at again after a moment"));
        done(&s);
    }
}

/* A record that has left the filter in between is gone, though its key still finds it. */
static void leave_the_filter(struct sides *s)
{
    cut(s->a, 1);
    put(s->a, 1, ls_value_int(1), 99);
}

static void a_record_that_leaves_the_filter_moves(void **state)
{
    static const struct ls_sync_config configs[] = {{.where = "w < 50"}, {.where = "abs(w) < 50"}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(configs); i++) {
        struct sides s;

        two_sides(&s, LS_T_INT, LS_T_INT);
        put(s.a, 1, ls_value_int(1), 1);
        put(s.a, 2, ls_value_int(1), 1);
        open_job(&s, &configs[i]);
        compare_with(&s, plain, leave_the_filter);
        assert_string_equal(s.seen, "s2 ");
        assert_int_equal(s.result.count[LS_MOVING], 1);
        done(&s);
    }
}

static void nothing_is_asked_again_when_nothing_differs(void **state)
{
    struct sides s;

    (void)state;
    two_sides(&s, LS_T_INT, LS_T_INT);
    put(s.a, 1, ls_value_int(1), 1);
    put(s.b, 1, ls_value_int(1), 1);
    open_job(&s, NULL);
    compare_with(&s, plain, NULL);
    assert_int_equal(between.calls, 0);
    done(&s);
}

static void too_many_differences_are_reported_in_order_as_they_came(void **state)
{
    struct sides s;

    (void)state;
    two_sides(&s, LS_T_INT, LS_T_INT);
    for (int64_t id = 1; id <= 7; id++)
        put(s.a, id, ls_value_int(1), 1);
    open_job(&s, NULL);
    compare_with(&s, (struct ls_compare_options){.recheck_max = 3, .force_merge = true},
                 change_some);
    assert_int_equal(between.calls, 0);
    assert_string_equal(s.seen, "s1 s2 s3 s4 s5 s6 s7 ");
    assert_non_null(strstr(s.result.explain, "too many to be looked at again"));
    compare_with(&s, (struct ls_compare_options){.recheck_max = 6, .force_merge = true}, NULL);
    assert_int_equal(between.calls, 0);
    compare_with(&s, (struct ls_compare_options){.recheck_max = 7, .force_merge = true}, NULL);
    assert_true(between.calls > 0);
    assert_string_equal(s.seen, "s1 s2 s3 s4 s5 s6 s7 ");
    done(&s);
}

static void looking_again_can_be_left_out(void **state)
{
    struct sides s;

    (void)state;
    two_sides(&s, LS_T_INT, LS_T_INT);
    put(s.a, 1, ls_value_int(1), 1);
    open_job(&s, NULL);
    compare_with(&s, (struct ls_compare_options){.no_recheck = true}, NULL);
    assert_int_equal(between.calls, 0);
    assert_string_equal(s.seen, "s1 ");
    done(&s);
}

/* ---- by keys ---- */

static void keys_are_compared_once_each_in_order(void **state)
{
    const struct ls_value keys[] = {ls_value_int(4), ls_value_int(2), ls_value_int(9),
                                    ls_value_int(1), ls_value_int(2), ls_value_int(3)};
    struct sides s;

    (void)state;
    two_sides(&s, LS_T_INT, LS_T_INT);
    put(s.a, 1, ls_value_int(1), 1);
    put(s.b, 1, ls_value_int(1), 1);
    put(s.a, 2, ls_value_int(1), 1);
    put(s.b, 3, ls_value_int(1), 1);
    put(s.a, 4, ls_value_int(1), 1);
    put(s.b, 4, ls_value_int(2), 1);
    put(s.a, 5, ls_value_int(1), 1); /* nobody asked */
    open_job(&s, NULL);
    s.result = (struct ls_compare_result){.seeds = {77, 78}};
    assert_ok(ls_compare_keys(s.job, COUNT_OF(keys), keys, NULL, note, &s, &s.result, &s.err),
              &s.err);
    assert_string_equal(s.seen, "s2 t3 i4 ");
    assert_int_equal(s.result.total, 4);
    assert_int_equal(s.result.source_count, 3);
    assert_int_equal(s.result.target_count, 3);
    assert_int_equal(s.result.count[LS_IN_SYNC], 1);
    assert_int_equal(s.result.seeds[0], 77);
    done(&s);
}

static void many_keys_are_asked_for_in_parts(void **state)
{
    struct ls_value keys[1300], records[1300 * 3];
    struct sides s;

    (void)state;
    two_sides(&s, LS_T_INT, LS_T_INT);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        keys[i] = records[3 * i] = ls_value_int((int64_t)i);
        records[3 * i + 1] = records[3 * i + 2] = ls_value_int(3);
    }
    fixture_insert(s.a, "t", COUNT_OF(keys), records);
    fixture_insert(s.b, "t", COUNT_OF(keys) - 1, records);
    open_job(&s, NULL);
    s.result = (struct ls_compare_result){0};
    assert_ok(ls_compare_keys(s.job, COUNT_OF(keys), keys, NULL, note, &s, &s.result, &s.err),
              &s.err);
    assert_string_equal(s.seen, "s1299 ");
    assert_int_equal(s.result.total, COUNT_OF(keys));
    done(&s);
}

static void keys_of_different_types_cannot_be_fetched(void **state)
{
    const char *a = fixture_memory(), *b = fixture_memory(), *why = NULL;
    struct ls_field text[] = {fixture_field("id", LS_T_TEXT), fixture_field("v", LS_T_INT)};
    struct ls_field number[] = {fixture_field("id", LS_T_INT), fixture_field("v", LS_T_INT)};
    const struct ls_value key = ls_value_int(1);
    struct ls_compare_result result = {0};
    struct ls_error err = {0};
    struct ls_job *job;

    (void)state;
    fixture_create(a, "t", 2, text, 1, first_field);
    fixture_create(b, "t", 2, number, 1, first_field);
    job = fixture_job(fixture_url(a, "t"), fixture_url(b, "t"), NULL);
    assert_false(ls_compare_can_fetch(job, &why));
    assert_error(ls_compare_keys(job, 1, &key, NULL, NULL, NULL, &result, &err), &err,
                 LS_UNSUPPORTED, "one by one", why);
    ls_job_close(job);
    fixture_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_pairs_agree_with_what_is_known),
        cmocka_unit_test(sqlite_pairs_agree_with_what_is_known),
        cmocka_unit_test(memory_and_sqlite_agree_with_what_is_known),
        cmocka_unit_test(keys_at_the_ends_of_time_compare_by_every_path),
        cmocka_unit_test(postgres_pairs_agree_with_what_is_known),
        cmocka_unit_test(postgres_and_others_agree_with_what_is_known),
        cmocka_unit_test(files_and_others_agree_with_what_is_known),
        cmocka_unit_test(swapped_values_are_found_by_digest),
        cmocka_unit_test(a_primary_key_that_may_be_null_is_digested_and_a_null_refused),
        cmocka_unit_test(seeds_are_random_and_never_zero_or_one),
        cmocka_unit_test(empty_sides_are_in_sync),
        cmocka_unit_test(a_value_that_does_not_fit_differs_and_stops_nothing),
        cmocka_unit_test(wall_clock_against_absolute_time_needs_a_zone),
        cmocka_unit_test(filters_choose_records_on_both_sides),
        cmocka_unit_test(only_looks_at_these_records_alone),
        cmocka_unit_test(soft_deleted_records_are_gone_until_they_come_back),
        cmocka_unit_test(a_mapped_mark_of_a_soft_delete_is_looked_at_too),
        cmocka_unit_test(the_reason_for_a_path_is_said),
        cmocka_unit_test(the_reason_for_a_path_depends_on_what_stores_can_do),
        cmocka_unit_test(an_error_of_the_callback_ends_the_compare),
        cmocka_unit_test(a_wanted_cancel_ends_the_compare),
        cmocka_unit_test(rounds_of_digests_find_every_difference),
        cmocka_unit_test(statistics_are_never_believed),
        cmocka_unit_test(composite_keys_of_few_first_values_are_cut_by_hash),
        cmocka_unit_test(what_changes_between_two_looks_moves),
        cmocka_unit_test(a_record_that_leaves_the_filter_moves),
        cmocka_unit_test(nothing_is_asked_again_when_nothing_differs),
        cmocka_unit_test(too_many_differences_are_reported_in_order_as_they_came),
        cmocka_unit_test(looking_again_can_be_left_out),
        cmocka_unit_test(keys_are_compared_once_each_in_order),
        cmocka_unit_test(many_keys_are_asked_for_in_parts),
        cmocka_unit_test(keys_of_different_types_cannot_be_fetched),
    };
    return cmocka_run_group_tests_name("engine/compare", tests, NULL, NULL);
}
