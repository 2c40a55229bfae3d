/* SPDX-License-Identifier: Apache-2.0 */
/* test_login.c - logging in, sessions, tokens and users over HTTP, with callers in earnest over a state in a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server/login.h"
#include "server_fixture.h"

#define PASSWORD "correct horse battery"
#define OTHER "another horse, another battery"
#define FROM_US "Sec-Fetch-Site: same-origin\r\n"

static struct server_fixture f;

static int before(void **state)
{
    (void)state;
    server_start_earnest(&f, NULL, (struct ls_server_options){0});
    return 0;
}

static int after(void **state)
{
    (void)state;
    server_stop(&f);
    return 0;
}

/* A session as a browser has it. */
struct browser {
    char cookie[200], csrf[100];
};

static char *text_in(const char *json, const char *name)
{
    json_t *all = json_loads(json, 0, NULL);
    const char *text = json_string_value(json_object_get(all, name));
    char *ret = text ? strdup(text) : NULL;

    json_decref(all);
    return ret;
}

/* METHOD PATH with headers and a body (NULL: none). */
static void send_as(const char *what, const char *headers, const char *body, int status,
                    struct client_answer *ret)
{
    char request[4000];

    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: localhost\r\n%s%s%s%zu\r\n\r\n%s", what,
             headers, body ? "Content-Type: application/json\r\n" : "",
             "Content-Length: ", body ? strlen(body) : 0, body ? body : "");
    client_ask(f.url, request, ret);
    if (ret->status != status)
        fail_msg("%s: %d, not %d: %s", what, ret->status, status, ret->body ? ret->body : "");
}

static void expect(const char *role, const char *what, const char *body, int status)
{
    struct client_answer a;

    server_expect(&f, role, what, body, status, &a);
    client_free(&a);
}

static void try_login(const char *name, const char *password, const char *headers, int status,
                      struct browser *ret)
{
    struct client_answer a;
    char body[300], *csrf;

    snprintf(body, sizeof body, "{\"name\":\"%s\",\"password\":\"%s\"}", name, password);
    send_as("POST /api/v1/login", headers, body, status, &a);
    if (ret) {
        snprintf(ret->cookie, sizeof ret->cookie, "%s", client_header(&a, "Set-Cookie"));
        ret->cookie[strcspn(ret->cookie, ";")] = '\0';
        csrf = text_in(a.body, "csrf_token");
        assert_non_null(csrf);
        snprintf(ret->csrf, sizeof ret->csrf, "%s", csrf);
        free(csrf);
    }
    client_free(&a);
}

/* As that browser, from a page of ours. csrf: whether it sends its token. */
static void browse(const struct browser *b, const char *what, const char *body, bool csrf,
                   int status, struct client_answer *ret)
{
    char headers[600];
    struct client_answer own;

    snprintf(headers, sizeof headers, FROM_US "Cookie: %s\r\n%s%s%s", b->cookie,
             csrf ? "X-CSRF-Token: " : "", csrf ? b->csrf : "", csrf ? "\r\n" : "");
    send_as(what, headers, body, status, ret ? ret : &own);
    if (!ret)
        client_free(&own);
}

static void add_user(const char *name, const char *role)
{
    char body[300];

    snprintf(body, sizeof body, "{\"name\":\"%s\",\"role\":\"%s\",\"password\":\"" PASSWORD "\"}",
             name, role);
    expect("admin", "POST /api/v1/users", body, 201);
}

/* ---- sessions ---- */

static void a_login_gives_a_session_that_may_what_its_user_may(void **state)
{
    struct client_answer a;
    struct browser b;
    (void)state;

    add_user("ann", "operator");
    try_login("ann", PASSWORD, FROM_US, 200, &b);
    browse(&b, "GET /api/v1/me", NULL, false, 200, &a);
    assert_non_null(strstr(a.body, "{\"kind\":\"session\",\"name\":\"ann\",\"role\":\"operator\","
                                   "\"user\":\"ann\",\"csrf_token\":\""));
    assert_non_null(strstr(a.body, b.csrf)); /* for a page that was loaded anew */
    client_free(&a);
    browse(&b, "GET /api/v1/users", NULL, false, 403, NULL);
    browse(&b, "POST /api/v1/events/replay", NULL, true, 200, NULL);
    browse(&b, "POST /api/v1/logout", NULL, true, 204, &a);
    assert_non_null(
        strstr(a.head, "lockstep-local=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"));
    client_free(&a);
    browse(&b, "GET /api/v1/me", NULL, false, 401, NULL);
}

static void the_cookie_is_for_this_server_alone(void **state)
{
    struct client_answer a;
    (void)state;

    add_user("ann", "operator");
    send_as("POST /api/v1/login", FROM_US, "{\"name\":\"ann\",\"password\":\"" PASSWORD "\"}", 200,
            &a);
    assert_non_null(strstr(client_header(&a, "Set-Cookie"), "; Path=/; HttpOnly; SameSite=Strict"));
    assert_string_equal(client_header(&a, "Cache-Control"), "no-store");
    client_free(&a);
}

static void a_login_gives_a_new_session_whatever_the_browser_had(void **state)
{
    char headers[400];
    struct browser first, second;
    (void)state;

    add_user("ann", "viewer");
    try_login("ann", PASSWORD, FROM_US, 200, &first);
    snprintf(headers, sizeof headers, FROM_US "Cookie: %s\r\n", first.cookie);
    try_login("ann", PASSWORD, headers, 200, &second);
    assert_string_not_equal(first.cookie, second.cookie);
    assert_string_not_equal(first.csrf, second.csrf);
}

static void a_session_changes_nothing_without_its_token_or_from_elsewhere(void **state)
{
    char headers[600];
    struct client_answer a;
    struct browser b, other;
    (void)state;

    add_user("ann", "admin");
    add_user("ben", "admin");
    try_login("ann", PASSWORD, FROM_US, 200, &b);
    try_login("ben", PASSWORD, FROM_US, 200, &other);
    browse(&b, "POST /api/v1/logout", NULL, false, 403, NULL);
    snprintf(headers, sizeof headers, FROM_US "Cookie: %s\r\nX-CSRF-Token: %s\r\n", b.cookie,
             other.csrf);
    send_as("POST /api/v1/logout", headers, NULL, 403, &a);
    client_free(&a);
    snprintf(headers, sizeof headers,
             "Sec-Fetch-Site: cross-site\r\nCookie: %s\r\nX-CSRF-Token: %s\r\n", b.cookie, b.csrf);
    send_as("POST /api/v1/logout", headers, NULL, 403, &a);
    client_free(&a);
    browse(&b, "GET /api/v1/me", NULL, false, 200, NULL); /* still there */
}

static void a_page_of_somebody_else_logs_nobody_in(void **state)
{
    (void)state;
    add_user("ann", "viewer");
    try_login("ann", PASSWORD, "Sec-Fetch-Site: cross-site\r\n", 403, NULL);
    try_login("ann", PASSWORD, "Origin: https://evil.example\r\n", 403, NULL);
    try_login("ann", PASSWORD, "Origin: null\r\n", 403, NULL);
    try_login("ann", PASSWORD, "", 200, NULL); /* no browser */
}

static void logins_are_in_the_audit_log_with_their_address(void **state)
{
    (void)state;
    add_user("ann", "viewer");
    try_login("ann", "not the password", FROM_US, 401, NULL);
    assert_non_null(strstr(server_audit(&f), "anonymous|POST /api/v1/login|/api/v1/login|"
                                             "{\"outcome\":\"failed\",\"status\":401,"));
    assert_null(strstr(server_audit(&f), "not the"));
    try_login("ann", PASSWORD, FROM_US, 200, NULL);
    assert_non_null(strstr(server_audit(&f), "session:ann|login|ann|{\"outcome\":\"done\","
                                             "\"address\":\"127.0.0.1\""));
}

static void who_tries_too_often_has_to_wait_and_is_told_how_long(void **state)
{
    struct client_answer a;
    (void)state;

    add_user("ann", "viewer");
    for (int i = 0; i < 5; i++)
        try_login("ann", "not the password", FROM_US, 401, NULL);
    send_as("POST /api/v1/login", FROM_US, "{\"name\":\"ann\",\"password\":\"" PASSWORD "\"}", 429,
            &a);
    assert_true(strtol(client_header(&a, "Retry-After"), NULL, 10) > 0);
    client_free(&a);
    try_login("nobody", "not the password", FROM_US, 401, NULL); /* others may try */
}

static void a_name_that_nobody_has_is_answered_like_a_wrong_password(void **state)
{
    struct client_answer a, b;
    char *one, *other;
    (void)state;

    add_user("ann", "viewer");
    send_as("POST /api/v1/login", "", "{\"name\":\"ann\",\"password\":\"not the one\"}", 401, &a);
    send_as("POST /api/v1/login", "", "{\"name\":\"bob\",\"password\":\"not the one\"}", 401, &b);
    one = text_in(a.body, "detail");
    other = text_in(b.body, "detail");
    assert_string_equal(one, other);
    free(one);
    free(other);
    client_free(&a);
    client_free(&b);
}

/* ---- passwords ---- */

static void a_new_password_ends_all_sessions(void **state)
{
    struct browser here, there;
    (void)state;

    add_user("ann", "viewer");
    try_login("ann", PASSWORD, FROM_US, 200, &here);
    try_login("ann", PASSWORD, FROM_US, 200, &there);
    browse(&here, "PUT /api/v1/me/password",
           "{\"current\":\"not the password\",\"password\":\"" OTHER "\"}", true, 403, NULL);
    browse(&here, "PUT /api/v1/me/password",
           "{\"current\":\"" PASSWORD "\",\"password\":\"short\"}", true, 400, NULL);
    browse(&here, "PUT /api/v1/me/password",
           "{\"current\":\"" PASSWORD "\",\"password\":\"" OTHER "\"}", true, 204, NULL);
    browse(&here, "GET /api/v1/me", NULL, false, 401, NULL);
    browse(&there, "GET /api/v1/me", NULL, false, 401, NULL);
    try_login("ann", PASSWORD, FROM_US, 401, NULL);
    try_login("ann", OTHER, FROM_US, 200, NULL);
    expect("viewer", "PUT /api/v1/me/password",
           "{\"current\":\"" PASSWORD "\",\"password\":\"" OTHER "\"}", 409); /* a program */
}

/* ---- users ---- */

static void whoever_is_disabled_or_removed_loses_sessions_and_tokens_at_once(void **state)
{
    static const char *const ends[] = {"PATCH /api/v1/users/ann", "DELETE /api/v1/users/ann"};
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        struct client_answer a;
        struct browser b;
        char *token;

        add_user("ann", "operator");
        try_login("ann", PASSWORD, FROM_US, 200, &b);
        server_expect(&f, "admin", "POST /api/v1/tokens",
                      "{\"name\":\"hers\",\"role\":\"operator\",\"owner\":\"ann\"}", 201, &a);
        token = text_in(a.body, "token");
        assert_non_null(token);
        client_free(&a);
        expect(token, "GET /api/v1/me", NULL, 200);
        browse(&b, "GET /api/v1/me", NULL, false, 200, NULL);
        expect("admin", ends[i], i == 0 ? "{\"state\":\"disabled\"}" : NULL, 204);
        expect(token, "GET /api/v1/me", NULL, 401);
        browse(&b, "GET /api/v1/me", NULL, false, 401, NULL);
        try_login("ann", PASSWORD, FROM_US, 401, NULL);
        if (i == 0) {
            expect("admin", ends[0], "{\"state\":\"active\"}", 204);
            expect(token, "GET /api/v1/me", NULL, 200);
            browse(&b, "GET /api/v1/me", NULL, false, 401, NULL);
            expect("admin", "DELETE /api/v1/users/ann", NULL, 204);
        }
        free(token);
    }
}

static void another_role_holds_from_the_next_login_on(void **state)
{
    struct browser b;
    (void)state;

    add_user("ann", "viewer");
    try_login("ann", PASSWORD, FROM_US, 200, &b);
    expect("admin", "PATCH /api/v1/users/ann", "{\"role\":\"admin\"}", 204);
    assert_non_null(strstr(server_audit(&f), "token:admin|user role|ann|{\"role\":\"admin\","
                                             "\"outcome\":\"done\",\"address\":\"127.0.0.1\""));
    browse(&b, "GET /api/v1/me", NULL, false, 401, NULL);
    try_login("ann", PASSWORD, FROM_US, 200, &b);
    browse(&b, "GET /api/v1/users", NULL, false, 200, NULL);
}

static void users_that_will_not_do_are_refused(void **state)
{
    static const struct {
        const char *what, *body;
        int status;
    } cases[] = {
        {"POST /api/v1/users", "{\"name\":\"ann\",\"role\":\"viewer\",\"password\":\"short\"}",
         400},
        {"POST /api/v1/users", "{\"name\":\"Ann\",\"role\":\"viewer\",\"password\":\"" OTHER "\"}",
         400},
        {"POST /api/v1/users", "{\"name\":\"x\",\"role\":\"service\",\"password\":\"" OTHER "\"}",
         400},
        {"POST /api/v1/users", "{\"name\":\"x\",\"role\":\"root\",\"password\":\"" OTHER "\"}",
         400},
        {"POST /api/v1/users", "{\"name\":\"ben\",\"role\":\"viewer\",\"password\":\"" OTHER "\"}",
         400}, /* there is one */
        {"POST /api/v1/users", "{\"name\":null,\"role\":\"viewer\",\"password\":\"" OTHER "\"}",
         400},
        {"PATCH /api/v1/users/ben", "{\"role\":\"admin\",\"state\":\"active\"}", 400},
        {"PATCH /api/v1/users/ben", "{\"state\":\"gone\"}", 400},
        {"PATCH /api/v1/users/ben", "{}", 400},
        {"PATCH /api/v1/users/bob", "{\"role\":\"admin\"}", 404},
        {"DELETE /api/v1/users/bob", NULL, 404},
    };
    struct client_answer a;
    (void)state;

    add_user("ben", "viewer");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect("admin", cases[i].what, cases[i].body, cases[i].status);
    server_expect(&f, "admin", "GET /api/v1/users", NULL, 200, &a);
    assert_non_null(strstr(a.body, "{\"items\":[{\"name\":\"ben\",\"role\":\"viewer\","));
    assert_null(strstr(a.body, "argon2"));
    client_free(&a);
}

/* ---- tokens ---- */

static void a_token_is_shown_once_and_ends_when_it_is_revoked(void **state)
{
    struct client_answer a;
    char *token;
    (void)state;

    server_expect(&f, "admin", "POST /api/v1/tokens",
                  "{\"name\":\"ci\",\"role\":\"operator\",\"expires_in_s\":3600}", 201, &a);
    token = text_in(a.body, "token");
    assert_non_null(token);
    assert_null(strstr(a.body, "\"expires\":null"));
    client_free(&a);
    expect(token, "GET /api/v1/queue", NULL, 200);
    expect(token, "GET /api/v1/tokens", NULL, 403);
    server_expect(&f, "admin", "GET /api/v1/tokens", NULL, 200, &a);
    assert_non_null(strstr(a.body, "\"name\":\"ci\",\"role\":\"operator\""));
    assert_null(strstr(a.body, token + 4));
    client_free(&a);
    server_expect(&f, "admin", "DELETE /api/v1/tokens/ci", NULL, 200, &a);
    assert_null(strstr(a.body, token + 4));
    client_free(&a);
    assert_non_null(strstr(server_audit(&f), "token:admin|token revoke|ci|"));
    expect(token, "GET /api/v1/queue", NULL, 401);
    expect("admin", "DELETE /api/v1/tokens/ci", NULL, 404);
    free(token);
}

static void tokens_that_will_not_do_are_refused(void **state)
{
    static const char *const bodies[] = {
        "{\"name\":\"x\",\"role\":\"root\"}",
        "{\"name\":\"a b\",\"role\":\"viewer\"}",
        "{\"name\":\"admin\",\"role\":\"viewer\"}", /* there is one */
        "{\"name\":\"x\",\"role\":\"viewer\",\"owner\":\"nobody\"}",
        "{\"name\":\"x\",\"role\":\"viewer\",\"expires_in_s\":99999999999}",
        "{\"name\":\"x\",\"role\":\"viewer\",\"expires_in_s\":-1}",
        "{\"name\":\"x\",\"role\":\"viewer\",\"rolle\":\"admin\"}",
        "{\"name\":\"x\",\"role\":\"viewer\",\"role\":\"admin\"}",
        "{\"name\":\"x\"}",
        "{\"name\":\"x\",\"role\":null}",
        "[]",
        "",
    };
    (void)state;

    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        expect("admin", "POST /api/v1/tokens", bodies[i], 400);
}

static void bodies_that_two_could_read_differently_are_refused(void **state)
{
    static const char *const bodies[] = {
        "{\"name\":\"x\",\"role\":\"viewer\",\"na\\u006de\":\"y\"}", /* twice, in other words */
        "{\"name\":\"x\",\"role\":\"viewer\"} {}",
        "{\"name\":\"x\",\"role\":\"viewer\"}\xef\xbb\xbf",
        "\xef\xbb\xbf{\"name\":\"x\",\"role\":\"viewer\"}",
        "{\"name\":\"\xff\",\"role\":\"viewer\"}",
        "{\"name\":\"\xc0\xaf\",\"role\":\"viewer\"}",
        "{\"name\":\"\\ud800\",\"role\":\"viewer\"}",
        "{\"name\":\"x\\u0000y\",\"role\":\"viewer\"}",
        "{\"name\":\"x\",\"role\":\"viewer\",}",
        "{'name':'x','role':'viewer'}",
        "{\"name\":\"x\",\"role\":\"viewer\",\"expires_in_s\":1e3}",
        "{\"name\":\"x\",\"role\":\"viewer\",\"expires_in_s\":9223372036854775808}",
        "{\"name\":\"x\",\"role\":\"viewer\",\"expires_in_s\":NaN}",
        "{\"name\":\"x\",\"role\":\"viewer\" /* */}",
    };
    char deep[500] = "{\"name\":";
    struct client_answer a;
    (void)state;

    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        expect("admin", "POST /api/v1/tokens", bodies[i], 400);
    memset(deep + strlen(deep), '[', 64);
    memset(deep + strlen(deep), ']', 64);
    snprintf(deep + strlen(deep), 2, "}");
    server_expect(&f, "admin", "POST /api/v1/tokens", deep, 400, &a);
    assert_non_null(strstr(a.body, "more than 64 levels"));
    client_free(&a);
}

/* ---- the first one ---- */

static void the_link_makes_one_admin_once(void **state)
{
    struct ls_state *store = NULL;
    struct ls_error err = {0};
    struct ls_arena mem;
    char body[400];
    const char *link = NULL, *secret;
    (void)state;

    ls_arena_init(&mem, 0);
    assert_int_equal(ls_state_open(f.state, true, &store, &err), LS_OK);
    assert_int_equal(ls_setup_link(store, f.url, ls_clock_now_us(), &mem, &link, &err), LS_OK);
    assert_null(link); /* there are tokens */
    for (enum ls_role r = LS_ROLE_USER; r <= LS_ROLE_SERVICE; r++) {
        struct ls_token token;

        assert_int_equal(ls_state_token_revoke(store, "test", ls_role_word(r), &mem, &token, &err),
                         LS_OK);
    }
    assert_int_equal(ls_setup_link(store, f.url, ls_clock_now_us(), &mem, &link, &err), LS_OK);
    assert_non_null(link);
    secret = strchr(link, '#') + 1;
    snprintf(body, sizeof body,
             "{\"secret\":\"%s\",\"name\":\"ann\",\"password\":\"" PASSWORD "\"}", secret);
    body[12] ^= 1;
    expect(NULL, "POST /api/v1/setup", body, 403);
    body[12] ^= 1;
    expect(NULL, "POST /api/v1/setup", body, 201);
    assert_non_null(strstr(server_audit(&f), "setup|user add|ann|{\"role\":\"admin\",\"outcome\":"
                                             "\"done\",\"address\":\"127.0.0.1\""));
    expect(NULL, "POST /api/v1/setup", body, 403);
    try_login("ann", PASSWORD, FROM_US, 200, NULL);
    ls_state_close(store);
    ls_arena_done(&mem);
}

static void the_page_of_the_link_runs_its_own_script_alone(void **state)
{
    struct client_answer a;
    (void)state;

    server_expect(&f, NULL, "GET /setup", NULL, 200, &a);
    assert_string_equal(client_header(&a, "Content-Type"), "text/html; charset=utf-8");
    assert_non_null(strstr(client_header(&a, "Content-Security-Policy"),
                           "default-src 'none'; script-src 'self'"));
    assert_string_equal(client_header(&a, "Referrer-Policy"), "no-referrer");
    assert_string_equal(client_header(&a, "X-Content-Type-Options"), "nosniff");
    client_free(&a);
    expect(NULL, "GET /setup.js", NULL, 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_login_gives_a_session_that_may_what_its_user_may),
        TEST(the_cookie_is_for_this_server_alone),
        TEST(a_login_gives_a_new_session_whatever_the_browser_had),
        TEST(a_session_changes_nothing_without_its_token_or_from_elsewhere),
        TEST(a_page_of_somebody_else_logs_nobody_in),
        TEST(logins_are_in_the_audit_log_with_their_address),
        TEST(who_tries_too_often_has_to_wait_and_is_told_how_long),
        TEST(a_name_that_nobody_has_is_answered_like_a_wrong_password),
        TEST(a_new_password_ends_all_sessions),
        TEST(whoever_is_disabled_or_removed_loses_sessions_and_tokens_at_once),
        TEST(another_role_holds_from_the_next_login_on),
        TEST(users_that_will_not_do_are_refused),
        TEST(a_token_is_shown_once_and_ends_when_it_is_revoked),
        TEST(tokens_that_will_not_do_are_refused),
        TEST(bodies_that_two_could_read_differently_are_refused),
        TEST(the_link_makes_one_admin_once),
        TEST(the_page_of_the_link_runs_its_own_script_alone),
    };

    return cmocka_run_group_tests_name("server/login", tests, NULL, NULL);
}
