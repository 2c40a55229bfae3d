/* SPDX-License-Identifier: Apache-2.0 */
/* seeded.h - a test program that feeds the targets of its layer with bytes of a seeded generator; tools/fuzz looks deeper.
 *
 * LOCKSTEP_TEST_SEED: another seed. LOCKSTEP_DEEP: fifty times as many. */
#ifndef LS_TESTS_FUZZ_SEEDED_H
#define LS_TESTS_FUZZ_SEEDED_H

#include <stddef.h>

/* rounds: inputs of each target. What main() returns. */
int fuzz_seeded(const char *name, size_t rounds);

#endif
