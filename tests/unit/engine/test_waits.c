/* SPDX-License-Identifier: Apache-2.0 */
/* test_waits.c - which records wait for each other: by example, and against a slow check of random batches. */
#include "engine/waits.h"

#include <string.h>

#include "fixture.h"

static const size_t key_of_id[] = {0}, key_of_code[] = {1}, key_of_pair[] = {2, 3};
static const struct ls_key keys[] = {
    {.name = "pk", .field_count = 1, .fields = key_of_id, .primary = true, .not_null = true},
    {.name = "code", .field_count = 1, .fields = key_of_code},
    {.name = "pair", .field_count = 2, .fields = key_of_pair},
};
#define FIELDS 4

struct table {
    struct ls_arena mem;
    struct ls_field fields[FIELDS];
    struct ls_schema schema;
    struct ls_whole *whole;
};

static void table_init(struct table *t, unsigned flags)
{
    static const char *const names[FIELDS] = {"id", "code", "a", "b"};

    ls_arena_init(&t->mem, 0);
    for (size_t i = 0; i < FIELDS; i++)
        t->fields[i] = fixture_field(names[i], LS_T_INT);
    t->schema = (struct ls_schema){.collection = "t",
                                   .field_count = FIELDS,
                                   .fields = t->fields,
                                   .key_count = COUNT_OF(keys),
                                   .keys = keys,
                                   .flags = flags};
    t->whole = ls_whole_new(&t->schema, 1, key_of_id, &t->mem);
    assert_non_null(t->whole);
}

/* A record: id, code, and a unique pair of its own; code 0 is NULL; id 0: no record. */
static const struct ls_value *record(struct table *t, int64_t id, int64_t code)
{
    struct ls_value *values = ls_arena_array(&t->mem, FIELDS, sizeof *values);

    if (!id)
        return NULL;
    values[0] = ls_value_int(id);
    values[1] = code ? ls_value_int(code) : ls_value_null();
    values[2] = ls_value_int(id);
    values[3] = ls_value_int(1);
    return values;
}

struct move {
    int64_t id_before, code_before, id_after, code_after;
};

static struct ls_waits told_waits_of(struct table *t, const struct move *moves, size_t count,
                                     const struct ls_wait *told, size_t told_count)
{
    struct ls_waits_record *records = ls_arena_array(&t->mem, count, sizeof *records);
    struct ls_waits waits = {0};
    struct ls_error err = {0};

    for (size_t i = 0; i < count; i++) {
        records[i].before = record(t, moves[i].id_before, moves[i].code_before);
        records[i].after = record(t, moves[i].id_after, moves[i].code_after);
    }
    assert_ok(ls_waits_find(t->whole, count, records, told_count, told, &t->mem, &waits, &err),
              &err);
    return waits;
}

static struct ls_waits waits_of(struct table *t, const struct move *moves, size_t count)
{
    return told_waits_of(t, moves, count, NULL, 0);
}

/* How often record i waits for another one. */
static size_t times(const struct ls_waits *w, size_t i, size_t giver)
{
    size_t n = 0;

    for (size_t e = w->first[i]; e < w->first[i + 1]; e++)
        n += w->giver[e] == giver;
    return n;
}

static void a_taker_comes_after_its_giver(void **state)
{
    const struct move moves[] = {{1, 10, 1, 20}, {2, 20, 2, 30}, {3, 30, 0, 0}, {0, 0, 4, 10}};
    struct table t;
    struct ls_waits w;

    (void)state;
    table_init(&t, LS_SCHEMA_CONSTRAINTS);
    w = waits_of(&t, moves, 4);
    assert_int_equal(w.first[4], 3);
    assert_int_equal(times(&w, 0, 1), 1);
    assert_int_equal(times(&w, 1, 2), 1);
    assert_int_equal(times(&w, 3, 0), 1);
    assert_true(w.group[2] < w.group[1] && w.group[1] < w.group[0] && w.group[0] < w.group[3]);
    ls_arena_done(&t.mem);
}

static void a_circle_is_one_group(void **state)
{
    const struct move moves[] = {
        {1, 10, 1, 20}, {9, 90, 9, 91}, {2, 20, 2, 30}, {3, 30, 3, 10}, {4, 40, 4, 90}};
    struct table t;
    struct ls_waits w;

    (void)state;
    table_init(&t, LS_SCHEMA_CONSTRAINTS);
    w = waits_of(&t, moves, 5);
    assert_int_equal(w.group[0], w.group[2]);
    assert_int_equal(w.group[0], w.group[3]);
    assert_int_not_equal(w.group[0], w.group[1]);
    assert_true(w.group[1] < w.group[4]);
    ls_arena_done(&t.mem);
}

static void nulls_and_values_that_stay_wait_for_nobody(void **state)
{
    const struct move moves[] = {{1, 0, 1, 0}, {2, 20, 2, 20}, {3, 30, 3, 0}, {0, 0, 4, 20}};
    struct table t;
    struct ls_waits w;

    (void)state;
    table_init(&t, LS_SCHEMA_CONSTRAINTS);
    w = waits_of(&t, moves, 4);
    assert_int_equal(w.first[4], 0);
    ls_arena_done(&t.mem);
}

static void a_store_that_enforces_nothing_has_no_waits(void **state)
{
    const struct move moves[] = {{1, 10, 1, 20}, {2, 20, 2, 10}};
    struct table t;
    struct ls_waits w;

    (void)state;
    table_init(&t, 0);
    w = waits_of(&t, moves, 2);
    assert_int_equal(w.first[2], 0);
    assert_int_not_equal(w.group[0], w.group[1]);
    ls_arena_done(&t.mem);
}

/* A record deleted under one key of the sync and inserted under another keeps the primary key. */
static void every_unique_key_is_followed(void **state)
{
    const struct move moves[] = {{0, 0, 7, 70}, {7, 80, 0, 0}};
    struct table t;
    struct ls_waits w;

    (void)state;
    table_init(&t, LS_SCHEMA_CONSTRAINTS);
    w = waits_of(&t, moves, 2);
    assert_int_equal(times(&w, 0, 1), 2); /* the primary key and the pair */
    assert_int_equal(w.first[2], 2);
    assert_true(w.group[1] < w.group[0]);
    ls_arena_done(&t.mem);
}

/* By keys 0 waits for 1; the store knows that 1 waits for 2 and for 4, and 2 for 0. */
static void what_the_store_knows_comes_to_the_keys(void **state)
{
    const struct move moves[] = {
        {1, 10, 1, 20}, {2, 20, 2, 21}, {3, 30, 3, 31}, {4, 40, 4, 41}, {5, 50, 5, 51}};
    const struct ls_wait told[] = {{2, 0}, {1, 4}, {1, 2}};
    struct table t;
    struct ls_waits w;

    (void)state;
    table_init(&t, LS_SCHEMA_CONSTRAINTS);
    w = told_waits_of(&t, moves, 5, told, COUNT_OF(told));
    assert_int_equal(w.first[5], 4);
    assert_int_equal(times(&w, 0, 1), 1);
    assert_int_equal(times(&w, 1, 2), 1);
    assert_int_equal(times(&w, 1, 4), 1);
    assert_int_equal(times(&w, 2, 0), 1);
    assert_int_equal(w.group[0], w.group[1]);
    assert_int_equal(w.group[0], w.group[2]);
    assert_int_not_equal(w.group[0], w.group[3]);
    assert_true(w.group[4] < w.group[0]);
    ls_arena_done(&t.mem);
}

/* i reaches k by going to givers. */
static bool reaches(const struct ls_waits *w, size_t count, size_t i, size_t k, bool *seen)
{
    for (size_t e = w->first[i]; e < w->first[i + 1]; e++) {
        const size_t next = w->giver[e];

        if (seen[next])
            continue;
        seen[next] = true;
        if (next == k || reaches(w, count, next, k, seen))
            return true;
    }
    return false;
}

static void random_batches_are_grouped_as_a_slow_search_says(void **state)
{
    enum { MOST = 12 };
    struct rng rng = {fixture_seed()};

    (void)state;
    for (int round = 0; round < 300; round++) {
        const size_t count = 2 + rng_below(&rng, MOST - 1);
        struct move moves[MOST];
        struct table t;
        struct ls_waits w;

        for (size_t i = 0; i < count; i++) {
            const int64_t id = (int64_t)i + 1;

            moves[i] = (struct move){id, id, id, 1 + (int64_t)rng_below(&rng, count)};
            if (rng_below(&rng, 8) == 0)
                moves[i].id_before = 0;
            else if (rng_below(&rng, 8) == 0)
                moves[i].id_after = 0;
        }
        table_init(&t, LS_SCHEMA_CONSTRAINTS);
        w = waits_of(&t, moves, count);
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; k < count; k++) {
                bool there[MOST] = {false}, back[MOST] = {false};
                const bool to = i != k && reaches(&w, count, i, k, there);
                const bool from = i != k && reaches(&w, count, k, i, back);

                if (i == k)
                    continue;
                assert_int_equal(w.group[i] == w.group[k], to && from);
                if (to && !from)
                    assert_true(w.group[k] < w.group[i]);
            }
        ls_arena_done(&t.mem);
    }
}

/* No recursion: the stack would not bear it. */
static void a_chain_may_be_long(void **state)
{
    enum { LONG = 200000 };
    struct table t;
    struct move *moves;
    struct ls_waits w;

    (void)state;
    table_init(&t, LS_SCHEMA_CONSTRAINTS);
    moves = ls_arena_array(&t.mem, LONG, sizeof *moves);
    for (int64_t i = 0; i < LONG; i++)
        moves[i] = (struct move){i + 1, i + 1, i + 1, i + 2};
    w = waits_of(&t, moves, LONG);
    for (size_t i = 0; i + 1 < LONG; i++)
        assert_true(w.group[i] > w.group[i + 1]);
    ls_arena_done(&t.mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_taker_comes_after_its_giver),
        cmocka_unit_test(a_circle_is_one_group),
        cmocka_unit_test(nulls_and_values_that_stay_wait_for_nobody),
        cmocka_unit_test(a_store_that_enforces_nothing_has_no_waits),
        cmocka_unit_test(every_unique_key_is_followed),
        cmocka_unit_test(what_the_store_knows_comes_to_the_keys),
        cmocka_unit_test(random_batches_are_grouped_as_a_slow_search_says),
        cmocka_unit_test(a_chain_may_be_long),
    };

    return cmocka_run_group_tests_name("engine/waits", tests, NULL, NULL);
}
