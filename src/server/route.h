/* SPDX-License-Identifier: Apache-2.0 */
/* route.h - the routes, as tables: what is at which path, who may, and what does it.
 *
 * From the tables come the dispatch, OpenAPI, the metrics by route and the test that calls every route with every role. To add a
 * route: a handler and a line in a table; to add a table: a line in tables.c. */
#ifndef LS_SERVER_ROUTE_H
#define LS_SERVER_ROUTE_H

#include "server/caller.h"
#include "server/request.h"

struct lockstep;
struct ls_route;
struct ls_server;

/* A request on its way through its handler. */
struct ls_call {
    struct ls_request *request;
    struct ls_arena *mem; /* the request's */
    const struct ls_caller *caller;
    const struct ls_route *route;
    struct ls_server *server;
    struct lockstep *ls; /* the worker's handle; NULL for what is done inline */
};

/* Fills *ret, whose status is the route's. An error is answered with a problem (problem.h): with the status of its code, or with ret->status where
 * that is set to 400 or more. Whether the route may be called by this caller has been settled. */
typedef enum ls_code ls_handler_fn(struct ls_call *call, struct ls_response *ret,
                                   struct ls_error *err);

enum ls_route_flag {
    /* Where it is done. None of these: on HTTP's thread, so in microseconds and without I/O; a handler that sets ret->later
     * answers by ls_request_answer(). */
    LS_ROUTE_DESK = 1 << 0, /* on a worker: state, files */
    LS_ROUTE_LONG = 1 << 1, /* on a worker for what may take minutes: stores */
    /* What it changes. A method other than GET needs one of these. */
    LS_ROUTE_CHANGES =
        1 << 2, /* the call is in the audit log before anything is done; needs a worker */
    LS_ROUTE_AUDITS = 1 << 3,     /* the handler writes the audit log, together with what it does */
    LS_ROUTE_ONLY_READS = 1 << 4, /* nothing, in spite of its method */
    LS_ROUTE_ANY_QUERY = 1 << 5,  /* parameters of the query that are not in the table are let in */
    LS_ROUTE_ANY_TYPE = 1 << 6,   /* bodies of any Content-Type are let in */
    LS_ROUTE_DATA = 1 << 7,       /* errors are {"data":{"success":false,...},"metadata":{...}} */
    LS_ROUTE_SUCCESS = 1 << 11,   /* errors are {"success":false,"message":...} */
    LS_ROUTE_QUEUES = 1 << 9,     /* it accepts events: the queue writes the audit log with them */
    LS_ROUTE_ERROR = 1 << 10,     /* errors are {"error":"..."} */
    LS_ROUTE_IF_PUBLIC = 1 << 8,  /* open to all where the configuration says so (/metrics) */
};

struct ls_route {
    const char *method, *path; /* "/api/v1/runs/{run}": a name in braces is one segment */
    enum ls_role role;
    unsigned flags;
    ls_handler_fn *handle;
    const char *summary; /* for OpenAPI and docs: an imperative, no full stop */
    const char *query;   /* names of its parameters (params.c), blanks between; NULL: none */
    const char
        *request; /* schema (schemas.c) of the body; NULL: none is expected, and none is let in */
    const char *response; /* schema of the answer; NULL: it has no body, or is no JSON */
    const char *type;     /* of the answer where it is not application/json */
    int status;           /* of the answer when all went well; 0: 200 */
    size_t body_max;      /* 0: 1 MiB */
};

/* A line of a table. One without a role, or with none that is known, does not compile. */
#define LS_ROUTE(method_, path_, role_, ...)                                                \
    {                                                                                       \
        .method = (method_), .path = (path_),                                               \
        .role = (enum ls_role)(                                                             \
            (role_) +                                                                       \
            0 * sizeof(char[(role_) > LS_ROLE_UNSET && (role_) < LS_ROLE_COUNT ? 1 : -1])), \
        __VA_ARGS__                                                                         \
    }

struct ls_route_table {
    const char *tag;  /* the heading in OpenAPI */
    const char *text; /* a sentence about it */
    const struct ls_route *routes;
    size_t count;
};
#define LS_ROUTE_TABLE(tag, text, routes)                    \
    {                                                        \
        tag, text, routes, sizeof(routes) / sizeof *(routes) \
    }

/* All tables (tables.c). */
extern const struct ls_route_table *const ls_route_tables[];
extern const size_t ls_route_table_count;

/* What may stand in a query, by name (params.c). */
struct ls_query_param {
    const char *name, *type, *text; /* type: string, integer, boolean */
};
extern const struct ls_query_param ls_query_params[];
extern const size_t ls_query_param_count;
/* Whether `name` is one of the names in a route's query. */
bool ls_route_takes(const struct ls_route *route, const char *name);

/* A tree over the tables. */
struct ls_router;
/* LS_INTERNAL: two routes are the same, or one is not well-formed. The tables are borrowed. */
LS_MUST_CHECK enum ls_code ls_router_open(const struct ls_route_table *const *tables, size_t count,
                                          struct ls_router **ret, struct ls_error *err);
void ls_router_close(struct ls_router *router);
/* The route of a request, with its parameters in request->params; HEAD finds what GET does. NULL: *ret_allow says which methods the path
 * has ("GET, HEAD, OPTIONS"), or is NULL when there is no such path. */
const struct ls_route *ls_router_find(const struct ls_router *router, struct ls_request *request,
                                      const char **ret_allow);

#endif
