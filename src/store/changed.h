/* SPDX-License-Identifier: Apache-2.0 */
/* changed.h - when an application last changed a record, as the triggers of an outbox in its database note it. store.h has the contract. */
#ifndef LS_STORE_CHANGED_H
#define LS_STORE_CHANGED_H

#include "sql/sql.h"
#include "store/store.h"

/* ls_store_newer(). */
LS_MUST_CHECK enum ls_code ls_changed_newer(struct ls_sql *db, const struct ls_news *change,
                                            struct ls_arena *mem, bool *ret, struct ls_error *err);
/* ls_store_took(). */
LS_MUST_CHECK enum ls_code ls_changed_took(struct ls_sql *db, const struct ls_news *change,
                                           struct ls_arena *mem, struct ls_error *err);

#endif
