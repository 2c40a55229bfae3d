/* SPDX-License-Identifier: Apache-2.0 */
/* event.h - events as JSON: read from what was sent, written as it is delivered.
 *
 * An event is {"id", "type", "resourceId", "resourceType", "data", "timestamp", "retryCount", "status"}. Only type and resourceId have to be
 * there: id is made, resourceType is the type up to its first dot, data is null, timestamp is now; retryCount and
 * status are the sender's own and ignored (objects and arrays there are refused). data is any JSON and is kept byte for byte. Pure but for the clock and chance. Any thread. */
#ifndef LS_EVENT_EVENT_H
#define LS_EVENT_EVENT_H

#include "state/queue.h"

#define LS_EVENT_MAX_DEPTH 64 /* levels of JSON */
#define LS_EVENT_ID_MAX 128   /* bytes of an id and of a type */
#define LS_EVENT_NAME_MAX 512 /* bytes of resourceId and resourceType */

/* The types of the documents, which need no configuration. */
extern const char *const ls_event_types[];
extern const size_t ls_event_type_count;

/* Which types are accepted: the documents' and these; a * at the end of one stands for anything. */
struct ls_event_rules {
    const char *const *types;
    size_t type_count;
    bool any; /* every well-formed type */
};

/* Whether a type fits a pattern: the same, "*", or a beginning and "*" ("enrollment.*"). */
bool ls_event_type_fits(const char *type, const char *pattern);

/* Reads a JSON object, an array of them, or with `lines` JSON Lines (an object a line, blank lines allowed; a text that begins with [ is an
 * array all the same). The whole text has to be right: LS_DATA says which event and what is wrong with it. In mem. */
LS_MUST_CHECK enum ls_code ls_events_read(const char *text, size_t size, bool lines,
                                          const struct ls_event_rules *rules, int64_t now_us,
                                          struct ls_arena *mem, size_t *ret_count,
                                          struct ls_event **ret, struct ls_error *err);

/* Appends the event as it is sent to an endpoint: the members above in this order, data as it came, timestamp with milliseconds and Z. */
void ls_event_write(struct ls_buf *out, const struct ls_event *e, int64_t retries,
                    const char *status);

#endif
