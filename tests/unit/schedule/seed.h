/* SPDX-License-Identifier: Apache-2.0 */
/* seed.h - chance for tests that can be had again: LOCKSTEP_TEST_SEED, or a new seed that is printed. */
#ifndef LS_TESTS_UNIT_SCHEDULE_SEED_H
#define LS_TESTS_UNIT_SCHEDULE_SEED_H

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"

static inline uint64_t new_seed(void)
{
    const char *given = getenv("LOCKSTEP_TEST_SEED");
    const uint64_t seed =
        given && *given ? strtoull(given, NULL, 10) : ls_random_u64() % 1000000007;

    print_message("LOCKSTEP_TEST_SEED=%" PRIu64 "\n", seed);
    return seed;
}

/* splitmix64: small, and the same everywhere. */
static inline uint64_t draw(uint64_t *seed)
{
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline unsigned below(uint64_t *seed, unsigned limit)
{
    return (unsigned)(draw(seed) % limit);
}

#endif
