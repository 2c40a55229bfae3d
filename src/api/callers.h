/* SPDX-License-Identifier: Apache-2.0 */
/* callers.h - what the command line and the HTTP routes share in making tokens and users. */
#ifndef LS_API_CALLERS_H
#define LS_API_CALLERS_H

#include "lockstep.h"
#include "state/callers.h"

/* The roles that can be given to somebody; server/caller.h says what each may. */
#define LS_API_ROLES 5
extern const char *const ls_api_roles[LS_API_ROLES];
/* LS_USAGE, with the nearest one. */
LS_MUST_CHECK enum ls_code ls_api_role_fit(const char *role, struct ls_error *err);
/* 1 to 100 bytes of UTF-8 that can stand in a log, a URL and a header. of: "a token". LS_USAGE. */
LS_MUST_CHECK enum ls_code ls_api_name_fit(const char *name, const char *of, struct ls_error *err);

/* Draws a token and remembers its hash. owner NULL: nobody's. secret gets the text, to be shown once and wiped. *ret borrows the arguments. */
LS_MUST_CHECK enum ls_code ls_api_token_create(struct ls_state *state, const char *actor,
                                               const char *owner, const char *name,
                                               const char *role, int64_t expires_us,
                                               char secret[LS_SECRET_TEXT], struct ls_token *ret,
                                               struct ls_error *err);
/* As lockstep_token_create(), for an owner (NULL: nobody's), who has to be there. */
int ls_api_token_make(struct lockstep *ls, const char *owner, const char *name, const char *role,
                      int64_t expires_us, lockstep_token_fn *fn, void *ctx,
                      struct lockstep_error *error);
/* Checks a user's name, role and password, and hashes the password; role and password may be NULL. */
LS_MUST_CHECK enum ls_code ls_api_user_hash(const char *name, const char *role,
                                            const char *password, char hash[LS_PASSWORD_HASH],
                                            struct ls_error *err);

#endif
