/* SPDX-License-Identifier: Apache-2.0 */
/* test_url.c - store URLs and collection names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/url.h"

static struct ls_arena mem;
static struct ls_error err;

static struct ls_url parsed(const char *text)
{
    struct ls_url url = {NULL, NULL, NULL, NULL};

    if (ls_url_parse(text, &mem, &url, &err) != LS_OK)
        fail_msg("%s: %s", text, err.text);
    return url;
}

static void assert_url(const char *text, const char *scheme, const char *location,
                       const char *collection, const char *shown)
{
    const struct ls_url url = parsed(text);

    assert_string_equal(url.scheme, scheme);
    assert_string_equal(url.location, location);
    if (collection)
        assert_string_equal(url.collection, collection);
    else
        assert_null(url.collection);
    assert_string_equal(url.shown, shown);
}

static void assert_refused(const char *text, const char *message)
{
    struct ls_url url = {"untouched", NULL, NULL, NULL};

    assert_int_equal(ls_url_parse(text, &mem, &url, &err), LS_USAGE);
    if (!strstr(err.text, message))
        fail_msg("%s: \"%s\" is not in: %s", text, message, err.text);
    assert_string_equal(url.scheme, "untouched");
}

static void every_form_is_taken_apart(void **state)
{
    (void)state;
    assert_url("sqlite:shop.db#customers", "sqlite", "shop.db", "customers", "sqlite:shop.db");
    assert_url("sqlite:/var/lib/a.db", "sqlite", "/var/lib/a.db", NULL, "sqlite:/var/lib/a.db");
    assert_url("sqlite:///var/lib/a.db#t", "sqlite", "/var/lib/a.db", "t", "sqlite:/var/lib/a.db");
    assert_url("file:customers.csv", "file", "customers.csv", NULL, "file:customers.csv");
    assert_url("memory:one#customers", "memory", "one", "customers", "memory:one");
    assert_url("postgres://ann@db.example:5433/app?sslmode=require#public.customers", "postgres",
               "postgres://ann@db.example:5433/app?sslmode=require", "public.customers",
               "postgres://db.example:5433/app");
    assert_url("postgresql://h/app", "postgres", "postgres://h/app", NULL, "postgres://h/app");
    assert_url("POSTGRES:///app", "postgres", "postgres:///app", NULL, "postgres:///app");
    assert_url("postgres://[::1]:5432,b:5433/app", "postgres", "postgres://[::1]:5432,b:5433/app",
               NULL, "postgres://[::1]:5432,b:5433/app");
    assert_url("postgres:///app?host=/tmp/socket", "postgres", "postgres:///app?host=/tmp/socket",
               NULL, "postgres:///app");
}

static void a_collection_is_taken_as_written(void **state)
{
    (void)state;
    assert_string_equal(parsed("sqlite:a.db#Täble With %20 and #").collection,
                        "Täble With %20 and #");
    assert_string_equal(parsed("postgres://h/d#\"a.b\".C").collection, "\"a.b\".C");
    assert_string_equal(parsed("postgres://h/d#a@b").collection, "a@b");
}

static void a_password_is_given_on_but_never_shown(void **state)
{
    const struct ls_url url = parsed("postgres://ann:s3cret@h/d?password=s3cret&x=y#t");

    (void)state;
    assert_non_null(strstr(url.location, "ann:s3cret@"));
    assert_string_equal(url.shown, "postgres://h/d");
}

static void a_password_with_raw_signs_is_refused_and_not_shown(void **state)
{
    static const char *const texts[] = {
        "postgres://ann:s3c@s3cret@h/d",    "postgres://ann:s3c#s3cret@h/d",
        "postgres://ann:s3c/s3cret@h/d",    "postgres://ann:s3c?s3cret@h/d",
        "postgres://ann:12#s3cret@h/d",     "postgres://ann:12/s3cret@h/d",
        "postgres://ann:12?s3cret@h/d",     "postgres:ann:s3cret@h/d",
        "mysql://ann:s3cret@h/d",           "postgers://ann:s3cret@h/d",
        "postgres://ann:s3cret@h:port/d#t", "postgres://ann:s3cret@h:70000/d",
        "postgres://ann:s3cret@[::1/d",     "postgres://ann:s3cret@h/d?sslmode",
        "postgres://ann:s3cret@h/d#",
    };
    struct ls_url url;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (ls_url_parse(texts[i], &mem, &url, &err) != LS_USAGE)
            fail_msg("taken: %s", texts[i]);
        if (strstr(err.text, "s3c"))
            fail_msg("shown: %s", err.text);
    }
}

static void what_is_wrong_is_said_with_the_forms(void **state)
{
    (void)state;
    assert_refused("customers", "no scheme");
    assert_refused("sqlite", "no scheme. Forms: sqlite:FILE#TABLE");
    assert_refused("sqlit:a.db", "unknown scheme \"sqlit\". Did you mean sqlite?");
    assert_refused("ftp:a.db", "unknown scheme \"ftp\". Forms:");
    assert_refused("sqlite:", "nothing behind sqlite:");
    assert_refused("sqlite:#t", "nothing behind sqlite:");
    assert_refused("sqlite:a.db#", "no collection behind the #");
    assert_refused("sqlite://a.db", "names a host");
    assert_refused("sqlite::memory:", "memory:NAME#TABLE");
    assert_refused("sqlite:a\nb", "control character at byte 9");
    assert_refused("sqlite:a\xff", "not UTF-8");
    assert_refused("postgres:db", "no // behind the scheme");
}

static void a_url_is_told_from_the_name_of_a_sync(void **state)
{
    (void)state;
    assert_true(ls_url_looks_like("sqlite:a.db"));
    assert_true(ls_url_looks_like("Postgres://h"));
    assert_true(ls_url_looks_like("unknown+x:y"));
    assert_false(ls_url_looks_like("customers"));
    assert_false(ls_url_looks_like("my customers: all"));
    assert_false(ls_url_looks_like(":x"));
    assert_false(ls_url_looks_like("1a:x"));
    assert_false(ls_url_looks_like(""));
}

static void assert_split(const char *name, const char *schema, const char *table)
{
    const char *got_schema = "?", *got_table = "?";

    if (ls_collection_split(name, &mem, &got_schema, &got_table, &err) != LS_OK)
        fail_msg("%s: %s", name, err.text);
    assert_string_equal(got_table, table);
    if (schema)
        assert_string_equal(got_schema, schema);
    else
        assert_null(got_schema);
}

static void a_name_is_split_at_its_dot_and_joined_again(void **state)
{
    static const struct {
        const char *name, *schema, *table;
    } cases[] = {
        {"customers", NULL, "customers"},
        {"public.Customers", "public", "Customers"},
        {"\"a.b\".t", "a.b", "t"},
        {"a.\"say \"\"hi\"\"\"", "a", "say \"hi\""},
        {"with blank.Ünicode", "with blank", "Ünicode"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_split(cases[i].name, cases[i].schema, cases[i].table);
        assert_string_equal(ls_collection_join(&mem, cases[i].schema, cases[i].table),
                            cases[i].name);
    }
    assert_split("\"plain\".t", "plain", "t");
}

static void a_name_is_quoted_part_by_part(void **state)
{
    static const char *const cases[][2] = {
        {"t", "\"t\""},
        {"s.t", "\"s\".\"t\""},
        {"\"a.b\".t", "\"a.b\".\"t\""},
        {"\"a\"\"b\"", "\"a\"\"b\""},
    };
    const char *quoted = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ls_collection_quote(cases[i][0], &mem, &quoted, &err), LS_OK);
        assert_string_equal(quoted, cases[i][1]);
    }
    assert_int_equal(ls_collection_quote("a.b.c", &mem, &quoted, &err), LS_USAGE);
}

static void a_malformed_name_is_refused(void **state)
{
    static const char *const names[] = {"",        ".",      "a.",     ".a",   "a.b.c",    "\"a",
                                        "\"a\"\"", "\"a\"b", "a\"b\"", "\"\"", "a.\"b\"c", "\""};
    const char *schema, *table;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (ls_collection_split(names[i], &mem, &schema, &table, &err) != LS_USAGE)
            fail_msg("taken: %s", names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_taken_apart),
        cmocka_unit_test(a_collection_is_taken_as_written),
        cmocka_unit_test(a_name_is_quoted_part_by_part),
        cmocka_unit_test(a_password_is_given_on_but_never_shown),
        cmocka_unit_test(a_password_with_raw_signs_is_refused_and_not_shown),
        cmocka_unit_test(what_is_wrong_is_said_with_the_forms),
        cmocka_unit_test(a_url_is_told_from_the_name_of_a_sync),
        cmocka_unit_test(a_name_is_split_at_its_dot_and_joined_again),
        cmocka_unit_test(a_malformed_name_is_refused),
    };
    int failed;

    ls_arena_init(&mem, 0);
    failed = cmocka_run_group_tests_name("model/url", tests, NULL, NULL);
    ls_arena_done(&mem);
    return failed;
}
