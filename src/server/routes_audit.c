/* SPDX-License-Identifier: Apache-2.0 */
/* routes_audit.c - the audit log, and letting go of old journals. */
#include <string.h>

#include "lockstep.h"
#include "server/handler.h"

static void write_entry(struct ls_buf *out, const struct ls_audit *a)
{
    ls_write_open(out, NULL, '{');
    ls_write_i64(out, "seq", a->seq);
    ls_write_time(out, "at", a->at_us);
    ls_write_text(out, "actor", a->actor);
    ls_write_text(out, "action", a->action);
    ls_write_text(out, "subject", a->subject);
    ls_write_json(out, "detail", a->detail_json);
    ls_write_close(out, '}');
}

static enum ls_code get_audit(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ls_audit *entries = NULL;
    struct ls_page page;
    struct ls_buf out;
    size_t count = 0;
    int64_t last = 0;
    enum ls_code rc = ls_page_read(call, &page, err);

    if (rc == LS_OK)
        rc = ls_api_state(call->ls, true, err);
    if (rc == LS_OK)
        rc = ls_state_audit_page(call->ls->state, page.after,
                                 ls_request_query(call->request, "actor"),
                                 ls_request_query(call->request, "action"), page.limit + 1,
                                 call->mem, &count, &entries, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_buf_text(&out, "{\"items\":[");
    for (size_t i = 0; i < count && i < page.limit; i++) {
        write_entry(&out, &entries[i]);
        last = entries[i].seq;
    }
    ls_page_end(call, &out, count > page.limit, last, ret);
    return ls_answer(call, &out, ret, err);
}

static enum ls_code get_verify(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_error error = {0};
    uint64_t count = 0;
    const int code = lockstep_audit_verify(call->ls, &count, &error);
    struct ls_buf out;

    if (code != LOCKSTEP_OK && strcmp(error.name, ls_code_name(LS_CORRUPT)) != 0)
        return ls_call_failed(&error, err);
    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_i64(&out, "entries", (int64_t)count);
    ls_write_bool(&out, "valid", code == LOCKSTEP_OK);
    if (code != LOCKSTEP_OK)
        ls_write_text(&out, "reason", error.text);
    ls_write_close(&out, '}');
    return ls_answer(call, &out, ret, err);
}

struct keep {
    int64_t days, bytes;
};
static const struct ls_member keep_members[] = {
    {"keep_days", LS_MEMBER_COUNT, offsetof(struct keep, days), false},
    {"keep_bytes", LS_MEMBER_COUNT, offsetof(struct keep, bytes), false},
};

static enum ls_code post_prune(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_error error = {0};
    struct keep keep = {0};
    uint64_t runs = 0;
    int64_t bytes = 0;
    struct ls_buf out;
    enum ls_code rc = ls_body_read(call, keep_members, 2, &keep, err);

    if (rc == LS_OK && keep.days > 36500)
        rc = ls_error_set(err, LS_USAGE, "keep_days is at most 36500");
    if (rc != LS_OK)
        return rc;
    if (lockstep_prune(call->ls, (int)keep.days, keep.bytes, &runs, &bytes, &error) != LOCKSTEP_OK)
        return ls_call_failed(&error, err);
    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_i64(&out, "runs", (int64_t)runs);
    ls_write_i64(&out, "bytes", bytes);
    ls_write_close(&out, '}');
    return ls_answer(call, &out, ret, err);
}

static const struct ls_route routes[] = {
    LS_ROUTE("GET", "/api/v1/audit", LS_ROLE_ADMIN, .flags = LS_ROUTE_DESK, .handle = get_audit,
             .query = "actor action limit cursor", .response = "AuditList",
             .summary = "List the audit log, newest first"),
    LS_ROUTE("GET", "/api/v1/audit/verify", LS_ROLE_ADMIN, .flags = LS_ROUTE_LONG,
             .handle = get_verify, .response = "AuditVerdict",
             .summary = "Walk the chains of audit log and receipts, and name the first bad entry"),
    LS_ROUTE("POST", "/api/v1/prune", LS_ROLE_ADMIN, .flags = LS_ROUTE_LONG | LS_ROUTE_CHANGES,
             .handle = post_prune, .request = "PruneRequest", .response = "Pruned",
             .summary = "Remove the journals of old runs"),
};

const struct ls_route_table ls_routes_audit =
    LS_ROUTE_TABLE("audit", "Who did what, and what is kept.", routes);
