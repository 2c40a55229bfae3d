/* SPDX-License-Identifier: Apache-2.0 */
/* binary.c - PostgreSQL's binary COPY format, decoded without trusting it.
 *
 * A stream is a header, records, and a trailer of -1. A record is a count of fields and for
 * each a length (-1: NULL) and so many bytes, in the type's send format. Why binary: it costs the server less
 * than half of what text costs it, needs no unescaping, and doubles come bit by bit.
 *
 * The bytes come over a network from a server that may be anything. So every read is
 * checked against the end (ls_reader), every length against the type, every digit against its range; what does not fit is
 * LS_DATA, and never a guess.
 *
 * Not decoded here: json, arrays, ranges, enums and all else that is NATIVE. Their binary forms carry OIDs of one
 * database; the query casts them to text.
 *
 * real comes as the double that is written the same, 0.1 and not 0.10000000149011612: what people see, and what other stores
 * are given. Its 24 bits are in it all the same, and equality looks at no others.
 *
 * Limits. Microseconds since 1970 in 64 bits end in the year 294246, PostgreSQL's timestamps in 294276. What lies
 * between comes as NATIVE, in PostgreSQL's own text, so that it still passes exactly. */
#include "store/postgres/postgres.h"

#include "model/decimal.h"

#include <stdio.h>
#include <string.h>

#define EPOCH_DAYS 10957 /* from 1970-01-01 to 2000-01-01 */
#define DAY_US INT64_C(86400000000)
#define EPOCH_US (EPOCH_DAYS * DAY_US)

enum {
    NUMERIC_NEGATIVE = 0x4000,
    NUMERIC_NAN = 0xC000,
    NUMERIC_PINF = 0xD000,
    NUMERIC_NINF = 0xF000
};

static uint64_t load(const uint8_t *p, size_t size)
{
    uint64_t v = 0;

    for (size_t i = 0; i < size; i++)
        v = v << 8 | p[i];
    return v;
}

static bool decode_bool(const uint8_t *p, size_t size, struct ls_value *ret)
{
    if (size != 1 || *p > 1)
        return false;
    ret->b = *p == 1;
    return true;
}

static bool decode_int(const uint8_t *p, size_t size, struct ls_value *ret)
{
    switch (size) {
    case 2:
        ret->i = (int16_t)load(p, 2);
        return true;
    case 4:
        ret->i = (int32_t)load(p, 4);
        return true;
    case 8:
        ret->i = (int64_t)load(p, 8);
        return true;
    default:
        return false;
    }
}

static bool decode_double(const uint8_t *p, size_t size, struct ls_value *ret)
{
    uint64_t bits64;
    uint32_t bits32;
    float single;

    if (size == 8) {
        bits64 = load(p, 8);
        memcpy(&ret->d, &bits64, sizeof(ret->d));
        return true;
    }
    if (size != 4)
        return false;
    bits32 = (uint32_t)load(p, 4);
    memcpy(&single, &bits32, sizeof(single));
    ret->d = ls_decimal_from_single(single);
    return true;
}

static bool decode_date(const uint8_t *p, size_t size, struct ls_value *ret)
{
    int32_t days;

    if (size != 4)
        return false;
    days = (int32_t)load(p, 4);
    if (days == INT32_MAX)
        ret->i = LS_TIME_INFINITY;
    else if (days == INT32_MIN)
        ret->i = LS_TIME_MINUS_INFINITY;
    else
        ret->i = (int64_t)days + EPOCH_DAYS;
    return true;
}

static bool decode_time(const uint8_t *p, size_t size, struct ls_value *ret)
{
    if (size != 8)
        return false;
    ret->i = (int64_t)load(p, 8);
    return ret->i >= 0 && ret->i <= DAY_US;
}

/* The civil date of a day after 2000-01-01, by eras of 400 years that start on the first of March. */
static void civil(int64_t days_since_2000, int64_t *year, int *month, int *day)
{
    int64_t z = days_since_2000 + EPOCH_DAYS + 719468, era = z / 146097, doe = z % 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = yoe + era * 400 + (*month <= 2);
}

/* A time after the year 294246, as PostgreSQL writes it. us counts from 2000. */
static bool far_future(int64_t us, bool zoned, struct ls_arena *mem, struct ls_value *ret)
{
    int64_t year, rest = us % DAY_US, second = rest / 1000000;
    int month, day, length;
    char text[64];

    civil(us / DAY_US, &year, &month, &day);
    length = snprintf(text, sizeof(text), "%lld-%02d-%02d %02d:%02d:%02d.%06d", (long long)year,
                      month, day, (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60),
                      (int)(rest % 1000000));
    while (text[length - 1] == '0')
        length--;
    if (text[length - 1] == '.')
        length--;
    if (zoned) {
        memcpy(text + length, "+00", 3);
        length += 3;
    }
    ret->type = LS_T_NATIVE;
    ret->size = (uint32_t)length;
    ret->data = ls_arena_copy(mem, text, (size_t)length);
    return ret->data != NULL;
}

static bool decode_stamp(const uint8_t *p, size_t size, enum ls_type type, struct ls_arena *mem,
                         struct ls_value *ret)
{
    int64_t us;

    if (size != 8)
        return false;
    us = (int64_t)load(p, 8);
    if (us == INT64_MAX || us == INT64_MIN) {
        ret->i = us; /* the infinities are the same numbers there and here */
        return true;
    }
    if (!__builtin_add_overflow(us, EPOCH_US, &ret->i) && ret->i != LS_TIME_INFINITY)
        return true;
    return far_future(us, type == LS_T_TIMESTAMPTZ, mem, ret);
}

/* One digit of a numeric: `place` counts decimal digits from the point, leftwards from 0, rightwards from -1. */
static char numeric_digit(const uint8_t *digits, int count, int weight, int place)
{
    static const int power[] = {1, 10, 100, 1000};
    int group = place >= 0 ? place / 4 : -((-place + 3) / 4), at = weight - group;

    if (at < 0 || at >= count)
        return '0';
    return (char)('0' + (int)load(digits + 2 * at, 2) / power[place - group * 4] % 10);
}

static bool numeric_special(unsigned sign, struct ls_value *ret)
{
    const char *text = sign == NUMERIC_NAN    ? "NaN"
                       : sign == NUMERIC_PINF ? "Infinity"
                       : sign == NUMERIC_NINF ? "-Infinity"
                                              : NULL;

    if (!text)
        return false;
    ret->data = text;
    ret->size = (uint32_t)strlen(text);
    return true;
}

/* count, weight (of the first base-10000 digit), sign, digits behind the point to show, digits */
static enum ls_code decode_numeric(const uint8_t *p, size_t size, struct ls_arena *mem,
                                   struct ls_value *ret)
{
    unsigned sign;
    int count, weight, scale, first;
    char *text, *at;

    if (size < 8)
        return LS_DATA;
    count = (int)load(p, 2);
    weight = (int16_t)load(p + 2, 2);
    sign = (unsigned)load(p + 4, 2);
    scale = (int)load(p + 6, 2);
    if (size != 8 + 2 * (size_t)count || scale > 16383)
        return LS_DATA;
    for (int i = 0; i < count; i++)
        if (load(p + 8 + 2 * i, 2) > 9999)
            return LS_DATA;
    if (sign != 0 && sign != NUMERIC_NEGATIVE)
        return numeric_special(sign, ret) ? LS_OK : LS_DATA;
    first = weight < 0 ? 0 : weight * 4 + 3;
    while (first > 0 && numeric_digit(p + 8, count, weight, first) == '0')
        first--;
    at = text = ls_arena_alloc(mem, (size_t)first + (size_t)scale + 3);
    if (!text)
        return LS_NOMEM;
    if (sign)
        *at++ = '-';
    for (int place = first; place >= 0; place--)
        *at++ = numeric_digit(p + 8, count, weight, place);
    if (scale)
        *at++ = '.';
    for (int place = -1; place >= -scale; place--)
        *at++ = numeric_digit(p + 8, count, weight, place);
    ret->data = text;
    ret->size = (uint32_t)(at - text);
    return LS_OK;
}

static enum ls_code decode(enum ls_type type, const uint8_t *p, size_t size, struct ls_arena *mem,
                           struct ls_value *ret)
{
    bool fine = false;

    ret->type = type;
    ret->size = 0;
    switch (type) {
    case LS_T_BOOL:
        fine = decode_bool(p, size, ret);
        break;
    case LS_T_INT:
        fine = decode_int(p, size, ret);
        break;
    case LS_T_DOUBLE:
        fine = decode_double(p, size, ret);
        break;
    case LS_T_DECIMAL:
        return decode_numeric(p, size, mem, ret);
    case LS_T_DATE:
        fine = decode_date(p, size, ret);
        break;
    case LS_T_TIME:
        fine = decode_time(p, size, ret);
        break;
    case LS_T_TIMESTAMP:
    case LS_T_TIMESTAMPTZ:
        fine = decode_stamp(p, size, type, mem, ret);
        break;
    case LS_T_UUID:
    case LS_T_TEXT:
    case LS_T_BYTES:
    case LS_T_JSON:
    case LS_T_NATIVE:
        fine = type != LS_T_UUID || size == 16;
        ret->data = (const char *)p;
        ret->size = (uint32_t)size;
        break;
    case LS_T_NULL:
    case LS_TYPE_COUNT:
        break;
    }
    return fine ? LS_OK : LS_DATA;
}

bool ls_pgs_header(struct ls_reader *in)
{
    static const uint8_t signature[11] = "PGCOPY\n\377\r\n";
    uint32_t flags, extension;

    if (in->failed || in->size - in->at < sizeof(signature) ||
        memcmp(in->data + in->at, signature, sizeof(signature)) != 0)
        return false;
    in->at += sizeof(signature);
    flags = ls_reader_u32(in);
    extension = ls_reader_u32(in);
    if (in->failed || flags >> 16 || extension > in->size - in->at)
        return false; /* the upper flags change what follows; the lower ones may be ignored */
    in->at += extension;
    return true;
}

static enum ls_code bad(struct ls_error *err, const char *what)
{
    return ls_error_set(err, LS_DATA,
                        "cannot read the server's answer: %s in its binary format. A proxy between "
                        "may have damaged it",
                        what);
}

enum ls_code ls_pgs_record(struct ls_reader *in, const enum ls_type *types, size_t width,
                           struct ls_arena *mem, struct ls_value *values, bool *ret_row,
                           struct ls_error *err)
{
    uint16_t count = ls_reader_u16(in);
    enum ls_code rc;

    *ret_row = false;
    if (in->failed)
        return bad(err, "a record that ends early");
    if (count == UINT16_MAX)
        return LS_OK;
    if (count != width)
        return bad(err, "another number of fields than was asked for");
    for (size_t i = 0; i < width; i++) {
        uint32_t size = ls_reader_u32(in);

        if (!in->failed && size == UINT32_MAX) {
            values[i] = ls_value_null();
            continue;
        }
        if (in->failed || size > in->size - in->at)
            return bad(err, "a field that ends early");
        rc = decode(types[i], in->data + in->at, size, mem, &values[i]);
        if (rc == LS_NOMEM)
            return ls_error_nomem(err);
        if (rc != LS_OK)
            return bad(err, "a value that is none of its type");
        in->at += size;
    }
    *ret_row = true;
    return LS_OK;
}
