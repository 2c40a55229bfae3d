/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.c - finds records of a file by their keys.
 *
 * A file has no index. In a transaction the records are in a work database anyway and are found there; outside of one
 * the file is loaded for this one call. */
#include "store/file/file.h"

static enum ls_code fetch_all(struct file_work *work, const struct ls_scan *what, size_t count,
                              const struct ls_value *keys, struct ls_arena *mem,
                              struct ls_rows *ret, struct ls_error *err)
{
    struct ls_value *values = ls_arena_array(mem, count * what->field_count, sizeof *values);
    size_t n = 0;

    if (!values)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        struct ls_value *record = NULL;
        enum ls_code rc = file_work_find(work, keys + i * what->key_count, mem, &record, err);

        if (rc != LS_OK)
            return rc;
        for (size_t f = 0; record && f < what->field_count; f++)
            values[n * what->field_count + f] = record[what->fields[f]];
        n += record != NULL;
    }
    *ret = (struct ls_rows){n, what->field_count, values};
    return LS_OK;
}

enum ls_code file_fetch(struct ls_store *store, const struct ls_scan *what, size_t key_count,
                        const struct ls_value *keys, bool for_update, struct ls_arena *mem,
                        struct ls_rows *ret, struct ls_error *err)
{
    struct file_store *s = file_of(store);
    const size_t *key = file_key_indexes(what->fields, what->key_count, what->key, mem);
    struct file_work *work = NULL;
    enum ls_code rc;

    (void)for_update; /* the run lock keeps other writers of ours away; a file has no other lock */
    if (!key)
        return ls_error_nomem(err);
    if (store->in_transaction) {
        rc = file_need_work(s, what->schema, what->key_count, key, err);
        return rc == LS_OK ? fetch_all(s->work, what, key_count, keys, mem, ret, err) : rc;
    }
    rc = file_load(s, what->schema, what->key_count, key, &work, err);
    if (rc == LS_OK)
        rc = fetch_all(work, what, key_count, keys, mem, ret, err);
    file_work_close(work);
    return rc;
}
