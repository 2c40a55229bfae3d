/* SPDX-License-Identifier: Apache-2.0 */
/* cron_next.c - when an expression is due next.
 *
 * Time is cut into stretches in which the zone's offset stays the same (base/zone.h). Inside of one the wall clock goes evenly, and the search
 * is on the calendar alone: month, day, hour, minute. Where one stretch begins, two things can be: the clock went forward, then the
 * times between its two readings were skipped; or it went back, then the times up to its old reading come for the second time.
 * Which of both counts is said in cron.h.
 *
 * So nothing here asks for local time and compares: a process in another zone, a changed TZ or a clock that is set back make no
 * difference. The time of the day is taken from tz data for the moment asked about, not for now.
 *
 * Limit: of stretches before the last one nothing is remembered, so two changes of the clock that overlap in wall time would be told
 * apart by the later one alone. No zone has had that since 1970. */
#include <string.h>

#include "schedule/cron.h"

#define MINUTE_US (INT64_C(60) * 1000000)
#define DAY_MINUTES INT64_C(1440)
#define FIRST_US (INT64_C(-62135596800) * 1000000)  /* year 1 */
#define BEYOND_US (INT64_C(253402300800) * 1000000) /* year 10000 */
#define ALL_HOURS UINT32_C(0xffffff)

struct date {
    int64_t year;
    unsigned month, day; /* from 1 */
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b > 0);
}

/* Days since 1970 of a date of the Gregorian calendar. Years are counted from March, so that the day that not every year has is
 * the last one; the months from there are 153 days every five. */
static int64_t day_of(struct date d)
{
    const int64_t y = d.year - (d.month <= 2), era = floor_div(y, 400), in_era = y - era * 400;
    const int64_t day = (153 * ((int64_t)d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;

    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + day - 719468;
}

static struct date date_of(int64_t day)
{
    const int64_t since = day + 719468, era = floor_div(since, 146097), d = since - era * 146097;
    const int64_t year = (d - d / 1460 + d / 36524 - d / 146096) / 365;
    const int64_t in_year = d - (365 * year + year / 4 - year / 100), m = (5 * in_year + 2) / 153;
    const unsigned month = (unsigned)(m < 10 ? m + 3 : m - 9);

    return (struct date){year + era * 400 + (month <= 2), month,
                         (unsigned)(in_year - (153 * m + 2) / 5 + 1)};
}

static bool fits_day(const struct ls_cron *c, struct date date, int64_t day)
{
    const unsigned weekday = (unsigned)(((day + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    const bool by_day = c->days >> date.day & 1u, by_weekday = c->weekdays >> weekday & 1u;

    return c->any_day || c->any_weekday ? by_day && by_weekday : by_day || by_weekday;
}

/* The first fitting minute of a day at or after that one; -1 when none is left. */
static int next_in_day(const struct ls_cron *c, unsigned minute)
{
    const unsigned hour = minute / 60;
    const uint64_t rest = c->minutes >> minute % 60;
    const uint32_t later = hour < 23 ? c->hours >> (hour + 1) : 0;

    if ((c->hours >> hour & 1u) && rest)
        return (int)minute + __builtin_ctzll(rest);
    if (!later)
        return -1;
    return (int)(hour + 1 + (unsigned)__builtin_ctz(later)) * 60 + __builtin_ctzll(c->minutes);
}

/* The first fitting minute of the wall clock (counted from 1970) at or after `from` and before `limit`. */
static bool next_on_calendar(const struct ls_cron *c, int64_t from, int64_t limit, int64_t *ret)
{
    int64_t day = floor_div(from, DAY_MINUTES);
    unsigned minute = (unsigned)(from - day * DAY_MINUTES);

    for (struct date date = date_of(day); day * DAY_MINUTES < limit; date = date_of(day)) {
        if (!(c->months >> date.month & 1u)) {
            date = (struct date){date.year + (date.month == 12), date.month % 12 + 1, 1};
            day = day_of(date);
        } else {
            const int found = fits_day(c, date, day) ? next_in_day(c, minute) : -1;

            if (found >= 0) {
                *ret = day * DAY_MINUTES + found;
                return *ret < limit;
            }
            day++;
        }
        minute = 0;
    }
    return false;
}

/* The first due time in a stretch at or after from_us. */
static bool next_in_stretch(const struct ls_cron *c, const struct ls_zone *zone,
                            const struct ls_zone_stretch *s, int64_t from_us, int64_t *ret)
{
    const int64_t end_us = s->to_us < BEYOND_US ? s->to_us : BEYOND_US;
    int64_t local_us = from_us + s->offset_us, minute;

    if (c->hours != ALL_HOURS && s->from_us > FIRST_US) {
        const int64_t before_us = s->from_us + ls_zone_stretch(zone, s->from_us - 1).offset_us;
        const int64_t after_us = s->from_us + s->offset_us;

        if (before_us < after_us && from_us <= s->from_us &&
            next_on_calendar(c, ceil_div(before_us, MINUTE_US), ceil_div(after_us, MINUTE_US),
                             &minute)) {
            *ret = s->from_us; /* a time that was skipped */
            return true;
        }
        if (local_us < before_us)
            local_us = before_us; /* what comes before that came already */
    }
    if (!next_on_calendar(c, ceil_div(local_us, MINUTE_US),
                          ceil_div(end_us + s->offset_us, MINUTE_US), &minute))
        return false;
    *ret = minute * MINUTE_US - s->offset_us;
    return true;
}

int64_t ls_cron_next(const struct ls_cron *cron, const struct ls_zone *zone, int64_t after_us)
{
    int64_t from_us = after_us < FIRST_US ? FIRST_US : after_us, due;

    if (from_us < INT64_MAX)
        from_us++;
    while (from_us < BEYOND_US) {
        const struct ls_zone_stretch s = ls_zone_stretch(zone, from_us);

        if (next_in_stretch(cron, zone, &s, from_us, &due))
            return due;
        from_us = s.to_us;
    }
    return LS_CRON_NEVER;
}

/* Looks ever further back until there is one, then walks up to the last one. */
int64_t ls_cron_last(const struct ls_cron *cron, const struct ls_zone *zone, int64_t at_us)
{
    int64_t back_us = MINUTE_US, due = LS_CRON_NEVER, next;
    const int64_t until_us = at_us < BEYOND_US ? at_us : BEYOND_US;

    for (bool more = true; more && due > until_us; back_us *= 2) {
        more = back_us < until_us;
        due = ls_cron_next(cron, zone, more ? until_us - back_us : -1);
    }
    if (due > until_us)
        return -LS_CRON_NEVER;
    while ((next = ls_cron_next(cron, zone, due)) <= until_us)
        due = next;
    return due;
}
