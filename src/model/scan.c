/* SPDX-License-Identifier: Apache-2.0 */
/* scan.c - dates, times, booleans and UUIDs from text and to text.
 *
 * The calendar is the proleptic Gregorian one, as in PostgreSQL; there is no year 0, the year before 1 is
 * 1 BC. Days and civil dates are turned into each other by the well-known algorithm over eras of 400
 * years that begin in March. strptime() and mktime() know neither years before 1900 everywhere nor
 * microseconds, and they look at the locale and TZ.
 *
 * Strict on purpose: "1 o'clock", "now" and 31 February are refused, and so are digits behind the sixth
 * one that are not zero, because a value that is guessed or rounded here would be written as fact. */
#include "model/scan.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/value.h"

/* The ends of what PostgreSQL's date holds, and of what 64 bits of microseconds do. */
#define DATE_MIN INT64_C(-2440588)   /* 4714-11-24 BC, day 0 of the Julian count */
#define DATE_MAX INT64_C(2145042905) /* 5874897-12-31 */
#define STAMP_MIN (DATE_MIN * LS_DAY_US)
#define STAMP_MAX (INT64_C(106751989) * LS_DAY_US + (LS_DAY_US - 1)) /* 294247-01-08 */
#define SECOND_US INT64_C(1000000)

struct cursor {
    const char *text;
    size_t size, at;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && strncasecmp(text, word, size) == 0;
}

bool ls_scan_bool(const char *text, size_t size, bool *ret)
{
    static const char *const words[][2] = {{"f", "t"}, {"false", "true"}, {"0", "1"},
                                           {"n", "y"}, {"no", "yes"},     {"off", "on"}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (int truth = 0; truth < 2; truth++)
            if (is_word(text, size, words[i][truth])) {
                *ret = truth;
                return true;
            }
    return false;
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool ls_scan_uuid(const char *text, size_t size, uint8_t ret[16])
{
    uint8_t bytes[16];
    size_t at = 0;

    if (size != 32 && size != 36)
        return false;
    for (size_t i = 0; i < 16; i++) {
        int high, low;

        if (size == 36 && (i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-')
            return false;
        high = hex_digit(text[at++]);
        low = hex_digit(text[at++]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(ret, bytes, sizeof bytes);
    return true;
}

bool ls_scan_hex(const char *text, size_t size, size_t *ret_size)
{
    if (size < 2 || size % 2 != 0 || text[0] != '\\' || text[1] != 'x')
        return false;
    for (size_t i = 2; i < size; i++)
        if (hex_digit(text[i]) < 0)
            return false;
    *ret_size = size / 2 - 1;
    return true;
}

/* Days since 1970-01-01 of a civil date; year 0 is 1 BC. */
static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void civil_of(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;

    *ret_day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *ret_month = (int)(m < 10 ? m + 3 : m - 9);
    *ret_year = y + era * 400 + (*ret_month <= 2);
}

static bool take(struct cursor *c, char wanted)
{
    if (c->at >= c->size || c->text[c->at] != wanted)
        return false;
    c->at++;
    return true;
}

/* Between `least` and `most` digits. */
static bool number(struct cursor *c, size_t least, size_t most, int64_t *ret)
{
    size_t from = c->at;
    int64_t v = 0;

    while (c->at < c->size && c->at - from < most && is_digit(c->text[c->at]))
        v = v * 10 + (c->text[c->at++] - '0');
    *ret = v;
    return c->at - from >= least && (c->at == c->size || !is_digit(c->text[c->at]));
}

/* Like it, with exactly two digits and at most `max`. */
static bool two_digits(struct cursor *c, int64_t max, int64_t *ret)
{
    size_t from = c->at;

    if (c->size - from < 2 || !is_digit(c->text[from]) || !is_digit(c->text[from + 1]))
        return false;
    *ret = (c->text[from] - '0') * 10 + (c->text[from + 1] - '0');
    c->at += 2;
    return *ret <= max;
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* YYYY-MM-DD; `bc` is known from the end of the text. */
static bool scan_day(struct cursor *c, bool bc, int64_t *ret)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day;

    if (!number(c, 4, 7, &year) || year == 0 || !take(c, '-') || !two_digits(c, 12, &month) ||
        month == 0 || !take(c, '-') || !two_digits(c, 31, &day) || day == 0)
        return false;
    if (bc)
        year = 1 - year;
    if (day > lengths[month - 1] + (month == 2 && is_leap(year)))
        return false;
    *ret = days_of(year, (int)month, (int)day);
    return *ret >= DATE_MIN && *ret <= DATE_MAX;
}

/* .ffffff, as many as there are, zeros behind the sixth. */
static bool scan_fraction(struct cursor *c, int64_t *ret)
{
    int64_t unit = SECOND_US / 10;
    size_t from = c->at;

    *ret = 0;
    for (; c->at < c->size && is_digit(c->text[c->at]); c->at++) {
        int d = c->text[c->at] - '0';

        if (unit == 0 && d != 0)
            return false;
        *ret += d * unit;
        unit /= 10;
    }
    return c->at > from;
}

static bool scan_clock(struct cursor *c, int64_t *ret)
{
    int64_t hour, minute, second = 0, fraction = 0;

    if (!two_digits(c, 24, &hour) || !take(c, ':') || !two_digits(c, 59, &minute))
        return false;
    if (take(c, ':')) {
        if (!two_digits(c, 59, &second))
            return false;
        if (take(c, '.') && !scan_fraction(c, &fraction))
            return false;
    }
    *ret = ((hour * 60 + minute) * 60 + second) * SECOND_US + fraction;
    return *ret <= LS_DAY_US;
}

/* Z or +hh[[:]mm[:ss]], perhaps behind a blank; *ret_us is what the wall is ahead of UTC. */
static bool scan_zone(struct cursor *c, int64_t *ret_us)
{
    int64_t hour, minute = 0, second = 0;
    bool negative;

    (void)take(c, ' ');
    *ret_us = 0;
    if (take(c, 'Z') || take(c, 'z'))
        return true;
    negative = c->at < c->size && c->text[c->at] == '-';
    if (!negative && !take(c, '+'))
        return false;
    c->at += negative;
    if (!two_digits(c, 15, &hour))
        return false;
    if (c->at < c->size) {
        (void)take(c, ':');
        if (!two_digits(c, 59, &minute))
            return false;
        if (take(c, ':') && !two_digits(c, 59, &second))
            return false;
    }
    *ret_us = ((hour * 60 + minute) * 60 + second) * SECOND_US * (negative ? -1 : 1);
    return true;
}

static bool infinite(const char *text, size_t size, int64_t *ret)
{
    if (size < 8 || size > 9)
        return false;
    if (is_word(text, size, "infinity") || is_word(text, size, "+infinity"))
        *ret = LS_TIME_INFINITY;
    else if (is_word(text, size, "-infinity"))
        *ret = LS_TIME_MINUS_INFINITY;
    else
        return false;
    return true;
}

/* Takes " BC" (or " AD") off the end; true when it was BC. */
static bool before_christ(struct cursor *c)
{
    bool bc;

    if (c->size <= 3 || c->text[c->size - 3] != ' ')
        return false;
    bc = is_word(c->text + c->size - 3, 3, " bc");

    if (bc || is_word(c->text + c->size - 3, 3, " ad"))
        c->size -= 3;
    return bc;
}

/* Day and time of day apart; *ret_zone tells whether a zone was given. */
static bool scan_moment(const char *text, size_t size, int64_t *ret_day, int64_t *ret_us,
                        bool *ret_zone)
{
    struct cursor c = {.text = text, .size = size};
    bool bc = before_christ(&c);
    int64_t offset;

    *ret_us = 0;
    *ret_zone = false;
    if (!scan_day(&c, bc, ret_day))
        return false;
    if (c.at == c.size)
        return true;
    if (!take(&c, ' ') && !take(&c, 'T') && !take(&c, 't'))
        return false;
    if (!scan_clock(&c, ret_us))
        return false;
    if (c.at == c.size)
        return true;
    *ret_zone = true;
    if (!scan_zone(&c, &offset) || c.at != c.size)
        return false;
    *ret_us -= offset;
    return true;
}

bool ls_scan_date(const char *text, size_t size, int64_t *ret)
{
    int64_t day, us;
    bool zone;

    if (infinite(text, size, ret))
        return true;
    if (!scan_moment(text, size, &day, &us, &zone) || zone || us != 0)
        return false;
    *ret = day;
    return true;
}

bool ls_scan_time(const char *text, size_t size, int64_t *ret)
{
    struct cursor c = {.text = text, .size = size};
    int64_t us;

    if (!scan_clock(&c, &us) || c.at != c.size)
        return false;
    *ret = us;
    return true;
}

bool ls_scan_timestamp(const char *text, size_t size, int64_t *ret, bool *ret_absolute)
{
    int64_t day, us;
    bool zone;

    if (infinite(text, size, ret))
        return true;
    if (!scan_moment(text, size, &day, &us, &zone) || day > STAMP_MAX / LS_DAY_US)
        return false;
    us += day * LS_DAY_US; /* in 64 bits: the largest day leaves room for a day and an offset */
    if (us < STAMP_MIN || us > STAMP_MAX)
        return false;
    *ret = us;
    *ret_absolute = zone;
    return true;
}

static int64_t floor_to(int64_t v, int64_t unit)
{
    int64_t rest = v % unit;

    return v - (rest < 0 ? rest + unit : rest);
}

int64_t ls_time_cut(int64_t us, int fraction)
{
    static const int64_t units[] = {1000000, 100000, 10000, 1000, 100, 10};

    if (fraction >= 6 || us == LS_TIME_INFINITY || us < STAMP_MIN)
        return us;
    return floor_to(us, units[fraction < 0 ? 0 : fraction]);
}

static int64_t clamp(int64_t v, int64_t min, int64_t max)
{
    return v < min ? min : v > max ? max : v;
}

/* At least `digits` digits; gives where it ended. Times are printed by the million, which printf() is too slow for. */
static char *put_digits(char *out, int64_t v, int digits)
{
    int64_t most = 10;

    for (int i = 1; i < digits || most <= v; i++)
        most *= 10;
    while ((most /= 10) > 0)
        *out++ = (char)('0' + v / most % 10);
    return out;
}

static char *put_text(char *out, const char *text)
{
    while (*text)
        *out++ = *text++;
    return out;
}

/* HH:MM:SS[.ffffff] without trailing zeros. */
static char *put_clock(char *out, int64_t us)
{
    int64_t s = us / SECOND_US, fraction = us % SECOND_US;
    int digits = 6;

    out = put_digits(out, s / 3600, 2);
    *out++ = ':';
    out = put_digits(out, s / 60 % 60, 2);
    *out++ = ':';
    out = put_digits(out, s % 60, 2);
    if (fraction == 0)
        return out;
    for (; fraction % 10 == 0; fraction /= 10)
        digits--;
    *out++ = '.';
    return put_digits(out, fraction, digits);
}

/* YYYY-MM-DD; *ret_era is what belongs behind everything: "" or " BC". */
static char *put_day(char *out, int64_t days, const char **ret_era)
{
    int64_t year;
    int month, day;

    civil_of(days, &year, &month, &day);
    *ret_era = year > 0 ? "" : " BC";
    out = put_digits(out, year > 0 ? year : 1 - year, 4);
    *out++ = '-';
    out = put_digits(out, month, 2);
    *out++ = '-';
    return put_digits(out, day, 2);
}

static bool print_infinity(char out[LS_PRINT_MAX], int64_t v)
{
    if (v != LS_TIME_INFINITY && v != LS_TIME_MINUS_INFINITY)
        return false;
    (void)snprintf(out, LS_PRINT_MAX, "%s", v > 0 ? "infinity" : "-infinity");
    return true;
}

void ls_print_date(char out[LS_PRINT_MAX], int64_t days)
{
    const char *era;

    if (print_infinity(out, days))
        return;
    out = put_day(out, clamp(days, DATE_MIN, DATE_MAX), &era);
    *put_text(out, era) = '\0';
}

void ls_print_time(char out[LS_PRINT_MAX], int64_t us)
{
    *put_clock(out, clamp(us, 0, LS_DAY_US)) = '\0';
}

void ls_print_timestamp(char out[LS_PRINT_MAX], int64_t us, char separator, const char *zone)
{
    const char *era;
    int64_t midnight;

    if (print_infinity(out, us))
        return;
    us = clamp(us, STAMP_MIN, STAMP_MAX);
    midnight = floor_to(us, LS_DAY_US);
    out = put_day(out, midnight / LS_DAY_US, &era);
    *out++ = separator;
    out = put_clock(out, us - midnight);
    out = put_text(out, zone);
    *put_text(out, era) = '\0';
}

void ls_print_uuid(char out[37], const void *bytes)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *b = bytes;
    size_t at = 0;

    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = hex[b[i] >> 4];
        out[at++] = hex[b[i] & 15];
    }
    out[at] = '\0';
}
