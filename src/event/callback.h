/* SPDX-License-Identifier: Apache-2.0 */
/* callback.h - what the end of a message's attempt leads to: messages of their own to its callback and failure callback. */
#ifndef LS_EVENT_CALLBACK_H
#define LS_EVENT_CALLBACK_H

#include "event/deliver.h"

/* For `recorded` of the deliver options; ctx is not used. */
enum ls_code ls_callback_recorded(void *ctx, struct ls_queue_tx *tx,
                                  const struct ls_delivery *delivery,
                                  const struct ls_delivery_end *end, struct ls_error *err);
/* The id of a dead letter: when it died and its number, so that one that was started again and died again is another one. */
#define LS_DEAD_ID 48
void ls_dead_id(int64_t done_us, int64_t event, char out[LS_DEAD_ID]);

#endif
