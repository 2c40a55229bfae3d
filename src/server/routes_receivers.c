/* SPDX-License-Identifier: Apache-2.0 */
/* routes_receivers.c - where others send their messages, and the list of receivers.
 *
 * Who sends has no account here: the signature is the credential, so these routes are public and verify by themselves. A sender whose signature does not
 * fit is told that and nothing more; the log has the reason. The three paths of the documents are receivers like any other, with the answers
 * of the documents.
 *
 * A message that waits is answered with 202 where it is a run that it waits for, and with 503 where its effect is what the sender wants to be
 * sure of: it is kept and done later in both cases, and sending it again does no harm. */
#include <jansson.h>
#include <string.h>

#include "api/receivers.h"
#include "base/clock.h"
#include "base/log.h"
#include "lockstep.h"
#include "server/handler.h"
#include "server/watch.h"

/* ---- a message ---- */

static enum ls_code find(const struct ls_call *call, const struct ls_receiver **ret,
                         struct ls_response *response, struct ls_error *err)
{
    static const char prefix[] = "/api/webhooks/";
    const char *name = ls_request_param(call->request, "receiver");

    if (!name)
        name = call->request->path + strlen(prefix);
    *ret = ls_api_receiver(call->ls->config, name);
    if (*ret)
        return LS_OK;
    return ls_refuse(response, 404, err, LS_NOT_FOUND,
                     "there is no receiver of this name: it has to be in the configuration, under "
                     "receivers");
}

static enum ls_code arrival_of(const struct ls_call *call, struct ls_arrival *ret,
                               struct ls_error *err)
{
    const struct ls_request *request = call->request;
    struct ls_header *headers = ls_arena_array(call->mem, request->header_count, sizeof *headers);

    if (!headers)
        return ls_error_nomem(err);
    for (size_t i = 0; i < request->header_count; i++)
        headers[i] = (struct ls_header){request->headers[i].name, request->headers[i].value};
    *ret = (struct ls_arrival){headers, request->header_count, request->body, request->body_size};
    return LS_OK;
}

static enum ls_code verify(const struct ls_call *call, const struct ls_receiver *r,
                           const struct ls_arrival *a, struct ls_response *ret,
                           struct ls_error *err)
{
    const size_t most = r->body_max ? r->body_max : LS_RECEIVER_BODY_MAX;
    struct ls_sign_finding finding = {0};
    enum ls_code rc;

    if (a->size > most)
        return ls_refuse(ret, 413, err, LS_DATA, "this receiver takes at most %zu bytes", most);
    rc = ls_receiver_verify(r, a, ls_clock_now_us(), call->mem, &finding, err);
    if (rc != LS_OK || finding.fault == LS_SIGN_VALID)
        return rc;
    ls_log(LS_LOG_WARN, "receiver %s: a message was refused: %s%s%s (request=%s, address=%s)",
           r->name, ls_sign_fault_text(finding.fault), finding.header ? ", header " : "",
           finding.header ? finding.header : "", call->request->id, call->request->peer);
    return ls_refuse(ret, 401, err, LS_PERMISSION, "Invalid signature");
}

/* What the sender is answered by what became of it. */
static int status_of(const struct ls_receiver *r, enum ls_received_state state)
{
    switch (state) {
    case LS_RECEIVED_REFUSED:
        return 422;
    case LS_RECEIVED_WAITING:
        return r->sync ? 202 : 503;
    case LS_RECEIVED_APPLIED:
    case LS_RECEIVED_STALE:
    case LS_RECEIVED_IGNORED:
    case LS_RECEIVED_STATE_COUNT:
        break;
    }
    return 200;
}

/* Why it could not be done, out of {"reason":"..."}. */
static enum ls_code refuse(const struct ls_receiver *r, const struct ls_reception *reception,
                           struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const int status = status_of(r, reception->state);
    json_t *json = json_loads(reception->outcome, 0, NULL);
    const char *reason = json_string_value(json_object_get(json, "reason"));
    enum ls_code rc;

    (void)call;
    if (status == 422)
        rc = ls_refuse(ret, 422, err, LS_DATA, "%s", reason ? reason : "it cannot be applied");
    else /* what is down is not the sender's business */
        rc = ls_refuse(ret, 503, err, LS_BUSY,
                       "it is kept and will be applied as soon as that is possible; sending it "
                       "again does no harm");
    json_decref(json);
    return rc;
}

static enum ls_code take(struct ls_call *call, const struct ls_receiver **ret_receiver,
                         struct ls_reception *ret_reception, struct ls_response *ret,
                         struct ls_error *err)
{
    struct ls_arrival a;
    enum ls_code rc = find(call, ret_receiver, ret, err);

    if (rc == LS_OK)
        rc = arrival_of(call, &a, err);
    if (rc == LS_OK)
        rc = verify(call, *ret_receiver, &a, ret, err);
    if (rc == LS_OK) {
        rc = ls_api_receive(call->ls, *ret_receiver, &a, call->mem, ret_reception, err);
        if (rc == LS_DATA)
            ret->status = 400;
    }
    if (rc == LS_OK && ret_reception->state == LS_RECEIVED_APPLIED && !ret_reception->known)
        ls_watch_message(call->server->watch, *ret_receiver, ret_reception->type,
                         ret_reception->resource);
    if (rc == LS_OK && status_of(*ret_receiver, ret_reception->state) >= 400)
        rc = refuse(*ret_receiver, ret_reception, call, ret, err);
    return rc;
}

static enum ls_code post_message(struct ls_call *call, struct ls_response *ret,
                                 struct ls_error *err)
{
    const struct ls_receiver *r = NULL;
    struct ls_reception reception;
    struct ls_buf out;
    enum ls_code rc = take(call, &r, &reception, ret, err);

    if (rc != LS_OK)
        return rc;
    ret->status = status_of(r, reception.state);
    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_text(&out, "id", reception.id);
    ls_write_text(&out, "receiver", r->name);
    ls_write_text(&out, "outcome", ls_received_word(reception.state));
    ls_write_bool(&out, "known", reception.known);
    ls_write_json(&out, "detail", *reception.outcome ? reception.outcome : "{}");
    ls_write_close(&out, '}');
    return ls_answer(call, &out, ret, err);
}

/* ---- the paths of the documents ---- */

/* The resource's name is the type up to its first dot: "enrollment" of enrollment.created. */
static const char *resource_name(const struct ls_reception *reception, struct ls_arena *mem)
{
    const size_t length = strcspn(reception->type, ".");

    return length ? ls_arena_text_n(mem, reception->type, length) : "resource";
}

static enum ls_code post_documented(struct ls_call *call, struct ls_response *ret,
                                    struct ls_error *err)
{
    const struct ls_receiver *r = NULL;
    struct ls_reception reception;
    const char *name;
    struct ls_buf out;
    enum ls_code rc = take(call, &r, &reception, ret, err);

    if (rc != LS_OK)
        return rc;
    name = resource_name(&reception, call->mem);
    if (!name)
        return ls_error_nomem(err);
    ret->status = status_of(r, reception.state);
    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_open(&out, "data", '{');
    ls_write_bool(&out, "success", true);
    ls_write_text(&out, "id", reception.id);
    ls_write_text(&out, "outcome", ls_received_word(reception.state));
    ls_write_bool(&out, "known", reception.known);
    ls_write_open(&out, name, '{');
    ls_write_text(&out, "id", reception.resource);
    ls_write_time(&out, "last_updated_at", reception.at_us);
    ls_write_close(&out, '}');
    ls_write_close(&out, '}');
    ls_write_open(&out, "metadata", '{');
    ls_write_time(&out, "timestamp", ls_clock_now_us());
    ls_write_text(&out, "version", "1.0");
    ls_write_close(&out, '}');
    ls_write_close(&out, '}');
    return ls_answer(call, &out, ret, err);
}

/* ---- the list ---- */

static void add_receiver(void *ctx, const struct lockstep_receiver *receiver)
{
    struct ls_buf *out = ctx;

    if (out->size && out->data[out->size - 1] == '}')
        ls_buf_char(out, ',');
    ls_buf_text(out, receiver->json);
}

static enum ls_code get_receivers(struct ls_call *call, struct ls_response *ret,
                                  struct ls_error *err)
{
    struct lockstep_error error = {0};
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_buf_text(&out, "{\"items\":[");
    if (lockstep_receivers(call->ls, add_receiver, &out, &error) != LOCKSTEP_OK) {
        ls_buf_done(&out);
        return ls_call_failed(&error, err);
    }
    ls_buf_text(&out, "]}");
    return ls_answer(call, &out, ret, err);
}

#define TAKES                                                                             \
    .flags = LS_ROUTE_LONG | LS_ROUTE_AUDITS | LS_ROUTE_ANY_TYPE, .handle = post_message, \
    .request = "Message", .response = "Reception"
#define DOCUMENTED                                                                \
    .flags = LS_ROUTE_LONG | LS_ROUTE_AUDITS | LS_ROUTE_ANY_TYPE | LS_ROUTE_DATA, \
    .handle = post_documented, .request = "SyncEvent", .response = "WebhookAnswer"

static const struct ls_route routes[] = {
    LS_ROUTE("POST", "/api/webhooks/enrollment-changed", LS_ROLE_NONE, DOCUMENTED,
             .summary = "Take an event about an enrollment, signed, and apply it"),
    LS_ROUTE("POST", "/api/webhooks/profile-updated", LS_ROLE_NONE, DOCUMENTED,
             .summary = "Take an event about a profile or user, signed, and apply it"),
    LS_ROUTE("POST", "/api/webhooks/sync", LS_ROLE_NONE, DOCUMENTED,
             .summary = "Take an event of any type, signed, and apply it"),
    LS_ROUTE("POST", "/api/webhooks/{receiver}", LS_ROLE_NONE, TAKES,
             .summary = "Take a signed message and do what the configuration says"),
    LS_ROUTE("GET", "/api/v1/receivers", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK,
             .handle = get_receivers, .response = "Receivers",
             .summary = "List receivers with what came to them"),
};

const struct ls_route_table ls_routes_receivers = LS_ROUTE_TABLE(
    "receivers", "Messages that others send, signed, and what becomes of them.", routes);
