/* SPDX-License-Identifier: Apache-2.0 */
/* manage.h - what people and the configuration do to schedules: make, change, pause, resume. Works beside any number of schedulers; wake the one of this
 * process afterwards (ls_scheduler_wake()), others see it within seconds. */
#ifndef LS_SCHEDULE_MANAGE_H
#define LS_SCHEDULE_MANAGE_H

#include "state/schedules.h"

/* Fills what a schedule of that action is by default: overlap, catch-up, timeout, retries, method. The id and what it does are the caller's. */
void ls_schedule_defaults(struct ls_schedule *s, enum ls_schedule_action action);

/* Checks a schedule, sets its times and writes it. One that is there is LS_CONFLICT, unless `replace`: then its pause and history stay, and where its times
 * are the same it goes on from where it was. LS_CONFIG, LS_USAGE: what is wrong with it. */
LS_MUST_CHECK enum ls_code ls_schedule_make(struct ls_state *state, struct ls_schedule *s,
                                            bool replace, int64_t now_us, struct ls_error *err);

/* The schedule as it was read and unsealed (sealed.h), with new settings: checked, written, with new times where they differ. *ret_done false, and nothing, when it was changed or fired
 * since it was read: read it again. LS_CONFIG, LS_USAGE as above. */
LS_MUST_CHECK enum ls_code ls_schedule_change(struct ls_state *state, struct ls_schedule *s,
                                              const struct ls_schedule *as_read, int64_t now_us,
                                              bool *ret_done, struct ls_error *err);

/* Pauses it, or lets it go on: the times that passed meanwhile are left out and noted as such. *ret_changed false: it was so already. LS_NOT_FOUND. */
LS_MUST_CHECK enum ls_code ls_schedule_pause(struct ls_state *state, const char *id, bool pause,
                                             int64_t now_us, bool *ret_changed,
                                             struct ls_error *err);

struct ls_settled {
    size_t made, changed, dropped;
};
/* Brings the state to what a configuration says: its schedules are made, or changed where they differ, and those that it had and has no more go. All
 * have origin config and this project. A pause by people stays, and the configuration can pause. Those of others are left alone; a name that one of them has is LS_CONFLICT. */
LS_MUST_CHECK enum ls_code ls_schedule_settle(struct ls_state *state,
                                              const struct ls_schedule *list, size_t count,
                                              const char *project, int64_t now_us,
                                              struct ls_settled *ret, struct ls_error *err);

#endif
