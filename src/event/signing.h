/* SPDX-License-Identifier: Apache-2.0 */
/* signing.h - the keys that messages are signed with: the current one signs, receivers take the next one as well.
 *
 * They belong to the state, so that all who share one sign alike; they are made at first use and kept sealed (seal.h). */
#ifndef LS_EVENT_SIGNING_H
#define LS_EVENT_SIGNING_H

#include "base/secret.h"
#include "event/seal.h"
#include "state/messages.h"

struct ls_signing_keys {
    char current[LS_SECRET_TEXT], next[LS_SECRET_TEXT];
};

/* Reads them, or makes them where there are none. LS_CONFIG: they were sealed with another key. */
LS_MUST_CHECK enum ls_code ls_signing_keys(struct ls_queue_tx *tx, const struct ls_seal_key *key,
                                           struct ls_signing_keys *ret, struct ls_error *err);
/* The next one becomes the current one, and a new one is drawn. Deliveries are signed with it within a second or two. */
LS_MUST_CHECK enum ls_code ls_signing_keys_rotate(struct ls_queue_tx *tx,
                                                  const struct ls_seal_key *key,
                                                  struct ls_signing_keys *ret,
                                                  struct ls_error *err);

#endif
