/* SPDX-License-Identifier: Apache-2.0 */
/* jose.h - what signed and encrypted tokens have in common: parts in base64url and a header that says what they are.
 *
 * Strict on purpose: a token that two programs could read differently is refused before anything is asked of its content. Pure, any thread. */
#ifndef LS_SERVER_JOSE_H
#define LS_SERVER_JOSE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

/*    name, what is said of a token that has it; never more than its sender knows already */
#define LS_JOSE_FAULTS(X)                                                           \
    X(NONE, "")                                                                     \
    X(MEMORY, "the token could not be checked")                                     \
    X(SIZE, "the token is too long")                                                \
    X(PARTS_FAULT, "the token does not have the number of parts that it must have") \
    X(ENCODING, "a part of the token is not base64url without padding")             \
    X(HEADER, "the token's header is not a JSON object with each name once")        \
    X(EXTENSION, "the token's header asks for something that is not done here")     \
    X(TYPE, "the token is of another type")                                         \
    X(ALGORITHM, "the token's algorithm is not the one of its key")                 \
    X(KEY, "the token's key is not known here")                                     \
    X(SIGNATURE, "the token's signature is not valid")                              \
    X(CLAIMS, "the token's content is not a JSON object with each name once")       \
    X(TIME, "a time in the token is missing or is no time")                         \
    X(EXPIRED, "the token has expired")                                             \
    X(EARLY, "the token is not valid yet")                                          \
    X(ISSUER, "the token is from another issuer")                                   \
    X(AUDIENCE, "the token is for another audience")                                \
    X(SUBJECT, "the token's subject is not a text")
#define X(name, text) LS_JOSE_##name,
enum ls_jose_fault { LS_JOSE_FAULTS(X) LS_JOSE_FAULT_COUNT };
#undef X
const char *ls_jose_fault_text(enum ls_jose_fault fault);

#define LS_JOSE_PARTS 5 /* of an encrypted token; a signed one has 3 */

/* A token that was read. The parts are decoded: of a signed one header, payload, signature; of an encrypted one header, key, nonce, ciphertext,
 * tag. */
struct ls_jose {
    const char *text; /* borrowed */
    size_t length;
    size_t header_length,
        signed_length; /* in text: of the first part; of the first two with their dot */
    struct ls_buf part[LS_JOSE_PARTS];
    json_t *header;
};

/* Splits, decodes and reads the header; `parts` is 3 or 5. Refused: longer than `most`, another number of parts, parts that are
 * not canonical base64url, a header that is no object or has a name twice, and what nobody may ask for: crit, b64, zip, and keys that come along (jwk, jku, x5u,
 * x5c). Of alg there is a text, else it is HEADER. To be done with in any case. */
LS_MUST_CHECK enum ls_jose_fault ls_jose_read(const char *text, size_t length, size_t parts,
                                              size_t most, struct ls_jose *ret);
void ls_jose_done(struct ls_jose *jose);
/* A member of the header that is a text; NULL when there is none. *ret_fault: HEADER when it is something else. */
const char *ls_jose_header(const struct ls_jose *jose, const char *name,
                           enum ls_jose_fault *ret_fault);

/* The object that these bytes are; NULL and CLAIMS or MEMORY. Each name once, nothing behind it. Free with json_decref(). */
json_t *ls_jose_object(const void *data, size_t size, enum ls_jose_fault *ret_fault);

#endif
