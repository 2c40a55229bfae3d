/* SPDX-License-Identifier: Apache-2.0 */
/* test_config_receivers.c - the section `receivers`; and what the three names of the documents bring along. */
#include "api/config.h"

#include <stdlib.h>
#include <string.h>

#include "api_fixture.h"

static struct ls_config *read_config(const char *yaml)
{
    struct ls_config *config = NULL;
    struct ls_error err = {0};

    if (ls_config_read(api_file(yaml), &config, &err) != LS_OK)
        fail_msg("%s", err.text);
    return config;
}

static void everything_can_be_said(void **state)
{
    struct ls_config *config =
        read_config("receivers:\n"
                    "  hook:\n"
                    "    scheme: github\n"
                    "    header: X-Mine\n"
                    "    secrets: [new, old]\n"
                    "    window: 10min\n"
                    "    body_bytes: 1000\n"
                    "    types: [issues, push]\n"
                    "    resource: body ->> '$.issue.id'\n"
                    "    delete: type = 'gone'\n"
                    "    forward: true\n"
                    "    conflicts: newest\n"
                    "    apply:\n"
                    "      - { target: app.users, key: [a, b], fields: { a: resource, b: type } }\n"
                    "      - app.profiles\n"
                    "stores: { app: \"sqlite:app.db\" }\n"
                    "syncs: { users: { source: \"file:a.csv\", target: \"file:b.csv\" } }\n");
    const struct ls_receiver *r = config->receivers;
    (void)state;

    assert_int_equal(config->receiver_count, 1);
    assert_string_equal(r->name, "hook");
    assert_int_equal(r->scheme, LS_SIGN_GITHUB);
    assert_string_equal(r->header, "X-Mine");
    assert_int_equal(r->secret_count, 2);
    assert_int_equal(r->window_s, 600);
    assert_int_equal(r->body_max, 1000);
    assert_int_equal(r->type_count, 2);
    assert_string_equal(r->parts[LS_SAID_RESOURCE], "body ->> '$.issue.id'");
    assert_true(r->forward);
    assert_int_equal(r->conflicts, LS_CONFLICTS_NEWEST);
    assert_int_equal(r->target_count, 2);
    assert_int_equal(r->targets[0].key_count, 2);
    assert_string_equal(r->targets[0].fields[1].expression, "type");
    assert_string_equal(r->targets[1].side.collection, "profiles");
    ls_config_free(config);
}

static void the_names_of_the_documents_bring_secret_and_types(void **state)
{
    struct ls_config *config;
    (void)state;

    setenv("WEBHOOK_SECRET", "from the environment", 1);
    config = read_config("stores: { app: \"sqlite:app.db\" }\n"
                         "receivers:\n"
                         "  enrollment-changed: { apply: app.e }\n"
                         "  profile-updated: { apply: app.p, types: [x], secret: own }\n"
                         "  sync: { apply: app.s }\n");
    assert_string_equal(config->receivers[0].secrets[0], "from the environment");
    assert_string_equal(config->receivers[0].types[0], "enrollment.*");
    assert_string_equal(config->receivers[1].secrets[0], "own");
    assert_string_equal(config->receivers[1].types[0], "x");
    assert_int_equal(config->receivers[2].type_count, 0);
    ls_config_free(config);
    unsetenv("WEBHOOK_SECRET");
}

static void what_cannot_work_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *receiver, *why;
    } cases[] = {
        {"hook: { apply: app.e }", "has no secret"},
        {"hook: { secret: s }", "has to say what to do"},
        {"hook: { secret: s, apply: app.e, sync: users }", "one of them"},
        {"hook: { secret: s, apply: app.e, only: { id: type } }", "belongs to sync"},
        {"hook: { secret: s, sync: usres }", "Did you mean \"users\""},
        {"hook: { secret: s, apply: ap.e }", "no store named"},
        {"hook: { secret: s, apply: \"file:a.csv\" }", "run a sync"},
        {"hook: { secret: s, apply: [] }", "at least one target"},
        {"hook: { secret: s, apply: { key: id } }", "needs a target"},
        {"hook: { secret: s, apply: [app.e, \"sqlite:other.db#x\"] }", "in one store"},
        {"hook: { secret: s, apply: { target: app.e, fields: { id: bodi } } }",
         "Did you mean body"},
        {"hook: { secret: s, apply: app.e, at: \"now()\" }", "now"},
        {"hook: { scheme: header, secret: s, apply: app.e }", "which header"},
        {"hook: { scheme: githup, secret: s, apply: app.e }", "github"},
        {"hook: { scheme: standard, secret: whsec_***, apply: app.e }", "hook"},
        {"hook: { secret: s, apply: app.e, window: 5 }", "with its unit"},
        {"hook: { secret: s, apply: app.e, body_bytes: 2000000 }", "1000000"},
        {"hook: { secret: s, aply: app.e }", "Did you mean \"apply\""},
        {"\"a/b\": { secret: s, apply: app.e }", "part of its path"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ls_config *config = NULL;
        struct ls_error err = {0};
        const char *yaml = api_text("stores: { app: \"sqlite:app.db\" }\n"
                                    "syncs: { users: { source: \"file:a.csv\", target: "
                                    "\"file:b.csv\" } }\nreceivers: { %s }\n",
                                    cases[i].receiver);

        if (ls_config_read(api_file(yaml), &config, &err) != LS_CONFIG)
            fail_msg("taken: %s", cases[i].receiver);
        assert_says(err.text, cases[i].why);
        assert_null(strstr(err.text, "whsec_***"));
    }
}

static int done(void **state)
{
    (void)state;
    api_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(everything_can_be_said, done),
        cmocka_unit_test_teardown(the_names_of_the_documents_bring_secret_and_types, done),
        cmocka_unit_test_teardown(what_cannot_work_is_refused_with_its_place, done),
    };

    return cmocka_run_group_tests_name("api/config_receivers", tests, NULL, NULL);
}
