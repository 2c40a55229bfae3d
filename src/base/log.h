/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - one line for people who run this, one sink for the process.
 *
 * Lower case, no final full stop, `what: why (key=value)`. Never record data or
 * secrets above debug. The sink is the only global of the program; lines below
 * the level cost one comparison. Any thread may log. */
#ifndef LS_BASE_LOG_H
#define LS_BASE_LOG_H

enum ls_log_level { LS_LOG_DEBUG, LS_LOG_INFO, LS_LOG_WARN, LS_LOG_ERROR, LS_LOG_OFF };

/* Called by one thread at a time, with a line of at most some 8 KB without its end of line.
 * It must not log itself. */
typedef void ls_log_fn(void *ctx, enum ls_log_level level, const char *line);

/* Sets where lines go (NULL: nowhere, the default) and the lowest level that does.
 * Call before other threads start. */
void ls_log_to(ls_log_fn *fn, void *ctx, enum ls_log_level level);
/* Control bytes in the line are escaped, so that data cannot forge a line. A message is cut
 * at 2000 bytes. Not for signal handlers. */
void ls_log(enum ls_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
