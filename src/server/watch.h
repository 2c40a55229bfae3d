/* SPDX-License-Identifier: Apache-2.0 */
/* watch.h - users of whom something was heard: an event was accepted, a message applied. Their sync state is validated at once. */
#ifndef LS_SERVER_WATCH_H
#define LS_SERVER_WATCH_H

#include "server/hub.h"
#include "server/worker.h"

struct ls_watch;
/* workers: do the comparisons; hub: is told. All borrowed. NULL: out of memory. */
struct ls_watch *ls_watch_new(struct ls_setup *setup, struct ls_workers *workers,
                              struct ls_hub *hub);
/* The workers have ended. NULL is fine. */
void ls_watch_free(struct ls_watch *watch);

/* Something of this type happened to this resource; what is about no user is passed over, and so is everything where no sync of users is configured. Any thread, never
 * blocks. */
void ls_watch_event(struct ls_watch *watch, const char *type, const char *resource);
/* A message for this receiver was applied, or ran its sync. */
void ls_watch_message(struct ls_watch *watch, const struct ls_receiver *receiver, const char *type,
                      const char *resource);

#endif
