/* SPDX-License-Identifier: Apache-2.0 */
/* retry_text.c - policies by their numbers, as they are written in settings and kept with an endpoint.
 *
 * A policy is kept as one text: a name, or what is said of it ("attempts=5, delay=2s, factor=2, max_delay=1min, jitter=20%"). So it can be
 * shown, compared and given back as it is, whichever way it came: from the configuration, over HTTP or from the command line. What is not said is what the
 * policy `documented` has; only the longest pause follows the first one, where that is longer. */
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/text.h"
#include "event/retry.h"
#include "model/decimal.h"

#define PAUSE_MAX_MS (30 * LS_RETRY_DAY_MS)
#define FACTOR_MAX 100

typedef enum ls_code set_fn(struct ls_retry *p, const char *value, struct ls_error *err);

static enum ls_code bad(struct ls_error *err, const char *name, const char *value,
                        const char *wanted)
{
    return ls_error_set(err, LS_CONFIG, "a policy's %s is \"%.40s\": %s", name, value, wanted);
}

static enum ls_code set_attempts(struct ls_retry *p, const char *value, struct ls_error *err)
{
    int64_t n = 0;

    if (!ls_text_to_i64(value, strlen(value), &n) || n < 1 || n > LS_RETRY_ATTEMPTS_MAX)
        return bad(err, "attempts", value,
                   "a number from 1 to 1000 is expected here, the first attempt included");
    p->attempts = (unsigned)n;
    return LS_OK;
}

static enum ls_code set_pause(const char *name, const char *value, int64_t *ret,
                              struct ls_error *err)
{
    char expected[160];

    if (ls_duration_read(value, 1, PAUSE_MAX_MS, ret))
        return LS_OK;
    ls_duration_expected(1, PAUSE_MAX_MS, expected);
    return bad(err, name, value, expected);
}

static enum ls_code set_delay(struct ls_retry *p, const char *value, struct ls_error *err)
{
    return set_pause("delay", value, &p->first_ms, err);
}

static enum ls_code set_max_delay(struct ls_retry *p, const char *value, struct ls_error *err)
{
    return set_pause("max_delay", value, &p->max_ms, err);
}

static enum ls_code set_factor(struct ls_retry *p, const char *value, struct ls_error *err)
{
    const double factor = ls_decimal_to_double(value, strlen(value)); /* NaN when it is none */

    if (!(factor >= 1 && factor <= FACTOR_MAX))
        return bad(err, "factor", value,
                   "a number from 1 to 100 is expected here, such as 2 or 1.5");
    p->factor_percent = (unsigned)(factor * 100 + 0.5);
    return LS_OK;
}

/* "20%" or 0.2 */
static enum ls_code set_jitter(struct ls_retry *p, const char *value, struct ls_error *err)
{
    const size_t size = strlen(value);
    const bool percent = size > 0 && value[size - 1] == '%';
    const double share = ls_decimal_to_double(value, size - percent) * (percent ? 1 : 100);

    if (!(share >= 0 && share <= 100))
        return bad(err, "jitter", value, "a share is expected here: 20% or 0.2");
    p->jitter_percent = (unsigned)(share + 0.5);
    return LS_OK;
}

static const struct {
    const char *name;
    set_fn *set;
} settings[] = {
    {"attempts", set_attempts},   {"delay", set_delay},   {"factor", set_factor},
    {"max_delay", set_max_delay}, {"jitter", set_jitter},
};
#define SETTINGS (sizeof settings / sizeof *settings)

void ls_retry_begin(struct ls_retry *ret)
{
    *ret = *ls_retry_find("documented");
    ret->name = NULL;
    ret->summary = "";
    ret->max_ms = 0; /* not said */
}

enum ls_code ls_retry_set(struct ls_retry *p, const char *name, const char *value,
                          struct ls_error *err)
{
    static const char *const of_endpoints[] = {"concurrency", "timeout", "timeout_ms", "rate"};
    const char *names[SETTINGS], *near;

    for (size_t i = 0; i < SETTINGS; i++) {
        if (strcmp(name, settings[i].name) == 0)
            return settings[i].set(p, value, err);
        names[i] = settings[i].name;
    }
    for (size_t i = 0; i < sizeof of_endpoints / sizeof *of_endpoints; i++)
        if (strcmp(name, of_endpoints[i]) == 0)
            return ls_error_set(err, LS_CONFIG,
                                "%s is a setting of the endpoint, beside its policy", name);
    near = ls_text_nearest(name, names, SETTINGS);
    return ls_error_set(err, LS_CONFIG, "a policy has no \"%.40s\"%s%s%s", name,
                        near ? " (did you mean " : ": attempts, delay, factor, max_delay, jitter",
                        near ? near : "", near ? "?)" : "");
}

enum ls_code ls_retry_end(struct ls_retry *p, struct ls_error *err)
{
    const int64_t usual_ms = ls_retry_find("documented")->max_ms;

    if (p->max_ms == 0)
        p->max_ms = p->first_ms > usual_ms ? p->first_ms : usual_ms;
    p->asked_max_ms = p->max_ms;
    if (p->max_ms < p->first_ms)
        return ls_error_set(err, LS_CONFIG,
                            "a policy's delay is longer than its max_delay: the first pause is "
                            "the shortest");
    return ls_retry_check(p, err);
}

/* Without the blanks around it; cut where it is too long to be any. */
static void copy_trimmed(const char *text, size_t size, char *out, size_t room)
{
    while (size && *text == ' ') {
        text++;
        size--;
    }
    while (size && text[size - 1] == ' ')
        size--;
    snprintf(out, room, "%.*s", (int)(size < room ? size : room - 1), text);
}

/* "name=value", blanks around both. */
static enum ls_code set_one(struct ls_retry *p, const char *text, size_t size, struct ls_error *err)
{
    const char *equals = memchr(text, '=', size);
    char name[60], value[60];

    copy_trimmed(text, equals ? (size_t)(equals - text) : size, name, sizeof name);
    if (!equals)
        return ls_error_set(
            err, LS_CONFIG,
            "there is no retry policy \"%s\": documented, standard, fast or long, or "
            "settings such as attempts=5, delay=2s, factor=2, max_delay=1min, "
            "jitter=20%%",
            name);
    copy_trimmed(equals + 1, size - (size_t)(equals + 1 - text), value, sizeof value);
    return ls_retry_set(p, name, value, err);
}

enum ls_code ls_retry_read(const char *text, struct ls_retry *ret, struct ls_error *err)
{
    const struct ls_retry *named = ls_retry_find(text);
    enum ls_code rc = LS_OK;

    if (named) {
        *ret = *named;
        return LS_OK;
    }
    ls_retry_begin(ret);
    do {
        const size_t size = strcspn(text, ",");

        rc = set_one(ret, text, size, err);
        text += size + (text[size] == ',');
    } while (rc == LS_OK && *text);
    return rc == LS_OK ? ls_retry_end(ret, err) : rc;
}

static void write_factor(struct ls_buf *out, unsigned percent)
{
    ls_buf_printf(out, ", factor=%u", percent / 100);
    if (percent % 10)
        ls_buf_printf(out, ".%02u", percent % 100);
    else if (percent % 100)
        ls_buf_printf(out, ".%u", percent % 100 / 10);
}

void ls_retry_write(struct ls_buf *out, const struct ls_retry *p)
{
    char delay[32], longest[32];

    if (p->name) {
        ls_buf_text(out, p->name);
        return;
    }
    ls_duration_write(p->first_ms, delay);
    ls_duration_write(p->max_ms, longest);
    ls_buf_printf(out, "attempts=%u, delay=%s", p->attempts, delay);
    write_factor(out, p->factor_percent);
    ls_buf_printf(out, ", max_delay=%s, jitter=%u%%", longest, p->jitter_percent);
}

const char *ls_retry_text(const struct ls_retry *p, struct ls_arena *mem)
{
    struct ls_buf out;
    const char *ret;

    ls_buf_init(&out, 0);
    ls_retry_write(&out, p);
    ret = out.failed ? NULL : ls_arena_text(mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return ret;
}
