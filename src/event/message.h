/* SPDX-License-Identifier: Apache-2.0 */
/* message.h - what a message says of its own delivery: the `options` of an event that brings its destination along.
 *
 * A JSON object. Members that are not known here belong to whoever wrote them, and are passed over. Pure. Any thread. */
#ifndef LS_EVENT_MESSAGE_H
#define LS_EVENT_MESSAGE_H

#include "event/sign.h"

#define LS_MESSAGE_HEADERS_MAX 100

struct ls_message {
    const char *url;
    const char *method; /* POST when it is not said */
    size_t header_count;
    const struct ls_header *headers; /* sent as they are, Content-Type among them */
    bool retries_said;
    unsigned retries; /* further attempts after the first one */
    const char
        *retry_delay;   /* a formula, see ls_retry_expression_ms(); NULL: the endpoint's policy */
    int64_t timeout_ms; /* 0: the endpoint's */
    bool qstash; /* to be sent as QStash does: its headers and its signature over url and body */
};

/* {"url", "method", "headers": [["Name", "value"]], "retries", "retry_delay", "timeout_ms", "qstash"}; only url has to be there. LS_DATA says
 * what cannot be sent: a method or a header name that is none, a value with control characters, a header that the
 * connection itself needs (Host, Content-Length, Connection, ...). In mem. */
LS_MUST_CHECK enum ls_code ls_message_read(const char *text, struct ls_arena *mem,
                                           struct ls_message *ret, struct ls_error *err);
/* Appends the members of such an object without its braces, so that more can follow behind a comma. */
void ls_message_write(struct ls_buf *out, const struct ls_message *m);
/* Whether a header may be set by whoever sends a message or configures an endpoint: its name is a token, it is not one of
 * those that belong to the connection, and the value has no control characters. */
bool ls_message_header_fits(const char *name, const char *value);

#endif
