/* SPDX-License-Identifier: Apache-2.0 */
/* sessions.c - logins that last a while.
 *
 * A session ends when it rested for too long, at a fixed time after the login however busy it is, at a logout, and with whatever changes
 * its user. Its role is that of the user at this moment: the row has none that could grow old.
 *
 * The rows are bounded: expired ones go at each login, and a user has so many at most. The entry of the audit log about a login
 * is written by whoever knows where it came from (server/routes_login.c). */
#include "state/callers.h"
#include "state/state_priv.h"

static struct ls_value hash_value(const unsigned char hash[LS_SECRET_HASH])
{
    return ls_value_data(LS_T_BYTES, hash, LS_SECRET_HASH);
}

static enum ls_code note_login(struct ls_state *state, const char *user, int64_t now_us,
                               struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(now_us), ls_value_text(user)};
    int64_t changed = 0;
    enum ls_code rc = ls_state_count_change(
        state, "UPDATE {schema}users SET login_us = ? WHERE name = ? AND disabled_us = 0", params,
        2, &changed, err);

    if (rc == LS_OK && changed != 1)
        return ls_error_set(err, LS_NOT_FOUND, "there is no user named \"%s\" who may log in",
                            user);
    return rc;
}

static enum ls_code make_room(struct ls_state *state, const char *user, int64_t now_us,
                              struct ls_error *err)
{
    const struct ls_value expired[] = {ls_value_int(now_us), ls_value_int(now_us)};
    const struct ls_value surplus[] = {ls_value_text(user), ls_value_text(user),
                                       ls_value_int(LS_SESSIONS_OF_USER - 1)};
    enum ls_code rc = ls_state_change(
        state, "DELETE FROM {schema}sessions WHERE expires_us <= ? OR used_us + idle_us <= ?",
        expired, 2, -1, err);

    if (rc == LS_OK)
        rc = ls_state_change(state,
                             "DELETE FROM {schema}sessions WHERE username = ? AND hash NOT IN "
                             "(SELECT hash FROM {schema}sessions WHERE username = ? ORDER BY "
                             "used_us DESC, hash LIMIT ?)",
                             surplus, 3, -1, err);
    return rc;
}

static enum ls_code add(struct ls_state *state, const unsigned char hash[LS_SECRET_HASH],
                        const char *user, int64_t now_us, int64_t idle_us, int64_t absolute_us,
                        struct ls_error *err)
{
    const struct ls_value params[] = {
        hash_value(hash),     ls_value_text(user),   ls_value_int(now_us),
        ls_value_int(now_us), ls_value_int(idle_us), ls_value_int(now_us + absolute_us),
    };
    enum ls_code rc = note_login(state, user, now_us, err);

    if (rc == LS_OK)
        rc = make_room(state, user, now_us, err);
    if (rc == LS_OK)
        rc = ls_state_change(state,
                             "INSERT INTO {schema}sessions (hash, username, created_us, used_us, "
                             "idle_us, expires_us) VALUES (?, ?, ?, ?, ?, ?)",
                             params, 6, 1, err);
    return rc;
}

enum ls_code ls_state_session_add(struct ls_state *state, const unsigned char hash[LS_SECRET_HASH],
                                  const char *user, int64_t now_us, int64_t idle_us,
                                  int64_t absolute_us, struct ls_error *err)
{
    enum ls_code rc = ls_state_begin(state, err);

    if (rc == LS_OK)
        rc = ls_state_end(state, add(state, hash, user, now_us, idle_us, absolute_us, err), err);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_session_find(struct ls_state *state, const unsigned char hash[LS_SECRET_HASH],
                                   int64_t now_us, struct ls_arena *mem, struct ls_session *ret,
                                   bool *ret_found, struct ls_error *err)
{
    const struct ls_value params[] = {hash_value(hash), ls_value_int(now_us), ls_value_int(now_us)};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc;

    *ret_found = false;
    rc = ls_state_row(state,
                      "SELECT s.username, u.role, s.created_us, s.used_us, s.expires_us, s.idle_us "
                      "FROM {schema}sessions s JOIN {schema}users u ON u.name = s.username "
                      "WHERE s.hash = ? AND u.disabled_us = 0 AND s.expires_us > ? AND s.used_us + "
                      "s.idle_us > ?",
                      params, 3, &stmt, err);
    if (rc == LS_OK && stmt) {
        *ret = (struct ls_session){
            .user = ls_state_text(stmt, 0, mem),
            .role = ls_state_text(stmt, 1, mem),
            .created_us = ls_sql_i64(stmt, 2),
            .used_us = ls_sql_i64(stmt, 3),
            .expires_us = ls_sql_i64(stmt, 4),
            .idle_us = ls_sql_i64(stmt, 5),
        };
        rc = ret->user && ret->role ? LS_OK : ls_error_nomem(err);
        *ret_found = rc == LS_OK;
    }
    ls_sql_finish(stmt);
    return ls_state_result(state, rc, err);
}

static enum ls_code change_one(struct ls_state *state, const char *sql,
                               const struct ls_value *params, size_t count, struct ls_error *err)
{
    enum ls_code rc = ls_state_begin(state, err);

    if (rc == LS_OK)
        rc = ls_state_end(state, ls_state_change(state, sql, params, count, -1, err), err);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_session_used(struct ls_state *state, const unsigned char hash[LS_SECRET_HASH],
                                   int64_t now_us, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(now_us), hash_value(hash), ls_value_int(now_us)};

    return change_one(state,
                      "UPDATE {schema}sessions SET used_us = ? WHERE hash = ? AND used_us < ?",
                      params, 3, err);
}

enum ls_code ls_state_session_end(struct ls_state *state, const unsigned char hash[LS_SECRET_HASH],
                                  struct ls_error *err)
{
    const struct ls_value params[] = {hash_value(hash)};

    return change_one(state, "DELETE FROM {schema}sessions WHERE hash = ?", params, 1, err);
}
