/* SPDX-License-Identifier: Apache-2.0 */
/* firings.c - what became of each time: fired, skipped, missed, asked for.
 *
 * A firing of a nominal time is a row with that time in its key, so there can be no second one. It is made in the transaction that moves the
 * schedule on (schedules.c), already running, under the name of the node that will run it: what is committed has one owner from its first
 * moment. Its end is taken only from that node and for that attempt, so that one who was given up for dead and comes back changes
 * nothing.
 *
 * Times that were not fired are one row together, with the first, the last and their number: a schedule of every minute that was paused
 * for a week leaves one row, not ten thousand.
 *
 * Removing old rows forgets which times were fired. Should the clock go back before that, they must not be fired again: so the
 * schedule notes how far its history was cut (pruned_us). */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "state/schedules.h"
#include "state/state_priv.h"

#define DEFAULT_KEEP_DAYS 90
#define DEFAULT_KEEP_ROWS 1000
#define DAY_US ((int64_t)86400 * 1000000)
#define REASON_MAX 900 /* bytes */

/* ---- words and moves ---- */

#define X(name, word) [LS_FIRING_##name] = (word),
static const char *const kind_words[LS_FIRING_KIND_COUNT] = {LS_FIRING_KINDS(X)};
#undef X
#define X(name, word, open) [LS_FIRING_##name] = (word),
static const char *const state_words[LS_FIRING_STATE_COUNT] = {LS_FIRING_STATES(X)};
#undef X
#define X(name, word, open) [LS_FIRING_##name] = (open) != 0,
static const bool state_open[LS_FIRING_STATE_COUNT] = {LS_FIRING_STATES(X)};
#undef X

const char *ls_firing_kind_word(enum ls_firing_kind kind)
{
    return (unsigned)kind < LS_FIRING_KIND_COUNT ? kind_words[kind] : "unknown";
}

const char *ls_firing_state_word(enum ls_firing_state state)
{
    return (unsigned)state < LS_FIRING_STATE_COUNT ? state_words[state] : "unknown";
}

bool ls_firing_state_open(enum ls_firing_state state)
{
    return (unsigned)state < LS_FIRING_STATE_COUNT && state_open[state];
}

#define TO(name) (1u << LS_FIRING_##name)
/* From each state, where to. */
static const unsigned moves[LS_FIRING_STATE_COUNT] = {
    [LS_FIRING_WAITING] = TO(RUNNING) | TO(FAILED) | TO(SKIPPED),
    [LS_FIRING_RUNNING] = TO(WAITING) | TO(SUCCEEDED) | TO(FAILED) | TO(LOST) | TO(SKIPPED),
};

bool ls_firing_may_become(enum ls_firing_state from, enum ls_firing_state to)
{
    return (unsigned)from < LS_FIRING_STATE_COUNT && (unsigned)to < LS_FIRING_STATE_COUNT &&
           (moves[from] >> to & 1u);
}

/* ---- a row ---- */

#define COLUMNS                                                                               \
    "schedule, kind, nominal_us, id, state, open, until_us, times, late, attempt, failures, " \
    "run, made_us, started_us, ended_us, again_us, node, reason, checksum"
#define COLUMN_COUNT 19

static enum ls_code row_sum(const struct ls_firing *f, struct ls_sum *ret, struct ls_error *err)
{
    const char *const texts[] = {f->schedule, f->id, f->node, f->reason};
    const int64_t numbers[] = {f->kind,       f->state,    f->nominal_us, f->until_us, f->times,
                               f->late,       f->attempt,  f->failures,   f->run,      f->made_us,
                               f->started_us, f->ended_us, f->again_us};
    struct ls_buf out;

    ls_buf_init(&out, 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ls_state_encode_text(&out, texts[i]);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ls_buf_u64(&out, (uint64_t)numbers[i]);
    return ls_state_sum(&out, ret, err);
}

/* The row that stmt stands on. Its checksum is verified. */
static enum ls_code get_row(struct ls_sql_stmt *stmt, struct ls_arena *mem, struct ls_firing *f,
                            struct ls_error *err)
{
    size_t kind = 0, state = 0, size = 0;
    const char *id = ls_sql_text(stmt, 3, &size);
    struct ls_sum sum;
    enum ls_code rc = LS_OK;
    bool good = size < sizeof f->id;

    memset(f, 0, sizeof *f);
    if (id && good)
        memcpy(f->id, id, size);
    f->schedule = ls_state_text(stmt, 0, mem);
    f->node = ls_state_text(stmt, 16, mem);
    f->reason = ls_state_text(stmt, 17, mem);
    if (!f->schedule || !f->node || !f->reason)
        return ls_error_nomem(err);
    good = good &&
           ls_state_word(ls_sql_text(stmt, 1, NULL), kind_words, LS_FIRING_KIND_COUNT, &kind) &&
           ls_state_word(ls_sql_text(stmt, 4, NULL), state_words, LS_FIRING_STATE_COUNT, &state);
    f->kind = (enum ls_firing_kind)kind;
    f->state = (enum ls_firing_state)state;
    f->nominal_us = ls_sql_i64(stmt, 2);
    f->until_us = ls_sql_i64(stmt, 6);
    f->times = ls_sql_i64(stmt, 7);
    f->late = ls_sql_i64(stmt, 8) != 0;
    f->attempt = ls_sql_i64(stmt, 9);
    f->failures = ls_sql_i64(stmt, 10);
    f->run = ls_sql_i64(stmt, 11);
    f->made_us = ls_sql_i64(stmt, 12);
    f->started_us = ls_sql_i64(stmt, 13);
    f->ended_us = ls_sql_i64(stmt, 14);
    f->again_us = ls_sql_i64(stmt, 15);
    if (good)
        rc = row_sum(f, &sum, err);
    if (rc == LS_OK && (!good || !ls_state_sum_fits(stmt, COLUMN_COUNT - 1, &sum)))
        return ls_state_damaged(err, "a firing of schedule %.60s is not what was written",
                                f->schedule);
    return rc;
}

/* All rows of a query. */
static enum ls_code get_rows(struct ls_sql_stmt *stmt, struct ls_arena *mem, size_t *ret_count,
                             struct ls_firing **ret, struct ls_error *err)
{
    struct ls_firing *list = NULL;
    size_t count = 0, room = 0;
    bool more = true;
    enum ls_code rc = LS_OK;

    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        if (count == room) {
            struct ls_firing *grown = ls_arena_array(mem, room ? room * 2 : 16, sizeof *grown);

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

/* What may stand in the table: it may be an error's text. */
static const char *printable(const char *text, struct ls_buf *room)
{
    const size_t length = text ? strlen(text) : 0;

    if (length <= REASON_MAX && (!length || ls_utf8_check(text, length) == length))
        return text ? text : "";
    ls_text_printable(room, text, ls_utf8_cut(text, length < REASON_MAX ? length : REASON_MAX));
    return ls_buf_str(room) ? ls_buf_str(room) : "";
}

enum ls_code ls_state_firing_known(struct ls_state *state, const struct ls_firing *f, bool *ret,
                                   struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(f->schedule),
                                      ls_value_text(kind_words[f->kind]),
                                      ls_value_int(f->nominal_us)};
    int64_t count = 0;
    enum ls_code rc = ls_state_number(state,
                                      "SELECT count(*) FROM {schema}schedule_firings WHERE "
                                      "schedule = ? AND kind = ? AND nominal_us = ?",
                                      params, 3, 0, &count, err);

    *ret = count > 0;
    return rc;
}

enum ls_code ls_state_firing_add(struct ls_state *state, struct ls_firing *f, struct ls_error *err)
{
    struct ls_sum sum;
    enum ls_code rc;

    ls_uuid_new(f->id);
    f->node = f->node ? f->node : "";
    f->reason = f->reason ? f->reason : "";
    if (f->kind != LS_FIRING_PASSED) {
        f->until_us = f->nominal_us;
        f->times = 1;
    }
    rc = row_sum(f, &sum, err);
    if (rc == LS_OK) {
        const struct ls_value params[COLUMN_COUNT] = {
            ls_value_text(f->schedule),
            ls_value_text(kind_words[f->kind]),
            ls_value_int(f->nominal_us),
            ls_value_text(f->id),
            ls_value_text(state_words[f->state]),
            ls_value_int(state_open[f->state]),
            ls_value_int(f->until_us),
            ls_value_int(f->times),
            ls_value_int(f->late),
            ls_value_int(f->attempt),
            ls_value_int(f->failures),
            ls_value_int(f->run),
            ls_value_int(f->made_us),
            ls_value_int(f->started_us),
            ls_value_int(f->ended_us),
            ls_value_int(f->again_us),
            ls_value_text(f->node),
            ls_value_text(f->reason),
            ls_state_sum_value(&sum),
        };

        rc = ls_state_change(state,
                             "INSERT INTO {schema}schedule_firings (" COLUMNS ") VALUES (?, ?, ?, "
                             "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                             params, COLUMN_COUNT, 1, err);
    }
    return rc;
}

/* What of a row can change. */
static enum ls_code update_row(struct ls_state *state, const struct ls_firing *f,
                               struct ls_error *err)
{
    struct ls_sum sum;
    enum ls_code rc = row_sum(f, &sum, err);

    if (rc == LS_OK) {
        const struct ls_value params[] = {
            ls_value_text(state_words[f->state]),
            ls_value_int(state_open[f->state]),
            ls_value_int(f->attempt),
            ls_value_int(f->failures),
            ls_value_int(f->run),
            ls_value_int(f->started_us),
            ls_value_int(f->ended_us),
            ls_value_int(f->again_us),
            ls_value_text(f->node),
            ls_value_text(f->reason),
            ls_state_sum_value(&sum),
            ls_value_text(f->id),
        };

        rc = ls_state_change(
            state,
            "UPDATE {schema}schedule_firings SET state = ?, open = ?, "
            "attempt = ?, failures = ?, run = ?, started_us = ?, ended_us = ?, again_us = ?, "
            "node = ?, reason = ?, checksum = ? WHERE id = ?",
            params, sizeof params / sizeof *params, 1, err);
    }
    return rc;
}

static enum ls_code find(struct ls_state *state, const char *id, struct ls_arena *mem,
                         struct ls_firing *ret, bool *ret_found, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(id)};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc =
        ls_state_row(state, "SELECT " COLUMNS " FROM {schema}schedule_firings WHERE id = ?", params,
                     1, &stmt, err);

    *ret_found = rc == LS_OK && stmt;
    if (*ret_found)
        rc = get_row(stmt, mem, ret, err);
    ls_sql_finish(stmt);
    return rc;
}

/* Inside a write transaction: the row, which nobody else changes until its end. */
static enum ls_code lock_row(struct ls_state *state, const char *id, struct ls_arena *mem,
                             struct ls_firing *ret, bool *ret_found, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(id)};
    enum ls_code rc =
        ls_state_change(state, "UPDATE {schema}schedule_firings SET attempt = attempt WHERE id = ?",
                        params, 1, -1, err);

    return rc == LS_OK ? find(state, id, mem, ret, ret_found, err) : rc;
}

/* ---- its life ---- */

/* Two that ask in one microsecond are two: the second one's time is the next that is free. */
static enum ls_code ask_locked(struct ls_state *state, struct ls_firing *f, struct ls_arena *mem,
                               struct ls_error *err)
{
    struct ls_schedule s;
    bool taken = true;
    enum ls_code rc = ls_state_schedule_lock(state, f->schedule, mem, &s, err);

    while (rc == LS_OK && (rc = ls_state_firing_known(state, f, &taken, err)) == LS_OK && taken)
        f->nominal_us++;
    return rc == LS_OK ? ls_state_firing_add(state, f, err) : rc;
}

enum ls_code ls_state_firing_ask(struct ls_state *state, const char *schedule, int64_t now_us,
                                 char ret_id[37], struct ls_error *err)
{
    struct ls_firing f = {.schedule = schedule,
                          .kind = LS_FIRING_MANUAL,
                          .state = LS_FIRING_WAITING,
                          .nominal_us = now_us,
                          .made_us = now_us,
                          .again_us = now_us};
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_state_begin(state, err);
    if (rc == LS_OK)
        rc = ls_state_end(state, ask_locked(state, &f, &mem, err), err);
    ls_arena_done(&mem);
    if (rc == LS_OK)
        memcpy(ret_id, f.id, sizeof f.id);
    return ls_state_result(state, rc, err);
}

static enum ls_code begin_locked(struct ls_state *state, const char *node, int64_t now_us,
                                 struct ls_arena *mem, struct ls_firing *f, bool *ret_done,
                                 struct ls_error *err)
{
    struct ls_firing row;
    bool found = false;
    enum ls_code rc = lock_row(state, f->id, mem, &row, &found, err);

    *ret_done = rc == LS_OK && found && row.state == LS_FIRING_WAITING;
    if (!*ret_done)
        return rc;
    f->state = row.state = LS_FIRING_RUNNING;
    f->attempt = ++row.attempt;
    f->started_us = row.started_us = now_us;
    f->node = row.node = node;
    return update_row(state, &row, err);
}

enum ls_code ls_state_firing_begin(struct ls_state *state, const char *node, int64_t now_us,
                                   struct ls_firing *f, bool *ret_done, struct ls_error *err)
{
    struct ls_firing begun = *f;
    struct ls_arena mem;
    enum ls_code rc;

    *ret_done = false;
    ls_arena_init(&mem, 0);
    rc = ls_state_begin(state, err);
    if (rc == LS_OK)
        rc = ls_state_end(state, begin_locked(state, node, now_us, &mem, &begun, ret_done, err),
                          err);
    ls_arena_done(&mem);
    if (rc == LS_OK && *ret_done)
        *f = begun;
    return ls_state_result(state, rc, err);
}

/* from: the state in which it has to be. */
static enum ls_code end_locked(struct ls_state *state, enum ls_firing_state from,
                               const struct ls_firing *f, struct ls_arena *mem, bool *ret_done,
                               struct ls_error *err)
{
    struct ls_firing row;
    struct ls_buf room;
    bool found = false;
    enum ls_code rc = lock_row(state, f->id, mem, &row, &found, err);

    *ret_done = rc == LS_OK && found && row.state == from && row.attempt == f->attempt &&
                strcmp(row.node, f->node ? f->node : "") == 0;
    if (!*ret_done)
        return rc;
    if (!ls_firing_may_become(row.state, f->state))
        return ls_error_set(err, LS_INTERNAL, "a firing that is %s cannot become %s",
                            state_words[row.state], ls_firing_state_word(f->state));
    ls_buf_init(&room, 0);
    row.state = f->state;
    row.failures = f->failures;
    row.run = f->run ? f->run : row.run;
    row.ended_us = f->ended_us;
    row.again_us = f->again_us;
    row.reason = printable(f->reason, &room);
    rc = update_row(state, &row, err);
    ls_buf_done(&room);
    return rc;
}

static enum ls_code end_firing(struct ls_state *state, enum ls_firing_state from,
                               const struct ls_firing *f, bool *ret_done, struct ls_error *err)
{
    struct ls_arena mem;
    enum ls_code rc;

    *ret_done = false;
    ls_arena_init(&mem, 0);
    rc = ls_state_begin(state, err);
    if (rc == LS_OK)
        rc = ls_state_end(state, end_locked(state, from, f, &mem, ret_done, err), err);
    ls_arena_done(&mem);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_firing_end(struct ls_state *state, const struct ls_firing *f, bool *ret_done,
                                 struct ls_error *err)
{
    return end_firing(state, LS_FIRING_RUNNING, f, ret_done, err);
}

enum ls_code ls_state_firing_give_up(struct ls_state *state, const struct ls_firing *f,
                                     bool *ret_done, struct ls_error *err)
{
    return end_firing(state, LS_FIRING_WAITING, f, ret_done, err);
}

/* ---- finding ---- */

enum ls_code ls_state_firing_find(struct ls_state *state, const char *id, struct ls_arena *mem,
                                  struct ls_firing *ret, struct ls_error *err)
{
    bool found = false;
    enum ls_code rc = LS_OK;

    if (ls_utf8_check(id, strlen(id)) == strlen(id))
        rc = find(state, id, mem, ret, &found, err);
    if (rc == LS_OK && !found)
        rc = ls_error_set(err, LS_NOT_FOUND, "there is no firing %.40s", id);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_firings_open(struct ls_state *state, const char *schedule,
                                   struct ls_arena *mem, size_t *ret_count, struct ls_firing **ret,
                                   struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(schedule ? schedule : "")};
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_state_query(
        state,
        schedule ? "SELECT " COLUMNS " FROM {schema}schedule_firings WHERE open = 1 AND "
                   "schedule = ? ORDER BY made_us, nominal_us"
                 : "SELECT " COLUMNS " FROM {schema}schedule_firings WHERE open = 1 ORDER BY "
                   "made_us, nominal_us",
        params, schedule ? 1 : 0, &stmt, err);

    if (rc == LS_OK)
        rc = get_rows(stmt, mem, ret_count, ret, err);
    ls_sql_finish(stmt);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_firings(struct ls_state *state, const char *schedule, int64_t before_us,
                              size_t max, struct ls_arena *mem, size_t *ret_count,
                              struct ls_firing **ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(schedule ? schedule : ""),
                                      ls_value_int(before_us ? before_us : INT64_MAX),
                                      ls_value_int((int64_t)max)};
    const size_t skip = schedule ? 0 : 1;
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_state_query(
        state,
        schedule ? "SELECT " COLUMNS " FROM {schema}schedule_firings WHERE schedule = ? AND "
                   "nominal_us < ? ORDER BY nominal_us DESC, kind LIMIT ?"
                 : "SELECT " COLUMNS " FROM {schema}schedule_firings WHERE nominal_us < ? ORDER BY "
                   "nominal_us DESC, schedule, kind LIMIT ?",
        params + skip, 3 - skip, &stmt, err);

    if (rc == LS_OK)
        rc = get_rows(stmt, mem, ret_count, ret, err);
    ls_sql_finish(stmt);
    return ls_state_result(state, rc, err);
}

/* ---- letting go ---- */

/* Everything before this time goes: what is too old, and what is behind the newest keep_rows. */
static enum ls_code cut_of(struct ls_state *state, const char *id, int64_t before_us,
                           int64_t keep_rows, int64_t *ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(id), ls_value_int(keep_rows - 1)};
    enum ls_code rc = ls_state_number(state,
                                      "SELECT nominal_us FROM {schema}schedule_firings WHERE "
                                      "schedule = ? ORDER BY nominal_us DESC LIMIT 1 OFFSET ?",
                                      params, 2, INT64_MIN, ret, err);

    if (rc == LS_OK && *ret < before_us)
        *ret = before_us;
    return rc;
}

static enum ls_code prune_locked(struct ls_state *state, const char *id, int64_t cut_us,
                                 struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(id), ls_value_int(cut_us)};
    enum ls_code rc = ls_state_schedule_pruned(state, id, cut_us, err);

    return rc == LS_OK ? ls_state_change(state,
                                         "DELETE FROM {schema}schedule_firings WHERE schedule = ? "
                                         "AND open = 0 AND nominal_us < ?",
                                         params, 2, -1, err)
                       : rc;
}

static enum ls_code prune_one(struct ls_state *state, const char *id, int64_t before_us,
                              int64_t keep_rows, uint64_t *count, struct ls_error *err)
{
    int64_t cut_us = 0, old = 0;
    enum ls_code rc = cut_of(state, id, before_us, keep_rows, &cut_us, err);

    if (rc == LS_OK) {
        const struct ls_value params[] = {ls_value_text(id), ls_value_int(cut_us)};

        rc = ls_state_number(state,
                             "SELECT count(*) FROM {schema}schedule_firings WHERE schedule = ? "
                             "AND open = 0 AND nominal_us < ?",
                             params, 2, 0, &old, err);
    }
    if (rc != LS_OK || old == 0)
        return rc;
    rc = ls_state_begin(state, err);
    if (rc == LS_OK)
        rc = ls_state_end(state, prune_locked(state, id, cut_us, err), err);
    *count += rc == LS_OK ? (uint64_t)old : 0;
    return rc;
}

enum ls_code ls_state_firings_prune(struct ls_state *state, int64_t keep_days, int64_t keep_rows,
                                    int64_t now_us, uint64_t *ret_count, struct ls_error *err)
{
    const int64_t days = keep_days > 0 ? keep_days : DEFAULT_KEEP_DAYS;
    const int64_t before_us = days < now_us / DAY_US ? now_us - days * DAY_US : 0;
    struct ls_schedule *list = NULL;
    struct ls_arena mem;
    uint64_t gone = 0;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_state_schedules(state, &mem, &count, &list, err);
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = prune_one(state, list[i].id, before_us, keep_rows > 0 ? keep_rows : DEFAULT_KEEP_ROWS,
                       &gone, err);
    ls_arena_done(&mem);
    *ret_count = gone;
    return ls_state_result(state, rc, err);
}
