/* SPDX-License-Identifier: Apache-2.0 */
/* qstash_filter.h - which messages a call under /v2 is about, and messages as JSON. */
#ifndef LS_SERVER_QSTASH_FILTER_H
#define LS_SERVER_QSTASH_FILTER_H

#include "event/kept.h"
#include "server/handler.h"

/* The parameters that ls_qstash_fits() looks at, for a route's query. */
#define LS_QSTASH_FILTERS                                                                    \
    "url host topicName queueName scheduleId label callerIp flowControlKey fromDate toDate " \
    "responseStatus"

/* A message that is looked at. */
struct ls_parcel {
    const struct ls_event *event;
    struct ls_kept kept;
    struct ls_delivery_row delivery;
    const struct ls_attempt *last; /* NULL: none, or not read */
};
/* Whether it is what the query asks for: one of the values of each parameter that stands there. at_us: the time that fromDate and toDate are about. */
bool ls_qstash_fits(const struct ls_request *request, const struct ls_parcel *parcel,
                    int64_t at_us);
/* LS_USAGE: a date or status in the query is none. */
LS_MUST_CHECK enum ls_code ls_qstash_filter_check(const struct ls_request *request,
                                                  struct ls_error *err);
/* Whether the query says which messages at all. */
bool ls_qstash_has_filter(const struct ls_request *request);

/* Reads what belongs to an event that is a message. LS_NOT_FOUND: it is none. In mem. */
LS_MUST_CHECK enum ls_code ls_qstash_parcel(struct ls_state *state, const struct ls_event *event,
                                            struct ls_arena *mem, struct ls_parcel *ret,
                                            struct ls_error *err);
/* Appends the members of a message, without braces; and those of them that a schedule has too. */
void ls_qstash_write(struct ls_buf *out, const struct ls_parcel *parcel);
void ls_qstash_write_sending(struct ls_buf *out, const struct ls_parcel *parcel);
/* Appends what its last attempt was answered. */
void ls_qstash_write_answer(struct ls_buf *out, const struct ls_attempt *attempt);

/* All values of a parameter of the query that may stand there several times. */
LS_MUST_CHECK enum ls_code ls_qstash_texts(const struct ls_call *call, const char *name,
                                           struct ls_texts *ret, struct ls_error *err);
/* count of the query: 1 to 100 (fallback when left out); LS_USAGE. */
LS_MUST_CHECK enum ls_code ls_qstash_count(const struct ls_call *call, size_t fallback, size_t *ret,
                                           struct ls_error *err);
/* cursor of the query: a number that an answer before gave; 0: none. LS_USAGE. */
LS_MUST_CHECK enum ls_code ls_qstash_cursor(const struct ls_call *call, int64_t *ret,
                                            struct ls_error *err);

#endif
