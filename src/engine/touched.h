/* SPDX-License-Identifier: Apache-2.0 */
/* touched.h - the keys that a run wrote, kept in a temporary file for verify (see apply.h). */
#ifndef LS_ENGINE_TOUCHED_H
#define LS_ENGINE_TOUCHED_H

#include "engine/apply.h"

/* Adds one key (layout->key_count values). */
LS_MUST_CHECK enum ls_code ls_touched_add(struct ls_touched *touched, const struct ls_value *key,
                                          struct ls_error *err);
/* Back to the first key, for reading. */
LS_MUST_CHECK enum ls_code ls_touched_rewind(struct ls_touched *touched, struct ls_error *err);
/* Up to max keys one after the other, in mem; *ret_count 0 at the end. */
LS_MUST_CHECK enum ls_code ls_touched_next(struct ls_touched *touched, size_t max,
                                           struct ls_arena *mem, struct ls_value **ret,
                                           size_t *ret_count, struct ls_error *err);

#endif
