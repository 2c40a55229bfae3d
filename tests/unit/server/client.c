/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - a small HTTP client over a raw socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

#define PATIENCE_S 30 /* only a server that hangs makes a test wait so long */

int client_connect(const char *url)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    const int on = 1; /* pieces are sent as they are cut */
    const bool v6 = strchr(url, '[') != NULL;
    const unsigned port = (unsigned)strtoul(strrchr(url, ':') + 1, NULL, 10);
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6,
                               .sin6_port = htons((uint16_t)port),
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    if (v6)
        assert_int_equal(connect(fd, (struct sockaddr *)&six, sizeof six), 0);
    else
        assert_int_equal(connect(fd, (struct sockaddr *)&v4, sizeof v4), 0);
    return fd;
}

bool client_send(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        const ssize_t n = send(fd, at, size, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

bool client_say(int fd, const char *text)
{
    return client_send(fd, text, strlen(text));
}

/* One byte; false at the end. */
static bool next(int fd, char *ret)
{
    const ssize_t n = recv(fd, ret, 1, 0);

    if (n < 0 && errno == EAGAIN)
        fail_msg("no answer came");
    return n == 1;
}

static bool read_line(int fd, char *line, size_t size)
{
    size_t n = 0;

    while (n + 1 < size && next(fd, &line[n]))
        if (line[n++] == '\n')
            break;
    line[n] = '\0';
    return n > 0 && line[n - 1] == '\n';
}

static bool read_bytes(int fd, struct client_answer *a, size_t size)
{
    a->body = realloc(a->body, a->body_size + size + 1);
    assert_non_null(a->body);
    for (size_t i = 0; i < size; i++)
        if (!next(fd, &a->body[a->body_size++]))
            return false;
    a->body[a->body_size] = '\0';
    return true;
}

static void read_chunks(int fd, struct client_answer *a)
{
    char line[100];

    while (read_line(fd, line, sizeof line)) {
        const size_t size = (size_t)strtoul(line, NULL, 16);

        if (!read_bytes(fd, a, size) || !read_line(fd, line, sizeof line) || size == 0)
            break;
    }
}

void client_read(int fd, bool head_only, struct client_answer *ret)
{
    size_t n = 0;

    memset(ret, 0, sizeof *ret);
    while (read_line(fd, ret->head + n, sizeof ret->head - n) && strcmp(ret->head + n, "\r\n") != 0)
        n += strlen(ret->head + n);
    if (n == 0)
        return;
    ret->status = (int)strtol(ret->head + strlen("HTTP/1.1 "), NULL, 10);
    if (!head_only && ret->status != 204 && ret->status != 304)
        client_read_rest(fd, ret);
}

void client_read_rest(int fd, struct client_answer *ret)
{
    if (*client_header(ret, "Content-Length"))
        read_bytes(fd, ret, (size_t)strtoul(client_header(ret, "Content-Length"), NULL, 10));
    else
        read_chunks(fd, ret);
}

void client_read_until(int fd, const char *text)
{
    const size_t size = strlen(text);
    char window[256] = {0};

    assert_true(size < sizeof window);
    while (strcmp(window, text) != 0) {
        memmove(window, window + (strlen(window) == size), size);
        assert_true(next(fd, window + strlen(window)));
    }
}

void client_read_all(int fd, char *out, size_t size)
{
    size_t n = 0;
    char c;

    while (next(fd, &c))
        if (n + 1 < size)
            out[n++] = c;
    out[n] = '\0';
}

bool client_closed(int fd)
{
    char c;

    return !next(fd, &c);
}

void client_free(struct client_answer *answer)
{
    free(answer->body);
    answer->body = NULL;
}

const char *client_header(const struct client_answer *answer, const char *name)
{
    static char value[1000];
    const size_t length = strlen(name);

    value[0] = '\0';
    for (const char *line = answer->head; (line = strchr(line, '\n')) && *++line;)
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *from = line + length + 1 + strspn(line + length + 1, " ");

            snprintf(value, sizeof value, "%.*s", (int)strcspn(from, "\r\n"), from);
            break;
        }
    return value;
}

void client_ask(const char *url, const char *text, struct client_answer *ret)
{
    const int fd = client_connect(url);

    assert_true(client_say(fd, text));
    client_read(fd, strncmp(text, "HEAD ", 5) == 0, ret);
    close(fd);
}
