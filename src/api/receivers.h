/* SPDX-License-Identifier: Apache-2.0 */
/* receivers.h - messages from others, from their arrival to what became of them. */
#ifndef LS_API_RECEIVERS_H
#define LS_API_RECEIVERS_H

#include "api/api.h"
#include "event/receiver.h"
#include "state/received.h"

/* The configured receiver of that name; NULL: there is none. */
const struct ls_receiver *ls_api_receiver(const struct ls_config *config, const char *name);

/* What became of a message. Texts are in the arena that was handed in. */
struct ls_reception {
    enum ls_received_state state;
    bool known; /* it had come before, and this is what became of it then */
    const char *id, *type, *resource;
    int64_t at_us;
    const char *outcome; /* JSON: {"created":1,...}, {"run":7}, {"reason":"..."} */
};
/* Takes a message whose signature was found right: it is in the state before anything is done about it, and then done. LS_OK: *ret says what became of it; WAITING is
 * a promise, it is done later. LS_DATA: it cannot be read. LS_BUSY: the same message is being worked on. Others: it could not be kept. */
LS_MUST_CHECK enum ls_code ls_api_receive(struct lockstep *ls, const struct ls_receiver *r,
                                          const struct ls_arrival *a, struct ls_arena *mem,
                                          struct ls_reception *ret, struct ls_error *err);
/* Lets go of what a process before this one was at work on. */
LS_MUST_CHECK enum ls_code ls_api_receive_free(struct lockstep *ls, struct ls_error *err);
/* Takes up what waits, at most max of it; *ret_count: how many it did. */
LS_MUST_CHECK enum ls_code ls_api_receive_waiting(struct lockstep *ls, size_t max,
                                                  size_t *ret_count, struct ls_error *err);
/* Forgets messages that came before that time, here and where they were applied. */
LS_MUST_CHECK enum ls_code ls_api_receive_forget(struct lockstep *ls, int64_t before_us,
                                                 struct ls_error *err);

#endif
