/* SPDX-License-Identifier: Apache-2.0 */
/* routes_users.c - the surface of users: a local database and an auth service, kept in step.
 *
 * The sync is surfaces.users, or the one named users. Its statuses have other words here: source_only is local_only, target_only is supabase_only (or the other
 * way round, where the local database is the target), and what is moving or a conflict counts as inconsistent, with the reason.
 *
 * An answer is made in memory, so a list has a limit; what is wrong comes first, and the counts are of all. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "server/surface.h"
#include "server/users.h"
#include "state/schedules.h"

#define USERS_MAX 10000 /* in one answer */
#define ISSUES_MAX 1000 /* likewise */

/* ---- which sync ---- */

static enum ls_code find_sync(struct ls_call *call, struct ls_users *u, struct ls_response *ret,
                              struct ls_error *err)
{
    if (ls_users_find(call->ls->config, u))
        return LS_OK;
    return ls_refuse(ret, 404, err, LS_NOT_FOUND, LS_USERS_NONE);
}

/* ---- counts ---- */

static void write_counts(struct ls_buf *out, const struct ls_users *u,
                         const struct lockstep_status *s)
{
    const uint64_t inconsistent = s->inconsistent + s->moving + s->conflict;
    const uint64_t issues = s->source_only + s->target_only + inconsistent;

    ls_write_open(out, "summary", '{');
    ls_write_i64(out, "total", (int64_t)s->total);
    ls_write_i64(out, "inSync", (int64_t)s->in_sync);
    ls_write_i64(out, "localOnly", (int64_t)(u->swapped ? s->target_only : s->source_only));
    ls_write_i64(out, "supabaseOnly", (int64_t)(u->swapped ? s->source_only : s->target_only));
    ls_write_i64(out, "inconsistent", (int64_t)inconsistent);
    ls_write_i64(out, "issues", (int64_t)issues);
    ls_write_i64(out, "progress", s->total ? (int64_t)(s->in_sync * 100 / s->total) : 100);
    ls_write_i64(out, "localCount", (int64_t)(u->swapped ? s->target_count : s->source_count));
    ls_write_i64(out, "supabaseCount", (int64_t)(u->swapped ? s->source_count : s->target_count));
    ls_write_close(out, '}');
}

/* ---- looking ---- */

/* Entries as they come: what is in sync first, so they are kept apart. */
struct list {
    const struct ls_users *u;
    struct ls_buf off, well;
    size_t off_count, well_count;
    bool single; /* the members of one user, nothing around them */
};

static bool add_user(void *ctx, const struct lockstep_difference *d)
{
    struct list *list = ctx;
    const bool well = strcmp(d->status, "in_sync") == 0;
    struct ls_buf *out = well ? &list->well : &list->off;
    size_t *count = well ? &list->well_count : &list->off_count;

    if ((*count)++ >= (list->single ? 1 : USERS_MAX))
        return true;
    if (!list->single)
        ls_write_open(out, NULL, '{');
    ls_users_write(out, list->u, d);
    if (!list->single)
        ls_write_close(out, '}');
    return true;
}

static enum ls_code look(struct ls_call *call, struct list *list, const char *only,
                         lockstep_difference_fn *fn, void *ctx, struct lockstep_status *ret,
                         struct ls_error *err)
{
    const struct lockstep_select select = {
        .sync = list->u->sync, .only = &only, .only_count = only ? 1 : 0};
    const struct lockstep_run_options options = {.every = fn == add_user};
    struct lockstep_error error = {0};
    const int code = lockstep_diff(call->ls, &select, &options, fn, ctx, ret, &error);

    return code == LOCKSTEP_OK || code == LOCKSTEP_DIFFERENT ? LS_OK : ls_call_failed(&error, err);
}

static void begin_list(struct list *list, const struct ls_users *u)
{
    *list = (struct list){.u = u};
    ls_buf_init(&list->off, 0);
    ls_buf_init(&list->well, 0);
}

static void end_list(struct list *list)
{
    ls_buf_done(&list->off);
    ls_buf_done(&list->well);
}

static void put(struct ls_buf *out, struct ls_buf *part)
{
    if (part->size && out->size && !strchr("{[:,", out->data[out->size - 1]))
        ls_buf_char(out, ',');
    ls_buf_add(out, ls_buf_str(part), part->size);
    out->failed = out->failed || part->failed;
}

static enum ls_code get_status(struct ls_call *call, const struct ls_users *u,
                               struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_status status = {0};
    struct list list;
    struct ls_buf out;
    enum ls_code rc;

    begin_list(&list, u);
    rc = look(call, &list, NULL, add_user, &list, &status, err);
    ls_buf_init(&out, 0);
    if (rc == LS_OK) {
        ls_surface_begin(&out, true);
        write_counts(&out, u, &status);
        ls_write_open(&out, "users", '[');
        put(&out, &list.off);
        put(&out, &list.well);
        ls_write_close(&out, ']');
        ls_write_bool(&out, "truncated", list.off_count > USERS_MAX || list.well_count > USERS_MAX);
        ls_surface_end(&out);
        lockstep_status_done(&status);
        rc = ls_answer(call, &out, ret, err);
    }
    end_list(&list);
    return rc;
}

/* ---- validating ---- */

static bool add_issue(void *ctx, const struct lockstep_difference *d)
{
    struct list *list = ctx;
    const struct ls_users_words *w = ls_users_words(list->u, d->status);
    const char *who = ls_users_value(d, "email");
    struct ls_buf line;

    if (list->off_count++ >= ISSUES_MAX)
        return true;
    ls_buf_init(&line, 0);
    ls_buf_printf(&line, "%s: %s", w->label, who ? who : d->key);
    for (size_t i = 0, n = 0; i < d->field_count && strcmp(w->word, "inconsistent") == 0; i++)
        if (d->fields[i].differs)
            ls_buf_printf(&line, "%s%s", n++ ? ", " : " differs in ", d->fields[i].name);
    ls_write_text(&list->off, NULL, line.failed ? NULL : ls_buf_str(&line));
    list->off.failed = list->off.failed || line.failed;
    ls_buf_done(&line);
    return true;
}

static void write_recommendations(struct ls_buf *out, const struct ls_users *u,
                                  const struct lockstep_status *s)
{
    const uint64_t local = u->swapped ? s->target_only : s->source_only;
    const uint64_t other = u->swapped ? s->source_only : s->target_only;

    ls_write_open(out, "recommendations", '[');
    if (local)
        ls_write_text(out, NULL,
                      "Some users are missing in Supabase: sync all users, or those one by one");
    if (other)
        ls_write_text(out, NULL,
                      "Some users are orphaned in Supabase: a sync removes them where the local "
                      "database is the source");
    if (s->inconsistent)
        ls_write_text(out, NULL, "Some users differ: a sync overwrites them from the source");
    if (s->moving)
        ls_write_text(out, NULL, "Some users changed during the check: validate again");
    ls_write_close(out, ']');
}

static enum ls_code get_validation(struct ls_call *call, const struct ls_users *u,
                                   struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_status status = {0};
    struct list list;
    struct ls_buf out;
    enum ls_code rc;

    begin_list(&list, u);
    rc = look(call, &list, NULL, add_issue, &list, &status, err);
    ls_buf_init(&out, 0);
    if (rc == LS_OK) {
        ls_surface_begin(&out, true);
        ls_write_bool(&out, "isValid", status.in_sync == status.total);
        ls_write_open(&out, "issues", '[');
        put(&out, &list.off);
        ls_write_close(&out, ']');
        write_recommendations(&out, u, &status);
        write_counts(&out, u, &status);
        ls_surface_end(&out);
        lockstep_status_done(&status);
        rc = ls_answer(call, &out, ret, err);
    }
    end_list(&list);
    return rc;
}

static enum ls_code get_sync(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const char *action = ls_request_query(call->request, "action");
    struct ls_users u = {0};
    enum ls_code rc = find_sync(call, &u, ret, err);

    if (rc != LS_OK)
        return rc;
    if (!action || strcmp(action, "status") == 0)
        return get_status(call, &u, ret, err);
    if (strcmp(action, "validate") == 0)
        return get_validation(call, &u, ret, err);
    return ls_error_set(err, LS_USAGE, "action is status or validate");
}

/* ---- one user ---- */

/* The filter for an address; LS_USAGE without one. */
static enum ls_code by_email(struct ls_call *call, const char *email, const char **ret,
                             struct ls_error *err)
{
    if (!email || !*email)
        return ls_error_set(err, LS_USAGE, "email is missing");
    *ret = ls_arena_printf(call->mem, "email=%s", email);
    return *ret ? LS_OK : ls_error_nomem(err);
}

static enum ls_code get_user_exists(struct ls_call *call, struct ls_response *ret,
                                    struct ls_error *err)
{
    const char *email = ls_request_query(call->request, "email"), *only = NULL;
    struct lockstep_status status = {0};
    struct ls_users u = {0};
    struct list list;
    struct ls_buf out;
    enum ls_code rc = find_sync(call, &u, ret, err);

    if (rc == LS_OK)
        rc = by_email(call, email, &only, err);
    begin_list(&list, &u);
    list.single = true;
    if (rc == LS_OK)
        rc = look(call, &list, only, add_user, &list, &status, err);
    ls_buf_init(&out, 0);
    if (rc == LS_OK) {
        const uint64_t local = u.swapped ? status.target_count : status.source_count;
        const uint64_t other = u.swapped ? status.source_count : status.target_count;

        ls_surface_begin(&out, true);
        ls_write_open(&out, "exists", '{');
        ls_write_bool(&out, "local", local > 0);
        ls_write_bool(&out, "supabase", other > 0);
        ls_write_close(&out, '}');
        put(&out, list.off.size ? &list.off : &list.well);
        if (!list.off.size && !list.well.size)
            ls_write_text(&out, "email", email);
        ls_surface_end(&out);
        lockstep_status_done(&status);
        rc = ls_answer(call, &out, ret, err);
    }
    end_list(&list);
    return rc;
}

/* ---- syncing ---- */

static void write_run(struct ls_buf *out, const struct ls_surface_run *job,
                      const struct lockstep_run *run, int *ret_status)
{
    const bool well = run->failed + run->conflicts == 0;
    char *json = lockstep_history_json(run), counts[200], message[500];

    (void)ret_status;
    snprintf(message, sizeof message, "%.250s: %s", job->about, ls_surface_counts(run, counts));
    ls_surface_begin(out, well);
    ls_write_text(out, "message", message);
    ls_write_json(out, "run", json);
    ls_surface_end(out);
    lockstep_free(json);
}

struct wish {
    const char *action, *email;
    struct ls_texts force;
};

static enum ls_code sync_user(struct ls_call *call, const struct ls_users *u, const char *email,
                              struct ls_run_wish *wish, struct ls_response *ret,
                              struct ls_error *err)
{
    struct list list = {.u = u};
    struct lockstep_status status = {0};
    const char **only = ls_arena_array(call->mem, 1, sizeof *only);
    enum ls_code rc = only ? by_email(call, email, only, err) : ls_error_nomem(err);

    if (rc == LS_OK)
        rc = look(call, &list, *only, NULL, NULL, &status, err);
    if (rc == LS_OK && status.total == 0)
        rc = ls_refuse(ret, 404, err, LS_NOT_FOUND, "neither side has a user with this email");
    lockstep_status_done(&status);
    if (rc != LS_OK)
        return rc;
    wish->only = only;
    wish->only_count = 1;
    return ls_surface_start(call, wish, write_run, "User synced successfully", ret, err);
}

static enum ls_code post_sync(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    static const struct ls_member members[] = {
        {"action", LS_MEMBER_TEXT, offsetof(struct wish, action), true},
        {"email", LS_MEMBER_TEXT, offsetof(struct wish, email), false},
        {"force", LS_MEMBER_TEXTS, offsetof(struct wish, force), false},
    };
    struct wish w = {0};
    struct ls_users u = {0};
    struct ls_run_wish wish = {.kind = "sync"};
    enum ls_code rc = ls_body_read(call, members, sizeof members / sizeof *members, &w, err);

    if (rc == LS_OK)
        rc = find_sync(call, &u, ret, err);
    if (rc == LS_OK)
        rc = ls_call_force(call, &w.force, &wish.force, ret, err);
    if (rc != LS_OK)
        return rc;
    wish.sync = u.sync;
    if (w.action && strcmp(w.action, "sync-all") == 0)
        return ls_surface_start(call, &wish, write_run, "All users synced", ret, err);
    if (w.action && strcmp(w.action, "sync-user") == 0)
        return sync_user(call, &u, w.email, &wish, ret, err);
    return ls_error_set(err, LS_USAGE, "action is sync-all or sync-user");
}

/* ---- the scheduled sync ---- */

/* Runs of the last while, and how many went well. */
static void write_rates(struct ls_buf *out, struct lockstep_run **runs, size_t count)
{
    size_t ended = 0, well = 0;

    for (size_t i = 0; i < count; i++) {
        ended += runs[i]->finished_us != 0;
        well += strcmp(runs[i]->status, "completed") == 0;
    }
    ls_write_open(out, "statistics", '{');
    ls_write_i64(out, "runs", (int64_t)ended);
    ls_write_i64(out, "succeeded", (int64_t)well);
    ls_write_i64(out, "failed", (int64_t)(ended - well));
    ls_write_i64(out, "successRate", ended ? (int64_t)(well * 100 / ended) : 100);
    ls_write_close(out, '}');
}

static void write_runs(struct ls_call *call, struct ls_buf *out, const char *sync)
{
    const struct lockstep_select select = {.sync = sync};
    struct lockstep_run **runs = NULL;
    size_t count = 0;
    char *last = NULL;

    if (lockstep_history(call->ls, &select, 100, &count, &runs, NULL) != LOCKSTEP_OK)
        count = 0;
    if (count)
        last = lockstep_history_json(runs[0]);
    ls_write_bool(out, "isRunning", count > 0 && strcmp(runs[0]->status, "running") == 0);
    ls_write_i64(out, "jobNumber", count ? runs[0]->number : 0);
    ls_write_json(out, "lastRun", last);
    write_rates(out, runs, count);
    lockstep_free(last);
    lockstep_runs_free(runs, count);
}

/* The first schedule that runs this sync; null when there is none. */
static enum ls_code write_schedule(struct ls_call *call, struct ls_buf *out, const char *sync,
                                   struct ls_error *err)
{
    struct ls_schedule *all = NULL, *found = NULL;
    size_t count = 0;
    enum ls_code rc = ls_api_state(call->ls, true, err);

    if (rc == LS_OK)
        rc = ls_state_schedules(call->ls->state, call->mem, &count, &all, err);
    for (size_t i = 0; i < count && !found; i++)
        if (all[i].action == LS_ACTION_SYNC && strcmp(all[i].target, sync) == 0)
            found = &all[i];
    ls_write_bool(out, "enabled", found && !found->paused);
    ls_write_time(out, "nextRun", found && !found->paused ? found->next_us : 0);
    if (!found) {
        ls_write_null(out, "schedule");
        return rc;
    }
    ls_write_open(out, "schedule", '{');
    ls_write_text(out, "scheduleId", found->id);
    ls_write_text(out, "cron", found->cron);
    ls_write_text(out, "timezone", *found->zone ? found->zone : "UTC");
    ls_write_bool(out, "isPaused", found->paused);
    ls_write_close(out, '}');
    return rc;
}

static enum ls_code get_scheduled(struct ls_call *call, struct ls_response *ret,
                                  struct ls_error *err)
{
    struct ls_users u = {0};
    struct ls_buf out;
    enum ls_code rc = find_sync(call, &u, ret, err);

    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_surface_begin(&out, true);
    rc = write_schedule(call, &out, u.sync, err);
    write_runs(call, &out, u.sync);
    ls_surface_end(&out);
    if (rc == LS_OK)
        return ls_answer(call, &out, ret, err);
    ls_buf_done(&out);
    return rc;
}

static enum ls_code post_scheduled(struct ls_call *call, struct ls_response *ret,
                                   struct ls_error *err)
{
    struct ls_run_wish wish = {.kind = "sync"};
    struct ls_users u = {0};
    enum ls_code rc = find_sync(call, &u, ret, err);

    wish.sync = u.sync;
    return rc == LS_OK
               ? ls_surface_start(call, &wish, write_run, "Scheduled sync triggered", ret, err)
               : rc;
}

#define SURFACE LS_ROUTE_SUCCESS
static const struct ls_route routes[] = {
    LS_ROUTE("GET", "/api/admin/sync", LS_ROLE_ADMIN, .flags = LS_ROUTE_LONG | SURFACE,
             .handle = get_sync, .query = "action", .response = "UserSyncStatus",
             .summary = "Show every user's status, or validate the integrity of both sides"),
    LS_ROUTE("POST", "/api/admin/sync", LS_ROLE_ADMIN,
             .flags = LS_ROUTE_LONG | LS_ROUTE_CHANGES | SURFACE, .handle = post_sync,
             .request = "UserSyncRequest", .response = "UserSyncResult",
             .summary = "Sync all users, or the one with an email"),
    LS_ROUTE("GET", "/api/admin/scheduled-sync", LS_ROLE_ADMIN, .flags = LS_ROUTE_DESK | SURFACE,
             .handle = get_scheduled, .response = "ScheduledSyncStatus",
             .summary = "Show the scheduled sync of users, its last run and its rates"),
    LS_ROUTE("POST", "/api/admin/scheduled-sync", LS_ROLE_ADMIN,
             .flags = LS_ROUTE_DESK | LS_ROUTE_CHANGES | SURFACE, .handle = post_scheduled,
             .request = "AnyBody", .response = "UserSyncResult",
             .summary = "Run the scheduled sync of users now"),
    LS_ROUTE("GET", "/api/debug/user-exists", LS_ROLE_ADMIN, .flags = LS_ROUTE_LONG | SURFACE,
             .handle = get_user_exists, .query = "email", .response = "UserExists",
             .summary = "Show where a user exists, and what differs"),
};

const struct ls_route_table ls_routes_users = LS_ROUTE_TABLE(
    "users", "Users of a local database and of an auth service, as their application knows it.",
    routes);
