/* SPDX-License-Identifier: Apache-2.0 */
/* throttles.c - who failed to log in too often has to wait.
 *
 * A try is counted as failed before it is made and taken back when it went well. Counting afterwards would let a
 * hundred tries that run at once all see a clean record.
 *
 * Waiting, not locking: a lock would let anybody keep somebody else out. How long it is grows with each failure and ends at a bound, and
 * which subjects are counted is the caller's choice (server/login.c): the account together with the address above all, so that a
 * stranger's failures are the stranger's.
 *
 * A row with failures -1 is a subject that is known: an address from which this account has logged in. */
#include <string.h>

#include "state/callers.h"
#include "state/state_priv.h"

#define KNOWN (-1)

int64_t ls_throttle_wait(const struct ls_throttle_rule *rule, int64_t failures, int64_t last_us,
                         int64_t now_us)
{
    int64_t wait = rule->first_us, over = failures - rule->free_tries;

    if (over < 0 || wait <= 0)
        return 0;
    while (over-- > 0 && wait < rule->most_us)
        wait *= 2;
    if (wait > rule->most_us)
        wait = rule->most_us;
    if (now_us < last_us) /* the clock was set back: a little is waited out, the rest forgotten */
        return last_us - now_us < rule->most_us ? wait : 0;
    return now_us - last_us < wait ? wait - (now_us - last_us) : 0;
}

static struct ls_value subject_value(const unsigned char subject[LS_SECRET_HASH])
{
    return ls_value_data(LS_T_BYTES, subject, LS_SECRET_HASH);
}

/* 0 failures: none are known, or they are forgotten. */
static enum ls_code failures_of(struct ls_state *state, const struct ls_throttle_rule *rule,
                                int64_t now_us, int64_t *ret_failures, int64_t *ret_last_us,
                                struct ls_error *err)
{
    const struct ls_value params[] = {subject_value(rule->subject), ls_value_int(now_us)};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_state_row(state,
                                   "SELECT failures, last_us FROM {schema}throttles WHERE "
                                   "subject = ? AND failures > 0 AND expires_us > ?",
                                   params, 2, &stmt, err);

    *ret_failures = *ret_last_us = 0;
    if (rc == LS_OK && stmt) {
        *ret_failures = ls_sql_i64(stmt, 0);
        *ret_last_us = ls_sql_i64(stmt, 1);
    }
    ls_sql_finish(stmt);
    return rc;
}

static enum ls_code write_row(struct ls_state *state, const unsigned char subject[LS_SECRET_HASH],
                              int64_t failures, int64_t now_us, int64_t expires_us,
                              struct ls_error *err)
{
    const struct ls_value params[] = {subject_value(subject), ls_value_int(failures),
                                      ls_value_int(now_us), ls_value_int(expires_us)};

    return ls_state_change(state,
                           "INSERT INTO {schema}throttles (subject, failures, last_us, expires_us) "
                           "VALUES (?, ?, ?, ?) ON CONFLICT (subject) DO UPDATE SET failures = "
                           "excluded.failures, last_us = excluded.last_us, expires_us = "
                           "excluded.expires_us",
                           params, 4, 1, err);
}

/* Room for `more` rows. Who makes many subjects has few failures with each. */
static enum ls_code make_room(struct ls_state *state, int64_t more, int64_t now_us,
                              struct ls_error *err)
{
    const struct ls_value now[] = {ls_value_int(now_us)};
    int64_t count = 0;
    enum ls_code rc = ls_state_change(state, "DELETE FROM {schema}throttles WHERE expires_us <= ?",
                                      now, 1, -1, err);

    if (rc == LS_OK)
        rc = ls_state_number(state, "SELECT count(*) FROM {schema}throttles", NULL, 0, 0, &count,
                             err);
    if (rc == LS_OK && count + more > LS_THROTTLES) {
        const struct ls_value surplus[] = {ls_value_int(count + more - LS_THROTTLES)};

        rc = ls_state_change(state,
                             "DELETE FROM {schema}throttles WHERE subject IN (SELECT subject FROM "
                             "{schema}throttles WHERE failures >= 0 ORDER BY failures, last_us, "
                             "subject LIMIT ?)",
                             surplus, 1, -1, err);
    }
    return rc;
}

/* On PostgreSQL two that take at once must see each other's failures. */
static enum ls_code alone(struct ls_state *state, struct ls_error *err)
{
    if (ls_sql_dialect(state->db) != LS_POSTGRES)
        return LS_OK;
    return ls_sql_exec(state->db, "LOCK TABLE lockstep.throttles IN EXCLUSIVE MODE", err);
}

static enum ls_code take(struct ls_state *state, const struct ls_throttle_rule *rules, size_t count,
                         int64_t now_us, int64_t *ret_wait_us, struct ls_error *err)
{
    int64_t failures = 0, last_us = 0, wait = 0;
    enum ls_code rc = alone(state, err);

    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        rc = failures_of(state, &rules[i], now_us, &failures, &last_us, err);
        wait = ls_throttle_wait(&rules[i], failures, last_us, now_us);
        if (wait > *ret_wait_us)
            *ret_wait_us = wait;
    }
    if (rc != LS_OK || *ret_wait_us > 0)
        return rc;
    rc = make_room(state, (int64_t)count, now_us, err);
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        rc = failures_of(state, &rules[i], now_us, &failures, &last_us, err);
        if (rc == LS_OK)
            rc = write_row(state, rules[i].subject, failures + 1, now_us, now_us + rules[i].keep_us,
                           err);
    }
    return rc;
}

enum ls_code ls_state_throttle_take(struct ls_state *state, const struct ls_throttle_rule *rules,
                                    size_t count, int64_t now_us, int64_t *ret_wait_us,
                                    struct ls_error *err)
{
    enum ls_code rc = ls_state_begin(state, err);

    *ret_wait_us = 0;
    if (rc == LS_OK)
        rc = ls_state_end(state, take(state, rules, count, now_us, ret_wait_us, err), err);
    return ls_state_result(state, rc, err);
}

static enum ls_code forgive(struct ls_state *state, const struct ls_throttle_rule *rules,
                            size_t count, struct ls_error *err)
{
    enum ls_code rc = alone(state, err);

    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        const struct ls_value params[] = {subject_value(rules[i].subject)};

        if (i == 0)
            rc = ls_state_change(state,
                                 "DELETE FROM {schema}throttles WHERE subject = ? AND failures > 0",
                                 params, 1, -1, err);
        else
            rc = ls_state_change(state,
                                 "UPDATE {schema}throttles SET failures = failures - 1 WHERE "
                                 "subject = ? AND failures > 0",
                                 params, 1, -1, err);
    }
    return rc;
}

enum ls_code ls_state_throttle_forgive(struct ls_state *state, const struct ls_throttle_rule *rules,
                                       size_t count, struct ls_error *err)
{
    enum ls_code rc = ls_state_begin(state, err);

    if (rc == LS_OK)
        rc = ls_state_end(state, forgive(state, rules, count, err), err);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_throttle_know(struct ls_state *state,
                                    const unsigned char subject[LS_SECRET_HASH], int64_t now_us,
                                    int64_t expires_us, struct ls_error *err)
{
    enum ls_code rc = ls_state_begin(state, err);

    if (rc == LS_OK)
        rc = ls_state_end(state, write_row(state, subject, KNOWN, now_us, expires_us, err), err);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_throttle_known(struct ls_state *state,
                                     const unsigned char subject[LS_SECRET_HASH], int64_t now_us,
                                     bool *ret, struct ls_error *err)
{
    const struct ls_value params[] = {subject_value(subject), ls_value_int(KNOWN),
                                      ls_value_int(now_us)};
    int64_t count = 0;
    enum ls_code rc = ls_state_number(state,
                                      "SELECT count(*) FROM {schema}throttles WHERE subject = ? "
                                      "AND failures = ? AND expires_us > ?",
                                      params, 3, 0, &count, err);

    *ret = rc == LS_OK && count == 1;
    return ls_state_result(state, rc, err);
}
