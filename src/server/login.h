/* SPDX-License-Identifier: Apache-2.0 */
/* login.h - logins with a password, sessions, and the link of the first start. On a worker: a password takes some 35 ms of a core. */
#ifndef LS_SERVER_LOGIN_H
#define LS_SERVER_LOGIN_H

#include "server/request.h"
#include "state/callers.h"

#define LS_CSRF_TEXT 44 /* base64url of 32 bytes, and a NUL */
#define LS_LOGIN_KNOWN_DAYS 30

struct ls_login {
    char secret
        [LS_SECRET_TEXT];    /* of the session: the value of its cookie (cookie.h); to be wiped */
    char csrf[LS_CSRF_TEXT]; /* what a page sends in X-CSRF-Token with what changes something */
};
/* Logs somebody in. peer: the address as text. LS_PERMISSION: name or password are not right, without saying which. LS_BUSY: too many tries;
 * *ret_wait_s says how long to wait. Every other code: it could not be done. Nobody is locked out by what others try: failures count for the
 * account together with the address, for the address, and for the account only from addresses that it has not logged in from. */
LS_MUST_CHECK enum ls_code ls_login(struct ls_state *state, const char *name, const char *password,
                                    const char *peer, int64_t now_us, int64_t idle_us,
                                    int64_t absolute_us, struct ls_login *ret, int *ret_wait_s,
                                    struct ls_error *err);
/* Ends the session of this request; one that is not there is fine. */
LS_MUST_CHECK enum ls_code ls_logout(struct ls_state *state, const struct ls_request *request,
                                     struct ls_error *err);

/* The secret of the session whose cookie came with the request; false: none, or several, or not of its form. */
bool ls_login_secret(const struct ls_request *request, char ret[LS_SECRET_TEXT]);
/* What stands in X-CSRF-Token for a session: derived from its secret, so nothing is kept, and of no use to find that. */
void ls_login_csrf(const char *secret, char ret[LS_CSRF_TEXT]);

/* At a start without users and tokens: a link for whoever reads it first, good for a day, in mem; it takes the place of one before. *ret NULL: there is
 * somebody already. url: how we are reached. The secret stands behind a #, so browsers do not send it along and no log has it. */
LS_MUST_CHECK enum ls_code ls_setup_link(struct ls_state *state, const char *url, int64_t now_us,
                                         struct ls_arena *mem, const char **ret,
                                         struct ls_error *err);
/* Makes the first admin, by the secret of the link. LS_PERMISSION: it is not valid. LS_USAGE: name or password will not do. */
LS_MUST_CHECK enum ls_code ls_setup_finish(struct ls_state *state, const char *secret,
                                           const char *name, const char *password, int64_t now_us,
                                           struct ls_error *err);

#endif
