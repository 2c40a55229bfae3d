/* SPDX-License-Identifier: Apache-2.0 */
#include "caller_help.h"

struct ls_callers *callers;
struct ls_state *state_;
struct ls_arena mem;
struct ls_error err;
char *state_path;

struct ls_request request_of(const char *method, struct ls_pair *headers, size_t count)
{
    return (struct ls_request){
        .mem = &mem,
        .method = method,
        .target = "/api/x?y=1",
        .path = "/api/x",
        .headers = headers,
        .header_count = count,
        .body = "{\"a\":1}",
        .body_size = 7,
        .peer = "203.0.113.7",
    };
}

enum ls_code identify(const struct ls_request *request, struct ls_caller *ret)
{
    const enum ls_code rc = ls_caller_identify(callers, request, ret, &err);

    assert_non_null(ret->kind);
    assert_non_null(ret->name);
    if (rc != LS_OK) {
        assert_int_equal(ret->role, LS_ROLE_NONE);
        assert_null(ret->user);
    }
    return rc;
}

enum ls_code get(struct ls_caller *ret, const char *a, const char *av, const char *b,
                 const char *bv)
{
    struct ls_pair headers[3] = {{"Host", "sync.example.com"}};
    size_t count = 1;
    struct ls_request request;

    if (av)
        headers[count++] = (struct ls_pair){a, av};
    if (bv)
        headers[count++] = (struct ls_pair){b, bv};
    request = request_of("GET", headers, count);
    return identify(&request, ret);
}

enum ls_code bearer(const char *token, struct ls_caller *ret)
{
    return get(ret, "authorization", forge_text("Bearer %s", token), NULL, NULL);
}

void assert_caller(const struct ls_caller *c, enum ls_role role, const char *kind, const char *name,
                   const char *user)
{
    assert_string_equal(ls_role_word(c->role), ls_role_word(role));
    assert_string_equal(c->kind, kind);
    assert_string_equal(c->name, name);
    if (user)
        assert_string_equal(c->user, user);
    else
        assert_null(c->user);
}

void assert_refused(enum ls_code rc, const struct ls_caller *c, int status, const char *why)
{
    assert_int_equal(rc, LS_PERMISSION);
    assert_int_equal(c->status, status);
    if (!strstr(err.text, why))
        fail_msg("\"%s\" is not in: %s", why, err.text);
}

static const char *const variables[] = {
    "LOCKSTEP_TOKEN",
    "CRON_SECRET",
    "NEXTAUTH_SECRET",
    "QSTASH_CURRENT_SIGNING_KEY",
    "QSTASH_NEXT_SIGNING_KEY",
    "NEXT_PUBLIC_APP_URL",
    "SUPABASE_JWT_SECRET",
    "SUPABASE_SERVICE_ROLE_KEY",
    "SUPABASE_ANON_KEY",
    "NEXT_PUBLIC_SUPABASE_URL",
    "AUTH_SECRET",
    "SUPABASE_URL",
    "NEXT_PUBLIC_SUPABASE_ANON_KEY",
};

static void clean_environment(void)
{
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
}

static void fill_environment(void)
{
    setenv("LOCKSTEP_TOKEN", TOKEN, 1);
    setenv("CRON_SECRET", CRON, 1);
    setenv("NEXTAUTH_SECRET", "a secret of the application, as long as it should be", 1);
    setenv("QSTASH_CURRENT_SIGNING_KEY", SIGNING, 1);
    setenv("QSTASH_NEXT_SIGNING_KEY", NEXT_SIGNING, 1);
    setenv("NEXT_PUBLIC_APP_URL", APP "/", 1);
    setenv("SUPABASE_JWT_SECRET", FORGE_SECRET, 1);
    setenv("SUPABASE_SERVICE_ROLE_KEY", SERVICE_KEY, 1);
    setenv("SUPABASE_ANON_KEY", ANON_KEY, 1);
}

int open_all(bool configured)
{
    char *dir = testdir_new();

    assert_true(asprintf(&state_path, "%s/state.db", dir) > 0);
    free(dir);
    clean_environment();
    if (configured)
        fill_environment();
    ls_arena_init(&mem, 0);
    assert_int_equal(ls_state_open(state_path, true, &state_, &err), LS_OK);
    if (ls_callers_open(NULL, state_path, &callers, &err) != LS_OK)
        fail_msg("%s", err.text);
    return 0;
}

int caller_before(void **state)
{
    (void)state;
    return open_all(true);
}

int caller_after(void **state)
{
    (void)state;
    ls_callers_close(callers);
    callers = NULL;
    ls_state_close(state_);
    ls_arena_done(&mem);
    free(state_path);
    clean_environment();
    return 0;
}

const char *made_token(const char *name, const char *role, const char *owner, int64_t expires_us)
{
    char secret[LS_SECRET_TEXT];
    struct ls_token token;

    if (ls_api_token_create(state_, "test", owner, name, role, expires_us, secret, &token, &err) !=
        LS_OK)
        fail_msg("%s", err.text);
    return forge_text("%s", secret);
}

void made_user(const char *name, const char *role)
{
    char hash[LS_PASSWORD_HASH];

    assert_int_equal(ls_api_user_hash(name, role, "correct horse battery", hash, &err), LS_OK);
    assert_int_equal(ls_state_user_add(state_, "test", name, role, hash, &err), LS_OK);
}

struct ls_login logged_in(const char *name)
{
    struct ls_login login;
    int wait_s = 0;

    if (ls_login(state_, name, "correct horse battery", "203.0.113.7", ls_clock_now_us(), DAY, DAY,
                 &login, &wait_s, &err) != LS_OK)
        fail_msg("%s", err.text);
    return login;
}

const char *jwt_of(const char *claims, enum forge_signer signer)
{
    return forge_token(
        "{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
        forge_text("{%s%s\"exp\":%lld}", claims, *claims ? "," : "", (long long)time(NULL) + 3600),
        signer);
}

int caller_begin(void **state)
{
    (void)state;
    forge_begin();
    return 0;
}

int caller_end(void **state)
{
    (void)state;
    forge_done();
    return 0;
}
