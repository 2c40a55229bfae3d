/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.h - callers who hand in events, for the audit log: an entry for the first call of each, and one a minute for the rest.
 *
 * One thread, the queue's: nothing here is locked. */
#ifndef LS_EVENT_LEDGER_H
#define LS_EVENT_LEDGER_H

#include "state/queue.h"

#define LS_LEDGER_ROOM 1024 /* callers that are counted at once: each with its address and route */

/* What a call is in the audit log. Texts are borrowed from whoever handed it in, until its task is done. NULL texts are "". */
struct ls_audit_deed {
    const char *actor; /* "token:ci" */
    const char *role;
    const char *address;
    const char *action;  /* "POST /api/v1/events" */
    const char *subject; /* "/api/v1/events" */
    const char *request; /* the id of its answer; of a first call alone */
    bool failed;         /* set by what is done: it was refused there, and took nothing */
    size_t events;       /* set by what is done: how many it took, those left out that were known */
};

struct ls_ledger;

/* room: callers at once; 0: LS_LEDGER_ROOM. every_us: until what was counted is due; 0: a minute. Free with ls_ledger_free(). */
LS_MUST_CHECK enum ls_code ls_ledger_new(size_t room, int64_t every_us, struct ls_ledger **ret,
                                         struct ls_error *err);
/* Forgets what was not written. NULL is fine. */
void ls_ledger_free(struct ls_ledger *ledger);

/* Counts a call that is done in this transaction. One of a caller without room is written at once, and makes all the rest due. LS_NOMEM, or
 * why it cannot be written: the transaction has to fail. */
LS_MUST_CHECK enum ls_code ls_ledger_note(struct ls_ledger *ledger, struct ls_queue_tx *tx,
                                          const struct ls_audit_deed *deed, struct ls_error *err);
/* Writes the entries of callers whose first calls are in this transaction. Before its end. */
LS_MUST_CHECK enum ls_code ls_ledger_write(struct ls_ledger *ledger, struct ls_queue_tx *tx,
                                           struct ls_error *err);
/* The end of the transaction. committed: what was counted since the last end stands; else it never was. now_us: monotonic. */
void ls_ledger_end(struct ls_ledger *ledger, bool committed, int64_t now_us);

/* Whether what was counted is to be written. now_us: monotonic. */
bool ls_ledger_due(const struct ls_ledger *ledger, int64_t now_us);
/* Calls that are counted and not written. */
uint64_t ls_ledger_waiting(const struct ls_ledger *ledger);
/* Writes an entry of each caller that was counted. In a transaction without notes. */
LS_MUST_CHECK enum ls_code ls_ledger_flush(struct ls_ledger *ledger, struct ls_queue_tx *tx,
                                           struct ls_error *err);
/* What was flushed is durable: all callers are forgotten. */
void ls_ledger_flushed(struct ls_ledger *ledger);

#endif
