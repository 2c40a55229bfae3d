/* SPDX-License-Identifier: Apache-2.0 */
/* nextauth.h - sessions of an application that uses NextAuth 4 or Auth.js 5: cookies that are encrypted tokens.
 *
 * They are made by the application with NEXTAUTH_SECRET (AUTH_SECRET); we read them with the same secret and set none. */
#ifndef LS_SERVER_NEXTAUTH_H
#define LS_SERVER_NEXTAUTH_H

#include "server/jwt.h"
#include "server/request.h"

#define LS_NEXTAUTH_MOST 16384      /* bytes of a session, its chunks together */
#define LS_NEXTAUTH_CHUNKS 10       /* .0 to .9 */
#define LS_NEXTAUTH_SECRET_LEAST 16 /* bytes; 32 random ones are what NextAuth advises */

struct ls_nextauth;

/* Derives the keys. LS_CONFIG: the secret is too short. */
LS_MUST_CHECK enum ls_code ls_nextauth_open(const char *secret, struct ls_nextauth **ret,
                                            struct ls_error *err);
/* NULL is fine. */
void ls_nextauth_close(struct ls_nextauth *nextauth);

/* Reads the session of a request, from whichever of the cookies next-auth.session-token, authjs.session-token, each with __Secure- or not and in
 * chunks or not, is there. *ret_found false: there is none. LS_JOSE_NONE: *ret is filled, to be done with. Any thread. */
LS_MUST_CHECK enum ls_jose_fault ls_nextauth_session(const struct ls_nextauth *nextauth,
                                                     const struct ls_request *request,
                                                     int64_t now_s, struct ls_jwt *ret,
                                                     bool *ret_found);
/* Reads the value of one cookie of that name. */
LS_MUST_CHECK enum ls_jose_fault ls_nextauth_read(const struct ls_nextauth *nextauth,
                                                  const char *cookie, const char *value,
                                                  size_t length, int64_t now_s, struct ls_jwt *ret);

#endif
