/* SPDX-License-Identifier: Apache-2.0 */
/* test_callers.c - tokens and users by the library: what is refused, what is told, and that nothing secret is kept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/callers.h"
#include "api_fixture.h"

static struct lockstep *opened(const char *state)
{
    const struct lockstep_options options = {.state_url = state, .actor = "test"};
    struct lockstep_error error = {0};
    struct lockstep *ls = NULL;

    assert_code(lockstep_open(&options, &ls, &error), LOCKSTEP_OK, &error);
    return ls;
}

struct seen {
    int count;
    char secret[100], json[1000], status[20], names[200];
};

static void see_token(void *ctx, const struct lockstep_token *token)
{
    struct seen *seen = ctx;

    seen->count++;
    snprintf(seen->secret, sizeof seen->secret, "%s", token->secret ? token->secret : "");
    snprintf(seen->json, sizeof seen->json, "%s", token->json);
    snprintf(seen->status, sizeof seen->status, "%s", token->status);
}

static void see_user(void *ctx, const struct lockstep_user *user)
{
    struct seen *seen = ctx;

    seen->count++;
    snprintf(seen->json, sizeof seen->json, "%s", user->json);
}

static int create(struct lockstep *ls, const char *name, const char *role, int64_t expires_us,
                  struct seen *seen, struct lockstep_error *error)
{
    *seen = (struct seen){0};
    return lockstep_token_create(ls, name, role, expires_us, see_token, seen, error);
}

static void a_token_is_told_once(void **state)
{
    struct lockstep *ls = opened(api_sqlite(NULL));
    struct lockstep_error error = {0};
    struct seen seen, listed = {0};
    (void)state;

    assert_code(create(ls, "ci", "viewer", 0, &seen, &error), LOCKSTEP_OK, &error);
    assert_int_equal(seen.count, 1);
    assert_true(ls_secret_is(LS_SECRET_API, seen.secret, strlen(seen.secret)));
    assert_non_null(strstr(seen.json, seen.secret));
    assert_string_equal(seen.status, "valid");
    assert_code(lockstep_tokens(ls, see_token, &listed, &error), LOCKSTEP_OK, &error);
    assert_int_equal(listed.count, 1);
    assert_string_equal(listed.secret, "");
    assert_null(strstr(listed.json, "lst_"));
    assert_null(strstr(listed.json, "\"token\""));
    lockstep_close(ls);
}

static void nothing_secret_is_in_the_file(void **state)
{
    const char *url = api_sqlite(NULL), *path = strchr(url, ':') + 1;
    struct lockstep *ls = opened(url);
    struct lockstep_error error = {0};
    struct seen seen;
    size_t size;
    char *data;
    FILE *f;
    (void)state;

    assert_code(create(ls, "ci", "viewer", 0, &seen, &error), LOCKSTEP_OK, &error);
    assert_code(lockstep_user_add(ls, "ann", "admin", "correct horse battery", &error), LOCKSTEP_OK,
                &error);
    lockstep_close(ls);
    assert_non_null(f = fopen(path, "rb"));
    assert_non_null(data = malloc(4 << 20));
    size = fread(data, 1, 4 << 20, f);
    fclose(f);
    assert_true(size > 4096 && size < 4 << 20);
    assert_non_null(memmem(data, size, "argon2id", 8)); /* it is the right file */
    assert_null(memmem(data, size, seen.secret, strlen(seen.secret)));
    assert_null(memmem(data, size, seen.secret + 4, 20));
    assert_null(memmem(data, size, "correct horse", 13));
    free(data);
}

static void a_token_that_could_not_be_kept_is_not_told(void **state)
{
    struct lockstep *ls = opened(api_sqlite(NULL));
    struct lockstep_error error = {0};
    struct seen seen;
    (void)state;

    assert_code(create(ls, "ci", "viewer", 0, &seen, &error), LOCKSTEP_OK, &error);
    assert_int_equal(create(ls, "ci", "viewer", 0, &seen, &error), LOCKSTEP_USAGE);
    assert_int_equal(seen.count, 0);
    assert_int_equal(create(ls, "late", "viewer", 1, &seen, &error), LOCKSTEP_USAGE);
    assert_int_equal(seen.count, 0);
    lockstep_close(ls);
}

static void names_and_roles_that_would_do_harm_are_refused(void **state)
{
    static const char *const names[] = {"",     " ",        "a b",   "a\tb",      "a\nb",
                                        "a\"b", "token:me", "a\x7f", "a\xc2\x85", "a\xff",
                                        "a\\b", "\xc2\xa0", NULL};
    static const char *const roles[] = {"", "Admin", "none", "unset", "root", "admin ", NULL};
    struct lockstep *ls = opened(api_sqlite(NULL));
    struct lockstep_error error = {0};
    struct seen seen;
    char longest[102];
    (void)state;

    for (size_t i = 0; names[i]; i++) {
        assert_int_equal(create(ls, names[i], "viewer", 0, &seen, &error), LOCKSTEP_USAGE);
        assert_int_equal(lockstep_user_add(ls, names[i], "viewer", "correct horse", &error),
                         LOCKSTEP_USAGE);
    }
    for (size_t i = 0; roles[i]; i++) {
        assert_int_equal(create(ls, "ci", roles[i], 0, &seen, &error), LOCKSTEP_USAGE);
        assert_int_equal(lockstep_user_add(ls, "ann", roles[i], "correct horse", &error),
                         LOCKSTEP_USAGE);
    }
    memset(longest, 'x', 101);
    longest[101] = '\0';
    assert_int_equal(create(ls, longest, "viewer", 0, &seen, &error), LOCKSTEP_USAGE);
    longest[100] = '\0';
    assert_code(create(ls, longest, "viewer", 0, &seen, &error), LOCKSTEP_OK, &error);
    assert_code(create(ls, "zoë", "viewer", 0, &seen, &error), LOCKSTEP_OK, &error);
    assert_int_equal(lockstep_user_add(ls, "Ann", "viewer", "correct horse", &error),
                     LOCKSTEP_USAGE);
    assert_int_equal(lockstep_user_add(ls, "ann", "service", "correct horse", &error),
                     LOCKSTEP_USAGE);
    assert_int_equal(lockstep_user_add(ls, "ann", "viewer", "short", &error), LOCKSTEP_USAGE);
    assert_int_equal(lockstep_user_add(ls, "correct-horse", "viewer", "correct-horse", &error),
                     LOCKSTEP_USAGE);
    lockstep_close(ls);
}

static void without_a_state_there_is_nobody(void **state)
{
    struct lockstep *ls = opened(api_sqlite(NULL));
    struct lockstep_error error = {0};
    struct seen seen = {0};
    (void)state;

    assert_code(lockstep_tokens(ls, see_token, &seen, &error), LOCKSTEP_OK, &error);
    assert_code(lockstep_users(ls, see_user, &seen, &error), LOCKSTEP_OK, &error);
    assert_int_equal(seen.count, 0);
    assert_int_equal(lockstep_token_revoke(ls, "ci", NULL, NULL, &error), LOCKSTEP_USAGE);
    assert_int_equal(lockstep_user_remove(ls, "ann", &error), LOCKSTEP_USAGE);
    assert_int_equal(lockstep_user_role(ls, "ann", "admin", &error), LOCKSTEP_USAGE);
    assert_int_equal(lockstep_user_disable(ls, "ann", true, &error), LOCKSTEP_USAGE);
    lockstep_close(ls);
}

static void an_expired_token_says_so(void **state)
{
    const char *url = api_sqlite(NULL);
    struct lockstep *ls = opened(url);
    struct lockstep_error error = {0};
    struct seen seen;
    (void)state;

    assert_code(create(ls, "ci", "viewer", ((int64_t)time(NULL) + 3600) * 1000000, &seen, &error),
                LOCKSTEP_OK, &error);
    assert_string_equal(seen.status, "valid");
    lockstep_close(ls);
    api_exec(url, "UPDATE tokens SET expires_us = 1");
    ls = opened(url);
    assert_code(lockstep_tokens(ls, see_token, &seen, &error), LOCKSTEP_OK, &error);
    assert_string_equal(seen.status, "expired");
    assert_code(lockstep_token_revoke(ls, "ci", see_token, &seen, &error), LOCKSTEP_OK, &error);
    assert_string_equal(seen.status, "revoked");
    lockstep_close(ls);
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
        cmocka_unit_test(a_token_is_told_once),
        cmocka_unit_test(nothing_secret_is_in_the_file),
        cmocka_unit_test(a_token_that_could_not_be_kept_is_not_told),
        cmocka_unit_test(names_and_roles_that_would_do_harm_are_refused),
        cmocka_unit_test(without_a_state_there_is_nobody),
        cmocka_unit_test(an_expired_token_says_so),
    };

    return cmocka_run_group_tests_name("api/callers", tests, NULL, done);
}
