/* SPDX-License-Identifier: Apache-2.0 */
/* routes_syncs.c - the configured syncs, and looking at them: status, diff, check.
 *
 * Only configured syncs can be worked on over HTTP. A pair of URLs, as the command line takes it, would let whoever may call this read any file
 * and reach any host that the server can. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/sync_config.h"
#include "lockstep.h"
#include "server/handler.h"
#include "server/stream.h"

/* What of a diff may wait to be sent. */
#define DIFF_WAITING ((size_t)256 << 10)

/* ---- syncs ---- */

static void write_side(struct ls_call *call, struct ls_buf *out, const char *name,
                       const struct ls_side_config *side)
{
    const char *url = ls_url_without_password(side->url, call->mem);

    ls_write_open(out, name, '{');
    ls_write_text(out, "store", url);
    ls_write_text(out, "collection", side->collection);
    ls_write_close(out, '}');
}

static void write_key(struct ls_buf *out, const struct ls_sync_config *sync)
{
    ls_write_open(out, "key", '[');
    for (size_t i = 0; i < sync->key_count; i++)
        ls_write_text(out, NULL, sync->key[i]);
    ls_write_close(out, ']');
}

static void write_fields(struct ls_buf *out, const struct ls_sync_config *sync)
{
    ls_write_open(out, "fields", '{');
    for (size_t i = 0; i < sync->field_count; i++)
        ls_write_text(out, sync->fields[i].target, sync->fields[i].expression);
    ls_write_close(out, '}');
}

/* The last run that the state has; null when there is none, or the state cannot tell. */
static void write_last(struct ls_call *call, struct ls_buf *out, const char *name)
{
    const struct lockstep_select select = {.sync = name};
    struct lockstep_run **runs = NULL;
    size_t count = 0;
    char *json = NULL;

    if (lockstep_history(call->ls, &select, 1, &count, &runs, NULL) == LOCKSTEP_OK && count > 0)
        json = lockstep_history_json(runs[0]);
    ls_write_json(out, "last_run", json);
    lockstep_free(json);
    lockstep_runs_free(runs, count);
}

static void write_sync(struct ls_call *call, struct ls_buf *out, const struct ls_sync_config *sync)
{
    static const char *const deletes[] = {
        [LS_DELETES_REMOVE] = "remove", [LS_DELETES_KEEP] = "keep", [LS_DELETES_SOFT] = "soft"};

    ls_write_open(out, NULL, '{');
    ls_write_text(out, "name", sync->name);
    write_side(call, out, "source", &sync->source);
    write_side(call, out, "target", &sync->target);
    write_key(out, sync);
    write_fields(out, sync);
    ls_write_text(out, "where", sync->where);
    ls_write_text(out, "target_where", sync->target_where);
    ls_write_text(out, "deletes", deletes[sync->deletes]);
    ls_write_bool(out, "atomic", sync->atomic);
    ls_write_open(out, "active", '[');
    ls_runs_write(call->server->runs, sync->name, out);
    ls_write_close(out, ']');
    write_last(call, out, sync->name);
    ls_write_close(out, '}');
}

static enum ls_code get_syncs(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const struct ls_config *config = call->ls->config;
    const size_t count = config ? config->sync_count : 0;
    struct ls_page page;
    struct ls_buf out;
    size_t i;
    enum ls_code rc = ls_page_read(call, &page, err);

    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_buf_text(&out, "{\"items\":[");
    i = (size_t)page.after < count ? (size_t)page.after : count;
    for (const size_t end = count - i > page.limit ? i + page.limit : count; i < end; i++)
        write_sync(call, &out, &config->syncs[i]);
    ls_page_end(call, &out, i < count, (int64_t)i, ret);
    return ls_answer(call, &out, ret, err);
}

/* The sync that the path names. */
static enum ls_code named(struct ls_call *call, const char **ret_name, struct ls_response *ret,
                          struct ls_error *err)
{
    *ret_name = ls_request_param(call->request, "sync");
    return ls_call_sync(call, *ret_name, ret, err);
}

static enum ls_code get_sync(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const struct ls_config *config = call->ls->config;
    const char *name = NULL;
    struct ls_buf out;
    enum ls_code rc = named(call, &name, ret, err);

    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    for (size_t i = 0; i < config->sync_count; i++)
        if (strcmp(config->syncs[i].name, name) == 0)
            write_sync(call, &out, &config->syncs[i]);
    return ls_answer(call, &out, ret, err);
}

/* ---- status ---- */

/* The values of every `only` of the query: FIELD=VALUE. */
static enum ls_code read_only(struct ls_call *call, struct lockstep_select *select,
                              struct ls_error *err)
{
    const struct ls_request *request = call->request;
    const char **only = ls_arena_array(call->mem, request->query_count, sizeof *only);

    if (!only)
        return ls_error_nomem(err);
    for (size_t i = 0; i < request->query_count; i++)
        if (strcmp(request->query[i].name, "only") == 0)
            only[select->only_count++] = request->query[i].value;
    select->only = only;
    return LS_OK;
}

static enum ls_code read_look(struct ls_call *call, struct lockstep_select *select,
                              struct lockstep_run_options *options, struct ls_response *ret,
                              struct ls_error *err)
{
    enum ls_code rc = named(call, &select->sync, ret, err);

    if (rc == LS_OK)
        rc = read_only(call, select, err);
    if (rc == LS_OK)
        rc = ls_query_flag(call, "full", &options->full, err);
    if (rc == LS_OK && ls_route_takes(call->route, "explain"))
        rc = ls_query_flag(call, "explain", &options->explain, err);
    return rc;
}

static enum ls_code get_status(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_run_options options = {0};
    struct lockstep_select select = {0};
    struct lockstep_status status = {0};
    struct lockstep_error error = {0};
    enum ls_code rc = read_look(call, &select, &options, ret, err);
    char *json;
    int code;

    if (rc != LS_OK)
        return rc;
    code = lockstep_status(call->ls, &select, &options, &status, &error);
    if (code != LOCKSTEP_OK && code != LOCKSTEP_DIFFERENT)
        return ls_call_failed(&error, err);
    json = lockstep_status_json(&status);
    lockstep_status_done(&status);
    return ls_answer_text(call, json, ret, err);
}

/* ---- diff ---- */

/* From its first line on a diff is on its way, and its request may be gone with its reader: what is needed lives here. */
struct diff {
    struct ls_request *request; /* NULL once it has been answered */
    struct ls_stream *stream;
    struct ls_arena mem;
    struct lockstep_select select;
    struct lockstep_run_options options;
};

static enum ls_code keep_select(struct diff *d, struct ls_error *err)
{
    const char **only = ls_arena_array(&d->mem, d->select.only_count, sizeof *only);

    d->select.sync = ls_arena_text(&d->mem, d->select.sync);
    for (size_t i = 0; only && i < d->select.only_count; i++)
        if (!(only[i] = ls_arena_text(&d->mem, d->select.only[i])))
            return ls_error_nomem(err);
    d->select.only = only;
    return only && d->select.sync ? LS_OK : ls_error_nomem(err);
}

static bool begin_stream(struct diff *d)
{
    struct ls_response response = {.status = 200, .type = "application/x-ndjson"};

    d->stream = ls_stream_new(DIFF_WAITING);
    if (!d->stream)
        return false;
    response.stream = d->stream;
    ls_server_answer(d->request, &response);
    d->request = NULL;
    return true;
}

static bool put_line(struct diff *d, const char *json)
{
    struct ls_buf line;
    bool ok;

    if (d->request && !begin_stream(d))
        return false;
    ls_buf_init(&line, 0);
    ls_buf_text(&line, json);
    ls_buf_char(&line, '\n');
    ok = !line.failed && ls_stream_write(d->stream, line.data, line.size);
    ls_buf_done(&line);
    return ok;
}

static bool on_difference(void *ctx, const struct lockstep_difference *difference)
{
    return put_line(ctx, difference->json);
}

/* The last line: the counts, or what went wrong on the way. */
static void put_end(struct diff *d, int code, const struct lockstep_status *status,
                    const struct lockstep_error *error)
{
    const bool done = code == LOCKSTEP_OK || code == LOCKSTEP_DIFFERENT;
    char *json = done ? lockstep_status_json(status) : NULL;
    struct ls_buf line;

    ls_buf_init(&line, 0);
    ls_write_open(&line, NULL, '{');
    if (done) {
        ls_write_json(&line, "summary", json);
    } else {
        ls_write_open(&line, "problem", '{');
        ls_write_text(&line, "code", error->name);
        ls_write_text(&line, "detail", error->text);
        ls_write_close(&line, '}');
    }
    ls_write_close(&line, '}');
    if (!line.failed)
        (void)put_line(d, ls_buf_str(&line));
    ls_buf_done(&line);
    lockstep_free(json);
}

static enum ls_code run_diff(struct diff *d, struct ls_call *call, struct ls_response *ret,
                             struct ls_error *err)
{
    struct lockstep_status status = {0};
    struct lockstep_error error = {0};
    const int code =
        lockstep_diff(call->ls, &d->select, &d->options, on_difference, d, &status, &error);

    if (d->request && code != LOCKSTEP_OK && code != LOCKSTEP_DIFFERENT)
        return ls_call_failed(&error, err); /* nothing was sent yet: an answer like any other */
    put_end(d, code, &status, &error);
    lockstep_status_done(&status);
    ls_stream_end(d->stream);
    ret->later = !d->request;
    return ret->later ? LS_OK : ls_error_nomem(err);
}

static enum ls_code get_diff(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const char *limit = ls_request_query(call->request, "limit");
    struct diff d = {.request = call->request};
    enum ls_code rc = read_look(call, &d.select, &d.options, ret, err);
    struct lockstep *ls = call->ls;

    if (rc == LS_OK && limit && !ls_text_to_u64(limit, strlen(limit), &d.options.limit))
        rc = ls_error_set(err, LS_USAGE, "limit is a number");
    if (rc != LS_OK)
        return rc;
    ls_arena_init(&d.mem, 0);
    rc = keep_select(&d, err);
    if (rc == LS_OK)
        rc = run_diff(&d, &(struct ls_call){.ls = ls}, ret, err);
    ls_arena_done(&d.mem);
    return rc;
}

/* ---- check ---- */

static void add_finding(void *ctx, const struct lockstep_finding *f)
{
    static const char *const levels[] = {"ok", "note", "warning", "error"};
    struct ls_buf *out = ctx;

    ls_write_open(out, NULL, '{');
    ls_write_text(out, "level", levels[f->level]);
    ls_write_text(out, "sync", *f->sync ? f->sync : NULL);
    ls_write_text(out, "what", f->what);
    ls_write_text(out, "text", f->text);
    ls_write_close(out, '}');
}

static enum ls_code check(struct ls_call *call, const struct lockstep_select *select,
                          struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_error error = {0};
    struct ls_buf out;
    int code;

    ls_buf_init(&out, 0);
    ls_buf_text(&out, "{\"items\":[");
    code = lockstep_check(call->ls, select, add_finding, &out, &error);
    ls_write_close(&out, ']');
    ls_write_bool(&out, "ok", code == LOCKSTEP_OK);
    ls_write_close(&out, '}');
    return ls_answer(call, &out, ret, err);
}

static enum ls_code get_check(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    return check(call, NULL, ret, err);
}

static enum ls_code get_sync_check(struct ls_call *call, struct ls_response *ret,
                                   struct ls_error *err)
{
    struct lockstep_select select = {0};
    enum ls_code rc = named(call, &select.sync, ret, err);

    return rc == LS_OK ? check(call, &select, ret, err) : rc;
}

static const struct ls_route routes[] = {
    LS_ROUTE("GET", "/api/v1/syncs", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK, .handle = get_syncs,
             .query = "limit cursor", .response = "SyncList", .summary = "List the syncs"),
    LS_ROUTE("GET", "/api/v1/syncs/{sync}", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK,
             .handle = get_sync, .response = "Sync", .summary = "Show a sync"),
    LS_ROUTE("GET", "/api/v1/syncs/{sync}/status", LS_ROLE_VIEWER, .flags = LS_ROUTE_LONG,
             .handle = get_status, .query = "full explain only", .response = "Status",
             .summary = "Count what is in sync and what not"),
    LS_ROUTE("GET", "/api/v1/syncs/{sync}/diff", LS_ROLE_VIEWER, .flags = LS_ROUTE_LONG,
             .handle = get_diff, .query = "limit full only", .response = "DiffLine",
             .type = "application/x-ndjson",
             .summary = "Show what differs, one record a line, the counts in the last line"),
    LS_ROUTE("GET", "/api/v1/syncs/{sync}/check", LS_ROLE_VIEWER, .flags = LS_ROUTE_LONG,
             .handle = get_sync_check, .response = "Findings",
             .summary = "Check a sync's set-up, connections and types"),
    LS_ROUTE("GET", "/api/v1/check", LS_ROLE_VIEWER, .flags = LS_ROUTE_LONG, .handle = get_check,
             .response = "Findings", .summary = "Check the state and every sync"),
};

const struct ls_route_table ls_routes_syncs =
    LS_ROUTE_TABLE("syncs", "What is kept in step, and how it stands.", routes);
