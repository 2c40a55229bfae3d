/* SPDX-License-Identifier: Apache-2.0 */
/* look.c - status, diff, verify: the calls that only read.
 *
 * status and diff remember nothing and need no state; verify leaves a receipt, so it is a run. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/session.h"
#include "base/clock.h"
#include "model/json.h"

/* ---- status and diff ---- */

static enum ls_code fill_status(const struct ls_job *job, const struct ls_compare_result *r,
                                int64_t started_us, bool explain, struct lockstep_status *ret,
                                struct ls_error *err)
{
    struct lockstep_status s = {
        .sync = strdup(job->name),
        .source = strdup(job->source.place),
        .target = strdup(job->target.place),
        .total = r->total,
        .in_sync = r->count[LS_IN_SYNC],
        .source_only = r->count[LS_SOURCE_ONLY],
        .target_only = r->count[LS_TARGET_ONLY],
        .inconsistent = r->count[LS_INCONSISTENT],
        .moving = r->count[LS_MOVING],
        .conflict = r->count[LS_CONFLICTED],
        .source_count = r->source_count,
        .target_count = r->target_count,
        .duration_ms = (ls_clock_monotonic_us() - started_us) / 1000,
        .path = strdup(r->path ? r->path : ""),
        .explain = strdup(explain ? r->explain : ""),
    };

    if (!s.sync || !s.source || !s.target || !s.path || !s.explain) {
        lockstep_status_done(&s);
        return ls_error_nomem(err);
    }
    *ret = s;
    return LS_OK;
}

void lockstep_status_done(struct lockstep_status *status)
{
    if (!status)
        return;
    free(status->sync);
    free(status->source);
    free(status->target);
    free(status->path);
    free(status->explain);
    memset(status, 0, sizeof *status);
}

static bool is_different(const struct lockstep_status *s)
{
    return s->source_only + s->target_only + s->inconsistent + s->conflict > 0;
}

/* Hands differences to the caller. */
struct teller {
    const struct ls_job *job;
    lockstep_difference_fn *fn;
    void *ctx;
    uint64_t left; /* to hand out; UINT64_MAX: no limit */
};

/* One value for people; NULL when there is none. In mem. */
static const char *shown(const struct ls_value *v, struct ls_arena *mem)
{
    struct ls_buf out;
    const char *ret = NULL;

    if (!v || v->type == LS_T_NULL)
        return NULL;
    ls_buf_init(&out, 0);
    ls_value_to_text(&out, v);
    ret = ls_arena_text(mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return ret;
}

static const char *key_text(const struct ls_layout *layout, const struct ls_value *key,
                            struct ls_arena *mem)
{
    const char *text = "";

    for (size_t i = 0; i < layout->key_count; i++) {
        const char *value = shown(&key[i], mem);

        text = ls_arena_printf(mem, "%s%s%s=%s", text, i ? ", " : "",
                               layout->fields[layout->key[i]].name, value ? value : "null");
    }
    return text;
}

static void fill_fields(const struct ls_layout *layout, const struct ls_difference *d,
                        struct lockstep_field *fields, struct ls_arena *mem)
{
    for (size_t i = 0; i < layout->field_count; i++)
        fields[i] = (struct lockstep_field){
            .name = layout->fields[i].name,
            .source = d->source ? shown(&d->source[i], mem) : NULL,
            .target = d->target ? shown(&d->target[i], mem) : NULL,
            .differs = d->differs ? d->differs[i] : d->status != LS_IN_SYNC,
        };
    for (size_t k = 0; k < layout->key_count; k++)
        fields[layout->key[k]].is_key = true;
}

static enum ls_code tell(void *ctx, const struct ls_difference *d, struct ls_error *err)
{
    struct teller *t = ctx;
    const struct ls_layout *layout = &t->job->layout;
    struct ls_arena mem;
    struct lockstep_field *fields;
    struct lockstep_difference public;
    enum ls_code rc = LS_OK;

    if (t->left == 0)
        return LS_OK; /* the rest is only counted */
    if (t->left != UINT64_MAX)
        t->left--;
    ls_arena_init(&mem, 0);
    fields = ls_arena_array(&mem, layout->field_count, sizeof *fields);
    if (fields) {
        fill_fields(layout, d, fields, &mem);
        public = (struct lockstep_difference){
            .status = ls_status_word(d->status),
            .key = key_text(layout, d->key, &mem),
            .json = ls_json_difference(layout, d, &mem),
            .field_count = layout->field_count,
            .fields = fields,
        };
    }
    if (!fields || !public.key || !public.json)
        rc = ls_error_nomem(err);
    else if (!t->fn(t->ctx, &public))
        rc = ls_error_set(err, LS_CANCELLED, "the diff was ended by its reader");
    ls_arena_done(&mem);
    return rc;
}

static int look(struct lockstep *ls, const struct lockstep_select *select,
                const struct lockstep_run_options *options, lockstep_difference_fn *fn, void *ctx,
                struct lockstep_status *ret, struct lockstep_error *error)
{
    const struct ls_compare_options compare = {.force_merge = options && options->full,
                                               .every = options && options->every};
    const struct ls_hooks hooks = ls_api_hooks(ls);
    const int64_t started_us = ls_clock_monotonic_us();
    struct teller teller = {.fn = fn, .ctx = ctx, .left = UINT64_MAX};
    struct ls_sync_config config;
    struct ls_compare_result result = {0};
    struct ls_job *job = NULL;
    struct ls_arena mem;
    struct ls_error err = {0};
    enum ls_code rc;

    if (options && options->limit)
        teller.left = options->limit;
    ls_arena_init(&mem, 0);
    rc = ls_api_select(ls, select, NULL, &mem, &config, &err);
    if (rc == LS_OK)
        rc = ls_api_job(ls, &config, false, &mem, &job, &err);
    teller.job = job;
    if (rc == LS_OK)
        rc = ls_compare(job, &compare, &hooks, fn ? tell : NULL, &teller, &result, &err);
    if (rc == LS_OK)
        rc = fill_status(job, &result, started_us, options && options->explain, ret, &err);
    ls_job_close(job);
    ls_arena_done(&mem);
    if (rc != LS_OK)
        return ls_api_end(ls, &err, error);
    return is_different(ret) ? LOCKSTEP_DIFFERENT : LOCKSTEP_OK;
}

int lockstep_status(struct lockstep *ls, const struct lockstep_select *select,
                    const struct lockstep_run_options *options, struct lockstep_status *ret,
                    struct lockstep_error *error)
{
    return look(ls, select, options, NULL, NULL, ret, error);
}

int lockstep_diff(struct lockstep *ls, const struct lockstep_select *select,
                  const struct lockstep_run_options *options, lockstep_difference_fn *fn, void *ctx,
                  struct lockstep_status *ret, struct lockstep_error *error)
{
    return look(ls, select, options, fn, ctx, ret, error);
}

/* ---- verify ---- */

static enum ls_code run_verify(struct session *s, bool full, struct ls_error *err)
{
    const struct ls_compare_options compare = {.force_merge = full};
    enum ls_code rc;

    ls_session_phase(s, LS_PHASE_VERIFICATION, "reading both sides");
    rc = ls_verify(s->job, NULL, true, &compare, &s->hooks, NULL, NULL, &s->verified, &s->scope,
                   err);
    if (rc != LS_OK)
        return rc;
    s->run.unchanged = s->verified.count[LS_IN_SYNC];
    s->run.source_count = s->verified.source_count;
    s->run.target_count = s->verified.target_count;
    s->run.verified = s->verified.count[LS_SOURCE_ONLY] + s->verified.count[LS_TARGET_ONLY] +
                          s->verified.count[LS_INCONSISTENT] ==
                      0;
    ls_session_phase(s, LS_PHASE_VERIFICATION, "%" PRIu64 " records, %" PRIu64 " in sync",
                     s->verified.total, s->verified.count[LS_IN_SYNC]);
    return LS_OK;
}

int lockstep_verify(struct lockstep *ls, const struct lockstep_select *select,
                    const struct lockstep_run_options *options, struct lockstep_status *ret,
                    struct lockstep_error *error)
{
    const int64_t started_us = ls_clock_monotonic_us();
    struct lockstep_status status = {0};
    struct ls_sync_config config;
    struct session s;
    struct ls_error err = {0};
    enum ls_code rc;
    int code;

    ls_session_init(&s, ls);
    rc = ls_api_select(ls, select, NULL, &s.mem, &config, &err);
    if (rc == LS_OK)
        rc = ls_api_state(ls, true, &err);
    if (rc == LS_OK)
        rc = ls_api_job(ls, &config, false, &s.mem, &s.job, &err);
    if (rc != LS_OK) {
        code = ls_api_fail(&err, error);
    } else {
        rc = ls_session_begin(&s, "verify", false, &err);
        if (rc == LS_OK)
            rc = run_verify(&s, options && options->full, &err);
        if (rc == LS_OK)
            rc = fill_status(s.job, &s.verified, started_us, options && options->explain, &status,
                             &err);
        status.run = s.run.number;
        code = ls_session_end(&s, rc, &err, NULL, error);
    }
    if (code == LOCKSTEP_OK || code == LOCKSTEP_DIFFERENT)
        *ret = status;
    else
        lockstep_status_done(&status);
    ls_session_done(&s);
    return code;
}
