/* SPDX-License-Identifier: Apache-2.0 */
/* journal.h - what a batch did, as a blob: the before-images and what the run left.
 *
 * Format 1: u8 format, u64 hash of the whole record's field names, types and key, u32 entries; each entry u8 kind, the key, u8 has
 * a before-image, the before-image (the whole record, every field that can be written), two u64: the
 * 128-bit hash of the record as the run left it (0, 0 after a delete). Values by ls_values_encode(). Format 2, of an undo: a
 * u64 more at the end of each entry, which says what it takes back. */
#ifndef LS_ENGINE_JOURNAL_H
#define LS_ENGINE_JOURNAL_H

#include "base/digest.h"
#include "engine/job.h"

/* Every field of a table that can be written, and where the key is among them. */
struct ls_whole {
    const struct ls_schema *schema;
    size_t field_count, key_count;
    const size_t *fields;   /* schema indexes */
    const size_t *key;      /* positions in fields */
    const struct ls_as *as; /* each as its own type */
    uint64_t shape;         /* hash of names, types and key */
};
/* From the schema and the schema indexes of the key's fields. In mem; NULL when out of memory. */
struct ls_whole *ls_whole_new(const struct ls_schema *schema, size_t key_count, const size_t *key,
                              struct ls_arena *mem);
/* Of a job's target. NULL when out of memory. */
struct ls_whole *ls_whole_of(const struct ls_job *job, struct ls_arena *mem);
/* How its records are read: for ls_store_fetch(). Borrows from whole. */
struct ls_scan ls_whole_scan(const struct ls_whole *whole);
/* The hash by which a record is known again; scratch is overwritten. Out of memory is scratch's, and sticks: after some
 * records, look at scratch->failed once. */
struct ls_hash128 ls_whole_hash(const struct ls_whole *whole, const struct ls_value *record,
                                struct ls_buf *scratch);

struct ls_journal_entry {
    enum ls_change_kind kind;
    const struct ls_value *key;    /* whole->key_count */
    const struct ls_value *before; /* whole->field_count; NULL for an insert */
    struct ls_hash128 left;        /* of the record after; zeros for a delete */
    uint64_t takes_back; /* of an undo: the entry of the other journal, see taken.h; 0: none */
};

void ls_journal_encode(struct ls_buf *out, const struct ls_whole *whole,
                       const struct ls_journal_entry *entries, size_t count);
/* LS_CORRUPT when damaged, LS_VERSION when a newer lockstep wrote it, LS_CHANGED when the table's fields
 * or the key are not those of then. */
LS_MUST_CHECK enum ls_code ls_journal_decode(const void *blob, size_t size,
                                             const struct ls_whole *whole, struct ls_arena *mem,
                                             struct ls_journal_entry **ret, size_t *ret_count,
                                             struct ls_error *err);

#endif
