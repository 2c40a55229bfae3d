/* SPDX-License-Identifier: Apache-2.0 */
/* sign_priv.h - what sign.c, verify.c, jwt.c and explain.c share. */
#ifndef LS_EVENT_SIGN_PRIV_H
#define LS_EVENT_SIGN_PRIV_H

#include "event/sign.h"

/* Some bytes, borrowed. */
struct ls_piece {
    const void *data;
    size_t size;
};

/* HMAC-SHA256 over the pieces, one after the other. */
void ls_sign_mac(const void *key, size_t key_size, const struct ls_piece *pieces, size_t count,
                 unsigned char out[LS_SIGN_MAC_BYTES]);
/* The whole text as base64 of libsodium's variant, exactly as that writes it. false when it is none or gives more than max bytes. */
bool ls_sign_base64(unsigned char *out, size_t max, const char *text, size_t length, int variant,
                    size_t *ret_size);
/* The same for a variant with padding, which may be left out. */
bool ls_sign_unbase64(unsigned char *out, size_t max, const char *text, size_t length, int variant,
                      size_t *ret_size);

#define LS_SIGN_MACS_MAX 32  /* signatures in one header; each costs a comparison for each secret */
#define LS_SIGN_BEFORE_MAX 4 /* pieces that are signed before the body */

/* What a message claims, as read from its headers: that one of `macs` was made over `before` and the body. */
struct ls_sign_claim {
    unsigned char macs[LS_SIGN_MACS_MAX][LS_SIGN_MAC_BYTES];
    size_t mac_count;
    struct ls_piece before[LS_SIGN_BEFORE_MAX];
    size_t before_count;
    bool timed;        /* the finding's timestamp_s has to be near now */
    const char *token; /* a JWT: the body is not signed but named in it */
};
/* Reads the claim; false sets the finding's fault. */
bool ls_sign_read(const struct ls_sign_rule *rule, const struct ls_sign_message *message,
                  struct ls_sign_claim *claim, struct ls_sign_finding *finding);
/* Whether one of the claim's signatures is what this key makes of the body. */
bool ls_sign_fits(enum ls_sign_scheme scheme, const struct ls_sign_claim *claim,
                  struct ls_piece key, struct ls_piece body);
/* Whether the key of this scheme is what follows whsec_, decoded; and the bytes of a secret that are its key. */
bool ls_sign_decodes(enum ls_sign_scheme scheme);
struct ls_piece ls_sign_key(enum ls_sign_scheme scheme, const struct ls_secret *secret);
/* The one header of that name; NULL, and a fault, when there is none or more than one. */
const char *ls_sign_header(const struct ls_sign_message *message, const char *name,
                           struct ls_sign_finding *finding);
bool ls_sign_has_header(const struct ls_sign_message *message, const char *name);

#define LS_SIGN_JWT_MAX ((size_t)8192) /* bytes of a token; QStash's have some 500 */

/* Splits a token into what is signed and the signature. */
bool ls_sign_jwt_read(const char *token, struct ls_sign_claim *claim,
                      struct ls_sign_finding *finding);
/* Looks at what a token says whose signature fits. */
bool ls_sign_jwt_check(const struct ls_sign_rule *rule, const struct ls_sign_claim *claim,
                       struct ls_piece body, int64_t now_s, struct ls_sign_finding *finding);
/* Appends a member of the token's header (part 0) or claims (part 1), fit for a message; nothing when it is no text. */
void ls_sign_jwt_show(struct ls_buf *out, const char *token, int part, const char *member);

#endif
