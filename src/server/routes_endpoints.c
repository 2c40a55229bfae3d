/* SPDX-License-Identifier: Apache-2.0 */
/* routes_endpoints.c - endpoints: where events are delivered to, and how each of them fares.
 *
 * The entity tag of an endpoint is its version. Whoever changes or removes one may send it back as If-Match, and is refused with 412 when
 * somebody else was faster. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep.h"
#include "server/handler.h"

#define KEEP_S 86400 /* how long the secret before a new one signs */

/* What the library has refused. */
static enum ls_code refused(const struct lockstep_error *error, struct ls_response *ret,
                            struct ls_error *err)
{
    const enum ls_code rc = ls_call_failed(error, err);

    if (rc == LS_CONFIG) /* it is the configuration's */
        ret->status = 409;
    return rc;
}

static const char *name_of(const struct ls_call *call)
{
    return ls_request_param(call->request, "endpoint");
}

/* What the library hands out, as the answer. */
struct shown {
    struct ls_call *call;
    struct ls_response *ret;
    bool failed;
};

static void show(void *ctx, const struct lockstep_endpoint *e)
{
    struct shown *s = ctx;

    s->ret->body = ls_arena_text(s->call->mem, e->json);
    s->ret->body_size = strlen(e->json);
    s->failed = !s->ret->body;
    ls_response_version(s->call, e->version, s->ret);
    if (s->ret->status == 201)
        ls_response_header(s->ret, "Location",
                           ls_arena_printf(s->call->mem, "/api/v1/endpoints/%s", e->name));
}

static enum ls_code finish(const struct shown *s, int code, const struct lockstep_error *error,
                           struct ls_error *err)
{
    if (code != LOCKSTEP_OK) {
        s->ret->status = 0;
        return refused(error, s->ret, err);
    }
    return s->failed ? ls_error_nomem(err) : LS_OK;
}

/* ---- looking ---- */

struct page {
    struct ls_buf out;
    size_t count, limit;
    int64_t last;
};

static void add_endpoint(void *ctx, const struct lockstep_endpoint *endpoint)
{
    struct page *page = ctx;

    if (page->count++)
        ls_buf_char(&page->out, ',');
    ls_buf_text(&page->out, endpoint->json);
}

static enum ls_code get_endpoints(struct ls_call *call, struct ls_response *ret,
                                  struct ls_error *err)
{
    struct page page = {0};
    struct lockstep_error error = {0};

    ls_buf_init(&page.out, 0);
    ls_buf_text(&page.out, "{\"items\":[");
    if (lockstep_endpoints(call->ls, add_endpoint, &page, &error) != LOCKSTEP_OK) {
        ls_buf_done(&page.out);
        return refused(&error, ret, err);
    }
    ls_buf_text(&page.out, "]}");
    return ls_answer(call, &page.out, ret, err);
}

static enum ls_code get_endpoint(struct ls_call *call, struct ls_response *ret,
                                 struct ls_error *err)
{
    struct shown s = {.call = call, .ret = ret};
    struct lockstep_error error = {0};
    const int code = lockstep_endpoint(call->ls, name_of(call), show, &s, &error);

    return finish(&s, code, &error, err);
}

static void add_attempt(void *ctx, const struct lockstep_attempt *attempt)
{
    struct page *page = ctx;

    if (page->count++ == page->limit)
        return; /* one more than asked for: there is a next page */
    if (page->count > 1)
        ls_buf_char(&page->out, ',');
    ls_buf_text(&page->out, attempt->json);
    page->last = attempt->position;
}

static enum ls_code get_attempts(struct ls_call *call, struct ls_response *ret,
                                 struct ls_error *err)
{
    struct page page = {0};
    struct lockstep_error error = {0};
    struct ls_page wanted;
    enum ls_code rc = ls_page_read(call, &wanted, err);

    if (rc != LS_OK)
        return rc;
    page.limit = wanted.limit;
    ls_buf_init(&page.out, 0);
    ls_buf_text(&page.out, "{\"items\":[");
    if (lockstep_endpoint_attempts(call->ls, name_of(call), wanted.after, wanted.limit + 1,
                                   add_attempt, &page, &error) != LOCKSTEP_OK) {
        ls_buf_done(&page.out);
        return refused(&error, ret, err);
    }
    ls_page_end(call, &page.out, page.count > page.limit, page.last, ret);
    return ls_answer(call, &page.out, ret, err);
}

/* ---- changing ---- */

static enum ls_code post_endpoint(struct ls_call *call, struct ls_response *ret,
                                  struct ls_error *err)
{
    const struct ls_request *request = call->request;
    struct shown s = {.call = call, .ret = ret};
    struct lockstep_error error = {0};

    ret->status = 201;
    return finish(
        &s, lockstep_endpoint_create(call->ls, request->body, request->body_size, show, &s, &error),
        &error, err);
}

static enum ls_code change_endpoint(struct ls_call *call, const char *seen, struct ls_response *ret,
                                    struct ls_error *err)
{
    const struct ls_request *request = call->request;
    struct shown s = {.call = call, .ret = ret};
    struct lockstep_error error = {0};

    return finish(&s,
                  lockstep_endpoint_change(call->ls, name_of(call), request->body,
                                           request->body_size, seen, show, &s, &error),
                  &error, err);
}

static enum ls_code patch_endpoint(struct ls_call *call, struct ls_response *ret,
                                   struct ls_error *err)
{
    return ls_change_version(call, change_endpoint, ret, err);
}

static enum ls_code remove_endpoint(struct ls_call *call, const char *seen, struct ls_response *ret,
                                    struct ls_error *err)
{
    struct lockstep_error error = {0};

    return lockstep_endpoint_remove(call->ls, name_of(call), seen, &error) == LOCKSTEP_OK
               ? LS_OK
               : refused(&error, ret, err);
}

static enum ls_code delete_endpoint(struct ls_call *call, struct ls_response *ret,
                                    struct ls_error *err)
{
    return ls_change_version(call, remove_endpoint, ret, err);
}

static enum ls_code post_rotate(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct wish {
        const char *secret;
        int64_t keep_s;
    } wish = {.keep_s = KEEP_S};
    static const struct ls_member members[] = {
        {"secret", LS_MEMBER_TEXT, offsetof(struct wish, secret), false},
        {"keep_s", LS_MEMBER_COUNT, offsetof(struct wish, keep_s), false}};
    struct shown s = {.call = call, .ret = ret};
    struct lockstep_error error = {0};
    enum ls_code rc = ls_body_read(call, members, sizeof members / sizeof *members, &wish, err);

    if (rc != LS_OK)
        return rc;
    return finish(&s,
                  lockstep_endpoint_rotate(call->ls, name_of(call), wish.secret, wish.keep_s, show,
                                           &s, &error),
                  &error, err);
}

static enum ls_code post_test(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_error error = {0};
    char id[37];

    if (lockstep_endpoint_test(call->ls, name_of(call), id, &error) != LOCKSTEP_OK)
        return refused(&error, ret, err);
    ls_response_header(ret, "Location", ls_arena_printf(call->mem, "/api/v1/events/%s", id));
    ret->body = ls_arena_printf(call->mem, "{\"event\":\"%s\"}", id);
    ret->body_size = ret->body ? strlen(ret->body) : 0;
    return ret->body ? LS_OK : ls_error_nomem(err);
}

static enum ls_code set_paused(struct ls_call *call, bool paused, struct ls_response *ret,
                               struct ls_error *err)
{
    struct lockstep_error error = {0};

    return lockstep_endpoint_pause(call->ls, name_of(call), paused, &error) == LOCKSTEP_OK
               ? LS_OK
               : refused(&error, ret, err);
}

static enum ls_code post_pause(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    return set_paused(call, true, ret, err);
}

static enum ls_code post_resume(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    return set_paused(call, false, ret, err);
}

/* A body may hold a secret: the handlers write the audit log, without it. */
#define CHANGES (LS_ROUTE_DESK | LS_ROUTE_AUDITS)

static const struct ls_route routes[] = {
    LS_ROUTE("GET", "/api/v1/endpoints", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK,
             .handle = get_endpoints, .response = "Endpoints",
             .summary = "List where events are delivered to, without secrets"),
    LS_ROUTE("POST", "/api/v1/endpoints", LS_ROLE_ADMIN, .flags = CHANGES, .handle = post_endpoint,
             .request = "EndpointNew", .response = "Endpoint", .status = 201,
             .summary = "Make an endpoint; a secret that is made up is in this answer alone"),
    LS_ROUTE("GET", "/api/v1/endpoints/{endpoint}", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK,
             .handle = get_endpoint, .response = "Endpoint",
             .summary = "Show an endpoint; ETag is its version"),
    LS_ROUTE("PATCH", "/api/v1/endpoints/{endpoint}", LS_ROLE_ADMIN, .flags = CHANGES,
             .handle = patch_endpoint, .request = "EndpointChange", .response = "Endpoint",
             .summary = "Change members of an endpoint; If-Match: only when it is still that one"),
    LS_ROUTE("DELETE", "/api/v1/endpoints/{endpoint}", LS_ROLE_ADMIN, .flags = CHANGES,
             .handle = delete_endpoint, .status = 204,
             .summary = "Remove an endpoint; what is on its way to it is discarded"),
    LS_ROUTE("GET", "/api/v1/endpoints/{endpoint}/attempts", LS_ROLE_VIEWER, .flags = LS_ROUTE_DESK,
             .handle = get_attempts, .query = "limit cursor", .response = "AttemptPage",
             .summary = "List the tries of deliveries to an endpoint, newest event first"),
    LS_ROUTE("POST", "/api/v1/endpoints/{endpoint}/pause", LS_ROLE_OPERATOR, .flags = CHANGES,
             .handle = post_pause, .status = 204,
             .summary = "Pause deliveries to an endpoint; its events wait"),
    LS_ROUTE("POST", "/api/v1/endpoints/{endpoint}/resume", LS_ROLE_OPERATOR, .flags = CHANGES,
             .handle = post_resume, .status = 204,
             .summary = "Go on with deliveries to an endpoint"),
    LS_ROUTE("POST", "/api/v1/endpoints/{endpoint}/secret/rotate", LS_ROLE_ADMIN, .flags = CHANGES,
             .handle = post_rotate, .request = "SecretRotation", .response = "Endpoint",
             .summary =
                 "Give an endpoint another secret; the one before signs beside it for a day, "
                 "or for keep_s seconds"),
    LS_ROUTE("POST", "/api/v1/endpoints/{endpoint}/test", LS_ROLE_OPERATOR, .flags = CHANGES,
             .handle = post_test, .response = "EndpointTest", .status = 202,
             .summary = "Send a test event to an endpoint; the event tells what became of it"),
};

const struct ls_route_table ls_routes_endpoints =
    LS_ROUTE_TABLE("endpoints", "Where events are delivered to.", routes);
