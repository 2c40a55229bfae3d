/* SPDX-License-Identifier: Apache-2.0 */
/* test_config_auth.c - the section `auth`, and the environment that does without it. */
#include "api/config.h"

#include <stdlib.h>
#include <string.h>

#include "api_fixture.h"

#define SECRET "sixteen letters!"

static struct ls_arena mem;

static void everything_can_be_said(void **state)
{
    struct ls_config *config = NULL;
    struct ls_error err;
    const struct ls_auth_config *a;
    (void)state;

    setenv("LS_TEST_SECRET", SECRET, 1);
    assert_int_equal(ls_config_read(api_file("auth:\n"
                                             "  jwt:\n"
                                             "    secret: ${LS_TEST_SECRET}\n"
                                             "    issuer: https://auth.example.com\n"
                                             "    audience: [one, two]\n"
                                             "    jwks: https://auth.example.com/keys\n"
                                             "    role_claim: app_metadata.role\n"
                                             "  nextauth_secret: " SECRET "1\n"
                                             "  cron_secret: " SECRET "2\n"
                                             "  qstash:\n"
                                             "    current_signing_key: " SECRET "3\n"
                                             "    next_signing_key: " SECRET "4\n"
                                             "  public_url: https://sync.example.com\n"
                                             "  origins: [https://app.example.com:8443]\n"
                                             "  sessions: { idle: 10min, absolute: 2h }\n"
                                             "  rate: 50\n"),
                                    &config, &err),
                     LS_OK);
    a = &config->auth;
    assert_string_equal(a->jwt_secret, SECRET);
    assert_int_equal(a->issuer_count, 1);
    assert_string_equal(a->issuers[0], "https://auth.example.com");
    assert_int_equal(a->audience_count, 2);
    assert_string_equal(a->audiences[1], "two");
    assert_string_equal(a->jwks, "https://auth.example.com/keys");
    assert_string_equal(a->role_claim, "app_metadata.role");
    assert_string_equal(a->nextauth_secret, SECRET "1");
    assert_string_equal(a->cron_secret, SECRET "2");
    assert_string_equal(a->qstash_keys[0], SECRET "3");
    assert_string_equal(a->qstash_keys[1], SECRET "4");
    assert_string_equal(a->public_url, "https://sync.example.com");
    assert_int_equal(a->origin_count, 1);
    assert_string_equal(a->origins[0], "https://app.example.com:8443");
    assert_int_equal(a->session_idle_s, 600);
    assert_int_equal(a->session_absolute_s, 7200);
    assert_int_equal(a->rate, 50);
    ls_config_free(config);
}

static void what_would_let_anybody_in_is_refused(void **state)
{
    static const struct {
        const char *yaml, *why;
    } cases[] = {
        {"auth: { cron_secret: short }", "at least 16 characters"},
        {"auth: { cron_secret: \"\" }", "empty"},
        {"auth: { nextauth_secret: [a] }", "not a list"},
        {"auth: { jwt: { secret: fifteen-letters } }", "at least 16"},
        {"auth: { jwt: { jwks: https://a/keys } }", "needs issuer and audience"},
        {"auth: { jwt: { jwks: https://a/keys, issuer: https://a } }", "needs issuer and audience"},
        {"auth: { jwt: { role_claim: user_metadata.role } }", "by the users themselves"},
        {"auth: { jwt: { role_clam: role } }", "role_claim"},
        {"auth: { origins: \"*\" }", "an origin is expected"},
        {"auth: { origins: https://a/path }", "an origin is expected"},
        {"auth: { origins: \"https://*.example.com\" }", "an origin is expected"},
        {"auth: { origins: https://user@host }", "an origin is expected"},
        {"auth: { origins: \"null\" }", "an origin is expected"},
        {"auth: { origins: https:// }", "an origin is expected"},
        {"auth: { public_url: sync.example.com }", "a URL is expected"},
        {"auth: { sessions: { idle: 5 } }", "expected"},
        {"auth: { sessions: { idle: 1s } }", "expected"},
        {"auth: { rate: 0 }", "requests a second"},
        {"auth: { secret: x }", "no setting"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ls_config *config = NULL;
        struct ls_error err = {0};

        if (ls_config_read(api_file(cases[i].yaml), &config, &err) != LS_CONFIG)
            fail_msg("taken: %s", cases[i].yaml);
        assert_says(err.text, cases[i].why);
        if (strstr(cases[i].yaml, "fifteen-letters"))
            assert_null(strstr(err.text, "fifteen-letters"));
    }
}

static const char *const variables[] = {
    "LOCKSTEP_TOKEN",
    "CRON_SECRET",
    "NEXTAUTH_SECRET",
    "AUTH_SECRET",
    "QSTASH_CURRENT_SIGNING_KEY",
    "QSTASH_NEXT_SIGNING_KEY",
    "NEXT_PUBLIC_APP_URL",
    "SUPABASE_JWT_SECRET",
    "SUPABASE_SERVICE_ROLE_KEY",
    "NEXT_PUBLIC_SUPABASE_URL",
    "SUPABASE_URL",
    "NEXT_PUBLIC_SUPABASE_ANON_KEY",
    "SUPABASE_ANON_KEY",
};

static struct ls_auth_config with(const struct ls_config *config)
{
    struct ls_auth_config a;
    struct ls_error err = {0};

    if (ls_config_auth_with_environment(config, &mem, &a, &err) != LS_OK)
        fail_msg("%s", err.text);
    return a;
}

static void without_anything_nobody_is_known(void **state)
{
    const struct ls_auth_config a = with(NULL);
    (void)state;

    assert_true(!a.jwt_secret && !a.jwks && !a.nextauth_secret && !a.cron_secret &&
                !a.qstash_keys[0] && !a.qstash_keys[1] && !a.admin_token && !a.service_key &&
                !a.anon_key && !a.public_url);
    assert_int_equal(a.issuer_count + a.audience_count + a.origin_count, 0);
    assert_int_equal(a.session_idle_s, 1800);
    assert_int_equal(a.session_absolute_s, 43200);
    assert_int_equal(a.rate, 1000);
}

static void the_environment_alone_is_enough(void **state)
{
    struct ls_auth_config a;
    (void)state;

    for (size_t i = 0; i < COUNT_OF(variables); i++)
        setenv(variables[i], api_text("value of %s", variables[i]), 1);
    a = with(NULL);
    assert_string_equal(a.admin_token, "value of LOCKSTEP_TOKEN");
    assert_string_equal(a.cron_secret, "value of CRON_SECRET");
    assert_string_equal(a.nextauth_secret, "value of NEXTAUTH_SECRET");
    assert_string_equal(a.qstash_keys[0], "value of QSTASH_CURRENT_SIGNING_KEY");
    assert_string_equal(a.qstash_keys[1], "value of QSTASH_NEXT_SIGNING_KEY");
    assert_string_equal(a.public_url, "value of NEXT_PUBLIC_APP_URL");
    assert_string_equal(a.jwt_secret, "value of SUPABASE_JWT_SECRET");
    assert_string_equal(a.service_key, "value of SUPABASE_SERVICE_ROLE_KEY");
    assert_string_equal(a.anon_key, "value of NEXT_PUBLIC_SUPABASE_ANON_KEY");
    assert_string_equal(a.jwks, "value of NEXT_PUBLIC_SUPABASE_URL/auth/v1/.well-known/jwks.json");
    assert_int_equal(a.issuer_count + a.audience_count, 0); /* there is a secret */
    unsetenv("NEXTAUTH_SECRET");
    assert_string_equal(with(NULL).nextauth_secret, "value of AUTH_SECRET");
}

static void a_supabase_project_is_known_by_its_url(void **state)
{
    struct ls_auth_config a;
    (void)state;

    setenv("NEXT_PUBLIC_SUPABASE_URL", "https://abc.supabase.co/", 1);
    a = with(NULL);
    assert_string_equal(a.jwks, "https://abc.supabase.co/auth/v1/.well-known/jwks.json");
    assert_int_equal(a.issuer_count, 1);
    assert_string_equal(a.issuers[0], "https://abc.supabase.co/auth/v1");
    assert_int_equal(a.audience_count, 1);
    assert_string_equal(a.audiences[0], "authenticated");
}

static void the_file_comes_before_the_environment(void **state)
{
    struct ls_config *config = NULL;
    struct ls_auth_config a;
    struct ls_error err;
    (void)state;

    setenv("CRON_SECRET", "of the environment", 1);
    setenv("NEXT_PUBLIC_SUPABASE_URL", "https://abc.supabase.co", 1);
    assert_int_equal(
        ls_config_read(api_file("auth:\n  cron_secret: of the configuration\n"
                                "  jwt: { jwks: https://a/keys, issuer: b, audience: c }\n"),
                       &config, &err),
        LS_OK);
    a = with(config);
    assert_string_equal(a.cron_secret, "of the configuration");
    assert_string_equal(a.jwks, "https://a/keys");
    assert_string_equal(a.issuers[0], "b");
    assert_string_equal(a.audiences[0], "c");
    ls_config_free(config);
}

static void an_empty_variable_is_none_and_a_short_one_is_refused(void **state)
{
    struct ls_auth_config a;
    struct ls_error err;
    (void)state;

    for (size_t i = 0; i < COUNT_OF(variables); i++)
        setenv(variables[i], "", 1);
    a = with(NULL);
    assert_true(!a.admin_token && !a.cron_secret && !a.nextauth_secret && !a.jwt_secret &&
                !a.service_key && !a.anon_key && !a.jwks && !a.public_url);
    setenv("CRON_SECRET", "too-short", 1);
    assert_int_equal(ls_config_auth_with_environment(NULL, &mem, &a, &err), LS_CONFIG);
    assert_says(err.text, "CRON_SECRET", "16");
    assert_null(strstr(err.text, "too-short"));
}

static int before(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(variables); i++)
        unsetenv(variables[i]);
    ls_arena_init(&mem, 0);
    return 0;
}

static int after(void **state)
{
    ls_arena_done(&mem);
    before(state);
    api_done();
    return 0;
}

#define CLEAN(test) cmocka_unit_test_setup_teardown(test, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN(everything_can_be_said),
        CLEAN(what_would_let_anybody_in_is_refused),
        CLEAN(without_anything_nobody_is_known),
        CLEAN(the_environment_alone_is_enough),
        CLEAN(a_supabase_project_is_known_by_its_url),
        CLEAN(the_file_comes_before_the_environment),
        CLEAN(an_empty_variable_is_none_and_a_short_one_is_refused),
    };

    return cmocka_run_group_tests_name("api/config_auth", tests, NULL, NULL);
}
