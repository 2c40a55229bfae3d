/* SPDX-License-Identifier: Apache-2.0 */
/* compare.c - which records differ between the two sides of a job.
 *
 * Carries out the path that compare_path.c chose, and adds up. Whatever the path, differences end in one place
 * (recheck.c), which looks at them again and reports them; and every record that is met or digested is counted, so that
 * total = in sync + source only + target only + inconsistent + moving holds for each result.
 *
 * A job with a field pair that can never be equal (a wall-clock time against an absolute one
 * without a zone) is refused here rather than shown as a table in which everything differs. */
#include "engine/compare.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "engine/compare_keys.h"
#include "engine/compare_path.h"
#include "engine/merge.h"
#include "engine/recheck.h"
#include "engine/segments.h"
#include "model/convert.h"

#define DEFAULT_RECHECK_DELAY_MS 300
#define DEFAULT_RECHECK_MAX 100000
/* Fetching a record by its key from both sides takes some three times as long as reading it there (measured). */
#define FOUND_MAX 20000
#define FOUND_SHARE 8 /* of the records of both sides */

static enum ls_code refuse_never(const struct ls_job *job, struct ls_arena *mem,
                                 struct ls_error *err)
{
    for (size_t i = 0; i < job->layout.field_count; i++) {
        const struct ls_map_field *map = &job->mapping->fields[i];
        const char *why = "";
        bool key = false;

        if (map->expr || map->fixed)
            continue;
        for (size_t k = 0; k < job->layout.key_count; k++)
            key = key || job->layout.key[k] == i;
        if (ls_convert_check(&job->source.schema->fields[map->source], &job->layout.fields[i],
                             map->zone, key, mem, &why) == LS_TRIP_NEVER)
            return ls_error_set(err, LS_CONFIG, "field %s cannot be compared: %s",
                                job->layout.fields[i].name, why);
    }
    return LS_OK;
}

/* Seeds that are 0 or 1 are replaced: NULL and 0 hash alike under some of them. */
static void choose_seeds(uint64_t seeds[2])
{
    for (size_t i = 0; i < 2; i++) {
        while (seeds[i] <= 1)
            seeds[i] = ls_random_u64();
    }
}

static struct ls_compare_options settle(const struct ls_compare_options *options)
{
    struct ls_compare_options o = options ? *options : (struct ls_compare_options){0};

    if (o.recheck_delay_ms <= 0)
        o.recheck_delay_ms = DEFAULT_RECHECK_DELAY_MS;
    o.force_merge = o.force_merge || o.every;
    if (!o.recheck_max)
        o.recheck_max = DEFAULT_RECHECK_MAX;
    choose_seeds(o.seeds);
    return o;
}

struct compare {
    const struct ls_job *job;
    struct ls_compare_options options;
    const struct ls_hooks *hooks;
    struct ls_arena mem;
    struct ls_recheck *recheck;
    struct ls_compare_choice *choice;
    ls_pair_fn *fn; /* of what is read on both sides: what becomes of the pairs that differ */
    void *ctx;
    struct ls_merge_totals totals;
    ls_difference_fn *every; /* whoever wants to hear of records in sync */
    void *every_ctx;
    struct ls_value *key;     /* room for the key of one */
    struct ls_kept_keys kept; /* LS_PATH_FOUND: of what has to be fetched */
    struct ls_compare_result *out;
};

static uint64_t expected_records(const struct ls_job *job)
{
    const int64_t s = job->source.schema->rows_estimate, t = job->target.schema->rows_estimate;

    return s < 0 || t < 0 ? 0 : (uint64_t)s + (uint64_t)t;
}

static void tell_progress(const struct compare *cmp, uint64_t expected)
{
    if (cmp->hooks && cmp->hooks->progress)
        cmp->hooks->progress(cmp->hooks->ctx, LS_PHASE_DETECTION,
                             cmp->totals.count[LS_SIDE_SOURCE] + cmp->totals.count[LS_SIDE_TARGET],
                             expected);
}

/* What is in sync is handed out at once, all else is looked at again first. */
static enum ls_code hand_out_or_add(void *ctx, enum ls_status status,
                                    const struct ls_reader_record *source,
                                    const struct ls_reader_record *target, struct ls_error *err)
{
    struct compare *cmp = ctx;
    const struct ls_value *any = source->values ? source->values : target->values;

    if (status != LS_IN_SYNC)
        return ls_recheck_add(cmp->recheck, status, source, target, err);
    ls_layout_key(&cmp->job->layout, any, cmp->key);
    return cmp->every(
        cmp->every_ctx,
        &(struct ls_difference){
            .status = status, .key = cmp->key, .source = source->values, .target = target->values},
        err);
}

static void seek(const struct compare *cmp, enum ls_side_name side,
                 struct ls_reader_options *options)
{
    options->sought_count = cmp->choice->sought[side].count;
    options->sought = cmp->choice->sought[side].sought;
}

static enum ls_code read_both(struct compare *cmp, const struct ls_partition *partition,
                              const enum ls_reader_order order[2], uint64_t expected,
                              struct ls_error *err)
{
    struct ls_reader_options options = {.partition = partition,
                                        .order = order[LS_SIDE_SOURCE],
                                        .seeds = {cmp->options.seeds[0], cmp->options.seeds[1]},
                                        .cancel = cmp->hooks ? cmp->hooks->cancel : NULL};
    struct ls_side_reader *source = NULL, *target = NULL;
    enum ls_code rc;

    tell_progress(cmp, expected);
    seek(cmp, LS_SIDE_SOURCE, &options);
    rc = ls_side_reader_open(cmp->job, LS_SIDE_SOURCE, &options, &source, err);

    options.order = order[LS_SIDE_TARGET];
    seek(cmp, LS_SIDE_TARGET, &options);
    if (rc == LS_OK)
        rc = ls_side_reader_open(cmp->job, LS_SIDE_TARGET, &options, &target, err);
    if (rc == LS_OK)
        rc = ls_merge(cmp->job, source, target, expected, cmp->hooks, cmp->fn, cmp->ctx,
                      &cmp->totals, err);
    if (rc == LS_OK)
        tell_progress(cmp, expected);
    ls_side_reader_close(target);
    ls_side_reader_close(source);
    return rc;
}

static enum ls_code by_merge(struct compare *cmp, uint64_t expected, struct ls_error *err)
{
    const bool *sorts = cmp->choice->sorts;
    const enum ls_reader_order order[2] = {sorts[0] ? LS_READER_SORTED : LS_READER_SCAN,
                                           sorts[1] ? LS_READER_SORTED : LS_READER_SCAN};
    enum ls_code rc = read_both(cmp, NULL, order, expected, err);

    cmp->out->source_digest = cmp->totals.digest[LS_SIDE_SOURCE];
    cmp->out->target_digest = cmp->totals.digest[LS_SIDE_TARGET];
    return rc;
}

/* How many records are fetched one by one before reading all of them would have been cheaper. */
static uint64_t found_max(const struct compare *cmp)
{
    const uint64_t share = expected_records(cmp->job) / FOUND_SHARE;

    if (cmp->options.found_max)
        return cmp->options.found_max;
    return share > FOUND_MAX ? share : FOUND_MAX;
}

static enum ls_code read_after_all(struct compare *cmp, struct ls_error *err)
{
    ls_compare_choose_merge(cmp->choice);
    ls_compare_say(cmp->out, " More than %" PRIu64 " differ, so both sides are read after all.",
                   cmp->kept.most);
    cmp->out->path = "merge";
    cmp->totals = (struct ls_merge_totals){0};
    cmp->fn = ls_recheck_add;
    cmp->ctx = cmp->recheck;
    return by_merge(cmp, expected_records(cmp->job), err);
}

/* A merge of what the sides find. A record that its other side did not find need not be missing there, so all but pairs that
 * are in sync are fetched by their key from both. */
static enum ls_code by_finding(struct compare *cmp, struct ls_error *err)
{
    enum ls_code rc;

    cmp->fn = ls_compare_keep_key;
    cmp->ctx = &cmp->kept;
    cmp->kept.job = cmp->job;
    cmp->kept.most = found_max(cmp);
    cmp->totals.pairs_alone = true;
    rc = by_merge(cmp, 0, err);
    if (rc == LS_FULL && cmp->kept.full)
        rc = read_after_all(cmp, err);
    else if (rc == LS_OK)
        rc = ls_compare_kept_keys(&cmp->kept, cmp->options.seeds, cmp->hooks, ls_recheck_add,
                                  cmp->recheck, &cmp->totals, err);
    cmp->out->source_digest = cmp->totals.digest[LS_SIDE_SOURCE];
    cmp->out->target_digest = cmp->totals.digest[LS_SIDE_TARGET];
    ls_kept_keys_done(&cmp->kept);
    return rc;
}

static enum ls_code by_digest(struct compare *cmp, bool pushed, struct ls_error *err)
{
    enum ls_reader_order order[2] = {LS_READER_ASK, LS_READER_ASK};
    struct ls_segments seg = {0};
    enum ls_code rc =
        ls_segments_narrow(cmp->job, pushed, cmp->options.seeds,
                           cmp->hooks ? cmp->hooks->cancel : NULL, &cmp->mem, &seg, err);

    if (rc != LS_OK)
        return rc;
    ls_compare_say(cmp->out, " %zu of %zu segments differ%s.", seg.differing, seg.segments,
                   seg.rounds > 2   ? ", and were cut twice more"
                   : seg.rounds > 1 ? ", and were cut once more"
                                    : "");
    cmp->out->source_digest = seg.digest[LS_SIDE_SOURCE];
    cmp->out->target_digest = seg.digest[LS_SIDE_TARGET];
    /* The walk goes on counting from here. */
    cmp->totals.count[LS_SIDE_SOURCE] = cmp->totals.count[LS_SIDE_TARGET] = seg.equal_count;
    cmp->totals.in_sync = seg.equal_count;
    if (!seg.partition && !seg.everything)
        return LS_OK;
    if (seg.partition && !pushed)
        order[0] = order[1] = LS_READER_SORTED;
    return read_both(cmp, seg.partition, order,
                     2 * seg.equal_count + seg.left[LS_SIDE_SOURCE] + seg.left[LS_SIDE_TARGET],
                     err);
}

static void add_up(struct compare *cmp)
{
    struct ls_compare_result *out = cmp->out;

    out->source_count = cmp->totals.count[LS_SIDE_SOURCE];
    out->target_count = cmp->totals.count[LS_SIDE_TARGET];
    out->count[LS_IN_SYNC] = cmp->totals.in_sync;
    for (size_t i = 0; i < LS_STATUS_COUNT; i++)
        out->total += out->count[i];
    ls_compare_say(out, " %s", ls_recheck_outcome(cmp->recheck));
}

static enum ls_code take_path(struct compare *cmp, struct ls_error *err)
{
    cmp->fn = ls_recheck_add;
    cmp->ctx = cmp->recheck;
    if (cmp->options.every && cmp->every) {
        cmp->fn = hand_out_or_add;
        cmp->ctx = cmp;
        cmp->totals.every = true;
    }
    if (cmp->choice->path == LS_PATH_DIGEST)
        return by_digest(cmp, cmp->choice->pushed, err);
    if (cmp->choice->path == LS_PATH_FOUND)
        return by_finding(cmp, err);
    return by_merge(cmp, expected_records(cmp->job), err);
}

static enum ls_code scan_and_compare(struct compare *cmp, ls_difference_fn *fn, void *ctx,
                                     struct ls_error *err)
{
    enum ls_code rc = ls_recheck_open(cmp->job, &cmp->options, ls_compare_can_fetch(cmp->job, NULL),
                                      fn, ctx, cmp->out->count, &cmp->recheck, err);

    if (rc == LS_OK)
        rc = take_path(cmp, err);
    if (rc == LS_OK)
        rc = ls_recheck_finish(cmp->recheck, cmp->hooks, err);
    if (rc == LS_OK)
        add_up(cmp);
    ls_recheck_close(cmp->recheck);
    return rc;
}

static enum ls_code need_two_sides(const struct ls_job *job, struct ls_error *err)
{
    return job->source.store ? LS_OK
                             : ls_error_set(err, LS_INTERNAL, "compare: the job has no source");
}

static void begin(struct ls_compare_result *ret, const struct ls_compare_options *o)
{
    *ret = (struct ls_compare_result){.seeds = {o->seeds[0], o->seeds[1]}};
    ret->source_as_of_us = ret->target_as_of_us = ls_clock_now_us();
}

static enum ls_code position_of(struct ls_store *store, struct ls_arena *mem, char *text,
                                size_t size, struct ls_error *err)
{
    const char *position = "";
    enum ls_code rc = ls_store_position(store, mem, &position, err);

    /* A snapshot with many open transactions is long; the position in the log comes first and is never cut. */
    snprintf(text, size, "%s", position);
    return rc;
}

/* Asked before the first record is read, so that what was committed up to there is in the verdict. */
static enum ls_code note_positions(const struct ls_job *job, struct ls_arena *mem,
                                   struct ls_compare_result *ret, struct ls_error *err)
{
    enum ls_code rc =
        position_of(job->source.store, mem, ret->source_position, sizeof ret->source_position, err);

    return rc == LS_OK ? position_of(job->target.store, mem, ret->target_position,
                                     sizeof ret->target_position, err)
                       : rc;
}

enum ls_code ls_compare(struct ls_job *job, const struct ls_compare_options *options,
                        const struct ls_hooks *hooks, ls_difference_fn *fn, void *ctx,
                        struct ls_compare_result *ret, struct ls_error *err)
{
    struct ls_compare_choice c;
    struct compare cmp = {.job = job,
                          .options = settle(options),
                          .hooks = hooks,
                          .out = ret,
                          .choice = &c,
                          .every = fn,
                          .every_ctx = ctx};
    enum ls_code rc = need_two_sides(job, err);

    if (rc != LS_OK)
        return rc;
    ls_arena_init(&cmp.mem, 0);
    begin(ret, &cmp.options);
    cmp.key = ls_arena_array(&cmp.mem, job->layout.key_count, sizeof *cmp.key);
    rc = cmp.key ? refuse_never(job, &cmp.mem, err) : ls_error_nomem(err);
    if (rc == LS_OK)
        rc = note_positions(job, &cmp.mem, ret, err);
    if (rc == LS_OK) {
        ls_compare_choose(job, &cmp.options, &cmp.mem, &c);
        ls_compare_say_choice(&c, ret);
        ls_compare_set_family(&c, ret);
        rc = c.path == LS_PATH_KEYS
                 ? ls_compare_some_keys(job, job->only_key_count, job->only_keys, true,
                                        cmp.options.every, hooks, fn, ctx, ret, err)
                 : scan_and_compare(&cmp, fn, ctx, err);
    }
    ls_arena_done(&cmp.mem);
    ls_memory_trim();
    return rc;
}

enum ls_code ls_compare_explain(struct ls_job *job, const struct ls_compare_options *options,
                                struct ls_compare_result *ret, struct ls_error *err)
{
    const struct ls_compare_options o = settle(options);
    struct ls_arena mem;
    struct ls_compare_choice c;
    enum ls_code rc = need_two_sides(job, err);

    if (rc != LS_OK)
        return rc;
    ls_arena_init(&mem, 0);
    begin(ret, &o);
    rc = refuse_never(job, &mem, err);
    if (rc == LS_OK) {
        ls_compare_choose(job, &o, &mem, &c);
        ls_compare_say_choice(&c, ret);
        ls_compare_set_family(&c, ret);
    }
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_compare_keys(struct ls_job *job, size_t key_count, const struct ls_value *keys,
                             const struct ls_hooks *hooks, ls_difference_fn *fn, void *ctx,
                             struct ls_compare_result *ret, struct ls_error *err)
{
    const struct ls_compare_options given = {.seeds = {ret->seeds[0], ret->seeds[1]}};
    const struct ls_compare_options o = settle(&given);
    struct ls_compare_choice c = {.job = job, .path = LS_PATH_KEYS};
    struct ls_arena mem;
    const char *why = "";
    enum ls_code rc;

    if (!ls_compare_can_fetch(job, &why))
        return ls_error_set(err, LS_UNSUPPORTED, "records cannot be compared one by one: %s", why);
    ls_arena_init(&mem, 0);
    c.mem = &mem;
    begin(ret, &o);
    ret->path = "keys";
    ls_compare_set_family(&c, ret);
    rc = note_positions(job, &mem, ret, err);
    if (rc == LS_OK)
        rc = ls_compare_some_keys(job, key_count, keys, false, false, hooks, fn, ctx, ret, err);
    ls_arena_done(&mem);
    return rc;
}
