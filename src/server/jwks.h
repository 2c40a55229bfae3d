/* SPDX-License-Identifier: Apache-2.0 */
/* jwks.h - the keys of an issuer of tokens: a shared secret, and a set fetched from one configured address and kept fresh.
 *
 * Nothing here waits for the network but a thread of its own. */
#ifndef LS_SERVER_JWKS_H
#define LS_SERVER_JWKS_H

#include "server/jwt.h"

struct ls_jwks;

struct ls_jwks_options {
    const char *url;    /* https, or http to this machine; NULL: none */
    const char *secret; /* of HS256; NULL: none */
    /* 0: as said behind; for tests. */
    int64_t fresh_us; /* fetched again after: 10 min */
    int64_t stale_us; /* used while it cannot be fetched, at most: 1 h */
    int64_t
        pause_us;   /* between two fetches because of an unknown key, and after a failure: 1 min */
    int timeout_ms; /* of a fetch: 5 000 */
};
/* Starts to fetch and returns at once. LS_CONFIG: the URL or the secret will not do. */
LS_MUST_CHECK enum ls_code ls_jwks_open(const struct ls_jwks_options *options, struct ls_jwks **ret,
                                        struct ls_error *err);
/* Ends a fetch that is under way. NULL is fine. */
void ls_jwks_close(struct ls_jwks *jwks);

/* Like ls_jwt_verify(). *ret_soon true, with the fault KEY: the set is being fetched, which may bring the key; to be asked again
 * in a second or two. An unknown key makes it be fetched, once in pause_us. Any thread. */
LS_MUST_CHECK enum ls_jose_fault ls_jwks_verify(struct ls_jwks *jwks,
                                                const struct ls_jwt_rules *rules, const char *token,
                                                size_t length, int64_t now_s, struct ls_jwt *ret,
                                                bool *ret_soon);

/* Waits until no fetch is under way or due, at most until (ls_clock_monotonic_us()). For tests and for checking a configuration. */
void ls_jwks_settle(struct ls_jwks *jwks, int64_t until_us);
struct ls_jwks_figures {
    uint64_t fetches, failures;
    size_t keys;      /* of the set that is used now */
    char reason[300]; /* of the last failure; "" when the last fetch went well */
};
void ls_jwks_figures(struct ls_jwks *jwks, struct ls_jwks_figures *ret);

#endif
