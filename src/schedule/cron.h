/* SPDX-License-Identifier: Apache-2.0 */
/* cron.h - when something is due: five-field cron expressions, in UTC or in a time zone. Pure; any thread.
 *
 * Fields: minute, hour, day of month, month, day of week, each `*`, a number, a name (jan, mon; any case), a range,
 * a list of these, with a step behind `*`, a range or a number (from it on). Also @hourly, @daily (@midnight), @weekly, @monthly,
 * @yearly (@annually), and CRON_TZ=Zone (or TZ=Zone) in front. As in cron a day has to fit the day of month OR the day of week
 * when neither field begins with `*`, otherwise both. Sunday is 0 or 7. docs/schedules.md has it for people. */
#ifndef LS_SCHEDULE_CRON_H
#define LS_SCHEDULE_CRON_H

#include "base/buf.h"
#include "base/zone.h"

#define LS_CRON_MAX 500     /* bytes of an expression */
#define LS_CRON_ZONE_MAX 64 /* of a zone's name, with its NUL */
#define LS_CRON_NEVER INT64_MAX

struct ls_cron {
    uint64_t minutes;             /* bit n: minute n */
    uint32_t hours, days, months; /* days from bit 1, months from bit 1 */
    uint32_t weekdays;            /* Sunday is bit 0 */
    bool any_day, any_weekday;    /* the field begins with `*` */
    char zone[LS_CRON_ZONE_MAX];  /* of the prefix; "": none was given */
};

/* LS_CONFIG says which field, its value, and what is allowed there; also for dates that never come (30 February). The
 * zone is not looked up here: ls_cron_zone() does. */
LS_MUST_CHECK enum ls_code ls_cron_parse(const char *text, struct ls_cron *ret,
                                         struct ls_error *err);

/* Days of the week alone, as in the last field ("mon-fri", "1,3"); bit 0 is Sunday. LS_CONFIG as above. */
LS_MUST_CHECK enum ls_code ls_cron_weekdays(const char *text, size_t length, uint32_t *ret,
                                            struct ls_error *err);

/* Opens the zone in which the expression counts: that of its prefix, or else `zone`, or else (NULL or "") UTC. LS_CONFIG for an unknown
 * one, with the nearest name, and when two are given that differ. Close with ls_zone_close(). */
LS_MUST_CHECK enum ls_code ls_cron_zone(const struct ls_cron *cron, const char *zone,
                                        struct ls_zone **ret, struct ls_error *err);

/* The first due time after that moment, both in UTC; LS_CRON_NEVER when there is none before the year 10000.
 *
 * Where clocks change. An expression that names hours is due once for each time of the wall clock that it names: at the end of the gap
 * for times that are skipped (once for all of them), the first time round for times that happen twice. One that is due in every hour (`*`)
 * goes on as if clocks did not change: it is due in both of the hours that look alike, and not for minutes that never were. */
int64_t ls_cron_next(const struct ls_cron *cron, const struct ls_zone *zone, int64_t after_us);
/* The last due time at or before that moment; -LS_CRON_NEVER when there is none since 1970. */
int64_t ls_cron_last(const struct ls_cron *cron, const struct ls_zone *zone, int64_t at_us);

/* Appends what it means in words: "every 6 hours, at minute 0, UTC". zone: the one of ls_cron_zone(), by name. */
void ls_cron_describe(const struct ls_cron *cron, const char *zone, struct ls_buf *out);

#endif
