/* SPDX-License-Identifier: Apache-2.0 */
/* intake.h - events on their way into the queue: read, routed to the endpoints of now, accepted, told when they are on disk.
 *
 * The endpoints belong to the queue's thread, which reads them again when they were changed, in the transaction that accepts an event: no lock is
 * held, and nobody has to be told. */
#ifndef LS_EVENT_INTAKE_H
#define LS_EVENT_INTAKE_H

#include "event/endpoint.h"
#include "event/event.h"
#include "event/queue.h"

struct ls_intake;

/* Over a queue that outlives it. */
LS_MUST_CHECK enum ls_code ls_intake_open(struct ls_queue *queue, struct ls_intake **ret,
                                          struct ls_error *err);
/* The queue is closed, or nothing of this intake waits in it. NULL is fine. */
void ls_intake_close(struct ls_intake *intake);

/* Its queue, borrowed: for messages, which need no endpoints to be told. */
struct ls_queue *ls_intake_queue(struct ls_intake *intake);

struct ls_accepted;
/* Somebody to be told of all that is accepted, once it is on disk, before whoever handed it in is; fn NULL: nobody any more, and fn is not running. Any thread; fn runs on
 * the queue's. */
typedef void ls_intake_fn(void *ctx, const struct ls_accepted *accepted);
void ls_intake_listen(struct ls_intake *intake, ls_intake_fn *fn, void *ctx);

/* Events that were handed in together: all are accepted, or none. */
struct ls_accepted {
    size_t count;
    struct ls_event *events; /* seq and accepted_us are set */
    bool *known;             /* of each: its id was accepted before */
    void *ctx;
};
/* rc LS_OK: they are on disk. On the queue's thread; what it is given is gone when it returns. err only when rc is not LS_OK. */
typedef void ls_accepted_fn(const struct ls_accepted *accepted, enum ls_code rc,
                            const struct ls_error *err);
/* Reads events (ls_events_read()) and hands them to the queue; then done is called, once. hasten: somebody waits for their deliveries (ls_queue_hasten()). deed: whose call it is, borrowed
 * until done is called; NULL: nobody's. An error
 * here: nothing was handed in, and done is not called. Any thread. */
LS_MUST_CHECK enum ls_code ls_intake_read(struct ls_intake *intake, const char *text, size_t size,
                                          bool lines, bool hasten,
                                          const struct ls_event_rules *rules,
                                          struct ls_audit_deed *deed, ls_accepted_fn *done,
                                          void *ctx, struct ls_error *err);

#endif
