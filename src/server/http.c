/* SPDX-License-Identifier: Apache-2.0 */
/* http.c - an HTTP/1.1 server over libmicrohttpd, the only file that sees that library.
 *
 * The library owns connections, parsing and TLS, on a few threads with epoll; accept.c brings it the connections. Each request is an exchange here: what was
 * sent, what it is answered, and where it stands. An exchange has one or two holders, this layer and whoever was given the request to
 * answer it later; the last one frees it.
 *
 *   first line      on_uri()      the target, as sent, is copied: the library cuts and decodes it in place
 *   head            on_head()     syntax.c judges it, the layer above may answer at once
 *   body            on_body()     gathered, up to the route's maximum and maxima for all bodies together and for those of an address; that of
 *                                 a caller who is not let in is thrown away
 *   whole           on_whole()    the layer above answers, or puts it off: then the connection is suspended
 *   answer          send_answer() from memory that the exchange keeps, or as a stream that sleeps while there is nothing to send
 *   over            on_over()
 *
 * Suspended, a connection costs no thread and no wake-up, and has no deadline: it waits for us, not we for it. In every other state it
 * has one (connections.c).
 *
 * What is put off can always be given up (at the end of the server): an exchange is answered once, by whoever comes first, and later answers go
 * nowhere. That is why an answer given up borrows static texts only: the arena may be in use by the one who works on it. */
#include "server/http.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/text.h"
#include "server/accept.h"
#include "server/certificate.h"
#include "server/connections.h"
#include "server/stream.h"
#include "server/syntax.h"

/* A connection's memory. The library touches all of it with every request, so this is what an idle connection keeps. The longest head,
 * 64 bytes for each of its lines and the head of the answer fit in; a body is read in what is left. */
#define CONNECTION_BYTES ((size_t)16 << 10)
#define STREAM_BLOCK ((size_t)8 << 10)
/* How much of a body that is too long is read and thrown away, so that its sender gets to read why. */
#define DISCARD_BYTES ((uint64_t)1 << 20)
#define THREADS_MAX 16
/* Connections that we have seen the end of and the library has not. */
#define CLOSING 1000
/* Bodies up to here are not counted for their address: as many as it may have connections are no more than its part. */
#define BODY_SMALL ((size_t)64 << 10)
#define BODY_PARTS 4 /* the part of all bodies that one address may have */
#define REQUEST_MEMORY ((size_t)96 << 20)

struct exchange {
    struct ls_request request; /* first: what others hold is this */
    struct ls_http *http;
    struct MHD_Connection *mhd;
    struct ls_connection *connection;
    struct ls_arena mem;
    const char *behind_target; /* in the library's buffer: where the version has to stand */
    struct ls_buf body;
    size_t body_max, body_counted, body_held; /* held: for the address */
    struct ls_address address; /* the direct one: the connection may end before the exchange */
    uint64_t received;
    int64_t body_from_us;
    int refused; /* a status that the body brought about; 0: none */
    bool counted, watched;

    pthread_mutex_t lock; /* over what follows */
    unsigned holders;
    bool put_off, suspended, answered;
    struct ls_response response;
    struct exchange *next, *prev; /* among those put off; the server's lock */
};

struct ls_http {
    struct ls_http_options options;
    struct ls_http_owner owner;
    struct MHD_Daemon *daemons[THREADS_MAX]; /* one for each thread, as each owns its connections */
    unsigned started;
    unsigned next; /* gets the next connection; the acceptor's */
    struct ls_acceptor *acceptor;
    struct ls_connections *connections;
    atomic_bool quiet;
    _Atomic size_t busy, body_bytes;
    uint64_t seed; /* of the ids of requests */
    _Atomic uint64_t requests;
    pthread_mutex_t lock;
    struct exchange *put_off;
    bool given_up; /* nothing is put off any more */
};

static int64_t in_seconds(int seconds)
{
    return ls_clock_monotonic_us() + (int64_t)seconds * 1000000;
}

/* Until when so many bytes have to be through, after a grace. */
static int64_t at_rate(int64_t from_us, int grace_s, uint64_t bytes)
{
    return from_us + (int64_t)grace_s * 1000000 +
           (int64_t)(bytes < (uint64_t)1 << 40 ? bytes : (uint64_t)1 << 40) * 1000000 /
               LS_HTTP_RATE;
}

/* ---- exchanges ---- */

/* Sixteen digits by which people find a request in the log again: another for each, also after a restart. No secret. */
static void make_id(struct ls_http *http, char out[17])
{
    const uint64_t number = atomic_fetch_add(&http->requests, 1);
    uint64_t n = ls_hash64(&number, sizeof number, http->seed);

    for (size_t i = 16; i-- > 0; n >>= 4)
        out[i] = "0123456789abcdef"[n & 15];
    out[16] = '\0';
}

static struct exchange *new_exchange(struct ls_http *http, const char *target)
{
    struct exchange *x = calloc(1, sizeof *x);

    if (!x)
        return NULL;
    ls_arena_init(&x->mem, REQUEST_MEMORY);
    (void)pthread_mutex_init(&x->lock, NULL);
    ls_buf_init(&x->body, 0);
    x->http = http;
    x->holders = 1;
    x->request.mem = &x->mem;
    x->request.target = ls_arena_text(&x->mem, target);
    x->request.method = x->request.path = x->request.peer = x->request.body = "";
    x->request.began_us = ls_clock_monotonic_us();
    x->behind_target = target + strlen(target) + 1;
    make_id(http, x->request.id);
    return x;
}

static void drop_body(struct exchange *x)
{
    ls_buf_done(&x->body);
    atomic_fetch_sub(&x->http->body_bytes, x->body_counted);
    if (x->body_held)
        ls_connections_let_go(x->http->connections, &x->address, x->body_held);
    x->body_counted = x->body_held = 0;
}

static void free_exchange(struct exchange *x)
{
    if (!x)
        return;
    drop_body(x);
    if (x->counted)
        atomic_fetch_sub(&x->http->busy, 1);
    ls_arena_done(&x->mem);
    (void)pthread_mutex_destroy(&x->lock);
    free(x);
}

/* Lets go of it; the lock is held and given back. */
static void release(struct exchange *x)
{
    const bool last = --x->holders == 0;

    (void)pthread_mutex_unlock(&x->lock);
    if (last)
        free_exchange(x);
}

/* false: what was put off has been given up, and this would never be answered. */
static bool link_put_off(struct exchange *x)
{
    struct ls_http *http = x->http;
    bool linked;

    (void)pthread_mutex_lock(&http->lock);
    linked = !http->given_up;
    if (linked) {
        x->next = http->put_off;
        if (x->next)
            x->next->prev = x;
        http->put_off = x;
    }
    (void)pthread_mutex_unlock(&http->lock);
    return linked;
}

static void unlink_put_off(struct exchange *x)
{
    struct ls_http *http = x->http;

    (void)pthread_mutex_lock(&http->lock);
    if (x->prev)
        x->prev->next = x->next;
    else if (http->put_off == x)
        http->put_off = x->next;
    if (x->next)
        x->next->prev = x->prev;
    x->next = x->prev = NULL;
    (void)pthread_mutex_unlock(&http->lock);
}

/* The first answer counts; the lock is held. */
static bool answer(struct exchange *x, const struct ls_response *response)
{
    if (x->answered)
        return false;
    x->answered = true;
    x->response = *response;
    if (x->suspended) {
        x->suspended = false;
        MHD_resume_connection(x->mhd);
    }
    return true;
}

void ls_request_answer(struct ls_request *request, const struct ls_response *response)
{
    struct exchange *x = (struct exchange *)request;
    bool taken;

    (void)pthread_mutex_lock(&x->lock);
    taken = answer(x, response);
    if (!taken && response->stream)
        ls_stream_leave(response->stream);
    release(x);
}

void ls_http_abandon(struct ls_http *http)
{
    static const char body[] = "{\"type\":\"urn:lockstep:problem:stopping\",\"title\":\"Service "
                               "Unavailable\",\"status\":503,\"code\":\"stopping\",\"detail\":\""
                               "lockstep is being stopped before this was done\"}";
    const struct ls_response response = {.status = 503,
                                         .type = "application/problem+json",
                                         .body = body,
                                         .body_size = sizeof body - 1,
                                         .close = true};

    (void)pthread_mutex_lock(&http->lock);
    http->given_up = true;
    for (struct exchange *x = http->put_off; x; x = x->next) {
        (void)pthread_mutex_lock(&x->lock);
        (void)answer(x, &response);
        (void)pthread_mutex_unlock(&x->lock);
    }
    (void)pthread_mutex_unlock(&http->lock);
}

/* ---- answers ---- */

static void fall_asleep(void *ctx)
{
    struct exchange *x = ctx;

    ls_connection_deadline(x->connection, INT64_MAX);
    MHD_suspend_connection(x->mhd);
}

static void wake_up(void *ctx)
{
    const struct exchange *x = ctx;

    MHD_resume_connection(x->mhd);
}

/* On the thread of the connections. */
static void on_gone(void *ctx)
{
    const struct exchange *x = ctx;

    ls_stream_abandon(x->response.stream);
}

static ssize_t read_stream(void *cls, uint64_t at, char *out, size_t size)
{
    struct exchange *x = cls;
    const long n = ls_stream_read(x->response.stream, out, size, fall_asleep, wake_up, x);

    (void)at;
    if (n == 0 && x->response.live && !x->watched) {
        x->watched = true;
        ls_connection_watch(x->connection, on_gone, x);
    }
    if (n < 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n > 0) /* it asks for more once this has been sent */
        ls_connection_deadline(x->connection, in_seconds(x->http->options.times.send));
    return n;
}

static void leave_stream(void *cls)
{
    struct exchange *x = cls;

    ls_stream_leave(x->response.stream);
    (void)pthread_mutex_lock(&x->lock);
    release(x);
}

/* The library lets go of a response after it said that the request is over: the response of a stream holds the exchange by itself. */
static struct MHD_Response *stream_response(struct exchange *x)
{
    struct MHD_Response *ret = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK,
                                                                 read_stream, x, leave_stream);

    if (!ret) {
        ls_stream_leave(x->response.stream);
        return NULL;
    }
    (void)pthread_mutex_lock(&x->lock);
    x->holders++;
    (void)pthread_mutex_unlock(&x->lock);
    return ret;
}

static struct MHD_Response *make_response(struct exchange *x)
{
    const struct ls_response *r = &x->response;

    if (r->stream)
        return stream_response(x);
    /* only read, whatever the type says */
    return MHD_create_response_from_buffer(r->body_size, (void *)(uintptr_t)r->body,
                                           MHD_RESPMEM_PERSISTENT);
}

static bool add_headers(struct exchange *x, struct MHD_Response *to)
{
    const struct ls_response *r = &x->response;
    bool ok = MHD_add_response_header(to, "X-Request-Id", x->request.id) == MHD_YES &&
              MHD_add_response_header(to, "X-Content-Type-Options", "nosniff") == MHD_YES;

    if (r->body_size || r->stream)
        ok = ok && MHD_add_response_header(to, MHD_HTTP_HEADER_CONTENT_TYPE,
                                           r->type ? r->type : "application/json") == MHD_YES;
    for (size_t i = 0; i < r->header_count; i++)
        ok = ok && MHD_add_response_header(to, r->headers[i].name, r->headers[i].value) == MHD_YES;
    if (r->close || atomic_load(&x->http->quiet))
        ok = ok && MHD_add_response_header(to, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES;
    return ok;
}

static enum MHD_Result send_answer(struct exchange *x)
{
    struct MHD_Response *response = make_response(x);
    const unsigned status = (unsigned)(x->response.status ? x->response.status : 200);
    enum MHD_Result ok = MHD_NO;

    if (!response)
        return MHD_NO;
    ls_connection_deadline(
        x->connection,
        at_rate(ls_clock_monotonic_us(), x->http->options.times.send, x->response.body_size));
    if (add_headers(x, response))
        ok = MHD_queue_response(x->mhd, status, response);
    MHD_destroy_response(response);
    return ok;
}

static enum MHD_Result send_now(struct exchange *x, const struct ls_response *response)
{
    (void)pthread_mutex_lock(&x->lock);
    (void)answer(x, response);
    (void)pthread_mutex_unlock(&x->lock);
    return send_answer(x);
}

static enum MHD_Result refuse(struct exchange *x, int status, const char *why, bool end)
{
    const struct ls_http_owner *owner = &x->http->owner;
    struct ls_response response = {0};

    owner->refuse(owner->ctx, &x->request, status, why, &response);
    response.close = response.close || end;
    return send_now(x, &response);
}

/* ---- the head ---- */

struct gathered {
    struct ls_raw_header lines[LS_HEADERS_MAX + 1];
    size_t count;
};

/* Blanks before a value are gone already, those behind it are not. */
static enum MHD_Result gather(void *cls, enum MHD_ValueKind kind, const char *name,
                              size_t name_size, const char *value, size_t value_size)
{
    struct gathered *all = cls;

    (void)kind;
    while (value && value_size > 0 &&
           (value[value_size - 1] == ' ' || value[value_size - 1] == '\t'))
        value_size--;
    all->lines[all->count++] =
        (struct ls_raw_header){name, value ? value : "", name_size, value ? value_size : 0};
    return all->count <= LS_HEADERS_MAX ? MHD_YES : MHD_NO;
}

/* Libraries before this version let bare line feeds, lines that go on in the next one and NULs pass, each of which
 * somebody in front of us may read differently. They cut the head into strings where it lies, so it shows in the addresses: behind
 * a string stand exactly the two bytes that were its line's end, then the next one, and behind the last one the end of the head (a NUL with a
 * bare line feed behind it looks the same, and is let in). Between chunks of a body, which do not reach us, bare line feeds are let in too.
 * Later libraries refuse these by themselves. */
#define STRICT_SINCE 0x00097700

static bool is_seamless(struct MHD_Connection *mhd, const char *method, const char *version,
                        const struct gathered *all)
{
    const union MHD_ConnectionInfo *head =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const char *at = version + strlen(version) + 2;

    if (MHD_VERSION >= STRICT_SINCE)
        return true;
    for (size_t i = 0; i < all->count; i++) {
        if (all->lines[i].name != at)
            return false;
        at = all->lines[i].value + strlen(all->lines[i].value) + 2;
    }
    return head && method + head->header_size == at + 2;
}

static bool copy_headers(struct ls_request *request, const struct gathered *all)
{
    struct ls_pair *pairs = ls_arena_array(request->mem, all->count, sizeof *pairs);

    for (size_t i = 0; pairs && i < all->count; i++) {
        const struct ls_raw_header *h = &all->lines[i];

        pairs[i].name = ls_arena_text_n(request->mem, h->name, h->name_size);
        pairs[i].value = ls_arena_text_n(request->mem, h->value, h->value_size);
        if (!pairs[i].name || !pairs[i].value)
            return false;
    }
    request->headers = pairs;
    request->header_count = pairs ? all->count : 0;
    return pairs != NULL;
}

/* The last line of that name: what the nearest proxy wrote. */
static const char *last_header(const struct ls_request *request, const char *name)
{
    const char *ret = NULL;

    for (size_t i = 0; i < request->header_count; i++)
        if (ls_text_equal_nocase(request->headers[i].name, name))
            ret = request->headers[i].value;
    return ret;
}

/* Of a list in one line the last item, with nothing behind it. */
static const char *last_item(const char *list)
{
    const char *comma = strrchr(list, ',');

    list = comma ? comma + 1 : list;
    return list + strspn(list, " \t");
}

static bool find_peer(struct exchange *x)
{
    const struct ls_http_options *o = &x->http->options;
    const struct ls_address *direct = &x->connection->address;
    const struct ls_address behind = ls_peer_behind(
        direct, last_header(&x->request, "X-Forwarded-For"), o->proxies, o->proxy_count);
    const char *protocol = last_header(&x->request, "X-Forwarded-Proto");
    char text[LS_PEER_TEXT];

    ls_address_text(&behind, text);
    x->request.peer = ls_arena_text(&x->mem, text);
    x->request.tls = o->cert != NULL;
    if (protocol && ls_network_has(o->proxies, o->proxy_count, direct))
        x->request.tls = ls_text_equal_nocase(last_item(protocol), "https");
    return x->request.peer != NULL;
}

/* What is said of the body's length is known to be a number here; a huge one counts as the largest. */
static uint64_t announced(const struct ls_request *request)
{
    const char *text = ls_request_header(request, "Content-Length");
    uint64_t size = 0;

    if (text && !ls_text_to_u64(text, strlen(text), &size))
        size = UINT64_MAX;
    return size;
}

static enum MHD_Result check_body(struct exchange *x)
{
    struct ls_http *http = x->http;
    const uint64_t size = announced(&x->request);

    if (size > x->body_max)
        return refuse(x, 413, "the body is too long", true);
    if (!x->request.discard && size + atomic_load(&http->body_bytes) > http->options.body_total)
        return refuse(x, 503, "too many bodies are on their way", true);
    x->body_from_us = ls_clock_monotonic_us();
    ls_connection_deadline(x->connection, at_rate(x->body_from_us, http->options.times.body, 0));
    return MHD_YES;
}

static enum MHD_Result on_head(struct exchange *x, const char *method, const char *version)
{
    const struct ls_http_owner *owner = &x->http->owner;
    struct gathered all = {.count = 0};
    struct ls_response early = {0};
    int status = 400;
    const char *why;

    atomic_fetch_add(&x->http->busy, 1);
    x->counted = true;
    (void)MHD_get_connection_values_n(x->mhd, MHD_HEADER_KIND, gather, &all);
    why = ls_syntax_head(method, version, all.lines, all.count, &status);
    if (!why && version != x->behind_target)
        why = "the first line has more in it than method, target and version";
    if (!why && !is_seamless(x->mhd, method, version, &all))
        why = "the head has lines that end in a bare line feed or go on in the next one, or NULs";
    if (why)
        return refuse(x, status, why, true);
    x->request.method = ls_arena_text(&x->mem, method);
    if (!x->request.method || !copy_headers(&x->request, &all) || !find_peer(x))
        return MHD_NO;
    why = ls_syntax_target(&x->request);
    if (why && !*why)
        return MHD_NO;
    if (why)
        return refuse(x, 400, why, true);
    if (!owner->head(owner->ctx, &x->request, &x->body_max, &early))
        return send_now(x, &early);
    return check_body(x);
}

/* ---- the body ---- */

/* A large one counts against what its address may have, too. */
static bool hold_body(struct exchange *x)
{
    const size_t more = x->body.capacity - x->body_held;

    if (x->body.capacity <= BODY_SMALL || more == 0)
        return true;
    if (!ls_connections_hold(x->http->connections, &x->address, more,
                             x->http->options.body_total / BODY_PARTS))
        return false;
    x->body_held += more;
    return true;
}

/* Counts the buffer's memory against what all bodies may take. */
static bool count_body(struct exchange *x)
{
    struct ls_http *http = x->http;
    const size_t more = x->body.capacity - x->body_counted;

    if (!hold_body(x))
        return false;

    if (atomic_fetch_add(&http->body_bytes, more) + more > http->options.body_total) {
        atomic_fetch_sub(&http->body_bytes, more);
        return false;
    }
    x->body_counted += more;
    return true;
}

/* Until when the next bytes have to come. */
static int64_t body_deadline(const struct exchange *x)
{
    const struct ls_http_times *times = &x->http->options.times;
    const int64_t all = at_rate(x->body_from_us, times->body, x->received);
    const int64_t next = in_seconds(times->silent);

    return all < next ? all : next;
}

static enum MHD_Result on_body(struct exchange *x, const char *data, size_t size)
{
    x->received += size;
    ls_connection_deadline(x->connection, body_deadline(x));
    if (x->received > x->body_max + DISCARD_BYTES)
        return MHD_NO;
    if (x->received > x->body_max)
        x->refused = 413;
    if (!x->refused && !x->request.discard) {
        ls_buf_add(&x->body, data, size);
        if (x->body.failed || !count_body(x))
            x->refused = 503;
    }
    if (x->refused)
        drop_body(x);
    return MHD_YES;
}

/* ---- the whole ---- */

static enum MHD_Result put_off(struct exchange *x)
{
    bool now;

    (void)pthread_mutex_lock(&x->lock);
    now = x->answered; /* while it was being put off */
    if (!now) {
        x->suspended = true;
        ls_connection_deadline(x->connection, INT64_MAX);
        MHD_suspend_connection(x->mhd);
    }
    (void)pthread_mutex_unlock(&x->lock);
    return now ? send_answer(x) : MHD_YES;
}

static enum MHD_Result on_whole(struct exchange *x)
{
    const struct ls_http_owner *owner = &x->http->owner;
    struct ls_response response = {0};

    if (x->answered) /* resumed */
        return send_answer(x);
    if (x->refused)
        return refuse(
            x, x->refused,
            x->refused == 413 ? "the body is too long" : "too many bodies are on their way", true);
    x->request.body = x->body.size ? x->body.data : "";
    x->request.body_size = x->body.size;
    if (!link_put_off(x)) /* a kept connection, after the end has begun */
        return refuse(x, 503, "lockstep is being stopped", true);
    ls_connection_deadline(x->connection, INT64_MAX);
    x->holders = 2; /* whoever answers later may do so before the call is back */
    x->put_off = true;
    owner->call(owner->ctx, &x->request, &response);
    if (response.later)
        return put_off(x);
    unlink_put_off(x);
    x->put_off = false;
    x->holders = 1;
    return send_now(x, &response);
}

/* ---- what the library calls ---- */

static struct ls_connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct ls_http *http = cls;
    struct ls_connection *c = connection_of(mhd);

    if (c) {
        free_exchange(c->pending);
        c->pending = new_exchange(http, uri);
        ls_connection_deadline(c, in_seconds(http->options.times.head));
    }
    return NULL;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **context)
{
    struct ls_connection *c = connection_of(mhd);
    struct exchange *x = *context;
    const size_t given = *size;

    (void)cls;
    (void)url;
    if (!x) {
        if (!c || !c->pending)
            return MHD_NO; /* out of memory */
        x = *context = c->pending;
        c->pending = NULL;
        x->mhd = mhd;
        x->connection = c;
        x->address = c->address;
        return x->request.target ? on_head(x, method, version) : MHD_NO;
    }
    *size = 0;
    return given ? on_body(x, data, given) : on_whole(x);
}

static void on_over(void *cls, struct MHD_Connection *mhd, void **context,
                    enum MHD_RequestTerminationCode how)
{
    struct ls_http *http = cls;
    struct exchange *x = *context;
    const bool sent = how == MHD_REQUEST_TERMINATED_COMPLETED_OK;

    (void)mhd;
    if (!x)
        return;
    *context = NULL;
    if (x->put_off)
        unlink_put_off(x);
    if (x->watched)
        ls_connection_unwatch(x->connection);
    if (sent)
        ls_connection_deadline(x->connection, in_seconds(http->options.times.idle));
    http->owner.done(http->owner.ctx, &x->request,
                     sent && x->answered ? (x->response.status ? x->response.status : 200) : 0);
    (void)pthread_mutex_lock(&x->lock);
    release(x);
}

/* A new connection goes to the next thread. The library closes it if it cannot have it. */
static bool on_accept(void *ctx, int fd, const struct sockaddr *from, socklen_t size)
{
    struct ls_http *http = ctx;

    http->next = (http->next + 1) % http->started;
    return MHD_add_connection(http->daemons[http->next], fd, from, size) == MHD_YES;
}

static void begin_connection(struct ls_http *http, struct MHD_Connection *mhd, void **context)
{
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *from =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct ls_address address = {0};

    if (!fd)
        return;
    if (from)
        (void)ls_address_of(from->client_addr, &address);
    *context = ls_connections_add(http->connections, fd->connect_fd, &address,
                                  in_seconds(http->options.times.head));
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct ls_connection *c = *context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        begin_connection(cls, mhd, context);
    } else if (c) {
        free_exchange(c->pending);
        ls_connections_remove(c);
        *context = NULL;
    }
}

/* Paths and queries are decoded by syntax.c, once. */
static size_t keep_as_sent(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *cls, const char *fmt, va_list args)
{
    char line[400];
    int n = vsnprintf(line, sizeof line, fmt, args);

    (void)cls;
    while (n > 0 && (size_t)n < sizeof line && line[n - 1] == '\n')
        line[--n] = '\0';
    ls_log(LS_LOG_DEBUG, "http: %s", line);
}

/* ---- open and close ---- */

static void fill_defaults(struct ls_http_options *o)
{
    o->threads = o->threads ? o->threads : 2;
    o->threads = o->threads < THREADS_MAX ? o->threads : THREADS_MAX;
    o->connections = o->connections ? o->connections : 1000;
    o->per_address = o->per_address ? o->per_address : 256;
    o->body_total = o->body_total ? o->body_total : (size_t)64 << 20;
    o->times.head = o->times.head ? o->times.head : 10;
    o->times.idle = o->times.idle ? o->times.idle : 60;
    o->times.body = o->times.body ? o->times.body : 10;
    o->times.send = o->times.send ? o->times.send : 30;
    o->times.silent = o->times.silent ? o->times.silent : 30;
}

static struct MHD_Daemon *start_one(struct ls_http *http)
{
    const struct ls_http_options *o = &http->options;
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
                           MHD_USE_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (o->cert ? MHD_USE_TLS : 0);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)ls_certificate_give},
        {MHD_OPTION_HTTPS_PRIORITIES, 0,
         (void *)(uintptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
        {MHD_OPTION_END, 0, NULL},
    };

    if (!o->cert)
        tls[0] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, http,
        /* first: it is used by what comes behind */
        MHD_OPTION_EXTERNAL_LOGGER, on_log, http, MHD_OPTION_CONNECTION_LIMIT,
        o->connections + CLOSING, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES,
        MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_STRICT_FOR_CLIENT, 0,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_as_sent, http, MHD_OPTION_URI_LOG_CALLBACK, on_uri, http,
        MHD_OPTION_NOTIFY_COMPLETED, on_over, http, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        http, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

static enum ls_code start(struct ls_http *http, struct ls_error *err)
{
    const struct ls_acceptor_options options = {
        .listen_fd = http->options.listen_fd,
        .most = http->options.connections,
        .connections = http->connections,
        .take = on_accept,
        .ctx = http,
    };

    for (; http->started < http->options.threads; http->started++) {
        http->daemons[http->started] = start_one(http);
        if (!http->daemons[http->started])
            return ls_error_set(err, LS_INTERNAL, "the HTTP server does not start");
    }
    return ls_acceptor_open(&options, &http->acceptor, err);
}

enum ls_code ls_http_open(const struct ls_http_options *options, const struct ls_http_owner *owner,
                          struct ls_http **ret, struct ls_error *err)
{
    struct ls_http *http = calloc(1, sizeof *http);
    enum ls_code rc;

    if (!http)
        return ls_error_nomem(err);
    http->options = *options;
    http->owner = *owner;
    http->seed = ls_random_u64();
    fill_defaults(&http->options);
    (void)pthread_mutex_init(&http->lock, NULL);
    rc = ls_connections_open(http->options.per_address, options->proxies, options->proxy_count,
                             &http->connections, err);
    if (rc == LS_OK && options->cert)
        rc = ls_certificate_show(options->cert, options->key, err);
    if (rc == LS_OK)
        rc = start(http, err);
    if (rc == LS_OK)
        *ret = http;
    else
        ls_http_close(http);
    return rc;
}

void ls_http_quiesce(struct ls_http *http)
{
    if (atomic_exchange(&http->quiet, true))
        return;
    ls_acceptor_close(http->acceptor);
    http->acceptor = NULL;
}

size_t ls_http_busy(struct ls_http *http)
{
    return atomic_load(&http->busy);
}

void ls_http_close(struct ls_http *http)
{
    if (!http)
        return;
    ls_http_quiesce(http);
    for (unsigned i = 0; i < http->started; i++)
        MHD_stop_daemon(http->daemons[i]);
    if (http->options.cert)
        ls_certificate_forget();
    ls_connections_close(http->connections);
    (void)pthread_mutex_destroy(&http->lock);
    free(http);
}

void ls_http_figures(struct ls_http *http, struct ls_http_figures *ret)
{
    *ret = (struct ls_http_figures){
        .connections = ls_connections_count(http->connections),
        .busy = atomic_load(&http->busy),
        .body_bytes = atomic_load(&http->body_bytes),
        .late = ls_connections_late(http->connections),
        .refused = ls_connections_refused(http->connections),
    };
}
