/* SPDX-License-Identifier: Apache-2.0 */
/* alerts.h - which alerts were told, and are not over. */
#ifndef LS_STATE_ALERTS_H
#define LS_STATE_ALERTS_H

#include "state/state.h"

struct ls_alert_row {
    const char *alert;   /* its key */
    const char *channel; /* told over it */
    const char *kind, *text;
    bool critical;
    int64_t since_us;
    int64_t told_us; /* last; 0: its end was told as well, and the row goes */
};
/* All, by alert. In mem. */
LS_MUST_CHECK enum ls_code ls_state_alerts(struct ls_state *state, struct ls_arena *mem,
                                           size_t *ret_count, struct ls_alert_row **ret,
                                           struct ls_error *err);
/* Writes these, in one commit. */
LS_MUST_CHECK enum ls_code ls_state_alerts_save(struct ls_state *state,
                                                const struct ls_alert_row *rows, size_t count,
                                                struct ls_error *err);

#endif
