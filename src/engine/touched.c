/* SPDX-License-Identifier: Apache-2.0 */
/* touched.c - the keys that a run wrote.
 *
 * A spool of encoded keys: verify reads back as many records as were written, and two million keys do
 * not fit the memory that a run may use. */
#include "engine/touched.h"

#include <stdlib.h>

#include "engine/spool.h"
#include "model/json.h"

struct ls_touched {
    size_t key_count;
    struct ls_spool spool;
    struct ls_buf scratch;
};

enum ls_code ls_touched_open(const struct ls_job *job, struct ls_touched **ret,
                             struct ls_error *err)
{
    struct ls_touched *t = calloc(1, sizeof *t);

    if (!t)
        return ls_error_nomem(err);
    t->key_count = job->layout.key_count;
    ls_buf_init(&t->scratch, 0);
    *ret = t;
    return LS_OK;
}

void ls_touched_close(struct ls_touched *t)
{
    if (!t)
        return;
    ls_spool_done(&t->spool);
    ls_buf_done(&t->scratch);
    free(t);
}

uint64_t ls_touched_count(const struct ls_touched *t)
{
    return t->spool.count;
}

enum ls_code ls_touched_add(struct ls_touched *t, const struct ls_value *key, struct ls_error *err)
{
    ls_buf_reset(&t->scratch);
    ls_values_encode(&t->scratch, key, t->key_count);
    return ls_spool_add(&t->spool, &t->scratch, err);
}

enum ls_code ls_touched_rewind(struct ls_touched *t, struct ls_error *err)
{
    return ls_spool_rewind(&t->spool, err);
}

enum ls_code ls_touched_next(struct ls_touched *t, size_t max, struct ls_arena *mem,
                             struct ls_value **ret, size_t *ret_count, struct ls_error *err)
{
    struct ls_value *keys = ls_arena_array(mem, max * t->key_count, sizeof *keys);
    size_t n = 0;

    if (!keys)
        return ls_error_nomem(err);
    while (n < max) {
        struct ls_reader rd;
        void *blob = NULL;
        size_t size = 0;
        enum ls_code rc = ls_spool_next(&t->spool, mem, &blob, &size, err);

        if (rc != LS_OK)
            return rc;
        if (!blob)
            break;
        ls_reader_init(&rd, blob, size);
        if (!ls_values_decode(&rd, mem, keys + n * t->key_count, t->key_count))
            return rd.failed
                       ? ls_error_set(err, LS_IO, "a key in a temporary file in TMPDIR is damaged")
                       : ls_error_nomem(err);
        n++;
    }
    *ret = keys;
    *ret_count = n;
    return LS_OK;
}
