/* SPDX-License-Identifier: Apache-2.0 */
/* group.h - URL groups: several destinations under one name. Each of its URLs gets a message of its own. */
#ifndef LS_EVENT_GROUP_H
#define LS_EVENT_GROUP_H

#include "state/messages.h"

#define LS_GROUP_MAX 100 /* URLs */

struct ls_group_member {
    const char *name; /* NULL: none */
    const char *url;  /* NULL where one is named to be removed */
};
struct ls_group {
    const char *name;
    size_t count;
    struct ls_group_member *members;
    int64_t created_us, updated_us;
};
/* *ret_found false: there is none of that name. In mem. */
LS_MUST_CHECK enum ls_code ls_group_read(struct ls_state *state, const char *name,
                                         struct ls_arena *mem, struct ls_group *ret,
                                         bool *ret_found, struct ls_error *err);
/* All, by name. In mem. */
LS_MUST_CHECK enum ls_code ls_groups_read(struct ls_state *state, struct ls_arena *mem,
                                          size_t *ret_count, struct ls_group **ret,
                                          struct ls_error *err);
/* Adds URLs; one that is there is given its new name, and a name that is there its new URL. The group is made where there is none. LS_USAGE: they would be
 * too many. */
LS_MUST_CHECK enum ls_code ls_group_add(struct ls_queue_tx *tx, const char *name,
                                        const struct ls_group_member *members, size_t count,
                                        struct ls_arena *mem, struct ls_error *err);
/* Takes away those with one of these names or URLs; the last one takes the group along. *ret_found false: there is none. */
LS_MUST_CHECK enum ls_code ls_group_take(struct ls_queue_tx *tx, const char *name,
                                         const struct ls_group_member *members, size_t count,
                                         struct ls_arena *mem, bool *ret_found,
                                         struct ls_error *err);

#endif
