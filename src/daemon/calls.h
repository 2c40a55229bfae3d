/* SPDX-License-Identifier: Apache-2.0 */
/* calls.h - the HTTP calls of schedules: a thread that makes them, each with its time limit. Where they may go is what the guard lets through. */
#ifndef LS_DAEMON_CALLS_H
#define LS_DAEMON_CALLS_H

#include <curl/curl.h>

#include "api/config.h"
#include "event/guard.h"
#include "schedule/scheduler.h"

struct ls_calls;

/* One call; to be embedded in what belongs to it, and zeroed. */
struct ls_call_out {
    /* How it ended (firing and attempt are the caller's to fill), once; on the thread of the calls. It may free the call. */
    void (*done)(struct ls_call_out *call, const struct ls_schedule_end *how);
    void *ctx;
    /* The rest is the calls'. */
    struct ls_call_out *next;
    struct ls_arena mem;
    bool begun; /* mem is there */
    struct ls_guard guard;
    struct ls_guard_target target;
    CURL *easy;
    struct curl_slist *headers;
    enum ls_guard_kind refused; /* what kind of address was not connected to */
    bool head_over;             /* all headers of the answer are there */
    size_t answer_bytes;
    char why[CURL_ERROR_SIZE];
};

/* config: where calls may go beyond public addresses (events.allow); held. NULL: nowhere. */
LS_MUST_CHECK enum ls_code ls_calls_open(struct ls_config *config, struct ls_calls **ret,
                                         struct ls_error *err);
/* Calls from here on go by this one. */
void ls_calls_change(struct ls_calls *calls, struct ls_config *config);
/* Makes a schedule's call. LS_OK: done will be called. LS_BUSY: too many are on their way. LS_CONFIG: it cannot be made, or not to there. Any thread. */
LS_MUST_CHECK enum ls_code ls_calls_start(struct ls_calls *calls, struct ls_call_out *call,
                                          const struct ls_schedule *schedule,
                                          const struct ls_firing *firing, struct ls_error *err);
/* Frees what a call holds; after done, or when it was not started. */
void ls_call_out_done(struct ls_call_out *call);
/* Lets those on their way end for a few seconds, cuts off the rest (as LS_END_BUSY, to come again), and ends the thread. NULL is fine. */
void ls_calls_stop(struct ls_calls *calls);
/* Stops and frees. NULL is fine. */
void ls_calls_close(struct ls_calls *calls);

#endif
