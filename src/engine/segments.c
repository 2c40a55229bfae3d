/* SPDX-License-Identifier: Apache-2.0 */
/* segments.c - which parts of two collections differ, found by comparing digests of segments.
 *
 * A collection is cut into segments: by bounds of the first key field, sampled on the larger side so that segments
 * are of about one size whatever the gaps in the keys; or by a hash of the key where the key has no ranges
 * worth cutting. Both sides digest the same segments, at the same time; a segment's digest is its count and the sum of its
 * records' hashes. Segments whose digests are equal are equal; of the others the records are read.
 *
 * The traps, and what is done about each:
 *   a record on a bound is in one segment alone: segments are half-open, [lower, upper);
 *   records outside of what was sampled: the first and the last segment have open ends;
 *   two records that swap values cancel in a sum when the hash is linear in the fields: stores mix it again;
 *   a hash that is known can be played: the seeds are random for each run, and never 0 or 1, where NULL and
 *   0 would meet;
 *   the same records hashed again and again while many differ: what differs is cut further at most twice, and only while
 *   between a tenth and half of all records are left: with less, reading is cheaper, with more, cutting finds nothing.
 *
 * A digest that is made in this process (SQLite, memory) costs a pass over all records however few are wanted;
 * then more segments are made at once, by hash, and never cut again: 16 bytes a segment are
 * cheaper than a second pass.
 *
 * Equal segments are counted from their digests, so the counts of one compare may come from two snapshots a moment apart; a
 * store that is written meanwhile has no one count anyway. */
#include "engine/segments.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define ROWS_A_SEGMENT 500
#define SEGMENTS_MIN 16
#define SEGMENTS_MAX 2000 /* measured: groups by hash aggregation, still a fraction of the scan */
#define SEGMENTS_UNKNOWN 256    /* nobody knows how many records there are */
#define SEGMENTS_HERE_MAX 65536 /* of digests made in this process: 1 MiB a side */
#define ROWS_A_SEGMENT_HERE 32
#define READ_ROWS 20000 /* fewer records than these are read rather than cut further */
#define READ_PART \
    10 /* and so is less than a tenth: a further round is a pass over all records, if a cheaper one */
#define ROUNDS_MAX 3
#define POLL_MS 100

/* ---- partitions ---- */

static void set_bit(uint8_t *bits, size_t i)
{
    bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << (i % 8));
}

static size_t power_of_two(size_t at_least)
{
    size_t n = 1;

    while (n < at_least)
        n *= 2;
    return n;
}

size_t ls_segments_for(int64_t rows, bool pushed)
{
    const size_t most = pushed ? SEGMENTS_MAX : SEGMENTS_HERE_MAX;
    const int64_t each = pushed ? ROWS_A_SEGMENT : ROWS_A_SEGMENT_HERE;
    size_t count = SEGMENTS_UNKNOWN;

    if (rows >= 0)
        count = rows / each > (int64_t)most ? most : (size_t)(rows / each);
    if (count < SEGMENTS_MIN)
        count = SEGMENTS_MIN;
    return count > most ? most : count;
}

/* The bounds of a cut partition, in order: those at the edges of wanted segments, and the cuts. Without cuts
 * wanted neighbours are joined too. */
static size_t join_bounds(const struct ls_partition *old, const struct ls_as *as,
                          const struct ls_value *cuts, size_t cut_count, struct ls_value *bounds)
{
    size_t count = 0, at = 0;

    for (size_t i = 0; i + 1 < old->count || at < cut_count;) {
        const struct ls_value *next;

        if (i + 1 < old->count &&
            (at == cut_count || ls_value_order(&old->bounds[i], &cuts[at], as) <= 0)) {
            const bool below = ls_partition_wants(old, i), above = ls_partition_wants(old, i + 1);
            const bool edge = cut_count ? below || above : below != above;

            next = edge ? &old->bounds[i] : NULL;
            i++;
        } else {
            next = &cuts[at++];
        }
        if (next && (!count || ls_value_order(&bounds[count - 1], next, as) < 0))
            bounds[count++] = *next;
    }
    return count;
}

struct ls_partition *ls_partition_cut(const struct ls_partition *old, const struct ls_as *as,
                                      const struct ls_value *cuts, size_t cut_count,
                                      struct ls_arena *mem)
{
    struct ls_partition *p = ls_arena_alloc(mem, sizeof *p);
    struct ls_value *bounds = ls_arena_array(mem, old->count + cut_count, sizeof *bounds);
    struct ls_buf scratch;
    uint8_t *wanted;

    if (!p || !bounds)
        return NULL;
    *p = *old;
    p->count = join_bounds(old, as, cuts, cut_count, bounds) + 1;
    p->bounds = bounds;
    p->wanted = wanted = ls_arena_array(mem, p->count / 8 + 1, 1);
    if (!wanted)
        return NULL;
    ls_buf_init(&scratch, 0);
    /* A new segment lies within one old segment, the one its lower bound is in, or within several unwanted ones. */
    for (size_t i = 0; i < p->count; i++) {
        const size_t parent = i ? ls_partition_of(old, &bounds[i - 1], as, 1, &scratch) : 0;

        if (ls_partition_wants(old, parent))
            set_bit(wanted, i);
    }
    ls_buf_done(&scratch);
    return p;
}

/* A segment is the low bits of a hash: with more of them segment s falls into s, s + count, s + 2 count... */
struct ls_partition *ls_partition_split(const struct ls_partition *old, size_t factor,
                                        struct ls_arena *mem)
{
    struct ls_partition *p = ls_arena_alloc(mem, sizeof *p);
    uint8_t *wanted;

    if (!p)
        return NULL;
    *p = *old;
    p->count = old->count * factor;
    p->wanted = wanted = ls_arena_array(mem, p->count / 8 + 1, 1);
    if (!wanted)
        return NULL;
    for (size_t i = 0; i < p->count; i++) {
        if (ls_partition_wants(old, i & (old->count - 1)))
            set_bit(wanted, i);
    }
    return p;
}

/* ---- both sides at the same time ---- */

struct pair;

struct digest_task {
    struct pair *pair;
    struct ls_store *store;
    struct ls_scan scan;
    struct ls_segment *segments;
    struct ls_thread thread;
    struct ls_error err;
    enum ls_code rc;
    bool ended;
};

struct pair {
    struct digest_task side[2];
    const uint64_t *seeds;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static void run_digest(void *arg)
{
    struct digest_task *task = arg;
    const enum ls_code rc =
        ls_store_digest(task->store, &task->scan, task->pair->seeds, task->segments, &task->err);

    pthread_mutex_lock(&task->pair->lock);
    task->rc = rc;
    task->ended = true;
    pthread_cond_broadcast(&task->pair->changed);
    pthread_mutex_unlock(&task->pair->lock);
}

/* Waits for both; when one failed or cancel is wanted, the other is told to give up until it does: one that is told just
 * before its statement begins has nothing to give up yet. */
static void await_both(struct pair *pair, const struct ls_cancel *cancel)
{
    struct digest_task *a = &pair->side[0], *b = &pair->side[1];

    pthread_mutex_lock(&pair->lock);
    while (!a->ended || !b->ended) {
        const bool failed = (a->ended && a->rc != LS_OK) || (b->ended && b->rc != LS_OK);

        for (size_t i = 0; i < 2 && (failed || ls_cancel_wanted(cancel)); i++)
            if (!pair->side[i].ended)
                ls_store_cancel(pair->side[i].store);
        (void)ls_cond_wait(&pair->changed, &pair->lock,
                           ls_clock_monotonic_us() + POLL_MS * INT64_C(1000));
    }
    pthread_mutex_unlock(&pair->lock);
}

/* The error that came first in cause: one side's cancellation follows from the other side's error. */
static enum ls_code pair_result(const struct pair *pair, const struct ls_cancel *cancel,
                                struct ls_error *err)
{
    size_t worst = 2;

    if (ls_cancel_wanted(cancel))
        return ls_error_set(err, LS_CANCELLED, "cancelled");
    for (size_t i = 0; i < 2; i++) {
        if (pair->side[i].rc != LS_OK && (worst == 2 || pair->side[i].rc != LS_CANCELLED))
            worst = i;
    }
    if (worst == 2)
        return LS_OK;
    if (err)
        *err = pair->side[worst].err;
    (void)ls_error_wrap(err, "%s", ls_side_word((enum ls_side_name)worst));
    return pair->side[worst].rc;
}

static enum ls_code digest_both(const struct ls_job *job, const struct ls_partition *partition,
                                const uint64_t seeds[2], const struct ls_cancel *cancel,
                                struct ls_arena *mem, struct ls_segment *ret[2],
                                struct ls_error *err)
{
    struct pair pair = {.seeds = seeds};
    enum ls_code rc = LS_OK;

    pthread_mutex_init(&pair.lock, NULL);
    pthread_cond_init(&pair.changed, NULL);
    for (unsigned i = 0; i < 2 && rc == LS_OK; i++) {
        struct digest_task *task = &pair.side[i];

        task->pair = &pair;
        task->store = ls_job_side(job, (enum ls_side_name)i)->store;
        task->segments = ret[i] = ls_arena_array(mem, partition->count, sizeof *ret[i]);
        rc = ret[i] ? ls_digest_scan(job, (enum ls_side_name)i, mem, &task->scan, err)
                    : ls_error_nomem(err);
        task->scan.partition = partition;
    }
    for (size_t i = 0; i < 2; i++) {
        struct digest_task *task = &pair.side[i];

        if (rc == LS_OK)
            rc = ls_thread_start(&task->thread, run_digest, task, err);
        if (rc != LS_OK) {
            pthread_mutex_lock(&pair.lock);
            task->ended = true;
            task->rc = LS_CANCELLED;
            pthread_mutex_unlock(&pair.lock);
        }
    }
    await_both(&pair, cancel);
    for (size_t i = 0; i < 2; i++)
        ls_thread_join(&pair.side[i].thread);
    pthread_cond_destroy(&pair.changed);
    pthread_mutex_destroy(&pair.lock);
    return rc == LS_OK ? pair_result(&pair, cancel, err) : rc;
}

/* ---- rounds ---- */

struct narrowing {
    const struct ls_job *job;
    bool pushed;
    const uint64_t *seeds;
    const struct ls_cancel *cancel;
    struct ls_arena *mem;
    struct ls_partition *partition;
    uint64_t total; /* records of the larger side */
};

enum ls_code ls_digest_scan(const struct ls_job *job, enum ls_side_name name, struct ls_arena *mem,
                            struct ls_scan *ret, struct ls_error *err)
{
    const struct ls_layout *layout = &job->layout;
    const struct ls_side *side = ls_job_side(job, name);
    size_t *fields = ls_arena_array(mem, layout->field_count, sizeof *fields);

    if (!fields)
        return ls_error_nomem(err);
    for (size_t i = 0; i < layout->field_count; i++)
        fields[i] = name == LS_SIDE_SOURCE ? job->mapping->fields[i].source : job->target_fields[i];
    *ret = (struct ls_scan){.schema = side->schema,
                            .field_count = layout->field_count,
                            .fields = fields,
                            .key_count = layout->key_count,
                            .key = layout->key,
                            .as = layout->as,
                            .filter = side->pushed.count ? &side->pushed : NULL};
    return LS_OK;
}

/* The side that is asked for bounds: the larger one, as far as it is known. */
static enum ls_side_name larger(const struct ls_job *job)
{
    return job->target.schema->rows_estimate > job->source.schema->rows_estimate ? LS_SIDE_TARGET
                                                                                 : LS_SIDE_SOURCE;
}

static enum ls_code ask_bounds(struct narrowing *n, size_t wanted, size_t *ret_count,
                               struct ls_value **ret, struct ls_error *err)
{
    const enum ls_side_name side = larger(n->job);
    struct ls_scan scan;
    enum ls_code rc = ls_digest_scan(n->job, side, n->mem, &scan, err);

    *ret_count = 0;
    *ret = NULL;
    if (rc != LS_OK)
        return rc;
    scan.partition = n->partition;
    rc = ls_store_bounds(ls_job_side(n->job, side)->store, &scan, wanted, n->mem, ret_count, ret,
                         err);
    return rc == LS_OK ? rc : ls_error_wrap(err, "%s", ls_side_word(side));
}

/* The first partition: by range where the key gives bounds enough, else by hash. */
static enum ls_code first_partition(struct narrowing *n, struct ls_error *err)
{
    const int64_t rows = ls_job_side(n->job, larger(n->job))->schema->rows_estimate;
    const size_t wanted = ls_segments_for(rows, n->pushed);
    struct ls_partition one = {.by_range = true, .count = 1};
    struct ls_value *bounds = NULL;
    size_t count = 0;
    enum ls_code rc = LS_OK;

    if (n->pushed)
        rc = ask_bounds(n, wanted - 1, &count, &bounds, err);
    if (rc != LS_OK)
        return rc;
    if (count >= wanted / 4) {
        n->partition = ls_partition_cut(&one, &n->job->layout.key_as[0], bounds, count, n->mem);
        return n->partition ? LS_OK : ls_error_nomem(err);
    }
    n->partition = ls_arena_alloc(n->mem, sizeof *n->partition);
    if (!n->partition)
        return ls_error_nomem(err);
    *n->partition = (struct ls_partition){.count = power_of_two(wanted), .seed = n->seeds[0]};
    return LS_OK;
}

/* Cuts what is wanted into smaller segments; *ret false when it cannot be cut. */
static enum ls_code cut_further(struct narrowing *n, uint64_t left, bool *ret, struct ls_error *err)
{
    const uint64_t parts = left / (ROWS_A_SEGMENT / 10);
    const size_t wanted = parts > SEGMENTS_MAX * 4 ? SEGMENTS_MAX * 4 : (size_t)parts;
    struct ls_value *cuts = NULL;
    size_t count = 0, factor;
    enum ls_code rc;

    *ret = false;
    if (!n->pushed)
        return LS_OK;
    if (n->partition->by_range) {
        rc = ask_bounds(n, wanted, &count, &cuts, err);
        if (rc != LS_OK || !count)
            return rc;
        n->partition =
            ls_partition_cut(n->partition, &n->job->layout.key_as[0], cuts, count, n->mem);
    } else {
        factor = SEGMENTS_HERE_MAX / n->partition->count;
        if (factor < 2)
            return LS_OK;
        n->partition = ls_partition_split(n->partition, factor, n->mem);
    }
    *ret = true;
    return n->partition ? LS_OK : ls_error_nomem(err);
}

/* Holds both sides' digests against each other: what differs becomes wanted. */
static enum ls_code hold_against(struct narrowing *n, struct ls_segment *const sides[2],
                                 struct ls_segments *out, size_t *ret_differing,
                                 struct ls_error *err)
{
    struct ls_partition *p = n->partition;
    uint8_t *wanted = ls_arena_array(n->mem, p->count / 8 + 1, 1);

    if (!wanted)
        return ls_error_nomem(err);
    out->left[0] = out->left[1] = 0;
    *ret_differing = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct ls_segment *a = &sides[0][i], *b = &sides[1][i];

        if (!ls_partition_wants(p, i))
            continue;
        if (out->rounds == 0) {
            out->digest[0] += a->sum;
            out->digest[1] += b->sum;
        }
        if (a->count == b->count && a->sum == b->sum) {
            out->equal_count += a->count;
            continue;
        }
        set_bit(wanted, i);
        (*ret_differing)++;
        out->left[0] += a->count;
        out->left[1] += b->count;
    }
    p->wanted = wanted;
    return LS_OK;
}

static uint64_t most(const uint64_t sides[2])
{
    return sides[0] > sides[1] ? sides[0] : sides[1];
}

static enum ls_code one_round(struct narrowing *n, struct ls_segments *out, size_t *ret_differing,
                              struct ls_error *err)
{
    struct ls_segment *sides[2] = {NULL, NULL};
    enum ls_code rc = digest_both(n->job, n->partition, n->seeds, n->cancel, n->mem, sides, err);

    if (rc == LS_OK)
        rc = hold_against(n, sides, out, ret_differing, err);
    if (rc != LS_OK)
        return rc;
    if (out->rounds++ == 0) {
        out->segments = n->partition->count;
        out->differing = *ret_differing;
        n->total = most(out->left) + out->equal_count;
    }
    return LS_OK;
}

static bool worth_cutting(uint64_t left, uint64_t total)
{
    return left > READ_ROWS && left > total / READ_PART && left < total / 2;
}

enum ls_code ls_segments_narrow(const struct ls_job *job, bool pushed, const uint64_t seeds[2],
                                const struct ls_cancel *cancel, struct ls_arena *mem,
                                struct ls_segments *ret, struct ls_error *err)
{
    struct narrowing n = {
        .job = job, .pushed = pushed, .seeds = seeds, .cancel = cancel, .mem = mem};
    struct ls_segments out = {0};
    size_t differing = 0;
    bool again = true;
    enum ls_code rc = first_partition(&n, err);

    while (rc == LS_OK && again) {
        rc = one_round(&n, &out, &differing, err);
        again = false;
        if (rc == LS_OK && out.rounds < ROUNDS_MAX && worth_cutting(most(out.left), n.total))
            rc = cut_further(&n, most(out.left), &again, err);
    }
    if (rc != LS_OK)
        return rc;
    /* Neighbours are joined: the fewer ranges, the shorter the query that reads them. */
    if (differing && n.partition->by_range) {
        n.partition = ls_partition_cut(n.partition, &job->layout.key_as[0], NULL, 0, mem);
        if (!n.partition)
            return ls_error_nomem(err);
    }
    out.everything = differing && out.equal_count == 0;
    out.partition = differing && !out.everything ? n.partition : NULL;
    *ret = out;
    return LS_OK;
}
