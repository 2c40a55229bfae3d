/* SPDX-License-Identifier: Apache-2.0 */
/* request.h - what a caller sent and what it is answered, apart from any HTTP library.
 *
 * A request lives from its headers until its answer has been sent; everything in it, and the body of
 * its answer, lives in its arena. One thread has it at a time: HTTP's, then perhaps a worker's, which gives it back by
 * ls_request_answer(). */
#ifndef LS_SERVER_REQUEST_H
#define LS_SERVER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct ls_route;     /* route.h */
struct ls_caller;    /* caller.h */
struct ls_admission; /* server.c */
struct ls_stream;    /* stream.h */

struct ls_pair {
    const char *name, *value;
};

#define LS_PATH_PARAMS 4 /* of one route at most */

struct ls_request {
    struct ls_arena *mem;
    char id[17]; /* 16 hex digits: of this request, in logs, audit entries and X-Request-Id */
    const char *method; /* upper case, as sent: "GET" */
    const char *target; /* path and query as sent, without control bytes */
    const char *path;   /* percent-decoded, UTF-8, no control characters, no dot segments */
    size_t segment_count;
    const char *const *segments; /* the path's parts, each decoded by itself: %2F is part of one */
    bool
        url_last; /* the last segment is a URL as it was sent, and so is the query, which is not taken apart */
    size_t param_count; /* of the route's {names}, decoded */
    struct ls_pair params[LS_PATH_PARAMS];
    size_t query_count; /* in the order sent, decoded */
    const struct ls_pair *query;
    const char
        *token; /* under /v2: qstash_token of the query, which is not among the others; NULL */
    bool token_twice;    /* it stands there more than once */
    size_t header_count; /* in the order sent; names as sent */
    const struct ls_pair *headers;
    const void *body; /* the bytes as sent; never NULL, and a NUL stands behind them */
    size_t body_size;
    const char *
        peer; /* the caller's address: "203.0.113.7", "::1"; of a configured proxy, what it forwards */
    bool tls;                       /* came by HTTPS, to us or to a configured proxy */
    int64_t began_us;               /* ls_clock_monotonic_us() */
    const struct ls_route *route;   /* NULL until it is found */
    const struct ls_caller *caller; /* NULL until it is known */
    struct ls_admission
        *admission; /* the server's: whether the caller is let in; NULL until it is asked */
    bool discard;   /* its body is read and not kept: it is refused whatever it says */
};

/* The value of a header by its name in any case, of a parameter of path or query; NULL when there is none. Of a query
 * parameter that stands there twice, the first. */
const char *ls_request_header(const struct ls_request *request, const char *name);
const char *ls_request_param(const struct ls_request *request, const char *name);
const char *ls_request_query(const struct ls_request *request, const char *name);

#define LS_RESPONSE_HEADERS 12

struct ls_response {
    int status;       /* 0: 200 */
    const char *type; /* Content-Type; NULL: application/json */
    const void *body; /* in the request's arena, or static */
    size_t body_size;
    struct ls_stream *stream; /* instead of a body; taken over */
    bool
        live; /* the stream may say nothing for long: it ends as soon as the other side closes its half */
    size_t header_count;
    struct ls_pair headers[LS_RESPONSE_HEADERS]; /* likewise in the arena, or static */
    bool close;                                  /* end the connection behind it */
    bool later; /* of a handler: it will call ls_request_answer() itself */
};

/* Adds a header; name is static, value in the request's arena or static. A NULL value, or one header too many, is left out. */
void ls_response_header(struct ls_response *response, const char *name, const char *value);
/* Whether it has a header of that name, as it was added. */
bool ls_response_has(const struct ls_response *response, const char *name);

/* Answers a request that was put off; copies *response. Any thread, once; the request is not the caller's any more. After the
 * server gave it up (at its end) the answer goes nowhere. */
void ls_request_answer(struct ls_request *request, const struct ls_response *response);

#endif
