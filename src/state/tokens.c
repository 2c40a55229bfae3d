/* SPDX-License-Identifier: Apache-2.0 */
/* tokens.c - the tokens by which programs call.
 *
 * A token that ended stays in the table: the audit log names it, and a list that shows when it was last used helps whoever asks
 * what a leak could reach. Its name is free again.
 *
 * Whether a token lives is decided by one statement, so that no caller can forget one of the reasons: revoked, expired, its
 * owner gone or disabled. */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "state/callers.h"
#include "state/state_priv.h"

#define COLUMNS "id, name, role, owner, made_by, created_us, expires_us, used_us, revoked_us"

static enum ls_code get_token(struct ls_sql_stmt *stmt, struct ls_arena *mem, struct ls_token *ret,
                              struct ls_error *err)
{
    size_t size = 0;
    const char *id = ls_sql_text(stmt, 0, &size);

    *ret = (struct ls_token){
        .name = ls_state_text(stmt, 1, mem),
        .role = ls_state_text(stmt, 2, mem),
        .owner = ls_state_text(stmt, 3, mem),
        .made_by = ls_state_text(stmt, 4, mem),
        .created_us = ls_sql_i64(stmt, 5),
        .expires_us = ls_sql_i64(stmt, 6),
        .used_us = ls_sql_i64(stmt, 7),
        .revoked_us = ls_sql_i64(stmt, 8),
    };
    if (!id || size >= sizeof ret->id)
        return ls_state_damaged(err, "the id of a token is not what was written");
    memcpy(ret->id, id, size);
    return ret->name && ret->role && ret->owner && ret->made_by ? LS_OK : ls_error_nomem(err);
}

/* What the audit log tells of a token. */
static enum ls_code tell(struct ls_state *state, const char *actor, const char *action,
                         const struct ls_token *token, struct ls_error *err)
{
    struct ls_buf detail;
    char expires[25];
    enum ls_code rc;

    ls_buf_init(&detail, 0);
    ls_buf_printf(&detail, "{\"id\":\"%s\",\"role\":", token->id);
    ls_text_json(&detail, token->role, strlen(token->role));
    if (*token->owner) {
        ls_buf_text(&detail, ",\"owner\":");
        ls_text_json(&detail, token->owner, strlen(token->owner));
    }
    if (token->expires_us) {
        ls_clock_iso(token->expires_us, expires);
        ls_buf_printf(&detail, ",\"expires\":\"%s\"", expires);
    }
    ls_buf_char(&detail, '}');
    rc = detail.failed
             ? ls_error_nomem(err)
             : ls_state_audit_append(state, actor, action, token->name, ls_buf_str(&detail), err);
    ls_buf_done(&detail);
    return rc;
}

static enum ls_code insert(struct ls_state *state, const unsigned char hash[LS_SECRET_HASH],
                           const struct ls_token *token, struct ls_error *err)
{
    const struct ls_value params[] = {
        ls_value_text(token->id),        ls_value_data(LS_T_BYTES, hash, LS_SECRET_HASH),
        ls_value_text(token->name),      ls_value_text(token->role),
        ls_value_text(token->owner),     ls_value_text(token->made_by),
        ls_value_int(token->created_us), ls_value_int(token->expires_us),
    };
    enum ls_code rc = ls_state_change(
        state,
        "INSERT INTO {schema}tokens (id, hash, name, role, owner, made_by, created_us, "
        "expires_us, used_us, revoked_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0)",
        params, 8, 1, err);

    if (rc == LS_CONSTRAINT)
        return ls_error_set(err, LS_USAGE,
                            "there is a token named \"%s\" already. Revoke it first, or give "
                            "another name",
                            token->name);
    return rc;
}

enum ls_code ls_state_token_add(struct ls_state *state, const char *actor,
                                const unsigned char hash[LS_SECRET_HASH], struct ls_token *token,
                                struct ls_error *err)
{
    enum ls_code rc;

    ls_uuid_new(token->id);
    token->made_by = actor;
    token->created_us = ls_clock_now_us();
    token->used_us = token->revoked_us = 0;
    rc = ls_state_begin(state, err);
    if (rc == LS_OK) {
        rc = insert(state, hash, token, err);
        if (rc == LS_OK)
            rc = tell(state, actor, "token create", token, err);
        rc = ls_state_end(state, rc, err);
    }
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_token_find(struct ls_state *state, const unsigned char hash[LS_SECRET_HASH],
                                 int64_t now_us, struct ls_arena *mem, struct ls_token *ret,
                                 bool *ret_found, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_data(LS_T_BYTES, hash, LS_SECRET_HASH),
                                      ls_value_int(now_us)};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc;

    *ret_found = false;
    rc = ls_state_row(state,
                      "SELECT " COLUMNS " FROM {schema}tokens WHERE hash = ? AND revoked_us = 0 "
                      "AND (expires_us = 0 OR expires_us > ?) AND (owner = '' OR EXISTS (SELECT 1 "
                      "FROM {schema}users WHERE users.name = tokens.owner AND disabled_us = 0))",
                      params, 2, &stmt, err);
    if (rc == LS_OK && stmt) {
        rc = get_token(stmt, mem, ret, err);
        *ret_found = rc == LS_OK;
    }
    ls_sql_finish(stmt);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_token_used(struct ls_state *state, const char *id, int64_t now_us,
                                 struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(now_us), ls_value_text(id),
                                      ls_value_int(now_us)};
    enum ls_code rc = ls_state_begin(state, err);

    if (rc == LS_OK)
        rc = ls_state_end(
            state,
            ls_state_change(state,
                            "UPDATE {schema}tokens SET used_us = ? WHERE id = ? AND used_us < ?",
                            params, 3, -1, err),
            err);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_tokens(struct ls_state *state, struct ls_arena *mem, size_t *ret_count,
                             struct ls_token **ret, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    struct ls_token *list = NULL;
    size_t count = 0, room = 0;
    bool more = true;
    enum ls_code rc = ls_state_query(
        state,
        "SELECT " COLUMNS " FROM {schema}tokens ORDER BY CASE WHEN revoked_us = 0 THEN 0 ELSE 1 "
        "END, name, created_us, id",
        NULL, 0, &stmt, err);

    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        list = ls_state_grow(mem, list, count, &room, sizeof *list);
        rc = list ? get_token(stmt, mem, &list[count++], err) : ls_error_nomem(err);
    }
    ls_sql_finish(stmt);
    if (rc == LS_OK) {
        *ret = list;
        *ret_count = count;
    }
    return ls_state_result(state, rc, err);
}

static enum ls_code find_living(struct ls_state *state, const char *which, struct ls_arena *mem,
                                struct ls_token *ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(which), ls_value_text(which)};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_state_row(state,
                                   "SELECT " COLUMNS " FROM {schema}tokens WHERE (name = ? OR id = "
                                   "?) AND revoked_us = 0 ORDER BY created_us",
                                   params, 2, &stmt, err);

    if (rc == LS_OK && !stmt)
        rc =
            ls_error_set(err, LS_NOT_FOUND,
                         "there is no token named \"%s\". `lockstep token list` shows them", which);
    else if (rc == LS_OK)
        rc = get_token(stmt, mem, ret, err);
    ls_sql_finish(stmt);
    return rc;
}

static enum ls_code revoke(struct ls_state *state, const char *actor, struct ls_token *token,
                           struct ls_error *err)
{
    struct ls_value params[2];
    enum ls_code rc;

    token->revoked_us = ls_clock_now_us();
    params[0] = ls_value_int(token->revoked_us);
    params[1] = ls_value_text(token->id);
    rc = ls_state_change(state,
                         "UPDATE {schema}tokens SET revoked_us = ? WHERE id = ? AND revoked_us = 0",
                         params, 2, -1, err);
    return rc == LS_OK ? tell(state, actor, "token revoke", token, err) : rc;
}

enum ls_code ls_state_token_revoke(struct ls_state *state, const char *actor, const char *which,
                                   struct ls_arena *mem, struct ls_token *ret, struct ls_error *err)
{
    enum ls_code rc = ls_state_begin(state, err);

    if (rc == LS_OK) {
        rc = find_living(state, which, mem, ret, err);
        if (rc == LS_OK)
            rc = revoke(state, actor, ret, err);
        rc = ls_state_end(state, rc, err);
    }
    return ls_state_result(state, rc, err);
}
