/* SPDX-License-Identifier: Apache-2.0 */
/* qstash_filter.c - which messages a call under /v2 is about, and messages as JSON.
 *
 * Filters look at the options of each message in turn: a call with one costs as much as there are messages in the state that it is about (on their
 * way, dead), which is why pages have a bound on what they look at. */
#include "server/qstash_filter.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define COUNT_MAX 1000
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- filters ---- */

static bool label_fits(const char *labels, const char *wanted)
{
    const size_t length = strlen(wanted);

    while (*labels) {
        size_t size = strcspn(labels, ",");
        const char *at = labels + strspn(labels, " ");

        labels += size + (labels[size] == ',');
        size = strcspn(at, ",");
        while (size && at[size - 1] == ' ')
            size--;
        if (size == length && strncmp(at, wanted, length) == 0)
            return true;
    }
    return false;
}

static bool host_fits(const char *url, const char *wanted)
{
    const char *host = strstr(url, "://");
    size_t size;

    host = host ? host + 3 : url;
    size = strcspn(host, "/?#");
    if (memchr(host, '@', size)) {
        const char *at = memchr(host, '@', size);

        size -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    return size == strlen(wanted) && strncasecmp(host, wanted, size) == 0;
}

static bool text_fits(const char *text, const char *wanted)
{
    return strcmp(text, wanted) == 0;
}

/* Whether a value is one of those that are asked for; yes when none is. */
static bool asked(const struct ls_request *request, const char *name, const char *value,
                  bool (*fits)(const char *value, const char *wanted))
{
    bool any = false;

    for (size_t i = 0; i < request->query_count; i++) {
        if (strcmp(request->query[i].name, name) != 0)
            continue;
        if (value && fits(value, request->query[i].value))
            return true;
        any = true;
    }
    return !any;
}

static bool time_fits(const struct ls_request *request, int64_t at_us)
{
    const char *from = ls_request_query(request, "fromDate");
    const char *to = ls_request_query(request, "toDate");
    int64_t ms;

    if (from && ls_text_to_i64(from, strlen(from), &ms) && at_us / 1000 < ms)
        return false;
    return !to || !ls_text_to_i64(to, strlen(to), &ms) || at_us / 1000 <= ms;
}

bool ls_qstash_fits(const struct ls_request *request, const struct ls_parcel *p, int64_t at_us)
{
    char status[16];

    (void)snprintf(status, sizeof status, "%d", p->last ? p->last->status : 0);
    return asked(request, "messageId", p->event->id, text_fits) &&
           asked(request, "messageIds", p->event->id, text_fits) &&
           asked(request, "url", p->kept.message.url, text_fits) &&
           asked(request, "host", p->kept.message.url, host_fits) &&
           asked(request, "topicName", p->kept.topic, text_fits) &&
           asked(request, "queueName", p->kept.queue, text_fits) &&
           asked(request, "scheduleId", p->kept.schedule, text_fits) &&
           asked(request, "label", p->kept.labels, label_fits) &&
           asked(request, "callerIp", p->kept.caller_ip, text_fits) &&
           asked(request, "flowControlKey", p->kept.flow.key, text_fits) &&
           asked(request, "responseStatus", status, text_fits) && time_fits(request, at_us);
}

bool ls_qstash_has_filter(const struct ls_request *request)
{
    for (size_t i = 0; i < request->query_count; i++)
        if (strcmp(request->query[i].name, "count") != 0 &&
            strcmp(request->query[i].name, "cursor") != 0)
            return true;
    return false;
}

enum ls_code ls_qstash_filter_check(const struct ls_request *request, struct ls_error *err)
{
    static const char *const numbers[] = {"fromDate", "toDate", "responseStatus"};

    for (size_t i = 0; i < COUNT(numbers); i++) {
        const char *text = ls_request_query(request, numbers[i]);
        int64_t number;

        if (text && !ls_text_to_i64(text, strlen(text), &number))
            return ls_error_set(err, LS_USAGE, "%s is a number%s", numbers[i],
                                i < 2 ? ": Unix milliseconds" : "");
    }
    return LS_OK;
}

enum ls_code ls_qstash_texts(const struct ls_call *call, const char *name, struct ls_texts *ret,
                             struct ls_error *err)
{
    const struct ls_request *request = call->request;
    const char **texts = ls_arena_array(call->mem, request->query_count, sizeof *texts);

    *ret = (struct ls_texts){.texts = texts};
    for (size_t i = 0; texts && i < request->query_count; i++)
        if (strcmp(request->query[i].name, name) == 0)
            texts[ret->count++] = request->query[i].value;
    return texts ? LS_OK : ls_error_nomem(err);
}

enum ls_code ls_qstash_count(const struct ls_call *call, size_t fallback, size_t *ret,
                             struct ls_error *err)
{
    const char *text = ls_request_query(call->request, "count");
    int64_t number = (int64_t)fallback;

    if (text && (!ls_text_to_i64(text, strlen(text), &number) || number < 1 || number > COUNT_MAX))
        return ls_error_set(err, LS_USAGE, "count is a number from 1 to %d", COUNT_MAX);
    *ret = (size_t)number;
    return LS_OK;
}

enum ls_code ls_qstash_cursor(const struct ls_call *call, int64_t *ret, struct ls_error *err)
{
    const char *text = ls_request_query(call->request, "cursor");

    *ret = 0;
    if (text && *text && (!ls_text_to_i64(text, strlen(text), ret) || *ret < 0))
        return ls_error_set(err, LS_USAGE,
                            "cursor is what an answer before gave, and nothing else");
    return LS_OK;
}

/* ---- a message ---- */

enum ls_code ls_qstash_parcel(struct ls_state *state, const struct ls_event *event,
                              struct ls_arena *mem, struct ls_parcel *ret, struct ls_error *err)
{
    struct ls_delivery_row *rows = NULL;
    struct ls_attempt *attempts = NULL;
    size_t count = 0, tries = 0;
    enum ls_code rc;

    *ret = (struct ls_parcel){.event = event};
    if (strcmp(event->type, LS_MESSAGE_TYPE) != 0 || !*event->options)
        return ls_error_set(err, LS_NOT_FOUND, "there is no message %.100s", event->id);
    rc = ls_kept_read(event->options, mem, &ret->kept, err);
    if (rc == LS_OK)
        rc = ls_queue_deliveries(state, event->seq, mem, &count, &rows, err);
    if (rc == LS_OK && count == 0)
        rc = ls_error_set(err, LS_NOT_FOUND, "there is no message %.100s", event->id);
    if (rc == LS_OK)
        ret->delivery = rows[0];
    if (rc == LS_OK)
        rc = ls_queue_attempts(state, event->seq, rows[0].endpoint, mem, &tries, &attempts, err);
    if (rc == LS_OK && tries)
        ret->last = &attempts[tries - 1];
    return rc;
}

static void text_member(struct ls_buf *out, const char *name, const char *text)
{
    if (text && *text)
        ls_write_text(out, name, text);
}

/* Text where it is UTF-8, else base64. */
static void body_members(struct ls_buf *out, const char *plain, const char *coded, const void *data,
                         size_t size)
{
    struct ls_buf text;

    ls_buf_init(&text, 0);
    if (ls_utf8_check(data, size) == size && !memchr(data, '\0', size)) {
        ls_buf_add(&text, data, size);
        ls_write_text(out, plain, text.failed ? "" : ls_buf_str(&text));
    } else {
        ls_text_base64(&text, data, size);
        ls_write_text(out, coded, text.failed ? "" : ls_buf_str(&text));
    }
    ls_buf_done(&text);
}

static void write_body(struct ls_buf *out, const struct ls_parcel *p)
{
    struct ls_buf hidden;

    if (p->event->data_size && !ls_kept_hides(&p->kept, "body", NULL)) {
        body_members(out, "body", "bodyBase64", p->event->data, p->event->data_size);
    } else if (p->event->data_size) {
        ls_buf_init(&hidden, 0);
        ls_kept_hide(&hidden, p->event->data, p->event->data_size);
        text_member(out, "body", ls_buf_str(&hidden));
        ls_buf_done(&hidden);
    }
}

static void write_labels(struct ls_buf *out, const char *labels)
{
    const char *rest = labels;
    char text[1001];

    if (!labels || !*labels)
        return;
    ls_write_open(out, "labels", '[');
    while (*rest) {
        const size_t size = strcspn(rest, ",");
        const char *at = rest + strspn(rest, " ");

        (void)snprintf(text, sizeof text, "%.*s", (int)(size - (size_t)(at - rest)), at);
        ls_write_text(out, NULL, text);
        rest += size + (rest[size] == ',');
    }
    ls_write_close(out, ']');
    (void)snprintf(text, sizeof text, "%.*s", (int)strcspn(labels, ","), labels);
    ls_write_text(out, "label", text);
}

static void write_flow(struct ls_buf *out, const struct ls_flow *flow)
{
    if (!flow->key)
        return;
    ls_write_text(out, "flowControlKey", flow->key);
    if (flow->parallelism)
        ls_write_i64(out, "parallelism", flow->parallelism);
    if (flow->rate) {
        ls_write_i64(out, "rate", flow->rate);
        ls_write_i64(out, "period", flow->period_s);
    }
}

void ls_qstash_write_sending(struct ls_buf *out, const struct ls_parcel *p)
{
    const struct ls_kept *k = &p->kept;

    ls_write_text(out, "method", k->message.method);
    ls_buf_char(out, ',');
    ls_kept_write_headers(out, "header", k, true);
    write_body(out, p);
    text_member(out, "callback", k->callback.url);
    text_member(out, "failureCallback", k->failure_callback.url);
    text_member(out, "queueName", k->queue);
    text_member(out, "callerIP", k->caller_ip); /* as some clients read it ... */
    text_member(out, "callerIp", k->caller_ip); /* ... and others */
    text_member(out, "retryDelayExpression", k->message.retry_delay);
    write_flow(out, &k->flow);
    write_labels(out, k->labels);
}

void ls_qstash_write(struct ls_buf *out, const struct ls_parcel *p)
{
    const struct ls_kept *k = &p->kept;

    ls_write_text(out, "messageId", p->event->id);
    text_member(out, "topicName", k->topic);
    text_member(out, "endpointName", k->endpoint);
    ls_write_text(out, "url", k->message.url);
    ls_write_i64(out, "maxRetries", k->message.retries);
    ls_write_i64(out, "notBefore", k->not_before_ms);
    ls_write_i64(out, "createdAt", p->event->accepted_us / 1000);
    text_member(out, "scheduleId", k->schedule);
    ls_qstash_write_sending(out, p);
}

void ls_qstash_write_answer(struct ls_buf *out, const struct ls_attempt *a)
{
    ls_write_i64(out, "responseStatus", a->status);
    ls_buf_char(out, ',');
    ls_kept_write_head(out, "responseHeader", a->head);
    if (a->answer_size)
        body_members(out, "responseBody", "responseBodyBase64", a->answer, a->answer_size);
    else if (*a->error)
        ls_write_text(out, "responseBody", a->error);
}
