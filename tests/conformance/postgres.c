/* SPDX-License-Identifier: Apache-2.0 */
/* postgres.c - the conformance suite over PostgreSQL: one database, emptied for each test. */
#include "conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/testpg.h"

static char *make(void)
{
    static char *url; /* lives as long as the program */

    if (!url)
        url = testpg_database("conformance");
    testpg_exec(url, "SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA "
                     "public; DROP SCHEMA IF EXISTS lockstep CASCADE");
    return strdup(url);
}

static void unique(const char *url, const char *collection, const char *field)
{
    char sql[512];

    snprintf(sql, sizeof(sql), "ALTER TABLE public.%s ADD UNIQUE (\"%s\")", collection, field);
    testpg_exec(url, sql);
}

int main(int argc, char **argv)
{
    static const struct conformance_kind kind = {
        .name = "postgres", .make = make, .prefix = "public.", .unique = unique};

    return conformance_run(&kind, argc, argv);
}
