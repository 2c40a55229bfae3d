/* SPDX-License-Identifier: Apache-2.0 */
/* service.h - what the daemon runs beside its HTTP server, as a table: the queue, deliveries, the scheduler.
 *
 * To add one: fill a const struct ls_service and name it in service.c. It is started in the order of the table and stopped the other way round. */
#ifndef LS_DAEMON_SERVICE_H
#define LS_DAEMON_SERVICE_H

#include "api/config.h"
#include "base/buf.h"
#include "server/server.h"

struct ls_intake;
struct ls_queue;

/* What services are given. */
struct ls_daemon {
    struct ls_config
        *config; /* as it is now; services that keep it hold it (ls_config_hold()). NULL: none */
    const char *state_url;             /* NULL: the default */
    struct ls_intake *intake;          /* the way into the queue; set by the service of events */
    struct ls_queue *queue;            /* likewise */
    void (*deliver_now)(void *events); /* looks at all endpoints now; ctx: events. Any thread */
    void *events;
    struct ls_server *server; /* NULL for services that start before it */
    const char *url;          /* how the server is reached */
    /* Ends the process after what is under way, with exit status 3: the state cannot be trusted any more. Any thread. */
    void (*fatal)(struct ls_daemon *daemon, const struct ls_error *why);
};

struct ls_service {
    const char *name;
    bool after_server; /* it calls into the server; else the server's handlers call it */
    /* Starts its threads. *ret NULL: there is nothing to do with this configuration. An outage is no error: a service that cannot reach a store tries
     * again by itself. An error here ends the start of the daemon. */
    enum ls_code (*start)(struct ls_daemon *daemon, void **ret, struct ls_error *err);
    /* The configuration has changed. NULL: nothing of it concerns this. An error is logged, and what was goes on. */
    enum ls_code (*reload)(void *service, struct ls_daemon *daemon, struct ls_error *err);
    /* Takes on nothing new from here on, at once. NULL: stop is enough. */
    void (*quiesce)(void *service);
    /* Ends its threads and frees it. */
    void (*stop)(void *service);
    /* NULL: always. why is for people, "" when it is well too. */
    bool (*healthy)(void *service, char why[200]);
    /* Appends its figures for Prometheus. NULL: it has none. */
    void (*figures)(void *service, struct ls_buf *out);
    /* Something that it looks after was changed in the state. NULL: nothing of that concerns it. */
    void (*changed)(void *service);
};

struct ls_services; /* those that run */
LS_MUST_CHECK enum ls_code ls_services_start(struct ls_services **services,
                                             struct ls_daemon *daemon, bool after_server,
                                             struct ls_error *err);
void ls_services_reload(struct ls_services *services, struct ls_daemon *daemon);
void ls_services_quiesce(struct ls_services *services);
/* Stops those that were started after the server, or before it. */
void ls_services_stop(struct ls_services *services, bool after_server);
void ls_services_free(struct ls_services *services);
/* For /api/v1/health; ctx is a struct ls_services. */
bool ls_services_health(void *ctx, struct ls_buf *out);
/* Likewise for /metrics, and when schedules were changed. Any thread, until they are freed. */
void ls_services_figures(struct ls_services *services, struct ls_buf *out);
void ls_services_changed(struct ls_services *services);

#endif
