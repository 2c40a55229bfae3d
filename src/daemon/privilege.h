/* SPDX-License-Identifier: Apache-2.0 */
/* privilege.h - from root to somebody with less. */
#ifndef LS_DAEMON_PRIVILEGE_H
#define LS_DAEMON_PRIVILEGE_H

#include "base/error.h"

/* Becomes this user for good, with its groups. Before other threads start. Already being it is fine; LS_PERMISSION when that cannot be, LS_CONFIG when there is no such
 * user. */
LS_MUST_CHECK enum ls_code ls_privilege_drop(const char *user, struct ls_error *err);
/* What no process that keeps secrets needs: core files, and more rights by running other programs. */
void ls_privilege_harden(void);
/* Allows this process as many descriptors as it may allow itself, and gives how many connections they leave room for. */
unsigned ls_privilege_connections(void);

#endif
