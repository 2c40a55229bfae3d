/* SPDX-License-Identifier: Apache-2.0 */
/* test_spool.c - blobs in a temporary file, forwards and backwards; steps that were set aside; keys that were written. */
#include "engine/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/aside.h"
#include "engine/touched.h"
#include "fixture.h"

static void add_text(struct ls_spool *spool, const char *text)
{
    struct ls_error err = {0};
    struct ls_buf blob;

    ls_buf_init(&blob, 0);
    ls_buf_text(&blob, text);
    assert_ok(ls_spool_add(spool, &blob, &err), &err);
    ls_buf_done(&blob);
}

static void expect_texts(struct ls_spool *spool, const char *const *texts)
{
    struct ls_error err = {0};
    struct ls_arena mem;
    void *blob = NULL;
    size_t size = 0;

    ls_arena_init(&mem, 0);
    for (; *texts; texts++) {
        assert_ok(ls_spool_next(spool, &mem, &blob, &size, &err), &err);
        assert_non_null(blob);
        assert_int_equal(size, strlen(*texts));
        assert_memory_equal(blob, *texts, size);
    }
    assert_ok(ls_spool_next(spool, &mem, &blob, &size, &err), &err);
    assert_null(blob);
    ls_arena_done(&mem);
}
#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void blobs_come_back_in_the_order_they_came(void **state)
{
    struct ls_spool spool = {0};
    struct ls_error err = {0};

    (void)state;
    add_text(&spool, "one");
    add_text(&spool, "");
    add_text(&spool, "three, which is longer");
    assert_int_equal(spool.count, 3);
    for (int round = 0; round < 2; round++) {
        assert_ok(ls_spool_rewind(&spool, &err), &err);
        expect_texts(&spool, TEXTS("one", "", "three, which is longer"));
        assert_ok(ls_spool_rewind_back(&spool, &err), &err);
        expect_texts(&spool, TEXTS("three, which is longer", "", "one"));
    }
    ls_spool_done(&spool);
    assert_int_equal(spool.count, 0);
}

static void an_empty_spool_makes_no_file(void **state)
{
    struct ls_spool spool = {0};
    struct ls_error err = {0};

    (void)state;
    assert_ok(ls_spool_rewind(&spool, &err), &err);
    assert_null(spool.f);
    expect_texts(&spool, TEXTS(NULL));
    assert_ok(ls_spool_rewind_back(&spool, &err), &err);
    expect_texts(&spool, TEXTS(NULL));
    ls_spool_done(&spool);
}

static void a_blob_that_was_not_made_is_not_written(void **state)
{
    struct ls_spool spool = {0};
    struct ls_error err = {0};
    struct ls_buf blob;

    (void)state;
    ls_buf_init(&blob, 4);
    ls_buf_text(&blob, "too long");
    assert_error(ls_spool_add(&spool, &blob, &err), &err, LS_NOMEM, "");
    assert_int_equal(spool.count, 0);
    ls_buf_done(&blob);
}

static void a_file_that_ends_early_is_noticed(void **state)
{
    (void)state;
    for (int back = 0; back < 2; back++)
        for (off_t cut = 0; cut < 30; cut++) {
            struct ls_spool spool = {0};
            struct ls_error err = {0};
            struct ls_arena mem;
            void *blob = NULL;
            size_t size = 0;
            enum ls_code rc = LS_OK;

            ls_arena_init(&mem, 0);
            add_text(&spool, "seven b");
            add_text(&spool, "seven b");
            assert_int_equal(spool.bytes, 30);
            assert_int_equal(fflush(spool.f), 0);
            assert_int_equal(ftruncate(fileno(spool.f), cut), 0);
            assert_ok(back ? ls_spool_rewind_back(&spool, &err) : ls_spool_rewind(&spool, &err),
                      &err);
            do
                rc = ls_spool_next(&spool, &mem, &blob, &size, &err);
            while (rc == LS_OK && blob);
            assert_error(rc, &err, LS_IO, "ends early");
            ls_spool_done(&spool);
            ls_arena_done(&mem);
        }
}

static void a_folder_that_is_not_there_is_named(void **state)
{
    struct ls_spool spool = {0};
    struct ls_error err = {0};
    struct ls_buf blob = {0};
    char *before = getenv("TMPDIR") ? strdup(getenv("TMPDIR")) : NULL;

    (void)state;
    setenv("TMPDIR", "/nowhere/at/all", 1);
    assert_error(ls_spool_add(&spool, &blob, &err), &err, LS_NOT_FOUND, "/nowhere/at/all");
    if (before)
        setenv("TMPDIR", before, 1);
    else
        unsetenv("TMPDIR");
    free(before);
}

/* ---- what lies in it ---- */

static void a_step_set_aside_is_the_same_when_it_comes_back(void **state)
{
    const struct ls_aside_shape shape = {1, 2, 3};
    const struct ls_value key[] = {ls_value_int(7)};
    const struct ls_value expected[] = {ls_value_int(7), ls_value_null()};
    const struct ls_value record[] = {ls_value_int(7), ls_value_text("x"), ls_value_text("")};
    const struct ls_step steps[] = {
        {LS_INSERT, LS_EXPECT_NONE, key, NULL, {0, 0}, record, 0},
        {LS_UPDATE, LS_EXPECT_VALUES, key, expected, {0, 0}, record, 0},
        {LS_DELETE, LS_EXPECT_HASH, key, NULL, {1, 2}, NULL, 1234567890123},
    };
    const struct ls_as as[] = {{.type = LS_T_INT}, {.type = LS_T_TEXT}, {.type = LS_T_TEXT}};
    struct ls_aside aside;
    struct ls_aside_step got;
    struct ls_error err = {0};
    struct ls_arena mem;
    bool any = false;

    (void)state;
    ls_arena_init(&mem, 0);
    ls_aside_init(&aside, &shape);
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        assert_ok(ls_aside_add(&aside, &steps[i], LS_CONSTRAINT, "because", &err), &err);
    assert_ok(ls_aside_rewind(&aside, true, &err), &err);
    for (size_t i = COUNT_OF(steps); i-- > 0;) {
        assert_ok(ls_aside_next(&aside, &mem, &got, &any, &err), &err);
        assert_true(any);
        assert_int_equal(got.code, LS_CONSTRAINT);
        assert_string_equal(got.why, "because");
        assert_int_equal(got.step.kind, steps[i].kind);
        assert_int_equal(got.step.expect, steps[i].expect);
        assert_int_equal(got.step.left.high, steps[i].left.high);
        assert_int_equal(got.step.left.low, steps[i].left.low);
        assert_int_equal(got.step.takes_back, steps[i].takes_back);
        assert_true(ls_values_equal(got.step.key, key, as, 1));
        assert_int_equal(!got.step.expected, !steps[i].expected);
        assert_int_equal(!got.step.record, !steps[i].record);
        assert_true(!got.step.expected || ls_values_equal(got.step.expected, expected, as, 2));
        assert_true(!got.step.record || ls_values_equal(got.step.record, record, as, 3));
    }
    assert_ok(ls_aside_next(&aside, &mem, &got, &any, &err), &err);
    assert_false(any);
    ls_aside_done(&aside);
    ls_arena_done(&mem);
}

static void keys_that_were_written_are_read_in_pieces(void **state)
{
    const struct ls_field fields[] = {fixture_field("a", LS_T_INT), fixture_field("b", LS_T_TEXT)};
    const char *store = fixture_memory();
    const char *const urls[] = {fixture_url(store, "x"), fixture_url(store, "y")};
    struct ls_touched *touched = NULL;
    struct ls_error err = {0};
    struct ls_arena mem;
    struct ls_job *job;

    (void)state;
    fixture_create(store, "x", 2, fields, 2, (const size_t[]){0, 1});
    fixture_create(store, "y", 2, fields, 2, (const size_t[]){0, 1});
    job = fixture_job(urls[0], urls[1], NULL);
    ls_arena_init(&mem, 0);
    assert_ok(ls_touched_open(job, &touched, &err), &err);
    for (int64_t i = 0; i < 25; i++) {
        const struct ls_value key[] = {ls_value_int(i), ls_value_text("k")};

        assert_ok(ls_touched_add(touched, key, &err), &err);
    }
    assert_int_equal(ls_touched_count(touched), 25);
    for (int round = 0; round < 2; round++) {
        int64_t next = 0;
        size_t count = 1;

        assert_ok(ls_touched_rewind(touched, &err), &err);
        while (count) {
            struct ls_value *keys = NULL;

            assert_ok(ls_touched_next(touched, 10, &mem, &keys, &count, &err), &err);
            for (size_t i = 0; i < count; i++)
                assert_int_equal(keys[i * 2].i, next++);
        }
        assert_int_equal(next, 25);
    }
    ls_touched_close(touched);
    ls_job_close(job);
    ls_arena_done(&mem);
    fixture_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blobs_come_back_in_the_order_they_came),
        cmocka_unit_test(an_empty_spool_makes_no_file),
        cmocka_unit_test(a_blob_that_was_not_made_is_not_written),
        cmocka_unit_test(a_file_that_ends_early_is_noticed),
        cmocka_unit_test(a_folder_that_is_not_there_is_named),
        cmocka_unit_test(a_step_set_aside_is_the_same_when_it_comes_back),
        cmocka_unit_test(keys_that_were_written_are_read_in_pieces),
    };

    return cmocka_run_group_tests_name("engine/spool", tests, NULL, NULL);
}
