/* SPDX-License-Identifier: Apache-2.0 */
/* routes_qstash_dlq.c - dead letters: messages whose last attempt failed.
 *
 * A dead letter's id is when it died and its message's number (callback.h). To retry one is to take its message again, as a new one with the
 * same destination, headers and body; to remove one is to discard its delivery. Either happens once: whoever comes second finds it gone. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "event/callback.h"
#include "server/qstash.h"
#include "server/qstash_filter.h"

#define COUNT 100
#define STEP 200      /* that are looked at together */
#define LOOK_MAX 5000 /* that are looked at for one answer */
#define DEAD (1u << LS_DELIVERY_DEAD)

/* ---- finding ---- */

/* Dead letters that were found, and where to go on. */
struct found {
    size_t count, room;
    int64_t *events; /* numbers */
    int64_t last;    /* the number of the last one that was looked at */
    bool more;
    struct ls_buf *out; /* NULL: they are not written */
};

static void write_item(struct ls_buf *out, const struct ls_parcel *p)
{
    char id[LS_DEAD_ID];

    ls_dead_id(p->delivery.done_us, p->event->seq, id);
    ls_write_open(out, NULL, '{');
    ls_write_text(out, "dlqId", id);
    ls_qstash_write(out, p);
    if (p->last)
        ls_qstash_write_answer(out, p->last);
    ls_write_close(out, '}');
}

static bool id_fits(const struct ls_parcel *p, const struct ls_texts *ids)
{
    char id[LS_DEAD_ID];

    ls_dead_id(p->delivery.done_us, p->event->seq, id);
    for (size_t i = 0; i < ids->count; i++)
        if (strcmp(ids->texts[i], id) == 0)
            return true;
    return ids->count == 0;
}

static enum ls_code look_at(struct ls_call *call, const struct ls_event *event,
                            const struct ls_texts *ids, struct ls_arena *mem, struct found *f,
                            struct ls_error *err)
{
    struct ls_parcel parcel;
    const enum ls_code rc = ls_qstash_parcel(call->ls->state, event, mem, &parcel, err);

    if (rc != LS_OK)
        return rc == LS_NOT_FOUND || rc == LS_DATA ? LS_OK : rc;
    if (parcel.delivery.state != LS_DELIVERY_DEAD || !id_fits(&parcel, ids) ||
        !ls_qstash_fits(call->request, &parcel, parcel.delivery.done_us))
        return LS_OK;
    f->events[f->count++] = event->seq;
    if (f->out)
        write_item(f->out, &parcel);
    return LS_OK;
}

static enum ls_code page(struct ls_call *call, const struct ls_texts *ids, struct found *f,
                         size_t *looked, struct ls_error *err)
{
    const struct ls_queue_filter filter = {
        .type = LS_MESSAGE_TYPE, .states = DEAD, .before_seq = f->last};
    struct ls_event *events = NULL;
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_queue_events(call->ls->state, &filter, STEP, &mem, &count, &events, err);
    f->more = false;
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        if (f->count == f->room) {
            f->more = true;
            break;
        }
        rc = look_at(call, &events[i], ids, &mem, f, err);
        f->last = events[i].seq;
    }
    f->more = f->more || count == STEP;
    *looked += count;
    ls_arena_done(&mem);
    return rc;
}

/* The number within an id; 0: it is none. */
static int64_t number_of(const char *id)
{
    const char *dash = strchr(id, '-');
    int64_t number = 0;

    return dash && ls_text_to_i64(dash + 1, strlen(dash + 1), &number) && number > 0 ? number : 0;
}

/* Those that are named are looked at one by one. */
static enum ls_code named(struct ls_call *call, const struct ls_texts *ids, struct found *f,
                          struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    for (size_t i = 0; i < ids->count && f->count < f->room && rc == LS_OK; i++) {
        const struct ls_texts one = {.count = 1, .texts = &ids->texts[i]};
        const struct ls_queue_filter filter = {.event = number_of(ids->texts[i])};
        struct ls_event *events = NULL;
        size_t count = 0;

        if (filter.event)
            rc = ls_queue_events(call->ls->state, &filter, 1, call->mem, &count, &events, err);
        if (rc == LS_OK && count)
            rc = look_at(call, events, &one, call->mem, f, err);
    }
    return rc;
}

static enum ls_code find(struct ls_call *call, const struct ls_texts *ids, struct found *f,
                         struct ls_error *err)
{
    size_t looked = 0;
    enum ls_code rc = ls_qstash_filter_check(call->request, err);

    if (rc == LS_OK && f->room == 0)
        rc = ls_qstash_count(call, COUNT, &f->room, err);
    if (rc == LS_OK)
        rc = ls_qstash_cursor(call, &f->last, err);
    if (rc == LS_OK && ids->count > f->room)
        f->room = ids->count;
    if (rc == LS_OK && !(f->events = ls_arena_array(call->mem, f->room, sizeof *f->events)))
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = ls_api_state(call->ls, true, err);
    if (rc == LS_OK && ids->count)
        return named(call, ids, f, err);
    f->more = true;
    while (rc == LS_OK && f->more && f->count < f->room && looked < LOOK_MAX)
        rc = page(call, ids, f, &looked, err);
    return rc;
}

static void end_with_cursor(struct ls_buf *out, const struct found *f)
{
    char cursor[24];

    (void)snprintf(cursor, sizeof cursor, "%" PRId64, f->last);
    if (f->more)
        ls_write_text(out, "cursor", cursor);
    ls_write_close(out, '}');
}

/* ---- showing ---- */

static enum ls_code get_list(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ls_texts ids = {0};
    struct ls_buf out;
    struct found f = {.out = &out};
    enum ls_code rc = ls_qstash_texts(call, "dlqIds", &ids, err);

    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_open(&out, "messages", '[');
    if (rc == LS_OK)
        rc = find(call, &ids, &f, err);
    ls_write_close(&out, ']');
    end_with_cursor(&out, &f);
    if (rc == LS_OK)
        return ls_answer(call, &out, ret, err);
    ls_buf_done(&out);
    return rc;
}

static enum ls_code no_letter(const char *id, struct ls_error *err)
{
    return ls_error_set(err, LS_NOT_FOUND, "there is no dead letter %.100s", id);
}

static enum ls_code get_one(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const char *id = ls_request_param(call->request, "letter");
    const struct ls_texts ids = {.count = 1, .texts = &id};
    struct ls_buf out;
    struct found f = {.out = &out, .room = 1};
    enum ls_code rc;

    ls_buf_init(&out, 0);
    rc = find(call, &ids, &f, err);
    if (rc == LS_OK && f.count == 0)
        rc = no_letter(id, err);
    if (rc == LS_OK)
        return ls_answer(call, &out, ret, err);
    ls_buf_done(&out);
    return rc;
}

/* ---- removing ---- */

struct removal {
    struct ls_queue_task task;
    const struct found *found;
    int64_t deleted;
};

static enum ls_code run_removal(struct ls_queue_task *task, struct ls_queue_tx *tx,
                                struct ls_error *err)
{
    struct removal *r = (struct removal *)(void *)task;
    enum ls_code rc = LS_OK;

    r->deleted = 0;
    for (size_t i = 0; i < r->found->count && rc == LS_OK; i++) {
        const struct ls_queue_filter filter = {.event = r->found->events[i], .states = DEAD};
        int64_t count = 0;

        rc = ls_queue_discard(tx, &filter, 1, &count, err);
        r->deleted += count;
    }
    return rc;
}

static enum ls_code remove_found(struct ls_call *call, const struct found *f, int64_t *ret_deleted,
                                 struct ls_response *ret, struct ls_error *err)
{
    struct removal r = {.task.run = run_removal, .found = f};
    struct ls_queue *queue = NULL;
    enum ls_code rc = ls_qstash_queue(call, &queue, ret, err);

    if (rc == LS_OK && f->count)
        rc = ls_queue_do(queue, &r.task, err);
    *ret_deleted = r.deleted;
    return rc;
}

static enum ls_code delete_one(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    const char *id = ls_request_param(call->request, "letter");
    const struct ls_texts ids = {.count = 1, .texts = &id};
    struct found f = {.room = 1};
    int64_t deleted = 0;
    enum ls_code rc = find(call, &ids, &f, err);

    if (rc == LS_OK)
        rc = remove_found(call, &f, &deleted, ret, err);
    return rc == LS_OK && deleted == 0 ? no_letter(id, err) : rc;
}

/* Which ones a call for many is about: named in the query or (by older clients) in the body, or by a filter, or by count. */
static enum ls_code read_wish(struct ls_call *call, struct ls_texts *ids, struct ls_error *err)
{
    static const struct ls_member members[] = {{"dlqIds", LS_MEMBER_TEXTS, 0, false}};
    enum ls_code rc = ls_qstash_texts(call, "dlqIds", ids, err);

    if (rc == LS_OK && call->request->body_size)
        rc = ls_body_read(call, members, 1, ids, err);
    if (rc == LS_OK && !ids->count && call->request->query_count == 0)
        rc = ls_error_set(err, LS_USAGE,
                          "which dead letters? Say dlqIds, a filter, or count for all of them");
    return rc;
}

static enum ls_code delete_many(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ls_texts ids = {0};
    struct found f = {0};
    struct ls_buf out;
    int64_t deleted = 0;
    enum ls_code rc = read_wish(call, &ids, err);

    if (rc == LS_OK)
        rc = find(call, &ids, &f, err);
    if (rc == LS_OK)
        rc = remove_found(call, &f, &deleted, ret, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_i64(&out, "deleted", deleted);
    end_with_cursor(&out, &f);
    return ls_answer(call, &out, ret, err);
}

/* ---- retrying ---- */

struct retry {
    struct ls_queue_task task;
    struct ls_arena *mem;
    const struct found *found;
    const char **ids; /* of the new messages */
    size_t count;
};

static enum ls_code run_retry(struct ls_queue_task *task, struct ls_queue_tx *tx,
                              struct ls_error *err)
{
    struct retry *r = (struct retry *)(void *)task;
    enum ls_code rc = LS_OK;

    r->count = 0;
    for (size_t i = 0; i < r->found->count && rc == LS_OK; i++) {
        const char *id = NULL;

        rc = ls_mail_again(tx, r->found->events[i], r->mem, &id, err);
        if (rc == LS_OK && id)
            r->ids[r->count++] = id;
    }
    return rc;
}

static enum ls_code post_retry(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ls_texts ids = {0};
    struct found f = {0};
    struct retry r = {.task.run = run_retry, .mem = call->mem, .found = &f};
    struct ls_queue *queue = NULL;
    struct ls_buf out;
    enum ls_code rc = read_wish(call, &ids, err);

    if (rc == LS_OK)
        rc = find(call, &ids, &f, err);
    if (rc == LS_OK)
        rc = ls_qstash_queue(call, &queue, ret, err);
    if (rc == LS_OK && !(r.ids = ls_arena_array(call->mem, f.count, sizeof *r.ids)))
        rc = ls_error_nomem(err);
    if (rc == LS_OK && f.count)
        rc = ls_queue_do(queue, &r.task, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_open(&out, "responses", '[');
    for (size_t i = 0; i < r.count; i++) {
        ls_write_open(&out, NULL, '{');
        ls_write_text(&out, "messageId", r.ids[i]);
        ls_write_close(&out, '}');
    }
    ls_write_close(&out, ']');
    end_with_cursor(&out, &f);
    return ls_answer(call, &out, ret, err);
}

#define READS (LS_ROUTE_DESK | LS_ROUTE_ERROR)
#define CHANGES (READS | LS_ROUTE_CHANGES | LS_ROUTE_ANY_TYPE)
#define FILTERS "count cursor dlqIds messageId " LS_QSTASH_FILTERS

static const struct ls_route routes[] = {
    LS_ROUTE("GET", "/v2/dlq", LS_ROLE_VIEWER, .flags = READS, .handle = get_list, .query = FILTERS,
             .response = "QstashDead", .summary = "List dead letters of messages"),
    LS_ROUTE("GET", "/v2/dlq/{letter}", LS_ROLE_VIEWER, .flags = READS, .handle = get_one,
             .response = "QstashDeadLetter", .summary = "Show a dead letter"),
    LS_ROUTE("DELETE", "/v2/dlq/{letter}", LS_ROLE_OPERATOR, .flags = CHANGES, .handle = delete_one,
             .summary = "Remove a dead letter"),
    LS_ROUTE("DELETE", "/v2/dlq", LS_ROLE_OPERATOR, .flags = CHANGES, .handle = delete_many,
             .query = FILTERS, .request = "QstashDeadIds", .response = "QstashDeleted",
             .summary = "Remove dead letters, all that fit"),
    LS_ROUTE("POST", "/v2/dlq/retry", LS_ROLE_OPERATOR, .flags = CHANGES, .handle = post_retry,
             .query = FILTERS, .request = "QstashDeadIds", .response = "QstashRetried",
             .status = 201, .summary = "Send dead letters again, all that fit, as new messages"),
};

const struct ls_route_table ls_routes_qstash_dlq =
    LS_ROUTE_TABLE("qstash dead letters", "Messages whose last attempt failed.", routes);
