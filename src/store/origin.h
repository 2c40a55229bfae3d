/* SPDX-License-Identifier: Apache-2.0 */
/* origin.h - who writes, told to the triggers of an outbox in an SQL database: what lockstep itself writes under a name is no event there.
 *
 * The triggers are in src/event/outbox.c. */
#ifndef LS_STORE_ORIGIN_H
#define LS_STORE_ORIGIN_H

#include "sql/sql.h"

#define LS_ORIGIN_SETTING "lockstep.origin" /* PostgreSQL: a setting of the transaction */
#define LS_ORIGIN_TIME "lockstep.at"        /* likewise */
#define LS_ORIGIN_TABLE \
    "lockstep_outbox_origin" /* SQLite: a row (origin, at) while the transaction lasts */

/* At the beginning of a transaction: who writes (NULL: as an application does), or when that happened (NULL: now), as ls_store_options has it. Where the database has no outbox that looks at it, nothing. */
LS_MUST_CHECK enum ls_code ls_origin_set(struct ls_sql *db, const char *origin,
                                         const char *happened, struct ls_error *err);
/* Before the transaction commits. */
LS_MUST_CHECK enum ls_code ls_origin_unset(struct ls_sql *db, struct ls_error *err);

#endif
