/* SPDX-License-Identifier: Apache-2.0 */
/* test_brake.c - when a run must not go on: situations in a table, and what each brake says. */
#include "engine/brake.h"

#include <string.h>

#include "fixture.h"

#define FORCED(name) (1u << LS_BRAKE_##name)
#define NONE LS_BRAKE_COUNT

static struct ls_job *job(double deletes, double changes)
{
    static struct ls_job job;

    job = (struct ls_job){.brake_deletes = deletes,
                          .brake_changes = changes,
                          .fingerprint = "source|target",
                          .source.identity = "memory:source",
                          .target.identity = "memory:target",
                          .digest = "digest"};
    return &job;
}

static const struct {
    const char *what;
    struct ls_plan_counts counts;
    struct ls_brake_memory last;
    double deletes, changes;
    unsigned forced;
    enum ls_brake pulls; /* LS_BRAKE_COUNT: none */
} situations[] = {
    /* shares */
    {"20 of 100 go",
     {.deletes = 20, .source_count = 80, .target_count = 100},
     {0},
     .2,
     .5,
     0,
     NONE},
    {"21 of 100 go",
     {.deletes = 21, .source_count = 80, .target_count = 100},
     {0},
     .2,
     .5,
     0,
     LS_BRAKE_DELETES},
    {"4 of 20 go", {.deletes = 4, .source_count = 16, .target_count = 20}, {0}, .2, .5, 0, NONE},
    {"5 of 20 go",
     {.deletes = 5, .source_count = 15, .target_count = 20},
     {0},
     .2,
     .5,
     0,
     LS_BRAKE_DELETES},
    {"18 of 19 go: a small table",
     {.deletes = 18, .source_count = 1, .target_count = 19},
     {0},
     .2,
     .5,
     0,
     NONE},
    {"50 of 100 change",
     {.updates = 50, .source_count = 100, .target_count = 100},
     {0},
     .2,
     .5,
     0,
     NONE},
    {"51 of 100 change",
     {.updates = 51, .source_count = 100, .target_count = 100},
     {0},
     .2,
     .5,
     0,
     LS_BRAKE_CHANGES},
    {"deletes count as changes",
     {.updates = 31, .deletes = 20, .source_count = 80, .target_count = 100},
     {0},
     .2,
     .5,
     0,
     LS_BRAKE_CHANGES},
    {"inserts never count",
     {.inserts = 100000, .source_count = 100100, .target_count = 100},
     {0},
     .2,
     .5,
     0,
     NONE},
    {"into an empty target",
     {.inserts = 100000, .source_count = 100000, .target_count = 0},
     {0},
     .2,
     .5,
     0,
     NONE},
    {"records marked as deleted are as gone as deleted ones",
     {.updates = 21, .soft = 21, .source_count = 80, .target_count = 100},
     {0},
     .2,
     .5,
     0,
     LS_BRAKE_DELETES},
    {"kept ones are not gone",
     {.updates = 1, .kept = 99, .source_count = 1, .target_count = 100},
     {0},
     .2,
     .5,
     0,
     NONE},
    /* settings */
    {"a share of its own",
     {.deletes = 30, .source_count = 70, .target_count = 100},
     {0},
     .3,
     .5,
     0,
     NONE},
    {"a share of its own, passed",
     {.deletes = 31, .source_count = 70, .target_count = 100},
     {0},
     .3,
     .5,
     0,
     LS_BRAKE_DELETES},
    {"a brake that is off",
     {.deletes = 100, .source_count = 5, .target_count = 100},
     {0},
     1,
     1,
     0,
     NONE},
    {"one brake off, the other on",
     {.deletes = 100, .source_count = 5, .target_count = 100},
     {0},
     1,
     .5,
     0,
     LS_BRAKE_CHANGES},
    /* an empty source */
    {"an empty source",
     {.deletes = 100, .source_count = 0, .target_count = 100},
     {0},
     1,
     1,
     0,
     LS_BRAKE_EMPTY},
    {"an empty source, soft deletes",
     {.updates = 100, .soft = 100, .source_count = 0, .target_count = 100},
     {0},
     1,
     1,
     0,
     LS_BRAKE_EMPTY},
    {"an empty source, deletes kept",
     {.kept = 100, .source_count = 0, .target_count = 100},
     {0},
     .2,
     .5,
     0,
     NONE},
    {"an empty source and a small target",
     {.deletes = 3, .source_count = 0, .target_count = 3},
     {0},
     .2,
     .5,
     0,
     NONE},
    {"a source that had records the last time and a small target",
     {.deletes = 3, .source_count = 0, .target_count = 3},
     {"digest", "source|target", 3},
     .2,
     .5,
     0,
     LS_BRAKE_EMPTY},
    {"a source that was empty the last time as well",
     {.deletes = 3, .source_count = 0, .target_count = 3},
     {"digest", "source|target", 0},
     .2,
     .5,
     0,
     NONE},
    /* what changed since */
    {"the same as the last time",
     {.updates = 1, .source_count = 9, .target_count = 9},
     {"digest", "source|target", 9},
     .2,
     .5,
     0,
     NONE},
    {"another configuration",
     {.updates = 1, .source_count = 9, .target_count = 9},
     {"other", "source|target", 9},
     .2,
     .5,
     0,
     LS_BRAKE_CONFIG},
    {"another table",
     {.inserts = 1, .source_count = 9, .target_count = 9},
     {"digest", "source|other", 9},
     .2,
     .5,
     0,
     LS_BRAKE_IDENTITY},
    {"both: the table is said first",
     {.updates = 1, .source_count = 9, .target_count = 9},
     {"other", "other", 9},
     .2,
     .5,
     0,
     LS_BRAKE_IDENTITY},
    {"another configuration and nothing to do",
     {.source_count = 9, .target_count = 9},
     {"other", "other", 9},
     .2,
     .5,
     0,
     NONE},
    {"stores without fingerprints",
     {.updates = 1, .source_count = 9, .target_count = 9},
     {"digest", "", 9},
     .2,
     .5,
     0,
     NONE},
    {"the first run",
     {.updates = 1, .source_count = 9, .target_count = 9},
     {"", "", 0},
     .2,
     .5,
     0,
     NONE},
    /* force */
    {"forced", {.deletes = 60, .source_count = 40, .target_count = 100}, {0}, .2, .5, ~0u, NONE},
    {"one forced, the next one pulls",
     {.deletes = 60, .source_count = 40, .target_count = 100},
     {0},
     .2,
     .5,
     FORCED(DELETES),
     LS_BRAKE_CHANGES},
    {"both forced by name",
     {.deletes = 60, .source_count = 40, .target_count = 100},
     {0},
     .2,
     .5,
     FORCED(DELETES) | FORCED(CHANGES),
     NONE},
    {"another one forced",
     {.deletes = 30, .source_count = 70, .target_count = 100},
     {0},
     .2,
     .5,
     FORCED(EMPTY) | FORCED(CONFIG),
     LS_BRAKE_DELETES},
    /* counts beyond 32 bits */
    {"five billion records, a fifth goes",
     {.deletes = 1000000000, .source_count = 4000000000, .target_count = 5000000000},
     {0},
     .2,
     .5,
     0,
     NONE},
    {"and one more",
     {.deletes = 1000000001, .source_count = 4000000000, .target_count = 5000000000},
     {0},
     .2,
     .5,
     0,
     LS_BRAKE_DELETES},
};

static void each_situation_is_judged_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(situations); i++) {
        struct ls_error err = {0};
        const enum ls_code rc =
            ls_brake_check(job(situations[i].deletes, situations[i].changes), &situations[i].counts,
                           &situations[i].last, situations[i].forced, &err);
        char force[40];

        if (situations[i].pulls == NONE) {
            if (rc != LS_OK)
                print_error("%s: %s\n", situations[i].what, err.text);
            assert_int_equal(rc, LS_OK);
            continue;
        }
        snprintf(force, sizeof force, "--force=%s", ls_brake_word(situations[i].pulls));
        if (rc != LS_BRAKE || !strstr(err.text, force))
            print_error("%s: %s\n", situations[i].what, err.text);
        assert_error(rc, &err, LS_BRAKE, "stopped before the first write", force);
    }
}

static void a_brake_gives_its_figures(void **state)
{
    const struct ls_plan_counts deletes = {
        .deletes = 20, .updates = 1, .soft = 1, .source_count = 79, .target_count = 100};
    const struct ls_plan_counts changes = {
        .deletes = 11, .updates = 42, .source_count = 90, .target_count = 100};
    const struct ls_plan_counts empty = {.deletes = 100, .target_count = 100};
    struct ls_error err = {0};

    (void)state;
    assert_error(ls_brake_check(job(.2, .5), &deletes, NULL, 0, &err), &err, LS_BRAKE,
                 "deletes 21 of 100", "20 %");
    assert_error(ls_brake_check(job(.2, .125), &changes, NULL, 0, &err), &err, LS_BRAKE,
                 "updates 42 and deletes 11 of 100", "12.5 %");
    assert_error(ls_brake_check(job(.2, .5), &empty, NULL, 0, &err), &err, LS_BRAKE, "is empty",
                 "100 records", "memory:source");
}

static void a_source_without_the_records_of_only_is_not_an_empty_one(void **state)
{
    const struct ls_plan_counts counts = {.deletes = 1, .target_count = 1};
    const struct ls_brake_memory last = {"", "", 100};
    struct ls_job *partial = job(.2, .5);
    struct ls_error err = {0};

    (void)state;
    assert_error(ls_brake_check(partial, &counts, &last, 0, &err), &err, LS_BRAKE, "is empty");
    partial->partial = true;
    assert_int_equal(ls_brake_check(partial, &counts, &last, 0, &err), LS_OK);
}

static void every_brake_that_pulls_is_named_at_once(void **state)
{
    const struct ls_plan_counts counts = {
        .deletes = 30, .updates = 40, .source_count = 70, .target_count = 100};
    const struct ls_brake_memory last = {"other", "source|other", 100};
    struct ls_error err = {0};

    (void)state;
    assert_error(ls_brake_check(job(.2, .5), &counts, &last, 0, &err), &err, LS_BRAKE,
                 "--force=identity,config,deletes,changes goes past all");
    assert_error(ls_brake_check(job(.2, .5), &counts, &last,
                                FORCED(IDENTITY) | FORCED(CONFIG) | FORCED(DELETES), &err),
                 &err, LS_BRAKE, "--force=changes");
    assert_null(strstr(err.text, "the only brake"));
}

static void every_brake_has_a_word_of_its_own(void **state)
{
    (void)state;
    for (enum ls_brake a = 0; a < LS_BRAKE_COUNT; a++)
        for (enum ls_brake b = 0; b < a; b++)
            assert_string_not_equal(ls_brake_word(a), ls_brake_word(b));
    assert_string_equal(ls_brake_word(LS_BRAKE_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_situation_is_judged_as_the_table_says),
        cmocka_unit_test(a_brake_gives_its_figures),
        cmocka_unit_test(a_source_without_the_records_of_only_is_not_an_empty_one),
        cmocka_unit_test(every_brake_that_pulls_is_named_at_once),
        cmocka_unit_test(every_brake_has_a_word_of_its_own),
    };

    return cmocka_run_group_tests_name("engine/brake", tests, NULL, NULL);
}
