/* SPDX-License-Identifier: Apache-2.0 */
/* hooks.h - what the engine tells the layer above while it works, and what it asks of it.
 *
 * The engine remembers nothing and logs nothing for people: whoever starts it fills these.
 * All members may be NULL unless said otherwise. Called on the controlling thread of the run only. */
#ifndef LS_ENGINE_HOOKS_H
#define LS_ENGINE_HOOKS_H

#include "base/thread.h"
#include "model/record.h"

enum ls_phase {
    LS_PHASE_VALIDATION,
    LS_PHASE_DETECTION,
    LS_PHASE_REPAIR,
    LS_PHASE_VERIFICATION,
    LS_PHASE_COUNT
};
const char *ls_phase_word(enum ls_phase phase); /* validation, detection, repair, verification */

/* What a batch makes of records once it is committed. */
struct ls_batch_counts {
    uint64_t created, updated, deleted;
};

/* Where before-images go. A batch: open, add..., sync (all of it is durable on return, with what it counts for), then the
 * store's commit, then close. What was opened and not closed is settled with the target before anything else happens. */
struct ls_journal {
    void *ctx;
    enum ls_code (*open)(void *ctx, uint64_t batch, const char *marker, struct ls_error *err);
    enum ls_code (*add)(void *ctx, uint64_t batch, const void *blob, size_t size,
                        struct ls_error *err);
    enum ls_code (*sync)(void *ctx, uint64_t batch, const struct ls_batch_counts *counts,
                         struct ls_error *err);
    enum ls_code (*close)(void *ctx, uint64_t batch, bool committed, struct ls_error *err);
};

/* Reading a run's journal back: committed batches, newest first, blobs of a batch newest first too. */
struct ls_journal_source {
    void *ctx;
    /* The next blob, in mem; *ret_blob NULL at the end. LS_CORRUPT when a checksum fails; LS_NOT_FOUND when pruned. */
    enum ls_code (*next)(void *ctx, struct ls_arena *mem, const void **ret_blob, size_t *ret_size,
                         struct ls_error *err);
};

struct ls_hooks {
    void *ctx;
    const struct ls_cancel *cancel; /* looked at between batches */
    void (*phase)(void *ctx, enum ls_phase phase, const char *text);
    /* done of total records (total 0: not known); at most some times a second. */
    void (*progress)(void *ctx, enum ls_phase phase, uint64_t done, uint64_t total);
    /* A record that could not be written or was a conflict. key_json: {"id":"7"}. */
    void (*failed)(void *ctx, const char *key_json, enum ls_code code, const char *text);
};

#endif
