/* SPDX-License-Identifier: Apache-2.0 */
/* accept.c - new connections.
 *
 * Where there is no room, of ours or of the process (descriptors, memory), the thread looks away from the socket for a moment: who connects
 * waits in the kernel's queue. */
#include "server/accept.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/thread.h"

#define NO_ROOM_MS 20

struct ls_acceptor {
    struct ls_acceptor_options options;
    int stop_fd;
    struct ls_thread thread;
};

static void take(struct ls_acceptor *a, int fd, const struct sockaddr *from, socklen_t size)
{
    struct ls_connections *connections = a->options.connections;
    struct ls_address address = {0};

    (void)ls_address_of(from, &address);
    if (!ls_connections_admit(connections, fd, &address)) {
        (void)close(fd);
        return;
    }
    if (!a->options.take(a->options.ctx, fd, from, size))
        ls_connections_drop(connections, fd);
}

/* All that are there. false: there is no room for more. */
static bool take_all(struct ls_acceptor *a)
{
    while (ls_connections_count(a->options.connections) < a->options.most) {
        struct sockaddr_storage from = {0};
        socklen_t size = sizeof from;
        const int fd = accept4(a->options.listen_fd, (struct sockaddr *)&from, &size,
                               SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0)
            take(a, fd, (struct sockaddr *)&from, size);
        else if (errno == EAGAIN)
            return true;
        else if (errno != EINTR && errno != ECONNABORTED)
            break; /* EMFILE, ENOMEM and the like */
    }
    return false;
}

static void work(void *arg)
{
    struct ls_acceptor *a = arg;
    struct pollfd fds[] = {{.fd = a->stop_fd, .events = POLLIN},
                           {.fd = a->options.listen_fd, .events = POLLIN}};
    bool room = true;

    for (;;) {
        fds[1].revents = 0;
        (void)poll(fds, room ? 2 : 1, room ? -1 : NO_ROOM_MS);
        if (fds[0].revents)
            return;
        room = take_all(a);
    }
}

enum ls_code ls_acceptor_open(const struct ls_acceptor_options *options, struct ls_acceptor **ret,
                              struct ls_error *err)
{
    struct ls_acceptor *a = calloc(1, sizeof *a);
    enum ls_code rc = LS_OK;

    if (!a)
        return ls_error_nomem(err);
    a->options = *options;
    a->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (a->stop_fd < 0)
        rc = ls_error_set(err, LS_INTERNAL, "no eventfd: %s", strerror(errno));
    if (rc == LS_OK)
        rc = ls_thread_start(&a->thread, work, a, err);
    if (rc == LS_OK)
        *ret = a;
    else
        ls_acceptor_close(a);
    return rc;
}

void ls_acceptor_close(struct ls_acceptor *a)
{
    const uint64_t one = 1;

    if (!a)
        return;
    if (a->stop_fd >= 0) {
        (void)!write(a->stop_fd, &one, sizeof one);
        ls_thread_join(&a->thread);
        (void)close(a->stop_fd);
    }
    free(a);
}
