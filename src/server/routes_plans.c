/* SPDX-License-Identifier: Apache-2.0 */
/* routes_plans.c - plans that the server keeps: made, looked at by people, carried out.
 *
 * A plan is a file (docs/plan-format.md) in a folder beside the state, named by a UUID; with a state on PostgreSQL it is a folder of this machine, so a plan is
 * carried out by the server that made it. It holds records, so the folder is for us alone, and only operators may see it. Plans that nobody carried out are removed after
 * a week, when the next one is made. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "lockstep.h"
#include "server/handler.h"
#include "server/stream.h"

#define KEPT_US ((int64_t)7 * 86400 * 1000000)
#define HEADER_MAX ((size_t)1 << 20) /* of the first line */
#define SUFFIX ".plan"
#define WAITING_BYTES ((size_t)256 << 10)

/* ---- where ---- */

static const char *machine_folder(struct ls_arena *mem)
{
    const char *given = getenv("STATE_DIRECTORY"), *xdg = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (given && *given == '/')
        return ls_arena_printf(mem, "%s/plans", given);
    if (xdg && *xdg == '/')
        return ls_arena_printf(mem, "%s/lockstep/plans", xdg);
    return ls_arena_printf(mem, "%s/.local/state/lockstep/plans", home ? home : "");
}

static enum ls_code plan_folder(struct ls_call *call, const char **ret, struct ls_error *err)
{
    enum ls_code rc = ls_api_state(call->ls, true, err);
    const char *where;

    if (rc != LS_OK)
        return rc;
    where = ls_state_where(call->ls->state);
    *ret = ls_text_starts(where, "sqlite:")
               ? ls_arena_printf(call->mem, "%s-plans", where + strlen("sqlite:"))
               : machine_folder(call->mem);
    return *ret ? ls_file_make_dirs(*ret, err) : ls_error_nomem(err);
}

/* 8-4-4-4-12 hexadecimal digits: nothing else becomes part of a path. */
static bool is_uuid(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    for (size_t i = 0; i < sizeof form - 1; i++)
        if (form[i] == '-' ? text[i] != '-'
                           : !strchr("0123456789abcdef", text[i]) || text[i] == '\0')
            return false;
    return text[sizeof form - 1] == '\0';
}

/* The file of the plan that the path names. */
static enum ls_code plan_path(struct ls_call *call, const char **ret_path, struct ls_response *ret,
                              struct ls_error *err)
{
    const char *id = ls_request_param(call->request, "plan"), *folder = NULL;
    enum ls_code rc = plan_folder(call, &folder, err);

    if (rc != LS_OK)
        return rc;
    *ret_path = ls_arena_printf(call->mem, "%s/%.36s" SUFFIX, folder, id);
    if (!*ret_path)
        return ls_error_nomem(err);
    if (!is_uuid(id) || access(*ret_path, R_OK) != 0)
        return ls_refuse(ret, 404, err, LS_NOT_FOUND, "there is no plan %.60s", id);
    return LS_OK;
}

/* ---- what one is ---- */

/* The first line of a plan; NULL when it is none. The caller frees it by json_decref(). */
static json_t *read_header(const char *path)
{
    char *line = NULL;
    size_t room = 0;
    FILE *f = fopen(path, "re");
    json_t *header = NULL;

    if (f && getline(&line, &room, f) > 0 && room <= HEADER_MAX * 2)
        header = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    free(line);
    if (f)
        (void)fclose(f);
    return header;
}

static const char *text_of(const json_t *header, const char *name)
{
    const char *text = json_string_value(json_object_get(header, name));

    return text ? text : "";
}

static void write_plan(struct ls_buf *out, const char *id, const char *path, const json_t *header)
{
    static const char *const texts[] = {"sync", "source", "target", "made_at"};
    static const char *const counts[] = {"inserts",   "updates", "deletes",
                                         "unchanged", "moving",  "kept"};
    const json_t *numbers = json_object_get(header, "counts");
    struct stat info = {0};

    (void)stat(path, &info);
    ls_write_open(out, NULL, '{');
    ls_write_text(out, "plan", id);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ls_write_text(out, texts[i], text_of(header, texts[i]));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        ls_write_i64(out, counts[i], json_integer_value(json_object_get(numbers, counts[i])));
    ls_write_i64(out, "bytes", info.st_size);
    ls_write_close(out, '}');
}

static enum ls_code show_plan(struct ls_call *call, const char *id, const char *path,
                              struct ls_response *ret, struct ls_error *err)
{
    json_t *header = read_header(path);
    struct ls_buf out;

    if (!header)
        return ls_error_set(err, LS_CORRUPT, "the file of plan %s is no plan", id);
    ls_buf_init(&out, 0);
    write_plan(&out, id, path, header);
    json_decref(header);
    return ls_answer(call, &out, ret, err);
}

static enum ls_code get_plan(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const char *path = NULL;
    enum ls_code rc = plan_path(call, &path, ret, err);

    return rc == LS_OK ? show_plan(call, ls_request_param(call->request, "plan"), path, ret, err)
                       : rc;
}

/* ---- the list ---- */

struct found {
    char id[37];
    int64_t at_us; /* of its last change */
};

static int newest_first(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    return x->at_us > y->at_us ? -1 : x->at_us < y->at_us;
}

static bool look_at(const char *folder, const char *name, struct found *ret)
{
    const size_t length = strlen(name);
    char path[4096];
    struct stat info;

    if (length != 36 + strlen(SUFFIX) || strcmp(name + 36, SUFFIX) != 0)
        return false;
    snprintf(ret->id, sizeof ret->id, "%.36s", name);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!is_uuid(ret->id) || stat(path, &info) != 0)
        return false;
    ret->at_us = (int64_t)info.st_mtim.tv_sec * 1000000 + info.st_mtim.tv_nsec / 1000;
    return true;
}

/* Every plan of the folder, newest first. */
static enum ls_code find_plans(const char *folder, struct ls_arena *mem, size_t *ret_count,
                               struct found **ret, struct ls_error *err)
{
    DIR *dir = opendir(folder);
    struct found *all = NULL;
    size_t count = 0, room = 0;
    enum ls_code rc = dir ? LS_OK : ls_error_errno(err, errno, "cannot read %s", folder);

    for (const struct dirent *e; rc == LS_OK && (e = readdir(dir)) != NULL;) {
        if (count == room) {
            struct found *grown = ls_arena_array(mem, room ? room * 2 : 32, sizeof *grown);

            if (!grown) {
                rc = ls_error_nomem(err);
                break;
            }
            if (count)
                memcpy(grown, all, count * sizeof *all);
            all = grown;
            room = room ? room * 2 : 32;
        }
        count += look_at(folder, e->d_name, &all[count]);
    }
    if (dir)
        (void)closedir(dir);
    if (rc == LS_OK && count)
        qsort(all, count, sizeof *all, newest_first);
    *ret = all;
    *ret_count = count;
    return rc;
}

static void remove_old(const char *folder, struct ls_arena *mem)
{
    const int64_t before = ls_clock_now_us() - KEPT_US;
    struct found *all = NULL;
    struct ls_error ignored;
    size_t count = 0;

    if (find_plans(folder, mem, &count, &all, &ignored) != LS_OK)
        return; /* they are removed another time */
    for (size_t i = 0; i < count; i++) {
        const char *path = ls_arena_printf(mem, "%s/%s" SUFFIX, folder, all[i].id);

        if (path && all[i].at_us < before)
            (void)unlink(path);
    }
}

static enum ls_code get_plans(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const char *sync = ls_request_query(call->request, "sync"), *folder = NULL;
    struct found *all = NULL;
    struct ls_page page;
    struct ls_buf out;
    size_t count = 0, shown = 0;
    int64_t last = 0;
    bool more = false;
    enum ls_code rc = ls_page_read(call, &page, err);

    if (rc == LS_OK)
        rc = plan_folder(call, &folder, err);
    if (rc == LS_OK)
        rc = find_plans(folder, call->mem, &count, &all, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_buf_text(&out, "{\"items\":[");
    for (size_t i = 0; i < count && !more; i++) {
        const char *path = ls_arena_printf(call->mem, "%s/%s" SUFFIX, folder, all[i].id);
        json_t *header;

        if (!path || (page.after && all[i].at_us >= page.after))
            continue;
        header = read_header(path);
        if (header && (!sync || strcmp(text_of(header, "sync"), sync) == 0)) {
            more = shown == page.limit;
            if (!more) {
                write_plan(&out, all[i].id, path, header);
                last = all[i].at_us;
                shown++;
            }
        }
        json_decref(header);
    }
    ls_page_end(call, &out, more, last, ret);
    return ls_answer(call, &out, ret, err);
}

/* ---- making one ---- */

struct wish {
    const char *sync;
    bool full, wait;
    struct ls_texts only, force;
};
#define AT(member) offsetof(struct wish, member)
static const struct ls_member plan_members[] = {
    {"sync", LS_MEMBER_TEXT, AT(sync), true},
    {"full", LS_MEMBER_BOOL, AT(full), false},
    {"only", LS_MEMBER_TEXTS, AT(only), false},
};

static enum ls_code post_plan(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct lockstep_plan_info info = {0};
    struct lockstep_error error = {0};
    struct lockstep_run_options options = {0};
    struct lockstep_select select = {0};
    struct wish wish = {0};
    const char *folder = NULL, *path;
    char id[37];
    int code;
    enum ls_code rc =
        ls_body_read(call, plan_members, sizeof plan_members / sizeof *plan_members, &wish, err);

    if (rc == LS_OK)
        rc = ls_call_sync(call, wish.sync, ret, err);
    if (rc == LS_OK)
        rc = plan_folder(call, &folder, err);
    if (rc != LS_OK)
        return rc;
    remove_old(folder, call->mem);
    ls_uuid_new(id);
    path = ls_arena_printf(call->mem, "%s/%s" SUFFIX, folder, id);
    if (!path)
        return ls_error_nomem(err);
    select.sync = wish.sync;
    select.only = wish.only.texts;
    select.only_count = wish.only.count;
    options.full = wish.full;
    code = lockstep_plan(call->ls, &select, &options, path, &info, &error);
    if (code != LOCKSTEP_OK && code != LOCKSTEP_DIFFERENT)
        return ls_call_failed(&error, err);
    ls_response_header(ret, "Location", ls_arena_printf(call->mem, "/api/v1/plans/%s", id));
    return show_plan(call, id, path, ret, err);
}

/* ---- the file, and its end ---- */

/* Sends the file as it is; the request may be gone before its end. */
static void send_file(struct ls_stream *stream, FILE *f)
{
    char block[32768];
    size_t n;

    while ((n = fread(block, 1, sizeof block, f)) > 0)
        if (!ls_stream_write(stream, block, n))
            break;
    ls_stream_end(stream);
    (void)fclose(f);
}

static enum ls_code get_file(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ls_response response = {.status = 200, .type = "application/x-ndjson"};
    const char *path = NULL;
    enum ls_code rc = plan_path(call, &path, ret, err);
    FILE *f;

    if (rc != LS_OK)
        return rc;
    f = fopen(path, "re");
    if (!f)
        return ls_error_errno(err, errno, "cannot read the plan");
    response.stream = ls_stream_new(WAITING_BYTES);
    if (!response.stream) {
        (void)fclose(f);
        return ls_error_nomem(err);
    }
    ret->later = true;
    ls_server_answer(call->request, &response);
    send_file(response.stream, f);
    return LS_OK;
}

static enum ls_code delete_plan(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const char *path = NULL;
    enum ls_code rc = plan_path(call, &path, ret, err);

    if (rc == LS_OK && unlink(path) != 0)
        rc = ls_error_errno(err, errno, "cannot remove the plan");
    return rc;
}

static const struct ls_member apply_members[] = {
    {"full", LS_MEMBER_BOOL, AT(full), false},
    {"wait", LS_MEMBER_BOOL, AT(wait), false},
    {"force", LS_MEMBER_TEXTS, AT(force), false},
};

static enum ls_code post_apply(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ls_run_wish run = {.kind = "apply"};
    struct wish wish = {0};
    json_t *header;
    enum ls_code rc =
        ls_body_read(call, apply_members, sizeof apply_members / sizeof *apply_members, &wish, err);

    if (rc == LS_OK)
        rc = plan_path(call, &run.plan, ret, err);
    if (rc == LS_OK)
        rc = ls_call_force(call, &wish.force, &run.force, ret, err);
    if (rc != LS_OK)
        return rc;
    header = read_header(run.plan);
    run.sync = ls_arena_text(call->mem, text_of(header, "sync"));
    json_decref(header);
    run.full = wish.full;
    return run.sync ? ls_call_run(call, &run, wish.wait, ret, err) : ls_error_nomem(err);
}

static const struct ls_route routes[] = {
    LS_ROUTE("POST", "/api/v1/plans", LS_ROLE_OPERATOR, .flags = LS_ROUTE_LONG | LS_ROUTE_CHANGES,
             .handle = post_plan, .request = "PlanRequest", .response = "Plan", .status = 201,
             .summary = "Write down what a sync would change"),
    LS_ROUTE("GET", "/api/v1/plans", LS_ROLE_OPERATOR, .flags = LS_ROUTE_DESK, .handle = get_plans,
             .query = "sync limit cursor", .response = "PlanList",
             .summary = "List the plans that are kept, newest first"),
    LS_ROUTE("GET", "/api/v1/plans/{plan}", LS_ROLE_OPERATOR, .flags = LS_ROUTE_DESK,
             .handle = get_plan, .response = "Plan", .summary = "Show a plan's head and counts"),
    LS_ROUTE("GET", "/api/v1/plans/{plan}/file", LS_ROLE_OPERATOR, .flags = LS_ROUTE_LONG,
             .handle = get_file, .type = "application/x-ndjson",
             .summary = "Give the plan as a file: a change a line"),
    LS_ROUTE("DELETE", "/api/v1/plans/{plan}", LS_ROLE_OPERATOR,
             .flags = LS_ROUTE_DESK | LS_ROUTE_CHANGES, .handle = delete_plan, .status = 204,
             .summary = "Remove a plan"),
    LS_ROUTE("POST", "/api/v1/plans/{plan}/apply", LS_ROLE_OPERATOR,
             .flags = LS_ROUTE_DESK | LS_ROUTE_CHANGES, .handle = post_apply,
             .request = "ApplyRequest", .response = "RunAccepted", .status = 202,
             .summary = "Carry out a plan, by a run"),
};

const struct ls_route_table ls_routes_plans =
    LS_ROUTE_TABLE("plans", "What a sync would change, written down to be looked at.", routes);
