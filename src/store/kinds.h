/* SPDX-License-Identifier: Apache-2.0 */
/* kinds.h - the vtables of all store kinds, for store.c alone. */
#ifndef LS_STORE_KINDS_H
#define LS_STORE_KINDS_H

#include "store/store.h"

extern const struct ls_store_ops ls_sqlite_ops;   /* sqlite/sqlite.c */
extern const struct ls_store_ops ls_postgres_ops; /* postgres/session.c */
extern const struct ls_store_ops ls_memory_ops;   /* memory/memory.c */
extern const struct ls_store_ops ls_file_ops;     /* file/file.c */

#endif
