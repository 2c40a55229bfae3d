/* SPDX-License-Identifier: Apache-2.0 */
/* batch.h - the records of one batch while its transaction is open: locked, checked, written, read back. */
#ifndef LS_ENGINE_BATCH_H
#define LS_ENGINE_BATCH_H

#include "engine/journal.h"
#include "engine/steps.h"

/* What all batches of a run share. */
struct ls_writing {
    struct ls_job *job;
    struct ls_store *writer;
    const struct ls_steps_fields *fields;
    const struct ls_whole *whole;
    struct ls_scan scan;           /* reads whole records */
    bool keeps_unique;             /* the target refuses a record whose key is there */
    const size_t *layout_in_whole; /* layout position -> position in the whole record */
    const size_t *fields_in_whole; /* likewise of the fields that are written */
    size_t
        patience; /* so many more records may be refused alone, then the rest of a part is set aside untried */
    size_t waits; /* so often more a part is cut because of locks that others hold */
    unsigned cut; /* a refused part is cut at (cut + 1) / (cut + 2) */
    struct ls_buf scratch;
};

enum ls_item_state {
    LS_ITEM_DONE,     /* is what it shall be: nothing to write, nothing to take back */
    LS_ITEM_WRITE,    /* to be written; after ls_batch_write(): was */
    LS_ITEM_CONFLICT, /* not what the step expects: left alone */
    LS_ITEM_REFUSED,  /* by the target, or by the type of a field */
};

struct ls_item {
    const struct ls_step *step;
    enum ls_item_state state;
    enum ls_code code; /* of a conflict and a refusal */
    const char *why;
    bool final;                    /* refused, and no other record can help */
    const struct ls_value *key;    /* in the target's types */
    const struct ls_value *before; /* the whole record as it was locked, or NULL */
    const struct ls_value
        *record; /* what is written: values of the writing's fields; NULL for a delete */
    const struct ls_value *left; /* the whole record after the write, or NULL */
    size_t group, giver_count;   /* waits.h; set once a part was refused */
    struct ls_item **givers;
};

struct ls_batch {
    struct ls_writing *writing;
    struct ls_arena *mem;
    size_t count;
    struct ls_item *items; /* one for each step, in their order */
};

/* Carries out the steps inside the open transaction. LS_OK also when records were refused: see the items. Anything else: the
 * transaction is of no use any more. Everything is in mem. */
LS_MUST_CHECK enum ls_code ls_batch_write(struct ls_writing *writing, const struct ls_step *list,
                                          size_t count, struct ls_arena *mem, struct ls_batch *ret,
                                          struct ls_error *err);
/* Carries out steps that are all new records, as the target takes them or not at all: *ret_done false when it refuses any, or
 * cannot tell that one is there already. Then the transaction is to be rolled back, and ls_batch_write() finds out more. */
LS_MUST_CHECK enum ls_code ls_batch_write_new(struct ls_writing *writing,
                                              const struct ls_step *list, size_t count,
                                              struct ls_arena *mem, struct ls_batch *ret,
                                              bool *ret_done, struct ls_error *err);
/* The items of this state, in the order of the steps. In mem; NULL when out of memory. */
struct ls_item **ls_batch_items(const struct ls_batch *batch, enum ls_item_state state,
                                size_t *ret_count);
/* Puts items (to be written, or written) into an order in which unique values are given up before they are taken. */
LS_MUST_CHECK enum ls_code ls_batch_order(const struct ls_batch *batch, struct ls_item **items,
                                          size_t count, struct ls_error *err);
/* Where to cut ordered items (at least 2) that were refused together: 1 .. count - 1. */
size_t ls_batch_cut(const struct ls_writing *writing, struct ls_item *const *items, size_t count);

#endif
