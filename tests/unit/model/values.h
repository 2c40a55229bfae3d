/* SPDX-License-Identifier: Apache-2.0 */
/* values.h - values for tests of the model: short ways to write them, and random ones that often meet. */
#ifndef TESTS_UNIT_MODEL_VALUES_H
#define TESTS_UNIT_MODEL_VALUES_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/value.h"

#define AS(kind) AS_OF(kind, 6, 53)
#define AS_OF(kind, digits, width) \
    (&(struct ls_as){.type = (kind), .fraction = (digits), .bits = (width)})
#define DATA(kind, text) ls_value_data(LS_T_##kind, text, strlen(text))
#define INT(v) ls_value_int(v)
#define TEXT(text) ls_value_text(text)
#define DOUBLE(v) ((struct ls_value){.type = LS_T_DOUBLE, .d = (v)})
#define BOOL(v) ((struct ls_value){.type = LS_T_BOOL, .b = (v)})
#define TIME(kind, v) ((struct ls_value){.type = LS_T_##kind, .i = (v)})

/* A generator of its own, so that a seed means the same everywhere. */
static inline uint64_t random_next(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline size_t random_below(uint64_t *seed, size_t limit)
{
    return (size_t)(random_next(seed) % limit);
}

/* TEST_SEED, or one that differs from run to run; printed, so that a failure can be repeated. */
static inline uint64_t test_seed(void)
{
    const char *given = getenv("TEST_SEED");
    uint64_t seed =
        given ? strtoull(given, NULL, 10) : (uint64_t)(uintptr_t)&seed * 2654435761u % 1000000007u;

    printf("TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* Spellings that are something in several types, and some that are nothing in any. */
static const char *const spellings[] = {
    "0",
    "1",
    "-1",
    "1.0",
    "1.00",
    "10",
    "1e1",
    "0.1",
    "0.10",
    "-0",
    "-0.0",
    "2",
    "true",
    "t",
    "false",
    "9007199254740993",
    "9007199254740992",
    "9007199254740992.5",
    "9223372036854775807",
    "9223372036854775808",
    "0.1000000000000000055511151231257827",
    "1e400",
    "-1e400",
    "16777217",
    "NaN",
    "Infinity",
    "-Infinity",
    "infinity",
    "-infinity",
    "",
    "x",
    "X",
    " 1",
    "null",
    "\"1\"",
    "[1]",
    "[1.0]",
    "[ 1 ]",
    "{\"a\":1,\"b\":2}",
    "{\"b\":2,\"a\":1.0}",
    "{\"a\":0,\"a\":1,\"b\":2}",
    "\"\\u0061\"",
    "\"a\"",
    "\"\\ud800\"",
    "[[1",
    "\\x",
    "\\x00",
    "\\xff00",
    "\\xFF00",
    "\\xff",
    "\\xfg",
    "1970-01-01",
    "1969-12-31",
    "1970-01-01 00:00:00",
    "1970-01-01T00:00",
    "1970-01-01 00:00:00.1234567",
    "1970-01-01 00:00:00.123456",
    "1970-01-01 00:00:00.123",
    "1970-01-01 00:00:00+00",
    "1970-01-01 02:00:00+02",
    "1969-12-31 23:59:59.999999",
    "1969-12-31 23:59:59",
    "0044-03-15 BC",
    "00:00:00",
    "00:00:00.5",
    "24:00:00",
    "5874897-12-31",
    "61626364-6566-6768-696a-6b6c6d6e6f70",
    "6162636465666768696A6B6C6D6E6F70",
    "abcdefghijklmnop",
    "\xff",
    "a\xc3\xa4",
};

static inline struct ls_value random_value(uint64_t *seed)
{
    static const int64_t wholes[] = {0,
                                     1,
                                     -1,
                                     2,
                                     10,
                                     16777217,
                                     16777216,
                                     9007199254740993,
                                     9007199254740992,
                                     INT64_MAX,
                                     INT64_MIN,
                                     INT64_MAX - 1,
                                     123456,
                                     123000,
                                     500000,
                                     999999,
                                     -1000000,
                                     86400000000,
                                     -86400000000,
                                     -735160};
    static const double reals[] = {0.0,
                                   -0.0,
                                   1,
                                   -1,
                                   0.1,
                                   0.1f,
                                   2,
                                   10,
                                   1e15,
                                   1e16,
                                   0x1p53,
                                   0x1p63,
                                   -0x1p63,
                                   16777217,
                                   1e300,
                                   1e-310,
                                   (double)INFINITY,
                                   -(double)INFINITY,
                                   (double)NAN};
    enum ls_type type = (enum ls_type)random_below(seed, LS_TYPE_COUNT);
    struct ls_value v = {.type = type};
    const char *text = spellings[random_below(seed, sizeof spellings / sizeof *spellings)];

    switch ((int)type) {
    case LS_T_NULL:
        break;
    case LS_T_BOOL:
        v.b = random_below(seed, 2);
        break;
    case LS_T_DOUBLE:
        v.d = reals[random_below(seed, sizeof reals / sizeof *reals)];
        break;
    case LS_T_UUID:
        v = ls_value_data(
            type, random_below(seed, 2) ? "abcdefghijklmnop" : "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            16);
        break;
    case LS_T_TEXT:
    case LS_T_DECIMAL: /* most of them damaged ones */
    case LS_T_BYTES:
    case LS_T_JSON:
    case LS_T_NATIVE:
        v = ls_value_data(type, text, strlen(text));
        break;
    case LS_T_TIME:
        v.i = (int64_t)random_below(seed, 4) * 123456;
        break;
    default:
        v.i = wholes[random_below(seed, sizeof wholes / sizeof *wholes)];
        break;
    }
    return v;
}

#endif
