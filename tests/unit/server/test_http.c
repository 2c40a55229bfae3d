/* SPDX-License-Identifier: Apache-2.0 */
/* test_http.c - the HTTP server over real sockets: answers now and later, streams, limits, deadlines, and requests that lie.
 *
 * The owner here answers by path: /echo the body, /later from another thread, /self before the call is back, /stream in
 * pieces from another thread, /never not at all; everything else is 404 with the path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/thread.h"
#include "client.h"
#include "server/http.h"
#include "server/stream.h"

#define BODY_MAX 100000

struct fixture {
    struct ls_http *http;
    int listen_fd;
    char url[LS_LISTEN_URL];
    _Atomic unsigned calls, done, smuggled, gone;
    struct ls_thread thread;
    struct ls_request *request; /* what the thread answers */
    struct ls_stream *live;
};

static void answer_text(struct ls_response *r, struct ls_request *request, int status,
                        const char *text)
{
    r->status = status;
    r->type = "text/plain";
    r->body = ls_arena_text(request->mem, text);
    r->body_size = strlen(text);
}

static void answer_later(void *arg)
{
    struct fixture *f = arg;
    struct ls_response r = {0};

    answer_text(&r, f->request, 200, "later");
    ls_request_answer(f->request, &r);
}

static void write_stream(void *arg)
{
    struct fixture *f = arg;
    struct ls_stream *stream = ls_stream_new(1000);
    struct ls_response r = {.type = "text/plain", .stream = stream};
    char line[100];
    bool ok = true;

    ls_request_answer(f->request, &r);
    for (int i = 0; i < 10000 && ok; i++) {
        snprintf(line, sizeof line, "line %d of many lines that have to be sent\n", i);
        ok = ls_stream_write(stream, line, strlen(line));
    }
    if (!ok)
        atomic_fetch_add(&f->gone, 1);
    ls_stream_end(stream);
}

static bool on_head(void *ctx, struct ls_request *request, size_t *ret_body_max,
                    struct ls_response *early)
{
    struct fixture *f = ctx;

    if (strstr(request->path, "smuggled"))
        atomic_fetch_add(&f->smuggled, 1);
    *ret_body_max = BODY_MAX;
    request->discard = strcmp(request->path, "/discard") == 0;
    if (strcmp(request->path, "/early") != 0)
        return true;
    answer_text(early, request, 403, "early");
    return false;
}

static void on_call(void *ctx, struct ls_request *request, struct ls_response *ret)
{
    struct fixture *f = ctx;

    atomic_fetch_add(&f->calls, 1);
    f->request = request;
    if (strcmp(request->path, "/echo") == 0 || strcmp(request->path, "/discard") == 0) {
        ret->type = "text/plain";
        ret->body = request->body;
        ret->body_size = request->body_size;
    } else if (strcmp(request->path, "/peer") == 0) {
        answer_text(ret, request, 200, request->peer);
    } else if (strcmp(request->path, "/protocol") == 0) {
        answer_text(ret, request, 200, request->tls ? "https" : "http");
    } else if (strcmp(request->path, "/self") == 0) {
        ret->later = true;
        answer_later(f);
    } else if (strcmp(request->path, "/never") == 0) {
        ret->later = true;
    } else if (strcmp(request->path, "/live") == 0) {
        ret->stream = f->live = ls_stream_new(1000);
        ret->live = true;
        assert_true(ls_stream_offer(f->live, "begun", 5));
    } else if (strcmp(request->path, "/later") == 0 || strcmp(request->path, "/stream") == 0) {
        ret->later = true;
        ls_thread_join(&f->thread);
        assert_int_equal(ls_thread_start(&f->thread,
                                         request->path[1] == 'l' ? answer_later : write_stream, f,
                                         NULL),
                         LS_OK);
    } else {
        answer_text(ret, request, 404, request->path);
    }
}

static void on_done(void *ctx, const struct ls_request *request, int status)
{
    struct fixture *f = ctx;

    (void)request;
    (void)status;
    atomic_fetch_add(&f->done, 1);
}

static void on_refuse(void *ctx, struct ls_request *request, int status, const char *why,
                      struct ls_response *ret)
{
    (void)ctx;
    answer_text(ret, request, status, why);
}

static void start_with(struct fixture *f, struct ls_http_options options)
{
    const struct ls_http_owner owner = {f, on_head, on_call, on_done, on_refuse};
    struct ls_error err = {0};
    bool loopback = false;

    memset(f, 0, sizeof *f);
    assert_int_equal(ls_http_listen("127.0.0.1:0", options.cert != NULL, &options.listen_fd,
                                    &loopback, f->url, &err),
                     LS_OK);
    f->listen_fd = options.listen_fd;
    assert_true(loopback);
    if (ls_http_open(&options, &owner, &f->http, &err) != LS_OK)
        fail_msg("%s", err.text);
}

static void start(struct fixture *f)
{
    start_with(f, (struct ls_http_options){0});
}

static void stop(struct fixture *f)
{
    ls_http_quiesce(f->http);
    ls_http_abandon(f->http);
    ls_http_close(f->http);
    ls_thread_join(&f->thread);
    close(f->listen_fd);
}

static void assert_answer(const struct fixture *f, const char *request, int status,
                          const char *body)
{
    struct client_answer a;

    client_ask(f->url, request, &a);
    assert_int_equal(a.status, status);
    assert_string_equal(a.body ? a.body : "", body);
    client_free(&a);
}

/* ---- answers ---- */

static void a_body_comes_back_as_it_was_sent(void **state)
{
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 256\r\n\r\n";
    struct client_answer a;
    struct fixture f;
    unsigned char bytes[256];
    int fd;
    (void)state;

    start(&f);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    fd = client_connect(f.url);
    assert_true(client_say(fd, head));
    assert_true(client_send(fd, bytes, sizeof bytes));
    client_read(fd, false, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body_size, sizeof bytes);
    assert_memory_equal(a.body, bytes, sizeof bytes);
    assert_string_equal(client_header(&a, "X-Content-Type-Options"), "nosniff");
    assert_int_equal(strlen(client_header(&a, "X-Request-Id")), 16);
    client_free(&a);
    close(fd);
    assert_answer(&f,
                  "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                  200, "abcde");
    stop(&f);
}

static void one_connection_carries_many_requests(void **state)
{
    struct client_answer a;
    struct fixture f;
    int fd;
    (void)state;

    start(&f);
    fd = client_connect(f.url);
    for (int i = 0; i < 20; i++) { /* two at once: pipelined */
        assert_true(client_say(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "HEAD /later HTTP/1.1\r\nHost: x\r\n\r\n"));
        client_read(fd, false, &a);
        assert_int_equal(a.status, 404);
        assert_string_equal(a.body, "/a");
        client_free(&a);
        client_read(fd, true, &a);
        assert_int_equal(a.status, 200);
        assert_string_equal(client_header(&a, "Content-Length"), "5");
        client_free(&a);
    }
    close(fd);
    stop(&f);
    assert_int_equal(f.done, 40);
}

static void an_answer_may_come_later_or_before_the_call_is_back(void **state)
{
    struct fixture f;
    (void)state;

    start(&f);
    for (int i = 0; i < 50; i++) {
        assert_answer(&f, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n", 200, "later");
        assert_answer(&f, "GET /self HTTP/1.1\r\nHost: x\r\n\r\n", 200, "later");
    }
    stop(&f);
}

static void an_answer_to_the_head_needs_no_body(void **state)
{
    struct client_answer a;
    struct fixture f;
    int fd;
    (void)state;

    start(&f);
    fd = client_connect(f.url);
    assert_true(client_say(fd, "POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n"
                               "Expect: 100-continue\r\n\r\n"));
    client_read(fd, false, &a);
    assert_int_equal(a.status, 403);
    client_free(&a);
    assert_true(client_closed(fd)); /* or the body would be read as a request */
    close(fd);
    assert_answer(&f, "GET /early HTTP/1.1\r\nHost: x\r\n\r\n", 403, "early");
    stop(&f);
}

static void what_is_never_answered_is_given_up_at_the_end(void **state)
{
    struct client_answer a;
    struct fixture f;
    int fd;
    (void)state;

    start(&f);
    fd = client_connect(f.url);
    assert_true(client_say(fd, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n"));
    while (atomic_load(&f.calls) == 0)
        sched_yield();
    ls_http_quiesce(f.http);
    assert_int_equal(ls_http_busy(f.http), 1);
    ls_http_abandon(f.http);
    client_read(fd, false, &a);
    assert_int_equal(a.status, 503);
    assert_string_equal(client_header(&a, "Connection"), "close");
    client_free(&a);
    close(fd);
    answer_later(&f); /* too late: it goes nowhere */
    stop(&f);
    assert_int_equal(f.done, 1);
}

/* ---- streams ---- */

static void a_stream_arrives_whole(void **state)
{
    struct client_answer a;
    struct fixture f;
    const char *at;
    (void)state;

    start(&f);
    client_ask(f.url, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", &a);
    assert_int_equal(a.status, 200);
    at = a.body;
    for (int i = 0; i < 10000; i++) {
        char line[100];

        snprintf(line, sizeof line, "line %d of many lines that have to be sent\n", i);
        assert_memory_equal(at, line, strlen(line));
        at += strlen(line);
    }
    assert_string_equal(at, "");
    client_free(&a);
    stop(&f);
    assert_int_equal(f.gone, 0);
}

static void the_writer_of_a_stream_learns_that_its_reader_left(void **state)
{
    struct fixture f;
    int fd;
    (void)state;

    start(&f);
    fd = client_connect(f.url);
    assert_true(client_say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
    client_read_until(fd, "line 3 of");
    close(fd);
    ls_thread_join(&f.thread); /* ends although most was not read */
    stop(&f);
    assert_int_equal(f.gone, 1);
}

/* Nothing is sent: only the other side's end can be noticed. */
static void a_silent_stream_ends_when_its_reader_leaves(void **state)
{
    struct fixture f;
    int fd;
    (void)state;

    start(&f);
    for (int i = 0; i < 3; i++) {
        fd = client_connect(f.url);
        assert_true(client_say(fd, "GET /live HTTP/1.1\r\nHost: x\r\n\r\n"));
        client_read_until(fd, "begun");
        if (i == 0)
            assert_true(client_say(fd, "GET /peer HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_false(ls_stream_left(f.live));
        if (i == 1)
            shutdown(fd, SHUT_WR);
        else
            close(fd);
        while (!ls_stream_left(f.live))
            sched_yield();
        assert_false(ls_stream_offer(f.live, "more", 4));
        ls_stream_end(f.live);
        if (i == 1) {
            client_read_until(fd, "\r\n0\r\n\r\n"); /* who only sends no more is told the end */
            close(fd);
        }
    }
    while (ls_http_busy(f.http) > 0)
        sched_yield();
    stop(&f);
}

/* ---- limits ---- */

static void a_body_that_is_too_long_is_refused(void **state)
{
    char chunk[10100];
    struct client_answer a;
    struct fixture f;
    int fd;
    (void)state;

    start(&f);
    assert_answer(&f, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n", 413,
                  "the body is too long");
    client_ask(f.url,
               "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
               &a);
    assert_int_equal(a.status, 413); /* the library's own: we never see it */
    client_free(&a);
    /* in chunks, so that its length is not known before */
    fd = client_connect(f.url);
    assert_true(client_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n"));
    snprintf(chunk, sizeof chunk, "2710\r\n");
    memset(chunk + 6, 'x', 10000);
    memcpy(chunk + 10006, "\r\n", 3);
    for (int i = 0; i < 11; i++)
        assert_true(client_say(fd, chunk));
    assert_true(client_say(fd, "0\r\n\r\n"));
    client_read(fd, false, &a);
    assert_int_equal(a.status, 413);
    client_free(&a);
    assert_true(client_closed(fd));
    close(fd);
    /* and without an end */
    fd = client_connect(f.url);
    assert_true(client_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n"));
    while (client_say(fd, chunk))
        ;
    close(fd);
    stop(&f);
    assert_int_equal(f.calls, 0);
}

static void bodies_together_take_no_more_than_allowed(void **state)
{
    struct ls_http_figures figures;
    struct client_answer a;
    struct fixture f;
    char half[60000];
    int fds[3];
    (void)state;

    start_with(&f, (struct ls_http_options){.body_total = 160000});
    memset(half, 'x', sizeof half);
    for (int i = 0; i < 2; i++) {
        fds[i] = client_connect(f.url);
        assert_true(client_say(fds[i], "POST /echo HTTP/1.1\r\nHost: x\r\n"
                                       "Content-Length: 60001\r\n\r\n"));
        assert_true(client_send(fds[i], half, sizeof half));
    }
    do
        ls_http_figures(f.http, &figures);
    while (figures.body_bytes < 120000);
    fds[2] = client_connect(f.url);
    assert_true(client_say(fds[2], "POST /echo HTTP/1.1\r\nHost: x\r\n"
                                   "Content-Length: 60001\r\n\r\n"));
    client_read(fds[2], false, &a);
    assert_int_equal(a.status, 503);
    client_free(&a);
    for (int i = 0; i < 2; i++) {
        assert_true(client_say(fds[i], "y"));
        client_read(fds[i], false, &a);
        assert_int_equal(a.body_size, 60001);
        client_free(&a);
    }
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    do
        ls_http_figures(f.http, &figures);
    while (figures.connections > 0);
    assert_int_equal(figures.body_bytes, 0);
    stop(&f);
}

static void an_address_has_so_many_connections_and_no_more(void **state)
{
    struct ls_http_figures figures;
    struct fixture f;
    int fds[4];
    (void)state;

    start_with(&f, (struct ls_http_options){.per_address = 3});
    for (int i = 0; i < 3; i++)
        fds[i] = client_connect(f.url);
    do
        ls_http_figures(f.http, &figures);
    while (figures.connections < 3);
    fds[3] = client_connect(f.url);
    assert_true(client_closed(fds[3]));
    close(fds[3]);
    close(fds[0]);
    do
        ls_http_figures(f.http, &figures);
    while (figures.connections > 2);
    assert_int_equal(figures.refused, 1);
    assert_answer(&f, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 404, "/a");
    close(fds[1]);
    close(fds[2]);
    stop(&f);
}

static void a_proxy_may_have_more_and_tells_who_is_behind_it(void **state)
{
    struct ls_network loopback;
    struct fixture f;
    int fds[4];
    (void)state;

    assert_true(ls_network_parse("127.0.0.0/8", &loopback));
    start_with(&f,
               (struct ls_http_options){.per_address = 1, .proxies = &loopback, .proxy_count = 1});
    for (int i = 0; i < 4; i++)
        fds[i] = client_connect(f.url);
    assert_answer(&f,
                  "GET /peer HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 9.9.9.9\r\n"
                  "X-Forwarded-For: 1.1.1.1, 203.0.113.7\r\n\r\n",
                  200, "203.0.113.7");
    assert_answer(&f, "GET /protocol HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: http, HTTPS\r\n\r\n",
                  200, "https");
    assert_answer(&f, "GET /protocol HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https,http\r\n\r\n",
                  200, "http");
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    stop(&f);
    start(&f);
    assert_answer(&f, "GET /peer HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n", 200,
                  "127.0.0.1");
    stop(&f);
}

/* ---- slow clients ---- */

static void who_is_slow_is_cut_off(void **state)
{
    static const char *const beginnings[] = {
        "",                                  /* says nothing */
        "GET / HT",                          /* a line without its end */
        "GET / HTTP/1.1\r\nHost: x\r\nA: b", /* a head without its end */
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
    };
    struct ls_http_figures figures;
    struct fixture f;
    int fds[4];
    (void)state;

    start_with(&f, (struct ls_http_options){.times = {1, 1, 1, 1}});
    for (size_t i = 0; i < 4; i++) {
        fds[i] = client_connect(f.url);
        assert_true(client_say(fds[i], beginnings[i]));
    }
    for (size_t i = 0; i < 4; i++) {
        assert_true(client_closed(fds[i]));
        close(fds[i]);
    }
    ls_http_figures(f.http, &figures);
    assert_int_equal(figures.late, 4);
    stop(&f);
    assert_int_equal(f.calls, 0);
}

/* A byte now and then does not move the deadline. */
static void who_drips_is_cut_off(void **state)
{
    struct fixture f;
    int fd;
    (void)state;

    start_with(&f, (struct ls_http_options){.times = {1, 1, 1, 1}});
    fd = client_connect(f.url);
    assert_true(client_say(fd, "GET / HTTP/1.1\r\nHost: x\r\n"));
    while (client_say(fd, "A: b\r\n")) {
        char c;

        if (recv(fd, &c, 1, MSG_DONTWAIT) == 0)
            break;
        usleep(100000); /* the pace of the client, not a wait */
    }
    close(fd);
    stop(&f);
    assert_int_equal(f.calls, 0);
}

static void who_does_not_read_is_cut_off(void **state)
{
    const int small = 4096;
    struct fixture f;
    int fd;
    (void)state;

    start_with(&f, (struct ls_http_options){.times = {1, 1, 1, 1}});
    fd = client_connect(f.url);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    /* of a stream more than the sockets hold */
    for (int i = 0; i < 40; i++)
        (void)client_say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    while (atomic_load(&f.gone) == 0)
        sched_yield();
    close(fd);
    stop(&f);
}

static void a_request_that_waits_for_us_is_not_cut_off(void **state)
{
    struct client_answer a;
    struct fixture f;
    int fd, slow;
    (void)state;

    start_with(&f, (struct ls_http_options){.times = {1, 1, 1, 1}});
    fd = client_connect(f.url);
    assert_true(client_say(fd, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n"));
    slow = client_connect(f.url);
    assert_true(client_closed(slow)); /* deadlines have passed meanwhile */
    close(slow);
    answer_later(&f);
    client_read(fd, false, &a);
    assert_int_equal(a.status, 200);
    client_free(&a);
    close(fd);
    stop(&f);
}

/* Its pace is fine for hours to come. */
static void a_body_that_stops_is_cut_off(void **state)
{
    char *bytes = calloc(1, BODY_MAX);
    struct fixture f;
    int fd;
    (void)state;

    assert_non_null(bytes);
    start_with(&f, (struct ls_http_options){.times = {.body = 3600, .silent = 1}});
    fd = client_connect(f.url);
    assert_true(client_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"));
    assert_true(client_send(fd, bytes, 90000));
    assert_true(client_closed(fd));
    close(fd);
    stop(&f);
    assert_int_equal(f.calls, 0);
    free(bytes);
}

/* ---- what bodies take ---- */

/* Sends a body of that size, of which `sent` bytes, on a connection of its own. */
static int send_body(const struct fixture *f, const char *path, size_t size, size_t sent)
{
    char *bytes = calloc(1, sent), head[200];
    const int fd = client_connect(f->url);

    assert_non_null(bytes);
    snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", path,
             size);
    assert_true(client_say(fd, head));
    assert_true(client_send(fd, bytes, sent));
    free(bytes);
    return fd;
}

static void assert_status(int fd, int status, size_t body_size)
{
    struct client_answer a;

    client_read(fd, false, &a);
    assert_int_equal(a.status, status);
    if (status == 200)
        assert_int_equal(a.body_size, body_size);
    client_free(&a);
    close(fd);
}

static void until_bodies_take(const struct fixture *f, size_t least, size_t most)
{
    struct ls_http_figures figures;

    do {
        ls_http_figures(f->http, &figures);
        sched_yield();
    } while (figures.body_bytes < least || figures.body_bytes > most);
}

static void a_body_that_nobody_looks_at_takes_no_memory(void **state)
{
    struct fixture f;
    int fd;
    (void)state;

    start_with(&f, (struct ls_http_options){.body_total = 1000});
    assert_status(send_body(&f, "/echo", BODY_MAX, 0), 503, 0);
    assert_status(send_body(&f, "/discard", BODY_MAX, BODY_MAX), 200, 0);
    fd = send_body(&f, "/discard", BODY_MAX + 1, 0);
    assert_status(fd, 413, 0);
    stop(&f);
}

static void one_address_has_a_quarter_of_all_bodies(void **state)
{
    struct fixture f;
    int fd;
    (void)state;

    start_with(&f, (struct ls_http_options){.body_total = 4 * 150000});
    fd = send_body(&f, "/echo", BODY_MAX, BODY_MAX - 1);
    until_bodies_take(&f, BODY_MAX - 1, SIZE_MAX);
    assert_status(send_body(&f, "/echo", BODY_MAX, BODY_MAX), 503, 0);
    assert_status(send_body(&f, "/echo", 1000, 1000), 200, 1000); /* small ones do no harm */
    close(fd);
    until_bodies_take(&f, 0, 0);
    assert_status(send_body(&f, "/echo", BODY_MAX, BODY_MAX), 200, BODY_MAX);
    stop(&f);
}

/* ---- addresses to listen at ---- */

static void addresses_to_listen_at_are_understood_or_refused(void **state)
{
    static const char *const bad[] = {
        "", "x", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "::1:80", "[::1]", "127.0.0.1:-1"};
    char url[LS_LISTEN_URL];
    struct ls_error err;
    bool loopback;
    int fd, other;
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ls_http_listen(bad[i], false, &fd, &loopback, url, &err), LS_CONFIG);
    assert_int_equal(ls_http_listen("0", false, &fd, &loopback, url, &err), LS_OK);
    assert_true(loopback);
    assert_int_equal(ls_http_listen(strrchr(url, ':') + 1, false, &other, &loopback, url, &err),
                     LS_BUSY);
    close(fd);
    assert_int_equal(ls_http_listen(":0", false, &fd, &loopback, url, &err), LS_OK);
    assert_false(loopback);
    close(fd);
    assert_int_equal(ls_http_listen("localhost:0", true, &fd, &loopback, url, &err), LS_OK);
    assert_true(loopback);
    assert_memory_equal(url, "https://", 8);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_comes_back_as_it_was_sent),
        cmocka_unit_test(one_connection_carries_many_requests),
        cmocka_unit_test(an_answer_may_come_later_or_before_the_call_is_back),
        cmocka_unit_test(an_answer_to_the_head_needs_no_body),
        cmocka_unit_test(what_is_never_answered_is_given_up_at_the_end),
        cmocka_unit_test(a_stream_arrives_whole),
        cmocka_unit_test(the_writer_of_a_stream_learns_that_its_reader_left),
        cmocka_unit_test(a_silent_stream_ends_when_its_reader_leaves),
        cmocka_unit_test(a_body_that_is_too_long_is_refused),
        cmocka_unit_test(bodies_together_take_no_more_than_allowed),
        cmocka_unit_test(an_address_has_so_many_connections_and_no_more),
        cmocka_unit_test(a_proxy_may_have_more_and_tells_who_is_behind_it),
        cmocka_unit_test(who_is_slow_is_cut_off),
        cmocka_unit_test(who_drips_is_cut_off),
        cmocka_unit_test(who_does_not_read_is_cut_off),
        cmocka_unit_test(a_request_that_waits_for_us_is_not_cut_off),
        cmocka_unit_test(a_body_that_stops_is_cut_off),
        cmocka_unit_test(a_body_that_nobody_looks_at_takes_no_memory),
        cmocka_unit_test(one_address_has_a_quarter_of_all_bodies),
        cmocka_unit_test(addresses_to_listen_at_are_understood_or_refused),
    };

    return cmocka_run_group_tests_name("server/http", tests, NULL, NULL);
}
