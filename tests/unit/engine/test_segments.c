/* SPDX-License-Identifier: Apache-2.0 */
/* test_segments.c - cutting partitions, and finding the segments that differ. */
#include "engine/segments.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fixture.h"

static const struct ls_as by_int = {.type = LS_T_INT, .fraction = 6, .bits = 53};

/* ---- pure ---- */

static void the_number_of_segments_follows_the_records(void **state)
{
    (void)state;
    assert_int_equal(ls_segments_for(0, true), 16);
    assert_int_equal(ls_segments_for(100000, true), 200);
    assert_int_equal(ls_segments_for(INT64_MAX, true), 2000);
    assert_int_equal(ls_segments_for(-1, true), 256);
    assert_int_equal(ls_segments_for(INT64_MAX, false), 65536);
}

static size_t segment_of(const struct ls_partition *p, int64_t key, const struct ls_as *as)
{
    const struct ls_value v = ls_value_int(key);
    struct ls_buf scratch;
    size_t ret;

    ls_buf_init(&scratch, 0);
    ret = ls_partition_of(p, &v, as, 1, &scratch);
    ls_buf_done(&scratch);
    return ret;
}

static bool wanted(const struct ls_partition *p, int64_t key)
{
    return ls_partition_wants(p, segment_of(p, key, &by_int));
}

static void cutting_keeps_exactly_the_wanted_keys_wanted(void **state)
{
    const struct ls_value bounds[] = {ls_value_int(10), ls_value_int(20), ls_value_int(30),
                                      ls_value_int(40)};
    const struct ls_value cuts[] = {ls_value_int(12), ls_value_int(15), ls_value_int(20),
                                    ls_value_int(44), ls_value_int(90)};
    struct ls_arena mem;

    (void)state;
    ls_arena_init(&mem, 0);
    for (unsigned bits = 0; bits < 32; bits++) {
        const uint8_t map[] = {(uint8_t)bits};
        const struct ls_partition old = {
            .by_range = true, .count = 5, .bounds = bounds, .wanted = map};

        for (size_t n = 0; n <= COUNT_OF(cuts); n++) {
            const struct ls_partition *p = ls_partition_cut(&old, &by_int, cuts, n, &mem);

            assert_non_null(p);
            for (size_t i = 0; i + 2 < p->count; i++)
                assert_true(p->bounds[i].i < p->bounds[i + 1].i);
            for (int64_t k = -5; k < 100; k++)
                assert_int_equal(wanted(p, k), wanted(&old, k));
        }
    }
    ls_arena_done(&mem);
}

static void cutting_by_nothing_joins_neighbours(void **state)
{
    const struct ls_value bounds[] = {ls_value_int(10), ls_value_int(20), ls_value_int(30),
                                      ls_value_int(40)};
    const uint8_t map[] = {0x06}; /* [10,20) and [20,30) */
    const struct ls_partition old = {.by_range = true, .count = 5, .bounds = bounds, .wanted = map};
    const struct ls_partition *p;
    struct ls_arena mem;

    (void)state;
    ls_arena_init(&mem, 0);
    p = ls_partition_cut(&old, &by_int, NULL, 0, &mem);
    assert_int_equal(p->count, 3);
    assert_int_equal(p->bounds[0].i, 10);
    assert_int_equal(p->bounds[1].i, 30);
    ls_arena_done(&mem);
}

static void splitting_a_hash_keeps_exactly_the_wanted_keys_wanted(void **state)
{
    const uint8_t map[] = {0x92, 0x41};
    const struct ls_partition old = {.count = 16, .seed = 42, .wanted = map};
    const struct ls_partition *p;
    struct ls_arena mem;

    (void)state;
    ls_arena_init(&mem, 0);
    p = ls_partition_split(&old, 64, &mem);
    assert_int_equal(p->count, 1024);
    for (int64_t k = 0; k < 5000; k++)
        assert_int_equal(wanted(p, k), wanted(&old, k));
    ls_arena_done(&mem);
}

/* ---- over stores ---- */

static const size_t first_field[] = {0};

static void fill(const char *url, int64_t from, int64_t to, int64_t skip)
{
    struct ls_field fields[] = {fixture_field("id", LS_T_INT), fixture_field("a", LS_T_INT),
                                fixture_field("b", LS_T_INT)};
    struct ls_value *records = calloc((size_t)(to - from) * 3, sizeof *records);
    size_t count = 0;

    fixture_create(url, "t", 3, fields, 1, first_field);
    for (int64_t i = from; i < to; i++) {
        if (i == skip)
            continue;
        records[count * 3] = ls_value_int(i);
        records[count * 3 + 1] = ls_value_int(i * 10);
        records[count * 3 + 2] = ls_value_int(i % 7);
        count++;
    }
    fixture_insert(url, "t", count, records);
    free(records);
}

static const struct ls_partition *narrow(struct ls_job *job, bool pushed, struct ls_arena *mem,
                                         struct ls_segments *seg)
{
    const uint64_t seeds[2] = {ls_random_u64() | 2, ls_random_u64() | 2};
    struct ls_error err = {0};

    assert_ok(ls_segments_narrow(job, pushed, seeds, NULL, mem, seg, &err), &err);
    return seg->partition;
}

/* Both ways to cut, over the memory store, which can do both. */
static void only_the_segments_with_a_difference_are_left(bool pushed)
{
    const char *a = fixture_memory(), *b = fixture_memory();
    struct ls_segments seg;
    struct ls_arena mem;
    struct ls_job *job;

    ls_arena_init(&mem, 0);
    fill(a, 0, 4000, -1);
    fill(b, 0, 4000, 1234);
    job = fixture_job(fixture_url(a, "t"), fixture_url(b, "t"), NULL);
    assert_non_null(narrow(job, pushed, &mem, &seg));
    assert_int_equal(seg.differing, 1);
    assert_int_equal(seg.left[0], seg.left[1] + 1);
    assert_int_equal(seg.equal_count + seg.left[0], 4000);
    assert_true(seg.left[0] < 1000);
    assert_true(seg.digest[0] != seg.digest[1]);
    ls_job_close(job);
    ls_arena_done(&mem);
    fixture_done();
}

static void one_missing_record_leaves_one_segment_by_hash(void **state)
{
    (void)state;
    only_the_segments_with_a_difference_are_left(false);
}

static void one_missing_record_leaves_one_segment_by_range(void **state)
{
    (void)state;
    only_the_segments_with_a_difference_are_left(true);
}

static void equal_sides_leave_nothing(void **state)
{
    const char *a = fixture_memory(), *b = fixture_memory();
    struct ls_segments seg;
    struct ls_arena mem;
    struct ls_job *job;

    (void)state;
    ls_arena_init(&mem, 0);
    fill(a, 0, 1000, -1);
    fill(b, 0, 1000, -1);
    job = fixture_job(fixture_url(a, "t"), fixture_url(b, "t"), NULL);
    assert_null(narrow(job, true, &mem, &seg));
    assert_false(seg.everything);
    assert_int_equal(seg.equal_count, 1000);
    assert_int_equal(seg.digest[0], seg.digest[1]);
    ls_job_close(job);
    ls_arena_done(&mem);
    fixture_done();
}

/* Bounds are sampled on one side; what the other has outside of them must be in some segment. */
static void keys_outside_of_the_sampled_range_are_found(void **state)
{
    const char *a = fixture_memory(), *b = fixture_memory();
    const struct ls_value outside[] = {ls_value_int(-50),   ls_value_int(0), ls_value_int(0),
                                       ls_value_int(99999), ls_value_int(0), ls_value_int(0)};
    struct ls_segments seg;
    struct ls_arena mem;
    struct ls_job *job;

    (void)state;
    ls_arena_init(&mem, 0);
    fill(a, 0, 1000, -1);
    fill(b, 0, 1000, -1);
    fixture_insert(b, "t", 2, outside);
    job = fixture_job(fixture_url(a, "t"), fixture_url(b, "t"), NULL);
    assert_non_null(narrow(job, true, &mem, &seg));
    assert_int_equal(seg.differing, 2);
    assert_int_equal(seg.left[1], seg.left[0] + 2);
    ls_job_close(job);
    ls_arena_done(&mem);
    fixture_done();
}

static void an_empty_side_leaves_everything(void **state)
{
    const char *a = fixture_memory(), *b = fixture_memory();
    struct ls_segments seg;
    struct ls_arena mem;
    struct ls_job *job;

    (void)state;
    ls_arena_init(&mem, 0);
    fill(a, 0, 100, -1);
    fill(b, 0, 0, -1);
    job = fixture_job(fixture_url(a, "t"), fixture_url(b, "t"), NULL);
    assert_null(narrow(job, true, &mem, &seg));
    assert_true(seg.everything);
    ls_job_close(job);
    ls_arena_done(&mem);
    fixture_done();
}

static void a_wanted_cancel_ends_it(void **state)
{
    const char *a = fixture_memory(), *b = fixture_memory();
    const uint64_t seeds[2] = {2, 3};
    struct ls_cancel cancel;
    struct ls_segments seg;
    struct ls_error err = {0};
    struct ls_arena mem;
    struct ls_job *job;

    (void)state;
    cancel.wanted = true;
    ls_arena_init(&mem, 0);
    fill(a, 0, 100, -1);
    fill(b, 0, 100, -1);
    job = fixture_job(fixture_url(a, "t"), fixture_url(b, "t"), NULL);
    assert_error(ls_segments_narrow(job, false, seeds, &cancel, &mem, &seg, &err), &err,
                 LS_CANCELLED, "cancelled");
    ls_job_close(job);
    ls_arena_done(&mem);
    fixture_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_number_of_segments_follows_the_records),
        cmocka_unit_test(cutting_keeps_exactly_the_wanted_keys_wanted),
        cmocka_unit_test(cutting_by_nothing_joins_neighbours),
        cmocka_unit_test(splitting_a_hash_keeps_exactly_the_wanted_keys_wanted),
        cmocka_unit_test(one_missing_record_leaves_one_segment_by_hash),
        cmocka_unit_test(one_missing_record_leaves_one_segment_by_range),
        cmocka_unit_test(equal_sides_leave_nothing),
        cmocka_unit_test(keys_outside_of_the_sampled_range_are_found),
        cmocka_unit_test(an_empty_side_leaves_everything),
        cmocka_unit_test(a_wanted_cancel_ends_it),
    };
    return cmocka_run_group_tests_name("engine/segments", tests, NULL, NULL);
}
