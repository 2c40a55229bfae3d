/* SPDX-License-Identifier: Apache-2.0 */
/* lines.c - a run's log lines and failed records.
 *
 * A run of bad data has thousands of failed records, and a commit for each would take longer
 * than the run: they wait in memory and are written with the next commit of anything, or when enough are
 * waiting. A line of the log is rare and somebody may be watching: it is written at once, and takes
 * along what waits. What a killed process had waiting is lost: the next run meets the same records again.
 *
 * Of each kind the first 10 000 of a run are kept. One run at a time is written through a handle, so the
 * counters of one are enough; they are read again when another run's turn comes. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "state/state_priv.h"

#define KEPT_PER_RUN 10000
#define WAITING_MAX 256

enum kind { LOG, ERROR, KINDS };

struct line {
    int64_t run, seq, at_us;
    enum kind kind;
    const char *key, *code, *text;
};
struct ls_state_lines {
    char run_id[37];
    int64_t run, last[KINDS];
    struct ls_arena mem; /* of what waits */
    struct line waiting[WAITING_MAX];
    size_t count;
};

void ls_state_lines_free(struct ls_state_lines *lines)
{
    if (!lines)
        return;
    ls_arena_done(&lines->mem);
    free(lines);
}

bool ls_state_lines_waiting(const struct ls_state *state)
{
    return state->lines && state->lines->count > 0;
}

enum ls_code ls_state_lines_write(struct ls_state *state, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t i = 0; state->lines && i < state->lines->count && rc == LS_OK; i++) {
        const struct line *l = &state->lines->waiting[i];
        const struct ls_value params[] = {
            ls_value_int(l->run),   ls_value_int(l->kind), ls_value_int(l->seq),
            ls_value_int(l->at_us), ls_value_text(l->key), ls_value_text(l->code),
            ls_value_text(l->text),
        };

        rc = ls_state_change(state,
                             "INSERT INTO {schema}run_lines (run, kind, seq, at_us, key_json, "
                             "code, line) VALUES (?, ?, ?, ?, ?, ?, ?)",
                             params, 7, 1, err);
    }
    return rc;
}

void ls_state_lines_written(struct ls_state *state)
{
    if (!state->lines)
        return;
    state->lines->count = 0;
    ls_arena_reset(&state->lines->mem);
}

static enum ls_code take_up(struct ls_state *state, const char *run_id, struct ls_error *err)
{
    struct ls_state_lines *lines = state->lines;
    int64_t run = 0, last[KINDS] = {0};
    enum ls_code rc = ls_state_flush(state, err);

    if (rc == LS_OK)
        rc = ls_state_run_number(state, run_id, &run, err);
    for (int kind = 0; kind < KINDS && rc == LS_OK; kind++) {
        const struct ls_value params[] = {ls_value_int(run), ls_value_int(kind)};

        rc = ls_state_number(state,
                             "SELECT max(seq) FROM {schema}run_lines WHERE run = ? AND kind = ?",
                             params, 2, 0, &last[kind], err);
    }
    if (rc != LS_OK)
        return rc;
    lines->run = run;
    memcpy(lines->last, last, sizeof last);
    memcpy(lines->run_id, run_id, strlen(run_id) + 1);
    return LS_OK;
}

/* Text that any database takes. NULL when out of memory. */
static const char *clean(struct ls_arena *mem, const char *text)
{
    const size_t size = strlen(text);
    struct ls_buf out;
    const char *ret;

    if (ls_utf8_check(text, size) == size)
        return ls_arena_text(mem, text);
    ls_buf_init(&out, 0);
    ls_text_printable(&out, text, size);
    ret = out.failed ? NULL : ls_arena_text_n(mem, ls_buf_str(&out), out.size);
    ls_buf_done(&out);
    return ret;
}

static enum ls_code add(struct ls_state *state, const char *run_id, enum kind kind, const char *key,
                        const char *code, const char *text, struct ls_error *err)
{
    struct ls_state_lines *lines = state->lines;
    struct line *l;
    enum ls_code rc = LS_OK;

    if (!lines) {
        lines = state->lines = calloc(1, sizeof *lines);
        if (!lines)
            return ls_error_nomem(err);
        ls_arena_init(&lines->mem, 0);
    }
    if (strcmp(lines->run_id, run_id) != 0)
        rc = take_up(state, run_id, err);
    if (rc == LS_OK && lines->count == WAITING_MAX)
        rc = ls_state_flush(state, err);
    if (rc != LS_OK || lines->last[kind] >= KEPT_PER_RUN)
        return rc;
    l = &lines->waiting[lines->count];
    *l = (struct line){
        lines->run, lines->last[kind] + 1,   ls_clock_now_us(), kind, clean(&lines->mem, key),
        code,       clean(&lines->mem, text)};
    if (!l->key || !l->text)
        return ls_error_nomem(err);
    lines->last[kind]++;
    lines->count++;
    return LS_OK;
}

enum ls_code ls_state_run_log(struct ls_state *state, const char *run_id, const char *text,
                              struct ls_error *err)
{
    enum ls_code rc = add(state, run_id, LOG, "", "", text, err);

    if (rc == LS_OK)
        rc = ls_state_flush(state, err);
    return ls_state_result(state, rc, err);
}

enum ls_code ls_state_run_error(struct ls_state *state, const char *run_id, const char *key_json,
                                enum ls_code code, const char *text, struct ls_error *err)
{
    return ls_state_result(state,
                           add(state, run_id, ERROR, key_json, ls_code_name(code), text, err), err);
}

static enum ls_code count_errors(struct ls_state *state, const char *sql, int64_t run,
                                 uint64_t *ret, struct ls_error *err)
{
    const struct ls_value params[] = {ls_value_int(run), ls_value_int(ERROR),
                                      ls_value_text(ls_code_name(LS_CONFLICT))};
    int64_t count = 0;
    enum ls_code rc = ls_state_number(state, sql, params, 3, 0, &count, err);

    *ret = (uint64_t)count;
    return rc;
}

enum ls_code ls_state_lines_count(struct ls_state *state, int64_t run, uint64_t *ret_failed,
                                  uint64_t *ret_conflicts, struct ls_error *err)
{
    enum ls_code rc = count_errors(state,
                                   "SELECT count(*) FROM {schema}run_lines WHERE run = ? AND "
                                   "kind = ? AND code <> ?",
                                   run, ret_failed, err);

    if (rc == LS_OK)
        rc = count_errors(state,
                          "SELECT count(*) FROM {schema}run_lines WHERE run = ? AND kind = ? AND "
                          "code = ?",
                          run, ret_conflicts, err);
    return rc;
}

static enum ls_code read_lines(struct ls_sql_stmt *stmt, size_t room, struct ls_arena *mem,
                               size_t *ret_count, struct ls_run_line *lines, struct ls_error *err)
{
    size_t count = 0;
    bool more = true;
    enum ls_code rc = LS_OK;

    while (count < room && (rc = ls_sql_step(stmt, &more, err)) == LS_OK && more) {
        struct ls_run_line *l = &lines[count++];

        *l = (struct ls_run_line){ls_sql_i64(stmt, 0), ls_sql_i64(stmt, 1),
                                  ls_state_text(stmt, 2, mem), ls_state_text(stmt, 3, mem),
                                  ls_state_text(stmt, 4, mem)};
        if (!l->key_json || !l->code || !l->text)
            return ls_error_nomem(err);
    }
    *ret_count = count;
    return rc;
}

enum ls_code ls_state_run_lines(struct ls_state *state, const char *run_id, bool errors,
                                int64_t after, size_t max, struct ls_arena *mem, size_t *ret_count,
                                struct ls_run_line **ret, struct ls_error *err)
{
    const size_t room = max < KEPT_PER_RUN ? max : KEPT_PER_RUN;
    struct ls_run_line *lines = ls_arena_array(mem, room, sizeof *lines);
    struct ls_sql_stmt *stmt = NULL;
    int64_t run = 0;
    enum ls_code rc = lines ? ls_state_flush(state, err) : ls_error_nomem(err);

    if (rc == LS_OK)
        rc = ls_state_run_number(state, run_id, &run, err);
    if (rc == LS_OK) {
        const struct ls_value params[] = {ls_value_int(run), ls_value_int(errors ? ERROR : LOG),
                                          ls_value_int(after), ls_value_int((int64_t)room)};

        rc = ls_state_query(state,
                            "SELECT seq, at_us, key_json, code, line FROM {schema}run_lines "
                            "WHERE run = ? AND kind = ? AND seq > ? ORDER BY seq LIMIT ?",
                            params, 4, &stmt, err);
    }
    if (rc == LS_OK)
        rc = read_lines(stmt, room, mem, ret_count, lines, err);
    if (rc == LS_OK)
        *ret = lines;
    ls_sql_finish(stmt);
    return ls_state_result(state, rc, err);
}
