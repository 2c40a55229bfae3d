/* SPDX-License-Identifier: Apache-2.0 */
/* accept.h - takes new connections from a listening socket, on a thread of its own, until it is told to stop.
 *
 * The HTTP library could do it as well, but its way of stopping (MHD_quiesce_daemon) races with its own threads for the listening socket,
 * and ends the process when it loses: seen with 0.9.75. */
#ifndef LS_SERVER_ACCEPT_H
#define LS_SERVER_ACCEPT_H

#include <stddef.h>
#include <sys/socket.h>

#include "server/connections.h"

struct ls_acceptor_options {
    int listen_fd; /* not blocking; stays the caller's */
    size_t most;   /* connections at once: more wait in the socket's queue */
    struct ls_connections *connections;
    /* An admitted connection, on the acceptor's thread. fd is the callee's from here on, and is not blocking. false: it came to nothing. */
    bool (*take)(void *ctx, int fd, const struct sockaddr *from, socklen_t size);
    void *ctx;
};

struct ls_acceptor;

LS_MUST_CHECK enum ls_code ls_acceptor_open(const struct ls_acceptor_options *options,
                                            struct ls_acceptor **ret, struct ls_error *err);
/* Nothing is accepted any more once it returns. NULL is fine. */
void ls_acceptor_close(struct ls_acceptor *acceptor);

#endif
