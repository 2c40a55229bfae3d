/* SPDX-License-Identifier: Apache-2.0 */
/* test_calls.c - the HTTP calls of schedules, to servers on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "daemon/calls.h"
#include "lib/testdir.h"
#include "unit/event/receiver.h"

struct world {
    struct ls_config *config;
    struct ls_calls *calls;
    struct receiver *receiver;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t ended;
    struct ls_schedule_end last;
};

static void on_end(struct ls_call_out *call, const struct ls_schedule_end *how)
{
    struct world *w = call->ctx;

    pthread_mutex_lock(&w->lock);
    w->last = *how;
    w->ended++;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

/* allow: what calls may reach beside public addresses. */
static void begin(struct world *w, const char *allow)
{
    char yaml[200], *path;
    struct ls_error err;

    memset(w, 0, sizeof *w);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    snprintf(yaml, sizeof yaml, "events: { allow: [\"%s\"] }\n", allow);
    path = testdir_file("lockstep.yaml", yaml, strlen(yaml));
    assert_int_equal(ls_config_read(path, &w->config, &err), LS_OK);
    free(path);
    assert_int_equal(ls_calls_open(w->config, &w->calls, &err), LS_OK);
    w->receiver = receiver_start(NULL, NULL);
}

static void done(struct world *w)
{
    ls_calls_close(w->calls);
    receiver_stop(w->receiver);
    ls_config_free(w->config);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
}

static void wait_for(struct world *w, size_t ended)
{
    pthread_mutex_lock(&w->lock);
    while (w->ended < ended)
        pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

static enum ls_code start(struct world *w, struct ls_call_out *call, const char *path,
                          struct ls_schedule s, struct ls_error *err)
{
    char url[200];
    const struct ls_firing f = {.id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
                                .attempt = 2,
                                .late = true,
                                .nominal_us = INT64_C(1700000040) * 1000000};

    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", receiver_port(w->receiver), path);
    s.id = "tell";
    s.target = url;
    s.method = s.method ? s.method : "POST";
    s.body = s.body ? s.body : "";
    s.headers = s.headers ? s.headers : "";
    memset(call, 0, sizeof *call);
    call->done = on_end;
    call->ctx = w;
    return ls_calls_start(w->calls, call, &s, &f, err);
}

/* Makes a call and waits for its end. */
static struct ls_schedule_end call(struct world *w, const char *path, struct ls_schedule s)
{
    struct ls_call_out out;
    struct ls_error err;
    const size_t ended = w->ended;

    if (start(w, &out, path, s, &err) != LS_OK)
        fail_msg("%s", err.text);
    wait_for(w, ended + 1);
    ls_call_out_done(&out);
    return w->last;
}

static void a_receiver_gets_what_the_schedule_says_and_which_firing_it_is(void **state)
{
    struct world w;
    const struct received *got;
    struct ls_schedule_end end;
    (void)state;

    begin(&w, "127.0.0.1");
    end = call(&w, "/status/204",
               (struct ls_schedule){.method = "PUT",
                                    .headers = "{\"X-Cron-Secret\":\"s3cret\",\"X-Empty\":\"\"}",
                                    .body = "{\"a\":1}",
                                    .body_size = 7});
    assert_int_equal(end.kind, LS_END_OK);
    assert_string_equal(end.reason, "");
    got = receiver_get(w.receiver, "/status/204", 0);
    assert_string_equal(got->method, "PUT");
    assert_int_equal(got->size, 7);
    assert_memory_equal(got->body, "{\"a\":1}", 7);
    assert_string_equal(received_header(got, "X-Cron-Secret"), "s3cret");
    assert_string_equal(received_header(got, "X-Empty"), "");
    assert_string_equal(received_header(got, "Content-Type"), "application/json");
    assert_string_equal(received_header(got, "Lockstep-Schedule"), "tell");
    assert_string_equal(received_header(got, "Lockstep-Firing"),
                        "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    assert_string_equal(received_header(got, "Lockstep-Nominal-Time"), "2023-11-14T22:14:00.000Z");
    assert_string_equal(received_header(got, "Lockstep-Attempt"), "2");
    assert_string_equal(received_header(got, "Lockstep-Late"), "true");
    done(&w);
}

static void a_call_without_a_body_has_none_and_a_type_of_its_own_stays(void **state)
{
    struct world w;
    const struct received *got;
    (void)state;

    begin(&w, "127.0.0.1");
    call(&w, "/status/200", (struct ls_schedule){.method = "GET"});
    got = receiver_get(w.receiver, "/status/200", 0);
    assert_string_equal(got->method, "GET");
    assert_int_equal(got->size, 0);
    assert_null(received_header(got, "Content-Type"));
    call(&w, "/status/200",
         (struct ls_schedule){
             .headers = "{\"content-type\":\"text/plain\"}", .body = "x", .body_size = 1});
    assert_string_equal(received_header(receiver_get(w.receiver, "/status/200", 1), "Content-Type"),
                        "text/plain");
    done(&w);
}

static void the_status_decides_and_retry_after_is_heard(void **state)
{
    static const struct {
        const char *path;
        enum ls_end_kind kind;
        int64_t after_us;
        const char *why;
    } cases[] = {
        {"/status/503", LS_END_FAILED, 0, "the receiver answered 503"},
        {"/status/404", LS_END_FAILED, 0, "the receiver answered 404"},
        {"/status/429/120", LS_END_FAILED, 120000000, "the receiver answered 429"},
        {"/redirect", LS_END_FAILED, 0, "redirects are not followed"},
        {"/huge", LS_END_OK, 0, ""},
    };
    struct world w;
    (void)state;

    begin(&w, "127.0.0.1");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ls_schedule_end end = call(&w, cases[i].path, (struct ls_schedule){0});

        assert_int_equal(end.kind, cases[i].kind);
        assert_int_equal(end.after_us, cases[i].after_us);
        assert_non_null(strstr(end.reason, cases[i].why));
    }
    assert_int_equal(receiver_count(w.receiver, "/status/200?redirected"), 0);
    done(&w);
}

static void a_receiver_that_hangs_fails_the_attempt_when_its_time_is_over(void **state)
{
    struct world w;
    struct ls_schedule_end end;
    (void)state;

    begin(&w, "127.0.0.1");
    end = call(&w, "/hang", (struct ls_schedule){.timeout_ms = 200});
    assert_int_equal(end.kind, LS_END_FAILED);
    assert_non_null(strstr(end.reason, "no answer in time"));
    done(&w);
}

static void where_the_guard_does_not_let_through_no_call_goes(void **state)
{
    struct world w;
    struct ls_call_out out;
    struct ls_error err = {0};
    (void)state;

    begin(&w, "10.0.0.1");
    assert_int_equal(start(&w, &out, "/status/200", (struct ls_schedule){0}, &err), LS_CONFIG);
    assert_non_null(strstr(err.text, "this machine"));
    ls_call_out_done(&out);
    assert_int_equal(receiver_count(w.receiver, "/"), 0);
    done(&w);
}

static void a_name_that_leads_there_is_found_out_when_it_is_connected(void **state)
{
    struct world w;
    struct ls_call_out out = {.done = on_end, .ctx = &w};
    struct ls_schedule s = {
        .id = "s", .method = "POST", .body = "", .headers = "", .target = "https://localhost.:1/"};
    const struct ls_firing f = {.id = "f", .attempt = 1};
    struct ls_error err = {0};
    enum ls_code rc;
    (void)state;

    begin(&w, "10.0.0.1");
    rc = ls_calls_start(w.calls, &out, &s, &f, &err);
    if (rc == LS_OK) {
        wait_for(&w, 1);
        assert_int_equal(w.last.kind, LS_END_FINAL);
        assert_non_null(strstr(w.last.reason, "events.allow"));
    } else {
        assert_int_equal(rc, LS_CONFIG); /* the name alone tells it */
    }
    ls_call_out_done(&out);
    done(&w);
}

static void what_is_on_its_way_at_the_end_is_cut_off_and_comes_again(void **state)
{
    struct world w;
    struct ls_call_out out, late;
    struct ls_error err = {0};
    (void)state;

    begin(&w, "127.0.0.1");
    assert_int_equal(start(&w, &out, "/hang", (struct ls_schedule){0}, &err), LS_OK);
    receiver_wait(w.receiver, "/hang", 1);
    ls_calls_stop(w.calls);
    assert_int_equal(w.ended, 1);
    assert_int_equal(w.last.kind, LS_END_BUSY);
    assert_true(w.last.after_us > 0);
    assert_int_equal(start(&w, &late, "/status/200", (struct ls_schedule){0}, &err), LS_BUSY);
    ls_call_out_done(&late);
    ls_call_out_done(&out);
    done(&w);
}

static void a_new_configuration_holds_for_the_calls_from_then_on(void **state)
{
    struct world w;
    struct ls_call_out out;
    struct ls_error err = {0};
    (void)state;

    begin(&w, "127.0.0.1");
    ls_calls_change(w.calls, NULL);
    assert_int_equal(start(&w, &out, "/status/200", (struct ls_schedule){0}, &err), LS_CONFIG);
    ls_call_out_done(&out);
    ls_calls_change(w.calls, w.config);
    assert_int_equal(call(&w, "/status/200", (struct ls_schedule){0}).kind, LS_END_OK);
    done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receiver_gets_what_the_schedule_says_and_which_firing_it_is),
        cmocka_unit_test(a_call_without_a_body_has_none_and_a_type_of_its_own_stays),
        cmocka_unit_test(the_status_decides_and_retry_after_is_heard),
        cmocka_unit_test(a_receiver_that_hangs_fails_the_attempt_when_its_time_is_over),
        cmocka_unit_test(where_the_guard_does_not_let_through_no_call_goes),
        cmocka_unit_test(a_name_that_leads_there_is_found_out_when_it_is_connected),
        cmocka_unit_test(what_is_on_its_way_at_the_end_is_cut_off_and_comes_again),
        cmocka_unit_test(a_new_configuration_holds_for_the_calls_from_then_on),
    };
    return cmocka_run_group_tests_name("daemon/calls", tests, NULL, NULL);
}
