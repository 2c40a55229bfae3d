/* SPDX-License-Identifier: Apache-2.0 */
/* journal.c - what a batch did, as a blob.
 *
 * Undo has to give back the whole record, not only the fields that a sync maps, and has to know
 * whether the record is still what the run left. The first needs the before-image of every field
 * that can be written; for the second a hash of the record, read back after the write, is enough: what triggers,
 * defaults and rounding made of it is in there too. An insert has no before-image, so a first copy journals keys and
 * hashes only.
 *
 * A blob says for which fields and which key it was made. A table whose columns changed since cannot be undone
 * by values in the old order, and another key would name other records; names and types are hashed, not kept, because
 * the answer is the same: no. */
#include "engine/journal.h"

#include <string.h>

#include "base/text.h"
#include "model/json.h"

#define JOURNAL_FORMAT 2
#define FORMAT_PLAIN 1 /* no entry takes another one back */

static bool find_shape(struct ls_whole *whole)
{
    struct ls_buf text;
    bool ok;

    ls_buf_init(&text, 0);
    for (size_t i = 0; i < whole->field_count; i++) {
        const struct ls_field *f = &whole->schema->fields[whole->fields[i]];

        ls_buf_bytes(&text, f->name, strlen(f->name));
        ls_buf_u8(&text, (uint8_t)f->type);
        ls_buf_bytes(&text, f->native, strlen(f->native));
    }
    for (size_t k = 0; k < whole->key_count; k++)
        ls_buf_u32(&text, (uint32_t)whole->key[k]);
    ok = !text.failed;
    whole->shape = ok ? ls_hash64(text.data, text.size, 1) : 0;
    ls_buf_done(&text);
    return ok;
}

struct ls_whole *ls_whole_new(const struct ls_schema *schema, size_t key_count, const size_t *key,
                              struct ls_arena *mem)
{
    struct ls_whole *w = ls_arena_alloc(mem, sizeof *w);
    size_t *fields = ls_arena_array(mem, schema->field_count, sizeof *fields);
    size_t *positions = ls_arena_array(mem, key_count, sizeof *positions);
    struct ls_as *as = ls_arena_array(mem, schema->field_count, sizeof *as);
    size_t n = 0;

    if (!w || !fields || !positions || !as)
        return NULL;
    for (size_t i = 0; i < schema->field_count; i++) {
        if (schema->fields[i].flags & LS_FIELD_GENERATED)
            continue;
        for (size_t k = 0; k < key_count; k++)
            if (key[k] == i)
                positions[k] = n;
        as[n] = ls_as_of(&schema->fields[i], &schema->fields[i]);
        fields[n++] = i;
    }
    *w = (struct ls_whole){schema, n, key_count, fields, positions, as, 0};
    return find_shape(w) ? w : NULL;
}

struct ls_whole *ls_whole_of(const struct ls_job *job, struct ls_arena *mem)
{
    size_t *key = ls_arena_array(mem, job->layout.key_count, sizeof *key);

    for (size_t k = 0; key && k < job->layout.key_count; k++)
        key[k] = job->target_fields[job->layout.key[k]];
    return key ? ls_whole_new(job->target.schema, job->layout.key_count, key, mem) : NULL;
}

struct ls_scan ls_whole_scan(const struct ls_whole *whole)
{
    return (struct ls_scan){
        .schema = whole->schema,
        .field_count = whole->field_count,
        .fields = whole->fields,
        .key_count = whole->key_count,
        .key = whole->key,
        .as = whole->as,
    };
}

struct ls_hash128 ls_whole_hash(const struct ls_whole *whole, const struct ls_value *record,
                                struct ls_buf *scratch)
{
    ls_buf_cut(scratch, 0); /* not reset: a failure stays until somebody looks */
    ls_values_encode(scratch, record, whole->field_count);
    return ls_hash128(scratch->data, scratch->size, 1);
}

static bool is_plain(const struct ls_journal_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (entries[i].takes_back)
            return false;
    return true;
}

void ls_journal_encode(struct ls_buf *out, const struct ls_whole *whole,
                       const struct ls_journal_entry *entries, size_t count)
{
    const bool plain = is_plain(entries, count);

    ls_buf_u8(out, plain ? FORMAT_PLAIN : JOURNAL_FORMAT);
    ls_buf_u64(out, whole->shape);
    ls_buf_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        const struct ls_journal_entry *e = &entries[i];

        ls_buf_u8(out, (uint8_t)e->kind);
        ls_values_encode(out, e->key, whole->key_count);
        ls_buf_u8(out, e->before != NULL);
        if (e->before)
            ls_values_encode(out, e->before, whole->field_count);
        ls_buf_u64(out, e->left.high);
        ls_buf_u64(out, e->left.low);
        if (!plain)
            ls_buf_u64(out, e->takes_back);
    }
}

/* false on damage, which sets rd->failed, and out of memory. */
static bool decode_entry(struct ls_reader *rd, uint8_t format, const struct ls_whole *whole,
                         struct ls_arena *mem, struct ls_journal_entry *ret)
{
    const uint8_t kind = ls_reader_u8(rd);
    struct ls_value *key = ls_arena_array(mem, whole->key_count, sizeof *key), *before = NULL;

    rd->failed |= kind > LS_DELETE;
    if (rd->failed || !key || !ls_values_decode(rd, mem, key, whole->key_count))
        return false;
    if (ls_reader_u8(rd)) {
        before = ls_arena_array(mem, whole->field_count, sizeof *before);
        if (!before || !ls_values_decode(rd, mem, before, whole->field_count))
            return false;
    }
    *ret = (struct ls_journal_entry){(enum ls_change_kind)kind, key, before, {0, 0}, 0};
    ret->left.high = ls_reader_u64(rd);
    ret->left.low = ls_reader_u64(rd);
    if (format != FORMAT_PLAIN)
        ret->takes_back = ls_reader_u64(rd);
    rd->failed |= !before != (kind == LS_INSERT);
    return !rd->failed;
}

static enum ls_code damaged(struct ls_error *err)
{
    return ls_error_set(err, LS_CORRUPT, "a journal entry is damaged");
}

enum ls_code ls_journal_decode(const void *blob, size_t size, const struct ls_whole *whole,
                               struct ls_arena *mem, struct ls_journal_entry **ret,
                               size_t *ret_count, struct ls_error *err)
{
    struct ls_reader rd;
    struct ls_journal_entry *entries;
    uint8_t format;
    uint64_t shape;
    uint32_t count;

    ls_reader_init(&rd, blob, size);
    format = ls_reader_u8(&rd);
    shape = ls_reader_u64(&rd);
    count = ls_reader_u32(&rd);
    if (!rd.failed && format > JOURNAL_FORMAT)
        return ls_error_set(err, LS_VERSION,
                            "the journal was written by a newer lockstep. Undo with that version");
    if (rd.failed || format < 1 || count > size) /* an entry has more than a byte */
        return ls_error_set(err, LS_CORRUPT, "a journal entry is damaged");
    if (shape != whole->shape)
        return ls_error_set(
            err, LS_CHANGED,
            "the columns or the key of %s are not those of the run any more, so its records cannot "
            "be put back as they were. Undo the change of the table first",
            whole->schema->collection);
    entries = ls_arena_array(mem, count, sizeof *entries);
    if (!entries)
        return ls_error_nomem(err);
    for (uint32_t i = 0; i < count; i++)
        if (!decode_entry(&rd, format, whole, mem, &entries[i]))
            return rd.failed ? damaged(err) : ls_error_nomem(err);
    if (rd.at != rd.size)
        return damaged(err);
    *ret = entries;
    *ret_count = count;
    return LS_OK;
}
