/* SPDX-License-Identifier: Apache-2.0 */
/* runs.c - the list of runs: beginning, saving, finding them.
 *
 * A run is one row. What it was begun with never changes; its counts, status, error and what became of it do, and the row's
 * checksum covers all of it: a wrong number would lead an undo to somebody else's journal, a wrong
 * digest past a brake.
 *
 * Saving reads the row first, in the same transaction: the move from the old status to the new one must stand in the table of moves, and
 * process and host, which callers do not know of, stay. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "state/state_priv.h"

/* ---- statuses ---- */

static const struct {
    const char *word;
    bool end;
} statuses[LS_RUN_STATUS_COUNT] = {
#define X(name, word, end) [LS_RUN_##name] = {word, end},
    LS_RUN_STATUSES(X)
#undef X
};

const char *ls_run_status_word(enum ls_run_status status)
{
    return (unsigned)status < LS_RUN_STATUS_COUNT ? statuses[status].word : "unknown";
}

#define TO(name) (1u << LS_RUN_##name)
/* From each status, where to. An end can only be saved again (undone_by is noted later). */
static const unsigned moves[LS_RUN_STATUS_COUNT] = {
    [LS_RUN_RUNNING] = TO(RUNNING) | TO(COMPLETED) | TO(PARTIAL) | TO(FAILED) | TO(INTERRUPTED) |
                       TO(CANCELLED) | TO(STOPPED),
    [LS_RUN_COMPLETED] = TO(COMPLETED),
    [LS_RUN_PARTIAL] = TO(PARTIAL),
    [LS_RUN_FAILED] = TO(FAILED),
    [LS_RUN_INTERRUPTED] = TO(INTERRUPTED),
    [LS_RUN_CANCELLED] = TO(CANCELLED),
    [LS_RUN_STOPPED] = TO(STOPPED),
};

bool ls_run_may_become(enum ls_run_status from, enum ls_run_status to)
{
    return (unsigned)from < LS_RUN_STATUS_COUNT && (unsigned)to < LS_RUN_STATUS_COUNT &&
           (moves[from] >> to & 1u);
}

static bool status_from_word(const char *word, enum ls_run_status *ret)
{
    for (unsigned i = 0; i < LS_RUN_STATUS_COUNT; i++)
        if (strcmp(statuses[i].word, word) == 0) {
            *ret = (enum ls_run_status)i;
            return true;
        }
    return false;
}

/* ---- a row ---- */

/* The order of get_row(), and of insert_row()'s parameters. */
#define COLUMNS                                                                             \
    "number, id, sync, kind, mode, source, target, config, digest, fingerprint, status, "   \
    "started_us, finished_us, created, updated, deleted, unchanged, failed, conflicts, "    \
    "source_count, target_count, verified, undoes, undone_by, error, pid, host, checksum, " \
    "project"
#define COLUMN_COUNT 29

struct row {
    struct ls_run run;
    int64_t pid;
    const char *host;
};

static enum ls_code row_sum(const struct row *row, struct ls_sum *ret, struct ls_error *err)
{
    const struct ls_run *r = &row->run;
    const char *const texts[] = {r->id,          r->sync,   r->kind,        r->mode,
                                 r->source,      r->target, r->config_json, r->digest,
                                 r->fingerprint, r->error,  row->host};
    const uint64_t numbers[] = {(uint64_t)r->number,
                                (uint64_t)r->status,
                                (uint64_t)r->started_us,
                                (uint64_t)r->finished_us,
                                r->created,
                                r->updated,
                                r->deleted,
                                r->unchanged,
                                r->failed,
                                r->conflicts,
                                r->source_count,
                                r->target_count,
                                r->verified,
                                (uint64_t)r->undoes,
                                (uint64_t)r->undone_by,
                                (uint64_t)row->pid};
    struct ls_buf out;

    ls_buf_init(&out, 0);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        ls_state_encode_text(&out, texts[i]);
    if (*r->project) /* older runs have none */
        ls_state_encode_text(&out, r->project);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        ls_buf_u64(&out, numbers[i]);
    return ls_state_sum(&out, ret, err);
}

static bool get_texts(struct ls_sql_stmt *stmt, struct ls_arena *mem, struct row *row)
{
    struct ls_run *r = &row->run;
    const struct {
        int col;
        const char **ret;
    } texts[] = {
        {2, &r->sync},    {3, &r->kind},        {4, &r->mode},     {5, &r->source},
        {6, &r->target},  {7, &r->config_json}, {8, &r->digest},   {24, &r->error},
        {26, &row->host}, {9, &r->fingerprint}, {28, &r->project},
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i].ret = ls_state_text(stmt, texts[i].col, mem);
        if (!*texts[i].ret)
            return false;
    }
    return true;
}

/* The row that stmt stands on. Its checksum is verified. */
static enum ls_code get_row(struct ls_sql_stmt *stmt, struct ls_arena *mem, struct row *row,
                            struct ls_error *err)
{
    struct ls_run *r = &row->run;
    const char *id = ls_sql_text(stmt, 1, NULL), *status;
    struct ls_sum sum;
    enum ls_code rc;

    memset(row, 0, sizeof *row);
    r->number = ls_sql_i64(stmt, 0);
    snprintf(r->id, sizeof r->id, "%s", id ? id : "");
    if (!get_texts(stmt, mem, row))
        return ls_error_nomem(err);
    status = ls_sql_text(stmt, 10, NULL);
    if (!status || !status_from_word(status, &r->status))
        return ls_state_damaged(err, "run %" PRId64 " is not what was written", r->number);
    r->started_us = ls_sql_i64(stmt, 11);
    r->finished_us = ls_sql_i64(stmt, 12);
    r->created = (uint64_t)ls_sql_i64(stmt, 13);
    r->updated = (uint64_t)ls_sql_i64(stmt, 14);
    r->deleted = (uint64_t)ls_sql_i64(stmt, 15);
    r->unchanged = (uint64_t)ls_sql_i64(stmt, 16);
    r->failed = (uint64_t)ls_sql_i64(stmt, 17);
    r->conflicts = (uint64_t)ls_sql_i64(stmt, 18);
    r->source_count = (uint64_t)ls_sql_i64(stmt, 19);
    r->target_count = (uint64_t)ls_sql_i64(stmt, 20);
    r->verified = ls_sql_i64(stmt, 21) != 0;
    r->undoes = ls_sql_i64(stmt, 22);
    r->undone_by = ls_sql_i64(stmt, 23);
    row->pid = ls_sql_i64(stmt, 25);
    rc = row_sum(row, &sum, err);
    if (rc == LS_OK && !ls_state_sum_fits(stmt, 27, &sum))
        return ls_state_damaged(err, "run %" PRId64 " is not what was written", r->number);
    return rc;
}

/* The one row that a query gives; *ret_found false when there is none. */
static enum ls_code find_row(struct ls_state *state, const char *sql, const struct ls_value *params,
                             size_t count, struct ls_arena *mem, struct row *ret, bool *ret_found,
                             struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    enum ls_code rc = ls_state_row(state, sql, params, count, &stmt, err);

    *ret_found = rc == LS_OK && stmt;
    if (*ret_found)
        rc = get_row(stmt, mem, ret, err);
    ls_sql_finish(stmt);
    return rc;
}

static enum ls_code insert_row(struct ls_state *state, const struct row *row, struct ls_error *err)
{
    const struct ls_run *r = &row->run;
    struct ls_sum sum;
    enum ls_code rc = row_sum(row, &sum, err);

    if (rc == LS_OK) {
        const struct ls_value params[COLUMN_COUNT] = {
            ls_value_int(r->number),
            ls_value_text(r->id),
            ls_value_text(r->sync),
            ls_value_text(r->kind),
            ls_value_text(r->mode),
            ls_value_text(r->source),
            ls_value_text(r->target),
            ls_value_text(r->config_json),
            ls_value_text(r->digest),
            ls_value_text(r->fingerprint),
            ls_value_text(ls_run_status_word(r->status)),
            ls_value_int(r->started_us),
            ls_value_int(r->finished_us),
            ls_value_int((int64_t)r->created),
            ls_value_int((int64_t)r->updated),
            ls_value_int((int64_t)r->deleted),
            ls_value_int((int64_t)r->unchanged),
            ls_value_int((int64_t)r->failed),
            ls_value_int((int64_t)r->conflicts),
            ls_value_int((int64_t)r->source_count),
            ls_value_int((int64_t)r->target_count),
            ls_value_int(r->verified),
            ls_value_int(r->undoes),
            ls_value_int(r->undone_by),
            ls_value_text(r->error),
            ls_value_int(row->pid),
            ls_value_text(row->host),
            ls_state_sum_value(&sum),
            ls_value_text(r->project),
        };

        rc = ls_state_change(state,
                             "INSERT INTO {schema}runs (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, "
                             "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                             params, COLUMN_COUNT, 1, err);
    }
    return rc;
}

/* What of a row can change. */
static enum ls_code update_row(struct ls_state *state, const struct row *row, struct ls_error *err)
{
    const struct ls_run *r = &row->run;
    struct ls_sum sum;
    enum ls_code rc = row_sum(row, &sum, err);

    if (rc == LS_OK) {
        const struct ls_value params[] = {
            ls_value_text(ls_run_status_word(r->status)),
            ls_value_int(r->finished_us),
            ls_value_int((int64_t)r->created),
            ls_value_int((int64_t)r->updated),
            ls_value_int((int64_t)r->deleted),
            ls_value_int((int64_t)r->unchanged),
            ls_value_int((int64_t)r->failed),
            ls_value_int((int64_t)r->conflicts),
            ls_value_int((int64_t)r->source_count),
            ls_value_int((int64_t)r->target_count),
            ls_value_int(r->verified),
            ls_value_int(r->undone_by),
            ls_value_text(r->error),
            ls_state_sum_value(&sum),
            ls_value_int(r->number),
        };

        rc = ls_state_change(state,
                             "UPDATE {schema}runs SET status = ?, finished_us = ?, created = ?, "
                             "updated = ?, deleted = ?, unchanged = ?, failed = ?, conflicts = ?, "
                             "source_count = ?, target_count = ?, verified = ?, undone_by = ?, "
                             "error = ?, checksum = ? WHERE number = ?",
                             params, sizeof params / sizeof params[0], 1, err);
    }
    return rc;
}

/* ---- begin and save ---- */

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static enum ls_code begin_locked(struct ls_state *state, struct row *row, struct ls_error *err)
{
    struct ls_head head;
    enum ls_code rc = ls_state_head(state, "runs", true, &head, err);

    if (rc == LS_OK) {
        row->run.number = ++head.seq;
        rc = ls_state_head_save(state, "runs", &head, err);
    }
    if (rc == LS_OK)
        rc = insert_row(state, row, err);
    if (rc == LS_OK)
        rc = ls_state_journal_new(state, row->run.number, err);
    return rc;
}

enum ls_code ls_state_run_begin(struct ls_state *state, struct ls_run *run, struct ls_error *err)
{
    char host[HOST_NAME_MAX + 1] = "";
    struct row row = {.run = *run, .pid = getpid(), .host = host};
    struct ls_run *r = &row.run;
    enum ls_code rc;

    (void)gethostname(host, sizeof host - 1);
    host[ls_utf8_check(host, strlen(host))] = '\0'; /* PostgreSQL takes nothing else */
    if (!r->id[0])
        ls_uuid_new(r->id);
    r->status = LS_RUN_RUNNING;
    r->mode = or_empty(r->mode);
    r->source = or_empty(r->source);
    r->target = or_empty(r->target);
    r->config_json = or_empty(r->config_json);
    r->digest = or_empty(r->digest);
    r->fingerprint = or_empty(r->fingerprint);
    r->project = or_empty(r->project);
    r->error = or_empty(r->error);
    rc = ls_state_begin(state, err);
    if (rc == LS_OK)
        rc = ls_state_end(state, begin_locked(state, &row, err), err);
    if (rc == LS_OK) {
        run->number = r->number;
        memcpy(run->id, r->id, sizeof run->id);
        run->status = LS_RUN_RUNNING;
    }
    return ls_state_result(state, rc, err);
}

static enum ls_code find_number(struct ls_state *state, int64_t number, struct ls_arena *mem,
                                struct row *ret, bool *ret_found, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(number)};

    return find_row(state, "SELECT " COLUMNS " FROM {schema}runs WHERE number = ?", params, 1, mem,
                    ret, ret_found, err);
}

static enum ls_code save_locked(struct ls_state *state, const struct ls_run *run,
                                struct ls_arena *mem, struct ls_error *err)
{
    struct row row;
    struct ls_run *r = &row.run;
    struct ls_buf error;
    bool found = false;
    enum ls_code rc = find_number(state, run->number, mem, &row, &found, err);

    if (rc == LS_OK && (!found || strcmp(r->id, run->id) != 0))
        rc = ls_error_set(err, LS_INTERNAL, "there is no run %" PRId64 " to save", run->number);
    if (rc == LS_OK && !ls_run_may_become(r->status, run->status))
        rc = ls_error_set(err, LS_INTERNAL, "run %" PRId64 " is %s and cannot become %s",
                          run->number, ls_run_status_word(r->status),
                          ls_run_status_word(run->status));
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&error, 0);
    r->error = or_empty(run->error);
    if (ls_utf8_check(r->error, strlen(r->error)) != strlen(r->error)) {
        ls_text_printable(&error, r->error, strlen(r->error));
        r->error = ls_buf_str(&error) ? ls_buf_str(&error) : "";
    }
    r->status = run->status;
    r->finished_us = run->finished_us;
    r->created = run->created;
    r->updated = run->updated;
    r->deleted = run->deleted;
    r->unchanged = run->unchanged;
    r->failed = run->failed;
    r->conflicts = run->conflicts;
    r->source_count = run->source_count;
    r->target_count = run->target_count;
    r->verified = run->verified;
    r->undone_by = run->undone_by;
    rc = update_row(state, &row, err);
    ls_buf_done(&error);
    return rc;
}

enum ls_code ls_state_run_save(struct ls_state *state, const struct ls_run *run,
                               struct ls_error *err)
{
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_state_begin(state, err);
    if (rc == LS_OK)
        rc = ls_state_end(state, save_locked(state, run, &mem, err), err);
    ls_arena_done(&mem);
    return ls_state_result(state, rc, err);
}

/* ---- find ---- */

static enum ls_code no_such_run(struct ls_state *state, const char *which, struct ls_error *err)
{
    int64_t count = 0;
    enum ls_code rc =
        ls_state_number(state, "SELECT count(*) FROM {schema}runs", NULL, 0, 0, &count, err);

    if (rc != LS_OK)
        return rc;
    if (count == 0)
        return ls_error_set(err, LS_NOT_FOUND, "there is no run %.40s: there are no runs yet",
                            which);
    return ls_error_set(err, LS_NOT_FOUND,
                        "there is no run %.40s: there are %" PRId64 ", numbered from 1. See "
                        "`lockstep history`",
                        which, count);
}

#define PREFIX_MIN 8

/* By UUID or how it begins. */
static enum ls_code find_id(struct ls_state *state, const char *which, struct ls_arena *mem,
                            struct row *ret, bool *ret_found, struct ls_error *err)
{
    const size_t length = strlen(which);
    char id[37];
    struct ls_value params[2];
    int64_t count = 0;
    enum ls_code rc;

    *ret_found = false;
    if (length < PREFIX_MIN || length >= sizeof id ||
        strspn(which, "0123456789abcdefABCDEF-") != length)
        return LS_OK;
    for (size_t i = 0; i <= length; i++)
        id[i] = (char)(which[i] >= 'A' && which[i] <= 'F' ? which[i] - 'A' + 'a' : which[i]);
    params[0] = ls_value_int((int64_t)length);
    params[1] = ls_value_text(id);
    rc = ls_state_number(state,
                         "SELECT count(*) FROM {schema}runs WHERE "
                         "substr(id, 1, CAST(? AS integer)) = ?",
                         params, 2, 0, &count, err);
    if (rc == LS_OK && count > 1)
        return ls_error_set(err, LS_USAGE,
                            "%" PRId64 " runs have an id that begins with %s. Give more of it, or "
                            "the run's number",
                            count, id);
    if (rc == LS_OK && count == 1)
        rc = find_row(state,
                      "SELECT " COLUMNS " FROM {schema}runs WHERE "
                      "substr(id, 1, CAST(? AS integer)) = ?",
                      params, 2, mem, ret, ret_found, err);
    return rc;
}

enum ls_code ls_state_run_find(struct ls_state *state, const char *which, struct ls_arena *mem,
                               struct ls_run *ret, struct ls_error *err)
{
    struct row row;
    int64_t number;
    bool found = false;
    enum ls_code rc = LS_OK;

    if (ls_text_to_i64(which, strlen(which), &number))
        rc = find_number(state, number, mem, &row, &found, err);
    if (rc == LS_OK && !found)
        rc = find_id(state, which, mem, &row, &found, err);
    if (rc == LS_OK && !found)
        rc = no_such_run(state, which, err);
    if (rc == LS_OK)
        *ret = row.run;
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_run_number(struct ls_state *state, const char *run_id, int64_t *ret,
                                 struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(run_id)};
    struct ls_arena mem;
    struct row row;
    bool found = false;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = find_row(state, "SELECT " COLUMNS " FROM {schema}runs WHERE id = ?", params, 1, &mem, &row,
                  &found, err);
    if (rc == LS_OK && !found)
        rc = no_such_run(state, run_id, err);
    if (rc == LS_OK)
        *ret = row.run.number;
    ls_arena_done(&mem);
    return rc;
}

/* All runs that a query gives. */
static enum ls_code list_runs(struct ls_state *state, const char *sql,
                              const struct ls_value *params, size_t param_count,
                              struct ls_arena *mem, size_t *ret_count, struct ls_run **ret,
                              struct ls_error *err)
{
    struct ls_sql_stmt *stmt = NULL;
    struct ls_run *runs = NULL;
    size_t count = 0, room = 0;
    bool more = true;
    enum ls_code rc = ls_state_query(state, sql, params, param_count, &stmt, err);

    while (rc == LS_OK && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        struct row row;

        if (count == room) {
            struct ls_run *grown = ls_arena_array(mem, room ? room * 2 : 16, sizeof *grown);

            if (!grown) {
                rc = ls_error_nomem(err);
                break;
            }
            if (count)
                memcpy(grown, runs, count * sizeof *runs);
            runs = grown;
            room = room ? room * 2 : 16;
        }
        rc = get_row(stmt, mem, &row, err);
        if (rc == LS_OK)
            runs[count++] = row.run;
    }
    ls_sql_finish(stmt);
    if (rc == LS_OK) {
        *ret = runs;
        *ret_count = count;
    }
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_runs(struct ls_state *state, const char *sync, size_t max,
                           struct ls_arena *mem, size_t *ret_count, struct ls_run **ret,
                           struct ls_error *err)
{
    const int64_t limit = max > (size_t)INT_MAX ? INT_MAX : (int64_t)max;
    const struct ls_value all[] = {ls_value_int(limit)};
    const struct ls_value of_sync[] = {ls_value_text(or_empty(sync)), ls_value_int(limit)};

    return sync ? list_runs(state,
                            "SELECT " COLUMNS " FROM {schema}runs WHERE sync = ? "
                            "ORDER BY number DESC LIMIT ?",
                            of_sync, 2, mem, ret_count, ret, err)
                : list_runs(state,
                            "SELECT " COLUMNS " FROM {schema}runs ORDER BY number DESC LIMIT ?",
                            all, 1, mem, ret_count, ret, err);
}

enum ls_code ls_state_runs_page(struct ls_state *state, const struct ls_run_filter *filter,
                                size_t max, struct ls_arena *mem, size_t *ret_count,
                                struct ls_run **ret, struct ls_error *err)
{
    const struct {
        const char *column, *value;
    } texts[] = {{"sync", filter->sync}, {"kind", filter->kind}, {"status", filter->status}};
    struct ls_value params[5];
    struct ls_buf sql;
    size_t count = 0;
    enum ls_code rc;

    ls_buf_init(&sql, 0);
    ls_buf_text(&sql, "SELECT " COLUMNS " FROM {schema}runs WHERE number < ?");
    params[count++] = ls_value_int(filter->before ? filter->before : INT64_MAX);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].value) {
            ls_buf_printf(&sql, " AND %s = ?", texts[i].column);
            params[count++] = ls_value_text(texts[i].value);
        }
    ls_buf_text(&sql, " ORDER BY number DESC LIMIT ?");
    params[count++] = ls_value_int(max > (size_t)INT_MAX ? INT_MAX : (int64_t)max);
    rc = sql.failed ? ls_error_nomem(err)
                    : list_runs(state, ls_buf_str(&sql), params, count, mem, ret_count, ret, err);
    ls_buf_done(&sql);
    return rc;
}

enum ls_code ls_state_undos(struct ls_state *state, const struct ls_run *run, struct ls_arena *mem,
                            size_t *ret_count, struct ls_run **ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(run->sync), ls_value_int(run->number)};

    return list_runs(state,
                     "SELECT " COLUMNS " FROM {schema}runs WHERE sync = ? AND undoes = ? "
                     "ORDER BY number DESC",
                     params, 2, mem, ret_count, ret, err);
}

/* An undo compares nothing, so it has nothing to remember; a stopped run changed nothing; a run of some records alone has not seen the
 * others. A name may be given to different syncs by two projects that share a state: a run is one of this sync when it was
 * between the same places, or made with the same configuration (which then names other places now). */
enum ls_code ls_state_last(struct ls_state *state, const struct ls_run *run, struct ls_arena *mem,
                           struct ls_brake_memory *ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(run->sync),
                                      ls_value_text(ls_run_status_word(LS_RUN_COMPLETED)),
                                      ls_value_text(ls_run_status_word(LS_RUN_PARTIAL)),
                                      ls_value_text(LS_RUN_MODE_ONLY),
                                      ls_value_text(or_empty(run->source)),
                                      ls_value_text(or_empty(run->target)),
                                      ls_value_text(or_empty(run->project)),
                                      ls_value_text(or_empty(run->project))};
    struct row row;
    bool found = false;
    enum ls_code rc = find_row(state,
                               "SELECT " COLUMNS " FROM {schema}runs WHERE sync = ? AND status IN "
                               "(?, ?) AND kind <> 'undo' AND mode <> ? AND ((source = ? AND "
                               "target = ?) OR (project = ? AND ? <> '')) "
                               "ORDER BY number DESC LIMIT 1",
                               params, 8, mem, &row, &found, err);

    if (rc == LS_OK)
        *ret = found ? (struct ls_brake_memory){row.run.digest, row.run.fingerprint,
                                                row.run.source_count}
                     : (struct ls_brake_memory){"", "", 0};
    return ls_state_result(state, rc, err);
}

/* ---- runs whose process is gone ---- */

/* The newest run of the sync that is still called running. */
static enum ls_code find_running(struct ls_state *state, const char *sync, int64_t below,
                                 struct ls_arena *mem, struct row *ret, bool *ret_found,
                                 struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_text(sync),
                                      ls_value_text(ls_run_status_word(LS_RUN_RUNNING)),
                                      ls_value_int(below)};

    return find_row(state,
                    "SELECT " COLUMNS " FROM {schema}runs WHERE sync = ? AND status = ? AND "
                    "number < ? ORDER BY number DESC LIMIT 1",
                    params, 3, mem, ret, ret_found, err);
}

enum ls_code ls_state_locked(struct ls_state *state, const char *sync, struct ls_error *err)
{
    struct ls_arena mem;
    struct row row;
    char since[25];
    bool found = false;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = find_running(state, sync, INT64_MAX, &mem, &row, &found, err);
    if (rc == LS_OK && !found)
        rc = ls_error_set(err, LS_LOCKED,
                          "another lockstep is at work on %s and has not begun its run yet. Try "
                          "again in a moment",
                          sync);
    if (rc == LS_OK) {
        ls_clock_iso(row.run.started_us, since);
        rc = ls_error_set(err, LS_LOCKED,
                          "run %" PRId64 " of %s is still at work (since=%s, process=%" PRId64
                          ", host=%s). Wait for its end, or end that process",
                          row.run.number, sync, since, row.pid, row.host);
    }
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_state_run_add(struct ls_state *state, int64_t run,
                              const struct ls_batch_counts *counts, struct ls_error *err)
{
    struct ls_arena mem;
    struct row row;
    bool found = false;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = find_number(state, run, &mem, &row, &found, err);
    if (rc == LS_OK && !found)
        rc = ls_error_set(err, LS_INTERNAL, "there is no run %" PRId64, run);
    if (rc == LS_OK) {
        row.run.created += counts->created;
        row.run.updated += counts->updated;
        row.run.deleted += counts->deleted;
        rc = update_row(state, &row, err);
    }
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_state_run_count(struct ls_state *state, struct ls_run *run, struct ls_error *err)
{
    struct ls_batch_counts counts;
    enum ls_code rc = ls_journal_counts(state, run->number, &counts, err);

    if (rc == LS_OK)
        rc = ls_state_lines_count(state, run->number, &run->failed, &run->conflicts, err);
    if (rc == LS_OK) {
        run->created = counts.created;
        run->updated = counts.updated;
        run->deleted = counts.deleted;
    }
    return rc;
}

static enum ls_code interrupt_locked(struct ls_state *state, const char *sync, struct ls_arena *mem,
                                     size_t *ret_count, int64_t **ret, struct ls_error *err)
{
    int64_t *numbers = NULL, below = INT64_MAX;
    size_t count = 0, room = 0;
    struct row row;
    bool found = true;
    enum ls_code rc = LS_OK;

    while ((rc = find_running(state, sync, below, mem, &row, &found, err)) == LS_OK && found) {
        if (count == room) {
            int64_t *grown = ls_arena_array(mem, room ? room * 2 : 4, sizeof *grown);

            if (!grown)
                return ls_error_nomem(err);
            if (count)
                memcpy(grown, numbers, count * sizeof *numbers);
            numbers = grown;
            room = room ? room * 2 : 4;
        }
        row.run.status = LS_RUN_INTERRUPTED;
        row.run.finished_us = ls_clock_now_us();
        row.run.error = "its process ended before the run did";
        rc = ls_state_run_count(state, &row.run, err);
        if (rc == LS_OK)
            rc = update_row(state, &row, err);
        if (rc != LS_OK)
            return rc;
        numbers[count++] = below = row.run.number;
    }
    *ret = numbers;
    *ret_count = count;
    return rc;
}

enum ls_code ls_state_interrupt_dead(struct ls_state *state, const char *sync, struct ls_arena *mem,
                                     size_t *ret_count, int64_t **ret, struct ls_error *err)
{
    struct row row;
    bool found = false;
    enum ls_code rc = find_running(state, sync, INT64_MAX, mem, &row, &found, err);

    *ret_count = 0;
    if (rc != LS_OK || !found) /* mostly nothing is to be written */
        return ls_state_result(state, rc, err);
    rc = ls_state_begin(state, err);
    if (rc == LS_OK)
        rc = ls_state_end(state, interrupt_locked(state, sync, mem, ret_count, ret, err), err);
    return ls_state_result(state, rc, err);
}
