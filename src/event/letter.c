/* SPDX-License-Identifier: Apache-2.0 */
/* letter.c - the headers of a message that is not sent yet, as they are kept: a schedule's, which become a message each time it fires. */
#include <jansson.h>
#include <string.h>

#include "base/text.h"
#include "event/publish.h"
#include "model/jsonload.h"

/* Those that say how a message is sent; not the schedule's own, and not those of the call that brought them. */
static bool is_kept(const char *name)
{
    static const char *const others[] = {"upstash-cron", "upstash-schedule-id",
                                         "upstash-telemetry-sdk", "upstash-telemetry-runtime",
                                         "upstash-telemetry-platform"};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (ls_text_equal_nocase(name, others[i]))
            return false;
    return strncasecmp(name, "upstash-", 8) == 0 || ls_text_equal_nocase(name, "content-type");
}

void ls_letter_write_headers(struct ls_buf *out, const struct ls_letter *letter)
{
    const char *comma = "";

    ls_buf_char(out, '[');
    for (size_t i = 0; i < letter->header_count; i++) {
        const struct ls_header *h = &letter->headers[i];

        if (!is_kept(h->name))
            continue;
        ls_buf_printf(out, "%s[", comma);
        ls_text_json(out, h->name, strlen(h->name));
        ls_buf_char(out, ',');
        ls_text_json(out, h->value, strlen(h->value));
        ls_buf_char(out, ']');
        comma = ",";
    }
    ls_buf_char(out, ']');
}

enum ls_code ls_letter_read_headers(const char *json, struct ls_arena *mem, struct ls_letter *ret,
                                    struct ls_error *err)
{
    json_t *list = NULL;
    struct ls_header *headers;
    enum ls_code rc = ls_json_load(json, strlen(json), 0, &list, err);

    headers = ls_arena_array(mem, json_array_size(list), sizeof *headers);
    if (rc == LS_OK && !headers)
        rc = ls_error_nomem(err);
    if (rc == LS_OK && !json_is_array(list))
        rc = ls_error_set(err, LS_DATA, "the headers that are kept of a message cannot be read");
    for (size_t i = 0; i < json_array_size(list) && rc == LS_OK; i++) {
        const json_t *pair = json_array_get(list, i);
        const char *name = json_string_value(json_array_get(pair, 0));
        const char *value = json_string_value(json_array_get(pair, 1));

        headers[i].name = ls_arena_text(mem, name ? name : "");
        headers[i].value = ls_arena_text(mem, value ? value : "");
        if (!headers[i].name || !headers[i].value)
            rc = ls_error_nomem(err);
    }
    ret->headers = headers;
    ret->header_count = json_array_size(list);
    json_decref(list);
    return rc;
}
