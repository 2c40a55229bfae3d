/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite_rollback.c - the conformance suite over SQLite files in rollback-journal mode. */
#define JOURNAL_MODE "delete"
#define NO_SNAPSHOTS true

#include "sqlite.c"
