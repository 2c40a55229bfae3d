/* SPDX-License-Identifier: Apache-2.0 */
/* change.c - plan, sync, apply: the calls that change a target, and the one that shows it before.
 *
 * A sync is validation, detection, repair, verification, each named in the run's log. The plan of a sync
 * is spooled rather than applied as it is found, because the brakes must see the whole of it before the first write. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/session.h"
#include "base/clock.h"
#include "engine/sync_config.h"

#define MANY_RECORDS 10000 /* from here on it pays to think about how to read them back */

static bool flag(const struct lockstep_run_options *options, bool full)
{
    return options && (full ? options->full : options->dry_run);
}

static bool is_full(const struct lockstep_run_options *options)
{
    return flag(options, true);
}

/* ---- plan ---- */

int lockstep_plan(struct lockstep *ls, const struct lockstep_select *select,
                  const struct lockstep_run_options *options, const char *path,
                  struct lockstep_plan_info *ret, struct lockstep_error *error)
{
    const struct ls_hooks hooks = ls_api_hooks(ls);
    struct ls_sync_config config;
    struct ls_job *job = NULL;
    struct ls_arena mem;
    struct ls_plan_counts c = {0};
    struct ls_compare_result compared = {0};
    struct ls_error err = {0};
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_api_select(ls, select, options, &mem, &config, &err);
    if (rc == LS_OK)
        rc = ls_api_job(ls, &config, false, &mem, &job, &err);
    if (rc == LS_OK)
        rc = ls_plan_save(job, NULL, &hooks, path, &c, &compared, &err);
    if (rc == LS_OK)
        *ret = (struct lockstep_plan_info){c.inserts,   c.updates, c.deletes,
                                           c.unchanged, c.moving,  c.kept};
    ls_job_close(job);
    ls_arena_done(&mem);
    if (rc != LS_OK)
        return ls_api_end(ls, &err, error);
    return c.inserts + c.updates + c.deletes > 0 ? LOCKSTEP_DIFFERENT : LOCKSTEP_OK;
}

/* ---- the phases ---- */

static void log_detection(struct session *s, const struct ls_plan_counts *c, const char *path)
{
    ls_session_phase(s, LS_PHASE_DETECTION,
                     "%" PRIu64 " records in the source, %" PRIu64 " in the target, compared by %s",
                     c->source_count, c->target_count, path);
    if (c->inserts + c->updates + c->deletes == 0)
        ls_session_phase(s, LS_PHASE_DETECTION, "no sync needed%s",
                         c->moving ? "; some records are moving" : "");
    else
        ls_session_phase(s, LS_PHASE_DETECTION,
                         "%" PRIu64 " to create, %" PRIu64 " to update, %" PRIu64 " to delete",
                         c->inserts, c->updates, c->deletes);
}

static enum ls_code check_brakes(struct session *s, const struct ls_plan_counts *counts,
                                 const char *force, struct ls_error *err)
{
    struct ls_brake_memory last = {"", "", 0};
    unsigned forced = 0;
    enum ls_code rc = ls_api_forced(force, &forced, err);

    if (rc == LS_OK)
        rc = ls_state_last(s->ls->state, &s->run, &s->mem, &last, err);
    return rc == LS_OK ? ls_brake_check(s->job, counts, &last, forced, err) : rc;
}

/* Differences that a finished sync should not have left. */
static uint64_t left_over(const struct ls_job *job, const struct ls_compare_result *v)
{
    const bool deletes = job->deletes != LS_DELETES_KEEP && job->owned;

    return v->count[LS_SOURCE_ONLY] + v->count[LS_INCONSISTENT] +
           (deletes ? v->count[LS_TARGET_ONLY] : 0);
}

/* Where a good part of a table was written, as in a first copy, comparing all of it takes a fraction of the time of asking
 * for each record. */
static bool most_were_touched(const struct session *s, const struct ls_plan_counts *counts)
{
    const uint64_t touched = ls_touched_count(s->touched);

    return !s->job->partial && touched >= MANY_RECORDS && touched >= counts->source_count / 10;
}

/* Comparing all may find what the run has nothing to do with; then the touched records decide after all. */
static enum ls_code read_back(struct session *s, const struct ls_plan_counts *counts, bool all,
                              struct ls_error *err)
{
    const bool most = !all && most_were_touched(s, counts);
    const struct ls_compare_result *v = &s->verified;
    enum ls_code rc = ls_verify(s->job, s->touched, all || most, NULL, &s->hooks, NULL, NULL,
                                &s->verified, &s->scope, err);

    if (rc != LS_OK || !most || (left_over(s->job, v) == 0 && v->count[LS_MOVING] == 0))
        return rc;
    return ls_verify(s->job, s->touched, false, NULL, &s->hooks, NULL, NULL, &s->verified,
                     &s->scope, err);
}

static void log_read_back(struct session *s, uint64_t left)
{
    const uint64_t total = s->verified.total, moving = s->verified.count[LS_MOVING];

    if (total == 0)
        ls_session_phase(s, LS_PHASE_VERIFICATION, "nothing was written, so nothing to read back");
    else if (left + moving == 0)
        ls_session_phase(s, LS_PHASE_VERIFICATION,
                         "%" PRIu64 " records read back on both sides, all equal", total);
    else
        ls_session_phase(s, LS_PHASE_VERIFICATION,
                         "%" PRIu64 " of %" PRIu64 " records read back still differ, %" PRIu64
                         " are moving",
                         left, total, moving);
}

/* A run is verified when what it should have made is there: what it wrote is equal, and there was nothing it could not write. */
static enum ls_code verify(struct session *s, const struct ls_plan_counts *counts, bool all,
                           struct ls_error *err)
{
    uint64_t left;
    enum ls_code rc = read_back(s, counts, all, err);

    if (rc != LS_OK)
        return rc;
    left = left_over(s->job, &s->verified);
    s->run.verified = left + s->applied.failed + s->applied.conflicts == 0;
    log_read_back(s, left);
    return LS_OK;
}

static void log_repair(struct session *s, const struct ls_plan_counts *c)
{
    const uint64_t total = c->inserts + c->updates + c->deletes;
    const char *why = NULL;

    (void)ls_apply_writers(s->job, s->writer, c, &why);
    if (why)
        ls_session_phase(s, LS_PHASE_REPAIR, "%" PRIu64 " changes, by one writer: %s", total, why);
    else
        ls_session_phase(s, LS_PHASE_REPAIR, "%" PRIu64 " changes", total);
}

/* Repair and verification: what sync and apply have in common. What the detection counted is kept first, for a run that dies
 * while it writes. */
static enum ls_code carry_out(struct session *s, struct ls_plan *plan, bool all,
                              struct ls_error *err)
{
    const struct ls_plan_counts *c = ls_plan_counts(plan);
    enum ls_code rc;

    log_repair(s, c);
    rc = ls_state_run_save(s->ls->state, &s->run, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_apply(s->job, s->writer, s->run.id, plan, &s->journal, &s->hooks, s->touched,
                  &s->applied, err);
    s->refused = ls_code_refusal(rc);
    if (rc != LS_OK)
        return rc;
    if (s->applied.writers > 1)
        ls_session_phase(s, LS_PHASE_REPAIR, "written by %zu writers", s->applied.writers);
    if (s->applied.interrupted)
        return ls_error_set(err, LS_CANCELLED,
                            "cancelled after %" PRIu64 " batches; what was written stays, "
                            "and the next sync goes on from there",
                            s->applied.batches);
    return verify(s, c, all, err);
}

static enum ls_code detect(struct session *s, const struct ls_compare_options *options,
                           struct ls_plan **ret_plan, struct ls_compare_result *compared,
                           struct ls_error *err)
{
    enum ls_code rc = ls_plan_make(s->job, options, &s->hooks, ret_plan, compared, err);
    const struct ls_plan_counts *counts;

    if (rc != LS_OK)
        return rc;
    counts = ls_plan_counts(*ret_plan);
    s->run.unchanged = counts->unchanged;
    s->run.source_count = counts->source_count;
    s->run.target_count = counts->target_count;
    return LS_OK;
}

/* Everything of a sync between its begin and its end. */
static enum ls_code run_sync(struct session *s, const struct lockstep_run_options *options,
                             struct ls_error *err)
{
    const struct ls_compare_options compare = {.force_merge = is_full(options)};
    const struct ls_plan_counts *c;
    struct ls_plan *plan = NULL;
    enum ls_code rc = detect(s, &compare, &plan, &s->verified, err);

    if (rc != LS_OK)
        return rc;
    c = ls_plan_counts(plan);
    log_detection(s, c, s->verified.path);
    if (c->inserts + c->updates + c->deletes == 0) {
        s->scope = "all"; /* both sides were just read and are the same */
        s->run.verified = left_over(s->job, &s->verified) == 0;
        goto done;
    }
    rc = check_brakes(s, c, options ? options->force : NULL, err);
    if (rc == LS_OK)
        rc = carry_out(s, plan, is_full(options), err);
done:
    ls_plan_close(plan);
    return rc;
}

/* What a brake would say to these counts; "" when none would stop the run. Without a state no earlier run is known. */
static const char *brake_ahead(struct session *s, const struct ls_plan_counts *counts,
                               const char *force)
{
    struct ls_brake_memory last = {"", "", 0};
    struct ls_error err = {0};
    unsigned forced = 0;
    enum ls_code rc = ls_api_forced(force, &forced, &err);

    if (rc == LS_OK && ls_api_state(s->ls, false, &err) == LS_OK)
        rc = ls_state_last(s->ls->state, &s->run, &s->mem, &last, &err);
    if (rc == LS_OK)
        rc = ls_brake_check(s->job, counts, &last, forced, &err);
    return rc == LS_BRAKE ? ls_arena_text(&s->mem, err.text) : "";
}

/* A dry run: counts without a run. */
static int dry_run(struct session *s, const struct lockstep_run_options *options,
                   struct lockstep_run **ret, struct ls_error *err, struct lockstep_error *error)
{
    const struct ls_compare_options compare = {.force_merge = is_full(options)};
    struct ls_plan_counts c = {0};
    struct ls_compare_result compared = {0};
    struct ls_plan *plan = NULL;
    enum ls_code rc;

    s->run.started_us = ls_clock_now_us();
    ls_session_describe(s);
    rc = detect(s, &compare, &plan, &compared, err);
    if (rc != LS_OK)
        return ls_api_end(s->ls, err, error);
    c = *ls_plan_counts(plan);
    ls_plan_close(plan);
    s->run.error = brake_ahead(s, &c, options->force);
    s->run.kind = "sync";
    s->run.mode = "dry-run";
    s->run.status = LS_RUN_COMPLETED;
    s->run.created = c.inserts;
    s->run.updated = c.updates;
    s->run.deleted = c.deletes;
    s->run.finished_us = ls_clock_now_us();
    *ret = ls_api_run(s->ls, &s->run);
    if (!*ret) {
        ls_error_nomem(err);
        return ls_api_end(s->ls, err, error);
    }
    return c.inserts + c.updates + c.deletes > 0 ? LOCKSTEP_DIFFERENT : LOCKSTEP_OK;
}

int ls_api_sync(struct lockstep *ls, const struct lockstep_select *select,
                const struct lockstep_run_options *options, bool silent, struct lockstep_run **ret,
                struct lockstep_error *error)
{
    const bool dry = flag(options, false);
    struct ls_sync_config config;
    struct session s;
    struct ls_error err = {0};
    unsigned forced = 0;
    enum ls_code rc;
    int code;

    *ret = NULL;
    ls_session_init(&s, ls);
    rc = ls_api_forced(options ? options->force : NULL, &forced, &err);
    if (rc == LS_OK)
        rc = ls_api_select(ls, select, options, &s.mem, &config, &err);
    if (rc == LS_OK && !dry)
        rc = ls_api_state(ls, true, &err);
    if (rc == LS_OK && silent)
        config.silent = true;
    if (rc == LS_OK)
        rc = ls_api_job(ls, &config, !dry, &s.mem, &s.job, &err);
    if (rc != LS_OK) {
        code = ls_api_fail(&err, error);
    } else if (dry) {
        code = dry_run(&s, options, ret, &err, error);
    } else {
        rc = ls_session_begin(&s, "sync", true, &err);
        if (rc == LS_OK)
            rc = run_sync(&s, options, &err);
        code = ls_session_end(&s, rc, &err, ret, error);
    }
    ls_session_done(&s);
    return code;
}

int lockstep_sync(struct lockstep *ls, const struct lockstep_select *select,
                  const struct lockstep_run_options *options, struct lockstep_run **ret,
                  struct lockstep_error *error)
{
    return ls_api_sync(ls, select, options, false, ret, error);
}

/* ---- apply ---- */

/* Opens the job a plan was made for: its own configuration, with the URLs of select when given (for passwords). */
static enum ls_code job_of_plan(struct session *s, FILE *f, const char *path,
                                const struct lockstep_select *select, struct ls_error *err)
{
    struct ls_plan_header header;
    struct ls_sync_config config;
    enum ls_code rc = ls_plan_read_header(f, path, &s->mem, &header, err);

    if (rc == LS_OK)
        rc = ls_sync_config_from_json(header.config_json, &s->mem, &config, err);
    if (rc == LS_OK)
        rc = ls_api_given_again(s->ls, config.name, select, &s->mem, &config, err);
    return rc == LS_OK ? ls_api_job(s->ls, &config, true, &s->mem, &s->job, err) : rc;
}

static enum ls_code run_apply(struct session *s, struct ls_plan *plan,
                              const struct lockstep_run_options *options, struct ls_error *err)
{
    const struct ls_plan_counts *c = ls_plan_counts(plan);
    enum ls_code rc;

    s->run.unchanged = c->unchanged;
    s->run.source_count = c->source_count;
    s->run.target_count = c->target_count;
    rc = check_brakes(s, c, options ? options->force : NULL, err);
    return rc == LS_OK ? carry_out(s, plan, is_full(options), err) : rc;
}

int lockstep_apply(struct lockstep *ls, const char *plan_path, const struct lockstep_select *select,
                   const struct lockstep_run_options *options, struct lockstep_run **ret,
                   struct lockstep_error *error)
{
    FILE *f = fopen(plan_path, "re");
    struct session s;
    struct ls_plan *plan = NULL;
    struct ls_error err = {0};
    enum ls_code rc = LS_OK;
    int code;

    *ret = NULL;
    ls_session_init(&s, ls);
    if (!f)
        rc = ls_error_errno(&err, errno, "cannot open the plan %s", plan_path);
    if (rc == LS_OK)
        rc = ls_api_state(ls, true, &err);
    if (rc == LS_OK) {
        rc = job_of_plan(&s, f, plan_path, select, &err);
        if (rc != LS_OK)
            fclose(f);
    } else if (f) {
        fclose(f);
    }
    if (rc == LS_OK) /* owns f; a plan that does not fit begins no run */
        rc = ls_plan_open(s.job, f, plan_path, &plan, &err);
    if (rc != LS_OK) {
        code = ls_api_fail(&err, error);
    } else {
        rc = ls_session_begin(&s, "apply", true, &err);
        if (rc == LS_OK)
            rc = run_apply(&s, plan, options, &err);
        code = ls_session_end(&s, rc, &err, ret, error);
    }
    ls_plan_close(plan);
    ls_session_done(&s);
    return code;
}
