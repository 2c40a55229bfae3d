/* SPDX-License-Identifier: Apache-2.0 */
/* hub.h - what happens, told as it happens to whoever listens: Server-Sent Events.
 *
 * Messages are numbered and the last ones kept, so that a listener that was cut off goes on where it was. Any thread. */
#ifndef LS_SERVER_HUB_H
#define LS_SERVER_HUB_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "server/caller.h"
#include "server/stream.h"

struct ls_hub;

struct ls_hub_options {
    size_t most;        /* listeners at once; more get NULL from ls_hub_join() */
    int64_t alive_us;   /* how often a listener gets a comment, and is looked at again; 0: 15 s */
    int64_t unknown_us; /* how long one may stay of whom it cannot be told; 0: 60 s */
    /* Whether a pass still lets its holder listen, as ls_caller_still(): on the hub's thread, without its locks. NULL: for ever. */
    enum ls_code (*still)(void *ctx, const struct ls_pass *pass, bool *ret_still,
                          struct ls_error *err);
    void *ctx;
};
/* Starts the thread that keeps connections alive and looks at who listens. */
LS_MUST_CHECK enum ls_code ls_hub_open(const struct ls_hub_options *options, struct ls_hub **ret,
                                       struct ls_error *err);
/* Ends all streams; nobody joins from here on. */
void ls_hub_stop(struct ls_hub *hub);
/* Stops and frees. NULL is fine. */
void ls_hub_close(struct ls_hub *hub);

/* Tells everybody. event: "run.progress"; about: what it is about, such as a run's UUID ("" for nothing in particular); json: one line. last: listeners
 * of `about` alone are done with it. */
void ls_hub_publish(struct ls_hub *hub, const char *event, const char *about, const char *json,
                    bool last);

struct ls_hub_wish {
    const char *about;  /* these messages alone; NULL: all */
    const char *prefix; /* events that begin so ("run."); NULL: all */
    int64_t
        after; /* the number of the last message that was heard; 0: none, what was before is not told. One that is not known is answered with `reset` */
    const struct ls_pass *pass; /* what the listener was let in by; NULL: it is not asked for */
    const char *first;          /* an event and JSON to begin with; NULL: nothing */
    const char *first_json;
};
/* A stream of what is told from now on, behind what was missed; NULL with *ret_full: there are too many listeners, or out of memory. */
struct ls_stream *ls_hub_join(struct ls_hub *hub, const struct ls_hub_wish *wish, bool *ret_full);
/* The same where wish->about is over and nothing will follow: what was missed of it, up to its last message, into out. Who has heard nothing gets the last
 * message alone; where it is not kept any more, wish->first stands in for it. false: all of it has been heard, and out is as it was. */
bool ls_hub_over(struct ls_hub *hub, const struct ls_hub_wish *wish, struct ls_buf *out);

/* Looks soon at who may still listen: after something was withdrawn or configured anew. Any thread; does not wait. */
void ls_hub_look_again(struct ls_hub *hub);

struct ls_hub_figures {
    size_t listeners;
    uint64_t messages;
    uint64_t dropped;   /* listeners that were too slow */
    uint64_t withdrawn; /* and those that might not listen any more */
};
void ls_hub_figures(struct ls_hub *hub, struct ls_hub_figures *ret);

#endif
