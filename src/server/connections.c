/* SPDX-License-Identifier: Apache-2.0 */
/* connections.c - the open connections and their deadlines.
 *
 * The HTTP library closes a connection that is silent for a while, but not one that sends a byte every few seconds for
 * ever. Here every state of a connection has an end that does not move with each byte: the HTTP layer says until when the
 * head, the body, the answer must be through, and one thread shuts down the sockets of those that are late. Shutting down is all that
 * another thread may do to a socket that the library owns; the library closes it, after ls_connections_remove(), so the descriptor in the list is always
 * the connection's.
 *
 * The thread looks at most once a second and only when a deadline is near; with no connections it sleeps for good. A scan walks the
 * list: ten thousand connections are some tens of microseconds.
 *
 * A connection that sleeps has no deadline, and the library does not look at it: that its other side has closed would be noticed when something is sent, and then
 * only at the second time. So the thread looks at those that ask for it, by an epoll of its own. An event names a descriptor, which may be another
 * connection's by the time that the lock is there: it is looked at once more under it.
 *
 * Addresses are counted in a table of chains; one that has no connection left, and for which nothing is held, is freed. An IPv6 caller is counted by its /64, which is what one
 * subscriber gets. */
#include "server/connections.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/thread.h"

#define BUCKETS 1024
#define LOOK_EVERY_US 1000000

struct count {
    struct count *next;
    struct ls_address address;
    size_t open, held; /* connections, bytes */
};

/* Admitted, and not begun: the HTTP library has it, on its way to one of its threads. */
struct arrival {
    struct arrival *next;
    int fd;
    struct ls_address address;
    bool counted;
};

struct ls_connections {
    pthread_mutex_t lock;
    int epoll, changed; /* changed: an eventfd in it, which wakes the thread */
    struct ls_thread thread;
    bool ending;
    struct ls_connection *first;
    struct arrival *arrivals[BUCKETS]; /* by descriptor */
    size_t open, arriving, most;
    const struct ls_network *exempt;
    size_t exempt_count;
    struct count *counts[BUCKETS];
    _Atomic int64_t wake_us; /* when the thread looks next */
    _Atomic uint64_t late, refused;
};

/* ---- counting ---- */

static struct ls_address counted_as(const struct ls_address *address)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct ls_address ret = *address;

    if (memcmp(address->bytes, mapped, sizeof mapped) != 0)
        memset(ret.bytes + 8, 0, 8);
    return ret;
}

static struct count **find_count(struct ls_connections *all, const struct ls_address *address)
{
    struct count **at = &all->counts[ls_hash64(address->bytes, sizeof address->bytes, 0) % BUCKETS];

    while (*at && memcmp((*at)->address.bytes, address->bytes, sizeof address->bytes) != 0)
        at = &(*at)->next;
    return at;
}

/* That of the address, made where there is none. NULL: out of memory. */
static struct count *need_count(struct ls_connections *all, const struct ls_address *address)
{
    const struct ls_address as = counted_as(address);
    struct count **at = find_count(all, &as);

    if (!*at) {
        *at = calloc(1, sizeof **at);
        if (*at)
            (*at)->address = as;
    }
    return *at;
}

static bool count_up(struct ls_connections *all, const struct ls_address *address)
{
    struct count *count = need_count(all, address);

    if (!count)
        return false;
    count->open++;
    return true;
}

static void count_down(struct ls_connections *all, const struct ls_address *address,
                       size_t connections, size_t bytes)
{
    const struct ls_address as = counted_as(address);
    struct count **at = find_count(all, &as), *gone = *at;

    if (!gone)
        return;
    gone->open -= connections;
    gone->held -= bytes;
    if (gone->open == 0 && gone->held == 0) {
        *at = gone->next;
        free(gone);
    }
}

bool ls_connections_hold(struct ls_connections *all, const struct ls_address *address, size_t bytes,
                         size_t most)
{
    struct count *count;
    bool ok;

    if (ls_network_has(all->exempt, all->exempt_count, address))
        return true;
    (void)pthread_mutex_lock(&all->lock);
    count = need_count(all, address);
    ok = count && count->held <= most && bytes <= most - count->held;
    if (ok)
        count->held += bytes;
    else if (count)
        count_down(all, address, 0, 0); /* it may be new */
    (void)pthread_mutex_unlock(&all->lock);
    return ok;
}

void ls_connections_let_go(struct ls_connections *all, const struct ls_address *address,
                           size_t bytes)
{
    if (ls_network_has(all->exempt, all->exempt_count, address))
        return;
    (void)pthread_mutex_lock(&all->lock);
    count_down(all, address, 0, bytes);
    (void)pthread_mutex_unlock(&all->lock);
}

static struct arrival **find_arrival(struct ls_connections *all, int fd)
{
    struct arrival **at = &all->arrivals[(unsigned)fd % BUCKETS];

    while (*at && (*at)->fd != fd)
        at = &(*at)->next;
    return at;
}

/* Takes it out; the caller frees it. NULL: there is none. */
static struct arrival *take_arrival(struct ls_connections *all, int fd)
{
    struct arrival **at = find_arrival(all, fd), *found = *at;

    if (found) {
        *at = found->next;
        all->arriving--;
    }
    return found;
}

/* The lock is held. */
static void drop(struct ls_connections *all, int fd)
{
    struct arrival *gone = take_arrival(all, fd);

    if (gone && gone->counted)
        count_down(all, &gone->address, 1, 0);
    free(gone);
}

void ls_connections_drop(struct ls_connections *all, int fd)
{
    (void)pthread_mutex_lock(&all->lock);
    drop(all, fd);
    (void)pthread_mutex_unlock(&all->lock);
}

/* The lock is held. */
static bool admit(struct ls_connections *all, struct arrival *new)
{
    const struct ls_address as = counted_as(&new->address);
    const struct count *count;
    struct arrival **at;

    /* One that had this descriptor was given up and closed by the library: else it would not be free. */
    drop(all, new->fd);
    count = *find_count(all, &as);
    new->counted = !ls_network_has(all->exempt, all->exempt_count, &new->address);
    if (new->counted && ((count && count->open >= all->most) || !count_up(all, &new->address)))
        return false;
    at = &all->arrivals[(unsigned)new->fd % BUCKETS];
    new->next = *at;
    *at = new;
    all->arriving++;
    return true;
}

bool ls_connections_admit(struct ls_connections *all, int fd, const struct ls_address *address)
{
    struct arrival *new = calloc(1, sizeof *new);
    bool ok = false;

    if (new) {
        new->fd = fd;
        new->address = *address;
        (void)pthread_mutex_lock(&all->lock);
        ok = admit(all, new);
        (void)pthread_mutex_unlock(&all->lock);
    }
    if (!ok) {
        atomic_fetch_add(&all->refused, 1);
        free(new);
    }
    return ok;
}

/* ---- the list ---- */

static void wake(struct ls_connections *all)
{
    const uint64_t one = 1;

    (void)!write(all->changed, &one, sizeof one);
}

static void wake_by(struct ls_connections *all, int64_t until_us)
{
    if (until_us >= atomic_load(&all->wake_us))
        return;
    (void)pthread_mutex_lock(&all->lock);
    if (until_us < atomic_load(&all->wake_us)) {
        atomic_store(&all->wake_us, until_us);
        wake(all);
    }
    (void)pthread_mutex_unlock(&all->lock);
}

struct ls_connection *ls_connections_add(struct ls_connections *all, int fd,
                                         const struct ls_address *address, int64_t until_us)
{
    struct ls_connection *c = calloc(1, sizeof *c);
    struct arrival *arrival;

    if (!c)
        return NULL;
    c->all = all;
    c->fd = fd;
    c->address = *address;
    atomic_init(&c->until_us, until_us);
    (void)pthread_mutex_lock(&all->lock);
    arrival = take_arrival(all, fd);
    c->counted = arrival && arrival->counted;
    free(arrival);
    c->next = all->first;
    if (c->next)
        c->next->prev = c;
    all->first = c;
    all->open++;
    (void)pthread_mutex_unlock(&all->lock);
    wake_by(all, until_us);
    return c;
}

void ls_connections_remove(struct ls_connection *c)
{
    struct ls_connections *all = c->all;

    ls_connection_unwatch(c);
    (void)pthread_mutex_lock(&all->lock);
    if (c->prev)
        c->prev->next = c->next;
    else
        all->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    all->open--;
    if (c->counted)
        count_down(all, &c->address, 1, 0);
    (void)pthread_mutex_unlock(&all->lock);
    free(c);
}

void ls_connection_deadline(struct ls_connection *connection, int64_t until_us)
{
    atomic_store(&connection->until_us, until_us);
    wake_by(connection->all, until_us);
}

void ls_connection_watch(struct ls_connection *c, void (*gone)(void *ctx), void *ctx)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.fd = c->fd};
    struct ls_connections *all = c->all;

    (void)pthread_mutex_lock(&all->lock);
    c->gone = gone;
    c->ctx = ctx;
    if (epoll_ctl(all->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        c->gone = NULL; /* it is noticed later, then */
    (void)pthread_mutex_unlock(&all->lock);
}

void ls_connection_unwatch(struct ls_connection *c)
{
    struct ls_connections *all = c->all;

    (void)pthread_mutex_lock(&all->lock);
    if (c->gone)
        (void)epoll_ctl(all->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    c->gone = NULL;
    (void)pthread_mutex_unlock(&all->lock);
}

/* ---- the thread ---- */

static bool is_closed(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};

    return poll(&p, 1, 0) > 0;
}

/* Something was said of a descriptor. The lock is held. */
static void notice(struct ls_connections *all, int fd)
{
    struct ls_connection *c = all->first;

    while (c && !(c->fd == fd && c->gone))
        c = c->next;
    if (!c || !is_closed(fd))
        return;
    (void)epoll_ctl(all->epoll, EPOLL_CTL_DEL, fd, NULL);
    c->gone(c->ctx);
    c->gone = NULL;
}

/* Until then, or until it is woken. The lock is held, and let go meanwhile. */
static void sleep_until(struct ls_connections *all, int64_t now_us, int64_t until_us)
{
    struct epoll_event events[32];
    const int64_t ms = (until_us - now_us) / 1000 + 1;
    uint64_t n;
    int count;

    (void)pthread_mutex_unlock(&all->lock);
    count = epoll_wait(all->epoll, events, sizeof events / sizeof *events,
                       until_us == INT64_MAX ? -1
                       : ms < INT_MAX        ? (int)ms
                                             : INT_MAX);
    (void)pthread_mutex_lock(&all->lock);
    for (int i = 0; i < count; i++)
        if (events[i].data.fd == all->changed)
            (void)!read(all->changed, &n, sizeof n);
        else
            notice(all, events[i].data.fd);
}

/* Shuts down who is late; gives the next deadline. The lock is held. */
static int64_t look(struct ls_connections *all, int64_t now_us)
{
    int64_t next = INT64_MAX;

    for (struct ls_connection *c = all->first; c; c = c->next) {
        const int64_t until = atomic_load(&c->until_us);

        if (until > now_us) {
            next = until < next ? until : next;
            continue;
        }
        (void)shutdown(c->fd, SHUT_RDWR);
        atomic_store(&c->until_us, INT64_MAX);
        atomic_fetch_add(&all->late, 1);
    }
    return next;
}

static void watch(void *arg)
{
    struct ls_connections *all = arg;

    (void)pthread_mutex_lock(&all->lock);
    while (!all->ending) {
        const int64_t now = ls_clock_monotonic_us(), until = atomic_load(&all->wake_us);
        int64_t next;

        if (now < until) {
            sleep_until(all, now, until);
            continue;
        }
        /* Deadlines set while we look are taken up by wake_by() afterwards: until then everything is sooner. */
        atomic_store(&all->wake_us, INT64_MAX);
        next = look(all, now);
        if (next != INT64_MAX && next < now + LOOK_EVERY_US)
            next = now + LOOK_EVERY_US;
        if (next < atomic_load(&all->wake_us))
            atomic_store(&all->wake_us, next);
    }
    (void)pthread_mutex_unlock(&all->lock);
}

/* Those that the library had when it was stopped. */
static void free_arrivals(struct ls_connections *all)
{
    for (size_t i = 0; i < BUCKETS; i++)
        while (all->arrivals[i])
            drop(all, all->arrivals[i]->fd);
}

static enum ls_code open_epoll(struct ls_connections *all, struct ls_error *err)
{
    struct epoll_event event = {.events = EPOLLIN};

    all->epoll = epoll_create1(EPOLL_CLOEXEC);
    all->changed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    event.data.fd = all->changed;
    if (all->epoll >= 0 && all->changed >= 0 &&
        epoll_ctl(all->epoll, EPOLL_CTL_ADD, all->changed, &event) == 0)
        return LS_OK;
    return ls_error_set(err, LS_IO, "connections cannot be watched: %s", strerror(errno));
}

static void close_fd(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

enum ls_code ls_connections_open(size_t most, const struct ls_network *exempt, size_t exempt_count,
                                 struct ls_connections **ret, struct ls_error *err)
{
    struct ls_connections *all = calloc(1, sizeof *all);
    enum ls_code rc;

    if (!all)
        return ls_error_nomem(err);
    all->most = most;
    all->exempt = exempt;
    all->exempt_count = exempt_count;
    atomic_init(&all->wake_us, INT64_MAX);
    (void)pthread_mutex_init(&all->lock, NULL);
    rc = open_epoll(all, err);
    if (rc == LS_OK)
        rc = ls_thread_start(&all->thread, watch, all, err);
    if (rc == LS_OK)
        *ret = all;
    else
        ls_connections_close(all);
    return rc;
}

void ls_connections_close(struct ls_connections *all)
{
    if (!all)
        return;
    (void)pthread_mutex_lock(&all->lock);
    all->ending = true;
    wake(all);
    (void)pthread_mutex_unlock(&all->lock);
    ls_thread_join(&all->thread);
    free_arrivals(all);
    close_fd(all->epoll);
    close_fd(all->changed);
    (void)pthread_mutex_destroy(&all->lock);
    free(all);
}

size_t ls_connections_count(struct ls_connections *all)
{
    size_t open;

    (void)pthread_mutex_lock(&all->lock);
    open = all->open + all->arriving;
    (void)pthread_mutex_unlock(&all->lock);
    return open;
}

uint64_t ls_connections_late(struct ls_connections *all)
{
    return atomic_load(&all->late);
}

uint64_t ls_connections_refused(struct ls_connections *all)
{
    return atomic_load(&all->refused);
}
