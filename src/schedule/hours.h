/* SPDX-License-Identifier: Apache-2.0 */
/* hours.h - business hours: "mon-fri 08:00-18:00; sat 08:00-12:00". Pure; any thread.
 *
 * Days as in cron's last field (left out: all), from the first time up to, and without, the second one, by the wall clock of a zone. A
 * second time before the first one is that of the next day ("22:00-06:00"). 24:00 is the end of a day. */
#ifndef LS_SCHEDULE_HOURS_H
#define LS_SCHEDULE_HOURS_H

#include "base/zone.h"

#define LS_HOURS_WINDOWS 8

struct ls_hours {
    size_t count; /* 0: any time is fine */
    struct ls_hours_window {
        uint32_t weekdays; /* on which it begins; Sunday is bit 0 */
        unsigned from, to; /* minutes of the day; to < from: of the next day */
    } window[LS_HOURS_WINDOWS];
};

/* LS_CONFIG says what is wrong and what it looks like. "" has no windows. */
LS_MUST_CHECK enum ls_code ls_hours_parse(const char *text, struct ls_hours *ret,
                                          struct ls_error *err);
/* Whether that moment, in UTC, is inside of one. */
bool ls_hours_contain(const struct ls_hours *hours, const struct ls_zone *zone, int64_t utc_us);
/* The first moment at or after that one which is inside; the last one at or before it. */
int64_t ls_hours_after(const struct ls_hours *hours, const struct ls_zone *zone, int64_t utc_us);
int64_t ls_hours_before(const struct ls_hours *hours, const struct ls_zone *zone, int64_t utc_us);

#endif
