/* SPDX-License-Identifier: Apache-2.0 */
/* receiver.c - servers for the tests of delivery. The HTTP one is libmicrohttpd with a thread of its own; connections
 * that are to hang are suspended. */
#include "receiver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/thread.h"

#define HUGE_SIZE ((size_t)4 << 20)

struct waiting {
    struct MHD_Connection *connection;
    struct waiting *next;
};

struct request {
    struct received r;
    struct ls_buf body;
    bool held;
    struct request *next;
};

struct receiver {
    struct MHD_Daemon *daemon;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct request *first, **end;
    struct waiting *waiting;
    size_t together;            /* those that wait for each other */
    size_t here, most_together; /* whole requests without an answer */
    unsigned dynamic;
    bool released;
};

static void resume_all(struct receiver *r)
{
    for (struct waiting *w = r->waiting, *next; w; w = next) {
        next = w->next;
        MHD_resume_connection(w->connection);
        free(w);
    }
    r->waiting = NULL;
    r->together = 0;
}

static void hold(struct receiver *r, struct MHD_Connection *connection)
{
    struct waiting *w = calloc(1, sizeof(*w));

    w->connection = connection;
    w->next = r->waiting;
    r->waiting = w;
    MHD_suspend_connection(connection);
}

static enum MHD_Result take_header(void *ctx, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    struct received *r = ctx;

    (void)kind;
    if (r->header_count < 40)
        r->headers[r->header_count++] =
            (struct ls_header){strdup(name), strdup(value ? value : "")};
    return MHD_YES;
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, size_t size,
                              const char *name, const char *value)
{
    char *body = calloc(1, size + 1);
    struct MHD_Response *response;
    enum MHD_Result ok;

    memset(body, 'x', size);
    response = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
    if (name)
        MHD_add_response_header(response, name, value);
    ok = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return ok;
}

/* The lock is held. true: it has to wait. */
static bool waits(struct receiver *r, struct request *request)
{
    const char *path = request->r.path;
    unsigned n = 0;

    if (request->held || r->released)
        return false;
    if (strncmp(path, "/hang", 5) == 0)
        return true;
    if (sscanf(path, "/together/%u", &n) != 1)
        return false;
    return ++r->together < n;
}

static enum MHD_Result answer_as_told(struct receiver *r, struct MHD_Connection *connection,
                                      const char *path)
{
    unsigned status = 200;
    const char *after = NULL;

    if (sscanf(path, "/status/%3u", &status) == 1) {
        after = strchr(path + strlen("/status/"), '/');
        return answer(connection, status, 5, after ? "Retry-After" : NULL,
                      after ? after + 1 : NULL);
    }
    if (strncmp(path, "/final", 6) == 0)
        return answer(connection, 489, 0, "Upstash-NonRetryable-Error", "true");
    if (strncmp(path, "/redirect", 9) == 0)
        return answer(connection, 302, 0, "Location", "/status/200?redirected");
    if (strncmp(path, "/huge", 5) == 0)
        return answer(connection, 200, HUGE_SIZE, NULL, NULL);
    if (strncmp(path, "/dynamic", 8) == 0)
        status = r->dynamic;
    return answer(connection, status, 2, NULL, NULL);
}

static enum MHD_Result handle(void *ctx, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **of_request)
{
    struct receiver *r = ctx;
    struct request *request = *of_request;
    bool wait;

    (void)version, (void)url;
    if (!request->r.method) { /* the head is there */
        request->r.method = strdup(method);
        return MHD_YES;
    }
    if (*size) {
        ls_buf_add(&request->body, data, *size);
        *size = 0;
        return MHD_YES;
    }
    pthread_mutex_lock(&r->lock);
    if (!request->r.body) { /* the first time that it is whole */
        MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header, &request->r);
        request->r.body = strdup(ls_buf_str(&request->body));
        request->r.size = request->body.size;
        *r->end = request;
        r->end = &request->next;
        if (++r->here > r->most_together)
            r->most_together = r->here;
    }
    wait = waits(r, request);
    if (wait)
        hold(r, connection);
    else if (strncmp(request->r.path, "/together", 9) == 0)
        resume_all(r);
    request->held = true;
    r->here -= !wait; /* before the answer goes, which lets the next one come */
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    return wait ? MHD_YES : answer_as_told(r, connection, request->r.path);
}

/* Before the handler: the path as it came, with its query. */
static void *note_path(void *ctx, const char *uri, struct MHD_Connection *connection)
{
    struct request *request = calloc(1, sizeof(*request));

    (void)ctx, (void)connection;
    ls_buf_init(&request->body, 0);
    request->r.path = strdup(uri);
    return request;
}

struct receiver *receiver_start(const char *tls_key, const char *tls_cert)
{
    struct receiver *r = calloc(1, sizeof(*r));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const unsigned flags =
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | (tls_key ? MHD_USE_TLS : 0u);

    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    r->end = &r->first;
    r->dynamic = 200;
    r->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, handle, r, MHD_OPTION_SOCK_ADDR, &at,
                         MHD_OPTION_URI_LOG_CALLBACK, note_path, r, MHD_OPTION_CONNECTION_LIMIT,
                         2000u, tls_key ? MHD_OPTION_HTTPS_MEM_KEY : MHD_OPTION_END, tls_key,
                         MHD_OPTION_HTTPS_MEM_CERT, tls_cert, MHD_OPTION_END);
    assert_non_null(r->daemon);
    return r;
}

unsigned receiver_port(const struct receiver *r)
{
    return MHD_get_daemon_info(r->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

void receiver_stop(struct receiver *r)
{
    receiver_release(r);
    MHD_stop_daemon(r->daemon);
    for (struct request *q = r->first, *next; q; q = next) {
        next = q->next;
        for (size_t i = 0; i < q->r.header_count; i++) {
            free((void *)(uintptr_t)q->r.headers[i].name);
            free((void *)(uintptr_t)q->r.headers[i].value);
        }
        free(q->r.method);
        free(q->r.path);
        free(q->r.body);
        ls_buf_done(&q->body);
        free(q);
    }
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static const struct received *find(struct receiver *r, const char *path, size_t n,
                                   size_t *ret_count)
{
    const struct received *found = NULL;

    *ret_count = 0;
    for (struct request *q = r->first; q; q = q->next) {
        if (strncmp(q->r.path, path, strlen(path)) == 0 && (*ret_count)++ == n)
            found = &q->r;
    }
    return found;
}

size_t receiver_count(struct receiver *r, const char *path)
{
    size_t count;

    pthread_mutex_lock(&r->lock);
    (void)find(r, path, 0, &count);
    pthread_mutex_unlock(&r->lock);
    return count;
}

void receiver_wait(struct receiver *r, const char *path, size_t n)
{
    int64_t until_us = ls_clock_monotonic_us() + 60 * 1000000;
    size_t count = 0;

    pthread_mutex_lock(&r->lock);
    for (;;) {
        (void)find(r, path, 0, &count);
        if (count >= n || !ls_cond_wait(&r->changed, &r->lock, until_us))
            break;
    }
    pthread_mutex_unlock(&r->lock);
    if (count < n)
        fail_msg("only %zu of %zu requests came to %s", count, n, path);
}

const struct received *receiver_get(struct receiver *r, const char *path, size_t n)
{
    const struct received *found;
    size_t count;

    pthread_mutex_lock(&r->lock);
    found = find(r, path, n, &count);
    pthread_mutex_unlock(&r->lock);
    assert_non_null(found);
    return found;
}

const char *received_header(const struct received *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (ls_text_equal_nocase(request->headers[i].name, name))
            return request->headers[i].value;
    }
    return NULL;
}

void receiver_dynamic(struct receiver *r, unsigned status)
{
    pthread_mutex_lock(&r->lock);
    r->dynamic = status;
    pthread_mutex_unlock(&r->lock);
}

void receiver_release(struct receiver *r)
{
    pthread_mutex_lock(&r->lock);
    r->released = true;
    resume_all(r);
    pthread_mutex_unlock(&r->lock);
}

size_t receiver_most_together(struct receiver *r)
{
    size_t most;

    pthread_mutex_lock(&r->lock);
    most = r->most_together;
    pthread_mutex_unlock(&r->lock);
    return most;
}

/* --- bytes */

#define ODD_MAX 64

struct odd_server {
    int listener, stop[2];
    char *answer;
    size_t size, piece;
    bool stay;
    pthread_mutex_t lock;
    size_t connections;
    struct ls_thread thread;
    struct {
        int fd;
        size_t sent;
        bool asked;
    } open[ODD_MAX];
    size_t open_count;
};

static void odd_close(struct odd_server *s, size_t i)
{
    close(s->open[i].fd);
    s->open[i] = s->open[--s->open_count];
}

static void odd_accept(struct odd_server *s)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    pthread_mutex_lock(&s->lock);
    s->connections++;
    pthread_mutex_unlock(&s->lock);
    s->open[s->open_count].fd = fd;
    s->open[s->open_count].sent = 0;
    s->open[s->open_count++].asked = false;
    if (s->open_count == ODD_MAX)
        odd_close(s, 0);
}

/* One piece more for everybody who has asked. */
static void odd_serve(struct odd_server *s)
{
    for (size_t i = s->open_count; i-- > 0;) {
        size_t left = s->size - s->open[i].sent, n = left < s->piece ? left : s->piece;
        char drain[4096];
        ssize_t got = recv(s->open[i].fd, drain, sizeof(drain), 0);

        s->open[i].asked = s->open[i].asked || got > 0;
        if (got == 0) {
            odd_close(s, i);
            continue;
        }
        if (!s->open[i].asked)
            continue;
        if (n && send(s->open[i].fd, s->answer + s->open[i].sent, n, MSG_NOSIGNAL) < 0) {
            odd_close(s, i);
            continue;
        }
        s->open[i].sent += n;
        if (s->open[i].sent == s->size && !s->stay)
            odd_close(s, i);
    }
}

static void odd_work(void *arg)
{
    struct odd_server *s = arg;

    for (;;) {
        struct pollfd fds[] = {{.fd = s->stop[0], .events = POLLIN},
                               {.fd = s->listener, .events = POLLIN}};

        (void)poll(fds, 2, s->open_count ? 20 : -1);
        if (fds[0].revents)
            break;
        if (fds[1].revents)
            odd_accept(s);
        odd_serve(s);
    }
    while (s->open_count)
        odd_close(s, 0);
}

struct odd_server *odd_start(const char *answer, size_t size, size_t piece, bool stay)
{
    struct odd_server *s = calloc(1, sizeof(*s));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct ls_error err;

    s->answer = malloc(size + 1);
    memcpy(s->answer, answer, size);
    s->size = size;
    s->piece = piece;
    s->stay = stay;
    pthread_mutex_init(&s->lock, NULL);
    assert_int_equal(pipe2(s->stop, O_CLOEXEC), 0);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(s->listener, 64), 0);
    assert_int_equal(ls_thread_start(&s->thread, odd_work, s, &err), LS_OK);
    return s;
}

unsigned odd_port(const struct odd_server *s)
{
    struct sockaddr_in at;
    socklen_t size = sizeof(at);

    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &size), 0);
    return ntohs(at.sin_port);
}

size_t odd_connections(struct odd_server *s)
{
    size_t n;

    pthread_mutex_lock(&s->lock);
    n = s->connections;
    pthread_mutex_unlock(&s->lock);
    return n;
}

void odd_stop(struct odd_server *s)
{
    assert_int_equal(write(s->stop[1], "x", 1), 1);
    ls_thread_join(&s->thread);
    close(s->listener);
    close(s->stop[0]);
    close(s->stop[1]);
    pthread_mutex_destroy(&s->lock);
    free(s->answer);
    free(s);
}
