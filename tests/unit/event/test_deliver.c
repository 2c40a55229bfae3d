/* SPDX-License-Identifier: Apache-2.0 */
/* test_deliver.c - deliveries over real connections on loopback: what is sent, and what each answer leads to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "deliver_help.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const secrets[] = {"whsec_c2VjcmV0IGtleQ==", "an older one"};

static bool verifies(const struct received *q, enum ls_sign_scheme scheme, const char *secret,
                     const char *url)
{
    const struct ls_sign_message message = {q->headers, q->header_count, q->body, q->size};
    struct ls_sign_rule rule = {.scheme = scheme, .secret_count = 1, .url = url};
    struct ls_sign_finding finding;
    struct ls_secret read;
    struct ls_error err;
    struct ls_arena mem;
    bool valid;

    ls_arena_init(&mem, 0);
    assert_int_equal(ls_secret_read(secret, scheme, &mem, &read, &err), LS_OK);
    rule.secrets = &read;
    valid = ls_sign_verify(&rule, &message, ls_clock_now_us() / 1000000, &finding);
    ls_arena_done(&mem);
    return valid;
}

static void an_event_arrives_signed_in_each_way(void **state)
{
    static const struct ls_endpoint_header headers[] = {{"X-Tenant", "7"}, {"X-Empty", ""}};
    const struct ls_endpoint e = {
        .secret_count = 2, .secrets = secrets, .header_count = 2, .headers = headers};
    struct world *w = *state;
    const struct received *q;
    struct ls_attempt *attempts = NULL;
    int64_t to = world_endpoint(w, "crm", "/status/200?x=1", &e);

    world_accept(w, to, "e1", "r1", "");
    world_deliver(w);
    world_idle(w);
    assert_int_equal(receiver_count(w->r, "/"), 1);
    q = receiver_get(w->r, "/status/200?x=1", 0);
    assert_string_equal(q->method, "POST");
    assert_string_equal(
        q->body,
        "{\"id\":\"e1\",\"type\":\"enrollment.created\",\"resourceId\":\"r1\",\"resourceType\":"
        "\"enrollment\",\"data\":{\"a\": 1.50},\"timestamp\":\"2023-11-14T22:13:20.123Z\","
        "\"retryCount\":0,\"status\":\"processing\"}");
    assert_string_equal(received_header(q, "content-type"), "application/json");
    assert_string_equal(received_header(q, "x-tenant"), "7");
    assert_string_equal(received_header(q, "x-empty"), "");
    assert_string_equal(received_header(q, "user-agent"), "lockstep");
    assert_string_equal(received_header(q, "webhook-id"), "e1");
    assert_null(received_header(q, "expect"));
    assert_true(verifies(q, LS_SIGN_STANDARD, secrets[0], NULL));
    assert_true(verifies(q, LS_SIGN_STANDARD, secrets[1], NULL)); /* both, while they rotate */
    assert_true(verifies(q, LS_SIGN_DOCUMENTED, secrets[0], NULL));
    assert_false(verifies(q, LS_SIGN_DOCUMENTED, secrets[1], NULL));
    assert_int_equal(world_delivery(w, "e1").state, LS_DELIVERY_DELIVERED);
    assert_int_equal(world_attempts(w, "e1", &attempts), 1);
    assert_int_equal(attempts[0].status, 200);
    assert_true(ls_text_starts(attempts[0].address, "127.0.0.1:"));
    assert_string_equal(attempts[0].error, "");
    assert_int_equal(attempts[0].answer_size, 5);
    assert_memory_equal(attempts[0].answer, "xxxxx", 5);
    assert_int_equal(world_seen(w, "e1", 1)->next, LS_DELIVERY_DELIVERED);
}

static void without_a_secret_nothing_is_signed(void **state)
{
    struct world *w = *state;
    const struct received *q;

    world_accept(w, world_endpoint(w, "crm", "/status/204", NULL), "e1", "", "");
    world_deliver(w);
    world_idle(w);
    q = receiver_get(w->r, "/status/204", 0);
    assert_null(received_header(q, "x-webhook-signature"));
    assert_null(received_header(q, "webhook-signature"));
    assert_int_equal(world_delivery(w, "e1").state, LS_DELIVERY_DELIVERED);
}

/* Standard Webhooks joins id, time and body by dots. */
static void an_id_that_no_header_may_hold_is_stood_for_by_a_hash(void **state)
{
    const struct ls_endpoint e = {.secret_count = 1, .secrets = secrets};
    static const char *const ids[] = {"order.1", "a b", "x\r\nX-Evil: 1"};
    struct world *w = *state;
    int64_t to = world_endpoint(w, "crm", "/status/200", &e);

    for (size_t i = 0; i < COUNT(ids); i++)
        world_accept(w, to, ids[i], "", "");
    world_deliver(w);
    world_idle(w);
    for (size_t i = 0; i < COUNT(ids); i++) {
        const struct received *q = receiver_get(w->r, "/status/200", i);
        const char *id = received_header(q, "webhook-id");

        assert_true(ls_text_starts(id, "evt_"));
        assert_int_equal(strlen(id), 36);
        assert_null(received_header(q, "x-evil"));
        assert_true(verifies(q, LS_SIGN_STANDARD, secrets[0], NULL));
    }
}

/* What one attempt leads to. */
static const struct {
    const char *path;
    int status;
    enum ls_delivery_state next;
    const char *error;
    int64_t pause_ms; /* at least; of those that go on */
    bool disabled;
} outcomes[] = {
    {"/status/200", 200, LS_DELIVERY_DELIVERED, "", 0, false},
    {"/status/202", 202, LS_DELIVERY_DELIVERED, "", 0, false},
    {"/status/204", 204, LS_DELIVERY_DELIVERED, "", 0, false},
    {"/huge", 200, LS_DELIVERY_DELIVERED, "the answer was cut off at 64 KiB", 0, false},
    {"/redirect", 302, LS_DELIVERY_PENDING, "HTTP 302", 5000, false},
    {"/status/304", 304, LS_DELIVERY_PENDING, "HTTP 304", 5000, false},
    {"/status/400", 400, LS_DELIVERY_PENDING, "HTTP 400", 5000, false},
    {"/status/401", 401, LS_DELIVERY_PENDING, "HTTP 401", 5000, false},
    {"/status/404", 404, LS_DELIVERY_PENDING, "HTTP 404", 5000, false},
    {"/status/410", 410, LS_DELIVERY_DEAD, "HTTP 410", 0, true},
    {"/status/429", 429, LS_DELIVERY_PENDING, "HTTP 429", 60000, false},
    {"/status/429/90", 429, LS_DELIVERY_PENDING, "HTTP 429", 90000, false},
    {"/status/503/2m", 503, LS_DELIVERY_PENDING, "HTTP 503", 120000, false},
    {"/status/503/1", 503, LS_DELIVERY_PENDING, "HTTP 503", 5000, false},
    {"/status/500", 500, LS_DELIVERY_PENDING, "HTTP 500", 5000, false},
    {"/status/502", 502, LS_DELIVERY_PENDING, "HTTP 502", 60000, false},
    {"/status/504", 504, LS_DELIVERY_PENDING, "HTTP 504", 60000, false},
    {"/final", 489, LS_DELIVERY_DEAD, "HTTP 489", 0, false},
};

static void each_answer_leads_where_it_should(void **state)
{
    struct world *w = *state;
    int64_t to[COUNT(outcomes)], before_us = ls_clock_now_us();

    for (size_t i = 0; i < COUNT(outcomes); i++) {
        char name[20];

        snprintf(name, sizeof(name), "e%zu", i);
        to[i] = world_endpoint(w, name, outcomes[i].path, NULL);
        world_accept(w, to[i], name, "", "");
    }
    world_deliver(w);
    world_wait(w, COUNT(outcomes));
    world_idle(w);
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        struct ls_attempt *attempts = NULL;
        struct ls_delivery_row row;
        char name[20];

        snprintf(name, sizeof(name), "e%zu", i);
        row = world_delivery(w, name);
        if (row.state != outcomes[i].next)
            fail_msg("%s: %s", outcomes[i].path, ls_delivery_state_word(row.state));
        assert_int_equal(world_attempts(w, name, &attempts), 1);
        assert_int_equal(attempts[0].status, outcomes[i].status);
        assert_string_equal(attempts[0].error, outcomes[i].error);
        assert_true(attempts[0].answer_size <= 20 * 1024);
        if (row.state == LS_DELIVERY_PENDING) {
            assert_true(row.due_us >= before_us + outcomes[i].pause_ms * 1000);
            assert_true(row.due_us <= ls_clock_now_us() + outcomes[i].pause_ms * 1200);
        }
        assert_int_equal(*world_kept(w, to[i]).disabled != '\0', outcomes[i].disabled);
        assert_int_equal(*world_seen(w, name, 1)->disabled != '\0', outcomes[i].disabled);
    }
    assert_int_equal(receiver_count(w->r, "/status/200?redirected"), 0);
    assert_int_equal(world_delivery(w, "e3").attempts, 1);
}

/* A receiver that is overloaded is left alone until the time that it named, all of its deliveries, and they use up no attempt. */
static void a_receiver_that_asks_for_time_gets_it(void **state)
{
    const struct ls_endpoint e = {.concurrency = 1};
    struct world *w = *state;
    int64_t to = world_endpoint(w, "crm", "/status/429/3600", &e);
    struct ls_deliver_status status;
    char id[8];

    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof(id), "e%d", i);
        world_accept(w, to, id, "", "");
    }
    world_deliver(w);
    world_wait(w, 1);
    world_idle(w);
    assert_int_equal(receiver_count(w->r, "/"), 1);
    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof(id), "e%d", i);
        assert_int_equal(world_delivery(w, id).state, LS_DELIVERY_PENDING);
        assert_int_equal(world_delivery(w, id).attempts, i == 0);
    }
    assert_true(ls_deliver_status(w->d, to, &status));
    assert_true(status.until_us > ls_clock_now_us());
    assert_int_equal(status.breaker, LS_BREAKER_CLOSED);
}

/* A delivery that fails to its end: message options set the pace, so that no pause has to be waited for. */
#define AT_ONCE ",\"retries\":2,\"retry_delay\":\"0\"}"

static char *message_to(struct world *w, const char *path, const char *rest)
{
    return ls_arena_printf(&w->mem, "{\"url\":\"http://127.0.0.1:%u%s\"%s", receiver_port(w->r),
                           path, rest);
}

static void after_the_last_attempt_it_is_a_dead_letter(void **state)
{
    struct world *w = *state;
    int64_t to = world_endpoint(w, "m", "/unused", &(struct ls_endpoint){.origin = "message"});
    struct ls_attempt *attempts = NULL;
    struct ls_delivery_row row;

    world_accept(w, to, "e1", "", message_to(w, "/status/500", AT_ONCE));
    world_deliver(w);
    world_wait(w, 3);
    world_idle(w);
    row = world_delivery(w, "e1");
    assert_int_equal(row.state, LS_DELIVERY_DEAD);
    assert_int_equal(row.attempts, 3);
    assert_string_equal(row.reason, "the last attempt failed");
    assert_int_equal(world_attempts(w, "e1", &attempts), 3);
    assert_int_equal(receiver_count(w->r, "/status/500"), 3);
    assert_int_equal(ls_deliver_counts(w->d).dead, 1);
}

/* Of the events of one resource the next one comes only when the one before it is through or dead. */
static void order_is_kept_within_a_resource_while_it_fails(void **state)
{
    struct world *w = *state;
    int64_t to = world_endpoint(w, "m", "/unused", &(struct ls_endpoint){.origin = "message"});
    char id[8], path[32];

    for (int i = 0; i < 12; i++) {
        snprintf(id, sizeof(id), "e%d", i);
        snprintf(path, sizeof(path), "/status/%d?%02d", i % 3 == 0 ? 500 : 200, i);
        world_accept(w, to, id, "same", message_to(w, path, AT_ONCE));
    }
    world_deliver(w);
    world_wait(w, 4 * 3 + 8);
    world_idle(w);
    for (size_t i = 0, last = 0; i < 20; i++) {
        const char *at = receiver_get(w->r, "/status", i)->path;
        size_t n = (size_t)strtoul(strchr(at, '?') + 1, NULL, 10);

        assert_true(n == last || n == last + 1);
        last = n;
    }
}

static void a_message_goes_where_and_how_it_says(void **state)
{
    struct world *w = *state;
    int64_t to = world_endpoint(w, "m", "/unused", &(struct ls_endpoint){.origin = "message"});
    const struct received *q;
    char *url = ls_arena_printf(&w->mem, "http://127.0.0.1:%u/status/200?q=1", receiver_port(w->r));

    w->options.qstash_key = "sig_key";
    world_accept(w, to, "m1", "",
                 message_to(w, "/status/200?q=1",
                            ",\"method\":\"PUT\",\"headers\":[[\"Content-Type\",\"text/csv\"],"
                            "[\"X-Cron-Secret\",\"s\"]],\"qstash\":true}"));
    world_accept(w, to, "m2", "", message_to(w, "/status/201", ",\"method\":\"HEAD\"}"));
    world_accept(w, to, "m3", "", message_to(w, "/status/202", "}"));
    world_deliver(w);
    world_idle(w);
    q = receiver_get(w->r, "/status/200?q=1", 0);
    assert_string_equal(q->method, "PUT");
    assert_string_equal(q->body, "{\"a\": 1.50}"); /* byte for byte */
    assert_string_equal(received_header(q, "content-type"), "text/csv");
    assert_string_equal(received_header(q, "x-cron-secret"), "s");
    assert_string_equal(received_header(q, "user-agent"), "Upstash-QStash");
    assert_string_equal(received_header(q, "upstash-message-id"), "m1");
    assert_string_equal(received_header(q, "upstash-retried"), "0");
    assert_true(verifies(q, LS_SIGN_QSTASH, "sig_key", url));
    q = receiver_get(w->r, "/status/201", 0);
    assert_string_equal(q->method, "HEAD");
    q = receiver_get(w->r, "/status/202", 0);
    assert_string_equal(q->method, "POST");
    assert_null(received_header(q, "content-type")); /* it was not said, so it is not made up */
    assert_null(received_header(q, "upstash-signature"));
}

static void a_message_that_cannot_be_sent_ends_without_a_connection(void **state)
{
    static const char *const options[] = {
        "{\"url\":\"http://169.254.169.254/latest/meta-data/\",\"retries\":0}",
        "{\"url\":\"http://[::1]/\",\"retries\":0}",
        "{\"url\":\"file:///etc/passwd\",\"retries\":5}",
        "{\"url\":\"https://example.com\\\\@127.0.0.1/\",\"retries\":5}",
        "{\"url\":\"https://example.com/\",\"method\":\"A B\"}",
        "no JSON",
    };
    struct world *w = *state;
    int64_t to = world_endpoint(w, "m", "/unused", &(struct ls_endpoint){.origin = "message"});
    char id[8];

    for (size_t i = 0; i < COUNT(options); i++) {
        snprintf(id, sizeof(id), "m%zu", i);
        world_accept(w, to, id, "", options[i]);
    }
    world_deliver(w);
    world_wait(w, COUNT(options));
    for (size_t i = 0; i < COUNT(options); i++) {
        snprintf(id, sizeof(id), "m%zu", i);
        assert_int_equal(world_delivery(w, id).state, LS_DELIVERY_DEAD);
        assert_int_equal(world_seen(w, id, 1)->status, 0);
        assert_true(strlen(world_seen(w, id, 1)->error) > 0);
    }
}

static const char *name_of_this_machine(void)
{
    static const char *const tried[] = {NULL, "ip6-localhost", "localhost.localdomain"};
    static char host[256];

    for (size_t i = 0; i < COUNT(tried); i++) {
        struct addrinfo *found, hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
        bool closed;

        if (tried[i])
            snprintf(host, sizeof(host), "%s", tried[i]);
        else if (gethostname(host, sizeof(host)) != 0)
            continue;
        if (strcmp(host, "localhost") == 0 || getaddrinfo(host, NULL, &hints, &found) != 0)
            continue;
        closed = ls_guard_kind(found->ai_addr) != LS_GUARD_PUBLIC;
        freeaddrinfo(found);
        if (closed)
            return host;
    }
    fail_msg("no name of this machine but localhost leads to a closed address");
    return NULL;
}

/* The URL says nothing of it, so only the address that is connected to can tell. */
static void a_name_that_leads_to_a_closed_address_is_not_connected_to(void **state)
{
    struct world w = {0};
    int64_t to;
    char url[400];
    (void)state;

    world_open(&w, "");
    w.guard.plain_http = true;
    snprintf(url, sizeof(url), "http://%s:%u/status/200", name_of_this_machine(),
             receiver_port(w.r));
    to = world_endpoint(&w, "crm", url, NULL);
    world_accept(&w, to, "e1", "", "");
    world_deliver(&w);
    world_wait(&w, 1);
    assert_int_equal(receiver_count(w.r, "/"), 0);
    assert_int_equal(world_delivery(&w, "e1").attempts, 1);
    assert_non_null(strstr(world_seen(&w, "e1", 1)->error, "requests do not go there"));
    world_close(&w);
}

static void an_endpoint_that_may_not_be_reached_fails_with_the_reason(void **state)
{
    struct world w = {0};
    (void)state;

    world_open(&w, "");
    world_accept(&w, world_endpoint(&w, "crm", "/status/200", NULL), "e1", "", "");
    world_deliver(&w);
    world_wait(&w, 1);
    assert_int_equal(receiver_count(w.r, "/"), 0);
    assert_non_null(strstr(world_seen(&w, "e1", 1)->error, "127.0.0.1 is this machine"));
    world_close(&w);
}

/* --- receivers that misbehave */

struct odd_case {
    const char *what, *answer;
    size_t piece;
    bool stay;
    int status;
    const char *error; /* part of it */
};

static void answers_that_are_broken_slow_or_endless(void **state)
{
    static const struct odd_case cases[] = {
        {"closes early", "", 1, false, 0, ""},
        {"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", 100, false, 0, ""},
        {"half a head", "HTTP/1.1 200 OK\r\nContent-Le", 100, false, 0, ""},
        {"half a head, and silence", "HTTP/1.1 200 OK\r\nContent-Le", 100, true, 0, "timed out"},
        {"a head that drips", "HTTP/1.1 200 OK\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         1, true, 0, "timed out"},
        {"silence", "", 1, true, 0, "timed out"},
        {"less than it says", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", 100, false, 200,
         "did not come whole"},
        {"a body that drips", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", 41, true, 200,
         "did not come whole"},
        {"an interim answer only", "HTTP/1.1 100 Continue\r\n\r\n", 100, true, 0, "timed out"},
        {"an interim answer first",
         "HTTP/1.1 103 Early Hints\r\nRetry-After: 5\r\n\r\nHTTP/1.1 500 "
         "No\r\nContent-Length: 0\r\n\r\n",
         100, true, 500, "HTTP 500"},
        {"a status that is none", "HTTP/1.1 999999 X\r\n\r\n", 100, false, 0, ""},
    };
    struct odd_server *servers[COUNT(cases)];
    struct world *w = *state;
    char id[8], url[64];

    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct ls_endpoint e = {.timeout_ms = 700};

        servers[i] =
            odd_start(cases[i].answer, strlen(cases[i].answer), cases[i].piece, cases[i].stay);
        snprintf(id, sizeof(id), "e%zu", i);
        snprintf(url, sizeof(url), "http://127.0.0.1:%u/", odd_port(servers[i]));
        world_accept(w, world_endpoint(w, id, url, &e), id, "", "");
    }
    world_deliver(w);
    world_wait(w, COUNT(cases));
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct seen *s;

        snprintf(id, sizeof(id), "e%zu", i);
        s = world_seen(w, id, 1);
        if (s->status != cases[i].status || !strstr(s->error, cases[i].error))
            fail_msg("%s: %d, %s", cases[i].what, s->status, s->error);
        assert_int_equal(s->next,
                         cases[i].status == 200 ? LS_DELIVERY_DELIVERED : LS_DELIVERY_PENDING);
        odd_stop(servers[i]);
    }
}

/* It would go on for as long as it may, which is longer than this test waits. */
static void an_answer_that_does_not_end_is_cut_off(void **state)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    const struct ls_endpoint e = {.timeout_ms = 120000};
    struct world *w = *state;
    char url[64], *answer = calloc(1, 200000);
    struct odd_server *server;

    memcpy(answer, head, sizeof(head) - 1);
    server = odd_start(answer, 200000, 200000, true);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", odd_port(server));
    world_accept(w, world_endpoint(w, "e", url, &e), "e", "", "");
    world_deliver(w);
    world_wait(w, 1);
    assert_non_null(strstr(world_seen(w, "e", 1)->error, "cut off at 64 KiB"));
    odd_stop(server);
    free(answer);
}

/* Its first 20 KiB to the byte, and shorter ones whole. */
static void of_an_answer_20_kib_are_kept(void **state)
{
    static const size_t sizes[] = {20479, 20480, 20481, 65536};
    struct odd_server *servers[COUNT(sizes)];
    struct world *w = *state;
    char id[8], url[64], *answer = malloc(70000);

    for (size_t i = 0; i < COUNT(sizes); i++) {
        const int head =
            snprintf(answer, 200, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", sizes[i]);

        for (size_t at = 0; at < sizes[i]; at++)
            answer[(size_t)head + at] = (char)('a' + at % 23);
        servers[i] = odd_start(answer, (size_t)head + sizes[i], 70000, false);
        snprintf(id, sizeof(id), "e%zu", i);
        snprintf(url, sizeof(url), "http://127.0.0.1:%u/", odd_port(servers[i]));
        world_accept(w, world_endpoint(w, id, url, NULL), id, "", "");
    }
    world_deliver(w);
    world_wait(w, COUNT(sizes));
    for (size_t i = 0; i < COUNT(sizes); i++) {
        const size_t kept = sizes[i] < 20480 ? sizes[i] : 20480;
        struct ls_attempt *attempts = NULL;

        snprintf(id, sizeof(id), "e%zu", i);
        assert_int_equal(world_attempts(w, id, &attempts), 1);
        assert_int_equal(attempts[0].status, 200);
        assert_string_equal(attempts[0].error, "");
        assert_int_equal(attempts[0].answer_size, kept);
        for (size_t at = 0; at < kept; at++)
            assert_int_equal(((const char *)attempts[0].answer)[at], 'a' + at % 23);
        odd_stop(servers[i]);
    }
    free(answer);
}

static void nobody_there_is_a_failure_of_the_endpoint(void **state)
{
    struct odd_server *s = odd_start("", 0, 1, false);
    unsigned port = odd_port(s);
    struct world *w = *state;
    char url[64];

    odd_stop(s);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
    world_accept(w, world_endpoint(w, "crm", url, NULL), "e1", "", "");
    world_deliver(w);
    world_wait(w, 1);
    assert_int_equal(world_delivery(w, "e1").attempts, 1);
    assert_int_equal(ls_deliver_counts(w->d).faults, 0);
}

/* --- bounds */

/* One that hangs has all of its places taken, for as long as it likes; another one gets a thousand events meanwhile. */
static void one_that_hangs_holds_up_nobody_else(void **state)
{
    const struct ls_endpoint e = {.timeout_ms = 60000, .concurrency = 4};
    struct world *w = *state;
    int64_t hung = world_endpoint(w, "hung", "/hang", &e);
    int64_t well = world_endpoint(w, "well", "/status/200", NULL);
    struct ls_deliver_status status;
    char id[16];

    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof(id), "h%d", i);
        world_accept(w, hung, id, "", "");
    }
    world_deliver(w);
    receiver_wait(w->r, "/hang", 4);
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof(id), "w%d", i);
        world_accept(w, well, id, "", "");
    }
    world_wait(w, 1000);
    assert_int_equal(ls_deliver_counts(w->d).delivered, 1000);
    assert_int_equal(receiver_count(w->r, "/hang"), 4);
    assert_true(ls_deliver_status(w->d, hung, &status));
    assert_int_equal(status.sending, 4);
    receiver_release(w->r);
    world_wait(w, 1020);
    assert_int_equal(ls_deliver_counts(w->d).failed, 0);
}

static void endpoints_for_which_there_was_no_place_have_their_turn(void **state)
{
    struct world *w = *state;
    char name[8];

    w->options.max_in_flight = 2;
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "e%d", i);
        world_accept(w, world_endpoint(w, name, "/status/200", NULL), name, "", "");
    }
    world_deliver(w);
    world_wait(w, 6);
    world_idle(w);
    assert_int_equal(receiver_count(w->r, "/status/200"), 6);
}

static void as_many_are_sent_at_once_as_the_endpoint_takes(void **state)
{
    const struct ls_endpoint e = {.timeout_ms = 60000, .concurrency = 3};
    struct world *w = *state;
    int64_t to = world_endpoint(w, "crm", "/together/3", &e);
    char id[8];

    for (int i = 0; i < 60; i++) {
        snprintf(id, sizeof(id), "e%d", i);
        world_accept(w, to, id, "", "");
    }
    world_deliver(w);
    world_wait(w, 60); /* fewer than 3 at once would hang */
    assert_int_equal(receiver_most_together(w->r), 3);
}

/* The bound of a rate is a lower bound of time, so it can be asserted. */
static void no_more_are_sent_than_the_rate_allows(void **state)
{
    const struct ls_endpoint e = {.rate = 4};
    struct world *w = *state;
    int64_t to = world_endpoint(w, "crm", "/status/200", &e), began_us = ls_clock_monotonic_us();
    char id[8];

    for (int i = 0; i < 8; i++) {
        snprintf(id, sizeof(id), "e%d", i);
        world_accept(w, to, id, "", "");
    }
    world_deliver(w);
    world_wait(w, 8); /* four at once, and one each quarter of a second */
    assert_true(ls_clock_monotonic_us() - began_us >= 1000000);
}

/* --- breakers */

static const struct ls_breaker_rule quick = {.window_us = 60000000,
                                             .share_percent = 50,
                                             .least = 5,
                                             .open_us = 200000,
                                             .open_max_us = 400000,
                                             .disable_us = 0};

static void a_breaker_parks_what_is_due_and_lets_it_go_when_the_receiver_is_back(void **state)
{
    const struct ls_endpoint e = {.concurrency = 1};
    struct world *w = *state;
    int64_t to = world_endpoint(w, "crm", "/dynamic", &e);
    size_t sent;
    char id[8];

    w->options.breaker = &quick;
    receiver_dynamic(w->r, 500);
    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof(id), "e%d", i);
        world_accept(w, to, id, "", "");
    }
    world_deliver(w);
    world_wait(w, 5);
    world_idle(w);
    assert_int_equal(world_seen(w, "e4", 1)->change, LS_BREAKER_OPENS);
    assert_non_null(strstr(world_kept(w, to).breaker, "\"open\""));
    sent = receiver_count(w->r, "/dynamic");
    assert_true(sent < 12); /* five, and a probe for each pause that has gone by */
    assert_int_equal(world_delivery(w, "e39").attempts, 0);
    receiver_dynamic(w->r, 200);
    for (int i = 0; i < 40; i++) { /* those that failed are due later */
        snprintf(id, sizeof(id), "e%d", i);
        if (world_delivery(w, id).attempts == 0)
            receiver_wait(w->r, "/dynamic", ++sent);
    }
    world_idle(w);
    assert_int_equal(world_delivery(w, "e39").state, LS_DELIVERY_DELIVERED);
    assert_non_null(strstr(world_kept(w, to).breaker, "\"closed\""));
}

static void a_breaker_goes_on_after_a_restart(void **state)
{
    struct ls_breaker_rule slow = quick;
    struct world *w = *state;
    int64_t to = world_endpoint(w, "crm", "/status/500", &(struct ls_endpoint){.concurrency = 1});
    struct ls_deliver_status status;
    char id[8];

    slow.open_us = slow.open_max_us = INT64_C(3600000000);
    w->options.breaker = &slow;
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof(id), "e%d", i);
        world_accept(w, to, id, "", "");
    }
    world_deliver(w);
    world_wait(w, 5);
    world_idle(w);
    world_rest(w, 10000);
    world_deliver(w);
    world_idle(w);
    assert_int_equal(receiver_count(w->r, "/"), 5);
    assert_true(ls_deliver_status(w->d, to, &status));
    assert_int_equal(status.breaker, LS_BREAKER_OPEN);
}

static void enable(struct ls_endpoint *e)
{
    e->disabled = "";
}

static void an_endpoint_that_is_gone_gets_nothing_until_it_is_enabled(void **state)
{
    struct world *w = *state;
    int64_t to = world_endpoint(w, "crm", "/dynamic", NULL);

    receiver_dynamic(w->r, 410);
    world_accept(w, to, "e1", "", "");
    world_deliver(w);
    world_wait(w, 1);
    world_accept(w, to, "e2", "", "");
    world_idle(w);
    assert_int_equal(receiver_count(w->r, "/"), 1);
    assert_int_equal(world_delivery(w, "e1").state, LS_DELIVERY_DEAD);
    assert_int_equal(world_delivery(w, "e2").state, LS_DELIVERY_PENDING);
    assert_string_equal(world_kept(w, to).disabled, "the receiver is gone for good (410)");
    receiver_dynamic(w->r, 200);
    world_change(w, to, enable);
    world_wait(w, 2);
    assert_int_equal(world_delivery(w, "e2").state, LS_DELIVERY_DELIVERED);
}

static void stop_it(struct ls_endpoint *e)
{
    e->paused = true;
}

static void go_on(struct ls_endpoint *e)
{
    e->paused = false;
}

static void a_paused_endpoint_waits(void **state)
{
    struct world *w = *state;
    int64_t to = world_endpoint(w, "crm", "/status/200", NULL);

    world_deliver(w);
    world_change(w, to, stop_it);
    world_idle(w);
    world_accept(w, to, "e1", "", "");
    world_idle(w);
    assert_int_equal(receiver_count(w->r, "/"), 0);
    world_change(w, to, go_on);
    world_wait(w, 1);
    assert_int_equal(world_delivery(w, "e1").state, LS_DELIVERY_DELIVERED);
}

/* What is on its way was begun with what the endpoints were then, which lies in memory that a change gives back. */
static void endpoints_may_change_while_something_is_sent(void **state)
{
    const struct ls_endpoint paused = {.paused = true};
    struct world *w = *state;
    int64_t slow = world_endpoint(w, "slow", "/hang", &(struct ls_endpoint){.timeout_ms = 60000});
    int64_t other = world_endpoint(w, "other", "/status/200", &paused);

    world_accept(w, slow, "e1", "", "");
    world_accept(w, other, "e2", "", "");
    world_deliver(w);
    receiver_wait(w->r, "/hang", 1);
    world_change(w, other, go_on);
    world_wait(w, 1); /* so the change was read */
    receiver_release(w->r);
    world_wait(w, 2);
    assert_int_equal(world_delivery(w, "e1").state, LS_DELIVERY_DELIVERED);
}

/* --- our own faults */

/* Nothing else was reached by name, so it may as well be our resolver. */
static void a_name_that_nobody_can_resolve_is_a_fault_of_ours_at_first(void **state)
{
    struct world *w = *state;
    int64_t to = world_endpoint(w, "crm", "https://no-such-host.invalid/", NULL);

    world_accept(w, to, "e1", "", "");
    world_deliver(w);
    world_wait(w, 1);
    world_idle(w);
    assert_true(ls_deliver_counts(w->d).faults > 0);
    assert_int_equal(world_delivery(w, "e1").attempts, 0);
    assert_int_equal(world_delivery(w, "e1").state, LS_DELIVERY_PENDING);
    assert_int_equal(world_seen(w, "e1", 0)->status, 0);
}

/* --- the end */

static void what_is_being_sent_when_it_ends_goes_back_and_is_sent_again(void **state)
{
    struct world *w = *state;
    int64_t to = world_endpoint(w, "crm", "/hang", &(struct ls_endpoint){.timeout_ms = 60000});
    const struct received *first, *second;

    world_accept(w, to, "e1", "", "");
    world_deliver(w);
    receiver_wait(w->r, "/hang", 1);
    world_rest(w, 0);
    assert_int_equal(world_delivery(w, "e1").state, LS_DELIVERY_PENDING);
    assert_int_equal(world_delivery(w, "e1").attempts, 0);
    receiver_release(w->r);
    world_deliver(w);
    receiver_wait(w->r, "/hang", 2);
    world_idle(w);
    assert_int_equal(world_delivery(w, "e1").state, LS_DELIVERY_DELIVERED);
    first = receiver_get(w->r, "/hang", 0);
    second = receiver_get(w->r, "/hang", 1);
    assert_string_equal(first->body, second->body);
}

static void endpoints_that_change_as_it_ends_do_not_keep_it(void **state)
{
    struct world *w = *state;

    (void)world_endpoint(w, "crm", "/status/200", NULL);
    for (int i = 0; i < 50; i++) {
        world_deliver(w);
        world_idle(w);
        ls_deliver_reload(w->d);
        world_rest(w, 0);
    }
}

static void what_is_being_sent_when_it_ends_may_finish(void **state)
{
    struct world *w = *state;
    int64_t to = world_endpoint(w, "crm", "/together/4", &(struct ls_endpoint){.concurrency = 4});
    char id[8];

    for (int i = 0; i < 4; i++) {
        snprintf(id, sizeof(id), "e%d", i);
        world_accept(w, to, id, "", "");
    }
    world_deliver(w);
    receiver_wait(w->r, "/together", 1);
    world_rest(w, 60000);
    for (int i = 0; i < 4; i++) {
        snprintf(id, sizeof(id), "e%d", i);
        assert_true(world_delivery(w, id).attempts == 1 || world_delivery(w, id).attempts == 0);
        assert_true(world_delivery(w, id).state == LS_DELIVERY_DELIVERED ||
                    world_delivery(w, id).state == LS_DELIVERY_PENDING);
    }
}

/* --- what else happens in the transaction */

static enum ls_code accept_a_callback(void *ctx, struct ls_queue_tx *tx,
                                      const struct ls_delivery *d,
                                      const struct ls_delivery_end *end, struct ls_error *err)
{
    struct world *w = ctx;
    const char *id =
        ls_text_starts(d->e.id, "cb-") ? NULL : ls_arena_printf(&w->mem, "cb-%s", d->e.id);
    struct ls_event e = {.id = id,
                         .type = "callback",
                         .resource_type = "",
                         .resource_id = "",
                         .data = "{}",
                         .data_size = 2,
                         .options = ""};
    bool known;

    if (!id || end->next == LS_DELIVERY_PENDING)
        return LS_OK;
    return ls_queue_accept(tx, &e, &end->endpoint, 1, 0, &known, err);
}

static void an_end_may_lead_to_another_event_in_the_same_transaction(void **state)
{
    struct world *w = *state;
    int64_t to = world_endpoint(w, "crm", "/status/200", NULL);

    w->options.recorded = accept_a_callback;
    world_accept(w, to, "e1", "", "");
    world_deliver(w);
    world_wait(w, 2);
    assert_int_equal(world_delivery(w, "cb-e1").state, LS_DELIVERY_DELIVERED);
}

static int open_world(void **state)
{
    struct world *w = malloc(sizeof(*w));

    world_open(w, NULL);
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    world_close(*state);
    free(*state);
    return 0;
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(an_event_arrives_signed_in_each_way),
        IN_A_WORLD(without_a_secret_nothing_is_signed),
        IN_A_WORLD(an_id_that_no_header_may_hold_is_stood_for_by_a_hash),
        IN_A_WORLD(each_answer_leads_where_it_should),
        IN_A_WORLD(a_receiver_that_asks_for_time_gets_it),
        IN_A_WORLD(after_the_last_attempt_it_is_a_dead_letter),
        IN_A_WORLD(order_is_kept_within_a_resource_while_it_fails),
        IN_A_WORLD(a_message_goes_where_and_how_it_says),
        IN_A_WORLD(a_message_that_cannot_be_sent_ends_without_a_connection),
        cmocka_unit_test(a_name_that_leads_to_a_closed_address_is_not_connected_to),
        cmocka_unit_test(an_endpoint_that_may_not_be_reached_fails_with_the_reason),
        IN_A_WORLD(answers_that_are_broken_slow_or_endless),
        IN_A_WORLD(an_answer_that_does_not_end_is_cut_off),
        IN_A_WORLD(of_an_answer_20_kib_are_kept),
        IN_A_WORLD(nobody_there_is_a_failure_of_the_endpoint),
        IN_A_WORLD(one_that_hangs_holds_up_nobody_else),
        IN_A_WORLD(endpoints_for_which_there_was_no_place_have_their_turn),
        IN_A_WORLD(as_many_are_sent_at_once_as_the_endpoint_takes),
        IN_A_WORLD(no_more_are_sent_than_the_rate_allows),
        IN_A_WORLD(a_breaker_parks_what_is_due_and_lets_it_go_when_the_receiver_is_back),
        IN_A_WORLD(a_breaker_goes_on_after_a_restart),
        IN_A_WORLD(an_endpoint_that_is_gone_gets_nothing_until_it_is_enabled),
        IN_A_WORLD(a_paused_endpoint_waits),
        IN_A_WORLD(endpoints_may_change_while_something_is_sent),
        IN_A_WORLD(a_name_that_nobody_can_resolve_is_a_fault_of_ours_at_first),
        IN_A_WORLD(what_is_being_sent_when_it_ends_goes_back_and_is_sent_again),
        IN_A_WORLD(endpoints_that_change_as_it_ends_do_not_keep_it),
        IN_A_WORLD(what_is_being_sent_when_it_ends_may_finish),
        IN_A_WORLD(an_end_may_lead_to_another_event_in_the_same_transaction),
    };
    return cmocka_run_group_tests_name("event/deliver", tests, NULL, NULL);
}
