/* SPDX-License-Identifier: Apache-2.0 */
/* jwt_keys.h - the keys by which tokens are verified, each for one algorithm.
 *
 * A key is bound to its algorithm and so to its type when it is loaded; what a token's header says can only agree or be refused. A set of keys
 * does not change once it is filled: threads share it, and a new one takes its place. */
#ifndef LS_SERVER_JWT_KEYS_H
#define LS_SERVER_JWT_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/*    name, key type, curve (NULL: none), bytes of a signature (0: as long as the modulus) */
#define LS_JWT_ALGORITHMS(X)     \
    X(HS256, "oct", NULL, 32)    \
    X(RS256, "RSA", NULL, 0)     \
    X(RS384, "RSA", NULL, 0)     \
    X(RS512, "RSA", NULL, 0)     \
    X(PS256, "RSA", NULL, 0)     \
    X(PS384, "RSA", NULL, 0)     \
    X(PS512, "RSA", NULL, 0)     \
    X(ES256, "EC", "P-256", 64)  \
    X(ES384, "EC", "P-384", 96)  \
    X(ES512, "EC", "P-521", 132) \
    X(EdDSA, "OKP", "Ed25519", 64)
#define X(name, type, curve, bytes) LS_JWT_##name,
enum ls_jwt_algorithm { LS_JWT_ALGORITHMS(X) LS_JWT_ALGORITHM_COUNT };
#undef X
/* "RS256"; the algorithm of that exact name, or LS_JWT_ALGORITHM_COUNT. */
const char *ls_jwt_algorithm_name(enum ls_jwt_algorithm algorithm);
enum ls_jwt_algorithm ls_jwt_algorithm_of(const char *name);

#define LS_JWT_SECRET_LEAST 32              /* bytes of a shared secret (RFC 7518, 3.2) */
#define LS_JWT_KEYS_MOST 100                /* of a set: more are ignored */
#define LS_JWT_SET_MOST ((size_t)256 << 10) /* bytes of a set as JSON */

struct ls_jwt_key;
struct ls_jwt_keys;

LS_MUST_CHECK enum ls_code ls_jwt_keys_new(struct ls_jwt_keys **ret, struct ls_error *err);
/* NULL is fine. */
void ls_jwt_keys_free(struct ls_jwt_keys *keys);
/* Adds a shared secret for HS256, as its bytes. LS_CONFIG: shorter than LS_JWT_SECRET_LEAST. One a set. */
LS_MUST_CHECK enum ls_code ls_jwt_keys_secret(struct ls_jwt_keys *keys, const void *secret,
                                              size_t size, struct ls_error *err);
/* Adds the public keys of a JWK set (RFC 7517). Ignored, each with a warning in the log: keys of a type that is not known here, that are secret or have a
 * private part, not for signatures, too weak, not on their curve, with a kid that is there already. A key without alg is for RS256, or for what its
 * curve says. *ret_usable: how many were added. LS_DATA: it is no set of keys. */
LS_MUST_CHECK enum ls_code ls_jwt_keys_set(struct ls_jwt_keys *keys, const char *json, size_t size,
                                           size_t *ret_usable, struct ls_error *err);
size_t ls_jwt_keys_count(const struct ls_jwt_keys *keys);

/* The key for a token: with this kid exactly; when there is none of that name, or kid is NULL, the shared secret if the token says HS256; when kid is
 * NULL, the one key of that algorithm, if there is but one. NULL: there is none. Borrowed. */
const struct ls_jwt_key *ls_jwt_keys_find(const struct ls_jwt_keys *keys, const char *kid,
                                          enum ls_jwt_algorithm claimed);
enum ls_jwt_algorithm ls_jwt_key_algorithm(const struct ls_jwt_key *key);
/* Whether this is the key's signature over the data. Whatever goes wrong is false. Any thread. */
bool ls_jwt_key_verifies(const struct ls_jwt_key *key, const void *data, size_t size,
                         const void *signature, size_t signature_size);

#endif
