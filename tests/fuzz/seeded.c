/* SPDX-License-Identifier: Apache-2.0 */
/* seeded.c - a seed of a target with some bytes changed, cut out, doubled, or put in, many times. */
#include "fuzz/seeded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/targets.h"

#define SIZE_MAX_BYTES 600

static uint64_t seed;
static size_t inputs;

static size_t below(size_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return n ? (size_t)(seed >> 33) % n : 0;
}

/* What parsers trip over. */
static const char *const bits[] = {"\0",      "\xff",
                                   ".",       "..",
                                   ",",       ";",
                                   "=",       " ",
                                   "\r\n",    "%00",
                                   "%2e",     "[",
                                   "]",       ":",
                                   "@",       "/",
                                   "\\",      "0x",
                                   "0",       "9223372036854775808",
                                   "-",       "1e9",
                                   "{",       "}",
                                   "\"",      "null",
                                   "v1,",     "v1=",
                                   "t=",      "sha256=",
                                   "(",       ")",
                                   "%s",      "::",
                                   "127.",    "ms",
                                   "GMT",     "\xe3\x80\x82",
                                   "*",       "*/",
                                   "?",       "&",
                                   "%2F",     "../",
                                   "\\ud800", "[[[[[[[["};

/* A seed of the target with some bytes changed, cut out, doubled, or put in. */
static size_t make(const struct fuzz_target *t, uint8_t *out)
{
    size_t seeds = 0, size, changes = 1 + below(6);
    const char *from;

    while (t->seeds[seeds])
        seeds++;
    from = t->seeds[below(seeds)];
    size = strlen(from);
    memcpy(out, from, size);
    while (changes--) {
        size_t at = below(size + 1), length, kind = below(4);

        if (kind == 0 && at < size) {
            out[at] = (uint8_t)below(256);
        } else if (kind == 1) {
            length = below(size - at + 1);
            memmove(out + at, out + at + length, size - at - length);
            size -= length;
        } else if (kind == 2) {
            length = below(size - at + 1);
            if (size + length > SIZE_MAX_BYTES)
                continue;
            memmove(out + at + length, out + at, size - at);
            size += length;
        } else {
            const char *bit = bits[below(sizeof(bits) / sizeof(bits[0]))];

            length = *bit ? strlen(bit) : 1;
            if (size + length > SIZE_MAX_BYTES)
                continue;
            memmove(out + at + length, out + at, size - at);
            memcpy(out + at, bit, length);
            size += length;
        }
    }
    return size;
}

static void promises_hold_for_bytes_that_nobody_meant(void **state)
{
    const char *given = getenv("LOCKSTEP_TEST_SEED");
    size_t rounds = getenv("LOCKSTEP_DEEP") ? 50 * inputs : inputs;
    (void)state;

    seed = given ? strtoull(given, NULL, 10) : 20260104;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (size_t i = 0; i < fuzz_target_count; i++) {
        for (const char *const *s = fuzz_targets[i].seeds; *s; s++)
            fuzz_targets[i].run((const uint8_t *)*s, strlen(*s));
        for (size_t n = 0; n < rounds; n++) {
            uint8_t data[SIZE_MAX_BYTES + 1];
            size_t size = make(&fuzz_targets[i], data);

            fuzz_targets[i].run(data, size);
        }
    }
}

int fuzz_seeded(const char *name, size_t rounds)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promises_hold_for_bytes_that_nobody_meant),
    };

    inputs = rounds;
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
