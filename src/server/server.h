/* SPDX-License-Identifier: Apache-2.0 */
/* server.h - the API server: HTTP, routes, callers and workers put together. */
#ifndef LS_SERVER_SERVER_H
#define LS_SERVER_SERVER_H

#include "base/buf.h"
#include "server/caller.h"
#include "server/http.h"
#include "server/route.h"

struct ls_config;
struct ls_intake;
struct ls_runs;
struct ls_server;

struct ls_server_options {
    struct ls_http_options http; /* its socket stays the caller's */
    const char *url;             /* how it is reached; copied */
    bool loopback;               /* only from this machine */
    struct ls_config *config;    /* held; NULL: none */
    const char *state_url;       /* NULL: the configuration's, then the default; copied */
    struct ls_callers *callers;  /* borrowed */
    struct ls_intake *intake;    /* borrowed; NULL: events are not taken */
    void (*deliver_now)(
        void *events); /* looks at all endpoints now. NULL: nothing is delivered here */
    void *events;
    size_t desk_threads; /* for the state; 0: 2 */
    size_t look_threads; /* for comparisons: how many at once; 0: 2 */
    size_t run_threads;  /* for runs, likewise; 0: 2 */
    size_t queue;        /* how much of each may wait; 0: 100 */

    /* What the server asks of whoever runs it. */
    void *ctx;
    /* Looks whether the configuration can be read, and reads it again soon when it can. On a worker. NULL: there is none. */
    enum ls_code (*reload)(void *ctx, struct ls_error *err);
    /* Appends the state of each service to a JSON array, as {"name":..,"healthy":..,"detail":..}. NULL: there are none. false: one is not well. */
    bool (*services)(void *ctx, struct ls_buf *out);
    /* There is no user and no token: the link by which the first admin is made. It is a secret; once, on a worker. NULL: no link is made. */
    void (*first)(void *ctx, const char *link);

    /* Schedules were made, changed or asked for: whoever fires them looks now. NULL: they are seen within seconds. */
    void (*schedules)(void *ctx);
    /* Appends figures of the services for Prometheus. NULL: there are none. */
    void (*figures)(void *ctx, struct ls_buf *out);

    /* Tests: other callers than those of caller.h, other tables than ls_route_tables. */
    enum ls_code (*identify)(struct ls_callers *callers, const struct ls_request *request,
                             struct ls_caller *ret, struct ls_error *err);
    const struct ls_route_table *const *tables;
    size_t table_count;
};

LS_MUST_CHECK enum ls_code ls_server_open(const struct ls_server_options *options,
                                          struct ls_server **ret, struct ls_error *err);
/* Takes over a new configuration: work that begins from here on has it. After an error the old one stays, and config is the caller's. */
LS_MUST_CHECK enum ls_code ls_server_change(struct ls_server *server, struct ls_config *config,
                                            struct ls_error *err);
/* The runs that it carries out: others may ask for some (server/runs.h). */
struct ls_runs *ls_server_runs(struct ls_server *server);
/* Tells those who listen live (server/hub.h): event "schedule.fired", JSON in one line. Any thread. */
void ls_server_tell(struct ls_server *server, const char *event, const char *about,
                    const char *json);
/* The first step of the end: /readyz says no, no new connections, nothing long is begun any more. */
void ls_server_quiesce(struct ls_server *server);
/* Requests that are not answered, and works that run. */
size_t ls_server_busy(struct ls_server *server);
/* Ends runs after their batch, streams and answers that are put off. */
void ls_server_cancel(struct ls_server *server);
/* Quiesces, cancels, waits for what runs, and frees. NULL is fine. */
void ls_server_close(struct ls_server *server);

#endif
