/* SPDX-License-Identifier: Apache-2.0 */
/* test_mapping.c - source records as records of the layout. */
#include "engine/mapping.h"

#include <string.h>

#include "fixture.h"

static const size_t first_field[] = {0};

/* source: id INT, first TEXT, last TEXT, n TEXT; target: last TEXT, id INT, name TEXT, n INT */
static struct ls_job *open_job(const struct ls_sync_config *config)
{
    const char *a = fixture_memory(), *b = fixture_memory();
    struct ls_field from[] = {fixture_field("id", LS_T_INT), fixture_field("first", LS_T_TEXT),
                              fixture_field("last", LS_T_TEXT), fixture_field("n", LS_T_TEXT)};
    struct ls_field to[] = {fixture_field("last", LS_T_TEXT), fixture_field("id", LS_T_INT),
                            fixture_field("name", LS_T_TEXT), fixture_field("n", LS_T_INT)};
    const size_t key[] = {1};

    fixture_create(a, "t", 4, from, 1, first_field);
    fixture_create(b, "t", 4, to, 1, key);
    return fixture_job(fixture_url(a, "t"), fixture_url(b, "t"), config);
}

static struct ls_rows map(struct ls_job *job, enum ls_side_name side, struct ls_rows in,
                          struct ls_arena *mem)
{
    struct ls_mapper *mapper = NULL;
    struct ls_rows out = {0};
    struct ls_error err = {0};

    assert_ok(ls_mapper_open(job, side, &mapper, &err), &err);
    assert_ok(ls_mapper_rows(mapper, &in, mem, &out, &err), &err);
    ls_mapper_close(mapper);
    return out;
}

static void assert_text(const struct ls_value *v, const char *text)
{
    assert_int_equal(v->type, LS_T_TEXT);
    assert_int_equal(v->size, strlen(text));
    assert_memory_equal(v->data, text, v->size);
}

static const struct ls_field_config fields[] = {
    {"last", "last"}, {"id", "id"}, {"name", "first || ' ' || last"}, {"n", "n"}};
static const struct ls_sync_config config = {.fields = fields, .field_count = 4};

static void expressions_and_conversions_make_the_layout(void **state)
{
    struct ls_job *job = open_job(&config);
    struct ls_value in[4] = {{0}};
    struct ls_rows out;
    struct ls_arena mem;

    (void)state;
    ls_arena_init(&mem, 0);
    /* in the order of the scan: last, id, n, first */
    assert_int_equal(job->source.field_count, 4);
    for (size_t i = 0; i < 4; i++) {
        const char *name = job->source.schema->fields[job->source.fields[i]].name;

        in[i] = strcmp(name, "id") == 0      ? ls_value_int(5)
                : strcmp(name, "first") == 0 ? ls_value_text("Ada")
                : strcmp(name, "last") == 0  ? ls_value_text("L")
                                             : ls_value_text("42");
    }
    out = map(job, LS_SIDE_SOURCE, (struct ls_rows){1, 4, in}, &mem);
    assert_int_equal(out.count, 1);
    assert_int_equal(out.width, 4);
    assert_text(&out.values[0], "L");
    assert_int_equal(out.values[1].i, 5);
    assert_text(&out.values[2], "Ada L");
    assert_int_equal(out.values[3].type, LS_T_INT);
    assert_int_equal(out.values[3].i, 42);
    ls_job_close(job);
    ls_arena_done(&mem);
    fixture_done();
}

static void a_value_that_does_not_fit_stays_what_it_is_and_differs(void **state)
{
    struct ls_job *job = open_job(&config);
    struct ls_value in[4];
    const struct ls_value zero = ls_value_int(0);
    struct ls_rows out;
    struct ls_arena mem;

    (void)state;
    ls_arena_init(&mem, 0);
    for (size_t i = 0; i < 4; i++)
        in[i] = ls_value_text("many");
    out = map(job, LS_SIDE_SOURCE, (struct ls_rows){1, 4, in}, &mem);
    assert_text(&out.values[3], "many");
    assert_false(ls_value_equal(&out.values[3], &zero, &job->layout.as[3]));
    ls_job_close(job);
    ls_arena_done(&mem);
    fixture_done();
}

static void plain_fields_of_the_same_types_pass_untouched(void **state)
{
    const char *a = fixture_memory(), *b = fixture_memory();
    struct ls_field same[] = {fixture_field("id", LS_T_INT), fixture_field("x", LS_T_TEXT)};
    struct ls_value in[] = {ls_value_int(1), ls_value_text("x")};
    struct ls_rows out;
    struct ls_arena mem;
    struct ls_job *job;

    (void)state;
    ls_arena_init(&mem, 0);
    fixture_create(a, "t", 2, same, 1, first_field);
    fixture_create(b, "t", 2, same, 1, first_field);
    job = fixture_job(fixture_url(a, "t"), fixture_url(b, "t"), NULL);
    out = map(job, LS_SIDE_SOURCE, (struct ls_rows){1, 2, in}, &mem);
    assert_ptr_equal(out.values, in);
    out = map(job, LS_SIDE_TARGET, (struct ls_rows){1, 2, in}, &mem);
    assert_ptr_equal(out.values, in);
    ls_job_close(job);
    ls_arena_done(&mem);
    fixture_done();
}

static void filters_that_a_store_cannot_do_are_done_here(void **state)
{
    const char *a = fixture_memory(), *b = fixture_memory();
    struct ls_field same[] = {fixture_field("id", LS_T_INT), fixture_field("x", LS_T_TEXT),
                              fixture_field("y", LS_T_TEXT)};
    const struct ls_field_config two[] = {{"id", "id"}, {"x", "x"}};
    const struct ls_sync_config filtered = {
        .fields = two, .field_count = 2, .where = "length(x) > 1", .target_where = "length(y) > 1"};
    struct ls_value source[] = {ls_value_int(1), ls_value_text("x"), ls_value_int(2),
                                ls_value_text("xx")};
    struct ls_value target[] = {ls_value_int(1), ls_value_text("x"), ls_value_text("yy"),
                                ls_value_int(2), ls_value_text("x"), ls_value_text("y")};
    struct ls_rows out;
    struct ls_arena mem;
    struct ls_job *job;

    (void)state;
    ls_arena_init(&mem, 0);
    fixture_create(a, "t", 3, same, 1, first_field);
    fixture_create(b, "t", 3, same, 1, first_field);
    job = fixture_job(fixture_url(a, "t"), fixture_url(b, "t"), &filtered);
    assert_int_equal(job->source.field_count, 2);
    assert_int_equal(job->target.field_count, 3); /* y is read for the filter alone */
    out = map(job, LS_SIDE_SOURCE, (struct ls_rows){2, 2, source}, &mem);
    assert_int_equal(out.count, 1);
    assert_int_equal(out.values[0].i, 2);
    out = map(job, LS_SIDE_TARGET, (struct ls_rows){2, 3, target}, &mem);
    assert_int_equal(out.count, 1);
    assert_int_equal(out.width, 2);
    assert_int_equal(out.values[0].i, 1);
    ls_job_close(job);
    ls_arena_done(&mem);
    fixture_done();
}

/* On a field that is not the key, the mapped record counts, and one side that meets it is enough. */
static void only_on_a_computed_field_is_decided_on_pairs_of_mapped_records(void **state)
{
    const char *const only[] = {"name=Ada L"};
    struct ls_sync_config with_only = config;
    struct ls_job *job;
    struct ls_value in[8];
    struct ls_rows out;
    struct ls_arena mem;

    (void)state;
    ls_arena_init(&mem, 0);
    with_only.only = only;
    with_only.only_count = 1;
    job = open_job(&with_only);
    assert_int_equal(job->source.pushed.count, 0);
    assert_int_equal(job->target.pushed.count, 0);
    for (size_t i = 0; i < 8; i++) {
        const char *name = job->source.schema->fields[job->source.fields[i % 4]].name;

        in[i] = strcmp(name, "id") == 0      ? ls_value_int((int64_t)i / 4)
                : strcmp(name, "first") == 0 ? ls_value_text(i < 4 ? "Bob" : "Ada")
                : strcmp(name, "last") == 0  ? ls_value_text("L")
                                             : ls_value_text("1");
    }
    out = map(job, LS_SIDE_SOURCE, (struct ls_rows){2, 4, in}, &mem);
    assert_int_equal(out.count, 2);
    assert_false(ls_job_wants_pair(job, ls_row(&out, 0), NULL));
    assert_true(ls_job_wants_pair(job, ls_row(&out, 1), NULL));
    assert_true(ls_job_wants_pair(job, NULL, ls_row(&out, 1)));
    assert_true(ls_job_wants_pair(job, ls_row(&out, 0), ls_row(&out, 1)));
    assert_false(ls_job_wants_pair(job, ls_row(&out, 0), ls_row(&out, 0)));
    ls_job_close(job);
    ls_arena_done(&mem);
    fixture_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_and_conversions_make_the_layout),
        cmocka_unit_test(a_value_that_does_not_fit_stays_what_it_is_and_differs),
        cmocka_unit_test(plain_fields_of_the_same_types_pass_untouched),
        cmocka_unit_test(filters_that_a_store_cannot_do_are_done_here),
        cmocka_unit_test(only_on_a_computed_field_is_decided_on_pairs_of_mapped_records),
    };
    return cmocka_run_group_tests_name("engine/mapping", tests, NULL, NULL);
}
