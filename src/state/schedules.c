/* SPDX-License-Identifier: Apache-2.0 */
/* schedules.c - the list of schedules: writing them, finding those that are due, moving them on.
 *
 * A schedule is one row, with what it does and where it stands in time; a checksum covers all of it, because a flipped bit in a time would
 * silently fire nothing any more. So a row is always read, changed and written as a whole.
 *
 * Who moves a schedule on first locks its row (by an update that changes nothing, as chain.c does), then looks whether the version is the one
 * that the decision was made on. Of two processes that decided the same the second one finds another version and does nothing: that, and the
 * primary key of the firings behind it, is all that keeps several nodes from firing twice. No clock and no lease takes part in it.
 *
 * A schedule that is replaced keeps its pause, its history, and when it was made: to change the hour of a schedule that somebody
 * stopped must not set it going. */
#include "state/schedules.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "state/state_priv.h"

/* ---- words ---- */

#define X(name, word) [LS_ACTION_##name] = (word),
const char *const ls_action_words[LS_ACTION_COUNT] = {LS_SCHEDULE_ACTIONS(X)};
#undef X
#define X(name, word) [LS_OVERLAP_##name] = (word),
const char *const ls_overlap_words[LS_OVERLAP_COUNT] = {LS_OVERLAPS(X)};
#undef X
#define X(name, word) [LS_CATCH_UP_##name] = (word),
const char *const ls_catch_up_words[LS_CATCH_UP_COUNT] = {LS_CATCH_UPS(X)};
#undef X

bool ls_state_word(const char *text, const char *const *words, size_t count, size_t *ret)
{
    for (size_t i = 0; text && i < count; i++)
        if (strcmp(words[i], text) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

/* ---- a row ---- */

#define COLUMNS                                                                              \
    "id, cron, zone, action, target, method, headers, body, overlap, catch_up, catch_up_s, " \
    "jitter_s, hours, timeout_ms, retries, paused, origin, project, extra, created_us, "     \
    "changed_us, last_us, next_us, due_us, pruned_us, version, checksum"
#define COLUMN_COUNT 27

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static enum ls_code row_sum(const struct ls_schedule *s, struct ls_sum *ret, struct ls_error *err)
{
    const char *const texts[] = {s->id,      s->cron,  s->zone,   s->target,  s->method,
                                 s->headers, s->hours, s->origin, s->project, s->extra};
    const int64_t numbers[] = {s->action,     s->overlap, s->catch_up, s->catch_up_s, s->jitter_s,
                               s->timeout_ms, s->retries, s->paused,   s->created_us, s->changed_us,
                               s->last_us,    s->next_us, s->due_us,   s->pruned_us,  s->version};
    struct ls_buf out;

    ls_buf_init(&out, 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ls_state_encode_text(&out, texts[i]);
    ls_buf_bytes(&out, s->body, s->body_size);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ls_buf_u64(&out, (uint64_t)numbers[i]);
    return ls_state_sum(&out, ret, err);
}

static bool get_texts(struct ls_sql_stmt *stmt, struct ls_arena *mem, struct ls_schedule *s)
{
    const struct {
        int col;
        const char **ret;
    } texts[] = {
        {0, &s->id},      {1, &s->cron},   {2, &s->zone},    {4, &s->target},   {5, &s->method},
        {6, &s->headers}, {12, &s->hours}, {16, &s->origin}, {17, &s->project}, {18, &s->extra},
    };
    const void *body = ls_sql_bytes(stmt, 7, &s->body_size);

    s->body = ls_arena_text_n(mem, body ? body : "", s->body_size);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i].ret = ls_state_text(stmt, texts[i].col, mem);
        if (!*texts[i].ret)
            return false;
    }
    return s->body != NULL;
}

static bool get_words(struct ls_sql_stmt *stmt, struct ls_schedule *s)
{
    size_t action = 0, overlap = 0, catch_up = 0;

    if (!ls_state_word(ls_sql_text(stmt, 3, NULL), ls_action_words, LS_ACTION_COUNT, &action) ||
        !ls_state_word(ls_sql_text(stmt, 8, NULL), ls_overlap_words, LS_OVERLAP_COUNT, &overlap) ||
        !ls_state_word(ls_sql_text(stmt, 9, NULL), ls_catch_up_words, LS_CATCH_UP_COUNT, &catch_up))
        return false;
    s->action = (enum ls_schedule_action)action;
    s->overlap = (enum ls_overlap)overlap;
    s->catch_up = (enum ls_catch_up)catch_up;
    return true;
}

static void get_numbers(struct ls_sql_stmt *stmt, struct ls_schedule *s)
{
    const struct {
        int col;
        int64_t *ret;
    } numbers[] = {
        {10, &s->catch_up_s}, {11, &s->jitter_s},   {13, &s->timeout_ms}, {14, &s->retries},
        {19, &s->created_us}, {20, &s->changed_us}, {21, &s->last_us},    {22, &s->next_us},
        {23, &s->due_us},     {24, &s->pruned_us},  {25, &s->version},
    };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i].ret = ls_sql_i64(stmt, numbers[i].col);
    s->paused = ls_sql_i64(stmt, 15) != 0;
}

/* The row that stmt stands on. Its checksum is verified. */
static enum ls_code get_row(struct ls_sql_stmt *stmt, struct ls_arena *mem, struct ls_schedule *s,
                            struct ls_error *err)
{
    struct ls_sum sum;
    enum ls_code rc = LS_OK;
    bool good;

    memset(s, 0, sizeof *s);
    if (!get_texts(stmt, mem, s))
        return ls_error_nomem(err);
    get_numbers(stmt, s);
    good = get_words(stmt, s);
    if (good)
        rc = row_sum(s, &sum, err);
    if (rc == LS_OK && (!good || !ls_state_sum_fits(stmt, COLUMN_COUNT - 1, &sum)))
        return ls_state_damaged(err, "schedule %.60s is not what was written", s->id);
    return rc;
}

static enum ls_code find(struct ls_state *state, const char *id, struct ls_arena *mem,
                         struct ls_schedule *ret, bool *ret_found, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(id)};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_state_row(state, "SELECT " COLUMNS " FROM {schema}schedules WHERE id = ?",
                                   params, 1, &stmt, err);

    *ret_found = rc == LS_OK && stmt;
    if (*ret_found)
        rc = get_row(stmt, mem, ret, err);
    ls_sql_finish(stmt);
    return rc;
}

static enum ls_code put_row(struct ls_state *state, const struct ls_schedule *s, bool insert,
                            struct ls_error *err)
{
    struct ls_sum sum;
    enum ls_code rc = row_sum(s, &sum, err);

    if (rc == LS_OK) {
        const struct ls_value params[COLUMN_COUNT + 1] = {
            ls_value_text(s->id),
            ls_value_text(s->cron),
            ls_value_text(s->zone),
            ls_value_text(ls_action_words[s->action]),
            ls_value_text(s->target),
            ls_value_text(s->method),
            ls_value_text(s->headers),
            ls_value_data(LS_T_BYTES, s->body, s->body_size),
            ls_value_text(ls_overlap_words[s->overlap]),
            ls_value_text(ls_catch_up_words[s->catch_up]),
            ls_value_int(s->catch_up_s),
            ls_value_int(s->jitter_s),
            ls_value_text(s->hours),
            ls_value_int(s->timeout_ms),
            ls_value_int(s->retries),
            ls_value_int(s->paused),
            ls_value_text(s->origin),
            ls_value_text(s->project),
            ls_value_text(s->extra),
            ls_value_int(s->created_us),
            ls_value_int(s->changed_us),
            ls_value_int(s->last_us),
            ls_value_int(s->next_us),
            ls_value_int(s->due_us),
            ls_value_int(s->pruned_us),
            ls_value_int(s->version),
            ls_state_sum_value(&sum),
            ls_value_text(s->id),
        };

        if (insert)
            rc = ls_state_change(state,
                                 "INSERT INTO {schema}schedules (" COLUMNS ") VALUES (?, ?, ?, ?, "
                                 "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                                 "?, ?)",
                                 params, COLUMN_COUNT, 1, err);
        else
            rc = ls_state_change(
                state,
                "UPDATE {schema}schedules SET id = ?, cron = ?, zone = ?, action = ?, target = ?, "
                "method = ?, headers = ?, body = ?, overlap = ?, catch_up = ?, catch_up_s = ?, "
                "jitter_s = ?, hours = ?, timeout_ms = ?, retries = ?, paused = ?, origin = ?, "
                "project = ?, extra = ?, created_us = ?, changed_us = ?, last_us = ?, "
                "next_us = ?, due_us = ?, pruned_us = ?, version = ?, checksum = ? WHERE id = ?",
                params, COLUMN_COUNT + 1, 1, err);
    }
    return rc;
}

/* Inside a write transaction: the row, which nobody else changes until its end. */
static enum ls_code lock_row(struct ls_state *state, const char *id, struct ls_arena *mem,
                             struct ls_schedule *ret, bool *ret_found, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(id)};
    enum ls_code rc = ls_state_change(
        state, "UPDATE {schema}schedules SET version = version WHERE id = ?", params, 1, -1, err);

    return rc == LS_OK ? find(state, id, mem, ret, ret_found, err) : rc;
}

/* ---- writing ---- */

static bool is_text(const char *text)
{
    return ls_utf8_check(text, strlen(text)) == strlen(text);
}

bool ls_schedule_id_fits(const char *id)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "._-";

    return *id && strlen(id) <= LS_SCHEDULE_ID_MAX && id[strspn(id, allowed)] == '\0';
}

static enum ls_code check_texts(const struct ls_schedule *s, struct ls_error *err)
{
    const char *const texts[] = {s->cron,  s->zone,   s->target,  s->method, s->headers,
                                 s->hours, s->origin, s->project, s->extra};

    if (!ls_schedule_id_fits(s->id))
        return ls_error_set(err, LS_USAGE,
                            "\"%.60s\" cannot name a schedule. A name has 1 to %d of the "
                            "characters A-Z a-z 0-9 . _ -",
                            is_text(s->id) ? s->id : "?", LS_SCHEDULE_ID_MAX);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!is_text(texts[i]))
            return ls_error_set(err, LS_DATA, "schedule %s: a text is not UTF-8", s->id);
    return LS_OK;
}

/* version 0: any. */
static enum ls_code put_locked(struct ls_state *state, struct ls_schedule *s, bool replace,
                               int64_t version, bool *ret_done, struct ls_arena *mem,
                               struct ls_error *err)
{
    struct ls_schedule old;
    bool found = false;
    enum ls_code rc = lock_row(state, s->id, mem, &old, &found, err);

    *ret_done = rc == LS_OK && (version == 0 || (found && old.version == version));
    if (!*ret_done)
        return rc;
    if (found && !replace)
        return ls_error_set(err, LS_CONFLICT,
                            "there is a schedule %s already (made by %s). Replace it, or give the "
                            "new one another name",
                            s->id,
                            strcmp(old.origin, "config") == 0 ? "the configuration" : old.origin);
    if (found) {
        s->paused = old.paused;
        s->created_us = old.created_us;
        s->pruned_us = old.pruned_us;
        s->version = old.version + 1;
    }
    return put_row(state, s, !found, err);
}

static enum ls_code put(struct ls_state *state, const struct ls_schedule *s, bool replace,
                        int64_t version, bool *ret_done, struct ls_error *err)
{
    struct ls_schedule row = *s;
    const char **texts[] = {&row.id,      &row.cron,  &row.zone,   &row.target,  &row.method,
                            &row.headers, &row.hours, &row.origin, &row.project, &row.extra};
    struct ls_arena mem;
    enum ls_code rc;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = or_empty(*texts[i]);
    row.body = or_empty(row.body);
    row.created_us = row.changed_us = ls_clock_now_us();
    row.pruned_us = 0;
    row.version = 1;
    rc = check_texts(&row, err);
    if (rc != LS_OK)
        return rc;
    ls_arena_init(&mem, 0);
    rc = ls_state_begin(state, err);
    if (rc == LS_OK)
        rc = ls_state_end(state, put_locked(state, &row, replace, version, ret_done, &mem, err),
                          err);
    ls_arena_done(&mem);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_schedule_put(struct ls_state *state, const struct ls_schedule *s,
                                   bool replace, struct ls_error *err)
{
    bool done = false;

    return put(state, s, replace, 0, &done, err);
}

enum ls_code ls_state_schedule_swap(struct ls_state *state, const struct ls_schedule *s,
                                    int64_t version, bool *ret_done, struct ls_error *err)
{
    return put(state, s, true, version, ret_done, err);
}

static enum ls_code drop_locked(struct ls_state *state, const char *id, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(id)};
    enum ls_code rc = ls_state_change(
        state, "DELETE FROM {schema}schedule_firings WHERE schedule = ?", params, 1, -1, err);

    return rc == LS_OK ? ls_state_change(state, "DELETE FROM {schema}schedules WHERE id = ?",
                                         params, 1, 1, err)
                       : rc;
}

enum ls_code ls_state_schedule_drop(struct ls_state *state, const char *id, struct ls_error *err)
{
    struct ls_schedule s;
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_state_begin(state, err);
    if (rc == LS_OK) {
        rc = ls_state_schedule_lock(state, id, &mem, &s, err);
        if (rc == LS_OK)
            rc = drop_locked(state, id, err);
        rc = ls_state_end(state, rc, err);
    }
    ls_arena_done(&mem);
    return ls_state_result(state, rc, err);
}

/* ---- moving on ---- */

static enum ls_code step_locked(struct ls_state *state, const struct ls_schedule_step *step,
                                struct ls_arena *mem, bool *ret_done, struct ls_error *err)
{
    struct ls_schedule s;
    bool found = false, known = false;
    enum ls_code rc = lock_row(state, step->id, mem, &s, &found, err);

    *ret_done = false;
    if (rc != LS_OK || !found || s.version != step->version)
        return rc;
    for (size_t i = 0; i < step->firing_count && rc == LS_OK && !known; i++)
        rc = ls_state_firing_known(state, &step->firings[i], &known, err);
    if (rc != LS_OK || known)
        return rc;
    s.paused = step->paused;
    s.last_us = step->last_us;
    s.next_us = step->next_us;
    s.due_us = step->due_us;
    s.version++;
    rc = put_row(state, &s, false, err);
    for (size_t i = 0; i < step->firing_count && rc == LS_OK; i++)
        rc = ls_state_firing_add(state, &step->firings[i], err);
    *ret_done = rc == LS_OK;
    return rc;
}

enum ls_code ls_state_schedule_step(struct ls_state *state, const struct ls_schedule_step *step,
                                    bool *ret_done, struct ls_error *err)
{
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_state_begin(state, err);
    if (rc == LS_OK)
        rc = ls_state_end(state, step_locked(state, step, &mem, ret_done, err), err);
    ls_arena_done(&mem);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_schedule_lock(struct ls_state *state, const char *id, struct ls_arena *mem,
                                    struct ls_schedule *ret, struct ls_error *err)
{
    bool found = false;
    enum ls_code rc = lock_row(state, id, mem, ret, &found, err);

    return rc == LS_OK && !found ? ls_state_no_schedule(state, id, err) : rc;
}

enum ls_code ls_state_schedule_pruned(struct ls_state *state, const char *id, int64_t before_us,
                                      struct ls_error *err)
{
    struct ls_schedule s;
    struct ls_arena mem;
    bool found = false;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = lock_row(state, id, &mem, &s, &found, err);
    if (rc == LS_OK && found && s.pruned_us < before_us) {
        s.pruned_us = before_us;
        rc = put_row(state, &s, false, err);
    }
    ls_arena_done(&mem);
    return rc;
}

/* ---- finding ---- */

/* All rows of a query. */
static enum ls_code get_rows(struct ls_sql_stmt *stmt, struct ls_arena *mem, size_t *ret_count,
                             struct ls_schedule **ret, struct ls_error *err)
{
    struct ls_schedule *list = NULL;
    size_t count = 0, room = 0;
    bool more = true;
    enum ls_code rc = LS_OK;

    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        if (count == room) {
            struct ls_schedule *grown = ls_arena_array(mem, room ? room * 2 : 16, sizeof *grown);

            if (!grown)
                return ls_error_nomem(err);
            if (count)
                memcpy(grown, list, count * sizeof *list);
            list = grown;
            room = room ? room * 2 : 16;
        }
        rc = get_row(stmt, mem, &list[count++], err);
    }
    if (rc == LS_OK) {
        *ret = list;
        *ret_count = count;
    }
    return rc;
}

enum ls_code ls_state_no_schedule(struct ls_state *state, const char *id, struct ls_error *err)
{
    struct ls_schedule *list = NULL;
    struct ls_arena mem;
    const char **ids, *near;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_state_schedules(state, &mem, &count, &list, err);
    ids = ls_arena_array(&mem, count, sizeof *ids);
    for (size_t i = 0; ids && i < count; i++)
        ids[i] = list[i].id;
    near = ids && is_text(id) ? ls_text_nearest(id, ids, count) : NULL;
    if (rc == LS_OK)
        rc = ls_error_set(err, LS_NOT_FOUND, "there is no schedule \"%.60s\"%s%s%s%s",
                          is_text(id) ? id : "?", near ? ". Did you mean \"" : "", near ? near : "",
                          near ? "\"?" : "", count ? "" : ": there are none yet");
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_state_schedule_find(struct ls_state *state, const char *id, struct ls_arena *mem,
                                    struct ls_schedule *ret, struct ls_error *err)
{
    bool found = false;
    enum ls_code rc = LS_OK;

    if (ls_schedule_id_fits(id)) /* nothing else can be there, and it may be no text */
        rc = find(state, id, mem, ret, &found, err);
    if (rc == LS_OK && !found)
        rc = ls_state_no_schedule(state, id, err);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_schedules(struct ls_state *state, struct ls_arena *mem, size_t *ret_count,
                                struct ls_schedule **ret, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_state_query(state, "SELECT " COLUMNS " FROM {schema}schedules ORDER BY id",
                                     NULL, 0, &stmt, err);

    if (rc == LS_OK)
        rc = get_rows(stmt, mem, ret_count, ret, err);
    ls_sql_finish(stmt);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_schedules_due(struct ls_state *state, const char *project, int64_t now_us,
                                    size_t max, struct ls_arena *mem, size_t *ret_count,
                                    struct ls_schedule **ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(now_us), ls_value_text(or_empty(project)),
                                      ls_value_int((int64_t)max)};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_state_query(state,
                                     "SELECT " COLUMNS " FROM {schema}schedules WHERE paused = 0 "
                                     "AND due_us <= ? AND project IN ('', ?) "
                                     "ORDER BY due_us LIMIT ?",
                                     params, 3, &stmt, err);

    if (rc == LS_OK)
        rc = get_rows(stmt, mem, ret_count, ret, err);
    ls_sql_finish(stmt);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_schedules_next(struct ls_state *state, const char *project, int64_t now_us,
                                     int64_t *ret_us, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(now_us), ls_value_text(or_empty(project))};

    return ls_state_result(
        state,
        ls_state_number(state,
                        "SELECT min(due_us) FROM {schema}schedules WHERE paused = 0 AND "
                        "due_us > ? AND project IN ('', ?)",
                        params, 2, INT64_MAX, ret_us, err),
        err);
}
