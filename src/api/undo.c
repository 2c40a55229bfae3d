/* SPDX-License-Identifier: Apache-2.0 */
/* undo.c - takes a run back.
 *
 * An undo is a run of its own, with its journal, so it can be taken back too. It leaves alone what somebody changed since; for that the
 * run can be undone again, as often as it takes. What is left of a run are the entries of its journal that no undo of it has
 * taken back, or that an undo of an undo has brought again (engine/taken.c).
 *
 * A run that was taken back altogether is refused: a second undo, typed by mistake, says so instead of doing nothing. The refusal looks at
 * the list of runs alone; whenever that leaves a doubt the journals decide. */
#include <inttypes.h>
#include <string.h>

#include "api/session.h"
#include "engine/sync_config.h"
#include "engine/taken.h"

/* ---- which runs ---- */

static bool took_something(const struct ls_run *undo)
{
    return undo->created + undo->updated + undo->deleted > 0;
}

/* How to do a run again that these took back: by undoing each of them, the newest first. */
static enum ls_code refuse_undone(const struct ls_run *run, const struct ls_run *undos,
                                  size_t count, struct ls_error *err)
{
    enum ls_code rc = ls_error_set(err, LS_USAGE,
                                   "run %" PRId64 " was undone by run %" PRId64
                                   ". To do it again, undo that one: lockstep undo %" PRId64,
                                   run->number, run->undone_by, run->undone_by);

    for (size_t i = 0; i < count; i++)
        if (undos[i].number < run->undone_by && took_something(&undos[i]) && err) {
            const size_t size = strlen(err->text);

            snprintf(err->text + size, sizeof err->text - size, ", then lockstep undo %" PRId64,
                     undos[i].number);
        }
    return rc;
}

static enum ls_code may_undo(struct session *s, const struct ls_run *run, struct ls_error *err)
{
    struct ls_run *undos = NULL;
    bool complete = false, brought_again = false;
    size_t count = 0;
    enum ls_code rc;

    if (strcmp(run->kind, "verify") == 0)
        return ls_error_set(err, LS_USAGE,
                            "run %" PRId64 " only verified: there is nothing to take back",
                            run->number);
    if (!run->undone_by)
        return LS_OK;
    rc = ls_state_undos(s->ls->state, run, &s->mem, &count, &undos, err);
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        complete =
            complete || (undos[i].number == run->undone_by && undos[i].status == LS_RUN_COMPLETED);
        brought_again = brought_again || undos[i].undone_by > run->undone_by;
    }
    if (rc == LS_OK && complete && !brought_again)
        rc = refuse_undone(run, undos, count, err);
    return rc;
}

/* ---- where ---- */

static enum ls_code job_of_run(struct session *s, const struct ls_run *old,
                               const struct lockstep_select *select, struct ls_error *err)
{
    struct ls_sync_config config;
    enum ls_code rc = ls_sync_config_from_json(old->config_json, &s->mem, &config, err);

    if (rc == LS_OK)
        rc = ls_api_given_again(s->ls, old->sync, select, &s->mem, &config, err);
    if (rc == LS_OK)
        rc = ls_job_open_target(old->sync, &config.target, old->target, config.key_count,
                                config.key, &s->job, err);
    if (rc != LS_OK)
        return ls_error_wrap(err, "run %" PRId64, old->number);
    s->job->config_json = old->config_json;
    s->job->fingerprint = old->fingerprint; /* of both sides, as the brakes remember it */
    s->job->atomic = config.atomic;
    s->job->target.options.origin = config.silent ? LS_ORIGIN_SYNC : NULL; /* as that run was */
    memcpy(s->job->digest, old->digest, strlen(old->digest) + 1);
    s->run.source = old->source;
    return LS_OK;
}

/* ---- what is left ---- */

static enum ls_code find_taken(struct session *s, const struct ls_run *run, struct ls_taken *ret,
                               struct ls_error *err);

/* Adds what one undo took back and has not lost to an undo of its own. A pruned one cannot tell; hashes guard its records. */
static enum ls_code add_taken(struct session *s, const struct ls_run *undo, struct ls_taken *taken,
                              struct ls_error *err)
{
    struct ls_journal_source source;
    struct ls_taken gone;
    struct ls_error pruned;
    enum ls_code rc;

    ls_taken_init(&gone);
    rc = find_taken(s, undo, &gone, err);
    if (rc != LS_OK)
        goto done;
    rc = ls_state_journal_source(s->ls->state, undo->id, &s->mem, &source, &pruned);
    if (rc == LS_OK)
        rc = ls_taken_add(taken, s->job, &source, &gone, err);
    else if (rc == LS_NOT_FOUND)
        rc = LS_OK;
    else if (err)
        *err = pruned;
done:
    ls_taken_done(&gone);
    return rc;
}

/* What of a run's journal is taken back now. */
static enum ls_code find_taken(struct session *s, const struct ls_run *run, struct ls_taken *ret,
                               struct ls_error *err)
{
    struct ls_run *undos = NULL;
    size_t count = 0;
    enum ls_code rc = ls_state_undos(s->ls->state, run, &s->mem, &count, &undos, err);

    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = add_taken(s, &undos[i], ret, err);
    return rc;
}

/* ---- taking back ---- */

static enum ls_code verify_undo(struct session *s, const char *old_id, const struct ls_taken *taken,
                                struct ls_error *err)
{
    struct ls_journal_source source;
    uint64_t checked = 0, different = 0;
    enum ls_code rc = ls_state_journal_source(s->ls->state, old_id, &s->mem, &source, err);

    if (rc == LS_OK)
        rc = ls_verify_undo(s->job, &source, taken, &s->hooks, &checked, &different, err);
    if (rc != LS_OK)
        return rc;
    s->run.verified = different + s->applied.conflicts + s->applied.failed == 0;
    s->scope = "touched";
    s->verified.target_count = checked;
    ls_session_phase(s, LS_PHASE_VERIFICATION,
                     "%" PRIu64 " records read back, %" PRIu64 " are as before the run", checked,
                     checked - different);
    return LS_OK;
}

static enum ls_code take_back(struct session *s, const struct ls_run *old,
                              const struct ls_taken *taken, struct ls_error *err)
{
    struct ls_journal_source source;
    enum ls_code rc = ls_state_journal_source(s->ls->state, old->id, &s->mem, &source, err);

    if (rc != LS_OK)
        return rc;
    ls_session_phase(s, LS_PHASE_REPAIR, "taking back run %" PRId64, old->number);
    rc = ls_undo(s->job, s->writer, s->run.id, &source, taken, &s->journal, &s->hooks, s->touched,
                 &s->applied, err);
    s->refused = ls_code_refusal(rc);
    if (rc == LS_OK && s->applied.interrupted)
        rc = ls_error_set(err, LS_CANCELLED,
                          "cancelled after %" PRIu64 " batches. Run `lockstep undo %" PRId64
                          "` again for the rest",
                          s->applied.batches, old->number);
    return rc == LS_OK ? verify_undo(s, old->id, taken, err) : rc;
}

/* Notes in the old run who took it back: whoever took something, or found that nothing was left. */
static enum ls_code note_undone(struct session *s, struct ls_run *old, struct ls_error *err)
{
    const struct ls_apply_result *a = &s->applied;
    enum ls_code rc;

    if (a->created + a->updated + a->deleted == 0 &&
        (a->failed + a->conflicts > 0 || a->interrupted))
        return LS_OK;
    /* the old run may have been found dead only now: read it again */
    rc = ls_state_run_find(s->ls->state, old->id, &s->mem, old, err);
    old->undone_by = s->run.number;
    return rc == LS_OK ? ls_state_run_save(s->ls->state, old, err) : rc;
}

static enum ls_code run_undo(struct session *s, struct ls_run *old, struct ls_error *err)
{
    struct ls_taken taken;
    struct ls_error ignored;
    enum ls_code rc, noted = LS_OK;

    ls_taken_init(&taken);
    rc = find_taken(s, old, &taken, err);
    if (rc == LS_OK)
        rc = take_back(s, old, &taken, err);
    if (rc == LS_OK || rc == LS_CANCELLED)
        noted = note_undone(s, old, rc == LS_OK ? err : &ignored);
    ls_taken_done(&taken);
    return rc == LS_OK ? noted : rc;
}

int lockstep_undo(struct lockstep *ls, const char *run, const struct lockstep_select *select,
                  const struct lockstep_run_options *options, struct lockstep_run **ret,
                  struct lockstep_error *error)
{
    struct session s;
    struct ls_run old;
    struct ls_error err = {0};
    enum ls_code rc;
    int code;

    (void)options; /* no brake holds an undo, and --force never goes past its conflicts */
    *ret = NULL;
    ls_session_init(&s, ls);
    rc = ls_api_state(ls, false, &err);
    if (rc == LS_OK)
        rc = ls_state_run_find(ls->state, run, &s.mem, &old, &err);
    if (rc == LS_OK)
        rc = may_undo(&s, &old, &err);
    if (rc == LS_OK)
        rc = job_of_run(&s, &old, select, &err);
    if (rc != LS_OK) {
        code = ls_api_fail(&err, error);
    } else {
        s.run.undoes = old.number;
        rc = ls_session_begin(&s, "undo", true, &err);
        if (rc == LS_OK)
            rc = run_undo(&s, &old, &err);
        code = ls_session_end(&s, rc, &err, ret, error);
    }
    ls_session_done(&s);
    return code;
}
