/* SPDX-License-Identifier: Apache-2.0 */
/* test_job.c - opening a sync: fields, key, filters, what is refused and how it is said. */
#include "engine/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/mapping.h"
#include "fixture.h"
#include "lib/testpg.h"

static const size_t first_field[] = {0};
static const size_t first_two[] = {0, 1};

/* id INT key, email TEXT, name TEXT, n INT */
static void people(const char *url, const char *collection)
{
    struct ls_field fields[] = {fixture_field("id", LS_T_INT), fixture_field("email", LS_T_TEXT),
                                fixture_field("name", LS_T_TEXT), fixture_field("n", LS_T_INT)};

    fixture_create(url, collection, 4, fields, 1, first_field);
}

struct pair {
    const char *a, *b;
};

static struct pair two_people(void)
{
    struct pair p = {fixture_memory(), fixture_memory()};

    people(p.a, "t");
    people(p.b, "t");
    p.a = fixture_url(p.a, "t");
    p.b = fixture_url(p.b, "t");
    return p;
}

static void refuse(const char *source, const char *target, const struct ls_sync_config *more,
                   bool writable, enum ls_code code, const char *word, const char *other)
{
    struct ls_sync_config config = more ? *more : (struct ls_sync_config){0};
    struct ls_error err = {0};
    struct ls_job *job = NULL;

    config.source.url = source;
    config.target.url = target;
    assert_error(ls_job_open(&config, writable, &job, &err), &err, code, word, other);
    assert_null(job);
}

static void fields_of_the_same_name_are_compared_by_the_primary_key(void **state)
{
    const char *a = fixture_memory(), *b = fixture_memory();
    struct ls_field more[] = {fixture_field("n", LS_T_INT), fixture_field("extra", LS_T_TEXT),
                              fixture_field("id", LS_T_INT), fixture_field("name", LS_T_TEXT)};
    const size_t key[] = {2};
    struct ls_job *job;

    (void)state;
    people(a, "t");
    fixture_create(b, "u", 4, more, 1, key);
    job = fixture_job(fixture_url(a, "t"), fixture_url(b, "u"), NULL);
    assert_int_equal(job->layout.field_count, 3);
    assert_string_equal(job->layout.fields[0].name, "n");
    assert_string_equal(job->layout.fields[1].name, "id");
    assert_string_equal(job->layout.fields[2].name, "name");
    assert_int_equal(job->layout.key_count, 1);
    assert_int_equal(job->layout.key[0], 1);
    assert_true(job->key_enforced);
    assert_true(job->mapping->identity);
    assert_int_equal(job->source.fields[job->source.key[0]], 0);
    assert_int_equal(job->target.fields[job->target.key[0]], 2);
    ls_job_close(job);
    fixture_done();
}

static void a_key_field_may_be_renamed(void **state)
{
    const char *a = fixture_memory(), *b = fixture_memory();
    struct ls_field fields[] = {fixture_field("customer", LS_T_INT),
                                fixture_field("mail", LS_T_TEXT)};
    const struct ls_field_config map[] = {{"customer", "id"}, {"mail", "lower(email)"}};
    const struct ls_sync_config config = {.fields = map, .field_count = 2};
    struct ls_job *job;

    (void)state;
    people(a, "t");
    fixture_create(b, "u", 2, fields, 1, first_field);
    job = fixture_job(fixture_url(a, "t"), fixture_url(b, "u"), &config);
    assert_int_equal(job->layout.key[0], 0);
    assert_string_equal(job->source.schema->fields[job->source.fields[job->source.key[0]]].name,
                        "id");
    assert_true(job->mapping->computed);
    assert_false(job->mapping->identity);
    ls_job_close(job);
    fixture_done();
}

static void a_computed_key_is_refused(void **state)
{
    const struct ls_field_config map[] = {{"id", "n + 1"}, {"name", "name"}};
    const char *const key[] = {"id"};
    const struct ls_sync_config config = {
        .fields = map, .field_count = 2, .key = key, .key_count = 1};
    struct pair p = two_people();

    (void)state;
    refuse(p.a, p.b, &config, false, LS_CONFIG, "key: id is computed (n + 1)", "renamed");
    fixture_done();
}

static void the_key_joins_fields_that_leave_it_out(void **state)
{
    const struct ls_field_config map[] = {{"name", "upper(name)"}};
    const struct ls_sync_config config = {.fields = map, .field_count = 1};
    struct pair p = two_people();
    struct ls_job *job = fixture_job(p.a, p.b, &config);

    (void)state;
    assert_int_equal(job->layout.field_count, 2);
    assert_string_equal(job->layout.fields[0].name, "id");
    ls_job_close(job);
    fixture_done();
}

static void without_a_shared_key_the_columns_that_could_serve_are_named(void **state)
{
    const char *a = fixture_memory(), *b = fixture_memory();
    struct ls_field fields[] = {fixture_field("id", LS_T_INT), fixture_field("email", LS_T_TEXT)};
    const size_t second[] = {1};

    (void)state;
    fixture_create(a, "t", 2, fields, 1, first_field);
    fixture_create(b, "t", 2, fields, 1, second);
    refuse(fixture_url(a, "t"), fixture_url(b, "t"), NULL, false, LS_NO_KEY, "--key",
           "email (primary key of the target); id (primary key of the source)");
    fixture_done();
}

static void a_named_key_without_a_constraint_is_checked_by_reading(void **state)
{
    const char *const key[] = {"email"};
    const struct ls_sync_config config = {.key = key, .key_count = 1};
    struct pair p = two_people();
    struct ls_job *job = fixture_job(p.a, p.b, &config);

    (void)state;
    assert_false(job->key_unique);
    assert_false(job->key_enforced);
    assert_int_equal(job->layout.key_count, 1);
    assert_string_equal(job->layout.fields[job->layout.key[0]].name, "email");
    ls_job_close(job);
    fixture_done();
}

static void a_longer_key_than_the_enforced_one_is_unique_too(void **state)
{
    const char *const key[] = {"id", "email"};
    const struct ls_sync_config config = {.key = key, .key_count = 2};
    struct pair p = two_people();
    struct ls_job *job = fixture_job(p.a, p.b, &config);

    (void)state;
    assert_true(job->key_unique);
    assert_false(job->key_enforced); /* email may be NULL */
    ls_job_close(job);
    fixture_done();
}

static void wrong_names_are_answered_with_the_nearest(void **state)
{
    const char *const key[] = {"emial"};
    const struct ls_sync_config by_key = {.key = key, .key_count = 1};
    const struct ls_field_config target[] = {{"nmae", "name"}},
                                 source[] = {{"name", "lower(emial)"}};
    const struct ls_sync_config by_target = {.fields = target, .field_count = 1};
    const struct ls_sync_config by_source = {.fields = source, .field_count = 1};
    const char *const only[] = {"emial=x"};
    const struct ls_sync_config by_only = {.only = only, .only_count = 1};
    struct pair p = two_people();

    (void)state;
    refuse(p.a, p.b, &by_key, false, LS_NOT_FOUND, "key: target", "email");
    refuse(p.a, p.b, &by_target, false, LS_NOT_FOUND, "fields: target", "name");
    refuse(p.a, p.b, &by_source, false, LS_CONFIG, "fields: name, over source t", "email");
    refuse(p.a, p.b, &by_only, false, LS_NOT_FOUND, "emial", "email");
    fixture_done();
}

static void wrong_expressions_are_named_by_their_place(void **state)
{
    const struct ls_sync_config where = {.where = "n >"};
    const struct ls_sync_config target_where = {.target_where = "load_extension('x')"};
    struct pair p = two_people();

    (void)state;
    refuse(p.a, p.b, &where, false, LS_CONFIG, "where, over source t", "");
    refuse(p.a, p.b, &target_where, false, LS_CONFIG, "target_where, over target t",
           "load_extension");
    fixture_done();
}

static void one_collection_cannot_be_both_sides(void **state)
{
    struct pair p = two_people();

    (void)state;
    refuse(p.a, p.a, NULL, false, LS_USAGE, "same collection", "Name two");
    fixture_done();
}

static void a_missing_collection_names_its_side(void **state)
{
    struct pair p = two_people();
    const char *c = fixture_memory();

    (void)state;
    refuse(fixture_url(c, "x"), p.b, NULL, false, LS_NOT_FOUND, "source: ", "x");
    refuse(p.a, fixture_url(c, "x"), NULL, false, LS_NOT_FOUND, "target: ", "x");
    fixture_done();
}

static void a_missing_target_is_made_like_the_source(void **state)
{
    const struct ls_field_config map[] = {
        {"customer", "id"}, {"email", "lower(email)"}, {"n", "n"}};
    const struct ls_field_config soft[] = {{"deleted_at", "now"}};
    const char *a = fixture_memory(), *b = fixture_memory();
    struct ls_sync_config config = {.fields = map,
                                    .field_count = 3,
                                    .create = true,
                                    .deletes = LS_DELETES_SOFT,
                                    .soft = soft,
                                    .soft_count = 1};
    struct ls_error err = {0};
    struct ls_job *job = NULL;

    (void)state;
    people(a, "t");
    config.source.url = fixture_url(a, "t");
    config.target.url = fixture_url(b, "made");
    assert_ok(ls_job_open(&config, true, &job, &err), &err);
    assert_true(job->created);
    assert_int_equal(job->target.schema->field_count, 4);
    assert_string_equal(job->target.schema->fields[0].name, "customer");
    assert_int_equal(job->target.schema->fields[0].type, LS_T_INT);
    assert_int_equal(job->target.schema->fields[1].type, LS_T_TEXT);
    assert_int_equal(job->target.schema->fields[3].type, LS_T_TIMESTAMPTZ);
    assert_true(job->key_enforced);
    ls_job_close(job);
    assert_ok(ls_job_open(&config, true, &job, &err), &err);
    assert_false(job->created);
    ls_job_close(job);
    fixture_done();
}

static void a_missing_target_is_not_made_unless_asked_for(void **state)
{
    const char *a = fixture_memory(), *b = fixture_memory();
    const struct ls_sync_config create = {.create = true};

    (void)state;
    people(a, "t");
    refuse(fixture_url(a, "t"), fixture_url(b, "t"), NULL, true, LS_NOT_FOUND, "target: ", "t");
    refuse(fixture_url(a, "t"), fixture_url(b, "t"), &create, false, LS_NOT_FOUND, "target: ", "t");
    fixture_done();
}

static void digest_of(const struct pair *p, const struct ls_sync_config *config, char out[65])
{
    struct ls_job *job = fixture_job(p->a, p->b, config);

    memcpy(out, job->digest, 65);
    assert_int_equal(strlen(out), 64);
    ls_job_close(job);
}

static void the_digest_follows_what_the_sync_is_and_not_which_records(void **state)
{
    const struct ls_field_config two[] = {{"id", "id"}, {"name", "name"}};
    const struct ls_field_config lower[] = {{"id", "id"}, {"name", "lower(name)"}};
    const char *const key[] = {"email"}, *const only[] = {"id=3"};
    const struct ls_sync_config configs[] = {
        {0},
        {.fields = two, .field_count = 2},
        {.fields = lower, .field_count = 2},
        {.key = key, .key_count = 1},
        {.where = "n > 3"},
        {.where = "n > 4"},
        {.target_where = "n > 3"},
    };
    const struct ls_sync_config same[] = {{.only = only, .only_count = 1},
                                          {.batch_rows = 7, .brake_deletes = 0.5, .atomic = true}};
    char digests[COUNT_OF(configs)][65], again[65];
    struct pair p = two_people();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(configs); i++) {
        digest_of(&p, &configs[i], digests[i]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(digests[i], digests[j]);
    }
    for (size_t i = 0; i < COUNT_OF(same); i++) {
        digest_of(&p, &same[i], again);
        assert_string_equal(again, digests[0]);
    }
    fixture_done();
}

static void only_on_a_whole_key_gives_the_keys(void **state)
{
    const char *const one[] = {"id=3"}, *const other[] = {"email=x", "n=4"};
    const struct ls_sync_config by_id = {.only = one, .only_count = 1};
    const struct ls_sync_config by_other = {.only = other, .only_count = 2};
    struct pair p = two_people();
    struct ls_job *job = fixture_job(p.a, p.b, &by_id);

    (void)state;
    assert_int_equal(job->only_key_count, 1);
    assert_int_equal(job->only_keys[0].i, 3);
    assert_int_equal(job->source.pushed.count, 1);
    assert_int_equal(job->target.pushed.count, 1);
    ls_job_close(job);
    job = fixture_job(p.a, p.b, &by_other);
    assert_int_equal(job->only_key_count, 0);
    assert_int_equal(job->source.pushed.count, 0); /* no side decides alone */
    assert_int_equal(job->target.pushed.count, 0);
    assert_true(job->partial);
    ls_job_close(job);
    fixture_done();
}

static void only_on_half_a_key_gives_no_keys(void **state)
{
    const char *a = fixture_memory(), *b = fixture_memory();
    struct ls_field fields[] = {fixture_field("tenant", LS_T_INT), fixture_field("id", LS_T_INT)};
    const char *const half[] = {"id=3"}, *const whole[] = {"id=3", "tenant=1"};
    const struct ls_sync_config by_half = {.only = half, .only_count = 1};
    const struct ls_sync_config by_whole = {.only = whole, .only_count = 2};
    struct ls_job *job;

    (void)state;
    fixture_create(a, "t", 2, fields, 2, first_two);
    fixture_create(b, "t", 2, fields, 2, first_two);
    job = fixture_job(fixture_url(a, "t"), fixture_url(b, "t"), &by_half);
    assert_int_equal(job->only_key_count, 0);
    ls_job_close(job);
    job = fixture_job(fixture_url(a, "t"), fixture_url(b, "t"), &by_whole);
    assert_int_equal(job->only_key_count, 1);
    assert_int_equal(job->only_keys[0].i, 1);
    assert_int_equal(job->only_keys[1].i, 3);
    ls_job_close(job);
    fixture_done();
}

static void a_filtered_sync_owns_nothing_without_target_where(void **state)
{
    struct pair p = two_people();
    const struct ls_sync_config filtered = {.where = "n = 1"};
    const struct ls_sync_config both = {.where = "n = 1", .target_where = "n = 1"};
    struct ls_job *job = fixture_job(p.a, p.b, NULL);

    (void)state;
    assert_true(job->owned && !job->filtered);
    ls_job_close(job);
    job = fixture_job(p.a, p.b, &filtered);
    assert_true(!job->owned && job->filtered);
    ls_job_close(job);
    job = fixture_job(p.a, p.b, &both);
    assert_true(job->owned && job->filtered);
    ls_job_close(job);
    fixture_done();
}

static void soft_deletes_need_to_know_a_live_record(void **state)
{
    const struct ls_field_config text[] = {{"name", "'gone'"}}, flag[] = {{"n", "1"}},
                                 none[] = {{"name", "email || '?'"}};
    const struct ls_field_config map[] = {{"id", "id"}, {"email", "email"}};
    struct ls_sync_config config = {.deletes = LS_DELETES_SOFT, .soft_count = 1};
    struct pair p = two_people();
    struct ls_job *job;

    (void)state;
    config.soft = none;
    refuse(p.a, p.b, &config, false, LS_CONFIG, "now or to a constant", "");
    config.fields = map;
    config.field_count = 2;
    config.soft = text;
    refuse(p.a, p.b, &config, false, LS_CONFIG, "name", "Map it with fields:");
    config.soft = flag;
    job = fixture_job(p.a, p.b, &config);
    assert_int_equal(job->layout.field_count, 3);
    assert_int_equal(job->soft_count, 1);
    assert_int_equal(job->soft[0].position, 2);
    assert_int_equal(job->mapping->fields[2].fixed->i, 0);
    ls_job_close(job);
    config.soft_count = 0;
    refuse(p.a, p.b, &config, false, LS_CONFIG, "deletes: soft needs a field", "deleted_at: now");
    fixture_done();
}

static void soft_values_are_constants_times_or_computed(void **state)
{
    const char *a = fixture_memory(), *b = fixture_memory();
    struct ls_field fields[] = {fixture_field("id", LS_T_INT), fixture_field("email", LS_T_TEXT),
                                fixture_field("gone", LS_T_BOOL),
                                fixture_field("deleted_at", LS_T_TIMESTAMPTZ)};
    const struct ls_field_config map[] = {{"id", "id"}, {"email", "email"}};
    const struct ls_field_config soft[] = {
        {"deleted_at", "now"}, {"gone", "1"}, {"email", "email || '#' || id"}};
    const struct ls_sync_config config = {
        .fields = map, .field_count = 2, .deletes = LS_DELETES_SOFT, .soft = soft, .soft_count = 3};
    struct ls_value record[4] = {ls_value_int(7), ls_value_text("m"), ls_value_null(), {0}};
    struct ls_value v;
    struct ls_arena mem;
    struct ls_error err = {0};
    struct ls_job *job;

    (void)state;
    ls_arena_init(&mem, 0);
    people(a, "t");
    fixture_create(b, "t", 4, fields, 1, first_field);
    job = fixture_job(fixture_url(a, "t"), fixture_url(b, "t"), &config);
    assert_int_equal(job->layout.field_count, 4);
    assert_ok(ls_job_soft_value(job, &job->soft[0], record, 1234567, &mem, &v, &err), &err);
    assert_int_equal(v.type, LS_T_TIMESTAMPTZ);
    assert_int_equal(v.i, 1234567);
    assert_ok(ls_job_soft_value(job, &job->soft[1], record, 0, &mem, &v, &err), &err);
    assert_int_equal(v.type, LS_T_BOOL);
    assert_true(v.b);
    assert_ok(ls_job_soft_value(job, &job->soft[2], record, 0, &mem, &v, &err), &err);
    assert_int_equal(v.size, 3);
    assert_memory_equal(v.data, "m#7", 3);

    /* What a live record has there: not deleted. */
    assert_int_equal(job->mapping->fields[job->soft[0].position].fixed->type, LS_T_NULL);
    assert_int_equal(job->mapping->fields[job->soft[1].position].fixed->type, LS_T_BOOL);
    assert_false(job->mapping->fields[job->soft[1].position].fixed->b);

    assert_false(ls_job_soft_deleted(job, record));
    record[job->soft[0].position] = (struct ls_value){.type = LS_T_TIMESTAMPTZ, .i = 1};
    assert_false(ls_job_soft_deleted(job, record));
    record[job->soft[1].position] = (struct ls_value){.type = LS_T_BOOL, .b = true};
    assert_true(ls_job_soft_deleted(job, record));
    ls_job_close(job);
    ls_arena_done(&mem);
    fixture_done();
}

static void a_job_over_the_target_alone_has_all_its_fields(void **state)
{
    const char *const key[] = {"email"};
    struct pair p = two_people();
    const struct ls_side_config side = {.url = p.b};
    struct ls_error err = {0};
    struct ls_job *job = NULL;

    (void)state;
    assert_ok(ls_job_open_target(NULL, &side, NULL, 0, NULL, &job, &err), &err);
    assert_null(job->source.store);
    assert_int_equal(job->layout.field_count, 4);
    assert_string_equal(job->layout.fields[job->layout.key[0]].name, "id");
    assert_int_equal(job->target.key_count, 1);
    ls_job_close(job);
    assert_ok(ls_job_open_target("sync", &side, NULL, 1, key, &job, &err), &err);
    assert_string_equal(job->name, "sync");
    assert_string_equal(job->layout.fields[job->layout.key[0]].name, "email");
    ls_job_close(job);
    fixture_done();
}

static bool finds(const struct ls_finding *list, size_t count, const char *what, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        if (strstr(list[i].what, what) && strstr(list[i].text, text))
            return true;
    }
    return false;
}

static void check_tells_of_key_fields_and_what_is_left_out(void **state)
{
    const char *a = fixture_memory(), *b = fixture_memory();
    struct ls_field fields[] = {fixture_field("id", LS_T_INT), fixture_field("n", LS_T_DECIMAL),
                                fixture_field("must", LS_T_TEXT)};
    const char *const key[] = {"n"};
    const struct ls_sync_config config = {.key = key, .key_count = 1, .where = "n = 1"};
    const struct ls_finding *list = NULL;
    struct ls_error err = {0};
    struct ls_arena mem;
    struct ls_job *job;
    size_t count = 0;

    (void)state;
    ls_arena_init(&mem, 0);
    fields[1].precision = 5;
    fields[1].scale = 2;
    fields[2].flags = LS_FIELD_NOT_NULL;
    people(a, "t");
    fixture_create(b, "t", 3, fields, 1, first_field);
    job = fixture_job(fixture_url(a, "t"), fixture_url(b, "t"), &config);
    assert_ok(ls_job_check(job, &mem, &count, &list, &err), &err);
    assert_true(finds(list, count, "key", "n: not enforced on both sides"));
    assert_true(finds(list, count, "field must", "is not mapped: inserts will fail"));
    assert_true(finds(list, count, "source t", "not compared: email, name"));
    assert_true(finds(list, count, "deletes", "target_where:"));
    ls_job_close(job);
    job = fixture_job(fixture_url(a, "t"), fixture_url(b, "t"), NULL);
    assert_ok(ls_job_check(job, &mem, &count, &list, &err), &err);
    assert_true(finds(list, count, "key", "id: unique and never NULL on both sides"));
    ls_job_close(job);
    ls_arena_done(&mem);
    fixture_done();
}

/* ---- what databases have and memory has not ---- */

static struct pair two_files(const char *a_sql, const char *b_sql)
{
    struct pair p = {fixture_sqlite(), fixture_sqlite()};

    fixture_sql(p.a, a_sql);
    fixture_sql(p.b, b_sql);
    p.a = fixture_url(p.a, "t");
    p.b = fixture_url(p.b, "t");
    return p;
}

static void accept(const struct pair *p, const struct ls_sync_config *more)
{
    struct ls_sync_config config = more ? *more : (struct ls_sync_config){0};
    struct ls_error err = {0};
    struct ls_job *job = NULL;

    config.source.url = p->a;
    config.target.url = p->b;
    assert_ok(ls_job_open(&config, true, &job, &err), &err);
    ls_job_close(job);
}

#define SIMPLE "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);"
#define WITH_TRIGGER                                                                         \
    SIMPLE "CREATE TABLE log(x); CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log " \
           "VALUES(1); END"

static void a_view_is_read_and_never_written(void **state)
{
    const char *const key[] = {"id"};
    const struct ls_sync_config by_id = {.key = key, .key_count = 1};
    const struct pair p = two_files(
        "CREATE TABLE x(id INTEGER PRIMARY KEY, v TEXT); CREATE VIEW t AS SELECT * FROM x", SIMPLE);

    (void)state;
    accept(&p, NULL); /* the target's key serves */
    accept(&p, &by_id);
    refuse(p.b, p.a, &by_id, true, LS_UNSUPPORTED, "target: ", "it is a view");
    fixture_done();
}

/* Whatever is done with the target: only its writer, of a session of its own, may write. */
static void the_source_is_only_read(void **state)
{
    const struct pair p = two_files(SIMPLE, SIMPLE);
    const struct ls_sync_config config = {.source.url = p.a, .target.url = p.b};

    (void)state;
    for (unsigned writable = 0; writable < 2; writable++) {
        struct ls_error err = {0};
        struct ls_job *job = NULL;

        assert_ok(ls_job_open(&config, writable, &job, &err), &err);
        assert_false(job->source.store->writable);
        assert_false(job->target.store->writable);
        assert_int_equal(job->source.schema->flags & LS_SCHEMA_READ_ONLY, LS_SCHEMA_READ_ONLY);
        assert_int_not_equal(ls_store_begin(job->source.store, &err), LS_OK);
        ls_job_close(job);
    }
    fixture_done();
}

static void triggers_need_to_be_accepted(void **state)
{
    const struct ls_sync_config yes = {.cascades_accept = true};
    const struct pair p = two_files(SIMPLE, WITH_TRIGGER);
    struct ls_job *job;

    (void)state;
    refuse(p.a, p.b, NULL, true, LS_CONFIG, "target: t: triggers fire", "cascades: accept");
    accept(&p, &yes);
    job = fixture_job(p.a, p.b, NULL); /* reading needs no consent */
    ls_job_close(job);
    fixture_done();
}

static void cascading_deletes_need_to_be_accepted_where_records_are_deleted(void **state)
{
    const struct ls_sync_config yes = {.cascades_accept = true};
    const struct ls_sync_config keep = {.deletes = LS_DELETES_KEEP};
    const struct pair p = two_files(
        SIMPLE, SIMPLE "CREATE TABLE child(t INTEGER REFERENCES t(id) ON DELETE CASCADE)");

    (void)state;
    refuse(p.a, p.b, NULL, true, LS_CONFIG, "deletes reach other tables", "deletes: keep");
    accept(&p, &yes);
    accept(&p, &keep);
    fixture_done();
}

static void generated_fields_are_left_out(void **state)
{
    static const struct ls_field_config both[] = {{"id", "id"}, {"g", "v"}};
    const char *const key[] = {"g"};
    const struct ls_sync_config map = {.fields = both, .field_count = 2};
    const struct ls_sync_config by_g = {.key = key, .key_count = 1};
    const struct pair p = two_files(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT, g TEXT)",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT, g TEXT GENERATED ALWAYS AS (upper(v)))");
    struct ls_job *job = fixture_job(p.a, p.b, NULL);

    (void)state;
    assert_int_equal(job->layout.field_count, 2);
    ls_job_close(job);
    job = fixture_job(p.b, p.a, NULL);
    assert_int_equal(job->layout.field_count, 2);
    ls_job_close(job);
    refuse(p.a, p.b, &map, false, LS_CONFIG, "fields: g of target t is generated", "Leave it out");
    refuse(p.a, p.b, &by_g, false, LS_CONFIG, "key: g of target t is generated", "");
    fixture_done();
}

static void a_table_without_a_key_names_the_columns_that_could_serve(void **state)
{
    const struct pair p = two_files("CREATE TABLE t(id INTEGER, mail TEXT UNIQUE, v TEXT)",
                                    "CREATE TABLE t(id INTEGER, mail TEXT, v TEXT)");
    const struct pair bare =
        two_files("CREATE TABLE t(id INTEGER, v TEXT)", "CREATE TABLE t(id INTEGER, v TEXT)");

    (void)state;
    refuse(p.a, p.b, NULL, false, LS_NO_KEY, "--key", "mail (unique of the source, may be NULL)");
    refuse(bare.a, bare.b, NULL, false, LS_NO_KEY, "--key", "could serve: id, v");
    fixture_done();
}

static void a_primary_key_that_may_be_null_serves_and_check_says_so(void **state)
{
    const struct pair p = two_files("CREATE TABLE t(code TEXT PRIMARY KEY, v TEXT)",
                                    "CREATE TABLE t(code TEXT PRIMARY KEY NOT NULL, v TEXT)");
    struct ls_job *job = fixture_job(p.a, p.b, NULL);
    const struct ls_finding *list = NULL;
    struct ls_error err = {0};
    struct ls_arena mem;
    size_t count = 0;

    (void)state;
    ls_arena_init(&mem, 0);
    assert_string_equal(job->layout.fields[job->layout.key[0]].name, "code");
    assert_true(job->key_unique);
    assert_false(job->key_enforced);
    assert_ok(ls_job_check(job, &mem, &count, &list, &err), &err);
    assert_true(finds(list, count, "key", "code: unique on both sides, but may be NULL"));
    ls_job_close(job);
    ls_arena_done(&mem);
    fixture_done();
}

static void a_unique_key_that_may_be_null_serves_when_it_is_named(void **state)
{
    static const char sql[] = "CREATE TABLE t(id INTEGER PRIMARY KEY, mail TEXT UNIQUE, v TEXT)";
    const char *const key[] = {"mail"};
    const struct ls_sync_config config = {.key = key, .key_count = 1};
    const struct pair p = two_files(sql, sql);
    struct ls_job *job = fixture_job(p.a, p.b, &config);

    (void)state;
    assert_true(job->key_unique);
    assert_false(job->key_enforced);
    ls_job_close(job);
    fixture_done();
}

static void check_tells_what_is_put_into_the_target(void **state)
{
    const struct pair p = two_files(SIMPLE, WITH_TRIGGER);
    const struct ls_finding *list = NULL;
    struct ls_error err = {0};
    struct ls_arena mem;
    struct ls_job *job = fixture_job(p.a, p.b, NULL);
    size_t count = 0;

    (void)state;
    ls_arena_init(&mem, 0);
    assert_ok(ls_job_check(job, &mem, &count, &list, &err), &err);
    assert_true(finds(list, count, "target t", "lockstep_batches"));
    assert_true(finds(list, count, "target t", "triggers fire when it is written"));
    assert_false(finds(list, count, "target t", "may not be written"));
    ls_job_close(job);
    ls_arena_done(&mem);
    fixture_done();
}

/* Roles belong to the server, not to the database: the name is made of this database's. */
static char *make_reader(const char *url)
{
    char *role = testpg_value(url, "SELECT 'r_' || current_database()"), *ret;
    char sql[400];

    (void)snprintf(sql, sizeof sql,
                   "CREATE ROLE \"%s\" LOGIN PASSWORD 'pw'; GRANT SELECT ON t, u TO \"%s\"", role,
                   role);
    testpg_exec(url, sql);
    ret = testpg_url_with(url, role, "pw", NULL);
    free(role);
    return ret;
}

static void drop_reader(const char *url)
{
    char *role = testpg_value(url, "SELECT 'r_' || current_database()");
    char sql[400];

    (void)snprintf(sql, sizeof sql, "DROP OWNED BY \"%s\"; DROP ROLE \"%s\"", role, role);
    testpg_exec(url, sql);
    free(role);
}

static void a_missing_right_is_said_before_anything_is_read(void **state)
{
    const char *url = fixture_postgres();
    const struct ls_finding *list = NULL;
    struct ls_error err = {0};
    struct ls_arena mem;
    struct ls_job *job;
    size_t count = 0;
    char *reader;

    (void)state;
    ls_arena_init(&mem, 0);
    testpg_exec(
        url,
        "CREATE TABLE t(id int PRIMARY KEY, v text); CREATE TABLE u(id int PRIMARY KEY, v text)");
    reader = make_reader(url);
    refuse(fixture_url(url, "t"), fixture_url(reader, "u"), NULL, true, LS_PERMISSION,
           "target: ", "may not write it");
    job = fixture_job(fixture_url(url, "t"), fixture_url(reader, "u"), NULL);
    assert_ok(ls_job_check(job, &mem, &count, &list, &err), &err);
    assert_true(
        finds(list, count, "target public.u", "GRANT INSERT, UPDATE, DELETE ON public.u TO r_"));
    assert_false(finds(list, count, "source public.t", "may not be read"));
    assert_true(finds(list, count, "target public.u", "nothing but records"));
    assert_null(strstr(job->name, "pw"));
    ls_job_close(job);
    drop_reader(url);
    free(reader);
    ls_arena_done(&mem);
    fixture_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_the_same_name_are_compared_by_the_primary_key),
        cmocka_unit_test(a_key_field_may_be_renamed),
        cmocka_unit_test(a_computed_key_is_refused),
        cmocka_unit_test(the_key_joins_fields_that_leave_it_out),
        cmocka_unit_test(without_a_shared_key_the_columns_that_could_serve_are_named),
        cmocka_unit_test(a_named_key_without_a_constraint_is_checked_by_reading),
        cmocka_unit_test(a_longer_key_than_the_enforced_one_is_unique_too),
        cmocka_unit_test(wrong_names_are_answered_with_the_nearest),
        cmocka_unit_test(wrong_expressions_are_named_by_their_place),
        cmocka_unit_test(one_collection_cannot_be_both_sides),
        cmocka_unit_test(a_missing_collection_names_its_side),
        cmocka_unit_test(a_missing_target_is_made_like_the_source),
        cmocka_unit_test(a_missing_target_is_not_made_unless_asked_for),
        cmocka_unit_test(the_digest_follows_what_the_sync_is_and_not_which_records),
        cmocka_unit_test(only_on_a_whole_key_gives_the_keys),
        cmocka_unit_test(only_on_half_a_key_gives_no_keys),
        cmocka_unit_test(a_filtered_sync_owns_nothing_without_target_where),
        cmocka_unit_test(soft_deletes_need_to_know_a_live_record),
        cmocka_unit_test(soft_values_are_constants_times_or_computed),
        cmocka_unit_test(a_job_over_the_target_alone_has_all_its_fields),
        cmocka_unit_test(check_tells_of_key_fields_and_what_is_left_out),
        cmocka_unit_test(a_view_is_read_and_never_written),
        cmocka_unit_test(the_source_is_only_read),
        cmocka_unit_test(triggers_need_to_be_accepted),
        cmocka_unit_test(cascading_deletes_need_to_be_accepted_where_records_are_deleted),
        cmocka_unit_test(generated_fields_are_left_out),
        cmocka_unit_test(a_table_without_a_key_names_the_columns_that_could_serve),
        cmocka_unit_test(a_primary_key_that_may_be_null_serves_and_check_says_so),
        cmocka_unit_test(a_unique_key_that_may_be_null_serves_when_it_is_named),
        cmocka_unit_test(check_tells_what_is_put_into_the_target),
        cmocka_unit_test(a_missing_right_is_said_before_anything_is_read),
    };
    return cmocka_run_group_tests_name("engine/job", tests, NULL, NULL);
}
