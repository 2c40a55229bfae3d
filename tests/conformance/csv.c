/* SPDX-License-Identifier: Apache-2.0 */
/* csv.c - the conformance suite over CSV files: one file, one collection, every field is text. */
#include "conformance.h"

#include <stdio.h>

#include "lib/testdir.h"

static char *make(void)
{
    static int made;
    char *url;

    return asprintf(&url, "file:%s/records%d.csv", testdir(), ++made) < 0 ? NULL : url;
}

int main(int argc, char **argv)
{
    static const struct conformance_kind kind = {.name = "file",
                                                 .make = make,
                                                 .one_collection = true,
                                                 .no_snapshots = true,
                                                 .no_types = true};

    return conformance_run(&kind, argc, argv);
}
