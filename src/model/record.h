/* SPDX-License-Identifier: Apache-2.0 */
/* record.h - records in batches, the layout they share, and a change of one. */
#ifndef LS_MODEL_RECORD_H
#define LS_MODEL_RECORD_H

#include "model/schema.h"

/* A batch: count records of width values each, one after the other. Lives in the arena
 * that was given to whoever filled it. */
struct ls_rows {
    size_t count, width;
    struct ls_value *values;
};
static inline struct ls_value *ls_row(const struct ls_rows *rows, size_t i)
{
    return rows->values + i * rows->width;
}

/* What both sides of a sync are brought to before they are compared: the mapped fields, by
 * the target's names and types, in the order of the configuration; the key among them. */
struct ls_layout {
    size_t field_count;
    const struct ls_field *fields; /* as the target has them */
    const struct ls_as *as;        /* how each is compared */
    size_t key_count;
    const size_t *key;          /* positions in fields */
    const struct ls_as *key_as; /* as[key[i]], gathered */
};

enum ls_change_kind { LS_INSERT, LS_UPDATE, LS_DELETE };
const char *ls_change_word(enum ls_change_kind kind); /* insert, update, delete */

/* One change of a plan, in a layout. before: what the target has (NULL: nothing, insert);
 * after: what it shall have (NULL: nothing, delete), converted to the target's types. */
struct ls_change {
    enum ls_change_kind kind;
    const struct ls_value *key;    /* layout->key_count values */
    const struct ls_value *before; /* layout->field_count values */
    const struct ls_value *after;
};

enum ls_status {
    LS_IN_SYNC,
    LS_SOURCE_ONLY,
    LS_TARGET_ONLY,
    LS_INCONSISTENT,
    LS_MOVING,
    LS_CONFLICTED,
    LS_STATUS_COUNT
};
const char *ls_status_word(enum ls_status status); /* in_sync, source_only, ..., moving, conflict */

/* Gathers the key values of a record of the layout into out (key_count values). */
void ls_layout_key(const struct ls_layout *layout, const struct ls_value *record,
                   struct ls_value *out);

#endif
