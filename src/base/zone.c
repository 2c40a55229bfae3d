/* SPDX-License-Identifier: Apache-2.0 */
/* zone.c - time zones by name, from the system's zoneinfo files.
 *
 * The C library knows one zone, that of the process; two stores may need two. So the
 * TZif files (RFC 8536) are read here: a list of moments at which the offset changes,
 * and behind it, for all time after the last one, a rule in the form of the TZ variable
 * ("CET-1CEST,M3.5.0,M10.5.0/3"). Only offsets are kept; names of offsets and whether
 * one is summer time matter to nobody here.
 *
 * Files are looked for in TZDIR, else in /usr/share/zoneinfo, as the C library does.
 * "UTC" needs no file. Every count in a file is checked before it is believed. Files
 * that count leap seconds (right/...) are refused: databases do not count them.
 *
 * Wall clock to UTC: an offset is under a day, so the right one is in force a day
 * before or a day after. Each of the two is right when the moment it gives has it.
 * Limit: two changes within two days of each other, which no zone has had since 1970. */
#include "base/zone.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"

#define US_PER_S INT64_C(1000000)
#define S_PER_DAY INT64_C(86400)
#define FILE_MAX ((size_t)256 << 10) /* the longest there is has some 4 KB */
#define OFFSET_MAX (S_PER_DAY - 1)
#define MAGIC UINT32_C(0x545a6966) /* "TZif" */

/* When in a year the clocks change. */
struct rule_day {
    char form; /* 'J': day 1 to 365, never Feb 29; 'N': day 0 to 365; 'M': month, week, weekday */
    int day, month, week;
    int64_t time_s; /* of the wall clock before the change, from midnight */
};

struct rule {
    bool has_dst;
    int64_t std_s, dst_s; /* offsets, east of UTC */
    struct rule_day start, end;
};

struct ls_zone {
    struct ls_arena mem; /* all below */
    char *name;
    size_t count;
    int64_t *at_s;     /* ascending */
    int64_t *offset_s; /* from at_s[i] on */
    int64_t first_s;   /* the offset before at_s[0] */
    bool has_rule;
    struct rule rule; /* from the last at_s on */
};

struct counts {
    uint8_t version;
    size_t utc_flags, std_flags, leaps, times, types, chars;
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days from 1970-01-01 to January 1 of a year of the Gregorian calendar. */
static int64_t days_to_year(int64_t year)
{
    int64_t y = year - 1;

    return 365 * (year - 1970) + (floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400)) - 477;
}

static int64_t year_of_day(int64_t day)
{
    int64_t year = 1970 + floor_div(day * 400, 146097); /* off by one at most */

    while (days_to_year(year) > day)
        year--;
    while (days_to_year(year + 1) <= day)
        year++;
    return year;
}

static bool is_leap(int64_t year)
{
    return days_to_year(year + 1) - days_to_year(year) == 366;
}

/* The day, from January 1, of the week-th weekday of a month; week 5 is the last. */
static int64_t weekday_of_month(const struct rule_day *d, int64_t year)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    bool leap = is_leap(year);
    int64_t first = before[d->month - 1] + (leap && d->month > 2);
    int64_t next = before[d->month] + (leap && d->month > 1);
    int64_t weekday = (days_to_year(year) + first + 4) % 7; /* 1970-01-01 was a Thursday */
    int64_t day;

    if (weekday < 0)
        weekday += 7;
    day = first + (d->day - weekday + 7) % 7 + (int64_t)7 * (d->week - 1);
    return day < next ? day : day - 7;
}

/* Seconds since 1970 of the wall clock at which the change comes in that year. */
static int64_t change_in_year(const struct rule_day *d, int64_t year)
{
    int64_t day = d->day;

    if (d->form == 'M')
        day = weekday_of_month(d, year);
    else if (d->form == 'J')
        day = d->day - 1 + (d->day > 59 && is_leap(year));
    return (days_to_year(year) + day) * S_PER_DAY + d->time_s;
}

static int64_t rule_offset(const struct rule *rule, int64_t utc_s)
{
    int64_t year, start, end;
    bool dst;

    if (!rule->has_dst)
        return rule->std_s;
    year = year_of_day(floor_div(utc_s + rule->std_s, S_PER_DAY));
    start = change_in_year(&rule->start, year) - rule->std_s;
    end = change_in_year(&rule->end, year) - rule->dst_s;
    if (start < end)
        dst = utc_s >= start && utc_s < end;
    else /* in the south summer spans the new year */
        dst = utc_s >= start || utc_s < end;
    return dst ? rule->dst_s : rule->std_s;
}

/* How many changes of the list lie behind utc_s. */
static size_t changes_behind(const struct ls_zone *zone, int64_t utc_s)
{
    size_t low = 0, high = zone->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (zone->at_s[middle] <= utc_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int64_t offset_at(const struct ls_zone *zone, int64_t utc_s)
{
    size_t behind;

    if (zone->has_rule && (zone->count == 0 || utc_s >= zone->at_s[zone->count - 1]))
        return rule_offset(&zone->rule, utc_s);
    behind = changes_behind(zone, utc_s);
    return behind ? zone->offset_s[behind - 1] : zone->first_s;
}

/* Looks whether one more moment at which the offset may change makes the stretch shorter. */
static void cut(int64_t utc_s, int64_t moment_s, int64_t *from_s, int64_t *to_s)
{
    if (moment_s <= utc_s && moment_s > *from_s)
        *from_s = moment_s;
    if (moment_s > utc_s && moment_s < *to_s)
        *to_s = moment_s;
}

/* Behind the list, the changes of the years around, and the new years, at which a rule is asked anew. */
static void cut_by_rule(const struct rule *rule, int64_t utc_s, int64_t *from_s, int64_t *to_s)
{
    const int64_t year = year_of_day(floor_div(utc_s + rule->std_s, S_PER_DAY));

    for (int64_t y = year - 1; y <= year + 1; y++) {
        cut(utc_s, days_to_year(y) * S_PER_DAY - rule->std_s, from_s, to_s);
        cut(utc_s, change_in_year(&rule->start, y) - rule->std_s, from_s, to_s);
        cut(utc_s, change_in_year(&rule->end, y) - rule->dst_s, from_s, to_s);
    }
}

struct ls_zone_stretch ls_zone_stretch(const struct ls_zone *zone, int64_t utc_us)
{
    const int64_t utc_s = floor_div(utc_us, US_PER_S);
    int64_t from_s = INT64_MIN, to_s = INT64_MAX;
    const size_t behind = changes_behind(zone, utc_s);

    if (behind)
        from_s = zone->at_s[behind - 1];
    if (behind < zone->count)
        to_s = zone->at_s[behind];
    else if (zone->has_rule && zone->rule.has_dst)
        cut_by_rule(&zone->rule, utc_s, &from_s, &to_s);
    return (struct ls_zone_stretch){
        from_s < INT64_MIN / US_PER_S ? INT64_MIN : from_s * US_PER_S,
        to_s > INT64_MAX / US_PER_S ? INT64_MAX : to_s * US_PER_S,
        offset_at(zone, utc_s) * US_PER_S,
    };
}

/* Values so far out that they cannot be moved stay at the end of the range. */
static int64_t plus_s(int64_t us, int64_t s)
{
    int64_t sum;

    if (__builtin_add_overflow(us, s * US_PER_S, &sum))
        return s < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

int64_t ls_zone_to_local(const struct ls_zone *zone, int64_t utc_us)
{
    return plus_s(utc_us, offset_at(zone, floor_div(utc_us, US_PER_S)));
}

int64_t ls_zone_to_utc(const struct ls_zone *zone, int64_t local_us)
{
    int64_t local_s = floor_div(local_us, US_PER_S);
    int64_t before = offset_at(zone, local_s - S_PER_DAY);
    int64_t after = offset_at(zone, local_s + S_PER_DAY);
    bool before_fits = offset_at(zone, local_s - before) == before;
    bool after_fits = offset_at(zone, local_s - after) == after;

    /* Both fit while an hour happens twice; the first is the one before the change. */
    return plus_s(local_us, after_fits && !before_fits ? -after : -before);
}

const char *ls_zone_name(const struct ls_zone *zone)
{
    return zone->name;
}

/* The parts of the rule. Each moves *at on, or gives false. */

static bool parse_int(const char **at, int max, int *ret)
{
    const char *p = *at;
    int v = 0;

    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        v = v * 10 + (*p - '0');
        if (v > max)
            return false;
    }
    *at = p;
    *ret = v;
    return true;
}

static bool skip_char(const char **at, char c)
{
    if (**at != c)
        return false;
    ++*at;
    return true;
}

/* [+-]hh[:mm[:ss]], in seconds */
static bool parse_time(const char **at, int64_t *ret)
{
    int h, m = 0, s = 0;
    bool minus = skip_char(at, '-');

    if (!minus)
        (void)skip_char(at, '+');
    if (!parse_int(at, 167, &h))
        return false;
    if (skip_char(at, ':') && !parse_int(at, 59, &m))
        return false;
    if (skip_char(at, ':') && !parse_int(at, 59, &s))
        return false;
    *ret = (minus ? -1 : 1) * (INT64_C(3600) * h + INT64_C(60) * m + s);
    return true;
}

/* The name of an offset, CET or <+0530>; of no use but to be passed. */
static bool skip_name(const char **at)
{
    const char *p = *at, *end;

    if (*p == '<') {
        end = strchr(p, '>');
        if (!end)
            return false;
        *at = end + 1;
        return true;
    }
    while ((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z'))
        p++;
    if (p == *at)
        return false;
    *at = p;
    return true;
}

static bool parse_day(const char **at, struct rule_day *d)
{
    bool good;

    d->time_s = 7200; /* 02:00, unless it says otherwise */
    if (skip_char(at, 'M')) {
        d->form = 'M';
        good = parse_int(at, 12, &d->month) && skip_char(at, '.') && parse_int(at, 5, &d->week) &&
               skip_char(at, '.') && parse_int(at, 6, &d->day) && d->month > 0 && d->week > 0;
    } else if (skip_char(at, 'J')) {
        d->form = 'J';
        good = parse_int(at, 365, &d->day) && d->day > 0;
    } else {
        d->form = 'N';
        good = parse_int(at, 365, &d->day);
    }
    if (good && skip_char(at, '/'))
        good = parse_time(at, &d->time_s);
    return good;
}

/* In this form offsets count to the west. */
static bool parse_offset(const char **at, int64_t *ret)
{
    if (!parse_time(at, ret) || *ret < -OFFSET_MAX || *ret > OFFSET_MAX)
        return false;
    *ret = -*ret;
    return true;
}

static bool parse_rule(const char *text, struct rule *rule)
{
    const char *at = text;

    if (!skip_name(&at) || !parse_offset(&at, &rule->std_s))
        return false;
    rule->has_dst = *at != '\0';
    if (!rule->has_dst)
        return true;
    if (!skip_name(&at))
        return false;
    rule->dst_s = rule->std_s + 3600;
    if (*at != ',' && !parse_offset(&at, &rule->dst_s))
        return false;
    return skip_char(&at, ',') && parse_day(&at, &rule->start) && skip_char(&at, ',') &&
           parse_day(&at, &rule->end) && *at == '\0';
}

/* The parts of the file. A failed reader is looked at once a part. */

static void skip(struct ls_reader *rd, size_t size)
{
    if (size > rd->size - rd->at)
        rd->failed = true;
    else
        rd->at += size;
}

static bool read_counts(struct ls_reader *rd, struct counts *n)
{
    if (ls_reader_u32(rd) != MAGIC)
        return false;
    n->version = ls_reader_u8(rd);
    skip(rd, 15);
    n->utc_flags = ls_reader_u32(rd);
    n->std_flags = ls_reader_u32(rd);
    n->leaps = ls_reader_u32(rd);
    n->times = ls_reader_u32(rd);
    n->types = ls_reader_u32(rd);
    n->chars = ls_reader_u32(rd);
    return !rd->failed && n->types > 0 && n->types <= 256 && n->leaps == 0 &&
           n->times <= FILE_MAX && n->chars <= FILE_MAX && n->utc_flags <= n->types &&
           n->std_flags <= n->types;
}

/* The size of what follows the counts, with times of `width` bytes. */
static size_t body_size(const struct counts *n, size_t width)
{
    return n->times * (width + 1) + n->types * 6 + n->chars + n->std_flags + n->utc_flags;
}

/* Reads the list. Offsets stand behind it, in a table that it refers to. */
static bool read_body(struct ls_zone *zone, struct ls_reader *rd, const struct counts *n,
                      size_t width)
{
    struct ls_reader index, types;
    int64_t offsets[256];

    if (body_size(n, width) > rd->size - rd->at)
        return false;
    for (size_t i = 0; i < n->times; i++) {
        zone->at_s[i] = width == 8 ? (int64_t)ls_reader_u64(rd) : (int32_t)ls_reader_u32(rd);
        if (i && zone->at_s[i] <= zone->at_s[i - 1])
            return false;
    }
    index = types = *rd;
    skip(&types, n->times);
    for (size_t i = 0; i < n->types; i++) {
        offsets[i] = (int32_t)ls_reader_u32(&types);
        skip(&types, 2);
        if (offsets[i] < -OFFSET_MAX || offsets[i] > OFFSET_MAX)
            return false;
    }
    for (size_t i = 0; i < n->times; i++) {
        uint8_t type = ls_reader_u8(&index);

        if (type >= n->types)
            return false;
        zone->offset_s[i] = offsets[type];
    }
    zone->count = n->times;
    zone->first_s = offsets[0];
    skip(rd, body_size(n, width) - n->times * width);
    return true;
}

/* "\nRULE\n"; an empty rule means that the last offset stays. */
static bool read_footer(struct ls_zone *zone, struct ls_reader *rd)
{
    const char *text = (const char *)rd->data + rd->at, *end;
    size_t left = rd->size - rd->at;
    char *rule;

    if (left < 2 || text[0] != '\n')
        return false;
    end = memchr(text + 1, '\n', left - 1);
    if (!end)
        return false;
    zone->has_rule = end > text + 1;
    if (!zone->has_rule)
        return true;
    rule = ls_arena_text_n(&zone->mem, text + 1, (size_t)(end - text) - 1);
    return rule && parse_rule(rule, &zone->rule);
}

/* Version 1 has times of 32 bits; later ones repeat all with 64 bits behind that. */
static bool read_file(struct ls_zone *zone, const char *data, size_t size)
{
    struct ls_reader rd;
    struct counts n;
    size_t width = 4;

    ls_reader_init(&rd, data, size);
    if (!read_counts(&rd, &n))
        return false;
    if (n.version >= '2') {
        width = 8;
        skip(&rd, body_size(&n, 4));
        if (rd.failed || !read_counts(&rd, &n))
            return false;
    }
    zone->at_s = ls_arena_array(&zone->mem, n.times, sizeof(*zone->at_s));
    zone->offset_s = ls_arena_array(&zone->mem, n.times, sizeof(*zone->offset_s));
    if (!zone->at_s || !zone->offset_s || !read_body(zone, &rd, &n, width))
        return false;
    return width == 4 || read_footer(zone, &rd);
}

static bool good_name(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "_+-/";

    return *name && *name != '/' && name[strspn(name, allowed)] == '\0';
}

const char *ls_zone_folder(void)
{
    const char *dir = getenv("TZDIR");

    return dir && *dir ? dir : "/usr/share/zoneinfo";
}

static enum ls_code unknown(struct ls_zone *zone, const char *path, struct ls_error *err)
{
    const char *near = ls_zone_nearest(zone->name, &zone->mem);

    if (near)
        return ls_error_set(err, LS_CONFIG, "unknown time zone \"%s\". Did you mean \"%s\"?",
                            zone->name, near);
    return ls_error_set(err, LS_CONFIG,
                        "unknown time zone \"%s\" (file=%s). Zones have names such as "
                        "Europe/Vienna; the system package tzdata brings them",
                        zone->name, path);
}

/* What is wrong with the name or its file is the configuration's fault; the rest
 * (memory, permission) is told as it is. */
static enum ls_code load(struct ls_zone *zone, struct ls_error *err)
{
    enum ls_code rc;
    char *path, *data;
    size_t size;

    path = ls_arena_printf(&zone->mem, "%s/%s", ls_zone_folder(), zone->name);
    if (!path)
        return ls_error_nomem(err);
    rc = ls_file_read(path, FILE_MAX, &zone->mem, &data, &size, err);
    if (rc == LS_NOT_FOUND || rc == LS_IO)
        return unknown(zone, path, err);
    if (rc == LS_OK && !read_file(zone, data, size))
        return ls_error_set(err, LS_CONFIG, "not a usable time zone file (file=%s)", path);
    return rc;
}

enum ls_code ls_zone_open(const char *name, struct ls_zone **ret, struct ls_error *err)
{
    struct ls_zone *zone;
    enum ls_code rc = LS_OK;

    if (!good_name(name))
        return ls_error_set(
            err, LS_CONFIG,
            "not a time zone's name: \"%s\". Zones have names such as Europe/Vienna", name);
    zone = calloc(1, sizeof(*zone));
    if (!zone)
        return ls_error_nomem(err);
    ls_arena_init(&zone->mem, 0);
    zone->name = ls_arena_text(&zone->mem, name);
    if (!zone->name)
        rc = ls_error_nomem(err);
    else if (strcmp(name, "UTC") != 0)
        rc = load(zone, err);
    if (rc != LS_OK) {
        ls_zone_close(zone);
        return rc;
    }
    *ret = zone;
    return LS_OK;
}

void ls_zone_close(struct ls_zone *zone)
{
    if (!zone)
        return;
    ls_arena_done(&zone->mem);
    free(zone);
}
