/* SPDX-License-Identifier: Apache-2.0 */
/* seal.h - secrets that have to be kept and read again, sealed with a key that is not kept beside them in the database.
 *
 * XChaCha20-Poly1305 (libsodium) with a random nonce. The key is $LOCKSTEP_KEY (64 hexadecimal digits), or a file of 32 random bytes that is made at first
 * use: STATE-key beside an SQLite state, ~/.local/state/lockstep/key for one on PostgreSQL. Any thread. */
#ifndef LS_EVENT_SEAL_H
#define LS_EVENT_SEAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

#define LS_SEAL_KEY_BYTES 32
struct ls_seal_key {
    unsigned char bytes[LS_SEAL_KEY_BYTES];
};

/* state: the place of the state as ls_state_where() tells it. LS_CONFIG: LOCKSTEP_KEY is set and is no key. */
LS_MUST_CHECK enum ls_code ls_seal_key(const char *state, struct ls_seal_key *ret,
                                       struct ls_error *err);
void ls_seal_key_wipe(struct ls_seal_key *key);

/* Appends the sealed text. what: what it belongs to ("endpoint crm"); it opens for nothing else. */
void ls_seal(struct ls_buf *out, const struct ls_seal_key *key, const char *what, const void *data,
             size_t size);
/* LS_CORRUPT: it was sealed with another key or for something else, or was changed. In mem, with a NUL behind it that ret_size does not count. */
LS_MUST_CHECK enum ls_code ls_unseal(const struct ls_seal_key *key, const char *what,
                                     const void *sealed, size_t sealed_size, struct ls_arena *mem,
                                     char **ret, size_t *ret_size, struct ls_error *err);

#endif
