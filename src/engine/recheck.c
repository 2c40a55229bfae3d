/* SPDX-License-Identifier: Apache-2.0 */
/* recheck.c - differences wait here until they have been looked at a second time.
 *
 * Two stores have no common snapshot: a record that is written while both sides are read shows as a difference that is none
 * a moment later. So what differs is kept in a temporary file, and after a moment both sides are asked again,
 * by key. What is exactly as it was on both sides is reported as what it is; everything else moves:
 * it is counted as `moving`, and reported so unless both sides are equal by now.
 *
 * Exactly as it was: there or not, and the same hash, on each side. The hash has the run's random seeds.
 *
 * Looking again is cheap for the few differences of stores in use and pointless for a first copy. Past
 * recheck_max differences nothing is looked at again: what waits is reported as it came, in order, and so is all that
 * follows. Apply checks each record against the plan anyway.
 *
 * Nothing waits when nothing differs, so comparing equal stores costs no delay. */
#include "engine/recheck.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "engine/lookup.h"
#include "engine/spool.h"
#include "model/json.h"

#define CANCEL_POLL_MS 20

enum outcome { NOT_POSSIBLE, OFF, LOOKED, TOO_MANY, NONE_DIFFER };

struct ls_recheck {
    const struct ls_job *job;
    struct ls_compare_options options;
    ls_difference_fn *fn;
    void *ctx;
    uint64_t *count;
    bool direct; /* differences go straight on */
    enum outcome outcome;
    struct ls_spool spool;
    struct ls_buf blob;
};

/* One waiting difference, read back. */
struct waiting {
    enum ls_status status;
    struct ls_reader_record side[2]; /* values NULL: not there */
    const struct ls_value *key;
};

enum ls_code ls_recheck_open(const struct ls_job *job, const struct ls_compare_options *options,
                             bool possible, ls_difference_fn *fn, void *ctx, uint64_t *count,
                             struct ls_recheck **ret, struct ls_error *err)
{
    struct ls_recheck *r = calloc(1, sizeof *r);

    if (!r)
        return ls_error_nomem(err);
    r->job = job;
    r->options = *options;
    r->fn = fn;
    r->ctx = ctx;
    r->count = count;
    r->direct = !possible || options->no_recheck;
    r->outcome = options->no_recheck ? OFF : possible ? NONE_DIFFER : NOT_POSSIBLE;
    ls_buf_init(&r->blob, 0);
    *ret = r;
    return LS_OK;
}

void ls_recheck_close(struct ls_recheck *recheck)
{
    if (!recheck)
        return;
    ls_spool_done(&recheck->spool);
    ls_buf_done(&recheck->blob);
    free(recheck);
}

const char *ls_recheck_outcome(const struct ls_recheck *recheck)
{
    static const char *const words[] = {
        [NOT_POSSIBLE] = "Differences were not looked at again: a side cannot be asked by key.",
        [OFF] = "Differences were not looked at again, as asked for.",
        [LOOKED] = "Differences were looked at again after a moment.",
        [TOO_MANY] = "Differences were too many to be looked at again.",
        [NONE_DIFFER] = "Nothing differs.",
    };

    return words[recheck->outcome];
}

static void flag_differences(const struct ls_layout *layout, const struct ls_value *source,
                             const struct ls_value *target, uint8_t *flags)
{
    for (size_t i = 0; i < layout->field_count; i++)
        flags[i] = !ls_value_equal(&source[i], &target[i], &layout->as[i]);
}

enum ls_code ls_report_difference(const struct ls_job *job, enum ls_status status,
                                  const struct ls_value *source, const struct ls_value *target,
                                  ls_difference_fn *fn, void *ctx, uint64_t *count,
                                  struct ls_error *err)
{
    const struct ls_layout *layout = &job->layout;
    struct ls_difference d = {.status = status, .source = source, .target = target};
    struct ls_value *key;
    uint8_t *flags;
    enum ls_code rc;

    count[status]++;
    if (!fn)
        return LS_OK;
    key = calloc(layout->key_count, sizeof *key);
    flags = calloc(layout->field_count, sizeof *flags);
    rc = key && flags ? LS_OK : ls_error_nomem(err);
    if (rc == LS_OK) {
        ls_layout_key(layout, target ? target : source, key);
        d.key = key;
        if (source && target) {
            flag_differences(layout, source, target, flags);
            d.differs = flags;
        }
        rc = fn(ctx, &d, err);
    }
    free(flags);
    free(key);
    return rc;
}

static enum ls_code report(struct ls_recheck *r, enum ls_status status,
                           const struct ls_value *source, const struct ls_value *target,
                           struct ls_error *err)
{
    return ls_report_difference(r->job, status, source, target, r->fn, r->ctx, r->count, err);
}

/* ---- waiting ---- */

static void encode_side(struct ls_buf *out, const struct ls_reader_record *record, size_t width)
{
    ls_buf_u8(out, record->values != NULL);
    if (!record->values)
        return;
    ls_buf_u64(out, record->hash);
    ls_values_encode(out, record->values, width);
}

static bool decode_side(struct ls_reader *in, struct ls_arena *mem, size_t width,
                        struct ls_reader_record *ret)
{
    struct ls_value *values;

    if (!ls_reader_u8(in))
        return !in->failed;
    ret->hash = ls_reader_u64(in);
    values = ls_arena_array(mem, width, sizeof *values);
    ret->values = values;
    return values && ls_values_decode(in, mem, values, width);
}

static enum ls_code keep(struct ls_recheck *r, enum ls_status status,
                         const struct ls_reader_record *source,
                         const struct ls_reader_record *target, struct ls_error *err)
{
    const size_t width = r->job->layout.field_count;

    ls_buf_reset(&r->blob);
    ls_buf_u8(&r->blob, (uint8_t)status);
    encode_side(&r->blob, source, width);
    encode_side(&r->blob, target, width);
    return ls_spool_add(&r->spool, &r->blob, err);
}

/* The next waiting difference, in mem; *ret_any false at the end. */
static enum ls_code next(struct ls_recheck *r, struct ls_arena *mem, struct waiting *ret,
                         bool *ret_any, struct ls_error *err)
{
    const struct ls_layout *layout = &r->job->layout;
    struct ls_reader in;
    struct ls_value *key;
    void *blob = NULL;
    size_t size = 0;
    enum ls_code rc = ls_spool_next(&r->spool, mem, &blob, &size, err);

    *ret_any = blob != NULL;
    if (rc != LS_OK || !blob)
        return rc;
    *ret = (struct waiting){0};
    ls_reader_init(&in, blob, size);
    ret->status = (enum ls_status)ls_reader_u8(&in);
    key = ls_arena_array(mem, layout->key_count, sizeof *key);
    if (!key || !decode_side(&in, mem, layout->field_count, &ret->side[LS_SIDE_SOURCE]) ||
        !decode_side(&in, mem, layout->field_count, &ret->side[LS_SIDE_TARGET]))
        return ls_error_nomem(err);
    ls_layout_key(layout,
                  ret->side[LS_SIDE_TARGET].values ? ret->side[LS_SIDE_TARGET].values
                                                   : ret->side[LS_SIDE_SOURCE].values,
                  key);
    ret->key = key;
    return LS_OK;
}

/* Too many: reports what waits as it came. */
static enum ls_code let_go(struct ls_recheck *r, struct ls_error *err)
{
    struct ls_arena mem;
    bool any = true;
    enum ls_code rc = ls_spool_rewind(&r->spool, err);

    r->direct = true;
    r->outcome = TOO_MANY;
    ls_arena_init(&mem, 0);
    while (rc == LS_OK && any) {
        struct waiting w;

        ls_arena_reset(&mem);
        rc = next(r, &mem, &w, &any, err);
        if (rc == LS_OK && any)
            rc = report(r, w.status, w.side[LS_SIDE_SOURCE].values, w.side[LS_SIDE_TARGET].values,
                        err);
    }
    ls_arena_done(&mem);
    ls_spool_done(&r->spool);
    return rc;
}

enum ls_code ls_recheck_add(void *recheck, enum ls_status status,
                            const struct ls_reader_record *source,
                            const struct ls_reader_record *target, struct ls_error *err)
{
    struct ls_recheck *r = recheck;

    if (!r->direct && r->spool.count >= r->options.recheck_max) {
        enum ls_code rc = let_go(r, err);

        if (rc != LS_OK)
            return rc;
    }
    if (r->direct)
        return report(r, status, source->values, target->values, err);
    return keep(r, status, source, target, err);
}

/* ---- looking again ---- */

static enum ls_code wait_a_moment(const struct ls_recheck *r, const struct ls_hooks *hooks,
                                  struct ls_error *err)
{
    const int64_t until =
        ls_clock_monotonic_us() + (int64_t)r->options.recheck_delay_ms * INT64_C(1000);

    for (;;) {
        const int64_t left = until - ls_clock_monotonic_us();
        struct timespec nap = {.tv_nsec = CANCEL_POLL_MS * 1000000L};

        if (hooks && ls_cancel_wanted(hooks->cancel))
            return ls_error_set(err, LS_CANCELLED, "cancelled");
        if (left <= 0)
            return LS_OK;
        if (left < CANCEL_POLL_MS * INT64_C(1000))
            nap.tv_nsec = (long)left * 1000L;
        (void)nanosleep(&nap, NULL);
    }
}

static bool unchanged(const struct ls_reader_record *before, const struct ls_reader_record *now)
{
    if (!before->values || !now)
        return !before->values && !now;
    return before->hash == now->hash;
}

/* What a second look says of a difference. */
static enum ls_code judge(struct ls_recheck *r, const struct waiting *w,
                          const struct ls_reader_record *source,
                          const struct ls_reader_record *target, struct ls_error *err)
{
    if (unchanged(&w->side[LS_SIDE_SOURCE], source) && unchanged(&w->side[LS_SIDE_TARGET], target))
        return report(r, w->status, w->side[LS_SIDE_SOURCE].values, w->side[LS_SIDE_TARGET].values,
                      err);
    if ((!source && !target) || ls_pair_status(r->job, source ? source->values : NULL,
                                               target ? target->values : NULL) == LS_IN_SYNC) {
        r->count[LS_MOVING]++;
        return LS_OK;
    }
    return report(r, LS_MOVING, source ? source->values : NULL, target ? target->values : NULL,
                  err);
}

struct round {
    struct ls_arena mem;
    struct waiting *waiting;
    struct ls_value *keys;
    size_t count;
};

static enum ls_code fill_round(struct ls_recheck *r, struct round *round, struct ls_error *err)
{
    const size_t width = r->job->layout.key_count;
    bool any = true;
    enum ls_code rc = LS_OK;

    ls_arena_reset(&round->mem);
    round->count = 0;
    round->waiting = ls_arena_array(&round->mem, LS_LOOKUP_KEYS, sizeof *round->waiting);
    round->keys = ls_arena_array(&round->mem, LS_LOOKUP_KEYS * width, sizeof *round->keys);
    if (!round->waiting || !round->keys)
        return ls_error_nomem(err);
    while (rc == LS_OK && round->count < LS_LOOKUP_KEYS) {
        struct waiting *w = &round->waiting[round->count];

        rc = next(r, &round->mem, w, &any, err);
        if (rc != LS_OK || !any)
            break;
        for (size_t i = 0; i < width; i++)
            round->keys[round->count * width + i] = w->key[i];
        round->count++;
    }
    return rc;
}

static enum ls_code look_again(struct ls_recheck *r, struct ls_lookup *const lookups[2],
                               struct round *round, struct ls_error *err)
{
    const struct ls_layout *layout = &r->job->layout;
    struct ls_reader_record *found[2] = {NULL, NULL};
    size_t count[2] = {0, 0};
    enum ls_code rc = LS_OK;

    for (size_t side = 0; side < 2 && rc == LS_OK; side++)
        rc = ls_lookup_keys(lookups[side], round->count, round->keys, &round->mem, &found[side],
                            &count[side], err);
    for (size_t i = 0; i < round->count && rc == LS_OK; i++) {
        const struct waiting *w = &round->waiting[i];

        rc = judge(
            r, w, ls_lookup_find(layout, found[LS_SIDE_SOURCE], count[LS_SIDE_SOURCE], w->key),
            ls_lookup_find(layout, found[LS_SIDE_TARGET], count[LS_SIDE_TARGET], w->key), err);
    }
    return rc;
}

static enum ls_code all_rounds(struct ls_recheck *r, const struct ls_hooks *hooks,
                               struct ls_error *err)
{
    struct ls_lookup *lookups[2] = {NULL, NULL};
    struct round round = {0};
    enum ls_code rc = LS_OK;

    ls_arena_init(&round.mem, 0);
    for (unsigned side = 0; side < 2 && rc == LS_OK; side++)
        rc = ls_lookup_open(r->job, (enum ls_side_name)side, r->options.seeds, &lookups[side], err);
    if (rc == LS_OK)
        rc = ls_spool_rewind(&r->spool, err);
    while (rc == LS_OK) {
        if (hooks && ls_cancel_wanted(hooks->cancel)) {
            rc = ls_error_set(err, LS_CANCELLED, "cancelled");
            break;
        }
        rc = fill_round(r, &round, err);
        if (rc != LS_OK || !round.count)
            break;
        rc = look_again(r, lookups, &round, err);
    }
    ls_lookup_close(lookups[LS_SIDE_TARGET]);
    ls_lookup_close(lookups[LS_SIDE_SOURCE]);
    ls_arena_done(&round.mem);
    return rc;
}

enum ls_code ls_recheck_finish(struct ls_recheck *recheck, const struct ls_hooks *hooks,
                               struct ls_error *err)
{
    enum ls_code rc;

    if (recheck->direct || !recheck->spool.count)
        return LS_OK;
    recheck->outcome = LOOKED;
    rc = wait_a_moment(recheck, hooks, err);
    return rc == LS_OK ? all_rounds(recheck, hooks, err) : rc;
}
