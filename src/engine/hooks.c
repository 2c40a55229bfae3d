/* SPDX-License-Identifier: Apache-2.0 */
/* hooks.c - the words of the phases, as records of runs, logs and the API show them. */
#include "engine/hooks.h"

const char *ls_phase_word(enum ls_phase phase)
{
    static const char *const words[LS_PHASE_COUNT] = {
        [LS_PHASE_VALIDATION] = "validation",
        [LS_PHASE_DETECTION] = "detection",
        [LS_PHASE_REPAIR] = "repair",
        [LS_PHASE_VERIFICATION] = "verification",
    };

    return (unsigned)phase < LS_PHASE_COUNT ? words[phase] : "";
}
