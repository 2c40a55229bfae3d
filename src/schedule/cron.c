/* SPDX-License-Identifier: Apache-2.0 */
/* cron.c - reads cron expressions.
 *
 * A field is a set of numbers, kept as bits, so that all the ways to write one end in the same place. What is kept besides is
 * whether the two day fields begin with `*`: cron's rule about them goes by how they are written, not by what they mean.
 *
 * Strict where crons differ and a guess would fire at the wrong time: a range that runs backwards, a step longer than the field, six
 * fields, L and W and #, @reboot and @every are refused, each with what to write instead. Dates that no month has are refused too: a
 * schedule that never fires is a mistake that nobody sees.
 *
 * Expressions come from anybody who may make a schedule: their length is bounded, and what of them stands in a message is
 * made harmless. */
#include "schedule/cron.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"

#define SHOWN 40 /* bytes of a value that a message shows */
#define ESCAPED (4 * SHOWN + 4)

struct field {
    const char *name;
    unsigned min, max;
    unsigned
        step_max; /* how many values there are: a longer step fires once a round, as if it were not there */
    const char *const *names;
    size_t name_count;
    unsigned first; /* what names[0] means */
    const char *allowed;
};

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

static const struct field fields[FIELDS] = {
    [MINUTE] = {"minute", 0, 59, 60, NULL, 0, 0, "0 to 59"},
    [HOUR] = {"hour", 0, 23, 24, NULL, 0, 0, "0 to 23"},
    [DAY] = {"day of month", 1, 31, 31, NULL, 0, 0, "1 to 31"},
    [MONTH] = {"month", 1, 12, 12, month_names, 12, 1, "1 to 12 or jan to dec"},
    [WEEKDAY] = {"day of week", 0, 7, 7, day_names, 7, 0,
                 "0 to 7 or sun to sat (0 and 7 are Sunday)"},
};

/* One expression being read. */
struct reader {
    const char *what; /* of what it is a part: "cron" */
    const char *text; /* all of it */
    const struct field *field;
    struct ls_error *err;
};

/* Text that may be anything, for a message. */
static const char *shown(const char *text, size_t length, char out[ESCAPED])
{
    const bool cut = length > SHOWN;
    size_t size = ls_text_escape(out, text, cut ? ls_utf8_cut(text, SHOWN) : length);

    memcpy(out + size, cut ? "..." : "", cut ? 4 : 1);
    return out;
}

/* "cron "61 * * * *": minute "61" is too large; allowed are 0 to 59". */
static enum ls_code bad(const struct reader *r, const char *value, size_t length, const char *why)
{
    char whole[ESCAPED], part[ESCAPED];

    return ls_error_set(r->err, LS_CONFIG,
                        "%s \"%s\": %s \"%s\" %s. Allowed are %s, as *, 5, 1-5, */2, 1-10/3 or "
                        "a list such as 1,4,8",
                        r->what, shown(r->text, strlen(r->text), whole), r->field->name,
                        shown(value, length, part), why, r->field->allowed);
}

static enum ls_code bad_whole(const char *text, const char *why, struct ls_error *err)
{
    char whole[ESCAPED];

    return ls_error_set(err, LS_CONFIG, "cron \"%s\": %s", shown(text, strlen(text), whole), why);
}

/* ---- a field ---- */

static bool is_number(const char *text, size_t length, unsigned *ret)
{
    unsigned n = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        n = n < 10000 ? n * 10 + (unsigned)(text[i] - '0') : n; /* large enough to be refused */
    }
    *ret = n;
    return length > 0;
}

static bool is_name(const struct field *f, const char *text, size_t length, unsigned *ret)
{
    for (unsigned i = 0; i < f->name_count; i++)
        if (length == 3 && tolower((unsigned char)text[0]) == f->names[i][0] &&
            tolower((unsigned char)text[1]) == f->names[i][1] &&
            tolower((unsigned char)text[2]) == f->names[i][2]) {
            *ret = f->first + i;
            return true;
        }
    return false;
}

static enum ls_code read_value(const struct reader *r, const char *text, size_t length,
                               unsigned *ret)
{
    const struct field *f = r->field;

    if (is_name(f, text, length, ret))
        return LS_OK;
    if (length == 0)
        return bad(r, text, length, "is empty, or a part of it is");
    if (!is_number(text, length, ret))
        return bad(r, text, length, f->names ? "is no number and no name" : "is no number");
    if (*ret < f->min || *ret > f->max)
        return bad(r, text, length, *ret < f->min ? "is too small" : "is too large");
    return LS_OK;
}

/* "/n" at text; 1 where there is none. */
static enum ls_code read_step(const struct reader *r, const char *text, size_t length,
                              unsigned *ret)
{
    *ret = 1;
    if (length == 0)
        return LS_OK;
    if (!is_number(text + 1, length - 1, ret))
        return bad(r, text, length, "is no step: behind the / stands a number");
    if (*ret == 0)
        return bad(r, text, length, "is no step: it would stand still");
    if (*ret > r->field->step_max)
        return bad(r, text, length,
                   "is a step longer than the field: it would not go over into the next round. "
                   "Name the times one by one");
    return LS_OK;
}

/* "a" or "a-b"; *ret_high is the field's end for "a" with a step behind it. */
static enum ls_code read_range(const struct reader *r, const char *text, size_t length,
                               bool has_step, unsigned *ret_low, unsigned *ret_high)
{
    const char *dash = memchr(text, '-', length);
    const size_t left = dash ? (size_t)(dash - text) : length;
    const bool week = r->field == &fields[WEEKDAY];
    enum ls_code rc = read_value(r, text, left, ret_low);

    *ret_high = !has_step ? *ret_low : week && *ret_low < 7 ? 6 : r->field->max;
    if (rc != LS_OK || !dash)
        return rc;
    rc = read_value(r, dash + 1, length - left - 1, ret_high);
    if (rc == LS_OK && week && *ret_high == 0 && *ret_low > 0 && !isdigit((unsigned char)dash[1]))
        *ret_high = 7; /* fri-sun */
    if (rc == LS_OK && *ret_high < *ret_low)
        rc = bad(r, text, length,
                 "runs backwards. Write it as two ranges, up to the end and from the beginning");
    return rc;
}

static enum ls_code read_item(const struct reader *r, const char *text, size_t length,
                              uint64_t *bits)
{
    const char *slash = memchr(text, '/', length);
    const size_t left = slash ? (size_t)(slash - text) : length;
    unsigned low = r->field->min, high = r->field->max, step = 1;
    enum ls_code rc = LS_OK;

    if (left != 1 || *text != '*')
        rc = read_range(r, text, left, slash != NULL, &low, &high);
    else if (r->field == &fields[WEEKDAY])
        high = 6; /* Sunday once */
    if (rc == LS_OK && slash)
        rc = read_step(r, slash, length - left, &step);
    for (unsigned n = low; rc == LS_OK && n <= high; n += step)
        *bits |= UINT64_C(1) << n;
    return rc;
}

static enum ls_code read_field(const struct reader *r, const char *text, size_t length,
                               uint64_t *ret)
{
    const char *end = text + length;
    enum ls_code rc = LS_OK;

    *ret = 0;
    for (const char *item = text; rc == LS_OK && item <= end;) {
        const char *comma = memchr(item, ',', (size_t)(end - item));
        const size_t size = comma ? (size_t)(comma - item) : (size_t)(end - item);

        rc = read_item(r, item, size, ret);
        item += size + 1;
    }
    return rc;
}

/* ---- the whole ---- */

/* Dates that no month has. When the weekday alone can make it due, some day always does; and every date falls on every
 * weekday in time, 29 February too (the calendar repeats itself after 400 years and has all seven). */
static bool never_fires(const struct ls_cron *c)
{
    static const unsigned lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (!c->any_day && !c->any_weekday)
        return false;
    for (unsigned m = 0; m < 12; m++)
        if ((c->months >> (m + 1) & 1u) && (c->days & ((UINT64_C(2) << lengths[m]) - 2)))
            return false;
    return true;
}

static uint32_t weekdays_of(uint64_t bits)
{
    return (uint32_t)((bits | bits >> 7) & 0x7f); /* 7 is Sunday too */
}

static enum ls_code read_fields(const char *text, struct ls_cron *ret, struct ls_error *err)
{
    struct reader r = {"cron", text, fields, err};
    uint64_t bits[FIELDS] = {0};
    const char *at = text;
    enum ls_code rc = LS_OK;
    size_t count = 0;

    for (at += strspn(at, " \t"); *at && rc == LS_OK; at += strspn(at, " \t")) {
        const size_t length = strcspn(at, " \t");

        if (count == FIELDS)
            return bad_whole(text,
                             "there are more than five fields. It is minute, hour, day of month, "
                             "month, day of week, without seconds and years",
                             err);
        r.field = &fields[count];
        if (count == DAY)
            ret->any_day = *at == '*';
        if (count == WEEKDAY)
            ret->any_weekday = *at == '*';
        rc = read_field(&r, at, length, &bits[count++]);
        at += length;
    }
    if (rc == LS_OK && count < FIELDS)
        return bad_whole(text,
                         "there are fewer than five fields. It is minute, hour, day of month, "
                         "month, day of week, such as 0 */6 * * *",
                         err);
    ret->minutes = bits[MINUTE];
    ret->hours = (uint32_t)bits[HOUR];
    ret->days = (uint32_t)bits[DAY];
    ret->months = (uint32_t)bits[MONTH];
    ret->weekdays = weekdays_of(bits[WEEKDAY]);
    if (rc == LS_OK && never_fires(ret))
        rc = bad_whole(text, "it would never be due: none of its months has such a day", err);
    return rc;
}

static enum ls_code read_alias(const char *text, struct ls_cron *ret, struct ls_error *err)
{
    static const struct {
        const char *alias, *fields;
    } aliases[] = {
        {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
        {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
        {"@annually", "0 0 1 1 *"},
    };

    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (ls_text_equal_nocase(text, aliases[i].alias))
            return read_fields(aliases[i].fields, ret, err);
    return bad_whole(text,
                     "there is no such name. There are @hourly, @daily, @midnight, @weekly, "
                     "@monthly, @yearly and @annually; for an interval write */n",
                     err);
}

/* Takes CRON_TZ=Zone from the front of *text, if it is there. */
static enum ls_code read_prefix(const char **text, struct ls_cron *ret, struct ls_error *err)
{
    const char *name = *text;
    size_t length;

    if (ls_text_starts(name, "CRON_TZ="))
        name += strlen("CRON_TZ=");
    else if (ls_text_starts(name, "TZ="))
        name += strlen("TZ=");
    else
        return LS_OK;
    length = strcspn(name, " \t");
    if (length == 0 || length >= sizeof ret->zone || !name[length])
        return bad_whole(*text, "behind TZ= stand the name of a zone, a blank and five fields",
                         err);
    memcpy(ret->zone, name, length);
    *text = name + length + strspn(name + length, " \t");
    return LS_OK;
}

enum ls_code ls_cron_parse(const char *text, struct ls_cron *ret, struct ls_error *err)
{
    struct ls_cron cron = {0};
    char copy[LS_CRON_MAX + 1];
    size_t length;
    enum ls_code rc;

    text += strspn(text, " \t");
    length = strlen(text);
    if (length > LS_CRON_MAX)
        return bad_whole(text, "it is longer than 500 bytes", err);
    while (length && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    memcpy(copy, text, length);
    copy[length] = '\0';
    text = copy;
    rc = read_prefix(&text, &cron, err);
    if (rc == LS_OK)
        rc = *text == '@' ? read_alias(text, &cron, err) : read_fields(text, &cron, err);
    if (rc == LS_OK)
        *ret = cron;
    return rc;
}

enum ls_code ls_cron_weekdays(const char *text, size_t length, uint32_t *ret, struct ls_error *err)
{
    const struct reader r = {"days", text, &fields[WEEKDAY], err};
    uint64_t bits = 0;
    const enum ls_code rc = read_field(&r, text, length, &bits);

    if (rc == LS_OK)
        *ret = weekdays_of(bits);
    return rc;
}

enum ls_code ls_cron_zone(const struct ls_cron *cron, const char *zone, struct ls_zone **ret,
                          struct ls_error *err)
{
    char name[ESCAPED];

    if (!zone || !*zone)
        zone = *cron->zone ? cron->zone : "UTC";
    if (*cron->zone && strcmp(cron->zone, zone) != 0)
        return ls_error_set(err, LS_CONFIG,
                            "two time zones are given: %s in front of the expression, and \"%s\". "
                            "Leave one out",
                            cron->zone, shown(zone, strlen(zone), name));
    if (strlen(zone) >= LS_CRON_ZONE_MAX || ls_utf8_check(zone, strlen(zone)) != strlen(zone))
        return ls_error_set(err, LS_CONFIG, "no time zone is called \"%s\"",
                            shown(zone, strlen(zone), name));
    return ls_zone_open(zone, ret, err);
}
