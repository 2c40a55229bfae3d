/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint_show.c - endpoints and their tries, as people and programs see them.
 *
 * What authenticates stays here: secrets are counted, not shown, and of headers only the names are. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/events.h"
#include "base/clock.h"
#include "base/text.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 1001 /* a page of 1000, and one more that tells of another page */

const char *ls_api_endpoint_version(const struct ls_endpoint *e, struct ls_arena *mem)
{
    return ls_arena_printf(mem, "%" PRId64 "-%" PRIx64, e->number, (uint64_t)e->updated_us);
}

static void add_time(struct ls_buf *out, const char *name, int64_t us)
{
    char at[25];

    if (us) {
        ls_clock_iso(us, at);
        ls_json_member(out, name, at);
    } else {
        ls_buf_printf(out, ",\"%s\":null", name);
    }
}

/* Settings without the values of headers: a header may well be a password. NULL when out of memory. */
static const char *shown_settings(const struct ls_endpoint *e, struct ls_arena *mem)
{
    struct ls_endpoint shown = *e;
    struct ls_endpoint_header *headers = ls_arena_array(mem, e->header_count, sizeof *headers);

    for (size_t i = 0; headers && i < e->header_count; i++)
        headers[i] = (struct ls_endpoint_header){e->headers[i].name, "***"};
    shown.headers = headers;
    shown.retire_us = 0;
    return headers ? ls_endpoint_settings(&shown, mem) : NULL;
}

static void write_json(struct ls_buf *out, const struct ls_endpoint *e,
                       const struct lockstep_endpoint *shown, const char *settings)
{
    ls_buf_text(out, "{\"name\":");
    ls_text_json(out, e->name, strlen(e->name));
    ls_json_member(out, "url", e->url);
    ls_json_member(out, "origin", e->origin);
    ls_buf_printf(out, ",\"settings\":%s,\"secrets\":%zu", settings,
                  ls_endpoint_signers(e, ls_clock_now_us()));
    add_time(out, "old_secret_until", e->retire_us > ls_clock_now_us() ? e->retire_us : 0);
    if (shown->secret)
        ls_json_member(out, "secret", shown->secret);
    ls_buf_printf(out, ",\"paused\":%s", e->paused ? "true" : "false");
    ls_json_member(out, "disabled", e->disabled);
    ls_buf_printf(out, ",\"pending\":%" PRIu64 ",\"dead\":%" PRIu64, shown->pending, shown->dead);
    add_time(out, "created_at", e->created_us);
    add_time(out, "updated_at", e->updated_us);
    ls_json_member(out, "version", shown->version);
    ls_buf_char(out, '}');
}

static void write_types(struct ls_buf *out, const struct ls_endpoint *e)
{
    for (size_t i = 0; i < e->type_count; i++)
        ls_buf_printf(out, "%s%s", i ? " " : "", e->types[i]);
    if (e->type_count == 0)
        ls_buf_char(out, '*');
}

enum ls_code ls_api_endpoint_tell(struct lockstep *ls, const struct ls_endpoint *e,
                                  const char *secret, lockstep_endpoint_fn *fn, void *ctx,
                                  struct ls_arena *mem, struct ls_error *err)
{
    struct lockstep_endpoint out = {.name = e->name,
                                    .url = e->url,
                                    .origin = e->origin,
                                    .policy = e->policy,
                                    .paused = e->paused,
                                    .disabled = e->disabled,
                                    .secret = secret,
                                    .version = ls_api_endpoint_version(e, mem)};
    const char *settings = shown_settings(e, mem);
    struct ls_queue_stats stats;
    struct ls_buf types, json;
    enum ls_code rc = LS_OK;

    if (!fn)
        return LS_OK;
    if (!out.version || !settings)
        return ls_error_nomem(err);
    rc = ls_queue_stats(ls->state, e->number, &stats, err);
    if (rc != LS_OK)
        return rc;
    out.pending = (uint64_t)(stats.pending + stats.processing + stats.waiting + stats.failed);
    out.dead = (uint64_t)stats.dead;
    ls_buf_init(&types, 0);
    ls_buf_init(&json, 0);
    write_types(&types, e);
    write_json(&json, e, &out, settings);
    out.types = ls_buf_str(&types);
    out.json = ls_buf_str(&json);
    if (out.types && out.json)
        fn(ctx, &out);
    else
        rc = ls_error_nomem(err);
    ls_buf_done(&types);
    ls_buf_done(&json);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct ls_endpoint *)a)->name, ((const struct ls_endpoint *)b)->name);
}

int lockstep_endpoints(struct lockstep *ls, lockstep_endpoint_fn *fn, void *ctx,
                       struct lockstep_error *error)
{
    struct ls_endpoint *endpoints = NULL;
    struct ls_error err = {0};
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_api_endpoints(ls, &mem, &count, &endpoints, &err);
    if (rc == LS_OK && count)
        qsort(endpoints, count, sizeof *endpoints, by_name);
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        if (strcmp(endpoints[i].origin, LS_ENDPOINT_OF_MESSAGES) != 0)
            rc = ls_api_endpoint_tell(ls, &endpoints[i], NULL, fn, ctx, &mem, &err);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

int lockstep_endpoint(struct lockstep *ls, const char *name, lockstep_endpoint_fn *fn, void *ctx,
                      struct lockstep_error *error)
{
    struct ls_endpoint *endpoints = NULL, *found = NULL;
    struct ls_error err = {0};
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_api_endpoints(ls, &mem, &count, &endpoints, &err);
    if (rc == LS_OK)
        rc = ls_api_endpoint_find(endpoints, count, name, &mem, &found, &err);
    if (rc == LS_OK)
        rc = ls_api_endpoint_tell(ls, found, NULL, fn, ctx, &mem, &err);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}

/* ---- tries ---- */

static enum ls_code tell_attempt(const struct ls_attempt_row *row, lockstep_attempt_fn *fn,
                                 void *ctx, struct ls_error *err)
{
    const struct ls_attempt *a = &row->attempt;
    struct lockstep_attempt out = {.position = row->position,
                                   .at_us = a->at_us,
                                   .duration_us = a->duration_us,
                                   .event = row->event,
                                   .type = row->type,
                                   .number = (int)a->number,
                                   .status = a->status,
                                   .address = a->address,
                                   .error = a->error};
    struct ls_buf json;

    ls_buf_init(&json, 0);
    ls_buf_text(&json, "{\"event\":");
    ls_text_json(&json, row->event, strlen(row->event));
    ls_json_member(&json, "type", row->type);
    ls_buf_printf(&json, ",\"number\":%" PRId64, a->number);
    add_time(&json, "at", a->at_us);
    ls_buf_printf(&json, ",\"duration_ms\":%" PRId64 ",\"status\":%d", a->duration_us / 1000,
                  a->status);
    ls_json_member(&json, "address", a->address);
    ls_json_member(&json, "error", a->error);
    ls_buf_char(&json, '}');
    out.json = ls_buf_str(&json);
    if (out.json)
        fn(ctx, &out);
    ls_buf_done(&json);
    return out.json ? LS_OK : ls_error_nomem(err);
}

int lockstep_endpoint_attempts(struct lockstep *ls, const char *name, int64_t before, size_t limit,
                               lockstep_attempt_fn *fn, void *ctx, struct lockstep_error *error)
{
    struct ls_endpoint *endpoints = NULL, *found = NULL;
    struct ls_attempt_row *rows = NULL;
    struct ls_error err = {0};
    struct ls_arena mem;
    size_t count = 0, most = limit == 0 ? LIMIT_DEFAULT : limit > LIMIT_MAX ? LIMIT_MAX : limit;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_api_endpoints(ls, &mem, &count, &endpoints, &err);
    if (rc == LS_OK)
        rc = ls_api_endpoint_find(endpoints, count, name, &mem, &found, &err);
    count = 0;
    if (rc == LS_OK)
        rc = ls_queue_endpoint_attempts(ls->state, found->number, before, most, &mem, &count, &rows,
                                        &err);
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = tell_attempt(&rows[i], fn, ctx, &err);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}
