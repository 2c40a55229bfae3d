/* SPDX-License-Identifier: Apache-2.0 */
/* kept.h - a message as the queue keeps it: what its options say beyond its delivery (message.h), which publish_read.c wrote. Pure; any thread. */
#ifndef LS_EVENT_KEPT_H
#define LS_EVENT_KEPT_H

#include "event/publish.h"

/* A callback: where to, and the message's headers for it. */
struct ls_callback {
    const char *url; /* NULL: none */
    size_t header_count;
    const struct ls_header *headers; /* with their "upstash-" */
};
/* Texts are NULL where the message does not say it. */
struct ls_kept {
    struct ls_message message;
    const char *queue, *topic, *endpoint, *schedule, *labels, *redact, *caller_ip;
    struct ls_flow flow;
    struct ls_callback callback, failure_callback;
    int64_t not_before_ms;
};
/* LS_DATA: these are no options of a message. In mem. */
LS_MUST_CHECK enum ls_code ls_kept_read(const char *options, struct ls_arena *mem,
                                        struct ls_kept *ret, struct ls_error *err);

/* Which parts of a message are not shown, by Upstash-Redact-Fields: "body", "header", "header[Name]". */
bool ls_kept_hides(const struct ls_kept *kept, const char *part, const char *name);
/* Appends what stands for them: a hash, so that equal ones can still be told. */
void ls_kept_hide(struct ls_buf *out, const void *data, size_t size);

/* JSON of it. Appends `"name":` and an object of header names, each with its values in an array; those that deliveries say themselves are left
 * out. to_people: what is to be hidden is, and headers that carry credentials. */
void ls_kept_write_headers(struct ls_buf *out, const char *name, const struct ls_kept *kept,
                           bool to_people);
/* The same of the lines of an answer's head. */
void ls_kept_write_head(struct ls_buf *out, const char *name, const char *head);

#endif
