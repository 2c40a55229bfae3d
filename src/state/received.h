/* SPDX-License-Identifier: Apache-2.0 */
/* received.h - messages that came to receivers, and what became of each.
 *
 * A message is here before anything is done about it, and its body stays until it is done: so a crash loses none, and the one who comes again
 * with the same id is told what became of it. Who takes one up has it for a while; whoever takes it up after that has a newer token, and the end
 * that an older one reports changes nothing. Times are Unix microseconds. */
#ifndef LS_STATE_RECEIVED_H
#define LS_STATE_RECEIVED_H

#include "state/state.h"

/* The numbers stand in the table. */
/*    name, word */
#define LS_RECEIVED_STATES(X) \
    X(WAITING, "waiting")     \
    X(APPLIED, "applied")     \
    X(STALE, "stale")         \
    X(IGNORED, "ignored")     \
    X(REFUSED, "refused")
#define X(name, word) LS_RECEIVED_##name,
enum ls_received_state { LS_RECEIVED_STATES(X) LS_RECEIVED_STATE_COUNT };
#undef X
/* Static. */
const char *ls_received_word(enum ls_received_state state);

/* Strings are never NULL; borrowed when written, in the arena when read. */
struct ls_received {
    int64_t seq, token; /* set when it is taken up */
    const char *receiver, *id;
    const char *type, *resource;
    int64_t at_us, received_us;
    enum ls_received_state state;
    const char *outcome; /* JSON; "" while it waits */
    const char *headers; /* JSON */
    const void *body;
    size_t body_size;
};

/* What was found when a message was to be taken up. */
enum ls_taken {
    LS_TAKEN,       /* it is the caller's: new, or left by somebody, or refused before */
    LS_TAKEN_KNOWN, /* it is done: m->state and m->outcome say how */
    LS_TAKEN_BUSY,  /* somebody is at work on it */
};
/* Writes a message, or takes up the one that is there, for busy_us from now_us on. *m is completed (outcome in mem). */
LS_MUST_CHECK enum ls_code ls_received_take(struct ls_state *state, struct ls_received *m,
                                            int64_t now_us, int64_t busy_us, struct ls_arena *mem,
                                            enum ls_taken *ret, struct ls_error *err);
/* Ends it, with an entry of the audit log in the same transaction. *ret_late: somebody else has taken it up meanwhile, and nothing is changed. state
 * WAITING: it is given back, to be taken up again from now_us on, without an entry. */
LS_MUST_CHECK enum ls_code ls_received_end(struct ls_state *state, const struct ls_received *m,
                                           int64_t now_us, bool *ret_late, struct ls_error *err);
/* Lets go of all that somebody is at work on: where only one process uses the state, at its start. */
LS_MUST_CHECK enum ls_code ls_received_free(struct ls_state *state, struct ls_error *err);
/* Those that wait and that nobody is at work on at now_us, the longest waiting first. In mem. */
LS_MUST_CHECK enum ls_code ls_received_waiting(struct ls_state *state, int64_t now_us, size_t max,
                                               struct ls_arena *mem, size_t *ret_count,
                                               struct ls_received **ret, struct ls_error *err);
/* How many of a receiver's messages are where, and when the last one came (0: none). */
struct ls_received_counts {
    int64_t count[LS_RECEIVED_STATE_COUNT];
    int64_t last_us;
};
LS_MUST_CHECK enum ls_code ls_received_count(struct ls_state *state, const char *receiver,
                                             struct ls_received_counts *ret, struct ls_error *err);
/* Removes messages that came before that time and do not wait. */
LS_MUST_CHECK enum ls_code ls_received_prune(struct ls_state *state, int64_t before_us,
                                             int64_t *ret_count, struct ls_error *err);

#endif
