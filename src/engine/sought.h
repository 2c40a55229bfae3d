/* SPDX-License-Identifier: Apache-2.0 */
/* sought.h - what --only names in fields that are no key, as each side's store may look for it. */
#ifndef LS_ENGINE_SOUGHT_H
#define LS_ENGINE_SOUGHT_H

#include "engine/mapping.h"

/* What a side's store looks for by itself; the rest of --only is decided here. */
struct ls_side_sought {
    size_t count; /* 0: the side is read whole */
    const struct ls_sought *sought;
    const char *field,
        *why; /* the first field of --only that is not looked for, and why not, or NULL */
};

/* Asks the side's store. In mem; out of memory there is less that is looked for. */
void ls_find_sought(const struct ls_job *job, enum ls_side_name side, struct ls_arena *mem,
                    struct ls_side_sought *ret);

#endif
