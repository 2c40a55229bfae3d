/* SPDX-License-Identifier: Apache-2.0 */
/* queue.h - the thread that writes the queue, and its mailbox.
 *
 * Whatever changes the queue is a task. All tasks that wait go into one transaction and one commit, and only then is everybody
 * told: commits are shared by whoever comes at the same time, and nobody waits for a timer. What callers hand in is in the audit log (ledger.h). When the transaction fails, its tasks are tried again one by
 * one, each in a transaction of its own, so that one bad task fails alone.
 *
 * When the disk of the state is full, tasks that bring something new are refused (LS_FULL), and the others go on with the room that was kept for
 * them (state/reserve.h). */
#ifndef LS_EVENT_QUEUE_H
#define LS_EVENT_QUEUE_H

#include "event/ledger.h"

struct ls_queue;

/* To be embedded in what belongs to it; the queue's from ls_queue_submit() until done() is called. */
struct ls_queue_task {
    /* Does it, inside a transaction, with the functions of state/queue.h. May be called again after it failed or its transaction did. */
    enum ls_code (*run)(struct ls_queue_task *task, struct ls_queue_tx *tx, struct ls_error *err);
    /* rc LS_OK: what run() did is durable. Called on the queue's thread: short, and it may submit more. err only when rc is not LS_OK. */
    void (*done)(struct ls_queue_task *task, enum ls_code rc, const struct ls_error *err);
    bool adds; /* it brings something new, which is refused while the disk is full */
    struct ls_audit_deed
        *deed; /* whose call it is, for the audit log; NULL: nobody's. Borrowed until done() */
    struct ls_queue_task *next; /* the queue's */
};

struct ls_queue_options {
    /* Endpoints have got something to claim: bit n for those whose number modulo 64 is n. Called on the queue's thread. */
    void (*woken)(void *ctx, uint64_t endpoints);
    /* The state cannot be written any more (a failed fsync, damage): the process should end. Called once. */
    void (*fatal)(void *ctx, const struct ls_error *err);
    void *ctx;
    bool reserve;            /* room is kept for it: the daemon's */
    int64_t (*now_us)(void); /* NULL: ls_clock_now_us */
    int64_t
        poll_us; /* between looks for what others have accepted; 0: a few times a second, seldom while their commits are heard */
    int64_t audit_us; /* between the entries of callers' further calls; 0: a minute */
};

/* Starts the thread over a state that is opened for it; one on a server that cannot be reached now is tried again and again. Free with ls_queue_close(). */
LS_MUST_CHECK enum ls_code ls_queue_open(const char *state_url,
                                         const struct ls_queue_options *options,
                                         struct ls_queue **ret, struct ls_error *err);
/* Finishes the tasks that wait, then ends the thread. Nobody may submit any more, but done() functions that run because of it. NULL is fine. */
void ls_queue_close(struct ls_queue *queue);

/* The place of its state, as ls_state_where() tells it; "postgres:" for a server that could not be reached at the start. */
const char *ls_queue_state(const struct ls_queue *queue);
/* Hands in a task. Any thread. */
void ls_queue_submit(struct ls_queue *queue, struct ls_queue_task *task);
/* Hands in a task, whose done is not called, and waits for its end. Any thread but the queue's. */
LS_MUST_CHECK enum ls_code ls_queue_do(struct ls_queue *queue, struct ls_queue_task *task,
                                       struct ls_error *err);

/* What it has done so far. Any thread. */
struct ls_queue_counts {
    uint64_t tasks, commits, failed;
};
struct ls_queue_counts ls_queue_counts(struct ls_queue *queue);
/* false: something could not be written within the last minute, and nothing since. why tells, else it is "". Any thread. */
bool ls_queue_healthy(struct ls_queue *queue, char why[200]);

#endif
