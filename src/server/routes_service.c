/* SPDX-License-Identifier: Apache-2.0 */
/* routes_service.c - the server about itself: alive, ready, well, its figures, its settings, its documentation. */
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "lockstep.h"
#include "server/handler.h"
#include "state/reserve.h"

/* /readyz is open to all, so it answers from the last look at the state and has the next one made at most this often. */
#define PROBE_AGAIN_US 1000000

static enum ls_code get_alive(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    (void)call;
    (void)err;
    ret->body = "ok\n";
    ret->body_size = 3;
    return LS_OK;
}

static enum ls_code get_ready(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ls_server *server = call->server;

    (void)err;
    if (ls_clock_monotonic_us() - atomic_load(&server->probed_us) > PROBE_AGAIN_US)
        ls_server_probe(server); /* for those who ask next */
    if (atomic_load(&server->draining)) {
        ret->status = 503;
        ret->body = "stopping\n";
    } else if (!atomic_load(&server->state_well)) {
        ret->status = 503;
        ret->body =
            atomic_load(&server->probed_us) ? "the state cannot be reached\n" : "starting\n";
    } else if (atomic_load(&server->state_full)) {
        ret->body = "ready, but the disk of the state is full: nothing new is taken on\n";
    } else {
        ret->body = "ready\n";
    }
    ret->body_size = strlen(ret->body);
    return LS_OK;
}

static void write_pool(struct ls_buf *out, const char *name, struct ls_workers *workers)
{
    struct ls_workers_figures f;

    ls_workers_figures(workers, &f);
    ls_write_open(out, name, '{');
    ls_write_i64(out, "threads", (int64_t)f.threads);
    ls_write_i64(out, "running", (int64_t)f.running);
    ls_write_i64(out, "waiting", (int64_t)f.waiting);
    ls_write_close(out, '}');
}

static enum ls_code get_health(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ls_server *server = call->server;
    struct ls_error why = {0};
    const bool state = ls_api_state(call->ls, true, &why) == LS_OK &&
                       ls_state_room(call->ls->state, &why) == LS_OK;
    bool well = state;
    struct ls_buf out, services;

    ls_buf_init(&services, 0);
    ls_write_open(&services, NULL, '[');
    if (server->options.services)
        well = server->options.services(server->options.ctx, &services) && well;
    ls_write_close(&services, ']');
    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_text(&out, "status",
                  atomic_load(&server->draining) ? "stopping"
                  : well                         ? "ok"
                                                 : "degraded");
    ls_write_text(&out, "version", LOCKSTEP_VERSION);
    ls_write_time(&out, "started_at", server->started_us);
    ls_write_i64(&out, "uptime_s", (ls_clock_now_us() - server->started_us) / 1000000);
    ls_write_open(&out, "state", '{');
    ls_write_bool(&out, "healthy", state);
    ls_write_text(&out, "detail", state ? ls_state_where(call->ls->state) : why.text);
    ls_write_close(&out, '}');
    ls_write_json(&out, "services", ls_buf_str(&services));
    ls_write_open(&out, "workers", '{');
    write_pool(&out, "desk", server->desk);
    write_pool(&out, "look", server->look);
    write_pool(&out, "runs", ls_runs_workers(server->runs));
    ls_write_close(&out, '}');
    ls_write_close(&out, '}');
    ls_buf_done(&services);
    return ls_answer(call, &out, ret, err);
}

static enum ls_code get_openapi(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    (void)err;
    ret->body = call->server->openapi.data; /* it outlives every request */
    ret->body_size = call->server->openapi.size;
    return LS_OK;
}

static enum ls_code get_version(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    static const char body[] = "{\"name\":\"lockstep\",\"version\":\"" LOCKSTEP_VERSION "\"}";

    (void)call;
    (void)err;
    ret->body = body;
    ret->body_size = sizeof body - 1;
    return LS_OK;
}

static const struct {
    const char *name, *type, *help;
    size_t offset; /* of the figure */
} pool_metrics[] = {
    {"lockstep_workers_running", "gauge", "Workers that have work.",
     offsetof(struct ls_workers_figures, running)},
    {"lockstep_workers_waiting", "gauge", "Work that waits for a worker.",
     offsetof(struct ls_workers_figures, waiting)},
    {"lockstep_workers_refused_total", "counter",
     "Work that was refused because too much was waiting.",
     offsetof(struct ls_workers_figures, refused)},
};

static void write_pool_metrics(struct ls_server *server, struct ls_buf *out)
{
    const struct {
        const char *name;
        struct ls_workers *workers;
    } pools[] = {
        {"desk", server->desk}, {"look", server->look}, {"run", ls_runs_workers(server->runs)}};

    for (size_t m = 0; m < sizeof pool_metrics / sizeof *pool_metrics; m++) {
        ls_metric_family(out, pool_metrics[m].name, pool_metrics[m].type, pool_metrics[m].help);
        for (size_t p = 0; p < sizeof pools / sizeof *pools; p++) {
            const char *labels[] = {"pool", pools[p].name, NULL};
            struct ls_workers_figures f;
            uint64_t value = 0;

            ls_workers_figures(pools[p].workers, &f);
            memcpy(&value, (const char *)&f + pool_metrics[m].offset, sizeof value);
            ls_metric_sample(out, pool_metrics[m].name, "", labels, (double)value);
        }
    }
}

static void write_hub_metrics(struct ls_server *server, struct ls_buf *out)
{
    struct ls_hub_figures f;

    ls_hub_figures(server->hub, &f);
    ls_metric_one(out, "lockstep_stream_listeners", "gauge", "Open streams of events.",
                  (double)f.listeners);
    ls_metric_one(out, "lockstep_stream_messages_total", "counter",
                  "Messages that were told to streams.", (double)f.messages);
    ls_metric_one(out, "lockstep_stream_dropped_total", "counter",
                  "Streams that were ended because their reader was too slow.", (double)f.dropped);
    ls_metric_one(out, "lockstep_stream_withdrawn_total", "counter",
                  "Streams that were ended because their reader may not have them any more.",
                  (double)f.withdrawn);
}

static void write_http_metrics(struct ls_server *server, struct ls_buf *out)
{
    struct ls_http_figures f;

    ls_http_figures(server->http, &f);
    ls_metric_one(out, "lockstep_http_connections", "gauge", "Open connections.",
                  (double)f.connections);
    ls_metric_one(out, "lockstep_http_requests_in_flight", "gauge",
                  "Requests that are not answered to the end.", (double)f.busy);
    ls_metric_one(out, "lockstep_http_body_bytes", "gauge", "Memory that holds request bodies.",
                  (double)f.body_bytes);
    ls_metric_one(out, "lockstep_http_slow_connections_total", "counter",
                  "Connections that were closed because their client was too slow.",
                  (double)f.late);
    ls_metric_one(out, "lockstep_http_refused_connections_total", "counter",
                  "Connections over the limit of their address.", (double)f.refused);
    ls_metrics_requests(server->metrics, out);
}

static enum ls_code get_metrics(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    static const char *const build[] = {"version", LOCKSTEP_VERSION, NULL};
    struct ls_server *server = call->server;
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_metric_family(&out, "lockstep_build_info", "gauge", "Which version this is; always 1.");
    ls_metric_sample(&out, "lockstep_build_info", "", build, 1);
    ls_metric_one(&out, "process_start_time_seconds", "gauge",
                  "Start time of the process since unix epoch in seconds.",
                  (double)server->started_us / 1e6);
    ls_metrics_process(&out);
    write_http_metrics(server, &out);
    write_pool_metrics(server, &out);
    write_hub_metrics(server, &out);
    ls_runs_metrics(server->runs, &out);
    if (server->options.figures)
        server->options.figures(server->options.ctx, &out);
    return ls_answer(call, &out, ret, err);
}

static void write_syncs(struct ls_buf *out, const struct ls_config *config)
{
    ls_write_i64(out, "syncs", config ? (int64_t)config->sync_count : 0);
    ls_write_text(out, "configuration", config ? config->path : NULL);
    ls_write_open(out, "journal_keep", '{');
    ls_write_i64(out, "days", config && config->journal_keep_days ? config->journal_keep_days : 30);
    ls_write_i64(out, "bytes",
                 config && config->journal_keep_bytes ? config->journal_keep_bytes
                                                      : (int64_t)10 << 30);
    ls_write_close(out, '}');
}

static enum ls_code get_settings(struct ls_call *call, struct ls_response *ret,
                                 struct ls_error *err)
{
    struct ls_server *server = call->server;
    struct ls_server_rules *rules = ls_server_rules(server);
    struct ls_error why = {0};
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_text(&out, "version", LOCKSTEP_VERSION);
    ls_write_text(&out, "url", server->url);
    write_syncs(&out, call->ls->config);
    ls_write_text(&out, "state",
                  ls_api_state(call->ls, true, &why) == LS_OK ? ls_state_where(call->ls->state)
                                                              : NULL);
    ls_write_open(&out, "hosts", '[');
    for (size_t i = 0; i < rules->host_count; i++)
        ls_write_text(&out, NULL, rules->hosts[i]);
    ls_write_close(&out, ']');
    ls_write_text(&out, "metrics", rules->metrics_public ? "public" : "viewer");
    ls_write_bool(&out, "tls", server->options.http.cert != NULL);
    ls_write_bool(&out, "loopback", server->options.loopback);
    ls_write_close(&out, '}');
    ls_server_rules_free(rules);
    return ls_answer(call, &out, ret, err);
}

static enum ls_code post_reload(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ls_server *server = call->server;
    struct ls_error why = {0};
    enum ls_code rc;

    if (!server->options.reload)
        return ls_refuse(ret, 409, err, LS_UNSUPPORTED, "there is no configuration to read again");
    rc = server->options.reload(server->options.ctx, &why);
    if (rc != LS_OK)
        return ls_refuse(ret, 422, err, LS_CONFIG, "the configuration stays as it was: %s",
                         why.text);
    return LS_OK;
}

static const struct ls_route routes[] = {
    LS_ROUTE("GET", "/healthz", LS_ROLE_NONE, .handle = get_alive, .type = "text/plain",
             .summary = "Say whether the process is alive"),
    LS_ROUTE("GET", "/readyz", LS_ROLE_NONE, .handle = get_ready, .type = "text/plain",
             .summary = "Say whether requests can be served"),
    LS_ROUTE("GET", "/metrics", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK | LS_ROUTE_IF_PUBLIC,
             .handle = get_metrics, .type = "text/plain; version=0.0.4; charset=utf-8",
             .summary = "Give the figures for Prometheus"),
    LS_ROUTE("GET", "/api/v1/health", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK, .handle = get_health,
             .response = "Health", .summary = "Say how the server and its services are"),
    LS_ROUTE("GET", "/api/v1/version", LS_ROLE_NONE, .handle = get_version, .response = "Version",
             .summary = "Say which version this is"),
    LS_ROUTE("GET", "/api/v1/openapi.json", LS_ROLE_NONE, .handle = get_openapi,
             .response = "OpenApi", .summary = "Describe this API (OpenAPI 3.1)"),
    LS_ROUTE("GET", "/api/v1/settings", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK,
             .handle = get_settings, .response = "Settings",
             .summary = "Show the settings that are in force, without secrets"),
    LS_ROUTE("POST", "/api/v1/settings/reload", LS_ROLE_ADMIN,
             .flags = LS_ROUTE_DESK | LS_ROUTE_CHANGES, .handle = post_reload, .status = 202,
             .summary = "Read the configuration again; a bad one is refused and keeps the old"),
};

const struct ls_route_table ls_routes_service =
    LS_ROUTE_TABLE("service", "The server itself.", routes);
