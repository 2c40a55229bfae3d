/* SPDX-License-Identifier: Apache-2.0 */
/* forge.h - keys, tokens signed with them, and tokens that somebody would like to pass.
 *
 * Signs with OpenSSL and libsodium by itself, not by the code under test. Texts live until forge_done(). */
#ifndef LS_TESTS_FORGE_H
#define LS_TESTS_FORGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>

#define FORGE_NOW INT64_C(1800000000)
#define FORGE_SECRET "a secret that is shared by the two, 42 bytes" /* of HS256 */

/* How the last part of a token is made. OTHER_: with a key of that kind that nobody knows. */
enum forge_signer {
    SIGN_NOT, /* empty */
    SIGN_HS,
    SIGN_HS384, /* with the secret */
    SIGN_HS512,
    SIGN_OTHER_HS,
    SIGN_EMPTY_HS,   /* HMAC with no key */
    SIGN_PEM_HS,     /* HMAC with the public RSA key as PEM */
    SIGN_DER_HS,     /* as DER */
    SIGN_MODULUS_HS, /* its modulus */
    SIGN_SET_HS,     /* with the whole set's text */
    SIGN_POSTED_HS,  /* with the symmetric key that stands in the set */
    SIGN_RS,
    SIGN_RS384, /* RSA key, PKCS #1, SHA-384 */
    SIGN_PS,    /* RSA key, PSS */
    SIGN_OTHER_RS,
    SIGN_ZERO_RS, /* as long as the modulus */
    SIGN_ONE_RS,  /* the number 1 */
    SIGN_ES,
    SIGN_OTHER_ES,
    SIGN_DER_ES,     /* as OpenSSL writes it */
    SIGN_SWAPPED_ES, /* s before r */
    SIGN_ZERO_ES,    /* r and s are 0 (CVE-2022-21449) */
    SIGN_ZERO_R_ES,
    SIGN_ZERO_S_ES,
    SIGN_ORDER_ES, /* r and s are the order of the curve */
    SIGN_ED,
    SIGN_OTHER_ED,
    SIGN_ZERO_ED,
    SIGN_BENT_ED, /* s + order: what a lenient verifier takes */
};

/* Draws the keys; once a program. */
void forge_begin(void);
void forge_done(void);
/* A token of this header and payload (any text). */
char *forge_token(const char *header, const char *payload, enum forge_signer signer)
    __attribute__((returns_nonnull));
/* The same for one whose header has a NUL or whatever in it. */
char *forge_bytes(const void *header, size_t header_size, const void *payload, size_t payload_size,
                  enum forge_signer signer);
/* The JWK set: keys rsa, pss (of the same modulus), ec, ed, and among them some that are to be ignored: secret (oct), private, enc, weak, bent. */
const char *forge_set(void);
/* A text that lives until forge_done(). */
char *forge_text(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
char *forge_base64url(const void *data, size_t size);

#endif
