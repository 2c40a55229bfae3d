/* SPDX-License-Identifier: Apache-2.0 */
/* test_fuzz.c - the targets of tests/fuzz/server.c. */
#include "fuzz/seeded.h"

int main(void)
{
    return fuzz_seeded("server/fuzz", 3000);
}
