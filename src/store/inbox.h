/* SPDX-License-Identifier: Apache-2.0 */
/* inbox.h - notes of messages inside an SQL database, for the kinds that have LS_CAP_INBOX. store.h has the contract. */
#ifndef LS_STORE_INBOX_H
#define LS_STORE_INBOX_H

#include "sql/sql.h"
#include "store/store.h"

/* ls_store_note(); makes the tables when they are not there. */
LS_MUST_CHECK enum ls_code ls_inbox_note(struct ls_sql *db, const struct ls_note *note,
                                         struct ls_arena *mem, const char **ret_known,
                                         bool *ret_stale, struct ls_error *err);
/* ls_store_outcome(). */
LS_MUST_CHECK enum ls_code ls_inbox_outcome(struct ls_sql *db, const struct ls_note *note,
                                            const char *outcome, struct ls_error *err);
/* ls_store_forget_notes(). */
LS_MUST_CHECK enum ls_code ls_inbox_forget(struct ls_sql *db, int64_t before_us,
                                           struct ls_error *err);

#endif
