/* SPDX-License-Identifier: Apache-2.0 */
/* server.c - the way of a request from its head to its answer.
 *
 *   head      is the host one of ours, is there a route, is body, type and query what it takes?
 *   whole     who is it (caller.h), may that role do this?
 *   refused   a problem; where the route changes something, also an entry of the audit log, by a worker
 *   allowed   inline at once; else on a worker: the audit log first, then the handler
 *   answer    errors become problems, answers to GET get an ETag
 *
 * All of it is decided here and by the tables, so that no handler can forget it.
 *
 * Three kinds of workers, so that nothing waits behind what takes much longer: the desk for what asks the state, others for what looks at stores, and
 * those of runs (runs.c). Each has a queue with an end: beyond it callers are told to come again, at once. */
#include "server/server_priv.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/text.h"
#include "event/intake.h"
#include "server/head.h"
#include "server/login.h"
#include "server/openapi.h"
#include "server/problem.h"
#include "server/waits.h"
#include "server/watch.h"
#include "state/reserve.h"

#define BODY_MAX ((size_t)1 << 20)
/* Of a call that is signed over its body: who sends it is known only when all of it is there. */
#define SIGNED_MAX ((size_t)1 << 20)
#define LISTENERS 1000 /* of Server-Sent Events at once */
#define WAITS 200      /* requests at once that wait for their events to arrive */

/* ---- answers ---- */

/* A strong one: of the bytes that are sent. */
static void add_etag(const struct ls_request *request, struct ls_response *r)
{
    const struct ls_hash128 hash = ls_hash128(r->body, r->body_size, 0);
    const char *known = ls_request_header(request, "If-None-Match");
    const char *etag = ls_arena_printf(request->mem, "\"%016llx%016llx\"",
                                       (unsigned long long)hash.high, (unsigned long long)hash.low);

    ls_response_header(r, "Cache-Control", "private, no-cache");
    ls_response_header(r, "ETag", etag);
    if (etag && known && ls_head_lists(known, etag))
        r->status = 304; /* the head of the body goes out, and not the body */
}

/* What every answer gets, whatever made it. A handler that sets ETag itself means a version, which If-Match is held against. */
static void finish(const struct ls_request *request, struct ls_response *r)
{
    const struct ls_route *route = request->route;

    if (!r->status)
        r->status = route->status ? route->status : 200;
    if (!r->type)
        r->type = route->type;
    if (strcmp(route->method, "GET") == 0 && r->status == 200 && r->body_size && !r->stream &&
        !ls_response_has(r, "ETag"))
        add_etag(request, r);
    else
        ls_response_header(r, "Cache-Control", "no-store");
}

void ls_server_answer(struct ls_request *request, struct ls_response *response)
{
    finish(request, response);
    ls_request_answer(request, response);
}

/* Calls the handler. r is not in the request's arena: when the handler has put the request off, or answered it already, the request and call may be gone
 * before it is back. */
static void handle(struct ls_call *call, struct ls_response *r)
{
    struct ls_error err = {0};
    const enum ls_code rc = call->route->handle(call, r, &err);

    if (r->later)
        return;
    if (rc != LS_OK) {
        if (err.code == LS_OK)
            ls_error_set(&err, rc, "%s", ls_code_text(rc));
        if (rc == LS_INTERNAL || rc == LS_CORRUPT)
            ls_log(LS_LOG_ERROR, "%s %s: %s (request=%s)", call->route->method, call->route->path,
                   err.text, call->request->id);
        ls_problem_of(call->request, &err, r);
    }
    finish(call->request, r);
}

/* ---- work ---- */

/* A request that a worker has. In the request's arena. */
struct job {
    struct ls_work work;
    struct ls_call call;
    struct ls_caller caller;
    struct ls_response response; /* what is sent */
    bool refused;                /* response says so already; only the audit log is left */
    uint64_t skipped;
};

static void audit_refusal(struct job *job, struct lockstep *ls)
{
    struct ls_error err = {0};

    job->call.ls = ls;
    if (!ls || ls_audit_call(&job->call, LS_AUDIT_REFUSED, job->response.status, job->skipped,
                             &err) != LS_OK)
        ls_log(LS_LOG_ERROR, "a refused call is not in the audit log: %s (request=%s)",
               ls ? err.text : "there is no worker", job->call.request->id);
}

/* A call that may change something and was answered with an error. Of callers that nobody knows not more than of refusals. */
static void audit_failure(struct job *job, int status)
{
    struct ls_server *server = job->call.server;
    struct ls_error err = {0};
    uint64_t skipped = 0;

    if (job->caller.role == LS_ROLE_NONE &&
        !ls_audit_gate_pass(&server->gate, ls_clock_monotonic_us(), &skipped))
        return;
    if (ls_audit_call(&job->call, LS_AUDIT_FAILED, status, skipped, &err) != LS_OK)
        ls_log(LS_LOG_ERROR, "a call that failed is not in the audit log: %s (request=%s)",
               err.text, job->call.request->id);
}

/* What is done by a worker that has a handle: the audit log, then the handler. */
static void do_job(struct job *job, struct lockstep *ls, struct ls_response *r)
{
    const unsigned flags = job->call.route->flags;
    const char *actor = ls_audit_actor(job->call.caller, job->call.mem);
    const char *about = ls_audit_about(job->call.request, LS_AUDIT_DONE);
    struct ls_error err = {0};

    job->call.ls = ls;
    if (!actor || !about) {
        ls_problem(job->call.request, 503, "nomem", "out of memory", r);
        finish(job->call.request, r);
        return;
    }
    if ((flags & LS_ROUTE_CHANGES) &&
        ls_audit_call(&job->call, LS_AUDIT_ALLOWED, 0, 0, &err) != LS_OK) {
        ls_error_wrap(&err, "nothing was done, for the audit log cannot be written");
        r->status = err.code == LS_FULL ? 507 : 503;
        ls_problem_of(job->call.request, &err, r);
        finish(job->call.request, r);
        return;
    }
    ls_api_act_as(ls, actor, about);
    handle(&job->call, r);
    if (!r->later && r->status >= 400 && (flags & (LS_ROUTE_CHANGES | LS_ROUTE_AUDITS)))
        audit_failure(job, r->status);
}

/* On a worker. Nothing of the job is touched once it has been answered: it goes with the request. */
static void run_job(struct ls_work *work, struct lockstep *ls, const struct ls_error *why)
{
    struct job *job = (struct job *)work;
    struct ls_request *request = job->call.request;
    struct ls_response r = job->response;

    if (job->refused) {
        audit_refusal(job, ls);
    } else if (!ls) {
        ls_problem_of(request, why, &r);
        finish(request, &r);
    } else {
        do_job(job, ls, &r);
    }
    if (!r.later)
        ls_request_answer(request, &r);
}

static struct job *new_job(struct ls_server *server, struct ls_request *request,
                           const struct ls_caller *caller)
{
    struct job *job = ls_arena_alloc(request->mem, sizeof *job);

    if (!job)
        return NULL;
    job->work.run = run_job;
    job->caller = *caller;
    request->caller = &job->caller;
    job->call = (struct ls_call){.request = request,
                                 .mem = request->mem,
                                 .caller = &job->caller,
                                 .route = request->route,
                                 .server = server};
    return job;
}

/* Puts the request off to a worker; *ret says why not. */
static void give(struct ls_workers *workers, struct job *job, struct ls_response *ret)
{
    struct ls_request *request = job->call.request;

    ret->later = true;
    if (ls_workers_give(workers, &job->work))
        return; /* the job may be gone already */
    ret->later = false;
    ls_response_header(ret, "Retry-After", "5");
    ls_problem(request, 503, "busy", "too much is waiting. Try again later", ret);
}

/* ---- who may ---- */

static void refuse_caller(struct ls_server *server, struct ls_request *request,
                          const struct ls_caller *caller, struct ls_response *ret)
{
    const bool changes = request->route && (request->route->flags &
                                            (LS_ROUTE_CHANGES | LS_ROUTE_AUDITS | LS_ROUTE_QUEUES));
    uint64_t skipped = 0;
    struct job *job;

    if (!changes || !ls_audit_gate_pass(&server->gate, ls_clock_monotonic_us(), &skipped))
        return;
    job = new_job(server, request, caller);
    if (!job)
        return;
    job->refused = true;
    job->skipped = skipped;
    job->response = *ret;
    ret->later = true;
    if (!ls_workers_give(server->desk, &job->work)) {
        ls_log(LS_LOG_WARN,
               "a refused call is not in the audit log: too much is waiting "
               "(request=%s)",
               request->id);
        ret->later = false;
    }
}

static void unauthorized(struct ls_request *request, const char *why, struct ls_response *ret)
{
    ls_response_header(ret, "WWW-Authenticate", "Bearer realm=\"lockstep\"");
    ls_problem(request, 401, "unauthorized", why, ret);
}

/* Fills *ret when the caller is not known or not let in. */
static bool is_let_in(struct ls_server *server, struct ls_request *request,
                      struct ls_caller *caller, struct ls_response *ret)
{
    struct ls_error err = {0};
    const enum ls_role need = request->route->role;
    const enum ls_code rc =
        server->options.identify(server->options.callers, request, caller, &err);

    caller->pass.need = need;
    if (rc == LS_OK && ls_role_may(caller->role, need))
        return true;
    if (rc == LS_OK && caller->role == LS_ROLE_NONE) {
        unauthorized(request, "this call needs credentials", ret);
    } else if (rc == LS_OK) {
        char why[100];

        snprintf(why, sizeof why, "this call needs the role %s", ls_role_word(need));
        ls_problem(request, 403, "forbidden", why, ret);
    } else if (caller->status) {
        ls_problem(request, caller->status, ls_code_name(rc), err.text, ret);
    } else if (rc == LS_PERMISSION) {
        unauthorized(request, err.text, ret);
    } else if (rc == LS_BUSY) {
        if (caller->retry_after_s > 0)
            ls_response_header(ret, "Retry-After",
                               ls_arena_printf(request->mem, "%d", caller->retry_after_s));
        ls_problem(request, 429, "too_many_tries", err.text, ret);
    } else { /* it cannot be told, so it is not let in */
        ls_response_header(ret, "Retry-After", "5");
        ls_problem(request, 503, ls_code_name(rc), err.text, ret);
    }
    ls_response_header(ret, "Cache-Control", "no-store");
    return false;
}

/* Whether a caller is let in. In the request's arena. */
struct ls_admission {
    struct ls_caller caller;
    bool let_in;
    struct ls_response refusal; /* when not */
};

/* NULL: out of memory. */
static struct ls_admission *admit(struct ls_server *server, struct ls_request *request)
{
    struct ls_admission *a = ls_arena_alloc(request->mem, sizeof *a);

    if (!a)
        return NULL;
    *a = (struct ls_admission){.caller = {.role = LS_ROLE_NONE, .kind = "anonymous", .name = ""}};
    a->let_in = is_let_in(server, request, &a->caller, &a->refusal);
    return a;
}

static bool is_public(struct ls_server *server, const struct ls_route *route)
{
    struct ls_server_rules *rules;
    bool ret;

    if (!(route->flags & LS_ROUTE_IF_PUBLIC))
        return route->role == LS_ROLE_NONE;
    rules = ls_server_rules(server);
    ret = rules->metrics_public;
    ls_server_rules_free(rules);
    return ret;
}

/* Many clients send {} with whatever they send. */
static bool is_no_body(const struct ls_request *request)
{
    return request->body_size == 0 ||
           (request->body_size == 2 && memcmp(request->body, "{}", 2) == 0);
}

static void on_call(void *ctx, struct ls_request *request, struct ls_response *ret)
{
    static const struct ls_caller anonymous = {
        .role = LS_ROLE_NONE, .kind = "anonymous", .name = ""};
    struct ls_server *server = ctx;
    const struct ls_route *route = request->route;
    struct ls_admission *admission = request->admission;
    const struct ls_caller *caller;
    struct job *job;

    if (!admission && !is_public(server, route) && !(admission = admit(server, request))) {
        ls_problem(request, 503, "nomem", "out of memory", ret);
        return;
    }
    caller = admission ? &admission->caller : &anonymous;
    if (admission && !admission->let_in) {
        *ret = admission->refusal;
        refuse_caller(server, request, caller, ret);
        return;
    }
    if (!route->request && !is_no_body(request)) {
        ls_problem(request, 400, "no_body", "this call takes no body", ret);
        return;
    }
    if (atomic_load(&server->draining) && (route->flags & (LS_ROUTE_LONG | LS_ROUTE_CHANGES))) {
        ls_response_header(ret, "Retry-After", "10");
        ls_problem(request, 503, "stopping", "lockstep is being stopped", ret);
        return;
    }
    job = new_job(server, request, caller);
    if (!job)
        ls_problem(request, 503, "nomem", "out of memory", ret);
    else if (route->flags & LS_ROUTE_DESK)
        give(server->desk, job, ret);
    else if (route->flags & LS_ROUTE_LONG)
        give(server->look, job, ret);
    else
        handle(&job->call, ret);
}

/* ---- the head ---- */

static bool refuse(struct ls_request *request, int status, const char *code, const char *why,
                   struct ls_response *ret)
{
    ls_problem(request, status, code, why, ret);
    ls_response_header(ret, "Cache-Control", "no-store");
    return false;
}

static bool check_host(struct ls_server *server, struct ls_request *request,
                       struct ls_response *ret)
{
    struct ls_server_rules *rules = ls_server_rules(server);
    const char *host = ls_request_header(request, "Host");
    const bool ok =
        !host || ls_head_host(host, rules->hosts, rules->host_count, server->options.loopback);

    ls_server_rules_free(rules);
    if (ok)
        return true;
    return refuse(request, 421, "wrong_host",
                  "this host is not served here. Name it in server.hosts of the configuration",
                  ret);
}

static bool check_query(struct ls_request *request, struct ls_response *ret)
{
    const struct ls_route *route = request->route;

    for (size_t i = 0; i < request->query_count && !(route->flags & LS_ROUTE_ANY_QUERY); i++) {
        char why[300];

        if (ls_route_takes(route, request->query[i].name))
            continue;
        snprintf(why, sizeof why, "there is no parameter \"%.60s\" here%s%.150s",
                 request->query[i].name, route->query ? ". There are: " : "",
                 route->query ? route->query : "");
        return refuse(request, 400, "unknown_parameter", why, ret);
    }
    return true;
}

static bool check_body(struct ls_request *request, struct ls_response *ret)
{
    const struct ls_route *route = request->route;
    const char *length = ls_request_header(request, "Content-Length");
    const bool has_body = ls_request_header(request, "Transfer-Encoding") ||
                          (length && strspn(length, "0") < strlen(length));
    const char *type = ls_request_header(request, "Content-Type");
    const char *coding = ls_request_header(request, "Content-Encoding");

    if (!has_body)
        return true;
    if (!route->request && (!length || strlen(length) > 1)) /* on_call() looks at a short one */
        return refuse(request, 400, "no_body", "this call takes no body", ret);
    if (coding && !ls_text_equal_nocase(coding, "identity"))
        return refuse(request, 415, "unsupported_coding", "compressed bodies are not taken", ret);
    if (!(route->flags & LS_ROUTE_ANY_TYPE) && (!type || !ls_head_is_json(type)))
        return refuse(request, 415, "unsupported_type",
                      "the body has to be JSON: Content-Type: application/json", ret);
    return true;
}

/* At the end of the head, so that no body is kept of somebody who is not let in. What is open to all is not asked who calls: it answers also
 * when that cannot be told. A signature of QStash is about the body as well, so it is looked at behind that, which is short then. */
static bool check_caller(struct ls_server *server, struct ls_request *request, size_t *ret_body_max,
                         struct ls_response *ret)
{
    if (is_public(server, request->route))
        return true;
    if (ls_request_header(request, "Upstash-Signature")) {
        *ret_body_max = *ret_body_max < SIGNED_MAX ? *ret_body_max : SIGNED_MAX;
        return true;
    }
    request->admission = admit(server, request);
    if (!request->admission)
        return refuse(request, 503, "nomem", "out of memory", ret);
    request->discard = !request->admission->let_in;
    return true;
}

static bool no_route(struct ls_request *request, const char *allow, struct ls_response *ret)
{
    const bool options = strcmp(request->method, "OPTIONS") == 0;

    if (options && strcmp(request->path, "*") == 0)
        allow = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
    ls_response_header(ret, "Allow", allow);
    if (options && allow) {
        ret->status = 204;
        return false;
    }
    if (allow)
        return refuse(request, 405, "method_not_allowed", "this path does not know the method",
                      ret);
    return refuse(request, 404, "no_such_path",
                  "there is nothing at this path: "
                  "/api/v1/openapi.json lists what there is",
                  ret);
}

static bool on_head(void *ctx, struct ls_request *request, size_t *ret_body_max,
                    struct ls_response *early)
{
    struct ls_server *server = ctx;
    const char *accept = ls_request_header(request, "Accept"), *allow = NULL;
    const struct ls_route *route;

    if (!check_host(server, request, early))
        return false;
    route = request->route = ls_router_find(server->router, request, &allow);
    if (!route)
        return no_route(request, allow, early);
    if (accept && !ls_head_accepts(accept, route->type ? route->type : "application/json"))
        return refuse(request, 406, "not_acceptable",
                      "the answer has none of the types that Accept asks for", early);
    *ret_body_max = route->body_max ? route->body_max : BODY_MAX;
    return check_query(request, early) && check_body(request, early) &&
           check_caller(server, request, ret_body_max, early);
}

static void on_refuse(void *ctx, struct ls_request *request, int status, const char *why,
                      struct ls_response *ret)
{
    (void)ctx;
    if (status == 503)
        ls_response_header(ret, "Retry-After", "5");
    ls_response_header(ret, "Cache-Control", "no-store");
    ls_problem(request, status, "bad_request", why, ret);
}

static void on_done(void *ctx, const struct ls_request *request, int status)
{
    const struct ls_server *server = ctx;
    const int64_t us = ls_clock_monotonic_us() - request->began_us;
    const struct ls_route *route = request->route;
    const bool changes =
        route && (route->flags & (LS_ROUTE_CHANGES | LS_ROUTE_AUDITS)) && status < 400;
    /* what is open to all (/readyz) is asked every few seconds: it does not fill the log */
    const bool failed = status >= 500 && route && route->role != LS_ROLE_NONE;

    ls_metrics_request(server->metrics, route, status, us);
    ls_log(failed    ? LS_LOG_WARN
           : changes ? LS_LOG_INFO
                     : LS_LOG_DEBUG,
           "http: %s %.200s: %d (ms=%lld peer=%s caller=%s%s%s request=%s)", request->method,
           request->path, status, (long long)(us / 1000), request->peer,
           request->caller ? request->caller->kind : "?",
           request->caller && *request->caller->name ? ":" : "",
           request->caller ? request->caller->name : "", request->id);
}

/* ---- rules ---- */

struct ls_server_rules *ls_server_rules(struct ls_server *server)
{
    struct ls_server_rules *rules;

    (void)pthread_mutex_lock(&server->rules_lock);
    rules = server->rules;
    atomic_fetch_add(&rules->holders, 1);
    (void)pthread_mutex_unlock(&server->rules_lock);
    return rules;
}

void ls_server_rules_free(struct ls_server_rules *rules)
{
    if (!rules || atomic_fetch_sub(&rules->holders, 1) > 1)
        return;
    ls_arena_done(&rules->mem);
    free(rules);
}

static enum ls_code fill_rules(struct ls_server_rules *rules, const struct ls_server_config *config,
                               struct ls_error *err)
{
    const char **hosts = ls_arena_array(&rules->mem, config->host_count, sizeof *hosts);

    if (!hosts)
        return ls_error_nomem(err);
    for (size_t i = 0; i < config->host_count; i++)
        if (!(hosts[i] = ls_arena_text(&rules->mem, config->hosts[i])))
            return ls_error_nomem(err);
    rules->hosts = hosts;
    rules->host_count = config->host_count;
    rules->metrics_public = config->metrics_public;
    return LS_OK;
}

static enum ls_code make_rules(const struct ls_config *config, struct ls_server_rules **ret,
                               struct ls_error *err)
{
    static const struct ls_server_config none;
    struct ls_server_rules *rules = calloc(1, sizeof *rules);
    enum ls_code rc;

    if (!rules)
        return ls_error_nomem(err);
    atomic_init(&rules->holders, 1);
    ls_arena_init(&rules->mem, 0);
    rc = fill_rules(rules, config ? &config->server : &none, err);
    if (rc == LS_OK)
        *ret = rules;
    else
        ls_server_rules_free(rules);
    return rc;
}

enum ls_code ls_server_change(struct ls_server *server, struct ls_config *config,
                              struct ls_error *err)
{
    struct ls_server_rules *rules = NULL, *old;
    enum ls_code rc = make_rules(config, &rules, err);

    if (rc != LS_OK)
        return rc;
    (void)pthread_mutex_lock(&server->rules_lock);
    old = server->rules;
    server->rules = rules;
    (void)pthread_mutex_unlock(&server->rules_lock);
    ls_server_rules_free(old);
    ls_setup_change(server->setup, config);
    ls_hub_look_again(server->hub);
    return LS_OK;
}

/* ---- the state ---- */

/* Once: a link whose maker is told it is good until it is used or a day has gone by. */
static void offer_first(struct ls_server *server, struct lockstep *ls)
{
    struct ls_error err = {0};
    struct ls_arena mem;
    const char *link = NULL;

    if (server->offered || !server->options.first || !server->options.callers ||
        ls_callers_have_token(server->options.callers))
        return;
    ls_arena_init(&mem, 0);
    if (ls_setup_link(ls->state, server->url, ls_clock_now_us(), &mem, &link, &err) != LS_OK)
        ls_log(LS_LOG_WARN, "the link for the first admin cannot be made: %s", err.text);
    else
        server->offered = true;
    if (link) {
        server->options.first(server->options.ctx, link);
        ls_secret_wipe((char *)(uintptr_t)link, strlen(link));
    }
    ls_arena_done(&mem);
}

static void probe(struct ls_work *work, struct lockstep *ls, const struct ls_error *why)
{
    struct ls_server *server =
        (struct ls_server *)((char *)work - offsetof(struct ls_server, probe));
    struct ls_error err = {0};
    const bool well =
        ls && ls_api_state(ls, true, &err) == LS_OK && ls_state_ping(ls->state, &err) == LS_OK;

    const bool first = atomic_load(&server->probed_us) == 0;

    if (!well && (atomic_exchange(&server->state_well, false) || first))
        ls_log(LS_LOG_ERROR, "the state cannot be reached: %s", ls ? err.text : why->text);
    if (well && !atomic_exchange(&server->state_well, true))
        ls_log(LS_LOG_INFO, "the state is there (state=%s)", ls_state_where(ls->state));
    atomic_store(&server->state_full, well && ls_state_room(ls->state, &err) != LS_OK);
    if (well)
        offer_first(server, ls);
    atomic_store(&server->probed_us, ls_clock_monotonic_us());
    atomic_store(&server->probing, false);
}

void ls_server_probe(struct ls_server *server)
{
    if (atomic_exchange(&server->probing, true))
        return;
    server->probe.run = probe;
    if (!ls_workers_give(server->desk, &server->probe))
        atomic_store(&server->probing, false);
}

/* ---- open and close ---- */

static void fill_defaults(struct ls_server_options *o)
{
    o->desk_threads = o->desk_threads ? o->desk_threads : 2;
    o->look_threads = o->look_threads ? o->look_threads : 2;
    o->run_threads = o->run_threads ? o->run_threads : 2;
    o->queue = o->queue ? o->queue : 100;
    if (!o->identify)
        o->identify = ls_caller_identify;
    if (!o->tables) {
        o->tables = ls_route_tables;
        o->table_count = ls_route_table_count;
    }
}

/* On the queue's thread. */
static void on_events(void *ctx, const struct ls_accepted *accepted)
{
    struct ls_server *server = ctx;

    for (size_t i = 0; i < accepted->count; i++)
        if (!accepted->known[i])
            ls_watch_event(server->watch, accepted->events[i].type,
                           accepted->events[i].resource_id);
}

static enum ls_code watch_users(struct ls_server *server, struct ls_error *err)
{
    server->watch = ls_watch_new(server->setup, server->look, server->hub);
    if (!server->watch)
        return ls_error_nomem(err);
    if (server->options.intake)
        ls_intake_listen(server->options.intake, on_events, server);
    return LS_OK;
}

static enum ls_code may_still(void *ctx, const struct ls_pass *pass, bool *ret_still,
                              struct ls_error *err)
{
    return ls_caller_still(ctx, pass, ret_still, err);
}

void ls_server_forget_callers(struct ls_server *server)
{
    if (!server->options.callers)
        return;
    ls_callers_forget(server->options.callers);
    ls_hub_look_again(server->hub);
}

static enum ls_code start(struct ls_server *server, struct ls_error *err)
{
    const struct ls_server_options *o = &server->options;
    const struct ls_http_owner owner = {server, on_head, on_call, on_done, on_refuse};
    const struct ls_hub_options hub = {
        .most = LISTENERS, .still = o->callers ? may_still : NULL, .ctx = o->callers};
    enum ls_code rc = make_rules(o->config, &server->rules, err);

    server->setup = ls_setup_new(ls_config_hold(o->config), o->state_url);
    server->metrics = ls_metrics_new(o->tables, o->table_count);
    server->url = strdup(o->url);
    if (rc == LS_OK && (!server->setup || !server->metrics || !server->url))
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = ls_router_open(o->tables, o->table_count, &server->router, err);
    if (rc == LS_OK) {
        ls_openapi_write(&server->openapi, o->tables, o->table_count);
        rc = server->openapi.failed ? ls_error_nomem(err) : LS_OK;
    }
    if (rc == LS_OK)
        rc = ls_workers_open("desk", o->desk_threads, o->queue, server->setup, &server->desk, err);
    if (rc == LS_OK)
        rc = ls_workers_open("look", o->look_threads, o->queue, server->setup, &server->look, err);
    if (rc == LS_OK)
        rc = ls_hub_open(&hub, &server->hub, err);
    if (rc == LS_OK)
        rc = ls_runs_open(server->setup, server->hub, o->run_threads, o->queue, &server->runs, err);
    if (rc == LS_OK)
        rc = ls_waits_open(server->setup, WAITS, &server->waits, err);
    if (rc == LS_OK)
        rc = watch_users(server, err);
    if (rc == LS_OK)
        rc = ls_http_open(&o->http, &owner, &server->http, err);
    return rc;
}

enum ls_code ls_server_open(const struct ls_server_options *options, struct ls_server **ret,
                            struct ls_error *err)
{
    struct ls_server *server = calloc(1, sizeof *server);
    enum ls_code rc;

    if (!server)
        return ls_error_nomem(err);
    server->options = *options;
    fill_defaults(&server->options);
    server->started_us = ls_clock_now_us();
    ls_audit_gate_init(&server->gate);
    ls_buf_init(&server->openapi, 0);
    (void)pthread_mutex_init(&server->rules_lock, NULL);
    rc = start(server, err);
    if (rc == LS_OK) {
        ls_server_probe(server);
        *ret = server;
    } else {
        ls_server_close(server);
    }
    return rc;
}

void ls_server_quiesce(struct ls_server *server)
{
    atomic_store(&server->draining, true);
    if (server->http)
        ls_http_quiesce(server->http);
    if (server->runs)
        ls_runs_quiesce(server->runs);
    if (server->waits)
        ls_waits_stop(server->waits);
    if (server->hub)
        ls_hub_stop(server->hub);
}

struct ls_runs *ls_server_runs(struct ls_server *server)
{
    return server->runs;
}

void ls_server_tell(struct ls_server *server, const char *event, const char *about,
                    const char *json)
{
    ls_hub_publish(server->hub, event, about, json, false);
}

size_t ls_server_busy(struct ls_server *server)
{
    struct ls_workers *const all[] = {server->desk, server->look, ls_runs_workers(server->runs)};
    size_t busy = ls_http_busy(server->http);

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct ls_workers_figures f;

        ls_workers_figures(all[i], &f);
        busy += f.running + f.waiting;
    }
    return busy;
}

void ls_server_cancel(struct ls_server *server)
{
    if (server->runs)
        ls_runs_cancel_all(server->runs);
    if (server->look)
        ls_workers_stop(server->look);
    if (server->desk)
        ls_workers_stop(server->desk);
    if (server->http)
        ls_http_abandon(server->http);
}

void ls_server_close(struct ls_server *server)
{
    if (!server)
        return;
    ls_server_quiesce(server);
    ls_server_cancel(server);
    if (server->watch && server->options.intake)
        ls_intake_listen(server->options.intake, NULL, NULL);
    ls_waits_close(server->waits);
    ls_runs_close(server->runs);
    ls_workers_close(server->look);
    ls_watch_free(server->watch);
    ls_workers_close(server->desk);
    ls_http_close(server->http);
    ls_hub_close(server->hub);
    ls_router_close(server->router);
    ls_buf_done(&server->openapi);
    ls_metrics_free(server->metrics);
    ls_setup_free(server->setup);
    ls_server_rules_free(server->rules);
    (void)pthread_mutex_destroy(&server->rules_lock);
    free(server->url);
    free(server);
}
