/* SPDX-License-Identifier: Apache-2.0 */
/* test_routes_schedules.c - schedules over HTTP: the real routes over a real state; nothing fires here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server_fixture.h"
#include "state/schedules.h"

#define CONFIG                                                                      \
    "syncs:\n  users: { source: \"sqlite:a#users\", target: \"sqlite:b#users\" }\n" \
    "events: { allow: [a.example] }\n"
#define DAY INT64_C(86400000000)

struct world {
    struct server_fixture f;
    int woken;
    struct client_answer a;
};

static void on_changed(void *ctx)
{
    struct world *w = ctx;

    w->woken++; /* on a worker's thread, before the answer that the test waits for */
}

static void begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    server_start(&w->f, CONFIG, (struct ls_server_options){.ctx = w, .schedules = on_changed});
}

static void done(struct world *w)
{
    client_free(&w->a);
    server_stop(&w->f);
}

/* The body of the answer, until the next call. */
static const char *ask(struct world *w, const char *role, const char *what, const char *body,
                       int status)
{
    client_free(&w->a);
    memset(&w->a, 0, sizeof w->a);
    server_expect(&w->f, role, what, body, status, &w->a);
    return w->a.body ? w->a.body : "";
}

static void says(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("\"%s\" is not in %s", part, text ? text : "what is not there");
}

static void make(struct world *w, const char *id)
{
    char body[200];

    snprintf(body, sizeof body, "{\"id\":\"%s\",\"cron\":\"@daily\",\"queue\":true}", id);
    ask(w, "admin", "POST /api/v1/schedules", body, 201);
}

static void one_is_made_shown_changed_and_removed(void **state)
{
    struct world w;
    (void)state;

    begin(&w);
    says(ask(&w, "admin", "POST /api/v1/schedules",
             "{\"id\":\"n\",\"cron\":\"30 2 * * *\",\"sync\":\"users\"}", 201),
         "\"words\":\"at 02:30, UTC\"");
    assert_string_equal(client_header(&w.a, "Location"), "/api/v1/schedules/n");
    assert_int_equal(w.woken, 1);
    says(ask(&w, "viewer", "GET /api/v1/schedules/n", NULL, 200), "\"origin\":\"api\"");
    says(ask(&w, "admin", "PATCH /api/v1/schedules/n", "{\"retries\":5}", 200), "\"retries\":5");
    says(w.a.body, "\"sync\":\"users\"");
    assert_int_equal(w.woken, 2);
    ask(&w, "admin", "DELETE /api/v1/schedules/n", NULL, 204);
    says(ask(&w, "viewer", "GET /api/v1/schedules/n", NULL, 404), "\"code\":\"not_found\"");
    ask(&w, "admin", "DELETE /api/v1/schedules/n", NULL, 404);
    done(&w);
}

static void what_is_wrong_is_a_problem_of_the_request(void **state)
{
    static const struct {
        const char *what, *body, *why;
        int status;
    } cases[] = {
        {"POST /api/v1/schedules", "{\"id\":\"x\",\"cron\":\"0 0 31 2 *\",\"queue\":true}",
         "never be due", 400},
        {"POST /api/v1/schedules",
         "{\"id\":\"x\",\"cron\":\"@daily\",\"zone\":\"Mars/Olympus\",\"queue\":true}",
         "unknown time zone", 400},
        {"POST /api/v1/schedules", "{\"id\":\"x\",\"cron\":\"@daily\",\"sync\":\"usres\"}",
         "Did you mean \\\"users\\\"", 400},
        {"POST /api/v1/schedules", "{\"id\":\"x\",\"cron\":\"@daily\",\"post\":\"file:///etc\"}",
         "https://", 400},
        {"POST /api/v1/schedules", "{", "JSON", 400},
        {"POST /api/v1/schedules", "{\"id\":\"there\",\"cron\":\"@daily\",\"queue\":true}",
         "already", 409},
        {"PATCH /api/v1/schedules/there", "{\"id\":\"other\"}", "no setting", 400},
        {"PATCH /api/v1/schedules/there", "{\"paused\":true}", "calls of their own", 400},
        {"PATCH /api/v1/schedules/there", "{\"cron\":\"x\"}", "is no number", 400},
        {"PATCH /api/v1/schedules/thre", "{\"retries\":1}", "Did you mean \\\"there\\\"", 404},
        {"POST /api/v1/schedules/thre/trigger", NULL, "there", 404},
        {"GET /api/v1/schedules/thre/history", NULL, "there", 404},
        {"GET /api/v1/schedules/there/history?cursor=x", NULL, "cursor", 400},
        {"GET /api/v1/schedules?cursor=p1", NULL, "cursor", 400},
        {"GET /api/v1/cron", NULL, "cron is missing", 400},
        {"GET /api/v1/cron?cron=x", NULL, "is no number", 400},
        {"GET /api/v1/cron?cron=@daily&limit=101", NULL, "1 to 100", 400},
    };
    struct world w;
    (void)state;

    begin(&w);
    make(&w, "there");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        says(ask(&w, "admin", cases[i].what, cases[i].body, cases[i].status), cases[i].why);
    assert_int_equal(w.woken, 1);
    done(&w);
}

static void who_may(void **state)
{
    struct world w;
    (void)state;

    begin(&w);
    make(&w, "x");
    ask(&w, NULL, "GET /api/v1/schedules", NULL, 401);
    ask(&w, "user", "GET /api/v1/schedules", NULL, 403);
    ask(&w, "viewer", "GET /api/v1/schedules", NULL, 200);
    ask(&w, "viewer", "POST /api/v1/schedules/x/trigger", NULL, 403);
    ask(&w, "operator", "POST /api/v1/schedules/x/trigger", NULL, 202);
    ask(&w, "operator", "POST /api/v1/schedules/x/pause", NULL, 204);
    ask(&w, "operator", "PATCH /api/v1/schedules/x", "{}", 403);
    ask(&w, "operator", "DELETE /api/v1/schedules/x", NULL, 403);
    done(&w);
}

/* Over /v2 an operator removes what an operator makes there, and nothing else. */
static void operators_remove_schedules_of_messages_alone(void **state)
{
    struct world w;
    (void)state;

    begin(&w);
    make(&w, "x");
    ask(&w, "admin", "POST /api/v1/schedules",
        "{\"id\":\"s\",\"cron\":\"@daily\",\"sync\":\"users\"}", 201);
    says(ask(&w, "operator", "DELETE /v2/schedules/x", NULL, 409), "an admin removes it");
    says(ask(&w, "operator", "DELETE /v2/schedules/s", NULL, 409), "an admin removes it");
    ask(&w, "viewer", "GET /api/v1/schedules/s", NULL, 200);
    ask(&w, "admin", "DELETE /v2/schedules/s", NULL, 200);
    ask(&w, "viewer", "GET /api/v1/schedules/s", NULL, 404);
    done(&w);
}

static void with_if_match(struct world *w, const char *method, const char *tag, int status)
{
    char request[500];
    const char *body = strcmp(method, "PATCH") == 0 ? "{\"retries\":3}" : "";

    snprintf(request, sizeof request,
             "%s /api/v1/schedules/x HTTP/1.1\r\nHost: localhost\r\nX-Role: admin\r\n"
             "If-Match: %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             method, tag, strlen(body), body);
    client_free(&w->a);
    memset(&w->a, 0, sizeof w->a);
    client_ask(w->f.url, request, &w->a);
    assert_int_equal(w->a.status, status);
}

static struct ls_state *open_state(struct world *w)
{
    struct ls_state *state = NULL;
    struct ls_error err;

    if (ls_state_open(w->f.state, true, &state, &err) != LS_OK)
        fail_msg("%s", err.text);
    return state;
}

/* Moves schedule x on, as a scheduler does when it fires it: count times, a day apart. */
static void fire(struct world *w, int count, enum ls_firing_state what)
{
    struct ls_state *state = open_state(w);
    struct ls_schedule s;
    struct ls_error err;
    struct ls_arena mem;
    bool fired = false;

    ls_arena_init(&mem, 0);
    for (int i = 0; i < count; i++) {
        struct ls_firing f = {.schedule = "x",
                              .kind = LS_FIRING_DUE,
                              .state = what,
                              .made_us = ls_clock_now_us(),
                              .reason = "the one before is still at work"};
        struct ls_schedule_step step = {.id = "x", .firing_count = 1, .firings = &f};

        assert_int_equal(ls_state_schedule_find(state, "x", &mem, &s, &err), LS_OK);
        f.nominal_us = s.next_us;
        step.version = s.version;
        step.last_us = s.next_us;
        step.next_us = step.due_us = s.next_us + DAY;
        assert_int_equal(ls_state_schedule_step(state, &step, &fired, &err), LS_OK);
        assert_true(fired);
    }
    ls_arena_done(&mem);
    ls_state_close(state);
}

static void two_who_edit_one_are_not_in_each_others_way_unseen(void **state)
{
    char first[60], second[60];
    struct world w;
    (void)state;

    begin(&w);
    make(&w, "x");
    snprintf(first, sizeof first, "%s", client_header(&w.a, "ETag"));
    ask(&w, "viewer", "GET /api/v1/schedules/x", NULL, 200);
    assert_string_equal(client_header(&w.a, "ETag"), first);
    fire(&w, 1, LS_FIRING_SKIPPED); /* that it fires is no edit */
    with_if_match(&w, "PATCH", first, 200);
    snprintf(second, sizeof second, "%s", client_header(&w.a, "ETag"));
    assert_string_not_equal(first, second);
    with_if_match(&w, "PATCH", first, 412);
    says(w.a.body, "Read it again");
    with_if_match(&w, "DELETE", first, 412);
    with_if_match(&w, "PATCH", "x", 400);
    with_if_match(&w, "PATCH", "*", 200);
    ask(&w, "operator", "POST /api/v1/schedules/x/pause", NULL, 204);
    with_if_match(&w, "DELETE", client_header(&w.a, "ETag"), 400);
    ask(&w, "viewer", "GET /api/v1/schedules/x", NULL, 200);
    snprintf(first, sizeof first, "%s", client_header(&w.a, "ETag"));
    with_if_match(&w, "DELETE", first, 204);
    done(&w);
}

static void a_list_goes_on_behind_its_cursor(void **state)
{
    struct world w;
    (void)state;

    begin(&w);
    says(ask(&w, "viewer", "GET /api/v1/schedules", NULL, 200), "{\"items\":[],\"next\":null}");
    make(&w, "b");
    make(&w, "Z");
    make(&w, "a");
    says(ask(&w, "viewer", "GET /api/v1/schedules?limit=2", NULL, 200),
         "{\"items\":[{\"id\":\"Z\"");
    says(w.a.body, "{\"id\":\"a\"");
    says(w.a.body, "],\"next\":\"na\"}");
    assert_string_equal(client_header(&w.a, "Link"),
                        "</api/v1/schedules?limit=2&cursor=na>; rel=\"next\"");
    make(&w, "A"); /* moves nothing */
    says(ask(&w, "viewer", "GET /api/v1/schedules?limit=2&cursor=na", NULL, 200),
         "{\"items\":[{\"id\":\"b\"");
    says(w.a.body, "],\"next\":null}");
    done(&w);
}

static void the_history_tells_what_became_of_each_time(void **state)
{
    char next[60], path[200];
    struct world w;
    (void)state;

    begin(&w);
    make(&w, "x");
    fire(&w, 3, LS_FIRING_SKIPPED);
    says(ask(&w, "viewer", "GET /api/v1/schedules/x/history?limit=2", NULL, 200),
         "\"kind\":\"due\",\"state\":\"skipped\"");
    says(w.a.body, "\"reason\":\"the one before is still at work\"");
    assert_non_null(strstr(w.a.body, "\"next\":\"p"));
    snprintf(next, sizeof next, "%s", strstr(w.a.body, "\"next\":\"p") + strlen("\"next\":\""));
    next[strcspn(next, "\"")] = '\0';
    snprintf(path, sizeof path, "GET /api/v1/schedules/x/history?limit=2&cursor=%s", next);
    says(ask(&w, "viewer", path, NULL, 200), "\"next\":null");
    assert_null(strstr(strstr(w.a.body, "\"id\"") + 1, "\"id\"")); /* one is left */
    says(ask(&w, "viewer", "GET /api/v1/schedules/x", NULL, 200),
         "\"last\":{\"id\""); /* and the newest one is shown */
    done(&w);
}

static void what_is_asked_for_waits_in_the_history(void **state)
{
    char firing[37];
    struct world w;
    (void)state;

    begin(&w);
    make(&w, "x");
    says(ask(&w, "operator", "POST /api/v1/schedules/x/trigger", NULL, 202), "{\"firing\":\"");
    memcpy(firing, w.a.body + strlen("{\"firing\":\""), 36);
    firing[36] = '\0';
    assert_int_equal(w.woken, 2);
    assert_string_equal(client_header(&w.a, "Location"), "/api/v1/schedules/x/history");
    says(ask(&w, "viewer", "GET /api/v1/schedules/x/history", NULL, 200), firing);
    says(w.a.body, "\"kind\":\"manual\",\"state\":\"waiting\"");
    done(&w);
}

static void a_cron_expression_is_told_in_words_and_times(void **state)
{
    struct world w;
    (void)state;

    begin(&w);
    says(ask(&w, "viewer",
             "GET /api/v1/cron?cron=0%2012%20*%20*%20*&zone=Asia/Tokyo&hours=mon-fri&limit=3", NULL,
             400),
         "two times of the day");
    says(ask(&w, "viewer", "GET /api/v1/cron?cron=0%2012%20*%20*%20*&zone=Asia/Tokyo&limit=3", NULL,
             200),
         "{\"words\":\"at 12:00, Asia/Tokyo\",\"next\":[\"");
    says(w.a.body, "T03:00:00.000Z\"]}");
    make(&w, "x");
    says(ask(&w, "viewer", "GET /api/v1/schedules/x/next?limit=1", NULL, 200),
         "{\"words\":\"at 00:00, UTC\",\"next\":[\"");
    done(&w);
}

static void secrets_of_a_call_are_nowhere_to_be_seen(void **state)
{
    struct world w;
    char *audit;
    (void)state;

    begin(&w);
    ask(&w, "admin", "POST /api/v1/schedules",
        "{\"id\":\"x\",\"cron\":\"@daily\",\"post\":{\"url\":\"https://a.example/\",\"headers\":{"
        "\"x-key\":\"s3cret\"},\"body\":\"pa55word\"}}",
        201);
    says(w.a.body, "\"headers\":[\"x-key\"],\"body_bytes\":8");
    ask(&w, "admin", "PATCH /api/v1/schedules/x",
        "{\"post\":{\"url\":\"https://a.example/\",\"body\":\"s3cret\"}}", 200);
    assert_null(strstr(ask(&w, "admin", "GET /api/v1/schedules", NULL, 200), "s3cret"));
    audit = server_audit_since(&w.f, 0);
    says(audit, "|schedule|x|{\"did\":\"create\"");
    says(audit, "|schedule|x|{\"did\":\"change\"");
    assert_null(strstr(audit, "s3cret"));
    assert_null(strstr(audit, "pa55word"));
    free(audit);
    done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_made_shown_changed_and_removed),
        cmocka_unit_test(what_is_wrong_is_a_problem_of_the_request),
        cmocka_unit_test(who_may),
        cmocka_unit_test(operators_remove_schedules_of_messages_alone),
        cmocka_unit_test(two_who_edit_one_are_not_in_each_others_way_unseen),
        cmocka_unit_test(a_list_goes_on_behind_its_cursor),
        cmocka_unit_test(the_history_tells_what_became_of_each_time),
        cmocka_unit_test(what_is_asked_for_waits_in_the_history),
        cmocka_unit_test(a_cron_expression_is_told_in_words_and_times),
        cmocka_unit_test(secrets_of_a_call_are_nowhere_to_be_seen),
    };
    return cmocka_run_group_tests_name("server/routes_schedules", tests, NULL, NULL);
}
