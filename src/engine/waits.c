/* SPDX-License-Identifier: Apache-2.0 */
/* waits.c - which records of a batch wait for each other.
 *
 * When a target refuses a batch, its records have to be tried in parts, and the parts decide what can succeed: two
 * records that swap a unique value fail in every part that does not hold both. Cutting at chance places finds such
 * pairs sometimes. But who waits for whom stands in the records: A takes the value that B has now and gives up. These
 * edges make a graph; its strongly connected components are the records that only go together, and Tarjan's
 * algorithm gives them in the order in which values are given up before they are taken.
 *
 * A value has at most one giver, for it is unique in the target; so a record has one edge a key, and all is
 * linear but the lookup of givers, which sorts 64-bit hashes of canonical values. What the schema's keys do not tell (EXCLUDE
 * constraints, partial unique indexes, collations that hold different bytes for equal) the store may know: its edges come
 * to ours.
 *
 * Not seen are foreign keys, and what the store does not know: steps.c tries such records in changing parts. A wrong
 * edge (two values of one hash) costs a try and no more. */
#include "engine/waits.h"

#include <stdlib.h>
#include <string.h>

#define NONE ((size_t)-1)

/* A unique key, as positions in whole records. */
struct key {
    size_t count;
    const size_t *at;
};

/* Who gives up the value of this hash. */
struct gift {
    uint64_t hash;
    size_t giver;
};

struct finder {
    const struct ls_whole *whole;
    const struct ls_waits_record *records;
    size_t count, key_count, gift_count;
    struct key *keys;
    struct gift *gifts;
    size_t *first, *giver; /* struct ls_waits */
    struct ls_buf scratch;
};

/* ---- keys ---- */

static bool position_of(const struct ls_whole *whole, size_t field, size_t *ret)
{
    for (size_t i = 0; i < whole->field_count; i++)
        if (whole->fields[i] == field) {
            *ret = i;
            return true;
        }
    return false;
}

static bool find_keys(struct finder *f, struct ls_arena *mem)
{
    const struct ls_schema *schema = f->whole->schema;
    const size_t count = schema->flags & LS_SCHEMA_CONSTRAINTS ? schema->key_count : 0;

    f->keys = ls_arena_array(mem, count, sizeof *f->keys);
    for (size_t k = 0; f->keys && k < count; k++) {
        const struct ls_key *key = &schema->keys[k];
        size_t *at = ls_arena_array(mem, key->field_count, sizeof *at), n = 0;

        if (!at)
            return false;
        while (n < key->field_count && position_of(f->whole, key->fields[n], &at[n]))
            n++;
        if (n == key->field_count) /* one of a generated field cannot be followed */
            f->keys[f->key_count++] = (struct key){n, at};
    }
    return f->keys != NULL;
}

/* The hash of a record's values in key k; 0 when it has none there: no record, or a NULL in the key. */
static uint64_t hash_of(struct finder *f, size_t k, const struct ls_value *record)
{
    const struct key *key = &f->keys[k];
    uint64_t hash;

    ls_buf_cut(&f->scratch, 0); /* not reset: looked at once, at the end */
    for (size_t i = 0; i < key->count; i++) {
        if (!record || record[key->at[i]].type == LS_T_NULL)
            return 0;
        ls_value_canon(&f->scratch, &record[key->at[i]], &f->whole->as[key->at[i]]);
    }
    hash = ls_hash64(f->scratch.data, f->scratch.size, k + 2);
    return hash ? hash : 1;
}

/* ---- edges ---- */

static int order_gifts(const void *a, const void *b)
{
    const struct gift *l = a, *r = b;

    return (l->hash > r->hash) - (l->hash < r->hash);
}

static size_t find_giver(const struct finder *f, uint64_t hash)
{
    const struct gift wanted = {hash, 0};
    const struct gift *found =
        f->gift_count ? bsearch(&wanted, f->gifts, f->gift_count, sizeof wanted, order_gifts)
                      : NULL;

    return found ? found->giver : NONE;
}

/* Adds the edges of record i, in the order of the keys. */
static size_t add_edges(struct finder *f, size_t i, size_t at)
{
    for (size_t k = 0; k < f->key_count; k++) {
        const uint64_t wants = hash_of(f, k, f->records[i].after);
        const bool takes = wants && wants != hash_of(f, k, f->records[i].before);
        const size_t giver = takes ? find_giver(f, wants) : NONE;

        if (giver != NONE)
            f->giver[at++] = giver;
    }
    return at;
}

/* told is sorted by taker. */
static void find_edges(struct finder *f, size_t told_count, const struct ls_wait *told)
{
    size_t at = 0, t = 0;

    for (size_t i = 0; i < f->count; i++)
        for (size_t k = 0; k < f->key_count; k++) {
            const uint64_t has = hash_of(f, k, f->records[i].before);

            if (has && has != hash_of(f, k, f->records[i].after))
                f->gifts[f->gift_count++] = (struct gift){has, i};
        }
    qsort(f->gifts, f->gift_count, sizeof *f->gifts, order_gifts);
    for (size_t i = 0; i < f->count; i++) {
        f->first[i] = at;
        at = add_edges(f, i, at);
        for (; t < told_count && told[t].taker == i; t++)
            f->giver[at++] = told[t].giver;
    }
    f->first[f->count] = at;
}

/* ---- groups ---- */

/* Tarjan's strongly connected components, without recursion: a chain may be as long as the batch. */
struct walk {
    const struct finder *f;
    size_t *number, *low, *edge; /* of each record; number 0: not seen */
    size_t *stack, *path;
    size_t seen, stacked, depth, groups;
    size_t *group; /* NONE while on the stack or not seen */
};

static void enter(struct walk *w, size_t i)
{
    w->number[i] = w->low[i] = ++w->seen;
    w->stack[w->stacked++] = i;
    w->path[w->depth++] = i;
}

/* All records that i waits for were seen. */
static void leave(struct walk *w, size_t i)
{
    size_t top;

    w->depth--;
    if (w->depth && w->low[i] < w->low[w->path[w->depth - 1]])
        w->low[w->path[w->depth - 1]] = w->low[i];
    if (w->low[i] != w->number[i])
        return;
    do {
        top = w->stack[--w->stacked];
        w->group[top] = w->groups;
    } while (top != i);
    w->groups++;
}

static void walk_from(struct walk *w, size_t start)
{
    const struct finder *f = w->f;

    enter(w, start);
    while (w->depth) {
        const size_t i = w->path[w->depth - 1];
        size_t next;

        if (f->first[i] + w->edge[i] == f->first[i + 1]) {
            leave(w, i);
            continue;
        }
        next = f->giver[f->first[i] + w->edge[i]++];
        if (!w->number[next])
            enter(w, next);
        else if (w->group[next] == NONE && w->number[next] < w->low[i])
            w->low[i] = w->number[next];
    }
}

static bool find_groups(const struct finder *f, struct ls_arena *mem, size_t **ret)
{
    struct walk w = {.f = f};
    size_t *room = ls_arena_array(mem, f->count, 6 * sizeof *room);

    if (!room)
        return false;
    w.number = room;
    w.low = room + f->count;
    w.edge = room + 2 * f->count;
    w.stack = room + 3 * f->count;
    w.path = room + 4 * f->count;
    w.group = room + 5 * f->count;
    for (size_t i = 0; i < f->count; i++)
        w.group[i] = NONE;
    for (size_t i = 0; i < f->count; i++)
        if (!w.number[i])
            walk_from(&w, i);
    *ret = w.group;
    return true;
}

static int order_told(const void *a, const void *b)
{
    const struct ls_wait *l = a, *r = b;

    return (l->taker > r->taker) - (l->taker < r->taker);
}

enum ls_code ls_waits_find(const struct ls_whole *whole, size_t count,
                           const struct ls_waits_record *records, size_t told_count,
                           const struct ls_wait *told, struct ls_arena *mem, struct ls_waits *ret,
                           struct ls_error *err)
{
    struct finder f = {.whole = whole, .records = records, .count = count};
    struct ls_wait *sorted = ls_arena_array(mem, told_count, sizeof *sorted);
    size_t *group = NULL;
    enum ls_code rc = LS_OK;

    if (!find_keys(&f, mem) || !sorted)
        return ls_error_nomem(err);
    f.gifts = ls_arena_array(mem, count * f.key_count, sizeof *f.gifts);
    f.first = ls_arena_array(mem, count + 1, sizeof *f.first);
    f.giver = ls_arena_array(mem, count * f.key_count + told_count, sizeof *f.giver);
    if (!f.gifts || !f.first || !f.giver)
        return ls_error_nomem(err);
    if (told_count)
        memcpy(sorted, told, told_count * sizeof *sorted);
    qsort(sorted, told_count, sizeof *sorted, order_told);
    ls_buf_init(&f.scratch, 0);
    find_edges(&f, told_count, sorted);
    if (f.scratch.failed || !find_groups(&f, mem, &group))
        rc = ls_error_nomem(err);
    else
        *ret = (struct ls_waits){f.first, f.giver, group};
    ls_buf_done(&f.scratch);
    return rc;
}
