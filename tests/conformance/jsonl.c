/* SPDX-License-Identifier: Apache-2.0 */
/* jsonl.c - the conformance suite over JSON Lines files: one file, one collection, types declared beside it. */
#include "conformance.h"

#include <stdio.h>

#include "lib/testdir.h"

static char *make(void)
{
    static int made;
    char *url;

    return asprintf(&url, "file:%s/records%d.jsonl", testdir(), ++made) < 0 ? NULL : url;
}

int main(int argc, char **argv)
{
    static const struct conformance_kind kind = {
        .name = "file", .make = make, .one_collection = true, .no_snapshots = true};

    return conformance_run(&kind, argc, argv);
}
