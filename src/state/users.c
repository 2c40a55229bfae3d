/* SPDX-License-Identifier: Apache-2.0 */
/* users.c - people who log in with a password, and the link by which the first of them is made.
 *
 * Whatever changes a user ends all their sessions, in the same transaction: a new password because somebody may know the old one, a
 * role or a removal because a session must not outlive what it was given for. A role and a removal end their tokens as well, since a
 * token has a role of its own; a disabled user's tokens rest (tokens.c) and live again with their owner.
 *
 * Where somebody wants an admin to be left (keep_admin), the last one that can log in stays what they are. Of two admins who remove each other at once
 * the second has to see that the first was faster: on PostgreSQL they stand in line for the audit log, which both write.
 *
 * The link: there is no account that everybody knows. The first start draws a secret that makes one admin, once, while there is no
 * user; where two use it at once, one row is updated by one of them. */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "state/callers.h"
#include "state/state_priv.h"

#define COLUMNS "name, role, password, created_us, changed_us, login_us, disabled_us"

static enum ls_code get_user(struct ls_sql_stmt *stmt, struct ls_arena *mem, struct ls_user *ret,
                             struct ls_error *err)
{
    *ret = (struct ls_user){
        .name = ls_state_text(stmt, 0, mem),
        .role = ls_state_text(stmt, 1, mem),
        .password = ls_state_text(stmt, 2, mem),
        .created_us = ls_sql_i64(stmt, 3),
        .changed_us = ls_sql_i64(stmt, 4),
        .login_us = ls_sql_i64(stmt, 5),
        .disabled_us = ls_sql_i64(stmt, 6),
    };
    return ret->name && ret->role && ret->password ? LS_OK : ls_error_nomem(err);
}

static enum ls_code tell(struct ls_state *state, const char *actor, const char *action,
                         const char *name, const char *role, struct ls_error *err)
{
    struct ls_buf detail;
    enum ls_code rc;

    ls_buf_init(&detail, 0);
    ls_buf_char(&detail, '{');
    if (role) {
        ls_buf_text(&detail, "\"role\":");
        ls_text_json(&detail, role, strlen(role));
    }
    ls_buf_char(&detail, '}');
    rc = detail.failed
             ? ls_error_nomem(err)
             : ls_state_audit_append(state, actor, action, name, ls_buf_str(&detail), err);
    ls_buf_done(&detail);
    return rc;
}

static enum ls_code add(struct ls_state *state, const char *actor, const char *name,
                        const char *role, const char *password_hash, struct ls_error *err)
{
    const int64_t now = ls_clock_now_us();
    const struct ls_value params[] = {ls_value_text(name), ls_value_text(role),
                                      ls_value_text(password_hash), ls_value_int(now),
                                      ls_value_int(now)};
    enum ls_code rc = ls_state_change(
        state,
        "INSERT INTO {schema}users (name, role, password, created_us, changed_us, login_us, "
        "disabled_us) VALUES (?, ?, ?, ?, ?, 0, 0)",
        params, 5, 1, err);

    if (rc == LS_CONSTRAINT)
        return ls_error_set(err, LS_USAGE, "there is a user named \"%s\" already", name);
    return rc == LS_OK ? tell(state, actor, "user add", name, role, err) : rc;
}

enum ls_code ls_state_user_add(struct ls_state *state, const char *actor, const char *name,
                               const char *role, const char *password_hash, struct ls_error *err)
{
    enum ls_code rc = ls_state_begin(state, err);

    if (rc == LS_OK)
        rc = ls_state_end(state, add(state, actor, name, role, password_hash, err), err);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_user_find(struct ls_state *state, const char *name, struct ls_arena *mem,
                                struct ls_user *ret, bool *ret_found, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(name)};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc;

    *ret_found = false;
    rc = ls_state_row(state, "SELECT " COLUMNS " FROM {schema}users WHERE name = ?", params, 1,
                      &stmt, err);
    if (rc == LS_OK && stmt) {
        rc = get_user(stmt, mem, ret, err);
        *ret_found = rc == LS_OK;
    }
    ls_sql_finish(stmt);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_users(struct ls_state *state, struct ls_arena *mem, size_t *ret_count,
                            struct ls_user **ret, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    struct ls_user *list = NULL;
    size_t count = 0, room = 0;
    bool more = true;
    enum ls_code rc = ls_state_query(state, "SELECT " COLUMNS " FROM {schema}users ORDER BY name",
                                     NULL, 0, &stmt, err);

    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        list = ls_state_grow(mem, list, count, &room, sizeof *list);
        rc = list ? get_user(stmt, mem, &list[count++], err) : ls_error_nomem(err);
    }
    ls_sql_finish(stmt);
    if (rc == LS_OK) {
        *ret = list;
        *ret_count = count;
    }
    return ls_state_result(state, rc, err);
}

static enum ls_code no_such_user(const char *name, struct ls_error *err)
{
    return ls_error_set(err, LS_NOT_FOUND,
                        "there is no user named \"%s\". `lockstep user list` shows them", name);
}

static enum ls_code end_sessions(struct ls_state *state, const char *name, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(name)};

    return ls_state_change(state, "DELETE FROM {schema}sessions WHERE username = ?", params, 1, -1,
                           err);
}

static enum ls_code end_tokens(struct ls_state *state, const char *name, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(ls_clock_now_us()), ls_value_text(name)};

    return ls_state_change(
        state, "UPDATE {schema}tokens SET revoked_us = ? WHERE owner = ? AND revoked_us = 0",
        params, 2, -1, err);
}

/* Users and tokens that can call as admin now. */
static enum ls_code count_admins(struct ls_state *state, int64_t *ret, struct ls_error *err)
{
    const struct ls_value now[] = {ls_value_int(ls_clock_now_us())};

    return ls_state_number(
        state,
        "SELECT (SELECT count(*) FROM {schema}users WHERE role = 'admin' AND disabled_us = 0) + "
        "(SELECT count(*) FROM {schema}tokens WHERE role = 'admin' AND revoked_us = 0 AND "
        "(expires_us = 0 OR expires_us > ?) AND (owner = '' OR EXISTS (SELECT 1 FROM {schema}users "
        "WHERE users.name = tokens.owner AND disabled_us = 0)))",
        now, 1, 0, ret, err);
}

/* Before a change after which there has to be an admin still, if there is one now. */
static enum ls_code admins_before(struct ls_state *state, bool keep_admin, int64_t *ret,
                                  struct ls_error *err)
{
    struct ls_head line;
    enum ls_code rc;

    *ret = 0;
    if (!keep_admin)
        return LS_OK;
    rc = ls_state_head(state, "audit", true, &line, err);
    return rc == LS_OK ? count_admins(state, ret, err) : rc;
}

static enum ls_code check_admins_left(struct ls_state *state, int64_t before, const char *name,
                                      struct ls_error *err)
{
    int64_t left = 0;
    enum ls_code rc = before ? count_admins(state, &left, err) : LS_OK;

    if (rc != LS_OK || !before || left)
        return rc;
    return ls_error_set(err, LS_CONFLICT,
                        "\"%s\" is the last admin, and nobody could call as one then. Make "
                        "another first: `lockstep user add NAME --role admin`, or `lockstep token "
                        "create NAME --role admin`",
                        name);
}

static enum ls_code change(struct ls_state *state, const char *actor, const char *name,
                           const struct ls_user_change *change, struct ls_error *err)
{
    const int64_t now = ls_clock_now_us();
    const bool disable = change->disabled && *change->disabled;
    const char *action = change->password_hash ? "user passwd"
                         : change->role        ? "user role"
                         : disable             ? "user disable"
                                               : "user enable";
    /* NULL keeps what is there. */
    const struct ls_value params[] = {
        change->password_hash ? ls_value_text(change->password_hash) : ls_value_null(),
        change->role ? ls_value_text(change->role) : ls_value_null(),
        change->disabled ? ls_value_int(disable ? now : 0) : ls_value_null(),
        ls_value_int(now),
        ls_value_text(name),
    };
    int64_t changed = 0, admins = 0;
    enum ls_code rc = admins_before(state, change->keep_admin, &admins, err);

    if (rc != LS_OK)
        return rc;
    rc = ls_state_count_change(
        state,
        "UPDATE {schema}users SET password = coalesce(?, password), role = coalesce(?, role), "
        "disabled_us = coalesce(?, disabled_us), changed_us = ? WHERE name = ?",
        params, 5, &changed, err);

    if (rc == LS_OK && changed == 0)
        rc = no_such_user(name, err);
    if (rc == LS_OK)
        rc = end_sessions(state, name, err);
    if (rc == LS_OK && change->role)
        rc = end_tokens(state, name, err);
    if (rc == LS_OK)
        rc = check_admins_left(state, admins, name, err);
    return rc == LS_OK ? tell(state, actor, action, name, change->role, err) : rc;
}

enum ls_code ls_state_user_change(struct ls_state *state, const char *actor, const char *name,
                                  const struct ls_user_change *what, struct ls_error *err)
{
    enum ls_code rc = ls_state_begin(state, err);

    if (rc == LS_OK)
        rc = ls_state_end(state, change(state, actor, name, what, err), err);
    return ls_state_result(state, rc, err);
}

static enum ls_code remove_user(struct ls_state *state, const char *actor, const char *name,
                                bool keep_admin, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(name)};
    int64_t changed = 0, admins = 0;
    enum ls_code rc = admins_before(state, keep_admin, &admins, err);

    if (rc == LS_OK)
        rc = ls_state_count_change(state, "DELETE FROM {schema}users WHERE name = ?", params, 1,
                                   &changed, err);
    if (rc == LS_OK && changed == 0)
        rc = no_such_user(name, err);
    if (rc == LS_OK)
        rc = end_sessions(state, name, err);
    if (rc == LS_OK)
        rc = end_tokens(state, name, err);
    if (rc == LS_OK)
        rc = check_admins_left(state, admins, name, err);
    return rc == LS_OK ? tell(state, actor, "user remove", name, NULL, err) : rc;
}

enum ls_code ls_state_user_remove(struct ls_state *state, const char *actor, const char *name,
                                  bool keep_admin, struct ls_error *err)
{
    enum ls_code rc = ls_state_begin(state, err);

    if (rc == LS_OK)
        rc = ls_state_end(state, remove_user(state, actor, name, keep_admin, err), err);
    return ls_state_result(state, rc, err);
}

/* ---- the first start ---- */

static enum ls_code begin_setup(struct ls_state *state, const unsigned char hash[LS_SECRET_HASH],
                                int64_t now_us, int64_t expires_us, bool *ret_made,
                                struct ls_error *err)
{
    const struct ls_value when[] = {ls_value_int(now_us)};
    const struct ls_value params[] = {ls_value_data(LS_T_BYTES, hash, LS_SECRET_HASH),
                                      ls_value_int(now_us), ls_value_int(expires_us)};
    int64_t others = 0;
    enum ls_code rc = ls_state_number(state,
                                      "SELECT (SELECT count(*) FROM {schema}users) + (SELECT "
                                      "count(*) FROM {schema}tokens WHERE revoked_us = 0 AND "
                                      "(expires_us = 0 OR expires_us > ?))",
                                      when, 1, 0, &others, err);

    if (rc != LS_OK || others > 0)
        return rc;
    rc = ls_state_change(state, "DELETE FROM {schema}setup_links", NULL, 0, -1, err);
    if (rc == LS_OK)
        rc = ls_state_change(state,
                             "INSERT INTO {schema}setup_links (hash, created_us, expires_us, "
                             "used_us) VALUES (?, ?, ?, 0)",
                             params, 3, 1, err);
    *ret_made = rc == LS_OK;
    return rc;
}

enum ls_code ls_state_setup_begin(struct ls_state *state, const unsigned char hash[LS_SECRET_HASH],
                                  int64_t now_us, int64_t expires_us, bool *ret_made,
                                  struct ls_error *err)
{
    bool made = false;
    enum ls_code rc = ls_state_begin(state, err);

    if (rc == LS_OK)
        rc = ls_state_end(state, begin_setup(state, hash, now_us, expires_us, &made, err), err);
    *ret_made = rc == LS_OK && made;
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_setup_valid(struct ls_state *state, const unsigned char hash[LS_SECRET_HASH],
                                  int64_t now_us, bool *ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_data(LS_T_BYTES, hash, LS_SECRET_HASH),
                                      ls_value_int(now_us)};
    int64_t count = 0;
    enum ls_code rc =
        ls_state_number(state,
                        "SELECT count(*) FROM {schema}setup_links WHERE hash = ? AND used_us = 0 "
                        "AND expires_us > ? AND NOT EXISTS (SELECT 1 FROM {schema}users)",
                        params, 2, 0, &count, err);

    *ret = rc == LS_OK && count == 1;
    return ls_state_result(state, rc, err);
}

static enum ls_code finish_setup(struct ls_state *state, const unsigned char hash[LS_SECRET_HASH],
                                 int64_t now_us, const char *name, const char *role,
                                 const char *password_hash, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(now_us),
                                      ls_value_data(LS_T_BYTES, hash, LS_SECRET_HASH),
                                      ls_value_int(now_us)};
    int64_t changed = 0;
    enum ls_code rc = ls_state_count_change(
        state,
        "UPDATE {schema}setup_links SET used_us = ? WHERE hash = ? AND used_us = 0 AND "
        "expires_us > ? AND NOT EXISTS (SELECT 1 FROM {schema}users)",
        params, 3, &changed, err);

    if (rc == LS_OK && changed != 1)
        return ls_error_set(err, LS_PERMISSION,
                            "the link is not valid: it was used, is too old, or there is a user "
                            "already. A new one is made at a start without users");
    return rc == LS_OK ? add(state, "setup", name, role, password_hash, err) : rc;
}

enum ls_code ls_state_setup_finish(struct ls_state *state, const unsigned char hash[LS_SECRET_HASH],
                                   int64_t now_us, const char *name, const char *role,
                                   const char *password_hash, struct ls_error *err)
{
    enum ls_code rc = ls_state_begin(state, err);

    if (rc == LS_OK)
        rc = ls_state_end(state, finish_setup(state, hash, now_us, name, role, password_hash, err),
                          err);
    return ls_state_result(state, rc, err);
}
