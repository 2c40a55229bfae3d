/* SPDX-License-Identifier: Apache-2.0 */
/* head.h - what the values of headers say: hosts, types, lists. Pure. */
#ifndef LS_SERVER_HEAD_H
#define LS_SERVER_HEAD_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a Host header names one of ours, its port aside. loopback: the names of this machine for itself are ours, and nothing else when there are no hosts; else
 * without hosts every name is. */
bool ls_head_host(const char *value, const char *const *hosts, size_t count, bool loopback);
/* Whether an Accept header lets a type in ("application/json"; what stands behind a semicolon of it is left aside). */
bool ls_head_accepts(const char *value, const char *type);
/* Whether a Content-Type is JSON in UTF-8. */
bool ls_head_is_json(const char *value);
/* Whether a list of entity tags (If-None-Match) has this one, "*" or a weak form of it. */
bool ls_head_lists(const char *value, const char *etag);

#endif
