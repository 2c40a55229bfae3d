/* SPDX-License-Identifier: Apache-2.0 */
/* publish_read.c - what the headers of a message say of it.
 *
 * Header names come in any case. An Upstash- header that is not known here is passed over: newer clients send some that change nothing for us. One
 * that is known and cannot be read is refused, for a message that is sent otherwise than asked would be noticed late.
 *
 * What is forwarded may not stand for what deliveries say themselves (the signature above all), nor for what the connection needs. */
#include "event/publish.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "event/retry.h"

#define FORWARD "upstash-forward-"
#define CALLBACK "upstash-callback"
#define FAILURE "upstash-failure-callback"
#define TIMEOUT_MAX_S INT64_C(43200)
#define PARALLELISM_MAX 1000
#define RATE_MAX 1000000
#define LABELS_MAX 1000 /* bytes */
#define OURS_MAX 4 /* headers that we add: of a schedule, a group, the caller; and one to spare */
#define FORWARDED_MAX (LS_MESSAGE_HEADERS_MAX - OURS_MAX)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool starts_nocase(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

static const char *header(const struct ls_letter *l, const char *name)
{
    for (size_t i = 0; i < l->header_count; i++)
        if (ls_text_equal_nocase(l->headers[i].name, name))
            return l->headers[i].value;
    return NULL;
}

static enum ls_code bad(struct ls_error *err, const char *name, const char *value,
                        const char *wanted)
{
    return ls_error_set(err, LS_USAGE, "%s is \"%.100s\": %s", name, value, wanted);
}

/* ---- small texts ---- */

bool ls_letter_name_fits(const char *name)
{
    const size_t length = strlen(name);

    return length > 0 && length <= LS_MESSAGE_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               length;
}

int64_t ls_letter_duration_s(const char *text, int64_t max_s)
{
    static const struct {
        char unit;
        int64_t s;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'\0', 1}};
    int64_t total = 0;

    if (!*text)
        return -1;
    while (*text) {
        const size_t digits = strspn(text, "0123456789");
        int64_t number = 0;
        size_t i = 0;

        if (digits == 0 || !ls_text_to_i64(text, digits, &number) || number > max_s)
            return -1;
        while (i < COUNT(units) && units[i].unit != text[digits])
            i++;
        if (i == COUNT(units) || number * units[i].s > max_s - total)
            return -1;
        total += number * units[i].s;
        text += digits + (text[digits] != '\0');
    }
    return total;
}

static bool read_count(const char *text, int64_t max, int64_t *ret)
{
    return ls_text_to_i64(text, strlen(text), ret) && *ret >= 0 && *ret <= max;
}

static bool is_true(const char *text)
{
    return text && (ls_text_equal_nocase(text, "true") || strcmp(text, "1") == 0);
}

/* ---- the request that will be sent ---- */

/* Written by the delivery itself. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {
        "user-agent",          "upstash-signature",  "upstash-message-id", "upstash-retried",
        "upstash-schedule-id", "upstash-topic-name", "upstash-caller-ip"};

    for (size_t i = 0; i < COUNT(ours); i++)
        if (ls_text_equal_nocase(name, ours[i]))
            return true;
    return false;
}

static enum ls_code add_forwarded(const struct ls_header *h, struct ls_header *list, size_t *count,
                                  struct ls_error *err)
{
    const char *name = h->name;

    if (starts_nocase(name, FORWARD))
        name += strlen(FORWARD);
    else if (!ls_text_equal_nocase(name, "content-type"))
        return LS_OK;
    if (is_ours(name))
        return LS_OK;
    if (!ls_message_header_fits(name, h->value))
        return ls_error_set(err, LS_USAGE, "the header %.100s cannot be forwarded", name);
    if (*count == FORWARDED_MAX)
        return ls_error_set(err, LS_USAGE,
                            "over %d headers are to be forwarded (Content-Type is one): send fewer",
                            FORWARDED_MAX);
    list[(*count)++] = (struct ls_header){name, h->value};
    return LS_OK;
}

static enum ls_code read_headers(const struct ls_letter *l, const char *group, struct ls_arena *mem,
                                 struct ls_message *m, struct ls_error *err)
{
    struct ls_header *list = ls_arena_array(mem, l->header_count + 3, sizeof *list);
    size_t count = 0;
    enum ls_code rc = list ? LS_OK : ls_error_nomem(err);

    for (size_t i = 0; i < l->header_count && rc == LS_OK; i++)
        rc = add_forwarded(&l->headers[i], list, &count, err);
    if (rc == LS_OK && l->schedule)
        list[count++] = (struct ls_header){"Upstash-Schedule-Id", l->schedule};
    if (rc == LS_OK && group)
        list[count++] = (struct ls_header){"Upstash-Topic-Name", group};
    if (rc == LS_OK && l->caller_ip)
        list[count++] = (struct ls_header){"Upstash-Caller-Ip", l->caller_ip};
    m->headers = list;
    m->header_count = count;
    return rc;
}

static enum ls_code read_method(const struct ls_letter *l, struct ls_message *m,
                                struct ls_error *err)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"};
    const char *text = header(l, "upstash-method");

    m->method = "POST";
    for (size_t i = 0; text && i < COUNT(methods); i++)
        if (ls_text_equal_nocase(text, methods[i])) {
            m->method = methods[i];
            return LS_OK;
        }
    return text ? bad(err, "Upstash-Method", text, "GET, POST, PUT, PATCH, DELETE or HEAD") : LS_OK;
}

static enum ls_code read_tries(const struct ls_letter *l, struct ls_message *m,
                               struct ls_error *err)
{
    const char *retries = header(l, "upstash-retries"), *timeout = header(l, "upstash-timeout");
    int64_t number = 3;

    if (retries && !read_count(retries, LS_RETRY_ATTEMPTS_MAX - 1, &number))
        return bad(err, "Upstash-Retries", retries, "a number from 0 to 999");
    m->retries = (unsigned)number;
    m->retries_said = true;
    m->retry_delay = header(l, "upstash-retry-delay");
    if (m->retry_delay && !*m->retry_delay)
        m->retry_delay = NULL;
    if (timeout) {
        number = ls_letter_duration_s(timeout, TIMEOUT_MAX_S);
        if (number < 1)
            return bad(err, "Upstash-Timeout", timeout, "a duration such as 30s, at most 12h");
        m->timeout_ms = number * 1000;
    }
    return m->retry_delay ? ls_retry_expression_check(m->retry_delay, err) : LS_OK;
}

static enum ls_code read_destination(const struct ls_letter *l, const struct ls_guard *guard,
                                     struct ls_arena *mem, struct ls_mail *ret,
                                     struct ls_error *err)
{
    struct ls_guard_target target;

    if (strstr(l->destination, "://")) {
        ret->message.url = l->destination;
        return guard ? ls_guard_url(guard, l->destination, mem, &target, err) : LS_OK;
    }
    if (!ls_letter_name_fits(l->destination))
        return ls_error_set(err, LS_USAGE,
                            "the destination \"%.100s\" is neither a URL (https://...) nor the "
                            "name of a URL group",
                            l->destination);
    ret->group = l->destination;
    return LS_OK;
}

/* ---- when ---- */

static enum ls_code read_time(const struct ls_letter *l, struct ls_mail *ret, struct ls_error *err)
{
    const char *delay = header(l, "upstash-delay"), *at = header(l, "upstash-not-before");
    int64_t number;

    if (delay && *delay) {
        number = ls_letter_duration_s(delay, LS_MESSAGE_DELAY_MAX_S);
        if (number < 0)
            return bad(err, "Upstash-Delay", delay,
                       "a duration such as 10s or 1d10h30m, at most 366 days");
        ret->delay_us = number * 1000000;
    }
    if (at && *at) {
        if (!read_count(at, INT64_C(253402300799), &number) ||
            (l->now_us && number - l->now_us / 1000000 > LS_MESSAGE_DELAY_MAX_S))
            return bad(err, "Upstash-Not-Before", at,
                       "a Unix time in seconds, at most 366 days from now");
        ret->not_before_us = number * 1000000;
    }
    return LS_OK;
}

/* ---- flow control ---- */

static char *trimmed(char *text)
{
    size_t length;

    text += strspn(text, " \t");
    length = strlen(text);
    while (length && strchr(" \t", text[length - 1]))
        text[--length] = '\0';
    return text;
}

/* One setting of "parallelism=2, rate=10, period=1m". */
static bool read_flow_setting(char *text, struct ls_flow *ret)
{
    char *value = text;
    const char *name = trimmed(strsep(&value, "="));

    if (!value)
        return false;
    value = trimmed(value);
    if (ls_text_equal_nocase(name, "parallelism"))
        return read_count(value, PARALLELISM_MAX, &ret->parallelism) && ret->parallelism > 0;
    if (ls_text_equal_nocase(name, "rate") || ls_text_equal_nocase(name, "ratePerSecond"))
        return read_count(value, RATE_MAX, &ret->rate) && ret->rate > 0;
    if (ls_text_equal_nocase(name, "period")) {
        ret->period_s = ls_letter_duration_s(value, LS_ENDPOINT_PERIOD_MAX_S);
        return ret->period_s > 0;
    }
    return false;
}

static enum ls_code read_flow(const struct ls_letter *l, struct ls_arena *mem, struct ls_flow *ret,
                              struct ls_error *err)
{
    const char *value = header(l, "upstash-flow-control-value");
    char *rest;

    ret->key = header(l, "upstash-flow-control-key");
    if (!ret->key)
        return LS_OK;
    if (!ls_letter_name_fits(ret->key))
        return bad(err, "Upstash-Flow-Control-Key", ret->key,
                   "letters, digits, dots, dashes and underscores");
    rest = ls_arena_text(mem, value ? value : "");
    if (!rest)
        return ls_error_nomem(err);
    while (rest && *rest)
        if (!read_flow_setting(strsep(&rest, ","), ret))
            return bad(err, "Upstash-Flow-Control-Value", value,
                       "settings such as parallelism=2, rate=10, period=1m");
    if (!ret->parallelism && !ret->rate)
        return ls_error_set(err, LS_USAGE,
                            "Upstash-Flow-Control-Value has to say parallelism or rate");
    if (ret->rate && !ret->period_s)
        ret->period_s = 1;
    return LS_OK;
}

/* ---- callbacks ---- */

/* "Upstash-Callback-Retries" of a message is "Upstash-Retries" of its callback. The others are not of it. */
static bool of_callback(const char *name, const char *family)
{
    return starts_nocase(name, family) && name[strlen(family)] == '-';
}

/* Headers stand there without their "upstash-". */
static void write_callback(struct ls_buf *out, const struct ls_letter *l, const char *member,
                           const char *family, const char *url)
{
    const char *comma = "";

    ls_buf_printf(out, ",\"%s\":{\"url\":", member);
    ls_text_json(out, url, strlen(url));
    ls_buf_text(out, ",\"headers\":[");
    for (size_t i = 0; i < l->header_count; i++) {
        const struct ls_header *h = &l->headers[i];

        if (!of_callback(h->name, family))
            continue;
        ls_buf_printf(out, "%s[", comma);
        ls_text_json(out, h->name + strlen(family) + 1, strlen(h->name + strlen(family) + 1));
        ls_buf_char(out, ',');
        ls_text_json(out, h->value, strlen(h->value));
        ls_buf_char(out, ']');
        comma = ",";
    }
    ls_buf_text(out, "]}");
}

/* Checked like a message of its own, so that it does not fail when it is needed. */
static enum ls_code check_callback(const struct ls_letter *l, const char *family, const char *url,
                                   const struct ls_guard *guard, struct ls_arena *mem,
                                   struct ls_error *err)
{
    struct ls_header *headers = ls_arena_array(mem, l->header_count + 1, sizeof *headers);
    struct ls_letter callback = {
        .destination = url, .headers = headers, .body = "", .now_us = l->now_us};
    struct ls_mail mail;

    if (!headers)
        return ls_error_nomem(err);
    for (size_t i = 0; i < l->header_count; i++) {
        const char *name;

        if (!of_callback(l->headers[i].name, family))
            continue;
        name = ls_arena_printf(mem, "upstash-%s", l->headers[i].name + strlen(family) + 1);
        if (!name)
            return ls_error_nomem(err);
        headers[callback.header_count++] = (struct ls_header){name, l->headers[i].value};
    }
    for (size_t i = 0; i < callback.header_count; i++)
        if (starts_nocase(headers[i].name, CALLBACK) || starts_nocase(headers[i].name, FAILURE))
            return ls_error_set(err, LS_USAGE, "a callback has no callbacks");
    headers[callback.header_count++] = (struct ls_header){"Content-Type", "application/json"};
    return ls_letter_read(&callback, guard, mem, &mail, err);
}

static enum ls_code add_callback(struct ls_buf *out, const struct ls_letter *l, const char *member,
                                 const char *family, const struct ls_guard *guard,
                                 struct ls_arena *mem, struct ls_error *err)
{
    const char *url = header(l, family);
    enum ls_code rc;

    if (!url || !*url)
        return LS_OK;
    rc = check_callback(l, family, url, guard, mem, err);
    if (rc == LS_OK)
        write_callback(out, l, member, family, url);
    else if (rc != LS_NOMEM)
        ls_error_wrap(err, "%s", family);
    return rc;
}

/* ---- what else is kept ---- */

static void text_member(struct ls_buf *out, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    ls_buf_printf(out, ",\"%s\":", name);
    ls_text_json(out, value, strlen(value));
}

static enum ls_code write_extra(const struct ls_letter *l, const struct ls_mail *mail,
                                const struct ls_guard *guard, struct ls_arena *mem,
                                struct ls_buf *out, struct ls_error *err)
{
    const char *labels = header(l, "upstash-label");
    enum ls_code rc;

    if (labels && strlen(labels) > LABELS_MAX)
        return ls_error_set(err, LS_USAGE, "Upstash-Label has over %d bytes", LABELS_MAX);
    text_member(out, "queue", mail->queue);
    text_member(out, "topic", mail->group);
    text_member(out, "schedule", l->schedule);
    text_member(out, "labels", labels);
    text_member(out, "redact", header(l, "upstash-redact-fields"));
    text_member(out, "caller_ip", l->caller_ip);
    if (mail->flow.key) {
        ls_buf_text(out, ",\"flow\":{\"key\":");
        ls_text_json(out, mail->flow.key, strlen(mail->flow.key));
        ls_buf_printf(out,
                      ",\"parallelism\":%" PRId64 ",\"rate\":%" PRId64 ",\"period\":%" PRId64 "}",
                      mail->flow.parallelism, mail->flow.rate, mail->flow.period_s);
    }
    rc = add_callback(out, l, "callback", CALLBACK, guard, mem, err);
    if (rc == LS_OK)
        rc = add_callback(out, l, "failure_callback", FAILURE, guard, mem, err);
    return rc;
}

static enum ls_code read_queue(const struct ls_letter *l, struct ls_mail *ret, struct ls_error *err)
{
    ret->id = l->id;
    ret->queue = l->queue ? l->queue : header(l, "upstash-queue-name");
    if (ret->queue && !ls_letter_name_fits(ret->queue))
        return ls_error_set(err, LS_USAGE,
                            "\"%.100s\" is no name of a queue: letters, digits, dots, dashes and "
                            "underscores",
                            ret->queue);
    if (ret->queue && ret->flow.key)
        return ls_error_set(err, LS_USAGE,
                            "a message goes by its queue or by its flow-control key, not both");
    return LS_OK;
}

enum ls_code ls_letter_read(const struct ls_letter *l, const struct ls_guard *guard,
                            struct ls_arena *mem, struct ls_mail *ret, struct ls_error *err)
{
    struct ls_mail m = {.message.qstash = true, .body = l->body, .body_size = l->body_size};
    struct ls_buf extra;
    enum ls_code rc = read_destination(l, guard, mem, &m, err);

    if (rc == LS_OK)
        rc = read_headers(l, m.group, mem, &m.message, err);
    if (rc == LS_OK)
        rc = read_method(l, &m.message, err);
    if (rc == LS_OK)
        rc = read_tries(l, &m.message, err);
    if (rc == LS_OK)
        rc = read_time(l, &m, err);
    if (rc == LS_OK)
        rc = read_flow(l, mem, &m.flow, err);
    if (rc == LS_OK)
        rc = read_queue(l, &m, err);
    if (rc != LS_OK)
        return rc;
    m.dedup_id = header(l, "upstash-deduplication-id");
    if (m.dedup_id && !*m.dedup_id)
        m.dedup_id = NULL;
    m.dedup_by_content = is_true(header(l, "upstash-content-based-deduplication"));
    ls_buf_init(&extra, 0);
    rc = write_extra(l, &m, guard, mem, &extra, err);
    m.extra = extra.failed ? NULL : ls_arena_text(mem, ls_buf_str(&extra));
    ls_buf_done(&extra);
    if (rc == LS_OK && !m.extra)
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        *ret = m;
    return rc;
}
