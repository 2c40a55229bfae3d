/* SPDX-License-Identifier: Apache-2.0 */
/* deliver_help.h - a state, a queue and a delivery thread, for the tests of delivery; servers are in receiver.h. */
#ifndef LS_TESTS_EVENT_DELIVER_HELP_H
#define LS_TESTS_EVENT_DELIVER_HELP_H

#include "event/deliver.h"
#include "receiver.h"

#define WORLD_REPORTS 4096

struct seen {
    char endpoint[32], event[40], error[400], disabled[100];
    int64_t attempt, due_us;
    int status;
    enum ls_delivery_state next;
    enum ls_breaker_change change;
};

struct world {
    char *dir, path[300];
    struct ls_queue *queue;
    struct ls_deliver *d;
    struct ls_deliver_options options; /* may be changed before world_deliver() */
    struct ls_state *state;            /* for looking */
    struct ls_seal_key key;
    struct ls_guard guard;
    struct ls_arena mem;
    struct receiver *r;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct seen seen[WORLD_REPORTS];
    size_t seen_count;
};

/* A queue over a new state and an HTTP receiver; nothing is delivered yet. allowed: what the guard lets through, NULL: loopback. */
void world_open(struct world *w, const char *allowed);
void world_deliver(struct world *w);                /* starts the delivery thread */
void world_rest(struct world *w, int64_t grace_ms); /* ends it */
void world_close(struct world *w);

/* An endpoint at the receiver's path (or a whole URL); its number. e: what else it has, NULL: nothing. */
int64_t world_endpoint(struct world *w, const char *name, const char *path,
                       const struct ls_endpoint *e);
/* Writes it anew, as somebody else would. */
void world_change(struct world *w, int64_t number, void (*change)(struct ls_endpoint *e));
/* What is kept of it. In w->mem. */
struct ls_endpoint world_kept(struct world *w, int64_t number);
/* Accepts an event for an endpoint. resource "": none. options "": none. */
void world_accept(struct world *w, int64_t endpoint, const char *id, const char *resource,
                  const char *options);
/* Waits until nothing can be done now. */
void world_idle(struct world *w);
/* Waits until there are n reports; fails the test after a minute. */
void world_wait(struct world *w, size_t n);
/* The one delivery of an event, and its tries. In w->mem. */
struct ls_delivery_row world_delivery(struct world *w, const char *id);
size_t world_attempts(struct world *w, const char *id, struct ls_attempt **ret);
const struct seen *world_seen(struct world *w, const char *event, int64_t attempt);

#endif
