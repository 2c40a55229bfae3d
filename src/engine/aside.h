/* SPDX-License-Identifier: Apache-2.0 */
/* aside.h - steps that the target refused, kept for another try, with the reason. */
#ifndef LS_ENGINE_ASIDE_H
#define LS_ENGINE_ASIDE_H

#include "engine/spool.h"
#include "engine/steps.h"

/* How many values a step has. */
struct ls_aside_shape {
    size_t key_count, expected_count, record_count;
};

struct ls_aside {
    struct ls_aside_shape shape;
    struct ls_spool spool; /* its count is how many are set aside */
    struct ls_buf scratch;
};

struct ls_aside_step {
    struct ls_step step;
    enum ls_code code;
    const char *why;
    size_t bytes; /* about what it takes in memory */
};

void ls_aside_init(struct ls_aside *aside, const struct ls_aside_shape *shape);
void ls_aside_done(struct ls_aside *aside);
LS_MUST_CHECK enum ls_code ls_aside_add(struct ls_aside *aside, const struct ls_step *step,
                                        enum ls_code code, const char *why, struct ls_error *err);
/* Begins reading, from either end; nothing is added any more. */
LS_MUST_CHECK enum ls_code ls_aside_rewind(struct ls_aside *aside, bool backwards,
                                           struct ls_error *err);
/* The next one, in mem; *ret_any false at the end. */
LS_MUST_CHECK enum ls_code ls_aside_next(struct ls_aside *aside, struct ls_arena *mem,
                                         struct ls_aside_step *ret, bool *ret_any,
                                         struct ls_error *err);

#endif
