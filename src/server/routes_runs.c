/* SPDX-License-Identifier: Apache-2.0 */
/* routes_runs.c - runs: asked for, looked at, followed live, cancelled, taken back; and their receipts.
 *
 * Who asks for a run is answered at once, with its UUID, by which it can be followed from then on; or, with `wait`, when it is over. A brake
 * can be gone past by admins alone. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "lockstep.h"
#include "server/handler.h"

/* ---- asking ---- */

struct ask {
    const char *sync, *kind;
    bool full, create, dry_run, wait;
    struct ls_texts force, only;
};

#define AT(member) offsetof(struct ask, member)
static const struct ls_member run_members[] = {
    {"sync", LS_MEMBER_TEXT, AT(sync), true},        {"kind", LS_MEMBER_TEXT, AT(kind), false},
    {"full", LS_MEMBER_BOOL, AT(full), false},       {"create", LS_MEMBER_BOOL, AT(create), false},
    {"dry_run", LS_MEMBER_BOOL, AT(dry_run), false}, {"wait", LS_MEMBER_BOOL, AT(wait), false},
    {"force", LS_MEMBER_TEXTS, AT(force), false},    {"only", LS_MEMBER_TEXTS, AT(only), false},
};

static enum ls_code post_run(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ask ask = {.kind = "sync"};
    struct ls_run_wish wish = {0};
    enum ls_code rc =
        ls_body_read(call, run_members, sizeof run_members / sizeof *run_members, &ask, err);

    if (rc == LS_OK && strcmp(ask.kind, "sync") != 0 && strcmp(ask.kind, "verify") != 0)
        rc = ls_error_set(err, LS_USAGE, "kind is sync or verify");
    if (rc == LS_OK)
        rc = ls_call_sync(call, ask.sync, ret, err);
    if (rc == LS_OK)
        rc = ls_call_force(call, &ask.force, &wish.force, ret, err);
    if (rc != LS_OK)
        return rc;
    wish.kind = ask.kind;
    wish.sync = ask.sync;
    wish.full = ask.full;
    wish.create = ask.create;
    wish.dry_run = ask.dry_run;
    wish.only = ask.only.texts;
    wish.only_count = ask.only.count;
    return ls_call_run(call, &wish, ask.wait, ret, err);
}

static const struct ls_member wait_members[] = {{"wait", LS_MEMBER_BOOL, AT(wait), false}};

static enum ls_code post_undo(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const char *which = ls_request_param(call->request, "run");
    struct ls_run_wish wish = {.kind = "undo", .run = which};
    struct ask ask = {0};
    struct ls_run run;
    enum ls_code rc = ls_body_read(call, wait_members, 1, &ask, err);

    if (rc == LS_OK)
        rc = ls_api_state(call->ls, true, err);
    if (rc == LS_OK)
        rc = ls_state_run_find(call->ls->state, which, call->mem, &run, err);
    if (rc != LS_OK)
        return rc;
    wish.sync = run.sync;
    return ls_call_run(call, &wish, ask.wait, ret, err);
}

static enum ls_code post_cancel(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const char *which = ls_request_param(call->request, "run");
    enum ls_code rc = ls_runs_cancel(call->server->runs, which, NULL, err);

    ret->body = "{\"status\":\"cancelling\"}";
    ret->body_size = strlen(ret->body);
    return rc;
}

/* ---- looking ---- */

/* A run of the state and, while it is at work here, how far it is. */
static enum ls_code show_known(struct ls_call *call, const char *which, const char *progress,
                               struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_run *run = NULL;
    struct lockstep_error error = {0};
    struct ls_buf out;
    char *json;

    if (lockstep_show(call->ls, which, &run, NULL, &error) != LOCKSTEP_OK)
        return ls_call_failed(&error, err);
    json = lockstep_history_json(run);
    lockstep_run_free(run);
    if (!json || !progress)
        return ls_answer_text(call, json, ret, err);
    ls_buf_init(&out, 0);
    ls_buf_add(&out, json, strlen(json) - 1);
    ls_write_json(&out, "progress", progress);
    ls_write_close(&out, '}');
    lockstep_free(json);
    return ls_answer(call, &out, ret, err);
}

static enum ls_code get_run(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const char *which = ls_request_param(call->request, "run");
    bool begun = false;
    const char *here = ls_runs_show(call->server->runs, which, call->mem, &begun);

    if (!here || begun)
        return show_known(call, which, here, ret, err);
    ret->body = here;
    ret->body_size = strlen(here);
    return LS_OK;
}

static enum ls_code get_runs(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const struct ls_request *request = call->request;
    struct ls_run_filter filter = {.sync = ls_request_query(request, "sync"),
                                   .kind = ls_request_query(request, "kind"),
                                   .status = ls_request_query(request, "status")};
    struct lockstep_run **runs = NULL;
    struct ls_page page;
    struct ls_buf out;
    size_t count = 0;
    int64_t last = 0;
    enum ls_code rc = ls_page_read(call, &page, err);

    filter.before = page.after;
    if (rc == LS_OK)
        rc = ls_api_runs(call->ls, &filter, page.limit + 1, &count, &runs, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_buf_text(&out, "{\"items\":[");
    for (size_t i = 0; i < count && i < page.limit; i++) {
        char *json = lockstep_history_json(runs[i]);

        ls_write_json(&out, NULL, json);
        lockstep_free(json);
        last = runs[i]->number;
    }
    ls_page_end(call, &out, count > page.limit, last, ret);
    lockstep_runs_free(runs, count);
    return ls_answer(call, &out, ret, err);
}

static enum ls_code get_active(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_buf_text(&out, "{\"items\":[");
    ls_runs_write(call->server->runs, ls_request_query(call->request, "sync"), &out);
    ls_buf_text(&out, "],\"next\":null}");
    return ls_answer(call, &out, ret, err);
}

static void write_line(struct ls_buf *out, const struct ls_run_line *l, bool errors)
{
    ls_write_open(out, NULL, '{');
    ls_write_time(out, "at", l->at_us);
    if (errors) {
        ls_write_json(out, "key", l->key_json);
        ls_write_text(out, "code", l->code);
    }
    ls_write_text(out, errors ? "error" : "text", l->text);
    ls_write_close(out, '}');
}

static enum ls_code list_lines(struct ls_call *call, bool errors, struct ls_response *ret,
                               struct ls_error *err)
{
    struct ls_run_line *lines = NULL;
    struct ls_page page;
    struct ls_run run;
    struct ls_buf out;
    size_t count = 0;
    int64_t last = 0;
    enum ls_code rc = ls_page_read(call, &page, err);

    if (rc == LS_OK)
        rc = ls_api_state(call->ls, true, err);
    if (rc == LS_OK)
        rc = ls_state_run_find(call->ls->state, ls_request_param(call->request, "run"), call->mem,
                               &run, err);
    if (rc == LS_OK)
        rc = ls_state_run_lines(call->ls->state, run.id, errors, page.after, page.limit + 1,
                                call->mem, &count, &lines, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_buf_text(&out, "{\"items\":[");
    for (size_t i = 0; i < count && i < page.limit; i++) {
        write_line(&out, &lines[i], errors);
        last = lines[i].seq;
    }
    ls_page_end(call, &out, count > page.limit, last, ret);
    return ls_answer(call, &out, ret, err);
}

static enum ls_code get_log(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    return list_lines(call, false, ret, err);
}

static enum ls_code get_errors(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    return list_lines(call, true, ret, err);
}

/* ---- receipts ---- */

static enum ls_code get_receipt(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_error error = {0};
    char *json = NULL;

    if (lockstep_receipt(call->ls, ls_request_param(call->request, "run"), &json, &error) !=
        LOCKSTEP_OK)
        return ls_call_failed(&error, err);
    return ls_answer_text(call, json, ret, err);
}

/* Runs without a receipt (stopped by a brake, still at work) are passed over: a page may be shorter than its limit. */
static enum ls_code get_receipts(struct ls_call *call, struct ls_response *ret,
                                 struct ls_error *err)
{
    struct ls_run_filter filter = {.sync = ls_request_query(call->request, "sync")};
    struct ls_run *runs = NULL;
    struct ls_page page;
    struct ls_buf out;
    size_t count = 0;
    int64_t last = 0;
    enum ls_code rc = ls_page_read(call, &page, err);

    filter.before = page.after;
    if (rc == LS_OK)
        rc = ls_api_state(call->ls, true, err);
    if (rc == LS_OK)
        rc = ls_state_runs_page(call->ls->state, &filter, page.limit + 1, call->mem, &count, &runs,
                                err);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_buf_text(&out, "{\"items\":[");
    for (size_t i = 0; i < count && i < page.limit && rc == LS_OK; i++) {
        const char *json = NULL;

        rc = ls_state_receipt_get(call->ls->state, runs[i].id, call->mem, &json, err);
        if (rc == LS_OK)
            ls_write_json(&out, NULL, json);
        else if (rc == LS_NOT_FOUND)
            rc = LS_OK;
        last = runs[i].number;
    }
    ls_page_end(call, &out, count > page.limit, last, ret);
    if (rc != LS_OK) {
        ls_buf_done(&out);
        return rc;
    }
    return ls_answer(call, &out, ret, err);
}

/* ---- live ---- */

/* A number that is none of ours is one that we do not know: the listener is told so. */
static int64_t last_heard(const struct ls_call *call)
{
    const char *text = ls_request_header(call->request, "Last-Event-ID");
    int64_t number = 0;

    if (!text || !*text)
        return 0;
    return ls_text_to_i64(text, strlen(text), &number) && number > 0 ? number : INT64_MAX;
}

static enum ls_code stream(struct ls_stream *s, struct ls_response *ret)
{
    ret->stream = s;
    ret->live = true;
    ls_response_header(ret, "X-Accel-Buffering", "no"); /* nginx would hold messages back */
    return LS_OK;
}

static enum ls_code too_many(struct ls_response *ret, struct ls_error *err)
{
    ls_response_header(ret, "Retry-After", "10");
    return ls_refuse(ret, 503, err, LS_BUSY, "too many streams are open");
}

/* What there is to tell of a run that is not under way here, by what GET answers of it. One that another process carries out is shown as it is now: the
 * listener comes again by itself, and at last hears the end. Nothing is left to be told: 204, which ends that. */
static enum ls_code tell_over(struct ls_call *call, const struct ls_response *shown,
                              struct ls_response *ret, struct ls_error *err)
{
    json_t *run = json_loadb(shown->body, shown->body_size, 0, NULL);
    const char *id = json_string_value(json_object_get(run, "id"));
    const char *status = json_string_value(json_object_get(run, "status"));
    const bool over = status && strcmp(status, "running") != 0 && strcmp(status, "queued") != 0;
    const struct ls_hub_wish wish = {.about = id,
                                     .after = last_heard(call),
                                     .first = over ? "run.finished" : "run",
                                     .first_json =
                                         ls_arena_text_n(call->mem, shown->body, shown->body_size)};
    enum ls_code rc = LS_OK;
    struct ls_buf out;

    ls_buf_init(&out, 0);
    if (!id || !wish.first_json)
        rc = ls_error_nomem(err);
    else if (ls_hub_over(call->server->hub, &wish, &out))
        rc = ls_answer(call, &out, ret, err);
    else
        ret->status = 204;
    ls_buf_done(&out);
    json_decref(run);
    return rc;
}

static enum ls_code get_run_events(struct ls_call *call, struct ls_response *ret,
                                   struct ls_error *err)
{
    const char *which = ls_request_param(call->request, "run");
    bool full = false;
    struct ls_stream *s =
        ls_runs_listen(call->server->runs, which, last_heard(call), &call->caller->pass, &full);
    struct ls_response shown = {0};
    enum ls_code rc;

    if (s)
        return stream(s, ret);
    if (full)
        return too_many(ret, err);
    rc = get_run(call, &shown, err);
    return rc == LS_OK ? tell_over(call, &shown, ret, err) : rc;
}

static enum ls_code get_stream(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    bool full = false;
    struct ls_stream *s =
        ls_hub_join(call->server->hub,
                    &(struct ls_hub_wish){.prefix = ls_request_query(call->request, "events"),
                                          .after = last_heard(call),
                                          .pass = &call->caller->pass},
                    &full);

    return s ? stream(s, ret) : full ? too_many(ret, err) : ls_error_nomem(err);
}

static const struct ls_route routes[] = {
    LS_ROUTE("POST", "/api/v1/runs", LS_ROLE_OPERATOR, .flags = LS_ROUTE_DESK | LS_ROUTE_CHANGES,
             .handle = post_run, .request = "RunRequest", .response = "RunAccepted", .status = 202,
             .summary = "Start a run: sync, or verify"),
    LS_ROUTE("GET", "/api/v1/runs", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK, .handle = get_runs,
             .query = "sync kind status limit cursor", .response = "RunList",
             .summary = "List runs, newest first"),
    LS_ROUTE("GET", "/api/v1/runs/active", LS_ROLE_VIEWER, .handle = get_active, .query = "sync",
             .response = "ActiveRunList",
             .summary = "List the runs that wait or are at work in this server"),
    LS_ROUTE("GET", "/api/v1/runs/{run}", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK, .handle = get_run,
             .response = "Run", .summary = "Show a run"),
    LS_ROUTE("GET", "/api/v1/runs/{run}/log", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK,
             .handle = get_log, .query = "limit cursor", .response = "LogList",
             .summary = "List the lines of a run's log"),
    LS_ROUTE("GET", "/api/v1/runs/{run}/errors", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK,
             .handle = get_errors, .query = "limit cursor", .response = "RunErrorList",
             .summary = "List the records that a run could not write"),
    LS_ROUTE("GET", "/api/v1/runs/{run}/receipt", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK,
             .handle = get_receipt, .response = "Receipt", .summary = "Show the proof of a run"),
    LS_ROUTE("GET", "/api/v1/runs/{run}/events", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK,
             .handle = get_run_events, .type = "text/event-stream",
             .summary = "Follow a run live, until run.finished"),
    LS_ROUTE("POST", "/api/v1/runs/{run}/undo", LS_ROLE_ADMIN,
             .flags = LS_ROUTE_DESK | LS_ROUTE_CHANGES, .handle = post_undo,
             .request = "WaitRequest", .response = "RunAccepted", .status = 202,
             .summary = "Take back what a run changed, by a run"),
    LS_ROUTE("POST", "/api/v1/runs/{run}/cancel", LS_ROLE_OPERATOR,
             .flags = LS_ROUTE_DESK | LS_ROUTE_CHANGES, .handle = post_cancel,
             .response = "Cancelling", .status = 202, .summary = "End a run after its batch"),
    LS_ROUTE("GET", "/api/v1/receipts", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK,
             .handle = get_receipts, .query = "sync limit cursor", .response = "ReceiptList",
             .summary = "List receipts, newest first"),
    LS_ROUTE("GET", "/api/v1/stream", LS_ROLE_VIEWER, .handle = get_stream, .query = "events",
             .type = "text/event-stream", .summary = "Follow everything that happens, live"),
};

const struct ls_route_table ls_routes_runs =
    LS_ROUTE_TABLE("runs", "Runs: started, followed, cancelled, taken back.", routes);
