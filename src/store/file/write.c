/* SPDX-License-Identifier: Apache-2.0 */
/* write.c - changes the records of a file, in the work database of its transaction.
 *
 * The first fetch or write of a transaction loads the file (work.c says why); from then on both go to the work
 * database alone, and nothing reaches the file before the commit. All calls of a transaction go by one key,
 * the one it was loaded with.
 *
 * A write is all or nothing by a savepoint. Operations are done one by one, deletes before updates before inserts, so a
 * record may take the place of another. What would not read back as it is, is refused here and not at the
 * commit, when nobody could tell any more which record it was. */
#include "store/file/file.h"

/* The schema indexes of a key given as positions. In mem. */
size_t *file_key_indexes(const size_t *fields, size_t count, const size_t *key,
                         struct ls_arena *mem)
{
    size_t *indexes = ls_arena_array(mem, count, sizeof *indexes);

    for (size_t i = 0; indexes && i < count; i++)
        indexes[i] = fields[key[i]];
    return indexes;
}

static enum ls_code load_records(const struct file_format *format, struct file_input *in,
                                 const struct ls_schema *schema, struct file_work *work,
                                 struct ls_error *err)
{
    struct ls_arena mem;
    bool more = true;
    enum ls_code rc = format->begin(in, schema, err);

    ls_arena_init(&mem, 0);
    while (rc == LS_OK) {
        struct ls_value *record = ls_arena_array(&mem, schema->field_count, sizeof *record);

        rc = record ? format->read(in, schema, &mem, record, &more, err) : ls_error_nomem(err);
        if (rc != LS_OK || !more)
            break;
        rc = file_work_add(work, record, err);
        ls_arena_reset(&mem);
    }
    ls_arena_done(&mem);
    return rc == LS_OK ? file_work_loaded(work, err) : rc;
}

/* Loads the file into a work database with this key. */
enum ls_code file_load(struct file_store *s, const struct ls_schema *schema, size_t key_count,
                       const size_t *key, struct file_work **ret, struct ls_error *err)
{
    struct file_work *work = NULL;
    struct file_input in;
    enum ls_code rc = file_input_open(&in, s->path, err);

    if (rc != LS_OK)
        return rc;
    rc = file_work_open(schema, key_count, key, &work, err);
    if (rc == LS_OK)
        rc = load_records(s->format, &in, schema, work, err);
    s->loaded = in.seen;
    s->style = in.style;
    file_input_close(&in);
    if (rc == LS_OK)
        *ret = work;
    else
        file_work_close(work);
    return rc;
}

enum ls_code file_need_work(struct file_store *s, const struct ls_schema *schema, size_t key_count,
                            const size_t *key, struct ls_error *err)
{
    if (!s->work)
        return file_load(s, schema, key_count, key, &s->work, err);
    if (!file_work_has_key(s->work, key_count, key))
        return ls_error_set(err, LS_INTERNAL, "%s: a second key in one transaction", s->path);
    return LS_OK;
}

/* The record that an operation leaves: the one that is there with the written fields over it. */
static enum ls_code make_record(const struct ls_write *w, const struct ls_write_op *op,
                                const struct ls_value *old, struct ls_arena *mem,
                                struct ls_value **ret, struct ls_error *err)
{
    struct ls_value *record = ls_arena_array(mem, w->schema->field_count, sizeof *record);

    if (!record)
        return ls_error_nomem(err);
    for (size_t i = 0; i < w->schema->field_count; i++)
        record[i] = old ? old[i] : ls_value_null();
    for (size_t i = 0; i < w->field_count; i++)
        record[w->fields[i]] = op->record[i];
    for (size_t k = 0; old && k < w->key_count; k++)
        record[w->fields[w->key[k]]] = old[w->fields[w->key[k]]];
    *ret = record;
    return LS_OK;
}

/* LS_TYPE when the record would not read back as it is. */
static enum ls_code check_record(struct file_store *s, const struct ls_schema *schema,
                                 const struct ls_value *record, struct ls_error *err)
{
    size_t bytes = 0;

    for (size_t i = 0; i < schema->field_count; i++) {
        const char *why = s->format->refuses(&record[i]);

        if (why)
            return ls_error_set(err, LS_TYPE, "%s: field \"%s\": %s", s->path,
                                schema->fields[i].name, why);
        bytes += ls_type_has_data(record[i].type) ? record[i].size : 32;
    }
    if (bytes > FILE_RECORD_MAX / 8) /* one byte takes six at most, as in \u0000 */
        return ls_error_set(err, LS_TYPE, "%s: a record of more than 8 MiB", s->path);
    return LS_OK;
}

static enum ls_code write_one(struct file_store *s, const struct ls_write *w,
                              const struct ls_write_op *op, struct ls_arena *mem,
                              struct ls_error *err)
{
    struct ls_value *old = NULL, *record = NULL;
    enum ls_code rc = file_work_find(s->work, op->key, mem, &old, err);

    if (rc == LS_OK && !old != (op->kind == LS_INSERT))
        rc = ls_error_set(err, LS_CONFLICT, "%s: a record to %s %s", s->path,
                          ls_change_word(op->kind), old ? "is there already" : "is not there");
    if (rc == LS_OK && op->kind != LS_DELETE)
        rc = make_record(w, op, old, mem, &record, err);
    if (rc == LS_OK && record)
        rc = check_record(s, w->schema, record, err);
    if (rc != LS_OK)
        return rc;
    return old ? file_work_put(s->work, op->key, record, err) : file_work_add(s->work, record, err);
}

enum ls_code file_write(struct ls_store *store, const struct ls_write *w, struct ls_error *err)
{
    static const enum ls_change_kind order[] = {LS_DELETE, LS_UPDATE, LS_INSERT};
    struct file_store *s = file_of(store);
    struct ls_arena mem;
    struct ls_error ignored;
    const size_t *key;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    key = file_key_indexes(w->fields, w->key_count, w->key, &mem);
    rc = key ? file_need_work(s, w->schema, w->key_count, key, err) : ls_error_nomem(err);
    if (rc == LS_OK)
        rc = file_work_save(s->work, err);
    if (rc != LS_OK)
        goto done;
    for (size_t k = 0; k < sizeof order / sizeof *order; k++)
        for (size_t i = 0; i < w->count && rc == LS_OK; i++)
            if (w->ops[i].kind == order[k])
                rc = write_one(s, w, &w->ops[i], &mem, err);
    if (rc == LS_OK)
        rc = file_work_keep(s->work, true, err);
    else if (file_work_keep(s->work, false, &ignored) != LS_OK)
        rc = LS_IO; /* what was half written cannot be taken back here: the caller rolls back */
    s->changed = s->changed || rc == LS_OK;
done:
    ls_arena_done(&mem);
    return rc;
}
