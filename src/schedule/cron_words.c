/* SPDX-License-Identifier: Apache-2.0 */
/* cron_words.c - what an expression means, in words.
 *
 * From the sets, not from the text: what means the same reads the same, and a reader sees what will happen, not what was written. Three
 * parts: the time of the day, the days, the zone. "every 6 hours, at minute 0, UTC"; "at 09:00 on Monday to Friday, Europe/Vienna".
 *
 * A step is told as one only when it goes evenly over the edge (every 7 hours would not be every 7 hours at midnight). */
#include "schedule/cron.h"

#define TIMES_MAX 6 /* times of the day that are listed one by one */

static const char *const month_names[] = {"",        "January",  "February", "March",  "April",
                                          "May",     "June",     "July",     "August", "September",
                                          "October", "November", "December"};
/* A week begins on Monday here, so that Saturday and Sunday stand together. */
static const char *const day_names[] = {"",         "Monday", "Tuesday",  "Wednesday",
                                        "Thursday", "Friday", "Saturday", "Sunday"};

#define ALL_MINUTES ((UINT64_C(1) << 60) - 1)
#define ALL_HOURS UINT64_C(0xffffff)
#define ALL_DAYS UINT64_C(0xfffffffe)
#define ALL_MONTHS UINT64_C(0x1ffe)
#define ALL_WEEKDAYS UINT64_C(0x7f)

static unsigned count_of(uint64_t bits)
{
    return (unsigned)__builtin_popcountll(bits);
}

static unsigned first_of(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits);
}

/* n when the set is every n-th of 0 to size - 1 from its first on, and n goes evenly into size; else 0. */
static unsigned step_of(uint64_t bits, unsigned size)
{
    const unsigned count = count_of(bits), step = count ? size / count : 0;

    if (count < 2 || size % count || first_of(bits) >= step)
        return 0;
    for (unsigned n = first_of(bits); n < size; n += step)
        if (!(bits >> n & 1u))
            return 0;
    return step;
}

static void add_value(struct ls_buf *out, unsigned n, const char *const *names)
{
    if (names)
        ls_buf_text(out, names[n]);
    else
        ls_buf_i64(out, n);
}

/* "1, 3 to 5 and 9". */
static void add_list(struct ls_buf *out, uint64_t bits, const char *const *names)
{
    const char *gap = "";

    while (bits) {
        const unsigned low = first_of(bits);
        unsigned high = low;

        while (bits >> (high + 1) & 1u)
            high++;
        high = high > low + 1 ? high : low; /* two neighbours are two */
        bits &= high >= 63 ? 0 : ~UINT64_C(0) << (high + 1);
        ls_buf_text(out, !*gap ? "" : bits ? ", " : " and ");
        gap = ", ";
        add_value(out, low, names);
        if (high > low) {
            ls_buf_text(out, " to ");
            add_value(out, high, names);
        }
    }
}

/* "at 09:00, 09:30 and 17:00". */
static void add_times(struct ls_buf *out, const struct ls_cron *c)
{
    const unsigned count = count_of(c->hours) * count_of(c->minutes);
    unsigned n = 0;

    ls_buf_text(out, "at ");
    for (unsigned t = 0; t < 1440; t++)
        if ((c->hours >> t / 60 & 1u) && (c->minutes >> t % 60 & 1u)) {
            ls_buf_text(out, n == 0 ? "" : n + 1 == count ? " and " : ", ");
            ls_buf_printf(out, "%02u:%02u", t / 60, t % 60);
            n++;
        }
}

static void add_minutes(struct ls_buf *out, uint64_t minutes)
{
    const unsigned step = step_of(minutes, 60);

    if (minutes == ALL_MINUTES)
        ls_buf_text(out, "every minute");
    else if (step && first_of(minutes) == 0)
        ls_buf_printf(out, "every %u minutes", step);
    else if (step > 1)
        ls_buf_printf(out, "every %u minutes from minute %u on", step, first_of(minutes));
    else {
        ls_buf_printf(out, "at minute%s ", count_of(minutes) == 1 ? "" : "s");
        add_list(out, minutes, NULL);
    }
}

/* The time of the day. */
static void add_time(struct ls_buf *out, const struct ls_cron *c)
{
    const unsigned step = step_of(c->hours, 24);

    if (c->hours == ALL_HOURS) {
        if (count_of(c->minutes) == 1)
            ls_buf_text(out, "every hour, ");
        add_minutes(out, c->minutes);
        if (count_of(c->minutes) > 1 && !step_of(c->minutes, 60))
            ls_buf_text(out, " of every hour");
    } else if (step && count_of(c->minutes) == 1) {
        ls_buf_printf(out, "every %u hours", step);
        if (first_of(c->hours))
            ls_buf_printf(out, " from %u on", first_of(c->hours));
        ls_buf_text(out, ", ");
        add_minutes(out, c->minutes);
    } else if (count_of(c->hours) * count_of(c->minutes) <= TIMES_MAX) {
        add_times(out, c);
    } else {
        add_minutes(out, c->minutes);
        ls_buf_printf(out, " of hour%s ", count_of(c->hours) == 1 ? "" : "s");
        add_list(out, c->hours, NULL);
    }
}

static void add_days(struct ls_buf *out, const struct ls_cron *c)
{
    const bool all_days = c->days == ALL_DAYS, all_weekdays = c->weekdays == ALL_WEEKDAYS;
    const bool both = c->any_day || c->any_weekday;

    if (both ? all_days && all_weekdays : all_days || all_weekdays)
        return;
    if (!all_days) {
        ls_buf_printf(out, " on day%s ", count_of(c->days) == 1 ? "" : "s");
        add_list(out, c->days, NULL);
        ls_buf_text(out, " of the month");
    }
    if (!all_weekdays) {
        ls_buf_text(out, all_days ? " on " : both ? ", if it is " : ", and on every ");
        add_list(out, (c->weekdays & 0x7eu) | (uint64_t)(c->weekdays & 1u) << 7, day_names);
    }
}

void ls_cron_describe(const struct ls_cron *cron, const char *zone, struct ls_buf *out)
{
    add_time(out, cron);
    add_days(out, cron);
    if (cron->months != ALL_MONTHS) {
        ls_buf_text(out, " in ");
        add_list(out, cron->months, month_names);
    }
    ls_buf_printf(out, ", %s", zone);
}
