/* SPDX-License-Identifier: Apache-2.0 */
/* retry_after.c - how long a receiver asks us to wait.
 *
 * Retry-After is seconds or a date (RFC 9110); some send fractions (Shopify: 2.0), some durations as Go prints them (OpenAI: 1m30s,
 * 250ms). The X-RateLimit family has no standard: seconds from now to some, Unix seconds to others; numbers that as seconds would be
 * over three years are taken for the latter. The IETF's RateLimit-Reset is seconds.
 *
 * Whatever cannot be read is as if it were not there; nothing is longer than a day. A header that comes more than once counts by its longest. */
#include "event/retry.h"

#include <curl/curl.h>
#include <string.h>

#include "base/text.h"

#define UNIX_FROM_MS INT64_C(100000000000) /* 10^8 s: as a duration over three years */
#define VALUE_MAX 64                       /* bytes of a value; a date has 29 */

static int64_t within_a_day(int64_t ms)
{
    if (ms < 0)
        return 0;
    return ms < LS_RETRY_DAY_MS ? ms : LS_RETRY_DAY_MS;
}

/* Reads digits and, behind a point, three more that count; *at behind them. Milliseconds of that many seconds, held at a
 * number that no sum of a few overflows. */
static bool read_number(const char **at, int64_t *ret_ms)
{
    const int64_t most = INT64_C(1) << 52;
    int64_t ms = 0, weight = 1000;
    const char *start = *at;

    for (; **at >= '0' && **at <= '9'; (*at)++)
        ms = ms < most ? ms * 10 + (**at - '0') * 1000 : most;
    if (*at == start)
        return false;
    if (**at != '.') {
        *ret_ms = ms;
        return true;
    }
    start = ++*at;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        weight /= 10;
        ms += (**at - '0') * weight;
    }
    *ret_ms = ms;
    return *at > start;
}

/* 1h30m, 250ms, 1.5s: numbers with units, each once or more. */
static bool read_duration(const char *at, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    int64_t total_ms = 0;

    if (!*at)
        return false;
    while (*at) {
        int64_t thousandths;
        size_t i = 0;

        if (!read_number(&at, &thousandths))
            return false;
        while (i < sizeof(units) / sizeof(units[0]) && !ls_text_starts(at, units[i].unit))
            i++;
        if (i == sizeof(units) / sizeof(units[0]))
            return false;
        at += strlen(units[i].unit);
        if (thousandths > LS_RETRY_DAY_MS * 1000)
            thousandths = LS_RETRY_DAY_MS * 1000;
        total_ms = within_a_day(total_ms + within_a_day(thousandths * units[i].ms / 1000));
    }
    *ret_ms = total_ms;
    return true;
}

/* Seconds, and nothing behind them. */
static bool read_seconds(const char *at, int64_t *ret_ms)
{
    return read_number(&at, ret_ms) && *at == '\0';
}

/* A date of HTTP begins with a day of the week: only then libcurl's reader, which is generous, is asked. */
static bool read_date(const char *value, int64_t *ret_ms)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    time_t t = -1;

    for (size_t i = 0; i < sizeof(days) / sizeof(days[0]) && t == -1; i++) {
        if (ls_text_starts(value, days[i]))
            t = curl_getdate(value, NULL);
    }
    if (t < 0 || t > INT64_MAX / 1000)
        return false;
    *ret_ms = (int64_t)t * 1000;
    return true;
}

int64_t ls_retry_asked_value_ms(const char *value, bool unix_too, int64_t now_ms)
{
    char text[VALUE_MAX];
    size_t start = strspn(value, " \t"), length = strnlen(value + start, VALUE_MAX);
    int64_t ms;

    while (length && length < VALUE_MAX && strchr(" \t\r\n", value[start + length - 1]))
        length--;
    if (length == 0 || length == VALUE_MAX)
        return -1;
    memcpy(text, value + start, length);
    text[length] = '\0';
    if (read_seconds(text, &ms))
        return within_a_day(unix_too && ms >= UNIX_FROM_MS ? ms - now_ms : ms);
    if (read_duration(text, &ms))
        return within_a_day(ms);
    if (read_date(text, &ms))
        return within_a_day(ms - now_ms);
    return -1;
}

static int64_t longest(const struct ls_header *headers, size_t count, const char *name,
                       bool unix_too, int64_t now_ms)
{
    int64_t found_ms = -1;

    for (size_t i = 0; i < count; i++) {
        int64_t ms = ls_text_equal_nocase(headers[i].name, name)
                         ? ls_retry_asked_value_ms(headers[i].value, unix_too, now_ms)
                         : -1;

        if (ms > found_ms)
            found_ms = ms;
    }
    return found_ms;
}

int64_t ls_retry_asked_ms(const struct ls_header *headers, size_t count, int64_t now_ms)
{
    static const char *const others[] = {"X-RateLimit-Reset", "X-RateLimit-Reset-Requests",
                                         "X-RateLimit-Reset-Tokens", "RateLimit-Reset"};
    int64_t found_ms = longest(headers, count, "Retry-After", false, now_ms);

    if (found_ms >= 0)
        return found_ms;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        int64_t ms = longest(headers, count, others[i], true, now_ms);

        if (ms > found_ms)
            found_ms = ms;
    }
    return found_ms < 0 ? 0 : found_ms;
}

bool ls_retry_final(int status, const struct ls_header *headers, size_t count)
{
    if (status != 489)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (ls_text_equal_nocase(headers[i].name, "Upstash-NonRetryable-Error") &&
            ls_text_equal_nocase(headers[i].value, "true"))
            return true;
    }
    return false;
}
