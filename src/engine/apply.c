/* SPDX-License-Identifier: Apache-2.0 */
/* apply.c - carries out a plan, and takes a run back.
 *
 * Both make steps and hand them to steps.c: apply from the changes of a plan, which expect the values
 * that the plan saw; undo from the journal, newest first, which expects the record exactly as the run left it. So
 * undo never overwrites what somebody wrote since, and a run that was undone can itself be
 * undone. An undo that left conflicts can be made again: entries that were taken back already are passed over. *
 * A plan that only inserts, as that of a first copy, has several writers where nothing stands against it (a table of reasons): its
 * records do not wait for each other, unless the table refers to itself. The next batch is read while others are
 * written. Memory is shared out among the writers, not multiplied by them.
 */
#include "engine/apply.h"

#include "engine/journal.h"
#include "engine/steps.h"
#include "engine/taken.h"

#define PHASE LS_PHASE_REPAIR
/* Of changes that all writers have at hand; with what they make of them it is three times that. */
#define CREW_BYTES ((size_t)8 << 20)

static bool cancelled(const struct ls_hooks *hooks)
{
    return hooks && ls_cancel_wanted(hooks->cancel);
}

static void progress(const struct ls_hooks *hooks, uint64_t done, uint64_t total)
{
    if (hooks && hooks->progress)
        hooks->progress(hooks->ctx, PHASE, done, total);
}

/* The key as the target has it: equal to the source's, but not always the same bytes (1.0 and 1.00). */
static const struct ls_value *own_key(const struct ls_layout *layout, const struct ls_value *record,
                                      struct ls_arena *mem)
{
    struct ls_value *key = ls_arena_array(mem, layout->key_count, sizeof *key);

    if (key)
        ls_layout_key(layout, record, key);
    return key;
}

/* The steps of some changes. Insert: no record yet; update, delete: as the plan saw it. */
static struct ls_step *steps_of(const struct ls_job *job, const struct ls_change *changes,
                                size_t count, struct ls_arena *mem)
{
    struct ls_step *list = ls_arena_array(mem, count, sizeof *list);

    for (size_t i = 0; list && i < count; i++) {
        const struct ls_change *change = &changes[i];

        list[i] = (struct ls_step){
            .kind = change->kind,
            .expect = change->kind == LS_INSERT ? LS_EXPECT_NONE : LS_EXPECT_VALUES,
            .key = change->before ? own_key(&job->layout, change->before, mem) : change->key,
            .expected = change->before,
            .record = change->after,
        };
        if (!list[i].key)
            return NULL;
    }
    return list;
}

static uint64_t total_of(const struct ls_plan_counts *c)
{
    return c->inserts + c->updates + c->deletes;
}

size_t ls_apply_writers(const struct ls_job *job, const struct ls_store *writer,
                        const struct ls_plan_counts *c, const char **ret_why)
{
    const struct ls_schema *schema = job->target.schema;
    const struct {
        bool stands_against;
        const char *why; /* NULL: not worth a word */
    } reasons[] = {
        {c->inserts != total_of(c) || c->inserts <= job->insert_rows, NULL},
        {!ls_store_can(writer, LS_CAP_WRITERS) || !ls_store_can(writer, LS_CAP_BATCHES), NULL},
        {job->writers < 2, "writers is 1"},
        {job->atomic, "the run is atomic"},
        {schema->flags & LS_SCHEMA_SELF_REF, "the table refers to itself"},
        {schema->flags & LS_SCHEMA_TRIGGERS, "triggers fire when it is written"},
        {!ls_schema_keeps_unique(schema, job->target_fields, job->layout.key_count,
                                 job->layout.key),
         "the table itself does not keep the key unique"},
    };

    *ret_why = NULL;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].stands_against) {
            *ret_why = reasons[i].why;
            return 1;
        }
    return job->writers;
}

static enum ls_code apply_all(struct ls_job *job, struct ls_plan *plan, struct ls_steps *steps,
                              size_t writers, const struct ls_hooks *hooks,
                              struct ls_apply_result *ret, struct ls_error *err)
{
    const struct ls_plan_counts *c = ls_plan_counts(plan);
    const uint64_t total = total_of(c);
    const size_t rows = c->inserts == total ? job->insert_rows : job->batch_rows;
    const size_t bytes = writers > 1 ? CREW_BYTES / (writers + 1) : 0; /* one more is being read */
    uint64_t done = 0;
    struct ls_arena mem;
    enum ls_code rc = LS_OK;

    ls_arena_init(&mem, 0);
    while (rc == LS_OK) {
        struct ls_change *changes = NULL;
        struct ls_step *list;
        size_t count = 0;

        if (cancelled(hooks)) {
            ret->interrupted = true;
            break;
        }
        rc = ls_plan_next(plan, rows, bytes, &mem, &changes, &count, err);
        if (rc != LS_OK || count == 0)
            break;
        list = steps_of(job, changes, count, &mem);
        rc = list ? ls_steps_give(steps, &mem, list, count, err) : ls_error_nomem(err);
        progress(hooks, done += count, total);
    }
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_apply(struct ls_job *job, struct ls_store *writer, const char *run,
                      struct ls_plan *plan, const struct ls_journal *journal,
                      const struct ls_hooks *hooks, struct ls_touched *touched,
                      struct ls_apply_result *ret, struct ls_error *err)
{
    const struct ls_steps_fields fields = {job->layout.field_count, job->target_fields,
                                           job->layout.key, false};
    struct ls_steps *steps = NULL;
    const char *why;
    const size_t writers = ls_apply_writers(job, writer, ls_plan_counts(plan), &why);
    enum ls_code rc;

    *ret = (struct ls_apply_result){.writers = 1};
    rc = ls_steps_open(job, writer, run, &fields, journal, hooks, touched, ret, &steps, err);
    if (rc == LS_OK)
        rc = ls_steps_spread(steps, writers, err);
    if (rc == LS_OK)
        rc = apply_all(job, plan, steps, writers, hooks, ret, err);
    if (rc == LS_OK)
        rc = ls_steps_finish(steps, err);
    ls_steps_close(steps);
    ls_memory_trim();
    return rc;
}

/* ---- undo ---- */

static struct ls_step inverse(const struct ls_journal_entry *e, uint64_t number)
{
    static const enum ls_change_kind kinds[] = {
        [LS_INSERT] = LS_DELETE,
        [LS_UPDATE] = LS_UPDATE,
        [LS_DELETE] = LS_INSERT,
    };

    return (struct ls_step){
        .kind = kinds[e->kind],
        .expect = e->kind == LS_DELETE ? LS_EXPECT_NONE : LS_EXPECT_HASH,
        .key = e->key,
        .left = e->left,
        .record = e->before,
        .takes_back = number,
    };
}

/* number: of the entry before this piece. */
static enum ls_code undo_blob(const struct ls_whole *whole, struct ls_steps *steps,
                              const struct ls_taken *taken, uint64_t number, const void *blob,
                              size_t size, struct ls_arena *mem, size_t *ret_count,
                              struct ls_error *err)
{
    struct ls_journal_entry *entries = NULL;
    struct ls_step *list;
    size_t count = 0, n = 0;
    enum ls_code rc = ls_journal_decode(blob, size, whole, mem, &entries, &count, err);

    *ret_count = count;
    if (rc != LS_OK)
        return rc;
    list = ls_arena_array(mem, count, sizeof *list);
    if (!list)
        return ls_error_nomem(err);
    for (size_t i = count; i-- > 0;)
        if (!ls_taken_has(taken, number + i + 1))
            list[n++] = inverse(&entries[i], number + i + 1);
    return n > 0 ? ls_steps_write(steps, list, n, err) : LS_OK;
}

static enum ls_code undo_all(const struct ls_whole *whole, struct ls_steps *steps,
                             const struct ls_journal_source *source, const struct ls_taken *taken,
                             const struct ls_hooks *hooks, struct ls_apply_result *ret,
                             struct ls_error *err)
{
    struct ls_arena mem;
    uint64_t done = 0;
    enum ls_code rc = LS_OK;

    ls_arena_init(&mem, 0);
    while (rc == LS_OK) {
        const void *blob = NULL;
        size_t size = 0, count = 0;

        if (cancelled(hooks)) {
            ret->interrupted = true;
            break;
        }
        rc = source->next(source->ctx, &mem, &blob, &size, err);
        if (rc != LS_OK || !blob)
            break;
        rc = undo_blob(whole, steps, taken, done, blob, size, &mem, &count, err);
        ls_arena_reset(&mem);
        progress(hooks, done += count, 0);
    }
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_undo(struct ls_job *job, struct ls_store *writer, const char *run,
                     const struct ls_journal_source *source, const struct ls_taken *taken,
                     const struct ls_journal *journal, const struct ls_hooks *hooks,
                     struct ls_touched *touched, struct ls_apply_result *ret, struct ls_error *err)
{
    struct ls_steps_fields fields = {0};
    struct ls_steps *steps = NULL;
    struct ls_arena mem;
    struct ls_whole *whole;
    enum ls_code rc;

    *ret = (struct ls_apply_result){0};
    ls_arena_init(&mem, 0);
    whole = ls_whole_of(job, &mem);
    if (!whole) {
        rc = ls_error_nomem(err);
        goto done;
    }
    fields = (struct ls_steps_fields){whole->field_count, whole->fields, whole->key, true};
    rc = ls_steps_open(job, writer, run, &fields, journal, hooks, touched, ret, &steps, err);
    if (rc == LS_OK)
        rc = undo_all(whole, steps, source, taken, hooks, ret, err);
    if (rc == LS_OK)
        rc = ls_steps_finish(steps, err);
done:
    ls_steps_close(steps);
    ls_arena_done(&mem);
    return rc;
}
