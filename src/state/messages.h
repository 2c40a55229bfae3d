/* SPDX-License-Identifier: Apache-2.0 */
/* messages.h - what messages with a destination of their own need beside the queue: keys that sign them, ids that are not taken twice, the
 * endpoints that stand for their lanes, groups of URLs. Changes happen in a transaction of the queue (queue.h). */
#ifndef LS_STATE_MESSAGES_H
#define LS_STATE_MESSAGES_H

#include "base/secret.h"
#include "state/queue.h"

/* The sealed key of a slot ("current", "next"), in mem; *ret_size 0: there is none. */
LS_MUST_CHECK enum ls_code ls_signing_key_row(struct ls_state *state, const char *slot,
                                              struct ls_arena *mem, const void **ret,
                                              size_t *ret_size, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_signing_key_save(struct ls_queue_tx *tx, const char *slot,
                                               const void *sealed, size_t size,
                                               struct ls_error *err);

/* Notes that `message` has this hash until until_us. *ret NULL: done; else the message that has it already. In mem. */
LS_MUST_CHECK enum ls_code ls_message_claim_id(struct ls_queue_tx *tx,
                                               const unsigned char hash[LS_SECRET_HASH],
                                               const char *message, int64_t until_us,
                                               struct ls_arena *mem, const char **ret,
                                               struct ls_error *err);
/* Removes those whose time is over. */
LS_MUST_CHECK enum ls_code ls_message_ids_prune(struct ls_queue_tx *tx, struct ls_error *err);

/* Notes that an endpoint was used: its updated_us, to the hour. It is no change of it. */
LS_MUST_CHECK enum ls_code ls_endpoint_touch(struct ls_queue_tx *tx, int64_t number,
                                             struct ls_error *err);
/* Removes at most max endpoints with this beginning of their name that were not used since before_us, are not paused and have nothing on its way. */
LS_MUST_CHECK enum ls_code ls_endpoints_forget(struct ls_queue_tx *tx, const char *prefix,
                                               int64_t before_us, int64_t max, int64_t *ret_count,
                                               struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_endpoints_count(struct ls_state *state, int64_t *ret,
                                              struct ls_error *err);

struct ls_url_group_row {
    const char *name, *endpoints; /* endpoints: JSON */
    int64_t created_us, updated_us;
};
/* The one of that name, or all, by name (NULL). In mem. */
LS_MUST_CHECK enum ls_code ls_url_group_rows(struct ls_state *state, const char *name,
                                             struct ls_arena *mem, size_t *ret_count,
                                             struct ls_url_group_row **ret, struct ls_error *err);
/* Makes it or changes it. */
LS_MUST_CHECK enum ls_code ls_url_group_save(struct ls_queue_tx *tx, const char *name,
                                             const char *endpoints, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_url_group_remove(struct ls_queue_tx *tx, const char *name,
                                               bool *ret_found, struct ls_error *err);

/* The endpoint of that name; *ret_found false: there is none. In mem. */
LS_MUST_CHECK enum ls_code ls_endpoint_row_named(struct ls_state *state, const char *name,
                                                 struct ls_arena *mem, struct ls_endpoint_row *ret,
                                                 bool *ret_found, struct ls_error *err);

#endif
