/* SPDX-License-Identifier: Apache-2.0 */
/* tables.c - which tables of routes there are, in the order of the documentation. */
#include "server/route.h"

/* A line each: they are often added to.
 * clang-format off */
#define TABLES(X)       \
    X(syncs)            \
    X(plans)            \
    X(runs)             \
    X(events)           \
    X(endpoints)        \
    X(receivers)        \
    X(schedules)        \
    X(audit)            \
    X(login)            \
    X(callers)          \
    X(service)          \
    X(users)            \
    X(users_edit)       \
    X(sync_events)      \
    X(resources)        \
    X(replica)          \
    X(replica_schedule) \
    X(qstash)           \
    X(qstash_messages)  \
    X(qstash_schedules) \
    X(qstash_queues)    \
    X(qstash_dlq)       \
    X(qstash_logs)      \
    X(qstash_groups)
/* clang-format on */

#define X(name) extern const struct ls_route_table ls_routes_##name;
TABLES(X)
#undef X

#define X(name) &ls_routes_##name,
const struct ls_route_table *const ls_route_tables[] = {TABLES(X)};
#undef X
const size_t ls_route_table_count = sizeof ls_route_tables / sizeof *ls_route_tables;
