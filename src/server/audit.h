/* SPDX-License-Identifier: Apache-2.0 */
/* audit.h - who called what, in the audit log: every call that changes something, allowed or refused, goes through here. */
#ifndef LS_SERVER_AUDIT_H
#define LS_SERVER_AUDIT_H

#include <pthread.h>

#include "event/ledger.h"
#include "server/route.h"

/* The caller as the audit log names it: "token:ci", "anonymous". In mem; NULL when out of memory. */
const char *ls_audit_actor(const struct ls_caller *caller, struct ls_arena *mem);

/* What each entry of a call tells besides, as members of a JSON object: outcome (NULL: left out), address, request. In the request's arena; NULL when out of memory. */
const char *ls_audit_about(const struct ls_request *request, const char *outcome);

/* What came of a call, in its entry. Handlers that write entries of their own say "done" in them. */
#define LS_AUDIT_ALLOWED "allowed" /* before anything is done */
#define LS_AUDIT_REFUSED "refused" /* the caller may not */
#define LS_AUDIT_FAILED "failed"   /* allowed, but it was answered with an error */
#define LS_AUDIT_DONE "done"

/* Writes the entry: actor, the route as action ("POST /api/v1/runs"), the path as subject, and as detail role, outcome, address, request. status: of the answer, as far as it is known;
 * 0: is not. skipped: refusals before this one that were counted but not written. On a worker. */
LS_MUST_CHECK enum ls_code ls_audit_call(const struct ls_call *call, const char *outcome,
                                         int status, uint64_t skipped, struct ls_error *err);

/* The same of a call whose events the queue takes: it notes it with them (event/ledger.h). In the request's arena, for its role, route and address too; NULL when out of memory. */
struct ls_audit_deed *ls_audit_deed(const struct ls_call *call);

/* Refusals of nobody in particular are written up to 20 a second on average, bursts of 200 apart: a flood must not fill the disk. The rest is
 * counted, and the next entry tells how many. */
struct ls_audit_gate {
    pthread_mutex_t lock;
    double left;
    int64_t at_us;
    uint64_t skipped;
};
void ls_audit_gate_init(struct ls_audit_gate *gate);
/* Whether this one is to be written; *ret_skipped: how many were not, since the last that was. now_us: monotonic. Any thread. */
bool ls_audit_gate_pass(struct ls_audit_gate *gate, int64_t now_us, uint64_t *ret_skipped);

#endif
