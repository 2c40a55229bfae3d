/* SPDX-License-Identifier: Apache-2.0 */
/* remember.c - history, show, receipt, prune, audit: what the state recalls. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/json.h"
#include "base/clock.h"
#include "base/text.h"

#define ERRORS_SHOWN 100
#define LOG_LINES 10000
#define HISTORY_DEFAULT 50

static char *copy(const char *text)
{
    return strdup(text ? text : "");
}

static bool fill_errors(struct lockstep *ls, const struct ls_run *run, struct lockstep_run *ret)
{
    struct ls_run_line *lines = NULL;
    struct ls_arena mem;
    size_t count = 0;
    struct ls_error err = {0};
    bool ok = true;

    ret->errors_total = run->failed + run->conflicts;
    if (!ls->state || run->number == 0 || ret->errors_total == 0)
        return true;
    ls_arena_init(&mem, 0);
    if (ls_state_run_lines(ls->state, run->id, true, 0, ERRORS_SHOWN, &mem, &count, &lines, &err) !=
        LS_OK)
        count = 0; /* the run is told without them rather than not at all */
    ret->errors = calloc(count ? count : 1, sizeof *ret->errors);
    ok = ret->errors != NULL;
    for (size_t i = 0; i < count && ok; i++) {
        ret->errors[i].key = copy(lines[i].key_json);
        ret->errors[i].error = copy(lines[i].text);
        ret->error_count = i + 1;
        ok = ret->errors[i].key && ret->errors[i].error;
    }
    ls_arena_done(&mem);
    return ok;
}

static int64_t duration_ms(const struct ls_run *run)
{
    const int64_t end = run->finished_us ? run->finished_us : ls_clock_now_us();

    return end > run->started_us ? (end - run->started_us) / 1000 : 0;
}

/* Has the last undo of a run left something? Its status says so. */
static bool is_undone_in_part(struct lockstep *ls, const struct ls_run *run)
{
    char number[24];
    struct ls_run undo;
    struct ls_arena mem;
    struct ls_error err;
    bool part;

    if (!ls->state || run->undone_by == 0)
        return false;
    snprintf(number, sizeof number, "%" PRId64, run->undone_by);
    ls_arena_init(&mem, 0);
    part = ls_state_run_find(ls->state, number, &mem, &undo, &err) == LS_OK &&
           undo.status != LS_RUN_COMPLETED;
    ls_arena_done(&mem);
    return part;
}

struct lockstep_run *ls_api_run(struct lockstep *ls, const struct ls_run *run)
{
    struct lockstep_run *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->number = run->number;
    memcpy(r->id, run->id, sizeof r->id);
    r->sync = copy(run->sync);
    r->kind = copy(run->kind);
    r->mode = copy(run->mode);
    r->source = copy(run->source);
    r->target = copy(run->target);
    r->status = copy(ls_run_status_word(run->status));
    r->reason = copy(run->error);
    r->created = run->created;
    r->updated = run->updated;
    r->deleted = run->deleted;
    r->unchanged = run->unchanged;
    r->failed = run->failed;
    r->conflicts = run->conflicts;
    r->verified = run->verified;
    r->duration_ms = duration_ms(run);
    r->started_us = run->started_us;
    r->finished_us = run->finished_us;
    r->undoes = run->undoes;
    r->undone_by = run->undone_by;
    r->undone_in_part = is_undone_in_part(ls, run);
    if (!r->sync || !r->kind || !r->mode || !r->source || !r->target || !r->status || !r->reason ||
        !fill_errors(ls, run, r)) {
        lockstep_run_free(r);
        return NULL;
    }
    return r;
}

void lockstep_run_free(struct lockstep_run *run)
{
    if (!run)
        return;
    for (size_t i = 0; i < run->error_count; i++) {
        free(run->errors[i].key);
        free(run->errors[i].error);
    }
    free(run->errors);
    free(run->sync);
    free(run->kind);
    free(run->mode);
    free(run->source);
    free(run->target);
    free(run->status);
    free(run->reason);
    free(run);
}

void lockstep_runs_free(struct lockstep_run **runs, size_t count)
{
    for (size_t i = 0; runs && i < count; i++)
        lockstep_run_free(runs[i]);
    free(runs);
}

/* ---- history and show ---- */

/* The name that runs of what select says have. */
static enum ls_code name_of(struct lockstep *ls, const struct lockstep_select *select,
                            struct ls_arena *mem, const char **ret, struct ls_error *err)
{
    struct ls_sync_config config;
    struct ls_job *job = NULL;
    enum ls_code rc;

    *ret = select ? select->sync : NULL;
    if (!select || select->sync || !select->source)
        return LS_OK;
    rc = ls_api_select(ls, select, NULL, mem, &config, err);
    if (rc == LS_OK)
        rc = ls_api_job(ls, &config, false, mem, &job, err);
    if (rc == LS_OK && !(*ret = ls_arena_text(mem, job->name)))
        rc = ls_error_nomem(err);
    ls_job_close(job);
    return rc;
}

/* A name without runs: is it one at all? */
static enum ls_code check_name(struct lockstep *ls, const char *name, struct ls_error *err)
{
    const char *const *names = NULL;
    const size_t count = lockstep_syncs(ls, &names);
    const char *near;

    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return LS_OK;
    near = ls_text_nearest(name, names, count);
    return ls_error_set(
        err, LS_NOT_FOUND,
        "no run is known of a sync named \"%s\"%s%s%s. `lockstep history` lists all", name,
        near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

/* A run whose process was killed still says `running`, until the next run of its sync finds it. Who looks before that
 * is told what it is, and what its batches did as far as that is known: nobody holds its lock, and it has not ended meanwhile. */
static void see_whether_dead(struct lockstep *ls, struct ls_run *run)
{
    struct ls_run again = {0};
    struct ls_arena mem;
    struct ls_error err;

    if (run->status != LS_RUN_RUNNING || ls_state_at_work(ls->state, run->sync))
        return;
    ls_arena_init(&mem, 0);
    if (ls_state_run_find(ls->state, run->id, &mem, &again, &err) == LS_OK &&
        again.status == LS_RUN_RUNNING && ls_state_run_count(ls->state, run, &err) == LS_OK)
        run->status = LS_RUN_INTERRUPTED;
    ls_arena_done(&mem);
}

enum ls_code ls_api_runs(struct lockstep *ls, const struct ls_run_filter *filter, size_t max,
                         size_t *ret_count, struct lockstep_run ***ret, struct ls_error *err)
{
    struct ls_run *runs = NULL;
    struct lockstep_run **list = NULL;
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc = ls_api_state(ls, false, err);

    ls_arena_init(&mem, 0);
    if (rc == LS_OK)
        rc = ls_state_runs_page(ls->state, filter, max, &mem, &count, &runs, err);
    else if (rc == LS_NOT_FOUND)
        rc = LS_OK; /* no state yet: no runs yet */
    if (rc == LS_OK && !(list = calloc(count ? count : 1, sizeof *list)))
        rc = ls_error_nomem(err);
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        see_whether_dead(ls, &runs[i]);
        list[i] = ls_api_run(ls, &runs[i]);
        if (!list[i])
            rc = ls_error_nomem(err);
    }
    ls_arena_done(&mem);
    if (rc != LS_OK) {
        lockstep_runs_free(list, list ? count : 0);
        return rc;
    }
    *ret = list;
    *ret_count = count;
    return LS_OK;
}

int lockstep_history(struct lockstep *ls, const struct lockstep_select *select, size_t limit,
                     size_t *ret_count, struct lockstep_run ***ret, struct lockstep_error *error)
{
    struct ls_run_filter filter = {0};
    struct lockstep_run **list = NULL;
    struct ls_arena mem;
    struct ls_error err = {0};
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_api_state(ls, false, &err);
    if (rc == LS_OK)
        rc = name_of(ls, select, &mem, &filter.sync, &err);
    else if (rc == LS_NOT_FOUND)
        rc = LS_OK;
    if (rc == LS_OK)
        rc = ls_api_runs(ls, &filter, limit ? limit : HISTORY_DEFAULT, &count, &list, &err);
    if (rc == LS_OK && count == 0 && select && select->sync)
        rc = check_name(ls, select->sync, &err);
    ls_arena_done(&mem);
    if (rc != LS_OK) {
        lockstep_runs_free(list, count);
        return ls_api_fail(&err, error);
    }
    *ret = list;
    *ret_count = count;
    return LOCKSTEP_OK;
}

/* The run's log as text, a line each. NULL when out of memory. */
static char *log_text(const struct ls_run_line *lines, size_t count)
{
    struct ls_buf out;
    char *ret;

    ls_buf_init(&out, 0);
    for (size_t i = 0; i < count; i++) {
        char at[25];

        ls_clock_iso(lines[i].at_us, at);
        ls_buf_printf(&out, "%s  %s\n", at, lines[i].text);
    }
    ret = out.failed ? NULL : strdup(ls_buf_str(&out));
    ls_buf_done(&out);
    return ret;
}

int lockstep_show(struct lockstep *ls, const char *run, struct lockstep_run **ret, char **ret_log,
                  struct lockstep_error *error)
{
    struct ls_run found;
    struct ls_run_line *lines = NULL;
    struct lockstep_run *public = NULL;
    char *log = NULL;
    struct ls_arena mem;
    struct ls_error err = {0};
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_api_state(ls, false, &err);
    if (rc == LS_OK)
        rc = ls_state_run_find(ls->state, run, &mem, &found, &err);
    if (rc == LS_OK && ret_log)
        rc = ls_state_run_lines(ls->state, found.id, false, 0, LOG_LINES, &mem, &count, &lines,
                                &err);
    if (rc == LS_OK) {
        see_whether_dead(ls, &found);
        public = ls_api_run(ls, &found);
        if (ret_log)
            log = log_text(lines, count);
        if (!public || (ret_log && !log))
            rc = ls_error_nomem(&err);
    }
    ls_arena_done(&mem);
    if (rc == LS_OK) {
        *ret = public;
        if (ret_log)
            *ret_log = log;
        return LOCKSTEP_OK;
    }
    lockstep_run_free(public);
    free(log);
    return ls_api_fail(&err, error);
}

/* ---- receipts, prune, audit ---- */

int lockstep_receipt(struct lockstep *ls, const char *run, char **ret_json,
                     struct lockstep_error *error)
{
    struct ls_run found;
    const char *json = NULL;
    struct ls_arena mem;
    struct ls_error err = {0};
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_api_state(ls, false, &err);
    if (rc == LS_OK)
        rc = ls_state_run_find(ls->state, run, &mem, &found, &err);
    if (rc == LS_OK)
        rc = ls_state_receipt_get(ls->state, found.id, &mem, &json, &err);
    if (rc == LS_OK) {
        *ret_json = strdup(json);
        rc = *ret_json ? LS_OK : ls_error_nomem(&err);
    }
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

int lockstep_prune(struct lockstep *ls, int keep_days, int64_t keep_bytes, uint64_t *ret_runs,
                   int64_t *ret_bytes, struct lockstep_error *error)
{
    char detail[120];
    struct ls_error err = {0};
    enum ls_code rc = ls_api_state(ls, false, &err);

    if (keep_days == 0 && ls->config)
        keep_days = ls->config->journal_keep_days;
    if (keep_bytes == 0 && ls->config)
        keep_bytes = ls->config->journal_keep_bytes;
    *ret_runs = 0;
    *ret_bytes = 0;
    if (rc == LS_NOT_FOUND)
        return LOCKSTEP_OK; /* no state yet: nothing to remove */
    if (rc == LS_OK)
        rc = ls_state_prune(ls->state, keep_days, keep_bytes, ls_clock_now_us(), ret_runs,
                            ret_bytes, &err);
    if (rc == LS_OK) {
        snprintf(detail, sizeof detail, "{\"runs\":%" PRIu64 ",\"bytes\":%" PRId64 "}", *ret_runs,
                 *ret_bytes);
        rc = ls_api_audit(ls, "prune", "", detail, &err);
    }
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

static enum ls_code tell_entry(const struct ls_audit *a, lockstep_audit_fn *fn, void *ctx,
                               struct ls_error *err)
{
    struct lockstep_audit_entry entry = {a->seq,     a->at_us,       a->actor, a->action,
                                         a->subject, a->detail_json, NULL};
    enum ls_code rc = LS_OK;
    struct ls_buf json;
    char at[25];

    ls_buf_init(&json, 0);
    ls_clock_iso(a->at_us, at);
    ls_buf_printf(&json, "{\"seq\":%" PRId64 ",\"at\":\"%s\"", a->seq, at);
    ls_json_member(&json, "actor", a->actor);
    ls_json_member(&json, "action", a->action);
    ls_json_member(&json, "subject", a->subject);
    ls_buf_printf(&json, ",\"detail\":%s}", a->detail_json);
    entry.json = ls_buf_str(&json);
    if (json.failed)
        rc = ls_error_nomem(err);
    else
        fn(ctx, &entry);
    ls_buf_done(&json);
    return rc;
}

int lockstep_audit_list(struct lockstep *ls, size_t limit, lockstep_audit_fn *fn, void *ctx,
                        struct lockstep_error *error)
{
    struct ls_audit *entries = NULL;
    struct ls_arena mem;
    struct ls_error err = {0};
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_api_state(ls, false, &err);
    if (rc == LS_OK)
        rc = ls_state_audit_list(ls->state, limit ? limit : HISTORY_DEFAULT, &mem, &count, &entries,
                                 &err);
    else if (rc == LS_NOT_FOUND)
        rc = LS_OK;
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = tell_entry(&entries[i], fn, ctx, &err);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

int lockstep_audit_verify(struct lockstep *ls, uint64_t *ret_count, struct lockstep_error *error)
{
    struct ls_error err = {0};
    enum ls_code rc = ls_api_state(ls, false, &err);

    *ret_count = 0;
    if (rc == LS_OK)
        rc = ls_state_audit_verify(ls->state, ret_count, &err);
    else if (rc == LS_NOT_FOUND)
        rc = LS_OK;
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}
