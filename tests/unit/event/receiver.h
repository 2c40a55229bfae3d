/* SPDX-License-Identifier: Apache-2.0 */
/* receiver.h - HTTP servers on loopback that answer as their path says, and remember what they were sent.
 *
 *   /status/503             answers with that status
 *   /status/429/RETRY       ... and Retry-After: RETRY
 *   /final                  489 and Upstash-NonRetryable-Error: true
 *   /redirect               302 to /status/200?redirected
 *   /dynamic...             answers with what receiver_dynamic() set last (200)
 *   /hang                   does not answer before receiver_release()
 *   /together/N             answers when N requests are there at once, or at receiver_release()
 *   /huge                   200 and 4 MiB */
#ifndef LS_TESTS_EVENT_RECEIVER_H
#define LS_TESTS_EVENT_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>

#include "event/sign.h"

struct receiver;

/* tls_key, tls_cert: PEM; NULL: plain HTTP. */
struct receiver *receiver_start(const char *tls_key, const char *tls_cert);
void receiver_stop(struct receiver *r);
unsigned receiver_port(const struct receiver *r);

struct received {
    char *method, *path; /* with its query */
    struct ls_header headers[40];
    size_t header_count;
    char *body;
    size_t size;
};
/* How many requests began with this path so far. */
size_t receiver_count(struct receiver *r, const char *path);
/* Waits until there were n; fails the test after a minute. */
void receiver_wait(struct receiver *r, const char *path, size_t n);
/* The n-th of them, from 0. Lives until the receiver stops. */
const struct received *receiver_get(struct receiver *r, const char *path, size_t n);
const char *received_header(const struct received *request, const char *name); /* NULL: none */
void receiver_dynamic(struct receiver *r, unsigned status);
void receiver_release(struct receiver *r); /* what hangs, and what is to come */
size_t
receiver_most_together(struct receiver *r); /* requests that were there at once, of any path */

/* A server that speaks bytes and no HTTP: each connection is read until the head of a request is over, then gets `answer` (size bytes) in
 * pieces of `piece` bytes with a pause between, and is closed, or with stay kept open until the end. */
struct odd_server;
struct odd_server *odd_start(const char *answer, size_t size, size_t piece, bool stay);
void odd_stop(struct odd_server *s);
unsigned odd_port(const struct odd_server *s);
size_t odd_connections(struct odd_server *s);

#endif
