/* SPDX-License-Identifier: Apache-2.0 */
/* test_schema.c - fields by name, copies, digests, how fields are compared; and the words of record.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/record.h"
#include "unit/model/values.h"

static struct ls_field fields[] = {
    {.name = "id",
     .type = LS_T_INT,
     .native = "bigint",
     .engine = "postgres",
     .precision = -1,
     .scale = -1,
     .flags = LS_FIELD_NOT_NULL},
    {.name = "email",
     .type = LS_T_TEXT,
     .native = "text",
     .engine = "postgres",
     .precision = -1,
     .scale = -1},
    {.name = "price",
     .type = LS_T_DECIMAL,
     .native = "numeric(10,2)",
     .engine = "postgres",
     .precision = 10,
     .scale = 2},
};
static const size_t key_fields[] = {0};
static struct ls_key keys[] = {{.name = "customers_pkey",
                                .field_count = 1,
                                .fields = key_fields,
                                .primary = true,
                                .not_null = true}};
static const struct ls_schema schema = {.collection = "public.customers",
                                        .field_count = 3,
                                        .fields = fields,
                                        .key_count = 1,
                                        .keys = keys,
                                        .rows_estimate = 7,
                                        .fingerprint = "1/2/3",
                                        .flags = LS_SCHEMA_CONSTRAINTS,
                                        .native = &schema};

static void fields_are_found_by_exact_name(void **state)
{
    (void)state;
    assert_int_equal(ls_schema_find(&schema, "email"), 1);
    assert_int_equal(ls_schema_find(&schema, "Email"), -1);
    assert_int_equal(ls_schema_find(&schema, ""), -1);
}

static void a_missing_field_is_named_with_the_nearest_one(void **state)
{
    struct ls_error err;
    size_t at = 9;
    (void)state;

    assert_int_equal(ls_schema_need(&schema, "price", &at, &err), LS_OK);
    assert_int_equal(at, 2);
    assert_int_equal(ls_schema_need(&schema, "emial", &at, &err), LS_NOT_FOUND);
    assert_string_equal(err.text,
                        "public.customers has no field \"emial\". The nearest is \"email\"");
    assert_int_equal(ls_schema_need(&schema, "ID", &at, &err), LS_NOT_FOUND);
    assert_non_null(strstr(err.text, "\"id\""));
    assert_int_equal(ls_schema_need(&schema, "zzzzzzz", &at, &err), LS_NOT_FOUND);
    assert_string_equal(err.text, "public.customers has no field \"zzzzzzz\"");
    assert_int_equal(at, 2);
}

static void a_copy_is_deep_and_has_the_same_digest(void **state)
{
    struct ls_arena mem;
    struct ls_schema *copy;
    char a[65], b[65];
    (void)state;

    ls_arena_init(&mem, 0);
    copy = ls_schema_copy(&mem, &schema);
    assert_non_null(copy);
    assert_null(copy->native);
    assert_ptr_not_equal(copy->fields[1].name, schema.fields[1].name);
    assert_ptr_not_equal(copy->keys[0].fields, schema.keys[0].fields);
    assert_string_equal(copy->fields[2].native, "numeric(10,2)");
    assert_int_equal(copy->rows_estimate, 7);
    ls_schema_digest(&schema, a);
    ls_schema_digest(copy, b);
    assert_string_equal(a, b);
    assert_int_equal(strlen(a), 64);
    ls_arena_done(&mem);
}

static void a_copy_without_memory_is_null(void **state)
{
    struct ls_arena mem;
    (void)state;

    ls_arena_init(&mem, 128);
    assert_null(ls_schema_copy(&mem, &schema));
    ls_arena_done(&mem);
}

static void a_table_keeps_unique_what_its_keys_are_among(void **state)
{
    static const size_t read[] = {2, 0, 1}, id[] = {1}, email[] = {2}, both[] = {2, 1};
    static const struct ls_key deferred = {
        .field_count = 1, .fields = key_fields, .deferred = true};
    struct ls_schema late = schema, none = schema;
    (void)state;

    late.keys = &deferred;
    none.key_count = 0;
    assert_true(ls_schema_keeps_unique(&schema, read, 1, id));
    assert_true(ls_schema_keeps_unique(&schema, read, 2, both));
    assert_false(ls_schema_keeps_unique(&schema, read, 1, email));
    assert_false(ls_schema_keeps_unique(&none, read, 1, id));
    assert_false(ls_schema_keeps_unique(&late, read, 1, id));
}

static void the_digest_sees_every_change(void **state)
{
    char before[65], after[65];
    struct ls_field field = fields[1];
    struct ls_key key = keys[0];
    (void)state;

    ls_schema_digest(&schema, before);
    fields[1].name = "mail";
    ls_schema_digest(&schema, after);
    assert_string_not_equal(before, after);
    fields[1] = field;
    fields[1].native = "varchar";
    ls_schema_digest(&schema, after);
    assert_string_not_equal(before, after);
    fields[1] = field;
    fields[1].flags = LS_FIELD_NOT_NULL;
    ls_schema_digest(&schema, after);
    assert_string_not_equal(before, after);
    fields[1] = field;
    keys[0].primary = false;
    ls_schema_digest(&schema, after);
    assert_string_not_equal(before, after);
    keys[0] = key;
    ls_schema_digest(&schema, after);
    assert_string_equal(before, after);
}

static struct ls_field field_of(enum ls_type type, int precision, int scale)
{
    return (struct ls_field){.name = "f",
                             .type = type,
                             .native = ls_type_word(type),
                             .engine = "",
                             .precision = precision,
                             .scale = scale};
}

static enum ls_type common(enum ls_type a, enum ls_type b)
{
    struct ls_field l = field_of(a, -1, -1), r = field_of(b, -1, -1);
    struct ls_as as = ls_as_of(&l, &r), back = ls_as_of(&r, &l);

    assert_int_equal(as.type, back.type);
    return as.type;
}

static void two_fields_are_compared_as_their_common_type(void **state)
{
    (void)state;
    for (int type = 0; type < LS_TYPE_COUNT; type++) {
        assert_int_equal(common((enum ls_type)type, (enum ls_type)type), type);
        assert_int_equal(common((enum ls_type)type, LS_T_TEXT),
                         (enum ls_type)type == LS_T_NATIVE || type == LS_T_NULL
                             ? LS_T_TEXT
                             : (enum ls_type)type);
    }
    assert_int_equal(common(LS_T_BOOL, LS_T_INT), LS_T_INT);
    assert_int_equal(common(LS_T_INT, LS_T_DECIMAL), LS_T_DECIMAL);
    assert_int_equal(common(LS_T_DECIMAL, LS_T_DOUBLE), LS_T_DOUBLE);
    assert_int_equal(common(LS_T_INT, LS_T_DOUBLE), LS_T_DOUBLE);
    assert_int_equal(common(LS_T_DATE, LS_T_TIMESTAMP), LS_T_TIMESTAMP);
    assert_int_equal(common(LS_T_TIMESTAMP, LS_T_TIMESTAMPTZ), LS_T_TIMESTAMPTZ);
    assert_int_equal(common(LS_T_UUID, LS_T_BYTES), LS_T_UUID);
    assert_int_equal(common(LS_T_NATIVE, LS_T_INT), LS_T_TEXT);
    assert_int_equal(common(LS_T_DATE, LS_T_TIME), LS_T_TEXT);
    assert_int_equal(common(LS_T_NULL, LS_T_UUID), LS_T_UUID);
}

static void native_types_are_compared_by_bytes_within_one_engine_only(void **state)
{
    struct ls_field a = field_of(LS_T_NATIVE, -1, -1), b = a;
    (void)state;

    a.engine = b.engine = "postgres";
    a.native = b.native = "inet";
    assert_int_equal(ls_as_of(&a, &b).type, LS_T_NATIVE);
    b.native = "cidr";
    assert_int_equal(ls_as_of(&a, &b).type, LS_T_TEXT);
    b.native = "inet";
    b.engine = "sqlite";
    assert_int_equal(ls_as_of(&a, &b).type, LS_T_TEXT);
}

static void the_coarser_side_decides(void **state)
{
    struct ls_field ms = field_of(LS_T_TIMESTAMP, -1, 3), us = field_of(LS_T_TIMESTAMP, -1, -1);
    struct ls_field real = field_of(LS_T_DOUBLE, 24, -1), wide = field_of(LS_T_DOUBLE, 53, -1);
    struct ls_field decimal = field_of(LS_T_DECIMAL, 10, 0), text = field_of(LS_T_TEXT, 24, 0);
    struct ls_field date = field_of(LS_T_DATE, -1, -1), tz = field_of(LS_T_TIMESTAMPTZ, -1, 0);
    (void)state;

    assert_int_equal(ls_as_of(&ms, &us).fraction, 3);
    assert_int_equal(ls_as_of(&us, &us).fraction, 6);
    assert_int_equal(ls_as_of(&us, &text).fraction, 6);
    assert_int_equal(ls_as_of(&date, &ms).fraction, 3);
    assert_int_equal(ls_as_of(&us, &tz).fraction, 0);
    assert_true(ls_as_of(&us, &tz).fold_zone);
    assert_false(ls_as_of(&tz, &tz).fold_zone);
    assert_int_equal(ls_as_of(&real, &wide).bits, 24);
    assert_int_equal(ls_as_of(&decimal, &real).bits, 24);
    assert_int_equal(ls_as_of(&wide, &wide).bits, 53);
    assert_int_equal(ls_as_of(&wide, &text).bits, 53);
    assert_int_equal(ls_as_of(&decimal, &us).fraction, 6);
}

static void changes_and_statuses_have_words(void **state)
{
    (void)state;
    assert_string_equal(ls_change_word(LS_INSERT), "insert");
    assert_string_equal(ls_change_word(LS_UPDATE), "update");
    assert_string_equal(ls_change_word(LS_DELETE), "delete");
    assert_string_equal(ls_status_word(LS_IN_SYNC), "in_sync");
    assert_string_equal(ls_status_word(LS_SOURCE_ONLY), "source_only");
    assert_string_equal(ls_status_word(LS_TARGET_ONLY), "target_only");
    assert_string_equal(ls_status_word(LS_INCONSISTENT), "inconsistent");
    assert_string_equal(ls_status_word(LS_MOVING), "moving");
    assert_string_equal(ls_status_word(LS_CONFLICTED), "conflict");
    assert_string_equal(ls_status_word(LS_STATUS_COUNT), "unknown");
}

static void a_key_is_gathered_in_its_own_order(void **state)
{
    static const size_t key[] = {2, 0};
    const struct ls_layout layout = {.key_count = 2, .key = key};
    struct ls_value record[3], out[2];
    (void)state;

    for (int i = 0; i < 3; i++)
        record[i] = ls_value_int(i);
    ls_layout_key(&layout, record, out);
    assert_int_equal(out[0].i, 2);
    assert_int_equal(out[1].i, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_found_by_exact_name),
        cmocka_unit_test(a_missing_field_is_named_with_the_nearest_one),
        cmocka_unit_test(a_copy_is_deep_and_has_the_same_digest),
        cmocka_unit_test(a_copy_without_memory_is_null),
        cmocka_unit_test(the_digest_sees_every_change),
        cmocka_unit_test(two_fields_are_compared_as_their_common_type),
        cmocka_unit_test(native_types_are_compared_by_bytes_within_one_engine_only),
        cmocka_unit_test(the_coarser_side_decides),
        cmocka_unit_test(a_table_keeps_unique_what_its_keys_are_among),
        cmocka_unit_test(changes_and_statuses_have_words),
        cmocka_unit_test(a_key_is_gathered_in_its_own_order),
    };
    return cmocka_run_group_tests_name("model/schema", tests, NULL, NULL);
}
