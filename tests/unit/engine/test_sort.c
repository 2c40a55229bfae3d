/* SPDX-License-Identifier: Apache-2.0 */
/* test_sort.c - the external sort: order, spilling, full disks. */
#include "engine/sort.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "fixture.h"

static const struct ls_as as[] = {
    {.type = LS_T_TEXT}, {.type = LS_T_INT, .fraction = 6, .bits = 53}, {.type = LS_T_INT}};
static const size_t key[] = {1, 0}; /* not the first fields, not in their order */
static const struct ls_as key_as[] = {{.type = LS_T_INT, .fraction = 6, .bits = 53},
                                      {.type = LS_T_TEXT}};
static const struct ls_layout layout = {
    .field_count = 3, .as = as, .key_count = 2, .key = key, .key_as = key_as};

struct data {
    struct ls_arena mem;
    size_t count;
    struct ls_value *records;
    struct ls_sorter *sorter;
};

static void make_data(struct data *d, size_t count, uint64_t seed)
{
    struct rng rng = {seed};

    ls_arena_init(&d->mem, 0);
    d->count = count;
    d->records = ls_arena_array(&d->mem, count * 3 + 1, sizeof *d->records);
    for (size_t i = 0; i < count; i++) {
        d->records[i * 3] = rng_value(&rng, LS_T_TEXT, &d->mem);
        d->records[i * 3 + 1] = ls_value_int((int64_t)rng_below(&rng, count / 3 + 1));
        d->records[i * 3 + 2] = ls_value_int((int64_t)i);
    }
}

static void add_all(struct data *d, const struct ls_sort_limits *limits)
{
    struct ls_error err = {0};

    assert_ok(ls_sorter_open(&layout, limits, &d->sorter, &err), &err);
    for (size_t i = 0; i < d->count; i++)
        assert_ok(ls_sorter_add(d->sorter, d->records + 3 * i, i * 7, &err), &err);
    assert_ok(ls_sorter_finish(d->sorter, &err), &err);
}

/* Every record comes out once, whole, with its hash, in order. */
static void take_all(struct data *d)
{
    unsigned char *seen = calloc(d->count + 1, 1);
    struct ls_value record[3], before[2] = {{0}};
    struct ls_arena mems[2];
    struct ls_error err = {0};

    ls_arena_init(&mems[0], 0);
    ls_arena_init(&mems[1], 0);
    for (size_t i = 0;; i++) {
        uint64_t hash = 0;
        bool any = false;
        struct ls_value now[2];
        size_t was;

        ls_arena_reset(&mems[i % 2]);
        assert_ok(ls_sorter_next(d->sorter, &mems[i % 2], record, &hash, &any, &err), &err);
        if (!any) {
            assert_int_equal(i, d->count);
            break;
        }
        was = (size_t)record[2].i;
        assert_true(was < d->count && !seen[was]);
        seen[was] = 1;
        assert_int_equal(hash, was * 7);
        assert_true(ls_values_equal(record, d->records + 3 * was, as, 3));
        now[0] = record[1];
        now[1] = record[0];
        if (i)
            assert_true(ls_values_order(before, now, key_as, 2) <= 0);
        memcpy(before, now, sizeof now);
    }
    ls_arena_done(&mems[0]);
    ls_arena_done(&mems[1]);
    free(seen);
}

static void done(struct data *d)
{
    ls_sorter_close(d->sorter);
    ls_arena_done(&d->mem);
}

static void what_fits_the_budget_makes_no_file(void **state)
{
    struct data d = {0};

    (void)state;
    make_data(&d, 500, 1);
    add_all(&d, NULL);
    assert_int_equal(ls_sorter_spilled_bytes(d.sorter), 0);
    take_all(&d);
    done(&d);
}

static void runs_are_merged_in_one_pass(void **state)
{
    const struct ls_sort_limits limits = {.budget_bytes = 20000};
    struct data d = {0};

    (void)state;
    make_data(&d, 3000, fixture_seed());
    add_all(&d, &limits);
    assert_true(ls_sorter_spilled_bytes(d.sorter) > 0);
    take_all(&d);
    done(&d);
}

static void many_runs_are_merged_in_levels(void **state)
{
    const struct ls_sort_limits limits = {.budget_bytes = 2000, .fan_in = 3};
    struct data d = {0};

    (void)state;
    make_data(&d, 3000, fixture_seed());
    add_all(&d, &limits);
    take_all(&d);
    done(&d);
}

static void a_record_longer_than_the_buffer_is_read_back(void **state)
{
    const struct ls_sort_limits limits = {.budget_bytes = 1000};
    struct data d = {0};
    char *text = malloc(300000);

    (void)state;
    memset(text, 'x', 300000);
    make_data(&d, 10, 5);
    d.records[3 * 4] = ls_value_data(LS_T_TEXT, text, 300000);
    d.records[3 * 7] = ls_value_data(LS_T_TEXT, text, 299999);
    add_all(&d, &limits);
    take_all(&d);
    done(&d);
    free(text);
}

static void nothing_sorted_is_nothing(void **state)
{
    struct data d = {0};

    (void)state;
    make_data(&d, 0, 1);
    add_all(&d, NULL);
    take_all(&d);
    done(&d);
}

static void closing_in_the_middle_frees_all(void **state)
{
    const struct ls_sort_limits limits = {.budget_bytes = 2000, .fan_in = 3};
    struct data d = {0};
    struct ls_value record[3];
    struct ls_error err = {0};
    uint64_t hash;
    bool any;

    (void)state;
    make_data(&d, 1000, 9);
    add_all(&d, &limits);
    assert_ok(ls_sorter_next(d.sorter, &d.mem, record, &hash, &any, &err), &err);
    done(&d);
}

/* A limit on the file's size stands in for a full disk. */
static void a_full_disk_names_the_folder(void **state)
{
    const struct ls_sort_limits limits = {.budget_bytes = 2000};
    const struct rlimit none = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
    struct rlimit before;
    struct data d = {0};
    struct ls_error err = {0};
    enum ls_code rc = LS_OK;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    make_data(&d, 5000, 3);
    assert_ok(ls_sorter_open(&layout, &limits, &d.sorter, &err), &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    for (size_t i = 0; i < d.count && rc == LS_OK; i++)
        rc = ls_sorter_add(d.sorter, d.records + 3 * i, i, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_error(rc, &err, LS_FULL, "TMPDIR", "/");
    done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_the_budget_makes_no_file),
        cmocka_unit_test(runs_are_merged_in_one_pass),
        cmocka_unit_test(many_runs_are_merged_in_levels),
        cmocka_unit_test(a_record_longer_than_the_buffer_is_read_back),
        cmocka_unit_test(nothing_sorted_is_nothing),
        cmocka_unit_test(closing_in_the_middle_frees_all),
        cmocka_unit_test(a_full_disk_names_the_folder),
    };
    return cmocka_run_group_tests_name("engine/sort", tests, NULL, NULL);
}
