/* SPDX-License-Identifier: Apache-2.0 */
/* handler.h - what handlers need over and over: answers from buffers, pages, bodies. */
#ifndef LS_SERVER_HANDLER_H
#define LS_SERVER_HANDLER_H

#include <jansson.h>

#include "base/buf.h"
#include "server/problem.h"
#include "server/server_priv.h"
#include "server/write.h"

/* The answer is what out holds; out is freed. */
enum ls_code ls_answer(struct ls_call *call, struct ls_buf *out, struct ls_response *ret,
                       struct ls_error *err);
/* The answer is a text of the library (JSON); it is freed. NULL: out of memory. */
enum ls_code ls_answer_text(struct ls_call *call, char *text, struct ls_response *ret,
                            struct ls_error *err);

/* Which page is asked for. A list is {"items":[...],"next":cursor or null}. */
struct ls_page {
    size_t limit;
    int64_t after; /* the number that the last page ended with; 0: the first page */
};
#define LS_PAGE_MAX 1000
/* Reads limit and cursor of the query. LS_USAGE: one is none. */
LS_MUST_CHECK enum ls_code ls_page_read(const struct ls_call *call, struct ls_page *ret,
                                        struct ls_error *err);
/* Ends a list that began with {"items":[. more: there is another page; last: the number that this one ends with. Also sets the header Link. */
void ls_page_end(const struct ls_call *call, struct ls_buf *out, bool more, int64_t last,
                 struct ls_response *ret);

/* The same of a list that is ordered by names: after is the one that the last page ended with, NULL for the first page. */
struct ls_page_by_name {
    size_t limit;
    const char *after;
};
LS_MUST_CHECK enum ls_code ls_page_by_name_read(const struct ls_call *call,
                                                struct ls_page_by_name *ret, struct ls_error *err);
void ls_page_by_name_end(const struct ls_call *call, struct ls_buf *out, bool more,
                         const char *last, struct ls_response *ret);

/* Changes what has a version. seen: the version that the caller has seen, NULL: any will do. LS_CHANGED: it is another one by now. */
typedef enum ls_code ls_versioned_fn(struct ls_call *call, const char *seen,
                                     struct ls_response *ret, struct ls_error *err);
/* Calls it with the entity tag of If-Match (LS_USAGE: it is not one tag); LS_CHANGED is answered with 412. */
LS_MUST_CHECK enum ls_code ls_change_version(struct ls_call *call, ls_versioned_fn *change,
                                             struct ls_response *ret, struct ls_error *err);
/* The version as the answer's entity tag. */
void ls_response_version(const struct ls_call *call, const char *version, struct ls_response *ret);

/* true, false, or not there (false); LS_USAGE for anything else. */
LS_MUST_CHECK enum ls_code ls_query_flag(const struct ls_call *call, const char *name, bool *ret,
                                         struct ls_error *err);

/* A member of a JSON body and where its value goes: into the struct that is filled, at offset. */
struct ls_member {
    const char *name;
    enum { LS_MEMBER_TEXT, LS_MEMBER_BOOL, LS_MEMBER_COUNT, LS_MEMBER_TEXTS } type;
    size_t offset; /* of a const char *, bool, int64_t, struct ls_texts */
    bool needed;
};
struct ls_texts {
    size_t count;
    const char *const *texts;
};
/* Reads a body by a table; members that are not there stay as they are. An empty body is {}; a member that is null counts as not there. LS_USAGE says what is wrong: no JSON, unknown members (with the
 * nearest name), other types, a member twice. In the call's arena. */
LS_MUST_CHECK enum ls_code ls_body_read(const struct ls_call *call, const struct ls_member *members,
                                        size_t count, void *ret, struct ls_error *err);

/* A body as it is, to be given back by json_decref(). LS_USAGE: it is no JSON object, or has a member twice. */
LS_MUST_CHECK enum ls_code ls_body_object(const struct ls_call *call, json_t **ret,
                                          struct ls_error *err);

/* LS_NOT_FOUND, with the nearest name, unless the configuration has this sync. */
LS_MUST_CHECK enum ls_code ls_call_sync(const struct ls_call *call, const char *name,
                                        struct ls_response *ret, struct ls_error *err);
/* Queues a run for the caller and answers 202 with its UUID; with `wait` the request is put off and answered when the run is over. */
LS_MUST_CHECK enum ls_code ls_call_run(struct ls_call *call, struct ls_run_wish *wish, bool wait,
                                       struct ls_response *ret, struct ls_error *err);
/* Names of brakes ("all", "deletes") as the library takes them; NULL for none. Only admins may. */
LS_MUST_CHECK enum ls_code ls_call_force(struct ls_call *call, const struct ls_texts *names,
                                         const char **ret_force, struct ls_response *ret,
                                         struct ls_error *err);
/* A failure of the library's public calls as one of ours. */
enum ls_code ls_call_failed(const struct lockstep_error *error, struct ls_error *err);

#endif
