/* SPDX-License-Identifier: Apache-2.0 */
/* role.h - which role somebody has by what a token or session of another program says. Pure. */
#ifndef LS_SERVER_ROLE_H
#define LS_SERVER_ROLE_H

#include <jansson.h>

#include "server/caller.h"

enum ls_role_source {
    LS_ROLE_FROM_TOKEN,   /* a JWT of Supabase or of another issuer */
    LS_ROLE_FROM_SESSION, /* of the application itself (NextAuth) */
};
/* claim: the name of a claim, or a path such as app_metadata.role; its value is a word or a list of words. NULL: where Supabase has it for tokens
 * (docs/callers.md has the table), `role` for sessions. Words that are not known are passed over: then it is an ordinary user, or nobody where there is no
 * subject. */
enum ls_role ls_role_of_claims(const json_t *claims, const char *claim, enum ls_role_source source);

#endif
