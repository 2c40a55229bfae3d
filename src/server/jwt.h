/* SPDX-License-Identifier: Apache-2.0 */
/* jwt.h - whether a JSON Web Token was signed by somebody we trust, for us, and is valid now. */
#ifndef LS_SERVER_JWT_H
#define LS_SERVER_JWT_H

#include <stdint.h>

#include "server/jose.h"
#include "server/jwt_keys.h"

#define LS_JWT_MOST 8192        /* bytes of a token */
#define LS_JWT_LEEWAY_S 30      /* what clocks may differ */
#define LS_JWT_SUBJECT_MOST 255 /* bytes */

/* What a token has to say besides its signature. Borrowed texts. */
struct ls_jwt_rules {
    size_t issuer_count, audience_count; /* 0: whatever it says is fine */
    const char *const *issuers;          /* iss has to be one of these */
    const char *const *audiences;        /* aud has to name one of these */
};

/* What a valid token says. */
struct ls_jwt {
    json_t *claims;      /* all of it; owned */
    const char *subject; /* sub, in claims; NULL: it has none */
    int64_t expires_s;   /* Unix time, as it says */
};

/* LS_JOSE_NONE: *ret is filled, to be done with. All else: refused, *ret is empty. The token's own alg is never believed: its key
 * has one. exp has to be there. now_s: Unix time. Any thread. */
LS_MUST_CHECK enum ls_jose_fault ls_jwt_verify(const struct ls_jwt_keys *keys,
                                               const struct ls_jwt_rules *rules, const char *token,
                                               size_t length, int64_t now_s, struct ls_jwt *ret);
void ls_jwt_done(struct ls_jwt *jwt);

/* The checks of content alone: times, issuer, audience, subject. For claims that were sealed instead of signed (nextauth.h). Fills subject and expires_s. */
LS_MUST_CHECK enum ls_jose_fault ls_jwt_claims_check(const json_t *claims,
                                                     const struct ls_jwt_rules *rules,
                                                     int64_t now_s, struct ls_jwt *ret);

#endif
