/* SPDX-License-Identifier: Apache-2.0 */
/* compare.c - which records differ between the two sides of a job.
 *
 * Chooses a path, carries it out, and adds up. The choice is a table of reasons, asked in order: the first
 * that holds decides for the merge path; when none does, both sides digest. So the reason that
 * people are shown is the one that decided.
 *
 * Whatever the path, differences end in one place (recheck.c), which looks at them again and
 * reports them; and every record that is met or digested is counted, so that
 * total = in sync + source only + target only + inconsistent + moving holds for each result.
 *
 * A job with a field pair that can never be equal (a wall-clock time against an absolute one
 * without a zone) is refused here rather than shown as a table in which everything differs. */
#include "engine/compare.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/lookup.h"
#include "engine/merge.h"
#include "engine/recheck.h"
#include "engine/segments.h"
#include "model/convert.h"

#define DEFAULT_RECHECK_DELAY_MS 300
#define DEFAULT_RECHECK_MAX 100000
#define BYTES_A_FIELD 24 /* of a sort run, for the estimate that explain shows */

enum path { PATH_MERGE, PATH_DIGEST, PATH_KEYS };

/* How a compare is done, and why. */
struct choice {
    const struct ls_job *job;
    const struct ls_compare_options *options;
    struct ls_arena *mem;
    enum path path;
    bool pushed;   /* PATH_DIGEST: done by the stores, where the data is */
    bool sorts[2]; /* PATH_MERGE: the side is sorted here */
    const char *why_sorted[2];
    const char *why, *family[2];
    struct ls_error refusal; /* of a store that cannot digest this scan */
};

/* ---- choosing ---- */

static bool asked_for(struct choice *c)
{
    return c->options->force_merge;
}

static bool computed(struct choice *c)
{
    return c->job->mapping->computed;
}

static bool filtered_here(struct choice *c)
{
    const struct ls_mapping *m = c->job->mapping;

    return m->where[LS_SIDE_SOURCE] || m->where[LS_SIDE_TARGET] || m->only.count;
}

static bool marks_deleted(struct choice *c)
{
    return c->job->soft_count > 0;
}

static bool key_not_enforced(struct choice *c)
{
    return !c->job->key_enforced;
}

static bool converts(struct choice *c)
{
    const struct ls_mapping *m = c->job->mapping;

    for (size_t i = 0; i < m->field_count; i++) {
        if (m->fields[i].converts || m->fields[i].fixed)
            return true;
    }
    return false;
}

static bool cannot_digest(struct choice *c)
{
    return !ls_store_can(c->job->source.store, LS_CAP_DIGEST) ||
           !ls_store_can(c->job->target.store, LS_CAP_DIGEST);
}

static bool find_family(struct choice *c, enum ls_side_name side)
{
    struct ls_scan scan;

    if (ls_digest_scan(c->job, side, c->mem, &scan, &c->refusal) != LS_OK)
        return false;
    c->family[side] =
        ls_store_digest_family(ls_job_side(c->job, side)->store, &scan, c->mem, &c->refusal);
    return c->family[side] != NULL;
}

static bool refuses_digest(struct choice *c)
{
    return !find_family(c, LS_SIDE_SOURCE) || !find_family(c, LS_SIDE_TARGET);
}

static bool families_differ(struct choice *c)
{
    return strcmp(c->family[LS_SIDE_SOURCE], c->family[LS_SIDE_TARGET]) != 0;
}

/* The family of digests that are made in this process, over the layout. */
static const char *own_family(const struct ls_job *job, struct ls_arena *mem)
{
    struct ls_scan scan;

    if (ls_digest_scan(job, LS_SIDE_TARGET, mem, &scan, NULL) != LS_OK)
        return NULL;
    return ls_store_scan_family(&scan, mem);
}

static bool read_anyway(struct choice *c)
{
    const char *own = own_family(c->job, c->mem);

    c->pushed = !own || strcmp(own, c->family[LS_SIDE_SOURCE]) != 0;
    return !c->pushed && (c->job->source.schema->flags & LS_SCHEMA_ROWID_KEY) &&
           (c->job->target.schema->flags & LS_SCHEMA_ROWID_KEY);
}

/* Why both sides are read rather than digested; asked in this order. */
static const struct reason {
    bool (*holds)(struct choice *c);
    const char *text;
} reasons[] = {
    {asked_for, "it was asked for"},
    {computed, "a field is computed by an expression"},
    {filtered_here, "a filter is evaluated here, not in the store"},
    {marks_deleted, "records that are marked as deleted count as gone"},
    {key_not_enforced, "a side does not enforce that the key is unique, so every key is looked at"},
    {converts, "a field has different types on the two sides"},
    {cannot_digest, "a side cannot digest records itself"},
    {refuses_digest, "a side cannot digest these fields"},
    {families_differ, "the sides hash records differently"},
    {read_anyway, "both are read in the order of their key at no extra cost"},
};

/* A key that both sides find alike although its two fields are not the same type. */
static bool same_key_type(const struct ls_field *a, const struct ls_field *b)
{
    const bool numbers = (a->type == LS_T_INT || a->type == LS_T_DECIMAL) &&
                         (b->type == LS_T_INT || b->type == LS_T_DECIMAL);

    if (a->type != b->type)
        return numbers;
    switch (a->type) {
    case LS_T_DOUBLE:
        return a->precision == b->precision;
    case LS_T_TIME:
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
        return a->scale == b->scale;
    case LS_T_NULL:
    case LS_T_JSON:
    case LS_TYPE_COUNT:
        return false;
    case LS_T_NATIVE:
        return strcmp(a->engine, b->engine) == 0 && strcmp(a->native, b->native) == 0;
    case LS_T_BOOL:
    case LS_T_INT:
    case LS_T_DECIMAL:
    case LS_T_TEXT:
    case LS_T_BYTES:
    case LS_T_DATE:
    case LS_T_UUID:
        break;
    }
    return true;
}

bool ls_compare_can_fetch(const struct ls_job *job, const char **ret_why)
{
    const char *why = NULL;

    if (!job->source.store)
        why = "there is no source";
    else if (!ls_store_can(job->source.store, LS_CAP_FETCH) ||
             !ls_store_can(job->target.store, LS_CAP_FETCH))
        why = "a side cannot be asked for single records";
    for (size_t i = 0; !why && i < job->layout.key_count; i++) {
        const size_t at = job->layout.key[i];
        const struct ls_map_field *map = &job->mapping->fields[at];

        if (!same_key_type(&job->source.schema->fields[map->source], &job->layout.fields[at]))
            why = "the key has different types on the two sides";
    }
    if (ret_why)
        *ret_why = why ? why : "";
    return !why;
}

static enum path choose_path(struct choice *c)
{
    if (c->job->only_key_count && ls_compare_can_fetch(c->job, NULL))
        return PATH_KEYS;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].holds(c)) {
            c->why = reasons[i].text;
            return PATH_MERGE;
        }
    }
    return PATH_DIGEST;
}

static void choose(const struct ls_job *job, const struct ls_compare_options *options,
                   struct ls_arena *mem, struct choice *c)
{
    *c = (struct choice){.job = job, .options = options, .mem = mem};
    c->path = choose_path(c);
    for (unsigned i = 0; i < 2 && c->path == PATH_MERGE; i++)
        c->sorts[i] = ls_side_sorts(job, (enum ls_side_name)i, &c->why_sorted[i]);
}

/* ---- explaining ---- */

static void say(struct ls_compare_result *ret, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct ls_compare_result *ret, const char *fmt, ...)
{
    const size_t used = strlen(ret->explain);
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(ret->explain + used, sizeof ret->explain - used, fmt, args);
    va_end(args);
}

static void say_sorting(const struct choice *c, enum ls_side_name side,
                        struct ls_compare_result *ret)
{
    const int64_t rows = ls_job_side(c->job, side)->schema->rows_estimate;
    const uint64_t bytes = (uint64_t)(rows > 0 ? rows : 0) *
                           (c->job->layout.field_count + c->job->layout.key_count) * BYTES_A_FIELD;

    if (!c->sorts[side])
        return;
    say(ret, " The %s is sorted here, because %s", ls_side_word(side), c->why_sorted[side]);
    if (bytes)
        say(ret, "; that takes about %" PRIu64 " MiB in TMPDIR", (bytes >> 20) + 1);
    say(ret, ".");
}

static void say_choice(const struct choice *c, struct ls_compare_result *ret)
{
    static const char *const words[] = {"merge", "digest", "keys"};

    ret->path = words[c->path];
    ret->explain[0] = '\0';
    switch (c->path) {
    case PATH_KEYS:
        say(ret, "keys: %zu records are fetched by their key from both sides.",
            c->job->only_key_count);
        break;
    case PATH_DIGEST:
        say(ret,
            "digest: both sides hash their records alike, %s; only segments that differ are "
            "read.",
            c->pushed ? "each in its own server" : "each in a thread of its own");
        break;
    case PATH_MERGE:
        say(ret, "merge: both sides are read in key order, because %s.", c->why);
        if (c->refusal.code != LS_OK)
            say(ret, " (%.300s)", c->refusal.text);
        say_sorting(c, LS_SIDE_SOURCE, ret);
        say_sorting(c, LS_SIDE_TARGET, ret);
        break;
    }
}

static void set_family(const struct choice *c, struct ls_compare_result *ret)
{
    const char *family =
        c->path == PATH_DIGEST ? c->family[LS_SIDE_SOURCE] : own_family(c->job, c->mem);

    (void)snprintf(ret->family, sizeof ret->family, "%s", family ? family : "");
}

/* ---- before anything is read ---- */

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
    if (!o.recheck_max)
        o.recheck_max = DEFAULT_RECHECK_MAX;
    choose_seeds(o.seeds);
    return o;
}

/* ---- carrying out ---- */

struct compare {
    const struct ls_job *job;
    struct ls_compare_options options;
    const struct ls_hooks *hooks;
    struct ls_arena mem;
    struct ls_recheck *recheck;
    struct ls_merge_totals totals;
    struct ls_compare_result *out;
};

static uint64_t expected_records(const struct ls_job *job)
{
    const int64_t s = job->source.schema->rows_estimate, t = job->target.schema->rows_estimate;

    return s < 0 || t < 0 ? 0 : (uint64_t)s + (uint64_t)t;
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
    enum ls_code rc = ls_side_reader_open(cmp->job, LS_SIDE_SOURCE, &options, &source, err);

    options.order = order[LS_SIDE_TARGET];
    if (rc == LS_OK)
        rc = ls_side_reader_open(cmp->job, LS_SIDE_TARGET, &options, &target, err);
    if (rc == LS_OK)
        rc = ls_merge(cmp->job, source, target, expected, cmp->hooks, ls_recheck_add, cmp->recheck,
                      &cmp->totals, err);
    ls_side_reader_close(target);
    ls_side_reader_close(source);
    return rc;
}

static enum ls_code by_merge(struct compare *cmp, const struct choice *c, struct ls_error *err)
{
    const enum ls_reader_order order[2] = {c->sorts[0] ? LS_READER_SORTED : LS_READER_SCAN,
                                           c->sorts[1] ? LS_READER_SORTED : LS_READER_SCAN};
    enum ls_code rc = read_both(cmp, NULL, order, expected_records(cmp->job), err);

    cmp->out->source_digest = cmp->totals.digest[LS_SIDE_SOURCE];
    cmp->out->target_digest = cmp->totals.digest[LS_SIDE_TARGET];
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
    say(cmp->out, " %zu of %zu segments differ%s.", seg.differing, seg.segments,
        seg.rounds > 2   ? ", and were cut twice more"
        : seg.rounds > 1 ? ", and were cut once more"
                         : "");
    cmp->out->source_digest = seg.digest[LS_SIDE_SOURCE];
    cmp->out->target_digest = seg.digest[LS_SIDE_TARGET];
    cmp->out->source_count = cmp->out->target_count = seg.equal_count;
    cmp->out->count[LS_IN_SYNC] = seg.equal_count;
    if (!seg.partition && !seg.everything)
        return LS_OK;
    if (seg.partition && !pushed)
        order[0] = order[1] = LS_READER_SORTED;
    return read_both(cmp, seg.partition, order, seg.left[LS_SIDE_SOURCE] + seg.left[LS_SIDE_TARGET],
                     err);
}

static void add_up(struct compare *cmp)
{
    struct ls_compare_result *out = cmp->out;

    out->source_count += cmp->totals.count[LS_SIDE_SOURCE];
    out->target_count += cmp->totals.count[LS_SIDE_TARGET];
    out->count[LS_IN_SYNC] += cmp->totals.in_sync;
    for (size_t i = 0; i < LS_STATUS_COUNT; i++)
        out->total += out->count[i];
    say(out, " %s", ls_recheck_outcome(cmp->recheck));
}

static enum ls_code scan_and_compare(struct compare *cmp, const struct choice *c,
                                     ls_difference_fn *fn, void *ctx, struct ls_error *err)
{
    enum ls_code rc = ls_recheck_open(cmp->job, &cmp->options, ls_compare_can_fetch(cmp->job, NULL),
                                      fn, ctx, cmp->out->count, &cmp->recheck, err);

    if (rc == LS_OK)
        rc = c->path == PATH_DIGEST ? by_digest(cmp, c->pushed, err) : by_merge(cmp, c, err);
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

static enum ls_code keys_and_compare(struct compare *cmp, size_t key_count,
                                     const struct ls_value *keys, ls_difference_fn *fn, void *ctx,
                                     struct ls_error *err);

enum ls_code ls_compare(struct ls_job *job, const struct ls_compare_options *options,
                        const struct ls_hooks *hooks, ls_difference_fn *fn, void *ctx,
                        struct ls_compare_result *ret, struct ls_error *err)
{
    struct compare cmp = {.job = job, .options = settle(options), .hooks = hooks, .out = ret};
    struct choice c;
    enum ls_code rc = need_two_sides(job, err);

    if (rc != LS_OK)
        return rc;
    ls_arena_init(&cmp.mem, 0);
    begin(ret, &cmp.options);
    rc = refuse_never(job, &cmp.mem, err);
    if (rc == LS_OK) {
        choose(job, &cmp.options, &cmp.mem, &c);
        say_choice(&c, ret);
        set_family(&c, ret);
        rc = c.path == PATH_KEYS
                 ? keys_and_compare(&cmp, job->only_key_count, job->only_keys, fn, ctx, err)
                 : scan_and_compare(&cmp, &c, fn, ctx, err);
    }
    ls_arena_done(&cmp.mem);
    return rc;
}

enum ls_code ls_compare_explain(struct ls_job *job, const struct ls_compare_options *options,
                                struct ls_compare_result *ret, struct ls_error *err)
{
    const struct ls_compare_options o = settle(options);
    struct ls_arena mem;
    struct choice c;
    enum ls_code rc = need_two_sides(job, err);

    if (rc != LS_OK)
        return rc;
    ls_arena_init(&mem, 0);
    begin(ret, &o);
    rc = refuse_never(job, &mem, err);
    if (rc == LS_OK) {
        choose(job, &o, &mem, &c);
        say_choice(&c, ret);
        set_family(&c, ret);
    }
    ls_arena_done(&mem);
    return rc;
}

/* ---- by keys ---- */

struct key_order {
    const struct ls_layout *layout;
};

static int order_keys(const void *a, const void *b, void *ctx)
{
    const struct ls_layout *layout = ((const struct key_order *)ctx)->layout;
    const struct ls_value *const *x = a, *const *y = b;

    return ls_values_order(*x, *y, layout->key_as, layout->key_count);
}

/* The keys in order, each once, one after the other. */
static enum ls_code sort_keys(const struct ls_layout *layout, size_t count,
                              const struct ls_value *keys, struct ls_arena *mem,
                              struct ls_value **ret, size_t *ret_count, struct ls_error *err)
{
    struct key_order order = {layout};
    const struct ls_value **refs = ls_arena_array(mem, count, sizeof *refs);
    struct ls_value *out = ls_arena_array(mem, count * layout->key_count, sizeof *out);
    size_t kept = 0;

    if (!refs || !out)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        refs[i] = keys + i * layout->key_count;
    if (count > 1)
        qsort_r(refs, count, sizeof(const struct ls_value *), order_keys, &order);
    for (size_t i = 0; i < count; i++) {
        if (i && order_keys(&refs[i - 1], &refs[i], &order) == 0)
            continue;
        memcpy(out + kept * layout->key_count, refs[i], layout->key_count * sizeof *out);
        kept++;
    }
    *ret = out;
    *ret_count = kept;
    return LS_OK;
}

static void count_found(struct compare *cmp, enum ls_side_name side,
                        const struct ls_reader_record *record)
{
    if (!record)
        return;
    cmp->totals.count[side]++;
    cmp->totals.digest[side] += record->hash;
}

static enum ls_code compare_found(struct compare *cmp, const struct ls_reader_record *source,
                                  const struct ls_reader_record *target, ls_difference_fn *fn,
                                  void *ctx, struct ls_error *err)
{
    enum ls_status status;

    count_found(cmp, LS_SIDE_SOURCE, source);
    count_found(cmp, LS_SIDE_TARGET, target);
    if (!source && !target)
        return LS_OK;
    status =
        ls_pair_status(cmp->job, source ? source->values : NULL, target ? target->values : NULL);
    if (status == LS_IN_SYNC) {
        cmp->out->count[LS_IN_SYNC]++;
        return LS_OK;
    }
    return ls_report_difference(cmp->job, status, source ? source->values : NULL,
                                target ? target->values : NULL, fn, ctx, cmp->out->count, err);
}

static enum ls_code compare_some(struct compare *cmp, struct ls_lookup *const lookups[2],
                                 size_t count, const struct ls_value *keys, struct ls_arena *mem,
                                 ls_difference_fn *fn, void *ctx, struct ls_error *err)
{
    const struct ls_layout *layout = &cmp->job->layout;
    struct ls_reader_record *found[2] = {NULL, NULL};
    size_t found_count[2] = {0, 0};
    enum ls_code rc = LS_OK;

    for (size_t side = 0; side < 2 && rc == LS_OK; side++)
        rc = ls_lookup_keys(lookups[side], count, keys, mem, &found[side], &found_count[side], err);
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        const struct ls_value *key = keys + i * layout->key_count;

        rc = compare_found(cmp, ls_lookup_find(layout, found[0], found_count[0], key),
                           ls_lookup_find(layout, found[1], found_count[1], key), fn, ctx, err);
    }
    return rc;
}

static enum ls_code keys_and_compare(struct compare *cmp, size_t key_count,
                                     const struct ls_value *keys, ls_difference_fn *fn, void *ctx,
                                     struct ls_error *err)
{
    struct ls_lookup *lookups[2] = {NULL, NULL};
    struct ls_value *sorted = NULL;
    struct ls_arena batch;
    size_t count = 0;
    enum ls_code rc =
        sort_keys(&cmp->job->layout, key_count, keys, &cmp->mem, &sorted, &count, err);

    ls_arena_init(&batch, 0);
    for (unsigned side = 0; side < 2 && rc == LS_OK; side++)
        rc = ls_lookup_open(cmp->job, (enum ls_side_name)side, cmp->options.seeds, &lookups[side],
                            err);
    for (size_t at = 0; at < count && rc == LS_OK; at += LS_LOOKUP_KEYS) {
        const size_t some = count - at < LS_LOOKUP_KEYS ? count - at : LS_LOOKUP_KEYS;

        ls_arena_reset(&batch);
        if (cmp->hooks && ls_cancel_wanted(cmp->hooks->cancel))
            rc = ls_error_set(err, LS_CANCELLED, "cancelled");
        else
            rc = compare_some(cmp, lookups, some, sorted + at * cmp->job->layout.key_count, &batch,
                              fn, ctx, err);
    }
    ls_lookup_close(lookups[LS_SIDE_TARGET]);
    ls_lookup_close(lookups[LS_SIDE_SOURCE]);
    ls_arena_done(&batch);
    if (rc != LS_OK)
        return rc;
    cmp->out->source_count = cmp->totals.count[LS_SIDE_SOURCE];
    cmp->out->target_count = cmp->totals.count[LS_SIDE_TARGET];
    cmp->out->source_digest = cmp->totals.digest[LS_SIDE_SOURCE];
    cmp->out->target_digest = cmp->totals.digest[LS_SIDE_TARGET];
    for (size_t i = 0; i < LS_STATUS_COUNT; i++)
        cmp->out->total += cmp->out->count[i];
    return LS_OK;
}

enum ls_code ls_compare_keys(struct ls_job *job, size_t key_count, const struct ls_value *keys,
                             const struct ls_hooks *hooks, ls_difference_fn *fn, void *ctx,
                             struct ls_compare_result *ret, struct ls_error *err)
{
    const struct ls_compare_options o = {.seeds = {ret->seeds[0], ret->seeds[1]}};
    struct compare cmp = {.job = job, .options = settle(&o), .hooks = hooks, .out = ret};
    struct choice c = {.job = job, .path = PATH_KEYS, .mem = &cmp.mem};
    const char *why = "";
    enum ls_code rc;

    if (!ls_compare_can_fetch(job, &why))
        return ls_error_set(err, LS_UNSUPPORTED, "records cannot be compared one by one: %s", why);
    ls_arena_init(&cmp.mem, 0);
    begin(ret, &cmp.options);
    ret->path = "keys";
    set_family(&c, ret);
    rc = keys_and_compare(&cmp, key_count, keys, fn, ctx, err);
    ls_arena_done(&cmp.mem);
    return rc;
}
