/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c - who called what, in the audit log.
 *
 * An allowed call is written before anything is done: what cannot be written down is not done. What came of it is not known then: a call that is answered with an error gets
 * a second entry, and a run writes one of its own at its end, with the same actor. Refused calls are written after the answer is known. Handlers that write
 * their entry in the transaction of what they do (LS_ROUTE_AUDITS) need the first one not; where they fail, the second one is there. Calls that hand in
 * events (LS_ROUTE_QUEUES) are noted by the queue, in the transaction that takes these; one that took nothing has no entry. */
#include "server/audit.h"

#include <string.h>

#include "api/api.h"
#include "server/write.h"

#define PER_SECOND 20
#define BURST 200

const char *ls_audit_actor(const struct ls_caller *caller, struct ls_arena *mem)
{
    if (!caller->name || !*caller->name)
        return ls_arena_text(mem, caller->kind);
    return ls_arena_printf(mem, "%s:%s", caller->kind, caller->name);
}

const char *ls_audit_about(const struct ls_request *request, const char *outcome)
{
    const char *ret;
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_buf_char(&out, '{'); /* for the commas; left out below */
    if (outcome)
        ls_write_text(&out, "outcome", outcome);
    ls_write_text(&out, "address", request->peer);
    ls_write_text(&out, "request", request->id);
    ret = out.failed ? NULL : ls_arena_text(request->mem, ls_buf_str(&out) + 1);
    ls_buf_done(&out);
    return ret;
}

enum ls_code ls_audit_call(const struct ls_call *call, const char *outcome, int status,
                           uint64_t skipped, struct ls_error *err)
{
    const struct ls_request *request = call->request;
    const char *actor = ls_audit_actor(call->caller, call->mem);
    const char *about = ls_audit_about(request, NULL);
    const char *action =
        ls_arena_printf(call->mem, "%s %s", call->route->method, call->route->path);
    struct ls_buf detail;
    enum ls_code rc;

    ls_buf_init(&detail, 0);
    ls_write_open(&detail, NULL, '{');
    ls_write_text(&detail, "outcome", outcome);
    if (status)
        ls_write_i64(&detail, "status", status);
    ls_write_text(&detail, "role", ls_role_word(call->caller->role));
    if (skipped)
        ls_write_i64(&detail, "refused_before", (int64_t)skipped);
    ls_write_close(&detail, '}');
    if (!actor || !about || !action || detail.failed) {
        rc = ls_error_nomem(err);
    } else {
        ls_api_act_as(call->ls, actor, about);
        rc = ls_api_audit(call->ls, action, request->path, ls_buf_str(&detail), err);
    }
    ls_buf_done(&detail);
    return rc;
}

struct ls_audit_deed *ls_audit_deed(const struct ls_call *call)
{
    struct ls_audit_deed *deed = ls_arena_alloc(call->mem, sizeof *deed);
    const char *actor = ls_audit_actor(call->caller, call->mem);
    const char *action =
        ls_arena_printf(call->mem, "%s %s", call->route->method, call->route->path);

    if (!deed || !actor || !action)
        return NULL;
    *deed = (struct ls_audit_deed){.actor = actor,
                                   .role = ls_role_word(call->caller->role),
                                   .address = call->request->peer,
                                   .action = action,
                                   .subject = call->route->path,
                                   .request = call->request->id};
    return deed;
}

void ls_audit_gate_init(struct ls_audit_gate *gate)
{
    memset(gate, 0, sizeof *gate);
    (void)pthread_mutex_init(&gate->lock, NULL);
    gate->left = BURST;
}

bool ls_audit_gate_pass(struct ls_audit_gate *gate, int64_t now_us, uint64_t *ret_skipped)
{
    bool pass;

    (void)pthread_mutex_lock(&gate->lock);
    if (now_us > gate->at_us)
        gate->left += (double)(now_us - gate->at_us) / 1000000 * PER_SECOND;
    gate->left = gate->left > BURST ? BURST : gate->left;
    gate->at_us = now_us;
    pass = gate->left >= 1;
    if (pass) {
        gate->left -= 1;
        *ret_skipped = gate->skipped;
        gate->skipped = 0;
    } else {
        gate->skipped++;
    }
    (void)pthread_mutex_unlock(&gate->lock);
    return pass;
}
