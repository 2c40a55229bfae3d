/* SPDX-License-Identifier: Apache-2.0 */
/* router.c - from a path to its route.
 *
 * A tree with a level for each segment: a word comes before a parameter, and where the word leads nowhere the parameter
 * is tried after all. A few dozen routes are looked through in well under a microsecond. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "server/route.h"

struct node {
    const char *word; /* NULL: a parameter */
    struct node *next, *children;
    size_t count;
    const struct ls_route *routes[8];
    const char *names[8][LS_PATH_PARAMS]; /* of each route's parameters, in order */
    const char *allow;
};

struct ls_router {
    struct ls_arena mem;
    struct node root;
};

/* ---- building ---- */

static enum ls_code bad_route(const struct ls_route *route, const char *why, struct ls_error *err)
{
    return ls_error_set(err, LS_INTERNAL, "route %s %s: %s", route->method, route->path, why);
}

static struct node *child(struct ls_router *router, struct node *parent, const char *word)
{
    struct node **at = &parent->children, *node;

    for (; *at; at = &(*at)->next)
        if ((word == NULL) == ((*at)->word == NULL) && (!word || strcmp(word, (*at)->word) == 0))
            return *at;
    node = ls_arena_alloc(&router->mem, sizeof *node);
    if (!node)
        return NULL;
    node->word = word;
    /* the parameter stands last */
    if (word) {
        node->next = parent->children;
        parent->children = node;
    } else {
        *at = node;
    }
    return node;
}

static enum ls_code check_route(const struct ls_route *route, struct ls_error *err)
{
    const bool reads = strcmp(route->method, "GET") == 0;
    const bool worker = route->flags & (LS_ROUTE_DESK | LS_ROUTE_LONG);
    const unsigned changes =
        route->flags & (LS_ROUTE_CHANGES | LS_ROUTE_AUDITS | LS_ROUTE_ONLY_READS | LS_ROUTE_QUEUES);

    if (route->path[0] != '/' || !route->handle || !route->summary)
        return bad_route(route, "it has no path, handler or summary", err);
    if (route->role <= LS_ROLE_UNSET || route->role >= LS_ROLE_COUNT)
        return bad_route(route, "it has no role", err);
    if (!reads && !changes)
        return bad_route(route, "it does not say whether it changes something", err);
    if ((route->flags & LS_ROUTE_CHANGES) && !worker)
        return bad_route(route, "the audit log is written by workers", err);
    return LS_OK;
}

static enum ls_code add(struct ls_router *router, const struct ls_route *route,
                        struct ls_error *err)
{
    const char *names[LS_PATH_PARAMS] = {NULL};
    struct node *node = &router->root;
    size_t params = 0;
    enum ls_code rc = check_route(route, err);

    for (const char *at = route->path + 1; rc == LS_OK && *at;) {
        const size_t length = strcspn(at, "/");
        const bool is_param = at[0] == '{' && at[length - 1] == '}';
        const char *word = ls_arena_text_n(&router->mem, at + is_param, length - 2 * is_param);

        if (!word || !(node = child(router, node, is_param ? NULL : word)))
            return ls_error_nomem(err);
        if (is_param && params == LS_PATH_PARAMS)
            return bad_route(route, "it has too many parameters", err);
        if (is_param)
            names[params++] = word;
        at += length + (at[length] == '/');
    }
    for (size_t i = 0; rc == LS_OK && i < node->count; i++)
        if (strcmp(node->routes[i]->method, route->method) == 0)
            return bad_route(route, "there are two of it", err);
    if (rc == LS_OK && node->count == sizeof node->routes / sizeof *node->routes)
        return bad_route(route, "its path has too many methods", err);
    if (rc == LS_OK) {
        memcpy(node->names[node->count], names, sizeof names);
        node->routes[node->count++] = route;
    }
    return rc;
}

static bool list_methods(struct ls_router *router, struct node *node)
{
    struct ls_buf out;

    ls_buf_init(&out, 0);
    for (size_t i = 0; i < node->count; i++) {
        ls_buf_printf(&out, "%s, ", node->routes[i]->method);
        if (strcmp(node->routes[i]->method, "GET") == 0)
            ls_buf_text(&out, "HEAD, ");
    }
    ls_buf_text(&out, "OPTIONS");
    if (node->count)
        node->allow = out.failed ? NULL : ls_arena_text(&router->mem, ls_buf_str(&out));
    ls_buf_done(&out);
    if (node->count && !node->allow)
        return false;
    for (struct node *c = node->children; c; c = c->next)
        if (!list_methods(router, c))
            return false;
    return true;
}

enum ls_code ls_router_open(const struct ls_route_table *const *tables, size_t count,
                            struct ls_router **ret, struct ls_error *err)
{
    struct ls_router *router = calloc(1, sizeof *router);
    enum ls_code rc = LS_OK;

    if (!router)
        return ls_error_nomem(err);
    ls_arena_init(&router->mem, 0);
    for (size_t t = 0; t < count; t++)
        for (size_t i = 0; i < tables[t]->count && rc == LS_OK; i++)
            rc = add(router, &tables[t]->routes[i], err);
    if (rc == LS_OK && !list_methods(router, &router->root))
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        *ret = router;
    else
        ls_router_close(router);
    return rc;
}

void ls_router_close(struct ls_router *router)
{
    if (!router)
        return;
    ls_arena_done(&router->mem);
    free(router);
}

/* ---- finding ---- */

static bool has_method(const struct node *node, const char *method)
{
    for (size_t i = 0; i < node->count; i++)
        if (!method || strcmp(node->routes[i]->method, method) == 0)
            return true;
    return false;
}

/* values: of the parameters on the way. method: that the node has to have; NULL: any. */
static const struct node *walk(const struct node *node, const struct ls_request *request,
                               const char *method, size_t depth, size_t params,
                               const char *values[LS_PATH_PARAMS])
{
    const char *segment;

    if (depth == request->segment_count)
        return has_method(node, method) ? node : NULL;
    segment = request->segments[depth];
    for (const struct node *c = node->children; c; c = c->next) {
        const struct node *found;

        if (c->word ? strcmp(c->word, segment) != 0 : params == LS_PATH_PARAMS)
            continue;
        if (!c->word)
            values[params] = segment;
        found = walk(c, request, method, depth + 1, params + !c->word, values);
        if (found)
            return found;
    }
    return NULL;
}

const struct ls_route *ls_router_find(const struct ls_router *router, struct ls_request *request,
                                      const char **ret_allow)
{
    const char *method = strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;
    const char *values[LS_PATH_PARAMS] = {NULL};
    const struct node *node = walk(&router->root, request, method, 0, 0, values);

    if (!node) /* the path alone: its methods are what is answered */
        node = walk(&router->root, request, NULL, 0, 0, values);
    *ret_allow = node ? node->allow : NULL;
    for (size_t i = 0; node && i < node->count; i++) {
        if (strcmp(node->routes[i]->method, method) != 0)
            continue;
        for (size_t p = 0; p < LS_PATH_PARAMS && node->names[i][p]; p++)
            request->params[request->param_count++] =
                (struct ls_pair){node->names[i][p], values[p]};
        return node->routes[i];
    }
    return NULL;
}

bool ls_route_takes(const struct ls_route *route, const char *name)
{
    const size_t length = strlen(name);

    for (const char *at = route->query ? route->query : ""; *at;) {
        const size_t word = strcspn(at, " ");

        if (word == length && strncmp(at, name, word) == 0)
            return true;
        at += word + (at[word] == ' ');
    }
    return false;
}
