/* SPDX-License-Identifier: Apache-2.0 */
/* replica.h - what the two files of the replica's surface share. */
#ifndef LS_SERVER_REPLICA_H
#define LS_SERVER_REPLICA_H

#include "server/handler.h"

#define LS_REPLICA_PATH "/api/background/sync/slave-to-prod"

/* LS_NOT_FOUND unless surfaces.replica names syncs. */
LS_MUST_CHECK enum ls_code ls_replica_configured(const struct ls_call *call,
                                                 struct ls_response *ret, struct ls_error *err);
/* Runs the syncs of surfaces.replica in their order; the request is put off until the last is over. type: "scheduled" or "manual", static. */
LS_MUST_CHECK enum ls_code ls_replica_run(struct ls_call *call, const char *type,
                                          struct ls_response *ret, struct ls_error *err);

#endif
