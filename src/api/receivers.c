/* SPDX-License-Identifier: Apache-2.0 */
/* receivers.c - messages from others, from their arrival to what became of them; and the list of receivers.
 *
 * State and target are two databases as a rule, so there is no transaction over both. The order makes up for it:
 *
 *   1. the message is written into the state, with its body: from here on it is not lost
 *   2. its effect and a note of it are one transaction of the target: from here on it is not repeated
 *   3. what became of it goes into the state, with the entry of the audit log, in one transaction
 *
 * Who dies between 1 and 3 leaves a message that waits. It is taken up again, by its sender who sends it again or by the daemon, and step 2 finds the note or
 * does it. A run of a sync is repeatable by itself and needs no note.
 *
 * What cannot be applied as it is (a field that is missing, a value that the target refuses) is refused; its sender is told why, and what came is kept.
 * What could not be done now (a target that is down, a run of the same sync) waits. */
#include "api/receivers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "base/clock.h"
#include "base/text.h"
#include "state/reserve.h"

#define BUSY_US (120 * (int64_t)1000000) /* how long one that is at work has a message to itself */
#define AGAIN_US (5 * (int64_t)1000000)  /* until one that could not be done is tried again */

const struct ls_receiver *ls_api_receiver(const struct ls_config *config, const char *name)
{
    for (size_t i = 0; config && i < config->receiver_count; i++)
        if (strcmp(config->receivers[i].name, name) == 0)
            return &config->receivers[i];
    return NULL;
}

/* ---- doing it ---- */

/* Is it the message's fault (or that of the mapping for it)? Then trying again does not help. */
static bool for_good(enum ls_code code)
{
    return code == LS_CONSTRAINT || code == LS_TYPE || code == LS_DATA;
}

static enum ls_code write_text(struct ls_received *row, struct ls_arena *mem, struct ls_buf *out,
                               struct ls_error *err)
{
    row->outcome = out->failed ? NULL : ls_arena_text(mem, ls_buf_str(out));
    ls_buf_done(out);
    if (row->outcome)
        return LS_OK;
    row->outcome = "";
    return ls_error_nomem(err);
}

static enum ls_code write_reason(struct ls_received *row, enum ls_received_state state,
                                 const char *reason, struct ls_arena *mem, struct ls_error *err)
{
    struct ls_buf out;

    row->state = state;
    ls_buf_init(&out, 0);
    ls_buf_text(&out, "{\"reason\":");
    ls_text_json(&out, reason, strlen(reason));
    ls_buf_char(&out, '}');
    return write_text(row, mem, &out, err);
}

static enum ls_code apply(const struct ls_receiver *r, const struct ls_said *m,
                          struct ls_received *row, struct ls_arena *mem, struct ls_error *err)
{
    struct ls_effect e = {0};
    bool known = false;
    struct ls_buf out;
    enum ls_code rc = ls_receiver_apply(r, m, &e, &known, err);

    if (rc != LS_OK)
        return rc;
    row->state = e.stale == r->target_count ? LS_RECEIVED_STALE : LS_RECEIVED_APPLIED;
    ls_buf_init(&out, 0);
    ls_buf_printf(&out,
                  "{\"created\":%" PRIu64 ",\"updated\":%" PRIu64 ",\"deleted\":%" PRIu64
                  ",\"unchanged\":%" PRIu64 ",\"stale\":%" PRIu64 "}",
                  e.created, e.updated, e.deleted, e.unchanged, e.stale);
    return write_text(row, mem, &out, err);
}

/* FIELD=VALUE for each field of only. */
static enum ls_code only_of(const struct ls_receiver *r, const struct ls_said *m,
                            struct ls_arena *mem, const char ***ret, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    *ret = ls_arena_array(mem, r->only_count + 1, sizeof **ret);
    if (!*ret)
        return ls_error_nomem(err);
    for (size_t i = 0; i < r->only_count && rc == LS_OK; i++) {
        struct ls_value v;
        struct ls_buf text;

        rc = ls_said_value(m, r->only[i].expression, mem, &v, err);
        if (rc == LS_OK && v.type == LS_T_NULL)
            rc = ls_error_set(err, LS_DATA,
                              "it does not say which record it is about: %s is missing",
                              r->only[i].target);
        if (rc != LS_OK)
            return rc;
        ls_buf_init(&text, 0);
        ls_buf_printf(&text, "%s=", r->only[i].target);
        ls_value_to_text(&text, &v);
        (*ret)[i] = text.failed ? NULL : ls_arena_text_n(mem, text.data, text.size);
        ls_buf_done(&text);
        if (!(*ret)[i])
            rc = ls_error_nomem(err);
    }
    return rc;
}

static enum ls_code run_sync(struct lockstep *ls, const struct ls_receiver *r,
                             const struct ls_said *m, struct ls_received *row, struct ls_arena *mem,
                             struct ls_error *err)
{
    const char **only = NULL;
    struct lockstep_select select = {.sync = r->sync, .only_count = r->only_count};
    struct lockstep_run *run = NULL;
    struct lockstep_error error = {0};
    struct ls_buf out;
    int code;
    enum ls_code rc = only_of(r, m, mem, &only, err);

    if (rc != LS_OK)
        return rc;
    select.only = only;
    code = ls_api_sync(ls, &select, NULL, !r->forward, &run, &error);
    if (code == LOCKSTEP_BRAKE || code == LOCKSTEP_USAGE) {
        lockstep_run_free(run);
        return write_reason(row, LS_RECEIVED_REFUSED, error.text, mem, err);
    }
    if (code != LOCKSTEP_OK && code != LOCKSTEP_DIFFERENT) {
        lockstep_run_free(run);
        return ls_error_set(err, LS_BUSY, "%s", error.text);
    }
    row->state = LS_RECEIVED_APPLIED;
    ls_buf_init(&out, 0);
    ls_buf_printf(&out,
                  "{\"run\":%" PRId64 ",\"created\":%" PRIu64 ",\"updated\":%" PRIu64
                  ",\"deleted\":%" PRIu64 ",\"unchanged\":%" PRIu64 ",\"failed\":%" PRIu64 "}",
                  run ? run->number : 0, run ? run->created : 0, run ? run->updated : 0,
                  run ? run->deleted : 0, run ? run->unchanged : 0, run ? run->failed : 0);
    lockstep_run_free(run);
    return write_text(row, mem, &out, err);
}

/* Sets the row's state and outcome; what could not be done now is WAITING. LS_NOMEM and the like: nothing is known. */
static enum ls_code carry_out(struct lockstep *ls, const struct ls_receiver *r,
                              const struct ls_said *m, struct ls_received *row,
                              struct ls_arena *mem, struct ls_error *err)
{
    struct ls_error why = {0};
    enum ls_code rc;

    if (!m->wanted)
        return write_reason(row, LS_RECEIVED_IGNORED, "its type is none that this receiver takes",
                            mem, err);
    rc = r->sync ? run_sync(ls, r, m, row, mem, &why) : apply(r, m, row, mem, &why);
    if (rc == LS_OK)
        return LS_OK;
    if (for_good(rc))
        return write_reason(row, LS_RECEIVED_REFUSED, why.text, mem, err);
    ls_api_log(ls, 2, "receiver %s: a message waits: %s", r->name, why.text);
    return write_reason(row, LS_RECEIVED_WAITING, why.text, mem, err);
}

static enum ls_code finish(struct lockstep *ls, struct ls_received *row, struct ls_error *err)
{
    const int64_t now_us = ls_clock_now_us();
    const char *outcome = row->outcome;
    bool late = false;
    enum ls_code rc;

    rc = ls_received_end(
        ls->state, row, row->state == LS_RECEIVED_WAITING ? now_us + AGAIN_US : now_us, &late, err);
    row->outcome = outcome;
    return rc; /* late: somebody else has done it, and it comes to the same */
}

/* ---- arriving ---- */

static enum ls_code receive(struct lockstep *ls, const struct ls_receiver *r,
                            const struct ls_arrival *a, struct ls_arena *mem, struct ls_said *m,
                            struct ls_reception *ret, struct ls_error *err)
{
    struct ls_received row = {.receiver = r->name, .body = a->body, .body_size = a->size};
    enum ls_taken taken = LS_TAKEN;
    enum ls_code rc = ls_api_state(ls, true, err);

    row.id = m->id;
    row.type = m->type;
    row.resource = m->resource;
    row.at_us = m->at_us;
    row.headers = m->headers;
    if (rc == LS_OK)
        rc = ls_state_room(ls->state, err);
    if (rc == LS_OK)
        rc = ls_received_take(ls->state, &row, ls_clock_now_us(), BUSY_US, mem, &taken, err);
    if (rc == LS_OK && taken == LS_TAKEN_BUSY)
        return ls_error_set(err, LS_BUSY, "this message is being worked on. Send it again later");
    if (rc == LS_OK && taken == LS_TAKEN)
        rc = carry_out(ls, r, m, &row, mem, err);
    if (rc == LS_OK && taken == LS_TAKEN)
        rc = finish(ls, &row, err);
    *ret = (struct ls_reception){.state = row.state,
                                 .known = taken == LS_TAKEN_KNOWN,
                                 .id = row.id,
                                 .type = row.type,
                                 .resource = row.resource,
                                 .at_us = row.at_us,
                                 .outcome = row.outcome};
    return rc;
}

enum ls_code ls_api_receive(struct lockstep *ls, const struct ls_receiver *r,
                            const struct ls_arrival *a, struct ls_arena *mem,
                            struct ls_reception *ret, struct ls_error *err)
{
    struct ls_said m = {0};
    const char *headers = NULL;
    enum ls_code rc = ls_receiver_headers(r, a, mem, &headers, err);

    if (rc == LS_OK)
        rc = ls_receiver_read(r, headers, a->body, a->size, ls_clock_now_us(), mem, &m, err);
    if (rc == LS_OK)
        rc = receive(ls, r, a, mem, &m, ret, err);
    ls_said_done(&m);
    return rc;
}

/* ---- what waits ---- */

static enum ls_code take_up(struct lockstep *ls, struct ls_received *row, struct ls_arena *mem,
                            bool *ret_done, struct ls_error *err)
{
    const struct ls_receiver *r = ls_api_receiver(ls->config, row->receiver);
    struct ls_said m = {0};
    enum ls_taken taken = LS_TAKEN;
    enum ls_code rc;

    if (!r)
        return LS_OK; /* the receiver left the configuration: it may come back */
    rc = ls_received_take(ls->state, row, ls_clock_now_us(), BUSY_US, mem, &taken, err);
    if (rc != LS_OK || taken != LS_TAKEN)
        return rc;
    /* its time was looked at when it came */
    rc = ls_receiver_read(r, row->headers, row->body, row->body_size, row->received_us, mem, &m,
                          err);
    if (rc == LS_DATA)
        rc = write_reason(row, LS_RECEIVED_REFUSED, err->text, mem, err);
    else if (rc == LS_OK) {
        ls_said_recall(&m, row->id, row->at_us);
        rc = carry_out(ls, r, &m, row, mem, err);
    }
    ls_said_done(&m);
    if (rc == LS_OK)
        rc = finish(ls, row, err);
    *ret_done = rc == LS_OK && row->state != LS_RECEIVED_WAITING;
    return rc;
}

enum ls_code ls_api_receive_free(struct lockstep *ls, struct ls_error *err)
{
    enum ls_code rc = ls_api_state(ls, false, err);

    return rc == LS_OK ? ls_received_free(ls->state, err) : rc == LS_NOT_FOUND ? LS_OK : rc;
}

enum ls_code ls_api_receive_waiting(struct lockstep *ls, size_t max, size_t *ret_count,
                                    struct ls_error *err)
{
    struct ls_received *rows = NULL;
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc = ls_api_state(ls, false, err);

    *ret_count = 0;
    if (rc != LS_OK)
        return rc == LS_NOT_FOUND ? LS_OK : rc;
    ls_arena_init(&mem, 0);
    rc = ls_received_waiting(ls->state, ls_clock_now_us(), max, &mem, &count, &rows, err);
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        bool done = false;

        rc = take_up(ls, &rows[i], &mem, &done, err);
        *ret_count += done;
    }
    ls_arena_done(&mem);
    return rc;
}

static enum ls_code forget_in_target(const struct ls_receiver *r, int64_t before_us,
                                     struct ls_error *err)
{
    const struct ls_store_options options = {.writable = true};
    struct ls_store *store = NULL;
    struct ls_url url;
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_url_parse(r->targets[0].side.url, &mem, &url, err);
    if (rc == LS_OK)
        rc = ls_store_open(&url, &options, &store, err);
    if (rc == LS_OK)
        rc = ls_store_forget_notes(store, before_us, err);
    ls_store_close(store);
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_api_receive_forget(struct lockstep *ls, int64_t before_us, struct ls_error *err)
{
    int64_t count = 0;
    enum ls_code rc = ls_api_state(ls, false, err);

    if (rc != LS_OK)
        return rc == LS_NOT_FOUND ? LS_OK : rc;
    for (size_t i = 0; ls->config && i < ls->config->receiver_count && rc == LS_OK; i++)
        if (ls->config->receivers[i].target_count)
            rc = forget_in_target(&ls->config->receivers[i], before_us, err);
    return rc == LS_OK ? ls_received_prune(ls->state, before_us, &count, err) : rc;
}

/* ---- the list ---- */

static void write_receiver(struct ls_buf *out, const struct ls_receiver *r,
                           const struct ls_received_counts *counts)
{
    char at[25];

    ls_buf_char(out, '{');
    ls_buf_text(out, "\"name\":");
    ls_text_json(out, r->name, strlen(r->name));
    ls_json_member(out, "scheme", ls_sign_scheme_word(r->scheme));
    ls_buf_printf(out, ",\"path\":\"/api/webhooks/%s\"", r->name);
    ls_json_member(out, "does", r->sync ? "sync" : "apply");
    ls_buf_text(out, ",\"to\":[");
    for (size_t i = 0; i < r->target_count; i++) {
        const char *to = r->targets[i].side.collection ? r->targets[i].side.collection : "";

        ls_buf_text(out, i ? "," : "");
        ls_text_json(out, to, strlen(to));
    }
    if (r->sync)
        ls_text_json(out, r->sync, strlen(r->sync));
    ls_buf_text(out, "],\"received\":{");
    for (size_t s = 0; s < LS_RECEIVED_STATE_COUNT; s++)
        ls_buf_printf(out, "%s\"%s\":%" PRId64, s ? "," : "",
                      ls_received_word((enum ls_received_state)s), counts->count[s]);
    ls_clock_iso(counts->last_us, at);
    if (counts->last_us)
        ls_buf_printf(out, "},\"last_received_at\":\"%s\"}", at);
    else
        ls_buf_text(out, "},\"last_received_at\":null}");
}

static enum ls_code tell(struct lockstep *ls, const struct ls_receiver *r, lockstep_receiver_fn *fn,
                         void *ctx, struct ls_error *err)
{
    struct ls_received_counts counts = {0};
    struct lockstep_receiver receiver = {.name = r->name, .scheme = ls_sign_scheme_word(r->scheme)};
    struct ls_buf out, to;
    enum ls_code rc = ls->state ? ls_received_count(ls->state, r->name, &counts, err) : LS_OK;

    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_buf_init(&to, 0);
    for (size_t i = 0; i < r->target_count; i++)
        ls_buf_printf(&to, "%s%s", i ? ", " : "",
                      r->targets[i].side.collection ? r->targets[i].side.collection : "");
    if (r->sync)
        ls_buf_printf(&to, "sync %s", r->sync);
    write_receiver(&out, r, &counts);
    receiver.to = ls_buf_str(&to);
    receiver.json = ls_buf_str(&out);
    receiver.waiting = (uint64_t)counts.count[LS_RECEIVED_WAITING];
    receiver.applied = (uint64_t)counts.count[LS_RECEIVED_APPLIED];
    receiver.stale = (uint64_t)counts.count[LS_RECEIVED_STALE];
    receiver.ignored = (uint64_t)counts.count[LS_RECEIVED_IGNORED];
    receiver.refused = (uint64_t)counts.count[LS_RECEIVED_REFUSED];
    receiver.last_us = counts.last_us;
    if (receiver.to && receiver.json)
        fn(ctx, &receiver);
    else
        rc = ls_error_nomem(err);
    ls_buf_done(&to);
    ls_buf_done(&out);
    return rc;
}

int lockstep_receivers(struct lockstep *ls, lockstep_receiver_fn *fn, void *ctx,
                       struct lockstep_error *error)
{
    struct ls_error err = {0};
    enum ls_code rc = ls_api_state(ls, false, &err);

    if (rc == LS_NOT_FOUND)
        rc = LS_OK;
    for (size_t i = 0; ls->config && i < ls->config->receiver_count && rc == LS_OK; i++)
        rc = tell(ls, &ls->config->receivers[i], fn, ctx, &err);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_fail(&err, error);
}
