/* SPDX-License-Identifier: Apache-2.0 */
/* sealed.h - what of a schedule may hold credentials (the headers of its call, those of its message) is kept sealed, with the key of event/seal.h.
 *
 * What the state hands out is sealed: unseal it where values are needed. Rows of an older program are open; both are read. Any thread. */
#ifndef LS_SCHEDULE_SEALED_H
#define LS_SCHEDULE_SEALED_H

#include "base/arena.h"
#include "state/schedules.h"

/* Headers and extra, where there are any and they are open. In mem. */
LS_MUST_CHECK enum ls_code ls_schedule_seal(struct ls_state *state, struct ls_schedule *s,
                                            struct ls_arena *mem, struct ls_error *err);
/* The same back. LS_CORRUPT: they were sealed with another key. In mem. */
LS_MUST_CHECK enum ls_code ls_schedule_unseal(struct ls_state *state, struct ls_schedule *s,
                                              struct ls_arena *mem, struct ls_error *err);
/* The names of sealed headers, separated by blanks, which needs no key; NULL: they are open. */
const char *ls_schedule_sealed_names(const char *headers);

/* Seals what an older program left open in the state. */
LS_MUST_CHECK enum ls_code ls_schedules_seal(struct ls_state *state, struct ls_error *err);

#endif
