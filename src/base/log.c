/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - one sink for the process.
 *
 * The level is compared before anything is formatted, so that debug lines may stand
 * in loops. A mutex is held around the sink: lines never mix, and a sink need not be
 * made for threads. The mutex is not held while formatting.
 *
 * Everything is done on the stack: what is logged last is often that memory ran out.
 *
 * Not here: times, levels as text, files. The sink knows whether it writes to a
 * terminal, to the journal of the system or to a test. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "base/text.h"

#define MESSAGE_SIZE 2001 /* with its NUL */

static struct {
    ls_log_fn *fn;
    void *ctx;
    enum ls_log_level level;
    pthread_mutex_t lock;
} sink = {.level = LS_LOG_OFF, .lock = PTHREAD_MUTEX_INITIALIZER};

void ls_log_to(ls_log_fn *fn, void *ctx, enum ls_log_level level)
{
    sink.fn = fn;
    sink.ctx = ctx;
    sink.level = fn ? level : LS_LOG_OFF;
}

/* Every byte can become four (\xNN). */
static void emit(enum ls_log_level level, const char *message, size_t length)
{
    char line[4 * MESSAGE_SIZE];

    line[ls_text_escape(line, message, length)] = '\0';
    (void)pthread_mutex_lock(&sink.lock);
    sink.fn(sink.ctx, level, line);
    (void)pthread_mutex_unlock(&sink.lock);
}

void ls_log(enum ls_log_level level, const char *fmt, ...)
{
    char message[MESSAGE_SIZE];
    va_list args;
    int n;

    if (level < sink.level || level >= LS_LOG_OFF)
        return;
    va_start(args, fmt);
    n = vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    if (n < 0)
        return;
    emit(level, message,
         (size_t)n < sizeof(message) ? (size_t)n : ls_utf8_cut(message, sizeof(message) - 1));
}
