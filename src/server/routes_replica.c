/* SPDX-License-Identifier: Apache-2.0 */
/* routes_replica.c - the surface of a replica that is copied into production: the sync itself, called by QStash, a cron job or a person.
 *
 * The syncs of surfaces.replica run one after the other, and the request is answered when the last one is over. QStash gives up after 30 s and calls again with
 * the same message id, while the run goes on. So nothing is started twice: a run has an id that follows from the message, and a call joins the run that is
 * under way, or answers what came of it meanwhile. Only after a run that failed does the next call of its message start another one.
 *
 * A bare GET or POST, without credentials, started a sync in the system that this replaces. Here both need the cron secret, QStash's signature, or somebody who
 * may start runs; a POST that is not QStash's says x-manual-trigger: true as well, so that no stray request of a browser is one. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/text.h"
#include "server/replica.h"
#include "server/surface.h"

#define ATTEMPTS_MAX 50 /* runs of one message: QStash tries a few times */

/* A call at work; in its request's arena. */
struct replica_call {
    struct ls_request *request;
    struct ls_server *server;
    const char *actor, *type; /* "scheduled", "manual" */
    size_t count, at;
    struct replica_step {
        const char *sync;
        char id[37];         /* to have; "": a new one */
        const char *outcome; /* JSON of its run; NULL: not yet */
        uint64_t failed;
    } * steps;
    int64_t began_us, total;
};

/* ---- the answer ---- */

static void log_end(const struct replica_call *c, const char *how)
{
    ls_log(LS_LOG_INFO,
           "replica sync %s (type=%s, syncs=%zu, total_records=%" PRId64 ", duration_ms=%" PRId64
           ")",
           how, c->type, c->count, c->total, (ls_clock_monotonic_us() - c->began_us) / 1000);
}

static void send_answer(struct replica_call *c, struct ls_buf *out, int status)
{
    struct ls_response response = {.status = status};

    response.body = out->failed ? NULL : ls_arena_copy(c->request->mem, out->data, out->size);
    response.body_size = out->size;
    ls_buf_done(out);
    if (!response.body)
        ls_problem(c->request, 503, "nomem", "out of memory", &response);
    ls_server_answer(c->request, &response);
}

static void write_runs(struct ls_buf *out, const struct replica_call *c)
{
    ls_write_open(out, "runs", '[');
    for (size_t i = 0; i < c->count; i++)
        if (c->steps[i].outcome)
            ls_write_json(out, NULL, c->steps[i].outcome);
    ls_write_close(out, ']');
}

static void answer_failure(struct replica_call *c, int status, const char *why)
{
    struct ls_buf out;

    log_end(c, "failed");
    ls_log(LS_LOG_ERROR, "replica sync failed: %s", why);
    ls_buf_init(&out, 0);
    ls_surface_begin(&out, false);
    ls_write_text(&out, "message", "Slave-to-prod sync failed");
    ls_write_text(&out, "error", why);
    ls_write_text(&out, "type", c->type);
    write_runs(&out, c);
    ls_surface_end(&out);
    send_answer(c, &out, status);
}

static void answer_success(struct replica_call *c)
{
    struct ls_buf out;

    log_end(c, "completed");
    ls_buf_init(&out, 0);
    ls_surface_begin(&out, true);
    ls_write_text(&out, "message", "Slave-to-prod sync completed successfully");
    ls_write_text(&out, "type", c->type);
    ls_write_open(&out, "statistics", '{');
    ls_write_i64(&out, "total_records", c->total);
    ls_write_time(&out, "sync_completed_at", ls_clock_now_us());
    ls_write_close(&out, '}');
    write_runs(&out, c);
    ls_surface_end(&out);
    send_answer(c, &out, 200);
}

/* ---- steps ---- */

/* Records that production has after the runs. On a worker, with a handle of its own. */
static enum ls_code count_records(struct replica_call *c, struct ls_error *err)
{
    static const struct lockstep_listener nobody;
    struct ls_config *config = ls_setup_config(c->server->setup);
    struct lockstep *ls = NULL;
    enum ls_code rc =
        ls_api_open(config, ls_setup_state(c->server->setup), c->actor, &nobody, &ls, err);

    c->total = 0;
    for (size_t i = 0; i < c->count && rc == LS_OK; i++) {
        const struct lockstep_select select = {.sync = c->steps[i].sync};
        struct lockstep_status status = {0};
        struct lockstep_error error = {0};
        const int code = lockstep_status(ls, &select, NULL, &status, &error);

        if (code == LOCKSTEP_OK || code == LOCKSTEP_DIFFERENT)
            c->total += (int64_t)status.target_count;
        else
            rc = ls_call_failed(&error, err);
        lockstep_status_done(&status);
    }
    lockstep_close(ls);
    ls_config_free(config);
    return rc;
}

static void finish(struct replica_call *c)
{
    struct ls_error err = {0};
    uint64_t failed = 0;
    char why[200];

    for (size_t i = 0; i < c->count; i++)
        failed += c->steps[i].failed;
    if (failed) {
        snprintf(why, sizeof why,
                 "%" PRIu64 " records could not be written; see errors of the runs", failed);
        answer_failure(c, 500, why);
    } else if (count_records(c, &err) != LS_OK) {
        answer_failure(c, ls_problem_status(err.code), err.text);
    } else {
        answer_success(c);
    }
}

static enum ls_code begin_step(struct replica_call *c, struct ls_error *err);

/* On to the next one that has not run, or to the end. */
static void go_on(struct replica_call *c)
{
    struct ls_error err = {0};

    while (c->at < c->count && c->steps[c->at].outcome)
        c->at++;
    if (c->at == c->count)
        finish(c);
    else if (begin_step(c, &err) != LS_OK)
        answer_failure(c, ls_problem_status(err.code), err.text);
}

static void on_run_end(void *ctx, const struct ls_run_end *end)
{
    struct replica_call *c = ctx;
    struct replica_step *step = &c->steps[c->at];
    char *json = end->run ? lockstep_history_json(end->run) : NULL, counts[200];

    step->outcome = ls_arena_text(c->request->mem, json ? json : "{}");
    lockstep_free(json);
    if (end->code != LOCKSTEP_OK && end->code != LOCKSTEP_DIFFERENT) {
        struct ls_error err = {0};

        (void)ls_call_failed(end->error, &err);
        if (!end->run)
            step->outcome = NULL;
        answer_failure(c, ls_problem_status(err.code), err.text);
        return;
    }
    step->failed = end->run ? end->run->failed + end->run->conflicts : 0;
    if (end->run)
        ls_log(LS_LOG_INFO, "replica sync: step %zu of %zu, %s: %s", c->at + 1, c->count,
               step->sync, ls_surface_counts(end->run, counts));
    if (step->outcome)
        go_on(c);
    else
        answer_failure(c, 503, "out of memory");
}

/* Starts its run, or joins the one that is under way. A run that ends between the two is met by another try. */
static enum ls_code begin_step(struct replica_call *c, struct ls_error *err)
{
    const struct replica_step *step = &c->steps[c->at];
    const struct ls_run_wish wish = {.kind = "sync",
                                     .sync = step->sync,
                                     .actor = c->actor,
                                     .id = *step->id ? step->id : NULL,
                                     .done = on_run_end,
                                     .ctx = c};
    enum ls_code rc = LS_LOCKED;

    ls_log(LS_LOG_INFO, "replica sync: step %zu of %zu, %s: begins", c->at + 1, c->count,
           step->sync);
    for (size_t tries = 0; tries < 3 && (rc == LS_LOCKED || rc == LS_CONFLICT); tries++) {
        char id[37];

        rc = ls_runs_start(c->server->runs, &wish, id, err);
        if ((rc == LS_LOCKED || rc == LS_CONFLICT) &&
            ls_runs_join(c->server->runs, step->sync, on_run_end, c))
            return LS_OK;
    }
    return rc;
}

/* ---- the same message again ---- */

/* An id that follows from a message, a sync and the number of the run: a version 8 UUID. */
static void id_of(const char *message, const char *sync, int number, char ret[37])
{
    char hex[LS_SHA256_HEX], text[20];
    struct ls_sha256 h;

    ls_sha256_init(&h);
    ls_sha256_add(&h, message, strlen(message) + 1);
    ls_sha256_add(&h, sync, strlen(sync) + 1);
    snprintf(text, sizeof text, "%d", number);
    ls_sha256_add(&h, text, strlen(text));
    ls_sha256_hex(&h, hex);
    snprintf(ret, 37, "%.8s-%.4s-8%.3s-8%.3s-%.12s", hex, hex + 8, hex + 12, hex + 15, hex + 18);
}

/* What the runs of this message have come to: its outcome where one went well, else the id of the next one. */
static enum ls_code recall(struct ls_call *call, const char *message, struct replica_step *step,
                           struct ls_error *err)
{
    for (int number = 1; number <= ATTEMPTS_MAX; number++) {
        struct lockstep_run *run = NULL;
        bool well, running;

        id_of(message, step->sync, number, step->id);
        if (lockstep_show(call->ls, step->id, &run, NULL, NULL) != LOCKSTEP_OK)
            return LS_OK; /* there was none so far */
        well = strcmp(run->status, "completed") == 0;
        running = strcmp(run->status, "running") == 0;
        if (well) {
            char *json = lockstep_history_json(run);

            step->outcome = ls_arena_text(call->mem, json);
            lockstep_free(json);
        }
        lockstep_run_free(run);
        if (well || running)
            return !well || step->outcome ? LS_OK : ls_error_nomem(err);
    }
    return ls_error_set(err, LS_BUSY, "this message has started %d runs already", ATTEMPTS_MAX);
}

/* ---- the call ---- */

static enum ls_code make_call(struct ls_call *call, const char *type, struct replica_call **ret,
                              struct ls_error *err)
{
    const struct ls_surfaces_config *s = &call->ls->config->surfaces;
    const char *message = ls_request_header(call->request, "Upstash-Message-Id");
    struct replica_call *c = ls_arena_array(call->mem, 1, sizeof *c);
    struct replica_step *steps = ls_arena_array(call->mem, s->replica_count, sizeof *steps);
    const bool repeats = message && *message && strcmp(type, "scheduled") == 0;
    enum ls_code rc = LS_OK;

    if (!c || !steps)
        return ls_error_nomem(err);
    *c = (struct replica_call){.request = call->request,
                               .server = call->server,
                               .actor = ls_audit_actor(call->caller, call->mem),
                               .type = type,
                               .count = s->replica_count,
                               .steps = steps,
                               .began_us = ls_clock_monotonic_us()};
    for (size_t i = 0; i < c->count && rc == LS_OK; i++) {
        steps[i].sync = ls_arena_text(call->mem, s->replica[i]);
        if (!steps[i].sync)
            return ls_error_nomem(err);
        if (repeats)
            rc = recall(call, message, &steps[i], err);
    }
    *ret = c;
    return rc == LS_OK && !c->actor ? ls_error_nomem(err) : rc;
}

enum ls_code ls_replica_configured(const struct ls_call *call, struct ls_response *ret,
                                   struct ls_error *err)
{
    if (call->ls->config && call->ls->config->surfaces.replica_count)
        return LS_OK;
    return ls_refuse(ret, 404, err, LS_NOT_FOUND,
                     "no syncs of a replica are configured. Name them under surfaces: replica, or "
                     "write a configuration by `lockstep init --preset replica`");
}

enum ls_code ls_replica_run(struct ls_call *call, const char *type, struct ls_response *ret,
                            struct ls_error *err)
{
    struct replica_call *c = NULL;
    enum ls_code rc = ls_replica_configured(call, ret, err);

    if (rc == LS_OK)
        rc = make_call(call, type, &c, err);
    if (rc != LS_OK)
        return rc;
    ls_log(LS_LOG_INFO, "replica sync begins (type=%s, syncs=%zu, actor=%s)", type, c->count,
           c->actor);
    ret->later = true;
    go_on(c); /* the request may be answered already */
    return LS_OK;
}

static bool is_manual(const struct ls_request *request)
{
    const char *said = ls_request_header(request, "x-manual-trigger");

    return said && ls_text_equal_nocase(said, "true");
}

static enum ls_code post_sync(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    if (strcmp(call->caller->kind, "qstash") == 0)
        return ls_replica_run(call, "scheduled", ret, err);
    if (!is_manual(call->request))
        return ls_error_set(err, LS_USAGE,
                            "a call that QStash did not sign starts a sync with the header "
                            "x-manual-trigger: true alone");
    return ls_replica_run(call, "manual", ret, err);
}

static enum ls_code get_sync(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    if (strcmp(call->request->method, "GET") != 0)
        return ls_refuse(ret, 405, err, LS_USAGE, "only GET and POST start a sync");
    return ls_replica_run(call, "manual", ret, err);
}

static const struct ls_route routes[] = {
    LS_ROUTE("POST", LS_REPLICA_PATH, LS_ROLE_CRON,
             .flags = LS_ROUTE_DESK | LS_ROUTE_CHANGES | LS_ROUTE_SUCCESS | LS_ROUTE_ANY_TYPE,
             .handle = post_sync, .request = "AnyBody", .response = "ReplicaSynced",
             .summary = "Copy the replica into production; answered when it is done"),
    LS_ROUTE("GET", LS_REPLICA_PATH, LS_ROLE_CRON,
             .flags = LS_ROUTE_DESK | LS_ROUTE_CHANGES | LS_ROUTE_SUCCESS, .handle = get_sync,
             .response = "ReplicaSynced", .summary = "The same, by hand"),
};

const struct ls_route_table ls_routes_replica = LS_ROUTE_TABLE(
    "replica", "A replica that is copied into production, on a schedule or by hand.", routes);
