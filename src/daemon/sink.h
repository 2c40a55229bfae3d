/* SPDX-License-Identifier: Apache-2.0 */
/* sink.h - where the daemon's log lines go: standard error, as text or as JSON. */
#ifndef LS_DAEMON_SINK_H
#define LS_DAEMON_SINK_H

#include "base/log.h"

/* A sink for ls_log_to(); ctx is one of the words below, static. */
#define LS_SINK_TEXT \
    "text" /* TIME level message; to the journal of systemd without the time, and with its number for the level */
#define LS_SINK_JSON "json" /* {"time":..,"level":..,"message":..} */
void ls_sink(void *ctx, enum ls_log_level level, const char *line);

#endif
