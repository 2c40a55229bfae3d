/* SPDX-License-Identifier: Apache-2.0 */
/* surface.c - what the documented paths share.
 *
 * Their clients wait for a sync to end before they look at the answer, so a request is put off until its run is over. A caller who hangs up meanwhile
 * changes nothing: the run goes on, and its answer goes nowhere. */
#include "server/surface.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

void ls_surface_begin(struct ls_buf *out, bool success)
{
    ls_write_open(out, NULL, '{');
    ls_write_bool(out, "success", success);
}

void ls_surface_end(struct ls_buf *out)
{
    ls_write_time(out, "timestamp", ls_clock_now_us());
    ls_write_close(out, '}');
}

void ls_surface_data_begin(struct ls_buf *out)
{
    ls_write_open(out, NULL, '{');
    ls_write_open(out, "data", '{');
    ls_write_bool(out, "success", true);
}

void ls_surface_data_end_with(struct ls_buf *out, const char *name, const char *json)
{
    ls_write_close(out, '}');
    ls_write_open(out, "metadata", '{');
    ls_write_time(out, "timestamp", ls_clock_now_us());
    ls_write_text(out, "version", "1.0");
    if (name)
        ls_write_json(out, name, json);
    ls_write_close(out, '}');
    ls_write_close(out, '}');
}

void ls_surface_data_end(struct ls_buf *out)
{
    ls_surface_data_end_with(out, NULL, NULL);
}

const char *ls_surface_counts(const struct lockstep_run *run, char out[200])
{
    const uint64_t changed = run->created + run->updated + run->deleted;

    if (changed + run->failed + run->conflicts == 0)
        snprintf(out, 200, "no sync needed");
    else
        snprintf(out, 200,
                 "%" PRIu64 " created, %" PRIu64 " updated, %" PRIu64 " deleted%s%" PRIu64
                 " failed",
                 run->created, run->updated, run->deleted, ", ", run->failed + run->conflicts);
    return out;
}

/* The answer is in out, which is freed. */
static void answer(struct ls_request *request, struct ls_buf *out, int status)
{
    struct ls_response response = {.status = status};

    response.body = out->failed ? NULL : ls_arena_copy(request->mem, ls_buf_str(out), out->size);
    response.body_size = out->size;
    ls_buf_done(out);
    if (!response.body)
        ls_problem(request, 503, "nomem", "out of memory", &response);
    ls_server_answer(request, &response);
}

void ls_surface_failed(struct ls_request *request, const struct lockstep_error *error,
                       const struct lockstep_run *run)
{
    char *json = run ? lockstep_history_json(run) : NULL;
    struct ls_error err = {0};
    struct ls_buf out;

    (void)ls_call_failed(error, &err);
    ls_buf_init(&out, 0);
    ls_surface_begin(&out, false);
    ls_write_text(&out, "message", err.text);
    ls_write_text(&out, "error", ls_code_name(err.code));
    if (json)
        ls_write_json(&out, "run", json);
    ls_surface_end(&out);
    lockstep_free(json);
    answer(request, &out, ls_problem_status(err.code));
}

static void on_end(void *ctx, const struct ls_run_end *end)
{
    const struct ls_surface_run *job = ctx;
    struct ls_buf out;
    int status = 200;

    if (!end->run || (end->code != LOCKSTEP_OK && end->code != LOCKSTEP_DIFFERENT)) {
        ls_surface_failed(job->request, end->error, end->run);
        return;
    }
    ls_buf_init(&out, 0);
    job->write(&out, job, end->run, &status);
    answer(job->request, &out, status);
}

enum ls_code ls_surface_start(struct ls_call *call, struct ls_run_wish *wish, ls_surface_fn *write,
                              const char *about, struct ls_response *ret, struct ls_error *err)
{
    struct ls_surface_run *job = ls_arena_array(call->mem, 1, sizeof *job);
    char id[37];
    enum ls_code rc;

    wish->actor = ls_audit_actor(call->caller, call->mem);
    if (!job || !wish->actor)
        return ls_error_nomem(err);
    *job = (struct ls_surface_run){.request = call->request, .write = write, .about = about};
    wish->done = on_end;
    wish->ctx = job;
    ret->later = true;
    rc = ls_runs_start(call->server->runs, wish, id, err);
    if (rc != LS_OK)
        ret->later = false;
    return rc;
}
