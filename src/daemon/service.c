/* SPDX-License-Identifier: Apache-2.0 */
/* service.c - what the daemon runs beside its HTTP server. */
#include "daemon/service.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "server/write.h"

extern const struct ls_service ls_service_events, ls_service_receivers, ls_service_schedules,
    ls_service_outbox, ls_service_alerts;

/* In the order of their start. */
static const struct ls_service *const table[] = {
    &ls_service_events, &ls_service_receivers, &ls_service_schedules,
    &ls_service_outbox, &ls_service_alerts,    NULL, /* ends it */
};

#define MOST (sizeof table / sizeof *table)

struct ls_services {
    pthread_mutex_t
        lock; /* who calls into a service from a request holds it, and who stops one takes it out under it */
    void *running[MOST]; /* by the table's order; NULL: not there */
};

static enum ls_code start_one(struct ls_services *services, size_t i, struct ls_daemon *daemon,
                              struct ls_error *err)
{
    void *started = NULL;
    const enum ls_code rc = table[i]->start(daemon, &started, err);

    if (rc != LS_OK)
        ls_error_wrap(err, "%s", table[i]->name);
    pthread_mutex_lock(&services->lock);
    services->running[i] = started;
    pthread_mutex_unlock(&services->lock);
    return rc;
}

enum ls_code ls_services_start(struct ls_services **services, struct ls_daemon *daemon,
                               bool after_server, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    if (!*services) {
        *services = calloc(1, sizeof **services);
        if (!*services)
            return ls_error_nomem(err);
        pthread_mutex_init(&(*services)->lock, NULL);
    }
    for (size_t i = 0; table[i] && rc == LS_OK; i++) {
        if (table[i]->after_server != after_server)
            continue;
        rc = start_one(*services, i, daemon, err);
    }
    return rc;
}

void ls_services_reload(struct ls_services *services, struct ls_daemon *daemon)
{
    for (size_t i = 0; table[i]; i++) {
        struct ls_error err = {0};

        if (services->running[i] && table[i]->reload &&
            table[i]->reload(services->running[i], daemon, &err) != LS_OK)
            ls_log(LS_LOG_ERROR, "%s goes on as before: %s", table[i]->name, err.text);
    }
}

void ls_services_quiesce(struct ls_services *services)
{
    for (size_t i = 0; services && table[i]; i++)
        if (services->running[i] && table[i]->quiesce)
            table[i]->quiesce(services->running[i]);
}

void ls_services_stop(struct ls_services *services, bool after_server)
{
    for (size_t i = MOST - 1; services && i-- > 0;)
        if (services->running[i] && table[i]->after_server == after_server) {
            void *service;

            pthread_mutex_lock(&services->lock);
            service = services->running[i];
            services->running[i] = NULL;
            pthread_mutex_unlock(&services->lock);
            table[i]->stop(service);
        }
}

void ls_services_free(struct ls_services *services)
{
    if (services)
        pthread_mutex_destroy(&services->lock);
    free(services);
}

void ls_services_figures(struct ls_services *services, struct ls_buf *out)
{
    if (!services)
        return;
    pthread_mutex_lock(&services->lock);
    for (size_t i = 0; table[i]; i++)
        if (services->running[i] && table[i]->figures)
            table[i]->figures(services->running[i], out);
    pthread_mutex_unlock(&services->lock);
}

void ls_services_changed(struct ls_services *services)
{
    if (!services)
        return;
    pthread_mutex_lock(&services->lock);
    for (size_t i = 0; table[i]; i++)
        if (services->running[i] && table[i]->changed)
            table[i]->changed(services->running[i]);
    pthread_mutex_unlock(&services->lock);
}

bool ls_services_health(void *ctx, struct ls_buf *out)
{
    struct ls_services *services = ctx;
    bool all = true;

    if (!services)
        return true;
    pthread_mutex_lock(&services->lock);
    for (size_t i = 0; table[i]; i++) {
        char why[200] = "";
        bool well;

        if (!services->running[i])
            continue;
        well = !table[i]->healthy || table[i]->healthy(services->running[i], why);
        all = all && well;
        ls_write_open(out, NULL, '{');
        ls_write_text(out, "name", table[i]->name);
        ls_write_bool(out, "healthy", well);
        ls_write_text(out, "detail", why);
        ls_write_close(out, '}');
    }
    pthread_mutex_unlock(&services->lock);
    return all;
}
