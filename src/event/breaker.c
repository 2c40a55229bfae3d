/* SPDX-License-Identifier: Apache-2.0 */
/* breaker.c - whether an endpoint is worth trying now.
 *
 * A receiver that is down costs twice: each attempt waits for its timeout, and each uses up one of the few that a delivery has.
 * So when half of what went out in the last minute failed, nothing goes for a while; what is due stays where it is. Then one
 * delivery is tried. If it fails, the pause is twice as long; if it gets through, the endpoint is closed again, but what has piled up does not fall
 * on it at once: one at a time at first, one more with each success.
 *
 * The window is a ring of parts, each a sixth of it. It moves on with the time of the outcomes, so that there is nothing to
 * do while nothing happens. A success and a failure are the receiver's doing; what is ours (no sockets, no resolver) is
 * forgotten, and so is an answer of 429, which says that the receiver is well and wants less: whoever calls decides that.
 *
 * Giving up is another matter than opening: it is about days in which nothing at all got through. A row of failures that begins anew after a pause as
 * long as that is not one row: an endpoint that gets an event a week must not be given up for two of them.
 *
 * Clocks step. Times that lie further ahead than a rule can have set them are taken back to what it could have set. */
#include "event/breaker.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)
#define RAMP_END 64  /* in flight: from here on there is no limit of ours */
#define ROW_LEAST 10 /* fewer failures than this are no reason to give up, whatever the time */

const struct ls_breaker_rule ls_breaker_default = {
    .window_us = 60 * SECOND_US,
    .share_percent = 50,
    .least = 10,
    .open_us = 15 * SECOND_US,
    .open_max_us = 600 * SECOND_US,
    .disable_us = 120 * 3600 * SECOND_US,
};

const char *ls_breaker_state_word(enum ls_breaker_state state)
{
    static const char *const words[] = {"closed", "open", "half_open"};

    return (size_t)state < sizeof(words) / sizeof(words[0]) ? words[state] : "unknown";
}

/* --- the window */

static void forget_window(struct ls_breaker *b)
{
    memset(b->parts, 0, sizeof(b->parts));
}

/* Empties the parts that the time has passed over since the last outcome. */
static void move_on(struct ls_breaker *b, const struct ls_breaker_rule *rule, int64_t now_us)
{
    int64_t length_us = rule->window_us / LS_BREAKER_PARTS,
            part = now_us / (length_us ? length_us : 1);

    if (part < b->part || part - b->part >= LS_BREAKER_PARTS) {
        forget_window(b); /* a long time, or a clock that went back */
    } else {
        for (int64_t p = b->part + 1; p <= part; p++)
            memset(&b->parts[p % LS_BREAKER_PARTS], 0, sizeof(b->parts[0]));
    }
    b->part = part;
}

/* The share of the window; or a row without a single success, which a busy endpoint has long before its window is half full of failures. */
static bool too_many(const struct ls_breaker *b, const struct ls_breaker_rule *rule)
{
    uint64_t good = 0, bad = 0, row = 2 * (uint64_t)rule->least;

    for (size_t i = 0; i < LS_BREAKER_PARTS; i++) {
        good += b->parts[i].good;
        bad += b->parts[i].bad;
    }
    if (!rule->least || good + bad < rule->least)
        return false;
    return bad * 100 >= (good + bad) * rule->share_percent || (bad >= row && b->in_a_row >= row);
}

/* --- states */

static void open_up(struct ls_breaker *b, const struct ls_breaker_rule *rule, int64_t now_us)
{
    int64_t pause_us = rule->open_us;

    for (unsigned i = 0; i < b->opened && pause_us < rule->open_max_us; i++)
        pause_us *= 2;
    b->state = LS_BREAKER_OPEN;
    b->until_us = now_us + (pause_us < rule->open_max_us ? pause_us : rule->open_max_us);
    b->probing = false;
    b->opened++;
    forget_window(b);
}

static void close_down(struct ls_breaker *b)
{
    b->state = LS_BREAKER_CLOSED;
    b->until_us = 0;
    b->opened = 0;
    b->probing = false;
    b->ramp = 1;
    forget_window(b);
}

unsigned ls_breaker_room(struct ls_breaker *b, const struct ls_breaker_rule *rule,
                         unsigned in_flight, unsigned max, int64_t now_us, int64_t *ret_until_us)
{
    unsigned limit = b->ramp && b->ramp < max ? b->ramp : max;

    *ret_until_us = INT64_MAX;
    if (b->state == LS_BREAKER_OPEN) {
        if (b->until_us > now_us + rule->open_max_us)
            b->until_us = now_us + rule->open_max_us;
        if (now_us < b->until_us) {
            *ret_until_us = b->until_us;
            return 0;
        }
        b->state = LS_BREAKER_HALF_OPEN;
        b->probing = false;
    }
    if (b->state == LS_BREAKER_HALF_OPEN) {
        if (b->probing && now_us < b->until_us) {
            *ret_until_us = b->until_us;
            return 0;
        }
        limit = in_flight + 1; /* what began before it opened does not count */
    }
    return in_flight < limit ? limit - in_flight : 0;
}

void ls_breaker_begin(struct ls_breaker *b, int64_t patience_us, int64_t now_us)
{
    if (b->state != LS_BREAKER_HALF_OPEN)
        return;
    b->probing = true;
    b->until_us = now_us + patience_us;
}

void ls_breaker_forget(struct ls_breaker *b)
{
    b->probing = false;
}

static void add_to_row(struct ls_breaker *b, const struct ls_breaker_rule *rule, int64_t now_us)
{
    bool anew = !b->first_us || now_us < b->last_us ||
                (rule->disable_us && now_us - b->last_us > rule->disable_us);

    if (anew) {
        b->first_us = now_us;
        b->in_a_row = 0;
    }
    b->last_us = now_us;
    if (b->in_a_row < UINT32_MAX)
        b->in_a_row++;
}

static enum ls_breaker_change after_success(struct ls_breaker *b)
{
    b->first_us = b->last_us = 0;
    b->in_a_row = 0;
    if (b->state != LS_BREAKER_CLOSED) {
        close_down(b); /* also by one that began before: it got through */
        return LS_BREAKER_CLOSES;
    }
    if (b->ramp && ++b->ramp >= RAMP_END)
        b->ramp = 0;
    b->parts[b->part % LS_BREAKER_PARTS].good++;
    return LS_BREAKER_SAME;
}

enum ls_breaker_change ls_breaker_outcome(struct ls_breaker *b, const struct ls_breaker_rule *rule,
                                          bool good, int64_t now_us)
{
    bool gives_up;

    move_on(b, rule, now_us);
    if (good)
        return after_success(b);
    add_to_row(b, rule, now_us);
    gives_up = ls_breaker_percent(b, rule, now_us) == 100;
    if (b->state == LS_BREAKER_OPEN) /* one that began before */
        return gives_up ? LS_BREAKER_GIVES_UP : LS_BREAKER_SAME;
    b->parts[b->part % LS_BREAKER_PARTS].bad++;
    if (b->state == LS_BREAKER_CLOSED && !too_many(b, rule))
        return gives_up ? LS_BREAKER_GIVES_UP : LS_BREAKER_SAME;
    open_up(b, rule, now_us);
    return gives_up ? LS_BREAKER_GIVES_UP : LS_BREAKER_OPENS;
}

unsigned ls_breaker_percent(const struct ls_breaker *b, const struct ls_breaker_rule *rule,
                            int64_t now_us)
{
    int64_t since_us = now_us - b->first_us, percent;

    if (!b->first_us || !rule->disable_us || since_us <= 0)
        return 0;
    percent = since_us >= rule->disable_us ? 100 : since_us / (rule->disable_us / 100 + 1);
    return percent == 100 && b->in_a_row < ROW_LEAST ? 99 : (unsigned)percent;
}

/* --- to be kept */

void ls_breaker_write(struct ls_buf *out, const struct ls_breaker *b)
{
    ls_buf_printf(out, "{\"state\":\"%s\",\"until_us\":%" PRId64 ",\"opened\":%u,\"ramp\":%u",
                  ls_breaker_state_word(b->state), b->until_us, b->opened, b->ramp);
    ls_buf_printf(out, ",\"first_us\":%" PRId64 ",\"last_us\":%" PRId64 ",\"in_a_row\":%" PRIu32,
                  b->first_us, b->last_us, b->in_a_row);
    ls_buf_printf(out, ",\"part\":%" PRId64 ",\"parts\":[", b->part);
    for (size_t i = 0; i < LS_BREAKER_PARTS; i++)
        ls_buf_printf(out, "%s[%" PRIu32 ",%" PRIu32 "]", i ? "," : "", b->parts[i].good,
                      b->parts[i].bad);
    ls_buf_text(out, "]}");
}

static bool number(const json_t *json, int64_t max, int64_t *ret)
{
    *ret = json_integer_value(json);
    return json_is_integer(json) && *ret >= 0 && *ret <= max;
}

static bool read_state(const json_t *json, enum ls_breaker_state *ret)
{
    const char *word = json_string_value(json_object_get(json, "state"));

    for (unsigned s = LS_BREAKER_CLOSED; word && s <= LS_BREAKER_HALF_OPEN; s++) {
        if (strcmp(word, ls_breaker_state_word(s)) == 0) {
            *ret = s;
            return true;
        }
    }
    return false;
}

static bool read_parts(const json_t *json, struct ls_breaker *b)
{
    const json_t *parts = json_object_get(json, "parts");

    if (json_array_size(parts) != LS_BREAKER_PARTS)
        return false;
    for (size_t i = 0; i < LS_BREAKER_PARTS; i++) {
        const json_t *pair = json_array_get(parts, i);
        int64_t good, bad;

        if (!number(json_array_get(pair, 0), UINT32_MAX / 2, &good) ||
            !number(json_array_get(pair, 1), UINT32_MAX / 2, &bad))
            return false;
        b->parts[i].good = (uint32_t)good;
        b->parts[i].bad = (uint32_t)bad;
    }
    return true;
}

static bool read_all(const json_t *json, struct ls_breaker *b)
{
    int64_t opened, ramp, in_a_row;

    if (!read_state(json, &b->state) || !read_parts(json, b) ||
        !number(json_object_get(json, "until_us"), INT64_MAX, &b->until_us) ||
        !number(json_object_get(json, "opened"), UINT32_MAX, &opened) ||
        !number(json_object_get(json, "ramp"), RAMP_END, &ramp) ||
        !number(json_object_get(json, "first_us"), INT64_MAX, &b->first_us) ||
        !number(json_object_get(json, "last_us"), INT64_MAX, &b->last_us) ||
        !number(json_object_get(json, "in_a_row"), UINT32_MAX, &in_a_row) ||
        !number(json_object_get(json, "part"), INT64_MAX, &b->part))
        return false;
    b->opened = (unsigned)opened;
    b->ramp = (unsigned)ramp;
    b->in_a_row = (uint32_t)in_a_row;
    return true;
}

bool ls_breaker_read(const char *text, const struct ls_breaker_rule *rule, int64_t now_us,
                     struct ls_breaker *ret)
{
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    struct ls_breaker b = {0};
    bool fine = json && read_all(json, &b);

    json_decref(json);
    *ret = (struct ls_breaker){0};
    if (!fine || b.first_us > now_us || b.until_us > now_us + rule->open_max_us)
        return false;
    /* a probe that was on its way died with its process: probing is not kept */
    *ret = b;
    return true;
}
