/* SPDX-License-Identifier: Apache-2.0 */
/* sealed.c - headers of schedules, sealed: "sealed:BASE64 NAME NAME...".
 *
 * Open they are JSON, which begins with a bracket. The names stand behind what is sealed, so that a list can be shown without the key; of a
 * message (extra) there are none. What is sealed opens for its schedule and its place alone. The body is left open: it is data, as that of an event. */
#include "schedule/sealed.h"

#include <string.h>

#include <sodium.h>

#include "base/buf.h"
#include "base/text.h"
#include "event/seal.h"
#include "schedule/call.h"

#define MARK "sealed:"
#define TRIES 20 /* of a step that a firing is ahead of */

static bool is_sealed(const char *text)
{
    return text && ls_text_starts(text, MARK);
}

static bool is_open(const char *text)
{
    return text && *text && !is_sealed(text);
}

static const char *what_of(const struct ls_schedule *s, const char **place, struct ls_arena *mem)
{
    return ls_arena_printf(mem, "%sschedule %s", place == &s->extra ? "the message of " : "",
                           s->id);
}

/* Of a call: behind what is sealed. */
static enum ls_code write_names(const char *headers, struct ls_arena *mem, struct ls_buf *out,
                                struct ls_error *err)
{
    struct ls_call_header *list = NULL;
    size_t count = 0;
    const enum ls_code rc = ls_call_headers(headers, mem, &count, &list, err);

    for (size_t i = 0; i < count; i++)
        ls_buf_printf(out, " %s", list[i].name);
    return rc;
}

static enum ls_code seal_one(const struct ls_seal_key *key, const struct ls_schedule *s,
                             const char **place, struct ls_arena *mem, struct ls_error *err)
{
    const char *what = what_of(s, place, mem);
    struct ls_buf sealed, out;
    enum ls_code rc = LS_OK;

    if (!what)
        return ls_error_nomem(err);
    ls_buf_init(&sealed, 0);
    ls_buf_init(&out, 0);
    ls_seal(&sealed, key, what, *place, strlen(*place));
    ls_buf_text(&out, MARK);
    ls_text_base64(&out, sealed.data, sealed.size);
    if (place == &s->headers)
        rc = write_names(*place, mem, &out, err);
    if (rc == LS_OK) {
        *place = sealed.failed || out.failed ? NULL : ls_arena_text(mem, ls_buf_str(&out));
        rc = *place ? LS_OK : ls_error_nomem(err);
    }
    ls_buf_done(&sealed);
    ls_buf_done(&out);
    return rc;
}

static enum ls_code unseal_one(const struct ls_seal_key *key, const struct ls_schedule *s,
                               const char **place, struct ls_arena *mem, struct ls_error *err)
{
    const char *what = what_of(s, place, mem), *text = *place + strlen(MARK);
    struct ls_buf sealed;
    char *plain = NULL;
    size_t size = 0;
    enum ls_code rc;

    if (!what)
        return ls_error_nomem(err);
    ls_buf_init(&sealed, 0);
    (void)ls_text_unbase64(&sealed, text, strcspn(text, " ")); /* what is none does not open */
    rc = sealed.failed
             ? ls_error_nomem(err)
             : ls_unseal(key, what, ls_buf_str(&sealed), sealed.size, mem, &plain, &size, err);
    ls_buf_done(&sealed);
    if (rc == LS_OK)
        *place = plain;
    return rc;
}

typedef bool is_fn(const char *text);
typedef enum ls_code one_fn(const struct ls_seal_key *key, const struct ls_schedule *s,
                            const char **place, struct ls_arena *mem, struct ls_error *err);

/* Without any of them no key is needed, nor made. */
static enum ls_code each(struct ls_state *state, struct ls_schedule *s, is_fn *is, one_fn *one,
                         struct ls_arena *mem, struct ls_error *err)
{
    const char **places[] = {&s->headers, &s->extra};
    struct ls_seal_key key;
    enum ls_code rc = LS_OK;

    if (!is(s->headers) && !is(s->extra))
        return LS_OK;
    rc = ls_seal_key(ls_state_where(state), &key, err);
    for (size_t i = 0; i < sizeof places / sizeof *places && rc == LS_OK; i++)
        if (is(*places[i]))
            rc = one(&key, s, places[i], mem, err);
    ls_seal_key_wipe(&key);
    return rc;
}

enum ls_code ls_schedule_seal(struct ls_state *state, struct ls_schedule *s, struct ls_arena *mem,
                              struct ls_error *err)
{
    return each(state, s, is_open, seal_one, mem, err);
}

enum ls_code ls_schedule_unseal(struct ls_state *state, struct ls_schedule *s, struct ls_arena *mem,
                                struct ls_error *err)
{
    return each(state, s, is_sealed, unseal_one, mem, err);
}

const char *ls_schedule_sealed_names(const char *headers)
{
    if (!is_sealed(headers))
        return NULL;
    headers += strcspn(headers, " ");
    return headers + strspn(headers, " ");
}

/* ---- rows of an older program ---- */

static enum ls_code seal_row(struct ls_state *state, const char *id, struct ls_arena *mem,
                             struct ls_error *err)
{
    struct ls_schedule s;
    bool done = false;
    enum ls_code rc = LS_OK;

    for (int i = 0; i < TRIES && rc == LS_OK && !done; i++) {
        rc = ls_state_schedule_find(state, id, mem, &s, err);
        if (rc == LS_OK)
            rc = ls_schedule_seal(state, &s, mem, err);
        if (rc == LS_OK)
            rc = ls_state_schedule_swap(state, &s, s.version, &done, err);
    }
    return rc == LS_NOT_FOUND ? LS_OK : rc;
}

enum ls_code ls_schedules_seal(struct ls_state *state, struct ls_error *err)
{
    struct ls_schedule *list = NULL;
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_state_schedules(state, &mem, &count, &list, err);
    for (size_t i = 0; i < count && rc == LS_OK; i++)
        if (is_open(list[i].headers) || is_open(list[i].extra))
            rc = seal_row(state, list[i].id, &mem, err);
    ls_arena_done(&mem);
    return rc;
}
