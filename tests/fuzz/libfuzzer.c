/* SPDX-License-Identifier: Apache-2.0 */
/* libfuzzer.c - a target for libFuzzer: LOCKSTEP_FUZZ_TARGET names it; its seeds are written to LOCKSTEP_FUZZ_SEEDS first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "targets.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *name = getenv("LOCKSTEP_FUZZ_TARGET"), *dir = getenv("LOCKSTEP_FUZZ_SEEDS");

    (void)argc, (void)argv;
    for (size_t i = 0; name && i < fuzz_target_count; i++) {
        if (strcmp(fuzz_targets[i].name, name) == 0)
            target = &fuzz_targets[i];
    }
    if (!target) {
        fprintf(stderr, "LOCKSTEP_FUZZ_TARGET names no target:");
        for (size_t i = 0; i < fuzz_target_count; i++)
            fprintf(stderr, " %s", fuzz_targets[i].name);
        fprintf(stderr, "\n");
        exit(2);
    }
    for (size_t i = 0; dir && target->seeds[i]; i++) {
        char path[4096];
        FILE *f;

        snprintf(path, sizeof(path), "%s/seed-%zu", dir, i);
        f = fopen(path, "w");
        if (f) {
            fputs(target->seeds[i], f);
            fclose(f);
        }
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    target->run(data, size);
    return 0;
}
