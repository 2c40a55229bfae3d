/* SPDX-License-Identifier: Apache-2.0 */
/* sink.c - where the daemon's log lines go.
 *
 * A line is one write, so that lines of several processes do not mix. The logger has made control bytes visible already, so nothing in a message can
 * begin a line of its own. */
#include "daemon/sink.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

static const struct {
    const char *word, *journal; /* syslog's numbers, as the journal of systemd reads them */
} levels[] = {
    [LS_LOG_DEBUG] = {"debug", "<7>"},
    [LS_LOG_INFO] = {"info", "<6>"},
    [LS_LOG_WARN] = {"warning", "<4>"},
    [LS_LOG_ERROR] = {"error", "<3>"},
};

static void add_json(struct ls_buf *out, enum ls_log_level level, const char *line)
{
    char at[25];

    ls_clock_iso(ls_clock_now_us(), at);
    ls_buf_printf(out, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":", at, levels[level].word);
    ls_text_json(out, line, strlen(line));
    ls_buf_text(out, "}\n");
}

static void add_text(struct ls_buf *out, enum ls_log_level level, const char *line)
{
    char at[25];

    ls_clock_iso(ls_clock_now_us(), at);
    if (getenv("JOURNAL_STREAM"))
        ls_buf_printf(out, "%s%s\n", levels[level].journal, line);
    else
        ls_buf_printf(out, "%s %-7s %s\n", at, levels[level].word, line);
}

void ls_sink(void *ctx, enum ls_log_level level, const char *line)
{
    struct ls_buf out;

    ls_buf_init(&out, 0);
    if (strcmp(ctx, LS_SINK_JSON) == 0)
        add_json(&out, level, line);
    else
        add_text(&out, level, line);
    /* Where standard error cannot be written there is nobody to tell. */
    if (!out.failed)
        (void)!write(STDERR_FILENO, out.data, out.size);
    ls_buf_done(&out);
}
