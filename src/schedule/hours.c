/* SPDX-License-Identifier: Apache-2.0 */
/* hours.c - business hours.
 *
 * Whether a moment is inside is a look at the wall clock, so on a day on which clocks change a window is an hour longer or shorter, as the
 * day of the people is who keep it. Where the hours begin and end is found by going from edge to edge: a window has one at least once in
 * eight days. */
#include "schedule/hours.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "schedule/cron.h"

#define MINUTE_US (INT64_C(60) * 1000000)
#define DAY_MINUTES 1440u
#define DAY_US (DAY_MINUTES * MINUTE_US)
#define TEXT_MAX 300 /* bytes */

/* ---- reading ---- */

static enum ls_code bad(const char *text, const char *why, struct ls_error *err)
{
    char shown[4 * 60];
    const size_t length = ls_utf8_cut(text, strnlen(text, 60));
    const size_t size = ls_text_escape(shown, text, length);

    return ls_error_set(err, LS_CONFIG, "hours \"%.*s\": %s, such as mon-fri 08:00-18:00",
                        (int)size, shown, why);
}

/* "08:00" at *at, which moves behind it. */
static bool read_time(const char **at, unsigned *ret)
{
    const char *p = *at;
    unsigned h, m;

    if (strspn(p, "0123456789") != 2 || p[2] != ':' || strspn(p + 3, "0123456789") != 2)
        return false;
    h = (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
    m = (unsigned)(p[3] - '0') * 10 + (unsigned)(p[4] - '0');
    *at = p + 5;
    *ret = h * 60 + m;
    return m < 60 && *ret <= DAY_MINUTES;
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* One window at *at, which moves behind it. */
static enum ls_code read_window(const char *text, const char **at, struct ls_hours_window *ret,
                                struct ls_error *err)
{
    const char *p = skip_blanks(*at);
    const size_t word = strcspn(p, " \t;");
    enum ls_code rc = LS_OK;

    ret->weekdays = 0x7f;
    if (!memchr(p, ':', word)) {
        rc = ls_cron_weekdays(p, word, &ret->weekdays, err);
        p = skip_blanks(p + word);
    }
    if (rc != LS_OK)
        return rc;
    if (!read_time(&p, &ret->from) || *p++ != '-' || !read_time(&p, &ret->to))
        return bad(text, "two times of the day are expected, from 00:00 to 24:00", err);
    if (ret->from == ret->to || ret->from == DAY_MINUTES)
        return bad(text, "the time between the two is empty. All of a day is 00:00-24:00; write it",
                   err);
    *at = skip_blanks(p);
    return LS_OK;
}

enum ls_code ls_hours_parse(const char *text, struct ls_hours *ret, struct ls_error *err)
{
    struct ls_hours hours = {0};
    const char *at = skip_blanks(text);
    enum ls_code rc = LS_OK;

    if (strlen(text) > TEXT_MAX)
        return bad(text, "the text is too long. It is days and times", err);
    while (*at && rc == LS_OK) {
        if (hours.count == LS_HOURS_WINDOWS)
            return bad(text, "there are more than eight parts. Each is days and times", err);
        rc = read_window(text, &at, &hours.window[hours.count++], err);
        if (rc == LS_OK && *at && *at++ != ';')
            rc = bad(text, "behind a part stands a semicolon or nothing. A part is days and times",
                     err);
    }
    if (rc == LS_OK)
        *ret = hours;
    return rc;
}

/* ---- asking ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool begins_on(const struct ls_hours_window *w, int64_t day)
{
    return w->weekdays >> ((day + 4) % 7 + 7) % 7 & 1u; /* 1970-01-01 was a Thursday */
}

static bool is_inside(const struct ls_hours_window *w, int64_t day, unsigned minute)
{
    if (w->from < w->to)
        return begins_on(w, day) && minute >= w->from && minute < w->to;
    return (begins_on(w, day) && minute >= w->from) || (begins_on(w, day - 1) && minute < w->to);
}

bool ls_hours_contain(const struct ls_hours *hours, const struct ls_zone *zone, int64_t utc_us)
{
    const int64_t local_us = ls_zone_to_local(zone, utc_us), day = floor_div(local_us, DAY_US);
    const unsigned minute = (unsigned)((local_us - day * DAY_US) / MINUTE_US);

    for (size_t i = 0; i < hours->count; i++)
        if (is_inside(&hours->window[i], day, minute))
            return true;
    return hours->count == 0;
}

/* Moments at which being inside may begin or end are the edges of windows and the changes of the clock. Takes those at or after utc_us
 * (or, backwards, at or before it), and keeps the nearest. */
static void take(int64_t utc_us, int64_t edge_us, bool back, int64_t *best)
{
    if (back ? edge_us <= utc_us && edge_us > *best : edge_us >= utc_us && edge_us < *best)
        *best = edge_us;
}

/* The nearest edge in that direction. As long as the clock goes evenly it is the edge of a window; behind that, the change of the clock. */
static int64_t edge(const struct ls_hours *hours, const struct ls_zone *zone, int64_t utc_us,
                    bool back)
{
    const int64_t today = floor_div(ls_zone_to_local(zone, utc_us), DAY_US);
    const struct ls_zone_stretch s = ls_zone_stretch(zone, utc_us);
    int64_t best = back ? INT64_MIN : INT64_MAX;

    take(utc_us, back ? s.from_us : s.to_us, back, &best);
    for (int64_t day = today - 8; day <= today + 8; day++)
        for (size_t i = 0; i < hours->count; i++) {
            const int64_t midnight_us = day * DAY_US - s.offset_us;

            take(utc_us, midnight_us + hours->window[i].from * MINUTE_US, back, &best);
            take(utc_us, midnight_us + hours->window[i].to * MINUTE_US, back, &best);
        }
    return best;
}

int64_t ls_hours_after(const struct ls_hours *hours, const struct ls_zone *zone, int64_t utc_us)
{
    while (utc_us < INT64_MAX && !ls_hours_contain(hours, zone, utc_us))
        utc_us = edge(hours, zone, utc_us + 1, false);
    return utc_us;
}

/* The last moment before an edge is one microsecond before it. */
int64_t ls_hours_before(const struct ls_hours *hours, const struct ls_zone *zone, int64_t utc_us)
{
    while (utc_us > INT64_MIN && !ls_hours_contain(hours, zone, utc_us)) {
        utc_us = edge(hours, zone, utc_us, true);
        if (utc_us > INT64_MIN)
            utc_us--;
    }
    return utc_us;
}
