/* SPDX-License-Identifier: Apache-2.0 */
/* server_priv.h - what handlers and the files of the server share. */
#ifndef LS_SERVER_SERVER_PRIV_H
#define LS_SERVER_SERVER_PRIV_H

#include <stdatomic.h>

#include "server/audit.h"
#include "server/hub.h"
#include "server/metrics.h"
#include "server/runs.h"
#include "server/server.h"
#include "server/worker.h"

struct ls_waits;
struct ls_watch;

/* What follows from the configuration for the server itself; changed as a whole. */
struct ls_server_rules {
    atomic_uint holders;
    struct ls_arena mem;
    size_t host_count;
    const char *const
        *hosts; /* that requests may be for; none: any, where we are not on loopback only */
    bool metrics_public;
};

struct ls_server {
    struct ls_server_options options;
    char *url;
    int64_t started_us; /* Unix time */
    struct ls_http *http;
    struct ls_router *router;
    struct ls_buf openapi; /* the document, as it is sent */
    struct ls_setup *setup;
    struct ls_workers *desk, *look;
    struct ls_hub *hub;
    struct ls_runs *runs;
    struct ls_watch *watch; /* users of whom something was heard */
    struct ls_waits *waits; /* requests whose events are on their way */
    struct ls_metrics *metrics;
    struct ls_audit_gate gate;
    pthread_mutex_t rules_lock;
    struct ls_server_rules *rules;
    atomic_bool draining;

    /* Whether the state can be reached, as of the last look (server.c). */
    struct ls_work probe;
    atomic_bool probing, state_well, state_full;
    _Atomic int64_t probed_us;
    bool offered; /* the link of the first start; the probe's */
};

/* Has a worker look whether the state can be reached, unless one does already. Any thread. */
void ls_server_probe(struct ls_server *server);

/* Answers a request that was put off, with what every answer gets; as ls_request_answer() otherwise. */
void ls_server_answer(struct ls_request *request, struct ls_response *response);

/* After a token, user or session was changed by this process: nothing that was known of callers holds any more, and streams whose holders may not have them end.
 * Any thread. */
void ls_server_forget_callers(struct ls_server *server);

/* The rules as they are now, held for the caller. */
struct ls_server_rules *ls_server_rules(struct ls_server *server);
void ls_server_rules_free(struct ls_server_rules *rules);

#endif
