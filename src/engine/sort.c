/* SPDX-License-Identifier: Apache-2.0 */
/* sort.c - an external merge sort of records by their key.
 *
 * Records collect in an arena until the budget is reached, are sorted and written as one run behind the
 * others in one temporary file. When `fan_in` runs of one level have gathered, they are merged into
 * one of the next level, and the space of the old ones is given back (a hole, where the file system
 * knows holes), so that the number of runs read at once, and with it the memory for their buffers, stays
 * bounded at any size. Levels never rise from the front to the back of the list of runs, like the digits of
 * a counter, so the runs to merge are always its tail.
 *
 * In the file a record is: its length (4 bytes, native order: the file never leaves the process), its hash (8
 * bytes), its key values, all its values, encoded by ls_values_encode(). The key stands twice so that
 * merging decodes only keys; the record itself is decoded once, when it is given out.
 *
 * When everything fits the budget no file is made.
 *
 * The file is written through stdio and read with pread, each run at its own offset. It is unlinked from
 * the start; whatever ends the process frees it. */
#include "engine/sort.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "model/json.h"

#define DEFAULT_BUDGET_BYTES ((size_t)8 << 20)
#define DEFAULT_FAN_IN 128
#define READ_BYTES \
    ((size_t)64 << 10) /* a run's buffer at first; it grows to hold its longest record */
#define HEAD_BYTES (sizeof(uint32_t) + sizeof(uint64_t))

struct item {
    struct ls_value *key;
    const char *blob; /* key and record, encoded */
    uint32_t size;
    uint64_t hash;
};

struct run {
    off_t start, end;
    unsigned level;
};

/* A run while it is read: the record it stands on. */
struct head {
    off_t at, end; /* of what is not in the buffer yet */
    char *buffer;
    size_t capacity, filled, used;
    const char *blob;
    uint32_t size;
    uint64_t hash;
    struct ls_arena mem; /* of key */
    struct ls_value *key;
};

struct ls_sorter {
    const struct ls_layout *layout;
    size_t budget_bytes, fan_in;
    struct ls_arena mem; /* of the items */
    struct item *items;
    size_t count, capacity, next;
    struct ls_buf scratch;
    struct ls_value *key; /* scratch */
    FILE *f;
    off_t written;
    struct run *runs;
    size_t run_count, run_capacity;
    struct head *heads;
    size_t head_count;
    size_t *heap; /* of heads, the least in front */
    size_t heap_count;
};

static enum ls_code disk_error(int errnum, struct ls_error *err)
{
    const char *dir = getenv("TMPDIR");

    return ls_error_errno(err, errnum, "cannot sort in the temporary folder %s (TMPDIR)",
                          dir && *dir ? dir : "/tmp");
}

enum ls_code ls_sorter_open(const struct ls_layout *layout, const struct ls_sort_limits *limits,
                            struct ls_sorter **ret, struct ls_error *err)
{
    struct ls_sorter *s = calloc(1, sizeof *s);

    if (!s)
        return ls_error_nomem(err);
    s->layout = layout;
    s->budget_bytes = limits && limits->budget_bytes ? limits->budget_bytes : DEFAULT_BUDGET_BYTES;
    s->fan_in = limits && limits->fan_in > 1 ? limits->fan_in : DEFAULT_FAN_IN;
    ls_arena_init(&s->mem, 0);
    ls_buf_init(&s->scratch, 0);
    s->key = calloc(layout->key_count, sizeof *s->key);
    if (!s->key) {
        ls_sorter_close(s);
        return ls_error_nomem(err);
    }
    *ret = s;
    return LS_OK;
}

static void heads_done(struct ls_sorter *s)
{
    for (size_t i = 0; i < s->head_count; i++) {
        free(s->heads[i].buffer);
        ls_arena_done(&s->heads[i].mem);
    }
    free(s->heads);
    free(s->heap);
    s->heads = NULL;
    s->heap = NULL;
    s->head_count = s->heap_count = 0;
}

void ls_sorter_close(struct ls_sorter *sorter)
{
    if (!sorter)
        return;
    heads_done(sorter);
    if (sorter->f)
        (void)fclose(sorter->f);
    ls_arena_done(&sorter->mem);
    ls_buf_done(&sorter->scratch);
    free(sorter->items);
    free(sorter->runs);
    free(sorter->key);
    free(sorter);
}

uint64_t ls_sorter_spilled_bytes(const struct ls_sorter *sorter)
{
    return (uint64_t)sorter->written;
}

/* ---- runs ---- */

static enum ls_code write_record(struct ls_sorter *s, const char *blob, uint32_t size,
                                 uint64_t hash, struct ls_error *err)
{
    char head[HEAD_BYTES];

    memcpy(head, &size, sizeof size);
    memcpy(head + sizeof size, &hash, sizeof hash);
    if (fwrite(head, sizeof head, 1, s->f) != 1 || (size && fwrite(blob, size, 1, s->f) != 1))
        return disk_error(errno, err);
    s->written += (off_t)(sizeof head + size);
    return LS_OK;
}

static enum ls_code add_run(struct ls_sorter *s, off_t start, unsigned level, struct ls_error *err)
{
    if (fflush(s->f) != 0)
        return disk_error(errno, err);
    if (s->run_count == s->run_capacity) {
        const size_t capacity = s->run_capacity ? 2 * s->run_capacity : 16;
        struct run *runs = reallocarray(s->runs, capacity, sizeof *runs);

        if (!runs)
            return ls_error_nomem(err);
        s->runs = runs;
        s->run_capacity = capacity;
    }
    s->runs[s->run_count++] = (struct run){.start = start, .end = s->written, .level = level};
    return LS_OK;
}

static int item_order(const void *a, const void *b, void *ctx)
{
    const struct ls_layout *layout = ((const struct ls_sorter *)ctx)->layout;

    return ls_values_order(((const struct item *)a)->key, ((const struct item *)b)->key,
                           layout->key_as, layout->key_count);
}

static void sort_items(struct ls_sorter *s)
{
    if (s->count > 1)
        qsort_r(s->items, s->count, sizeof *s->items, item_order, s);
}

static enum ls_code merge_tail(struct ls_sorter *s, struct ls_error *err);

/* Writes what is in memory as a run. */
static enum ls_code spill(struct ls_sorter *s, struct ls_error *err)
{
    const off_t start = s->written;
    enum ls_code rc = LS_OK;

    if (!s->f)
        rc = ls_file_temp(&s->f, err);
    if (rc != LS_OK)
        return rc;
    sort_items(s);
    for (size_t i = 0; i < s->count && rc == LS_OK; i++)
        rc = write_record(s, s->items[i].blob, s->items[i].size, s->items[i].hash, err);
    if (rc == LS_OK)
        rc = add_run(s, start, 0, err);
    s->count = 0;
    ls_arena_reset(&s->mem);
    return rc == LS_OK ? merge_tail(s, err) : rc;
}

static bool room_for_item(struct ls_sorter *s)
{
    size_t capacity;
    struct item *items;

    if (s->count < s->capacity)
        return true;
    capacity = s->capacity ? 2 * s->capacity : 256;
    items = reallocarray(s->items, capacity, sizeof *items);
    if (!items)
        return false;
    s->items = items;
    s->capacity = capacity;
    return true;
}

enum ls_code ls_sorter_add(struct ls_sorter *sorter, const struct ls_value *record, uint64_t hash,
                           struct ls_error *err)
{
    const struct ls_layout *layout = sorter->layout;
    struct item item = {.hash = hash};

    ls_layout_key(layout, record, sorter->key);
    ls_buf_reset(&sorter->scratch);
    ls_values_encode(&sorter->scratch, sorter->key, layout->key_count);
    ls_values_encode(&sorter->scratch, record, layout->field_count);
    if (sorter->scratch.failed || !room_for_item(sorter))
        return ls_error_nomem(err);
    item.size = (uint32_t)sorter->scratch.size;
    item.blob = ls_arena_copy(&sorter->mem, sorter->scratch.data, sorter->scratch.size);
    item.key = ls_arena_array(&sorter->mem, layout->key_count, sizeof *item.key);
    if (!item.blob || !item.key)
        return ls_error_nomem(err);
    for (size_t i = 0; i < layout->key_count; i++) {
        if (!ls_value_copy(&sorter->mem, &sorter->key[i], &item.key[i]))
            return ls_error_nomem(err);
    }
    sorter->items[sorter->count++] = item;
    if (sorter->mem.used_bytes + sorter->count * sizeof item >= sorter->budget_bytes)
        return spill(sorter, err);
    return LS_OK;
}

/* ---- reading runs back, several at once ---- */

/* Makes sure that `need` bytes stand at the head's place, as far as the run has them. */
static enum ls_code fill(struct ls_sorter *s, struct head *h, size_t need, struct ls_error *err)
{
    if (h->filled - h->used >= need)
        return LS_OK;
    memmove(h->buffer, h->buffer + h->used, h->filled - h->used);
    h->filled -= h->used;
    h->used = 0;
    if (need > h->capacity) {
        char *buffer = realloc(h->buffer, need);

        if (!buffer)
            return ls_error_nomem(err);
        h->buffer = buffer;
        h->capacity = need;
    }
    while (h->filled < need) {
        const off_t left = h->end - h->at;
        const size_t room = h->capacity - h->filled;
        const size_t want = (off_t)room < left ? room : (size_t)left;
        const ssize_t got = want ? pread(fileno(s->f), h->buffer + h->filled, want, h->at) : 0;

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return disk_error(errno, err);
        if (got == 0)
            return ls_error_set(err, LS_IO, "cannot sort: the temporary file ends early");
        h->filled += (size_t)got;
        h->at += got;
    }
    return LS_OK;
}

static bool at_end(const struct head *h)
{
    return h->used == h->filled && h->at == h->end;
}

static enum ls_code unreadable(const struct ls_reader *rd, struct ls_error *err)
{
    return rd->failed
               ? ls_error_set(err, LS_IO,
                              "cannot sort: a record in the temporary file cannot be read back")
               : ls_error_nomem(err);
}

/* Moves a head to its next record; *ret_any false when the run is at its end. */
static enum ls_code advance(struct ls_sorter *s, struct head *h, bool *ret_any,
                            struct ls_error *err)
{
    struct ls_reader rd;
    enum ls_code rc;

    *ret_any = !at_end(h);
    if (!*ret_any)
        return LS_OK;
    rc = fill(s, h, HEAD_BYTES, err);
    if (rc != LS_OK)
        return rc;
    memcpy(&h->size, h->buffer + h->used, sizeof h->size);
    memcpy(&h->hash, h->buffer + h->used + sizeof h->size, sizeof h->hash);
    h->used += HEAD_BYTES;
    rc = fill(s, h, h->size, err);
    if (rc != LS_OK)
        return rc;
    h->blob = h->buffer + h->used;
    h->used += h->size;
    ls_arena_reset(&h->mem);
    h->key = ls_arena_array(&h->mem, s->layout->key_count, sizeof *h->key);
    if (!h->key)
        return ls_error_nomem(err);
    ls_reader_init(&rd, h->blob, h->size);
    if (!ls_values_decode(&rd, &h->mem, h->key, s->layout->key_count))
        return unreadable(&rd, err);
    return LS_OK;
}

static bool below(const struct ls_sorter *s, size_t a, size_t b)
{
    return ls_values_order(s->heads[a].key, s->heads[b].key, s->layout->key_as,
                           s->layout->key_count) < 0;
}

static void sift_down(struct ls_sorter *s, size_t i)
{
    for (;;) {
        size_t least = i;

        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < s->heap_count; child++) {
            if (below(s, s->heap[child], s->heap[least]))
                least = child;
        }
        if (least == i)
            return;
        const size_t moved = s->heap[i];

        s->heap[i] = s->heap[least];
        s->heap[least] = moved;
        i = least;
    }
}

/* Opens heads on the runs from `first` on. */
static enum ls_code heads_open(struct ls_sorter *s, size_t first, struct ls_error *err)
{
    const size_t count = s->run_count - first;
    enum ls_code rc = LS_OK;

    s->heads = calloc(count, sizeof *s->heads);
    s->heap = calloc(count, sizeof *s->heap);
    if (!s->heads || !s->heap)
        return ls_error_nomem(err);
    s->head_count = count;
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        struct head *h = &s->heads[i];
        bool any = false;

        h->at = s->runs[first + i].start;
        h->end = s->runs[first + i].end;
        h->capacity = READ_BYTES;
        h->buffer = malloc(h->capacity);
        ls_arena_init(&h->mem, 0);
        rc = h->buffer ? advance(s, h, &any, err) : ls_error_nomem(err);
        if (rc == LS_OK && any)
            s->heap[s->heap_count++] = i;
    }
    for (size_t i = s->heap_count / 2; i-- > 0 && rc == LS_OK;)
        sift_down(s, i);
    return rc;
}

/* Takes the least head on to its next record. */
static enum ls_code heads_step(struct ls_sorter *s, struct ls_error *err)
{
    bool any = false;
    enum ls_code rc = advance(s, &s->heads[s->heap[0]], &any, err);

    if (rc != LS_OK)
        return rc;
    if (!any)
        s->heap[0] = s->heap[--s->heap_count];
    sift_down(s, 0);
    return LS_OK;
}

/* Gives the space of runs that were merged back, where the file system can. */
static void punch(struct ls_sorter *s, off_t start, off_t end)
{
    (void)fallocate(fileno(s->f), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start, end - start);
}

/* Merges the tail of the list while it ends in fan_in runs of one level. */
static enum ls_code merge_tail(struct ls_sorter *s, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    while (rc == LS_OK && s->run_count >= s->fan_in &&
           s->runs[s->run_count - s->fan_in].level == s->runs[s->run_count - 1].level) {
        const size_t first = s->run_count - s->fan_in;
        const struct run old = {s->runs[first].start, s->runs[s->run_count - 1].end,
                                s->runs[first].level};
        const off_t start = s->written;

        rc = heads_open(s, first, err);
        while (rc == LS_OK && s->heap_count) {
            const struct head *h = &s->heads[s->heap[0]];

            rc = write_record(s, h->blob, h->size, h->hash, err);
            if (rc == LS_OK)
                rc = heads_step(s, err);
        }
        heads_done(s);
        s->run_count = first;
        if (rc == LS_OK)
            rc = add_run(s, start, old.level + 1, err);
        if (rc == LS_OK)
            punch(s, old.start, old.end);
    }
    return rc;
}

enum ls_code ls_sorter_finish(struct ls_sorter *sorter, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    if (!sorter->run_count) {
        sort_items(sorter);
        return LS_OK;
    }
    if (sorter->count)
        rc = spill(sorter, err);
    ls_arena_done(&sorter->mem); /* its memory goes to the runs' buffers */
    free(sorter->items);
    sorter->items = NULL;
    sorter->capacity = 0;
    return rc == LS_OK ? heads_open(sorter, 0, err) : rc;
}

static enum ls_code decode(const struct ls_sorter *s, const char *blob, size_t size,
                           struct ls_arena *mem, struct ls_value *record, struct ls_error *err)
{
    struct ls_reader rd;

    ls_reader_init(&rd, blob, size);
    if (!ls_values_decode(&rd, mem, record, s->layout->key_count) ||
        !ls_values_decode(&rd, mem, record, s->layout->field_count))
        return unreadable(&rd, err);
    return LS_OK;
}

enum ls_code ls_sorter_next(struct ls_sorter *sorter, struct ls_arena *mem, struct ls_value *record,
                            uint64_t *ret_hash, bool *ret_any, struct ls_error *err)
{
    enum ls_code rc;

    if (!sorter->run_count) {
        const struct item *item = &sorter->items[sorter->next];

        *ret_any = sorter->next < sorter->count;
        if (!*ret_any)
            return LS_OK;
        sorter->next++;
        *ret_hash = item->hash;
        return decode(sorter, item->blob, item->size, mem, record, err);
    }
    *ret_any = sorter->heap_count > 0;
    if (!*ret_any)
        return LS_OK;
    const struct head *h = &sorter->heads[sorter->heap[0]];

    *ret_hash = h->hash;
    rc = decode(sorter, h->blob, h->size, mem, record, err);
    return rc == LS_OK ? heads_step(sorter, err) : rc;
}
