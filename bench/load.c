/* SPDX-License-Identifier: Apache-2.0 */
/* load.c - sends events to a daemon over kept connections, and tells how many were acknowledged and how long each took.
 *
 *   bench_load --port N [--requests COUNT] [--connections 64] [--rate PER_SECOND] [--lines 1] [--size 300] [--types 1] [--idle 0]
 *              [--prefix TEXT]
 *
 * Without a rate each connection sends its next request when the one before is answered. With one, requests are due at a steady pace
 * and their time counts from then, so that a daemon that stalls is not spared those that would have come meanwhile. --lines: events of a
 * request, JSON Lines when there are several. --size: bytes of an event. --types: event n is of type e(n mod TYPES).x. --idle: connections that are opened
 * first, used once, and kept. The token is LOCKSTEP_TOKEN. An answer has to be 202.
 *
 * One thread, epoll; the number of requests is fixed, so it ends. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "times.h"

#define HEAD_MAX 4096
#define EVENTS 256

static const char *const names[] = {"port",  "requests", "connections", "rate",
                                    "lines", "size",     "types",       "idle"};
enum { PORT, REQUESTS, CONNECTIONS, RATE, LINES, SIZE, TYPES, IDLE, NUMBERS };

struct connection {
    int fd;
    bool busy, in_body, good;
    int64_t due_us;
    char *out;
    size_t out_size, out_sent;
    char head[HEAD_MAX];
    size_t head_size, body_left;
};

struct load {
    size_t set[NUMBERS];
    const char *prefix, *token;
    int epoll;
    struct connection *connections;
    size_t begun, ended, failed;
    int64_t began_us;
    struct times times;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_load: %s: %s\n", what, strerror(errno));
    exit(3);
}

/* One of loopback, which waits until it is told not to. */
static int open_connection(const struct load *l)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((unsigned short)l->set[PORT]),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0)
        die("cannot connect");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* A connection that was used once, a while ago. */
static void open_idle(const struct load *l)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    const int fd = open_connection(l);
    char answer[HEAD_MAX];

    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0 ||
        recv(fd, answer, sizeof answer, 0) <= 0)
        die("an idle connection broke");
}

/* ---- a request ---- */

static char *write_event(const struct load *l, char *out, size_t n)
{
    char *const from = out;
    const size_t size = l->set[SIZE];

    out += sprintf(out,
                   "{\"id\":\"%s-%zu\",\"type\":\"e%zu.x\",\"resourceType\":\"r\","
                   "\"resourceId\":\"%zu\",\"data\":{\"t\":%lld,\"pad\":\"",
                   l->prefix, n, n % l->set[TYPES], n, (long long)ls_clock_monotonic_us());
    while ((size_t)(out - from) + 3 < size)
        *out++ = 'x';
    memcpy(out, "\"}}", 3);
    return out + 3;
}

static void write_request(const struct load *l, struct connection *c, size_t n)
{
    const size_t lines = l->set[LINES];
    char *body = c->out + HEAD_MAX, *end = body, head[HEAD_MAX];
    int size;

    for (size_t i = 0; i < lines; i++) {
        if (i)
            *end++ = '\n';
        end = write_event(l, end, n * lines + i);
    }
    size = snprintf(head, sizeof head,
                    "POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:%zu\r\nAuthorization: Bearer "
                    "%s\r\nContent-Type: application/%s\r\nContent-Length: %zu\r\n\r\n",
                    l->set[PORT], l->token, lines > 1 ? "x-ndjson" : "json", (size_t)(end - body));
    memcpy(body - size, head, (size_t)size);
    c->out_sent = HEAD_MAX - (size_t)size;
    c->out_size = (size_t)(end - c->out);
}

static void watch(const struct load *l, struct connection *c, int how, unsigned events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};

    if (epoll_ctl(l->epoll, how, c->fd, &event) != 0)
        die("epoll");
}

static void send_more(const struct load *l, struct connection *c)
{
    while (c->out_sent < c->out_size) {
        const ssize_t n =
            send(c->fd, c->out + c->out_sent, c->out_size - c->out_sent, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN) {
            watch(l, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n < 0)
            die("the connection broke");
        c->out_sent += (size_t)n;
    }
    watch(l, c, EPOLL_CTL_MOD, EPOLLIN);
}

static void begin(struct load *l, struct connection *c)
{
    const size_t n = l->begun++;

    c->due_us = l->set[RATE] ? l->began_us + (int64_t)(n * 1000000 / l->set[RATE])
                             : ls_clock_monotonic_us();
    write_request(l, c, n);
    c->busy = true;
    c->in_body = false;
    c->head_size = 0;
    send_more(l, c);
}

/* When the next request is due; INT64_MAX: there is none. */
static int64_t next_due(const struct load *l)
{
    if (l->begun == l->set[REQUESTS])
        return INT64_MAX;
    return l->set[RATE] ? l->began_us + (int64_t)(l->begun * 1000000 / l->set[RATE]) : 0;
}

/* ---- an answer ---- */

static void read_head(struct connection *c)
{
    char *end, *length;
    size_t have;

    c->head[c->head_size] = '\0';
    end = strstr(c->head, "\r\n\r\n");
    if (!end) {
        if (c->head_size == HEAD_MAX - 1)
            die("the answer's head is too long");
        return;
    }
    length = strcasestr(c->head, "content-length:");
    c->good = strncmp(c->head, "HTTP/1.1 202", 12) == 0;
    c->body_left = length && length < end ? strtoul(length + 15, NULL, 10) : 0;
    have = c->head_size - (size_t)(end + 4 - c->head);
    c->body_left -= have < c->body_left ? have : c->body_left;
    c->in_body = true;
}

/* True: the answer is whole. */
static bool receive(struct connection *c)
{
    static char away[65536];

    for (;;) {
        const size_t room = c->in_body ? sizeof away : HEAD_MAX - 1 - c->head_size;
        const ssize_t n = recv(c->fd, c->in_body ? away : c->head + c->head_size, room, 0);

        if (n < 0 && errno == EAGAIN)
            return false;
        if (n <= 0)
            die("the connection ended");
        if (c->in_body) {
            c->body_left -= (size_t)n < c->body_left ? (size_t)n : c->body_left;
        } else {
            c->head_size += (size_t)n;
            read_head(c);
        }
        if (c->in_body && c->body_left == 0)
            return true;
    }
}

static void on_event(struct load *l, struct connection *c, unsigned events)
{
    if (events & EPOLLOUT)
        send_more(l, c);
    if (!(events & ~(unsigned)EPOLLOUT) || !receive(c))
        return;
    if (!c->good && l->failed++ == 0)
        fprintf(stderr, "bench_load: answered %.40s\n", c->head);
    times_add(&l->times, ls_clock_monotonic_us() - c->due_us);
    l->ended++;
    c->busy = false;
}

/* ---- all of it ---- */

static void start_due(struct load *l, size_t *from)
{
    const size_t count = l->set[CONNECTIONS];

    for (size_t i = 0; i < count && next_due(l) <= ls_clock_monotonic_us(); i++) {
        struct connection *c = &l->connections[(*from + i) % count];

        if (c->busy)
            continue;
        begin(l, c);
        *from = (*from + i + 1) % count;
        i = (size_t)-1;
    }
}

static void run(struct load *l)
{
    struct epoll_event events[EVENTS];
    size_t from = 0;

    l->began_us = ls_clock_monotonic_us();
    while (l->ended < l->set[REQUESTS]) {
        struct timespec pause = {.tv_sec = 30};
        int64_t left;
        int n;

        start_due(l, &from);
        left = next_due(l) - ls_clock_monotonic_us();
        if (l->set[RATE] && left < 1000000 && l->begun - l->ended < l->set[CONNECTIONS])
            pause = (struct timespec){.tv_nsec = left > 0 ? left * 1000 : 0};
        n = epoll_pwait2(l->epoll, events, EVENTS, &pause, NULL);
        if (n == 0 && pause.tv_sec == 30)
            die("nothing was answered for 30 s");
        for (int i = 0; i < n; i++)
            on_event(l, events[i].data.ptr, events[i].events);
    }
}

static void prepare(struct load *l)
{
    l->epoll = epoll_create1(0);
    l->connections = calloc(l->set[CONNECTIONS], sizeof *l->connections);
    if (l->epoll < 0 || !l->connections)
        die("cannot begin");
    for (size_t i = 0; i < l->set[IDLE]; i++)
        open_idle(l);
    for (size_t i = 0; i < l->set[CONNECTIONS]; i++) {
        struct connection *c = &l->connections[i];

        c->fd = open_connection(l);
        (void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
        c->out = malloc(HEAD_MAX + l->set[LINES] * (l->set[SIZE] + 256));
        if (!c->out)
            die("cannot begin");
        watch(l, c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static bool read_option(struct load *l, const char *name, const char *value)
{
    if (strcmp(name, "--prefix") == 0)
        l->prefix = value;
    for (size_t i = 0; i < NUMBERS; i++)
        if (strncmp(name, "--", 2) == 0 && strcmp(name + 2, names[i]) == 0) {
            l->set[i] = strtoul(value, NULL, 10);
            return true;
        }
    return strcmp(name, "--prefix") == 0;
}

int main(int argc, char **argv)
{
    struct load l = {
        .set = {[REQUESTS] = 10000, [CONNECTIONS] = 64, [LINES] = 1, [SIZE] = 300, [TYPES] = 1},
        .prefix = "b",
        .token = getenv("LOCKSTEP_TOKEN")};
    double seconds;

    for (int i = 1; i < argc; i += 2)
        if (i + 1 == argc || !read_option(&l, argv[i], argv[i + 1])) {
            fprintf(stderr, "bench_load: what is %s?\n", argv[i]);
            return 2;
        }
    if (!l.token)
        l.token = "none";
    prepare(&l);
    run(&l);
    seconds = (double)(ls_clock_monotonic_us() - l.began_us) / 1e6;
    times_sort(&l.times);
    printf(
        "requests=%zu failed=%zu seconds=%.3f rate=%.0f events_rate=%.0f p50_ms=%.2f p99_ms=%.2f "
        "max_ms=%.2f\n",
        l.ended, l.failed, seconds, (double)l.ended / seconds,
        (double)(l.ended * l.set[LINES]) / seconds, times_at(&l.times, 0.5),
        times_at(&l.times, 0.99), times_at(&l.times, 1));
    return l.failed ? 1 : 0;
}
