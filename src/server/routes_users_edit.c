/* SPDX-License-Identifier: Apache-2.0 */
/* routes_users_edit.c - a user made or deleted on both sides, and validated.
 *
 * The side that is right, the source of the sync, is written first, in one transaction. Then the sync runs for this user alone, which carries it over, reads back what
 * it wrote and leaves a run that can be shown and undone; then both sides are compared once more. Where the second step cannot be done now (the other side is down, another run of
 * the sync is under way) the first one stays, the answer says so, and the next sync carries it over: the side that is right is never turned back because the other one is away. */
#include <jansson.h>
#include <string.h>

#include "event/resource.h"
#include "server/surface.h"
#include "server/users.h"

/* ---- the side that is right ---- */

struct edit {
    struct ls_call *call;
    struct ls_users u;
    struct ls_resource resource;
    struct ls_records *records;
    const char *key_target, *key_source; /* the field that names a user */
    const char *key;                     /* its value */
    const char *only;                    /* both, as the sync takes them */
    const char *done;                    /* what has been done by now, for people */
};

static enum ls_code begin(struct edit *e, struct ls_response *ret, struct ls_error *err)
{
    const struct ls_sync_config *config;
    enum ls_code rc;

    if (!ls_users_find(e->call->ls->config, &e->u))
        return ls_refuse(ret, 404, err, LS_NOT_FOUND, LS_USERS_NONE);
    config = e->u.config;
    e->resource = (struct ls_resource){
        .kind = LS_RESOURCE_STUDENTS, .store = e->u.sync, .side = config->source, .no_event = true};
    rc = ls_users_key(&e->u, &e->key_target, &e->key_source, err);
    return rc == LS_OK ? ls_records_open(&e->resource, e->call->mem, &e->records, err) : rc;
}

/* The key's value becomes what the sync is for. */
static enum ls_code name_user(struct edit *e, const char *key, struct ls_error *err)
{
    e->key = key;
    e->only = key ? ls_arena_printf(e->call->mem, "%s=%s", e->key_target, key) : NULL;
    return e->only ? LS_OK : ls_error_nomem(err);
}

/* A member of a record, as text. */
static const char *member(const char *json, const char *name, struct ls_arena *mem)
{
    json_t *record = json_loads(json, 0, NULL);
    const json_t *v = json_object_get(record, name);
    const char *text = NULL;

    if (json_is_string(v))
        text = ls_arena_text(mem, json_string_value(v));
    else if (json_is_integer(v))
        text = ls_arena_printf(mem, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    json_decref(record);
    return text;
}

static enum ls_code insert(struct edit *e, struct ls_error *err)
{
    struct ls_terms values;
    struct ls_written written;
    const struct ls_records_write write = {.verb = LS_RECORDS_CREATE, .values = &values};
    const struct ls_request *request = e->call->request;
    json_error_t why;
    json_t *body = json_loadb(request->body, request->body_size, JSON_REJECT_DUPLICATES, &why);
    const char *key;
    enum ls_code rc;

    if (!json_is_object(body)) {
        json_decref(body);
        return ls_error_set(err, LS_USAGE, "the body is an object with the user's fields");
    }
    rc = ls_terms_new(e->records, &values, err);
    if (rc == LS_OK)
        rc = ls_terms_body(e->records, body, &values, err);
    json_decref(body);
    if (rc == LS_OK)
        rc = ls_records_write(e->records, &write, &written, err);
    if (rc != LS_OK)
        return rc;
    e->done = "the user was created where it is right, and not carried over";
    key = member(written.record.json, e->key_source, e->call->mem);
    if (!key)
        return ls_error_set(err, LS_UNSUPPORTED, "%s: the new user has no %s to go by", e->done,
                            e->key_source);
    return name_user(e, key, err);
}

/* Whom {user} means: an address, or a key. */
static enum ls_code find_user(struct edit *e, struct ls_users_verdict *v, struct ls_response *ret,
                              struct ls_error *err)
{
    const char *user = ls_request_param(e->call->request, "user");
    const char *only =
        ls_arena_printf(e->call->mem, "%s=%s", strchr(user, '@') ? "email" : e->key_target, user);
    enum ls_code rc =
        only ? ls_users_validate(e->call->ls, &e->u, only, e->call->mem, v, err) : LS_NOMEM;

    if (rc == LS_NOMEM)
        return ls_error_nomem(err);
    if (rc == LS_OK && v->total == 0)
        return ls_refuse(ret, 404, err, LS_NOT_FOUND, "neither side has this user");
    if (rc == LS_OK && v->total > 1)
        return ls_refuse(ret, 409, err, LS_CONFLICT,
                         "%llu users have this address: name one by its %s",
                         (unsigned long long)v->total, e->key_target);
    return rc == LS_OK ? name_user(e, v->key, err) : rc;
}

static enum ls_code take_away(struct edit *e, struct ls_error *err)
{
    struct ls_terms where;
    struct ls_written written;
    const struct ls_records_write write = {.verb = LS_RECORDS_DELETE, .where = &where};
    enum ls_code rc = ls_terms_new(e->records, &where, err);

    if (rc == LS_OK)
        rc = ls_terms_filter(e->records, e->key_source, e->key, &where, err);
    if (rc == LS_OK)
        rc = ls_records_write(e->records, &write, &written, err);
    if (rc == LS_NOT_FOUND)
        return LS_OK; /* only the other side has it: the sync removes it there */
    e->done = "the user was deleted where it is right, and not on the other side";
    return rc;
}

/* ---- the other side ---- */

static enum ls_code carry_over(struct edit *e, struct lockstep_run **ret_run, struct ls_error *err)
{
    const struct lockstep_select select = {.sync = e->u.sync, .only = &e->only, .only_count = 1};
    struct lockstep_error error = {0};
    const int code = lockstep_sync(e->call->ls, &select, NULL, ret_run, &error);
    enum ls_code rc;

    if (code == LOCKSTEP_OK || code == LOCKSTEP_DIFFERENT)
        return LS_OK;
    rc = ls_call_failed(&error, err);
    if (e->done)
        ls_error_wrap(err, "%s; the next sync does that", e->done);
    return rc;
}

static enum ls_code answer(struct edit *e, const char *word, const struct lockstep_run *run,
                           const struct ls_users_verdict *v, struct ls_response *ret,
                           struct ls_error *err)
{
    char *json = lockstep_history_json(run);
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_surface_begin(&out, v->valid);
    ls_write_text(&out, "message",
                  v->valid ? ls_arena_printf(e->call->mem, "User %s on both sides", word)
                           : ls_arena_printf(e->call->mem, "User %s, but not on both sides: %s",
                                             word, *v->label ? v->label : "absent"));
    ls_write_bool(&out, "isValid", v->valid);
    ls_write_text(&out, "id", e->key);
    ls_write_json(&out, "user", v->entry);
    ls_write_json(&out, "run", json);
    ls_surface_end(&out);
    lockstep_free(json);
    return ls_answer(e->call, &out, ret, err);
}

static enum ls_code sync_and_validate(struct edit *e, const char *word, struct ls_response *ret,
                                      struct ls_error *err)
{
    struct ls_users_verdict verdict;
    struct lockstep_run *run = NULL;
    enum ls_code rc = carry_over(e, &run, err);

    if (rc == LS_OK)
        rc = ls_users_validate_noted(e->call->ls, &e->u, e->only,
                                     ls_arena_printf(e->call->mem, "the user was %s", word),
                                     e->call->mem, &verdict, err);
    if (rc == LS_OK)
        rc = answer(e, word, run, &verdict, ret, err);
    lockstep_run_free(run);
    return rc;
}

/* ---- the calls ---- */

static enum ls_code post_user(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct edit e = {.call = call};
    enum ls_code rc = begin(&e, ret, err);

    if (rc == LS_OK)
        rc = insert(&e, err);
    if (rc == LS_OK)
        rc = sync_and_validate(&e, "created", ret, err);
    ls_records_close(e.records);
    if (rc == LS_OK)
        ret->status = 201;
    return rc;
}

static enum ls_code delete_user(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct edit e = {.call = call};
    struct ls_users_verdict before;
    enum ls_code rc = begin(&e, ret, err);

    if (rc == LS_OK)
        rc = find_user(&e, &before, ret, err);
    if (rc == LS_OK && before.source_count)
        rc = take_away(&e, err);
    if (rc == LS_OK)
        rc = sync_and_validate(&e, "deleted", ret, err);
    ls_records_close(e.records);
    return rc;
}

#define SURFACE (LS_ROUTE_LONG | LS_ROUTE_CHANGES | LS_ROUTE_SUCCESS)
static const struct ls_route routes[] = {
    LS_ROUTE("POST", "/api/admin/users", LS_ROLE_ADMIN, .flags = SURFACE, .handle = post_user,
             .request = "Fields", .response = "UserEdited", .status = 201,
             .summary = "Create a user on both sides, and validate"),
    LS_ROUTE("DELETE", "/api/admin/users/{user}", LS_ROLE_ADMIN, .flags = SURFACE,
             .handle = delete_user, .response = "UserEdited",
             .summary = "Delete the user with this id or email on both sides, and validate"),
};

const struct ls_route_table ls_routes_users_edit =
    LS_ROUTE_TABLE("accounts", "Users made and deleted on both sides at once.", routes);
