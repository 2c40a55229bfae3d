/* SPDX-License-Identifier: Apache-2.0 */
/* routes_callers.c - who may call: tokens and users, for admins.
 *
 * What is made here is what `lockstep token` and `lockstep user` make, by the same functions; entries of the audit log are written in their
 * transactions. A token is in the answer that makes it and nowhere else. After a change the server forgets whom it had looked
 * up, so what was withdrawn here is withdrawn with the answer; other processes notice within a second. */
#include <string.h>

#include "api/callers.h"
#include "base/clock.h"
#include "lockstep.h"
#include "server/handler.h"

#define EXPIRES_MOST INT64_C(3153600000) /* seconds: 100 years */

/* ---- lists ---- */

struct list {
    struct ls_buf out;
    size_t count;
};

static void begin_list(struct list *list)
{
    list->count = 0;
    ls_buf_init(&list->out, 0);
    ls_buf_text(&list->out, "{\"items\":[");
}

static void add_item(struct list *list, const char *json)
{
    if (list->count++)
        ls_buf_char(&list->out, ',');
    ls_buf_text(&list->out, json);
}

static enum ls_code end_list(struct ls_call *call, struct list *list, int code,
                             const struct lockstep_error *error, struct ls_response *ret,
                             struct ls_error *err)
{
    if (code != LOCKSTEP_OK) {
        ls_buf_done(&list->out);
        return ls_call_failed(error, err);
    }
    ls_buf_text(&list->out, "],\"next\":null}");
    return ls_answer(call, &list->out, ret, err);
}

/* What was looked up may have been withdrawn. */
static enum ls_code changed(struct ls_call *call, int code, const struct lockstep_error *error,
                            struct ls_error *err)
{
    if (code != LOCKSTEP_OK)
        return ls_call_failed(error, err);
    ls_server_forget_callers(call->server);
    return LS_OK;
}

/* ---- tokens ---- */

static void list_token(void *ctx, const struct lockstep_token *token)
{
    add_item(ctx, token->json);
}

static enum ls_code get_tokens(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_error error = {0};
    struct list list;
    int code;

    begin_list(&list);
    code = lockstep_tokens(call->ls, list_token, &list, &error);
    return end_list(call, &list, code, &error, ret, err);
}

/* A token as JSON, in the request's arena: with its secret it goes with the answer. */
struct told {
    struct ls_call *call;
    const char *json;
};

static void tell_token(void *ctx, const struct lockstep_token *token)
{
    struct told *told = ctx;

    told->json = ls_arena_text(told->call->mem, token->json);
}

static enum ls_code answer_told(const struct told *told, struct ls_response *ret,
                                struct ls_error *err)
{
    ret->body = told->json;
    ret->body_size = told->json ? strlen(told->json) : 0;
    return told->json ? LS_OK : ls_error_nomem(err);
}

struct new_token {
    const char *name, *role, *owner;
    int64_t expires_in_s;
};
static const struct ls_member new_token[] = {
    {"name", LS_MEMBER_TEXT, offsetof(struct new_token, name), true},
    {"role", LS_MEMBER_TEXT, offsetof(struct new_token, role), true},
    {"owner", LS_MEMBER_TEXT, offsetof(struct new_token, owner), false},
    {"expires_in_s", LS_MEMBER_COUNT, offsetof(struct new_token, expires_in_s), false},
};

static enum ls_code post_token(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_error error = {0};
    struct new_token wish = {0};
    struct told told = {call, NULL};
    int64_t expires_us = 0;
    enum ls_code rc =
        ls_body_read(call, new_token, sizeof new_token / sizeof *new_token, &wish, err);

    if (rc != LS_OK)
        return rc;
    if (wish.expires_in_s > EXPIRES_MOST)
        return ls_error_set(err, LS_USAGE, "expires_in_s is at most 3153600000");
    if (wish.expires_in_s)
        expires_us = ls_clock_now_us() + wish.expires_in_s * 1000000;
    rc = changed(call,
                 ls_api_token_make(call->ls, wish.owner, wish.name, wish.role, expires_us,
                                   tell_token, &told, &error),
                 &error, err);
    return rc == LS_OK ? answer_told(&told, ret, err) : rc;
}

static enum ls_code delete_token(struct ls_call *call, struct ls_response *ret,
                                 struct ls_error *err)
{
    struct lockstep_error error = {0};
    struct told told = {call, NULL};
    const enum ls_code rc =
        changed(call,
                lockstep_token_revoke(call->ls, ls_request_param(call->request, "token"),
                                      tell_token, &told, &error),
                &error, err);

    return rc == LS_OK ? answer_told(&told, ret, err) : rc;
}

/* ---- users ---- */

static void list_user(void *ctx, const struct lockstep_user *user)
{
    add_item(ctx, user->json);
}

static enum ls_code get_users(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_error error = {0};
    struct list list;
    int code;

    begin_list(&list);
    code = lockstep_users(call->ls, list_user, &list, &error);
    return end_list(call, &list, code, &error, ret, err);
}

struct new_user {
    const char *name, *role, *password;
};
static const struct ls_member new_user[] = {
    {"name", LS_MEMBER_TEXT, offsetof(struct new_user, name), true},
    {"role", LS_MEMBER_TEXT, offsetof(struct new_user, role), true},
    {"password", LS_MEMBER_TEXT, offsetof(struct new_user, password), true},
};

static enum ls_code post_user(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_error error = {0};
    struct new_user wish = {0};
    enum ls_code rc = ls_body_read(call, new_user, sizeof new_user / sizeof *new_user, &wish, err);

    (void)ret;
    if (rc != LS_OK)
        return rc;
    return changed(call, lockstep_user_add(call->ls, wish.name, wish.role, wish.password, &error),
                   &error, err);
}

struct user_change {
    const char *role, *password;
    const char *state; /* "active", "disabled" */
};
static const struct ls_member user_change[] = {
    {"role", LS_MEMBER_TEXT, offsetof(struct user_change, role), false},
    {"password", LS_MEMBER_TEXT, offsetof(struct user_change, password), false},
    {"state", LS_MEMBER_TEXT, offsetof(struct user_change, state), false},
};

/* One thing at a time: each is a transaction of its own, and of two the second might fail. */
static enum ls_code patch_user(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const char *name = ls_request_param(call->request, "user");
    struct lockstep_error error = {0};
    struct user_change wish = {0};
    int code;
    enum ls_code rc =
        ls_body_read(call, user_change, sizeof user_change / sizeof *user_change, &wish, err);

    (void)ret;
    if (rc == LS_OK && !!wish.role + !!wish.password + !!wish.state != 1)
        rc = ls_error_set(err, LS_USAGE, "one of role, password and state is changed at a time");
    if (rc == LS_OK && wish.state && strcmp(wish.state, "active") != 0 &&
        strcmp(wish.state, "disabled") != 0)
        rc = ls_error_set(err, LS_USAGE, "state is active or disabled");
    if (rc != LS_OK)
        return rc;
    if (wish.role)
        code = lockstep_user_role(call->ls, name, wish.role, &error);
    else if (wish.password)
        code = lockstep_user_password(call->ls, name, wish.password, &error);
    else
        code = lockstep_user_disable(call->ls, name, strcmp(wish.state, "disabled") == 0, &error);
    return changed(call, code, &error, err);
}

static enum ls_code delete_user(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_error error = {0};

    (void)ret;
    return changed(call,
                   lockstep_user_remove(call->ls, ls_request_param(call->request, "user"), &error),
                   &error, err);
}

static const struct ls_route routes[] = {
    LS_ROUTE("GET", "/api/v1/tokens", LS_ROLE_ADMIN, .flags = LS_ROUTE_DESK, .handle = get_tokens,
             .response = "Tokens", .summary = "List API tokens, without their secrets"),
    LS_ROUTE("POST", "/api/v1/tokens", LS_ROLE_ADMIN, .flags = LS_ROUTE_DESK | LS_ROUTE_AUDITS,
             .handle = post_token, .request = "NewToken", .response = "Token", .status = 201,
             .summary = "Make an API token; the answer is the only place where it is shown"),
    LS_ROUTE("DELETE", "/api/v1/tokens/{token}", LS_ROLE_ADMIN,
             .flags = LS_ROUTE_DESK | LS_ROUTE_AUDITS, .handle = delete_token, .response = "Token",
             .summary = "Revoke a token, by its name or id"),
    LS_ROUTE("GET", "/api/v1/users", LS_ROLE_ADMIN, .flags = LS_ROUTE_DESK, .handle = get_users,
             .response = "Users", .summary = "List those who log in with a password"),
    LS_ROUTE("POST", "/api/v1/users", LS_ROLE_ADMIN, .flags = LS_ROUTE_DESK | LS_ROUTE_AUDITS,
             .handle = post_user, .request = "NewUser", .status = 201, .summary = "Add a user"),
    LS_ROUTE("PATCH", "/api/v1/users/{user}", LS_ROLE_ADMIN,
             .flags = LS_ROUTE_DESK | LS_ROUTE_AUDITS, .handle = patch_user,
             .request = "UserChange", .status = 204,
             .summary = "Give a user another role or password, disable them or let them in again; "
                        "their sessions end"),
    LS_ROUTE("DELETE", "/api/v1/users/{user}", LS_ROLE_ADMIN,
             .flags = LS_ROUTE_DESK | LS_ROUTE_AUDITS, .handle = delete_user, .status = 204,
             .summary = "Remove a user; their sessions and tokens end"),
};

const struct ls_route_table ls_routes_callers =
    LS_ROUTE_TABLE("callers", "Who may call: tokens and users.", routes);
