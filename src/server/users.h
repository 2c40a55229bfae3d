/* SPDX-License-Identifier: Apache-2.0 */
/* users.h - users of a local database and an auth service: which sync keeps them in step, how one is called and shown, and whether one is in step now. */
#ifndef LS_SERVER_USERS_H
#define LS_SERVER_USERS_H

#include "api/api.h"
#include "base/buf.h"

#define LS_USERS_NONE                                                            \
    "no sync of users is configured. Name it under surfaces: users, or write a " \
    "configuration by `lockstep init --preset users`"

/* Which sync it is. Borrowed from the configuration. */
struct ls_users {
    const char *sync;
    const struct ls_sync_config *config;
    bool swapped; /* the local database is the target */
};
/* false: none is configured. config may be NULL. */
bool ls_users_find(const struct ls_config *config, struct ls_users *ret);

/* A status of the engine in the words of this surface; anything unknown is inconsistent. */
struct ls_users_words {
    const char *engine, *word, *label;
};
const struct ls_users_words *ls_users_words(const struct ls_users *u, const char *status);
/* The value of a field, of the side that has it; NULL. */
const char *ls_users_value(const struct lockstep_difference *d, const char *name);
/* The members of an entry, without its braces. */
void ls_users_write(struct ls_buf *out, const struct ls_users *u,
                    const struct lockstep_difference *d);

/* The field that names a user on both sides: as the target calls it, and as the source does. LS_UNSUPPORTED: it takes several fields, or an expression. */
LS_MUST_CHECK enum ls_code ls_users_key(const struct ls_users *u, const char **ret_target,
                                        const char **ret_source, struct ls_error *err);
/* What the source calls a field of the target; LS_UNSUPPORTED: it is made by an expression. */
LS_MUST_CHECK enum ls_code ls_users_source_field(const struct ls_users *u, const char *target,
                                                 const char **ret, struct ls_error *err);

/* How one user stands, compared now. All in the arena that was given. */
struct ls_users_verdict {
    bool valid;     /* both sides say the same, also when neither has the user */
    uint64_t total; /* users that fit: several where an address is */
    uint64_t source_count, target_count;
    const char *status, *label; /* of the first one; "" when there is none */
    const char *key;            /* the value of its key field; NULL when there is none */
    const char *entry;          /* it, as JSON; "null" when there is none */
};
/* only: FIELD=VALUE, of the target's fields. Only these records are read, on both sides. */
LS_MUST_CHECK enum ls_code ls_users_validate(struct lockstep *ls, const struct ls_users *u,
                                             const char *only, struct ls_arena *mem,
                                             struct ls_users_verdict *ret, struct ls_error *err);
/* The same, with an entry in the audit log ("user validate", the user as subject), and in the log when it is not valid. about: what led to it. */
LS_MUST_CHECK enum ls_code ls_users_validate_noted(struct lockstep *ls, const struct ls_users *u,
                                                   const char *only, const char *about,
                                                   struct ls_arena *mem,
                                                   struct ls_users_verdict *ret,
                                                   struct ls_error *err);

#endif
