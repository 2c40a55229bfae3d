/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - a run from its lock to its receipt.
 *
 * Whatever changes a target goes through here, so that the order is the same everywhere: lock the sync in the state and
 * inside the target; find runs whose process died and ask the target what became of their open batches; only then begin. At
 * the end the run's record, its receipt and the audit entry are written before anything is answered.
 *
 * A batch of which the target cannot tell any more whether it committed is taken as committed: its journal is kept,
 * and undo only touches records that are exactly what that batch left. */
#include "api/session.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/text.h"
#include "model/json.h"
#include "state/reserve.h"

static void on_failed(void *ctx, const char *key_json, enum ls_code code, const char *text)
{
    struct session *s = ctx;
    struct ls_error err = {0};

    if (s->kept.code == LS_OK && s->begun &&
        ls_state_run_error(s->ls->state, s->run.id, key_json, code, text, &err) != LS_OK)
        s->kept = err;
}

static void on_progress(void *ctx, enum ls_phase phase, uint64_t done, uint64_t total)
{
    const struct session *s = ctx;

    if (s->ls->listener.progress)
        s->ls->listener.progress(s->ls->listener.ctx, ls_phase_word(phase), done, total);
}

void ls_session_init(struct session *s, struct lockstep *ls)
{
    memset(s, 0, sizeof *s);
    s->ls = ls;
    s->began_us = ls_clock_monotonic_us();
    s->cpu_us = ls_clock_process_us();
    ls_arena_init(&s->mem, 0);
    s->hooks = (struct ls_hooks){
        .ctx = s,
        .cancel = &ls->cancel,
        .progress = on_progress,
        .failed = on_failed,
    };
}

void ls_session_log(struct session *s, int level, const char *fmt, ...)
{
    char line[2000];
    struct ls_error err = {0};
    va_list args;

    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    ls_api_log(s->ls, level, "run %" PRId64 " (%s): %s", s->run.number, s->run.sync, line);
    if (s->begun && s->kept.code == LS_OK &&
        ls_state_run_log(s->ls->state, s->run.id, line, &err) != LS_OK)
        s->kept = err;
}

void ls_session_phase(struct session *s, enum ls_phase phase, const char *fmt, ...)
{
    char text[1000];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    ls_session_log(s, 1, "%s: %s", ls_phase_word(phase), text);
}

/* ---- begin ---- */

static enum ls_code open_writer(struct session *s, struct ls_error *err)
{
    struct ls_store_options options = s->job->target.options;
    const char *name;
    enum ls_code rc;

    options.writable = true;
    rc = ls_store_open(&s->job->target.url, &options, &s->writer, err);
    if (rc != LS_OK || !ls_store_can(s->writer, LS_CAP_LOCK))
        return rc;
    name = ls_arena_printf(&s->mem, "lockstep %s", s->job->target.schema->collection);
    return name ? ls_store_lock(s->writer, name, err) : ls_error_nomem(err);
}

/* In our log, and in that of the run whose batch it was. */
static enum ls_code note_settled(struct session *s, const struct ls_open_batch *open,
                                 enum ls_outcome outcome, struct ls_error *err)
{
    char line[200];

    snprintf(line, sizeof line, "settled: batch %" PRIu64 " had %sbeen committed", open->batch,
             outcome == LS_OUTCOME_ABORTED ? "not " : "");
    ls_api_log(s->ls, 1, "an interrupted run of %s: %s", s->job->name, line);
    return ls_state_run_log(s->ls->state, open->run_id, line, err);
}

static enum ls_code settle_open_batches(struct session *s, struct ls_error *err)
{
    struct ls_open_batch *open = NULL;
    size_t count = 0;
    enum ls_code rc = ls_state_open_batches(s->ls->state, s->job->name, s->job->target.place,
                                            &s->mem, &count, &open, err);

    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        enum ls_outcome outcome = LS_OUTCOME_UNKNOWN;

        rc = ls_store_settle(s->writer, s->job->target.schema, open[i].marker, &outcome, err);
        if (rc == LS_OK)
            rc = ls_state_batch_settle(s->ls->state, open[i].run_id, open[i].batch,
                                       outcome != LS_OUTCOME_ABORTED, err);
        if (rc == LS_OK)
            rc = note_settled(s, &open[i], outcome, err);
    }
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        ls_store_forget(s->writer, open[i].run_id);
    return rc;
}

static enum ls_code find_dead_runs(struct session *s, struct ls_error *err)
{
    int64_t *numbers = NULL;
    size_t count = 0;
    enum ls_code rc =
        ls_state_interrupt_dead(s->ls->state, s->job->name, &s->mem, &count, &numbers, err);

    for (size_t i = 0; i < count && rc == LS_OK; i++)
        ls_api_log(s->ls, 2, "run %" PRId64 " of %s had been interrupted: its process ended",
                   numbers[i], s->job->name);
    return rc;
}

/* The configuration's path; "" when there is none, or it is not there any more. */
static const char *find_project(struct session *s)
{
    char *real = s->ls->config ? realpath(s->ls->config->path, NULL) : NULL;
    const char *path = real ? ls_arena_text(&s->mem, real) : NULL;

    free(real);
    return path && ls_utf8_check(path, strlen(path)) == strlen(path) ? path : "";
}

void ls_session_describe(struct session *s)
{
    struct ls_run *run = &s->run;

    run->sync = s->job->name;
    run->mode = s->job->partial ? LS_RUN_MODE_ONLY : "full";
    if (s->job->source.store) /* an undo opens the target alone */
        run->source = s->job->source.place;
    run->target = s->job->target.place;
    run->project = find_project(s);
}

static enum ls_code begin_run(struct session *s, const char *kind, struct ls_error *err)
{
    struct ls_run *run = &s->run;
    enum ls_code rc;

    ls_session_describe(s);
    run->kind = kind;
    run->config_json = s->job->config_json ? s->job->config_json : "{}";
    run->digest = s->job->digest;
    run->fingerprint = s->job->fingerprint ? s->job->fingerprint : "";
    run->status = LS_RUN_RUNNING;
    run->started_us = ls_clock_now_us();
    run->error = "";
    memcpy(run->id, s->ls->next_run, sizeof run->id);
    rc = ls_state_run_begin(s->ls->state, run, err);
    s->begun = rc == LS_OK;
    if (s->begun && s->ls->begun)
        s->ls->begun(s->ls->begun_ctx, run->number);
    ls_api_next_run(s->ls, NULL, NULL, NULL);
    return rc;
}

enum ls_code ls_session_begin(struct session *s, const char *kind, bool writes,
                              struct ls_error *err)
{
    enum ls_code rc = ls_api_state(s->ls, true, err);

    if (rc == LS_OK && writes) /* its journal may take any room */
        rc = ls_state_room(s->ls->state, err);
    if (rc == LS_OK)
        rc = ls_state_lock(s->ls->state, s->job->name, &s->lock, err);
    if (rc == LS_OK && writes)
        rc = open_writer(s, err);
    if (rc == LS_OK)
        rc = find_dead_runs(s, err);
    if (rc == LS_OK && writes)
        rc = settle_open_batches(s, err);
    if (rc == LS_OK)
        rc = begin_run(s, kind, err);
    if (rc == LS_OK && writes)
        rc = ls_state_journal(s->ls->state, s->run.id, &s->mem, &s->journal, err);
    if (rc == LS_OK && writes)
        rc = ls_touched_open(s->job, &s->touched, err);
    if (rc == LS_OK && s->ls->acting) /* a schedule, or a caller of the daemon */
        ls_session_log(s, 1, "asked for by %s", s->ls->acting);
    if (rc == LS_OK)
        ls_session_phase(s, LS_PHASE_VALIDATION, "%s and %s are there, with key and fields",
                         s->run.source, s->run.target);
    return rc;
}

/* ---- end ---- */

static enum ls_run_status status_of(const struct session *s, enum ls_code rc)
{
    const struct ls_run *run = &s->run;
    const uint64_t done = run->created + run->updated + run->deleted;

    if (rc == LS_BRAKE)
        return LS_RUN_STOPPED;
    if (rc == LS_CANCELLED || s->applied.interrupted)
        return LS_RUN_CANCELLED;
    if (rc != LS_OK)
        return LS_RUN_FAILED;
    if (run->failed + run->conflicts == 0)
        return LS_RUN_COMPLETED;
    return done > 0 || run->unchanged > 0 ? LS_RUN_PARTIAL : LS_RUN_FAILED;
}

static void add_text(struct ls_buf *out, const char *name, const char *text)
{
    ls_buf_printf(out, ",\"%s\":", name);
    ls_text_json(out, text, strlen(text));
}

static void add_side(struct ls_buf *out, const char *name, uint64_t count, uint64_t digest,
                     int64_t as_of_us, const char *position)
{
    char as_of[25];

    ls_clock_iso(as_of_us, as_of);
    ls_buf_printf(out,
                  ",\"%s\":{\"count\":%" PRIu64 ",\"digest\":\"%016" PRIx64 "\",\"as_of\":\"%s\"",
                  name, count, digest, as_of);
    if (*position)
        add_text(out, "position", position);
    ls_buf_text(out, "}");
}

static void build_receipt(const struct session *s, struct ls_buf *out)
{
    const struct ls_run *run = &s->run;
    const struct ls_compare_result *v = &s->verified;
    char at[25];

    ls_clock_iso(run->finished_us, at);
    ls_buf_printf(out, "{\"run\":%" PRId64 ",\"id\":\"%s\"", run->number, run->id);
    add_text(out, "sync", run->sync);
    add_text(out, "kind", run->kind);
    add_text(out, "source", run->source);
    add_text(out, "target", run->target);
    add_text(out, "status", ls_run_status_word(run->status));
    add_text(out, "finished_at", at);
    ls_buf_printf(
        out,
        ",\"counts\":{\"created\":%" PRIu64 ",\"updated\":%" PRIu64 ",\"deleted\":%" PRIu64
        ",\"unchanged\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"conflicts\":%" PRIu64 "}",
        run->created, run->updated, run->deleted, run->unchanged, run->failed, run->conflicts);
    ls_buf_printf(out, ",\"verified\":%s,\"scope\":\"%s\"", run->verified ? "true" : "false",
                  s->scope ? s->scope : "none");
    if (s->scope && *v->family) {
        add_text(out, "family", v->family);
        ls_buf_printf(out, ",\"seeds\":[\"%016" PRIx64 "\",\"%016" PRIx64 "\"]", v->seeds[0],
                      v->seeds[1]);
        add_side(out, "source_side", v->source_count, v->source_digest, v->source_as_of_us,
                 v->source_position);
        add_side(out, "target_side", v->target_count, v->target_digest, v->target_as_of_us,
                 v->target_position);
    }
    ls_buf_text(out, "}");
}

static enum ls_code write_receipt(struct session *s, struct ls_error *err)
{
    struct ls_buf body;
    enum ls_code rc;

    ls_buf_init(&body, 0);
    build_receipt(s, &body);
    rc = body.failed ? ls_error_nomem(err)
                     : ls_state_receipt_add(s->ls->state, s->run.id, ls_buf_str(&body), err);
    ls_buf_done(&body);
    return rc;
}

/* The outcome for the audit log. */
static enum ls_code write_audit(struct session *s, struct ls_error *err)
{
    char detail[300];
    const struct ls_run *run = &s->run;

    snprintf(detail, sizeof detail,
             "{\"run\":%" PRId64 ",\"status\":\"%s\",\"created\":%" PRIu64 ",\"updated\":%" PRIu64
             ",\"deleted\":%" PRIu64 ",\"failed\":%" PRIu64 "}",
             run->number, ls_run_status_word(run->status), run->created, run->updated, run->deleted,
             run->failed);
    return ls_api_audit(s->ls, run->kind, run->sync, detail, err);
}

/* What the run took. Threads of other runs in this process count too: nobody tells them apart. */
static void log_use(const struct session *s)
{
    struct rusage use = {0};

    (void)getrusage(RUSAGE_SELF, &use);
    ls_api_log(s->ls, 1,
               "run %" PRId64 " (%s): took %" PRId64 " ms, %" PRId64
               " ms of the process's time on processors; the process has used up to %ld KiB of "
               "memory",
               s->run.number, s->run.sync, (ls_clock_monotonic_us() - s->began_us) / 1000,
               (ls_clock_process_us() - s->cpu_us) / 1000, use.ru_maxrss);
}

static enum ls_code record_end(struct session *s, enum ls_code outcome, const struct ls_error *why,
                               struct ls_error *err)
{
    struct ls_run *run = &s->run;
    enum ls_code rc;

    run->status = status_of(s, outcome);
    run->finished_us = ls_clock_now_us();
    run->error = outcome == LS_OK ? "" : why->text;
    ls_session_log(s, outcome == LS_OK ? 1 : 3,
                   "%s: %" PRIu64 " created, %" PRIu64 " updated, %" PRIu64 " deleted, %" PRIu64
                   " failed, %" PRIu64 " conflicts%s%s",
                   ls_run_status_word(run->status), run->created, run->updated, run->deleted,
                   run->failed, run->conflicts, *run->error ? ": " : "", run->error);
    log_use(s);
    rc = ls_state_run_save(s->ls->state, run, err);
    if (rc == LS_OK && s->writer)
        ls_store_forget(s->writer, run->id); /* every batch's end is on disk now */
    if (rc == LS_OK && run->status != LS_RUN_STOPPED)
        rc = write_receipt(s, err);
    if (rc == LS_OK)
        rc = write_audit(s, err);
    return rc != LS_OK ? rc : s->kept.code;
}

/* The public code of a run that ended by itself. */
static int code_of(const struct session *s)
{
    if (s->run.status == LS_RUN_CANCELLED)
        return LOCKSTEP_CANCELLED;
    return s->run.failed + s->run.conflicts > 0 || !s->run.verified ? LOCKSTEP_DIFFERENT
                                                                    : LOCKSTEP_OK;
}

int ls_session_end(struct session *s, enum ls_code rc, struct ls_error *err,
                   struct lockstep_run **ret, struct lockstep_error *error)
{
    const char *cause = atomic_load(&s->ls->cancel_why);
    struct ls_error late = {0};
    int code;

    if (ret)
        *ret = NULL;
    if (rc == LS_CANCELLED && cause)
        rc = ls_error_wrap(err, "%s", cause);
    s->run.created = s->applied.created;
    s->run.updated = s->applied.updated;
    s->run.deleted = s->applied.deleted;
    s->run.failed = s->applied.failed;
    s->run.conflicts = s->applied.conflicts;
    if (s->begun) {
        if (s->writer && s->writer->in_transaction)
            ls_store_rollback(s->writer);
        if (record_end(s, rc, err, &late) != LS_OK && rc == LS_OK) {
            *err = late.code != LS_OK ? late : s->kept;
            rc = err->code;
        }
        if (ret && !(*ret = ls_api_run(s->ls, &s->run)) && rc == LS_OK)
            rc = ls_error_nomem(err);
    }
    if (rc == LS_OK)
        return code_of(s);
    code = ls_api_end(s->ls, err, error);
    if (!s->refused)
        return code;
    if (error) /* records failed, we did not */
        error->code = LOCKSTEP_DIFFERENT;
    return LOCKSTEP_DIFFERENT;
}

void ls_session_done(struct session *s)
{
    ls_touched_close(s->touched);
    ls_store_close(s->writer);
    ls_state_unlock(s->lock);
    ls_job_close(s->job);
    ls_arena_done(&s->mem);
}
