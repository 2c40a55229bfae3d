/* SPDX-License-Identifier: Apache-2.0 */
/* test_journal.c - what a batch did, as a blob: every type there and back, damage, tables that changed since. */
#include "engine/journal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define TYPES (LS_TYPE_COUNT - 1) /* a field of each type but NULL */

struct table {
    struct ls_arena mem;
    struct ls_field fields[TYPES + 1];
    struct ls_schema schema;
    struct ls_whole *whole;
};

static void table_init(struct table *t)
{
    static const size_t key[] = {1, 5}; /* an int and a bytes field */
    size_t n = 0;

    ls_arena_init(&t->mem, 0);
    t->fields[n++] = fixture_field("made", LS_T_TEXT);
    t->fields[0].flags = LS_FIELD_GENERATED;
    for (enum ls_type type = LS_T_INT; type < LS_TYPE_COUNT; type++)
        t->fields[n++] = fixture_field(ls_type_word(type), type);
    t->fields[n++] = fixture_field("bool", LS_T_BOOL);
    assert_int_equal(n, TYPES + 1);
    t->schema = (struct ls_schema){.collection = "t", .field_count = n, .fields = t->fields};
    t->whole = ls_whole_new(&t->schema, 2, key, &t->mem);
    assert_non_null(t->whole);
}

static const struct ls_value *random_record(struct table *t, struct rng *rng)
{
    struct ls_value *values = ls_arena_array(&t->mem, TYPES, sizeof *values);

    for (size_t i = 0; i < TYPES; i++) {
        const enum ls_type own = t->fields[t->whole->fields[i]].type;
        /* SQLite may hold any type in a field, PostgreSQL its own types' texts */
        const enum ls_type type =
            rng_below(rng, 4) ? own : (enum ls_type)rng_below(rng, LS_TYPE_COUNT);

        if (type == LS_T_NATIVE)
            values[i] = ls_value_data(LS_T_NATIVE, "{1,2}", 5);
        else if (type != LS_T_NULL && rng_below(rng, 6))
            values[i] = rng_value(rng, type, &t->mem);
        if (values[i].type == LS_T_DOUBLE && rng_below(rng, 4) == 0)
            values[i].d = rng_below(rng, 2) ? NAN : -0.0;
    }
    return values;
}

static const struct ls_value *key_of(struct table *t, const struct ls_value *record)
{
    struct ls_value *key = ls_arena_array(&t->mem, 2, sizeof *key);

    key[0] = record[t->whole->key[0]];
    key[1] = record[t->whole->key[1]];
    return key;
}

static struct ls_journal_entry random_entry(struct table *t, struct rng *rng)
{
    const struct ls_value *before = random_record(t, rng);
    struct ls_journal_entry e = {
        .kind = (enum ls_change_kind)rng_below(rng, 3), .key = key_of(t, before), .before = before};

    if (e.kind == LS_INSERT)
        e.before = NULL;
    if (rng_below(rng, 3) == 0)
        e.takes_back = rng_next(rng);
    if (e.kind != LS_DELETE)
        e.left = (struct ls_hash128){rng_next(rng), rng_next(rng)};
    return e;
}

/* Byte by byte: equality is not enough for undo. */
static void assert_same_values(const struct ls_value *a, const struct ls_value *b, size_t count)
{
    struct ls_buf left, right;

    assert_int_equal(!a, !b);
    if (!a)
        return;
    ls_buf_init(&left, 0);
    ls_buf_init(&right, 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(a[i].type, b[i].type);
        ls_value_to_text(&left, &a[i]);
        ls_value_to_text(&right, &b[i]);
        if (a[i].type == LS_T_DOUBLE)
            assert_memory_equal(&a[i].d, &b[i].d, sizeof a[i].d);
    }
    assert_int_equal(left.size, right.size);
    assert_true(!left.size || memcmp(left.data, right.data, left.size) == 0);
    ls_buf_done(&left);
    ls_buf_done(&right);
}

static void entries_of_every_type_come_back_byte_by_byte(void **state)
{
    struct rng rng = {fixture_seed()};

    (void)state;
    for (int round = 0; round < 50; round++) {
        struct ls_journal_entry entries[40], *got = NULL;
        const size_t count = rng_below(&rng, COUNT_OF(entries) + 1);
        struct ls_error err = {0};
        struct ls_buf blob;
        struct table t;
        size_t got_count = 99;

        table_init(&t);
        ls_buf_init(&blob, 0);
        for (size_t i = 0; i < count; i++)
            entries[i] = random_entry(&t, &rng);
        ls_journal_encode(&blob, t.whole, entries, count);
        assert_ok(ls_journal_decode(blob.data, blob.size, t.whole, &t.mem, &got, &got_count, &err),
                  &err);
        assert_int_equal(got_count, count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(got[i].kind, entries[i].kind);
            assert_int_equal(got[i].left.high, entries[i].left.high);
            assert_int_equal(got[i].left.low, entries[i].left.low);
            assert_int_equal(got[i].takes_back, entries[i].takes_back);
            assert_same_values(got[i].key, entries[i].key, 2);
            assert_same_values(got[i].before, entries[i].before, TYPES);
        }
        ls_buf_done(&blob);
        ls_arena_done(&t.mem);
    }
}

static void generated_fields_are_not_part_of_a_record(void **state)
{
    struct table t;

    (void)state;
    table_init(&t);
    assert_int_equal(t.whole->field_count, TYPES);
    assert_int_equal(t.whole->fields[0], 1);
    assert_int_equal(t.whole->key[0], 0); /* positions, not schema indexes */
    assert_int_equal(t.whole->key[1], 4);
    ls_arena_done(&t.mem);
}

static void a_hash_tells_values_that_are_equal_but_not_the_same(void **state)
{
    const struct ls_field field = fixture_field("n", LS_T_DECIMAL);
    const struct ls_schema schema = {.collection = "t", .field_count = 1, .fields = &field};
    const size_t key[] = {0};
    const struct ls_value a = ls_value_data(LS_T_DECIMAL, "1.0", 3);
    const struct ls_value b = ls_value_data(LS_T_DECIMAL, "1.00", 4);
    struct ls_hash128 first, second;
    struct ls_whole *whole;
    struct ls_buf scratch;
    struct ls_arena mem;

    (void)state;
    ls_arena_init(&mem, 0);
    ls_buf_init(&scratch, 0);
    whole = ls_whole_new(&schema, 1, key, &mem);
    assert_true(ls_value_equal(&a, &b, &whole->as[0]));
    first = ls_whole_hash(whole, &a, &scratch);
    second = ls_whole_hash(whole, &b, &scratch);
    assert_false(first.high == second.high && first.low == second.low);
    ls_buf_done(&scratch);
    ls_arena_done(&mem);
}

static void a_hash_that_found_no_memory_is_remembered(void **state)
{
    const struct ls_field field = fixture_field("s", LS_T_TEXT);
    const struct ls_schema schema = {.collection = "t", .field_count = 1, .fields = &field};
    const size_t key[] = {0};
    char text[200];
    const struct ls_value big = ls_value_data(LS_T_TEXT, memset(text, 'x', sizeof(text)), 200);
    const struct ls_value small = ls_value_text("x");
    struct ls_whole *whole;
    struct ls_buf scratch;
    struct ls_arena mem;

    (void)state;
    ls_arena_init(&mem, 0);
    ls_buf_init(&scratch, 100);
    whole = ls_whole_new(&schema, 1, key, &mem);
    (void)ls_whole_hash(whole, &big, &scratch);
    (void)ls_whole_hash(whole, &small, &scratch);
    assert_true(scratch.failed);
    ls_buf_done(&scratch);
    ls_arena_done(&mem);
}

/* ---- damage ---- */

static struct ls_buf small_blob(struct table *t)
{
    struct rng rng = {7};
    struct ls_journal_entry entries[3];
    struct ls_buf blob;

    ls_buf_init(&blob, 0);
    for (size_t i = 0; i < 3; i++)
        do
            entries[i] = random_entry(t, &rng);
        while (entries[i].kind != (enum ls_change_kind)i);
    ls_journal_encode(&blob, t->whole, entries, 3);
    return blob;
}

static void a_blob_that_was_cut_or_grew_is_refused(void **state)
{
    struct ls_journal_entry *got = NULL;
    struct ls_error err = {0};
    struct table t;
    struct ls_buf blob;
    size_t count = 0;

    (void)state;
    table_init(&t);
    blob = small_blob(&t);
    for (size_t size = 0; size < blob.size; size++) {
        char *cut = malloc(size + 1); /* its own memory, so that reading past it is seen */

        memcpy(cut, blob.data, size);
        assert_error(ls_journal_decode(cut, size, t.whole, &t.mem, &got, &count, &err), &err,
                     LS_CORRUPT, "damaged");
        free(cut);
    }
    ls_buf_u8(&blob, 0);
    assert_error(ls_journal_decode(blob.data, blob.size, t.whole, &t.mem, &got, &count, &err), &err,
                 LS_CORRUPT, "damaged");
    ls_buf_done(&blob);
    ls_arena_done(&t.mem);
}

/* Flipped bits are for the checksum of the state to find; here they must do no harm. */
static void flipped_bits_do_no_harm(void **state)
{
    struct table t;
    struct ls_buf blob;

    (void)state;
    table_init(&t);
    blob = small_blob(&t);
    for (size_t bit = 0; bit < blob.size * 8; bit++) {
        struct ls_journal_entry *got = NULL;
        struct ls_error err = {0};
        struct ls_arena mem;
        size_t count = 0;
        enum ls_code rc;

        ls_arena_init(&mem, 0);
        blob.data[bit / 8] = (char)(blob.data[bit / 8] ^ (1 << bit % 8));
        rc = ls_journal_decode(blob.data, blob.size, t.whole, &mem, &got, &count, &err);
        assert_true(rc == LS_OK || rc == LS_CORRUPT || rc == LS_VERSION || rc == LS_CHANGED);
        assert_true(rc != LS_OK || count == 3);
        blob.data[bit / 8] = (char)(blob.data[bit / 8] ^ (1 << bit % 8));
        ls_arena_done(&mem);
    }
    ls_buf_done(&blob);
    ls_arena_done(&t.mem);
}

static void a_newer_format_is_left_to_a_newer_version(void **state)
{
    struct ls_journal_entry *got = NULL;
    struct ls_error err = {0};
    struct table t;
    struct ls_buf blob;
    size_t count = 0;

    (void)state;
    table_init(&t);
    blob = small_blob(&t);
    blob.data[0] = 3;
    assert_error(ls_journal_decode(blob.data, blob.size, t.whole, &t.mem, &got, &count, &err), &err,
                 LS_VERSION, "newer");
    blob.data[0] = 0;
    assert_error(ls_journal_decode(blob.data, blob.size, t.whole, &t.mem, &got, &count, &err), &err,
                 LS_CORRUPT, "damaged");
    ls_buf_done(&blob);
    ls_arena_done(&t.mem);
}

/* ---- tables that changed since ---- */

static void a_table_that_changed_cannot_be_put_back(void **state)
{
    static const struct {
        const char *what;
        size_t field;
        struct ls_field now;
        size_t key_count, key[2];
        enum ls_code rc;
    } cases[] = {
        {"the same", 3, {.name = "n", .type = LS_T_INT, .native = "int"}, 1, {0}, LS_OK},
        {"another default",
         3,
         {.name = "n", .type = LS_T_INT, .native = "int", .flags = LS_FIELD_DEFAULT},
         1,
         {0},
         LS_OK},
        {"another name", 3, {.name = "m", .type = LS_T_INT, .native = "int"}, 1, {0}, LS_CHANGED},
        {"another type", 3, {.name = "n", .type = LS_T_TEXT, .native = "int"}, 1, {0}, LS_CHANGED},
        {"another type of the store",
         3,
         {.name = "n", .type = LS_T_INT, .native = "bigint"},
         1,
         {0},
         LS_CHANGED},
        {"not written any more",
         3,
         {.name = "n", .type = LS_T_INT, .native = "int", .flags = LS_FIELD_GENERATED},
         1,
         {0},
         LS_CHANGED},
        {"another key", 3, {.name = "n", .type = LS_T_INT, .native = "int"}, 1, {1}, LS_CHANGED},
        {"a longer key",
         3,
         {.name = "n", .type = LS_T_INT, .native = "int"},
         2,
         {0, 1},
         LS_CHANGED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ls_field fields[4] = {
            {.name = "id", .type = LS_T_INT, .native = "int"},
            {.name = "alt", .type = LS_T_INT, .native = "int"},
            {.name = "x", .type = LS_T_INT, .native = "int"},
            {.name = "n", .type = LS_T_INT, .native = "int"},
        };
        const struct ls_schema schema = {.collection = "t", .field_count = 4, .fields = fields};
        const struct ls_value key = ls_value_int(1);
        const struct ls_journal_entry entry = {LS_INSERT, &key, NULL, {1, 2}, 0};
        const size_t first[] = {0};
        struct ls_journal_entry *got = NULL;
        struct ls_error err = {0};
        struct ls_arena mem;
        struct ls_buf blob;
        size_t count = 0;

        ls_arena_init(&mem, 0);
        ls_buf_init(&blob, 0);
        ls_journal_encode(&blob, ls_whole_new(&schema, 1, first, &mem), &entry, 1);
        fields[cases[i].field] = cases[i].now;
        print_message("%s\n", cases[i].what);
        assert_int_equal(
            ls_journal_decode(blob.data, blob.size,
                              ls_whole_new(&schema, cases[i].key_count, cases[i].key, &mem), &mem,
                              &got, &count, &err),
            cases[i].rc);
        if (cases[i].rc == LS_CHANGED)
            assert_non_null(strstr(err.text, "columns or the key of t"));
        ls_buf_done(&blob);
        ls_arena_done(&mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_of_every_type_come_back_byte_by_byte),
        cmocka_unit_test(generated_fields_are_not_part_of_a_record),
        cmocka_unit_test(a_hash_tells_values_that_are_equal_but_not_the_same),
        cmocka_unit_test(a_hash_that_found_no_memory_is_remembered),
        cmocka_unit_test(a_blob_that_was_cut_or_grew_is_refused),
        cmocka_unit_test(flipped_bits_do_no_harm),
        cmocka_unit_test(a_newer_format_is_left_to_a_newer_version),
        cmocka_unit_test(a_table_that_changed_cannot_be_put_back),
    };

    return cmocka_run_group_tests_name("engine/journal", tests, NULL, NULL);
}
