/* SPDX-License-Identifier: Apache-2.0 */
/* calls.c - the HTTP calls of schedules.
 *
 * One thread over a curl multi handle, so that a receiver that hangs holds up no other call. As with deliveries (event/attempt.c) a call goes to an address
 * that the guard has seen, follows no redirect, takes no proxy from the environment and keeps no cookie; the status line decides, and the rest of
 * an answer may come or not. Nothing of an answer is kept but its status: it may hold what is not for those who may see schedules.
 *
 * What a receiver is told beside the schedule's own headers: which schedule and firing it is (the firing's UUID is the same in every attempt, so it
 * is the key by which a receiver knows a repeated call), the nominal time, the attempt, and whether it comes late. A process that dies while a call is on its
 * way has it made again by the next one: at least once, unless the schedule has no retries. */
#include "daemon/calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/thread.h"
#include "lockstep.h"
#include "schedule/call.h"

#define MOST 256 /* on their way at once */
#define GRACE_US INT64_C(5000000)
#define POLL_MS 1000
#define ANSWER_MAX ((size_t)64 * 1024)
#define CONNECT_MAX_MS 10000L
#define TIMEOUT_MS 30000L         /* where the schedule has none */
#define AGAIN_US INT64_C(1000000) /* a call that the end cut off */

struct ls_calls {
    struct ls_thread thread;
    CURLM *multi;
    struct ls_call_out *under_way; /* the thread's */
    size_t under_way_count;
    bool running;

    pthread_mutex_t lock; /* of all below */
    struct ls_config *config;
    struct ls_call_out *inbox;
    size_t count; /* inbox, and on their way */
    bool stop;
};

/* ---- the request ---- */

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct ls_call_out *c = ctx;
    enum ls_guard_kind kind;

    (void)purpose;
    if (!ls_guard_address(&c->guard, c->target.named, &address->addr, &kind)) {
        c->refused = kind;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t take_answer(char *data, size_t one, size_t size, void *ctx)
{
    struct ls_call_out *c = ctx;

    (void)data;
    (void)one;
    c->answer_bytes += size;
    return c->answer_bytes > ANSWER_MAX ? 0 : size; /* 0 of some: it hangs up */
}

/* A new status line begins a new head (after 1xx), an empty line ends it. */
static size_t take_header(char *line, size_t one, size_t size, void *ctx)
{
    struct ls_call_out *c = ctx;

    (void)one;
    c->head_over = size > 0 && (line[0] == '\r' || line[0] == '\n');
    return size;
}

static bool add_line(struct ls_call_out *c, const char *line)
{
    struct curl_slist *longer = line ? curl_slist_append(c->headers, line) : NULL;

    if (longer)
        c->headers = longer;
    return longer != NULL;
}

static bool add_header(struct ls_call_out *c, const char *name, const char *value)
{
    /* libcurl wants a semicolon where there is no value */
    return add_line(c, ls_arena_printf(&c->mem, *value ? "%s: %s" : "%s;", name, value));
}

static enum ls_code make_headers(struct ls_call_out *c, const struct ls_schedule *s,
                                 const struct ls_firing *f, struct ls_error *err)
{
    struct ls_call_header *headers = NULL;
    bool typed = false, fine = add_line(c, "Expect:");
    char nominal[25], attempt[24];
    size_t count = 0;
    enum ls_code rc = ls_call_headers(s->headers, &c->mem, &count, &headers, err);

    if (rc != LS_OK)
        return rc;
    for (size_t i = 0; i < count && fine; i++) {
        typed = typed || ls_text_equal_nocase(headers[i].name, "content-type");
        fine = add_header(c, headers[i].name, headers[i].value);
    }
    if (fine && !typed)
        fine = s->body_size ? add_header(c, "Content-Type", "application/json")
                            : add_line(c, "Content-Type:");
    ls_clock_iso(f->nominal_us, nominal);
    snprintf(attempt, sizeof attempt, "%lld", (long long)f->attempt);
    fine = fine && add_header(c, "Lockstep-Schedule", s->id) &&
           add_header(c, "Lockstep-Firing", f->id) &&
           add_header(c, "Lockstep-Nominal-Time", nominal) &&
           add_header(c, "Lockstep-Attempt", attempt) &&
           (!f->late || add_header(c, "Lockstep-Late", "true"));
    return fine ? LS_OK : ls_error_nomem(err);
}

static void set_method(CURL *easy, const struct ls_schedule *s)
{
    if (strcmp(s->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (strcmp(s->method, "GET") == 0 && s->body_size == 0) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    } else {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)s->body_size);
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, s->body_size ? s->body : "");
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, s->method);
    }
}

/* What cannot fail but for memory, and gives a request that fails then, is not looked at. */
static bool set_up(struct ls_call_out *c, const struct ls_schedule *s)
{
    const long timeout_ms = s->timeout_ms ? (long)s->timeout_ms : TIMEOUT_MS;
    CURL *easy = c->easy;
    bool fine = curl_easy_setopt(easy, CURLOPT_URL, s->target) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, c) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_USERAGENT, "lockstep/" LOCKSTEP_VERSION) == CURLE_OK;

    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700 /* at the end nobody waits for a resolver that hangs */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     timeout_ms < CONNECT_MAX_MS ? timeout_ms : CONNECT_MAX_MS);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE,
                     1L); /* the next one may be for another firing's guard */
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, c->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->why);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, c);
    set_method(easy, s);
    return fine;
}

static enum ls_code make(struct ls_call_out *c, const struct ls_config *config,
                         const struct ls_schedule *s, const struct ls_firing *f,
                         struct ls_error *err)
{
    enum ls_code rc =
        ls_guard_read(config ? config->events.allow : NULL, config ? config->events.allow_count : 0,
                      &c->mem, &c->guard, err);

    if (rc == LS_OK)
        rc = ls_guard_url(&c->guard, s->target, &c->mem, &c->target, err);
    if (rc == LS_PERMISSION || rc == LS_USAGE) /* another attempt would not help */
        return err->code = LS_CONFIG;
    if (rc == LS_OK)
        rc = make_headers(c, s, f, err);
    if (rc == LS_OK && (!(c->easy = curl_easy_init()) || !set_up(c, s)))
        rc = ls_error_nomem(err);
    return rc;
}

void ls_call_out_done(struct ls_call_out *c)
{
    if (!c->begun)
        return;
    curl_easy_cleanup(c->easy);
    curl_slist_free_all(c->headers);
    ls_arena_done(&c->mem);
    c->begun = false;
}

enum ls_code ls_calls_start(struct ls_calls *calls, struct ls_call_out *call,
                            const struct ls_schedule *schedule, const struct ls_firing *firing,
                            struct ls_error *err)
{
    struct ls_config *config;
    enum ls_code rc;

    ls_arena_init(&call->mem, 0);
    call->begun = true;
    pthread_mutex_lock(&calls->lock);
    config = ls_config_hold(calls->config);
    pthread_mutex_unlock(&calls->lock);
    rc = make(call, config, schedule, firing, err);
    ls_config_free(config);
    if (rc != LS_OK)
        return rc;
    pthread_mutex_lock(&calls->lock);
    if (calls->stop || calls->count >= MOST) {
        rc = ls_error_set(err, LS_BUSY, "too many calls of schedules are on their way");
    } else {
        call->next = calls->inbox;
        calls->inbox = call;
        calls->count++;
    }
    pthread_mutex_unlock(&calls->lock);
    if (rc == LS_OK)
        curl_multi_wakeup(calls->multi);
    return rc;
}

/* ---- what came back ---- */

static void judge(struct ls_call_out *c, CURLcode result, struct ls_schedule_end *how)
{
    curl_off_t asked_s = 0;
    long status = 0;

    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &asked_s);
    how->kind = LS_END_FAILED;
    if (status && c->head_over) {
        how->after_us = asked_s > 86400 ? INT64_C(86400000000) : asked_s * 1000000;
        if (status >= 200 && status < 300) {
            how->kind = LS_END_OK;
            how->after_us = 0;
        } else {
            snprintf(how->reason, sizeof how->reason, "the receiver answered %ld%s", status,
                     status >= 300 && status < 400 ? ", and redirects are not followed" : "");
        }
    } else if (c->refused != LS_GUARD_PUBLIC) {
        how->kind = LS_END_FINAL;
        snprintf(how->reason, sizeof how->reason,
                 "%s is %s, where calls may not go. If it should, add it to events.allow",
                 c->target.host, ls_guard_kind_word(c->refused));
    } else if (result == CURLE_OPERATION_TIMEDOUT) {
        snprintf(how->reason, sizeof how->reason, "no answer in time");
    } else {
        snprintf(how->reason, sizeof how->reason, "%.140s: %s", c->target.host,
                 *c->why ? c->why : curl_easy_strerror(result));
    }
}

static void finish(struct ls_calls *calls, struct ls_call_out *c, const struct ls_schedule_end *how)
{
    struct ls_call_out **at = &calls->under_way;

    while (*at && *at != c)
        at = &(*at)->next;
    if (*at)
        *at = c->next;
    pthread_mutex_lock(&calls->lock);
    calls->count--;
    pthread_mutex_unlock(&calls->lock);
    c->done(c, how);
}

static void cut_off(struct ls_calls *calls, struct ls_call_out *c)
{
    const struct ls_schedule_end how = {
        .kind = LS_END_BUSY, .after_us = AGAIN_US, .reason = "the daemon was stopped"};

    curl_multi_remove_handle(calls->multi, c->easy);
    finish(calls, c, &how);
}

static void look_at_ended(struct ls_calls *calls)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(calls->multi, &left)) != NULL) {
        struct ls_schedule_end how = {0};
        const CURLcode result = message->data.result;
        CURL *easy = message->easy_handle;
        char *pointer = NULL;
        struct ls_call_out *c;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &pointer);
        c = (struct ls_call_out *)(void *)pointer;
        judge(c, result, &how);
        curl_multi_remove_handle(calls->multi, easy);
        finish(calls, c, &how);
    }
}

/* ---- the thread ---- */

/* Takes what was handed in; whether it is to stop. */
static bool take_inbox(struct ls_calls *calls)
{
    struct ls_call_out *c;
    bool stop;

    pthread_mutex_lock(&calls->lock);
    c = calls->inbox;
    calls->inbox = NULL;
    stop = calls->stop;
    pthread_mutex_unlock(&calls->lock);
    while (c) {
        struct ls_call_out *next = c->next;

        c->next = calls->under_way;
        calls->under_way = c;
        if (curl_multi_add_handle(calls->multi, c->easy) != CURLM_OK)
            cut_off(calls, c); /* no memory: in a moment again */
        c = next;
    }
    return stop;
}

static void work(void *arg)
{
    struct ls_calls *calls = arg;
    int64_t end_us = 0;

    for (;;) {
        const bool stop = take_inbox(calls);
        int running;

        curl_multi_perform(calls->multi, &running);
        look_at_ended(calls);
        if (stop && !end_us)
            end_us = ls_clock_monotonic_us() + GRACE_US;
        if (stop && (!calls->under_way || ls_clock_monotonic_us() >= end_us))
            break;
        curl_multi_poll(calls->multi, NULL, 0, stop ? POLL_MS / 20 : POLL_MS, NULL);
    }
    while (calls->under_way)
        cut_off(calls, calls->under_way);
}

/* ---- open and close ---- */

enum ls_code ls_calls_open(struct ls_config *config, struct ls_calls **ret, struct ls_error *err)
{
    struct ls_calls *calls = calloc(1, sizeof *calls);
    enum ls_code rc;

    if (!calls)
        return ls_error_nomem(err);
    pthread_mutex_init(&calls->lock, NULL);
    calls->config = ls_config_hold(config);
    calls->multi = curl_multi_init();
    rc = calls->multi ? ls_thread_start(&calls->thread, work, calls, err) : ls_error_nomem(err);
    calls->running = rc == LS_OK;
    if (rc == LS_OK)
        *ret = calls;
    else
        ls_calls_close(calls);
    return rc;
}

void ls_calls_change(struct ls_calls *calls, struct ls_config *config)
{
    pthread_mutex_lock(&calls->lock);
    ls_config_free(calls->config);
    calls->config = ls_config_hold(config);
    pthread_mutex_unlock(&calls->lock);
}

void ls_calls_stop(struct ls_calls *calls)
{
    if (!calls || !calls->running)
        return;
    pthread_mutex_lock(&calls->lock);
    calls->stop = true;
    pthread_mutex_unlock(&calls->lock);
    curl_multi_wakeup(calls->multi);
    ls_thread_join(&calls->thread);
    calls->running = false;
}

void ls_calls_close(struct ls_calls *calls)
{
    if (!calls)
        return;
    ls_calls_stop(calls);
    if (calls->multi)
        curl_multi_cleanup(calls->multi);
    ls_config_free(calls->config);
    pthread_mutex_destroy(&calls->lock);
    free(calls);
}
