/* SPDX-License-Identifier: Apache-2.0 */
/* test_publish.c - messages: what their headers say, how they are kept, which of them are the same, groups, lanes, the keys that sign them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/group.h"
#include "event/kept.h"
#include "event/signing.h"
#include "lib/testdir.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define S INT64_C(1000000)
#define NOW (INT64_C(1700000000) * S)
#define URL "https://ex.com/a?b=1"

struct fixture {
    char *dir;
    struct ls_state *state;
    struct ls_arena mem;
    struct ls_guard guard;
    struct ls_error err;
};

static int set_up(void **state)
{
    static struct fixture f;
    char path[300];

    memset(&f, 0, sizeof f);
    f.dir = testdir_new();
    ls_arena_init(&f.mem, 0);
    snprintf(path, sizeof path, "%s/state.db", f.dir);
    if (ls_state_open(path, true, &f.state, &f.err) != LS_OK)
        fail_msg("%s", f.err.text);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    ls_state_close(f->state);
    ls_arena_done(&f->mem);
    free(f->dir);
    return 0;
}

static void must(struct fixture *f, enum ls_code rc)
{
    if (rc != LS_OK)
        fail_msg("%s", f->err.text);
}

/* ---- reading ---- */

static enum ls_code read_one(struct fixture *f, const char *destination, const char *name,
                             const char *value, struct ls_mail *ret)
{
    struct ls_header *h = ls_arena_alloc(&f->mem, sizeof *h);
    const struct ls_letter letter = {.destination = destination,
                                     .header_count = name ? 1 : 0,
                                     .headers = h,
                                     .body = "body",
                                     .body_size = 4};

    *h = (struct ls_header){name, value};
    f->err.text[0] = '\0';
    return ls_letter_read(&letter, &f->guard, &f->mem, ret, &f->err);
}

static void durations_are_read_as_they_are_written(void **state)
{
    static const struct {
        const char *text;
        int64_t s;
    } cases[] = {{"10s", 10},         {"90", 90},     {"0", 0},     {"1d10h30m", 124200},
                 {"2m1s", 121},       {"1s1s", 2},    {"", -1},     {"s", -1},
                 {"10x", -1},         {"-1s", -1},    {"1.5s", -1}, {"1d ", -1},
                 {"8d", -1},          {"7d", 604800}, {"7d1s", -1}, {"999999999999999999999s", -1},
                 {"99999999999d", -1}};
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++)
        if (ls_letter_duration_s(cases[i].text, 604800) != cases[i].s)
            fail_msg("%s", cases[i].text);
}

static void what_cannot_be_read_is_refused_with_its_name(void **state)
{
    static const struct {
        const char *name, *value, *said;
    } cases[] = {
        {"Upstash-Method", "TRACE", "Upstash-Method"},
        {"upstash-retries", "-1", "Upstash-Retries"},
        {"upstash-retries", "1000", "Upstash-Retries"},
        {"upstash-retry-delay", "1 +", "Upstash-Retry-Delay|formula|pause|expression|end"},
        {"upstash-timeout", "0s", "Upstash-Timeout"},
        {"upstash-timeout", "13h", "Upstash-Timeout"},
        {"upstash-delay", "soon", "Upstash-Delay"},
        {"upstash-delay", "400d", "Upstash-Delay"},
        {"upstash-not-before", "tomorrow", "Upstash-Not-Before"},
        {"upstash-flow-control-key", "k", "parallelism or rate"},
        {"upstash-flow-control-key", "a b", "Upstash-Flow-Control-Key"},
        {"upstash-queue-name", "a/b", "no name of a queue"},
        {"upstash-forward-host", "x", "cannot be forwarded"},
        {"upstash-forward-x", "a\nb", "cannot be forwarded"},
        {"upstash-callback", "http://10.0.0.1/", "10.0.0.1"},
        {"upstash-callback", "ftp://ex.com/", "upstash-callback"},
        {"upstash-failure-callback", "https://169.254.169.254/", "169.254"},
    };
    struct fixture *f = *state;
    struct ls_mail mail;

    for (size_t i = 0; i < COUNT(cases); i++) {
        const enum ls_code rc = read_one(f, URL, cases[i].name, cases[i].value, &mail);
        bool said = false;
        char words[200], *rest = words;

        snprintf(words, sizeof words, "%s", cases[i].said);
        for (const char *word; (word = strsep(&rest, "|"));)
            said = said || strstr(f->err.text, word);
        if ((rc != LS_USAGE && rc != LS_PERMISSION) || !said)
            fail_msg("%s: %s: %d %s", cases[i].name, cases[i].value, rc, f->err.text);
    }
    assert_int_equal(read_one(f, "http://127.0.0.1/", NULL, NULL, &mail), LS_PERMISSION);
    assert_int_equal(read_one(f, "a b", NULL, NULL, &mail), LS_USAGE);
    assert_int_equal(read_one(f, "", NULL, NULL, &mail), LS_USAGE);
}

static void a_moment_is_at_most_a_year_away(void **state)
{
    struct fixture *f = *state;
    const int64_t most = NOW / S + 366 * 86400;
    struct ls_header h[] = {{"upstash-not-before", NULL}, {"upstash-callback", URL}};
    struct ls_letter letter = {
        .destination = URL, .header_count = 2, .headers = h, .body = "", .now_us = NOW};
    struct ls_mail mail;

    h[0].value = ls_arena_printf(&f->mem, "%" PRId64, most);
    must(f, ls_letter_read(&letter, &f->guard, &f->mem, &mail, &f->err));
    assert_int_equal(mail.not_before_us, most * S);
    h[0].value = ls_arena_printf(&f->mem, "%" PRId64, most + 1);
    assert_int_equal(ls_letter_read(&letter, &f->guard, &f->mem, &mail, &f->err), LS_USAGE);
    assert_non_null(strstr(f->err.text, "at most 366 days from now"));
    h[0].value = "1"; /* long ago: at once */
    must(f, ls_letter_read(&letter, &f->guard, &f->mem, &mail, &f->err));
    h[0].name = "upstash-callback-not-before";
    h[0].value = ls_arena_printf(&f->mem, "%" PRId64, most + 1);
    assert_int_equal(ls_letter_read(&letter, &f->guard, &f->mem, &mail, &f->err), LS_USAGE);
    letter.now_us = 0; /* it was looked at before */
    must(f, ls_letter_read(&letter, &f->guard, &f->mem, &mail, &f->err));
}

/* Whatever is added to them when they are sent: what is taken can be read again. */
static void as_many_headers_are_taken_as_can_be_sent(void **state)
{
    struct fixture *f = *state;
    struct ls_header headers[200];
    struct ls_letter letter = {.destination = "group",
                               .headers = headers,
                               .body = "",
                               .caller_ip = "203.0.113.7",
                               .schedule = "s"};
    struct ls_message read;
    struct ls_mail mail;

    headers[0] = (struct ls_header){"Content-Type", "text/plain"};
    for (int i = 1; i < 200; i++)
        headers[i] =
            (struct ls_header){ls_arena_printf(&f->mem, "Upstash-Forward-X-%d", i), "value"};
    letter.header_count = 96;
    must(f, ls_letter_read(&letter, &f->guard, &f->mem, &mail, &f->err));
    must(f,
         ls_message_read(ls_mail_options(&mail, URL, NULL, 0, &f->mem), &f->mem, &read, &f->err));
    assert_int_equal(read.header_count, 99);
    letter.header_count = 97;
    assert_int_equal(ls_letter_read(&letter, &f->guard, &f->mem, &mail, &f->err), LS_USAGE);
    assert_non_null(strstr(f->err.text, "over 96 headers"));
    /* a callback has one of its own */
    headers[0] = (struct ls_header){"Upstash-Callback", URL};
    for (int i = 1; i < 200; i++)
        headers[i].name = ls_arena_printf(&f->mem, "Upstash-Callback-Forward-X-%d", i);
    letter.header_count = 96;
    must(f, ls_letter_read(&letter, &f->guard, &f->mem, &mail, &f->err));
    letter.header_count = 97;
    assert_int_equal(ls_letter_read(&letter, &f->guard, &f->mem, &mail, &f->err), LS_USAGE);
    assert_non_null(strstr(f->err.text, "upstash-callback: over 96 headers"));
}

static void a_message_says_again_what_it_was_told(void **state)
{
    static const struct ls_header headers[] = {
        {"UPSTASH-METHOD", "put"},
        {"Content-Type", "text/csv"},
        {"Authorization", "Bearer of the call"},
        {"upstash-forward-X-A", "1"},
        {"upstash-forward-upstash-signature", "forged"},
        {"upstash-retries", "7"},
        {"upstash-retry-delay", "1000 * retried"},
        {"upstash-timeout", "20"},
        {"upstash-label", "red, green"},
        {"upstash-redact-fields", "body"},
        {"upstash-flow-control-key", "k"},
        {"upstash-flow-control-value", "parallelism=2, rate=10, period=1m"},
        {"upstash-callback", "https://ex.com/cb"},
        {"upstash-callback-retries", "1"},
        {"upstash-callback-forward-\"x", "\"v"},
        {"upstash-failure-callback", "https://ex.com/failed"},
        {"upstash-telemetry-sdk", "x"},
        {"upstash-something-new", "x"},
    };
    const struct ls_letter letter = {.destination = URL,
                                     .header_count = COUNT(headers) - 4,
                                     .headers = headers,
                                     .body = "",
                                     .caller_ip = "192.0.2.1",
                                     .schedule = "nightly"};
    struct fixture *f = *state;
    struct ls_mail mail;
    struct ls_kept kept;
    const char *options;

    must(f, ls_letter_read(&letter, &f->guard, &f->mem, &mail, &f->err));
    options = ls_mail_options(&mail, URL, "one", NOW, &f->mem);
    must(f, ls_kept_read(options, &f->mem, &kept, &f->err));
    assert_string_equal(kept.message.url, URL);
    assert_string_equal(kept.message.method, "PUT");
    assert_int_equal(kept.message.retries, 7);
    assert_string_equal(kept.message.retry_delay, "1000 * retried");
    assert_int_equal(kept.message.timeout_ms, 20000);
    assert_true(kept.message.qstash);
    assert_int_equal(kept.message.header_count, 4); /* type, X-A, and whose schedule and call */
    assert_string_equal(kept.message.headers[1].name, "X-A");
    assert_string_equal(kept.labels, "red, green");
    assert_string_equal(kept.redact, "body");
    assert_string_equal(kept.endpoint, "one");
    assert_string_equal(kept.schedule, "nightly");
    assert_string_equal(kept.caller_ip, "192.0.2.1");
    assert_string_equal(kept.flow.key, "k");
    assert_int_equal(kept.flow.parallelism, 2);
    assert_int_equal(kept.flow.rate, 10);
    assert_int_equal(kept.flow.period_s, 60);
    assert_string_equal(kept.callback.url, "https://ex.com/cb");
    assert_int_equal(kept.callback.header_count, 1);
    assert_string_equal(kept.callback.headers[0].name, "upstash-retries");
    assert_null(kept.failure_callback.url);
    assert_int_equal(kept.not_before_ms, NOW / 1000);
}

/* What a schedule keeps of a call is what its messages are sent by later. */
static void the_headers_of_a_letter_are_kept_and_read_again(void **state)
{
    static const struct ls_header headers[] = {{"Authorization", "Bearer x"},
                                               {"content-type", "a\"b"},
                                               {"Upstash-Cron", "* * * * *"},
                                               {"Upstash-Forward-X", "\xc3\xbc"},
                                               {"upstash-telemetry-sdk", "x"}};
    const struct ls_letter letter = {.header_count = COUNT(headers), .headers = headers};
    struct fixture *f = *state;
    struct ls_letter again = {0};
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_letter_write_headers(&out, &letter);
    must(f, ls_letter_read_headers(ls_buf_str(&out), &f->mem, &again, &f->err));
    ls_buf_done(&out);
    assert_int_equal(again.header_count, 2);
    assert_string_equal(again.headers[0].value, "a\"b");
    assert_string_equal(again.headers[1].name, "Upstash-Forward-X");
    assert_string_equal(again.headers[1].value, "\xc3\xbc");
    assert_int_equal(ls_letter_read_headers("{}", &f->mem, &again, &f->err), LS_DATA);
    assert_int_equal(ls_letter_read_headers("[", &f->mem, &again, &f->err), LS_DATA);
}

static void what_is_to_be_hidden_is_told_by_its_fields(void **state)
{
    static const struct {
        const char *redact, *part, *name;
        bool hidden;
    } cases[] = {
        {"body", "body", NULL, true},           {"header", "body", NULL, false},
        {"header", "header", "X", true},        {"headers", "header", "X", true},
        {"header[X]", "header", "x", true},     {"headers[X]", "header", "X", true},
        {"header[X]", "header", "X-A", false},  {"header[X-A]", "header", "X", false},
        {"header[A],body", "body", NULL, true}, {"header[A], header[B]", "header", "b", true},
        {"bodyguard", "body", NULL, false},     {"", "body", NULL, false},
        {NULL, "header", "X", false},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct ls_kept kept = {.redact = cases[i].redact};

        if (ls_kept_hides(&kept, cases[i].part, cases[i].name) != cases[i].hidden)
            fail_msg("%s %s", cases[i].redact, cases[i].part);
    }
}

/* ---- taking ---- */

static struct ls_posted take(struct fixture *f, int64_t now_us, const char *destination,
                             const char *name, const char *value, size_t *ret_count)
{
    struct ls_posting_result result = {0};
    struct ls_queue_tx tx;
    struct ls_mail mail;
    enum ls_code rc;

    must(f, read_one(f, destination, name, value, &mail));
    must(f, ls_queue_begin(f->state, now_us, &tx, &f->err));
    rc = ls_mail_accept(&tx, &mail, &f->mem, &result, &f->err);
    must(f, ls_queue_end(&tx, rc, &f->err));
    if (ret_count)
        *ret_count = result.count;
    return result.posted[0];
}

static void an_id_is_known_for_ten_minutes(void **state)
{
    struct fixture *f = *state;
    const char *id = "Upstash-Deduplication-Id";
    const struct ls_posted first = take(f, NOW, URL, id, "a", NULL);
    struct ls_posted again = take(f, NOW + 599 * S, "https://other.example/", id, "a", NULL);
    struct ls_queue_tx tx;

    assert_false(first.known);
    assert_true(again.known);
    assert_string_equal(again.id, first.id);
    assert_false(take(f, NOW, URL, id, "b", NULL).known);
    again = take(f, NOW + 600 * S, URL, id, "a", NULL);
    assert_false(again.known);
    assert_string_not_equal(again.id, first.id);
    assert_true(take(f, NOW + 1199 * S, URL, id, "a", NULL).known);
    must(f, ls_queue_begin(f->state, NOW + 1150 * S, &tx, &f->err));
    must(f, ls_queue_end(&tx, ls_message_ids_prune(&tx, &f->err), &f->err));
    assert_true(take(f, NOW + 1199 * S, URL, id, "a", NULL).known);
}

static void equal_contents_are_the_same_message(void **state)
{
    struct fixture *f = *state;
    const char *on = "upstash-content-based-deduplication";
    const struct ls_posted first = take(f, NOW, URL, on, "True", NULL);

    assert_string_equal(take(f, NOW, URL, on, "true", NULL).id, first.id);
    assert_false(take(f, NOW, URL "x", on, "true", NULL).known);
    assert_false(take(f, NOW, URL, on, "false", NULL).known);
}

static void a_delay_is_counted_from_now_and_a_moment_is_one(void **state)
{
    static const struct {
        const char *name, *value;
        int64_t due_us;
    } cases[] = {{NULL, NULL, NOW},
                 {"upstash-delay", "90s", NOW + 90 * S},
                 {"upstash-not-before", "1700000100", NOW + 100 * S},
                 {"upstash-not-before", "1600000000", NOW}};
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct ls_posted p = take(f, NOW, URL, cases[i].name, cases[i].value, NULL);
        struct ls_delivery_row *rows = NULL;
        struct ls_event event;
        size_t count;

        must(f, ls_queue_event(f->state, p.id, &f->mem, &event, &f->err));
        must(f, ls_queue_deliveries(f->state, event.seq, &f->mem, &count, &rows, &f->err));
        assert_int_equal(count, 1);
        assert_int_equal(rows[0].due_us, cases[i].due_us);
        assert_memory_equal(event.data, "body", event.data_size);
    }
}

static void hosts_share_a_few_lanes_and_each_keeps_its_own(void **state)
{
    struct fixture *f = *state;
    struct ls_endpoint_row *rows = NULL;
    size_t count = 0;

    for (int i = 0; i < 100; i++) {
        char url[60];

        snprintf(url, sizeof url, "https://h%d.example/%d", i / 2, i);
        take(f, NOW, url, NULL, NULL, NULL);
    }
    must(f, ls_endpoint_rows(f->state, &f->mem, &count, &rows, &f->err));
    assert_true(count > 8 && count <= 16);
    take(f, NOW, "https://same.example/a", NULL, NULL, NULL);
    must(f, ls_endpoint_rows(f->state, &f->mem, &count, &rows, &f->err));
    take(f, NOW, "https://same.example/b", NULL, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(rows[i].origin, LS_ENDPOINT_OF_MESSAGES);
}

static size_t lane_count(struct fixture *f)
{
    struct ls_endpoint_row *rows = NULL;
    size_t count = 0;

    must(f, ls_endpoint_rows(f->state, &f->mem, &count, &rows, &f->err));
    return count;
}

static int64_t prune(struct fixture *f, int64_t now_us)
{
    struct ls_queue_tx tx;
    int64_t removed = 0;

    must(f, ls_queue_begin(f->state, now_us, &tx, &f->err));
    must(f, ls_queue_end(&tx, ls_lanes_prune(&tx, &removed, &f->err), &f->err));
    return removed;
}

/* Its key, with a rate of its own. */
static void send_with_key(struct fixture *f, int64_t now_us, const char *key)
{
    const struct ls_header headers[] = {{"upstash-flow-control-key", key},
                                        {"upstash-flow-control-value", "rate=1"}};
    const struct ls_letter letter = {
        .destination = URL, .header_count = 2, .headers = headers, .body = ""};
    struct ls_posting_result result = {0};
    struct ls_queue_tx tx;
    struct ls_mail mail;

    must(f, ls_letter_read(&letter, &f->guard, &f->mem, &mail, &f->err));
    must(f, ls_queue_begin(f->state, now_us, &tx, &f->err));
    must(f, ls_queue_end(&tx, ls_mail_accept(&tx, &mail, &f->mem, &result, &f->err), &f->err));
}

static void deliver_all(struct fixture *f, int64_t now_us)
{
    const struct ls_queue_filter all = {.states = 1u << LS_DELIVERY_PENDING};
    struct ls_queue_tx tx;
    int64_t count;

    must(f, ls_queue_begin(f->state, now_us, &tx, &f->err));
    must(f, ls_queue_end(&tx, ls_queue_discard(&tx, &all, 1000, &count, &f->err), &f->err));
}

/* Keys come and go (one for each user, say); a queue stays until it is removed. */
static void a_key_that_nobody_uses_is_forgotten(void **state)
{
    const int64_t day = 86400 * S;
    struct fixture *f = *state;

    send_with_key(f, NOW, "old");
    send_with_key(f, NOW, "used");
    send_with_key(f, NOW, "busy");
    take(f, NOW, URL, "upstash-queue-name", "q", NULL);
    deliver_all(f, NOW);
    send_with_key(f, NOW, "busy");
    send_with_key(f, NOW + 7 * day, "used");
    deliver_all(f, NOW + 7 * day);
    send_with_key(f, NOW + 7 * day, "new");
    assert_int_equal(lane_count(f), 5);
    assert_int_equal(prune(f, NOW + 7 * day), 0);
    send_with_key(f, NOW, "busy");
    assert_int_equal(prune(f, NOW + 9 * day), 1);
    assert_int_equal(lane_count(f), 4);
}

/* ---- again ---- */

/* Its one attempt fails. */
static int64_t die(struct fixture *f, const char *id)
{
    struct ls_delivery_row *rows = NULL;
    struct ls_delivery *found = NULL;
    struct ls_delivery_end end = {.next = LS_DELIVERY_DEAD, .attempt = {.at_us = NOW}};
    struct ls_event event;
    struct ls_queue_tx tx;
    size_t count;
    int64_t next_us;
    bool late = false;

    must(f, ls_queue_event(f->state, id, &f->mem, &event, &f->err));
    must(f, ls_queue_deliveries(f->state, event.seq, &f->mem, &count, &rows, &f->err));
    must(f, ls_queue_begin(f->state, NOW, &tx, &f->err));
    must(f,
         ls_queue_claim(&tx, rows[0].endpoint, 1, S, &f->mem, &count, &found, &next_us, &f->err));
    assert_int_equal(count, 1);
    end.event = found->event;
    end.endpoint = found->endpoint;
    end.token = found->token;
    must(f, ls_queue_end(&tx, ls_queue_complete(&tx, &end, &late, &f->err), &f->err));
    assert_false(late);
    return event.seq;
}

static const char *again(struct fixture *f, int64_t event)
{
    const char *id = NULL;
    struct ls_queue_tx tx;

    must(f, ls_queue_begin(f->state, NOW, &tx, &f->err));
    must(f, ls_queue_end(&tx, ls_mail_again(&tx, event, &f->mem, &id, &f->err), &f->err));
    return id;
}

static void a_dead_letter_is_sent_again_once(void **state)
{
    struct fixture *f = *state;
    const int64_t dead = die(f, take(f, NOW, URL, NULL, NULL, NULL).id);
    const char *id = again(f, dead);
    struct ls_event event;

    assert_non_null(id);
    must(f, ls_queue_event(f->state, id, &f->mem, &event, &f->err));
    assert_int_not_equal(event.seq, dead);
    assert_memory_equal(event.data, "body", 4);
    assert_null(again(f, dead));      /* whoever comes second finds it gone */
    assert_null(again(f, event.seq)); /* it is on its way */
}

/* ---- groups ---- */

static void change_group(struct fixture *f, bool add, const struct ls_group_member *m, size_t count)
{
    struct ls_queue_tx tx;
    bool found = true;

    must(f, ls_queue_begin(f->state, NOW, &tx, &f->err));
    must(f, ls_queue_end(&tx,
                         add ? ls_group_add(&tx, "g", m, count, &f->mem, &f->err)
                             : ls_group_take(&tx, "g", m, count, &f->mem, &found, &f->err),
                         &f->err));
    assert_true(found);
}

static void a_group_is_as_large_as_what_was_added_and_not_taken(void **state)
{
    static const struct ls_group_member first[] = {{"a", "https://a.example/"},
                                                   {NULL, "https://b.example/"}},
                                        second[] = {{"a", "https://a2.example/"},
                                                    {"b", "https://b.example/"},
                                                    {NULL, "https://c.example/"}},
                                        gone[] = {{"a", NULL}, {NULL, "https://c.example/"}},
                                        last[] = {{"b", NULL}};
    struct fixture *f = *state;
    struct ls_mail mail;
    struct ls_group group;
    size_t count = 0;
    bool found;

    change_group(f, true, first, 2);
    change_group(f, true, second, 3);
    must(f, ls_group_read(f->state, "g", &f->mem, &group, &found, &f->err));
    assert_int_equal(group.count, 3);
    assert_string_equal(group.members[0].url, "https://a2.example/");
    assert_string_equal(group.members[1].name, "b");
    assert_null(group.members[2].name);
    take(f, NOW, "g", NULL, NULL, &count);
    assert_int_equal(count, 3);
    change_group(f, false, gone, 2);
    take(f, NOW, "g", NULL, NULL, &count);
    assert_int_equal(count, 1);
    change_group(f, false, last, 1);
    must(f, ls_group_read(f->state, "g", &f->mem, &group, &found, &f->err));
    assert_false(found);
    must(f, read_one(f, "g", NULL, NULL, &mail));
}

/* ---- keys ---- */

static enum ls_code keys(struct fixture *f, unsigned char seal, bool rotate,
                         struct ls_signing_keys *ret)
{
    struct ls_seal_key key;
    struct ls_queue_tx tx;

    memset(key.bytes, seal, sizeof key.bytes);
    must(f, ls_queue_begin(f->state, NOW, &tx, &f->err));
    return ls_queue_end(&tx,
                        rotate ? ls_signing_keys_rotate(&tx, &key, ret, &f->err)
                               : ls_signing_keys(&tx, &key, ret, &f->err),
                        &f->err);
}

static void signing_keys_are_made_once_and_rotated(void **state)
{
    struct fixture *f = *state;
    struct ls_signing_keys first, again, rotated;

    must(f, keys(f, 1, false, &first));
    must(f, keys(f, 1, false, &again));
    assert_memory_equal(&first, &again, sizeof first);
    assert_string_not_equal(first.current, first.next);
    assert_int_equal(strncmp(first.current, "sig_", 4), 0);
    must(f, keys(f, 1, true, &rotated));
    assert_string_equal(rotated.current, first.next);
    assert_string_not_equal(rotated.next, first.current);
    must(f, keys(f, 1, false, &again));
    assert_memory_equal(&rotated, &again, sizeof again);
    assert_int_equal(keys(f, 2, false, &again), LS_CONFIG); /* sealed with another key */
    assert_non_null(strstr(f->err.text, "LOCKSTEP_KEY"));
}

int main(void)
{
#define WITH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH(durations_are_read_as_they_are_written),
        WITH(what_cannot_be_read_is_refused_with_its_name),
        WITH(a_moment_is_at_most_a_year_away),
        WITH(as_many_headers_are_taken_as_can_be_sent),
        WITH(a_message_says_again_what_it_was_told),
        WITH(the_headers_of_a_letter_are_kept_and_read_again),
        WITH(what_is_to_be_hidden_is_told_by_its_fields),
        WITH(an_id_is_known_for_ten_minutes),
        WITH(equal_contents_are_the_same_message),
        WITH(a_delay_is_counted_from_now_and_a_moment_is_one),
        WITH(hosts_share_a_few_lanes_and_each_keeps_its_own),
        WITH(a_dead_letter_is_sent_again_once),
        WITH(a_key_that_nobody_uses_is_forgotten),
        WITH(a_group_is_as_large_as_what_was_added_and_not_taken),
        WITH(signing_keys_are_made_once_and_rotated),
    };

    return cmocka_run_group_tests_name("event/publish", tests, NULL, NULL);
}
