/* SPDX-License-Identifier: Apache-2.0 */
/* secret.h - tokens that are drawn, secrets that are compared, passwords that are kept as hashes.
 *
 * Any thread. What is in memory longer than it is needed is wiped with ls_secret_wipe(). */
#ifndef LS_BASE_SECRET_H
#define LS_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define LS_SECRET_TEXT 53     /* a drawn secret as text: prefix, 48 characters and a NUL */
#define LS_SECRET_HASH 32     /* bytes of what is kept of it */
#define LS_PASSWORD_HASH 128  /* a password's hash as text, and a NUL */
#define LS_PASSWORD_LEAST 12  /* characters of a new password */
#define LS_PASSWORD_MOST 1000 /* bytes: more is not hashed, whoever asks */

/* What a drawn secret is for. The prefix tells people and scanners of leaks what they have before them. */
#define LS_SECRET_API "lst_"     /* a token of the API */
#define LS_SECRET_SESSION "lss_" /* a session of the dashboard */
#define LS_SECRET_SETUP "lsu_"   /* the link of the first start */
#define LS_SECRET_SIGNING "sig_" /* a key that messages are signed with */

/* Draws 256 bits; prefix: one of the above. Of the 48 characters (base64url) the last ones are a checksum. */
void ls_secret_new(const char *prefix, char out[LS_SECRET_TEXT]);
/* Whether this is the text of a secret with this prefix, by form and checksum: what was mistyped, cut or made up is known without
 * asking anybody. It proves nothing. */
bool ls_secret_is(const char *prefix, const char *text, size_t length);
/* What is kept of a drawn secret: the SHA-256 of its text. Enough for 256 random bits; not for passwords. */
void ls_secret_hash(const char *text, size_t length, unsigned char out[LS_SECRET_HASH]);

/* Whether both are the same, in a time that depends on their lengths alone. An empty one equals nothing, not even another. */
bool ls_secret_equal(const void *a, size_t a_size, const void *b, size_t b_size);
/* Overwrites, and is not optimized away. */
void ls_secret_wipe(void *data, size_t size);

/* LS_USAGE: too short, too long, not UTF-8, or the name of its user. name may be NULL. */
LS_MUST_CHECK enum ls_code ls_password_fit(const char *password, size_t length, const char *name,
                                           struct ls_error *err);
/* argon2id with 19 MiB and two passes, salted: some 35 ms of one core, so not on a thread that others wait for. LS_NOMEM where
 * the memory is not to be had. */
LS_MUST_CHECK enum ls_code ls_password_hash(const char *password, size_t length,
                                            char out[LS_PASSWORD_HASH], struct ls_error *err);
/* Whether the password is the one of this hash; takes as long. hash NULL, for users who are not there: takes as long and is false. Everything
 * that goes wrong is false. */
bool ls_password_right(const char *hash, const char *password, size_t length);

#endif
