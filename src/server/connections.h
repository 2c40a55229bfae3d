/* SPDX-License-Identifier: Apache-2.0 */
/* connections.h - the open connections: how many there are of one address, what is held for it, and until when each has to get on.
 *
 * Deadlines are what slow clients meet: whoever is late has its socket shut down, which the HTTP library then sees as the end. Any
 * thread may call everything here. */
#ifndef LS_SERVER_CONNECTIONS_H
#define LS_SERVER_CONNECTIONS_H

#include <stdatomic.h>

#include "server/peer.h"

struct ls_connections;

struct ls_connection {
    struct ls_connections *all;
    struct ls_connection *next, *prev;
    int fd;
    struct ls_address address;
    bool counted;             /* against the limit of its address */
    _Atomic int64_t until_us; /* monotonic; INT64_MAX: no deadline */
    void (*gone)(void *ctx);  /* NULL: nobody asks; under the lock */
    void *ctx;
    void *pending; /* of the HTTP layer: a request whose head is on its way */
};

/* most: connections of one address; exempt: networks (proxies) that this does not hold for, borrowed. Starts the thread that looks after deadlines. */
LS_MUST_CHECK enum ls_code ls_connections_open(size_t most, const struct ls_network *exempt,
                                               size_t exempt_count, struct ls_connections **ret,
                                               struct ls_error *err);
/* No connection may be left. NULL is fine. */
void ls_connections_close(struct ls_connections *all);

/* Whether one more of this address is within the limit. If so it is counted from here on, and waits for ls_connections_add(), or for
 * ls_connections_drop() when it comes to nothing; or for another one that has its descriptor, which says the same. */
LS_MUST_CHECK bool ls_connections_admit(struct ls_connections *all, int fd,
                                        const struct ls_address *address);
void ls_connections_drop(struct ls_connections *all, int fd);
/* An admitted connection begins, with a deadline; NULL: out of memory. fd is borrowed: it must not be closed before remove. */
struct ls_connection *ls_connections_add(struct ls_connections *all, int fd,
                                         const struct ls_address *address, int64_t until_us);
void ls_connections_remove(struct ls_connection *connection);
void ls_connection_deadline(struct ls_connection *connection, int64_t until_us);
/* Calls gone(ctx) once when the other side closes what it sends, on a thread of its own and with the list's lock held, so that neither unwatch nor remove is back before it
 * is. One at a time; to be called again only after unwatch, which remove does too. */
void ls_connection_watch(struct ls_connection *connection, void (*gone)(void *ctx), void *ctx);
void ls_connection_unwatch(struct ls_connection *connection);

/* Counts bytes that are held for an address, as long as they are `most` at the most with what is held for it already; false: they would be more. Given back by
 * let_go, which may come after its last connection has ended. Of exempt addresses nothing is counted. */
LS_MUST_CHECK bool ls_connections_hold(struct ls_connections *all, const struct ls_address *address,
                                       size_t bytes, size_t most);
void ls_connections_let_go(struct ls_connections *all, const struct ls_address *address,
                           size_t bytes);

/* With those that are admitted and have not begun. */
size_t ls_connections_count(struct ls_connections *all);
/* Connections that were shut down because they were late, and that were not admitted, since the start. */
uint64_t ls_connections_late(struct ls_connections *all);
uint64_t ls_connections_refused(struct ls_connections *all);

#endif
