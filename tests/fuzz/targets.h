/* SPDX-License-Identifier: Apache-2.0 */
/* targets.h - what is fed with bytes that nobody meant: by libFuzzer (tools/fuzz), and by a seeded generator in the unit tests.
 *
 * A target takes any bytes, and ends the process when a promise is broken. */
#ifndef LS_TESTS_FUZZ_TARGETS_H
#define LS_TESTS_FUZZ_TARGETS_H

#include <stddef.h>
#include <stdint.h>

struct fuzz_target {
    const char *name;
    void (*run)(const uint8_t *data, size_t size);
    const char *const *seeds; /* what is nearly right, to begin with; ends with NULL */
};
extern const struct fuzz_target fuzz_targets[];
extern const size_t fuzz_target_count;

#endif
