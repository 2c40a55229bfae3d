/* SPDX-License-Identifier: Apache-2.0 */
/* test_arena.c - memory that is given back all at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

static int setup(void **state)
{
    struct ls_arena *mem = malloc(sizeof(*mem));

    if (!mem)
        return -1;
    ls_arena_init(mem, 0);
    *state = mem;
    return 0;
}

static int teardown(void **state)
{
    ls_arena_done(*state);
    free(*state);
    return 0;
}

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
    struct ls_arena *mem = *state;
    unsigned char *pieces[500];

    for (size_t i = 0; i < 500; i++) {
        pieces[i] = ls_arena_alloc(mem, i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        for (size_t j = 0; j < i; j++)
            assert_int_equal(pieces[i][j], 0);
        memset(pieces[i], (int)(i % 251) + 1, i);
    }
    for (size_t i = 0; i < 500; i++) {
        for (size_t j = 0; j < i; j++)
            assert_int_equal(pieces[i][j], i % 251 + 1);
    }
}

static void memory_is_zeroed_again_after_a_reset(void **state)
{
    struct ls_arena *mem = *state;
    unsigned char *p = ls_arena_alloc(mem, 1000);

    memset(p, 0xff, 1000);
    ls_arena_reset(mem);
    p = ls_arena_alloc(mem, 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
}

static void a_reset_keeps_a_chunk_and_forgets_the_count(void **state)
{
    struct ls_arena *mem = *state;
    void *before, *after;

    before = ls_arena_alloc(mem, 100);
    assert_true(mem->used_bytes >= 100);
    ls_arena_reset(mem);
    assert_int_equal(mem->used_bytes, 0);
    after = ls_arena_alloc(mem, 100);
    assert_ptr_equal(before, after);
}

static void a_reset_of_many_chunks_keeps_the_largest(void **state)
{
    struct ls_arena *mem = *state;
    struct ls_arena_chunk *kept;

    for (int i = 0; i < 3000; i++)
        assert_non_null(ls_arena_alloc(mem, 1000));
    ls_arena_reset(mem);
    kept = mem->head;
    assert_non_null(kept);
    for (int i = 0; i < 1000; i++) /* close to the 1 MiB that such a chunk has */
        assert_non_null(ls_arena_alloc(mem, 1000));
    assert_ptr_equal(mem->head, kept);
}

static void a_large_piece_is_not_kept_by_a_reset(void **state)
{
    struct ls_arena *mem = *state;

    assert_non_null(ls_arena_alloc(mem, (size_t)8 << 20));
    ls_arena_reset(mem);
    assert_null(mem->head);
    assert_non_null(ls_arena_alloc(mem, 10));
}

static void a_large_piece_leaves_the_rest_of_the_chunk_in_use(void **state)
{
    struct ls_arena *mem = *state;
    unsigned char *small = ls_arena_alloc(mem, 16), *large, *next;

    large = ls_arena_alloc(mem, 100000);
    memset(large, 1, 100000);
    next = ls_arena_alloc(mem, 16);
    assert_ptr_equal(next, small + 16);
}

static void the_maximum_holds_and_is_not_broken_by_huge_sizes(void **state)
{
    struct ls_arena mem;
    (void)state;

    ls_arena_init(&mem, 1000);
    assert_non_null(ls_arena_alloc(&mem, 500));
    assert_null(ls_arena_alloc(&mem, 600));
    assert_null(ls_arena_alloc(&mem, SIZE_MAX));
    assert_null(ls_arena_alloc(&mem, SIZE_MAX - 8));
    assert_null(ls_arena_array(&mem, SIZE_MAX / 2, 3));
    assert_null(ls_arena_text_n(&mem, "x", SIZE_MAX));
    assert_non_null(ls_arena_alloc(&mem, 400));
    assert_true(mem.used_bytes <= 1000);
    ls_arena_done(&mem);
}

static void an_array_that_overflows_is_refused_and_an_empty_one_is_not(void **state)
{
    struct ls_arena *mem = *state;

    assert_null(ls_arena_array(mem, SIZE_MAX / 8 + 2, 8)); /* would wrap round to 8 */
    assert_non_null(ls_arena_array(mem, 0, 8));
    assert_non_null(ls_arena_array(mem, 8, 0));
    assert_non_null(ls_arena_alloc(mem, 0));
}

static void copies_are_whole_and_null_stays_null(void **state)
{
    struct ls_arena *mem = *state;
    char *text;

    assert_memory_equal(ls_arena_copy(mem, "a\0b", 3), "a\0b", 3);
    assert_string_equal(ls_arena_text(mem, "hello"), "hello");
    assert_string_equal(ls_arena_text(mem, ""), "");
    text = ls_arena_text_n(mem, "hello", 3);
    assert_string_equal(text, "hel");
    text = ls_arena_text_n(mem, "a\0bc", 3);
    assert_memory_equal(text, "a\0b\0", 4);
    assert_null(ls_arena_copy(mem, NULL, 3));
    assert_null(ls_arena_text(mem, NULL));
    assert_null(ls_arena_text_n(mem, NULL, 0));
}

static void formatted_texts_of_any_length_are_whole(void **state)
{
    struct ls_arena *mem = *state;

    assert_string_equal(ls_arena_printf(mem, "%s-%d", "a", 5), "a-5");
    for (int n = 250; n < 262; n++) { /* around the size of the first try */
        char *text = ls_arena_printf(mem, "%0*d", n, 7);

        assert_int_equal(strlen(text), n);
        assert_int_equal(text[n - 1], '7');
    }
}

static void an_arena_may_be_used_again_after_done(void **state)
{
    struct ls_arena *mem = *state;

    ls_arena_alloc(mem, 10);
    ls_arena_done(mem);
    assert_int_equal(mem->used_bytes, 0);
    assert_non_null(ls_arena_alloc(mem, 10));
    ls_arena_done(NULL);
}

static void what_was_not_given_out_is_poisoned(void **state)
{
#if defined(__SANITIZE_ADDRESS__)
    struct ls_arena *mem = *state;
    char *p = ls_arena_alloc(mem, 10);

    assert_false(__asan_address_is_poisoned(p + 9));
    assert_true(__asan_address_is_poisoned(p + 10));
    ls_arena_reset(mem);
    assert_true(__asan_address_is_poisoned(p));
#else
    (void)state;
    skip();
#endif
}

#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(pieces_are_zeroed_aligned_and_apart),
        WITH_ARENA(memory_is_zeroed_again_after_a_reset),
        WITH_ARENA(a_reset_keeps_a_chunk_and_forgets_the_count),
        WITH_ARENA(a_reset_of_many_chunks_keeps_the_largest),
        WITH_ARENA(a_large_piece_is_not_kept_by_a_reset),
        WITH_ARENA(a_large_piece_leaves_the_rest_of_the_chunk_in_use),
        cmocka_unit_test(the_maximum_holds_and_is_not_broken_by_huge_sizes),
        WITH_ARENA(an_array_that_overflows_is_refused_and_an_empty_one_is_not),
        WITH_ARENA(copies_are_whole_and_null_stays_null),
        WITH_ARENA(formatted_texts_of_any_length_are_whole),
        WITH_ARENA(an_arena_may_be_used_again_after_done),
        WITH_ARENA(what_was_not_given_out_is_poisoned),
    };
    return cmocka_run_group_tests_name("base/arena", tests, NULL, NULL);
}
