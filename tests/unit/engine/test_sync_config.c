/* SPDX-License-Identifier: Apache-2.0 */
/* test_sync_config.c - a sync's configuration as JSON: all of it there and back, but no password. */
#include "engine/sync_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static void passwords_are_left_out_of_urls(void **state)
{
    static const struct {
        const char *url, *without;
    } cases[] = {
        {"postgres://ann:secret@db.internal:5432/app#public.t",
         "postgres://ann@db.internal:5432/app#public.t"},
        {"postgresql://ann:s%40cret%3A@db/app", "postgresql://ann@db/app"},
        {"POSTGRES://ann:secret@db/app", "POSTGRES://ann@db/app"},
        {"postgres://ann@db/app#t", "postgres://ann@db/app#t"},
        {"postgres://:secret@db/app", "postgres://@db/app"},
        {"postgres://ann:@db/app", "postgres://ann@db/app"},
        {"postgres://db:5432/app", "postgres://db:5432/app"},
        {"postgres://a:secret@h1:1,h2:2/app", "postgres://a@h1:1,h2:2/app"},
        {"postgres://a:sec:ret@[::1]:5432/app", "postgres://a@[::1]:5432/app"},
        {"postgres://a:in@side@db/app", "postgres://a@db/app"},
        {"postgres:///app?user=ann&password=secret&host=/run",
         "postgres:///app?user=ann&host=/run"},
        {"postgres:///app?password=secret", "postgres:///app"},
        {"postgres:///app?password=secret#t", "postgres:///app#t"},
        {"postgres:///app?password=secret&user=ann#t", "postgres:///app?user=ann#t"},
        {"postgres:///app?sslpassword=secret&password=secret", "postgres:///app"},
        {"postgres:///app?sslkey=k&sslpassword=secret&user=a", "postgres:///app?sslkey=k&user=a"},
        {"postgres:///app?pass%77ord=secret&x=1", "postgres:///app?x=1"},
        {"postgres:///app?pass%57ord=kept", "postgres:///app?pass%57ord=kept"}, /* passWord */
        {"postgres:///app?passfile=/p&passwords=1", "postgres:///app?passfile=/p&passwords=1"},
        {"postgres://db?password=secret", "postgres://db"},
        {"postgres://db?application_name=a:b@c", "postgres://db?application_name=a:b@c"},
        {"sqlite:/srv/a?password=no/shop.db#t", "sqlite:/srv/a?password=no/shop.db#t"},
        {"file:///srv/ann:b@c.csv", "file:///srv/ann:b@c.csv"},
        {"memory:a:b@c#t", "memory:a:b@c#t"},
        {"", ""},
    };
    struct ls_arena mem;

    (void)state;
    ls_arena_init(&mem, 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(ls_url_without_password(cases[i].url, &mem), cases[i].without);
    ls_arena_done(&mem);
}

static void same_texts(size_t count, const char *const *a, const char *const *b)
{
    for (size_t i = 0; i < count; i++)
        assert_string_equal(a[i], b[i]);
}

static void same_fields(size_t count, const struct ls_field_config *a,
                        const struct ls_field_config *b)
{
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(a[i].target, b[i].target);
        assert_string_equal(a[i].expression, b[i].expression);
    }
}

static void a_whole_configuration_comes_back(void **state)
{
    static const char *const key[] = {"tenant", "Größe \"x\""};
    static const char *const only[] = {"tenant=7", "name=a=b"};
    static const struct ls_field_config fields[] = {{"email", "lower(email)"}, {"n", "n + 1"}};
    static const struct ls_field_config soft[] = {{"deleted_at", "now"}};
    const struct ls_sync_config config = {
        .name = "customers",
        .source = {"postgres://ann:secret@db/app", "public.customers", "Europe/Vienna", 250},
        .target = {"sqlite:crm.db", "customers \\ 'x'", "UTC", 3600000},
        .key_count = 2,
        .key = key,
        .field_count = 2,
        .fields = fields,
        .where = "status = 'active'\n",
        .target_where = "origin = 'app'",
        .only_count = 2,
        .only = only,
        .deletes = LS_DELETES_SOFT,
        .soft_count = 1,
        .soft = soft,
        .brake_deletes = 0.1,
        .brake_changes = 1.0 / 3,
        .atomic = true,
        .cascades_accept = true,
        .silent = true,
        .batch_rows = 77,
    };
    struct ls_sync_config got = {0};
    struct ls_error err = {0};
    struct ls_arena mem;
    const char *json;

    (void)state;
    ls_arena_init(&mem, 0);
    json = ls_sync_config_to_json(&config, &mem);
    assert_non_null(json);
    assert_null(strstr(json, "secret"));
    assert_ok(ls_sync_config_from_json(json, &mem, &got, &err), &err);
    assert_string_equal(got.name, config.name);
    assert_string_equal(got.source.url, "postgres://ann@db/app");
    assert_string_equal(got.source.collection, config.source.collection);
    assert_string_equal(got.source.zone, config.source.zone);
    assert_string_equal(got.target.url, config.target.url);
    assert_string_equal(got.target.collection, config.target.collection);
    assert_string_equal(got.target.zone, config.target.zone);
    assert_int_equal(got.source.lock_timeout_ms, 250);
    assert_int_equal(got.target.lock_timeout_ms, 3600000);
    assert_int_equal(got.key_count, 2);
    same_texts(2, got.key, key);
    assert_int_equal(got.only_count, 2);
    same_texts(2, got.only, only);
    assert_int_equal(got.field_count, 2);
    same_fields(2, got.fields, fields);
    assert_int_equal(got.soft_count, 1);
    same_fields(1, got.soft, soft);
    assert_string_equal(got.where, config.where);
    assert_string_equal(got.target_where, config.target_where);
    assert_int_equal(got.deletes, LS_DELETES_SOFT);
    assert_true(got.brake_deletes == config.brake_deletes);
    assert_true(got.brake_changes == config.brake_changes);
    assert_true(got.atomic && got.cascades_accept && got.silent);
    assert_int_equal(got.batch_rows, 77);
    assert_string_equal(ls_sync_config_to_json(&got, &mem), json);
    ls_arena_done(&mem);
}

static void what_is_left_out_stays_left_out(void **state)
{
    const struct ls_sync_config config = {.source.url = "memory:a#t", .target.url = "memory:b#t"};
    struct ls_sync_config got = {0};
    struct ls_error err = {0};
    struct ls_arena mem;

    (void)state;
    ls_arena_init(&mem, 0);
    assert_ok(ls_sync_config_from_json(ls_sync_config_to_json(&config, &mem), &mem, &got, &err),
              &err);
    assert_null(got.name);
    assert_null(got.where);
    assert_null(got.target_where);
    assert_null(got.source.collection);
    assert_null(got.source.zone);
    assert_int_equal(got.source.lock_timeout_ms + got.target.lock_timeout_ms, 0);
    assert_int_equal(got.key_count + got.field_count + got.only_count + got.soft_count, 0);
    assert_int_equal(got.deletes, LS_DELETES_REMOVE);
    assert_false(got.atomic || got.cascades_accept || got.silent);
    assert_int_equal(got.batch_rows, 0);
    ls_arena_done(&mem);
}

/* A plan file may have been edited, and older ones have none. */
static void a_lock_timeout_that_cannot_be_set_is_the_default(void **state)
{
    static const char *const sides[] = {"",
                                        ",\"lock_timeout_ms\":9",
                                        ",\"lock_timeout_ms\":-1",
                                        ",\"lock_timeout_ms\":3600001",
                                        ",\"lock_timeout_ms\":4294967396",
                                        ",\"lock_timeout_ms\":\"250\"",
                                        ",\"lock_timeout_ms\":null"};
    struct ls_arena mem;

    (void)state;
    ls_arena_init(&mem, 0);
    for (size_t i = 0; i < COUNT_OF(sides); i++) {
        const char *json =
            ls_arena_printf(&mem,
                            "{\"source\":{\"url\":\"memory:a\",\"lock_timeout_ms\":10},"
                            "\"target\":{\"url\":\"memory:b\"%s},\"deletes\":\"keep\"}",
                            sides[i]);
        struct ls_sync_config got = {0};
        struct ls_error err = {0};

        assert_ok(ls_sync_config_from_json(json, &mem, &got, &err), &err);
        assert_int_equal(got.source.lock_timeout_ms, 10);
        assert_int_equal(got.target.lock_timeout_ms, 0);
    }
    ls_arena_done(&mem);
}

static void what_is_no_configuration_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"source\":{\"url\":\"memory:a\"},\"deletes\":\"remove\"}",
        "{\"source\":{\"url\":1},\"target\":{\"url\":\"memory:b\"},\"deletes\":\"remove\"}",
        "{\"source\":{\"url\":\"memory:a\"},\"target\":{\"url\":\"memory:b\"}}",
        "{\"source\":{\"url\":\"memory:a\"},\"target\":{\"url\":\"memory:b\"},\"deletes\":\"x\"}",
        "{\"source\":{\"url\":\"memory:a\"},\"target\":{\"url\":\"memory:b\"},\"deletes\":\"keep\","
        "\"key\":[1]}",
        "{\"source\":{\"url\":\"memory:a\"},\"target\":{\"url\":\"memory:b\"},\"deletes\":\"keep\","
        "\"fields\":[\"a\"]}",
        "{\"source\":{\"url\":\"memory:a\"},\"target\":{\"url\":\"memory:b\"},\"deletes\":\"keep\","
        "\"soft\":[[\"a\"]]}",
    };
    struct ls_arena mem;

    (void)state;
    ls_arena_init(&mem, 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct ls_sync_config got = {.name = "untouched"};
        struct ls_error err = {0};

        assert_error(ls_sync_config_from_json(bad[i], &mem, &got, &err), &err, LS_DATA,
                     "incomplete");
        assert_string_equal(got.name, "untouched");
    }
    ls_arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passwords_are_left_out_of_urls),
        cmocka_unit_test(a_whole_configuration_comes_back),
        cmocka_unit_test(what_is_left_out_stays_left_out),
        cmocka_unit_test(a_lock_timeout_that_cannot_be_set_is_the_default),
        cmocka_unit_test(what_is_no_configuration_is_refused),
    };

    return cmocka_run_group_tests_name("engine/sync_config", tests, NULL, NULL);
}
