/* SPDX-License-Identifier: Apache-2.0 */
/* routes_resources.c - the surface of events: enrollments, profiles, progress and students, as the application and its admin panel know them.
 *
 * Which collection each is stands in surfaces.events; what a write does is src/event/resource_write.c's. Here is who may do what with whose records:
 *
 *   admin, service     everything (students: admins alone)
 *   viewer, operator   look at everything
 *   user               look at their own records, and set of them what user_writes lists
 *   cron               nothing: it drives queues, and is nobody
 *
 * A user's own records are those whose field `user` has the user's id. That condition is part of every statement that is run for a user, so another's
 * record is not there for them: 404, and 409 where a new one would take its place.
 *
 * /api/profile without a key is the caller's own, or that of the user whom the query names. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "server/surface.h"
#include "state/queue.h"

#define LIMIT_DEFAULT 50
#define PAGE_MAX 1000000

/* A request with the collection that it is about. */
struct visit {
    struct ls_call *call;
    const struct ls_resource_words *words;
    struct ls_records *records;
    bool own;              /* a user: */
    struct ls_terms scope; /* the condition for their own records */
    struct ls_terms where; /* which records are meant */
    struct ls_terms body;
};

/* ---- who, and what ---- */

static enum ls_resource_kind kind_of(const struct ls_call *call)
{
    static const char *const paths[LS_RESOURCE_COUNT] = {
        [LS_RESOURCE_ENROLLMENTS] = "/api/enrollments",
        [LS_RESOURCE_PROFILE] = "/api/profile",
        [LS_RESOURCE_PROGRESS] = "/api/progress",
        [LS_RESOURCE_STUDENTS] = "/api/admin/students",
    };
    enum ls_resource_kind kind = 0;

    while (kind + 1 < LS_RESOURCE_COUNT && !ls_text_starts(call->route->path, paths[kind]))
        kind++;
    return kind;
}

static enum ls_code find_own(struct visit *v, struct ls_response *ret, struct ls_error *err)
{
    const char *user = v->call->caller->user;
    enum ls_code rc;

    if (!user || !ls_records_have_user(v->records))
        return ls_refuse(ret, 403, err, LS_PERMISSION,
                         user ? "records here do not say whose they are"
                              : "these credentials are of no user");
    rc = ls_terms_user(v->records, user, &v->scope, err);
    if (rc == LS_NOT_FOUND)
        return ls_refuse(ret, 403, err, LS_PERMISSION, "%s", "no record here can be of this user");
    return rc;
}

static enum ls_code begin(struct visit *v, struct ls_call *call, struct ls_response *ret,
                          struct ls_error *err)
{
    const struct ls_config *config = call->ls->config;
    const enum ls_resource_kind kind = kind_of(call);
    const struct ls_resource *resource = config ? &config->surfaces.resources[kind] : NULL;
    enum ls_code rc;

    *v = (struct visit){.call = call, .words = ls_resource_words(kind)};
    if (call->caller->role == LS_ROLE_CRON)
        return ls_refuse(ret, 403, err, LS_PERMISSION,
                         "the cron secret drives queues and opens no records");
    if (!resource || !resource->store)
        return ls_refuse(ret, 404, err, LS_NOT_FOUND,
                         "no collection is configured: surfaces: { events: { %s: "
                         "STORE.COLLECTION } }",
                         v->words->setting);
    rc = ls_records_open(resource, call->mem, &v->records, err);
    v->own = call->caller->role == LS_ROLE_USER;
    if (rc == LS_OK)
        rc = ls_terms_new(v->records, &v->scope, err);
    if (rc == LS_OK && v->own)
        rc = find_own(v, ret, err);
    return rc;
}

static void end(struct visit *v)
{
    ls_records_close(v->records);
}

/* ---- which records ---- */

static bool is_paging(const char *name)
{
    return strcmp(name, "limit") == 0 || strcmp(name, "cursor") == 0 || strcmp(name, "page") == 0;
}

static enum ls_code no_such(const struct visit *v, struct ls_error *err)
{
    return ls_error_set(err, LS_NOT_FOUND, "there is no such %s", v->words->one);
}

/* The fields of the query, and the caller's own. */
static enum ls_code read_filter(struct visit *v, struct ls_response *ret, struct ls_error *err)
{
    const struct ls_request *request = v->call->request;
    enum ls_code rc = ls_terms_new(v->records, &v->where, err);

    for (size_t i = 0; i < request->query_count && rc == LS_OK; i++)
        if (!is_paging(request->query[i].name))
            rc = ls_terms_filter(v->records, request->query[i].name, request->query[i].value,
                                 &v->where, err);
    if (rc == LS_OK && !ls_terms_agree(v->records, &v->where, &v->scope))
        return ls_refuse(ret, 403, err, LS_PERMISSION, "you have your own records alone");
    if (rc == LS_OK)
        ls_terms_add(&v->where, &v->scope);
    return rc;
}

/* The record of the path; of /api/profile without a key the one that the query names, or the caller's. */
static enum ls_code read_where(struct visit *v, struct ls_response *ret, struct ls_error *err)
{
    const char *id = ls_request_param(v->call->request, "id");
    enum ls_code rc = id ? ls_terms_key(v->records, id, &v->where, err) : read_filter(v, ret, err);

    if (rc == LS_USAGE && id) /* what is no key names no record */
        return no_such(v, err);
    if (rc == LS_OK && id && !ls_terms_agree(v->records, &v->where, &v->scope))
        return no_such(v, err);
    if (rc == LS_OK)
        ls_terms_add(&v->where, &v->scope);
    if (rc == LS_OK && v->where.count == 0)
        rc =
            ls_error_set(err, LS_USAGE, "whose %s? Say it in the query: userId=...", v->words->one);
    return rc;
}

static enum ls_code read_body(struct visit *v, struct ls_response *ret, struct ls_error *err)
{
    const struct ls_config *config = v->call->ls->config;
    const struct ls_resource *resource = &config->surfaces.resources[kind_of(v->call)];
    const char *forbidden;
    json_t *body = NULL;
    enum ls_code rc;

    if (v->own && resource->write_count == 0)
        return ls_refuse(ret, 403, err, LS_PERMISSION, "users only look at %s here",
                         v->words->several);
    rc = ls_body_object(v->call, &body, err);
    if (rc == LS_OK)
        rc = ls_terms_body(v->records, body, &v->body, err);
    json_decref(body);
    if (rc != LS_OK || !v->own)
        return rc;
    forbidden = ls_terms_forbidden(v->records, &v->body, v->where.count ? &v->where : &v->scope);
    return forbidden ? ls_refuse(ret, 403, err, LS_PERMISSION, "users cannot set %s", forbidden)
                     : LS_OK;
}

/* ---- answers ---- */

static void write_event(struct ls_buf *out, const struct ls_written *written)
{
    if (!written->event) {
        ls_write_null(out, "event");
        return;
    }
    ls_write_open(out, "event", '{');
    ls_write_text(out, "id", written->event);
    ls_write_text(out, "type", written->type);
    ls_write_close(out, '}');
}

/* How far the other sides are with a record, by our own books: nothing is known where they cannot be read, for what was asked for is there all the same. */
static void look_up(const struct visit *v, const struct ls_record *record, enum ls_sync_status *ret,
                    int64_t *ret_synced_us)
{
    struct lockstep *ls = v->call->ls;
    struct ls_error err = {0};

    *ret = LS_SYNC_UNKNOWN;
    *ret_synced_us = 0;
    if (ls_api_state(ls, false, &err) != LS_OK ||
        ls_queue_sync_status(ls->state, v->words->type, record->event_id, ret, ret_synced_us,
                             &err) != LS_OK)
        *ret = LS_SYNC_UNKNOWN;
}

/* waits: an event about it has not even left its database. */
static void write_record(struct ls_buf *out, const char *name, const struct visit *v,
                         const struct ls_record *record, bool waits)
{
    static const char *const words[] = {[LS_SYNC_UNKNOWN] = NULL,
                                        [LS_SYNC_PENDING] = "pending",
                                        [LS_SYNC_SYNCED] = "synced",
                                        [LS_SYNC_FAILED] = "failed"};
    const bool own_time = ls_records_have_synced(v->records);
    const bool own_status = ls_records_have_sync_status(v->records);
    enum ls_sync_status status;
    int64_t synced_us;

    ls_write_json(out, name, record->json);
    if (own_time && own_status)
        return;
    look_up(v, record, &status, &synced_us);
    ls_buf_cut(out, out->size - 1); /* the members of the record go on */
    if (!own_time)
        ls_write_time(out, "last_synced_at", synced_us);
    if (!own_status)
        ls_write_text(out, "sync_status", waits ? words[LS_SYNC_PENDING] : words[status]);
    ls_write_close(out, '}');
}

static enum ls_code answer_record(struct visit *v, const struct ls_record *record,
                                  const struct ls_written *written, struct ls_response *ret,
                                  struct ls_error *err)
{
    struct ls_error ignored = {0};
    bool waits = written && written->event;
    struct ls_buf out;

    if (!waits && ls_records_wait(v->records, 1, record, &waits, &ignored) != LS_OK)
        waits = false;
    ls_buf_init(&out, 0);
    ls_surface_data_begin(&out);
    write_record(&out, v->words->one, v, record, waits);
    if (written)
        write_event(&out, written);
    ls_surface_data_end(&out);
    return ls_answer(v->call, &out, ret, err);
}

/* ---- looking ---- */

struct paging {
    struct ls_records_query query;
    int64_t page;  /* 0: a cursor is given */
    int64_t total; /* -1: not counted */
};

static enum ls_code read_paging(const struct ls_call *call, struct paging *ret,
                                struct ls_error *err)
{
    const char *limit = ls_request_query(call->request, "limit");
    const char *page = ls_request_query(call->request, "page");
    uint64_t n = LIMIT_DEFAULT, number = 1;

    *ret =
        (struct paging){.query = {.after = ls_request_query(call->request, "cursor")}, .total = -1};
    if (limit && (!ls_text_to_u64(limit, strlen(limit), &n) || n < 1 || n > LS_PAGE_MAX))
        return ls_error_set(err, LS_USAGE, "limit is a number from 1 to %d", LS_PAGE_MAX);
    if (page && ret->query.after)
        return ls_error_set(err, LS_USAGE, "page and cursor are two ways to say the same");
    if (page && (!ls_text_to_u64(page, strlen(page), &number) || number < 1 || number > PAGE_MAX))
        return ls_error_set(err, LS_USAGE, "page is a number from 1 to %d", PAGE_MAX);
    ret->query.limit = n;
    ret->page = ret->query.after ? 0 : (int64_t)number;
    ret->query.skip = (number - 1) * n;
    return LS_OK;
}

static const char *pagination(const struct paging *p, size_t count, const char *next,
                              struct ls_arena *mem)
{
    const int64_t limit = (int64_t)p->query.limit;
    const char *text;
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_i64(&out, "limit", limit);
    ls_write_i64(&out, "count", (int64_t)count);
    ls_write_bool(&out, "hasMore", next != NULL);
    ls_write_text(&out, "next", next);
    if (p->page) {
        ls_write_i64(&out, "page", p->page);
        ls_write_i64(&out, "total", p->total);
        ls_write_i64(&out, "totalPages", (p->total + limit - 1) / limit);
    }
    ls_write_close(&out, '}');
    text = out.failed ? NULL : ls_arena_text(mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return text;
}

static enum ls_code list(struct visit *v, struct ls_response *ret, struct ls_error *err)
{
    struct paging p;
    struct ls_record *records = NULL;
    const char *next = NULL, *pages;
    size_t count = 0;
    bool *waits = NULL;
    struct ls_buf out;
    enum ls_code rc = read_paging(v->call, &p, err);

    if (rc == LS_OK)
        rc = read_filter(v, ret, err);
    p.query.where = &v->where;
    if (rc == LS_OK)
        rc = ls_records_list(v->records, &p.query, &count, &records, &next, err);
    if (rc == LS_OK && p.page)
        rc = ls_records_count(v->records, &v->where, &p.total, err);
    if (rc == LS_OK && !(waits = ls_arena_array(v->call->mem, count, sizeof *waits)))
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = ls_records_wait(v->records, count, records, waits, err);
    if (rc != LS_OK)
        return rc;
    pages = pagination(&p, count, next, v->call->mem);
    if (!pages)
        return ls_error_nomem(err);
    ls_buf_init(&out, 0);
    ls_surface_data_begin(&out);
    ls_write_open(&out, v->words->several, '[');
    for (size_t i = 0; i < count; i++)
        write_record(&out, NULL, v, &records[i], waits[i]);
    ls_write_close(&out, ']');
    ls_surface_data_end_with(&out, "pagination", pages);
    return ls_answer(v->call, &out, ret, err);
}

static enum ls_code look(struct visit *v, struct ls_response *ret, struct ls_error *err)
{
    struct ls_record record;
    enum ls_code rc = read_where(v, ret, err);

    if (rc == LS_OK)
        rc = ls_records_get(v->records, &v->where, &record, err);
    return rc == LS_OK ? answer_record(v, &record, NULL, ret, err) : rc;
}

/* ---- writing ---- */

static enum ls_code write(struct visit *v, enum ls_records_verb verb, struct ls_response *ret,
                          struct ls_error *err)
{
    const struct ls_records_write wish = {verb, &v->where, &v->body};
    struct ls_written written;
    enum ls_code rc = ls_records_write(v->records, &wish, &written, err);

    return rc == LS_OK ? answer_record(v, &written.record, &written, ret, err) : rc;
}

static enum ls_code change(struct visit *v, struct ls_response *ret, struct ls_error *err)
{
    enum ls_code rc = read_where(v, ret, err);

    if (rc == LS_OK)
        rc = read_body(v, ret, err);
    return rc == LS_OK ? write(v, LS_RECORDS_CHANGE, ret, err) : rc;
}

static enum ls_code create(struct visit *v, struct ls_response *ret, struct ls_error *err)
{
    enum ls_code rc = read_body(v, ret, err);

    if (rc != LS_OK)
        return rc;
    ls_terms_add(&v->body, &v->scope);
    return write(v, LS_RECORDS_CREATE, ret, err);
}

/* The documents have one event for new and changed progress and profiles, and so there is one call: a record that is there already is changed. */
static enum ls_code save(struct visit *v, struct ls_response *ret, struct ls_error *err)
{
    enum ls_code rc = read_body(v, ret, err);

    if (rc != LS_OK)
        return rc;
    ls_terms_add(&v->body, &v->scope);
    rc = ls_terms_key_of(v->records, &v->body, &v->where, err);
    if (rc != LS_OK || v->where.count == 0)
        return rc == LS_OK ? write(v, LS_RECORDS_CREATE, ret, err) : rc;
    ls_terms_add(&v->where, &v->scope);
    return write(v, LS_RECORDS_SAVE, ret, err);
}

/* A user has one profile: it is found by whose it is, where the key is not given. */
static enum ls_code save_profile(struct visit *v, struct ls_response *ret, struct ls_error *err)
{
    enum ls_code rc = read_filter(v, ret, err);

    if (rc == LS_OK && v->where.count == 0)
        return save(v, ret, err);
    if (rc == LS_OK)
        rc = read_body(v, ret, err);
    if (rc == LS_OK && !ls_terms_agree(v->records, &v->body, &v->where))
        rc = ls_error_set(err, LS_USAGE, "query and body name two records");
    if (rc != LS_OK)
        return rc;
    ls_terms_add(&v->body, &v->where);
    return write(v, LS_RECORDS_SAVE, ret, err);
}

static enum ls_code take_away(struct visit *v, struct ls_response *ret, struct ls_error *err)
{
    enum ls_code rc = read_where(v, ret, err);

    return rc == LS_OK ? write(v, LS_RECORDS_DELETE, ret, err) : rc;
}

/* ---- handlers ---- */

typedef enum ls_code visit_fn(struct visit *v, struct ls_response *ret, struct ls_error *err);

static enum ls_code visit(struct ls_call *call, visit_fn *fn, struct ls_response *ret,
                          struct ls_error *err)
{
    struct visit v;
    enum ls_code rc = begin(&v, call, ret, err);

    if (rc == LS_OK)
        rc = fn(&v, ret, err);
    end(&v);
    return rc;
}

#define HANDLER(name, fn)                                                                         \
    static enum ls_code name(struct ls_call *call, struct ls_response *ret, struct ls_error *err) \
    {                                                                                             \
        return visit(call, fn, ret, err);                                                         \
    }
HANDLER(get_list, list)
HANDLER(get_one, look)
HANDLER(post_new, create)
HANDLER(post_save, save)
HANDLER(post_profile, save_profile)
HANDLER(put_one, change)
HANDLER(delete_one, take_away)
#undef HANDLER

#define LOOKS (LS_ROUTE_LONG | LS_ROUTE_DATA)
#define CHANGES (LS_ROUTE_LONG | LS_ROUTE_DATA | LS_ROUTE_CHANGES)
#define LIST(path_, role_, shape_, summary_)                                               \
    LS_ROUTE("GET", path_, role_, .flags = LOOKS | LS_ROUTE_ANY_QUERY, .handle = get_list, \
             .query = "limit cursor page userId courseId", .response = (shape_),           \
             .summary = (summary_))
#define ONE(path_, role_, shape_, summary_)                                                \
    LS_ROUTE("GET", path_, role_, .flags = LOOKS, .handle = get_one, .response = (shape_), \
             .summary = (summary_))
#define POST(path_, role_, handle_, status_, shape_, summary_)                                 \
    LS_ROUTE("POST", path_, role_, .flags = CHANGES, .handle = (handle_), .request = "Fields", \
             .response = (shape_), .status = (status_), .summary = (summary_))
#define CHANGE(method_, path_, role_, shape_, summary_)                                       \
    LS_ROUTE(method_, path_, role_, .flags = CHANGES, .handle = put_one, .request = "Fields", \
             .response = (shape_), .summary = (summary_))
#define DELETE(path_, role_, shape_, summary_)                                                     \
    LS_ROUTE("DELETE", path_, role_, .flags = CHANGES, .handle = delete_one, .response = (shape_), \
             .summary = (summary_))
#define WHOSE .query = "userId"

static const struct ls_route routes[] = {
    LIST("/api/enrollments", LS_ROLE_KNOWN, "EnrollmentList",
         "List enrollments; users see their own"),
    POST("/api/enrollments", LS_ROLE_USER, post_new, 201, "EnrollmentChange",
         "Create an enrollment, and its event with it"),
    ONE("/api/enrollments/{id}", LS_ROLE_KNOWN, "EnrollmentAnswer", "Show an enrollment"),
    CHANGE("PUT", "/api/enrollments/{id}", LS_ROLE_USER, "EnrollmentChange",
           "Change an enrollment, as PATCH does"),
    CHANGE("PATCH", "/api/enrollments/{id}", LS_ROLE_USER, "EnrollmentChange",
           "Change the fields of an enrollment that the body has"),
    DELETE("/api/enrollments/{id}", LS_ROLE_SERVICE, "EnrollmentChange", "Delete an enrollment"),

    LS_ROUTE("GET", "/api/profile", LS_ROLE_KNOWN, .flags = LOOKS | LS_ROUTE_ANY_QUERY,
             .handle = get_one, WHOSE, .response = "ProfileAnswer",
             .summary = "Show the caller's profile, or that of the user in the query"),
    LS_ROUTE("POST", "/api/profile", LS_ROLE_USER, .flags = CHANGES | LS_ROUTE_ANY_QUERY,
             .handle = post_profile, WHOSE, .request = "Fields", .response = "ProfileChange",
             .summary = "Create a profile, or change it when it is there"),
    LS_ROUTE("PUT", "/api/profile", LS_ROLE_USER, .flags = CHANGES | LS_ROUTE_ANY_QUERY,
             .handle = put_one, WHOSE, .request = "Fields", .response = "ProfileChange",
             .summary = "Change the caller's profile, or that of the user in the query"),
    LS_ROUTE("PATCH", "/api/profile", LS_ROLE_USER, .flags = CHANGES | LS_ROUTE_ANY_QUERY,
             .handle = put_one, WHOSE, .request = "Fields", .response = "ProfileChange",
             .summary = "The same"),
    ONE("/api/profile/{id}", LS_ROLE_KNOWN, "ProfileAnswer", "Show a profile"),
    CHANGE("PUT", "/api/profile/{id}", LS_ROLE_USER, "ProfileChange",
           "Change a profile, as PATCH does"),
    CHANGE("PATCH", "/api/profile/{id}", LS_ROLE_USER, "ProfileChange",
           "Change the fields of a profile that the body has"),
    DELETE("/api/profile/{id}", LS_ROLE_SERVICE, "ProfileChange", "Delete a profile"),

    LIST("/api/progress", LS_ROLE_KNOWN, "ProgressList", "List progress; users see their own"),
    POST("/api/progress", LS_ROLE_USER, post_save, 200, "ProgressChange",
         "Create a record of progress, or change it when it is there"),
    ONE("/api/progress/{id}", LS_ROLE_KNOWN, "ProgressAnswer", "Show a record of progress"),
    CHANGE("PUT", "/api/progress/{id}", LS_ROLE_USER, "ProgressChange",
           "Change a record of progress, as PATCH does"),
    CHANGE("PATCH", "/api/progress/{id}", LS_ROLE_USER, "ProgressChange",
           "Change the fields of a record of progress that the body has"),
    DELETE("/api/progress/{id}", LS_ROLE_SERVICE, "ProgressChange", "Delete a record of progress"),

    LIST("/api/admin/students", LS_ROLE_ADMIN, "StudentList", "List students"),
    POST("/api/admin/students", LS_ROLE_ADMIN, post_new, 201, "StudentChange", "Create a student"),
    ONE("/api/admin/students/{id}", LS_ROLE_ADMIN, "StudentAnswer", "Show a student"),
    CHANGE("PUT", "/api/admin/students/{id}", LS_ROLE_ADMIN, "StudentChange",
           "Change a student, as PATCH does"),
    CHANGE("PATCH", "/api/admin/students/{id}", LS_ROLE_ADMIN, "StudentChange",
           "Change the fields of a student that the body has"),
    DELETE("/api/admin/students/{id}", LS_ROLE_ADMIN, "StudentChange", "Delete a student"),
};

const struct ls_route_table ls_routes_resources = LS_ROUTE_TABLE(
    "resources", "Records of an application's collections, each write with its event.", routes);
