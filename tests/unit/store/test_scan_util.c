/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of scan_util.c and store.c: partitions, the sieve, bounds from a sample, checks of calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/store.h"

static const struct ls_as as_int = {.type = LS_T_INT, .fraction = 6, .bits = 53};

static size_t segment_of(const struct ls_partition *p, int64_t key)
{
    struct ls_value v = ls_value_int(key);
    struct ls_buf scratch;
    size_t ret;

    ls_buf_init(&scratch, 0);
    ret = ls_partition_of(p, &v, &as_int, 1, &scratch);
    ls_buf_done(&scratch);
    return ret;
}

static void ranges_are_half_open_and_their_ends_are_open(void **state)
{
    const struct ls_value bounds[] = {ls_value_int(-10), ls_value_int(0), ls_value_int(10)};
    const struct ls_partition p = {.by_range = true, .count = 4, .bounds = bounds};

    (void)state;
    assert_int_equal(segment_of(&p, INT64_MIN), 0);
    assert_int_equal(segment_of(&p, -11), 0);
    assert_int_equal(segment_of(&p, -10), 1);
    assert_int_equal(segment_of(&p, -1), 1);
    assert_int_equal(segment_of(&p, 0), 2);
    assert_int_equal(segment_of(&p, 9), 2);
    assert_int_equal(segment_of(&p, 10), 3);
    assert_int_equal(segment_of(&p, INT64_MAX), 3);
}

static void hashing_spreads_keys_over_all_segments(void **state)
{
    const struct ls_partition p = {.count = 64, .seed = 9}, other = {.count = 64, .seed = 10};
    size_t count[64] = {0}, moved = 0;

    (void)state;
    for (int64_t i = 0; i < 6400; i++) {
        count[segment_of(&p, i)]++;
        moved += segment_of(&p, i) != segment_of(&other, i);
    }
    for (size_t i = 0; i < 64; i++)
        assert_in_range(count[i], 50, 160);
    assert_true(moved > 6000);
}

static void equal_keys_of_two_types_are_in_one_segment(void **state)
{
    const struct ls_partition p = {.count = 1024, .seed = 9};
    const struct ls_as as = {.type = LS_T_DECIMAL, .fraction = 6, .bits = 53};
    struct ls_value a = ls_value_int(17), b = ls_value_data(LS_T_DECIMAL, "17.00", 5);
    struct ls_buf scratch;

    (void)state;
    ls_buf_init(&scratch, 0);
    assert_int_equal(ls_partition_of(&p, &a, &as, 1, &scratch),
                     ls_partition_of(&p, &b, &as, 1, &scratch));
    ls_buf_done(&scratch);
}

/* A collection in memory with ids as given. */
static struct ls_store *open_memory(struct ls_arena *mem, const char *name, bool writable)
{
    const struct ls_url url = {"memory", name, NULL, "memory:"};
    const struct ls_store_options options = {.writable = writable};
    struct ls_store *store = NULL;
    struct ls_error err;

    (void)mem;
    assert_int_equal(ls_store_open(&url, &options, &store, &err), LS_OK);
    return store;
}

static struct ls_schema *fill(struct ls_store *store, struct ls_arena *mem, const int64_t *ids,
                              size_t count)
{
    static const struct ls_field fields[] = {{"id", LS_T_INT, "int", "", -1, -1, 0}};
    static const size_t zero[] = {0};
    const struct ls_schema like = {
        .collection = "t", .field_count = 1, .fields = fields, .fingerprint = ""};
    struct ls_write_op *ops = ls_arena_array(mem, count, sizeof(*ops));
    struct ls_value *values = ls_arena_array(mem, count, sizeof(*values));
    struct ls_write write = {
        .field_count = 1, .fields = zero, .key_count = 1, .key = zero, .count = count, .ops = ops};
    struct ls_schema *schema = NULL;
    struct ls_error err;

    assert_int_equal(ls_store_create(store, "t", &like, 1, zero, &err), LS_OK);
    assert_int_equal(ls_store_describe(store, "t", mem, &schema, &err), LS_OK);
    for (size_t i = 0; i < count; i++) {
        values[i] = ls_value_int(ids[i]);
        ops[i] = (struct ls_write_op){LS_INSERT, &values[i], &values[i]};
    }
    write.schema = schema;
    assert_int_equal(ls_store_begin(store, &err), LS_OK);
    assert_int_equal(ls_store_write(store, &write, &err), LS_OK);
    assert_int_equal(ls_store_commit(store, &err), LS_OK);
    return schema;
}

static void a_sample_of_many_records_stays_even(void **state)
{
    static const size_t zero[] = {0};
    const size_t total =
        300000; /* more than the sample holds, so that it is thinned several times */
    struct ls_arena mem;
    struct ls_store *store;
    struct ls_scan scan = {.field_count = 1, .fields = zero, .key_count = 1, .key = zero};
    struct ls_value *bounds = NULL;
    struct ls_error err;
    int64_t *ids, last = -1;
    size_t count = 0;

    (void)state;
    ls_arena_init(&mem, 0);
    store = open_memory(&mem, "sample", true);
    ids = ls_arena_array(&mem, total, sizeof(*ids));
    for (size_t i = 0; i < total; i++)
        ids[i] = (int64_t)i * 3;
    scan.schema = fill(store, &mem, ids, total);
    assert_int_equal(ls_store_bounds(store, &scan, 9, &mem, &count, &bounds, &err), LS_OK);
    assert_int_equal(count, 9);
    for (size_t i = 0; i < count; i++) {
        assert_in_range(bounds[i].i - last, 3 * 29000, 3 * 31000);
        last = bounds[i].i;
    }
    ls_store_close(store);
    ls_arena_done(&mem);
}

static void more_bounds_than_values_are_not_invented(void **state)
{
    static const size_t zero[] = {0};
    static const int64_t ids[] = {5, 6, 9};
    struct ls_arena mem;
    struct ls_store *store;
    struct ls_scan scan = {.field_count = 1, .fields = zero, .key_count = 1, .key = zero};
    struct ls_value *bounds = NULL;
    struct ls_error err;
    size_t count = 0;

    (void)state;
    ls_arena_init(&mem, 0);
    store = open_memory(&mem, "few", true);
    scan.schema = fill(store, &mem, ids, 3);
    assert_int_equal(ls_store_bounds(store, &scan, 100, &mem, &count, &bounds, &err), LS_OK);
    assert_int_equal(count, 2);
    assert_int_equal(bounds[0].i, 6);
    assert_int_equal(bounds[1].i, 9);
    ls_store_close(store);
    ls_arena_done(&mem);
}

static void an_unknown_scheme_is_answered_with_those_there_are(void **state)
{
    const struct ls_url url = {"mysql", "x", NULL, "mysql:x"};
    struct ls_store *store = NULL;
    struct ls_error err;

    (void)state;
    assert_int_equal(ls_store_open(&url, NULL, &store, &err), LS_USAGE);
    assert_non_null(strstr(err.text, "mysql"));
    for (size_t i = 0; ls_store_kinds[i]; i++)
        assert_non_null(strstr(err.text, ls_store_kinds[i]->example));
    assert_null(store);
}

static void a_collection_that_is_not_there_is_answered_with_the_one_meant(void **state)
{
    static const char *const names[] = {"\"Odd.Schema\".t", "public.UPPER", "public.customers"};
    static const struct {
        const char *wanted, *said;
    } cases[] = {
        {"upper", "Did you mean public.UPPER?"},
        {"custmers", "Did you mean public.customers?"},
        {"public.custmers", "Did you mean public.customers?"},
        {"nowhere", "It has 3: \"Odd.Schema\".t, public.UPPER, ..."},
        {"other.customers", "It has 3"},
    };
    struct ls_arena mem;
    struct ls_store *store;
    struct ls_error err = {0};

    (void)state;
    ls_arena_init(&mem, 0);
    store = open_memory(&mem, "names", true);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ls_store_no_collection(store, cases[i].wanted, 3, names, &err),
                         LS_NOT_FOUND);
        if (!strstr(err.text, cases[i].said))
            fail_msg("%s: %s", cases[i].wanted, err.text);
    }
    ls_store_close(store);
    ls_arena_done(&mem);
}

static void every_kind_fills_what_its_capabilities_promise(void **state)
{
    (void)state;
    for (size_t i = 0; ls_store_kinds[i]; i++) {
        const struct ls_store_ops *ops = ls_store_kinds[i];

        assert_non_null(ops->scheme);
        assert_true(*ops->summary);
        assert_int_equal(strncmp(ops->example, ops->scheme, strlen(ops->scheme)), 0);
        assert_true(ops->open && ops->close && ops->identity && ops->list && ops->describe);
        assert_true(ops->scan && ops->next && ops->end && ops->fetch);
        if (ops->caps & LS_CAP_WRITE)
            assert_true(ops->begin && ops->write && ops->mark && ops->commit && ops->rollback &&
                        ops->settle);
        if (ops->caps & LS_CAP_DIGEST)
            assert_true(ops->digest_family && ops->digest && ops->bounds);
        assert_true(!(ops->caps & LS_CAP_CREATE) || ops->create);
        assert_true(!(ops->caps & LS_CAP_LOCK) || ops->lock);
    }
}

static void a_memory_store_lives_as_long_as_a_session(void **state)
{
    static const int64_t ids[] = {1};
    const char *const *names = NULL;
    struct ls_arena mem;
    struct ls_store *a, *b;
    struct ls_error err;
    size_t count = 0;

    (void)state;
    ls_arena_init(&mem, 0);
    a = open_memory(&mem, "life", true);
    fill(a, &mem, ids, 1);
    b = open_memory(&mem, "life", false);
    ls_store_close(a);
    assert_int_equal(ls_store_list(b, &mem, &count, &names, &err), LS_OK);
    assert_int_equal(count, 1);
    ls_store_close(b);
    a = open_memory(&mem, "life", false);
    assert_int_equal(ls_store_list(a, &mem, &count, &names, &err), LS_OK);
    assert_int_equal(count, 0);
    ls_store_close(a);
    ls_store_close(NULL);
    ls_arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_half_open_and_their_ends_are_open),
        cmocka_unit_test(hashing_spreads_keys_over_all_segments),
        cmocka_unit_test(equal_keys_of_two_types_are_in_one_segment),
        cmocka_unit_test(a_sample_of_many_records_stays_even),
        cmocka_unit_test(more_bounds_than_values_are_not_invented),
        cmocka_unit_test(an_unknown_scheme_is_answered_with_those_there_are),
        cmocka_unit_test(a_collection_that_is_not_there_is_answered_with_the_one_meant),
        cmocka_unit_test(every_kind_fills_what_its_capabilities_promise),
        cmocka_unit_test(a_memory_store_lives_as_long_as_a_session),
    };
    return cmocka_run_group_tests_name("store/scan_util", tests, NULL, NULL);
}
