/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.c - the promises that hold for any bytes: when something is due.
 *
 * cron       what is taken is due at moments that fit its fields, each of which is found again from both sides; it can be told in words */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "schedule/cron.h"
#include "targets.h"

#define NOW INT64_C(1700000000000000)
#define MINUTE INT64_C(60000000)

static void promise(int kept)
{
    if (!kept)
        abort();
}

/* In UTC, where no clock changes. */
static bool fits(const struct ls_cron *cron, int64_t us)
{
    const time_t s = us / 1000000;
    struct tm tm;
    bool day, weekday;

    gmtime_r(&s, &tm);
    day = cron->days & (uint32_t)1 << tm.tm_mday;
    weekday = cron->weekdays & (uint32_t)1 << tm.tm_wday;
    return us % MINUTE == 0 && cron->minutes & (uint64_t)1 << tm.tm_min &&
           cron->hours & (uint32_t)1 << tm.tm_hour &&
           cron->months & (uint32_t)1 << (tm.tm_mon + 1) &&
           (cron->any_day || cron->any_weekday ? day && weekday : day || weekday);
}

static void follow(const struct ls_cron *cron, const struct ls_zone *zone)
{
    int64_t at = NOW;

    for (int i = 0; i < 5; i++) {
        const int64_t next = ls_cron_next(cron, zone, at);

        promise(next > at);
        if (next == LS_CRON_NEVER)
            return;
        promise(ls_cron_next(cron, zone, next - 1) == next);
        promise(ls_cron_last(cron, zone, next) == next);
        promise(*cron->zone || fits(cron, next));
        at = next;
    }
}

static void run_cron(const uint8_t *data, size_t size)
{
    const size_t length = strnlen((const char *)data, size);
    char *text = malloc(length + 1);
    struct ls_cron cron;
    struct ls_zone *zone = NULL;
    struct ls_buf words;
    uint32_t days = 0;

    promise(text != NULL);
    memcpy(text, data, length);
    text[length] = '\0';
    if (ls_cron_weekdays(text, length, &days, NULL) == LS_OK)
        promise(days != 0 && days < 1 << 7);
    if (ls_cron_parse(text, &cron, NULL) == LS_OK) {
        promise(cron.minutes && cron.hours && cron.days && cron.months && cron.weekdays);
        ls_buf_init(&words, 0);
        ls_cron_describe(&cron, "UTC", &words);
        promise(!words.failed && words.size > 0);
        ls_buf_done(&words);
        if (ls_cron_zone(&cron, NULL, &zone, NULL) == LS_OK)
            follow(&cron, zone);
        ls_zone_close(zone);
    }
    free(text);
}

static const char *const cron_seeds[] = {"*/15 0-6,22 1,15 jan-mar mon-fri",
                                         "0 0 29 2 *",
                                         "30 2 * * 7",
                                         "CRON_TZ=Europe/Berlin 30 2 31 3,10 sun",
                                         "TZ=America/New_York 5/10 1-23/2 * * 1,3/2",
                                         "@monthly",
                                         "@midnight",
                                         "0 12 13 * 5",
                                         NULL};

const struct fuzz_target fuzz_targets[] = {
    {"cron", run_cron, cron_seeds},
};
const size_t fuzz_target_count = sizeof(fuzz_targets) / sizeof(fuzz_targets[0]);
