/* SPDX-License-Identifier: Apache-2.0 */
/* write.c - JSON into a buffer, member by member. Whether a comma is due is told by the byte before. */
#include "server/write.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/text.h"

static void begin(struct ls_buf *out, const char *name)
{
    if (out->size > 0 && !strchr("{[:\n", out->data[out->size - 1]))
        ls_buf_char(out, ',');
    if (name) {
        ls_text_json(out, name, strlen(name));
        ls_buf_char(out, ':');
    }
}

void ls_write_open(struct ls_buf *out, const char *name, char bracket)
{
    begin(out, name);
    ls_buf_char(out, bracket);
}

void ls_write_close(struct ls_buf *out, char bracket)
{
    ls_buf_char(out, bracket);
}

void ls_write_text(struct ls_buf *out, const char *name, const char *text)
{
    if (!text) {
        ls_write_null(out, name);
        return;
    }
    begin(out, name);
    ls_text_json(out, text, strlen(text));
}

void ls_write_i64(struct ls_buf *out, const char *name, int64_t number)
{
    begin(out, name);
    ls_buf_i64(out, number);
}

void ls_write_bool(struct ls_buf *out, const char *name, bool yes)
{
    ls_write_json(out, name, yes ? "true" : "false");
}

void ls_write_null(struct ls_buf *out, const char *name)
{
    ls_write_json(out, name, "null");
}

void ls_write_time(struct ls_buf *out, const char *name, int64_t unix_us)
{
    char iso[25];

    if (!unix_us) {
        ls_write_null(out, name);
        return;
    }
    ls_clock_iso(unix_us, iso);
    ls_write_text(out, name, iso);
}

void ls_write_json(struct ls_buf *out, const char *name, const char *json)
{
    begin(out, name);
    ls_buf_text(out, json ? json : "null");
}
