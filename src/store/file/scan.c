/* SPDX-License-Identifier: Apache-2.0 */
/* scan.c - reads the records of a file, in the order they stand in.
 *
 * A scan is one pass over the file by a descriptor of its own: what is renamed over the file meanwhile is not seen, and what
 * is written into it is an error (input.c). Every record is read whole, then the sieve decides in
 * process whether the scan takes it. Those it leaves out take no room in the batch, however many they are, so memory is one batch,
 * one record and one window; and a batch without records is the end of the file, never a long stretch of what nobody asked for. */
#include "store/file/file.h"

#include <stdlib.h>

#define BATCH_BYTES (1u << 20)

struct file_cursor {
    struct ls_cursor base;
    const struct ls_scan *scan;
    struct file_input in;
    struct ls_arena mem;     /* of the sieve */
    struct ls_arena passing; /* of a record that may be left out */
    struct ls_sieve sieve;
    struct ls_value *record; /* scratch: one record of the schema */
    bool ended;
};

void file_end(struct ls_cursor *cursor)
{
    struct file_cursor *c = (struct file_cursor *)(void *)cursor;

    ls_sieve_done(&c->sieve);
    file_input_close(&c->in);
    ls_arena_done(&c->passing);
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
    ls_arena_init(&c->passing, 0);
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

/* The next record as a row of the scan, its data in mem. *ret_row false when the scan leaves it out or the file has
 * ended. A scan that takes every record reads them to where they stay; else only those it takes are copied there. */
static enum ls_code read_row(struct file_cursor *c, struct ls_arena *mem, struct ls_value *row,
                             bool *ret_row, struct ls_error *err)
{
    const struct ls_scan *scan = c->scan;
    const bool sifts = scan->filter || scan->partition;
    bool record = false;
    enum ls_code rc;

    ls_arena_reset(&c->passing);
    rc = file_of(c->base.store)
             ->format->read(&c->in, scan->schema, sifts ? &c->passing : mem, c->record, &record,
                            err);
    if (rc != LS_OK)
        return rc;
    c->ended = !record;
    *ret_row = record && ls_sieve_takes(&c->sieve, c->record, NULL);
    if (!*ret_row)
        return LS_OK;
    for (size_t i = 0; i < scan->field_count; i++)
        row[i] = c->record[scan->fields[i]];
    return !sifts || ls_values_copy(mem, row, scan->field_count, row, NULL) ? LS_OK
                                                                            : ls_error_nomem(err);
}

enum ls_code file_next(struct ls_cursor *cursor, struct ls_arena *mem, struct ls_rows *ret,
                       struct ls_error *err)
{
    struct file_cursor *c = (struct file_cursor *)(void *)cursor;
    const struct ls_scan *scan = c->scan;
    const size_t most = scan->batch_rows ? scan->batch_rows : 1000;
    struct ls_value *values = ls_arena_array(mem, most * scan->field_count, sizeof *values);
    const size_t from = mem->used_bytes;
    size_t n = 0;

    if (!values)
        return ls_error_nomem(err);
    while (n < most && !c->ended && (!n || mem->used_bytes - from < BATCH_BYTES)) {
        bool row = false;
        enum ls_code rc = read_row(c, mem, values + n * scan->field_count, &row, err);

        if (rc != LS_OK)
            return rc;
        n += row;
    }
    *ret = (struct ls_rows){n, scan->field_count, values};
    return LS_OK;
}
