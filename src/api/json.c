/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - the documented JSON shapes.
 *
 * Stable from the first release: members may be added, never renamed or removed. Written by
 * hand into a buffer because the order of members is part of what people read. */
#include "api/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "lockstep.h"
#include "model/json.h"

static void add_text(struct ls_buf *out, const char *name, const char *text)
{
    ls_buf_printf(out, "\"%s\":", name);
    if (text)
        ls_text_json(out, text, strlen(text));
    else
        ls_buf_text(out, "null");
}

static void add_count(struct ls_buf *out, const char *name, uint64_t count)
{
    ls_buf_printf(out, ",\"%s\":%" PRIu64, name, count);
}

static void add_time(struct ls_buf *out, const char *name, int64_t unix_us)
{
    char iso[25];

    ls_clock_iso(unix_us, iso);
    if (unix_us)
        ls_buf_printf(out, ",\"%s\":\"%s\"", name, iso);
    else
        ls_buf_printf(out, ",\"%s\":null", name);
}

/* Gives the text away; NULL after a failure. */
static char *take(struct ls_buf *out)
{
    char *ret = out->failed ? NULL : strdup(ls_buf_str(out));

    ls_buf_done(out);
    return ret;
}

char *lockstep_status_json(const struct lockstep_status *s)
{
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_buf_char(&out, '{');
    add_text(&out, "sync", s->sync);
    ls_buf_char(&out, ',');
    add_text(&out, "source", s->source);
    ls_buf_char(&out, ',');
    add_text(&out, "target", s->target);
    add_count(&out, "total", s->total);
    add_count(&out, "in_sync", s->in_sync);
    add_count(&out, "source_only", s->source_only);
    add_count(&out, "target_only", s->target_only);
    add_count(&out, "inconsistent", s->inconsistent);
    add_count(&out, "moving", s->moving);
    add_count(&out, "conflict", s->conflict);
    add_count(&out, "duration_ms", (uint64_t)s->duration_ms);
    ls_buf_char(&out, ',');
    add_text(&out, "path", s->path);
    if (s->run)
        add_count(&out, "run", (uint64_t)s->run);
    if (*s->explain) {
        ls_buf_char(&out, ',');
        add_text(&out, "explain", s->explain);
    }
    ls_buf_char(&out, '}');
    return take(&out);
}

static void add_errors(struct ls_buf *out, const struct lockstep_run *run)
{
    ls_buf_text(out, ",\"errors\":[");
    for (size_t i = 0; i < run->error_count; i++) {
        ls_buf_printf(out, "%s{\"key\":%s,", i ? "," : "", run->errors[i].key);
        add_text(out, "error", run->errors[i].error);
        ls_buf_char(out, '}');
    }
    ls_buf_char(out, ']');
    add_count(out, "errors_total", run->errors_total);
}

/* What sync, apply, undo and history have in common. */
static void add_run(struct ls_buf *out, const struct lockstep_run *run)
{
    ls_buf_printf(out, "{\"run\":%" PRId64 ",\"id\":\"%s\",", run->number, run->id);
    add_text(out, "sync", run->sync);
    ls_buf_char(out, ',');
    add_text(out, "status", run->status);
    add_count(out, "created", run->created);
    add_count(out, "updated", run->updated);
    add_count(out, "deleted", run->deleted);
    add_count(out, "unchanged", run->unchanged);
    add_count(out, "failed", run->failed);
    add_count(out, "conflicts", run->conflicts);
    ls_buf_printf(out, ",\"verified\":%s", run->verified ? "true" : "false");
    add_count(out, "duration_ms", (uint64_t)run->duration_ms);
    add_errors(out, run);
    ls_buf_char(out, ',');
    add_text(out, "kind", run->kind);
    if (*run->reason) {
        ls_buf_char(out, ',');
        add_text(out, "reason", run->reason);
    }
}

char *lockstep_run_json(const struct lockstep_run *run)
{
    struct ls_buf out;

    ls_buf_init(&out, 0);
    add_run(&out, run);
    ls_buf_char(&out, '}');
    return take(&out);
}

char *lockstep_history_json(const struct lockstep_run *run)
{
    struct ls_buf out;

    ls_buf_init(&out, 0);
    add_run(&out, run);
    add_time(&out, "started_at", run->started_us);
    add_time(&out, "finished_at", run->finished_us);
    ls_buf_char(&out, ',');
    add_text(&out, "mode", run->mode);
    if (run->undone_by)
        add_count(&out, "undone_by", (uint64_t)run->undone_by);
    else
        ls_buf_text(&out, ",\"undone_by\":null");
    ls_buf_char(&out, '}');
    return take(&out);
}

static void add_record(struct ls_buf *out, const char *name, const struct ls_layout *layout,
                       const struct ls_value *record)
{
    ls_buf_printf(out, ",\"%s\":", name);
    if (record)
        ls_record_to_json(out, layout->fields, NULL, record, layout->field_count);
    else
        ls_buf_text(out, "null");
}

const char *ls_json_difference(const struct ls_layout *layout, const struct ls_difference *d,
                               struct ls_arena *mem)
{
    struct ls_buf out;
    const char *ret = NULL;
    bool first = true;

    ls_buf_init(&out, 0);
    ls_buf_text(&out, "{\"key\":");
    ls_record_to_json(&out, layout->fields, layout->key, d->key, layout->key_count);
    ls_buf_printf(&out, ",\"status\":\"%s\"", ls_status_word(d->status));
    add_record(&out, "source", layout, d->source);
    add_record(&out, "target", layout, d->target);
    ls_buf_text(&out, ",\"fields\":[");
    for (size_t i = 0; i < layout->field_count; i++) {
        if (!d->differs || !d->differs[i])
            continue;
        ls_buf_text(&out, first ? "" : ",");
        ls_text_json(&out, layout->fields[i].name, strlen(layout->fields[i].name));
        first = false;
    }
    ls_buf_text(&out, "]}");
    if (!out.failed)
        ret = ls_arena_text(mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return ret;
}

void ls_json_member(struct ls_buf *out, const char *name, const char *text)
{
    ls_buf_printf(out, ",\"%s\":", name);
    ls_text_json(out, text, strlen(text));
}
