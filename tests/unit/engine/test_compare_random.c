/* SPDX-License-Identifier: Apache-2.0 */
/* test_compare_random.c - random tables with known differences, over pairs of stores: what is found is what is known. */
#include "compare_help.h"

#include <stdlib.h>

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

static void fill_table(const struct pair *p, const char *url, const char *name, bool source)
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
    fill_table(&p, a, file_a ? NULL : name_a, true);
    fill_table(&p, b, file_b ? NULL : name_b, false);
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

/* ---- digests that servers make, over enough records for several rounds ---- */

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
    };
    return cmocka_run_group_tests_name("engine/compare_random", tests, NULL, NULL);
}
