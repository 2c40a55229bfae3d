/* SPDX-License-Identifier: Apache-2.0 */
/* test_compare.c - comparing small tables made by hand: paths, filters, soft deletes, keys. */
#include "compare_help.h"

/* ---- small tables by hand ---- */

static void swapped_values_are_found_by_digest(void **state)
{
    struct sides s;

    (void)state;
    two_sides(&s, LS_T_INT, LS_T_INT);
    for (int64_t i = 0; i < 100; i++) {
        put(s.a, i, ls_value_int(i == 7 ? 70 : i == 8 ? 80 : 1), 1);
        put(s.b, i, ls_value_int(i == 7 ? 80 : i == 8 ? 70 : 1), 1);
    }
    sides_job(&s, NULL);
    for (int i = 0; i < 20; i++) { /* with other seeds, the two are in one segment now and then */
        compare(&s, plain);
        assert_string_equal(s.result.path, "digest");
        assert_int_equal(s.result.count[LS_INCONSISTENT], 2);
        assert_true(s.result.source_digest != s.result.target_digest);
    }
    sides_done(&s);
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
    sides_job(&s, NULL);
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
    sides_done(&s);
}

static void empty_sides_are_in_sync(void **state)
{
    struct sides s;

    (void)state;
    two_sides(&s, LS_T_INT, LS_T_INT);
    sides_job(&s, NULL);
    compare(&s, plain);
    assert_int_equal(s.result.total, 0);
    assert_string_equal(s.seen, "");
    sides_done(&s);
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
    sides_job(&s, NULL);
    compare(&s, plain);
    assert_string_equal(s.seen, "i2 ");
    assert_int_equal(s.result.count[LS_IN_SYNC], 1);
    sides_done(&s);
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
    sides_job(&s, NULL);
    assert_error(ls_compare(s.job, NULL, NULL, note, &s, &s.result, &err), &err, LS_CONFIG,
                 "field v cannot be compared", "timezone:");
    ls_job_close(s.job);
    config.source.url = fixture_url(s.a, "t");
    config.target.url = fixture_url(s.b, "t");
    assert_ok(ls_job_open(&config, false, &s.job, &err), &err);
    compare(&s, plain);
    assert_string_equal(s.seen, "");
    assert_int_equal(s.result.count[LS_IN_SYNC], 1);
    sides_done(&s);
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
        sides_job(&s, &configs[i]);
        compare(&s, plain);
        assert_int_equal(s.result.total, 3);
        assert_int_equal(s.result.count[LS_SOURCE_ONLY], 1);
        assert_int_equal(s.result.count[LS_TARGET_ONLY], 1);
        assert_int_equal(s.result.count[LS_IN_SYNC], 1);
        sides_done(&s);
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
        sides_job(&s, &cases[i].config);
        compare(&s, plain);
        assert_string_equal(s.result.path, cases[i].path);
        assert_string_equal(s.seen, cases[i].seen);
        assert_int_equal(s.result.total, cases[i].total);
        sides_done(&s);
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
    sides_job(&s, &config);
    compare(&s, plain);
    assert_string_equal(s.result.path, "merge");
    assert_string_equal(s.seen, "t3 i4 ");
    assert_int_equal(s.result.count[LS_IN_SYNC], 2);
    assert_int_equal(s.result.total, 4);
    sides_done(&s);
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
    sides_job(&s, &config);
    compare(&s, plain);
    assert_string_equal(s.seen, "");
    assert_int_equal(s.result.count[LS_IN_SYNC], 2);
    assert_non_null(strstr(s.result.explain, "marked as deleted"));
    sides_done(&s);
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
        sides_job(&s, &cases[i].config);
        assert_ok(ls_compare_explain(s.job, &cases[i].options, &s.result, &s.err), &s.err);
        assert_string_equal(s.result.path, cases[i].path);
        assert_non_null(strstr(s.result.explain, cases[i].words));
        assert_true(strncmp(s.result.explain, cases[i].path, strlen(cases[i].path)) == 0);
        sides_done(&s);
    }
    two_sides(&s, LS_T_INT, LS_T_DECIMAL);
    sides_job(&s, NULL);
    assert_ok(ls_compare_explain(s.job, NULL, &s.result, &s.err), &s.err);
    assert_non_null(strstr(s.result.explain, "different types on the two sides"));
    sides_done(&s);
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
        make_small(lite[i], LS_T_INT);
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
    sides_job(&s, NULL);
    s.answer = LS_FULL;
    assert_error(ls_compare(s.job, &plain, NULL, note, &s, &s.result, &err), &err, LS_FULL,
                 "stop here");
    assert_int_equal(strlen(s.seen), 3);
    sides_done(&s);
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
        sides_job(&s, NULL);
        assert_error(ls_compare(s.job, &both[i], &hooks, note, &s, &s.result, &err), &err,
                     LS_CANCELLED, "cancelled");
        sides_done(&s);
    }
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
    sides_job(&s, NULL);
    s.result = (struct ls_compare_result){.seeds = {77, 78}};
    assert_ok(ls_compare_keys(s.job, COUNT_OF(keys), keys, NULL, note, &s, &s.result, &s.err),
              &s.err);
    assert_string_equal(s.seen, "s2 t3 i4 ");
    assert_int_equal(s.result.total, 4);
    assert_int_equal(s.result.source_count, 3);
    assert_int_equal(s.result.target_count, 3);
    assert_int_equal(s.result.count[LS_IN_SYNC], 1);
    assert_int_equal(s.result.seeds[0], 77);
    sides_done(&s);
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
    sides_job(&s, NULL);
    s.result = (struct ls_compare_result){0};
    assert_ok(ls_compare_keys(s.job, COUNT_OF(keys), keys, NULL, note, &s, &s.result, &s.err),
              &s.err);
    assert_string_equal(s.seen, "s1299 ");
    assert_int_equal(s.result.total, COUNT_OF(keys));
    sides_done(&s);
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
        cmocka_unit_test(keys_are_compared_once_each_in_order),
        cmocka_unit_test(many_keys_are_asked_for_in_parts),
        cmocka_unit_test(keys_of_different_types_cannot_be_fetched),
    };
    return cmocka_run_group_tests_name("engine/compare", tests, NULL, NULL);
}
