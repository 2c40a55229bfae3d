/* SPDX-License-Identifier: Apache-2.0 */
/* attempt.c - one attempt: the request, what came back, and what becomes of the delivery.
 *
 * A request is built anew for each attempt, because it says when it was signed. It goes to an address that the guard has seen:
 * libcurl asks for a socket with the address that it is about to connect to, and gets none for one that is not allowed, so that
 * neither a spelling nor a name server can lead it elsewhere. No redirect is followed, no proxy of the environment is used, no cookie is
 * kept, HTTP/1.1 is spoken, certificates are checked.
 *
 * The status line decides. Once all headers are there with 2xx the receiver has taken the event, and it does not matter whether the
 * rest of its answer comes, drips, or never ends; of it 20 KiB are kept, and at 64 KiB we hang up.
 *
 * Whose fault. When a socket cannot be made, memory is short, or names cannot be resolved while nothing else can be reached either,
 * the receiver was not even asked: that uses up no attempt, says nothing about the endpoint, and the lane holds on for a while. But
 * a name that does not exist looks like a resolver that is down as long as it is the only one; so after an hour of it the
 * attempts count all the same, and the delivery comes to an end. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/text.h"
#include "event/deliver_priv.h"
#include "event/event.h"

#define ANSWER_KEPT ((size_t)20 * 1024)
#define HEAD_KEPT ((size_t)8 * 1024)
#define ANSWER_MAX ((size_t)64 * 1024)
#define CONNECT_MAX_MS 10000
#define LEASE_SPARE_US INT64_C(5000000) /* what a lease has to hold beyond the attempt itself */
#define CONTACT_US INT64_C(30000000) /* reached somebody by name in this time: the resolver works */
#define FAULTS_MAX_US INT64_C(3600000000)      /* after so long a fault of ours is none */
#define FAULT_HOLD_US INT64_C(1000000)         /* the first pause after one; doubles ... */
#define FAULT_HOLD_MAX_US INT64_C(30000000)    /* ... up to this */
#define NOTE_US INT64_C(60000000)              /* a row of failures is recorded this often */
#define MESSAGE_TIMEOUT_MAX_MS INT64_C(900000) /* a lease of a message holds this */

/* --- the request */

static bool add_header(struct ls_transfer *t, const char *name, const char *value)
{
    /* libcurl wants a semicolon where there is no value */
    char *line = ls_arena_printf(&t->mem, *value ? "%s: %s" : "%s;", name, value);
    struct curl_slist *longer = line ? curl_slist_append(t->headers, line) : NULL;

    if (longer)
        t->headers = longer;
    return longer != NULL;
}

/* Takes a header off that libcurl would write by itself. */
static bool no_header(struct ls_transfer *t, const char *line)
{
    struct curl_slist *longer = curl_slist_append(t->headers, line);

    if (longer)
        t->headers = longer;
    return longer != NULL;
}

/* An id as Standard Webhooks wants it: visible and without a dot. Any other is stood for by a hash, the same in every attempt. */
static const char *webhook_id(struct ls_transfer *t, const char *id)
{
    struct ls_hash128 hash;
    const char *at = id;

    while (*at > ' ' && *at < 0x7f && *at != '.')
        at++;
    if (*id && !*at)
        return id;
    hash = ls_hash128(id, strlen(id), 0);
    return ls_arena_printf(&t->mem, "evt_%016" PRIx64 "%016" PRIx64, hash.high, hash.low);
}

static bool sign(struct ls_transfer *t, int64_t now_s)
{
    const struct ls_lane *lane = t->lane;
    const char *id = webhook_id(t, t->delivery->e.id);
    struct ls_buf text;
    bool fine;

    if (lane->e.secret_count == 0)
        return true;
    ls_buf_init(&text, 0);
    ls_buf_i64(&text, now_s);
    fine = id && !text.failed && add_header(t, "webhook-id", id) &&
           add_header(t, "webhook-timestamp", ls_buf_str(&text));
    ls_buf_reset(&text);
    if (fine)
        ls_sign_standard(&text, lane->secrets, ls_endpoint_signers(&lane->e, now_s * 1000000), id,
                         now_s, t->body.data, t->body.size);
    fine = fine && !text.failed && add_header(t, "webhook-signature", ls_buf_str(&text));
    ls_buf_reset(&text);
    if (fine)
        ls_sign_documented(&text, &lane->secrets[0], t->body.data, t->body.size);
    fine = fine && !text.failed && add_header(t, "x-webhook-signature", ls_buf_str(&text));
    ls_buf_done(&text);
    return fine;
}

static bool as_qstash(struct ls_transfer *t, int64_t now_s)
{
    const struct ls_secret *secret = &t->lane->of->qstash_secret;
    char jti[5 + 36] = "jwt_";
    const char *id = webhook_id(t, t->delivery->e.id);
    struct ls_buf text;
    bool fine;

    ls_buf_init(&text, 0);
    ls_buf_i64(&text, t->delivery->attempts);
    fine = id && add_header(t, "User-Agent", "Upstash-QStash") &&
           add_header(t, "Upstash-Message-Id", id) && !text.failed &&
           add_header(t, "Upstash-Retried", ls_buf_str(&text));
    if (fine && secret->text_size) {
        ls_uuid_new(jti + 4);
        ls_buf_reset(&text);
        ls_sign_qstash(&text, secret, t->message.url, jti, now_s, t->body.data, t->body.size);
        fine = !text.failed && add_header(t, "Upstash-Signature", ls_buf_str(&text));
    }
    ls_buf_done(&text);
    return fine;
}

static bool message_headers(struct ls_transfer *t, bool *ret_typed)
{
    for (size_t i = 0; i < t->message.header_count; i++) {
        const struct ls_header *h = &t->message.headers[i];

        *ret_typed = *ret_typed || ls_text_equal_nocase(h->name, "content-type");
        if (!add_header(t, h->name, h->value))
            return false;
    }
    return true;
}

static bool make_headers(struct ls_transfer *t, int64_t now_s)
{
    const struct ls_endpoint *e = &t->lane->e;
    bool typed = false, fine = no_header(t, "Expect:");

    for (size_t i = 0; i < e->header_count && fine; i++) {
        typed = typed || ls_text_equal_nocase(e->headers[i].name, "content-type");
        fine = add_header(t, e->headers[i].name, e->headers[i].value);
    }
    if (fine && t->own_target)
        fine = message_headers(t, &typed);
    if (fine && t->own_target && t->message.qstash)
        fine = as_qstash(t, now_s);
    if (fine && !typed)
        fine = t->own_target ? no_header(t, "Content-Type:")
                             : add_header(t, "Content-Type", "application/json");
    return fine && sign(t, now_s);
}

/* An event goes as the JSON it is shown as, a message as the bytes that came. */
static bool make_body(struct ls_transfer *t)
{
    const struct ls_delivery *d = t->delivery;

    ls_buf_reset(&t->body);
    if (t->own_target)
        ls_buf_add(&t->body, d->e.data, d->e.data_size);
    else
        ls_event_write(&t->body, &d->e, d->attempts, "processing");
    return !t->body.failed;
}

/* --- libcurl's callbacks */

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct ls_transfer *t = ctx;
    enum ls_guard_kind kind;
    int fd;

    (void)purpose;
    if (!ls_guard_address(t->lane->of->options.guard, t->target.named, &address->addr, &kind)) {
        t->refused = kind;
        return CURL_SOCKET_BAD;
    }
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0) {
        t->socket_errno = errno;
        return CURL_SOCKET_BAD;
    }
    return fd;
}

static size_t take_answer(char *data, size_t one, size_t size, void *ctx)
{
    struct ls_transfer *t = ctx;

    (void)one;
    t->answer_size += size;
    if (t->answer.size < ANSWER_KEPT) {
        size_t room = ANSWER_KEPT - t->answer.size;

        ls_buf_add(&t->answer, data, size < room ? size : room);
    }
    return t->answer_size > ANSWER_MAX ? 0 : size; /* 0 of some: it hangs up */
}

/* Only these are looked at; all are short. */
static bool is_of_interest(const char *name, size_t length)
{
    static const char *const names[] = {"Retry-After",
                                        "X-RateLimit-Reset",
                                        "X-RateLimit-Reset-Requests",
                                        "X-RateLimit-Reset-Tokens",
                                        "RateLimit-Reset",
                                        "Upstash-NonRetryable-Error"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == length && strncasecmp(names[i], name, length) == 0)
            return true;
    }
    return false;
}

/* Of messages the whole head is kept, since callbacks and dead letters tell it. */
static void keep_line(struct ls_transfer *t, const char *line, size_t size)
{
    if (!t->own_target || t->head.size + size > HEAD_KEPT)
        return;
    while (size && strchr("\r\n", line[size - 1]))
        size--;
    if (size == 0 || ls_utf8_check(line, size) != size || memchr(line, '\0', size))
        return;
    ls_buf_add(&t->head, line, size);
    ls_buf_char(&t->head, '\n');
}

/* A line of the head. A new status line begins a new head (after 1xx), an empty line ends it. */
static size_t take_header(char *line, size_t one, size_t size, void *ctx)
{
    struct ls_transfer *t = ctx;
    const char *colon = memchr(line, ':', size);
    size_t at = t->answer_header_count, name, length;

    (void)one;
    if (size >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        t->answer_header_count = 0;
        t->head_over = false;
        ls_buf_reset(&t->head);
        return size;
    }
    keep_line(t, line, size);
    if (size > 0 && (line[0] == '\r' || line[0] == '\n')) {
        t->head_over = true;
        return size;
    }
    name = colon ? (size_t)(colon - line) : 0;
    if (!colon || at == LS_ANSWER_HEADERS || !is_of_interest(line, name))
        return size;
    length = size - name - 1;
    if (name + 1 + length + 2 > LS_ANSWER_VALUE)
        return size;
    memcpy(t->answer_values[at], line, name);
    t->answer_values[at][name] = '\0';
    memcpy(t->answer_values[at] + name + 1, colon + 1, length);
    while (length && strchr(" \t\r\n", t->answer_values[at][name + length]))
        length--;
    t->answer_values[at][name + 1 + length] = '\0';
    t->answer_headers[at] = (struct ls_header){t->answer_values[at],
                                               t->answer_values[at] + name + 1 +
                                                   strspn(t->answer_values[at] + name + 1, " \t")};
    t->answer_header_count++;
    return size;
}

/* --- handing it to libcurl */

static void set_method(struct ls_transfer *t, const char *method)
{
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
    } else if (strcmp(method, "GET") == 0 && t->body.size == 0) {
        curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
    } else {
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.size);
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->body.size ? t->body.data : "");
        curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, method);
    }
}

/* What cannot fail but for memory is not looked at: a URL, headers and protocols that did not get in give a request that
 * fails or that the socket's callback refuses. */
static bool set_options(struct ls_transfer *t)
{
    const struct ls_deliver_options *o = &t->lane->of->options;
    const char *url = t->own_target ? t->message.url : t->lane->e.url;
    long timeout_ms = (long)t->timeout_ms;
    CURL *easy = t->easy;
    bool fine;

    curl_easy_reset(easy);
    fine = curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t) == CURLE_OK;
    if (fine && o->ca_file)
        fine = curl_easy_setopt(easy, CURLOPT_CAINFO, o->ca_file) == CURLE_OK;
    if (fine && !(t->own_target && t->message.qstash))
        fine = curl_easy_setopt(easy, CURLOPT_USERAGENT, o->user_agent) == CURLE_OK;
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700 /* at the end nobody waits for a resolver that hangs */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     timeout_ms < CONNECT_MAX_MS ? timeout_ms : (long)CONNECT_MAX_MS);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->curl_error);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    set_method(t, t->own_target ? t->message.method : "POST");
    return fine;
}

static void put_in_transit(struct ls_transfer *t)
{
    struct ls_deliver *d = t->lane->of;

    t->sending = true;
    t->lane->sending++;
    t->prev = NULL;
    t->next = d->in_transit;
    if (t->next)
        t->next->prev = t;
    d->in_transit = t;
}

static void take_out_of_transit(struct ls_transfer *t)
{
    if (!t->sending)
        return;
    t->sending = false;
    t->lane->sending--;
    if (t->prev)
        t->prev->next = t->next;
    else
        t->lane->of->in_transit = t->next;
    if (t->next)
        t->next->prev = t->prev;
    t->next = t->prev = NULL;
}

/* --- what becomes of it */

static enum ls_code record(struct ls_queue_task *task, struct ls_queue_tx *tx, struct ls_error *err)
{
    struct ls_transfer *t = (struct ls_transfer *)(void *)task;
    const struct ls_deliver_options *o = &t->work.of->options;
    enum ls_code rc = ls_queue_complete(tx, &t->end, &t->late, err);
    struct ls_buf text;

    ls_buf_init(&text, 0);
    if (rc == LS_OK && t->note) {
        ls_breaker_write(&text, &t->breaker);
        rc = text.failed
                 ? ls_error_nomem(err)
                 : ls_endpoint_note(tx, t->end.endpoint, ls_buf_str(&text), t->disabled, err);
    }
    ls_buf_done(&text);
    if (rc == LS_OK && !t->late && t->end.attempt.at_us && o->recorded)
        rc = o->recorded(o->ctx, tx, t->delivery, &t->end, err);
    return rc;
}

static void release(struct ls_transfer *t)
{
    struct ls_deliver *d = t->lane->of;
    struct ls_claim *claim = t->claim;

    curl_slist_free_all(t->headers);
    t->headers = NULL;
    ls_arena_reset(&t->mem);
    if (--claim->refs == 0) {
        ls_arena_reset(&claim->mem);
        claim->spare = d->spare_claims;
        d->spare_claims = claim;
    }
    t->claim = NULL;
    t->delivery = NULL;
    t->next = d->spare;
    d->spare = t;
    d->used--;
}

static void report(const struct ls_transfer *t)
{
    const struct ls_deliver_options *o = &t->lane->of->options;
    const struct ls_deliver_report r = {
        .endpoint = t->end.endpoint,
        .event = t->end.event,
        .endpoint_name = t->lane->e.name,
        .event_id = t->delivery->e.id,
        .event_type = t->delivery->e.type,
        .attempt = t->end.attempt.at_us ? t->delivery->attempts + 1 : 0,
        .status = t->end.attempt.status,
        .duration_us = t->end.attempt.duration_us,
        .error = t->error,
        .next = t->end.next,
        .due_us = t->end.due_us,
        .change = t->change,
        .disabled = t->disabled ? t->disabled : "",
    };

    if (o->attempted)
        o->attempted(o->ctx, &r);
}

static void count(struct ls_transfer *t)
{
    struct ls_deliver *d = t->lane->of;

    pthread_mutex_lock(&d->lock);
    if (t->late)
        d->counts.late++;
    if (t->end.attempt.at_us) {
        d->counts.attempts++;
        d->counts.delivered += t->end.next == LS_DELIVERY_DELIVERED;
        d->counts.failed += t->end.next != LS_DELIVERY_DELIVERED;
        d->counts.dead += t->end.next == LS_DELIVERY_DEAD;
    }
    pthread_mutex_unlock(&d->lock);
}

/* It was not, and is tried again: until its lease ends and it is to be sent again; but as long as the state is out of reach or full nobody can
 * claim it, so that an outage of any length costs no second request. */
static bool may_be_recorded_yet(const struct ls_transfer *t)
{
    const enum ls_code rc = t->work.rc;

    if (rc == LS_OK || ls_deliver_stopping(t->work.of))
        return false;
    return ls_code_retryable(rc) || rc == LS_FULL || ls_clock_now_us() < t->claim->until_us;
}

/* The queue has recorded it, or could not. */
static void recorded(struct ls_work *work)
{
    struct ls_transfer *t = (struct ls_transfer *)(void *)work;
    struct ls_lane *lane = t->lane;

    if (may_be_recorded_yet(t)) {
        ls_deliver_retry(work); /* or it would be sent again when the lease ends */
        return;
    }
    if (work->rc != LS_OK) /* it is due again, to be claimed by whoever comes first */
        lane->next_us = 0;
    if (work->rc == LS_OK) {
        count(t);
        if (t->end.attempt.at_us || t->error[0])
            report(t);
        if (t->end.next == LS_DELIVERY_PENDING && t->end.due_us < lane->next_us)
            lane->next_us = t->end.due_us;
    }
    release(t);
    ls_lane_ready(lane);
}

static void hand_in(struct ls_transfer *t)
{
    t->work.back = recorded;
    t->work.task.run = record;
    ls_deliver_submit(&t->work);
}

static void begin_end(struct ls_transfer *t, enum ls_delivery_state next, int64_t due_us)
{
    t->end = (struct ls_delivery_end){.event = t->delivery->event,
                                      .endpoint = t->delivery->endpoint,
                                      .token = t->delivery->token,
                                      .resource = t->delivery->resource,
                                      .next = next,
                                      .due_us = due_us,
                                      .reason = ""};
    t->change = LS_BREAKER_SAME;
    t->disabled = NULL;
    t->note = false;
}

void ls_transfer_give_back(struct ls_transfer *t, int64_t due_us)
{
    begin_end(t, LS_DELIVERY_PENDING, due_us);
    t->error[0] = '\0';
    hand_in(t);
}

static bool has_breaker(const struct ls_lane *lane)
{
    return strcmp(lane->e.origin, LS_ENDPOINT_OF_MESSAGES) !=
           0; /* whose deliveries go to many places */
}

/* The breaker hears of it; whether it is to be recorded. 429 says that the receiver is well and wants less. */
static void tell_breaker(struct ls_transfer *t, const struct ls_retry_answer *a, bool good,
                         int64_t now_us)
{
    struct ls_lane *lane = t->lane;
    bool in_a_row = lane->breaker.in_a_row > 0;

    if (!has_breaker(lane))
        return;
    if (a->status == 429) {
        ls_breaker_forget(&lane->breaker);
        return;
    }
    t->change = ls_breaker_outcome(&lane->breaker, &lane->breaker_rule, good, now_us);
    t->note = t->change != LS_BREAKER_SAME || in_a_row != (lane->breaker.in_a_row > 0) ||
              (!good && now_us - lane->noted_us > NOTE_US);
    if (t->change == LS_BREAKER_GIVES_UP)
        t->disabled = "nothing but failures for days";
}

/* A receiver that is overloaded and says until when is left alone altogether. */
static void hold_as_asked(struct ls_transfer *t, const struct ls_retry_answer *a, int64_t now_us)
{
    int64_t asked_ms = a->asked_ms < t->policy.asked_max_ms ? a->asked_ms : t->policy.asked_max_ms;

    if ((a->status == 429 || a->status == 503) && asked_ms > 0 && has_breaker(t->lane) &&
        now_us + asked_ms * 1000 > t->lane->hold_us)
        t->lane->hold_us = now_us + asked_ms * 1000;
}

static void settle(struct ls_transfer *t, const struct ls_retry_answer *a)
{
    struct ls_lane *lane = t->lane;
    int64_t now_us = ls_clock_now_us();
    struct ls_retry_decision decision =
        ls_retry_decide(&t->policy, (unsigned)(t->delivery->attempts + 1), a, ls_random_u64());
    enum ls_delivery_state next;

    if (t->hopeless)
        decision = (struct ls_retry_decision){LS_RETRY_DEAD, 0, "it can never be sent"};
    next = decision.verdict == LS_RETRY_DONE    ? LS_DELIVERY_DELIVERED
           : decision.verdict == LS_RETRY_AGAIN ? LS_DELIVERY_PENDING
                                                : LS_DELIVERY_DEAD;
    begin_end(t, next, now_us + decision.pause_ms * 1000);
    t->end.reason = next == LS_DELIVERY_DEAD ? decision.why : "";
    t->end.attempt = (struct ls_attempt){.at_us = t->at_us,
                                         .duration_us = ls_clock_monotonic_us() - t->began_us,
                                         .status = a->status,
                                         .address = t->address,
                                         .error = t->error,
                                         .head = ls_buf_str(&t->head),
                                         .answer = t->answer.data,
                                         .answer_size = t->answer.size};
    lane->fault_us = 0;
    lane->faults = 0;
    tell_breaker(t, a, decision.verdict == LS_RETRY_DONE, now_us);
    hold_as_asked(t, a, now_us);
    if (decision.verdict == LS_RETRY_DISABLE && has_breaker(lane)) {
        t->disabled = decision.why;
        t->note = true;
    }
    if (t->disabled)
        lane->e.disabled = t->disabled;
    if (t->note) {
        t->breaker = lane->breaker;
        lane->noted_us = now_us;
    }
    hand_in(t);
    ls_lane_ready(lane);
}

/* A fault of ours: back it goes, and the lane with it for a while. */
static void settle_fault(struct ls_transfer *t)
{
    struct ls_lane *lane = t->lane;
    int64_t now_us = ls_clock_now_us(), pause_us = FAULT_HOLD_US;

    for (unsigned i = 0; i < lane->faults && pause_us < FAULT_HOLD_MAX_US; i++)
        pause_us *= 2;
    lane->faults++;
    lane->fault_us = lane->fault_us ? lane->fault_us : now_us;
    lane->hold_us = now_us + (pause_us < FAULT_HOLD_MAX_US ? pause_us : FAULT_HOLD_MAX_US);
    ls_breaker_forget(&lane->breaker);
    ls_deliver_count(lane->of, &lane->of->counts.faults);
    begin_end(t, LS_DELIVERY_PENDING, now_us);
    hand_in(t);
    ls_lane_ready(lane);
}

/* --- beginning */

static int64_t timeout_of(const struct ls_transfer *t)
{
    if (!t->own_target || t->message.timeout_ms == 0)
        return t->lane->e.timeout_ms;
    return t->message.timeout_ms < MESSAGE_TIMEOUT_MAX_MS ? t->message.timeout_ms
                                                          : MESSAGE_TIMEOUT_MAX_MS;
}

static void set_policy(struct ls_transfer *t)
{
    t->policy = t->lane->policy;
    if (t->own_target && t->message.retries_said)
        t->policy.attempts = t->message.retries + 1;
    if (t->own_target && t->message.retry_delay)
        t->policy.expression = t->message.retry_delay;
}

/* Where it goes, and whether it may: false, and why, when not. */
static bool find_target(struct ls_transfer *t)
{
    const struct ls_lane *lane = t->lane;
    struct ls_error err = {0};
    enum ls_code rc;

    t->own_target = *t->delivery->e.options != '\0';
    t->hopeless = false;
    if (!t->own_target) {
        t->target = lane->target;
        snprintf(t->error, sizeof(t->error), "%s", lane->refused);
        return lane->refused[0] == '\0';
    }
    t->message = (struct ls_message){.url = "", .method = "POST"};
    rc = ls_message_read(t->delivery->e.options, &t->mem, &t->message, &err);
    if (rc == LS_OK)
        rc = ls_guard_url(lane->of->options.guard, t->message.url, &t->mem, &t->target, &err);
    /* what is no message or no URL now will be none later; where requests may go can change */
    t->hopeless = rc == LS_DATA || rc == LS_USAGE;
    if (rc != LS_OK)
        snprintf(t->error, sizeof(t->error), "%.*s", (int)sizeof(t->error) - 1, err.text);
    return rc == LS_OK;
}

static void forget_the_last(struct ls_transfer *t)
{
    ls_buf_reset(&t->answer);
    ls_buf_reset(&t->head);
    t->answer_size = 0;
    t->answer_header_count = 0;
    t->head_over = false;
    t->refused = LS_GUARD_PUBLIC;
    t->socket_errno = 0;
    t->curl_error[0] = t->address[0] = t->error[0] = '\0';
    t->at_us = ls_clock_now_us();
    t->began_us = ls_clock_monotonic_us();
}

/* Everything that is needed; false when memory is short. */
static bool prepare(struct ls_transfer *t)
{
    if (!t->easy)
        t->easy = curl_easy_init();
    return t->easy && make_body(t) && make_headers(t, t->at_us / 1000000) && set_options(t) &&
           curl_multi_add_handle(t->lane->of->multi, t->easy) == CURLM_OK;
}

void ls_attempt_begin(struct ls_transfer *t)
{
    bool may;

    forget_the_last(t);
    may = find_target(t);
    set_policy(t);
    t->timeout_ms = timeout_of(t);
    if (t->at_us + t->timeout_ms * 1000 + LEASE_SPARE_US > t->claim->until_us) {
        ls_transfer_give_back(t, t->at_us); /* it waited here until its lease became too short */
        return;
    }
    if (has_breaker(t->lane))
        ls_breaker_begin(&t->lane->breaker, t->timeout_ms * 1000 + LEASE_SPARE_US, t->at_us);
    if (!may) {
        settle(t, &(struct ls_retry_answer){0});
        return;
    }
    if (!prepare(t)) {
        snprintf(t->error, sizeof(t->error), "out of memory");
        settle_fault(t);
        return;
    }
    put_in_transit(t);
}

/* --- ending */

static bool reached_by_name(const struct ls_transfer *t)
{
    const char *host = t->target.host;

    return !strchr(host, ':') && strspn(host, "0123456789.") != strlen(host) &&
           strcmp(host, "localhost") != 0;
}

static bool is_ours(const struct ls_transfer *t, CURLcode rc, int64_t now_us)
{
    bool in_contact = t->lane->of->contact_us + CONTACT_US > ls_clock_monotonic_us();
    long os = 0;

    if (t->lane->fault_us && now_us - t->lane->fault_us > FAULTS_MAX_US)
        return false;
    if (t->socket_errno)
        return true;
    (void)curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os);
    if (rc == CURLE_COULDNT_RESOLVE_HOST)
        return !in_contact;
    if (rc == CURLE_COULDNT_CONNECT)
        return os == EADDRNOTAVAIL || ((os == ENETUNREACH || os == ENETDOWN) && !in_contact);
    return rc == CURLE_OUT_OF_MEMORY || rc == CURLE_FAILED_INIT || rc == CURLE_SSL_CACERT_BADFILE ||
           rc == CURLE_SSL_ENGINE_INITFAILED;
}

/* An answer came, whole or not, or it says in t->error why there is none. */
static int read_status(struct ls_transfer *t, CURLcode rc)
{
    long status = 0;

    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (!t->head_over || status < 200 || status > 999)
        status = 0;
    if (status >= 300)
        snprintf(t->error, sizeof(t->error), "HTTP %ld", status);
    else if (status && t->answer_size > ANSWER_MAX)
        snprintf(t->error, sizeof(t->error), "the answer was cut off at %zu KiB",
                 ANSWER_MAX / 1024);
    else if (status && rc != CURLE_OK)
        snprintf(t->error, sizeof(t->error), "the answer did not come whole: %s",
                 curl_easy_strerror(rc));
    else if (!status && t->refused != LS_GUARD_PUBLIC)
        snprintf(t->error, sizeof(t->error), "%s leads to %s: requests do not go there",
                 t->target.host, ls_guard_kind_word(t->refused));
    else if (!status && t->socket_errno)
        snprintf(t->error, sizeof(t->error), "no socket: %s", strerror(t->socket_errno));
    else if (!status)
        snprintf(t->error, sizeof(t->error), "%s",
                 t->curl_error[0] ? t->curl_error : curl_easy_strerror(rc));
    return (int)status;
}

static void read_address(struct ls_transfer *t)
{
    const char *address = NULL;
    long port = 0;

    (void)curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &address);
    (void)curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_PORT, &port);
    if (address && *address)
        snprintf(t->address, sizeof(t->address), strchr(address, ':') ? "[%s]:%ld" : "%s:%ld",
                 address, port);
}

void ls_attempt_over(struct ls_transfer *t, CURLcode rc)
{
    int64_t now_us = ls_clock_now_us();
    struct ls_retry_answer a = {.timed_out = rc == CURLE_OPERATION_TIMEDOUT};

    a.status = read_status(t, rc);
    read_address(t);
    ls_attempt_abort(t);
    if (a.status && reached_by_name(t))
        t->lane->of->contact_us = ls_clock_monotonic_us();
    if (!a.status && t->refused == LS_GUARD_PUBLIC && is_ours(t, rc, now_us)) {
        settle_fault(t);
        return;
    }
    a.asked_ms = ls_retry_asked_ms(t->answer_headers, t->answer_header_count, now_us / 1000);
    a.final = ls_retry_final(a.status, t->answer_headers, t->answer_header_count);
    settle(t, &a);
}

void ls_attempt_abort(struct ls_transfer *t)
{
    (void)curl_multi_remove_handle(t->lane->of->multi, t->easy);
    take_out_of_transit(t);
}
