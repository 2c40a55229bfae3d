/* SPDX-License-Identifier: Apache-2.0 */
/* receiver.c - reads requests and answers 200, no more. A request has to fit into REQUEST_MAX, with its length in its head. */
#include "receiver.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX 16384
#define EVENTS 64

struct connection {
    int fd;
    size_t size;
    char data[REQUEST_MAX];
};

int receiver_listen(unsigned port, unsigned *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((unsigned short)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    const int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, (struct sockaddr *)&at, size) == 0 && listen(fd, 512) == 0 &&
        getsockname(fd, (struct sockaddr *)&at, &size) == 0) {
        *ret_port = ntohs(at.sin_port);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The size of the first request in the buffer, *ret_body where its body begins; 0: it is not whole. */
static size_t whole_request(const struct connection *c, size_t *ret_body)
{
    const char *end = strstr(c->data, "\r\n\r\n"), *length;
    size_t whole;

    if (!end)
        return 0;
    *ret_body = (size_t)(end + 4 - c->data);
    length = strcasestr(c->data, "content-length:");
    whole = *ret_body + (length && length < end ? strtoul(length + 15, NULL, 10) : 0);
    return c->size < whole ? 0 : whole;
}

/* Answers every whole request in the buffer; false: the connection is over. */
static bool serve(struct connection *c, receiver_fn *fn, void *ctx)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    const ssize_t got = recv(c->fd, c->data + c->size, sizeof c->data - 1 - c->size, 0);
    size_t whole, body = 0;

    if (got <= 0)
        return false;
    c->size += (size_t)got;
    c->data[c->size] = '\0';
    while ((whole = whole_request(c, &body)) > 0) {
        const char after = c->data[whole];
        bool answered = true;

        c->data[whole] = '\0';
        if (fn)
            answered = fn(ctx, c->data + body, whole - body);
        c->data[whole] = after;
        if (answered && send(c->fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
            return false;
        memmove(c->data, c->data + whole, c->size - whole + 1);
        c->size -= whole;
    }
    return c->size < sizeof c->data - 1;
}

static void add(int epoll, int fd, struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        _exit(1);
}

static void take(int epoll, int listener)
{
    struct connection *c = calloc(1, sizeof *c);

    if (!c)
        _exit(1);
    c->fd = accept(listener, NULL, NULL);
    if (c->fd < 0)
        free(c);
    else
        add(epoll, c->fd, c);
}

void receiver_run(int listener, receiver_fn *fn, void *ctx, const volatile bool *stop)
{
    const int epoll = epoll_create1(0);
    struct epoll_event events[EVENTS];

    add(epoll, listener, NULL);
    while (!stop || !*stop) {
        const int n = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;

            if (!c) {
                take(epoll, listener);
            } else if (!serve(c, fn, ctx)) {
                close(c->fd);
                free(c);
            }
        }
    }
    close(epoll);
}
