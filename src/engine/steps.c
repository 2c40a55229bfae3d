/* SPDX-License-Identifier: Apache-2.0 */
/* steps.c - writes steps to the target in batches.
 *
 * A batch is one transaction: begin; mark it, so that a kill leaves no doubt whether it committed; lock and
 * read the whole records; leave alone, as conflicts, those that are no longer what the step expects; write;
 * read back what is there now; make the journal durable; commit; note in the journal that it is committed. A
 * process that dies anywhere in between leaves a batch that ls_store_settle() can judge from its mark.
 *
 * A record that the target refuses must not take its batch with it, and one transaction cannot tell which one it
 * was: the steps are halved until the refused ones stand alone. They are set aside (in a temporary
 * file) and tried again at the end, together, as long as that makes headway: a unique value that is
 * freed by a later batch, or a parent record that comes later, is no error. When a round helps nobody the cut moves, so that
 * two records that wait for each other come to lie in one half; after some idle rounds what is left is reported.
 *
 * A target without cheap transactions (a file), or `atomic: true`, makes the whole run one transaction; the journal
 * then has one batch.
 *
 * Invariants. Every written record is in the durable journal before it is committed. A batch whose commit was not
 * answered stays open in the journal. Steps of one call have distinct keys. */
#include "engine/steps.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/touched.h"
#include "model/convert.h"
#include "model/json.h"

#define IDLE_ROUNDS 4 /* cuts at 1/2, 2/3, 3/4, 4/5 */

struct ls_steps {
    struct ls_job *job;
    struct ls_store *writer;
    const char *run;
    const struct ls_steps_fields *fields;
    const struct ls_journal *journal;
    const struct ls_hooks *hooks;
    struct ls_touched *touched;
    struct ls_apply_result *result;

    struct ls_arena mem; /* of the whole writing */
    struct ls_whole *whole;
    struct ls_scan scan;           /* reads whole records */
    const size_t *layout_in_whole; /* layout position -> position in the whole record */
    bool one;                      /* the whole run is one transaction */
    uint64_t batch;                /* number of the open or last batch */
    struct ls_spool aside;
    bool last_try; /* what is refused now is reported */
    unsigned cut;  /* halving: n * (cut + 1) / (cut + 2) */
    struct ls_buf scratch, blob;

    struct ls_apply_result pending; /* of the open transaction */
    struct ls_error refused;        /* the first refusal, for atomic runs */
};

/* One step while its batch is open. */
struct item {
    const struct ls_step *step;
    const struct ls_value *key;    /* in the target's types */
    const struct ls_value *before; /* the whole record as locked, or NULL */
    struct ls_write_op op;
    bool write;
    bool refused;  /* by the target: worth another try */
    bool conflict; /* not what the step expects: left alone */
    enum ls_code code;
    const char *why; /* of both */
};

/* ---- telling ---- */

static void tell(struct ls_steps *s, const struct ls_value *key, enum ls_code code,
                 const char *text)
{
    const struct ls_layout *layout = &s->job->layout;

    if (!s->hooks || !s->hooks->failed)
        return;
    ls_buf_reset(&s->scratch);
    ls_record_to_json(&s->scratch, layout->fields, layout->key, key, layout->key_count);
    s->hooks->failed(s->hooks->ctx, ls_buf_str(&s->scratch), code, text);
}

/* ---- setting aside ---- */

static void encode_step(struct ls_buf *out, const struct ls_steps *s, const struct ls_step *step)
{
    ls_buf_u8(out, (uint8_t)step->kind);
    ls_buf_u8(out, (uint8_t)step->expect);
    ls_values_encode(out, step->key, s->job->layout.key_count);
    if (step->expect == LS_EXPECT_VALUES)
        ls_values_encode(out, step->expected, s->job->layout.field_count);
    ls_buf_u64(out, step->left.high);
    ls_buf_u64(out, step->left.low);
    if (step->kind != LS_DELETE)
        ls_values_encode(out, step->record, s->fields->count);
}

static const struct ls_value *decode_values(struct ls_reader *rd, struct ls_arena *mem,
                                            size_t count)
{
    struct ls_value *values = ls_arena_array(mem, count, sizeof *values);

    if (!values || !ls_values_decode(rd, mem, values, count))
        rd->failed = true;
    return values;
}

static bool decode_step(const struct ls_steps *s, const void *blob, size_t size,
                        struct ls_arena *mem, struct ls_step *ret)
{
    struct ls_reader rd;

    ls_reader_init(&rd, blob, size);
    ret->kind = (enum ls_change_kind)ls_reader_u8(&rd);
    ret->expect = (enum ls_expect)ls_reader_u8(&rd);
    ret->key = decode_values(&rd, mem, s->job->layout.key_count);
    ret->expected = ret->expect == LS_EXPECT_VALUES
                        ? decode_values(&rd, mem, s->job->layout.field_count)
                        : NULL;
    ret->left.high = ls_reader_u64(&rd);
    ret->left.low = ls_reader_u64(&rd);
    ret->record = ret->kind == LS_DELETE ? NULL : decode_values(&rd, mem, s->fields->count);
    return !rd.failed;
}

/* A step that was not carried out: a refused one is kept for a later try, others are reported. */
static enum ls_code give_up(struct ls_steps *s, const struct item *item, struct ls_error *err)
{
    if (s->refused.code == LS_OK)
        ls_error_set(&s->refused, item->code, "%s", item->why);
    if (item->conflict) {
        s->pending.conflicts++;
        tell(s, item->step->key, item->code, item->why);
        return LS_OK;
    }
    if (!s->last_try) {
        ls_buf_reset(&s->scratch);
        encode_step(&s->scratch, s, item->step);
        return ls_spool_add(&s->aside, &s->scratch, err);
    }
    s->pending.failed++;
    tell(s, item->step->key, item->code, item->why);
    return LS_OK;
}

/* ---- one transaction ---- */

static enum ls_code begin(struct ls_steps *s, struct ls_arena *mem, struct ls_error *err)
{
    char tag[64];
    const char *marker = NULL;
    enum ls_code rc;

    s->batch++;
    s->pending = (struct ls_apply_result){0};
    snprintf(tag, sizeof tag, "%s-%" PRIu64, s->run, s->batch);
    rc = ls_store_begin(s->writer, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_store_mark(s->writer, tag, mem, &marker, err);
    if (rc == LS_OK && s->journal)
        rc = s->journal->open(s->journal->ctx, s->batch, marker, err);
    return rc;
}

static void take_pending(struct ls_steps *s)
{
    s->result->created += s->pending.created;
    s->result->updated += s->pending.updated;
    s->result->deleted += s->pending.deleted;
    s->result->failed += s->pending.failed;
    s->result->conflicts += s->pending.conflicts;
    s->pending = (struct ls_apply_result){0};
}

/* Rolls back; the journal learns that nothing came of the batch. */
static void abandon(struct ls_steps *s)
{
    struct ls_error ignored;

    ls_store_rollback(s->writer);
    if (s->journal && s->journal->close(s->journal->ctx, s->batch, false, &ignored) != LS_OK)
        return; /* the batch stays open and is settled later: its transaction is known as aborted */
}

/* When the answer to the commit was lost the batch stays open in the journal: nobody knows yet. */
static enum ls_code commit(struct ls_steps *s, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    if (s->journal)
        rc = s->journal->sync(s->journal->ctx, s->batch, err);
    if (rc == LS_OK) {
        rc = ls_store_commit(s->writer, err);
        if (rc == LS_CONNECT) {
            ls_store_rollback(s->writer);
            return rc;
        }
    }
    if (rc != LS_OK) {
        abandon(s);
        return rc;
    }
    s->result->batches++;
    take_pending(s);
    return s->journal ? s->journal->close(s->journal->ctx, s->batch, true, err) : LS_OK;
}

/* ---- the records of a batch ---- */

static int order_items(const void *a, const void *b, void *ctx)
{
    const struct ls_steps *s = ctx;

    return ls_values_order((*(const struct item *const *)a)->key,
                           (*(const struct item *const *)b)->key, s->job->layout.key_as,
                           s->job->layout.key_count);
}

/* The item of a key among sorted ones, or NULL. */
static struct item *find_item(const struct ls_steps *s, struct item **sorted, size_t count,
                              const struct ls_value *key)
{
    size_t low = 0, high = count;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        const int c =
            ls_values_order(sorted[mid]->key, key, s->job->layout.key_as, s->job->layout.key_count);

        if (c == 0)
            return sorted[mid];
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* Reads the whole records of these items (for_update: locked); gives them to `got`. */
static enum ls_code fetch(struct ls_steps *s, struct item **sorted, size_t count, bool for_update,
                          struct ls_arena *mem,
                          void (*got)(struct item *item, const struct ls_value *record),
                          struct ls_error *err)
{
    const size_t width = s->job->layout.key_count;
    struct ls_value *keys = ls_arena_array(mem, count * width, sizeof *keys);
    struct ls_value *key = ls_arena_array(mem, width, sizeof *key);
    struct ls_rows rows = {0};
    enum ls_code rc;

    if (!keys || !key)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        memcpy(keys + i * width, sorted[i]->key, width * sizeof *keys);
    rc = ls_store_fetch(s->writer, &s->scan, count, keys, for_update, mem, &rows, err);
    if (rc != LS_OK)
        return rc;
    for (size_t r = 0; r < rows.count; r++) {
        struct item *item;

        for (size_t k = 0; k < width; k++)
            key[k] = ls_row(&rows, r)[s->whole->key[k]];
        item = find_item(s, sorted, count, key);
        if (item)
            got(item, ls_row(&rows, r));
    }
    return LS_OK;
}

static void got_before(struct item *item, const struct ls_value *record)
{
    item->before = record;
}

/* Do the layout's fields of a whole record have these values? */
static bool has_values(const struct ls_steps *s, const struct ls_value *whole,
                       const struct ls_value *values)
{
    const struct ls_layout *layout = &s->job->layout;

    for (size_t i = 0; i < layout->field_count; i++)
        if (!ls_value_equal(&whole[s->layout_in_whole[i]], &values[i], &layout->as[i]))
            return false;
    return true;
}

static bool is_expected(struct ls_steps *s, const struct item *item)
{
    struct ls_hash128 hash;

    switch (item->step->expect) {
    case LS_EXPECT_NONE:
        return !item->before;
    case LS_EXPECT_VALUES:
        return item->before && has_values(s, item->before, item->step->expected);
    case LS_EXPECT_HASH:
        if (!item->before)
            return false;
        hash = ls_whole_hash(s->whole, item->before, &s->scratch);
        return hash.high == item->step->left.high && hash.low == item->step->left.low;
    }
    return false;
}

/* Is the record already what the step would make of it (a run that is repeated)? */
static bool is_done(struct ls_steps *s, const struct item *item)
{
    if (item->step->kind == LS_DELETE)
        return !item->before;
    if (!item->before)
        return false;
    for (size_t i = 0; i < s->fields->count; i++) {
        size_t at = 0;

        while (s->whole->fields[at] != s->fields->fields[i])
            at++;
        if (!ls_value_equal(&item->before[at], &item->step->record[i], &s->whole->as[at]))
            return false;
    }
    return true;
}

/* A value in the type of a target field. One that does not fit refuses this record alone (*ret stays). */
static enum ls_code convert(struct ls_steps *s, struct item *item, size_t field,
                            const struct ls_value *v, struct ls_arena *mem, struct ls_value *ret,
                            struct ls_error *err)
{
    const struct ls_field *f = &s->job->target.schema->fields[field];
    struct ls_error why;
    const enum ls_code rc = ls_value_convert(v, f, s->job->target.zone, mem, ret, &why);

    if (rc == LS_NOMEM)
        return ls_error_nomem(err);
    if (rc != LS_OK) {
        item->refused = true;
        item->code = rc;
        item->why = ls_arena_printf(mem, "field %s: %s", f->name, why.text);
    }
    return LS_OK;
}

static enum ls_code make_key(struct ls_steps *s, struct item *item, struct ls_arena *mem,
                             struct ls_error *err)
{
    const struct ls_layout *layout = &s->job->layout;
    struct ls_value *key = ls_arena_array(mem, layout->key_count, sizeof *key);
    enum ls_code rc = LS_OK;

    if (!key)
        return ls_error_nomem(err);
    item->key = key;
    for (size_t k = 0; k < layout->key_count && rc == LS_OK; k++)
        rc = convert(s, item, s->job->target_fields[layout->key[k]], &item->step->key[k], mem,
                     &key[k], err);
    return rc;
}

static enum ls_code make_op(struct ls_steps *s, struct item *item, struct ls_arena *mem,
                            struct ls_error *err)
{
    const struct ls_step *step = item->step;
    struct ls_value *record = NULL;
    enum ls_code rc = LS_OK;

    if (step->kind != LS_DELETE) {
        record = ls_arena_array(mem, s->fields->count, sizeof *record);
        if (!record)
            return ls_error_nomem(err);
    }
    for (size_t i = 0; record && i < s->fields->count && rc == LS_OK; i++)
        rc = convert(s, item, s->fields->fields[i], &step->record[i], mem, &record[i], err);
    item->op = (struct ls_write_op){step->kind, item->key, record};
    item->write = !item->refused;
    return rc;
}

static enum ls_code check_items(struct ls_steps *s, struct item *items, size_t count,
                                struct ls_arena *mem, struct ls_error *err)
{
    for (size_t i = 0; i < count; i++) {
        enum ls_code rc;

        if (items[i].refused || is_done(s, &items[i]))
            continue; /* nothing to write, nothing to take back */
        if (is_expected(s, &items[i])) {
            rc = make_op(s, &items[i], mem, err);
            if (rc != LS_OK)
                return rc;
            continue;
        }
        items[i].conflict = true;
        items[i].code = LS_CONFLICT;
        items[i].why = items[i].before
                           ? "the record changed since it was compared, and was left alone"
                           : "the record is gone since it was compared";
    }
    return LS_OK;
}

/* Refusals of single records; everything else ends the batch. */
static bool is_refusal(enum ls_code rc)
{
    return rc == LS_CONSTRAINT || rc == LS_TYPE || rc == LS_CONFLICT;
}

static enum ls_code write_ops(struct ls_steps *s, struct item **items, size_t count,
                              struct ls_arena *mem, struct ls_error *err)
{
    struct ls_write_op *ops = ls_arena_array(mem, count, sizeof *ops);
    struct ls_error why = {0};
    struct ls_write w = {
        .schema = s->job->target.schema,
        .field_count = s->fields->count,
        .fields = s->fields->fields,
        .key_count = s->job->layout.key_count,
        .key = s->fields->key,
        .count = count,
        .ops = ops,
    };
    size_t cut;
    enum ls_code rc;

    if (count == 0)
        return LS_OK;
    if (!ops)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        ops[i] = items[i]->op;
    rc = ls_store_write(s->writer, &w, &why);
    if (!is_refusal(rc)) {
        if (rc != LS_OK && err)
            *err = why;
        return rc;
    }
    if (count == 1) {
        items[0]->write = false;
        items[0]->refused = true;
        items[0]->code = rc;
        items[0]->why = ls_arena_text(mem, why.text);
        return LS_OK;
    }
    cut = count * (s->cut + 1) / (s->cut + 2);
    cut = cut == 0 ? 1 : cut == count ? count - 1 : cut;
    rc = write_ops(s, items, cut, mem, err);
    return rc == LS_OK ? write_ops(s, items + cut, count - cut, mem, err) : rc;
}

static void count_write(struct ls_steps *s, enum ls_change_kind kind)
{
    uint64_t *const counter[] = {
        [LS_INSERT] = &s->pending.created,
        [LS_UPDATE] = &s->pending.updated,
        [LS_DELETE] = &s->pending.deleted,
    };

    ++*counter[kind];
}

static void got_left(struct item *item, const struct ls_value *record)
{
    item->op.record = record; /* written already: the slot now holds what is there */
}

static enum ls_code journal_items(struct ls_steps *s, struct item **written, size_t count,
                                  struct ls_arena *mem, struct ls_error *err)
{
    struct ls_journal_entry *entries = ls_arena_array(mem, count, sizeof *entries);

    if (!entries)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        const struct item *item = written[i];

        entries[i] = (struct ls_journal_entry){item->step->kind, item->key, item->before, {0, 0}};
        if (item->op.record)
            entries[i].left = ls_whole_hash(s->whole, item->op.record, &s->scratch);
    }
    ls_buf_reset(&s->blob);
    ls_journal_encode(&s->blob, s->whole, entries, count);
    if (s->blob.failed)
        return ls_error_nomem(err);
    return s->journal->add(s->journal->ctx, s->batch, s->blob.data, s->blob.size, err);
}

/* Reads back what was written, journals it, remembers the keys. */
static enum ls_code note_written(struct ls_steps *s, struct item **sorted, size_t count,
                                 struct ls_arena *mem, struct ls_error *err)
{
    struct item **written = ls_arena_array(mem, count, sizeof *written);
    size_t n = 0;
    enum ls_code rc = LS_OK;

    if (!written)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        if (sorted[i]->write) {
            sorted[i]->op.record = NULL;
            count_write(s, sorted[i]->step->kind);
            written[n++] = sorted[i];
        }
    if (n == 0)
        return LS_OK;
    rc = fetch(s, written, n, false, mem, got_left, err);
    if (rc == LS_OK && s->journal)
        rc = journal_items(s, written, n, mem, err);
    for (size_t i = 0; i < n && rc == LS_OK && s->touched; i++)
        rc = ls_touched_add(s->touched, written[i]->key, err);
    return rc;
}

/* Everything between begin and commit. */
static enum ls_code write_steps(struct ls_steps *s, struct item *items, size_t count,
                                struct ls_arena *mem, struct ls_error *err)
{
    struct item **sorted = ls_arena_array(mem, count, sizeof *sorted);
    struct item **ops = ls_arena_array(mem, count, sizeof *ops);
    size_t n = 0, keyed = 0;
    enum ls_code rc = LS_OK;

    if (!sorted || !ops)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        rc = make_key(s, &items[i], mem, err);
        if (!items[i].refused)
            sorted[keyed++] = &items[i];
    }
    qsort_r(sorted, keyed, sizeof *sorted, order_items, s);
    if (rc == LS_OK)
        rc = fetch(s, sorted, keyed, true, mem, got_before, err);
    if (rc == LS_OK)
        rc = check_items(s, items, count, mem, err);
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        if (items[i].write)
            ops[n++] = &items[i];
    if (rc == LS_OK)
        rc = write_ops(s, ops, n, mem, err);
    return rc == LS_OK ? note_written(s, sorted, keyed, mem, err) : rc;
}

/* What was not carried out; after the commit, for a batch that is halved comes here again. */
static enum ls_code give_up_rest(struct ls_steps *s, const struct item *items, size_t count,
                                 struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < count && rc == LS_OK; i++)
        if (items[i].refused || items[i].conflict)
            rc = give_up(s, &items[i], err);
    return rc;
}

static struct item *make_items(const struct ls_step *list, size_t count, struct ls_arena *mem)
{
    struct item *items = ls_arena_array(mem, count, sizeof *items);

    for (size_t i = 0; items && i < count; i++)
        items[i].step = &list[i];
    return items;
}

/* A commit that the target refuses (a deferred constraint) refuses the batch: halve it. */
static enum ls_code refused_commit(struct ls_steps *s, const struct ls_step *list, size_t count,
                                   const struct ls_error *why, struct ls_error *err)
{
    const size_t half = count / 2;
    enum ls_code rc;

    if (count == 1)
        return give_up(
            s, &(struct item){.step = list, .refused = true, .code = why->code, .why = why->text},
            err);
    rc = ls_steps_write(s, list, half, err);
    return rc == LS_OK ? ls_steps_write(s, list + half, count - half, err) : rc;
}

static bool any_written(const struct ls_steps *s)
{
    return s->pending.created + s->pending.updated + s->pending.deleted > 0;
}

/* A batch of its own. */
static enum ls_code write_batch(struct ls_steps *s, const struct ls_step *list, size_t count,
                                struct ls_error *err)
{
    struct ls_arena mem;
    struct item *items;
    struct ls_error why = {0};
    bool committing = false;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    items = make_items(list, count, &mem);
    rc = items ? begin(s, &mem, &why) : ls_error_nomem(&why);
    if (rc == LS_OK)
        rc = write_steps(s, items, count, &mem, &why);
    committing = rc == LS_OK && any_written(s);
    if (committing)
        rc = commit(s, &why);
    else
        abandon(s);
    s->pending = (struct ls_apply_result){0};
    if (rc == LS_OK)
        rc = give_up_rest(s, items, count, &why);
    else if (committing && is_refusal(rc))
        rc = refused_commit(s, list, count, &why, &why);
    take_pending(s);
    if (rc != LS_OK && err)
        *err = why;
    ls_arena_done(&mem);
    return rc;
}

/* A part of the one transaction. */
static enum ls_code write_part(struct ls_steps *s, const struct ls_step *list, size_t count,
                               struct ls_error *err)
{
    struct ls_arena mem;
    struct item *items;
    enum ls_code rc = LS_OK;

    ls_arena_init(&mem, 0);
    items = make_items(list, count, &mem);
    if (!items)
        rc = ls_error_nomem(err);
    if (rc == LS_OK && s->batch == 0)
        rc = begin(s, &s->mem, err);
    if (rc == LS_OK)
        rc = write_steps(s, items, count, &mem, err);
    if (rc == LS_OK)
        rc = give_up_rest(s, items, count, err);
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_steps_write(struct ls_steps *s, const struct ls_step *list, size_t count,
                            struct ls_error *err)
{
    return s->one ? write_part(s, list, count, err) : write_batch(s, list, count, err);
}

/* ---- the end ---- */

static uint64_t done_so_far(const struct ls_steps *s)
{
    return s->result->created + s->result->updated + s->result->deleted + s->pending.created +
           s->pending.updated + s->pending.deleted;
}

/* One more try of everything that was set aside; what is refused again is set aside again. */
static enum ls_code try_again(struct ls_steps *s, struct ls_error *err)
{
    struct ls_spool from = s->aside;
    struct ls_arena mem;
    enum ls_code rc;

    s->aside = (struct ls_spool){0};
    ls_arena_init(&mem, 0);
    rc = ls_spool_rewind(&from, err);
    while (rc == LS_OK) {
        struct ls_step *list = ls_arena_array(&mem, s->job->batch_rows, sizeof *list);
        size_t n = 0;

        for (; list && n < s->job->batch_rows; n++) {
            void *blob = NULL;
            size_t size = 0;

            rc = ls_spool_next(&from, &mem, &blob, &size, err);
            if (rc != LS_OK || !blob)
                break;
            if (!decode_step(s, blob, size, &mem, &list[n])) {
                rc = ls_error_set(err, LS_INTERNAL, "a change in a temporary file is damaged");
                break;
            }
        }
        if (!list)
            rc = ls_error_nomem(err);
        if (rc != LS_OK || n == 0)
            break;
        rc = ls_steps_write(s, list, n, err);
        ls_arena_reset(&mem);
    }
    ls_arena_done(&mem);
    ls_spool_done(&from);
    return rc;
}

static enum ls_code settle_aside(struct ls_steps *s, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (s->cut = 0; rc == LS_OK && s->aside.count > 0 && s->cut < IDLE_ROUNDS;) {
        const uint64_t before = done_so_far(s);

        rc = try_again(s, err);
        s->cut = done_so_far(s) > before ? 0 : s->cut + 1;
    }
    s->last_try = true;
    if (rc == LS_OK && s->aside.count > 0)
        rc = try_again(s, err);
    return rc;
}

enum ls_code ls_steps_finish(struct ls_steps *s, struct ls_error *err)
{
    enum ls_code rc = settle_aside(s, err);

    if (rc != LS_OK || !s->one || s->batch == 0)
        return rc;
    if (s->job->atomic && s->pending.failed + s->pending.conflicts > 0) {
        s->result->failed += s->pending.failed;
        s->result->conflicts += s->pending.conflicts;
        abandon(s);
        s->one = false; /* nothing is open any more */
        return ls_error_set(
            err, s->refused.code != LS_OK ? s->refused.code : LS_CONFLICT,
            "the run is atomic and a record was refused, so nothing was changed: %s",
            s->refused.code != LS_OK ? s->refused.text : "a record changed since it was compared");
    }
    return commit(s, err);
}

/* ---- life ---- */

static enum ls_code prepare(struct ls_steps *s, struct ls_error *err)
{
    const struct ls_job *job = s->job;
    size_t *at = ls_arena_array(&s->mem, job->layout.field_count, sizeof *at);

    s->whole = ls_whole_of(job, &s->mem);
    if (!s->whole || !at)
        return ls_error_nomem(err);
    for (size_t i = 0; i < job->layout.field_count; i++)
        while (s->whole->fields[at[i]] != job->target_fields[i])
            at[i]++;
    s->layout_in_whole = at;
    s->scan = ls_whole_scan(s->whole);
    return LS_OK;
}

enum ls_code ls_steps_open(struct ls_job *job, struct ls_store *writer, const char *run,
                           const struct ls_steps_fields *fields, const struct ls_journal *journal,
                           const struct ls_hooks *hooks, struct ls_touched *touched,
                           struct ls_apply_result *result, struct ls_steps **ret,
                           struct ls_error *err)
{
    struct ls_steps *s = calloc(1, sizeof *s);
    enum ls_code rc;

    if (!s)
        return ls_error_nomem(err);
    s->job = job;
    s->writer = writer;
    s->run = run;
    s->fields = fields;
    s->journal = journal;
    s->hooks = hooks;
    s->touched = touched;
    s->result = result;
    s->one = job->atomic || !ls_store_can(writer, LS_CAP_BATCHES);
    ls_arena_init(&s->mem, 0);
    ls_buf_init(&s->scratch, 0);
    ls_buf_init(&s->blob, 0);
    rc = prepare(s, err);
    if (rc == LS_OK)
        *ret = s;
    else
        ls_steps_close(s);
    return rc;
}

void ls_steps_close(struct ls_steps *s)
{
    if (!s)
        return;
    if (s->writer->in_transaction)
        abandon(s);
    ls_spool_done(&s->aside);
    ls_buf_done(&s->blob);
    ls_buf_done(&s->scratch);
    ls_arena_done(&s->mem);
    free(s);
}
