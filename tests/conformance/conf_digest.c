/* SPDX-License-Identifier: Apache-2.0 */
/* conf_digest.c - digests of segments: equal for equal content, different for any difference. */
#include "conf.h"

#include <string.h>

static const uint64_t seeds[2] = {UINT64_C(0x9E3779B97F4A7C15), UINT64_C(0xC2B2AE3D27D4EB4F)};

/* The digest of everything as one segment. */
static struct ls_segment whole(struct place *place, const uint64_t with[2])
{
    const struct ls_partition p = {.count = 1, .seed = 5};
    struct ls_scan scan = scan_all(place);
    struct ls_segment segment = {9, 9};
    struct ls_error err = {0};

    scan.partition = &p;
    assert_ls(ls_store_digest(place->store, &scan, with, &segment, &err));
    return segment;
}

static const char *family_of(struct place *place)
{
    const struct ls_scan scan = scan_all(place);
    struct ls_error err = {0};
    const char *family = ls_store_digest_family(place->store, &scan, &place->conf->mem, &err);

    assert_non_null(family);
    return family;
}

static struct place *pair_place(struct conf *conf)
{
    static const struct column columns[] = {COLUMN("id", INT), COLUMN("a", TEXT),
                                            COLUMN("b", TEXT)};
    static const size_t key[] = {0};

    return make_place(conf, columns, 3, key, 1, -1);
}

/* Puts these two lots into two collections and says whether their digests are the same. */
static bool same(struct conf *conf, size_t count, const char *const *a, const char *const *b)
{
    struct place *left = pair_place(conf), *right = pair_place(conf);
    struct ls_segment l, r;

    assert_string_equal(family_of(left), family_of(right));
    put(left, count, a);
    put(right, count, b);
    l = whole(left, seeds);
    r = whole(right, seeds);
    assert_int_equal(l.count, count);
    assert_int_equal(r.count, count);
    return l.sum == r.sum;
}

static void an_empty_collection_digests_to_zero(void **state)
{
    struct ls_segment segment = whole(make_simple(*state), seeds);

    assert_int_equal(segment.count, 0);
    assert_int_equal(segment.sum, 0);
}

static void the_order_of_records_does_not_matter(void **state)
{
    static const char *const a[] = {"1", "x", "y", "2", "u", NULL, "3", "", "v"};
    static const char *const b[] = {"3", "", "v", "1", "x", "y", "2", "u", NULL};

    assert_true(same(*state, 3, a, b));
}

static void any_difference_shows(void **state)
{
    static const struct {
        const char *a[6], *b[6];
    } cases[] = {
        {{"1", "x", "y"}, {"1", "x", "z"}},
        {{"1", "x", "y"}, {"2", "x", "y"}},
        {{"1", "x", "y"}, {"1", "y", "x"}},
        {{"1", "ab", "c"}, {"1", "a", "bc"}},
        {{"1", "", NULL}, {"1", NULL, ""}},
        {{"1", "", "y"}, {"1", NULL, "y"}},
        {{"1", "0", "y"}, {"1", NULL, "y"}},
        {{"1", "a", "y"}, {"1", "A", "y"}},
        {{"1", "a", "y"}, {"1", "a ", "y"}},
        {{"1", NULL, NULL}, {"1", "", ""}},
        {{"1", "1.0", ""}, {"1", "1.00", ""}},
        {{"1", "NULL", ""}, {"1", NULL, ""}},
        {{"1", "\xC3\xA9", ""}, {"1", "e\xCC\x81", ""}},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_false(same(*state, 1, cases[i].a, cases[i].b));
}

/* The trap of sums of hashes that are linear in the fields. */
static void records_that_swap_values_do_not_cancel(void **state)
{
    static const char *const a[] = {"1", "x", "same", "2", "y", "same"};
    static const char *const b[] = {"1", "y", "same", "2", "x", "same"};
    static const char *const c[] = {"1", "p", "q", "2", "r", "s"};
    static const char *const d[] = {"1", "p", "s", "2", "r", "q"};
    static const char *const e[] = {"1", "p", NULL, "2", NULL, "p"};
    static const char *const f[] = {"1", NULL, "p", "2", "p", NULL};

    assert_false(same(*state, 2, a, b));
    assert_false(same(*state, 2, c, d));
    assert_false(same(*state, 2, e, f));
}

static void many_records_whose_values_rotate_do_not_cancel(void **state)
{
    struct conf *conf = *state;
    const char *a[300], *b[300];

    for (int i = 0; i < 100; i++) {
        a[3 * i] = b[3 * i] = ls_arena_printf(&conf->mem, "%d", i);
        a[3 * i + 1] = ls_arena_printf(&conf->mem, "v%d", i);
        b[3 * i + 1] = ls_arena_printf(&conf->mem, "v%d", (i + 1) % 100);
        a[3 * i + 2] = b[3 * i + 2] = "";
    }
    assert_false(same(conf, 100, a, b));
}

static void both_seeds_change_the_digest(void **state)
{
    struct place *place = make_simple(*state);
    const uint64_t first[2] = {seeds[0] + 2, seeds[1]}, second[2] = {seeds[0], seeds[1] + 2};
    uint64_t sum;

    put_many(place, 10);
    sum = whole(place, seeds).sum;
    assert_true(sum == whole(place, seeds).sum);
    assert_true(sum != whole(place, first).sum);
    assert_true(sum != whole(place, second).sum);
}

static void equal_values_of_one_type_digest_alike(void **state)
{
    static const struct column columns[] = {COLUMN("id", INT), COLUMN("price", DECIMAL),
                                            COLUMN("d", DOUBLE), COLUMN("u", UUID),
                                            COLUMN("at", TIMESTAMP)};
    static const size_t key[] = {0};
    struct place *a = make_place(*state, columns, 5, key, 1, -1),
                 *b = make_place(*state, columns, 5, key, 1, -1);

    if (a->schema->fields[1].type != LS_T_DECIMAL)
        return; /* as text, 1.0 and 1.00 are two values */
    put(a, 1,
        (const char *const[]){"1", "1.50", "0", "A0000000-0000-0000-0000-000000000000",
                              "2024-01-01 10:00:00"});
    put(b, 1,
        (const char *const[]){"1", "1.5", "-0", "a0000000-0000-0000-0000-000000000000",
                              "2024-01-01T10:00:00.0"});
    assert_true(whole(a, seeds).sum == whole(b, seeds).sum);
    put(a, 1, (const char *const[]){"2", "100", "1", NULL, NULL});
    put(b, 1, (const char *const[]){"2", "100.01", "1", NULL, NULL});
    assert_false(whole(a, seeds).sum == whole(b, seeds).sum);
}

/* Every segment's count and sum against what a scan of that segment gives. */
static void check_segments(struct place *place, struct ls_partition *p, size_t total)
{
    struct conf *conf = place->conf;
    struct ls_scan scan = scan_all(place);
    struct ls_segment *all = ls_arena_array(&conf->mem, p->count, sizeof(*all)),
                      *one = ls_arena_array(&conf->mem, p->count, sizeof(*one));
    uint8_t *wanted = ls_arena_alloc(&conf->mem, p->count / 8 + 1);
    struct ls_error err = {0};
    size_t count = 0;

    scan.partition = p;
    assert_ls(ls_store_digest(place->store, &scan, seeds, all, &err));
    p->wanted = wanted;
    for (size_t s = 0; s < p->count; s++) {
        memset(wanted, 0, p->count / 8 + 1);
        wanted[s / 8] = (uint8_t)(1 << s % 8);
        memset(one, 0x55, p->count * sizeof(*one));
        assert_ls(ls_store_digest(place->store, &scan, seeds, one, &err));
        for (size_t i = 0; i < p->count; i++) {
            assert_true(one[i].count == (i == s ? all[s].count : 0));
            assert_true(one[i].sum == (i == s ? all[s].sum : 0));
        }
        assert_int_equal(read_all(conf, place->store, &scan).count, all[s].count);
        count += all[s].count;
    }
    assert_int_equal(count, total);
}

static void segments_by_hash_are_digested_alone(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_partition p = {.count = 16, .seed = 77};

    put_many(place, 500);
    check_segments(place, &p, 500);
}

static void segments_by_range_are_digested_alone(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_value bounds[] = {value_for(place, 0, "0"), value_for(place, 0, "100"),
                                      value_for(place, 0, "499"), value_for(place, 0, "500")};
    struct ls_partition p = {.by_range = true, .count = 5, .bounds = bounds};

    if (place->schema->fields[0].type != LS_T_INT)
        return;
    put_many(place, 500);
    check_segments(place, &p, 500);
}

static void one_change_shows_in_its_segment_alone(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_partition p = {.count = 64, .seed = 3};
    struct ls_scan scan = scan_all(place);
    struct ls_segment before[64], after[64];
    struct ls_write_op op;
    struct ls_error err = {0};
    size_t changed = 0;

    put_many(place, 1000);
    scan.partition = &p;
    assert_ls(ls_store_digest(place->store, &scan, seeds, before, &err));
    op = update_op(place, (const char *const[]){"123", "changed", "3"});
    assert_ls(write_ops(place, &op, 1, &err));
    assert_ls(ls_store_digest(place->store, &scan, seeds, after, &err));
    for (size_t i = 0; i < 64; i++) {
        assert_true(before[i].count == after[i].count);
        changed += before[i].sum != after[i].sum;
    }
    assert_int_equal(changed, 1);
}

static void only_the_fields_of_the_scan_are_hashed(void **state)
{
    static const size_t fields[] = {0, 2};
    struct place *place = make_simple(*state);
    const struct ls_partition p = {.count = 1};
    struct ls_scan scan = scan_all(place);
    struct ls_segment before, after;
    struct ls_write_op op;
    struct ls_error err = {0};

    put_many(place, 20);
    scan.partition = &p;
    scan.fields = fields;
    scan.field_count = 2;
    assert_ls(ls_store_digest(place->store, &scan, seeds, &before, &err));
    op = update_op(place, (const char *const[]){"12", "changed", "2"});
    assert_ls(write_ops(place, &op, 1, &err));
    assert_ls(ls_store_digest(place->store, &scan, seeds, &after, &err));
    assert_true(before.sum == after.sum);
    op = update_op(place, (const char *const[]){"12", "changed", "3"});
    assert_ls(write_ops(place, &op, 1, &err));
    assert_ls(ls_store_digest(place->store, &scan, seeds, &after, &err));
    assert_true(before.sum != after.sum);
}

static void a_digest_keeps_to_the_filter(void **state)
{
    struct place *place = make_simple(*state), *part = make_simple(*state);
    const struct ls_value limit = value_for(place, 0, "5");
    const struct ls_condition condition = {0, LS_OP_EQ, 1, &limit};
    const struct ls_filter filter = {1, &condition};
    const struct ls_partition p = {.count = 1};
    struct ls_scan scan = scan_all(place);
    struct ls_segment filtered;
    struct ls_error err = {0};

    put_many(place, 50);
    put(part, 1, (const char *const[]){"5", "n5", "5"});
    scan.partition = &p;
    scan.filter = &filter;
    assert_ls(ls_store_digest(place->store, &scan, seeds, &filtered, &err));
    assert_int_equal(filtered.count, 1);
    assert_true(filtered.sum == whole(part, seeds).sum);
}

/* For the kinds whose family is that of the helper: the same numbers, whatever way they took. */
static void hashes_of_one_family_are_computed_alike(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_scan scan = scan_all(place);
    const struct ls_as *as = ls_scan_as(&scan, &place->conf->mem),
                       *key_as = ls_scan_key_as(&scan, &place->conf->mem);
    const struct ls_partition p = {.count = 8, .seed = 99};
    struct ls_segment got[8], want[8] = {{0}};
    struct ls_error err = {0};
    struct ls_buf canon;
    struct ls_rows rows;

    put_many(place, 300);
    if (strcmp(family_of(place), ls_store_scan_family(&scan, &place->conf->mem)) != 0)
        return;
    ls_buf_init(&canon, 0);
    rows = read_all(place->conf, place->store, &scan);
    for (size_t i = 0; i < rows.count; i++) {
        const struct ls_value *row = ls_row(&rows, i);
        size_t s = ls_partition_of(&p, key_of(place, row), key_as, 1, &canon);

        ls_buf_reset(&canon);
        ls_values_canon(&canon, row, as, 3);
        want[s].count++;
        want[s].sum += ls_record_hash(canon.data, canon.size, seeds);
    }
    ls_buf_done(&canon);
    scan.partition = &p;
    assert_ls(ls_store_digest(place->store, &scan, seeds, got, &err));
    assert_memory_equal(got, want, sizeof(got));
}

static void families_tell_apart_how_fields_are_compared(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_scan scan = scan_all(place);
    struct ls_as as[3];
    struct ls_error err = {0};
    const char *own = family_of(place), *other;

    memcpy(as, ls_scan_as(&scan, &place->conf->mem), sizeof(as));
    scan.as = as;
    other = ls_store_digest_family(place->store, &scan, &place->conf->mem, &err);
    assert_non_null(other);
    assert_string_equal(own, other);
    as[2].type = as[2].type == LS_T_DOUBLE ? LS_T_TEXT : LS_T_DOUBLE;
    other = ls_store_digest_family(place->store, &scan, &place->conf->mem, &err);
    if (other) /* a kind may say that it cannot */
        assert_string_not_equal(own, other);
}

static void bounds_cut_into_parts_of_about_the_same_count(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_scan scan = scan_all(place);
    const struct ls_as *key_as = ls_scan_key_as(&scan, &place->conf->mem);
    struct ls_partition p = {.by_range = true};
    struct ls_segment parts[10];
    struct ls_value *bounds = NULL;
    struct ls_error err = {0};
    size_t count = 0;

    put_many(place, 3000);
    assert_ls(ls_store_bounds(place->store, &scan, 9, &place->conf->mem, &count, &bounds, &err));
    assert_true(count <= 9);
    if (!count)
        return;
    for (size_t i = 1; i < count; i++)
        assert_true(ls_value_order(&bounds[i - 1], &bounds[i], key_as) < 0);
    p.count = count + 1;
    p.bounds = bounds;
    scan.partition = &p;
    assert_ls(ls_store_digest(place->store, &scan, seeds, parts, &err));
    for (size_t i = 0; i <= count; i++)
        assert_in_range(parts[i].count, 1, 4 * 3000 / (count + 1));
}

static void bounds_cut_the_wanted_segments_alone(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_value cut[] = {value_for(place, 0, "1000"), value_for(place, 0, "2000")};
    const uint8_t wanted[] = {2};
    const struct ls_partition p = {.by_range = true, .count = 3, .bounds = cut, .wanted = wanted};
    struct ls_scan scan = scan_all(place);
    struct ls_value *bounds = NULL;
    struct ls_error err = {0};
    size_t count = 0;

    if (place->schema->fields[0].type != LS_T_INT)
        return;
    put_many(place, 3000);
    scan.partition = &p;
    assert_ls(ls_store_bounds(place->store, &scan, 4, &place->conf->mem, &count, &bounds, &err));
    for (size_t i = 0; i < count; i++)
        assert_in_range(bounds[i].i, 1000, 2000);
}

static void an_empty_collection_has_no_bounds(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_scan scan = scan_all(place);
    struct ls_value *bounds = NULL;
    struct ls_error err = {0};
    size_t count = 7;

    assert_ls(ls_store_bounds(place->store, &scan, 9, &place->conf->mem, &count, &bounds, &err));
    assert_int_equal(count, 0);
}

/* Whatever the segments are cut by: as one, by ranges, by hash. */
static void a_null_in_the_key_is_refused(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_value bound = value_for(place, 2, "5");
    const struct ls_partition ps[] = {
        {.count = 1}, {.count = 2, .by_range = true, .bounds = &bound}, {.count = 4, .seed = 77}};
    const size_t amount_first[] = {2, 0}, amount_last[] = {0, 2};
    struct ls_scan scan = scan_all(place);
    struct ls_segment segments[4];
    struct ls_error err = {0};

    put_many(place, 9);
    scan.key_count = 2;
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < 2 * COUNT(ps); i++) {
            scan.key = i % 2 ? amount_first : amount_last;
            scan.partition = &ps[i / 2];
            if (round == 0) {
                assert_ls(ls_store_digest(place->store, &scan, seeds, segments, &err));
                continue;
            }
            assert_code(LS_DATA, ls_store_digest(place->store, &scan, seeds, segments, &err));
            assert_non_null(strstr(err.text, "key field amount of "));
            assert_non_null(strstr(err.text, " is NULL in a record"));
        }
        if (round == 0)
            put(place, 1, (const char *const[]){"10", "n10", NULL});
    }
    scan.key = place->key;
    scan.key_count = place->key_count; /* and in any other field it is a value */
    assert_ls(ls_store_digest(place->store, &scan, seeds, segments, &err));
}

static void a_seed_of_zero_or_one_is_refused(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_partition p = {.count = 1};
    struct ls_scan scan = scan_all(place);
    const uint64_t bad[2] = {seeds[0], 1};
    struct ls_segment segment;
    struct ls_error err = {0};

    scan.partition = &p;
    assert_code(LS_INTERNAL, ls_store_digest(place->store, &scan, bad, &segment, &err));
}

#define T(name) #name, name
const struct conf_test conf_digest_tests[] = {
    {T(an_empty_collection_digests_to_zero), LS_CAP_DIGEST, false, false},
    {T(the_order_of_records_does_not_matter), LS_CAP_DIGEST, false, false},
    {T(any_difference_shows), LS_CAP_DIGEST, false, false},
    {T(records_that_swap_values_do_not_cancel), LS_CAP_DIGEST, false, false},
    {T(many_records_whose_values_rotate_do_not_cancel), LS_CAP_DIGEST, false, false},
    {T(both_seeds_change_the_digest), LS_CAP_DIGEST, false, false},
    {T(equal_values_of_one_type_digest_alike), LS_CAP_DIGEST, false, false},
    {T(segments_by_hash_are_digested_alone), LS_CAP_DIGEST, false, false},
    {T(segments_by_range_are_digested_alone), LS_CAP_DIGEST, false, false},
    {T(one_change_shows_in_its_segment_alone), LS_CAP_DIGEST, false, false},
    {T(only_the_fields_of_the_scan_are_hashed), LS_CAP_DIGEST, false, false},
    {T(a_digest_keeps_to_the_filter), LS_CAP_DIGEST, false, false},
    {T(hashes_of_one_family_are_computed_alike), LS_CAP_DIGEST, false, false},
    {T(families_tell_apart_how_fields_are_compared), LS_CAP_DIGEST, false, false},
    {T(bounds_cut_into_parts_of_about_the_same_count), LS_CAP_DIGEST, false, false},
    {T(bounds_cut_the_wanted_segments_alone), LS_CAP_DIGEST, false, false},
    {T(an_empty_collection_has_no_bounds), LS_CAP_DIGEST, false, false},
    {T(a_null_in_the_key_is_refused), LS_CAP_DIGEST, false, false},
    {T(a_seed_of_zero_or_one_is_refused), LS_CAP_DIGEST, false, false},
    {NULL, NULL, 0, false, false},
};
