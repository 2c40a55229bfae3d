/* SPDX-License-Identifier: Apache-2.0 */
/* scan_util.c - what store kinds share: partitions, filters in process, digests by reading.
 *
 * Segments. By range, a binary search over the bounds in ls_value_order(); by hash, the low bits of
 * XXH3 over the canonical form of the key. Both depend on values alone, so that two stores of any
 * kinds put the same record into the same segment.
 *
 * Record hash. XXH3 over the canonical form of all fields with the first seed, mixed again with the
 * second. The canonical form is self-delimiting and hashed as one run of bytes, so the hash is not
 * linear in the fields: two records that swap a value do not cancel in a sum of hashes.
 *
 * Bounds by reading. Every key's first field is read, and an even sample of at most 64 Ki is kept: when it is
 * full, every second one is dropped and the step doubles. The memory is bounded
 * whatever the size, and the parts differ in size by a few per cent at most.
 *
 * Limits: reading costs a pass over the collection; kinds that can count on their own
 * side should (postgres.c does). */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/text.h"

#define SAMPLE_MAX ((size_t)1 << 16)

static size_t segment_by_range(const struct ls_partition *p, const struct ls_value *first,
                               const struct ls_as *as)
{
    size_t low = 0, high = p->count - 1; /* the answer: how many bounds are <= first */

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ls_value_order(&p->bounds[middle], first, as) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t ls_partition_of(const struct ls_partition *p, const struct ls_value *key,
                       const struct ls_as *as, size_t key_count, struct ls_buf *scratch)
{
    if (p->count == 1)
        return 0;
    if (p->by_range)
        return segment_by_range(p, &key[0], &as[0]);
    ls_buf_reset(scratch);
    ls_values_canon(scratch, key, as, key_count);
    return (size_t)ls_hash64(scratch->data, scratch->size, p->seed) & (p->count - 1);
}

const struct ls_as *ls_scan_as(const struct ls_scan *scan, struct ls_arena *mem)
{
    struct ls_as *as;

    if (scan->as)
        return scan->as;
    as = ls_arena_array(mem, scan->field_count, sizeof(*as));
    for (size_t i = 0; as && i < scan->field_count; i++) {
        const struct ls_field *field = &scan->schema->fields[scan->fields[i]];

        as[i] = ls_as_of(field, field);
    }
    return as;
}

const struct ls_as *ls_scan_key_as(const struct ls_scan *scan, struct ls_arena *mem)
{
    const struct ls_as *as = ls_scan_as(scan, mem);
    struct ls_as *key_as = ls_arena_array(mem, scan->key_count, sizeof(*key_as));

    for (size_t i = 0; as && key_as && i < scan->key_count; i++)
        key_as[i] = as[scan->key[i]];
    return as ? key_as : NULL;
}

bool ls_sieve_init(struct ls_sieve *sieve, const struct ls_scan *scan, struct ls_arena *mem)
{
    *sieve = (struct ls_sieve){.scan = scan};
    ls_buf_init(&sieve->scratch, 0);
    sieve->key_as = ls_scan_key_as(scan, mem);
    sieve->key = ls_arena_array(mem, scan->key_count, sizeof(*sieve->key));
    return sieve->key_as && sieve->key;
}

void ls_sieve_done(struct ls_sieve *sieve)
{
    ls_buf_done(&sieve->scratch);
}

bool ls_sieve_takes(struct ls_sieve *sieve, const struct ls_value *record, size_t *ret_segment)
{
    const struct ls_scan *scan = sieve->scan;
    size_t segment = 0;

    if (scan->filter && !ls_filter_match(scan->filter, scan->schema, record))
        return false;
    if (scan->partition) {
        for (size_t i = 0; i < scan->key_count; i++)
            sieve->key[i] = record[scan->fields[scan->key[i]]];
        segment = ls_partition_of(scan->partition, sieve->key, sieve->key_as, scan->key_count,
                                  &sieve->scratch);
        if (!ls_partition_wants(scan->partition, segment))
            return false;
    }
    if (ret_segment)
        *ret_segment = segment;
    return true;
}

uint64_t ls_record_hash(const void *canon, size_t size, const uint64_t seeds[2])
{
    uint64_t first = ls_hash64(canon, size, seeds[0]);

    return ls_hash64(&first, sizeof(first), seeds[1]);
}

const char *ls_store_scan_family(const struct ls_scan *scan, struct ls_arena *mem)
{
    const struct ls_as *as = ls_scan_as(scan, mem);
    struct ls_buf text;
    const char *ret;

    ls_buf_init(&text, 0);
    ls_buf_text(&text, "lockstep-xxh3/1");
    for (size_t i = 0; as && i < scan->field_count; i++)
        ls_buf_printf(&text, " %s.%u.%u", ls_type_word(as[i].type), as[i].fraction, as[i].bits);
    ret = as && !text.failed ? ls_arena_text(mem, ls_buf_str(&text)) : NULL;
    ls_buf_done(&text);
    return ret;
}

struct digest {
    const struct ls_scan *scan;
    const struct ls_as *as, *key_as;
    struct ls_value *key;
    struct ls_buf canon;
};

enum ls_code ls_store_null_key(const char *collection, const char *field, struct ls_error *err)
{
    return ls_error_set(err, LS_DATA,
                        "key field %s of %s is NULL in a record. Fill it, leave such records out "
                        "by a filter, or name another key",
                        field, collection);
}

static enum ls_code digest_rows(struct digest *d, const struct ls_rows *rows,
                                const uint64_t seeds[2], struct ls_segment *ret,
                                struct ls_error *err)
{
    const struct ls_scan *scan = d->scan;

    for (size_t r = 0; r < rows->count; r++) {
        const struct ls_value *row = ls_row(rows, r);
        size_t segment;

        for (size_t i = 0; i < scan->key_count; i++) {
            d->key[i] = row[scan->key[i]];
            if (d->key[i].type == LS_T_NULL)
                return ls_store_null_key(scan->schema->collection,
                                         scan->schema->fields[scan->fields[scan->key[i]]].name,
                                         err);
        }
        segment = ls_partition_of(scan->partition, d->key, d->key_as, scan->key_count, &d->canon);
        ls_buf_reset(&d->canon);
        ls_values_canon(&d->canon, row, d->as, scan->field_count);
        if (d->canon.failed)
            return ls_error_nomem(err);
        ret[segment].count++;
        ret[segment].sum += ls_record_hash(d->canon.data, d->canon.size, seeds);
    }
    return LS_OK;
}

enum ls_code ls_store_digest_by_scan(struct ls_store *store, const struct ls_scan *scan,
                                     const uint64_t seeds[2], struct ls_segment *ret,
                                     struct ls_error *err)
{
    struct ls_scan unordered = *scan;
    struct digest d = {.scan = &unordered};
    struct ls_arena mem, batch;
    struct ls_cursor *cursor = NULL;
    struct ls_rows rows = {0};
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    ls_arena_init(&batch, 0);
    ls_buf_init(&d.canon, 0);
    memset(ret, 0, scan->partition->count * sizeof(*ret));
    unordered.ordered = false;
    d.as = unordered.as = ls_scan_as(scan, &mem);
    d.key_as = ls_scan_key_as(scan, &mem);
    d.key = ls_arena_array(&mem, scan->key_count, sizeof(*d.key));
    if (!d.as || !d.key_as || !d.key) {
        rc = ls_error_nomem(err);
        goto done;
    }
    rc = ls_store_scan(store, &unordered, &cursor, err);
    while (rc == LS_OK) {
        ls_arena_reset(&batch);
        rc = ls_cursor_next(cursor, &batch, &rows, err);
        if (rc != LS_OK || !rows.count)
            break;
        rc = digest_rows(&d, &rows, seeds, ret, err);
    }
done:
    ls_cursor_end(cursor);
    ls_buf_done(&d.canon);
    ls_arena_done(&batch);
    ls_arena_done(&mem);
    return rc;
}

/* An even sample of a stream of unknown length. The values live in two arenas that change places when half of them goes. */
struct sample {
    struct ls_arena mem[2];
    unsigned now;
    struct ls_value *values;
    size_t count, step, seen;
};

static bool thin_sample(struct sample *s)
{
    struct ls_arena *other = &s->mem[1 - s->now];

    for (size_t i = 0; i < s->count; i += 2)
        if (!ls_value_copy(other, &s->values[i], &s->values[i / 2]))
            return false;
    ls_arena_reset(&s->mem[s->now]);
    s->now = 1 - s->now;
    s->count = (s->count + 1) / 2;
    s->step *= 2;
    return true;
}

static bool sample_add(struct sample *s, const struct ls_value *v)
{
    if (s->seen++ % s->step)
        return true;
    if (s->count == SAMPLE_MAX) {
        if (!thin_sample(s))
            return false;
        if ((s->seen - 1) % s->step)
            return true;
    }
    return ls_value_copy(&s->mem[s->now], v, &s->values[s->count++]);
}

static int order_values(const void *a, const void *b, void *as)
{
    return ls_value_order(a, b, as);
}

/* Picks distinct values at even distances; the least one is no bound, it would cut off nothing. */
static enum ls_code pick_bounds(struct sample *s, struct ls_as *as, size_t wanted,
                                struct ls_arena *mem, size_t *ret_count, struct ls_value **ret,
                                struct ls_error *err)
{
    struct ls_value *bounds = ls_arena_array(mem, wanted, sizeof(*bounds));
    const struct ls_value *last = s->values;
    size_t count = 0;

    if (!bounds)
        return ls_error_nomem(err);
    qsort_r(s->values, s->count, sizeof(*s->values), order_values, as);
    for (size_t i = 1; i <= wanted && s->count; i++) {
        const struct ls_value *v = &s->values[i * s->count / (wanted + 1)];

        if (ls_value_order(last, v, as) >= 0)
            continue;
        if (!ls_value_copy(mem, v, &bounds[count++]))
            return ls_error_nomem(err);
        last = v;
    }
    *ret_count = count;
    *ret = bounds;
    return LS_OK;
}

static enum ls_code read_sample(struct ls_store *store, const struct ls_scan *scan,
                                struct sample *s, struct ls_error *err)
{
    struct ls_cursor *cursor = NULL;
    struct ls_arena batch;
    struct ls_rows rows;
    enum ls_code rc;

    ls_arena_init(&batch, 0);
    rc = ls_store_scan(store, scan, &cursor, err);
    while (rc == LS_OK) {
        ls_arena_reset(&batch);
        rc = ls_cursor_next(cursor, &batch, &rows, err);
        if (rc != LS_OK || !rows.count)
            break;
        for (size_t r = 0; r < rows.count && rc == LS_OK; r++)
            if (!sample_add(s, &ls_row(&rows, r)[scan->key[0]]))
                rc = ls_error_nomem(err);
    }
    ls_cursor_end(cursor);
    ls_arena_done(&batch);
    return rc;
}

enum ls_code ls_store_bounds_by_scan(struct ls_store *store, const struct ls_scan *scan,
                                     size_t wanted, struct ls_arena *mem, size_t *ret_count,
                                     struct ls_value **ret, struct ls_error *err)
{
    struct ls_scan keys = *scan;
    struct sample s = {.step = 1};
    struct ls_arena own;
    const struct ls_as *as;
    size_t *fields, *key;
    struct ls_as first;
    enum ls_code rc = LS_OK;

    ls_arena_init(&own, 0);
    ls_arena_init(&s.mem[0], 0);
    ls_arena_init(&s.mem[1], 0);
    s.values = ls_arena_array(&own, SAMPLE_MAX, sizeof(*s.values));
    as = ls_scan_key_as(scan, &own);
    fields = ls_arena_array(&own, scan->key_count, sizeof(*fields));
    key = ls_arena_array(&own, scan->key_count, sizeof(*key));
    if (!s.values || !as || !fields || !key) {
        rc = ls_error_nomem(err);
        goto done;
    }
    for (size_t i = 0; i < scan->key_count; i++) {
        fields[i] = scan->fields[scan->key[i]];
        key[i] = i;
    }
    keys.ordered = false;
    keys.field_count = scan->key_count;
    keys.fields = fields;
    keys.key = key;
    keys.as = as;
    first = as[0];
    rc = read_sample(store, &keys, &s, err);
    if (rc == LS_OK)
        rc = pick_bounds(&s, &first, wanted, mem, ret_count, ret, err);
done:
    ls_arena_done(&s.mem[1]);
    ls_arena_done(&s.mem[0]);
    ls_arena_done(&own);
    return rc;
}

/* The name that was probably meant: table means schema.table too. NULL: none is near. */
static const char *nearest_collection(const char *collection, size_t count,
                                      const char *const *names, struct ls_arena *mem)
{
    const char *nearest = ls_text_nearest(collection, names, count);
    const char **tails = ls_arena_array(mem, count + 1, sizeof(*tails));

    if (nearest || !tails || strpbrk(collection, ".\""))
        return nearest;
    for (size_t i = 0; i < count; i++) {
        const char *dot = strchr(names[i], '"') ? NULL : strrchr(names[i], '.');

        tails[i] = dot ? dot + 1 : names[i];
    }
    nearest = ls_text_nearest(collection, tails, count);
    for (size_t i = 0; nearest && i < count; i++)
        if (tails[i] == nearest)
            return names[i];
    return NULL;
}

enum ls_code ls_store_no_collection(struct ls_store *store, const char *collection, size_t count,
                                    const char *const *names, struct ls_error *err)
{
    struct ls_arena mem;
    const char *nearest;
    struct ls_buf shown;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    nearest = nearest_collection(collection, count, names, &mem);
    ls_buf_init(&shown, 0);
    ls_text_printable(&shown, collection, strlen(collection));
    ls_buf_text(&shown, " in ");
    ls_buf_text(&shown, store->ops->identity(store));
    if (!*collection && count)
        rc = ls_error_set(err, LS_USAGE,
                          "no collection is named%s. Name one, behind a # in a URL: it has %zu, "
                          "such as %s",
                          ls_buf_str(&shown), count, names[0]);
    else if (nearest)
        rc = ls_error_set(err, LS_NOT_FOUND, "there is no collection %s. Did you mean %s?",
                          ls_buf_str(&shown), nearest);
    else if (count)
        rc = ls_error_set(err, LS_NOT_FOUND, "there is no collection %s. It has %zu: %s%s%s%s",
                          ls_buf_str(&shown), count, names[0], count > 1 ? ", " : "",
                          count > 1 ? names[1] : "", count > 2 ? ", ..." : "");
    else
        rc =
            ls_error_set(err, LS_NOT_FOUND,
                         "there is no collection %s, which has none at all. Check the store's name",
                         ls_buf_str(&shown));
    ls_buf_done(&shown);
    ls_arena_done(&mem);
    return rc;
}
