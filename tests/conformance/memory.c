/* SPDX-License-Identifier: Apache-2.0 */
/* memory.c - the conformance suite over stores inside the process. */
#include "conformance.h"

#include <stdio.h>

static char *make(void)
{
    static int made;
    char *url;

    return asprintf(&url, "memory:conformance %d", ++made) < 0 ? NULL : url;
}

int main(int argc, char **argv)
{
    static const struct conformance_kind kind = {.name = "memory", .make = make};

    return conformance_run(&kind, argc, argv);
}
