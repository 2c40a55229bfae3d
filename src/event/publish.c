/* SPDX-License-Identifier: Apache-2.0 */
/* publish.c - messages into the queue.
 *
 * All that is decided by what the state knows is decided in the transaction that takes the message: where its group leads, which lane it takes,
 * whether its deduplication id is known. So nobody can come in between, and nothing that was answered depends on a lane that is not there.
 *
 * Order. The messages of a queue with parallelism 1 are of one resource (queue.c of the state): the next one is claimed when the one before it is
 * through or dead. With more parallelism they are begun in order, and those that are tried again do not hold up the others. */
#include "event/publish.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/text.h"
#include "event/group.h"
#include "event/kept.h"

#define LANES 16       /* that messages share which have no queue and no key */
#define LANES_MAX 4000 /* endpoints in all: a state reads no more than 4096 */
#define FORGET_US (INT64_C(8) * 86400 * 1000000)
#define FORGET_MAX 200 /* keys in one transaction */
#define TIMEOUT_MS 120000

/* ---- lanes ---- */

enum ls_code ls_lane_new(const char *name, struct ls_arena *mem, struct ls_endpoint *ret)
{
    *ret = (struct ls_endpoint){.name = ls_arena_text(mem, name),
                                .origin = LS_ENDPOINT_OF_MESSAGES,
                                .url = "",
                                .policy = "qstash",
                                .concurrency = LS_LANE_ROOM,
                                .timeout_ms = TIMEOUT_MS};
    return ret->name ? LS_OK : LS_NOMEM;
}

enum ls_code ls_lane_write(struct ls_queue_tx *tx, struct ls_endpoint *e, struct ls_arena *mem,
                           struct ls_error *err)
{
    static const struct ls_seal_key none; /* a lane has no secrets */
    struct ls_endpoint_row row;
    int64_t count = 0;
    enum ls_code rc = e->number ? LS_OK : ls_endpoints_count(tx->state, &count, err);

    if (rc == LS_OK && count >= LANES_MAX)
        rc =
            ls_error_set(err, LS_LIMIT,
                         "there are %lld queues and flow-control keys, which is the most there may "
                         "be. Remove queues, or use fewer keys",
                         (long long)count);
    if (rc == LS_OK)
        rc = ls_endpoint_check(e, err);
    if (rc == LS_OK)
        rc = ls_endpoint_to_row(e, &none, mem, &row, err);
    if (rc == LS_OK)
        rc = ls_endpoint_save(tx, &row, err);
    if (rc == LS_OK)
        e->number = row.number;
    tx->woken = UINT64_MAX; /* whoever delivers reads the endpoints again */
    return rc;
}

enum ls_code ls_lane_read(struct ls_state *state, const char *name, struct ls_arena *mem,
                          struct ls_endpoint *ret, bool *ret_found, struct ls_error *err)
{
    static const struct ls_seal_key none;
    struct ls_endpoint_row row;
    enum ls_code rc = ls_endpoint_row_named(state, name, mem, &row, ret_found, err);

    return rc == LS_OK && *ret_found ? ls_endpoint_from_row(&row, &none, mem, ret, err) : rc;
}

const char *ls_lane_name(enum ls_lane_kind kind, const char *name, struct ls_arena *mem)
{
    static const char *const kinds[] = {"queue", "flow"};

    return ls_arena_printf(mem, "%s:%s", kinds[kind], name);
}

enum ls_code ls_lanes_prune(struct ls_queue_tx *tx, int64_t *ret_count, struct ls_error *err)
{
    const enum ls_code rc =
        ls_endpoints_forget(tx, "flow:", tx->now_us - FORGET_US, FORGET_MAX, ret_count, err);

    if (rc == LS_OK && *ret_count)
        tx->woken = UINT64_MAX;
    return rc;
}

/* The part of a URL that says who is asked. */
static size_t host_size(const char *url)
{
    const char *host = strstr(url, "://");

    host = host ? host + 3 : url;
    return (size_t)(host - url) + strcspn(host, "/?#");
}

static const char *name_of_lane(const struct ls_mail *mail, const char *url, struct ls_arena *mem)
{
    if (mail->queue)
        return ls_lane_name(LS_LANE_QUEUE, mail->queue, mem);
    if (mail->flow.key)
        return ls_lane_name(LS_LANE_FLOW, mail->flow.key, mem);
    return ls_arena_printf(mem, "messages:%u",
                           (unsigned)(ls_hash64(url, host_size(url), 0) % LANES));
}

/* What the newest message of a key says goes for all of them, but for what somebody has pinned. Whether it changes anything. */
static bool take_flow(struct ls_endpoint *e, const struct ls_flow *flow)
{
    const struct ls_endpoint before = *e;

    if (!flow->key)
        return false;
    if (!(e->pinned & LS_PINNED_PARALLELISM))
        e->concurrency = flow->parallelism ? flow->parallelism : LS_LANE_ROOM;
    if (!(e->pinned & LS_PINNED_RATE)) {
        e->rate = (double)flow->rate;
        e->period_s = flow->period_s;
    }
    return e->concurrency != before.concurrency || e->period_s != before.period_s ||
           e->rate < before.rate || e->rate > before.rate;
}

static enum ls_code need_lane(struct ls_queue_tx *tx, const struct ls_mail *mail, const char *url,
                              struct ls_arena *mem, struct ls_endpoint *ret, struct ls_error *err)
{
    const char *name = name_of_lane(mail, url, mem);
    bool found = false;
    enum ls_code rc = name ? ls_queue_lock(tx, err) : ls_error_nomem(err);

    if (rc == LS_OK)
        rc = ls_lane_read(tx->state, name, mem, ret, &found, err);
    if (rc != LS_OK)
        return rc;
    if (!found && ls_lane_new(name, mem, ret) != LS_OK)
        return ls_error_nomem(err);
    if (!found && mail->queue)
        ret->concurrency = 1;
    if (take_flow(ret, &mail->flow) || !found)
        return ls_lane_write(tx, ret, mem, err);
    return mail->flow.key ? ls_endpoint_touch(tx, ret->number, err) : LS_OK;
}

/* ---- the same message again ---- */

static void add_part(struct ls_sha256 *h, const void *data, size_t size)
{
    const uint64_t length = htobe64((uint64_t)size);

    ls_sha256_add(h, &length, sizeof length);
    ls_sha256_add(h, data, size);
}

static void add_text(struct ls_sha256 *h, const char *text)
{
    add_part(h, text, strlen(text));
}

/* false: it has no id. An id is of all destinations, but of a group's each for itself. */
static bool hash_of(const struct ls_mail *mail, const char *url, unsigned char out[LS_SECRET_HASH])
{
    char hex[LS_SHA256_HEX];
    struct ls_sha256 h;

    if (!mail->dedup_id && !mail->dedup_by_content)
        return false;
    ls_sha256_init(&h);
    if (mail->dedup_id) {
        add_text(&h, "id");
        add_text(&h, mail->dedup_id);
        add_text(&h, mail->group ? url : "");
    } else {
        add_text(&h, "content");
        add_text(&h, url);
        add_text(&h, mail->message.method);
        for (size_t i = 0; i < mail->message.header_count; i++) {
            add_text(&h, mail->message.headers[i].name);
            add_text(&h, mail->message.headers[i].value);
        }
        add_part(&h, mail->body, mail->body_size);
    }
    ls_sha256_hex(&h, hex);
    ls_secret_hash(hex, sizeof hex - 1, out);
    return true;
}

/* ---- one message ---- */

static void new_id(char out[LS_MESSAGE_ID])
{
    unsigned char random[16];

    ls_random_bytes(random, sizeof random);
    memcpy(out, "msg_", 4);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(out + 4 + 2 * i, 3, "%02x", random[i]);
}

/* A UUID without its dashes. */
void ls_message_id_of_firing(const char *firing, char out[LS_MESSAGE_ID])
{
    size_t n = 4;

    memcpy(out, "msg_", 4);
    for (; *firing && n < LS_MESSAGE_ID - 1; firing++)
        if (*firing != '-')
            out[n++] = *firing;
    out[n] = '\0';
}

/* nth: which of a group's it is; the first one has the id itself. */
static const char *id_of(const struct ls_mail *mail, size_t nth, struct ls_arena *mem)
{
    char id[LS_MESSAGE_ID];

    if (mail->id)
        return nth ? ls_arena_printf(mem, "%s_%zu", mail->id, nth) : ls_arena_text(mem, mail->id);
    new_id(id);
    return ls_arena_text(mem, id);
}

const char *ls_mail_options(const struct ls_mail *mail, const char *url, const char *endpoint,
                            int64_t due_us, struct ls_arena *mem)
{
    struct ls_message message = mail->message;
    struct ls_buf out;
    const char *ret;

    message.url = url;
    ls_buf_init(&out, 0);
    ls_buf_char(&out, '{');
    ls_message_write(&out, &message);
    ls_buf_text(&out, mail->extra);
    if (endpoint) {
        ls_buf_text(&out, ",\"endpoint\":");
        ls_text_json(&out, endpoint, strlen(endpoint));
    }
    ls_buf_printf(&out, ",\"not_before\":%" PRId64 "}", due_us / 1000);
    ret = out.failed ? NULL : ls_arena_text(mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return ret;
}

static enum ls_code write_message(struct ls_queue_tx *tx, const struct ls_mail *mail,
                                  const struct ls_posted *posted, struct ls_arena *mem,
                                  struct ls_error *err)
{
    const int64_t asked_us =
        mail->not_before_us ? mail->not_before_us : tx->now_us + mail->delay_us;
    const int64_t due_us = asked_us > tx->now_us ? asked_us : tx->now_us;
    struct ls_endpoint lane;
    struct ls_event e = {.id = posted->id,
                         .type = LS_MESSAGE_TYPE,
                         .resource_type = "",
                         .resource_id = "",
                         .at_us = tx->now_us,
                         .data = mail->body,
                         .data_size = mail->body_size,
                         .options = ls_mail_options(mail, posted->url, posted->name, due_us, mem)};
    bool known = false;
    enum ls_code rc =
        e.options ? need_lane(tx, mail, posted->url, mem, &lane, err) : ls_error_nomem(err);

    if (rc == LS_OK && mail->queue && lane.concurrency == 1) {
        e.resource_type = "queue";
        e.resource_id = mail->queue;
    }
    if (rc == LS_OK)
        rc = ls_queue_accept(tx, &e, &lane.number, 1, due_us, &known, err);
    return rc;
}

static enum ls_code post(struct ls_queue_tx *tx, const struct ls_mail *mail,
                         struct ls_posted *posted, size_t nth, struct ls_arena *mem,
                         struct ls_error *err)
{
    unsigned char hash[LS_SECRET_HASH];
    const char *holder = NULL;
    enum ls_code rc = LS_OK;

    posted->id = id_of(mail, nth, mem);
    if (!posted->id)
        return ls_error_nomem(err);
    if (hash_of(mail, posted->url, hash))
        rc = ls_message_claim_id(tx, hash, posted->id, tx->now_us + LS_MESSAGE_KEPT_US, mem,
                                 &holder, err);
    if (rc != LS_OK)
        return rc;
    posted->known = holder != NULL;
    if (posted->known) {
        posted->id = holder;
        return LS_OK;
    }
    return write_message(tx, mail, posted, mem, err);
}

/* ---- groups ---- */

static enum ls_code address_group(struct ls_queue_tx *tx, const struct ls_mail *mail,
                                  struct ls_arena *mem, struct ls_posting_result *ret,
                                  struct ls_error *err)
{
    struct ls_group group;
    bool found = false;
    enum ls_code rc = ls_group_read(tx->state, mail->group, mem, &group, &found, err);

    if (rc == LS_OK && (!found || group.count == 0))
        rc = ls_error_set(err, LS_NOT_FOUND, "there is no URL group %.100s", mail->group);
    if (rc == LS_OK && !(ret->posted = ls_arena_array(mem, group.count, sizeof *ret->posted)))
        rc = ls_error_nomem(err);
    for (size_t i = 0; rc == LS_OK && i < group.count; i++) {
        ret->posted[i].url = group.members[i].url;
        ret->posted[i].name = group.members[i].name;
    }
    ret->count = rc == LS_OK ? group.count : 0;
    return rc;
}

/* Where it goes: one URL, or those of its group. */
static enum ls_code address(struct ls_queue_tx *tx, const struct ls_mail *mail,
                            struct ls_arena *mem, struct ls_posting_result *ret,
                            struct ls_error *err)
{
    if (mail->group)
        return address_group(tx, mail, mem, ret, err);
    ret->count = 1;
    ret->posted = ls_arena_array(mem, 1, sizeof *ret->posted);
    if (!ret->posted)
        return ls_error_nomem(err);
    ret->posted[0].url = mail->message.url;
    return LS_OK;
}

enum ls_code ls_mail_accept(struct ls_queue_tx *tx, const struct ls_mail *mail,
                            struct ls_arena *mem, struct ls_posting_result *ret,
                            struct ls_error *err)
{
    enum ls_code rc = ret->posted ? LS_OK : address(tx, mail, mem, ret, err);

    for (size_t i = 0; i < ret->count && rc == LS_OK; i++)
        rc = post(tx, mail, &ret->posted[i], i, mem, err);
    return rc;
}

/* ---- again ---- */

/* Its lane may be gone, or be another one by now. */
static enum ls_code accept_again(struct ls_queue_tx *tx, struct ls_event *e, struct ls_arena *mem,
                                 struct ls_error *err)
{
    struct ls_mail mail = {0};
    struct ls_endpoint lane;
    struct ls_kept kept;
    bool known;
    enum ls_code rc = ls_kept_read(e->options, mem, &kept, err);

    mail.message = kept.message;
    mail.queue = kept.queue;
    mail.flow = kept.flow;
    if (rc == LS_OK)
        rc = need_lane(tx, &mail, kept.message.url, mem, &lane, err);
    return rc == LS_OK ? ls_queue_accept(tx, e, &lane.number, 1, 0, &known, err) : rc;
}

enum ls_code ls_mail_again(struct ls_queue_tx *tx, int64_t event, struct ls_arena *mem,
                           const char **ret_id, struct ls_error *err)
{
    const struct ls_queue_filter filter = {.event = event, .states = 1u << LS_DELIVERY_DEAD};
    struct ls_event *events = NULL;
    char id[LS_MESSAGE_ID];
    int64_t discarded = 0;
    size_t count = 0;
    enum ls_code rc = ls_queue_events(tx->state, &filter, 1, mem, &count, &events, err);

    *ret_id = NULL;
    if (rc == LS_OK && count)
        rc = ls_queue_discard(tx, &filter, 1, &discarded, err);
    if (rc != LS_OK || discarded == 0)
        return rc;
    new_id(id);
    *ret_id = events[0].id = ls_arena_text(mem, id);
    events[0].at_us = tx->now_us;
    return *ret_id ? accept_again(tx, &events[0], mem, err) : ls_error_nomem(err);
}

/* ---- postings ---- */

static size_t count_taken(const struct ls_posting *p)
{
    size_t taken = 0;

    for (size_t i = 0; i < p->count; i++)
        for (size_t j = 0; j < p->results[i].count; j++)
            taken += !p->results[i].posted[j].known;
    return taken;
}

/* What is wrong with a posting itself is no failure of the transaction, in which others are too: nothing is written then. */
static enum ls_code run(struct ls_queue_task *task, struct ls_queue_tx *tx, struct ls_error *err)
{
    struct ls_posting *p = (struct ls_posting *)(void *)task;
    enum ls_code rc = LS_OK;

    p->refused = LS_OK;
    p->results = ls_arena_array(p->mem, p->count, sizeof *p->results);
    if (!p->results)
        return ls_error_nomem(err);
    for (size_t i = 0; i < p->count && rc == LS_OK; i++)
        rc = address(tx, &p->mail[i], p->mem, &p->results[i], err);
    if (p->deed) {
        p->deed->failed = rc == LS_NOT_FOUND;
        p->deed->events = 0;
    }
    if (rc == LS_NOT_FOUND) {
        p->refused = rc;
        p->why = *err;
        return LS_OK;
    }
    for (size_t i = 0; i < p->count && rc == LS_OK; i++)
        rc = ls_mail_accept(tx, &p->mail[i], p->mem, &p->results[i], err);
    if (rc == LS_OK && p->deed)
        p->deed->events = count_taken(p);
    return rc;
}

static void over(struct ls_queue_task *task, enum ls_code rc, const struct ls_error *err)
{
    struct ls_posting *p = (struct ls_posting *)(void *)task;

    if (rc == LS_OK && p->refused != LS_OK)
        p->done(p, p->refused, &p->why);
    else
        p->done(p, rc, err);
}

void ls_posting_submit(struct ls_queue *queue, struct ls_posting *posting)
{
    posting->task = (struct ls_queue_task){
        .run = run, .done = over, .adds = posting->adds, .deed = posting->deed};
    ls_queue_submit(queue, &posting->task);
}
