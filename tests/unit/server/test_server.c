/* SPDX-License-Identifier: Apache-2.0 */
/* test_server.c - the way of a request: host, route, caller, role, workers, audit log, answer. The routes here are the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "server/problem.h"
#include "server_fixture.h"

static sem_t entered, let_go;
static _Atomic unsigned changes;

static enum ls_code hello(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    (void)call;
    (void)err;
    ret->body = "{\"hello\":1}";
    ret->body_size = 11;
    return LS_OK;
}

static enum ls_code show_params(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const char *limit = ls_request_query(call->request, "limit");

    (void)err;
    ret->body = ls_arena_printf(call->mem, "[\"%s\",\"%s\"]",
                                ls_request_param(call->request, "thing"), limit ? limit : "");
    ret->body_size = strlen(ret->body);
    return LS_OK;
}

static enum ls_code fail_as(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const char *which = ls_request_param(call->request, "code");

    if (strcmp(which, "patient") == 0) {
        ls_response_header(ret, "Retry-After", "60");
        return ls_refuse(ret, 503, err, LS_BUSY, "come again in a minute");
    }
    if (strcmp(which, "own") == 0)
        return ls_refuse(ret, 418, err, LS_DATA, "I am a \"teapot\"");
    for (enum ls_code rc = LS_OK + 1; rc < LS_CODE_COUNT; rc++)
        if (strcmp(which, ls_code_name(rc)) == 0)
            return ls_error_set(err, rc, "it is %s", which);
    return LS_OK;
}

static enum ls_code change(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    (void)ret;
    (void)err;
    assert_non_null(call->ls);
    atomic_fetch_add(&changes, 1);
    return LS_OK;
}

static enum ls_code block(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    (void)call;
    (void)ret;
    (void)err;
    sem_post(&entered);
    sem_wait(&let_go);
    return LS_OK;
}

static const struct ls_route routes[] = {
    LS_ROUTE("GET", "/open", LS_ROLE_NONE, .handle = hello, .summary = "x", .response = "X"),
    LS_ROUTE("GET", "/viewer", LS_ROLE_VIEWER, .handle = hello, .summary = "x"),
    LS_ROUTE("GET", "/things/{thing}", LS_ROLE_NONE, .handle = show_params, .summary = "x",
             .query = "limit cursor"),
    LS_ROUTE("GET", "/things/special", LS_ROLE_NONE, .handle = hello, .summary = "x"),
    LS_ROUTE("GET", "/things/{thing}/parts", LS_ROLE_NONE, .handle = show_params, .summary = "x"),
    LS_ROUTE("GET", "/fail/{code}", LS_ROLE_NONE, .handle = fail_as, .summary = "x"),
    LS_ROUTE("GET", "/surface/fail/{code}", LS_ROLE_VIEWER, .flags = LS_ROUTE_DATA,
             .handle = fail_as, .summary = "x"),
    LS_ROUTE("POST", "/things", LS_ROLE_OPERATOR, .flags = LS_ROUTE_DESK | LS_ROUTE_CHANGES,
             .handle = change, .summary = "x", .request = "X", .status = 201, .body_max = 100),
    LS_ROUTE("DELETE", "/things/{thing}", LS_ROLE_ADMIN, .flags = LS_ROUTE_LONG | LS_ROUTE_CHANGES,
             .handle = change, .summary = "x", .status = 204),
    LS_ROUTE("GET", "/block", LS_ROLE_NONE, .flags = LS_ROUTE_LONG, .handle = block,
             .summary = "x"),
};
static const struct ls_route_table table = LS_ROUTE_TABLE("test", "x", routes);
static const struct ls_route_table *const tables[] = {&table};

static void start(struct server_fixture *f, const char *yaml, struct ls_server_options options)
{
    options.tables = tables;
    options.table_count = 1;
    atomic_store(&changes, 0);
    server_start(f, yaml, options);
}

static void expect(struct server_fixture *f, const char *role, const char *what, const char *body,
                   int status)
{
    struct client_answer a;

    server_expect(f, role, what, body, status, &a);
    client_free(&a);
}

/* ---- routes ---- */

static void a_path_finds_its_route(void **state)
{
    struct client_answer a;
    struct server_fixture f;
    (void)state;

    start(&f, NULL, (struct ls_server_options){0});
    server_expect(&f, NULL, "GET /things/a%2Fb?limit=5", NULL, 200, &a);
    assert_string_equal(a.body, "[\"a/b\",\"5\"]");
    client_free(&a);
    server_expect(&f, NULL, "GET /things/special", NULL, 200, &a); /* a word comes before a name */
    assert_string_equal(a.body, "{\"hello\":1}");
    client_free(&a);
    server_expect(&f, NULL, "GET /things/special/parts", NULL, 200,
                  &a); /* and leads nowhere here */
    assert_string_equal(a.body, "[\"special\",\"\"]");
    client_free(&a);
    expect(&f, NULL, "GET /", NULL, 404);
    expect(&f, NULL, "GET /things", NULL, 405);
    expect(&f, NULL, "GET /nothing", NULL, 404);
    expect(&f, NULL, "GET /open/more", NULL, 404);
    server_stop(&f);
}

static void other_methods_are_told_which_there_are(void **state)
{
    struct client_answer a;
    struct server_fixture f;
    (void)state;

    start(&f, NULL, (struct ls_server_options){0});
    expect(&f, "admin", "DELETE /things/special", NULL, 204); /* a name like any other there */
    expect(&f, "admin", "GET /things/special", NULL, 200);
    server_expect(&f, "admin", "PATCH /things/x", NULL, 405, &a);
    assert_string_equal(client_header(&a, "Allow"), "GET, HEAD, DELETE, OPTIONS");
    client_free(&a);
    server_expect(&f, NULL, "OPTIONS /things", NULL, 204, &a);
    assert_string_equal(client_header(&a, "Allow"), "POST, OPTIONS");
    client_free(&a);
    server_expect(&f, NULL, "HEAD /open", NULL, 200, &a);
    assert_string_equal(client_header(&a, "Content-Length"), "11");
    client_free(&a);
    server_stop(&f);
}

/* Whatever path and method a client of QStash comes with. */
static void under_v2_errors_are_those_of_qstash(void **state)
{
    static const char *const calls[] = {"GET /v2/nothing", "POST /v2/", "GET /v2/%ff",
                                        "GET /v2/publish/ftp://x"};
    struct client_answer a;
    struct server_fixture f;
    (void)state;

    start(&f, NULL, (struct ls_server_options){0});
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        server_ask(&f, "admin", calls[i], NULL, &a);
        assert_in_range(a.status, 400, 404);
        assert_string_equal(client_header(&a, "Content-Type"), "application/json");
        assert_memory_equal(a.body, "{\"error\":\"", 10);
        client_free(&a);
    }
    server_expect(&f, "admin", "GET /nothing/v2", NULL, 404, &a);
    assert_string_equal(client_header(&a, "Content-Type"), "application/problem+json");
    client_free(&a);
    server_stop(&f);
}

static void what_does_not_fit_the_route_is_refused(void **state)
{
    struct client_answer a;
    struct server_fixture f;
    (void)state;

    start(&f, NULL, (struct ls_server_options){0});
    expect(&f, NULL, "GET /things/x?limt=5", NULL, 400);
    expect(&f, NULL, "GET /open?x=1", NULL, 400);
    expect(&f, NULL, "GET /open", "{}", 200); /* takes no body, and that is none */
    expect(&f, NULL, "GET /open", "[]", 400);
    expect(&f, NULL, "GET /open", "{\"a\":1}", 400);
    expect(
        &f, "admin", "POST /things",
        "{\"long\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxx\"}",
        413);
    client_ask(f.url,
               "POST /things HTTP/1.1\r\nHost: localhost\r\nX-Role: admin\r\n"
               "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
               &a);
    assert_int_equal(a.status, 415);
    client_free(&a);
    client_ask(f.url,
               "POST /things HTTP/1.1\r\nHost: localhost\r\nX-Role: admin\r\nContent-Encoding: "
               "gzip\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
               &a);
    assert_int_equal(a.status, 415);
    client_free(&a);
    client_ask(f.url, "GET /open HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n", &a);
    assert_int_equal(a.status, 406);
    assert_string_equal(client_header(&a, "Content-Type"), "application/problem+json");
    client_free(&a);
    assert_int_equal(changes, 0);
    server_stop(&f);
}

static void a_host_that_is_not_ours_is_misdirected(void **state)
{
    static const char *const hosts[] = {"evil.example", "127.0.0.1.evil.example", "[::2]", "x"};
    struct client_answer a;
    struct server_fixture f;
    char request[200];
    (void)state;

    start(&f, NULL, (struct ls_server_options){0});
    for (size_t i = 0; i < 4; i++) {
        snprintf(request, sizeof request, "GET /open HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
        client_ask(f.url, request, &a);
        assert_int_equal(a.status, 421);
        client_free(&a);
    }
    server_stop(&f);
    start(&f, "server: { hosts: [sync.example.com] }\n", (struct ls_server_options){0});
    client_ask(f.url, "GET /open HTTP/1.1\r\nHost: Sync.example.com:443\r\n\r\n", &a);
    assert_int_equal(a.status, 200);
    client_free(&a);
    client_ask(f.url, "GET /open HTTP/1.1\r\nHost: sync.example.com.:443\r\n\r\n", &a);
    assert_int_equal(a.status, 200);
    client_free(&a);
    expect(&f, NULL, "GET /open", NULL, 200); /* this machine itself still may */
    server_stop(&f);
}

/* ---- answers ---- */

static void an_unchanged_answer_is_not_sent_again(void **state)
{
    char request[300];
    struct client_answer a;
    struct server_fixture f;
    int fd;
    (void)state;

    start(&f, NULL, (struct ls_server_options){0});
    server_expect(&f, NULL, "GET /open", NULL, 200, &a);
    snprintf(request, sizeof request,
             "GET /open HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: \"x\", W/%s\r\n\r\n",
             client_header(&a, "ETag"));
    client_free(&a);
    fd = client_connect(f.url);
    for (int i = 0; i < 2; i++) { /* no byte of a body stands between two answers */
        assert_true(client_say(fd, request));
        client_read(fd, true, &a);
        assert_int_equal(a.status, 304);
        assert_true(strlen(client_header(&a, "ETag")) == 34);
        assert_string_equal(client_header(&a, "Content-Length"), "11"); /* of what is not sent */
        client_free(&a);
    }
    close(fd);
    client_ask(f.url, "GET /open HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: \"x\"\r\n\r\n", &a);
    assert_int_equal(a.status, 200);
    client_free(&a);
    server_stop(&f);
}

static void errors_are_problems(void **state)
{
    struct client_answer a;
    struct server_fixture f;
    (void)state;

    start(&f, NULL, (struct ls_server_options){0});
    server_expect(&f, NULL, "GET /fail/not_found", NULL, 404, &a);
    assert_string_equal(client_header(&a, "Content-Type"), "application/problem+json");
    assert_non_null(strstr(a.body, "{\"type\":\"urn:lockstep:problem:not_found\",\"title\":\"Not "
                                   "Found\",\"status\":404,\"code\":\"not_found\",\"detail\":\"it "
                                   "is not_found\",\"instance\":\"/fail/not_found\",\"request\":"));
    client_free(&a);
    server_expect(&f, NULL, "GET /fail/own", NULL, 418, &a);
    assert_non_null(strstr(a.body, "\"detail\":\"I am a \\\"teapot\\\"\""));
    client_free(&a);
    server_expect(&f, NULL, "GET /fail/connect", NULL, 503, &a);
    assert_string_equal(client_header(&a, "Retry-After"), "5");
    client_free(&a);
    server_expect(&f, NULL, "GET /fail/patient", NULL, 503, &a); /* one wait, the handler's */
    assert_string_equal(client_header(&a, "Retry-After"), "60");
    assert_null(strstr(strstr(a.head, "Retry-After") + 1, "Retry-After"));
    client_free(&a);
    expect(&f, NULL, "GET /fail/locked", NULL, 409);
    expect(&f, NULL, "GET /fail/full", NULL, 507);
    expect(&f, NULL, "GET /fail/permission", NULL, 502);
    server_expect(&f, "viewer", "GET /surface/fail/not_found", NULL, 404, &a);
    assert_non_null(strstr(a.body, "{\"data\":{\"success\":false,\"error\":{\"code\":\"not_found\","
                                   "\"message\":\"it is not_found\"}},\"metadata\":{"));
    assert_non_null(strstr(a.body, "\"version\":\"1.0\"}}"));
    client_free(&a);
    for (enum ls_code rc = LS_OK + 1; rc < LS_CODE_COUNT; rc++) {
        assert_in_range(ls_problem_status(rc), 400, 599);
        assert_string_not_equal(ls_problem_title(ls_problem_status(rc)), "Error");
    }
    server_stop(&f);
}

/* ---- callers ---- */

static void who_may_not_is_told_why(void **state)
{
    struct client_answer a;
    struct server_fixture f;
    (void)state;

    start(&f, NULL, (struct ls_server_options){0});
    server_expect(&f, NULL, "GET /viewer", NULL, 401, &a);
    assert_string_equal(client_header(&a, "WWW-Authenticate"), "Bearer realm=\"lockstep\"");
    client_free(&a);
    expect(&f, "wrong", "GET /viewer", NULL, 401);
    expect(&f, "user", "GET /viewer", NULL, 403);
    expect(&f, "unknown", "GET /viewer", NULL, 503); /* in doubt, no */
    server_expect(&f, "throttled", "GET /viewer", NULL, 429, &a);
    assert_string_equal(client_header(&a, "Retry-After"), "7");
    client_free(&a);
    expect(&f, "viewer", "GET /viewer", NULL, 200);
    expect(&f, "admin", "GET /viewer", NULL, 200);
    expect(&f, "wrong", "GET /open", NULL, 200); /* open to all is open to all */
    server_expect(&f, "wrong", "GET /surface/fail/x", NULL, 401, &a);
    assert_memory_equal(a.body, "{\"data\":{\"success\":false,", 24);
    client_free(&a);
    server_stop(&f);
}

/* Who sends is asked at the end of the head: here no body finds memory at all. */
static void the_body_of_who_may_not_is_not_kept(void **state)
{
    struct server_fixture f;
    (void)state;

    start(&f, NULL, (struct ls_server_options){.http.body_total = 1});
    expect(&f, NULL, "POST /things", "{\"a\":1}", 401);
    assert_non_null(strstr(server_audit(&f), "anonymous|POST /things|/things|{\"outcome\":"
                                             "\"refused\",\"status\":401"));
    expect(&f, "viewer", "POST /things", "{\"a\":1}", 403);
    expect(&f, "throttled", "POST /things", "{\"a\":1}", 429);
    expect(&f, "operator", "POST /things", "{\"a\":1}", 503);
    assert_int_equal(changes, 0);
    server_stop(&f);
}

/* ---- the audit log ---- */

static void calls_that_change_are_in_the_audit_log(void **state)
{
    struct server_fixture f;
    (void)state;

    start(&f, NULL, (struct ls_server_options){0});
    expect(&f, "operator", "POST /things", "{}", 201);
    assert_int_equal(changes, 1);
    assert_non_null(strstr(server_audit(&f), "token:operator|POST /things|/things|{\"outcome\":"
                                             "\"allowed\",\"role\":\"operator\",\"address\":"
                                             "\"127.0.0.1\",\"request\":\""));
    expect(&f, "viewer", "POST /things", "{}", 403);
    assert_non_null(strstr(server_audit(&f), "token:viewer|POST /things|/things|{\"outcome\":"
                                             "\"refused\",\"status\":403,\"role\":\"viewer\""));
    expect(&f, NULL, "DELETE /things/a%20b", NULL, 401);
    assert_non_null(strstr(server_audit(&f), "anonymous|DELETE /things/{thing}|/things/a b|{"
                                             "\"outcome\":\"refused\",\"status\":401"));
    expect(&f, "wrong", "DELETE /things/x", NULL, 401);
    assert_non_null(strstr(server_audit(&f), "token|DELETE"));
    expect(&f, "viewer", "GET /viewer", NULL, 200); /* reading is not */
    assert_int_equal(server_audit_count(&f), 4);
    assert_int_equal(changes, 1);
    server_stop(&f);
}

static void what_cannot_be_written_down_is_not_done(void **state)
{
    struct client_answer a;
    struct server_fixture f;
    (void)state;

    start(&f, NULL, (struct ls_server_options){.state_url = "/nowhere/at/all/state.db"});
    server_expect(&f, "operator", "POST /things", "{}", 503, &a);
    assert_non_null(strstr(a.body, "nothing was done"));
    assert_int_equal(changes, 0);
    client_free(&a);
    expect(&f, NULL, "GET /open", NULL, 200); /* and the rest goes on */
    server_stop(&f);
}

static void a_flood_of_refusals_does_not_fill_the_log(void **state)
{
    size_t entries;
    struct server_fixture f;
    (void)state;

    start(&f, NULL, (struct ls_server_options){0});
    for (int i = 0; i < 600; i++)
        expect(&f, NULL, "DELETE /things/x", NULL, 401);
    entries = server_audit_count(&f);
    assert_in_range(entries, 200, 599);
    server_stop(&f);
}

/* ---- workers ---- */

static void who_would_wait_too_long_is_told_so(void **state)
{
    struct client_answer a;
    struct server_fixture f;
    int fds[3];
    (void)state;

    sem_init(&entered, 0, 0);
    sem_init(&let_go, 0, 0);
    start(&f, NULL, (struct ls_server_options){.look_threads = 2, .queue = 1});
    for (int i = 0; i < 3; i++) {
        fds[i] = client_connect(f.url);
        assert_true(client_say(fds[i], "GET /block HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        if (i < 2)
            sem_wait(&entered);
    }
    while (ls_server_busy(f.server) < 6) /* three requests, three works: the third waits */
        sched_yield();
    server_ask(&f, NULL, "GET /block", NULL, &a); /* whoever comes behind it does not */
    assert_int_equal(a.status, 503);
    assert_string_equal(client_header(&a, "Retry-After"), "5");
    client_free(&a);
    expect(&f, NULL, "GET /open", NULL, 200); /* others do not notice */
    for (int i = 0; i < 3; i++)
        sem_post(&let_go);
    for (int i = 0; i < 3; i++) {
        client_read(fds[i], false, &a);
        assert_int_equal(a.status, 200);
        client_free(&a);
        close(fds[i]);
    }
    server_stop(&f);
}

static void at_the_end_what_runs_is_finished_and_what_waits_is_told(void **state)
{
    struct client_answer a;
    struct server_fixture f;
    int fds[3];
    (void)state;

    sem_init(&entered, 0, 0);
    sem_init(&let_go, 0, 0);
    start(&f, NULL, (struct ls_server_options){.look_threads = 1});
    for (int i = 0; i < 2; i++) {
        fds[i] = client_connect(f.url);
        assert_true(client_say(fds[i], "GET /block HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        if (i == 0)
            sem_wait(&entered);
    }
    fds[2] = client_connect(f.url);
    assert_true(client_say(fds[2], "GET /open HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    client_read(fds[2], false, &a);
    client_free(&a);
    while (ls_server_busy(f.server) < 4) /* two requests, two works */
        sched_yield();
    ls_server_quiesce(f.server);
    assert_true(client_say(fds[2], "GET /block HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    client_read(fds[2], false, &a);
    assert_int_equal(a.status, 503); /* nothing long is begun any more */
    client_free(&a);
    ls_server_cancel(f.server);
    for (int i = 0; i < 2; i++) {
        client_read(fds[i], false, &a);
        assert_int_equal(a.status, 503);
        client_free(&a);
        close(fds[i]);
    }
    close(fds[2]);
    sem_post(&let_go);
    server_stop(&f);
}

/* ---- tables ---- */

static void a_table_that_is_not_right_is_refused(void **state)
{
    static const struct ls_route bad[][2] = {
        {LS_ROUTE("GET", "/a", LS_ROLE_NONE, .handle = hello, .summary = "x"),
         LS_ROUTE("GET", "/a", LS_ROLE_NONE, .handle = hello, .summary = "x")},
        {LS_ROUTE("GET", "/a/{b}", LS_ROLE_NONE, .handle = hello, .summary = "x"),
         LS_ROUTE("GET", "/a/{c}", LS_ROLE_NONE, .handle = hello, .summary = "x")},
        {LS_ROUTE("GET", "/a", LS_ROLE_NONE, .handle = hello, .summary = "x"),
         LS_ROUTE("POST", "/a", LS_ROLE_NONE, .handle = hello, .summary = "x")},
        {LS_ROUTE("GET", "/a", LS_ROLE_NONE, .handle = hello, .summary = "x"),
         LS_ROUTE("POST", "/a", LS_ROLE_NONE, .flags = LS_ROUTE_CHANGES, .handle = hello,
                  .summary = "x")},
        {LS_ROUTE("GET", "/a", LS_ROLE_NONE, .handle = hello, .summary = "x"),
         {.method = "GET", .path = "/b", .handle = hello, .summary = "x"}},
        {LS_ROUTE("GET", "a", LS_ROLE_NONE, .handle = hello, .summary = "x"),
         LS_ROUTE("GET", "/b", LS_ROLE_NONE, .handle = hello, .summary = "x")},
        {LS_ROUTE("GET", "/{a}/{b}/{c}/{d}/{e}", LS_ROLE_NONE, .handle = hello, .summary = "x"),
         LS_ROUTE("GET", "/b", LS_ROLE_NONE, .handle = hello, .summary = "x")},
        {LS_ROUTE("GET", "/a", LS_ROLE_NONE, .handle = hello, .summary = "x"),
         LS_ROUTE("GET", "/b", LS_ROLE_NONE, .handle = hello)},
    };
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct ls_route_table one = {"x", "x", bad[i], 2};
        const struct ls_route_table *const list[] = {&one};
        struct ls_router *router = NULL;
        struct ls_error err = {0};

        if (ls_router_open(list, 1, &router, &err) != LS_INTERNAL)
            fail_msg("table %zu was taken", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_finds_its_route),
        cmocka_unit_test(other_methods_are_told_which_there_are),
        cmocka_unit_test(under_v2_errors_are_those_of_qstash),
        cmocka_unit_test(what_does_not_fit_the_route_is_refused),
        cmocka_unit_test(a_host_that_is_not_ours_is_misdirected),
        cmocka_unit_test(an_unchanged_answer_is_not_sent_again),
        cmocka_unit_test(errors_are_problems),
        cmocka_unit_test(who_may_not_is_told_why),
        cmocka_unit_test(the_body_of_who_may_not_is_not_kept),
        cmocka_unit_test(calls_that_change_are_in_the_audit_log),
        cmocka_unit_test(what_cannot_be_written_down_is_not_done),
        cmocka_unit_test(a_flood_of_refusals_does_not_fill_the_log),
        cmocka_unit_test(who_would_wait_too_long_is_told_so),
        cmocka_unit_test(at_the_end_what_runs_is_finished_and_what_waits_is_told),
        cmocka_unit_test(a_table_that_is_not_right_is_refused),
    };

    return cmocka_run_group_tests_name("server/server", tests, NULL, NULL);
}
