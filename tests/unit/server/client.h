/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - a small HTTP client over a raw socket, which sends exactly the bytes it is told. Loopback only; a failure fails the test. */
#ifndef LS_TESTS_SERVER_CLIENT_H
#define LS_TESTS_SERVER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

/* Connects to http://127.0.0.1:PORT or http://[::1]:PORT; a read gives up, and fails the test, after half a minute. */
int client_connect(const char *url);
/* Sends all of it; false when the other side has closed. */
bool client_send(int fd, const void *data, size_t size);
bool client_say(int fd, const char *text);

struct client_answer {
    int status;      /* 0: the connection was closed without an answer */
    char head[8192]; /* status line and headers */
    char *body;      /* NUL behind it; NULL: none */
    size_t body_size;
};
/* Reads one answer, with a body by its length or in chunks; head_only: of a HEAD request. */
void client_read(int fd, bool head_only, struct client_answer *ret);
/* Reads the body behind a head that was read alone. */
void client_read_rest(int fd, struct client_answer *ret);
/* Reads until what came ends in text; for streams. */
void client_read_until(int fd, const char *text);
/* Reads to the end of the connection; at most size - 1 bytes are kept, a NUL behind them. */
void client_read_all(int fd, char *out, size_t size);
/* Whether the other side closes now, without sending more. */
bool client_closed(int fd);
void client_free(struct client_answer *answer);
/* The value of a header in an answer's head, in one buffer; "" when there is none. */
const char *client_header(const struct client_answer *answer, const char *name);
/* Connect, say, read, close. */
void client_ask(const char *url, const char *text, struct client_answer *ret);

#endif
