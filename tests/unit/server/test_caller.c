/* SPDX-License-Identifier: Apache-2.0 */
/* test_caller.c - who is calling: each kind of credentials, two at once, cookies and the pages they come from, limits.
 *
 * Over a real state in an SQLite file; requests are structs, as http.c fills them. */
#include "forge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/callers.h"
#include "api/config.h"
#include "base/clock.h"
#include "base/thread.h"
#include "event/sign.h"
#include "lib/testdir.h"
#include "server/caller.h"
#include "server/cookie.h"
#include "server/jose.h"
#include "server/limits.h"
#include "server/login.h"
#include "server/role.h"
#include "server/route.h"

#define CRON "the secret of the crons"
#define TOKEN "the token of the environment"
#define SERVICE_KEY "a.service.key-of-the-project"
#define ANON_KEY "an.anonymous.key-of-the-project"
#define SIGNING "sig_current_signing_key_of_qstash"
#define NEXT_SIGNING "sig_next_signing_key_of_qstash_"
#define APP "https://sync.example.com"
#define DAY INT64_C(86400000000)

static struct ls_callers *callers;
static struct ls_state *state_;
static struct ls_arena mem;
static struct ls_error err;
static char *state_path;

/* ---- requests ---- */

static struct ls_request request_of(const char *method, struct ls_pair *headers, size_t count)
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

static enum ls_code identify(const struct ls_request *request, struct ls_caller *ret)
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

/* GET with up to three headers; a NULL value is a header that is not sent. */
static enum ls_code get(struct ls_caller *ret, const char *a, const char *av, const char *b,
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

static enum ls_code bearer(const char *token, struct ls_caller *ret)
{
    return get(ret, "authorization", forge_text("Bearer %s", token), NULL, NULL);
}

static void assert_caller(const struct ls_caller *c, enum ls_role role, const char *kind,
                          const char *name, const char *user)
{
    assert_string_equal(ls_role_word(c->role), ls_role_word(role));
    assert_string_equal(c->kind, kind);
    assert_string_equal(c->name, name);
    if (user)
        assert_string_equal(c->user, user);
    else
        assert_null(c->user);
}

static void assert_refused(enum ls_code rc, const struct ls_caller *c, int status, const char *why)
{
    assert_int_equal(rc, LS_PERMISSION);
    assert_int_equal(c->status, status);
    if (!strstr(err.text, why))
        fail_msg("\"%s\" is not in: %s", why, err.text);
}

/* ---- set-up ---- */

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

static int open_all(bool configured)
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

static int before(void **state)
{
    (void)state;
    return open_all(true);
}

static int before_bare(void **state)
{
    (void)state;
    return open_all(false);
}

static int after(void **state)
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

static const char *made_token(const char *name, const char *role, const char *owner,
                              int64_t expires_us)
{
    char secret[LS_SECRET_TEXT];
    struct ls_token token;

    if (ls_api_token_create(state_, "test", owner, name, role, expires_us, secret, &token, &err) !=
        LS_OK)
        fail_msg("%s", err.text);
    return forge_text("%s", secret);
}

static void made_user(const char *name, const char *role)
{
    char hash[LS_PASSWORD_HASH];

    assert_int_equal(ls_api_user_hash(name, role, "correct horse battery", hash, &err), LS_OK);
    assert_int_equal(ls_state_user_add(state_, "test", name, role, hash, &err), LS_OK);
}

static struct ls_login logged_in(const char *name)
{
    struct ls_login login;
    int wait_s = 0;

    if (ls_login(state_, name, "correct horse battery", "203.0.113.7", ls_clock_now_us(), DAY, DAY,
                 &login, &wait_s, &err) != LS_OK)
        fail_msg("%s", err.text);
    return login;
}

/* A token of now: the clock of these tests is the real one. */
static const char *jwt_of(const char *claims, enum forge_signer signer)
{
    return forge_token(
        "{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
        forge_text("{%s%s\"exp\":%lld}", claims, *claims ? "," : "", (long long)time(NULL) + 3600),
        signer);
}

/* ---- nobody ---- */

static void without_credentials_it_is_nobody(void **state)
{
    struct ls_caller c;
    (void)state;

    assert_int_equal(get(&c, NULL, NULL, NULL, NULL), LS_OK);
    assert_caller(&c, LS_ROLE_NONE, "anonymous", "", NULL);
    assert_int_equal(get(&c, "Cookie", "a=b; theme=dark", NULL, NULL), LS_OK);
    assert_caller(&c, LS_ROLE_NONE, "anonymous", "", NULL);
}

static void where_nothing_is_configured_nothing_opens(void **state)
{
    static const char *const tries[] = {
        "",      " ",  "x",      "admin",       "null",       "undefined", "Bearer",
        TOKEN,   CRON, ANON_KEY, SERVICE_KEY,   "lst_",       "lst_AAAA",  "lss_x",
        "a.b.c", "..", ".",      "environment", "Basic YTpi", "\xff\xfe",  "lst_\n",
    };
    struct ls_caller c;
    (void)state;

    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        const enum ls_code wanted = i < 15 ? LS_PERMISSION : LS_BUSY; /* 30 were wrong */

        assert_int_equal(bearer(tries[i], &c), wanted);
        assert_int_equal(get(&c, "x-cron-secret", tries[i], NULL, NULL), wanted);
    }
}

static void every_algorithm_is_closed_without_a_key(void **state)
{
    static const enum forge_signer signers[] = {SIGN_HS, SIGN_NOT, SIGN_EMPTY_HS, SIGN_OTHER_HS};
    struct ls_caller c;
    (void)state;

    for (size_t i = 0; i < 4; i++)
        assert_refused(bearer(jwt_of("\"role\":\"service_role\"", signers[i]), &c), &c, 0,
                       "not known here");
    assert_refused(get(&c, "Upstash-Signature", "a.b.c", NULL, NULL), &c, 0, "no signing keys");
    assert_int_equal(get(&c, "Cookie", "next-auth.session-token=x", NULL, NULL), LS_OK);
    assert_int_equal(c.role, LS_ROLE_NONE);
}

/* ---- secrets of the environment ---- */

static void known_secrets_open_what_they_are_for(void **state)
{
    struct ls_caller c;
    (void)state;

    assert_int_equal(bearer(TOKEN, &c), LS_OK);
    assert_caller(&c, LS_ROLE_ADMIN, "token", "environment", NULL);
    assert_int_equal(bearer(CRON, &c), LS_OK);
    assert_caller(&c, LS_ROLE_CRON, "cron", "", NULL);
    assert_int_equal(get(&c, "X-Cron-Secret", CRON, NULL, NULL), LS_OK);
    assert_caller(&c, LS_ROLE_CRON, "cron", "", NULL);
    assert_int_equal(bearer(SERVICE_KEY, &c), LS_OK);
    assert_caller(&c, LS_ROLE_SERVICE, "key", "service_role", NULL);
    assert_int_equal(bearer(ANON_KEY, &c), LS_OK);
    assert_caller(&c, LS_ROLE_NONE, "key", "anon", NULL);
    assert_int_equal(get(&c, "authorization", "bEARER \t  " TOKEN, NULL, NULL), LS_OK);
    assert_int_equal(c.role, LS_ROLE_ADMIN);
}

static void nearly_right_is_wrong(void **state)
{
    char text[64];
    struct ls_caller c;
    int tries = 0;
    (void)state;

    for (size_t i = 0; i < strlen(CRON); i += 3, tries++) {
        snprintf(text, sizeof text, "%s", CRON);
        text[i] ^= 1;
        assert_int_equal(get(&c, "x-cron-secret", text, NULL, NULL), LS_PERMISSION);
        text[i] = '\0';
        assert_int_equal(get(&c, "x-cron-secret", text, NULL, NULL), LS_PERMISSION);
    }
    assert_int_equal(get(&c, "x-cron-secret", CRON "x", NULL, NULL), LS_PERMISSION);
    assert_int_equal(get(&c, "x-cron-secret", " " CRON, NULL, NULL), LS_PERMISSION);
    assert_int_equal(get(&c, "x-cron-secret", TOKEN, NULL, NULL), LS_PERMISSION);
    assert_int_equal(get(&c, "authorization", "Bearer" TOKEN, NULL, NULL), LS_PERMISSION);
    assert_int_equal(get(&c, "authorization", TOKEN, NULL, NULL), LS_PERMISSION);
    assert_refused(get(&c, "authorization", "Basic dXNlcjpwYXNz", NULL, NULL), &c, 0,
                   "Authorization: Bearer");
    assert_int_equal(get(&c, "authorization", "", NULL, NULL), LS_PERMISSION);
}

/* ---- tokens ---- */

static void a_token_has_the_role_and_owner_that_it_was_made_with(void **state)
{
    static const char *const roles[] = {"viewer", "operator", "admin", "service", "user"};
    struct ls_caller c;
    (void)state;

    made_user("ann", "admin");
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(bearer(made_token(roles[i], roles[i], i == 4 ? "ann" : NULL, 0), &c),
                         LS_OK);
        assert_string_equal(ls_role_word(c.role), roles[i]);
        assert_string_equal(c.kind, "token");
        assert_string_equal(c.name, roles[i]);
        if (i == 4)
            assert_string_equal(c.user, "ann");
        else
            assert_null(c.user);
    }
}

static void a_revoked_or_expired_token_is_refused(void **state)
{
    const char *token = made_token("ci", "admin", NULL, 0);
    struct ls_token gone;
    struct ls_caller c;
    (void)state;

    assert_int_equal(bearer(token, &c), LS_OK);
    assert_int_equal(ls_state_token_revoke(state_, "test", "ci", &mem, &gone, &err), LS_OK);
    ls_callers_forget(callers);
    assert_refused(bearer(token, &c), &c, 0, "not valid");
    assert_refused(bearer(token, &c), &c, 0, "not valid"); /* now that this is remembered, too */
    assert_caller(&c, LS_ROLE_NONE, "token", "", NULL);
    token = made_token("late", "admin", NULL, ls_clock_now_us() + 50000);
    while (bearer(token, &c) != LS_PERMISSION) { /* it is also told to slow down */
    }
    assert_refused(bearer(token, &c), &c, 0, "not valid");
}

static void a_disabled_user_loses_tokens_and_sessions_at_once(void **state)
{
    const bool yes = true;
    struct ls_caller c;
    struct ls_login login;
    const char *token;
    (void)state;

    made_user("ann", "operator");
    token = made_token("anns", "operator", "ann", 0);
    login = logged_in("ann");
    assert_int_equal(bearer(token, &c), LS_OK);
    assert_int_equal(get(&c, "Cookie", forge_text("lockstep-local=%s", login.secret), NULL, NULL),
                     LS_OK);
    assert_caller(&c, LS_ROLE_OPERATOR, "session", "ann", "ann");
    assert_int_equal(ls_state_user_change(state_, "test", "ann",
                                          &(struct ls_user_change){.disabled = &yes}, &err),
                     LS_OK);
    ls_callers_forget(callers);
    assert_int_equal(bearer(token, &c), LS_PERMISSION);
    assert_refused(get(&c, "Cookie", forge_text("lockstep-local=%s", login.secret), NULL, NULL), &c,
                   0, "session has ended");
}

static void a_role_in_the_state_that_there_is_not_lets_nobody_in(void **state)
{
    static const char *const roles[] = {"unset", "none", "cron",         "root",
                                        "Admin", "",     "administrator"};
    struct ls_caller c;
    (void)state;

    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        unsigned char hash[LS_SECRET_HASH];
        char secret[LS_SECRET_TEXT];
        struct ls_token token = {.name = forge_text("t%zu", i), .role = roles[i], .owner = ""};

        ls_secret_new(LS_SECRET_API, secret);
        ls_secret_hash(secret, strlen(secret), hash);
        assert_int_equal(ls_state_token_add(state_, "test", hash, &token, &err), LS_OK);
        assert_int_equal(bearer(secret, &c), LS_CORRUPT);
    }
}

static void without_a_state_tokens_are_refused_and_not_an_error(void **state)
{
    struct ls_callers *before_state = NULL;
    const char *token = made_token("ci", "admin", NULL, 0);
    struct ls_caller c;
    (void)state;

    assert_int_equal(ls_callers_open(NULL, forge_text("%s-none", state_path), &before_state, &err),
                     LS_OK);
    ls_callers_close(callers);
    callers = before_state;
    assert_int_equal(bearer(token, &c), LS_PERMISSION);
    assert_int_equal(bearer(TOKEN, &c), LS_OK); /* what needs no state works */
}

static void a_state_that_cannot_be_reached_is_no_answer(void **state)
{
    struct ls_callers *others = NULL;
    const char *token = made_token("ci", "admin", NULL, 0);
    struct ls_caller c;
    (void)state;

    assert_int_equal(ls_callers_open(NULL, "postgres://nobody@127.0.0.1:1/none", &others, &err),
                     LS_OK);
    ls_callers_close(callers);
    callers = others;
    assert_int_equal(bearer(token, &c), LS_CONNECT);
    assert_non_null(strstr(err.text, "cannot be told now"));
    assert_int_equal(bearer(TOKEN, &c), LS_OK);
}

/* ---- JWT ---- */

static void a_jwt_has_the_role_of_its_claims(void **state)
{
    struct ls_caller c;
    (void)state;

    assert_int_equal(
        bearer(jwt_of("\"role\":\"authenticated\",\"sub\":\"u1\",\"email\":\"ann@example.org\"",
                      SIGN_HS),
               &c),
        LS_OK);
    assert_caller(&c, LS_ROLE_USER, "jwt", "ann@example.org", "u1");
    assert_int_equal(bearer(jwt_of("\"role\":\"service_role\",\"iss\":\"supabase\"", SIGN_HS), &c),
                     LS_OK);
    assert_caller(&c, LS_ROLE_SERVICE, "jwt", "service", NULL);
    assert_int_equal(bearer(jwt_of("\"role\":\"anon\"", SIGN_HS), &c), LS_OK);
    assert_caller(&c, LS_ROLE_NONE, "jwt", "anon", NULL);
    assert_int_equal(bearer(jwt_of("\"role\":\"authenticated\",\"sub\":\"u2\",\"app_metadata\":"
                                   "{\"role\":\"admin\"}",
                                   SIGN_HS),
                            &c),
                     LS_OK);
    assert_caller(&c, LS_ROLE_ADMIN, "jwt", "u2", "u2");
    assert_int_equal(bearer(jwt_of("\"role\":\"authenticated\",\"sub\":\"u3\",\"user_metadata\":"
                                   "{\"role\":\"admin\"}",
                                   SIGN_HS),
                            &c),
                     LS_OK);
    assert_caller(&c, LS_ROLE_USER, "jwt", "u3", "u3"); /* users write that themselves */
}

static void a_forged_jwt_says_why_and_opens_nothing(void **state)
{
    struct ls_caller c;
    (void)state;

    assert_refused(bearer(jwt_of("\"role\":\"service_role\"", SIGN_OTHER_HS), &c), &c, 0,
                   "signature");
    assert_int_equal(c.fault, LS_JOSE_SIGNATURE);
    assert_refused(
        bearer(forge_token("{\"alg\":\"HS256\"}", "{\"role\":\"service_role\",\"exp\":1}", SIGN_HS),
               &c),
        &c, 0, "expired");
    assert_int_equal(c.fault, LS_JOSE_EXPIRED);
    assert_refused(
        bearer(forge_token("{\"alg\":\"none\"}", "{\"role\":\"service_role\"}", SIGN_NOT), &c), &c,
        0, "algorithm");
    assert_refused(bearer("YQ.YQ", &c), &c, 0, "parts");
}

static void names_from_tokens_are_cut_and_cleaned(void **state)
{
    struct ls_caller c;
    (void)state;

    assert_int_equal(
        bearer(jwt_of("\"sub\":\"u\\n1\",\"email\":\"a\\u001b[31m\\r\\nx: y\"", SIGN_HS), &c),
        LS_OK);
    assert_string_equal(c.name, "a\\x1b[31m\\x0d\\x0ax: y");
    assert_string_equal(c.user, "u\n1"); /* what is compared stays what it is */
    assert_int_equal(bearer(jwt_of(forge_text("\"sub\":\"%0200d\"", 7), SIGN_HS), &c), LS_OK);
    assert_int_equal(strlen(c.name), 100);
    assert_int_equal(strlen(c.user), 200);
}

/* ---- several at once ---- */

static void two_kinds_at_once_are_refused(void **state)
{
    const char *token = made_token("ci", "admin", NULL, 0);
    struct ls_pair twice[] = {{"Authorization", "Bearer " TOKEN},
                              {"authorization", "Bearer " TOKEN}};
    struct ls_request request = request_of("GET", twice, 2);
    struct ls_caller c;
    (void)state;

    assert_refused(get(&c, "Authorization", forge_text("Bearer %s", token), "x-cron-secret", CRON),
                   &c, 400, "several kinds");
    assert_refused(get(&c, "Authorization", "Bearer " CRON, "x-cron-secret", CRON), &c, 400,
                   "several kinds");
    assert_refused(identify(&request, &c), &c, 400, "more than once");
    twice[0].name = twice[1].name = "x-cron-secret";
    twice[0].value = twice[1].value = CRON;
    assert_refused(identify(&request, &c), &c, 400, "more than once");
}

static void cookies_beside_a_token_do_not_count(void **state)
{
    struct ls_caller c;
    struct ls_login login;
    (void)state;

    made_user("ann", "admin");
    login = logged_in("ann");
    assert_int_equal(get(&c, "Authorization",
                         forge_text("Bearer %s", made_token("v", "viewer", NULL, 0)), "Cookie",
                         forge_text("lockstep-local=%s", login.secret)),
                     LS_OK);
    assert_caller(&c, LS_ROLE_VIEWER, "token", "v", NULL);
    assert_int_equal(get(&c, "Authorization", "Bearer wrong", "Cookie",
                         forge_text("lockstep-local=%s", login.secret)),
                     LS_PERMISSION); /* and it does not step in for a wrong one */
}

/* supabase-js sends both; "a service key in apikey with a user's token is that user". */
static void apikey_counts_only_where_there_is_nothing_else(void **state)
{
    const char *user = jwt_of("\"role\":\"authenticated\",\"sub\":\"u1\"", SIGN_HS);
    struct ls_caller c;
    (void)state;

    assert_int_equal(get(&c, "apikey", SERVICE_KEY, "Authorization", forge_text("Bearer %s", user)),
                     LS_OK);
    assert_caller(&c, LS_ROLE_USER, "jwt", "u1", "u1");
    assert_int_equal(get(&c, "apikey", SERVICE_KEY, "Authorization", "Bearer wrong"),
                     LS_PERMISSION);
    assert_int_equal(get(&c, "apikey", SERVICE_KEY, NULL, NULL), LS_OK);
    assert_caller(&c, LS_ROLE_SERVICE, "key", "service_role", NULL);
    assert_int_equal(get(&c, "apikey", made_token("ci", "viewer", NULL, 0), NULL, NULL), LS_OK);
    assert_caller(&c, LS_ROLE_VIEWER, "token", "ci", NULL);
    assert_int_equal(get(&c, "apikey", "wrong", NULL, NULL), LS_PERMISSION);
}

/* ---- QStash ---- */

static const char *signed_by(const char *key, const char *url)
{
    struct ls_secret secret;
    struct ls_buf out;
    char *text;

    assert_int_equal(ls_secret_read(key, LS_SIGN_QSTASH, &mem, &secret, &err), LS_OK);
    ls_buf_init(&out, 0);
    ls_sign_qstash(&out, &secret, url, "jwt_1", (int64_t)time(NULL), "{\"a\":1}", 7);
    text = forge_text("%s", ls_buf_str(&out));
    ls_buf_done(&out);
    return text;
}

static void qstash_signs_for_the_address_and_body(void **state)
{
    const char *good = signed_by(SIGNING, APP "/api/x?y=1");
    struct ls_caller c;
    (void)state;

    assert_int_equal(get(&c, "upstash-signature", good, NULL, NULL), LS_OK);
    assert_caller(&c, LS_ROLE_CRON, "qstash", "", NULL);
    assert_int_equal(
        get(&c, "upstash-signature", signed_by(NEXT_SIGNING, APP "/api/x?y=1"), NULL, NULL), LS_OK);
    assert_refused(get(&c, "upstash-signature", signed_by(SIGNING, APP "/api/y"), NULL, NULL), &c,
                   0, "signature of QStash");
    assert_refused(get(&c, "upstash-signature",
                       signed_by("sig_another_key_of_somebody", APP "/api/x?y=1"), NULL, NULL),
                   &c, 0, "signature of QStash");
    assert_int_equal(get(&c, "upstash-signature", "", NULL, NULL), LS_PERMISSION);
}

static void qstash_forwards_the_cron_secret_and_nothing_else(void **state)
{
    const char *good = signed_by(SIGNING, APP "/api/x?y=1");
    struct ls_caller c;
    (void)state;

    assert_int_equal(get(&c, "upstash-signature", good, "x-cron-secret", CRON), LS_OK);
    assert_caller(&c, LS_ROLE_CRON, "qstash", "", NULL);
    assert_int_equal(get(&c, "upstash-signature", good, "Authorization", "Bearer " CRON), LS_OK);
    assert_refused(get(&c, "upstash-signature", good, "x-cron-secret", "wrong"), &c, 400,
                   "several");
    assert_refused(get(&c, "upstash-signature", good, "Authorization", "Bearer " TOKEN), &c, 400,
                   "several");
    assert_int_equal(get(&c, "upstash-signature", "wrong", "x-cron-secret", CRON), LS_PERMISSION);
}

static void another_body_than_was_signed_is_refused(void **state)
{
    struct ls_pair headers[] = {{"Host", "x"},
                                {"Upstash-Signature", signed_by(SIGNING, APP "/api/x?y=1")}};
    struct ls_request request = request_of("POST", headers, 2);
    struct ls_caller c;
    (void)state;

    assert_int_equal(identify(&request, &c), LS_OK);
    request.body = "{\"a\":2}";
    assert_int_equal(identify(&request, &c), LS_PERMISSION);
    request.body_size = 0;
    assert_int_equal(identify(&request, &c), LS_PERMISSION);
}

/* ---- cookies ---- */

struct page {
    const char *site, *origin, *csrf;
    bool works;
};

static enum ls_code post_with(struct ls_caller *ret, const char *method, bool tls,
                              const char *cookie, const struct page *page)
{
    struct ls_pair headers[6] = {{"Host", "sync.example.com"}, {"Cookie", cookie}};
    size_t count = 2;
    struct ls_request request;

    if (page->site)
        headers[count++] = (struct ls_pair){"Sec-Fetch-Site", page->site};
    if (page->origin)
        headers[count++] = (struct ls_pair){"Origin", page->origin};
    if (page->csrf)
        headers[count++] = (struct ls_pair){"x-csrf-token", page->csrf};
    request = request_of(method, headers, count);
    request.tls = tls;
    return identify(&request, ret);
}

static void a_session_changes_something_only_from_a_page_of_ours(void **state)
{
    struct ls_login login, other;
    struct ls_caller c;
    const char *cookie;
    (void)state;

    made_user("ann", "admin");
    made_user("eve", "admin");
    login = logged_in("ann");
    other = logged_in("eve");
    cookie = forge_text("__Host-lockstep=%s", login.secret);
    {
        const struct page pages[] = {
            {"same-origin", APP, login.csrf, true},
            {"same-origin", NULL, login.csrf, true},
            {NULL, APP, login.csrf, true},
            {NULL, "https://SYNC.example.com", login.csrf, true},
            {"same-origin", APP, NULL, false},
            {"same-origin", APP, "", false},
            {"same-origin", APP, "x", false},
            {"same-origin", APP, other.csrf, false},
            {"same-origin", APP, login.secret, false},
            {"cross-site", "https://evil.example", login.csrf, false},
            {"cross-site", APP, login.csrf, false},
            {"same-site", "https://other.example.com", login.csrf, false},
            {NULL, NULL, login.csrf, false},
            {NULL, "null", login.csrf, false},
            {NULL, "", login.csrf, false},
            {NULL, "https://", login.csrf, false},
            {NULL, "https://sync.example.com.evil.example", login.csrf, false},
            {NULL, "https://evil.example", login.csrf, false},
            {NULL, "https://sync.example.com:8443", login.csrf, false},
            {NULL, "http://sync.example.com", login.csrf, false}, /* we are https */
            {NULL, "ftp://sync.example.com", login.csrf, false},
            {"Same-Origin", APP, login.csrf, false},
        };

        for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
            const enum ls_code rc = post_with(&c, "POST", true, cookie, &pages[i]);

            if ((rc == LS_OK) != pages[i].works)
                fail_msg("page %zu: %s", i, rc == LS_OK ? "let in" : err.text);
            if (rc == LS_OK)
                assert_caller(&c, LS_ROLE_ADMIN, "session", "ann", "ann");
            else
                assert_int_equal(c.status, 403);
            assert_int_equal(post_with(&c, "GET", true, cookie, &pages[i]), LS_OK);
        }
    }
}

static void the_name_of_the_cookie_says_how_it_came(void **state)
{
    const struct page page = {0};
    struct ls_login login;
    struct ls_caller c;
    (void)state;

    made_user("ann", "admin");
    login = logged_in("ann");
    assert_int_equal(
        post_with(&c, "GET", false, forge_text("lockstep-local=%s", login.secret), &page), LS_OK);
    assert_int_equal(c.role, LS_ROLE_ADMIN);
    assert_int_equal(
        post_with(&c, "GET", true, forge_text("lockstep-local=%s", login.secret), &page), LS_OK);
    assert_int_equal(c.role, LS_ROLE_NONE); /* anybody on the network could have set that one */
    assert_int_equal(
        post_with(&c, "GET", false, forge_text("__Host-lockstep=%s", login.secret), &page), LS_OK);
    assert_int_equal(c.role, LS_ROLE_NONE);
    assert_int_equal(
        post_with(&c, "GET", true,
                  forge_text("__Host-lockstep=%s; __Host-lockstep=%s", login.secret, login.secret),
                  &page),
        LS_OK);
    assert_int_equal(c.role, LS_ROLE_NONE); /* two: somebody put one there */
}

static void an_ended_session_is_refused(void **state)
{
    struct ls_login login;
    struct ls_caller c;
    const struct page page = {0};
    struct ls_pair headers[2];
    struct ls_request request;
    (void)state;

    made_user("ann", "admin");
    login = logged_in("ann");
    headers[0] = (struct ls_pair){"Host", "x"};
    headers[1] = (struct ls_pair){"Cookie", forge_text("lockstep-local=%s", login.secret)};
    request = request_of("POST", headers, 2);
    assert_int_equal(ls_logout(state_, &request, &err), LS_OK);
    ls_callers_forget(callers);
    assert_refused(post_with(&c, "GET", false, headers[1].value, &page), &c, 0,
                   "session has ended");
}

#define NEXTAUTH_COOKIE                                                                           \
    "next-auth.session-token="                                                                    \
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..e3-YRxI07I4Fzv0B.nV6UEG-nMUuNyhbB8Sg5ZP-"           \
    "QpAtOTkhnEcs1ztPV3-oWNEa76RiAbJ9BiCuDB-snkIYE8re9PMDQ6X7Vt-nXgNFJgIbZ81cwJp2VndL3ZOrm8HAdFV" \
    "P0JOp9KBAW_kpUU4ti1dIbcfi72xTXOAO-ga0KQl-dvbDO4Np6RSzKFauTdE-sbVCg-xjWy9ycHjD-lQ."           \
    "PrP5yHM9aQHmltssb1MPIw" /* ann@example.org, u1, admin; see test_nextauth.c */

static void a_nextauth_session_is_the_applications_user(void **state)
{
    static const struct ls_route trigger = {.flags = LS_ROUTE_CHANGES};
    const struct page ours = {"same-origin", APP, NULL, true},
                      theirs = {"cross-site", NULL, NULL, false};
    struct ls_pair headers[] = {
        {"Host", "x"}, {"Cookie", NEXTAUTH_COOKIE}, {"Sec-Fetch-Site", "cross-site"}};
    struct ls_request request = request_of("GET", headers, 3);
    struct ls_caller c;
    (void)state;

    assert_int_equal(get(&c, "Cookie", NEXTAUTH_COOKIE, NULL, NULL), LS_OK);
    assert_caller(&c, LS_ROLE_ADMIN, "nextauth", "ann@example.org", "u1");
    assert_int_equal(post_with(&c, "POST", true, NEXTAUTH_COOKIE, &ours), LS_OK);
    assert_int_equal(c.role, LS_ROLE_ADMIN);
    assert_refused(post_with(&c, "POST", true, NEXTAUTH_COOKIE, &theirs), &c, 403, "page of this");
    assert_refused(post_with(&c, "DELETE", true, NEXTAUTH_COOKIE, &(struct page){0}), &c, 403,
                   "page of this");
    assert_int_equal(identify(&request, &c), LS_OK);
    request.route = &trigger; /* a GET that starts something: a link in a mail must not do that */
    assert_refused(identify(&request, &c), &c, 403, "page of this");
    headers[2].value = "none";
    assert_int_equal(identify(&request, &c), LS_OK);
    assert_refused(get(&c, "Cookie", "next-auth.session-token=x.y.z", NULL, NULL), &c, 0,
                   "session has ended");
}

static void our_session_comes_before_the_applications(void **state)
{
    struct ls_login login;
    struct ls_caller c;
    (void)state;

    made_user("bob", "viewer");
    login = logged_in("bob");
    assert_int_equal(get(&c, "Cookie",
                         forge_text("%s; lockstep-local=%s", NEXTAUTH_COOKIE, login.secret), NULL,
                         NULL),
                     LS_OK);
    assert_caller(&c, LS_ROLE_VIEWER, "session", "bob", "bob");
}

static void listed_origins_may_act_too(void **state)
{
    const struct page app = {"same-site", "https://app.example.com", NULL, true};
    struct ls_config *config = NULL;
    struct ls_caller c;
    char *path = testdir_file("origins.yaml", "auth: { origins: https://app.example.com }\n", 43);
    (void)state;

    assert_refused(post_with(&c, "POST", true, NEXTAUTH_COOKIE, &app), &c, 403, "page of this");
    assert_int_equal(ls_config_read(path, &config, &err), LS_OK);
    assert_int_equal(ls_callers_reload(callers, config, &err), LS_OK);
    ls_config_free(config); /* nothing of it is needed any more */
    assert_int_equal(post_with(&c, "POST", true, NEXTAUTH_COOKIE, &app), LS_OK);
    free(path);
}

/* ---- limits ---- */

static void too_many_wrong_credentials_are_slowed_down_by_address(void **state)
{
    const char *token = made_token("ci", "admin", NULL, 0);
    struct ls_pair headers[] = {{"Authorization", "Bearer wrong"}};
    struct ls_request request = request_of("GET", headers, 1);
    struct ls_caller c;
    int wrong = 0;
    (void)state;

    while (identify(&request, &c) == LS_PERMISSION)
        wrong++;
    assert_in_range(wrong, 30, 35); /* some come back while we count */
    assert_int_equal(identify(&request, &c), LS_BUSY);
    assert_true(c.retry_after_s > 0 && c.retry_after_s <= 60);
    assert_non_null(strstr(err.text, "Try again"));
    assert_int_equal(bearer(token, &c), LS_OK); /* what is right still is, from there too */
    request.peer = "203.0.113.8";
    assert_int_equal(identify(&request, &c), LS_PERMISSION); /* and others are not slowed down */
}

static void one_network_of_ipv6_is_one_address(void **state)
{
    struct ls_pair headers[] = {{"Authorization", "Bearer wrong"}};
    struct ls_request request = request_of("GET", headers, 1);
    struct ls_caller c;
    int wrong = 0;
    (void)state;

    do {
        request.peer = forge_text("2001:db8:1:2::%x", wrong + 1);
    } while (identify(&request, &c) == LS_PERMISSION && ++wrong < 100);
    assert_in_range(wrong, 30, 35);
    request.peer = "2001:db8:1:3::1";
    assert_int_equal(identify(&request, &c), LS_PERMISSION);
}

static void a_caller_has_a_rate(void **state)
{
    struct ls_config *config = NULL;
    char *path = testdir_file("rate.yaml", "auth: { rate: 5 }\n", 18);
    const char *one = made_token("one", "viewer", NULL, 0),
               *two = made_token("two", "viewer", NULL, 0);
    struct ls_caller c;
    int calls = 0;
    (void)state;

    assert_int_equal(ls_config_read(path, &config, &err), LS_OK);
    assert_int_equal(ls_callers_reload(callers, config, &err), LS_OK);
    ls_config_free(config);
    while (bearer(one, &c) == LS_OK && calls < 1000)
        calls++;
    assert_true(calls >= 10 && calls < 1000);
    assert_non_null(strstr(err.text, "too many requests of this caller"));
    assert_int_equal(c.retry_after_s, 1);
    assert_int_equal(bearer(two, &c), LS_OK);
    free(path);
}

static void the_table_of_limits_does_not_grow(void **state)
{
    struct ls_limits *limits = NULL;
    char peer[30];
    int64_t wait_us = 0;
    (void)state;

    assert_int_equal(ls_limits_open(10, &limits, &err), LS_OK);
    for (int i = 0; i < 100000; i++) {
        snprintf(peer, sizeof peer, "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
        assert_true(ls_limits_use(limits, LS_LIMIT_FAILURE, "address", peer, i, &wait_us));
    }
    for (int i = 0; i < 30; i++)
        assert_true(
            ls_limits_use(limits, LS_LIMIT_FAILURE, "address", "10.9.9.9", 100000, &wait_us));
    assert_false(ls_limits_room(limits, LS_LIMIT_FAILURE, "address", "10.9.9.9", 100000, &wait_us));
    assert_true(wait_us > 1900000 && wait_us <= 2000000);
    assert_true(ls_limits_room(limits, LS_LIMIT_FAILURE, "token", "10.9.9.9", 100000, &wait_us));
    assert_true(ls_limits_room(limits, LS_LIMIT_LOOKUP, "address", "10.9.9.9", 100000, &wait_us));
    ls_limits_close(limits);
}

/* ---- reload ---- */

static void a_reload_changes_who_may_and_a_bad_one_nothing(void **state)
{
    struct ls_caller c;
    (void)state;

    assert_int_equal(bearer(CRON, &c), LS_OK);
    setenv("CRON_SECRET", "short", 1);
    assert_int_equal(ls_callers_reload(callers, NULL, &err), LS_CONFIG);
    assert_int_equal(bearer(CRON, &c), LS_OK);
    setenv("CRON_SECRET", "another secret of the crons", 1);
    assert_int_equal(ls_callers_reload(callers, NULL, &err), LS_OK);
    assert_int_equal(bearer(CRON, &c), LS_PERMISSION);
    assert_int_equal(bearer("another secret of the crons", &c), LS_OK);
    unsetenv("SUPABASE_JWT_SECRET");
    assert_int_equal(ls_callers_reload(callers, NULL, &err), LS_OK);
    assert_int_equal(bearer(jwt_of("\"sub\":\"u1\"", SIGN_HS), &c), LS_PERMISSION);
}

struct user_thread {
    struct ls_thread thread;
    const char *token;
    int wrong;
};

static void call_often(void *arg)
{
    struct user_thread *u = arg;
    struct ls_pair headers[] = {{"Authorization", u->token}};
    struct ls_arena own;

    ls_arena_init(&own, 0);
    for (int i = 0; i < 300; i++) {
        struct ls_request request = request_of("GET", headers, 1);
        struct ls_caller c;
        struct ls_error why;

        ls_arena_reset(&own);
        request.mem = &own;
        if (ls_caller_identify(callers, &request, &c, &why) != LS_OK || c.role != LS_ROLE_OPERATOR)
            u->wrong++;
    }
    ls_arena_done(&own);
}

static void many_threads_ask_while_it_is_reloaded_and_forgotten(void **state)
{
    struct user_thread users[4] = {0};
    (void)state;

    for (size_t i = 0; i < 4; i++) {
        users[i].token =
            forge_text("Bearer %s", made_token(forge_text("t%zu", i), "operator", NULL, 0));
        assert_int_equal(ls_thread_start(&users[i].thread, call_often, &users[i], &err), LS_OK);
    }
    for (int i = 0; i < 50; i++) {
        assert_int_equal(ls_callers_reload(callers, NULL, &err), LS_OK);
        ls_callers_forget(callers);
    }
    for (size_t i = 0; i < 4; i++) {
        ls_thread_join(&users[i].thread);
        assert_int_equal(users[i].wrong, 0);
    }
}

/* ---- roles ---- */

static void who_may_do_what(void **state)
{
    /*                           none user view oper admin serv cron known: what the route needs */
    static const char *const may[] = {
        [LS_ROLE_NONE] = "yes no no no no no no no",
        [LS_ROLE_USER] = "yes yes no no no no no yes",
        [LS_ROLE_VIEWER] = "yes no yes no no no no yes",
        [LS_ROLE_OPERATOR] = "yes no yes yes no no yes yes",
        [LS_ROLE_ADMIN] = "yes yes yes yes yes yes yes yes",
        [LS_ROLE_SERVICE] = "yes yes yes yes no yes yes yes",
        [LS_ROLE_CRON] = "yes no no no no no yes yes",
        [LS_ROLE_KNOWN] = "no no no no no no no no", /* nobody has it: routes need it */
    };
    (void)state;

    for (enum ls_role have = LS_ROLE_NONE; have < LS_ROLE_COUNT; have++) {
        const char *at = may[have];

        for (enum ls_role need = LS_ROLE_NONE; need < LS_ROLE_COUNT; need++) {
            assert_int_equal(ls_role_may(have, need), *at == 'y');
            at += strcspn(at, " ");
            at += *at == ' ';
        }
    }
    for (enum ls_role role = 0; role <= LS_ROLE_COUNT; role++) {
        assert_false(ls_role_may(LS_ROLE_UNSET, role));
        assert_false(ls_role_may(role, LS_ROLE_UNSET));
        assert_false(ls_role_may(LS_ROLE_COUNT, role));
        assert_false(ls_role_may(role, LS_ROLE_COUNT));
    }
}

/* The words that tokens are made with are roles of ours. */
static void each_role_that_can_be_given_exists(void **state)
{
    (void)state;

    for (size_t i = 0; i < LS_API_ROLES; i++) {
        bool found = false;

        for (enum ls_role r = LS_ROLE_USER; r < LS_ROLE_COUNT; r++)
            found |= strcmp(ls_role_word(r), ls_api_roles[i]) == 0;
        assert_true(found);
    }
}

static void claims_give_roles(void **state)
{
    static const struct {
        const char *claims, *claim;
        enum ls_role_source source;
        enum ls_role role;
    } cases[] = {
        {"{}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_NONE},
        {"{\"sub\":\"u\"}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_USER},
        {"{\"sub\":\"u\",\"role\":\"anon\"}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_NONE},
        {"{\"role\":\"service_role\"}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_SERVICE},
        {"{\"role\":\"supabase_admin\"}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_SERVICE},
        {"{\"role\":\"Service_Role\",\"sub\":\"u\"}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_USER},
        {"{\"role\":\"admin\",\"sub\":\"u\"}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_USER},
        {"{\"role\":[\"service_role\"],\"sub\":\"u\"}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_USER},
        {"{\"sub\":\"u\",\"app_metadata\":{\"role\":\"ADMIN\"}}", NULL, LS_ROLE_FROM_TOKEN,
         LS_ROLE_ADMIN},
        {"{\"sub\":\"u\",\"app_metadata\":{\"role\":\"operator\"}}", NULL, LS_ROLE_FROM_TOKEN,
         LS_ROLE_OPERATOR},
        {"{\"sub\":\"u\",\"app_metadata\":{\"role\":[\"x\",\"viewer\"]}}", NULL, LS_ROLE_FROM_TOKEN,
         LS_ROLE_VIEWER},
        {"{\"sub\":\"u\",\"app_metadata\":{\"role\":\"service\"}}", NULL, LS_ROLE_FROM_TOKEN,
         LS_ROLE_USER},
        {"{\"sub\":\"u\",\"app_metadata\":{\"role\":\"owner\"}}", NULL, LS_ROLE_FROM_TOKEN,
         LS_ROLE_USER},
        {"{\"sub\":\"u\",\"app_metadata\":\"admin\"}", NULL, LS_ROLE_FROM_TOKEN, LS_ROLE_USER},
        {"{\"sub\":\"u\",\"user_metadata\":{\"role\":\"admin\"}}", NULL, LS_ROLE_FROM_TOKEN,
         LS_ROLE_USER},
        {"{\"sub\":\"u\",\"app_metadata\":{\"role\":\"cron\"}}", NULL, LS_ROLE_FROM_TOKEN,
         LS_ROLE_USER},
        {"{\"sub\":\"u\",\"groups\":[\"viewer\",\"admin\",\"x\"]}", "groups", LS_ROLE_FROM_TOKEN,
         LS_ROLE_ADMIN},
        {"{\"sub\":\"u\",\"groups\":[\"viewer\",\"service\"]}", "groups", LS_ROLE_FROM_TOKEN,
         LS_ROLE_VIEWER},
        {"{\"sub\":\"u\",\"groups\":[\"service\"]}", "groups", LS_ROLE_FROM_TOKEN, LS_ROLE_SERVICE},
        {"{\"sub\":\"u\",\"https://example.com/role\":\"admin\"}", "https://example.com/role",
         LS_ROLE_FROM_TOKEN, LS_ROLE_ADMIN},
        {"{\"sub\":\"u\",\"a\":{\"b\":{\"c\":\"operator\"}}}", "a.b.c", LS_ROLE_FROM_TOKEN,
         LS_ROLE_OPERATOR},
        {"{\"sub\":\"u\",\"a\":{\"b\":\"admin\"}}", "a.b.c", LS_ROLE_FROM_TOKEN, LS_ROLE_USER},
        {"{\"sub\":\"u\",\"role\":\"service_role\"}", "groups", LS_ROLE_FROM_TOKEN, LS_ROLE_USER},
        {"{\"groups\":[\"nobody\"]}", "groups", LS_ROLE_FROM_TOKEN, LS_ROLE_NONE},
        {"{\"sub\":\"u\",\"role\":\"ADMIN\"}", NULL, LS_ROLE_FROM_SESSION, LS_ROLE_ADMIN},
        {"{\"sub\":\"u\",\"role\":\"editor\"}", NULL, LS_ROLE_FROM_SESSION, LS_ROLE_USER},
        {"{\"sub\":\"u\",\"role\":\"service\"}", NULL, LS_ROLE_FROM_SESSION, LS_ROLE_USER},
        {"{\"email\":\"a@b\"}", NULL, LS_ROLE_FROM_SESSION, LS_ROLE_USER},
        {"{\"sub\":\"u\",\"isAdmin\":\"admin\"}", "isAdmin", LS_ROLE_FROM_SESSION, LS_ROLE_ADMIN},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *claims = json_loads(cases[i].claims, 0, NULL);
        const enum ls_role role = ls_role_of_claims(claims, cases[i].claim, cases[i].source);

        if (role != cases[i].role)
            fail_msg("%s by %s: %s, not %s", cases[i].claims, cases[i].claim ? cases[i].claim : "-",
                     ls_role_word(role), ls_role_word(cases[i].role));
        json_decref(claims);
    }
}

static int begin(void **state)
{
    (void)state;
    forge_begin();
    return 0;
}

static int end(void **state)
{
    (void)state;
    forge_done();
    return 0;
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, before, after)
#define BARE(test) cmocka_unit_test_setup_teardown(test, before_bare, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(without_credentials_it_is_nobody),
        BARE(where_nothing_is_configured_nothing_opens),
        BARE(every_algorithm_is_closed_without_a_key),
        WITH(known_secrets_open_what_they_are_for),
        WITH(nearly_right_is_wrong),
        WITH(a_token_has_the_role_and_owner_that_it_was_made_with),
        WITH(a_revoked_or_expired_token_is_refused),
        WITH(a_disabled_user_loses_tokens_and_sessions_at_once),
        WITH(a_role_in_the_state_that_there_is_not_lets_nobody_in),
        WITH(without_a_state_tokens_are_refused_and_not_an_error),
        WITH(a_state_that_cannot_be_reached_is_no_answer),
        WITH(a_jwt_has_the_role_of_its_claims),
        WITH(a_forged_jwt_says_why_and_opens_nothing),
        WITH(names_from_tokens_are_cut_and_cleaned),
        WITH(two_kinds_at_once_are_refused),
        WITH(cookies_beside_a_token_do_not_count),
        WITH(apikey_counts_only_where_there_is_nothing_else),
        WITH(qstash_signs_for_the_address_and_body),
        WITH(qstash_forwards_the_cron_secret_and_nothing_else),
        WITH(another_body_than_was_signed_is_refused),
        WITH(a_session_changes_something_only_from_a_page_of_ours),
        WITH(the_name_of_the_cookie_says_how_it_came),
        WITH(an_ended_session_is_refused),
        WITH(a_nextauth_session_is_the_applications_user),
        WITH(our_session_comes_before_the_applications),
        WITH(listed_origins_may_act_too),
        WITH(too_many_wrong_credentials_are_slowed_down_by_address),
        WITH(one_network_of_ipv6_is_one_address),
        WITH(a_caller_has_a_rate),
        cmocka_unit_test(the_table_of_limits_does_not_grow),
        WITH(a_reload_changes_who_may_and_a_bad_one_nothing),
        WITH(many_threads_ask_while_it_is_reloaded_and_forgotten),
        cmocka_unit_test(who_may_do_what),
        cmocka_unit_test(each_role_that_can_be_given_exists),
        cmocka_unit_test(claims_give_roles),
    };

    return cmocka_run_group_tests_name("server/caller", tests, begin, end);
}
