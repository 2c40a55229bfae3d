/* SPDX-License-Identifier: Apache-2.0 */
/* callers.c - who may call the daemon: making, listing and ending tokens and users.
 *
 * What is a role, and what may be a name, is decided here for every way in: the command line, the HTTP routes, the
 * link of the first start. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/callers.h"
#include "base/clock.h"
#include "base/text.h"
#include "state/callers.h"

#define NAME_MOST 100 /* bytes */

const char *const ls_api_roles[LS_API_ROLES] = {"user", "viewer", "operator", "admin", "service"};

enum ls_code ls_api_role_fit(const char *role, struct ls_error *err)
{
    const char *near;

    for (size_t i = 0; i < LS_API_ROLES; i++)
        if (strcmp(ls_api_roles[i], role) == 0)
            return LS_OK;
    near = ls_text_nearest(role, ls_api_roles, LS_API_ROLES);
    return ls_error_set(
        err, LS_USAGE,
        "there is no role \"%s\"%s%s%s. There are user, viewer, operator, admin and "
        "service",
        role, near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

enum ls_code ls_api_name_fit(const char *name, const char *of, struct ls_error *err)
{
    const size_t length = strlen(name);

    if (length == 0 || length > NAME_MOST)
        return ls_error_set(err, LS_USAGE, "the name of %s has 1 to %d bytes", of, NAME_MOST);
    if (ls_utf8_check(name, length) != length)
        return ls_error_set(err, LS_USAGE, "the name of %s is not UTF-8", of);
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '"' || *p == '\\' || *p == ':' ||
            ((unsigned char)*p == 0xc2 && (unsigned char)p[1] < 0xa1))
            return ls_error_set(err, LS_USAGE,
                                "the name of %s has no blanks, quotes, colons, backslashes or "
                                "control characters",
                                of);
    return LS_OK;
}

/* "ANN" and "ann" would be two people to us and one to everybody else. */
static enum ls_code user_name_fit(const char *name, struct ls_error *err)
{
    enum ls_code rc = ls_api_name_fit(name, "a user", err);

    for (const char *p = name; *p && rc == LS_OK; p++)
        if (*p >= 'A' && *p <= 'Z')
            rc = ls_error_set(err, LS_USAGE, "the name of a user is in lower case");
    return rc;
}

/* ---- JSON ---- */

static void add_text(struct ls_buf *out, const char *name, const char *text)
{
    ls_buf_printf(out, "%s\"%s\":", out->size > 1 ? "," : "", name);
    ls_text_json(out, text, strlen(text));
}

static void add_time(struct ls_buf *out, const char *name, int64_t us)
{
    char at[25];

    ls_clock_iso(us, at);
    ls_buf_printf(out, us ? ",\"%s\":\"%s\"" : ",\"%s\":null", name, at);
}

static void token_json(struct ls_buf *out, const struct ls_token *t, const char *secret)
{
    ls_buf_char(out, '{');
    add_text(out, "id", t->id);
    add_text(out, "name", t->name);
    add_text(out, "role", t->role);
    ls_buf_text(out, ",\"owner\":");
    if (*t->owner)
        ls_text_json(out, t->owner, strlen(t->owner));
    else
        ls_buf_text(out, "null");
    add_text(out, "made_by", t->made_by);
    add_time(out, "created", t->created_us);
    add_time(out, "expires", t->expires_us);
    add_time(out, "last_used", t->used_us);
    add_time(out, "revoked", t->revoked_us);
    if (secret)
        add_text(out, "token", secret);
    ls_buf_char(out, '}');
}

static void user_json(struct ls_buf *out, const struct ls_user *u)
{
    ls_buf_char(out, '{');
    add_text(out, "name", u->name);
    add_text(out, "role", u->role);
    add_time(out, "created", u->created_us);
    add_time(out, "changed", u->changed_us);
    add_time(out, "last_login", u->login_us);
    add_time(out, "disabled", u->disabled_us);
    ls_buf_char(out, '}');
}

/* ---- tokens ---- */

static enum ls_code tell_token(const struct ls_token *t, const char *secret, lockstep_token_fn *fn,
                               void *ctx, struct ls_error *err)
{
    const bool expired = t->expires_us && t->expires_us <= ls_clock_now_us();
    struct lockstep_token token = {
        .id = t->id,
        .name = t->name,
        .role = t->role,
        .owner = t->owner,
        .made_by = t->made_by,
        .created_us = t->created_us,
        .expires_us = t->expires_us,
        .used_us = t->used_us,
        .revoked_us = t->revoked_us,
        .secret = secret,
        .status = t->revoked_us ? "revoked"
                  : expired     ? "expired"
                                : "valid",
    };
    enum ls_code rc = LS_OK;
    struct ls_buf json;

    ls_buf_init(&json, 0);
    token_json(&json, t, secret);
    token.json = ls_buf_str(&json);
    if (json.failed)
        rc = ls_error_nomem(err);
    else if (fn)
        fn(ctx, &token);
    if (secret)
        ls_secret_wipe(json.data, json.size);
    ls_buf_done(&json);
    return rc;
}

enum ls_code ls_api_token_create(struct ls_state *state, const char *actor, const char *owner,
                                 const char *name, const char *role, int64_t expires_us,
                                 char secret[LS_SECRET_TEXT], struct ls_token *ret,
                                 struct ls_error *err)
{
    unsigned char hash[LS_SECRET_HASH];
    enum ls_code rc = ls_api_name_fit(name, "a token", err);

    *ret = (struct ls_token){
        .name = name, .role = role, .owner = owner ? owner : "", .expires_us = expires_us};
    if (rc == LS_OK)
        rc = ls_api_role_fit(role, err);
    if (rc == LS_OK && expires_us && expires_us <= ls_clock_now_us())
        rc = ls_error_set(err, LS_USAGE, "a token that has expired already is of no use");
    if (rc != LS_OK)
        return rc;
    ls_secret_new(LS_SECRET_API, secret);
    ls_secret_hash(secret, strlen(secret), hash);
    rc = ls_state_token_add(state, actor, hash, ret, err);
    if (rc != LS_OK)
        ls_secret_wipe(secret, LS_SECRET_TEXT);
    return rc;
}

/* A token of an owner who is not there would not live a moment. */
static enum ls_code owner_fit(struct ls_state *state, const char *owner, struct ls_error *err)
{
    struct ls_user user;
    struct ls_arena mem;
    bool found = true;
    enum ls_code rc = LS_OK;

    ls_arena_init(&mem, 0);
    if (owner)
        rc = ls_state_user_find(state, owner, &mem, &user, &found, err);
    if (rc == LS_OK && !found)
        rc = ls_error_set(err, LS_USAGE, "there is no user named \"%.100s\"", owner);
    ls_arena_done(&mem);
    return rc;
}

int ls_api_token_make(struct lockstep *ls, const char *owner, const char *name, const char *role,
                      int64_t expires_us, lockstep_token_fn *fn, void *ctx,
                      struct lockstep_error *error)
{
    char secret[LS_SECRET_TEXT];
    struct ls_error err = {0};
    struct ls_token token;
    enum ls_code rc = ls_api_state(ls, true, &err);

    if (rc == LS_OK)
        rc = owner_fit(ls->state, owner, &err);
    if (rc == LS_OK)
        rc = ls_api_token_create(ls->state, ls_api_actor(ls), owner, name, role, expires_us, secret,
                                 &token, &err);
    if (rc == LS_OK)
        rc = tell_token(&token, secret, fn, ctx, &err);
    ls_secret_wipe(secret, sizeof secret);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

int lockstep_token_create(struct lockstep *ls, const char *name, const char *role,
                          int64_t expires_us, lockstep_token_fn *fn, void *ctx,
                          struct lockstep_error *error)
{
    return ls_api_token_make(ls, NULL, name, role, expires_us, fn, ctx, error);
}

int lockstep_tokens(struct lockstep *ls, lockstep_token_fn *fn, void *ctx,
                    struct lockstep_error *error)
{
    struct ls_token *list = NULL;
    struct ls_arena mem;
    struct ls_error err = {0};
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_api_state(ls, false, &err);
    if (rc == LS_OK)
        rc = ls_state_tokens(ls->state, &mem, &count, &list, &err);
    else if (rc == LS_NOT_FOUND)
        rc = LS_OK; /* no state yet: no tokens yet */
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = tell_token(&list[i], NULL, fn, ctx, &err);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

int lockstep_token_revoke(struct lockstep *ls, const char *which, lockstep_token_fn *fn, void *ctx,
                          struct lockstep_error *error)
{
    struct ls_token token;
    struct ls_arena mem;
    struct ls_error err = {0};
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_api_state(ls, false, &err);
    if (rc == LS_OK)
        rc = ls_state_token_revoke(ls->state, ls_api_actor(ls), which, &mem, &token, &err);
    if (rc == LS_OK)
        rc = tell_token(&token, NULL, fn, ctx, &err);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

/* ---- users ---- */

enum ls_code ls_api_user_hash(const char *name, const char *role, const char *password,
                              char hash[LS_PASSWORD_HASH], struct ls_error *err)
{
    enum ls_code rc = user_name_fit(name, err);

    if (rc == LS_OK && role)
        rc = ls_api_role_fit(role, err);
    if (rc == LS_OK && role && strcmp(role, "service") == 0)
        rc = ls_error_set(err, LS_USAGE,
                          "service is the role of programs: make a token for them. People are "
                          "user, viewer, operator or admin");
    if (rc == LS_OK && password) {
        rc = ls_password_fit(password, strlen(password), name, err);
        if (rc == LS_OK)
            rc = ls_password_hash(password, strlen(password), hash, err);
    }
    return rc;
}

int lockstep_user_add(struct lockstep *ls, const char *name, const char *role, const char *password,
                      struct lockstep_error *error)
{
    char hash[LS_PASSWORD_HASH];
    struct ls_error err = {0};
    enum ls_code rc = ls_api_user_hash(name, role, password, hash, &err);

    if (rc == LS_OK)
        rc = ls_api_state(ls, true, &err);
    if (rc == LS_OK)
        rc = ls_state_user_add(ls->state, ls_api_actor(ls), name, role, hash, &err);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

/* An admin has to be left among users and tokens, unless there is one of the environment. */
static bool keep_admin(void)
{
    const char *token = getenv("LOCKSTEP_TOKEN");

    return !token || !*token;
}

static int change_user(struct lockstep *ls, const char *name, const struct ls_user_change *what,
                       struct lockstep_error *error)
{
    struct ls_user_change change = *what;
    struct ls_error err = {0};
    enum ls_code rc = ls_api_state(ls, false, &err);

    change.keep_admin = keep_admin();
    if (rc == LS_OK)
        rc = ls_state_user_change(ls->state, ls_api_actor(ls), name, &change, &err);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

int lockstep_user_password(struct lockstep *ls, const char *name, const char *password,
                           struct lockstep_error *error)
{
    char hash[LS_PASSWORD_HASH];
    const struct ls_user_change change = {.password_hash = hash};
    struct ls_error err = {0};
    const enum ls_code rc = ls_api_user_hash(name, NULL, password, hash, &err);

    return rc == LS_OK ? change_user(ls, name, &change, error) : ls_api_fail(&err, error);
}

int lockstep_user_role(struct lockstep *ls, const char *name, const char *role,
                       struct lockstep_error *error)
{
    const struct ls_user_change change = {.role = role};
    struct ls_error err = {0};
    const enum ls_code rc = ls_api_user_hash(name, role, NULL, NULL, &err);

    return rc == LS_OK ? change_user(ls, name, &change, error) : ls_api_fail(&err, error);
}

int lockstep_user_disable(struct lockstep *ls, const char *name, bool disabled,
                          struct lockstep_error *error)
{
    const struct ls_user_change change = {.disabled = &disabled};

    return change_user(ls, name, &change, error);
}

int lockstep_user_remove(struct lockstep *ls, const char *name, struct lockstep_error *error)
{
    struct ls_error err = {0};
    enum ls_code rc = ls_api_state(ls, false, &err);

    if (rc == LS_OK)
        rc = ls_state_user_remove(ls->state, ls_api_actor(ls), name, keep_admin(), &err);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

static enum ls_code tell_user(const struct ls_user *u, lockstep_user_fn *fn, void *ctx,
                              struct ls_error *err)
{
    struct lockstep_user user = {
        .name = u->name,
        .role = u->role,
        .created_us = u->created_us,
        .changed_us = u->changed_us,
        .login_us = u->login_us,
        .disabled_us = u->disabled_us,
    };
    enum ls_code rc = LS_OK;
    struct ls_buf json;

    ls_buf_init(&json, 0);
    user_json(&json, u);
    user.json = ls_buf_str(&json);
    if (json.failed)
        rc = ls_error_nomem(err);
    else
        fn(ctx, &user);
    ls_buf_done(&json);
    return rc;
}

int lockstep_users(struct lockstep *ls, lockstep_user_fn *fn, void *ctx,
                   struct lockstep_error *error)
{
    struct ls_user *list = NULL;
    struct ls_arena mem;
    struct ls_error err = {0};
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_api_state(ls, false, &err);
    if (rc == LS_OK)
        rc = ls_state_users(ls->state, &mem, &count, &list, &err);
    else if (rc == LS_NOT_FOUND)
        rc = LS_OK;
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = tell_user(&list[i], fn, ctx, &err);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}
