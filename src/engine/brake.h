/* SPDX-License-Identifier: Apache-2.0 */
/* brake.h - when a run must not go on by itself. Pure decisions over counts. */
#ifndef LS_ENGINE_BRAKE_H
#define LS_ENGINE_BRAKE_H

#include "engine/plan.h"

#define LS_BRAKE_FROM 20 /* records in the target from which the shares count */

/*    name, as --force=NAME takes it */
#define LS_BRAKES(X)                                                              \
    X(DELETES, "deletes")    /* deletes over 20 % of the target */                \
    X(CHANGES, "changes")    /* updates and deletes over 50 % of the target */    \
    X(EMPTY, "empty-source") /* the source is empty and the target is not */      \
    X(CONFIG, "config")      /* key, fields or filter differ from the last run */ \
    X(IDENTITY, "identity")  /* the fingerprint of a side differs from the last run */
#define X(name, word) LS_BRAKE_##name,
enum ls_brake { LS_BRAKES(X) LS_BRAKE_COUNT };
#undef X
const char *ls_brake_word(enum ls_brake brake);

/* What the last finished run of the sync left; "" when there was none. */
struct ls_brake_memory {
    const char *digest, *fingerprint;
    uint64_t source_count;
};
/* forced: bitmap of enum ls_brake (all ones: --force). LS_OK, or LS_BRAKE with what stopped it, the figures and how to go on. */
LS_MUST_CHECK enum ls_code ls_brake_check(const struct ls_job *job,
                                          const struct ls_plan_counts *counts,
                                          const struct ls_brake_memory *last, unsigned forced,
                                          struct ls_error *err);

#endif
