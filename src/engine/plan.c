/* SPDX-License-Identifier: Apache-2.0 */
/* plan.c - the changes that would make the target match.
 *
 * Which change a difference asks for is decided here, once, and counted. Where changes are kept there are two ways. A plan
 * that somebody asked for is a file of JSON, checked before it is applied (plan_file.c). A sync's own changes, which nobody
 * else reads, are a spool of encoded records in an unnamed temporary file: it cannot be edited, swapped or left
 * over, so it has no digest and no header, and the length and the number of its blobs tell whether all of it came back. What protects
 * the records themselves is the same for both: apply looks at each one under its lock before it is written. */
#include "engine/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/mapping.h"
#include "engine/plan_file.h"
#include "engine/spool.h"
#include "model/json.h"

#define NEXT_BYTES (4u << 20) /* a batch of changes ends at about this many bytes */

/* ---- making ---- */

typedef enum ls_code put_fn(void *ctx, const struct ls_change *change, struct ls_error *err);

struct maker {
    struct ls_job *job;
    put_fn *put;
    void *ctx;
    struct ls_plan_counts counts;
    struct ls_value *after; /* scratch: one record of the layout */
    int64_t now_us;
};

/* One mark of a deleted record; a time that is there stays: it was deleted then. */
static enum ls_code mark_deleted(struct maker *m, const struct ls_soft *soft,
                                 const struct ls_value *record, struct ls_arena *mem, bool *changes,
                                 struct ls_error *err)
{
    const struct ls_job *job = m->job;
    struct ls_value *slot = &m->after[soft->position], mark;
    enum ls_code rc;

    if (job->mapping->marks[soft - job->soft].now && slot->type != LS_T_NULL)
        return LS_OK;
    rc = ls_job_soft_value(job, soft, record, m->now_us, mem, &mark, err);
    if (rc != LS_OK || ls_value_equal(slot, &mark, &job->layout.as[soft->position]))
        return rc;
    *slot = mark;
    *changes = true;
    return LS_OK;
}

/* A target-only record under `deletes: soft`, which does not have all its marks yet. */
static enum ls_code plan_soft_delete(struct maker *m, const struct ls_difference *d,
                                     struct ls_error *err)
{
    const struct ls_job *job = m->job;
    bool changes = false;
    struct ls_arena mem;
    enum ls_code rc = LS_OK;

    ls_arena_init(&mem, 0);
    memcpy(m->after, d->target, job->layout.field_count * sizeof *m->after);
    for (size_t i = 0; i < job->soft_count && rc == LS_OK; i++)
        rc = mark_deleted(m, &job->soft[i], d->target, &mem, &changes, err);
    if (rc == LS_OK && changes) {
        const struct ls_change change = {LS_UPDATE, d->key, d->target, m->after};

        m->counts.updates++;
        m->counts.soft++;
        rc = m->put(m->ctx, &change, err);
    } else if (rc == LS_OK) {
        m->counts.unchanged++;
    }
    ls_arena_done(&mem);
    return rc;
}

static enum ls_code plan_target_only(struct maker *m, const struct ls_difference *d,
                                     struct ls_error *err)
{
    const struct ls_change change = {LS_DELETE, d->key, d->target, NULL};

    if (m->job->deletes == LS_DELETES_KEEP || !m->job->owned) {
        m->counts.kept++;
        return LS_OK;
    }
    if (m->job->deletes == LS_DELETES_SOFT)
        return plan_soft_delete(m, d, err);
    m->counts.deletes++;
    return m->put(m->ctx, &change, err);
}

static enum ls_code plan_difference(void *ctx, const struct ls_difference *d, struct ls_error *err)
{
    struct maker *m = ctx;

    switch (d->status) {
    case LS_SOURCE_ONLY:
        m->counts.inserts++;
        return m->put(m->ctx, &(struct ls_change){LS_INSERT, d->key, NULL, d->source}, err);
    case LS_INCONSISTENT:
        m->counts.updates++;
        return m->put(m->ctx, &(struct ls_change){LS_UPDATE, d->key, d->target, d->source}, err);
    case LS_TARGET_ONLY:
        return plan_target_only(m, d, err);
    case LS_MOVING:
    case LS_CONFLICTED:
    case LS_IN_SYNC:
    case LS_STATUS_COUNT:
        break;
    }
    return LS_OK; /* what moves is left for the next run */
}

/* Compares, and puts every change where m says. */
static enum ls_code make(struct maker *m, const struct ls_compare_options *options,
                         const struct ls_hooks *hooks, struct ls_compare_result *ret_compare,
                         struct ls_error *err)
{
    enum ls_code rc;

    m->after = calloc(m->job->layout.field_count, sizeof *m->after);
    if (!m->after)
        return ls_error_nomem(err);
    rc = ls_compare(m->job, options, hooks, plan_difference, m, ret_compare, err);
    free(m->after);
    if (rc != LS_OK)
        return rc;
    m->counts.unchanged += ret_compare->count[LS_IN_SYNC];
    m->counts.moving = ret_compare->count[LS_MOVING];
    m->counts.source_count = ret_compare->source_count;
    m->counts.target_count = ret_compare->target_count;
    return LS_OK;
}

enum ls_code ls_plan_save(struct ls_job *job, const struct ls_compare_options *options,
                          const struct ls_hooks *hooks, const char *path,
                          struct ls_plan_counts *ret_counts, struct ls_compare_result *ret_compare,
                          struct ls_error *err)
{
    struct ls_plan_file_writer file;
    struct maker m = {
        .job = job, .put = ls_plan_file_put, .ctx = &file, .now_us = ls_clock_now_us()};
    enum ls_code rc = ls_plan_file_begin(&file, job, path, m.now_us, err);

    if (rc == LS_OK)
        rc = make(&m, options, hooks, ret_compare, err);
    if (rc == LS_OK)
        rc = ls_plan_file_end(&file, &m.counts, err);
    if (rc == LS_OK)
        *ret_counts = m.counts;
    ls_plan_file_done(&file);
    return rc;
}

/* ---- a plan ---- */

struct ls_plan {
    const struct ls_layout *layout;
    struct ls_plan_counts counts;
    struct ls_plan_file *file; /* NULL: in the spool */
    struct ls_spool spool;
    struct ls_buf scratch;
};

/* u8 kind, the key, and what there is of before and after. */
static enum ls_code spool_change(void *ctx, const struct ls_change *change, struct ls_error *err)
{
    struct ls_plan *plan = ctx;
    const struct ls_layout *layout = plan->layout;

    ls_buf_reset(&plan->scratch);
    ls_buf_u8(&plan->scratch, (uint8_t)change->kind);
    ls_values_encode(&plan->scratch, change->key, layout->key_count);
    if (change->before)
        ls_values_encode(&plan->scratch, change->before, layout->field_count);
    if (change->after)
        ls_values_encode(&plan->scratch, change->after, layout->field_count);
    return ls_spool_add(&plan->spool, &plan->scratch, err);
}

enum ls_code ls_plan_make(struct ls_job *job, const struct ls_compare_options *options,
                          const struct ls_hooks *hooks, struct ls_plan **ret,
                          struct ls_compare_result *ret_compare, struct ls_error *err)
{
    struct ls_plan *plan = calloc(1, sizeof *plan);
    struct maker m = {.job = job, .put = spool_change, .ctx = plan, .now_us = ls_clock_now_us()};
    enum ls_code rc;

    if (!plan)
        return ls_error_nomem(err);
    plan->layout = &job->layout;
    ls_buf_init(&plan->scratch, 0);
    rc = make(&m, options, hooks, ret_compare, err);
    if (rc == LS_OK)
        rc = ls_spool_rewind(&plan->spool, err);
    if (rc != LS_OK) {
        ls_plan_close(plan);
        return rc;
    }
    plan->counts = m.counts;
    *ret = plan;
    return LS_OK;
}

enum ls_code ls_plan_open(struct ls_job *job, FILE *f, const char *shown_path, struct ls_plan **ret,
                          struct ls_error *err)
{
    struct ls_plan_file *file = NULL;
    struct ls_plan *plan;
    enum ls_code rc = ls_plan_file_open(job, f, shown_path, &file, err);

    if (rc != LS_OK)
        return rc;
    plan = calloc(1, sizeof *plan);
    if (!plan) {
        ls_plan_file_close(file);
        return ls_error_nomem(err);
    }
    plan->layout = &job->layout;
    plan->counts = *ls_plan_file_counts(file);
    plan->file = file;
    *ret = plan;
    return LS_OK;
}

void ls_plan_close(struct ls_plan *plan)
{
    if (!plan)
        return;
    ls_plan_file_close(plan->file);
    ls_spool_done(&plan->spool);
    ls_buf_done(&plan->scratch);
    free(plan);
}

const struct ls_plan_counts *ls_plan_counts(const struct ls_plan *plan)
{
    return &plan->counts;
}

/* Values out of a blob that stays where it is; NULL when they cannot be read. */
static struct ls_value *spooled_values(struct ls_reader *rd, struct ls_arena *mem, size_t count)
{
    struct ls_value *values = ls_arena_array(mem, count, sizeof *values);

    return values && ls_values_decode(rd, NULL, values, count) ? values : NULL;
}

static enum ls_code next_spooled(struct ls_plan *plan, struct ls_arena *mem, struct ls_change *ret,
                                 size_t *ret_bytes, struct ls_error *err)
{
    const struct ls_layout *layout = plan->layout;
    struct ls_reader rd;
    void *blob = NULL;
    size_t size = 0, used = mem->used_bytes;
    bool ok;
    enum ls_code rc = ls_spool_next(&plan->spool, mem, &blob, &size, err);

    *ret_bytes = 0;
    if (rc != LS_OK || !blob)
        return rc;
    ls_reader_init(&rd, blob, size);
    *ret = (struct ls_change){.kind = (enum ls_change_kind)ls_reader_u8(&rd)};
    ret->key = spooled_values(&rd, mem, layout->key_count);
    ok = ret->key != NULL;
    if (ok && ret->kind != LS_INSERT)
        ok = (ret->before = spooled_values(&rd, mem, layout->field_count)) != NULL;
    if (ok && ret->kind != LS_DELETE)
        ok = (ret->after = spooled_values(&rd, mem, layout->field_count)) != NULL;
    if (!ok && !rd.failed)
        return ls_error_nomem(err);
    if (rd.failed || rd.at != rd.size)
        return ls_error_set(err, LS_IO, "a change in a temporary file cannot be read back");
    *ret_bytes = mem->used_bytes - used;
    return LS_OK;
}

enum ls_code ls_plan_next(struct ls_plan *plan, size_t max, size_t max_bytes, struct ls_arena *mem,
                          struct ls_change **ret, size_t *ret_count, struct ls_error *err)
{
    struct ls_change *changes = ls_arena_array(mem, max, sizeof *changes);
    const size_t most = max_bytes ? max_bytes : NEXT_BYTES;
    size_t n = 0, bytes = 0, size = 1;

    if (!changes)
        return ls_error_nomem(err);
    while (n < max && bytes < most && size) {
        enum ls_code rc = plan->file ? ls_plan_file_next(plan->file, mem, &changes[n], &size, err)
                                     : next_spooled(plan, mem, &changes[n], &size, err);

        if (rc != LS_OK)
            return rc;
        bytes += size;
        n += size > 0;
    }
    *ret = changes;
    *ret_count = n;
    return LS_OK;
}
