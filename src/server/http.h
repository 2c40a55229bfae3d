/* SPDX-License-Identifier: Apache-2.0 */
/* http.h - an HTTP/1.1 server over libmicrohttpd, which only http.c sees.
 *
 * It reads requests within limits, hands them up when they are whole, and sends answers. What is at which path, and who may, is the matter of
 * the layer above. */
#ifndef LS_SERVER_HTTP_H
#define LS_SERVER_HTTP_H

#include "server/peer.h"

struct ls_http;

/* Seconds until a connection that does not get on is closed. 0: as said behind. */
struct ls_http_times {
    int head;   /* from the connection, or the first line, to the end of the head: 10 */
    int idle;   /* between two requests: 60 */
    int body;   /* grace of the body, before its rate is looked at: 10 */
    int send;   /* likewise of the answer; and for a reader of a stream to take anything: 30 */
    int silent; /* without a byte of a body that has begun: 30 */
};
#define LS_HTTP_RATE 8192 /* bytes a second that body and answer move on average at least */

struct ls_http_options {
    int listen_fd; /* bound and listening; stays the caller's, who closes it after ls_http_close() */
    const char *cert,
        *key;         /* PEM texts, used at the start only; NULL: plain HTTP. See certificate.h */
    unsigned threads; /* 0: 2 */
    unsigned connections; /* in all; 0: 1000 */
    unsigned per_address; /* 0: 256 */
    size_t body_total; /* bytes of bodies in memory at once; 0: 64 MiB. Of one address a quarter */
    const struct ls_network *proxies; /* whose X-Forwarded-For and -Proto are believed; borrowed */
    size_t proxy_count;
    struct ls_http_times times;
};

/* The layer above. Called on HTTP's threads, several at once. */
struct ls_http_owner {
    void *ctx;
    /* The head is there. false: *early is the answer, the body is not read. Else *ret_body_max is how long the body may be; one
     * that nobody will look at (request->discard) takes no memory. */
    bool (*head)(void *ctx, struct ls_request *request, size_t *ret_body_max,
                 struct ls_response *early);
    /* The whole request is there: fills *ret, or sets ret->later and sees to it that ls_request_answer() is called. */
    void (*call)(void *ctx, struct ls_request *request, struct ls_response *ret);
    /* A request is over: status as sent, 0 when the caller went before. Its arena is still there. */
    void (*done)(void *ctx, const struct ls_request *request, int status);
    /* Something cannot be served as asked: fills *ret with status and why. What is not known yet of the request is empty. */
    void (*refuse)(void *ctx, struct ls_request *request, int status, const char *why,
                   struct ls_response *ret);
};

/* Starts to serve. LS_CONFIG: certificate and key do not fit. */
LS_MUST_CHECK enum ls_code ls_http_open(const struct ls_http_options *options,
                                        const struct ls_http_owner *owner, struct ls_http **ret,
                                        struct ls_error *err);
/* No new connections from here on; those that are there go on, and close behind their next answer. */
void ls_http_quiesce(struct ls_http *http);
/* Requests that are not answered yet; 0 without connections too. */
size_t ls_http_busy(struct ls_http *http);
/* Answers with 503 what was put off and is not answered. To be called before close. */
void ls_http_abandon(struct ls_http *http);
/* Ends every connection and frees. Streams must have ended. NULL is fine. */
void ls_http_close(struct ls_http *http);

/* Figures for /metrics. */
struct ls_http_figures {
    size_t connections, busy, body_bytes;
    uint64_t late;    /* connections that were closed because they were too slow */
    uint64_t refused; /* over the limit of their address */
};
void ls_http_figures(struct ls_http *http, struct ls_http_figures *ret);

#define LS_LISTEN_URL 300
/* What is said of a listening socket: its URL and whether it is on loopback. */
void ls_http_describe(int fd, bool tls, bool *ret_loopback, char ret_url[LS_LISTEN_URL]);
/* Opens a listening socket: "127.0.0.1:7380", "[::1]:80", "localhost:0", ":7380" (every address), "7380" (loopback). LS_CONFIG: not
 * understood; LS_BUSY: somebody listens there. *ret_fd is the caller's; ret_url: "http://127.0.0.1:7380". */
LS_MUST_CHECK enum ls_code ls_http_listen(const char *where, bool tls, int *ret_fd,
                                          bool *ret_loopback, char ret_url[LS_LISTEN_URL],
                                          struct ls_error *err);

#endif
