/* SPDX-License-Identifier: Apache-2.0 */
/* test_compare_rounds.c - comparing in rounds of digests, and looking again at what differed. */
#include "compare_help.h"

/* ---- small tables by hand ---- */

static void cut(const char *url, int64_t id)
{
    const struct ls_value key[] = {ls_value_int(id)};

    fixture_delete(url, "t", 1, key);
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
        sides_job(&s, NULL);
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
        sides_done(&s);
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
        sides_job(&s, &configs[i]);
        compare_with(&s, plain, leave_the_filter);
        assert_string_equal(s.seen, "s2 ");
        assert_int_equal(s.result.count[LS_MOVING], 1);
        sides_done(&s);
    }
}

static void nothing_is_asked_again_when_nothing_differs(void **state)
{
    struct sides s;

    (void)state;
    two_sides(&s, LS_T_INT, LS_T_INT);
    put(s.a, 1, ls_value_int(1), 1);
    put(s.b, 1, ls_value_int(1), 1);
    sides_job(&s, NULL);
    compare_with(&s, plain, NULL);
    assert_int_equal(between.calls, 0);
    sides_done(&s);
}

static void too_many_differences_are_reported_in_order_as_they_came(void **state)
{
    struct sides s;

    (void)state;
    two_sides(&s, LS_T_INT, LS_T_INT);
    for (int64_t id = 1; id <= 7; id++)
        put(s.a, id, ls_value_int(1), 1);
    sides_job(&s, NULL);
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
    sides_done(&s);
}

static void looking_again_can_be_left_out(void **state)
{
    struct sides s;

    (void)state;
    two_sides(&s, LS_T_INT, LS_T_INT);
    put(s.a, 1, ls_value_int(1), 1);
    sides_job(&s, NULL);
    compare_with(&s, (struct ls_compare_options){.no_recheck = true}, NULL);
    assert_int_equal(between.calls, 0);
    assert_string_equal(s.seen, "s1 ");
    sides_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_of_digests_find_every_difference),
        cmocka_unit_test(statistics_are_never_believed),
        cmocka_unit_test(composite_keys_of_few_first_values_are_cut_by_hash),
        cmocka_unit_test(what_changes_between_two_looks_moves),
        cmocka_unit_test(a_record_that_leaves_the_filter_moves),
        cmocka_unit_test(nothing_is_asked_again_when_nothing_differs),
        cmocka_unit_test(too_many_differences_are_reported_in_order_as_they_came),
        cmocka_unit_test(looking_again_can_be_left_out),
    };
    return cmocka_run_group_tests_name("engine/compare_rounds", tests, NULL, NULL);
}
