/* SPDX-License-Identifier: Apache-2.0 */
/* routes_qstash_groups.c - URL groups, which older clients call topics. */
#include <jansson.h>
#include <string.h>

#include "event/group.h"
#include "model/jsonload.h"
#include "server/qstash.h"

struct change {
    struct ls_queue_task task;
    struct ls_arena *mem;
    const char *name;
    size_t count;
    struct ls_group_member *members;
    bool add, remove_all, found;
};

static enum ls_code run_change(struct ls_queue_task *task, struct ls_queue_tx *tx,
                               struct ls_error *err)
{
    struct change *c = (struct change *)(void *)task;

    c->found = true;
    if (c->remove_all)
        return ls_url_group_remove(tx, c->name, &c->found, err);
    return c->add ? ls_group_add(tx, c->name, c->members, c->count, c->mem, err)
                  : ls_group_take(tx, c->name, c->members, c->count, c->mem, &c->found, err);
}

static enum ls_code do_change(struct ls_call *call, struct change *c, struct ls_response *ret,
                              struct ls_error *err)
{
    struct ls_queue *queue = NULL;
    enum ls_code rc = ls_qstash_queue(call, &queue, ret, err);

    c->task.run = run_change;
    c->mem = call->mem;
    c->name = ls_request_param(call->request, "group");
    if (rc == LS_OK && !ls_letter_name_fits(c->name))
        rc = ls_error_set(err, LS_USAGE,
                          "\"%.100s\" is no name of a URL group: letters, digits, dots, dashes and "
                          "underscores",
                          c->name);
    if (rc == LS_OK)
        rc = ls_queue_do(queue, &c->task, err);
    if (rc == LS_OK && !c->found)
        rc = ls_error_set(err, LS_NOT_FOUND, "there is no URL group %.100s", c->name);
    return rc;
}

/* ---- bodies ---- */

static enum ls_code read_member(struct ls_call *call, const json_t *item,
                                const struct ls_guard *guard, struct ls_group_member *ret,
                                struct ls_error *err)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *url = json_string_value(json_object_get(item, "url"));
    struct ls_guard_target target;

    *ret = (struct ls_group_member){name && *name ? ls_arena_text(call->mem, name) : NULL,
                                    url && *url ? ls_arena_text(call->mem, url) : NULL};
    if ((name && *name && !ret->name) || (url && *url && !ret->url))
        return ls_error_nomem(err);
    if (!ret->url && (guard || !ret->name))
        return ls_error_set(err, LS_USAGE, "an endpoint has no url");
    return guard ? ls_guard_url(guard, ret->url, call->mem, &target, err) : LS_OK;
}

/* {"endpoints": [{"name", "url"}]}. guard: where they may go; NULL: they are named to be taken away. */
static enum ls_code read_body(struct ls_call *call, const struct ls_guard *guard, struct change *c,
                              struct ls_error *err)
{
    json_t *json = NULL;
    const json_t *list;
    enum ls_code rc = ls_json_load(call->request->body, call->request->body_size,
                                   JSON_REJECT_DUPLICATES, &json, err);

    list = json_object_get(json, "endpoints");
    if (rc == LS_OK && (!json_is_array(list) || json_array_size(list) == 0))
        rc = ls_error_set(err, LS_USAGE,
                          "the body is to be {\"endpoints\": [{\"name\": \"...\", \"url\": "
                          "\"...\"}]}");
    c->count = json_array_size(list);
    c->members = ls_arena_array(call->mem, c->count, sizeof *c->members);
    if (rc == LS_OK && !c->members)
        rc = ls_error_nomem(err);
    for (size_t i = 0; i < c->count && rc == LS_OK; i++)
        rc = read_member(call, json_array_get(list, i), guard, &c->members[i], err);
    json_decref(json);
    return rc;
}

static enum ls_code post_endpoints(struct ls_call *call, struct ls_response *ret,
                                   struct ls_error *err)
{
    struct change c = {.add = true};
    struct ls_guard guard = {0};
    enum ls_code rc = ls_qstash_guard(call, &guard, err);

    if (rc == LS_OK)
        rc = read_body(call, &guard, &c, err);
    if (rc == LS_OK)
        rc = do_change(call, &c, ret, err);
    if (rc == LS_PERMISSION)
        ret->status = 400;
    return rc;
}

static enum ls_code delete_endpoints(struct ls_call *call, struct ls_response *ret,
                                     struct ls_error *err)
{
    struct change c = {0};
    const enum ls_code rc = read_body(call, NULL, &c, err);

    return rc == LS_OK ? do_change(call, &c, ret, err) : rc;
}

static enum ls_code delete_group(struct ls_call *call, struct ls_response *ret,
                                 struct ls_error *err)
{
    struct change c = {.remove_all = true};

    return do_change(call, &c, ret, err);
}

/* ---- showing ---- */

static void write_group(struct ls_buf *out, const struct ls_group *group)
{
    ls_write_open(out, NULL, '{');
    ls_write_text(out, "name", group->name);
    ls_write_i64(out, "createdAt", group->created_us / 1000);
    ls_write_i64(out, "updatedAt", group->updated_us / 1000);
    ls_write_open(out, "endpoints", '[');
    for (size_t i = 0; i < group->count; i++) {
        ls_write_open(out, NULL, '{');
        if (group->members[i].name)
            ls_write_text(out, "name", group->members[i].name);
        ls_write_text(out, "url", group->members[i].url);
        ls_write_close(out, '}');
    }
    ls_write_close(out, ']');
    ls_write_close(out, '}');
}

static enum ls_code get_groups(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ls_group *groups = NULL;
    struct ls_buf out;
    size_t count = 0;
    enum ls_code rc = ls_api_state(call->ls, true, err);

    if (rc == LS_OK)
        rc = ls_groups_read(call->ls->state, call->mem, &count, &groups, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '[');
    for (size_t i = 0; i < count; i++)
        write_group(&out, &groups[i]);
    ls_write_close(&out, ']');
    return ls_answer(call, &out, ret, err);
}

static enum ls_code get_group(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const char *name = ls_request_param(call->request, "group");
    struct ls_group group;
    struct ls_buf out;
    bool found = false;
    enum ls_code rc = ls_api_state(call->ls, true, err);

    if (rc == LS_OK)
        rc = ls_group_read(call->ls->state, name, call->mem, &group, &found, err);
    if (rc == LS_OK && !found)
        rc = ls_error_set(err, LS_NOT_FOUND, "there is no URL group %.100s", name);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    write_group(&out, &group);
    return ls_answer(call, &out, ret, err);
}

#define READS (LS_ROUTE_DESK | LS_ROUTE_ERROR)
#define CHANGES (READS | LS_ROUTE_CHANGES | LS_ROUTE_ANY_TYPE)

static const struct ls_route routes[] = {
    LS_ROUTE("GET", "/v2/topics", LS_ROLE_VIEWER, .flags = READS, .handle = get_groups,
             .response = "QstashGroups", .summary = "List the URL groups"),
    LS_ROUTE("GET", "/v2/topics/{group}", LS_ROLE_VIEWER, .flags = READS, .handle = get_group,
             .response = "QstashGroup", .summary = "Show a URL group"),
    LS_ROUTE("DELETE", "/v2/topics/{group}", LS_ROLE_OPERATOR, .flags = CHANGES,
             .handle = delete_group, .summary = "Remove a URL group"),
    LS_ROUTE("POST", "/v2/topics/{group}/endpoints", LS_ROLE_OPERATOR, .flags = CHANGES,
             .handle = post_endpoints, .request = "QstashEndpoints",
             .summary = "Add URLs to a group, which is made where there is none"),
    LS_ROUTE("DELETE", "/v2/topics/{group}/endpoints", LS_ROLE_OPERATOR, .flags = CHANGES,
             .handle = delete_endpoints, .request = "QstashEndpoints",
             .summary = "Take URLs from a group, by their names or as they are"),
};

const struct ls_route_table ls_routes_qstash_groups =
    LS_ROUTE_TABLE("qstash URL groups", "Several destinations under one name.", routes);
