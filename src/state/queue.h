/* SPDX-License-Identifier: Apache-2.0 */
/* queue.h - accepted events and their deliveries, in the state.
 *
 * Everything that changes happens inside a transaction of the queue: ls_queue_begin(), any number of calls, ls_queue_end();
 * what it did is durable, and may be told to anybody, once that returned LS_OK. After a failed call the transaction has to be ended
 * with its code. Reading works outside as well. Times are microseconds since 1970. One thread a handle; several processes may share a
 * state on PostgreSQL. */
#ifndef LS_STATE_QUEUE_H
#define LS_STATE_QUEUE_H

#include "state/state.h"

/* The numbers stand in the tables. The first three are on their way. */
/*    name, word */
#define LS_DELIVERY_STATES(X)   \
    X(PENDING, "pending")       \
    X(PROCESSING, "processing") \
    X(WAITING, "waiting")       \
    X(DELIVERED, "delivered")   \
    X(DEAD, "dead")             \
    X(DISCARDED, "discarded")
#define X(name, word) LS_DELIVERY_##name,
enum ls_delivery_state { LS_DELIVERY_STATES(X) LS_DELIVERY_STATE_COUNT };
#undef X
const char *ls_delivery_state_word(enum ls_delivery_state state);

/* An event. Strings are never NULL. */
struct ls_event {
    int64_t seq;    /* 1, 2, ... in the order of acceptance; 0 before */
    const char *id; /* the sender's, or a UUID made by us: the same id again is the same event */
    const char *type, *resource_type, *resource_id; /* resource_id "": none */
    int64_t at_us;                                  /* when it happened, as its sender says */
    int64_t accepted_us;
    const void *data; /* JSON, or any bytes of a message */
    size_t data_size;
    const char *options; /* JSON, of a message that brings its own destination; "" */
};

struct ls_queue_tx {
    struct ls_state *state;
    int64_t now_us;
    int64_t seq;       /* of the newest event; 0: not read yet */
    bool accepted;     /* seq was read, and is written back */
    int64_t endpoints; /* ls_endpoints_version() and one more; 0: not read yet */
    bool moved;        /* this transaction has moved it on */
    bool news;         /* it has accepted an event */
    uint64_t woken; /* bit n: an endpoint whose number modulo 64 is n has got something to claim */
};
LS_MUST_CHECK enum ls_code ls_queue_begin(struct ls_state *state, int64_t now_us,
                                          struct ls_queue_tx *tx, struct ls_error *err);
/* Commits when rc is LS_OK, else rolls back and gives rc. */
LS_MUST_CHECK enum ls_code ls_queue_end(struct ls_queue_tx *tx, enum ls_code rc,
                                        struct ls_error *err);

/* Does a part of a transaction that may fail for itself: what it wrote is taken back then, and the transaction is as it was before. Gives
 * what run() gave, or why that could not be taken back. */
LS_MUST_CHECK enum ls_code ls_queue_part(struct ls_queue_tx *tx,
                                         enum ls_code (*run)(struct ls_queue_tx *tx, void *ctx,
                                                             struct ls_error *err),
                                         void *ctx, struct ls_error *err);

/* Before anything is read by which is decided what is accepted, or where it goes: on PostgreSQL nobody else accepts, replays, discards or changes endpoints until the
 * transaction ends. What accepts, replays, discards, prunes or changes endpoints does it itself. */
LS_MUST_CHECK enum ls_code ls_queue_lock(struct ls_queue_tx *tx, struct ls_error *err);

/* Adds an entry to the audit log (as ls_state_audit_add() does), in the commit of what it tells. */
LS_MUST_CHECK enum ls_code ls_queue_audit(struct ls_queue_tx *tx, const char *actor,
                                          const char *action, const char *subject,
                                          const char *detail_json, struct ls_error *err);

/* Accepts an event and starts its way to each of the endpoints, from due_us on (0: now). The event's seq and accepted_us are set; an id that
 * was accepted before gives the seq of then, *ret_known true, and changes nothing. */
LS_MUST_CHECK enum ls_code ls_queue_accept(struct ls_queue_tx *tx, struct ls_event *event,
                                           const int64_t *endpoints, size_t count, int64_t due_us,
                                           bool *ret_known, struct ls_error *err);

/* Somebody waits for this event: what it is held up by, its own pause after a failed try and those of earlier events of its resource, is over now. Holds and breakers of
 * the endpoints stay. */
LS_MUST_CHECK enum ls_code ls_queue_hasten(struct ls_queue_tx *tx, const struct ls_event *event,
                                           struct ls_error *err);

/* A delivery that was claimed. */
struct ls_delivery {
    int64_t event, endpoint; /* numbers */
    int64_t token;           /* to be presented at its completion; also: how often it was claimed */
    int64_t attempts;        /* finished ones before this */
    int64_t resource;        /* hash; 0: none */
    struct ls_event e;
};
/* Claims up to max due deliveries of an endpoint, the longest due first, for lease_us. *ret_next_us: when the next one is due that was not
 * claimed, or a lease ends; INT64_MAX: none. In mem. LS_CORRUPT names an event whose checksum does not fit. */
LS_MUST_CHECK enum ls_code ls_queue_claim(struct ls_queue_tx *tx, int64_t endpoint, size_t max,
                                          int64_t lease_us, struct ls_arena *mem, size_t *ret_count,
                                          struct ls_delivery **ret, int64_t *ret_next_us,
                                          struct ls_error *err);

/* One try of a delivery. */
struct ls_attempt {
    int64_t number;             /* from 1; set when read */
    int64_t at_us, duration_us; /* at_us 0: there was none (parked) */
    int status;                 /* of HTTP; 0: no answer */
    const char *address;        /* connected to; "" */
    const char *error;          /* why there was no answer, or what is wrong with it; "" */
    const char *head;           /* the lines of the answer's head, of a message; NULL is "" */
    const void *answer;         /* its first bytes */
    size_t answer_size;
};
/* What became of a claimed delivery. next: DELIVERED, DEAD, DISCARDED, or PENDING (again at due_us). An attempt with at_us 0 is none: the
 * delivery goes back without counting one. reason: why it is dead; "". */
struct ls_delivery_end {
    int64_t event, endpoint, token, resource;
    enum ls_delivery_state next;
    int64_t due_us;
    struct ls_attempt attempt;
    const char *reason;
};
/* *ret_late: the token is not the newest one any more, and nothing was changed. At an end the next event of the resource is let go. */
LS_MUST_CHECK enum ls_code ls_queue_complete(struct ls_queue_tx *tx,
                                             const struct ls_delivery_end *o, bool *ret_late,
                                             struct ls_error *err);
/* Makes what this process's forerunner had claimed due at once: at the start, where only one process uses the state. */
LS_MUST_CHECK enum ls_code ls_queue_take_back(struct ls_queue_tx *tx, int64_t *ret_count,
                                              struct ls_error *err);

/* The clock was set back by by_us, of which the caller saw (0: by what it lies behind the newest event, which was accepted in a time that is yet
 * to come): what is due later for that reason alone is due as much earlier. The times that senders asked for stay, and so do claims. */
LS_MUST_CHECK enum ls_code ls_queue_clock_back(struct ls_queue_tx *tx, int64_t by_us,
                                               int64_t *ret_count, struct ls_error *err);

/* Which deliveries a call is about: all members that are set have to fit. */
struct ls_queue_filter {
    int64_t event, endpoint; /* 0: any */
    const char *type;        /* of the event; NULL: any. A * at its end stands for anything */
    const char *resource_id; /* NULL: any */
    unsigned states;         /* bits 1 << LS_DELIVERY_...; 0: any */
    bool failed;             /* only those that have been tried */
    int64_t before_us;       /* accepted before; 0: any */
    int64_t after_us;        /* accepted at or after */
    int64_t done_before_us;  /* of deliveries: ended before, or not at all; 0: any */
    int64_t before_seq;      /* page on from here: older ones; 0: from the newest */
};
/* Starts deliveries that have ended again, with no attempt counted, oldest first: `every_us` apart (0: at once). *ret_count: how many. Those whose
 * endpoint is gone are left out; LS_NOT_FOUND when nothing else fits. */
LS_MUST_CHECK enum ls_code ls_queue_replay(struct ls_queue_tx *tx, const struct ls_queue_filter *f,
                                           size_t max, int64_t every_us, int64_t *ret_count,
                                           struct ls_error *err);
/* Ends deliveries that are dead or on their way; those in a process's hands are fenced off. */
LS_MUST_CHECK enum ls_code ls_queue_discard(struct ls_queue_tx *tx, const struct ls_queue_filter *f,
                                            size_t max, int64_t *ret_count, struct ls_error *err);

/* The other way round, on PostgreSQL: the commits of such transactions are told at once to whoever waits on a connection of its own. */
struct ls_state_watch;
/* Whether there is such telling where the state is. */
bool ls_state_watchable(const char *url);
/* LS_UNSUPPORTED where there is none. Free with ls_state_watch_close(). Does not make a state. */
LS_MUST_CHECK enum ls_code ls_state_watch_open(const char *url, struct ls_state_watch **ret,
                                               struct ls_error *err);
/* Waits for the next one, or until stop_fd can be read. *ret_writer: ls_state_writer() of the handle that committed; 0 when stop_fd ended the
 * wait. After an error (LS_CONNECT: the connection was lost) it can only be closed. */
LS_MUST_CHECK enum ls_code ls_state_watch_wait(struct ls_state_watch *watch, int stop_fd,
                                               int *ret_writer, struct ls_error *err);
void ls_state_watch_close(struct ls_state_watch *watch);
/* A number by which a watch knows commits of this handle; 0 on SQLite. */
int ls_state_writer(const struct ls_state *state);

/* A number that is another one once somebody else has accepted events, started deliveries again or changed endpoints (on SQLite: has changed
 * anything). Cheap. */
LS_MUST_CHECK enum ls_code ls_queue_version(struct ls_state *state, int64_t *ret,
                                            struct ls_error *err);

/* ---- reading ---- */

struct ls_delivery_row {
    int64_t event, endpoint;
    enum ls_delivery_state state;
    int64_t due_us, token, attempts, done_us;
    const char *reason;
};
/* An event by its id, or by its number where no event has that id. LS_NOT_FOUND. */
LS_MUST_CHECK enum ls_code ls_queue_event(struct ls_state *state, const char *id,
                                          struct ls_arena *mem, struct ls_event *ret,
                                          struct ls_error *err);
/* Events, newest first; those with a delivery that fits where the filter asks for states or an endpoint. */
LS_MUST_CHECK enum ls_code ls_queue_events(struct ls_state *state, const struct ls_queue_filter *f,
                                           size_t max, struct ls_arena *mem, size_t *ret_count,
                                           struct ls_event **ret, struct ls_error *err);
/* The deliveries of an event, by endpoint. */
LS_MUST_CHECK enum ls_code ls_queue_deliveries(struct ls_state *state, int64_t event,
                                               struct ls_arena *mem, size_t *ret_count,
                                               struct ls_delivery_row **ret, struct ls_error *err);
/* The tries of a delivery, the first one first. */
LS_MUST_CHECK enum ls_code ls_queue_attempts(struct ls_state *state, int64_t event,
                                             int64_t endpoint, struct ls_arena *mem,
                                             size_t *ret_count, struct ls_attempt **ret,
                                             struct ls_error *err);
/* A try with the event that it was made for. position: of this one in all tries, for paging. */
struct ls_attempt_row {
    int64_t position;
    const char *event, *type;
    struct ls_attempt attempt; /* without its answer */
};
/* The tries of an endpoint before a position (0: the newest), of the newest event first, and of each the last one first. */
LS_MUST_CHECK enum ls_code ls_queue_endpoint_attempts(struct ls_state *state, int64_t endpoint,
                                                      int64_t before, size_t max,
                                                      struct ls_arena *mem, size_t *ret_count,
                                                      struct ls_attempt_row **ret,
                                                      struct ls_error *err);
/* How far the other sides are with a resource. */
enum ls_sync_status {
    LS_SYNC_UNKNOWN, /* nothing is kept of it */
    LS_SYNC_PENDING, /* something about it is on its way */
    LS_SYNC_SYNCED,  /* the newest arrived everywhere */
    LS_SYNC_FAILED,  /* the newest was given up somewhere */
};
/* *ret_synced_us: when something about it arrived last; 0: never, as far as is kept. */
LS_MUST_CHECK enum ls_code ls_queue_sync_status(struct ls_state *state, const char *type,
                                                const char *id, enum ls_sync_status *ret,
                                                int64_t *ret_synced_us, struct ls_error *err);
/* How many deliveries are where. failed: pending ones that have failed before. dead: kept dead letters. Costs as much as there are. */
struct ls_queue_stats {
    int64_t pending, processing, waiting, failed, dead;
    int64_t oldest_us; /* acceptance of the oldest one on its way; 0: none */
};
/* endpoint 0: of all. */
LS_MUST_CHECK enum ls_code ls_queue_stats(struct ls_state *state, int64_t endpoint,
                                          struct ls_queue_stats *ret, struct ls_error *err);

/* Removes at most max events, the oldest first, that were accepted before before_us and have no delivery on its way; dead letters only when they ended
 * before dead_us. */
LS_MUST_CHECK enum ls_code ls_queue_prune(struct ls_queue_tx *tx, int64_t before_us,
                                          int64_t dead_us, size_t max, int64_t *ret_count,
                                          struct ls_error *err);

/* Likewise those that are not among the newest `keep`, unless they were accepted at or after since_us. */
LS_MUST_CHECK enum ls_code ls_queue_prune_over(struct ls_queue_tx *tx, int64_t keep,
                                               int64_t since_us, size_t max, int64_t *ret_count,
                                               struct ls_error *err);

/* ---- endpoints ---- */

struct ls_endpoint_row {
    int64_t number; /* set when written first; never used twice */
    const char *name, *origin, *url, *settings;
    const void *secrets;
    size_t secrets_size;
    bool paused;
    const char *disabled; /* why it gets nothing any more; "" */
    const char *breaker;
    int64_t created_us, updated_us;
};
/* All, by number. In mem. */
LS_MUST_CHECK enum ls_code ls_endpoint_rows(struct ls_state *state, struct ls_arena *mem,
                                            size_t *ret_count, struct ls_endpoint_row **ret,
                                            struct ls_error *err);
/* Which endpoints there are, and what they are, has a version: a number that moves on with each transaction that changes them. Read once
 * in a transaction, so that it costs no more than a look. */
LS_MUST_CHECK enum ls_code ls_endpoints_version(struct ls_queue_tx *tx, int64_t *ret,
                                                struct ls_error *err);
/* Before endpoints are read in order to be changed: nobody else changes them until the transaction ends. Moves their version on. */
LS_MUST_CHECK enum ls_code ls_endpoints_lock(struct ls_queue_tx *tx, struct ls_error *err);
/* Writes it: a new one when number is 0 (LS_CONSTRAINT when the name is taken), else all of it but number, name and created_us. */
LS_MUST_CHECK enum ls_code ls_endpoint_save(struct ls_queue_tx *tx, struct ls_endpoint_row *row,
                                            struct ls_error *err);
/* Notes how its deliveries fare: breaker, and with disabled not NULL also why it gets nothing any more (which is a change of the endpoint: the
 * version moves on). The rest of it stays as it is, updated_us too. LS_OK also when it is there no more. */
LS_MUST_CHECK enum ls_code ls_endpoint_note(struct ls_queue_tx *tx, int64_t number,
                                            const char *breaker, const char *disabled,
                                            struct ls_error *err);
/* Whether something is on its way to it. */
LS_MUST_CHECK enum ls_code ls_endpoint_busy(struct ls_state *state, int64_t number, bool *ret,
                                            struct ls_error *err);
/* Removes it; what was on its way to it is discarded. */
LS_MUST_CHECK enum ls_code ls_endpoint_remove(struct ls_queue_tx *tx, int64_t number,
                                              struct ls_error *err);

#endif
