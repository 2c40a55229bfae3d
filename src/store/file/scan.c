/* SPDX-License-Identifier: Apache-2.0 */
/* scan.c - reads the records of a file, in the order they stand in.
 *
 * A scan is one pass over the file by a descriptor of its own: what is renamed over the file meanwhile is not seen, and what
 * is written into it is an error (input.c). Every record is read whole, then the sieve decides in
 * process whether the scan takes it. Nothing is kept between batches, so memory is one batch and one
 * window; those that a filter leaves out weigh in their batch, which therefore also ends by its bytes, with however few records. */
#include "store/file/file.h"

#include <stdlib.h>

#define BATCH_BYTES (1u << 20)

struct file_cursor {
    struct ls_cursor base;
    const struct ls_scan *scan;
    struct file_input in;
    struct ls_arena mem; /* of the sieve */
    struct ls_sieve sieve;
    struct ls_value *record; /* scratch: one record of the schema */
    bool ended;
};

void file_end(struct ls_cursor *cursor)
{
    struct file_cursor *c = (struct file_cursor *)(void *)cursor;

    ls_sieve_done(&c->sieve);
    file_input_close(&c->in);
    ls_arena_done(&c->mem);
    free(c);
}

enum ls_code file_scan(struct ls_store *store, const struct ls_scan *scan, struct ls_cursor **ret,
                       struct ls_error *err)
{
    struct file_store *s = file_of(store);
    struct file_cursor *c = calloc(1, sizeof *c);
    enum ls_code rc;

    if (!c)
        return ls_error_nomem(err);
    c->base.store = store;
    c->scan = scan;
    c->in.fd = -1;
    ls_arena_init(&c->mem, 0);
    c->record = ls_arena_array(&c->mem, scan->schema->field_count, sizeof *c->record);
    rc = c->record && ls_sieve_init(&c->sieve, scan, &c->mem) ? LS_OK : ls_error_nomem(err);
    if (rc == LS_OK)
        rc = file_input_open(&c->in, s->path, err);
    if (rc == LS_OK)
        rc = s->format->begin(&c->in, scan->schema, err);
    if (rc == LS_OK)
        *ret = &c->base;
    else
        file_end(&c->base);
    return rc;
}

enum ls_code file_next(struct ls_cursor *cursor, struct ls_arena *mem, struct ls_rows *ret,
                       struct ls_error *err)
{
    struct file_cursor *c = (struct file_cursor *)(void *)cursor;
    const struct ls_scan *scan = c->scan;
    const size_t most = scan->batch_rows ? scan->batch_rows : 1000, from = mem->used_bytes;
    struct ls_value *values = ls_arena_array(mem, most * scan->field_count, sizeof *values);
    size_t n = 0;

    if (!values)
        return ls_error_nomem(err);
    while (n < most && !c->ended &&
           mem->used_bytes - from < BATCH_BYTES + most * scan->field_count * sizeof *values) {
        bool record = false;
        enum ls_code rc = file_of(cursor->store)
                              ->format->read(&c->in, scan->schema, mem, c->record, &record, err);

        if (rc != LS_OK)
            return rc;
        c->ended = !record;
        if (!record || !ls_sieve_takes(&c->sieve, c->record, NULL))
            continue;
        for (size_t i = 0; i < scan->field_count; i++)
            values[n * scan->field_count + i] = c->record[scan->fields[i]];
        n++;
    }
    *ret = (struct ls_rows){n, scan->field_count, values};
    return LS_OK;
}
